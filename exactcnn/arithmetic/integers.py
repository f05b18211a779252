"""Floor 1: exact integer products, at the speed the sizes allow.

Every route is exact; the a-priori bound  max|A| * max|B| * inner  chooses between float64
BLAS (below 2^53), int64 (below 2^63) and Python integers.
"""

from __future__ import annotations

import numpy as np

__all__ = ["add", "combine", "exact_matmul", "largest", "narrow", "scale"]

_INT64 = 2**63 - 1
_FLOAT64 = 2**53


def largest(numbers: np.ndarray) -> int:
    """max |entry| as a Python integer, 0 for an empty array."""
    if numbers.size == 0:
        return 0
    return max(abs(int(numbers.max())), abs(int(numbers.min())))


def narrow(numbers: np.ndarray) -> np.ndarray:
    """The same integers as int64 where they fit, else as Python integers (dtype object)."""
    if numbers.dtype != object and numbers.dtype != np.uint64:
        return numbers.astype(np.int64, copy=False)
    return numbers.astype(np.int64) if largest(numbers) <= _INT64 else numbers.astype(object, copy=False)


def exact_matmul(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A @ B over the integers; A is (.., a, n), B is (n, b).

    >>> exact_matmul(np.array([[10**12, 1]]), np.array([[10**12], [1]])).tolist()
    [[1000000000000000000000001]]
    """
    bound = largest(A) * largest(B) * max(1, A.shape[-1])
    if bound == 0:  # the other factor may be too large for float64
        return np.zeros((*A.shape[:-1], B.shape[-1]), dtype=np.int64)
    if bound < _FLOAT64:
        # Every partial sum, in any order, is an integer below 2^53: BLAS rounds nothing.
        return (A.astype(np.float64) @ B.astype(np.float64)).astype(np.int64)
    if bound <= _INT64:
        product: np.ndarray = A.astype(np.int64) @ B.astype(np.int64)
        return product
    return narrow(A.astype(object) @ B.astype(object))


def scale(numbers: np.ndarray, factor: int) -> np.ndarray:
    """numbers * factor without overflow."""
    if factor == 1:
        return numbers
    if abs(factor) <= _INT64 and largest(numbers) * abs(factor) <= _INT64:
        return narrow(numbers) * factor
    return numbers.astype(object) * factor


def add(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A + B (broadcast) without overflow."""
    if largest(A) + largest(B) <= _INT64:
        total: np.ndarray = narrow(A) + narrow(B)
        return total
    return narrow(A.astype(object) + B.astype(object))


def combine(
    numbers: np.ndarray, indices: np.ndarray, coefficients: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """sum_j coefficients[h, j] numbers[:, indices[h, j]] + shifts[h], shape (N, n), of numbers (N, total); exact."""
    total = np.abs(coefficients.astype(object)).sum(axis=1).max(initial=0)
    if int(total) * largest(numbers) + largest(shifts) >= 2**62:
        numbers, coefficients, shifts = (array.astype(object) for array in (numbers, coefficients, shifts))
    else:
        numbers, coefficients, shifts = (array.astype(np.int64) for array in (numbers, coefficients, shifts))
    result = np.tile(shifts, (numbers.shape[0], 1))
    for j in range(indices.shape[1]):
        result += numbers[:, indices[:, j]] * coefficients[:, j]
    return narrow(result)
