"""Floor 2: factoring one panel of columns mod p, and sharing strips of work among threads.

A panel of columns is held transposed, so that its columns are contiguous, and factored by recursion on halves: left
half, update of the right half by one product, right half; down to 16 columns, which ``eliminate`` does one by one.
The inverse of L11 is put together from those of the halves.  Columns without a pivot are skipped, so any shape and
any rank will do; each pivot is the first non-zero entry below those found.

Threads: BLAS is held to one thread and strips are shared among as many Python threads as BLAS had: a product and the
reduction after it run on the same core, and no thread pool spins against another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from exactcnn.linalg.float_modular import eliminate, inner_length, reduce_in_place, subtract

Result = TypeVar("Result")

__all__ = ["BASE", "Field", "PanelFactors", "Workers", "panel_width", "workers"]

BASE = 16
_WIDEST = 1024


class Field:
    """p, 1/p and (p - 1)/2 in one float format, as the kernels take them: ``reduce_in_place(A, *field)``."""

    def __init__(self, p: int, dtype: Any) -> None:
        self.p, self.dtype = p, np.dtype(dtype)
        kind = self.dtype.type
        self.arguments = kind(p), kind(1.0 / p), kind((p - 1) // 2)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.arguments)


def panel_width(p: int, dtype: Any) -> int:
    """The most columns of a panel: products of that inner length are exact, and it is a multiple of 16."""
    return max(BASE, min(_WIDEST, inner_length(p, dtype)) // BASE * BASE)


class Workers:
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

    def beside(
        self, task: Callable[[], Result], work: Callable[[int, int], None], size: int, step: int
    ) -> Result:
        """task() on one thread while the others, and then it too, do the strips of ``each``."""
        if self.pool is None:
            self.each(work, size, step)
            return task()
        running = self.pool.submit(task)
        self.each(work, size, step)
        return running.result()


@contextmanager
def workers() -> Iterator[Workers]:
    """As many threads as BLAS has now; BLAS has one each until the end."""
    from threadpoolctl import threadpool_info, threadpool_limits

    threads = max((int(e["num_threads"]) for e in threadpool_info() if e["user_api"] == "blas"), default=1)
    with threadpool_limits(1, user_api="blas"):
        found = Workers(threads)
        try:
            yield found
        finally:
            if found.pool is not None:
                found.pool.shutdown()


class PanelFactors:
    """Of P (w, M), the transposed panel, overwritten: below a pivot stand the multipliers, above it U.

    ``pivots`` are rows of P (columns of the panel), swaps[i] says with which column of P (row of the panel)
    column i was exchanged when it got its pivot, ``inverse`` is L11^-1.
    """

    def __init__(self, P: np.ndarray, field: Field, workers: Workers) -> None:
        self.field, self.workers = field, workers
        self.pivots, self.swaps, self.inverse = self._factor(P, 0)

    def _factor(self, P: np.ndarray, start: int) -> tuple[list[int], list[int], np.ndarray]:
        w = len(P)
        if w <= BASE:
            return self._base(P, start)
        half = max(BASE, w // 2 // BASE * BASE)
        left, right = P[:half], P[half:]
        pivots, swaps, inverse = self._factor(left, start)
        k = len(pivots)
        _swap(right, start, swaps)
        if k:
            self._update(right, left[pivots] if k < half else left, inverse, start, k)
        more, later, second = self._factor(right, start + k)
        _swap(left, start + k, later)
        if not more:
            return pivots, swaps, inverse
        s = len(more)
        joined = np.zeros((k + s, k + s), dtype=self.field.dtype)
        joined[:k, :k], joined[k:, k:] = inverse, second
        if k:
            L21 = np.ascontiguousarray((left[pivots] if k < half else left)[:, start + k : start + k + s].T)
            cross = second @ L21
            reduce_in_place(cross, *self.field)
            cross = cross @ inverse
            reduce_in_place(cross, *self.field)
            joined[k:, :k] = -cross
        return pivots + [half + c for c in more], swaps + later, joined

    def _update(self, right: np.ndarray, L: np.ndarray, inverse: np.ndarray, start: int, k: int) -> None:
        """U12 <- L11^-1 A12, A22 <- A22 - L21 U12, everything transposed."""
        top = right[:, start : start + k] @ inverse.T
        reduce_in_place(top, *self.field)
        right[:, start : start + k] = top
        low = start + k

        def strip(first: int, end: int) -> None:
            subtract(right[:, low + first : low + end], top @ L[:, low + first : low + end], *self.field)

        size = right.shape[1] - low
        # A small product is not worth the hand-over to more than one strip a thread.
        even = max(2048, -(-size // self.workers.threads))
        self.workers.each(strip, size, even if k * len(right) < 4096 else 2048)

    def _base(self, P: np.ndarray, start: int) -> tuple[list[int], list[int], np.ndarray]:
        pivots, swaps = np.empty(len(P), dtype=np.int64), np.empty(len(P), dtype=np.int64)
        k = int(eliminate(P, start, *self.field, pivots, swaps))
        chosen = pivots[:k].tolist()
        L = P[chosen][:, start : start + k].T
        inverse = np.eye(k, dtype=self.field.dtype)
        for j in range(1, k):  # forward substitution: row j of the inverse
            row = -(L[j, :j][None, :] @ inverse[:j])
            reduce_in_place(row, *self.field)
            inverse[j, :j] = row[0, :j]
        return chosen, swaps[:k].tolist(), inverse


def _swap(P: np.ndarray, start: int, swaps: list[int]) -> None:
    """Apply the swaps of places start, start + 1, .. to the columns of P (w, M)."""
    for place, source in enumerate(swaps, start):
        if source != place:
            P[:, [place, source]] = P[:, [source, place]]
