"""Loss, gradient and Hessian against SymPy's differentiation of Phi itself, symbolically and at points."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from flint import arb, ctx

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Kink, Surface, flatten, point_of, unflatten
from exactcnn.landscape.domains import BallDomain, ExactDomain, ln_two
from exactcnn.network.weights import LayerWeights, Weights
from tests.statements.instances import conv, given, network, random_rows, rng

DENSE = {"kind": "dense"}
SYMBOLIC = {
    "identity": lambda t: t,
    "square": lambda t: t**2,
    "sigmoid": lambda t: 1 / (1 + sympy.exp(-t)),
    "tanh": sympy.tanh,
    "softplus": lambda t: sympy.log(1 + sympy.exp(t)),
    "gelu": lambda t: t * (1 + sympy.erf(t / sympy.sqrt(2))) / 2,
    "silu": lambda t: t / (1 + sympy.exp(-t)),
    "gaussian": lambda t: sympy.exp(-(t**2)),
    "arctan": sympy.atan,
    "sigmoid2": lambda t: 1 / (1 + sympy.Pow(2, -t)),
    "relu": lambda t: sympy.Max(t, 0),
}


def loss_by_definition(
    inst, symbol=lambda name: sympy.Symbol(name, real=True), sigmas=SYMBOLIC, number=sympy.Rational
):
    """Phi as an expression of one symbol per parameter, from the definition, and the symbols in order."""
    net, symbols = inst.network, []
    x = inst.samples.x
    rows = [[number(int(v), x.denominator) for v in row] for row in x.numerators]
    for layer in net.layers:
        W = [
            [symbol(f"w{layer.index}_{r}_{t}") for t in range(layer.filters)] for r in range(layer.patch_size)
        ]
        b = [symbol(f"b{layer.index}_{h}") for h in range(layer.bias_length)]
        symbols += [w for line in W for w in line] + b
        sigma = sigmas[layer.activation.name]
        out = []
        for row in rows:
            units = []
            for p, patch in enumerate(layer.patches.indices.tolist()):
                for t in range(layer.filters):
                    g = sum(W[r][t] * row[u] for r, u in enumerate(patch) if u < len(row))
                    if layer.bias != "none":
                        g += b[t if layer.bias == "filter" else p * layer.filters + t]
                    units.append(sigma(g))
            out.append(units)
        rows = out
    Y = inst.samples.targets.to_fractions()
    total = sum(
        (f - number(y)) ** 2 for row, ys in zip(rows, Y, strict=True) for f, y in zip(row, ys, strict=True)
    )
    return total * number(1, 2), symbols


def surface_instance(net, rows, targets, weights):
    return Instance(net, exactcnn.samples(rows, targets), weights)


ARCHITECTURES = {
    "dense square": network([2], {**DENSE, "units": 2, "activation": "square"}, {**DENSE, "units": 1}),
    "conv shared": network([3], conv(2, "square", kernel=2, bias="filter"), {**DENSE, "units": 2}),
    "conv conv": network([1, 3, 3], conv(1, "square", kernel=2), conv(2, "identity", kernel=2), {**DENSE, "units": 1}),
    "padded, no bias": network([3], conv(1, "square", kernel=3, padding=1, bias="none"), {**DENSE, "units": 1}),
    "deep": network([2], {**DENSE, "units": 2, "activation": "square"}, {**DENSE, "units": 2, "activation": "square"},
                    {**DENSE, "units": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradient_and_hessian_are_symbolically_right(name):
    """Polynomial networks with the weights as indeterminates of SymPy's polynomial ring: our loss, gradient and
    Hessian equal Phi and its derivatives as polynomials, that is, for all weights."""
    net = ARCHITECTURES[name]
    rows = random_rows(rng(1), 2, net.widths[0], -2, 2)
    targets = random_rows(rng(2), 2, net.widths[-1], -2, 2)
    inst = surface_instance(net, rows, targets, Weights.from_seed(net, 0, 3))
    names = []
    loss_by_definition(inst, lambda name: names.append(name) or sympy.Symbol(name))
    ring, *generators = sympy.ring(names, sympy.QQ)
    by_name = dict(zip(names, generators, strict=True))

    def number(*fraction):
        return ring(sympy.QQ(*Fraction(*fraction).as_integer_ratio()))

    class Polynomials:
        def number(self, rational, ln2=Fraction(0)):
            return number(rational)

        def jet(self, activation, t):
            if activation.name == "square":
                return t * t, 2 * t, number(2)
            return t, number(1), number(0)

    sigmas = {"square": lambda t: t * t, "identity": lambda t: t}
    expression, symbols = loss_by_definition(inst, by_name.get, sigmas, number)
    blank = point_of(inst, Polynomials())
    flat = np.empty(len(symbols), dtype=object)
    flat[:] = symbols
    assert flatten(blank).size == flat.size
    surface = Surface(inst, Polynomials(), unflatten(blank, flat))
    assert surface.loss == expression
    for ours, symbol in zip(surface.flat_gradient(), symbols, strict=True):
        assert ours == expression.diff(symbol)
    hessian = surface.hessian()
    for i, a in enumerate(symbols):
        for j, b in enumerate(symbols):
            assert hessian[i, j] == expression.diff(a).diff(b)


SMOOTH = ["sigmoid", "tanh", "softplus", "gelu", "silu", "gaussian", "arctan", "sigmoid2", "relu"]


@pytest.mark.parametrize("activation", SMOOTH)
def test_balls_contain_the_derivatives(activation):
    """Loss, gradient and Hessian in balls against SymPy at 40 digits."""
    net = network([3], conv(1, activation, kernel=2), {**DENSE, "units": 1, "activation": "identity"})
    inst = surface_instance(net, random_rows(rng(3), 2, 3, -2, 2), [[1], [-1]], Weights.from_seed(net, 4, 4))
    expression, symbols = loss_by_definition(inst)
    values = []
    for entry in inst.weights.layers:
        for array in (entry.W, entry.b):
            values += [sympy.Rational(int(v), array.denominator) for v in array.numerators.ravel()]
    at = dict(zip(symbols, values, strict=True))
    with ctx.workprec(200):
        surface = Surface(inst, BallDomain(), point_of(inst, BallDomain()))
        assert not surface.kinks
        gradient, hessian = surface.flat_gradient(), surface.hessian()

        def contains(ball, exact):
            value = arb(str(sympy.N(exact.subs(at), 60)), "1e-50")
            assert ball.overlaps(value)
            assert float(ball.rad()) < 1e-40

        contains(surface.loss, expression)
        for i, a in enumerate(symbols):
            contains(gradient[i], sympy.diff(expression, a))
            for j in range(i, len(symbols)):
                contains(hessian[i, j], sympy.diff(expression, a, symbols[j]))


def test_exact_sigmoids_at_multiples_of_ln_2():
    """Values in Q[ln 2] agree with balls; elsewhere the exact domain declines."""
    net = network([2], conv(1, "sigmoid", kernel=1), conv(1, "tanh", kernel=1), {**DENSE, "units": 1})
    W = LayerWeights(RationalArray.from_fractions([[0]]), RationalArray.from_fractions([0, 0]),
                     RationalArray.from_fractions([[2]]), RationalArray.from_fractions([1, -3]))  # fmt: skip
    flat = LayerWeights(RationalArray.from_fractions([[0]]), RationalArray.from_fractions([0, 0]))
    top = LayerWeights(RationalArray.from_fractions([[3], [-2]]), RationalArray.from_fractions([1]))
    inst = surface_instance(net, [[1, 2], [3, -1]], [[1], [2]], Weights((W, flat, top)))
    exact = Surface(inst, ExactDomain(), point_of(inst, ExactDomain()))
    with ctx.workprec(150):
        balls = Surface(inst, BallDomain(), point_of(inst, BallDomain()))
        for ours, ball in zip(exact.flat_gradient(), balls.flat_gradient(), strict=True):
            assert ours.ball().overlaps(ball)
        for ours, ball in zip(exact.hessian().ravel(), balls.hessian().ravel(), strict=True):
            assert ours.ball().overlaps(ball)
    moved = LayerWeights(RationalArray.from_fractions([[1]]), inst.weights.layers[0].b)
    other = Instance(net, inst.samples, Weights((moved, flat, top)))
    with pytest.raises(UndecidedError):
        Surface(other, ExactDomain(), point_of(other, ExactDomain()))


def test_kinks_are_listed_unless_they_do_no_harm():
    """ReLU at 0: a kink where the loss feels the unit, none where dPhi/df = 0."""
    net = network([1], {**DENSE, "units": 1, "activation": "relu"}, {**DENSE, "units": 1})
    for out, kinks in ((1, [Kink(1, 0, 0)]), (0, [])):
        weights = given(net, ([[1]], [0]), ([[out]], [0]))
        inst = surface_instance(net, [[0]], [[5]], weights)
        assert Surface(inst, ExactDomain(), point_of(inst, ExactDomain())).kinks == kinks
    pooled = network([2], {"kind": "maxpool", "kernel": 2}, {**DENSE, "units": 1})
    tie = Instance(pooled, exactcnn.samples([[1, 1]], [[5]]), given(pooled, None, ([[2]], [0])))
    surface = Surface(tie, ExactDomain(), point_of(tie, ExactDomain()))
    assert surface.kinks == []  # data do not move
    assert surface.smooth
    moving = network(
        [1],
        {**DENSE, "units": 2, "activation": "identity"},
        {"kind": "maxpool", "kernel": 2},
        {**DENSE, "units": 1},
    )
    tie = Instance(
        moving, exactcnn.samples([[1]], [[5]]), given(moving, ([[1, 1]], [0, 0]), None, ([[2]], [0]))
    )
    surface = Surface(tie, ExactDomain(), point_of(tie, ExactDomain()))
    assert surface.kinks == [Kink(2, 0, 0)]
    assert not surface.smooth


def graph_case(seed, activations):
    """A residual sum, an average, a concatenation and a scale, activations on most of them."""
    act = rng(seed).choice(activations)
    net = network(
        [3], {**DENSE, "units": 2, "activation": act, "name": "a", "bias": "none"},
        {**DENSE, "units": 2, "activation": "identity", "bias": "none"},
        {"kind": "add", "of": ["a", 2], "activation": act},
        {"kind": "avgpool", "patches": [[0, 1]]},
        {"kind": "concat", "axis": "units", "of": [3, 4]},
        {"kind": "scale", "factors": ["2/3"], "shifts": ["1/5"], "activation": act},
        {**DENSE, "units": 1, "bias": "none"},
    )  # fmt: skip
    return surface_instance(
        net, random_rows(rng(seed), 2, 3, -2, 2), [[1], [-1]], Weights.from_seed(net, seed, 3)
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["square", "gelu", "tanh"])
def test_graphs_have_the_derivatives_of_their_definition(seed, activation):
    """Loss, gradient and Hessian of a graph against differences of 60 digits, its layers written out."""
    inst = graph_case(seed, [activation])
    with ctx.workprec(200):
        surface = Surface(inst, BallDomain(), point_of(inst, BallDomain()))
        gradient, hessian = surface.flat_gradient(), surface.hessian()
    sigma = {
        "square": lambda t: t * t,
        "gelu": lambda t: t * (1 + mpmath.erf(t / mpmath.sqrt(2))) / 2,
        "tanh": mpmath.tanh,
    }[activation]

    def number(q):
        return mpmath.mpf(q.numerator) / q.denominator

    def loss(w):
        total = mpmath.mpf(0)
        for x, y in zip(inst.samples.x.to_fractions(), (1, -1), strict=True):
            a = [sigma(sum(number(x[r]) * w[2 * r + t] for r in range(3))) for t in range(2)]
            block = [sigma(a[t] + sum(a[r] * w[6 + 2 * r + t] for r in range(2))) for t in range(2)]
            row = [*block, sum(block) / 2]
            last = [sigma(t * 2 / 3 + mpmath.mpf(1) / 5) for t in row]
            total += (sum(v * w[10 + r] for r, v in enumerate(last)) - y) ** 2 / 2
        return total

    with mpmath.workdps(60):
        at = [
            number(v)
            for entry in inst.weights.layers
            if entry is not None
            for row in entry.W.to_fractions()
            for v in row
        ]
        step = mpmath.mpf(10) ** -15

        def moved(*places):
            return loss(
                [v + step * sum(sign for place, sign in places if place == i) for i, v in enumerate(at)]
            )

        assert abs(float(surface.loss) - loss(at)) < 1e-12 * (1 + abs(loss(at)))
        for i in range(len(at)):
            slope = (moved((i, 1)) - moved((i, -1))) / (2 * step)
            assert abs(float(gradient[i]) - slope) < 1e-12 * (1 + abs(slope))
            for j in (i, (i + 5) % len(at)):
                ends = (
                    moved((i, 1), (j, 1))
                    - moved((i, 1), (j, -1))
                    - moved((i, -1), (j, 1))
                    + moved((i, -1), (j, -1))
                )
                bend = ends / (4 * step**2)
                assert abs(float(hessian[i, j]) - bend) < 1e-12 * (1 + abs(bend))


@pytest.mark.parametrize(
    "coefficients, sign", [((0, 0), 0), ((-1, 0), -1), ((0, 1), 1), ((1, -1), 1), ((-7, 10), -1)]
)
def test_signs_in_q_of_ln_2(coefficients, sign):
    """10 ln 2 = 6.93.. < 7, and so on."""
    assert ln_two(*coefficients).sign() == sign
