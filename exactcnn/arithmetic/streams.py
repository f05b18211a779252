"""Floor 1: seeded bytes from SHAKE-256, the only source of randomness.

The streams are part of the certificate format (``certificates/FORMAT.md`` sections 4
and 6): a checker regenerates them with the standard library alone.  Same seed, same bytes,
on every machine.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = [
    "octets",
    "odd_numerators",
    "symmetric_odd_numerators",
    "uniform_residues",
    "words",
]


def octets(message: str, count: int) -> bytes:
    """The first ``count`` bytes of the stream of ``message``."""
    return hashlib.shake_256(message.encode("ascii")).digest(count)


def words(message: str, count: int) -> np.ndarray:
    """The first ``count`` 8-byte big-endian words of the stream, uint64.

    >>> words("exactcnn", 1).tolist()
    [17572578147083751904]
    """
    return np.frombuffer(octets(message, 8 * count), dtype=">u8").astype(np.uint64)


def symmetric_odd_numerators(message: str, count: int, bits: int) -> np.ndarray:
    """``count`` odd integers ``2v + 1 - 2^bits``, v uniform in [0, 2^bits).

    Divided by 2^bits they are the seeded weights: never zero, symmetric, inside (-1, 1).
    dtype int64 for bits <= 61, Python integers above.

    >>> symmetric_odd_numerators("exactcnn/weights/1/0/1/W", 4, 3).tolist()
    [5, -7, 1, 3]
    """
    return odd_numerators(octets(message, count * ((bits + 7) // 8)), bits)


def odd_numerators(raw: bytes, bits: int) -> np.ndarray:
    """The bytes of one or more streams as the numerators of ``symmetric_odd_numerators``."""
    width = (bits + 7) // 8
    count = len(raw) // width
    columns = np.frombuffer(raw, dtype=np.uint8).reshape(count, width)
    if bits <= 61:
        values = np.zeros(count, dtype=np.int64)
        for column in range(width):
            values = (values << 8) | columns[:, column].astype(np.int64)
            if column == 0 and bits % 8:
                values &= (1 << (bits % 8)) - 1
        result: np.ndarray = 2 * values + (1 - (1 << bits))
        return result
    mask = (1 << bits) - 1
    exact = [
        2 * (int.from_bytes(raw[i * width : (i + 1) * width], "big") & mask) + 1 - (1 << bits)
        for i in range(count)
    ]
    return np.array(exact, dtype=object)


def uniform_residues(message: bytes, count: int, prime: int) -> list[int]:
    """``count`` exactly uniform residues mod ``prime`` by rejection of 8-byte words.

    Uniformity matters here: the soundness bound of a Fiat-Shamir challenge uses it.
    """
    bound = (1 << 64) // prime * prime
    words = count + count // 8 + 16
    while True:
        # SHAKE is an extendable-output function: a longer digest has the shorter as prefix.
        raw = hashlib.shake_256(message).digest(8 * words)
        values = [int.from_bytes(raw[i : i + 8], "big") for i in range(0, len(raw), 8)]
        accepted = [value % prime for value in values if value < bound]
        if len(accepted) >= count:
            return accepted[:count]
        words *= 2
