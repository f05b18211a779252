"""The one place where interop rounds: gamma / sqrt(v), against decimal arithmetic of 100 digits."""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest

from exactcnn.errors import MalformedError
from exactcnn.interop.rounding import nearest_scale


def oracle(gamma, variance):
    with localcontext() as context:
        context.prec = 100
        g = Decimal(gamma.numerator) / gamma.denominator
        v = Decimal(variance.numerator) / variance.denominator
        return float(g / v.sqrt())


@pytest.mark.parametrize("seed", range(300))
def test_scales_are_the_nearest_doubles(seed):
    """Random gammas and variances of every size, as floats are."""
    rng = random.Random(seed)
    gamma = Fraction(rng.choice([-1, 1]) * rng.random() * 2.0 ** rng.randint(-60, 60))
    variance = Fraction(rng.random() * 2.0 ** rng.randint(-80, 80)) + Fraction(1e-5)
    value, exact = nearest_scale(gamma, variance, "bn")
    assert value == Fraction(oracle(gamma, variance))
    assert not exact


def test_exact_scales_are_said_to_be_exact():
    """A perfect square, a zero, and a root that is rational but no double."""
    assert nearest_scale(Fraction(-3), Fraction(9, 4), "bn") == (Fraction(-2), True)
    assert nearest_scale(Fraction(0), Fraction(2), "bn") == (Fraction(0), True)
    value, exact = nearest_scale(Fraction(1), Fraction(9), "bn")
    assert value == Fraction(1 / 3)
    assert not exact


def test_near_ties_are_decided_by_the_sticky_bit():
    """(2^53 + 1) / sqrt(1 +- tiny): on both sides of the middle between two doubles."""
    middle, tiny = Fraction(2**53 + 1), Fraction(1, 2**400)
    assert nearest_scale(middle, 1 - tiny, "bn")[0] == 2**53 + 2
    assert nearest_scale(middle, 1 + tiny, "bn")[0] == 2**53
    assert nearest_scale(middle, Fraction(1), "bn") == (Fraction(2**53), False)  # a tie goes to even


def test_subnormal_scales():
    """The nearest double may be subnormal, or 0."""
    value, exact = nearest_scale(Fraction(1, 2**1000), Fraction(3 * 2**120), "bn")
    assert value == Fraction(oracle(Fraction(1, 2**1000), Fraction(3 * 2**120)))
    assert not exact
    assert nearest_scale(Fraction(1, 2**2000), Fraction(1), "bn") == (Fraction(0), False)


@pytest.mark.parametrize("gamma, variance", [(1, 0), (1, -1), (Fraction(2**1000), Fraction(1, 2**200))])
def test_impossible_scales_are_refused(gamma, variance):
    """No positive variance, or beyond float64."""
    with pytest.raises(MalformedError, match=r"bn\[3\]: expected"):
        nearest_scale(Fraction(gamma), Fraction(variance), "bn[3]")
