"""The exact instances of the theory: saddles and a bad local minimum in S_k, and what the paper's statements lack."""

import random
from fractions import Fraction

import pytest

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Surface, point_of
from exactcnn.landscape.domains import ExactDomain
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide
from tests.statements.instances import (
    certified,
    conv,
    decided,
    given,
    judgment,
    network,
    outcome,
    put,
    random_rows,
    rng,
)

DENSE = {"kind": "dense"}


def saddle():
    """Theory 3.4: N = 4, 3.1 and one-hot labels, all 23 partials 0, Phi = 1, in S_1."""
    net = network([4], conv(2, "relu", kernel=2), conv(1, "sigmoid", kernel=2, stride=2),
                  {**DENSE, "units": 2})  # fmt: skip
    # Windows of two neurons of layer 1 (n_1 = 6): explicit patches, as a kernel would read two channels at once.
    net = network([4], conv(2, "relu", kernel=2), conv(1, "sigmoid", patches=[[0, 1], [2, 3], [4, 5]]),
                  {**DENSE, "units": 2})  # fmt: skip
    rows = [[-2, -2, -3, 1], [0, -2, 2, -3], [2, 2, -1, 3], [-3, -2, -1, -3]]
    weights = given(
        net,
        ([[2, -2], [2, 0]], [0, 1, -1, -1, -2, 2]),
        ([[0], [0]], [0, 0, 0]),
        ([[2, 0], [-10, 0], [0, 3]], [Fraction(9, 2), -1]),
    )
    return Instance(net, exactcnn.samples(rows, [[0, 1], [1, 0], [0, 1], [1, 0]]), weights)


def bad_minimum():
    """Theory 3.4: N = 6, values in Q(ln 2), all 18 partials 0, Phi = 225199/1312200."""
    net = network(
        [6], conv(1, "relu", kernel=1), conv(1, "sigmoid", kernel=3, stride=3), {**DENSE, "units": 2}
    )
    rows = [
        [-4, 1, 1, -9, 6, 5], [4, 7, -13, -7, 7, 2], [3, 0, -3, 0, 3, -1],
        [-2, -8, 11, -8, -6, 14], [9, 9, -17, 8, 9, -18], [-5, -5, 13, -5, -5, 12],
    ]  # fmt: skip
    Y = [["376/405", "-3277/1620"], ["1/4", "-14/9"], ["137/405", "-866/405"], ["-1/6", "-5/3"], ["-1/3", "-4/3"],
         ["-19/180", "-89/36"]]  # fmt: skip
    zero = RationalArray.from_fractions([[0], [0], [0]]), RationalArray.from_fractions([0, 0])
    first = LayerWeights(
        RationalArray.from_fractions([[1]]), RationalArray.from_fractions([20, 21, 23, 25, 28, 31])
    )
    second = LayerWeights(
        *zero, RationalArray.from_fractions([[1], [1], [1]]), RationalArray.from_fractions([-64, -84])
    )
    third = LayerWeights(
        RationalArray.from_fractions([[-1, -1], [1, -2]]), RationalArray.from_fractions([0, 0])
    )
    samples = exactcnn.samples(rows, [[Fraction(v) for v in row] for row in Y])
    return Instance(net, samples, Weights((first, second, third)))


def test_saddle_in_s_1():
    inst = saddle()
    critical = decided("critical-point", inst)
    assert (critical.verdict, critical.summary["parameters"], critical.summary["loss"]) == (
        "proved",
        23,
        ["1"],
    )
    assert decided("s-k", inst, 1).verdict == "proved"
    assert decided("assumption-3.1", inst).verdict == "proved"
    bad = decided("theorem-4.5", inst, 1)
    assert bad.verdict == "refuted"
    assert [name for name, value in bad.summary["hypotheses"].items() if not value] == ["dense-above"]
    # Theorem 4.4 speaks of the lifted gradient, which is not 0: nothing is wrong with it.
    assert decided("theorem-4.4", inst, 1).verdict == "proved"


def test_the_saddle_is_strict():
    """An exact direction along which the second derivative is negative."""
    inst = saddle()
    surface = Surface(inst, ExactDomain(), point_of(inst, ExactDomain()))
    H = surface.hessian()
    found = [(i, j) for i in range(23) for j in range(23) if H[i, i].sign() == 0 and H[i, j].sign() != 0]
    # H_ii = 0 and H_ij != 0: (t e_i + s e_j) gives 2 t s H_ij + s^2 H_jj, negative for small s and fit sign.
    assert found


def test_bad_minimum_is_critical_in_s_1():
    inst = bad_minimum()
    critical = decided("critical-point", inst)
    assert (critical.verdict, critical.summary["parameters"]) == ("proved", 18)
    assert critical.summary["loss"] == ["225199/1312200"]
    assert decided("s-k", inst, 1).verdict == "proved"
    assert decided("assumption-3.1", inst).verdict == "proved"
    assert decided("theorem-4.5", inst, 1).verdict == "refuted"


def yun(activation, W1, W2):
    """Yun, Sra, Jadbabaie, Theorem 2 setting: columns of X are the samples."""
    net = network([2], {**DENSE, "units": 2, "activation": activation, "bias": "none"},
                  {**DENSE, "units": 1, "bias": "none"})  # fmt: skip
    half = Fraction(1, 2)
    samples = exactcnn.samples([[1, 0], [0, 1], [half, half]], [[0], [0], [1]])
    return Instance(net, samples, given(net, (W1, None), ([[v] for v in W2], None)))


@pytest.mark.parametrize(
    "activation, W1, W2, loss",
    [
        ("square", [[1, 1], [1, 1]], [Fraction(1, 6)] * 2, "1/3"),
        ("square", [[1, 1], [1, -1]], [1, -1], None),
        ("sigmoid2", [[-1, -1], [-1, -1]], [Fraction(1, 2)] * 2, "1/3"),
    ],
)
def test_yun_sra_jadbabaie(activation, W1, W2, loss):
    """Critical with loss exactly 1/3, and another point with loss 0; N = 3 > n_1 = 2, so S_1 is empty."""
    inst = yun(activation, W1, W2)
    if activation == "sigmoid2":
        # At X = 1/2 the pre-activation is -1: all three samples have integer ones.
        assert [int(v) for v in inst.samples.x.to_fractions()[0]] == [1, 0]
    finding = decided("critical-point", inst)
    assert finding.verdict == "proved"
    assert finding.summary["loss"] == ([] if loss is None else [loss])
    member = decided("s-k", inst, 1)
    assert member.verdict == "refuted"
    assert "S_1 is empty, as n_1 = 2 < N = 3" in member.reason
    assert decided("theorem-4.5", inst, 1).verdict == "undecided"


def test_theorem_4_4_needs_slopes_without_zeros():
    """Theory 3.6, with t^2 for a strictly monotone function of slope 0 at 0: grad_U2 = 0, Phi > 0."""
    for activation, verdict in (("square", "refuted"), ("sigmoid2", "proved")):
        net = network([1], {**DENSE, "units": 2, "activation": "relu"}, {**DENSE, "units": 2, "activation": activation},
                      {**DENSE, "units": 2})  # fmt: skip
        weights = given(
            net, ([[1, 1]], [1, Fraction(-1, 2)]), ([[0, 0], [0, 0]], [0, 0]), ([[1, 0], [0, 1]], [0, 0])
        )
        inst = Instance(net, exactcnn.samples([[0], [1]], [[1, 0], [0, 1]]), weights)
        finding = decided("theorem-4.4", inst, 1)
        assert finding.verdict == verdict
        if verdict == "refuted":
            assert "slopes-without-zeros" in finding.reason


def random_critical_dense(seed):
    """A network with layer k+1 = 2 = L dense and linear, k = 1 wide: U_2 solved so that Phi = 0, or moved off it."""
    r = random.Random(seed)
    N, d, m = r.randint(1, 4), r.randint(1, 3), r.randint(1, 2)
    name = r.choice(["relu", "square", "leaky_relu"])
    net = network([d], {**DENSE, "units": N + r.randint(0, 2), "activation": name}, {**DENSE, "units": m})
    samples = exactcnn.samples(random_rows(r, N, d, -3, 3), random_rows(r, N, m, -3, 3))
    return r, net, samples


@pytest.mark.parametrize("block", range(10))
def test_theorem_4_5_in_random_exact_trials(block):
    """Fully connected output above a wide layer: interpolating weights are critical with Phi = 0, every other
    point of S_1 with Phi > 0 has a non-zero gradient (50 trials a block)."""
    import sympy

    trials = 0
    seed = 1000 * block
    while trials < 50:
        seed += 1
        r, net, samples = random_critical_dense(seed)
        N, n, m = samples.N, net.widths[1], net.widths[2]
        W1 = (
            [[r.randint(-3, 3) for _ in range(n)] for _ in range(net.widths[0])],
            [r.randint(-3, 3) for _ in range(n)],
        )
        start = Instance(net, samples, given(net, W1, ([[0] * m for _ in range(n)], [0] * m)))
        if decide("rank", start, 1)[0].verdict != "proved":
            continue
        trials += 1
        surface = Surface(start, ExactDomain(), point_of(start, ExactDomain()))
        F = sympy.Matrix(
            N, n, [sympy.Rational(str((v.coefficients or (Fraction(0),))[0])) for v in surface.F[1].ravel()]
        )
        Y = sympy.Matrix(samples.targets.to_fractions()).applyfunc(sympy.Rational)
        U = F.T * (F * F.T).inv() * Y
        exact = [[Fraction(int(U[i, j].p), int(U[i, j].q)) for j in range(m)] for i in range(n)]
        good = Instance(net, samples, given(net, W1, (exact, [0] * m)))
        assert decide("loss", good)[0].summary["loss"] == []
        assert decide("critical-point", good)[0].verdict in (
            "proved",
            "undecided",
        )  # undecided: never, kinks do no harm
        assert decide("theorem-4.5", good, 1)[0].verdict == "proved"
        exact[r.randrange(n)][r.randrange(m)] += r.choice([-1, 1])
        moved = Instance(net, samples, given(net, W1, (exact, [r.randint(-1, 1) for _ in range(m)])))
        if decide("loss", moved)[0].summary["loss"] != []:
            after = Surface(moved, ExactDomain(), point_of(moved, ExactDomain()))
            assert any(v.sign() for v in after.lifted_gradient(2).ravel())
            assert decide("theorem-4.5", moved, 1)[0].verdict in ("proved", "undecided")


def _forgeries():
    def partial(value):
        def change(c):
            c["claims"][0]["verdict"] = "refuted"
            judgment(c, "gradient-exact")["partial"] = value

        return change

    def loss(c):
        judgment(c, "loss-exact")["value"] = [2]

    yield "another loss", loss
    yield "a target moved", lambda c: c["instance"]["targets"]["rows"][0].__setitem__(0, 1)
    yield "a target less", lambda c: c["instance"]["targets"]["rows"].pop()
    yield "no targets", lambda c: c["instance"].update(targets=None)
    yield "a weight moved", lambda c: put(c, "given", 0, "W", (0, 0), [3])
    yield "a bias moved", lambda c: put(c, "given", 2, "b", 0, [1])
    yield "ln 2 instead of 1", lambda c: put(c, "given", 2, "W", (0, 0), [0, 1])
    yield "refuted by a zero partial", partial(0)
    yield "refuted by nothing", lambda c: c["claims"][0].update(verdict="refuted")
    yield "refuted by the loss", lambda c: c["claims"][0].update(verdict="refuted", by=c["claims"][1]["by"])
    yield "a partial out of range", partial(23)
    yield "a layer left out", lambda c: c["instance"]["weights"]["given"]["nodes"].pop()
    yield "a layer that is null", lambda c: c["instance"]["weights"]["given"]["nodes"].__setitem__(2, None)
    yield "at other weights", lambda c: c["claims"][0].update(weights="other")


@pytest.mark.parametrize("attack, change", list(_forgeries()), ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("make", [saddle, bad_minimum])
def test_forged_critical_points_are_rejected(make, attack, change):
    inst = make()
    certificate = certified(inst, *decide("critical-point", inst), *decide("loss", inst))
    # Tables of other shapes are no instance at all.
    shapes = attack in ("a target less", "a layer left out")
    assert outcome(certificate, change) == ("MALFORMED" if shapes else "REJECTED")


def test_a_non_zero_partial_is_named_and_checked():
    inst = saddle()
    moved = list(inst.weights.layers)
    moved[2] = LayerWeights(moved[2].W, RationalArray.from_fractions([4, -1]))
    other = Instance(inst.network, inst.samples, Weights(tuple(moved)))
    finding = decided("critical-point", other)
    assert finding.verdict == "refuted"
    assert finding.summary["partial"] is not None


def test_kinks_are_undecided_and_rejected():
    """A unit of ReLU exactly at 0 that the loss feels: neither prover nor checker claims a gradient."""
    net = network([1], {**DENSE, "units": 1, "activation": "relu"}, {**DENSE, "units": 1})
    inst = Instance(net, exactcnn.samples([[0]], [[5]]), given(net, ([[1]], [0]), ([[1]], [0])))
    assert (
        decided("critical-point", inst).verdict == "refuted"
    )  # by the output bias, which does not move the unit
    bare = network([1], {**DENSE, "units": 1, "activation": "relu"}, {**DENSE, "units": 1, "bias": "none"})
    still = Instance(bare, inst.samples, given(bare, ([[1]], [0]), ([[1]], None)))
    assert decided("critical-point", still).verdict == "undecided"
    smooth = Instance(net, inst.samples, given(net, ([[1]], [1]), ([[1]], [4])))
    certificate = certified(smooth, *decide("critical-point", smooth))

    def at_the_kink(c):
        put(c, "given", 0, "b", 0, [])
        put(c, "given", 1, "b", 0, [4])

    assert outcome(certificate, at_the_kink) == "REJECTED"
    assert outcome(certificate, lambda c: put(c, "given", 0, "b", 0, [])) == "REJECTED"
    assert (
        outcome(certificate, lambda c: (at_the_kink(c), c["claims"][0].update(verdict="refuted")))
        == "REJECTED"
    )

    def not_felt(c):
        """The same kink, where the loss does not feel it."""
        at_the_kink(c)
        put(c, "given", 1, "b", 0, [5])

    assert outcome(certificate, not_felt) == "VERIFIED"


def test_losses_in_balls_where_numbers_are_not_exact():
    net = network([2], {**DENSE, "units": 3, "activation": "gelu"}, {**DENSE, "units": 1})
    inst = Instance(
        net, exactcnn.samples(random_rows(rng(0), 3, 2), [[1], [2], [3]]), Weights.from_seed(net, 0, 6)
    )
    (finding,) = decide("loss", inst)
    assert (finding.verdict, finding.summary["exact"]) == ("proved", False)
    certificate = certified(inst, finding)
    assert certificate["judgments"][0]["kind"] == "loss-enclosed"
    (critical,) = decide("critical-point", inst)
    assert (critical.verdict, critical.evidence) == ("refuted", None)
