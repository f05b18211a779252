"""Floor 4a: the loss in integers, for rational networks of any size that is not too much work: the forward pass of
``features.forward``, which knows no derivatives, takes a hundredth of the time of numbers of a ``Domain``."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.integers import largest, scale
from exactcnn.errors import UndecidedError
from exactcnn.features.forward import exact_values
from exactcnn.features.instance import Instance
from exactcnn.landscape.parameters import targets_of

__all__ = ["exact_loss", "seconds"]

_QUICK, _WORTH = 3.0, 120.0  # seconds: at floats, which enclosures serve as well; at numbers that are none
_FAST, _SHORT, _LONG, _BIT = (
    2e-9,
    1e-8,
    7e-8,
    6e-11,
)  # seconds a product: floats, int64, Python integers, each of their bits


def seconds(instance: Instance) -> float:
    """About how long the pass takes; UndecidedError where the network is not rational."""
    bits, total = {0: largest(instance.need_samples().x.numerators).bit_length()}, 0.0
    for layer in instance.network.layers:
        if layer.activation is not None and layer.activation.kind != "rational":
            raise UndecidedError(
                f"layer {layer.index} has activation {layer.activation}, whose values are not rational"
            )
        size = max(bits[source] for source in layer.sources)
        if layer.affine:
            entry = instance.need_weights()[layer.index]
            if not entry.rational:
                raise UndecidedError(f"the weights of layer {layer.index} are not rational")
            size += largest(entry.W.numerators).bit_length() + layer.patch_size.bit_length()
            if entry.b is not None:
                size = max(size, largest(entry.b.numerators).bit_length() + bits[layer.sources[0]]) + 1
        elif layer.kind != "maxpool":
            m = layer.mixture
            size += largest(m.coefficients).bit_length() + len(layer.sources).bit_length() + 1
        one = _FAST if size < 54 else _SHORT if size < 63 else _LONG + _BIT * size
        total += instance.N * layer.width * layer.patch_size * one
        if layer.activation is not None and layer.activation.name == "square":
            size *= 2
        bits[layer.index] = size
    return total


def exact_loss(instance: Instance) -> Fraction | None:
    """Phi = 1/2 ||F_L - Y||^2; None where the network is not rational or the pass would take long.

    Weights that are no floats were found exactly, most often for a loss of 0: only exact numbers confirm it.
    """
    try:
        if seconds(instance) > (_QUICK if _floats(instance) else _WORTH):
            return None
        F, _ = exact_values(instance, instance.network.depth, before_activation=False)
    except UndecidedError:
        return None
    Y = targets_of(instance)
    rest = scale(F.numerators, Y.denominator).astype(object) - scale(Y.numerators, F.denominator).astype(
        object
    )
    total = int(np.sum(rest * rest)) if rest.size else 0
    return Fraction(total, 2 * (F.denominator * Y.denominator) ** 2)


def _floats(instance: Instance) -> bool:
    """Have all weights denominators that are powers of two?"""
    arrays = [
        array for entry in instance.need_weights().layers if entry is not None for array in (entry.W, entry.b)
    ]
    return all(array is None or array.denominator & (array.denominator - 1) == 0 for array in arrays)
