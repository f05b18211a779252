"""Floor 2: the network, a graph of layers; the paper's are chains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

from exactcnn.errors import MalformedError, MisuseError
from exactcnn.network.geometry import State
from exactcnn.network.layers import Layer
from exactcnn.notebook import table

if TYPE_CHECKING:
    import networkx

__all__ = ["Network"]

S = TypeVar("S")


@dataclass(frozen=True)
class Network:
    """Layers 1..L over an input of shape ``input_shape`` ((C, *extents) or (d,)).

    Build one from a spec with :func:`exactcnn.network.spec.read_spec` or
    ``Network.from_dict``.

    >>> net = Network.from_dict({"input": {"shape": [1, 8, 8]}, "layers": [
    ...     {"kind": "conv", "filters": 5, "kernel": [3, 2], "activation": "relu"},
    ...     {"kind": "maxpool", "kernel": 2},
    ...     {"kind": "dense", "units": 10}]})
    >>> net.widths
    (64, 210, 45, 10)
    """

    name: str
    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    tied: str | None = field(
        default=None, compare=False
    )  # a module whose weights several layers share, if there is one

    @staticmethod
    def from_dict(spec: Mapping[str, Any]) -> Network:
        """A network from a spec given as a dictionary (the contents of a spec file)."""
        from exactcnn.network.spec import network_from_dict

        return network_from_dict(spec)

    @property
    def depth(self) -> int:
        """L, the number of layers, the output layer included."""
        return len(self.layers)

    @property
    def input_size(self) -> int:
        """d = n_0."""
        return self.layers[0].below.size

    @property
    def widths(self) -> tuple[int, ...]:
        """(n_0, n_1, .., n_L)."""
        return (self.input_size, *(layer.width for layer in self.layers))

    @property
    def parameter_count(self) -> int:
        return sum(layer.parameter_count for layer in self.layers)

    def layer(self, k: int | str) -> Layer:
        """Layer k, 1 <= k <= L, or the layer of that name."""
        if isinstance(k, str) and k.isascii() and k.isdigit() and len(k) < 9:
            k = int(k)  # a number is a number, even where modules are called so
        if isinstance(k, str):
            named = next((layer for layer in self.layers if layer.title == k), None)
            if named is not None:
                return named
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= self.depth:
            names = ", ".join(layer.title for layer in self.layers if layer.title is not None)
            known = f" or a name of {names if len(names) < 200 else names[:200] + ' ..'}" if names else ""
            raise MisuseError("layer", f"a layer number from 1 to {self.depth}{known}", repr(k))
        return self.layers[k - 1]

    @cached_property
    def is_chain(self) -> bool:
        """Is it the paper's kind: each layer reads the one before, all are affine or max-pooling?"""
        plain = all(layer.affine or layer.kind == "maxpool" for layer in self.layers)
        return plain and all(layer.sources == (layer.index - 1,) for layer in self.layers)

    def upto(self, k: int) -> tuple[Layer, ...]:
        """Layer k and the layers it depends on, in order (k = 0: none); of a chain, layers 1..k."""
        if k == 0:
            return ()
        wanted = {k}
        for layer in reversed(self.layers[:k]):
            wanted |= set(layer.sources) if layer.index in wanted else set()
        return tuple(layer for layer in self.layers[:k] if layer.index in wanted)

    def carry(self, k: int, first: S, step: Callable[[Layer, list[S]], S]) -> S:
        """The forward pass: the state of layer k, that of the input being ``first``, by ``step(layer, sources)``."""
        states, layers = {0: first}, self.upto(k)
        last = {source: layer.index for layer in layers for source in layer.sources}
        for layer in layers:
            states[layer.index] = step(layer, [states[source] for source in layer.sources])
            for source in layer.sources:
                if last[source] == layer.index:
                    states.pop(source, None)
        return states[k]

    @property
    def has_linear_output(self) -> bool:
        """Is layer L fully connected and linear, as the paper asks of the output?"""
        last = self.layers[-1]
        return last.kind == "dense" and last.activation is not None and last.activation.name == "identity"

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """Layers 1..L-1 if the last one is a linear output layer, else all."""
        return self.layers[:-1] if self.has_linear_output and self.depth > 1 else self.layers

    def wide_layer(self, samples: int) -> int:
        """The paper's k: the first hidden layer with n_k >= N, else the widest hidden layer."""
        for layer in self.hidden:
            if layer.width >= samples:
                return layer.index
        return max(self.hidden, key=lambda layer: (layer.width, -layer.index)).index

    def graph(self) -> networkx.DiGraph[int]:
        """The layer graph: node k is layer k (0 the input) with its ``width`` and ``kind``.

        Edge (j, k), layer k reading layer j, carries the patch count ``patches`` and size ``patch_size``.
        """
        import networkx

        graph: networkx.DiGraph[int] = networkx.DiGraph(name=self.name)
        graph.add_node(0, kind="input", width=self.input_size, shape=self.input_shape, activation=None)
        for layer in self.layers:
            graph.add_node(
                layer.index,
                kind=layer.kind,
                width=layer.width,
                shape=(layer.above.channels, *layer.above.extents),
                activation=None if layer.activation is None else str(layer.activation),
            )
            for source in layer.sources:
                graph.add_edge(
                    source,
                    layer.index,
                    patches=layer.patch_count,
                    patch_size=layer.patch_size,
                    filters=layer.filters,
                    parameters=layer.parameter_count,
                )
        return graph

    def to_json(self) -> dict[str, Any]:
        """The network as a spec writes it, everything spelled out."""
        return {
            "name": self.name,
            "input": list(self.input_shape),
            "layers": [dict(layer.to_json()) for layer in self.layers],
        }

    def to_nodes(self) -> dict[str, Any]:
        """The network as FORMAT.md section 2 writes it: each layer a node or, with an activation, two."""
        nodes: list[dict[str, Any]] = []
        titles: list[str | None] = []
        for layer in self.layers:
            mine = layer.to_nodes()
            for n, node in enumerate(mine):
                of = [self.node_of(source) for source in layer.sources] if n == 0 else [len(nodes)]
                nodes.append({"of": of, **node})
            titles += [*[None] * (len(mine) - 1), layer.title]
        record = {"name": self.name, "input": list(self.input_shape), "nodes": nodes}
        return record | ({"names": titles} if any(titles) else {})

    def node_of(self, k: int) -> int:
        """The number of the node whose units are those of layer k (0: the input)."""
        return sum(len(layer.to_nodes()) for layer in self.layers[:k])

    def affine_node_of(self, k: int) -> int:
        """The number of the first node of layer k, which has its weights if there are any."""
        return self.node_of(k - 1) + 1

    def _repr_html_(self) -> str:
        shape = " x ".join(map(str, self.input_shape))
        rows: list[list[object]] = [[0, f"input {shape}", self.input_size]]
        rows += [[layer.index, str(layer), layer.width] for layer in self.layers]
        return f"<b>{escape(self.name)}</b>" + table(["k", "layer", "n_k"], rows)

    def describe(self) -> str:
        """One line: the widths and layers."""
        parts = [f"input {' x '.join(map(str, self.input_shape))}"]
        for layer in self.layers:
            reads = "" if self.is_chain else f" of {', '.join(map(str, layer.sources))}"
            parts.append(f"[{layer.name}] {layer}{reads} (n = {layer.width})")
        return " -> ".join(parts)


def input_state(shape: tuple[int, ...], field: str = "input.shape") -> State:
    """The input's state: (d,) is one channel on one axis, (C, *extents) as it says."""
    if len(shape) == 1:
        return State(1, shape, channel_major=True)
    if not 2 <= len(shape) <= 4:
        raise MalformedError(field, "[d] or [channels, extents..] with 1 to 3 axes", list(shape))
    return State(shape[0], shape[1:], channel_major=True)
