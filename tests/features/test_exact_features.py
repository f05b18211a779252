"""Exact features against features computed by definition, in Fractions, unit by unit."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactcnn.features import matrix as matrix_module
from exactcnn.features.forward import decide_pattern, exact_values, residue_values
from exactcnn.features.matrix import FeatureMatrix
from tests.statements.instances import instance, network


@st.composite
def networks(draw):
    """Rational networks of depth 1 to 3 on small 1-D or 2-D inputs, pooling and padding included."""
    channels = draw(st.integers(1, 2))
    axes = draw(st.integers(1, 2))
    layers = []
    extents = [draw(st.integers(3, 5)) for _ in range(axes)]
    shape = [channels, *extents]
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["conv", "conv", "maxpool", "dense"]))
        activation = draw(
            st.sampled_from(["relu", "relu", {"name": "leaky_relu", "slope": "1/3"}, "identity", "square"])
        )
        bias = draw(st.sampled_from(["unit", "filter", "none"]))
        if kind == "dense":
            layers.append(
                {"kind": "dense", "units": draw(st.integers(1, 3)), "activation": activation, "bias": bias}
            )
            break
        kernel, padding = draw(st.integers(1, 2)), 0
        if kernel == 2:
            padding = draw(st.integers(0, 1))
        stride = draw(st.integers(1, 2))
        size = [(e + 2 * padding - kernel) // stride + 1 for e in extents]
        if min(size) < 1:
            break
        extents = size
        window = {"kernel": kernel, "stride": stride, "padding": padding}
        if kind == "conv":
            filters = draw(st.integers(1, 3))
            layers.append(
                {"kind": "conv", "filters": filters, "activation": activation, "bias": bias, **window}
            )
        else:
            layers.append({"kind": "maxpool", **window})
    if not layers:
        layers = [{"kind": "dense", "units": 2, "activation": "relu"}]
    return network(shape, *layers)


@st.composite
def instances(draw):
    net = draw(networks())
    count = draw(st.integers(1, 4))
    rows = draw(
        st.lists(
            st.lists(
                st.fractions(-3, 3, max_denominator=6), min_size=net.input_size, max_size=net.input_size
            ),
            min_size=count,
            max_size=count,
        )
    )
    return instance(net, rows, seed=draw(st.integers(0, 10)), bits=draw(st.sampled_from([1, 2, 5, 30, 64])))


def by_definition(inst, k):
    """F_k by the paper's formulas (theory 1.1), one Fraction at a time."""
    values = inst.samples.x.to_fractions()
    for layer in inst.network.layers[:k]:
        patches = layer.patches.indices.tolist()
        n = layer.below.size
        rows = []
        for x in values:
            if layer.kind == "maxpool":
                rows.append([max(x[i] for i in patch if i < n) for patch in patches])
                continue
            entry = inst.weights[layer.index]
            W = entry.W.to_fractions()
            T = layer.filters
            row = []
            for p, t in product(range(len(patches)), range(T)):
                g = sum((W[r][t] * x[i] for r, i in enumerate(patches[p]) if i < n), Fraction(0))
                if entry.b is not None:
                    g += entry.b.to_fractions()[p * T + t if layer.bias == "unit" else t]
                row.append(layer.activation.apply_fraction(g))
            rows.append(row)
        values = rows
    return values


@settings(max_examples=250, deadline=None)
@given(instances())
def test_exact_values_equal_the_definition(inst):
    """numerators / denominator of every layer are the paper's features."""
    for k in range(1, inst.network.depth + 1):
        values, _ = exact_values(inst, k, before_activation=False)
        found = [[Fraction(int(v), values.denominator) for v in row] for row in values.numerators.tolist()]
        assert found == by_definition(inst, k)


@settings(max_examples=250, deadline=None)
@given(instances(), st.sampled_from([3, 503, 2147483647, 2147483646]))
def test_pattern_route_agrees_with_the_exact_one(inst, modulus):
    """Signs from enclosures, numerators mod m along them: the same features mod m."""
    k = inst.network.depth
    pattern = decide_pattern(inst, k)
    found = residue_values(inst, k, modulus, pattern, before_activation=False)
    expected = by_definition(inst, k)
    for i, row in enumerate(expected):
        for j, value in enumerate(row):
            whole = value * found.denominator
            assert whole.denominator == 1
            assert int(found.numerators[i, j]) == whole.numerator % modulus


def test_pattern_at_exact_zeros_and_ties():
    """Pre-activations that are exactly 0 and equal maxima are decided exactly, not by rounding."""
    net = network(
        [4],
        {"kind": "conv", "filters": 1, "kernel": 2, "activation": "relu", "bias": "none"},
        {"kind": "maxpool", "kernel": 2, "stride": 1},
    )
    rows = [[Fraction(1, 3), Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)], [1, -1, 1, -1], [5, 5, -5, 2]]
    from tests.statements.instances import given as weights

    inst = instance(net, rows, weights(net, ([[1], [-1]], None), None))
    pattern = decide_pattern(inst, 2)
    values = residue_values(inst, 2, 503, pattern, before_activation=False)
    expected = by_definition(inst, 2)
    assert [[Fraction(v) for v in row] for row in values.numerators.tolist()] == [
        [value * values.denominator % 503 for value in row] for row in expected
    ]


def test_near_cancellation_is_decided_exactly():
    """A pre-activation of 2^-80 between terms of size 1 is far below float64's resolution."""
    net = network([2], {"kind": "dense", "units": 2, "activation": "relu", "bias": "none"})
    tiny = Fraction(1, 2**80)
    from tests.statements.instances import given as weights

    inst = instance(net, [[1, 1 + tiny], [1 + tiny, 1], [1, 1]], weights(net, ([[1, -1], [-1, 1]], None)))
    pattern = decide_pattern(inst, 1)
    assert pattern.active[1].tolist() == [[False, True], [True, False], [True, True]]


@settings(max_examples=60, deadline=None)
@given(instances())
def test_both_routes_give_the_same_residues(inst):
    """FeatureMatrix's residues, whichever route it takes, are a unit multiple of one another."""
    features = FeatureMatrix(inst, inst.network.depth)
    prime = 2147483647
    direct, _ = features.residues(prime, 4)
    other = FeatureMatrix(inst, inst.network.depth)
    other.__dict__["exact_is_affordable"] = False
    along, _ = other.residues(prime, 4)
    pivot = np.argwhere(direct)
    if pivot.size == 0:
        assert not along.any()
        return
    i, j = pivot[0]
    factor = int(along[i, j]) * pow(int(direct[i, j]), -1, prime) % prime
    assert factor
    assert ((direct.astype(object) * factor - along.astype(object)) % prime == 0).all()


def test_small_route_is_chosen_by_size(monkeypatch):
    """With no exact work allowed, only 64-bit passes stay exact; both give the same rank."""
    from exactcnn.statements.rank import decide_rank
    from exactcnn.statements.statement import Ask

    net = network(
        [6],
        {"kind": "conv", "filters": 3, "kernel": 3, "activation": "relu"},
        {"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"},
        {"kind": "dense", "units": 8, "activation": "sigmoid"},
    )
    rows = np.random.default_rng(0).integers(-99, 99, (6, 6)).tolist()
    before = decide_rank(instance(net, rows, bits=40), Ask(3))
    monkeypatch.setattr(matrix_module, "_SMALL_EXACT_WORK", 0)
    after = decide_rank(instance(net, rows, bits=40), Ask(3))
    assert not FeatureMatrix(instance(net, rows, bits=40), 3).exact_is_affordable
    assert before.verdict == after.verdict == "proved"


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_three_axes(axes):
    """1-D, 2-D and 3-D inputs with channels, dilation and padding follow the definition."""
    shape = [2, *[4] * axes]
    net = network(
        shape,
        {"kind": "conv", "filters": 2, "kernel": 2, "dilation": 2, "padding": 1, "activation": "relu"},
        {"kind": "maxpool", "kernel": 2, "padding": 1, "stride": 2},
        {"kind": "dense", "units": 3, "activation": "identity"},
    )
    rows = np.random.default_rng(axes).integers(-9, 9, (2, net.input_size)).tolist()
    inst = instance(net, rows, bits=4)
    values, _ = exact_values(inst, 3, before_activation=False)
    found = [[Fraction(int(v), values.denominator) for v in row] for row in values.numerators.tolist()]
    assert found == by_definition(inst, 3)
