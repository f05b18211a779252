"""A box of parameters: gradient, Hessian, symmetries and inertia in intervals (FORMAT.md, section 8)."""

from operator import mul as product
from typing import Any

from ..core.grammar import Fields
from ..core.intervals import Interval, Intervals
from ..core.matrices import Context, indices
from ..core.network import Node
from ..core.outcome import Rejected, TooMuch, require
from ..core.regular import regular
from ..core.series import Series
from .surface import MOST_WORK, Surface, flat

Matrix = list[list[Interval]]


def minus(x: Interval) -> Interval:
    return -x[1], -x[0]


class Box:
    """The loss surface over a box of parameters, `values` being an interval for each; no unit is at a kink in it."""

    def __init__(self, context: Context, values: list[Interval], w: int, path: str) -> None:
        self.context, self.values, self.w, self.path, self.base = context, values, w, path, Intervals(w)
        self.network, self.starts = context.instance.network, context.instance.network.starts
        require(len(values) == self.starts[0] > 0, path, f"{len(values)} parameters are given, the network has {self.starts[0]}")
        self.surface = self.at(values, self.base)
        samples = range(len(self.surface.residual))
        for node in self.network.nodes:
            right = all(self.surface.smooth(node, i, u) for i in samples for u in range(node.above.units))
            require(right, path, f"a unit of node {node.number} may be at a kink, or a maximum of moving values taken twice")

    def at(self, values: list[Any], numbers: Any) -> Surface:
        point = []
        for node in self.network.affine:
            start, T = self.starts[node.number], node.filters
            end = start + node.length * T
            point.append(([values[place : place + T] for place in range(start, end, T)], values[end : end + node.bias_size]))
        return Surface(self.context, point, numbers, self.path)

    def gradient(self) -> list[Interval]:
        return flat(self.surface.gradient())

    def curvature(self, direction: list[Interval]) -> list[Interval]:
        """The Hessian times a direction."""
        tangents = self.at(list(zip(self.values, direction, strict=True)), Series(self.base))
        return [entry[1] for entry in flat(tangents.gradient())]

    def hessian(self, free: list[int]) -> Matrix:
        """Its rows and columns at the free parameters."""
        columns = []
        if (passes := len(free) * self.surface.work) > MOST_WORK:
            raise TooMuch(f"{self.path}: a Hessian of {len(free)} parameters takes {passes} products in intervals")
        for j in free:
            column = self.curvature([self.base.one if n == j else (0, 0) for n in range(len(self.values))])
            columns.append([column[i] for i in free])
        return [list(row) for row in zip(*columns, strict=True)]

    # Symmetries: vector fields along which the loss is constant near every point of the box (Lemma 20).

    def symmetry(self, spec: Fields, path: str) -> list[Interval]:
        """The field's vector over the box."""
        field: list[Interval] = [(0, 0)] * len(self.values)
        if spec["kind"] == "idle":
            j = spec["parameter"]
            require(j < len(field) and self.is_idle(j), path, "this parameter is not shown to be without effect")
            field[j] = self.base.one
            return field
        node, index = self.network.node(spec["node"], path), spec["index"]
        require(node.affine, path, f"node {node.number} is not affine")
        middle, above = self.stacked(node, path)
        name = middle.activation.name if middle.activation else "identity"
        degree = {"relu": 1, "leaky_relu": 1, "prelu": 1, "identity": 1, "square": 2}.get(name, 0)
        T, start = node.filters, self.starts[node.number]
        bias, end = start + node.length * T, start + node.length * T + node.bias_size
        if spec["kind"] == "scaling":
            require(degree > 0 and index < T, path, "no such filter, or no homogeneous activation")
            for j in [*range(start + index, bias, T), *range(bias + index, end, T)]:
                field[j] = self.values[j]
            for r in range(above.length):
                hits = {patch[r] % T == index for patch in above.patches if patch[r] >= 0}
                require(len(hits) < 2, path, f"tap {r} of node {above.number} reads this filter at some patches only")
                if hits == {True}:
                    first = self.starts[above.number] + r * above.filters
                    for j in range(first, first + above.filters):
                        field[j] = minus((degree * self.values[j][0], degree * self.values[j][1]))
            return field
        require(index < node.bias_size, path, "no such bias")
        moved = {index} if node.spec["bias"] == "unit" else set(range(index, node.above.units, T))
        slopes = self.surface.marks[middle.number] if middle.activation else [{h: self.base.one for h in moved}]
        straight = middle.activation is None or middle.activation.polygon is not None
        steady = straight and all(row[h] == self.base.one for row in slopes for h in moved)
        require(steady, path, "a unit is not shown to have slope 1 at every sample")
        field[bias + index] = self.base.one
        return self.compensated(field, above, moved, path)

    def stacked(self, node: Node, path: str) -> tuple[Node, Node]:
        """The activation on an affine node (or the node itself) and the affine node on it; nothing else reads them."""
        readers = [n for n in self.network.nodes if node.number in n.of]
        middle = readers[0] if len(readers) == 1 and readers[0].activation else node
        readers = [n for n in self.network.nodes if middle.number in n.of]
        require(len(readers) == 1 and readers[0].affine, path, f"node {node.number} is not read by one affine node alone")
        return middle, readers[0]

    def compensated(self, field: list[Interval], above: Node, moved: set[int], path: str) -> list[Interval]:
        """The biases above take back what their patches see of the moved units."""
        start, T = self.starts[above.number], above.filters
        bias, kind = start + above.length * T, above.spec["bias"]
        seen: dict[int, Interval] = {}  # bias -> what it has to take back
        for h in range(above.above.units):
            slot, t = above.slot(h)
            taps = [r for r, u in enumerate(above.patches[slot]) if u in moved]
            total: Interval = (0, 0)
            for r in taps:
                total = self.base.add(total, self.values[start + r * T + t])
            if kind == "none":
                require(not taps, path, f"node {above.number} has no bias")
                continue
            place = h if kind == "unit" else t
            first = [r for r, u in enumerate(above.patches[above.slot(t)[0]]) if u in moved]
            require(kind == "unit" or taps == first, path, f"node {above.number} shares its biases")
            seen[place] = total
        for place, total in seen.items():
            field[bias + place] = minus(total)
        return field

    def is_idle(self, j: int) -> bool:
        """Every unit the parameter feeds is flat at every sample, or what it multiplies is 0 near the whole box."""
        node = next(n for n in reversed(self.network.affine) if self.starts[n.number] <= j)
        place, size, T = j - self.starts[node.number], node.length * node.filters, node.filters
        readers = [n for n in self.network.nodes if node.number in n.of]
        samples, surface = range(len(self.surface.residual)), self.surface

        def off(i: int, h: int) -> bool:
            return bool(readers) and all(n.activation and surface.still(n.number, i, h) for n in readers) and (
                node.number != len(self.network.nodes))

        if place >= size:
            n = place - size
            fed = [n] if node.spec["bias"] == "unit" else range(n, node.above.units, T)
            return all(off(i, h) for i in samples for h in fed)
        r, t = divmod(place, T)
        for h in range(t, node.above.units, T):
            slot, _ = node.slot(h)
            u, below = node.patches[slot][r], node.of[0]
            dark = [u < 0 or (surface.F[below][i][u] == (0, 0) and surface.still(below, i, u)) for i in samples]
            if not all(dark[i] or off(i, h) for i in samples):
                return False
        return True


def transversal(box: Box, symmetries: list[Fields], free: list[int], path: str) -> None:
    """The fields span a complement of the free coordinates at every point of the box."""
    count, chosen = len(box.values), set(free)
    indices(free, count, path + ".free")
    others = [j for j in range(count) if j not in chosen]
    require(len(others) == len(symmetries), path, f"{len(others)} fixed parameters, {len(symmetries)} symmetries")
    fields = [box.symmetry(each, f"{path}.symmetries[{n}]") for n, each in enumerate(symmetries)]
    right = regular([[field[j] for j in others] for field in fields], box.base)
    require(right, path, "the symmetries are not shown to be independent of the free parameters")


def inertia(H: Matrix, Q: list[list[int]], path: str) -> tuple[int, int]:
    """Positive and negative eigenvalues of every symmetric matrix in H.  If no Gershgorin disc of Q^T H Q meets 0
    then Q is regular, and by Sylvester the signs of its diagonal are those of H (Lemma 19)."""
    order = len(H)
    require(len(Q) == order and all(len(row) == order for row in Q), path, f"expected {order} x {order} integers")
    columns, signs = list(zip(*Q, strict=True)), []
    sums, widths = [[a + b for a, b in row] for row in H], [[b - a for a, b in row] for row in H]
    for i, q in enumerate(columns):
        left = [sum(map(product, q, column)) for column in zip(*sums, strict=True)]
        slack = [sum(map(product, map(abs, q), column)) for column in zip(*widths, strict=True)]
        middle = [sum(map(product, left, other)) for other in columns]
        radius = [sum(map(product, slack, map(abs, other))) for other in columns]
        # The discs of rows: 2 B_ij is within radius_j of middle_j.
        spread = sum(abs(m) + r for j, (m, r) in enumerate(zip(middle, radius, strict=True)) if j != i)
        if abs(middle[i]) - radius[i] <= spread:
            raise Rejected(f"{path}: the eigenvalue disc {i} may meet 0")
        signs.append(middle[i] > 0)
    return signs.count(True), signs.count(False)
