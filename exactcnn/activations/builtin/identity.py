"""Floor 1: identity, t."""

from fractions import Fraction

from exactcnn.activations.entry import DOWN, LEFT, UP, Builtin, smooth

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
)  # fmt: skip
