"""Floor 1: relu, max(t, 0)."""

from fractions import Fraction
from typing import Any

from exactcnn.activations.balls import positive_part
from exactcnn.activations.entry import ZERO, Builtin, Parameters, growth, piecewise
from exactcnn.activations.jets import Functions, Jet


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    zero, one = f.number(Fraction(0)), f.number(Fraction(1))
    return f.pieces(t, lambda: (t, one, zero), lambda: (zero, zero, zero))


ENTRY = Builtin(
    "relu", "rational", "Max(t, 0)",
    lambda _: piecewise(
        ZERO, growth(1, 1, 1, 1), increasing=False, smooth=False,
        strictly_monotone="It is 0 on all of t <= 0.",
        differentiable="At 0 the one-sided derivatives are 0 and 1.",
        limit_minus="sigma(t) = 0 for t <= 0.",
        growth="It is 0 for t < 0 and t <= t + 1 for t >= 0.",
    ),
    value=lambda t, _: max(t, Fraction(0)), ball=lambda x, _: positive_part(x), rising=True,
    slope=lambda _: Fraction(0), degree=1, bound=lambda m, _: m, steepness=1, base=(Fraction(1), Fraction(1)),
    jet=_jet,
)  # fmt: skip
