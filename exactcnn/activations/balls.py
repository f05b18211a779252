"""Floor 1: enclosures of activations in ball arithmetic (Arb, through python-flint).

Every function takes a ``flint.arb`` ball t and returns a ball that contains sigma(x) for every
x in t.  The working precision is ``flint.ctx.prec`` of the caller, to be set with
``flint.ctx.workprec``; it changes the width of an answer, never its truth.

Why it is rigorous.  Arb's functions enclose.  For an increasing sigma the image of [a, b] is
[sigma(a), sigma(b)], so the hull of the balls at both ends contains it, and is much tighter
than sigma evaluated on a wide ball.  The formulas at an end point never divide by a number
near 0: they are written with e^x of a non-positive x, so nothing overflows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from exactcnn.activations.expressions import Node
from exactcnn.errors import UndecidedError

if TYPE_CHECKING:
    from exactcnn.activations.entry import Builtin

__all__ = ["ball_of_expression", "ball_of_fraction", "builtin_ball", "hull", "integer_power", "positive_part"]


def ball_of_fraction(value: Fraction) -> Any:
    """A ball around a rational, exact where it is a dyadic number of few digits."""
    from flint import arb, fmpq

    return arb(fmpq(value.numerator, value.denominator))


def hull(rule: Callable[[Any, Any], Any], t: Any, values: Mapping[str, Any]) -> Any:
    """The image of the ball t under an increasing function: ``rule`` gives a ball at an exact point."""
    if t.is_exact():
        return rule(t, values)
    return rule(t.lower(), values).union(rule(t.upper(), values))


def builtin_ball(entry: Builtin, parameters: Mapping[str, Fraction], t: Any) -> Any:
    """sigma(t) for a built-in activation; a ball with a nan or infinite end gives the whole line."""
    from flint import arb

    if not t.is_finite():
        return arb.nan()  # an indeterminate ball contains everything
    if entry.ball is None:
        raise UndecidedError(f"no enclosure is known for the activation {entry.name}")
    values = {key: ball_of_fraction(value) for key, value in parameters.items()}
    return hull(entry.ball, t, values) if entry.rising else entry.ball(t, values)


def positive_part(y: Any) -> Any:
    """max(y, 0): the hull of the values at the ends."""
    from flint import arb

    if y.is_exact():
        return y if y > 0 else arb(0)
    return positive_part(y.lower()).union(positive_part(y.upper()))


def ball_of_expression(node: Node, t: Any, known: dict[Node, Any] | None = None) -> Any:
    """The value of a user's expression on the ball t; ``known`` remembers nodes of earlier calls with t.

    UndecidedError unless every step is finite: a division by a ball around 0, a logarithm or
    root of a ball that reaches below 0 and an overflow all end here, so a ball that is
    returned proves that the expression is defined on the whole of t.
    """
    return _evaluate(node, t, {} if known is None else known)


def _evaluate(node: Node, t: Any, known: dict[Node, Any]) -> Any:
    if node in known:
        return known[node]
    args = [_evaluate(arg, t, known) for arg in node.args]
    try:
        value = _apply(node, args, t)
    except (OverflowError, ValueError):
        value = None
    if value is None or not value.is_finite():
        raise UndecidedError(f"no enclosure of {node} was found on the ball {t}")
    known[node] = value
    return value


def _apply(node: Node, args: list[Any], t: Any) -> Any:
    from flint import arb

    op = node.op
    if op == "num":
        assert node.value is not None
        return ball_of_fraction(node.value)
    if op == "t":
        return t
    if op == "pi":
        return arb.pi()
    if op == "add":
        return args[0] + args[1]
    if op == "mul":
        return integer_power(args[0], 2) if node.args[0] == node.args[1] else args[0] * args[1]
    if op == "div":
        return args[0] / args[1]
    if op == "pow":
        return _power(args[0], node.args[1], args[1])
    if op == "abs":
        return args[0].abs_lower().union(args[0].abs_upper())
    if op == "max":
        return arb.max(args[0], args[1])
    if op == "min":
        return arb.min(args[0], args[1])
    return getattr(args[0], op)()  # exp, log, tanh, sinh, cosh, sin, cos, atan, sqrt, erf


def _power(base: Any, exponent: Node, value: Any) -> Any:
    """base^exponent; a rational exponent a/2 by square roots, others by exp(y log x), x > 0."""
    if exponent.value is None or exponent.value.denominator > 2:
        return (value * base.log()).exp()
    numerator, denominator = exponent.value.as_integer_ratio()
    if denominator == 2:
        base = base.sqrt()
    power = integer_power(base, abs(numerator))
    return 1 / power if numerator < 0 else power


def integer_power(x: Any, n: int) -> Any:
    """x^n, n >= 0.  On a wide ball the hull of the powers of its ends, of |x| for even n."""
    from flint import arb

    if not x.is_exact():
        low, high = (x.lower(), x.upper()) if n % 2 else (x.abs_lower(), x.abs_upper())
        return integer_power(low, n).union(integer_power(high, n))
    power = arb(1)
    for bit in bin(n)[2:]:
        power = power * power
        power = power * x if bit == "1" else power
    return power
