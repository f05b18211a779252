"""The network of a certificate (FORMAT.md, section 2): a graph of nodes, and the one pass through it.

A patch is a list of units of the node below; a padding neuron is a negative number in it, a different one for each place
of the padded grid.  Node 0 is the input; every node reads earlier ones only, so the order of the list is one of evaluation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, product
from math import prod
from typing import Any

from .activations import Activation, activation
from .grammar import (MAX_UNITS, NODE, SIZE, Fields, array, boolean, choice, integer, integers,
                      matching, maybe, number, pair, record, tagged)
from .outcome import Malformed, Rejected, TooMuch, require, show

# fmt: off
OF, LISTS, SIZES = {"of": array(NODE, 1)}, {"patches": array(integers(-2**31, 2**31, 1), 1)}, array(SIZE, 1, 3)
STEP = integer(0, 2**16)
WINDOW = {"kernel": SIZES, "stride": SIZES, "padding": array(pair(STEP, STEP), 1, 3), "dilation": SIZES}
BIAS = {"bias": choice("unit", "filter", "none")}
NETWORK = record({"name": matching(".{0,200}"), "input": array(SIZE, 1, 4), "nodes": array(tagged("kind", {
    "conv": {**OF, "filters": SIZE, "groups": SIZE, **WINDOW, **BIAS},
    "conv-lists": {**OF, "filters": SIZE, **LISTS, "extents": SIZES, **BIAS},
    "dense": {**OF, "units": SIZE, **BIAS},
    "activation": {**OF, "activation": activation},
    "maxpool": {**OF, **WINDOW}, "maxpool-lists": {**OF, **LISTS},
    "avgpool": {**OF, **WINDOW, "count_padding": boolean}, "avgpool-lists": {**OF, **LISTS},
    "add": OF, "concat": {**OF, "axis": choice("channels", "units")},
    "scale": {**OF, "factors": array(number, 1), "shifts": array(number, 1)}}), 1, 10_000)},
    {"names": array(maybe(matching(".{1,100}")))})
# fmt: on


@dataclass(frozen=True)
class Grid:
    """The units of a node: channels at the positions of a grid, numbered channel by channel only in the input."""

    channels: int
    extents: tuple[int, ...]
    channel_major: bool = False

    @property
    def units(self) -> int:
        return self.channels * prod(self.extents)


class Node:
    """One node: `below` is the grid it reads (of its first source), `above` the grid of its own units."""

    def __init__(self, number: int, spec: Fields, sources: list[Grid], key: int) -> None:
        self.number, self.spec, self.kind, self.key = number, spec, str(spec["kind"]), key
        self.of, self.below, self.path = list(spec["of"]), sources[0], f"instance.network.nodes[{number - 1}]"
        self.affine = self.kind in ("conv", "conv-lists", "dense")
        self.pool = self.kind.partition("-")[0] if "pool" in self.kind else None
        self.filters = int(spec["units"] if "units" in spec else spec.get("filters", 1))
        self.groups: int = spec.get("groups", 1)
        self.activation: Activation | None = spec.get("activation")
        self.above = self._grid(sources)
        if self.above.units > MAX_UNITS:
            raise TooMuch(f"{self.path}: {show(self.above.units)} units are more than this checker takes")

    def _fail(self, message: str) -> None:
        raise Malformed(f"{self.path}: {message}")

    def _grid(self, sources: list[Grid]) -> Grid:
        below, spec = self.below, self.spec
        if (len(sources) > 1) != (self.kind in ("add", "concat")):
            self._fail(f"{self.kind} with {len(sources)} sources")
        if self.kind == "dense":
            return Grid(1, (self.filters,))
        if "kernel" in spec:
            if below.channels % self.groups or self.filters % self.groups:
                self._fail("groups must divide channels and filters")
            return Grid(below.channels if self.pool else self.filters, self._extents())
        if "patches" in spec:
            same = {len(patch) for patch in spec["patches"]}
            for p, patch in enumerate(spec["patches"]):
                if max(patch) >= below.units or len(set(patch)) < len(patch):
                    self._fail(f"patches[{p}]: expected different units below {below.units}")
                if max(patch) < 0 or (self.pool and min(patch) < 0):
                    self._fail(f"patches[{p}]: no real neuron, or padding in a pool")
            if not self.pool and (len(same) > 1 or prod(spec["extents"]) != len(spec["patches"])):
                self._fail("patches of one size, as many as extents have positions, are needed")
            extents = (len(spec["patches"]),) if self.pool else tuple(spec["extents"])
            return Grid(self.filters, extents)
        if self.kind == "concat" and spec["axis"] == "units":
            return Grid(1, (sum(grid.units for grid in sources),))
        alike = {(grid.channels * (self.kind == "add"), grid.extents, grid.channel_major) for grid in sources}
        if len(alike) > 1 or (self.kind == "concat" and below.channel_major):
            self._fail("sources of one shape are needed, none of them numbered by channels like the input")
        if self.kind == "scale" and not len(spec["factors"]) == len(spec["shifts"]) == below.channels:
            self._fail(f"expected {below.channels} factors and shifts")
        channels = sum(grid.channels for grid in sources) if self.kind == "concat" else below.channels
        return Grid(channels, below.extents, below.channel_major)

    def _extents(self) -> tuple[int, ...]:
        """Every window must fit, and see a real neuron: for that, a real coordinate on each axis."""
        spec, found = self.spec, []
        if any(len(spec[key]) != len(self.below.extents) for key in WINDOW):
            self._fail("kernel, stride, padding and dilation need one entry for each axis")
        for axis, (e, k, s, q, d) in enumerate(zip(self.below.extents, *(spec[key] for key in WINDOW), strict=True)):
            count = (e + sum(q) - d * (k - 1) - 1) // s + 1
            if count < 1:
                self._fail(f"the window does not fit into axis {axis} of extent {e}")
            if count > MAX_UNITS:
                raise TooMuch(f"{self.path}: {show(count)} positions are more than this checker takes")
            last = (count - 1) * s - q[0]
            for start in [*range(-q[0], min(last, 0), s), last]:  # those in between begin at a real position
                first = max(0, -(start // d))  # the first offset that is past the padding on the left
                if first >= k or start + first * d >= e:
                    self._fail(f"a patch at {start} on axis {axis} is nothing but padding")
            found.append(count)
        return tuple(found)

    @cached_property
    def length(self) -> int:
        """l, the taps of a filter."""
        if self.kind == "dense":
            return self.below.units
        if "patches" in self.spec:
            return len(self.spec["patches"][0])
        return int(prod(self.spec["kernel"])) * self.below.channels // self.groups

    @cached_property
    def patches(self) -> list[list[int]]:
        """Affine: one for each position and group, position-major.  Pooling: one for each unit."""
        entries = prod(self.above.extents) * self.groups * self.length if self.affine else (
            self.above.units * prod(self.spec.get("kernel", [1])))
        if entries > MAX_UNITS:
            raise TooMuch(f"{self.path}: patches of {show(entries)} entries are more than this checker takes")
        if self.kind == "dense":
            return [list(range(self.below.units))]
        return self.spec["patches"] if "patches" in self.spec else list(self._windows())

    def _windows(self) -> Iterator[list[int]]:
        grid, spec = self.below, self.spec
        shape = list(zip(grid.extents, spec["padding"], strict=True))
        padded, real = int(prod(e + a + b for e, (a, b) in shape)), prod(grid.extents)

        def unit(channel: int, place: Sequence[int]) -> int:
            """The neuron at a place of the padded grid."""
            position, outer, inside = 0, 0, True
            for x, (e, (a, b)) in zip(place, shape, strict=True):
                position, outer = position * e + x - a, outer * (e + a + b) + x
                inside = inside and a <= x < a + e
            if not inside:
                return -1 - (channel * padded + outer)
            return channel * real + position if grid.channel_major else position * grid.channels + channel

        steps = zip(self.above.extents, spec["kernel"], spec["stride"], spec["dilation"], strict=True)
        axes = [[range(o * s, o * s + (k - 1) * d + 1, d) for o in range(count)] for count, k, s, d in steps]
        slots = grid.channels if self.pool else self.groups
        for ranges in product(*axes):
            places = list(product(*ranges))
            channels = [[unit(c, place) for place in places] for c in range(grid.channels)]
            size = grid.channels // slots
            yield from ([u for c in channels[g * size : (g + 1) * size] for u in c] for g in range(slots))

    def mixture(self, grids: list[Grid]) -> list[tuple[list[tuple[int, int, Fraction]], Fraction]]:
        """Average-pooling, addition, concatenation and scaling: for each unit [(source, unit, coefficient), ..] and a shift."""
        one, none, C, units = Fraction(1), Fraction(0), self.above.channels, range(self.above.units)
        if self.pool == "avgpool":
            real = [[u for u in patch if u >= 0] for patch in self.patches]
            sizes = [len(p) if self.spec.get("count_padding") else len(r) for p, r in zip(self.patches, real, strict=True)]
            return [([(0, u, Fraction(1, n)) for u in patch], none) for patch, n in zip(real, sizes, strict=True)]
        if self.kind == "scale":
            channels = [h // (len(units) // C) if self.above.channel_major else h % C for h in units]
            return [([(0, h, self.spec["factors"][c])], self.spec["shifts"][c]) for h, c in zip(units, channels, strict=True)]
        if self.kind == "add":
            return [([(s, h, one) for s in range(len(self.of))], none) for h in units]
        if self.kind != "concat":
            raise Rejected(f"{self.path}: {self.kind} is no fixed linear map")
        positions = 1 if self.spec["axis"] == "units" else len(units) // C
        parts = [grids[s].units // positions for s in self.of]
        return [([(s, p * n + c, one)], none) for p in range(positions) for s, n in enumerate(parts) for c in range(n)]

    def slot(self, unit: int) -> tuple[int, int]:
        """(patch, filter) of a unit of an affine node."""
        p, t = divmod(unit, self.filters)
        return p * self.groups + t * self.groups // self.filters, t

    def entries(self, units: Iterable[int]) -> Iterator[tuple[int, int, int, int]]:
        """(unit, unit below, r, t): U has the entry W[r][t] there, for the real units that these units read."""
        for unit in units:
            slot, t = self.slot(unit)
            yield from ((unit, below, r, t) for r, below in enumerate(self.patches[slot]) if below >= 0)

    @property
    def bias_size(self) -> int:
        sizes: dict[str, int] = {"unit": self.above.units, "filter": self.filters, "none": 0}
        return sizes[self.spec["bias"]]

    @property
    def own_bias(self) -> bool:
        """Every unit has a bias of its own."""
        return self.spec["bias"] == "unit" or (self.spec["bias"] == "filter" and self.above.units == self.filters)


class Network:
    def __init__(self, spec: Fields) -> None:
        sizes, key = spec["input"], 1
        self.name, self.nodes = spec["name"], list[Node]()
        self.grids = [Grid(1, tuple(sizes), True) if len(sizes) == 1 else Grid(sizes[0], tuple(sizes[1:]), True)]
        if self.grids[0].units > MAX_UNITS:
            raise TooMuch(f"instance.network.input: {show(self.grids[0].units)} units are more than this checker takes")
        for n, each in enumerate(spec["nodes"], 1):
            if max(each["of"]) >= n:
                raise Malformed(f"instance.network.nodes[{n - 1}].of: expected earlier nodes, found {max(each['of'])}")
            self.nodes.append(Node(n, each, [self.grids[s] for s in each["of"]], key))
            self.grids.append(self.nodes[-1].above)
            key += self.nodes[-1].affine or self.nodes[-1].pool is not None
        self.titles = spec.get("names", [None] * len(self.nodes))
        if len(self.titles) != len(self.nodes):
            raise Malformed(f"instance.network.names: expected {len(self.nodes)} entries")
        self.affine = [node for node in self.nodes if node.affine]
        sizes = accumulate((node.length * node.filters + node.bias_size for node in self.affine), initial=0)
        self.starts = dict(zip([*(node.number for node in self.affine), 0], sizes, strict=True))  # of parameters; 0: their count
        self.chain = all(node.of == [node.number - 1] for node in self.nodes)

    def node(self, number: int, path: str) -> Node:
        require(1 <= number <= len(self.nodes), f"{path}.node", f"{number} is not one of the nodes 1 .. {len(self.nodes)}")
        return self.nodes[number - 1]

    def upto(self, number: int) -> list[Node]:
        """The ancestors of a node and itself, in order."""
        wanted = {number}
        for node in reversed(self.nodes[:number]):
            wanted |= set(node.of) if node.number in wanted else set()
        return [node for node in self.nodes[:number] if node.number in wanted]

    def exist(self, number: int, path: str) -> None:
        """The features of a node are numbers whatever the data and the weights."""
        right = all(node.activation.has("total") for node in self.upto(number) if node.activation)
        require(right, path, "a custom activation may have no value somewhere")

    def label(self, number: int, letter: str = "F") -> str:
        """F_k, G_k before its activation, U_k for layer k of a chain (FORMAT.md, 2.4); else the node's number and name."""
        node, before = self.nodes[number - 1], self.nodes[max(number - 2, 0)]
        plain = self.chain and all(each.affine or each.activation or each.pool == "maxpool" for each in self.nodes)
        if number == 0 or not plain or (node.activation and not before.affine):
            title = self.titles[number - 1] if number else None
            return f"{letter} at node {number}{f' ({show(title)})' if title else ''}"
        k = sum(1 for each in self.nodes[:number] if each.affine or each.pool)
        waits = node.affine and any(each.activation for each in self.nodes[number : number + 1])
        return f"{'G' if waits and letter == 'F' else letter}_{k}"


def carry(nodes: Sequence[Node], states: dict[int, Any], numbers: Any) -> dict[int, Any]:
    """The one pass: the states of all nodes from that of node 0; `numbers` says what each kind of node does to them, in packed
    integers (`numbers`), jets (`landscape.surface`) or arrays (`arrays`)."""
    for node in nodes:
        sources = [states[s] for s in node.of]
        if node.affine:
            states[node.number] = numbers.affine(node, sources[0])
        elif node.activation:
            states[node.number] = numbers.activated(node, sources[0])
        elif node.pool == "maxpool":
            states[node.number] = numbers.largest(node, sources[0])
        elif node.pool == "avgpool" or node.kind in ("add", "concat", "scale"):
            states[node.number] = numbers.mixed(node, sources)
        else:
            raise Rejected(f"{node.path}: {node.kind} is carried by no pass")
    return states
