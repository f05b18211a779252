"""Floor 4a: targets that are class labels, and what they do to critical points (theory 3.6).

Class labels: the rows of Y (N x m) are rows of a full-rank class matrix Z (m x m).  Then v = Z^{-1} 1 has Y v = 1.
*Degeneracy.*  Let the derivatives by U_L and b_L be 0 at a dense linear output layer with biases:
[F_{L-1}, 1]^T R = 0, R = F_L - Y.  As R v = F_{L-1} U_L v + (b_L.v - 1) 1 lies in the column space of [F_{L-1}, 1],
it is orthogonal to itself: R v = 0.  So F_{L-1} U_L v is constant, and U_L v = 0 if [F_{L-1}, 1] has full column rank.

Only some v with Y v = 1 enters.  One exists with a full-rank Z behind it iff the distinct rows of Y are linearly
independent: v != 0 then solves Y v = 1, and the affine hyperplane {z : z.v = 1} spans R^m, so it completes them to a Z.

Numbers are ``LnTwo``; ranks from below by minors mod p with a residue in place of ln 2, which is transcendental,
from above only over Q.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.primes import LARGEST_PRIME
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.landscape.domains import LnTwo
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.modular_rank import rank_mod_p

__all__ = ["LN2_RESIDUE", "augmented_rank_is_full", "class_vectors", "column_rank", "injective_beside"]

LN2_RESIDUE = 3  # stands for ln 2 mod LARGEST_PRIME, in the checker too


def class_vectors(Y: RationalArray) -> Iterator[tuple[Fraction, ...]]:
    """Vectors v (m) with Y v = 1, none if Y (N, m) is not made of class labels.

    The first is v0, the others v0 + n for n in a basis of the kernel of Y: for every w some v listed has
    w.v != 0 if any solution has.

    >>> list(class_vectors(RationalArray.from_integers([[1, 0], [0, 1], [1, 0]])))
    [(Fraction(1, 1), Fraction(1, 1))]
    >>> list(class_vectors(RationalArray.from_integers([[1, 0], [2, 0]])))
    []
    """
    from flint import fmpq, fmpq_mat

    rows = sorted(set(map(tuple, Y.to_fractions())))
    count, m = len(rows), Y.shape[1]
    if count > m:
        return
    table = [[fmpq(*q.as_integer_ratio()) for q in (*row, Fraction(1))] for row in rows]
    echelon, rank = fmpq_mat(table).rref()
    pivots = [next((j for j in range(m + 1) if echelon[i, j] != 0), m) for i in range(rank)]
    if rank < count or m in pivots:
        return
    free = [j for j in range(m) if j not in pivots]
    # The free variables 1: for one-hot labels with a class missing, v is still (1, .., 1).
    base = [Fraction(1)] * m
    for i, j in enumerate(pivots):
        base[j] = _fraction(echelon[i, m]) - sum((_fraction(echelon[i, f]) for f in free), Fraction(0))
    yield tuple(base)
    for f in free:
        other = list(base)
        other[f] += 1
        for i, j in enumerate(pivots):
            other[j] -= _fraction(echelon[i, f])
        yield tuple(other)


def _fraction(value: object) -> Fraction:
    return Fraction(int(value.p), int(value.q))  # type: ignore[attr-defined]


def column_rank(A: np.ndarray) -> tuple[Minor | None, bool | None]:
    """(a maximal minor mod p or None, has A (n, m) full column rank?); A of LnTwo; None: not decided."""
    full = A.shape[1]
    if A.shape[0] < full:
        return None, False
    coefficients = [value.coefficients for value in A.ravel()]
    if any(c.denominator % LARGEST_PRIME == 0 for cs in coefficients for c in cs):
        return None, None
    residues = [
        sum(
            c.numerator * pow(c.denominator, -1, LARGEST_PRIME) * pow(LN2_RESIDUE, i, LARGEST_PRIME)
            for i, c in enumerate(cs)
        )
        % LARGEST_PRIME
        for cs in coefficients
    ]
    minor = rank_mod_p(np.array(residues, dtype=np.int64).reshape(A.shape), LARGEST_PRIME)
    if minor.rank == full:
        return minor, True
    if any(len(cs) > 1 for cs in coefficients):
        return minor, None
    from flint import fmpq, fmpq_mat

    entries = [fmpq(*(cs or (Fraction(0),))[0].as_integer_ratio()) for cs in coefficients]
    return minor, bool(fmpq_mat(*A.shape, entries).rank() == full)


def augmented_rank_is_full(F: np.ndarray, one: LnTwo) -> bool | None:
    """Has [F, 1] full column rank?  F (N, n)."""
    ones = np.full((F.shape[0], 1), one, dtype=object)
    return column_rank(np.concatenate([F, ones], axis=1))[1]


def injective_beside(U: np.ndarray, v: np.ndarray) -> tuple[Minor | None, bool | None]:
    """Is U (n, m) injective on the orthogonal complement of v (m)?  With a minor of order m of [U; v^T] where it is."""
    return column_rank(np.concatenate([U, v[None, :]]))
