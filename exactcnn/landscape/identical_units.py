"""Floor 4a: units that are one and the same function of the parameters, and signs that floats leave open.

Where a pooling patch lies on a blank part of an image, its units see equal patches through one filter: they are equal
whatever the parameters are, and their maximum is no kink.  Units get *class numbers*, layer by layer, such that equal
numbers (of one layer) prove equal functions: of the input its value, of an affine unit with a shared bias or none its
filter and the classes of its patch, of a unit with a bias of its own also the unit, of a maximum the set of classes, of
a fixed linear map the classes with their coefficients.  Hashes only sort the rows; equality is compared.
"""

from __future__ import annotations

import numpy as np

from exactcnn.errors import UndecidedError
from exactcnn.features.forward import exact_values
from exactcnn.features.instance import Instance
from exactcnn.network.layers import Layer

__all__ = ["Classes", "ExactRows"]

_MOST_EXACT = 20_000_000  # products in Python integers that open signs may cost in all: some seconds


class Classes:
    """Class numbers of all units at the samples ``rows``, found when they are asked for."""

    def __init__(self, instance: Instance, rows: slice) -> None:
        self.network, self._x = instance.network, instance.need_samples().x.numerators[rows]
        self._known: dict[int, np.ndarray] = {}

    def of(self, k: int) -> np.ndarray:
        """(rows, n_k)."""
        if not self._known:
            values, classes = np.unique(self._x, return_inverse=True)
            zero = np.flatnonzero(values == 0)
            # Padding is the constant 0, class -1, and so is a datum 0.
            number = np.where(classes == zero[0], -1, classes) if zero.size else classes
            self._known[0] = number.reshape(self._x.shape).astype(np.int64)
        for layer in self.network.upto(k):
            if layer.index not in self._known:
                self._known[layer.index] = self._made(layer)
        return self._known[k]

    def _made(self, layer: Layer) -> np.ndarray:
        below = [self._known[source] for source in layer.sources]
        N = below[0].shape[0]
        if layer.affine:
            gathered = _gathered(layer, below[0])
            patch = _numbered(gathered.reshape(-1, layer.patch_size)).reshape(N, layer.patch_count, 1)
            if layer.bias == "unit" and layer.patch_count > 1:
                own = np.arange(layer.width).reshape(layer.patch_count, layer.filters)
                return (patch * layer.width + own).reshape(N, layer.width)
            return (patch * layer.filters + np.arange(layer.filters)).reshape(N, layer.width)
        if layer.kind == "maxpool":
            patches = layer.patches
            first = patches.indices[np.arange(patches.count), patches.real.argmax(axis=1)]
            window = np.sort(below[0][:, np.where(patches.real, patches.indices, first[:, None])], axis=2)
            return _numbered(window.reshape(-1, patches.size)).reshape(N, layer.width)
        m, starts = layer.mixture, np.cumsum([0, *(part.max(initial=0) + 2 for part in below)])
        row = np.concatenate([part + start for part, start in zip(below, starts, strict=False)], axis=1)
        kinds: dict[tuple[int, ...], int] = {}
        kind = [
            kinds.setdefault((*map(int, line), int(shift)), len(kinds))
            for line, shift in zip(m.coefficients.tolist(), m.shifts.tolist(), strict=True)
        ]
        terms = row[:, m.indices]
        marked = np.concatenate(
            [terms, np.broadcast_to(np.array(kind)[None, :, None], (*terms.shape[:2], 1))], axis=2
        )
        return _numbered(marked.reshape(-1, marked.shape[2])).reshape(N, layer.width)


def _gathered(layer: Layer, classes: np.ndarray) -> np.ndarray:
    """Padding has class -1."""
    padded = np.concatenate([classes, np.full((classes.shape[0], 1), -1)], axis=1)
    found: np.ndarray = padded[:, np.minimum(layer.patches.indices, layer.patches.neurons)]
    return found


def _numbered(rows: np.ndarray) -> np.ndarray:
    """Numbers of rows of integers: equal ones belong to equal rows."""
    factors = np.random.default_rng(1).integers(1, 2**63, rows.shape[1], dtype=np.uint64) * 2 + 1
    hashed = (rows.astype(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    _, first, number = np.unique(hashed, return_index=True, return_inverse=True)
    number = number.reshape(-1)
    odd = (rows != rows[first[number]]).any(axis=1)
    if odd.any():  # equal hashes of different rows: each such row gets a number of its own
        number = np.where(odd, first.size + np.arange(number.size), number)
    return number


class ExactRows:
    """Exact values of layers for a few samples, where all is rational, until the work allowed is used up."""

    def __init__(self, instance: Instance, most: int = _MOST_EXACT) -> None:
        self.instance, self.left = instance, most

    def numerators(self, k: int, rows: np.ndarray, *, before_activation: bool) -> np.ndarray | None:
        """Of G_k or F_k at the samples ``rows``; None where there are none, or it is too much work."""
        layers = self.instance.network.upto(k)
        work = rows.size * sum(layer.width * layer.patch_size for layer in layers)
        entries = self.instance.need_weights().layers
        if work > self.left or any(e is not None and not e.rational for e in entries[:k]):
            return None
        self.left -= work
        try:
            return exact_values(self.instance, k, before_activation=before_activation, rows=rows)[
                0
            ].numerators
        except UndecidedError:
            return None
