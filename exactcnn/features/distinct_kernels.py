"""Floor 3: the compiled loop (numba) that counts different patch values, exactly.

An open-addressing hash table of sample numbers; equal hashes are compared value by value, so the
hash decides the speed only.  Importing this module imports numba.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["distinct_columns"]


@numba.njit(parallel=True, nogil=True, cache=True)
def distinct_columns(units, indices, sizes, counts):  # type: ignore[no-untyped-def]
    """counts[p] = number of different columns of units[indices[p, :sizes[p]], :].

    units (n, N) integers, one row per unit of the layer below; indices (P, l); counts (P,) int64.
    """
    N = units.shape[1]
    slots = 16
    while slots < 2 * N:
        slots *= 2
    for p in numba.prange(indices.shape[0]):
        table = np.full(slots, -1, np.int64)
        found = 0
        for i in range(N):
            h = np.uint64(1469598103934665603)
            for r in range(sizes[p]):
                h = (h ^ np.uint64(units[indices[p, r], i])) * np.uint64(1099511628211)
            h ^= h >> np.uint64(29)
            place = np.int64(h & np.uint64(slots - 1))
            while True:
                other = table[place]
                if other < 0:
                    table[place] = i
                    found += 1
                    break
                same = True
                for r in range(sizes[p]):
                    if units[indices[p, r], i] != units[indices[p, r], other]:
                        same = False
                        break
                if same:
                    break
                place = (place + 1) & (slots - 1)
        counts[p] = found
