"""Floor 1: float64 enclosures of sigmoid, tanh, silu, elu and gaussian, without libm.

libm promises no error bound for exp, so e^-x is computed here.  Error analysis (u = 2^-53).

*e^-x, a float 0 <= x <= 700.*  k = rint(x / ln 2) <= 1010 and r = (x - k H) - k L, where
ln 2 = H + L up to 2^-98 and H has 42 bits, so that k H is exact.  |x - k ln 2| < 0.347; the two
subtractions round by at most 0.36 u each and everything else is below 2^-80: r is off by less
than u.  The Taylor polynomial of degree 13 of e^-r, by Horner, rounds by at most
gamma_28 e^0.347 < 41 u; its remainder is below u; the error of r moves e^-r by less than 1.5 u.
As e^-r > 0.706 the relative error is below 64 u = 2^-47, and scaling by 2^-k is exact.
For x > 700 the value 0 is off by less than 2^-1000.

*The activations at a float t.*  With E = e^-|t| so computed, 1/(1 + E) and E/(1 + E) have relative
errors below 2^-45; (1 - q)/(1 + q), q = e^-2|t|, an absolute one below 2^-45 since q <= 1; t s adds
one rounding to sigmoid's, so 2^-44; e^-s with s = fl(t^2) is off by 2^-47 e^-s and by s e^-s u < u;
alpha (E - 1) by alpha 2^-45.  *From t to the true argument*, within rad of it: the derivatives are
bounded by 1/4 (sigmoid), 1 (tanh, gaussian), 9/8 (silu: sigma + t sigma (1 - sigma) < 1.1) and
max(1, alpha) (elu).
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure

__all__ = ["EXPONENTIALS", "decaying", "exponential_feature"]

EXPONENTIALS = ("sigmoid", "tanh", "silu", "elu", "gaussian")
_LARGEST = 700.0
_TINY = 2.0**-990
_SLACK = 1.0 + 2.0**-40
# floor(2^42 ln 2) / 2^42, and the rest of ln 2.
_H = float.fromhex("0x1.62e42fefa38p-1")
_L = float.fromhex("0x1.ef35793c76730p-45")
_INVERSE = float.fromhex("0x1.71547652b82fep+0")
_COEFFICIENTS = [float(Fraction((-1) ** i, factorial(i))) for i in range(14)]


def decaying(x: np.ndarray) -> np.ndarray:
    """e^-x for floats x >= 0: relative error at most 2^-47, or 0 for x > 700.

    >>> float(decaying(np.array([0.0]))[0])
    1.0
    """
    near = np.minimum(x, _LARGEST)
    k = np.rint(near * _INVERSE)
    r = (near - k * _H) - k * _L
    total = np.full_like(r, _COEFFICIENTS[13])
    for coefficient in _COEFFICIENTS[12::-1]:
        total = total * r + coefficient
    result: np.ndarray = np.where(x > _LARGEST, 0.0, np.ldexp(total, -k.astype(np.int32)))
    return result


def exponential_feature(name: str, t: Enclosure, alpha: Fraction = Fraction(1)) -> Enclosure:
    """sigma of every number in t, for a name of EXPONENTIALS; alpha is elu's.

    >>> s = exponential_feature("sigmoid", Enclosure(np.array([0.0]), np.array([0.0])))
    >>> bool(abs(s.mid[0] - 0.5) <= s.rad[0] < 1e-13)
    True
    """
    with np.errstate(all="ignore"):
        mid, rad = _at(name, t.mid, alpha)
        lipschitz = {"sigmoid": 0.25, "silu": 1.125, "elu": max(1.0, 1.001 * float(alpha))}.get(name, 1.0)
        rad = (rad + lipschitz * t.rad) * _SLACK + _TINY
    rad[~np.isfinite(mid) | ~np.isfinite(rad)] = np.inf
    return Enclosure(mid, rad)


def _at(name: str, t: np.ndarray, alpha: Fraction) -> tuple[np.ndarray, np.ndarray]:
    a = np.abs(t)
    if name == "tanh":
        q = decaying(2.0 * a)
        return np.copysign((1.0 - q) / (1.0 + q), t), np.full_like(t, 2.0**-45)
    if name == "gaussian":
        E = decaying(t * t)
        return E, E * 2.0**-46 + 2.0**-52
    E = decaying(a)
    if name == "elu":
        scale = float(alpha)
        below = scale * (E - 1.0)
        return np.where(t >= 0, t, below), np.where(t >= 0, 0.0, scale * 2.0**-44)
    sigmoid = np.where(t >= 0, 1.0, E) / (1.0 + E)
    if name == "sigmoid":
        return sigmoid, sigmoid * 2.0**-45
    mid = t * sigmoid
    return mid, np.abs(mid) * 2.0**-44 + a * 2.0**-1000
