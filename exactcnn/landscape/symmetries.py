"""Floor 4a: directions along which the loss does not change, and the parameters they leave free (theory 2.12).

Near a point without kinks a network has *fields*: vector fields on its parameters whose flows leave Phi as it is.
* ``scaling`` of a filter of a homogeneous layer (relu, leaky_relu, identity: degree 1; square: degree 2): its weights
  and biases times c > 0, the weights of the layer above that read it divided by c or c^2;
* ``shift`` of a bias whose units have slope 1 at every sample: the biases above take it back;
* ``idle``: a parameter that only feeds inactive ReLUs, or multiplies only zeros;
* ``twin`` (at an exactly critical point only): two units of a dense layer with equal weights and biases under a dense
  layer.  F does not change when t times the row u of the first, in the matrix above, is added to its own and taken
  from the other's.  All these points are critical: the gradient by the first unit's weights is linear in its row,
  hence multiplied by 1 + t, and so 0; the other's loses t times that; nothing else changes, as the sum of the two
  rows and the features do not;
* ``level`` (the same, layers 1 and 2 dense): a unit with one pre-activation t for all samples.  Its parameters move so
  that t does, everywhere alike; its row u in the matrix above is divided as sigma(t) is multiplied.  F does not
  change, and the gradient by the unit's weights is sigma'(t) / sigma(t) times what was 0 before (sigma(t), sigma'(t)
  not 0).
If s fields are independent at a point, their flows sweep an s-dimensional surface through it on which Phi is
constant, and critical if the point is.  Fix s coordinates on which the fields are regular: a critical
point of Phi in the other, *free*, coordinates is one of Phi, and a minimum of Phi if the Hessian is positive
definite there (Morse-Bott: the free coordinates are transversal to the surface).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import UndecidedError
from exactcnn.landscape.derivatives import Surface, flatten
from exactcnn.network.layers import Layer

__all__ = ["Gauge", "Symmetry", "families_of", "gauge_of", "parameter_starts"]


@dataclass(frozen=True)
class Symmetry:
    """``index``: the filter (scaling), the entry of b_layer (shift), the number of the parameter (idle) or the
    first unit (twin), ``other`` being the second, or the unit (level), which moves along ``vector``."""

    kind: str
    layer: int
    index: int
    other: int = 0
    vector: tuple[Fraction, ...] = ()

    def to_json(self) -> dict[str, Any]:
        if self.kind == "idle":
            return {"kind": "idle", "parameter": self.index}
        if self.kind == "level":
            return {"kind": "level", "unit": self.index, "vector": [rational_text(v) for v in self.vector]}
        named = {"kind": self.kind, "layer": self.layer, "index": self.index}
        return {**named, "other": self.other} if self.kind == "twin" else named


@dataclass(frozen=True)
class Gauge:
    """Independent symmetries, and the parameters that stay free when as many others are fixed."""

    symmetries: tuple[Symmetry, ...]
    free: tuple[int, ...]


def parameter_starts(layers: tuple[Layer, ...]) -> list[int]:
    """The number of the first parameter of each layer, and of all."""
    starts = [0]
    for layer in layers:
        starts.append(starts[-1] + layer.parameter_count)
    return starts


def gauge_of(surface: Surface, families: Sequence[Symmetry] = ()) -> Gauge:
    """From a smooth ``Surface`` of balls, with the ``families`` found exactly.

    Midpoints choose the fields; their balls prove that the fixed coordinates suit them.
    """
    values = flatten(surface.point)
    fields: list[tuple[Symmetry, dict[int, Any]]] = []
    starts = parameter_starts(surface.layers)
    for layer in surface.layers:
        fields += _idle(surface, layer, starts)
        if layer.index < len(surface.layers) and surface.layers[layer.index].activation is not None:
            fields += _scalings(surface, layer, starts, values)
            fields += _shifts(surface, layer, starts, values)
    for family in families:
        make = _twin_field if family.kind == "twin" else _level_field
        fields.append((family, make(surface, family, starts, values)))
    rows = np.zeros((len(fields), len(values)))
    for n, (_, field) in enumerate(fields):
        for j, value in field.items():
            rows[n, j] = float(value.mid()) if hasattr(value, "mid") else float(value)
    chosen, fixed = _eliminate(rows)
    free = tuple(j for j in range(len(values)) if j not in set(fixed))
    gauge = Gauge(tuple(fields[n][0] for n in chosen), free)
    if not _regular([[fields[n][1].get(j, 0) for j in fixed] for n in chosen]):
        raise UndecidedError("the symmetries are not shown to be independent of the free parameters")
    return gauge


def _regular(rows: list[list[Any]]) -> bool:
    """Is every matrix in the square table of balls and integers regular?"""
    from flint import arb_mat

    return not rows or not bool(arb_mat(rows).det().contains(0))


def families_of(exact: Surface) -> list[Symmetry]:
    """The twins and levels at an exact point."""
    return [*_twins(exact), *_levels(exact)]


def _twins(exact: Surface) -> list[Symmetry]:
    """Pairs of units with equal parameters, each with the next, in dense layers under dense layers."""
    found = []
    for layer, above in zip(exact.layers, exact.layers[1:], strict=False):
        entry = exact.point[layer.index - 1]
        if layer.kind != "dense" or above.kind != "dense" or entry is None:
            continue
        last: dict[Any, int] = {}
        for h in range(layer.width):
            key = (*entry[0][:, h], None if entry[1] is None else entry[1][h])
            if key in last:
                found.append(Symmetry("twin", layer.index, last[key], h))
            last[key] = h
    return found


def _levels(exact: Surface) -> list[Symmetry]:
    G, first = exact.G[1], exact.first[1]
    if len(exact.layers) < 2 or {exact.layers[0].kind, exact.layers[1].kind} != {"dense"}:
        return []
    assert G is not None
    assert first is not None
    bias = exact.layers[0].bias != "none"
    vector = _unit_shift(exact.instance.need_samples().x, bias)
    if vector is None:
        return []
    flat = [h for h in range(G.shape[1]) if all(g == G[0, h] for g in G[:, h])]
    return [
        Symmetry("level", 1, h, vector=vector)
        for h in flat
        if first[0, h] is not None and first[0, h].sign() != 0 and exact.F[1][0, h].sign() != 0
    ]


def _unit_shift(x: RationalArray, bias: bool) -> tuple[Fraction, ...] | None:
    """A change of a unit's parameters that adds 1 to its pre-activation at every sample."""
    from flint import fmpq, fmpq_mat

    d = x.shape[1]
    if bias:
        return (*(Fraction(0) for _ in range(d)), Fraction(1))
    rows = [[fmpq(v.numerator, v.denominator) for v in row] + [fmpq(1)] for row in x.to_fractions()]
    reduced, rank = fmpq_mat(rows).rref()
    solution = [Fraction(0)] * d
    for i in range(rank):
        pivot = next(j for j in range(d + 1) if reduced[i, j] != 0)
        if pivot == d:
            return None
        solution[pivot] = Fraction(int(reduced[i, d].p), int(reduced[i, d].q))
    return tuple(solution)


def _level_field(surface: Surface, level: Symmetry, starts: list[int], values: np.ndarray) -> dict[int, Any]:
    from flint import arb, fmpq

    h, T, U = level.index, surface.layers[0].filters, surface.layers[1].filters
    first = surface.first[1]
    assert first is not None
    field = {r * T + h: arb(fmpq(v.numerator, v.denominator)) for r, v in enumerate(level.vector)}
    ratio = first[0, h] / surface.F[1][0, h]
    return field | {starts[1] + h * U + t: -ratio * values[starts[1] + h * U + t] for t in range(U)}


def _twin_field(surface: Surface, twin: Symmetry, starts: list[int], values: np.ndarray) -> dict[int, Any]:
    T, start = surface.layers[twin.layer].filters, starts[twin.layer]
    row = {t: values[start + twin.index * T + t] for t in range(T)}
    field = {start + twin.index * T + t: value for t, value in row.items()}
    return field | {start + twin.other * T + t: -value for t, value in row.items()}


def _eliminate(rows: np.ndarray) -> tuple[list[int], list[int]]:
    """Rows that look independent, and a column for each (Gauss, complete pivoting)."""
    M, left = rows.copy(), list(range(len(rows)))
    chosen: list[int] = []
    fixed: list[int] = []
    scale = np.abs(rows).max(axis=1, initial=0.0)
    while left:
        relative = np.abs(M[left]) / np.maximum(scale[left], 1e-300)[:, None]
        place, column = np.unravel_index(int(relative.argmax()), relative.shape)
        if relative[place, column] < 1e-9:
            break
        pivot = left.pop(int(place))
        chosen.append(pivot)
        fixed.append(int(column))
        M[left] -= np.outer(M[left, column] / M[pivot, column], M[pivot])
    return chosen, fixed


def _off(surface: Surface, layer: Layer) -> np.ndarray | None:
    """Which units of a ReLU layer are inactive, (N, n)."""
    first = surface.first[layer.index]
    if layer.activation is None or layer.activation.slope_below != 0 or first is None:
        return None
    return np.array([[value is not None and bool(value == 0) for value in row] for row in first])


def _idle(surface: Surface, layer: Layer, starts: list[int]) -> list[tuple[Symmetry, dict[int, Any]]]:
    if layer.activation is None:
        return []
    N, P, T = surface.F[0].shape[0], layer.patch_count, layer.filters
    off = _off(surface, layer)
    asleep = np.zeros((N, P, T), dtype=bool) if off is None else off.reshape(N, P, T)
    if layer.index == 1:
        dark = np.array([[bool(v == 0) for v in row] for row in surface.F[0]])
    else:
        below = _off(surface, surface.layers[layer.index - 2])
        dark = np.zeros((N, layer.below.size), dtype=bool) if below is None else below
    dark = np.concatenate([dark, np.ones((N, 1), dtype=bool)], axis=1)
    seen = dark[:, np.minimum(layer.patches.indices, layer.below.size)]  # (N, P, l)
    without = (seen[:, :, :, None] | asleep[:, :, None, :]).all(axis=(0, 1))  # (l, T)
    start = starts[layer.index - 1]
    found = [start + r * T + t for r, t in np.argwhere(without).tolist()]
    bias = start + layer.patch_size * T
    if layer.bias == "unit":
        found += [bias + int(h) for h in np.flatnonzero(asleep.reshape(N, P * T).all(axis=0))]
    elif layer.bias == "filter":
        found += [bias + int(t) for t in np.flatnonzero(asleep.all(axis=(0, 1)))]
    return [(Symmetry("idle", layer.index, j), {j: 1}) for j in found]


def _scalings(
    surface: Surface, layer: Layer, starts: list[int], values: np.ndarray
) -> list[tuple[Symmetry, dict[int, Any]]]:
    if layer.activation is None or layer.activation.degree is None:
        return []
    above, T, found = surface.layers[layer.index], layer.filters, []
    degree = layer.activation.degree
    reads, real = above.patches.indices % T, above.patches.real
    bias = starts[layer.index - 1] + layer.patch_size * T
    for t in range(T):
        hits = (reads == t) & real  # (P, l)
        taps = hits.any(axis=0)
        if (taps & ((reads != t) & real).any(axis=0)).any():
            continue
        mine = [*range(starts[layer.index - 1] + t, bias, T), *range(bias + t, starts[layer.index], T)]
        field = {j: values[j] for j in mine}
        for r in np.flatnonzero(taps).tolist():
            first = starts[layer.index] + r * above.filters
            field |= {j: -degree * values[j] for j in range(first, first + above.filters)}
        found.append((Symmetry("scaling", layer.index, t), field))
    return found


def _shifts(
    surface: Surface, layer: Layer, starts: list[int], values: np.ndarray
) -> list[tuple[Symmetry, dict[int, Any]]]:
    first = surface.first[layer.index]
    if layer.activation is None or layer.activation.degree != 1 or first is None:
        return []
    above, T, found = surface.layers[layer.index], layer.filters, []
    one = np.array([[v is not None and bool(v == 1) for v in row] for row in first], dtype=bool)
    steady: np.ndarray = np.asarray(one.all(axis=0))
    bias = starts[layer.index - 1] + layer.patch_size * T
    start, U = starts[layer.index], above.filters
    for index in range(starts[layer.index] - bias):
        moved = [index] if layer.bias == "unit" else list(range(index, layer.width, T))
        if not steady[moved].all():
            continue
        taps = np.isin(above.patches.indices, moved) & above.patches.real
        if above.bias == "none":
            if taps.any():
                continue
            taps = taps[:0]
        elif above.bias == "filter":
            if (taps != taps[0]).any():
                continue
            taps = taps[:1]
        field: dict[int, Any] = {bias + index: 1}
        for p, each in enumerate(taps):
            for r in np.flatnonzero(each).tolist():
                for t in range(U):
                    j = start + above.patch_size * U + p * U + t
                    field[j] = field.get(j, 0) - values[start + r * U + t]
        found.append((Symmetry("shift", layer.index, index), field))
    return found
