"""Floor 3: the triangular limit witness, found by peeling (theory 2.7).

With directions a_t write z_i^p = <a_t, x_i^p>.  An order of the samples and distinct units
(p_j, t_j) such that z_i < z_j at unit j for every i before j give, with pre-activation
alpha (z_i - z_j) + c at unit j and sigma(c) != 0, a determinant that tends to sigma(c)^N as alpha
grows: entries with i before j tend to 0 (all directions negated if mu_- is not 0), and in case
(b) exponentially, while the others grow at most like alpha.  So it is not identically zero.

*Peeling* finds such an order from the end: a unit whose largest z among the samples left is
attained once takes that sample off.  Positions where few patch values differ go first, because
their units run dry as soon as the remaining samples agree there; and they are visited again and
again, because every sample taken off elsewhere may break a tie that blocked them.  (On the 60,000
MNIST images with 3 x 3 patches and 100 filters one pass after the other leaves 2,829 samples and
no usable unit; revisiting leaves none.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.arithmetic.integers import largest, narrow
from exactcnn.arithmetic.streams import symmetric_odd_numerators
from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.collisions import distinct_patch_counts
from exactcnn.features.instance import Instance
from exactcnn.features.peeling_kernels import largest_by_filter
from exactcnn.network.layers import Layer
from exactcnn.progress import report

__all__ = ["Peeling", "directions", "peel", "peel_values"]


# After this many positions all earlier ones are visited again, while that takes off enough samples.
_REVISIT_AFTER = 40
_WORTH_ANOTHER_VISIT = 50
# Candidates remembered for each filter: the samples other filters take meanwhile are skipped.
_KEEP = 12
# The pixels of samples taken off are dropped once so few are left.
_COMPRESS_AT = 0.85


@dataclass(frozen=True, eq=False)
class Peeling:
    """``order`` of the peeled samples, first to last, and the ``units`` h = p T + t they own.

    ``left`` are the samples that no unit could take off; the witness is complete if there are none.
    ``shared``: all filters have the direction of filter 0.
    """

    order: tuple[int, ...]
    units: tuple[int, ...]
    left: tuple[int, ...]
    seed: int
    bits: int
    shared: bool = False


def directions(layer: Layer, seed: int, bits: int) -> np.ndarray:
    """Odd integers in (-2^bits, 2^bits), shape (l, T), from SHAKE-256 (FORMAT.md 6d)."""
    drawn = symmetric_odd_numerators(f"exactcnn/peeling/1/{seed}", layer.patch_size * layer.filters, bits)
    return drawn.reshape(layer.patch_size, layer.filters)


def peel(instance: Instance, seed: int = 0, bits: int = 7) -> Peeling:
    """Peel the samples off the units of layer 1 (convolutional or dense).

    Raises UndecidedError if the integers z could exceed 2^53.
    """
    return peel_values(instance.network.layer(1), instance.need_samples().x.numerators, seed, bits)


def peel_values(layer: Layer, values: np.ndarray, seed: int = 0, bits: int = 7) -> Peeling:
    """The same for any layer, given the integers (N, n_{k-1}) that the layer below it holds."""
    if layer.kind == "maxpool":
        raise MisuseError("layer", "a convolutional or dense layer", f"max-pooling layer {layer.index}")
    x = narrow(values)
    A = directions(layer, seed, bits)
    if largest(x) * largest(A) * layer.patch_size >= 2**53:
        raise UndecidedError("the data's integers are too large for exact float64 comparisons of z")
    search = _Search(layer, x, A)
    poorest_first = np.argsort(distinct_patch_counts(layer, x), kind="stable").tolist()
    before = -1
    while search.living not in (0, before):
        before = search.living
        for number, p in enumerate(poorest_first, start=1):
            search.visit(p)
            if number % _REVISIT_AFTER == 0:
                while sum(search.visit(q) for q in poorest_first[:number]) >= _WORTH_ANOTHER_VISIT:
                    pass
    search.taken.reverse()
    return Peeling(
        tuple(sample for sample, _ in search.taken),
        tuple(unit for _, unit in search.taken),
        tuple(search.left[search.alive].tolist()),
        seed,
        bits,
    )


class _Search:
    """The state of a peeling: who is left, which units are free."""

    def __init__(self, layer: Layer, x: np.ndarray, A: np.ndarray) -> None:
        small = int(x.min()) >= 0 and int(x.max()) <= 255
        exact32 = largest(x) * largest(A) * layer.patch_size < 2**24
        self.layer, self.samples = layer, x.shape[0]
        self.A = A.astype(np.float32 if exact32 else np.float64)
        # Pixels first: a patch's values are then a few contiguous rows.
        self.pixels = np.ascontiguousarray(x.astype(np.uint8 if small else self.A.dtype).T)
        self.left = np.arange(self.samples)
        self.alive = np.ones(self.samples, dtype=np.bool_)
        self.living = self.samples
        self.here = np.ones(self.samples, dtype=np.bool_)  # by sample number, unlike `alive`
        # The free units of each position; a blocked one remembers two samples that tie at its top:
        # as long as both are there it need not be looked at again.
        self.free: list[dict[int, tuple[int, int] | None]] = [
            dict.fromkeys(range(layer.filters)) for _ in range(layer.patch_count)
        ]
        self.taken: list[tuple[int, int]] = []  # (sample, unit), last of the order first

    def visit(self, p: int) -> int:
        """Take off what the free units of position p can; the number of samples taken."""
        waiting = [
            t
            for t, tie in self.free[p].items()
            if tie is None or not (self.here[tie[0]] and self.here[tie[1]])
        ]
        if not waiting or not self.living:
            return 0
        if self.living < _COMPRESS_AT * self.left.size:
            self.left, self.pixels = self.left[self.alive], np.ascontiguousarray(self.pixels[:, self.alive])
            self.alive = np.ones(self.left.size, dtype=np.bool_)
        patch = self.layer.patches.indices[p]
        real = patch < self.layer.patches.neurons
        columns, weights = self.pixels[patch[real]], self.A[real]
        before = self.living
        while waiting and self.living:
            z, places = _tops(columns, weights, waiting, self.alive)
            waiting = self._resolve(p, waiting, z, places)
        if self.living < before:
            report("peeling", self.samples - self.living, self.samples)
        return int(before - self.living)

    def _resolve(self, p: int, filters: list[int], z: np.ndarray, places: np.ndarray) -> list[int]:
        """Let each filter in turn take the strict maximum of the living; who must look again."""
        again = []
        for t, values, where in zip(filters, z.tolist(), places.tolist(), strict=True):
            standing = [(v, i) for v, i in zip(values, where, strict=True) if i >= 0 and self.alive[i]]
            complete = where[-1] < 0  # all the living were listed
            if len(standing) >= 2 and standing[0][0] == standing[1][0]:
                self.free[p][t] = int(self.left[standing[0][1]]), int(self.left[standing[1][1]])
                continue
            # Who is not listed is at most as large as the last one listed.
            if not standing or (len(standing) == 1 and not complete and values[-1] == standing[0][0]):
                again.append(t)
                continue
            sample = standing[0][1]
            self.alive[sample] = self.here[self.left[sample]] = False
            self.living -= 1
            self.taken.append((int(self.left[sample]), p * self.layer.filters + t))
            del self.free[p][t]
        return again


def _tops(
    columns: np.ndarray, weights: np.ndarray, filters: list[int], alive: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each filter the _KEEP largest z among the living with their places, (f, _KEEP); -1: there are fewer."""
    values = np.zeros((len(filters), _KEEP), dtype=weights.dtype)
    places = np.full((len(filters), _KEEP), -1, dtype=np.int64)
    largest_by_filter(columns, np.ascontiguousarray(weights[:, filters].T), alive, values, places)
    return values, places
