"""Floor 3: output weights with F_{L-1} W = Y, exactly (Corollary 3.6), and targets as matrices.

Write F = V / D with V integral, N x n, rank N.  Two solutions of F W = Y:

* *sparse*: J the columns of a non-zero N x N minor; V_J X = D Y has one solution, the rows of W
  outside J are 0;
* *least norm*: W = F^T (F F^T)^{-1} Y, which lies in the row space of F, so that any other solution
  differs from it by something orthogonal to it.

Both are solved over Z, by FLINT up to some 200 rows and by p-adic lifting on float64 products beyond
(``linalg.dixon``), and multiplied out, V W = D Y over Z, before they are returned.  With an output bias, [F, 1] may
have rank N where F has rank N - 1: then a column of ones is appended and its coefficient is the bias.

Conventions.  Targets given as whole class labels 0 .. m-1, m >= 2, mean the rows of the unit matrix.
Errors: UndecidedError where targets are absent or do not fit, and where V is singular or too large.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.integers import exact_matmul, largest, scale
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.data.samples import Samples
from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.forward import LayerValues
from exactcnn.network.weights import LayerWeights, Weights

__all__ = [
    "OutputWeights",
    "least_norm_solution",
    "sparse_solution",
    "target_matrix",
    "targets_reached",
    "with_ones",
    "with_output",
]

# Bits of all numbers of a solution; FLINT takes about a second for 10^8 of them.
_MOST_BITS = 2_000_000_000
_LIFTED = 200  # from here on linalg.dixon is quicker than FLINT (measured: tests/benchmarks/interpolation.py)
_SMALL_SYSTEM = 30  # below, elimination beats p-adic lifting


@dataclass(frozen=True, eq=False)
class OutputWeights:
    """W (n x m) and b (m), or None: F W + 1 b^T = Y has been verified over the integers."""

    W: RationalArray
    b: RationalArray | None
    how: str

    @property
    def bits(self) -> int:
        """Bits of the largest numerator or of the common denominator."""
        return max(self.W.max_abs_numerator().bit_length(), self.W.denominator.bit_length())

    def norm_squared(self) -> Fraction:
        """||W||_F^2 + ||b||^2."""
        total = Fraction(0)
        for part in (self.W, self.b):
            if part is not None:
                squares = sum(v * v for v in part.numerators.ravel().tolist())
                total += Fraction(squares, part.denominator**2)
        return total


def target_matrix(samples: Samples, m: int) -> RationalArray:
    """Y (N, m) for an output layer of m units; UndecidedError where the data has no such targets.

    >>> from exactcnn.data.samples import Samples
    >>> labels = Samples.from_array(np.array([[1], [2], [3]]), np.array([0, 2, 1]))
    >>> target_matrix(labels, 4).numerators.tolist()
    [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    """
    y = samples.targets
    if y is None:
        raise UndecidedError("the data has no targets")
    N = y.shape[0]
    if y.ndim == 2:
        if y.shape[1] != m:
            raise UndecidedError(f"the targets have {y.shape[1]} columns and the output layer {m} units")
        return y
    if m == 1:
        return y.reshape(N, 1)
    labels = y.numerators.tolist()
    if y.denominator != 1 or any(not 0 <= label < m for label in labels):
        raise UndecidedError(f"the targets are no class labels 0 .. {m - 1}, which {m} output units need")
    one_hot = np.zeros((N, m), dtype=np.int64)
    one_hot[np.arange(N), labels] = 1
    return RationalArray.from_integers(one_hot)


def with_ones(F: LayerValues) -> LayerValues:
    """[F, 1]: a last column of ones, over the same denominator."""
    N = F.numerators.shape[0]
    ones = np.full((N, 1), F.denominator, dtype=object if F.denominator >= 2**62 else np.int64)
    return LayerValues(np.concatenate([F.numerators, ones], axis=1), F.denominator)


def sparse_solution(
    F: LayerValues, Y: RationalArray, columns: tuple[int, ...], *, bias: bool = False
) -> OutputWeights:
    """The W with F W = Y that is 0 outside the N rows ``columns``; F (N, n), Y (N, m).

    ``bias``: the last column of F is 1, its coefficients are b.  UndecidedError if F is singular on
    these columns, or the numbers would be out of all proportion.

    >>> F = LayerValues(np.array([[1, 2, 0], [3, 4, 5]]), 2)
    >>> found = sparse_solution(F, RationalArray.from_integers([[1], [0]]), (0, 1))
    >>> found.W.to_fractions()
    [[Fraction(-4, 1)], [Fraction(3, 1)], [Fraction(0, 1)]]
    """
    N, n = F.numerators.shape
    if len(columns) != N or len(set(columns)) != N:
        raise MisuseError("columns", f"{N} different columns", columns)
    numerators, denominator = _solve(F.numerators[:, list(columns)], Y.numerators)
    full = np.zeros((n, Y.shape[1]), dtype=object)
    full[list(columns)] = numerators
    return _verified(F, Y, full, denominator, bias, f"sparse, {N} of {n} rows")


def least_norm_solution(F: LayerValues, Y: RationalArray, *, bias: bool = False) -> OutputWeights:
    """W = F^T (F F^T)^{-1} Y, of least Frobenius norm; F (N, n) of rank N, else UndecidedError.

    >>> F = LayerValues(np.array([[1, 1, 0]]), 1)
    >>> least_norm_solution(F, RationalArray.from_integers([[3]])).W.to_fractions()
    [[Fraction(3, 2)], [Fraction(3, 2)], [Fraction(0, 1)]]
    """
    V = F.numerators
    numerators, denominator = _solve(exact_matmul(V, np.ascontiguousarray(V.T)), Y.numerators)
    W = _product(V.T, numerators)
    return _verified(F, Y, W, denominator, bias, "least norm")


def _verified(
    F: LayerValues, Y: RationalArray, X: np.ndarray, denominator: int, bias: bool, how: str
) -> OutputWeights:
    """W = X D / (denominator y), where V X = denominator Y_n is multiplied out here, Y = Y_n / y."""
    if not np.array_equal(_product(F.numerators, X), Y.numerators.astype(object) * denominator):
        raise AssertionError("the solution does not solve the system")
    if denominator < 0:
        X, denominator = -X, -denominator
    W = RationalArray.from_integers(scale(X, F.denominator), denominator * Y.denominator)
    if not bias:
        return OutputWeights(W, None, how)
    b = RationalArray.from_integers(W.numerators[-1], W.denominator)
    return OutputWeights(W[: X.shape[0] - 1], b, how)


def _solve(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, int]:
    """(X, d) with A X = d B over the integers, A square."""
    from flint import fmpq_mat

    from exactcnn.linalg.dixon import LARGEST_ENTRY_BITS, solve_by_lifting

    order, m = A.shape[0], B.shape[1]
    size = max((abs(int(A.max())), abs(int(A.min()))))
    bits = order * (size.bit_length() + order.bit_length())  # Hadamard
    if bits * order * m > _MOST_BITS:
        raise UndecidedError(f"the solution would have {order * m} numbers of about {bits} bits")
    if order >= _LIFTED and max((order * size).bit_length(), largest(B).bit_length()) <= LARGEST_ENTRY_BITS:
        return solve_by_lifting(A, B)
    try:
        left, right = _fmpz(A), _fmpz(B)
        if order < _SMALL_SYSTEM:
            X = left.solve(right)
        else:
            X = fmpq_mat(left).solve(fmpq_mat(right), algorithm="dixon")
    except ZeroDivisionError:
        raise UndecidedError("the system is singular") from None
    numerators, denominator = X.numer_denom()
    return _array(numerators, (order, m)), int(denominator)


def _fmpz(A: np.ndarray) -> Any:
    from flint import fmpz_mat

    return fmpz_mat(A.shape[0], A.shape[1], [int(v) for v in A.ravel().tolist()])


def _array(matrix: Any, shape: tuple[int, int]) -> np.ndarray:
    flat = np.empty(shape[0] * shape[1], dtype=object)
    flat[:] = [int(v) for v in matrix.entries()]
    return flat.reshape(shape)


def _product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A B over the integers by FLINT, for entries of thousands of bits."""
    used = np.flatnonzero((B != 0).any(axis=1))
    if not used.size:
        return np.zeros((A.shape[0], B.shape[1]), dtype=object)
    return _array(_fmpz(A[:, used]) * _fmpz(B[used]), (A.shape[0], B.shape[1]))


def targets_reached(F: LayerValues, Y: RationalArray) -> bool | None:
    """Is F W = Y solvable?  By ranks over Q: rank F = rank [F, Y]; None where that would take minutes."""
    N, n = F.numerators.shape
    if N * n * min(N, n) > 50_000_000:
        return None
    both = np.concatenate([F.numerators.astype(object), Y.numerators.astype(object)], axis=1)
    return bool(_fmpz(F.numerators).rank() == _fmpz(both).rank())


def with_output(weights: Weights, found: OutputWeights) -> Weights:
    """The same weights with an output layer that interpolates; a bias is 0 if ``found`` has none."""
    last = weights[len(weights.layers)]
    b = found.b
    if b is None and last.b is not None:
        b = RationalArray.from_integers(np.zeros(last.b.shape, dtype=np.int64))
    if (b is None) != (last.b is None) or found.W.shape != last.W.shape:
        raise MisuseError("found", f"output weights of shape {last.W.shape}", found.W.shape)
    return Weights((*weights.layers[:-1], LayerWeights(found.W, b)))
