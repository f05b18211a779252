"""Zero loss nearby: a correction of the output weights, and a bound of the least singular value of F."""

import math
from fractions import Fraction

import mpmath
import pytest
from handmade import (
    act,
    changed,
    claim,
    conv,
    dense,
    enclosed,
    features,
    inline,
    instance,
    judged,
    ln2,
    minor,
    network,
    rational,
    seed,
    targets,
)
from naive import Reading, block, solved_over_reals
from verdicts import ask, rejected, verified

PLACES, LEAKY = 100, {"name": "leaky_relu", "slope": "1/3"}


def case_of(activation="tanh", outputs=2, bias="unit", units=4):
    net = network([2], dense(units, "unit"), act(activation), dense(outputs, bias))
    rows = [[1, 2], [3, -1], [0, 1]]
    goals = targets([[(i + 2 * c) % 3 for c in range(outputs)] for i in range(3)], 2)
    return instance(net, inline(rows, 2), seed(7, 5), goals)


def parts(case, columns=(0, 1, 3), shift=0):
    """Features, and a change D of the output weights that solves F (W + D) + 1 b^T = Y on `columns`, to 2^-100."""
    with mpmath.workprec(600):
        reading = Reading(case, real=True)
        F, now = reading.values(2), reading.values(3)
        goal = case["targets"]
        rest = [
            [mpmath.mpf(y) / goal["denominator"] - f for y, f in zip(row, line, strict=True)]
            for row, line in zip(goal["rows"], now, strict=True)
        ]
        A = mpmath.matrix([[row[h] for h in columns] for row in F])
        width, outputs = len(F[0]), len(rest[0])
        D = [[mpmath.mpf(0)] * outputs for _ in range(width)]
        for c in range(outputs):
            x = mpmath.lu_solve(A, mpmath.matrix([row[c] for row in rest]))
            for h, v in zip(columns, x, strict=True):
                D[h][c] = v
        size = mpmath.sqrt(sum(v * v for row in D for v in row))
        integers = [[int(mpmath.nint(v * 2**PLACES)) + shift for v in row] for row in D]
    return F, integers, Fraction(int(mpmath.ceil(size * 2**60)), 2**60)


def correction(change, precision=128, denominator=2**PLACES):
    rows = [[str(v) for v in row] for row in change]
    return judged(
        "correction", weights="w", precision=precision, change={"denominator": str(denominator), "rows": rows}
    )


def evidence(case, columns=(0, 1, 3), shift=0, precision=160):
    F, change, size = parts(case, columns, shift)
    judgment = enclosed(features(2), [0, 1, 2], columns, precision)
    sigma = solved_over_reals(case, judgment, block(F, [0, 1, 2], columns))
    return [sigma, correction(change)], size


def nearby(distance, by=(0, 1), **change):
    return claim(
        "zero-loss-nearby", "proved", by, **{"node": 2, "weights": "w", "distance": str(distance), **change}
    )


@pytest.mark.parametrize("bias", ["none", "unit", "filter"])
@pytest.mark.parametrize("activation", ["tanh", LEAKY, "gelu"])
def test_zero_loss_nearby(activation, bias):
    case = case_of(activation, bias=bias)
    facts, size = evidence(case)
    far = size + Fraction(1, 2**30)
    sentence = verified(case, facts, nearby(far)).claims[0]
    assert "give zero loss exactly on the 3 samples" in sentence
    short = size - Fraction(1, 2**30)
    rejected(case, facts, nearby(short), "small")
    rejected(case, facts, nearby(0), "small")
    rejected(case, facts, nearby(-far), "small")
    for verdict in ("refuted", "undecided"):
        rejected(case, facts, nearby(far) | {"verdict": verdict})
    for by in ([0], [1]):
        rejected(case, facts, nearby(far, by), "needs")
    low = judged("loss-enclosed", weights="w", precision=64, bounds=[0, 100])
    assert "between 0 and 100" in verified(case, [*facts, low], nearby(far, [0, 1, 2])).claims[0]


def test_a_rest_counts_in_proportion_to_sigma():
    """D is off by 2^-50 in each entry: the rest is some 2^-50, over sigma >= 2^-41 / max |x|: far from small."""
    case = case_of()
    facts, size = evidence(case, shift=2**50)
    rejected(case, facts, nearby(size + Fraction(1, 2**30)), "small")
    with mpmath.workprec(300):
        vectors = [[int(v) for v in x] for x in facts[0]["solutions"]["vectors"]]
        longest = max(math.isqrt(sum(v * v for v in x)) + 1 for x in vectors)
        sigma = Fraction(2**80, longest * 2**41)
        rest = _rest(case, facts[1])
    verified(case, facts, nearby(_up(size + Fraction(1, 2**40) + rest * (1 + Fraction(1, 2**20)) / sigma)))
    rejected(
        case, facts, nearby(_up(size + rest * (1 - Fraction(1, 2**20)) / sigma - Fraction(1, 2**40))), "small"
    )
    # The bound of sigma is one: the least singular value of F is no smaller.
    F, _, _ = parts(case)
    values = mpmath.svd_r(mpmath.matrix([[row[h] for h in (0, 1, 3)] for row in F]), compute_uv=False)
    assert sigma <= min(float(v) for v in values)


def _rest(case, correction):
    change = correction["change"]
    with mpmath.workprec(600):
        reading = Reading(case, real=True)
        F, now, goal = reading.values(2), reading.values(3), case["targets"]
        total = mpmath.mpf(0)
        for row, line, y in zip(F, now, goal["rows"], strict=True):
            for c, f in enumerate(line):
                add = sum(v * int(d[c]) for v, d in zip(row, change["rows"], strict=True)) / int(
                    change["denominator"]
                )
                total += (mpmath.mpf(y[c]) / goal["denominator"] - f - add) ** 2
        return Fraction(int(mpmath.sqrt(total) * 2**120), 2**120)


def _up(value):
    return Fraction(-(-value.numerator * 2**60 // value.denominator), 2**60)


def test_sigma_has_to_be_of_f_on_all_samples_at_these_weights():
    case = case_of()
    facts, size = evidence(case)
    far = size + 1
    F, _, _ = parts(case)
    direct = enclosed(features(2), [0, 1, 2], [0, 1, 3], 160)
    rejected(case, [direct, facts[1]], nearby(far), "sigma")  # by elimination there is no bound of sigma
    two = solved_over_reals(case, enclosed(features(2), [0, 1], [0, 1], 160), block(F, [0, 1], [0, 1]))
    rejected(case, [two, facts[1]], nearby(far), "sigma")
    below = solved_over_reals(
        case,
        enclosed(features(1), [0, 1, 2], [0, 1, 3], 160),
        block(Reading(case).values(1), [0, 1, 2], [0, 1, 3]),
    )
    rejected(case, [below, facts[1]], nearby(far))
    case["weights"]["v"] = seed(8, 5)
    facts, size = evidence(case)
    rejected(case, facts, nearby(far, weights="v"))
    other = changed(facts[1], "weights", "v")
    rejected(case, [facts[0], other], nearby(far), "needs")
    plain = case_of(LEAKY)
    mod = minor(features(2), [0, 1, 2], [0, 1, 3])
    facts, size = evidence(plain)
    rejected(plain, [mod, facts[1]], nearby(size + 1))


def test_deterministic_checks_do_not_know_sigma():
    """Nothing drawn is trusted, so the bound of sigma is gone: not established, and not verified."""
    case = case_of()
    facts, size = evidence(case)
    verdict = ask(case, facts, nearby(size + 1), deterministic=True)
    assert verdict.outcome == "NOT CHECKED"
    assert "sigma_min rests on solutions" in verdict.reason


def test_forged_corrections():
    case = case_of()
    facts, size = evidence(case)
    far = size + Fraction(1, 2**30)
    rows = facts[1]["change"]["rows"]
    zeros = [[0, 0] for _ in rows]
    for change in (rows[:3], [*rows, [0, 0]], [[*row, 0] for row in rows], [row[:1] for row in rows], []):
        rejected(case, [facts[0], changed(facts[1], "change", "rows", change)], nearby(far), "change")
    for change in (zeros, rows[::-1], [row[::-1] for row in rows]):
        rejected(case, [facts[0], changed(facts[1], "change", "rows", change)], nearby(far), "small")
    for denominator in (str(2**99), str(2**101), "1"):
        rejected(
            case, [facts[0], changed(facts[1], "change", "denominator", denominator)], nearby(far), "small"
        )
    for precision in (16, 64):
        rejected(case, [facts[0], changed(facts[1], "precision", precision)], nearby(far), "small")
    for target in ([[0, 0]] * 3, [[2, 2]] * 3):
        rejected(changed(case, "targets", "rows", target), facts, nearby(far))
    rejected({**case, "targets": None}, facts[1:], nearby(far, by=(0,)), "targets")
    assert (
        ask(case, [facts[0], changed(facts[1], "change", "denominator", 0)], nearby(far)).outcome
        == "MALFORMED"
    )


def test_the_output_is_dense_linear_and_on_the_node():
    case = case_of()
    facts, size = evidence(case)
    far = nearby(size + 1)
    rejected(case, facts, {**far, "node": 1}, "dense")
    rejected(case, facts, {**far, "node": 3}, "dense")
    for nodes in (
        [dense(4, "unit"), act("tanh"), dense(2, "unit"), act("relu")],
        [dense(4, "unit"), act("tanh"), conv(1, kernel=[1]), act("identity")],
        [dense(4, "unit"), act("tanh"), dense(4), dense(2, "unit")],
    ):
        other = {**case, "network": network([2], *nodes)}
        outcome = ask(other, facts[1:], {**far, "by": [0]}).outcome
        assert outcome in ("REJECTED", "MALFORMED")
    logs = instance(network([1], dense(1)), inline([[1]]), ln2(([[[0, 1]]], None)), targets([[1]]))
    rejected(logs, correction([[0]]), nearby(1, [0], node=1), "rational")


def test_a_correction_of_nothing():
    """Loss 0 already: D = 0, distance a little above 0 for the rounding of the roots."""
    net = network([1], dense(2, "unit"), act("square"), dense(1))
    case = instance(net, inline([[1], [2]]), None, targets([[28], [79]]))
    case["weights"]["w"] = rational(
        {"W": {"denominator": 1, "rows": [[1, 2]]}, "b": {"denominator": 1, "values": [0, 1]}},
        {"W": {"denominator": 1, "rows": [[1], [3]]}, "b": None},
    )
    with mpmath.workprec(300):
        F = Reading(case, real=True).values(2)
        sigma = solved_over_reals(case, enclosed(features(2), [0, 1], [0, 1], 160), F)
    tiny = Fraction(1, 2**50)
    facts = [sigma, correction([[0], [0]])]
    verified(case, facts, nearby(tiny))
    rejected(case, facts, nearby(0), "small")
    rejected(changed(case, "targets", "rows", 0, [29]), facts[1:], nearby(tiny, [0]))
