"""Floor 1: what certified values of an expression at finitely many points prove, and what they refuse.

Balls at points prove that a function is not constant or not monotone: two balls that do not
meet are two different values.  They never prove a limit; ``probed`` only refuses a limit that
a computer algebra system has derived if values far out do not approach it.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

from exactcnn.activations.balls import ball_of_expression, ball_of_fraction
from exactcnn.activations.expressions import Node, parse_expression
from exactcnn.activations.properties import Limit
from exactcnn.errors import MalformedError, UndecidedError

__all__ = ["Value", "grid_values", "not_monotone", "probed"]

Value = tuple[Fraction, Any]  # a point and a flint.arb ball around the value there

_LONGEST_LIMIT = 20_000
_BITS = 256  # of the balls at the grid points
_PROBE_BITS = 2048  # cancellation at |t| = 2^100 costs some hundred bits
_PROBES = (4, 8, 16, 32, 64, 2**8, 2**16, 2**32, 2**64, 2**100)
_FEWEST_PROBES = 4
_TINY = 2.0**-64
_GRID = sorted({Fraction(s * n, d) for s in (-1, 1) for n, d in ((0, 1), (1, 4), (1, 2), (3, 4))} | {
    Fraction(s * n) for s in (-1, 1) for n in (1, 2, 3, 4, 6, 8, 16, 32)
})  # fmt: skip


def grid_values(node: Node) -> list[Value]:
    """Values at a fixed grid of points, in ascending order; points without an enclosure are left out."""
    from flint import ctx

    values = []
    with ctx.workprec(_BITS):
        for point in _GRID:
            try:
                values.append((point, ball_of_expression(node, ball_of_fraction(point))))
            except UndecidedError:
                continue
    return values


def not_monotone(values: list[Value]) -> str | None:
    """Certified values that no strictly monotone function takes."""
    rise: Fraction | None = None
    fall: Fraction | None = None
    for (p, a), (q, b) in pairwise(values):
        if a.is_exact() and b.is_exact() and a == b:
            return f"It has the same value at t = {p} and t = {q}."
        rise = p if rise is None and a < b else rise
        fall = p if fall is None and a > b else fall
        if rise is not None and fall is not None:
            return f"Certified values rise after t = {rise} and fall after t = {fall}."
    return None


def probed(node: Node, side: int, text: str | None) -> Limit:
    """The limit ``text`` if certified values far out agree with it, else unknown."""
    from flint import arb, ctx

    if text is None:
        return Limit.unknown()
    with ctx.workprec(_PROBE_BITS):
        values = []
        for probe in _PROBES:
            try:
                values.append(ball_of_expression(node, arb(side * probe)))
            except UndecidedError:
                continue
        if len(values) < _FEWEST_PROBES:
            return Limit.unknown()
        before, last = values[-2:]
        if text in ("oo", "-oo"):
            sign = 1 if text == "oo" else -1
            growing = bool(sign * before > 0 and sign * last > 1 and sign * (last - before) > arb("0.01"))
            return Limit.infinite(sign) if growing else Limit.unknown()
        try:
            value = ball_of_expression(parse_expression(text, longest=_LONGEST_LIMIT), arb(0))
        except (MalformedError, UndecidedError):
            return Limit.unknown()
        error, error_before = abs(last - value), abs(before - value)
        shrinking = error < _TINY or error < error_before * 9 / 10  # a nearby other limit would not
        if not (shrinking and error < (1 + abs(value)) / 100):
            return Limit.unknown()
        zero = None if value.contains(0) else False
        return Limit.finite(text, True if text == "0" else zero)
