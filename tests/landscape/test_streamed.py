"""Loss and gradient streamed in float64: every enclosure contains the exact number, wherever there is one."""

import random
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import ctx

import exactcnn
from exactcnn.activations import Activation
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape import streamed as module
from exactcnn.landscape.derivatives import Surface, flatten, point_of, unflatten
from exactcnn.landscape.domains import BallDomain, ExactDomain, ln_two
from exactcnn.landscape.enclosed_products import (
    Scattering,
    operand,
    product,
    spread,
    transposed_product,
)
from exactcnn.landscape.exact_loss import exact_loss
from exactcnn.landscape.forward_pass import ForwardPass
from exactcnn.landscape.identical_units import Classes, ExactRows
from exactcnn.landscape.slope_enclosures import enclosed_slope, sided_slope
from exactcnn.landscape.streamed import streamed
from exactcnn.network.weights import LayerWeights, Weights
from tests.statements.instances import conv, network

RATIONAL = ("relu", "relu", "relu", "leaky_relu", "square", "identity")
SMOOTH = ("sigmoid", "tanh", "softplus", "silu", "gelu", "gaussian", "arctan", "sigmoid2", "elu", "relu")


def random_network(r, activations):
    """Convolutions, pools, sums: kinks and ties are planted by small integers."""
    side = r.choice([4, 5])
    bias = r.choice(["unit", "filter", "none"])
    layers = [conv(r.randint(1, 3), r.choice(activations), kernel=2, bias=bias, padding=r.choice([0, 1]))]
    shape = r.choice(["pool", "average", "plain", "two", "sum", "scale"])
    if shape in ("pool", "two"):
        layers.append({"kind": "maxpool", "kernel": 2, "stride": 1})
    if shape == "average":
        layers.append({"kind": "avgpool", "kernel": 2, "stride": 1})
    if shape == "two":
        layers.append(conv(2, r.choice(activations), kernel=1, bias=r.choice(["filter", "none"])))
        layers.append({"kind": "maxpool", "kernel": [1, 2], "stride": 1})
    if shape == "sum":
        layers.append(conv(layers[0]["filters"], r.choice(activations), kernel=1, bias="filter", of=[1]))
        layers.append({"kind": "add", "of": [1, 2], "activation": r.choice(activations)})
    if shape == "scale":
        factors = [str(Fraction(r.randint(1, 5), 3)) for _ in range(layers[0]["filters"])]
        layers.append(
            {"kind": "scale", "factors": factors, "shifts": ["1/7"] * len(factors), "activation": "relu"}
        )
    layers.append({"kind": "dense", "units": r.randint(1, 2), "activation": "identity"})
    return network([1, side, side], *layers)


def random_weights(r, net, low=-2, high=2, over=(1, 1, 3)):
    def table(rows, columns):
        return [[Fraction(r.randint(low, high), r.choice(over)) for _ in range(columns)] for _ in range(rows)]

    entries = []
    for layer in net.layers:
        if layer.weight_shape is None:
            entries.append(None)
            continue
        b = RationalArray.from_fractions(table(1, layer.bias_length)[0]) if layer.bias_length else None
        entries.append(LayerWeights(RationalArray.from_fractions(table(*layer.weight_shape)), b))
    return Weights.from_layers(net, entries)


def random_instance(seed, activations):
    r = random.Random(seed)
    net = random_network(r, activations)
    N = r.randint(1, 4)
    rows = [[r.choice([0, 0, 0, 1, 2]) for _ in range(net.input_size)] for _ in range(N)]
    targets = [
        [Fraction(r.randint(-3, 3), r.choice([1, 7])) for _ in range(net.widths[-1])] for _ in range(N)
    ]
    return Instance(net, exactcnn.samples(rows, targets), random_weights(r, net))


def holds(x, index, exact):
    mid, rad = float(x.mid.ravel()[index]), float(x.rad.ravel()[index])
    return not np.isfinite(rad) or abs(Fraction(mid) - exact) <= Fraction(rad)


def moved(inst, point, j, h):
    flat = flatten(point).copy()
    flat[j] = flat[j] + ln_two(h)
    (c,) = (*ForwardPass(inst, ExactDomain(), unflatten(point, flat)).loss.coefficients, Fraction(0))[:1]
    return c


@pytest.mark.parametrize("seed", range(300))
def test_enclosures_contain_the_exact_numbers(seed, monkeypatch):
    """Of rational networks with kinks at data points; where a derivative is claimed, both difference quotients agree with it."""
    monkeypatch.setattr(
        module, "_BLOCK_ENTRIES", 1 if seed % 2 else 10**6
    )  # blocks of one sample, or one block
    inst = random_instance(seed, RATIONAL)
    point = point_of(inst, ExactDomain())
    surface = Surface(inst, ExactDomain(), point)
    (loss,) = (*surface.loss.coefficients, Fraction(0))[:1]
    found = streamed(inst)
    assert found.loss[0] <= loss <= found.loss[1] <= loss * (1 + Fraction(1, 10**9)) + Fraction(1, 10**12)
    assert exact_loss(inst) == loss
    if surface.smooth:  # kinks that the loss does not feel by cancellation may count as felt
        assert not found.touched
    start, r = 0, random.Random(seed)
    for layer, exact, mine in zip(inst.network.layers, surface.gradient, found.gradient, strict=True):
        if exact is None:
            assert mine is None
            continue
        for array, x in zip(exact, mine, strict=True):
            if array is None:
                assert x is None
                continue
            numbers = [(*v.coefficients, Fraction(0))[0] for v in array.ravel()]
            if layer.index not in found.touched:
                if not surface.kinks:
                    assert all(holds(x, i, v) for i, v in enumerate(numbers))
                for i in r.sample(range(len(numbers)), min(2, len(numbers))):
                    for side in (1, -1):
                        h = side * Fraction(1, 2**70)
                        slope = (moved(inst, point, start + i, h) - loss) / h
                        wider = Enclosure(x.mid, x.rad + 2.0**-40)
                        assert holds(wider, i, slope)
            start += len(numbers)


@pytest.mark.parametrize("seed", range(60))
def test_enclosures_contain_balls(seed):
    """Of networks with transcendental activations."""
    inst = random_instance(seed, SMOOTH)
    found = streamed(inst)
    with ctx.workprec(200):
        domain = BallDomain()
        surface = Surface(inst, domain, point_of(inst, domain))
        low, high = (Fraction(int(m)) * Fraction(2) ** int(e) for m, e in
                     (end.mid().man_exp() for end in (surface.loss.lower(), surface.loss.upper())))  # fmt: skip
        assert found.loss[0] <= high
        assert low <= found.loss[1]
        if surface.kinks:
            return
        if surface.smooth:
            assert not found.touched
        for exact, mine in zip(surface.gradient, found.gradient, strict=True):
            for array, x in zip(exact or (), mine or (), strict=True):
                if array is None:
                    continue
                for i, ball in enumerate(array.ravel()):
                    mid, rad = float(x.mid.ravel()[i]), float(x.rad.ravel()[i])
                    assert abs(ball - mid) <= rad + 2.0**-150
                    assert rad < 1e-9 * (1 + abs(mid))


def test_only_the_output_layer_s_gradient():
    inst = random_instance(5, RATIONAL)
    some, whole = streamed(inst, "output"), streamed(inst)
    assert [part is None for part in some.gradient[:-1]] == [True] * (inst.network.depth - 1)
    assert some.gradient[-1][0].mid.tolist() == whole.gradient[-1][0].mid.tolist()
    assert streamed(inst, "none").loss == whole.loss


def test_a_blank_image_under_a_pool_is_no_kink():
    """All four units of the patch are one function of the parameters; with a bias for each unit they are not."""
    for bias, touched in (("filter", set()), ("unit", {1, 2})):
        net = network(
            [1, 3, 3],
            conv(1, "relu", kernel=2, bias=bias),
            {"kind": "maxpool", "kernel": 2},
            {"kind": "dense", "units": 1},
        )
        b = [Fraction(1)] * net.layers[0].bias_length
        entries = [LayerWeights(RationalArray.from_fractions([[1]] * 4), RationalArray.from_fractions(b)), None,
                   LayerWeights(RationalArray.from_fractions([[2]]), RationalArray.from_fractions([0]))]  # fmt: skip
        inst = Instance(net, exactcnn.samples([[0] * 9], [[0]]), Weights.from_layers(net, entries))
        found = streamed(inst)
        assert found.touched == touched
        if not touched:
            assert found.gradient[0][1].mid.tolist() == [4.0]  # Phi = (2 b)^2 / 2


def test_open_signs_are_settled_exactly_or_stay_open(monkeypatch):
    """1/3 + 2/3 - 1 is exactly 0, 1/3 + 2/3 - 1 + 3^-40 is not: floats do not tell, integers do."""
    net = network([2], {"kind": "dense", "units": 1, "activation": "relu"}, {"kind": "dense", "units": 1})

    def at(shift):
        entries = [LayerWeights(RationalArray.from_fractions([[Fraction(1, 3)], [Fraction(2, 3)]]),
                                RationalArray.from_fractions([shift - 1])),
                   LayerWeights(RationalArray.from_fractions([[1]]), RationalArray.from_fractions([0]))]  # fmt: skip
        return Instance(net, exactcnn.samples([[1, 1]], [[5]]), Weights.from_layers(net, entries))

    tiny = Fraction(1, 3**40)
    assert streamed(at(Fraction(0))).touched == {1}
    assert streamed(at(tiny)).touched == set() == streamed(at(-tiny)).touched
    assert streamed(at(tiny)).gradient[0][1].mid[0] == pytest.approx(-5)
    assert streamed(at(-tiny)).gradient[0][1].mid.tolist() == [0.0]
    monkeypatch.setattr(module, "ExactRows", lambda instance: ExactRows(instance, 0))
    assert streamed(at(tiny)).touched == {1}


def test_equal_classes_are_equal_functions(monkeypatch):
    """At other weights units of one class have one value; bad hashes only split classes."""
    for seed in range(40):
        inst = random_instance(seed, ("relu", "square"))
        classes = Classes(inst, slice(0, inst.N))
        other = Instance(
            inst.network, inst.samples, random_weights(random.Random(seed), inst.network, -50, 50, (1, 7))
        )
        values = ForwardPass(other, ExactDomain(), point_of(other, ExactDomain())).F
        for layer in inst.network.layers:
            seen = {}
            for number, value in zip(
                classes.of(layer.index).ravel().tolist(), values[layer.index].ravel(), strict=True
            ):
                assert seen.setdefault(number, value) == value
        monkeypatch.setattr(np.random, "default_rng", lambda seed: _Zeros())
        poor = Classes(inst, slice(0, inst.N))
        for layer in inst.network.layers:
            mine, theirs = poor.of(layer.index).ravel(), classes.of(layer.index).ravel()
            assert len(set(zip(mine.tolist(), theirs.tolist(), strict=True))) == len(set(mine.tolist()))
        monkeypatch.undo()


class _Zeros:
    def integers(self, low, high, size, dtype):
        return np.zeros(size, dtype=dtype)


@pytest.mark.parametrize("name", SMOOTH)
def test_slopes(name):
    """Against mpmath, at points and on intervals."""
    sigma = {
        "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)), "tanh": mpmath.tanh, "softplus": lambda t: mpmath.log1p(mpmath.exp(t)),
        "silu": lambda t: t / (1 + mpmath.exp(-t)), "gelu": lambda t: t * mpmath.ncdf(t), "arctan": mpmath.atan,
        "gaussian": lambda t: mpmath.exp(-t * t), "sigmoid2": lambda t: 1 / (1 + mpmath.power(2, -t)),
        "elu": lambda t: t if t >= 0 else mpmath.expm1(t), "relu": lambda t: max(t, 0),
    }[name]  # fmt: skip
    r = random.Random(name)
    points = [r.uniform(-8, 8) for _ in range(60)] + [9.5, -9.5, 30.0, -30.0]
    radii = [r.choice([0.0, 1e-12, 1e-3, 0.5]) for _ in points]
    t = Enclosure(np.array(points), np.array(radii))
    activation = Activation(name, (("alpha", Fraction(1)),) if name in ("elu", "softplus") else ())
    if name in ("elu", "relu"):
        s = sided_slope(activation, t, t.positive(), t.negative())
    else:
        s = enclosed_slope(activation, t)
    with mpmath.workdps(40):
        for mid, rad, m, e in zip(points, radii, s.mid, s.rad, strict=True):
            assert e < 1e-12 + 4 * rad * (1 + abs(mid))
            for at in (mid, mid - rad, mid + rad, mid + 0.3 * rad):
                exact = mpmath.diff(sigma, at, h=mpmath.mpf(10) ** -15) if at else None
                assert exact is None or abs(exact - mpmath.mpf(float(m))) <= float(e) + 1e-20


def test_products_and_scatterings():
    """Against Fractions: entries of all magnitudes, radii large and small."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        N, n, m = rng.integers(1, 7, 3)
        x = Enclosure(
            rng.standard_normal((N, n)) * 2.0 ** rng.integers(-30, 30, (N, n)),
            2.0 ** rng.integers(-60, -10, (N, n)) * 1.0,
        )
        W = operand(
            RationalArray.from_fractions(
                [[Fraction(int(a), 3) for a in row] for row in rng.integers(-99, 99, (n, m))]
            )
        )
        sides = rng.choice([-1, 0, 1], (N, n))
        true = [
            [Fraction(a) + int(s) * Fraction(e) for a, s, e in zip(*row, strict=True)]
            for row in zip(x.mid, sides, x.rad, strict=True)
        ]
        exact = [[Fraction(round(float(v) * 3), 3) for v in row] for row in W.mid]
        made = product(x.mid, spread(x, W.relative, n), W)
        for i in range(N):
            for t in range(m):
                value = sum(true[i][j] * exact[j][t] for j in range(n))
                assert abs(Fraction(made.mid[i, t]) - value) <= Fraction(made.rad[i, t])
        y = Enclosure(W.mid[:1].repeat(N, 0), W.relative * np.abs(W.mid[:1]).repeat(N, 0))
        turned = transposed_product(x, y)
        for j in range(n):
            for t in range(m):
                value = sum(true[i][j] * exact[0][t] for i in range(N))
                assert abs(Fraction(turned.mid[j, t]) - value) <= Fraction(turned.rad[j, t])
        indices = rng.integers(0, n + 1, (4, 3))
        out = Scattering(indices, n)(Enclosure(np.tile(x.mid[:, :1], 12), np.tile(x.rad[:, :1], 12)))
        for u in range(n):
            count = int((indices == u).sum())
            assert abs(Fraction(out.mid[0, u]) - count * true[0][0]) <= Fraction(out.rad[0, u])


def test_what_float64_does_not_hold_is_undecided():
    with pytest.raises(UndecidedError, match="beyond float64"):
        operand(RationalArray.from_integers([10**400]))
    with pytest.raises(UndecidedError, match="too small"):
        operand(RationalArray.from_fractions([Fraction(1, 10**400)]))
    assert operand(RationalArray.from_fractions([Fraction(2**60 + 1)])).relative == 2.0**-52
    assert operand(RationalArray.from_fractions([Fraction(2**60, 2**80)])).relative == 0.0
    net = network([1], {"kind": "dense", "units": 1, "activation": "mish"}, {"kind": "dense", "units": 1})
    inst = Instance(net, exactcnn.samples([[1]], [[1]]), Weights.from_seed(net, 0, 8))
    with pytest.raises(UndecidedError, match="mish"):
        streamed(inst)
