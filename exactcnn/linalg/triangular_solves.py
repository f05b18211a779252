"""Floor 2: L y = b and L^T x = y for one right-hand side, in numba; guesses, nothing is claimed of them.

NumPy has no triangular solve, and its general one would cost an LU.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["backward", "forward"]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _dot(row, y, count):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(count):
        total += row[j] * y[j]
    return total


@numba.njit(cache=True, nogil=True, fastmath=True)
def forward(L, b):  # type: ignore[no-untyped-def]
    """y with L y = b, L (N, N) lower triangular, b (N,)."""
    y = np.empty_like(b)
    for i in range(b.size):
        y[i] = (b[i] - _dot(L[i], y, i)) / L[i, i]
    return y


@numba.njit(cache=True, nogil=True, fastmath=True)
def backward(L, y):  # type: ignore[no-untyped-def]
    """x with L^T x = y."""
    x = y.copy()
    for i in range(y.size - 1, -1, -1):
        x[i] /= L[i, i]
        value = x[i]
        row = L[i]
        for j in range(i):
            x[j] -= value * row[j]
    return x
