"""Floor 5: typed evidence -> the claims of FORMAT.md section 6.

Each ``_claim`` overload returns the claim and, if its lower bound rests on a modular minor,
a function that recomputes that minor's residues (Fiat-Shamir evidence needs them).  Composite
statements carry the claims of their parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Any

import numpy as np

from exactcnn.arithmetic.modular import residues as residues_mod
from exactcnn.arithmetic.texts import json_integer, rational_text
from exactcnn.certificates.landscape_claims import landscape_claim
from exactcnn.features.balls import VerifiedMinor
from exactcnn.features.bounds import CountingBound
from exactcnn.features.dead_layer import DeadLayer
from exactcnn.features.general_position import GeneralPosition
from exactcnn.features.generic_bounds import Cover, Determinantal, GenericBound
from exactcnn.features.generic_rank import GenericRank
from exactcnn.features.instance import Instance
from exactcnn.features.lifted import lifted_residues, seeded_filters
from exactcnn.features.lifted_rank import LiftedRank
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor
from exactcnn.features.nested import NestedFeatures
from exactcnn.features.triangular import TriangularWitness
from exactcnn.landscape.krawczyk import Enclosure
from exactcnn.landscape.nearby import Nearby
from exactcnn.linalg.evidence import Kernel, Minor
from exactcnn.linalg.polynomials import Polynomial, PolynomialKernel
from exactcnn.network.structure import PatchStructure
from exactcnn.network.weights import Weights
from exactcnn.statements.almost_everywhere import AlmostEverywhere, NestedMinor
from exactcnn.statements.assumption_3_1 import PatchCollision
from exactcnn.statements.assumption_3_2 import ActivationEvidence
from exactcnn.statements.assumption_4_1 import ClausesOfAssumption41
from exactcnn.statements.at_point import AtPoint
from exactcnn.statements.composite import Composite
from exactcnn.statements.critical_point import ExactPoint
from exactcnn.statements.extension_b import GenericData
from exactcnn.statements.finding import Finding
from exactcnn.statements.float_rank import FloatRank
from exactcnn.statements.local_minimum import LocalMinimum
from exactcnn.statements.rank import RankEvidenceOfLayer

__all__ = ["Pending", "claim_of", "needs_samples", "weights_needed"]

# The residues of a minor (an array), or its decomposition (a StreamedLU) where one was kept.
MinorResidues = Callable[[], Any]
Claim = tuple[dict[str, Any], MinorResidues | None]
_MOST_STRUCTURE_ENTRIES = 1000


@dataclass(frozen=True, eq=False)
class Pending:
    """A claim whose Fiat-Shamir solutions, and whose parts, are still to be filled in.

    ``weights``: the parts speak of these instead of the instance's own.
    """

    claim: dict[str, Any]
    residues: MinorResidues | None = None
    parts: tuple[Pending, ...] = ()
    weights: Weights | None = None


def claim_of(finding: Finding, instance: Instance) -> Pending | None:
    """The claim a finding makes, or None if the checker cannot repeat it."""
    evidence = finding.evidence
    if isinstance(evidence, Composite):
        return _composite(evidence, finding, instance)
    made = None if evidence is None else _claim(evidence, finding, instance)
    return None if made is None else Pending(*made)


def _composite(evidence: Composite, finding: Finding, instance: Instance) -> Pending | None:
    if evidence.weights is not None:
        instance = Instance(instance.network, instance.samples, evidence.weights)
    parts = [claim_of(part, instance) for part in evidence.parts]
    made = tuple(part for part in parts if part is not None)
    if len(made) < len(parts):
        return None
    claim: dict[str, Any] = {
        "statement": finding.statement,
        "verdict": finding.verdict,
        "layer": evidence.layer,
        "samples": evidence.samples,
        "width": evidence.width,
    }
    if finding.statement == "theorem-3.4":
        claim["weights"] = None if evidence.weights is None else evidence.weights.to_json(evidence.layer)
    if isinstance(evidence, AtPoint):
        claim |= _at_point(evidence, instance)
    return Pending(claim, None, made, evidence.weights)


def _at_point(evidence: AtPoint, instance: Instance) -> dict[str, Any]:
    depth = instance.network.depth
    fields: dict[str, Any] = {
        "weights": None if evidence.weights is None else evidence.weights.to_json(depth),
        "missing": list(evidence.missing),
    }
    if evidence.v is not None and evidence.rows is not None:
        fields |= {"v": [rational_text(q) for q in evidence.v], "rows": list(evidence.rows)}
    return fields


def needs_samples(evidence: Any) -> bool:
    """Does the claim speak of the data?"""
    kinds = (
        RankEvidenceOfLayer,
        PatchCollision,
        ClausesOfAssumption41,
        AlmostEverywhere,
        Composite,
        ExactPoint,
        Nearby,
        LocalMinimum,
        Enclosure,
    )
    return isinstance(evidence, kinds)


def weights_needed(evidence: Any) -> int:
    """The highest layer of the instance's weights that the claim depends on, 0 for none."""
    if isinstance(evidence, Composite):
        return (
            max(weights_needed(part.evidence) for part in evidence.parts) if evidence.weights is None else 0
        )
    if isinstance(evidence, RankEvidenceOfLayer) and (
        evidence.lower or isinstance(evidence.upper_rule, Kernel)
    ):
        return evidence.layer
    if isinstance(evidence, Nearby):
        return evidence.layer + 1
    at_given = isinstance(evidence, AlmostEverywhere) and isinstance(
        evidence.witness, (FeatureMinor, VerifiedMinor)
    )
    return int(evidence.layer) if at_given or isinstance(evidence, LiftedRank) else 0


@singledispatch
def _claim(evidence: object, finding: Finding, instance: Instance) -> Claim | None:
    claim = landscape_claim(evidence, finding)
    return None if claim is None else (claim, None)


@_claim.register
def _(evidence: RankEvidenceOfLayer, finding: Finding, instance: Instance) -> Claim | None:
    if evidence.lower == 0 and evidence.upper_rule is None:
        return None
    if isinstance(evidence.minor, FloatRank):  # float bounds cannot be repeated by integers alone
        return None
    lower: dict[str, Any] | None = None
    residues: MinorResidues | None = None
    if evidence.minor is not None and evidence.minor.rank:
        lower, residues = _lower(evidence.minor, instance, evidence.layer)
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


def _lower(
    found: FeatureMinor | VerifiedMinor, instance: Instance, k: int
) -> tuple[dict[str, Any], MinorResidues | None]:
    """LOWER of FORMAT.md 6.1, and for a modular minor how to recompute its residues."""
    if isinstance(found, FeatureMinor):
        return _feature_minor(found, instance, k)
    return {
        "kind": "verified-inverse",
        "precision": found.precision,
        "rows": list(found.rows),
        "columns": list(found.columns),
        "scale": found.proof.scale,
        "inverse": [[json_integer(value) for value in row] for row in found.proof.inverse],
    }, None


def _feature_minor(found: FeatureMinor, instance: Instance, k: int) -> tuple[dict[str, Any], MinorResidues]:
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

    def residues() -> Any:
        if found.factors is not None:
            return found.factors
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
    if isinstance(witness, (FeatureMinor, VerifiedMinor)):
        lower, residues = _lower(witness, instance, evidence.layer)
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
    elif isinstance(witness, TriangularWitness):
        m = len(witness.thresholds)
        core = {"kind": "minor", "prime": witness.prime, "rows": list(range(m)), "columns": list(range(m))}
        record = {
            "kind": "triangular",
            "seed": witness.seed,
            "bits": witness.bits,
            "shared": witness.shared,
            "order": list(witness.order),
            "units": list(witness.units),
            "thresholds": [json_integer(threshold) for threshold in witness.thresholds],
            "lower": core if m else None,
        }
        if m:
            values, layer = instance.need_samples().x.numerators, instance.network.layer(1)
            residues = lambda: residues_mod(witness.core_matrix(layer, values), witness.prime)  # noqa: E731
    elif isinstance(witness, GeneralPosition):
        record = {"kind": "general-position"}
    elif isinstance(obstacle, DeadLayer):
        record = {"kind": "dead-layer", "layer": obstacle.layer, "bound": json_integer(obstacle.bound)}
    else:
        assert obstacle is not None
        record = {"kind": "bound", "upper": _upper_rule(obstacle, None)}
    claim = {
        "statement": finding.statement,
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
        "vectors": _vectors(rule),
    }


def _vectors(kernel: Kernel) -> list[dict[str, Any]]:
    return [
        {"pivot": vector.pivot, "entries": [[index, json_integer(value)] for index, value in vector.entries]}
        for vector in kernel.vectors
    ]


@_claim.register
def _(evidence: LiftedRank, finding: Finding, instance: Instance) -> Claim | None:
    lower: dict[str, Any] | None = None
    residues: MinorResidues | None = None
    minor = evidence.minor
    if minor is not None and minor.rank:
        lower = _lifted_minor(minor, {"kind": "weights"})
        W = residues_mod(instance.need_weights()[evidence.layer].W.numerators, minor.prime)
        residues = partial(_lifted_residues, instance, evidence.layer, minor, lambda used: W[:, :used])
    kernel = evidence.kernel
    upper = None if kernel is None else {"kind": f"{kernel.side}-kernel", "vectors": _vectors(kernel)}
    return _bounds_of_u(evidence, finding, lower, upper), residues


@_claim.register
def _(evidence: GenericData, finding: Finding, instance: Instance) -> Claim:
    return {
        "statement": "extension-b",
        "verdict": finding.verdict,
        "samples": evidence.samples,
        "width": evidence.width,
        "rank": evidence.rank,
    }, None


def _bounds_of_u(
    evidence: LiftedRank | GenericRank,
    finding: Finding,
    lower: dict[str, Any] | None,
    upper: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "statement": finding.statement,
        "verdict": evidence.verdict,
        "layer": evidence.layer,
        "rows": evidence.rows,
        "columns": evidence.columns,
        "lower": evidence.lower,
        "upper": evidence.upper,
        "evidence": {"lower": lower, "upper": upper},
    }


def _lifted_minor(minor: Minor, filters: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "minor",
        "prime": minor.prime,
        "filters": filters,
        "rows": list(minor.rows),
        "columns": list(minor.columns),
    }


def _lifted_residues(
    instance: Instance, k: int, minor: Minor, filters: Callable[[int], np.ndarray]
) -> np.ndarray:
    """The minor of U_k; ``filters(n)`` gives the residues of the first n filters."""
    layer = instance.network.layer(k)
    used = max(column % layer.filters for column in minor.columns) + 1
    U, columns = lifted_residues(layer, filters(used))
    place = {int(column): j for j, column in enumerate(columns)}
    return np.ascontiguousarray(U[np.ix_(minor.rows, [place[column] for column in minor.columns])])


@_claim.register
def _(evidence: GenericRank, finding: Finding, instance: Instance) -> Claim | None:
    lower: dict[str, Any] | None = None
    residues: MinorResidues | None = None
    if evidence.minor is not None and evidence.minor.minor.rank:
        minor, seed = evidence.minor.minor, evidence.minor.seed
        lower = _lifted_minor(minor, {"kind": "identity"} if seed is None else {"kind": "seed", "seed": seed})
        if seed is not None:  # identity filters give a permutation matrix: elimination is trivial at any size
            layer = instance.network.layer(evidence.layer)
            residues = lambda: _lifted_residues(  # noqa: E731
                instance, layer.index, minor, lambda used: seeded_filters(layer, seed, minor.prime, used)
            )
    return _bounds_of_u(evidence, finding, lower, _generic_rule(evidence.bound)), residues


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
