"""Floor 1: intervals with rational or infinite ends, each attained or open.

The arithmetic of ``ranges``.  Every operation returns an interval that contains the image of
its operands; an end is marked open only if it is certainly not attained.  ``low`` None is
-infinity, ``high`` None is +infinity, and both are open then.

Ends are kept small: one that needs more than 512 bits is rounded outwards, and one beyond
2^4096 (or a non-zero one below 2^-4096) becomes infinite (0).  A rounded end is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["REAL_LINE", "Interval", "outward", "rounded"]

_MOST_BITS = 512
_KEPT_BITS = 256
_LARGEST_POWER = 4096

_Extended = tuple[int, Fraction]  # (0, value), or (sign, 0) for an infinity; ordered as it should be


def outward(mantissa: int, exponent: int, up: bool) -> Fraction | None:
    """mantissa 2^exponent as a rational, or a simpler bound beyond it; None for infinite.

    Upwards if ``up``: a tiny positive number becomes 2^-4096 and a tiny negative one 0.
    """
    size = abs(mantissa).bit_length() + exponent
    if mantissa == 0 or size < -_LARGEST_POWER:
        tiny = Fraction(1, 2**_LARGEST_POWER)
        return Fraction(0) if mantissa == 0 or (mantissa < 0) == up else (tiny if up else -tiny)
    if size > _LARGEST_POWER:
        huge = Fraction(2**_LARGEST_POWER)
        return None if (mantissa > 0) == up else (huge if mantissa > 0 else -huge)
    return Fraction(mantissa) * Fraction(2) ** exponent


@dataclass(frozen=True)
class Interval:
    low: Fraction | None
    high: Fraction | None
    low_open: bool = False
    high_open: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "low_open", self.low_open or self.low is None)
        object.__setattr__(self, "high_open", self.high_open or self.high is None)

    @staticmethod
    def point(value: Fraction) -> Interval:
        return Interval(value, value)

    @property
    def is_point(self) -> bool:
        return self.low is not None and self.low == self.high

    @property
    def is_zero(self) -> bool:
        return self.low == 0 and self.high == 0

    @property
    def is_nonnegative(self) -> bool:
        return self.low is not None and self.low >= 0

    @property
    def is_positive(self) -> bool:
        return self.low is not None and (self.low > 0 or (self.low == 0 and self.low_open))

    @property
    def contains_zero(self) -> bool:
        """Might 0 be a value?"""
        return not (self.is_positive or (-self).is_positive)

    def is_above(self, other: Interval) -> bool:
        """x >= y for all x here and y there."""
        return self.low is not None and other.high is not None and self.low >= other.high

    def __neg__(self) -> Interval:
        low = None if self.high is None else -self.high
        high = None if self.low is None else -self.low
        return Interval(low, high, self.high_open, self.low_open)

    def __add__(self, other: Interval) -> Interval:
        low = None if self.low is None or other.low is None else self.low + other.low
        high = None if self.high is None or other.high is None else self.high + other.high
        return Interval(low, high, self.low_open or other.low_open, self.high_open or other.high_open)

    def __mul__(self, other: Interval) -> Interval:
        """The product x y is bilinear, so its extremes over a box stand at corners.

        At a corner with a 0 that is attained the product 0 is attained whatever the other end;
        otherwise a corner is attained only if both ends are.  The converse holds too: an extreme
        value attained elsewhere is attained on a side where the product is constant, which is a
        side with an attained 0.  0 times infinity counts as 0: the values near that corner lie
        between the other corners.
        """
        corners = [_corner(a, b) for a in self._ends() for b in other._ends()]
        (low_sign, low), (high_sign, high) = min(corners)[0], max(corners)[0]
        low_open = all(is_open for value, is_open in corners if value == (low_sign, low))
        high_open = all(is_open for value, is_open in corners if value == (high_sign, high))
        return Interval(None if low_sign else low, None if high_sign else high, low_open, high_open)

    def _ends(self) -> tuple[tuple[_Extended, bool], tuple[_Extended, bool]]:
        low = (-1, Fraction(0)) if self.low is None else (0, self.low)
        high = (1, Fraction(0)) if self.high is None else (0, self.high)
        return (low, self.low_open), (high, self.high_open)

    def magnitude(self) -> Interval:
        """|x|."""
        if self.is_nonnegative:
            return self
        if (-self).is_nonnegative:
            return -self
        larger = self.maximum(-self)
        return Interval(Fraction(0), larger.high, False, larger.high_open)

    def reciprocal(self) -> Interval:
        """1/x for an interval that does not contain 0."""
        if not self.is_positive:
            return -((-self).reciprocal())
        low = Fraction(0) if self.high is None else 1 / self.high
        high = None if self.low == 0 or self.low is None else 1 / self.low
        return Interval(low, high, self.high_open, self.low_open)

    def power(self, n: int) -> Interval:
        """x^n for n >= 0; an even power is the power of |x|."""
        if n == 0:
            return Interval.point(Fraction(1))
        if n % 2 == 0 and not self.is_nonnegative:
            return self.magnitude().power(n)
        low = None if self.low is None else self.low**n
        high = None if self.high is None else self.high**n
        return Interval(low, high, self.low_open, self.high_open)

    def maximum(self, other: Interval) -> Interval:
        """max(x, y), whether or not x and y depend on each other."""
        if self.low is None or (other.low is not None and other.low > self.low):
            low, low_open = other.low, other.low_open
        elif other.low == self.low:
            low, low_open = self.low, self.low_open or other.low_open
        else:
            low, low_open = self.low, self.low_open
        if self.high is None or other.high is None:
            return Interval(low, None, low_open, True)
        high = max(self.high, other.high)
        attained = any(x.high == high and not x.high_open for x in (self, other))
        return Interval(low, high, low_open, not attained)

    def intersection(self, other: Interval) -> Interval:
        """The values known to lie in both (which must not be disjoint)."""
        low, low_open = self.low, self.low_open
        if low is None or (other.low is not None and (other.low, other.low_open) >= (low, low_open)):
            low, low_open = other.low, other.low_open
        high, high_open = self.high, self.high_open
        if high is None or (other.high is not None and (-other.high, other.high_open) >= (-high, high_open)):
            high, high_open = other.high, other.high_open
        return Interval(low, high, low_open, high_open)

    def rounded(self) -> Interval:
        """The same interval with ends of few bits; one that moved is open."""
        low = self.low if self.low is None else rounded(self.low, False)
        high = self.high if self.high is None else rounded(self.high, True)
        return Interval(low, high, self.low_open or low != self.low, self.high_open or high != self.high)


REAL_LINE = Interval(None, None)


def _corner(a: tuple[_Extended, bool], b: tuple[_Extended, bool]) -> tuple[_Extended, bool]:
    """The product of two ends, and whether it is open."""
    (a_sign, x), (b_sign, y) = a[0], b[0]
    zeros = [is_open for (sign, value), is_open in (a, b) if sign == 0 and value == 0]
    if zeros:
        return (0, Fraction(0)), all(zeros)
    if a_sign or b_sign:
        sign = (a_sign or (1 if x > 0 else -1)) * (b_sign or (1 if y > 0 else -1))
        return (sign, Fraction(0)), True
    return (0, x * y), a[1] or b[1]


def rounded(value: Fraction, up: bool) -> Fraction | None:
    """A bound of few bits above (``up``) or below value, itself if it has few; None for infinite."""
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if bits <= _MOST_BITS:
        return value
    shift = _KEPT_BITS - value.numerator.bit_length() + value.denominator.bit_length()
    scaled = value * Fraction(2) ** shift
    return outward(-((-scaled) // 1) if up else scaled // 1, -shift, up)
