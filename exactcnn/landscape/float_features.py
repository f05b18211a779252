"""Floor 3: a float solution of F X = Y with a proved distance to an exact one, F in float64 enclosures.

For sizes where nothing exact or in balls is affordable (1,797 samples, 2,304 features).  All bounds are
those of ``features.enclosures``, ``linalg.singular_values`` and ``linalg.singular_enclosures``; no tolerance enters.

Certified solution.  Let rank F = N, X~ any floats, R = Y - F X~.  F^+ = F^T (F F^T)^{-1} has norm
1 / sigma_min(F), and X = X~ + F^+ R solves F X = Y, so ||X - X~||_F <= ||R||_F / sigma_min(F).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure, affine, enclose
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.linalg.singular_enclosures import enclosed_singular_values
from exactcnn.linalg.singular_values import smallest_singular_values
from exactcnn.progress import report

__all__ = [
    "CertifiedSolution",
    "certified_solution",
    "norm_bounds",
    "output_residual",
    "smallest_singular_value",
]

_TINY = 2.0**-500
_BY_FACTORS = 400


@dataclass(frozen=True, eq=False)
class CertifiedSolution:
    """X~ (n x m) with ||Y - F X~||_F <= ``residual``, ``sigma`` enclosing sigma_min(F).

    ``distance`` bounds ||X - X~||_F for some X with F X = Y exactly; None if sigma_min(F) > 0 is not
    proved, and then nothing is claimed.
    """

    X: np.ndarray
    residual: float
    sigma: tuple[float, float]

    @property
    def distance(self) -> float | None:
        low = self.sigma[0]
        if not low > 0 or not np.isfinite(self.residual):
            return None
        # One rounding of the quotient; 2^-1000 where it is subnormal.
        return float(self.residual / low * (1.0 + 2.0**-51) + 2.0**-1000)


def norm_bounds(x: Enclosure) -> tuple[float, float]:
    """(low, high) for the Frobenius norm of every array in x.

    >>> low, high = norm_bounds(Enclosure(np.array([[3.0, 4.0]]), np.zeros((1, 2))))
    >>> bool(low <= 5 <= high < 5.0000001)
    True
    """
    with np.errstate(all="ignore"):
        magnitude = np.abs(x.mid)
        slack = (x.mid.size + 16) * 2.0**-51
        upper, lower = magnitude + x.rad, np.maximum(magnitude - x.rad, 0.0)
        high = float(np.sqrt((upper * upper).sum())) * (1.0 + slack) + _TINY
        low = float(np.sqrt((lower * lower).sum())) * (1.0 - slack) - _TINY
    if not np.isfinite(high):
        return 0.0, float("inf")
    return max(low, 0.0), high


def smallest_singular_value(F: Enclosure) -> tuple[float, float]:
    """(low, high) for sigma_min of every matrix in F (N, n): by a decomposition, or by factors, which scale."""
    if _BY_FACTORS <= F.mid.shape[0] <= F.mid.shape[1]:
        found = enclosed_singular_values(F.mid, F.rad, largest=False).smallest
        if found[0] > 0:
            return found
    low, high = smallest_singular_values(Enclosure(F.mid[None], F.rad[None]))
    return float(low[0]), float(high[0])


def output_residual(
    F: Enclosure, X: Enclosure | np.ndarray, b: RationalArray | None, Y: RationalArray
) -> Enclosure:
    """Y - F X - 1 b^T, (N, m)."""
    weights = Enclosure(-X, np.zeros_like(X)) if isinstance(X, np.ndarray) else Enclosure(-X.mid, X.rad)
    target = enclose(Y.numerators, Y.denominator)
    if b is not None:
        shift = enclose(b.numerators, b.denominator)
        mid = target.mid - shift.mid
        rad = (target.rad + shift.rad + 2.0**-52 * np.abs(mid)) * (1.0 + 2.0**-50) + 2.0**-1060
        target = Enclosure(mid, rad)
    return affine(F, weights, target)


def certified_solution(F: Enclosure, Y: RationalArray) -> CertifiedSolution:
    """A float least-norm solution of F X = Y (N x n, N x m), and how far an exact solution is at most."""
    N, n = F.mid.shape
    if n < N or not np.isfinite(F.mid).all() or not np.isfinite(F.rad).all():
        raise UndecidedError(f"{n} columns for {N} samples, or features beyond float64")
    sigma = smallest_singular_value(F)
    report("least-norm solution", 0, 1)
    y = Y.numerators.astype(np.float64) / float(Y.denominator)
    try:
        Q, R = np.linalg.qr(F.mid.T)
        X = Q @ np.linalg.solve(R.T, y)
        X = X + Q @ np.linalg.solve(R.T, y - F.mid @ X)  # one step of refinement
    except np.linalg.LinAlgError:
        raise UndecidedError("the float features are singular") from None
    residual = norm_bounds(output_residual(F, X, None, Y))[1]
    return CertifiedSolution(X, residual, sigma)
