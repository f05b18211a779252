"""Floor 1: exact values and derivatives of a user's expression at rational points, where they are rational.

Jets (f, f', f'') over Q are pushed through the tree (forward differentiation): sums, products,
quotients and whole powers of jets are jets over Q, and an outer function phi takes (f, f', f'') to

    (phi(f), phi'(f) f', phi''(f) f'^2 + phi'(f) f'').

phi is used only where all three of its numbers are rational: sqrt at squares of positive
rationals, exp, tanh, atan at 0, log at 1.  Everything else is undecided, never approximated; so is a
quotient by 0, the root of 0 (no derivative) and any number of more than ``_MOST_BITS`` bits.
The operations are those that FORMAT.md's checker knows (2.3); kinks (abs, Max, Min) are left to balls.

An exact jet proves more than the value: sigma is twice differentiable there, as a composition of
functions that are smooth around the values that occur.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from exactcnn.activations.expressions import Node
from exactcnn.errors import UndecidedError

__all__ = ["RationalJet", "exact_jet"]

RationalJet = tuple[Fraction, Fraction, Fraction]

_MOST_BITS = 1 << 13
_ZERO, _ONE = Fraction(0), Fraction(1)
# op: the argument at which it is used, and value, first and second derivative there.
_SPECIAL: dict[str, tuple[Fraction, RationalJet]] = {
    "exp": (_ZERO, (_ONE, _ONE, _ONE)),
    "log": (_ONE, (_ZERO, _ONE, -_ONE)),
    "tanh": (_ZERO, (_ZERO, _ONE, _ZERO)),
    "atan": (_ZERO, (_ZERO, _ONE, _ZERO)),
}


def exact_jet(node: Node, t: Fraction) -> RationalJet:
    """(sigma, sigma', sigma'')(t), exactly; UndecidedError where they are not known to be rational.

    >>> from exactcnn.activations.expressions import parse_expression
    >>> exact_jet(parse_expression("(1 + t/sqrt(1 + t**2))/2"), Fraction(3, 4))
    (Fraction(4, 5), Fraction(32, 125), Fraction(-1152, 3125))
    """
    if node.value is not None:
        return node.value, _ZERO, _ZERO
    if node.op == "t":
        return t, _ONE, _ZERO
    if node.op == "pow":
        n = node.args[1].value
        if n is None or n.denominator != 1:
            raise _undecided(node, t)
        return _bounded(_power(exact_jet(node.args[0], t), int(n), node, t), node, t)
    jets = [exact_jet(arg, t) for arg in node.args]
    if node.op == "add":
        a, b = jets
        return _bounded((a[0] + b[0], a[1] + b[1], a[2] + b[2]), node, t)
    if node.op == "mul":
        return _bounded(_product(*jets), node, t)
    if node.op == "div":
        return _bounded(_product(jets[0], _power(jets[1], -1, node, t)), node, t)
    return _bounded(_chain(_outer(node, jets, t), jets[0]), node, t)


def _undecided(node: Node, t: Fraction) -> UndecidedError:
    return UndecidedError(f"the value and derivatives of {node} at t = {t} are not known to be rational")


def _bounded(jet: RationalJet, node: Node, t: Fraction) -> RationalJet:
    if any(max(q.numerator.bit_length(), q.denominator.bit_length()) > _MOST_BITS for q in jet):
        raise UndecidedError(f"the exact value of {node} at the given point has more than {_MOST_BITS} bits")
    return jet


def _product(a: RationalJet, b: RationalJet) -> RationalJet:
    return a[0] * b[0], a[1] * b[0] + a[0] * b[1], a[2] * b[0] + 2 * a[1] * b[1] + a[0] * b[2]


def _chain(outer: RationalJet, f: RationalJet) -> RationalJet:
    return outer[0], outer[1] * f[1], outer[2] * f[1] * f[1] + outer[1] * f[2]


def _power(f: RationalJet, n: int, node: Node, t: Fraction) -> RationalJet:
    x = f[0]
    if x == 0 and n < 0:
        raise _undecided(node, t)
    # n x^(n-1) and n (n-1) x^(n-2), without 0 to a negative power.
    first = n * x ** (n - 1) if n else _ZERO
    second = n * (n - 1) * x ** (n - 2) if n not in (0, 1) else _ZERO
    return _chain((x**n, first, second), f)


def _outer(node: Node, jets: list[RationalJet], t: Fraction) -> RationalJet:
    x = jets[0][0] if jets else _ZERO
    if node.op == "sqrt" and x > 0:
        root = Fraction(isqrt(x.numerator), isqrt(x.denominator))
        if root * root == x:
            return root, 1 / (2 * root), -1 / (4 * root * x)
    if node.op in _SPECIAL and x == _SPECIAL[node.op][0]:
        return _SPECIAL[node.op][1]
    raise _undecided(node, t)
