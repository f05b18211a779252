"""Strict reading: bytes to JSON to a certificate whose every key and type is as FORMAT.md says.

A Reader takes a JSON value and its place (for messages) and returns the value with its numbers turned
into int or Fraction, or raises Malformed.  Readers know the grammar only: whether indices are in range,
bounds agree and so on is the business of `instance` and `rules`.
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
MAX_FILE = 256 * 2**20
MAX_PARSED = 3 * 2**30  # bytes the parsed JSON may take in memory, estimated from its punctuation
MAX_DIGITS = 100_000
MAX_SIZE = 2**48  # of anything that counts units, filters or positions
NUMBER = re.compile(r"(0|-?[1-9][0-9]*)(?:/([1-9][0-9]*))?")


def parse_json(raw: bytes) -> Any:
    """JSON without floats, without integers of 2^53 or more, without duplicate keys."""
    # 40 bytes for each number or reference, more for a list, string or object.
    memory = 40 * raw.count(b",") + 72 * raw.count(b"[") + 240 * raw.count(b"{") + 35 * raw.count(b'"')
    if len(raw) > MAX_FILE or memory > MAX_PARSED:
        raise TooMuch(f"file: {len(raw)} bytes of JSON are more than this checker reads")

    def refuse(text: str) -> NoReturn:
        raise Malformed(f"file: {show(text)} is not allowed; a JSON number is an integer below 2^53")

    def small(text: str) -> int:
        return int(text) if len(text) <= 17 and text != "-0" and abs(int(text)) < 2**53 else refuse(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        last = {key: place for place, (key, _) in enumerate(pairs)}
        for place, (key, _) in enumerate(pairs):
            if last[key] != place:
                raise Malformed(f"file: duplicate key {show(key)}")
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


def number(value: Any, path: str) -> Fraction:
    match = NUMBER.fullmatch(value) if type(value) is str and len(value) <= MAX_DIGITS else None
    if type(value) is int:  # a bool is not an integer
        return Fraction(value)
    if match is None:
        raise Malformed(f"{path}: expected a number in canonical form, found {show(value)}")
    # CPython refuses long decimal strings by default; MAX_DIGITS is the bound that protects us here.
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(MAX_DIGITS)
    above, below = int(match[1]), int(match[2] or 1)
    sys.set_int_max_str_digits(before)
    if match[2] and (below == 1 or gcd(above, below) > 1):
        raise Malformed(f"{path}: {show(value)} is not a fraction in lowest terms")
    return Fraction(above, below)


def integer(low: int | None = None, high: int | None = None) -> Reader:
    def read(value: Any, path: str) -> int:
        exact = value if type(value) is int else number(value, path)
        if exact.denominator > 1 or (low is not None and exact < low) or (high is not None and exact > high):
            raise Malformed(f"{path}: expected an integer in {low} .. {high}, found {show(value)}")
        return exact.numerator

    return read


def polynomial(value: Any, path: str) -> tuple[Fraction, ...]:
    """[c_0, c_1, ..], the number c_0 + c_1 ln 2 + .., without a trailing 0."""
    found = tuple(number(entry, f"{path}[{i}]") for i, entry in enumerate(value if type(value) is list else [value]))
    if type(value) is not list or len(found) > 99 or (found and found[-1] == 0):
        raise Malformed(f"{path}: expected coefficients in powers of ln 2, the last not 0, found {show(value)}")
    return found


def positive(below: int | None = None) -> Reader:
    def read(value: Any, path: str) -> Fraction:
        if (exact := number(value, path)) <= 0 or (below is not None and exact >= below):
            raise Malformed(f"{path}: expected a rational above 0 and below {below}, found {show(value)}")
        return exact

    return read


def text(value: Any, path: str) -> str:
    if type(value) is not str:
        raise Malformed(f"{path}: expected a string, found {show(value)}")
    return value


def boolean(value: Any, path: str) -> bool:
    if type(value) is not bool:
        raise Malformed(f"{path}: expected true or false, found {show(value)}")
    return value


def hexadecimal(value: Any, path: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text(value, path)):
        raise Malformed(f"{path}: expected 64 lower-case hexadecimal digits, found {show(value)}")
    return str(value)


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
            raise Malformed(f"{path}: expected a list of {least} to {most} entries, found {show(value)}")
        return [item(entry, f"{path}[{i}]") for i, entry in enumerate(value)]

    return read


def integers(low: int | None = None, least: int = 0) -> Reader:
    """array(integer(low), least), with a short cut for the common case of plain JSON integers."""
    slow = array(integer(low), least)

    def read(value: Any, path: str) -> list[int]:
        plain = type(value) is list and set(map(type, value)) == {int} and len(value) >= least
        numbers: list[int] = value if plain and (low is None or min(value) >= low) else slow(value, path)
        return numbers

    return read


def pair(first: Reader, second: Reader) -> Reader:
    def read(value: Any, path: str) -> tuple[Any, Any]:
        if type(value) is not list or len(value) != 2:
            raise Malformed(f"{path}: expected a pair, found {show(value)}")
        return first(value[0], path + "[0]"), second(value[1], path + "[1]")

    return read


def record(fields: dict[str, Reader]) -> Reader:
    def read(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise Malformed(f"{path}: expected an object, found {show(value)}")
        for key in [*fields, *value]:
            if key not in fields or key not in value:
                raise Malformed(f"{path}: {'missing' if key in fields else 'unknown'} key {show(key)}")
        return {key: reader(value[key], f"{path}.{key}") for key, reader in fields.items()}

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


# The grammar of FORMAT.md, sections 1 to 6, in its order.
# fmt: off
INDEX, SIZE, INDICES, SEED = integer(0), integer(1, MAX_SIZE), integers(0), integer(0, 2**64 - 1)
ACTIVATION = tagged("name", {
    "relu": {}, "leaky_relu": {"slope": positive(below=1)}, "identity": {}, "square": {}, "sigmoid": {},
    "tanh": {}, "softplus": {"alpha": positive()}, "silu": {}, "gelu": {}, "elu": {"alpha": positive()},
    "gaussian": {}, "arctan": {}, "sigmoid2": {}, "custom": {"expression": text}})
NEURON = {"activation": ACTIVATION, "bias": choice("unit", "filter", "none")}
SIZES = array(SIZE, 1, 3)
WINDOW = {"kernel": SIZES, "stride": SIZES, "padding": array(integer(0, MAX_SIZE), 1, 3), "dilation": SIZES}
LISTS, DENSE = {"patches": array(integers(0, least=1), 1)}, {"units": SIZE, **NEURON}
BY_WINDOW, BY_LISTS = (
    tagged("kind", {"conv": {"filters": SIZE, **reads, **NEURON}, "maxpool": reads, "dense": DENSE})
    for reads in (WINDOW, LISTS))


def layer(value: Any, path: str) -> Any:
    return (BY_LISTS if type(value) is dict and "patches" in value else BY_WINDOW)(value, path)


NETWORK = record({"name": text, "input": array(SIZE, 1, 4), "layers": array(layer, 1)})
SHAPE = pair(SIZE, SIZE)
DATA = tagged("kind", {
    "inline": {"shape": SHAPE, "denominator": integer(1), "rows": array(integers())},
    "file": {"path": text, "format": choice("idx", "npz"), "sha256": hexadecimal, "shape": SHAPE,
             "start": integer(0, MAX_SIZE), "scale": positive()}})
WEIGHTS = tagged("kind", {
    "seed": {"seed": SEED, "bits": integer(1, 64)},
    "inline": {"layers": array(maybe(record({
        "W": record({"denominator": integer(1), "rows": array(integers())}),
        "b": maybe(record({"denominator": integer(1), "values": integers()}))})))}})

PLACE = {"prime": integer(0, 2**63 - 1), "rows": INDICES, "columns": INDICES}
SUBSTITUTION = maybe(record({"denominator": integer(1), "root": integer(1)}))
FILTERS = tagged("kind", {"seed": {"seed": SEED}, "identity": {}, "weights": {}})
MINOR, GMINOR = ({**PLACE, "substitution": SUBSTITUTION}, {**PLACE, "filters": FILTERS})
GLOWER = tagged("kind", {"minor": GMINOR, "minor-fiat-shamir": {**GMINOR, "solutions": array(INDICES)}})
LOWER = tagged("kind", {
    "minor": MINOR, "minor-fiat-shamir": {**MINOR, "solutions": array(INDICES)},
    "verified-inverse": {"precision": integer(16, 4096), "rows": INDICES, "columns": INDICES,
                         "scale": integer(0, 2**16), "inverse": array(integers())}})
VECTORS = {"vectors": array(record({"pivot": INDEX, "entries": array(pair(INDEX, integer()))}))}
KERNEL = {"denominator": maybe(integer(1)), **VECTORS}
COUNTING: dict[str, dict[str, Reader]] = {
    "width": {}, "distinct-samples": {}, "restriction": {"positions": INDICES}, "distinct-patches": {},
    "equal-positions": {}}
UPPER = tagged("kind", {**COUNTING, "left-kernel": KERNEL, "right-kernel": KERNEL})
NESTED = {"prime": integer(3, 2**31 - 1), "root": integer(1), "seed": SEED, "bits": integer(1, 61),
          "rows": INDICES, "columns": INDICES}
ALMOST = tagged("kind", {
    "witness": {"lower": LOWER}, "bound": {"upper": tagged("kind", COUNTING)},
    "nested": {"lower": tagged("kind", {
        "minor": NESTED, "minor-fiat-shamir": {**NESTED, "solutions": array(INDICES)}})},
    "general-position": {},
    "triangular": {"seed": SEED, "bits": integer(1, 61), "shared": boolean, "order": INDICES, "units": INDICES,
                   "thresholds": integers(), "lower": maybe(tagged("kind", {
                       "minor": PLACE, "minor-fiat-shamir": {**PLACE, "solutions": array(INDICES)}}))},
    "dead-layer": {"layer": integer(1), "bound": integer(1)}})
POLY = array(pair(integer(), array(pair(INDEX, integer(1)))), 1)
GUPPER = tagged("kind", {
    "polynomial-kernel": {"side": choice("left", "right"),
                          "vectors": array(record({"pivot": INDEX, "entries": array(pair(INDEX, POLY))}))},
    "cover": {"rows": INDICES, "columns": INDICES}, "determinantal": {}})

DECIDED = {"verdict": choice("proved", "refuted")}
BOUNDS = {"verdict": choice("proved", "refuted", "undecided"), "layer": integer(1),
          "lower": INDEX, "upper": INDEX}
GENERIC = {**BOUNDS, "rows": SIZE, "columns": SIZE,
           "evidence": record({"lower": maybe(GLOWER), "upper": maybe(GUPPER)})}
LIFTED = {**BOUNDS, "rows": SIZE, "columns": SIZE, "evidence": record({
    "lower": maybe(GLOWER), "upper": maybe(tagged("kind", {"left-kernel": VECTORS, "right-kernel": VECTORS}))})}
ABOUT = {**DECIDED, "layer": integer(1), "samples": SIZE, "width": SIZE}
CLAUSES = ("no-pooling", "output-dense", "wide", "hidden-3.2", "monotone", "pyramid")
SIMPLE = {
    "rank": {**BOUNDS, "samples": SIZE, "width": SIZE,
             "evidence": record({"lower": maybe(LOWER), "upper": maybe(UPPER)})},
    "assumption-3.1": {**DECIDED, "evidence": tagged("kind", {
        "all-distinct": {}, "collision": {"samples": pair(INDEX, INDEX), "patches": pair(INDEX, INDEX)}})},
    "assumption-3.2": {**DECIDED, "activation": ACTIVATION, "evidence": tagged("kind", {
        "limits": {}, "growth": {"rho": array(positive(), 4, 4)}, "table": {}})},
    "theorem-3.5": {**ABOUT, "evidence": ALMOST}, "extension-a": {**ABOUT, "evidence": ALMOST},
    "extension-b": {**DECIDED, "samples": SIZE, "width": SIZE, "rank": SIZE},
    "assumption-2.4": GENERIC, "lemma-2.5": GENERIC, "lifted-rank": LIFTED,
    "structure": {**DECIDED, "layer": integer(1), "evidence": record(
        {"uncovered": INDICES, "equal": array(pair(INDEX, INDEX))})},
    "assumption-4.1": {**DECIDED, "samples": SIZE, "layers": array(record(
        {"layer": integer(1), "failing": array(choice(*CLAUSES))}))}}
NEARBY = {"verdict": choice("proved"), "layer": integer(1), "samples": SIZE, "width": SIZE,
          "targets": record({"denominator": integer(1), "rows": array(integers(), 1)}),
          "loss": pair(number, number), "distance": number,
          "evidence": record({"precision": integer(16, 4096), "columns": INDICES, "scale": integer(0, 2**16),
                              "inverse": array(integers())})}
POINT = {"targets": array(array(number, 1), 1), "value": polynomial, "point": array(maybe(record({
    "W": array(array(polynomial, 1), 1), "b": maybe(array(polynomial, 1))})), 1)}
PARTIAL = {"layer": integer(1), "part": choice("W", "b"), "index": INDEX}
PLACES, MATRIX = integer(16, 4096), array(integers())
SYMMETRIES = array(tagged("kind", {"scaling": {"layer": integer(1), "index": INDEX}, "idle": {"parameter": INDEX},
                                   "shift": {"layer": integer(1), "index": INDEX},
                                   "twin": {"layer": integer(1), "index": INDEX, "other": INDEX},
                                   "level": {"unit": INDEX, "vector": array(number)}}))
SMALLER = {"smaller": maybe(POINT["point"])}
LOCAL = {**DECIDED, **POINT, **SMALLER, "evidence": tagged("kind", {
    "definite": {"precision": PLACES, "free": INDICES, "symmetries": SYMMETRIES, "transform": MATRIX},
    "direction": {"precision": PLACES, "vector": integers()}, "partial": PARTIAL, "zero-loss": {}})}
CRITICAL = {
    "verdict": choice("proved"), "targets": POINT["targets"], "precision": PLACES, "places": PLACES,
    "center": integers(), "radius": integer(1), "free": INDICES, "symmetries": SYMMETRIES, "scale": integer(0, 2**16),
    "preconditioner": MATRIX, "transform": MATRIX, "inertia": pair(INDEX, INDEX), "loss": pair(number, number),
    "wide": maybe(record({"layer": integer(1), "parts": array(record({
        "rows": INDICES, "columns": INDICES, "scale": integer(0, 2**16), "inverse": MATRIX}))})), **SMALLER}
SIMPLE |= {"loss": {"verdict": choice("proved"), **POINT},
           "critical-point": {**DECIDED, **POINT, "partial": maybe(record(PARTIAL))},
           "local-minimum": LOCAL, "critical-point-nearby": CRITICAL}
PARTS = array(tagged("statement", SIMPLE), 1)
HYPOTHESES = ("no-pooling-above", "linear-output", "slopes-without-zeros", "pyramid", "dense-above", "fully-connected")
AT_POINT = {**ABOUT, "weights": maybe(WEIGHTS), "missing": array(choice(*HYPOTHESES)), "parts": PARTS}
THERE = dict.fromkeys(("theorem-4.4", "theorem-4.5", "corollary-4.6", "zero-loss-exists"), AT_POINT)
THERE["extension-c"] = {**AT_POINT, "v": array(number, 1), "rows": INDICES}
CLAIM = tagged("statement", {**SIMPLE, **THERE, "lemma-4.2": {**ABOUT, "parts": PARTS},
                             "s-k": {**ABOUT, "parts": PARTS}, "corollary-3.6": {**ABOUT, "parts": PARTS},
                             "zero-loss-nearby": NEARBY,
                             "theorem-3.4": {**ABOUT, "weights": maybe(WEIGHTS), "parts": PARTS}})
CERTIFICATE = record({
    "format": choice("exactcnn-certificate"), "version": integer(1, 1),
    "instance": record({"network": NETWORK, "data": maybe(DATA), "weights": maybe(WEIGHTS)}),
    "digests": record({"network": hexadecimal, "data": maybe(hexadecimal), "weights": maybe(hexadecimal),
                       "instance": hexadecimal}),
    "claims": array(CLAIM, 1)})
