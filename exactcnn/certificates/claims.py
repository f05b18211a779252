"""Floor 5: typed evidence -> the claims of FORMAT.md section 6.

Each ``_claim`` overload returns the claim and, if its lower bound rests on a modular minor,
a function that recomputes that minor's residues (Fiat-Shamir evidence needs them).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np

from exactcnn.arithmetic.texts import json_integer, rational_text
from exactcnn.features.bounds import CountingBound
from exactcnn.features.dead_layer import DeadLayer
from exactcnn.features.generic_bounds import Cover, Determinantal, GenericBound
from exactcnn.features.generic_rank import GenericMinor, GenericRank
from exactcnn.features.instance import Instance
from exactcnn.features.lifted import lifted_residues, seeded_filters
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor
from exactcnn.features.nested import NestedFeatures
from exactcnn.features.peeling import Peeling
from exactcnn.linalg.evidence import Kernel
from exactcnn.linalg.polynomials import Polynomial, PolynomialKernel
from exactcnn.network.structure import PatchStructure
from exactcnn.statements.assumption_3_1 import PatchCollision
from exactcnn.statements.assumption_3_2 import ActivationEvidence
from exactcnn.statements.assumption_4_1 import ClausesOfAssumption41
from exactcnn.statements.finding import Finding
from exactcnn.statements.rank import RankEvidenceOfLayer
from exactcnn.statements.theorem_3_5 import AlmostEverywhere, NestedMinor

__all__ = ["MinorResidues", "claim_of", "needs_samples", "weights_needed"]

MinorResidues = Callable[[], np.ndarray]
Claim = tuple[dict[str, Any], MinorResidues | None]
_MOST_STRUCTURE_ENTRIES = 1000


def claim_of(finding: Finding, instance: Instance) -> Claim | None:
    """The claim a finding makes, or None if the checker cannot repeat it."""
    if finding.evidence is None:
        return None
    return _claim(finding.evidence, finding, instance)


def needs_samples(evidence: Any) -> bool:
    """Does the claim speak of the data?"""
    return isinstance(
        evidence, (RankEvidenceOfLayer, PatchCollision, ClausesOfAssumption41, AlmostEverywhere)
    )


def weights_needed(evidence: Any) -> int:
    """The highest layer whose weights the claim depends on, 0 for none."""
    if isinstance(evidence, RankEvidenceOfLayer) and (
        evidence.lower or isinstance(evidence.upper_rule, Kernel)
    ):
        return evidence.layer
    if isinstance(evidence, AlmostEverywhere) and isinstance(evidence.witness, FeatureMinor):
        return evidence.layer
    return 0


@singledispatch
def _claim(evidence: object, finding: Finding, instance: Instance) -> Claim | None:
    return None


@_claim.register
def _(evidence: RankEvidenceOfLayer, finding: Finding, instance: Instance) -> Claim | None:
    if evidence.lower == 0 and evidence.upper_rule is None:
        return None
    lower: dict[str, Any] | None = None
    residues: MinorResidues | None = None
    if evidence.minor is not None and evidence.minor.minor.rank:
        lower, residues = _feature_minor(evidence.minor, instance, evidence.layer)
    claim = {
        "statement": "rank",
        "verdict": evidence.verdict,
        "layer": evidence.layer,
        "samples": evidence.samples,
        "width": evidence.width,
        "lower": evidence.lower,
        "upper": evidence.upper,
        "evidence": {"lower": lower, "upper": _upper_rule(evidence.upper_rule, evidence.denominator)},
    }
    return claim, residues


def _feature_minor(found: FeatureMinor, instance: Instance, k: int) -> tuple[dict[str, Any], MinorResidues]:
    """LOWER of FORMAT.md 6.1, and how to recompute the minor's residues."""
    minor, substitution = found.minor, found.substitution
    record: dict[str, Any] = {
        "kind": "minor",
        "prime": minor.prime,
        "substitution": None
        if substitution is None
        else {"denominator": json_integer(substitution.denominator), "root": substitution.root},
        "rows": list(minor.rows),
        "columns": list(minor.columns),
    }

    def residues() -> np.ndarray:
        image, _ = FeatureMatrix(instance, k).residues(
            minor.prime, 0 if substitution is None else substitution.root
        )
        return np.ascontiguousarray(image[np.ix_(minor.rows, minor.columns)])

    return record, residues


@_claim.register
def _(evidence: AlmostEverywhere, finding: Finding, instance: Instance) -> Claim:
    residues: MinorResidues | None = None
    record: dict[str, Any]
    witness, obstacle = evidence.witness, evidence.obstacle
    if isinstance(witness, FeatureMinor):
        lower, residues = _feature_minor(witness, instance, evidence.layer)
        record = {"kind": "witness", "lower": lower}
    elif isinstance(witness, NestedMinor):
        minor = witness.minor
        lower = {
            "kind": "minor",
            "prime": minor.prime,
            "root": witness.root,
            "seed": json_integer(witness.seed),
            "bits": witness.bits,
            "rows": list(minor.rows),
            "columns": list(minor.columns),
        }
        record = {"kind": "nested", "lower": lower}

        def compute() -> np.ndarray:
            nested = NestedFeatures(instance, evidence.layer, witness.seed, witness.bits)
            image = nested.image(minor.prime, witness.root)
            return np.ascontiguousarray(image[np.ix_(minor.rows, minor.columns)])

        residues = compute
    elif isinstance(witness, Peeling):
        record = {
            "kind": "triangular",
            "seed": witness.seed,
            "bits": witness.bits,
            "order": list(witness.order),
            "units": list(witness.units),
        }
    elif isinstance(obstacle, DeadLayer):
        record = {"kind": "dead-layer", "layer": obstacle.layer, "bound": json_integer(obstacle.bound)}
    else:
        assert obstacle is not None
        record = {"kind": "bound", "upper": _upper_rule(obstacle, None)}
    claim = {
        "statement": "theorem-3.5",
        "verdict": finding.verdict,
        "layer": evidence.layer,
        "samples": evidence.samples,
        "width": evidence.width,
        "evidence": record,
    }
    return claim, residues


def _upper_rule(rule: CountingBound | Kernel | None, denominator: int | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    if isinstance(rule, CountingBound):
        record: dict[str, Any] = {"kind": rule.kind}
        if rule.positions is not None:
            record["positions"] = list(rule.positions)
        return record
    return {
        "kind": f"{rule.side}-kernel",
        "denominator": None if denominator is None else json_integer(denominator),
        "vectors": [
            {
                "pivot": vector.pivot,
                "entries": [[index, json_integer(value)] for index, value in vector.entries],
            }
            for vector in rule.vectors
        ],
    }


@_claim.register
def _(evidence: GenericRank, finding: Finding, instance: Instance) -> Claim | None:
    lower: dict[str, Any] | None = None
    residues: MinorResidues | None = None
    if evidence.minor is not None and evidence.minor.minor.rank:
        found = evidence.minor
        lower = {
            "kind": "minor",
            "prime": found.minor.prime,
            "filters": {"kind": "identity"} if found.seed is None else {"kind": "seed", "seed": found.seed},
            "rows": list(found.minor.rows),
            "columns": list(found.minor.columns),
        }
        residues = lambda: _generic_residues(instance, evidence.layer, found)  # noqa: E731
        if found.seed is None:
            residues = None  # a permutation matrix: elimination is trivial at any size
    claim = {
        "statement": finding.statement,
        "verdict": evidence.verdict,
        "layer": evidence.layer,
        "rows": evidence.rows,
        "columns": evidence.columns,
        "lower": evidence.lower,
        "upper": evidence.upper,
        "evidence": {"lower": lower, "upper": _generic_rule(evidence.bound)},
    }
    return claim, residues


def _generic_residues(instance: Instance, k: int, found: GenericMinor) -> np.ndarray:
    layer, minor = instance.network.layer(k), found.minor
    assert found.seed is not None
    used = max(column % layer.filters for column in minor.columns) + 1
    U, columns = lifted_residues(layer, seeded_filters(layer, found.seed, minor.prime, used))
    place = {int(column): j for j, column in enumerate(columns)}
    return np.ascontiguousarray(U[np.ix_(minor.rows, [place[column] for column in minor.columns])])


def _polynomial(polynomial: Polynomial) -> list[Any]:
    return [
        [json_integer(coefficient), [[variable, exponent] for variable, exponent in monomial]]
        for monomial, coefficient in sorted(polynomial.items())
    ]


def _generic_rule(bound: GenericBound | None) -> dict[str, Any] | None:
    if bound is None:
        return None
    if isinstance(bound, Determinantal):
        return {"kind": "determinantal"}
    if isinstance(bound, Cover):
        return {"kind": "cover", "rows": list(bound.rows), "columns": list(bound.columns)}
    assert isinstance(bound, PolynomialKernel)
    return {
        "kind": "polynomial-kernel",
        "side": bound.side,
        "vectors": [
            {"pivot": vector.pivot, "entries": [[index, _polynomial(p)] for index, p in vector.entries]}
            for vector in bound.vectors
        ],
    }


@_claim.register
def _(evidence: PatchCollision, finding: Finding, instance: Instance) -> Claim:
    if evidence.samples is None or evidence.patches is None:
        record: dict[str, Any] = {"kind": "all-distinct"}
    else:
        record = {"kind": "collision", "samples": list(evidence.samples), "patches": list(evidence.patches)}
    return {"statement": "assumption-3.1", "verdict": finding.verdict, "evidence": record}, None


@_claim.register
def _(evidence: ActivationEvidence, finding: Finding, instance: Instance) -> Claim | None:
    if finding.verdict == "undecided":
        return None
    record: dict[str, Any]
    if finding.verdict == "refuted":
        record = {"kind": "table"}
    elif evidence.case == "a":
        record = {"kind": "limits"}
    else:
        assert evidence.rho is not None
        record = {"kind": "growth", "rho": [rational_text(r) for r in evidence.rho]}
    return {
        "statement": "assumption-3.2",
        "verdict": finding.verdict,
        "activation": evidence.activation.to_json(),
        "evidence": record,
    }, None


@_claim.register
def _(evidence: PatchStructure, finding: Finding, instance: Instance) -> Claim:
    return {
        "statement": "structure",
        "verdict": finding.verdict,
        "layer": evidence.layer,
        "evidence": {
            "uncovered": list(evidence.uncovered[:_MOST_STRUCTURE_ENTRIES]),
            "equal": [list(pair) for pair in evidence.equal[:_MOST_STRUCTURE_ENTRIES]],
        },
    }, None


@_claim.register
def _(evidence: ClausesOfAssumption41, finding: Finding, instance: Instance) -> Claim:
    return {
        "statement": "assumption-4.1",
        "verdict": evidence.verdict,
        "samples": evidence.samples,
        "layers": [{"layer": k, "failing": list(failing)} for k, failing in evidence.failing],
    }, None
