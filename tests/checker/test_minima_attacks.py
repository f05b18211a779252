"""Forged claims about minima that were once accepted: the checker must not believe a point `smaller` without proof."""

from fractions import Fraction

import handmade

from exactcnn.checker import check_certificate

X = [4, 3, 2, 1, -1, -2, -3, -4]


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
    network = handmade.network(
        [1],
        handmade.dense(2, {"name": "sigmoid2"}),
        {"kind": "maxpool", "patches": [[0, 1]]},
        handmade.dense(1),
    )
    data = {"kind": "inline", "shape": [len(X), 1], "denominator": 1, "rows": [[x] for x in X]}
    claim = {
        "statement": "local-minimum",
        "verdict": "proved",
        "targets": [[str(v + r)] for v, r in zip(values, residual, strict=True)],
        "value": [str(sum(r * r for r in residual) / 2)],
        "point": [{"W": [[["2"], []]], "b": None}, None, {"W": [[["1"]]], "b": None}],
        "smaller": None,
        "evidence": {
            "kind": "definite",
            "precision": 64,
            "free": [0, 1, 2],
            "symmetries": [],
            "transform": [[1021, 69, 43], [-58, 997, -228], [-58, 225, 997]],
        },
    }
    return handmade.instance(network, data), claim


def outcome(instance, claim):
    return check_certificate(handmade.seal(instance, claim)).outcome


def test_pooling_tie_in_a_smaller_point():
    """At the other point the second weight is -5, written as c_0 + c_1 ln 2 with large c: its units are enclosed in
    [0, 1] only, so which of two units is the larger is not known; the loss there is above the minimum's."""
    instance, claim = pooled_minimum()
    assert outcome(instance, claim) == "VERIFIED"
    big = 2**80
    cancelled = -(big * 6931471805599453094172321214581765680755 // 10**40) - 5
    true = [sigmoid2(max(3 * x, -5 * x)) - Fraction(y) for x, (y,) in zip(X, claim["targets"], strict=True)]
    assert sum(r * r for r in true) / 2 > Fraction(claim["value"][0])
    weights = {"W": [[["3"], [str(cancelled), str(big)]]], "b": None}
    claim["smaller"] = [weights, None, claim["point"][2]]
    assert outcome(instance, claim) == "REJECTED"


def test_a_smaller_point_needs_proof_with_any_evidence():
    """A loss below 0, and one below the loss of a point that is not critical."""
    instance, claim = pooled_minimum()
    other = {"W": [[["3"], []]], "b": None}
    claim["smaller"] = [other, None, claim["point"][2]]
    exact = [sigmoid2(max(2 * x, 0)) for x in X]
    zero = {**claim, "targets": [[str(v)] for v in exact], "value": [], "evidence": {"kind": "zero-loss"}}
    assert outcome(instance, {**zero, "smaller": None}) == "VERIFIED"
    assert outcome(instance, zero) == "REJECTED"
    value = [str(sum(4 * v * v for v in exact) / 2)]
    away = {**claim, "verdict": "refuted", "targets": [[str(-v)] for v in exact], "value": value}
    away["smaller"] = [claim["point"][0], None, {"W": [[["2"]]], "b": None}]
    better = [claim["point"][0], None, {"W": [[[]]], "b": None}]
    slope = {**away, "evidence": {"kind": "partial", "layer": 3, "part": "W", "index": 0}}
    assert outcome(instance, {**slope, "smaller": None}) == "VERIFIED"
    assert outcome(instance, slope) == "REJECTED"
    down = {**away, "evidence": {"kind": "direction", "precision": 64, "vector": [1, 0, 0]}}
    assert outcome(instance, {**down, "smaller": None}) == "VERIFIED"
    assert outcome(instance, {**down, "smaller": better}) == "VERIFIED"
    assert outcome(instance, down) == "REJECTED"
