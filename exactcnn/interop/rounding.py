"""Floor 6: gamma / sqrt(v), correctly rounded to float64: the scale of a batch normalisation.

sqrt(v) is irrational for almost every v, so the network with the true scale has no rational weights.
The nearest float64 is taken instead, and said.  The root is an integer square root of 160 bits or more with
a sticky last bit, so the division of Python's integers, which rounds correctly, cannot be misled
about which side of a tie it is on.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from exactcnn.errors import MalformedError

__all__ = ["nearest_scale"]

_BITS = 160


def nearest_scale(gamma: Fraction, variance: Fraction, field: str) -> tuple[Fraction, bool]:
    """(the float64 nearest to gamma / sqrt(variance), is it exactly that?); ``variance`` > 0.

    MalformedError, naming ``field``, where the variance is not positive or the scale overflows.

    >>> nearest_scale(Fraction(3), Fraction(4), "bn"), nearest_scale(Fraction(1), Fraction(2), "bn")[1]
    ((Fraction(3, 2), True), False)
    """
    if variance <= 0:
        raise MalformedError(field, "a running variance with var + eps > 0", variance)
    square = gamma * gamma / variance
    if square == 0:
        return Fraction(0), True
    # square * 4^shift has at least 2 * _BITS bits, its root _BITS.
    shift = max(0, _BITS - (square.numerator.bit_length() - square.denominator.bit_length()) // 2 + 1)
    scaled, rest = divmod(square.numerator << (2 * shift), square.denominator)
    root = isqrt(scaled)
    inexact = bool(rest) or root * root != scaled
    numerator = 2 * root + inexact
    try:
        rounded = numerator / (1 << (shift + 1))
    except OverflowError:
        raise MalformedError(
            field, "a scale gamma/sqrt(var + eps) that float64 can hold", "a larger one"
        ) from None
    value = Fraction(rounded) if gamma > 0 else -Fraction(rounded)
    return value, not inexact and value * value == square
