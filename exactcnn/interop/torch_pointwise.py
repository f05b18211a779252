"""Floor 6: the elementwise operations of a torch.fx graph, put together by ``pointwise``.

Conventions.  Only operations that make a new tensor are steps; what changes a tensor in place is none, and so is what
broadcasts.  An exit of an expression is replaced, for its readers, by a call of ``expression``, which stands for
the activation and is never run.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from exactcnn.interop.pointwise import Step, plan

__all__ = ["expression", "put_together"]

_UNARY = {
    "neg": "neg", "exp": "exp", "log": "log", "abs": "abs", "erf": "erf", "sqrt": "sqrt", "sin": "sin", "cos": "cos", "sinh": "sinh",
    "cosh": "cosh", "reciprocal": "reciprocal", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu", "square": "square",
    "atan": "arctan",
}  # fmt: skip
_BINARY = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "true_divide": "div", "pow": "pow", "multiply": "mul",
    "divide": "div", "subtract": "sub", "truediv": "div", "maximum": "max", "minimum": "min",
}  # fmt: skip
_LARGEST_EXPONENT = 16


def expression(base: Any, text: str) -> Any:
    """Stands for ``text`` of t = ``base`` in a rewritten graph."""
    raise NotImplementedError(text)


def put_together(
    torch: Any, module: Any, graph: Any, needed: set[Any], end: Any, number: Callable[[Any], Fraction | None]
) -> tuple[Any, set[Any]]:
    """Rewrites ``graph``; the node that now gives the result (None: the output), and the nodes that are no longer read.

    ``number``: a constant of the program as the rational it computes with, None for what is none.
    """
    nodes = [node for node in graph.nodes if node in needed]
    steps = [step for node in nodes if (step := _step(torch, module, node, number)) is not None]
    found = plan(steps, {node: n for n, node in enumerate(nodes)})
    for value, (base, text) in found.items():
        node: Any = value
        with graph.inserting_after(node):
            made = graph.call_function(expression, (base, text))
        made.name = node.name
        node.replace_all_uses_with(made)
        if node is end:
            end = made
    return end, set(found)


def _step(torch: Any, module: Any, node: Any, number: Callable[[Any], Fraction | None]) -> Step | None:
    if any(key != "inplace" or value for key, value in node.kwargs.items()) or node.op not in (
        "call_function",
        "call_method",
        "call_module",
    ):
        return None
    if node.op == "call_module":
        part, nn = module.get_submodule(node.target), torch.nn
        op = {nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.ReLU: "relu"}.get(type(part))
        if type(part) is nn.Softplus and (part.beta, part.threshold) == (1, 20):
            op = "softplus"
        if op is None or getattr(part, "inplace", False) or len(node.args) != 1:
            return None
        return Step(node, op, tuple(node.args))
    known = _function(torch, node.target) if node.op == "call_function" else node.target
    args: list[Any] = []
    for arg in node.args:
        constant = None if isinstance(arg, type(node)) else number(arg)
        if constant is None and not isinstance(arg, type(node)):
            return None
        args.append(arg if constant is None else constant)
    if known in _UNARY and len(args) == 1:
        return Step(node, _UNARY[known], tuple(args))
    if known not in _BINARY or len(args) != 2:
        return None
    op, (a, b) = _BINARY[known], args
    if op == "mul" and a is b:
        return Step(node, "square", (a,))
    if op == "pow":
        if not isinstance(b, Fraction) or b.denominator != 1 or not 0 < b <= _LARGEST_EXPONENT:
            return None
        if b == 2:
            return Step(node, "square", (a,))
    return None if op == "div" and b == 0 else Step(node, op, (a, b))


def _function(torch: Any, target: Any) -> str:
    """The name of a function, if it is the one of that name."""
    name = getattr(target, "__name__", "")
    places = (torch, torch.nn.functional, torch.special, operator)
    return name if any(getattr(place, name, None) is target for place in places) else ""
