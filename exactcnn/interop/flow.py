"""Floor 6: what both front ends know about the values of a graph that are not numbers.

``BATCH`` stands for the number of samples in shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.lowering import Lowering
from exactcnn.network.geometry import Padding

__all__ = ["BATCH", "Padded", "padding_of", "reshape_flow", "split_padding"]


class _Batch:
    def __repr__(self) -> str:
        return "batch"


BATCH = _Batch()


def reshape_flow(chain: Lowering, where: str, target: Sequence[Any], batch: int | None = None) -> None:
    """A reshape that keeps the batch axis; MalformedError for every other.

    ``batch``: the number of samples if the graph fixes it, so that it may be written as a number.
    """
    size, entries = chain.units.size, list(target)
    if any(
        entry is not BATCH and (isinstance(entry, bool) or not isinstance(entry, int)) for entry in entries
    ):
        raise MalformedError(where, "a shape of whole numbers", entries)
    first_is_batch = bool(entries) and (
        entries[0] is BATCH or entries[0] == batch or (entries[0] == -1 and -1 not in entries[1:])
    )
    rest = entries[1:]
    if first_is_batch and BATCH not in rest:
        known = prod(n for n in rest if n != -1)
        if rest.count(-1) == 1 and known > 0 and size % known == 0:
            rest = [size // known if n == -1 else n for n in rest]
        if all(isinstance(n, int) and n > 0 for n in rest):
            chain.reshape(where, tuple(rest))
            return
    raise MalformedError(
        where,
        f"a reshape that keeps the batch, such as (batch, {size})",
        f"shape {entries} of a tensor (batch, {', '.join(map(str, chain.shape))})",
    )


@dataclass(frozen=True)
class Padded:
    """``flow`` with zeros around it, (before, after) for each extent: what a convolution reads."""

    flow: Flow
    pads: tuple[tuple[int, int], ...]


def padding_of(pairs: Sequence[tuple[int, int]]) -> Padding:
    """(before, after) of each axis as a window has it."""
    return tuple(before if before == after else (before, after) for before, after in pairs)


def split_padding(totals: Sequence[int], more_before: bool = False) -> list[tuple[int, int]]:
    """Half of each total on each side, what is left over behind (or before)."""
    pairs = [(total // 2, total - total // 2) for total in totals]
    return [(b, a) for a, b in pairs] if more_before else pairs
