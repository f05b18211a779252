"""Floor 3: explicit rational parameters with rank F_k = N (Theorem 3.4), by the paper's own route.

Layers below k, all rational, get small integer filters and biases that lift every pre-activation
above 0, where relu and its kin are injective; so generic filters keep different patches different.
At layer k the samples are peeled (``peeling``): unit j gets the pre-activation
steepness * (z - z_j) + 1, z_j its own sample's value.  With integers z every sample before j lies
at most at 1 - steepness, so relu gives a triangular matrix exactly; for the others the limit is
approached.  What comes out is only a candidate: the caller decides its rank exactly.
"""

from __future__ import annotations

import numpy as np

from exactcnn.arithmetic.integers import exact_matmul, narrow
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.streams import symmetric_odd_numerators
from exactcnn.errors import UndecidedError
from exactcnn.features.forward import exact_values
from exactcnn.features.general_position import own_bias
from exactcnn.features.instance import Instance
from exactcnn.features.peeling import directions, peel_values
from exactcnn.network.layers import Layer
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["construct_weights"]

_FILTER_BITS = 3
_OFFSET_BITS = 8
_STEEPNESS = 4  # for custom activations


def construct_weights(instance: Instance, k: int, seed: int = 0) -> Weights | None:
    """Parameters of all layers whose F_k should have rank N; None where the route does not apply.

    Layers above k are seeded.
    """
    network, samples = instance.network, instance.need_samples()
    layers = network.layers[:k]
    last = layers[-1]
    if last.activation is None or (not own_bias(Instance(network), k) and last.bias != "unit"):
        return None
    if last.bias == "none" or (last.bias == "filter" and last.kind != "dense"):
        return None
    if any(e.activation is not None and e.activation.kind != "rational" for e in layers[:-1]):
        return None
    entries = list(Weights.from_seed(network, seed).layers)
    scale = samples.x.denominator  # the first filters are multiples of it, so all values are integers
    values = narrow(samples.x.numerators)
    for layer in layers[:-1]:
        if layer.activation is not None:
            entries[layer.index - 1] = _lifting(layer, values, scale, seed)
            scale = 1
        partial = Instance(network, samples, Weights(tuple(entries)))
        passed, _ = exact_values(partial, layer.index, before_activation=False)
        if passed.denominator != 1 and scale == 1:
            return None  # a leaky slope met a negative value
        values = passed.numerators
    try:
        peeled = peel_values(last, values, seed)
    except UndecidedError:
        return None
    if peeled.left:
        return None
    A = directions(last, seed, peeled.bits)
    where = np.minimum(last.patches.indices, last.patches.neurons)
    padded = np.concatenate([values, np.zeros((values.shape[0], 1), dtype=values.dtype)], axis=1)
    entry = last.activation.builtin
    steepness = _STEEPNESS if entry is None else entry.steepness
    biases = np.zeros(last.width, dtype=object)
    for sample, unit in zip(peeled.order, peeled.units, strict=True):
        p, t = divmod(unit, last.filters)
        z = int(np.dot(padded[sample, where[p]].astype(object), A[:, t].astype(object)))
        biases[unit] = 1 - steepness * z
    W = RationalArray.from_integers(A * (steepness * scale))
    entries[k - 1] = LayerWeights(W, RationalArray.from_integers(narrow(biases)))
    return Weights(tuple(entries))


def _lifting(layer: Layer, values: np.ndarray, scale: int, seed: int) -> LayerWeights:
    """Integer filters times ``scale``, and biases that make every pre-activation positive."""
    prefix = f"exactcnn/construction/1/{seed}/{layer.index}"
    assert layer.weight_shape is not None
    size, T = layer.weight_shape
    A = symmetric_odd_numerators(f"{prefix}/W", size * T, _FILTER_BITS).reshape(size, T)
    W = RationalArray.from_integers(A * scale)
    if layer.bias == "none":
        return LayerWeights(W, None)
    lowest = exact_matmul(layer.patches.gather(values), A).reshape(-1, layer.width).min(axis=0)
    if layer.bias == "filter":
        lowest = lowest.reshape(-1, T).min(axis=0)
    offsets = symmetric_odd_numerators(f"{prefix}/b", layer.bias_length, _OFFSET_BITS) + (1 << _OFFSET_BITS)
    return LayerWeights(W, RationalArray.from_integers(narrow(offsets - lowest)))
