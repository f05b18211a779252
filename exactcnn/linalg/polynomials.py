"""Floor 2: kernel vectors with polynomial entries, and rank over Q(t_1, .., t_v).

A polynomial is a dict {monomial: integer}, a monomial a tuple of (variable, exponent) with
variables increasing.  SymPy finds candidates (fraction-free elimination on the small system
of one circuit); ``annihilates`` multiplies them out, and only that counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exactcnn.arithmetic.primes import LARGEST_PRIME, odd_order_element
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.modular_rank import rank_mod_p

__all__ = [
    "Monomial",
    "Polynomial",
    "PolynomialKernel",
    "PolynomialVector",
    "annihilates",
    "evaluate",
    "null_vector",
    "polynomial_rank",
]

Monomial = tuple[tuple[int, int], ...]
Polynomial = Mapping[Monomial, int]


@dataclass(frozen=True)
class PolynomialVector:
    """A sparse vector with polynomial entries; ``pivot`` as in linalg.evidence."""

    pivot: int
    entries: tuple[tuple[int, Polynomial], ...]


@dataclass(frozen=True)
class PolynomialKernel:
    """Vectors v with v^T A = 0 (``left``) or A v = 0 (``right``), independent by pivots."""

    side: str
    size: int
    vectors: tuple[PolynomialVector, ...]

    @property
    def upper_bound(self) -> int:
        return self.size - len(self.vectors)


def _times(a: Monomial, b: Monomial) -> Monomial:
    exponents = dict(a)
    for variable, exponent in b:
        exponents[variable] = exponents.get(variable, 0) + exponent
    return tuple(sorted(exponents.items()))


def annihilates(vector: PolynomialVector, lines: Mapping[int, Sequence[tuple[int, Polynomial]]]) -> bool:
    """Is sum_i v_i * lines[i] = 0?  ``lines[i]`` lists (place, polynomial) of line i of A."""
    total: dict[tuple[int, Monomial], int] = {}
    for index, polynomial in vector.entries:
        for place, entry in lines.get(index, ()):
            for left, a in polynomial.items():
                for right, b in entry.items():
                    key = (place, _times(left, right))
                    total[key] = total.get(key, 0) + a * b
    return not any(total.values())


def evaluate(polynomial: Polynomial, values: Sequence[int], prime: int) -> int:
    """The polynomial at a point of GF(prime)^v."""
    total = 0
    for monomial, coefficient in polynomial.items():
        term = coefficient % prime
        for variable, exponent in monomial:
            term = term * pow(values[variable], exponent, prime) % prime
        total += term
    return total % prime


def null_vector(rows: Sequence[Sequence[Polynomial]], variables: int) -> list[Polynomial] | None:
    """Polynomials v, not all 0, with sum_j rows[i][j] v[j] = 0, for an s x (s+1) matrix.

    None if the kernel does not have dimension one.  Common factors are removed.
    """
    from sympy import ZZ, ring
    from sympy.polys.matrices import DomainMatrix

    names = [f"w{i}" for i in range(max(1, variables))]
    domain_ring = ring(names, ZZ)[0]
    domain = domain_ring.to_domain()

    def convert(polynomial: Polynomial) -> Any:
        terms = {}
        for monomial, coefficient in polynomial.items():
            exponents = [0] * len(names)
            for variable, exponent in monomial:
                exponents[variable] = exponent
            terms[tuple(exponents)] = ZZ(coefficient)
        return domain_ring.from_dict(terms)

    width = len(rows[0]) if rows else 1
    if not rows:
        return [{(): 1}]
    matrix = DomainMatrix([[convert(p) for p in row] for row in rows], (len(rows), width), domain)
    null = matrix.nullspace()
    if null.shape[0] != 1:
        return None
    vector = null.to_list()[0]
    common = domain.zero
    for entry in vector:
        common = domain.gcd(common, entry)
    result: list[Polynomial] = []
    for entry in vector:
        reduced = domain_ring(entry).exquo(domain_ring(common))
        result.append(
            {
                tuple((i, e) for i, e in enumerate(exponents) if e): int(c)
                for exponents, c in reduced.to_dict().items()
            }
        )
    return result


def polynomial_rank(
    matrix: Sequence[Sequence[Polynomial]], variables: int, prime: int = LARGEST_PRIME
) -> tuple[int, int, Minor, PolynomialKernel | None]:
    """(lower, upper, minor, kernel) for the rank over Q(t) of a small polynomial matrix.

    Lower: a minor that is non-zero at a point mod ``prime``.  Upper: polynomial kernel
    vectors on the left, one for each row outside the minor.

    >>> t = {((0, 1),): 1}
    >>> polynomial_rank([[t, t, {}], [t, {}, t], [{}, t, t]], 1)[:2]
    (3, 3)
    >>> polynomial_rank([[t, t], [t, t], [{}, {}]], 1)[:2]
    (1, 1)
    """
    m, n = len(matrix), len(matrix[0]) if matrix else 0
    point = [odd_order_element(prime, 10 + i) for i in range(variables)]
    values = np.array([[evaluate(p, point, prime) for p in row] for row in matrix], dtype=np.int64)
    minor = rank_mod_p(values.reshape(m, n), prime)
    if minor.rank == min(m, n):
        return minor.rank, minor.rank, minor, None
    vectors = []
    for free in sorted(set(range(m)) - set(minor.rows)):
        chosen = [*minor.rows, free]
        solution = null_vector([[matrix[i][j] for i in chosen] for j in minor.columns], variables)
        if solution is None:
            continue
        entries = tuple(
            (i, p) for i, p in sorted(zip(chosen, solution, strict=True), key=lambda e: e[0]) if p
        )
        vector = PolynomialVector(free, entries)
        lines = {i: [(j, matrix[i][j]) for j in range(n) if matrix[i][j]] for i in chosen}
        if annihilates(vector, lines):
            vectors.append(vector)
    kernel = PolynomialKernel("left", m, tuple(vectors))
    return minor.rank, min(m, n, kernel.upper_bound), minor, kernel
