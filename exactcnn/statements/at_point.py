"""Floor 4: what Theorems 4.4, 4.5, Corollary 4.6 and Extension C share: their conclusion at a given point.

Each is decided *at the point*, exactly: its premise on the layers above k (S_k, or Extension C's weaker
one), and whether the conclusion holds.  Where premise and conclusion part, the finding names the
hypotheses that are missing; that they hold all the same is impossible, and would be reported as such.

``AtPoint`` is the evidence: the rank findings, then the exact loss and gradient.  The checker repeats
all of it and decides again which hypotheses fail.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.class_labels import augmented_rank_is_full, class_vectors
from exactcnn.landscape.decimals import in_words
from exactcnn.landscape.derivatives import Surface, targets_of
from exactcnn.landscape.domains import ln_two
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements.composite import Composite
from exactcnn.statements.critical_point import ExactPoint, exact_surface, first_nonzero
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding, all_of
from exactcnn.statements.lifted_rank import lifted_rank_finding
from exactcnn.statements.rank import decide_rank
from exactcnn.statements.statement import Ask

__all__ = [
    "AtPoint",
    "Setting",
    "conclude",
    "gradient_part",
    "hypotheses_above",
    "labels_note",
    "membership_parts",
    "setting",
    "with_note",
]


@dataclass(frozen=True, eq=False)
class AtPoint(Composite):
    """``missing``: hypotheses that fail.  ``v``, ``rows`` (Extension C): Y v = 1, rows of a minor of [U_L; v^T]."""

    missing: tuple[str, ...] = ()
    v: tuple[Fraction, ...] | None = None
    rows: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Setting:
    """Premise and surface at a point; ``surface`` None where loss or gradient are not exact or do not exist.

    ``weights``: rational ones that the rank findings speak of, None for the instance's own.
    """

    parts: tuple[Finding, ...]
    surface: Surface | None
    hypotheses: dict[str, bool | None]
    weights: Weights | None = None
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def undecisive(self) -> Finding | None:
        """The first part that is not proved, refuted ones first."""
        chosen = sorted((p for p in self.parts if p.verdict != PROVED), key=lambda p: p.verdict != REFUTED)
        return chosen[0] if chosen else None


def membership_parts(
    instance: Instance, ask: Ask, upto: int | None = None
) -> tuple[tuple[Finding, ...], Weights | None]:
    """rank F_k = N and full rank of U_{k+2}..U_upto (None: L; no pooling there), and the weights they are about.

    A matrix that is ln 2 times a rational one has its rank: that one stands in for it.
    """
    layers = instance.network.layers[ask.k + 1 : upto]
    entries = list(instance.need_weights().layers)
    for layer in layers:
        entry = entries[layer.index - 1]
        if entry is not None and entry.W_ln2 is not None and not entry.W.numerators.any():
            b = None if entry.b is None else RationalArray.from_integers(0 * entry.b.numerators)
            entries[layer.index - 1] = LayerWeights(entry.W_ln2, b)
        elif entry is not None and not entry.rational:
            if entry.W_ln2 is not None:
                raise UndecidedError(f"U_{layer.index} mixes rationals and multiples of ln 2")
            entries[layer.index - 1] = LayerWeights(entry.W, entry.b)
    changed = any(a is not b for a, b in zip(entries, instance.need_weights().layers, strict=True))
    weights = Weights(tuple(entries)) if changed else None
    other = Instance(instance.network, instance.samples, weights) if weights else instance
    return (decide_rank(other, ask), *(lifted_rank_finding(other, layer.index) for layer in layers)), weights


def hypotheses_above(instance: Instance, k: int) -> dict[str, bool | None]:
    """Theorem 4.4's, on the layers above k: True, False, or None where a property is undecided."""
    layers = instance.network.layers
    slopes = [
        layer.activation.properties.derivative_nowhere_zero
        for layer in layers[k:-1]
        if layer.activation is not None
    ]
    return {
        "no-pooling-above": all(layer.kind != "maxpool" for layer in layers[k:]),
        "linear-output": instance.network.has_linear_output,
        "slopes-without-zeros": all_of(slopes),
        "pyramid": all(a.width >= b.width for a, b in zip(layers[k:-1], layers[k + 1 :], strict=True)),
    }


def setting(instance: Instance, ask: Ask, upto: int | None = None, *, exact_only: bool = False) -> Setting:
    """Everything the theorems need at the instance's weights.

    UndecidedError if pooling leaves S_k undefined; with ``exact_only`` also where there is no surface, before any
    rank is computed.
    """
    k = ask.k
    pooling = [layer.index for layer in instance.network.layers[k + 1 :] if layer.kind == "maxpool"]
    if pooling:
        raise UndecidedError(
            f"S_{k} is not defined: layer {pooling[0]} above layer {k + 1} is max-pooling and has no U"
        )
    surface = exact_surface(instance)
    if surface is not None and surface.kinks:
        surface = None
    if surface is None and exact_only:
        raise UndecidedError("loss and gradient are not exact at these weights, or do not exist")
    parts, weights = membership_parts(instance, ask, upto)
    return Setting(parts, surface, hypotheses_above(instance, k), weights)


def gradient_part(surface: Surface) -> Finding:
    """The critical-point finding of a surface without kinks, as a part."""
    where = first_nonzero(surface, exact=True)
    if where is None:
        reason = f"The point is critical and the loss there is {in_words(surface.loss)}."
        return Finding("critical-point", PROVED, reason, {}, ExactPoint(surface))
    reason = f"The partial derivative by {where} is not 0."
    return Finding("critical-point", REFUTED, reason, {}, ExactPoint(surface, where))


def conclude(
    statement: str, k: int, instance: Instance, found: Setting, holds: bool, facts: str, **more: Any
) -> Finding:
    """Proved where the conclusion holds at the point, refuted with the hypotheses that fail where it does not."""
    assert found.surface is not None
    summary = {"layer": k, "hypotheses": found.hypotheses, **found.summary}
    unmet = [name for name, value in found.hypotheses.items() if value is not True]
    missing = tuple(name for name in unmet if _checkable(name, k, found))
    parts = (*found.parts, gradient_part(found.surface))
    width = instance.network.layer(k).width
    evidence = AtPoint(k, instance.N, width, parts, found.weights, missing, **more)
    if holds:
        return Finding(
            statement, PROVED, f"Its conclusion holds at this point: {facts}.", summary, evidence, k
        )
    if unmet:
        what = f"hypothesis {unmet[0]}" if len(unmet) == 1 else f"hypotheses {', '.join(unmet)}"
        reason = f"Its conclusion fails at this point ({facts}), as it may: {what} missing."
        return Finding(statement, REFUTED, reason, summary, evidence if missing else None, k)
    reason = f"Internal contradiction: {facts}, although all hypotheses hold. Please report this."
    return Finding(statement, UNDECIDED, reason, summary, None, k)


def _checkable(name: str, k: int, found: Setting) -> bool:
    """Can the checker repeat that this hypothesis fails?  (Of a written activation it sees the slopes at the point.)"""
    if name in ("hidden-3.2", "wide", "distinct-samples") or found.hypotheses[name] is not False:
        return False
    if name != "slopes-without-zeros" or found.surface is None:
        return True
    for layer in found.surface.layers[k:-1]:
        activation, first = layer.activation, found.surface.first[layer.index]
        if activation is None or first is None or activation.properties.derivative_nowhere_zero is True:
            continue
        if activation.name != "custom" or any(s is not None and s.sign() == 0 for s in first.ravel()):
            return True
    return False


def labels_note(instance: Instance, k: int, surface: Surface | None) -> tuple[str, dict[str, Any]]:
    """Why no critical point with these F_{L-1} lies in S_k for class labels, k <= L-2; empty where that is not so."""
    network = instance.network
    if k > network.depth - 2 or not network.has_linear_output or network.layers[-1].bias == "none":
        return "", {}
    v = next(class_vectors(targets_of(instance)), None)
    if v is None or surface is None or network.layers[-2].width < network.widths[-1]:
        return "", {}
    full = augmented_rank_is_full(surface.F[-2], ln_two(1))
    summary = {"class_vector": [str(q) for q in v], "augmented_full_column_rank": full}
    if not full:
        return "", {"class_labels": summary}
    L = network.depth
    note = (
        f" The targets are class labels and [F_{L - 1}, 1] has full column rank here: with these F_{L - 1} every "
        f"critical point has U_{L} v = 0 (Y v = 1), so none lies in S_{k}; see extension-c."
    )
    return note, {"class_labels": summary}


def with_note(finding: Finding, note: str, more: dict[str, Any]) -> Finding:
    """The same finding, saying more."""
    return replace(finding, reason=finding.reason + note, summary={**finding.summary, **more})
