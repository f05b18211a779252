"""Floor 4: rank F_k = N by float64 with proved bounds, where whoever asks is content with that.

sigma_min(F_k) > 0 for every matrix in the float enclosure of F_k (``features.enclosures``,
``linalg.singular_enclosures``).  Of a layer with more than three columns for each sample two
for each are taken: more columns only make sigma_min larger.  The proof rests on IEEE float64
arithmetic and on a BLAS that multiplies classically; a certificate does not: the checker shows the
same columns regular by solutions over R (FORMAT.md 6).  A failure says nothing, and the exact routes follow: floats never refute.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from exactcnn.errors import UndecidedError
from exactcnn.features.enclosures import feature_blocks, spread_positions
from exactcnn.features.instance import Instance
from exactcnn.linalg.singular_enclosures import enclosed_singular_values
from exactcnn.linalg.singular_values import rounded_outwards
from exactcnn.progress import report

__all__ = ["FLOATS", "FloatRank", "float_rank"]

FLOATS = "IEEE float64 arithmetic and a BLAS that multiplies classically"
_MOST_ENTRIES = 400_000_000
_MANY, _ENOUGH = 3, 2


@dataclass(frozen=True)
class FloatRank:
    """sigma_min(F_k) lies in ``smallest``, sigma_max in ``largest``, both of float64 bounds; smallest[0] > 0.

    ``columns``: how many of F_k were used; then the upper bounds are infinite unless it is all.
    """

    rank: int
    smallest: tuple[float, float]
    largest: tuple[float, float]
    columns: int

    @property
    def how(self) -> str:
        """Words for a reason."""
        low = rounded_outwards(*self.smallest)[0]
        return f"sigma_min >= {low:g} > 0 by float64 with proved bounds (it rests on {FLOATS})"

    def summary(self) -> dict[str, object]:
        return {
            "kind": "float-bounds",
            "sigma_min": list(rounded_outwards(*self.smallest)),
            "sigma_max": list(rounded_outwards(*self.largest)),
            "columns": self.columns,
        }


def float_rank(instance: Instance, k: int) -> FloatRank:
    """The proof that rank F_k = N; UndecidedError with the reason where float64 does not give it."""
    layer, N = instance.network.layer(k), instance.N
    positions = spread_positions(layer, _ENOUGH * N) if layer.width > _MANY * N else None
    columns = layer.width if positions is None else len(positions) * layer.filters
    if columns < N:
        raise UndecidedError(f"F_{k} has fewer columns than samples")
    if N * columns > _MOST_ENTRIES:
        raise UndecidedError(f"F_{k} is too large for float64 enclosures")
    F, squares = np.empty((N, columns)), 0.0
    for rows, block in feature_blocks(instance, k, positions):
        F[rows] = block.mid
        # 2^-490: squares below are lost; the factor pays for all roundings of a sum of 2^30 terms.
        with np.errstate(all="ignore"):
            part = np.maximum(block.rad, 2.0**-490)
            squares += float((part * part).sum()) * (1.0 + 2.0**-20)
    radius = float(np.sqrt(squares)) * (1.0 + 2.0**-20)
    report("singular values", 0, 1)
    found = enclosed_singular_values(F, radius, largest=False)
    if not found.full_rank:
        raise UndecidedError(f"float64 does not tell sigma_min(F_{k}) from 0")
    whole = positions is None
    smallest = found.smallest if whole else (found.smallest[0], inf)
    return FloatRank(N, smallest, found.largest if whole else (found.largest[0], inf), columns)
