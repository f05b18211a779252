"""Certified numbers: sigma_min against mpmath, exp with its bound, binomial intervals."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb

from exactcnn.activations import Activation
from exactcnn.activations.floats import enclosed
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.exponentials import decaying
from exactcnn.errors import MisuseError
from exactcnn.linalg.singular_values import float_enclosure, rounded_outwards, smallest_singular_values
from exactcnn.sampling.intervals import clopper_pearson

RNG = np.random.default_rng(3)


def true_sigma_min(M):
    """The smallest singular value with 60 digits."""
    with mpmath.workdps(60):
        return mpmath.svd_r(mpmath.matrix(M.tolist()), compute_uv=False)[M.shape[0] - 1]


def hilbert(N, n):
    return 1.0 / (np.arange(N)[:, None] + np.arange(n)[None, :] + 1)


@pytest.mark.parametrize(
    "matrix",
    [
        RNG.standard_normal((5, 9)),
        RNG.standard_normal((6, 6)),
        hilbert(5, 7),
        hilbert(8, 8),
        hilbert(14, 14),
        np.ones((3, 4)),
        np.zeros((3, 4)),
        RNG.standard_normal((4, 6)) * 1e150,
        RNG.standard_normal((4, 6)) * 1e-150,
        np.diag([1.0, 1e-8, 1e8]),
        RNG.integers(-3, 3, (6, 9)).astype(float),
        np.array([[2.5]]),
    ],
    ids=str,
)
def test_sigma_min_against_mpmath(matrix):
    """The enclosure contains the true value, and is tight where the condition allows."""
    low, high = smallest_singular_values(Enclosure(matrix[None], np.zeros((1, *matrix.shape))))
    true = true_sigma_min(matrix)
    assert mpmath.mpf(float(low[0])) <= true <= mpmath.mpf(float(high[0]))
    assert high[0] - low[0] <= 1e-11 * np.abs(matrix).max() * matrix.size + 1e-140


def test_sigma_min_with_radii():
    """Every matrix within the radii has its sigma_min in the enclosure."""
    M = RNG.standard_normal((4, 6))
    R = np.full((4, 6), 1e-3)
    low, high = smallest_singular_values(Enclosure(M[None], R[None]))
    for _ in range(50):
        S = np.linalg.svd(M + R * RNG.choice([-1, 1], (4, 6)), compute_uv=False)[-1]
        assert low[0] <= S <= high[0]
    assert 0 < low[0] < high[0] < low[0] + 0.02


def test_sigma_min_of_what_float64_cannot_do():
    """Fewer columns than rows: exactly 0.  Overflow and infinite radii decide nothing."""
    low, high = smallest_singular_values(Enclosure(np.ones((2, 3, 2)), np.zeros((2, 3, 2))))
    assert low.tolist() == high.tolist() == [0, 0]
    stack = np.stack([np.eye(2), np.array([[np.inf, 0], [0, 1]]), np.full((2, 2), 1e300)])
    low, high = smallest_singular_values(Enclosure(stack, np.zeros_like(stack)))
    assert 0.999 < low[0] <= 1 <= high[0] < 1.001
    assert low[1:].tolist() == [0, 0]
    assert high[1] == np.inf
    assert rounded_outwards(0.0, float("inf")) == (0.0, None)


def test_rounding_outwards():
    """Six digits, outwards, as decimals and as floats."""
    for value in [*RNG.random(300), 1.0, 0.0, 1e-300, 123456.5, 0.1]:
        low, high = rounded_outwards(float(value), float(value))
        assert Fraction(repr(low)) <= Fraction(float(value)) <= Fraction(repr(high))
        assert low <= value <= high


FUNCTIONS = {
    "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)),
    "tanh": mpmath.tanh,
    "silu": lambda t: t / (1 + mpmath.exp(-t)),
    "elu": lambda t: t if t >= 0 else mpmath.mpf(3) / 7 * mpmath.expm1(t),
    "gaussian": lambda t: mpmath.exp(-t * t),
}
POINTS = np.concatenate(
    [
        RNG.standard_normal(150) * 10.0 ** RNG.integers(-8, 4, 150),
        [0.0, 1e-300, -1e-300, 700, -700, 701, -701, 349.9, -350.1, 1e8, -1e8, 26.4, -26.5, 0.3465, -0.3466],
    ]
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_exponentials_against_mpmath(name):
    """The enclosures contain the true values, at floats and on whole intervals."""
    rad = np.where(np.abs(POINTS) < 100, 1e-7, 0.0)
    activation = Activation(name, (("alpha", Fraction(3, 7)),) if name == "elu" else ())
    exact = enclosed(activation, Enclosure(POINTS, np.zeros_like(POINTS)))
    wide = enclosed(activation, Enclosure(POINTS, rad))
    with mpmath.workdps(400):
        for i, t in enumerate(POINTS.tolist()):
            for found, at in ((exact, t), (wide, t - rad[i] * 0.999), (wide, t + rad[i] * 0.999)):
                true = FUNCTIONS[name](mpmath.mpf(float(at)))
                assert abs(mpmath.mpf(float(found.mid[i])) - true) <= mpmath.mpf(float(found.rad[i])), t
    assert (exact.rad <= 1e-13 * np.maximum(1, np.abs(POINTS))).all()


def test_the_bound_of_exp():
    """Relative error below 2^-47 on [0, 700]."""
    x = np.concatenate([np.abs(POINTS), RNG.random(200) * 700])
    x = x[x <= 700]
    with mpmath.workdps(30):
        for value, at in zip(decaying(x).tolist(), x.tolist(), strict=True):
            assert abs(mpmath.mpf(value) / mpmath.exp(-mpmath.mpf(at)) - 1) < mpmath.mpf(2) ** -47


@pytest.mark.parametrize(
    "record", ["softplus", "gelu", "arctan", {"name": "custom", "expression": "t/(1 + abs(t))"}]
)
def test_other_activations_by_balls(record):
    """Arb's balls become floats that still enclose."""
    activation = Activation.from_json(record)
    numerators = np.array([[-50, -3, 0, 7, 7, 1000]])
    found = float_enclosure([[activation.ball(arb(n) / 8) for n in row] for row in numerators.tolist()])
    with mpmath.workdps(40):
        rules = {
            "softplus": lambda t: mpmath.log1p(mpmath.exp(t)),
            "gelu": lambda t: t * mpmath.ncdf(t),
            "arctan": mpmath.atan,
            "custom": lambda t: t / (1 + abs(t)),
        }
        for i, n in enumerate(numerators[0].tolist()):
            true = rules[activation.name](mpmath.mpf(n) / 8)
            assert abs(mpmath.mpf(float(found.mid[0, i])) - true) <= mpmath.mpf(float(found.rad[0, i]))
    assert found.rad.max() < 1e-12
    assert float_enclosure([[arb("nan")]]).rad[0, 0] == np.inf


@pytest.mark.parametrize(
    "x, n", [(0, 1), (1, 1), (0, 30), (9, 10), (5, 10), (1000, 1000), (997, 1000), (31, 2000)]
)
def test_binomial_intervals(x, n):
    """Outside mpmath's Clopper-Pearson interval, by at most two grid steps."""
    low, high = clopper_pearson(x, n)
    with mpmath.workdps(40):

        def tail(p):  # P(X >= x)
            return mpmath.betainc(x, n - x + 1, 0, p, regularized=True) if x else mpmath.mpf(1)

        def head(p):  # P(X <= x)
            return mpmath.mpf(1) if x == n else 1 - mpmath.betainc(x + 1, n - x, 0, p, regularized=True)

        alpha, step = mpmath.mpf(25) / 1000, mpmath.mpf(2) / 10**6
        lo, hi = mpmath.mpf(low.numerator) / low.denominator, mpmath.mpf(high.numerator) / high.denominator
        if x:
            assert tail(lo) <= alpha <= tail(lo + step)
        else:
            assert low == 0
        if x < n:
            assert head(hi) <= alpha <= head(hi - step)
        else:
            assert high == 1


def test_known_binomial_intervals():
    """Closed forms at the ends; the 99 % level is wider; misuse is said."""
    low, high = clopper_pearson(0, 100)
    assert low == 0
    assert 0 <= float(high) - (1 - 0.025 ** (1 / 100)) < 1.1e-6
    assert clopper_pearson(50, 100)[0] == Fraction(398321, 10**6)  # R: binom.test(50, 100) 0.3983211
    assert clopper_pearson(50, 100, Fraction(99, 100))[0] < clopper_pearson(50, 100)[0]
    for arguments in ((-1, 3), (4, 3), (0, 0)):
        with pytest.raises(MisuseError):
            clopper_pearson(*arguments)
