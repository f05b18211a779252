"""Floor 2: the lifting M_k of filters W (l x T) to U (n_{k-1} x n_k), and its adjoint.

U[i, p T + t] = W[r, t] where patch p holds real neuron i at place r.  Padding neurons carry
constants, so they have no row: rank conditions on U speak of real neurons only (theory 1.1).
A neuron appears at most once in a patch, so no entry of U is a sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.errors import MisuseError
from exactcnn.network.layers import Layer

__all__ = ["LiftPattern", "lift", "lift_adjoint", "lift_pattern"]


@dataclass(frozen=True, eq=False)
class LiftPattern:
    """Where U is not identically zero: U[rows[e], positions[e] * T + t] = W[taps[e], t]."""

    rows: np.ndarray
    positions: np.ndarray
    taps: np.ndarray
    shape: tuple[int, int]
    filters: int


def lift_pattern(layer: Layer) -> LiftPattern:
    """The pattern of U_k for a convolutional or dense layer; MisuseError for pooling."""
    if layer.kind == "maxpool":
        raise MisuseError("layer", "a convolutional or dense layer", f"max-pooling layer {layer.index}")
    patches = layer.patches
    positions, taps = np.nonzero(patches.real)
    return LiftPattern(
        patches.indices[positions, taps],
        positions,
        taps,
        (layer.below.size, layer.width),
        layer.filters,
    )


def lift(layer: Layer, W: np.ndarray) -> np.ndarray:
    """U = M_k(W), shape (n_{k-1}, n_k), of the same dtype as W (l x T)."""
    if W.shape != layer.weight_shape:
        raise MisuseError("W", f"an array of shape {layer.weight_shape}", W.shape)
    pattern = lift_pattern(layer)
    U = np.zeros(pattern.shape, dtype=W.dtype)
    blocks = U.reshape(pattern.shape[0], -1, pattern.filters)
    blocks[pattern.rows, pattern.positions] = W[pattern.taps]
    return U


def lift_adjoint(layer: Layer, V: np.ndarray) -> np.ndarray:
    """M_k^*(V), shape (l, T), for V of shape (n_{k-1}, n_k): <M(W), V> = <W, M^*(V)>."""
    if V.shape != (layer.below.size, layer.width):
        raise MisuseError("V", f"an array of shape {(layer.below.size, layer.width)}", V.shape)
    pattern = lift_pattern(layer)
    blocks = V.reshape(pattern.shape[0], -1, pattern.filters)
    total = np.zeros((layer.patch_size, pattern.filters), dtype=V.dtype)
    np.add.at(total, pattern.taps, blocks[pattern.rows, pattern.positions])
    return total
