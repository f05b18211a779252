"""Floor 2: the rank of a matrix mod p at BLAS speed (a right-looking blocked LU with recursive panels).

The matrix is a C-ordered float array of centred residues (``float_modular``), overwritten.  Panel by panel
(``modular_panel``): U12 = L11^-1 A12 and A22 <- A22 - L21 U12, by strips of rows that stay in cache between product
and reduction; the next panel is factored beside that.  The pivot columns are the lexicographically first independent
ones.
Floor: 2/3 N^3 operations for a square matrix.  Memory: the matrix itself, one transposed panel and for each thread a
strip of 512 rows.  The factors are not kept; ``streamed_lu`` keeps them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exactcnn.linalg.float_modular import LARGEST, reduce_in_place, subtract, to_centred
from exactcnn.linalg.modular_panel import BASE, Field, PanelFactors, Workers, panel_width, workers
from exactcnn.progress import report

__all__ = ["centred_residues", "float_type", "pivots_mod_p"]

_STRIP = 512
_WIDEST = 512


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


class _Elimination:
    def __init__(self, A: np.ndarray, p: int, workers: Workers) -> None:
        self.A, self.workers = A, workers
        self.field = Field(p, A.dtype)
        self.order = np.arange(A.shape[0])
        self.columns: list[int] = []

    def run(self) -> None:
        m, n = self.A.shape
        few = max(
            BASE, min(m, n) // 6 // BASE * BASE
        )  # enough panels that factoring one hides behind an update
        width = min(panel_width(self.field.p, self.A.dtype), few, _WIDEST)
        first, last = 0, min(width, n)
        P = self._panel(0, first, last)
        found = PanelFactors(P, self.field, self.workers)
        while True:
            report("elimination", len(self.columns), min(m, n))
            rank, k = len(self.columns), len(found.pivots)
            self.columns += [first + c for c in found.pivots]
            self._swap(found.swaps, rank, last)
            first, last = last, min(last + width, n)
            if first == n or rank + k == m:
                return
            P, found = self._step(P, found, rank, first, last)

    def _panel(self, rank: int, first: int, last: int) -> np.ndarray:
        return np.ascontiguousarray(self.A[rank:, first:last].T)

    def _swap(self, swaps: list[int], rank: int, first: int) -> None:
        """The swaps of a panel, in the columns from ``first`` on."""
        for place, source in enumerate(swaps):
            if source != place:
                a, b = rank + place, rank + source
                self.order[[a, b]] = self.order[[b, a]]
                self.A[[a, b], first:] = self.A[[b, a], first:]

    def _step(
        self, P: np.ndarray, found: PanelFactors, rank: int, first: int, last: int
    ) -> tuple[np.ndarray, PanelFactors]:
        """A12 <- L11^-1 A12, A22 <- A22 - L21 A12, and the factors of the next panel, columns first..last-1.

        The next panel is updated first and factored on one thread while the others update what lies right of it.
        """
        k, right = len(found.pivots), self.A[rank:, first:]
        below, near = right[k:], last - first

        def factor() -> tuple[np.ndarray, PanelFactors]:
            panel = self._panel(rank + k, first, last)
            return panel, PanelFactors(panel, self.field, Workers(1))

        if not k:
            return factor()
        lower = (P[found.pivots] if k < len(P) else P)[:, k:]
        top = np.empty((k, right.shape[1]), dtype=self.A.dtype)

        def solve(start: int, end: int) -> None:
            part = found.inverse @ right[:k, start:end]
            reduce_in_place(part, *self.field)
            top[:, start:end] = part

        self.workers.each(solve, right.shape[1], max(_STRIP, -(-right.shape[1] // self.workers.threads)))

        def strip(start: int, end: int) -> None:
            subtract(below[start:end, :near], lower[:, start:end].T @ top[:, :near], *self.field)

        def rest(start: int, end: int) -> None:
            subtract(below[start:end, near:], lower[:, start:end].T @ top[:, near:], *self.field)

        self.workers.each(strip, len(below), _STRIP)
        return self.workers.beside(factor, rest, len(below) if near < right.shape[1] else 0, _STRIP)


def pivots_mod_p(A: np.ndarray, p: int) -> tuple[list[int], list[int]]:
    """(rows, columns) of a non-zero maximal minor of the centred residues A (m, n), which is overwritten."""
    if 0 in A.shape:
        return [], []
    with workers() as threads:
        elimination = _Elimination(A, p, threads)
        elimination.run()
    rank = len(elimination.columns)
    return sorted(elimination.order[:rank].tolist()), elimination.columns
