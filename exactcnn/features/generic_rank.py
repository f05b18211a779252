"""Floor 3: the generic rank of the lifted matrix U_k (Assumption 2.4, Lemma 2.5).

U_k is linear in W_k, so a minor is a polynomial in W_k: one residue point where it does not
vanish proves the lower bound for almost every W_k.  Upper bounds hold for every W_k and
come from the pattern alone (`generic_bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.arithmetic.primes import default_primes
from exactcnn.errors import MisuseError
from exactcnn.features.generic_bounds import Cover, Determinantal, GenericBound, generic_bounds
from exactcnn.features.lifted import lifted_residues, seeded_filters
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.linalg.polynomials import PolynomialKernel
from exactcnn.network.layers import Layer
from exactcnn.network.lifting import lift_pattern

__all__ = ["Cover", "Determinantal", "GenericMinor", "GenericRank", "PolynomialKernel", "generic_rank"]

# Dense residue matrices beyond this many entries (8 bytes each, twice) are not eliminated.
_LARGEST_DENSE = 60_000_000
_TRIES = 2


@dataclass(frozen=True)
class GenericMinor:
    """A minor of U_k at W from a seed stream (``seed``) or at W = identity (``seed`` None)."""

    minor: Minor
    seed: int | None


@dataclass(frozen=True)
class GenericRank:
    """lower <= generic rank of U_k (n_{k-1} x n_k) <= upper."""

    layer: int
    rows: int
    columns: int
    lower: int
    upper: int
    minor: GenericMinor | None
    bound: GenericBound | None

    @property
    def full(self) -> int:
        """min(n_{k-1}, n_k), the rank asked for by Assumption 2.4."""
        return min(self.rows, self.columns)

    @property
    def verdict(self) -> str:
        if self.lower == self.full:
            return "proved"
        return "refuted" if self.upper < self.full else "undecided"


def _identity_minor(layer: Layer, prime: int) -> GenericMinor:
    """T >= l: with W = [I 0] column (p, r) of U is the unit vector of patch p's neuron r."""
    pattern = lift_pattern(layer)
    neurons, first = np.unique(pattern.rows, return_index=True)
    columns = pattern.positions[first] * layer.filters + pattern.taps[first]
    return GenericMinor(Minor(tuple(neurons.tolist()), tuple(sorted(columns.tolist())), prime), None)


def _random_minor(layer: Layer, prime: int, seed: int) -> GenericMinor | None:
    """A maximal minor at a random W, using as few filters as suffice; None if too large."""
    n, P, T = layer.below.size, layer.patch_count, layer.filters
    goal = min(n, layer.width)
    used = min(T, -(-goal // P) + 1)
    best: GenericMinor | None = None
    while n * P * used <= _LARGEST_DENSE:
        U, columns = lifted_residues(layer, seeded_filters(layer, seed, prime, used))
        found = rank_mod_p(U, prime)
        minor = Minor(found.rows, tuple(int(columns[j]) for j in found.columns), prime)
        if best is None or minor.rank > best.minor.rank:
            best = GenericMinor(minor, seed)
        if best.minor.rank >= goal or used == T:
            return best
        used = min(T, 2 * used)
    return best


def generic_rank(layer: Layer, seed: int = 0) -> GenericRank:
    """Bounds for the generic rank of U_k, with the evidence for both.

    Raises MisuseError for a pooling layer, which has no U.
    """
    if layer.kind == "maxpool":
        raise MisuseError("layer", "a convolutional or dense layer", f"max-pooling layer {layer.index}")
    n, width = layer.below.size, layer.width
    full = min(n, width)
    primes = default_primes(_TRIES)
    best: GenericMinor | None = None
    if layer.filters >= layer.patch_size:
        best = _identity_minor(layer, primes[0])
    for attempt, prime in enumerate(primes):
        if best is not None and best.minor.rank == full:
            break
        found = _random_minor(layer, prime, seed + attempt)
        if found is not None and (best is None or found.minor.rank > best.minor.rank):
            best = found
    lower = 0 if best is None else best.minor.rank
    if lower == full:
        return GenericRank(layer.index, n, width, lower, full, best, None)
    bound = generic_bounds(layer, None if best is None else best.minor)
    upper = full if bound is None else min(full, bound.upper_bound)
    return GenericRank(layer.index, n, width, lower, upper, best, bound)
