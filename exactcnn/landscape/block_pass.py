"""Floor 4a: forward and backward through a network for a block of samples, in float64 enclosures.

The formulas are those of ``pullback``; here every array is an enclosure, and a unit may be *possibly* at a kink: its
pre-activation is not shown to be other than 0, or two maxima of a pool are not told apart.  Such signs are settled
exactly for the few samples concerned, and maxima over units that are one function of the parameters, over data and over
flat units are no kinks (``identical_units``).  What is left is felt unless dPhi/dunit is exactly 0: the parameters that
move the unit are *touched*, and nothing is claimed of their partial derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from exactcnn.activations.floats import enclosed
from exactcnn.arithmetic.enclosures import Enclosure, enclose
from exactcnn.features.forward import mixed_enclosure
from exactcnn.landscape.enclosed_products import (
    Operand,
    Scattering,
    enclosed_sum,
    exact_zero,
    plus,
    product,
    spread,
    times,
    transposed_product,
)
from exactcnn.landscape.identical_units import Classes, ExactRows
from exactcnn.landscape.slope_enclosures import PIECEWISE, enclosed_slope, has_kink, sided_slope
from exactcnn.network.layers import Layer

__all__ = ["Block", "Passes"]

Parameters = tuple[Enclosure, Enclosure | None]


@dataclass(eq=False)
class Block:
    """States of the samples ``rows``: F and sigma'(G) of each layer, where a unit may be at a kink, pools' candidates;
    ``deltas``: dPhi/dG."""

    rows: slice
    classes: Classes
    F: dict[int, Enclosure] = field(default_factory=dict)
    slopes: dict[int, Enclosure] = field(default_factory=dict)
    kinks: dict[int, np.ndarray] = field(default_factory=dict)
    candidates: dict[int, np.ndarray] = field(default_factory=dict)
    deltas: dict[int, Enclosure] = field(default_factory=dict)


class Passes:
    """The network's ``layers`` with their parameters as floats."""

    def __init__(
        self, layers: tuple[Layer, ...], entries: dict[int, tuple[Operand, Operand | None]], exact: ExactRows
    ) -> None:
        self.layers, self.entries, self.exact = layers, entries, exact
        self._scatterings: dict[int, Scattering] = {}

    # ------------------------------------------------------------------ forward

    def forward(self, block: Block, first: Enclosure, lowest: int) -> Enclosure:
        """The outputs, with what the way back down to layer ``lowest`` needs."""
        block.F[0] = first
        for layer in self.layers:
            below, slopes = [block.F[source] for source in layer.sources], layer.index >= lowest
            if layer.kind == "maxpool":
                block.F[layer.index] = self._pooled(layer, below[0], block, slopes)
                continue
            G = self._affine(layer, below[0]) if layer.affine else mixed_enclosure(layer, below)
            block.F[layer.index] = G if layer.activation is None else enclosed(layer.activation, G)
            if slopes and layer.activation is not None and layer.activation.name != "identity":
                self._slope(layer, G, block)
        return block.F[self.layers[-1].index]

    def _affine(self, layer: Layer, below: Enclosure) -> Enclosure:
        W, b = self.entries[layer.index]
        errors = layer.patches.gather(spread(below, W.relative, layer.patch_size))
        if b is not None and layer.bias == "unit":
            b = Operand(b.mid.reshape(layer.patch_count, layer.filters), b.relative)
        G = product(layer.patches.gather(below.mid), errors, W, b)
        return Enclosure(*(part.reshape(below.mid.shape[0], -1) for part in (G.mid, G.rad)))

    def _pooled(self, layer: Layer, below: Enclosure, block: Block, slopes: bool) -> Enclosure:
        places, real = _places(layer), layer.patches.real
        mid, rad = below.mid[:, places], below.rad[:, places]
        if slopes:
            # One ulp outwards, because mid - rad and mid + rad are rounded.
            least = np.nextafter(mid - rad, -np.inf).max(axis=2, keepdims=True)
            block.candidates[layer.index] = ~(np.nextafter(mid + rad, np.inf) < least) & real
        return Enclosure(mid.max(axis=2), rad.max(axis=2))

    def _slope(self, layer: Layer, G: Enclosure, block: Block) -> None:
        activation, k = layer.activation, layer.index
        if activation is None or activation.name not in PIECEWISE:
            if activation is not None:
                block.slopes[k] = enclosed_slope(activation, G)
            return
        positive, negative = G.positive(), G.negative()
        if has_kink(activation):
            still = ~(positive | negative | exact_zero(G))
            if still.any():
                self._signs(layer, block, still.any(axis=1), positive, negative)
            kinks = ~(positive | negative)
            if kinks.any():
                block.kinks[k] = kinks
        block.slopes[k] = sided_slope(activation, G, positive, negative)

    def _signs(
        self, layer: Layer, block: Block, open_: np.ndarray, positive: np.ndarray, negative: np.ndarray
    ) -> None:
        rows = np.flatnonzero(open_)
        found = self.exact.numerators(layer.index, rows + block.rows.start, before_activation=True)
        if found is not None:
            positive[rows], negative[rows] = found > 0, found < 0

    # ------------------------------------------------------------------ backward

    def backward(
        self, block: Block, last: Enclosure, lowest: int
    ) -> tuple[dict[int, Parameters], set[int], int]:
        """From dPhi/dF_L down to layer ``lowest``: the partial derivatives of each layer, the layers with possible kinks
        that are felt, and the number of these."""
        D: dict[int, Enclosure] = {self.layers[-1].index: last}
        gradient: dict[int, Parameters] = {}
        felt, count = set[int](), 0
        for layer in reversed(self.layers):
            k, mine = layer.index, D.pop(layer.index, None)
            if mine is None or k < lowest:  # nothing reads it, or nothing is asked of it
                continue
            if layer.kind == "maxpool":
                if layer.sources[0]:
                    back, kinks = self._unpooled(layer, mine, block)
                    _added(D, layer.sources[0], back)
                    count += kinks
                    felt |= {k} if kinks else set()
                continue
            if k in block.kinks:
                kinks = int((block.kinks[k] & ~exact_zero(mine)).sum())
                count += kinks
                felt |= {k} if kinks else set()
            Delta = times(mine, block.slopes[k]) if k in block.slopes else mine
            block.deltas[k] = Delta
            if layer.affine:
                gradient[k] = self._parameters(layer, block.F[layer.sources[0]], Delta)
                if layer.sources[0] and k > lowest:
                    _added(D, layer.sources[0], self._back(layer, Delta))
            elif k > lowest:
                self._unmixed(layer, Delta, D, block)
        return gradient, felt, count

    def _parameters(self, layer: Layer, below: Enclosure, Delta: Enclosure) -> Parameters:
        shape = -1, layer.patch_size
        x = Enclosure(*(layer.patches.gather(part).reshape(shape) for part in (below.mid, below.rad)))
        blocks = Enclosure(*(part.reshape(-1, layer.filters) for part in (Delta.mid, Delta.rad)))
        dW = transposed_product(x, blocks)
        if layer.bias == "none":
            return dW, None
        return dW, enclosed_sum(blocks if layer.bias == "filter" else Delta)

    def _back(self, layer: Layer, Delta: Enclosure) -> Enclosure:
        W, _ = self.entries[layer.index]
        N, T = Delta.mid.shape[0], layer.filters
        blocks = Enclosure(*(part.reshape(-1, T) for part in (Delta.mid, Delta.rad)))
        turned = Operand(np.ascontiguousarray(W.mid.T), W.relative)
        back = product(blocks.mid, spread(blocks, W.relative, T), turned)
        if layer.kind == "dense":
            return back
        return self._scattered(
            layer, Enclosure(back.mid.reshape(N, -1), back.rad.reshape(N, -1)), layer.below.size
        )

    def _scattered(self, layer: Layer, values: Enclosure, units: int) -> Enclosure:
        if layer.index not in self._scatterings:
            indices = (
                layer.mixture.indices
                if not (layer.affine or layer.kind == "maxpool")
                else layer.patches.indices
            )
            self._scatterings[layer.index] = Scattering(indices, units)
        return self._scatterings[layer.index](values)

    def _unmixed(self, layer: Layer, Delta: Enclosure, D: dict[int, Enclosure], block: Block) -> None:
        m, N = layer.mixture, Delta.mid.shape[0]
        c = enclose(m.coefficients, m.denominator)
        values = times(
            Enclosure(Delta.mid[:, :, None], Delta.rad[:, :, None]), Enclosure(c.mid[None], c.rad[None])
        )
        flat = Enclosure(values.mid.reshape(N, -1), values.rad.reshape(N, -1))
        sizes = [block.F[source].mid.shape[1] for source in layer.sources]
        back, start = self._scattered(layer, flat, sum(sizes)), 0
        for source, size in zip(layer.sources, sizes, strict=True):
            part = slice(start, start + size)
            if source:
                _added(D, source, Enclosure(back.mid[:, part], back.rad[:, part]))
            start += size

    def _unpooled(self, layer: Layer, D: Enclosure, block: Block) -> tuple[Enclosure, int]:
        """What each maximum gives back, and the number of possible ties that are felt."""
        (source,) = layer.sources
        candidates = block.candidates[layer.index]
        tied = (candidates.sum(axis=2) > 1) & ~exact_zero(D)
        if tied.any():
            tied &= ~self._harmless(layer, block, candidates, tied)
        if tied.any():
            rows = np.flatnonzero(tied.any(axis=1))
            found = self.exact.numerators(source, rows + block.rows.start, before_activation=False)
            if found is not None:
                values = found[:, _places(layer)]
                candidates = candidates.copy()
                candidates[rows] = (values == values.max(axis=2, keepdims=True)) & layer.patches.real
                tied &= candidates.sum(axis=2) > 1
                if tied.any():
                    tied &= ~self._harmless(layer, block, candidates, tied)
        best = candidates.argmax(axis=2)
        mid = np.zeros(candidates.shape)
        np.put_along_axis(mid, best[:, :, None], 1.0, axis=2)
        rad = np.zeros(candidates.shape)
        if tied.any():  # any of the candidates, or what lies between
            mid[tied], rad[tied] = candidates[tied] * 0.5, candidates[tied] * 0.5
        shared = times(Enclosure(D.mid[:, :, None], D.rad[:, :, None]), Enclosure(mid, rad))
        flat = Enclosure(*(part.reshape(D.mid.shape[0], -1) for part in (shared.mid, shared.rad)))
        return self._scattered(layer, flat, layer.below.size), int(tied.sum())

    def _harmless(self, layer: Layer, block: Block, candidates: np.ndarray, tied: np.ndarray) -> np.ndarray:
        """Mask: all candidates are flat, or one function of the parameters."""
        (source,), places = layer.sources, _places(layer)
        harmless = np.zeros(tied.shape, dtype=bool)
        if source in block.slopes:
            harmless |= (exact_zero(block.slopes[source])[:, places] | ~candidates).all(axis=2)
        if (tied & ~harmless).any():
            classes = block.classes.of(source)[:, places]
            best = np.take_along_axis(classes, candidates.argmax(axis=2)[:, :, None], axis=2)
            harmless |= ((classes == best) | ~candidates).all(axis=2)
        return harmless


def _places(layer: Layer) -> np.ndarray:
    """(P, l): the units of each pool, padding replaced by the first real one."""
    patches = layer.patches
    first = patches.indices[np.arange(patches.count), patches.real.argmax(axis=1)]
    return np.where(patches.real, patches.indices, first[:, None])


def _added(D: dict[int, Enclosure], source: int, part: Enclosure) -> None:
    D[source] = plus(D[source], part) if source in D else part
