"""Floor 4: `s-k`: do the given weights lie in S_k?  And Theorems 4.4 and 4.5 at these weights.

S_k = {rank F_k = N and U_l of full rank for l = k+2..L}.

*Theorem 4.4* at a point of S_k: Phi = 0 iff grad_{U_{k+1}} Phi = 0.  Its proof needs sigma_l' without zeros for
l = k+1..L-1 (the paper asks strictly monotone and differentiable, which is not enough, theory 3.6).
*Theorem 4.5*: if layer k+1 is fully connected, a critical point in S_k has Phi = 0.  For a convolutional
layer k+1 this fails (theory 3.4).  Both are decided *at the given point*, exactly: where hypothesis and
conclusion part, the finding names the hypothesis that is missing.
"""

from __future__ import annotations

from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Surface
from exactcnn.statements.composite import Composite
from exactcnn.statements.critical_point import exact_surface, in_words
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding, all_of, worst_verdict
from exactcnn.statements.lifted_rank import lifted_rank_finding
from exactcnn.statements.rank import decide_rank

__all__ = ["decide_s_k", "decide_theorem_4_4", "decide_theorem_4_5"]


def decide_s_k(instance: Instance, k: int) -> Finding:
    """Is rank F_k = N and U_{k+2}..U_L of full rank at the given weights?"""
    network, N = instance.network, instance.N
    above = network.layers[k + 1 :]
    summary: dict[str, object] = {"layer": k, "samples": N, "width": network.layer(k).width}
    pooling = [layer.index for layer in above if layer.kind == "maxpool"]
    if pooling:
        reason = f"S_{k} is not defined: layer {pooling[0]} above layer {k + 1} is max-pooling and has no U."
        return Finding("s-k", UNDECIDED, reason, summary, None, k)
    parts = [decide_rank(instance, k), *(lifted_rank_finding(instance, layer.index) for layer in above)]
    verdict = worst_verdict(parts)
    summary["parts"] = [{"statement": p.statement, "layer": p.layer, "verdict": p.verdict} for p in parts]
    chosen = parts if verdict == PROVED else [part for part in parts if part.verdict == REFUTED][:1]
    evidence = None if verdict == UNDECIDED else Composite(k, N, network.layer(k).width, tuple(chosen))
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


def _setting(instance: Instance, k: int) -> tuple[Finding, Surface | None, dict[str, bool | None]]:
    """Membership, the exact surface if its gradient exists, and the hypotheses on the layers above k."""
    layers = instance.network.layers
    slopes = [
        False if layer.activation is None else layer.activation.properties.derivative_nowhere_zero
        for layer in layers[k:-1]
    ]
    hypotheses = {
        "no-pooling-above": all(layer.kind != "maxpool" for layer in layers[k:]),
        "linear-output": instance.network.has_linear_output,
        "slopes-without-zeros": all_of(slopes),
        "pyramid": all(a.width >= b.width for a, b in zip(layers[k:-1], layers[k + 1 :], strict=True)),
    }
    surface = exact_surface(instance)
    if surface is not None and surface.kinks:
        surface = None
    return decide_s_k(instance, k), surface, hypotheses


def decide_theorem_4_4(instance: Instance, k: int) -> Finding:
    """At the given point of S_k: do Phi = 0 and grad_{U_{k+1}} Phi = 0 agree, as Theorem 4.4 says?"""
    if k >= instance.network.depth:
        return _no_layer_above("theorem-4.4", k)
    membership, surface, hypotheses = _setting(instance, k)
    if membership.verdict != PROVED:
        reason = f"Theorem 4.4 does not apply here: {membership.reason}"
        return Finding("theorem-4.4", UNDECIDED, reason, {"hypotheses": hypotheses, "layer": k}, None, k)
    if surface is None:
        reason = "Loss and gradient are not exact at these weights, or the gradient does not exist."
        return Finding("theorem-4.4", UNDECIDED, reason, {"hypotheses": hypotheses, "layer": k}, None, k)
    zero_loss = surface.loss.sign() == 0
    zero_gradient = all(v.sign() == 0 for v in surface.lifted_gradient(k + 1).ravel())
    summary: dict[str, object] = {
        "layer": k, "hypotheses": hypotheses, "zero_loss": zero_loss, "zero_gradient": zero_gradient,
    }  # fmt: skip
    loss = "= 0" if zero_loss else f"= {in_words(surface.loss)} > 0"
    facts = f"Phi {loss} and grad_U{k + 1} {'=' if zero_gradient else '!='} 0"
    return _verdict("theorem-4.4", k, zero_loss == zero_gradient, facts, hypotheses, summary)


def decide_theorem_4_5(instance: Instance, k: int) -> Finding:
    """At the given point of S_k: if it is critical, is Phi = 0, as Theorem 4.5 says?"""
    if k >= instance.network.depth:
        return _no_layer_above("theorem-4.5", k)
    membership, surface, hypotheses = _setting(instance, k)
    hypotheses = {**hypotheses, "dense-above": instance.network.layer(k + 1).kind == "dense"}
    summary: dict[str, object] = {"layer": k, "hypotheses": hypotheses}
    if membership.verdict != PROVED or surface is None:
        why = membership.reason if membership.verdict != PROVED else "loss and gradient are not exact there."
        return Finding("theorem-4.5", UNDECIDED, f"Theorem 4.5 does not apply here: {why}", summary, None, k)
    critical = all(v.sign() == 0 for v in surface.flat_gradient())
    zero_loss = surface.loss.sign() == 0
    summary |= {"critical": critical, "zero_loss": zero_loss}
    loss = "= 0" if zero_loss else f"= {in_words(surface.loss)} > 0"
    facts = f"the point in S_{k} is {'' if critical else 'not '}critical and Phi {loss}"
    return _verdict("theorem-4.5", k, zero_loss or not critical, facts, hypotheses, summary)


def _verdict(
    statement: str,
    k: int,
    holds: bool,
    facts: str,
    hypotheses: dict[str, bool | None],
    summary: dict[str, object],
) -> Finding:
    failing = [name for name, value in hypotheses.items() if value is not True]
    if holds:
        return Finding(statement, PROVED, f"Its conclusion holds at this point: {facts}.", summary, None, k)
    if failing:
        missing = ", ".join(failing)
        reason = (
            f"Its conclusion fails at this point ({facts}), as it may: not all hypotheses hold ({missing})."
        )
        return Finding(statement, REFUTED, reason, summary, None, k)
    reason = f"Internal contradiction: {facts}, although all hypotheses hold. Please report this."
    return Finding(statement, UNDECIDED, reason, summary, None, k)


def _no_layer_above(statement: str, k: int) -> Finding:
    reason = f"It speaks of layer k + 1, and layer {k} is the last one."
    return Finding(statement, UNDECIDED, reason, {"layer": k}, None, k)
