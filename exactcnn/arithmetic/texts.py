"""Floor 1: exact numbers as texts, both ways.

Texts: "3/7", "-1", "0.25", "1e-3".  A JSON float is refused, because it has already been
rounded by whoever wrote it.  CPython limits conversions of long texts; the functions here
split them, within limits of their own.
"""

from __future__ import annotations

import re
from fractions import Fraction

from exactcnn.errors import MalformedError, MisuseError

__all__ = ["json_integer", "parse_rational", "rational_text"]

_LONGEST_TEXT = 100_000
_LARGEST_EXPONENT = 20_000
_DIGITS = 600  # CPython may refuse to convert texts longer than 640 digits; stay below
_RATIONAL = re.compile(r"([+-]?[0-9]+)(?:/([0-9]+))?", re.ASCII)
_DECIMAL = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,6}))?", re.ASCII)


def parse_rational(value: object, field: str) -> Fraction:
    """An int, a Fraction, or a text such as "3/7", "-1", "0.25", "1e-3", exactly.

    MalformedError, naming ``field``, for floats, booleans, other types, texts longer than
    100,000 characters, decimal exponents beyond 20,000 and texts that are no rational.

    >>> parse_rational("-0.25", "w")
    Fraction(-1, 4)
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, float):
        raise MalformedError(field, 'an integer or a quoted rational such as "1/3" or "0.25"', value)
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
    if match is None:
        raise MalformedError(field, "an integer or a rational such as 3/7 or 0.25", repr(value))
    sign, whole, decimals, exponent = match.groups()
    if abs(int(exponent or 0)) > _LARGEST_EXPONENT:
        raise MalformedError(field, f"a decimal exponent of at most {_LARGEST_EXPONENT}", repr(value))
    power = int(exponent or 0) - len(decimals)
    ten: int = 10 ** abs(power)
    number = _integer(sign + whole + decimals)
    return Fraction(number * ten) if power >= 0 else Fraction(number, ten)


def _integer(text: str) -> int:
    if len(text) <= _DIGITS:
        return int(text)
    negative, digits = text.startswith("-"), text.lstrip("+-")
    half = len(digits) // 2
    ten: int = 10 ** (len(digits) - half)
    number = _integer(digits[:half]) * ten + _integer(digits[half:])
    return -number if negative else number


def _digits(number: int) -> str:
    """str(number) for number >= 0 of any length."""
    if number.bit_length() <= 3 * _DIGITS:
        return str(number)
    half = number.bit_length() * 3 // 20  # about half of the decimal digits
    ten: int = 10**half
    high, low = divmod(number, ten)
    return _digits(high) + _digits(low).zfill(half)


def rational_text(value: Fraction | int) -> str:
    """The canonical text in lowest terms, of any length: "3/7", "-1".

    >>> rational_text(Fraction(6, 14))
    '3/7'
    """
    if isinstance(value, bool) or not isinstance(value, (int, Fraction)):
        raise MisuseError("value", "an int or a Fraction", type(value).__name__)
    text = ("-" if value < 0 else "") + _digits(abs(value.numerator))
    return text if value.denominator == 1 else f"{text}/{_digits(value.denominator)}"


def json_integer(value: int) -> int | str:
    """An integer as certificates have it: a number below 2^53, exact in every reader, a text above.

    >>> json_integer(-5), json_integer(2**60)
    (-5, '1152921504606846976')
    """
    return int(value) if abs(value) < 2**53 else rational_text(value)
