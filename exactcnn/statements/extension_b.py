"""Floor 4: Extension B (theory 3.2): with biases shared per filter, k = 1, rank F_1 = min(N, n_1) for
almost every *data set* and almost every parameter.

Witness.  Let v_t be different unit vectors without a zero coordinate, one for each filter.  Sample
(p, t) carries v_t on patch p and 0 elsewhere; the filters are the v_t themselves.  At unit (q, s) its
pre-activation <v_s, x^q> is at most |x^q| <= 1 by Cauchy-Schwarz, with equality only if patch q
contains patch p, that is q = p as patches are different sets of one size, and then only if s = t.  So
with steepness a and threshold 1 the unit (p, t) has sigma(c) there and sigma(a * negative + c)
elsewhere: as a grows, F_1 tends to sigma(c) times the identity (negated if sigma tends to 0 at
+infinity only).  A maximal minor is analytic in data and parameters together and not identically zero.
(Patches of a single neuron have only two unit vectors.  There the filters are all 1, sample (p, t) carries
t + 1 and unit (q, s) has threshold s + 1: its pre-activation is negative unless q = p and s <= t, so in the
order of t the limit is triangular with sigma(c) on the diagonal.)

Patches that see padding have fewer real neurons than others, which breaks the common threshold; the
statement is then left undecided.
"""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.features.general_position import peelable
from exactcnn.features.instance import Instance
from exactcnn.network.structure import patch_structure
from exactcnn.statements.finding import PROVED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["GenericData", "decide_extension_b"]


@dataclass(frozen=True)
class GenericData:
    """For almost every data set of ``samples`` samples rank F_1 = ``rank`` = min(N, n_1) almost always."""

    samples: int
    width: int

    @property
    def rank(self) -> int:
        return min(self.samples, self.width)


@statement(
    "extension-b",
    group="expressivity",
    title="Extension B: shared biases, almost all data",
    meaning="biases shared per filter: rank F_1 = min(N, n_1) for almost every data set and parameter",
    words=(
        "For almost every data set of {N} samples and almost every choice of the first layer's parameters "
        "its features have the largest rank possible."
    ),
    formula="rank F_1 = min ( N , n_1 )",
    how="hypotheses of its proof",
    checked="decided again",
    needs=("samples",),
)
def decide_extension_b(instance: Instance, ask: Ask) -> Finding:
    """Is rank F_1 = min(N, n_1) for almost every data set of N samples and almost every parameter?"""
    N, first = instance.N, instance.network.layer(1)
    found = GenericData(N, first.width)
    summary: dict[str, object] = {"layer": 1, "samples": N, "width": first.width, "rank": found.rank}
    hypotheses = {
        "convolutional": first.kind != "maxpool",
        "biases": first.bias != "none" if first.kind != "maxpool" else False,
        "analytic-and-3.2": first.activation is not None and peelable(first.activation),
        "patches-differ": first.kind == "dense" or not patch_structure(first).equal,
        "no-padding": bool(first.patches.real.all()),
    }
    summary["hypotheses"] = hypotheses
    failing = [key for key, value in hypotheses.items() if not value]
    if failing:
        reason = f"The proof needs hypotheses that fail here: {', '.join(failing)}."
        return Finding("extension-b", UNDECIDED, reason, summary, None, 1)
    reason = (
        f"rank F_1 = min(N, n_1) = {found.rank} for almost every data set of {N} samples and almost every "
        f"parameter of layer 1 (biases per {first.bias})."
    )
    return Finding("extension-b", PROVED, reason, summary, found, 1)
