"""Ranks and their evidence against SymPy and FLINT, on generated rational and modular matrices."""

from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import GF, QQ
from sympy.polys.matrices import DomainMatrix

from exactcnn.errors import MisuseError
from exactcnn.linalg import rank, rank_mod_p

PRIMES = (3, 5, 7, 503, 65537, 2147483647)


@st.composite
def rational_matrices(draw):
    """Rectangular, 0 x n and m x 0 included; products of thin factors plant deficiencies; some
    entries are multiples of small primes so that the rank drops mod p."""
    m, n = draw(st.integers(0, 7)), draw(st.integers(0, 7))
    kind = draw(st.sampled_from(["any", "product", "multiples", "repeated", "huge"]))
    entry = st.integers(-6, 6)
    if kind == "huge":
        entry = st.integers(-(2**80), 2**80)
    if kind == "multiples":
        entry = st.sampled_from([0, 3, 5, 7, 503, 65537, 2147483647, 1, -1])
    if kind == "product":
        r = draw(st.integers(0, min(m, n)))
        A = draw(st.lists(st.lists(entry, min_size=r, max_size=r), min_size=m, max_size=m))
        B = draw(st.lists(st.lists(entry, min_size=n, max_size=n), min_size=r, max_size=r))
        rows = [[Fraction(sum(a[k] * B[k][j] for k in range(r))) for j in range(n)] for a in A]
    else:
        raw = draw(st.lists(st.lists(entry, min_size=n, max_size=n), min_size=m, max_size=m))
        rows = [[Fraction(v) for v in row] for row in raw]
    if kind == "repeated" and m > 1:
        rows[-1] = [
            v * draw(st.sampled_from([Fraction(1, 3), Fraction(-2), Fraction(5, 7)])) for v in rows[0]
        ]
    return m, n, rows


def as_integers(m, n, rows):
    """The rows times a common denominator, as an object array, computed independently."""
    scale = 1
    for row in rows:
        for v in row:
            scale = scale * v.denominator // np.gcd(scale, v.denominator)
    A = np.zeros((m, n), dtype=object)
    for i in range(m):
        for j in range(n):
            A[i, j] = int(rows[i][j] * int(scale))
    return A


@settings(max_examples=2000, deadline=None)
@given(rational_matrices(), st.sampled_from(PRIMES))
def test_rational_rank_and_both_bounds_agree_with_sympy_and_flint(matrix, prime):
    """The rank over Q is decided, equals two oracles', and the evidence multiplies out."""
    m, n, rows = matrix
    A = as_integers(m, n, rows)
    expected = int(flint.fmpz_mat(m, n, [int(v) for v in A.ravel()]).rank()) if m and n else 0
    if m and n:
        sympy_rank = DomainMatrix(
            [[QQ(v.numerator, v.denominator) for v in row] for row in rows], (m, n), QQ
        ).rank()
        assert sympy_rank == expected
    evidence = rank(A, prime=prime)
    assert evidence.lower == evidence.upper == evidence.rank == expected
    assert evidence.shape == (m, n)
    assert evidence.holds_for(A)
    if evidence.kernel is not None:
        assert evidence.kernel.independent()
        product = evidence.kernel.dense() @ (A if evidence.kernel.side == "left" else A.T)
        assert not product.any()


@settings(max_examples=2000, deadline=None)
@given(rational_matrices(), st.sampled_from(PRIMES))
def test_modular_rank_and_its_minor_agree_with_sympy_and_flint(matrix, prime):
    """Over GF(p) the rank equals two oracles' and the minor returned is non-zero there."""
    m, n, rows = matrix
    A = as_integers(m, n, rows)
    minor = rank_mod_p(A, prime)
    reduced = [[int(v) % prime for v in row] for row in A.tolist()]
    expected = 0
    if m and n:
        expected = flint.nmod_mat(m, n, [v for row in reduced for v in row], prime).rank()
        K = GF(prime, symmetric=False)
        assert DomainMatrix([[K(v) for v in row] for row in reduced], (m, n), K).rank() == expected
    assert minor.rank == expected
    assert len(set(minor.rows)) == len(set(minor.columns)) == expected
    if expected:
        block = [reduced[i][j] for i in minor.rows for j in minor.columns]
        assert int(flint.nmod_mat(expected, expected, block, prime).det()) != 0


def test_the_rank_that_drops_mod_2_and_3_is_not_mistaken():
    """diag(p, 1) has rank 2 over Q however small it looks mod p."""
    for prime in (3, 503, 2147483647):
        evidence = rank([[prime, 0], [0, 1]], prime=prime)
        assert evidence.rank == 2
        assert rank_mod_p(np.array([[prime, 0], [0, 1]]), prime).rank == 1


def test_a_forged_minor_does_not_hold():
    """Evidence for one matrix is not evidence for another, nor with repeated rows."""
    evidence = rank([[1, 0, 2], [0, 1, 3]])
    assert evidence.holds_for([[1, 0, 2], [0, 1, 3]])
    assert not evidence.holds_for([[1, 2, 3], [2, 4, 6]])


def test_a_forged_kernel_does_not_hold():
    """A kernel vector of another matrix, and a repeated vector, are refused."""
    A = [[1, 2], [2, 4], [3, 6]]
    evidence = rank(A)
    assert evidence.rank == 1
    assert evidence.kernel is not None
    assert not evidence.kernel.holds_for(np.array([[1, 2], [2, 4], [3, 7]], dtype=object))
    twice = type(evidence.kernel)("right", 2, (evidence.kernel.vectors[0],) * 2)
    assert not twice.independent()


@pytest.mark.parametrize(
    "bad", [[[1.5]], [["1"]], [[True]], [[1, 2], [3]], [1, 2], [[None]], [[float("nan")]]]
)
def test_what_is_not_a_rational_matrix_is_refused(bad):
    """Floats, texts, booleans and ragged rows get one sentence, not a rank."""
    with pytest.raises((MisuseError, ValueError)):
        rank(bad)


@pytest.mark.parametrize("prime", [0, 1, 2, 4, 9, -7, 2**31, 2**61 - 1, True, "7", 7.0, None])
def test_what_is_not_an_odd_prime_is_refused(prime):
    """A prime must be an odd prime below 2^31; None means the default."""
    if prime is None:
        assert rank_mod_p(np.array([[1]]), prime).prime == 2147483647
        return
    with pytest.raises(MisuseError, match="prime"):
        rank_mod_p(np.array([[1]]), prime)
