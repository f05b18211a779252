"""Floor 2: the built-in activations: properties with proofs, exact values and enclosures.

Growth constants are those of FORMAT.md 6.3, where the checker accepts them; their proofs
stand in FORMAT.md section 8 and, in short, beside each entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from exactcnn.network.activations.properties import (
    INFINITE,
    MINUS_INFINITE,
    ActivationProperties,
    Growth,
    Limit,
)

__all__ = ["LIBRARY", "Entry"]

_ZERO, _ONE = Limit.finite("0", True), Limit.finite("1", False)
Parameters = Mapping[str, Fraction]


@dataclass(frozen=True)
class Entry:
    """``kind``: rational (maps Q to Q), exponential (features in Q(e^(1/D))) or other.

    ``defaults`` are the parameters and their default values; ``positive`` and ``below_one``
    bound them.  ``formula`` is SymPy text in t and the parameters.
    """

    name: str
    kind: str
    formula: str
    properties: Callable[[Parameters], ActivationProperties]
    defaults: Mapping[str, Fraction]
    below_one: bool = False


def _growth(*constants: int | Fraction) -> Growth:
    r1, r2, r3, r4 = (Fraction(c) for c in constants)
    return r1, r2, r3, r4


def _relu(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, False, False, False, False, _ZERO, INFINITE, _growth(1, 1, 1, 1),
        proofs={
            "real_analytic": "It vanishes on t < 0 without being 0 everywhere.",
            "differentiable": "At 0 the one-sided derivatives are 0 and 1.",
            "growth": "0 for t < 0 and t for t >= 0.",
        },
    )  # fmt: skip


def _leaky(parameters: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, False, True, False, False, MINUS_INFINITE, INFINITE, None, True,
        proofs={
            "differentiable": "At 0 the one-sided derivatives are the slope and 1, which differ.",
            "real_analytic": "An analytic function is differentiable.",
            "strictly_monotone": "Increasing with slopes in (0, 1] on both sides of 0.",
            "growth": "|sigma(t)| grows without bound at -infinity, so no rho_1 e^(rho_2 t) bounds it.",
        },
    )  # fmt: skip


def _identity(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, True, True, True, True, MINUS_INFINITE, INFINITE, None, True,
        proofs={"growth": "|t| is unbounded at -infinity, so no rho_1 e^(rho_2 t) bounds it."},
    )  # fmt: skip


def _square(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, True, False, True, False, INFINITE, INFINITE, None, True,
        proofs={
            "strictly_monotone": "(-1)^2 = 1^2.",
            "derivative_nowhere_zero": "2 t vanishes at 0.",
            "growth": "t^2 is unbounded at -infinity, so no rho_1 e^(rho_2 t) bounds it.",
        },
    )  # fmt: skip


def _sigmoid(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, True, True, True, True, _ZERO, _ONE, _growth(1, 1, 1, 1), False,
        proofs={
            "real_analytic": "1 + e^-t is entire and never 0 on R.",
            "strictly_monotone": "Its derivative sigma (1 - sigma) is positive.",
            "growth": "1/(1 + e^-t) <= e^t, and it is below 1.",
        },
    )  # fmt: skip


def _tanh(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, True, True, True, True, Limit.finite("-1", False), _ONE, None, True,
        proofs={
            "real_analytic": "cosh is entire and never 0 on R.",
            "strictly_monotone": "Its derivative 1/cosh^2 is positive.",
            "growth": "|tanh t| tends to 1 at -infinity, where rho_1 e^(rho_2 t) tends to 0.",
        },
    )  # fmt: skip


def _softplus(parameters: Parameters) -> ActivationProperties:
    alpha = parameters["alpha"]
    return ActivationProperties(
        True, False, True, True, True, True, _ZERO, INFINITE, _growth(1 / alpha, alpha, 1, 1 / alpha), False,
        proofs={
            "real_analytic": "1 + e^(alpha t) is at least 1 on R and log is analytic there.",
            "strictly_monotone": "Its derivative 1/(1 + e^(-alpha t)) is positive.",
            "growth": "ln(1 + x) <= x, and for t >= 0 it is t + ln(1 + e^(-alpha t))/alpha <= t + 1/alpha.",
        },
    )  # fmt: skip


def _silu(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, True, False, True, False, _ZERO, INFINITE, _growth(1, Fraction(1, 2), 1, 1), False,
        proofs={
            "real_analytic": "A product of analytic functions.",
            "strictly_monotone": "It is 0 at 0, negative on t < 0 and tends to 0 at -infinity.",
            "derivative_nowhere_zero": "It has a minimum on t < 0 (0 at both ends, negative between).",
            "growth": "|t|/(1 + e^|t|) <= |t| e^-|t| <= e^(-|t|/2), as s e^(-s/2) <= 2/e; at most t for t >= 0.",
        },
    )  # fmt: skip


def _gelu(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, True, False, True, False, _ZERO, INFINITE, _growth(2, 1, 1, 1), False,
        proofs={
            "real_analytic": "erf is entire.",
            "strictly_monotone": "It is 0 at 0, negative on t < 0 and tends to 0 at -infinity.",
            "derivative_nowhere_zero": "It has a minimum on t < 0 (0 at both ends, negative between).",
            "growth": "s Phi(-s) <= (s/2) e^(-s^2/2) <= 2 e^-s for s > 0, and at most t for t >= 0.",
        },
    )  # fmt: skip


def _elu(parameters: Parameters) -> ActivationProperties:
    alpha = parameters["alpha"]
    smooth = alpha == 1
    return ActivationProperties(
        True, False, False, True, smooth, smooth, Limit.finite(str(-alpha), False), INFINITE, None, True,
        proofs={
            "real_analytic": "It equals t on t >= 0 but not on t < 0.",
            "strictly_monotone": "Slopes alpha e^t > 0 and 1 on the two sides of 0, where it is continuous.",
            "differentiable": "At 0 the one-sided derivatives are alpha and 1.",
            "growth": "it tends to -alpha at -infinity, where rho_1 e^(rho_2 t) tends to 0.",
        },
    )  # fmt: skip


def _gaussian(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, True, False, True, False, _ZERO, _ZERO, _growth(2, 1, 1, 1), False,
        proofs={
            "strictly_monotone": "It is even.",
            "derivative_nowhere_zero": "-2 t e^(-t^2) vanishes at 0.",
            "growth": "e^(-t^2) <= 2 e^t for t < 0 because -t^2 - t <= 1/4 < ln 2; at most 1 for t >= 0.",
        },
    )  # fmt: skip


def _arctan(_: Parameters) -> ActivationProperties:
    return ActivationProperties(
        True, False, True, True, True, True, Limit.finite("-pi/2", False), Limit.finite("pi/2", False), None, True,
        proofs={
            "real_analytic": "Its derivative 1/(1 + t^2) is analytic on R.",
            "strictly_monotone": "Its derivative 1/(1 + t^2) is positive.",
            "growth": "|arctan t| tends to pi/2 at -infinity, where rho_1 e^(rho_2 t) tends to 0.",
        },
    )  # fmt: skip


_NONE: dict[str, Fraction] = {}
_ALPHA = {"alpha": Fraction(1)}

LIBRARY: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("relu", "rational", "Max(t, 0)", _relu, _NONE),
        Entry(
            "leaky_relu", "rational", "Max(t, slope*t)", _leaky, {"slope": Fraction(1, 100)}, below_one=True
        ),
        Entry("identity", "rational", "t", _identity, _NONE),
        Entry("square", "rational", "t**2", _square, _NONE),
        Entry("sigmoid", "exponential", "1/(1 + exp(-t))", _sigmoid, _NONE),
        Entry("tanh", "exponential", "tanh(t)", _tanh, _NONE),
        Entry("silu", "exponential", "t/(1 + exp(-t))", _silu, _NONE),
        Entry("elu", "exponential", "Max(t, 0) + alpha*(exp(Min(t, 0)) - 1)", _elu, _ALPHA),
        Entry("gaussian", "exponential", "exp(-t**2)", _gaussian, _NONE),
        Entry("softplus", "other", "log(1 + exp(alpha*t))/alpha", _softplus, _ALPHA),
        Entry("gelu", "other", "t*(1 + erf(t/sqrt(2)))/2", _gelu, _NONE),
        Entry("arctan", "other", "atan(t)", _arctan, _NONE),
    )
}


def ball_value(name: str, parameters: Parameters, t: Any) -> Any:
    """sigma(t) for a flint.arb ball t: a ball that contains every value."""
    from flint import arb

    zero = arb(0)
    if name == "relu":
        return arb.max(t, zero)
    if name == "leaky_relu":
        slope = _arb(parameters["slope"])
        return arb.max(t, slope * t)
    if name == "identity":
        return t
    if name == "square":
        return t * t
    if name == "sigmoid":
        return 1 / (1 + (-t).exp())
    if name == "tanh":
        return t.tanh()
    if name == "silu":
        return t / (1 + (-t).exp())
    if name == "elu":
        return arb.max(t, zero) + _arb(parameters["alpha"]) * arb.min(t, zero).expm1()
    if name == "gaussian":
        return (-(t * t)).exp()
    if name == "softplus":
        alpha = _arb(parameters["alpha"])
        return (alpha * t).exp().log1p() / alpha
    if name == "gelu":
        return t * (1 + (t / arb(2).sqrt()).erf()) / 2
    return t.atan()


def _arb(value: Fraction) -> Any:
    from flint import arb

    return arb(value.numerator) / arb(value.denominator)
