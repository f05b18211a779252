"""Floor 3: F_k in ball arithmetic, for any activation at given weights (theory 2.8).

Layers up to the first activation that is not rational are passed exactly; from there on every
value is a ball of python-flint (Arb) that contains the exact one.  ``verified_minor`` picks
columns (and rows, if the rank looks deficient) by pivoted orthogonalisation of the midpoints in
float64, which decides nothing, and proves the submatrix non-singular with an approximate inverse
(``linalg.verified_inverse``).  A failure proves nothing: the answer is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Any

import numpy as np

from exactcnn.arithmetic.integers import largest
from exactcnn.features.forward import LayerValues, exact_values
from exactcnn.features.instance import Instance
from exactcnn.linalg.verified_inverse import VerifiedInverse, verified_inverse
from exactcnn.network.layers import Layer, Mixture
from exactcnn.network.network import Network
from exactcnn.progress import report

__all__ = ["VerifiedMinor", "column_pivots", "feature_balls", "fixed_point_places", "verified_minor"]

# Ball evaluations of one pass, about 10 microseconds each; and the largest order inverted.
_MOST_BALLS = 3_000_000
_LARGEST_ORDER = 700
_PRECISIONS = (128, 256, 512, 1024, 2048)
_MOST_PLACES = 4096  # the most that FORMAT.md 6a takes
# A pivot below this part of the largest is noise of float64: no column is chosen by it.
_NOISE = 1e-13


@dataclass(frozen=True, eq=False)
class VerifiedMinor:
    """The submatrix of F_k on ``rows`` and ``columns`` is non-singular, by ``proof``.

    ``precision``: binary places after the point that suffice to repeat the proof in fixed point
    (FORMAT.md 5.3).
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    precision: int
    proof: VerifiedInverse

    @property
    def rank(self) -> int:
        return len(self.rows)

    @property
    def how(self) -> str:
        """Words for a reason: 'a minor of size 5 ..'."""
        return f"is non-singular by a verified inverse (ball arithmetic, {self.precision} bits)"


def feature_balls(
    instance: Instance, k: int, precision: int, units: Sequence[int] | None = None
) -> list[list[Any]]:
    """Balls for F_k: one row for each sample, one entry for each of ``units`` (None: all), flint.arb.

    Raises UndecidedError where a custom expression cannot be enclosed.
    """
    from flint import arb, ctx, fmpq

    network = instance.network
    chosen = range(network.layer(k).width) if units is None else units

    wanted, exact = _passed_in_balls(network, k)

    def balls(values: LayerValues, units: Sequence[int]) -> list[list[Any]]:
        return [[arb(fmpq(int(row[u]), values.denominator)) for u in units] for row in values.numerators]

    def step(layer: Layer, sources: list[_Rows]) -> _Rows:
        units = chosen if layer.index == k else range(layer.width)
        if layer.index in exact:
            values, _ = exact_values(instance, layer.index, before_activation=layer.activation is not None)
            return _activated(layer, balls(values, units))
        return _passed(layer, instance, sources, units) if layer.index in wanted else []

    x = instance.need_samples().x
    with ctx.workprec(precision):
        first = balls(LayerValues(x.numerators, x.denominator), range(x.shape[1])) if 0 in wanted else []
        return network.carry(k, first, step)


_Rows = list[list[Any]]


def _passed_in_balls(network: Network, k: int) -> tuple[set[int], set[int]]:
    """The layers (0: the input) wanted in balls, and those among them whose sources are rational, passed exactly."""
    rational, wanted, exact = {0}, {k}, set[int]()
    layers = network.upto(k)
    for layer in layers:
        if rational.issuperset(layer.sources) and (
            layer.activation is None or layer.activation.kind == "rational"
        ):
            rational.add(layer.index)
    for layer in reversed(layers):
        if layer.index in wanted and rational.issuperset(layer.sources):
            exact.add(layer.index)
        elif layer.index in wanted:
            wanted.update(layer.sources)
    return wanted, exact


def _activated(layer: Layer, rows: list[list[Any]]) -> list[list[Any]]:
    if layer.activation is None:
        return rows
    for i, row in enumerate(rows):
        report(f"balls of layer {layer.index}", i, len(rows))
        rows[i] = [layer.activation.ball(t) for t in row]
    return rows


def _passed(
    layer: Layer, instance: Instance, sources: list[list[list[Any]]], units: Sequence[int]
) -> list[list[Any]]:
    """One layer above the first irrational one, only the units asked for."""
    from flint import arb, arb_mat, fmpq

    if layer.kind == "maxpool":
        patches = layer.patches
        pools = [[int(u) for u, real in zip(patches.indices[p], patches.real[p], strict=True) if real]
                 for p in units]  # fmt: skip
        return [[_largest([row[u] for u in pool]) for pool in pools] for row in sources[0]]
    if not layer.affine:
        m, over = layer.mixture, arb(1) / layer.mixture.denominator
        terms = [([(int(u), int(c)) for u, c in zip(m.indices[h], m.coefficients[h], strict=True) if c], int(m.shifts[h]))
                 for h in units]  # fmt: skip
        joined = [list(chain.from_iterable(parts)) for parts in zip(*sources, strict=True)]
        return _activated(layer, [
            [(sum((c * row[u] for u, c in pairs), arb(shift))) * over for pairs, shift in terms] for row in joined])  # fmt: skip
    patches, rows = layer.patches, sources[0]
    entry, T = instance.need_weights()[layer.index], layer.filters
    W, zero = entry.W, arb(0)
    bias = None if entry.b is None else [arb(fmpq(int(v), entry.b.denominator)) for v in entry.b.numerators]
    result: list[list[Any]] = [[] for _ in rows]
    by_position: dict[int, list[int]] = {}
    for unit in units:
        by_position.setdefault(unit // T, []).append(unit % T)
    for p, filters in by_position.items():
        taps = [r for r in range(layer.patch_size) if patches.real[p, r]]
        gather = [int(patches.indices[p, r]) for r in taps]
        X = arb_mat([[row[u] for u in gather] for row in rows])
        scaled = arb_mat([[int(W.numerators[r, t]) for t in filters] for r in taps])
        product = (X * scaled) * (arb(1) / W.denominator)
        offset = [zero] * len(filters)
        if bias is not None:
            offset = [bias[t if layer.bias == "filter" else p * T + t] for t in filters]
        for mine, line in zip(result, product.tolist(), strict=True):
            mine.extend(g + b for g, b in zip(line, offset, strict=True))
    return _activated(layer, result)


def _largest(values: list[Any]) -> Any:
    best = values[0]
    for value in values[1:]:
        best = best.max(value)
    return best


def column_pivots(matrix: np.ndarray, most: int) -> list[int]:
    """Columns chosen by modified Gram-Schmidt with pivoting, until what remains looks like noise."""
    M = np.array(matrix, dtype=np.float64)
    chosen: list[int] = []
    start = 0.0
    for _ in range(min(most, *M.shape)):
        norms = np.einsum("ij,ij->j", M, M)
        norms[chosen] = -1.0
        j = int(norms.argmax())
        start = max(start, float(norms[j]))
        if not norms[j] > start * _NOISE**2:
            break
        q = M[:, j] / np.sqrt(norms[j])
        M -= np.outer(q, q @ M)
        chosen.append(j)
    return chosen


def verified_minor(instance: Instance, k: int) -> VerifiedMinor | None:
    """The largest minor of F_k found to be non-singular by a verified inverse, None without any.

    Precision is doubled until the proof succeeds or 2048 bits are spent.  Raises UndecidedError
    where a custom expression cannot be enclosed.
    """
    N, width = instance.N, instance.network.layer(k).width
    below = sum(layer.width for layer in instance.network.upto(k)[:-1])
    sample_of_units = list(range(width))
    if width > 2 * N + 64:  # enough columns to choose from
        sample_of_units = [h * width // (2 * N + 64) for h in range(2 * N + 64)]
    if N * (below + len(sample_of_units)) > _MOST_BALLS or min(N, width) > _LARGEST_ORDER:
        return None
    balls = feature_balls(instance, k, 64, sample_of_units)
    middle = np.array([[float(t.mid()) for t in row] for row in balls])
    if not np.isfinite(middle).all():
        return None
    columns = column_pivots(middle, N)
    tries = [(list(range(N)), columns)] if len(columns) == N else []
    if len(columns) < N and width >= N:
        # What looks like noise to float64 may be independent: the other columns in their order.
        rest = [j for j in range(len(sample_of_units)) if j not in set(columns)]
        tries.append((list(range(N)), (columns + rest)[:N]))
    if columns and len(columns) < N:
        tries.append((column_pivots(middle[:, columns].T, len(columns)), columns))
    for rows, chosen in tries:
        if len(rows) != len(chosen):
            continue
        units = sorted(sample_of_units[j] for j in chosen)
        found = _prove(instance, k, sorted(rows), units)
        if found is not None:
            return found
    return None


def _prove(instance: Instance, k: int, rows: list[int], units: list[int]) -> VerifiedMinor | None:
    from flint import arb_mat, ctx

    for precision in _PRECISIONS:
        balls = feature_balls(instance, k, precision, units)
        with ctx.workprec(precision):
            A = arb_mat([balls[i] for i in rows])
            proof = verified_inverse(A)
        if proof is not None:
            places = fixed_point_places(instance, k, proof)
            if places > _MOST_PLACES:
                return None
            return VerifiedMinor(tuple(rows), tuple(units), places, proof)
    return None


def fixed_point_places(instance: Instance, k: int, proof: VerifiedInverse) -> int:
    """Binary places at which fixed-point enclosures keep ||I - R A|| below 1.

    An error of one unit in the last place at the input grows by at most lipschitz * (sum of
    |weights|) + 8 in each layer (2 bounds every built-in slope, alpha apart; a custom slope is not
    known, so 2^10 is taken and a failure shows at the proof's repetition).
    """
    error = 1
    for layer in instance.network.upto(k):
        if layer.affine:
            entry = instance.need_weights()[layer.index]
            total = ceil(layer.patch_size * largest(entry.W.numerators) / entry.W.denominator) + 1
        else:
            total = 1 if layer.kind == "maxpool" else _gain(layer.mixture)
        slope = 1 if layer.activation is None else 2
        if layer.activation is not None and layer.activation.formula is not None:
            slope = 2**10
        for value in () if layer.activation is None else dict(layer.activation.parameters).values():
            slope = max(slope, ceil(value) + ceil(1 / value))
        if layer.activation is not None and layer.activation.degree == 2:
            slope = 2**20
        error = slope * (total * error + 2) + 8 * slope
    magnitude = sum(proof.row_sum().as_integer_ratio())
    return 64 + error.bit_length() + magnitude.bit_length() + len(proof.inverse).bit_length()


def _gain(mixture: Mixture) -> int:
    """The largest sum of absolute coefficients of a unit, rounded up."""
    return -(-int(np.abs(mixture.coefficients.astype(object)).sum(axis=1).max()) // mixture.denominator)
