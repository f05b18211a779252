"""Floor 2: float64 matrix products and Cholesky factors with proved errors, at BLAS speed.

Error analysis (u = 2^-53, gamma_k = k u / (1 - k u) < 1.01 k u; || || is the Frobenius norm).  An inner product
is cut into pieces of at most w terms: BLAS sums a piece in any classical order, fused or not, and the pieces
are added one after the other.  A term then meets at most w roundings inside its piece (its product among
them) and one for each later piece:

    with s pieces the error is at most gamma_(w + s) sum |a_i| |b_i|,

for 10,000 terms and w = 128 fifty times better than gamma_10000.  Underflow loses at most 2^-1022 for each
operation, even where a library flushes subnormals to zero: with entries below 2^200, and below 2^40 operations
an entry and entries, every matrix below is off by less than ``TINY`` = 2^-700 more.

*gram*: B ~ M M^T, its lower triangle computed and mirrored: ||B - M M^T||_2 <= gamma || |M||M|^T ||_2, since the
spectral norm grows with the absolute values of the entries.  For S = |A||A|^T (symmetric, not negative) ||S||_2 is
at most ||A||^2, and at most the largest row sum |A| (|A|^T 1), which is often a third of that.

*factor*: A = sign * B + t I, t a float.  Left-looking by block columns J of width w: P = A_:J - sum_(K<J)
L_:K L_JK^T in pieces, some L_JJ and L_:J from P_JJ (nothing is believed of how), then E = P - L_:J L_JJ^T.  For the
exact R = A - L L^T (L lower, its diagonal blocks lower triangular by construction), c block columns:

    |R| <= (1 + u) |E| + gamma_(c+2) |A| + gamma_(w+c) |L||L|^T,

since an entry of A meets one rounding for t and one for each piece, a product as above, and the last
subtraction is a relative error u of E.  L L^T has no negative eigenvalue, hence
lambda_min(A) >= -||R||_2: no property of LAPACK's factorisation is used.

The assumption about the library: dgemm computes every entry as a sum of the products of the definition, in
IEEE float64 rounded to nearest (so not by Strassen's method, nor in TF32 or other reduced formats).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

__all__ = [
    "SLACK",
    "TINY",
    "Factor",
    "Spread",
    "absolute_square",
    "factor",
    "gamma",
    "gram",
    "in_turn",
    "inverse",
    "norm",
    "product",
    "row_image",
    "workers",
]  # fmt: skip

_U = 2.0**-53
TINY = 2.0**-700
SLACK = 1.0 + 2.0**-40
_LARGEST = 2.0**200
_BLOCK = 256
_PIECE = 128


Spread = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]


def in_turn(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """[work(item), ..]; what overflows is found by the bounds, not by a warning."""
    with np.errstate(all="ignore"):
        return [work(item) for item in items]


@contextmanager
def workers() -> Iterator[Spread]:
    """Like ``in_turn``, but items are shared among as many threads as BLAS had, and BLAS keeps one.

    Tiles of 256 are too small for the library's own threads, which wait for each other at every one.
    """
    from threadpoolctl import threadpool_info, threadpool_limits

    count = max((int(e["num_threads"]) for e in threadpool_info() if e["user_api"] == "blas"), default=1)
    count = min(count, os.cpu_count() or 1)
    if count == 1:
        yield in_turn
        return
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(count) as pool:
        yield lambda work, items: list(pool.map(lambda item: in_turn(work, [item])[0], items))


def gamma(k: int) -> float:
    """An upper bound of k u / (1 - k u), k < 2^40."""
    return 1.01 * k * _U


def _roundings(length: int) -> int:
    """w + s of the analysis."""
    return min(length, _PIECE) + -(-length // _PIECE)


def _starts(length: int, width: int) -> list[slice]:
    return [slice(start, min(start + width, length)) for start in range(0, length, width)]


def norm(M: np.ndarray) -> float:
    """An upper bound of the Frobenius norm of M (N, n), infinity or nan where it is not finite."""
    total = 0.0
    with np.errstate(all="ignore"):
        for rows in _starts(M.shape[0], max(1, 2**18 // max(1, M.shape[1]))):
            flat = M[rows].ravel()
            total += float(flat @ flat)
        return float(np.sqrt(total)) * (1.0 + (M.size + 16) * 2.0**-52) + TINY


def absolute_square(A: np.ndarray, spread: Spread = in_turn) -> float:
    """An upper bound of || |A||A|^T ||_2, A (N, n)."""
    slabs = _starts(A.shape[0], max(1, 2**17 // A.shape[1]))
    columns = sum(spread(lambda rows: np.abs(A[rows]).sum(axis=0), slabs), np.zeros(A.shape[1]))
    rows = float(max(spread(lambda rows: (np.abs(A[rows]) @ columns).max(), slabs)))
    size = norm(A)
    bound = rows * (1.0 + 2.0**-52 * (sum(A.shape) + 32)) * SLACK + TINY
    return min(bound, size * size * SLACK) if np.isfinite(bound) else float("inf")


def _sum(terms: Iterable[np.ndarray]) -> np.ndarray:
    """The terms added one after the other."""
    remaining = iter(terms)
    total = next(remaining)
    for term in remaining:
        total += term
    return total


def gram(M: np.ndarray, spread: Spread = in_turn) -> tuple[np.ndarray, float]:
    """(B, error): B (N, N) exactly symmetric, ||B - M M^T||_2 <= error; M (N, n).

    >>> B, error = gram(np.array([[3.0, 4.0, 0.0], [0.0, 1.0, 2.0]]))
    >>> float(B[0, 0]), float(B[1, 0]), float(B[1, 1]), error < 1e-13
    (25.0, 4.0, 5.0, True)
    """
    N, n = M.shape
    B = np.zeros((N, N))
    pieces = _starts(n, _PIECE)

    def tile(place: tuple[slice, slice]) -> None:
        rows, columns = place
        total = _sum(M[rows, piece] @ M[columns, piece].T for piece in pieces)
        if columns == rows:
            total = np.tril(total) + np.tril(total, -1).T
        B[rows, columns] = total
        B[columns, rows] = total.T

    spread(tile, [(rows, columns) for rows in _starts(N, _BLOCK) for columns in _starts(rows.stop, _BLOCK)])
    return B, (gamma(_roundings(n)) * absolute_square(M, spread) + TINY) * SLACK


def product(X: np.ndarray, M: np.ndarray, spread: Spread = in_turn) -> tuple[np.ndarray, float]:
    """(K, error): K ~ X M for lower triangular X (N, N) and M (N, n), ||K - X M|| <= error.

    || |X||M| || <= ||X|| ||M||.
    """
    N, n = M.shape
    K = np.zeros((N, n))

    def tile(place: tuple[slice, slice]) -> None:
        rows, columns = place
        K[rows, columns] = _sum(X[rows, piece] @ M[piece, columns] for piece in _starts(rows.stop, _PIECE))

    spread(tile, [(rows, columns) for rows in _starts(N, _BLOCK)[::-1] for columns in _starts(n, 2 * _BLOCK)])
    return K, (gamma(_roundings(N)) * norm(X) * norm(M) + TINY) * SLACK


def row_image(v: np.ndarray, M: np.ndarray) -> tuple[np.ndarray, float]:
    """(y, error): y ~ v^T M for v (N,), M (N, n), ||y - v^T M|| <= error."""
    N = M.shape[0]
    y = np.zeros(M.shape[1])
    for piece in _starts(N, _PIECE):
        y += v[piece] @ M[piece]
    return y, (gamma(_roundings(N) + 1) * norm(v[None]) * norm(M) + TINY) * SLACK


@dataclass(frozen=True, eq=False)
class Factor:
    """Lower triangular ``L`` (N, N) with ||A - L L^T||_2 <= ``error``: lambda_min(A) >= -error."""

    L: np.ndarray
    error: float


def factor(B: np.ndarray, shift: float, sign: int = 1, spread: Spread = in_turn) -> Factor | None:
    """A Cholesky factor of A = sign * B + shift I for symmetric B (N, N), None if A looks indefinite.

    >>> found = factor(np.array([[4.0, 2.0], [2.0, 5.0]]), 0.0)
    >>> found.L.tolist(), found.error < 1e-13
    ([[2.0, 0.0], [1.0, 2.0]], True)
    >>> factor(np.array([[4.0, 2.0], [2.0, 5.0]]), -6.0) is None
    True
    """
    N = B.shape[0]
    columns = _starts(N, _PIECE)
    L = np.zeros((N, N))
    size_A = size_E = 0.0
    for J in columns:
        height = max(_PIECE, min(2 * _BLOCK, -(-(N - J.stop) // 4)))
        below = [slice(e.start + J.stop, e.stop + J.stop) for e in _starts(N - J.stop, height)]
        panels = spread(partial(_panel, B, L, J, shift, sign), [J, *below])
        size_A += 2.0 * sum(size * size for _, size in panels)
        try:
            with np.errstate(all="ignore"):
                corner = np.linalg.cholesky(panels[0][0])
                solve = inverse(corner, spread).T
        except np.linalg.LinAlgError:
            return None
        L[J, J] = corner
        parts = [(rows, P) for rows, (P, _) in zip([J, *below], panels, strict=True)]
        size_E += 2.0 * sum(size * size for size in spread(partial(_finished, L, J, corner, solve), parts))
    with np.errstate(all="ignore"):
        size_L = norm(L)
        # size_A is of A with the shift rounded once, hence SLACK; diagonal blocks count twice, which is more.
        error = float(np.sqrt(size_E)) * SLACK + gamma(len(columns) + 2) * float(np.sqrt(size_A)) * SLACK
        error = (error + gamma(_roundings(N)) * absolute_square(L, spread) + TINY) * SLACK
    if not np.isfinite(error) or size_L > _LARGEST:
        return None
    return Factor(L, error)


def _panel(
    B: np.ndarray, L: np.ndarray, J: slice, shift: float, sign: int, rows: slice
) -> tuple[np.ndarray, float]:
    """Rows of P of the analysis, and the norm of the same rows of A."""
    P = np.array(B[rows, J])
    if sign < 0:
        np.negative(P, out=P)
    if rows == J:
        P[np.arange(P.shape[0]), np.arange(P.shape[0])] += shift
    size = norm(P)
    for K in _starts(J.start, _PIECE):
        P -= L[rows, K] @ L[J, K].T
    return P, size


def _finished(
    L: np.ndarray, J: slice, corner: np.ndarray, solve: np.ndarray, part: tuple[slice, np.ndarray]
) -> float:
    """Writes rows of L_:J and returns the norm of these rows of E."""
    rows, P = part
    if rows != J:
        L[rows, J] = P @ solve
    P -= L[rows, J] @ corner.T
    return norm(P)


def inverse(L: np.ndarray, spread: Spread = in_turn) -> np.ndarray:
    """About L^-1, exactly lower triangular; nothing is claimed.  LinAlgError if it breaks down."""
    N = L.shape[0]
    if N <= 32:
        return np.tril(np.linalg.inv(L))
    half = (N // 2 + 31) // 32 * 32
    X = np.zeros((N, N))
    X[:half, :half] = inverse(L[:half, :half], spread)
    X[half:, half:] = inverse(L[half:, half:], spread)
    T = np.empty((N - half, half))

    def right(c: slice) -> None:
        np.matmul(L[half:, c.start : half], X[c.start : half, c], out=T[:, c])

    def left(r: slice) -> None:
        rows = slice(half + r.start, half + r.stop)
        X[rows, :half] = -(X[rows, half : rows.stop] @ T[: r.stop])

    spread(right, _starts(half, _BLOCK))
    spread(left, _starts(N - half, _BLOCK))
    return X
