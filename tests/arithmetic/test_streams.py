"""Seeded streams against a naive reading of FORMAT.md, sections 4 and 6."""

from __future__ import annotations

import hashlib

import pytest

from exactcnn.arithmetic.streams import symmetric_odd_numerators, uniform_residues


def naive_numerator(message, bits, m):
    """Entry m as FORMAT.md section 4 says: w bytes, big-endian, low B bits v, 2v + 1 - 2^B."""
    w = -(-bits // 8)
    stream = hashlib.shake_256(message.encode()).digest((m + 1) * w)
    v = int.from_bytes(stream[m * w : (m + 1) * w], "big") % 2**bits
    return 2 * v + 1 - 2**bits


@pytest.mark.parametrize("bits", range(1, 65))
def test_weights_are_the_formats(bits):
    """Every number of bits from 1 to 64 gives the numbers that FORMAT.md describes."""
    message = f"exactcnn/weights/1/{bits * 10**9}/3/W"
    found = symmetric_odd_numerators(message, 40, bits)
    assert found.tolist() == [naive_numerator(message, bits, m) for m in range(40)]
    assert all(value % 2 == 1 and abs(value) < 2**bits for value in found.tolist())


@pytest.mark.parametrize("bits", [1, 8, 61, 62, 64])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_short_streams_are_prefixes(bits, count):
    """Asking for fewer numbers gives the first of them, none included."""
    longer = symmetric_odd_numerators("exactcnn/weights/1/0/1/b", 9, bits)
    assert (
        symmetric_odd_numerators("exactcnn/weights/1/0/1/b", count, bits).tolist() == longer[:count].tolist()
    )


def test_one_bit_weights_take_both_signs():
    """With one bit the weights are -1/2 and 1/2, about equally often."""
    found = symmetric_odd_numerators("exactcnn/weights/1/5/1/W", 1000, 1)
    assert set(found.tolist()) == {-1, 1}
    assert 400 < int((found == 1).sum()) < 600


@pytest.mark.parametrize("p", [3, 2**31 - 1, 2**61 - 1, 2**63 - 25, 2**63 + 29, 2**64 - 59])
@pytest.mark.parametrize("count", [0, 1, 200])
def test_challenges_skip_words_beyond_the_last_multiple(p, count):
    """Words from floor(2^64/p) p on are skipped, the others reduced, however many that are."""
    stream = hashlib.shake_256(b"exactcnn/challenge/2/x").digest(8 * 2000)
    expected = []
    for i in range(2000):
        v = int.from_bytes(stream[8 * i : 8 * i + 8], "big")
        if v < 2**64 // p * p:
            expected.append(v % p)
    assert uniform_residues(b"exactcnn/challenge/2/x", count, p) == expected[:count]
