"""Floor 1: certified derivatives of an expression at points, by forward differentiation in balls.

``agrees`` refuses a form of the derivative that a computer algebra system has found if it
differs, at a point of a fixed grid, from the derivative computed here; it proves nothing else.

Why the balls are right.  Each node carries a ball around its value and one around its
derivative, by the sum, product, quotient and chain rules, each used only where its function is
differentiable: |u| where the ball of u excludes 0, max and min where the balls of their operands
are disjoint, roots and powers that are not integer where the base is positive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from exactcnn.activations.balls import ball_of_expression, ball_of_fraction
from exactcnn.activations.expressions import Node
from exactcnn.activations.samples import Value
from exactcnn.errors import UndecidedError

__all__ = ["agrees", "grid_slopes", "slope_of_expression"]

_BITS = 256
_FEWEST_POINTS = 6
_GRID = tuple(sorted(Fraction(s * n, 7) for s in (-1, 1) for n in (0, 1, 3, 5, 8, 12, 17, 26, 40)))


def slope_of_expression(node: Node, t: Any) -> Any:
    """A ball that contains sigma'(x) for every x in the flint.arb ball t; UndecidedError if none is found."""
    slope = _Walk(t).slope(node)
    if not slope.is_finite():
        raise UndecidedError(f"no enclosure of the derivative of {node} was found on the ball {t}")
    return slope


def grid_slopes(node: Node) -> list[Value]:
    """Derivatives at fixed points; points without an enclosure are left out."""
    from flint import ctx

    slopes = []
    with ctx.workprec(_BITS):
        for point in _GRID:
            try:
                slopes.append((point, slope_of_expression(node, ball_of_fraction(point))))
            except UndecidedError:
                continue
    return slopes


def agrees(form: Node, slopes: list[Value]) -> bool:
    """Do certified values of ``form`` meet all of the derivatives where they exist, at six points or more?"""
    from flint import ctx

    met = 0
    with ctx.workprec(_BITS):
        for point, slope in slopes:
            try:
                value = ball_of_expression(form, ball_of_fraction(point))
            except UndecidedError:
                continue
            if not value.overlaps(slope):
                return False
            met += 1
    return met >= _FEWEST_POINTS


class _Walk:
    """Values and derivatives of the nodes of one tree on one ball."""

    def __init__(self, t: Any) -> None:
        self.t = t
        self._slopes: dict[Node, Any] = {}
        self._values: dict[Node, Any] = {}

    def value(self, node: Node) -> Any:
        return ball_of_expression(node, self.t, self._values)

    def slope(self, node: Node) -> Any:
        if node not in self._slopes:
            self._slopes[node] = self._slope(node)
        return self._slopes[node]

    def _slope(self, node: Node) -> Any:
        from flint import arb

        if not node.depends_on_t:
            self.value(node)  # it must have one
            return arb(0)
        if node.op == "t":
            return arb(1)
        a, op = node.args[0], node.op
        if op == "add":
            return self.slope(a) + self.slope(node.args[1])
        if op == "mul":
            b = node.args[1]
            return self.slope(a) * self.value(b) + self.value(a) * self.slope(b)
        if op == "div":
            b = node.args[1]
            return (self.slope(a) - self.value(node) * self.slope(b)) / self.value(b)
        if op == "pow":
            return self._power(a, node.args[1])
        if op in ("max", "min"):
            return self._extremum(op, a, node.args[1])
        return _CHAIN[op](self.value(a), self.value(node)) * self.slope(a)

    def _power(self, base: Node, exponent: Node) -> Any:
        n = exponent.value
        if n is not None and n.denominator == 1:
            x = self.value(base)
            lowered = x ** (int(n) - 1) if n != 0 else 0
            return ball_of_fraction(n) * lowered * self.slope(base)
        x, y = self.value(base), self.value(exponent)  # x^y = e^(y log x), x > 0
        return (y * x.log()).exp() * (self.slope(exponent) * x.log() + y * self.slope(base) / x)

    def _extremum(self, op: str, a: Node, b: Node) -> Any:
        u, v = self.value(a), self.value(b)
        if not (u < v or u > v):
            raise UndecidedError(f"it is not known whether {a} or {b} is the larger on the ball {self.t}")
        return self.slope(a if bool(u > v) == (op == "max") else b)


def _sign(u: Any, _: Any) -> Any:
    if u.contains(0):
        raise UndecidedError("the sign of the argument of abs is not known")
    return 1 if u > 0 else -1


def _erf(u: Any, _: Any) -> Any:
    from flint import arb

    return 2 * (-u * u).exp() / arb.pi().sqrt()


# The outer derivative from the argument u and the value v.
_CHAIN: Mapping[str, Callable[[Any, Any], Any]] = {
    "exp": lambda u, v: v,
    "log": lambda u, v: 1 / u,
    "tanh": lambda u, v: 1 / u.cosh() ** 2,
    "sinh": lambda u, v: u.cosh(),
    "cosh": lambda u, v: u.sinh(),
    "sin": lambda u, v: u.cos(),
    "cos": lambda u, v: -u.sin(),
    "atan": lambda u, v: 1 / (1 + u * u),
    "sqrt": lambda u, v: 1 / (2 * v),
    "erf": _erf,
    "abs": _sign,
}
