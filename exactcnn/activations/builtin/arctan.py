"""Floor 1: arctan.

*float64*: ``arctan`` of ``arithmetic.elementary`` has a relative error below 2^-45.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.entry import LEFT, Builtin, Parameters, smooth
from exactcnn.activations.jets import Functions, Jet
from exactcnn.activations.properties import Limit
from exactcnn.arithmetic.elementary import arctan


def _floats(t: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
    mid = np.copysign(arctan(np.abs(t)), t)
    return mid, np.abs(mid) * 2.0**-45


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    angle, r = f.arctan(t)
    return angle, r, -(f.number(Fraction(2)) * t) * (r * r)


ENTRY = Builtin(
    "arctan", "other", "atan(t)",
    lambda _: smooth(
        Limit.finite("-pi/2"), Limit.finite("pi/2"), None, increasing=True, nowhere_zero=True,
        real_analytic="A primitive of an analytic function is analytic, and 1/(1 + t^2) is analytic on R.",
        strictly_monotone="The derivative 1/(1 + t^2) is positive.",
        limit_minus="arctan is the inverse of tan on (-pi/2, pi/2).",
        limit_plus="arctan is the inverse of tan on (-pi/2, pi/2).",
        growth=f"{LEFT} tends to -pi/2.",
    ),
    ball=lambda x, _: x.atan(), rising=True, floats=_floats, bound=lambda m, _: 2,
    jet=_jet,
)  # fmt: skip
