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

from exactcnn.arithmetic.streams import symmetric_odd_numerators
from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.batches import FloatDomain, Floats
from exactcnn.landscape.derivatives import Point, Surface, flatten, point_of, unflatten
from exactcnn.landscape.domains import ExactDomain
from exactcnn.landscape.enumeration import shapes_of, weights_at
from exactcnn.landscape.krawczyk import Enclosure, enclose_critical_point
from exactcnn.progress import report

__all__ = ["Search", "search_minima"]

_ITERATIONS = 300
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
) -> Search:
    """Local minima of the loss of ``instance`` (its weights are not looked at).

    ``spread``: starting parameters are uniform in (-spread, spread).  At most ``most`` different losses are
    enclosed.  MisuseError unless seeds >= 1.
    """
    if seeds < 1:
        raise MisuseError("seeds", "a positive number", seeds)
    descent = _Descent(instance)
    numerators = symmetric_odd_numerators(f"exactcnn/search/1/{first_seed}", seeds * descent.P, 24)
    start = numerators.astype(np.float64).reshape(seeds, descent.P) * (spread / 2.0**24)
    points, losses = descent.run(start)
    order = np.argsort(losses)
    points, losses = points[order], losses[order]
    distinct: list[int] = []
    for n, loss in enumerate(losses.tolist()):
        if not distinct or loss - losses[distinct[-1]] > 1e-7 * (1 + abs(loss)):
            distinct.append(n)
    found: list[Enclosure] = []
    unproved = 0
    lowest: tuple[float, np.ndarray] | None = (float(losses[0]), points[0]) if len(losses) else None
    for count, n in enumerate(distinct[:most]):
        report("enclosing minima", count, min(len(distinct), most))
        try:
            enclosure = _proved(instance, points[n], wide_layer)
        except UndecidedError:
            enclosure = None
        if enclosure is None:
            unproved += 1
            continue
        if lowest is not None and lowest[0] < float(enclosure.loss[0]) - 1e-9:
            enclosure = replace(enclosure, smaller=_exact(instance, lowest[1]))
        found.append(enclosure)
    return Search(tuple(sorted(found, key=lambda e: e.loss)), seeds, len(losses), unproved)


def _rationals(values: np.ndarray) -> list[Fraction]:
    return [Fraction(float(v)) for v in values]


def _exact(instance: Instance, values: np.ndarray) -> Point:
    return point_of(replace(instance, weights=weights_at(instance, _rationals(values))), ExactDomain())


def _proved(instance: Instance, values: np.ndarray, k: int | None) -> Enclosure | None:
    """None for a saddle."""
    near = replace(instance, weights=weights_at(instance, _rationals(values)))
    found = enclose_critical_point(near, k)
    return None if found.inertia.negative else found


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

    def run(self, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """End points at which the gradient is small, and their losses."""
        active, x = np.arange(len(start)), start.copy()
        ends: list[np.ndarray] = []
        losses: list[float] = []
        with np.errstate(all="ignore"):
            for iteration in range(_ITERATIONS):
                report("descending", iteration, _ITERATIONS)
                loss, g, H = self._derivatives(x[active])
                good = np.isfinite(loss) & np.isfinite(g).all(axis=1) & np.isfinite(H).all(axis=(1, 2))
                good &= np.abs(x[active]).max(axis=1) < _LARGEST
                flat = good & (np.abs(g).max(axis=1) < _FLAT)
                if iteration > 3:
                    ends += list(x[active[flat]])
                    losses += loss[flat].tolist()
                    good &= ~flat
                active, loss, g, H = active[good], loss[good], g[good], H[good]
                if not len(active):
                    break
                x[active] = self._stepped(x[active], loss, g, H)
        return np.array(ends).reshape(-1, self.P), np.array(losses)

    def _stepped(self, x: np.ndarray, loss: np.ndarray, g: np.ndarray, H: np.ndarray) -> np.ndarray:
        w, Q = np.linalg.eigh(H)
        curvature = np.maximum(np.abs(w), 1e-7 * (1 + np.abs(w).max(axis=1, keepdims=True)))
        step = np.einsum("sij,sj->si", Q, np.einsum("sji,sj->si", Q, g) / curvature)
        length = np.abs(step).max(axis=1, keepdims=True)
        step *= np.minimum(1.0, _STEP / np.maximum(length, 1e-300))
        result = x - step
        worse = ~(self._loss(result) <= loss + 1e-14 * (1 + loss))
        for _ in range(12):  # halve the steps that do not descend
            if not worse.any():
                break
            step[worse] *= 0.3
            result[worse] = x[worse] - step[worse]
            worse[worse] = ~(self._loss(result[worse]) <= loss[worse] + 1e-14 * (1 + loss[worse]))
        return result
