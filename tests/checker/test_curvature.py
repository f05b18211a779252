"""Curvature: derivatives in intervals, definite Hessians, directions of descent, and symmetries."""

from fractions import Fraction

import mpmath
import pytest
from handmade import (
    act,
    add,
    average,
    changed,
    claim,
    conv,
    dense,
    inline,
    instance,
    judged,
    network,
    pool,
    rational,
    targets,
    weight,
)
from hills import Hill, transform, within
from valleys import idle, line_fit, scaling, shift, towered
from verdicts import ask, context, rejected, verified

from exactcnn.checker.landscape.curvature import Box
from exactcnn.checker.landscape.judgments import enclosed_point

GRADIENT = judged("gradient-exact", weights="w", partial=None)
PROVED = claim("local-minimum", "proved", [0, 1], weights="w")


def definite(free, symmetries=(), Q=((1,),), precision=96):
    fields = {"free": list(free), "symmetries": list(symmetries), "transform": [list(row) for row in Q]}
    return judged("definite", weights="w", precision=precision, **fields)


def fitted(case, free):
    """A transform for the Hessian at the free parameters, by exact differences."""
    H = Hill(case).hessian()
    return transform([[H[i][j] for j in free] for i in free])


# ---- Derivatives of activations, in intervals. ----

SMOOTH = {
    "sigmoid": ("sigmoid", lambda t: 1 / (1 + mpmath.exp(-t))),
    "sigmoid2": ("sigmoid2", lambda t: 1 / (1 + mpmath.power(2, -t))),
    "tanh": ("tanh", mpmath.tanh),
    "softplus": ({"name": "softplus", "alpha": "5/3"}, lambda t: mpmath.log1p(mpmath.exp(t * 5 / 3)) * 3 / 5),
    "silu": ("silu", lambda t: t / (1 + mpmath.exp(-t))),
    "gelu": ("gelu", lambda t: t * mpmath.ncdf(t)),
    "elu": ({"name": "elu", "alpha": "7/2"}, lambda t: t if t >= 0 else mpmath.expm1(t) * 7 / 2),
    "gaussian": ("gaussian", lambda t: mpmath.exp(-t * t)),
    "arctan": ("arctan", mpmath.atan),
    "softsign": ("softsign", lambda t: t / (1 + abs(t))),
    "square": ("square", lambda t: t * t),
    "erf": ({"name": "custom", "tree": ["erf", ["/", "t", 3]]}, lambda t: mpmath.erf(t / 3)),
    "log": ({"name": "custom", "tree": ["log", ["+", 2, ["**", "t", 2]]]}, lambda t: mpmath.log(2 + t * t)),
    "sqrt": (
        {"name": "custom", "tree": ["sqrt", ["+", 1, ["exp", "t"]]]},
        lambda t: mpmath.sqrt(1 + mpmath.exp(t)),
    ),
    "power": ({"name": "custom", "tree": ["**", ["+", 2, ["abs", "t"]], -3]}, lambda t: (2 + abs(t)) ** -3),
    "quotient": (
        {"name": "custom", "tree": ["/", ["atan", "t"], ["+", "pi", ["sigmoid", "t"]]]},
        lambda t: mpmath.atan(t) / (mpmath.pi + 1 / (1 + mpmath.exp(-t))),
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_activations(name):
    """F = 2 sigma(w x + b) at x = 3, -2 over targets 1, -1: slopes and curvature by differences of mpmath."""
    activation, f = SMOOTH[name]
    net = network([1], dense(1, "unit"), act(activation), dense(1))
    given = rational(weight([[3]], [-1], denominator=7), weight([[2]]))
    case = instance(net, inline([[3], [-2]]), given, targets([[1], [-1]]))
    w = 128
    box = Box(context(case), enclosed_point(context(case), "w", w, ""), w, "")

    def phi(a, b, u):
        return ((u * f(3 * a + b) - 1) ** 2 + (u * f(-2 * a + b) + 1) ** 2) / 2

    with mpmath.workprec(600):
        at = mpmath.mpf(3) / 7, mpmath.mpf(-1) / 7, mpmath.mpf(2)
        orders = [tuple(int(n == j) for n in range(3)) for j in range(3)]
        within(box.gradient(), [mpmath.diff(phi, at, order) for order in orders], w, 2**30)
        for row, first in zip(box.hessian([0, 1, 2]), orders, strict=True):
            mixed = [tuple(map(sum, zip(first, second, strict=True))) for second in orders]
            within(row, [mpmath.diff(phi, at, order) for order in mixed], w, 2**30)


def test_wide_boxes_hold_all_derivatives():
    """The box w in 1 +- 1/8, u = 2: at points of it the derivatives lie in the enclosures."""
    net = network([1], dense(1), act("sigmoid"), pool([1]), dense(1))
    w, one = 96, 1 << 96
    case = instance(net, inline([[3]]), rational(weight([[1]]), weight([[2]])), targets([[1]]))
    box = Box(context(case), [(7 * one // 8, 9 * one // 8), (2 * one, 2 * one)], w, "")
    gradient, (row, _) = box.gradient(), box.hessian([0, 1])

    def phi(a, u):
        return (u / (1 + mpmath.exp(-3 * a)) - 1) ** 2 / 2

    with mpmath.workprec(400):
        for a in (mpmath.mpf(7) / 8, mpmath.mpf(1), mpmath.mpf(9) / 8):
            within(gradient, [mpmath.diff(phi, (a, 2), n) for n in ((1, 0), (0, 1))], w, one)
            within(row, [mpmath.diff(phi, (a, 2), n) for n in ((2, 0), (1, 1))], w, one)


# ---- Definite Hessians. ----


def test_definite():
    case = line_fit()
    good = definite([0, 1], Q=((1, 0), (0, 1)))
    sentence = verified(case, [GRADIENT, good], PROVED).claims[0]
    assert "positive definite on 2 parameters (strictly)" in sentence
    verified(case, [GRADIENT, definite([0, 1], Q=((2, 1), (0, 3)))], PROVED)
    for Q in (((1, 0), (0, 0)), ((1, 1), (1, 1)), ((0, 0), (0, 0)), ((1, 2), (0, 1))):
        rejected(case, [GRADIENT, definite([0, 1], Q=Q)], PROVED, "disc")
    for Q in (((1,),), ((1, 0),), ((1, 0, 0), (0, 1, 0), (0, 0, 1)), ((1, 0), (0,))):
        rejected(case, [GRADIENT, definite([0, 1], Q=Q)], PROVED, "integers")
    for free in ([0], [1], []):
        rejected(case, [GRADIENT, definite(free)], PROVED, "symmetries")
    for free in ([1, 0], [0, 0], [0, 2], [0, 1, 2]):
        rejected(case, [GRADIENT, definite(free, Q=((1, 0), (0, 1)))], PROVED)
    away = changed(case, "weights", "w", "nodes", 0, "b", "values", [2])
    rejected(away, [GRADIENT, good], PROVED, "not 0")
    rejected(away, good, claim("local-minimum", "undecided", weights="w"), "decide nothing")
    for precision in (15, 4097):
        assert (
            ask(case, [GRADIENT, definite([0, 1], Q=((1, 0), (0, 1)), precision=precision)], PROVED).outcome
            == "MALFORMED"
        )


def test_a_hessian_that_is_only_semidefinite():
    """Two biases that add up: singular, and no enclosure is narrow enough."""
    net = network([1], dense(1, "unit"), dense(1, "unit"))
    given = rational(weight([[1]], [0]), weight([[1]], [0]))
    case = instance(net, inline([[-1], [1]]), given, targets([[0], [0]]))
    case["targets"] = targets([[-2], [0]])
    case["weights"]["w"] = rational(weight([[1]], [0]), weight([[1]], [-1]))
    for precision in (64, 1024):
        for Q in (((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),):
            rejected(case, [GRADIENT, definite(range(4), Q=Q, precision=precision)], PROVED, "disc")


# ---- Symmetries. ----


LINEAR = ["relu", None, "identity", {"name": "leaky_relu", "slope": "1/3"}, {"name": "prelu", "slope": -2}]


@pytest.mark.parametrize("sigma", LINEAR)
def test_scaling_and_shift(sigma):
    """Parameters w, b, u, c: the scaling (w, b, -u, 0) and the shift (0, 1, 0, -u) leave two free."""
    case = towered(sigma)
    both = [scaling(1, 0), shift(1, 0)]
    for free in ([0, 3], [2, 3], [0, 1], [1, 2]):
        Q = fitted(case, free)
        verified(case, [GRADIENT, definite(free, both, Q)], PROVED)
        verified(case, [GRADIENT, definite(free, both[::-1], Q)], PROVED)
        for symmetries in ([both[0]] * 2, [both[1]] * 2, both[:1], [*both, both[0]], [], [both[0], idle(1)]):
            rejected(case, [GRADIENT, definite(free, symmetries, Q)], PROVED)
    sentence = verified(case, [GRADIENT, definite([0, 3], both, fitted(case, [0, 3]))], PROVED).claims[0]
    assert "up to 2 symmetries" in sentence
    rejected(case, [GRADIENT, definite([1, 3], both, ((1, 0), (0, 1)))], PROVED, "independent")


@pytest.mark.parametrize(
    ("symmetry", "attack"),
    [
        (scaling(1, 1), "no such filter"),
        (shift(1, 1), "no such bias"),
        (scaling(3, 0), "nothing above"),
        (shift(3, 0), "nothing above"),
        (scaling(2, 0), "an activation"),
        (shift(2, 0), "an activation"),
        (scaling(0, 0), "the input"),
        (scaling(9, 0), "no node"),
        (idle(0), "a parameter with effect"),
        (idle(4), "no parameter"),
    ],
)
def test_forged_symmetries(symmetry, attack):
    case = towered("relu")
    for free, Q in (([0, 3], fitted(case, [0, 3])), ([1, 2, 3], ((1, 0, 0), (0, 1, 0), (0, 0, 1)))):
        symmetries = [symmetry, shift(1, 0)][: 4 - len(free)]
        rejected(case, [GRADIENT, definite(free, symmetries, Q)], PROVED)


@pytest.mark.parametrize(
    "sigma", ["tanh", "sigmoid", {"name": "softplus", "alpha": 1}, "gelu", "relu6", "softsign"]
)
def test_activations_that_are_not_homogeneous(sigma):
    case = towered("relu")
    case["network"]["nodes"][1]["activation"] = act(sigma)["activation"]
    judgment = definite([0, 3], [scaling(1, 0), shift(1, 0)], ((1, 0), (0, 1)))
    rejected(case, judgment, claim("local-minimum", "undecided", weights="w"), "homogeneous")


def test_scaling_of_squares():
    """u (w x)^2: the field (w, -2 u)."""
    net = network([1], dense(1), act("square"), dense(1))
    case = instance(net, inline([[1], [2]]), rational(weight([[1]]), weight([[2]])), targets([[6], [7]]))
    for free in ([0], [1]):
        verified(case, [GRADIENT, definite(free, [scaling(1, 0)])], PROVED)
        rejected(case, [GRADIENT, definite(free, [shift(1, 0)])], PROVED, "bias")
    # sigma' = 2 t is 1 at t = 1/2, where a shift is no symmetry.
    halves = instance(
        network([1], dense(1, "unit"), act("square"), dense(1, "unit")), inline([[1]]), None, targets([[0]])
    )
    halves["weights"]["w"] = rational(weight([[0]], [1], denominator=2), weight([[1]], [0]))
    judgment = definite([0, 2, 3], [shift(1, 0)], [[int(i == j) for j in range(3)] for i in range(3)])
    rejected(halves, judgment, claim("local-minimum", "undecided", weights="w"), "slope 1")


def test_shift_needs_a_slope_that_is_1_nearby():
    """t + 30 (t^5/5 - 3 t^4/2 + 11 t^3/3 - 3 t^2) has slope 1 at 0, 1, 2, 3, but shifting a bias changes the curvature:
    the point is no minimum, as a direction shows."""
    tree = 0
    for n, c in enumerate([0, 1, -90, 110, -45, 6]):
        tree = ["+", tree, ["*", c, ["**", "t", n]]]
    net = network([1], dense(1, "unit"), act({"name": "custom", "tree": tree}), dense(1, "unit"))
    values, rest = [0, -18, -6, -24], [1, -1, -1, 1]
    goals = targets([[v - r] for v, r in zip(values, rest, strict=True)])
    case = instance(
        net, inline([[0], [1], [2], [3]]), rational(weight([[1]], [0]), weight([[1]], [0])), goals
    )
    down = judged("descent", weights="w", precision=64, vector=[-39, 1000, 0, -1000])
    free, full = [0, 2, 3], [0, 1, 2, 3]
    H = [[Fraction(0)] * 4 for _ in full]
    slopes, bends = [[x, 1, v, 1] for x, v in enumerate(values)], [-180, 60, -60, 180]
    for x, (row, r, bend) in enumerate(zip(slopes, rest, bends, strict=True)):
        second = [[bend * x * x, bend * x, x, 0], [bend * x, bend, 1, 0], [x, 1, 0, 0], [0] * 4]
        for i in full:
            for j in full:
                H[i][j] += row[i] * row[j] + r * second[i][j]
    vector = [-39, 1000, 0, -1000]
    assert sum(H[i][j] * vector[i] * vector[j] for i in full for j in full) < 0
    verified(case, [GRADIENT, down], claim("local-minimum", "refuted", [0, 1], weights="w"))
    Q = transform([[H[i][j] for j in free] for i in free])
    rejected(case, [GRADIENT, definite(free, [shift(1, 0)], Q)], PROVED, "slope 1")


def test_shifts_at_kinks_of_slope_and_below_them():
    """ReLU with an inactive sample has not slope 1 everywhere, leaky ReLU neither."""
    for sigma in ("relu", {"name": "leaky_relu", "slope": "1/3"}):
        case = towered(sigma)
        case["data"]["rows"] = [[1], [2], [-3]]
        judgment = definite([0, 3], [scaling(1, 0), shift(1, 0)], ((1, 0), (0, 1)))
        rejected(case, judgment, claim("local-minimum", "undecided", weights="w"), "slope 1")


def undecided(case, free, symmetries):
    """Is the list of symmetries accepted?  The transform is 0, so that only a disc can fail afterwards."""
    n = len(free)
    judgment = definite(free, symmetries, [[0] * n for _ in range(n)])
    return ask(case, judgment, claim("local-minimum", "undecided", weights="w"))


def accepted(case, *symmetries, fixed):
    count = len(Hill(case).vector)
    free = [j for j in range(count) if j not in fixed]
    verdict = undecided(case, free, symmetries)
    assert verdict.outcome == "REJECTED"
    return "disc" in verdict.reason


def plane(*nodes, size=(2,), entries=(), outputs=1):
    net = network(list(size), *nodes)
    width = 1
    for extent in size:
        width *= extent
    return instance(
        net, inline([[1 + n for n in range(width)]]), rational(*entries), targets([[0] * outputs])
    )


def test_who_reads_a_scaled_filter():
    """The nodes above a filter must be one activation and one affine node, whose taps read it at all patches or none."""
    first, last = weight([[1, 2], [3, 4]]), weight([[1], [1]])
    case = plane(dense(2), act("relu"), dense(1), entries=(first, last))
    assert accepted(case, scaling(1, 0), fixed=[0])
    assert accepted(case, scaling(1, 1), fixed=[5])
    assert not accepted(case, scaling(1, 1), fixed=[0])
    summed = plane(dense(2), act("relu"), add(1, 2), dense(1), entries=(first, last))
    twice = plane(dense(2), act("relu"), dense(1), dense(1, of=[2]), add(3, 4), entries=(first, last, last))
    between = plane(dense(2), act("relu"), average([1]), dense(1), entries=(first, last))
    output = plane(dense(2), act("relu"), entries=(first,), outputs=2)
    for bad in (summed, twice, between, output):
        assert not accepted(bad, scaling(1, 0), fixed=[0])
    shared = weight([[1], [2]])
    lists = plane(
        conv(2, patches=[[0], [1]]),
        act("relu"),
        conv(1, patches=[[0, 1], [2, 3]]),
        entries=(weight([[1, 2]]), shared),
        outputs=2,
    )
    assert accepted(lists, scaling(1, 0), fixed=[0])
    mixed = changed(lists, "network", "nodes", 2, "patches", [[0, 1], [3, 2]])
    assert not accepted(mixed, scaling(1, 0), fixed=[0])
    padded = changed(lists, "network", "nodes", 2, "patches", [[0, 1], [-1, 3]])
    assert accepted(padded, scaling(1, 0), fixed=[0])


def test_shared_biases_are_compensated_alike():
    """A convolution above with a bias for each filter sees the moved unit at every patch, or not at all."""
    entries = [weight([[1, 2]], [1, 1]), weight([[1], [2]], [0])]
    nodes = [
        conv(2, patches=[[0], [1]], bias="filter"),
        act("relu"),
        conv(1, patches=[[0, 1], [2, 3]], bias="filter"),
    ]
    case = plane(*nodes, entries=entries, outputs=2)
    assert accepted(case, shift(1, 0), fixed=[2])
    assert accepted(case, shift(1, 0), fixed=[6])
    crossed = changed(case, "network", "nodes", 2, "patches", [[0, 1], [3, 2]])
    assert not accepted(crossed, shift(1, 0), fixed=[2])
    partly = changed(case, "network", "nodes", 2, "patches", [[0, 1], [-1, 3]])
    assert not accepted(partly, shift(1, 0), fixed=[2])
    own = changed(
        changed(partly, "network", "nodes", 2, "bias", "unit"),
        "weights",
        "w",
        "nodes",
        1,
        "b",
        "values",
        [0, 0],
    )
    assert accepted(own, shift(1, 0), fixed=[2])
    none = changed(
        changed(case, "network", "nodes", 2, "bias", "none"), "weights", "w", "nodes", 1, "b", None
    )
    assert not accepted(none, shift(1, 0), fixed=[2])


def test_idle_parameters():
    """One input, units that are active, dead, and dead with a zero above; the dead ones' parameters are idle."""
    net = network([2], dense(3, "unit"), act("relu"), dense(1, "unit"))
    first = weight([[1, -1, 2], [3, 4, 5]], [1, -9, 1])
    case = instance(
        net, inline([[1, 0], [2, 0]]), rational(first, weight([[1], [1], [0]], [0])), targets([[0], [0]])
    )
    idles = {1, 3, 4, 5, 7, 10}  # w of the dead unit, everything on the datum 0, its bias, its weight above
    for j in range(13):
        assert accepted(case, idle(j), fixed=[j]) is (j in idles), j
    assert accepted(case, *map(idle, sorted(idles)), fixed=idles)
    assert not accepted(case, idle(1), fixed=[3])
    live = changed(case, "data", "rows", 1, [2, 9])  # now the unit is active at one sample
    for j in (1, 3, 4, 5, 7, 10):
        assert not accepted(live, idle(j), fixed=[j])
    for sigma, at in (
        ("relu6", idles),
        ({"name": "leaky_relu", "slope": "1/2"}, {3, 4, 5}),
        ("softsign", {3, 4, 5}),
    ):
        other = changed(case, "network", "nodes", 1, "activation", act(sigma)["activation"])
        assert {j for j in range(12) if accepted(other, idle(j), fixed=[j])} == at
    # Without an activation, or read by another node too, no unit stands still.
    read = instance(
        network([2], dense(3, "unit"), act("relu"), add(1, 2), dense(1, "unit")),
        case["data"],
        None,
        targets([[0], [0]]),
    )
    read["weights"] = case["weights"]
    assert {j for j in range(12) if accepted(read, idle(j), fixed=[j])} == {3, 4, 5}


def test_idle_units_of_the_output():
    """Parameters that feed the output itself are never idle, whatever stands beside it."""
    net = network([1], dense(1, "unit"), act("relu"))
    case = instance(net, inline([[1]]), rational(weight([[1]], [-3])), targets([[1]]))
    assert accepted(case, idle(0), fixed=[0])  # dead: ReLU is the output, and stands still
    assert accepted(case, idle(1), fixed=[1])
    linear = instance(
        network([1], dense(1, "unit")), inline([[0]]), rational(weight([[1]], [-3])), targets([[1]])
    )
    assert accepted(linear, idle(0), fixed=[0])  # on the datum 0
    assert not accepted(linear, idle(1), fixed=[1])


def test_kinks_and_ties_are_refused():
    for nodes, given in (
        ([dense(1), act("relu"), dense(1)], [weight([[0]]), weight([[1]])]),
        (
            [dense(2), {"kind": "maxpool-lists", "patches": [[0, 1]]}, dense(1)],
            [weight([[2, 2]]), weight([[1]])],
        ),
        ([dense(1), act("softsign"), dense(1)], [weight([[0]]), weight([[1]])]),
        ([dense(1), act("relu6"), dense(1)], [weight([[6]]), weight([[1]])]),
    ):
        case = plane(*nodes, size=(1,), entries=given)
        n = len(Hill(case).vector)
        for judgment in (
            definite(range(n), (), [[int(i == j) for j in range(n)] for i in range(n)]),
            judged("descent", weights="w", precision=64, vector=[1] * n),
        ):
            rejected(case, judgment, claim("local-minimum", "undecided", weights="w"), "kink")
