"""Floor 3: the rank of U_k = M_k(W_k) at the given weights, with evidence for both bounds.

U_k is an integer matrix over one denominator; scaling changes no rank.  As for F_k: a minor that
does not vanish mod p from below, integer kernel vectors from above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.arithmetic.integers import narrow
from exactcnn.arithmetic.modular import residues
from exactcnn.arithmetic.primes import default_primes
from exactcnn.errors import MisuseError
from exactcnn.features.instance import Instance
from exactcnn.features.lifted import lifted_residues
from exactcnn.linalg.evidence import Kernel, Minor
from exactcnn.linalg.kernels import rational_kernel
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.network.layers import Layer
from exactcnn.network.lifting import lift

__all__ = ["LiftedRank", "lifted_rank"]

# Dense residue matrices beyond this many entries are not eliminated; Python integers cost more.
_LARGEST_DENSE = 60_000_000
_LARGEST_KERNEL = 4_000_000
_TRIES = 2


@dataclass(frozen=True)
class LiftedRank:
    """lower <= rank U_k (n_{k-1} x n_k) <= upper at the given weights; ``kernel`` None: upper is full."""

    layer: int
    rows: int
    columns: int
    minor: Minor | None
    kernel: Kernel | None

    @property
    def full(self) -> int:
        return min(self.rows, self.columns)

    @property
    def lower(self) -> int:
        return 0 if self.minor is None else self.minor.rank

    @property
    def upper(self) -> int:
        return self.full if self.kernel is None else min(self.full, self.kernel.upper_bound)

    @property
    def verdict(self) -> str:
        if self.lower == self.full:
            return "proved"
        return "refuted" if self.upper < self.full else "undecided"


def _minor(layer: Layer, W: np.ndarray, prime: int) -> Minor | None:
    """A maximal minor mod ``prime``, from as few filters as suffice; None if U is too large."""
    n, P, T = layer.below.size, layer.patch_count, layer.filters
    goal, image = min(n, layer.width), residues(W, prime)
    used = min(T, -(-goal // P) + 1)
    best: Minor | None = None
    while n * P * used <= _LARGEST_DENSE:
        U, columns = lifted_residues(layer, image[:, :used])
        found = rank_mod_p(U, prime)
        if best is None or found.rank > best.rank:
            best = Minor(found.rows, tuple(int(columns[j]) for j in found.columns), prime)
        if best.rank >= goal or used == T:
            return best
        used = min(T, 2 * used)
    return best


def lifted_rank(instance: Instance, k: int) -> LiftedRank:
    """Bounds for rank U_k at the instance's weights.  Raises MisuseError for a pooling layer."""
    layer = instance.network.layer(k)
    if layer.kind == "maxpool":
        raise MisuseError("layer", "a convolutional or dense layer", f"max-pooling layer {k}")
    W = narrow(instance.need_weights()[k].W.numerators)
    rows, columns = layer.below.size, layer.width
    best: Minor | None = None
    for prime in default_primes(_TRIES):
        found = _minor(layer, W, prime)
        if found is not None and (best is None or found.rank > best.rank):
            best = found
        if best is not None and best.rank == min(rows, columns):
            return LiftedRank(k, rows, columns, best, None)
    if best is None or rows * columns > _LARGEST_KERNEL:
        return LiftedRank(k, rows, columns, best, None)
    U = lift(layer, W)
    # A minor from a few filters need not be maximal for all of them: take one that is.
    best = rank_mod_p(U, best.prime)
    kernel = rational_kernel(U, best, "left" if rows <= columns else "right")
    return LiftedRank(k, rows, columns, best, kernel)
