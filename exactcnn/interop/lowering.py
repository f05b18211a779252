"""Floor 6: the one list of layers that PyTorch modules and ONNX graphs are lowered to.

Conventions.  A front end calls one method for each operation it meets, with weights in PyTorch's
layout (filters (T, C/groups, *kernel), matrices (out, in)) as exact rationals.  ``units`` holds the
number of the unit behind each element of PyTorch's tensor (without the batch axis): the input is
numbered channel-major, everything above position-major (FORMAT.md 2.1), so flattening is a reshape of
``units``, and the columns of a dense layer are permuted by it.

What is not literally a layer of FORMAT.md is rewritten into an equal function and noted:
* a scale and shift (batch normalisation) directly behind a convolution or dense layer is folded into it;
  elsewhere it becomes a layer of its own, linear, with a diagonal matrix;
* a grouped convolution is the full convolution whose other weights are 0;
* a nondecreasing activation behind a max-pooling goes below it: max and sigma commute then.
Everything else is refused with MalformedError, naming the operation and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.exact_arrays import diagonal, plus, times
from exactcnn.interop.rounding import nearest_scale
from exactcnn.network.activations import Activation
from exactcnn.network.geometry import check_padding
from exactcnn.network.layers import Layer, Window
from exactcnn.network.network import Network, input_state
from exactcnn.network.spec import network_from_dict
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["Lowering", "require_chain"]

# Weights of one layer, those that are 0 by construction included.
_LARGEST_LAYER = 50_000_000
_MOST_LAYERS = 1000
_NONDECREASING = {
    "relu", "leaky_relu", "identity", "sigmoid", "tanh", "softplus", "elu", "arctan", "sigmoid2",
}  # fmt: skip
_IDENTITY = Activation.from_json("identity")


def require_chain(current: bool, where: str) -> None:
    """MalformedError unless the operation reads the result of the operation before it."""
    if not current:
        raise MalformedError(
            where,
            "a chain of layers, each reading only the one before (verify one branch at a time)",
            "branches (a skip connection, a sum or a concatenation)",
        )


@dataclass
class _Draft:
    """A layer still being written: ``activation`` None means none was met yet."""

    where: str
    layer: Layer
    W: RationalArray | None
    b: RationalArray | None
    bias: str
    activation: Activation | None = None

    @property
    def linear(self) -> bool:
        return self.W is not None and self.activation is None

    def to_spec(self) -> dict[str, Any]:
        record = dict(self.layer.to_json())
        if self.W is not None:
            record["activation"] = (self.activation or _IDENTITY).to_json()
            record["bias"] = self.bias
        return record


class Lowering:
    """Collects layers over an input of shape ``input_shape``, (d,) or (C, *extents), no batch axis."""

    def __init__(self, name: str, input_shape: tuple[int, ...]) -> None:
        self.name = name
        self.input_shape = input_shape
        self.state = input_state(input_shape)
        if self.state.size > _LARGEST_LAYER:
            raise MalformedError("input shape", f"at most {_LARGEST_LAYER} values", self.state.size)
        self.units = self.state.units().reshape(input_shape)
        self.version = 0
        self._drafts: list[_Draft] = []
        self._notes: list[str] = []
        self._weight_notes: list[str] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of PyTorch's tensor here, without the batch axis."""
        return self.units.shape

    def note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.append(sentence)

    # ------------------------------------------------------------------ layers with weights

    def convolution(
        self,
        where: str,
        weight: RationalArray,
        bias: RationalArray | None,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        groups: int = 1,
    ) -> None:
        """A convolution with zero padding; ``weight`` (T, C/groups, *kernel), ``bias`` (T,) or None."""
        if not 3 <= weight.ndim <= 5 or 0 in weight.shape:
            raise MalformedError(f"{where}.weight", "shape (filters, channels, 1 to 3 axes)", weight.shape)
        axes, T = weight.ndim - 2, weight.shape[0]
        self._require_image(where, axes)
        if groups < 1 or T % groups or weight.shape[1] * groups != self.state.channels:
            raise MalformedError(
                f"{where}.weight",
                f"filters over the {self.state.channels} channels of its input, in equal groups",
                f"shape {weight.shape} with {groups} groups",
            )
        if bias is not None and bias.shape != (T,):
            raise MalformedError(f"{where}.bias", f"shape {(T,)}", bias.shape)
        kernel = weight.shape[2:]
        self._require_size(where, T * self.state.channels * int(np.prod(kernel)))
        if groups > 1:
            weight = _ungrouped(weight, groups)
            self.note(
                f"{where}: its {groups} groups are verified as the full convolution whose other weights are 0, "
                "the same function; statements about almost all, some or no weights speak of the full "
                "convolution, and patches hold all channels."
            )
        W = weight.numerators.reshape(T, -1).T
        self._append(
            where, "conv", Window(kernel, stride, padding, dilation), T,
            RationalArray.from_integers(np.ascontiguousarray(W), weight.denominator),
            bias, "none" if bias is None else "filter",
        )  # fmt: skip

    def dense(self, where: str, weight: RationalArray, bias: RationalArray | None) -> None:
        """A fully connected layer; ``weight`` (out, in), columns in PyTorch's order; ``bias`` (out,) or None."""
        if len(self.shape) != 1:
            raise MalformedError(
                where, "a flat input (put Flatten before it)", f"an input of shape {self.shape}"
            )
        if weight.ndim != 2 or weight.shape[1] != self.units.size or 0 in weight.shape:
            raise MalformedError(f"{where}.weight", f"shape (out, {self.units.size})", weight.shape)
        out = weight.shape[0]
        if bias is not None and bias.shape != (out,):
            raise MalformedError(f"{where}.bias", f"shape {(out,)}", bias.shape)
        self._require_size(where, weight.numerators.size)
        W = np.empty((self.units.size, out), dtype=weight.numerators.dtype)
        W[self.units] = weight.numerators.T  # column j of PyTorch's matrix belongs to unit units[j]
        self._append(
            where, "dense", None, out, RationalArray.from_integers(W, weight.denominator),
            bias, "none" if bias is None else "unit",
        )  # fmt: skip

    # ------------------------------------------------------------------ everything without

    def maxpool(
        self,
        where: str,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        ceil: bool = False,
    ) -> None:
        """Max-pooling of each channel; padding is -infinity.  ``ceil``: round extents up, where it matters
        refused."""
        self._require_image(where, len(kernel))
        window = (self.state.extents, kernel, stride, padding, dilation)
        if ceil:
            rests = [(e + 2 * p - d * (k - 1) - 1) % s for e, k, s, p, d in zip(*window, strict=True)]
            if any(rests):
                raise MalformedError(
                    where, "ceil_mode off, or windows that fit (crop or pad the input)", "ceil_mode on"
                )
        self._append(where, "maxpool", Window(kernel, stride, padding, dilation), 1, None, None, "none")

    def flatten(self, where: str) -> None:
        """All axes but the batch become one, in PyTorch's order (row-major)."""
        self.units = self.units.reshape(-1)
        self.version += 1

    def activate(self, where: str, record: Any) -> None:
        """An activation by FORMAT.md's ACTIVATION; see the module's docstring for where it goes."""
        activation = Activation.from_json(record, where)
        self.version += 1
        if self._drafts and self._drafts[-1].linear:
            self._drafts[-1].activation = activation
            return
        below = next((d for d in reversed(self._drafts) if d.W is not None), None)
        if below is not None and below.linear and activation.name in _NONDECREASING:
            below.activation = activation
            self.note(
                f"{where}: {activation} stands behind a max-pooling and is verified before it, in layer "
                f"{below.layer.index}; it is nondecreasing, so the values behind the pooling are the same."
            )
            return
        self._elementwise(where, None, None)
        self._drafts[-1].activation = activation

    def batch_norm(
        self,
        where: str,
        gamma: RationalArray | None,
        beta: RationalArray | None,
        mean: RationalArray,
        variance: RationalArray,
        eps: Fraction,
    ) -> None:
        """gamma (z - mean) / sqrt(variance + eps) + beta, each of length C, with the scale rounded to float64.

        The shift beta - mean * scale is exact for that scale.
        """
        channels = self.shape[0]
        for label, array in (("weight", gamma), ("bias", beta), ("mean", mean), ("var", variance)):
            if array is not None and array.shape != (channels,):
                raise MalformedError(f"{where}.{label}", f"shape {(channels,)}", array.shape)
        gammas = [Fraction(1)] * channels if gamma is None else gamma.to_fractions()
        pairs = [
            nearest_scale(g, v + eps, f"{where}[{c}]")
            for c, (g, v) in enumerate(zip(gammas, variance.to_fractions(), strict=True))
        ]
        scale = RationalArray.from_fractions([value for value, _ in pairs], where)
        minus = RationalArray.from_integers([-1])
        shift = times(times(mean, scale), minus)
        if beta is not None:
            shift = plus(shift, beta)
        rounded = sum(not exact for _, exact in pairs)
        if rounded:
            self._weight_notes.append(
                f"{where}: {rounded} of its {channels} scales gamma/sqrt(var + eps) are irrational or longer than "
                "float64; the network verified is the one with the float64 nearest to each, all else exact."
            )
        self.affine(where, _aligned(scale, self.shape), _aligned(shift, self.shape))

    def affine(self, where: str, scale: RationalArray | None, shift: RationalArray | None) -> None:
        """scale * z + shift, each broadcast against the tensor as NumPy does, the batch axis at most 1."""
        scale, shift = (self._broadcast(where, array) for array in (scale, shift))
        draft = self._drafts[-1] if self._drafts else None
        self.version += 1
        if draft is not None and draft.linear and self._foldable(draft, scale):
            self._fold(draft, scale, shift)
        else:
            self._elementwise(where, scale, shift)

    def finish(self) -> tuple[Network, Weights, tuple[str, ...], tuple[str, ...]]:
        """The network, its weights, notes on the network and notes on the weights."""
        if not self._drafts:
            raise MalformedError(self.name, "at least one layer", "none")
        network = network_from_dict(
            {
                "name": self.name,
                "input": list(self.input_shape),
                "layers": [draft.to_spec() for draft in self._drafts],
            }
        )
        entries = [None if d.W is None else LayerWeights(d.W, d.b) for d in self._drafts]
        weights = Weights.from_layers(network, entries)
        return network, weights, tuple(self._notes), tuple(self._weight_notes)

    # ------------------------------------------------------------------ helpers

    def _require_image(self, where: str, axes: int) -> None:
        if self.shape != (self.state.channels, *self.state.extents) or len(self.shape) != axes + 1:
            raise MalformedError(
                where,
                f"an input of channels and {axes} axes, not flattened",
                f"an input of shape {self.shape}",
            )

    def _require_size(self, where: str, size: int) -> None:
        if size > _LARGEST_LAYER:
            raise MalformedError(where, f"at most {_LARGEST_LAYER} weights, those that are 0 included", size)

    def _append(
        self,
        where: str,
        kind: str,
        reads: Window | None,
        filters: int,
        W: RationalArray | None,
        b: RationalArray | None,
        bias: str,
    ) -> None:
        if len(self._drafts) >= _MOST_LAYERS:
            raise MalformedError(where, f"at most {_MOST_LAYERS} layers", "more")
        activation = None if W is None else _IDENTITY
        if (
            reads is not None
            and min((*reads.kernel, *reads.stride, *reads.dilation, *(p + 1 for p in reads.padding))) < 1
        ):
            raise MalformedError(
                where, "positive kernels, strides and dilations, and padding of at least 0", reads
            )
        layer = Layer(len(self._drafts) + 1, kind, self.state, reads, filters, activation, bias)
        try:
            above = layer.above
            if isinstance(reads, Window):
                check_padding(self.state, reads.kernel, reads.stride, reads.padding, reads.dilation, where)
        except MalformedError as error:
            field = error.field.replace(layer.field, where)
            raise MalformedError(field, error.expected, error.found) from None
        if max(above.size, layer.patch_count * layer.patch_size) > 4 * _LARGEST_LAYER:
            raise MalformedError(
                where,
                f"at most {4 * _LARGEST_LAYER} units and patch entries",
                layer.patch_count * layer.patch_size,
            )
        self._drafts.append(_Draft(where, layer, W, b, bias))
        self.state = above
        units = above.units()
        self.units = units.reshape(-1) if kind == "dense" else units
        self.version += 1

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

    def _foldable(self, draft: _Draft, scale: RationalArray | None) -> bool:
        """Is the scale one number for each filter?"""
        if scale is None or scale.numerators.size == 1:
            return True
        flat_units = draft.layer.kind == "dense"
        image = len(self.shape) > 1 and scale.shape[1:] == (1,) * (len(self.shape) - 1)
        return flat_units or image

    def _fold(self, draft: _Draft, scale: RationalArray | None, shift: RationalArray | None) -> None:
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

    def _elementwise(self, where: str, scale: RationalArray | None, shift: RationalArray | None) -> None:
        """A linear layer of its own: every unit times a number, plus a number.

        One number for each channel is a 1 x 1 convolution with a diagonal matrix; one for each element
        of a flat tensor a dense layer with a diagonal matrix.
        """
        shape, C, axes = self.shape, self.state.channels, len(self.state.extents)
        uniform = scale is None or scale.numerators.size == 1
        per_channel = uniform or (len(shape) > 1 and all(n == 1 for n in scale.shape[1:]))  # type: ignore[union-attr]
        if per_channel:
            self._require_size(where, C * C)
            entries = RationalArray.from_integers([1]) if scale is None else scale.reshape(-1)
            ones = (1,) * axes
            self._append(
                where, "conv", Window(ones, ones, (0,) * axes, ones), C, diagonal(entries, C), None, "none"
            )
            self.units = self.units.reshape(shape)
            what = "a 1 x 1 convolution"
        elif len(shape) == 1:
            assert scale is not None
            self._require_size(where, shape[0] ** 2)
            order = self.units
            matrix = diagonal(scale, shape[0])
            W = np.empty_like(matrix.numerators)
            W[order] = matrix.numerators
            self._append(
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
        draft = self._drafts[-1]
        if shift is not None:
            draft.b, draft.bias = self._bias(shift, draft.layer)
        self.note(
            f"{where} is not directly behind a convolution or dense layer, so it is verified as a layer of its own, "
            f"layer {draft.layer.index}: {what} with a diagonal matrix; statements about almost all, some or no "
            "weights speak of all matrices there."
        )


def _aligned(vector: RationalArray, shape: tuple[int, ...]) -> RationalArray:
    """(C,) as (C, 1, .., 1), to be broadcast against ``shape``."""
    return vector.reshape(-1, *(1,) * (len(shape) - 1))


def _placed(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """values[e] at units[e], for every element e."""
    row = np.empty(units.size, dtype=values.dtype)
    row[units.reshape(-1)] = values.reshape(-1)
    return row


def _tiled(vector: RationalArray, positions: int) -> RationalArray:
    """A bias per filter written per unit, h = p T + t."""
    return RationalArray.from_integers(np.tile(vector.numerators, positions), vector.denominator)


def _ungrouped(weight: RationalArray, groups: int) -> RationalArray:
    """(T, C/groups, *kernel) as (T, C, *kernel), filled with zeros."""
    T, inner = weight.shape[:2]
    full = np.zeros((T, inner * groups, *weight.shape[2:]), dtype=weight.numerators.dtype)
    for group in range(groups):
        rows = slice(group * T // groups, (group + 1) * T // groups)
        full[rows, group * inner : (group + 1) * inner] = weight.numerators[rows]
    return RationalArray.from_integers(full, weight.denominator)
