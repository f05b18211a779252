"""Floor 1: gaussian, e^(-t^2).

*float64* (u = 2^-53): e^-s with s = fl(t^2) is off by 2^-47 e^-s (``decaying``) and by s e^-s u < u.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.balls import integer_power
from exactcnn.activations.entry import ZERO, Builtin, Exponents, Parameters, growth, smooth
from exactcnn.activations.jets import Functions, Jet
from exactcnn.arithmetic import modular
from exactcnn.arithmetic.exponentials import decaying


def _floats(t: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
    E = decaying(t * t)
    return E, E * 2.0**-46 + 2.0**-52


def _image(x: Exponents, _: object) -> np.ndarray:
    n = x.n % (x.prime - 1)
    return modular.powers(x.root, -(n * n % (x.prime - 1)), x.prime)


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    v, two, four = f.bell(t), f.number(Fraction(2)), f.number(Fraction(4))
    return v, -(two * t) * v, (four * (t * t) - two) * v


ENTRY = Builtin(
    "gaussian", "exponential", "exp(-t**2)",
    lambda _: smooth(
        ZERO, ZERO, growth(2, 1, 1, 1), increasing=False, nowhere_zero=False,
        real_analytic="exp and -t^2 are entire.",
        strictly_monotone="It is even.",
        derivative_nowhere_zero="-2 t e^(-t^2) vanishes at 0.",
        limit_minus="-t^2 tends to -infinity.",
        limit_plus="-t^2 tends to -infinity.",
        growth="e^(-t^2) <= 2 e^t for t < 0, as -t^2 - t <= 1/4 < ln 2; and it is at most 1 for t >= 0.",
    ),
    ball=lambda t, _: (-integer_power(t, 2)).exp(), floats=_floats, image=_image,
    formal=lambda n, D, _: (Fraction(0), abs(n), Fraction(1)), bound=lambda m, _: 1, steepness=1,
    jet=_jet,
)  # fmt: skip
