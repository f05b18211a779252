"""Float64 enclosures contain the exact results, whatever the magnitudes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactcnn.arithmetic.enclosures import Enclosure, affine, enclose, scaled, square

TINY, HUGE = 5e-324, 1.7976931348623157e308
MANY = settings(max_examples=300, deadline=None)
SPECIAL = [0.0, 1.0, TINY, 3 * TINY, 2.0**-1022, 2.0**-540, 1e-160, 2.0**53 + 2, 1e154, 2.0**512, 1e300, HUGE]
FLOATS = st.one_of(
    st.floats(-4, 4, width=16),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(SPECIAL + [-value for value in SPECIAL]),
)
RADII = st.one_of(st.just(0.0), st.sampled_from(SPECIAL), st.floats(0, 1e-6), st.just(float("inf")))
# Where in [mid - rad, mid + rad] the exact value lies.
PLACES = st.sampled_from([Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 3)])
RATIONALS = st.one_of(
    st.fractions(min_value=-3, max_value=3, max_denominator=50),
    st.builds(
        lambda n, power, d: Fraction(n) * Fraction(10) ** power / d,
        st.integers(-99, 99),
        st.sampled_from([-400, -330, -323, -308, -160, 0, 16, 154, 308, 400]),
        st.integers(1, 9),
    ),
)


def assert_contains(enclosure: Enclosure, exact: list) -> None:
    """|exact - mid| <= rad wherever rad is finite, and the signs claimed are the true ones."""
    assert enclosure.mid.shape == enclosure.rad.shape
    entries = zip(
        enclosure.mid.ravel().tolist(),
        enclosure.rad.ravel().tolist(),
        enclosure.positive().ravel().tolist(),
        enclosure.negative().ravel().tolist(),
        exact,
        strict=True,
    )
    for mid, rad, positive, negative, value in entries:
        assert not positive or value > 0
        assert not negative or value < 0
        assert rad >= 0  # and no NaN
        if np.isfinite(rad):
            assert abs(value - Fraction(mid)) <= Fraction(rad)


def draw_enclosure(data, *shape):
    """An enclosure and, as nested-free list, exact values inside it."""
    count = int(np.prod(shape))
    mids = data.draw(st.lists(FLOATS, min_size=count, max_size=count))
    rads = data.draw(st.lists(RADII, min_size=count, max_size=count))
    places = data.draw(st.lists(PLACES, min_size=count, max_size=count))
    exact = [
        Fraction(m) + (Fraction(r) * p if np.isfinite(r) else Fraction(10) ** 400 * p)
        for m, r, p in zip(mids, rads, places, strict=True)
    ]
    return Enclosure(np.array(mids).reshape(shape), np.array(rads).reshape(shape)), exact


@MANY
@given(st.lists(RATIONALS, min_size=1, max_size=5))
def test_enclose_contains_the_rationals(values):
    """Numerators over a common denominator, subnormal and overflowing quotients included."""
    denominator = int(np.prod([v.denominator for v in values], dtype=object))
    numerators = np.array([int(v * denominator) for v in values], dtype=object)
    assert_contains(enclose(numerators, denominator), values)


@MANY
@given(st.data(), st.integers(1, 4), st.integers(1, 3))
def test_affine_contains_the_exact_product(data, length, filters):
    """x W + b for any exact x, W, b inside their enclosures."""
    x, X = draw_enclosure(data, 2, length)
    W, V = draw_enclosure(data, length, filters)
    b, B = draw_enclosure(data, filters)
    exact = [
        sum(X[i * length + r] * V[r * filters + t] for r in range(length)) + B[t]
        for i in range(2)
        for t in range(filters)
    ]
    assert_contains(affine(x, W, b), exact)


@MANY
@given(st.data())
def test_square_contains_the_exact_square(data):
    """x^2 for any exact x inside its enclosure."""
    x, X = draw_enclosure(data, 4)
    assert_contains(square(x), [value * value for value in X])


@MANY
@given(st.data(), RATIONALS)
def test_scaled_contains_the_exact_multiple(data, factor):
    """factor * x, also for factors that float64 can only hold as a subnormal, 0 or infinity."""
    x, X = draw_enclosure(data, 4)
    if factor == 0:  # then infinite radii are cut as well, and rightly
        assert scaled(x, factor).rad.tolist() == [0.0] * 4
    assert_contains(scaled(x, factor), [factor * value for value in X])


@pytest.mark.parametrize("power", [-400, -324, -323, -320, -310, 308, 309, 400])
def test_factors_at_the_ends_of_float64(power):
    """A slope of 10^-400 is no 0 and one of 10^400 no error: the bug that a float factor invites."""
    x = Enclosure(np.array([1e300, -1e300, 1e-300, 0.0]), np.zeros(4))
    factor = Fraction(7, 3) * Fraction(10) ** power
    assert_contains(scaled(x, factor), [factor * Fraction(v) for v in x.mid.tolist()])


def test_radii_are_small_where_nothing_is_wild():
    """The enclosures decide something: on ordinary numbers the radius is near the rounding."""
    rng = np.random.default_rng(0)
    x = enclose(rng.integers(-255, 256, (5, 30)), 255)
    W = enclose(rng.integers(-(2**16), 2**16, (30, 7)), 2**16)
    b = enclose(rng.integers(-(2**16), 2**16, 7), 2**16)
    result = affine(x, W, b)
    assert float(result.rad.max()) < 1e-12
    assert bool((result.positive() | result.negative()).all())
    assert float(square(result).rad.max()) < 1e-10
    assert float(scaled(result, Fraction(1, 3)).rad.max()) < 1e-12


def test_overflow_decides_nothing():
    """Infinite and NaN midpoints have infinite radii, so that no sign is claimed."""
    x = Enclosure(np.array([[HUGE, HUGE]]), np.zeros((1, 2)))
    W = Enclosure(np.array([[2.0], [-2.0]]), np.zeros((2, 1)))
    for result in (
        affine(x, W, Enclosure(np.zeros(1), np.zeros(1))),
        square(x),
        enclose(np.array([10**400]), 1),
    ):
        assert np.isinf(result.rad).all()
        assert not result.positive().any()
        assert not result.negative().any()
