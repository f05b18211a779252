"""Floor 3: a box of parameters, of positive volume, on which a ReLU layer is dead (theory 3.3).

The box: every weight of layers 1..l and every bias of layers below l in [-1, 1], every bias of
layer l in [-B - 1, -B], B larger than any |<w, x>| that the box allows.  Then every
pre-activation of layer l is negative and F_l = 0, so rank F_k <= 1 (0 for k = l) on the whole
box: "rank F_k = N for almost every parameter" fails.  B is an explicit integer bound: values
of layer j lie in [-M_j, M_j] with M_j = reach(sigma_j, l_j M_{j-1} + 1).
"""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.activations import Activation
from exactcnn.features.instance import Instance

__all__ = ["DeadLayer", "find_dead_layer", "reach"]


@dataclass(frozen=True)
class DeadLayer:
    """Layer ``layer`` is dead for all biases in [-bound - 1, -bound]; rank F_k <= ``rank``."""

    layer: int
    bound: int
    rank: int


def reach(activation: Activation, magnitude: int) -> int | None:
    """An integer M with |sigma(t)| <= M for all |t| <= magnitude; None for custom activations."""
    entry = activation.builtin
    return (
        None if entry is None or entry.bound is None else entry.bound(magnitude, dict(activation.parameters))
    )


def find_dead_layer(instance: Instance, k: int) -> DeadLayer | None:
    """The first ReLU layer with biases among 1..k, if every layer below it has a known reach."""
    x = instance.need_samples().x
    magnitude = -(-x.max_abs_numerator() // x.denominator)
    for layer in instance.network.layers[:k]:
        if layer.activation is None:
            continue  # a maximum is one of its arguments
        if layer.activation.slope_below == 0 and layer.bias != "none":
            return DeadLayer(layer.index, layer.patch_size * magnitude + 1, 0 if layer.index == k else 1)
        reached = reach(layer.activation, layer.patch_size * magnitude + 1)
        if reached is None:
            return None
        magnitude = reached
    return None
