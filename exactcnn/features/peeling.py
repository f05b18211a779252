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
from exactcnn.network.layers import Layer
from exactcnn.progress import report

__all__ = ["Peeling", "directions", "peel", "peel_values"]


# After this many positions all earlier ones are visited again, while that takes off enough samples.
_REVISIT_AFTER = 40
_WORTH_ANOTHER_VISIT = 50


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
    """Odd integers in (-2^bits, 2^bits), shape (l, T), from SHAKE-256 (FORMAT.md 6.7)."""
    drawn = symmetric_odd_numerators(f"exactcnn/peeling/1/{seed}", layer.patch_size * layer.filters, bits)
    return drawn.reshape(layer.patch_size, layer.filters)


def peel(instance: Instance, seed: int = 0, bits: int = 7) -> Peeling:
    """Peel the samples off the units of layer 1 (convolutional or dense).

    Raises UndecidedError if the integers z could exceed 2^53, beyond which float64 products
    would round.
    """
    return peel_values(instance.network.layer(1), instance.need_samples().x.numerators, seed, bits)


def peel_values(layer: Layer, values: np.ndarray, seed: int = 0, bits: int = 7) -> Peeling:
    """The same for any layer, given the integers (N, n_{k-1}) that the layer below it holds."""
    if layer.kind == "maxpool":
        raise MisuseError("layer", "a convolutional or dense layer", f"max-pooling layer {layer.index}")
    x = narrow(values)
    A = directions(layer, seed, bits)
    bound = largest(x) * largest(A) * layer.patch_size
    if bound >= 2**53:
        raise UndecidedError("the data's integers are too large for exact float64 comparisons of z")
    # Every z and every partial sum is an integer below 2^24 (2^53): no product or sum rounds.
    dtype = np.float32 if bound < 2**24 else np.float64
    weights = np.ascontiguousarray(A.T.astype(dtype))
    patches = layer.patches
    # Pixels first: a patch's values are then a few contiguous rows.
    pixels = np.ascontiguousarray(np.concatenate([x, np.zeros((x.shape[0], 1), dtype=x.dtype)], axis=1).T)
    pixels = pixels.astype(np.uint8 if int(x.min()) >= 0 and int(x.max()) <= 255 else dtype)
    where = np.minimum(patches.indices, patches.neurons)

    free = [list(range(layer.filters)) for _ in range(layer.patch_count)]
    left = np.arange(x.shape[0])
    taken: list[tuple[int, int]] = []  # (sample, unit), last of the order first

    def visit(p: int) -> int:
        """Take off what the free units of position p can; the number of samples taken."""
        nonlocal left
        if not free[p] or not left.size:
            return 0
        z = weights[free[p]] @ pixels[np.ix_(where[p], left)].astype(dtype)
        gone, blocked = _peel_position(z)
        taken.extend((int(left[i]), p * layer.filters + free[p][r]) for r, i in gone)
        free[p] = [free[p][r] for r in blocked]
        if gone:
            left = np.delete(left, [i for _, i in gone])
            report("peeling", x.shape[0] - left.size, x.shape[0])
        return len(gone)

    poorest_first = np.argsort(distinct_patch_counts(layer, x), kind="stable").tolist()
    before = -1
    while left.size not in (0, before):
        before = left.size
        for number, p in enumerate(poorest_first, start=1):
            visit(p)
            if number % _REVISIT_AFTER == 0:
                while sum(visit(q) for q in poorest_first[:number]) >= _WORTH_ANOTHER_VISIT:
                    pass
    taken.reverse()
    return Peeling(
        tuple(sample for sample, _ in taken),
        tuple(unit for _, unit in taken),
        tuple(left.tolist()),
        seed,
        bits,
    )


def _peel_position(z: np.ndarray) -> tuple[list[tuple[int, int]], list[int]]:
    """(row, column) pairs taken off in turn, and the rows blocked by a tie; z is overwritten."""
    gone: list[tuple[int, int]] = []
    blocked: list[int] = []
    for r in range(z.shape[0]):
        row = z[r]
        if gone:
            row[[i for _, i in gone]] = -np.inf
        best = int(row.argmax())
        top = row[best]
        row[best] = -np.inf
        if row.max() == top:  # a tie, or nothing left (both -inf)
            blocked.append(r)
        else:
            gone.append((r, best))
    return gone, blocked
