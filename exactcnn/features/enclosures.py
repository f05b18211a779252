"""Floor 3: F_k in float64 enclosures, for sizes where nothing exact or in balls is affordable.

All bounds are those of ``arithmetic.enclosures`` and ``activations.floats``; no tolerance enters.  The maximum of
a pool moves by at most the largest radius in it.  A user's expression is not known here: UndecidedError.

Samples do not meet before the wide layer, so they pass through all layers in blocks, and only
what is asked for is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from exactcnn.activations.floats import enclosed, require_enclosed
from exactcnn.arithmetic.enclosures import Enclosure, affine, enclose
from exactcnn.errors import UndecidedError
from exactcnn.features.forward import mixed_enclosure
from exactcnn.features.instance import Instance
from exactcnn.network.layers import Layer
from exactcnn.progress import report

__all__ = ["feature_blocks", "feature_enclosure", "spread_positions"]

_BLOCK_ENTRIES = 4_000_000
_MOST_ENTRIES = 100_000_000
_GOLDEN = 0.6180339887


def feature_enclosure(instance: Instance, k: int) -> Enclosure:
    """F_k (N, n_k) as floats with radii; UndecidedError for an activation not known here, or for the size."""
    network = instance.network
    if instance.N * max(network.widths[: k + 1]) > _MOST_ENTRIES:
        raise UndecidedError(f"F_{k} is too large for float64 enclosures")
    width = network.layer(k).width
    mid, rad = np.empty((instance.N, width)), np.empty((instance.N, width))
    for rows, block in feature_blocks(instance, k):
        mid[rows], rad[rows] = block.mid, block.rad
    return Enclosure(mid, rad)


def spread_positions(layer: Layer, columns: int) -> np.ndarray | None:
    """Patch positions, spread over the layer, that have at least ``columns`` units; None where all are needed."""
    P = layer.patch_count
    wanted = -(-columns // layer.filters)
    if wanted >= P or not (layer.affine or layer.kind == "maxpool"):
        return None
    stride = next(s for s in range(max(1, int(_GOLDEN * P)), P + 2) if np.gcd(s, P) == 1)
    return np.sort(np.arange(wanted) * stride % P)


def feature_blocks(
    instance: Instance, k: int, positions: np.ndarray | None = None
) -> Iterator[tuple[slice, Enclosure]]:
    """(rows, enclosure of these rows of F_k), at ``positions`` of layer k only if given, each with its T units.

    UndecidedError for an activation not known here.
    """
    layers, x = instance.network.upto(k), instance.need_samples().x
    entries = {}
    for layer in layers:
        if layer.activation is not None:
            require_enclosed(layer.activation, f"layer {layer.index}")
        if layer.affine:
            entries[layer.index] = _weights(layer, instance, positions if layer.index == k else None)

    def passed(layer: Layer, sources: list[Enclosure]) -> Enclosure:
        chosen = positions if layer.index == k else None
        if layer.kind == "maxpool":
            return _pooled(layer, sources[0], chosen)
        if layer.affine:
            G = _affine(layer, entries[layer.index], sources[0], chosen)
        else:
            G = mixed_enclosure(layer, sources)
        return G if layer.activation is None else enclosed(layer.activation, G)

    busiest = max(layer.patch_count * layer.patch_size + layer.width for layer in layers)
    step = max(1, _BLOCK_ENTRIES // busiest)
    for start in range(0, instance.N, step):
        report(f"enclosures of F_{k}", start, instance.N)
        rows = slice(start, min(start + step, instance.N))
        yield rows, instance.network.carry(k, enclose(x.numerators[rows], x.denominator), passed)


def _weights(layer: Layer, instance: Instance, positions: np.ndarray | None) -> tuple[Enclosure, Enclosure]:
    entry, T = instance.need_weights()[layer.index], layer.filters
    if not entry.rational:
        raise UndecidedError(f"the weights of layer {layer.index} are not rational")
    W = enclose(entry.W.numerators, entry.W.denominator)
    if entry.b is None:
        return W, Enclosure(np.zeros((1, T)), np.zeros((1, T)))
    b = enclose(entry.b.numerators, entry.b.denominator)
    mid, rad = b.mid.reshape(-1, T), b.rad.reshape(-1, T)
    if positions is not None and mid.shape[0] > 1:
        mid, rad = mid[positions], rad[positions]
    return W, Enclosure(mid, rad)


def _affine(
    layer: Layer, weights: tuple[Enclosure, Enclosure], below: Enclosure, positions: np.ndarray | None
) -> Enclosure:
    patches = layer.patches if positions is None else layer.patches.at(positions)
    gathered = Enclosure(patches.gather(below.mid), patches.gather(below.rad))
    G = affine(gathered, *weights)
    rows = below.mid.shape[0]
    return Enclosure(G.mid.reshape(rows, -1), G.rad.reshape(rows, -1))


def _pooled(layer: Layer, below: Enclosure, positions: np.ndarray | None) -> Enclosure:
    """|max a - max b| <= max |a - b|; a padding place repeats the patch's first real neuron."""
    patches = layer.patches if positions is None else layer.patches.at(positions)
    first = patches.indices[np.arange(patches.count), patches.real.argmax(axis=1)]
    places = np.where(patches.real, patches.indices, first[:, None])
    return Enclosure(below.mid[:, places].max(axis=2), below.rad[:, places].max(axis=2))
