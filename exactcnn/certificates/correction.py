"""Floor 5: a change D of the output weights that nearly interpolates, in few digits (FORMAT.md, Lemma 18).

D is pinv(F) (Y - F W - 1 b^T), refined with residuals in balls; what is left, divided by a certified bound of
sigma_min(F), bounds the distance of D from an exact interpolation.  No inverse is published.

For thousands of samples (``large_correction``) D comes from float64, and so does the bound of what is left.  The checker's bound
of sigma_min is 2^-(r+1) / max ||x_j||, and max ||x_j|| about 1 / sigma_min: the fewer bits r a solution shows, the better
the bound and the more solutions are needed.  The largest r is taken with which what is left hardly adds to the distance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import isqrt, lcm
from typing import TYPE_CHECKING, Any

import numpy as np

from exactcnn.arithmetic.enclosures import enclose
from exactcnn.arithmetic.integers import exact_matmul, scale
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates.regular import Solver, independent_columns
from exactcnn.certificates.solutions import SOLUTION_BITS
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import column_pivots, feature_balls
from exactcnn.features.enclosures import feature_enclosure
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.landscape.float_features import output_residual
from exactcnn.landscape.least_change import PLACES, Change, left_over, on_grid
from exactcnn.linalg.singular_values import float_enclosure

if TYPE_CHECKING:
    from exactcnn.certificates.judgments import Draft
    from exactcnn.landscape.nearby import Nearby

__all__ = ["Correction", "correction", "large_correction"]

_PLACES = 128  # of D and of the enclosures
_SPARE = Fraction(1, 2**40)
_LARGE_PLACES = 80
_MOST_EXACT = 200_000_000  # products of Python integers: some ten seconds
_STEPS, _QUIET = 3, 8  # what is left may add a 256th
_LEAST, _LARGEST_BITS = 4, 24  # bits that a solution is worth at least (48 of them); r at most


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


def large_correction(draft: Draft, evidence: Nearby, change: Change) -> tuple[Correction, int]:
    """The correction and the number of its judgment on sigma_min; UndecidedError where float64 does not lead there."""
    instance, k, Y = draft.instance, evidence.layer, evidence.targets
    entry = instance.need_weights()[k + 1]
    F = feature_enclosure(instance, k)
    columns, part = independent_columns(instance, k, F)
    solver = Solver(part.mid.astype(np.longdouble), part.rad)
    lost = solver.bits - solver.strength
    # ||x_j|| is a sum of squares of mean ||A^-1||^2 / 3; six times that norm is met by nothing.
    longest = Fraction(4.0 * float(np.linalg.norm(solver.inverse)))
    measure = _exact_measure(instance, k, Y)
    if measure is None:
        r = output_residual(F, enclose(entry.W.numerators, entry.W.denominator), entry.b, Y)
        measure = partial(left_over, F, r)
    D = change.D.copy()
    middle, rest = measure(D)
    for _ in range(_STEPS):
        better = D.copy()
        better[columns] += solver.inverse @ middle
        better = on_grid(better)
        left, bound = measure(better)
        if 2 * bound >= rest:
            break
        D, middle, rest = better, left, bound
    rest = rest * (1 + _SPARE) + _SPARE
    size = Change(D, rest).size
    possible = range(lost + _LEAST, min(solver.bits, _LARGEST_BITS) + 1)
    if not possible:
        raise UndecidedError("the features are too ill-conditioned for float64")
    quiet = [bits for bits in possible if rest * 2 ** (bits + 1) * longest * 2**_QUIET <= size]
    bits = quiet[-1] if quiet else possible[0]
    distance = (size + rest * 2 ** (bits + 1) * longest) * (1 + _SPARE) + _SPARE
    judgment = {
        "kind": "minor-enclosed", "of": draft.features(k, None), "rows": list(range(instance.N)), "columns": columns,
        "precision": _LARGE_PLACES, "solutions": None,
    }  # fmt: skip

    def solutions(record: dict[str, Any]) -> dict[str, Any]:
        found = solver.solutions(record, judgment, bits)
        most = max(sum(int(v) ** 2 for v in vector) for vector in found["vectors"])
        if Fraction(isqrt(most) + 1, 1 << found["scale"]) > longest:
            raise UndecidedError("a solution is longer than the distance allows for")
        return found

    numerators = np.array([[int(v) for v in row] for row in np.ldexp(D, PLACES)], dtype=object)
    made = Correction(
        RationalArray.from_integers(numerators, 1 << PLACES),
        tuple(columns),
        _LARGE_PLACES,
        _few_digits(distance),
    )
    return made, draft.add(judgment, solutions)


def _exact_measure(
    instance: Instance, k: int, Y: RationalArray
) -> Callable[[np.ndarray], tuple[np.ndarray, Fraction]] | None:
    """D -> (Y - F (W + D) - 1 b^T, a bound of its Frobenius norm), in integers; None where F is not rational, or it is long work."""
    entry = instance.need_weights()[k + 1]
    if not entry.rational or instance.N * instance.network.layer(k).width * Y.shape[1] > _MOST_EXACT:
        return None
    try:
        features = FeatureMatrix(instance, k)
    except UndecidedError:
        return None
    if features.domain != "rational":
        return None
    F = features.exact
    b = RationalArray.from_integers(np.zeros(Y.shape[1], dtype=np.int64)) if entry.b is None else entry.b
    q = lcm(entry.W.denominator, 1 << PLACES)
    over = lcm(F.denominator * q, Y.denominator, b.denominator)
    W = scale(entry.W.numerators, q // entry.W.denominator).astype(object)
    goal = scale(Y.numerators, over // Y.denominator).astype(object) - scale(
        b.numerators, over // b.denominator
    ).astype(object)

    def measure(D: np.ndarray) -> tuple[np.ndarray, Fraction]:
        whole = W + np.array([[int(v) for v in row] for row in np.ldexp(D, PLACES)], dtype=object) * (
            q >> PLACES
        )
        left = goal - exact_matmul(F.numerators, whole).astype(object) * (over // (F.denominator * q))
        norm = isqrt(sum(int(v) ** 2 for v in left.ravel())) + 1
        return (left / over).astype(np.float64), Fraction(norm, over)

    return measure


def _integer(value: float, exponent: int) -> int:
    return int(Fraction(value) * Fraction(2) ** exponent)


def _few_digits(value: Fraction) -> Fraction:
    return Fraction(-(-value.numerator * 2**60 // value.denominator), 2**60)
