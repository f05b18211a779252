"""Truncated Taylor series over any arithmetic: (x_0, .., x_n) stands for x_0 + x_1 h + .. + x_n h^n; n = 1 are pairs of a number
and its derivative.  Over intervals, x_k encloses the k-th derivative over k! at every point of the interval x_0."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .outcome import Rejected


class Kink(Rejected):
    """A function that may have no derivative here."""


class Arithmetic:
    """What follows from add, mul, power and rational."""

    def times(self: Any, n: int, x: Any) -> Any:
        return x if n == 1 else self.mul(self.rational(Fraction(n)), x)

    def div(self: Any, x: Any, y: Any) -> Any:
        return self.mul(x, self.power(y, -1))

    def dot(self: Any, x: Any, y: Any) -> Any:
        """The sum of all x_i y_i."""
        total = self.mul(x[0], y[0])
        for a, b in zip(x[1:], y[1:], strict=True):
            total = self.add(total, self.mul(a, b))
        return total


class Series(Arithmetic):
    """Its operations are those of its base; of operands of different lengths the shorter decides."""

    def __init__(self, base: Any, order: int = 1) -> None:
        self.base, self.zero = base, (base.zero,) * (order + 1)
        self.one = (base.one, *self.zero[1:])

    def rational(self, q: Fraction) -> Any:
        return (self.base.rational(q), *self.zero[1:])

    def constant(self, name: str) -> Any:
        return (self.base.constant(name), *self.zero[1:])

    def add(self, x: Any, y: Any) -> Any:
        return tuple(map(self.base.add, x, y))

    def mul(self, x: Any, y: Any) -> Any:
        mul, dot = self.base.mul, self.base.dot
        if len(x) == len(y) == 2:
            return mul(x[0], y[0]), self.base.add(mul(x[1], y[0]), mul(x[0], y[1]))
        if self.steady(x) or self.steady(y):
            x, y = (y, x) if self.steady(x) else (x, y)
            return tuple([mul(each, y[0]) for each in x[: len(y)]])
        return tuple([dot(x[: k + 1], y[k::-1]) for k in range(min(len(x), len(y)))])

    def times(self, n: int, x: Any) -> Any:
        return tuple([self.base.times(n, each) for each in x])

    def steady(self, x: Any) -> bool:
        return bool(x[1:] == self.zero[1 : len(x)])

    def solved(self, value: Any, slope: Callable[[list[Any]], Any], x: Any) -> Any:
        """The y with y_0 = value and y' = s x', where slope(y_0, .., y_k) is s_k."""
        base, y, s, rising = self.base, [value], list[Any](), [self.base.times(k, each) for k, each in enumerate(x)][1:]
        for k in range(1, len(x)):
            s.insert(0, slope(y))
            y.append(base.mul(base.rational(Fraction(1, k)), base.dot(rising[:k], s)) if k > 1 else base.mul(rising[0], s[0]))
        return tuple(y)

    def power(self, x: Any, n: int) -> Any:
        if n < -1:
            return self.power(self.power(x, -1), -n)
        value, base = self.base.power(x[0], n), self.base
        if n == 0 or self.steady(x):
            return (value, *self.zero[1 : len(x)])
        if n == 1:
            return x
        if n == -1:
            return self.solved(value, lambda y: base.times(-1, base.dot(y, y[::-1])), x)
        rest = self.times(n, self.power(x[:-1], n - 1))
        return self.solved(value, lambda y: rest[len(y) - 1], x)

    def sign(self, x: Any) -> Any:
        return self.base.sign(x[0])

    def absolute(self, x: Any) -> Any:
        if not (side := self.sign(x)):
            raise Kink("a unit may be at a kink")
        return self.times(side, x)

    def function(self, name: str, x: Any) -> Any:
        base, t, value = self.base, x[:-1], self.base.function(name, x[0])
        if name == "sqrt" and self.sign(x) != 1:
            raise Rejected("a square root of a number that may be 0 has no slope")
        if self.steady(x):
            return (value, *x[1:])
        if name == "exp":
            return self.solved(value, lambda y: y[-1], x)
        if name == "sigmoid":  # y (1 - y)
            return self.solved(value, lambda y: base.dot(y, self.add(self.one, self.times(-1, y))[::-1]), x)
        if name == "sqrt":  # y / 2x
            rest, first = self.power(self.times(2, t), -1), base.power(base.times(2, value), -1)
            return self.solved(value, lambda y: base.dot(y, rest[len(y) - 1 :: -1]) if len(y) > 1 else first, x)
        rest = {"softplus": lambda: self.function("sigmoid", t), "log": lambda: self.power(t, -1), "erf": lambda: self.bell(t),
                "atan": lambda: self.power(self.add(self.one, self.power(t, 2)), -1)}[name]()
        return self.solved(value, lambda y: rest[len(y) - 1], x)

    def bell(self, t: Any) -> Any:
        """2 / sqrt(pi) e^(-t^2), the derivative of erf."""
        root = self.power(self.function("sqrt", self.constant("pi")), -1)
        return self.mul(self.function("exp", self.times(-1, self.power(t, 2))), self.times(2, root))

    def joined(self, values: list[Any]) -> Any:
        """Of a tie that the box allows, all values are constants and one is the largest."""
        return values[0] if len(values) == 1 else (self.base.joined([x[0] for x in values]), *self.zero[1:])
