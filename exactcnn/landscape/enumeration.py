"""Floor 4a: all critical points of a tiny network in a box, with the proof that none is missed.

Branch and bound on boxes with float64 intervals rounded outwards (``batches.BoxDomain``), thousands at a time.
For a box X with centre c, slightly inflated to X':
* if a component of the gradient g, or of its mean value form g(c) + H(X) (X - c), excludes 0, X holds no critical
  point;
* with Y an approximate inverse of H(c), K = c - Y g(c) + (I - Y H(X')) (X' - c) contains every zero in X'.  If K
  misses X there is none in X; if K lies inside X' there is exactly one in X', which is enclosed further by
  ``krawczyk`` in multiple precision, so that duplicates from neighbouring boxes are recognised;
* otherwise X is cut to K, and in halves along its longest side.
``ridge`` adds 1/2 ridge |theta|^2, which makes critical points isolated that otherwise lie in families.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.batches import BoxDomain, Boxes, FloatDomain, Floats
from exactcnn.landscape.derivatives import Surface, flatten, unflatten
from exactcnn.landscape.krawczyk import Enclosure, enclose_critical_point
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.progress import report

__all__ = ["Enumeration", "enumerate_critical_points", "weights_at"]

MOST_PARAMETERS = 8
_LARGEST_END = 1e30  # its 8th power, a volume, is well inside float64
_BATCH = 2048


@dataclass(frozen=True, eq=False)
class Enumeration:
    """``points``: all critical points in [low, high]^P if ``complete``; else ``unresolved`` boxes remain.

    ``boxes``: how many were looked at.  ``hull``: (P, 2), around the unresolved ones.
    """

    points: tuple[Enclosure, ...]
    boxes: int
    unresolved: int
    hull: np.ndarray | None

    @property
    def complete(self) -> bool:
        return self.unresolved == 0


def parameter_count(instance: Instance) -> int:
    return sum(layer.parameter_count for layer in instance.network.layers)


def weights_at(instance: Instance, values: list[Fraction]) -> Weights:
    """Rational weights from a flat vector (W row by row, then b, layer by layer)."""
    listed: list[LayerWeights | None] = []
    at = 0
    for layer in instance.network.layers:
        shape = layer.weight_shape
        if shape is None:
            listed.append(None)
            continue
        size = shape[0] * shape[1]
        rows = [values[at + r * shape[1] : at + (r + 1) * shape[1]] for r in range(shape[0])]
        bias = values[at + size : at + size + layer.bias_length]
        at += size + layer.bias_length
        b = RationalArray.from_fractions(bias) if layer.bias != "none" else None
        listed.append(LayerWeights(RationalArray.from_fractions(rows), b))
    return Weights(tuple(listed))


def shapes_of(instance: Instance) -> Any:
    """A point of the right shapes, for ``unflatten``."""
    listed: list[Any] = []
    for layer in instance.network.layers:
        if layer.weight_shape is None:
            raise UndecidedError("pooling is not known to searches and enumerations")
        b = None if layer.bias == "none" else np.zeros(layer.bias_length, dtype=object)
        listed.append((np.zeros(layer.weight_shape, dtype=object), b))
    return tuple(listed)


@dataclass(eq=False)
class _Gradients:
    """Gradient and Hessian of the (regularised) loss on many boxes or points."""

    instance: Instance
    ridge: Fraction

    def __post_init__(self) -> None:
        self.like = shapes_of(self.instance)
        self.P = int(flatten(self.like).size)

    def _surface(self, numbers: list[Any], domain: Any) -> Surface:
        flat = np.empty(self.P, dtype=object)
        flat[:] = numbers
        return Surface(self.instance, domain, unflatten(self.like, flat))

    def boxes(
        self, lo: np.ndarray, hi: np.ndarray, *, hessian: bool
    ) -> tuple[list[Boxes], list[list[Boxes]] | None]:
        """For (B, P) ends."""
        domain = BoxDomain()
        numbers = [Boxes(lo[:, j], hi[:, j]) for j in range(self.P)]
        surface = self._surface(numbers, domain)
        ridge = domain.number(self.ridge)
        gradient = [g + ridge * x for g, x in zip(surface.flat_gradient(), numbers, strict=True)]
        if not hessian:
            return gradient, None
        zero, one, columns = domain.number(Fraction(0)), domain.number(Fraction(1)), []
        for j in range(self.P):
            direction = np.full(self.P, zero, dtype=object)
            direction[j] = one
            column = list(surface.hessian_times(surface.unflatten(direction)))
            column[j] = column[j] + ridge
            columns.append(column)
        return gradient, [list(row) for row in zip(*columns, strict=True)]

    def middle_hessian(self, c: np.ndarray) -> np.ndarray:
        """(B, P, P) floats at points (B, P), without any claim."""
        domain = FloatDomain()
        surface = self._surface([Floats(c[:, j]) for j in range(self.P)], domain)
        H = np.empty((len(c), self.P, self.P))
        zero, one = domain.number(Fraction(0)), domain.number(Fraction(1))
        for j in range(self.P):
            direction = np.full(self.P, zero, dtype=object)
            direction[j] = one
            for i, value in enumerate(surface.hessian_times(surface.unflatten(direction))):
                H[:, i, j] = value.v
            H[:, j, j] += float(self.ridge)
        return H


def enumerate_critical_points(
    instance: Instance,
    low: Fraction,
    high: Fraction,
    *,
    ridge: Fraction = Fraction(0),
    most_boxes: int = 400_000,
) -> Enumeration:
    """All critical points with every parameter in [low, high].

    Raises MisuseError for an empty box or a negative ridge, UndecidedError for networks outside its reach: more than
    8 parameters, pooling, or activations without float64 enclosures of two derivatives.
    """
    if not low < high:
        raise MisuseError("box", "two numbers LO < HI", f"{low} and {high}")
    if max(abs(low), abs(high)) > _LARGEST_END:
        raise MisuseError("box", f"two numbers between -{_LARGEST_END:g} and {_LARGEST_END:g}", "larger ones")
    if most_boxes < 1:
        raise MisuseError("most-boxes", "at least 1", most_boxes)
    if not 0 <= ridge <= _LARGEST_END:
        raise MisuseError("ridge", f"a number from 0 to {_LARGEST_END:g}", str(ridge))
    P = parameter_count(instance)
    if P > MOST_PARAMETERS:
        raise UndecidedError(
            f"{P} parameters are more than the {MOST_PARAMETERS} that enumeration is made for"
        )
    gradients = _Gradients(instance, ridge)
    # The region with float ends, rounded outwards; points are compared with the exact ends afterwards.
    ends = np.nextafter(float(low), -np.inf), np.nextafter(float(high), np.inf)
    stack: list[tuple[np.ndarray, np.ndarray]] = [(np.full((1, P), ends[0]), np.full((1, P), ends[1]))]
    found: list[Enclosure] = []
    boxes, undecided = 0, []
    share = 0.0  # of the volume that is settled
    volume = (ends[1] - ends[0]) ** P
    while stack:
        lo, hi = stack.pop()
        if len(lo) > _BATCH:
            stack.append((lo[_BATCH:], hi[_BATCH:]))
            lo, hi = lo[:_BATCH], hi[:_BATCH]
        boxes += len(lo)
        if boxes > most_boxes:
            stack.append((lo, hi))
            break
        before = float(np.prod(hi - lo, axis=1).sum()) / volume
        lo, hi = _without_zero(gradients, lo, hi)
        parts, settled = _contracted(gradients, lo, hi)
        for X in settled:
            point = _refined(instance, ridge, X)
            if point is None:
                undecided.append(X)
            elif not any(_same(point, other) for other in found):
                found.append(point)
        after = float(np.prod(parts[1] - parts[0], axis=1).sum()) / volume if len(parts[0]) else 0.0
        share += before - after
        if len(parts[0]):
            stack.append(parts)
        report("branch and bound", int(1e6 * min(share, 1.0)), 1_000_000)
    rest = [*stack, *((X[0][None], X[1][None]) for X in undecided)]
    inside, edge = [], 0
    for point in found:
        where = _inside(point, low, high)
        if where is None:
            edge += 1
        elif where:
            inside.append(point)
    unresolved = sum(len(lo) for lo, _ in rest) + edge
    hull = None
    if rest:
        ends_of = [np.concatenate([X[side] for X in rest]) for side in (0, 1)]
        hull = np.stack([ends_of[0].min(axis=0), ends_of[1].max(axis=0)], axis=1)
    return Enumeration(tuple(sorted(inside, key=lambda p: p.loss)), min(boxes, most_boxes), unresolved, hull)


def _without_zero(gradients: _Gradients, lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The boxes on which no component of the gradient excludes 0."""
    with np.errstate(all="ignore"):
        g, _ = gradients.boxes(lo, hi, hessian=False)
    keep = np.ones(len(lo), dtype=bool)
    for component in g:
        keep &= (component.lo <= 0) & (component.hi >= 0)
    return lo[keep], hi[keep]


def _contracted(
    gradients: _Gradients, lo: np.ndarray, hi: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
    """What remains, halved; and the inflated boxes X' with exactly one zero."""
    P, B = gradients.P, len(lo)
    if not B:
        return (lo, hi), []
    with np.errstate(all="ignore"):
        c = 0.5 * (lo + hi)
        slack = 0.05 * (hi - lo) + 1e-300
        wide = np.nextafter(lo - slack, -np.inf), np.nextafter(hi + slack, np.inf)
        centre, _ = gradients.boxes(c, c, hessian=False)
        _, H = gradients.boxes(*wide, hessian=True)
        assert H is not None
        Y = _inverses(gradients.middle_hessian(c))
        away = [Boxes(wide[0][:, j], wide[1][:, j]) - Boxes(c[:, j], c[:, j]) for j in range(P)]
        # Mean value form over X' (which contains X).
        keep = np.ones(B, dtype=bool)
        for i in range(P):
            form = centre[i]
            for j in range(P):
                form = form + H[i][j] * away[j]
            keep &= (form.lo <= 0) & (form.hi >= 0)
        K = []
        for i in range(P):
            rows = [Boxes(Y[:, i, m], Y[:, i, m]) for m in range(P)]
            total: Any = -_dot(rows, centre)
            for j in range(P):
                defect = -_dot(rows, [H[m][j] for m in range(P)])
                if i == j:
                    defect = defect + BoxDomain().number(Fraction(1))
                total = total + defect * away[j]
            K.append(total + Boxes(c[:, i], c[:, i]))
        low, high = np.stack([k.lo for k in K], axis=1), np.stack([k.hi for k in K], axis=1)
    inside = ((low > wide[0]) & (high < wide[1])).all(axis=1)
    new_lo, new_hi = np.fmax(lo, low), np.fmin(hi, high)
    keep &= (new_lo <= new_hi).all(axis=1)
    settled = [(wide[0][b], wide[1][b]) for b in np.flatnonzero(inside & keep).tolist()]
    rest = keep & ~inside
    new_lo, new_hi = new_lo[rest], new_hi[rest]
    if not len(new_lo):
        return (new_lo, new_hi), settled
    longest = (new_hi - new_lo).argmax(axis=1)
    each = np.arange(len(new_lo))
    middle = 0.5 * (new_lo + new_hi)
    left_hi, right_lo = new_hi.copy(), new_lo.copy()
    left_hi[each, longest] = middle[each, longest]
    right_lo[each, longest] = middle[each, longest]
    return (np.concatenate([new_lo, right_lo]), np.concatenate([left_hi, new_hi])), settled


def _dot(a: list[Boxes], b: list[Boxes]) -> Boxes:
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        total = total + x * y
    return total


def _inverses(H: np.ndarray) -> np.ndarray:
    """Approximate inverses, the identity where there is none: any matrix will do for what is proved."""
    P = H.shape[1]
    good = np.isfinite(H).all(axis=(1, 2))
    H = np.where(good[:, None, None], H, np.eye(P))
    w, Q = np.linalg.eigh((H + H.transpose(0, 2, 1)) / 2)
    scale = np.abs(w).max(axis=1, initial=1e-300, keepdims=True)
    w = np.where(np.abs(w) > 1e-12 * scale, w, scale)
    result: np.ndarray = (Q / w[:, None, :]) @ Q.transpose(0, 2, 1)
    return result


def _refined(instance: Instance, ridge: Fraction, X: tuple[np.ndarray, np.ndarray]) -> Enclosure | None:
    """The one critical point of X' in multiple precision; None if it cannot be shown to be that one."""
    start = [Fraction(float(v)) for v in 0.5 * (X[0] + X[1])]
    try:
        point = enclose_critical_point(
            replace(instance, weights=weights_at(instance, start)), ridge=ridge, use_symmetries=False
        )
    except UndecidedError:
        return None
    for c, lo, hi in zip(point.center, X[0], X[1], strict=True):
        value = Fraction(c, 1 << point.places)
        if not Fraction(float(lo)) < value - point.inner or not value + point.inner < Fraction(float(hi)):
            return None
    return point


def _same(a: Enclosure, b: Enclosure) -> bool:
    """Do their innermost boxes meet?  Then ``b`` lies in the box in which ``a`` is the only one."""
    pairs = zip(a.center, b.center, strict=True)
    meet = all(abs(Fraction(x - y, 1 << a.places)) <= a.inner + b.inner for x, y in pairs)
    if meet and not a.inner + 2 * b.inner <= a.box_radius:
        raise UndecidedError(
            "two enclosures meet, and whether they hold the same critical point is not decided"
        )
    return meet


def _inside(point: Enclosure, low: Fraction, high: Fraction) -> bool | None:
    """In [low, high]^P?  None if a coordinate may be on either side of an end."""
    values = [Fraction(c, 1 << point.places) for c in point.center]
    if all(low <= v - point.inner and v + point.inner <= high for v in values):
        return True
    return False if any(v + point.inner < low or v - point.inner > high for v in values) else None
