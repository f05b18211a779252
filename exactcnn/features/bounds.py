"""Floor 3: cheap upper bounds for rank F_k, from counting (theory 2.2).

All hold for any activation and any weights.  For an affine layer on the input the T columns at position p are
functions of the patch value there; positions with few different values contribute little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.data.samples import Samples
from exactcnn.features.collisions import distinct_patch_counts, distinct_samples
from exactcnn.network.layers import Layer
from exactcnn.network.network import Network

__all__ = ["CountingBound", "counting_bounds"]


@dataclass(frozen=True)
class CountingBound:
    """rank F_k <= ``bound`` by the rule ``kind`` of FORMAT.md 6c (``positions``: restriction's B)."""

    kind: str
    bound: int
    sentence: str
    positions: tuple[int, ...] | None = None


def counting_bounds(network: Network, samples: Samples, k: int) -> list[CountingBound]:
    """All counting bounds that apply to F_k, smallest first."""
    N, layer = samples.x.shape[0], network.layer(k)
    bounds = [
        CountingBound("width", layer.width, f"F_{k} has only n_{k} = {layer.width} columns"),
        _samples_bound(samples),
    ]
    if layer.affine and layer.sources == (0,):
        T, P = layer.filters, layer.patch_count
        counts = np.array(distinct_patch_counts(layer, samples.x.numerators))
        poor = counts <= T
        total = T * int((~poor).sum()) + int((counts[poor] - 1).sum()) + int(poor.any())
        bounds.append(
            CountingBound(
                "distinct-patches",
                total,
                f"{int(poor.sum())} of {P} patch positions take at most T = {T} different values, "
                f"which leaves at most {total} independent columns",
            )
        )
        if total < T * P:
            bounds.append(_restriction_bound(layer, samples, counts))
        if layer.bias != "unit":
            bounds.append(_equal_positions_bound(layer, samples))
    return sorted(bounds, key=lambda bound: (bound.bound, bound.kind != "width")) if N else bounds


def _samples_bound(samples: Samples) -> CountingBound:
    distinct = distinct_samples(samples)
    return CountingBound(
        "distinct-samples", distinct, f"only {distinct} of the {samples.x.shape[0]} samples are different"
    )


def _equal_positions_bound(layer: Layer, samples: Samples) -> CountingBound:
    """Without biases per unit, positions with the same patch values have the same columns (theory 3.2)."""
    gathered = layer.patches.gather(samples.x.numerators)
    classes = len({_position_key(gathered[:, p]) for p in range(layer.patch_count)})
    return CountingBound(
        "equal-positions",
        classes * layer.filters,
        f"biases are shared and only {classes} patch positions differ, which leaves at most "
        f"{classes * layer.filters} different columns",
    )


def _position_key(values: np.ndarray) -> object:
    if values.dtype == object:
        return tuple(values.ravel().tolist())
    return np.ascontiguousarray(values).tobytes()


def _restriction_bound(layer: Layer, samples: Samples, counts: np.ndarray) -> CountingBound:
    """The best prefix of the positions, poorest first, tried at doubling lengths."""
    T, P = layer.filters, layer.patch_count
    order = np.argsort(counts, kind="stable")
    best, best_size = T * P, 0
    sizes = sorted(
        {min(P, 2**e) for e in range(P.bit_length() + 1)} | {min(P, 3 * 2**e) for e in range(P.bit_length())}
    )
    for size in sizes:
        pixels = _pixels(layer, order[:size])
        bound = T * (P - size) + distinct_samples(samples, pixels)
        if bound < best:
            best, best_size = bound, size
    positions = tuple(sorted(int(p) for p in order[:best_size]))
    return CountingBound(
        "restriction",
        best,
        f"restricted to the pixels under {best_size} patch positions few samples differ, "
        f"which leaves at most {best} independent columns",
        positions,
    )


def _pixels(layer: Layer, positions: np.ndarray) -> np.ndarray:
    patches = layer.patches
    chosen = patches.indices[positions]
    return np.unique(chosen[chosen < patches.neurons])
