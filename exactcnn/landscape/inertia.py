"""Floor 4a: the inertia of a symmetric matrix: how many eigenvalues are positive, negative and 0.

*Exactly*, over Q: congruence A -> E^T A E preserves inertia (Sylvester).  A pivot a != 0 on the diagonal splits off
one sign and leaves the Schur complement; if the diagonal is 0 but some a_ij is not, adding row and column j to
i makes 2 a_ij a pivot.
*In balls*: with Q any non-singular matrix (||I - Q^T Q|| < 1), B = Q^T A Q has the inertia of A, and if no
Gershgorin disc of B meets 0 the signs of its diagonal are those of its eigenvalues: the discs to the right
of 0 and those to the left do not touch, so each side holds as many eigenvalues as discs.  Otherwise None.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.errors import MisuseError

__all__ = ["Inertia", "ball_inertia", "rational_inertia"]


@dataclass(frozen=True)
class Inertia:
    """Numbers of positive, negative and zero eigenvalues."""

    positive: int
    negative: int
    zero: int

    @property
    def kind(self) -> str:
        """What a critical point with this Hessian is, as far as second derivatives tell."""
        if self.negative:
            return "strict saddle"
        return "degenerate" if self.zero else "strict local minimum"


def rational_inertia(matrix: np.ndarray) -> Inertia:
    """Of a symmetric matrix of Fractions (n, n), exactly; MisuseError if it is not symmetric.

    >>> rational_inertia(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=object))
    Inertia(positive=1, negative=1, zero=1)
    """
    A = [[Fraction(v) for v in row] for row in matrix.tolist()]
    n = len(A)
    if any(len(row) != n for row in A) or any(A[i][j] != A[j][i] for i in range(n) for j in range(i)):
        raise MisuseError("matrix", "a symmetric square matrix", f"shape {matrix.shape}")
    positive = negative = 0
    while A:
        size = len(A)
        p = next((i for i in range(size) if A[i][i]), None)
        if p is None:
            pair = next(((i, j) for i in range(size) for j in range(i) if A[i][j]), None)
            if pair is None:
                break
            p, q = pair
            for j in range(size):
                A[p][j] += A[q][j]
            for i in range(size):
                A[i][p] += A[i][q]
        pivot, row = A[p][p], A[p]
        positive, negative = positive + (pivot > 0), negative + (pivot < 0)
        keep = [i for i in range(size) if i != p]
        A = [[A[i][j] - row[i] * row[j] / pivot for j in keep] for i in keep]
    return Inertia(positive, negative, n - positive - negative)


def ball_inertia(matrix: list[list[Any]]) -> Inertia | None:
    """Of every symmetric matrix in the flint.arb balls, at the current precision; None if that is not proved."""
    from flint import arb, arb_mat

    n = len(matrix)
    A = arb_mat(matrix)
    middle = np.array([[float(v.mid()) for v in row] for row in matrix]).reshape(n, n)
    if not np.isfinite(middle).all():
        return None
    _, vectors = np.linalg.eigh((middle + middle.T) / 2)
    Q = arb_mat([[arb(float(v)) for v in row] for row in vectors])
    gram, B = (Q.transpose() * Q).tolist(), (Q.transpose() * A * Q).tolist()
    signs = []
    for i in range(n):
        departure = sum((abs(gram[i][j] - int(i == j)) for j in range(n)), arb(0))
        radius = sum((abs(B[i][j]) for j in range(n) if j != i), arb(0))
        if not departure < 1 or not abs(B[i][i]) > radius:
            return None
        signs.append(1 if B[i][i] > 0 else -1)
    return Inertia(signs.count(1), signs.count(-1), 0)
