"""Floor 2: rows of a float matrix that are as independent as partial pivoting finds; a choice, never a proof."""

from __future__ import annotations

import numpy as np

__all__ = ["row_pivots"]

_PANEL = 64


def row_pivots(matrix: np.ndarray) -> list[int]:
    """Rows of A (m, n), m >= n, on which partial pivoting puts its n pivots, in their order; fewer where one is 0.

    Blocked: panels of 64 columns are eliminated one by one, the rest by matrix products.

    >>> row_pivots(np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 1.0]]))
    [2, 1]
    """
    A = np.array(matrix, dtype=np.float64)
    m, n = A.shape
    rows = np.arange(m)
    for start in range(0, n, _PANEL):
        stop = min(start + _PANEL, n)
        for j in range(start, stop):
            best = j + int(np.abs(A[j:, j]).argmax())
            if not np.isfinite(A[best, j]) or A[best, j] == 0.0:
                return [int(i) for i in rows[:j]]
            if best != j:
                A[[j, best]], rows[[j, best]] = A[[best, j]], rows[[best, j]]
            A[j + 1 :, j] /= A[j, j]
            A[j + 1 :, j + 1 : stop] -= np.outer(A[j + 1 :, j], A[j, j + 1 : stop])
        for j in range(start, stop):
            A[j + 1 : stop, stop:] -= np.outer(A[j + 1 : stop, j], A[j, stop:])
        A[stop:, stop:] -= A[stop:, start:stop] @ A[start:stop, stop:]
    return [int(i) for i in rows[:n]]
