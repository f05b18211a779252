"""Inertia against SymPy's exact characteristic polynomials and against planted eigenvalues."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy
from flint import arb, ctx

import exactcnn
from exactcnn.landscape.domains import ln_two
from exactcnn.landscape.inertia import Inertia, ball_inertia, exact_inertia
from exactcnn.statements import decide
from tests.landscape.test_instances import bad_minimum, saddle
from tests.statements.instances import rng


def numbers(rows):
    """As numbers of Q[ln 2]."""
    array = np.empty((len(rows), len(rows)), dtype=object)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            array[i, j] = ln_two(value)
    return array


def by_descartes(A):
    """All roots of a symmetric matrix's characteristic polynomial are real: sign changes count the positive ones."""
    coefficients = [c for c in sympy.Matrix(A).charpoly().all_coeffs()]
    zero = 0
    while coefficients[-1] == 0:
        coefficients.pop()
        zero += 1
    signs = [c > 0 for c in coefficients if c != 0]
    positive = sum(a != b for a, b in pairwise(signs))
    return Inertia(positive, len(A) - zero - positive, zero)


@pytest.mark.parametrize("seed", range(60))
def test_against_descartes(seed):
    """Random symmetric matrices, many singular or with zero diagonal."""
    r = rng(seed)
    n = r.randint(1, 6)
    A = [[Fraction(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            value = 0 if i == j and seed % 3 == 0 else r.choice([-2, -1, 0, 0, 1, 3])
            A[i][j] = A[j][i] = Fraction(value, r.choice([1, 2]))
    if seed % 4 == 0 and n > 1:
        A[-1] = list(A[0])
        for i in range(n):
            A[i][-1] = A[i][0]
        A[-1][-1] = A[0][0]
    found = exact_inertia(numbers(A))
    assert found == by_descartes(A)
    with ctx.workprec(100):
        balls = ball_inertia([[arb(v.numerator) / v.denominator for v in row] for row in A])
    if found.zero:
        assert balls is None
    else:
        assert balls.inertia == found
        Q = np.array(balls.transform, dtype=object)
        assert exact_inertia(numbers((Q.T @ np.array(A, dtype=object) @ Q).tolist())) == found


def test_balls_that_reach_a_singular_matrix_are_undecided():
    with ctx.workprec(100):
        assert ball_inertia([[arb(1), arb(0)], [arb(0), arb("0.1", "0.2")]]) is None
        assert ball_inertia([[arb(1), arb(2)], [arb(2), arb(1)]]).inertia == Inertia(1, 1, 0)


def test_graded_matrix():
    """Eigenvalues from 1e-12 to 1e12: the eigenvectors of float64 alone would lose the small ones."""
    with ctx.workprec(600):
        small, large = arb(10) ** -12, arb(10) ** 12
        found = ball_inertia([[large, arb(1)], [arb(1), small]])
        assert found is None  # singular
        found = ball_inertia([[large, arb(1)], [arb(1), -small]])
        assert found.inertia == Inertia(1, 1, 0)


@pytest.mark.parametrize("seed", range(40))
def test_entries_with_ln_2(seed):
    """A planted congruence E^T D E, D diagonal with signs known, E unit triangular, entries polynomials in ln 2."""
    r = rng(seed)
    n = r.randint(1, 5)
    signs = [r.choice([-1, 0, 1, 1]) for _ in range(n)]
    # 1 - ln 2 > 0 and 3/5 - ln 2 < 0
    D = [ln_two(0) if s == 0 else ln_two(1, -1) if s > 0 else ln_two(Fraction(3, 5), -1) for s in signs]
    E = [
        [ln_two(r.randint(-2, 2), r.randint(-1, 1)) if j > i else ln_two(int(i == j)) for j in range(n)]
        for i in range(n)
    ]
    A = np.empty((n, n), dtype=object)
    for i in range(n):
        for j in range(n):
            A[i, j] = sum((E[m][i] * D[m] * E[m][j] for m in range(n)), ln_two(0))
    order = r.sample(range(n), n)
    assert exact_inertia(A[np.ix_(order, order)]) == Inertia(signs.count(1), signs.count(-1), signs.count(0))


def test_not_symmetric():
    with pytest.raises(exactcnn.MisuseError):
        exact_inertia(numbers([[1, 2], [0, 1]]))


def test_critical_points_are_classified():
    """The saddle of theory 3.4 is strict; the bad minimum's Hessian has scaling symmetries: degenerate, no negative."""
    assert decide("critical-point", saddle())[0].summary["kind"] == "strict saddle"
    found = decide("critical-point", bad_minimum())[0].summary
    assert (found["kind"], found["inertia"]) == ("degenerate", {"positive": 11, "negative": 0, "zero": 7})
