"""Floor 2: A X = d B over the integers by p-adic lifting (Dixon 1982) on float64 products.

C = A^-1 mod p once, by ``streamed_lu``; then for k = 0, 1, ..

    x_k = C r_k mod p (centred),   r_{k+1} = (r_k - A x_k) / p,   r_0 = B,

so that A (x_0 + x_1 p + .. + x_{K-1} p^{K-1}) = B mod p^K.  Two products of an n x n matrix with m columns a digit.

Exactness.  h = (p - 1)/2.  p is chosen so that n h^2 < 2^53 - 2 p: C r_k is exact in float64.  A is cut into limbs of
t bits, n 2^t h < 2^53, so is each limb's product; the limbs are put together, and divided by p, mod 2^64: the true
quotient is below (|r_k| + n |A| h) / p <= max(|B|, n |A|) < 2^62 in absolute value, so its residue is itself.

Recovery.  X has a common denominator d and entries below Hadamard's bound H (columns of A, one replaced by one of B).
K is such that p^K > 4 H^2.  d is found from one entry by Euclid, the others are multiplied by it; an entry that then
is no small number brings a factor more.  What is returned satisfies A X = d B mod p^K and n |A| |X| + d |B| < p^K, so
A X = d B: nothing rests on the guess.

Floor: 2 K n^2 m float64 operations each way, K = 2 n log2(|A| sqrt n) / log2 p digits: memory traffic, 16 n^2 bytes a
digit, is what counts for few columns.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from exactcnn.arithmetic.integers import largest
from exactcnn.arithmetic.primes import is_prime
from exactcnn.errors import UndecidedError
from exactcnn.linalg.modular_lu import centred_residues
from exactcnn.linalg.streamed_lu import StreamedLU
from exactcnn.progress import report

__all__ = ["LARGEST_ENTRY_BITS", "solve_by_lifting"]

# n |A| must stay below 2^62.
LARGEST_ENTRY_BITS = 61
_TRIES = 5
_WORTH_THREADS = 1500  # columns of a matrix from which a product with few vectors gains by a second core


def solve_by_lifting(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, int]:
    """(X, d), d > 0, with A X = d B; A (n, n) and B (n, m) integers, n |A| and |B| below 2^62.

    X is an object array without a common factor with d.  UndecidedError if A is singular modulo several primes.

    >>> X, d = solve_by_lifting(np.array([[2, 1], [0, 3]]), np.array([[1], [1]]))
    >>> X.tolist(), d
    ([[1], [1]], 3)
    """
    n, m = B.shape
    a, b = max(1, largest(A)), max(1, largest(B))
    if (n * a).bit_length() > LARGEST_ENTRY_BITS or b.bit_length() > LARGEST_ENTRY_BITS:
        raise UndecidedError(f"lifting needs entries below 2^{LARGEST_ENTRY_BITS} / {n}")
    A, B = A.astype(np.int64), B.astype(np.int64)
    p, C = _inverse(A)
    # Hadamard, squared: the product of the column lengths, the shortest replaced by the longest of B.
    lengths = sorted(sum(v * v for v in column) or 1 for column in A.T.tolist())
    right = max((sum(v * v for v in column) for column in B.T.tolist()), default=1)
    bound = 1
    for length in lengths[1:]:
        bound *= length
    bound = max(bound * lengths[0], bound * max(right, 1))
    modulus, digits = 1, 0
    while modulus <= 4 * bound:
        modulus, digits = modulus * p, digits + 1
    residues = _lift(A, B, C, p, digits)
    return _recover(residues, modulus, n * a, b, m)


def _inverse(A: np.ndarray) -> tuple[int, np.ndarray]:
    """p and A^-1 mod p as centred residues in float64."""
    n = len(A)
    p = 2 * isqrt((2**53 - 2**25) // n)
    p = min(p, 2**23) - 1 | 1
    for _ in range(_TRIES):
        while not is_prime(p):
            p -= 2
        lu, residues = StreamedLU(n, p), centred_residues(A, p)
        for start in range(0, n, lu.width):
            lu.offer(residues[:, start : start + lu.width])
        if lu.rank == n:
            return p, lu.centred(lu.solve(np.eye(n, dtype=np.int64))).astype(np.float64)
        p -= 2
    raise UndecidedError("the system is singular")


def _lift(A: np.ndarray, B: np.ndarray, C: np.ndarray, p: int, digits: int) -> np.ndarray:
    """X mod p^digits, (n, m), FLINT's integers."""
    from flint import fmpz_poly
    from threadpoolctl import threadpool_limits

    n, m = B.shape
    width = max(1, 53 - (p // 2).bit_length() - n.bit_length())
    limbs, rest = [], A.copy()
    while rest.any():
        low = ((rest + (1 << (width - 1))) & ((1 << width) - 1)) - (
            1 << (width - 1)
        )  # centred: |low| <= 2^(t-1)
        limbs.append(low.astype(np.float64))
        rest = (rest - low) >> width
    unit = np.uint64(pow(p, -1, 2**64))
    found = np.empty((digits, n, m), dtype=np.int32)
    r = B.copy()
    h = p // 2
    with threadpool_limits(1 if n < _WORTH_THREADS else None, user_api="blas"):
        for k in range(digits):
            if k % 64 == 0:
                report("lifting", k, digits)
            reduced = r % p
            reduced[reduced > h] -= p
            x = (C @ reduced.astype(np.float64)).astype(np.int64) % p
            x[x > h] -= p
            found[k] = x
            floats, total = x.astype(np.float64), r.view(np.uint64).copy()
            for place, limb in enumerate(limbs):
                total -= (limb @ floats).astype(np.int64).view(np.uint64) << np.uint64(place * width)
            r = (total * unit).view(np.int64)
    values = np.empty(n * m, dtype=object)
    columns = found.reshape(digits, n * m).T
    for i in range(n * m):
        values[i] = fmpz_poly(columns[i].tolist())(p)
    return values.reshape(n, m)


def _recover(residues: np.ndarray, modulus: int, weight: int, b: int, m: int) -> tuple[np.ndarray, int]:
    """X and d with X = d residues mod ``modulus``, verified by size: weight |X| + d b < modulus."""
    from flint import fmpz  # its products and divisions of long numbers are quicker than Python's

    d, bound, modulus = fmpz(1), fmpz(isqrt(modulus // 2)), fmpz(modulus)
    flat = residues.ravel()
    values = np.empty(flat.size, dtype=object)
    place = 0
    while place < flat.size:
        value = flat[place] * d % modulus
        if value > modulus // 2:
            value -= modulus
        if abs(value) <= bound:
            values[place] = (value, d)
            place += 1
            continue
        factor = _denominator(int(flat[place] * d % modulus), int(modulus), int(bound))
        if factor is None or factor * d > bound:
            raise UndecidedError("the lifted solution has no small rational form")
        d *= factor
    common = whole = d
    for place, (value, own) in enumerate(values):
        values[place] = value * (whole // own)
        common = common.gcd(values[place])
    X = np.array([int(value // common) for value in values] + [0], dtype=object)[:-1].reshape(residues.shape)
    found = int(whole // common)
    if X.size and weight * largest(X) + found * b >= int(modulus):
        raise UndecidedError("the lifted solution is too long to be verified by its size")
    return X, found


def _denominator(residue: int, modulus: int, bound: int) -> int | None:
    """The least d > 0 with |d residue mod modulus| <= bound, if it is at most bound (half of Euclid's algorithm)."""
    r0, r1, s0, s1 = modulus, residue, 0, 1
    while r1 > bound:
        q = r0 // r1
        r0, r1, s0, s1 = r1, r0 - q * r1, s1, s0 - q * s1
    return abs(s1) if 0 < abs(s1) <= bound else None
