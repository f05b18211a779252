"""Floor 4a: the loss surface at a point: Phi = 1/2 ||F_L - Y||^2, its gradient and its Hessian, in any ``Domain``.

Second derivatives by differentiating the forward (``forward_pass``) and the backward pass (``pullback``) in a
direction (Pearlmutter's R operator).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.landscape.forward_pass import Kink, known
from exactcnn.landscape.parameters import Point, flatten, point_of, targets_of, unflatten
from exactcnn.landscape.pullback import Pullback

__all__ = ["Kink", "Point", "Surface", "flatten", "point_of", "targets_of", "unflatten"]


class Surface(Pullback):
    """The loss of ``instance``'s network and data at ``point``, evaluated once, forward and backward."""

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
            RF.append(R * known(self.first[k], layer))
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
                known(each[k], layer) for each in (self.first, self.second, self.Delta, self.D, RG)
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
