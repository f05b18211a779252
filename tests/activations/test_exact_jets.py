"""Exact jets of written expressions: against SymPy, and the same numbers in the checker."""

import random
from fractions import Fraction

import pytest

from exactcnn.activations import Activation
from exactcnn.activations.exact import exact_jet
from exactcnn.activations.expressions import parse_expression
from exactcnn.checker.core.activations import activation
from exactcnn.checker.core.outcome import Rejected, TooMuch
from exactcnn.checker.landscape.jets import LogTwo, jet
from exactcnn.errors import UndecidedError

HALF = Fraction(1, 2)


# log(2) is ln 2 (no rational: None), and 4**0.5 is written sqrt(4).
CHECKER_ONLY = {("log(t)", None, HALF), ("t**0.5", Fraction(2), Fraction(1, 4))}


def exact(text, point):
    """Value and slope by the checker, over Q."""
    spec = {"name": "custom", "tree": parse_expression(text).to_tree()}
    found = jet(activation(spec, "here"), (Fraction(point),) if point else (), LogTwo())
    return tuple(None if v is None or len(v) > 1 else sum(v, Fraction(0)) for v in found)


RATIONAL = [
    ("(1 + t**3/sqrt(1 + t**6))/2", [Fraction(0)]),
    ("t/sqrt(1 + t**2)", [Fraction(0), Fraction(3, 4), Fraction(-4, 3), Fraction(5, 12)]),
    ("t**5 - 3*t**2 + 1/(t + 7)", [Fraction(0), Fraction(1), Fraction(-22, 7)]),
    ("t**-3 + (t - 2)**0 + 0.25*t", [Fraction(2), Fraction(-1, 3)]),
    ("exp(t**2 - 4)*tanh(t - 2) + log(t - 1) + atan(3*t - 6)", [Fraction(2)]),
    ("E**(t - t) + 2", [Fraction(5)]),
    ("sqrt(sqrt(t**4 + 15))", [Fraction(1), Fraction(-1)]),
]


@pytest.mark.parametrize("text, points", RATIONAL, ids=lambda v: v if isinstance(v, str) else "")
def test_against_sympy_and_the_checker(text, points):
    import sympy

    t = sympy.Symbol("t", real=True)
    sigma = sympy.sympify(text.replace("E**", "exp"), locals={"t": t}, rational=True)
    for point in points:
        found = exact_jet(parse_expression(text), point)
        at = sympy.Rational(point.numerator, point.denominator)
        for order, value in enumerate(found):
            wanted = sympy.simplify(sympy.diff(sigma, t, order).subs(t, at)) if order else sigma.subs(t, at)
            assert sympy.simplify(wanted - sympy.Rational(value.numerator, value.denominator)) == 0
        assert exact(text, point) == found[:2]


@pytest.mark.parametrize(
    "text, point",
    [
        ("1/t", 0), ("t**-1", 0), ("sqrt(t)", 0), ("sqrt(t)", 2), ("sqrt(t)", -4), ("exp(t)", 1), ("log(t)", 2),
        ("erf(t)", 0), ("pi*t", 0), ("t**t", 2), ("t**0.5", 4), ("tanh(t)", HALF),
        ("(((t**64)**64)**64)**64", 3), ("log(t - t)", 1), ("0*exp(t)", 1), ("t*0/(t - 1)", 1),
    ],
)  # fmt: skip
def test_nothing_is_claimed_elsewhere(text, point):
    with pytest.raises(UndecidedError):
        exact_jet(parse_expression(text), Fraction(point))
    # The checker knows values at multiples of ln 2 as well; what it says is true, or nothing.
    try:
        value, slope = exact(text, Fraction(point))
    except (Rejected, TooMuch):
        return
    assert (text, value, slope) in CHECKER_ONLY


def test_kinks_are_left_to_balls():
    for text in ("abs(t)", "Max(t, 0)", "Min(t, 1)", "sin(t)"):
        with pytest.raises(UndecidedError):
            exact_jet(parse_expression(text), Fraction(3))


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("(1 + t**3/sqrt(1 + t**6))/2", (False,)),
        ("(t - 7/3)**3", (False,)),
        ("t**3 + 3*t", (True,)),
        ("t/sqrt(1 + t**2)", (True,)),
        ("(t - exp(1))**3", (False, None)),  # its only flat point is irrational
        ("t**5 + t**3/7 + t/1000", (True, None)),
    ],
)
def test_slopes_without_zeros_are_never_decided_wrongly(text, wanted):
    properties = Activation("custom", (), text).properties
    assert properties.derivative_nowhere_zero in wanted


def test_the_witness_is_named():
    properties = Activation("custom", (), "(1 + t**3/sqrt(1 + t**6))/2").properties
    assert properties.strictly_monotone is True
    assert properties.proofs["derivative_nowhere_zero"] == "Exact differentiation over Q gives 0 at t = 0."


def random_text(r, depth):
    if depth == 0:
        return r.choice(["t", "t", str(r.randint(0, 3)), "0.5", "(t - 1)"])
    a = random_text(r, depth - 1)
    op = r.choice(["+", "-", "*", "/", "**", "-u", "exp", "log", "tanh", "atan", "sqrt", "square-root"])
    if op in "+-*/":
        return f"({a}{op}{random_text(r, depth - 1)})"
    if op == "**":
        return f"({a})**{r.choice(['2', '3', '-1', '0', '(-2)'])}"
    if op == "square-root":
        return f"sqrt(({a})**2)"
    return f"(-{a})" if op == "-u" else f"{op}({a})"


def test_random_expressions_against_balls_and_the_checker():
    """Where the prover has an exact jet, certified balls hold it and the checker computes the same."""
    from flint import arb, ctx, fmpq

    from exactcnn.activations.balls import ball_of_expression, ball_of_fraction
    from exactcnn.activations.slopes import slope_of_expression
    from exactcnn.errors import MalformedError

    r = random.Random(5)
    known = functions = 0
    for _ in range(3000):
        text, point = random_text(r, r.randint(1, 4)), Fraction(r.randint(-3, 3), r.choice([1, 1, 2]))
        try:
            node = parse_expression(text)
            value, slope, _ = exact_jet(node, point)
        except (MalformedError, UndecidedError):
            continue
        known += 1
        functions += any(name in text for name in ("exp", "log", "tanh", "atan", "sqrt"))
        assert exact(text, point) == (value, slope), text
        with ctx.workprec(128):
            for ball, number in (
                (ball_of_expression(node, ball_of_fraction(point)), value),
                (slope_of_expression(node, ball_of_fraction(point)), slope),
            ):
                assert (ball - arb(fmpq(number.numerator, number.denominator))).contains(0), text
    assert known > 500
    assert functions > 50
