"""Floor 6: PyTorch's operations with weights, windows or fixed linear maps: convolutions, pooling, normalisation.

Conventions.  Handlers have the parameter names and defaults of PyTorch's functions; ``x`` is the Flow.
A module is its function called with its attributes.
"""

from __future__ import annotations

from typing import Any

from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.flow import Padded, padding_of, split_padding
from exactcnn.interop.torch_values import Values

__all__ = ["Layers"]


class Layers(Values):
    """Handlers of layers."""

    def conv(
        self, where: str, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> None:  # fmt: skip
        before = x.pads if isinstance(x, Padded) else None
        self.current(where, (x.flow if isinstance(x, Padded) else x,))
        W = self.array(weight, f"{where}.weight")
        axes = W.ndim - 2
        kernel, steps, gaps = W.shape[2:], _axes(stride, axes, where), _axes(dilation, axes, where)
        if padding == "same":
            pairs = split_padding([d * (k - 1) for k, d in zip(kernel, gaps, strict=True)])
        else:
            pairs = [(p, p) for p in _axes(0 if padding == "valid" else padding, axes, where)]
        if before is not None:
            if len(before) != axes:
                raise MalformedError(where, f"a padding of {axes} extents", before)
            pairs = [(p + x, q + y) for (p, q), (x, y) in zip(pairs, before, strict=True)]
        pads = padding_of(pairs)
        self.chain.convolution(where, W, self.optional(bias, f"{where}.bias"), steps, pads, gaps, groups)

    def conv_module(self, where: str, part: Any) -> None:
        if part.padding_mode != "zeros":
            raise MalformedError(
                where, "padding_mode 'zeros' (pad the images yourself)", repr(part.padding_mode)
            )
        self.conv(
            where, self.value, part.weight, part.bias, part.stride, part.padding, part.dilation, part.groups
        )

    def pad(self, where: str, x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
        """Zeros around an image, for the convolution that reads it; the last axis comes first in ``pad``."""
        self.current(where, (x,))
        extents = len(self.chain.shape) - 1
        numbers = list(pad) if isinstance(pad, (list, tuple)) else [pad] * 2 * extents
        if mode != "constant" or value not in (None, 0, 0.0):
            raise MalformedError(where, "a padding by zeros", f"mode {mode!r}, value {value}")
        if (
            len(numbers) % 2
            or len(numbers) > 2 * extents
            or any(type(n) is not int or n < 0 for n in numbers)
        ):
            raise MalformedError(where, "a padding of extents by whole numbers of at least 0", pad)
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))[::-1]
        return Padded(x, tuple([(0, 0)] * (extents - len(pairs)) + pairs))

    def linear(self, where: str, x: Any, weight: Any, bias: Any = None) -> None:
        self.current(where, (x,))
        self.chain.dense(where, self.array(weight, f"{where}.weight"), self.optional(bias, f"{where}.bias"))

    def max_pool(
        self, axes: int, where: str, x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
        dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
    ) -> None:  # fmt: skip
        self.current(where, (x,))
        if return_indices:
            raise MalformedError(where, "return_indices off", "return_indices on")
        kernel = _axes(kernel_size, axes, where)
        steps = kernel if stride is None or stride == [] else _axes(stride, axes, where)
        self.chain.maxpool(
            where, kernel, steps, _axes(padding, axes, where), _axes(dilation, axes, where), bool(ceil_mode)
        )

    def avg_pool(
        self, axes: int, where: str, x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
        ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None,
    ) -> None:  # fmt: skip
        self.current(where, (x,))
        if divisor_override is not None:
            raise MalformedError(where, "no divisor_override", divisor_override)
        kernel = _axes(kernel_size, axes, where)
        steps = kernel if stride is None or stride == [] else _axes(stride, axes, where)
        pads = _axes(padding, axes, where)
        self.chain.avgpool(where, kernel, steps, pads, bool(ceil_mode), bool(count_include_pad))

    def adaptive_avg_pool(self, axes: int, where: str, x: Any, output_size: Any) -> None:
        self.current(where, (x,))
        sizes = output_size if isinstance(output_size, (list, tuple)) else (output_size,) * axes
        if len(sizes) != axes or any(n is not None and type(n) is not int for n in sizes):
            raise MalformedError(where, f"whole numbers or None for {axes} axes", sizes)
        self.chain.adaptive_avgpool(where, tuple(sizes))

    def mean(self, where: str, x: Any, dim: Any = None, keepdim: bool = False) -> None:
        self.current(where, (x,))
        axes = () if dim is None else tuple(dim) if isinstance(dim, (list, tuple)) else (dim,)
        self.chain.mean(where, axes, bool(keepdim))

    def concatenate(self, where: str, tensors: Any, dim: int = 0) -> None:
        flows = list(tensors)
        if not flows or not all(isinstance(each, Flow) for each in flows):
            raise MalformedError(where, "tensors of the network", f"{len(flows)} values")
        self.chain.concatenate(where, flows, dim)

    def batch_norm(
        self, where: str, x: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
        training: bool = False, momentum: Any = 0.1, eps: float = 1e-5,
    ) -> None:  # fmt: skip
        self.current(where, (x,))
        if training or running_mean is None or running_var is None:
            raise MalformedError(
                where,
                "running statistics, in evaluation mode (call module.eval())",
                "statistics of each batch",
            )
        self.chain.batch_norm(
            where, self.optional(weight, f"{where}.weight"), self.optional(bias, f"{where}.bias"),
            self.array(running_mean, f"{where}.running_mean"), self.array(running_var, f"{where}.running_var"),
            self.number(eps, f"{where}.eps"),
        )  # fmt: skip

    def batch_norm_module(self, where: str, part: Any) -> None:
        x = self.chain.flow()
        self.batch_norm(where, x, part.running_mean, part.running_var, part.weight, part.bias, eps=part.eps)


def _axes(value: Any, axes: int, where: str) -> tuple[int, ...]:
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,) * axes
    if len(entries) == 1:
        entries *= axes
    if len(entries) != axes or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in entries):
        raise MalformedError(where, f"whole numbers for {axes} axes", entries)
    return entries
