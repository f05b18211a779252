"""(b) Vectors in a kernel, and (c) counting bounds (FORMAT.md, section 6)."""

from collections.abc import Iterable, Iterator
from math import prod
from operator import mul
from typing import Any

from .grammar import INDEX, INDICES, NODE, Fields, array, choice, integer, maybe, pair, record
from .matrices import EVERY, MATRIX, MOST_ENTRIES, Context, Fact, Matrix, indices
from .instance import Data
from .network import Network, Node
from .numbers import Vectors
from .outcome import TooMuch, require

VECTORS = {"vectors": array(record({"pivot": INDEX, "entries": array(pair(INDEX, integer(digits=100_000)))}), 1)}
POLY = array(pair(integer(), array(pair(INDEX, integer(1, 1000)))), 1)


def independent(vectors: list[Fields], size: int, path: str) -> None:
    """Triangular at the pivots: no entry at an earlier vector's pivot."""
    pivots: set[int] = set()
    for s, vector in enumerate(vectors):
        here, support = f"{path}.vectors[{s}]", [index for index, _ in vector["entries"]]
        indices(support, size, here + ".entries")
        require(all(value != 0 for _, value in vector["entries"]), here, "an entry is zero")
        require(vector["pivot"] in support, here, "the pivot is not one of the indices")
        require(pivots.isdisjoint(support), here, "has an entry at the pivot of an earlier vector")
        pivots.add(vector["pivot"])


def kernel(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Integer vectors with v^T M = 0 (left) or M v = 0 (right), for symbols entry by entry (Lemmas 7 and 8)."""
    matrix, left, vectors = Matrix(context, given["of"], path), given["side"] == "left", given["vectors"]
    size = matrix.count if left else matrix.width
    independent(vectors, size, path)
    require(matrix.letter != "U+", path, "not for this matrix")
    support = sorted({index for vector in vectors for index, _ in vector["entries"]})
    at = {index: i for i, index in enumerate(support)}
    sparse = [([at[index] for index, _ in vector["entries"]], [c for _, c in vector["entries"]]) for vector in vectors]
    lines = feature_lines(matrix, left, support) if matrix.features else lifted_lines(matrix, left, at)
    for line, entries in lines:
        for s, (places, coefficients) in enumerate(sparse):
            wrong = not vanishes(matrix, coefficients, [entries[i] for i in places])
            require(not wrong, f"{path}.vectors[{s}]", f"the product is not 0 at index {line}")
    bound, sums = size - len(vectors), [sum(coefficients) for _, coefficients in sparse]
    more = {"augmented": size - len(vectors) + any(sums)} if left and matrix.features else {}
    words = f"rank {matrix.name} <= {bound} at the weights {matrix.weights}"
    return Fact("rank", words, (matrix.letter, matrix.number), matrix.weights, high=bound, more=more)


def feature_lines(matrix: Matrix, left: bool, support: list[int]) -> Iterator[tuple[int, list[int]]]:
    """The entries at the support, of every unit (left) or every sample (right): numerators, or of the pre-activation."""
    vectors = Vectors(matrix.instance, matrix.weights, matrix.base, None, matrix.path)
    matrix.vectors = vectors
    if not left:
        first = 0
        for packing, columns in vectors.batches(range(matrix.count), support):
            yield from enumerate(map(list, zip(*(packing.unpack(v) for v, _ in columns), strict=True)), first)
            first += packing.count
        return
    step = max(1, MOST_ENTRIES // max(1, len(support)))
    for start in range(0, matrix.width, step):
        units = range(start, min(start + step, matrix.width))
        blocks = [[packing.unpack(v) for v, _ in columns] for packing, columns in vectors.batches(support, units)]
        for i, unit in enumerate(units):
            yield unit, [entry for block in blocks for entry in block[i]]


def lifted_lines(matrix: Matrix, left: bool, at: dict[int, int]) -> Iterator[tuple[int, list[int]]]:
    node = matrix.node
    require(node is not None and not matrix.entry["ln2"], matrix.path, "only rational weights have kernels")
    if node is None:
        return
    lines: dict[int, list[int]] = {}
    if len(at) * (node.above.units if left else node.below.units) > MOST_ENTRIES:
        raise TooMuch(f"{matrix.path}: a kernel of {len(at)} indices")
    for unit, below, r, t in node.entries(range(node.above.units) if left else sorted(at)):
        line, index = (unit, below) if left else (below, unit)
        if index in at:
            lines.setdefault(line, [0] * len(at))[at[index]] = matrix.entry["W"][r][t]
    yield from lines.items()


def vanishes(matrix: Matrix, coefficients: list[int], entries: list[int]) -> bool:
    if not matrix.features or matrix.sigma is None:
        return not sum(map(mul, coefficients, entries))
    rest, totals, d = 0, dict[int | None, int](), matrix.vectors.denominator
    for v, n in zip(coefficients, entries, strict=True):
        key, c, r = matrix.sigma.symbol(n, d)
        rest += v * r
        totals[key] = totals.get(key, 0) + v * c
    return rest == 0 and not any(totals.values())


def polynomial_kernel(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """The same for U with the filters as unknowns, the entries of the vectors being polynomials in them (Lemma 9)."""
    node, left, vectors = context.instance.network.node(given["node"], path), given["side"] == "left", given["vectors"]
    require(node.affine, path + ".node", f"node {node.number} is not affine")
    size, variables = node.below.units if left else node.above.units, node.length * node.filters
    independent([{**v, "entries": [(index, 1) for index, _ in v["entries"]]} for v in vectors], size, path)
    for s, vector in enumerate(vectors):
        for _, poly in vector["entries"]:
            for coefficient, monomial in poly:
                require(coefficient != 0, f"{path}.vectors[{s}]", "a coefficient is zero")
                indices([variable for variable, _ in monomial], variables, f"{path}.vectors[{s}] variables")
            require(len({tuple(monomial) for _, monomial in poly}) == len(poly), path, "a monomial occurs twice")
    met: dict[int, list[tuple[int, int]]] = {}  # index -> (line of the product, variable) of U's entries there
    support = {index for vector in vectors for index, _ in vector["entries"]}
    for unit, below, r, t in node.entries(range(node.above.units) if left else sorted(support)):
        index, line = (below, unit) if left else (unit, below)
        if index in support:
            met.setdefault(index, []).append((line, r * node.filters + t))
    for s, vector in enumerate(vectors):
        totals: dict[Any, int] = {}  # (line, monomial) -> coefficient
        for index, poly in vector["entries"]:
            for line, variable in met.get(index, []):
                for coefficient, monomial in poly:
                    powers = dict(monomial)
                    powers[variable] = powers.get(variable, 0) + 1
                    term = line, tuple(sorted(powers.items()))
                    totals[term] = totals.get(term, 0) + coefficient
        require(not any(totals.values()), f"{path}.vectors[{s}]", "the product is not zero")
    return generic(node, context.instance.network, size - len(vectors))


def generic(node: Node, network: Network, bound: int) -> Fact:
    words = f"rank {network.label(node.number, 'U')} <= {bound} for every choice of filters"
    return Fact("rank", words, ("U", node.number), EVERY, high=bound)


def different(data: Data, patch: Iterable[int]) -> int:
    """The number of different restrictions of the samples to these units, padding left out."""
    real = sorted({u for u in patch if u >= 0})
    return len({tuple([row[u] for u in real]) for row in data.rows})


def count(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Bounds that hold for every parameter (Lemma 10)."""
    instance, network, rule, v = context.instance, context.instance.network, given["rule"], given["node"]
    node, data, more = network.node(v, path), instance.samples(), {}
    first = node if node.affine else network.nodes[node.of[0] - 1] if node.activation and node.of[0] else node
    if rule in ("width", "samples"):
        require(given["positions"] is None, path + ".positions", "null for this rule")
        bound = node.above.units if rule == "width" else len(set(map(tuple, data.rows)))
        more = {"augmented": bound + (rule == "width")}
    else:
        right = first.affine and first.of == [0]
        require(right, path + ".node", "only for an affine node on the input, or its activation")
        require((rule == "restriction") == (given["positions"] is not None), path + ".positions", "for restriction only")
        each, patches = first.filters // first.groups, first.patches
        if rule == "sequences":
            require(first.spec["bias"] != "unit", path, "biases are per unit")
            padded = [[*row, 0] for row in data.rows]
            if len(padded) * len(patches) * first.length > 2**26:
                raise TooMuch(f"{path}: {len(patches)} sequences of {len(padded)} patches")
            values = ((p % first.groups, tuple([tuple([row[max(u, -1)] for u in patch]) for row in padded]))
                      for p, patch in enumerate(patches))
            bound = each * len(set(values))
        elif rule == "restriction":
            chosen = given["positions"]
            indices(chosen, len(patches), path + ".positions")
            seen = {u for position in chosen for u in patches[position]}
            bound = each * (len(patches) - len(chosen)) + (different(data, seen) if chosen else 0)
        else:
            few = [d for patch in patches if (d := different(data, patch)) <= each]
            bound = each * (len(patches) - len(few)) + sum(few) - len(few) + bool(few)
        more = {"augmented": bound + 1}
    words = f"rank {network.label(v)} <= {bound} for every choice of weights, by counting"
    return Fact("rank", words, ("F", v), EVERY, high=bound, more=more)


def cover(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Every entry of U that may be other than 0 lies on a covering line (Lemma 11)."""
    node, network = context.instance.network.node(given["node"], path), context.instance.network
    require(node.affine, path + ".node", f"node {node.number} is not affine")
    indices(given["rows"], node.below.units, path + ".rows")
    indices(given["columns"], node.above.units, path + ".columns")
    rows, columns = set(given["rows"]), set(given["columns"])
    for unit, below, _, _ in node.entries(u for u in range(node.above.units) if u not in columns):
        require(below in rows, path, f"row {below} is not covered at unit {unit}")
    return generic(node, network, len(rows) + len(columns))


def determinantal(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Plain convolutions with more filters than channels (Lemma 12)."""
    node, network = context.instance.network.node(given["node"], path), context.instance.network
    spec, channels = node.spec, node.below.channels
    plain = node.kind == "conv" and {*spec["stride"]} == {1} and {q for qs in spec["padding"] for q in qs} == {0}
    require(plain and node.groups == 1, path, "needs a convolution with stride 1, padding 0, one group")
    require(node.filters > channels, path, f"needs more than {channels} filters, there are {node.filters}")
    axes = zip(node.above.extents, spec["kernel"], spec["dilation"], strict=True)
    return generic(node, network, node.above.units - prod(max(0, o - channels * d * (k - 1)) for o, k, d in axes))


# fmt: off
SIDE = {"side": choice("left", "right")}
RULES: dict[str, tuple[dict[str, Any], Any]] = {
    "kernel": ({"of": MATRIX, **SIDE, **VECTORS}, kernel),
    "polynomial-kernel": ({"node": NODE, **SIDE, "vectors": array(record(
        {"pivot": INDEX, "entries": array(pair(INDEX, POLY))}), 1)}, polynomial_kernel),
    "count": ({"node": NODE, "rule": choice("width", "samples", "restriction", "patches", "sequences"),
               "positions": maybe(INDICES)}, count),
    "cover": ({"node": NODE, "rows": INDICES, "columns": INDICES}, cover),
    "determinantal": ({"node": NODE}, determinantal),
}
