"""Strict reading (FORMAT.md, sections 1 to 4): bytes to JSON to values whose every key, type and size is as the format says.

A Reader takes a JSON value and its place (for messages) and returns the value with its numbers turned into int or
Fraction, or raises Malformed.  Readers know the grammar only: whether indices are in range, shapes agree and so on is
the business of `network`, the judgments and `statements`.
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable
from fractions import Fraction
from math import gcd
from typing import Any, NoReturn

from .outcome import Malformed, TooMuch, show

Reader = Callable[[Any, str], Any]
Fields = dict[str, Any]
MAX_FILE = 256 * 2**20
MAX_DIGITS, FEW_DIGITS = 100_000, 1_000  # of samples, weights and vectors; of every other number
MAX_UNITS = 2**22  # of the units, filters and positions of one node, and of samples
NUMBER = re.compile(r"(0|-?[1-9][0-9]*)(?:/([1-9][0-9]*))?")


def parse_json(raw: bytes) -> Any:
    """JSON without floats, without integers of 2^53 or more, without duplicate keys."""
    if len(raw) > MAX_FILE:
        raise TooMuch(f"file: {len(raw)} bytes of JSON are more than this checker reads")

    def refuse(text: str) -> NoReturn:
        raise Malformed(f"file: {show(text)} is not allowed; a JSON number is an integer below 2^53")

    def small(text: str) -> int:
        return int(text) if len(text) <= 17 and text != "-0" and abs(int(text)) < 2**53 else refuse(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise Malformed(f"file: duplicate key {show(key)}")
            seen.add(key)
        return dict(pairs)

    try:
        return json.loads(raw.decode("utf-8"), parse_float=refuse, parse_constant=refuse, parse_int=small,
                          object_pairs_hook=unique)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError among them
        raise Malformed(f"file: not JSON in UTF-8, {show(str(error))}") from None


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def number(value: Any, path: str, digits: int = FEW_DIGITS) -> Fraction:
    if type(value) is int:  # a bool is not an integer
        return Fraction(value)
    match = NUMBER.fullmatch(value) if type(value) is str and len(value) <= digits else None
    if match is None:
        raise Malformed(f"{path}: expected a number in canonical form, of at most {digits} characters, found {show(value)}")
    # CPython refuses long decimal strings by default; `digits` is the bound that protects us here.
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(MAX_DIGITS)
    above, below = int(match[1]), int(match[2] or 1)
    sys.set_int_max_str_digits(before)
    if match[2] and (below == 1 or gcd(above, below) > 1):
        raise Malformed(f"{path}: {show(value)} is not a fraction in lowest terms")
    return Fraction(above, below)


def integer(low: int | None = None, high: int | None = None, digits: int = FEW_DIGITS) -> Reader:
    def read(value: Any, path: str) -> int:
        exact = value if type(value) is int else number(value, path, digits)
        if exact.denominator > 1 or (low is not None and exact < low) or (high is not None and exact > high):
            raise Malformed(f"{path}: expected an integer in {low} .. {high}, found {show(value)}")
        return exact.numerator

    return read


def integers(low: int | None = None, high: int | None = None, least: int = 0, digits: int = FEW_DIGITS) -> Reader:
    """array(integer(low, high, digits), least), with a short cut for the common case of plain JSON integers."""
    slow = array(integer(low, high, digits), least)

    def read(value: Any, path: str) -> list[int]:
        plain = type(value) is list and set(map(type, value)) == {int} and len(value) >= least
        inside = plain and (low is None or min(value) >= low) and (high is None or max(value) <= high)
        numbers: list[int] = value if inside else slow(value, path)
        return numbers

    return read


def positive(below: int | None = None) -> Reader:
    def read(value: Any, path: str) -> Fraction:
        if (exact := number(value, path)) <= 0 or (below is not None and exact >= below):
            raise Malformed(f"{path}: expected a rational above 0 and below {below}, found {show(value)}")
        return exact

    return read


def matching(pattern: str) -> Reader:
    def read(value: Any, path: str) -> str:
        if type(value) is not str or not re.fullmatch(pattern, value, re.DOTALL):
            raise Malformed(f"{path}: expected a string matching {pattern}, found {show(value)}")
        return value

    return read


def boolean(value: Any, path: str) -> bool:
    if type(value) is not bool:
        raise Malformed(f"{path}: expected true or false, found {show(value)}")
    return value


def choice(*names: str) -> Reader:
    def read(value: Any, path: str) -> str:
        if type(value) is not str or value not in names:
            raise Malformed(f"{path}: expected one of {', '.join(names)}, found {show(value)}")
        return value

    return read


def maybe(reader: Reader) -> Reader:
    return lambda value, path: None if value is None else reader(value, path)


def array(item: Reader, least: int = 0, most: int | None = None) -> Reader:
    def read(value: Any, path: str) -> list[Any]:
        if type(value) is not list or len(value) < least or (most is not None and len(value) > most):
            size = f"at least {least}" if most is None else f"{least} to {most}"
            raise Malformed(f"{path}: expected a list of {size} entries, found {show(value)}")
        return [item(entry, f"{path}[{i}]") for i, entry in enumerate(value)]

    return read


def pair(first: Reader, second: Reader) -> Reader:
    def read(value: Any, path: str) -> tuple[Any, Any]:
        if type(value) is not list or len(value) != 2:
            raise Malformed(f"{path}: expected a pair, found {show(value)}")
        return first(value[0], path + "[0]"), second(value[1], path + "[1]")

    return read


def record(fields: dict[str, Reader], optional: dict[str, Reader] | None = None) -> Reader:
    known = {**fields, **(optional or {})}

    def read(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise Malformed(f"{path}: expected an object, found {show(value)}")
        for key in [*fields, *value]:
            if key not in known or key not in value:
                raise Malformed(f"{path}: {'missing' if key in fields else 'unknown'} key {show(key)}")
        return {key: reader(value[key], f"{path}.{key}") for key, reader in known.items() if key in value}

    return read


def named(item: Reader, most: int = 200) -> Reader:
    """An object with short names of the author's choice for keys."""

    def read(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict or len(value) > most:
            raise Malformed(f"{path}: expected an object of at most {most} entries, found {show(value)}")
        return {NAME(key, path): item(entry, f"{path}.{key}") for key, entry in value.items()}

    return read


def tagged(tag: str, options: dict[str, dict[str, Reader]]) -> Reader:
    """An object whose other keys are determined by the value of one of them."""
    name = choice(*options)
    readers = {option: record({tag: name, **fields}) for option, fields in options.items()}

    def read(value: Any, path: str) -> Any:
        if type(value) is not dict or tag not in value:
            raise Malformed(f"{path}: expected an object with key {tag}, found {show(value)}")
        return readers[name(value[tag], f"{path}.{tag}")](value, path)

    return read


# fmt: off
INDEX, INDICES = integer(0, 2**31), integers(0, 2**31)
SIZE, NODE, LONG = integer(1, MAX_UNITS), integer(0, 10_000), integers(digits=MAX_DIGITS)
HEX, NAME, SEED = matching("[0-9a-f]{64}"), matching("[a-z0-9-]{1,40}"), integer(0, 2**64 - 1)
DENOMINATOR = integer(1, digits=MAX_DIGITS)


def polynomial(value: Any, path: str) -> tuple[Fraction, ...]:
    """[c_0, c_1, ..], the number c_0 + c_1 ln 2 + .., without a trailing 0."""
    found = tuple(array(lambda v, p: number(v, p, MAX_DIGITS), 0, 32)(value, path))
    if found and found[-1] == 0:
        raise Malformed(f"{path}: expected coefficients in powers of ln 2, the last not 0, found {show(value)}")
    return found
