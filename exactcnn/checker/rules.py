"""The way to all rules, and those whose claims consist of other claims (FORMAT.md, 6.9).

Each rule returns the sentence it has verified, as strong as the evidence and no stronger, and raises
Rejected when the evidence does not establish the claim.
"""

from dataclasses import replace
from typing import Any

from .assumptions import architecture, growth, separation, structure
from .everywhere import almost_everywhere, generic_data
from .evidence import Context, Fields, equal, require
from .generic import generic_rank
from .grammar import THERE
from .instance import check_weights
from .landscape import critical, exact_surface, loss
from .minima import critical_nearby, local_minimum
from .nearby import zero_loss
from .points import failing, injective, tied
from .ranks import rank


def check_claim(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    context.instance.budget.cells = 0
    minors = {"rank": rank, "assumption-2.4": generic_rank, "lemma-2.5": generic_rank, "lifted-rank": generic_rank,
              "theorem-3.5": almost_everywhere, "extension-a": almost_everywhere, "theorem-3.4": existence,
              "lemma-4.2": complement, "s-k": membership, "loss": loss, "critical-point": critical,
              "corollary-3.6": interpolation, "zero-loss-nearby": zero_loss, "local-minimum": local_minimum,
              "critical-point-nearby": critical_nearby, "extension-b": generic_data,
              **dict.fromkeys(THERE, at_point)}
    if claim["statement"] in minors:
        return minors[claim["statement"]](context, claim, raw, path)
    rule = {"assumption-3.1": separation, "assumption-3.2": growth, "structure": structure,
            "assumption-4.1": architecture}[claim["statement"]]
    return rule(context.instance, claim, path)


def with_weights(context: Context, weights: Any, raw: Fields) -> Context:
    """The instance with these weights in place of its own, unless they are None."""
    if weights is None:
        return context
    check_weights(weights, context.instance.layers)
    raw_instance = {**context.raw_instance, "weights": raw["weights"]}
    return replace(context, instance=replace(context.instance, weights=weights), raw_instance=raw_instance)


def existence(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """Theorem 3.4: explicit parameters, or almost all of them; refuted where nothing can help."""
    instance, weights, parts = context.instance, claim["weights"], claim["parts"]
    layer, count, k = instance.layer(claim["layer"], path), len(instance.samples().rows), claim["layer"]
    equal(claim, path, samples=count, width=layer.units)
    context = with_weights(context, weights, raw)
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


def at_point(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """A point in S_k (extension-c: in its larger set), its loss and gradient, and whether the conclusion holds."""
    context = with_weights(context, claim["weights"], raw)
    instance, parts, k, name = context.instance, claim["parts"], claim["layer"], claim["statement"]
    layer, last, here = instance.layer(k, path), parts[-1], f"{path}.parts[{len(parts) - 1}]"
    equal(claim, path, samples=len(instance.samples().rows), width=layer.units)
    require(k < len(instance.layers), path + ".layer", f"layer {k} is the last one")
    above = instance.layers[k + 1 : -1 if name == "extension-c" else None]
    require(all(each.kind != "maxpool" for each in above), path, "a pooling layer above has no U")
    found = {(part["statement"], part["verdict"], part.get("layer")) for part in parts[:-1]}
    needed = {("rank", "proved", k)} | {("lifted-rank", "proved", each.number) for each in above}
    require(needed <= found, path, f"the parts do not put the point into S_{k}")
    wanted = "loss" if name == "zero-loss-exists" else "critical-point"
    require(last["statement"] == wanted, here, f"the last part must be {wanted}")
    reasons = [check_claim(context, part, raw["parts"][n], f"{path}.parts[{n}]") for n, part in enumerate(parts)]
    tied(instance, last["point"], k, above, here)
    surface, zero = exact_surface(context, last, here), not last["value"]
    surface.gradient()
    below, top = instance.layers[k], instance.layers[-1]
    flat = k + 1 not in surface.felt if name == "theorem-4.4" else last["verdict"] == "proved"
    holds = zero == flat if name == "theorem-4.4" else zero or not flat
    premise = f"the point lies in S_{k}"
    if name == "theorem-4.4":
        require(below.kind != "maxpool", path, f"layer {k + 1} is max-pooling and has no U")
    if name == "zero-loss-exists":
        holds = zero
        require(zero, here, "the loss is not 0")
    if name == "extension-c":
        linear = top.kind == "dense" and top.activation == {"name": "identity"} and top.spec["bias"] != "none"
        require(linear and k <= top.number - 2, path, "a linear output layer with biases above layer k + 1 is needed")
        injective(instance, claim, last, path)
        premise = f"Y v = 1, U_{top.number} is injective on v's complement, the layers below are as in S_{k}"
    equal(claim, path, verdict="proved" if holds else "refuted")
    foreign = {"theorem-4.4": {"dense-above", "fully-connected"}, "corollary-4.6": set[str]()}
    unmet = failing(instance, surface, k) - foreign.get(name, {"fully-connected"})
    require(set(claim["missing"]) <= unmet, path + ".missing", "one of these hypotheses is not known to fail")
    require(holds or bool(claim["missing"]), path + ".missing", "refuted, but no hypothesis is named")
    why = "" if holds else f", as it may where {', '.join(claim['missing'])} fails"
    about = "there the loss is 0" if wanted == "loss" else f"{name}'s conclusion {'holds' if holds else 'fails'} there"
    return f"{premise}; {about}{why}: {'; '.join(reasons)}"
