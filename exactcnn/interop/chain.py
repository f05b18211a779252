"""Floor 6: the list of layers that a model is lowered to, and the tensor that goes through it.

Conventions.  ``units`` holds the number of the unit behind each element of PyTorch's tensor (without the
batch axis): the input is numbered channel-major, everything above position-major (FORMAT.md 2.1), so
flattening is a reshape of ``units``.  ``version`` counts operations: a reader of an earlier one is a branch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.network.activations import Activation
from exactcnn.network.geometry import check_padding
from exactcnn.network.layers import Layer, Window
from exactcnn.network.network import Network, input_state
from exactcnn.network.spec import network_from_dict
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["Chain", "Draft", "require_chain"]

# Weights of one layer, those that are 0 by construction included.
_LARGEST_LAYER = 50_000_000
_MOST_LAYERS = 1000
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
class Draft:
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


class Chain:
    """Layers over an input of shape ``input_shape``, (d,) or (C, *extents), no batch axis."""

    def __init__(self, name: str, input_shape: tuple[int, ...]) -> None:
        self.name = name
        self.input_shape = input_shape
        self.state = input_state(input_shape)
        if self.state.size > _LARGEST_LAYER:
            raise MalformedError("input shape", f"at most {_LARGEST_LAYER} values", self.state.size)
        self.units = self.state.units().reshape(input_shape)
        self.version = 0
        self.drafts: list[Draft] = []
        self.notes: list[str] = []
        self.weight_notes: list[str] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of PyTorch's tensor here, without the batch axis."""
        return self.units.shape

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def finish(self) -> tuple[Network, Weights, tuple[str, ...], tuple[str, ...]]:
        """The network, its weights, notes on the network and notes on the weights."""
        if not self.drafts:
            raise MalformedError(self.name, "at least one layer", "none")
        network = network_from_dict(
            {
                "name": self.name,
                "input": list(self.input_shape),
                "layers": [draft.to_spec() for draft in self.drafts],
            }
        )
        entries = [None if d.W is None else LayerWeights(d.W, d.b) for d in self.drafts]
        weights = Weights.from_layers(network, entries)
        return network, weights, tuple(self.notes), tuple(self.weight_notes)

    def require_image(self, where: str, axes: int) -> None:
        if self.shape != (self.state.channels, *self.state.extents) or len(self.shape) != axes + 1:
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
    ) -> None:
        if len(self.drafts) >= _MOST_LAYERS:
            raise MalformedError(where, f"at most {_MOST_LAYERS} layers", "more")
        activation = None if W is None else _IDENTITY
        if (
            reads is not None
            and min((*reads.kernel, *reads.stride, *reads.dilation, *(p + 1 for p in reads.padding))) < 1
        ):
            raise MalformedError(
                where, "positive kernels, strides and dilations, and padding of at least 0", reads
            )
        layer = Layer(len(self.drafts) + 1, kind, self.state, reads, filters, activation, bias)
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
        self.drafts.append(Draft(where, layer, W, b, bias))
        self.state = above
        units = above.units()
        self.units = units.reshape(-1) if kind == "dense" else units
        self.version += 1
