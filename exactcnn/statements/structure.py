"""Floor 4: `structure`: the paper's conditions on patches (theory 1.1), layer by layer."""

from __future__ import annotations

from exactcnn.features.instance import Instance
from exactcnn.network.structure import PatchStructure, patch_structure
from exactcnn.statements.finding import PROVED, REFUTED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_structure"]

_NAMED = 5


@statement(
    "structure",
    group="hypotheses",
    title="Structure of the patches",
    meaning="patches cover all neurons and no two are the same set",
    words="The patches of {at} reach every neuron below, and no two of them are the same.",
    how="exact",
    checked="recomputed",
    graphs=True,
    tied=True,
)
def decide_structure(instance: Instance, ask: Ask) -> list[Finding]:
    """One finding for each convolutional or pooling layer (or for ``layer`` alone)."""
    layer = ask.layer
    findings = []
    for entry in instance.network.layers:
        if entry.kind == "dense" or entry.reads is None or (layer is not None and entry.index != layer):
            continue
        found = patch_structure(entry)
        summary = {
            "layer": entry.index,
            "patches": entry.patch_count,
            "patch_size": entry.patch_size,
            "uncovered": list(found.uncovered[:1000]),
            "equal": [list(pair) for pair in found.equal[:1000]],
        }
        verdict = PROVED if found.holds else REFUTED
        findings.append(
            Finding("structure", verdict, _reason(entry.index, found), summary, found, entry.index)
        )
    if not findings:
        findings.append(
            Finding(
                "structure", PROVED, "Fully connected layers have one patch of all neurons.", {}, None, layer
            )
        )
    return findings


def _reason(index: int, found: PatchStructure) -> str:
    if found.holds:
        return f"The patches of layer {index} cover all neurons and no two are the same set."
    parts = []
    if found.uncovered:
        parts.append(f"{_some('neuron', found.uncovered)} lie in no patch")
    if found.equal:
        pairs = [f"{p} = {q}" for p, q in found.equal]
        parts.append(f"{_some('patch pair', pairs)} are the same set")
    return f"Layer {index}: {' and '.join(parts)}."


def _some(what: str, things: object) -> str:
    listed = [str(thing) for thing in things]  # type: ignore[attr-defined]
    more = "" if len(listed) <= _NAMED else f" and {len(listed) - _NAMED} more"
    return f"{what}{'' if len(listed) == 1 else 's'} {', '.join(listed[:_NAMED])}{more}"
