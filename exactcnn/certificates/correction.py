"""Floor 5: a change D of the output weights that nearly interpolates, in few digits (FORMAT.md, Lemma 18).

D is pinv(F) (Y - F W - 1 b^T), refined with residuals in balls; what is left, divided by a certified bound of
sigma_min(F), bounds the distance of D from an exact interpolation.  No inverse is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates.solutions import SOLUTION_BITS
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import column_pivots, feature_balls
from exactcnn.linalg.singular_values import float_enclosure

if TYPE_CHECKING:
    from exactcnn.certificates.judgments import Draft
    from exactcnn.landscape.nearby import Nearby

__all__ = ["Correction", "correction"]

_PLACES = 128  # of D and of the enclosures
_SPARE = Fraction(1, 2**40)


@dataclass(frozen=True, eq=False)
class Correction:
    """``columns``: a square part of F_k for its least singular value; ``distance`` bounds what a checker will find."""

    change: RationalArray
    columns: tuple[int, ...]
    precision: int
    distance: Fraction


def correction(draft: Draft, evidence: Nearby) -> Correction:
    """UndecidedError where float64 cannot lead the way."""
    from flint import arb, arb_mat, ctx, fmpq, fmpz

    instance, k, N = draft.instance, evidence.layer, evidence.samples
    entry, Y = instance.need_weights()[k + 1], evidence.targets
    places = _PLACES
    with ctx.workprec(places + 64):
        balls = feature_balls(instance, k, places + 64)
        F, W = (
            arb_mat(balls),
            arb_mat([[arb(fmpq(int(v), entry.W.denominator)) for v in row] for row in entry.W.numerators]),
        )
        middle = float_enclosure(balls).mid
        columns = tuple(sorted(column_pivots(middle, N)))
        if len(columns) < N or not np.isfinite(middle).all():
            raise UndecidedError("F has no square part that float64 shows to be regular")
        shift = [arb(0)] * Y.shape[1]
        if entry.b is not None:
            shift = [arb(fmpq(int(v), entry.b.denominator)) for v in entry.b.numerators]
        goal = arb_mat(
            [
                [arb(fmpq(int(v), Y.denominator)) - s for v, s in zip(row, shift, strict=True)]
                for row in Y.numerators
            ]
        )
        pseudo = np.linalg.pinv(middle, rcond=1e-14)
        change = np.zeros((middle.shape[1], Y.shape[1]), dtype=object)
        for _ in range(8):
            D = arb_mat([[fmpz(int(v)) for v in row] for row in change]) * (arb(2) ** -places)
            rest = goal - F * (W + D)
            size = max((abs(v).upper() for v in rest.entries()), default=arb(0))
            exponent = 0 if size == 0 else min(0, int(float(size.log() / arb(2).log())) + 1)
            scaled = np.array(
                [[float((v * arb(2) ** -exponent).mid()) for v in row] for row in rest.tolist()]
            )
            step = pseudo @ scaled
            if exponent < -(places - 24):
                break
            change = change + np.array(
                [[_integer(v, places + exponent) for v in row] for row in step], dtype=object
            )
        D = arb_mat([[fmpz(int(v)) for v in row] for row in change]) * (arb(2) ** -places)
        rest = goal - F * (W + D)
        square = sum((v.abs_upper() ** 2 for v in rest.entries()), arb(0))
        left = Fraction(
            int((square.upper().sqrt().upper() * arb(2) ** places).upper().ceil().unique_fmpz()) + 1,
            1 << places,
        )
    norm = Fraction(isqrt(sum(int(v) ** 2 for v in change.ravel())) + 1, 1 << places)
    # The checker's bound of sigma_min is 2^-(bits + 1) / max |x|, |x| at most sqrt(N) / sigma_min up to rounding.
    least = float(np.linalg.svd(middle[:, columns], compute_uv=False)[-1])
    if not least > 0:
        raise UndecidedError("F is singular to float64")
    sigma = Fraction(least) / (2 ** (SOLUTION_BITS + 2) * (isqrt(N) + 1))
    distance = (norm + left / sigma) * (1 + _SPARE) + _SPARE
    return Correction(
        RationalArray.from_integers(change, 1 << places), columns, places, _few_digits(distance)
    )


def _integer(value: float, exponent: int) -> int:
    return int(Fraction(value) * Fraction(2) ** exponent)


def _few_digits(value: Fraction) -> Fraction:
    return Fraction(-(-value.numerator * 2**60 // value.denominator), 2**60)
