"""Floor 1: elu, t for t >= 0 and alpha (e^t - 1) below.

*float64*: alpha (E - 1), E = e^-|t| from ``decaying``, is off by alpha 2^-45; the derivatives are at most max(1, alpha).
"""

from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from exactcnn.activations.entry import LEFT, Builtin, Exponents, Formal, Parameters, piecewise
from exactcnn.activations.jets import Functions, Jet
from exactcnn.activations.properties import ActivationProperties, Limit
from exactcnn.arithmetic import modular
from exactcnn.arithmetic.exponentials import decaying
from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import UndecidedError


def _properties(parameters: Parameters) -> ActivationProperties:
    alpha = parameters["alpha"]
    proofs = {
        "strictly_monotone": "The derivatives alpha e^t for t < 0 and 1 for t > 0 are positive.",
        "limit_minus": "alpha (e^t - 1) with e^t tending to 0.",
        "growth": f"{LEFT} tends to {rational_text(-alpha)}.",
    }
    if alpha == 1:
        proofs["differentiable"] = (
            "At 0 the one-sided derivatives are both 1 (the second derivative jumps, 1 to 0)."
        )
        proofs["derivative_nowhere_zero"] = "It is e^t for t < 0 and 1 for t >= 0."
    else:
        proofs["differentiable"] = f"At 0 the one-sided derivatives are {rational_text(alpha)} and 1."
    return piecewise(Limit.finite(rational_text(-alpha)), None, increasing=True, smooth=alpha == 1, **proofs)


def _floats(t: np.ndarray, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    scale = float(parameters["alpha"])
    below = scale * (decaying(np.abs(t)) - 1.0)
    return np.where(t >= 0, t, below), np.where(t >= 0, 0.0, scale * 2.0**-44)


def _image(x: Exponents, parameters: Parameters) -> np.ndarray:
    alpha, prime = parameters["alpha"], x.prime
    if alpha.denominator % prime == 0:
        raise UndecidedError(f"{prime} divides the denominator of alpha")
    factor = alpha.numerator * pow(alpha.denominator, -1, prime) % prime
    n, t = x.exactly()
    return np.where(n >= 0, t, (modular.powers(x.root, x.n, prime) - 1) * factor % prime)


def _formal(n: int, D: int, parameters: Parameters) -> Formal:
    alpha = parameters["alpha"]
    return (Fraction(n, D), 0, Fraction(0)) if n >= 0 else (-alpha, n, alpha)


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    zero, one, alpha = f.number(Fraction(0)), f.number(Fraction(1)), f.number(parameters["alpha"])

    def below() -> Jet:
        grown = alpha * f.exp(t)
        return grown - alpha, grown, grown

    return f.pieces(t, lambda: (t, one, zero), below)


ENTRY = Builtin(
    "elu", "exponential", "Max(t, 0) + alpha*(exp(Min(t, 0)) - 1)", _properties, {"alpha": Fraction(1)},
    ball=lambda x, values: x if x >= 0 else values["alpha"] * x.expm1(), rising=True, floats=_floats,
    steepest=lambda parameters: max(1.0, 1.001 * float(parameters["alpha"])), image=_image, exponents_only=False,
    formal=_formal, bound=lambda m, parameters: max(m, ceil(parameters["alpha"])),
    jet=_jet,
)  # fmt: skip
