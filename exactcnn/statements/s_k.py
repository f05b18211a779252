"""Floor 4: `s-k`: do the given weights lie in S_k = {rank F_k = N and U_l of full rank for l = k+2..L}?"""

from __future__ import annotations

from exactcnn.features.instance import Instance
from exactcnn.statements.at_point import membership_parts
from exactcnn.statements.composite import Composite
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding, worst_verdict
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_s_k"]


@statement(
    "s-k",
    group="landscape",
    title="Membership of S_k",
    meaning="the given weights lie in S_k",
    words=(
        "With {there} the features are independent at {at}, and the weight matrices from the second layer "
        "above it have full rank."
    ),
    formula="W in S_k",
    how="rank F_k = N and full rank of U_{k+2}..U_L at these weights",
    checked="part by part",
    needs=("samples", "weights"),
    wide=True,
    tied=True,
)
def decide_s_k(instance: Instance, ask: Ask) -> Finding:
    """Is rank F_k = N and U_{k+2}..U_L of full rank at the given weights?"""
    k = ask.k
    network, N = instance.network, instance.N
    above = network.layers[k + 1 :]
    summary: dict[str, object] = {"layer": k, "samples": N, "width": network.layer(k).width}
    pooling = [layer.index for layer in above if layer.kind == "maxpool"]
    if pooling:
        reason = f"S_{k} is not defined: layer {pooling[0]} above layer {k + 1} is max-pooling and has no U."
        return Finding("s-k", UNDECIDED, reason, summary, None, k)
    listed, weights = membership_parts(instance, ask)
    parts = list(listed)
    verdict = worst_verdict(parts)
    summary["parts"] = [{"statement": p.statement, "layer": p.layer, "verdict": p.verdict} for p in parts]
    chosen = parts if verdict == PROVED else [part for part in parts if part.verdict == REFUTED][:1]
    # FORMAT.md's s-k speaks of rational weights: with a stand-in for some U_l there is nothing to certify.
    certified = verdict != UNDECIDED and weights is None
    evidence = None if not certified else Composite(k, N, network.layer(k).width, tuple(chosen))
    if verdict == PROVED:
        names = "".join(f", U_{layer.index}" for layer in above)
        full = f" and {names[2:]} of full rank" if names else ""
        return Finding("s-k", PROVED, f"In S_{k}: rank F_{k} = N = {N}{full}.", summary, evidence, k)
    decisive = next(part for part in parts if part.verdict == verdict)
    narrow = network.layer(k).width < N
    lead = f"Not in S_{k}" if verdict == REFUTED else f"Membership of S_{k} is undecided"
    if narrow:
        lead = f"S_{k} is empty, as n_{k} = {network.layer(k).width} < N = {N}"
    return Finding("s-k", verdict, f"{lead}: {decisive.reason}", summary, evidence, k)
