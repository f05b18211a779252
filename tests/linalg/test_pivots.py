"""Row pivots of float matrices: the rows that partial pivoting takes, in blocks as one by one."""

import numpy as np
import pytest

from exactcnn.linalg.pivots import row_pivots


def one_by_one(matrix):
    """Gaussian elimination as in a textbook; also the smallest pivot relative to the runner-up of its column."""
    A, rows, margin = np.array(matrix, dtype=float), list(range(len(matrix))), np.inf
    for j in range(A.shape[1]):
        sizes = np.abs(A[j:, j])
        best = j + int(sizes.argmax())
        if A[best, j] == 0:
            return rows[:j], margin
        ordered = np.sort(sizes)
        if len(ordered) > 1:
            margin = min(margin, ordered[-1] - ordered[-2])
        A[[j, best]] = A[[best, j]]
        rows[j], rows[best] = rows[best], rows[j]
        A[j + 1 :] -= np.outer(A[j + 1 :, j] / A[j, j], A[j])
    return rows[: A.shape[1]], margin


@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 5), (9, 4), (63, 63), (64, 64), (65, 65), (90, 66), (200, 150), (300, 129)]
)
@pytest.mark.parametrize("seed", range(4))
def test_blocks_take_the_rows_of_the_textbook(shape, seed):
    A = np.random.default_rng(seed).normal(size=shape)
    wanted, margin = one_by_one(A)
    found = row_pivots(A)
    assert len(set(found)) == len(found) == shape[1]
    assert margin < 1e-9 or found == wanted
    assert np.linalg.cond(A[found]) < 1e9


def test_the_matrix_is_left_alone():
    A = np.random.default_rng(0).normal(size=(80, 70))
    before = A.copy()
    row_pivots(A)
    assert (before == A).all()
    assert row_pivots(A[::-1]) != row_pivots(A)


@pytest.mark.parametrize("rank", [0, 1, 3, 63, 64, 65, 69])
def test_a_pivot_that_is_0_ends_it(rank):
    """Triangular integers: every step is exact, and column ``rank`` has only zeros left."""
    A = np.tril(np.random.default_rng(1).integers(-1, 2, (90, 70)).astype(float), -1)
    A[:70] += np.diag([2.0 if j != rank else 0.0 for j in range(70)])
    A[rank:, rank] = 0.0
    A = A[np.random.default_rng(2).permutation(90)]
    assert len(row_pivots(A)) == rank


def test_dependent_rows_are_taken_once():
    rng = np.random.default_rng(3)
    base = rng.integers(-9, 10, (6, 6)).astype(float)
    A = np.vstack([base, base, 2 * base])[rng.permutation(18)]
    found = row_pivots(A)
    assert len(found) == 6
    assert np.linalg.matrix_rank(A[found]) == 6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_ends_it(bad):
    A = np.eye(5)
    A[3, 3] = bad
    assert len(row_pivots(A)) <= 3
