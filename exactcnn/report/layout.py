"""Floor 6: the network of a certificate in words: on a chain the paper's layers, else its nodes.

The checker's own reader says what the nodes are.  Nothing here takes part in a verdict.
"""

from __future__ import annotations

from itertools import pairwise
from math import log10
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exactcnn.checker.core.network import Network, Node

__all__ = ["Layout", "layout_of", "short"]

_LONGEST_TEXT = 120


def short(value: Any, length: int = 60) -> str:
    """Anything of a certificate, cut to a readable length."""
    text = str(value)
    return text if len(text) <= length else text[: length - 2] + ".."


class Layout:
    """``layered``: every node is affine, the activation of an affine one, or pooling, each on the node before it.

    ``network`` is None where it cannot be read; then nodes are only numbers.
    """

    def __init__(self, network: Network | None) -> None:
        self.network = network
        pairs = pairwise([None, *(network.nodes if network else [])])
        plain = (
            node is not None
            and (node.affine or node.pool or (node.activation and below is not None and below.affine))
            for below, node in pairs
        )
        self.layered = network is not None and network.chain and all(plain)

    @property
    def unit(self) -> str:
        """What the rows are."""
        return "layer" if self.layered else "node"

    def place(self, number: Any, letter: str = "F") -> str:
        """The layer that node ``number`` ends (U: to which it gives the weights), or the node itself."""
        nodes = self.network.nodes if self.network else []
        if type(number) is not int or not 0 <= number <= len(nodes) or not self.layered:
            return f"node {short(number)}"
        if number == 0:
            return "the input"
        k = sum(1 for node in nodes[:number] if not node.activation)
        more = any(node.activation for node in nodes[number : number + 1])
        return f"layer {k}" + (" before its activation" if more and letter == "F" else "")

    def name(self, number: Any, letter: str = "F") -> str:
        """F_k or U_k, by layer or by node; the checker's names."""
        network = self.network
        known = network is not None and type(number) is int and 0 <= number <= len(network.nodes)
        if network is None or not known or not self.layered:
            return f"{letter} at node {short(number)}"
        return network.label(number, letter)

    def rows(self, samples: int | None) -> list[dict[str, Any]]:
        """Widths row by row, for bars on a logarithmic scale with a line at N."""
        if self.network is None:
            return []
        nodes, spec = self.network.nodes, self.network.grids[0]
        widths = [spec.units]
        listed, numbers = ["input " + " x ".join(map(str, (spec.channels, *spec.extents)))], [[0]]
        for below, node in pairwise([None, *nodes]):
            assert node is not None
            if self.layered and node.activation:
                listed[-1] += f", {_activation(node)}"
                numbers[-1].append(node.number)
                continue
            usual = [below.number if below else 0]
            sources = (
                ""
                if node.of == usual
                else f", on node{'s' * (len(node.of) > 1)} {', '.join(map(str, node.of))}"
            )
            listed.append(_node(node) + sources)
            widths.append(node.above.units)
            numbers.append([node.number])
        top = max([*widths, samples or 1, 10])

        def percent(count: int) -> float:
            return round(100 * log10(1 + count) / log10(1 + top), 1)

        return [
            {
                "k": k,
                "nodes": f"node{'s' * (len(numbers[k]) > 1)} {', '.join(map(str, numbers[k]))}"
                if self.layered
                else "",
                "what": short(what, _LONGEST_TEXT),
                "width": width,
                "percent": percent(width),
                "line": None if samples is None else percent(samples),
                "wide": samples is not None and k > 0 and width >= samples,
            }
            for k, (what, width) in enumerate(zip(listed, widths, strict=True))
        ]


def layout_of(network: Any) -> Layout:
    """NETWORK as the file has it."""
    from exactcnn.checker.core.network import NETWORK, Network
    from exactcnn.checker.core.outcome import Malformed, Rejected, TooMuch

    try:
        return Layout(Network(NETWORK(network, "network")))
    except (Malformed, Rejected, TooMuch, RecursionError):
        return Layout(None)


def _activation(node: Node) -> str:
    assert node.activation is not None
    keys = [key for key in node.activation.spec if key not in ("name", "tree")]
    pairs = zip(keys, node.activation.values, strict=True)
    extra = ", ".join(f"{key} = {short(value, 20)}" for key, value in pairs)
    return node.activation.name + (f" ({extra})" if extra else "")


def _node(node: Node) -> str:
    """A node without its sources.

    >>> found = layout_of({"name": "", "input": [1, 4, 4], "nodes": [
    ...     {"kind": "conv", "of": [0], "filters": 8, "groups": 1, "kernel": [3, 3], "stride": [1, 1],
    ...      "padding": [[0, 0], [1, 1]], "dilation": [1, 1], "bias": "unit"},
    ...     {"kind": "activation", "of": [1], "activation": {"name": "leaky_relu", "slope": "1/2"}}]})
    >>> found.rows(None)[1]["what"]
    'conv 8 filters 3x3, padding 0x1, bias per unit, leaky_relu (slope = 1/2)'
    >>> found.place(1), found.place(2), found.name(2), found.name(1, "U")
    ('layer 1 before its activation', 'layer 1', 'F_1', 'U_1')
    """
    spec = node.spec
    if node.activation:
        return _activation(node)
    if not node.affine and not node.pool:
        axis = f" by {spec['axis']}" if "axis" in spec else ""
        return {"scale": "scale and shift by channel"}.get(node.kind, node.kind) + axis
    text, *more = _reads(node)
    if node.pool:
        counted = ["padding counted"] if spec.get("count_padding") else []
        return ", ".join([f"{node.pool} {text}", *more, *counted])
    bias = "no bias" if spec["bias"] == "none" else f"bias per {spec['bias']}"
    first = (
        f"dense {node.filters}"
        if node.kind == "dense"
        else f"conv {node.filters} filter{'s' * (node.filters > 1)} {text}"
    )
    return ", ".join([first, *more, bias])


def _reads(node: Node) -> list[str]:
    """The patches: kernel, or number and size, and what is not as usual of them."""
    spec = node.spec
    if node.kind == "dense":
        return [""]
    if "patches" in spec:
        sizes = {len(patch) for patch in spec["patches"]}
        return [f"{len(spec['patches'])} patches of {min(sizes) if len(sizes) == 1 else 'several sizes'}"]
    kernel = spec["kernel"]
    found = ["x".join(map(str, kernel))]
    for key, usual in (
        ("stride", kernel if node.pool else [1] * len(kernel)),
        ("dilation", [1] * len(kernel)),
    ):
        if spec[key] != usual:
            found.append(f"{key} {'x'.join(map(str, spec[key]))}")
    if any(map(any, spec["padding"])):
        sides = [str(a) if a == b else f"{a}+{b}" for a, b in spec["padding"]]
        found.insert(1, f"padding {'x'.join(sides)}")
    if spec.get("groups", 1) > 1:
        found.append(f"{node.groups} groups")
    return found
