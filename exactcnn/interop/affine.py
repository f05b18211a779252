"""Floor 6: scales and shifts.

Directly behind a convolution or dense layer they are folded into its weights, exactly; behind a fixed map of a
graph (a sum, a concatenation, an average) or a tensor that is read elsewhere too they are a ``scale``; elsewhere
they become a layer of their own, linear, with a diagonal matrix, and that is noted.  So does an
activation that stands where no weights are.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Chain, Draft
from exactcnn.interop.exact_arrays import diagonal, magnitude, plus, times
from exactcnn.network.layers import Layer, Window

__all__ = ["AffineChain"]


class AffineChain(Chain):
    """A chain that knows z -> scale * z + shift."""

    def affine(
        self, where: str, scale: RationalArray | None, shift: RationalArray | None, load: float | None = None
    ) -> None:
        """scale * z + shift, each broadcast against the tensor as NumPy does, the batch axis at most 1.

        ``load``: the size of the terms of which a program makes the shift, if there are several."""
        load = magnitude(shift) if load is None else load
        scale, shift = (self._broadcast(where, array) for array in (scale, shift))
        several = any(each is not None and each.numerators.size > 1 for each in (scale, shift))
        if several and len(self.shape) > 1 and not self.natural:
            raise MalformedError(
                where, "one number, or an image with its channels first", f"shape {self.shape}"
            )
        draft = self.below
        fixed = draft is not None and (draft.shared or (draft.W is None and draft.layer.kind != "maxpool"))
        if fixed and len(self.shape) > 1 and all(_by_channel(each) for each in (scale, shift)):
            C, units = self.state.channels, self.units
            factors, shifts = (
                (Fraction(default),) * C if each is None else tuple(_spread(each, C).to_fractions())
                for each, default in ((scale, 1), (shift, 0))
            )
            self.append(where, "scale", None, 1, None, None, "none", fixed=(factors, shifts))
            self.units = units  # a scale keeps the numbers of the units
            self.drafts[self.at - 1].load += load
        elif draft is not None and draft.linear and self._foldable(draft, scale):
            self._fold(draft, scale, shift)
            draft.load = draft.load * (1.0 if scale is None else magnitude(scale)) + load
            draft.steps += 1
        else:
            self.elementwise(where, scale, shift)
            self.drafts[self.at - 1].load += load

    def _broadcast(self, where: str, array: RationalArray | None) -> RationalArray | None:
        """With as many axes as the tensor, each 1 or the tensor's."""
        if array is None:
            return None
        shape = array.shape
        if len(shape) == len(self.shape) + 1 and shape[0] == 1:
            shape = shape[1:]
        padded = (1,) * (len(self.shape) - len(shape)) + shape
        if len(padded) != len(self.shape) or any(
            a not in (1, n) for a, n in zip(padded, self.shape, strict=True)
        ):
            raise MalformedError(
                where, f"a constant that fits a tensor of shape {self.shape}", f"shape {array.shape}"
            )
        return array.reshape(*padded)

    def _foldable(self, draft: Draft, scale: RationalArray | None) -> bool:
        """Is the scale one number for each filter?"""
        if scale is None or scale.numerators.size == 1:
            return True
        flat_units = draft.layer.kind == "dense"
        image = len(self.shape) > 1 and scale.shape[1:] == (1,) * (len(self.shape) - 1)
        return flat_units or image

    def _fold(self, draft: Draft, scale: RationalArray | None, shift: RationalArray | None) -> None:
        T = draft.layer.filters
        assert draft.W is not None
        if scale is not None:
            row = scale.reshape(-1)  # (T,) or (1,)
            draft.W = times(draft.W, row)
            if draft.b is not None:
                tiled = row
                if row.shape != (1,) and draft.b.shape != row.shape:  # per unit h = p T + t
                    tiled = RationalArray.from_integers(
                        np.tile(row.numerators, draft.b.shape[0] // T), row.denominator
                    )
                draft.b = times(draft.b, tiled)
        if shift is None:
            return
        values, bias = self._bias(shift, draft.layer)
        if draft.b is not None:
            if bias == "unit" and draft.bias == "filter":
                draft.b = _tiled(draft.b, draft.layer.patch_count)
            elif bias == "filter" and draft.bias == "unit":
                values, bias = _tiled(values, draft.layer.patch_count), "unit"
            values = plus(draft.b, values)
        draft.b, draft.bias = values, bias

    def _bias(self, shift: RationalArray, layer: Layer) -> tuple[RationalArray, str]:
        """A shift of PyTorch's shape as a bias per filter if it is one, else per unit."""
        T = layer.filters
        full = np.broadcast_to(shift.numerators, self.shape)
        if layer.kind == "dense" or (len(self.shape) == 1 and layer.width == T):
            return RationalArray.from_integers(_placed(full, self.units), shift.denominator), "unit"
        per_filter = shift.numerators.size == 1 or (
            len(self.shape) > 1 and all(n == 1 for n in shift.shape[1:])
        )
        if per_filter:
            row = np.broadcast_to(shift.numerators.reshape(-1), (T,)).copy()
            return RationalArray.from_integers(row, shift.denominator), "filter"
        return RationalArray.from_integers(_placed(full, self.units), shift.denominator), "unit"

    def elementwise(self, where: str, scale: RationalArray | None, shift: RationalArray | None) -> None:
        """A linear layer of its own: every unit times a number, plus a number.

        One number for each channel is a 1 x 1 convolution with a diagonal matrix; one for each element
        of a flat tensor a dense layer with a diagonal matrix.
        """
        shape, C, axes, here = self.shape, self.state.channels, len(self.state.extents), self.flow()
        uniform = scale is None or scale.numerators.size == 1
        per_channel = uniform or (len(shape) > 1 and all(n == 1 for n in scale.shape[1:]))  # type: ignore[union-attr]
        if per_channel:
            self.require_size(where, C * C)
            entries = RationalArray.from_integers([1]) if scale is None else scale.reshape(-1)
            ones = (1,) * axes
            self.append(
                where, "conv", Window(ones, ones, (0,) * axes, ones), C, diagonal(entries, C), None, "none"
            )
            # Position by position as before, or no longer channel by channel; in whatever order the tensor has them.
            self.units = (
                self.state.units().reshape(-1)[here.units] if here.state.channel_major else here.units
            )
            what = "a 1 x 1 convolution"
        elif len(shape) == 1:
            assert scale is not None
            self.require_size(where, shape[0] ** 2)
            order = self.units
            matrix = diagonal(scale, shape[0])
            W = np.empty_like(matrix.numerators)
            W[order] = matrix.numerators
            self.append(
                where,
                "dense",
                None,
                shape[0],
                RationalArray.from_integers(W, matrix.denominator),
                None,
                "none",
            )
            what = "a dense layer"
        else:
            raise MalformedError(where, "one scale for each channel", f"a scale of shape {scale.shape}")  # type: ignore[union-attr]
        draft = self.drafts[-1]
        if shift is not None:
            draft.b, draft.bias = self._bias(shift, draft.layer)
        self.note(
            f"{where} is not directly behind a convolution or dense layer, so it is verified as a layer of its own, "
            f"layer {draft.layer.index}: {what} with a diagonal matrix; statements about almost all, some or no "
            "weights speak of all matrices there."
        )


def _by_channel(array: RationalArray | None) -> bool:
    """One number for each channel, or for all?"""
    return array is None or all(n == 1 for n in array.shape[1:])


def _spread(array: RationalArray, channels: int) -> RationalArray:
    numerators = np.broadcast_to(array.numerators.reshape(-1), (channels,)).copy()
    return RationalArray.from_integers(numerators, array.denominator)


def _placed(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """values[e] at units[e], for every element e."""
    row = np.empty(units.size, dtype=values.dtype)
    row[units.reshape(-1)] = values.reshape(-1)
    return row


def _tiled(vector: RationalArray, positions: int) -> RationalArray:
    """A bias per filter written per unit, h = p T + t."""
    return RationalArray.from_integers(np.tile(vector.numerators, positions), vector.denominator)
