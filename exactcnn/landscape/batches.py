"""Floor 4a: many points or boxes at once: numbers of a ``Surface`` that hold an array with one entry for each.

* ``FloatDomain``: float64 values; decides nothing, finds candidates.
* ``BoxDomain``: intervals with float64 ends.  Every operation of IEEE arithmetic is correctly rounded, so one step
  outward with nextafter encloses it; exponentials come with the proved bounds of ``arithmetic.exponentials``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import erf
from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.activations.floats import enclosed
from exactcnn.activations.jets import Jet, Unknown, jet_of
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.errors import UndecidedError

__all__ = ["BoxDomain", "Boxes", "FloatDomain", "Floats"]

_ERF = np.vectorize(erf, otypes=[float])
# ln 2 lies strictly between two neighbouring floats.
_LN2 = (float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.62e42fefa39f0p-1"))


@dataclass(eq=False, slots=True)
class Floats:
    """float64 values, one for each point."""

    v: Any

    def __add__(self, other: Floats | int) -> Floats:
        return self if isinstance(other, int) else Floats(self.v + other.v)

    __radd__ = __add__

    def __sub__(self, other: Floats) -> Floats:
        return Floats(self.v - other.v)

    def __mul__(self, other: Floats) -> Floats:
        return Floats(self.v * other.v)

    def __neg__(self) -> Floats:
        return Floats(-self.v)

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


@dataclass(eq=False, slots=True)
class Boxes:
    """Intervals [lo, hi], one for each box; an end that is not finite encloses everything."""

    lo: Any
    hi: Any

    def __add__(self, other: Boxes | int) -> Boxes:
        return self if isinstance(other, int) else _outward(self.lo + other.lo, self.hi + other.hi)

    __radd__ = __add__

    def __sub__(self, other: Boxes) -> Boxes:
        return _outward(self.lo - other.hi, self.hi - other.lo)

    def __neg__(self) -> Boxes:
        return Boxes(-self.hi, -self.lo)

    def __mul__(self, other: Boxes) -> Boxes:
        if self is other:
            return self.squared()
        a, b, c, d = self.lo * other.lo, self.lo * other.hi, self.hi * other.lo, self.hi * other.hi
        low = np.minimum(np.minimum(a, b), np.minimum(c, d))
        return _outward(low, np.maximum(np.maximum(a, b), np.maximum(c, d)))

    def squared(self) -> Boxes:
        a, b = self.lo * self.lo, self.hi * self.hi
        least = np.where((self.lo <= 0) & (self.hi >= 0), 0.0, np.minimum(a, b))
        found = _outward(least, np.maximum(a, b))
        return Boxes(np.maximum(found.lo, 0.0), found.hi)

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def _outward(lo: Any, hi: Any) -> Boxes:
    """One float further out; NaN (inf - inf, 0 * inf) becomes the whole line."""
    low, high = np.nextafter(lo, -np.inf), np.nextafter(hi, np.inf)
    return Boxes(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))


def _box_of(value: Fraction) -> Boxes:
    near = float(value)
    if Fraction(near) == value:
        return Boxes(np.float64(near), np.float64(near))
    return Boxes(np.nextafter(near, -np.inf), np.nextafter(near, np.inf))


@dataclass(frozen=True)
class FloatDomain(Unknown):
    """float64 without any claim."""

    title = "searches in floats"

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Floats:
        return Floats(np.float64(float(rational) + float(ln2) * _LN2[0]))

    def largest(self, values: list[Floats]) -> tuple[Floats, list[int]]:
        raise UndecidedError("pooling is not known to searches and enumerations")

    def ln2(self) -> Floats:
        return Floats(np.float64(_LN2[0]))

    def jet(self, activation: Activation, t: Floats) -> Jet:
        with np.errstate(all="ignore"):
            return jet_of(activation, t, self)

    def logistic(self, t: Floats) -> tuple[Floats, Floats, Floats]:
        E = np.exp(-np.abs(t.v))
        s, other = np.where(t.v >= 0, 1.0, E) / (1.0 + E), np.where(t.v >= 0, E, 1.0) / (1.0 + E)
        return Floats(s), Floats(s * other), Floats(other - s)

    def normal(self, t: Floats) -> tuple[Floats, Floats]:
        return Floats((1 + _ERF(t.v / np.sqrt(2))) / 2), Floats(np.exp(-t.v * t.v / 2) / np.sqrt(2 * np.pi))

    def bell(self, t: Floats) -> Floats:
        return Floats(np.exp(-t.v * t.v))

    def exp(self, t: Floats) -> Floats:
        return Floats(np.exp(t.v))

    def softplus(self, t: Floats) -> Floats:
        return Floats(np.logaddexp(0.0, t.v))

    def arctan(self, t: Floats) -> tuple[Floats, Floats]:
        return Floats(np.arctan(t.v)), Floats(1 / (1 + t.v * t.v))

    def pieces(self, t: Floats, above: Callable[[], Jet], below: Callable[[], Jet]) -> Jet:
        up = t.v > 0
        parts = zip(above(), below(), strict=True)
        value, first, second = (Floats(np.where(up, high.v, low.v)) for high, low in parts)
        return value, first, second


@dataclass(frozen=True)
class BoxDomain(Unknown):
    """Intervals; of the functions of ``activations.jets`` logistic and bell, with proved float64 bounds."""

    title = "enumerations by boxes"

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Boxes:
        exact = _box_of(rational)
        return exact + _box_of(ln2) * Boxes(np.float64(_LN2[0]), np.float64(_LN2[1])) if ln2 else exact

    def largest(self, values: list[Boxes]) -> tuple[Boxes, list[int]]:
        raise UndecidedError("pooling is not known to searches and enumerations")

    def ln2(self) -> Boxes:
        return Boxes(np.float64(_LN2[0]), np.float64(_LN2[1]))

    def jet(self, activation: Activation, t: Boxes) -> Jet:
        return jet_of(activation, t, self)

    def logistic(self, t: Boxes) -> tuple[Boxes, Boxes, Boxes]:
        """s (1 - s) = 1/4 - (s - 1/2)^2 needs s once; likewise 1 - 2 s = -2 (s - 1/2)."""
        s = _monotone("sigmoid", t)
        centred = s - self.number(Fraction(1, 2))
        d = self.number(Fraction(1, 4)) - centred.squared()
        return s, d, -(self.number(Fraction(2)) * centred)

    def bell(self, t: Boxes) -> Boxes:
        return _monotone("gaussian", Boxes(*_magnitude(t)), falling=True)


def _magnitude(t: Boxes) -> tuple[Any, Any]:
    a, b = np.abs(t.lo), np.abs(t.hi)
    least = np.where((t.lo <= 0) & (t.hi >= 0), 0.0, np.minimum(a, b))
    return least, np.maximum(a, b)


def _monotone(name: str, t: Boxes, *, falling: bool = False) -> Boxes:
    ends = []
    for side in (t.lo, t.hi):
        point = np.atleast_1d(np.asarray(side, dtype=np.float64))
        at = enclosed(Activation(name), Enclosure(point, np.zeros_like(point)))
        with np.errstate(all="ignore"):
            ends.append(_outward(at.mid - at.rad, at.mid + at.rad))
    first, last = (ends[1], ends[0]) if falling else (ends[0], ends[1])
    lo, hi = first.lo.reshape(np.shape(t.lo)), last.hi.reshape(np.shape(t.hi))
    lo = np.where(np.isfinite(lo), np.maximum(lo, 0.0), 0.0)
    return Boxes(lo, np.where(np.isfinite(hi), np.minimum(hi, 1.0), 1.0))
