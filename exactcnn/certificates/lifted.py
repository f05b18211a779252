"""Floor 5: the judgments on lifted matrices U_k, at given weights and for almost all or all filters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from exactcnn.arithmetic.modular import residues as residues_mod
from exactcnn.arithmetic.texts import json_integer
from exactcnn.certificates.judgments import Draft, Judgment, kernel_vectors
from exactcnn.features.generic_bounds import Cover, Determinantal, GenericBound
from exactcnn.features.generic_rank import GenericRank
from exactcnn.features.instance import Instance
from exactcnn.features.lifted import FILTER_BITS, lifted_residues, seeded_filters
from exactcnn.features.lifted_rank import LiftedRank
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.polynomials import Polynomial, PolynomialKernel
from exactcnn.network.weights import Weights

__all__ = ["generic_part", "lifted_part"]

_LN2_ROOT = 3  # where ln 2 goes in lifted matrices that contain it


def lifted_part(draft: Draft, evidence: LiftedRank, weights: Weights | None = None) -> list[int]:
    """The bounds of U_k at given weights."""
    network, k, found = draft.instance.network, evidence.layer, list[int]()
    chosen = draft.instance.need_weights() if weights is None else weights
    entry = chosen.layers[k - 1]
    assert entry is not None
    name = draft.name_of(weights, k)
    of = {"matrix": "lifted", "node": network.affine_node_of(k), "weights": name}
    minor = evidence.minor
    mixed = entry.W_ln2 is not None
    if minor is not None and minor.rank:
        W = residues_mod(entry.W.numerators, minor.prime)
        if mixed or _written_in_ln2(draft, name):
            W = W * pow(entry.W.denominator, -1, minor.prime) % minor.prime
        if entry.W_ln2 is not None:
            other = residues_mod(entry.W_ln2.numerators, minor.prime)
            W = (W + _LN2_ROOT * other * pow(entry.W_ln2.denominator, -1, minor.prime)) % minor.prime
        judgment = _lifted_minor(minor, of, _LN2_ROOT if mixed else None)
        found.append(
            draft.minor(
                judgment, partial(_lifted_residues, draft.instance, k, minor, lambda used: W[:, :used])
            )
        )
    if evidence.kernel is not None:
        found.append(
            draft.add(
                {
                    "kind": "kernel",
                    "of": of,
                    "side": evidence.kernel.side,
                    "vectors": kernel_vectors(evidence.kernel),
                }
            )
        )
    return found


def generic_part(draft: Draft, evidence: GenericRank) -> list[int]:
    """The bounds of U_k for almost all, or for all, filters."""
    network, k, found = draft.instance.network, evidence.layer, list[int]()
    node = network.affine_node_of(k)
    if evidence.minor is not None and evidence.minor.minor.rank:
        minor, seed = evidence.minor.minor, evidence.minor.seed
        name = "identity" if seed is None else f"filters-{seed}"
        draft.weights[name] = (
            {"kind": "identity"} if seed is None else {"kind": "seed", "seed": seed, "bits": FILTER_BITS}
        )
        judgment = _lifted_minor(minor, {"matrix": "lifted", "node": node, "weights": name}, None)
        if seed is None:  # a permutation matrix: elimination is trivial at any size
            found.append(draft.add(judgment))
        else:
            layer = network.layer(k)
            filters = lambda used: seeded_filters(layer, seed, minor.prime, used)  # noqa: E731
            found.append(draft.minor(judgment, partial(_lifted_residues, draft.instance, k, minor, filters)))
    if evidence.bound is not None:
        found.append(draft.add(_generic_rule(evidence.bound, node)))
    return found


def _written_in_ln2(draft: Draft, name: str) -> bool:
    weights, upto = draft._upto[name]
    return any(entry is not None and not entry.rational for entry in weights.layers[:upto])


def _lifted_minor(minor: Minor, of: dict[str, Any], root: int | None) -> Judgment:
    return {
        "kind": "minor-mod-p", "of": of, "rows": list(minor.rows), "columns": list(minor.columns), "prime": minor.prime,
        "root": root, "divisor": 1, "solutions": None,
    }  # fmt: skip


def _lifted_residues(
    instance: Instance, k: int, minor: Minor, filters: Callable[[int], np.ndarray]
) -> np.ndarray:
    """The minor of U_k; ``filters(n)`` gives the residues of the first n filters."""
    layer = instance.network.layer(k)
    used = max(column % layer.filters for column in minor.columns) + 1
    U, columns = lifted_residues(layer, filters(used))
    place = {int(column): j for j, column in enumerate(columns)}
    return np.ascontiguousarray(U[np.ix_(minor.rows, [place[column] for column in minor.columns])])


def _polynomial(polynomial: Polynomial) -> list[Any]:
    return [
        [json_integer(coefficient), [[variable, exponent] for variable, exponent in monomial]]
        for monomial, coefficient in sorted(polynomial.items())
    ]


def _generic_rule(bound: GenericBound, node: int) -> Judgment:
    if isinstance(bound, Determinantal):
        return {"kind": "determinantal", "node": node}
    if isinstance(bound, Cover):
        return {"kind": "cover", "node": node, "rows": list(bound.rows), "columns": list(bound.columns)}
    assert isinstance(bound, PolynomialKernel)
    vectors = [
        {"pivot": vector.pivot, "entries": [[index, _polynomial(p)] for index, p in vector.entries]}
        for vector in bound.vectors
    ]
    return {"kind": "polynomial-kernel", "node": node, "side": bound.side, "vectors": vectors}
