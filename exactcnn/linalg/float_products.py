"""Floor 2: float64 matrix products and Cholesky factors with proved errors, at BLAS speed.

Error analysis (u = 2^-53, gamma_k = k u / (1 - k u) < 1.01 k u; || || is the Frobenius norm).  An inner product
is cut into pieces of at most w terms: BLAS sums a piece in any classical order, fused or not, and the pieces
are added one after the other.  A term then meets at most w roundings inside its piece (its product among
them) and one for each later piece:

    with s pieces the error is at most gamma_(w + s) sum |a_i| |b_i|,

for 10,000 terms and w = 256 forty times better than gamma_10000.  Underflow loses at most 2^-1022 for each
operation, even where a library flushes subnormals to zero: with entries below 2^200, and below 2^40 operations
an entry and entries, every matrix below is off by less than ``TINY`` = 2^-700 more.

*gram*: B ~ M M^T, its lower triangle computed and mirrored: ||B - M M^T|| <= gamma || |M||M|^T ||, and this norm is
at most ||M||^2.

*factor*: A = sign * B + t I, t a float.  Left-looking by block columns J of width w: P = A_:J - sum_(K<J)
L_:K L_JK^T in pieces, some L_JJ and L_:J from P_JJ (nothing is believed of how), then E = P - L_:J L_JJ^T.  For the
exact R = A - L L^T (L lower, its diagonal blocks lower triangular by construction), c block columns:

    |R| <= (1 + u) |E| + gamma_(c+2) |A| + gamma_(w+c) |L||L|^T,   || |L||L|^T || <= ||L||^2,

since an entry of A meets one rounding for t and one for each piece, a product as above, and the last
subtraction is a relative error u of E.  L L^T has no negative eigenvalue, hence
lambda_min(A) >= -||R||: no property of LAPACK's factorisation is used.

The assumption about the library: dgemm computes every entry as a sum of the products of the definition, in
IEEE float64 rounded to nearest (so not by Strassen's method, nor in TF32 or other reduced formats).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["SLACK", "TINY", "Factor", "factor", "gamma", "gram", "inverse", "norm", "product", "row_image"]

_U = 2.0**-53
TINY = 2.0**-700
SLACK = 1.0 + 2.0**-40
_LARGEST = 2.0**200
_BLOCK = 512
_LEAF = 128


def gamma(k: int) -> float:
    """An upper bound of k u / (1 - k u), k < 2^40."""
    return 1.01 * k * _U


def _width(length: int) -> int:
    """w: pieces long enough for BLAS, short enough for the bound."""
    return 128 if length <= 1024 else 256


def _roundings(length: int) -> int:
    """w + s of the analysis."""
    width = min(length, _width(length))
    return width + -(-length // width) if width else 1


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


def gram(M: np.ndarray) -> tuple[np.ndarray, float]:
    """(B, error): B (N, N) exactly symmetric, ||B - M M^T|| <= error; M (N, n).

    >>> B, error = gram(np.array([[3.0, 4.0, 0.0], [0.0, 1.0, 2.0]]))
    >>> float(B[0, 0]), float(B[1, 0]), float(B[1, 1]), error < 1e-13
    (25.0, 4.0, 5.0, True)
    """
    N, n = M.shape
    B = np.zeros((N, N))
    pieces = _starts(n, _width(n))
    buffer = np.empty((_BLOCK, _BLOCK))
    for rows in _starts(N, _BLOCK):
        for columns in _starts(rows.stop, _BLOCK):
            target = B[rows, columns]
            room = buffer[: target.shape[0], : target.shape[1]]
            for i, piece in enumerate(pieces):
                np.matmul(M[rows, piece], M[columns, piece].T, out=room if i else target)
                if i:
                    target += room
            if columns == rows:
                target[:] = np.tril(target) + np.tril(target, -1).T
            else:
                B[columns, rows] = target.T
    size = norm(M)
    return B, (gamma(_roundings(n)) * size * size + TINY) * SLACK


def product(X: np.ndarray, M: np.ndarray) -> tuple[np.ndarray, float]:
    """(K, error): K ~ X M for lower triangular X (N, N) and M (N, n), ||K - X M|| <= error.

    || |X||M| || <= ||X|| ||M||.
    """
    N, n = M.shape
    K = np.zeros((N, n))
    buffer = np.empty((_BLOCK, _BLOCK))
    for rows in _starts(N, _BLOCK):
        pieces = _starts(rows.stop, _width(N))
        for columns in _starts(n, _BLOCK):
            target = K[rows, columns]
            room = buffer[: target.shape[0], : target.shape[1]]
            for i, piece in enumerate(pieces):
                np.matmul(X[rows, piece], M[piece, columns], out=room if i else target)
                if i:
                    target += room
    return K, (gamma(_roundings(N)) * norm(X) * norm(M) + TINY) * SLACK


def row_image(v: np.ndarray, M: np.ndarray) -> tuple[np.ndarray, float]:
    """(y, error): y ~ v^T M for v (N,), M (N, n), ||y - v^T M|| <= error."""
    N = M.shape[0]
    y = np.zeros(M.shape[1])
    for piece in _starts(N, _width(N)):
        y += v[piece] @ M[piece]
    return y, (gamma(_roundings(N) + 1) * norm(v[None]) * norm(M) + TINY) * SLACK


@dataclass(frozen=True, eq=False)
class Factor:
    """Lower triangular ``L`` (N, N) with ||A - L L^T|| <= ``error``: lambda_min(A) >= -error."""

    L: np.ndarray
    error: float


def factor(B: np.ndarray, shift: float, sign: int = 1) -> Factor | None:
    """A Cholesky factor of A = sign * B + shift I for symmetric B (N, N), None if A looks indefinite.

    >>> found = factor(np.array([[4.0, 2.0], [2.0, 5.0]]), 0.0)
    >>> found.L.tolist(), found.error < 1e-13
    ([[2.0, 0.0], [1.0, 2.0]], True)
    >>> factor(np.array([[4.0, 2.0], [2.0, 5.0]]), -6.0) is None
    True
    """
    N = B.shape[0]
    width = _width(N)
    columns = _starts(N, width)
    L = np.zeros((N, N))
    size_A = size_E = 0.0
    buffer = np.empty((N, width))
    for J in columns:
        block = J.stop - J.start
        P = np.array(B[J.start :, J])
        if sign < 0:
            np.negative(P, out=P)
        P[np.arange(block), np.arange(block)] += shift
        size_A += 2.0 * norm(P) ** 2
        room = buffer[: P.shape[0], :block]
        for K in columns:
            if K.start >= J.start:
                break
            np.matmul(L[J.start :, K], L[J, K].T, out=room)
            P -= room
        with np.errstate(all="ignore"):
            try:
                corner = np.linalg.cholesky(P[:block])
                rest = P[block:] @ np.linalg.inv(corner).T
            except np.linalg.LinAlgError:
                return None
            L[J, J] = corner
            L[J.stop :, J] = rest
            np.matmul(L[J.start :, J], corner.T, out=room)
            P -= room
            size_E += 2.0 * norm(P) ** 2
    with np.errstate(all="ignore"):
        size_L = norm(L)
        # size_A is of A with the shift rounded once, hence SLACK; diagonal blocks count twice, which is more.
        error = float(np.sqrt(size_E)) * SLACK + gamma(len(columns) + 2) * float(np.sqrt(size_A)) * SLACK
        error = (error + gamma(min(width, N) + len(columns)) * size_L * size_L + TINY) * SLACK
    if not np.isfinite(error) or size_L > _LARGEST:
        return None
    return Factor(L, error)


def inverse(L: np.ndarray) -> np.ndarray:
    """About L^-1, exactly lower triangular; nothing is claimed.  LinAlgError if it breaks down."""
    N = L.shape[0]
    if N <= _LEAF:
        return np.tril(np.linalg.inv(L))
    half = (N // 2 + _LEAF - 1) // _LEAF * _LEAF
    X = np.zeros((N, N))
    X[:half, :half] = inverse(L[:half, :half])
    X[half:, half:] = inverse(L[half:, half:])
    X[half:, :half] = -(X[half:, half:] @ (L[half:, :half] @ X[:half, :half]))
    return X
