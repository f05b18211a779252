"""Floor 3: weights at which features are likely to be independent: where one witness is enough, any weights will do.

Weights near 1 from a seed come first, since a certificate names them in a word.  Where data are large they saturate every
unit; then such weights scaled to the samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import log2

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.enclosures import feature_enclosure
from exactcnn.features.instance import Instance
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["witness_weights"]

_WITNESS_BITS, _SEEDS = 16, 3
_SPREAD, _STRIDE = 2.0, 1_000_003  # of the pre-activations; from a unit's sample to the next one's


def witness_weights(instance: Instance, k: int) -> Iterator[Weights]:
    """Weights from a seed, which a certificate names in a word; then such weights scaled to the samples."""
    for seed in range(_SEEDS):
        weights = Weights.from_seed(instance.network, seed, _WITNESS_BITS)
        yield weights
        for steepness in (1, 2**5, 2**10, 2**15):
            with suppress(UndecidedError):
                yield _spread(instance, k, weights, steepness)


def _floats(values: RationalArray) -> np.ndarray:
    return values.numerators.astype(np.float64) / values.denominator


def _spread(instance: Instance, k: int, weights: Weights, steepness: int) -> Weights:
    """Each layer scaled by a power of 2 until its pre-activations have a spread near 2, each unit's bias such that it is 0 at
    some sample: units neither saturate nor resemble each other, whatever the size of the data.  Layer k may be steeper:
    sharp steps tell samples apart that lie close together."""
    network, chosen = instance.network, list(weights.layers)
    for layer in network.upto(k):
        entry = chosen[layer.index - 1]
        if entry is None:
            continue
        so_far = Instance(network, instance.samples, Weights(tuple(chosen)))
        below = (
            feature_enclosure(so_far, layer.sources[0]).mid
            if layer.sources[0]
            else _floats(instance.need_samples().x)
        )
        W = _floats(entry.W)
        sums = layer.patches.gather(below) @ W
        spread = float(sums.std(axis=0).mean())
        if not np.isfinite(spread) or spread == 0.0:
            raise UndecidedError(f"the pre-activations of layer {layer.index} do not vary")
        factor, b = 2.0 ** round(log2(_SPREAD / spread)) * (steepness if layer.index == k else 1), None
        if entry.b is not None:
            units = np.arange(entry.b.numerators.size)
            zeros = sums.reshape(sums.shape[0], -1)[units * _STRIDE % sums.shape[0], units] * -factor
            b = RationalArray.from_floats(np.ldexp(np.rint(np.ldexp(zeros, _WITNESS_BITS)), -_WITNESS_BITS))
        chosen[layer.index - 1] = LayerWeights(RationalArray.from_floats(factor * W), b)
    return Weights(tuple(chosen))
