"""Critical points by elimination: published counts, cases by hand, elimination in one variable by SymPy, families."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
import sympy
from flint import arb, ctx, fmpq, fmpz_mpoly_ctx

import exactcnn
from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.elimination import Limits, complex_critical_points, generic_regulariser
from exactcnn.landscape.groebner import groebner_basis
from exactcnn.landscape.ideals import Ideal, saturation
from exactcnn.landscape.inertia import Inertia
from exactcnn.landscape.polynomial_loss import derivative, loss_polynomial
from exactcnn.landscape.solutions import orbits_of
from tests.statements.instances import conv, network, random_rows, rng

CUBE = {"name": "custom", "expression": "t**3 - t"}


def two_layers(d_x, d, d_y, rows, targets, activation="identity", bias="none"):
    dense = {"kind": "dense", "bias": bias}
    net = network([d_x], {**dense, "units": d, "activation": activation}, {**dense, "units": d_y})
    return Instance(net, exactcnn.samples(rows, targets))


def yun_sra_jadbabaie(units):
    half = Fraction(1, 2)
    return two_layers(2, units, 1, [[1, 0], [0, 1], [half, half]], [[0], [0], [1]], "square")


@pytest.mark.parametrize(
    ("d", "d_y", "d_x", "m", "count"),
    [(1, 1, 1, 1, 5), (1, 2, 1, 1, 9), (1, 3, 1, 1, 13), (2, 2, 1, 1, 33),
     (1, 1, 3, 1, 5), (1, 2, 2, 1, 9), (2, 1, 2, 1, 9), (2, 1, 1, 2, 9), (1, 2, 2, 2, 17)],
)  # fmt: skip
def test_linear_networks_with_generic_regularisation(d, d_y, d_x, m, count):
    """Mehta, Chen, Tang, Hauenstein; Bharadwaj and Hosten: d hidden units, d_y outputs; for one sample the number does
    not depend on the inputs.  (Two samples and two inputs are more than one sample.)"""
    r = rng(10 * d + d_y)
    rows = [[r.randint(1, 9) for _ in range(d_x)] for _ in range(m)]
    found = complex_critical_points(
        two_layers(d_x, d, d_y, rows, random_rows(r, m, d_y, 1, 9)), "generic", seed=d
    )
    assert (found.dimension, found.isolated, found.multiplicity) == (0, count, count)
    assert sum(level.isolated for level in found.levels) == count
    assert sum(value.points for value in found.values) == found.real == len(found.points)
    # At the origin every regularised linear network is critical.
    assert any(all(c == (0, 0) for c in p.coordinates) for p in found.points)


def test_equal_lambdas_are_not_generic():
    """Rotations of the two hidden units act: families, and the same question in two variables has 5 answers."""
    found = complex_critical_points(two_layers(1, 2, 1, [[1]], [[3]]), [1, 1, 1, 1])
    assert found.dimension == 1
    assert found.isolated == 1  # the origin
    assert found.points[0].inertia == Inertia(2, 2, 0)


def test_scalar_by_hand():
    """Phi = (a b - 3)^2 / 2 + (a^2 + 4 b^2) / 2: b r + a = a r + 4 b = 0, so a = b = 0 or r^2 = 4.  r = -2: a = 2 b,
    b^2 = 1/2, Phi = 4.  r = 2: a = -2 b, b^2 = -5/2, Phi = -8."""
    found = complex_critical_points(two_layers(1, 1, 1, [[1]], [[3]]), [1, 4])
    assert (found.dimension, found.isolated, found.multiplicity, found.real) == (0, 5, 5, 3)
    assert {level.loss: level.isolated for level in found.levels} == {-8: 2, 4: 2, Fraction(9, 2): 1}
    assert [(v.interval, v.points) for v in found.values] == [((4, 4), 2), ((Fraction(9, 2),) * 2, 1)]
    low, high, origin = found.points
    assert low.inertia == high.inertia == Inertia(2, 0, 0)
    assert origin.inertia == Inertia(1, 1, 0)
    for point, sign in ((low, -1), (high, 1)):
        for interval, square in zip(point.coordinates, (2, Fraction(1, 2)), strict=True):
            ends = sorted(sign * end for end in interval)
            assert ends[0] ** 2 <= square <= ends[1] ** 2
            assert 0 < ends[1] - ends[0] < Fraction(1, 1 << 60)


def test_multiplicity_by_hand():
    """With target 2 the pair of minima meets the origin: 3 points, 5 with multiplicity, the origin degenerate."""
    found = complex_critical_points(two_layers(1, 1, 1, [[1]], [[2]]), [1, 4])
    assert (found.isolated, found.multiplicity, found.real) == (3, 5, 1)
    (origin,) = found.points
    assert (origin.multiplicity, origin.degree, origin.inertia) == (3, 1, Inertia(1, 0, 1))


@pytest.mark.parametrize("activation", ["identity", "square", CUBE], ids=["identity", "square", "cubic"])
@pytest.mark.parametrize("seed", range(4))
def test_against_elimination_of_the_output_weight(activation, seed):
    """One hidden unit: dPhi/db = D(a) b - N(a), so a solves one equation in one variable, which SymPy counts."""
    r = rng(seed)
    rows = random_rows(r, 2, 1, 1, 4)
    targets = random_rows(r, 2, 1, -4, 4)
    lambdas = [Fraction(r.randint(1, 40), 8) for _ in range(2)]
    a, b = sympy.symbols("a b")
    sigma = {"identity": lambda t: t, "square": lambda t: t**2}.get(str(activation), lambda t: t**3 - t)
    phi = sum((b * sigma(a * x) - y) ** 2 for (x,), (y,) in zip(rows, targets, strict=True)) / 2
    phi += (
        sum(sympy.Rational(v.numerator, v.denominator) * s**2 for v, s in zip(lambdas, (a, b), strict=True))
        / 2
    )
    by_b = sympy.Poly(sympy.expand(sympy.diff(phi, b)), b)
    D, N = by_b.coeff_monomial(b), -by_b.coeff_monomial(1)
    assert sympy.gcd(D, N).is_number  # no solution with D(a) = 0
    equation = sympy.Poly(sympy.numer(sympy.cancel(sympy.diff(phi, a).subs(b, N / D))), a)
    found = complex_critical_points(two_layers(1, 1, 1, rows, targets, activation), lambdas)
    while (common := equation.gcd(sympy.Poly(D, a))).degree():
        equation = equation.quo(common)
    assert found.multiplicity == equation.degree()
    assert found.isolated == equation.sqf_part().degree()
    assert found.real == equation.sqf_part().count_roots()
    best = min(
        float(phi.subs({a: root, b: (N / D).subs(a, root)}))
        for root in map(sympy.N, equation.sqf_part().real_roots())
    )
    low, high = found.values[0].interval
    assert float(low) == pytest.approx(best)
    assert low <= high


def test_real_points_are_where_the_gradient_vanishes():
    """Every derivative's enclosure over a point's box contains 0, and the losses' intervals are apart."""
    inst = two_layers(2, 1, 1, [[1, 2], [3, -1]], [[1], [2]], "square", bias="filter")
    lambdas = generic_regulariser(5, seed=3)
    found = complex_critical_points(inst, "generic", seed=3)
    assert found.regulariser == lambdas
    assert found.dimension == 0
    assert found.points
    assert all(p.inertia is not None for p in found.points)
    loss, count = loss_polynomial(inst, 14)
    assert count == found.parameters == 5
    with ctx.workprec(200):
        for point in found.points:
            box = []
            for low, high in point.coordinates:
                ends = [arb(fmpq(v.numerator, v.denominator)) for v in (low, high)]
                box.append(ends[0].union(ends[1]))
            for i, value in enumerate(lambdas):
                total = arb(fmpq(value.numerator, value.denominator)) * box[i]
                for monomial, c in derivative(loss, i).items():
                    term = arb(c)
                    for x, e in zip(box, monomial, strict=True):
                        term *= x**e
                    total += term
                assert total.contains(0)
                assert total.rad() < 1e-12
    values = [v.interval for v in found.values]
    assert all(x[1] < y[0] for x, y in pairwise(values))


def test_family_of_a_linear_network():
    """x = 2, y = 3: the hyperbola 2 a b = 3 of global minima, and the origin."""
    found = complex_critical_points(two_layers(1, 1, 1, [[2]], [[3]]))
    assert (found.dimension, found.isolated, found.multiplicity, found.real) == (1, 1, None, 1)
    assert {level.loss: (level.dimension, level.isolated) for level in found.levels} == {
        0: (1, 0),
        Fraction(9, 2): (0, 1),
    }
    assert found.points[0].inertia == Inertia(1, 1, 0)


def test_families_by_rank():
    """Two units, W_1 W_2 of rank 2 (GL_2: 4 dimensions), 1 (two conjugate losses, 3 dimensions) and 0 (the origin)."""
    rows, targets = [[1, 2], [3, 1], [1, 1]], [[1, 2], [0, 1], [2, 5]]
    found = complex_critical_points(two_layers(2, 2, 2, rows, targets))
    assert (found.dimension, found.isolated) == (4, 1)
    assert [(len(v.polynomial) - 1, v.dimension, v.isolated) for v in found.levels] == [
        (1, 4, 0),
        (1, 0, 1),
        (2, 3, 0),
    ]
    X, Y = sympy.Matrix(rows), sympy.Matrix(targets)
    least = (Y - X * (X.T * X).inv() * X.T * Y).norm() ** 2 / 2
    # Baldi, Hornik: the losses are 1/2 (||Y||^2 - sums of eigenvalues of Y^T P_X Y).
    eigen = (Y.T * X * (X.T * X).inv() * X.T * Y).eigenvals()
    whole = sympy.Rational(sum(v * v for row in targets for v in row), 2)
    assert found.levels[1].loss == Fraction(whole.p, whole.q)
    assert found.levels[0].loss == Fraction(least.p, least.q)
    for value in eigen:
        terms = [sympy.Rational(c.numerator, c.denominator) for c in found.levels[2].polynomial]
        assert sympy.simplify(sum(c * (whole - value / 2) ** i for i, c in enumerate(terms))) == 0


def test_square_network_of_yun_sra_jadbabaie():
    """The bad critical point has loss 1/3, the global minimum 0; scalings of the units leave no point isolated."""
    found = complex_critical_points(yun_sra_jadbabaie(2))
    assert (found.dimension, found.isolated, found.real) == (3, 0, 0)
    losses = {level.loss: level.dimension for level in found.levels}
    assert losses == {0: 3, Fraction(1, 3): 3, Fraction(1, 2): 3, Fraction(8, 15): 3}


def test_one_square_unit_cannot_reach_zero():
    found = complex_critical_points(yun_sra_jadbabaie(1))
    assert (found.dimension, found.isolated) == (1, 0)
    assert [level.loss for level in found.levels] == [Fraction(1, 3), Fraction(1, 2), Fraction(8, 15)]


def test_a_loss_that_does_not_depend_on_the_weights():
    """x = 0: every weight is critical, none isolated."""
    found = complex_critical_points(two_layers(1, 1, 1, [[0]], [[3]]))
    assert (found.dimension, found.isolated) == (2, 0)
    assert [level.loss for level in found.levels] == [Fraction(9, 2)]


def test_convolution():
    """One shared weight w and two output weights, against SymPy's lexicographic basis."""
    net = network(
        [2], conv(1, "square", kernel=1, bias="none"), {"kind": "dense", "units": 1, "bias": "none"}
    )
    inst = Instance(net, exactcnn.samples([[1, 2]], [[3]]))
    lambdas = [Fraction(1, 3), Fraction(2, 5), Fraction(3, 7)]
    w, u, v = symbols = sympy.symbols("w u v")
    phi = (u * w**2 + v * (2 * w) ** 2 - 3) ** 2 / 2
    phi += (
        sum(sympy.Rational(c.numerator, c.denominator) * s**2 for c, s in zip(lambdas, symbols, strict=True))
        / 2
    )
    basis = sympy.groebner([sympy.diff(phi, s) for s in symbols], u, v, w, order="lex")
    eliminant = sympy.Poly(basis.exprs[-1], w)
    assert all(sympy.Poly(e, u, v).total_degree() == 1 for e in basis.exprs[:-1])  # u, v are functions of w
    found = complex_critical_points(inst, lambdas)
    assert found.multiplicity == eliminant.degree()
    assert found.isolated == eliminant.sqf_part().degree()
    assert found.real == eliminant.sqf_part().count_roots()


@pytest.mark.parametrize("seed", range(12))
def test_groebner_bases_against_sympy(seed):
    """Reduced bases are unique up to constants."""
    r = rng(seed)
    names = ("x", "y", "z")
    ring = fmpz_mpoly_ctx.get(names, "degrevlex")
    made = []
    for _ in range(r.randint(2, 3)):
        terms = {
            tuple(r.randint(0, 2) for _ in names): r.choice([-3, -1, 1, 2, 5]) for _ in range(r.randint(2, 3))
        }
        made.append(ring.from_dict(terms))
    ours = groebner_basis(ring, made, Limits())
    symbols = sympy.symbols("x y z")
    theirs = sympy.groebner(
        [sympy.sympify(str(p).replace("^", "**")) for p in made], *symbols, order="grevlex"
    )

    def normal(p):
        return sympy.Poly(sympy.sympify(str(p).replace("^", "**")), *symbols).monic()

    assert {normal(p) for p in ours} == {sympy.Poly(p, *symbols).monic() for p in theirs.exprs}


def q(**terms):
    """A polynomial in x, y: q(x2=1, xy=-1, one=3)."""
    names = {"one": (0, 0), "x": (1, 0), "y": (0, 1), "x2": (2, 0), "xy": (1, 1), "y2": (0, 2), "x3": (3, 0)}
    return {names[key]: fmpq(value) for key, value in terms.items()}


@pytest.mark.parametrize(
    ("generators", "expected"),
    [
        ([q(x2=1), q(xy=1), q(y2=1)], [(1, 3)]),  # not cyclic: every linear form is nilpotent
        ([q(x2=1, x=-1), q(y2=1, y=-1)], [(1, 1)] * 4),  # no variable separates the corners of the square
        ([q(x2=1, y=-1), q(xy=1), q(y2=1)], [(1, 3)]),
        ([q(x2=1, one=-2), q(y2=1, one=-2)], [(2, 1), (2, 1)]),  # (r, r) and (r, -r)
        ([q(x2=1, one=1), q(y=1, x=-1)], [(2, 1)]),
        ([q(x3=1, x2=-1), q(y=1)], [(1, 1), (1, 2)]),
        ([q(x=1), q(x=1, one=-1)], []),
    ],
)  # fmt: skip
def test_orbits(generators, expected):
    """Sizes and multiplicities; the generators vanish on every orbit."""
    ideal = Ideal.generated(2, generators)
    found = orbits_of(ideal)
    assert sorted((o.size, o.multiplicity) for o in found) == expected
    assert ideal.dimension == (0 if expected else -1)
    assert all(o.value(g) == 0 for o in found for g in generators)


def test_saturation():
    """V(x y, x^2 - x) is a line and a point: without x = 0 the point (1, 0) is left, without y = 0 the line."""
    ideal = Ideal.generated(2, [q(xy=1), q(x2=1, x=-1)])
    assert ideal.dimension == 1
    (point,) = orbits_of(saturation(ideal, q(x=1)))
    assert [c[0] for c in point.coordinates] == [1, 0]
    line = saturation(ideal, q(y=1))
    assert line.leading == ((1, 0),)
    assert saturation(ideal, q(one=1)).leading == ideal.leading
    assert saturation(ideal, q(x=1, y=1)).dimension == 1


def test_refusals():
    inst = two_layers(1, 1, 1, [[1]], [[3]])
    with pytest.raises(UndecidedError, match="layer 1: elimination needs polynomial activations, sigmoid"):
        complex_critical_points(two_layers(1, 1, 1, [[1]], [[3]], "sigmoid"))
    pooled = network([2], {"kind": "maxpool", "kernel": 2}, {"kind": "dense", "units": 1})
    with pytest.raises(UndecidedError, match="layer 1 is max-pooling"):
        complex_critical_points(Instance(pooled, exactcnn.samples([[1, 2]], [[3]])))
    with pytest.raises(MisuseError, match="2 rationals"):
        complex_critical_points(inst, [Fraction(1)])
    with pytest.raises(MisuseError, match="generic"):
        complex_critical_points(inst, "random")
    with pytest.raises(UndecidedError, match="3 parameters, the network has 4"):
        complex_critical_points(two_layers(1, 2, 1, [[1]], [[3]]), limits=Limits(variables=3))
    for tight in (
        Limits(polynomials=2),
        Limits(pairs=1),
        Limits(bits=4),
        Limits(terms=2),
        Limits(solutions=4),
    ):
        with pytest.raises(UndecidedError):
            complex_critical_points(inst, "generic", limits=tight)


def test_too_many_critical_values_are_left_open():
    """The families are still counted by dimension, and the origin is still known to be isolated."""
    found = complex_critical_points(two_layers(1, 1, 1, [[2]], [[3]]), limits=replace(Limits(), values=1))
    assert found.levels is None
    assert (found.dimension, found.isolated) == (1, 1)
