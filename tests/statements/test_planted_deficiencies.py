"""Planted rank deficiencies: the exact rank comes out, with an upper bound the checker accepts.

None of these may ever be "proved".  The expected rank is known from the construction; for
rational features it is also recomputed by FLINT from features evaluated naively here.
"""

import flint
import pytest

from exactcnn.statements.rank import decide_rank
from exactcnn.statements.statement import Ask
from tests.statements.instances import certified, conv, given, instance, network, random_rows, rng

ACTIVATIONS = ["relu", "leaky_relu", "sigmoid", "tanh", "silu", "elu", "gaussian"]


def assert_exact_rank(inst, expected, k=1):
    finding = decide_rank(inst, Ask(k))
    assert finding.verdict == "refuted", finding
    assert (finding.summary["lower"], finding.summary["upper"]) == (expected, expected), finding
    (claim,) = certified(inst, finding)["claims"]
    assert (claim["lower"], claim["upper"]) == (expected, expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_duplicated_samples(activation, copies, seed):
    """Repeating samples leaves rank = number of different samples."""
    r = rng(seed)
    rows = random_rows(r, 6, 5)
    net = network([5], conv(4, activation, kernel=2))
    assert_exact_rank(instance(net, rows + [rows[i % 6] for i in range(copies)], seed=seed), 6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("seed", range(2))
def test_equal_filters(activation, seed):
    """Two equal filters with equal biases give equal columns: rank = number of different columns."""
    r = rng(100 + seed)
    net = network([3], conv(4, activation, kernel=3, bias="filter"))
    column = [r.randint(1, 5) for _ in range(3)]
    other = [r.randint(-5, -1) for _ in range(3)]
    W = [[column[i], column[i], other[i], other[i]] for i in range(3)]
    rows = [[r.randint(1, 9), r.randint(1, 9), r.randint(10, 19)] for _ in range(4)]
    # Biases make every pre-activation positive, so that relu does not add zeros of its own.
    weights = given(net, (W, [400, 400, 300, 300]))
    assert_exact_rank(instance(net, rows, weights), 2)


@pytest.mark.parametrize("scale", [2, 3, "1/2", "7/5"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "identity"])
def test_proportional_columns(scale, activation):
    """Positively homogeneous activations turn a scaled filter into a scaled column."""
    from fractions import Fraction

    s = Fraction(scale)
    net = network([3], conv(3, activation, kernel=3, bias="none"))
    W = [[1, s, 2], [2, 2 * s, 5], [0, 0, 1]]
    weights = given(net, (W, None))
    rows = [[3, 1, 2], [1, 4, 1], [2, 2, 9], [8, 1, 1]]
    assert_exact_rank(instance(net, rows, weights), 2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("samples", [7, 12])
def test_more_samples_than_units(activation, samples):
    """N > n_k: rank n_k for generic weights, by the width bound."""
    net = network([4], conv(2, activation, kernel=2))
    rows = random_rows(rng(samples + 1), samples, 4, -90, 90)
    weights = given(net, ([[3, -2], [1, 5]], [1, -2, 3, 5, 40, 11]))
    assert_exact_rank(instance(net, rows, weights), 6)


@pytest.mark.parametrize("samples", [2, 5, 9])
@pytest.mark.parametrize("alive", [0, 1, 2])
def test_dead_relu_units(samples, alive):
    """Units that never fire are zero columns; rank = min(N, number of living units)."""
    net = network([3], {"kind": "dense", "units": 12, "activation": "relu"})
    r = rng(samples * 10 + alive)
    rows = [[r.randint(1, 99) for _ in range(3)] for _ in range(samples)]
    W = [[r.randint(1, 9) if j < alive else -r.randint(1, 9) for j in range(12)] for _ in range(3)]
    weights = given(net, (W, [0] * 12))
    inst = instance(net, rows, weights)
    if alive >= samples:
        finding = decide_rank(inst, Ask(1))
        assert finding.summary["lower"] == finding.summary["upper"] == samples
        return
    assert_exact_rank(inst, alive)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("extra", [1, 4])
def test_square_activation_beyond_its_monomials(d, extra):
    """(<w, x> + b)^2 spans the monomials of degree <= 2: rank = C(d+2, 2) however wide the layer."""
    monomials = (d + 1) * (d + 2) // 2
    net = network([d], {"kind": "dense", "units": 3 * monomials + 6, "activation": "square"})
    rows = random_rows(rng(d + extra), monomials + extra, d, -999, 999)
    assert_exact_rank(instance(net, rows, seed=5), monomials)


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("extra", [1, 3])
def test_identity_activation_beyond_its_monomials(d, extra):
    """An affine layer has rank at most d + 1."""
    net = network([d], {"kind": "dense", "units": 40, "activation": "identity"})
    rows = random_rows(rng(d * 7 + extra), d + 1 + extra, d, -999, 999)
    assert_exact_rank(instance(net, rows, seed=3), d + 1)


@pytest.mark.parametrize("filters", [1, 2, 3, 5])
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "tanh"])
def test_shared_biases_on_constant_images(filters, activation):
    """Theory 3.2: constant images, biases per filter: rank exactly T_1, though 3.1 holds."""
    net = network([1, 5, 5], conv(filters, activation, kernel=3, bias="filter"))
    rows = [[c] * 25 for c in range(1, 9)]
    W = [[t + 1 for t in range(filters)] for _ in range(9)]
    # relu: kinks at different places keep the T functions of c independent.
    b = [-9 * (t + 1) * (t + 1) - 3 for t in range(filters)]
    inst = instance(net, rows, given(net, (W, b)))
    assert_exact_rank(inst, filters)
    from exactcnn.statements import decide

    assert decide("assumption-3.1", inst)[0].verdict == "proved"


@pytest.mark.parametrize("seed", range(6))
def test_deep_relu_bottleneck(seed):
    """A bottleneck of width 2 without bias below a linear layer caps the rank; FLINT agrees."""
    net = network(
        [4],
        {"kind": "dense", "units": 6, "activation": "relu"},
        {"kind": "dense", "units": 2, "activation": "relu"},
        {"kind": "dense", "units": 9, "activation": "identity", "bias": "none"},
    )
    rows = random_rows(rng(seed), 5, 4)
    r = rng(50 + seed)
    weights = given(
        net,
        (random_rows(r, 4, 6), [r.randint(1, 50) for _ in range(6)]),
        (random_rows(r, 6, 2), [700, 900]),
        (random_rows(r, 2, 9), None),
    )
    inst = instance(net, rows, weights)
    F = naive_relu_features(rows, inst, 3)
    expected = flint.fmpq_mat(
        len(F), len(F[0]), [flint.fmpq(v.numerator, v.denominator) for row in F for v in row]
    )
    assert_exact_rank(inst, expected.rank(), k=3)
    assert expected.rank() <= 2


def naive_relu_features(rows, inst, k):
    """Dense layers only, by definition, in Fractions."""
    from fractions import Fraction

    values = [[Fraction(v) for v in row] for row in rows]
    for layer in inst.network.layers[:k]:
        entry = inst.weights[layer.index]
        W = entry.W.to_fractions()
        b = [Fraction(0)] * layer.width if entry.b is None else entry.b.to_fractions()
        values = [
            [
                layer.activation.apply_fraction(sum((x[i] * W[i][j] for i in range(len(x))), b[j]))
                for j in range(layer.width)
            ]
            for x in values
        ]
    return values


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("side", [3, 4])
def test_poor_positions(activation, side):
    """Images that differ at one pixel only: the counting bounds give the exact rank."""
    d = side * side
    rows = [[0] * (d - 1) + [v] for v in range(1, 2 * side + 3)]
    # 2 x 2 windows: exactly one sees the last pixel; the others give constant columns.
    net = network([1, side, side], conv(2, activation, kernel=2))
    W = [[1, 1], [1, 2], [1, 3], [1, -1]]
    P = (side - 1) ** 2
    b = [1 + h % 3 for h in range(2 * P - 2)] + [-3, 4]
    inst = instance(net, rows, given(net, (W, b)))
    finding = decide_rank(inst, Ask(1))
    assert finding.verdict == "refuted"
    assert finding.summary["lower"] == finding.summary["upper"] == 3
    (claim,) = certified(inst, finding)["claims"]
    assert (claim["lower"], claim["upper"]) == (3, 3)
