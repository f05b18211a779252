"""Statements, a row each (FORMAT.md, section 7): the judgments a statement needs, about what, and the sentence printed.

A row gets the claim and the Facts that it names, and returns its sentence, or raises Rejected where they do not add up.
"""

from collections.abc import Callable
from typing import Any

from .activations import activation
from .grammar import INDEX, NAME, NODE, SIZE, Fields, array, choice, maybe
from .hypotheses import CLAUSES, beyond, layers
from .matrices import ALMOST, EVERY, MITYAGIN, SOMEWHERE, Context, Fact
from .network import Node
from .outcome import require

Facts = list[Fact]
About = tuple[str, int]
VERDICTS = {"verdict": choice("proved", "refuted", "undecided")}


class Row:
    """What the facts named by one claim say together."""

    def __init__(self, context: Context, claim: Fields, facts: Facts, path: str) -> None:
        self.context, self.claim, self.facts, self.path = context, claim, facts, path
        self.network, self.verdict = context.instance.network, claim["verdict"]
        self.used = list[str]()

    def low(self, of: About, where: str) -> int:
        """The best lower bound; a bound at some weights holds at almost every parameter of an analytic network (Lemma 3)."""
        best, words, witnessed = 0, "", False
        for fact in self.facts:
            at_weights = where == ALMOST and fact.where in self.context.instance.weights
            good = fact.kind == "rank" and fact.of == of and (fact.where == where or (at_weights and self.analytic(of)))
            if good and fact.low is not None and fact.low > best:
                best, words, witnessed = fact.low, fact.words, at_weights
        self.used += [words] if words else []
        self.context.assumptions |= {MITYAGIN} if witnessed and of[0] == "F" else set()
        return best

    def high(self, of: About, where: str, most: int, key: str = "") -> int:
        """The best upper bound, at most `most`; `key`: of the matrix with a column of ones."""
        best, words = most, ""
        for fact in self.facts:
            bound = fact.high  # a column of ones adds one at most, if nothing better is known
            if key and bound is not None:
                bound = fact.more.get(key, bound + 1)
            if fact.kind == "rank" and fact.of == of and fact.where in (where, EVERY) and bound is not None and bound < best:
                best, words = bound, fact.words
        self.used += [words] if words else []
        return best

    def analytic(self, of: About) -> bool:
        """U is linear in the filters; F is analytic in the parameters if no activation or pooling below is an exception."""
        nodes = self.network.upto(of[1]) if of[0] == "F" else []
        return all(node.activation.has("analytic") if node.activation else node.pool != "maxpool" for node in nodes)

    def node(self) -> tuple[Node, int, int]:
        """The node of the claim, N and n_v."""
        node = self.network.node(self.claim["node"], self.path)
        self.network.exist(node.number, self.path)
        return node, len(self.context.instance.samples().rows), node.above.units

    def weights(self, nodes: list[Node] | None = None) -> str:
        """The name of the claim's weights, given for all nodes that it speaks of (None: up to its node, or the last)."""
        name, last = self.claim["weights"], self.claim.get("node", len(self.network.nodes))
        self.context.instance.complete(name, self.network.upto(last) if nodes is None else nodes, self.path)
        return str(name)

    def only(self, kind: str, where: str, **fields: Any) -> Fact:
        """The single fact of a kind among those named."""
        found = [fact for fact in self.facts if fact.kind == kind and fact.where == where
                 and all(fact.more.get(k) == v for k, v in fields.items())]
        require(len(found) == len(self.facts) == 1, self.path, f"needs exactly one judgment, on {kind}")
        return found[0]

    def need(self, condition: bool, message: str) -> None:
        require(condition, self.path, message)

    def decide(self, proved: bool, refuted: bool, bounds: bool = False) -> None:
        """The verdict claimed is what the facts show; only a claim of `bounds` says anything where they decide nothing."""
        found = "proved" if proved else "refuted" if refuted else "undecided"
        self.need(self.verdict == found, f"claims {self.verdict}, but the judgments named leave it {found}")
        self.need(bounds or found != "undecided", "the judgments named decide nothing")

    def between(self, low: int, high: int, full: int) -> None:
        """The bounds claimed are those that the facts show; `full` is full rank."""
        self.need((self.claim["lower"], self.claim["upper"]) == (low, high), f"the judgments named show {low} .. {high}")
        self.need(low <= high, f"lower bound {low} exceeds upper bound {high}")
        self.decide(low == full, high < full, bounds=True)

    def output(self, node: Node) -> Node:
        """The last node, which is dense on this one."""
        top = self.network.nodes[-1]
        self.need(top.kind == "dense" and top.of == [node.number], "the last node is not dense on this one")
        return top

    def full(self, nodes: list[Node], where: str) -> bool:
        return all(self.low(("U", node.number), where) == smaller(node) for node in nodes)

    def deficient(self, nodes: list[Node], where: str) -> bool:
        return any(self.high(("U", node.number), where, smaller(node)) < smaller(node) for node in nodes)

    def say(self, sentence: str) -> str:
        return f"{sentence}: {'; '.join(self.used)}" if self.used else sentence


def smaller(node: Node) -> int:
    return min(node.below.units, node.above.units)


def in_words(name: str, low: int, high: int) -> str:
    return f"{name} = {low}" if low == high else f"{low} <= {name} <= {high}" if low else f"{name} <= {high}"


def rank(row: Row) -> str:
    node, N, width = row.node()
    where = EVERY if row.claim["weights"] is None else row.weights()
    low, high = (row.low(("F", node.number), where) if where != EVERY else 0), row.high(("F", node.number), where, min(N, width))
    row.between(low, high, N)
    at = "every choice of weights" if where == EVERY else f"the weights {where}"
    name = row.network.label(node.number)
    rows = f", its rows are linearly {'in' if low == N else ''}dependent" if low == N or high < N else ""
    return f"{in_words(f'rank {name}', low, high)} over R for the {N} samples and {at} ({name} is {N} x {width}{rows})"


def lifted(row: Row) -> str:
    node = row.network.node(row.claim["node"], row.path)
    generic = row.claim["statement"] != "lifted-rank"
    where = (ALMOST, EVERY) if generic else (row.weights([node]),) * 2
    row.need(node.affine and (node.kind != "dense" or not generic), f"node {node.number} is not convolutional")
    low, high = row.low(("U", node.number), where[0]), row.high(("U", node.number), where[1], smaller(node))
    row.between(low, high, smaller(node))
    name, shape = row.network.label(node.number, "U"), f"{node.below.units} x {node.above.units}"
    if not generic:
        return f"{in_words(f'rank {name}', low, high)} at the weights {where[0]} ({name} is {shape})"
    note = {"proved": ", full rank for almost all filters", "refuted": ", full rank for no filters", "undecided": ""}
    return f"{in_words(f'generic rank of {name}', low, high)} ({name} is {shape}{note[row.verdict]})"


def single(row: Row) -> str:
    """Statements that one judgment decides."""
    claim = row.claim
    kind: dict[str, str] = {"extension-b": "generic-data", "critical-point": "gradient", "critical-point-nearby": "isolated"}
    fields: dict[str, Any] = {key: claim[key] for key in ("node", "samples") if key in claim}
    if "activation" in claim:
        fields["activation"] = claim["activation"].spec
    where = row.weights() if "weights" in claim else ""
    fact = row.only(kind.get(str(claim["statement"]), str(claim["statement"])), where, **fields)
    found = fact.more.get("verdict", "proved")
    row.need(found == row.verdict, f"claims {row.verdict}, but it is {found}")
    row.need(claim.get("failing", fact.more.get("failing")) == fact.more.get("failing"), f"the failing clauses differ from "
             f"{fact.more.get('failing')}")
    return fact.words


def almost(row: Row) -> str:
    """The conclusion of Theorem 3.5 and of Extension A, for this network and data."""
    node, N, width = row.node()
    of = ("F", node.number)
    row.decide(row.low(of, ALMOST) == N, min(row.high(of, EVERY, min(N, width)), row.high(of, SOMEWHERE, N)) < N)
    name = row.network.label(node.number)
    about = f"rank {name} = N = {N} for {ALMOST} of the nodes up to {node.number}, on the given samples"
    return row.say(about if row.verdict == "proved" else f"it is not true that {about}")


def existence(row: Row) -> str:
    """Theorem 3.4: explicit parameters, or almost all of them; refuted where nothing can help."""
    node, N, width = row.node()
    of, affine = ("F", node.number), [each for each in row.network.upto(node.number) if each.affine]
    convolutional = [each for each in affine if each.kind != "dense"]
    layers(row.context.instance, row.path)
    where = None if row.claim["weights"] is None else row.weights()
    if row.verdict == "refuted":
        never = row.high(of, EVERY, min(N, width)) < N or row.deficient(convolutional, EVERY)
        row.need(never, "no judgment refutes it for every parameter")
        conclusion = "no parameters will do"
    elif where is not None:
        row.need(row.low(of, where) == N and row.full(affine, where), "rank F or a U of full rank is missing")
        conclusion = f"the weights {where} do"
    else:
        row.need(row.low(of, ALMOST) == N and row.full(convolutional, ALMOST), "rank F or a U of full rank is missing")
        conclusion = "almost all parameters will do"
    row.need(row.verdict != "undecided", "is proved or refuted")
    return row.say(f"Theorem 3.4 at node {node.number} (rank {row.network.label(node.number)} = {N} with all U up to there of "
                   f"full rank): {conclusion}")


def complement(row: Row) -> str:
    """Lemma 4.2: S_k misses a null set only, or more than that."""
    node, N, width = row.node()
    of, above = ("F", node.number), [each for each in beyond(row.context.instance, node.number, row.path) if each.kind != "dense"]
    if row.verdict == "proved":
        row.need(row.low(of, ALMOST) == N and row.full(above, ALMOST), "the judgments named do not add up to the lemma")
    else:
        fails = row.high(of, EVERY, min(N, width)) < N or row.high(of, SOMEWHERE, N) < N or row.deficient(above, EVERY)
        row.need(row.verdict == "refuted" and fails, "the judgments named do not refute the lemma")
    how = "is null" if row.verdict == "proved" else "has positive measure"
    return row.say(f"the complement of S at node {node.number} (rank F = N, every U of the layers from the second above of full "
                   f"rank) {how}")


def membership(row: Row) -> str:
    """S_k: rank F_k = N and U_l of full rank for l = k+2..L, at given weights."""
    where = row.weights(row.network.nodes)
    inside = member(row, where)
    row.decide(inside is True, inside is False)
    return row.say(f"the weights {where} are {'' if inside else 'not '}in S at node {row.claim['node']}")


def member(row: Row, where: str) -> bool | None:
    """Is the point in S at the claim's node?  None: the facts named do not tell."""
    node, N, width = row.node()
    of, above = ("F", node.number), beyond(row.context.instance, node.number, row.path)
    if row.low(of, where) == N and row.full(above, where):
        return True
    return False if row.high(of, where, min(N, width)) < N or row.deficient(above, where) else None


def valley(row: Row) -> str:
    """The output is linear on a node of full rank almost everywhere (Lemma 24)."""
    node, N, _ = row.node()
    row.output(node)
    row.need(row.low(("F", node.number), ALMOST) == N and row.verdict == "proved", "needs full rank for almost every parameter")
    return row.say(f"on these {N} samples every connected component of every strict sublevel set of any real-valued convex loss "
                   "of the outputs comes as close to the infimum of the loss as any point does")


def interpolation(row: Row) -> str:
    """Corollary 3.6: the reachable targets F W + 1 b^T of a dense linear output are all of R^(N x m), or not."""
    (node, N, width), where = row.node(), row.weights()
    top = row.output(node)
    of, bias = ("F", node.number), top.spec["bias"] != "none"
    high = row.high(of, where, min(N, width) + bias, "augmented") if bias else row.high(of, where, min(N, width))
    row.decide(row.low(of, where) == N, high < N)
    every = "every target" if row.verdict == "proved" else "not every target"
    return row.say(f"{every} in R^({N} x {top.above.units}) is reached by some weights of node {top.number}, the others {where}")


BOUNDS = {"lower": INDEX, "upper": INDEX}
ROWS: dict[str, tuple[dict[str, Any], Callable[[Row], str]]] = {
    "rank": ({"node": NODE, "weights": maybe(NAME), **BOUNDS}, rank),
    "lifted-rank": ({"node": NODE, "weights": NAME, **BOUNDS}, lifted),
    "assumption-2.4": ({"node": NODE, **BOUNDS}, lifted),
    "lemma-2.5": ({"node": NODE, **BOUNDS}, lifted),
    "assumption-3.1": ({}, single),
    "assumption-3.2": ({"activation": activation}, single),
    "structure": ({"node": NODE}, single),
    "assumption-4.1": ({"failing": array(array(choice(*CLAUSES)))}, single),
    "extension-b": ({"node": NODE, "samples": SIZE}, single),
    "theorem-3.5": ({"node": NODE}, almost),
    "extension-a": ({"node": NODE}, almost),
    "theorem-3.4": ({"node": NODE, "weights": maybe(NAME)}, existence),
    "lemma-4.2": ({"node": NODE}, complement),
    "s-k": ({"node": NODE, "weights": NAME}, membership),
    "no-bad-valley": ({"node": NODE}, valley),
    "corollary-3.6": ({"node": NODE, "weights": NAME}, interpolation),
}
