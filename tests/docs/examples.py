"""Certificates with every kind of judgment and of claim, small, made by the prover or by hand."""

from __future__ import annotations

from fractions import Fraction

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates import make_certificate
from exactcnn.certificates.instance_json import digests
from exactcnn.features.instance import Instance
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide

ROWS = [[3, 1, 4, 1], [5, 9, 2, 6], [5, 3, 5, 8]]
POINTS = exactcnn.samples([[1, 2], [3, -1]], [[1], [0]])


def conv(filters, activation="relu", **more):
    return {"kind": "conv", "filters": filters, "activation": activation, **more}


def dense(units, activation="identity", **more):
    return {"kind": "dense", "units": units, "activation": activation, **more}


def net(size, *layers):
    return exactcnn.Network.from_dict({"name": "example", "input": size, "layers": list(layers)})


def given(network, *entries):
    """Weights: (W, b) of rationals, b perhaps None, for each layer but pooling."""

    def part(values):
        return None if values is None else RationalArray.from_fractions(values, "w")

    layers = iter(entries)
    return Weights.from_layers(
        network,
        [
            None if each.kind == "maxpool" else LayerWeights(*map(part, next(layers)))
            for each in network.layers
        ],
    )


def made(network, samples, weights, *statements, layer=None):
    """Weights: a number of bits for those of seed 0, or Weights, or None."""
    if isinstance(samples, list):
        samples = exactcnn.samples(samples)
    if isinstance(weights, int):
        weights = Weights.from_seed(network, 0, weights)
    instance = Instance(network, samples, weights)
    return make_certificate(
        instance, [found for name in statements for found in decide(name, instance, layer)]
    )


def sealed(nodes, size, data, targets, weights, judgments, claims):
    """By hand; data and targets are integers."""
    instance = {
        "network": {"name": "by hand", "input": size, "nodes": nodes},
        "data": None if data is None else {
            "kind": "inline", "shape": [len(data), len(data[0])], "denominator": 1, "rows": data
        },
        "targets": None if targets is None else {"denominator": 1, "rows": targets},
        "weights": weights,
    }  # fmt: skip
    head = {
        "format": "exactcnn-certificate",
        "version": 2,
        "instance": instance,
        "digests": digests(instance),
    }
    return {**head, "judgments": judgments, "claims": claims}


def _ranks():
    sigmoid = net([4], conv(3, "sigmoid", kernel=2), dense(2))
    yield "sigmoid, full rank", made(sigmoid, ROWS, 4, "rank", "assumption-3.1", "assumption-4.1", layer=1)
    yield "sigmoid, equal samples", made(sigmoid, [*ROWS, ROWS[0]], 4, "rank", "assumption-3.1")
    yield (
        "rational features",
        made(net([4], conv(3, kernel=2)), ROWS, 4, "rank", "structure", "assumption-3.2"),
    )
    yield "left kernel", made(net([1], dense(5, "square")), [[1], [2], [3], [5]], 3, "rank")
    gelu = net([4], conv(2, "gelu", kernel=2))
    yield "enclosed", made(gelu, ROWS, 3, "rank")
    yield "lifted", made(net([4], conv(2, kernel=2)), ROWS, 3, "lifted-rank")
    lists = net([4], conv(1, patches=[[0, 1], [2, 3], [0, 2], [1, 3]]))
    yield "polynomial kernel", made(lists, None, None, "assumption-2.4", "lemma-2.5")
    yield (
        "determinantal",
        made(net([1, 5, 5], conv(2, "softplus", kernel=3), dense(2)), None, None, "assumption-2.4"),
    )
    yield "order", made(gelu, ROWS, None, "theorem-3.5")
    yield "one witness", made(sigmoid, ROWS, 4, "theorem-3.5", "extension-a", layer=1)
    relu = net([4], conv(2, kernel=2), dense(3, "relu"))
    yield "dead layer", made(relu, ROWS, 3, "theorem-3.5", layer=2)
    yield "explicit weights", made(relu, ROWS, None, "theorem-3.4", layer=2)
    yield "no weights", made(relu, [*ROWS, ROWS[0]], None, "theorem-3.4", layer=2)
    yield "almost all weights", made(net([4], conv(3, "gelu", kernel=2)), ROWS, None, "theorem-3.4", layer=1)
    pools = net(
        [5], conv(2, "tanh", kernel=2), {"kind": "maxpool", "kernel": 2, "stride": 1}, dense(3, "sigmoid")
    )
    apart = [[1, 2, 3, 4, 5], [7, 8, 6, 9, 0], [2, 9, 1, 3, 7]]
    yield "general position", made(pools, apart, None, "extension-a", layer=3)
    shared = net([3], conv(2, "softplus", kernel=2, bias="filter"))
    yield "generic data", made(shared, [[1, 2, 3], [4, 5, 7]], None, "extension-b")
    high = net([4], conv(2, "gelu", kernel=2), conv(1, kernel=1), conv(2, kernel=2))
    yield "complement of S_k", made(high, ROWS, None, "lemma-4.2", layer=1)
    skip = net(
        [3],
        dense(2, "sigmoid", name="a"),
        dense(2, "tanh"),
        {"kind": "concat", "axis": "units", "of": ["a", 2]},
        dense(1),
    )
    yield "no bad valley", made(skip, [[1, 2, 0], [0, 1, 1], [2, 0, 1], [1, 1, 3]], None, "no-bad-valley")
    yield "complement of S_k, refuted", made(high, [*ROWS, ROWS[0]], None, "lemma-4.2", layer=1)
    cover = {"kind": "cover", "node": 1, "rows": [], "columns": [0]}
    node = {
        "kind": "conv-lists",
        "of": [0],
        "filters": 1,
        "patches": [[0, 1]],
        "extents": [1],
        "bias": "none",
    }
    claim = {"statement": "lemma-2.5", "verdict": "undecided", "node": 1, "lower": 0, "upper": 1, "by": [0]}
    yield "cover", sealed([node], [2], None, None, {}, [cover], [claim])


def _points():
    pooled = net([2], conv(1, kernel=1), {"kind": "maxpool", "kernel": 2}, dense(1))
    moved = given(pooled, ([[1]], [0, 1]), ([[2]], [1]))
    yield "slope and loss", made(pooled, POINTS, moved, "critical-point", "loss", "local-minimum")
    line = net([1], dense(1))
    best = given(line, ([[Fraction(3, 2)]], [Fraction(1, 2)]))
    fit = exactcnn.samples([[0], [1], [2]], [[0], [3], [3]])
    asked = ("critical-point", "local-minimum", "critical-point-nearby")
    yield "minimum", made(line, fit, best, *asked)
    saddle = net([1], dense(1, "tanh", bias="none"), dense(1, bias="none"))
    flat = given(saddle, ([[0]], None), ([[0]], None))
    yield "saddle", made(saddle, exactcnn.samples([[1], [2]], [[1], [2]]), flat, "local-minimum")
    wide = net([2], dense(3), dense(1))
    inside = given(wide, ([[1, 0, 1], [0, 1, 1]], [1, 1, 0]), ([[1], [2], [3]], [1]))
    yield "membership", made(wide, POINTS, inside, "s-k", "corollary-3.6")
    smooth = net([2], dense(3, "sigmoid"), dense(1))
    yield "interpolation", made(smooth, POINTS, 3, "zero-loss-nearby")
    above = net([2], dense(3, "relu"), dense(2, "sigmoid"), dense(1))
    still = given(above, ([[1, 0, 1], [0, 1, 1]], [1, 1, 0]), ([[0, 0]] * 3, [0, 0]), ([[1], [1]], [0]))
    yield "point", made(above, POINTS, still, "theorem-4.4", "theorem-4.5", layer=1)
    one = {"kind": "dense", "of": [0], "units": 1, "bias": "none"}
    weights = {
        name: {"kind": "ln2", "nodes": [{"W": [[value]], "b": None}]}
        for name, value in (("a", [1]), ("b", [0, 3]))
    }
    judgments = [
        {"kind": "loss-exact", "weights": "a", "value": ["1/2"]},
        {"kind": "loss-exact", "weights": "b", "value": [2, -6, "9/2"]},
        {"kind": "loss-enclosed", "weights": "a", "precision": 64, "bounds": ["1/4", 1]},
        {"kind": "slope-enclosed", "weights": "b", "precision": 64, "partial": 0},
    ]
    claims = [
        {"statement": "smaller-loss", "verdict": "proved", "weights": "b", "than": "a", "by": [0, 1]},
        {"statement": "loss", "verdict": "proved", "weights": "a", "by": [2]},
        {"statement": "critical-point", "verdict": "refuted", "weights": "b", "by": [3]},
    ]
    yield "smaller loss", sealed([one], [1], [[1]], [[2]], weights, judgments, claims)
    log = {"a": {"kind": "ln2", "nodes": [{"W": [[[0, 1]]], "b": None}]}}
    minor = {
        "kind": "minor-mod-p", "of": {"matrix": "lifted", "node": 1, "weights": "a"}, "rows": [0], "columns": [0],
        "prime": 7, "root": 3, "divisor": 1, "solutions": None,
    }  # fmt: skip
    claim = {
        "statement": "lifted-rank",
        "verdict": "proved",
        "node": 1,
        "weights": "a",
        "lower": 1,
        "upper": 1,
        "by": [0],
    }
    yield "lifted, with ln 2", sealed([one], [1], None, None, log, [minor], [claim])


CERTIFICATES = dict([*_ranks(), *_points()])
