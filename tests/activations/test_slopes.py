"""Certified derivatives, what they refuse, and the elementary inequalities that decay bounds rest on."""

from fractions import Fraction

import flint
import mpmath
import pytest
from mpmath import mp, mpf

from exactcnn.activations import derivation
from exactcnn.activations.custom import custom_properties
from exactcnn.activations.decay import HalfLine
from exactcnn.activations.expressions import parse_expression
from exactcnn.activations.slopes import agrees, grid_slopes, slope_of_expression
from exactcnn.errors import UndecidedError

# (expression, the same function for mpmath)
FUNCTIONS = [
    ("exp(2*t) - t", lambda t: mp.exp(2 * t) - t),
    ("log(1 + t*t)", lambda t: mp.log(1 + t * t)),
    ("tanh(t/3)", lambda t: mp.tanh(t / 3)),
    ("sinh(t)/cosh(t)", mp.tanh),
    ("sin(t)*cos(3*t)", lambda t: mp.sin(t) * mp.cos(3 * t)),
    ("atan(1/(1 + t**2))", lambda t: mp.atan(1 / (1 + t**2))),
    ("sqrt(1 + t**4)", lambda t: mp.sqrt(1 + t**4)),
    ("erf(t)", mp.erf),
    ("abs(t)**3", lambda t: abs(t) ** 3),
    ("Max(t, t**2)", lambda t: max(t, t * t)),
    ("Min(t, 1/(4 + t))", lambda t: min(t, 1 / (4 + t))),
    ("(1 + t**2)**(-3/2)", lambda t: (1 + t * t) ** mpf(-1.5)),
    ("(1 + t**2)**t", lambda t: (1 + t * t) ** t),
    ("2**t + pi*t + t**0", lambda t: mpf(2) ** t + mp.pi * t + 1),
    ("t**(-3)", lambda t: t**-3),
]


@pytest.mark.parametrize(("text", "function"), FUNCTIONS, ids=[text for text, _ in FUNCTIONS])
def test_slopes_enclose_the_derivative(text, function):
    node = parse_expression(text)
    with mpmath.workdps(60), flint.ctx.workprec(160):
        for point in ("0.3", "-1.7", "2.5"):
            ball = slope_of_expression(node, flint.arb(point))
            value = flint.arb(mp.nstr(mp.diff(function, mpf(point)), 40))
            slack = flint.arb(0, 1e-15) * (1 + abs(value))
            assert (ball + slack).overlaps(value), point
            assert not (ball + slack).overlaps(value + abs(value) / 10**12 + 1e-12), point
            assert ball.rad() < 1e-30


def test_wide_slopes_contain_all_derivatives():
    """On a ball of radius 1 the answer holds for each of its points."""
    ball = slope_of_expression(parse_expression("t**3 + abs(t)"), flint.arb(2, 1))
    assert all(ball.contains(3 * flint.arb(x) ** 2 + 1) for x in ("1.25", "2", "2.75"))


@pytest.mark.parametrize(
    ("text", "ball"),
    [
        ("abs(t)", (0, 0)),
        ("abs(t)", (1, 2)),
        ("Max(t, 0)", (0, 0)),
        ("Min(t, t**2)", (1, 0)),
        ("sqrt(t)", (0, 0)),
        ("sqrt(t**2)", (0, 0)),
        ("t**(3/2)", (0, 0)),
        ("1/t", (0, 1)),
        ("log(t)", (-1, 0)),
        ("0*(1/t)", (0, 0)),
        ("t + log(-3)", (0, 0)),
    ],
)
def test_no_slope_where_none_is_certain(text, ball):
    with pytest.raises(UndecidedError):
        slope_of_expression(parse_expression(text), flint.arb(*ball))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("exp(-t)/(1 + exp(-t))**2", True),
        ("1/(4*cosh(t/2)**2)", True),
        ("exp(-t)/(1 + exp(-t))**3", False),
        ("1/(4*cosh(t/2)**2) + 1/10**50", False),
        ("1", False),
        ("0", False),
        ("log(t - 10**9)", False),  # nowhere defined on the grid: nothing was compared
    ],
)
def test_forms_of_the_derivative(form, expected):
    slopes = grid_slopes(parse_expression("1/(1 + exp(-t))"))
    assert agrees(parse_expression(form), slopes) is expected


def test_no_points_no_agreement():
    assert not agrees(parse_expression("0"), [])


@pytest.mark.parametrize("wrong", ["1", "0", "exp(t)", "t**2", "-1/(1 + t**2)", "nan", "sign(t)"])
def test_a_wrong_derivative_proves_nothing(monkeypatch, wrong):
    """A computer algebra system that errs must not make a proof."""
    lying = derivation.Derivation(None, None, None, (wrong,))
    monkeypatch.setattr(derivation, "derive_bounded", lambda text: lying)
    custom_properties.cache_clear()
    p = custom_properties("atan(t) + t/10**3")
    custom_properties.cache_clear()
    assert (p.strictly_monotone, p.derivative_nowhere_zero, p.constant) == (None, None, False)


@pytest.mark.parametrize("inner", ["exp(t)", "exp(3*t)", "1/(1 + exp(-t))", "t*exp(t)", "exp(2*t)/9"])
@pytest.mark.parametrize("name", ["sin", "tanh", "atan", "erf", "sinh", "abs"])
def test_linear_bounds_of_functions_at_zero(name, inner):
    """|f(x)| <= C |x| must hold as x -> 0, where its constant is sharp: erf needs C >= 2/sqrt(pi)."""
    terms = HalfLine(-1).upper(parse_expression(f"{name}({inner})"))
    if terms is None:
        assert name == "sinh"  # only of linear forms
        return
    names = {"exp": mp.exp, "__builtins__": {}}
    f = abs if name == "abs" else getattr(mp, name)
    with mpmath.workdps(60):
        for i in range(160):
            s = mpf(i) / 4
            value = abs(f(eval(inner, names, {"t": -s})))
            bound = sum(
                mpf(c.numerator) / c.denominator * (s ** int(k) if k else 1) * mp.exp(-int(r) * s)
                for c, k, r in terms
            )
            assert all(Fraction(x).denominator == 1 for _, k, r in terms for x in (k, r))
            assert value <= bound * (1 + mpf(10) ** -50), (name, inner, s)
