"""Floor 5: exact counts about one convolution's U at full size, from its window alone.

Let c channels on a grid be read by t filters through a window.  U (rows: neurons, columns: outputs)
has U[i, (p, f)] = W[tap of i in patch p, f].

*one tap per filter*: give every filter one channel and one offset, weight 1 there.  Every column
of U is then a unit vector (or 0 where the tap lies in the padding), so the rank is the number of
different neurons met.  ``one_tap_rank`` counts them; the generic rank is at least that.

*disjoint windows*: if no two patches share a neuron, U is block-diagonal and the block of patch p
is W restricted to its r_p real places, of generic (and greatest) rank min(c r_p, t).

Places are counted on the spatial grid only; a 512 x 512 layer costs a 512 x 512 table of bits.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod

import numpy as np

from exactcnn.audit.windows import Window

__all__ = ["disjoint_rank", "one_tap_rank", "places", "read_places"]

# More offsets than this are not tried one by one (16 x 16 patches are disjoint anyway).
_MOST_OFFSETS = 121


def places(extent: int, reads: Window, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """(coordinate, real) of shape (outputs, taps) along one axis."""
    outputs = reads.extents_of(axis, extent)
    starts = np.arange(outputs) * reads.stride[axis] - reads.padding[axis][0]
    taps = np.arange(reads.kernel[axis]) * reads.dilation[axis]
    coordinate = starts[:, None] + taps[None, :]
    return coordinate, (coordinate >= 0) & (coordinate < extent)


def read_places(extents: tuple[int, ...], reads: Window) -> int:
    """Places that lie in some patch.  A window is a product of axes, so the count is one, too."""
    counts = []
    for axis, extent in enumerate(extents):
        coordinate, real = places(extent, reads, axis)
        counts.append(len(np.unique(coordinate[real])))
    return prod(counts)


def disjoint_rank(extents: tuple[int, ...], reads: Window, channels: int, filters: int) -> int | None:
    """The generic rank of U if no two patches share a real neuron, else None.

    Patches at different outputs are disjoint if they are so on each axis where they can differ.

    >>> from exactcnn.audit.windows import window
    >>> disjoint_rank((56, 56), window(1, stride=2), 256, 512), disjoint_rank((5, 7), window(3), 1, 1)
    (200704, None)
    """
    total = np.ones(1, dtype=np.int64)
    for axis, extent in enumerate(extents):
        coordinate, real = places(extent, reads, axis)
        if len(np.unique(coordinate[real])) != np.count_nonzero(real):
            return None
        total = np.multiply.outer(total, real.sum(axis=1)).ravel()
    return int(np.minimum(channels * total, filters).sum())


def one_tap_rank(extents: tuple[int, ...], reads: Window, channels: int, filters: int) -> int:
    """Neurons that one-tap filters meet, spread evenly over the channels: a lower bound for the rank.

    >>> from exactcnn.audit.windows import window
    >>> one_tap_rank((4, 5), window(3, padding=1), 2, 2), one_tap_rank((4, 5), window(3), 1, 9)
    (40, 20)
    """
    met = _met(extents, reads)
    each, more = divmod(filters, channels)
    low, high = (met[min(m, len(met) - 1)] for m in (each, each + 1))
    return (channels - more) * low + more * high


@lru_cache(maxsize=256)
def _met(extents: tuple[int, ...], reads: Window) -> tuple[int, ...]:
    """met[m]: different places of one channel that m offsets meet, the best next offset each time."""
    axes = []
    for axis, extent in enumerate(extents):
        coordinate, real = places(extent, reads, axis)
        axes.append([coordinate[real[:, j], j] for j in range(coordinate.shape[1])])
    offsets = [np.ix_(*chosen) for chosen in product(*axes)]
    met, free = [0], np.ones(extents, dtype=bool)
    while offsets and len(met) <= _MOST_OFFSETS:
        gains = [int(np.count_nonzero(free[offset])) for offset in offsets]
        best = int(np.argmax(gains))
        if gains[best] == 0:
            break
        free[offsets.pop(best)] = False
        met.append(met[-1] + gains[best])
        if len(offsets) > _MOST_OFFSETS:
            break
    return tuple(met)
