"""Floor 5: a campaign: cells x seeds, cut into chunks that depend on nothing else.

The chunks are the unit of work, of the journal and of retries.  Their borders are fixed by the
campaign alone, never by the number of workers, so that whoever computes them and in whatever
order, the table is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from exactcnn.data.samples import Samples
from exactcnn.errors import MalformedError
from exactcnn.network.network import Network
from exactcnn.network.weights import DEFAULT_BITS
from exactcnn.sampling.batches import in_batches
from exactcnn.sampling.cells import Cell, Sweep, build_cell, combinations

__all__ = ["Campaign", "Chunk"]

# Part of the digest: a journal is resumed only by code that makes the same rows.
_VERSION = 1
_MOST_DRAWS = 10**9
# Draws in a chunk: a fraction of a second of work in batches, seconds one by one.
_CHUNK_DRAWS, _CHUNK_SINGLES = 512, 32
_CHUNK_ENTRIES = 1 << 22


@dataclass(frozen=True, eq=False)
class Chunk:
    """Seeds ``first`` .. ``first + count - 1`` of one cell; ``index`` numbers all chunks."""

    index: int
    cell: Cell
    first: int
    count: int


@dataclass(frozen=True, eq=False)
class Campaign:
    """Weights from seeds ``seed`` .. ``seed + draws - 1`` in every cell of the sweeps.

    ``N``: samples used, the first of ``samples`` (None: 16, or all where there are fewer).
    ``sigma``: also enclose sigma_min(F_k).  ``data_options`` are the options with which
    ``exactcnn verify`` reads the same samples, None where there are none.
    MalformedError for what does not fit together, before any work.
    """

    network: Network
    samples: Samples
    layer: int = 1
    draws: int = 100
    seed: int = 0
    distribution: str = "uniform"
    bits: int = DEFAULT_BITS
    N: int | None = None
    sweeps: Sequence[Sweep] = ()
    sigma: bool = True
    data_options: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for field, value, least, most in (
            ("draws", self.draws, 1, _MOST_DRAWS),
            ("seed", self.seed, 0, 2**64 - 1),
            ("bits", self.bits, 1, 64),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise MalformedError(field, f"an integer from {least} to {most}", value)
        if self.seed + self.draws > 2**64:
            raise MalformedError(
                "draws", f"at most {2**64 - self.seed} seeds from {self.seed} on", self.draws
            )
        _ = self.cells  # whatever does not fit is said here

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        defaults = {
            "N": min(16, self.samples.N) if self.N is None else self.N,
            "layer": self.layer,
            "bits": self.bits,
            "distribution": self.distribution,
        }
        return tuple(
            build_cell(index, self.network, self.samples, defaults, chosen)
            for index, chosen in enumerate(combinations(self.sweeps))
        )

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """In the order of the table: by cell, then by seed."""
        found: list[Chunk] = []
        for cell in self.cells:
            most = _CHUNK_DRAWS if in_batches(cell) else _CHUNK_SINGLES
            size = max(1, min(most, _CHUNK_ENTRIES // max(1, cell.N * cell.width)))
            for start in range(0, self.draws, size):
                found.append(Chunk(len(found), cell, self.seed + start, min(size, self.draws - start)))
        return tuple(found)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that the table is a function of."""
        record = {
            "version": _VERSION,
            "cells": [cell.record() for cell in self.cells],
            "settings": [dict(cell.settings) for cell in self.cells],
            "seed": self.seed,
            "draws": self.draws,
            "sigma": self.sigma,
        }
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode("ascii")).hexdigest()
