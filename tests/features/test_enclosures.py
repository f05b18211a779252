"""Float64 enclosures of features against balls: every activation, pooling, padding, blocks and chosen positions."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb, ctx

from exactcnn.errors import UndecidedError
from exactcnn.features import enclosures
from exactcnn.features.balls import feature_balls
from exactcnn.features.enclosures import feature_blocks, feature_enclosure, spread_positions
from tests.statements.instances import conv, instance, network, random_rows, rng

KINDS = [
    "relu",
    {"name": "leaky_relu", "slope": "1/3"},
    "identity",
    "square",
    "sigmoid",
    "tanh",
    "silu",
    "elu",
    "gaussian",
    {"name": "softplus", "alpha": "7/3"},
    "gelu",
    "arctan",
    "sigmoid2",
]


@pytest.mark.parametrize("top", KINDS, ids=str)
@pytest.mark.parametrize("below", KINDS, ids=str)
def test_enclosures_contain_the_features(below, top):
    """Two layers with pooling and padding between: every ball of 200 bits lies in the float enclosure."""
    net = network(
        [1, 4, 4],
        conv(3, below, kernel=2, padding=1, bias="filter"),
        {"kind": "maxpool", "kernel": 2, "padding": 1},
        conv(3, top, kernel=2),
    )
    inst = instance(net, random_rows(rng(3), 5, 16, -3, 3))
    F = feature_enclosure(inst, 3)
    assert (F.rad <= 1e-9 * (1 + np.abs(F.mid))).all()
    with ctx.workprec(200):
        for i, row in enumerate(feature_balls(inst, 3, 200)):
            for j, ball in enumerate(row):
                assert abs(ball - arb(F.mid[i, j])) <= arb(F.rad[i, j])


def test_other_activations_are_refused():
    custom = {"name": "custom", "expression": "t/(1 + abs(t))"}
    inst = instance(network([2], conv(2, custom, kernel=1)), [[1, 2]])
    with pytest.raises(UndecidedError, match="does not enclose"):
        feature_enclosure(inst, 1)
    steep = {"name": "softplus", "alpha": str(10**40)}
    with pytest.raises(UndecidedError, match="alpha"):
        feature_enclosure(instance(network([2], conv(2, steep, kernel=1)), [[1, 2]]), 1)


def test_blocks_and_positions(monkeypatch):
    """Rows in blocks and chosen positions give the same numbers as the whole."""
    net = network([1, 6, 6], conv(2, "relu", kernel=2), conv(3, "tanh", kernel=2, bias="unit"))
    inst = instance(net, random_rows(rng(4), 7, 36, -3, 3))
    F = feature_enclosure(inst, 2)
    monkeypatch.setattr(enclosures, "_BLOCK_ENTRIES", 300)
    layer = net.layer(2)
    positions = spread_positions(layer, 10)
    assert len(set(positions.tolist())) == 4
    assert spread_positions(layer, layer.width) is None
    units = (positions[:, None] * layer.filters + np.arange(layer.filters)).ravel()
    rows_seen = []
    for rows, block in feature_blocks(inst, 2, positions):
        rows_seen += list(range(7))[rows]
        assert (np.abs(block.mid - F.mid[rows][:, units]) <= block.rad + F.rad[rows][:, units]).all()
        assert (block.rad <= 1e-12).all()
    assert rows_seen == list(range(7))
    assert len(list(feature_blocks(inst, 2))) > 1


def test_pooled_positions():
    """Positions of a pooling layer are its neurons."""
    net = network([1, 6, 6], conv(2, "relu", kernel=2), {"kind": "maxpool", "kernel": 2, "stride": 1})
    inst = instance(net, random_rows(rng(5), 3, 36, -3, 3))
    F = feature_enclosure(inst, 2)
    positions = spread_positions(net.layer(2), 7)
    ((_, block),) = feature_blocks(inst, 2, positions)
    assert np.array_equal(block.mid, F.mid[:, positions])
