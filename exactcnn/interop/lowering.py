"""Floor 6: the one graph of layers that PyTorch modules and ONNX graphs are lowered to.

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

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.affine import AffineChain
from exactcnn.interop.chain import Flow
from exactcnn.interop.exact_arrays import magnitude, plus, times
from exactcnn.interop.rounding import nearest_scale
from exactcnn.network.geometry import Padding, sides
from exactcnn.network.layers import Window

__all__ = ["Lowering"]

_NONDECREASING = {
    "relu", "leaky_relu", "identity", "sigmoid", "tanh", "softplus", "elu", "arctan", "sigmoid2",
}  # fmt: skip


class Lowering(AffineChain):
    """The operations of PyTorch and ONNX as layers, each by one method."""

    def convolution(
        self,
        where: str,
        weight: RationalArray,
        bias: RationalArray | None,
        stride: tuple[int, ...],
        padding: Padding,
        dilation: tuple[int, ...],
        groups: int = 1,
    ) -> None:
        """A convolution with zero padding; ``weight`` (T, C/groups, *kernel), ``bias`` (T,) or None."""
        if not 3 <= weight.ndim <= 5 or 0 in weight.shape:
            raise MalformedError(f"{where}.weight", "shape (filters, channels, 1 to 3 axes)", weight.shape)
        axes, T = weight.ndim - 2, weight.shape[0]
        self.require_image(where, axes)
        if groups < 1 or T % groups or weight.shape[1] * groups != self.state.channels:
            raise MalformedError(
                f"{where}.weight",
                f"filters over the {self.state.channels} channels of its input, in equal groups",
                f"shape {weight.shape} with {groups} groups",
            )
        if bias is not None and bias.shape != (T,):
            raise MalformedError(f"{where}.bias", f"shape {(T,)}", bias.shape)
        kernel = weight.shape[2:]
        self.require_size(where, T * self.state.channels * int(np.prod(kernel)))
        if groups > 1:
            weight = _ungrouped(weight, groups)
            self.note(
                f"{where}: its {groups} groups are verified as the full convolution whose other weights are 0, "
                "the same function; statements about almost all, some or no weights speak of the full "
                "convolution, and patches hold all channels."
            )
        W = weight.numerators.reshape(T, -1).T
        self.append(
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
        self.require_size(where, weight.numerators.size)
        W = np.empty((self.units.size, out), dtype=weight.numerators.dtype)
        W[self.units] = weight.numerators.T  # column j of PyTorch's matrix belongs to unit units[j]
        self.append(
            where, "dense", None, out, RationalArray.from_integers(W, weight.denominator),
            bias, "none" if bias is None else "unit",
        )  # fmt: skip

    def maxpool(
        self,
        where: str,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        padding: Padding,
        dilation: tuple[int, ...],
        ceil: bool = False,
    ) -> None:
        """Max-pooling of each channel; padding is -infinity.  ``ceil``: a last window may stand over the edge."""
        self.require_image(where, len(kernel))
        if ceil:
            padding = self._over_the_edge(kernel, stride, padding, dilation)
        self.append(where, "maxpool", Window(kernel, stride, padding, dilation), 1, None, None, "none")

    def avgpool(
        self,
        where: str,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        padding: Padding,
        ceil: bool,
        count_padding: bool,
    ) -> None:
        """Average-pooling of each channel; ``count_padding``: are zeros of the padding counted?

        ``ceil``: a last window may stand over the edge; what lies beyond the padding is never counted."""
        self.require_image(where, len(kernel))
        ones = (1,) * len(kernel)
        counted = count_padding and any(map(any, sides(padding)))
        if ceil:
            wider = self._over_the_edge(kernel, stride, padding, ones)
            if wider != padding and counted:
                raise MalformedError(
                    where, "ceil_mode off, no padding, or padding that is not counted", "all three"
                )
            counted = counted or (count_padding and wider == padding)
            padding = wider
        else:
            counted = count_padding or not any(map(any, sides(padding)))
        self.append(
            where,
            "avgpool",
            Window(kernel, stride, padding, ones),
            1,
            None,
            None,
            "none",
            count_padding=counted,
        )

    def _over_the_edge(
        self, kernel: tuple[int, ...], stride: tuple[int, ...], padding: Padding, dilation: tuple[int, ...]
    ) -> Padding:
        """The padding with which a last window that starts before the end of the image fits."""
        pairs: list[tuple[int, int]] = []
        for e, k, s, (before, after), d in zip(
            self.state.extents, kernel, stride, sides(padding), dilation, strict=True
        ):
            span = d * (k - 1) + 1
            last = -(-(e + before + after - span) // s)
            if last * s >= e + before:
                last -= 1
            pairs.append((before, max(after, last * s + span - e - before)))
        return tuple(before if before == after else (before, after) for before, after in pairs)

    def adaptive_avgpool(self, where: str, sizes: tuple[int | None, ...]) -> None:
        """To so many positions (None: as they are), which must divide the extents."""
        self.require_image(where, len(sizes))
        extents = self.state.extents
        wanted = [e if o is None else o for e, o in zip(extents, sizes, strict=True)]
        if any(o < 1 or e % o for e, o in zip(extents, wanted, strict=True)):
            raise MalformedError(where, f"output sizes that divide the extents {extents}", tuple(wanted))
        kernel = tuple(e // o for e, o in zip(extents, wanted, strict=True))
        if any(k > 1 for k in kernel):
            self.avgpool(where, kernel, kernel, (0,) * len(kernel), False, True)

    def mean(self, where: str, axes: tuple[int, ...], keep: bool) -> None:
        """The mean over all extents of an image, axes counted with the batch."""
        n = len(self.state.extents)
        self.require_image(where, n)
        if sorted(axis % (n + 2) for axis in axes) != list(range(2, n + 2)):
            raise MalformedError(where, f"the mean over all extents, axes {tuple(range(2, n + 2))}", axes)
        self.adaptive_avgpool(where, (1,) * n)
        if not keep:
            self.units = self.units.reshape(self.state.channels)

    def add(self, where: str, flows: Sequence[Flow]) -> None:
        """The sum of tensors of one shape."""
        flows = self._alike(where, flows)
        first = flows[0]
        for flow in flows[1:]:
            if flow.units.shape != first.units.shape or not np.array_equal(flow.units, first.units):
                raise MalformedError(
                    where, f"tensors of one shape {first.units.shape}, without the batch", flow.units.shape
                )
        self.append(where, "add", None, 1, None, None, "none", tuple(flows))
        self.units = first.units

    def subtract(self, where: str, first: Flow, second: Flow) -> None:
        """first - second: a sum with the second's negative."""
        self.go(second)
        if first.at == second.at:
            self.flow(shared=True)  # x - f(x) of one layer: its sign must not be changed below the first
        self.affine(f"{where} (its sign)", RationalArray.from_integers([-1]), None)
        self.add(where, [first, self.flow()])

    def transpose(self, where: str, axes: Sequence[int]) -> None:
        """The axes in another order, counted with the batch, which stays the first."""
        if sorted(axes) != list(range(len(self.shape) + 1)) or axes[0] != 0:
            raise MalformedError(where, "a transposition that keeps the batch first", list(axes))
        self.units = self.units.transpose([n - 1 for n in axes[1:]])

    def concatenate(self, where: str, flows: Sequence[Flow], axis: int) -> None:
        """Along the channels, or of flat tensors."""
        if len(flows) == 1:
            self.go(flows[0])
            return
        flows = self._alike(where, flows)
        axes = {flow.units.ndim for flow in flows}
        if len(axes) > 1 or axis not in (1, -next(iter(axes))):
            raise MalformedError(where, "tensors along axis 1, the channels", f"axis {axis}")
        if axes == {1}:
            starts = np.cumsum([0, *(flow.state.size for flow in flows)])
            units = np.concatenate([flow.units + start for flow, start in zip(flows, starts, strict=False)])
            self.append(where, "concat", None, 1, None, None, "none", tuple(flows), axis="units")
            self.units = units
            return
        for flow in flows:
            natural = flow.state.units()
            whole = flow.units.shape == natural.shape and np.array_equal(flow.units, natural)
            if not whole or natural.shape[1:] != flows[0].state.extents:
                raise MalformedError(where, f"images of extents {flows[0].state.extents}", flow.units.shape)
        self.append(where, "concat", None, 1, None, None, "none", tuple(flows))

    def _alike(self, where: str, flows: Sequence[Flow]) -> list[Flow]:
        """The input, numbered by channels, is copied by a 1 x 1 average where other tensors stand beside it."""
        found = list(flows)
        for n, flow in enumerate(found):
            if flow.state.channel_major:
                self.go(flow)
                ones = (1,) * len(flow.state.extents)
                window = Window(ones, ones, (0,) * len(ones), ones)
                self.append(f"{where} (its input)", "avgpool", window, 1, None, None, "none")
                found[n] = Flow(self.at, self.state, self.state.units().reshape(-1)[flow.units])
        return found

    def flatten(self, where: str) -> None:
        """All axes but the batch become one, in PyTorch's order (row-major)."""
        self.reshape(where, (self.units.size,))

    def reshape(self, where: str, shape: tuple[int, ...]) -> None:
        """Flat, or channels and extents again as they were; MalformedError for any other shape."""
        image = (self.state.channels, *self.state.extents)
        if shape not in (self.shape, (self.units.size,), image):
            raise MalformedError(
                where,
                f"a reshape to (batch, {self.units.size}) or (batch, {', '.join(map(str, image))}) (give the input in "
                "the shape that the first layer needs)",
                f"shape {shape} of a tensor {self.shape}, without the batch",
            )
        self.units = self.units.reshape(shape)

    def activate(self, where: str, record: Any) -> None:
        """An activation by FORMAT.md's ACTIVATION; see the module's docstring for where it goes."""
        activation = Activation.from_json(record, where)
        here = below = self.below
        if here is not None and here.open:
            here.activation = activation
            return
        while below is not None and below.layer.kind == "maxpool" and not below.shared:
            (source,) = below.layer.sources
            below = self.drafts[source - 1] if source else None
        if below is not here and below is not None and below.linear and activation.name in _NONDECREASING:
            below.activation = activation
            self.note(
                f"{where}: {activation} stands behind a max-pooling and is verified before it, in layer "
                f"{below.layer.index}; it is nondecreasing, so the values behind the pooling are the same."
            )
            return
        if here is not None and (here.shared or here.layer.kind not in ("maxpool", "conv", "dense")):
            units = self.units
            self.append(where, "activation", None, 1, None, None, "none")
            self.units = units
        else:
            self.elementwise(where, None, None)
        self.drafts[self.at - 1].activation = activation

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
            self.weight_notes.append(
                f"{where}: {rounded} of its {channels} scales gamma/sqrt(var + eps) are irrational or longer than "
                "float64; the network verified is the one with the float64 nearest to each, all else exact."
            )
        load = magnitude(beta) + magnitude(times(mean, scale))
        self.affine(where, _aligned(scale, self.shape), _aligned(shift, self.shape), load)


def _aligned(vector: RationalArray, shape: tuple[int, ...]) -> RationalArray:
    """(C,) as (C, 1, .., 1), to be broadcast against ``shape``."""
    return vector.reshape(-1, *(1,) * (len(shape) - 1))


def _ungrouped(weight: RationalArray, groups: int) -> RationalArray:
    """(T, C/groups, *kernel) as (T, C, *kernel), filled with zeros."""
    T, inner = weight.shape[:2]
    full = np.zeros((T, inner * groups, *weight.shape[2:]), dtype=weight.numerators.dtype)
    for group in range(groups):
        rows = slice(group * T // groups, (group + 1) * T // groups)
        full[rows, group * inner : (group + 1) * inner] = weight.numerators[rows]
    return RationalArray.from_integers(full, weight.denominator)
