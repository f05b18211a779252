"""Floor 5: the instance as FORMAT.md sections 1 to 4 write it."""

from __future__ import annotations

import os
from math import gcd, lcm
from typing import Any

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import json_integer, rational_text
from exactcnn.certificates.canonical import digest
from exactcnn.data.samples import Samples
from exactcnn.features.instance import Instance
from exactcnn.landscape.domains import LnTwo, ln_two
from exactcnn.network.layers import Layer
from exactcnn.network.weights import LayerWeights, Weights

__all__ = [
    "denominator_of",
    "digests",
    "instance_digest",
    "matrix_json",
    "polynomial",
    "samples_json",
    "weights_json",
]

# Samples with more entries than this are referred to by name and digest where possible.
_LARGEST_INLINE = 2_000_000


def instance_digest(instance: Instance) -> str:
    """Of the network, all samples and all weights."""
    return digest(
        {
            "network": instance.network.to_nodes(),
            "data": samples_json(instance.need_samples()),
            "weights": weights_json(instance.need_weights(), instance.network.layers, instance.network.depth),
        }
    )


def digests(record: dict[str, Any]) -> dict[str, Any]:
    """The digests of the parts and of the whole."""
    parts = {
        key: None if record[key] is None else digest(record[key]) for key in ("network", "data", "targets")
    }
    weights = {name: digest(each) for name, each in record["weights"].items()}
    return {**parts, "weights": weights, "instance": digest(record)}


def matrix_json(array: RationalArray) -> dict[str, Any]:
    rows = [[json_integer(v) for v in row] for row in array.numerators.tolist()]
    return {"denominator": json_integer(array.denominator), "rows": rows}


def in_a_file(samples: Samples) -> bool:
    """Does a certificate name the file they come from, instead of listing them?"""
    return samples.origin is not None and samples.x.numerators.size > _LARGEST_INLINE


def samples_json(samples: Samples) -> dict[str, Any]:
    x, origin = samples.x, samples.origin
    shape = [int(extent) for extent in x.shape]
    if origin is not None and in_a_file(samples):
        return {
            "kind": "file",
            "name": os.path.basename(origin.path),
            "format": origin.format,
            "sha256": origin.sha256,
            "shape": shape,
            "start": origin.start,
            "scale": rational_text(origin.scale),
        }
    return {"kind": "inline", "shape": shape, **matrix_json(x)}


def weights_json(weights: Weights, layers: tuple[Layer, ...], upto: int) -> dict[str, Any]:
    """WEIGHTS; given entries of layers above ``upto`` are left out (null).

    A checker draws uniform weights from their seed itself; those of other laws are given.  Where multiples of ln 2
    occur, all entries are written as polynomials in ln 2.
    """
    if weights.origin is not None and weights.origin.distribution.name == "uniform":
        return {"kind": "seed", "seed": json_integer(weights.origin.seed), "bits": weights.origin.bits}
    pairs = [(layer.index, weights.layers[layer.index - 1]) for layer in layers if layer.affine]
    entries = [None if k > upto else entry for k, entry in pairs]
    if all(entry is None or entry.rational for entry in entries):
        return {"kind": "rational", "nodes": [None if e is None else _rational(e) for e in entries]}
    return {"kind": "ln2", "nodes": [None if e is None else _in_ln2(e) for e in entries]}


def _rational(entry: LayerWeights) -> dict[str, Any]:
    b = entry.b
    bias = None
    if b is not None:
        values = [json_integer(v) for v in b.numerators.tolist()]
        bias = {"denominator": json_integer(b.denominator), "values": values}
    return {"W": matrix_json(entry.W), "b": bias}


def _in_ln2(entry: LayerWeights) -> dict[str, Any]:
    def texts(array: RationalArray, multiples: RationalArray | None) -> list[list[Any]]:
        whole = array.reshape(-1, array.shape[-1]).to_fractions()
        more = None if multiples is None else multiples.reshape(-1, array.shape[-1]).to_fractions()
        return [
            [polynomial(ln_two(q, more[i][j] if more else 0)) for j, q in enumerate(row)]
            for i, row in enumerate(whole)
        ]

    b = None if entry.b is None else texts(entry.b, entry.b_ln2)[0]
    return {"W": texts(entry.W, entry.W_ln2), "b": b}


def polynomial(value: LnTwo) -> list[Any]:
    """POLY: coefficients in powers of ln 2."""
    return [json_integer(c.numerator) if c.denominator == 1 else rational_text(c) for c in value.coefficients]


def denominator_of(instance: Instance, k: int) -> int:
    """The denominator that FORMAT.md (5.1) gives the units of layer k, or its pre-activations if sigma_k is no polygon."""
    x, origin, weights = instance.need_samples().x, instance.need_samples().origin, instance.need_weights()
    D = x.denominator if origin is None or x.numerators.size <= _LARGEST_INLINE else origin.scale.denominator
    seeded = weights.origin is not None and weights.origin.distribution.name == "uniform"
    mixed = any(entry is not None and not entry.rational for entry in weights.layers)

    def step(layer: Layer, sources: list[int]) -> int:
        D = lcm(*sources)
        if layer.affine:
            entry = weights[layer.index]
            over = [1 if array is None else array.denominator for array in (entry.W, entry.b)]
            if seeded and weights.origin is not None:
                over = [1 << weights.origin.bits] * 2
            elif mixed:
                over = [lcm(*(_least(array) for array in (entry.W, entry.b) if array is not None))] * 2
            D = lcm(over[0] * D, over[1])
        elif layer.kind != "maxpool":
            D *= layer.mixture.denominator
        if layer.activation is not None and layer.activation.degree == 2:
            return D * D
        if layer.activation is not None and layer.activation.slope_below:
            return D * dict(layer.activation.parameters)["slope"].denominator
        return D

    return instance.network.carry(k, D, step)


def _least(array: RationalArray) -> int:
    common = gcd(array.denominator, *(int(v) for v in array.numerators.ravel()))
    return array.denominator // common
