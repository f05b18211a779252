"""Floor 6: the elementwise operations of an ONNX graph, put together by ``pointwise``.

Conventions.  Constants of one entry and at most one axis, so that no broadcast changes a shape.  What is put together
becomes one ``Expression`` in place of the nodes it is made of, which go where nothing else reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.interop.pointwise import SPECIAL, Step, plan

__all__ = ["EXPRESSIONS", "Expression", "put_together", "scalar_of"]

_UNARY = {
    "Identity": "same", "Neg": "neg", "Exp": "exp", "Log": "log", "Abs": "abs", "Erf": "erf", "Sqrt": "sqrt", "Sin": "sin",
    "Cos": "cos", "Sinh": "sinh", "Cosh": "cosh", "Reciprocal": "reciprocal", "Tanh": "tanh", "Sigmoid": "sigmoid", "Relu": "relu",
    "Softplus": "softplus", "Atan": "arctan",
}  # fmt: skip
_BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow", "Max": "max", "Min": "min"}
# What only exists put together.
EXPRESSIONS = frozenset(k for k, op in (*_UNARY.items(), *_BINARY.items()) if op in SPECIAL and k != "Pow")
_LARGEST_EXPONENT = 16


@dataclass(frozen=True, eq=False)
class Expression:
    """Stands where a node may: ``output[0]`` is ``text`` of t = ``input[0]``."""

    name: str
    input: list[str]
    output: list[str]
    text: str
    op_type: str = "Expression"
    domain: str = ""
    attribute: tuple[Any, ...] = ()


def put_together(nodes: list[Any], output: str, scalar: Callable[[str], Fraction | None]) -> list[Any]:
    """The nodes, in order, with expressions in the place of what they replace; ``scalar``: the constant of that name."""
    order = {name: n for n, node in enumerate(nodes) for name in node.output}
    steps = [step for step in (_step(node, scalar) for node in nodes) if step is not None]
    found = plan(steps, order)
    if not found:
        return nodes
    made: dict[str, Any] = {}
    for node in nodes:
        for name in node.output:
            made[name] = node
            if name in found:
                base, text = found[name]
                made[name] = Expression(node.name or name, [str(base)], [name], text)
    kept, stack = {}, [output]
    while stack:
        name = stack.pop()
        node = made.get(name)
        if node is not None and id(node) not in kept:
            kept[id(node)] = (order[name], node)
            stack += [each for each in node.input if each]
    return [node for _, node in sorted(kept.values(), key=lambda pair: pair[0])]


def _step(node: Any, scalar: Callable[[str], Fraction | None]) -> Step | None:
    if node.domain not in ("", "ai.onnx") or len(node.output) != 1:
        return None
    constants = [scalar(name) if name else None for name in node.input]
    args: tuple[Any, ...] = tuple(
        name if constant is None else constant for name, constant in zip(node.input, constants, strict=True)
    )
    if node.op_type in ("Clip", "HardSigmoid", "LeakyRelu"):
        return _with_parameters(node, args)
    if node.op_type in _UNARY and len(args) == 1:
        return Step(node.output[0], _UNARY[node.op_type], args)
    if node.op_type not in _BINARY or len(args) != 2 or not all(node.input):
        return None
    op, (a, b) = _BINARY[node.op_type], args
    if op == "mul" and a == b and not isinstance(a, Fraction):
        return Step(node.output[0], "square", (a,))
    if op == "pow":
        if not isinstance(b, Fraction) or b.denominator != 1 or not 0 < b <= _LARGEST_EXPONENT:
            return None
        if b == 2:
            return Step(node.output[0], "square", (a,))
    if op == "div" and b == 0:
        return None
    return Step(node.output[0], op, args)


def _with_parameters(node: Any, args: tuple[Any, ...]) -> Step | None:
    """Clip with constant ends, HardSigmoid, LeakyRelu."""
    given = {a.name: Fraction(float(np.float32(a.f))) for a in node.attribute}
    if node.op_type == "HardSigmoid":
        usual = {"alpha": Fraction(float(np.float32(0.2))), "beta": Fraction(1, 2)} | given
        return Step(node.output[0], "hard_sigmoid", (args[0], usual["alpha"], usual["beta"]))
    if node.op_type == "LeakyRelu":
        slope = given.get("alpha", Fraction(float(np.float32(0.01))))
        return Step(node.output[0], "leaky_relu", (args[0], slope))
    ends = [arg for arg in args[1:] if arg != ""]
    if given or not ends or not all(isinstance(end, Fraction) for end in ends):
        return None
    if len(ends) == 2:
        return Step(node.output[0], "clip", (args[0], *ends)) if ends[0] <= ends[1] else None
    return Step(node.output[0], "at most" if args[1] == "" else "at least", (args[0], *ends))


def scalar_of(array: np.ndarray) -> Fraction | None:
    """A constant of one entry as a rational, None for others."""
    if array.size != 1 or array.ndim > 1 or array.dtype.kind != "f":
        return None
    value = float(array.reshape(-1)[0])
    return Fraction(value) if np.isfinite(value) else None
