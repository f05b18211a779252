"""The rules for Assumption 2.4, Lemma 2.5 and the rank at given weights (FORMAT.md, 6.4, 6.8): the rank of U_k."""

import hashlib
from collections.abc import Iterator
from math import prod
from typing import Any

from .evidence import Context, Fields, bounds, equal, in_words, independent, indices, minor, require
from .instance import Instance, Layer
from .outcome import product_cost


def generic_rank(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """Assumption 2.4, Lemma 2.5, and lifted-rank: the same at the instance's weights."""
    instance, evidence, at_weights = context.instance, claim["evidence"], claim["statement"] == "lifted-rank"
    layer = instance.layer(claim["layer"], path)
    right = layer.kind == "conv" or (at_weights and layer.kind == "dense")
    require(right, path + ".layer", f"layer {layer.number} is not convolutional")
    rows, columns, k = layer.below.units, layer.units, layer.number
    equal(claim, path, rows=rows, columns=columns)
    full, given, here = min(rows, columns), evidence["lower"], path + ".evidence"
    lower, upper = 0, full
    if given is not None:
        require((given["filters"]["kind"] == "weights") == at_weights, here, "filters of another kind are needed")

        def submatrix() -> Iterator[list[int]]:
            return filter_rows(layer, instance, given, here + ".lower")

        lower = minor(context, raw, given, (rows, columns), submatrix, here + ".lower")
    if evidence["upper"] is not None:
        bound = lifted_upper if at_weights else generic_upper
        upper = bound(instance, layer, evidence["upper"], here + ".upper")
    bounds(claim, lower, upper, full, path)
    if at_weights:
        return f"{in_words(f'rank U_{k}', lower, min(upper, full))} at the given weights (U_{k} is {rows} x {columns})"
    best, name = min(upper, full), claim["statement"].capitalize().replace("-", " ")
    if lower < full and best == full:
        about, note = f"{name} at layer {k} is undecided: ", ""
    else:
        about = f"{name} {'holds' if lower == full else 'fails'} at layer {k}: "
        note = f", full rank for almost every W_{k}" if lower == full else f", full rank for no W_{k}"
    return f"{about}{in_words(f'generic rank of U_{k}', lower, best)} (U_{k} is {rows} x {columns}{note})"


def filter_rows(layer: Layer, instance: Instance, evidence: Fields, path: str) -> Iterator[list[int]]:
    """Rows of the submatrix of U_k for the given filters mod p."""
    length, filters, spec, stream = layer.patch_length, layer.filters, evidence["filters"], b""
    order = len(evidence["columns"])
    instance.budget.spend(5 * length * (filters + order) + order**2, path)
    instance.budget.hold(length * (filters + 3 * order), path)
    if spec["kind"] == "seed":
        message = f"exactcnn/filters/1/{spec['seed']}/{layer.number}".encode("ascii")
        stream = hashlib.shake_256(message).digest(8 * length * filters)
    weights = instance.parameters(layer)[0] if spec["kind"] == "weights" else []
    patches, place = layer.patches(instance.budget), {unit: i for i, unit in enumerate(evidence["rows"])}
    entries: list[list[tuple[int, int]]] = [[] for _ in place]
    for j, column in enumerate(evidence["columns"]):
        position, t = divmod(column, filters)
        for r, unit in enumerate(patches[position]):
            at = 8 * (r * filters + t)
            weight = int.from_bytes(stream[at : at + 8], "big") if stream else int(r == t)
            weight = weights[t][r] if weights else weight
            if unit in place:
                entries[place[unit]].append((j, weight % evidence["prime"]))
    for sparse in entries:
        row = [0] * len(place)
        for j, weight in sparse:
            row[j] = weight
        yield row


def lifted_upper(instance: Instance, layer: Layer, evidence: Fields, path: str) -> int:
    """Integer vectors v with v^T U = 0 (left) or U v = 0 (right), at the instance's weights."""
    left, vectors, filters = evidence["kind"] == "left-kernel", evidence["vectors"], layer.filters
    size = layer.below.units if left else layer.units
    independent(vectors, size, path)
    columns, patches = instance.parameters(layer)[0], layer.patches(instance.budget)
    bits = max((abs(v).bit_length() for vector in vectors for _, v in vector["entries"]), default=0)
    cost = product_cost(bits, max((abs(v).bit_length() for column in columns for v in column), default=0))
    instance.budget.spend((1 + len(vectors)) * len(patches) * layer.patch_length * filters * (3 + cost), path)
    for s, vector in enumerate(vectors):
        values, totals = dict(vector["entries"]), dict[int, int]()
        for position, patch in enumerate(patches):
            for t, column in enumerate(columns):
                h = position * filters + t
                for unit, weight in zip(patch, column, strict=True):
                    line, index = (h, unit) if left else (unit, h)
                    if unit >= 0 and index in values:
                        totals[line] = totals.get(line, 0) + values[index] * weight
        wrong = next((line for line, total in totals.items() if total), None)
        require(wrong is None, f"{path}.vectors[{s}]", f"the product is not zero at index {wrong}")
    return size - len(vectors)


def generic_upper(instance: Instance, layer: Layer, evidence: Fields, path: str) -> int:
    kind, budget, filters, spec = evidence["kind"], instance.budget, layer.filters, layer.spec
    if kind == "determinantal":
        channels = layer.below.channels
        plain = {*spec.get("stride", [0])} == {1} and {*spec["padding"]} == {0}
        require(plain, path, "needs a kernel with stride 1 and padding 0")
        require(filters > channels, path, f"needs more than {channels} filters, there are {filters}")
        axes = zip(layer.above.extents, spec["kernel"], spec["dilation"], strict=True)
        kernel = prod(max(0, o - channels * d * (k - 1)) for o, k, d in axes)
        return layer.units - int(kernel)
    patches = layer.patches(budget)
    budget.spend(5 * len(patches) * (layer.patch_length + filters), path)
    if kind == "cover":
        indices(evidence["rows"], layer.below.units, path + ".rows")
        indices(evidence["columns"], layer.units, path + ".columns")
        rows, columns = set(evidence["rows"]), set(evidence["columns"])
        for position, patch in enumerate(patches):
            if any(position * filters + t not in columns for t in range(filters)):
                bare = [u for u in patch if u >= 0 and u not in rows]
                require(not bare, path, f"row {bare[:1]} is not covered at position {position}")
        return len(rows) + len(columns)
    vectors, left = evidence["vectors"], evidence["side"] == "left"
    size = layer.below.units if left else layer.units
    independent(vectors, size, path)
    where: dict[int, list[tuple[int, int]]] = {}  # unit of the layer below -> (position, place in the patch)
    for position, patch in enumerate(patches if left else []):
        for r, unit in enumerate(patch):
            where.setdefault(unit, []).append((position, r))
    for s, vector in enumerate(vectors):
        here = f"{path}.vectors[{s}]"
        totals: dict[Any, int] = {}  # (line of the product, monomial) -> coefficient
        for index, poly in vector["entries"]:
            check_polynomial(poly, layer.patch_length * filters, here)
            position, t = divmod(index, filters)
            if left:  # the entries of row `index`: columns they stand in, variables they are
                places = where.get(index, [])
                met = [(q * filters + t, r * filters + t) for q, r in places for t in range(filters)]
            else:
                met = [(u, r * filters + t) for r, u in enumerate(patches[position]) if u >= 0]
            budget.spend(len(met) * sum(50 + 20 * len(monomial) for _, monomial in poly), here)
            for line, variable in met:
                for coefficient, monomial in poly:
                    key = line, times(monomial, variable)
                    totals[key] = totals.get(key, 0) + coefficient
        wrong = next((line for (line, _), total in totals.items() if total), None)
        require(wrong is None, here, f"the product is not zero at index {wrong}")
    return size - len(vectors)


def check_polynomial(poly: Any, variables: int, path: str) -> None:
    """Then the polynomial is not zero."""
    for coefficient, monomial in poly:
        require(coefficient != 0, path, "a coefficient is zero")
        indices([variable for variable, _ in monomial], variables, path + " variables")
    require(len({tuple(monomial) for _, monomial in poly}) == len(poly), path, "a monomial occurs twice")


def times(monomial: Any, variable: int) -> Any:
    powers = dict(monomial)
    powers[variable] = powers.get(variable, 0) + 1
    return tuple(sorted(powers.items()))
