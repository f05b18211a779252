"""Peeling column by column: the same meaning as peeling in memory, checked from the definition."""

import numpy as np
import pytest

import exactcnn
from exactcnn.features import collisions, streamed_peeling
from exactcnn.features.peeling import directions
from exactcnn.features.peeling_kernels import BLOCK
from exactcnn.features.streamed_peeling import ArrayColumns, peel_columns
from tests.statements.instances import conv, network


def assert_triangular(layer, x, found):
    """z_i < z_j at unit j for every i before j and every i left, one direction, distinct units."""
    a = directions(layer, found.seed, found.bits)[:, 0]
    padded = np.concatenate([x.astype(np.int64), np.zeros((x.shape[0], 1), np.int64)], axis=1)
    where = np.minimum(layer.patches.indices, layer.patches.neurons)
    assert sorted([*found.order, *found.left]) == list(range(x.shape[0]))
    assert len(set(found.units)) == len(found.units)
    earlier = list(found.left)
    for sample, unit in zip(found.order, found.units, strict=True):
        z = padded[:, where[unit // layer.filters]] @ a
        assert all(z[i] < z[sample] for i in earlier)
        earlier.append(sample)


@pytest.mark.parametrize("N, high, seed", [(1, 256, 0), (7, 2, 1), (40, 256, 2), (200, 6, 3), (300, 256, 4)])
def test_order_is_triangular(N, high, seed, monkeypatch):
    """Ties included; tiny blocks, bands and chunks so that every branch is met."""
    monkeypatch.setattr(streamed_peeling, "_POSITIONS", 5)
    monkeypatch.setattr(streamed_peeling, "_BAND_BYTES", 20 * N)
    net = network([2, 6, 6], conv(3, "sigmoid", kernel=3, padding=1))
    x = np.random.default_rng(seed).integers(0, high, (N, 72)).astype(np.uint8)
    found = peel_columns(net.layer(1), ArrayColumns(x), seed)
    assert_triangular(net.layer(1), x, found)
    if high == 256 and N <= 40:
        assert not found.left


def test_duplicates_stay():
    """Equal samples are never taken off, the others are."""
    net = network([1, 5, 5], conv(2, "sigmoid", kernel=2))
    x = np.random.default_rng(0).integers(0, 256, (12, 25)).astype(np.uint8)
    x[7] = x[3]
    found = peel_columns(net.layer(1), ArrayColumns(x))
    assert {3, 7} <= set(found.left)
    assert_triangular(net.layer(1), x, found)


def test_blocks_are_merged():
    """More samples than one block holds: maxima come from all blocks."""
    net = network([1, 8, 8], conv(64, "sigmoid", kernel=3))
    N = BLOCK + 1000
    x = np.random.default_rng(1).integers(0, 256, (N, 64)).astype(np.uint8)
    found = peel_columns(net.layer(1), ArrayColumns(x))
    a = directions(net.layer(1), 0, 7)[:, 0]
    z = x[:, net.layer(1).patches.indices[0]].astype(np.int64) @ a
    first = [s for s, u in zip(found.order, found.units, strict=True) if u // 64 == 0]
    assert first[::-1] == np.argsort(-z, kind="stable")[: len(first)].tolist()
    assert len(found.order) > 1000


def test_bad_input():
    net = network([3], {"kind": "maxpool", "kernel": 2})
    with pytest.raises(exactcnn.MisuseError):
        peel_columns(net.layer(1), ArrayColumns(np.zeros((2, 3), np.uint8)))
    with pytest.raises(exactcnn.MisuseError):
        ArrayColumns(np.zeros((2, 3)))
    with pytest.raises(exactcnn.UndecidedError):
        peel_columns(
            network([3], conv(1, "sigmoid", kernel=2)).layer(1),
            ArrayColumns(np.zeros((2, 3), np.uint8)),
            0,
            55,
        )


@pytest.mark.parametrize("high, dtype", [(2, np.int64), (256, np.int64), (10**6, np.int64)])
def test_compiled_counts_are_the_counts(high, dtype, monkeypatch):
    """Different patch values, counted by hash table and by sorting; padding, negative numbers."""
    net = network([2, 6, 6], conv(3, "sigmoid", kernel=3, padding=1))
    x = np.random.default_rng(high).integers(0, high, (90, 72)).astype(dtype) - (5 if high > 256 else 0)
    x[40:] = x[:50]
    plain = collisions.distinct_patch_counts(net.layer(1), x)
    monkeypatch.setattr(collisions, "_COMPILED_FROM", 0)
    assert collisions.distinct_patch_counts(net.layer(1), x) == plain
    assert max(plain) <= 50
