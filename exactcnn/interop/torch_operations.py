"""Floor 6: each operation of PyTorch that has an exact meaning here, handed to the graph of layers.

Conventions.  Handlers have the parameter names and defaults of PyTorch's functions; ``x`` is the Flow.
A module is its function called with its attributes.  Numbers in the code (slopes, eps, constants) are
rounded to float32 unless the module's parameters are float64, because PyTorch computes with them so.
"""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Any

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import ExactCNNError, MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.exact_arrays import affine_parts, exact, parameter
from exactcnn.interop.flow import BATCH, FORMULAS, even_padding, reshape_flow
from exactcnn.interop.lowering import Lowering
from exactcnn.interop.torch_tables import MODES, function_table, method_table, module_table

__all__ = ["Operations"]

_KNOWN = (
    "Conv1d/2d/3d, Linear, MaxPool1d/2d/3d, AvgPool1d/2d/3d, AdaptiveAvgPool, "
    "BatchNorm1d/2d/3d, sums, cat, Flatten, Dropout, Identity, ReLU, LeakyReLU, "
    "Sigmoid, Tanh, Softplus, SiLU, GELU, ELU, Softsign, square and arctan"
)
_ADVICE = {
    "Softmax": "remove it: the features below it are what the theory speaks of",
    "LogSoftmax": "remove it: the features below it are what the theory speaks of",
    "softmax": "remove it: the features below it are what the theory speaks of",
    "log_softmax": "remove it: the features below it are what the theory speaks of",
}


class Operations:
    """Applies the nodes of a torch.fx graph of ``module`` to ``chain``."""

    def __init__(self, torch: Any, module: Any, chain: Lowering, dtype: Any) -> None:
        self.torch, self.module, self.chain = torch, module, chain
        self.dtype = "float64" if dtype == torch.float64 else "float32"
        self._functions = function_table(torch, Operations)
        self._methods = method_table(Operations)
        self._modules = module_table(torch, self)

    def apply(self, node: Any, args: Any, kwargs: Any) -> Any:
        """The value of ``node``: a Flow, a parameter (torch.Tensor), a shape, or a number."""
        where = _label(node)
        if self.feeds_swish(node):
            return ("sigmoid", args[0])
        if node.op == "get_attr":
            return self._attribute(node.target)
        if node.op == "call_module":
            part = self.module.get_submodule(node.target)
            handler = self._modules.get(type(part))
            if handler is None:
                raise _unknown(f"{node.target} ({type(part).__name__})", type(part).__name__)
            self._current(where, args)
            if getattr(part, "inplace", False) and type(part).__name__ not in MODES:
                self.chain.require_own(where)
            if part.training and type(part).__name__ in MODES:
                raise MalformedError(
                    f"{node.target}", "evaluation mode (call module.eval() first)", "training mode"
                )
            handler(f"{node.target} ({type(part).__name__})", part)
            return self.chain.flow(self.shared(node))
        if node.op == "call_method":
            handler = self._methods.get(node.target)
            if handler is None and hasattr(self.torch.Tensor, node.target):
                handler = self._functions.get(getattr(self.torch, node.target, None))
        else:
            handler = self._functions.get(node.target)
        if handler is None:
            target = (
                node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.target)
            )
            raise _unknown(f"{node.name} ({target})", str(target))
        if _in_place(node, args) and args and isinstance(args[0], Flow):
            self.chain.go(args[0])
            self.chain.require_own(where)
        try:
            result = handler(self, where, *args, **kwargs)
        except ExactCNNError:
            raise
        except (TypeError, ValueError, AttributeError, IndexError, KeyError) as error:
            raise MalformedError(
                where, "arguments that exactcnn knows", str(error).partition("\n")[0]
            ) from None
        return self.chain.flow(self.shared(node)) if result is None else result

    def shared(self, node: Any) -> bool:
        """Is its value read by several operations, not counting its shape?"""
        readers = [
            user for user in node.users
            if not (user.op == "call_method" and user.target in ("size", "dim"))
            and not (user.target is getattr and user.args[1:] == ("shape",)) and not self.feeds_swish(user)
        ]  # fmt: skip
        return len(readers) > 1

    def feeds_swish(self, node: Any) -> bool:
        """Is this a sigmoid used only to be multiplied with what it was taken of?"""
        torch, users = self.torch, list(node.users)
        if len(users) != 1 or len(node.args) != 1 or node.kwargs:
            return False
        if node.op == "call_module":
            sigmoid = type(self.module.get_submodule(node.target)) is torch.nn.Sigmoid
        else:
            sigmoid = node.target in ("sigmoid", torch.sigmoid, torch.nn.functional.sigmoid)
        product = users[0].target in (operator.mul, operator.imul, torch.mul, "mul")
        return sigmoid and product and set(users[0].args) == {node, node.args[0]}

    def _current(self, where: str, args: Any) -> None:
        flows = [a for a in args if isinstance(a, Flow)]
        if len(args) != 1 or len(flows) != 1:
            raise MalformedError(where, "one tensor as its input", f"{len(args)} arguments")
        self.chain.go(flows[0])

    def _attribute(self, target: str) -> Any:
        value: Any = self.module
        for part in target.split("."):
            value = getattr(value, part)
        return value

    def array(self, value: Any, field: str) -> RationalArray:
        """A parameter as it is stored."""
        torch = self.torch
        if not isinstance(value, torch.Tensor):
            raise MalformedError(field, "a parameter of the module", type(value).__name__)
        if value.layout != torch.strided or value.is_quantized or value.device.type == "meta":
            raise MalformedError(field, "a dense tensor with values", f"{value.layout} on {value.device}")
        value = value.detach().cpu()
        if value.dtype == torch.bfloat16:
            value = value.to(torch.float32)  # exact: the same exponents, more digits
        if value.dtype not in (torch.float16, torch.float32, torch.float64):
            raise MalformedError(
                field,
                "float16, bfloat16, float32 or float64 numbers (convert the module)",
                f"dtype {value.dtype}",
            )
        return exact(value.numpy(), field)

    def optional(self, value: Any, field: str) -> RationalArray | None:
        return None if value is None else self.array(value, field)

    def number(self, value: Any, field: str) -> Fraction:
        return parameter(value, self.dtype, field)

    # ------------------------------------------------------------------ layers

    def conv(
        self, where: str, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> None:  # fmt: skip
        self._current(where, (x,))
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
        self._current(where, (x,))
        self.chain.dense(where, self.array(weight, f"{where}.weight"), self.optional(bias, f"{where}.bias"))

    def max_pool(
        self, axes: int, where: str, x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
        dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
    ) -> None:  # fmt: skip
        self._current(where, (x,))
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
        self._current(where, (x,))
        if divisor_override is not None:
            raise MalformedError(where, "no divisor_override", divisor_override)
        kernel = _axes(kernel_size, axes, where)
        steps = kernel if stride is None or stride == [] else _axes(stride, axes, where)
        pads = _axes(padding, axes, where)
        self.chain.avgpool(where, kernel, steps, pads, bool(ceil_mode), bool(count_include_pad))

    def adaptive_avg_pool(self, axes: int, where: str, x: Any, output_size: Any) -> None:
        self._current(where, (x,))
        sizes = output_size if isinstance(output_size, (list, tuple)) else (output_size,) * axes
        if len(sizes) != axes or any(n is not None and type(n) is not int for n in sizes):
            raise MalformedError(where, f"whole numbers or None for {axes} axes", sizes)
        self.chain.adaptive_avgpool(where, tuple(sizes))

    def mean(self, where: str, x: Any, dim: Any = None, keepdim: bool = False) -> None:
        self._current(where, (x,))
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
        self._current(where, (x,))
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

    # ------------------------------------------------------------------ activations

    def activation(self, where: str, x: Any, record: Any) -> None:
        self._current(where, (x,))
        self.chain.activate(where, record)

    def leaky_relu(self, where: str, x: Any, negative_slope: float = 0.01, inplace: bool = False) -> None:
        slope = self.number(negative_slope, f"{where}.negative_slope")
        record: Any = {"name": "leaky_relu", "slope": rational_text(slope)} if slope else "relu"
        self.activation(where, x, record)

    def softplus(self, where: str, x: Any, beta: float = 1.0, threshold: float = 20.0) -> None:
        if threshold < 20:
            raise MalformedError(
                f"{where}.threshold", "at least 20 (below it PyTorch computes another function)", threshold
            )
        alpha = self.number(beta, f"{where}.beta")
        self.chain.note(
            f"{where}: softplus itself is verified; PyTorch computes t where {float(alpha):g} t > {threshold:g}."
        )
        self.activation(where, x, {"name": "softplus", "alpha": rational_text(alpha)})

    def elu(self, where: str, x: Any, alpha: float = 1.0, inplace: bool = False) -> None:
        value = self.number(alpha, f"{where}.alpha")
        self.activation(where, x, {"name": "elu", "alpha": rational_text(value)})

    def gelu(self, where: str, x: Any, approximate: str = "none") -> None:
        self.activation(where, x, FORMULAS["gelu_tanh"] if approximate == "tanh" else "gelu")

    def power(self, where: str, x: Any, exponent: Any) -> None:
        if not isinstance(exponent, (int, float)) or exponent != 2 or not isinstance(x, Flow):
            raise MalformedError(where, "the square, x ** 2", f"exponent {exponent}")
        self.activation(where, x, "square")

    # ------------------------------------------------------------------ shapes and arithmetic

    def flatten(self, where: str, x: Any, start_dim: int = 0, end_dim: int = -1) -> None:
        self._current(where, (x,))
        axes = len(self.chain.shape) + 1
        begin, end = (n + axes if n < 0 else n for n in (start_dim, end_dim))
        if begin == end and 0 <= begin < axes:
            return
        if (begin, end) != (1, axes - 1):
            raise MalformedError(
                where, "flattening of all axes but the batch, start_dim=1", f"axes {begin} to {end}"
            )
        self.chain.flatten(where)

    def reshape(self, where: str, x: Any, *shape: Any) -> None:
        self._current(where, (x,))
        entries = shape[0] if len(shape) == 1 and isinstance(shape[0], (list, tuple)) else shape
        reshape_flow(self.chain, where, list(entries))

    def unflatten(self, where: str, x: Any, dim: int, sizes: Any) -> None:
        self._current(where, (x,))
        if dim not in (1, -1) or len(self.chain.shape) != 1:
            raise MalformedError(where, "an unflattening of a flat tensor, dim=1", f"dim {dim}")
        reshape_flow(self.chain, where, [BATCH, *sizes])

    def size(self, where: str, x: Any, dim: int | None = None) -> Any:
        self._current(where, (x,))
        whole = (BATCH, *self.chain.shape)
        return whole if dim is None else whole[dim]

    def get_attribute(self, where: str, x: Any, name: str) -> Any:
        if name != "shape" or not isinstance(x, Flow):
            raise _unknown(f"{where} (.{name})", name)
        return self.size(where, x)

    def keep(self, where: str, x: Any, *args: Any, **kwargs: Any) -> None:
        """Operations that change nothing in evaluation mode."""
        self._current(where, (x,))
        if kwargs.get("training", False) or (len(args) > 1 and args[1] is True):
            raise MalformedError(
                where, "dropout switched off (training=False, module.eval())", "dropout in training"
            )

    def item(self, where: str, x: Any, index: Any) -> Any:
        if not isinstance(x, tuple):
            raise MalformedError(where, "indexing of a shape only", "indexing of a tensor")
        return x[index]

    def arithmetic(self, kind: str, where: str, a: Any, b: Any, **kwargs: Any) -> Any:
        """x + c, x - c, c - x, x * c, x / c with constants and parameters; x * x is the square."""
        if isinstance(a, int) and isinstance(b, int) and not kwargs:
            return {"add": a + b, "sub": a - b, "mul": a * b}[kind]
        delayed = [v for v in (a, b) if isinstance(v, tuple)]
        if kind == "mul" and len(delayed) == 1 and len(delayed[0]) == 2 and delayed[0][1] in (a, b):
            return self.activation(where, delayed[0][1], "silu")
        flows = [v for v in (a, b) if isinstance(v, Flow)]
        if kwargs or not flows:
            raise _unknown(where, kind)
        if len(flows) == 2 and kind == "add":
            return self.chain.add(where, flows)
        if len(flows) == 2:
            if kind != "mul" or a is not b:
                raise MalformedError(where, "x * x, or a sum of tensors", f"{kind} of two tensors")
            return self.activation(where, a, "square")
        self._current(where, flows)
        constant = self._constant(where, b if isinstance(a, Flow) else a)
        self.chain.affine(where, *affine_parts(kind, constant, isinstance(a, Flow), where))
        return None

    def integers(self, where: str, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int) and b:
            return a // b
        raise _unknown(where, "floordiv")

    def _constant(self, where: str, value: Any) -> RationalArray:
        if isinstance(value, self.torch.Tensor):
            return self.array(value, where)
        return RationalArray.from_fractions([self.number(value, where)], where).reshape(1)

    def dropout(
        self, where: str, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> None:
        """PyTorch's functions default to training, whatever the module's mode."""
        self.keep(where, x, training=training)


def _in_place(node: Any, args: Any) -> bool:
    """Does a function or method change its first argument?"""
    name = str(node.target if isinstance(node.target, str) else getattr(node.target, "__name__", ""))
    return (
        node.target in (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow)
        or (name.endswith("_") and not name.endswith("__"))
        or node.kwargs.get("inplace") is True
        or (
            name in ("relu", "leaky_relu", "elu", "silu", "mish", "softsign")
            and len(args) > 1
            and args[-1] is True
        )
    )


def _label(node: Any) -> str:
    return str(node.target) if node.op == "call_module" else str(node.name)


def _axes(value: Any, axes: int, where: str) -> tuple[int, ...]:
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,) * axes
    if len(entries) == 1:
        entries *= axes
    if len(entries) != axes or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in entries):
        raise MalformedError(where, f"whole numbers for {axes} axes", entries)
    return entries


def _unknown(where: str, name: str) -> MalformedError:
    advice = _ADVICE.get(name, "verify the network without it, or write a spec file with what it computes")
    return MalformedError(where, f"one of {_KNOWN} ({advice})", name)
