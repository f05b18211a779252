"""The one pass: a network carried over vectors of integers (FORMAT.md, section 5).

The value of a unit at a batch of samples is a vector v of numerators over a denominator that all units of the node share,
packed into one Python integer, sum v_i 2^(B i): sums and multiples of such integers are those of the vectors, at the speed
of C, and so are max(v, 0) and the maximum of two.  Beside it stands a radius: the true numerators are within it.
Radii are 0 as long as all is rational; an activation that is not is enclosed at w places (`intervals`).
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from math import lcm
from operator import mul
from typing import Any

from .cells import MOST, Cells
from .instance import Instance
from .network import Node, carry
from .outcome import MOST_BITS, Rejected, TooMuch, common, require

Column = tuple[int, int]  # a packed vector and the radius of its entries
NATIVE = (4, 8) if sys.byteorder == "little" else ()  # bytes of what `array` holds as the packed integers do


class Packing:
    """Vectors of `count` integers of absolute value at most `most`."""

    def __init__(self, count: int, most: int) -> None:
        need = most.bit_length() + 2
        self.size = next((n for n in (4, 8) if need <= 8 * n), -(-need // 8))  # bytes
        self.count, self.bits, self.shift = count, 8 * self.size, 1 << 8 * self.size - 1
        self.ones = ((1 << self.bits * count) - 1) // ((1 << self.bits) - 1)
        self.half = self.ones << self.bits - 1
        if self.size * count > 2**28:
            raise TooMuch(f"numbers of {self.bits} bits are more than this checker takes")

    def pack(self, values: Sequence[int]) -> int:
        h = self.shift
        if self.size in NATIVE:
            raw = array("I" if self.size == 4 else "Q", [v + h for v in values]).tobytes()
        else:
            raw = b"".join([(v + h).to_bytes(self.size, "little") for v in values])
        return int.from_bytes(raw, "little") - self.half

    def raw(self, x: int) -> bytes:
        """The fields v + 2^(B - 1), none of them negative."""
        return (x + self.half).to_bytes(self.size * self.count, "little")

    def unpack(self, x: int) -> list[int]:
        raw, h, n = self.raw(x), self.shift, self.size
        if n in NATIVE:
            return [v - h for v in memoryview(raw).cast("I" if n == 4 else "Q")]
        return [int.from_bytes(raw[i : i + n], "little") - h for i in range(0, len(raw), n)]

    def positive(self, x: int) -> int:
        """max(v, 0): the top bit of v + 2^(B - 1) says whether v >= 0, and is spread over its field as a mask."""
        shifted = x + self.half
        signs = shifted >> self.bits - 1 & self.ones
        return (shifted & (signs << self.bits) - signs) - (signs << self.bits - 1)

    def largest(self, values: list[int]) -> int:
        best = values[0]
        for value in values[1:]:
            best += self.positive(value - best)
        return best


class Vectors:
    """The columns of F_v: `w` is None where everything has to be rational.  `room`: what the numerators of the columns
    that come out may be multiplied by, still packed."""

    def __init__(self, instance: Instance, weights: str, top: int, w: int | None, path: str, room: int = 1) -> None:
        self.instance, self.top, self.path = instance, top, path
        self.data, self.nodes = instance.samples(), instance.network.upto(top)
        self.w = w
        self.over = {0: self.data.denominator}  # node -> the denominator of its units
        self.most = {0: self.data.factor * max(max(max(row), -min(row)) for row in self.data.rows)}
        self.steps = {node.number: self._step(node, weights) for node in self.nodes}
        self.room = max(max(self.most.values()), self.most[top] * room)
        self.weight = sum(instance.network.grids[node.number].units for node in self.nodes) + instance.network.grids[0].units
        self.denominator = self.over[top]

    def _step(self, node: Node, weights: str) -> Any:
        """What the pass needs at a node, in integers; sets its denominator and the largest numerator."""
        below = [(self.over[s], self.most[s]) for s in node.of]
        (D, m), step = below[0], None  # type: tuple[int, int], Any
        if node.affine:
            given = self.instance.entry(node, weights, self.path)
            require(not given["ln2"], self.path, f"the weights of node {node.number} may not be rational")
            over = lcm(given["W_over"] * D, given["b_over"])
            up, lift = over // (given["W_over"] * D), over // given["b_over"]
            columns = [[value * up for value in column] for column in zip(*given["W"], strict=True)]
            bias = [value * lift for value in given["b"]] or [0]
            bias = bias * (node.above.units // len(bias))
            m = m * max(sum(map(abs, column)) for column in columns) + max(map(abs, bias))
            step = columns, bias
        elif node.activation and node.activation.polygon:
            constant, slope, kinks = node.activation.polygon
            r = common(kink for kink, _ in kinks)
            q = common((constant, slope, *(change for _, change in kinks)))
            over, slopes = D * q * r, [int(q * slope)]
            pairs = [(int(r * kink * D), int(q * change)) for kink, change in kinks]
            for _, change in pairs:
                slopes.append(slopes[-1] + change)
            m = abs(int(q * r * constant * D)) + r * m * abs(slopes[0]) + sum(abs(c) * (r * m + abs(k)) for k, c in pairs)
            step = int(q * r * constant * D), r, slopes[0], pairs, r * max(map(abs, slopes))
        elif node.activation and node.activation.rational:
            over, m = D * D, m * m
        elif node.activation:
            if self.w is None:
                raise Rejected(f"{self.path}: {node.activation.name} at node {node.number} is not rational")
            over, step = 2 << self.w, Cells(node.activation, self.w, f"{self.path}: node {node.number}")
            m = MOST * over
        elif node.pool == "maxpool":
            over = D
        else:
            mixture, D = node.mixture(self.instance.network.grids), lcm(*(d for d, _ in below))
            q = common(c for terms, shift in mixture for c in (shift, *(c for _, _, c in terms)))
            over, up = D * q, [D // d for d, _ in below]
            step = [([(s, u, int(c * q) * up[s]) for s, u, c in terms], int(shift * q) * D) for terms, shift in mixture]
            m = max(sum(abs(c) * below[s][1] for s, _, c in terms) + abs(shift) for terms, shift in step)
        if (bits := max(m, over).bit_length()) > MOST_BITS:
            raise TooMuch(f"{self.path}: numbers of {bits} bits at node {node.number}")
        self.over[node.number], self.most[node.number] = over, m
        return step

    def batches(self, samples: Sequence[int], units: Sequence[int]) -> Iterator[tuple[Packing, list[Column]]]:
        """The columns of the given units at the given samples, batch by batch."""
        size = max(1, 2**31 // (self.weight * (self.room.bit_length() + 16) + 400 * len(units)))
        top = self.nodes[-1] if self.nodes else None
        only = {self.top: list(units)}  # an activation reads unit by unit, so that its source needs no others
        if top and top.activation:
            only[top.of[0]] = list(units)
        for first in range(0, len(samples), size):
            chosen = samples[first : first + size]
            packing, factor = Packing(len(chosen), self.room), self.data.factor
            rows = [self.data.rows[i] for i in chosen]
            states = {0: [(packing.pack([v * factor for v in column]), 0) for column in zip(*rows, strict=True)]}
            carry(self.nodes, states, Batch(self, packing, only))
            narrowed = top is not None and (top.affine or top.activation)
            yield packing, states[self.top] if narrowed else [states[self.top][h] for h in units]


class Batch:
    """What a node does to the columns of a batch; `only`: the units of a node that are wanted, where not all are."""

    def __init__(self, vectors: Vectors, packing: Packing, only: dict[int, list[int]]) -> None:
        self.vectors, self.packing, self.only = vectors, packing, only

    def largest(self, node: Node, x: list[Column]) -> list[Column]:
        pools = [[x[u] for u in patch if u >= 0] for patch in node.patches]
        return [(self.packing.largest([value for value, _ in pool]), max(r for _, r in pool)) for pool in pools]

    def mixed(self, node: Node, sources: list[list[Column]]) -> list[Column]:
        return [(sum((c * sources[s][u][0] for s, u, c in terms), shift * self.packing.ones),
                 sum(abs(c) * sources[s][u][1] for s, u, c in terms)) for terms, shift in self.vectors.steps[node.number]]

    def activated(self, node: Node, x: list[Column]) -> list[Column]:
        only = self.only.get(node.number)
        if only is not None and len(x) != len(only):  # the source is not affine and came whole
            x = [x[h] for h in only]
        return [self.value(node, column) for column in x]

    def affine(self, node: Node, x: list[Column]) -> list[Column]:
        (columns, bias), result, last = self.vectors.steps[node.number], list[Column](), -1
        values, radii = [*(v for v, _ in x), 0], [*(r for _, r in x), 0]  # padding neurons read the 0 at the end
        exact, patches, ones = not any(radii), node.patches, self.packing.ones
        sizes = None if exact else [list(map(abs, column)) for column in columns]
        for h in self.only.get(node.number, range(node.above.units)):
            slot, t = node.slot(h)
            if slot != last:
                reads, last = [max(u, -1) for u in patches[slot]], slot
                taken, spread = [values[u] for u in reads], [radii[u] for u in reads]
            result.append((sum(map(mul, columns[t], taken), bias[h] * ones), sum(map(mul, sizes[t], spread)) if sizes else 0))
        return result
    def value(self, node: Node, column: Column) -> Column:
        sigma, (x, radius), packing, path = node.activation, column, self.packing, self.vectors.path
        if sigma is not None and sigma.polygon:
            constant, r, slope, pairs, steepest = self.vectors.steps[node.number]
            scaled, total = r * x, constant * packing.ones + slope * r * x
            for kink, change in pairs:
                total += change * packing.positive(scaled - kink * packing.ones)
            return total, steepest * radius
        if sigma is not None and sigma.name == "square":
            values = packing.unpack(x)
            return packing.pack([v * v for v in values]), (2 * max(map(abs, values)) + radius) * radius
        cells, instance, source = self.vectors.steps[node.number], self.vectors.instance, node.of[0]
        if not isinstance(cells, Cells):
            raise Rejected(f"{path}: node {node.number} is no activation that can be enclosed")
        D, most = self.vectors.over[source], self.vectors.most[source]
        if instance.helper and (made := instance.helper.values(cells, packing, x, most, radius, D)):
            instance.assumptions.add(instance.helper.NUMPY)
            return made[0], made[1]
        found, width = cells.values(packing.unpack(x), radius, D)
        return packing.pack(found), width
