"""Floor 4a: the inertia of a symmetric matrix: how many eigenvalues are positive, negative and 0.

*Exactly*, over Q[ln 2]: congruence A -> E^T A E preserves inertia (Sylvester).  A pivot a != 0 on the diagonal
splits off one sign and leaves the Schur complement; if the diagonal is 0 but some a_ij is not, adding row and
column j to i makes 2 a_ij a pivot.
*In balls*: if no Gershgorin disc of B = Q^T A Q meets 0, then B is regular, hence Q is and B has the inertia of
A; the signs of its diagonal are those of its eigenvalues: the discs to the right of 0 and those to the left do
not touch, so each side holds as many eigenvalues as discs.  Otherwise None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exactcnn.errors import MisuseError
from exactcnn.landscape.domains import LnTwo, ln_two

__all__ = ["Diagonalised", "Inertia", "ball_inertia", "exact_inertia"]

# Times the eigenvectors are refined, and the bits of their integer entries.
_PASSES = 6
_DIGITS = 100


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


def exact_inertia(matrix: np.ndarray) -> Inertia:
    """Of a symmetric matrix (n, n) of numbers in Q[ln 2] (``LnTwo``); MisuseError if it is not symmetric.

    Without fractions (Bareiss): after steps with pivots on the diagonal, what is kept is the Schur complement times
    the product of pivots d, so signs are those found times the sign of d, and the division by the last d is exact.

    >>> exact_inertia(np.array([[ln_two(0), ln_two(1)], [ln_two(1), ln_two(0, 1)]], dtype=object))
    Inertia(positive=1, negative=1, zero=0)
    """
    A = [[value.poly for value in row] for row in matrix.tolist()]
    n = len(A)
    if any(len(row) != n for row in A) or any(A[i][j] != A[j][i] for i in range(n) for j in range(i)):
        raise MisuseError("matrix", "a symmetric square matrix", f"shape {matrix.shape}")
    positive = negative = 0
    last, side = ln_two(1).poly, 1
    while A:
        size = len(A)
        p = next((i for i in range(size) if A[i][i] != 0), None)
        if p is None:
            pair = next(((i, j) for i in range(size) for j in range(i) if A[i][j] != 0), None)
            if pair is None:
                break
            p, q = pair
            for j in range(size):
                A[p][j] += A[q][j]
            for i in range(size):
                A[i][p] += A[i][q]
        pivot, row = A[p][p], A[p]
        sign = LnTwo(pivot).sign()
        positive, negative = positive + (sign * side > 0), negative + (sign * side < 0)
        keep = [i for i in range(size) if i != p]
        A = [[(pivot * A[i][j] - row[i] * row[j]) // last for j in keep] for i in keep]
        last, side = pivot, sign
    return Inertia(positive, negative, n - positive - negative)


@dataclass(frozen=True, eq=False)
class Diagonalised:
    """``inertia`` of every symmetric matrix in some balls, by the discs of Q^T A Q; Q = ``transform``, integers."""

    inertia: Inertia
    transform: tuple[tuple[int, ...], ...]


def ball_inertia(matrix: list[list[Any]]) -> Diagonalised | None:
    """Of every symmetric matrix in the flint.arb balls, at the current precision; None if that is not proved."""
    from flint import arb_mat, fmpz

    n = len(matrix)
    if n == 0:
        return Diagonalised(Inertia(0, 0, 0), ())
    A = arb_mat(matrix)
    Q = _unit(n)
    for _ in range(_PASSES):
        T = arb_mat([[fmpz(v) for v in row] for row in Q])
        B = T.transpose() * A * T
        signs = _signs(B.tolist())
        if signs is not None:
            found = Inertia(signs.count(1), signs.count(-1), 0)
            return Diagonalised(found, tuple(tuple(row) for row in Q))
        improved = _improved(Q, B.mid().tolist())
        if improved is None:
            return None
        Q = improved
    return None


def _unit(n: int) -> list[list[int]]:
    return [[int(i == j) << _DIGITS for j in range(n)] for i in range(n)]


def _signs(B: list[list[Any]]) -> list[int] | None:
    """Of the diagonal, if half of each entry of it exceeds the rest of its row (half, so that others may repeat it)."""
    from flint import arb

    found = []
    for i, row in enumerate(B):
        radius = sum((abs(entry) for j, entry in enumerate(row) if j != i), arb(0))
        if not abs(row[i]) > 2 * radius:
            return None
        found.append(1 if row[i] > 0 else -1)
    return found


def _improved(Q: list[list[int]], B: list[list[Any]]) -> list[list[int]] | None:
    """Q times the eigenvectors of B in float64, columns scaled so that graded matrices lose nothing."""
    n = len(Q)
    size = [abs(B[i][i]) for i in range(n)]
    largest = max(range(n), key=lambda i: size[i])
    if not size[largest] > 0:
        size = [
            max((abs(v) for row in B for v in row), key=lambda v: float(v.log()) if v > 0 else -1e300)
        ] * n
    scales = [(v if v > 0 else size[largest]).sqrt() for v in size]
    if any(not s > 0 for s in scales):
        return None
    scaled = np.array(
        [[float((B[i][j] / (scales[i] * scales[j])).mid()) for j in range(n)] for i in range(n)]
    )
    if not np.isfinite(scaled).all():
        return None
    _, vectors = np.linalg.eigh((scaled + scaled.T) / 2)
    columns = []
    for j in range(n):
        # Q diag(1 / scales) V, its columns brought to the same number of digits.
        column = [
            sum((Q[i][m] / scales[m] * float(vectors[m, j]) for m in range(n)), 0 * scales[0])
            for i in range(n)
        ]
        top = max(range(n), key=lambda i: float(abs(column[i]).log().mid()) if abs(column[i]) > 0 else -1e300)
        factor = (1 << _DIGITS) / abs(column[top])
        whole = [(v * factor).mid().floor().unique_fmpz() for v in column]
        if any(v is None for v in whole):
            return None
        columns.append([int(v) for v in whole if v is not None])
    return [list(row) for row in zip(*columns, strict=True)]
