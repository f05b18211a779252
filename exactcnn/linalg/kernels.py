"""Floor 2: rational kernel vectors, as candidates from GF(p) and exactly from FLINT.

Given a maximal minor mod p, every other row is, mod p, a combination of the minor's rows:
x A[I] = A[i].  Small rational coefficients are recovered by rational reconstruction; where
that fails FLINT solves the system over Q.  Whatever is found here is only a candidate: the
caller multiplies it out in its own domain before it counts.
"""

from __future__ import annotations

from math import gcd, isqrt, lcm

import numpy as np

from exactcnn.arithmetic.modular import residues
from exactcnn.linalg.evidence import Kernel, KernelVector, Minor
from exactcnn.linalg.modular_rank import solve_mod_p

__all__ = ["modular_kernel_candidates", "rational_kernel"]

# Above this many (system size)^2 * (right sides) FLINT's rational solve takes minutes.
_LARGEST_RATIONAL_SOLVE = 1_000_000_000


def _vector(basis: tuple[int, ...], coefficients: list[tuple[int, int]], free: int) -> KernelVector:
    """sum c_i e_(basis_i) - e_free, cleared of denominators and common factors."""
    denominator = lcm(*(d for _, d in coefficients)) if coefficients else 1
    entries = {basis[i]: n * (denominator // d) for i, (n, d) in enumerate(coefficients) if n}
    entries[free] = -denominator
    content = gcd(*entries.values())
    return KernelVector(free, tuple((index, entries[index] // content) for index in sorted(entries)))


def _reconstruct(residue: int, prime: int, bound: int) -> tuple[int, int] | None:
    """n/d = residue mod prime with |n|, d <= bound, or None (half-extended Euclid)."""
    if residue <= bound:
        return residue, 1
    if prime - residue <= bound:
        return residue - prime, 1
    r0, r1, s0, s1 = prime, residue, 0, 1
    while r1 > bound:
        q = r0 // r1
        r0, r1, s0, s1 = r1, r0 - q * r1, s1, s0 - q * s1
    if s1 == 0 or abs(s1) > bound or gcd(r1, s1) != 1:
        return None
    return (r1, s1) if s1 > 0 else (-r1, -s1)


def modular_kernel_candidates(A: np.ndarray, minor: Minor, side: str) -> list[KernelVector]:
    """Candidates for kernel vectors of a residue matrix A (m x n), small rationals only."""
    basis, other = (minor.rows, minor.columns) if side == "left" else (minor.columns, minor.rows)
    oriented = A if side == "left" else A.T
    free = sorted(set(range(oriented.shape[0])) - set(basis))
    if not free:
        return []
    p = minor.prime
    block = np.ascontiguousarray(oriented[np.ix_(basis, other)].T)
    right = np.ascontiguousarray(oriented[np.ix_(free, other)].T)
    solution = solve_mod_p(block, right, p) if basis else np.zeros((0, len(free)), dtype=np.int64)
    bound = isqrt(p // 2)
    candidates = []
    for column, index in enumerate(free):
        found = [_reconstruct(int(v), p, bound) for v in solution[:, column]]
        known = [pair for pair in found if pair is not None]
        if len(known) == len(found):
            candidates.append(_vector(basis, known, index))
    return candidates


def rational_kernel(matrix: np.ndarray, minor: Minor, side: str) -> Kernel | None:
    """All m - r (or n - r) kernel vectors of an integer matrix, or None if not all exist.

    Every vector returned has been multiplied out exactly.  None: the rank over Q exceeds
    the minor's, or the system is too large to solve over Q.
    """
    from flint import fmpz_mat

    oriented = matrix if side == "left" else matrix.T
    basis, other = (minor.rows, minor.columns) if side == "left" else (minor.columns, minor.rows)
    size, r = oriented.shape[0], len(basis)
    reduced = residues(matrix, minor.prime)
    cheap = Kernel(side, size, tuple(modular_kernel_candidates(reduced, minor, side)))
    if len(cheap.vectors) == size - r and cheap.holds_for(matrix):
        return cheap
    free = sorted(set(range(size)) - set(basis))
    if r * r * len(free) > _LARGEST_RATIONAL_SOLVE or r == 0:
        return None
    block = oriented[np.ix_(basis, other)].T
    right = oriented[np.ix_(free, other)].T
    X = fmpz_mat(r, r, [int(v) for v in block.ravel()]).solve(
        fmpz_mat(r, len(free), [int(v) for v in right.ravel()])
    )
    vectors = [
        _vector(basis, [(int(X[i, j].p), int(X[i, j].q)) for i in range(r)], index)
        for j, index in enumerate(free)
    ]
    kernel = Kernel(side, size, tuple(vectors))
    return kernel if kernel.holds_for(matrix) else None
