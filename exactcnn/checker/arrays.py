"""NumPy's part, optional: the same pass and the same products as `core.numbers` and `core.regular`, for large minors mod p.

Every number is an integer in float64 (float32) of which, like every partial sum, the absolute value is below 2^53 (2^24),
hence exact in whatever order it is added up.  Evidence has been validated before; a kind of node that is not named here is
rejected, never passed through.
"""

import os
from collections.abc import Iterator
from typing import Any

from .core.matrices import Matrix
from .core.network import Node, carry
from .core.outcome import Rejected

LARGE = 10**6  # entries of a minor from which NumPy is worth loading
EXACT, SHORT, TABLE = 2**53, 2**24, 2**23
NUMPY = "NumPy's products of integers in floats, exact below 2^53 (float32: 2^24), and its element-wise operations"


def load() -> Any:
    """NumPy, or None; its products here are many and small, so that threads inside them cost more than they bring."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def blocks(matrix: Matrix, rows: list[int], columns: list[int], p: int, root: int | None) -> "Iterator[Block] | None":
    """The blocks of `Matrix.residues` as arrays; None where plain Python must do it."""
    if not matrix.features or len(rows) * len(columns) < LARGE or matrix.divisor != 1:
        return None
    sigma = matrix.sigma
    tabled = sigma is None or sigma.name in ("sigmoid", "tanh", "gaussian")
    if not tabled or matrix.vectors.room >= EXACT // 2 or len(columns) * p * p >= EXACT or (numpy := load()) is None:
        return None
    arrays = Arrays(matrix, rows, columns, p, root, numpy)
    return arrays.blocks() if arrays.usable else None


class Block:
    """A batch of rows of the minor, as an array of columns."""

    def __init__(self, numpy: Any, columns: Any) -> None:
        self.numpy, self.columns, self.count = numpy, columns, columns.shape[1]

    def products(self, vectors: list[list[int]], p: int) -> Iterator[list[int]]:
        """A x mod p for each vector."""
        X = self.numpy.array(vectors, dtype=self.columns.dtype)
        yield from (X @ self.columns % p).astype(self.numpy.int64).tolist()


class Arrays:
    def __init__(self, matrix: Matrix, rows: list[int], columns: list[int], p: int, root: int | None, numpy: Any) -> None:
        self.np, self.matrix, self.vectors, self.p, self.rows, self.units = numpy, matrix, matrix.vectors, p, rows, columns
        self.nodes, self.table = matrix.vectors.nodes, None
        self.usable = small([self.vectors.data.factor, *(self.vectors.steps[node.number] for node in self.nodes)])  # values may all be 0
        if matrix.sigma is None or not self.usable:
            return
        # Exponents matter mod p - 1 only: weights and values below are centred, and their sums looked up in a table.
        top, q = self.nodes[-1] if self.nodes else None, p - 1
        self.reach = top.length * (q // 2 + 1) ** 2 + q if top is not None and top.affine else TABLE
        self.usable = 2 * self.reach < TABLE
        if self.usable:
            try:
                images = matrix.sigma.images(list(range(q)), matrix.over, p, root, matrix.path)
            except Rejected:  # a pole, perhaps at an exponent that does not occur: for plain Python to say
                self.usable = False
                return
            self.table = numpy.array(images, dtype=float)[numpy.arange(-self.reach, self.reach + 1) % q]
            self.short = max(2 * self.reach, len(columns) * p * p) < SHORT

    def blocks(self) -> Iterator[Block]:
        np, vectors, form = self.np, self.vectors, self.np.float64
        size = max(16, 2**24 // max(vectors.weight, len(self.units)))
        for first in range(0, len(self.rows), size):
            chosen = self.rows[first : first + size]
            rows = [vectors.data.rows[i] for i in chosen]
            if isinstance(rows[0], bytes):
                flat = np.frombuffer(b"".join(map(bytes, rows)), dtype=np.uint8).reshape(len(rows), -1)
            else:
                flat = np.array(rows)
            first = flat.T.astype(form) * vectors.data.factor
            yield Block(np, self.top(carry(self.nodes[:-1], {0: first}, self)))

    def top(self, states: dict[int, Any]) -> Any:
        np, p = self.np, self.p
        if not self.nodes:
            return states[0][self.units] % p
        node = self.nodes[-1]
        if self.table is None:
            if node.affine:
                return self.sums(node, states[node.of[0]], self.units) % p
            return carry([node], states, self)[node.number][self.units] % p
        form = np.float32 if self.short else np.float64
        W, b = self.vectors.steps[node.number]
        centred = [self.centred(W), self.centred(b) + self.reach]
        values = self.sums(node, self.centred(states[node.of[0]]), self.units, *(array.astype(form) for array in centred))
        return self.table.astype(form)[values.astype(np.intp)]

    def centred(self, values: Any) -> Any:
        """Mod p - 1, of absolute value at most (p - 1)/2."""
        np, q = self.np, self.p - 1
        reduced = np.mod(np.array(values, dtype=np.float64), q)
        return np.where(2 * reduced > q, reduced - q, reduced)

    def sums(self, node: Node, x: Any, units: list[int], W: Any = None, b: Any = None) -> Any:
        np = self.np
        if W is None:
            W, b = (np.array(part, dtype=np.float64) for part in self.vectors.steps[node.number])
        padded = np.concatenate([x, np.zeros((1, x.shape[1]))]).astype(W.dtype)
        found, at = np.empty((len(units), x.shape[1]), dtype=W.dtype), 0
        while at < len(units):  # units of one patch together
            slot, end = node.slot(units[at])[0], at + 1
            while end < len(units) and node.slot(units[end])[0] == slot:
                end += 1
            chosen = units[at:end]
            reads = [max(u, -1) for u in node.patches[slot]]
            found[at:end] = W[[h % node.filters for h in chosen]] @ padded[reads] + b[chosen][:, None]
            at = end
        return found

    def affine(self, node: Node, x: Any) -> Any:
        return self.sums(node, x, list(range(node.above.units)))

    def activated(self, node: Node, x: Any) -> Any:
        if node.activation and node.activation.polygon:
            constant, r, slope, pairs, _ = self.vectors.steps[node.number]
            total = constant + slope * r * x
            for kink, change in pairs:
                total += change * self.np.maximum(r * x - kink, 0)
            return total
        if node.activation is None or node.activation.name != "square":
            raise Rejected(f"{self.matrix.path}: the activation of node {node.number} has no values here")
        return x * x

    def largest(self, node: Node, x: Any) -> Any:
        return self.np.stack([x[[u for u in patch if u >= 0]].max(axis=0) for patch in node.patches])

    def mixed(self, node: Node, sources: list[Any]) -> Any:
        step = self.vectors.steps[node.number]
        return self.np.stack([sum(c * sources[s][u] for s, u, c in terms) + shift for terms, shift in step])


def small(step: Any) -> bool:
    """Every integer in nested lists is below 2^53."""
    return all(map(small, step)) if isinstance(step, (list, tuple)) else step is None or abs(step) < EXACT


def singles_out(node: Node, rows: list[Any], filters: list[list[int]], owned: list[tuple[int, list[tuple[int, int]]]],
                bound: int) -> bool | None:
    """The comparisons of `core.order`: for each slot the pairs (place j, filter) such that z_i < z_j for all rows i before j;
    `bound` is one of all |z|.  None where plain Python must do them."""
    work = len(rows) * sum(len(pairs) for _, pairs in owned)
    if work * node.length < 10 * LARGE or bound >= EXACT or (np := load()) is None:
        return None
    if isinstance(rows[0], bytes):
        columns = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), -1).T.copy()
    else:
        columns = np.array(rows).T.copy()
    for slot, pairs in owned:
        taps = [r for r, u in enumerate(node.patches[slot]) if u >= 0]
        patch = columns[[node.patches[slot][r] for r in taps]].astype(np.float64)
        for start in range(0, len(pairs), 32):  # a few lines of z at a time
            block = pairs[start : start + 32]
            weights = np.array([[filters[t][r] for r in taps] for _, t in block], dtype=np.float64)
            for z, (j, _) in zip(weights @ patch, block, strict=True):
                if not z[:j].max(initial=-np.inf) < z[j]:
                    return False
    return True
