"""Networks as PyTorch modules: the same function, and the same weights when read back."""

from __future__ import annotations

import random

import numpy as np
import pytest

import exactcnn
from exactcnn.errors import ExactCNNError
from exactcnn.features.balls import feature_balls
from exactcnn.features.instance import Instance
from tests.interop.models import exact_outputs

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
pytestmark = pytest.mark.filterwarnings("ignore")

CONV = {
    "kind": "conv",
    "filters": 3,
    "kernel": [2, 3],
    "stride": [2, 1],
    "padding": [1, 0],
    "activation": "relu",
}
PATCHES = {"kind": "conv", "filters": 2, "patches": [[0, 5, 7], [3, 2, 1]], "activation": "relu"}
SPECS = {
    "bias per unit": {"input": [2, 5, 6], "layers": [CONV, {"kind": "dense", "units": 4}]},
    "bias per filter": {
        "input": [2, 5, 6],
        "layers": [{**CONV, "bias": "filter"}, {"kind": "dense", "units": 4}],
    },
    "no bias": {
        "input": [2, 5, 6],
        "layers": [{**CONV, "bias": "none"}, {"kind": "dense", "units": 4, "bias": "none"}],
    },
    "pooling": {
        "input": [2, 6, 7],
        "layers": [
            CONV,
            {"kind": "maxpool", "kernel": [2, 3], "stride": 1, "padding": [0, 1]},
            {"kind": "dense", "units": 3},
        ],
    },
    "three axes": {
        "input": [2, 4, 3, 5],
        "layers": [
            {"kind": "conv", "filters": 2, "kernel": [2, 1, 3], "dilation": [1, 1, 2], "activation": "relu"}
        ],
    },
    "flat input, convolved": {
        "input": [9],
        "layers": [{"kind": "conv", "filters": 2, "kernel": 3, "activation": "relu"}],
    },
    "dense, convolved": {
        "input": [9],
        "layers": [
            {"kind": "dense", "units": 7, "activation": "relu"},
            {"kind": "conv", "filters": 2, "kernel": 3, "activation": "relu"},
        ],
    },
    "square": {"input": [4], "layers": [{"kind": "dense", "units": 3, "activation": "square"}]},
    "identity": {
        "input": [1, 4],
        "layers": [{"kind": "conv", "filters": 3, "kernel": 2, "activation": "identity"}],
    },
}
EXPLICIT = {
    "explicit patches": {"input": [2, 2, 3], "layers": [PATCHES, {"kind": "dense", "units": 3}]},
    "patches of patches": {
        "input": [2, 2, 3],
        "layers": [
            {**PATCHES, "bias": "filter"},
            {"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"},
        ],
    },
    "pooled patches": {
        "input": [3, 2, 3],
        "layers": [
            CONV | {"kernel": [1, 2], "padding": 0},
            {"kind": "maxpool", "patches": [[0, 2], [5, 1], [3, 4]]},
            {"kind": "dense", "units": 3},
        ],
    },
}


@pytest.mark.parametrize("name", [*SPECS, *EXPLICIT])
def test_the_module_computes_the_network(name):
    """Integer data and 8-bit dyadic weights: floats round nothing here, so equality is exact."""
    network = exactcnn.Network.from_dict((SPECS | EXPLICIT)[name])
    weights = exactcnn.Weights.from_seed(network, 5, bits=8)
    module = exactcnn.to_torch(network, weights)
    rng = random.Random(1)
    x = np.array([[rng.randint(-4, 4) for _ in range(network.input_size)] for _ in range(4)], dtype=float)
    x = x.reshape(4, *network.input_shape)
    given = module(torch.tensor(x)).numpy()
    exact = exact_outputs(exactcnn.Model(network, weights), x)
    assert np.array_equal(exact, given.reshape(4, -1))


@pytest.mark.parametrize("name", SPECS)
def test_read_back_it_is_the_same_network(name):
    """Same function, same weights; float32 loses nothing of 16-bit weights."""
    network = exactcnn.Network.from_dict(SPECS[name])
    weights = exactcnn.Weights.from_seed(network, 5)
    for dtype in ("float64", "float32"):
        model = exactcnn.from_torch(exactcnn.to_torch(network, weights, dtype=dtype), network.input_shape)
        assert model.network.to_json()["layers"] == network.to_json()["layers"]
        given = exactcnn.Model(network, exactcnn.Weights(weights.layers))  # without its seed
        assert model.weights_digest() == given.weights_digest()


@pytest.mark.parametrize(
    "activation",
    [
        "relu", {"name": "leaky_relu", "slope": "1/4"}, "identity", "square", "sigmoid", "tanh", "silu", "gelu",
        {"name": "softplus", "alpha": "2"}, {"name": "elu", "alpha": "1/2"}, "gaussian", "arctan", "sigmoid2",
    ],
    ids=str,
)  # fmt: skip
def test_every_activation_there_and_back(activation):
    """Within float error of the exact values, and the same activation when read back."""
    spec = {
        "input": [2, 4],
        "layers": [{"kind": "conv", "filters": 3, "kernel": 2, "activation": activation}],
    }
    network = exactcnn.Network.from_dict(spec)
    weights = exactcnn.Weights.from_seed(network, 1)
    module = exactcnn.to_torch(network, weights)
    x = np.random.default_rng(0).normal(size=(3, 2, 4))
    balls = feature_balls(Instance(network, exactcnn.samples(x), weights), 1, 128)
    order = network.layers[0].above.units().reshape(-1)
    exact = np.array([[float(row[u].mid()) for u in order] for row in balls])
    assert np.abs(module(torch.tensor(x)).numpy().reshape(3, -1) - exact).max() < 1e-8
    back = exactcnn.from_torch(module, (2, 4)).network.layers[0]
    assert back.activation == network.layers[0].activation


def test_weights_beyond_the_type_are_refused():
    """10^50 is no float32."""
    network = exactcnn.Network.from_dict(
        {"input": [1], "layers": [{"kind": "dense", "units": 1, "bias": "none"}]}
    )
    from exactcnn.arithmetic.rationals import RationalArray
    from exactcnn.network.weights import LayerWeights

    weights = exactcnn.Weights.from_layers(
        network, [LayerWeights(RationalArray.from_fractions([["1e50"]]), None)]
    )
    assert exactcnn.to_torch(network, weights)[0].weight.item() == 1e50
    with pytest.raises(exactcnn.MalformedError, match="float32 can hold"):
        exactcnn.to_torch(network, weights, dtype="float32")


def test_what_pytorch_cannot_compute_is_refused():
    """Custom expressions, other dtypes, weights of another network."""
    layer = {"kind": "dense", "units": 1, "activation": {"name": "custom", "expression": "t + 1"}}
    network = exactcnn.Network.from_dict({"input": [1], "layers": [layer]})
    weights = exactcnn.Weights.from_seed(network)
    with pytest.raises(exactcnn.MalformedError, match="custom expressions"):
        exactcnn.to_torch(network, weights)
    with pytest.raises(exactcnn.MisuseError, match="dtype"):
        exactcnn.to_torch(network, weights, dtype="float16")
    with pytest.raises(ExactCNNError, match="weights of 1 layers"):
        exactcnn.to_torch(network, exactcnn.Weights(()))
