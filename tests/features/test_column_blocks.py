"""F_k mod p by blocks of columns equals FeatureMatrix.residues, up to the scale of the denominators."""

import random

import numpy as np
import pytest

import exactcnn
from exactcnn.arithmetic.primes import odd_order_element
from exactcnn.features import minors
from exactcnn.features.column_blocks import ColumnBlocks
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import feature_minor
from exactcnn.linalg.streamed_lu import StreamedLU

CONV = {"kind": "conv", "filters": 5, "kernel": 3}
STACKS = {
    "identity": [{**CONV, "activation": "identity"}],
    "relu": [{**CONV, "activation": "relu", "padding": 1, "stride": 2}],
    "leaky": [{**CONV, "activation": {"name": "leaky_relu", "slope": "3/5"}, "bias": "filter"}],
    "square": [{**CONV, "activation": "square", "bias": "none"}],
    "sigmoid": [{**CONV, "activation": "sigmoid"}],
    "tanh": [{**CONV, "activation": "tanh", "dilation": 2}],
    "gaussian": [{**CONV, "activation": "gaussian", "bias": "none"}],
    "silu": [{**CONV, "activation": "silu"}],
    "elu": [{**CONV, "activation": {"name": "elu", "alpha": "2/3"}}],
    "pool": [{**CONV, "activation": "relu"}, {"kind": "maxpool", "kernel": 2, "padding": 1}],
    "deep": [
        {**CONV, "activation": "relu"},
        {"kind": "maxpool", "kernel": 2, "padding": 1},
        {**CONV, "activation": "leaky_relu"},
        {"kind": "dense", "units": 30, "activation": "sigmoid"},
    ],
    "deep relu": [
        {**CONV, "activation": {"name": "leaky_relu", "slope": "1/3"}},
        {**CONV, "activation": "relu"},
        {"kind": "dense", "units": 30, "activation": "relu"},
    ],
}


def instance(layers, seed, bits, N=14):
    r = random.Random(seed)
    net = exactcnn.Network.from_dict(
        {"name": "blocks", "input": {"shape": [2, 6, 6]}, "layers": [*layers, {"kind": "dense", "units": 1}]}
    )
    rows = [[f"{r.randint(-50, 200)}/{r.choice([1, 3])}" for _ in range(72)] for _ in range(N)]
    return Instance(net, exactcnn.samples(rows), exactcnn.Weights.from_seed(net, seed, bits))


@pytest.mark.parametrize("bits", [4, 20, 60])
@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("p", [251, 719, 8388587])
def test_blocks_are_the_dense_residues(name, bits, p):
    inst = instance(STACKS[name], 7, bits)
    k, root = len(STACKS[name]), odd_order_element(p)
    features = FeatureMatrix(inst, k)
    blocks = ColumnBlocks(features, p, root)
    units = np.random.default_rng(0).permutation(blocks.width)
    units[: blocks.width // 2].sort()
    got = blocks.block(units).astype(np.int64) % p
    dense, substitution = FeatureMatrix(inst, k).residues(p, root)
    if substitution is None or blocks.substitution.denominator == substitution.denominator:
        assert (got == dense[:, units]).all()
    else:  # another multiple of the denominator: u -> root^(1/factor)
        factor = blocks.substitution.denominator // substitution.denominator
        assert factor * substitution.denominator == blocks.substitution.denominator
        other, _ = FeatureMatrix(inst, k).residues(p, pow(root, factor, p))
        assert (got == other[:, units]).all()


@pytest.mark.parametrize("name", ["relu", "sigmoid", "deep", "silu"])
def test_minors_by_blocks_hold(name, monkeypatch):
    """The minor found by the route for large layers is non-zero by FLINT, for the dense residues."""
    monkeypatch.setattr(minors, "_SMALL", 4)
    monkeypatch.setattr(minors, "_LARGEST_HELD", 0)
    inst = instance(STACKS[name], 3, 12)
    features = FeatureMatrix(inst, len(STACKS[name]))
    found = feature_minor(features)
    assert found.minor.prime in (251, 263, 347)
    assert found.rank == 14
    every = ColumnBlocks(
        features, found.minor.prime, 0 if found.substitution is None else found.substitution.root
    )
    assert found.minor.holds_for(every.block(np.arange(every.width)).astype(np.int64))
    assert feature_minor(features, enough=9).rank == 9


def test_equal_samples_are_not_proved(monkeypatch):
    monkeypatch.setattr(minors, "_SMALL", 4)
    monkeypatch.setattr(minors, "_LARGEST_HELD", 0)
    inst = instance(STACKS["sigmoid"], 3, 12)
    x = inst.samples.x.to_fractions()
    twice = Instance(inst.network, exactcnn.samples([*x, x[2]]), inst.weights)
    assert feature_minor(FeatureMatrix(twice, 1)).rank == 14


def test_wrong_eliminations_are_noticed(monkeypatch):
    """A BLAS that does not add exactly, planted as one wrong entry of the factors."""
    monkeypatch.setattr(minors, "_SMALL", 4)
    monkeypatch.setattr(minors, "_LARGEST_HELD", 0)
    original = StreamedLU.offer

    def broken(self, B, *arguments):
        found = original(self, B, *arguments)
        self.panels[0].entries[2, 3] += 1
        return found

    monkeypatch.setattr(StreamedLU, "offer", broken)
    with pytest.raises(ArithmeticError, match="not confirmed"):
        feature_minor(FeatureMatrix(instance(STACKS["sigmoid"], 3, 12), 1))
