"""Floor 4a: Phi = 1/2 ||F_L - Y||^2, its gradient and its Hessian, in any ``Domain``.

Backward formulas (theory 2.11): Delta_L = F_L - Y (times sigma_L'), Delta_l = (Delta_{l+1} U_{l+1}^T)
o sigma_l'(G_l), grad_{U_l} = F_{l-1}^T Delta_l, grad_{b_l} = Delta_l^T 1, grad_W = the adjoint of M
applied to grad_U; all sums over patches here, so that U is never formed.  Second derivatives by
differentiating forward and backward passes in a direction (Pearlmutter's R operator).

A *kink* is a unit at which sigma has no derivative, or a pooling patch with two maxima (unless they are data, or all
of them have slope 0, as inactive ReLUs do).  It does no harm where dPhi/df of the unit is 0: every one-sided derivative is 0 there.
Other kinks are listed, and the gradient is then not claimed.
Parameters are ordered layer by layer, W row by row (tap, filter), then b.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError, MisuseError, UndecidedError, shown
from exactcnn.features.instance import Instance
from exactcnn.landscape.domains import Domain
from exactcnn.network.layers import Layer

__all__ = ["Kink", "Point", "Surface", "point_of", "targets_of"]

Point = tuple[tuple[np.ndarray, np.ndarray | None] | None, ...]


@dataclass(frozen=True)
class Kink:
    """A unit (sample, layer, unit) where the loss may have no derivative."""

    layer: int
    sample: int
    unit: int


def _objects(array: RationalArray, domain: Domain, ln2: RationalArray | None = None) -> np.ndarray:
    found = np.empty(array.shape, dtype=object)
    D = array.denominator
    for index in np.ndindex(array.shape):
        extra = Fraction(0) if ln2 is None else Fraction(int(ln2.numerators[index]), ln2.denominator)
        found[index] = domain.number(Fraction(int(array.numerators[index]), D), extra)
    return found


def point_of(instance: Instance, domain: Domain) -> Point:
    """The instance's weights as numbers of the domain, multiples of ln 2 included."""
    listed: list[tuple[np.ndarray, np.ndarray | None] | None] = []
    for entry in instance.need_weights().layers:
        if entry is None:
            listed.append(None)
            continue
        b = None if entry.b is None else _objects(entry.b, domain, entry.b_ln2)
        listed.append((_objects(entry.W, domain, entry.W_ln2), b))
    return tuple(listed)


def targets_of(instance: Instance) -> RationalArray:
    """Y as (N, n_L): rows of numbers as given, or one number each for n_L = 1; labels 0..n_L - 1 one-hot otherwise.

    MalformedError if there are no targets or they fit neither way.
    """
    samples, m = instance.need_samples(), instance.network.widths[-1]
    y, field = samples.targets, f"{samples.field}.y"
    if y is None:
        raise MalformedError(field, f"targets of {m} numbers for each sample", "no targets")
    if y.ndim == 2 and y.shape[1] == m:
        return y
    if m == 1 and y.ndim == 1:
        return y.reshape(-1, 1)
    labels = y.numerators.reshape(-1).tolist()
    if y.ndim == 1 and y.denominator == 1 and all(0 <= int(v) < m for v in labels):
        return RationalArray.from_integers(np.eye(m, dtype=np.int64)[np.array(labels, dtype=np.int64)])
    found = f"shape {y.shape}"
    if y.ndim == 1:
        strange = next(v for v in y.to_fractions() if v.denominator != 1 or not 0 <= v < m)
        found = f"label {shown(strange, str)}"
    raise MalformedError(field, f"{m} numbers for each sample, or labels 0 to {m - 1}", found)


@dataclass(eq=False)
class Surface:
    """The loss of ``instance``'s network and data at ``point``, evaluated once, forward and backward.

    ``gradient``: one (dW, db) for each layer, of the shapes of the parameters (None for pooling).
    ``kinks``: where it may not exist.  ``sides``: the slope to take at a kink (layer, sample, unit), that of
    the right (1) or of the left (-1); the surface is then that of the smooth piece on this side.
    """

    instance: Instance
    domain: Domain
    point: Point
    kinks: list[Kink] = field(default_factory=list)
    sides: Mapping[Kink, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layers = self.instance.network.layers
        samples = self.instance.need_samples()
        self.Y = _objects(targets_of(self.instance), self.domain)
        self.zero = self.domain.number(Fraction(0))
        self.F: list[np.ndarray] = [_objects(samples.x, self.domain)]
        self.G: list[np.ndarray | None] = [None]
        self.first: list[np.ndarray | None] = [None]
        self.second: list[np.ndarray | None] = [None]
        self.choice: list[list[list[list[int]]] | None] = [None]
        for layer in self.layers:
            self._forward(layer)
        self.residual = self.F[-1] - self.Y
        self._backward()

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
        product = _matmul(x.reshape(N * P, size), W).reshape(N, layer.width)
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

    def _give(
        self, into: list[np.ndarray | None], layer: Layer, Delta: np.ndarray, W: np.ndarray | None
    ) -> None:
        """Adds what a layer gives back to the layers it reads (the input needs nothing); W None: a fixed map."""
        if W is not None:
            parts = [self._scattered(layer, Delta, W) if layer.sources[0] else None]
        else:
            parts = [np.full(self.F[source].shape, self.zero, dtype=object) for source in layer.sources]
            for h, terms in self._terms(layer):
                for n, u, c in terms:
                    part = parts[n]
                    if part is not None:
                        part[:, u] = part[:, u] + Delta[:, h] * c
        for source, part in zip(layer.sources, parts, strict=True):
            if source and part is not None:
                before = into[source]
                into[source] = part if before is None else before + part

    def _one_sided(self, layer: Layer, side: int) -> Any:
        """The slope of relu or leaky_relu on one side of 0; UndecidedError for other kinks."""
        activation = layer.activation
        if activation is None or activation.name not in ("relu", "leaky_relu"):
            raise UndecidedError(f"layer {layer.index} has a kink that is no ReLU's")
        below = dict(activation.parameters).get("slope", Fraction(0))
        return self.domain.number(Fraction(1) if side > 0 else below)

    def _zeros_like(self, W: np.ndarray, b: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        zeros = np.full(W.shape, self.zero, dtype=object)
        return zeros, None if b is None else np.full(b.shape, self.zero, dtype=object)

    def unit_gradient(self, kink: Kink) -> np.ndarray:
        """The gradient of a unit's pre-activation at one sample by all parameters, flat."""
        found: list[tuple[np.ndarray, np.ndarray | None] | None] = []
        D: list[np.ndarray | None] = [None] * (len(self.layers) + 1)
        D[kink.layer] = np.full(self.F[kink.layer].shape, self.zero, dtype=object)
        D[kink.layer][kink.sample, kink.unit] = self.domain.number(Fraction(1))  # type: ignore[index]
        for layer in reversed(self.layers):
            k, entry, mine = layer.index, self.point[layer.index - 1], D[layer.index]
            if mine is None:
                found.append(None if entry is None else self._zeros_like(*entry))
                continue
            if layer.kind == "maxpool":
                self._unpool(layer, mine, D, record=False)
                found.append(None)
                continue
            first = self._known(self.first[k], layer)
            Delta = mine if k == kink.layer else mine * first
            if entry is not None:
                below = self._gathered(layer, self.F[layer.sources[0]])
                found.append(self._parameters(layer, below, Delta))
            else:
                found.append(None)
            self._give(D, layer, Delta, None if entry is None else entry[0])
        return flatten(tuple(reversed(found)))

    @staticmethod
    def _known(array: np.ndarray | None, layer: Layer) -> np.ndarray:
        if array is None:
            raise MisuseError("layer", "a layer with pre-activations", f"{layer.kind} layer {layer.index}")
        return array

    def _backward(self) -> None:
        self.D: list[np.ndarray | None] = [None] * (len(self.layers) + 1)  # dPhi / dF_l
        self.Delta: list[np.ndarray | None] = [None] * (len(self.layers) + 1)  # dPhi / dG_l
        gradient: list[tuple[np.ndarray, np.ndarray | None] | None] = []
        self.D[-1] = self.residual
        for layer in reversed(self.layers):
            k, D, entry = layer.index, self.D[layer.index], self.point[layer.index - 1]
            if D is None:  # nothing above reads it
                D = self.D[k] = np.full(self.F[k].shape, self.zero, dtype=object)
            if layer.kind == "maxpool":
                self._unpool(layer, D, self.D, record=True)
                gradient.append(None)
                continue
            Delta = self._times_slope(k, D, self._known(self.first[k], layer))
            self.Delta[k] = Delta
            if entry is not None:
                gradient.append(
                    self._parameters(layer, self._gathered(layer, self.F[layer.sources[0]]), Delta)
                )
            else:
                gradient.append(None)
            self._give(self.D, layer, Delta, None if entry is None else entry[0])
        self.gradient: tuple[tuple[np.ndarray, np.ndarray | None] | None, ...] = tuple(reversed(gradient))

    def _times_slope(self, k: int, D: np.ndarray, first: np.ndarray) -> np.ndarray:
        Delta = np.empty(D.shape, dtype=object)
        for (i, h), d in np.ndenumerate(D):
            if first[i, h] is not None:
                Delta[i, h] = d * first[i, h]
                continue
            Delta[i, h] = self.zero
            if not _is_zero(d):
                self.kinks.append(Kink(k, i, h))
        return Delta

    def _unpool(self, layer: Layer, D: np.ndarray, into: list[np.ndarray | None], *, record: bool) -> None:
        """Adds to the layer below a pooling what each maximum gives back."""
        (source,) = layer.sources
        below = np.full((D.shape[0], layer.below.size), self.zero, dtype=object)
        choices = self.choice[layer.index]
        if choices is None:
            raise MisuseError("layer", "a pooling layer", layer.kind)
        for (i, p), d in np.ndenumerate(D):
            places = choices[i][p]
            if len(places) > 1 and record and not _is_zero(d) and not self._flat_tie(layer, i, places):
                self.kinks.append(Kink(layer.index, i, p))
            below[i, places[0]] = below[i, places[0]] + d
        if source:
            before = into[source]
            into[source] = below if before is None else before + below

    def _flat_tie(self, layer: Layer, sample: int, places: list[int]) -> bool:
        """Are the tied units data, or have all slope 0, as inactive ReLUs do?  Then their maximum has no kink."""
        (source,) = layer.sources
        first = self.first[source]
        if source == 0:
            return True
        return first is not None and all(v is not None and _is_zero(v) for v in first[sample, places])

    def _parameters(
        self, layer: Layer, x: np.ndarray, Delta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """(dW, db) from gathered inputs (N, P, l) and dPhi/dG (N, n_l)."""
        N, P, size = x.shape
        blocks = Delta.reshape(N * P, layer.filters)
        dW = _matmul(x.reshape(N * P, size).T, blocks)
        if layer.bias == "none":
            return dW, None
        summed = _column_sums(blocks if layer.bias == "filter" else Delta, self.zero)
        return dW, summed

    def _scattered(self, layer: Layer, Delta: np.ndarray, W: np.ndarray) -> np.ndarray:
        """Delta U^T: dPhi / dF_{l-1}."""
        N, P = Delta.shape[0], layer.patch_count
        back = _matmul(Delta.reshape(N * P, layer.filters), W.T).reshape(N, P, layer.patch_size)
        below = np.full((N, layer.below.size), self.zero, dtype=object)
        for p, patch in enumerate(layer.patches.indices.tolist()):
            for r, unit in enumerate(patch):
                if unit < layer.patches.neurons:
                    below[:, unit] = below[:, unit] + back[:, p, r]
        return below

    def lifted_gradient(self, k: int) -> np.ndarray:
        """grad_{U_k} Phi = F^T Delta_k, F of the layer below, (n_below, n_k)."""
        layer = self.layers[k - 1]
        return _matmul(self.F[layer.sources[0]].T, self._known(self.Delta[k], layer))

    def flat_gradient(self) -> np.ndarray:
        """All partial derivatives in the order of the parameters."""
        return flatten(self.gradient)

    @property
    def smooth(self) -> bool:
        """Is no unit at a kink and no pooling patch tied, whether the loss feels it or not?"""
        slopes = all(v is not None for first in self.first if first is not None for v in first.ravel())
        return slopes and not self.tied

    @property
    def tied(self) -> bool:
        """Has a pooling patch two maxima that are not data?"""
        return any(
            len(places) > 1
            for layer, rows in zip(self.layers, self.choice[1:], strict=True)
            if rows and layer.sources[0]
            for row in rows
            for places in row
        )

    def hessian_times(self, direction: Point) -> np.ndarray:
        """The Hessian times a direction (one (V_W, V_b) for each layer), flat.

        Raises UndecidedError at a kink or a tie.
        """
        if not self.smooth:
            raise UndecidedError("a unit is at a kink or a pooling patch has a tie: there is no Hessian")
        RF: list[np.ndarray] = [np.full(self.F[0].shape, self.zero, dtype=object)]
        RG: list[np.ndarray | None] = [None]
        for layer in self.layers:
            k, below = layer.index, [RF[source] for source in layer.sources]
            if layer.kind == "maxpool":
                choices = self.choice[k]
                if choices is None:
                    raise MisuseError("layer", "a pooling layer", layer.kind)
                out = np.empty((below[0].shape[0], layer.width), dtype=object)
                for i, p in np.ndindex(out.shape):
                    out[i, p] = below[0][i, choices[i][p][0]]
                RF.append(out)
                RG.append(None)
                continue
            if layer.affine:
                R = self._affine(
                    layer, self._gathered(layer, below[0]), self._entry(self.point, layer)[0], None
                )
                still = self._gathered(layer, self.F[layer.sources[0]])
                R = R + self._affine(layer, still, *self._entry(direction, layer))
            else:
                R = self._mixed(layer, below, shifted=False)
            RG.append(R)
            RF.append(R * self._known(self.first[k], layer))
        RD: list[np.ndarray | None] = [None] * (len(self.layers) + 1)
        RD[-1] = RF[-1]
        found: list[tuple[np.ndarray, np.ndarray | None] | None] = []
        for layer in reversed(self.layers):
            k, entry, along = layer.index, self.point[layer.index - 1], direction[layer.index - 1]
            mine = RD[k]
            if mine is None:
                mine = np.full(self.F[k].shape, self.zero, dtype=object)
            if layer.kind == "maxpool":
                self._unpool(layer, mine, RD, record=False)
                found.append(None)
                continue
            first, second, Delta, D, R = (
                self._known(each[k], layer) for each in (self.first, self.second, self.Delta, self.D, RG)
            )
            RDelta = mine * first + D * second * R
            if entry is None or along is None:
                found.append(None)
                self._give(RD, layer, RDelta, None)
                continue
            a = self._parameters(layer, self._gathered(layer, RF[layer.sources[0]]), Delta)
            b = self._parameters(layer, self._gathered(layer, self.F[layer.sources[0]]), RDelta)
            # The bias does not multiply an input: only b's part belongs to it.
            found.append((a[0] + b[0], b[1]))
            self._give(RD, layer, RDelta, entry[0])
            self._give(RD, layer, Delta, along[0])
        return flatten(tuple(reversed(found)))

    def hessian(self) -> np.ndarray:
        """The whole Hessian, (P, P), by P products."""
        count = int(self.flat_gradient().size)
        rows = []
        for j in range(count):
            flat = np.full(count, self.zero, dtype=object)
            flat[j] = self.domain.number(Fraction(1))
            rows.append(self.hessian_times(self.unflatten(flat)))
        return np.array(rows, dtype=object).reshape(count, count)

    def unflatten(self, flat: Sequence[Any] | np.ndarray) -> Point:
        """A flat vector of parameters as a point."""
        return unflatten(self.point, np.asarray(flat, dtype=object))


def flatten(parameters: Sequence[tuple[np.ndarray, np.ndarray | None] | None]) -> np.ndarray:
    """W row by row, then b, layer by layer."""
    parts = [
        array.ravel() for entry in parameters if entry is not None for array in entry if array is not None
    ]
    return np.concatenate([*parts, np.zeros(0, dtype=object)])


def unflatten(like: Point, flat: np.ndarray) -> Point:
    """The inverse of ``flatten`` for the shapes of ``like``."""
    listed: list[tuple[np.ndarray, np.ndarray | None] | None] = []
    at = 0
    for entry in like:
        if entry is None:
            listed.append(None)
            continue
        W = flat[at : at + entry[0].size].reshape(entry[0].shape)
        at += entry[0].size
        b = None
        if entry[1] is not None:
            b = flat[at : at + entry[1].size]
            at += entry[1].size
        listed.append((W, b))
    return tuple(listed)


def _matmul(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A @ B for object arrays (NumPy's own product starts from the integer 0, which is fine for all domains)."""
    if A.shape[1] == 0:
        return np.zeros((A.shape[0], B.shape[1]), dtype=object)
    product: np.ndarray = np.dot(A, B)
    return product


def _column_sums(A: np.ndarray, zero: Any) -> np.ndarray:
    total = np.full(A.shape[1], zero, dtype=object)
    for row in A:
        total = total + row
    return total


def _is_zero(number: Any) -> bool:
    """Certainly 0 (a ball that only contains 0 is not)."""
    return bool(number == 0)
