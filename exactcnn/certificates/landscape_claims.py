"""Floor 5: the claims about points of the loss surface (FORMAT.md 6.10 to 6.12)."""

from __future__ import annotations

from fractions import Fraction
from functools import singledispatch
from typing import Any

import numpy as np

from exactcnn.arithmetic.texts import json_integer, rational_text
from exactcnn.landscape.derivatives import Point
from exactcnn.landscape.domains import LnTwo
from exactcnn.landscape.krawczyk import Enclosure
from exactcnn.landscape.nearby import Nearby
from exactcnn.statements.critical_point import ExactPoint, Partial
from exactcnn.statements.finding import Finding
from exactcnn.statements.local_minimum import Definite, Descent, LocalMinimum

__all__ = ["landscape_claim"]


@singledispatch
def landscape_claim(evidence: object, finding: Finding) -> dict[str, Any] | None:
    """The claim, or None for evidence of another kind or without a certificate."""
    return None


@landscape_claim.register
def _(evidence: ExactPoint, finding: Finding) -> dict[str, Any]:
    claim = _point_claim(evidence, finding)
    if finding.statement == "critical-point":
        claim["partial"] = None if evidence.partial is None else _partial(evidence.partial)
    return claim


def _point_claim(evidence: ExactPoint | LocalMinimum, finding: Finding) -> dict[str, Any]:
    surface = evidence.surface
    return {
        "statement": finding.statement,
        "verdict": finding.verdict,
        "targets": [[(_coefficients(y) or [0])[0] for y in row] for row in surface.Y],
        "value": _coefficients(surface.loss),
        "point": _point(surface.point),
    }


def _point(point: Point) -> list[Any]:
    def texts(array: np.ndarray | None) -> Any:
        if array is None:
            return None
        return [texts(row) for row in array] if array.ndim > 1 else [_coefficients(v) for v in array]

    return [None if entry is None else {"W": texts(entry[0]), "b": texts(entry[1])} for entry in point]


def _partial(partial: Partial) -> dict[str, Any]:
    return {"layer": partial.layer, "part": partial.part, "index": partial.index}


def _coefficients(value: LnTwo) -> list[Any]:
    return [_number(c) for c in value.coefficients]


def _number(c: Fraction) -> Any:
    return json_integer(c.numerator) if c.denominator == 1 else rational_text(c)


def _table(rows: tuple[tuple[int, ...], ...]) -> list[list[Any]]:
    return [[json_integer(v) for v in row] for row in rows]


@landscape_claim.register
def _(evidence: LocalMinimum, finding: Finding) -> dict[str, Any]:
    reason: dict[str, Any]
    if isinstance(evidence.reason, Definite):
        gauge = evidence.reason.gauge
        reason = {
            "kind": "definite",
            "precision": evidence.precision,
            "free": list(gauge.free),
            "symmetries": [field.to_json() for field in gauge.symmetries],
            "transform": _table(evidence.reason.transform),
        }
    elif isinstance(evidence.reason, Descent):
        vector = [json_integer(v) for v in evidence.reason.vector]
        reason = {"kind": "direction", "precision": evidence.precision, "vector": vector}
    elif evidence.reason is None:
        reason = {"kind": "zero-loss"}
    else:
        reason = {"kind": "partial", **_partial(evidence.reason)}
    smaller = None if evidence.smaller is None else _point(evidence.smaller)
    return {**_point_claim(evidence, finding), "smaller": smaller, "evidence": reason}


@landscape_claim.register
def _(evidence: Enclosure, finding: Finding) -> dict[str, Any]:
    wide = None
    if evidence.wide_layer is not None:
        parts = [
            {
                "rows": list(part.rows),
                "columns": list(part.columns),
                "scale": part.proof.scale,
                "inverse": _table(part.proof.inverse),
            }
            for part in evidence.parts
        ]
        wide = {"layer": evidence.wide_layer, "parts": parts}
    return {
        "statement": finding.statement,
        "verdict": finding.verdict,
        "targets": [[_number(v) for v in row] for row in evidence.targets.to_fractions()],
        "precision": evidence.precision,
        "places": evidence.places,
        "center": [json_integer(v) for v in evidence.center],
        "radius": json_integer(evidence.radius),
        "free": list(evidence.free),
        "symmetries": [field.to_json() for field in evidence.symmetries],
        "scale": evidence.scale,
        "preconditioner": _table(evidence.preconditioner),
        "transform": _table(evidence.transform),
        "inertia": [evidence.inertia.positive, evidence.inertia.negative],
        "loss": [rational_text(value) for value in evidence.loss],
        "wide": wide,
        "smaller": None if evidence.smaller is None else _point(evidence.smaller),
    }


@landscape_claim.register
def _(evidence: Nearby, finding: Finding) -> dict[str, Any] | None:
    C = evidence.inverse
    if C is None:
        return None
    return {
        "statement": "zero-loss-nearby",
        "verdict": finding.verdict,
        "layer": evidence.layer,
        "samples": evidence.samples,
        "width": evidence.width,
        "targets": {
            "denominator": json_integer(evidence.targets.denominator),
            "rows": [[json_integer(v) for v in row] for row in evidence.targets.numerators.tolist()],
        },
        "loss": [rational_text(value) for value in evidence.loss],
        "distance": rational_text(evidence.distance),
        "evidence": {
            "precision": C.precision,
            "columns": list(C.columns),
            "scale": C.scale,
            "inverse": [[json_integer(v) for v in row] for row in C.table],
        },
    }
