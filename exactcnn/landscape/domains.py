"""Floor 4a: the numbers in which loss and derivatives are evaluated.

A ``Domain`` says how an activation and its first two derivatives act on one number; everything
else (``derivatives``) is additions and multiplications of whatever objects it is given.

* ``ExactDomain``: Q[ln 2], polynomials in ln 2 over Q (flint.fmpq_poly).  ln 2 is transcendental, so a
  number is 0 exactly if its coefficients are; signs of others are found by balls, which must separate
  them from 0 at some precision.  sigmoid, tanh and sigmoid2 have values there only at special points
  (sigmoid(n ln 2) = 2^n / (1 + 2^n), sigmoid2(n) the same, all three at 0), a user's expression at rational
  points where value and derivatives are rational; elsewhere UndecidedError.
* ``ComplexBallDomain``: flint.acb balls, for Cauchy's estimates.
* ``BallDomain``: flint.arb balls at the precision of ``flint.ctx``, for every built-in activation.

Phi = 1/2 ||F_L - Y||^2 as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from exactcnn.activations import Activation
from exactcnn.activations.jets import Jet, Unknown, jet_of
from exactcnn.errors import UndecidedError

__all__ = ["BallDomain", "ComplexBallDomain", "Domain", "ExactDomain", "LnTwo", "ln_two"]

_SIGMOID, _GAUSSIAN = Activation("sigmoid"), Activation("gaussian")
_SOFTPLUS = Activation("softplus", (("alpha", Fraction(1)),))
_MOST_BITS = 1 << 14
_LARGEST_POWER = 10_000


class Domain(Protocol):
    """How numbers of one kind meet activations."""

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Any:
        """rational + ln2 * ln 2."""

    def jet(self, activation: Activation, t: Any) -> Jet:
        """(sigma, sigma', sigma'')(t); the derivatives are None at a kink."""

    def largest(self, values: list[Any]) -> tuple[Any, list[int]]:
        """The maximum, and the places that may attain it (one place: it is the only one)."""


class LnTwo:
    """A polynomial in ln 2 over Q; ``poly`` is a flint.fmpq_poly (kept inside, as NumPy takes it for a sequence)."""

    __slots__ = ("poly",)

    def __init__(self, poly: Any) -> None:
        self.poly = poly

    def __add__(self, other: LnTwo) -> LnTwo:
        return LnTwo(self.poly + other.poly)

    def __sub__(self, other: LnTwo) -> LnTwo:
        return LnTwo(self.poly - other.poly)

    def __mul__(self, other: LnTwo) -> LnTwo:
        return LnTwo(self.poly * other.poly)

    def __neg__(self) -> LnTwo:
        return LnTwo(-self.poly)

    def __eq__(self, other: object) -> bool:
        return bool(self.poly == (other.poly if isinstance(other, LnTwo) else other))

    def __hash__(self) -> int:
        return hash(self.coefficients)

    @property
    def coefficients(self) -> tuple[Fraction, ...]:
        """c_0, c_1, ..: the number is their sum c_i (ln 2)^i; () for 0."""
        return tuple(Fraction(int(c.p), int(c.q)) for c in self.poly.coeffs())

    def ball(self) -> Any:
        """A flint.arb ball around it, at the current precision."""
        from flint import arb, arb_poly

        return arb_poly(self.poly)(arb(2).log())

    def __repr__(self) -> str:
        return f"LnTwo({', '.join(map(str, self.coefficients)) or 0})"

    def sign(self) -> int:
        """-1, 0 or 1."""
        from flint import ctx

        if self.poly.degree() < 0:
            return 0
        if self.poly.degree() == 0:
            return 1 if self.poly[0] > 0 else -1
        bits = 64
        while bits <= _MOST_BITS:
            with ctx.workprec(bits):
                value = self.ball()
                if value > 0:
                    return 1
                if value < 0:
                    return -1
            bits *= 2
        raise UndecidedError("the sign of a polynomial in ln 2 needs too many bits")


def ln_two(*coefficients: Fraction | int) -> LnTwo:
    """The sum of coefficients[i] (ln 2)^i."""
    from flint import fmpq, fmpq_poly

    return LnTwo(fmpq_poly([fmpq(*Fraction(q).as_integer_ratio()) for q in coefficients]))


@dataclass(frozen=True)
class ExactDomain(Unknown):
    """Q[ln 2]."""

    title = "exact numbers"

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> LnTwo:
        return ln_two(rational, ln2)

    def ln2(self) -> LnTwo:
        return ln_two(0, 1)

    def jet(self, activation: Activation, t: LnTwo) -> Jet:
        if activation.formula is not None and len(t.coefficients) <= 1:
            value, first, second = activation.rational_jet((*t.coefficients, Fraction(0))[0])
            return ln_two(value), ln_two(first), ln_two(second)
        return jet_of(activation, t, self)

    def logistic(self, t: LnTwo) -> tuple[LnTwo, LnTwo, LnTwo]:
        """At n ln 2, n an integer: s = 2^n / (1 + 2^n)."""
        rational, n, *higher = (*t.coefficients, Fraction(0), Fraction(0))[: max(2, len(t.coefficients))]
        if rational or any(higher):
            raise UndecidedError("its exponent is no multiple of ln 2, so its value is not exact here")
        if n.denominator != 1 or abs(n) > _LARGEST_POWER:
            raise UndecidedError(f"2^({n}) is not rational, or too large")
        power = Fraction(2) ** n.numerator
        s = power / (1 + power)
        return ln_two(s), ln_two(s * (1 - s)), ln_two(1 - 2 * s)

    def pieces(self, t: LnTwo, above: Callable[[], Jet], below: Callable[[], Jet]) -> Jet:
        sign = t.sign()
        return (ln_two(), None, None) if sign == 0 else above() if sign > 0 else below()

    def largest(self, values: list[LnTwo]) -> tuple[LnTwo, list[int]]:
        best = [0]
        for place in range(1, len(values)):
            sign = (values[place] - values[best[0]]).sign()
            if sign > 0:
                best = [place]
            elif sign == 0:
                best.append(place)
        return values[best[0]], best


@dataclass(frozen=True)
class BallDomain(Unknown):
    """flint.arb at the current precision; a ball around a kink has no derivatives."""

    title = "balls"

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Any:
        from flint import arb, fmpq

        value = arb(fmpq(*rational.as_integer_ratio()))
        return value + arb(fmpq(*ln2.as_integer_ratio())) * arb(2).log() if ln2 else value

    def ln2(self) -> Any:
        from flint import arb

        return arb(2).log()

    def jet(self, activation: Activation, t: Any) -> Jet:
        """The value by ``Activation.ball``, which is tighter on wide balls."""
        _, first, second = jet_of(activation, t, self)
        return activation.ball(t), first, second

    def logistic(self, t: Any) -> tuple[Any, Any, Any]:
        s, other = _SIGMOID.ball(t), _SIGMOID.ball(-t)  # 1 - s without cancellation
        return s, s * other, other - s

    def normal(self, t: Any) -> tuple[Any, Any]:
        from flint import arb

        return (-t / arb(2).sqrt()).erfc() / 2, (-t * t / 2).exp() / (2 * arb.pi()).sqrt()

    def bell(self, t: Any) -> Any:
        return _GAUSSIAN.ball(t)

    def exp(self, t: Any) -> Any:
        return t.exp()

    def softplus(self, t: Any) -> Any:
        return _SOFTPLUS.ball(t)

    def arctan(self, t: Any) -> tuple[Any, Any]:
        return t.atan(), 1 / (1 + t * t)

    def pieces(self, t: Any, above: Callable[[], Jet], below: Callable[[], Jet]) -> Jet:
        return above() if t > 0 else below() if t < 0 else (None, None, None)

    def largest(self, values: list[Any]) -> tuple[Any, list[int]]:
        top = values[0]
        for value in values[1:]:
            top = top.max(value)
        return top, [place for place, value in enumerate(values) if not value < top]


@dataclass(frozen=True)
class ComplexBallDomain(Unknown):
    """flint.acb balls, for activations that are analytic near the real line; UndecidedError elsewhere."""

    title = "complex balls"

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Any:
        from flint import acb

        return acb(BallDomain().number(rational, ln2))

    def ln2(self) -> Any:
        return self.number(Fraction(0), Fraction(1))

    def jet(self, activation: Activation, t: Any) -> Jet:
        return jet_of(activation, t, self)

    def logistic(self, t: Any) -> tuple[Any, Any, Any]:
        below = 1 + (-t).exp()
        if below.contains(0):
            raise UndecidedError("a polydisc that may contain a pole")
        s = 1 / below
        return s, s * (1 - s), 1 - 2 * s

    def normal(self, t: Any) -> tuple[Any, Any]:
        from flint import arb

        return (1 + (t / arb(2).sqrt()).erf()) / 2, (-t * t / 2).exp() / (2 * arb.pi()).sqrt()

    def bell(self, t: Any) -> Any:
        return (-t * t).exp()

    def pieces(self, t: Any, above: Callable[[], Jet], below: Callable[[], Jet]) -> Jet:
        if not (t.real > 0 or t.real < 0):
            raise UndecidedError("a polydisc around a kink")
        return above() if t.real > 0 else below()

    def largest(self, values: list[Any]) -> tuple[Any, list[int]]:
        top = max(range(len(values)), key=lambda n: float(values[n].real.mid()))
        if any(not (values[top] - value).real > 0 for n, value in enumerate(values) if n != top):
            raise UndecidedError("a polydisc on which the maximum of a pool is not clear")
        return values[top], [top]
