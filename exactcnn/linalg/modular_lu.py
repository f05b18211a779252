"""Floor 2: rank-revealing elimination mod p at BLAS speed (a right-looking blocked LU with recursive panels).

The matrix is a C-ordered float array of centred residues (``float_modular``), overwritten.  A panel of columns is held
transposed, so that its columns are contiguous, and factored by recursion on halves: left half, update of the right
half by one product, right half; down to 16 columns, which ``eliminate`` does one by one.  Then
U12 = L11^-1 A12 and A22 <- A22 - L21 U12, by strips of rows that stay in cache between product and reduction.  The
inverse of L11 is put together from those of the halves.  Columns without a pivot are skipped, so any shape and any
rank will do; each pivot is the first non-zero entry below those found, hence the pivot columns are the
lexicographically first independent ones.

Threads: BLAS is held to one thread and the strips are shared among as many Python threads as BLAS had: a product
and the reduction after it run on the same core, and no thread pool spins against another.
Memory: the matrix itself, one transposed panel and for each thread a strip of 256 rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from exactcnn.linalg.float_modular import (
    LARGEST,
    eliminate,
    inner_length,
    reduce_in_place,
    subtract,
    to_centred,
)
from exactcnn.progress import report

__all__ = ["centred_residues", "float_type", "pivots_mod_p"]

_BASE = 16
_STRIP = 256
_WIDEST = 1024


def float_type(p: int) -> Any:
    """float32 or float64, whichever holds enough products of residues mod p; None for neither."""
    for dtype in (np.float32, np.float64):
        if 16 < p <= LARGEST[np.dtype(dtype)]:
            return np.dtype(dtype)
    return None


def centred_residues(matrix: np.ndarray, p: int) -> np.ndarray:
    """A float array of centred residues mod p, C-ordered, of an integer matrix (any integer dtype)."""
    out = np.empty(matrix.shape, dtype=float_type(p))
    if matrix.dtype == object or matrix.dtype == np.uint64:
        matrix = (matrix % p).astype(np.int64)
    for first in range(0, matrix.shape[0], 1024):
        part = np.ascontiguousarray(matrix[first : first + 1024], dtype=np.int64)
        to_centred(part, out[first : first + 1024], p, (p - 1) // 2)
    return out


class _Workers:
    """Strips of work on several threads, BLAS held to one in each."""

    def __init__(self, threads: int) -> None:
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.threads = threads

    def each(self, work: Callable[[int, int], None], size: int, step: int) -> None:
        """work(start, end) over [0, size)."""
        parts = [(start, min(start + step, size)) for start in range(0, size, step)]
        if self.pool is None or len(parts) < 2:
            for start, end in parts:
                work(start, end)
        else:
            list(self.pool.map(lambda part: work(*part), parts))


@contextmanager
def _workers() -> Iterator[_Workers]:
    from threadpoolctl import threadpool_info, threadpool_limits

    threads = max((int(e["num_threads"]) for e in threadpool_info() if e["user_api"] == "blas"), default=1)
    with threadpool_limits(1, user_api="blas"):
        workers = _Workers(threads)
        try:
            yield workers
        finally:
            if workers.pool is not None:
                workers.pool.shutdown()


class _Elimination:
    def __init__(self, A: np.ndarray, p: int, workers: _Workers) -> None:
        kind = A.dtype.type
        self.A, self.workers, self.dtype = A, workers, A.dtype
        self.field = kind(p), kind(1.0 / p), kind((p - 1) // 2)
        self.width = max(_BASE, min(_WIDEST, inner_length(p, A.dtype)) // _BASE * _BASE)
        self.order = np.arange(A.shape[0])
        self.columns: list[int] = []

    def run(self) -> None:
        m, n = self.A.shape
        first, rank = 0, 0
        width = min(self.width, max(_BASE, (min(m, n) // 8 + _BASE - 1) // _BASE * _BASE))
        while first < n and rank < m:
            report("elimination", rank, min(m, n))
            last = min(first + width, n)
            rank += self._panel(first, last, rank)
            first = last

    def _panel(self, first: int, last: int, rank: int) -> int:
        """One panel: its factorisation, the swaps elsewhere, and the update of what lies to the right."""
        A = self.A
        P = np.ascontiguousarray(A[rank:, first:last].T)
        pivots, swaps, inverse = self._factor(P, 0, 0)
        k = len(pivots)
        self.columns += [first + c for c in pivots]
        for place, source in enumerate(swaps):
            if source != place:
                a, b = rank + place, rank + source
                self.order[[a, b]] = self.order[[b, a]]
                A[[a, b], last:] = A[[b, a], last:]
        if not k or last == A.shape[1]:
            return k
        self._update(P[pivots] if k < len(P) else P, inverse, k, rank, last)
        return k

    def _update(self, L: np.ndarray, inverse: np.ndarray, k: int, rank: int, last: int) -> None:
        """A12 <- L11^-1 A12, A22 <- A22 - L21 A12; L (k, M) transposed."""
        right = self.A[rank:, last:]
        top = np.empty((k, right.shape[1]), dtype=self.dtype)

        def solve(start: int, end: int) -> None:
            part = inverse @ right[:k, start:end]
            reduce_in_place(part, *self.field)
            top[:, start:end] = part

        self.workers.each(solve, right.shape[1], max(_STRIP, -(-right.shape[1] // self.workers.threads)))
        lower, below = L[:, k:], right[k:]

        def strip(start: int, end: int) -> None:
            subtract(below[start:end], lower[:, start:end].T @ top, *self.field)

        self.workers.each(strip, len(below), _STRIP)

    def _factor(self, P: np.ndarray, start: int, depth: int) -> tuple[list[int], list[int], np.ndarray]:
        """Pivot columns of P (w, M) from matrix row ``start`` on, swaps, and the inverse of L11.

        Swaps are counted from ``start`` - they are places of matrix rows in P.
        """
        w = len(P)
        if w <= _BASE:
            return self._base(P, start)
        half = max(_BASE, w // 2 // _BASE * _BASE)
        left, right = P[:half], P[half:]
        pivots, swaps, inverse = self._factor(left, start, depth + 1)
        k = len(pivots)
        self._swap(right, start, swaps)
        if k:
            L = left[pivots] if k < half else left
            self._update_panel(right, L, inverse, start, k)
        more, later, second = self._factor(right, start + k, depth + 1)
        self._swap(left, start + k, later)
        if not more:
            return pivots, swaps, inverse
        s = len(more)
        joined = np.zeros((k + s, k + s), dtype=self.dtype)
        joined[:k, :k], joined[k:, k:] = inverse, second
        if k:
            L21 = np.ascontiguousarray((left[pivots] if k < half else left)[:, start + k : start + k + s].T)
            cross = second @ L21
            reduce_in_place(cross, *self.field)
            cross = cross @ inverse
            reduce_in_place(cross, *self.field)
            joined[k:, :k] = -cross
        return pivots + [half + c for c in more], swaps + later, joined

    def _update_panel(
        self, right: np.ndarray, L: np.ndarray, inverse: np.ndarray, start: int, k: int
    ) -> None:
        """As ``_update``, everything transposed."""
        top = right[:, start : start + k] @ inverse.T
        reduce_in_place(top, *self.field)
        right[:, start : start + k] = top
        low = start + k

        def strip(first: int, end: int) -> None:
            subtract(right[:, low + first : low + end], top @ L[:, low + first : low + end], *self.field)

        size = right.shape[1] - low
        self.workers.each(
            strip, size, max(2048, -(-size // self.workers.threads)) if k * len(right) < 4096 else 2048
        )

    def _base(self, P: np.ndarray, start: int) -> tuple[list[int], list[int], np.ndarray]:
        pivots, swaps = np.empty(len(P), dtype=np.int64), np.empty(len(P), dtype=np.int64)
        k = int(eliminate(P, start, *self.field, pivots, swaps))
        chosen = pivots[:k].tolist()
        L = P[chosen][:, start : start + k].T
        inverse = np.eye(k, dtype=self.dtype)
        for j in range(1, k):  # forward substitution: row j of the inverse
            row = -(L[j, :j][None, :] @ inverse[:j])
            reduce_in_place(row, *self.field)
            inverse[j, :j] = row[0, :j]
        return chosen, (swaps[:k]).tolist(), inverse

    @staticmethod
    def _swap(P: np.ndarray, start: int, swaps: list[int]) -> None:
        """Apply the swaps of places start, start + 1, .. to the columns of P (w, M)."""
        for place, source in enumerate(swaps, start):
            if source != place:
                P[:, [place, source]] = P[:, [source, place]]


def pivots_mod_p(A: np.ndarray, p: int) -> tuple[list[int], list[int]]:
    """(rows, columns) of a non-zero maximal minor of the centred residues A (m, n), which is overwritten."""
    if 0 in A.shape:
        return [], []
    with _workers() as workers:
        elimination = _Elimination(A, p, workers)
        elimination.run()
    rank = len(elimination.columns)
    return sorted(elimination.order[:rank].tolist()), elimination.columns
