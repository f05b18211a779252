"""Floor 2: the rank of a rational matrix over Q, with evidence for both bounds.

Route: a maximal minor mod p bounds the rank from below.  If it is smaller than min(m, n),
kernel vectors on the side that needs fewer of them bound it from above.  If they do not
exist p was unlucky (it divides all larger minors) and the next prime is tried.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from exactcnn.arithmetic.primes import LARGEST_PRIME, default_primes, require_prime
from exactcnn.errors import MisuseError
from exactcnn.linalg.evidence import RankEvidence
from exactcnn.linalg.kernels import rational_kernel
from exactcnn.linalg.modular_rank import CROSSOVER, rank_mod_p

__all__ = ["integer_matrix", "rank"]

_TRIES = 3


def integer_matrix(matrix: Any, field: str = "matrix") -> np.ndarray:
    """A rational matrix (nested lists or array of int/Fraction) times a common denominator.

    Scaling by a non-zero number changes no rank.  Floats are refused: say what is meant.
    """
    array = np.asarray(matrix) if isinstance(matrix, np.ndarray) else np.array(matrix, dtype=object)
    if array.ndim == 1 and array.size == 0:
        array = array.reshape(0, 0)
    if array.ndim != 2:
        raise MisuseError(field, "two dimensions with rows of equal length", f"shape {array.shape}")
    if array.dtype.kind in "iu":
        return array
    denominator = 1
    for value in array.flat:
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, Fraction, np.integer)):
            raise MisuseError(
                field, "integers and Fractions (Fraction(x) is exactly the float x)", repr(value)
            )
        denominator = lcm(denominator, int(value.denominator))
    whole = [int(value * denominator) for value in array.flat]
    return np.array([*whole, 0], dtype=object)[:-1].reshape(array.shape)


def rank(matrix: Any, prime: int | None = None) -> RankEvidence:
    """lower <= rank over Q <= upper of a rational matrix (m x n), with evidence.

    Give ``prime`` to try that prime first.  ``evidence.rank`` is None when undecided (the
    matrix is too large for kernel vectors over Q).

    >>> rank([[1, 2, 3], [2, 4, 6]]).rank
    1
    >>> trap = [[2, 0, -1, 3], [1, 5, 4, -2], [0, 3, 7, 1], [3, 5, 3, 1]]
    >>> evidence = rank(trap)
    >>> evidence.rank, evidence.kernel.vectors[0].entries
    (3, ((0, 1), (1, 1), (3, -1)))
    """
    A = integer_matrix(matrix)
    primes = default_primes(_TRIES, 2**23 if min(A.shape) >= CROSSOVER else LARGEST_PRIME)
    if prime is not None:
        primes = [require_prime(prime), *primes]
    best: RankEvidence | None = None
    for p in primes:
        minor = rank_mod_p(A, p)
        if best is not None and minor.rank <= best.lower:
            continue
        best = RankEvidence(A.shape, minor, None)
        if best.decided:
            return best
        sides = sorted(("left", "right"), key=lambda side: A.shape[0 if side == "left" else 1])
        kernel = rational_kernel(A, minor, sides[0])
        if kernel is not None:
            return RankEvidence(A.shape, minor, kernel)
    assert best is not None
    return best
