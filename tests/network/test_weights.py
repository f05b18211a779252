"""Weights: from a seed as FORMAT.md says, from files exactly, PyTorch's layout in the unit order."""

from __future__ import annotations

import hashlib
import json
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates.instance_json import weights_json
from exactcnn.errors import MalformedError, MisuseError
from exactcnn.network.network import Network
from exactcnn.network.weights import LayerWeights, Weights
from tests.network.naive import positions, unit

CONV = {"kind": "conv", "filters": 2, "kernel": [2, 3], "activation": "relu", "bias": "filter"}
NET = Network.from_dict(
    {
        "input": [3, 4, 5],
        "layers": [CONV, {"kind": "maxpool", "kernel": 2, "stride": 1}, {"kind": "dense", "units": 4}],
    }
)
SHAPES = {"conv": (2, 3, 2, 3), "fc": (4, 8), "W1": (18, 2), "W3": (8, 4)}
SMALL = Network.from_dict({"input": [2], "layers": [{"kind": "dense", "units": 2}]})


def floats(*shape, seed=0):
    """Ordinary float32 values, as a trained network has them."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def exact(array):
    """The entries of a float array as fractions, by CPython's own conversion."""
    return [Fraction(float(part)) if np.ndim(part) == 0 else exact(part) for part in array]


def naive_entry(seed, layer, which, bits, m):
    """FORMAT.md section 4, entry m."""
    w = -(-bits // 8)
    message = f"exactcnn/weights/1/{seed}/{layer}/{which}".encode("ascii")
    v = int.from_bytes(hashlib.shake_256(message).digest((m + 1) * w)[m * w :], "big") & (2**bits - 1)
    return Fraction(2 * v + 1 - 2**bits, 2**bits)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(1, 64), st.sampled_from(["unit", "filter", "none"]))
def test_seeded_weights_are_the_formats(seed, bits, bias):
    """W row-major and b, of every layer, drawn as FORMAT.md says; nothing for pooling."""
    layers = [
        {"kind": "conv", "filters": 2, "kernel": 2, "activation": "relu", "bias": bias},
        {"kind": "maxpool", "kernel": 2},
        {"kind": "dense", "units": 3, "bias": bias},
    ]
    net = Network.from_dict({"input": [5], "layers": layers})
    weights = Weights.from_seed(net, seed, bits)
    assert weights.layers[1] is None
    for k, (size, filters, length) in {
        1: (2, 2, {"unit": 8, "filter": 2}),
        3: (4, 3, {"unit": 3, "filter": 3}),
    }.items():
        entries = [naive_entry(seed, k, "W", bits, m) for m in range(size * filters)]
        assert weights[k].W.to_fractions() == [entries[r * filters : (r + 1) * filters] for r in range(size)]
        if bias == "none":
            assert weights[k].b is None
        else:
            assert weights[k].b.to_fractions() == [
                naive_entry(seed, k, "b", bits, m) for m in range(length[bias])
            ]
    assert weights_json(weights, net.layers, 3) == {
        "kind": "seed",
        "seed": seed if seed < 2**53 else str(seed),
        "bits": bits,
    }


@pytest.mark.parametrize("seed", [-1, 2**64, True, "0", 0.0, None])
def test_bad_seeds(seed):
    """A seed is an integer from 0 to 2^64 - 1."""
    with pytest.raises(MisuseError, match=r"^seed: expected an integer from 0"):
        Weights.from_seed(SMALL, seed)


@pytest.mark.parametrize("bits", [0, 65, -1, True, "8", 8.0, None])
def test_bad_bits(bits):
    """Weights have from 1 to 64 bits."""
    with pytest.raises(MisuseError, match=r"^bits: expected an integer from 1 to 64"):
        Weights.from_seed(SMALL, 0, bits)


def test_too_many_seeded_weights():
    """A layer of 10^8 weights is refused before it is drawn."""
    net = Network.from_dict({"input": [10_000], "layers": [{"kind": "dense", "units": 10_000}]})
    with pytest.raises(MalformedError, match=r"^layers\[0\]: expected at most 50000000 seeded weights"):
        Weights.from_seed(net)


def test_pooling_has_no_weights():
    """Asking for the weights of a pooling layer is a misuse."""
    with pytest.raises(MisuseError, match="max-pooling layer 2"):
        Weights.from_seed(NET)[2]


def test_weights_in_the_papers_layout(tmp_path):
    """W1, b1, .. of an NPZ file are taken as they are, exactly."""
    W1, b1, W3, b3 = floats(18, 2), floats(2), floats(8, 4), floats(4)
    np.savez(tmp_path / "w.npz", W1=W1, b1=b1, W3=W3, b3=b3)
    weights = Weights.from_file(NET, tmp_path / "w.npz")
    assert weights[1].W.to_fractions() == exact(W1)
    assert weights[1].b.to_fractions() == exact(b1)
    assert weights[3].W.to_fractions() == exact(W3)
    assert weights[3].b.to_fractions() == exact(b3)
    assert (weights.layers[1], weights.origin) == (None, None)


def torch_arrays():
    """A state dictionary as PyTorch has it for NET."""
    return {
        "conv.weight": floats(*SHAPES["conv"]),
        "conv.bias": floats(2, seed=1),
        "fc.weight": floats(*SHAPES["fc"], seed=2),
        "fc.bias": floats(4, seed=3),
    }


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_weights_in_pytorchs_layout(tmp_path, suffix):
    """(T, C, *kernel) becomes rows in patch order; a dense layer's columns leave (C, H, W) order."""
    arrays = torch_arrays()
    if suffix == ".npz":
        np.savez(tmp_path / "w.npz", **arrays)
    else:
        pytest.importorskip("safetensors.numpy").save_file(arrays, tmp_path / "w.safetensors")
    weights = Weights.from_file(NET, tmp_path / f"w{suffix}")
    W = weights[1].W.to_fractions()
    for t in range(2):
        for r, (c, i, j) in enumerate(positions((3, 2, 3))):
            assert W[r][t] == Fraction(float(arrays["conv.weight"][t, c, i, j]))
    assert weights[1].b.to_fractions() == exact(arrays["conv.bias"])
    # The pooled state has 2 channels of 2 x 2; PyTorch flattens it to c * 4 + i * 2 + j.
    V = weights[3].W.to_fractions()
    for u in range(4):
        for column, (c, i, j) in enumerate(positions((2, 2, 2))):
            row = unit(2, (2, 2), False, c, (i, j))
            assert V[row][u] == Fraction(float(arrays["fc.weight"][u, column]))


def test_a_pytorch_network_computes_what_pytorch_computes(tmp_path):
    """conv, max pool, flatten, linear in PyTorch's order of everything, on one integer image."""
    rng = np.random.default_rng(5)
    arrays = {
        "0.weight": rng.integers(-4, 5, SHAPES["conv"]),
        "0.bias": rng.integers(-4, 5, 2),
        "3.weight": rng.integers(-4, 5, SHAPES["fc"]),
        "3.bias": rng.integers(-4, 5, 4),
    }
    np.savez(tmp_path / "w.npz", **arrays)
    image = rng.integers(-9, 10, (3, 4, 5))
    conv = np.empty((2, 3, 3), dtype=np.int64)
    for t, i, j in positions((2, 3, 3)):
        conv[t, i, j] = (image[:, i : i + 2, j : j + 3] * arrays["0.weight"][t]).sum() + arrays["0.bias"][t]
    conv = np.maximum(conv, 0)
    pooled = np.array(
        [[[conv[t, i : i + 2, j : j + 2].max() for j in range(2)] for i in range(2)] for t in range(2)]
    )
    expected = arrays["3.weight"] @ pooled.reshape(-1) + arrays["3.bias"]

    weights = Weights.from_file(NET, tmp_path / "w.npz")
    values = image.reshape(1, -1)
    first = NET.layer(1).patches.gather(values) @ weights[1].W.numerators + weights[1].b.numerators
    values = np.maximum(first, 0).reshape(1, -1)
    values = NET.layer(2).patches.gather(values).max(axis=2)
    values = values @ weights[3].W.numerators + weights[3].b.numerators
    assert values.tolist() == [expected.tolist()]


def test_dense_directly_on_the_input_keeps_pytorchs_order(tmp_path):
    """The input is numbered as PyTorch flattens it, so nothing is permuted."""
    net = Network.from_dict({"input": [2, 2, 2], "layers": [{"kind": "dense", "units": 1, "bias": "none"}]})
    np.savez(tmp_path / "w.npz", **{"fc.weight": np.arange(8)[None, :]})
    assert Weights.from_file(net, tmp_path / "w.npz")[1].W.numerators.ravel().tolist() == list(range(8))


@pytest.mark.parametrize(
    "names",
    [
        [f"fc{i}" for i in range(1, 13)],
        [f"features.{i}" for i in range(1, 13)],
        [f"b.{i}.c" for i in range(12)],
    ],
)
def test_layers_are_matched_in_natural_order(tmp_path, names):
    """fc2 comes before fc10, in whatever order the file lists them."""
    dense = {"kind": "dense", "units": 1, "activation": "relu", "bias": "none"}
    net = Network.from_dict({"input": [1], "layers": [dense] * 12})
    arrays = {f"{name}.weight": np.array([[i]]) for i, name in enumerate(names)}
    np.savez(tmp_path / "w.npz", **dict(reversed(arrays.items())))
    weights = Weights.from_file(net, tmp_path / "w.npz")
    assert [weights[k].W.numerators.item() for k in range(1, 13)] == list(range(12))


def test_explicit_patches_take_flat_filters(tmp_path):
    """A convolution with explicit patches has PyTorch weights (T, l)."""
    layer = {"kind": "conv", "filters": 2, "patches": [[0, 1], [2, 1]], "activation": "relu", "bias": "none"}
    net = Network.from_dict({"input": [3], "layers": [layer]})
    np.savez(tmp_path / "w.npz", **{"conv.weight": np.array([[1, 2], [3, 4]])})
    assert Weights.from_file(net, tmp_path / "w.npz")[1].W.numerators.tolist() == [[1, 3], [2, 4]]


def test_json_weights_survive_the_round_trip(tmp_path):
    """What a certificate says of them are the weights that were read, of any size."""
    layers = [
        {"W": [["1/3", 2], ["-5e-1", "1e5000"]] * 9, "b": [0, f"{10**40}/7"]},
        None,
        {"W": [[1, 2, 3, 4]] * 8, "b": [1, 2, 3, 4]},
    ]
    (tmp_path / "w.json").write_text(json.dumps({"layers": layers}))
    weights = Weights.from_file(NET, tmp_path / "w.json")
    assert weights[1].W.to_fractions()[1] == [Fraction(-1, 2), Fraction(10**5000)]
    record = weights_json(weights, NET.layers, 3)
    for entry, k in zip(record["nodes"], (1, 3), strict=True):
        read = RationalArray.from_fractions(entry["W"]["rows"]).scaled(
            Fraction(1, int(entry["W"]["denominator"]))
        )
        assert read == weights[k].W
        read = RationalArray.from_fractions(entry["b"]["values"]).scaled(
            Fraction(1, int(entry["b"]["denominator"]))
        )
        assert read == weights[k].b
    assert weights_json(weights, NET.layers, 2)["nodes"] == [record["nodes"][0], None]


def rational(*shape):
    """An array of ones of this shape."""
    return RationalArray.from_integers(np.ones(shape, dtype=np.int64))


GOOD = {"W1": np.ones((18, 2)), "b1": np.ones(2), "W3": np.ones((8, 4)), "b3": np.ones(4)}
NO_BIAS = Network.from_dict({"input": [2], "layers": [{"kind": "dense", "units": 2, "bias": "none"}]})
SQUARE = Network.from_dict(
    {"input": [2], "layers": 2 * [{"kind": "dense", "units": 2, "activation": "relu", "bias": "none"}]}
)
ONLY_POOL = Network.from_dict({"input": [2], "layers": [{"kind": "maxpool", "kernel": 2}]})
BAD_ARRAYS = [
    ("nothing", NET, {}, r"arrays W1, \.\. or 2 arrays '<prefix>\.weight', found no arrays"),
    ("other names", NET, {"a": [1], "b": [1]}, r"W1, \.\. or 2 arrays .* found a, b"),
    ("W3 missing", NET, {**GOOD, "W3": None}, r"w\.npz\.W3: expected an array for layer 3, found nothing"),
    ("W2 too much", NET, {**GOOD, "W2": np.ones((1, 1))}, "only the arrays W1, W3, b1, b3, found array 'W2'"),
    ("mixed names", NET, {**GOOD, "fc.weight": np.ones((4, 8))}, "found array 'fc.weight'"),
    ("W1 transposed", NET, {**GOOD, "W1": np.ones((2, 18))}, r"npz\.W1: expected shape \(18, 2\)"),
    (
        "W1 of three axes",
        NET,
        {**GOOD, "W1": np.ones((18, 2, 1))},
        r"npz\.W1: expected shape \(18, 2\)",
    ),
    ("W1 a number", NET, {**GOOD, "W1": 1}, r"npz\.W1: expected shape \(18, 2\) .* found \(\)"),
    (
        "b1 missing",
        NET,
        {**GOOD, "b1": None},
        r"npz\.b1: expected 2 biases \(per filter\), found nothing",
    ),
    (
        "b1 per unit",
        NET,
        {**GOOD, "b1": np.ones(18)},
        r"npz\.b1: expected shape \(2,\) \(per filter\)",
    ),
    ("b1 of two axes", NET, {**GOOD, "b1": np.ones((2, 1))}, r"npz\.b1: expected shape \(2,\)"),
    ("b1 a number", NET, {**GOOD, "b1": 1}, r"npz\.b1: expected shape \(2,\) .* found \(\)"),
    ("bias unwanted", NO_BIAS, {"W1": np.ones((2, 2)), "b1": np.ones(2)}, "no bias, as the spec says"),
    ("bias unwanted, a number", NO_BIAS, {"W1": np.ones((2, 2)), "b1": 1}, "no bias, as the spec says"),
    ("no layer has weights", ONLY_POOL, {"W1": np.ones((2, 2))}, "no layer has weights, found 1 arrays"),
    ("nan", NET, {**GOOD, "b3": [1, 2, np.nan, 4]}, r"w\.npz\.b3\[2\]: expected a finite number, found nan"),
    ("complex", NET, {**GOOD, "b3": [1j] * 4}, r"w\.npz\.b3: .* dtype complex128"),
    (
        "one weight too few",
        NET,
        {"fc.weight": np.ones((4, 8))},
        "2 arrays '<prefix>.weight', found fc.weight",
    ),
    (
        "batch norm",
        NET,
        {
            **{k: np.ones(v) for k, v in (("conv.weight", (2, 3, 2, 3)), ("fc.weight", (4, 8)))},
            "bn.running_mean": [1],
        },
        "only the arrays conv.bias, conv.weight, fc.bias, fc.weight, found array 'bn.running_mean'",
    ),
    (
        "conv axes in another order",
        NET,
        {"conv.weight": np.ones((2, 2, 3, 3)), "fc.weight": np.ones((4, 8))},
        r"conv\.weight: expected PyTorch's shape \(2, 3, 2, 3\), found \(2, 2, 3, 3\)",
    ),
    (
        "dense transposed",
        NET,
        {"conv.weight": np.ones((2, 3, 2, 3)), "fc.weight": np.ones((8, 4))},
        r"fc\.weight: expected PyTorch's shape \(4, 8\), found \(8, 4\)",
    ),
    (
        "weight a number",
        SMALL,
        {"fc.weight": 1, "fc.bias": [1, 2]},
        r"fc\.weight: expected PyTorch's shape \(2, 2\), found \(\)",
    ),
    (
        "digits that are none",
        NET,
        {"a.\u00b2.weight": [1], "a.b.weight": [1, 2]},
        r"weight: expected PyTorch's shape",
    ),
    (
        "a number too long for a name",
        NET,
        {f"a.{'9' * 5000}.weight": [1], "a.b.weight": [1, 2]},
        r"weight: expected PyTorch's shape",
    ),
    (
        "an order only the alphabet gives",
        SQUARE,
        {"encoder.weight": np.eye(2), "decoder.weight": np.ones((2, 2))},
        r"numbers in the order of the layers .* found 'decoder' and 'encoder' of the same shape",
    ),
]


@pytest.mark.parametrize(
    "net, arrays, says", [case[1:] for case in BAD_ARRAYS], ids=[case[0] for case in BAD_ARRAYS]
)
def test_bad_arrays_give_one_sentence(tmp_path, net, arrays, says):
    """Arrays that do not fit the network are refused by name, in one sentence."""
    kept = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "w.npz", **kept)
    with pytest.raises(MalformedError) as caught:
        Weights.from_file(net, tmp_path / "w.npz")
    message = str(caught.value)
    assert re.fullmatch(r"[^\n\r]+: expected [^\n\r]+, found [^\n\r]+", message), message
    assert re.search(says, message), message


@pytest.mark.parametrize(
    "text, says",
    [
        ('{"layers": []}', r"layers: expected 3 entries, one for each layer, found 0"),
        ('{"layers": [null, null, null]}', r"layers\[0\]: expected weights of shape \(18, 2\), found null"),
        ('{"layers": [{"W": [[1]]}, {"W": [[1]]}, null]}', r"layers\[0\]\.W: expected shape \(18, 2\)"),
        ('{"layers": [{"W": [[0.5]]}, null, null]}', r"layers\[0\]\.W\[0\]\[0\]: .* quoted rational"),
    ],
)
def test_bad_json_weights_give_one_sentence(tmp_path, text, says):
    """JSON weights that do not fit the network are refused by layer."""
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(MalformedError, match=says):
        Weights.from_file(NET, tmp_path / "w.json")


def test_weights_of_pooling_are_refused():
    """An entry for a pooling layer must be null."""
    first, third = LayerWeights(rational(18, 2), rational(2)), LayerWeights(rational(8, 4), rational(4))
    assert Weights.from_layers(NET, [first, None, third])[3] is third
    with pytest.raises(
        MalformedError, match=r"^weights\.layers\[1\]: expected null, since pooling has no weights"
    ):
        Weights.from_layers(NET, [first, third, third])


def test_a_tensor_of_too_many_axes(tmp_path):
    """A safetensors shape of 70 axes, which no NumPy array can have, is one sentence as well."""
    pytest.importorskip("safetensors")
    header = json.dumps({"a": {"dtype": "F32", "shape": [1] * 70, "data_offsets": [0, 4]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(MalformedError, match=r"w\.safetensors\.a: expected at most 32 axes, found 70"):
        Weights.from_file(SMALL, tmp_path / "w.safetensors")


@pytest.mark.parametrize("first, second", [("fc2", "fc10"), ("0.a", "1"), ("block1.out", "block2.in")])
def test_numbers_decide_the_order_of_equal_shapes(tmp_path, first, second):
    """Two layers whose arrays could be exchanged are told apart by a number in their names, by its value."""
    arrays = {f"{second}.weight": [[0, 1], [0, 0]], f"{first}.weight": [[5, 0], [0, 7]]}
    np.savez(tmp_path / "w.npz", **{name: np.array(rows) for name, rows in arrays.items()})
    weights = Weights.from_file(SQUARE, tmp_path / "w.npz")
    assert weights[1].W.numerators.tolist() == [[5, 0], [0, 7]]
    assert weights[2].W.numerators.tolist() == [[0, 0], [1, 0]]


def test_arrays_by_the_names_of_the_layers(tmp_path):
    """Where all layers with weights are named, names decide, not the alphabet."""
    first = {"name": "stem", "kind": "dense", "units": 2, "activation": "relu"}
    net = Network.from_dict({"input": [2], "layers": [first, {**first, "name": "head"}]})
    stem, head = floats(2, 2), floats(2, 2, seed=1)
    arrays = {"stem.weight": stem, "head.weight": head, "stem.bias": stem[0], "head.bias": head[0]}
    np.savez(tmp_path / "w.npz", **arrays)
    weights = Weights.from_file(net, tmp_path / "w.npz")
    assert weights[1].W.to_fractions() == exact(stem.T)
    assert weights[2].W.to_fractions() == exact(head.T)
    unnamed = Network.from_dict({"input": [2], "layers": [first, {**first, "name": "other"}]})
    with pytest.raises(MalformedError, match="names with numbers"):
        Weights.from_file(unnamed, tmp_path / "w.npz")
