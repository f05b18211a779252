"""The instance of a certificate (FORMAT.md, sections 3 and 4): a network, samples, targets, sets of weights."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .grammar import (DENOMINATOR, LONG, MAX_UNITS, SEED, Fields, array, integer, maybe, polynomial, record, tagged)
from .network import Network, Node
from .outcome import Malformed, Rejected, TooMuch, common, require, show

# fmt: off
MATRIX = record({"denominator": DENOMINATOR, "rows": array(LONG)})
VECTOR = record({"denominator": DENOMINATOR, "values": LONG})
WEIGHTS = tagged("kind", {
    "seed": {"seed": SEED, "bits": integer(1, 64)}, "identity": {},
    "rational": {"nodes": array(maybe(record({"W": MATRIX, "b": maybe(VECTOR)})))},
    "ln2": {"nodes": array(maybe(record({"W": array(array(polynomial, 1), 1), "b": maybe(array(polynomial, 1))})))}})
# fmt: on


@dataclass
class Instance:
    """`data`: the samples, as rows of integers times factor / denominator."""

    network: Network
    data: "Data | None"
    targets: Fields | None
    weights: dict[str, Fields]
    helper: Any = None  # large minors and many values by other means (`arrays`)
    assumptions: set[str] = field(default_factory=set)  # what verifying has relied on

    def samples(self) -> "Data":
        if self.data is None:
            raise Rejected("instance.data: samples are needed, but data is null")
        return self.data

    def weight_set(self, name: str, path: str) -> Fields:
        require(name in self.weights, f"{path}.weights", f"no weights are called {show(name)}")
        return self.weights[name]

    def complete(self, name: str, nodes: list[Node], path: str) -> None:
        spec = self.weight_set(name, path)
        for node in nodes:
            absent = node.affine and "nodes" in spec and spec["nodes"][self.network.affine.index(node)] is None
            require(not absent, f"instance.weights.{name}", f"the weights of node {node.number} are needed")

    def entry(self, node: Node, name: str, path: str) -> Fields:
        """Exact numbers: W by rows, b; of kind `ln2` polynomials in ln 2, else integers over W_over and b_over."""
        spec = self.weight_set(name, path)
        size = node.length * node.filters
        if size > 2 * MAX_UNITS:
            raise TooMuch(f"{node.path}: {show(size)} weights are more than this checker takes")
        if spec["kind"] == "seed":
            over, stem = 2 ** spec["bits"], f"exactcnn/weights/1/{spec['seed']}/{node.key}/"
            flat = odd_numerators(stem + "W", spec["bits"], size)
            b = odd_numerators(stem + "b", spec["bits"], node.bias_size)
        elif spec["kind"] == "identity":
            over, flat, b = 1, [int(m // node.filters == m % node.filters) for m in range(size)], [0] * node.bias_size
        else:
            self.complete(name, [node], path)
            given = spec["nodes"][self.network.affine.index(node)]
            if spec["kind"] == "ln2":
                parts = [*given["W"], given["b"] or []]
                if any(len(v) > 1 for row in parts for v in row):
                    return {"W": given["W"], "b": given["b"] or [], "ln2": True}
                over = common(c for row in parts for v in row for c in v)
                *W, b = [[int(sum(v) * over) for v in row] for row in parts]
                return {"W": W, "W_over": over, "b": b, "b_over": over, "ln2": False}
            bias = given["b"] or {"denominator": 1, "values": []}
            return {"W": given["W"]["rows"], "W_over": given["W"]["denominator"], "b": bias["values"],
                    "b_over": bias["denominator"], "ln2": False}
        rows = [flat[r : r + node.filters] for r in range(0, size, node.filters)]
        return {"W": rows, "W_over": over, "b": b, "b_over": over, "ln2": False}


@dataclass(frozen=True)
class Data:
    """Sample i is rows[i] * factor / denominator."""

    rows: Sequence[Sequence[int]]  # tuples or bytes, so that they can be put into sets
    factor: int
    denominator: int


def odd_numerators(message: str, bits: int, count: int) -> list[int]:
    """Entries 2 v + 1 - 2^bits drawn from the byte stream of FORMAT.md, section 4."""
    w = (bits + 7) // 8
    stream = hashlib.shake_256(message.encode("ascii")).digest(count * w)
    values = (int.from_bytes(stream[at : at + w], "big") % 2**bits for at in range(0, count * w, w))
    return [2 * v + 1 - 2**bits for v in values]


def check_weights(spec: Fields, network: Network, path: str) -> None:
    """The shapes of given weights; an entry may be null where nothing needs it."""
    if "nodes" not in spec:
        return
    if len(spec["nodes"]) != len(network.affine):
        raise Malformed(f"{path}.nodes: {len(spec['nodes'])} entries for {len(network.affine)} affine nodes")
    for n, (node, given) in enumerate(zip(network.affine, spec["nodes"], strict=True)):
        if given is not None:
            rows, b = (given["W"], given["b"]) if spec["kind"] == "ln2" else (given["W"]["rows"], given["b"])
            b = b["values"] if type(b) is dict else b
            if len(rows) != node.length or any(len(row) != node.filters for row in rows):
                raise Malformed(f"{path}.nodes[{n}].W: expected {node.length} x {node.filters}")
            if (b is None) != (node.bias_size == 0) or (b is not None and len(b) != node.bias_size):
                raise Malformed(f"{path}.nodes[{n}].b: expected {node.bias_size} values")


def check_targets(spec: Fields, network: Network, count: int) -> None:
    width = network.grids[-1].units
    if len(spec["rows"]) != count or any(len(row) != width for row in spec["rows"]):
        raise Malformed(f"instance.targets.rows: expected {count} rows of {width} numbers")
