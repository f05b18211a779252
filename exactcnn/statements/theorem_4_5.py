"""Floor 4: `theorem-4.4` and `theorem-4.5` at the given point of S_k.

*Theorem 4.4* at a point of S_k: Phi = 0 iff grad_{U_{k+1}} Phi = 0.  Its proof needs sigma_l' without zeros for
l = k+1..L-1 (the paper asks strictly monotone and differentiable, which is not enough, theory 3.6).
*Theorem 4.5*: if layer k+1 is fully connected, a critical point in S_k has Phi = 0.  For a convolutional
layer k+1 this fails (theory 3.4), and for class labels and k <= L-2 hardly any critical point lies in S_k
(``landscape.class_labels``); then the finding says so and names ``extension-c``.
"""

from __future__ import annotations

from dataclasses import replace

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.decimals import in_words
from exactcnn.statements.at_point import Setting, conclude, labels_note, setting, with_note
from exactcnn.statements.finding import UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["critical_implies_zero", "decide_theorem_4_4", "decide_theorem_4_5"]


@statement(
    "theorem-4.4",
    group="landscape",
    title="Theorem 4.4: zero loss and zero gradient agree in S_k",
    meaning="at the given point of S_k: zero loss and zero gradient by U_{k+1} agree",
    how=(
        "both computed exactly; *refuted*: the conclusion fails at this point, and the hypotheses that "
        "are missing are named (the paper's own are too weak: sigma' must have no zeros)"
    ),
    checked=(
        "as the claim `point`: membership of S_k, loss and gradient at the point are recomputed, with the "
        "hypotheses that fail"
    ),
    needs=("samples", "weights", "targets"),
    wide=True,
)
def decide_theorem_4_4(instance: Instance, ask: Ask) -> Finding:
    """At the given point of S_k: do Phi = 0 and grad_{U_{k+1}} Phi = 0 agree, as Theorem 4.4 says?"""
    k = ask.k
    found = _applies("theorem-4.4", instance, ask)
    if isinstance(found, Finding):
        return found
    surface = found.surface
    assert surface is not None
    if instance.network.layer(k + 1).kind == "maxpool":
        reason = f"Theorem 4.4 does not apply here: layer {k + 1} is max-pooling and has no U."
        return Finding(
            "theorem-4.4", UNDECIDED, reason, {"layer": k, "hypotheses": found.hypotheses}, None, k
        )
    zero_loss = surface.loss.sign() == 0
    zero_gradient = all(v.sign() == 0 for v in surface.lifted_gradient(k + 1).ravel())
    found = replace(found, summary={"zero_loss": zero_loss, "zero_gradient": zero_gradient})
    loss = "= 0" if zero_loss else f"= {in_words(surface.loss)} > 0"
    facts = f"Phi {loss} and grad_U{k + 1} {'=' if zero_gradient else '!='} 0"
    return conclude("theorem-4.4", k, instance, found, zero_loss == zero_gradient, facts)


@statement(
    "theorem-4.5",
    group="landscape",
    title="Theorem 4.5: critical points in S_k have zero loss",
    meaning="the given point of S_k, if critical, has zero loss",
    how="as for theorem-4.4; says where class labels leave no critical point in S_k",
    checked="as for theorem-4.4",
    needs=("samples", "weights", "targets"),
    wide=True,
)
def decide_theorem_4_5(instance: Instance, ask: Ask) -> Finding:
    """At the given point of S_k: if it is critical, is Phi = 0, as Theorem 4.5 says?"""
    k = ask.k
    found = _applies("theorem-4.5", instance, ask)
    return found if isinstance(found, Finding) else critical_implies_zero("theorem-4.5", instance, k, found)


def _applies(name: str, instance: Instance, ask: Ask) -> Setting | Finding:
    """The setting at a point of S_k with exact loss and gradient, or the finding that says why there is none."""
    title, k = name.replace("-", " ").capitalize(), ask.k
    if k >= instance.network.depth:
        reason = f"It speaks of layer k + 1, and layer {k} is the last one."
        return Finding(name, UNDECIDED, reason, {"layer": k}, None, k)
    try:
        found = setting(instance, ask)
    except UndecidedError as error:
        return Finding(name, UNDECIDED, f"{title} does not apply here: {error}.", {"layer": k}, None, k)
    if name != "theorem-4.4":
        dense = instance.network.layer(k + 1).kind == "dense"
        found = replace(found, hypotheses={**found.hypotheses, "dense-above": dense})
    why = None if found.undecisive is None else found.undecisive.reason
    if why is None and found.surface is None:
        why = "loss and gradient are not exact at these weights, or the gradient does not exist."
    if why is None:
        return found
    width = instance.network.layer(k).width
    if found.undecisive is not None and width < instance.N:
        why = f"S_{k} is empty, as n_{k} = {width} < N = {instance.N}: {why}"
    summary = {"layer": k, "hypotheses": found.hypotheses}
    plain = Finding(name, UNDECIDED, f"{title} does not apply here: {why}", summary, None, k)
    return plain if name == "theorem-4.4" else with_note(plain, *labels_note(instance, k, found.surface))


def critical_implies_zero(name: str, instance: Instance, k: int, found: Setting) -> Finding:
    """The conclusion of Theorem 4.5 and of Corollary 4.6 at the point of ``found``."""
    surface = found.surface
    assert surface is not None
    critical = all(v.sign() == 0 for v in surface.flat_gradient())
    zero_loss = surface.loss.sign() == 0
    found = replace(found, summary={"critical": critical, "zero_loss": zero_loss})
    loss = "= 0" if zero_loss else f"= {in_words(surface.loss)} > 0"
    facts = f"the point in S_{k} is {'' if critical else 'not '}critical and Phi {loss}"
    decided = conclude(name, k, instance, found, zero_loss or not critical, facts)
    return with_note(decided, *labels_note(instance, k, surface))
