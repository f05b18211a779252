"""Floats shown as an enclosure enclose: the nearest float to an end may lie inside the interval."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from exactcnn.statements.critical_nearby import enclosing_floats

ENDS = st.fractions(-(10**6), 10**6)


@given(ENDS, ENDS)
def test_nothing_is_lost(a, b):
    """The exact ends lie between the floats, and no closer pair of floats does it."""
    low, high = min(a, b), max(a, b)
    below, above = enclosing_floats(low, high)
    assert below <= low <= high <= above
    assert math.nextafter(below, math.inf) > low or Fraction(below) == low
    assert math.nextafter(above, -math.inf) < high or Fraction(above) == high


def test_where_the_nearest_float_is_inside():
    """float(1/10) lies above 1/10 and float(3/10) below 3/10: taken as ends they would cut both off."""
    assert Fraction(0.1) > Fraction(1, 10)
    assert Fraction(0.3) < Fraction(3, 10)
    below, above = enclosing_floats(Fraction(1, 10), Fraction(3, 10))
    assert Fraction(below) < Fraction(1, 10) < Fraction(3, 10) < Fraction(above)
