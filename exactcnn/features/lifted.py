"""Floor 3: U_k at filters drawn from a seed, as residues: where generic ranks are tried."""

from __future__ import annotations

import numpy as np

from exactcnn.arithmetic.streams import symmetric_odd_numerators
from exactcnn.network.layers import Layer
from exactcnn.network.lifting import lift_pattern

__all__ = ["FILTER_BITS", "lifted_residues", "seeded_filters"]

FILTER_BITS = 61


def seeded_filters(layer: Layer, seed: int, prime: int, filters: int | None = None) -> np.ndarray:
    """The numerators of seeded weights of FILTER_BITS bits mod prime, shape (l, T) or the first ``filters`` columns.

    Scaling all filters by 2^FILTER_BITS changes no rank.
    """
    assert layer.weight_shape is not None
    size, T = layer.weight_shape
    message = f"exactcnn/weights/1/{seed}/{layer.index}/W"
    drawn = (symmetric_odd_numerators(message, size * T, FILTER_BITS) % prime).reshape(size, T)
    return drawn if filters is None else drawn[:, :filters]


def lifted_residues(layer: Layer, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U restricted to the first W.shape[1] filters (dense), and the true column numbers."""
    pattern = lift_pattern(layer)
    used = W.shape[1]
    U = np.zeros((pattern.shape[0], layer.patch_count, used), dtype=np.int64)
    U[pattern.rows, pattern.positions] = W[pattern.taps]
    columns = (np.arange(layer.patch_count)[:, None] * layer.filters + np.arange(used)[None, :]).ravel()
    return U.reshape(pattern.shape[0], -1), columns
