"""Floor 3: peeling of byte data that is read column by column (theory 2.7), for millions of samples.

All filters get *one* direction a, so a position p needs one number z_i = <a, x_i^p> per sample, and
its T units, which differ by their biases, take off the samples with the T largest numbers, one after
the other, as long as each is larger than the next.  Only the pixels of the visited patches are asked
for, each once or twice; memory is a band of pixel columns.  (On images with few distinct patches
``peeling``, with a direction for each filter, comes further: ties at the top block here.)
"""

from __future__ import annotations

from typing import Protocol

import numba
import numpy as np

from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.peeling import Peeling, directions
from exactcnn.features.peeling_kernels import BLOCK, largest_by_block
from exactcnn.network.layers import Layer
from exactcnn.progress import report

__all__ = ["ArrayColumns", "ColumnSource", "peel_columns"]

_BAND_BYTES = 3_000_000_000
_POSITIONS = 256  # visited together, so that the pixels they share are fetched once
_COMPRESS_AT = 0.8  # drop the samples taken off once so few are left


class ColumnSource(Protocol):
    """Where the data comes from: one input unit of many samples at a time."""

    samples: int

    def column(self, unit: int, samples: np.ndarray) -> np.ndarray:
        """x[samples, unit] as uint8, contiguous; ``samples`` are increasing indices (int64)."""
        ...  # pragma: no cover


class ArrayColumns:
    """An array (N, d) of bytes in memory."""

    def __init__(self, x: np.ndarray) -> None:
        if x.dtype != np.uint8 or x.ndim != 2:
            raise MisuseError("x", "a two-dimensional array of uint8", f"{x.ndim} axes of {x.dtype}")
        self.samples, self._columns = x.shape[0], np.ascontiguousarray(x.T)

    def column(self, unit: int, samples: np.ndarray) -> np.ndarray:
        values: np.ndarray = self._columns[unit, samples]
        return values


def _take(columns: list[np.ndarray], weights: np.ndarray, alive: np.ndarray, most: int) -> np.ndarray:
    """Places of the samples taken off at one position, in turn: at most ``most``, until a tie."""
    blocks = -(-alive.size // BLOCK)
    keep = most + 1
    values = np.zeros((blocks, keep), dtype=weights.dtype)
    places = np.full((blocks, keep), -1, dtype=np.int64)
    largest_by_block(numba.typed.List(columns), weights, alive, values, places)
    z, where = values.ravel(), places.ravel()
    z, where = z[where >= 0].astype(np.int64), where[where >= 0]
    best = np.argsort(-z, kind="stable")[:keep]
    z, where = z[best], where[best]
    # With fewer than keep entries all the living are listed, and the last one has nobody below it.
    strict = z[:most] > np.append(z, -(1 << 40))[1 : most + 1]
    return where[: int(np.argmin(strict)) if not strict.all() else strict.size]


def peel_columns(layer: Layer, source: ColumnSource, seed: int = 0, bits: int = 7) -> Peeling:
    """Peel all samples of ``source`` off the units of layer 1 (convolutional or dense).

    Raises UndecidedError if the integers z could exceed 2^53.
    """
    if layer.kind == "maxpool":
        raise MisuseError("layer", "a convolutional or dense layer 1", "max-pooling")
    drawn = directions(layer, seed, bits)[:, 0]
    bound = 255 * int(np.abs(drawn).sum())
    if bound >= 2**53:
        raise UndecidedError("z could exceed 53 bits; take fewer bits for the directions")
    a = drawn.astype(np.float32 if bound < 2**24 else np.float64)
    N, T, patches = source.samples, layer.filters, layer.patches
    left = np.arange(N, dtype=np.int64)
    alive = np.ones(N, dtype=np.bool_)
    living = N
    columns: dict[int, np.ndarray] = {}  # input unit -> its values for the samples in `left`
    order: list[np.ndarray] = []
    units: list[np.ndarray] = []
    step = _POSITIONS
    start = 0
    while start < patches.count and living:
        if living < _COMPRESS_AT * left.size:
            left, columns = left[alive], {unit: column[alive] for unit, column in columns.items()}
            alive = np.ones(left.size, dtype=np.bool_)
        while True:  # as many positions as the band has room for
            chosen = range(start, min(start + step, patches.count))
            block = patches.indices[chosen.start : chosen.stop]
            needed = np.unique(block[block < patches.neurons])
            if needed.size * left.size <= _BAND_BYTES or step == 1:
                break
            step = max(1, step // 2)
        columns = {unit: columns[unit] for unit in needed.tolist() if unit in columns}
        for unit in needed.tolist():
            if unit not in columns:
                columns[unit] = source.column(unit, left)
        for p in chosen:
            if not living:
                break
            real = patches.indices[p] < patches.neurons
            read = [columns[unit] for unit in patches.indices[p][real].tolist()]
            taken = _take(read, a[real], alive, min(T, living))
            alive[taken] = False
            living -= taken.size
            order.append(left[taken])
            units.append(p * T + np.arange(taken.size))
        start = chosen.stop
        report("peeling", N - living, N)
    final = np.concatenate([*order, np.zeros(0, np.int64)])[::-1]
    owners = np.concatenate([*units, np.zeros(0, np.int64)])[::-1]
    return Peeling(
        tuple(final.tolist()), tuple(owners.tolist()), tuple(left[alive].tolist()), seed, bits, shared=True
    )
