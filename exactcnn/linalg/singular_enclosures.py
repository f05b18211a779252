"""Floor 2: certified enclosures of the extreme singular values of one large matrix, at the price of a few LUs.

F = M + E (N x n, N <= n), M floats, ||E|| <= r (|| || is the Frobenius norm, || ||_2 the spectral one);
sigma_min is the N-th singular value: positive exactly if rank F = N.  All bounds of products and factors are those
of ``float_products``; Lanczos' method only guesses where to look.

*First route.*  B ~ M M^T with error e, A = B - s I and a factor with error f: lambda_min(B) >= s - f, so

    sigma_min(F) >= sqrt(s - f - e) - r.

Squaring costs half the digits: it needs sigma_min > 10^-7 ||M||, about.

*Second route*, where the first fails.  X ~ L^-1, L L^T ~ B + d I with d a few units in the last place of the trace
(the factor that Lanczos' method had); any X will do.  K ~ X M with error e' is much better conditioned, and the
first route bounds sigma_min(K).  For unit z, ||K^T z|| <= ||M^T X^T z|| + e', and ||M^T X^T z|| >= sigma_min(K) - e'
> 0 shows that X^T is injective, hence onto, so that every unit vector is y = X^T z / ||X^T z||:

    sigma_min(F) >= (sigma_min(K) - e') / ||X||_2 - r,   ||X||_2 <= min(||X||, sqrt(||X||_1 ||X||_inf)).

It ends near sigma_min = 10^-12 ||M||.  What neither proves stays undecided: the lower bound is 0.

*Above.*  sigma_min(F) <= ||v^T M|| / ||v|| + r for any v.  *The largest.*  sigma_max(F) >= ||v^T M|| / ||v|| - r; and
lambda_max(B) <= t + f for a factor of t I - B with error f, or at most the largest (|B| x)_i / x_i for x > 0
(Collatz and Wielandt), which is sharp where B has no negative entry.

Matrices are scaled by a power of two first, so that nothing overflows and underflow costs 2^-700 at most.
Rump, Verification of positive definiteness, BIT 46 (2006), has the idea of the shifted factorisation; here its
residual is computed and bounded, instead of an a-priori bound for Cholesky's method.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from math import frexp, inf, isfinite, ldexp, nextafter, sqrt
from typing import Any

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure, enclose
from exactcnn.errors import MisuseError
from exactcnn.linalg.float_products import (
    SLACK,
    TINY,
    Factor,
    Spread,
    factor,
    gram,
    in_turn,
    inverse,
    norm,
    product,
    row_image,
    workers,
)
from exactcnn.linalg.lanczos import STEPS, lanczos, lowest

__all__ = ["SingularValues", "enclosed_singular_values", "singular_value_enclosures"]

_SMALL = 10_000  # entries: below, threads cost more than they save
_X_LARGEST = 2.0**200


@dataclass(frozen=True)
class SingularValues:
    """low <= sigma <= high for the smallest and the largest of the min(m, n) singular values; ``route`` says how.

    ``full_rank``: True if rank = min(m, n) is proved; None says nothing, and it is never False.
    """

    smallest: tuple[float, float]
    largest: tuple[float, float]
    route: str

    @property
    def full_rank(self) -> bool | None:
        return True if self.smallest[0] > 0 else None


def singular_value_enclosures(matrix: Any) -> SingularValues:
    """Enclosures of the extreme singular values of a matrix (m x n) of floats, integers or Fractions.

    float64 arrays are taken as the exact numbers they are.  Rests on IEEE float64 arithmetic and a BLAS that
    multiplies classically (``float_products``).  MisuseError for what is no matrix of finite numbers.

    >>> found = singular_value_enclosures([[3, 0, 0], [0, Fraction(1, 2), 0]])
    >>> found.full_rank, found.smallest[0] <= 0.5 <= found.smallest[1], found.largest[0] <= 3 <= found.largest[1]
    (True, True, True)
    >>> singular_value_enclosures([[1, 2], [2, 4], [3, 6]]).full_rank is None
    True
    """
    F = _as_enclosure(matrix)
    if F.mid.shape[0] > F.mid.shape[1]:
        F = Enclosure(np.ascontiguousarray(F.mid.T), np.ascontiguousarray(F.rad.T))
    return enclosed_singular_values(F.mid, F.rad)


def _as_enclosure(matrix: Any) -> Enclosure:
    array = matrix if isinstance(matrix, np.ndarray) else np.array(matrix, dtype=object)
    if array.ndim != 2 or 0 in array.shape:
        raise MisuseError("matrix", "two dimensions, at least 1 x 1", f"shape {array.shape}")
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        if not np.isfinite(array).all():
            raise MisuseError("matrix", "finite entries", "NaN or an infinity")
        return Enclosure(np.ascontiguousarray(array, dtype=np.float64), np.zeros((1, 1)))
    if array.dtype.kind in "iu":
        return enclose(array if array.dtype.kind == "i" else array.astype(object), 1)
    mid, rad = np.empty(array.shape), np.empty(array.shape)
    for index, value in np.ndenumerate(array):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, Fraction, np.integer)):
            raise MisuseError("matrix", "floats, integers or Fractions", repr(value))
        if isinstance(value, float) and not isfinite(value):
            raise MisuseError("matrix", "finite entries", "NaN or an infinity")
        exact = Fraction(int(value)) if isinstance(value, np.integer) else Fraction(value)
        found = enclose(np.array([exact.numerator], dtype=object), exact.denominator)
        mid[index], rad[index] = found.mid[0], found.rad[0]
        if isfinite(mid[index]) and Fraction(float(mid[index])) == exact:
            rad[index] = 0.0
    return Enclosure(mid, rad)


def enclosed_singular_values(
    mid: np.ndarray, rad: np.ndarray | float, *, largest: bool = True
) -> SingularValues:
    """For every F with |F - mid| <= rad entrywise, mid (N, n) with N <= n; a number for ``rad`` bounds ||F - mid||.

    Without ``largest`` the bounds of sigma_max are only those that cost nothing.
    """
    if mid.shape[0] > mid.shape[1]:
        raise MisuseError("matrix", "no more rows than columns", f"shape {mid.shape}")
    r = rad if isinstance(rad, float) else _rad_norm(rad)
    size = max(float(mid.max()), -float(mid.min()))
    if not isfinite(size) or not isfinite(r):
        return SingularValues((0.0, inf), (0.0, inf), "none")
    if size == 0:
        return SingularValues((0.0, _up(r)), (0.0, _up(r)), "none")
    exponent = frexp(size)[1]
    M = np.ascontiguousarray(mid)
    if abs(exponent) > 80:
        M = np.ldexp(M, -exponent)  # exact, but for what becomes subnormal: at most 2^-1074 an entry
        r = _up(_scaled(r, -exponent, inf) + 2.0**-1000)
    else:
        exponent = 0
    with np.errstate(all="ignore"), workers() if M.size > _SMALL else nullcontext(in_turn) as spread:
        B, e = gram(M, spread)
        smallest, route = _smallest(M, B, e, r, spread)
        greatest = _largest(M, B, e, r, largest, spread)
    return SingularValues(_outwards(smallest, exponent), _outwards(greatest, exponent), route)


def _rad_norm(rad: np.ndarray) -> float:
    """||rad||, whatever its scale."""
    top = float(rad.max(initial=0.0))
    if top == 0 or not isfinite(top):
        return top
    exponent = frexp(top)[1]
    if abs(exponent) < 400:
        return norm(rad)
    return _scaled(norm(np.ldexp(rad, -exponent)) + 2.0**-500, exponent, inf)


def _scaled(value: float, exponent: int, towards: float) -> float:
    """value * 2^exponent, rounded towards the side given (if it rounds at all)."""
    try:
        found = ldexp(value, exponent)
    except OverflowError:
        return inf if towards == inf else 1.7976931348623157e308
    return nextafter(found, towards) if found != 0 or value != 0 else found


def _up(value: float) -> float:
    return nextafter(value, inf)


def _outwards(bounds: tuple[float, float], exponent: int) -> tuple[float, float]:
    low, high = bounds
    low = low if low > 0 else 0.0  # also for nan
    high = high if high >= low else inf
    if exponent:
        low = max(_scaled(low, exponent, -inf), 0.0) if low else 0.0
        high = high if high == inf else _scaled(high, exponent, inf)
    return low, high


def _root_below(square: float) -> float:
    return sqrt(square) / SLACK if square > 0 else 0.0


def _smallest(
    M: np.ndarray, B: np.ndarray, e: float, r: float, spread: Spread
) -> tuple[tuple[float, float], str]:
    """(low, high) of sigma_min, and the route."""
    start = _first_factor(B, spread)
    if start is None:
        return (0.0, inf), "none"
    low, v = _by_gram(B, e, *start, spread)
    bounds = (_less(low, r), _rayleigh(v, M, r)[1] if v is not None else inf)
    if bounds[0] > 0 and bounds[0] > 0.5 * bounds[1]:
        return bounds, "gram"
    better, v = _preconditioned(M, start[0], spread)
    second = (_less(better, r), _rayleigh(v, M, r)[1] if v is not None else inf)
    route = "preconditioned" if second[0] > bounds[0] else "gram" if bounds[0] > 0 else "none"
    return (max(bounds[0], second[0]), min(bounds[1], second[1])), route


def _less(low: float, r: float) -> float:
    """low - r, rounded down: the difference may be small beside its operands."""
    return nextafter(low - r, -inf)


def _first_factor(B: np.ndarray, spread: Spread) -> tuple[Factor, float] | None:
    """A factor of B + d I with d a few units in the last place of the trace, if it can be had, and d."""
    d = 2.0**-52 * float(np.trace(B))
    for _ in range(4):
        found = factor(B, d, 1, spread)
        if found is not None:
            return found, d
        d *= 64.0
    return None


def _by_gram(
    B: np.ndarray, e: float, start: Factor, d: float, spread: Spread
) -> tuple[float, np.ndarray | None]:
    """A lower bound of sigma_min(M) for ||B - M M^T||_2 <= e, and a vector near the left singular one."""
    least, above, v = lowest(start.L)
    least, above = least - d, above - d
    if not isfinite(least) or not above > e:
        return 0.0, v
    noise = 4.0 * (e / 64.0 + start.error)
    best = 0.0
    for s in (least * (1.0 - 2.0**-11) - start.error, 0.9 * least - start.error, 0.5 * above - noise):
        if not s > e:
            continue
        shifted = factor(B, -s, 1, spread)
        if shifted is not None:
            best = max(best, _root_below(_less(_less(s, shifted.error), e)))
            break
    return best, v


def _preconditioned(M: np.ndarray, start: Factor, spread: Spread) -> tuple[float, np.ndarray | None]:
    """A lower bound of sigma_min(M) by the second route, and a vector."""
    try:
        X = inverse(start.L, spread)
    except np.linalg.LinAlgError:
        return 0.0, None
    size = norm(X)
    if not size < _X_LARGEST:
        return 0.0, None
    K, e = product(X, M, spread)
    if not norm(K) < _X_LARGEST:
        return 0.0, None
    B, f = gram(K, spread)
    again = _first_factor(B, spread)
    if again is None:
        return 0.0, None
    low, z = _by_gram(B, f, *again, spread)
    v = None if z is None else X.T @ z
    return max(_less(low, e) / (min(size, _interpolated(X)) * SLACK) / SLACK, 0.0), v


def _interpolated(X: np.ndarray) -> float:
    """sqrt(||X||_1 ||X||_inf) >= ||X||_2."""
    rows, columns = 0.0, np.zeros(X.shape[1])
    for start in range(0, X.shape[0], 256):
        part = np.abs(X[start : start + 256])
        rows = max(rows, float(part.sum(axis=1).max()))
        columns += part.sum(axis=0)
    bound: float = sqrt(rows * float(columns.max())) * (1.0 + 2.0**-52 * (X.shape[0] + 16)) * SLACK + TINY
    return bound


def _rayleigh(v: np.ndarray, M: np.ndarray, r: float) -> tuple[float, float]:
    """(low, high) of ||v^T F|| / ||v||, for any v."""
    top = float(np.abs(v).max())
    if not isfinite(top) or top == 0:
        return 0.0, inf
    v = v / top
    y, e = row_image(v, M)
    size = norm(v[None])
    least = size / (1.0 + 2.0**-51 * (v.size + 32)) - 2 * TINY
    image = norm(y[None])
    low = image / (1.0 + 2.0**-51 * (y.size + 32)) - 2 * TINY
    return _less(_less(low, e * SLACK) / (size * SLACK), r), _up(((image + e) * SLACK / least + r) * SLACK)


def _largest(
    M: np.ndarray, B: np.ndarray, e: float, r: float, tight: bool, spread: Spread
) -> tuple[float, float]:
    """(low, high) of sigma_max."""
    steps = STEPS if tight else 2
    value, rest, v = lanczos(lambda x: B @ x, B.shape[0], steps)
    low = _rayleigh(v, M, r)[0]
    above = _collatz_wielandt(B, v)
    if tight and not above < value * (1.0 + 2.0**-9):
        t = (value + rest) * (1.0 + 2.0**-11)
        found = factor(B, t, -1, spread)
        if found is not None:
            above = min(above, (t + found.error) * SLACK)
    size = norm(M)
    high = min(sqrt((above + e) * SLACK) if isfinite(above) else inf, size)
    return low, (high * SLACK + r) * SLACK


def _collatz_wielandt(B: np.ndarray, v: np.ndarray) -> float:
    """The largest (|B| x)_i / x_i >= lambda_max(B), for x near |v|."""
    x = np.abs(v)
    top = float(x.max())
    if not isfinite(top) or top == 0:
        return inf
    x = np.maximum(x / top, 2.0**-20)
    y = np.zeros(x.size)
    for start in range(0, x.size, 256):
        y[start : start + 256] = np.abs(B[start : start + 256]) @ x
    bound: float = float((y / x).max()) * (1.0 + 2.0**-52 * (x.size + 16)) + TINY
    return bound
