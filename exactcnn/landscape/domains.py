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

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from exactcnn.activations import Activation
from exactcnn.errors import UndecidedError

__all__ = ["BallDomain", "ComplexBallDomain", "Domain", "ExactDomain", "LnTwo", "ln_two"]

Jet = tuple[Any, Any, Any]
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
class ExactDomain:
    """Q[ln 2]."""

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> LnTwo:
        return ln_two(rational, ln2)

    def jet(self, activation: Activation, t: LnTwo) -> Jet:
        zero, one = ln_two(), ln_two(1)
        name = activation.name
        if name == "identity":
            return t, one, zero
        if name == "square":
            return t * t, ln_two(2) * t, ln_two(2)
        if name in ("relu", "leaky_relu"):
            below = ln_two(dict(activation.parameters).get("slope", Fraction(0)))
            sign = t.sign()
            if sign == 0:
                return zero, None, None
            return (t, one, zero) if sign > 0 else (t * below, below, zero)
        if name in ("sigmoid", "tanh", "sigmoid2"):
            return self._logistic(name, t)
        if activation.formula is not None and len(t.coefficients) <= 1:
            value, first, second = activation.rational_jet((*t.coefficients, Fraction(0))[0])
            return ln_two(value), ln_two(first), ln_two(second)
        raise UndecidedError(f"{activation} has no exact values here; balls do")

    def _logistic(self, name: str, t: LnTwo) -> Jet:
        """With s = 2^n / (1 + 2^n): sigmoid(n ln 2), tanh(n ln 2 / 2) = 2 s - 1, sigmoid2(n)."""
        rational, log, *higher = (*t.coefficients, Fraction(0), Fraction(0))[:3]
        n = rational if name == "sigmoid2" else (2 * log if name == "tanh" else log)
        other = log if name == "sigmoid2" else rational
        if other or any(higher) or len(t.coefficients) > 2:
            where = "an integer" if name == "sigmoid2" else "a multiple of ln 2"
            raise UndecidedError(f"{name} at a number other than {where} is not exact here")
        if n.denominator != 1 or abs(n) > _LARGEST_POWER:
            raise UndecidedError(f"2^({n}) is not rational, or too large")
        power = Fraction(2) ** n.numerator
        s = power / (1 + power)
        first, second = s * (1 - s), s * (1 - s) * (1 - 2 * s)
        if name == "sigmoid":
            return ln_two(s), ln_two(first), ln_two(second)
        if name == "tanh":  # 2 sigmoid(2t) - 1
            return ln_two(2 * s - 1), ln_two(4 * first), ln_two(8 * second)
        return ln_two(s), ln_two(0, first), ln_two(0, 0, second)

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
class BallDomain:
    """flint.arb at the current precision; a ball around a kink has no derivatives."""

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Any:
        from flint import arb, fmpq

        value = arb(fmpq(*rational.as_integer_ratio()))
        return value + arb(fmpq(*ln2.as_integer_ratio())) * arb(2).log() if ln2 else value

    def jet(self, activation: Activation, t: Any) -> Jet:
        from flint import arb

        name = activation.name
        parameters = {key: self.number(value) for key, value in activation.parameters}
        value = activation.ball(t)
        if name == "identity":
            return value, arb(1), arb(0)
        if name == "square":
            return value, 2 * t, arb(2)
        if name in ("relu", "leaky_relu", "elu"):
            return self._piecewise(name, t, value, parameters)
        if name in ("sigmoid", "tanh", "sigmoid2", "softplus"):
            return self._sigmoidal(name, t, value, parameters)
        if name == "silu":
            s = Activation("sigmoid").ball(t)
            d = s * (1 - s)
            return value, s + t * d, d * (2 + t * (1 - 2 * s))
        if name == "gelu":
            density = (-t * t / 2).exp() / (2 * arb.pi()).sqrt()
            return value, (1 + (t / arb(2).sqrt()).erf()) / 2 + t * density, density * (2 - t * t)
        if name == "gaussian":
            return value, -2 * t * value, (4 * t * t - 2) * value
        if name == "arctan":
            first = 1 / (1 + t * t)
            return value, first, -2 * t * first * first
        raise UndecidedError(f"derivatives of {activation} are not known")

    def _piecewise(self, name: str, t: Any, value: Any, parameters: dict[str, Any]) -> Jet:
        from flint import arb

        if t > 0:
            return value, arb(1), arb(0)
        if not t < 0:
            return value, None, None
        if name == "elu":
            grown = parameters["alpha"] * t.exp()
            return value, grown, grown
        return value, parameters.get("slope", arb(0)), arb(0)

    def _sigmoidal(self, name: str, t: Any, value: Any, parameters: dict[str, Any]) -> Jet:
        from flint import arb

        if name == "sigmoid":
            d = value * (1 - value)
            return value, d, d * (1 - 2 * value)
        if name == "tanh":
            d = 1 - value * value
            return value, d, -2 * value * d
        if name == "sigmoid2":
            d, log = value * (1 - value), arb(2).log()
            return value, log * d, log * log * d * (1 - 2 * value)
        s = Activation("sigmoid").ball(parameters["alpha"] * t)
        return value, s, parameters["alpha"] * s * (1 - s)

    def largest(self, values: list[Any]) -> tuple[Any, list[int]]:
        top = values[0]
        for value in values[1:]:
            top = top.max(value)
        return top, [place for place, value in enumerate(values) if not value < top]


@dataclass(frozen=True)
class ComplexBallDomain:
    """flint.acb balls, for activations that are analytic near the real line; UndecidedError elsewhere."""

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Any:
        from flint import acb

        return acb(BallDomain().number(rational, ln2))

    def jet(self, activation: Activation, t: Any) -> Jet:
        from flint import acb, arb

        name, one = activation.name, acb(1)
        if name == "identity":
            return t, one, acb(0)
        if name == "square":
            return t * t, 2 * t, acb(2)
        if name in ("relu", "leaky_relu"):
            slope = self.number(dict(activation.parameters).get("slope", Fraction(0)))
            if t.real > 0:
                return t, one, acb(0)
            if t.real < 0:
                return t * slope, slope, acb(0)
            raise UndecidedError("a polydisc around a kink")
        if name == "gaussian":
            value = (-t * t).exp()
            return value, -2 * t * value, (4 * t * t - 2) * value
        if name == "gelu":
            density = (-t * t / 2).exp() / (2 * arb.pi()).sqrt()
            phi = (1 + (t / arb(2).sqrt()).erf()) / 2
            return t * phi, phi + t * density, density * (2 - t * t)
        rates = {"sigmoid": arb(1), "silu": arb(1), "sigmoid2": arb(2).log(), "tanh": arb(2)}
        if name not in rates:
            raise UndecidedError(f"complex balls do not know {activation}")
        rate = rates[name]
        below = 1 + (-rate * t).exp()
        if below.contains(0):
            raise UndecidedError("a polydisc that may contain a pole")
        s = 1 / below
        d = s * (1 - s)
        if name == "silu":
            return t * s, s + t * d, d * (2 + t * (1 - 2 * s))
        if name == "tanh":
            return 2 * s - 1, 4 * d, 8 * d * (1 - 2 * s)
        return s, rate * d, rate * rate * d * (1 - 2 * s)

    def largest(self, values: list[Any]) -> tuple[Any, list[int]]:
        top = max(range(len(values)), key=lambda n: float(values[n].real.mid()))
        if any(not (values[top] - value).real > 0 for n, value in enumerate(values) if n != top):
            raise UndecidedError("a polydisc on which the maximum of a pool is not clear")
        return values[top], [top]
