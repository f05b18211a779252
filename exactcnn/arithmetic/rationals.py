"""Floor 1: exact rational arrays, integer numerators over one common denominator.

Every float is a dyadic rational, so trained weights are exact inputs; every decimal text is
a rational, so tables are.  Nothing in this module rounds.

Conventions.  Numerators keep the small integer dtype they came in (uint8 pixels stay uint8:
50 million of them are 50 MB, not 400); they become int64 where that dtype does not do, and
Python integers (dtype object) from 2^62 on, so that the sum of two never wraps.  uint64
becomes one of these two.

Errors.  MalformedError for what a user's file says, MisuseError for a broken Python contract.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np

from exactcnn.arithmetic.integers import largest, scale
from exactcnn.arithmetic.modular import residues
from exactcnn.arithmetic.texts import parse_rational, rational_text
from exactcnn.errors import MalformedError, MisuseError, shown

__all__ = ["RationalArray"]

_SMALL = 2**62
_MOST_AXES = 32  # NumPy 1's limit
_CHUNK = 1 << 16
_PIXEL = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, eq=False)
class RationalArray:
    """``numerators`` / ``denominator``, in lowest terms over the whole array.

    Invariants: denominator >= 1; the gcd of it and all numerators is 1 (so equal arrays are
    stored equally, and zeros have denominator 1); numerators are of an integer dtype of at
    most 64 bits with absolute values below 2^62, or Python integers (dtype object) if one of
    them is not; the array is read-only and shares no writeable memory.  MisuseError if what
    is given is not integers.
    """

    numerators: np.ndarray
    denominator: int = 1

    def __post_init__(self) -> None:
        given = np.asarray(self.numerators)
        denominator = self.denominator
        if isinstance(denominator, bool) or not isinstance(denominator, int) or denominator < 1:
            raise MisuseError("denominator", "a positive integer", denominator)
        numbers = _narrow(given)
        common = _common_divisor(numbers, denominator)
        if common > 1:
            numbers, denominator = _divided(numbers, common), denominator // common
        if np.may_share_memory(numbers, given) and not _immutable(numbers):
            numbers = numbers.copy()
        if numbers.flags.writeable:
            numbers.setflags(write=False)
        object.__setattr__(self, "numerators", numbers)
        object.__setattr__(self, "denominator", denominator)

    @staticmethod
    def from_integers(numbers: Any, denominator: int = 1) -> RationalArray:
        """From an integer array or nested lists of int, of any shape, over ``denominator``.

        MisuseError for booleans, floats, ragged rows and denominators below 1.

        >>> RationalArray.from_integers([[2, 4, 6]], 4)
        RationalArray(shape=(1, 3), denominator=2)
        """
        array = numbers if isinstance(numbers, np.ndarray) else _object_array(numbers)
        return RationalArray(array, denominator)

    @staticmethod
    def from_fractions(numbers: Any, field: str = "numbers") -> RationalArray:
        """From nested lists of int, Fraction and rational texts, rectangular, at most 32 axes.

        MalformedError, naming the entry, for ragged lists and for what is no rational; and
        where the common denominator would be out of all proportion (a few kilobytes of texts
        could otherwise demand gigabytes).

        >>> RationalArray.from_fractions([[Fraction(1, 2), 1, "2/3"]]).numerators.tolist()
        [[3, 6, 4]]
        """
        shape = _shape(numbers, field)
        flat: list[int | Fraction] = []
        _flatten(numbers, shape, field, flat)
        denominator = _common_denominator(flat, field)
        whole = [value.numerator * (denominator // value.denominator) for value in flat]
        return RationalArray(_object_row(whole).reshape(shape), denominator)

    @staticmethod
    def from_floats(numbers: np.ndarray, field: str = "numbers") -> RationalArray:
        """The dyadic rationals that float16, float32 or float64 values are; no rounding.

        MalformedError, naming ``field`` and the index, for NaN and infinities; MisuseError
        for other dtypes.

        >>> RationalArray.from_floats(np.array([[0.5, -0.75]])).to_fractions()
        [[Fraction(1, 2), Fraction(-3, 4)]]
        """
        array = np.asarray(numbers)
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise MisuseError(field, "float16, float32 or float64", array.dtype)
        values = array.astype(np.float64)
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            place = tuple(int(i) for i in bad[0])
            where = "".join(f"[{i}]" for i in place)
            raise MalformedError(f"{field}{where}", "a finite number", values[place])
        if values.size == 0:
            return RationalArray(np.zeros(values.shape, dtype=np.int64))
        mantissa, exponent = np.frexp(values)
        # values = whole * 2^(exponent - 53) with |whole| < 2^53: exact by definition of frexp.
        whole = np.ldexp(mantissa, 53).astype(np.int64)
        power = np.where(whole == 0, 0, exponent.astype(np.int64) - 53)
        # Strip trailing zeros so that the common denominator is the least power of two.
        lowest = whole & -whole
        trailing = np.where(whole == 0, 0, np.frexp(lowest.astype(np.float64))[1] - 1).astype(np.int64)
        whole, power = whole >> trailing, power + trailing
        shift = min(0, int(power.min()))
        moved = np.where(whole == 0, 0, power - shift)
        # |whole| < 2^(53 - trailing), and 2^(62 - ..) is where int64 ends for us.
        if int((moved + 53 - trailing).max()) <= 62:
            return RationalArray(whole << moved, 1 << -shift)
        exact = [w << s for w, s in zip(whole.ravel().tolist(), moved.ravel().tolist(), strict=True)]
        return RationalArray(_object_row(exact).reshape(values.shape), 1 << -shift)

    @staticmethod
    def from_numpy(array: np.ndarray, field: str) -> RationalArray:
        """Integers as they are, floats as the dyadic rationals they are; MalformedError,
        naming ``field``, for every other dtype and for NaN and infinities."""
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
        """The same entries, row-major, in another shape."""
        return RationalArray(self.numerators.reshape(*shape), self.denominator)

    def scaled(self, factor: Fraction | int) -> RationalArray:
        """Every entry times an exact rational; MisuseError for a float.

        >>> RationalArray.from_integers([[1, 2]]).scaled(Fraction(1, 2)).to_fractions()
        [[Fraction(1, 2), Fraction(1, 1)]]
        """
        if isinstance(factor, bool) or not isinstance(factor, (int, Fraction)):
            raise MisuseError("factor", "an int or a Fraction", type(factor).__name__)
        return RationalArray(scale(self.numerators, factor.numerator), self.denominator * factor.denominator)

    def numerators_mod(self, p: int) -> np.ndarray:
        """The numerators reduced to [0, p), int64, same shape; 2 <= p < 2^63."""
        if isinstance(p, bool) or not isinstance(p, int) or not 2 <= p < 2**63:
            raise MisuseError("p", "an integer from 2 to 2^63 - 1", p)
        return residues(self.numerators, p)

    def mod(self, p: int) -> np.ndarray:
        """The entries mod p, in [0, p), int64, same shape.

        MisuseError unless 2 <= p < 2^63 and the denominator is invertible mod p.

        >>> RationalArray.from_integers([[1, 3, -2]], 2).mod(7).tolist()
        [[4, 5, 6]]
        """
        numbers = self.numerators_mod(p)
        if gcd(self.denominator, p) != 1:
            raise MisuseError("p", "a modulus in which the denominator is invertible", p)
        inverse = pow(self.denominator, -1, p)
        if p > 2**31:  # products would leave int64
            return residues(numbers.astype(object) * inverse, p)
        return residues(numbers * inverse, p)

    def to_fractions(self) -> Any:
        """Nested lists of Fraction, of this shape."""

        def convert(entry: Any) -> Any:
            if isinstance(entry, list):
                return [convert(part) for part in entry]
            return Fraction(entry, self.denominator)

        return convert(self.numerators.tolist())

    def max_abs_numerator(self) -> int:
        """The largest |numerator|, 0 for an empty array."""
        return largest(self.numerators)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RationalArray):
            return NotImplemented
        return (
            self.shape == other.shape
            and self.denominator == other.denominator
            and bool(np.all(self.numerators == other.numerators))
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.denominator, tuple(self.numerators.ravel()[:64].tolist())))

    def __repr__(self) -> str:
        return f"RationalArray(shape={self.shape}, denominator={rational_text(self.denominator)})"


def _narrow(numbers: np.ndarray) -> np.ndarray:
    """The same integers in the dtype that the class promises, native byte order."""
    if numbers.dtype.kind not in "iuO":
        raise MisuseError("numerators", "integers", f"dtype {numbers.dtype}")
    if numbers.dtype.kind == "O":
        for value in numbers.ravel().tolist():
            if type(value) is not int:  # bool, and NumPy's or other number types, round or wrap later
                raise MisuseError("numerators", "integers", f"{type(value).__name__} {shown(value)}")
        return numbers.astype(np.int64) if largest(numbers) < _SMALL else numbers
    numbers = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    if numbers.dtype.itemsize < 8:
        return numbers
    return numbers.astype(np.int64, copy=False) if largest(numbers) < _SMALL else numbers.astype(object)


def _common_divisor(numbers: np.ndarray, denominator: int) -> int:
    """gcd of the denominator and all numerators; stops at the first chunk that brings it to 1."""
    if denominator == 1:
        return 1
    flat, common = numbers.reshape(-1), denominator
    for begin in range(0, flat.size, _CHUNK):
        chunk = flat[begin : begin + _CHUNK]
        if chunk.dtype == object:
            common = gcd(common, *chunk.tolist())
        else:
            common = gcd(common, int(np.gcd.reduce(chunk.astype(np.int64))))
        if common == 1:
            break
    return common


def _divided(numbers: np.ndarray, common: int) -> np.ndarray:
    """numbers / common, where common divides each; the dtype is kept."""
    if numbers.dtype == object:
        return _narrow(numbers // common)
    if common >= _SMALL:
        return np.zeros_like(numbers)  # all below 2^62 and all divisible
    return (numbers.astype(np.int64) // common).astype(numbers.dtype)


def _immutable(numbers: np.ndarray) -> bool:
    """Can no one write to this memory, not even through the array that it is a view of?"""
    part: Any = numbers
    while isinstance(part, np.ndarray):
        if part.flags.writeable:
            return False
        part = part.base
    return part is None or isinstance(part, bytes)


def _object_row(values: list[int]) -> np.ndarray:
    row = np.empty(len(values), dtype=object)
    row[:] = values
    return row


def _object_array(numbers: Any) -> np.ndarray:
    try:
        array = np.array(numbers, dtype=object)
    except ValueError:
        raise MisuseError("numbers", "rows of equal length, at most 32 axes", "ragged rows") from None
    if any(isinstance(value, (list, tuple)) for value in array.ravel().tolist()):
        raise MisuseError("numbers", "rows of equal length", "ragged rows")
    return array


def _common_denominator(values: list[int | Fraction], field: str) -> int:
    # Every numerator grows to the size of the common denominator: bound their total, one gigabyte.
    most_bits = max(128, min(2**20, 2**33 // max(1, len(values))))
    common = 1
    for denominator in {value.denominator for value in values}:
        common = lcm(common, denominator)
        if common.bit_length() > most_bits:
            raise MalformedError(field, f"a common denominator of at most {most_bits} bits", "a larger one")
    return common


def _shape(numbers: Any, field: str) -> tuple[int, ...]:
    """The shape that the first entries promise; _flatten holds the others to it."""
    shape: list[int] = []
    while isinstance(numbers, (list, tuple)):
        shape.append(len(numbers))
        if len(shape) > _MOST_AXES:
            raise MalformedError(field, f"at most {_MOST_AXES} nested lists", "more")
        if not numbers:
            break
        numbers = numbers[0]
    return tuple(shape)


def _flatten(numbers: Any, shape: tuple[int, ...], field: str, into: list[int | Fraction]) -> None:
    if not shape:
        if isinstance(numbers, (list, tuple)):
            raise MalformedError(field, "a number", "a list")
        into.append(parse_rational(numbers, field))
        return
    if not isinstance(numbers, (list, tuple)) or len(numbers) != shape[0]:
        found = f"{len(numbers)} entries" if isinstance(numbers, (list, tuple)) else shown(numbers)
        raise MalformedError(field, f"a list of {shape[0]} entries, as in the first row", found)
    for i, entry in enumerate(numbers):
        if type(entry) is int and len(shape) == 1:
            into.append(entry)
        elif type(entry) is str and len(shape) == 1 and _PIXEL.fullmatch(entry):
            into.append(int(entry))
        else:
            _flatten(entry, shape[1:], f"{field}[{i}]", into)
