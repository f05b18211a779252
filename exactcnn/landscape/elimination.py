"""Floor 4a: all complex critical points of a small polynomial network, by exact elimination.

Phi = 1/2 ||F_L - Y||^2 + 1/2 sum lambda_i theta_i^2 is a polynomial in the parameters where every activation is one;
its critical points are the zeros of the ideal I of its partial derivatives (``ideals``, ``solutions``).  Nothing
is counted modulo a prime or in floating point.

*Finitely many* (dim I = 0; Tikhonov regularisation with generic lambda): all are isolated, counted with and
without multiplicity, with the real ones and their losses in intervals.
*Families* (dim I > 0).  Phi is constant on every connected set of critical points, so it takes finitely many values
on V(I): the roots of the least polynomial mu with mu(Phi) in I.  For each irreducible factor q of mu, a ``Level``, the
critical points with q(Phi) = 0 have the dimension of I + <q(Phi)>.
*Isolated points beside families.*  If Phi is constant along the affine vector field A theta + b, its flow moves
critical points to critical points, hence fixes the isolated ones: A theta + b = 0 there.  All such fields are
the kernel of a linear map over Q; J is I with their components.  If dim J <= 0, a point of V(J) is isolated in V(I)
exactly if it is not in the closure of V(I) without V(J), the union of V(I : l^oo) over the components l.
If dim J > 0 or a limit is met, the number of isolated points is left open (None).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.streams import symmetric_odd_numerators
from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.ideals import Ideal, Limits, Polynomial, linear_relation, saturation
from exactcnn.landscape.inertia import Inertia
from exactcnn.landscape.polynomial_loss import added, derivative, loss_polynomial, product
from exactcnn.landscape.real_points import RealPoint, Value, real_points_of
from exactcnn.landscape.solutions import Orbit, monic, orbits_of
from exactcnn.progress import report

__all__ = [
    "CriticalPoints",
    "Inertia",
    "Level",
    "Limits",
    "RealPoint",
    "Value",
    "complex_critical_points",
    "generic_regulariser",
]

_GENERIC_BITS = 16
_Key = tuple[Fraction, ...]  # a monic irreducible polynomial, constant first


@dataclass(frozen=True)
class Level:
    """The critical points whose loss is a root of ``polynomial``: monic, irreducible over Q, constant term first.

    ``dimension``: of the set of them (None: beyond the limits); ``isolated``: how many of them are isolated
    critical points (None: not known).
    """

    polynomial: tuple[Fraction, ...]
    dimension: int | None
    isolated: int | None

    @property
    def loss(self) -> Fraction | None:
        """The critical value, where it is rational."""
        return -self.polynomial[0] if len(self.polynomial) == 2 else None


@dataclass(frozen=True)
class CriticalPoints:
    """The complex critical points of Phi in C^parameters.

    ``regulariser``: the lambda_i used.  ``dimension``: -1 if there are none, 0 if finitely many, d > 0 if they contain
    families of d parameters and none of more.  ``isolated``: distinct isolated ones, ``real`` of them
    real; None if not known.  ``multiplicity``: dim Q[theta]/I; None if infinite.  ``levels``: by critical values,
    families included; None beyond the limits.  ``points``: the real isolated ones; ``values``: their
    distinct losses, ascending.
    """

    parameters: int
    regulariser: tuple[Fraction, ...] | None
    dimension: int
    isolated: int | None
    multiplicity: int | None
    real: int | None
    levels: tuple[Level, ...] | None
    points: tuple[RealPoint, ...]
    values: tuple[Value, ...]


def generic_regulariser(count: int, seed: int = 0) -> tuple[Fraction, ...]:
    """``count`` positive rationals |2v + 1 - 2^16| / 2^16 of the stream ``exactcnn/tikhonov/SEED``.

    >>> all(0 < value < 1 for value in generic_regulariser(3))
    True
    """
    numerators = symmetric_odd_numerators(f"exactcnn/tikhonov/{seed}", count, _GENERIC_BITS)
    return tuple(Fraction(abs(int(v)), 1 << _GENERIC_BITS) for v in numerators)


def complex_critical_points(
    instance: Instance,
    regulariser: Sequence[Fraction | int] | str | None = None,
    *,
    seed: int = 0,
    bits: int = 64,
    limits: Limits | None = None,
) -> CriticalPoints:
    """All complex critical points of the loss of ``instance``'s network and data (its weights are not used).

    ``regulariser``: one rational lambda_i for each parameter, layer by layer, W row by row, then b; ``"generic"``:
    ``generic_regulariser`` of ``seed``; None: no regularisation.  Intervals are narrower than 2^-bits, relative
    to numbers above 1.
    MisuseError for a regulariser of the wrong length; UndecidedError where an activation or pooling is
    not polynomial, or where the Groebner basis or the solutions go beyond ``limits``.
    """
    limits = Limits() if limits is None else limits
    if bits < 1:
        raise MisuseError("bits", "at least 1", bits)
    loss, count = loss_polynomial(instance, limits.variables)
    lambdas = _lambdas(regulariser, count, seed)
    if lambdas is not None:
        loss = _with_tikhonov(loss, lambdas)
    gradient = [derivative(loss, i) for i in range(count)]
    report("elimination", 0, 3)
    ideal = Ideal.generated(count, gradient, limits)
    report("elimination", 1, 3)
    orbits: tuple[Orbit, ...] | None
    if ideal.dimension > 0:
        parts = _parts(ideal, gradient, loss)
        try:
            orbits = _isolated(ideal, gradient, loss, parts or {})
        except UndecidedError:
            orbits = None
        levels, multiplicity = _levels_of_families(parts, loss, orbits), None
    else:
        orbits = orbits_of(ideal)
        levels = _levels_of_points(orbits, loss)
        multiplicity = sum(o.size * o.multiplicity for o in orbits)
    report("elimination", 2, 3)
    points, values = real_points_of(orbits or (), loss, bits, simple=ideal.dimension <= 0)
    report("elimination", 3, 3)
    return CriticalPoints(
        parameters=count,
        regulariser=lambdas,
        dimension=ideal.dimension,
        isolated=None if orbits is None else sum(o.size for o in orbits),
        multiplicity=multiplicity,
        real=None if orbits is None else len(points),
        levels=levels,
        points=points,
        values=values,
    )


def _lambdas(
    regulariser: Sequence[Fraction | int] | str | None, count: int, seed: int
) -> tuple[Fraction, ...] | None:
    if regulariser is None:
        return None
    if isinstance(regulariser, str):
        if regulariser != "generic":
            raise MisuseError("regulariser", f"'generic' or {count} rationals", regulariser)
        return generic_regulariser(count, seed)
    if len(regulariser) != count or not all(isinstance(v, (Fraction, int)) for v in regulariser):
        raise MisuseError("regulariser", f"{count} rationals, one for each parameter", list(regulariser))
    return tuple(Fraction(v) for v in regulariser)


def _with_tikhonov(loss: Polynomial, lambdas: Sequence[Fraction]) -> Polynomial:
    from flint import fmpq

    n = len(lambdas)
    squares = {
        tuple(2 * int(i == j) for j in range(n)): fmpq(v.numerator, 2 * v.denominator)
        for i, v in enumerate(lambdas)
    }
    return added(loss, squares)


def _fractions(polynomial: Any) -> tuple[Fraction, ...]:
    return tuple(Fraction(int(c.p), int(c.q)) for c in polynomial.coeffs())


def _by_loss(key: _Key) -> tuple[int, list[Fraction]]:
    """Rational losses first, ascending."""
    return len(key), [-c for c in key]


def _counted(orbits: Sequence[Orbit], loss: Polynomial) -> dict[_Key, int]:
    """Points by the minimal polynomials of their losses."""
    found: dict[_Key, int] = {}
    for orbit in orbits:
        key = _fractions(orbit.minimal_polynomial(orbit.value(loss)))
        found[key] = found.get(key, 0) + orbit.size
    return found


def _levels_of_points(orbits: Sequence[Orbit], loss: Polynomial) -> tuple[Level, ...]:
    counted = _counted(orbits, loss)
    return tuple(Level(key, 0, counted[key]) for key in sorted(counted, key=_by_loss))


def _parts(ideal: Ideal, gradient: Sequence[Polynomial], loss: Polynomial) -> dict[_Key, Ideal | None] | None:
    """By the irreducible factors q of the least polynomial mu with mu(Phi) in I, the ideal I + <q(Phi)>; the zero sets
    are disjoint and make up V(I).  None if deg mu is beyond the limits, an ideal None if its basis is."""
    from flint import fmpq, fmpq_poly

    first = ideal.normal_form(loss)
    one: Polynomial = {(0,) * ideal.variables: fmpq(1)}
    powers = [ideal.normal_form(one)]
    relation = None
    while relation is None:
        if len(powers) > ideal.limits.values:
            return None
        powers.append(ideal.normal_form(product(powers[-1], first)))
        relation = linear_relation(powers)
    found: dict[_Key, Ideal | None] = {}
    for factor, _ in fmpq_poly(relation).factor()[1]:
        q = monic(factor)
        plain: Polynomial = {}  # Horner in Phi itself: the basis of I, often large, is of no help to its parts
        for c in reversed(q.coeffs()):
            plain = added(product(plain, loss), {m: c * v for m, v in one.items()})
        try:
            found[_fractions(q)] = Ideal.generated(ideal.variables, [*gradient, plain], ideal.limits)
        except UndecidedError:
            found[_fractions(q)] = None
    return found


def _levels_of_families(
    parts: dict[_Key, Ideal | None] | None, loss: Polynomial, orbits: Sequence[Orbit] | None
) -> tuple[Level, ...] | None:
    if parts is None:
        return None
    counted = None if orbits is None else _counted(orbits, loss)
    return tuple(
        Level(
            key,
            None if part is None else part.dimension,
            None if counted is None else counted.get(key, 0),
        )
        for key, part in ((key, parts[key]) for key in sorted(parts, key=_by_loss))
    )


def _isolated(
    ideal: Ideal, gradient: Sequence[Polynomial], loss: Polynomial, parts: dict[_Key, Ideal | None]
) -> tuple[Orbit, ...] | None:
    """The isolated points of V(I); None where the symmetries do not tell.

    Whether a point is isolated is decided within the part of V(I) with its loss.
    """
    components = _fixed_point_equations(ideal.variables, gradient)
    fixed = Ideal.generated(ideal.variables, [*gradient, *components], ideal.limits)
    if fixed.dimension > 0:
        return None
    kept = []
    for orbit in orbits_of(fixed):
        part = parts.get(_fractions(orbit.minimal_polynomial(orbit.value(loss)))) or ideal
        if part.dimension == 0 or not any(_in_closure(orbit, part, c) for c in components):
            kept.append(orbit)
    return tuple(kept)


def _in_closure(orbit: Orbit, part: Ideal, component: Polynomial) -> bool:
    """Of the points of the part where ``component`` is not 0."""
    return all(orbit.value(g) == 0 for g in saturation(part, component).rational_basis())


def _fixed_point_equations(n: int, gradient: Sequence[Polynomial]) -> list[Polynomial]:
    """A basis of the span of the components of all affine fields A theta + b with sum_i Phi_i (A theta + b)_i = 0."""
    from flint import fmpq, fmpq_mat

    linear = [tuple(int(i == j) for j in range(n)) for i in range(n)] + [(0,) * n]
    fields = [product(gradient[i], {m: fmpq(1)}) for i in range(n) for m in linear]
    monomials = sorted({m for f in fields for m in f})
    if monomials:
        reduced, rank = fmpq_mat([[f.get(m, fmpq(0)) for f in fields] for m in monomials]).rref()
    else:
        reduced, rank = fmpq_mat(1, len(fields)), 0
    pivots = [next(j for j in range(len(fields)) if reduced[i, j] != 0) for i in range(rank)]
    rows = []
    for free in sorted(set(range(len(fields))) - set(pivots)):
        kernel = [fmpq(0)] * len(fields)
        kernel[free] = fmpq(1)
        for i, p in enumerate(pivots):
            kernel[p] = -reduced[i, free]
        rows += np.array(kernel, dtype=object).reshape(n, n + 1).tolist()
    if not rows:
        return []
    span, rank = fmpq_mat(rows).rref()
    return [{m: span[i, j] for j, m in enumerate(linear) if span[i, j] != 0} for i in range(rank)]
