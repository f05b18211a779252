"""Floor 1: float64 enclosures with a proved error bound.

An ``Enclosure`` is midpoint and radius: the exact value lies in [mid - rad, mid + rad].
A radius that is not finite encloses everything and decides nothing.

Error analysis (u = 2^-53, gamma_n = n u / (1 - n u) <= 2 n u for n u <= 1/2).  A dot product
of l products and a bias, summed classically in any order, fused or not, has an error of at
most gamma_(l+1) (sum |w||x| + |b|) plus underflow, 2^-1074 for each operation (Higham,
Accuracy and Stability, section 3.1).  The radii are themselves sums of non-negative numbers
of depth below l + 8, so their computed value times 1 + 4 (l + 8) u is an upper bound.  BLAS
libraries that use Strassen products or flush subnormals are outside this analysis; OpenBLAS
and MKL's dgemm are classical.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["Enclosure", "affine", "combination", "enclose", "scaled", "square"]

_U = 2.0**-53
_TINY = 2.0**-1060  # above any sum of up to 2^12 underflow errors; scaled by the length below


@dataclass(frozen=True, eq=False)
class Enclosure:
    """mid and rad are float64 arrays of one shape."""

    mid: np.ndarray
    rad: np.ndarray

    def positive(self) -> np.ndarray:
        """Mask: certainly > 0."""
        return self.mid > self.rad

    def negative(self) -> np.ndarray:
        """Mask: certainly < 0."""
        return self.mid < -self.rad


def enclose(numerators: np.ndarray, denominator: int) -> Enclosure:
    """Enclosure of numerators / denominator; both divisions below are correctly rounded."""
    if (
        numerators.dtype != object
        and denominator < 2**53
        and np.abs(numerators.astype(np.float64)).max(initial=0) < 2**53
    ):
        # Both operands are exact float64 values, so the IEEE quotient has one rounding.
        mid = numerators.astype(np.float64) / float(denominator)
        return Enclosure(mid, np.abs(mid) * (2 * _U) if denominator > 1 else np.zeros_like(mid))
    flat = [_quotient(int(v), denominator) for v in numerators.ravel().tolist()]
    mid = np.array(flat, dtype=np.float64).reshape(numerators.shape)
    return Enclosure(mid, np.abs(mid) * (2 * _U) + _TINY)


def _quotient(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator
    except OverflowError:
        return float("inf") if numerator > 0 else float("-inf")


def affine(x: Enclosure, W: Enclosure, b: Enclosure) -> Enclosure:
    """x @ W + b for x (.., l), W (l, T), b broadcastable to (.., T)."""
    length = x.mid.shape[-1]
    with np.errstate(all="ignore"):
        absolute_W, absolute_x = np.abs(W.mid), np.abs(x.mid)
        mid = x.mid @ W.mid + b.mid
        magnitude = absolute_x @ absolute_W + np.abs(b.mid)
        radius = (
            x.rad @ absolute_W + (absolute_x + x.rad) @ W.rad + b.rad + (2.0 * (length + 1) * _U) * magnitude
        )
        radius = radius * (1.0 + 4.0 * (length + 8) * _U) + _TINY * (length + 8)
    radius[~np.isfinite(mid) | ~np.isfinite(radius)] = np.inf
    return Enclosure(mid, radius)


def combination(
    x: Enclosure, indices: np.ndarray, coefficients: np.ndarray, shifts: np.ndarray, denominator: int
) -> Enclosure:
    """(sum_j coefficients[h, j] x[:, indices[h, j]] + shifts[h]) / denominator, integers as in `integers.combine`.

    The same sums as in ``affine``, term by term, so the same bound; what is only moved stays exact.
    """
    if indices.shape[1] == 1 and not shifts.any() and (coefficients == denominator).all():
        return Enclosure(*(np.ascontiguousarray(part[:, indices[:, 0]]) for part in (x.mid, x.rad)))
    length = indices.shape[1]
    c, b = enclose(coefficients, denominator), enclose(shifts, denominator)
    shape = (x.mid.shape[0], 1)
    mid, magnitude, radius = np.tile(b.mid, shape), np.tile(np.abs(b.mid), shape), np.tile(b.rad, shape)
    with np.errstate(all="ignore"):
        for j in range(length):
            part, slack = x.mid[:, indices[:, j]], x.rad[:, indices[:, j]]
            mid += part * c.mid[:, j]
            size = np.abs(part)
            magnitude += size * np.abs(c.mid[:, j])
            radius += slack * np.abs(c.mid[:, j]) + (size + slack) * c.rad[:, j]
        radius += (2.0 * (length + 1) * _U) * magnitude
        radius = radius * (1.0 + 4.0 * (length + 8) * _U) + _TINY * (length + 8)
    radius[~np.isfinite(mid) | ~np.isfinite(radius)] = np.inf
    return Enclosure(mid, radius)


def square(x: Enclosure) -> Enclosure:
    """x^2: |x^2 - mid^2| <= rad (2 |mid| + rad), plus one rounding of mid^2."""
    with np.errstate(all="ignore"):
        mid = x.mid * x.mid
        radius = x.rad * (2.0 * np.abs(x.mid) + x.rad) + (2 * _U) * mid
        radius = radius * (1.0 + 16.0 * _U) + _TINY
    radius[~np.isfinite(mid) | ~np.isfinite(radius)] = np.inf
    return Enclosure(mid, radius)


def scaled(x: Enclosure, factor: Fraction) -> Enclosure:
    """factor * x; exactly 0 for factor 0.

    The float nearest to the factor is off by at most u |number| + 2^-1075 (subnormals).
    """
    if factor == 0:
        return Enclosure(np.zeros_like(x.mid), np.zeros_like(x.rad))
    number = _quotient(factor.numerator, factor.denominator)
    with np.errstate(all="ignore"):
        mid = x.mid * number
        radius = x.rad * abs(number) + (4 * _U) * np.abs(mid) + (4 * _U) * x.rad * abs(number)
        radius = (radius + 2.0**-1074 * (np.abs(x.mid) + x.rad)) * (1.0 + 16.0 * _U) + _TINY
    radius[~np.isfinite(mid) | ~np.isfinite(radius)] = np.inf
    return Enclosure(mid, radius)
