"""Floor 6: which handler of ``torch_operations`` takes which function, method or module of PyTorch.

Conventions.  Functions by identity, modules by exact type: what is not in a table is not known, and a subclass
is not its parent.
"""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from exactcnn.interop.chain import Flow
from exactcnn.interop.formulas import FORMULAS, hard_sigmoid
from exactcnn.interop.torch_modules import Function

__all__ = ["HARMLESS", "MODES", "function_table", "method_table", "module_table"]

# PyTorch divides by 6; both are exact there.
HARD_SIGMOID = hard_sigmoid(Fraction(1, 6), Fraction(1, 2))
# Operations that change nothing, so that nobody need use their results.
HARMLESS = {"size", "dim", builtins.getattr, operator.getitem}
# Modules that mean something else while training.
MODES = {
    *("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"),
    *("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
}


def function_table(torch: Any, O: Any) -> dict[Any, Callable[..., Any]]:  # noqa: E741
    """Functions of PyTorch and Python -> handlers (operations, where, *args, **kwargs); ``O`` is their class."""
    F = torch.nn.functional
    table: dict[Any, Callable[..., Any]] = {}

    def simple(record: Any) -> Callable[..., Any]:
        return lambda self, where, x, inplace=False: self.activation(where, x, record)

    for name, functions in {
        "relu": (F.relu, torch.relu, F.relu_, torch.relu_),
        "sigmoid": (F.sigmoid, torch.sigmoid),
        "tanh": (F.tanh, torch.tanh),
        "silu": (F.silu,),
        "mish": (F.mish,),
        "arctan": (torch.atan, torch.arctan),
        "square": (torch.square,),
        "softsign": (F.softsign,),
        "hard_swish": (F.hardswish,),
        "tanh_shrink": (F.tanhshrink,),
        "log_sigmoid": (F.logsigmoid,),
    }.items():
        table |= dict.fromkeys(functions, simple(FORMULAS.get(name, name)))
    table |= dict.fromkeys((F.relu6,), lambda self, where, x, inplace=False: self.clip(where, x, 0, 6))
    table |= dict.fromkeys((F.hardsigmoid,), simple(HARD_SIGMOID))
    table |= {torch.permute: O.permute, torch.transpose: O.transpose}
    table |= dict.fromkeys((operator.neg, torch.neg, torch.negative), O.negative)
    table |= dict.fromkeys((torch.clamp, torch.clip), O.clip)
    table |= dict.fromkeys((F.hardtanh, F.hardtanh_), O.hardtanh)
    table |= {
        F.selu: O.selu,
        torch.selu: O.selu,
        F.celu: O.celu,
        torch.celu: O.celu,
        F.softshrink: O.softshrink,
    }
    table |= {F.prelu: O.prelu, torch.prelu: O.prelu}
    table |= dict.fromkeys((F.conv1d, F.conv2d, F.conv3d, torch.conv1d, torch.conv2d, torch.conv3d), O.conv)
    for axes, pools in enumerate(
        (
            (F.max_pool1d, torch.max_pool1d),
            (F.max_pool2d, torch.max_pool2d),
            (F.max_pool3d, torch.max_pool3d),
        ),
        start=1,
    ):
        table |= dict.fromkeys(pools, _with_axes(axes, "max_pool"))
    for axes in (1, 2, 3):
        averages = (getattr(F, f"avg_pool{axes}d"), getattr(F, f"adaptive_avg_pool{axes}d"))
        table |= zip(
            averages, (_with_axes(axes, "avg_pool"), _with_axes(axes, "adaptive_avg_pool")), strict=True
        )
    table |= dict.fromkeys((torch.cat, torch.concat, torch.concatenate), O.concatenate)
    table |= {
        F.linear: O.linear,
        F.pad: O.pad,
        torch.mean: O.mean,
        F.batch_norm: O.batch_norm,
        F.gelu: O.gelu,
        F.leaky_relu: O.leaky_relu,
    }
    table |= {F.softplus: O.softplus, F.elu: O.elu, torch.flatten: O.flatten, torch.reshape: O.reshape}
    table |= dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout), O.dropout)
    table |= {operator.getitem: O.item, builtins.getattr: O.get_attribute, operator.floordiv: O.integers}
    table |= dict.fromkeys((torch.pow, operator.pow, operator.ipow), O.power)
    for kind, functions in {
        "add": (operator.add, operator.iadd, torch.add),
        "sub": (operator.sub, operator.isub, torch.sub, torch.subtract),
        "mul": (operator.mul, operator.imul, torch.mul, torch.multiply),
        "div": (operator.truediv, operator.itruediv, torch.div, torch.divide, torch.true_divide),
    }.items():
        table |= dict.fromkeys(functions, _arithmetic(kind))
    return table


def module_table(torch: Any, operations: Any) -> dict[Any, Callable[[str, Any], Any]]:
    """Exact types of modules -> handlers (where, module)."""
    nn = torch.nn

    def here() -> Flow:
        found: Flow = operations.chain.flow()
        return found

    def simple(record: Any) -> Callable[[str, Any], Any]:
        return lambda where, part: operations.activation(where, here(), record)

    table: dict[Any, Callable[[str, Any], Any]] = {
        nn.Linear: lambda where, m: operations.linear(where, here(), m.weight, m.bias),
        nn.Flatten: lambda where, m: operations.flatten(where, here(), m.start_dim, m.end_dim),
        nn.Unflatten: lambda where, m: operations.unflatten(where, here(), m.dim, m.unflattened_size),
        nn.LeakyReLU: lambda where, m: operations.leaky_relu(where, here(), m.negative_slope),
        nn.Softplus: lambda where, m: operations.softplus(where, here(), m.beta, m.threshold),
        nn.ELU: lambda where, m: operations.elu(where, here(), m.alpha),
        nn.GELU: lambda where, m: operations.gelu(where, here(), m.approximate),
        nn.ReLU: simple("relu"),
        nn.Sigmoid: simple("sigmoid"),
        nn.Tanh: simple("tanh"),
        nn.SiLU: simple("silu"),
        nn.Mish: simple("mish"),
        nn.Softsign: simple(FORMULAS["softsign"]),
        nn.Hardswish: simple(FORMULAS["hard_swish"]),
        nn.Tanhshrink: simple(FORMULAS["tanh_shrink"]),
        nn.LogSigmoid: simple(FORMULAS["log_sigmoid"]),
        nn.Hardsigmoid: simple(HARD_SIGMOID),
        nn.ReLU6: lambda where, m: operations.clip(where, here(), 0, 6),
        nn.Hardtanh: lambda where, m: operations.hardtanh(where, here(), m.min_val, m.max_val),
        nn.SELU: lambda where, m: operations.selu(where, here()),
        nn.CELU: lambda where, m: operations.celu(where, here(), m.alpha),
        nn.Softshrink: lambda where, m: operations.softshrink(where, here(), m.lambd),
        nn.PReLU: lambda where, m: operations.prelu(where, here(), m.weight),
    }
    table |= dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), operations.conv_module)
    for pad in (
        nn.ZeroPad1d,
        nn.ZeroPad2d,
        nn.ZeroPad3d,
        nn.ConstantPad1d,
        nn.ConstantPad2d,
        nn.ConstantPad3d,
    ):
        table[pad] = lambda where, m: operations.pad(where, here(), m.padding, "constant", m.value)
    table |= dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), operations.batch_norm_module)
    for axes, pool in enumerate((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), start=1):
        table[pool] = lambda where, m, axes=axes: operations.max_pool(  # type: ignore[misc]
            axes,
            where,
            here(),
            m.kernel_size,
            m.stride,
            m.padding,
            m.dilation,
            m.ceil_mode,
            m.return_indices,
        )
    for axes, average in enumerate((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), start=1):
        table[average] = lambda where, m, axes=axes: operations.avg_pool(  # type: ignore[misc]
            axes, where, here(), m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad,
            getattr(m, "divisor_override", None),
        )  # fmt: skip
    for axes, adaptive in enumerate(
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), start=1
    ):
        table[adaptive] = lambda where, m, axes=axes: operations.adaptive_avg_pool(  # type: ignore[misc]
            axes, where, here(), m.output_size
        )
    table[Function] = lambda where, m: operations.activation(where, here(), m.name)
    drops = (
        nn.Dropout,
        nn.Dropout1d,
        nn.Dropout2d,
        nn.Dropout3d,
        nn.AlphaDropout,
        nn.FeatureAlphaDropout,
    )
    return table | dict.fromkeys((*drops, nn.Identity), lambda where, m: None)


def method_table(O: Any) -> dict[str, Callable[..., Any]]:  # noqa: E741
    """Methods of tensors that are no functions of the same name -> handlers."""
    return {
        "size": O.size,
        "view": O.reshape,
        "reshape": O.reshape,
        "flatten": O.flatten,
        "mean": O.mean,
        "contiguous": O.keep,
        "clone": O.keep,
        "detach": O.keep,
        "relu_": lambda self, where, x: self.activation(where, x, "relu"),
    }


def _arithmetic(kind: str) -> Callable[..., Any]:
    return lambda self, where, a, b, **kwargs: self.arithmetic(kind, where, a, b, **kwargs)


def _with_axes(axes: int, name: str) -> Callable[..., Any]:
    return lambda self, where, *args, **kwargs: getattr(self, name)(axes, where, *args, **kwargs)
