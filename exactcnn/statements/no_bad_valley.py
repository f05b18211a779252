"""Floor 4: `no-bad-valley`: the loss landscape has no bad valleys (after Nguyen, Mukkamala & Hein, arXiv 1809.10749).

Let the output be dense and linear on layer k: F_L = F_k V + 1 b^T, V its own.  If rank F_k = N for almost every parameter
below, every connected component of every strict sublevel set {Phi < a} of any real-valued convex loss of the outputs comes as close to
the least loss as the outputs can: the component is open, so it holds a point with rank F_k = N; there V alone reaches any
outputs Z with a loss below a, and along the segment to them the outputs move on a straight line, on which a convex loss
stays below a (FORMAT.md, Lemma 24).  With skip connections the output reads a concatenation, wider than any layer.

Where rank F_k < N nothing is refuted: the landscape may be good for other reasons.
"""

from __future__ import annotations

from exactcnn.features.instance import Instance
from exactcnn.statements.composite import Composite
from exactcnn.statements.extension_a import features_almost_everywhere
from exactcnn.statements.finding import PROVED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_no_bad_valley"]


@statement(
    "no-bad-valley",
    group="expressivity",
    title="No bad valleys",
    meaning=(
        "every component of a strict sublevel set of any real-valued convex loss comes as close to the least loss as "
        "the outputs can"
    ),
    words=(
        "Wherever the loss is below a bound, a path on which it stays below leads as close to the least "
        "loss as any outputs come: features at {at} are independent for almost all parameters, and the "
        "output is linear on them."
    ),
    formula="for all a, every component C of { Phi < a } : inf_C Phi = inf Phi",
    how="`theorem-3.5` or `extension-a` for the layer (or concatenation) that a dense linear output reads",
    checked="part by part",
    needs=("samples",),
    graphs=True,
)
def decide_no_bad_valley(instance: Instance, ask: Ask) -> Finding:
    """Is rank F_k = N for almost every parameter, k the layer that a dense linear output reads?"""
    network = instance.network
    last, k = network.layers[-1], network.layers[-1].sources[0]
    if not network.has_linear_output or k == 0:
        reason = f"It speaks of a dense linear output on other layers, and the output is {last}."
        return Finding("no-bad-valley", UNDECIDED, reason, {"layer": k, "parts": []}, layer=k or None)
    part = features_almost_everywhere(instance, ask.at(k))
    summary = {"layer": k, "parts": [{"statement": part.statement, "layer": k, "verdict": part.verdict}]}
    if part.verdict != PROVED:
        return Finding("no-bad-valley", UNDECIDED, f"Not decided: {part.reason}", summary, layer=k)
    reason = (
        f"No bad valleys and no bad strict local minima, for any real-valued convex loss of the outputs: {part.reason[:-1]}, and "
        f"layer {last.index} reaches every output from there along a path on which the loss stays below its bound."
    )
    return Finding(
        "no-bad-valley", PROVED, reason, summary, Composite(k, instance.N, network.layer(k).width, (part,)), k
    )
