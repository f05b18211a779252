"""The lifting M_k and its adjoint against their definitions (theory 1.1)."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactcnn.errors import MisuseError
from exactcnn.network.lifting import lift, lift_adjoint, lift_pattern
from exactcnn.network.network import Network
from tests.network.naive import window_cases, windows

MANY = settings(max_examples=100, deadline=None)
DTYPES = st.sampled_from([np.int64, object])


def conv_layer(case, filters):
    """The first layer of a network with this window, and its naive patches."""
    channels, extents, window = case
    listed = {key: list(value) for key, value in window.items()}
    layer = {"kind": "conv", "filters": filters, "activation": "relu", **listed}
    net = Network.from_dict({"input": [channels, *extents], "layers": [layer]})
    return net.layer(1), windows(channels, extents, True, **window, pooling=False)


def numbers(rng, shape, dtype):
    """Random integers, beyond 64 bits if the dtype allows."""
    size = 10**30 if dtype is object else 1
    values = [rng.randint(-9, 9) * size for _ in range(shape[0] * shape[1])]
    return np.array(values, dtype=dtype).reshape(shape)


@MANY
@given(window_cases(), st.integers(1, 3), DTYPES, st.integers(0, 2**32))
def test_lift_is_the_definition(case, filters, dtype, seed):
    """U[i, p T + t] = W[r, t] if patch p holds the real neuron i at place r, else 0."""
    layer, patches = conv_layer(case, filters)
    W = numbers(random.Random(seed), layer.weight_shape, dtype)
    expected = [[0] * layer.width for _ in range(layer.below.size)]
    for p, patch in enumerate(patches):
        for r, entry in enumerate(patch):
            if not isinstance(entry, tuple):
                for t in range(filters):
                    expected[entry][p * filters + t] = W[r, t]
    found = lift(layer, W)
    assert found.dtype == W.dtype
    assert found.tolist() == expected


@MANY
@given(window_cases(), st.integers(1, 3), DTYPES, st.integers(0, 2**32))
def test_adjoint(case, filters, dtype, seed):
    """<M(W), V> = <W, M*(V)> for the traces of integer matrices."""
    layer, _ = conv_layer(case, filters)
    rng = random.Random(seed)
    W = numbers(rng, layer.weight_shape, dtype)
    V = numbers(rng, (layer.below.size, layer.width), dtype)
    left = sum(int(a) * int(b) for a, b in zip(lift(layer, W).ravel(), V.ravel(), strict=True))
    right = sum(int(a) * int(b) for a, b in zip(W.ravel(), lift_adjoint(layer, V).ravel(), strict=True))
    assert left == right
    kept = V.copy()
    lift_adjoint(layer, np.asfortranarray(V))
    assert (kept == V).all()


@MANY
@given(window_cases(), st.integers(1, 3), st.integers(0, 2**32))
def test_lifted_product_is_the_convolution(case, filters, seed):
    """x U is the layer's pre-activation without bias: what U is for."""
    layer, _ = conv_layer(case, filters)
    rng = random.Random(seed)
    x, W = numbers(rng, (3, layer.below.size), np.int64), numbers(rng, layer.weight_shape, np.int64)
    assert (x @ lift(layer, W) == (layer.patches.gather(x) @ W).reshape(3, -1)).all()


def test_dense_layers_lift_to_their_weights():
    """A dense layer has one patch of all neurons, so U = W."""
    layer = Network.from_dict({"input": [3], "layers": [{"kind": "dense", "units": 2}]}).layer(1)
    W = np.arange(6).reshape(3, 2)
    assert lift(layer, W).tolist() == W.tolist()
    assert lift_adjoint(layer, W).tolist() == W.tolist()


def test_the_pattern_lists_every_place_once():
    """The pattern's places are those where U is not identically zero, each once."""
    layer, patches = conv_layer(
        (2, (3,), {"kernel": (2,), "stride": (1,), "padding": (1,), "dilation": (1,)}), 2
    )
    pattern = lift_pattern(layer)
    found = sorted(zip(pattern.rows.tolist(), pattern.positions.tolist(), pattern.taps.tolist(), strict=True))
    expected = sorted(
        (entry, p, r)
        for p, patch in enumerate(patches)
        for r, entry in enumerate(patch)
        if not isinstance(entry, tuple)
    )
    assert found == expected
    assert (pattern.shape, pattern.filters) == ((6, 8), 2)


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (4,), (2, 2, 1), (0, 0)])
def test_wrong_shapes_are_refused(shape):
    """W and V of another shape than the layer's are a misuse, not a broadcast."""
    spec = {"input": [3], "layers": [{"kind": "conv", "filters": 2, "kernel": 2, "activation": "relu"}]}
    layer = Network.from_dict(spec).layer(1)
    with pytest.raises(MisuseError, match=r"^W: expected an array of shape"):
        lift(layer, np.zeros(shape))
    with pytest.raises(MisuseError, match=r"^V: expected an array of shape"):
        lift_adjoint(layer, np.zeros(shape))


def test_pooling_has_no_lifting():
    """Max-pooling has no weights to lift."""
    layer = Network.from_dict({"input": [4], "layers": [{"kind": "maxpool", "kernel": 2}]}).layer(1)
    with pytest.raises(MisuseError, match="max-pooling layer 1"):
        lift_pattern(layer)
