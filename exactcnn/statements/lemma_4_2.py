"""Floor 4: Lemma 4.2: the complement of S_k has measure zero, on this network and data.

S_k = {rank F_k = N and U_l of full rank for l = k+2..L}.  It is the conjunction of "rank F_k = N
for almost every parameter" and Lemma 2.5 for every convolutional layer among k+2..L (a fully
connected one has U = W, of full rank almost always).  Where Assumption 2.4 fails for one of them S_k
is empty: the finding names the layer (theory 3.1).
"""

from __future__ import annotations

from exactcnn.features.instance import Instance
from exactcnn.statements.assumption_2_4 import decide_lemma_2_5
from exactcnn.statements.composite import Composite
from exactcnn.statements.extension_a import features_almost_everywhere
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding, worst_verdict
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_lemma_4_2"]


@statement(
    "lemma-4.2",
    group="landscape",
    title="Lemma 4.2: almost all parameters are good",
    meaning="the complement of S_k (rank F_k = N, U_l of full rank for l >= k+2) has measure zero",
    words=(
        "Almost all parameters lie in S_k: independent features at {at}, full-rank weight matrices from "
        "the second layer above it."
    ),
    formula="lambda ( R^d - S_k ) = 0",
    how=(
        "`theorem-3.5` or `extension-a` for F_k, `lemma-2.5` for each U_l; *refuted* names the layer that "
        "fails"
    ),
    checked="part by part",
    needs=("samples",),
    wide=True,
)
def decide_lemma_4_2(instance: Instance, ask: Ask) -> Finding:
    """Does S_k contain almost every parameter?"""
    k = ask.k
    network, N = instance.network, instance.N
    width = network.layer(k).width
    above = network.layers[k + 1 :]
    summary: dict[str, object] = {"layer": k, "samples": N, "width": width, "parts": []}

    def finding(verdict: str, reason: str, parts: list[Finding]) -> Finding:
        listed = [{"statement": p.statement, "layer": p.layer, "verdict": p.verdict} for p in parts]
        evidence = Composite(k, N, width, tuple(parts)) if parts and verdict != UNDECIDED else None
        return Finding("lemma-4.2", verdict, reason, {**summary, "parts": listed}, evidence, k)

    pooling = [layer.index for layer in above if layer.kind == "maxpool"]
    if pooling:
        reason = f"S_{k} is not defined: layer {pooling[0]} above layer {k + 1} is max-pooling and has no U."
        return finding(UNDECIDED, reason, [])
    lifted = [
        part
        for layer in above
        if layer.kind == "conv"
        for part in decide_lemma_2_5(instance, ask.at(layer.index))
    ]
    failing = [part for part in lifted if part.verdict == REFUTED]
    if failing:
        reason = f"S_{k} is empty: {failing[0].reason} (Assumption 2.4 fails for layer {failing[0].layer}.)"
        return finding(REFUTED, reason, failing[:1])
    features = features_almost_everywhere(instance, ask)
    if features.verdict == REFUTED:
        return finding(REFUTED, f"S_{k} misses a set of positive measure: {features.reason}", [features])
    parts = [features, *lifted]
    verdict = worst_verdict(parts)
    if verdict == UNDECIDED:
        open_parts = "; ".join(part.reason for part in parts if part.verdict == UNDECIDED)
        return finding(UNDECIDED, f"Not decided: {open_parts}", parts)
    also = "".join(f", U_{part.layer} has full rank almost always" for part in lifted)
    dense = [layer.index for layer in above if layer.kind == "dense"]
    if dense:
        also += (
            f", U_{dense[0]}{f'..U_{dense[-1]}' if len(dense) > 1 else ''} = W of fully connected layers too"
        )
    reason = f"The complement of S_{k} has measure zero: {features.reason.rstrip('.')}{also}."
    return finding(PROVED, reason, parts)
