"""Floor 5: a published architecture, its source, and the widths the paper's Table 1 is about."""

from __future__ import annotations

from dataclasses import dataclass

import networkx

from exactcnn.audit.graph import WEIGHTED, Graph, Node

__all__ = ["IMAGENET", "MNIST", "Architecture", "Dataset"]


@dataclass(frozen=True)
class Dataset:
    """Training samples N."""

    name: str
    samples: int


# The training set of ILSVRC 2012 (Russakovsky et al., IJCV 2015, Table 2); the paper says N ~ 1200K.
IMAGENET = Dataset("ImageNet", 1_281_167)
MNIST = Dataset("MNIST", 60_000)


@dataclass(frozen=True, eq=False)
class Architecture:
    """A layer graph with its source.  ``outputs`` are the nodes that are not hidden layers.

    ``remark``: a sentence on what exactly is described, where the name does not say it.
    """

    name: str
    title: str
    source: str
    graph: Graph
    outputs: tuple[str, ...]
    dataset: Dataset = IMAGENET
    remark: str | None = None

    @property
    def hidden(self) -> tuple[Node, ...]:
        """All layers but the output, joins and pooling included."""
        return tuple(node for node in self.graph.nodes if node.name not in self.outputs)

    @property
    def parameters(self) -> int:
        """Trained parameters."""
        return sum(node.parameters for node in self.graph.nodes)

    @property
    def statistics(self) -> int:
        """Numbers stored beside them: batch norm's running means and variances."""
        return sum(node.statistics for node in self.graph.nodes)

    @property
    def first(self) -> Node:
        """Layer 1: the first node that every path from the input passes.

        Branches that read the input in parallel and are joined are one layer (ENet); on a chain it
        is the first layer.
        """
        reverse = self.graph.dag.reverse(copy=True)
        reverse.add_edges_from(
            ("end", name) for name in self.graph.dag if not self.graph.dag.out_degree(name)
        )
        name = networkx.immediate_dominators(reverse, "end")["input"]
        return self.graph[name]

    @property
    def first_weighted(self) -> Node:
        """The first convolutional or dense layer by itself."""
        return next(node for node in self.graph.nodes if node.kind in WEIGHTED)

    @property
    def widest(self) -> Node:
        """The first hidden node of largest width n_k, of any kind."""
        return max(self.hidden, key=lambda node: node.width)

    @property
    def widest_weighted(self) -> Node:
        """The first widest convolutional or dense hidden layer: what Theorem 3.4 can take as layer k."""
        return max((node for node in self.hidden if node.kind in WEIGHTED), key=lambda node: node.width)

    @property
    def first_wide(self) -> Node | None:
        """The first convolutional or dense hidden layer with n_k >= N, if there is one."""
        wide = (n for n in self.hidden if n.kind in WEIGHTED and n.width >= self.dataset.samples)
        return next(wide, None)

    @property
    def outside_the_model(self) -> dict[str, int]:
        """How many nodes of each kind Definitions 2.1 to 2.3 do not have; grouped convolutions apart."""
        counts: dict[str, int] = {}
        for node in self.graph.nodes:
            if not node.in_definition:
                kind = "grouped conv" if node.groups > 1 else node.kind
                counts[kind] = counts.get(kind, 0) + 1
        return counts
