"""Floor 1: mish, t tanh(ln(1 + e^t)), by its formula."""

from fractions import Fraction

from exactcnn.activations.entry import COMPOSITION, Builtin, dipping, growth

ENTRY = Builtin(
    "mish", "other", "t*tanh(log(1 + exp(t)))",
    lambda _: dipping(
        growth(1, Fraction(1, 2), 1, 1),
        real_analytic=f"{COMPOSITION}: 1 + e^t is at least 1 on R, and tanh is analytic there.",
        limit_minus="|sigma(t)| <= e^(t/2) for t < 0.",
        limit_plus="tanh(ln(1 + e^t)) >= tanh(ln 2) = 3/5 for t >= 0.",
        growth="With s = -t > 0, tanh(ln(1 + e^-s)) <= ln(1 + e^-s) <= e^-s, so |sigma| <= s e^-s <= e^(-s/2), as "
        "s e^(-s/2) <= 2/e < 1; and 0 <= sigma(t) <= t for t >= 0.",
    ),
    by_formula=True,
)  # fmt: skip
