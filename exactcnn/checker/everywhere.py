"""The rules for "almost every parameter" (FORMAT.md, 6.7 and 6.9): Theorem 3.5's conclusion, Extensions A and B."""

from fractions import Fraction
from math import ceil

from .evidence import Context, Fields, equal, minor, require
from .expressions import is_entire, parse, varies
from .features import Features
from .instance import Instance, Layer
from .nested import Nested
from .outcome import show
from .ranks import different, rank_lower, rank_upper
from .triangular import check_order, core_rows

MITYAGIN = "the zero set of a non-zero real-analytic function is null (Mityagin)"
CORE = ("sigmoid", "softplus", "silu", "gelu")
PEELED = (*CORE, "gaussian", "sigmoid2")
NESTED = ("sigmoid", "tanh", "softplus")
ANALYTIC = (*NESTED, "identity", "square", "silu", "gelu", "gaussian", "arctan", "sigmoid2")


def almost_everywhere(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """The conclusion of Theorem 3.5 and of Extension A for this network and data."""
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
    if kind in ("triangular", "general-position"):
        name = (layer.activation or {"name": "maxpool"})["name"]
        require(name in PEELED and all(map(own_bias, layers)), here,
                f"needs biases per unit and at layer {k} one of {', '.join(PEELED)}")
        if kind == "triangular":
            require(k == 1, here, "is for layer 1 only")
            core, given = len(evidence["thresholds"]), evidence["lower"]
            require((given is None) == (core == 0) and core <= count, here, "thresholds and lower do not agree")
            check_order(instance, layer, evidence, here)
            if given is not None:
                require(name in CORE and len(given["rows"]) == core, here, "the core is not covered")
                minor(context, raw, given, (core, core), lambda: core_rows(instance, layer, evidence, here), here)
        else:
            apart(instance, layers, here)
        return conclusion
    given, here = evidence["lower"], here + ".lower"
    analytic(layers, ANALYTIC if kind == "witness" else NESTED, here)
    require(len(given["rows"]) == count, here, f"a minor of {len(given['rows'])} rows, but N = {count}")
    if kind == "witness":
        rank_lower(context, raw, given, layer, lambda: Features(instance, layer), here)
        return conclusion
    p, root = given["prime"], given["root"]
    require(p % 4 == 3 and root < p and pow(root, (p - 1) // 2, p) == 1, here,
            "needs p = 3 mod 4 and a square mod p as root")
    minor(context, raw, given, (count, layer.units), lambda: Nested(instance, layer, given, here).rows(), here)
    return conclusion


def own_bias(layer: Layer) -> bool:
    """Every unit has a bias of its own; a pooling layer has no parameters."""
    bias = layer.spec.get("bias", "unit")
    return bias == "unit" or (bias == "filter" and layer.kind == "dense")


def apart(instance: Instance, layers: list[Layer], path: str) -> None:
    """The other hypotheses of the general proof (FORMAT.md, 6.7): analytic, not constant, wide, patches differ."""
    data, first, count = instance.samples(), layers[0], len(instance.samples().rows)
    right = first.kind != "maxpool" and layers[-1].units >= count
    require(right, path, "needs a wide layer over a layer 1 with filters")
    analytic([layer for layer in layers[:-1] if layer.activation], ANALYTIC, path)
    for layer in layers[:-1]:
        expression = (layer.activation or {}).get("expression")
        require(expression is None or varies(parse(expression)), path, f"layer {layer.number} may be constant")
    patches = first.patches(instance.budget)
    instance.budget.spend(count * len(patches) * (first.patch_length + 20), path)
    for p, patch in enumerate(patches):
        alone = different(data, set(patch), instance) == count
        require(alone, path, f"two samples have the same patch at position {p}")


def analytic(layers: list[Layer], allowed: tuple[str, ...], path: str) -> None:
    """Conv or dense, with activations of these names, or a user's expression that is analytic by its form."""
    for each in layers:
        name = (each.activation or {"name": "maxpool"})["name"]
        entire = name == "custom" and allowed is ANALYTIC and is_entire(parse((each.activation or {})["expression"]))
        require(name in allowed or entire, path, f"layer {each.number} is {name}, not one of {', '.join(allowed)}")


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
        reach = {"square": a * a, "sigmoid": 1, "tanh": 1, "gaussian": 1, "sigmoid2": 1, "arctan": 2,
                 "elu": max(a, ceil(alpha)), "softplus": a + ceil(1 / alpha)}.get(name, a)
    require(evidence["bound"] > top.patch_length * reach, path + ".bound",
            f"does not exceed {show(top.patch_length * reach)}")


def generic_data(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """Extension B: the hypotheses of its proof (FORMAT.md, 8)."""
    instance, first, count = context.instance, context.instance.layers[0], claim["samples"]
    equal(claim, path, width=first.units, rank=min(count, first.units), verdict="proved")
    name = (first.activation or {"name": "maxpool"})["name"]
    require(name in PEELED and first.spec["bias"] != "none", path, f"needs biases and one of {', '.join(PEELED)}")
    patches = first.patches(instance.budget)
    instance.budget.spend(5 * len(patches) * first.patch_length, path)
    require(all(u >= 0 for patch in patches for u in patch), path, "a patch sees padding")
    require(len(set(map(frozenset, patches))) == len(patches), path, "two patches are equal sets")
    context.assumptions.add(MITYAGIN)
    return (f"rank F_1 = {claim['rank']} for almost every data set of {show(count)} samples and almost every parameter "
            f"of layer 1 (biases per {first.spec['bias']})")
