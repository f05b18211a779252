"""The way to all rules, and those whose claims consist of other claims (FORMAT.md, 6.9).

Each rule returns the sentence it has verified, as strong as the evidence and no stronger, and raises
Rejected when the evidence does not establish the claim.
"""

from dataclasses import replace

from .assumptions import architecture, growth, separation, structure
from .everywhere import almost_everywhere, generic_data
from .evidence import Context, Fields, equal, require
from .generic import generic_rank
from .instance import check_weights
from .landscape import critical, loss
from .minima import critical_nearby, local_minimum
from .nearby import zero_loss
from .ranks import rank


def check_claim(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    context.instance.budget.cells = 0
    minors = {"rank": rank, "assumption-2.4": generic_rank, "lemma-2.5": generic_rank, "lifted-rank": generic_rank,
              "theorem-3.5": almost_everywhere, "extension-a": almost_everywhere, "theorem-3.4": existence,
              "lemma-4.2": complement, "s-k": membership, "loss": loss, "critical-point": critical,
              "corollary-3.6": interpolation, "zero-loss-nearby": zero_loss, "local-minimum": local_minimum,
              "critical-point-nearby": critical_nearby}
    if claim["statement"] in minors:
        return minors[claim["statement"]](context, claim, raw, path)
    rule = {"assumption-3.1": separation, "assumption-3.2": growth, "structure": structure,
            "assumption-4.1": architecture, "extension-b": generic_data}[claim["statement"]]
    return rule(context.instance, claim, path)


def existence(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """Theorem 3.4: explicit parameters, or almost all of them; refuted where nothing can help."""
    instance, weights, parts = context.instance, claim["weights"], claim["parts"]
    layer, count, k = instance.layer(claim["layer"], path), len(instance.samples().rows), claim["layer"]
    equal(claim, path, samples=count, width=layer.units)
    if weights is not None:
        check_weights(weights, instance.layers)
        raw_instance = {**context.raw_instance, "weights": raw["weights"]}
        context = replace(context, instance=replace(instance, weights=weights), raw_instance=raw_instance)
    lifted = {each.number for each in instance.layers[:k] if each.kind != "maxpool"}
    found = {(part["statement"], part["verdict"], part.get("layer")) for part in parts}
    if claim["verdict"] == "refuted":
        part = parts[0]
        bound = part["statement"] == "theorem-3.5" and part["evidence"]["kind"] == "bound" and part["layer"] == k
        never = part["statement"] == "assumption-2.4" and part["layer"] in lifted
        require((bound or never) and part["verdict"] == "refuted", path, "no part refutes it for every parameter")
        conclusion = "no parameters will do"
    elif ("rank", "proved", k) in found:
        require({("lifted-rank", "proved", each) for each in lifted} <= found, path, "a U_l is missing")
        conclusion = "explicit parameters are given"
    else:
        convolutional = {("lemma-2.5", "proved", each.number) for each in instance.layers[:k] if each.kind == "conv"}
        almost = {(name, "proved", k) for name in ("theorem-3.5", "extension-a")}
        require(bool(almost & found) and convolutional <= found, path, "rank F_k or a U_l is missing")
        conclusion = "almost all parameters will do"
    reasons = [check_claim(context, part, raw["parts"][n], f"{path}.parts[{n}]") for n, part in enumerate(parts)]
    about = f"Theorem 3.4 at layer {k} (rank F_{k} = {count} with U_1..U_{k} of full rank)"
    return f"{about}: {conclusion}: {'; '.join(reasons)}"


def complement(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """Lemma 4.2: S_k misses a null set only, or more than that."""
    instance, parts, k = context.instance, claim["parts"], claim["layer"]
    layer, count = instance.layer(k, path), len(instance.samples().rows)
    equal(claim, path, samples=count, width=layer.units)
    above = instance.layers[k + 1 :]
    require(all(each.kind != "maxpool" for each in above), path, "a pooling layer above has no U")
    found = {(part["statement"], part["verdict"], part.get("layer")) for part in parts}
    verdict = claim["verdict"]
    almost = {(name, verdict, k) for name in ("theorem-3.5", "extension-a")} & found
    lifted = {("lemma-2.5", verdict, each.number) for each in above if each.kind == "conv"}
    enough = almost and lifted <= found if verdict == "proved" else almost or lifted & found
    require(bool(enough), path, "the parts do not add up to the lemma")
    reasons = [check_claim(context, part, raw["parts"][n], f"{path}.parts[{n}]") for n, part in enumerate(parts)]
    fails = "is null" if verdict == "proved" else "has positive measure"
    return f"the complement of S_{k} {fails}: {'; '.join(reasons)}"


def membership(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """S_k: rank F_k = N and U_l of full rank for l = k+2..L, at the given weights."""
    instance, parts, k, verdict = context.instance, claim["parts"], claim["layer"], claim["verdict"]
    layer, count = instance.layer(k, path), len(instance.samples().rows)
    equal(claim, path, samples=count, width=layer.units)
    above = instance.layers[k + 1 :]
    require(all(each.kind != "maxpool" for each in above), path, "a pooling layer above has no U")
    found = {(part["statement"], part["verdict"], part.get("layer")) for part in parts}
    needed = {("rank", verdict, k)} | {("lifted-rank", verdict, each.number) for each in above}
    require(needed <= found if verdict == "proved" else bool(needed & found), path, "the parts do not decide it")
    reasons = [check_claim(context, part, raw["parts"][n], f"{path}.parts[{n}]") for n, part in enumerate(parts)]
    return f"the given weights are {'' if verdict == 'proved' else 'not '}in S_{k}: {'; '.join(reasons)}"


def interpolation(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """Corollary 3.6: the reachable targets F_k W + 1 b^T are all of R^(N x m), or not."""
    instance, k, part = context.instance, claim["layer"], claim["parts"][0]
    layer, count, top = instance.layer(k, path), len(instance.samples().rows), instance.layers[-1]
    equal(claim, path, samples=count, width=layer.units)
    linear = top.kind == "dense" and top.activation == {"name": "identity"}
    require(linear and top.number == k + 1, path, "layer k + 1 is not a dense linear output layer")
    only = len(claim["parts"]) == 1 and part["statement"] == "rank" and part["layer"] == k
    require(only, path, "the only part must be rank at layer k")
    if claim["verdict"] == "proved":
        require(part["verdict"] == "proved", path, "rank F_k = N is not among the parts")
    else:
        upper, rule, bias = part["upper"], part["evidence"]["upper"] or {"kind": None}, top.spec["bias"] != "none"
        sums = [sum(v for _, v in each["entries"]) for each in rule.get("vectors", [])]
        level = rule["kind"] == "distinct-samples" or (rule["kind"] == "left-kernel" and 0 in sums)
        require(upper < count - bias or (upper < count and level), path, "rank [F_k, 1] may be N")
    reason = check_claim(context, part, raw["parts"][0], f"{path}.parts[0]")
    every = "every target" if claim["verdict"] == "proved" else "not every target"
    return f"{every} in R^({count} x {top.units}) is reached by some weights of layer {k + 1}: {reason}"
