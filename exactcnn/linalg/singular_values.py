"""Floor 2: certified enclosures of sigma_min(F_k), in float64 with all rounding accounted for.

sigma_min(F) of an N x n matrix is min ||u^T F|| over unit vectors u in R^N: the N-th singular
value, 0 if n < N.  It is positive exactly if rank F = N, and it is the constant of Lemma 4.3.

Error analysis (u = 2^-53, gamma_k = k u / (1 - k u) < 1.01 k u for k < 2^40; norms are Frobenius
norms unless a 2 says otherwise).  F = M + E, M floats, |E| <= R entry by entry.  LAPACK gives
*some* matrices U (N x N), S (diagonal), V (n x N); nothing is believed of them.

* U^T U is computed classically, off by at most gamma_N ||U||^2, and one rounding for U^T U - I.
  With delta_U the bound for ||U^T U - I|| so obtained, ||U||_2^2 <= 1 + delta_U, and U is
  invertible if delta_U < 1.  The same for V with gamma_n.
* G = fl(U^T M) is off by at most gamma_N ||U|| ||M||, C = fl(G V) by gamma_n ||G|| ||V||.  So
  B = U^T F V differs from diag S by a matrix of norm at most
  err = ||C - diag S|| + gamma_n ||G|| ||V|| + (gamma_N ||U|| ||M|| + ||U||_2 ||R||) ||V||_2.
* Every x is U y with ||y|| >= ||x|| / ||U||_2, and ||V||_2 ||F^T x|| >= ||B^T y||
  >= (min S - err) ||y||:  sigma_min(F) >= (min S - err) / (||U||_2 ||V||_2).
* With u the column of U that belongs to min S: sigma_min(F) <= ||u^T F|| / ||u||, and row u of G
  is u^T M up to gamma_N ||u|| ||M||, while ||u^T E|| <= ||u|| ||R||.

A computed norm of k entries has a relative error below (k + 8) 2^-52, and lost subnormal squares
below 2^-500 in all; the few scalar operations after it are paid for by a factor 1 + 2^-44, and
underflow inside products by 2^-500.  As in arithmetic/enclosures.py the BLAS must be classical
(no Strassen, no flushing of subnormals).  What overflows decides nothing: [0, infinity).
"""

from __future__ import annotations

from contextlib import suppress
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure

__all__ = ["float_enclosure", "rounded_outwards", "smallest_singular_values"]

_U = 2.0**-53
_TINY = 2.0**-500
_SLACK = 1.0 + 2.0**-44
_DIGITS = 6


def _gamma(k: int) -> float:
    return 1.01 * k * _U


def _norm(A: np.ndarray) -> np.ndarray:
    """Upper bounds of the Frobenius norms of a stack (B, ..)."""
    flat = A.reshape(A.shape[0], -1)
    bound: np.ndarray = np.sqrt((flat * flat).sum(axis=1)) * (1.0 + (flat.shape[1] + 8) * 2.0**-52) + _TINY
    return bound


def _transposed(A: np.ndarray) -> np.ndarray:
    return A.transpose(0, 2, 1)


def smallest_singular_values(F: Enclosure) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), each (B,): low <= sigma_min <= high for every matrix of the stack F (B, N, n).

    high is infinite where float64 does not do.

    >>> F = np.array([[[3.0, 0, 0], [0, 2, 0]]])
    >>> low, high = smallest_singular_values(Enclosure(F, np.zeros((1, 2, 3))))
    >>> bool(low[0] <= 2 <= high[0] < low[0] + 1e-12)
    True
    """
    B, N, n = F.mid.shape
    if n < N:
        return np.zeros(B), np.zeros(B)
    usable = np.isfinite(F.mid).all(axis=(1, 2)) & np.isfinite(F.rad).all(axis=(1, 2))
    M = np.where(usable[:, None, None], F.mid, 0.0)
    U, S, Vt = _decomposition(M)
    V = _transposed(Vt)
    with np.errstate(all="ignore"):
        norm_U, norm_V, norm_M, norm_R = _norm(U), _norm(V), _norm(M), _norm(F.rad)
        delta_U = _departure(U, norm_U, N)
        delta_V = _departure(V, norm_V, n)
        two_U, two_V = np.sqrt(1.0 + delta_U) * _SLACK, np.sqrt(1.0 + delta_V) * _SLACK
        G = _transposed(U) @ M
        C = G @ V
        C[:, np.arange(N), np.arange(N)] -= S
        err = _norm(C) * _SLACK + _gamma(n) * _norm(G) * norm_V
        err = (err + (_gamma(N) * norm_U * norm_M + two_U * norm_R) * two_V + _TINY) * _SLACK
        low = (S.min(axis=1) - err) / (two_U * two_V * _SLACK) / _SLACK
        which = S.argmin(axis=1)
        every = np.arange(B)
        u = U[every, :, which]
        norm_u = _norm(u)
        least_u = np.sqrt((u * u).sum(axis=1)) * (1.0 - (N + 8) * 2.0**-52) - _TINY
        image = _norm(G[every, which]) + norm_u * (_gamma(N) * norm_M + norm_R) + _TINY
        high = image / least_u * _SLACK
    certain = usable & (delta_U < 1.0) & np.isfinite(low)
    low = np.where(certain, np.maximum(low, 0.0), 0.0)
    high = np.where(usable & (least_u > 0) & np.isfinite(high), high, np.inf)
    return low, high


def _decomposition(M: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U (B, N, N), S (B, N), V^T (B, N, n), about a decomposition of each matrix."""
    try:
        U, S, Vt = np.linalg.svd(M, full_matrices=False)
        return U, S, Vt
    except np.linalg.LinAlgError:
        pass
    # One of them did not converge: it keeps zeros, which prove nothing.
    B, N, n = M.shape
    U, S, Vt = np.zeros((B, N, N)), np.zeros((B, N)), np.zeros((B, N, n))
    for i in range(B):
        with suppress(np.linalg.LinAlgError):
            U[i], S[i], Vt[i] = np.linalg.svd(M[i], full_matrices=False)
    return U, S, Vt


def _departure(U: np.ndarray, norm: np.ndarray, inner: int) -> np.ndarray:
    """A bound for ||U^T U - I||, U (B, inner, N)."""
    N = U.shape[2]
    product = _transposed(U) @ U
    product[:, np.arange(N), np.arange(N)] -= 1.0
    bound: np.ndarray = (_norm(product) * _SLACK + _gamma(inner) * norm * norm + _TINY) * _SLACK
    return bound


def float_enclosure(balls: list[list[Any]]) -> Enclosure:
    """A matrix of flint.arb balls as floats; a ball that is not finite gets an infinite radius."""
    shape = (len(balls), len(balls[0]))
    found = Enclosure(np.zeros(shape), np.full(shape, np.inf))
    for i, row in enumerate(balls):
        for j, ball in enumerate(row):
            if ball.is_finite():
                mid = float(ball.mid())
                found.mid[i, j] = mid
                # Both conversions are off by at most an ulp, or by the least subnormal.
                found.rad[i, j] = (float(ball.rad()) + abs(mid) * 2.0**-51) * _SLACK + 2.0**-1000
    return found


def rounded_outwards(low: float, high: float) -> tuple[float, float | None]:
    """The same enclosure with 6 decimal digits, None for an infinite end.

    The float nearest to a decimal below ``low`` is not above ``low``, since rounding is monotone:
    the numbers returned are bounds as floats and as the decimals that repr shows.

    >>> rounded_outwards(1 / 3, 2 / 3)
    (0.333333, 0.666667)
    """
    down = Context(prec=_DIGITS, rounding=ROUND_FLOOR).create_decimal(Decimal(low))
    if high == float("inf"):
        return float(down), None
    return float(down), float(Context(prec=_DIGITS, rounding=ROUND_CEILING).create_decimal(Decimal(high)))
