"""Built-in activations: every entry of the table against mpmath, SymPy and FORMAT.md.

mpmath knows each function by a formula written here, not by the library's.  Each numerical
test has a control: a wrong claim that the same test must refuse.
"""

import pickle
import re
import subprocess
import sys
from dataclasses import fields, replace
from fractions import Fraction
from itertools import pairwise

import flint
import mpmath
import pytest
import sympy
from mpmath import mp, mpf

from exactcnn.activations import (
    LIBRARY,
    Activation,
    ActivationProperties,
    Limit,
    decide_assumption_3_2,
)
from exactcnn.checker.core.activations import activation as checked
from exactcnn.errors import MalformedError, MisuseError

REFERENCE = {
    "relu": lambda t: t if t > 0 else mpf(0),
    "leaky_relu": lambda t, slope: t if t > 0 else slope * t,
    "identity": lambda t: t,
    "square": lambda t: t * t,
    "sigmoid": lambda t: mp.exp(t) / (mp.exp(t) + 1),
    "tanh": lambda t: 1 - 2 / (mp.exp(2 * t) + 1),
    "silu": lambda t: t * mp.exp(t) / (mp.exp(t) + 1),
    "mish": lambda t: t * ((1 + mp.exp(t)) ** 2 - 1) / ((1 + mp.exp(t)) ** 2 + 1),
    "elu": lambda t, alpha: t if t > 0 else alpha * (mp.exp(t) - 1),
    "gaussian": lambda t: 1 / mp.exp(t * t),
    "softplus": lambda t, alpha: mp.log1p(mp.exp(alpha * t)) / alpha,
    "gelu": lambda t: t * mp.ncdf(t),
    "arctan": lambda t: mp.acot(1 / t) if t else mpf(0),
    "sigmoid2": lambda t: mp.power(2, t) / (1 + mp.power(2, t)),
}

RECORDS = [
    *sorted(LIBRARY),
    {"name": "leaky_relu", "slope": "9/10"},
    {"name": "softplus", "alpha": 5},
    {"name": "softplus", "alpha": "1/7"},
    {"name": "elu", "alpha": "5/2"},
    {"name": "elu", "alpha": "1/3"},
]
CASES = [Activation.from_json(record) for record in RECORDS]
PROPERTIES = [entry.name for entry in fields(ActivationProperties)]
HALF = Fraction(1, 2)

each = pytest.mark.parametrize("activation", CASES, ids=str)


@pytest.fixture(autouse=True)
def _precision():
    with mpmath.workdps(110), flint.ctx.workprec(128):
        yield


def real(value):
    value = Fraction(value)
    return mpf(value.numerator) / value.denominator


def reference(activation):
    values = {key: real(value) for key, value in activation.parameters}
    return lambda t: REFERENCE[activation.name](mpf(t), **values)


def grid(low, high, count):
    return [mpf(low) + (mpf(high) - low) * i / count for i in range(count + 1)]


def formula(activation):
    text = LIBRARY[activation.name].formula
    for key, value in activation.parameters:
        text = re.sub(rf"\b{key}\b", f"({value})", text)
    return text


# Limits


def has_limit(f, side, limit):
    far = [f(side * mpf(10) ** k) for k in (3, 6, 9)]
    if limit.kind == "infinite":
        sign = 1 if limit.value == "oo" else -1
        return all(sign * (b - a) > 1 for a, b in pairwise(far))
    value = mpf(sympy.sympify(limit.value).evalf(100))
    return limit.kind == "finite" and abs(far[-1] - value) < mpf(10) ** -8


@each
def test_limits(activation):
    f = reference(activation)
    for side, limit in ((-1, activation.properties.limit_minus), (1, activation.properties.limit_plus)):
        assert has_limit(f, side, limit), (side, limit)
        wrong = [Limit.finite("0"), Limit.finite("1/3"), Limit.infinite(1), Limit.infinite(-1)]
        assert sum(has_limit(f, side, other) for other in wrong if other != limit) == 0


@each
def test_limits_agree_with_sympy(activation):
    t = sympy.Symbol("t", real=True)
    f = sympy.sympify(formula(activation), {"t": t})
    assert sympy.limit(f, t, -sympy.oo) == sympy.sympify(activation.properties.limit_minus.value)
    assert sympy.limit(f, t, sympy.oo) == sympy.sympify(activation.properties.limit_plus.value)


@each
def test_formulas_are_the_reference(activation):
    """The formula of the table, evaluated by SymPy, and the reference agree: neither is the other's copy."""
    t = sympy.Symbol("t", real=True)
    f, g = sympy.sympify(formula(activation), {"t": t}), reference(activation)
    for point in (-7, -1, Fraction(-1, 3), 0, HALF, 3):
        value = mpf(f.subs(t, sympy.Rational(str(point))).evalf(60))
        assert abs(value - g(real(point))) < mpf(10) ** -50


# Growth


def respects(f, rho):
    r1, r2, r3, r4 = map(real, rho)
    left = all(abs(f(t)) <= r1 * mp.exp(r2 * t) for t in grid(-40, 0, 800)[:-1])
    return left and all(abs(f(t)) <= r3 * t + r4 for t in [*grid(0, 40, 800), mpf(10) ** 6])


@each
def test_growth_inequality(activation):
    p = activation.properties
    if p.growth is None:
        assert p.growth_refuted
        return
    assert respects(reference(activation), p.growth)


@pytest.mark.parametrize(
    ("name", "rho"),
    [
        ("relu", (1, 1, HALF, 1)),
        ("sigmoid", (HALF, 1, 1, 1)),
        ("silu", (1, 1, 1, 1)),
        ("mish", (1, 1, 1, 1)),
        ("gelu", (Fraction(1, 10), 1, 1, 1)),
        ("softplus", (1, 2, 1, 1)),
        ("softplus", (1, 1, 1, HALF)),
        ("gaussian", (1, 1, 1, 1)),
        ("tanh", (10, Fraction(1, 10), 1, 1)),
    ],
)
def test_growth_control(name, rho):
    """The grid is fine enough to see that smaller constants fail."""
    assert not respects(reference(Activation.from_json(name)), rho)


@each
def test_growth_is_refuted_for_the_reason_given(activation):
    """sigma is bounded away from 0 at -infinity, where rho_1 e^(rho_2 t) is not."""
    if activation.properties.growth_refuted:
        f = reference(activation)
        assert all(abs(f(-(mpf(10) ** k))) > real("1/100") for k in range(1, 12))
        assert activation.properties.limit_minus.is_zero is not True
    else:
        assert activation.properties.limit_minus.is_zero


def accepted(activation, rho):
    """The inequalities of FORMAT.md's Lemma 17, for the constants that a proof gives."""
    r1, r2, r3, r4 = rho
    alpha = dict(activation.parameters).get("alpha", Fraction(1))
    return {
        "relu": r3 >= 1,
        "softplus": r1 >= 1 / alpha and r2 <= alpha and r3 >= 1 and r4 >= 1 / alpha,
        "silu": r1 >= 1 and r2 <= HALF and r3 >= 1,
        "mish": r1 >= 1 and r2 <= HALF and r3 >= 1,
        "gelu": r1 >= 2 and r2 <= 1 and r3 >= 1,
    }.get(activation.name, False)


PROVED_A, PROVED_B = {"sigmoid", "gaussian", "sigmoid2"}, {"relu", "softplus", "silu", "gelu", "mish"}


@each
def test_assumption_3_2(activation):
    """The verdicts of FORMAT.md's Lemma 17; case b with constants that fit its inequalities."""
    decision = decide_assumption_3_2(activation.properties)
    if activation.name in PROVED_A:
        assert (decision.verdict, decision.case) == ("proved", "a")
    elif activation.name in PROVED_B:
        assert (decision.verdict, decision.case) == ("proved", "b")
        assert accepted(activation, activation.properties.growth)
    else:
        assert activation.name in {"tanh", "elu", "identity", "leaky_relu", "square", "arctan"}
        assert (decision.verdict, decision.case) == ("refuted", None)
    assert decision.reason.endswith(".")
    assert "\n" not in decision.reason


@each
def test_the_checkers_table_says_the_same(activation):
    """Limits or growth, analytic, slopes without zeros: what is written in the checker's row is what is derived here."""
    row, p = checked(activation.to_certificate(), "here"), activation.properties
    assert row.has("limits") == (activation.name in PROVED_A)
    assert row.has("growth") == (activation.name in PROVED_B)
    assert row.has("analytic") == p.real_analytic
    if activation.name == "elu":  # steep for alpha = 1 only
        assert row.has("steep") == (dict(activation.parameters)["alpha"] == 1)
    assert row.has("steep") == (p.derivative_nowhere_zero is True and p.strictly_monotone is True)


# Monotone, differentiable, analytic


@each
def test_monotone(activation):
    values = [reference(activation)(t) for t in grid(-40, 40, 400)]
    rising = all(a < b for a, b in pairwise(values))
    assert rising == activation.properties.strictly_monotone
    assert not all(a > b for a, b in pairwise(values))


def one_sided(f, side, order, h):
    """Forward difference quotient of the given order at 0 from one side."""
    total = sum((-1) ** (order - i) * mp.binomial(order, i) * f(side * i * h) for i in range(order + 1))
    return total / (side * h) ** order


def kink(f, order):
    """Do the one-sided derivatives of this order at 0 differ?"""
    h = mpf(10) ** -12
    return abs(one_sided(f, 1, order, h) - one_sided(f, -1, order, h)) > mpf(10) ** -6


@each
def test_differentiable_and_analytic(activation):
    """The only point in question is 0: a kink in the first derivative, or in one of higher order."""
    f, p = reference(activation), activation.properties
    assert p.differentiable == (not kink(f, 1))
    assert p.real_analytic == (not any(kink(f, order) for order in (1, 2, 3)))


@each
def test_derivative_nowhere_zero(activation):
    """Differences at 120 digits have the derivative's sign; a zero shows as two signs or as |f'(0)| = 0."""
    f, p = reference(activation), activation.properties
    if not p.differentiable:
        assert p.derivative_nowhere_zero is False
        return
    h = mpf(10) ** -40
    slopes = [(f(t + h) - f(t - h)) / (2 * h) for t in grid(-30, 30, 600)]
    if p.derivative_nowhere_zero:
        assert all(slope > mpf(10) ** -70 for slope in slopes)
    else:
        assert any(slope <= 0 for slope in slopes)
        assert any(slope > 0 for slope in slopes)


def test_elu_is_smooth_once_only_for_alpha_1():
    smooth, kinked = Activation.from_json("elu"), Activation.from_json({"name": "elu", "alpha": 2})
    assert smooth.properties.differentiable is True
    assert smooth.properties.derivative_nowhere_zero is True
    assert smooth.properties.real_analytic is False
    assert kinked.properties.differentiable is False
    assert kinked.properties.strictly_monotone is True
    assert kink(reference(smooth), 2)
    assert not kink(reference(smooth), 1)


@each
def test_analytic_entries_are_built_from_analytic_functions(activation):
    pieces = {"Max", "Min", "abs", "sqrt("} & set(re.findall(r"Max|Min|abs|sqrt\((?!2)", formula(activation)))
    assert activation.properties.real_analytic == (not pieces)


@each
def test_every_property_is_decided_and_proved(activation):
    p = activation.properties
    for name in PROPERTIES[:8]:
        assert getattr(p, name) not in (None, Limit.unknown())
        assert len(p.proofs[name]) > 8, name
    assert len(p.proofs["growth"]) > 8
    assert set(p.proofs) <= set(PROPERTIES)
    assert p.continuous is True
    assert p.constant is False


@pytest.mark.parametrize("name", ["identity", "sigmoid", "tanh", "softplus", "arctan", "elu"])
def test_strictly_monotone_and_differentiable(name):
    """FORMAT.md 6.6 lists these, and no others."""
    p = Activation.from_json(name).properties
    assert p.strictly_monotone
    assert p.differentiable


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "square", "silu", "gelu", "mish", "gaussian"])
def test_not_both_strictly_monotone_and_differentiable(name):
    p = Activation.from_json(name).properties
    assert not (p.strictly_monotone and p.differentiable)


# Records that contradict themselves, and decisions


def test_contradictions_are_refused():
    good = Activation.from_json("sigmoid").properties
    for wrong in (
        {"differentiable": False},
        {"continuous": False},
        {"strictly_monotone": False},
        {"constant": True},
        {"growth_refuted": True},
        {"growth": (Fraction(1), Fraction(0), Fraction(1), Fraction(1))},
        {"limit_minus": Limit.finite("1")},
        {"growth": None},
    ):
        with pytest.raises(MisuseError):
            replace(good, **wrong)
    with pytest.raises(MisuseError):
        Limit.finite("1/2", zero=True)
    with pytest.raises(MisuseError):
        Limit.infinite(2)
    with pytest.raises(MisuseError):
        Limit("large")


def test_limit_knows_zero():
    assert Limit.finite("0").is_zero is True
    assert Limit.finite("-pi/2").is_zero is False
    assert Limit.finite("log(2) - log(2)").is_zero is None
    assert Limit.infinite(1).is_zero is False
    assert Limit.none().is_zero is False
    assert Limit.unknown().is_zero is None


ZERO, ONE, UP, UNKNOWN, NONE = (
    Limit.finite("0"), Limit.finite("1"), Limit.infinite(1), Limit.unknown(), Limit.none()
)  # fmt: skip
SOME = Limit.finite("log(2) - log(2)")


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "proved"),
        ({"continuous": None}, "undecided"),
        ({"constant": None}, "undecided"),
        ({"constant": True}, "refuted"),
        ({"continuous": False}, "refuted"),
        ({"limit_plus": UP}, "undecided"),
        ({"limit_plus": UP, "growth_refuted": True}, "refuted"),
        ({"limit_plus": NONE, "growth_refuted": True}, "refuted"),
        ({"limit_plus": UNKNOWN, "growth_refuted": True}, "undecided"),
        ({"limit_minus": ONE, "limit_plus": UNKNOWN, "growth_refuted": True}, "undecided"),
        ({"limit_minus": ONE, "limit_plus": SOME, "growth_refuted": True}, "undecided"),
        ({"limit_minus": ONE, "growth_refuted": True}, "refuted"),
        ({"limit_minus": NONE, "limit_plus": UNKNOWN, "growth_refuted": True}, "refuted"),
        ({"limit_minus": SOME, "limit_plus": ZERO}, "proved"),
        ({"limit_minus": SOME}, "undecided"),
        ({"limit_minus": UNKNOWN, "limit_plus": ZERO}, "undecided"),
        ({"continuous": None, "limit_plus": UP, "growth_refuted": True}, "refuted"),
        ({"constant": None, "limit_plus": UP, "growth_refuted": True}, "refuted"),
    ],
)
def test_decision(change, verdict):
    """The base record has limits 0 and 1 and nothing known about growth."""
    base = ActivationProperties(True, False, None, None, None, None, ZERO, ONE)
    assert decide_assumption_3_2(replace(base, **change)).verdict == verdict


# Values


@each
def test_balls_at_points_are_right_and_narrow(activation):
    f = reference(activation)
    for point in (-50, -3, Fraction(-1, 7), 0, Fraction(1, 10**9), HALF, 2, 40):
        exact = Fraction(point)
        ball = activation.ball(flint.arb(flint.fmpq(exact.numerator, exact.denominator)))
        value = flint.arb(mp.nstr(f(real(exact)), 100))
        assert ball.overlaps(value), point
        assert ball.rad() <= abs(value) * flint.arb(2) ** -80 + flint.arb(2) ** -120, point
        assert not ball.overlaps(value + abs(value) * flint.arb(2) ** -60 + flint.arb(2) ** -60)


@each
def test_wide_balls_contain_the_image(activation):
    f = reference(activation)
    for middle, radius in ((0, 5), (-3, 4), (2, HALF), (-20, 1), (0, Fraction(1, 1000))):
        middle, radius = Fraction(middle), Fraction(radius)
        ball = activation.ball(flint.arb(float(middle), float(radius)))
        values = [f(real(middle + radius * Fraction(i, 20))) for i in range(-20, 21)]
        low, high = (flint.arb(mp.nstr(v, 100)) for v in (min(values), max(values)))
        assert ball.is_finite()
        for value in values:
            assert ball.overlaps(flint.arb(mp.nstr(value, 100)))
        assert ball.rad() < 4 * (high - low) + radius.numerator


def test_increasing_functions_have_tight_wide_balls():
    ball = Activation.from_json("tanh").ball(flint.arb(0, 5))
    assert ball < 1
    assert ball > -1
    assert abs(Activation.from_json("sigmoid").ball(flint.arb(-30, 10))) < flint.arb("1e-8")
    assert Activation.from_json("square").ball(flint.arb(0, 2)) < flint.arb("4.001")


@each
def test_balls_survive_extreme_arguments(activation):
    for t in (flint.arb(2) ** 200, -(flint.arb(2) ** 200)):
        assert activation.ball(t).is_finite()
    for t in (flint.arb.nan(), flint.arb.pos_inf(), flint.arb.neg_inf()):
        assert activation.ball(t).is_nan()


@each
def test_rational_values(activation):
    f = reference(activation)
    for t in (Fraction(-7, 3), Fraction(-1), Fraction(0), Fraction(22, 7)):
        if activation.kind == "rational":
            assert abs(real(activation.apply_fraction(t)) - f(real(t))) < mpf(10) ** -100
        else:
            with pytest.raises(MisuseError):
                activation.apply_fraction(t)


def test_kinds_are_those_of_format():
    kinds = {name: LIBRARY[name].kind for name in LIBRARY}
    rational = {"relu", "leaky_relu", "identity", "square"}
    assert {name for name in kinds if kinds[name] == "rational"} == rational
    exponential = {"sigmoid", "tanh", "silu", "elu", "gaussian"}
    assert {name for name in kinds if kinds[name] == "exponential"} == exponential
    assert Activation.from_json({"name": "custom", "expression": "t"}).kind == "other"


# Reading and writing


@each
def test_round_trip(activation):
    assert Activation.from_json(activation.to_json()) == activation
    assert hash(Activation.from_json(activation.to_json())) == hash(activation)
    assert pickle.loads(pickle.dumps(activation)) == activation
    assert pickle.loads(pickle.dumps(activation.properties)) == activation.properties
    assert set(activation.to_json()) == {"name", *LIBRARY[activation.name].defaults}


def test_defaults_and_text():
    assert Activation.from_json("softplus").to_json() == {"name": "softplus", "alpha": "1"}
    assert Activation.from_json("elu").to_json() == {"name": "elu", "alpha": "1"}
    assert Activation.from_json("leaky_relu").to_json() == {"name": "leaky_relu", "slope": "1/100"}
    assert Activation.from_json({"name": "elu", "alpha": "0.50"}).to_json()["alpha"] == "1/2"
    assert Activation.from_json("relu").to_json() == {"name": "relu"}
    assert str(Activation.from_json({"name": "elu", "alpha": 2})) == "elu(alpha=2)"
    custom = Activation.from_json({"name": "custom", "expression": "t/(1+abs(t))"})
    assert custom.to_json() == {"name": "custom", "expression": "t/(1+abs(t))"}
    assert str(custom) == "custom t/(1+abs(t))"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("swish", "leaky_relu, mish, relu"),
        ("ReLU", "leaky_relu, mish, relu"),
        ({}, "no name"),
        ({"name": None}, "no name"),
        ({"name": ["relu"]}, "leaky_relu, mish, relu"),
        (None, "NoneType"),
        (7, "int"),
        (["relu"], "list"),
        ({"name": "relu", "alpha": 1}, "no parameters"),
        ({"name": "softplus", "beta": 1}, "softplus with alpha"),
        ({"name": "softplus", "alpha": 0}, "positive"),
        ({"name": "softplus", "alpha": "-1/2"}, "positive"),
        ({"name": "elu", "alpha": -1}, "positive"),
        ({"name": "elu", "alpha": 0.5}, "quoted rational"),
        ({"name": "elu", "alpha": True}, "bool"),
        ({"name": "elu", "alpha": None}, "NoneType"),
        ({"name": "elu", "alpha": "1/0"}, "not 0"),
        ({"name": "elu", "alpha": "one"}, "rational"),
        ({"name": "leaky_relu", "slope": 1}, "between 0 and 1"),
        ({"name": "leaky_relu", "slope": "0"}, "between 0 and 1"),
        ({"name": "leaky_relu", "slope": "3/2"}, "between 0 and 1"),
        ("custom", "activation.expression"),
        ({"name": "custom", "expression": 3}, "int"),
        ({"name": "custom", "expression": "t", "alpha": 1}, "custom with expression"),
        ({"name": "custom", "expression": ""}, "empty"),
        ({1: 2, "name": "relu"}, "key 1"),
    ],
)
def test_malformed(record, words):
    with pytest.raises(MalformedError) as caught:
        Activation.from_json(record, field="layers[2].activation")
    assert str(caught.value).startswith("layers[2].activation")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("swish",),
        ("elu",),
        ("elu", (("alpha", Fraction(-1)),)),
        ("relu", (("alpha", Fraction(1)),)),
        ("relu", (), "t"),
        ("custom",),
        ("custom", (("alpha", Fraction(1)),), "t"),
    ],
)
def test_constructor_checks_its_invariants(arguments):
    with pytest.raises(MisuseError):
        Activation(*arguments)


def test_a_parameter_of_ten_thousand_digits():
    """Longer than what CPython converts to text by default."""
    alpha = "1/" + "9" * 10_000
    activation = Activation.from_json({"name": "elu", "alpha": alpha})
    assert activation.to_json()["alpha"] == alpha
    assert str(activation) == f"elu(alpha={alpha})"
    assert decide_assumption_3_2(activation.properties).verdict == "refuted"
    softplus = Activation.from_json({"name": "softplus", "alpha": alpha})
    assert decide_assumption_3_2(softplus.properties).verdict == "proved"


def test_import_is_light():
    program = (
        "import sys\n"
        "from exactcnn.activations import LIBRARY, Activation, decide_assumption_3_2 as d\n"
        "for name in LIBRARY: d(Activation.from_json(name).properties)\n"
        "Activation.from_json({'name': 'custom', 'expression': 't'})\n"
        "print(sorted({'sympy', 'flint', 'mpmath'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
