"""Floor 4a: the forward pass of a network, its loss Phi = 1/2 ||F_L - Y||^2 included, in numbers of any ``Domain``.

Sums over patches, so that the lifted matrix U is never formed.  What the derivatives need is kept: all
pre-activations, first and second derivatives of the activations there (None at a kink), the places of maxima.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.domains import Domain
from exactcnn.landscape.parameters import Point, objects, targets_of
from exactcnn.network.layers import Layer

__all__ = ["ForwardPass", "Kink", "known", "matmul"]


@dataclass(frozen=True)
class Kink:
    """A unit (sample, layer, unit) where the loss may have no derivative."""

    layer: int
    sample: int
    unit: int


@dataclass(eq=False)
class ForwardPass:
    """``instance``'s network at ``point`` on all its samples.

    ``sides``: the slope to take at a kink (layer, sample, unit), that of the right (1) or of the left (-1); the
    pass is then that of the smooth piece on this side.  ``kinks``: for the pass back to fill.
    """

    instance: Instance
    domain: Domain
    point: Point
    kinks: list[Kink] = field(default_factory=list)
    sides: Mapping[Kink, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layers = self.instance.network.layers
        samples = self.instance.need_samples()
        self.Y = objects(targets_of(self.instance), self.domain)
        self.zero = self.domain.number(Fraction(0))
        self.F: list[np.ndarray] = [objects(samples.x, self.domain)]
        self.G: list[np.ndarray | None] = [None]
        self.first: list[np.ndarray | None] = [None]
        self.second: list[np.ndarray | None] = [None]
        self.choice: list[list[list[list[int]]] | None] = [None]
        for layer in self.layers:
            self._forward(layer)
        self.residual = self.F[-1] - self.Y

    @property
    def loss(self) -> Any:
        """Phi."""
        half = self.domain.number(Fraction(1, 2))
        total = self.zero
        for value in self.residual.ravel():
            total = total + value * value
        return half * total

    def _gathered(self, layer: Layer, values: np.ndarray) -> np.ndarray:
        padded = np.concatenate([values, np.full((values.shape[0], 1), self.zero, dtype=object)], axis=1)
        gathered: np.ndarray = padded[:, np.minimum(layer.patches.indices, layer.patches.neurons)]
        return gathered

    def _affine(self, layer: Layer, x: np.ndarray, W: np.ndarray, b: np.ndarray | None) -> np.ndarray:
        """(N, n_l) from gathered patches (N, P, l)."""
        N, P, size = x.shape
        product = matmul(x.reshape(N * P, size), W).reshape(N, layer.width)
        if b is None:
            return product
        summed: np.ndarray = product + (np.tile(b, P) if layer.bias == "filter" else b)
        return summed

    def _forward(self, layer: Layer) -> None:
        below = [self.F[source] for source in layer.sources]
        if layer.kind == "maxpool":
            real = [
                [int(u) for u in patch if u < layer.patches.neurons]
                for patch in layer.patches.indices.tolist()
            ]
            out = np.empty((below[0].shape[0], layer.width), dtype=object)
            choices: list[list[list[int]]] = []
            for i, row in enumerate(below[0]):
                mine = []
                for p, units in enumerate(real):
                    out[i, p], places = self.domain.largest([row[u] for u in units])
                    mine.append([units[place] for place in places])
                choices.append(mine)
            self.F.append(out)
            self.choice.append(choices)
            for stack in (self.G, self.first, self.second):
                stack.append(None)
            return
        if layer.affine:
            G = self._affine(layer, self._gathered(layer, below[0]), *self._entry(self.point, layer))
        else:
            G = self._mixed(layer, below, shifted=True)
        self.G.append(G)
        self.choice.append(None)
        if layer.activation is None:  # only fixed linear maps have none
            self.F.append(G)
            self.first.append(np.full(G.shape, self.domain.number(Fraction(1)), dtype=object))
            self.second.append(np.full(G.shape, self.zero, dtype=object))
            return
        jets = [self.domain.jet(layer.activation, t) for t in G.ravel()]
        values, first, second = (np.empty(G.size, dtype=object) for _ in range(3))
        for place, jet in enumerate(jets):
            values[place], first[place], second[place] = jet
        for kink, side in self.sides.items():
            place = kink.sample * layer.width + kink.unit
            if kink.layer == layer.index and first[place] is None:
                first[place], second[place] = self._one_sided(layer, side), self.zero
        self.F.append(values.reshape(G.shape))
        self.first.append(first.reshape(G.shape))
        self.second.append(second.reshape(G.shape))

    @staticmethod
    def _entry(point: Point, layer: Layer) -> tuple[np.ndarray, np.ndarray | None]:
        entry = point[layer.index - 1]
        if entry is None:
            raise MisuseError("point", f"the weights of layer {layer.index}", "none")
        return entry

    def _terms(self, layer: Layer) -> list[tuple[int, list[tuple[int, int, Any]]]]:
        """Of a fixed linear map: for each unit [(source, unit there, coefficient), ..], zeros left out."""
        m, starts = layer.mixture, np.cumsum([0, *(self.F[source].shape[1] for source in layer.sources)])
        found = []
        for h in range(layer.width):
            pairs = zip(m.indices[h].tolist(), m.coefficients[h].tolist(), strict=True)
            places = [(u, int(np.searchsorted(starts, u, side="right")) - 1, c) for u, c in pairs if c]
            found.append((h, [(n, u - int(starts[n]), self.domain.number(Fraction(c, m.denominator)))
                              for u, n, c in places]))  # fmt: skip
        return found

    def _mixed(self, layer: Layer, below: list[np.ndarray], *, shifted: bool) -> np.ndarray:
        out = np.full((below[0].shape[0], layer.width), self.zero, dtype=object)
        for h, terms in self._terms(layer):
            for n, u, c in terms:
                out[:, h] = out[:, h] + below[n][:, u] * c
            shift = int(layer.mixture.shifts[h])
            if shifted and shift:
                out[:, h] = out[:, h] + self.domain.number(Fraction(shift, layer.mixture.denominator))
        return out

    def _one_sided(self, layer: Layer, side: int) -> Any:
        """The slope of relu or leaky_relu on one side of 0; UndecidedError for other kinks."""
        activation = layer.activation
        if activation is None or activation.name not in ("relu", "leaky_relu"):
            raise UndecidedError(f"layer {layer.index} has a kink that is no ReLU's")
        below = dict(activation.parameters).get("slope", Fraction(0))
        return self.domain.number(Fraction(1) if side > 0 else below)


def known(array: np.ndarray | None, layer: Layer) -> np.ndarray:
    """``array``, which every layer but a pooling one has."""
    if array is None:
        raise MisuseError("layer", "a layer with pre-activations", f"{layer.kind} layer {layer.index}")
    return array


def matmul(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A @ B for object arrays (NumPy's own product starts from the integer 0, which is fine for all domains)."""
    if A.shape[1] == 0:
        return np.zeros((A.shape[0], B.shape[1]), dtype=object)
    product: np.ndarray = np.dot(A, B)
    return product
