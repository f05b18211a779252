"""The rules for rank F_k and for Theorem 3.5's conclusion (FORMAT.md, 6.1 and 6.7), and the way to all rules.

Each rule returns the sentence it has verified, as strong as the evidence and no stronger, and raises
Rejected when the evidence does not establish the claim.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from math import ceil

from .assumptions import architecture, growth, separation, structure
from .evidence import (
    LINDEMANN,
    Context,
    Fields,
    bounds,
    equal,
    in_words,
    independent,
    indices,
    minor,
    require,
)
from .features import Features
from .generic import generic_rank
from .instance import Data, Instance, Layer
from .nested import Nested
from .outcome import show
from .triangular import check_order

MITYAGIN = "the zero set of a non-zero real-analytic function is null (Mityagin)"
PEELED = ("sigmoid", "softplus", "silu", "gelu", "gaussian")
NESTED = ("sigmoid", "tanh", "softplus")
ANALYTIC = (*NESTED, "identity", "square", "silu", "gelu", "gaussian", "arctan")


def check_claim(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    context.instance.budget.cells = 0
    minors = {"rank": rank, "assumption-2.4": generic_rank, "lemma-2.5": generic_rank,
              "theorem-3.5": almost_everywhere}
    if claim["statement"] in minors:
        return minors[claim["statement"]](context, claim, raw, path)
    rule = {"assumption-3.1": separation, "assumption-3.2": growth, "structure": structure,
            "assumption-4.1": architecture}[claim["statement"]]
    return rule(context.instance, claim, path)


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
