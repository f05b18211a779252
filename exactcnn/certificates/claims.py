"""Floor 5: findings -> the claims of FORMAT.md, section 7 and 8, each naming the judgments it is made of.

An ``encode`` overload adds the judgments of one kind of evidence to a Draft and returns the claim, or None where a checker
cannot repeat it.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from exactcnn.certificates.judgments import Draft
from exactcnn.certificates.lifted import generic_part, lifted_part
from exactcnn.certificates.regular import regular_part, seeded_witness
from exactcnn.features.balls import VerifiedMinor
from exactcnn.features.dead_layer import DeadLayer
from exactcnn.features.general_position import GeneralPosition
from exactcnn.features.generic_rank import GenericRank
from exactcnn.features.instance import Instance
from exactcnn.features.lifted_rank import LiftedRank
from exactcnn.features.minors import FeatureMinor
from exactcnn.features.triangular import TriangularWitness
from exactcnn.network.structure import PatchStructure
from exactcnn.network.weights import Weights
from exactcnn.statements.almost_everywhere import AlmostEverywhere, FloatWitness, NestedMinor
from exactcnn.statements.assumption_3_1 import PatchCollision
from exactcnn.statements.assumption_3_2 import ActivationEvidence
from exactcnn.statements.assumption_4_1 import ClausesOfAssumption41
from exactcnn.statements.composite import Composite
from exactcnn.statements.extension_b import GenericData
from exactcnn.statements.finding import Finding
from exactcnn.statements.float_rank import FloatRank
from exactcnn.statements.rank import RankEvidenceOfLayer

__all__ = ["Claim", "claims_of", "encode", "parts_of"]

Claim = dict[str, Any]
_MOST_STRUCTURE_ENTRIES = 1000


def claims_of(finding: Finding, draft: Draft) -> list[Claim]:
    """The claims that the finding makes, none if the checker cannot repeat it."""
    made = None if finding.evidence is None else encode(finding.evidence, finding, draft)
    claims = [] if made is None else made if isinstance(made, list) else [made]
    return [{"verdict": finding.verdict, **claim} for claim in claims]


@singledispatch
def encode(evidence: object, finding: Finding, draft: Draft) -> Claim | list[Claim] | None:
    return None


def _bounds_of_features(
    evidence: RankEvidenceOfLayer, draft: Draft, weights: Weights | None = None
) -> list[int]:
    """The judgments on rank F_k; of bounds in floats the checker repeats regularity, by solutions."""
    by = []
    if isinstance(evidence.minor, FloatRank):
        instance = (
            draft.instance
            if weights is None
            else Instance(draft.instance.network, draft.instance.samples, weights)
        )
        by.append(regular_part(draft, instance, evidence.layer))
    elif evidence.minor is not None and evidence.minor.rank:
        by.append(draft.lower(evidence.minor, evidence.layer, weights))
    if evidence.upper_rule is not None:
        by.append(draft.upper(evidence.upper_rule, evidence.layer, weights))
    return by


@encode.register
def _(evidence: RankEvidenceOfLayer, finding: Finding, draft: Draft) -> Claim | None:
    by = _bounds_of_features(evidence, draft)
    if not by:
        return None
    needs_weights = evidence.lower > 0 or draft.judgments[by[-1]]["kind"] == "kernel"
    return {
        "statement": "rank", "verdict": evidence.verdict, "node": draft.instance.network.node_of(evidence.layer),
        "weights": draft.name_of(None, evidence.layer) if needs_weights else None, "lower": evidence.lower,
        "upper": min(evidence.upper, evidence.samples, evidence.width), "by": by,
    }  # fmt: skip


@encode.register
def _(evidence: LiftedRank, finding: Finding, draft: Draft) -> Claim | None:
    by = lifted_part(draft, evidence)
    node = draft.instance.network.affine_node_of(evidence.layer)
    return {
        "statement": "lifted-rank", "verdict": evidence.verdict, "node": node,
        "weights": draft.name_of(None, evidence.layer), "lower": evidence.lower, "upper": evidence.upper, "by": by,
    } if by else None  # fmt: skip


@encode.register
def _(evidence: GenericRank, finding: Finding, draft: Draft) -> Claim | None:
    by = generic_part(draft, evidence)
    node = draft.instance.network.affine_node_of(evidence.layer)
    return {
        "statement": finding.statement, "verdict": evidence.verdict, "node": node, "lower": evidence.lower,
        "upper": evidence.upper, "by": by,
    } if by else None  # fmt: skip


@encode.register
def _(evidence: AlmostEverywhere, finding: Finding, draft: Draft) -> Claim | None:
    by = _almost_everywhere(evidence, draft)
    node = draft.instance.network.node_of(evidence.layer)
    return None if by is None else {"statement": finding.statement, "node": node, "by": [by]}


def _almost_everywhere(evidence: AlmostEverywhere, draft: Draft) -> int | None:
    k, network, witness = evidence.layer, draft.instance.network, evidence.witness
    node = network.node_of(k)
    if isinstance(witness, (FeatureMinor, VerifiedMinor)):
        return draft.lower(witness, k)
    if isinstance(witness, FloatWitness) and witness.given:
        return regular_part(draft, draft.instance, k)
    if isinstance(witness, (NestedMinor, FloatWitness)):
        return seeded_witness(draft, k)
    if isinstance(witness, TriangularWitness):
        return draft.order(witness)
    draft.samples = True
    if isinstance(witness, GeneralPosition):
        return draft.add({"kind": "general-position", "node": node})
    if isinstance(evidence.obstacle, DeadLayer):
        return draft.add({"kind": "dead", "node": node, "dead": network.node_of(evidence.obstacle.layer)})
    assert evidence.obstacle is not None
    return draft.upper(evidence.obstacle, k)


@encode.register
def _(evidence: GenericData, finding: Finding, draft: Draft) -> Claim:
    node = draft.instance.network.node_of(1)
    by = draft.add({"kind": "generic-data", "node": node, "samples": evidence.samples})
    return {"statement": "extension-b", "node": node, "samples": evidence.samples, "by": [by]}


@encode.register
def _(evidence: PatchCollision, finding: Finding, draft: Draft) -> Claim:
    draft.samples = True
    collision = None
    if evidence.samples is not None and evidence.patches is not None:
        collision = {"samples": list(evidence.samples), "patches": list(evidence.patches)}
    return {
        "statement": "assumption-3.1",
        "by": [draft.add({"kind": "patches-differ", "collision": collision})],
    }


@encode.register
def _(evidence: ActivationEvidence, finding: Finding, draft: Draft) -> Claim | None:
    if finding.verdict == "undecided" or evidence.activation.name == "custom":
        return None
    activation = evidence.activation.to_certificate()
    by = draft.add({"kind": "growth", "activation": activation})
    return {"statement": "assumption-3.2", "activation": activation, "by": [by]}


@encode.register
def _(evidence: PatchStructure, finding: Finding, draft: Draft) -> Claim:
    node = draft.instance.network.affine_node_of(evidence.layer)
    by = draft.add({
        "kind": "structure", "node": node, "uncovered": list(evidence.uncovered[:_MOST_STRUCTURE_ENTRIES]),
        "equal": [list(pair) for pair in evidence.equal[:_MOST_STRUCTURE_ENTRIES]],
    })  # fmt: skip
    return {"statement": "structure", "node": node, "by": [by]}


@encode.register
def _(evidence: ClausesOfAssumption41, finding: Finding, draft: Draft) -> Claim | None:
    layers = draft.instance.network.layers
    if any(layer.activation is not None and layer.activation.name == "custom" for layer in layers):
        return None
    draft.samples = True
    failing = [list(clauses) for _, clauses in evidence.failing]
    by = draft.add({"kind": "clauses"})
    return {"statement": "assumption-4.1", "verdict": evidence.verdict, "failing": failing, "by": [by]}


# ------------------------------------------------------------------ statements made of several


def parts_of(parts: tuple[Finding, ...], draft: Draft, weights: Weights | None) -> list[int] | None:
    """The judgments of all parts, at the instance's weights or at others."""
    by: list[int] = []
    for part in parts:
        evidence = part.evidence
        found: list[int] | None = None
        if isinstance(evidence, RankEvidenceOfLayer):
            found = _bounds_of_features(evidence, draft, weights)
        elif isinstance(evidence, LiftedRank):
            found = lifted_part(draft, evidence, weights)
        elif isinstance(evidence, GenericRank):
            found = generic_part(draft, evidence)
        elif isinstance(evidence, AlmostEverywhere):
            single = _almost_everywhere(evidence, draft)
            found = None if single is None else [single]
        if not found:
            return None
        by += found
    return list(dict.fromkeys(by))


@encode.register
def _(evidence: Composite, finding: Finding, draft: Draft) -> Claim | None:
    network, draft.samples = draft.instance.network, True
    # A U that is ln 2 times a rational one stands for itself: the judgments are about the instance's own weights.
    explicit = evidence.weights if finding.statement == "theorem-3.4" else None
    by = parts_of(evidence.parts, draft, explicit)
    if not by:
        return None
    claim: Claim = {"statement": finding.statement, "node": network.node_of(evidence.layer), "by": by}
    if finding.statement == "theorem-3.4":
        about_rank = any(isinstance(part.evidence, RankEvidenceOfLayer) for part in evidence.parts)
        claim["weights"] = (
            draft.name_of(explicit, evidence.layer) if about_rank and finding.verdict == "proved" else None
        )
    if finding.statement in ("s-k", "corollary-3.6"):
        claim["weights"] = draft.name_of(None, network.depth)
    return claim
