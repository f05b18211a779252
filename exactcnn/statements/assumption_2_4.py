"""Floor 4: Assumption 2.4 (some W_k makes U_k full rank) and Lemma 2.5 (then almost every).

Both are decided by the generic rank of U_k: a minor of U_k is a polynomial in W_k, and the
zero set of a polynomial that is not 0 has measure zero.  So for a given structure the two
hold or fail together; where they fail U_k is rank-deficient for *every* W_k.
"""

from __future__ import annotations

from exactcnn.features.generic_bounds import Cover, Determinantal
from exactcnn.features.generic_rank import GenericRank, generic_rank
from exactcnn.features.instance import Instance
from exactcnn.statements.finding import PROVED, REFUTED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_assumption_2_4", "decide_lemma_2_5"]


@statement(
    "assumption-2.4",
    group="hypotheses",
    title="Assumption 2.4: full-rank filters exist",
    meaning="some filters make the lifted matrix U_k full rank (convolutional layers)",
    words="For some choice of its filters the matrix of {at} has full rank.",
    formula="max rank U_k = min ( n_k-1 , n_k )",
    how=(
        "a non-zero minor at random filters mod p; *refuted*: no filters do (it happens: 28 x 28 images, "
        "two 3 x 3 filters: rank 776 of 784): polynomial kernel vectors, a line cover, or a determinantal "
        "identity"
    ),
    checked="recomputed; refuted: multiplied out, or rule with proof",
    graphs=True,
)
def decide_assumption_2_4(instance: Instance, ask: Ask) -> list[Finding]:
    """One finding for each convolutional layer (or for ``layer`` alone)."""
    return _decide(instance, ask.layer, "assumption-2.4")


@statement(
    "lemma-2.5",
    group="hypotheses",
    title="Lemma 2.5: almost all filters have full rank",
    meaning="almost all filters make U_k full rank (convolutional layers)",
    words="For almost every choice of its filters the matrix of {at} has full rank.",
    formula="rank U_k = min ( n_k-1 , n_k )",
    how="as for assumption-2.4: a minor is a polynomial in the filters, zero at almost no filters or at all",
    checked="as for assumption-2.4",
    graphs=True,
)
def decide_lemma_2_5(instance: Instance, ask: Ask) -> list[Finding]:
    """One finding for each convolutional layer: is U_k full rank for almost every W_k?"""
    return _decide(instance, ask.layer, "lemma-2.5")


def _decide(instance: Instance, layer: int | None, statement: str) -> list[Finding]:
    chosen = [
        entry
        for entry in instance.network.layers
        if entry.kind == "conv" and (layer is None or entry.index == layer)
    ]
    if not chosen:
        where = "the network" if layer is None else f"layer {layer}"
        return [
            Finding(
                statement,
                PROVED,
                f"It speaks of convolutional layers and {where} has none (fully connected: U = W).",
                {"layers": []},
                layer=layer,
            )
        ]
    findings = []
    for entry in chosen:
        found = generic_rank(entry)
        findings.append(
            Finding(statement, found.verdict, _reason(found, statement), _summary(found), found, entry.index)
        )
    return findings


def _reason(found: GenericRank, statement: str) -> str:
    size = f"U_{found.layer} ({found.rows} x {found.columns})"
    if found.verdict == PROVED:
        every = "for almost every" if statement == "lemma-2.5" else "for some (hence almost every)"
        return f"{size} has full rank {found.full} {every} W_{found.layer}."
    if found.verdict == REFUTED:
        exact = f"rank {found.upper}" if found.lower == found.upper else f"rank at most {found.upper}"
        often = "for almost every" if found.lower == found.upper else "for every"
        return (
            f"{size} has {exact} {often} W_{found.layer} and never more: it is never of full rank "
            f"{found.full}, by {_how(found)}."
        )
    return (
        f"The generic rank of {size} lies between {found.lower} and {found.upper}; no upper bound found "
        "meets the lower one."
    )


def _how(found: GenericRank) -> str:
    if isinstance(found.bound, Determinantal):
        return f"{found.bound.shifts} shifts of the filters' signed minors in its kernel"
    if isinstance(found.bound, Cover):
        return f"{found.bound.upper_bound} lines that cover all its non-zero places"
    return "kernel vectors with polynomial entries"


def _summary(found: GenericRank) -> dict[str, object]:
    kind = None
    if isinstance(found.bound, Determinantal):
        kind = "determinantal"
    elif isinstance(found.bound, Cover):
        kind = "cover"
    elif found.bound is not None:
        kind = "polynomial-kernel"
    return {
        "layer": found.layer,
        "rows": found.rows,
        "columns": found.columns,
        "full": found.full,
        "lower": found.lower,
        "upper": found.upper,
        "upper_rule": kind,
    }
