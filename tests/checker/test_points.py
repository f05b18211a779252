"""Statements about a point of the loss surface: loss, critical point, local minimum, smaller loss, membership in S."""

from fractions import Fraction

import pytest
from handmade import (
    P31,
    act,
    changed,
    claim,
    conv,
    dense,
    features,
    inline,
    instance,
    judged,
    lifted,
    ln2,
    minor,
    network,
    pool,
    rational,
    targets,
    weight,
)
from hills import Hill
from verdicts import ask, rejected, verified


def loss(value, name="w"):
    return judged("loss-exact", weights=name, value=value)


def gradient(partial=None, name="w"):
    return judged("gradient-exact", weights=name, partial=partial)


def slope(partial, name="w", precision=64):
    return judged("slope-enclosed", weights=name, precision=precision, partial=partial)


def enclosed_loss(low, high, name="w", precision=64):
    ends = [str(Fraction(low)), str(Fraction(high))]
    return judged("loss-enclosed", weights=name, precision=precision, bounds=ends)


def definite(free, symmetries=(), transform=((1,),), name="w", precision=64):
    rows = [list(row) for row in transform]
    return judged(
        "definite", weights=name, precision=precision, free=free, symmetries=list(symmetries), transform=rows
    )


def descent(vector, name="w", precision=64):
    return judged("descent", weights=name, precision=precision, vector=vector)


def minimum(verdict, by=(0,), name="w"):
    return claim("local-minimum", verdict, by, weights=name)


def bowl(w=0, ys=(1, -1)):
    """F = w at two samples: the loss ((w - 1)^2 + (w + 1)^2) / 2 = w^2 + 1."""
    case = instance(
        network([1], dense(1)), inline([[1], [1]]), rational(weight([[w]])), targets([[y] for y in ys])
    )
    case["weights"]["v"] = rational(weight([[1]], denominator=2))
    case["weights"]["logs"] = ln2(([[[0, 1]]], None))
    return case


def saddle():
    """F = u v at one sample, target 1, at u = v = 0: the loss (u v - 1)^2 / 2."""
    zero = weight([[0]])
    return instance(network([1], dense(1), dense(1)), inline([[1]]), rational(zero, zero), targets([[1]]))


def test_minima():
    case = bowl()
    facts = [gradient(), definite([0]), loss([1]), descent([1])]
    verified(case, facts[:3], minimum("proved", [0, 1]))
    verified(case, facts[:3], minimum("proved", [0, 1, 2]))
    for by, verdict in (
        ([0], "proved"),
        ([1], "proved"),
        ([2], "proved"),
        ([0, 1], "refuted"),
        ([0, 1], "undecided"),
    ):
        rejected(case, facts[:3], minimum(verdict, by))
    rejected(case, facts[:3], minimum("undecided", [0]), "decide nothing")
    rejected(case, facts, minimum("proved", [0, 1]), "negative")  # the descent is false


def test_minima_of_loss_zero():
    case = bowl(ys=(0, 0))
    verified(case, loss([]), minimum("proved"))
    positive = bowl()
    rejected(positive, loss([1]), minimum("proved"))
    # An enclosure never shows that the loss is 0.
    rejected(case, enclosed_loss(0, "1/1000"), minimum("proved"))
    rejected(case, enclosed_loss(0, 0), minimum("proved"))


def test_no_minima():
    case = bowl(w=1)
    for fact in (gradient(0), slope(0)):
        verified(case, fact, minimum("refuted"))
        verified(case, fact, claim("critical-point", "refuted", weights="w"))
        for verdict in ("proved", "undecided"):
            rejected(case, fact, minimum(verdict))
            rejected(case, fact, claim("critical-point", verdict, weights="w"))
    flat = saddle()
    verified(
        flat,
        [gradient(), descent([1, 1])],
        [claim("critical-point", "proved", weights="w"), minimum("refuted", [1])],
    )
    rejected(flat, descent([1, -1]), minimum("refuted"), "negative")
    rejected(flat, descent([1, 0]), minimum("refuted"), "negative")
    rejected(flat, descent([1]), minimum("refuted"), "integers")
    rejected(
        flat,
        [gradient(), definite([0, 1], transform=((1, 1), (1, -1)))],
        minimum("proved", [0, 1]),
        "negative",
    )


def test_points_are_those_named():
    """Attacks with facts about another set of weights."""
    case = bowl()
    facts = [gradient(), definite([0], name="v"), loss([1]), gradient(0, "v"), definite([0])]
    rejected(case, facts, minimum("proved", [0, 1]))
    rejected(case, facts, minimum("proved", [0, 4], "v"))
    rejected(case, facts, claim("loss", "proved", [2], weights="v"))
    verified(case, facts, claim("critical-point", "refuted", [3], weights="v"))
    rejected(case, facts, claim("critical-point", "refuted", [3], weights="w"))
    rejected(case, facts, claim("critical-point", "proved", [0, 4], weights="w"), "one judgment")
    rejected(case, facts, claim("loss", "proved", [2, 2], weights="w"), "one judgment")
    for verdict in ("refuted", "undecided"):
        rejected(case, facts, claim("loss", verdict, [2], weights="w"))
    rejected(case, facts, claim("critical-point-nearby", "proved", [0], weights="w"))


# ---- Enclosed slopes and losses. ----


def transcendental(w=1, y=0):
    """F = tanh(w) u at x = 1, u = 2: nothing in it is in Q[ln 2]."""
    net = network([1], dense(1), act("tanh"), dense(1))
    return instance(net, inline([[1]]), rational(weight([[w]]), weight([[2]])), targets([[y]]))


def test_slopes():
    """dPhi/du = F tanh(1) > 0, dPhi/dw = F u (1 - tanh^2) > 0, both below 0 for the target 2."""
    for y, side in ((0, "above"), (2, "below")):
        case = transcendental(y=y)
        for j in (0, 1):
            found = verified(case, slope(j), claim("critical-point", "refuted", weights="w"))
            assert f"parameter {j} at the weights w is {side} 0" in found.claims[0]
        rejected(case, slope(2), claim("critical-point", "refuted", weights="w"), "parameter below 2")
    still = transcendental(w=0)
    for precision in (16, 64, 4096):
        rejected(
            still,
            slope(0, precision=precision),
            claim("critical-point", "refuted", weights="w"),
            "contains 0",
        )
    for precision in (15, 4097):
        outcome = ask(
            still, slope(0, precision=precision), claim("critical-point", "refuted", weights="w")
        ).outcome
        assert outcome == "MALFORMED"
    kink = instance(
        network([1], dense(1), act("relu")), inline([[1]]), rational(weight([[0]])), targets([[1]])
    )
    rejected(kink, slope(0), claim("critical-point", "refuted", weights="w"), "kink")


def test_enclosed_losses():
    """2 tanh(1)^2 = 1.1600..."""
    case, claimed = transcendental(), claim("loss", "proved", weights="w")
    sentence = verified(case, enclosed_loss("116/100", "11601/10000"), claimed).claims[0]
    assert sentence == "the loss 1/2 ||F - Y||^2 at the weights w is between 1.160000 and 1.160100"
    for low, high in (("11601/10000", 2), (0, "116/100"), (2, 1)):
        rejected(case, enclosed_loss(low, high), claimed, "bounds")
    rejected(case, enclosed_loss("116004/100000", "116005/100000", precision=16), claimed, "bounds")
    relu = instance(
        network([1], dense(1), act("relu")), inline([[1]]), rational(weight([[1]])), targets([[0]])
    )
    rejected(relu, enclosed_loss(0, 1), claimed, "dense")
    logs = instance(network([1], dense(1)), inline([[1]]), ln2(([[[0, 1]]], None)), targets([[0]]))
    rejected(logs, enclosed_loss(0, 1), claimed, "rational")
    bare = {**case, "targets": None}
    rejected(bare, enclosed_loss(0, 2), claimed, "targets")


@pytest.mark.parametrize("bias", ["unit", "filter"])
def test_enclosed_losses_with_biases_and_denominators(bias):
    """F = (2/3 x - 5/7, x / 3 + 1/7) over targets in fifths; all rational, so the exact value is an end."""
    net = network([1], dense(2, bias))
    given = {"W": {"denominator": 3, "rows": [[2, 1]]}, "b": {"denominator": 7, "values": [-5, 1]}}
    case = instance(
        net,
        inline([[1], [4], [-2]], 2),
        {"kind": "rational", "nodes": [given]},
        targets([[1, 2], [3, 4], [-1, 0]], 5),
    )
    total = Fraction(0)
    for (x,), row in zip([[1], [4], [-2]], [[1, 2], [3, 4], [-1, 0]], strict=True):
        f = Fraction(2, 3) * Fraction(x, 2) - Fraction(5, 7), Fraction(x, 6) + Fraction(1, 7)
        total += sum((v - Fraction(y, 5)) ** 2 for v, y in zip(f, row, strict=True)) / 2
    tiny = Fraction(1, 2**50)
    claimed = claim("loss", "proved", weights="w")
    verified(case, loss([str(total)]), claimed)
    verified(case, enclosed_loss(str(total - tiny), str(total + tiny)), claimed)
    rejected(case, enclosed_loss(str(total + tiny), str(total + 2 * tiny)), claimed)
    rejected(case, enclosed_loss(str(total - 2 * tiny), str(total - tiny)), claimed)


# ---- Smaller loss. ----


def smaller(here, there, by=(0, 1), verdict="proved"):
    return claim("smaller-loss", verdict, by, weights=here, than=there)


def test_smaller_loss():
    """1 at w = 0, 5/4 at v = 1/2, 1 + (ln 2)^2 = 1.48 at ln 2."""
    case = bowl()
    facts = [
        loss([1]),
        loss(["5/4"], "v"),
        loss([1, 0, 1], "logs"),
        enclosed_loss("99/100", "11/10"),
        enclosed_loss("6/5", "13/10", "v"),
    ]
    for here, there, by in (("w", "v", [0, 1]), ("w", "logs", [0, 2]), ("v", "logs", [1, 2])):
        verified(case, facts, smaller(here, there, by))
        rejected(case, facts, smaller(there, here, by))
        for verdict in ("refuted", "undecided"):
            rejected(case, facts, smaller(here, there, by, verdict))
    verified(case, facts, smaller("w", "v", [3, 4]))  # 11/10 < 6/5
    verified(case, facts, smaller("w", "v", [0, 4]))
    verified(case, facts, smaller("w", "v", [3, 1]))
    verified(case, facts, smaller("v", "logs", [4, 2]))
    rejected(case, facts, smaller("v", "w", [4, 3]))
    wide = [enclosed_loss(0, 2), enclosed_loss("6/5", "13/10", "v"), loss([1])]
    rejected(case, wide, smaller("w", "v"))  # 2 is not below 6/5
    verified(case, wide, smaller("w", "v", [0, 1, 2]))  # the exact value helps
    for by in ([0], [1]):
        rejected(case, wide, smaller("w", "v", by))
    rejected(case, wide, smaller("w", "none", [0, 1]))
    rejected(case, wide, smaller("none", "w", [0, 1]), "weights")


def test_smaller_loss_than_one_that_is_zero():
    """Loss 0 against 1/4: an exact loss 0 is smaller than what is positive, and nothing is smaller than it."""
    case = bowl(ys=(0, 0))
    facts = [loss([]), loss(["1/4"], "v")]
    verified(case, facts, smaller("w", "v"))
    rejected(case, facts, smaller("v", "w", [1, 0]))


# ---- Points of S. ----


def member_case(sigma="relu", ys=(1, 0, 2)):
    """Three samples, three units of ReLU, two, one: F_2 is regular, U of the output is of full rank."""
    net = network([2], dense(3, "unit"), act(sigma), dense(2, "unit"), act("sigmoid2"), dense(1, "unit"))
    first, middle = weight([[2, 0, 2], [0, 2, 2]], [-1, -1, -3]), weight([[0, 0]] * 3, [0, 0])
    given = rational(first, middle, weight([[1], [2]], [0]))
    return instance(net, inline([[1, 0], [0, 1], [1, 1]]), given, targets([[y] for y in ys]))


RANKS = [minor(features(2), [0, 1, 2], [0, 1, 2], prime=P31), minor(lifted(5), [0], [0], prime=P31)]


def at_point(by=(0, 1, 2, 3), **change):
    fields = {
        "node": 2,
        "weights": "w",
        "v": None,
        "critical": False,
        "loss": ["11/8"],
        "flat": False,
        "failing": [],
    }
    return claim("point", "proved", by, **{**fields, **change})


def test_a_point_of_s():
    """F_5 = 3/2 everywhere, residuals 1/2, 3/2, -1/2: the loss 11/8, not critical."""
    case = member_case()
    facts = [*RANKS, loss(["11/8"]), gradient(13)]
    sentence = verified(case, facts, at_point()).claims[0]
    assert (
        "are a point in S at node 2; it is not critical, its loss is 11/8, the gradient by U of node 3 is not 0"
        in sentence
    )
    assert "Corollary 4.6 that fail, as written: none" in sentence
    for key, value in (
        ("critical", True),
        ("loss", ["11/4"]),
        ("loss", []),
        ("flat", True),
        ("flat", None),
        ("failing", ["pyramid"]),
        ("node", 1),
        ("weights", "v"),
        ("verdict", "refuted"),
        ("verdict", "undecided"),
    ):
        rejected(
            case, facts, at_point(**{key: value}) if key != "verdict" else at_point() | {"verdict": value}
        )
    for by in ([1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]):
        rejected(case, facts, at_point(by))
    rejected(case, [*RANKS, loss(["11/8"]), slope(13)], at_point(), "gradient")
    rejected(case, [*RANKS, enclosed_loss(1, 2), gradient(13)], at_point(), "loss")
    rejected(case, facts, at_point(node=5), "last layer")


def test_a_critical_point_of_s():
    """Residuals 0 in the mean, output weights 0: critical with a positive loss; sigma' has no zero, so a U must fail."""
    case = member_case(ys=(1, 2, 0))
    case["weights"]["w"]["nodes"][2] = weight([[0], [0]], [1])
    zero = judged("cover", node=5, rows=[], columns=[0])
    facts = [*RANKS, loss([1]), gradient(), zero]
    rejected(case, facts, at_point(critical=True, loss=[1], flat=True))  # U_5 = 0
    # With a custom slope that vanishes at 0 in place of it, the point lies in S.
    cube = {"name": "custom", "tree": ["**", "t", 3]}
    case = member_case(ys=(1, 2, 0))
    case["network"]["nodes"][3]["activation"] = cube
    case["weights"]["w"]["nodes"][2] = weight([[1], [2]], [1])
    facts = [*RANKS, loss([1]), gradient()]
    good = at_point(critical=True, loss=[1], flat=True, failing=["slopes-without-zeros"])
    sentence = verified(case, facts, good).claims[0]
    assert "it is critical, its loss is 1, the gradient by U of node 3 is 0" in sentence
    assert "that fail, as written (custom activations: at this point): slopes-without-zeros" in sentence
    for failing in ([], ["pyramid"], ["slopes-without-zeros", "pyramid"]):
        rejected(case, facts, good | {"failing": failing}, "failing")
    rejected(case, facts, good | {"flat": False}, "flat")


@pytest.mark.parametrize(
    ("nodes", "entries", "failing"),
    [
        ([dense(1, "unit")], [weight([[0]] * 3, [1])], []),
        ([dense(1, "unit"), act("relu")], [weight([[0]] * 3, [1])], ["linear-output"]),
        ([dense(1, "unit"), act("identity")], [weight([[0]] * 3, [1])], []),
        (
            [conv(1, patches=[[0, 1, 2]])],
            [weight([[1]] * 3)],
            ["linear-output", "dense-above", "fully-connected"],
        ),
        (
            [dense(1), act("relu"), dense(2)],
            [weight([[1]] * 3), weight([[1, 1]])],
            ["slopes-without-zeros", "pyramid"],
        ),
        ([dense(1), dense(1)], [weight([[1]] * 3), weight([[1]])], []),
        ([pool([1]), dense(1)], [weight([[1]] * 3)], ["no-pooling-above", "dense-above", "fully-connected"]),
    ],
)
def test_hypotheses_that_fail(nodes, entries, failing):
    net = network([2], dense(3, "unit"), act("relu"), *nodes)
    width = 2 if "pyramid" in failing else 1
    goals = targets([[0] * width] * 3)
    first = weight([[2, 0, 2], [0, 2, 2]], [-1, -1, -3])
    case = instance(net, inline([[1, 0], [0, 1], [1, 1]]), rational(first, *entries), goals)
    hill = Hill(case)
    value, last = str(hill.loss()), len(hill.vector) - 1
    assert hill.slope(hill.unit(last)) != 0
    facts = [RANKS[0], loss([value]), gradient(last)]
    affine = [
        n for n, node in enumerate(net["nodes"], 1) if node["kind"] in ("dense", "conv-lists") and n > 3
    ]
    facts += [minor(lifted(n), [0], [0], prime=P31) for n in affine]
    flat = None if nodes[0]["kind"] == "maxpool" else False
    good = at_point(range(len(facts)), loss=facts[1]["value"], failing=failing, flat=flat)
    verified(case, facts, good)
    for name in (
        "no-pooling-above",
        "linear-output",
        "slopes-without-zeros",
        "pyramid",
        "dense-above",
        "fully-connected",
    ):
        other = [f for f in failing if f != name] if name in failing else [*failing, name]
        rejected(case, facts, good | {"failing": other}, "failing")


# ---- Extension C. ----


def labels():
    """Targets in {(1, 0), (0, 1)}, v = (1, 1); output weights with equal columns, so that U alone is singular."""
    net = network([2], dense(3, "unit"), act("relu"), dense(2, "unit"), act("sigmoid2"), dense(2, "unit"))
    first = weight([[2, 0, 2], [0, 2, 2]], [-1, -1, -3])
    given = rational(first, weight([[0, 0]] * 3, [0, 0]), weight([[1, -1], [2, -2]], [0, 1]))
    return instance(net, inline([[1, 0], [0, 1], [1, 1]]), given, targets([[1, 0], [0, 1], [1, 0]]))


def extended(row=(1, 1)):
    of = {"matrix": "lifted-and-row", "node": 5, "weights": "w", "row": list(row)}
    return minor(of, [1, 2], [0, 1], prime=P31)


def test_extension_c():
    case = labels()  # F = (3/2, -1/2)
    facts = [RANKS[0], extended(), loss(["11/4"]), gradient(16)]
    good = at_point(v=[1, 1], loss=["11/4"])
    sentence = verified(case, facts, good).claims[0]
    assert "Y v = 1, and U of node 5 is injective on the complement of v" in sentence
    rejected(case, facts, good | {"v": None}, "in S")
    for v in ([1], [1, 1, 1], [1, 2], [2, 1], [0, 1]):
        rejected(case, facts, good | {"v": v})
    rejected(case, [RANKS[0], extended((1, -1)), *facts[2:]], good)  # singular
    rejected(case, [RANKS[0], extended((1, 2)), *facts[2:]], good, "Extension C")  # another row
    rejected(case, [RANKS[0], minor(lifted(5), [0], [0], prime=P31), *facts[2:]], good, "Extension C")
    rejected(changed(case, "targets", "rows", 0, [1, 1]), facts[:2], good)
    for key, value in (("rows", [0, 1]), ("rows", [0, 3]), ("prime", 9), ("root", 3), ("divisor", 2)):
        rejected(case, [RANKS[0], changed(facts[1], key, value), *facts[2:]], good)
    rejected(case, [RANKS[0], changed(facts[1], "of", "row", [1, 1, 0]), *facts[2:]], good, "row")
    shared = {**case, "network": changed(case["network"], "nodes", 4, "bias", "none")}
    shared["weights"] = {"w": changed(case["weights"]["w"], "nodes", 2, "b", None)}
    rejected(
        shared, [RANKS[0], extended(), loss(["27/4"]), gradient(16)], good | {"loss": ["27/4"]}, "biases"
    )
