"""Floor 4a: directions along which the loss does not change, and the parameters they leave free (theory 2.12).

Near a point without kinks a network has *fields*: vector fields on its parameters whose flows leave Phi as it is.
* ``scaling`` of a filter of a positively homogeneous layer (relu, leaky_relu, identity): its weights and
  biases times c, the weights of the layer above that read it divided by c;
* ``shift`` of a bias whose units have slope 1 at every sample: the biases above take it back;
* ``idle``: a parameter that only feeds inactive ReLUs, or multiplies only zeros.
If s fields are independent at a point, their flows sweep an s-dimensional surface through it on which Phi is
constant, and critical if the point is.  Fix s coordinates on which the fields are regular: a critical
point of Phi in the other, *free*, coordinates is one of Phi, and a minimum of Phi if the Hessian is positive
definite there (Morse-Bott: the free coordinates are transversal to the surface).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exactcnn.landscape.derivatives import Surface
from exactcnn.network.layers import Layer

__all__ = ["Gauge", "Symmetry", "gauge_of", "parameter_starts"]

_HOMOGENEOUS = ("relu", "leaky_relu", "identity")


@dataclass(frozen=True)
class Symmetry:
    """``index``: the filter (scaling), the entry of b_layer (shift) or the number of the parameter (idle)."""

    kind: str
    layer: int
    index: int

    def to_json(self) -> dict[str, Any]:
        if self.kind == "idle":
            return {"kind": "idle", "parameter": self.index}
        return {"kind": self.kind, "layer": self.layer, "index": self.index}


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


def gauge_of(surface: Surface) -> Gauge:
    """From a smooth ``Surface`` of balls.  The choice is by midpoints; what it claims is verified by ``regular``."""
    from exactcnn.landscape.derivatives import flatten

    values = flatten(surface.point)
    fields: list[tuple[Symmetry, dict[int, Any]]] = []
    starts = parameter_starts(surface.layers)
    for layer in surface.layers:
        fields += _idle(surface, layer, starts)
        if layer.index < len(surface.layers) and surface.layers[layer.index].activation is not None:
            fields += _scalings(surface, layer, starts, values)
            fields += _shifts(surface, layer, starts, values)
    rows = np.zeros((len(fields), len(values)))
    for n, (_, field) in enumerate(fields):
        for j, value in field.items():
            rows[n, j] = float(value.mid()) if hasattr(value, "mid") else float(value)
    chosen, fixed = _eliminate(rows)
    free = tuple(j for j in range(len(values)) if j not in set(fixed))
    return Gauge(tuple(fields[n][0] for n in chosen), free)


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
    if layer.activation is None or layer.activation.name != "relu" or first is None:
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
    if layer.activation is None or layer.activation.name not in _HOMOGENEOUS:
        return []
    above, T, found = surface.layers[layer.index], layer.filters, []
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
            field |= {j: -values[j] for j in range(first, first + above.filters)}
        found.append((Symmetry("scaling", layer.index, t), field))
    return found


def _shifts(
    surface: Surface, layer: Layer, starts: list[int], values: np.ndarray
) -> list[tuple[Symmetry, dict[int, Any]]]:
    first = surface.first[layer.index]
    if layer.activation is None or layer.activation.name not in _HOMOGENEOUS or first is None:
        return []
    above, T, found = surface.layers[layer.index], layer.filters, []
    steady = np.array([[v is not None and bool(v == 1) for v in row] for row in first]).all(axis=0)
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
