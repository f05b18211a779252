"""Floor 5: findings about points of the loss surface -> claims (FORMAT.md, section 8)."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from exactcnn.arithmetic.primes import LARGEST_PRIME
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import json_integer, rational_text
from exactcnn.certificates.claims import Claim, encode, parts_of
from exactcnn.certificates.instance_json import polynomial
from exactcnn.certificates.judgments import Draft
from exactcnn.certificates.loss_claims import about_targets, rounded, weights_at
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.class_labels import LN2_RESIDUE
from exactcnn.landscape.derivatives import Point, Surface
from exactcnn.landscape.domains import BallDomain, ExactDomain
from exactcnn.landscape.krawczyk import Enclosure
from exactcnn.landscape.symmetries import Symmetry, parameter_starts
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements.at_point import AtPoint
from exactcnn.statements.critical_point import ExactPoint, exact_surface, first_nonzero
from exactcnn.statements.enclosed_gradient import Partial
from exactcnn.statements.finding import Finding
from exactcnn.statements.local_minimum import Definite, Descent, LocalMinimum


def _number(partial: Partial | None, surface: Any) -> int | None:
    """The number of the parameter of a partial derivative."""
    if partial is None:
        return None
    layer = surface.layers[partial.layer - 1]
    start = parameter_starts(surface.layers)[partial.layer - 1]
    return start + partial.index + (0 if partial.part == "W" else layer.patch_size * layer.filters)


def _first(surface: Any) -> int | None:
    return _number(first_nonzero(surface, exact=True), surface)


@encode.register
def _(evidence: ExactPoint, finding: Finding, draft: Draft) -> Claim:
    surface = evidence.surface
    name = draft.name_of(weights_at(draft, surface.instance), draft.instance.network.depth, "point")
    about_targets(draft, surface.instance)
    if finding.statement == "critical-point":
        by = draft.add(
            {"kind": "gradient-exact", "weights": name, "partial": _number(evidence.partial, surface)}
        )
        return {"statement": "critical-point", "weights": name, "by": [by]}
    by = draft.add({"kind": "loss-exact", "weights": name, "value": polynomial(surface.loss)})
    return {"statement": "loss", "weights": name, "by": [by]}


def _table(rows: tuple[tuple[int, ...], ...]) -> list[list[Any]]:
    return [[json_integer(v) for v in row] for row in rows]


def _symmetries(fields: tuple[Symmetry, ...], draft: Draft) -> list[dict[str, Any]] | None:
    """None where one is of a kind that the format does not have."""
    found: list[dict[str, Any]] = []
    for field in fields:
        if field.kind == "idle":
            found.append({"kind": "idle", "parameter": field.index})
        elif field.kind in ("scaling", "shift"):
            node = draft.instance.network.affine_node_of(field.layer)
            found.append({"kind": field.kind, "node": node, "index": field.index})
        else:
            return None
    return found


@encode.register
def _(evidence: LocalMinimum, finding: Finding, draft: Draft) -> list[Claim] | None:
    surface, reason = evidence.surface, evidence.reason
    name = draft.name_of(weights_at(draft, surface.instance), draft.instance.network.depth, "point")
    about_targets(draft, surface.instance)

    def loss() -> int:
        return draft.add({"kind": "loss-exact", "weights": name, "value": polynomial(surface.loss)})

    w = evidence.precision
    if reason is None:
        by = [loss()]
    elif isinstance(reason, Partial):
        by = [draft.add({"kind": "gradient-exact", "weights": name, "partial": _number(reason, surface)})]
    elif isinstance(reason, Definite):
        fields = _symmetries(reason.gauge.symmetries, draft)
        if fields is None:
            return None
        by = [
            draft.add({"kind": "gradient-exact", "weights": name, "partial": None}),
            draft.add({
                "kind": "definite", "weights": name, "precision": w, "free": list(reason.gauge.free),
                "symmetries": fields, "transform": _table(reason.transform),
            }),
        ]  # fmt: skip
    else:
        assert isinstance(reason, Descent)
        vector = [json_integer(v) for v in reason.vector]
        by = [draft.add({"kind": "descent", "weights": name, "precision": w, "vector": vector})]
    claims: list[Claim] = [{"statement": "local-minimum", "weights": name, "by": by}]
    return claims + _smaller(evidence.smaller, name, [loss()], draft, surface.instance, w)


def _smaller(
    point: Point | None, name: str, others: list[int], draft: Draft, instance: Instance, w: int
) -> list[Claim]:
    """The claim that the loss is smaller at another point."""
    if point is None:
        return []
    elsewhere = draft.name_of(_weights_of(point), draft.instance.network.depth, "elsewhere")
    try:
        value = polynomial(Surface(instance, ExactDomain(), point).loss)
        there = draft.add({"kind": "loss-exact", "weights": elsewhere, "value": value})
    except UndecidedError:
        from flint import ctx

        with ctx.workprec(w):
            ball = Surface(instance, BallDomain(), _balls(point)).loss
        low, high = _exact(ball.lower()), _exact(ball.upper())
        spread = (high - low) + Fraction(1, 2**60)
        ends = [rational_text(rounded(low - spread, -1)), rational_text(rounded(high + spread, 1))]
        there = draft.add({"kind": "loss-enclosed", "weights": elsewhere, "precision": w, "bounds": ends})
    return [
        {
            "statement": "smaller-loss",
            "verdict": "proved",
            "weights": elsewhere,
            "than": name,
            "by": [*others, there],
        }
    ]


def _exact(x: Any) -> Fraction:
    """The value of an Arb number without radius."""
    mantissa, exponent = x.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _weights_of(point: Point) -> Weights:
    """A point of numbers c_0 + c_1 ln 2 as weights."""

    def parts(array: np.ndarray | None) -> tuple[RationalArray | None, RationalArray | None]:
        if array is None:
            return None, None
        pairs = [(*v.coefficients, Fraction(0), Fraction(0))[:2] for v in array.ravel()]
        plain, other = (
            RationalArray.from_fractions([pair[i] for pair in pairs]).reshape(*array.shape) for i in (0, 1)
        )
        return plain, other if other.numerators.any() else None

    entries: list[LayerWeights | None] = []
    for entry in point:
        if entry is None:
            entries.append(None)
            continue
        (W, W_ln2), (b, b_ln2) = parts(entry[0]), parts(entry[1])
        assert W is not None
        entries.append(LayerWeights(W, b, W_ln2, b_ln2))
    return Weights(tuple(entries))


def _balls(point: Point) -> Point:
    def converted(array: np.ndarray | None) -> Any:
        return (
            None
            if array is None
            else np.array([v.ball() for v in array.ravel()], dtype=object).reshape(array.shape)
        )

    return tuple(None if entry is None else (converted(entry[0]), converted(entry[1])) for entry in point)


@encode.register
def _(evidence: Enclosure, finding: Finding, draft: Draft) -> list[Claim] | None:
    network, places = draft.instance.network, evidence.places
    fields = _symmetries(evidence.symmetries, draft)
    if fields is None or evidence.places > evidence.precision:
        return None
    name = draft.name_of(_center(evidence, draft.instance), network.depth, "center")
    about_targets(draft, draft.instance)
    wide = None
    if evidence.wide_layer is not None:
        parts = [{"rows": list(part.rows), "columns": list(part.columns)} for part in evidence.parts]
        wide = {"node": network.node_of(evidence.wide_layer), "parts": parts}
    shift = evidence.precision - places
    by = draft.add({
        "kind": "isolated", "weights": name, "precision": evidence.precision, "radius": json_integer(evidence.radius << shift),
        "free": list(evidence.free), "symmetries": fields, "scale": evidence.scale,
        "preconditioner": _table(evidence.preconditioner), "transform": _table(evidence.transform),
        "inertia": [evidence.inertia.positive, evidence.inertia.negative],
        "loss": [rational_text(value) for value in evidence.loss], "wide": wide,
    })  # fmt: skip
    claims: list[Claim] = [{"statement": "critical-point-nearby", "weights": name, "by": [by]}]
    return claims + _smaller(evidence.smaller, name, [by], draft, draft.instance, evidence.precision)


def _center(evidence: Enclosure, instance: Instance) -> Weights:
    """The centre of the box as weights."""
    entries: list[LayerWeights | None] = []
    at = 0
    for layer in instance.network.layers:
        if layer.weight_shape is None:
            entries.append(None)
            continue
        size = layer.patch_size * layer.filters
        arrays = [
            RationalArray.from_integers(
                _integers(evidence.center[at : at + size]), 1 << evidence.places
            ).reshape(layer.patch_size, layer.filters),
            None
            if not layer.bias_length
            else RationalArray.from_integers(
                _integers(evidence.center[at + size : at + size + layer.bias_length]), 1 << evidence.places
            ),
        ]
        at += size + layer.bias_length
        W, b = arrays
        assert W is not None
        entries.append(LayerWeights(W, b))
    return Weights(tuple(entries))


def _integers(values: tuple[int, ...]) -> Any:
    return np.array(list(values), dtype=object)


@encode.register
def _(evidence: AtPoint, finding: Finding, draft: Draft) -> Claim | None:
    """Theorems 4.4, 4.5, Corollary 4.6, Extension C and zero-loss-exists: the facts about their one point."""
    *ranks, last = evidence.parts
    known = last.evidence
    surface = known.surface if isinstance(known, ExactPoint) else exact_surface(known.instance)
    if surface is None:
        return None  # gradients of this size are not checked
    point, depth = weights_at(draft, surface.instance), draft.instance.network.depth
    by = parts_of(tuple(ranks), draft, point)
    if by is None:
        return None
    network, k, name = draft.instance.network, evidence.layer, draft.name_of(point, depth, "point")
    about_targets(draft, surface.instance)
    v = None if evidence.v is None else [rational_text(q) for q in evidence.v]
    if v is not None:
        U = {"matrix": "lifted-and-row", "node": network.affine_node_of(depth), "weights": name, "row": v}
        mixed = surface.instance.need_weights()[depth].W_ln2 is not None
        by.append(draft.add({
            "kind": "minor-mod-p", "of": U, "rows": list(evidence.rows or ()), "columns": list(range(len(v))),
            "prime": LARGEST_PRIME, "root": LN2_RESIDUE if mixed else None, "divisor": 1, "solutions": None,
        }))  # fmt: skip
    where = _first(surface)
    by.append(draft.add({"kind": "loss-exact", "weights": name, "value": polynomial(surface.loss)}))
    by.append(draft.add({"kind": "gradient-exact", "weights": name, "partial": where}))
    layer = network.layers[k]
    flat = (
        None
        if layer.kind == "maxpool"
        else all(v.sign() == 0 for v in surface.lifted_gradient(k + 1).ravel())
    )
    return {
        "statement": "point", "verdict": "proved", "node": network.node_of(k), "weights": name, "v": v,
        "critical": where is None, "loss": polynomial(surface.loss), "flat": flat, "failing": _failing(surface, k),
        "by": list(dict.fromkeys(by)),
    }  # fmt: skip


def _failing(surface: Any, k: int) -> list[str]:
    """The hypotheses that a checker finds failing above layer k, in its order; UndecidedError where it cannot tell."""
    layers = surface.layers
    above = layers[k:]

    def slope_zero(layer: Any) -> bool:
        if layer.activation is None:
            return False
        if layer.activation.name != "custom":
            return layer.activation.properties.derivative_nowhere_zero is not True
        slopes = [] if surface.first[layer.index] is None else surface.first[layer.index].ravel().tolist()
        if any(s is not None and not s.sign() for s in slopes):
            return True
        if any(s is None for s in slopes):
            raise UndecidedError(f"a slope of layer {layer.index} may not exist at the point")
        return False

    linear = (
        above[-1].kind == "dense"
        and above[-1].activation is not None
        and above[-1].activation.name == "identity"
    )
    tests: dict[str, bool] = {
        "no-pooling-above": any(layer.kind == "maxpool" for layer in above),
        "linear-output": not linear,
        "slopes-without-zeros": any([slope_zero(layer) for layer in above[:-1]]),
        "pyramid": any(a.width < b.width for a, b in pairwise(above)),
        "dense-above": above[0].kind != "dense",
        "fully-connected": any(layer.kind != "dense" for layer in layers),
    }
    return [name for name, fails in tests.items() if fails]
