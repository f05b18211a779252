"""Three certificates with many kinds of fields, small, that are verified; to be attacked field by field."""

import copy
from functools import cache

import mpmath
from handmade import (
    RELU,
    act,
    claim,
    conv,
    count,
    dense,
    enclosed,
    features,
    generic,
    inline,
    instance,
    judged,
    kernel,
    lifted,
    minor,
    network,
    order,
    pool,
    rank,
    rational,
    seal,
    seed,
    targets,
    weight,
)
from hills import Hill, transform
from naive import Reading, drawn, solved_over_reals


def good():
    """A conv layer with pooling above: ranks, hypotheses, no weights above."""
    net = network(
        [1, 3],
        conv(2, kernel=[2], bias="unit"),
        act({"name": "elu", "alpha": "1/2"}),
        pool([1]),
        dense(2, "filter"),
    )
    case = instance(
        net,
        inline([[1, 0, 0], [0, 0, 1]], denominator=2),
        rational(weight([[1, 2], [3, 4]], [0, 1, 2, 3], denominator=2), None),
        other=seed(3, 61),
    )
    judgments = [
        minor(features(2), [0], [0], root=2),
        count(2, "restriction", [0, 1]),
        minor(lifted(1, "other"), [0], [0]),
        judged("cover", node=1, rows=[0, 1, 2], columns=[]),
        judged("growth", activation=RELU),
        judged("patches-differ", collision={"samples": [0, 1], "patches": [1, 0]}),
        judged("structure", node=1, uncovered=[], equal=[]),
        judged("clauses"),
    ]
    claims = [
        rank(case, 2, lower=1, upper=2, by=[0, 1]),
        rank(case, 2, lower=1, by=[0]),
        generic(case, 1, lower=1, by=[2]),
        generic(case, 1, upper=3, statement="assumption-2.4", by=[3]),
        claim("assumption-3.2", "proved", [4], activation=RELU),
        claim("assumption-3.1", "refuted", [5]),
        claim("structure", "proved", [6], node=1),
        claim("assumption-4.1", "refuted", [7], failing=[["no-pooling", "hidden-3.2"]] * 2),
    ]
    return seal(case, judgments, claims)


ROWS = [[1, 0, 2], [0, 1, 1]]


def ranks():
    """conv, sigmoid2, dense, ReLU, dense: everything on ranks, hypotheses and S, zero loss nearby."""
    return copy.deepcopy(_ranks())


@cache
def _ranks():
    net = network(
        [3],
        conv(2, kernel=[2], bias="unit"),
        act("sigmoid2"),
        dense(2, "unit"),
        act("relu"),
        dense(1, "unit"),
    )
    first, middle = weight([[1, 0], [0, 1]], [0] * 4), weight([[1, 0], [0, 1], [0, 0], [0, 0]], [1, 1])
    given = rational(first, middle, weight([[1], [1]], [0]))
    case = instance(net, inline(ROWS), given, targets([[3], [3]]), ones={"kind": "identity"})
    with mpmath.workprec(400):
        reading = Reading(case, real=True)
        F = reading.values(4)
        rest = [3 - row[0] for row in reading.values(5)]
        x = mpmath.lu_solve(mpmath.matrix(F), mpmath.matrix(rest))
        change = [[str(int(mpmath.nint(v * 2**60)))] for v in x]
    sigma = solved_over_reals(case, enclosed(features(4), [0, 1], [0, 1], 128), F)
    variables = [[0, 1, 1], [1, -1, 0], [2, 1, 3], [3, -1, 2]]
    entries = [[column, [[sign, [[variable, 1]]]]] for column, sign, variable in variables]
    judgments = [
        minor(features(1), [0, 1], [0, 1]),
        enclosed(features(2), [0, 1], [0, 1]),
        enclosed(features(4), [0, 1], [0, 1]),
        sigma,
        minor(lifted(1, "ones"), [0, 1, 2], [0, 1, 3]),
        minor(lifted(5), [0], [0]),
        minor(lifted(3), [0, 1], [0, 1]),
        kernel(lifted(5), "left", (0, [[0, 1], [1, -1]])),
        judged("polynomial-kernel", node=1, side="right", vectors=[{"pivot": 0, "entries": entries}]),
        judged("cover", node=1, rows=[0, 1, 2], columns=[]),
        judged("determinantal", node=1),
        count(4, "width"),
        order(2, [1, 0], [0, 3], seed=_seed(), bits=4),
        judged("general-position", node=2),
        judged("generic-data", node=2, samples=2),
        judged("dead", node=4, dead=4),
        judged("patches-differ", collision=None),
        judged("growth", activation={"name": "softplus", "alpha": "2/3"}),
        judged("structure", node=1, uncovered=[], equal=[]),
        judged("clauses"),
        judged("loss-exact", weights="w", value=["1/36"]),
        judged("gradient-exact", weights="w", partial=20),
        judged("correction", weights="w", precision=96, change={"denominator": str(2**60), "rows": change}),
        judged("loss-enclosed", weights="w", precision=64, bounds=["1/40", "1/30"]),
    ]
    point = {"v": None, "critical": False, "loss": ["1/36"], "flat": False}
    failing = ["slopes-without-zeros", "fully-connected"]
    claims = [
        rank(case, 1, lower=2, by=[0]),
        rank(case, 2, lower=2, by=[1]),
        generic(case, 5, lower=1, weights="w", by=[5, 7]),
        generic(case, 1, lower=3, by=[4, 8, 9, 10]),
        generic(case, 1, lower=3, statement="assumption-2.4", by=[4]),
        claim("assumption-3.1", "proved", [16]),
        claim("assumption-3.2", "proved", [17], activation={"name": "softplus", "alpha": "2/3"}),
        claim("structure", "proved", [18], node=1),
        claim("assumption-4.1", "proved", [19], failing=[["monotone"], []]),
        claim("extension-b", "proved", [14], node=2, samples=2),
        claim("theorem-3.5", "proved", [12], node=2),
        claim("extension-a", "proved", [13], node=2),
        claim("theorem-3.5", "refuted", [15], node=4),
        claim("theorem-3.4", "proved", [13, 4], node=2, weights=None),
        claim("lemma-4.2", "proved", [12], node=2),
        claim("s-k", "proved", [1, 5], node=2, weights="w"),
        claim("corollary-3.6", "proved", [2, 11], node=4, weights="w"),
        claim("zero-loss-nearby", "proved", [3, 22, 23], node=4, weights="w", distance=1),
        claim("point", "proved", [1, 5, 20, 21], node=2, weights="w", failing=failing, **point),
    ]
    return seal(case, judgments, claims)


def no_valleys():
    """A linear output on features of full rank almost everywhere."""
    net = network([1], dense(2, "unit"), act("sigmoid"), dense(1))
    claims = [claim("no-bad-valley", "proved", node=2)]
    return seal(instance(net, inline([[1], [2]])), [judged("general-position", node=2)], claims)


def _seed():
    """One with which sample 0 is above sample 1 at unit 3."""
    for number in range(100):
        a = drawn(number, 4, 0, "", 4, "peeling")
        if 0 * a[1] + 2 * a[3] > 1 * a[1] + 1 * a[3]:
            return number
    raise ValueError("none below 100")


def points():
    """u relu(w x + b) + c: minima, saddles, boxes, symmetries, smaller losses."""
    return copy.deepcopy(_points())


@cache
def _points():
    net = network([1], dense(1, "unit"), act("relu"), dense(1, "unit"))
    low = rational(weight([[2]], [1]), weight([[1]], [0]))
    away = rational(weight([[2]], [1]), weight([[0]], [0]))
    case = instance(net, inline([[1], [2], [3]]), low, targets([[11], [22], [27]], 4), v=away)
    # At w: F = 3, 5, 7, residuals 1/4, -1/2, 1/4; at v: F = 0, curvature -2 * 66/4 between w and u.
    H = Hill(case).hessian()
    free, symmetries = (
        [0, 3],
        [{"kind": "scaling", "node": 1, "index": 0}, {"kind": "shift", "node": 1, "index": 0}],
    )
    Q = transform([[H[i][j] for j in free] for i in free], 12)
    det = H[0][0] * H[3][3] - H[0][3] ** 2
    inverse = [[H[3][3] / det, -H[0][3] / det], [-H[0][3] / det, H[0][0] / det]]
    box = {"precision": 64, "radius": str(2**40), "scale": 30, "inertia": [2, 0], "wide": None}
    box |= {"preconditioner": [[int(x * 2**30) for x in row] for row in inverse], "loss": ["3/16", "7/32"]}
    shared = {"free": free, "symmetries": symmetries, "transform": Q}
    value = str(Hill(case, "v").loss())
    judgments = [
        judged("loss-exact", weights="w", value=["3/16"]),
        judged("gradient-exact", weights="w", partial=None),
        judged("definite", weights="w", precision=64, **shared),
        judged("isolated", weights="w", **box, **shared),
        judged("loss-exact", weights="v", value=[value]),
        judged("slope-enclosed", weights="v", precision=64, partial=3),
        judged("descent", weights="v", precision=64, vector=[1000, 0, 1, 0]),
        judged("loss-enclosed", weights="v", precision=64, bounds=["1", "1000"]),
    ]
    claims = [
        claim("loss", "proved", [0], weights="w"),
        claim("loss", "proved", [7], weights="v"),
        claim("critical-point", "proved", [1], weights="w"),
        claim("critical-point", "refuted", [5], weights="v"),
        claim("local-minimum", "proved", [1, 2], weights="w"),
        claim("local-minimum", "refuted", [6], weights="v"),
        claim("critical-point-nearby", "proved", [3], weights="w"),
        claim("smaller-loss", "proved", [0, 4], weights="w", than="v"),
        claim("smaller-loss", "proved", [0, 7], weights="w", than="v"),
    ]
    return seal(case, judgments, claims)
