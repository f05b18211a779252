"""Floor 4: `lifted-rank`: has U_k full rank at the given weights?  (A clause of S_k and of Theorem 3.4.)"""

from __future__ import annotations

from exactcnn.errors import MisuseError
from exactcnn.features.instance import Instance
from exactcnn.features.lifted_rank import LiftedRank, lifted_rank
from exactcnn.statements.finding import PROVED, REFUTED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_lifted_rank", "lifted_rank_finding"]


@statement(
    "lifted-rank",
    group="expressivity",
    title="Full rank of a weight matrix",
    meaning="U_k has full rank at the given weights (convolutional and dense layers)",
    words="The matrix of {at} {weights} has full rank.",
    formula="rank U_k = min ( n_k-1 , n_k )",
    how="a minor that is not 0 mod a prime; refuted by kernel vectors",
    checked="recomputed, multiplied out",
    needs=("weights",),
    graphs=True,
    tied=True,
)
def decide_lifted_rank(instance: Instance, ask: Ask) -> list[Finding]:
    """One finding for each convolutional or dense layer (or for ``layer`` alone)."""
    layer = ask.layer
    chosen = [
        entry.index
        for entry in instance.network.layers
        if entry.affine and (layer is None or entry.index == layer)
    ]
    if not chosen and layer is not None:
        raise MisuseError(
            "layer", "a convolutional or dense layer", f"{instance.network.layer(layer).kind} layer {layer}"
        )
    if not chosen:
        reason = "It speaks of convolutional and dense layers and the network has none."
        return [Finding("lifted-rank", PROVED, reason, {"layers": []})]
    return [lifted_rank_finding(instance, k) for k in chosen]


def lifted_rank_finding(instance: Instance, k: int) -> Finding:
    """Is rank U_k = min(n_{k-1}, n_k) at the instance's weights?"""
    found = lifted_rank(instance, k)
    summary = {
        "layer": k,
        "rows": found.rows,
        "columns": found.columns,
        "full": found.full,
        "lower": found.lower,
        "upper": found.upper,
    }
    return Finding("lifted-rank", found.verdict, _reason(found), summary, found, k)


def _reason(found: LiftedRank) -> str:
    size = f"U_{found.layer} ({found.rows} x {found.columns})"
    if found.verdict == PROVED:
        return f"{size} has full rank {found.full} at the given weights."
    if found.verdict == REFUTED:
        assert found.kernel is not None
        exact = f"rank {found.upper}" if found.lower == found.upper else f"rank at most {found.upper}"
        return (
            f"{size} has {exact}, less than {found.full}, at the given weights: "
            f"{len(found.kernel.vectors)} independent {found.kernel.side} kernel vectors."
        )
    return f"The rank of {size} lies between {found.lower} and {found.upper}; no kernel vectors were found."
