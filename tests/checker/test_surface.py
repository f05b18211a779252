"""Exact loss and gradient at a point, for every kind of node, against the naive surface; numbers with ln 2."""

from fractions import Fraction

import pytest
from graphs import GRAPHS, case_of
from handmade import (
    act,
    claim,
    dense,
    inline,
    instance,
    judged,
    ln2,
    network,
    pool,
    rational,
    seed,
    targets,
    weight,
)
from hills import Hill, within
from naive import places, shapes
from verdicts import ask, context, rejected, verified

from exactcnn.checker.core.outcome import Rejected
from exactcnn.checker.landscape.curvature import Box
from exactcnn.checker.landscape.judgments import enclosed_point


def with_targets(name):
    case = case_of(GRAPHS[name])
    odd = [[2 * x + 1 for x in row] for row in case["data"]["rows"][1:4]]
    case["data"], case["weights"] = inline(odd, 4), {"w": seed(4, 9)}
    width = len(places(shapes(case["network"])[-1]))
    case["targets"] = targets([[(5 * i + 3 * c) % 7 - 3 for c in range(width)] for i in range(3)], 3)
    return case


def loss(value, name="w"):
    """Judgment and claim; a value is a list of coefficients of powers of ln 2."""
    return judged("loss-exact", weights=name, value=value), claim("loss", "proved", weights=name)


def text(value):
    return [] if value == 0 else [str(value) if Fraction(value).denominator > 1 else int(value)]


@pytest.mark.parametrize("name", GRAPHS)
def test_loss_of_every_kind_of_node(name):
    case = with_targets(name)
    value = Hill(case).loss()
    assert value > 0
    sentence = verified(case, *loss(text(value))).claims[0]
    assert sentence == f"the loss 1/2 ||F - Y||^2 at the weights w is {value}"
    rejected(case, *loss(text(value + Fraction(1, 10**9))), "value")
    rejected(case, *loss([]), "value")
    rejected(case, *loss([*text(value), 1]), "value")


def gradient(partial=None, name="w"):
    verdict = "proved" if partial is None else "refuted"
    return judged("gradient-exact", weights=name, partial=partial), claim(
        "critical-point", verdict, weights=name
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_gradient_of_every_kind_of_node(name):
    """The partial derivatives that the checker prints are those of differences, which are exact."""
    case = with_targets(name)
    hill = Hill(case)
    if not hill.vector:
        rejected(case, *gradient())  # of no parameters nothing is critical
        return
    n = len(hill.vector)
    smooth = [j for j in {0, 1, n // 3, n // 2, n - 2, n - 1} if hill.local(hill.unit(j))]
    assert smooth
    for j in smooth:
        slope = hill.slope(hill.unit(j))
        if slope:
            sentence = verified(case, *gradient(j)).claims[0]
            assert (
                sentence
                == f"the partial derivative of the loss by parameter {j} at the weights w is {slope}, not 0"
            )
        else:
            rejected(case, *gradient(j), "0, or none")
    rejected(case, *gradient(), "is not 0")
    rejected(case, *gradient(len(hill.vector)), "none")
    judgment, claimed = gradient(next(j for j in smooth if hill.slope(hill.unit(j))))
    for verdict in ("proved", "undecided"):
        rejected(case, judgment, claimed | {"verdict": verdict})


@pytest.mark.parametrize("name", GRAPHS)
def test_enclosed_derivatives_of_every_kind_of_node(name):
    """Slope and curvature along some directions."""
    case, w = with_targets(name), 96
    hill = Hill(case)
    n = len(hill.vector)
    if not n:
        with pytest.raises(Rejected, match="0 parameters"):
            Box(context(case), [], w, "")
        return
    directions = [[(3 * j * j + 5 * s * j + s) % 7 - 3 for j in range(n)] for s in range(4)]
    assert all(map(hill.local, directions))
    box = Box(context(case), enclosed_point(context(case), "w", w, ""), w, "")
    gradient = box.gradient()
    for v in directions:
        bent = box.curvature([(c << w, c << w) for c in v])
        for found, exact in ((gradient, hill.slope(v)), (bent, hill.bend(v))):
            ends = [sorted((c * low, c * high)) for c, (low, high) in zip(v, found, strict=True)]
            within([tuple(map(sum, zip((0, 0), *ends, strict=True)))], [exact], w, 2**24)


# ---- Numbers c_0 + c_1 ln 2 + .. ----


def single(activation, w, y=0, x=1, b=None):
    """F = sigma(w x + b) at one sample, w and b lists of coefficients."""
    net = network([1], dense(1, "none" if b is None else "unit"), act(activation))
    return instance(net, inline([[x]]), ln2(([[w]], None if b is None else [b])), targets([[y]]))


@pytest.mark.parametrize(
    ("activation", "w", "half_square"),
    [
        ("identity", [0, 1], [0, 0, "1/2"]),
        ("identity", [1, 1], ["1/2", 1, "1/2"]),
        ("square", [0, 1], [0, 0, 0, 0, "1/2"]),
        ("relu", ["-7/10", 1], []),  # ln 2 < 7/10
        ("relu", ["-69/100", 1], ["4761/20000", "-69/100", "1/2"]),
        ("relu", ["-390207173010335/562949953421312", 1], []),  # a multiple of 2^-49 just above ln 2
        ({"name": "leaky_relu", "slope": "1/2"}, ["-7/10", 1], ["49/800", "-7/40", "1/8"]),
        ({"name": "hardtanh", "low": "-1/2", "high": 2}, [0, -1], ["1/8"]),
        ("relu6", [0, 9], [18]),
        ("sigmoid2", [1], ["2/9"]),
        ("sigmoid2", [-1], ["1/18"]),
        ("sigmoid", [0, 2], ["8/25"]),
        ("sigmoid", [], ["1/8"]),
        ("tanh", [0, "1/2"], ["1/18"]),
        ("tanh", [0, "-1/2"], ["1/18"]),
        ("silu", [0, 1], [0, 0, "2/9"]),
        ({"name": "elu", "alpha": "1/3"}, [0, -1], ["1/72"]),
        ({"name": "elu", "alpha": "1/3"}, [5], ["25/2"]),
        ("gaussian", [], ["1/2"]),
        ("softsign", [-3], ["9/32"]),
        ("arctan", [], []),
        ({"name": "custom", "tree": ["exp", "t"]}, [0, 3], [32]),
        ({"name": "custom", "tree": ["log", "t"]}, ["1/8"], [0, 0, "9/2"]),
        ({"name": "custom", "tree": ["sqrt", "t"]}, ["9/4"], ["9/8"]),
        ({"name": "custom", "tree": ["**", ["+", "t", 1], -2]}, [1], ["1/32"]),
        ({"name": "custom", "tree": ["/", "t", ["*", 2, "t"]]}, [3], ["1/8"]),
        (
            {"name": "custom", "tree": ["abs", ["+", "t", ["*", -1, ["**", "t", 2]]]]},
            [0, 1],
            [0, 0, "1/2", -1, "1/2"],
        ),
    ],
)
def test_values_in_powers_of_ln2(activation, w, half_square):
    case = single(activation, w)
    verdict = verified(case, *loss(half_square))
    assert any("transcendental" in x for x in verdict.assumptions)
    rejected(case, *loss([*half_square[:-1], "12/7"]), "value")


@pytest.mark.parametrize(
    ("activation", "w"),
    [
        ("sigmoid", [1]),
        ("sigmoid", [1, 1]),
        ("sigmoid", [0, "1/2"]),
        ("sigmoid", [0, 10_001]),
        ("tanh", [0, "1/3"]),
        ("sigmoid2", ["1/2"]),
        ("sigmoid2", [0, 1]),
        ("gelu", [1]),
        ("gelu", []),  # by its formula, which has a root of 2
        ("gaussian", [1]),
        ("arctan", [1]),
        ({"name": "softplus", "alpha": 1}, [0, 1]),
        ({"name": "softplus", "alpha": 1}, []),
        ({"name": "custom", "tree": ["log", "t"]}, [3]),
        ({"name": "custom", "tree": ["log", "t"]}, []),
        ({"name": "custom", "tree": ["log", "t"]}, [-2]),
        ({"name": "custom", "tree": ["sqrt", "t"]}, [2]),
        ({"name": "custom", "tree": ["sqrt", "t"]}, [-4]),
        ({"name": "custom", "tree": ["sqrt", "t"]}, [0, 1]),
        ({"name": "custom", "tree": ["/", 1, "t"]}, []),
        ({"name": "custom", "tree": ["/", 1, "t"]}, [0, 1]),
        ({"name": "custom", "tree": ["*", "pi", "t"]}, [1]),
        ({"name": "custom", "tree": ["sin", "t"]}, []),
    ],
)
def test_values_that_are_not_known(activation, w):
    for value in ([], [1], [0, 1]):
        rejected(single(activation, w), *loss(value))


def test_numbers_that_are_too_large():
    """Nothing is ever rounded: more than 32 terms or 2^14 bits are refused."""
    deep = [act("square") for _ in range(24)]
    net = network([1], dense(1), *deep)
    for w in ([3], [0, 1], ["1/3"]):
        case = instance(net, inline([[1]]), ln2(([[w]], None)), targets([[0]]))
        assert ask(case, *loss([1])).outcome == "NOT CHECKED"
    long = single("identity", [0] * 15 + [1])
    verified(long, *loss([0] * 30 + ["1/2"]))
    too_long = single("identity", [0] * 16 + [1])
    assert ask(too_long, *loss([0] * 31 + ["1/2"])).outcome == "NOT CHECKED"


# ---- Kinks. ----


def test_kinks_that_the_loss_feels():
    """ReLU at 0: the value is known, the gradient is not, unless nothing comes down from above."""
    for y, check in ((1, rejected), (0, verified)):
        case = single("relu", [1], y=y, x=0)
        verified(case, *loss(["1/2"] if y else []))
        check(case, *gradient(), *(["kink"] if y else []))
    rejected(single("relu", [], y=1), *gradient(0), "kink")
    for name, at in (("relu6", 6), ("softsign", 0), ({"name": "hardtanh", "low": -1, "high": 1}, -1)):
        rejected(single(name, [at] if at else [], y=9), *gradient(), "kink")
    rejected(single({"name": "custom", "tree": ["abs", "t"]}, [], y=1), *gradient(), "kink")


def test_maxima_that_are_taken_twice():
    """A tie is a kink, unless all that is tied stands still: data, or units where a polygon is flat."""
    moving = network([1], dense(2), pool_lists([0, 1]), dense(1))
    case = instance(moving, inline([[1]]), rational(weight([[2, 2]]), weight([[1]])), targets([[3]]))
    verified(case, *loss(["1/2"]))
    rejected(case, *gradient(), "kink")
    apart = instance(moving, inline([[1]]), rational(weight([[2, 1]]), weight([[1]])), targets([[3]]))
    sentence = verified(apart, *gradient(0)).claims[0]
    assert "parameter 0 at the weights w is -1, not 0" in sentence
    rejected(apart, *gradient(1), "0, or none")
    still = network([1], dense(2, "unit"), act("relu"), pool_lists([0, 1]), dense(1, "unit"))
    weights = rational(weight([[1, 1]], [-5, -6]), weight([[7]], [0]))
    dead = instance(still, inline([[1]]), weights, targets([[3]]))
    verified(dead, *gradient(5))
    for j in range(5):
        rejected(dead, *gradient(j), "0, or none")
    data = instance(
        network([2], pool([2]), dense(1)), inline([[4, 4]]), rational(weight([[1]])), targets([[3]])
    )
    assert "parameter 0 at the weights w is 4, not 0" in verified(data, *gradient(0)).claims[0]


def pool_lists(*patches):
    return {"kind": "maxpool-lists", "patches": [list(patch) for patch in patches]}


def test_missing_targets_samples_and_weights():
    case = single("identity", [1], y=1)
    verified(case, *loss([]))
    for part, about in (("targets", "targets"), ("data", None), ("weights", None)):
        broken = {**case, part: None if part != "weights" else {}}
        if part == "data":
            broken["targets"] = targets([])
        rejected(broken, *loss([]), about or part)
    rejected(case, *loss([], "v"), "weights")
    half = instance(
        network([1], dense(1), dense(1)), inline([[1]]), rational(weight([[1]]), None), targets([[0]])
    )
    rejected(half, *loss([]), "weights")
    for rows in ([], [[1], [1]], [[1, 1]], [[]]):
        assert ask({**case, "targets": targets(rows)}, *loss([])).outcome == "MALFORMED"
