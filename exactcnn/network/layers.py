"""Floor 2: one layer, declared and resolved: a node of the network's graph.

A ``Layer`` knows the states it reads and the state above; its patches are built when first
asked for, because ImageNet-sized layers are often only counted.  *Affine* layers (conv, dense) have
weights; ``maxpool`` takes maxima; the others are fixed linear maps (*mixtures*): avgpool, add, concat,
scale (batch normalisation in evaluation mode), and ``activation``, which is none but for its sigma.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm, prod
from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.arithmetic.integers import narrow
from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import MisuseError
from exactcnn.network.geometry import (
    Padding,
    Patches,
    State,
    explicit_patches,
    grid_extents,
    grid_patches,
    sides,
)

__all__ = ["BIASES", "MIXTURES", "Layer", "Mixture", "Window"]

BIASES = ("unit", "filter", "none")
MIXTURES = ("avgpool", "add", "concat", "scale", "activation")


@dataclass(frozen=True)
class Window:
    """A sliding window: one entry per axis of the layer below; an entry of ``padding`` is a pair only where the two
    sides differ."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "kernel": list(self.kernel),
            "stride": list(self.stride),
            "padding": [pad if isinstance(pad, int) else list(pad) for pad in self.padding],
            "dilation": list(self.dilation),
        }


@dataclass(frozen=True, eq=False)
class Mixture:
    """Unit h is (sum_j coefficients[h, j] u_j + shifts[h]) / denominator, u_j unit ``indices[h, j]`` of all sources
    in a row; coefficients and shifts are integers, shapes (n, r) and (n,).  Missing terms have coefficient 0."""

    indices: np.ndarray
    coefficients: np.ndarray
    shifts: np.ndarray
    denominator: int


@dataclass(frozen=True)
class Layer:
    """Layer ``index`` (1..L): ``kind`` is ``"conv"``, ``"dense"``, ``"maxpool"`` or one of MIXTURES.

    ``reads`` is a Window, a tuple of explicit patches, or None (dense).  ``filters`` is T
    (a dense layer's units; 1 without weights).  ``activation`` is None for maxpool and where a mixture has none.
    ``of``: the layers read (0: the input), empty for the one before; ``below`` is the state of the first of them,
    ``beside`` those of the others.  ``key`` is this layer's number among those with weights or pooling, from which
    seeded weights are drawn (None: its index).  ``fixed``: factors and shifts by channel of a scale.
    """

    index: int
    kind: str
    below: State
    reads: Window | tuple[tuple[int, ...], ...] | None
    filters: int
    activation: Activation | None
    bias: str
    of: tuple[int, ...] = ()
    beside: tuple[State, ...] = ()
    key: int | None = None
    title: str | None = None
    fixed: tuple[tuple[Fraction, ...], tuple[Fraction, ...]] | None = None
    count_padding: bool = True
    axis: str = "channels"

    @property
    def sources(self) -> tuple[int, ...]:
        return self.of or (self.index - 1,)

    @property
    def affine(self) -> bool:
        """Has it weights?"""
        return self.kind in ("conv", "dense")

    @property
    def pooling(self) -> bool:
        return self.kind in ("maxpool", "avgpool")

    @property
    def name(self) -> str:
        """For messages: its number, and its title where it has one."""
        return f"{self.index}" if self.title is None else f"{self.index} ({self.title})"

    @property
    def field(self) -> str:
        return f"layers[{self.index - 1}]"

    @cached_property
    def above(self) -> State:
        """The state this layer produces."""
        if self.kind == "dense":
            return State(1, (self.filters,))
        if isinstance(self.reads, Window):
            window = self.reads
            extents = grid_extents(
                self.below.extents, window.kernel, window.stride, window.padding, window.dilation, self.field
            )
            return State(self.below.channels if self.pooling else self.filters, extents)
        if self.reads is not None:
            return State(1 if self.pooling else self.filters, (len(self.reads),))
        states = (self.below, *self.beside)
        if self.kind == "concat" and self.axis == "units":
            return State(1, (sum(state.size for state in states),))
        if self.kind == "concat":
            return State(sum(state.channels for state in states), self.below.extents)
        return self.below

    @cached_property
    def patches(self) -> Patches:
        """The P patches this layer reads, shape (P, l)."""
        if self.kind == "dense":
            indices = np.arange(self.below.size, dtype=np.int64)[None, :]
            indices.setflags(write=False)
            return Patches(indices, self.below.size)
        if isinstance(self.reads, Window):
            window = self.reads
            return grid_patches(
                self.below,
                window.kernel,
                window.stride,
                window.padding,
                window.dilation,
                per_channel=self.pooling,
                field=self.field,
            )
        if self.reads is None:
            raise MisuseError("layer", "a layer that reads patches", f"{self.kind} layer {self.index}")
        return explicit_patches(self.reads, self.below, self.field)

    @cached_property
    def mixture(self) -> Mixture:
        """Of avgpool, add, concat, scale and activation."""
        n, one = self.width, np.ones((self.width, 1), dtype=np.int64)
        none, each = np.zeros(n, dtype=np.int64), np.arange(n)[:, None]
        if self.kind == "avgpool":
            real = self.patches.real
            sizes = np.full(n, self.patches.size) if self.count_padding else real.sum(axis=1)
            q = lcm(*(int(size) for size in np.unique(sizes)))
            return Mixture(
                np.where(real, self.patches.indices, 0), np.where(real, (q // sizes)[:, None], 0), none, q
            )
        if self.kind == "add":
            r = len(self.sources)
            return Mixture(each + n * np.arange(r), np.ones((n, r), dtype=np.int64), none, 1)
        if self.kind == "concat":
            states, start, parts = (self.below, *self.beside), 0, []
            for state in states:
                units = start + np.arange(state.size)
                parts.append(
                    units.reshape(1, -1) if self.axis == "units" else units.reshape(-1, state.channels)
                )
                start += state.size
            return Mixture(np.concatenate(parts, axis=1).reshape(-1, 1), one, none, 1)
        if self.kind == "scale" and self.fixed is not None:
            q = lcm(*(v.denominator for part in self.fixed for v in part))
            channels = np.empty(n, dtype=np.int64)
            channels[self.below.units().reshape(self.below.channels, -1)] = np.arange(self.below.channels)[
                :, None
            ]
            factors, shifts = (np.array([int(v * q) for v in part], dtype=object) for part in self.fixed)
            return Mixture(each, narrow(factors[channels][:, None]), narrow(shifts[channels]), q)
        if self.kind != "activation":
            raise MisuseError("layer", "a fixed linear map", f"{self.kind} layer {self.index}")
        return Mixture(each, one, none, 1)

    @property
    def patch_count(self) -> int:
        """P, without building the patches."""
        return 1 if self.kind == "dense" else self.width // self.filters

    @property
    def patch_size(self) -> int:
        """l, the neurons per patch, without building the patches."""
        if self.kind == "dense":
            return self.below.size
        if isinstance(self.reads, Window):
            return prod(self.reads.kernel) * (1 if self.pooling else self.below.channels)
        return len(self.sources) if self.reads is None else len(self.reads[0])

    @property
    def width(self) -> int:
        """n_k = T P."""
        return self.above.size

    @property
    def weight_shape(self) -> tuple[int, int] | None:
        """(l, T), or None where there are no weights."""
        return (self.patch_size, self.filters) if self.affine else None

    @property
    def bias_length(self) -> int:
        """Length of b: n_k per unit, T per filter, 0 without."""
        if not self.affine or self.bias == "none":
            return 0
        return self.width if self.bias == "unit" else self.filters

    @property
    def parameter_count(self) -> int:
        shape = self.weight_shape
        return (shape[0] * shape[1] if shape else 0) + self.bias_length

    def to_json(self) -> Mapping[str, Any]:
        """The layer as a spec writes it."""
        record: dict[str, Any] = {"kind": self.kind}
        if self.title is not None:
            record["name"] = self.title
        if self.of:
            record["of"] = list(self.of)
        if self.kind == "conv":
            record["filters"] = self.filters
        elif self.kind == "dense":
            record["units"] = self.filters
        if isinstance(self.reads, Window):
            record.update(self.reads.to_json())
        elif self.reads is not None:
            record["patches"] = [list(patch) for patch in self.reads]
        record.update(self._fixed())
        if self.activation is not None:
            record["activation"] = self.activation.to_json()
        if self.affine:
            record["bias"] = self.bias
        return record

    def _fixed(self) -> dict[str, Any]:
        """What a fixed linear map has beside its window, as specs and FORMAT.md write it."""
        if self.kind == "avgpool" and isinstance(self.reads, Window):
            return {"count_padding": self.count_padding}
        if self.kind == "concat":
            return {"axis": self.axis}
        if self.kind == "scale" and self.fixed is not None:
            return dict(
                zip(("factors", "shifts"), ([_text(v) for v in part] for part in self.fixed), strict=True)
            )
        return {}

    def to_nodes(self) -> list[dict[str, Any]]:
        """The layer as FORMAT.md section 2 writes it, without the nodes' sources: itself, its activation."""
        explicit = self.reads is not None and not isinstance(self.reads, Window)
        first: dict[str, Any] = {"kind": f"{self.kind}-lists" if explicit else self.kind, **self._fixed()}
        if isinstance(self.reads, Window):
            first.update(self.reads.to_json(), padding=[list(pair) for pair in sides(self.reads.padding)])
        elif self.reads is not None:
            first["patches"] = [list(patch) for patch in self.reads]
        if self.affine:
            first["units" if self.kind == "dense" else "filters"] = self.filters
            first["bias"] = self.bias
        if self.kind == "conv":
            first |= {"extents": [self.patch_count]} if explicit else {"groups": 1}
        nodes = [] if self.kind == "activation" else [first]
        if self.activation is not None and (self.activation.name != "identity" or not nodes):
            nodes.append({"kind": "activation", "activation": self.activation.to_certificate()})
        return nodes

    def __str__(self) -> str:
        if self.kind == "dense":
            return f"dense {self.filters}, {self.activation}"
        if self.kind in MIXTURES and self.reads is None:
            parts = [] if self.kind == "activation" else [self.kind]
            return ", ".join([*parts, *([] if self.activation is None else [str(self.activation)])])
        if isinstance(self.reads, Window):
            text = "x".join(map(str, self.reads.kernel))
            ones = (1,) * len(self.reads.kernel)
            extras = [
                f"{name} {'x'.join(_side(value) for value in values)}"
                for name, values, usual in (
                    ("stride", self.reads.stride, self.reads.kernel if self.pooling else ones),
                    ("padding", self.reads.padding, (0,) * len(ones)),
                    ("dilation", self.reads.dilation, ones),
                )
                if values != usual
            ]
            text = ", ".join([text, *extras])
        else:
            text = f"{self.patch_count} patches of {self.patch_size}"
        if self.pooling:
            return f"{self.kind} {text}" + ("" if self.activation is None else f", {self.activation}")
        return f"conv {self.filters} filters {text}, {self.activation}, bias per {self.bias}".replace(
            "bias per none", "no bias"
        )


def _side(value: int | tuple[int, int]) -> str:
    return str(value) if isinstance(value, int) else f"({value[0]},{value[1]})"


def _text(value: Fraction) -> int | str:
    return value.numerator if value.denominator == 1 else rational_text(value)
