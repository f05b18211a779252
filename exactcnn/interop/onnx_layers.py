"""Floor 6: ONNX's operations with weights, windows or fixed linear maps: Conv, Gemm, pooling, normalisation, sums.

Conventions.  A handler gets the node's name, its attributes and its inputs, padded with None.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.flow import Padded, padding_of, split_padding
from exactcnn.interop.onnx_file import Attributes
from exactcnn.interop.onnx_values import Values, sizes

__all__ = ["Layers"]


class Layers(Values):
    """Handlers of layers."""

    def conv(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        before = inputs[0].pads if isinstance(inputs[0], Padded) else None
        self.flow(where, inputs[0].flow if isinstance(inputs[0], Padded) else inputs[0])
        W = self.weights(f"{where}.weight", inputs[1])
        axes = W.ndim - 2
        kernel = a.integers("kernel_shape", W.shape[2:])
        if kernel != W.shape[2:]:
            raise MalformedError(f"{where}.kernel_shape", f"{W.shape[2:]}, as its weights have", kernel)
        stride, pairs, dilation = self._window(where, a, kernel, axes)
        if before is not None:
            if a.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
                raise MalformedError(
                    f"{where}.auto_pad", "explicit padding behind a Pad", a.text("auto_pad", "")
                )
            pairs = [(p + x, q + y) for (p, q), (x, y) in zip(pairs, before, strict=True)]
        self.chain.convolution(
            where,
            W,
            self.optional(f"{where}.bias", inputs[2]),
            stride,
            padding_of(pairs),
            dilation,
            a.integer("group", 1),
        )

    def pool(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        """MaxPool and AveragePool."""
        self.flow(where, inputs[0])
        kernel = a.integers("kernel_shape", None)
        if kernel is None:
            raise MalformedError(f"{where}.kernel_shape", "a list of integers", "nothing")
        stride, pairs, dilation = self._window(where, a, kernel, len(kernel))
        padding = padding_of(pairs)
        ceil = bool(a.integer("ceil_mode", 0))
        if node.op_type == "MaxPool":
            self.chain.maxpool(where, kernel, stride, padding, dilation, ceil)
            return
        if set(dilation) != {1}:
            raise MalformedError(f"{where}.dilations", "1", dilation)
        if self.file.opset < 7 and any(map(any, pairs)):
            raise MalformedError(where, "no padding (before opset 7 nothing says whether it counts)", padding)
        self.chain.avgpool(where, kernel, stride, padding, ceil, bool(a.integer("count_include_pad", 0)))

    def global_average(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        self.chain.adaptive_avgpool(where, (1,) * (len(self.chain.shape) - 1))

    def mean(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        axes = a.integers("axes", None)
        if inputs[1] is not None:
            axes = tuple(int(n) for n in sizes(where, inputs[1]))
        self.chain.mean(where, axes or (), bool(a.integer("keepdims", 1)))

    def total(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        values = [value for value in inputs if value is not None]
        if len(values) < 2 or not all(isinstance(value, Flow) for value in values):
            raise MalformedError(where, "a sum of tensors of the network", f"{len(values)} values")
        self.chain.add(where, values)

    def pad(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        """Zeros around an image, for the convolution that reads it."""
        listed = a.integers("pads", None)
        value: Any = Fraction(a.number("value", 0.0))
        if listed is None:
            listed = tuple(int(n) for n in sizes(where, inputs[1]))
            value = 0 if inputs[2] is None else np.asarray(inputs[2]).any()
        if not isinstance(inputs[0], Flow):
            raise MalformedError(where, "a tensor of the network as its input", "another value")
        if a.text("mode", "constant") != "constant" or value:
            raise MalformedError(where, "a padding by zeros", a.text("mode", "constant"))
        axes, given = inputs[0].units.ndim + 1, inputs[3]
        places = list(range(axes)) if given is None else [int(n) % axes for n in sizes(where, given)]
        if len(listed) != 2 * len(places) or len(set(places)) != len(places):
            raise MalformedError(where, f"{2 * len(places)} numbers", listed)
        pads = dict.fromkeys(range(axes), (0, 0)) | dict(
            zip(places, zip(listed[: len(places)], listed[len(places) :], strict=True), strict=True)
        )
        if min(listed, default=0) < 0 or any(pads[0]) or any(pads[1]):
            raise MalformedError(where, "a padding of at least 0 of extents, not of channels", listed)
        if any(listed):
            return Padded(inputs[0], tuple(pads[n] for n in range(2, axes)))
        self.flow(where, inputs[0])
        return None  # the same tensor, but with readers of its own

    def _window(
        self, where: str, a: Attributes, kernel: tuple[int, ...], axes: int
    ) -> tuple[tuple[int, ...], list[tuple[int, int]], tuple[int, ...]]:
        """(stride, padding, dilation), one entry for each axis."""
        ones = (1,) * axes
        stride, dilation = a.integers("strides", ones) or (), a.integers("dilations", ones) or ()
        if len(stride) != axes or len(dilation) != axes or min((*stride, *dilation), default=1) < 1:
            raise MalformedError(where, f"positive strides and dilations for {axes} axes", (stride, dilation))
        if len(self.chain.state.extents) != axes or len(kernel) != axes:
            raise MalformedError(where, f"an input of channels and {axes} axes", f"shape {self.chain.shape}")
        auto = a.text("auto_pad", "NOTSET")
        if auto == "VALID":
            return stride, [(0, 0)] * axes, dilation
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            totals = [
                max(0, (-(-e // s) - 1) * s + d * (k - 1) + 1 - e)
                for e, s, k, d in zip(self.chain.state.extents, stride, kernel, dilation, strict=True)
            ]
            return stride, split_padding(totals, auto == "SAME_LOWER"), dilation
        if auto != "NOTSET":
            raise MalformedError(f"{where}.auto_pad", "NOTSET, VALID, SAME_UPPER or SAME_LOWER", auto)
        pads = a.integers("pads", (0,) * (2 * axes)) or ()
        if len(pads) != 2 * axes or min(pads, default=0) < 0:
            raise MalformedError(f"{where}.pads", f"{2 * axes} numbers of at least 0", pads)
        return stride, list(zip(pads[:axes], pads[axes:], strict=True)), dilation

    def gemm(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        if a.integer("transA", 0):
            raise MalformedError(f"{where}.transA", "0", 1)
        B = self.weights(f"{where}.weight", inputs[1])
        if B.ndim != 2:
            raise MalformedError(f"{where}.weight", "a matrix", f"shape {B.shape}")
        if not a.integer("transB", 0):
            B = _transposed(B)
        bias = self.optional(f"{where}.bias", inputs[2])
        alpha, beta = Fraction(a.number("alpha", 1.0)), Fraction(a.number("beta", 1.0))
        if bias is not None:
            # ONNX broadcasts C against the output (batch, units): only a row is a bias of the units.  A column,
            # legal on a fixed batch of its length, gives every *sample* a number of its own: another network.
            if (
                bias.ndim > 2
                or bias.shape[-1:] not in ((), (1,), (B.shape[0],))
                or bias.shape[:-1] not in ((), (1,))
            ):
                raise MalformedError(
                    f"{where}.bias", f"a bias for each unit, of shape {(B.shape[0],)}", bias.shape
                )
            values = np.broadcast_to(bias.numerators.reshape(-1), (B.shape[0],)).copy()
            bias = RationalArray.from_integers(values, bias.denominator).scaled(beta)
        self.chain.dense(where, B.scaled(alpha), bias)

    def matmul(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        B = self.weights(f"{where}.weight", inputs[1])
        if B.ndim != 2:
            raise MalformedError(f"{where}.weight", "a matrix", f"shape {B.shape}")
        self.chain.dense(where, _transposed(B), None)

    def batch_norm(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        if self.file.opset < 7 and not a.integer("is_test", 0):
            raise MalformedError(f"{where}.is_test", "1, as files before opset 7 say it", 0)
        if a.integer("training_mode", 0) or any(list(node.output)[1:]) or not a.integer("spatial", 1):
            raise MalformedError(where, "evaluation mode (export with model.eval())", "training mode")
        gamma, beta, mean, variance = (
            self.weights(f"{where}.{name}", value)
            for name, value in zip(("weight", "bias", "mean", "var"), inputs[1:5], strict=True)
        )
        self.chain.batch_norm(where, gamma, beta, mean, variance, Fraction(a.number("epsilon", 1e-5)))


def _transposed(B: RationalArray) -> RationalArray:
    return RationalArray.from_integers(np.ascontiguousarray(B.numerators.T), B.denominator)
