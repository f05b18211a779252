"""Products and sums of enclosures where each term of the bound is the one that binds; against Fractions."""

from fractions import Fraction

import numpy as np
import pytest

from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.landscape.enclosed_products import (
    Operand,
    Scattering,
    enclosed_sum,
    plus,
    product,
    spread,
    square_sum,
    times,
    transposed_product,
)

A = 1 + 2.0**-52  # A * A is no float
TINY = 2.0**-60  # 1 + TINY is 1


def column(*values, rad=0.0):
    mid = np.array(values, dtype=float).reshape(-1, 1)
    return Enclosure(mid, np.full_like(mid, rad))


def by_operand(x, W, b=None):
    return product(x.mid, spread(x, W.relative, 1), W, b)


ONE, ONE_WIDE = Operand(np.ones((1, 1)), 0.0), Operand(np.ones((1, 1)), 0.25)
CASES = {  # what is computed, and an exact value that it may have
    "a product is rounded": (lambda: times(column(A), column(A)), Fraction(A) ** 2),
    "radii meet radii": (lambda: times(column(1, rad=0.5), column(1, rad=0.5)), Fraction(9, 4)),
    "a sum is rounded": (lambda: plus(column(1), column(TINY)), 1 + Fraction(TINY)),
    "radii add": (lambda: plus(column(1, rad=0.5), column(1, rad=0.5)), Fraction(3)),
    "a long sum is rounded": (lambda: enclosed_sum(column(1, TINY, TINY)), 1 + 2 * Fraction(TINY)),
    "a transposed product is rounded": (lambda: transposed_product(column(A), column(A)), Fraction(A) ** 2),
    "a transposed product of radii": (
        lambda: transposed_product(column(1, rad=0.5), column(1, rad=0.5)), Fraction(9, 4),
    ),
    "an operand's product is rounded": (lambda: by_operand(column(A), Operand(np.full((1, 1), A), 0.0)), Fraction(A) ** 2),
    "an operand is wide": (lambda: by_operand(column(1), ONE_WIDE), Fraction(5, 4)),
    "a wide operand meets a radius": (lambda: by_operand(column(1, rad=0.5), ONE_WIDE), Fraction(15, 8)),
    "a shift is wide": (lambda: by_operand(column(0), ONE, Operand(np.ones(1), 0.25)), Fraction(5, 4)),
    "a shift is rounded": (lambda: by_operand(column(TINY), ONE, Operand(np.ones(1), 0.0)), 1 + Fraction(TINY)),
    "scattered sums are rounded": (
        lambda: Scattering(np.array([[0, 0, 0]]), 1)(Enclosure(np.array([[1, TINY, TINY]]), np.zeros((1, 3)))),
        1 + 2 * Fraction(TINY),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_contains_what_it_may_be(name):
    made, exact = CASES[name]
    found = made()
    assert abs(Fraction(float(found.mid.ravel()[0])) - exact) <= Fraction(float(found.rad.ravel()[0]))


def test_squares_are_rounded():
    low, high = square_sum(column(A))
    assert low < Fraction(A) ** 2 < high
    low, high = square_sum(column(1, rad=0.5))
    assert low <= Fraction(1, 4)
    assert high >= Fraction(9, 4)


def test_what_is_exactly_zero_stays_so():
    zero = column(0.0)
    for found in (times(zero, column(3, rad=1.0)), plus(zero, zero)):
        assert (found.mid == 0).all()
        assert (found.rad == 0).all()
