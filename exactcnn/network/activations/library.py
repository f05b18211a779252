"""Floor 2: the table of built-in activations: parameters, kinds, properties with their proofs.

The proofs of FORMAT.md, Lemma 17, stand, in short, beside each entry.  Balls are computed in ``balls``.

Limits of the continuous entries that need no comment (of t, e^t, ln, arctan) are textbook
limits; a proof is written where an estimate is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from exactcnn.arithmetic.texts import rational_text
from exactcnn.network.activations.properties import ActivationProperties, Growth, Limit

__all__ = ["LIBRARY", "Entry", "Parameters"]

Parameters = Mapping[str, Fraction]

_ZERO, _ONE, _UP, _DOWN = Limit.finite("0"), Limit.finite("1"), Limit.infinite(1), Limit.infinite(-1)
_COMPOSITION = "Sums, products, quotients and compositions of functions analytic where they are evaluated"
_LEFT = "rho_1 e^(rho_2 t) tends to 0 at -infinity, and sigma"


@dataclass(frozen=True)
class Entry:
    """``kind``: rational (maps Q to Q), exponential (features in Q(e^(1/D))) or other.

    ``defaults`` are the parameters with their default values, all positive and, if
    ``below_one``, below 1.  ``formula`` is a custom expression in t and the parameters; ``by_formula``: values
    and derivatives are computed from it, as those of custom expressions are, and nowhere else.
    """

    name: str
    kind: str
    formula: str
    properties: Callable[[Parameters], ActivationProperties]
    defaults: Mapping[str, Fraction] = field(default_factory=dict)
    below_one: bool = False
    by_formula: bool = False

    def refusal(self, key: str, value: Fraction) -> str | None:
        """What parameter ``key`` should have been, or None if ``value`` is in range."""
        if value > 0 and not (self.below_one and value >= 1):
            return None
        return "a rational strictly between 0 and 1" if self.below_one else "a positive rational"


def _growth(*constants: int | Fraction) -> Growth:
    r1, r2, r3, r4 = (Fraction(c) for c in constants)
    return r1, r2, r3, r4


def _smooth(
    minus: Limit,
    plus: Limit,
    rho: Growth | None,
    *,
    increasing: bool,
    nowhere_zero: bool,
    **proofs: str,
) -> ActivationProperties:
    """An analytic entry: differentiable and continuous for that reason."""
    common = {
        "constant": "sigma(0) differs from sigma(1).",
        "differentiable": "An analytic function is differentiable.",
        "continuous": "An analytic function is continuous.",
        "derivative_nowhere_zero": "The derivative just given is positive everywhere.",
    }
    return ActivationProperties(
        continuous=True,
        constant=False,
        real_analytic=True,
        strictly_monotone=increasing,
        differentiable=True,
        derivative_nowhere_zero=nowhere_zero,
        limit_minus=minus,
        limit_plus=plus,
        growth=rho,
        growth_refuted=rho is None,
        proofs=common | proofs,
    )


def _sigmoid(_: Parameters) -> ActivationProperties:
    return _smooth(
        _ZERO, _ONE, _growth(1, 1, 1, 1), increasing=True, nowhere_zero=True,
        real_analytic=f"{_COMPOSITION}: 1 + e^-t is entire and at least 1 on R.",
        strictly_monotone="The derivative sigma (1 - sigma) is positive, as 0 < sigma < 1.",
        limit_minus="1 + e^-t tends to +infinity.",
        limit_plus="1 + e^-t tends to 1.",
        growth="1/(1 + e^-t) <= 1/e^-t = e^t for t < 0, and it is at most 1 for t >= 0.",
    )  # fmt: skip


def _sigmoid2(_: Parameters) -> ActivationProperties:
    return _smooth(
        _ZERO, _ONE, _growth(1, Fraction(1, 2), 1, 1), increasing=True, nowhere_zero=True,
        real_analytic=f"{_COMPOSITION}: 1 + 2^-t is entire and at least 1 on R.",
        strictly_monotone="The derivative ln 2 sigma (1 - sigma) is positive, as 0 < sigma < 1.",
        limit_minus="1 + 2^-t tends to +infinity.",
        limit_plus="1 + 2^-t tends to 1.",
        growth="1/(1 + 2^-t) <= 2^t <= e^(t/2) for t < 0, as ln 2 > 1/2, and it is at most 1 for t >= 0.",
    )  # fmt: skip


def _tanh(_: Parameters) -> ActivationProperties:
    return _smooth(
        Limit.finite("-1"), _ONE, None, increasing=True, nowhere_zero=True,
        real_analytic=f"{_COMPOSITION}: e^2t + 1 is entire and at least 1 on R.",
        strictly_monotone="The derivative 1/cosh^2 is positive.",
        limit_minus="(e^2t - 1)/(e^2t + 1) with e^2t tending to 0.",
        limit_plus="tanh is odd, and its limit at -infinity is -1.",
        growth=f"{_LEFT} tends to -1.",
    )  # fmt: skip


def _softplus(parameters: Parameters) -> ActivationProperties:
    alpha = parameters["alpha"]
    return _smooth(
        _ZERO, _UP, _growth(1 / alpha, alpha, 1, 1 / alpha), increasing=True, nowhere_zero=True,
        real_analytic=f"{_COMPOSITION}: 1 + e^(alpha t) is at least 1 on R and ln is analytic there.",
        strictly_monotone="The derivative 1/(1 + e^(-alpha t)) is positive.",
        limit_minus="ln(1 + e^(alpha t)) with e^(alpha t) tending to 0.",
        limit_plus="ln(1 + e^(alpha t))/alpha >= t.",
        growth="ln(1 + x) <= x gives e^(alpha t)/alpha; and for t >= 0 "
        "sigma(t) = t + ln(1 + e^(-alpha t))/alpha <= t + ln(2)/alpha <= t + 1/alpha.",
    )  # fmt: skip


_DIPS = "sigma(0) = 0, sigma < 0 on t < 0, and sigma tends to 0 at -infinity: it falls and rises again there."
_DIP_ZERO = "Differentiable and not monotone: by Darboux the derivative takes the value 0 (at a point t < 0)."


def _silu(_: Parameters) -> ActivationProperties:
    return _smooth(
        _ZERO, _UP, _growth(1, Fraction(1, 2), 1, 1), increasing=False, nowhere_zero=False,
        real_analytic=f"{_COMPOSITION}: 1 + e^-t is entire and at least 1 on R.",
        strictly_monotone=_DIPS,
        derivative_nowhere_zero=_DIP_ZERO,
        limit_minus="|sigma(t)| <= e^(t/2) for t < 0.",
        limit_plus="sigma(t) >= t/2 for t >= 0.",
        growth="With s = -t > 0, |sigma| = s/(1 + e^s) <= s e^-s <= e^(-s/2), as s e^(-s/2) <= 2/e < 1; "
        "and 0 <= sigma(t) <= t for t >= 0.",
    )  # fmt: skip


def _mish(_: Parameters) -> ActivationProperties:
    return _smooth(
        _ZERO, _UP, _growth(1, Fraction(1, 2), 1, 1), increasing=False, nowhere_zero=False,
        real_analytic=f"{_COMPOSITION}: 1 + e^t is at least 1 on R, and tanh is analytic there.",
        strictly_monotone=_DIPS,
        derivative_nowhere_zero=_DIP_ZERO,
        limit_minus="|sigma(t)| <= e^(t/2) for t < 0.",
        limit_plus="tanh(ln(1 + e^t)) >= tanh(ln 2) = 3/5 for t >= 0.",
        growth="With s = -t > 0, tanh(ln(1 + e^-s)) <= ln(1 + e^-s) <= e^-s, so |sigma| <= s e^-s <= e^(-s/2), as "
        "s e^(-s/2) <= 2/e < 1; and 0 <= sigma(t) <= t for t >= 0.",
    )  # fmt: skip


def _gelu(_: Parameters) -> ActivationProperties:
    return _smooth(
        _ZERO, _UP, _growth(2, 1, 1, 1), increasing=False, nowhere_zero=False,
        real_analytic=f"{_COMPOSITION}: erf, hence Phi, is entire.",
        strictly_monotone=_DIPS,
        derivative_nowhere_zero=_DIP_ZERO,
        limit_minus="|sigma(t)| <= 2 e^t for t < 0.",
        limit_plus="Phi(t) >= 1/2 for t >= 0, so sigma(t) >= t/2.",
        growth="With s = -t > 0, Phi(-s) <= e^(-s^2/2)/2, so |sigma| <= (s/2) e^(-s^2/2) <= 2 e^-s, as "
        "(s/2) e^(s - s^2/2) is largest at s = (1 + sqrt 5)/2, where it is below 2; and 0 <= Phi <= 1.",
    )  # fmt: skip


def _gaussian(_: Parameters) -> ActivationProperties:
    return _smooth(
        _ZERO, _ZERO, _growth(2, 1, 1, 1), increasing=False, nowhere_zero=False,
        real_analytic="exp and -t^2 are entire.",
        strictly_monotone="It is even.",
        derivative_nowhere_zero="-2 t e^(-t^2) vanishes at 0.",
        limit_minus="-t^2 tends to -infinity.",
        limit_plus="-t^2 tends to -infinity.",
        growth="e^(-t^2) <= 2 e^t for t < 0, as -t^2 - t <= 1/4 < ln 2; and it is at most 1 for t >= 0.",
    )  # fmt: skip


def _identity(_: Parameters) -> ActivationProperties:
    return _smooth(
        _DOWN, _UP, None, increasing=True, nowhere_zero=True,
        real_analytic="A polynomial.",
        strictly_monotone="The derivative 1 is positive.",
        limit_minus="sigma(t) = t.",
        limit_plus="sigma(t) = t.",
        growth=f"{_LEFT} is unbounded there.",
    )  # fmt: skip


def _square(_: Parameters) -> ActivationProperties:
    return _smooth(
        _UP, _UP, None, increasing=False, nowhere_zero=False,
        real_analytic="A polynomial.",
        strictly_monotone="(-1)^2 = 1^2.",
        derivative_nowhere_zero="2 t vanishes at 0.",
        limit_minus="t^2 >= |t| for |t| >= 1.",
        limit_plus="t^2 >= |t| for |t| >= 1.",
        growth=f"{_LEFT} is unbounded there.",
    )  # fmt: skip


def _arctan(_: Parameters) -> ActivationProperties:
    return _smooth(
        Limit.finite("-pi/2"), Limit.finite("pi/2"), None, increasing=True, nowhere_zero=True,
        real_analytic="A primitive of an analytic function is analytic, and 1/(1 + t^2) is analytic on R.",
        strictly_monotone="The derivative 1/(1 + t^2) is positive.",
        limit_minus="arctan is the inverse of tan on (-pi/2, pi/2).",
        limit_plus="arctan is the inverse of tan on (-pi/2, pi/2).",
        growth=f"{_LEFT} tends to -pi/2.",
    )  # fmt: skip


def _piecewise(
    minus: Limit, rho: Growth | None, *, increasing: bool, smooth: bool, **proofs: str
) -> ActivationProperties:
    """An entry glued at 0 from two analytic functions, t on the right."""
    common = {
        "continuous": "Both pieces are continuous and equal 0 at 0.",
        "constant": "sigma(1) = 1 and sigma(0) = 0.",
        "real_analytic": "It equals t for t >= 0 but not for t < 0, against the identity theorem.",
        "limit_plus": "sigma(t) = t for t >= 0.",
        "derivative_nowhere_zero": "It is not differentiable at 0.",
    }
    return ActivationProperties(
        continuous=True,
        constant=False,
        real_analytic=False,
        strictly_monotone=increasing,
        differentiable=smooth,
        derivative_nowhere_zero=smooth,
        limit_minus=minus,
        limit_plus=_UP,
        growth=rho,
        growth_refuted=rho is None,
        proofs=common | proofs,
    )


def _relu(_: Parameters) -> ActivationProperties:
    return _piecewise(
        _ZERO, _growth(1, 1, 1, 1), increasing=False, smooth=False,
        strictly_monotone="It is 0 on all of t <= 0.",
        differentiable="At 0 the one-sided derivatives are 0 and 1.",
        limit_minus="sigma(t) = 0 for t <= 0.",
        growth="It is 0 for t < 0 and t <= t + 1 for t >= 0.",
    )  # fmt: skip


def _leaky_relu(_: Parameters) -> ActivationProperties:
    return _piecewise(
        _DOWN, None, increasing=True, smooth=False,
        strictly_monotone="Its slopes on the two sides of 0 are positive.",
        differentiable="At 0 the one-sided derivatives are the slope, which is below 1, and 1.",
        limit_minus="sigma(t) = slope t for t < 0, and the slope is positive.",
        growth=f"{_LEFT} is unbounded there.",
    )  # fmt: skip


def _elu(parameters: Parameters) -> ActivationProperties:
    alpha = parameters["alpha"]
    proofs = {
        "strictly_monotone": "The derivatives alpha e^t for t < 0 and 1 for t > 0 are positive.",
        "limit_minus": "alpha (e^t - 1) with e^t tending to 0.",
        "growth": f"{_LEFT} tends to {rational_text(-alpha)}.",
    }
    if alpha == 1:
        proofs["differentiable"] = (
            "At 0 the one-sided derivatives are both 1 (the second derivative jumps, 1 to 0)."
        )
        proofs["derivative_nowhere_zero"] = "It is e^t for t < 0 and 1 for t >= 0."
    else:
        proofs["differentiable"] = f"At 0 the one-sided derivatives are {rational_text(alpha)} and 1."
    return _piecewise(Limit.finite(rational_text(-alpha)), None, increasing=True, smooth=alpha == 1, **proofs)


_ALPHA = {"alpha": Fraction(1)}
_SLOPE = {"slope": Fraction(1, 100)}

LIBRARY: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("relu", "rational", "Max(t, 0)", _relu),
        Entry("leaky_relu", "rational", "Max(t, slope*t)", _leaky_relu, _SLOPE, below_one=True),
        Entry("identity", "rational", "t", _identity),
        Entry("square", "rational", "t**2", _square),
        Entry("sigmoid", "exponential", "1/(1 + exp(-t))", _sigmoid),
        Entry("tanh", "exponential", "tanh(t)", _tanh),
        Entry("silu", "exponential", "t/(1 + exp(-t))", _silu),
        Entry("elu", "exponential", "Max(t, 0) + alpha*(exp(Min(t, 0)) - 1)", _elu, _ALPHA),
        Entry("gaussian", "exponential", "exp(-t**2)", _gaussian),
        Entry("softplus", "other", "log(1 + exp(alpha*t))/alpha", _softplus, _ALPHA),
        Entry("gelu", "other", "t*(1 + erf(t/sqrt(2)))/2", _gelu),
        Entry("mish", "other", "t*tanh(log(1 + exp(t)))", _mish, by_formula=True),
        Entry("arctan", "other", "atan(t)", _arctan),
        Entry("sigmoid2", "other", "1/(1 + exp(-t*log(2)))", _sigmoid2),
    )
}
