"""Floor 1: vectorised arithmetic in GF(p) and Z/m, for moduli below 2^31.

Residues are int64 arrays with values in [0, m).  A product of two residues is below 2^62
and never overflows; the matrix product goes through float64 BLAS on 16-bit limbs, with the
bound that makes it exact written beside it.
"""

from __future__ import annotations

import numpy as np

from exactcnn.arithmetic.integers import narrow
from exactcnn.errors import MisuseError

__all__ = ["inverse", "logistic", "matmul", "powers", "residues"]

# 2^53 / (2^16 * 2^16) terms of two 16-bit limbs add up exactly in float64.
_LONGEST_INNER = 1 << 20


def residues(numbers: np.ndarray, modulus: int) -> np.ndarray:
    """``numbers`` (any integer dtype or Python integers) reduced to [0, modulus), as int64.

    >>> residues(np.array([[-1, 5], [10**30, 7]], dtype=object), 7).tolist()
    [[6, 5], [1, 0]]
    """
    return np.asarray(narrow(numbers) % modulus).astype(np.int64)


def matmul(A: np.ndarray, B: np.ndarray, modulus: int) -> np.ndarray:
    """The product of residue matrices A (a x n) and B (n x b) mod ``modulus`` < 2^31.

    Each factor is split as high * 2^16 + low, both limbs below 2^16 (high below 2^15).  A
    dot product of n <= 2^20 limb pairs is an integer below 2^20 * 2^32 = 2^52 < 2^53, and so
    is every partial sum in whatever order BLAS takes them: float64 represents all exactly.
    """
    n = A.shape[-1]
    if n > _LONGEST_INNER:
        half = n // 2
        left = matmul(A[..., :half], B[:half], modulus)
        both: np.ndarray = (left + matmul(A[..., half:], B[half:], modulus)) % modulus
        return both
    A_low, A_high = (A & 0xFFFF).astype(np.float64), (A >> 16).astype(np.float64)
    B_low, B_high = (B & 0xFFFF).astype(np.float64), (B >> 16).astype(np.float64)

    def limb(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        product: np.ndarray = (X @ Y).astype(np.int64) % modulus
        return product

    shift = (1 << 16) % modulus
    total = limb(A_high, B_high) * shift % modulus
    total = (total + limb(A_high, B_low) + limb(A_low, B_high)) % modulus
    result: np.ndarray = (total * shift + limb(A_low, B_low)) % modulus
    return result


def _table(base: int, length: int, prime: int) -> np.ndarray:
    table = np.ones(length, dtype=np.int64)
    known = 1
    while known < length:
        step = min(known, length - known)
        table[known : known + step] = table[:step] * pow(base, known, prime) % prime
        known += step
    return table


def powers(base: int, exponents: np.ndarray, prime: int) -> np.ndarray:
    """base^e mod ``prime`` for every integer e, negative ones included (Fermat).

    Two tables of 2^16 powers: one product per entry.

    >>> powers(3, np.array([0, 1, -1]), 7).tolist()
    [1, 3, 5]
    """
    if base % prime == 0:
        raise MisuseError("base", f"a unit mod {prime}", base)
    reduced = residues(exponents, prime - 1)
    low = _table(base, 1 << 16, prime)
    high = _table(pow(base, 1 << 16, prime), ((prime - 2) >> 16) + 1, prime)
    result: np.ndarray = low[reduced & 0xFFFF] * high[reduced >> 16] % prime
    return result


def inverse(units: np.ndarray, prime: int) -> np.ndarray:
    """Entrywise inverses of a two-dimensional array of non-zero residues.

    Montgomery's trick down the columns: three products per entry and one true inversion
    per column.  A zero raises MisuseError (it would silently spoil its whole column).
    """
    if not units.all():
        raise MisuseError("units", f"residues that are not 0 mod {prime}", "a zero")
    prefix = np.empty_like(units)
    running = np.ones(units.shape[1], dtype=np.int64)
    for i in range(units.shape[0]):
        prefix[i] = running
        running = running * units[i] % prime
    running = np.array([pow(int(value), -1, prime) for value in running], dtype=np.int64)
    result = np.empty_like(units)
    for i in range(units.shape[0] - 1, -1, -1):
        result[i] = running * prefix[i] % prime
        running = running * units[i] % prime
    return result


def logistic(base: int, exponents: np.ndarray, prime: int) -> np.ndarray | None:
    """g^e / (1 + g^e) mod ``prime`` for every exponent e, (N, n); None if a denominator vanishes.

    >>> logistic(2, np.array([[0, 1]]), 7).tolist()
    [[4, 3]]
    """
    power = powers(base, exponents, prime)
    denominator = (power + 1) % prime
    if not denominator.all():
        return None
    result: np.ndarray = power * inverse(denominator, prime) % prime
    return result
