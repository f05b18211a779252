"""Floor 4a: the real ones among exact solutions: intervals for coordinates and loss, and the Hessian's inertia.

Precision is doubled until every interval is narrow and different losses have disjoint intervals.  Whether
two points have the same loss is decided exactly: by the minimal polynomials of their losses and, within one of
them, by which of its isolated roots the loss's ball meets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from exactcnn.errors import UndecidedError
from exactcnn.landscape.domains import ln_two
from exactcnn.landscape.ideals import Polynomial
from exactcnn.landscape.inertia import Inertia, ball_inertia, exact_inertia
from exactcnn.landscape.polynomial_loss import derivative
from exactcnn.landscape.solutions import Orbit, ball_of, real_roots

__all__ = ["RealPoint", "Value", "real_points_of"]

Interval = tuple[Fraction, Fraction]
_MOST_BITS = 1 << 14


@dataclass(frozen=True)
class Value:
    """A loss at real isolated critical points: in ``interval`` (low, high), equal ends if it is rational, disjoint from
    those of the other values; ``points``: how many have it."""

    interval: Interval
    points: int


@dataclass(frozen=True)
class RealPoint:
    """A real isolated critical point, each coordinate in its interval (equal ends: exactly that).

    ``value``: the place of its loss among the values; ``degree`` of the number field it generates (1: it is
    rational); ``multiplicity`` as a zero of the gradient (None beside families); ``inertia`` of the Hessian
    there (None: not decided, as when it is singular at an irrational point).
    """

    coordinates: tuple[Interval, ...]
    value: int
    degree: int
    multiplicity: int | None
    inertia: Inertia | None


def real_points_of(
    orbits: Sequence[Orbit], loss: Polynomial, bits: int, *, simple: bool
) -> tuple[tuple[RealPoint, ...], tuple[Value, ...]]:
    """The real points, by loss, and their losses, ascending.

    ``simple``: the orbits' multiplicities are those of the gradient ideal.  UndecidedError beyond 2^14 bits.
    """
    from flint import ctx

    n = len(next(iter(loss), ()))
    hessian = [[derivative(derivative(loss, i), j) for j in range(n)] for i in range(n)]
    known = []
    for orbit in orbits:
        value = orbit.value(loss)
        known.append((orbit, value, orbit.minimal_polynomial(value)))
    precision = bits + 64
    while precision <= _MOST_BITS:
        with ctx.workprec(precision):
            found = _at_precision(known, hessian, bits, simple)
        if found is not None:
            return found
        precision *= 2
    raise UndecidedError(f"losses at real critical points are not separated by {_MOST_BITS} bits")


def _at_precision(
    known: Sequence[tuple[Orbit, Any, Any]], hessian: list[list[Polynomial]], bits: int, simple: bool
) -> tuple[tuple[RealPoint, ...], tuple[Value, ...]] | None:
    """None if the current precision is too small."""
    losses: dict[tuple[str, int], tuple[Interval, int]] = {}  # by value, with the number of points
    drafts: list[tuple[tuple[str, int], tuple[Interval, ...], Orbit, Inertia | None]] = []
    for orbit, value, minimal in known:
        candidates: list[Any] = []
        for u in orbit.real_roots():
            candidates = candidates or real_roots(minimal)
            ball = ball_of(value, u)
            places = [i for i, root in enumerate(candidates) if root.overlaps(ball)]
            coordinates = tuple(_interval(c, u) for c in orbit.coordinates)
            at = _interval(value, u)
            if len(places) != 1 or not all(_narrow(x, bits) for x in (*coordinates, at)):
                return None
            inertia = _inertia(orbit, hessian, u)
            key = (str(minimal), places[0])
            losses[key] = (losses.get(key, (at, 0))[0], losses.get(key, (at, 0))[1] + 1)
            drafts.append((key, coordinates, orbit, inertia))
    first = {key: entry[0] for key, entry in losses.items()}
    order = sorted(first, key=lambda key: first[key])
    if any(first[a][1] >= first[b][0] for a, b in pairwise(order)):
        return None
    rank = {key: place for place, key in enumerate(order)}
    ranked = sorted(drafts, key=lambda d: (rank[d[0]], d[1]))
    points = tuple(
        RealPoint(coordinates, rank[key], orbit.size, orbit.multiplicity if simple else None, inertia)
        for key, coordinates, orbit, inertia in ranked
    )
    return points, tuple(Value(*losses[key]) for key in order)


def _interval(polynomial: Any, u: Any) -> Interval:
    """Around the value at u; exact where the polynomial is constant."""
    if polynomial.degree() <= 0:
        exact = Fraction(int(polynomial[0].p), int(polynomial[0].q))
        return exact, exact
    ball = ball_of(polynomial, u)
    if not ball.is_finite():
        raise UndecidedError("a root was enclosed in no finite ball")
    return _fraction(ball.lower()), _fraction(ball.upper())


def _fraction(number: Any) -> Fraction:
    mantissa, exponent = (int(v) for v in number.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def _narrow(interval: Interval, bits: int) -> bool:
    low, high = interval
    return (high - low) * (1 << bits) <= max(Fraction(1), abs(low), abs(high))


def _inertia(orbit: Orbit, hessian: list[list[Polynomial]], u: Any) -> Inertia | None:
    n = len(hessian)
    if orbit.size == 1:
        exact = [[orbit.value(hessian[max(i, j)][min(i, j)])[0] for j in range(n)] for i in range(n)]
        numbers = np.empty((n, n), dtype=object)
        for i, j in np.ndindex(n, n):
            numbers[i, j] = ln_two(Fraction(int(exact[i][j].p), int(exact[i][j].q)))
        return exact_inertia(numbers)
    x = [ball_of(c, u) for c in orbit.coordinates]
    balls = [[_at(hessian[max(i, j)][min(i, j)], x) for j in range(n)] for i in range(n)]
    diagonal = ball_inertia(balls)
    return None if diagonal is None else diagonal.inertia


def _at(polynomial: Polynomial, x: Sequence[Any]) -> Any:
    from flint import arb

    total = arb(0)
    for monomial, coefficient in polynomial.items():
        term = arb(coefficient)
        for base, exponent in zip(x, monomial, strict=True):
            if exponent:
                term *= base**exponent
        total += term
    return total
