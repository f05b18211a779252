"""Floor 6: each operation of PyTorch that has an exact meaning here, handed to the graph of layers."""

from __future__ import annotations

import operator
from typing import Any

from exactcnn.errors import ExactCNNError, MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.flow import Padded
from exactcnn.interop.lowering import Lowering
from exactcnn.interop.pointwise import record_of
from exactcnn.interop.torch_layers import Layers
from exactcnn.interop.torch_pointwise import expression
from exactcnn.interop.torch_shapes import Shapes
from exactcnn.interop.torch_tables import MODES, function_table, method_table, module_table
from exactcnn.interop.torch_values import unknown

__all__ = ["Operations", "in_place"]


_WITH_INPLACE = {
    "relu", "leaky_relu", "elu", "silu", "mish", "softsign", "relu6", "hardtanh", "selu", "celu", "hardswish", "hardsigmoid",
}  # fmt: skip


class Operations(Layers, Shapes):
    """Applies the nodes of a torch.fx graph of ``module`` to ``chain``."""

    def __init__(self, torch: Any, module: Any, chain: Lowering, dtype: Any, needed: set[Any]) -> None:
        super().__init__(torch, module, chain, dtype, needed)
        self._functions = function_table(torch, Operations)
        self._methods = method_table(Operations)
        self._modules = module_table(torch, self)

    def apply(self, node: Any, args: Any, kwargs: Any) -> Any:
        """The value of ``node``: a Flow, a parameter (torch.Tensor), a shape, or a number."""
        where = _label(node)
        if node.target is expression:
            self.activation(where, args[0], record_of(args[1]))
            return self.chain.flow(self.shared(node))
        if node.op == "get_attr":
            return self.attribute(node.target)
        if node.op == "call_module":
            part = self.module.get_submodule(node.target)
            handler = self._modules.get(type(part))
            if handler is None:
                raise unknown(f"{node.target} ({type(part).__name__})", type(part).__name__)
            self.value = args[0] if len(args) == 1 else None
            if isinstance(self.value, Padded) and type(part).__name__.startswith("Conv"):
                self.chain.go(self.value.flow)
            else:
                self.current(where, args)
            if getattr(part, "inplace", False) and type(part).__name__ not in MODES:
                self.chain.require_own(where)
            if part.training and type(part).__name__ in MODES:
                raise MalformedError(
                    f"{node.target}", "evaluation mode (call module.eval() first)", "training mode"
                )
            result = handler(f"{node.target} ({type(part).__name__})", part)
            return self.chain.flow(self.shared(node)) if result is None else result
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
            raise unknown(f"{node.name} ({target})", str(target))
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


def in_place(module: Any, node: Any) -> bool:
    """May it change a tensor that it was given?"""
    if node.op == "call_module":
        return getattr(module.get_submodule(node.target), "inplace", False) is not False
    return "out" in node.kwargs or _in_place(node, node.args)


def _in_place(node: Any, args: Any) -> bool:
    """Does a function or method change its first argument?"""
    name = str(node.target if isinstance(node.target, str) else getattr(node.target, "__name__", ""))
    return (
        node.target in (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow)
        or (name.endswith("_") and not name.endswith("__"))
        or node.kwargs.get("inplace") is True
        or (name in _WITH_INPLACE and len(args) > 1 and args[-1] is True)
    )


def _label(node: Any) -> str:
    return str(node.target) if node.op == "call_module" else str(node.name)
