"""Floor 1: gelu, t Phi(t).

*float64*: ``normal_tail`` gives Phi(-|t|) with an absolute error below 2^-45 for |t| <= 9; beyond, the value 0 is off by
less than e^-40.5 / (9 sqrt(2 pi)) < 2^-62.  Either way gelu is off by at most |t| 2^-45 + 2^-51 |result|.  Its slope is
below 1.13.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.entry import COMPOSITION, Builtin, Parameters, dipping, growth
from exactcnn.activations.jets import Functions, Jet
from exactcnn.arithmetic.elementary import normal_tail

_FAR = 9.0


def _ball(t: Any, _: object) -> Any:
    """Phi(t) = erfc(-t / sqrt 2) / 2 is increasing."""
    root = type(t)(2).sqrt()
    low, high = ((-x / root).erfc() / 2 for x in (t.lower(), t.upper()))
    return t * low.union(high)


def _floats(t: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
    a = np.abs(t)
    below = np.where(a > _FAR, 0.0, normal_tail(np.minimum(a, _FAR)))
    mid = t * np.where(t >= 0, 1.0 - below, below)
    return mid, a * 2.0**-45 + 2.0**-51 * np.abs(mid)


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    big, small = f.normal(t)
    return t * big, big + t * small, small * (f.number(Fraction(2)) - t * t)


ENTRY = Builtin(
    "gelu", "other", "t*(1 + erf(t/sqrt(2)))/2",
    lambda _: dipping(
        growth(2, 1, 1, 1),
        real_analytic=f"{COMPOSITION}: erf, hence Phi, is entire.",
        limit_minus="|sigma(t)| <= 2 e^t for t < 0.",
        limit_plus="Phi(t) >= 1/2 for t >= 0, so sigma(t) >= t/2.",
        growth="With s = -t > 0, Phi(-s) <= e^(-s^2/2)/2, so |sigma| <= (s/2) e^(-s^2/2) <= 2 e^-s, as "
        "(s/2) e^(s - s^2/2) is largest at s = (1 + sqrt 5)/2, where it is below 2; and 0 <= Phi <= 1.",
    ),
    ball=_ball, floats=_floats, steepest=lambda _: 1.13, bound=lambda m, _: m, far="ramp",
    jet=_jet,
)  # fmt: skip
