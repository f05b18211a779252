"""Arithmetics for the loss surface (FORMAT.md, section 8): Q[ln 2], intervals; jets of activations over either."""

from fractions import Fraction
from itertools import zip_longest
from math import isqrt
from typing import Any

from ..core.activations import Activation, evaluate
from ..core.intervals import Interval, Intervals
from ..core.outcome import Rejected, TooMuch, show
from ..core.series import Arithmetic, Kink, Series

MOST_BITS, MOST_TERMS = 2**14, 32
Number = tuple[Fraction, ...]  # c_0 + c_1 ln 2 + .., without trailing zeros; ln 2 is transcendental, so 0 is the empty one


def trimmed(values: list[Fraction]) -> Number:
    """Nothing is ever cut off: what is too large for this checker is refused."""
    while values and not values[-1]:
        values.pop()
    if len(values) > MOST_TERMS or any(max(map(int.bit_length, v.as_integer_ratio())) > MOST_BITS for v in values):
        raise TooMuch("a number in Q[ln 2] of more than 32 terms or 2^14 bits")
    return tuple(values)


class LogTwo(Arithmetic):
    """Arithmetic in Q[ln 2]; functions only where their values are known to lie in it."""

    zero: Any = ()
    one: Any = (Fraction(1),)

    def rational(self, q: Fraction) -> Any:
        return trimmed([q])

    def constant(self, name: str) -> Any:
        if name != "ln2":
            raise Rejected(f"{name} is not known to be in Q[ln 2]")
        return Fraction(0), Fraction(1)

    def add(self, a: Any, b: Any) -> Any:
        return trimmed([Fraction(x) + y for x, y in zip_longest(a, b, fillvalue=Fraction(0))])

    def mul(self, a: Any, b: Any) -> Any:
        product = [Fraction(0)] * (len(a) + len(b))
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                product[i + j] += x * y
        return trimmed(product)

    def power(self, a: Any, n: int) -> Any:
        if n < 0:
            if len(a) != 1:
                raise Rejected(f"1 / ({in_ln2(a)}) is not known to be in Q[ln 2]")
            return self.power((1 / a[0],), -n)
        return self.one if n == 0 else self.mul(self.power(a, n - 1), a)

    def absolute(self, a: Any) -> Any:
        return a if self.sign(a) >= 0 else self.times(-1, a)

    def below(self, a: Any, b: Any) -> bool:
        return self.sign(self.add(b, self.times(-1, a))) > 0

    def sign(self, a: Any) -> int:
        """By an enclosure of ln 2 that is refined until it separates the number from 0."""
        if len(a) < 2:
            return (a[0] > 0) - (a[0] < 0) if a else 0
        for bits in (64, 512, 4096, 2**15):
            if side := Intervals(bits).sign(enclosed(a, Intervals(bits))):
                return side
        raise TooMuch("the sign of a polynomial in ln 2 takes more than 2^15 bits")

    def function(self, name: str, a: Any) -> Any:
        """e^(n ln 2) = 2^n, its inverse, the logistic function there, and the values at 0; square roots of squares."""
        whole = len(a) == 2 and not a[0] and a[1].denominator == 1 and abs(a[1]) <= 10**4
        if name in ("exp", "sigmoid") and (whole or not a):
            power = Fraction(2) ** int(a[1] if a else 0)
            return trimmed([power if name == "exp" else power / (1 + power)])
        if name == "log" and len(a) == 1 and a[0] > 0:
            n = a[0].numerator.bit_length() - a[0].denominator.bit_length()
            if a[0] == Fraction(2) ** n:
                return trimmed([Fraction(0), Fraction(n)])
        if name in ("atan", "erf", "sqrt") and not a:
            return ()
        if name == "sqrt" and len(a) == 1 and a[0] > 0:
            root = Fraction(isqrt(a[0].numerator), isqrt(a[0].denominator))
            if root * root == a[0]:
                return trimmed([root])
        raise Rejected(f"{name}({in_ln2(a)}) is not known to be in Q[ln 2]")

    def joined(self, values: list[Any]) -> Any:
        return values[0]


def enclosed(value: Number, numbers: Intervals) -> Interval:
    """By Horner's scheme at ln 2."""
    total, log = numbers.zero, numbers.constant("ln2")
    for c in reversed(value):
        total = numbers.add(numbers.mul(total, log), numbers.rational(c))
    return total[0], total[1]


def in_ln2(value: Number) -> str:
    names = ("", " ln 2", *(f" (ln 2)^{i}" for i in range(2, MOST_TERMS + 1)))
    return " + ".join(f"{show(c)}{name}" for c, name in zip(value, names, strict=False) if c) or "0"


def jet(sigma: Activation, t: Any, numbers: Any) -> tuple[Any, Any]:
    """sigma and sigma' at t, the slope None where there may be a kink; there sigma is Lipschitz: of a custom activation only if
    all it takes roots, logarithms and inverses of is positive."""
    if sigma.polygon:
        constant, slope, kinks = sigma.polygon
        value, rising, sharp = numbers.add(numbers.rational(constant), numbers.mul(numbers.rational(slope), t)), slope, False
        for kink, change in kinks:
            beyond = numbers.add(t, numbers.rational(-kink))
            side = numbers.sign(beyond)
            sharp = sharp or not side
            part = beyond if side == 1 else numbers.zero
            if side is None:  # max(t, 0) = (t + |t|)/2
                part = numbers.mul(numbers.rational(Fraction(1, 2)), numbers.add(beyond, numbers.absolute(beyond)))
            value = numbers.add(value, numbers.mul(numbers.rational(change), part))
            rising += change if side == 1 else 0
        return value, None if sharp else numbers.rational(rising)
    value = evaluate(sigma.row.tree, t, numbers, sigma.spec)
    try:
        return value, evaluate(sigma.row.tree, (t, numbers.one), Series(numbers), sigma.spec)[1]
    except Kink:
        if not sigma.has("total"):
            raise
        return value, None
