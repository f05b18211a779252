"""Floor 4a: many points or boxes at once: numbers of a ``Surface`` that hold an array with one entry for each.

* ``FloatDomain``: float64 values; decides nothing, finds candidates.
* ``BoxDomain``: intervals with float64 ends.  Every operation of IEEE arithmetic is correctly rounded, so one step
  outward with nextafter encloses it; exponentials come with the proved bounds of ``arithmetic.exponentials``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.activations.floats import enclosed
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.errors import UndecidedError
from exactcnn.landscape.domains import Jet

__all__ = ["BoxDomain", "Boxes", "FloatDomain", "Floats"]

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
class FloatDomain:
    """float64 without any claim."""

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Floats:
        return Floats(np.float64(float(rational) + float(ln2) * _LN2[0]))

    def largest(self, values: list[Floats]) -> tuple[Floats, list[int]]:
        raise UndecidedError("pooling is not known to searches and enumerations")

    def jet(self, activation: Activation, t: Floats) -> Jet:
        parameters = {key: float(value) for key, value in activation.parameters}
        with np.errstate(all="ignore"):
            found = _float_jet(activation.name, np.asarray(t.v, dtype=np.float64), parameters)
        return tuple(Floats(np.asarray(v, dtype=np.float64)) for v in found)  # type: ignore[return-value]


def _logistic(t: np.ndarray) -> np.ndarray:
    E = np.exp(-np.abs(t))
    result: np.ndarray = np.where(t >= 0, 1.0, E) / (1.0 + E)
    return result


def _float_jet(name: str, t: np.ndarray, parameters: dict[str, float]) -> tuple[Any, Any, Any]:
    zero, one = np.zeros_like(t), np.ones_like(t)
    alpha = parameters.get("alpha", 1.0)
    if name in ("sigmoid", "sigmoid2", "softplus", "silu"):
        rate = {"sigmoid2": _LN2[0], "softplus": alpha}.get(name, 1.0)
        s = _logistic(rate * t)
        d = s * (1 - s)
        if name == "softplus":
            return np.logaddexp(0.0, alpha * t) / alpha, s, alpha * d
        if name == "silu":
            return t * s, s + t * d, d * (2 + t * (1 - 2 * s))
        return s, rate * d, rate * rate * d * (1 - 2 * s)
    if name in ("relu", "leaky_relu", "elu"):
        up = t > 0
        grown = alpha * np.exp(np.minimum(t, 0.0)) if name == "elu" else zero
        slope = parameters.get("slope", 0.0)
        below = grown - alpha if name == "elu" else slope * t
        return np.where(up, t, below), np.where(up, 1.0, slope + grown), np.where(up, 0.0, grown)
    known: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
        "identity": lambda: (t, one, zero),
        "square": lambda: (t * t, 2 * t, 2 * one),
        "tanh": lambda: ((v := np.tanh(t)), 1 - v * v, -2 * v * (1 - v * v)),
        "gaussian": lambda: ((v := np.exp(-t * t)), -2 * t * v, (4 * t * t - 2) * v),
        "arctan": lambda: (np.arctan(t), (f := 1 / (1 + t * t)), -2 * t * f * f),
    }
    if name not in known:
        raise UndecidedError(f"searches do not know the activation {name}")
    return known[name]()


@dataclass(frozen=True)
class BoxDomain:
    """Intervals; activations identity, square, sigmoid, tanh, gaussian (smooth, with proved float64 bounds)."""

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Boxes:
        exact = _box_of(rational)
        return exact + _box_of(ln2) * Boxes(np.float64(_LN2[0]), np.float64(_LN2[1])) if ln2 else exact

    def largest(self, values: list[Boxes]) -> tuple[Boxes, list[int]]:
        raise UndecidedError("pooling is not known to searches and enumerations")

    def jet(self, activation: Activation, t: Boxes) -> Jet:
        name, one, two = activation.name, self.number(Fraction(1)), self.number(Fraction(2))
        if name == "identity":
            return t, one, self.number(Fraction(0))
        if name == "square":
            return t.squared(), two * t, two
        if name == "sigmoid":
            s = _monotone("sigmoid", t)
            # s (1 - s) = 1/4 - (s - 1/2)^2 needs s once; likewise 1 - 2 s = -2 (s - 1/2)
            centred = s - self.number(Fraction(1, 2))
            d = self.number(Fraction(1, 4)) - centred.squared()
            return s, d, d * (-(two * centred))
        if name == "tanh":
            v = _monotone("tanh", t)
            d = one - v.squared()
            return v, d, d * (-(two * v))
        if name == "gaussian":
            square = t.squared()
            fall = _monotone(
                "gaussian", Boxes(np.maximum(_magnitude(t)[0], 0.0), _magnitude(t)[1]), falling=True
            )
            four = self.number(Fraction(4))
            return fall, -(two * t) * fall, (four * square - two) * fall
        raise UndecidedError(f"enumeration does not know the activation {activation}")


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
    bottom = -1.0 if name == "tanh" else 0.0
    lo = np.where(np.isfinite(lo), np.maximum(lo, bottom), bottom)
    return Boxes(lo, np.where(np.isfinite(hi), np.minimum(hi, 1.0), 1.0))
