"""Floor 2: one layer, declared and resolved.

A ``Layer`` knows the state below it and the state above; its patches are built when first
asked for, because ImageNet-sized layers are often only counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from exactcnn.network.activations import Activation
from exactcnn.network.geometry import Patches, State, explicit_patches, grid_extents, grid_patches

__all__ = ["BIASES", "Layer", "Window"]

BIASES = ("unit", "filter", "none")


@dataclass(frozen=True)
class Window:
    """A sliding window: one entry per axis of the layer below."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def to_json(self) -> dict[str, list[int]]:
        return {
            "kernel": list(self.kernel),
            "stride": list(self.stride),
            "padding": list(self.padding),
            "dilation": list(self.dilation),
        }


@dataclass(frozen=True)
class Layer:
    """Layer ``index`` (1..L): ``kind`` is ``"conv"``, ``"maxpool"`` or ``"dense"``.

    ``reads`` is a Window, a tuple of explicit patches, or None (dense).  ``filters`` is T
    (a dense layer's units; 1 for pooling).  ``activation`` is None exactly for pooling.
    """

    index: int
    kind: str
    below: State
    reads: Window | tuple[tuple[int, ...], ...] | None
    filters: int
    activation: Activation | None
    bias: str

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
            return State(self.below.channels if self.kind == "maxpool" else self.filters, extents)
        assert isinstance(self.reads, tuple)
        return State(1 if self.kind == "maxpool" else self.filters, (len(self.reads),))

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
                per_channel=self.kind == "maxpool",
                field=self.field,
            )
        assert isinstance(self.reads, tuple)
        return explicit_patches(self.reads, self.below, self.field)

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
            return prod(self.reads.kernel) * (1 if self.kind == "maxpool" else self.below.channels)
        assert isinstance(self.reads, tuple)
        return len(self.reads[0])

    @property
    def width(self) -> int:
        """n_k = T P."""
        return self.above.size

    @property
    def weight_shape(self) -> tuple[int, int] | None:
        """(l, T), or None for pooling."""
        return None if self.kind == "maxpool" else (self.patch_size, self.filters)

    @property
    def bias_length(self) -> int:
        """Length of b: n_k per unit, T per filter, 0 without."""
        if self.kind == "maxpool" or self.bias == "none":
            return 0
        return self.width if self.bias == "unit" else self.filters

    @property
    def parameter_count(self) -> int:
        shape = self.weight_shape
        return (shape[0] * shape[1] if shape else 0) + self.bias_length

    def to_json(self) -> Mapping[str, Any]:
        """The layer as a spec writes it."""
        record: dict[str, Any] = {"kind": self.kind}
        if self.kind == "conv":
            record["filters"] = self.filters
        elif self.kind == "dense":
            record["units"] = self.filters
        if isinstance(self.reads, Window):
            record.update(self.reads.to_json())
        elif self.reads is not None:
            record["patches"] = [list(patch) for patch in self.reads]
        if self.activation is not None:
            record["activation"] = self.activation.to_json()
            record["bias"] = self.bias
        return record

    def to_nodes(self) -> list[dict[str, Any]]:
        """The layer as FORMAT.md section 2 writes it, without the nodes' sources."""
        explicit = self.reads is not None and not isinstance(self.reads, Window)
        first: dict[str, Any] = {"kind": f"{self.kind}-lists" if explicit else self.kind}
        if isinstance(self.reads, Window):
            first.update(self.reads.to_json(), padding=[[q, q] for q in self.reads.padding])
        elif self.reads is not None:
            first["patches"] = [list(patch) for patch in self.reads]
        if self.kind == "maxpool":
            return [first]
        first["units" if self.kind == "dense" else "filters"] = self.filters
        first["bias"] = self.bias
        if self.kind == "conv":
            first |= {"extents": [self.patch_count]} if explicit else {"groups": 1}
        if self.activation is None or self.activation.name == "identity":
            return [first]
        return [first, {"kind": "activation", "activation": self.activation.to_certificate()}]

    def __str__(self) -> str:
        if self.kind == "dense":
            return f"dense {self.filters}, {self.activation}"
        if isinstance(self.reads, Window):
            text = "x".join(map(str, self.reads.kernel))
            ones = (1,) * len(self.reads.kernel)
            extras = [
                f"{name} {'x'.join(map(str, values))}"
                for name, values, usual in (
                    ("stride", self.reads.stride, self.reads.kernel if self.kind == "maxpool" else ones),
                    ("padding", self.reads.padding, (0,) * len(ones)),
                    ("dilation", self.reads.dilation, ones),
                )
                if values != usual
            ]
            text = ", ".join([text, *extras])
        else:
            text = f"{self.patch_count} patches of {self.patch_size}"
        if self.kind == "maxpool":
            return f"maxpool {text}"
        return f"conv {self.filters} filters {text}, {self.activation}, bias per {self.bias}".replace(
            "bias per none", "no bias"
        )
