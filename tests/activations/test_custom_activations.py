"""Custom activations: what is proved is true, what is false is refuted, the rest is undecided.

SymPy is asked in this process, except where the child process itself is the subject.  The
structural rules (ranges, decay) are tested on random expressions against mpmath.
"""

import re
import time
from fractions import Fraction

import flint
import mpmath
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from exactcnn.activations import LIBRARY, Activation, Limit, decide_assumption_3_2, derivation
from exactcnn.activations.custom import custom_properties
from exactcnn.activations.decay import HalfLine, growth_constants
from exactcnn.activations.expressions import parse_expression
from exactcnn.activations.intervals import REAL_LINE, Interval
from exactcnn.activations.ranges import NoValueError, analyse, count_real_roots, polynomial
from exactcnn.activations.samples import probed
from exactcnn.errors import MalformedError, UndecidedError

IN_A_CHILD = derivation.derive_bounded


@pytest.fixture(autouse=True)
def _sympy_in_this_process(monkeypatch):
    monkeypatch.setattr(derivation, "derive_bounded", derivation.derive)


def properties(text):
    return Activation.from_json({"name": "custom", "expression": text}).properties


# (expression, verdict of 3.2 and case, analytic, strictly monotone, derivative nowhere zero, limits)
TABLE = [
    ("1/(1+exp(-t))", "proved a", True, True, True, "0", "1"),
    ("1/(1 + E**(-t))", "proved a", True, True, True, "0", "1"),
    ("1/(1 + 2**-t)", "proved a", True, True, True, "0", "1"),
    ("atan(t)+pi/2", "proved a", True, True, True, "0", "pi"),
    ("atan(t)", "refuted", True, True, True, "-pi/2", "pi/2"),
    ("exp(-t**2)", "proved a", True, False, False, "0", "0"),
    ("exp(-exp(-t))", "proved a", True, True, True, "0", "1"),
    ("1/cosh(t)", "proved a", True, False, False, "0", "0"),
    ("t/(t**2 + t + 1)", "proved a", True, False, False, "0", "0"),
    ("(1+t**3/sqrt(1+t**6))/2", "proved a", True, True, False, "0", "1"),
    ("log(1+exp(t))", "proved b", True, True, True, "0", "oo"),
    ("t/(1+exp(-t))", "proved b", True, False, False, "0", "oo"),
    ("Max(t, 0)", "proved b", None, False, None, "0", "oo"),
    ("Min(Max(t, 0), 6)", "proved b", None, False, None, "0", "unknown"),
    ("sin(exp(t))", "proved b", True, False, False, "0", "unknown"),
    ("t", "refuted", True, True, True, "-oo", "oo"),
    ("t**2", "refuted", True, False, False, "oo", "oo"),
    ("t**3", "refuted", True, True, False, "-oo", "oo"),
    ("t + sin(t)", "refuted", True, True, None, "-oo", "oo"),
    ("tanh(t)", "refuted", True, True, True, "-1", "1"),
    ("sin(t)", "refuted", True, False, False, "none", "none"),
    ("exp(sin(t/2) + cos(3*t - 1))", "refuted", True, False, False, "none", "none"),
    ("abs(t)", "refuted", None, False, None, "oo", "oo"),
    ("Max(t, t/100)", "refuted", None, None, None, "-oo", "oo"),
    ("t/(1+abs(t))", "refuted", None, None, None, "-1", "1"),
    ("exp(t)", "refuted", True, True, True, "0", "oo"),
    ("t**3*exp(t)/(1+exp(t))", "refuted", True, False, False, "0", "oo"),
    ("2", "refuted", True, False, False, "2", "2"),
    ("t - t", "refuted", True, False, False, "t - t", "t - t"),
    ("1/t", "refuted", False, None, False, "unknown", "unknown"),
    ("sin(t)/t", "refuted", False, None, False, "unknown", "unknown"),
    ("1/(t - 3)", "refuted", False, None, False, "unknown", "unknown"),
    ("sqrt(t)", "refuted", False, None, False, "unknown", "unknown"),
    ("log(t)", "refuted", False, None, False, "unknown", "unknown"),
    ("sqrt(1 + t**2) + t", "undecided", True, None, None, "0", "oo"),
    ("sin(t)**2 + cos(t)**2", "refuted", True, False, False, "unknown", "unknown"),
    ("t**(1/3)", "undecided", None, None, None, "unknown", "unknown"),
    ("(t**2)**t", "undecided", None, None, None, "unknown", "unknown"),
    ("1/(t**2 - 2)", "undecided", None, None, None, "unknown", "unknown"),
    ("log(t + sqrt(1 + t**2))", "undecided", None, None, None, "unknown", "unknown"),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_known_expressions(row):
    text, verdict, analytic, monotone, nowhere_zero, minus, plus = row
    p = properties(text)
    decision = decide_assumption_3_2(p)
    assert " ".join(filter(None, (decision.verdict, decision.case))) == verdict, decision
    assert (p.real_analytic, p.strictly_monotone, p.derivative_nowhere_zero) == (
        analytic,
        monotone,
        nowhere_zero,
    )
    assert (str(p.limit_minus), str(p.limit_plus)) == (minus, plus)
    for name in ("continuous", "constant", "real_analytic", "strictly_monotone", "differentiable",
                 "derivative_nowhere_zero"):  # fmt: skip
        assert getattr(p, name) is None or len(p.proofs[name]) > 8, name


def test_constants_that_do_not_look_it():
    """SymPy's derivative 0 makes a constant only with certified derivatives that agree."""
    assert properties("sin(t)**2 + cos(t)**2").constant is True
    assert properties("exp(t)*exp(-t)").constant is True
    assert properties("sin(t)**2 + cos(t)**2 + exp(-t**2)/10**30").constant is False
    assert properties("cos(t)**2 + exp(-100*(1 + t**2))/2**40").constant is False


def test_the_slow_undecided_case_is_not_refuted_as_discontinuous():
    """1/(t^2 - 2) has its poles at irrational points, which no rule here finds."""
    assert properties("1/(t**2 - 2)").continuous is None
    assert "0" in properties("1/t").proofs["continuous"]


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_custom_never_contradicts_the_table(name):
    """Each builtin's formula as a custom expression: the same answer, or none."""
    activation = Activation.from_json(name)
    text = LIBRARY[name].formula
    for key, value in activation.parameters:
        text = re.sub(rf"\b{key}\b", f"({value})", text)
    known, found = activation.properties, properties(text)
    for field in ("continuous", "constant", "real_analytic", "strictly_monotone", "differentiable",
                  "derivative_nowhere_zero", "growth_refuted"):  # fmt: skip
        assert getattr(found, field) in (None, getattr(known, field)), field
    assert found.limit_minus == known.limit_minus
    assert found.limit_plus == known.limit_plus
    custom, table = decide_assumption_3_2(found).verdict, decide_assumption_3_2(known).verdict
    assert custom == table or (custom, name) == ("undecided", "gelu")
    ball = Activation.from_json({"name": "custom", "expression": text}).ball(flint.arb("0.3"))
    assert ball.overlaps(activation.ball(flint.arb("0.3")))
    assert ball.rad() < 1e-10


@pytest.mark.parametrize(
    "text", ["t/(1+exp(-t))", "log(1+exp(t))", "t*tanh(log(1+exp(t)))", "1/cosh(t)", "sin(exp(t))"]
)
def test_custom_growth_constants_hold(text):
    rho_1, rho_2, rho_3, rho_4 = map(real, properties(text).growth)
    f = reference(text)
    with mpmath.workdps(60):
        for i in range(1, 300):
            s = mpf(i) / 8
            assert abs(f(-s)) <= rho_1 * mp.exp(-rho_2 * s)
            assert abs(f(s)) <= rho_3 * s + rho_4


# A computer algebra system that errs must not make a proof


@pytest.mark.parametrize(
    "wrong", ["0", "1/2", "-1", "oo", "-oo", "99/100", "1 - 1/10**6", "nan", "zoo", "sign(t)", "I"]
)
def test_a_wrong_limit_is_undecided(monkeypatch, wrong):
    right = derivation.derive("1/(1+exp(-t))")
    lying = derivation.Derivation(wrong, wrong, None, right.derivatives)
    monkeypatch.setattr(derivation, "derive_bounded", lambda text: lying)
    custom_properties.cache_clear()
    p = custom_properties("(1+t/sqrt(1+t**2))/2")
    assert str(p.limit_plus) == "unknown"
    assert wrong == "0" or str(p.limit_minus) == "unknown"
    assert decide_assumption_3_2(p).verdict == "undecided"
    custom_properties.cache_clear()


def test_without_sympy_structure_still_decides(monkeypatch):
    monkeypatch.setattr(derivation, "derive_bounded", lambda text: derivation.NOTHING)
    custom_properties.cache_clear()
    verdicts = {
        text: decide_assumption_3_2(custom_properties(text)).verdict
        for text in ("1/(1+exp(-t))", "log(1+exp(t))", "sin(t)", "tanh(t)", "exp(-t**2)")
    }
    assert list(verdicts.values()) == ["proved", "proved", "refuted", "undecided", "proved"]
    custom_properties.cache_clear()


def test_probes():
    slow, near = parse_expression("1/log(2 + t**2)"), parse_expression("1/200 + 1/(1 + t**2)")
    assert probed(slow, 1, "0") == Limit.finite("0")
    assert probed(near, 1, "0").kind == "unknown"  # the limit 1/200 is near, but the values do not shrink
    assert probed(near, 1, "1/200") == Limit.finite("1/200")
    assert probed(parse_expression("5 - exp(-t)"), 1, "oo").kind == "unknown"
    assert probed(parse_expression("log(log(3 + t**2))"), -1, "oo") == Limit.infinite(1)
    assert probed(parse_expression("log(log(3 + t**2))"), -1, "-oo").kind == "unknown"
    assert probed(parse_expression("exp(exp(exp(t)))"), 1, "oo").kind == "unknown"  # too large to probe
    assert probed(parse_expression("t"), 1, None).kind == "unknown"


def test_the_child_process(monkeypatch):
    """Answers come back; a time limit, a crash and noise on its output end in 'no answer'."""
    found = IN_A_CHILD("tanh(t)")
    assert (found.minus, found.plus) == ("-1", "1")
    assert found.derivatives[0] == "1 - tanh(t)**2"
    line = """print('["plus", "1"]', flush=True);"""
    for program, plus in (
        (f"import time; {line} time.sleep(60)", "1"),
        (f"{line} print('noise'); print('[1, 2]'); print('[[], {{}}]')", "1"),
        (f"{line} print('[\"minus\", \"0\"', end='')", "1"),
        ("raise SystemExit(3)", None),
    ):
        monkeypatch.setattr(derivation, "_PROGRAM", program)
        start = time.monotonic()
        assert IN_A_CHILD("tanh(t)", 0.5) == derivation.Derivation(plus=plus)
        assert time.monotonic() - start < 5
    monkeypatch.setattr(derivation.sys, "executable", "/nonexistent/python")
    assert IN_A_CHILD("tanh(t)") == derivation.NOTHING


# Reading


HOSTILE = [
    "__import__('os')",
    "__import__('os').system('true')",
    "().__class__",
    "t.__class__",
    "lambda: 0",
    "[t]",
    "t if t else 0",
    "10**10**10",
    "9**9**9**9",
    "t**1000000",
    "t**(1/1000)",
    "2**65",
    "((10**40)**64)**2",
    "(" * 400 + "t" + ")" * 400,
    "-" * 900 + "t",
    "exp(" * 150 + "t" + ")" * 150,
    "+".join("t" * 400),
    "t" * 100_000,
    "(" * 100_000,
    "1" * 41,
    "1/0",
    "t/0",
    "0**-1",
    "2t",
    "t t",
    "t^2",
    "t//2",
    "1e5",
    "0x10",
    "1_000",
    "1.",
    ".5",
    "t,",
    "Max(t)",
    "exp(t, t)",
    "exp",
    "exp()",
    "x",
    "T",
    "Piecewise(t)",
    "Heaviside(t)",
    "oo",
    "I",
    "",
    "   ",
    "(t",
    "t)",
    "*t",
    "t +",
    "t\x00",
    "\u0442",
    "t\u00b2",
    "\uff11",
    "t\u00a0+ 1",
    "# t",
    "'t'",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_hostile(text):
    start = time.monotonic()
    with pytest.raises(MalformedError) as caught:
        Activation.from_json({"name": "custom", "expression": text}, field="a.activation")
    assert time.monotonic() - start < 1
    assert str(caught.value).startswith("a.activation.expression: expected ")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "wrap", ["({}+7)**64", "exp({})", "1/(1+{})**64", "log(1+exp({}))", "sqrt(1+({})**2)"]
)
@pytest.mark.parametrize("seed", ["t", "(t-t+7)"])
def test_towers_are_bounded(monkeypatch, seed, wrap):
    """Numbers that would need astronomically many digits are rounded, or end in 'undecided'."""
    monkeypatch.setattr(derivation, "derive_bounded", lambda text: derivation.NOTHING)
    text = seed
    for _ in range(20):
        text = wrap.format(text)
    start = time.monotonic()
    node = parse_expression(text)
    facts = analyse(node)
    assert facts is None or facts.range.low is None or facts.range.low.numerator.bit_length() < 5000
    custom_properties(text)
    assert time.monotonic() - start < 4


def python_value(text, t):
    """Python's own reading of the text, in mpmath numbers (its precedences are the specification)."""
    functions = ("exp", "log", "tanh", "sinh", "cosh", "sin", "cos", "atan", "sqrt", "erf")
    names = {name: getattr(mp, name) for name in functions}
    names |= {"abs": abs, "Max": max, "Min": min, "t": t, "pi": mp.pi, "E": mp.e, "mpf": mpf}
    return eval(re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)", r"mpf('\1')", text), {"__builtins__": {}}, names)


def reference(text):
    return lambda t: python_value(text, mpf(t))


def real(value):
    return mpf(value.numerator) / value.denominator


ATOMS = st.sampled_from(["t", "t", "t", "1", "2", "3", "0.5", "1.25", "pi", "E", "(1/3)"])


def _grow(inner):
    infix = st.tuples(inner, st.sampled_from(["+", "-", "*", "/", " + ", " * "]), inner).map("".join)
    signed = inner.map("-{}".format)
    power = st.tuples(inner, st.sampled_from(["2", "3", "-1", "-2", "(1/2)", "(-3/2)", "0"])).map(
        lambda pair: f"({pair[0]})**{pair[1]}"
    )
    functions = ["exp", "log", "tanh", "sinh", "cosh", "sin", "cos", "atan", "sqrt", "erf", "abs"]
    call = st.tuples(st.sampled_from(functions), inner).map(lambda pair: f"{pair[0]}({pair[1]})")
    two = st.tuples(st.sampled_from(["Max", "Min"]), inner, inner).map(lambda x: f"{x[0]}({x[1]}, {x[2]})")
    return st.one_of(infix, signed, power, call, two, inner.map("({})".format))


EXPRESSIONS = st.recursive(ATOMS, _grow, max_leaves=8)
POINTS = st.fractions(min_value=-6, max_value=6, max_denominator=16)
BOUNDED = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def value_at(text, point):
    """A real value by mpmath, or None where it has none or is out of mpmath's reach."""
    try:
        value = python_value(text, real(point))
    except (ZeroDivisionError, ValueError, OverflowError, TypeError, MemoryError):
        return None
    if isinstance(value, mpmath.mpc) or not mp.isfinite(value) or abs(value) > mpf(10) ** 300:
        return None
    return mpf(value)


def parsed(text):
    """The tree, or None for what the grammar refuses on purpose (a division by a constant 0)."""
    try:
        return parse_expression(text)
    except MalformedError as problem:
        reason = str(problem)
    if "division by the constant 0" not in reason:
        pytest.fail(f"{text}: {reason}")
    return None


def inside(value, interval):
    slack = mpf(10) ** -40 * (1 + abs(value))
    low, high = interval.low, interval.high
    return (low is None or real(low) <= value + slack) and (high is None or value - slack <= real(high))


@BOUNDED
@given(EXPRESSIONS, POINTS)
def test_parsing_agrees_with_python(text, point):
    """Tree and text have the same value, also after printing and parsing the tree again."""
    node = parsed(text)
    with mpmath.workdps(80), flint.ctx.workprec(300):
        value = None if node is None else value_at(text, point)
        if value is None:
            return
        for tree in (node, parse_expression(str(node), longest=10_000)):
            activation = Activation("custom", (), str(tree)) if len(str(tree)) <= 1000 else None
            if activation is None:
                continue
            try:
                ball = activation.ball(flint.arb(flint.fmpq(point.numerator, point.denominator)))
            except UndecidedError:
                continue
            slack = flint.arb(0, 1) * flint.arb(mp.nstr((1 + abs(value)) * mpf(10) ** -30, 20))
            assert (ball + slack).overlaps(flint.arb(mp.nstr(value, 75)))


@BOUNDED
@given(EXPRESSIONS, st.lists(POINTS, min_size=6, max_size=6))
def test_ranges_contain_the_values(text, points):
    """Where analyse says defined, every value exists and lies in the interval; on R and on a half-line."""
    node = parsed(text)
    if node is None:
        return
    for domain in (REAL_LINE, Interval(Fraction(0), None), Interval(None, Fraction(0))):
        try:
            facts = analyse(node, domain)
        except NoValueError:
            continue
        with mpmath.workdps(60):
            for point in points:
                if facts is None or not inside(real(point), domain):
                    continue
                value = value_at(text, point)
                if value is None:
                    continue
                assert inside(value, facts.range), (text, point)
                if facts.range.is_positive:
                    assert value >= 0


@BOUNDED
@given(EXPRESSIONS, st.lists(POINTS, min_size=5, max_size=5))
def test_undefined_points_have_no_value(text, points):
    node = parsed(text)
    if node is None:
        return
    for point in points:
        try:
            analyse(node, Interval.point(point))
        except NoValueError:
            with mpmath.workdps(60):
                value = value_at(text, point)
            # mpmath's 0 may be 1e-60, and its powers of negative numbers may turn real again
            assert (
                value is None
                or abs(value) > mpf(10) ** 25
                or "**(" in text
                or "sqrt" in text
                or "log" in text
            )


@BOUNDED
@given(
    EXPRESSIONS, st.lists(st.fractions(min_value=0, max_value=40, max_denominator=8), min_size=8, max_size=8)
)
def test_decay_bounds_hold(text, points):
    node = parsed(text)
    try:
        if node is None or analyse(node) is None:
            return
        sides = {side: HalfLine(side) for side in (-1, 1)}
        uppers = {side: half.upper(node) for side, half in sides.items()}
        lowers = {side: half.lower(node) for side, half in sides.items()}
        rho = growth_constants(uppers[-1], uppers[1])
    except (NoValueError, OverflowError):
        return
    with mpmath.workdps(80):
        tiny = mpf(10) ** -60
        for side in (-1, 1):
            for point in points:
                s, value = real(point), value_at(text, side * point)
                if value is None:
                    continue
                if uppers[side] is not None:
                    terms = (
                        real(c) * (s ** real(k) if k else 1) * mp.exp(-real(r) * s)
                        for c, k, r in uppers[side]
                    )
                    assert abs(value) <= sum(terms, mpf(0)) * (1 + tiny) + tiny, (text, side, point)
                if lowers[side] is not None:
                    c, r = map(real, lowers[side])
                    assert abs(value) * (1 + tiny) + tiny >= c * mp.exp(-r * s), (text, side, point)
                if rho is not None:
                    a, b, c, d = map(real, rho)
                    bound = a * mp.exp(-b * s) if side < 0 else c * s + d
                    assert abs(value) <= bound * (1 + tiny) + tiny or (s == 0 and side < 0)


@settings(BOUNDED, max_examples=200)
@given(st.lists(st.integers(-6, 6), min_size=2, max_size=7))
def test_sturm(coefficients):
    """Counting real roots exactly, against FLINT's factorisation into certified complex roots."""
    poly = flint.fmpz_poly(coefficients)
    if poly.degree() < 1:
        return
    _, factors = poly.factor()
    roots = sum(root.imag == 0 for factor, _ in factors for root, _ in factor.complex_roots())
    trimmed = [Fraction(c) for c in coefficients[: poly.degree() + 1]]
    assert count_real_roots(trimmed) == roots


def test_polynomials():
    assert polynomial(parse_expression("(t + 1)**3 - t*(t - 2)/2")) == [1, 4, Fraction(5, 2), 1]
    assert polynomial(parse_expression("t - t")) == [0]
    assert polynomial(parse_expression("t**17")) is None
    assert polynomial(parse_expression("1/t")) is None


def test_division_by_a_hidden_zero_is_seen():
    """t/t is not 1: the tree keeps the division that a computer algebra system cancels."""
    for text in ("t/t", "(t**2 - t)/(t - 1)", "0*(1/t)", "1/(t - t)", "sqrt(t)**2", "exp(log(t))"):
        assert properties(text).continuous is False, text


@pytest.mark.parametrize("text", ["1/t", "log(t)", "sqrt(t - 1)", "t**(1/3)", "1/(1 + exp(t**9))"])
def test_balls_refuse_where_undefined(text):
    """A ball across a pole or a branch point is no enclosure; away from it there is one."""
    activation = Activation.from_json({"name": "custom", "expression": text})
    if text == "1/(1 + exp(t**9))":
        assert activation.ball(flint.arb(0, 1)).is_finite()
        return
    with pytest.raises(UndecidedError):
        activation.ball(flint.arb(0, 2))
    assert activation.ball(flint.arb(5, 1)).is_finite()


def test_custom_wide_balls_contain_values():
    for text in ("t/(1+exp(-t))", "abs(t)", "t**4 - t*t", "Max(t, t/10) - Min(t, 1)", "sqrt(1 + t**2)**3"):
        activation = Activation.from_json({"name": "custom", "expression": text})
        ball = activation.ball(flint.arb(Fraction(1, 2).numerator, 3))
        for i in range(-30, 31):
            assert ball.overlaps(flint.arb(mp.nstr(reference(text)(1 + mpf(i) / 10), 15))), text
