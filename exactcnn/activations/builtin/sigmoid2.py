"""Floor 1: sigmoid2, 1/(1 + 2^-t), rational at the integers.

*float64* (u = 2^-53): s = fl(|t| fl(ln 2)) has a relative error below 2.01 u, with s <= 700: 2^-|t| has one below
2^-47 + 2.02 * 700 u < 2^-42, the result below 2^-41.  The derivative is at most (ln 2)/4 < 1/4.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.builtin import sigmoid
from exactcnn.activations.entry import COMPOSITION, ONE, ZERO, Builtin, Parameters, growth, smooth
from exactcnn.activations.jets import Functions, Jet
from exactcnn.arithmetic.exponentials import decaying

_LN_2 = float.fromhex("0x1.62e42fefa39efp-1")


def _ball(x: Any, _: object) -> Any:
    return sigmoid.ball(x * type(x)(2).log())


def _floats(t: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
    E = decaying(np.abs(t) * _LN_2)
    mid = np.where(t >= 0, 1.0, E) / (1.0 + E)
    return mid, mid * 2.0**-41


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    log = f.ln2()
    s, d, e = f.logistic(log * t)
    return s, log * d, (log * log) * (d * e)


ENTRY = Builtin(
    "sigmoid2", "other", "1/(1 + exp(-t*log(2)))",
    lambda _: smooth(
        ZERO, ONE, growth(1, Fraction(1, 2), 1, 1), increasing=True, nowhere_zero=True,
        real_analytic=f"{COMPOSITION}: 1 + 2^-t is entire and at least 1 on R.",
        strictly_monotone="The derivative ln 2 sigma (1 - sigma) is positive, as 0 < sigma < 1.",
        limit_minus="1 + 2^-t tends to +infinity.",
        limit_plus="1 + 2^-t tends to 1.",
        growth="1/(1 + 2^-t) <= 2^t <= e^(t/2) for t < 0, as ln 2 > 1/2, and it is at most 1 for t >= 0.",
    ),
    ball=_ball, rising=True, floats=_floats, steepest=lambda _: 0.25, bound=lambda m, _: 1,
    steps=(Fraction(0), Fraction(1), Fraction(1, 2), Fraction(2, 3)), base=(Fraction(0), Fraction(1, 2)),
    jet=_jet,
)  # fmt: skip
