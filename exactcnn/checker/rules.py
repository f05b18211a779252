"""The rules of FORMAT.md, section 6: one function per statement, every hypothesis checked by definition.

Each returns the sentence it has verified, as strong as the evidence and no stronger, and raises Rejected
when the evidence does not establish the claim.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import ceil, prod
from operator import mul
from typing import Any

from .features import Features
from .grammar import CLAUSES, canonical
from .instance import Data, Instance, Layer
from .modular import challenge, is_nonsingular, is_prime
from .nested import Nested
from .outcome import Rejected, show
from .triangular import check_order

Fields = dict[str, Any]
LINDEMANN = "Lindemann's theorem (e^a is transcendental for rational a != 0)"
ORACLE = "SHA-256 and SHAKE-256 behave as random oracles (Fiat-Shamir)"
SATISFY_32 = ("relu", "softplus", "silu", "gelu", "sigmoid", "gaussian")
VIOLATE_32 = ("leaky_relu", "identity", "square", "tanh", "elu", "arctan")
MITYAGIN = "the zero set of a non-zero real-analytic function is null (Mityagin)"
PEELED = ("sigmoid", "softplus", "silu", "gelu", "gaussian")
NESTED = ("sigmoid", "tanh", "softplus")
ANALYTIC = (*NESTED, "identity", "square", "silu", "gelu", "gaussian", "arctan")
MONOTONE = ("identity", "sigmoid", "tanh", "softplus", "arctan")


@dataclass
class Context:
    """What all claims of a certificate share, and what verifying them has relied on."""

    instance: Instance
    raw_instance: Any
    deterministic: bool
    assumptions: set[str] = field(default_factory=set)
    error_bits: list[int] = field(default_factory=list)


def check_claim(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    context.instance.budget.cells = 0
    minors = {"rank": rank, "assumption-2.4": generic_rank, "lemma-2.5": generic_rank,
              "theorem-3.5": almost_everywhere}
    if claim["statement"] in minors:
        return minors[claim["statement"]](context, claim, raw, path)
    rule = {"assumption-3.1": separation, "assumption-3.2": growth, "structure": structure,
            "assumption-4.1": architecture}[claim["statement"]]
    return rule(context.instance, claim, path)


def require(condition: bool, path: str, message: str) -> None:
    if not condition:
        raise Rejected(f"{path}: {message}")


def equal(claim: Fields, path: str, **computed: Any) -> None:
    for key, value in computed.items():
        require(claim[key] == value, f"{path}.{key}", f"claims {show(claim[key])}, but it is {show(value)}")


def indices(values: Sequence[int], below: int, path: str) -> None:
    for place, value in enumerate(values):
        if value >= below or (place and value <= values[place - 1]):
            raise Rejected(f"{path}: expected strictly increasing indices below {show(below)}, "
                           f"found {show(value)} at place {place}")


def bounds(claim: Fields, lower: int, upper: int, goal: int, path: str) -> None:
    verdict = "proved" if lower == goal else "refuted" if upper < goal else "undecided"
    equal(claim, path, lower=lower, upper=upper, verdict=verdict)
    require(lower <= upper, path, f"lower bound {lower} exceeds upper bound {upper}")


def in_words(name: str, lower: int, upper: int) -> str:
    if lower == upper:
        return f"{name} = {lower}"
    return f"{lower} <= {name} <= {upper}" if lower else f"{name} <= {upper}"


Submatrix = Callable[[], Iterator[list[int]]]


def minor(
    context: Context, raw: Fields, evidence: Fields, size: tuple[int, int], submatrix: Submatrix, path: str
) -> int:
    """The order of the minor, once it is shown not to vanish mod p."""
    budget, p, order = context.instance.budget, evidence["prime"], len(evidence["rows"])
    indices(evidence["rows"], size[0], path + ".rows")
    indices(evidence["columns"], size[1], path + ".columns")
    require(len(evidence["columns"]) == order, path, f"{order} rows but {len(evidence['columns'])} columns")
    require(p > 2 and is_prime(p), path + ".prime", f"{p} is not an odd prime")
    if evidence["kind"] == "minor" or context.deterministic:
        budget.hold(order**2, path)
        require(is_nonsingular(submatrix(), p, budget), path, f"the minor vanishes mod {p}")
        return order
    solutions, path = evidence["solutions"], path + ".solutions"
    for j, x in enumerate(solutions):
        right = len(x) == order and max(x, default=0) < p
        require(right, f"{path}[{j}]", f"expected {order} residues mod {p}")
    strength = p ** min(len(solutions), 200)  # 3^200 > 2^192: more vectors only cost time
    require(strength >= 2**192, path, f"{len(solutions)} vectors mod {p} do not reach p^c >= 2^192")
    budget.spend(len(solutions) * order * (order + 20), path)
    budget.hold(len(solutions) * order, path)
    lower = {key: value for key, value in raw["evidence"]["lower"].items() if key != "solutions"}
    statement = {**raw, "evidence": {**raw["evidence"], "lower": lower}}
    seed = hashlib.sha256(canonical({"instance": context.raw_instance, "claim": statement})).digest()
    targets = [challenge(seed, j, order, p) for j in range(len(solutions))]
    for i, row in enumerate(submatrix()):
        for j, (x, b) in enumerate(zip(solutions, targets, strict=True)):
            require(sum(map(mul, row, x)) % p == b[i], f"{path}[{j}]", f"A x = b fails in row {i}")
    context.assumptions.add(ORACLE)
    context.error_bits.append(strength.bit_length() - 1)
    return order


def rank(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    instance, evidence = context.instance, claim["evidence"]
    layer, count = instance.layer(claim["layer"], path), len(instance.samples().rows)
    equal(claim, path, samples=count, width=layer.units)
    features = cache(lambda: Features(instance, layer))
    lower, upper, given, here = 0, count, evidence["lower"], path + ".evidence"
    if given is not None:
        def submatrix() -> Iterator[list[int]]:
            return features().residues(given["prime"], given, here + ".lower")

        lower = minor(context, raw, given, (count, layer.units), submatrix, here + ".lower")
        context.assumptions |= {LINDEMANN} if given["substitution"] is not None else set()
    if evidence["upper"] is not None:
        upper = rank_upper(instance, layer, evidence["upper"], features, here + ".upper")
    bounds(claim, lower, upper, count, path)
    best, n = min(upper, count, layer.units), layer.number
    weights = "every choice of weights" if instance.weights is None else "weights"
    note = f", so its rows are linearly {'in' if lower == count else ''}dependent"
    return (f"{in_words(f'rank F_{n}', lower, best)} over R for the given {count} samples and {weights} "
            f"(F_{n} is {count} x {layer.units}{note if lower == count or best < count else ''})")


def almost_everywhere(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """Theorem 3.5's conclusion for this network and data."""
    instance, evidence = context.instance, claim["evidence"]
    layer, count = instance.layer(claim["layer"], path), len(instance.samples().rows)
    equal(claim, path, samples=count, width=layer.units)
    kind, here, layers = evidence["kind"], path + ".evidence", instance.layers[: layer.number]
    equal(claim, path, verdict="refuted" if kind in ("bound", "dead-layer") else "proved")
    k, parameters = layer.number, f"parameters of layers 1..{layer.number}"
    if kind == "bound":
        upper = rank_upper(instance, layer, evidence["upper"], lambda: Features(instance, layer), here)
        require(upper < count, here, f"the bound {upper} is not below N = {count}")
        return f"rank F_{k} <= {upper} < N = {count} for all {parameters}, on the given samples"
    if kind == "dead-layer":
        dead(instance, layers, evidence, here)
        require(count > 1 or evidence["layer"] == k, here, "one sample has rank 1 above a dead layer")
        return (f"rank F_{k} < N = {count} on a set of positive measure of {parameters}, those for which "
                f"ReLU layer {evidence['layer']} is dead, on the given samples")
    context.assumptions.add(MITYAGIN)
    conclusion = f"rank F_{k} = N = {count} for almost every choice of the {parameters}, on the given samples"
    if kind == "triangular":
        name, bias = (layer.activation or {"name": "maxpool"})["name"], layer.spec.get("bias")
        own = bias == "unit" or (bias == "filter" and layer.kind == "dense")
        require(k == 1 and name in PEELED and own, here,
                f"needs layer 1 with biases per unit and one of {', '.join(PEELED)}")
        check_order(instance, layer, evidence, here)
        return conclusion
    given, here, allowed = evidence["lower"], here + ".lower", ANALYTIC if kind == "witness" else NESTED
    for each in layers:
        name = (each.activation or {"name": "maxpool"})["name"]
        require(name in allowed, here, f"layer {each.number} is {name}, not one of {', '.join(allowed)}")

    def submatrix() -> Iterator[list[int]]:
        if kind == "witness":
            return Features(instance, layer).residues(given["prime"], given, here)
        return Nested(instance, layer, given, here).rows()

    require(len(given["rows"]) == count, here, f"a minor of {len(given['rows'])} rows, but N = {count}")
    if kind == "nested":
        p, root = given["prime"], given["root"]
        require(p % 4 == 3 and root < p and pow(root, (p - 1) // 2, p) == 1, here,
                "needs p = 3 mod 4 and a square mod p as root")
    minor(context, raw, given, (count, layer.units), submatrix, here)
    if kind == "witness" and given["substitution"] is not None:
        context.assumptions.add(LINDEMANN)
    return conclusion


def dead(instance: Instance, layers: list[Layer], evidence: Fields, path: str) -> None:
    """The bound exceeds every |<w, x>| of the ReLU layer, for parameters in the box below it."""
    data, number = instance.samples(), evidence["layer"]
    require(number <= len(layers), path + ".layer", f"layer {show(number)} is above the layer claimed")
    top, reach = layers[number - 1], -(-max(map(abs, (v for row in data.rows for v in row))) * data.factor
                                       // data.denominator)
    require(top.activation == {"name": "relu"} and top.spec["bias"] != "none", path + ".layer",
            f"layer {number} is not a ReLU layer with biases")
    for layer in layers[: number - 1]:
        if layer.activation is None:
            continue
        name, a = layer.activation["name"], layer.patch_length * reach + 1
        alpha = layer.activation.get("alpha", Fraction(1))
        require(name != "custom" and a.bit_length() < 10**5, path, f"layer {layer.number} has no known reach")
        reach = {"square": a * a, "sigmoid": 1, "tanh": 1, "gaussian": 1, "arctan": 2,
                 "elu": max(a, ceil(alpha)), "softplus": a + ceil(1 / alpha)}.get(name, a)
    require(evidence["bound"] > top.patch_length * reach, path + ".bound",
            f"does not exceed {show(top.patch_length * reach)}")


def rank_upper(
    instance: Instance, layer: Layer, evidence: Fields, features: Callable[[], Features], path: str
) -> int:
    kind, data, budget, filters = evidence["kind"], instance.samples(), instance.budget, layer.filters
    if kind == "width":
        return layer.units
    if kind == "distinct-samples":
        budget.spend(len(data.rows) * len(data.rows[0]), path)
        return len(set(data.rows))
    if kind in ("left-kernel", "right-kernel"):
        left, vectors, d = kind == "left-kernel", evidence["vectors"], evidence["denominator"]
        size = len(data.rows) if left else layer.units
        independent(vectors, size, path)
        require((d is not None) == features().exponential, path, "denominator: null iff F_k is rational")
        features().check_kernel(vectors, d, left, path)
        return size - len(vectors)
    require(layer.number == 1 and layer.kind != "maxpool", path, "only for layer 1 if it is not maxpool")
    patches = layer.patches(budget)
    budget.spend(2 * len(data.rows) * layer.patch_count * layer.patch_length, path)
    if kind == "equal-positions":
        require(layer.spec["bias"] != "unit", path, "biases are per unit")
        gathers = [[max(u, -1) for u in patch] for patch in patches]
        padded = [[*row, 0] for row in data.rows]
        budget.hold(len(patches) * len(data.rows) * (layer.patch_length // 4 + 4), path)
        return filters * len({tuple([tuple([row[u] for u in g]) for row in padded]) for g in gathers})
    if kind == "restriction":
        chosen = evidence["positions"]
        indices(chosen, len(patches), path + ".positions")
        seen = {u for position in chosen for u in patches[position]}
        return filters * (len(patches) - len(chosen)) + (different(data, seen, instance) if chosen else 0)
    few = [d for patch in patches if (d := different(data, set(patch), instance)) <= filters]
    return filters * (len(patches) - len(few)) + sum(few) - len(few) + bool(few)


def different(data: Data, units: set[int], instance: Instance) -> int:
    """The number of different restrictions of the samples to these units, padding left out."""
    real = [u for u in units if u >= 0]
    return len({tuple([row[u] for u in real]) for row in data.rows})


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


def generic_rank(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """Assumption 2.4 and Lemma 2.5."""
    instance, evidence = context.instance, claim["evidence"]
    layer = instance.layer(claim["layer"], path)
    require(layer.kind == "conv", path + ".layer", f"layer {layer.number} is not convolutional")
    rows, columns, k = layer.below.units, layer.units, layer.number
    equal(claim, path, rows=rows, columns=columns)
    full, given, here = min(rows, columns), evidence["lower"], path + ".evidence"
    lower, upper = 0, full
    if given is not None:
        def submatrix() -> Iterator[list[int]]:
            return filter_rows(layer, instance, given, here + ".lower")

        lower = minor(context, raw, given, (rows, columns), submatrix, here + ".lower")
    if evidence["upper"] is not None:
        upper = generic_upper(instance, layer, evidence["upper"], here + ".upper")
    bounds(claim, lower, upper, full, path)
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
    patches, place = layer.patches(instance.budget), {unit: i for i, unit in enumerate(evidence["rows"])}
    entries: list[list[tuple[int, int]]] = [[] for _ in place]
    for j, column in enumerate(evidence["columns"]):
        position, t = divmod(column, filters)
        for r, unit in enumerate(patches[position]):
            at = 8 * (r * filters + t)
            weight = int.from_bytes(stream[at : at + 8], "big") if stream else int(r == t)
            if unit in place:
                entries[place[unit]].append((j, weight % evidence["prime"]))
    for sparse in entries:
        row = [0] * len(place)
        for j, weight in sparse:
            row[j] = weight
        yield row


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


def separation(instance: Instance, claim: Fields, path: str) -> str:
    """Assumption 3.1."""
    evidence, layer, data, budget = claim["evidence"], instance.layers[0], instance.samples(), instance.budget
    require(layer.kind != "maxpool", path, "layer 1 is max-pooling, whose padding is not 0")
    equal(claim, path, verdict="proved" if evidence["kind"] == "all-distinct" else "refuted")
    patches, count, path = layer.patches(budget), len(data.rows), path + ".evidence"
    gathers = [[max(u, -1) for u in patch] for patch in patches]  # padding reads a 0 put at the end
    if evidence["kind"] == "collision":
        (i, j), (p, q) = evidence["samples"], evidence["patches"]
        require(i != j and max(i, j) < count, path + ".samples", f"expected two samples below {count}")
        require(max(p, q) < len(patches), path + ".patches", f"expected patches below {len(patches)}")
        one, other = [*data.rows[i], 0], [*data.rows[j], 0]
        same = [one[u] for u in gathers[p]] == [other[u] for u in gathers[q]]
        require(same, path, f"patch {p} of sample {i} differs from patch {q} of sample {j}")
        return f"Assumption 3.1 fails: patch {p} of sample {i} equals patch {q} of sample {j}"
    budget.spend(count * len(patches) * (layer.patch_length + 20), path)
    budget.hold(count * len(patches) * (layer.patch_length // 4 + 4), path)
    owner: dict[tuple[int, ...], int] = {}
    for i, row in enumerate(data.rows):
        padded = [*row, 0]
        for p, gather in enumerate(gathers):
            first = owner.setdefault(tuple([padded[u] for u in gather]), i)
            require(first == i, path, f"patch {p} of sample {i} also occurs in sample {first}")
    return (f"Assumption 3.1 holds: no two of the {count} samples have a patch value in common, among the "
            f"{len(patches)} patches that layer 1 reads")


def growth(instance: Instance, claim: Fields, path: str) -> str:
    """Assumption 3.2."""
    activation, evidence = claim["activation"], claim["evidence"]
    name, kind, alpha = activation["name"], evidence["kind"], activation.get("alpha", Fraction(1))
    parameters = (f" {key} = {show(value)}" for key, value in activation.items() if key != "name")
    label = name + "".join(parameters)
    equal(claim, path, verdict="refuted" if kind == "table" else "proved")
    if kind == "growth":
        r1, r2, r3, r4 = evidence["rho"]
        accepted = {
            "relu": r3 >= 1,
            "softplus": r1 >= 1 / alpha and r2 <= alpha and r3 >= 1 and r4 >= 1 / alpha,
            "silu": r1 >= 1 and 2 * r2 <= 1 and r3 >= 1,
            "gelu": r1 >= 2 and r2 <= 1 and r3 >= 1,
        }
        require(accepted.get(name, False), path + ".evidence.rho", f"not known to be right for {name}")
        return f"Assumption 3.2 holds for {label} (growth constants {', '.join(map(show, evidence['rho']))})"
    known = VIOLATE_32 if kind == "table" else ("sigmoid", "gaussian")
    require(name in known, path + ".evidence.kind", f"{kind} is not known to be right for {name}")
    return f"Assumption 3.2 {'fails' if kind == 'table' else 'holds'} for {label} ({kind})"


def structure(instance: Instance, claim: Fields, path: str) -> str:
    layer, budget = instance.layer(claim["layer"], path), instance.budget
    require(layer.kind != "dense", path + ".layer", f"layer {layer.number} is dense")
    patches, k, units = layer.patches(budget), layer.number, layer.below.units
    budget.spend(5 * len(patches) * layer.patch_length + units, path)
    budget.hold(5 * len(patches) * layer.patch_length, path)
    covered = {u for patch in patches for u in patch}
    uncovered, same = claim["evidence"]["uncovered"], claim["evidence"]["equal"]
    equal(claim, path, verdict="refuted" if uncovered or same else "proved")
    path += ".evidence"
    if not uncovered and not same:
        missing = next((u for u in range(units) if u not in covered), None)
        require(missing is None, path, f"neuron {missing} of layer {k - 1} lies in no patch")
        require(len(set(map(frozenset, patches))) == len(patches), path, "two patches are equal sets")
        return f"every neuron of layer {k - 1} lies in a patch of layer {k}, no two patches are equal sets"
    for u in uncovered:
        require(u < units and u not in covered, path + ".uncovered", f"{show(u)} is not an uncovered neuron")
    for p, q in same:
        require(p < q < len(patches) and set(patches[p]) == set(patches[q]), path + ".equal",
                f"{show(p)} and {show(q)} are not two equal patches p < q")
    found = [f"neuron {uncovered[0]} of layer {k - 1} lies in no patch"] if uncovered else []
    found += [f"patches {same[0][0]} and {same[0][1]} are equal sets"] if same else []
    return f"the structure condition fails at layer {k}: {' and '.join(found)}"


def architecture(instance: Instance, claim: Fields, path: str) -> str:
    """Assumption 4.1."""
    layers, count = instance.layers, len(instance.samples().rows)
    equal(claim, path, samples=count)
    hidden, last, sizes = layers[:-1], layers[-1], [layer.units for layer in layers]
    activations = [layer.activation or {"name": None} for layer in hidden]  # None for max-pooling
    names = {activation["name"] for activation in activations} - {None}
    require("custom" not in names, path, "nothing is known about a custom activation")
    no_pooling = all(layer.kind != "maxpool" for layer in layers)
    output_dense = last.kind == "dense" and last.activation == {"name": "identity"}
    expected, monotone, pyramid = [], True, True
    for k in range(len(hidden), 0, -1):  # monotone: sigma_{k+1} .. sigma_{L-1}; pyramid: n_{k+1} >= .. >= n_L
        if k < len(hidden):
            above = activations[k]
            monotone &= above["name"] in (None, *MONOTONE) or above == {"name": "elu", "alpha": 1}
            pyramid &= sizes[k] >= sizes[k + 1]
        held = (no_pooling, output_dense, sizes[k - 1] >= count, names <= {*SATISFY_32}, monotone, pyramid)
        failing = [clause for clause, holds in zip(CLAUSES, held, strict=True) if not holds]
        expected.append({"layer": k, "failing": failing})
    expected.reverse()
    for k, (entry, right) in enumerate(zip(claim["layers"], expected, strict=False)):
        require(entry == right, f"{path}.layers[{k}]", f"expected layer {k + 1}, failing {right['failing']}")
    require(len(claim["layers"]) == len(hidden), path + ".layers", f"expected {len(hidden)} entries")
    good = [right["layer"] for right in expected if not right["failing"]]
    equal(claim, path, verdict="proved" if good else "refuted")
    if good:
        return f"Assumption 4.1 holds for {count} samples, with hidden layer k = {good[0]}"
    return f"Assumption 4.1 fails for {count} samples: every hidden layer fails a clause"
