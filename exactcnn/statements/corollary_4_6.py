"""Floor 4: `corollary-4.6`: fully connected networks, pairwise different samples.

Under Assumption 4.1 at layer k every critical point in S_k is a global minimum with Phi = 0, and infinitely many
such points exist.  It is Theorem 4.5 where every layer is dense; Assumption 3.1 then just says that the x_i are
different.  Like 4.5 it needs more than the paper asks: sigma_l' without zeros for l = k+1..L-1 (theory 3.6).

* All hypotheses hold: proved, by the theorem, whatever the weights.
* Otherwise, at the given weights (if there are any, and they are in S_k): proved or refuted *at this point*, with
  the hypotheses that are missing.
The certificate, where there is one, is about the point.
"""

from __future__ import annotations

from dataclasses import replace

from exactcnn.activations import decide_assumption_3_2
from exactcnn.data.samples import Samples
from exactcnn.errors import MalformedError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import targets_of
from exactcnn.statements.at_point import hypotheses_above, setting
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding, all_of
from exactcnn.statements.statement import Ask, statement
from exactcnn.statements.theorem_4_5 import critical_implies_zero

__all__ = ["decide_corollary_4_6"]


@statement(
    "corollary-4.6",
    group="landscape",
    title="Corollary 4.6: the same for fully connected networks",
    meaning="fully connected network, different samples: every critical point in S_k has zero loss",
    how="all hypotheses decided, and the conclusion at the given point where it lies in S_k",
    checked="the point as for theorem-4.4 (the hypotheses alone are not certified)",
    needs=("samples",),
    wide=True,
)
def decide_corollary_4_6(instance: Instance, ask: Ask) -> Finding:
    """Do the hypotheses hold at layer k, and what about the given point?"""
    k = ask.k
    network = instance.network
    if k >= network.depth:
        reason = f"It speaks of layer k + 1, and layer {k} is the last one."
        return Finding("corollary-4.6", UNDECIDED, reason, {"layer": k}, None, k)
    hypotheses = _hypotheses(instance, k)
    at = _at_point(instance, ask, hypotheses)
    if all(value is True for value in hypotheses.values()):
        reason = f"All hypotheses hold with k = {k}: every critical point in S_{k} has zero loss"
        # Their existence (Theorems 3.4 and 4.5) is proved for layers with biases, as in the paper.
        biased = all(layer.bias != "none" for layer in network.layers)
        reason += ", and there are infinitely many of them." if biased else "."
        if at is None:
            return Finding("corollary-4.6", PROVED, reason, {"layer": k, "hypotheses": hypotheses}, None, k)
        if at.verdict != PROVED:
            return at  # an internal contradiction, which says so
        return replace(at, reason=f"{reason} {at.reason}")
    if at is not None:
        return at
    unmet = [name for name, value in hypotheses.items() if value is not True]
    reason = f"It does not apply with k = {k}: {', '.join(unmet)} {'fail' if len(unmet) > 1 else 'fails'}"
    reason += " or is undecided." if any(value is None for value in hypotheses.values()) else "."
    return Finding("corollary-4.6", UNDECIDED, reason, {"layer": k, "hypotheses": hypotheses}, None, k)


def _hypotheses(instance: Instance, k: int) -> dict[str, bool | None]:
    network = instance.network
    hidden = [layer.activation for layer in network.layers[:-1] if layer.activation is not None]
    decided = [decide_assumption_3_2(activation.properties).verdict for activation in hidden]
    return {
        "fully-connected": all(layer.kind == "dense" for layer in network.layers),
        "distinct-samples": _distinct(instance.need_samples()),
        "wide": network.layer(k).width >= instance.N,
        "hidden-3.2": all_of({PROVED: True, REFUTED: False}.get(verdict) for verdict in decided),
        **hypotheses_above(instance, k),
    }


def _distinct(samples: Samples) -> bool:
    """Are the rows of X pairwise different?"""
    rows = samples.x.numerators.tolist()
    return len(set(map(tuple, rows))) == len(rows)


def _at_point(instance: Instance, ask: Ask, hypotheses: dict[str, bool | None]) -> Finding | None:
    """The conclusion at the given weights, None where there are none in S_k with exact loss and gradient."""
    if instance.weights is None:
        return None
    try:
        targets_of(instance)
        found = setting(instance, ask, exact_only=True)
    except (MalformedError, UndecidedError):
        return None
    if found.undecisive is not None or found.surface is None:
        return None
    return critical_implies_zero("corollary-4.6", instance, ask.k, replace(found, hypotheses=hypotheses))
