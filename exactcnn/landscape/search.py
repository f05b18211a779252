"""Floor 4a: local minima that are not global, found by descent from many seeds and then proved (theory 3.4).

Float64 finds: from seeded starting points, all at once, Newton steps with the eigenvalues of the Hessian made positive
and a bounded length, until the gradient is at rounding level.  Balls prove: ``krawczyk`` encloses each candidate,
its inertia and its loss; only what it proves is returned.  Starting points come from SHAKE-256, but which
minima are reached may differ between machines (libm, LAPACK); what is proved cannot be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.streams import symmetric_odd_numerators
from exactcnn.data.samples import Samples
from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.batches import FloatDomain, Floats
from exactcnn.landscape.derivatives import Surface, flatten, point_of, unflatten
from exactcnn.landscape.domains import BallDomain, ExactDomain
from exactcnn.landscape.enumeration import shapes_of, weights_at
from exactcnn.landscape.krawczyk import PRECISION, Enclosure, enclose_critical_point
from exactcnn.progress import report

__all__ = ["Search", "planted", "search_minima", "with_smaller"]

_LARGEST = 60.0  # parameters beyond: on the way to infinity
_STEP = 0.7
_FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Search:
    """``minima``: proved local minima, by loss; ``smaller`` of each but the first is a point of smaller loss.

    ``seeds`` descents were started, ``settled`` of them ended at a small gradient; ``unproved`` different losses
    among those could not be enclosed.
    """

    minima: tuple[Enclosure, ...]
    seeds: int
    settled: int
    unproved: int

    @property
    def bad(self) -> tuple[Enclosure, ...]:
        """The minima with a point of smaller loss."""
        return tuple(each for each in self.minima if each.smaller is not None)


def search_minima(
    instance: Instance,
    seeds: int,
    *,
    wide_layer: int | None = None,
    first_seed: int = 0,
    spread: int = 2,
    most: int = 12,
    iterations: int = 120,
) -> Search:
    """Local minima of the loss of ``instance``; its weights, if there are any, are one more starting point.

    ``spread``: starting parameters are uniform in (-spread, spread).  At most ``most`` minima are
    enclosed.  MisuseError unless seeds >= 1.
    """
    if seeds < 1:
        raise MisuseError("seeds", "a positive number", seeds)
    descent = _Descent(instance)
    numerators = symmetric_odd_numerators(f"exactcnn/search/1/{first_seed}", seeds * descent.P, 24)
    start = numerators.astype(np.float64).reshape(seeds, descent.P) * (spread / 2.0**24)
    points, losses, lowest = descent.run(start, iterations)
    candidates = [points[n] for n in np.argsort(losses)]
    if instance.weights is not None:
        candidates = [descent.given()[0], *candidates]
    found: list[Enclosure] = []
    seen: list[float] = []
    unproved = 0
    for count, values in enumerate(candidates):
        report("enclosing minima", count, len(candidates))
        loss = descent.loss_of(values)
        if len(found) == most or any(abs(loss - other) <= 1e-7 * (1e-3 + abs(other)) for other in seen):
            continue
        try:
            enclosure = _proved(instance, values, wide_layer)
        except UndecidedError:
            seen.append(loss)
            unproved += 1
            continue
        if enclosure is None:
            continue
        seen += [loss, float(enclosure.loss[0])]
        if lowest is not None and descent.loss_of(lowest) < float(enclosure.loss[0]) * (1 - 1e-6):
            enclosure = with_smaller(enclosure, instance, lowest)
        found.append(enclosure)
    return Search(tuple(sorted(found, key=lambda e: e.loss)), seeds, len(losses), unproved)


def _rationals(values: np.ndarray) -> list[Fraction]:
    return [Fraction(float(v)) for v in values]


def with_smaller(enclosure: Enclosure, instance: Instance, values: np.ndarray) -> Enclosure:
    """With the point ``values`` as one of smaller loss, if balls prove that it is one; else as it was."""
    from flint import arb, ctx, fmpq

    there = replace(instance, weights=weights_at(instance, _rationals(values)))
    with ctx.workprec(PRECISION):
        low = enclosure.loss[0]
        loss = Surface(there, BallDomain(), point_of(there, BallDomain())).loss
        if not loss < arb(fmpq(low.numerator, low.denominator)):
            return enclosure
    return replace(enclosure, smaller=point_of(there, ExactDomain()))


def _proved(instance: Instance, values: np.ndarray, k: int | None) -> Enclosure | None:
    """None for a saddle."""
    near = replace(instance, weights=weights_at(instance, _rationals(values)))
    found = enclose_critical_point(near, k)
    return None if found.inertia.negative else found


def planted(instance: Instance, *, share: Fraction = Fraction(9, 10), digits: int = 16) -> Instance | None:
    """The same network, inputs and weights with targets for which a minimum of positive loss lies near the weights.

    With J the Jacobian of the outputs, R a unit vector with J^T R = 0 and Y = F_L - c R the weights are critical with
    loss c^2 / 2 and Hessian J^T J + c S; c is ``share`` of the largest that keeps it positive definite.  Y is rounded
    to ``digits`` binary places.  None if there is no such R, or the rank of J is unclear.  Floats choose, nothing
    is proved.
    """
    m, x = instance.network.widths[-1], instance.need_samples().x
    flat = replace(
        instance,
        samples=Samples(x, RationalArray.from_fractions([[0] * m] * instance.N), source="zero targets"),
    )
    descent = _Descent(flat)
    here = descent.given()
    J, outputs = descent.jacobian(here)
    left, sizes, right = np.linalg.svd(J)
    rank = int((sizes > 1e-6 * sizes[0]).sum())
    if rank >= J.shape[0] or (sizes[rank:] > 1e-9 * sizes[0]).any() or not np.isfinite(sizes).all():
        return None
    R = left[:, rank]

    def at(c: float) -> Instance:
        rows = np.rint((outputs - c * R) * 2.0**digits).reshape(-1, m)
        targets = RationalArray.from_fractions([[Fraction(int(v), 2**digits) for v in row] for row in rows])
        return replace(instance, samples=Samples(x, targets, source="planted targets"))

    # What the outputs do not feel (symmetries, or parameters too many) is left out: V spans the rest.
    V = right[:rank].T
    gauss = V.T @ J.T @ J @ V
    curved = V.T @ (_Descent(at(1.0)).hessian(here) - J.T @ J) @ V
    root = np.linalg.inv(np.linalg.cholesky(gauss))
    least = float(np.linalg.eigvalsh(root @ curved @ root.T)[0])
    return at(float(share) * min(-1.0 / least, 16.0)) if least < 0 else None


class _Descent:
    """Newton's method with positive eigenvalues and bounded steps, for many starting points (S, P)."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.like = instance, shapes_of(instance)
        self.P = int(flatten(self.like).size)

    def _surface(self, x: np.ndarray) -> Surface:
        flat = np.empty(self.P, dtype=object)
        flat[:] = [Floats(x[:, j]) for j in range(self.P)]
        return Surface(self.instance, FloatDomain(), unflatten(self.like, flat))

    def _derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Loss (S,), gradient (S, P), Hessian (S, P, P)."""
        surface, domain = self._surface(x), FloatDomain()
        S = len(x)
        g = np.stack([np.broadcast_to(v.v, S) for v in surface.flat_gradient()], axis=1)
        H = np.empty((S, self.P, self.P))
        for j in range(self.P):
            direction = np.full(self.P, domain.number(Fraction(0)), dtype=object)
            direction[j] = domain.number(Fraction(1))
            for i, value in enumerate(surface.hessian_times(surface.unflatten(direction))):
                H[:, i, j] = value.v
        return np.broadcast_to(surface.loss.v, S).copy(), g, (H + H.transpose(0, 2, 1)) / 2

    def _loss(self, x: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self._surface(x).loss.v, len(x)).copy()

    def given(self) -> np.ndarray:
        """The instance's weights as floats, (1, P)."""
        domain = FloatDomain()
        return np.array([[float(v.v) for v in flatten(point_of(self.instance, domain))]])

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """At one point (1, P)."""
        H: np.ndarray = self._derivatives(x)[2][0]
        return H

    def jacobian(self, x: np.ndarray, step: float = 1e-5) -> tuple[np.ndarray, np.ndarray]:
        """Of all outputs (N m, P) at one point (1, P), by central differences, and the outputs."""
        P = self.P
        around = np.concatenate([x + step * np.eye(P), x - step * np.eye(P), x])
        F = self._surface(around).F[-1]
        flat = np.stack([np.broadcast_to(v.v, len(around)) for v in F.ravel()], axis=1)
        return (flat[:P] - flat[P : 2 * P]).T / (2 * step), flat[-1]

    def loss_of(self, values: np.ndarray) -> float:
        return float(self._loss(values[None])[0])

    def run(self, start: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """End points at which the gradient is small, their losses, and the point of least loss seen anywhere."""
        active, x = np.arange(len(start)), start.copy()
        ends: list[np.ndarray] = []
        losses: list[float] = []
        lowest: tuple[float, np.ndarray | None] = (np.inf, None)
        with np.errstate(all="ignore"):
            for iteration in range(iterations):
                report("descending", iteration, iterations)
                loss, g, H = self._derivatives(x[active])
                good = np.isfinite(loss) & np.isfinite(g).all(axis=1) & np.isfinite(H).all(axis=(1, 2))
                good &= np.abs(x[active]).max(axis=1) < _LARGEST
                if good.any():
                    best = int(np.where(good, loss, np.inf).argmin())
                    if loss[best] < lowest[0]:
                        lowest = float(loss[best]), x[active[best]].copy()
                flat = good & (np.abs(g).max(axis=1) < _FLAT)
                if iteration > 3:
                    ends += list(x[active[flat]])
                    losses += loss[flat].tolist()
                    good &= ~flat
                active, loss, g, H = active[good], loss[good], g[good], H[good]
                if not len(active):
                    break
                x[active] = self._stepped(x[active], loss, g, H)
        return np.array(ends).reshape(-1, self.P), np.array(losses), lowest[1]

    def _stepped(self, x: np.ndarray, loss: np.ndarray, g: np.ndarray, H: np.ndarray) -> np.ndarray:
        w, Q = np.linalg.eigh(H)
        curvature = np.maximum(np.abs(w), 1e-7 * (1 + np.abs(w).max(axis=1, keepdims=True)))
        step = np.einsum("sij,sj->si", Q, np.einsum("sji,sj->si", Q, g) / curvature)
        length = np.abs(step).max(axis=1, keepdims=True)
        step *= np.minimum(1.0, _STEP / np.maximum(length, 1e-300))
        result: np.ndarray = x - step
        worse = ~(self._loss(result) <= loss + 1e-14 * (1 + loss))
        for _ in range(12):  # halve the steps that do not descend
            if not worse.any():
                break
            step[worse] *= 0.3
            result[worse] = x[worse] - step[worse]
            worse[worse] = ~(self._loss(result[worse]) <= loss[worse] + 1e-14 * (1 + loss[worse]))
        return result
