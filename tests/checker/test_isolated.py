"""Boxes with exactly one critical point, and whether it lies in S."""

from fractions import Fraction

import mpmath
import pytest
from handmade import (
    act,
    changed,
    claim,
    dense,
    inline,
    instance,
    judged,
    ln2,
    network,
    pool,
    rational,
    targets,
    weight,
)
from hills import Hill, transform
from valleys import idle, line_fit, scaling, shift, towered
from verdicts import ask, context, rejected, verified

from exactcnn.checker.core.outcome import Rejected
from exactcnn.checker.landscape.curvature import Box
from exactcnn.checker.landscape.judgments import enclosed_point, members


def isolated(case, free, center="w", radius=None, precision=96, symmetries=(), bits=30, **change):
    """Evidence by exact differences: the inverse of the Hessian for preconditioner, its eigenvectors for transform."""
    hill = Hill(case, center)
    H = hill.hessian()
    part = [[H[i][j] for j in free] for i in free]
    with mpmath.workprec(200):
        A = mpmath.matrix([[mpmath.mpf(v.numerator) / v.denominator for v in row] for row in part])
        inverse = A**-1
        Y = [[int(mpmath.nint(inverse[i, j] * 2**bits)) for j in range(len(free))] for i in range(len(free))]
        values = list(mpmath.eigsy(A, eigvals_only=True))
    value = hill.loss()
    fields = {
        "weights": center,
        "precision": precision,
        "radius": radius or str(1 << precision - 30),
        "free": list(free),
        "symmetries": list(symmetries),
        "scale": bits,
        "preconditioner": Y,
        "transform": transform(part),
        "inertia": [sum(v > 0 for v in values), sum(v < 0 for v in values)],
        "loss": [str(value - Fraction(1, 2**20)), str(value + Fraction(1, 2**20))],
        "wide": None,
    }
    return judged("isolated", **{**fields, **change})


NEARBY = claim("critical-point-nearby", "proved", weights="w")


def near_fit():
    """The line fit with weights moved by 2^-40."""
    case = line_fit()
    moved = [2**39 + 1, 2**40 - 1]
    case["weights"]["w"] = rational(weight([[moved[0]]], [moved[1]], denominator=2**40))
    return case


def test_isolated():
    case = near_fit()
    good = isolated(case, [0, 1])
    sentence = verified(case, good, NEARBY).claims[0]
    assert "there is exactly one critical point of the loss; it is a strict local minimum" in sentence
    for verdict in ("refuted", "undecided"):
        rejected(case, good, NEARBY | {"verdict": verdict})
    low, high = good["loss"]
    for key, value, about in (
        ("radius", 1, "mapped"),  # the critical point lies outside
        ("radius", str(1 << 96 - 41), "mapped"),
        ("preconditioner", [[0, 0], [0, 0]], "mapped"),
        ("preconditioner", [[1]], "integers"),
        ("transform", [[0, 0], [0, 0]], "disc"),
        ("inertia", [1, 1], "inertia"),
        ("inertia", [2, 1], "inertia"),
        ("loss", [high, high], "loss"),
        ("loss", [low, low], "loss"),
        ("free", [0], "preconditioner"),
        ("free", [1, 0], "increasing"),
        ("scale", 29, "mapped"),
        ("precision", 39, "multiples"),
        ("weights", "v", "weights"),
        ("symmetries", [shift(1, 0)], "symmetries"),
    ):
        rejected(case, changed(good, key, value), NEARBY, about)
    for key, value in (("radius", 0), ("radius", -1), ("scale", -1), ("scale", 2**16 + 1)):
        assert ask(case, changed(good, key, value), NEARBY).outcome == "MALFORMED"
    thirds = changed(case, "weights", "w", "nodes", 0, "W", "denominator", 7)
    rejected(thirds, good, NEARBY, "multiples")
    logs = {**case, "weights": {"w": ln2(([[["1/2"]]], [[1, "1/1000000"]]))}}
    rejected(logs, good, NEARBY, "multiples")


def test_an_isolated_saddle():
    """u v against 1 at 0: the origin is a strict saddle; moved a little, the box still holds it."""
    net = network([1], dense(1), dense(1))
    case = instance(
        net,
        inline([[1]]),
        rational(weight([[1]], denominator=2**40), weight([[-1]], denominator=2**40)),
        targets([[1]]),
    )
    sentence = verified(case, isolated(case, [0, 1]), NEARBY).claims[0]
    assert "it is a strict saddle" in sentence
    with_fixed = isolated(case, [0], bits=30, preconditioner=[[0]], transform=[[1]], inertia=[0, 0])
    rejected(case, with_fixed, NEARBY)


def test_an_isolated_maximum_and_fixed_parameters():
    """u fixed at 1 by a symmetry: b shifts into c."""
    case = towered("relu")
    free, symmetries = [0, 3], [scaling(1, 0), shift(1, 0)]
    good = isolated(case, free, symmetries=symmetries)
    sentence = verified(case, good, NEARBY).claims[0]
    assert "in its 2 free parameters, the other 2 as given, exactly one critical point" in sentence
    assert "it is a local minimum" in sentence
    for wrong in ([scaling(1, 0)], [shift(1, 0)] * 2, [scaling(1, 0), idle(0)]):
        rejected(case, changed(good, "symmetries", wrong), NEARBY)
    kinky = changed(good, "radius", str(1 << 98))  # reaches a kink of the ReLU
    rejected(case, kinky, NEARBY, "kink")


def test_isolated_points_and_smaller_losses():
    """The loss in the whole small box is above that of another point, 0 here."""
    case = near_fit()
    case["weights"]["v"] = rational(weight([[1]], [1], denominator=1))
    lower = changed(case, "targets", targets([[0], [1], [2]]))  # v fits exactly
    lower["weights"]["w"] = rational(weight([[2**40 + 1]], [2**40 - 1], denominator=2**40))
    there = judged("loss-enclosed", weights="v", precision=64, bounds=["-1/1000", "1/1000"])
    smaller = claim("smaller-loss", "proved", [0, 1], weights="v", than="w")
    rejected(lower, [isolated(lower, [0, 1]), there], smaller)
    good = isolated(case, [0, 1])
    value = Hill(case, "v").loss()
    above = [str(value - Fraction(1, 100)), str(value + Fraction(1, 100))]
    other = judged("loss-enclosed", weights="v", precision=64, bounds=above)
    rejected(case, [good, other], smaller)  # v is worse than the minimum
    rejected(case, [good, other], claim("smaller-loss", "proved", [0, 1], weights="w", than="v"))
    exact = judged("loss-exact", weights="w", value=[str(Hill(case).loss())])
    verified(case, [exact, other], claim("smaller-loss", "proved", [0, 1], weights="w", than="v"))
    saddle = instance(network([1], dense(1), dense(1)), inline([[1]]), None, targets([[1]]))
    saddle["weights"] = {
        "w": rational(weight([[1]], denominator=2**40), weight([[-1]], denominator=2**40)),
        "v": rational(weight([[1]]), weight([[1]], denominator=2)),
    }
    at_v = judged("loss-exact", weights="v", value=["1/8"])
    sentence = verified(saddle, [isolated(saddle, [0, 1]), at_v], smaller).claims[0]
    assert sentence.startswith(
        "the loss at the weights v is smaller than at the critical point near the weights w"
    )


def chained(*uppers):
    """u v .. (w x)^2 at x = 1 with w = 1, all others given: loss 0, and a scaling for each pair of neighbours."""
    net = network([1], dense(1), act("square"), *[dense(1)] * len(uppers))
    case = instance(
        net, inline([[1]]), rational(weight([[1]]), *(weight([[u]]) for u in uppers)), targets([[0]])
    )
    case["targets"] = targets([[int(Hill(case).residuals()[0][0])]])
    nodes = [1, *range(3, 2 + len(uppers))]
    return case, isolated(case, [len(uppers)], symmetries=[scaling(node, 0) for node in nodes])


ONE = {"rows": [0], "columns": [0]}


def test_members_of_s():
    """F_1 = w^2 and the U from the second layer above are not 0 in the whole box."""
    case, bare = chained(2)
    good = changed(bare, "wide", {"node": 2, "parts": [ONE]})
    assert "in S at node 2 (rank F_1 = 1" in verified(case, good, NEARBY).claims[0]
    case, bare = chained(2, 3, 5)
    assert "in S" not in verified(case, bare, NEARBY).claims[0]
    for node, parts in ((2, 3), (3, 2), (4, 1)):
        verified(case, changed(bare, "wide", {"node": node, "parts": [ONE] * parts}), NEARBY)
        for wrong in (0, parts - 1, parts + 1):
            rejected(case, changed(bare, "wide", {"node": node, "parts": [ONE] * wrong}), NEARBY, "parts")
    for part in (
        {"rows": [], "columns": []},
        {"rows": [1], "columns": [0]},
        {"rows": [0, 0], "columns": [0, 0]},
    ):
        for place in range(3):
            parts = [part if n == place else ONE for n in range(3)]
            rejected(case, changed(bare, "wide", {"node": 2, "parts": parts}), NEARBY, "wide")
    for node in (0, 6):
        rejected(case, changed(bare, "wide", {"node": node, "parts": [ONE]}), NEARBY)


def test_ranks_that_are_lost_inside_the_box():
    """Regular at the centre is not enough."""
    two = network([2], dense(2, "unit"), act("square"), dense(1))
    rows = instance(
        two,
        inline([[1, 0], [0, 1]]),
        rational(weight([[1, 2], [3, 4]], [0, 1]), weight([[1], [1]])),
        targets([[0], [0]]),
    )
    n = len(Hill(rows).vector)
    box = Box(context(rows), enclosed_point(context(rows), "w", 64, ""), 64, "")
    part = {"rows": [0, 1], "columns": [0, 1]}
    assert "in S at node 2" in members(box, {"node": 2, "parts": [part]}, "")
    singular = changed(rows, "weights", "w", "nodes", 0, weight([[1, 1], [3, 3]], [0, 0]))
    flat = Box(context(singular), enclosed_point(context(singular), "w", 64, ""), 64, "")
    with pytest.raises(Rejected, match="regular"):
        members(flat, {"node": 2, "parts": [part]}, "")
    wider = Box(context(rows), [(low - (1 << 64), high + (1 << 64)) for low, high in box.values], 64, "")
    assert n == len(wider.values)
    with pytest.raises(Rejected, match="regular"):
        members(wider, {"node": 2, "parts": [part]}, "")


def test_s_is_for_chains_without_pooling_above():
    net = network([2], dense(2, "unit"), act("square"), dense(2), pool([1]), dense(1))
    given = rational(weight([[1, 2], [3, 4]], [0, 1]), weight([[1, 2], [1, 3]]), weight([[1], [1]]))
    case = instance(net, inline([[1, 0], [0, 1]]), given, targets([[0], [0]]))
    box = Box(context(case), enclosed_point(context(case), "w", 64, ""), 64, "")
    part = {"rows": [0, 1], "columns": [0, 1]}
    with pytest.raises(Rejected, match="has no U"):
        members(box, {"node": 2, "parts": [part, part, ONE]}, "")
    below = members(box, {"node": 3, "parts": [part, ONE | {"rows": [0], "columns": [0]}]}, "")
    assert "in S at node 3" in below
