"""Floor 1: silu, t/(1 + e^-t).

*float64*: t s adds one rounding to sigmoid's, hence 2^-44; the derivative sigma + t sigma (1 - sigma) is below 9/8.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.balls import hull
from exactcnn.activations.builtin import sigmoid
from exactcnn.activations.entry import COMPOSITION, Builtin, Exponents, Formal, Parameters, dipping, growth
from exactcnn.activations.jets import Functions, Jet


def _ball(t: Any, values: Any) -> Any:
    return t * hull(sigmoid.ball, t, values)


def _floats(t: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
    mid = t * sigmoid.floats(t)[0]
    return mid, np.abs(mid) * 2.0**-44 + np.abs(t) * 2.0**-1000


def _image(x: Exponents, _: object) -> np.ndarray:
    found: np.ndarray = x.exactly()[1] * sigmoid.image(x) % x.prime
    return found


def _formal(n: int, D: int, _: Parameters) -> Formal:
    slope = Fraction(abs(n), D)
    return (Fraction(0) if n >= 0 else -slope), abs(n), slope


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    s, d, e = f.logistic(t)
    return t * s, s + t * d, d * (f.number(Fraction(2)) + t * e)


ENTRY = Builtin(
    "silu", "exponential", "t/(1 + exp(-t))",
    lambda _: dipping(
        growth(1, Fraction(1, 2), 1, 1),
        real_analytic=f"{COMPOSITION}: 1 + e^-t is entire and at least 1 on R.",
        limit_minus="|sigma(t)| <= e^(t/2) for t < 0.",
        limit_plus="sigma(t) >= t/2 for t >= 0.",
        growth="With s = -t > 0, |sigma| = s/(1 + e^s) <= s e^-s <= e^(-s/2), as s e^(-s/2) <= 2/e < 1; "
        "and 0 <= sigma(t) <= t for t >= 0.",
    ),
    ball=_ball, floats=_floats, steepest=lambda _: 1.125, image=_image, exponents_only=False, formal=_formal,
    bound=lambda m, _: m, far="ramp", steepness=1,
    jet=_jet,
)  # fmt: skip
