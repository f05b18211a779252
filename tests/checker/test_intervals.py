"""The checker's own interval functions and expressions, against mpmath at more than twice the precision."""

from __future__ import annotations

import random
from fractions import Fraction

import mpmath
import pytest

from exactcnn.checker.core import intervals
from exactcnn.checker.core.activations import activation, analytic, evaluate, total, tree
from exactcnn.checker.core.intervals import Intervals
from exactcnn.checker.core.outcome import Malformed, Rejected

ORACLES = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "atan": mpmath.atan,
    "erf": mpmath.erf,
    "sqrt": mpmath.sqrt,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}


def _numbers(w: int, seed: int) -> list[int]:
    """Integers n standing for n / 2^w: small, moderate and huge, both signs, and next to powers of two."""
    draw = random.Random(seed)
    found = [s * (p << w) + d for p in (0, 1, 2, 8, 30) for s in (1, -1) for d in (-1, 0, 1)]
    found += [draw.randrange(-(40 << w), 40 << w) for _ in range(60)]
    found += [draw.randrange(-(1 << w), 1 << w) >> draw.randrange(w) for _ in range(60)]
    found += [n << w for n in (700, -700, 5000, 8000, -8000, 8191, -9000)]
    return found


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("w", [16, 64, 128, 333, 1100])
def test_encloses_and_is_tight(name: str, w: int) -> None:
    at = intervals.INCREASING[name]
    for n in _numbers(w, w)[:: 5 if name == "erf" and w > 300 else 1]:
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


def test_large_numbers_at_the_highest_precision() -> None:
    """The error of ln 2, multiplied by the number of times it is taken away, must stay below the slack."""
    w = 4096
    for n in (8192 << w, (8191 << w) + 12345, -(8191 << w), 700 << w, (1 << 2 * w) - 1, 3 << 3 * w):
        for name in ("exp", "log"):
            if (name == "log" and n <= 0) or (name == "exp" and n > 8192 << w):
                continue
            low, high = intervals.INCREASING[name](n, w)
            with mpmath.workprec(3 * w + low.bit_length()):
                exact = ORACLES[name](mpmath.mpf(n) / mpmath.mpf(2) ** w) * mpmath.mpf(2) ** w
                assert low <= exact <= high, (name, n)


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
    numbers = Intervals(64)
    for x in ((2, 1), (0, 1 << (64 + intervals.MOST_BITS + 1))):
        with pytest.raises(Rejected):
            numbers.bounded(x)
    nested: object = 9
    for _ in range(5):
        nested = ["**", nested, 64]
    with pytest.raises(Rejected):
        evaluate(tree(nested, ""), (0, 0), numbers)


@pytest.mark.parametrize("w", [64, 200, 2000, 4128])
def test_constants(w: int) -> None:
    with mpmath.workprec(w + 100):
        assert abs(intervals.ln2(w) - mpmath.log(2) * mpmath.mpf(2) ** w) < 3 * w
        assert abs(intervals.pi(w) - mpmath.pi * mpmath.mpf(2) ** w) < 60 * w
        for name, exact in (("ln2", mpmath.log(2)), ("pi", mpmath.pi)):
            low, high = Intervals(w).constant(name)
            assert low <= exact * mpmath.mpf(2) ** w <= high <= low + 2


ACTIVATIONS = {
    "square": ({}, lambda t: t * t),
    "sigmoid": ({}, lambda t: 1 / (1 + mpmath.exp(-t))),
    "tanh": ({}, mpmath.tanh),
    "softplus": ({"alpha": "5/3"}, lambda t: mpmath.log1p(mpmath.exp(t * 5 / 3)) * 3 / 5),
    "silu": ({}, lambda t: t / (1 + mpmath.exp(-t))),
    "mish": ({}, lambda t: t * mpmath.tanh(mpmath.log(1 + mpmath.exp(t)))),
    "gelu": ({}, lambda t: t * mpmath.ncdf(t)),
    "elu": ({"alpha": "7/2"}, lambda t: t if t >= 0 else mpmath.expm1(t) * 7 / 2),
    "gaussian": ({}, lambda t: mpmath.exp(-t * t)),
    "arctan": ({}, mpmath.atan),
    "sigmoid2": ({}, lambda t: 1 / (1 + mpmath.power(2, -t))),
    "softsign": ({}, lambda t: t / (1 + abs(t))),
    "custom": (
        {
            "tree": [
                "+",
                ["/", ["*", ["+", ["atan", "t"], ["/", "pi", 2]], ["exp", ["*", -1, ["**", "t", 2]]]], 3],
                ["+", ["abs", ["erf", ["/", "t", 4]]], ["sqrt", ["softplus", "t"]]],
            ]
        },
        lambda t: (
            (mpmath.atan(t) + mpmath.pi / 2) * mpmath.exp(-t * t) / 3
            + abs(mpmath.erf(t / 4))
            + mpmath.sqrt(mpmath.log1p(mpmath.exp(t)))
        ),
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_enclose_intervals(name: str) -> None:
    """For wide and narrow intervals the values at both ends and at points between lie in the result."""
    parameters, oracle = ACTIVATIONS[name]
    w, draw = 96, random.Random(name)
    sigma = activation({"name": name, **parameters}, "")
    with mpmath.workprec(400):
        for _ in range(150):
            middle = draw.randrange(-(30 << w), 30 << w) >> draw.choice([0, 0, 3, 8, 30])
            width = draw.choice([0, 1, 1 << 20, 1 << (w // 2), 1 << (w - 8), 1 << (w + 1)])
            low, high = evaluate(sigma.row.tree, (middle, middle + width), Intervals(w), sigma.spec)
            for n in (middle, middle + width // 3, middle + width // 2, middle + width):
                exact = oracle(mpmath.mpf(n) / mpmath.mpf(2) ** w) * mpmath.mpf(2) ** w
                assert low <= exact <= high, (n, width)
            if width <= 1:
                assert high - low <= 1 << 22


POLYGONS = {
    "identity": ({}, lambda t: t),
    "relu": ({}, lambda t: max(t, 0)),
    "leaky_relu": ({"slope": "1/7"}, lambda t: t if t >= 0 else t / 7),
    "prelu": ({"slope": "-3/2"}, lambda t: t if t >= 0 else -t * Fraction(3, 2)),
    "relu6": ({}, lambda t: min(max(t, 0), 6)),
    "hardtanh": ({"low": "-7/2", "high": "1/3"}, lambda t: min(max(t, Fraction(-7, 2)), Fraction(1, 3))),
}


@pytest.mark.parametrize("name", POLYGONS)
def test_polygons(name: str) -> None:
    """constant + slope t + sum of change max(t - kink, 0), and its bound."""
    parameters, oracle = POLYGONS[name]
    sigma = activation({"name": name, **parameters}, "")
    constant, slope, kinks = sigma.polygon
    for n in range(-30, 31):
        t = Fraction(n, 3)
        value = constant + slope * t + sum(c * max(t - k, 0) for k, c in kinks)
        assert value == oracle(t)
        assert abs(value) <= sigma.bounded(abs(n) // 3 + 1)


def test_a_wrong_end_would_be_noticed() -> None:
    """The oracle is sharp: moving an end of the interval inwards by its width loses the value."""
    w = 64
    low, high = intervals.exp_at(1 << w, w)
    with mpmath.workprec(300):
        exact = mpmath.e * mpmath.mpf(2) ** w
        assert low - 1 < exact < high + 1
        assert high - low <= 4


@pytest.mark.parametrize("op", ["exp", "log", "atan", "erf", "sqrt", "sigmoid", "softplus"])
@pytest.mark.parametrize("w", [32, 96, 250])
def test_functions_of_intervals(op: str, w: int) -> None:
    """Narrow intervals are enclosed by one end and a slope, wide ones by both ends."""
    draw = random.Random(w)
    for _ in range(80):
        start = draw.randrange(1, 30 << w) >> draw.choice([0, 4, w // 2])
        start = max(start, 1) if op in ("log", "sqrt") else start * draw.choice([1, -1])
        gap = draw.choice([0, 1, 5, (1 << w // 2) - 1, 1 << w // 2, 1 << w])
        low, high = Intervals(w).function(op, (start, start + gap))
        with mpmath.workprec(4 * w + 200):
            for n in (start, start + gap // 2, start + gap):
                exact = ORACLES[op](mpmath.mpf(n) / mpmath.mpf(2) ** w) * mpmath.mpf(2) ** w
                assert low <= exact <= high, (op, n, gap)


DEEP: object = "t"
for _ in range(61):
    DEEP = ["exp", DEEP]
BROAD: object = "t"
for _ in range(8):
    BROAD = ["+", BROAD, BROAD]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "T",
        "ln2",
        "1.5",
        "2/4",
        [],
        {},
        None,
        True,
        ["t"],
        ["+", "t"],
        ["+", "t", "t", "t"],
        ["-", "t", 1],
        ["exp"],
        ["exp", "t", "t"],
        ["Max", "t", 0],
        ["**", "t", "1/2"],
        ["**", "t", 65],
        ["**", "t", "t"],
        [["exp"], "t"],
        [0, "t"],
        "__import__('os')",
        DEEP,
    ],
)
def test_expressions_that_cannot_be_read(value: object) -> None:
    with pytest.raises(Malformed):
        activation({"name": "custom", "tree": value}, "")


def test_expressions_of_too_many_operations() -> None:
    tree(BROAD, "")
    with pytest.raises(Malformed, match="500"):
        activation({"name": "custom", "tree": BROAD}, "")


@pytest.mark.parametrize(
    "value",
    [
        ["/", 1, "t"],
        ["log", "t"],
        ["sqrt", "t"],
        ["**", "t", -1],
        ["pow", "t", "t"],
        ["sin", "t"],
        ["cos", 0],
        ["exp", ["*", 9000, "t"]],
        ["/", "t", 0],
    ],
)
def test_undefined_or_unknown_values_are_refused(value: object) -> None:
    w = 64
    with pytest.raises(Rejected):
        evaluate(tree(value, ""), (-1 << w, 1 << w), Intervals(w))


GROWING = ["+", 1, ["exp", ["*", -1, "t"]]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("t", "analytic total"),
        (3, "analytic total"),
        (["+", ["atan", "t"], ["/", "pi", 2]], "analytic total"),
        (["*", "t", ["+", 1, ["erf", ["/", "t", 2]]]], "analytic total"),
        (["+", ["**", "t", 3], ["*", -2, ["exp", ["*", -1, "t"]]]], "analytic total"),
        (["/", "t", GROWING], "analytic total"),
        (["log", ["+", 1, ["exp", "t"]]], "analytic total"),
        (["sqrt", ["+", 1, ["**", "t", 2]]], "analytic total"),
        (["**", ["+", ["**", "t", 2], "pi"], -3], "analytic total"),
        (["sigmoid", ["softplus", "t"]], "analytic total"),
        (["log", ["+", 1, ["abs", "t"]]], "total"),
        (["sqrt", ["+", 1, ["abs", "t"]]], "total"),
        (["abs", "t"], "total"),
        (["/", "t", 0], ""),
        (["/", 1, "t"], ""),
        (["/", "t", ["+", -1, ["exp", "t"]]], ""),
        (["/", 1, ["*", -1, ["exp", "t"]]], ""),
        (["sqrt", ["**", "t", 2]], ""),
        (["sqrt", "t"], ""),
        (["log", ["**", "t", 2]], ""),
        (["log", ["+", ["**", "t", 3], 1]], ""),
        (["**", "t", -1], ""),
        (["**", ["**", "t", 2], -1], ""),
        (["pow", "t", "1/3"], ""),
        (["exp", ["log", "t"]], ""),
    ],
)
def test_analytic_and_total_by_form(value: object, expected: str) -> None:
    found = tree(value, "")
    assert analytic(found) is ("analytic" in expected)
    assert bool(total(found)) is ("total" in expected)


def test_sines_are_total_and_not_known_to_be_analytic() -> None:
    for op in ("sin", "cos"):
        assert not analytic(tree([op, "t"], ""))
