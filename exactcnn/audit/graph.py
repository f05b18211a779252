"""Floor 5: an architecture as a directed acyclic graph of layers (networkx).

Every node carries a ``Node``: what it computes, its shape and its parameters.  Elementwise steps
without a width of their own (activation, batch or layer normalisation, dropout, local response
normalisation) are no nodes; their parameters belong to the node they follow.

Kinds: input, conv, transposed (convolution), dense, maxpool, avgpool, unpool, concat, add,
scale (elementwise product), pad (channels of zeros).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import networkx

from exactcnn.audit.windows import Shape, Window, same, window
from exactcnn.errors import MisuseError

__all__ = ["COUNTED_BY_THE_THEORY", "WEIGHTED", "Graph", "Node"]

# Layers with filters; the theorems ask layer 1 and the wide layer to be one of these.
WEIGHTED = ("conv", "transposed", "dense")
# Definitions 2.1 to 2.3; the others are how practice joins branches.
COUNTED_BY_THE_THEORY = ("conv", "dense", "maxpool")

Sizes = int | tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One layer.  ``parameters`` are trained, ``statistics`` stored beside them (batch norm)."""

    name: str
    kind: str
    above: Shape
    below: tuple[Shape, ...] = ()
    window: Window | None = None
    groups: int = 1
    parameters: int = 0
    statistics: int = 0

    @property
    def width(self) -> int:
        """n_k."""
        return self.above.width

    @property
    def in_definition(self) -> bool:
        """A layer of Definitions 2.1 to 2.3: convolution without groups, dense, max-pooling."""
        return self.kind in COUNTED_BY_THE_THEORY and self.groups == 1

    def __str__(self) -> str:
        if self.window is None:
            return self.kind
        grouped = "" if self.groups == 1 else f", {self.groups} groups"
        return f"{self.kind} {self.window}{grouped}"


class Graph:
    """Builds an architecture layer by layer; every method returns the new node's name.

    ``norm``: "batch" or "layer" (2 parameters per channel) or None after the layer; ``extra``:
    further trained parameters (PReLU slopes, layer scales).

    >>> net = Graph((3, 8, 6))
    >>> net.concat("join", net.conv("a", "input", 5, 3), net.maxpool("b", "input", 3, stride=1))
    'join'
    >>> str(net["join"].above), net["a"].parameters
    ('6 x 4 x 8', 140)
    """

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        self.dag: networkx.DiGraph[str] = networkx.DiGraph()
        shape = Shape(input_shape[0], input_shape[1:])
        self.dag.add_node("input", node=Node("input", "input", shape))

    def __getitem__(self, name: str) -> Node:
        if name not in self.dag:
            raise MisuseError("layer", "a layer defined before", name)
        node: Node = self.dag.nodes[name]["node"]
        return node

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes but the input, in the order of definition (which is topological)."""
        return tuple(self[name] for name in self.dag if name != "input")

    def conv(
        self,
        name: str,
        below: str,
        filters: int,
        kernel: Sizes,
        *,
        stride: Sizes = 1,
        padding: Sizes | tuple[tuple[int, int], ...] | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        norm: str | None = None,
        extra: int = 0,
    ) -> str:
        """A convolution; ``padding`` "same" is TensorFlow's."""
        shape = self[below].above
        reads = (
            same(shape, kernel, stride, dilation)
            if isinstance(padding, str)
            else window(kernel, stride, padding, dilation, axes=len(shape.extents))
        )
        if shape.channels % groups or filters % groups:
            raise MisuseError("groups", f"a divisor of {shape.channels} and {filters}", groups)
        taps = prod(reads.kernel) * shape.channels // groups
        above = Shape(filters, reads.extents(shape.extents))
        return self._weighted(name, "conv", below, above, reads, groups, taps, bias, norm, extra)

    def depthwise(self, name: str, below: str, kernel: Sizes, **options: object) -> str:
        """One filter for every channel."""
        channels = self[below].above.channels
        return self.conv(name, below, channels, kernel, groups=channels, **options)  # type: ignore[arg-type]

    def transposed(
        self,
        name: str,
        below: str,
        filters: int,
        kernel: Sizes,
        *,
        stride: Sizes,
        padding: Sizes,
        above: tuple[int, ...],
        bias: bool = True,
        norm: str | None = None,
        extra: int = 0,
    ) -> str:
        """A transposed convolution with output extents ``above``.

        ``window`` is that of the convolution it transposes, which reads the output.
        """
        shape = self[below].above
        reads = window(kernel, stride, padding, axes=len(shape.extents))
        if reads.extents(above) != shape.extents:
            raise MisuseError("above", f"extents that {reads} takes to {shape.extents}", above)
        taps = prod(reads.kernel) * shape.channels
        return self._weighted(
            name, "transposed", below, Shape(filters, above), reads, 1, taps, bias, norm, extra
        )

    def dense(self, name: str, below: str, units: int, *, bias: bool = True) -> str:
        taps = self[below].above.width
        return self._weighted(name, "dense", below, Shape(units, ()), None, 1, taps, bias, None, 0)

    def maxpool(self, name: str, below: str, kernel: Sizes, **options: object) -> str:
        return self._pool(name, "maxpool", below, kernel, **options)

    def avgpool(self, name: str, below: str, kernel: Sizes, **options: object) -> str:
        return self._pool(name, "avgpool", below, kernel, **options)

    def global_average(self, name: str, below: str, extra: int = 0) -> str:
        shape = self[below].above
        reads = window(shape.extents, axes=len(shape.extents))
        return self._add(
            Node(name, "avgpool", Shape(shape.channels, ()), (shape,), reads, 1, extra), (below,)
        )

    def unpool(self, name: str, below: str, above: tuple[int, ...]) -> str:
        """Max-unpooling: each entry goes back to where the maximum came from, the rest is 0."""
        shape = self[below].above
        return self._add(Node(name, "unpool", Shape(shape.channels, above), (shape,)), (below,))

    def pad(self, name: str, below: str, channels: int) -> str:
        """Channels of zeros are added, up to ``channels``."""
        shape = self[below].above
        return self._add(Node(name, "pad", Shape(channels, shape.extents), (shape,)), (below,))

    def concat(self, name: str, *below: str, norm: str | None = None, extra: int = 0) -> str:
        shapes = self._alike("concat", below, channels=False)
        channels = sum(shape.channels for shape in shapes)
        above = Shape(channels, shapes[0].extents)
        return self._add(
            Node(name, "concat", above, shapes, None, 1, *_normalised(norm, channels, extra)), below
        )

    def add(self, name: str, *below: str, extra: int = 0) -> str:
        shapes = self._alike("add", below, channels=True)
        return self._add(Node(name, "add", shapes[0], shapes, None, 1, extra), below)

    def scale(self, name: str, below: str, factors: str) -> str:
        """Channels of ``below`` times the numbers of ``factors`` (squeeze and excitation)."""
        shape, numbers = self[below].above, self[factors].above
        if numbers.width != shape.channels:
            raise MisuseError("factors", f"{shape.channels} numbers", numbers.width)
        return self._add(Node(name, "scale", shape, (shape, numbers)), (below, factors))

    def _pool(self, name: str, kind: str, below: str, kernel: Sizes, **options: object) -> str:
        shape = self[below].above
        options.setdefault("stride", kernel)
        if options.get("padding") == "same":
            reads = same(shape, kernel, options["stride"])  # type: ignore[arg-type]
        else:
            reads = window(kernel, axes=len(shape.extents), **options)  # type: ignore[arg-type]
        above = Shape(shape.channels, reads.extents(shape.extents))
        return self._add(Node(name, kind, above, (shape,), reads), (below,))

    def _weighted(
        self,
        name: str,
        kind: str,
        below: str,
        above: Shape,
        reads: Window | None,
        groups: int,
        taps: int,
        bias: bool,
        norm: str | None,
        extra: int,
    ) -> str:
        trained, statistics = _normalised(norm, above.channels, extra)
        trained += taps * above.channels + (above.channels if bias else 0)
        shape = self[below].above
        return self._add(Node(name, kind, above, (shape,), reads, groups, trained, statistics), (below,))

    def _add(self, node: Node, below: tuple[str, ...]) -> str:
        if node.name in self.dag:
            raise MisuseError("layer", "a new name", node.name)
        self.dag.add_node(node.name, node=node)
        self.dag.add_edges_from((name, node.name) for name in below)
        return node.name

    def _alike(self, kind: str, below: tuple[str, ...], *, channels: bool) -> tuple[Shape, ...]:
        shapes = tuple(self[name].above for name in below)
        first = shapes[0]
        for shape in shapes:
            if shape.extents != first.extents or (channels and shape != first):
                raise MisuseError(kind, f"branches of shape {first}", f"a branch of shape {shape}")
        return shapes


def _normalised(norm: str | None, channels: int, extra: int) -> tuple[int, int]:
    """(trained, stored) parameters: batch norm also stores a mean and a variance per channel."""
    if norm not in (None, "batch", "layer"):
        raise MisuseError("norm", "'batch', 'layer' or None", norm)
    trained = extra + (0 if norm is None else 2 * channels)
    return trained, 2 * channels if norm == "batch" else 0
