"""Floor 4a: both sides of Lemma 4.3 and the gradient between them, in float64 with proved bounds, streamed over the samples.

The formulas and conventions are those of ``gradient_bounds``, which does the same in balls for some hundred samples.  Extreme singular
values are those of ``linalg.singular_enclosures``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.floats import require_enclosed
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.errors import UndecidedError
from exactcnn.features.enclosures import feature_enclosure
from exactcnn.features.instance import Instance
from exactcnn.landscape.block_pass import Block, Passes
from exactcnn.landscape.enclosed_products import Operand, operand, plus, square_sum, transposed_product
from exactcnn.landscape.float_features import norm_bounds
from exactcnn.landscape.gradient_bounds import GradientBounds, pooling_above
from exactcnn.landscape.identical_units import Classes, ExactRows
from exactcnn.landscape.interpolation import target_matrix
from exactcnn.linalg.singular_enclosures import enclosed_singular_values
from exactcnn.network.layers import Layer
from exactcnn.network.lifting import lift
from exactcnn.progress import report

__all__ = ["streamed_bounds"]

_BLOCK_ENTRIES = 1_000_000
_MOST_WORK = 4 * 10**12  # N^2 n: minutes
_MOST_LIFTED = 50_000_000  # entries of a lifted matrix

Ends = tuple[float, float]


def streamed_bounds(instance: Instance, k: int) -> GradientBounds:
    """The three sides for the layer k, 1 <= k <= L-1, as balls around float64 bounds; UndecidedError where there are none."""
    from flint import arb

    network, N = instance.network, instance.N
    above = network.layers[k:]
    pooling_above(above, k)
    Y = target_matrix(instance.need_samples(), network.widths[-1])
    width = network.layer(k).width
    if min(N, width) ** 2 * max(N, width) > _MOST_WORK:
        raise UndecidedError(f"singular values of a {N} x {width} matrix are too much work")
    entries: dict[int, tuple[Operand, Operand | None]] = {}
    for layer in above:
        if layer.activation is not None:
            require_enclosed(layer.activation, f"layer {layer.index}")
        entry = instance.need_weights()[layer.index]
        entries[layer.index] = operand(entry.W), None if entry.b is None else operand(entry.b)
    F = feature_enclosure(instance, k)
    error, slopes, gradient = _passes(instance, above, entries, F, Y)
    factors: dict[str, tuple[Any, Any]] = {}

    def ball(ends: Ends) -> Any:
        if not np.isfinite(ends).all():
            raise UndecidedError("a factor has no bound in float64")
        return arb(ends[0]).union(arb(ends[1]))

    low, high = (ball(ends) for ends in _extreme(F))
    factors[f"sigma(F_{k})"] = low, high
    lower, upper = low * ball(error), high * ball(error)
    for place in range(len(above) - 1, 0, -1):
        index = above[place - 1].index
        report("singular values of U", len(above) - 1 - place, len(above) - 1)
        low, high = (ball(ends) for ends in _extreme(_lifted(above[place], entries[index + 1][0], instance)))
        factors[f"sigma(U_{index + 1})"] = low, high
        least, most = (ball(ends) for ends in slopes[index])
        factors[f"|sigma_{index}'|"] = least, most
        lower, upper = lower * low * least, upper * high * most
    factors["error"] = ball(error), ball(error)
    return GradientBounds(k, lower.max(arb(0)), ball(norm_bounds(gradient)), upper, factors)


def _passes(
    instance: Instance,
    above: tuple[Layer, ...],
    entries: dict[int, tuple[Operand, Operand | None]],
    F: Enclosure,
    Y: Any,
) -> tuple[Ends, dict[int, tuple[Ends, Ends]], Enclosure]:
    """(||F_L - Y||, the least and the largest |slope| of each layer, F_k^T Delta_{k+1}), enclosed."""
    k = above[0].index - 1
    passes = Passes(above, entries, ExactRows(instance, 0))
    busiest = max(layer.patch_count * layer.patch_size + layer.width for layer in above)
    step, total = max(1, _BLOCK_ENTRIES // busiest), (Fraction(0), Fraction(0))
    slopes: dict[int, tuple[Ends, Ends]] = {}
    gradient: Enclosure | None = None
    for start in range(0, instance.N, step):
        report("gradient", start, instance.N)
        rows = slice(start, min(start + step, instance.N))
        block = Block(rows, Classes(instance, rows))
        below = Enclosure(F.mid[rows], F.rad[rows])
        block.F[k] = below
        with np.errstate(all="ignore"):
            goal = operand(Y[rows]).enclosure()
            out = passes.forward(block, below, k + 1)
            residual = plus(out, Enclosure(-goal.mid, goal.rad))
            passes.backward(block, residual, k + 1)
            part = transposed_product(below, block.deltas[k + 1])
            gradient = part if gradient is None else plus(gradient, part)
            squares = square_sum(residual)
            total = total[0] + squares[0], total[1] + squares[1]
            for layer in above:
                mine = block.slopes.get(layer.index)
                ends = ((1.0, 1.0), (1.0, 1.0)) if mine is None else _least_and_largest(mine)
                slopes[layer.index] = _joined(slopes.get(layer.index, ends), ends)
    if gradient is None:
        raise UndecidedError("there are no samples")
    return _root(total), slopes, gradient


def _least_and_largest(slopes: Enclosure) -> tuple[Ends, Ends]:
    """Of the absolute values."""
    size = np.abs(slopes.mid)
    low, high = np.nextafter(size - slopes.rad, -np.inf), np.nextafter(size + slopes.rad, np.inf)
    low = np.maximum(low, 0.0)
    return (float(low.min()), float(high.min())), (float(low.max()), float(high.max()))


def _joined(a: tuple[Ends, Ends], b: tuple[Ends, Ends]) -> tuple[Ends, Ends]:
    (least_a, largest_a), (least_b, largest_b) = a, b
    return (
        (min(least_a[0], least_b[0]), min(least_a[1], least_b[1])),
        (max(largest_a[0], largest_b[0]), max(largest_a[1], largest_b[1])),
    )


def _root(squares: tuple[Fraction, Fraction]) -> Ends:
    """Floats around the square roots; each conversion and root is off by less than 2^-50."""
    low, high = (float(v) for v in squares)
    return max(float(np.sqrt(low)) * (1 - 2.0**-50) - 2.0**-500, 0.0), float(np.sqrt(high)) * (
        1 + 2.0**-50
    ) + 2.0**-500


def _extreme(A: Enclosure) -> tuple[Ends, Ends]:
    """min and max ||u^T A|| over unit vectors u: the minimum is 0 where A has more rows than columns."""
    tall = A.mid.shape[0] > A.mid.shape[1]
    if tall:
        A = Enclosure(np.ascontiguousarray(A.mid.T), np.ascontiguousarray(A.rad.T))
    found = enclosed_singular_values(A.mid, A.rad)
    return (0.0, 0.0) if tall else found.smallest, found.largest


def _lifted(layer: Layer, W: Operand, instance: Instance) -> Enclosure:
    """U^T of a layer: min ||U v|| is over v with an entry for each of its units."""
    if layer.below.size * layer.width > _MOST_LIFTED:
        raise UndecidedError(f"U_{layer.index} has {layer.below.size} x {layer.width} entries")
    U = np.ascontiguousarray(lift(layer, W.mid).T)
    return Enclosure(U, (W.relative * (1 + 2.0**-50)) * np.abs(U))
