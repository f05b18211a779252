"""Floor 6: the list of layers that a model is lowered to, and the tensors that go through them.

Conventions.  A ``Flow`` stands for a tensor of the model: the layer behind it (0: the input) and ``units``, the
number of the unit behind each element of PyTorch's tensor (without the batch axis): the input is numbered
channel-major, everything above position-major (FORMAT.md 2.1), so flattening is a reshape of ``units``.
``Chain`` stands at one of them (``at``, ``state``, ``units``); a front end goes to the tensor an operation reads.
A tensor that several operations read is *shared*: nothing may be folded into the layer behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.exact_arrays import magnitude
from exactcnn.network.geometry import State, check_padding, sides
from exactcnn.network.layers import Layer, Window
from exactcnn.network.network import Network, input_state
from exactcnn.network.spec import network_from_dict
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["Chain", "Draft", "Flow"]

# Weights of one layer, those that are 0 by construction included.
_LARGEST_LAYER = 50_000_000
_MOST_LAYERS = 1000
_IDENTITY = Activation.from_json("identity")


@dataclass(frozen=True, eq=False)
class Flow:
    """A tensor of the model; ``units`` has its shape."""

    at: int
    state: State
    units: np.ndarray


@dataclass
class Draft:
    """A layer still being written: ``activation`` None means none was met yet."""

    where: str
    layer: Layer
    W: RationalArray | None
    b: RationalArray | None
    bias: str
    activation: Activation | None = None
    shared: bool = False
    load: float = 0.0  # all shifts that were folded into it, added up without their signs
    steps: int = 0  # and how many foldings there were

    @property
    def linear(self) -> bool:
        """May weights still be changed?"""
        return self.W is not None and self.open

    @property
    def open(self) -> bool:
        """May an activation still be put on it?"""
        return self.activation is None and not self.shared and self.layer.kind != "maxpool"

    def to_spec(self) -> dict[str, Any]:
        record = dict(self.layer.to_json())
        if self.W is not None:
            record["activation"] = (self.activation or _IDENTITY).to_json()
            record["bias"] = self.bias
        elif self.activation is not None:
            record["activation"] = self.activation.to_json()
        return record


class Chain:
    """Layers over an input of shape ``input_shape``, (d,) or (C, *extents), no batch axis."""

    def __init__(self, name: str, input_shape: tuple[int, ...]) -> None:
        self.name = name
        self.input_shape = input_shape
        self.state = input_state(input_shape)
        if self.state.size > _LARGEST_LAYER:
            raise MalformedError("input shape", f"at most {_LARGEST_LAYER} values", self.state.size)
        self.units = self.state.units().reshape(input_shape)
        self.at = 0
        self.shared_input = False
        self.tied: str | None = None
        self.drafts: list[Draft] = []
        self.notes: list[str] = []
        self.weight_notes: list[str] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of PyTorch's tensor here, without the batch axis."""
        return self.units.shape

    @property
    def below(self) -> Draft | None:
        """The layer here; None at the input."""
        return self.drafts[self.at - 1] if self.at else None

    def flow(self, shared: bool = False) -> Flow:
        """The tensor here; ``shared``: is it read by more than one operation?"""
        if shared and self.at:
            self.drafts[self.at - 1].shared = True
        self.shared_input = self.shared_input or (shared and not self.at)
        return Flow(self.at, self.state, self.units)

    def go(self, flow: Flow) -> None:
        self.at, self.state, self.units = flow.at, flow.state, flow.units

    def require_own(self, where: str) -> None:
        """MalformedError where an operation changes in place what another one reads."""
        below = self.below
        if self.shared_input if below is None else below.shared:
            raise MalformedError(
                where, "an operation in place only on what nothing else reads (set inplace=False)", "a branch"
            )

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def finish(self) -> tuple[Network, Weights, tuple[str, ...], tuple[str, ...]]:
        """The network, its weights, notes on the network and notes on the weights."""
        if not self.drafts:
            raise MalformedError(self.name, "at least one layer", "none")
        if self.at != len(self.drafts):
            raise MalformedError(self.name, "the output of the last operation", "another output")
        layers = [draft.to_spec() for draft in self.drafts]
        network = network_from_dict({"name": self.name, "input": list(self.input_shape), "layers": layers})
        if not network.is_chain:  # layers of a graph go by the names of the model's operations
            for draft, record in zip(self.drafts, layers, strict=True):
                title = draft.where.partition(": ")[2] or draft.where
                title = "".join(c for c in title.partition(" (")[0] if c.isprintable())[:90]
                taken = {each.get("name") for each in layers} | {"input"}
                record["name"] = next(
                    t for t in (title or "layer", *(f"{title}#{n}" for n in range(2, 2002))) if t not in taken
                )
            network = network_from_dict({**network.to_json(), "layers": layers})
        network = replace(network, tied=self.tied)
        entries = [None if d.W is None else LayerWeights(d.W, d.b) for d in self.drafts]
        weights = Weights.from_layers(network, entries)
        return network, weights, tuple(self.notes), tuple(self.weight_notes)

    def loads(self) -> tuple[tuple[float, int], ...]:
        """Of each layer, what was folded into it: the shifts without their signs, the number of foldings."""
        return tuple((draft.load, draft.steps) for draft in self.drafts)

    def output_order(self) -> tuple[int, ...] | None:
        """The unit of the last layer behind each of the model's outputs, flat; None where that is their order."""
        flat = self.units.reshape(-1)
        return None if np.array_equal(flat, np.arange(flat.size)) else tuple(flat.tolist())

    @property
    def natural(self) -> bool:
        """Is the tensor here the layer's own image, channels first?"""
        own = self.state.units()
        return self.shape == own.shape and np.array_equal(self.units, own)

    def require_image(self, where: str, axes: int) -> None:
        if len(self.shape) != axes + 1 or not self.natural:
            raise MalformedError(
                where,
                f"an input of channels and {axes} axes, not flattened",
                f"an input of shape {self.shape}",
            )

    def require_size(self, where: str, size: int) -> None:
        if size > _LARGEST_LAYER:
            raise MalformedError(where, f"at most {_LARGEST_LAYER} weights, those that are 0 included", size)

    def append(
        self,
        where: str,
        kind: str,
        reads: Window | None,
        filters: int,
        W: RationalArray | None,
        b: RationalArray | None,
        bias: str,
        of: tuple[Flow, ...] = (),
        **more: Any,
    ) -> None:
        """A layer on the tensor here, or on those of ``of``; ``more``: further fields of the Layer."""
        if len(self.drafts) >= _MOST_LAYERS:
            raise MalformedError(where, f"at most {_MOST_LAYERS} layers", "more")
        activation = None if W is None else _IDENTITY
        if (
            reads is not None
            and min(
                (
                    *reads.kernel,
                    *reads.stride,
                    *reads.dilation,
                    *(p + 1 for pair in sides(reads.padding) for p in pair),
                )
            )
            < 1
        ):
            raise MalformedError(
                where, "positive kernels, strides and dilations, and padding of at least 0", reads
            )
        index, sources = len(self.drafts) + 1, tuple(flow.at for flow in of) or (self.at,)
        layer = Layer(
            index, kind, of[0].state if of else self.state, reads, filters, activation, bias,
            () if sources == (index - 1,) else sources, tuple(flow.state for flow in of[1:]), **more,
        )  # fmt: skip
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
        self.drafts.append(Draft(where, layer, W, b, bias, load=magnitude(b)))
        self.state = above
        units = above.units()
        self.units = units.reshape(-1) if kind == "dense" else units
        self.at = index
