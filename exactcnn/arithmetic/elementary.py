"""Floor 0: ln(1 + E), arctan and the normal distribution's tail in float64 with proved errors, without libm.

Error analysis (u = 2^-53, gamma_n < 1.01 n u; e^-x from ``exponentials.decaying``, relative error 2^-47).

*ln(1 + E)* for a float 0 <= E <= 1: z = fl(E / (2 + E)) <= 1/3 + u has a relative error below 2.01 u; ln(1 + E) =
2 artanh z = 2 z sum w^i / (2i + 1), w = z^2, cut at i = 16: remainder below 2^-58 of the sum; Horner with
positive terms rounds by at most gamma_36; the error of w moves the sum by less than u.  Together less than 2^-47
of ln(1 + E) <= ln 2.
*arctan a*, a >= 0: x = min(a, 1/a), off by u; if x > 0.4142, arctan x = pi/4 + arctan((x - 1)/(x + 1)), whose quotient
is off by less than 4 u.  The odd series in y, |y| < 0.4143, cut at y^45: remainder below 2^-57 |y|, and Horner rounds
by at most gamma_48 sum |y|^(2i+1) / (2i+1) < 60 u |y|.  Without reduction that is relative, below 2^-46 |result|; with
it the result exceeds 0.39 and the errors together 70 u, so 2^-45 |result| holds everywhere.
*Phi(-a)*, 0 <= a <= 9: 1/2 - phi(a) S, S = sum a^(2i+1) / (2i+1)!!, all terms positive, cut at i = 130: remainder
below 2^-60 S; Horner rounds by at most gamma_266, and the rounding of w = a^2 moves S by 41 u S; phi(a) =
e^(-a^2/2) / sqrt(2 pi) has a relative error below 2^-47 + 41 u + 4 u; since phi S <= 1/2, Phi(-a) is off by less
than 250 u < 2^-45.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.exponentials import decaying

__all__ = ["arctan", "log_of_one_plus", "normal_tail"]

_QUARTER_PI = float.fromhex("0x1.921fb54442d18p-1")
_ROOT = float.fromhex("0x1.9884533d43651p-2")  # 1 / sqrt(2 pi)
_ARTANH = [float(Fraction(1, 2 * i + 1)) for i in range(17)]
_ARCTAN = [float(Fraction((-1) ** i, 2 * i + 1)) for i in range(22)]
_GELU: list[float] = []


def _horner(coefficients: list[float], w: np.ndarray) -> np.ndarray:
    total = np.full_like(w, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= w
        total += coefficient
    return total


def log_of_one_plus(E: np.ndarray) -> np.ndarray:
    """ln(1 + E), 0 <= E <= 1."""
    z = E / (2.0 + E)
    found: np.ndarray = 2.0 * z * _horner(_ARTANH, z * z)
    return found


def arctan(a: np.ndarray) -> np.ndarray:
    x = np.where(a > 1.0, 1.0 / a, a)
    high = x > 0.4142
    y = np.where(high, (x - 1.0) / (x + 1.0), x)
    y = y * _horner(_ARCTAN, y * y)
    y = np.where(high, _QUARTER_PI + y, y)
    found: np.ndarray = np.where(a > 1.0, 2.0 * _QUARTER_PI - y, y)
    return found


def normal_tail(a: np.ndarray) -> np.ndarray:
    """Phi(-a), 0 <= a <= 9, with an absolute error below 2^-45."""
    if not _GELU:
        value = Fraction(1)
        for i in range(131):
            _GELU.append(float(value))
            value /= 2 * i + 3
    w = a * a
    found: np.ndarray = 0.5 - _ROOT * decaying(0.5 * w) * (a * _horner(_GELU, w))
    return found
