"""Floor 1: softplus, ln(1 + e^(alpha t))/alpha = max(t, 0) + ln(1 + e^(-alpha |t|))/alpha.

*float64* (u = 2^-53): the argument s = fl(|t| fl(alpha)) has a relative error below 2.01 u, which moves E = e^-s by less
than 2.02 u s e^-s < u; with its own error (``decaying``) E is off by less than 2^-46, and so is ln(1 + E), to which
``log_of_one_plus`` adds less than 2^-47.  The quotient and the sum: 2^-45 / alpha + 2^-51 |result| is above all.
"""

from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from exactcnn.activations.balls import positive_part
from exactcnn.activations.entry import COMPOSITION, UP, ZERO, Builtin, Parameters, growth, smooth
from exactcnn.activations.jets import Functions, Jet
from exactcnn.activations.properties import ActivationProperties
from exactcnn.arithmetic.elementary import log_of_one_plus
from exactcnn.arithmetic.exponentials import decaying


def _properties(parameters: Parameters) -> ActivationProperties:
    alpha = parameters["alpha"]
    return smooth(
        ZERO, UP, growth(1 / alpha, alpha, 1, 1 / alpha), increasing=True, nowhere_zero=True,
        real_analytic=f"{COMPOSITION}: 1 + e^(alpha t) is at least 1 on R and ln is analytic there.",
        strictly_monotone="The derivative 1/(1 + e^(-alpha t)) is positive.",
        limit_minus="ln(1 + e^(alpha t)) with e^(alpha t) tending to 0.",
        limit_plus="ln(1 + e^(alpha t))/alpha >= t.",
        growth="ln(1 + x) <= x gives e^(alpha t)/alpha; and for t >= 0 "
        "sigma(t) = t + ln(1 + e^(-alpha t))/alpha <= t + ln(2)/alpha <= t + 1/alpha.",
    )  # fmt: skip


def _ball(x: Any, values: Any) -> Any:
    y = values["alpha"] * x
    return (positive_part(y) + (-abs(y)).exp().log1p()) / values["alpha"]


def _floats(t: np.ndarray, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    scale = float(parameters["alpha"])
    mid = np.maximum(t, 0.0) + log_of_one_plus(decaying(np.abs(t) * scale)) / scale
    return mid, 2.0**-45 / scale + 2.0**-51 * np.abs(mid)


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    alpha = parameters["alpha"]
    x = f.number(alpha) * t
    s, d, _ = f.logistic(x)
    return f.number(1 / alpha) * f.softplus(x), s, f.number(alpha) * d


ENTRY = Builtin(
    "softplus", "other", "log(1 + exp(alpha*t))/alpha", _properties, {"alpha": Fraction(1)},
    ball=_ball, rising=True, floats=_floats, bound=lambda m, parameters: m + ceil(1 / parameters["alpha"]), nested=True,
    far="ramp",
    jet=_jet,
)  # fmt: skip
