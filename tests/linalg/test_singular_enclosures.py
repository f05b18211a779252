"""Certified singular values: never above the least, never below the largest, and never a proof of what is false."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import fmpq, fmpq_mat, fmpz_mat

from exactcnn.errors import MisuseError
from exactcnn.linalg import singular_enclosures, singular_value_enclosures
from exactcnn.linalg.float_products import factor, gram, product
from exactcnn.linalg.singular_enclosures import enclosed_singular_values

RNG = np.random.default_rng(5)


def true_extremes(M):
    """The extreme singular values with 400 digits, of a matrix of floats or Fractions."""
    with mpmath.workdps(400):
        rows = [
            [mpmath.mpf(Fraction(v).numerator) / Fraction(v).denominator for v in row]
            for row in np.array(M, object)
        ]
        A = mpmath.matrix(rows)
        A = A if A.rows <= A.cols else A.T
        E = mpmath.eigsy(A * A.T, eigvals_only=True)
        return mpmath.sqrt(abs(E[0])), mpmath.sqrt(E[A.rows - 1])


def contains(bounds, value):
    with mpmath.workdps(400):
        # 10^-150 of the oracle's own error, for singular values that are 0.
        return bounds[0] <= value * (1 + mpmath.mpf(10) ** -100) + mpmath.mpf(10) ** -150 and (
            value <= bounds[1] or bounds[1] == np.inf
        )


def hilbert(N, n):
    return 1.0 / (np.arange(N)[:, None] + np.arange(n)[None, :] + 1)


def hadamard(n):
    H = np.ones((1, 1))
    while H.shape[0] < n:
        H = np.block([[H, H], [H, -H]])
    return H


def near_deficient(gap):
    """Two rows that differ by ``gap`` in one entry."""
    M = RNG.integers(-4, 5, (5, 7)).astype(float)
    M[1] = M[0]
    M[1, 3] += gap
    return M


MATRICES = {
    "random": RNG.standard_normal((6, 6)),
    "wide": RNG.standard_normal((4, 11)),
    "tall": RNG.standard_normal((9, 3)),
    "one": np.array([[2.5]]),
    "row": np.array([[3.0, 4.0]]),
    "positive": RNG.random((5, 6)) + 1,
    "hilbert5": hilbert(5, 7),
    "hilbert8": hilbert(8, 8),
    "hilbert13": hilbert(13, 13),
    "graded": np.diag([1.0, 1e-3, 1e-6, 1e-9]) @ RNG.standard_normal((4, 4)),
    "graded-columns": RNG.standard_normal((4, 6)) * 10.0 ** -np.arange(0, 18, 3),
    "integers": RNG.integers(-3, 3, (6, 9)),
    "big integers": RNG.integers(-(2**62), 2**62, (4, 5)),
    "near 1e-8": near_deficient(1e-8),
    "near 1e-14": near_deficient(2.0**-47),
    "near 1e-17": np.array([[1.0, 0.0, 1.0], [1.0, 1e-17, 1.0]]),
    "deficient": np.ones((3, 4)),
    "zero": np.zeros((3, 4)),
    "tiny": RNG.standard_normal((4, 6)) * 1e-160,
    "subnormal": RNG.standard_normal((3, 4)) * 1e-310,
    "huge": RNG.standard_normal((4, 6)) * 1e150,
    "largest": 1.7e308 * RNG.uniform(-1, 1, (3, 3)),
    "wild": np.diag([1e-300, 1.0, 1e300]),
    "spread": np.diag([1e-8, 1.0, 1e8]),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_against_mpmath(name):
    """Both enclosures contain the true values."""
    M = MATRICES[name]
    found = singular_value_enclosures(M)
    least, most = true_extremes(M.tolist())
    scale = mpmath.mpf(1)
    if most < 1e-100:
        scale = mpmath.mpf(10) ** 400  # keep the oracle's margin out of it
    assert contains([mpmath.mpf(b) * scale for b in found.smallest], least * scale)
    assert contains([mpmath.mpf(b) * scale for b in found.largest], most * scale)
    assert found.largest[1] <= float(most) * 1.5 + 1e-320


@pytest.mark.parametrize(
    "name", ["random", "wide", "tall", "one", "positive", "hilbert8", "integers", "near 1e-8", "tiny", "huge",
             "big integers", "graded"]
)  # fmt: skip
def test_what_is_proved(name):
    """Where the condition allows full rank is proved, with a lower bound that is not far off."""
    found = singular_value_enclosures(MATRICES[name])
    assert found.full_rank
    assert found.smallest[1] <= 4 * found.smallest[0]


@pytest.mark.parametrize("name", ["deficient", "zero", "near 1e-17", "wild", "spread"])
def test_undecided(name):
    """Deficient, or too close to it for float64: nothing is claimed."""
    found = singular_value_enclosures(MATRICES[name])
    assert found.full_rank is None
    assert found.smallest[0] == 0


@pytest.mark.parametrize("n", [128, 256, 512])
@pytest.mark.parametrize("digits", [0, 3, 7, 10])
def test_hadamard(n, digits):
    """H diag(d) has exactly the singular values sqrt(n) d: across block borders, both routes."""
    d = np.logspace(0, -digits, n)
    found = singular_value_enclosures(hadamard(n) * RNG.permutation(d))
    with mpmath.workdps(50):
        root = mpmath.sqrt(n)
        assert contains(found.smallest, root * mpmath.mpf(float(d.min())))
        assert contains(found.largest, root * mpmath.mpf(float(d.max())))
    assert found.full_rank
    assert found.route == ("gram" if digits <= 3 else "preconditioned" if digits >= 10 else found.route)
    if digits == 0:
        assert found.smallest[1] / found.smallest[0] < 1.01
        assert found.largest[1] / found.largest[0] < 1.01


def test_wide_hadamard():
    """[H D, H D'] has the singular values sqrt(n (d^2 + d'^2)); 300 of the 512 columns of each are zero."""
    n = 256
    d = np.where(RNG.permutation(n) < 100, 0.0, 1 + RNG.random(n))
    other = np.where(d == 0, 0.5, 0.0)
    M = np.concatenate([hadamard(n) * d, hadamard(n) * other], axis=1)
    found = singular_value_enclosures(M)
    with mpmath.workdps(50):
        assert contains(found.smallest, mpmath.sqrt(n) * 0.5)
        assert contains(found.largest, mpmath.sqrt(n) * mpmath.mpf(float(d.max())))
    assert found.full_rank


def test_deficient_is_never_proved():
    """2,000 integer matrices of planted deficient rank, exact in float64, at wild scales; some nearly of full rank."""
    tried = 0
    for trial in range(2000):
        N = int(RNG.integers(2, 9))
        n = N + int(RNG.integers(0, 5))
        r = int(RNG.integers(1, N)) if trial % 2 else N - 1
        A = RNG.integers(-9, 10, (N, r)) @ RNG.integers(-9, 10, (r, n))
        scale = 2.0 ** int(RNG.choice([-1000, -500, -53, 0, 53, 500, 950]))
        rows = 2.0 ** RNG.integers(-20, 21, N)[:, None] if trial % 3 == 0 else 1.0
        M = A * rows * scale
        if trial < 200:
            assert int(fmpz_mat(A.tolist()).rank()) < N
        found = singular_value_enclosures(M)
        assert found.full_rank is None, (A.tolist(), scale)
        tried += 1
    assert tried == 2000


@pytest.mark.parametrize("n", [130, 300])
def test_large_deficient_is_never_proved(n):
    """Blocks, and a deficiency that only the whole matrix has."""
    for trial in range(4):
        A = RNG.integers(-9, 10, (n, n - 1)) @ RNG.integers(-9, 10, (n - 1, n + 7 * trial))
        assert singular_value_enclosures(A).full_rank is None
        row = RNG.permutation(n)[:2]
        B = RNG.standard_normal((n, n))
        B[row[0]] = B[row[1]]
        assert singular_value_enclosures(B).full_rank is None
        assert singular_value_enclosures(B.T).full_rank is None


def test_random_small_against_exact_ranks():
    """1,000 random matrices of small integers: proved only if FLINT's rank is full, and mostly then."""
    full = proved = 0
    for _ in range(1000):
        N = int(RNG.integers(1, 6))
        A = RNG.integers(-1, 2, (N, N + int(RNG.integers(0, 2))))
        exact = int(fmpz_mat(A.tolist()).rank()) == N
        claimed = singular_value_enclosures(A).full_rank
        assert exact or claimed is None
        full, proved = full + exact, proved + (claimed is True)
    assert 300 < full < 1000
    assert proved == full


def definite(A, square):
    """Is A - square I positive definite?  Exactly, by Sylvester's leading minors; A an fmpq_mat."""
    N = A.nrows()
    rows = [[A[i, j] - (square if i == j else 0) for j in range(N)] for i in range(N)]
    return all(fmpq_mat([row[:m] for row in rows[:m]]).det() > 0 for m in range(1, N + 1))


def test_random_conditions_against_exact_minors():
    """300 matrices of condition 1 to 10^18: M M^T - t I is definite below the enclosure and is not above it."""
    proved = 0
    for trial in range(300):
        N = int(RNG.integers(2, 8))
        n = N + int(RNG.integers(0, 4))
        spread = 10.0 ** -RNG.uniform(0, 18)
        U, V = (np.linalg.qr(RNG.standard_normal((size, size)))[0] for size in (N, n))
        M = (U * np.geomspace(1, spread, N)) @ V[:N]
        if trial % 4 == 0:
            M = M * 10.0 ** RNG.uniform(-3, 3, (N, 1))
        found = singular_value_enclosures(M)
        exact = fmpq_mat([[fmpq(*v.as_integer_ratio()) for v in row] for row in M.tolist()])
        A = exact * exact.transpose()
        (least, above), (below, most) = (
            [fmpq(*b.as_integer_ratio()) ** 2 for b in bounds]
            if np.isfinite(bounds[1])
            else (fmpq(0), fmpq(10) ** 9)
            for bounds in (found.smallest, found.largest)
        )
        nearly = 1 - fmpq(1, 2**200)
        assert found.smallest[0] == 0 or definite(A, least * nearly)
        assert not definite(A, above / nearly)
        assert definite(A * -1, -most / nearly)
        assert not definite(A * -1, -below * nearly)
        proved += found.full_rank is True
    assert 150 < proved < 300


def test_fractions():
    """Rationals no float represents, with the true matrix inside the enclosure."""
    M = [[Fraction(1, 3), Fraction(2, 7)], [Fraction(10**30 + 1, 10**30), Fraction(-5, 11)]]
    found = singular_value_enclosures(M)
    least, most = true_extremes(M)
    assert found.full_rank
    assert contains(found.smallest, least)
    assert contains(found.largest, most)
    third = Fraction(1, 3)
    assert singular_value_enclosures([[third, third], [1, 1]]).full_rank is None
    close = Fraction(1, 3) + Fraction(1, 10**17)  # equal as floats
    assert singular_value_enclosures([[third, close], [1, 1]]).full_rank is None


def test_radii():
    """Every matrix within the radii has its singular values in the enclosure; large radii prove nothing."""
    M = RNG.standard_normal((4, 6))
    R = np.abs(RNG.standard_normal((4, 6))) * 1e-4
    found = enclosed_singular_values(M, R)
    for _ in range(20):
        values = np.linalg.svd(M + R * RNG.choice([-1, 1], R.shape), compute_uv=False)
        assert found.smallest[0] < values[-1] < found.smallest[1]
        assert found.largest[0] < values[0] < found.largest[1]
    assert enclosed_singular_values(M, np.full((4, 6), 1e3)).full_rank is None
    for rad in (np.full((4, 6), np.inf), float("inf"), float("nan")):
        assert enclosed_singular_values(M, rad).smallest == (0.0, np.inf)
    assert enclosed_singular_values(np.where(M > 0, M, np.nan), 0.0).smallest == (0.0, np.inf)
    # The radius counts at every scale: 2^-600 (M + E) may be singular for ||E|| = sigma_min.
    least = np.linalg.svd(M, compute_uv=False)[-1]
    for scale in (2.0**-600, 1.0, 2.0**600):
        assert enclosed_singular_values(M * scale, float(least * 1.001 * scale)).full_rank is None
        assert enclosed_singular_values(M * scale, float(least * 0.9 * scale)).full_rank


def deficient(trials, N=6, n=8):
    return [RNG.integers(-9, 10, (N, N - 1)) @ RNG.integers(-9, 10, (N - 1, n)) for _ in range(trials)]


def test_nothing_is_believed_of_cholesky(monkeypatch):
    """A library that factors what is indefinite proves nothing, and its factor's error is still bounded."""
    honest = np.linalg.cholesky

    def lying(P):
        return honest(
            P + (1e-6 * np.abs(P).max() + 2 * max(0.0, -np.linalg.eigvalsh(P)[0])) * np.eye(P.shape[0])
        )

    monkeypatch.setattr(np.linalg, "cholesky", lying)
    B = gram(RNG.standard_normal((5, 5)))[0]
    found = factor(B, -float(np.linalg.eigvalsh(B)[2]))
    exact = fmpq_mat([[fmpq(*v.as_integer_ratio()) for v in row] for row in (found.L @ found.L.T).tolist()])
    assert off(B - float(np.linalg.eigvalsh(B)[2]) * np.eye(5), exact) <= found.error * (1 + 1e-9)
    for M in deficient(40):
        assert singular_value_enclosures(M).full_rank is None


def test_wrong_guesses_and_wrong_factors(monkeypatch):
    """A guess ten times too large, and a library that factors what it leads to: the lower bound stays below."""
    honest, guess = np.linalg.cholesky, singular_enclosures.lowest

    def lying(P):
        return honest(P + 1.01 * max(0.0, -np.linalg.eigvalsh(P)[0]) * np.eye(P.shape[0]))

    def wild(L):
        least, above, v = guess(L)
        return 10 * least, 10 * above, v

    monkeypatch.setattr(np.linalg, "cholesky", lying)
    monkeypatch.setattr(singular_enclosures, "lowest", wild)
    for _ in range(20):
        M = RNG.standard_normal((6, 7))
        least = np.linalg.svd(M, compute_uv=False)[-1]
        assert singular_value_enclosures(M).smallest[0] < least


def test_the_error_of_the_gram_matrix_is_subtracted(monkeypatch):
    def wrong_gram(M, spread):
        B, error = gram(M)
        t = 0.9 * float(np.linalg.eigvalsh(B)[0])
        return B + t * np.eye(len(B)), error + t

    monkeypatch.setattr(singular_enclosures, "gram", wrong_gram)
    for _ in range(20):
        M = RNG.standard_normal((6, 7))
        found = singular_value_enclosures(M)
        assert 0 < found.smallest[0] < np.linalg.svd(M, compute_uv=False)[-1]


def test_errors_of_products_count(monkeypatch):
    """Products that are as wrong as their bounds admit make no deficient matrix regular."""

    def wrong_gram(M, spread):
        B, error = gram(M)
        t = 1e-4 * float(np.trace(B))
        return B + t * np.eye(len(B)), error + t

    def wrong_product(X, M, spread):
        K, error = product(X, M)
        change = 0.3 * np.eye(*K.shape) + 0.01 * RNG.standard_normal(K.shape)
        return K + change, error + float(np.linalg.norm(change))

    for name, wrong in (("gram", wrong_gram), ("product", wrong_product)):
        with monkeypatch.context() as patch:
            patch.setattr(singular_enclosures, name, wrong)
            for M in deficient(40):
                assert singular_value_enclosures(M).full_rank is None


@pytest.mark.parametrize("shape", [(3, 5), (40, 40), (130, 150)])
def test_products_against_exact(shape):
    """The proved errors of gram, product and factor hold against exact products."""
    N = shape[0]
    M = RNG.standard_normal(shape)
    exact = fmpq_mat([[fmpq(*v.as_integer_ratio()) for v in row] for row in M.tolist()])
    B, error = gram(M)
    assert 0 < off(B, exact * exact.transpose()) <= error
    assert np.array_equal(B, B.T)
    X = np.tril(RNG.standard_normal((N, N)))
    exact_X = fmpq_mat([[fmpq(*v.as_integer_ratio()) for v in row] for row in X.tolist()])
    K, error = product(X, M)
    assert 0 < off(K, exact_X * exact) <= error
    exact_B = fmpq_mat([[fmpq(*v.as_integer_ratio()) for v in row] for row in B.tolist()])
    shift = 0.3
    for sign, t in ((1, shift), (-1, 10.0 * float(np.trace(B)))):
        found = factor(B, t, sign)
        assert np.array_equal(found.L, np.tril(found.L))
        L = fmpq_mat([[fmpq(*v.as_integer_ratio()) for v in row] for row in found.L.tolist()])
        A = exact_B * sign
        for i in range(N):
            A[i, i] += fmpq(*t.as_integer_ratio())
        assert 0 < off(np.zeros((N, N)), A - L * L.transpose()) <= found.error


def off(approximate, exact):
    """The Frobenius norm of approximate - exact, to a few digits."""
    total = 0.0
    for row, line in zip(approximate.tolist(), exact.tolist(), strict=True):
        for a, b in zip(row, line, strict=True):
            difference = fmpq(*a.as_integer_ratio()) - b
            total += float(Fraction(int(difference.p), int(difference.q))) ** 2
    return total**0.5 * (1 - 1e-9)


@pytest.mark.parametrize(
    "matrix, words",
    [
        ([[1, 2], [3]], "two dimensions"),
        ([], "two dimensions"),
        (np.zeros((0, 3)), "two dimensions"),
        ([[1, True]], "floats, integers or Fractions"),
        ([["1"]], "floats, integers or Fractions"),
        ([[1.0, float("nan")]], "finite"),
        (np.array([[np.inf]]), "finite"),
        (np.array([[1j]]), "floats, integers or Fractions"),
    ],
)
def test_misuse(matrix, words):
    with pytest.raises(MisuseError, match=words):
        singular_value_enclosures(matrix)
