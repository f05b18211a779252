"""Statements made of several judgments, and facts that contradict each other."""

from fractions import Fraction

import pytest
from handmade import (
    P31,
    act,
    add,
    changed,
    claim,
    conv,
    count,
    dense,
    features,
    generic,
    inline,
    instance,
    judged,
    kernel,
    lifted,
    minor,
    network,
    pool,
    rank,
    rational,
    seed,
    weight,
)
from naive import Reading, largest_minor, mod
from verdicts import rejected, verified

from exactcnn.checker import certificate as module
from exactcnn.checker.core.matrices import ALMOST, EVERY, SOMEWHERE, Fact
from exactcnn.checker.core.outcome import Rejected

ROWS = [[1, 2, 3, 4], [4, 0, 1, 2], [2, 2, 1, 0]]


def tower(activation="square", weights=None, rows=ROWS):
    """conv 4 -> 3 x 2, conv 3 x 2 -> 2 x 2, dense: every U is of full rank at drawn weights."""
    return instance(
        network(
            [4],
            conv(2, kernel=[2]),
            act(activation),
            conv(2, kernel=[2], bias="unit"),
            act("relu" if activation == "relu" else "square"),
            dense(2, "unit"),
        ),
        inline(rows),
        weights or seed(6, 6),
    )


def minors(case, *of):
    """A minor of the full rank of F or U for each."""
    found = []
    for each in of:
        reading = Reading(case, each["weights"])
        if each["matrix"] == "features":
            M = reading.numerators(each["node"])
        else:
            M = [
                [int(x * 2 ** case["weights"][each["weights"]]["bits"]) for x in row]
                for row in reading.lifted(each["node"])
            ]
        rows, columns = largest_minor(mod(M, P31), P31)
        assert len(rows) == min(len(M), len(M[0]))
        found.append(minor(each, rows, columns, prime=P31))
    return found


# ---- Theorem 3.5 and Extension A. ----


@pytest.mark.parametrize("statement", ["theorem-3.5", "extension-a"])
def test_almost_everywhere(statement):
    case = tower()
    (F,) = minors(case, features(4))
    verdict = verified(case, F, claim(statement, "proved", node=4))
    assert any("Mityagin" in x for x in verdict.assumptions)
    relu = tower("relu")
    (F,) = minors(relu, features(4))
    rejected(relu, F, claim(statement, "proved", node=4), "undecided")
    for verdict in ("refuted", "undecided"):
        rejected(case, minors(case, features(4)), claim(statement, verdict, node=4))
    rejected(case, minor(features(4), [0], [0], prime=P31), claim(statement, "proved", node=4), "undecided")
    rejected(
        case, minor(features(4), [0], [0], prime=P31), claim(statement, "undecided", node=4), "decide nothing"
    )
    doubled = tower(rows=[*ROWS, ROWS[0]])
    verified(doubled, count(4, "samples"), claim(statement, "refuted", node=4))
    narrow = tower(rows=[[i, 0, 1, i * i] for i in range(5)])
    verified(narrow, count(4, "width"), claim(statement, "refuted", node=4))
    # A kernel at given weights refutes nothing about almost all.
    zero = tower(
        weights=rational(weight([[0, 0]] * 2), weight([[0, 0]] * 4, [0] * 4), weight([[0, 0]] * 4, [0] * 2))
    )
    judgment = kernel(features(4), "left", (0, [[0, 1]]))
    verified(zero, judgment, rank(zero, 4, upper=2))
    rejected(zero, judgment, claim(statement, "refuted", node=4))


# ---- Theorem 3.4. ----


def existence(verdict, node=4, weights=None, by=(0,)):
    return claim("theorem-3.4", verdict, by, node=node, weights=weights)


def test_existence_by_given_weights():
    case = tower("relu")
    judgments = minors(case, features(4), lifted(1), lifted(3))
    verified(case, judgments, existence("proved", weights="w", by=[0, 1, 2]))
    for by in ([0], [1, 2], [0, 1], [0, 2]):
        rejected(case, judgments, existence("proved", weights="w", by=by), "missing")
    for verdict in ("refuted", "undecided"):
        rejected(case, judgments, existence(verdict, weights="w", by=[0, 1, 2]))
    rejected(case, judgments, existence("proved", by=[0, 1, 2]), "missing")  # ReLU: almost nothing follows
    rejected(case, judgments, existence("proved", weights="v", by=[0, 1, 2]), "weights")
    case["weights"]["v"] = seed(8, 6)
    other = minors(case, features(4), lifted(1, "v"), lifted(3, "v"))
    rejected(case, other, existence("proved", weights="w", by=[0, 1, 2]), "missing")


def test_existence_almost_everywhere():
    case = tower()
    judgments = minors(case, features(4), lifted(1), lifted(3))
    verified(case, judgments, existence("proved", by=[0, 1, 2]))
    rejected(case, judgments, existence("proved", by=[0, 1]), "missing")
    case["weights"]["v"] = seed(8, 6)  # the witnesses may stand at different weights
    mixed = minors(case, features(4, "v"), lifted(1), lifted(3, "v"))
    verified(case, mixed, existence("proved", by=[0, 1, 2]))
    rejected(case, mixed, existence("proved", weights="v", by=[0, 1, 2]), "missing")


def test_existence_refuted():
    case = tower(rows=[*ROWS, ROWS[1]])
    verified(case, count(4, "samples"), existence("refuted"))
    rejected(case, count(2, "samples"), existence("refuted"))
    hole = instance(network([3], conv(3, patches=[[0, 1]]), act("tanh")), inline([[1, 2, 3]]))
    cover = judged("cover", node=1, rows=[0, 1], columns=[])
    verified(hole, cover, existence("refuted", node=2))
    rejected(hole, cover, existence("proved", node=2))
    rejected(hole, judged("cover", node=1, rows=[0, 1, 2], columns=[]), existence("refuted", node=2))
    # That U vanishes at given weights, or F on a set of positive measure, does not rule out others.
    hole["weights"]["w"] = rational(weight([[0] * 3] * 2))
    zero = kernel(lifted(1), "left", (0, [[0, 1]]))
    rejected(hole, zero, existence("refuted", node=2))
    box = instance(network([1], dense(2, "unit"), act("relu")), inline([[1], [2]]))
    rejected(box, judged("dead", node=2, dead=2), existence("refuted", node=2))


# ---- Lemma 4.2 and S_k. ----


def lemma(verdict, node=2, by=(0,)):
    return claim("lemma-4.2", verdict, by, node=node)


def longer(activation="square"):
    """conv, conv, conv, dense: with k = 1, U_3 is the one convolutional matrix from the second layer above."""
    return instance(
        network(
            [4],
            conv(2, kernel=[2]),
            act(activation),
            conv(2, kernel=[1]),
            act("square"),
            conv(3, kernel=[2]),
            act("tanh"),
            dense(2),
        ),
        inline(ROWS),
        seed(5, 6),
    )


def test_complement_is_null():
    case = longer()
    judgments = minors(case, features(2), lifted(5), lifted(3))
    verified(case, judgments, lemma("proved", by=[0, 1]))
    for by in ([0], [1], [0, 2]):
        rejected(case, judgments, lemma("proved", by=by))
    for verdict in ("refuted", "undecided"):
        rejected(case, judgments, lemma(verdict, by=[0, 1]))
    relu = longer("relu")
    rejected(relu, minors(relu, features(2), lifted(5)), lemma("proved", by=[0, 1]))
    pooled = instance(
        network([4], dense(4, "unit"), act("square"), dense(4), pool([2]), dense(1)), inline(ROWS), seed(5, 6)
    )
    rejected(pooled, minors(pooled, features(2)), lemma("proved"), "pooling")
    next_pooled = instance(
        network([4], dense(4, "unit"), act("square"), pool([2]), dense(1)), inline(ROWS), seed(5, 6)
    )
    verified(next_pooled, minors(next_pooled, features(2)), lemma("proved"))


def test_complement_is_not_null():
    case = longer("relu")
    for nodes in ("unit", "filter"):
        case["network"]["nodes"][0]["bias"] = nodes
        verified(case, judged("dead", node=2, dead=2), lemma("refuted"))
    case["data"] = inline([*ROWS, ROWS[0]])
    verified(case, count(2, "samples"), lemma("refuted"))
    hole = network([4], dense(4), act("tanh"), dense(3), act("tanh"), conv(3, patches=[[0, 1]]), dense(1))
    case = instance(hole, inline(ROWS), seed(1, 4))
    verified(case, judged("cover", node=5, rows=[0, 1], columns=[]), lemma("refuted"))
    rejected(case, judged("cover", node=5, rows=[0, 1, 2], columns=[]), lemma("refuted"))
    # U of the next layer is no part of S.
    hole["nodes"][2] = {**conv(3, patches=[[0, 1]]), "of": [2]}
    rejected(instance(hole, inline(ROWS)), judged("cover", node=3, rows=[0, 1], columns=[]), lemma("refuted"))


def test_membership():
    case = longer("relu")
    judgments = minors(case, features(2), lifted(5), lifted(7), lifted(3))
    inside = claim("s-k", "proved", [0, 1, 2], node=2, weights="w")
    verified(case, judgments, inside)
    for by in ([0], [0, 1], [0, 2], [1, 2], [0, 1, 3]):
        rejected(case, judgments, {**inside, "by": by}, "undecided")
        rejected(case, judgments, {**inside, "by": by, "verdict": "undecided"}, "decide nothing")
    rejected(case, judgments, {**inside, "verdict": "refuted"})
    zero = changed(
        case, "weights", "w", rational(*[weight([[0] * t] * n) for n, t in ((2, 2), (2, 2), (4, 3), (6, 2))])
    )
    outside = claim("s-k", "refuted", node=2, weights="w")
    for kernels in (
        kernel(features(2), "left", (0, [[0, 1]])),
        kernel(lifted(7), "left", (0, [[0, 1]]), (1, [[1, 1]])),
    ):
        (verified if kernels["of"]["matrix"] == "features" else rejected)(zero, kernels, outside)
    deficient = kernel(lifted(7), "left", *((i, [[i, 1]]) for i in range(5)))
    verified(zero, deficient, outside)
    rejected(zero, kernel(lifted(3), "left", *((i, [[i, 1]]) for i in range(6))), outside)


# ---- Corollary 3.6. ----


def reach(verdict, node=2, by=(0,)):
    return claim("corollary-3.6", verdict, by, node=node, weights="w")


@pytest.mark.parametrize("bias", ["none", "unit", "filter"])
def test_interpolation(bias):
    """F = relu of one unit each: rank 2 of 3 samples; with ones it is 3 unless the rows' relation sums to 0."""
    net = network([2], dense(2), act("relu"), dense(2, bias))
    given = rational(weight([[1, 0], [0, 1]]), None)
    case = instance(net, inline([[1, 0], [0, 1], [1, 1]]), given)
    relation = kernel(features(2), "left", (2, [[0, 1], [1, 1], [2, -1]]))  # sums to 1
    (verified if bias == "none" else rejected)(case, relation, reach("refuted"))
    rejected(case, relation, reach("undecided"), "claims" if bias == "none" else "decide nothing")
    flat = instance(net, inline([[1, 0], [0, 1], [2, -1]]), given)
    flat["data"] = inline([[2, 0], [0, 2], [1, 1]])
    zero_sum = kernel(features(2), "left", (2, [[0, 1], [1, 1], [2, -2]]))
    verified(flat, zero_sum, reach("refuted"))
    two = instance(net, inline([[1, 0], [0, 1]]), given)
    verified(two, minor(features(2), [0, 1], [0, 1]), reach("proved"))
    rejected(two, minor(features(2), [0], [0]), reach("proved"))
    four = instance(net, inline([[1, 0], [0, 1], [2, 2], [3, 5]]), given)
    verified(four, count(2, "width"), reach("refuted"))  # 2 + 1 < 4
    three = instance(net, inline([[1, 0], [0, 1], [2, 2]]), given)
    (verified if bias == "none" else rejected)(three, count(2, "width"), reach("refuted"))
    same = instance(net, inline([[1, 0], [0, 1], [0, 1]]), given)
    verified(same, count(2, "samples"), reach("refuted"))


def test_interpolation_needs_a_dense_linear_output_on_the_node():
    for nodes in (
        [dense(2), act("relu"), dense(2), act("relu")],
        [dense(2), act("relu"), conv(1, kernel=[1])],
    ):
        case = instance(network([2], *nodes), inline([[1, 0], [0, 1]]), seed(2, 3))
        rejected(case, count(2, "width"), reach("undecided"), "dense")
    case = instance(network([2], dense(2), act("relu"), dense(2)), inline([[1, 0], [0, 1]]), seed(2, 3))
    rejected(case, count(1, "width"), reach("undecided", node=1), "dense")


def test_graphs_that_are_no_chains_of_layers():
    net = network([2], dense(2, "unit"), act("square"), add(1, 2), dense(2))
    case = instance(net, inline([[1, 0], [0, 1]]), seed(2, 3))
    judgments = minors(case, features(2), features(3), lifted(1), lifted(4))
    verified(case, judgments, claim("theorem-3.5", "proved", [1], node=3))
    verified(case, judgments, claim("corollary-3.6", "proved", [1], node=3, weights="w"))
    for attack in (
        existence("proved", node=2, by=[0, 2]),
        existence("proved", node=3, by=[1, 2]),
        lemma("proved", node=2, by=[0, 3]),
        claim("s-k", "proved", [0, 3], node=2, weights="w"),
    ):
        rejected(case, judgments, attack, "chains")


# ---- Facts that contradict each other. ----

F2 = ("F", 2)


@pytest.mark.parametrize(
    ("low", "high", "contradiction"),
    [
        ("w", "w", True),
        ("w", EVERY, True),
        (ALMOST, EVERY, True),
        (ALMOST, SOMEWHERE, True),
        (ALMOST, ALMOST, True),
        ("w", "v", False),
        ("w", SOMEWHERE, False),
        (ALMOST, "w", False),
        (SOMEWHERE, "w", False),
    ],
)
def test_contradictions(low, high, contradiction):
    """Nothing is verified once two facts cannot both be true, whoever is to blame."""
    facts = [Fact("rank", "one", F2, low, low=3), Fact("rank", "other", F2, high, high=2)]
    for pair in (facts, facts[::-1]):
        if contradiction:
            with pytest.raises(Rejected, match="contradiction, one, yet other"):
                module.consistent(pair)
        else:
            module.consistent(pair)
    module.consistent([facts[0], Fact("rank", "other", F2, high, high=3)])
    module.consistent([facts[0], Fact("rank", "other", ("F", 3), high, high=2)])
    module.consistent([facts[0], Fact("rank", "other", ("U", 2), high, high=2)])


ONE_THIRD, LN2 = (Fraction(1, 3),), (Fraction(0), Fraction(1))


@pytest.mark.parametrize(
    ("one", "other", "contradiction"),
    [
        (("gradient", {"verdict": "proved"}), ("gradient", {"verdict": "refuted"}), True),
        (("gradient", {"verdict": "proved"}), ("gradient", {"verdict": "proved", "still": {1}}), False),
        (("loss", {"ends": (ONE_THIRD, ONE_THIRD)}), ("loss", {"ends": (LN2, LN2)}), True),
        (("loss", {"ends": (LN2, LN2)}), ("loss", {"ends": (LN2, LN2)}), False),
        (
            ("loss", {"ends": (LN2, LN2)}),
            ("loss", {"ends": ((Fraction(69, 100),), (Fraction(7, 10),))}),
            False,
        ),
        (("loss", {"ends": (LN2, LN2)}), ("loss", {"ends": ((Fraction(7, 10),), (Fraction(1),))}), True),
        (
            ("loss", {"ends": ((), (Fraction(1),))}),
            ("loss", {"ends": ((Fraction(1),), (Fraction(2),))}),
            False,
        ),
        (
            ("loss", {"ends": ((), (Fraction(1),))}),
            ("loss", {"ends": ((Fraction(2),), (Fraction(3),))}),
            True,
        ),
        (
            ("structure", {"verdict": "proved", "node": 1}),
            ("structure", {"verdict": "refuted", "node": 1}),
            True,
        ),
        (
            ("structure", {"verdict": "proved", "node": 1}),
            ("structure", {"verdict": "refuted", "node": 2}),
            False,
        ),
        (("assumption-3.1", {"verdict": "proved"}), ("assumption-3.1", {"verdict": "refuted"}), True),
    ],
)
def test_contradictions_of_other_facts(one, other, contradiction):
    facts = [Fact(kind, "", where="w", more=more) for kind, more in (one, other)]
    for pair in (facts, facts[::-1]):
        if contradiction:
            with pytest.raises(Rejected, match="contradiction"):
                module.consistent(pair)
        else:
            module.consistent(pair)
    module.consistent([facts[0], Fact(other[0], "", where="v", more=other[1] | {"node": 7})])


def test_a_contradiction_of_one_certificate_ends_in_no_verdict(monkeypatch):
    """A rule is broken on purpose: the claims would follow from the facts, but the facts do not agree."""
    case = instance(network([1], dense(2), act("relu")), inline([[1], [2]]), rational(weight([[1, 1]])))
    lower, upper = minor(features(2), [0], [0]), kernel(features(2), "right", (0, [[0, 1], [1, -1]]))
    claims = [rank(case, 2, lower=1), rank(case, 2, upper=1, by=[1])]
    verified(case, [lower, upper], claims)
    broken = lambda *_: Fact("rank", "a lie", F2, "w", low=2)  # noqa: E731
    monkeypatch.setitem(module.RULES, "minor-mod-p", (module.RULES["minor-mod-p"][0], broken))
    rejected(case, [lower, upper], claims[1], "contradiction, a lie")
    rejected(case, [lower, upper], [rank(case, 2, lower=2), claims[1]], "contradiction, a lie")


def test_generic_and_special_ranks_do_not_contradict():
    case = instance(
        network([2], conv(2, patches=[[0], [1]])), given=seed(1, 5), zero=rational(weight([[0, 0]]))
    )
    (full,) = minors(case, lifted(1))
    none = kernel(lifted(1, "zero"), "left", (0, [[0, 1]]), (1, [[1, 1]]))
    verified(
        case, [full, none], [generic(case, 1, lower=2), generic(case, 1, upper=0, weights="zero", by=[1])]
    )
