"""Floor 6: each operation of ONNX that has an exact meaning here, handed to the graph of layers.

Conventions.  A value is a Flow (a tensor of the network), an array (a constant), or a list of sizes in which
BATCH stands for the batch.  A handler gets the node's attributes and its inputs, padded with None, and
returns its first output; None means the tensor where the chain stands now.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import ExactCNNError, MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.exact_arrays import affine_parts, exact
from exactcnn.interop.flow import BATCH, FORMULAS, even_padding, reshape_flow
from exactcnn.interop.lowering import Lowering
from exactcnn.interop.onnx_file import Attributes, OnnxFile, printable

__all__ = ["OPERATIONS", "Operations", "label", "unknown"]

_MOST_INPUTS, _MOST_SOURCES = 6, 1000  # the latter of Concat and Sum
_ADVICE = {
    "Softmax": "export the model without its last softmax: the features below it are what the theory speaks of",
    "LogSoftmax": "export the model without its last softmax: the features below it are what the theory speaks of",
    "Erf": "export with opset 20 or later, where GELU is one operation",
    "QuantizeLinear": "verify the model before quantisation",
    "DequantizeLinear": "verify the model before quantisation",
}


def label(node: Any) -> str:
    """The node's name, or its first output's, and its type."""
    name = node.name or (node.output[0] if node.output else "")
    return f"{printable(name)} ({printable(node.op_type)})" if name else printable(node.op_type)


def unknown(field: str, node: Any) -> MalformedError:
    name = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    advice = _ADVICE.get(
        node.op_type, "export the network without it, or write a spec file with what it computes"
    )
    known = ", ".join(sorted(OPERATIONS))
    return MalformedError(
        f"{field}: operation {printable(name)}", f"one of {known}", f"{printable(name)} ({advice})"
    )


_ADVICE |= dict.fromkeys(
    ("Cast", "CastLike", "Expand", "Slice", "Squeeze", "Where", "ConstantOfShape"),
    "export the model with the exporter's optimisation on and in one float type, or fold constants first",
)


class Operations:
    """Applies the ``needed`` nodes of ``file`` to ``chain``."""

    def __init__(self, file: OnnxFile, chain: Lowering, needed: list[Any]) -> None:
        self.file, self.chain = file, chain
        self._consumers: dict[str, list[Any]] = {}
        for node in needed:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)

    def apply(self, node: Any, where: str, inputs: list[Any]) -> list[Any]:
        """The values of the node's outputs: the first, and nothing for the others."""
        most = _MOST_SOURCES if node.op_type in ("Concat", "Sum") else _MOST_INPUTS
        if len(inputs) > most:
            raise MalformedError(where, f"at most {most} inputs", len(inputs))
        attributes = self.file.attributes(node, where)
        if node.op_type == "Sigmoid" and self._swish(node):
            return [("sigmoid", inputs[0])]
        padded = inputs + [None] * (_MOST_INPUTS - len(inputs))
        try:
            result = OPERATIONS[node.op_type](self, where, attributes, padded, node)
        except ExactCNNError:
            raise
        except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
            raise MalformedError(
                where, "arguments that exactcnn knows", str(error).partition("\n")[0]
            ) from None
        if result is None:
            result = self.chain.flow(bool(node.output) and self.shared(node.output[0]))
        return [result]

    def shared(self, name: str) -> bool:
        """Is a value read by several operations (or the output too), not counting its shape?"""
        readers = [
            user for user in self._consumers.get(name, [])
            if user.op_type != "Shape" and not (user.op_type == "Sigmoid" and self._swish(user))
        ]  # fmt: skip
        return len({id(user) for user in readers}) + int(name == self.file.output) > 1

    def _swish(self, node: Any) -> bool:
        """Is this sigmoid used only to be multiplied with what it was taken of?"""
        if not node.output or not node.input or node.output[0] == self.file.output:
            return False
        users = self._consumers.get(node.output[0], [])
        return (
            len(users) == 1
            and users[0].op_type == "Mul"
            and sorted(users[0].input) == sorted([node.input[0], node.output[0]])
        )

    def flow(self, where: str, value: Any) -> None:
        if not isinstance(value, Flow):
            what = "a sigmoid of which something else is read" if isinstance(value, tuple) else "a constant"
            raise MalformedError(where, "a tensor of the network as its input", what)
        self.chain.go(value)

    def weights(self, where: str, value: Any) -> RationalArray:
        """A constant, exactly."""
        if not isinstance(value, np.ndarray):
            raise MalformedError(
                where, "a constant tensor", "a computed one" if value is not None else "nothing"
            )
        return exact(value, where)

    def optional(self, where: str, value: Any) -> RationalArray | None:
        return None if value is None else self.weights(where, value)

    # ------------------------------------------------------------------ layers

    def conv(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        W = self.weights(f"{where}.weight", inputs[1])
        axes = W.ndim - 2
        kernel = a.integers("kernel_shape", W.shape[2:])
        if kernel != W.shape[2:]:
            raise MalformedError(f"{where}.kernel_shape", f"{W.shape[2:]}, as its weights have", kernel)
        stride, padding, dilation = self._window(where, a, kernel, axes)
        self.chain.convolution(
            where,
            W,
            self.optional(f"{where}.bias", inputs[2]),
            stride,
            padding,
            dilation,
            a.integer("group", 1),
        )

    def maxpool(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        kernel = a.integers("kernel_shape", None)
        if kernel is None:
            raise MalformedError(f"{where}.kernel_shape", "a list of integers", "nothing")
        stride, padding, dilation = self._window(where, a, kernel, len(kernel))
        self.chain.maxpool(where, kernel, stride, padding, dilation, bool(a.integer("ceil_mode", 0)))

    def avgpool(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        kernel = a.integers("kernel_shape", None)
        if kernel is None:
            raise MalformedError(f"{where}.kernel_shape", "a list of integers", "nothing")
        stride, padding, dilation = self._window(where, a, kernel, len(kernel))
        if set(dilation) != {1}:
            raise MalformedError(f"{where}.dilations", "1", dilation)
        ceil, counted = bool(a.integer("ceil_mode", 0)), bool(a.integer("count_include_pad", 0))
        self.chain.avgpool(where, kernel, stride, padding, ceil, counted)

    def global_average(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        self.chain.adaptive_avgpool(where, (1,) * (len(self.chain.shape) - 1))

    def mean(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        axes = a.integers("axes", None)
        if inputs[1] is not None:
            axes = tuple(int(n) for n in _sizes(where, inputs[1]))
        self.chain.mean(where, axes or (), bool(a.integer("keepdims", 1)))

    def total(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        values = [value for value in inputs if value is not None]
        if len(values) < 2 or not all(isinstance(value, Flow) for value in values):
            raise MalformedError(where, "a sum of tensors of the network", f"{len(values)} values")
        self.chain.add(where, values)

    def _window(
        self, where: str, a: Attributes, kernel: tuple[int, ...], axes: int
    ) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """(stride, padding, dilation), one entry for each axis."""
        ones = (1,) * axes
        stride, dilation = a.integers("strides", ones) or (), a.integers("dilations", ones) or ()
        if len(stride) != axes or len(dilation) != axes or min((*stride, *dilation), default=1) < 1:
            raise MalformedError(where, f"positive strides and dilations for {axes} axes", (stride, dilation))
        auto = a.text("auto_pad", "NOTSET")
        spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        if auto == "VALID":
            return stride, (0,) * axes, dilation
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            extents = self.chain.state.extents
            if len(extents) != axes:
                raise MalformedError(
                    where, f"an input of channels and {axes} axes", f"shape {self.chain.shape}"
                )
            totals = [
                max(0, (-(-e // s) - 1) * s + span - e)
                for e, s, span in zip(extents, stride, spans, strict=True)
            ]
            return stride, even_padding(where, totals), dilation
        if auto != "NOTSET":
            raise MalformedError(f"{where}.auto_pad", "NOTSET, VALID, SAME_UPPER or SAME_LOWER", auto)
        pads = a.integers("pads", (0,) * (2 * axes)) or ()
        if len(pads) != 2 * axes or min(pads, default=0) < 0:
            raise MalformedError(f"{where}.pads", f"{2 * axes} numbers of at least 0", pads)
        if pads[:axes] != pads[axes:]:
            expected = "the same padding on both sides (pad the images, or choose an odd kernel)"
            raise MalformedError(f"{where}.pads", expected, pads)
        return stride, pads[:axes], dilation

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
        if a.integer("training_mode", 0) or any(list(node.output)[1:]) or not a.integer("spatial", 1):
            raise MalformedError(where, "evaluation mode (export with model.eval())", "training mode")
        gamma, beta, mean, variance = (
            self.weights(f"{where}.{name}", value)
            for name, value in zip(("weight", "bias", "mean", "var"), inputs[1:5], strict=True)
        )
        self.chain.batch_norm(where, gamma, beta, mean, variance, Fraction(a.number("epsilon", 1e-5)))

    # ------------------------------------------------------------------ activations

    def activation(self, where: str, value: Any, record: Any) -> None:
        self.flow(where, value)
        self.chain.activate(where, record)

    def leaky_relu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        slope = Fraction(a.number("alpha", 0.01))
        record: Any = {"name": "leaky_relu", "slope": rational_text(slope)} if slope else "relu"
        self.activation(where, inputs[0], record)

    def elu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        alpha = Fraction(a.number("alpha", 1.0))
        self.activation(where, inputs[0], {"name": "elu", "alpha": rational_text(alpha)})

    def gelu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        kind = a.text("approximate", "none")
        self.activation(where, inputs[0], FORMULAS["gelu_tanh"] if kind == "tanh" else "gelu")

    def swish(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        if a.number("alpha", 1.0) != 1:
            raise MalformedError(f"{where}.alpha", "1", a.number("alpha", 1.0))
        self.activation(where, inputs[0], "silu")

    def power(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        exponent = inputs[1]
        if not isinstance(exponent, np.ndarray) or exponent.size != 1 or exponent.reshape(-1)[0] != 2:
            raise MalformedError(where, "the square, exponent 2", "another exponent")
        self.activation(where, inputs[0], "square")

    # ------------------------------------------------------------------ shapes and arithmetic

    def arithmetic(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        """x + c, x - c, c - x, x * c, x / c with constants; x * x, x * sigmoid(x)."""
        kind, (first, second) = node.op_type.lower(), inputs[:2]
        delayed = [v for v in (first, second) if isinstance(v, tuple)]
        if kind == "mul" and len(delayed) == 1 and delayed[0][1] in (first, second):
            return self.activation(where, delayed[0][1], "silu")
        if isinstance(first, Flow) and isinstance(second, Flow):
            if kind == "add":
                return self.chain.add(where, [first, second])
            if kind != "mul" or node.input[0] != node.input[1]:
                raise MalformedError(where, "x * x, or a sum of tensors", f"{kind} of two tensors")
            return self.activation(where, first, "square")
        flow_first = isinstance(first, Flow)
        self.flow(where, first if flow_first else second)
        constant = self.weights(where, second if flow_first else first)
        if not constant.ndim:
            constant = constant.reshape(1)
        self.chain.affine(where, *affine_parts(kind, constant, flow_first, where))
        return None

    def flatten(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        axis, axes = a.integer("axis", 1), len(self.chain.shape) + 1
        if axis not in (1, 1 - axes):
            raise MalformedError(f"{where}.axis", "1, all axes but the batch", axis)
        self.chain.flatten(where)

    def reshape(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        sizes = _sizes(where, inputs[1])
        if isinstance(inputs[0], np.ndarray):
            return inputs[0].reshape([int(n) for n in sizes])
        self.flow(where, inputs[0])
        whole = [BATCH, *self.chain.shape]
        if not a.integer("allowzero", 0):
            sizes = [
                whole[i] if n == 0 and n is not BATCH and i < len(whole) else n for i, n in enumerate(sizes)
            ]
        reshape_flow(self.chain, where, sizes, self.file.input_shape[0])
        return None

    def shape(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        self.flow(where, inputs[0])
        end = a.integer("end", len(self.chain.shape) + 1)
        return [BATCH, *self.chain.shape][a.integer("start", 0) : end]

    def gather(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        if not isinstance(inputs[0], list) or a.integer("axis", 0):
            raise MalformedError(where, "indexing of a shape only", "indexing of a tensor")
        index = np.asarray(inputs[1])
        return [inputs[0][int(i)] for i in index.reshape(-1)]

    def concat(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        values = [value for value in inputs if value is not None]
        if any(isinstance(value, (Flow, tuple)) for value in values):
            if not all(isinstance(value, Flow) for value in values):
                raise MalformedError(where, "tensors of the network only", "a constant among them")
            return self.chain.concatenate(where, values, a.integer("axis", 1))
        return [n for value in inputs if value is not None for n in _sizes(where, value)]

    def unsqueeze(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        if isinstance(inputs[0], list) and len(inputs[0]) == 1:
            return inputs[0]
        if isinstance(inputs[0], np.ndarray) and inputs[0].size == 1:
            return inputs[0].reshape(1)
        raise MalformedError(where, "unsqueezing of a size only (reshape the data instead)", "a tensor")

    def transpose(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        if not isinstance(inputs[0], np.ndarray):
            expected = "a transposed constant only (export with channels first)"
            raise MalformedError(where, expected, "a transposed tensor of the chain")
        return np.transpose(inputs[0], a.integers("perm", None))

    def constant(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        for attribute in node.attribute:
            if attribute.name == "value":
                return self.file.array(attribute.t, where)
            if attribute.name in ("value_float", "value_floats"):
                return np.array(a.values[attribute.name], dtype=np.float32)
            if attribute.name in ("value_int", "value_ints"):
                return np.array(a.values[attribute.name], dtype=np.int64)
        raise MalformedError(where, "a numeric constant", "another")

    def keep(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        """Identity, and dropout in evaluation mode."""
        if node.op_type == "Dropout":
            mode = inputs[2]
            if mode is not None and (not isinstance(mode, np.ndarray) or mode.any()):
                raise MalformedError(where, "evaluation mode (export with model.eval())", "training mode")
        if isinstance(inputs[0], np.ndarray):
            return inputs[0]
        self.flow(where, inputs[0])
        return None  # the same tensor, but with readers of its own


def _transposed(B: RationalArray) -> RationalArray:
    return RationalArray.from_integers(np.ascontiguousarray(B.numerators.T), B.denominator)


def _sizes(where: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size <= 64:
        return [int(n) for n in value.reshape(-1)]
    raise MalformedError(where, "a shape that is constant or taken from the tensor", "another")


def _simple(name: str) -> Callable[..., Any]:
    record = FORMULAS.get(name, name)
    return lambda self, where, attributes, inputs, node: self.activation(where, inputs[0], record)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": Operations.arithmetic,
    "Atan": _simple("arctan"),
    "AveragePool": Operations.avgpool,
    "BatchNormalization": Operations.batch_norm,
    "Concat": Operations.concat,
    "Constant": Operations.constant,
    "Conv": Operations.conv,
    "Div": Operations.arithmetic,
    "Dropout": Operations.keep,
    "Elu": Operations.elu,
    "Flatten": Operations.flatten,
    "Gather": Operations.gather,
    "Gelu": Operations.gelu,
    "Gemm": Operations.gemm,
    "GlobalAveragePool": Operations.global_average,
    "Identity": Operations.keep,
    "LeakyRelu": Operations.leaky_relu,
    "MatMul": Operations.matmul,
    "MaxPool": Operations.maxpool,
    "Mish": _simple("mish"),
    "Mul": Operations.arithmetic,
    "Pow": Operations.power,
    "ReduceMean": Operations.mean,
    "Relu": _simple("relu"),
    "Reshape": Operations.reshape,
    "Shape": Operations.shape,
    "Sigmoid": _simple("sigmoid"),
    "Softplus": _simple("softplus"),
    "Softsign": _simple("softsign"),
    "Sub": Operations.arithmetic,
    "Sum": Operations.total,
    "Swish": Operations.swish,
    "Tanh": _simple("tanh"),
    "Transpose": Operations.transpose,
    "Unsqueeze": Operations.unsqueeze,
}
