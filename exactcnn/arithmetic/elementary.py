"""Floor 1: float64 enclosures of softplus, sigmoid2, gelu and arctan, without libm.

Error analysis (u = 2^-53, gamma_n < 1.01 n u; e^-x from ``exponentials.decaying``, relative error 2^-47, and 0 for
x > 700, off by less than 2^-1000).  At a float t, a = |t|:

*softplus* = max(t, 0) + ln(1 + E) / alpha, E = e^(-alpha a).  The argument s = fl(a fl(alpha)) has a relative error
below 2.01 u, which moves E by less than 2.02 u s e^-s < u; with its own error E is off by less than 2^-46, and so is
ln(1 + E).  For the float E: z = fl(E / (2 + E)) <= 1/3 + u has a relative error below 2.01 u; ln(1 + E) =
2 artanh z = 2 z sum w^i / (2i + 1), w = z^2, cut at i = 16: remainder below 2^-58 of the sum; Horner with
positive terms rounds by at most gamma_36; the error of w moves the sum by less than u.  Together less than 2^-47
of ln(1 + E) <= ln 2.  The quotient and the sum: 2^-45 / alpha + 2^-51 |result| is above all.
*sigmoid2* = 1 / (1 + 2^-t): s = fl(a fl(ln 2)), as above with s <= 700: 2^-a has a relative error below
2^-47 + 2.02 * 700 u < 2^-42, the result below 2^-41.
*arctan*: x = min(a, 1/a), off by u; if x > 0.4142, arctan x = pi/4 + arctan((x - 1)/(x + 1)), whose quotient is off by
less than 4 u.  The odd series in y, |y| < 0.4143, cut at y^45: remainder below 2^-57 |y|, and Horner rounds by at
most gamma_48 sum |y|^(2i+1) / (2i+1) < 60 u |y|.  Without reduction that is relative, below 2^-46 |result|; with it
the result exceeds 0.39 and the errors together 70 u, so 2^-45 |result| holds everywhere.
*gelu* = t Phi(t): for a <= 9, Phi(-a) = 1/2 - phi(a) S, S = sum a^(2i+1) / (2i+1)!!, all terms positive, cut at
i = 130: remainder below 2^-60 S; Horner rounds by at most gamma_266, and the rounding of w = a^2 moves S by
41 u S; phi(a) = e^(-a^2/2) / sqrt(2 pi) has a relative error below 2^-47 + 41 u + 4 u; since phi S <= 1/2, Phi(-a)
is off by less than 250 u < 2^-45.  For a > 9 the value 0 is off by less than e^-40.5 / (9 sqrt(2 pi)) < 2^-62.
Either way gelu is off by at most a 2^-45 + 2^-51 |result|.

*From t to the true argument*: the slopes are at most 1 (softplus, arctan), (ln 2)/4 < 1/4 (sigmoid2) and 1.13 (gelu).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.exponentials import decaying

__all__ = ["ELEMENTARY", "elementary_feature"]

ELEMENTARY = ("softplus", "sigmoid2", "gelu", "arctan")
_TINY = 2.0**-990
_SLACK = 1.0 + 2.0**-40
_LN_2 = float.fromhex("0x1.62e42fefa39efp-1")
_QUARTER_PI = float.fromhex("0x1.921fb54442d18p-1")
_ROOT = float.fromhex("0x1.9884533d43651p-2")  # 1 / sqrt(2 pi)
_ARTANH = [float(Fraction(1, 2 * i + 1)) for i in range(17)]
_ARCTAN = [float(Fraction((-1) ** i, 2 * i + 1)) for i in range(22)]
_FAR = 9.0
_GELU: list[float] = []


def elementary_feature(name: str, t: Enclosure, alpha: Fraction = Fraction(1)) -> Enclosure:
    """sigma of every number in t, for a name of ELEMENTARY; alpha is softplus's, within 2^-100 .. 2^100.

    >>> s = elementary_feature("softplus", Enclosure(np.array([0.0]), np.array([0.0])))
    >>> bool(abs(s.mid[0] - 0.6931471805599453) <= s.rad[0] < 1e-13)
    True
    """
    with np.errstate(all="ignore"):
        mid, rad = _at(name, t.mid, alpha)
        slope = {"sigmoid2": 0.25, "gelu": 1.13}.get(name, 1.0)
        rad = (rad + slope * t.rad) * _SLACK + _TINY
    rad[~np.isfinite(mid) | ~np.isfinite(rad)] = np.inf
    return Enclosure(mid, rad)


def _at(name: str, t: np.ndarray, alpha: Fraction) -> tuple[np.ndarray, np.ndarray]:
    a = np.abs(t)
    if name == "softplus":
        scale = float(alpha)
        mid = np.maximum(t, 0.0) + _log_of_one_plus(decaying(a * scale)) / scale
        return mid, 2.0**-45 / scale + 2.0**-51 * np.abs(mid)
    if name == "sigmoid2":
        E = decaying(a * _LN_2)
        mid = np.where(t >= 0, 1.0, E) / (1.0 + E)
        return mid, mid * 2.0**-41
    if name == "arctan":
        mid = np.copysign(_arctan(a), t)
        return mid, np.abs(mid) * 2.0**-45
    below = np.where(a > _FAR, 0.0, _normal_tail(np.minimum(a, _FAR)))
    mid = t * np.where(t >= 0, 1.0 - below, below)
    return mid, a * 2.0**-45 + 2.0**-51 * np.abs(mid)


def _horner(coefficients: list[float], w: np.ndarray) -> np.ndarray:
    total = np.full_like(w, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= w
        total += coefficient
    return total


def _log_of_one_plus(E: np.ndarray) -> np.ndarray:
    """ln(1 + E), 0 <= E <= 1."""
    z = E / (2.0 + E)
    found: np.ndarray = 2.0 * z * _horner(_ARTANH, z * z)
    return found


def _arctan(a: np.ndarray) -> np.ndarray:
    x = np.where(a > 1.0, 1.0 / a, a)
    high = x > 0.4142
    y = np.where(high, (x - 1.0) / (x + 1.0), x)
    y = y * _horner(_ARCTAN, y * y)
    y = np.where(high, _QUARTER_PI + y, y)
    found: np.ndarray = np.where(a > 1.0, 2.0 * _QUARTER_PI - y, y)
    return found


def _normal_tail(a: np.ndarray) -> np.ndarray:
    """Phi(-a), 0 <= a <= 9, with an absolute error below 2^-45."""
    if not _GELU:
        value = Fraction(1)
        for i in range(131):
            _GELU.append(float(value))
            value /= 2 * i + 3
    w = a * a
    found: np.ndarray = 0.5 - _ROOT * decaying(0.5 * w) * (a * _horner(_GELU, w))
    return found
