"""Floor 1: leaky_relu, max(t, slope t) with 0 < slope < 1."""

from fractions import Fraction
from typing import Any

from exactcnn.activations.entry import DOWN, LEFT, Builtin, Parameters, piecewise
from exactcnn.activations.jets import Functions, Jet


def _jet(f: Functions, t: Any, parameters: Parameters) -> Jet:
    zero, one, slope = f.number(Fraction(0)), f.number(Fraction(1)), f.number(parameters["slope"])
    return f.pieces(t, lambda: (t, one, zero), lambda: (slope * t, slope, zero))


ENTRY = Builtin(
    "leaky_relu", "rational", "Max(t, slope*t)",
    lambda _: piecewise(
        DOWN, None, increasing=True, smooth=False,
        strictly_monotone="Its slopes on the two sides of 0 are positive.",
        differentiable="At 0 the one-sided derivatives are the slope, which is below 1, and 1.",
        limit_minus="sigma(t) = slope t for t < 0, and the slope is positive.",
        growth=f"{LEFT} is unbounded there.",
    ),
    {"slope": Fraction(1, 100)}, below_one=True,
    value=lambda t, parameters: max(t, parameters["slope"] * t),
    ball=lambda x, values: x if x >= 0 else values["slope"] * x, rising=True,
    slope=lambda parameters: parameters["slope"], degree=1, bound=lambda m, _: m, base=(Fraction(1), Fraction(1)),
    jet=_jet,
)  # fmt: skip
