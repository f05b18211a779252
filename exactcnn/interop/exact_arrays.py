"""Floor 6: sums and products of exact arrays, and exact arrays from the numbers frameworks store.

Nothing here rounds.  float16, float32 and float64 are dyadic rationals; bfloat16 is a float32 whose low
bits are 0, so it is read through float32.
"""

from __future__ import annotations

import math
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from exactcnn.arithmetic.integers import add, largest, scale
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError

__all__ = ["affine_parts", "diagonal", "exact", "magnitude", "parameter", "plus", "times"]

_FLOATS = ("float16", "float32", "float64")


def exact(array: np.ndarray, field: str) -> RationalArray:
    """Floats exactly as stored; MalformedError, naming ``field``, for other dtypes, NaN and infinities."""
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.name not in _FLOATS:
        raise MalformedError(
            field, "float16, bfloat16, float32 or float64 numbers (convert the model to one of them)",
            f"dtype {array.dtype}",
        )  # fmt: skip
    return RationalArray.from_floats(array, field)


def parameter(value: Any, dtype: str, field: str) -> Fraction:
    """A hyperparameter (eps, slope, ..) as the network computes with it: rounded to ``dtype`` if that
    is float32, which ONNX stores and PyTorch computes with for float32 and shorter parameters."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MalformedError(field, "a number", type(value).__name__)
    if isinstance(value, int):
        if abs(value) >= 2**24:
            raise MalformedError(field, "an integer below 2^24, or a float", "a larger one")
        return Fraction(value)
    with np.errstate(over="ignore"):
        number = float(value) if dtype == "float64" else float(np.float32(value))
    if not np.isfinite(number):
        raise MalformedError(field, "a finite number", value)
    return Fraction(number)


def magnitude(array: RationalArray | None) -> float:
    """The largest absolute value, as a float that is no smaller."""
    if array is None:
        return 0.0
    try:
        return math.nextafter(array.max_abs_numerator() / array.denominator, math.inf)
    except OverflowError:
        return math.inf


def times(A: RationalArray, B: RationalArray) -> RationalArray:
    """A * B, broadcast."""
    a, b = A.numerators, B.numerators
    if largest(a) * largest(b) >= 2**62:
        a, b = a.astype(object), b.astype(object)
    else:
        a, b = a.astype(np.int64), b.astype(np.int64)
    return RationalArray.from_integers(a * b, A.denominator * B.denominator)


def plus(A: RationalArray, B: RationalArray) -> RationalArray:
    """A + B, broadcast."""
    common = lcm(A.denominator, B.denominator)
    a, b = scale(A.numerators, common // A.denominator), scale(B.numerators, common // B.denominator)
    return RationalArray.from_integers(add(a, b), common)


def diagonal(entries: RationalArray, size: int) -> RationalArray:
    """The size x size matrix with ``entries`` ((size,) or (1,)) on its diagonal."""
    matrix = np.zeros((size, size), dtype=entries.numerators.dtype)
    np.fill_diagonal(matrix, np.broadcast_to(entries.numerators, (size,)))
    return RationalArray.from_integers(matrix, entries.denominator)


def affine_parts(
    kind: str, constant: RationalArray, flow_first: bool, where: str
) -> tuple[RationalArray | None, RationalArray | None]:
    """(scale, shift) of x + c, x - c, c - x, x * c, x / c."""
    minus_one = RationalArray.from_integers([-1])
    if kind == "add":
        return None, constant
    if kind == "sub":
        return (None, constant.scaled(-1)) if flow_first else (minus_one, constant)
    if kind == "mul":
        return constant, None
    if not flow_first or not constant.numerators.all():
        raise MalformedError(where, "a division by constants other than 0", "another division")
    inverse = RationalArray.from_fractions([1 / v for v in constant.reshape(-1).to_fractions()], where)
    return inverse.reshape(*constant.shape), None
