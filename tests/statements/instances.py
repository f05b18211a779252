"""Small instances shared by the statement and certificate tests."""

from __future__ import annotations

import random
from fractions import Fraction

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.features.instance import Instance
from exactcnn.network.weights import LayerWeights, Weights


def network(d, *layers):
    return exactcnn.Network.from_dict({"name": "test", "input": {"shape": d}, "layers": list(layers)})


def given(net, *entries):
    """Weights from (W, b) pairs of nested lists, or None."""
    return Weights.from_layers(
        net,
        [
            None
            if entry is None
            else LayerWeights(
                RationalArray.from_fractions(entry[0]),
                None if entry[1] is None else RationalArray.from_fractions(entry[1]),
            )
            for entry in entries
        ],
    )


def random_rows(rng, count, d, low=-9, high=9):
    return [[rng.randint(low, high) for _ in range(d)] for _ in range(count)]


def instance(net, rows, weights=None, seed=0, bits=8):
    return Instance(
        net, exactcnn.samples(rows), Weights.from_seed(net, seed, bits) if weights is None else weights
    )


def conv(filters, activation, **more):
    return {"kind": "conv", "filters": filters, "activation": activation, **more}


def rng(seed):
    return random.Random(seed)


def fractions(rows):
    return [[Fraction(v) for v in row] for row in rows]
