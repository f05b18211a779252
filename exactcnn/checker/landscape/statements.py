"""Statements about points of the loss surface, a row each (FORMAT.md, section 8)."""

from fractions import Fraction
from itertools import pairwise

from ..core.activations import Activation
from ..core.grammar import NAME, NODE, array, boolean, choice, maybe, number, polynomial
from ..core.hypotheses import beyond, layers
from ..core.matrices import Fact
from ..core.network import Node
from ..core.outcome import TooMuch, show
from ..core.statements import Row, member, single
from .jets import LogTwo, in_ln2
from .judgments import decimal

IDENTITY = Activation({"name": "identity"})
HYPOTHESES = ("no-pooling-above", "linear-output", "slopes-without-zeros", "pyramid", "dense-above", "fully-connected")


def about(row: Row, kind: str, where: str, key: str = "") -> list[Fact]:
    """The facts of a kind at a set of weights that know `key`."""
    found = [fact for fact in row.facts if fact.kind == kind and fact.where == where and (not key or key in fact.more)]
    row.used += [fact.words for fact in found if fact.words and fact.words not in row.used]
    return found


def minimum(row: Row) -> str:
    """Loss 0, or gradient 0 and a definite Hessian; refuted by a slope or a direction of negative curvature."""
    where = row.weights()
    values, slopes, bends = (about(row, kind, where) for kind in ("loss", "gradient", "curvature"))
    zero = any(fact.more.get("value") == () for fact in values)
    critical, definite = [fact.more["verdict"] == "proved" for fact in slopes], [fact.more["definite"] for fact in bends]
    row.decide(zero or (any(critical) and any(definite)), not all(critical) or not all(definite))
    return row.say(f"the weights {where} are {'a' if row.verdict == 'proved' else 'no'} local minimum of the loss")


def smaller(row: Row) -> str:
    """The loss at one set of weights is below that at another (or at the critical point near it)."""
    here, there = row.weights(), row.claim["than"]
    most = [fact.more["ends"][1] for fact in about(row, "loss", here)]
    least = {kind: [fact.more["ends"][0] for fact in about(row, kind, there)] for kind in ("loss", "isolated")}
    found = {kind: any(LogTwo().below(a, b) for a in most for b in ends) for kind, ends in least.items()}
    row.decide(any(found.values()), False)
    near = "at" if found["loss"] else "at the critical point near"
    return row.say(f"the loss at the weights {here} is smaller than {near} the weights {there}")


def zero_loss(row: Row) -> str:
    """Some output weights at a bounded distance give zero loss exactly (Lemma 18)."""
    (node, N, _), where = row.node(), row.weights()
    top = row.output(node)
    sigmas = [fact.more["sigma"] for fact in row.facts if fact.kind == "rank" and fact.of == ("F", node.number)
              and fact.where == where and fact.low == N and "sigma" in fact.more]
    changes = about(row, "correction", where)
    if not sigmas and row.context.deterministic:
        raise TooMuch(f"{row.path}: a bound of sigma_min rests on solutions, which --deterministic sets aside")
    row.need(bool(sigmas) and bool(changes) and row.verdict == "proved", "needs a bound of sigma_min(F) and a correction")
    best = min(fact.more["size"] + fact.more["rest"] / max(sigmas) for fact in changes)
    row.need(best <= row.claim["distance"], "the change of the weights is not shown to be so small")
    about(row, "loss", where)
    near = f"within Frobenius distance {decimal(row.claim['distance'])} of the weights {where}"
    return row.say(f"some weights of node {top.number} {near} "
                   f"give zero loss exactly on the {N} samples and the targets, all else unchanged")


def point(row: Row) -> str:
    """One point: is it in S (with `v`: in the larger set of Extension C), is it critical, its loss, which hypotheses fail."""
    (node, _, _), where, claim, targets = row.node(), row.weights(), row.claim, row.context.instance.targets
    values, slopes = about(row, "loss", where, "value"), about(row, "gradient", where, "still")
    row.need(bool(values) and bool(slopes) and row.verdict == "proved", "needs the exact loss and gradient")
    listed = layers(row.context.instance, row.path)
    above = [pair for pair in listed if pair[0].number > node.number]
    row.need(bool(above), f"node {node.number} is the last layer")
    row.need(above[-1][1] is None or above[-1][1].name != "custom", "of a custom output activation it is not known if it is linear")
    row.need(slopes[0].more["still"] is not None, "needs the whole gradient")
    inside, v, top = f"in S at node {node.number}", claim["v"], above[-1][0]
    if v is None:
        row.need(member(row, where) is True, "is not shown to be in S")
    else:
        row.need(len(v) == top.above.units and targets is not None, f"v: expected {top.above.units} numbers, and targets")
        for i, goal in enumerate(targets["rows"] if targets else []):
            dot = sum((a * b for a, b in zip(goal, v, strict=True)), Fraction(0)) / (targets or {})["denominator"]
            row.need(dot == 1, f"v: y_{i} . v is not 1")
        linear = top.kind == "dense" and above[-1][1] is None and top.spec["bias"] != "none" and len(above) >= 2
        row.need(linear, "a dense linear output with biases, two layers above, is needed")
        full = any(f.kind == "rank" and f.of == ("U+", top.number) and f.more["row"] == v and f.low == len(v) and f.where == where
                   for f in row.facts)
        of, middle = ("F", node.number), beyond(row.context.instance, node.number, row.path)[:-1]
        row.need(full and row.low(of, where) == len(row.context.instance.samples().rows) and row.full(middle, where),
                 "is not shown to be in the set of Extension C")
        inside = ("where F and all U between are of full rank, Y v = 1, and "
                  f"U of node {top.number} is injective on the complement of v")
    failing = [name for name in HYPOTHESES if fails(name, row, above, slopes[0].more["flat"])]
    flat = above[0][0].number in slopes[0].more["still"] if above[0][0].affine else None
    found = {"critical": slopes[0].more["verdict"] == "proved", "loss": values[0].more["value"], "flat": flat, "failing": failing}
    for key, value in found.items():
        row.need(claim[key] == value, f"{key}: claims {show(claim[key])}, but it is {show(value)}")
    custom = any(sigma is not None and sigma.name == "custom" for _, sigma in above)
    seen = " (custom activations: at this point)" if custom else ""
    how = "" if flat is None else f", the gradient by U of node {above[0][0].number} is {'0' if flat else 'not 0'}"
    return row.say(f"the weights {where} are a point {inside}; it is {'' if found['critical'] else 'not '}critical, its loss is "
                   f"{in_ln2(found['loss'])}{how}; hypotheses of Theorems 4.4 and 4.5 and Corollary 4.6 that fail, as written"
                   f"{seen}: {', '.join(failing) or 'none'}")


def fails(name: str, row: Row, above: list[tuple[Node, Activation | None]], flat: dict[int, bool | None]) -> bool:
    """A hypothesis on the layers above that fails; of a custom activation only slopes at the point are known (`flat`)."""
    if name == "slopes-without-zeros":
        zeros = [flat[node.number + 1] if sigma.name == "custom" else not sigma.has("steep")
                 for node, sigma in above[:-1] if sigma is not None]
        row.need(True in zeros or None not in zeros, "slopes-without-zeros: a custom activation may have no slope at the point")
        return True in zeros
    if name == "linear-output":
        return above[-1][0].kind != "dense" or (above[-1][1] or IDENTITY).name != "identity"
    if name == "fully-connected":
        return any(node.kind != "dense" for node, _ in layers(row.context.instance, row.path))
    return {"no-pooling-above": any(not node.affine for node, _ in above), "dense-above": above[0][0].kind != "dense",
            "pyramid": any(a.above.units < b.above.units for (a, _), (b, _) in pairwise(above))}[name]


AT = {"weights": NAME}
ROWS = {
    "loss": (AT, single), "critical-point": (AT, single), "local-minimum": (AT, minimum), "critical-point-nearby": (AT, single),
    "smaller-loss": ({**AT, "than": NAME}, smaller), "zero-loss-nearby": ({**AT, "node": NODE, "distance": number}, zero_loss),
    "point": ({**AT, "node": NODE, "v": maybe(array(number, 1)), "critical": boolean, "loss": polynomial, "flat": maybe(boolean),
               "failing": array(choice(*HYPOTHESES))}, point),
}
