"""Features in Q(e^(1/D)): residues against the definition, ranks against 100-digit numerics."""

from fractions import Fraction

import mpmath
import pytest

from exactcnn.activations import LIBRARY
from exactcnn.errors import UndecidedError
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.statements.rank import decide_rank
from exactcnn.statements.statement import Ask
from tests.statements.instances import conv, instance, network, random_rows, rng

ACTIVATIONS = ["sigmoid", "tanh", "silu", {"name": "elu", "alpha": "2/3"}, "gaussian"]
P = 2147483647

FORMULAS = {
    "sigmoid": lambda t, a: 1 / (1 + mpmath.exp(-t)),
    "tanh": lambda t, a: mpmath.tanh(t),
    "silu": lambda t, a: t / (1 + mpmath.exp(-t)),
    "elu": lambda t, a: t if t >= 0 else a * mpmath.expm1(t),
    "gaussian": lambda t, a: mpmath.exp(-t * t),
}


def numeric_rank(inst, k, digits=150):
    """Rank by full pivoting at ``digits`` digits; pivots below 10^(-digits/2) count as 0."""
    features = FeatureMatrix(inst, k)
    values = features.exact
    activation = inst.network.layer(k).activation
    alpha = dict(activation.parameters).get("alpha", Fraction(1))
    with mpmath.workdps(digits):
        a = mpmath.mpf(alpha.numerator) / alpha.denominator
        rows = [
            [FORMULAS[activation.name](mpmath.mpf(int(n)) / values.denominator, a) for n in row]
            for row in values.numerators.tolist()
        ]
        rank, tolerance = 0, mpmath.mpf(10) ** (-digits // 2)
        while rows and rows[0]:
            size, i, j = max((abs(v), i, j) for i, row in enumerate(rows) for j, v in enumerate(row))
            if size < tolerance:
                break
            pivot = rows.pop(i)
            rows = [
                [v - row[j] / pivot[j] * w for c, (v, w) in enumerate(zip(row, pivot, strict=True)) if c != j]
                for row in rows
            ]
            rank += 1
        return rank


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_rank_agrees_with_high_precision(activation, seed):
    """Random small layers, some with repeated samples, filters or opposite inputs."""
    r = rng(seed)
    rows = random_rows(r, r.randint(2, 6), 4, -3, 3)
    if seed % 3 == 0:
        rows.append(list(rows[0]))
    if seed % 4 == 1:
        rows.append([-v for v in rows[0]])
    net = network([4], conv(r.randint(1, 2), activation, kernel=2, bias=r.choice(["unit", "none", "filter"])))
    inst = instance(net, rows, seed=seed, bits=r.choice([1, 2, 8]))
    finding = decide_rank(inst, Ask(1))
    numeric = numeric_rank(inst, 1)
    assert finding.summary["lower"] <= numeric <= finding.summary["upper"], finding
    # The modular image is generic enough to find the true rank on these instances.
    assert finding.summary["lower"] == numeric


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_residues_follow_the_format(activation):
    """Every entry of the image equals FORMAT.md's table, computed with Python's pow."""
    net = network([3], {"kind": "dense", "units": 4, "activation": activation})
    inst = instance(net, random_rows(rng(3), 5, 3), bits=3)
    features = FeatureMatrix(inst, 1)
    image, substitution = features.residues(P, 9)
    D, g = substitution.denominator, substitution.root
    alpha = dict(net.layer(1).activation.parameters).get("alpha", Fraction(1))
    a = alpha.numerator * pow(alpha.denominator, -1, P)
    name = net.layer(1).activation.name
    for i, row in enumerate(features.exact.numerators.tolist()):
        for j, n in enumerate(row):
            power = pow(g, n % (P - 1), P)
            expected = {
                "sigmoid": power * pow(1 + power, -1, P),
                "tanh": (power * power - 1) * pow(power * power + 1, -1, P),
                "silu": n * pow(D, -1, P) * power * pow(1 + power, -1, P),
                "elu": n * pow(D, -1, P) if n >= 0 else a * (power - 1),
                "gaussian": pow(g, -n * n % (P - 1), P),
            }[name]
            assert int(image[i, j]) == expected % P


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "silu", "elu", "gaussian"])
@pytest.mark.parametrize("n", [-7, -1, 0, 1, 12])
def test_formal_features_are_the_function(name, n):
    """constant + coefficient * S_key equals sigma(n/D) with S the symbol's value."""
    D, alpha = 5, Fraction(3, 4)
    constant, key, coefficient = LIBRARY[name].formal(n, D, {"alpha": alpha})
    with mpmath.workdps(60):
        t = mpmath.mpf(key) / D
        symbol = {
            "sigmoid": lambda: 1 / (1 + mpmath.exp(-t)),
            "tanh": lambda: mpmath.tanh(t),
            "silu": lambda: 1 / (1 + mpmath.exp(-t)),
            "elu": lambda: mpmath.exp(t),
            "gaussian": lambda: mpmath.exp(-t * t),
        }[name]()
        value = mpmath.mpf(constant.numerator) / constant.denominator
        value += symbol * coefficient.numerator / coefficient.denominator
        expected = FORMULAS[name](mpmath.mpf(n) / D, mpmath.mpf(3) / 4)
        assert abs(value - expected) < mpmath.mpf(10) ** -50


def test_a_pole_is_refused():
    """p = 7, u = 3 has order 6: sigmoid meets u^3 = -1 and the homomorphism is undefined."""
    net = network([1], {"kind": "dense", "units": 1, "activation": "sigmoid", "bias": "none"})
    from tests.statements.instances import given

    inst = instance(net, [[3], [1]], given(net, ([[1]], None)))
    with pytest.raises(UndecidedError, match="pole"):
        FeatureMatrix(inst, 1).residues(7, 3)
    image, _ = FeatureMatrix(inst, 1).residues(7, 2)
    assert image.tolist() == [[1 * pow(2, -1, 7) % 7], [2 * pow(3, -1, 7) % 7]]


def test_theory_example_prime():
    """Theory 2.4's example: p = 503, u = 4 has odd order 251, so no exponent meets a pole."""
    net = network([1], {"kind": "dense", "units": 1, "activation": "sigmoid", "bias": "none"})
    from tests.statements.instances import given

    inst = instance(net, [[n] for n in range(-260, 260)], given(net, ([[1]], None)))
    image, _ = FeatureMatrix(inst, 1).residues(503, 4)
    assert image.shape == (520, 1)
    assert pow(4, 251, 503) == 1


@pytest.mark.parametrize("activation", ["softplus", "gelu", "arctan"])
def test_other_activations_are_decided_by_balls(activation):
    """No exact field is known: a verified inverse proves full rank, counting refutes it."""
    net = network([2], {"kind": "dense", "units": 5, "activation": activation})
    finding = decide_rank(instance(net, [[1, 2], [3, 4]]), Ask(1))
    assert finding.verdict == "proved"
    assert finding.summary["prime"] is None
    assert finding.summary["precision"] >= 64
    duplicated = decide_rank(instance(net, [[1, 2], [1, 2]]), Ask(1))
    assert duplicated.verdict == "refuted"


def test_deep_sigmoid_is_decided_by_balls():
    """A sigmoid below the layer asked for leaves Q(u); balls do not mind."""
    net = network(
        [2],
        {"kind": "dense", "units": 5, "activation": "sigmoid"},
        {"kind": "dense", "units": 5, "activation": "sigmoid"},
    )
    assert decide_rank(instance(net, [[1, 2], [3, 4]]), Ask(2)).verdict == "proved"


def test_sigmoid_above_rational_layers_is_exact():
    """ReLU layers below keep the pre-activations rational, so layer 3 is decided."""
    net = network(
        [3],
        {"kind": "dense", "units": 6, "activation": "relu"},
        {"kind": "dense", "units": 4, "activation": {"name": "leaky_relu", "slope": "1/7"}},
        {"kind": "dense", "units": 6, "activation": "tanh"},
    )
    inst = instance(net, random_rows(rng(1), 5, 3), bits=5)
    finding = decide_rank(inst, Ask(3))
    assert finding.verdict == "proved"
    assert numeric_rank(inst, 3) == 5
