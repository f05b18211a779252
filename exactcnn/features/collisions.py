"""Floor 3: equal patches and equal samples: Assumption 3.1 and the bounds that follow.

All comparisons are of integers: samples share one denominator, so their numerators decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.data.samples import Samples
from exactcnn.network.layers import Layer
from exactcnn.progress import report

__all__ = [
    "CollisionGroup",
    "Collisions",
    "distinct_patch_counts",
    "distinct_patch_values",
    "distinct_samples",
    "find_collisions",
    "shared_position",
]

_LISTED_GROUPS = 20
_LISTED_MEMBERS = 12
# Patch entries from which the compiled count (numba, seconds to load) is worth while.
_COMPILED_FROM = 20_000_000


@dataclass(frozen=True)
class CollisionGroup:
    """One patch value shared by several samples: (sample, patch) ``members``, a few of them."""

    value: tuple[int, ...]
    samples: int
    occurrences: int
    members: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Collisions:
    """Patch values that occur in more than one sample, largest group first."""

    groups: tuple[CollisionGroup, ...]
    total_groups: int
    colliding_patches: int
    patches: int

    @property
    def witness(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Two (sample, patch) pairs of different samples with equal patches, or None."""
        if not self.groups:
            return None
        first, *rest = self.groups[0].members
        return first, next(member for member in rest if member[0] != first[0])


def _row_keys(rows: np.ndarray) -> np.ndarray:
    """Rows of an integer matrix -> class numbers, equal exactly for equal rows."""
    if rows.dtype == object:
        seen: dict[tuple[int, ...], int] = {}
        return np.array([seen.setdefault(tuple(row), len(seen)) for row in rows.tolist()], dtype=np.int64)
    contiguous = np.ascontiguousarray(rows)
    if contiguous.shape[1] == 0:
        return np.zeros(contiguous.shape[0], dtype=np.int64)
    raw = contiguous.view(np.dtype((np.void, contiguous.dtype.itemsize * contiguous.shape[1]))).ravel()
    classes: np.ndarray = np.unique(raw, return_inverse=True)[1]
    return classes.reshape(-1)


def find_collisions(layer: Layer, samples: Samples) -> Collisions:
    """Assumption 3.1 on the patches that ``layer`` (layer 1) reads: who collides with whom."""
    gathered = layer.patches.gather(samples.x.numerators)
    N, P, length = gathered.shape
    keys = _row_keys(gathered.reshape(N * P, length))
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    starts = np.flatnonzero(np.r_[True, sorted_keys[1:] != sorted_keys[:-1]])
    ends = np.r_[starts[1:], sorted_keys.size]
    owner = order // P  # non-decreasing inside a class, since the sort is stable
    shared = owner[starts] != owner[ends - 1]
    found = []
    for start, end in zip(starts[shared].tolist(), ends[shared].tolist(), strict=True):
        members = order[start:end]
        owners = owner[start:end]
        found.append((int((np.diff(owners) != 0).sum()) + 1, members))
    found.sort(key=lambda entry: (-entry[0], -entry[1].size, int(entry[1][0])))
    groups = []
    for count, members in found[:_LISTED_GROUPS]:
        firsts = members[np.r_[True, np.diff(members // P) != 0]][:_LISTED_MEMBERS]
        value = gathered.reshape(N * P, length)[members[0]]
        groups.append(
            CollisionGroup(
                tuple(int(v) for v in value),
                count,
                int(members.size),
                tuple((int(m) // P, int(m) % P) for m in firsts),
            )
        )
    return Collisions(tuple(groups), len(found), int(sum(m.size for _, m in found)), N * P)


def distinct_patch_counts(layer: Layer, values: np.ndarray) -> list[int]:
    """d_p for every patch position p: the number of different patch values over the samples.

    ``values``: integers (N, n_{k-1}), what the layer below ``layer`` holds for each sample.
    """
    if values.dtype != object and values.shape[0] * layer.patch_count * layer.patch_size > _COMPILED_FROM:
        return _compiled_counts(layer, values)
    counts = []
    for p in range(layer.patch_count):
        report("comparing patches", p, layer.patch_count)
        counts.append(distinct_patch_values(layer, values, p))
    return counts


def _compiled_counts(layer: Layer, values: np.ndarray) -> list[int]:
    from exactcnn.features.distinct_kernels import distinct_columns

    small = int(values.min()) >= 0 and int(values.max()) <= 255
    units = np.ascontiguousarray(values.astype(np.uint8 if small else np.int64).T)
    real = layer.patches.real
    # Real neurons first in each patch; what stands behind them is not read.
    indices = np.take_along_axis(layer.patches.indices, np.argsort(~real, axis=1, kind="stable"), axis=1)
    counts = np.zeros(layer.patch_count, dtype=np.int64)
    step = 64
    for start in range(0, layer.patch_count, step):
        report("comparing patches", start, layer.patch_count)
        part = slice(start, start + step)
        distinct_columns(units, indices[part], real[part].sum(axis=1), counts[part])
    found: list[int] = counts.tolist()
    return found


def distinct_patch_values(layer: Layer, values: np.ndarray, p: int) -> int:
    """d_p: the number of different values of patch p over the samples (``values`` as above)."""
    real = layer.patches.indices[p][layer.patches.real[p]]
    return int(_row_keys(values[:, real]).max()) + 1


def shared_position(layer: Layer, values: np.ndarray) -> int | None:
    """A position at which two samples have the same patch, None if there is no such position."""
    N = values.shape[0]
    for p in range(layer.patch_count):
        report("comparing patches", p, layer.patch_count)
        if distinct_patch_values(layer, values, p) < N:
            return p
    return None


def distinct_samples(samples: Samples, pixels: np.ndarray | None = None) -> int:
    """The number of different samples, or of their restrictions to ``pixels``."""
    values = samples.x.numerators if pixels is None else samples.x.numerators[:, pixels]
    return int(_row_keys(values).max()) + 1
