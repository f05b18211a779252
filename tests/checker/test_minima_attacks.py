"""Forged claims about minima that were once accepted: the checker must not believe a point of smaller loss without proof."""

from fractions import Fraction

import pytest
from handmade import act, changed, claim, dense, inline, instance, judged, ln2, network, targets
from verdicts import ask, rejected, verified

X = [4, 3, 2, 1, -1, -2, -3, -4]
MINIMUM = claim("local-minimum", "proved", [0, 1], weights="w")
GRADIENT = judged("gradient-exact", weights="w", partial=None)


def sigmoid2(n):
    return Fraction(2**n) / (1 + Fraction(2) ** n) if n >= 0 else 1 / (1 + Fraction(2) ** -n)


def solved(A, b):
    """Gauss-Jordan over Q."""
    rows = [[*row, value] for row, value in zip(A, b, strict=True)]
    for i in range(len(rows)):
        pivot = next(j for j in range(i, len(rows)) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for j, row in enumerate(rows):
            if j != i:
                rows[j] = [v - row[i] * p for v, p in zip(row, rows[i], strict=True)]
    return [row[-1] for row in rows]


def text(value):
    return str(value) if value else 0


def point(first, second, u):
    """Weights w_1, w_2 and u as polynomials in ln 2."""
    return ln2(([[first, second]], None), ([[u]], None))


def pooled_minimum():
    """u max(sigma(w_1 x), sigma(w_2 x)) at w = (2, 0), u = 1: targets that make it a strict minimum."""
    values = [sigmoid2(max(2 * x, 0)) for x in X]
    # The columns of the Jacobian (by w_1, w_2 without their factors ln 2, and by u).
    J = [[v * (1 - v) * x * (x > 0), v * (1 - v) * x * (x < 0), v] for v, x in zip(values, X, strict=True)]
    apart = [sigmoid2(3 * x) - v for v, x in zip(values, X, strict=True)]
    normal = [[sum(row[i] * row[j] for row in J) for j in range(3)] for i in range(3)]
    shares = solved(normal, [sum(row[i] * d for row, d in zip(J, apart, strict=True)) for i in range(3)])
    rest = [d - sum(a * b for a, b in zip(row, shares, strict=True)) for row, d in zip(J, apart, strict=True)]
    residual = [Fraction(57, 10) * r for r in rest]
    net = network([1], dense(2), act("sigmoid2"), {"kind": "maxpool-lists", "patches": [[0, 1]]}, dense(1))
    goals = [v + r for v, r in zip(values, residual, strict=True)]
    over = 1
    for y in goals:
        over *= y.denominator
    case = instance(
        net,
        inline([[x] for x in X]),
        point([2], [], [1]),
        targets([[str(int(y * over))] for y in goals], str(over)),
    )
    definite = judged(
        "definite",
        weights="w",
        precision=64,
        free=[0, 1, 2],
        symmetries=[],
        transform=[[1021, 69, 43], [-58, 997, -228], [-58, 225, 997]],
    )
    return case, definite, goals, sum(r * r for r in residual) / 2


def smaller(name="elsewhere", by=(0, 1)):
    return claim("smaller-loss", "proved", by, weights=name, than="w")


def test_the_minimum_is_one():
    case, definite, _, value = pooled_minimum()
    verified(case, [GRADIENT, definite], MINIMUM)
    verified(
        case, judged("loss-exact", weights="w", value=[text(value)]), claim("loss", "proved", weights="w")
    )
    rejected(
        case, [GRADIENT, changed(definite, "transform", [[1, 0, 0], [0, 1, 0], [0, 0, 1]])], MINIMUM, "disc"
    )
    rejected(case, [GRADIENT, changed(definite, "free", [0, 2])], MINIMUM)


def test_pooling_tie_in_a_smaller_point():
    """At the other point the second weight is -5, written as c_0 + c_1 ln 2 with large c: its units are enclosed in
    [0, 1] only, so which of two units is the larger is not known; the loss there is above the minimum's."""
    case, _, goals, value = pooled_minimum()
    big = 2**80
    cancelled = -(big * 6931471805599453094172321214581765680755 // 10**40) - 5
    true = sum((sigmoid2(max(3 * x, -5 * x)) - y) ** 2 for x, y in zip(X, goals, strict=True)) / 2
    assert true > value
    case["weights"]["elsewhere"] = point([3], [str(cancelled), str(big)], [1])
    here = judged("loss-exact", weights="w", value=[text(value)])
    low = str(value - Fraction(1, 1000))
    for precision in (16, 64, 256):
        there = judged("loss-enclosed", weights="elsewhere", precision=precision, bounds=[0, low])
        rejected(case, [here, there], smaller())
    exact = judged("loss-exact", weights="elsewhere", value=[text(true)])
    rejected(case, [here, exact], smaller(), "not known")  # 2^t at numbers with ln 2
    case["weights"]["elsewhere"] = point([3], [-5], [1])
    rejected(case, [here, exact], smaller(), "undecided")
    verified(case, [exact, here], claim("smaller-loss", "proved", [0, 1], weights="w", than="elsewhere"))


@pytest.mark.parametrize("value", [[], ["1/2"], [1000]])
def test_a_smaller_point_needs_its_own_loss(value):
    """A loss is believed at no weights but those where it was computed."""
    case, _, goals, _ = pooled_minimum()
    case["weights"]["elsewhere"] = point([2], [], [])
    here = sum(y * y for y in goals) / 2
    wrong = judged("loss-exact", weights="elsewhere", value=value)
    assert ask(case, [wrong, wrong], smaller()).outcome == "REJECTED"
    right = judged("loss-exact", weights="elsewhere", value=[text(here)])
    rejected(case, [right, right], smaller())


def test_descent_beside_a_claim_of_loss():
    """2 F against -F: the point is no minimum, and the zero function is better than it."""
    case, _, _, _ = pooled_minimum()
    exact = [sigmoid2(max(2 * x, 0)) for x in X]
    over = 1
    for y in exact:
        over *= y.denominator
    away = {**case, "targets": targets([[str(int(-v * over))] for v in exact], str(over))}
    value, best = (c * sum(v * v for v in exact) / 2 for c in (4, 1))
    away["weights"] |= {"elsewhere": point([2], [], []), "worse": point([2], [], [2])}
    here, there, worse = (
        judged("loss-exact", weights=name, value=[text(v)])
        for name, v in (("w", value), ("elsewhere", best), ("worse", best * 9))
    )
    verified(away, [here, there], smaller())
    rejected(away, [here, worse], smaller("worse"))
    slope = judged("gradient-exact", weights="w", partial=2)
    verified(away, slope, claim("local-minimum", "refuted", weights="w"))
    down = judged("descent", weights="w", precision=64, vector=[1, 0, 0])
    verified(away, [slope, down], claim("local-minimum", "refuted", [1], weights="w"))
    rejected(away, [slope, down], claim("local-minimum", "proved", [0, 1], weights="w"))
