"""Floor 2: distributions of random weights, drawn exactly and alike on every machine.

A weight is an integer numerator over a denominator that the distribution, its bits and the
layer's patch size fix.  All randomness is SHAKE-256 of a message that names distribution, seed,
layer and array; only integers are computed afterwards, no libm and no float.

* ``uniform``: odd multiples of 2^-bits in (-1, 1) (FORMAT.md section 4).
* ``gaussian``: a standard normal variable rounded to the grid 2^-bits.  With U uniform on the
  64-bit words, v/2^bits is drawn where floor(2^64 Phi((v - 1/2)/2^bits)) <= U < the same for
  v + 1: the inverse of the distribution function, every probability exact within 2^-64.
* ``he``: the same times floor(2^16 sqrt(2/l)) / 2^16, l the patch size; biases too.
* ``sparse:q``: uniform, each weight and bias kept with probability floor(2^64 q) / 2^64, else 0.
* ``integer:m``: uniform integers in [-m, m]; ``bits`` plays no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isqrt

import numpy as np

from exactcnn.arithmetic.streams import octets, odd_numerators, words
from exactcnn.arithmetic.texts import parse_rational, rational_text
from exactcnn.errors import MalformedError, MisuseError, UndecidedError

__all__ = ["DISTRIBUTIONS", "Distribution", "gaussian_thresholds"]

DISTRIBUTIONS = ("uniform", "gaussian", "he", "sparse", "integer")
_DEFAULTS = {"sparse": Fraction(1, 4), "integer": Fraction(3)}
_LARGEST_BITS = {"uniform": 64, "sparse": 61, "integer": 64, "gaussian": 12, "he": 12}
_LARGEST_INTEGER = 2**31
_HE_BITS = 16
# 2^64 Phi(x) < 1 for x < -9.3: no threshold lies further out.
_TAIL = Fraction(93, 10)
_BUCKET_BITS = 16


@dataclass(frozen=True)
class Distribution:
    """``parameter``: the probability of ``sparse``, the bound of ``integer``, else None.

    >>> Distribution.parse("sparse:0.125").text
    'sparse:1/8'
    >>> Distribution.parse("gaussian").draw(["exactcnn/weights/1/gaussian/0/1"], "W", 4, 2, 9).tolist()
    [[-6, -6, -3, 5]]
    """

    name: str = "uniform"
    parameter: Fraction | None = None

    def __post_init__(self) -> None:
        if self.name not in DISTRIBUTIONS or (self.parameter is None) != (self.name not in _DEFAULTS):
            expected = f"one of {', '.join(DISTRIBUTIONS)}, with a parameter for the last two"
            raise MisuseError("distribution", expected, f"{self.name} with {self.parameter}")

    @staticmethod
    def parse(text: object, field: str = "distribution") -> Distribution:
        """From a name, perhaps with a parameter: "uniform", "sparse:1/8", "integer:3"."""
        if isinstance(text, Distribution):
            return text
        name, colon, given = text.partition(":") if isinstance(text, str) else ("", "", "")
        if name not in DISTRIBUTIONS or (colon and name not in _DEFAULTS):
            raise MalformedError(field, "uniform, gaussian, he, sparse[:1/4] or integer[:3]", repr(text))
        parameter = parse_rational(given, field) if colon else _DEFAULTS.get(name)
        if parameter is not None:
            if name == "sparse" and not 0 < parameter <= 1:
                raise MalformedError(field, "a probability above 0 and at most 1", given)
            whole = parameter.denominator == 1 and 1 <= parameter <= _LARGEST_INTEGER
            if name == "integer" and not whole:
                raise MalformedError(field, f"an integer from 1 to {_LARGEST_INTEGER}", given)
        return Distribution(name, parameter)

    @property
    def text(self) -> str:
        """The canonical text; it stands in the messages that the streams are made from."""
        return self.name if self.parameter is None else f"{self.name}:{rational_text(self.parameter)}"

    def prefix(self, seed: int, layer: int) -> str:
        """The message of this seed and layer without its last part ("W" or "b")."""
        middle = "" if self.name == "uniform" else f"{self.text}/"
        return f"exactcnn/weights/1/{middle}{seed}/{layer}"

    @property
    def largest_bits(self) -> int:
        """The finest grid this distribution is defined for."""
        return _LARGEST_BITS[self.name]

    def check_bits(self, bits: object) -> int:
        """``bits``, if this distribution is defined for it; else MisuseError."""
        most = self.largest_bits
        if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= most:
            whose = "" if most == 64 else f" for {self.text}"
            raise MisuseError("bits", f"an integer from 1 to {most}{whose}", bits)
        return bits

    def denominator(self, bits: int) -> int:
        """What the numerators are divided by."""
        if self.name == "integer":
            return 1
        return 1 << (bits + _HE_BITS if self.name == "he" else bits)

    def largest(self, bits: int, patch_size: int) -> int:
        """A bound for every |numerator|, whatever the seed."""
        if self.name == "integer":
            assert self.parameter is not None
            return int(self.parameter)
        if self.name in ("gaussian", "he"):
            return _outermost(bits) * (_he_factor(patch_size) if self.name == "he" else 1)
        return (1 << bits) - 1

    def draw(self, prefixes: Sequence[str], which: str, count: int, bits: int, patch_size: int) -> np.ndarray:
        """Numerators, (len(prefixes), count): ``count`` numbers for each prefix of a message.

        int64, or Python integers for uniform weights of more than 61 bits.
        """
        self.check_bits(bits)
        messages = [f"{prefix}/{which}" for prefix in prefixes]
        shape = (len(messages), count)
        if self.name == "integer":
            return np.array([self._integers(message, count) for message in messages]).reshape(shape)
        if self.name in ("gaussian", "he"):
            drawn = _rounded_normal(np.array([words(m, count) for m in messages]).reshape(shape), bits)
            return drawn * _he_factor(patch_size) if self.name == "he" else drawn
        raw = b"".join(octets(message, count * ((bits + 7) // 8)) for message in messages)
        values = odd_numerators(raw, bits).reshape(shape)
        if self.name == "uniform":
            return values
        assert self.parameter is not None
        least = (self.parameter.numerator << 64) // self.parameter.denominator
        if least == 1 << 64:
            return values
        chosen = np.array([words(f"{message}/kept", count) for message in messages]).reshape(shape)
        return np.where(chosen < np.uint64(least), values, 0)

    def _integers(self, message: str, count: int) -> np.ndarray:
        """Exactly uniform in [-m, m]: words at or above the last multiple of 2m + 1 are skipped."""
        assert self.parameter is not None
        m = int(self.parameter)
        values = 2 * m + 1
        bound = (1 << 64) // values * values  # no power of 2 divides into odd parts: bound < 2^64
        taken = count
        while True:
            # SHAKE is an extendable-output function: a longer digest has the shorter as prefix.
            candidates = words(message, taken)
            candidates = candidates[candidates < np.uint64(bound)]
            if len(candidates) >= count:
                return (candidates[:count] % np.uint64(values)).astype(np.int64) - m
            taken += 16


def _he_factor(patch_size: int) -> int:
    """floor(2^16 sqrt(2/l)) = floor(sqrt(2^33 / l))."""
    return isqrt((1 << (2 * _HE_BITS + 1)) // patch_size)


def _outermost(bits: int) -> int:
    return -((-_TAIL.numerator << bits) // _TAIL.denominator)


@lru_cache(maxsize=16)
def gaussian_thresholds(bits: int) -> np.ndarray:
    """floor(2^64 Phi((v - 1/2) / 2^bits)) for v = 1 - V .. V, V = ceil(9.3 * 2^bits); uint64, read-only.

    Arb encloses Phi(x) = erfc(-x / sqrt 2) / 2 for x < 0, at a precision that is doubled until
    the ball lies between two integers, so the floor is proved.  For x > 0, Phi(x) = 1 - Phi(-x),
    and as 2^64 Phi(-x) is no integer (the same ball shows it) the floor is 2^64 - 1 - floor.
    """
    from flint import arb, ctx, fmpz

    V = _outermost(bits)
    below = []
    for v in range(1 - V, 1):
        # -x / sqrt 2 = (1 - 2v) / (2^(bits + 1) sqrt 2)
        precision = 96
        while True:
            with ctx.workprec(precision):
                ball = (arb(fmpz(1 - 2 * v)) / (arb(fmpz(2 << bits)) * arb(2).sqrt())).erfc()
                ball = ball * arb(fmpz(1 << 63))
                whole = ball.floor().unique_fmpz()
            if whole is not None:
                below.append(int(whole))
                break
            if precision > 4096:
                raise UndecidedError(f"Phi at threshold {v} of the normal distribution is not separated")
            precision *= 2
    above = [(1 << 64) - 1 - value for value in reversed(below)]
    thresholds = np.array(below + above, dtype=np.uint64)
    thresholds.setflags(write=False)
    return thresholds


@lru_cache(maxsize=16)
def _buckets(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """For each value of a word's leading 16 bits: the v of its least word, and is v the same for all?"""
    thresholds = gaussian_thresholds(bits)
    least = np.arange(1 << _BUCKET_BITS, dtype=np.uint64) << np.uint64(64 - _BUCKET_BITS)
    greatest = least + np.uint64((1 << (64 - _BUCKET_BITS)) - 1)
    low = np.searchsorted(thresholds, least, side="right")
    return low, low == np.searchsorted(thresholds, greatest, side="right")


def _rounded_normal(drawn: np.ndarray, bits: int) -> np.ndarray:
    """Words -> v, int64, same shape: the number of thresholds at or below the word, less V.

    Most words share their leading 16 bits only with words of the same v: a table knows it.
    """
    low, certain = _buckets(bits)
    leading = (drawn >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64)
    found = low[leading]
    open_words = ~certain[leading]
    found[open_words] = np.searchsorted(gaussian_thresholds(bits), drawn[open_words], side="right")
    result: np.ndarray = found.astype(np.int64) - _outermost(bits)
    return result
