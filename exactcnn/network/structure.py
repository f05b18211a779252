"""Floor 2: the structure the paper asks of patches (theory 1.1), decided exactly.

Every real neuron lies in at least one patch, and no two patches are the same set of
neurons.  Equal sizes are checked when the layer is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.network.layers import Layer

__all__ = ["PatchStructure", "patch_structure"]


@dataclass(frozen=True)
class PatchStructure:
    """``uncovered`` neurons lie in no patch; each pair of ``equal`` is the same set twice."""

    layer: int
    uncovered: tuple[int, ...]
    equal: tuple[tuple[int, int], ...]

    @property
    def holds(self) -> bool:
        return not self.uncovered and not self.equal


def patch_structure(layer: Layer) -> PatchStructure:
    """All uncovered neurons, and for every repeated patch the first one it repeats."""
    indices = layer.patches.indices
    covered = np.zeros(layer.below.size, dtype=bool)
    covered[indices[layer.patches.real]] = True
    first: dict[bytes, int] = {}
    equal = []
    for p, patch in enumerate(np.sort(indices, axis=1)):
        earlier = first.setdefault(patch.tobytes(), p)
        if earlier != p:
            equal.append((earlier, p))
    return PatchStructure(layer.index, tuple(np.flatnonzero(~covered).tolist()), tuple(equal))
