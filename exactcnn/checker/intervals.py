"""Outward-rounded intervals in fixed point (FORMAT.md, 5.1): pairs of integers (low, high) over 2^w.

The elementary functions compute at GUARD more places, in sums of at most a few thousand terms that are
each cut off within three units; SLACK units there cover that, the constants' errors and the argument reductions.
"""

from functools import cache
from math import isqrt

from .outcome import Rejected

GUARD, SLACK, LARGEST, MOST_BITS = 64, 2**40, 2**13, 2**14
Interval = tuple[int, int]


def odd_series(z: int, sign: int, v: int) -> int:
    """z + sign z^3/3 + z^5/5 + ..: artanh (sign 1) or arctan (sign -1) of z >= 0, at most 1/3."""
    square, power, total, n = z * z >> v, z, 0, 1
    while power:
        total += power // n if n % 4 == 1 or sign == 1 else -(power // n)
        power, n = power * square >> v, n + 2
    return total


@cache
def ln2(v: int) -> int:
    return 2 * odd_series((1 << v) // 3, 1, v)


@cache
def pi(v: int) -> int:
    """Machin: 16 arctan(1/5) - 4 arctan(1/239)."""
    return 16 * odd_series((1 << v) // 5, -1, v) - 4 * odd_series((1 << v) // 239, -1, v)


def outward(value: int, shift: int) -> Interval:
    """The interval of value (known within SLACK) after dropping `shift` binary places."""
    low, high = value - SLACK, value + SLACK
    return (low >> shift, -(-high >> shift)) if shift >= 0 else (low << -shift, high << -shift)


def exp_at(n: int, w: int) -> Interval:
    """x = k ln 2 + r; Taylor's series at r / 64, which is non-negative, then six squarings."""
    v = w + GUARD
    if n > LARGEST << w:
        raise Rejected(f"an exponential of a number above {LARGEST}")
    if n < -(2 * w + 64) << w:
        return 0, 1  # e^-x < 2^-x < 2^-w
    k, r = divmod(n << GUARD, ln2(v))
    r >>= 6
    total = term = 1 << v
    i = 1
    while term:
        term = (term * r >> v) // i
        total += term
        i += 1
    for _ in range(6):
        total = total * total >> v
    low, high = outward(total, GUARD - k)
    return max(low, 0), high


def log_at(n: int, w: int) -> Interval:
    """x = m 2^k with 1 <= m < 2; ln m = 2 artanh((m - 1) / (m + 1))."""
    if n <= 0:
        raise Rejected("a logarithm of a number that may not be positive")
    v, k = w + GUARD, n.bit_length() - 1 - w
    m = n << v - w - k if v >= w + k else n >> w + k - v
    one = 1 << v
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


def rising(name: str, x: Interval, w: int) -> Interval:
    at = INCREASING[name]
    return bounded((at(x[0], w)[0], at(x[1], w)[1]), w)


def bounded(x: Interval, w: int) -> Interval:
    """The same interval; numbers of absurd size are refused, and so is one turned inside out (a fault here)."""
    if x[0] > x[1] or max(abs(x[0]), abs(x[1])).bit_length() > w + MOST_BITS:
        raise Rejected(f"an enclosure that is no interval or beyond 2^{MOST_BITS}")
    return x


def rational(a: int, b: int, w: int) -> Interval:
    return (a << w) // b, -((-a << w) // b)


def plus(x: Interval, y: Interval) -> Interval:
    return x[0] + y[0], x[1] + y[1]


def times(x: Interval, y: Interval, w: int) -> Interval:
    products = (x[0] * y[0], x[0] * y[1], x[1] * y[0], x[1] * y[1])
    return bounded((min(products) >> w, -(-max(products) >> w)), w)


def over(x: Interval, y: Interval, w: int) -> Interval:
    if y[0] <= 0 <= y[1]:
        raise Rejected("a division by a number that may be zero")
    a, b = ((1 << 2 * w) // y[1], -(-(1 << 2 * w) // y[0]))
    return times(x, (a, b), w)


def squared(x: Interval, w: int) -> Interval:
    low, high = sorted((x[0] ** 2, x[1] ** 2))
    return bounded(((0 if x[0] <= 0 <= x[1] else low >> w), -(-high >> w)), w)


def sigmoid_at(n: int, w: int) -> Interval:
    """1 / (1 + e^-|x|) for x >= 0, and 1 minus that for x < 0."""
    low, high = exp_at(-abs(n), w)
    value = (1 << 2 * w) // ((1 << w) + high), -(-(1 << 2 * w) // ((1 << w) + low))
    return value if n >= 0 else ((1 << w) - value[1], (1 << w) - value[0])


def softplus_at(n: int, w: int) -> Interval:
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)."""
    low, high = exp_at(-abs(n), w)
    return max(n, 0) + log_at((1 << w) + low, w)[0], max(n, 0) + log_at((1 << w) + high, w)[1]


INCREASING = {"exp": exp_at, "log": log_at, "atan": atan_at, "erf": erf_at, "sqrt": sqrt_at,
              "sigmoid": sigmoid_at, "softplus": softplus_at}


def tanh(x: Interval, w: int) -> Interval:
    low, high = rising("sigmoid", (2 * x[0], 2 * x[1]), w)
    return 2 * low - (1 << w), 2 * high - (1 << w)
