"""Floor 2: where the neurons are, and which of them a patch reads.

Conventions (theory 1.1, FORMAT.md 2.1).  A state has channels C and extents (e_1..e_r).
The input is numbered channel-major (PyTorch's order), every other state position-major
(the paper's h = (p-1) T + t, here 0-based h = p T + t).  Padding adds one constant neuron
for each place of the padded grid, so that no patch repeats a neuron: real neurons have
numbers 0..n-1, padding neurons numbers from n on.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from exactcnn.errors import MalformedError

__all__ = [
    "LARGEST_PATCH_TABLE",
    "Padding",
    "Patches",
    "State",
    "check_padding",
    "explicit_patches",
    "grid_extents",
    "grid_patches",
    "sides",
]

# P * l above this is refused before anything is allocated (1.6 GB of indices).
LARGEST_PATCH_TABLE = 200_000_000

# Places added on each axis: as many on both sides, or (before, after).
Padding = tuple[int | tuple[int, int], ...]


def sides(padding: Padding) -> tuple[tuple[int, int], ...]:
    """(before, after) for each axis."""
    return tuple((pad, pad) if isinstance(pad, int) else pad for pad in padding)


@dataclass(frozen=True)
class State:
    """The neurons between two layers: ``channels`` planes of shape ``extents``."""

    channels: int
    extents: tuple[int, ...]
    channel_major: bool = False

    @property
    def positions(self) -> int:
        return prod(self.extents)

    @property
    def size(self) -> int:
        return self.channels * self.positions

    def units(self) -> np.ndarray:
        """Unit numbers as an array of shape (channels, *extents)."""
        numbers = np.arange(self.size, dtype=np.int64)
        if self.channel_major:
            return numbers.reshape(self.channels, *self.extents)
        return np.moveaxis(numbers.reshape(*self.extents, self.channels), -1, 0)

    def __str__(self) -> str:
        return " x ".join(str(n) for n in (self.channels, *self.extents))


@dataclass(frozen=True, eq=False)
class Patches:
    """P patches of l neurons each over ``neurons`` real neurons.

    ``indices`` has shape (P, l): values below ``neurons`` are real neurons, others padding
    neurons, one number per place of the padded grid.
    """

    indices: np.ndarray
    neurons: int

    @property
    def count(self) -> int:
        return int(self.indices.shape[0])

    @property
    def size(self) -> int:
        return int(self.indices.shape[1])

    @property
    def real(self) -> np.ndarray:
        """Mask of shape (P, l): True where the entry is a real neuron."""
        return self.indices < self.neurons

    @property
    def padded(self) -> bool:
        return not bool(self.real.all())

    def at(self, positions: np.ndarray) -> Patches:
        """The patches at some positions only."""
        return Patches(self.indices[positions], self.neurons)

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Patch values, shape (N, P, l), of layer values (N, n); padding neurons are 0."""
        if not self.padded:
            return values[:, self.indices]
        extended = np.concatenate([values, np.zeros((values.shape[0], 1), dtype=values.dtype)], axis=1)
        return extended[:, np.minimum(self.indices, self.neurons)]


def grid_extents(
    extents: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    field: str,
) -> tuple[int, ...]:
    """Output extents of a sliding window; MalformedError if it does not fit."""
    out = []
    for e, k, s, (before, after), d in zip(extents, kernel, stride, sides(padding), dilation, strict=True):
        room = e + before + after - d * (k - 1) - 1
        if room < 0:
            raise MalformedError(
                f"{field}.kernel",
                f"a window that fits into the padded extent {e + before + after}",
                f"kernel {k} with dilation {d}, which spans {d * (k - 1) + 1}",
            )
        out.append(room // s + 1)
    return tuple(out)


def check_padding(
    below: State,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    field: str,
) -> None:
    """MalformedError if a patch would be made of padding only, or the padding is out of proportion.

    A patch holds a real neuron iff its window does on every axis, so no patch is built.
    """
    places = below.channels * prod(
        e + sum(pads) for e, pads in zip(below.extents, sides(padding), strict=True)
    )
    if places > LARGEST_PATCH_TABLE:
        raise MalformedError(f"{field}.padding", f"at most {LARGEST_PATCH_TABLE} padded places", places)
    out = grid_extents(below.extents, kernel, stride, padding, dilation, field)
    for axis, (e, k, s, (before, _), d, o) in enumerate(
        zip(below.extents, kernel, stride, sides(padding), dilation, out, strict=True)
    ):
        bad = _only_padding(e, k, s, before, d, o)
        if bad is not None:
            found = f"padding only at output place {bad} of axis {axis}"
            raise MalformedError(f"{field}.padding", "a real neuron in every patch", found)


def _only_padding(e: int, k: int, s: int, pad: int, d: int, o: int) -> int | None:
    if (o - 1) * s - pad >= e:
        return o - 1
    # Windows that begin before the real neurons: the first tap that is not before them is tap
    # (start % d - start) / d, at start % d.  If d <= e that is inside, and window 0 is the worst.
    for q in range(min(o, -(-pad // s)) if d > e else min(1, pad)):
        start = q * s - pad
        if start % d >= e or (start % d - start) // d >= k:
            return q
    return None


def grid_patches(
    below: State,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    *,
    per_channel: bool,
    field: str,
) -> Patches:
    """The patches of a sliding window over ``below``.

    A convolution's patch p (``per_channel=False``) holds all channels, channels outermost,
    then kernel offsets row-major: PyTorch's order of a filter (C, *kernel).  A pooling's
    patch pos * C + c (``per_channel=True``) holds the window of channel c.
    """
    out = grid_extents(below.extents, kernel, stride, padding, dilation, field)
    positions, window = prod(out), prod(kernel)
    if positions * window * below.channels > LARGEST_PATCH_TABLE:
        raise MalformedError(
            field,
            f"at most {LARGEST_PATCH_TABLE} patch entries",
            f"{positions} positions x {window} taps x {below.channels} channels",
        )
    check_padding(below, kernel, stride, padding, dilation, field)
    # place[i] has shape (o_i, k_i): the padded coordinate of every (position, offset).
    rank = len(kernel)
    place = np.zeros((1,) * (2 * rank), dtype=np.int64)
    pads = sides(padding)
    padded_extents = tuple(e + sum(pair) for e, pair in zip(below.extents, pads, strict=True))
    for axis in range(rank):
        coordinate = (
            np.arange(out[axis], dtype=np.int64)[:, None] * stride[axis]
            + np.arange(kernel[axis], dtype=np.int64)[None, :] * dilation[axis]
        )
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = out[axis], kernel[axis]
        place = place * padded_extents[axis] + coordinate.reshape(shape)
    place = np.broadcast_to(place, (*out, *kernel)).reshape(positions, window)

    # Number every place of the padded grid: the real neuron there, or a new padding neuron.
    numbers = below.size + np.arange(below.channels * prod(padded_extents), dtype=np.int64)
    grid = numbers.reshape(below.channels, *padded_extents)
    inside = tuple(slice(before, before + e) for e, (before, _) in zip(below.extents, pads, strict=True))
    grid[(slice(None), *inside)] = below.units()

    indices = grid.reshape(below.channels, -1)[:, place]  # (C, positions, window)
    if per_channel:
        indices = indices.transpose(1, 0, 2).reshape(positions * below.channels, window)
    else:
        indices = indices.transpose(1, 0, 2).reshape(positions, below.channels * window)
    patches = Patches(np.ascontiguousarray(indices), below.size)
    patches.indices.setflags(write=False)
    return patches


def explicit_patches(lists: tuple[tuple[int, ...], ...], below: State, field: str) -> Patches:
    """Patches given one by one, checked: equal sizes, in range, no neuron twice in a patch."""
    size = len(lists[0])
    for p, patch in enumerate(lists):
        if len(patch) != size:
            raise MalformedError(
                f"{field}.patches[{p}]", f"{size} neurons, as in patch 0", f"{len(patch)} neurons"
            )
        for neuron in patch:
            if not 0 <= neuron < below.size:
                raise MalformedError(
                    f"{field}.patches[{p}]", f"neuron numbers from 0 to {below.size - 1}", neuron
                )
        if len(set(patch)) != size:
            raise MalformedError(f"{field}.patches[{p}]", "distinct neurons", list(patch))
    indices = np.array(lists, dtype=np.int64).reshape(len(lists), size)
    indices.setflags(write=False)
    return Patches(indices, below.size)
