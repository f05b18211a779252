"""Units, patches and convolutions against a naive reading of FORMAT.md and of PyTorch's definition."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactcnn.errors import MalformedError
from exactcnn.network.geometry import LARGEST_PATCH_TABLE, State, explicit_patches, grid_patches
from exactcnn.network.network import Network
from tests.network.naive import has_padding_only, out_extents, positions, unit, window_cases, windows

MANY = settings(max_examples=150, deadline=None)


def assert_same_patches(found, expected, neurons):
    """Real entries are equal; padding entries are equal numbers exactly where they are one place."""
    assert found.indices.shape == (len(expected), len(expected[0]))
    assert found.neurons == neurons
    numbers = {}
    for row, patch in zip(found.indices.tolist(), expected, strict=True):
        for number, entry in zip(row, patch, strict=True):
            if isinstance(entry, tuple):
                assert number >= neurons
                assert numbers.setdefault(entry, number) == number
            else:
                assert number == entry
    assert len(set(numbers.values())) == len(numbers)
    assert found.padded == bool(numbers)


@given(st.integers(1, 3), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.booleans())
def test_units_are_numbered_as_the_format_says(channels, extents, channel_major):
    """The input is channel-major, every other state position-major; each number occurs once."""
    numbers = State(channels, tuple(extents), channel_major).units()
    for c in range(channels):
        for pos in positions(extents):
            assert numbers[(c, *pos)] == unit(channels, extents, channel_major, c, pos)
    assert sorted(numbers.ravel().tolist()) == list(range(numbers.size))


@MANY
@given(window_cases(valid=False), st.booleans(), st.booleans())
def test_sliding_windows(case, channel_major, pooling):
    """Patches of every window in 1 to 3 dimensions, or one sentence where the window does not fit."""
    channels, extents, window = case
    below = State(channels, extents, channel_major)
    expected = windows(channels, extents, channel_major, **window, pooling=pooling)
    if expected is None:
        with pytest.raises(MalformedError, match=r"^f\.kernel: expected a window that fits"):
            grid_patches(below, **window, per_channel=pooling, field="f")
    elif has_padding_only(expected):
        with pytest.raises(MalformedError, match=r"^f\.padding: expected a real neuron in every patch"):
            grid_patches(below, **window, per_channel=pooling, field="f")
    else:
        found = grid_patches(below, **window, per_channel=pooling, field="f")
        assert_same_patches(found, expected, below.size)


@pytest.mark.parametrize("e, d, s", list(product((1, 2, 3, 5), (1, 2, 3, 4, 7), (1, 2, 3, 7))))
def test_windows_of_padding_only_in_one_dimension(e, d, s):
    """Gaps of a dilation can fall on all real neurons, in the middle as well as at the ends."""
    for k, pad in product((1, 2, 3, 5), range(9)):
        expected = windows(1, (e,), True, (k,), (s,), (pad,), (d,), False)
        arguments = (State(1, (e,), True), (k,), (s,), (pad,), (d,))
        if expected is None or has_padding_only(expected):
            with pytest.raises(MalformedError):
                grid_patches(*arguments, per_channel=False, field="f")
        else:
            assert grid_patches(*arguments, per_channel=False, field="f").count == len(expected)


@MANY
@given(window_cases(), st.booleans())
def test_a_layer_knows_its_sizes_without_building_patches(case, pooling):
    """Extents, P, l, n_k and parameters, computed without patches, are those of the patches."""
    channels, extents, window = case
    kind = {"kind": "maxpool"} if pooling else {"kind": "conv", "filters": 4, "activation": "relu"}
    spec = {"input": [channels, *extents], "layers": [{**kind, **{k: list(v) for k, v in window.items()}}]}
    layer = Network.from_dict(spec).layer(1)
    out = out_extents(extents, **window)
    assert layer.above.extents == out
    assert layer.above.channels == (channels if pooling else 4)
    assert not layer.above.channel_major
    assert "patches" not in vars(layer)
    patches = layer.patches
    assert (layer.patch_count, layer.patch_size) == (patches.count, patches.size)
    assert layer.width == patches.count * (1 if pooling else 4) == layer.above.size
    expected = windows(channels, extents, True, **window, pooling=pooling)
    assert_same_patches(patches, expected, channels * len(positions(extents)))


@MANY
@given(window_cases(), st.integers(1, 3), st.integers(0, 2**32))
def test_convolutions_are_pytorchs(case, filters, seed):
    """Patches times W, with W in PyTorch's order (T, C, *kernel), is the textbook convolution."""
    channels, extents, window = case
    rng = random.Random(seed)
    x = {key: rng.randint(-9, 9) for key in product(range(channels), *(range(e) for e in extents))}
    w = {
        key: rng.randint(-9, 9)
        for key in product(range(filters), range(channels), *map(range, window["kernel"]))
    }
    layer = Network.from_dict(
        {
            "input": [channels, *extents],
            "layers": [
                {
                    "kind": "conv",
                    "filters": filters,
                    "activation": "relu",
                    **{k: list(v) for k, v in window.items()},
                }
            ],
        }
    ).layer(1)
    flat_x = np.array([list(x.values())])  # product() is row-major, channels first
    W = np.array(list(w.values())).reshape(filters, -1).T
    found = (layer.patches.gather(flat_x) @ W).reshape(-1)
    for p, out in enumerate(positions(out_extents(extents, **window))):
        for t in range(filters):
            total = 0
            for c in range(channels):
                for off in positions(window["kernel"]):
                    place = [
                        o * s - pad + k * d
                        for o, s, pad, k, d in zip(
                            out, window["stride"], window["padding"], off, window["dilation"], strict=True
                        )
                    ]
                    total += x.get((c, *place), 0) * w[(t, c, *off)]
            assert found[p * filters + t] == total


def test_the_second_layer_reads_position_major():
    """A convolution above a convolution takes channel c of the first at its own positions."""
    net = Network.from_dict(
        {
            "input": [2, 3, 3],
            "layers": [
                {"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"},
                {"kind": "conv", "filters": 1, "kernel": [1, 2], "activation": "relu"},
                {"kind": "maxpool", "kernel": [2, 1]},
                {"kind": "dense", "units": 2},
            ],
        }
    )
    # Units of layer 1: position (i, j), channel t at (2 i + j) 3 + t.
    assert net.layer(2).patches.indices.tolist() == [[0, 3, 1, 4, 2, 5], [6, 9, 7, 10, 8, 11]]
    assert net.layer(3).patches.indices.tolist() == [[0, 1]]
    assert net.layer(4).patches.indices.tolist() == [[0]]
    assert net.widths == (18, 12, 2, 1, 2)


def test_a_known_pytorch_example():
    """The numbers of a 2-D convolution with stride, padding and dilation, worked out by hand."""
    net = Network.from_dict(
        {
            "input": [1, 3, 4],
            "layers": [
                {
                    "kind": "conv",
                    "filters": 1,
                    "kernel": [2, 2],
                    "stride": [2, 1],
                    "padding": [1, 0],
                    "dilation": [1, 2],
                    "activation": "relu",
                }
            ],
        }
    )
    patches = net.layer(1).patches
    extended = np.arange(1, 13).reshape(1, 12)
    assert patches.gather(extended).tolist() == [[[0, 0, 1, 3], [0, 0, 2, 4], [5, 7, 9, 11], [6, 8, 10, 12]]]
    # Padded places 0..5 x 0..3 without the real ones: numbers from 12 on, one for each place.
    assert patches.indices[:2, :2].tolist() == [[12, 14], [13, 15]]


def test_gather_of_every_dtype():
    """Patch values keep their dtype, Python integers included, and padding reads 0."""
    layer = Network.from_dict(
        {
            "input": [2],
            "layers": [{"kind": "conv", "filters": 1, "kernel": 2, "padding": 1, "activation": "relu"}],
        }
    ).layer(1)
    for dtype in (np.uint8, np.int64, np.float64, object):
        values = np.array([[7, 9]], dtype=dtype)
        assert layer.patches.gather(values).tolist() == [[[0, 7], [7, 9], [9, 0]]]
        assert layer.patches.gather(values).dtype == dtype


@given(st.data(), st.integers(1, 8), st.integers(1, 4), st.integers(1, 4))
def test_explicit_patches_are_taken_as_they_are(data, neurons, count, size):
    """Lists of distinct neurons in range become the patches, in their order."""
    size = min(size, neurons)
    lists = [data.draw(st.permutations(range(neurons)))[:size] for _ in range(count)]
    spec = {"input": [neurons], "layers": [{"kind": "maxpool", "patches": lists}]}
    layer = Network.from_dict(spec).layer(1)
    assert layer.patches.indices.tolist() == lists
    assert (layer.above.channels, layer.above.extents) == (1, (count,))
    assert not layer.patches.padded
    spec["layers"] = [{"kind": "conv", "filters": 3, "patches": lists, "activation": "relu"}]
    assert Network.from_dict(spec).layer(1).above == State(3, (count,))


@pytest.mark.parametrize(
    "lists, says",
    [
        (((0, 1), (2,)), "2 neurons, as in patch 0, found 1 neurons"),
        (((0, 4),), "neuron numbers from 0 to 3, found 4"),
        (((0, -1),), "neuron numbers from 0 to 3, found -1"),
        (((1, 1),), r"distinct neurons, found \[1, 1\]"),
    ],
)
def test_bad_explicit_patches_are_named(lists, says):
    """Unequal sizes, numbers out of range and repetitions are refused by patch."""
    with pytest.raises(MalformedError, match=rf"^f\.patches\[\d\]: expected {says}"):
        explicit_patches(lists, State(1, (4,)), "f")


def test_patches_cannot_be_written_to():
    """The indices are shared by everyone who asks, so no one may change them."""
    for layer in (
        {"kind": "dense", "units": 1},
        {"kind": "maxpool", "kernel": 2},
        {"kind": "maxpool", "patches": [[0, 1], [2, 3]]},
    ):
        patches = Network.from_dict({"input": [4], "layers": [layer]}).layer(1).patches
        with pytest.raises(ValueError, match="read-only"):
            patches.indices[0, 0] = 1


@pytest.mark.parametrize(
    "window",
    [
        {"kernel": (1, 1), "stride": (2**31, 2**31), "padding": (2**31, 2**31), "dilation": (1, 1)},
        {"kernel": (2, 2), "stride": (1, 1), "padding": (50_000, 50_000), "dilation": (1, 1)},
        {"kernel": (2**15, 2**15), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)},
    ],
)
def test_monstrous_tables_are_refused_before_they_are_made(window):
    """More patch entries or padded places than the limit are refused without allocating them."""
    extents = (4, 4) if window["padding"][0] else (2**15 + 9, 2**15 + 9)
    with pytest.raises(MalformedError, match=str(LARGEST_PATCH_TABLE)):
        grid_patches(State(1, extents, True), **window, per_channel=False, field="f")


def test_imagenet_sized_layers_are_counted_without_patches():
    """A padded 224 x 224 network is described at once, since no patch table is built."""
    layers = [
        {"kind": "conv", "filters": 64, "kernel": 7, "stride": 2, "padding": 3, "activation": "relu"},
        {"kind": "maxpool", "kernel": 3, "stride": 2, "padding": 1},
        {"kind": "conv", "filters": 64, "kernel": 3, "padding": "same", "activation": "relu"},
    ]
    net = Network.from_dict({"input": [3, 224, 224], "layers": layers})
    assert net.widths == (150528, 112 * 112 * 64, 56 * 56 * 64, 56 * 56 * 64)
    assert all("patches" not in vars(layer) for layer in net.layers)
