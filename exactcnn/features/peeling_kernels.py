"""Floor 3: the compiled loops of peeling (numba): largest projections among the samples that are left.

Every z is a sum of weight * value with integer weights and values in floats of the weights' dtype, and
the callers keep max|weight| * max|value| * l below 2^24 (float32) or 2^53 (float64): no product or sum
rounds, in whatever order.  (Floats, because numba widens 32-bit integers and halves the vectors.)
Blocks of samples keep z in the cache.  Importing this module imports numba.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["BLOCK", "largest_by_block", "largest_by_filter"]

BLOCK = 1 << 13


@numba.njit(nogil=True, cache=True, inline="always")
def _offer(z, place, values, places, found):  # type: ignore[no-untyped-def]
    """Insert into the decreasing list (values, places) of length ``found``; its new length."""
    keep = values.size
    if found == keep and z <= values[keep - 1]:
        return found
    j = found if found < keep else keep - 1
    while j > 0 and values[j - 1] < z:
        values[j] = values[j - 1]
        places[j] = places[j - 1]
        j -= 1
    values[j] = z
    places[j] = place
    return min(keep, found + 1)


@numba.njit(parallel=True, nogil=True, cache=True)
def largest_by_filter(columns, weights, alive, values, places):  # type: ignore[no-untyped-def]
    """columns (l, n), weights (f, l), alive (n,): fills values and places (f, keep), largest first.

    Places stay -1 where fewer than keep samples live.
    """
    n, keep = alive.size, values.shape[1]
    for f in numba.prange(weights.shape[0]):
        found = 0
        z = np.empty(BLOCK, weights.dtype)
        for start in range(0, n, BLOCK):
            count = min(BLOCK, n - start)
            z[:count] = 0
            for r in range(weights.shape[1]):
                weight, column = weights[f, r], columns[r, start : start + count]
                for i in range(count):
                    z[i] += weight * column[i]
            last = values[f, keep - 1] if found == keep else -np.inf
            for i in range(count):
                if z[i] > last and alive[start + i]:
                    found = _offer(z[i], start + i, values[f], places[f], found)
                    last = values[f, keep - 1] if found == keep else -np.inf


@numba.njit(parallel=True, nogil=True, cache=True)
def largest_by_block(columns, weights, alive, values, places):  # type: ignore[no-untyped-def]
    """One filter, weights (l,), columns a typed list of l arrays (n,): the largest in each block of samples.

    values and places have shape (blocks, keep); places stay -1 where a block has fewer living samples.
    """
    n, keep = alive.size, values.shape[1]
    for block in numba.prange((n + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        count = min(BLOCK, n - start)
        z = np.zeros(count, weights.dtype)
        for r in range(weights.size):
            weight, column = weights[r], columns[r][start : start + count]
            for i in range(count):
                z[i] += weight * column[i]
        found = 0
        last = -np.inf
        for i in range(count):
            if z[i] > last and alive[start + i]:
                found = _offer(z[i], start + i, values[block], places[block], found)
                last = values[block, keep - 1] if found == keep else -np.inf
