"""(g) Hypotheses of structure (FORMAT.md, section 6): what holds of patches, activations, biases and widths.

Those of Lemmas 13, 15 and 16 have a conclusion about ranks at once.
"""

from itertools import pairwise
from typing import Any

from .activations import Activation, activation
from .bounds import different
from .grammar import INDEX, INDICES, NODE, SIZE, Fields, array, maybe, pair, record
from .matrices import ALMOST, MITYAGIN, SOMEWHERE, Context, Fact
from .instance import Instance
from .network import Node
from .order import peeled
from .outcome import TooMuch, require

CLAUSES = ("no-pooling", "output-dense", "wide", "hidden-3.2", "monotone", "pyramid")


def separation(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Assumption 3.1, about the patches that the first node on the input reads."""
    instance, data = context.instance, context.instance.samples()
    first = next(node for node in instance.network.nodes if 0 in node.of)  # node 1 does
    require(first.affine, path, f"node {first.number}, the first on the input, is not affine")
    gathers = [[max(u, -1) for u in patch] for patch in first.patches]  # padding reads a 0 put at the end
    N = len(data.rows)
    if given["collision"] is not None:
        (i, j), (p, q) = given["collision"]["samples"], given["collision"]["patches"]
        require(i != j and max(i, j) < N, path + ".samples", f"expected two samples below {N}")
        require(max(p, q) < len(gathers), path + ".patches", f"expected patches below {len(gathers)}")
        one, other = [*data.rows[i], 0], [*data.rows[j], 0]
        same = [one[u] for u in gathers[p]] == [other[u] for u in gathers[q]]
        require(same, path, f"patch {p} of sample {i} differs from patch {q} of sample {j}")
        words = f"Assumption 3.1 fails: patch {p} of sample {i} equals patch {q} of sample {j}"
        return Fact("assumption-3.1", words, more={"verdict": "refuted"})
    if N * len(gathers) * (first.length + 8) > 2**27:
        raise TooMuch(f"{path}: {N * len(gathers)} patches to compare")
    owner: dict[tuple[int, ...], int] = {}
    for i, row in enumerate(data.rows):
        padded = [*row, 0]
        for p, gather in enumerate(gathers):
            other_owner = owner.setdefault(tuple([padded[u] for u in gather]), i)
            require(other_owner == i, path, f"patch {p} of sample {i} also occurs in sample {other_owner}")
    words = (f"Assumption 3.1 holds: no two of the {N} samples have a patch value in common, among the "
             f"{len(gathers)} patches that node {first.number} reads")
    return Fact("assumption-3.1", words, more={"verdict": "proved"})


def growth(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Assumption 3.2, from the table of activations (Lemma 17)."""
    sigma: Activation = given["activation"]
    require(sigma.name != "custom", path, "nothing is known about the limits of a custom activation")
    part = "limits" if sigma.has("limits") else "growth" if sigma.has("growth") else ""
    words = f"Assumption 3.2 {f'holds ({part})' if part else 'fails'} for {sigma.label}"
    return Fact("assumption-3.2", words, more={"verdict": "proved" if part else "refuted", "activation": sigma.spec})


def structure(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    node = context.instance.network.node(given["node"], path)
    require(node.kind != "dense" and (node.affine or node.pool is not None), path, f"node {node.number} reads no patches")
    units, covered = node.below.units, {u for patch in node.patches for u in patch}
    uncovered, same = given["uncovered"], given["equal"]
    sets = list(map(frozenset, node.patches))
    more = {"verdict": "refuted" if uncovered or same else "proved", "node": node.number}
    if not uncovered and not same:
        missing = next((u for u in range(units) if u not in covered), None)
        require(missing is None, path, f"neuron {missing} below node {node.number} lies in no patch")
        require(len(set(sets)) == len(sets), path, "two patches are equal sets")
        words = f"every neuron below node {node.number} lies in a patch that it reads, no two patches are equal sets"
        return Fact("structure", words, more=more)
    for u in uncovered:
        require(u < units and u not in covered, path + ".uncovered", f"{u} is not an uncovered neuron")
    for p, q in same:
        require(p < q < len(sets) and sets[p] == sets[q], path + ".equal", f"{p} and {q} are not two equal patches p < q")
    found = [f"neuron {uncovered[0]} lies in no patch"] if uncovered else []
    found += [f"patches {same[0][0]} and {same[0][1]} are equal sets"] if same else []
    return Fact("structure", f"the structure condition fails at node {node.number}: {' and '.join(found)}", more=more)


def layers(instance: Instance, path: str) -> list[tuple[Node, Activation | None]]:
    """The paper's layers of a chain: affine nodes with their activation (None: identity), pooling."""
    network, found = instance.network, list[tuple[Node, Activation | None]]()
    for before, node in pairwise([None, *network.nodes]):
        plain = node is not None and (node.affine or node.pool == "maxpool")
        if node is not None and node.activation and before is not None and before.affine:
            found[-1] = found[-1][0], node.activation
        else:
            require(plain and network.chain, path, "only for chains of affine nodes, activations and max-pooling")
            found += [(node, None)] if node is not None else []
    return found


def beyond(instance: Instance, number: int, path: str) -> list[Node]:
    """The affine nodes of layers k + 2 .. L of a chain, where node `number` ends layer k; no pooling among those layers."""
    listed = layers(instance, path)
    require(number in {node.number + (sigma is not None) for node, sigma in listed}, path, f"node {number} does not end a layer")
    above = [node for node, _ in listed if node.number > number][1:]
    require(all(node.affine for node in above), path, "a pooling layer above has no U")
    return above


def clauses(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Assumption 4.1, clause by clause for every hidden layer."""
    listed, N = layers(context.instance, path), len(context.instance.samples().rows)
    hidden, (last, top) = listed[:-1], listed[-1]
    sigmas = [sigma for node, sigma in listed if node.affine and sigma is not None]
    require(all(sigma.name != "custom" for sigma in sigmas), path, "nothing is known about a custom activation")
    linear = last.kind == "dense" and (top is None or top.name == "identity")
    plain = all(node.affine for node, _ in listed)
    satisfied = all(sigma is not None and (sigma.has("limits") or sigma.has("growth")) for node, sigma in hidden if node.affine)
    expected = []
    for k in range(1, len(hidden) + 1):
        above, sizes = hidden[k:], [node.above.units for node, _ in listed[k:]]
        held = (plain, linear, hidden[k - 1][0].above.units >= N, satisfied,
                all(sigma is None or sigma.has("steep") for _, sigma in above), all(a >= b for a, b in pairwise(sizes)))
        expected.append([clause for clause, holds in zip(CLAUSES, held, strict=True) if not holds])
    good = next((k for k, failing in enumerate(expected, 1) if not failing), None)
    words = f"Assumption 4.1 holds for {N} samples, with hidden layer k = {good}" if good else (
        f"Assumption 4.1 fails for {N} samples: no hidden layer satisfies every clause, the layers taken as they are written")
    return Fact("assumption-4.1", words, more={"verdict": "proved" if good else "refuted", "failing": expected})


def general_position(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """The general proof for conv or dense layers with pooling between them (Lemma 15)."""
    data, network = context.instance.samples(), context.instance.network
    network.node(given["node"], path)
    nodes, N = network.upto(given["node"]), len(data.rows)
    first, top, before = nodes[0], nodes[-1], nodes[-2] if len(nodes) > 1 else nodes[0]
    require(all(node.of == [number] for number, node in enumerate(nodes)), path, "only for chains")
    right = first.affine and before.affine and top.activation is not None and top.above.units >= N
    require(right, path, "needs a wide node, an activation of an affine one, over an affine one on the input")
    for below, node in pairwise([first, *nodes]):
        if node.affine:
            require(node.own_bias, path, f"node {node.number} has no bias for each unit")
        elif sigma := node.activation:
            good = peeled(sigma) if node is top else sigma.has("analytic") and sigma.varies()
            good = good and (below.affine or below.activation is not None)
            require(good, path, f"{sigma.name} at node {node.number} may not be analytic (or constant, or without 3.2)")
        else:
            require(node.pool == "maxpool", path, f"node {node.number} is none of affine, activation, max-pooling")
    for p, patch in enumerate(first.patches):
        require(different(data, patch) == N, path, f"two samples have the same patch at position {p}")
    context.assumptions.add(MITYAGIN)
    words = f"rank {network.label(top.number)} = N = {N} for {ALMOST}, by the general proof"
    return Fact("rank", words, ("F", top.number), ALMOST, low=N)


def dead(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """A ReLU node that is 0 on a box of parameters: biases below what reaches it when weights are in [-1, 1] (Lemma 13)."""
    data, network = context.instance.samples(), context.instance.network
    node, top = network.node(given["dead"], path), network.node(given["node"], path)
    nodes = network.upto(top.number)
    network.exist(top.number, path)
    require(node in nodes and all(n.of == [number] for number, n in enumerate(nodes)), path, "not below, in a chain")
    below = network.nodes[node.of[0] - 1]
    relu = node.activation is not None and node.activation.spec == {"name": "relu"} and node.of[0] > 0 and below.affine
    require(relu and below.spec["bias"] != "none", path, f"node {node.number} is not ReLU on an affine node with biases")
    reach = -(-max(map(abs, (v for row in data.rows for v in row))) * data.factor // data.denominator)
    for each in [None, *nodes[: node.number - 2]]:
        if each is None:
            pass
        elif each.affine:
            reach = each.length * reach + 1
        elif each.activation:
            reach = each.activation.bounded(reach)
        else:
            require(each.pool is not None, path, f"node {each.number} has no known reach")
        if reach.bit_length() > 10**4:
            raise TooMuch(f"{path}: numbers beyond 2^10000 reach node {each.number if each else 0}")
    bound = 0 if node is top else 1
    words = (f"rank {network.label(top.number)} <= {bound} on {SOMEWHERE}: weights and biases in [-1, 1] but for the biases of "
             f"node {below.number}, which lie below -{below.length * reach + 1}, so that node {node.number} is dead")
    return Fact("rank", words, ("F", top.number), SOMEWHERE, high=bound)


def generic_data(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Extension B: almost every data set and parameter of an affine node on the input (Lemma 16)."""
    network, count = context.instance.network, given["samples"]
    top = network.node(given["node"], path)
    node = network.nodes[top.of[0] - 1]
    right = top.activation is not None and top.of[0] > 0 and node.affine and node.of == [0] and node.groups == 1
    require(right and node.spec["bias"] != "none", path, "needs the activation of an affine node on the input, with biases")
    require(top.activation is not None and peeled(top.activation), path, "the activation is not analytic with Assumption 3.2")
    require(all(u >= 0 for patch in node.patches for u in patch), path, "a patch sees padding")
    require(len(set(map(frozenset, node.patches))) == len(node.patches), path, "two patches are equal sets")
    context.assumptions.add(MITYAGIN)
    rank = min(count, top.above.units)
    words = (f"rank {network.label(top.number)} = {rank} for almost every data set of {count} samples and almost every "
             f"parameter of node {node.number} (biases per {node.spec['bias']})")
    return Fact("generic-data", words, more={"node": top.number, "samples": count, "rank": rank})


COLLISION = record({"samples": pair(INDEX, INDEX), "patches": pair(INDEX, INDEX)})
RULES: dict[str, tuple[dict[str, Any], Any]] = {
    "patches-differ": ({"collision": maybe(COLLISION)}, separation),
    "growth": ({"activation": activation}, growth),
    "structure": ({"node": NODE, "uncovered": INDICES, "equal": array(pair(INDEX, INDEX))}, structure),
    "clauses": ({}, clauses),
    "general-position": ({"node": NODE}, general_position),
    "dead": ({"node": NODE, "dead": NODE}, dead),
    "generic-data": ({"node": NODE, "samples": SIZE}, generic_data),
}
