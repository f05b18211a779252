"""The checker's own interval functions against mpmath at more than twice the precision."""

from __future__ import annotations

import random
from fractions import Fraction

import mpmath
import pytest

from exactcnn.checker import intervals
from exactcnn.checker.balls import sigma
from exactcnn.checker.expressions import enclose, is_entire, parse
from exactcnn.checker.outcome import Malformed, Rejected

ORACLES = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "atan": mpmath.atan,
    "erf": mpmath.erf,
    "sqrt": mpmath.sqrt,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}
POINTS = [0, 1, -1, 2, 3, 1 << 16, 40, 700, 5000, 8191]


def _numbers(w: int, seed: int) -> list[int]:
    """Integers n standing for n / 2^w: small, moderate and huge, both signs, and next to powers of two."""
    draw = random.Random(seed)
    found = [s * (p << w) + d for p in (0, 1, 2, 8, 30) for s in (1, -1) for d in (-1, 0, 1)]
    found += [draw.randrange(-(40 << w), 40 << w) for _ in range(60)]
    found += [draw.randrange(-(1 << w), 1 << w) >> draw.randrange(w) for _ in range(60)]
    return [*found, 8000 << w, -8000 << w, -(9000 << w)]


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("w", [16, 64, 128, 333, 1100])
def test_encloses_and_is_tight(name: str, w: int) -> None:
    at = intervals.INCREASING[name]
    for n in _numbers(w, w):
        if (name == "log" and n <= 0) or (name == "sqrt" and n < 0):
            with pytest.raises(Rejected):
                at(n, w)
            continue
        low, high = at(n, w)
        # Digits enough for the integer part of the result, whatever it is, and then twice w.
        with mpmath.workprec(2 * w + 100 + max(low.bit_length(), 3 * w if name == "erf" else 0)):
            x = mpmath.mpf(n) / mpmath.mpf(2) ** w
            exact = ORACLES[name](x) * mpmath.mpf(2) ** w
            assert low <= exact <= high, (n, w)
        # Width: a few units in the last place, relative for values above 1.
        assert high - low <= 8 + abs(low) // 2 ** (w - 6), (n, w)


def test_small_exponentials_at_high_precision() -> None:
    """e^-8300 is far above 2^-w for w = 13000: not 0 (erf once relied on it and was wrong)."""
    w = 13000
    low, high = intervals.exp_at(-(8300 << w), w)
    with mpmath.workprec(w + 100):
        assert 0 < low <= mpmath.exp(-8300) * mpmath.mpf(2) ** w <= high


def test_erf_beyond_the_root_of_its_cut_off() -> None:
    """erf(91) = 1 to 8192 places but for the last few, at the precision where an enclosure was once 0."""
    w = 8192
    low, high = intervals.erf_at(91 << w, w)
    assert (1 << w) - 8 <= low <= high <= (1 << w) + 8


def test_intervals_are_not_turned_inside_out_or_absurd() -> None:
    w = 64
    for x in ((2, 1), (0, 1 << (w + intervals.MOST_BITS + 1))):
        with pytest.raises(Rejected):
            intervals.bounded(x, w)
    with pytest.raises(Rejected):
        enclose(parse("((((9**64)**64)**64)**64)**64"), (0, 0), 64)


@pytest.mark.parametrize("w", [64, 200, 2000])
def test_constants(w: int) -> None:
    with mpmath.workprec(w + 100):
        assert abs(intervals.ln2(w) - mpmath.log(2) * mpmath.mpf(2) ** w) < 3 * w
        assert abs(intervals.pi(w) - mpmath.pi * mpmath.mpf(2) ** w) < 60 * w


ACTIVATIONS = {
    "relu": ({}, lambda t: max(t, mpmath.mpf(0))),
    "leaky_relu": ({"slope": Fraction(1, 7)}, lambda t: t if t >= 0 else t / 7),
    "identity": ({}, lambda t: t),
    "square": ({}, lambda t: t * t),
    "sigmoid": ({}, lambda t: 1 / (1 + mpmath.exp(-t))),
    "tanh": ({}, mpmath.tanh),
    "softplus": ({"alpha": Fraction(5, 3)}, lambda t: mpmath.log1p(mpmath.exp(t * 5 / 3)) * 3 / 5),
    "silu": ({}, lambda t: t / (1 + mpmath.exp(-t))),
    "gelu": ({}, lambda t: t * mpmath.ncdf(t)),
    "elu": ({"alpha": Fraction(7, 2)}, lambda t: t if t >= 0 else mpmath.expm1(t) * 7 / 2),
    "gaussian": ({}, lambda t: mpmath.exp(-t * t)),
    "arctan": ({}, mpmath.atan),
    "sigmoid2": ({}, lambda t: 1 / (1 + mpmath.power(2, -t))),
    "custom": (
        {"expression": "(atan(t) + pi/2)*exp(-t**2)/3 - 2*tanh(t/4)"},
        lambda t: (mpmath.atan(t) + mpmath.pi / 2) * mpmath.exp(-t * t) / 3 - 2 * mpmath.tanh(t / 4),
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_enclose_intervals(name: str) -> None:
    """For wide and narrow intervals the values at both ends and at points between lie in the result."""
    parameters, oracle = ACTIVATIONS[name]
    w, draw = 96, random.Random(name)
    f = sigma({"name": name, **parameters}, w)
    with mpmath.workprec(400):
        for _ in range(150):
            middle = draw.randrange(-(30 << w), 30 << w) >> draw.choice([0, 0, 3, 8, 30])
            width = draw.choice([0, 1, 1 << 20, 1 << (w - 8), 1 << (w + 1)])
            low, high = f((middle, middle + width))
            for n in (middle, middle + width // 3, middle + width // 2, middle + width):
                exact = oracle(mpmath.mpf(n) / mpmath.mpf(2) ** w) * mpmath.mpf(2) ** w
                assert low <= exact <= high, (n, width)
            if width <= 1:
                assert high - low <= 1 << 12


def test_a_wrong_end_would_be_noticed() -> None:
    """The oracle is sharp: moving an end of the interval inwards by its width loses the value."""
    w = 64
    low, high = intervals.exp_at(1 << w, w)
    with mpmath.workprec(300):
        exact = mpmath.e * mpmath.mpf(2) ** w
        assert low - 1 < exact < high + 1
        assert high - low <= 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "t +",
        "(t",
        "t t",
        "sin(t)",
        "x",
        "1.t",
        "t**",
        "exp t",
        "Max(t,0)",
        "t" * 1001,
        "__import__('os')",
    ],
)
def test_expressions_that_cannot_be_read(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)


@pytest.mark.parametrize("text", ["1/t", "log(t)", "sqrt(t)", "t**t", "t**(1/2)", "2**t", "exp(9000*t)"])
def test_undefined_or_unknown_values_are_refused(text: str) -> None:
    w = 64
    with pytest.raises(Rejected):
        enclose(parse(text), (-1 << w, 1 << w), w)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t", True),
        ("atan(t) + pi/2", True),
        ("atan(t) + pi*0.5", True),
        ("t*(1 + erf(t/2))", True),
        ("t**3 - 2*exp(-t)", True),
        ("t/0", False),
        ("1/t", False),
        ("t/(1 + exp(-t))", False),
        ("log(1 + exp(t))", False),
        ("sqrt(t**2)", False),
        ("t**(1/3)", False),
        ("t**-1", False),
    ],
)
def test_analytic_by_form(text: str, expected: bool) -> None:
    assert is_entire(parse(text)) is expected
