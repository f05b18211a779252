"""Floor 2: rank over GF(p) with a minor, and solutions of non-singular systems.

Small matrices, and primes beyond the float formats, go to FLINT's nmod_mat: the pivot columns of the reduced echelon
form are columns of a non-zero maximal minor; the pivot columns of the transposed column block are its rows.  From
``CROSSOVER`` rows and columns on ``modular_lu`` is quicker (measured: tests/benchmarks/modular_lu.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exactcnn.arithmetic.modular import residues
from exactcnn.arithmetic.primes import LARGEST_PRIME, require_prime
from exactcnn.errors import MisuseError
from exactcnn.linalg.evidence import Minor

__all__ = ["CROSSOVER", "nmod", "rank_mod_p", "solve_mod_p"]

CROSSOVER = 200
QUICK_PRIMES = (251, 8388587)


def nmod(A: np.ndarray, prime: int) -> Any:
    """A residue matrix as flint.nmod_mat."""
    from flint import nmod_mat

    return nmod_mat(A.shape[0], A.shape[1], A.ravel().tolist(), prime)


def _pivots(A: np.ndarray, prime: int) -> list[int]:
    if 0 in A.shape:
        return []
    echelon, rank = nmod(A, prime).rref()
    pivots: list[int] = []
    column = 0
    for row in range(rank):
        while int(echelon[row, column]) == 0:
            column += 1
        pivots.append(column)
        column += 1
    return pivots


def rank_mod_p(matrix: np.ndarray, prime: int | None = None) -> Minor:
    """A non-zero maximal minor mod ``prime`` of an integer matrix (m x n).

    Its ``rank`` is the rank over GF(p), hence a lower bound for the rank over Q; nothing
    follows from its being small.  Without ``prime``: 2^31 - 1 for small matrices; for large ones 251 (the quickest
    elimination), then, if the rank mod 251 is not full, a prime near 2^23, and the better of the two.
    Raises MisuseError if the matrix is not two-dimensional and integral or ``prime`` is not an odd prime below 2^31.

    >>> rank_mod_p(np.array([[1, 2, 3], [2, 4, 6]]), 503)
    Minor(rows=(0,), columns=(0,), prime=503)
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2:
        raise MisuseError("matrix", "two dimensions", f"{matrix.ndim}")
    if matrix.dtype.kind not in "iuO":
        raise MisuseError("matrix", "integers", f"dtype {matrix.dtype}")
    if matrix.dtype == object:  # a residue of anything else would be that of its integral part
        other = next(
            (v for v in matrix.flat if isinstance(v, bool) or not isinstance(v, (int, np.integer))), None
        )
        if other is not None:
            raise MisuseError("matrix", "integers (exactcnn.rank takes Fractions)", repr(other))
    if prime is None and min(matrix.shape) >= CROSSOVER:
        found = _eliminated(matrix, QUICK_PRIMES[0])
        if found.rank == min(matrix.shape):
            return found
        return max(found, _eliminated(matrix, QUICK_PRIMES[1]), key=lambda minor: minor.rank)
    prime = LARGEST_PRIME if prime is None else require_prime(prime)
    if min(matrix.shape) >= CROSSOVER and 16 < prime < 2**24:
        return _eliminated(matrix, prime)
    A = residues(matrix, prime)
    columns = _pivots(A, prime)
    m = A.shape[0]
    rows = list(range(m)) if len(columns) == m else _pivots(np.ascontiguousarray(A[:, columns].T), prime)
    return Minor(tuple(rows), tuple(columns), prime)


def _eliminated(matrix: np.ndarray, prime: int) -> Minor:
    from exactcnn.linalg.modular_lu import centred_residues, pivots_mod_p  # numba, slow to import

    rows, columns = pivots_mod_p(centred_residues(matrix, prime), prime)
    return Minor(tuple(rows), tuple(columns), prime)


def solve_mod_p(A: np.ndarray, B: np.ndarray, prime: int) -> np.ndarray:
    """X with A X = B mod ``prime``, A non-singular (r x r), B (r x c); int64 residues."""
    if A.shape[0] == 0:
        return np.zeros(B.shape, dtype=np.int64)
    X = nmod(A, prime).solve(nmod(B, prime))
    return np.array([int(v) for v in X.entries()], dtype=np.int64).reshape(B.shape)
