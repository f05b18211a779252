"""Exact points of the loss surface that several scripts speak of, each as arguments of ``exactcnn.verify``.

On two samples x = 0, 1 with Y = I_2 (unless said otherwise) and k = 1: layer 1 is ReLU with W_1 = (1, 1),
b_1 = (1, -1/2), so F_1 = [[1, 0], [2, 1/2]] has rank 2 = N.  With W_2 = 0 nothing of the samples gets through.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from exactcnn import samples
from proofs_checks._instances import conv, dense, network, pool, weights

__all__ = [
    "FLAT",
    "bad_minimum",
    "broken_pyramid",
    "convolution_above",
    "deficient_output",
    "flat_slope",
    "nonlinear_output",
    "pooling_above",
    "two_points",
    "zero_features",
]

HALF = Fraction(1, 2)
FLAT = {"name": "custom", "expression": "(1 + t**3/sqrt(1 + t**6))/2"}
_WIDE = ([[1, 1]], [1, -HALF])
_ZERO = ([[0, 0], [0, 0]], [0, 0])
_IDENTITY = [[1, 0], [0, 1]]

Point = dict[str, Any]


def two_points(
    middle: dict[str, Any],
    last: dict[str, Any],
    second: Any,
    third: Any,
    y: Sequence[Sequence[Any]] = ((1, 0), (0, 1)),
) -> Point:
    """Layers 2 and 3 with their (W, b) above the ReLU layer."""
    net = network(1, dense(2, "relu"), middle, last)
    data = samples([[0], [1]], [list(row) for row in y])
    return {"network": net, "data": data, "weights": weights(net, _WIDE, second, third)}


def flat_slope(activation: Any = FLAT) -> Point:
    """sigma_2(t) = (1 + t^3/sqrt(1 + t^6))/2 is analytic and strictly increasing, and sigma_2'(0) = 0."""
    return two_points(dense(2, activation), dense(2), _ZERO, (_IDENTITY, [0, 0]))


def nonlinear_output(activation: str = "square") -> Point:
    """The slope of the output is 0 where its pre-activation is."""
    return two_points(dense(2, "sigmoid"), dense(2, activation), _ZERO, (_IDENTITY, [-HALF, -HALF]))


def broken_pyramid(units: int = 1) -> Point:
    """n_2 = 1 < n_3 = 2: U_3 = (1, 1) has full rank and kills the rows (1/2, -1/2) of the residual."""
    U = [[1, 1]] if units == 1 else [[1, 1], [0, 1]]
    b = [HALF - sum(row[c] for row in U) * HALF for c in range(2)]
    return two_points(dense(units, "sigmoid"), dense(2), ([[0] * units] * 2, [0] * units), (U, b))


def deficient_output() -> Point:
    """U_3 = 0, b_3 the mean of Y: not in S_1."""
    return two_points(dense(2, "sigmoid"), dense(2), _ZERO, ([[0, 0], [0, 0]], [HALF, HALF]))


def zero_features() -> Point:
    """W_1 = 0: both samples look alike, rank F_1 = 1, not in S_1; the output is the mean of the targets."""
    net = network(1, dense(2, "relu"), dense(1))
    point = weights(net, ([[0, 0]], [1, 1]), ([[0], [0]], [HALF]))
    return {"network": net, "data": samples([[0], [1]], [[0], [1]]), "weights": point}


def pooling_above() -> Point:
    """Units (1, 2, 1/2, 1/2) and (2, 1, 1/2, 1/2): both pools choose a unit of value 2 for both samples."""
    net = network(1, dense(4, "relu"), pool(patches=[[0, 1, 2], [0, 1, 3]]), dense(1))
    point = weights(net, ([[1, -1, 0, 0]], [1, 2, HALF, HALF]), None, ([[1], [-1]], [HALF]))
    return {"network": net, "data": samples([[0], [1]], [[0], [1]]), "weights": point}


def convolution_above() -> Point:
    """A saddle in S_1 under a convolutional layer 2, N = 4, one-hot labels: all 23 partials 0, Phi = 1."""
    patches = [[0, 1], [2, 3], [4, 5]]
    net = network(4, conv(2, "relu", kernel=2), conv(1, "sigmoid", patches=patches), dense(2))
    rows = [[-2, -2, -3, 1], [0, -2, 2, -3], [2, 2, -1, 3], [-3, -2, -1, -3]]
    point = weights(
        net,
        ([[2, -2], [2, 0]], [0, 1, -1, -1, -2, 2]),
        ([[0], [0]], [0, 0, 0]),
        ([[2, 0], [-10, 0], [0, 3]], [Fraction(9, 2), -1]),
    )
    return {"network": net, "data": samples(rows, [1, 0, 1, 0]), "weights": point}


def bad_minimum() -> Point:
    """A local minimum in S_1 under a convolutional layer 2, N = 6, values in Q(ln 2): Phi = 225199/1312200."""
    net = network(6, conv(1, "relu", kernel=1), conv(1, "sigmoid", kernel=3, stride=3), dense(2))
    rows = [
        [-4, 1, 1, -9, 6, 5],
        [4, 7, -13, -7, 7, 2],
        [3, 0, -3, 0, 3, -1],
        [-2, -8, 11, -8, -6, 14],
        [9, 9, -17, 8, 9, -18],
        [-5, -5, 13, -5, -5, 12],
    ]
    y = [
        ["376/405", "-3277/1620"],
        ["1/4", "-14/9"],
        ["137/405", "-866/405"],
        ["-1/6", "-5/3"],
        ["-1/3", "-4/3"],
        ["-19/180", "-89/36"],
    ]
    point = weights(
        net,
        ([[1]], [20, 21, 23, 25, 28, 31]),
        ([["ln2"], ["ln2"], ["ln2"]], ["-64*ln2", "-84*ln2"]),
        ([[-1, -1], [1, -2]], [0, 0]),
    )
    return {"network": net, "data": samples(rows, y), "weights": point}
