"""Floor 4a: exactly one critical point in a box around a candidate, and what kind it is (theory 2.12).

For g the gradient in the free coordinates (``symmetries``), c a centre, Y any matrix and X the box c +- rho:
T(x) = x - Y g(x) has |T(x) - c|_i <= |Y g(c)|_i + rho sum_j |I - Y H(X)|_ij.  If that is below rho in every row,
T maps X into its interior and contracts it in the maximum norm: X holds exactly one zero x* of g, a critical
point of Phi because the fixed coordinates are transversal to the symmetries, and |x* - c| <= max|Y g(c)| / (1 - kappa)
(Krawczyk; Banach).  On that smaller box the inertia of the Hessian, the loss and the ranks are enclosed.
Nothing rests on how c and Y were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import column_pivots
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Point, Surface, flatten, point_of, targets_of, unflatten
from exactcnn.landscape.domains import BallDomain
from exactcnn.landscape.inertia import Inertia, ball_inertia
from exactcnn.landscape.symmetries import Gauge, Symmetry, gauge_of
from exactcnn.linalg.verified_inverse import VerifiedInverse, verified_inverse
from exactcnn.network.layers import Layer

__all__ = [
    "Enclosure",
    "RegularPart",
    "Setting",
    "candidate",
    "enclose_critical_point",
    "preconditioner",
    "regular_parts",
]

PLACES = 128  # binary places of the centre
PRECISION = 256  # of all enclosures
_DIGITS = 64  # binary places of Y
_STEPS = 40
# Radii tried, the largest first: 2^-3, 2^-5, ..
_RADII = range(3, 80, 3)


@dataclass(frozen=True, eq=False)
class RegularPart:
    """The square part of F_k or U_l on ``rows`` and ``columns`` is regular in the whole box."""

    layer: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    proof: VerifiedInverse


@dataclass(frozen=True, eq=False)
class Enclosure:
    """One and only one critical point within ``radius`` / 2^places of ``center`` / 2^places (free coordinates).

    ``inner`` bounds its distance from the centre; ``loss`` encloses Phi there; ``wide_layer`` k, ``parts``: it
    lies in S_k (None, ()); ``moved``: the largest change of a parameter from the candidate to the centre.
    """

    center: tuple[int, ...]
    radius: int
    free: tuple[int, ...]
    symmetries: tuple[Symmetry, ...]
    scale: int
    preconditioner: tuple[tuple[int, ...], ...]
    inertia: Inertia
    transform: tuple[tuple[int, ...], ...]
    loss: tuple[Fraction, Fraction]
    inner: Fraction
    moved: Fraction
    targets: RationalArray
    wide_layer: int | None = None
    parts: tuple[RegularPart, ...] = ()
    smaller: Point | None = None
    places: int = PLACES
    precision: int = PRECISION

    @property
    def kind(self) -> str:
        """strict local minimum, local minimum (up to symmetries), strict saddle .."""
        if self.inertia.negative and self.inertia.positive:
            return "strict saddle"
        name = "local maximum" if self.inertia.negative else "local minimum"
        return name if self.symmetries else f"strict {name}"

    @property
    def box_radius(self) -> Fraction:
        return Fraction(self.radius, 1 << self.places)


@dataclass(frozen=True, eq=False)
class Setting:
    """The gradient and Hessian in the free coordinates of ``gauge``, in balls."""

    instance: Instance
    like: Point
    gauge: Gauge
    ridge: Fraction = Fraction(0)

    def _ridge(self) -> Any:
        return BallDomain().number(self.ridge)

    def surface(self, values: np.ndarray) -> Surface:
        return Surface(self.instance, BallDomain(), unflatten(self.like, values))

    def gradient(self, surface: Surface) -> Any:
        from flint import arb_mat

        flat, values, ridge = surface.flat_gradient(), flatten(surface.point), self._ridge()
        return arb_mat([[flat[j] + ridge * values[j]] for j in self.gauge.free])

    def hessian(self, surface: Surface) -> Any:
        """Rows and columns of the free coordinates."""
        from flint import arb, arb_mat

        rows = []
        for j in self.gauge.free:
            direction = np.full(flatten(self.like).size, arb(0), dtype=object)
            direction[j] = arb(1)
            along = surface.hessian_times(surface.unflatten(direction))
            along[j] = along[j] + self._ridge()
            rows.append([along[i] for i in self.gauge.free])
        return arb_mat(rows)

    def box(self, center: np.ndarray, rho: Any) -> np.ndarray:
        from flint import arb

        values = center.copy()
        for j in self.gauge.free:
            values[j] = arb(center[j], rho)
        return values


def candidate(instance: Instance, smooth_only: bool = True) -> Surface:
    """The surface of balls at the given weights, at the current precision; UndecidedError at a kink or a tie."""
    surface = Surface(instance, BallDomain(), point_of(instance, BallDomain()))
    if smooth_only and not surface.smooth:
        raise UndecidedError("a unit is at a kink of its activation, or a pooling patch has a tie")
    return surface


def enclose_critical_point(
    instance: Instance,
    wide_layer: int | None = None,
    *,
    ridge: Fraction = Fraction(0),
    use_symmetries: bool = True,
) -> Enclosure:
    """A critical point near the given weights.  UndecidedError if none can be enclosed there.

    With ``wide_layer`` k the enclosure also proves that it lies in S_k, where it can.  ``ridge``: of the loss plus
    1/2 ridge |theta|^2 (its ``loss`` stays Phi).  Without symmetries all parameters are free.
    """
    from flint import arb, ctx

    with ctx.workprec(PRECISION):
        start = candidate(instance)
        everything = Gauge((), tuple(range(flatten(start.point).size)))
        gauge = gauge_of(start) if use_symmetries and not ridge else everything
        setting = Setting(instance, start.point, gauge, ridge)
        given = np.array([v.mid() for v in flatten(start.point)], dtype=object)
        center = _polished(setting, given)
        whole = [int((v * (1 << PLACES) + arb("0.5")).floor().unique_fmpz() or 0) for v in center]
        center = np.array([arb(v) / (1 << PLACES) for v in whole], dtype=object)
        moved = max((abs(a - b) for a, b in zip(center, given, strict=True)), key=_size, default=arb(0))
        return _enclosed(setting, whole, center, moved, wide_layer)


def _size(value: Any) -> float:
    return float(value.upper())


def _polished(setting: Setting, given: np.ndarray) -> np.ndarray:
    """Newton's method in the free coordinates, from the given point."""
    values, last = given.copy(), None
    for _ in range(_STEPS):
        surface = setting.surface(values)
        if not surface.smooth:
            raise UndecidedError("Newton's method ran into a kink")
        try:
            step = setting.hessian(surface).mid().solve(setting.gradient(surface).mid(), algorithm="approx")
        except ZeroDivisionError:
            raise UndecidedError(
                "the Hessian is singular on the way: no isolated critical point here"
            ) from None
        size = max((_size(abs(v)) for v in step.entries()), default=0.0)
        if not size < 1e6 or (last is not None and size > 4 * last and size > 1e-3):
            raise UndecidedError(
                "Newton's method does not converge from these weights: no critical point near them"
            )
        for j, v in zip(setting.gauge.free, step.entries(), strict=True):
            values[j] = (values[j] - v).mid()
        last = size
        if size < 2.0 ** -(PLACES - 8):
            return values
    if last is not None and last < 2.0**-64:
        return values
    raise UndecidedError("Newton's method does not converge from these weights: no critical point near them")


def _enclosed(setting: Setting, whole: list[int], center: np.ndarray, moved: Any, k: int | None) -> Enclosure:
    from flint import arb, arb_mat

    order = len(setting.gauge.free)
    here = setting.surface(center)
    Y, Y_integers, unit = preconditioner(setting.hessian(here) if order else arb_mat(0, 0))
    newton = [abs(v) for v in (Y * setting.gradient(here)).entries()] if order else []
    step = max(newton, key=_size, default=arb(0))
    for bits in _RADII:
        rho = arb(2) ** -bits
        kappa = _contraction(setting, center, Y, unit, rho)
        # 1/4 instead of 1: who repeats this with wider enclosures must succeed too.
        if kappa is not None and kappa < arb(1) / 4 and step < rho / 4:
            break
    else:
        raise UndecidedError("no box around it is mapped into itself: degenerate, or too ill-conditioned")
    inner = (step / (1 - kappa)).upper() * 2 + arb(2) ** -(PLACES - 4)
    box = setting.surface(setting.box(center, inner))
    diagonal = ball_inertia(setting.hessian(box).tolist() if order else [])
    if diagonal is None:
        raise UndecidedError("the signs of the Hessian's eigenvalues are not separated from 0")
    low, high = _ends(box.loss)
    parts = None if k is None else regular_parts(box, k)
    return Enclosure(
        center=tuple(whole),
        radius=1 << (PLACES - bits),
        free=setting.gauge.free,
        symmetries=setting.gauge.symmetries,
        scale=_DIGITS,
        preconditioner=Y_integers,
        inertia=diagonal.inertia,
        transform=diagonal.transform,
        loss=(low, high),
        inner=_ends(inner)[1],
        moved=_ends(moved)[1],
        targets=targets_of(setting.instance),
        wide_layer=k if parts else None,
        parts=parts or (),
    )


def preconditioner(H: Any) -> tuple[Any, tuple[tuple[int, ...], ...], Any]:
    """An approximate inverse, the same in integers over 2^_DIGITS, and the unit matrix; UndecidedError if singular."""
    from flint import arb, arb_mat, fmpz

    order = H.nrows()
    if order == 0:
        return H, (), H
    unit = arb_mat([[int(i == j) for j in range(order)] for i in range(order)])
    try:
        inverse = H.mid().solve(unit, algorithm="approx")
    except ZeroDivisionError:
        raise UndecidedError("the Hessian is singular there: the critical point is not isolated") from None
    rows = [[(v * (1 << _DIGITS)).mid().floor().unique_fmpz() for v in row] for row in inverse.tolist()]
    if any(v is None for row in rows for v in row):
        raise UndecidedError("the Hessian is singular there: the critical point is not isolated")
    Y = arb_mat([[fmpz(v) for v in row] for row in rows]) * (arb(1) / (1 << _DIGITS))
    return Y, tuple(tuple(int(v) for v in row) for row in rows), unit


def _contraction(setting: Setting, center: np.ndarray, Y: Any, unit: Any, rho: Any) -> Any:
    """max_i sum_j |I - Y H(X)|_ij, None where a unit may be at a kink."""
    from flint import arb

    surface = setting.surface(setting.box(center, rho))
    if not surface.smooth:
        return None
    if not setting.gauge.free:
        return arb(0)
    defect = unit - Y * setting.hessian(surface)
    sums = [sum((abs(v) for v in row), arb(0)) for row in defect.tolist()]
    if not all(s.is_finite() for s in sums):
        return None
    return max((s.upper() for s in sums), key=_size)


def _ends(ball: Any) -> tuple[Fraction, Fraction]:
    """Rationals around a ball, a few units of 2^-200 outside it."""
    low = (ball * (1 << 200)).lower().floor().unique_fmpz()
    high = (ball * (1 << 200)).upper().ceil().unique_fmpz()
    if low is None or high is None:
        raise UndecidedError("an enclosure has no finite ends")
    return Fraction(int(low) - 2**60, 1 << 200), Fraction(int(high) + 2**60, 1 << 200)


def regular_parts(surface: Surface, k: int) -> tuple[RegularPart, ...] | None:
    """Of F_k (all rows) and of U_{k+2} .. U_L: full rank at every point of a surface of balls; None if not proved."""
    from flint import arb

    layers = surface.layers
    above = layers[k + 1 :]
    if k >= len(layers) or any(layer.kind == "maxpool" for layer in above):
        return None
    F = surface.F[k]
    if F.shape[1] < F.shape[0]:
        return None
    tables: list[tuple[int, np.ndarray]] = [(k, F)]
    tables += [(layer.index, lifted_matrix(surface, layer, arb(0))) for layer in above]
    found = [_regular(index, table) for index, table in tables]
    proved = tuple(part for part in found if part is not None)
    return proved if len(proved) == len(found) else None


def lifted_matrix(surface: Surface, layer: Layer, zero: Any) -> np.ndarray:
    """U_l (n_{l-1}, n_l) as an array of the surface's numbers."""
    entry = surface.point[layer.index - 1]
    assert entry is not None
    U = np.full((layer.below.size, layer.width), zero, dtype=object)
    for p, patch in enumerate(layer.patches.indices.tolist()):
        for r, unit in enumerate(patch):
            if unit < layer.patches.neurons:
                U[unit, p * layer.filters : (p + 1) * layer.filters] = entry[0][r]
    return U


def _regular(index: int, table: np.ndarray) -> RegularPart | None:
    from flint import arb_mat

    middle = np.array([[float(v.mid()) for v in row] for row in table])
    order = min(table.shape)
    if not np.isfinite(middle).all():
        return None
    tall = table.shape[0] > table.shape[1]
    chosen = sorted(column_pivots(middle.T if tall else middle, order))
    if len(chosen) < order:
        return None
    rows, columns = (chosen, list(range(order))) if tall else (list(range(order)), chosen)
    proof = verified_inverse(arb_mat([[table[i, j] for j in columns] for i in rows]))
    return None if proof is None else RegularPart(index, tuple(rows), tuple(columns), proof)
