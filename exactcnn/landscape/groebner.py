"""Floor 4a: Groebner bases over Z[x] (for ideals of Q[x]), by Buchberger's algorithm on FLINT's polynomials.

FLINT's own ``buchberger_naive`` lets coefficients explode (16,000 bits on the way from the square network of Yun,
Sra and Jadbabaie to a basis of 28; here about 200), hence this driver: S-polynomials and reductions are FLINT's,
the pair of least sugar comes first (Giovini et al. 1991: the degree it would have, homogenised), and pairs are
dropped by the criteria of Gebauer and Moeller (1988).
Every polynomial kept is a combination of the generators; that the end is a Groebner basis, and that the
generators reduce to 0, is tested afresh, so that no mistake in the criteria can pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exactcnn.errors import UndecidedError

__all__ = ["Limits", "groebner_basis"]

Exponents = tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """How large an elimination may grow before it is given up: unknowns; polynomials in a basis, terms and bits of
    each, S-polynomials; complex solutions with multiplicity; the degree of the polynomial of the critical values."""

    variables: int = 14
    polynomials: int = 300
    terms: int = 1000
    bits: int = 4000
    pairs: int = 3000
    solutions: int = 120
    values: int = 24


def _lcm(a: Exponents, b: Exponents) -> Exponents:
    return tuple(map(max, a, b))


def _divides(a: Exponents, b: Exponents) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True))


def _coprime(a: Exponents, b: Exponents) -> bool:
    return not any(x and y for x, y in zip(a, b, strict=True))


class _Buchberger:
    def __init__(self, ring: Any, limits: Limits) -> None:
        self.ring, self.limits = ring, limits
        self.polynomials: list[Any] = []
        self.leading: list[Exponents] = []
        self.sugar: list[int] = []
        self.current: list[int] = []  # those whose leading monomial no later one divides
        self.pairs: list[tuple[int, int, int, int, Exponents]] = []  # sugar, degree, i, j, lcm

    def reduced(self, polynomial: Any) -> Any:
        from flint import fmpz_mpoly_vec

        if not self.current or polynomial == 0:
            return polynomial
        divisors = fmpz_mpoly_vec([self.polynomials[i] for i in self.current], self.ring)
        return polynomial.reduction_primitive_part(divisors)

    def add(self, polynomial: Any, sugar: int) -> None:
        bits = max(int(c).bit_length() for c in polynomial.coeffs())
        if bits > self.limits.bits or len(polynomial) > self.limits.terms:
            raise UndecidedError(
                f"a polynomial of a Groebner basis has {len(polynomial)} terms of up to {bits} bits, the limits "
                f"are {self.limits.terms} and {self.limits.bits}"
            )
        new, lead = len(self.polynomials), polynomial.monoms()[0]
        L = self.leading
        # Superfluous: pairs whose lcm the new leading monomial divides, without having it in common with i or j.
        self.pairs = [
            p
            for p in self.pairs
            if not _divides(lead, p[4]) or _lcm(L[p[2]], lead) == p[4] or _lcm(L[p[3]], lead) == p[4]
        ]
        candidates = [(_lcm(L[i], lead), i) for i in self.current]
        candidates.sort(key=lambda c: (sum(c[0]), not _coprime(L[c[1]], lead)))
        kept: list[tuple[Exponents, int]] = []
        for common, i in candidates:
            if not any(_divides(other, common) for other, _ in kept):
                kept.append((common, i))
        for common, i in kept:
            if not _coprime(L[i], lead):
                degree = sum(common)
                both = max(self.sugar[i] + degree - sum(L[i]), sugar + degree - sum(lead))
                self.pairs.append((both, degree, i, new, common))
        self.polynomials.append(polynomial)
        self.leading.append(lead)
        self.sugar.append(sugar)
        self.current = [i for i in self.current if not _divides(lead, L[i])] + [new]
        if len(self.current) > self.limits.polynomials:
            raise UndecidedError(f"a Groebner basis has more than {self.limits.polynomials} polynomials")

    def run(self) -> list[Any]:
        done = 0
        while self.pairs:
            pair = min(self.pairs)
            self.pairs.remove(pair)
            done += 1
            if done > self.limits.pairs:
                raise UndecidedError(f"a Groebner basis needs more than {self.limits.pairs} S-polynomials")
            sugar, _, i, j, _ = pair
            rest = self.reduced(self.polynomials[i].spoly(self.polynomials[j]))
            if rest != 0:
                self.add(rest, sugar)
        return [self.polynomials[i] for i in self.current]


def groebner_basis(ring: Any, generators: Sequence[Any], limits: Limits) -> Any:
    """The reduced basis (up to constants), a flint.fmpz_mpoly_vec, of the ideal of flint.fmpz_mpoly not all 0.

    UndecidedError beyond ``limits``.

    >>> from flint import fmpz_mpoly_ctx
    >>> ring = fmpz_mpoly_ctx.get(("x", "y", "z"), "degrevlex")
    >>> x, y, z = ring.gens()
    >>> [str(p) for p in groebner_basis(ring, [x * y - z, x**2 - y], Limits())]
    ['x*y - z', 'x^2 - y', 'y^2 - x*z']
    """
    from flint import fmpz_mpoly_vec

    state = _Buchberger(ring, limits)
    nonzero = sorted((g for g in generators if g != 0), key=lambda g: (int(g.total_degree()), len(g)))
    for generator in nonzero:
        rest = state.reduced(generator)
        if rest != 0:
            state.add(rest.primitive()[1], int(generator.total_degree()))
    basis = fmpz_mpoly_vec(state.run(), ring).autoreduction()
    if not basis.is_groebner() or any(g.reduction_primitive_part(basis) != 0 for g in nonzero):
        raise UndecidedError("a Groebner basis failed its test")
    return basis
