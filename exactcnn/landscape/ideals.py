"""Floor 4a: ideals of Q[x_0, .., x_(n-1)] through Groebner bases (degree reverse lexicographic, the last
variable largest: with the output layer's weights largest, losses had smaller bases in most cases tried).

Bases are computed over Z (``groebner``), so they are bases over Q, not modulo a prime.  Their sizes are limited, and
beyond the limits is UndecidedError: degrees of Groebner bases grow doubly exponentially.

Polynomials are dictionaries {exponents: flint.fmpq}.  FLINT reduces up to a factor; to know the factor, s + p is
reduced for a new variable s, which no leading term divides: the result is c s + c NF(p).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

from exactcnn.errors import UndecidedError
from exactcnn.landscape.groebner import Limits, groebner_basis

__all__ = ["Ideal", "Limits", "Monomial", "Polynomial", "linear_relation", "saturation"]

Monomial = tuple[int, ...]
Polynomial = dict[Monomial, Any]
_POWERS = (1, 2, 4, 8, 16)


def _integral(polynomial: Polynomial) -> tuple[dict[Monomial, Any], int]:
    """(integer coefficients, the common denominator they were multiplied by)."""
    common = math.lcm(*(int(c.q) for c in polynomial.values()))
    return {m: c.p * (common // int(c.q)) for m, c in polynomial.items()}, common


@dataclass(frozen=True, eq=False)
class Ideal:
    """An ideal by a Groebner basis of integer polynomials, ``leading`` their leading monomials."""

    variables: int
    basis: tuple[dict[Monomial, Any], ...]
    leading: tuple[Monomial, ...]
    limits: Limits
    _ring: Any = field(repr=False)
    _vector: Any = field(repr=False)

    @classmethod
    def generated(
        cls, variables: int, generators: Iterable[Polynomial], limits: Limits | None = None
    ) -> Ideal:
        """By ``generators``; UndecidedError where a limit is met.

        >>> from flint import fmpq
        >>> circle = {(2, 0): fmpq(1), (0, 2): fmpq(1), (0, 0): fmpq(-1)}
        >>> line = {(1, 0): fmpq(1), (0, 1): fmpq(-1, 2)}
        >>> Ideal.generated(2, [circle]).dimension, Ideal.generated(2, [circle, line]).standard_monomials()
        (1, ((0, 0), (1, 0)))
        """
        from flint import Ordering, fmpz_mpoly_ctx

        limits = Limits() if limits is None else limits
        if variables > limits.variables:
            raise UndecidedError(
                f"elimination is limited to {limits.variables} unknowns, here are {variables}"
            )
        ring = fmpz_mpoly_ctx.get([*(f"x{i}" for i in reversed(range(variables))), "s"], Ordering.degrevlex)
        listed = [
            ring.from_dict({(*m[::-1], 0): c for m, c in _integral(g)[0].items()}).primitive()[1]
            for g in generators
            if g
        ]
        if not listed:
            return cls(variables, (), (), limits, ring, None)
        vector = groebner_basis(ring, listed, limits)
        basis = tuple({m[-2::-1]: c for m, c in p.to_dict().items()} for p in vector)
        leading = tuple(
            p.monoms()[0][-2::-1] for p in vector
        )  # the terms of a polynomial are in the ring's order
        return cls(variables, basis, leading, limits, ring, vector)

    def rational_basis(self) -> list[Polynomial]:
        """The basis with rational coefficients."""
        from flint import fmpq

        return [{m: fmpq(c) for m, c in p.items()} for p in self.basis]

    @cached_property
    def dimension(self) -> int:
        """Of its zero set in C^n; -1 if that is empty.

        The dimension of an ideal is that of its leading monomials: the most variables such that no
        leading monomial is a product of these alone.
        """
        supports = [frozenset(i for i, e in enumerate(m) if e) for m in self.leading]
        for size in range(self.variables, -1, -1):
            for chosen in combinations(range(self.variables), size):
                if not any(support <= set(chosen) for support in supports):
                    return size
        return -1

    def standard_monomials(self) -> tuple[Monomial, ...]:
        """The monomials no leading one divides, a basis of Q[x]/I, by degree; UndecidedError if too many."""
        if self.dimension > 0:
            raise UndecidedError("infinitely many solutions: Q[x]/I has no finite basis")
        one = (0,) * self.variables
        level = [one] if self.dimension == 0 else []
        found: list[Monomial] = []
        while level:
            found += sorted(level)
            if len(found) > self.limits.solutions:
                raise UndecidedError(f"more than {self.limits.solutions} solutions with multiplicity")
            above = {(*m[:i], m[i] + 1, *m[i + 1 :]) for m in level for i in range(self.variables)}
            level = [m for m in above if not self._reducible(m)]
        return tuple(found)

    def _reducible(self, monomial: Monomial) -> bool:
        return any(all(a >= b for a, b in zip(monomial, lead, strict=True)) for lead in self.leading)

    def normal_form(self, polynomial: Polynomial) -> Polynomial:
        """The remainder: congruent modulo the ideal, no term divisible by a leading monomial."""
        from flint import fmpq

        if self._vector is None or not polynomial:
            return dict(polynomial)
        if not any(self.leading[0]):  # the unit ideal
            return {}
        integers, common = _integral(polynomial)
        marker = (0,) * self.variables + (1,)
        extended: dict[Monomial, Any] = {(*m[::-1], 0): c for m, c in integers.items()}
        extended[marker] = 1
        reduced = self._ring.from_dict(extended).reduction_primitive_part(self._vector).to_dict()
        factor = reduced.pop(marker) * common
        return {m[-2::-1]: fmpq(c, factor) for m, c in reduced.items()}


def linear_relation(vectors: Sequence[Polynomial]) -> list[Any] | None:
    """c with sum c_i vectors[i] = 0 and c_last = 1, if the others are independent; None if there is none."""
    from flint import fmpq, fmpq_mat

    monomials = sorted({m for v in vectors for m in v})
    if not vectors[-1]:
        return [fmpq(0)] * (len(vectors) - 1) + [fmpq(1)]
    rows = [[v.get(m, fmpq(0)) for v in vectors] for m in monomials]
    reduced, rank = fmpq_mat(rows).rref()
    if rank == len(vectors):
        return None
    return [-reduced[i, len(vectors) - 1] for i in range(len(vectors) - 1)] + [fmpq(1)]


def saturation(ideal: Ideal, polynomial: Polynomial) -> Ideal:
    """I : p^oo, whose zero set is the closure of V(I) without V(p).

    It is (I + <1 - t p>) without t (Rabinowitsch).  FLINT has no elimination order, so t is replaced by t^w: if
    every polynomial of the basis in which t occurs has it in its leading monomial, then an element of the
    ideal without t, whose leading monomial some basis polynomial's divides, is reduced by
    polynomials without t alone, and those are a Groebner basis of what is sought.
    UndecidedError where no w tried does that.
    """
    from flint import fmpq

    lifted = [{(*m, 0): c for m, c in g.items()} for g in ideal.rational_basis()]
    one = (0,) * (ideal.variables + 1)
    room = replace(ideal.limits, variables=ideal.limits.variables + 1)
    for power in _POWERS:
        inverse: Polynomial = {one: fmpq(1), **{(*m, power): -c for m, c in polynomial.items()}}
        try:
            found = Ideal.generated(ideal.variables + 1, [*lifted, inverse], room)
        except UndecidedError:
            continue
        pairs = list(zip(found.rational_basis(), found.leading, strict=True))
        if all(lead[-1] or not any(m[-1] for m in g) for g, lead in pairs):
            kept = [{m[:-1]: c for m, c in g.items()} for g, lead in pairs if not lead[-1]]
            return Ideal.generated(ideal.variables, kept, ideal.limits)
    raise UndecidedError("a saturation needs a Groebner basis beyond the limits")
