"""Floor 1: sigmoid, 1/(1 + e^-t).

*float64*: with E = e^-|t| from ``decaying`` (relative error 2^-47), 1/(1 + E) and E/(1 + E) have relative errors below
2^-45; the derivative is at most 1/4.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.entry import (
    COMPOSITION,
    ONE,
    ZERO,
    Builtin,
    Exponents,
    Formal,
    Parameters,
    growth,
    smooth,
)
from exactcnn.activations.jets import Functions, Jet
from exactcnn.arithmetic import modular
from exactcnn.arithmetic.exponentials import decaying
from exactcnn.errors import UndecidedError


def ball(x: Any, _: object = None) -> Any:
    """At an exact x; written with e^x of a non-positive x, so that nothing overflows."""
    if x < 0:
        e = x.exp()
        return e / (1 + e)
    return 1 / (1 + (-x).exp())


def floats(t: np.ndarray, _: object = None) -> tuple[np.ndarray, np.ndarray]:
    E = decaying(np.abs(t))
    mid = np.where(t >= 0, 1.0, E) / (1.0 + E)
    return mid, mid * 2.0**-45


def image(x: Exponents, _: object = None) -> np.ndarray:
    """u^n / (1 + u^n); UndecidedError at a pole."""
    found = modular.logistic(x.root, x.n, x.prime)
    if found is None:
        raise UndecidedError(f"u -> {x.root} meets a pole in GF({x.prime})")
    return found


def formal(n: int, D: int, _: Parameters) -> Formal:
    """sigma(-t) = 1 - sigma(t), and sigma(0) = 1/2."""
    if n == 0:
        return Fraction(1, 2), 0, Fraction(0)
    return (Fraction(0), n, Fraction(1)) if n > 0 else (Fraction(1), -n, Fraction(-1))


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    s, d, e = f.logistic(t)
    return s, d, d * e


ENTRY = Builtin(
    "sigmoid", "exponential", "1/(1 + exp(-t))",
    lambda _: smooth(
        ZERO, ONE, growth(1, 1, 1, 1), increasing=True, nowhere_zero=True,
        real_analytic=f"{COMPOSITION}: 1 + e^-t is entire and at least 1 on R.",
        strictly_monotone="The derivative sigma (1 - sigma) is positive, as 0 < sigma < 1.",
        limit_minus="1 + e^-t tends to +infinity.",
        limit_plus="1 + e^-t tends to 1.",
        growth="1/(1 + e^-t) <= 1/e^-t = e^t for t < 0, and it is at most 1 for t >= 0.",
    ),
    ball=ball, rising=True, floats=floats, steepest=lambda _: 0.25, image=image, formal=formal, bound=lambda m, _: 1,
    reflected=Fraction(1), nested=True, far="step", steepness=1,
    steps=(Fraction(0), Fraction(1), Fraction(1, 2), Fraction(2, 3)), unit=Fraction(1),
    base=(Fraction(0), Fraction(1, 2)),
    jet=_jet,
)  # fmt: skip
