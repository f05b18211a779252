"""Floor 3: the triangular limit witness: a peeled order, and before it a core handled exactly (theory 2.7).

Peeling may leave some samples.  Put a core of m samples, these among them, before all others and give
each of m units h that no other sample owns a threshold theta_h.
With pre-activation a (z - theta_h + 1/2) a sigmoid's column tends to the step [z >= theta_h]; with
a (z - theta_h) a column of softplus, silu or gelu, divided by a, tends to max(z - theta_h, 0).  The
entries of these samples at the peeled units tend to 0 (exponentially, where others grow linearly),
so the whole determinant, suitably scaled, tends to det(core) sigma(c)^(N - m), and the core is an
integer matrix: a minor mod p decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.arithmetic.integers import exact_matmul, narrow
from exactcnn.arithmetic.modular import residues
from exactcnn.arithmetic.primes import default_primes
from exactcnn.features.peeling import Peeling, directions
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.network.layers import Layer

__all__ = ["TriangularWitness", "limit_column", "triangular_witness"]

_MOST_COLUMNS = 6000
_LARGEST_CORE = 4000


@dataclass(frozen=True, eq=False)
class TriangularWitness:
    """``order`` of all samples and the ``units`` h = p T + t they own.

    The first len(``thresholds``) of them are the core: its integer matrix (``core_matrix``) is non-singular mod
    ``prime``.  Every later sample has at its unit a larger z than all samples before it.
    ``shared``: all filters have the direction of filter 0.
    """

    order: tuple[int, ...]
    units: tuple[int, ...]
    thresholds: tuple[int, ...]
    prime: int
    seed: int
    bits: int
    shared: bool

    def core_matrix(self, layer: Layer, values: np.ndarray) -> np.ndarray:
        """The core's limit, (m, m) integers; ``values`` (N, n_{k-1}) are what the layer below holds."""
        m = len(self.thresholds)
        columns = []
        for unit, threshold in zip(self.units[:m], self.thresholds, strict=True):
            p, t = divmod(unit, layer.filters)
            z = _projections(layer, values[list(self.order[:m])], self, p)[:, t]
            columns.append(limit_column(layer, z, threshold))
        return np.stack(columns, axis=1) if columns else np.zeros((0, 0), dtype=np.int64)


def _projections(layer: Layer, values: np.ndarray, peeled: Peeling | TriangularWitness, p: int) -> np.ndarray:
    """z = <a_t, x_i^p> for all samples and filters, (m, T) int64; padding is 0."""
    A = directions(layer, peeled.seed, peeled.bits)
    if peeled.shared:
        A = np.repeat(A[:, :1], layer.filters, axis=1)
    real = layer.patches.indices[p] < layer.patches.neurons
    return exact_matmul(narrow(values[:, layer.patches.indices[p][real]]), A[real])


def _far(layer: Layer) -> str | None:
    entry = None if layer.activation is None else layer.activation.builtin
    return None if entry is None else entry.far


def limit_column(layer: Layer, z: np.ndarray, threshold: int) -> np.ndarray:
    """The limit of a unit's column, as integers."""
    if _far(layer) == "step":
        step: np.ndarray = (z >= threshold).astype(np.int64)
        return step
    ramp: np.ndarray = np.maximum(z - threshold, 0)
    return ramp


def triangular_witness(layer: Layer, values: np.ndarray, peeled: Peeling) -> TriangularWitness | None:
    """The witness that a peeling yields, with a core if it left samples; None if none was found.

    ``values``: the integers (N, n_{k-1}) that were peeled.  The samples left rarely suffice: where
    peeling got stuck they agree at nearly every unused unit.  So the samples taken off last, which
    follow them in the order, are put back with their units, more and more of them.
    """
    left = len(peeled.left)
    assert layer.activation is not None
    if not left:
        return TriangularWitness(
            peeled.order, peeled.units, (), default_primes(1)[0], peeled.seed, peeled.bits, peeled.shared
        )
    if not left <= _LARGEST_CORE or _far(layer) is None:
        return None
    back = 0
    while left + back <= min(_LARGEST_CORE, left + len(peeled.order)):
        found = _core(layer, values, peeled, back)
        if found is not None:
            return found
        back = 2 * back + max(left, 100)
    return None


def _core(layer: Layer, values: np.ndarray, peeled: Peeling, back: int) -> TriangularWitness | None:
    samples = (*peeled.left, *peeled.order[:back])
    m = len(samples)
    chosen_values = values[list(samples)]
    used = set(peeled.units[back:])
    draw = np.random.default_rng(peeled.seed)  # which columns are tried decides nothing
    units: list[int] = []
    thresholds: list[int] = []
    columns: list[np.ndarray] = []
    returned = sorted({unit // layer.filters for unit in peeled.units[:back]})
    others = draw.permutation(np.setdiff1d(np.arange(layer.patch_count), returned)).tolist()
    for p in [*returned, *others]:
        free = [t for t in range(layer.filters) if p * layer.filters + t not in used]
        z = _projections(layer, chosen_values, peeled, p)
        for column, t in zip(z.T[free], free, strict=True):
            seen = np.unique(column)
            if seen.size < 2:
                continue
            threshold = int(seen[draw.integers(1, seen.size)])
            units.append(p * layer.filters + t)
            thresholds.append(threshold)
            columns.append(limit_column(layer, column, threshold))
        if len(columns) >= max(_MOST_COLUMNS, 3 * m):
            break
    if len(columns) < m:
        return None
    prime = default_primes(1)[0]
    found = rank_mod_p(residues(np.stack(columns, axis=1), prime), prime)
    if found.rank < m:
        return None
    chosen = sorted(found.columns, key=lambda j: units[j])
    return TriangularWitness(
        (*samples, *peeled.order[back:]),
        (*(units[j] for j in chosen), *peeled.units[back:]),
        tuple(thresholds[j] for j in chosen),
        prime,
        peeled.seed,
        peeled.bits,
        peeled.shared,
    )
