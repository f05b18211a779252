"""Floor 4a: loss and gradient of a trained network on thousands of samples, enclosed in float64, block by block.

Samples do not meet before the loss, so blocks of them go forward and back (``block_pass``) and only the sums are kept:
the loss as two rationals, each partial derivative as an enclosure.  No tolerance enters: an enclosure without 0 proves that the
partial derivative is not 0, where it exists (``touched``).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactcnn.activations.floats import require_enclosed
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.block_pass import Block, Parameters, Passes
from exactcnn.landscape.enclosed_products import Operand, operand, plus, square_sum
from exactcnn.landscape.identical_units import Classes, ExactRows
from exactcnn.landscape.parameters import targets_of
from exactcnn.progress import report

__all__ = ["Streamed", "streamed"]

_BLOCK_ENTRIES = 1_000_000


@dataclass(frozen=True, eq=False)
class Streamed:
    """``loss`` encloses Phi.  ``gradient``: one (dW, db) for each layer (None for those without parameters, and where
    only the output layer's was asked for).  ``touched``: layers whose parameters may move a unit at a kink that the loss
    feels; their enclosures are of one-sided derivatives.  ``kinks``: how many such units there may be.
    """

    instance: Instance
    loss: tuple[Fraction, Fraction]
    gradient: tuple[Parameters | None, ...]
    touched: frozenset[int]
    kinks: int


def streamed(instance: Instance, gradient: str = "all") -> Streamed:
    """``gradient``: "all", "output" (of the last layer alone, whose inputs need no way back) or "none".

    UndecidedError for an activation that float64 does not enclose here, or numbers beyond it.
    """
    network, samples, Y = instance.network, instance.need_samples(), targets_of(instance)
    layers = network.upto(network.depth)
    entries: dict[int, tuple[Operand, Operand | None]] = {}
    for layer in layers:
        if layer.activation is not None:
            require_enclosed(layer.activation, f"layer {layer.index}")
        if layer.affine:
            entry = instance.need_weights()[layer.index]
            if not entry.rational:
                raise UndecidedError(f"the weights of layer {layer.index} are not rational")
            entries[layer.index] = operand(entry.W), None if entry.b is None else operand(entry.b)
    exact = ExactRows(instance)
    passes = Passes(layers, entries, exact)
    # A kink below the output layer does not stand in the way of its own parameters.
    lowest = {"all": 1, "output": network.depth, "none": network.depth + 1}[gradient]
    busiest = max(layer.patch_count * layer.patch_size + layer.width for layer in layers)
    step, low, high = max(1, _BLOCK_ENTRIES // busiest), Fraction(0), Fraction(0)
    total: dict[int, Parameters] = {}
    felt, kinks = set[int](), 0
    for start in range(0, instance.N, step):
        report("samples", start, instance.N)
        rows = slice(start, min(start + step, instance.N))
        block = Block(rows, Classes(instance, rows))
        x, y = (_part(array, rows) for array in (samples.x, Y))
        with np.errstate(all="ignore"):
            out = passes.forward(block, operand(x).enclosure(), lowest)
            goal = operand(y).enclosure()
            residual = plus(out, Enclosure(-goal.mid, goal.rad))
            least, most = square_sum(residual)
            low, high = low + least / 2, high + most / 2
            if gradient == "none":
                continue
            found, places, count = passes.backward(block, residual, lowest)
        felt |= places
        kinks += count
        for k, part in found.items():
            total[k] = _sum(total[k], part) if k in total else part
    touched = frozenset(layer.index for k in felt for layer in network.upto(k))
    listed = tuple(total.get(layer.index) for layer in network.layers)
    return Streamed(instance, (low, high), listed, touched, kinks)


def _part(array: RationalArray, rows: slice) -> RationalArray:
    return RationalArray(array.numerators[rows], array.denominator)


def _sum(a: Parameters, b: Parameters) -> Parameters:
    bias = None if a[1] is None or b[1] is None else plus(a[1], b[1])
    return plus(a[0], b[0]), bias
