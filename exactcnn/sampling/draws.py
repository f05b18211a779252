"""Floor 5: one proved row per draw.

How the rank is decided, in this order:

* ``minor``: the residue rank is min(N, n_k), which no rank exceeds;
* ``minor+count``: it is the number of non-zero rows or columns of F_k, or (exponential features)
  a counting bound of theory 2.2;
* ``rational-rank``: F_k is rational and FLINT's rank over Z is exact;
* ``kernel``: the statement `rank` of the library, kernel vectors from above;
* ``verified-inverse``: the same statement by balls (softplus, gelu, arctan, user-defined
  activations, exponential ones below layer k);
* ``sigma-min``: all this decides nothing, but the certified lower bound of sigma_min is positive,
  so the rank is N (a float64 proof, which ``exactcnn verify`` does not repeat);
* ``undecided``: rank_lower and rank_upper say what is known, the rank stays empty.

Rows are what a worker sends back: plain numbers, no reference to their cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from exactcnn.activations.floats import enclosed
from exactcnn.arithmetic import enclosures
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.modular import residues
from exactcnn.arithmetic.primes import LARGEST_PRIME, odd_order_element
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import VerifiedMinor, feature_balls
from exactcnn.features.bounds import counting_bounds
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor
from exactcnn.linalg.batched_rank import batched_ranks
from exactcnn.linalg.singular_values import float_enclosure, rounded_outwards, smallest_singular_values
from exactcnn.network.weights import Weights
from exactcnn.sampling.batches import Plan, field_image, plan
from exactcnn.sampling.campaign import Chunk
from exactcnn.sampling.cells import Cell
from exactcnn.statements.rank import RankEvidenceOfLayer, decide_rank
from exactcnn.statements.statement import Ask

__all__ = ["Row", "rows_of"]

# Entries above which F_k is not made of Arb balls once more, for sigma_min; and their bits.
_LARGEST_BALL_MATRIX, _BALL_PRECISION = 2_000_000, 96
# Columns beyond 4 N are first left out: N random ones nearly always carry the rank.
_MANY = 4
_GOLDEN = 0.6180339887


class Row(NamedTuple):
    """``rank`` None: undecided, then ``lower`` <= rank <= ``upper`` (else both None)."""

    seed: int
    rank: int | None
    decided_by: str
    lower: int | None
    upper: int | None
    sigma_low: float | None
    sigma_high: float | None
    dead_units: int | None
    prime: int | None


class _Rank(NamedTuple):
    lower: int
    upper: int
    how: str
    prime: int | None


@lru_cache(maxsize=8)
def _plan_of(holder: _Held) -> Plan | None:
    return plan(holder.cell)


class _Held:
    """A cell that compares by its digest, so that plans are made once per cell and process."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.cell.digest == self.cell.digest

    def __hash__(self) -> int:
        return hash(self.cell.digest)


@lru_cache(maxsize=8)
def _counting_upper(holder: _Held) -> int:
    cell = holder.cell
    return min(cell.N, counting_bounds(cell.network, cell.samples, cell.k)[0].bound)


def rows_of(chunk: Chunk, sigma: bool) -> list[Row]:
    """The rows of a chunk, by seed."""
    from threadpoolctl import threadpool_limits

    # One BLAS thread: workers share the machine, and the order of sums must not depend on them.
    with threadpool_limits(limits=1):
        held = _Held(chunk.cell)
        made = _plan_of(held)
        seeds = range(chunk.first, chunk.first + chunk.count)
        rows: list[Row] = []
        if made is None:
            for seed in seeds:
                rows.append(_single(held, seed, sigma))
            return rows
        for start in range(0, chunk.count, made.step):
            rows += _batch(held, made, seeds[start : start + made.step], sigma)
        return rows


def _batch(held: _Held, made: Plan, seeds: Sequence[int], sigma: bool) -> list[Row]:
    """Rows of the draws of one step, which share every array operation."""
    cell = held.cell
    goal = min(cell.N, cell.width)
    values = made.values(seeds)
    image = field_image(made, values)
    if image is None:
        return [_single(held, seed, sigma) for seed in seeds]
    ranks = _residue_ranks(image, goal)
    decided = [
        _Rank(goal, goal, "minor", LARGEST_PRIME)
        if rank == goal
        else _deficient(held, made, values[i], seed, rank)
        for i, (seed, rank) in enumerate(zip(seeds, ranks.tolist(), strict=True))
    ]
    dead: list[int] | list[None] = [None] * len(seeds)
    if _is_relu(cell):
        dead = (values == 0).all(axis=1).sum(axis=1).tolist()
    bounds: list[tuple[float, float] | None] = [None] * len(seeds)
    if sigma:
        wanted = [i for i, found in enumerate(decided) if found.upper >= cell.N]
        for i, bound in zip(wanted, _sigma_bounds(made, values[wanted]), strict=True):
            bounds[i] = bound
    return [
        _row(cell, seed, found, dead[i], bounds[i], sigma)
        for i, (seed, found) in enumerate(zip(seeds, decided, strict=True))
    ]


def _residue_ranks(image: np.ndarray, goal: int) -> np.ndarray:
    """Ranks of the stack (B, N, n) over GF(p); a few spread columns are tried first."""
    _, N, n = image.shape
    if n <= _MANY * N:
        return batched_ranks(image)
    stride = next(s for s in range(int(_GOLDEN * n), n + 2) if np.gcd(s, n) == 1)
    columns = np.arange(2 * N) * stride % n
    ranks = batched_ranks(image[:, :, columns])
    short = np.flatnonzero(ranks < goal)
    if short.size:
        ranks[short] = batched_ranks(image[short])
    return ranks


def _deficient(held: _Held, made: Plan, values: np.ndarray, seed: int, rank: int) -> _Rank:
    """The residue rank is below min(N, n_k), which alone proves nothing from above."""
    if made.rational:
        return _rational_rank(values, rank)
    upper = _counting_upper(held)
    if rank == upper:
        return _Rank(rank, rank, "minor+count", LARGEST_PRIME)
    return _by_statement(_instance(held.cell, seed), held.cell.k)


def _rational_rank(values: np.ndarray, rank: int) -> _Rank:
    """The rank over Q of integers (N, n) whose rank mod p is ``rank``."""
    from flint import fmpz_mat

    nonzero = values != 0
    rows, columns = nonzero.any(axis=1), nonzero.any(axis=0)
    if rank == min(int(rows.sum()), int(columns.sum())):
        return _Rank(rank, rank, "minor+count", LARGEST_PRIME)
    kept = values[rows][:, columns]
    exact = int(fmpz_mat(*kept.shape, [int(v) for v in kept.ravel().tolist()]).rank())
    assert exact >= rank
    return _Rank(exact, exact, "rational-rank", None)


def _by_statement(instance: Instance, k: int) -> _Rank:
    evidence = decide_rank(instance, Ask(k)).evidence
    assert isinstance(evidence, RankEvidenceOfLayer)
    prime = evidence.minor.minor.prime if isinstance(evidence.minor, FeatureMinor) else None
    how = "kernel" if evidence.lower == evidence.upper else "undecided"
    if isinstance(evidence.minor, VerifiedMinor):
        how = "verified-inverse"
    elif evidence.lower == min(instance.N, evidence.width):
        how = "minor"
    return _Rank(evidence.lower, evidence.upper, how, prime)


def _instance(cell: Cell, seed: int) -> Instance:
    return Instance(cell.network, cell.samples, Weights.from_seed(cell.network, seed, cell.bits, cell.law))


def _is_relu(cell: Cell) -> bool:
    activation = cell.network.layer(cell.k).activation
    return activation is not None and activation.slope_below == 0


def _single(held: _Held, seed: int, sigma: bool) -> Row:
    """The row of one draw by the library's own feature matrix, whatever the sizes."""
    cell = held.cell
    instance = _instance(cell, seed)
    goal = min(cell.N, cell.width)
    dead: int | None = None
    bound: tuple[float, float] | None = None
    try:
        features = FeatureMatrix(instance, cell.k)
    except UndecidedError:
        found = _by_statement(instance, cell.k)
        if sigma and found.upper == cell.N:
            bound = _sigma_by_balls(instance, cell.k)
        return _row(cell, seed, found, dead, bound, sigma)
    if features.domain == "exponential":
        found = _by_statement(instance, cell.k)
    else:
        try:
            image, _ = features.residues(LARGEST_PRIME, odd_order_element(LARGEST_PRIME))
        except UndecidedError:  # the prime divides a denominator, but the numerators have the rank of F_k
            image = residues(features.exact.numerators, LARGEST_PRIME)
        rank = int(_residue_ranks(image[None], goal)[0])
        found = _Rank(goal, goal, "minor", LARGEST_PRIME)
        if rank < goal:
            found = _rational_rank(features.exact.numerators, rank)
    if _is_relu(cell):
        dead = int((features.exact.numerators == 0).all(axis=0).sum())
    if sigma and found.upper >= cell.N:
        exact = features.exact
        bound = _sigma_bounds_of(cell, exact.numerators[None], exact.denominator)[0]
    return _row(cell, seed, found, dead, bound, sigma)


def _sigma_by_balls(instance: Instance, k: int) -> tuple[float, float] | None:
    """sigma_min where F_k is known in balls only."""
    if instance.N * max(instance.network.widths[1:]) > _LARGEST_BALL_MATRIX:
        return None
    try:
        F = float_enclosure(feature_balls(instance, k, _BALL_PRECISION))
    except UndecidedError:
        return None
    low, high = smallest_singular_values(Enclosure(F.mid[None], F.rad[None]))
    return float(low[0]), float(high[0])


def _sigma_bounds(made: Plan, values: np.ndarray) -> list[tuple[float, float]]:
    if not len(values):
        return []
    return _sigma_bounds_of(made.cell, values, made.denominator)


def _sigma_bounds_of(cell: Cell, numerators: np.ndarray, denominator: int) -> list[tuple[float, float]]:
    """sigma_min of F_k (rational) or of sigma_k (exponential) of the pre-activations, (B, N, n)."""
    activation = cell.network.layer(cell.k).activation
    F: Enclosure
    if activation is None or activation.kind == "rational":
        F = enclosures.enclose(numerators, denominator)
    else:
        F = enclosed(activation, enclosures.enclose(numerators, denominator))
    low, high = smallest_singular_values(F)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _row(
    cell: Cell,
    seed: int,
    found: _Rank,
    dead: int | None,
    bound: tuple[float, float] | None,
    sigma: bool,
) -> Row:
    low: float | None = None
    high: float | None = None
    if sigma and found.upper < cell.N:
        low = high = 0.0  # rank F_k < N is proved, so sigma_min is 0
    elif bound is not None:
        if found.lower < found.upper == cell.N and bound[0] > 0:
            found = _Rank(cell.N, cell.N, "sigma-min", None)
        low, high = rounded_outwards(*bound)
    if found.lower == found.upper:
        return Row(seed, found.lower, found.how, None, None, low, high, dead, found.prime)
    return Row(seed, None, "undecided", found.lower, found.upper, low, high, dead, found.prime)


def row_from_json(parts: Sequence[Any]) -> Row:
    """A row that has been a JSON list."""
    return Row(*parts)
