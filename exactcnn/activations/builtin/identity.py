"""Floor 1: identity, t."""

from fractions import Fraction
from typing import Any

from exactcnn.activations.entry import DOWN, LEFT, UP, Builtin, Parameters, smooth
from exactcnn.activations.jets import Functions, Jet


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    return t, f.number(Fraction(1)), f.number(Fraction(0))


ENTRY = Builtin(
    "identity", "rational", "t",
    lambda _: smooth(
        DOWN, UP, None, increasing=True, nowhere_zero=True,
        real_analytic="A polynomial.",
        strictly_monotone="The derivative 1 is positive.",
        limit_minus="sigma(t) = t.",
        limit_plus="sigma(t) = t.",
        growth=f"{LEFT} is unbounded there.",
    ),
    value=lambda t, _: t, ball=lambda x, _: x, rising=True, degree=1, bound=lambda m, _: m,
    base=(Fraction(0), Fraction(0)),
    jet=_jet,
)  # fmt: skip
