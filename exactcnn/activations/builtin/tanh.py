"""Floor 1: tanh, 2 sigmoid(2t) - 1.

*float64*: (1 - q)/(1 + q), q = e^-2|t| <= 1 from ``decaying``, has an absolute error below 2^-45.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.builtin import sigmoid
from exactcnn.activations.entry import COMPOSITION, LEFT, ONE, Builtin, Exponents, Formal, Parameters, smooth
from exactcnn.activations.jets import Functions, Jet
from exactcnn.activations.properties import Limit
from exactcnn.arithmetic.exponentials import decaying


def _floats(t: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
    q = decaying(2.0 * np.abs(t))
    return np.copysign((1.0 - q) / (1.0 + q), t), np.full_like(t, 2.0**-45)


def _image(x: Exponents, _: object) -> np.ndarray:
    found: np.ndarray = (2 * sigmoid.image(replace(x, n=2 * x.n)) - 1) % x.prime
    return found


def _formal(n: int, D: int, _: Parameters) -> Formal:
    return Fraction(0), abs(n), Fraction((n > 0) - (n < 0))


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    _, d, e = f.logistic(f.number(Fraction(2)) * t)
    return -e, f.number(Fraction(4)) * d, f.number(Fraction(8)) * (d * e)


ENTRY = Builtin(
    "tanh", "exponential", "tanh(t)",
    lambda _: smooth(
        Limit.finite("-1"), ONE, None, increasing=True, nowhere_zero=True,
        real_analytic=f"{COMPOSITION}: e^2t + 1 is entire and at least 1 on R.",
        strictly_monotone="The derivative 1/cosh^2 is positive.",
        limit_minus="(e^2t - 1)/(e^2t + 1) with e^2t tending to 0.",
        limit_plus="tanh is odd, and its limit at -infinity is -1.",
        growth=f"{LEFT} tends to -1.",
    ),
    ball=lambda x, _: x.tanh(), rising=True, floats=_floats, image=_image, formal=_formal, bound=lambda m, _: 1,
    reflected=Fraction(0), nested=True,
    steps=(Fraction(0), Fraction(1), Fraction(0), Fraction(1, 3)),  # tanh((ln 2)/2) = (2 - 1)/(2 + 1)
    unit=Fraction(1, 2), base=(Fraction(0), Fraction(0)),
    jet=_jet,
)  # fmt: skip
