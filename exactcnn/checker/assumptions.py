"""The rules for Assumptions 3.1, 3.2 and 4.1 and the patch structure (FORMAT.md, 6.2, 6.3, 6.5, 6.6)."""

from fractions import Fraction

from .evidence import Fields, equal, require
from .grammar import CLAUSES
from .instance import Instance
from .outcome import show

SATISFY_32 = ("relu", "softplus", "silu", "gelu", "sigmoid", "gaussian", "sigmoid2")
VIOLATE_32 = ("leaky_relu", "identity", "square", "tanh", "elu", "arctan")
MONOTONE = ("identity", "sigmoid", "tanh", "softplus", "arctan", "sigmoid2")


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
    known = VIOLATE_32 if kind == "table" else ("sigmoid", "gaussian", "sigmoid2")
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
    budget.spend(5 * layer.patch_length * len(patches) + 10 * len(same), path)
    number = {patch: place for place, patch in enumerate(set(map(frozenset, patches)))} if same else {}
    kinds = [number[frozenset(patch)] for patch in patches] if same else []
    for p, q in same:
        require(p < q < len(patches) and kinds[p] == kinds[q], path + ".equal",
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
