"""All critical points in a box: against Newton, exact elimination and Morse theory; intervals against mpmath."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import exactcnn
from exactcnn.activations import Activation
from exactcnn.features.instance import Instance
from exactcnn.landscape.batches import BoxDomain, Boxes, FloatDomain
from exactcnn.landscape.elimination import complex_critical_points
from exactcnn.landscape.enumeration import enumerate_critical_points
from exactcnn.landscape.krawczyk import PLACES
from tests.statements.instances import network, random_rows, rng

DENSE = {"kind": "dense", "bias": "none"}
TENTH = Fraction(1, 10)


def one_unit(activation, X, Y, units=1, bias="none"):
    hidden = {**DENSE, "units": units, "activation": activation, "bias": bias}
    net = network([len(X[0])], hidden, {**DENSE, "units": 1, "bias": bias})
    return Instance(net, exactcnn.samples(X, [[y] for y in Y]))


def centres(found):
    return sorted([float(Fraction(c, 1 << PLACES)) for c in point.center] for point in found.points)


def by_newton(X, Y, ridge, low, high):
    """Zeros of the gradient of 1/2 sum (v tanh(w.x) - y)^2 + ridge/2 |.|^2, from a grid of starts, in plain NumPy."""
    X, Y = np.array(X, float), np.array(Y, float)
    d = X.shape[1]

    def gradient(theta):
        w, v = theta[:d], theta[d]
        t = np.tanh(X @ w)
        r = v * t - Y
        return np.concatenate([((r * v * (1 - t * t)) @ X), [r @ t]]) + ridge * theta

    zeros = []
    for start in np.stack(np.meshgrid(*[np.linspace(low, high, 9)] * (d + 1)), axis=-1).reshape(-1, d + 1):
        x = start.copy()
        for _ in range(60):
            H = np.stack([(gradient(x + e) - gradient(x - e)) / 2e-6 for e in 1e-6 * np.eye(d + 1)])
            step = np.linalg.lstsq(H, gradient(x), rcond=None)[0]
            x = x - step
            if np.abs(step).max() < 1e-11 or not np.isfinite(x).all():
                break
        inside = np.isfinite(x).all() and (x > low).all() and (x < high).all()
        if inside and np.abs(gradient(x)).max() < 1e-9 and not any(np.abs(x - z).max() < 1e-5 for z in zeros):
            zeros.append(x)
    return sorted(z.tolist() for z in zeros)


@pytest.mark.parametrize("seed", range(6))
def test_none_is_missed_that_newton_finds(seed):
    r = rng(seed)
    d = 1 + seed % 2
    X, Y = random_rows(r, 4, d, -2, 3), [r.randint(-2, 2) for _ in range(4)]
    found = enumerate_critical_points(one_unit("tanh", X, Y), Fraction(-3), Fraction(3), ridge=TENTH)
    assert found.complete
    expected = by_newton(X, Y, 0.1, -3, 3)
    assert len(expected) == len(found.points)
    for a, b in zip(centres(found), expected, strict=True):
        assert max(abs(x - y) for x, y in zip(a, b, strict=True)) < 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_real_points_of_exact_elimination(seed):
    """Square and linear networks: the real points that elimination finds in the box, by intervals of both."""
    r = rng(seed)
    activation = "square" if seed % 2 else "identity"
    inst = one_unit(activation, [[1], [2]], [r.randint(-3, 3) or 1, r.randint(1, 3)])
    exact = complex_critical_points(inst, [Fraction(1, 3)] * 2)
    found = enumerate_critical_points(inst, Fraction(-2), Fraction(2), ridge=Fraction(1, 3))
    assert found.complete
    inside = sorted(
        [float(low) for low, _ in point.coordinates]
        for point in exact.points
        if all(low > -2 and high < 2 for low, high in point.coordinates)
    )
    assert len(inside) == len(found.points)
    for a, b in zip(centres(found), inside, strict=True):
        assert max(abs(x - y) for x, y in zip(a, b, strict=True)) < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_morse_sum(seed):
    """Sum of (-1)^index over all critical points of a coercive loss, none of them degenerate, is 1.

    The ridge makes the loss coercive; the box is far larger than where these losses have critical points.
    """
    r = rng(seed)
    X, Y = random_rows(r, 3, 1, -2, 3), [r.randint(-2, 2) or 1 for _ in range(3)]
    inst = one_unit("sigmoid", X, Y, bias="unit")
    found = enumerate_critical_points(inst, Fraction(-6), Fraction(6), ridge=Fraction(1, 4))
    assert found.complete
    assert sum((-1) ** point.inertia.negative for point in found.points) == 1


def test_a_family_is_never_called_complete():
    """Two equal hidden units without ridge: a line of critical points through each."""
    inst = one_unit("tanh", [[1], [2]], [1, -1], units=2)
    found = enumerate_critical_points(inst, Fraction(-1), Fraction(1), most_boxes=20_000)
    assert not found.complete
    assert found.unresolved > 0
    assert found.hull.shape == (4, 2)


def test_a_point_on_the_edge_of_the_box_is_left_open():
    """The origin is critical (a saddle); in [0, 2]^2 it is on the boundary, and nothing is claimed."""
    inst = one_unit("tanh", [[1], [2], [-1]], [1, 1, -2])
    found = enumerate_critical_points(inst, Fraction(0), Fraction(2), ridge=TENTH)
    assert not found.complete
    assert found.unresolved == 1
    assert len(found.points) == 1


def test_what_enumeration_refuses():
    inst = one_unit("tanh", [[1]], [1])
    with pytest.raises(exactcnn.MisuseError, match="LO < HI"):
        enumerate_critical_points(inst, Fraction(1), Fraction(1))
    with pytest.raises(exactcnn.MisuseError, match="ridge"):
        enumerate_critical_points(inst, Fraction(0), Fraction(1), ridge=Fraction(-1))
    with pytest.raises(exactcnn.UndecidedError, match="gelu"):
        enumerate_critical_points(one_unit("gelu", [[1]], [1]), Fraction(0), Fraction(1))
    with pytest.raises(exactcnn.UndecidedError, match="parameters"):
        enumerate_critical_points(one_unit("tanh", [[1]], [1], units=5), Fraction(0), Fraction(1))


def truth(name, t):
    """sigma, sigma', sigma'' in mpmath."""
    function = {"identity": lambda x: x, "square": lambda x: x * x, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
                "tanh": mpmath.tanh, "gaussian": lambda x: mpmath.exp(-x * x)}[name]  # fmt: skip
    return function(t), mpmath.diff(function, t), mpmath.diff(function, t, 2)


@pytest.mark.parametrize("name", ["identity", "square", "sigmoid", "tanh", "gaussian"])
def test_interval_jets_contain_the_functions(name):
    r = rng(3)
    lows = [r.uniform(-6, 6) for _ in range(40)] + [0.0, -1e-9, 800.0, -800.0]
    widths = [r.choice([0.0, 1e-12, 1e-3, 0.5, 4.0]) for _ in lows]
    t = Boxes(np.array(lows), np.array(lows) + np.array(widths))
    jets = BoxDomain().jet(Activation(name), t)
    with mpmath.workdps(40):
        for n, (low, width) in enumerate(zip(lows, widths, strict=True)):
            for part in (0, 0.3, 1):
                x = min(mpmath.mpf(low) + mpmath.mpf(width) * part, mpmath.mpf(t.hi[n]))
                for jet, value in zip(jets, truth(name, x), strict=True):
                    lo, hi = np.broadcast_to(jet.lo, 44)[n], np.broadcast_to(jet.hi, 44)[n]
                    assert lo - 1e-25 <= value <= hi + 1e-25


def test_interval_operations_contain_exact_results():
    r = rng(1)
    for _ in range(300):
        a, b, c, d = (
            r.choice([0.0, r.uniform(-2, 2), r.uniform(-1e-300, 1e-300), 2.0 ** r.randint(-60, 60)])
            for _ in "abcd"
        )
        x, y = (
            Boxes(np.float64(min(a, b)), np.float64(max(a, b))),
            Boxes(np.float64(min(c, d)), np.float64(max(c, d))),
        )
        for found, op in (
            (x + y, lambda p, q: p + q),
            (x - y, lambda p, q: p - q),
            (x * y, lambda p, q: p * q),
        ):
            for p in (a, b):
                for q in (c, d):
                    exact = op(Fraction(p), Fraction(q))
                    assert Fraction(float(found.lo)) <= exact <= Fraction(float(found.hi))
        square = x.squared()
        assert Fraction(float(square.lo)) <= Fraction(a) ** 2 <= Fraction(float(square.hi))
        assert (float(square.lo) <= 0) == (min(a, b) <= 0 <= max(a, b)) or math.isclose(
            float(square.lo), 0, abs_tol=1e-300
        )


def test_infinite_ends_decide_nothing():
    huge = Boxes(np.array([-np.inf]), np.array([np.inf]))
    zero = Boxes(np.array([0.0]), np.array([0.0]))
    with np.errstate(invalid="ignore"):
        product = huge * zero
    assert product.lo[0] == -np.inf
    assert product.hi[0] == np.inf


@pytest.mark.parametrize(
    "name",
    ["identity", "square", "sigmoid", "tanh", "gaussian", "arctan", "silu", "softplus", "sigmoid2", "elu"],
)
def test_float_jets(name):
    """Candidates come from these: they agree with differences of the values."""
    activation = (
        Activation(name, (("alpha", Fraction(2)),)) if name in ("softplus", "elu") else Activation(name)
    )
    domain = FloatDomain()
    t = np.array([-2.5, -0.7, 0.4, 3.1])
    h = 1e-5

    def at(x):
        return [part.v for part in domain.jet(activation, type(domain.number(Fraction(0)))(x))]

    _, first, second = at(t)
    assert np.allclose(first, (at(t + h)[0] - at(t - h)[0]) / (2 * h), atol=1e-7)
    assert np.allclose(second, (at(t + h)[1] - at(t - h)[1]) / (2 * h), atol=1e-7)
