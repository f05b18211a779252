"""Floor 4a: exact zero-loss points in S_k for deep networks (Theorem 4.5, second part), and lines of them.

Layers k+1..L dense, layer L linear, rank F_k = N, F_k rational.  Solved backwards from G_L = Y.  Given the wanted
pre-activations G_{l+1} (N x n_{l+1}), choose F_l = sigma_l(G_l) (N x n_l), U_{l+1} and b_{l+1} with

    F_l U_{l+1} + 1 b_{l+1}^T = G_{l+1},   U_{l+1} of full column rank, sigma_l' != 0 at G_l,

and go on with G_l; at the bottom F_k W_{k+1} + 1 b_{k+1}^T = G_{k+1} has a solution because rank F_k = N.
Everything is exact: G_l is a rational matrix, times ln 2 for sigmoid and tanh.

* *Linear on a half-line* (identity, leaky_relu, relu): column j of F_l is column j of G_{l+1} plus a constant that
  makes it positive, U_{l+1} = [I; 0], further columns are 1.
* *Others* (sigmoid, tanh, sigmoid2, rational only at whole multiples of ln 2, of (ln 2)/2, of 1; square; written
  ones with two rational points g, g'): a column with d different values y_1 < .. < y_d is y_1 + sum_i (y_{i+1} - y_i)
  [y > y_i], so d - 1 columns of F_l with the two values sigma(g), sigma(g') suffice, with the entries
  (y_{i+1} - y_i) / (sigma(g') - sigma(g)) in U.  A constant column takes one constant column of F_l and the entry 1.
  Supports of the columns of U_{l+1} are disjoint and not empty: full column rank.  Needs n_l >= sum_j max(1, d_j - 1);
  G_l then has two values to a column, so the layers below need no more than n_l >= n_{l+1}.

*A line of them.*  With H, F_k H = 1 a^T, the points W_{k+1} - t H, b_{k+1} + t a have the same G_{k+1} for
every real t, so the same F_L = Y; S_k does not speak of layer k+1.  Without a bias there H must be in the kernel
of F_k (N < n_k).  Hence infinitely many.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from exactcnn.activations import Activation
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.forward import LayerValues
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.landscape.derivatives import targets_of
from exactcnn.landscape.interpolation import sparse_solution
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.network.layers import Layer
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["ZeroLossLine", "construct_zero_loss"]

# Two points g (in units of ln 2, (ln 2)/2 or 1), and sigma there: different, with slopes that are not 0.
_Pair = tuple[Fraction, Fraction, Fraction, Fraction]
# Where a written activation is tried: small numbers, and those with 1 + t^2 a square.
_TRIED = tuple(
    Fraction(s * n, d)
    for n, d in ((0, 1), (1, 1), (2, 1), (1, 2), (3, 4), (4, 3), (5, 12), (3, 1))
    for s in (1, -1)
)


@dataclass(frozen=True, eq=False)
class ZeroLossLine:
    """``at(t)``: weights of all layers in S_k with zero loss, for every rational t; only layer k+1 depends on t.

    ``step`` (n_k x n_{k+1}) is H and ``shift`` (n_{k+1}) is a; None where layer k+1 has no bias and n_k = N.
    """

    weights: Weights
    layer: int
    step: RationalArray | None
    shift: RationalArray | None

    def at(self, t: Fraction | int) -> Weights:
        """UndecidedError where no line is known and t != 0."""
        t = Fraction(t)
        if t == 0:
            return self.weights
        if self.step is None:
            raise UndecidedError("no line of zero-loss points is known here")
        entries = list(self.weights.layers)
        entry = entries[self.layer]
        assert entry is not None
        b = entry.b
        if b is not None and self.shift is not None:
            b = _sum(b, self.shift, t)
        entries[self.layer] = LayerWeights(_sum(entry.W, self.step, -t), b, entry.W_ln2, entry.b_ln2)
        return Weights(tuple(entries))


def construct_zero_loss(instance: Instance, k: int) -> ZeroLossLine:
    """A line of exact zero-loss points; layers 1..k as given, the others constructed.

    UndecidedError, saying why, where the construction does not apply or F_k has not rank N.
    """
    network = instance.network
    above = network.layers[k:]
    _require_fit(above, k)
    features = FeatureMatrix(instance, k)
    if features.domain != "rational":
        raise UndecidedError(f"F_{k} is not rational at the given weights")
    F = features.exact
    columns = rank_mod_p(F.numerators).columns
    if len(columns) != instance.N:
        raise UndecidedError(f"rank F_{k} = N = {instance.N} is not shown at the given weights")
    wanted: list[list[Fraction]] = targets_of(instance).to_fractions()
    entries = list(instance.need_weights().layers)
    for layer, below in zip(reversed(above[1:]), reversed(above[:-1]), strict=True):
        assert layer.activation is not None
        W, b, wanted = _pulled_back(wanted, below)
        entries[layer.index - 1] = _scaled(layer, W, b)
    bottom = above[0]
    G = RationalArray.from_fractions(wanted)
    solution = sparse_solution(F, G, columns)
    zeros = None if bottom.bias == "none" else [Fraction(0)] * bottom.width
    entries[k] = _scaled(bottom, solution.W, zeros)
    step, shift = _line(F, columns, bottom)
    return ZeroLossLine(Weights(tuple(entries)), k, step, shift)


def _require_fit(above: tuple[Layer, ...], k: int) -> None:
    if not above:
        raise UndecidedError(f"layer {k} is the last one")
    if any(layer.kind != "dense" for layer in above):
        raise UndecidedError(f"a layer above layer {k} is not fully connected")
    if above[-1].activation is None or above[-1].activation.name != "identity":
        raise UndecidedError("the output layer is not linear")
    for layer in above[1:]:
        if layer.bias == "none":
            raise UndecidedError(f"layer {layer.index} has no biases")


def _pulled_back(
    G: list[list[Fraction]], below: Layer
) -> tuple[list[list[Fraction]], list[Fraction], list[list[Fraction]]]:
    """(U, b, G') with sigma(G' unit) U + 1 b^T = G; G' (N x n_l) in the activation's unit of ln 2, or 1."""
    assert below.activation is not None
    N, n, m = len(G), below.width, len(G[0])
    half_line = below.activation.degree == 1  # sigma(t) = t for t >= 0
    pair = None if half_line else _pair(below.activation)
    columns = [[row[j] for row in G] for j in range(m)]
    if not half_line and pair is None:
        raise UndecidedError(f"{below.activation} has no rational values that are known here")
    needed = [1 if half_line else max(1, len(set(column)) - 1) for column in columns]
    if sum(needed) > n:
        raise UndecidedError(
            f"layer {below.index} has {n} units, and this construction needs {sum(needed)} for the values above it"
        )
    U = [[Fraction(0)] * m for _ in range(n)]
    b: list[Fraction] = []
    made: list[list[Fraction]] = []  # the columns of G'
    for j, column in enumerate(columns):
        low, values = min(column), sorted(set(column))
        if pair is None:
            U[len(made)][j] = Fraction(1)
            made.append([y - low + 1 for y in column])
            b.append(low - 1)
            continue
        first, second, start, end = pair
        if len(values) == 1:
            U[len(made)][j] = Fraction(1)
            made.append([first] * N)
            b.append(low - start)
            continue
        b.append(low)
        for lower, upper in pairwise(values):
            slope = (upper - lower) / (end - start)
            U[len(made)][j] = slope
            made.append([second if y > lower else first for y in column])
            b[j] -= slope * start
    # A constant column whose value is not needed: one at which sigma has a slope.
    made += [[Fraction(1) if pair is None else pair[0]] * N for _ in range(n - len(made))]
    return U, b, [list(row) for row in zip(*made, strict=True)]


def _pair(activation: Activation) -> _Pair | None:
    """Two points for ``activation``, searched among a few for a written one; None if there are none."""
    if activation.formula is None:
        return None if activation.builtin is None else activation.builtin.steps
    found: list[tuple[Fraction, Fraction]] = []
    for t in _TRIED:
        try:
            value, slope, _ = activation.rational_jet(t)
        except UndecidedError:
            continue
        if slope != 0:
            found += [(t, value)]
            if value != found[0][1]:
                return found[0][0], t, found[0][1], value
    return None


def _scaled(layer: Layer, W: list[list[Fraction]] | RationalArray, b: list[Fraction] | None) -> LayerWeights:
    """The affine map of ``layer`` with values in its unit: times ln 2 below a sigmoid or tanh."""
    assert layer.activation is not None
    table = W if isinstance(W, RationalArray) else RationalArray.from_fractions(W)
    unit = None if layer.activation.builtin is None else layer.activation.builtin.unit
    if unit is None:
        return LayerWeights(table, None if b is None else RationalArray.from_fractions(b))
    table = RationalArray.from_integers(
        table.numerators * unit.numerator, table.denominator * unit.denominator
    )
    zero = RationalArray.from_integers(np.zeros(table.shape, dtype=np.int64))
    if b is None:
        return LayerWeights(zero, None, table, None)
    none = RationalArray.from_integers(np.zeros(len(b), dtype=np.int64))
    return LayerWeights(zero, none, table, RationalArray.from_fractions([unit * q for q in b]))


def _line(
    F: LayerValues, columns: tuple[int, ...], bottom: Layer
) -> tuple[RationalArray | None, RationalArray | None]:
    """(H, a) with F H = 1 a^T, H not 0, of the shapes of layer k+1."""
    N, n = F.numerators.shape
    shape = (n, bottom.width)
    if bottom.bias != "none":
        h = sparse_solution(F, RationalArray.from_integers(np.ones((N, 1), dtype=np.int64)), columns).W
        H = np.zeros(shape, dtype=object)
        H[:, :1] = h.numerators
        a = np.zeros(bottom.bias_length, dtype=np.int64)
        a[0] = 1
        return RationalArray.from_integers(H, h.denominator), RationalArray.from_integers(a)
    other = next((j for j in range(n) if j not in columns), None)
    if other is None:
        return None, None
    # Column `other` of F by the chosen ones: a kernel vector.
    target = RationalArray.from_integers(F.numerators[:, other : other + 1], F.denominator)
    h = sparse_solution(F, target, columns).W
    H = np.zeros(shape, dtype=object)
    H[:, :1] = h.numerators
    H[other, 0] -= h.denominator
    return RationalArray.from_integers(H, h.denominator), None


def _sum(a: RationalArray, b: RationalArray, t: Fraction) -> RationalArray:
    """a + t b."""
    over = t.denominator * b.denominator
    left, right = (
        a.numerators.astype(object) * over,
        b.numerators.astype(object) * (t.numerator * a.denominator),
    )
    return RationalArray.from_integers(left + right, a.denominator * over)
