"""Floor 3: how far an exact global minimum with zero loss is, changing the output weights only (theory 2.13).

k = L-1, F = F_k (N x n), r = Y - F W_L - 1 b^T the residual, N x m.

*Right inverse* (balls, up to a few hundred samples).  C is any rational n x N matrix, E = I - F C,
eps = ||E||_inf (largest row sum) < 1.  Then F C is non-singular, so rank F = N; z = (F C)^{-1} r
solves z = r + E z, hence for every column c: ||z_c||_inf <= rho_c / (1 - eps), rho_c = ||r_c||_inf, and
|z - r| <= tau_c = eps rho_c / (1 - eps) entry by entry.  dW = C z solves F dW = r exactly: W_L + dW has
zero loss, and |dW_hc| <= |(C r)_hc| + tau_c sum_j |C_hj|.  The Frobenius norm of these bounds is the
``distance``.  With C near the pseudo-inverse it is the distance to the nearest interpolating W, up to
rounding.  The checker repeats the computation in its own fixed point.

*Float64* (beyond that): ||dW||_F <= ||D|| + ||r - F D||_F / sigma_min(F) for any D, by ``least_change``.

*The loss from its gradient* (Lemma 4.3, k = L-1): Phi <= ||grad_{U_L} Phi||^2 / (2 sigma_min(F)^2).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure, affine, enclose
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import feature_balls, fixed_point_places, verified_minor
from exactcnn.features.enclosures import feature_enclosure
from exactcnn.features.instance import Instance
from exactcnn.landscape.float_features import norm_bounds, output_residual, smallest_singular_value
from exactcnn.landscape.interpolation import target_matrix
from exactcnn.landscape.least_change import Change, least_change
from exactcnn.linalg.singular_values import float_enclosure
from exactcnn.linalg.verified_inverse import VerifiedInverse

__all__ = ["Nearby", "RightInverse", "nearby_by_balls", "nearby_by_floats", "suits_balls"]

_MOST_SAMPLES, _MOST_BALLS, _MOST_INVERSE = 300, 1_000_000, 250_000
_PRECISION = 256
_MOST_WORK = 4 * 10**12  # N^2 n: a few products of that size take some minutes on two cores
_SPARE_PLACES = 64
# Bits of C beyond what eps < 1/2 needs: the distance is too large by about a factor 1 + sqrt(n) 2^-24.
_SHARPER = 24


@dataclass(frozen=True, eq=False)
class RightInverse:
    """C: row number h of ``table`` / 2^``scale`` is row columns[h], the other rows are 0."""

    columns: tuple[int, ...]
    table: tuple[tuple[int, ...], ...]
    scale: int
    precision: int


@dataclass(frozen=True, eq=False)
class Nearby:
    """``loss`` encloses Phi, ``distance`` bounds ||W - W_L||_F of some W with zero loss.

    ``from_gradient`` bounds Phi by the gradient (None where sigma_min > 0 is not proved in float64), ``sigma``
    encloses sigma_min(F_k), ``weight_norm`` bounds ||W_L||_F from below.  ``inverse``: the proof by a right
    inverse, None in float64, where ``change`` nearly interpolates.
    """

    layer: int
    samples: int
    width: int
    targets: RationalArray
    loss: tuple[Fraction, Fraction]
    distance: Fraction
    sigma: tuple[float, float]
    from_gradient: float | None
    weight_norm: float
    inverse: RightInverse | None
    change: Change | None = None


def suits_balls(instance: Instance, k: int) -> bool:
    """Is the instance small enough for the right inverse?"""
    N = instance.N
    return N <= _MOST_SAMPLES and N * sum(instance.network.widths[1 : k + 1]) <= _MOST_BALLS


def nearby_by_floats(instance: Instance) -> Nearby:
    """By float64 enclosures; UndecidedError where sigma_min(F_{L-1}) > 0 is not proved."""
    network = instance.network
    k, entry = network.depth - 1, instance.need_weights()[network.depth]
    Y = target_matrix(instance.need_samples(), network.widths[-1])
    if instance.N**2 * network.widths[k] > _MOST_WORK:
        raise UndecidedError(
            f"singular values of a {instance.N} x {network.widths[k]} matrix are too much work"
        )
    F = feature_enclosure(instance, k)
    W = enclose(entry.W.numerators, entry.W.denominator)
    r = output_residual(F, W, entry.b, Y)
    low, high = norm_bounds(r)
    sigma = smallest_singular_value(F)
    if not sigma[0] > 0 or not np.isfinite(high):
        raise UndecidedError(f"float64 does not prove sigma_min(F_{k}) > 0")
    change = least_change(F, r)
    distance = min(Fraction(high), change.size * Fraction(sigma[0]) + change.rest) / Fraction(sigma[0])
    loss = Fraction(low) ** 2 / 2, Fraction(high) ** 2 / 2
    bound = _loss_bound(F, r, sigma)
    weight_norm = norm_bounds(W)[0]
    return Nearby(k, instance.N, F.mid.shape[1], Y, loss, distance, sigma, bound, weight_norm, None, change)


def _loss_bound(F: Enclosure, r: Enclosure, sigma: tuple[float, float]) -> float | None:
    """An upper bound of ||F^T r||^2 / (2 sigma^2)."""
    if not sigma[0] > 0:
        return None
    transposed = Enclosure(np.ascontiguousarray(F.mid.T), np.ascontiguousarray(F.rad.T))
    zero = np.zeros((1, r.mid.shape[1]))
    gradient = norm_bounds(affine(transposed, r, Enclosure(zero, zero)))[1]
    if not np.isfinite(gradient):
        return None
    bound = Fraction(gradient) ** 2 / (2 * Fraction(sigma[0]) ** 2)
    return float(np.nextafter(float(bound), np.inf)) if bound < 10**300 else None


def nearby_by_balls(instance: Instance) -> Nearby:
    """By a right inverse in balls, which a certificate carries; UndecidedError where none is found."""
    from flint import arb, arb_mat, ctx, fmpq

    network = instance.network
    k, entry = network.depth - 1, instance.need_weights()[network.depth]
    Y = target_matrix(instance.need_samples(), network.widths[-1])
    balls = feature_balls(instance, k, _PRECISION)
    F_float = float_enclosure(balls)
    inverse = _right_inverse(instance, k, balls, F_float)
    with ctx.workprec(max(_PRECISION, inverse.precision)):
        if inverse.precision > _PRECISION:
            balls = feature_balls(instance, k, inverse.precision)
        F = arb_mat(balls)
        W = arb_mat([[arb(fmpq(int(v), entry.W.denominator)) for v in row] for row in entry.W.numerators])
        target = [[arb(fmpq(int(v), Y.denominator)) for v in row] for row in Y.numerators]
        shift = [arb(0)] * Y.shape[1]
        if entry.b is not None:
            shift = [arb(fmpq(int(v), entry.b.denominator)) for v in entry.b.numerators]
        rows = zip(target, (F * W).tolist(), strict=True)
        r = [[y - o - s for y, o, s in zip(t, line, shift, strict=True)] for t, line in rows]
        loss = _half_squares(r)
        distance = _distance(balls, r, inverse)
        if distance is None:
            raise UndecidedError("the right inverse is not good enough at the certificate's precision")
        # The checker's enclosures are a little wider; what it accepts must not depend on luck.
        bound = _above(distance * (1 + arb(2) ** -32) + arb(2) ** -50)
        spread = loss.upper() * arb(2) ** -32 + arb(2) ** -50
        ends = max(Fraction(0), -_above(-(loss.lower() - spread))), _above(loss.upper() + spread)
    sigma = smallest_singular_value(F_float)
    from_gradient = _loss_bound(F_float, float_enclosure(r), sigma)
    norm = norm_bounds(enclose(entry.W.numerators, entry.W.denominator))[0]
    return Nearby(k, instance.N, len(balls[0]), Y, ends, bound, sigma, from_gradient, norm, inverse)


def _right_inverse(instance: Instance, k: int, balls: list[list[Any]], F: Enclosure) -> RightInverse:
    """C from float64's pseudo-inverse, or from a verified inverse of a minor."""
    N, n = F.mid.shape
    if n < N:
        raise UndecidedError(f"F_{k} has only {n} columns for {N} samples")
    if np.isfinite(F.mid).all():
        count = min(n, max(N, _MOST_INVERSE // N))
        columns = tuple(h * n // count for h in range(count))
        try:
            pseudo = np.linalg.pinv(F.mid[:, columns], rcond=1e-14)
        except np.linalg.LinAlgError:
            pseudo = np.full((count, N), np.nan)
        if np.isfinite(pseudo).all():
            size = int(np.ceil(np.abs(F.mid).max())) + 1
            scale = (64 * N * count * size).bit_length() + _SHARPER
            with np.errstate(over="ignore"):
                rounded = np.rint(np.ldexp(pseudo, scale))
            if np.isfinite(rounded).all():
                table = tuple(tuple(int(v) for v in row) for row in rounded)
                found = _checked(instance, k, balls, columns, table, scale)
                if found is not None:
                    return found
    minor = verified_minor(instance, k)
    if minor is not None and minor.rank == N:
        found = _checked(instance, k, balls, minor.columns, minor.proof.inverse, minor.proof.scale)
        if found is not None:
            return found
    raise UndecidedError(f"no right inverse of F_{k} was found (it has one only if rank F_{k} = {N})")


def _checked(
    instance: Instance,
    k: int,
    balls: list[list[Any]],
    columns: tuple[int, ...],
    table: tuple[tuple[int, ...], ...],
    scale: int,
) -> RightInverse | None:
    from flint import ctx

    places = fixed_point_places(instance, k, VerifiedInverse(table, scale)) + _SPARE_PLACES
    found = RightInverse(columns, table, scale, min(places, 8192))
    with ctx.workprec(max(_PRECISION, found.precision)):
        if found.precision > _PRECISION:
            balls = feature_balls(instance, k, found.precision)
        return found if _departure(balls, found) is not None else None


def _departure(balls: list[list[Any]], inverse: RightInverse) -> Any:
    """A ball above ||I - F C||_inf if it is below 1/2, else None."""
    from flint import arb

    product = (_columns(balls, inverse.columns) * _matrix(inverse)).tolist()
    worst = arb(0)
    for i, row in enumerate(product):
        total = arb(0)
        for j, entry in enumerate(row):
            total += abs(entry - 1) if i == j else abs(entry)
        worst = worst.max(total)
    return worst if worst < arb(1) / 2 else None


def _columns(balls: list[list[Any]], columns: tuple[int, ...]) -> Any:
    from flint import arb_mat

    return arb_mat([[row[h] for h in columns] for row in balls])


def _matrix(inverse: RightInverse) -> Any:
    from flint import arb, arb_mat, fmpz

    return arb_mat([[fmpz(v) for v in row] for row in inverse.table]) * (arb(2) ** -inverse.scale)


def _distance(balls: list[list[Any]], r: list[list[Any]], inverse: RightInverse) -> Any:
    """A ball above the Frobenius norm of the bounds for |dW|; None if eps < 1/2 is not proved."""
    from flint import arb, arb_mat

    eps = _departure(balls, inverse)
    if eps is None:
        return None
    taus = []
    for column in zip(*r, strict=True):
        rho = arb(0)
        for value in column:
            rho = rho.max(abs(value))
        taus.append(eps * rho / (1 - eps))
    total = arb(0)
    for line, row in zip((_matrix(inverse) * arb_mat(r)).tolist(), inverse.table, strict=True):
        size = arb(sum(map(abs, row))) * arb(2) ** -inverse.scale
        for value, tau in zip(line, taus, strict=True):
            total += (abs(value) + tau * size) ** 2
    return total.upper().sqrt()


def _half_squares(r: list[list[Any]]) -> Any:
    from flint import arb

    total = arb(0)
    for row in r:
        for value in row:
            total += value.abs_lower().union(value.abs_upper()) ** 2
    return total.max(arb(0)) / 2


def _above(x: Any) -> Fraction:
    """A rational of few digits that is at least every number in the ball x."""
    from flint import arb

    top = x.upper()
    if not top.is_finite():
        raise UndecidedError("the bounds are not finite")
    places = 80
    whole = (top * arb(2) ** places).upper().ceil().upper().unique_fmpz()
    if whole is None:
        raise UndecidedError("the bounds are too large")
    return Fraction(int(whole) + 1, 1 << places)
