"""Floor 1: square, t^2."""

from fractions import Fraction
from typing import Any

from exactcnn.activations.balls import integer_power
from exactcnn.activations.entry import LEFT, UP, Builtin, Parameters, smooth
from exactcnn.activations.jets import Functions, Jet


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    two = f.number(Fraction(2))
    return t * t, two * t, two


ENTRY = Builtin(
    "square", "rational", "t**2",
    lambda _: smooth(
        UP, UP, None, increasing=False, nowhere_zero=False,
        real_analytic="A polynomial.",
        strictly_monotone="(-1)^2 = 1^2.",
        derivative_nowhere_zero="2 t vanishes at 0.",
        limit_minus="t^2 >= |t| for |t| >= 1.",
        limit_plus="t^2 >= |t| for |t| >= 1.",
        growth=f"{LEFT} is unbounded there.",
    ),
    value=lambda t, _: t * t, ball=lambda x, _: integer_power(x, 2), degree=2, bound=lambda m, _: m * m,
    steps=(Fraction(1), Fraction(2), Fraction(1), Fraction(4)), base=(Fraction(1), Fraction(1)),
    jet=_jet,
)  # fmt: skip
