"""p-adic lifting on float64 products against FLINT's exact solutions."""

import numpy as np
import pytest
from flint import fmpq_mat, fmpz_mat

from exactcnn.errors import UndecidedError
from exactcnn.linalg.dixon import LARGEST_ENTRY_BITS, solve_by_lifting


def oracle(A, B):
    return fmpz_mat(A.tolist()).solve(fmpz_mat(B.tolist()))


@pytest.mark.parametrize("bits", [1, 3, 20, 35, 50])
@pytest.mark.parametrize("block", range(6))
def test_solutions_against_flint(bits, block):
    r = np.random.default_rng(100 * bits + block)
    for _ in range(10):
        n, m = (int(v) for v in r.integers(1, (30, 4)))
        A = r.integers(-(2**bits), 2**bits + 1, (n, n))
        B = r.integers(-(2 ** (bits // 2)), 2 ** (bits // 2) + 1, (n, m))
        if fmpz_mat(A.tolist()).rank() < n:
            with pytest.raises(UndecidedError, match="singular"):
                solve_by_lifting(A, B)
            continue
        X, d = solve_by_lifting(A, B)
        assert d > 0
        assert fmpq_mat(fmpz_mat(X.tolist())) == oracle(A, B) * d
        numerators, denominator = oracle(A, B).numer_denom()
        assert (d, [int(v) for v in numerators.entries()]) == (int(denominator), X.ravel().tolist())


def test_largest_entries():
    """Entries for which only arithmetic mod 2^64 survives, and one bit more, which is refused."""
    n = 7
    r = np.random.default_rng(0)
    top = (2**LARGEST_ENTRY_BITS - 1) // n
    A = r.choice([-top, top, top - 1, 1 - top], size=(n, n))
    A[np.arange(n), np.arange(n)] -= r.integers(1, 1000, n) * np.sign(A[np.arange(n), np.arange(n)])
    B = r.choice([-1, 1], size=(n, 2)) * (2**LARGEST_ENTRY_BITS - 1)
    assert fmpz_mat(A.tolist()).rank() == n
    X, d = solve_by_lifting(A, B)
    assert (A.astype(object) @ X == d * B.astype(object)).all()
    with pytest.raises(UndecidedError, match="entries below"):
        solve_by_lifting(np.full((n, n), top + 1) + np.eye(n, dtype=np.int64), B)


def test_integral_and_zero_right_sides():
    A = np.array([[3, 1, 0], [0, 2, 5], [1, 0, 7]])
    assert solve_by_lifting(A, A)[0].tolist() == np.eye(3, dtype=int).tolist()
    assert solve_by_lifting(A, A)[1] == 1
    assert solve_by_lifting(A, np.zeros((3, 2), dtype=np.int64))[0].tolist() == [[0, 0]] * 3


def test_different_denominators():
    """A diagonal matrix: every entry brings a factor of the common denominator of its own."""
    primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    X, d = solve_by_lifting(np.diag(primes), np.ones((10, 1), dtype=np.int64))
    assert d == np.prod(primes)
    assert X.ravel().tolist() == [d // q for q in primes]


def test_size_of_a_few_hundred():
    r = np.random.default_rng(1)
    A, B = r.integers(-1000, 1000, (210, 210)), r.integers(-5, 5, (210, 3))
    X, d = solve_by_lifting(A, B)
    assert (fmpz_mat(A.tolist()) * fmpz_mat(X.tolist())) == fmpz_mat((B.astype(object) * d).tolist())
