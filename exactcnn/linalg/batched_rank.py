"""Floor 2: ranks mod 2^31 - 1 of many small matrices at once.

For matrices of a few thousand entries handing the entries over to FLINT costs ten times the
elimination itself; here NumPy eliminates a whole stack step by step.

Bounds.  p = 2^31 - 1 is a Mersenne prime: x = (x mod 2^31) + (x div 2^31) mod p.  Residues are
uint64 below p; a product of two is below 2^62, a sum of two products below 2^63.  One folding
step leaves less than 2^31 + 2^32, a second at most 2^31 + 2, and one subtraction of p a residue.
"""

from __future__ import annotations

import numpy as np

from exactcnn.arithmetic.primes import LARGEST_PRIME
from exactcnn.errors import MisuseError
from exactcnn.linalg.modular_rank import nmod

__all__ = ["batched_ranks"]

_P = np.uint64(LARGEST_PRIME)
_SHIFT = np.uint64(31)
# Elimination here costs about 2 ns m per entry (m rows), the way into FLINT 300 ns per entry.
_MOST_ROWS = 128


def _folded(x: np.ndarray) -> np.ndarray:
    """x mod p for uint64 x < 2^63."""
    x = (x & _P) + (x >> _SHIFT)
    x = (x & _P) + (x >> _SHIFT)
    # uint64 wraps: for x < p the difference is huge and the minimum is x.
    result: np.ndarray = np.minimum(x, x - _P)
    return result


def batched_ranks(stack: np.ndarray) -> np.ndarray:
    """Ranks over GF(2^31 - 1) of a stack (B, m, n) of integer matrices, int64, shape (B,).

    Each is the size of a minor that is not 0 mod p, hence a lower bound for the rank over Q.

    >>> batched_ranks(np.array([[[1, 2, 3], [2, 4, 6]], [[0, 1, 0], [5, 0, 0]]])).tolist()
    [1, 2]
    """
    if stack.ndim != 3 or stack.dtype.kind not in "iu":
        raise MisuseError("stack", "integer matrices (B, m, n)", f"{stack.ndim} axes of {stack.dtype}")
    if stack.shape[1] > stack.shape[2]:
        stack = stack.transpose(0, 2, 1)
    B, m, _ = stack.shape
    if m > _MOST_ROWS:
        image = (stack % LARGEST_PRIME).astype(np.int64)
        return np.array([nmod(matrix, LARGEST_PRIME).rank() for matrix in image], dtype=np.int64)
    work = np.ascontiguousarray((stack % LARGEST_PRIME).astype(np.uint64))
    ranks = np.zeros(B, dtype=np.int64)
    every = np.arange(B)
    for row in range(m):
        pivot_row = work[:, row, :].copy()
        column = (pivot_row != 0).argmax(axis=1)
        pivot = pivot_row[every, column]
        found = pivot != 0
        ranks += found
        if row + 1 == m:
            break
        # Where the row is zero it is taken as it is: pivot 1 leaves the rows below unchanged.
        pivot = np.where(found, pivot, np.uint64(1))[:, None, None]
        factor = _P - work[every, row + 1 :, column]  # in 1..p, so factor * entry < 2^62 still
        work[:, row + 1 :] = _folded(work[:, row + 1 :] * pivot + factor[:, :, None] * pivot_row[:, None, :])
    return ranks
