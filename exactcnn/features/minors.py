"""Floor 3: a non-zero minor of F_k, hence a lower bound for its rank.

Three sizes of primes.  Up to a few hundred rows FLINT eliminates mod primes below 2^31.  Beyond, the elimination runs
at BLAS speed: mod primes near 2^23 in float64 while F_k fits in memory comfortably, else mod 251 and the like in
float32, F_k being produced by blocks of columns (a byte an entry is kept).  A small prime fails more often, about
once in p for a matrix as good as random, and is then replaced; whatever minor is found is a proof.

An elimination in floats is exact by the bounds of ``linalg.float_modular``, which suppose that BLAS multiplies
conventionally.  Nothing rests on that: M X = B is solved for random B with p^-t < 2^-192 and multiplied out
(``_confirm``); a singular M has a solution for such B with probability p^-t only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from exactcnn.arithmetic.primes import default_primes, odd_order_element, require_prime
from exactcnn.arithmetic.streams import uniform_residues
from exactcnn.errors import UndecidedError
from exactcnn.features.matrix import FeatureMatrix, Substitution
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.progress import report

if TYPE_CHECKING:
    from exactcnn.features.column_blocks import ColumnBlocks
    from exactcnn.linalg.checkpoint import Checkpoint
    from exactcnn.linalg.streamed_lu import StreamedLU

__all__ = ["FeatureMinor", "feature_minor"]

_TRIES = 3
# Below this many rows or columns FLINT is as quick.
_SMALL = 250
# Beyond this many entries only primes of one byte are tried; they are also the quickest to check.
_LARGEST_HELD = 20_000_000
_SMALL_PRIMES = (251, 263, 347)
_MEDIUM = 2**23
_SECURITY_BITS = 192


@dataclass(frozen=True)
class FeatureMinor:
    """``minor`` of the image of F_k under ``substitution`` (None: F_k is rational).

    ``factors``: its decomposition, where one was kept, for the solutions of a certificate.
    """

    minor: Minor
    substitution: Substitution | None
    factors: StreamedLU | None = field(default=None, compare=False, repr=False)

    @property
    def rank(self) -> int:
        return self.minor.rank

    @property
    def how(self) -> str:
        """Words for a reason: 'a minor of size 5 ..'."""
        return f"does not vanish mod {self.minor.prime}"


def feature_minor(
    features: FeatureMatrix,
    prime: int | None = None,
    *,
    enough: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> FeatureMinor:
    """The largest minor found over a few primes; stops at ``enough`` or min(N, n_k).

    A small rank mod p proves nothing, so a failed prime is replaced and the best kept.
    Raises UndecidedError if the homomorphism is undefined for every prime tried.
    """
    goal = min(features.shape) if enough is None else min(enough, *features.shape)
    best: FeatureMinor | None = None
    refusal: UndecidedError | None = None
    for index, p in enumerate(_primes(features) if prime is None else [require_prime(prime)]):
        try:
            found = _at_prime(features, p, odd_order_element(p, index), goal, checkpoint)
        except UndecidedError as error:
            refusal = error
            continue
        if best is None or found.minor.rank > best.minor.rank:
            best = found
        if best.minor.rank >= goal:
            break
    if best is None:
        raise refusal or UndecidedError("no prime to try")
    return best


def _primes(features: FeatureMatrix) -> list[int]:
    N, width = features.shape
    if min(N, width) < _SMALL:
        return default_primes(_TRIES)
    return list(_SMALL_PRIMES) + ([] if N * width > _LARGEST_HELD else default_primes(1, _MEDIUM))


def _at_prime(
    features: FeatureMatrix, p: int, root: int, goal: int, checkpoint: Checkpoint | None
) -> FeatureMinor:
    if min(features.shape) < _SMALL or not 16 < p < 2**24:
        residues, substitution = features.residues(p, root)
        return FeatureMinor(rank_mod_p(residues, p), substitution)
    from exactcnn.features.column_blocks import ColumnBlocks  # numba, slow to import
    from exactcnn.linalg.streamed_lu import StreamedLU

    blocks = ColumnBlocks(features, p, root)
    lu = StreamedLU(blocks.N, p)
    if checkpoint is not None:
        checkpoint.restore(lu, f"rank-{features.k}-{p}-{root}")
    order = blocks.order(goal)
    while lu.rank < goal and lu.offered < blocks.width:
        units = order[lu.offered : lu.offered + lu.width]
        report(f"elimination mod {p}", *_work(lu, goal))
        lu.offer(blocks.block(units), units, goal)
    _confirm(lu, blocks)
    return FeatureMinor(Minor(tuple(lu.rows), tuple(lu.columns), p), blocks.substitution, lu)


def _work(lu: StreamedLU, goal: int) -> tuple[int, int]:
    """(done, total) in products, not columns: the last columns of an elimination cost the most."""
    r, m = lu.rank, lu.m
    return r * r * (3 * m - r) // 10**6, max(1, goal * goal * (3 * m - goal) // 10**6)


def _confirm(lu: StreamedLU, blocks: ColumnBlocks) -> None:
    """Multiply the minor with solutions of M X = B; ArithmeticError if they are none (a broken BLAS, a bad disk)."""
    p, rows = lu.prime, np.array(lu.rows, dtype=np.int64)
    count = next(t for t in range(1, 200) if p**t >= 2**_SECURITY_BITS)
    right = np.array(
        [uniform_residues(b"exactcnn/confirm/" + bytes([j]), len(rows), p) for j in range(count)]
    ).T
    X = lu.centred(lu.solve(right.reshape(len(rows), count))).astype(np.float64)
    total = np.zeros((len(rows), count), dtype=np.int64)
    columns = np.array(lu.columns, dtype=np.int64)
    for start in range(0, len(columns), lu.width):
        report("confirming", start, len(columns))
        part = blocks.block(columns[start : start + lu.width])[rows].astype(np.float64)
        total = (
            total + (part @ X[start : start + lu.width]).astype(np.int64)
        ) % p  # at most ``width`` products
    if (total != right % p).any():
        raise ArithmeticError(f"an elimination mod {p} is not confirmed by its own solutions")
