"""Floor 6: PyTorch's operations with weights, windows or fixed linear maps: convolutions, pooling, normalisation.

Conventions.  Handlers have the parameter names and defaults of PyTorch's functions; ``x`` is the Flow.
A module is its function called with its attributes.
"""

from __future__ import annotations

from typing import Any

from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.flow import even_padding
from exactcnn.interop.torch_values import Values

__all__ = ["Layers"]


class Layers(Values):
    """Handlers of layers."""

    def conv(
        self, where: str, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> None:  # fmt: skip
        self.current(where, (x,))
        W = self.array(weight, f"{where}.weight")
        axes = W.ndim - 2
        kernel, steps, gaps = W.shape[2:], _axes(stride, axes, where), _axes(dilation, axes, where)
        if padding == "same":
            pads = even_padding(where, [d * (k - 1) for k, d in zip(kernel, gaps, strict=True)])
        else:
            pads = _axes(0 if padding == "valid" else padding, axes, where)
        self.chain.convolution(where, W, self.optional(bias, f"{where}.bias"), steps, pads, gaps, groups)

    def conv_module(self, where: str, part: Any) -> None:
        if part.padding_mode != "zeros":
            raise MalformedError(
                where, "padding_mode 'zeros' (pad the images yourself)", repr(part.padding_mode)
            )
        x = self.chain.flow()
        self.conv(where, x, part.weight, part.bias, part.stride, part.padding, part.dilation, part.groups)

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
