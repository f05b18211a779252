"""Named rank traps: matrices on which a careless method goes wrong."""

import numpy as np
import pytest

from exactcnn.linalg import rank, rank_mod_p
from exactcnn.linalg.polynomials import PolynomialVector, annihilates, polynomial_rank

T = {((0, 1),): 1}
ZERO: dict = {}


def test_published_trap_has_rank_3():
    """The 4 x 4 integer matrix whose third row combination hides: rank 3, not 4."""
    evidence = rank([[2, 0, -1, 3], [1, 5, 4, -2], [0, 3, 7, 1], [3, 5, 3, 1]])
    assert (evidence.lower, evidence.upper) == (3, 3)


def test_circulant_over_function_field():
    """[[t,t,0],[t,0,t],[0,t,t]] has rank 3 over Q(t); over F_2(t) its determinant -2 t^3 is 0."""
    matrix = [[T, T, ZERO], [T, ZERO, T], [ZERO, T, T]]
    lower, upper, minor, kernel = polynomial_rank(matrix, 1)
    assert (lower, upper) == (3, 3)
    assert minor.rank == 3
    assert kernel is None
    # At t = 1 over F_2, eliminated by hand: row 3 = row 1 + row 2.
    over_f2 = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]])
    assert ((over_f2[0] + over_f2[1] - over_f2[2]) % 2 == 0).all()


def test_polynomial_kernel_is_multiplied_out():
    """A rank-deficient polynomial matrix gets a kernel vector that verifies, a forged one does not."""
    s = {((1, 1),): 1}
    matrix = [[T, s], [{((0, 2),): 1}, {((0, 1), (1, 1)): 1}], [ZERO, s]]
    lower, upper, _, kernel = polynomial_rank(matrix, 2)
    assert (lower, upper) == (2, 2)
    assert kernel is None
    deficient = [row[:1] + row[:1] for row in matrix]
    lower, upper, _, kernel = polynomial_rank(deficient, 2)
    assert (lower, upper) == (1, 1)
    assert kernel is not None
    lines = {i: [(j, row[j]) for j in range(2) if row[j]] for i, row in enumerate(deficient)}
    assert all(annihilates(vector, lines) for vector in kernel.vectors)
    forged = PolynomialVector(0, ((0, {(): 1}), (1, {(): 1})))
    assert not annihilates(forged, lines)


@pytest.mark.parametrize("n", [1, 5, 12])
def test_hilbert_like_matrix_is_full_rank(n):
    """1/(i+j+1) is numerically singular at once and exactly non-singular always."""
    from fractions import Fraction

    assert rank([[Fraction(1, i + j + 1) for j in range(n)] for i in range(n)]).rank == n


def test_kernel_with_large_coefficients():
    """Coefficients beyond rational reconstruction mod p still give an exact kernel."""
    A = np.array([[10**20 + 39, 1], [3 * (10**20 + 39), 3], [7**40, 0]], dtype=object)
    wide = np.hstack([A, A @ np.array([[2**70], [3**50]], dtype=object)])
    evidence = rank(wide)
    assert evidence.rank == 2
    assert evidence.kernel is not None
    assert evidence.holds_for(wide)


def test_deterministic_evidence():
    """The same matrix gives the same evidence: rows, columns and prime."""
    A = np.arange(35).reshape(5, 7) % 11
    assert rank_mod_p(A) == rank_mod_p(A.copy())
