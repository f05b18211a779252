"""Floor 1: exact rational arrays: integer numerators over one denominator.

Every float is a dyadic rational, so trained weights are exact inputs.  Numerators keep the
small integer dtype they came in (uint8 pixels stay uint8) and become Python integers (dtype
object) only beyond 62 bits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np

from exactcnn.errors import MalformedError, MisuseError

__all__ = ["RationalArray", "parse_rational", "rational_text"]

_LONGEST_TEXT = 100_000
_LONGEST_EXPONENT = 20_000
_RATIONAL = re.compile(r"([+-]?[0-9]+)(?:/([0-9]+))?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,6}))?", re.ASCII)


def parse_rational(value: object, field: str) -> Fraction:
    """An int, or a text such as "3/7", "-1", "0.25" or "1e-3", as the exact rational it is.

    >>> parse_rational("-0.25", "w")
    Fraction(-1, 4)
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, float):
        raise MalformedError(field, "an integer or a quoted rational such as \"1/3\" or \"0.25\"", value)
    if not isinstance(value, str):
        raise MalformedError(field, "an integer or a rational text", type(value).__name__)
    if len(value) > _LONGEST_TEXT:
        raise MalformedError(field, f"at most {_LONGEST_TEXT} characters", f"{len(value)} characters")
    match = _RATIONAL.fullmatch(value)
    if match:
        denominator = _integer(match[2]) if match[2] else 1
        if denominator == 0:
            raise MalformedError(field, "a denominator that is not 0", value)
        return Fraction(_integer(match[1]), denominator)
    match = _DECIMAL.fullmatch(value)
    if match and abs(int(match[1] or 0)) <= _LONGEST_EXPONENT and len(value) <= 4000:
        return Fraction(value)
    raise MalformedError(field, "an integer or a rational such as 3/7 or 0.25", repr(value))


def _integer(text: str) -> int:
    # CPython refuses decimal texts beyond 4300 digits by default; split to stay below.
    if len(text) <= 4000:
        return int(text)
    negative, digits = text.startswith("-"), text.lstrip("+-")
    half = len(digits) // 2
    number = _integer(digits[:half]) * 10 ** (len(digits) - half) + _integer(digits[half:])
    return -number if negative else number


def rational_text(value: Fraction | int) -> str:
    """The canonical text: "3/7", "-1".

    >>> rational_text(Fraction(6, 14))
    '3/7'
    """
    return str(Fraction(value))


@dataclass(frozen=True, eq=False)
class RationalArray:
    """``numerators`` / ``denominator``, in lowest terms over the whole array.

    Invariants: denominator >= 1; the gcd of it and all numerators is 1; numerators are of an
    integer dtype of at most 64 bits, or Python integers; the array is read-only.
    """

    numerators: np.ndarray
    denominator: int = 1

    def __post_init__(self) -> None:
        numbers = np.asarray(self.numerators)
        if numbers.dtype.kind not in "iuO":
            raise MisuseError("numerators", "integers", f"dtype {numbers.dtype}")
        if isinstance(self.denominator, bool) or not isinstance(self.denominator, int) or self.denominator < 1:
            raise MisuseError("denominator", "a positive integer", self.denominator)
        denominator = self.denominator
        if denominator > 1:
            common = denominator
            if numbers.size and numbers.dtype != object and denominator < 2**63:
                common = gcd(denominator, int(np.gcd.reduce(numbers.astype(np.int64).ravel())))
            elif numbers.size:
                common = gcd(denominator, *(int(v) for v in numbers.ravel().tolist()))
            if common > 1:
                exact = numbers.astype(object) if common >= 2**63 else numbers
                numbers, denominator = exact // common, denominator // common
        numbers = _narrow(numbers)
        if numbers.flags.writeable:
            numbers = numbers.copy()
            numbers.setflags(write=False)
        object.__setattr__(self, "numerators", numbers)
        object.__setattr__(self, "denominator", denominator)

    @staticmethod
    def from_integers(numbers: Any, denominator: int = 1) -> RationalArray:
        """From integers of any shape, over ``denominator``."""
        array = numbers if isinstance(numbers, np.ndarray) else _object_array(numbers)
        if array.dtype == object:
            for value in array.ravel().tolist():
                if isinstance(value, bool) or not isinstance(value, int):
                    raise MisuseError("numbers", "integers", repr(value))
        return RationalArray(array, denominator)

    @staticmethod
    def from_fractions(numbers: Any, field: str = "numbers") -> RationalArray:
        """From nested lists of int and Fraction (texts too), rectangular.

        >>> RationalArray.from_fractions([[Fraction(1, 2), 1, "2/3"]]).numerators.tolist()
        [[3, 6, 4]]
        """
        shape = _shape(numbers, field)
        flat: list[Fraction] = []
        _flatten(numbers, shape, field, flat)
        denominator = lcm(*(value.denominator for value in flat)) if flat else 1
        whole = [value.numerator * (denominator // value.denominator) for value in flat]
        return RationalArray(np.array([*whole, 0], dtype=object)[:-1].reshape(shape), denominator)

    @staticmethod
    def from_floats(numbers: np.ndarray, field: str = "numbers") -> RationalArray:
        """The dyadic rationals that float16, float32 or float64 values are; no rounding."""
        array = np.asarray(numbers)
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise MisuseError(field, "float16, float32 or float64", array.dtype)
        values = array.astype(np.float64)
        bad = np.argwhere(~np.isfinite(values))
        if bad.size:
            place = tuple(int(i) for i in bad[0])
            where = "".join(f"[{i}]" for i in place)
            raise MalformedError(f"{field}{where}", "a finite number", values[place])
        if values.size == 0:
            return RationalArray(np.zeros(values.shape, dtype=np.int64))
        mantissa, exponent = np.frexp(values)
        # values = whole * 2^(exponent - 53) with |whole| < 2^53: exact by definition of frexp.
        whole = np.ldexp(mantissa, 53).astype(np.int64)
        power = exponent.astype(np.int64) - 53
        power[whole == 0] = 0
        # Strip trailing zeros so that the common denominator is the least power of two.
        lowest = whole & -whole
        trailing = np.where(whole == 0, 0, np.frexp(lowest.astype(np.float64))[1] - 1).astype(np.int64)
        whole, power = whole >> trailing, power + trailing
        shift = min(0, int(power.min()))
        moved = power - shift
        if int((moved + 53).max()) <= 62:
            return RationalArray(whole << moved, 1 << -shift)
        exact = [int(w) << int(s) for w, s in zip(whole.ravel(), moved.ravel(), strict=True)]
        return RationalArray(np.array([*exact, 0], dtype=object)[:-1].reshape(values.shape), 1 << -shift)

    @staticmethod
    def from_numpy(array: np.ndarray, field: str) -> RationalArray:
        """Integers as they are, floats as the dyadic rationals they are; nothing else."""
        if array.dtype.kind in "iu":
            return RationalArray.from_integers(array)
        if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
            return RationalArray.from_floats(array, field)
        raise MalformedError(field, "integers or float16, float32, float64 values", f"dtype {array.dtype}")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numerators.shape

    @property
    def ndim(self) -> int:
        return self.numerators.ndim

    def __getitem__(self, rows: slice) -> RationalArray:
        """The rows of a slice."""
        return RationalArray(self.numerators[rows], self.denominator)

    def reshape(self, *shape: int) -> RationalArray:
        return RationalArray(self.numerators.reshape(*shape), self.denominator)

    def scaled(self, factor: Fraction) -> RationalArray:
        """Every entry times an exact rational.

        >>> RationalArray.from_integers([[1, 2]]).scaled(Fraction(1, 2)).to_fractions()
        [[Fraction(1, 2), Fraction(1, 1)]]
        """
        factor = Fraction(factor)
        if factor.numerator == 1:
            return RationalArray(self.numerators, self.denominator * factor.denominator)
        numbers = self.numerators.astype(object) * factor.numerator
        return RationalArray(numbers, self.denominator * factor.denominator)

    def to_fractions(self) -> Any:
        """Nested lists of Fraction."""

        def convert(entry: Any) -> Any:
            if isinstance(entry, list):
                return [convert(part) for part in entry]
            return Fraction(entry, self.denominator)

        return convert(self.numerators.tolist())

    def max_abs_numerator(self) -> int:
        if self.numerators.size == 0:
            return 0
        return max(abs(int(self.numerators.max())), abs(int(self.numerators.min())))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RationalArray):
            return NotImplemented
        return (
            self.shape == other.shape
            and self.denominator == other.denominator
            and bool((self.numerators == other.numerators).all())
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.denominator, tuple(self.numerators.ravel()[:64].tolist())))

    def __repr__(self) -> str:
        return f"RationalArray(shape={self.shape}, denominator={self.denominator})"


def _narrow(numbers: np.ndarray) -> np.ndarray:
    if numbers.dtype != object:
        return numbers.astype(object) if numbers.dtype == np.uint64 else numbers
    if numbers.size == 0 or max(abs(int(numbers.max())), abs(int(numbers.min()))) < 2**62:
        return numbers.astype(np.int64)
    return numbers


def _object_array(numbers: Any) -> np.ndarray:
    array = np.array(numbers, dtype=object)
    for value in array.ravel().tolist():
        if isinstance(value, (list, tuple)):
            raise MisuseError("numbers", "rows of equal length", "ragged rows")
    return array


def _shape(numbers: Any, field: str) -> tuple[int, ...]:
    if isinstance(numbers, (list, tuple)):
        return (len(numbers), *(_shape(numbers[0], f"{field}[0]") if numbers else ()))
    return ()


def _flatten(numbers: Any, shape: tuple[int, ...], field: str, into: list[Fraction]) -> None:
    if not shape:
        if isinstance(numbers, Sequence) and not isinstance(numbers, str):
            raise MalformedError(field, "a number", "a list")
        into.append(parse_rational(numbers, field))
        return
    if not isinstance(numbers, (list, tuple)) or len(numbers) != shape[0]:
        found = f"{len(numbers)} entries" if isinstance(numbers, (list, tuple)) else repr(numbers)
        raise MalformedError(field, f"a list of {shape[0]} entries, as in the first row", found)
    for i, entry in enumerate(numbers):
        _flatten(entry, shape[1:], f"{field}[{i}]", into)
