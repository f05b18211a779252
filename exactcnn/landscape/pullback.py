"""Floor 4a: the gradient of Phi = 1/2 ||F_L - Y||^2, pulled back through a forward pass, in any ``Domain``.

Backward formulas (theory 2.11): Delta_L = F_L - Y (times sigma_L'), Delta_l = (Delta_{l+1} U_{l+1}^T)
o sigma_l'(G_l), grad_{U_l} = F_{l-1}^T Delta_l, grad_{b_l} = Delta_l^T 1, grad_W = the adjoint of M
applied to grad_U; all sums over patches here, so that U is never formed.

A *kink* is a unit at which sigma has no derivative, or a pooling patch with two maxima (unless they are data, or all
of them have slope 0, as inactive ReLUs do).  It does no harm where dPhi/df of the unit is 0: every one-sided derivative is 0 there.
Other kinks are listed, and the gradient is then not claimed.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.errors import MisuseError
from exactcnn.landscape.forward_pass import ForwardPass, Kink, known, matmul
from exactcnn.landscape.parameters import flatten
from exactcnn.network.layers import Layer

__all__ = ["Pullback"]


class Pullback(ForwardPass):
    """The forward pass and the gradient.

    ``gradient``: one (dW, db) for each layer, of the shapes of the parameters (None for pooling).
    ``kinks``: where it may not exist.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._backward()

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
            first = known(self.first[k], layer)
            Delta = mine if k == kink.layer else mine * first
            if entry is not None:
                below = self._gathered(layer, self.F[layer.sources[0]])
                found.append(self._parameters(layer, below, Delta))
            else:
                found.append(None)
            self._give(D, layer, Delta, None if entry is None else entry[0])
        return flatten(tuple(reversed(found)))

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
            Delta = self._times_slope(k, D, known(self.first[k], layer))
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
        dW = matmul(x.reshape(N * P, size).T, blocks)
        if layer.bias == "none":
            return dW, None
        summed = _column_sums(blocks if layer.bias == "filter" else Delta, self.zero)
        return dW, summed

    def _scattered(self, layer: Layer, Delta: np.ndarray, W: np.ndarray) -> np.ndarray:
        """Delta U^T: dPhi / dF_{l-1}."""
        N, P = Delta.shape[0], layer.patch_count
        back = matmul(Delta.reshape(N * P, layer.filters), W.T).reshape(N, P, layer.patch_size)
        below = np.full((N, layer.below.size), self.zero, dtype=object)
        for p, patch in enumerate(layer.patches.indices.tolist()):
            for r, unit in enumerate(patch):
                if unit < layer.patches.neurons:
                    below[:, unit] = below[:, unit] + back[:, p, r]
        return below

    def lifted_gradient(self, k: int) -> np.ndarray:
        """grad_{U_k} Phi = F^T Delta_k, F of the layer below, (n_below, n_k)."""
        layer = self.layers[k - 1]
        return matmul(self.F[layer.sources[0]].T, known(self.Delta[k], layer))

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


def _column_sums(A: np.ndarray, zero: Any) -> np.ndarray:
    total = np.full(A.shape[1], zero, dtype=object)
    for row in A:
        total = total + row
    return total


def _is_zero(number: Any) -> bool:
    """Certainly 0 (a ball that only contains 0 is not)."""
    return bool(number == 0)
