"""Shapes and windows: known values, a count of windows one by one, PyTorch where it is present."""

from __future__ import annotations

import random

import pytest

from exactcnn.audit.graph import Graph
from exactcnn.audit.windows import Shape, same, window
from exactcnn.errors import MisuseError


@pytest.mark.parametrize(
    "extents, kernel, options, expected",
    [
        ((224, 224), 7, {"stride": 2, "padding": 3}, (112, 112)),
        ((227, 227), 7, {"stride": 2}, (111, 111)),
        ((224, 224), 7, {"stride": 2}, (109, 109)),
        ((112, 112), 3, {"stride": 2}, (55, 55)),
        ((112, 112), 3, {"stride": 2, "ceil": True}, (56, 56)),
        ((299, 299), 3, {"stride": 2}, (149, 149)),
        ((17, 17), (1, 7), {"padding": (0, 3)}, (17, 17)),
        ((17, 17), (7, 1), {"padding": (3, 0)}, (17, 17)),
        ((64, 64), 3, {"padding": 16, "dilation": 16}, (64, 64)),
        ((4, 9), (2, 3), {"stride": (1, 3), "padding": ((1, 0), (0, 2))}, (4, 3)),
        # Ceil mode: the third window would start in the padding behind.
        ((4, 4), 2, {"stride": 3, "padding": 1, "ceil": True}, (2, 2)),
    ],
)
def test_known_extents(extents, kernel, options, expected):
    """Numbers from the papers' tables, and unequal axes."""
    assert window(kernel, **options).extents(extents) == expected


def test_extents_count_windows():
    """The formula against windows put down one after the other, 500 random windows."""
    rng = random.Random(3)
    tried = 0
    while tried < 500:
        e, k, s, d = rng.randint(1, 20), rng.randint(1, 5), rng.randint(1, 4), rng.randint(1, 3)
        span = d * (k - 1) + 1
        before, after, ceil = rng.randint(0, span - 1), rng.randint(0, span - 1), rng.random() < 0.5
        reads = window((k,), (s,), ((before, after),), (d,), ceil=ceil, axes=1)
        if e + before + after < span:
            with pytest.raises(MisuseError, match="kernel: expected a window that fits"):
                reads.extents((e,))
            continue
        tried += 1
        starts = range(0, e + before + after, s)
        whole = [x for x in starts if x + span <= e + before + after]
        partly = [x for x in starts if x + span > e + before + after and x < e + before]
        # Ceil mode adds one partial window, unless the whole ones already end at the edge.
        more = ceil and bool(partly) and whole[-1] + span < e + before + after
        expected = len(whole) + (1 if more else 0)
        assert reads.extents((e,)) == (expected,)


def test_same_padding_keeps_ceil_of_extent_over_stride():
    """TensorFlow's "same": ceil(e / s) outputs, the odd place of padding after."""
    for e in range(1, 40):
        for k in range(1, 8):
            for s in range(1, 4):
                reads = same(Shape(1, (e,)), k, s)
                assert reads.extents((e,)) == (-(-e // s),)
                ((before, after),) = reads.padding
                assert after - before in (0, 1)


def test_extents_agree_with_pytorch():
    """Pooling with ceil mode and dilated convolution in PyTorch's own functions."""
    torch = pytest.importorskip("torch")
    rng = random.Random(5)
    for _ in range(200):
        e, k, s = rng.randint(6, 20), rng.randint(1, 5), rng.randint(1, 4)
        pad, ceil = rng.randint(0, k // 2), rng.random() < 0.5
        x = torch.zeros(1, 1, e, e)
        expected = torch.nn.functional.max_pool2d(x, k, s, pad, ceil_mode=ceil).shape[2:]
        assert window(k, s, pad, ceil=ceil).extents((e, e)) == tuple(expected)


def test_a_grid_of_unequal_axes_by_hand():
    """Concatenation, addition, groups, transposed convolution and their parameters, rectangular."""
    net = Graph((3, 8, 6))
    a = net.conv("a", "input", 4, (3, 1), stride=(1, 2), norm="batch")
    assert (str(net[a].above), net[a].width, net[a].parameters, net[a].statistics) == ("6 x 3 x 4", 72, 48, 8)
    b = net.conv("b", "input", 6, (3, 1), stride=(1, 2), groups=3, bias=False)
    assert net[b].parameters == 6 * 3
    assert str(net[net.concat("c", a, b)].above) == "6 x 3 x 10"
    assert net[net.transposed("t", "c", 2, 2, stride=2, padding=0, above=(12, 6))].width == 144
    assert net["t"].parameters == 2 * 2 * 10 * 2 + 2
    assert net[net.dense("d", "t", 5)].parameters == 144 * 5 + 5


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda net: net.add("x", "a", "b"), "add: expected branches of shape 5 x 5 x 4"),
        (lambda net: net.concat("x", "a", "input"), "concat: expected branches of shape 5 x 5 x 4"),
        (lambda net: net.conv("x", "a", 6, 1, groups=4), "groups: expected a divisor of 4 and 6"),
        (lambda net: net.conv("a", "input", 1, 1), "layer: expected a new name"),
        (lambda net: net.conv("x", "nowhere", 1, 1), "layer: expected a layer defined before"),
        (lambda net: net.conv("x", "a", 1, 9), "kernel: expected a window that fits"),
        (lambda net: net.conv("x", "a", 1, (3, 0)), "kernel: expected positive integers"),
        (lambda net: net.scale("x", "a", "b"), "factors: expected 4 numbers"),
        (lambda net: net.conv("x", "a", 1, 1, norm="group"), "norm: expected"),
    ],
)
def test_definitions_that_do_not_fit_together_are_refused(build, words):
    """A wrong table entry is one sentence, not a silently broadcast shape."""
    net = Graph((2, 7, 7))
    net.conv("a", "input", 4, 3)
    net.conv("b", "input", 5, 3)
    with pytest.raises(MisuseError, match=words):
        build(net)
