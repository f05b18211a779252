"""Minors over R, by elimination in intervals and by solutions for right-hand sides drawn after the matrix."""

import copy

import mpmath
import pytest
from handmade import (
    act,
    average,
    changed,
    conv,
    dense,
    enclosed,
    features,
    inline,
    instance,
    lifted,
    line,
    network,
    pool,
    rank,
    rational,
    seed,
    weight,
)
from naive import Reading, block, real_challenges, solved_over_reals
from verdicts import ask, rejected, verified

ACTIVATIONS = [
    "sigmoid",
    "sigmoid2",
    "tanh",
    {"name": "softplus", "alpha": "3/2"},
    "silu",
    "gelu",
    {"name": "elu", "alpha": "1/3"},
    "gaussian",
    "arctan",
    "softsign",
    "relu6",
    "square",
    {"name": "prelu", "slope": "-1/7"},
]
TREES = [
    ["atan", ["*", 2, "t"]],
    ["/", "t", ["+", 2, ["exp", ["*", -1, "t"]]]],
    ["+", ["erf", "t"], ["*", "pi", ["**", "t", 2]]],
    ["log", ["+", 2, ["**", "t", 2]]],
    ["sqrt", ["+", 1, ["abs", "t"]]],
]
CUSTOM = [
    lambda t: mpmath.atan(2 * t),
    lambda t: t / (2 + mpmath.exp(-t)),
    lambda t: mpmath.erf(t) + mpmath.pi * t**2,
    lambda t: mpmath.log(2 + t**2),
    lambda t: mpmath.sqrt(1 + abs(t)),
]


def case_of(activation, N=3):
    rows = [[(3 * i * i + 2 * j + i * j) % 7 - 3 for j in range(3)] for i in range(N)]
    return instance(network([3], dense(4, "unit"), act(activation)), inline(rows, 2), seed(4, 7))


def real_features(case, node, places=400):
    with mpmath.workprec(places):
        return Reading(case, real=True).values(node)


@pytest.mark.parametrize("activation", [*ACTIVATIONS, *({"name": "custom", "tree": tree} for tree in TREES)])
def test_both_ways(activation):
    """The matrix is enclosed in another way by the test: solutions for a matrix that differs do not pass."""
    case = case_of(activation)
    custom = CUSTOM[TREES.index(activation["tree"])] if "tree" in activation else None
    with mpmath.workprec(400):
        reading = Reading(case, real=True)
        F = [[custom(t) for t in row] for row in reading.values(1)] if custom else reading.values(2)
    rows, columns = [0, 1, 2], [0, 1, 3]
    claim = rank(case, 2, lower=3)
    judgment = enclosed(features(2), rows, columns, 128)
    verified(case, judgment, claim)
    A = block(F, rows, columns)
    solved = solved_over_reals(case, judgment, A)
    verdict = verified(case, solved, claim)
    assert verdict.error_bound == "2^-228"  # (40 - 1 - 1) 6
    assert any("random oracle" in x for x in verdict.assumptions)
    assert verified(case, solved, claim, deterministic=True).error_bound is None
    moved = copy.deepcopy(A)
    moved[1][2] += mpmath.mpf(2) ** -20
    rejected(case, solved_over_reals(case, judgment, moved), claim, "A x = b")


DEEP = [
    [conv(3, kernel=[2], bias="filter"), act("gelu"), pool([2]), dense(4, "unit"), act("arctan")],
    [dense(3), act("tanh"), dense(3, "unit"), act({"name": "elu", "alpha": 1}), average([1]), dense(4)],
    [conv(4, kernel=[3], padding=[[1, 1]]), act("sigmoid2"), average([2]), act("square"), act("softsign")],
]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_deep_networks(number):
    rows = [[(3 * i * i + 2 * j + i * j) % 7 - 3 for j in range(3)] for i in range(3)]
    case = instance(network([3], *DEEP[number]), inline(rows, 2), seed(7, 6))
    node = len(DEEP[number])
    judgment = enclosed(features(node), [0, 1, 2], [0, 1, 2], 192)
    claim = rank(case, node, lower=3)
    verified(case, judgment, claim)
    verified(
        case, solved_over_reals(case, judgment, block(real_features(case, node), [0, 1, 2], [0, 1, 2])), claim
    )


@pytest.mark.parametrize(
    ("path", "value", "attack"),
    [
        (("rows",), [0, 0, 1], "a row twice"),
        (("rows",), [0, 1, 3], "a row beyond the samples"),
        (("columns",), [0, 1, 4], "a column beyond the width"),
        (("columns",), [0, 1], "not square"),
        (("of",), lifted(1), "a lifted matrix"),
        (("of", "node"), 3, "no node"),
        (("of", "weights"), "v", "no weights"),
        (("of", "node"), 1, "another node"),
    ],
)
def test_forged(path, value, attack):
    case = case_of("arctan")
    judgment, claim = enclosed(features(2), [0, 1, 2], [0, 1, 3], 128), rank(case, 2, lower=3)
    verified(case, judgment, claim)
    rejected(case, changed(judgment, *path, value), claim)
    solved = solved_over_reals(case, judgment, block(real_features(case, 2), [0, 1, 2], [0, 1, 3]))
    rejected(case, changed(solved, *path, value), claim)


def test_precision_and_size():
    case = case_of("arctan")
    claim = rank(case, 2, lower=3)
    for precision in (15, 4097, "1/2"):
        assert ask(case, enclosed(features(2), [0, 1, 2], [0, 1, 3], precision), claim).outcome == "MALFORMED"
    many = instance(network([1], dense(301)), inline([[i] for i in range(301)]), seed(1, 8))
    judgment = enclosed(features(1), range(301), range(301))
    assert ask(many, judgment, rank(many, 1, lower=301)).outcome == "NOT CHECKED"
    assert ask(case, enclosed(features(2), [], []), rank(case, 2)).outcome == "REJECTED"


def equal_samples(activation="arctan"):
    """Two samples with the same pre-activations: F has two equal rows."""
    return instance(
        network([2], dense(2), act(activation)), inline([[1, 2], [2, 1]]), rational(weight([[1, 2], [1, 2]]))
    )


def test_a_singular_matrix_is_not_eliminated():
    for precision in (16, 64, 1024):
        for activation in ("arctan", "identity"):
            case = equal_samples(activation)
            judgment = enclosed(features(2), [0, 1], [0, 1], precision)
            rejected(case, judgment, rank(case, 2, lower=2), "regular")


@pytest.mark.parametrize("activation", ["arctan", "identity"])
@pytest.mark.parametrize("bits", [3, 4, 8, 40, 60])
def test_a_singular_matrix_solved_as_well_as_it_can_be(activation, bits):
    """Least squares, which is the best that a prover can do; also with few bits and very many vectors."""
    case = equal_samples(activation)
    judgment, claim = enclosed(features(2), [0, 1], [0, 1], 256), rank(case, 2, lower=2)
    vectors = -(-192 // (bits - 2))
    with mpmath.workprec(400):
        (a, b), _ = real_features(case, 2)
        solutions = []
        for right in real_challenges(case, judgment, bits, 2, vectors):
            middle = mpmath.mpf((sum(right) / 2).numerator) / (sum(right) / 2).denominator
            x = [middle * v / (a * a + b * b) for v in (a, b)]
            solutions.append([str(int(mpmath.nint(v * 2**80))) for v in x])
    given = {"bits": bits, "scale": 80, "vectors": solutions}
    rejected(case, {**judgment, "solutions": given}, claim, "A x = b")
    huge = [
        [str(int(x) + 10**400), str(int(y) - 10**400 // 2)] for x, y in solutions
    ]  # hides behind its length
    rejected(case, {**judgment, "solutions": {**given, "vectors": huge}}, claim, "A x = b")


def test_a_matrix_that_is_nearly_singular():
    """Regular by 2^-200: long solutions solve it, but only where the enclosure is as narrow."""
    small = 2**200
    case = instance(
        network([2], act("arctan")),
        inline([[str(small), str(small)], [str(small), str(small + 1)]], str(small)),
        rational(),
    )
    claim, A = rank(case, 1, lower=2), real_features(case, 1, 1200)
    for precision, check in ((64, rejected), (190, rejected), (520, verified)):
        judgment = enclosed(features(1), [0, 1], [0, 1], precision)
        with mpmath.workprec(1200):
            solved = solved_over_reals(case, judgment, A, scale=300)
        check(case, solved, claim)
        check(case, judgment, claim)


def good():
    case = case_of("gelu")
    judgment = enclosed(features(2), [0, 1, 2], [0, 1, 3], 128)
    A = block(real_features(case, 2), [0, 1, 2], [0, 1, 3])
    return case, judgment, A, rank(case, 2, lower=3)


def test_forged_solutions():
    """Attacks the number of vectors, their entries, the bits and the scale, and the binding to instance and judgment."""
    case, judgment, A, claim = good()
    solved = solved_over_reals(case, judgment, A)
    vectors = solved["solutions"]["vectors"]
    text = str(int(vectors[2][1]) + 2**60)
    rejected(case, changed(solved, "solutions", "vectors", 2, 1, text), claim, "vectors[2]")
    rejected(case, changed(solved, "solutions", "vectors", vectors[:5]), claim, "192")
    rejected(case, changed(solved, "solutions", "vectors", [vectors[0]] * 6), claim, "vectors[1]")
    rejected(case, changed(solved, "solutions", "vectors", 3, vectors[3][:2]), claim, "integers")
    rejected(case, changed(solved, "solutions", "vectors", 3, []), claim, "integers")
    rejected(case, changed(solved, "solutions", "vectors", [[0] * 3] * 6), claim, "vectors[0]")
    for bits in (39, 41, 60):  # the right-hand sides depend on them
        rejected(case, changed(solved, "solutions", "bits", bits), claim, "A x = b")
    rejected(case, changed(solved, "solutions", "bits", 20), claim, "192")
    for scale in (79, 81, 0):
        rejected(case, changed(solved, "solutions", "scale", scale), claim, "A x = b")
    rejected(case, changed(solved, "precision", 129), claim, "A x = b")
    rejected(case, changed(solved, "columns", [0, 2, 3]), claim, "A x = b")
    rejected(changed(case, "network", "name", "other"), solved, claim, "A x = b")
    for key, value in (("bits", 0), ("bits", 61), ("scale", -1), ("scale", 2**13 + 1), ("vectors", [])):
        assert ask(case, changed(solved, "solutions", key, value), claim).outcome == "MALFORMED"


def test_solutions_of_too_few_places():
    """Rounded to 2^-30 they miss b by more than 2^-41."""
    case, judgment, A, claim = good()
    rejected(case, solved_over_reals(case, judgment, A, bits=40, scale=30), claim, "A x = b")
    verified(case, solved_over_reals(case, judgment, A, bits=20, scale=60, vectors=11), claim)
    rejected(case, solved_over_reals(case, judgment, A, bits=20, scale=60, vectors=10), claim, "192")


def test_activations_that_have_no_value():
    """Attacks with custom trees outside their domain, unknown to the checker, or beyond all bounds."""
    for tree in (
        ["log", "t"],
        ["sqrt", "t"],
        ["/", 1, "t"],
        ["sin", "t"],
        ["cos", "t"],
        ["pow", 2, "t"],
        ["exp", ["exp", ["exp", "t"]]],
        ["exp", ["*", 30, "t"]],
        ["**", ["**", "t", 64], 64],
        ["**", "t", -1],
    ):
        case = line([-1, 0, 5], {"name": "custom", "tree": tree})
        claim = rank(case, 2, lower=1)
        outcomes = [ask(case, enclosed(features(2), [i], [0]), claim).outcome for i in range(3)]
        assert "REJECTED" in outcomes, tree
        assert set(outcomes) <= {"REJECTED", "VERIFIED"}, tree
