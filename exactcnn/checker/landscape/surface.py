"""The loss surface at one point: forward values, the loss 1/2 ||F - Y||^2 and its gradient (FORMAT.md, section 8)."""

from fractions import Fraction
from typing import Any

from ..core.matrices import Context
from ..core.network import Node, carry
from ..core.outcome import TooMuch, require
from .jets import jet

MOST_WORK = 3 * 10**7  # products of one pass: a minute or two


class Surface:
    """Values of all nodes, sample by sample; marks: slopes of activations, the places of the maximum for pooling.

    `point`: for each affine node (W by rows, b), in numbers of the arithmetic.
    """

    def __init__(self, context: Context, point: list[tuple[Any, Any]], numbers: Any, path: str) -> None:
        instance, self.path, self.numbers, self.point = context.instance, path, numbers, point
        self.network, data, targets = instance.network, instance.samples(), instance.targets
        require(targets is not None, path, "targets are needed, but instance.targets is null")
        self.nodes, self.entries = self.network.nodes, dict(zip((n.number for n in self.network.affine), point, strict=True))
        work = len(data.rows) * sum(node.above.units * node.length for node in self.network.affine)
        if work > MOST_WORK:
            raise TooMuch(f"{path}: {work} products, more than the {MOST_WORK} that are done in exact or interval arithmetic")
        self.work = work
        scale = Fraction(data.factor, data.denominator)
        inputs = [[numbers.rational(v * scale) for v in row] for row in data.rows]
        self.marks: dict[int, Any] = {}
        self.known: dict[tuple[int, int, int], bool] = {}  # what `still` has found
        self.F = carry(self.nodes, {0: inputs}, self)
        over = targets["denominator"] if targets else 1
        goals = [[numbers.rational(Fraction(-y, over)) for y in row] for row in (targets or {"rows": []})["rows"]]
        self.residual = [[numbers.add(f, y) for f, y in zip(*pair, strict=True)]
                         for pair in zip(self.F[len(self.nodes)], goals, strict=True)]

    def affine(self, node: Node, x: Any) -> Any:
        (W, b), numbers = self.entries[node.number], self.numbers
        found: list[Any] = [[] for _ in x]
        for h in range(node.above.units):
            slot, t = node.slot(h)
            taps = [(u, W[r][t]) for r, u in enumerate(node.patches[slot]) if u >= 0]
            for row, values in zip(x, found, strict=True):
                g = b[h if node.spec["bias"] == "unit" else t] if b else numbers.zero
                for u, weight in taps:
                    g = numbers.add(g, numbers.mul(weight, row[u]))
                values.append(g)
        return found

    def activated(self, node: Node, x: Any) -> Any:
        sigma: Any = node.activation
        pairs = [[jet(sigma, t, self.numbers) for t in row] for row in x]
        self.marks[node.number] = [[mark for _, mark in row] for row in pairs]
        return [[value for value, _ in row] for row in pairs]

    def largest(self, node: Node, x: Any) -> Any:
        pools, numbers = [[u for u in patch if u >= 0] for patch in node.patches], self.numbers
        self.marks[node.number] = [[self.tops({u: row[u] for u in pool}) for pool in pools] for row in x]
        return [[numbers.joined([row[u] for u in best]) for best in marks]
                for row, marks in zip(x, self.marks[node.number], strict=True)]

    def tops(self, pool: dict[int, Any]) -> list[int]:
        """The units that may have the largest value."""
        numbers = self.numbers
        minus = [numbers.times(-1, x) for x in pool.values()]
        return [u for u, x in pool.items() if all(numbers.sign(numbers.add(x, y)) != -1 for y in minus)]

    def mixed(self, node: Node, sources: list[Any]) -> Any:
        numbers, mixture = self.numbers, node.mixture(self.network.grids)
        found: list[Any] = []
        for rows in zip(*sources, strict=True):
            found.append([])
            for terms, shift in mixture:
                g = numbers.rational(shift)
                for s, u, c in terms:
                    g = numbers.add(g, numbers.mul(numbers.rational(c), rows[s][u]))
                found[-1].append(g)
        return found

    def still(self, number: int, i: int, u: int) -> bool:
        """Near this point the value does not depend on the parameters: a datum, or where a polygon is flat."""
        if number == 0:
            return True
        node, key = self.nodes[number - 1], (number, i, u)
        if node.activation:
            return node.activation.polygon is not None and bool(self.marks[number][i][u] == self.numbers.zero)
        if key not in self.known:
            marks = self.marks[number][i][u] if node.pool == "maxpool" else []
            self.known[key] = bool(marks) and all(self.still(node.of[0], i, each) for each in marks)
        return self.known[key]

    def smooth(self, node: Node, i: int, u: int) -> bool:
        """No kink: the slope exists, the maximum is taken once or among values that stand still."""
        mark: Any = self.marks[node.number][i][u] if node.activation or node.pool == "maxpool" else 0
        if node.pool == "maxpool":
            return len(mark) == 1 or all(self.still(node.of[0], i, each) for each in mark)
        return mark is not None

    def flat(self, node: Node) -> bool | None:
        """Is some slope of an activation 0 here?  None where some may not exist, and no other is 0."""
        marks = [mark for row in self.marks[node.number] for mark in row]
        return any(mark == self.numbers.zero for mark in marks) or (None if None in marks else False)

    def loss(self) -> Any:
        total, numbers = self.numbers.zero, self.numbers
        for row in self.residual:
            for value in row:
                total = numbers.add(total, numbers.mul(value, value))
        return numbers.mul(numbers.rational(Fraction(1, 2)), total)

    def gradient(self, last: int = 0) -> list[tuple[Any, Any]]:
        """(dW, db) for each affine node from `last` up (none below), by way of what `last` moves; a kink there that the loss
        feels is a rejection."""
        numbers, zero = self.numbers, self.numbers.zero
        D: dict[int, Any] = {n: [[zero] * len(row) for row in rows] for n, rows in self.F.items()}
        D[len(self.nodes)] = self.residual
        self.deltas = D
        moved, found = {last}, {}
        for node in self.nodes:
            moved |= {node.number} if last == 0 or moved & set(node.of) else set()
        for node in [node for node in reversed(self.nodes) if node.number in moved]:
            below = D[node.of[0]]
            if node.affine:
                found[node.number] = self.affine_back(node, D[node.number], below)
                continue
            mixture = None if node.activation or node.pool == "maxpool" else node.mixture(self.network.grids)
            for i, row in enumerate(D[node.number]):
                for h, d in enumerate(row):
                    if d == zero:
                        continue
                    require(self.smooth(node, i, h), self.path, f"a kink at sample {i}, node {node.number}, unit {h}")
                    if node.activation:
                        below[i][h] = numbers.add(below[i][h], numbers.mul(d, self.marks[node.number][i][h]))
                    elif mixture is None:
                        u = self.marks[node.number][i][h][0]
                        below[i][u] = numbers.add(below[i][u], d)
                    else:
                        for s, u, c in mixture[h][0]:
                            back = D[node.of[s]][i]
                            back[u] = numbers.add(back[u], numbers.mul(numbers.rational(c), d))
        return [found[last]] if last else [found[node.number] for node in self.network.affine]

    def affine_back(self, node: Node, delta: Any, below: Any) -> tuple[Any, Any]:
        numbers, (W, _), x = self.numbers, self.entries[node.number], self.F[node.of[0]]
        dW = [[numbers.zero] * node.filters for _ in range(node.length)]
        db = [numbers.zero] * node.bias_size
        for i, row in enumerate(delta):
            for h, d in enumerate(row):
                if d == numbers.zero:
                    continue
                slot, t = node.slot(h)
                if db:
                    place = h if node.spec["bias"] == "unit" else t
                    db[place] = numbers.add(db[place], d)
                for r, u in enumerate(node.patches[slot]):
                    if u >= 0:
                        dW[r][t] = numbers.add(dW[r][t], numbers.mul(d, x[i][u]))
                        below[i][u] = numbers.add(below[i][u], numbers.mul(d, W[r][t]))
        return dW, db


def exact_point(context: Context, name: str, path: str) -> list[tuple[Any, Any]]:
    """The weights of a set as numbers in Q[ln 2]: (W, b) for each affine node."""
    point = []
    for node in context.instance.network.affine:
        given = context.instance.entry(node, name, path)
        if given["ln2"]:
            point.append((given["W"], given["b"]))
            continue
        W, b = given["W"], given["b"]
        point.append(([[(Fraction(v, given["W_over"]),) if v else () for v in row] for row in W],
                      [(Fraction(v, given["b_over"]),) if v else () for v in b]))
    return point


def flat(pairs: list[tuple[Any, Any]]) -> list[Any]:
    """Parameters in their order: node by node, W row by row, then b."""
    return [v for W, b in pairs for part in (*W, b) for v in part]
