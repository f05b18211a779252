"""Floor 1: where an expression is defined, continuous and analytic, and in which interval it lies.

``analyse(node, domain)`` walks the tree once and answers, for t in ``domain``, an interval
that contains every value and whether the function is analytic; None if it may be undefined
somewhere.  Everything is decided by structure and exact rational ends, never by sampling.

Why the rules are sound.
* Ranges: interval arithmetic.  Ends are rationals (None: infinite) and an *open* end is not
  attained, so 1 + e^-t in (1, inf) is certainly positive.  The functions here that are monotone
  on R map an interval to the interval of the end values, which are rounded outwards from Arb.
* Continuity: every operation here is continuous where it is defined, hence so is the tree,
  provided it is certainly defined: a divisor must not contain 0, log and a power with an
  exponent that is not an integer need a positive base (non-negative for sqrt and for exponents > 0).
* Analyticity: the same with operations that are analytic where they are defined, *except*
  abs, max and min where the sign of the argument (of the difference) is not known, and sqrt
  and powers at 0.  There the answer is "not known to be analytic".
* A sum that is a polynomial without real roots (Sturm's theorem, exactly) has the sign of its
  value at 0, where its interval alone would not say so.

``NoValueError`` is raised where an operation certainly has no real value anywhere on the domain;
on a domain of one point that is a proof that the function is not defined there.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from exactcnn.activations.balls import ball_of_fraction
from exactcnn.activations.expressions import Node
from exactcnn.activations.intervals import REAL_LINE, Interval, outward

__all__ = [
    "Facts",
    "NoValueError",
    "analyse",
    "count_real_roots",
    "linear_form",
    "monotone_image",
    "polynomial",
]

_BITS = 192  # of Arb's balls for end values
_HIGHEST_DEGREE = 16
_MOST_BITS = 1024


class NoValueError(Exception):
    """The expression has no real value at any point of the domain; says why."""


@dataclass(frozen=True)
class Facts:
    """Defined and continuous on the domain, with values in ``range``; ``analytic``: certainly analytic."""

    range: Interval
    analytic: bool


def analyse(
    node: Node, domain: Interval = REAL_LINE, known: dict[Node, Facts | None] | None = None
) -> Facts | None:
    """None if the expression is not certainly defined on the whole domain.

    ``known`` remembers the nodes of earlier calls with the same domain.
    """
    return _walk(node, domain, {} if known is None else known)


def _walk(node: Node, domain: Interval, known: dict[Node, Facts | None]) -> Facts | None:
    if node not in known:
        # All operands first, so that an operand that is certainly undefined is always found.
        operands = [_walk(arg, domain, known) for arg in node.args]
        facts = None if None in operands else _rule(node, [f for f in operands if f], domain)
        known[node] = None if facts is None else Facts(facts.range.rounded(), facts.analytic)
    return known[node]


def _rule(node: Node, args: list[Facts], domain: Interval) -> Facts | None:
    analytic = all(arg.analytic for arg in args)
    ranges = [arg.range for arg in args]
    if node.op == "num":
        assert node.value is not None
        return Facts(Interval.point(node.value), True)
    if node.op == "t":
        return Facts(domain, True)
    if node.op == "pi":
        return Facts(Interval(Fraction(333, 106), Fraction(355, 113), True, True), True)
    if node.op == "add":
        return Facts(_sum_range(node, ranges), analytic)
    if node.op == "mul":
        if node.args[0] == node.args[1]:
            return Facts(ranges[0].power(2), analytic)
        return Facts(ranges[0] * ranges[1], analytic)
    if node.op == "div":
        if ranges[1].is_zero:
            raise NoValueError("a division by 0")
        return None if ranges[1].contains_zero else Facts(ranges[0] * ranges[1].reciprocal(), analytic)
    if node.op == "pow":
        return _power(node.args[1], args)
    if node.op in ("max", "min"):
        return _extremum(node.op, args)
    return _function(node.op, args[0])


def _sum_range(node: Node, ranges: list[Interval]) -> Interval:
    total = ranges[0] + ranges[1]
    if total.contains_zero:
        coefficients = polynomial(node)
        if coefficients is not None and any(coefficients) and count_real_roots(coefficients) == 0:
            positive = Interval(Fraction(0), None, True, True)
            return total.intersection(positive if coefficients[0] > 0 else -positive)
    return total


def _power(exponent: Node, args: list[Facts]) -> Facts | None:
    base, n = args[0].range, exponent.value
    if n is None or n.denominator != 1:
        if base.is_positive:  # x^y = e^(y log x)
            image = monotone_image("exp", args[1].range * monotone_image("log", base))
            return Facts(image, args[0].analytic and args[1].analytic)
        if n is None or n < 0 or not base.is_nonnegative:
            return None  # also for a negative base: conventions differ, so nothing is claimed
        return Facts(Interval(Fraction(0), None), False)
    if n < 0:
        if base.is_zero:
            raise NoValueError("a division by 0")
        if base.contains_zero:
            return None
        return Facts(base.power(-int(n)).reciprocal(), args[0].analytic)
    return Facts(base.power(int(n)), args[0].analytic)


def _extremum(op: str, args: list[Facts]) -> Facts:
    """max(a, b) is a where a >= b throughout."""
    a, b = args
    if b.range.is_above(a.range):
        a, b = b, a
    if a.range.is_above(b.range):
        return a if op == "max" else b
    return Facts(a.range.maximum(b.range) if op == "max" else -(-a.range).maximum(-b.range), False)


def _function(op: str, arg: Facts) -> Facts | None:
    x = arg.range
    if op == "abs":
        one_sign = x.is_nonnegative or (-x).is_nonnegative
        return Facts(x.magnitude(), arg.analytic and one_sign)
    if op == "log":
        if (-x).is_nonnegative:
            raise NoValueError("the logarithm of a number that is not positive")
        return Facts(monotone_image(op, x), arg.analytic) if x.is_positive else None
    if op == "sqrt":
        if (-x).is_positive:
            raise NoValueError("the square root of a negative number")
        return Facts(monotone_image(op, x), arg.analytic and x.is_positive) if x.is_nonnegative else None
    if op == "cosh":  # even, and increasing in |x|
        return Facts(monotone_image(op, x.magnitude()), arg.analytic)
    if op in ("sin", "cos"):
        image = Interval(Fraction(-1), Fraction(1))
        if x.is_point:
            assert x.low is not None
            image = image.intersection(Interval(_end(op, x.low, False), _end(op, x.low, True)))
        return Facts(image, arg.analytic)
    return Facts(monotone_image(op, x), arg.analytic)


_ATAN = Fraction(355, 226)  # above pi/2
# The values at -inf and +inf (None: infinite) of the increasing functions; never attained.
_AT_INFINITY: dict[str, tuple[Fraction | None, Fraction | None]] = {
    "exp": (Fraction(0), None),
    "log": (None, None),  # at 0 and +inf
    "tanh": (Fraction(-1), Fraction(1)),
    "erf": (Fraction(-1), Fraction(1)),
    "atan": (-_ATAN, _ATAN),
    "sinh": (None, None),
    "sqrt": (None, None),  # at +inf
    "cosh": (None, None),  # at +inf
}


def monotone_image(op: str, x: Interval) -> Interval:
    """The image under a function that is strictly increasing where it is used."""
    at_minus, at_plus = _AT_INFINITY[op]
    at_pole = op == "log" and x.low is not None and x.low <= 0
    low = at_minus if x.low is None or at_pole else _end(op, x.low, False)
    high = at_plus if x.high is None else _end(op, x.high, True)
    image = Interval(low, high, x.low is None or at_pole or x.low_open, x.high is None or x.high_open)
    # Values stay strictly inside those at infinity: a rounded end outside of them is replaced.
    bounded = op not in ("log", "sqrt", "cosh")
    return image.intersection(Interval(at_minus, at_plus, True, True)) if bounded else image


def _end(op: str, x: Fraction, up: bool) -> Fraction | None:
    """A rational at or outside op(x), exact if Arb's ball is; None for one too large."""
    from flint import ctx

    with ctx.workprec(_BITS):
        ball: Any = getattr(ball_of_fraction(x), op)()
        if not ball.is_finite():
            return None
        mantissa, exponent = (ball.upper() if up else ball.lower()).man_exp()
        return outward(int(mantissa), int(exponent), up)


def polynomial(node: Node) -> list[Fraction] | None:
    """The coefficients, constant first, of a polynomial of degree at most 16; None if it is none."""
    if node.op == "num":
        assert node.value is not None
        return [node.value]
    if node.op == "t":
        return [Fraction(0), Fraction(1)]
    if node.op == "pow" and node.args[1].value is not None:
        n, base = node.args[1].value, polynomial(node.args[0])
        if base is None or n.denominator != 1 or n < 0 or (len(base) - 1) * n > _HIGHEST_DEGREE:
            return None
        power = [Fraction(1)]
        for _ in range(int(n)):
            power = _product(power, base)
        return _of_few_bits(power)
    if node.op not in ("add", "mul"):
        return None
    a, b = polynomial(node.args[0]), polynomial(node.args[1])
    if a is None or b is None:
        return None
    if node.op == "mul":
        return _of_few_bits(_product(a, b)) if len(a) + len(b) - 2 <= _HIGHEST_DEGREE else None
    size = max(len(a), len(b))
    total = [sum((c[i] for c in (a, b) if i < len(c)), Fraction(0)) for i in range(size)]
    return _trimmed(total)


def linear_form(node: Node) -> tuple[Fraction, Fraction] | None:
    """(a, b) with node = a t + b, rational; None if it is not of this form."""
    coefficients = polynomial(node)
    if coefficients is None or len(coefficients) > 2:
        return None
    return (coefficients[1] if len(coefficients) == 2 else Fraction(0)), coefficients[0]


def _of_few_bits(coefficients: list[Fraction]) -> list[Fraction] | None:
    """So that nested powers stay small, and with them Sturm's chain."""
    sizes = (max(c.numerator.bit_length(), c.denominator.bit_length()) for c in coefficients)
    return coefficients if max(sizes) <= _MOST_BITS else None


def _trimmed(coefficients: list[Fraction]) -> list[Fraction]:
    while len(coefficients) > 1 and coefficients[-1] == 0:
        coefficients = coefficients[:-1]
    return coefficients


def _product(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    out = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    return _trimmed(out)


def count_real_roots(p: list[Fraction]) -> int:
    """Sturm: variations of sign of the chain p, p', -rem, .. at -inf minus those at +inf.

    Counts distinct real roots of a polynomial that is not 0.

    >>> count_real_roots([Fraction(-2), Fraction(0), Fraction(1)])
    2
    """
    chain = [p, [i * c for i, c in enumerate(p)][1:]]
    while chain[-1] and any(chain[-1]):
        rest, divisor = list(chain[-2]), _trimmed(chain[-1])
        while len(rest) >= len(divisor):
            factor, shift = rest[-1] / divisor[-1], len(rest) - len(divisor)
            for i, c in enumerate(divisor):
                rest[i + shift] -= factor * c
            rest.pop()
        chain.append(_trimmed([-c for c in rest]) if rest else [])
    signs_plus = [q[-1] > 0 for q in chain if q and q[-1] != 0]
    signs_minus = [(q[-1] > 0) == (len(q) % 2 == 1) for q in chain if q and q[-1] != 0]
    return _variations(signs_minus) - _variations(signs_plus)


def _variations(signs: list[bool]) -> int:
    return sum(a != b for a, b in pairwise(signs))
