"""Arithmetic in GF(p): primality, batch inversion, Gaussian elimination, Fiat-Shamir challenges."""

import hashlib
from collections.abc import Iterable

from .outcome import Budget

FIRST_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def is_prime(n: int) -> bool:
    """Miller-Rabin; with these twelve bases it is a proof for n < 3.1 * 10^23 (Sorenson and Webster)."""
    if n < 2 or n >= 2**64:
        return False  # nothing larger is admitted by the format
    for q in FIRST_PRIMES:
        if n % q == 0:
            return n == q
    odd = n - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for base in FIRST_PRIMES:
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def inverses(values: list[int], p: int) -> list[int] | None:
    """The inverses mod p, by one inversion and three products each (Montgomery); None if one is 0."""
    prefix, total = [], 1
    for value in values:
        prefix.append(total)
        total = total * value % p
    if total == 0:
        return None
    inverse = pow(total, -1, p)
    result = []
    for value, before in zip(reversed(values), reversed(prefix), strict=True):
        result.append(inverse * before % p)
        inverse = inverse * value % p
    result.reverse()
    return result


def is_nonsingular(rows: Iterable[list[int]], p: int, budget: Budget) -> bool:
    """Gaussian elimination on a square matrix of residues; the rows are consumed.

    Columns are eliminated from the last to the first, so that they can be popped off.  A row with a zero
    there is left alone, and a pivot row with few entries (U_k is sparse) touches only those places.
    """
    matrix = list(rows)
    while matrix:
        last = [row.pop() for row in matrix]
        candidates = [i for i, entry in enumerate(last) if entry][:16]
        if not candidates:
            return False
        best = max(candidates, key=lambda i: matrix[i].count(0))
        pivot, inverse = matrix.pop(best), pow(last.pop(best), -1, p)
        support = [(j, b) for j, b in enumerate(pivot) if b]
        sparse = 3 * len(support) < len(pivot)
        work = len(pivot) + (len(last) - last.count(0)) * (6 * len(support) if sparse else 5 * len(pivot))
        budget.spend(work + len(last), "the elimination")
        for entry, row in zip(last, matrix, strict=True):
            c = entry * inverse % p
            if c and sparse:
                for j, b in support:
                    row[j] = (row[j] - c * b) % p
            elif c:
                row[:] = [(a - c * b) % p for a, b in zip(row, pivot, strict=True)]
    return True


def challenge(seed: bytes, number: int, length: int, p: int) -> list[int]:
    """The right-hand side b_number of FORMAT.md, section 7: uniform residues by rejection sampling."""
    message = b"exactcnn/fiat-shamir/1/" + seed + number.to_bytes(4, "big")
    bound = 2**64 // p * p
    words = length + length // 8 + 16
    while True:
        stream = hashlib.shake_256(message).digest(8 * words)
        values = (int.from_bytes(stream[i : i + 8], "big") for i in range(0, 8 * words, 8))
        residues = [v % p for v in values if v < bound]
        if len(residues) >= length:
            return residues[:length]
        words *= 2
