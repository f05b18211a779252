"""The structure of patches: coverage and different sets, decided as FORMAT.md 6.5 says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from exactcnn.network.network import Network
from exactcnn.network.structure import patch_structure
from tests.network.naive import window_cases, windows


def structure(shape, layer):
    """The structure of the first layer of a network."""
    return patch_structure(Network.from_dict({"input": shape, "layers": [layer]}).layer(1))


@settings(max_examples=100, deadline=None)
@given(window_cases())
def test_structure_of_windows(case):
    """Uncovered neurons and equal sets of every window, against the naive patches."""
    channels, extents, window = case
    listed = {key: list(value) for key, value in window.items()}
    for pooling in (False, True):
        kind = {"kind": "maxpool"} if pooling else {"kind": "conv", "filters": 1, "activation": "relu"}
        found = structure([channels, *extents], {**kind, **listed})
        sets = [frozenset(patch) for patch in windows(channels, extents, True, **window, pooling=pooling)]
        neurons = channels
        for e in extents:
            neurons *= e
        assert found.uncovered == tuple(i for i in range(neurons) if not any(i in s for s in sets))
        assert found.equal == tuple((sets.index(s), p) for p, s in enumerate(sets) if sets.index(s) < p)
        assert found.holds == (not found.uncovered and not found.equal)


@pytest.mark.parametrize(
    "shape, layer, uncovered, equal",
    [
        ([5], {"kernel": 2, "stride": 2}, (4,), ()),
        ([5], {"kernel": 1, "stride": 3}, (1, 2, 4), ()),
        ([4], {"kernel": 2, "stride": 2}, (), ()),
        ([1, 3, 3], {"kernel": 2, "stride": 2}, (2, 5, 6, 7, 8), ()),
        ([5], {"kernel": 2, "dilation": 4}, (1, 2, 3), ()),
        ([3], {"patches": [[0, 1, 2], [2, 0, 1]]}, (), ((0, 1),)),
        ([3], {"patches": [[0, 1], [1, 2], [1, 0], [0, 1]]}, (), ((0, 2), (0, 3))),
        ([3], {"patches": [[0, 1], [1, 0]]}, (2,), ((0, 1),)),
        # Two windows hold the same one real neuron, but padding neurons at different places.
        ([1], {"kernel": 2, "padding": 1}, (), ()),
    ],
)
def test_known_structures(shape, layer, uncovered, equal):
    """Strides that leave neurons out, lists that repeat a set in another order, padding that differs."""
    for kind in ({"kind": "maxpool", "stride": 1}, {"kind": "conv", "filters": 2, "activation": "relu"}):
        if "patches" in layer:
            kind = {key: value for key, value in kind.items() if key != "stride"}
        found = structure(shape, {**kind, **layer})
        assert (found.layer, found.uncovered, found.equal) == (1, uncovered, equal)
        assert found.holds == (not uncovered and not equal)


def test_a_dense_layer_holds():
    """One patch of all neurons covers all and equals no other."""
    assert structure([7], {"kind": "dense", "units": 3}).holds
