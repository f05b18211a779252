"""Graphs of nodes: features of every kind of node against the naive reading, by minors, solutions and kernels."""

import pytest
from graphs import GRAPHS, case_of
from handmade import (
    P31,
    act,
    add,
    average,
    changed,
    claim,
    concat,
    conv,
    count,
    dense,
    features,
    inline,
    instance,
    judged,
    kernel,
    minor,
    network,
    pool,
    rank,
    rational,
    scale,
    seed,
    verdict_of,
    weight,
)
from naive import Reading, block, largest_minor, left_kernel, mod, solved_mod_p
from verdicts import ask, malformed, rejected, verified


@pytest.mark.parametrize("name", GRAPHS)
def test_features_by_minors_and_kernels(name):
    """Together a minor and a kernel fix the rank; a kernel meets every entry of F."""
    case = case_of(GRAPHS[name])
    node, reading = len(case["network"]["nodes"]), Reading(case)
    F = reading.numerators(node)
    N, (rows, columns) = len(F), largest_minor(mod(F, P31), P31)
    lower = minor(features(node), rows, columns, prime=P31)
    upper = kernel(features(node), "left", *left_kernel(F))
    found = rank(case, node, lower=len(rows), upper=len(rows), by=[0, 1])
    assert len(rows) <= N - 2
    verified(case, [lower, upper], found)
    solved = solved_mod_p(case, lower, mod(block(F, rows, columns), P31), P31, 7)
    verified(case, [solved, upper], found)
    wrong = (solved["solutions"][2][0] + 1) % P31
    rejected(case, [changed(solved, "solutions", 2, 0, wrong), upper], found, "A x = b")
    for s, vector in enumerate(upper["vectors"]):
        for place, (row, _) in enumerate(vector["entries"]):
            if any(F[row]):
                forged = changed(upper, "vectors", s, "entries", place, 1, "123456789123456789")
                rejected(case, [lower, forged], found, f"vectors[{s}]")


@pytest.mark.parametrize("name", GRAPHS)
def test_each_unit_is_where_the_format_says(name):
    """At one sample, F_pivot e_h - F_h e_pivot is in the right kernel, for every unit h."""
    case = case_of(GRAPHS[name])
    case["data"] = inline(case["data"]["rows"][:1], 2)
    node = len(case["network"]["nodes"])
    (row,) = Reading(case).numerators(node)
    pivot = next(h for h, v in enumerate(row) if v)
    vectors = []
    for h, v in enumerate(row):
        if h != pivot:
            entries = sorted([[h, row[pivot]], [pivot, -v]]) if v else [[h, 1]]
            vectors.append((h, [[at, str(c)] for at, c in entries]))
    claimed = rank(case, node, lower=0, upper=1)
    judgment = kernel(features(node), "right", *vectors)
    verified(case, judgment, claimed)
    for s, (_, entries) in enumerate(vectors):
        if len(entries) == 2:
            forged = changed(judgment, "vectors", s, "entries", 0, 1, "987654321987654321")
            rejected(case, forged, claimed, f"vectors[{s}]")


def test_nodes_off_the_path_are_not_needed():
    """Node 2 is transcendental and has no weights, but node 3 does not read it."""
    net = network([2], dense(2), act("arctan"), dense(2, of=[1]), dense(3, of=[2]))
    case = instance(net, inline([[1, 2], [3, 4]]), rational(*[weight([[1, 2], [3, 5]])] * 2, None))
    verified(case, minor(features(3), [0, 1], [0, 1]), rank(case, 3, lower=2))
    rejected(case, minor(features(4), [0, 1], [0, 1]), rank(case, 4, lower=2))


def test_labels_of_matrices():
    """F_k at the node that ends layer k of a chain of layers, G_k before its activation; elsewhere nodes are numbered, and
    named where names are given."""
    case = instance(network([2], dense(2), act("relu"), pool([1]), dense(1)), inline([[1, 2]]), seed(1, 4))
    for node, label in ((1, "G_1"), (2, "F_1"), (3, "F_2"), (4, "F_3")):
        assert f"rank {label} " in verified(case, count(node, "width"), rank(case, node)).claims[0]
    for extra in (act("relu"), average([1]), scale([1], [0]), add(4, 4), dense(1, of=[2])):
        graph = changed(case, "network", network([2], dense(2), act("relu"), pool([1]), dense(1), extra))
        label = "F_1" if extra["kind"] == "activation" else "F at node 2"
        assert f"rank {label} " in verified(graph, count(2, "width"), rank(graph, 2)).claims[0]
    named = changed(case, "network", "names", ["first.conv", None, "\x1b[2J", "fc"])
    sentence = verified(named, count(1, "width"), rank(named, 1)).claims[0]
    assert "rank G_1 " in sentence
    named["network"]["nodes"].append({**add(3, 3)})
    named["network"]["names"].append(None)
    sentence = verified(named, count(3, "width"), rank(named, 3)).claims[0]
    assert sentence.isprintable()
    assert 'node 3 ("\\u001b[2J")' in sentence
    for names in (
        [],
        [None] * 4,
        [None] * 6,
        ["", *[None] * 4],
        ["x" * 101, *[None] * 4],
        [1, *[None] * 4],
        None,
    ):
        malformed(changed(named, "network", "names", names), count(3, "width"), rank(named, 3))


def test_everywhere_statements_of_graphs():
    """A minor at given weights holds almost everywhere for analytic graphs, max-pooling and ReLU apart."""
    nodes = [dense(3, "unit"), act("tanh"), dense(3, of=[0]), add(2, 3), average([2]), scale([2], [1])]
    rows = [[1, 2], [0, 1]]
    for extra, kind in (([], True), ([pool([1])], False), ([act("relu")], False), ([act("square")], True)):
        nodes[1] = act("square")
        case = instance(network([2], *nodes, *extra), inline(rows), seed(2, 6))
        node = len(case["network"]["nodes"])
        lower = minor(features(node), [0, 1], [0, 1], prime=P31)
        verified(case, lower, rank(case, node, lower=2))
        proved = claim("theorem-3.5", "proved", node=node)
        if kind:
            sentence = verified(case, lower, proved).claims[0]
            assert sentence.startswith(f"rank F at node {node} = N = 2 for almost every parameter")
        else:
            rejected(case, lower, proved, "undecided")


def window(**change):
    return {**conv(1, kernel=[1, 1]), **change}


BAD = {
    "a later node": [dense(1, of=[1])],
    "nothing read": [dense(1, of=[])],
    "a dense node on two": [dense(1), dense(1, of=[0, 1])],
    "one summand": [add(0)],
    "summands of different shapes": [dense(4), dense(3), add(1, 2)],
    "summands numbered differently": [conv(2, kernel=[1, 1]), add(0, 1)],
    "channels of the input": [concat("channels", 0, 0)],
    "channels of different extents": [
        conv(1, kernel=[1, 1]),
        conv(1, kernel=[1, 2], of=[0]),
        concat("channels", 1, 2),
    ],
    "one part": [concat("units", 0)],
    "another axis": [{"kind": "concat", "axis": "rows", "of": [0, 0]}],
    "too few factors": [scale([1], [1, 2])],
    "too few shifts": [scale([1, 2], [1])],
    "groups that do not divide the channels": [conv(3, kernel=[1, 1], groups=3)],
    "groups that do not divide the filters": [conv(3, kernel=[1, 1], groups=2)],
    "axes of the kernel": [window(kernel=[1])],
    "axes of the padding": [window(padding=[[0, 0]])],
    "padding that is no pair": [window(padding=[0, 0])],
    "negative padding": [window(padding=[[0, 0], [-1, 0]])],
    "four axes": [window(kernel=[1] * 4, stride=[1] * 4, padding=[[0, 0]] * 4, dilation=[1] * 4)],
    "a patch of padding on the left": [window(padding=[[1, 0], [0, 0]])],
    "a patch of padding on the right": [window(padding=[[0, 0], [0, 1]])],
    "a dilated patch of padding": [window(kernel=[2, 1], dilation=[3, 1], padding=[[2, 2], [0, 0]])],
    "a window too large": [window(kernel=[3, 1])],
    "extents that are not those of the lists": [conv(1, patches=[[0], [1]], extents=[3])],
    "lists of two sizes": [conv(1, patches=[[0], [1, 2]])],
    "an empty list": [conv(1, patches=[[0], []])],
    "a unit twice": [conv(1, patches=[[1, 1]])],
    "padding twice": [conv(1, patches=[[1, -1, -1]])],
    "a unit beyond": [conv(1, patches=[[4]])],
    "nothing but padding in a list": [conv(1, patches=[[-1]])],
    "padding in a list that is pooled": [{"kind": "maxpool-lists", "patches": [[0, -1]]}],
    "padding in a list that is averaged": [{"kind": "avgpool-lists", "patches": [[0, -1]]}],
    "groups of lists": [{**conv(1, patches=[[0]]), "groups": 1}],
    "a bias of no kind": [dense(1, "channel")],
    "no such kind": [{"kind": "flatten"}],
    "prelu with slope 0": [act({"name": "prelu", "slope": 0})],
    "prelu with slope 1": [act({"name": "prelu", "slope": 1})],
    "hardtanh with equal ends": [act({"name": "hardtanh", "low": 1, "high": 1})],
    "hardtanh turned round": [act({"name": "hardtanh", "low": 1, "high": 0})],
    "leaky slope 1": [act({"name": "leaky_relu", "slope": 1})],
    "elu with alpha 0": [act({"name": "elu", "alpha": 0})],
    "relu with a parameter": [act({"name": "relu", "alpha": 1})],
    "no such activation": [act("hish")],
    "a tree of no form": [act({"name": "custom", "tree": ["exp"]})],
    "a tree with a variable": [act({"name": "custom", "tree": "x"})],
}


@pytest.mark.parametrize("name", BAD)
def test_graphs_that_are_malformed(name):
    good = instance(network([2, 1, 2], conv(1, kernel=[1, 1])), inline([[1, 2, 3, 4]]))
    verified(good, count(1, "width"), rank(good, 1, weights=None))
    case = instance(
        {"name": "test", "input": [2, 1, 2], "nodes": network([4], *BAD[name])["nodes"]}, good["data"]
    )
    malformed(case, count(1, "width"), claim("rank", "undecided", node=1, weights=None, lower=0, upper=1))


def test_no_nodes_or_no_input():
    good = instance(network([2], dense(1)), inline([[1, 2]]))
    bound = claim("rank", verdict_of(0, 1, 1), node=1, weights=None, lower=0, upper=1)
    verified(good, count(1, "width"), bound)
    for path, value in (
        (("nodes",), []),
        (("input",), []),
        (("input",), [0]),
        (("input",), [1] * 5),
        (("name",), "x" * 201),
    ):
        malformed(changed(good, "network", *path, value), count(1, "width"), bound)
    assert ask(changed(good, "network", "name", ""), count(1, "width"), bound).outcome == "VERIFIED"


def test_structure_of_groups_and_pools():
    """Patches are compared group by group, channel by channel."""
    nodes = [conv(4, kernel=[2], groups=2), average([2]), pool([2]), conv(2, kernel=[1], stride=[2], of=[0])]
    case = instance(network([2, 4], *nodes))
    for node in (1, 2, 3):
        verified(
            case,
            judged("structure", node=node, uncovered=[], equal=[]),
            claim("structure", "proved", node=node),
        )
    hole = judged("structure", node=4, uncovered=[1, 7], equal=[])
    verified(case, hole, claim("structure", "refuted", node=4))
