"""Ranges and decay bounds of single rules, at the places where a slip would make them unsound."""

import mpmath
import pytest
from mpmath import mp, mpf

from exactcnn.activations import Activation
from exactcnn.activations.decay import HalfLine, growth_constants
from exactcnn.activations.expressions import parse_expression
from exactcnn.activations.intervals import Interval
from exactcnn.activations.ranges import NoValueError, analyse
from exactcnn.activations.samples import probed
from exactcnn.errors import UndecidedError

POINTS = [mpf(i) / 8 for i in range(400)]


def number(value):
    return mpf(value.numerator) / value.denominator


# (expression, the same function for mpmath)
DECAYING = [
    ("exp(t + 1/3)", lambda t: mp.exp(t + mpf(1) / 3)),
    ("exp(2*t - 7/5)", lambda t: mp.exp(2 * t - mpf(7) / 5)),
    ("exp(-t**2)", lambda t: mp.exp(-t * t)),
    ("exp(-t**4 - 3*t**3 + t)", lambda t: mp.exp(-(t**4) - 3 * t**3 + t)),
    ("exp(2 + t/2 - t**2/9)", lambda t: mp.exp(2 + t / 2 - t * t / 9)),
    ("1/cosh(t - 2/7)", lambda t: 1 / mp.cosh(t - mpf(2) / 7)),
    ("t**3/(1 + exp(-2*t + 1/3))", lambda t: t**3 / (1 + mp.exp(-2 * t + mpf(1) / 3))),
    ("erf(exp(t))", lambda t: mp.erf(mp.exp(t))),
    ("sqrt(exp(t) + exp(3*t))", lambda t: mp.sqrt(mp.exp(t) + mp.exp(3 * t))),
    ("(1 + exp(-t))**(-5/2)", lambda t: (1 + mp.exp(-t)) ** mpf(-2.5)),
    ("Min(t, 0)*exp(t)", lambda t: min(t, mpf(0)) * mp.exp(t)),
    ("Max(-t, 0)*exp(t)", lambda t: max(-t, mpf(0)) * mp.exp(t)),
]
GROWING = [
    ("sqrt(1 + t**2)", lambda t: mp.sqrt(1 + t * t)),
    ("5*log(1 + exp(t))", lambda t: 5 * mp.log(1 + mp.exp(t))),
    ("log(2 + 3*t**2 + exp(4*t))", lambda t: mp.log(2 + 3 * t * t + mp.exp(4 * t))),
    ("Max(t, 3) - Min(t, 1/2)", lambda t: max(t, mpf(3)) - min(t, mpf("0.5"))),
    ("sinh(t/2 + 1/3)", lambda t: mp.sinh(t / 2 + mpf(1) / 3)),
]


@pytest.mark.parametrize(("text", "function"), DECAYING + GROWING, ids=[row[0] for row in DECAYING + GROWING])
def test_upper_bounds_are_upper_bounds(text, function):
    node = parse_expression(text)
    decays = (text, function) in DECAYING
    with mpmath.workdps(60):
        for side in (-1, 1):
            terms = HalfLine(side).upper(node)
            if side == -1 and decays:
                assert terms is not None
                assert all(r > 0 for _, _, r in terms)
            for s in POINTS if terms is not None else []:
                bound = sum(
                    (number(c) * s ** number(k) * mp.exp(-number(r) * s) for c, k, r in terms), mpf(0)
                )
                assert abs(function(side * s)) <= bound * (1 + mpf(10) ** -50), (side, s)


@pytest.mark.parametrize(("text", "function"), DECAYING, ids=[row[0] for row in DECAYING])
def test_growth_constants_are_constants(text, function):
    node = parse_expression(text)
    rho = growth_constants(HalfLine(-1).upper(node), HalfLine(1).upper(node))
    if rho is None:
        assert text in (
            "exp(t + 1/3)",
            "exp(2*t - 7/5)",
            "sqrt(exp(t) + exp(3*t))",
            "t**3/(1 + exp(-2*t + 1/3))",
        )
        return
    with mpmath.workdps(60):
        a, b, c, d = map(number, rho)
        for s in POINTS[1:]:
            assert abs(function(-s)) <= a * mp.exp(-b * s), s
            assert abs(function(s)) <= c * s + d, s


def test_linear_growth_with_a_steep_slope():
    """log of e^(4t) grows like 4 t: the slope must be in the constants."""
    terms = HalfLine(1).upper(parse_expression("log(1 + exp(4*t))"))
    assert sum(c for c, k, r in terms if k == 1 and r == 0) >= 4


@pytest.mark.parametrize(
    "text",
    ["sqrt(t)", "sqrt(sin(t))", "sqrt(t + exp(t))", "log(t)", "log(t**2)", "1/sin(t)", "1/(1 + t)", "t**(-2)",
     "t**(1/2)", "sin(t)**(-1/2)", "(1 + sin(t))**(-1/2)", "(t - 1)**t"],
)  # fmt: skip
def test_what_may_be_undefined_is_not_called_defined(text):
    try:
        assert analyse(parse_expression(text)) is None
    except NoValueError:
        pytest.fail("it is defined at some points")


@pytest.mark.parametrize(
    ("text", "analytic"),
    [
        ("sqrt(t**2)", False),
        ("sqrt(t**2 + 1)", True),
        ("(t**2)**(3/2)", False),
        ("(t**2 + 1)**(3/2)", True),
        ("abs(t**2)", True),
        ("abs(t**3)", False),
        ("abs(-1 - t**2)", True),
        ("Max(exp(t), 0)", True),
        ("Min(exp(t), 0)", True),
        ("Max(exp(t), 1)", False),
        ("Max(sin(t), 2)", True),
        ("1/(t**2 - t + 1)", True),
        ("1/(t**4 + 1) + log(t**2 + t + 1)", True),
    ],
)
def test_analytic_only_away_from_kinks_and_branch_points(text, analytic):
    assert analyse(parse_expression(text)).analytic is analytic


@pytest.mark.parametrize(
    "text", ["t - t", "t*(t - 1) - t**2 + t", "t**2 - t**2", "t**3 - 1", "t**2 - 2*t + 1"]
)
def test_sums_that_vanish_somewhere_contain_zero(text):
    assert analyse(parse_expression(text)).range.contains_zero


def test_open_ends():
    """Strict inequalities where they hold, and only there."""
    for text, positive in (("exp(t)", True), ("1 + tanh(t)", True), ("1 + sin(t)", False), ("t**2", False),
                           ("1 - exp(-t**2)", False), ("1 - tanh(t)**2", True), ("exp(t)*t**2", False),
                           ("exp(t)/(1 + exp(t))**2", True), ("cosh(t) - 1", False)):  # fmt: skip
        assert analyse(parse_expression(text)).range.is_positive is positive, text
    unit = analyse(parse_expression("exp(-t**2)")).range
    assert (unit.low, unit.high, unit.low_open, unit.high_open) == (0, 1, True, False)


def test_interval_powers_and_products():
    one_two, around = Interval(-2, 1, False, True), Interval(-3, 3)
    assert one_two.power(2) == Interval(0, 4)
    assert one_two.power(3) == Interval(-8, 1, False, True)
    assert one_two * around == Interval(-6, 6)
    assert Interval(0, 1, True) * Interval(0, None, True) == Interval(0, None, True)
    assert Interval(0, 1) * Interval(0, None, True) == Interval(0, None)
    assert Interval(None, -2, True, True).reciprocal() == Interval(-0.5, 0, True, True)
    assert one_two.magnitude() == Interval(0, 2)
    assert Interval(-1, 2, False, True).magnitude() == Interval(0, 2, False, True)


def test_a_ball_is_finite_at_every_step():
    """1/(1 + e^(e^t)) overflows inside at t = 2^100: no answer, although the value is nearly 0."""
    import flint

    activation = Activation.from_json({"name": "custom", "expression": "1/(1 + exp(exp(exp(t))))"})
    assert activation.ball(flint.arb(1)).is_finite()
    with pytest.raises(UndecidedError):
        activation.ball(flint.arb(2) ** 100)
    branch = Activation.from_json({"name": "custom", "expression": "atan(1/t)"})
    with pytest.raises(UndecidedError):
        branch.ball(flint.arb(0, 1))


def test_a_bounded_function_does_not_pass_for_an_unbounded_one():
    """5 - 1/(1 + t^2) rises for ever, and stays below 5."""
    assert probed(parse_expression("5 - 1/(1 + t**2)"), 1, "oo").kind == "unknown"
    assert probed(parse_expression("5 - 1/(1 + t**2)"), 1, "5").kind == "finite"
