"""Lemma 4.3: enclosures against mpmath, order on hundreds of random instances, hypotheses that fail."""

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat, ctx

import exactcnn
from exactcnn.activations import Activation
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.gradient_bounds import extreme_singular_values, gradient_bounds, slope_ball
from exactcnn.network.lifting import lift
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.statements.instances import conv, given, network, random_rows, rng

SIGMA = {
    "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)),
    "softplus": lambda t: mpmath.log1p(mpmath.exp(t)),
    "tanh": mpmath.tanh,
    "identity": lambda t: t,
}
SMOOTH = ["sigmoid", "tanh", "softplus", "silu", "gelu", "gaussian", "arctan", "square", "identity",
          {"name": "softplus", "alpha": "5/2"}, {"name": "elu", "alpha": "1"},
          {"name": "custom", "expression": "t + tanh(t)"}]  # fmt: skip


def random_instance(seed, sigmas=("sigmoid", "softplus"), seeds_bits=4):
    r = rng(seed)
    depth = r.randint(2, 4)
    layers = [conv(r.randint(1, 3), r.choice(sigmas), kernel=2)]
    for _ in range(depth - 2):
        layers.append({"kind": "dense", "units": r.randint(2, 5), "activation": r.choice(sigmas)})
    layers.append({"kind": "dense", "units": r.randint(1, 2), "activation": "identity"})
    net, N = network([4], *layers), r.randint(2, 5)
    Y = [[r.randint(-3, 3) for _ in range(net.widths[-1])] for _ in range(N)]
    data = exactcnn.samples(random_rows(r, N, 4, -2, 2), Y)
    return Instance(net, data, Weights.from_seed(net, seed, seeds_bits)), r.randint(1, depth - 1)


def ends(ball):
    return [mpmath.mpf(x.mid().str(40, radius=False)) for x in (ball.lower(), ball.upper())]


def contains(ball, value, digits=25):
    slack = mpmath.mpf(10) ** -digits
    with ctx.workprec(300):
        low, high = ends(ball)
    return low * (1 - slack) - slack <= value <= high * (1 + slack) + slack


@pytest.mark.parametrize("chunk", range(10))
def test_order_on_random_instances(chunk):
    """600 instances of depth 2 to 4: the order is proved unless two sides agree or are 0."""
    proved = 0
    for seed in range(60 * chunk, 60 * chunk + 60):
        inst, k = random_instance(seed)
        found = gradient_bounds(inst, k, 128)
        assert found.ordered is not False
        proved += found.ordered is True
    assert proved >= 57


@pytest.mark.parametrize("seed", range(12))
def test_against_mpmath(seed):
    """The gradient by central differences of Phi itself, singular values by mpmath's svd, at 80 digits."""
    inst, k = random_instance(1000 + seed, ("sigmoid", "softplus", "tanh"))
    found = gradient_bounds(inst, k)
    net = inst.network
    with mpmath.workdps(80):
        X = mpmath.matrix([[mpmath.mpf(int(v)) for v in row] for row in inst.samples.x.numerators])
        Y = mpmath.matrix(inst.samples.targets.numerators.tolist())
        U, b = {}, {}
        for layer in net.layers:
            entry = inst.weights[layer.index]
            dense = lift(layer, entry.W.numerators)
            U[layer.index] = mpmath.matrix(dense.tolist()) / entry.W.denominator
            b[layer.index] = [mpmath.mpf(int(v)) / entry.b.denominator for v in entry.b.numerators]

        def forward(upto, slopes=None):
            F = X
            for layer in net.layers[:upto]:
                G = F * U[layer.index]
                name = layer.activation.name
                F = G.copy()
                for i in range(G.rows):
                    for j in range(G.cols):
                        t = G[i, j] + b[layer.index][j]
                        F[i, j] = SIGMA[name](t)
                        if slopes is not None and k < layer.index < net.depth:
                            slopes.setdefault(layer.index, []).append(abs(mpmath.diff(SIGMA[name], t)))
            return F

        def phi():
            return sum(v**2 for v in forward(net.depth) - Y) / 2

        slopes = {}
        error = mpmath.mnorm(forward(net.depth, slopes) - Y, "f")
        total, h = mpmath.mpf(0), mpmath.mpf(10) ** -25
        top = U[k + 1]
        for i in range(top.rows):
            for j in range(top.cols):
                kept = top[i, j]
                top[i, j] = kept + h
                up = phi()
                top[i, j] = kept - h
                total += ((up - phi()) / (2 * h)) ** 2
                top[i, j] = kept
        assert contains(found.gradient, mpmath.sqrt(total))
        lower = upper = error
        for A in [forward(k), *[U[j].T for j in range(k + 2, net.depth + 1)]]:
            values = list(mpmath.svd_r(A, compute_uv=False))
            upper *= max(values)
            lower *= min(values) if A.rows <= A.cols else 0
        for values in slopes.values():
            lower, upper = lower * min(values), upper * max(values)
        assert contains(found.lower, lower, 9)
        assert contains(found.upper, upper, 9)
        assert lower <= mpmath.sqrt(total) <= upper


@pytest.mark.parametrize("activation", SMOOTH, ids=str)
def test_slopes(activation):
    """sigma'(t) at points against a difference quotient of the balls of sigma, and on wide balls."""
    sigma = Activation.from_json(activation)
    with ctx.workprec(400):
        h = arb(2) ** -60
        for n in range(-9, 10):
            t = arb(n) / 3
            quotient = (sigma.ball(t + h) - sigma.ball(t - h)) / (2 * h)
            assert abs(slope_ball(sigma, t) - quotient) < arb(2) ** -50
            wide = slope_ball(sigma, arb(t.mid(), 0.25))
            assert wide.contains(slope_ball(sigma, t + arb("0.2")).mid())


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 5), (4, 3), (7, 20)])
def test_extreme_singular_values(shape):
    r = rng(7)
    A = [[r.randint(-9, 9) for _ in range(shape[1])] for _ in range(shape[0])]
    with ctx.workprec(200):
        low, high = extreme_singular_values(arb_mat(A))
    values = np.linalg.svd(np.array(A, dtype=float), compute_uv=False)
    expected = values[-1] if shape[0] <= shape[1] else 0.0
    assert float(low.lower()) - 1e-9 <= expected <= float(low.upper()) + 1e-9
    assert float(high.lower()) - 1e-9 <= values[0] <= float(high.upper()) + 1e-9
    assert float(high.rad()) < 1e-8


def test_singular_matrices_have_no_positive_lower_bound():
    with ctx.workprec(100):
        for rows in ([[1, 2], [2, 4]], [[0, 0], [0, 0]], [[1, 1, 1], [1, 1, 1]]):
            low, _ = extreme_singular_values(arb_mat(rows))
            assert low.contains(0)
        wide = arb_mat([["1 +/- 0.6", 0], [0, "0 +/- 1"]])
        low, high = extreme_singular_values(wide)
        assert low.contains(0)
        assert low.contains(arb("0.9"))
        assert high.contains(arb("1.55"))


def test_equality_is_undecided():
    """One dimension everywhere: both bounds equal the gradient, and enclosures cannot tell the order."""
    net = network(
        [1], *[{"kind": "dense", "units": 1, "activation": a} for a in ("sigmoid", "sigmoid", "identity")]
    )
    inst = Instance(net, exactcnn.samples([[1]], [2]), Weights.from_seed(net, 0, 8))
    (finding,) = decide("lemma-4.3", inst, 1)
    assert finding.verdict == "undecided"
    assert "overlap" in finding.reason


def failing():
    dense = {"kind": "dense", "units": 3}
    yield "relu above", [dense | {"activation": "sigmoid"}, dense | {"activation": "relu"}], "differentiable"
    pool = {"kind": "maxpool", "kernel": 2}
    yield "pooling above", [conv(2, "sigmoid", kernel=1), pool], "max-pooling"


@pytest.mark.parametrize(
    "why, layers, sentence", list(failing()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_hypotheses_that_fail(why, layers, sentence):
    net = network([4], *layers, {"kind": "dense", "units": 1, "activation": "identity"})
    inst = Instance(net, exactcnn.samples([[1, 2, 3, 4], [2, 2, 1, 0]], [1, 2]), Weights.from_seed(net, 0, 8))
    (finding,) = decide("lemma-4.3", inst, 1)
    assert finding.verdict == "undecided"
    assert sentence in finding.reason


def test_no_targets():
    net = network([2], conv(2, "sigmoid", kernel=1), {"kind": "dense", "units": 1, "activation": "identity"})
    inst = Instance(net, exactcnn.samples([[1, 2]]), Weights.from_seed(net, 0, 8))
    with pytest.raises(UndecidedError, match="no targets"):
        gradient_bounds(inst, 1)


def test_dead_gradient_at_a_perfect_fit():
    """Phi = 0: all three sides are 0, exactly where the forward pass is exact."""
    net = network([1], *[{"kind": "dense", "units": 1, "activation": "identity"}] * 2)
    weights = given(net, ([[1]], [0]), ([[1]], [0]))
    inst = Instance(net, exactcnn.samples([[3], [5]], [3, 5]), weights)
    found = gradient_bounds(inst, 1)
    assert found.gradient == 0
    assert found.ordered is True
