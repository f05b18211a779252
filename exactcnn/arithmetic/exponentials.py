"""Floor 0: e^-x in float64 with a proved error, without libm.

libm promises no error bound for exp, so e^-x is computed here.  Error analysis (u = 2^-53).

*e^-x, a float 0 <= x <= 700.*  k = rint(x / ln 2) <= 1010 and r = (x - k H) - k L, where
ln 2 = H + L up to 2^-98 and H has 42 bits, so that k H is exact.  |x - k ln 2| < 0.347; the two
subtractions round by at most 0.36 u each and everything else is below 2^-80: r is off by less
than u.  The Taylor polynomial of degree 13 of e^-r, by Horner, rounds by at most
gamma_28 e^0.347 < 41 u; its remainder is below u; the error of r moves e^-r by less than 1.5 u.
As e^-r > 0.706 the relative error is below 64 u = 2^-47, and scaling by 2^-k is exact.
For x > 700 the value 0 is off by less than 2^-1000.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import numpy as np

__all__ = ["decaying"]

_LARGEST = 700.0
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
