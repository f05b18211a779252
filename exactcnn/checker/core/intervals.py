"""Real numbers enclosed in fixed point (FORMAT.md, section 5.3): pairs of integers (low, high) over 2^w, outward rounded.

The elementary functions compute at GUARD more places, in sums of at most a few thousand terms that are each cut off
within three units; SLACK units there cover that, the constants' errors and the argument reductions (Lemma 5), which
subtract ln 2 at most 2^15 times: arguments stay below 2^14 (exp) or 2^(2^14) (log) in absolute value.
"""

from fractions import Fraction
from functools import lru_cache
from math import isqrt
from typing import Any

from .outcome import Rejected

GUARD, SLACK, LARGEST, MOST_BITS = 48, 2**30, 2**13, 2**14
Interval = tuple[int, int]


def odd_series(z: int, sign: int, v: int) -> int:
    """z + sign z^3/3 + z^5/5 + ..: artanh (sign 1) or arctan (sign -1) of z >= 0, at most 1/3."""
    square, power, total, n = z * z >> v, z, 0, 1
    while power:
        total += power // n if n % 4 == 1 or sign == 1 else -(power // n)
        power, n = power * square >> v, n + 2
    return total


@lru_cache(64)
def ln2(v: int) -> int:
    return 2 * odd_series((1 << v) // 3, 1, v)


@lru_cache(64)
def pi(v: int) -> int:
    """Machin: 16 arctan(1/5) - 4 arctan(1/239)."""
    return 16 * odd_series((1 << v) // 5, -1, v) - 4 * odd_series((1 << v) // 239, -1, v)


def outward(value: int, shift: int) -> Interval:
    """The interval of value (known within SLACK) after dropping `shift` binary places."""
    low, high = value - SLACK, value + SLACK
    return (low >> shift, -(-high >> shift)) if shift >= 0 else (low << -shift, high << -shift)


def exp_at(n: int, w: int) -> Interval:
    """x = k ln 2 + 2^8 r: Taylor's series at r, 0 <= r < 2^-8, and eight squarings."""
    v = w + GUARD
    if n > LARGEST << w:
        raise Rejected(f"an exponential of a number above {LARGEST}")
    if n < -(2 * w + 64) << w:
        return 0, 1  # e^-x < 2^-x < 2^-w
    k, r = divmod(n << GUARD, ln2(v))
    total, term, m = 1 << v, 1 << v, 1
    while term := (term * r >> v + 8) // m:
        total, m = total + term, m + 1
    for _ in range(8):
        total = total * total >> v
    low, high = outward(total, GUARD - k)
    return max(low, 0), high


def log_at(n: int, w: int) -> Interval:
    """x = m 2^k with 1 <= m < 2; ln m = 2 artanh((m - 1) / (m + 1))."""
    if n <= 0:
        raise Rejected("a logarithm of a number that may not be positive")
    v, k = w + GUARD, n.bit_length() - 1 - w
    m, one = n << v - w - k if v >= w + k else n >> w + k - v, 1 << v
    return outward(k * ln2(v) + 2 * odd_series((m - one << v) // (m + one), 1, v), GUARD)


def atan_at(n: int, w: int) -> Interval:
    """|x| > 1 by pi/2 - arctan(1/|x|); then the angle is halved twice by x -> x / (1 + sqrt(1 + x^2))."""
    v = w + GUARD
    one, x = 1 << v, abs(n) << GUARD
    turned = x > one
    x = (one << v) // x if turned else x
    for _ in range(2):
        x = (x << v) // (one + isqrt((one << v) + x * x))
    angle = 4 * odd_series(x, -1, v)
    angle = pi(v) // 2 - angle if turned else angle
    return outward(angle if n >= 0 else -angle, GUARD)


def erf_at(n: int, w: int) -> Interval:
    """2 / sqrt(pi) e^(-x^2) (x + 2 x^3/3 + 4 x^5/15 + ..).  The sum is below e^(x^2) < 2^(3q/2 + 2), q the
    integer above x^2, so 3q/2 + 80 more places leave an error below one unit.  1 - erf x < e^(-x^2)."""
    x, q = abs(n), (n * n >> 2 * w) + 1
    if q > w + 8:
        return ((1 << w) - 1, 1 << w) if n > 0 else (-(1 << w), 1 - (1 << w))
    v = w + 3 * q // 2 + 80
    x <<= v - w
    square, term, total, i = x * x >> v, x, 0, 1
    while term:
        total += term
        term = (2 * term * square >> v) // (2 * i + 1)
        i += 1
    value = total * exp_at(-square, v)[0] >> v
    value = (value << v + 1) // isqrt(pi(v) << v) >> v - w
    value = value if n >= 0 else -value
    return value - 2, value + 2


def sqrt_at(n: int, w: int) -> Interval:
    if n < 0:
        raise Rejected("a square root of a number that may be negative")
    root = isqrt(n << w)
    return root, root + 1


def sigmoid_at(n: int, w: int) -> Interval:
    """1 / (1 + e^-|x|) for x >= 0, and 1 minus that for x < 0."""
    low, high = exp_at(-abs(n), w)
    value = (1 << 2 * w) // ((1 << w) + high)
    ends = value, value + 1 + high - low  # |d/dy 1/(1 + y)| <= 1
    return ends if n >= 0 else ((1 << w) - ends[1], (1 << w) - ends[0])


def softplus_at(n: int, w: int) -> Interval:
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)."""
    low, high = exp_at(-abs(n), w)
    value = log_at((1 << w) + low, w)
    return max(n, 0) + value[0], max(n, 0) + value[1] + high - low  # d/dy ln(1 + y) <= 1


INCREASING = {name: lru_cache(2**14)(each) for name, each in {
    "exp": exp_at, "log": log_at, "atan": atan_at, "erf": erf_at, "sqrt": sqrt_at, "sigmoid": sigmoid_at,
    "softplus": softplus_at}.items()}  # the columns of a Hessian ask for the same values


class Intervals:
    """Arithmetic at w binary places; a number of absurd size is refused, and so is an interval turned inside out."""

    def __init__(self, w: int) -> None:
        self.w, self.one = w, (1 << w, 1 << w)
        self.zero: Any = (0, 0)

    def bounded(self, x: Interval) -> Interval:
        if x[0] > x[1] or max(abs(x[0]), abs(x[1])).bit_length() > self.w + MOST_BITS:
            raise Rejected(f"an enclosure that is no interval or beyond 2^{MOST_BITS}")
        return x

    def rational(self, q: Fraction) -> Any:
        a, b = q.as_integer_ratio()
        return self.bounded(((a << self.w) // b, -((-a << self.w) // b)))

    def constant(self, name: str) -> Any:
        """pi or ln 2, known within SLACK at GUARD more places."""
        return outward({"pi": pi, "ln2": ln2}[name](self.w + GUARD), GUARD)

    def add(self, x: Any, y: Any) -> Any:
        return x[0] + y[0], x[1] + y[1]

    def mul(self, x: Any, y: Any) -> Any:
        return self.dot((x,), (y,))

    def div(self, x: Any, y: Any) -> Any:
        if y[0] <= 0 <= y[1]:
            raise Rejected("a division by a number that may be zero")
        return self.mul(x, ((1 << 2 * self.w) // y[1], -(-(1 << 2 * self.w) // y[0])))

    def times(self, n: int, x: Any) -> Any:
        return (n * x[0], n * x[1]) if n >= 0 else (n * x[1], n * x[0])

    def dot(self, x: Any, y: Any) -> Any:
        """The sum of all x_i y_i."""
        least = most = 0
        for (a, b), (c, d) in zip(x, y, strict=True):
            if a >= 0 and c >= 0:
                least, most = least + a * c, most + b * d
            elif b <= 0 and d <= 0:
                least, most = least + b * d, most + a * c
            else:
                products = a * c, a * d, b * c, b * d
                least, most = least + min(products), most + max(products)
        return self.bounded((least >> self.w, -(-most >> self.w)))

    def power(self, x: Any, n: int) -> Any:
        """x^n; even powers are squares of an interval, not products of two."""
        if n < 0:
            return self.div(self.one, self.power(x, -n))
        if n == 0:
            return self.one
        if n % 2:
            return self.mul(self.power(x, n - 1), x)
        size = self.absolute(self.power(x, n // 2))
        return self.mul(size, size)

    def absolute(self, x: Any) -> Any:
        return x if x[0] >= 0 else (max(0, -x[1]), max(abs(x[0]), abs(x[1])))

    def sign(self, x: Any) -> int | None:
        """The sign of every number in x, None where there are several."""
        return 1 if x[0] > 0 else -1 if x[1] < 0 else 0 if x == (0, 0) else None

    def joined(self, values: list[Any]) -> Any:
        """The largest of them."""
        return max(low for low, _ in values), max(high for _, high in values)

    def function(self, name: str, x: Any) -> Any:
        """The functions rise."""
        low = INCREASING[name](x[0], self.w)
        return self.bounded(low if x[0] == x[1] else (low[0], INCREASING[name](x[1], self.w)[1]))
