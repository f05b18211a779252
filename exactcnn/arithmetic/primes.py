"""Floor 1: primes, always proved.

``is_prime`` is FLINT's proving test (not the probabilistic one).  The default primes lie
just below 2^31, so that products of two residues fit in 62 bits, and are 3 mod 4, so that
every square has odd multiplicative order: then -1 is no power of a square and the
sigmoid specialisation g^n/(1+g^n) meets no pole, whatever the exponents.
"""

from __future__ import annotations

from exactcnn.errors import MisuseError

__all__ = ["LARGEST_PRIME", "default_primes", "is_prime", "odd_order_element", "require_prime"]

# The vectorised kernels of `modular` multiply two residues in 64 bits.
LARGEST_PRIME = 2**31 - 1


def is_prime(number: int) -> bool:
    """True if ``number`` is proved prime, False if it is proved not to be."""
    from flint import fmpz

    return number >= 2 and bool(fmpz(number).is_prime())


def require_prime(number: object, field: str = "prime") -> int:
    """``number`` as an int, if it is an odd prime of at most 31 bits.

    Raises MisuseError otherwise.

    >>> require_prime(503)
    503
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise MisuseError(field, "an odd prime integer", repr(number))
    if not 3 <= number <= LARGEST_PRIME or not is_prime(number):
        raise MisuseError(field, f"an odd prime between 3 and {LARGEST_PRIME}", number)
    return number


def default_primes(count: int, at_most: int = LARGEST_PRIME) -> list[int]:
    """The ``count`` largest primes up to ``at_most`` that are 3 mod 4, largest first.

    >>> default_primes(3), default_primes(2, 255)
    ([2147483647, 2147483587, 2147483579], [251, 239])
    """
    found: list[int] = []
    candidate = at_most - (at_most + 1) % 4
    while len(found) < count:
        if is_prime(candidate):
            found.append(candidate)
        candidate -= 4
    return found


def odd_order_element(prime: int, index: int = 0) -> int:
    """A square g in GF(prime) of order (prime - 1)/2, the ``index``-th by its square root.

    If prime is 3 mod 4 that order is odd, so g^n = -1 is impossible.  The full order matters
    for what a specialisation can tell apart: 4 = 2^2 has order 31 only in GF(2^31 - 1), and
    would merge all exponents that agree mod 31.

    >>> odd_order_element(503), odd_order_element(2147483647)
    (4, 49)
    """
    from flint import fmpz

    half = (prime - 1) // 2
    factors = [int(q) for q, _ in fmpz(half).factor()] if half > 1 else []
    found = -1
    for base in range(2, prime):
        g = base * base % prime
        if g and all(pow(g, half // q, prime) != 1 for q in factors):
            found += 1
            if found == index:
                return g
    return 1
