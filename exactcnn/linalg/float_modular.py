"""Floor 2: residues mod p held as floats, so that BLAS multiplies them exactly.

A residue is centred: an integer of absolute value at most h = (p - 1) / 2.  A sum of k products and one more residue
is an integer of absolute value at most k h^2 + h; while that stays below 2^24 - 2 p (float32) or 2^53 - 2 p (float64)
every product and every partial sum, in whatever order and with or without fused multiply-add, is an integer
that the format represents, so BLAS makes no rounding error at all.  (It must multiply in the format it is given:
reduced-precision modes such as TF32 belong to GPUs.)

Reduction of such an integer x: q = floor(x / p + 1/2) computed as floor(x * fl(1/p) + 1/2).  The product is off by less
than |x / p| * 2^-22 (float32; |x| < 2^24, so below 2^24 / p * 2^-22 = 4 / p), hence q is the nearest integer or, close
to a half, its neighbour: x - q p has absolute value at most h + 5, |q p| <= |x| + h + 5 is below 2^24, so the
product and the difference are exact, and one comparison each way centres the result (p > 16).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["LARGEST", "eliminate", "inner_length", "inverse_mod", "reduce_in_place", "subtract", "to_centred"]

# The largest integers below which both formats represent every integer.
_EXACT = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53}
# The largest prime of each format: above it fewer than 128 products fit.
LARGEST = {np.dtype(np.float32): 719, np.dtype(np.float64): 16_777_213}


def inner_length(p: int, dtype: Any) -> int:
    """The largest k with k h^2 + h < 2^24 - 2 p (2^53 - 2 p): products of that inner length are exact.

    >>> inner_length(251, np.float32), inner_length(8388593, np.float64)
    (1073, 512)
    """
    h = (p - 1) // 2
    return (_EXACT[np.dtype(dtype)] - 2 * p - h - 1) // (h * h)


@numba.njit(cache=True, nogil=True, inline="always")
def _centred(x, p, inverse, h):  # type: ignore[no-untyped-def]
    r = x - np.floor(x * inverse + type(x)(0.5)) * p
    r = r - p if r > h else r
    return r + p if r < -h else r


@numba.njit(cache=True, nogil=True)
def reduce_in_place(A, p, inverse, h):  # type: ignore[no-untyped-def]
    """A <- A mod p, centred."""
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            A[i, j] = _centred(A[i, j], p, inverse, h)


@numba.njit(cache=True, nogil=True)
def subtract(A, C, p, inverse, h):  # type: ignore[no-untyped-def]
    """A <- A - C mod p, centred."""
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            A[i, j] = _centred(A[i, j] - C[i, j], p, inverse, h)


@numba.njit(cache=True, nogil=True)
def to_centred(A, out, p, h):  # type: ignore[no-untyped-def]
    """Integers (int64) to centred residues."""
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            r = A[i, j] % p
            if r > h:
                r -= p
            out[i, j] = r


@numba.njit(cache=True, nogil=True)
def inverse_mod(a, p):  # type: ignore[no-untyped-def]
    """Of a residue, centred or not, by Euclid."""
    r0, r1, s0, s1 = p, a % p, 0, 1
    while r1 != 0:
        q = r0 // r1
        r0, r1 = r1, r0 - q * r1
        s0, s1 = s1, s0 - q * s1
    return s0 % p


@numba.njit(cache=True, nogil=True)
def eliminate(P, start, p, inverse, h, pivots, swaps):  # type: ignore[no-untyped-def]
    """Gauss on a few transposed columns: P (w, M), its row c is a column of the matrix.

    From matrix row ``start`` on; the first non-zero entry of a column is its pivot and is swapped up in all w columns.
    Below a pivot stand the multipliers (L has unit diagonal).  pivots[:k]: the columns with a pivot, swaps[:k]:
    where each pivot came from.  Returns k.
    """
    w, M = P.shape
    k = 0
    for c in range(w):
        top = start + k
        i = top
        while i < M and P[c, i] == 0:
            i += 1
        if i >= M:
            continue
        if i != top:
            for d in range(w):
                P[d, top], P[d, i] = P[d, i], P[d, top]
        unit = inverse_mod(np.int64(P[c, top]), np.int64(p))
        factor = type(p)(unit if unit <= h else unit - np.int64(p))
        for i2 in range(top + 1, M):
            P[c, i2] = _centred(P[c, i2] * factor, p, inverse, h)
        for d in range(c + 1, w):
            u = P[d, top]
            if u != 0:
                for i2 in range(top + 1, M):
                    P[d, i2] = _centred(P[d, i2] - u * P[c, i2], p, inverse, h)
        pivots[k] = c
        swaps[k] = i
        k += 1
    return k
