"""Assumption 2.4 at full size: every rule against the rank of U, built entry by entry, at random filters."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product
from math import prod

import flint
import pytest

from exactcnn.audit import ARCHITECTURES
from exactcnn.audit.googlenet import squeezenet
from exactcnn.audit.graph import Graph
from exactcnn.audit.lifted import lifted_rank
from exactcnn.audit.transfer import row_rank_on_a_box
from exactcnn.errors import MisuseError

P = 2**61 - 1


def rank_at_random_filters(node, seed):
    """rank U mod 2^61 - 1, from the definition: the generic rank but for a negligible chance."""
    rng = random.Random(seed)
    below, above, reads = node.below[0], node.above, node.window
    c, t = below.channels // node.groups, above.channels // node.groups
    W = {
        (f, a, tap): rng.randrange(P)
        for f in range(above.channels)
        for a in range(c)
        for tap in product(*map(range, reads.kernel))
    }
    rows = {place: n for n, place in enumerate(product(range(below.channels), *map(range, below.extents)))}
    columns = list(product(range(above.channels), *map(range, above.extents)))
    U = flint.nmod_mat(len(rows), len(columns), P)
    for j, (f, *output) in enumerate(columns):
        for a in range(c):
            for tap in product(*map(range, reads.kernel)):
                place = tuple(
                    o * s - pad[0] + x * d
                    for o, s, pad, x, d in zip(
                        output, reads.stride, reads.padding, tap, reads.dilation, strict=True
                    )
                )
                row = rows.get((f // t * c + a, *place))
                if row is not None:
                    U[row, j] = W[f, a, tap]
    return U.rank()


def random_layer(rng):
    """A small convolution on one or two axes, whatever fits."""
    axes = rng.choice((1, 2, 2))
    groups = rng.choice((1, 1, 1, 2))
    c = rng.randint(1, 3)
    c, t = groups * c, groups * rng.choice((c + 1, rng.randint(1, 6)))
    net = Graph((c, *(rng.randint(2, 11 if axes == 1 else 8) for _ in range(axes))))
    kernel = tuple(rng.randint(1, 3) for _ in range(axes))
    padding = tuple((rng.randint(0, k - 1), rng.randint(0, k - 1)) for k in kernel)
    if rng.random() < 0.5:
        padding = tuple((0, 0) for _ in kernel)
    stride = tuple(rng.choice((1, 1, 2)) for _ in range(axes))
    dilation = tuple(rng.choice((1, 1, 2)) for _ in range(axes))
    try:
        net.conv("x", "input", t, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)
    except MisuseError:
        return None
    return net["x"]


def test_bounds_hold_and_verdicts_are_those_of_the_rank():
    """400 random layers: lower <= rank <= upper, proved iff full, and all rules occur."""
    rng = random.Random(11)
    seen = Counter()
    while sum(seen.values()) < 400:
        node = random_layer(rng)
        if node is None or prod((node.below[0].width, node.width)) > 40_000:
            continue
        found = lifted_rank(node)
        rank = rank_at_random_filters(node, 1)
        assert (found.rows, found.columns) == (node.below[0].width, node.width)
        assert found.lower <= rank <= found.upper, (node, found, rank)
        if found.verdict != "undecided":
            assert (found.verdict == "proved") == (rank == found.full), (node, found, rank)
        seen[found.rule, found.verdict] += 1
    for rule in ("disjoint", "unread", "determinantal"):
        assert seen[rule, "refuted"] > 0, rule
        assert not (seen[rule, "proved"] and rule != "disjoint")
    for rule in ("disjoint", "one-tap", "box"):
        assert seen[rule, "proved"] > 0, rule
    assert seen["none", "undecided"] + seen["generic-rank", "proved"] > 0


@pytest.mark.parametrize(
    "shape, filters, kernel, options, verdict, bounds",
    [
        # Theory 3.1's examples: the ranks 776, 752, 540, 17 are upper bounds here.
        ((1, 28, 28), 2, 3, {}, "refuted", (None, 776)),
        ((1, 28, 28), 2, 5, {}, "refuted", (None, 752)),
        ((3, 14, 14), 4, 3, {}, "refuted", (None, 540)),
        ((1, 5, 5), 2, 3, {}, "refuted", (None, 17)),
        # Never deficient: T >= l, T <= c, same padding with T >= c, one dimension with T = 2.
        ((3, 14, 14), 27, 3, {}, "proved", (588, 588)),
        ((3, 14, 14), 3, 3, {}, "proved", (432, 432)),
        ((3, 14, 14), 4, 3, {"padding": 1}, "proved", (588, 588)),
        ((1, 30), 2, 4, {}, "proved", (30, 30)),
        # A projection with stride 2 reads a quarter of the places.
        ((4, 8, 8), 8, 1, {"stride": 2}, "refuted", (64, 64)),
        # Stride 2 with four times as many filters as channels: still one tap each.
        ((2, 9, 9), 8, 3, {"stride": 2}, "proved", (128, 128)),
    ],
)
def test_known_layers(shape, filters, kernel, options, verdict, bounds):
    """Bounds at real sizes; None: any lower bound."""
    net = Graph(shape)
    found = lifted_rank(net[net.conv("x", "input", filters, kernel, **options)])
    assert found.verdict == verdict
    assert found.upper == bounds[1]
    assert bounds[0] in (None, found.lower)


def test_the_box_lemma_at_sizes_that_can_still_be_eliminated():
    """Xception's 32 -> 64 valid 3x3 in proportion: proved from a box, and the rank is full."""
    net = Graph((2, 11, 14))
    node = net[net.conv("x", "input", 4, 3)]
    found = lifted_rank(node)
    assert (found.rule, found.verdict) == ("box", "proved")
    assert prod(found.small.extents) < 11 * 14
    assert rank_at_random_filters(node, 2) == found.full == 2 * 11 * 14


def test_the_box_lemma_whatever_the_layer_is():
    """Asked about 600 random layers, also those that other rules decide: full row rank, or no answer."""
    rng = random.Random(17)
    answered = Counter()
    while sum(answered.values()) < 600:
        node = random_layer(rng)
        if node is None or node.groups > 1 or prod((node.below[0].width, node.width)) > 20_000:
            continue
        below = node.below[0]
        small = row_rank_on_a_box(below.extents, node.window, below.channels, node.above.channels)
        answered[small is not None] += 1
        if small is None:
            continue
        assert rank_at_random_filters(node, 4) == below.width, (node, small)
        box = Graph((small.channels, *small.extents))
        reads = node.window
        inner = box.conv(
            "x", "input", small.filters, reads.kernel, stride=reads.stride, dilation=reads.dilation
        )
        assert rank_at_random_filters(box[inner], 5) == small.rank == small.rows == box["input"].width
    assert min(answered[True], answered[False]) > 30


@pytest.mark.parametrize(
    "shape, filters, kernel, options",
    [
        ((1, 9), 2, 3, {"stride": 4}),  # places 3 and 7 are in no window
        ((1, 4), 2, 3, {"stride": 2}),  # nor is the last one
        ((2, 8), 3, 5, {}),  # 12 columns for 16 rows
        ((1, 5, 5), 2, 3, {}),  # theory 3.1: rank 17 of 18
        ((3, 14, 14), 4, 3, {}),  # and 540 of 576
    ],
)
def test_the_box_lemma_is_silent_about_deficient_layers(shape, filters, kernel, options):
    """Where the rows are dependent there is no box."""
    net = Graph(shape)
    node = net[net.conv("x", "input", filters, kernel, **options)]
    assert rank_at_random_filters(node, 6) < net["input"].width
    assert row_rank_on_a_box(shape[1:], node.window, shape[0], filters) is None


@pytest.mark.parametrize("padding, rule", [(1, "smaller-input"), (((1, 1), (0, 2)), "none")])
def test_a_smaller_input_proves_nothing_at_full_size(padding, rule):
    """Windows with stride 2 whose outer taps are padding at odd extents: undecided, and it says what it saw."""
    net = Graph((3, 99, 99))
    found = lifted_rank(net[net.conv("x", "input", 6, 3, stride=2, padding=padding)])
    assert (found.verdict, found.rule) == ("undecided", rule)
    assert found.lower < found.full == found.upper
    if rule == "none":
        assert found.small is None
        return
    assert found.reason.startswith("undecided at full size; proved for 3 -> 6 channels on ")
    # What it says about the smaller input is true there.
    small = Graph((3, *found.small.extents))
    node = small[small.conv("x", "input", 6, 3, stride=2, padding=padding)]
    assert rank_at_random_filters(node, 3) == found.small.rank == min(found.small.rows, found.small.columns)


def test_grouped_and_transposed_layers():
    """Blocks add up; a transposed convolution has the transpose of its convolution's U."""
    net = Graph((6, 9, 9))
    depthwise = lifted_rank(net[net.depthwise("d", "input", 3, stride=2, padding=1)])
    assert (depthwise.verdict, depthwise.groups, depthwise.lower) == ("proved", 6, 6 * 25)
    assert depthwise.reason.startswith("6 equal blocks")
    up = net[net.transposed("t", "d", 3, 3, stride=2, padding=1, above=(9, 9))]
    found = lifted_rank(up)
    assert (found.rows, found.columns, found.verdict) == (150, 243, "proved")
    assert found.reason.startswith("transpose of a convolution's U; ")
    back = Graph((3, 9, 9))
    twin = lifted_rank(back[back.conv("x", "input", 6, 3, stride=2, padding=1)])
    assert (twin.rows, twin.columns, twin.lower) == (found.columns, found.rows, found.lower)
    # Two channels and one filter per group over a grid that stride 3 does not cover.
    few = lifted_rank(net[net.conv("g", "input", 12, 1, stride=3, groups=3)])
    assert (few.verdict, few.lower, few.upper, few.unread) == ("refuted", 54, 54, 6 * (81 - 9))


def test_pooling_has_no_matrix():
    """Only layers with filters have a U."""
    net = Graph((2, 4, 4))
    with pytest.raises(MisuseError, match="layer: expected a layer with filters, found maxpool"):
        lifted_rank(net[net.maxpool("p", "input", 2)])


def test_every_layer_of_every_architecture_is_decided():
    """Full size, all of them; only strided 1x1 shortcuts fail."""
    refuted = {}
    for name, build in ARCHITECTURES.items():
        for node in build().graph.nodes:
            if node.kind in ("conv", "transposed", "dense"):
                found = lifted_rank(node)
                assert found.verdict != "undecided", (name, node.name)
                if found.verdict == "refuted":
                    refuted.setdefault(name, []).append(node.name)
                    assert node.window.kernel == (1, 1)
                    assert node.window.stride == (2, 2)
    resnet = [f"conv{stage}_1/projection" for stage in (3, 4, 5)]
    xception = [f"block{block}_shortcut" for block in (2, 3, 4, 13)]
    assert refuted == {"resnet-50": resnet, "resnet-152": resnet, "xception": xception}


def test_squeezenet_at_224_leaves_pixels_unread():
    """The size its table names: a row and a column of the image are in no window of conv1."""
    found = lifted_rank(squeezenet(224).graph["conv1"])
    assert (found.verdict, found.unread, found.upper) == ("refuted", 3 * (224**2 - 223**2), 3 * 223**2)
    assert lifted_rank(squeezenet().graph["conv1"]).verdict == "proved"
