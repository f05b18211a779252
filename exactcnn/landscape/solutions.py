"""Floor 4a: the solutions of a zero-dimensional ideal I of Q[x], exactly, as orbits of conjugate points.

A = Q[x]/I has dimension D = number of solutions with multiplicity.  A/rad(A) is got by Seidenberg's lemma: dividing
by the squarefree parts of the minimal polynomials of all variables leaves a reduced algebra R; its
dimension is the number of distinct solutions.  A linear form u *separates* them if its characteristic
polynomial f on R is squarefree (its roots are the values of u); then R = Q[u]/(f), and each variable is a
polynomial in u modulo f (shape lemma).  f is factored over Q: an orbit is a number field Q[u]/(f_j), and "p
vanishes at one point of the orbit" and "at all" are the same exact test, p(coordinates) = 0 modulo f_j.
Points of an orbit are real exactly where u is: if u is real at a point, u is the same at the
conjugate one, which is a solution too, and u separates.  FLINT isolates the roots and says which are real.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from exactcnn.errors import UndecidedError
from exactcnn.landscape.ideals import Ideal, Polynomial

__all__ = ["Orbit", "ball_of", "orbits_of"]

_MOST_FORMS = 400


@dataclass(frozen=True, eq=False)
class Orbit:
    """deg(polynomial) conjugate solutions: the roots u of an irreducible flint.fmpq_poly, at which the variables
    are ``coordinates`` (flint.fmpq_poly each, of smaller degree); ``multiplicity`` of each as a zero of the ideal."""

    polynomial: Any
    coordinates: tuple[Any, ...]
    multiplicity: int

    @property
    def size(self) -> int:
        """The number of distinct complex points."""
        return int(self.polynomial.degree())

    def value(self, polynomial: Polynomial) -> Any:
        """A polynomial in the variables as a flint.fmpq_poly in u, of degree below ``size``; 0 if it vanishes here."""
        from flint import fmpq_poly

        total = fmpq_poly([])
        powers: list[list[Any]] = [[fmpq_poly([1])] for _ in self.coordinates]
        for monomial, coefficient in polynomial.items():
            product = fmpq_poly([coefficient])
            for i, exponent in enumerate(monomial):
                while len(powers[i]) <= exponent:
                    powers[i].append(powers[i][-1] * self.coordinates[i] % self.polynomial)
                if exponent:
                    product = product * powers[i][exponent] % self.polynomial
            total += product
        return total

    def minimal_polynomial(self, value: Any) -> Any:
        """The monic irreducible flint.fmpq_poly of an element of Q[u]/(f): its conjugates are the roots."""
        from flint import fmpq_mat, fmpq_poly

        columns, at = [], value
        for _ in range(self.size):
            columns.append([at[i] for i in range(self.size)])
            at = at * fmpq_poly([0, 1]) % self.polynomial
        # In a field the characteristic polynomial is a power of the minimal one.
        power = fmpq_mat(columns).transpose().charpoly()
        return monic(power.factor_squarefree()[1][0][0])

    def real_roots(self) -> list[Any]:
        """The values of u at the real points, flint.arb, at the current precision, ascending."""
        return real_roots(self.polynomial)


def monic(polynomial: Any) -> Any:
    """Divided by its leading coefficient."""
    return polynomial / polynomial.leading_coefficient()


def real_roots(polynomial: Any) -> list[Any]:
    """The real roots of an irreducible flint.fmpq_poly as disjoint flint.arb balls, ascending; a rational one is exact
    up to rounding at the current precision."""
    from flint import arb

    if polynomial.degree() == 1:
        return [arb(-polynomial[0] / polynomial[1])]
    roots = polynomial.numer().complex_roots()
    # FLINT's promise (arb_fmpz_poly_complex_roots): a real root has imaginary part exactly 0, no other's meets 0.
    if any(root.imag.contains(0) and not root.imag == 0 for root, _ in roots):
        raise UndecidedError("FLINT left open whether a root is real")
    return sorted((root.real for root, _ in roots if root.imag == 0), key=lambda ball: ball.mid())


def ball_of(polynomial: Any, at: Any) -> Any:
    """The value of a flint.fmpq_poly at a flint.arb, at the current precision."""
    from flint import arb_poly

    return arb_poly(polynomial)(at)


def orbits_of(ideal: Ideal) -> tuple[Orbit, ...]:
    """All complex solutions of an ideal of dimension 0 or -1; UndecidedError beyond the ideal's limits."""
    from flint import fmpq, fmpq_mat

    monomials = ideal.standard_monomials()
    size, n = len(monomials), ideal.variables
    if not size:
        return ()
    place = {m: i for i, m in enumerate(monomials)}
    matrices = []
    for i in range(n):
        columns = [[fmpq(0)] * size for _ in range(size)]
        for j, m in enumerate(monomials):
            product = {(*m[:i], m[i] + 1, *m[i + 1 :]): fmpq(1)}
            for monomial, coefficient in ideal.normal_form(product).items():
                columns[j][place[monomial]] = coefficient
        matrices.append(fmpq_mat(columns).transpose())
    one = fmpq_mat(size, 1, [1] + [0] * (size - 1))
    reduced, unit = matrices, one
    for form in _forms(n):
        f = _combination(form, reduced).charpoly()
        if _squarefree(f):
            break
        if reduced is matrices:
            reduced, unit = _without_nilpotents(matrices, one)
            f = _combination(form, reduced).charpoly()
            if _squarefree(f):
                break
    else:
        raise UndecidedError("no linear form tried takes different values at all solutions")
    whole = f if reduced is matrices else _combination(form, matrices).charpoly()
    coordinates = _in_powers(_combination(form, reduced), unit, [M * unit for M in reduced])
    found = []
    for factor, _ in f.factor()[1]:
        multiplicity, rest = 0, whole
        while rest % factor == 0:
            multiplicity, rest = multiplicity + 1, rest // factor
        found.append(Orbit(monic(factor), tuple(c % factor for c in coordinates), multiplicity))
    return tuple(sorted(found, key=lambda o: (o.size, [str(c) for c in o.coordinates])))


def _forms(n: int) -> Iterator[tuple[int, ...]]:
    """Linear forms sum c_i x_i: single variables, then points of the moment curve.  Of the latter, at most n - 1 vanish
    on the difference of two given solutions, so some separates all, if enough are tried."""
    for i in range(n):
        yield tuple(int(i == j) for j in range(n))
    for k in range(1, _MOST_FORMS):
        yield tuple(k**i for i in range(n))


def _combination(form: Sequence[int], matrices: Sequence[Any]) -> Any:
    total = 0 * matrices[0]
    for c, M in zip(form, matrices, strict=True):
        if c:
            total += c * M
    return total


def _squarefree(polynomial: Any) -> bool:
    return bool(polynomial.gcd(polynomial.derivative()).degree() == 0)


def _without_nilpotents(matrices: Sequence[Any], one: Any) -> tuple[list[Any], Any]:
    """A modulo the ideal of the squarefree parts of the variables' minimal polynomials (Seidenberg)."""
    from flint import fmpq_mat

    size = matrices[0].nrows()
    rows: list[list[Any]] = []
    for M in matrices:
        f = M.minpoly()
        radical = f // f.gcd(f.derivative())
        value = 0 * M
        for c in reversed(radical.coeffs()):  # Horner
            value = value * M
            for i in range(size):
                value[i, i] += c
        rows += value.transpose().tolist()
    reduced, rank = fmpq_mat(rows).rref()
    pivots = [next(j for j in range(size) if reduced[i, j] != 0) for i in range(rank)]
    kept = [j for j in range(size) if j not in set(pivots)]
    # The image of e_j: itself for j kept; minus the rest of its row for a pivot.
    project = fmpq_mat(len(kept), size)
    for a, j in enumerate(kept):
        project[a, j] = 1
        for i, p in enumerate(pivots):
            project[a, p] = -reduced[i, j]
    include = fmpq_mat(size, len(kept))
    for a, j in enumerate(kept):
        include[j, a] = 1
    return [project * M * include for M in matrices], project * one


def _in_powers(u: Any, one: Any, vectors: Sequence[Any]) -> list[Any]:
    """Each vector as a polynomial in u, applied to 1; u is separating, so the powers of u are a basis."""
    from flint import fmpq_mat, fmpq_poly

    size = u.nrows()
    columns, at = [], one
    for _ in range(size):
        columns.append([at[i, 0] for i in range(size)])
        at = u * at
    right = fmpq_mat([[v[i, 0] for v in vectors] for i in range(size)])
    solved = fmpq_mat(columns).transpose().solve(right)
    return [fmpq_poly([solved[i, j] for i in range(size)]) for j in range(len(vectors))]
