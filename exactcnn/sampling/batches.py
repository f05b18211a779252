"""Floor 5: exact features of many draws at once, in 64-bit integers.

A ``Plan`` exists for a cell only if no number met on the way can leave its type: the bounds
below hold for every seed, because they use the largest numerator the law can draw.

Bounds.  Values v / d, |v| <= M.  Behind patches of l values and weights w / c, |w| <= m,
pre-activations are sums of l products plus a bias over the denominator d c, so at most
l M m + m d in absolute value.  Products go through float64 BLAS where l M m < 2^53 (every
partial sum, in any order, is then an integer that float64 represents), through int64 below 2^62,
and there is no plan beyond.  relu and max-pooling keep M, leaky relu of slope a/b makes it b M
over b d, square M^2 over d^2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from exactcnn.activations import Activation
from exactcnn.activations.entry import Exponents, Parameters
from exactcnn.arithmetic.integers import largest
from exactcnn.arithmetic.primes import LARGEST_PRIME, odd_order_element
from exactcnn.features.forward import slope_below
from exactcnn.network.layers import Layer
from exactcnn.sampling.cells import Cell

__all__ = ["Plan", "field_image", "in_batches", "plan"]

_INT64 = 2**62
_FLOAT64 = 2**53
# Patch values held at once, over all draws of a step.
_STEP_ENTRIES = 1 << 20


@dataclass(frozen=True, eq=False)
class Plan:
    """How to compute a cell's features; ``in_floats[i]``: does layer i + 1 multiply in float64?

    ``denominator`` is the last one: of F_k where sigma_k is rational, of G_k otherwise.
    """

    cell: Cell
    in_floats: tuple[bool, ...]
    denominator: int
    step: int

    @property
    def rational(self) -> bool:
        """Are the values F_k itself (else the pre-activations G_k)?"""
        activation = self.cell.network.layer(self.cell.k).activation
        return activation is None or activation.kind == "rational"

    def values(self, seeds: Sequence[int]) -> np.ndarray:
        """Numerators over ``denominator``, int64, shape (len(seeds), N, n_k)."""
        cell = self.cell
        B, N = len(seeds), cell.N
        values = cell.samples.x.numerators.astype(np.int64)  # (N, d); from layer 1 on (B N, n)
        scale = cell.samples.x.denominator
        for layer, in_floats in zip(cell.network.layers[: cell.k], self.in_floats, strict=True):
            if layer.kind == "maxpool":
                values = _pooled(layer, values)
                continue
            size, T = layer.patch_size, layer.filters
            prefixes = [cell.law.prefix(seed, layer.key or layer.index) for seed in seeds]
            W = cell.law.draw(prefixes, "W", size * T, cell.bits, size).reshape(B, size, T)
            gathered = layer.patches.gather(values).reshape(-1, N * layer.patch_count, size)
            if in_floats:  # the first layer's patches, one matrix, are broadcast over the draws
                G = (gathered.astype(np.float64) @ W.astype(np.float64)).astype(np.int64)
            else:
                G = gathered @ W
            G = G.reshape(B, N, layer.width)
            if layer.bias != "none":
                b = cell.law.draw(prefixes, "b", layer.bias_length, cell.bits, size) * scale
                if layer.bias == "filter":
                    b = np.tile(b, (1, layer.patch_count))
                G += b[:, None, :]
            scale *= cell.law.denominator(cell.bits)
            values, scale = _activated(layer, G, scale)
            values = values.reshape(B * N, layer.width)
        if values.shape[0] != B * N:  # only pooling so far: the same for all draws
            values = np.tile(values, (B, 1))
        return values.reshape(B, N, cell.width)


def plan(cell: Cell) -> Plan | None:
    """None where 64-bit numbers do not certainly do, or a layer below k is not rational."""
    x = cell.samples.x
    M, d = largest(x.numerators), x.denominator
    if max(M, d) >= _INT64:
        return None
    in_floats = []
    entries = 1
    for layer in cell.network.layers[: cell.k]:
        entries = max(entries, cell.N * layer.patch_count * layer.patch_size, cell.N * layer.width)
        if layer.kind == "maxpool":
            in_floats.append(False)
            continue
        assert layer.activation is not None
        m, c = cell.law.largest(cell.bits, layer.patch_size), cell.law.denominator(cell.bits)
        product = layer.patch_size * M * m
        if max(product, M, m) >= _INT64:
            return None
        in_floats.append(max(product, M, m) < _FLOAT64)
        M, d = product + (m * d if layer.bias != "none" else 0), d * c
        slope, kind = slope_below(layer), layer.activation.kind
        if slope is not None:
            M, d = M * slope.denominator, d * slope.denominator
        elif layer.activation.degree == 2:
            M, d = M * M, d * d
        elif kind != "rational" and layer.index < cell.k:
            return None
        if max(M, d) >= _INT64:
            return None
    return Plan(cell, tuple(in_floats), d, max(1, _STEP_ENTRIES // entries))


def in_batches(cell: Cell) -> bool:
    """Are the cell's ranks decided in batches (else draw by draw)?"""
    made = plan(cell)
    activation = cell.network.layer(cell.k).activation
    return made is not None and (made.rational or _image(activation) is not None)


def _pooled(layer: Layer, values: np.ndarray) -> np.ndarray:
    """Maxima over patches; a padding place is filled by the patch's first real neuron."""
    patches = layer.patches
    first = patches.indices[np.arange(patches.count), patches.real.argmax(axis=1)]
    gathered = values[:, np.where(patches.real, patches.indices, first[:, None])]
    result: np.ndarray = gathered.max(axis=2)
    return result


def _activated(layer: Layer, G: np.ndarray, d: int) -> tuple[np.ndarray, int]:
    """sigma_k(G / d) over its denominator; G itself where sigma_k is not rational."""
    assert layer.activation is not None
    slope = slope_below(layer)
    if slope is not None:
        if slope == 0:
            return np.maximum(G, 0), d
        return np.where(G >= 0, G * slope.denominator, G * slope.numerator), d * slope.denominator
    if layer.activation.degree == 2:
        return G * G, d * d
    return G, d


def _image(activation: Activation | None) -> Callable[[Exponents, Parameters], np.ndarray] | None:
    """Of exponential activations whose image needs the exponents only."""
    entry = None if activation is None else activation.builtin
    return None if entry is None or not entry.exponents_only else entry.image


def field_image(plan: Plan, values: np.ndarray) -> np.ndarray | None:
    """The image of F_k in GF(2^31 - 1), int64, the shape of ``values``.

    sigmoid, tanh and gaussian: e^(1/D) -> an element of odd order (features/matrix.py).  None
    for activations that have no such image here.
    """
    p = LARGEST_PRIME
    if plan.rational:
        return values % p  # F_k and its numerators have the same rank
    activation = plan.cell.network.layer(plan.cell.k).activation
    assert activation is not None
    g = odd_order_element(p)
    image = _image(activation)
    if image is None:
        return None
    # Inverting goes down the columns, with one true inversion each: about as many rows as columns.
    flat = values.ravel() % (p - 1)
    columns = max(1, int((flat.size / 2) ** 0.5))
    filled = np.zeros(-(-flat.size // columns) * columns, dtype=np.int64)
    filled[: flat.size] = flat
    found: np.ndarray = image(Exponents(filled.reshape(-1, columns), p, g), {}).ravel()
    return found[: flat.size].reshape(values.shape)
