"""Floor 5: Clopper-Pearson intervals for a binomial proportion, rounded outwards, proved.

With x successes of n, the ends solve P(X >= x | low) = P(X <= x | high) = alpha / 2.  Here they
are moved outwards to the grid 10^-6: low is the largest grid point g with
P(X >= x | g) = I_g(x, n - x + 1) <= alpha / 2, found by bisection, each comparison decided by an
Arb ball of the regularised incomplete beta function.  A comparison that no precision decides
counts as failed, which only moves the end further out.  So the interval covers the true
proportion with probability at least 1 - alpha, whatever it is (over independent draws).
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from exactcnn.errors import MisuseError

__all__ = ["LEVEL", "clopper_pearson"]

LEVEL = Fraction(95, 100)
_GRID = 10**6
_MOST_PRECISION = 2048


def clopper_pearson(successes: int, draws: int, level: Fraction = LEVEL) -> tuple[Fraction, Fraction]:
    """(low, high), multiples of 10^-6 around the Clopper-Pearson interval of ``level``.

    MisuseError unless 0 <= successes <= draws, draws >= 1 and 0 < level < 1.

    >>> clopper_pearson(0, 1), clopper_pearson(9, 10)
    ((Fraction(0, 1), Fraction(975001, 1000000)), (Fraction(554983, 1000000), Fraction(31171, 31250)))
    """
    if not 0 <= successes <= draws or draws < 1:
        raise MisuseError("successes", f"from 0 to draws = {draws} >= 1", successes)
    if not 0 < level < 1:
        raise MisuseError("level", "a rational strictly between 0 and 1", level)
    return _low(successes, draws, level), 1 - _low(draws - successes, draws, level)


@lru_cache(maxsize=4096)
def _low(x: int, n: int, level: Fraction) -> Fraction:
    if x == 0:
        return Fraction(0)
    certain, doubtful = 0, _GRID  # I_0 = 0 and I_1 = 1
    while doubtful - certain > 1:
        middle = (certain + doubtful) // 2
        if _tail_at_most(x, n, Fraction(middle, _GRID), (1 - level) / 2):
            certain = middle
        else:
            doubtful = middle
    return Fraction(certain, _GRID)


def _tail_at_most(x: int, n: int, p: Fraction, bound: Fraction) -> bool:
    """Is P(X >= x) <= bound proved, X binomial (n, p)?"""
    from flint import arb, ctx, fmpq

    precision = 64
    while precision <= _MOST_PRECISION:
        with ctx.workprec(precision):
            tail = arb(fmpq(p.numerator, p.denominator)).beta_lower(x, n - x + 1, True)
            limit = arb(fmpq(bound.numerator, bound.denominator))
            if tail < limit:
                return True
            if tail > limit:
                return False
        precision *= 2
    return False
