"""Points at kinks of ReLUs: planted minima, descents checked by exact evaluation, and brute force around the point."""

from fractions import Fraction

import pytest

import exactcnn
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Kink, Surface, flatten, point_of
from exactcnn.landscape.domains import ExactDomain, ln_two
from exactcnn.landscape.kinks import kink_test, kinks_of
from exactcnn.statements import decide
from tests.statements.instances import certified, given, network, outcome, put, rng

DENSE = {"kind": "dense"}


def loss_at(inst, values):
    """Phi at rational parameters (w, b of one ReLU unit; v, c), written out by hand."""
    w, b, v, c = values
    total = Fraction(0)
    for (x,), (y,) in zip(inst.samples.x.to_fractions(), inst.samples.targets.to_fractions(), strict=True):
        total += (v * max(w * x + b, Fraction(0)) + c - y) ** 2
    return total / 2


def left_kernel(rows):
    """Rational vectors R with R^T A = 0, by SymPy."""
    import sympy

    A = sympy.Matrix(
        [[sympy.Rational(v.numerator, v.denominator) for v in map(Fraction, row)] for row in rows]
    )
    return [[Fraction(int(v.p), int(v.q)) for v in R] for R in A.T.nullspace()]


def planted(share, scale=Fraction(1, 50)):
    """w = 1, b = 0, v = 2, c = 1 at x = -1, 0 (kink), 1, 2, 3.

    The gradient with slope ``share`` at the kink is 0 and the residual there is positive: 0 lies between the one-sided
    gradients for 0 < share < 1.
    """
    X = [-1, 0, 1, 2, 3]
    rows = [[0, 0, 0, 1], [0, 2 * share, 0, 1]] + [[2 * x, 2, x, 1] for x in X[2:]]
    R = next(k for k in left_kernel(rows) if k[1] != 0)
    R = [v * scale / R[1] for v in R]
    outputs = [1, 1, 3, 5, 7]
    net = network([1], {**DENSE, "units": 1, "activation": "relu"}, {**DENSE, "units": 1})
    samples = exactcnn.samples([[x] for x in X], [[o - r] for o, r in zip(outputs, R, strict=True)])
    return Instance(net, samples, given(net, ([[1]], [0]), ([[2]], [1])))


POINT = [Fraction(1), Fraction(0), Fraction(2), Fraction(1)]


def smaller_nearby(inst, seed=0):
    """Exact brute force: is there a random nearby point of smaller loss?"""
    r = rng(seed)
    base = loss_at(inst, POINT)
    for _ in range(4000):
        d = [Fraction(r.randint(-1000, 1000), 1000) for _ in POINT]
        step = Fraction(1, 10 ** r.randint(3, 6))
        if loss_at(inst, [p + step * v for p, v in zip(POINT, d, strict=True)]) < base:
            return True
    return False


@pytest.mark.parametrize("share", [Fraction(1, 2), Fraction(1, 10), Fraction(9, 10)])
def test_minima_at_a_kink(share):
    """The gradient exists on no side, is 0 on none, and yet the point is a minimum (one scaling symmetry)."""
    inst = planted(share)
    found = kink_test(inst)
    assert found.minimum
    assert found.pieces == 2
    assert [field.kind for field in found.gauge.symmetries] == ["scaling"]
    assert not smaller_nearby(inst)
    (finding,) = decide("local-minimum", inst, None)
    assert finding.verdict == "proved"
    assert decide("critical-point", inst, None)[0].verdict == "undecided"


@pytest.mark.parametrize("share", [Fraction(-1, 4), Fraction(5, 4), Fraction(3)])
def test_descents_at_a_kink(share):
    """A multiplier outside [0, 1]: one of the pieces descends."""
    inst = planted(share)
    found = kink_test(inst)
    assert not found.minimum
    assert smaller_nearby(inst)
    assert decide("local-minimum", inst, None)[0].verdict == "refuted"


@pytest.mark.parametrize("share", [Fraction(0), Fraction(1)])
def test_flat_across_the_kink_is_undecided(share):
    with pytest.raises(UndecidedError, match="flat"):
        kink_test(planted(share))


def test_negative_residual_is_no_minimum():
    """A concave kink: both pieces descend."""
    inst = planted(Fraction(1, 2), Fraction(-1, 50))
    assert not kink_test(inst).minimum
    assert smaller_nearby(inst)


def test_one_affine_unit_is_minimal_at_any_residual():
    """Up to the scaling, Phi is convex on each piece: v w, v b, c are its parameters."""
    inst = planted(Fraction(1, 2), Fraction(200))
    assert kink_test(inst).minimum
    assert not smaller_nearby(inst, 3)


def curved(scale):
    """A square unit above the ReLU unit: the gradient with slope 1/2 at the kink is 0, residual ``scale``."""
    net = network([1], {**DENSE, "units": 1, "activation": "relu"}, {**DENSE, "units": 1, "activation": "square"},
                  {**DENSE, "units": 1})  # fmt: skip
    weights = given(net, ([[1]], [0]), ([[1]], [1]), ([[1]], [0]))
    X = [[-1], [0], [1], [2], [3], [5]]
    blank = Instance(net, exactcnn.samples(X, [[0]] * 6), weights)
    pieces = [
        Surface(blank, ExactDomain(), point_of(blank, ExactDomain()), sides={Kink(1, 1, 0): side})
        for side in (1, -1)
    ]
    rows = []
    for i in range(6):
        right, left = (piece.unit_gradient(Kink(3, i, 0)) for piece in pieces)
        rows.append([sum(v.coefficients[:1], Fraction(0)) for v in right + left])
    R = next(k for k in left_kernel(rows) if k[1] != 0)
    outputs = [sum(row[0].coefficients[:1], Fraction(0)) for row in pieces[0].F[3]]
    targets = [[o - r * scale / R[1]] for o, r in zip(outputs, R, strict=True)]
    return Instance(net, exactcnn.samples(X, targets), weights)


@pytest.mark.parametrize("scale", [Fraction(1, 100), Fraction(5), Fraction(500)])
def test_minima_under_a_square_unit(scale):
    """All residuals this kernel offers bend the faces upwards; brute force along random lines agrees."""
    inst = curved(scale)
    assert kink_test(inst).minimum
    r = rng(2)
    base = Surface(inst, ExactDomain(), point_of(inst, ExactDomain()))
    flat, low = flatten(base.point), base.loss
    for _ in range(60):
        values = flat.copy()
        for j in range(len(values)):
            values[j] = values[j] + ln_two(Fraction(r.randint(-1000, 1000), 10**8))
        assert (Surface(inst, ExactDomain(), base.unflatten(values)).loss - low).sign() >= 0


def test_negative_curvature_along_the_face():
    """Two units, one at a kink; the other's weight w_2 = 0 with v_2 = 0 is a saddle that the kink does not feel."""
    net = network([1], {**DENSE, "units": 2, "activation": "relu"}, {**DENSE, "units": 1})
    X = [[-1], [0], [1], [2], [3]]
    inst = planted(Fraction(1, 2))
    weights = given(net, ([[1, 0]], [0, 1]), ([[2], [0]], [1]))
    wide = Instance(net, exactcnn.samples(X, inst.samples.targets.to_fractions()), weights)
    found = kink_test(wide)
    assert not found.minimum
    assert "face" in found.reason


@pytest.mark.parametrize("seed", range(25))
def test_random_points_with_kinks(seed):
    """Decided points agree with exact brute force: minima have no smaller neighbour, others do."""
    r = rng(seed)
    inst = planted(Fraction(1, 2))
    targets = [[Fraction(r.randint(-8, 12), r.choice([1, 2]))] for _ in range(5)]
    inst = Instance(inst.network, exactcnn.samples([[-1], [0], [1], [2], [3]], targets), inst.weights)
    try:
        found = kink_test(inst)
    except UndecidedError:
        return
    assert found.minimum != smaller_nearby(inst, seed)


def test_gradient_of_a_pre_activation():
    """Against exact differences along each parameter: linear in layer 1, bilinear in layer 2."""
    relu = {**DENSE, "units": 2, "activation": "relu"}
    net = network([2], relu, relu, {**DENSE, "units": 1})
    samples = exactcnn.samples([[1, 2], [3, -1]], [[0], [1]])
    weights = given(net, ([[1, 2], [3, -1]], [1, 9]), ([[1, -2], [2, 1]], [0, 3]), ([[1], [1]], [0]))
    inst = Instance(net, samples, weights)
    surface = Surface(inst, ExactDomain(), point_of(inst, ExactDomain()))
    assert not kinks_of(surface)
    flat = flatten(surface.point)
    for kink in (Kink(1, 1, 0), Kink(2, 0, 1), Kink(2, 1, 0)):
        gradient = surface.unit_gradient(kink)
        for j in range(len(flat)):
            moved = []
            for step in (1, -1):
                values = flat.copy()
                values[j] = values[j] + ln_two(Fraction(step, 1000))
                moved.append(
                    Surface(inst, ExactDomain(), surface.unflatten(values)).G[kink.layer][
                        kink.sample, kink.unit
                    ]
                )
            assert (moved[0] - moved[1]) * ln_two(500) == gradient[j]


def test_what_the_test_refuses():
    many = network([1], {**DENSE, "units": 12, "activation": "relu"}, {**DENSE, "units": 1})
    zeros = Instance(
        many, exactcnn.samples([[1]], [[1]]), given(many, ([[0] * 12], [0] * 12), ([[1]] * 12, [0]))
    )
    assert "12 units" in _outcome(zeros)
    net = network([1], {**DENSE, "units": 1, "activation": "relu"}, {**DENSE, "units": 1})
    twice = Instance(
        net, exactcnn.samples([[0], [0], [1]], [[1], [1], [5]]), given(net, ([[1]], [0]), ([[1]], [0]))
    )
    assert "dependent" in _outcome(twice)


def _outcome(inst):
    try:
        return kink_test(inst).minimum
    except UndecidedError as error:
        return str(error)


@pytest.mark.parametrize("bias", [-5, 5])
def test_ties_of_inactive_units_have_slope_0(bias):
    """Two equal pixels in one pool: off, the maximum is 0 nearby; on, a real kink, which the output bias does not move."""
    net = network([2], {"kind": "conv", "filters": 1, "kernel": 1, "activation": "relu", "bias": "unit"},
                  {"kind": "maxpool", "kernel": 2}, {**DENSE, "units": 1})  # fmt: skip
    inst = Instance(
        net, exactcnn.samples([[1, 1]], [[3]]), given(net, ([[1]], [bias, bias]), None, ([[2]], [1]))
    )
    (finding,) = decide("critical-point", inst, None)
    assert finding.verdict == "refuted"  # by the output's own parameters
    certified(inst, finding)
    if bias == 5:
        goal = Instance(
            net, exactcnn.samples([[1, 1]], [[13]]), given(net, ([[1]], [5, 5]), None, ([[2]], [1]))
        )
        assert decide("critical-point", goal, None)[0].verdict == "proved"  # zero loss feels no kink
        return
    at_rest = Instance(net, inst.samples, given(net, ([[1]], [bias, bias]), None, ([[2]], [3])))
    wrong = Instance(net, exactcnn.samples([[1, 1]], [[4]]), at_rest.weights)
    for here, expected in ((at_rest, "proved"), (wrong, "refuted")):
        (finding,) = decide("critical-point", here, None)
        assert finding.verdict == expected
        certificate = certified(here, finding)
        for entry in range(2):  # a unit that is on breaks no tie; two of them do
            assert outcome(certificate, lambda c, entry=entry: put(c, "given", 0, "b", entry, [5])) == (
                "VERIFIED" if expected == "refuted" else "REJECTED"
            )

        def both(c):
            put(c, "given", 0, "b", 0, [5])
            put(c, "given", 0, "b", 1, [5])

        # The partial derivative by the output bias is above the tie, and still not 0.
        assert outcome(certificate, both) == ("VERIFIED" if expected == "refuted" else "REJECTED")
