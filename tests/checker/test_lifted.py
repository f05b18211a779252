"""Ranks of lifted matrices U, generic and at given weights."""

import pytest
from handmade import (
    P31,
    changed,
    conv,
    dense,
    generic,
    inline,
    instance,
    judged,
    kernel,
    lifted,
    ln2,
    minor,
    network,
    pool,
    rational,
    seed,
    sides,
    weight,
)
from naive import Reading, block, left_kernel, row_reduce, solved_mod_p
from verdicts import ask, rejected, verified

SQUARE = network([3], conv(2, kernel=[2]))  # U is 3 x 4, patches {0,1}, {1,2}
IDENTITY_FILTERS = {"kind": "identity"}
MINOR = minor(lifted(1), [0, 1, 2], [0, 1, 3])


@pytest.mark.parametrize("statement", ["assumption-2.4", "lemma-2.5"])
@pytest.mark.parametrize("filters", [IDENTITY_FILTERS, seed(1, 61), rational(weight([[1, 0], [0, 1]]))])
def test_generic_minor(statement, filters):
    """With identity filters the columns are e0, e1, e1, e2."""
    case = instance(SQUARE, given=filters)
    claim = generic(case, 1, lower=3, statement=statement)
    assert verified(case, MINOR, claim).claims == [
        "generic rank of U_1 = 3 (U_1 is 3 x 4, full rank for almost all filters)"
    ]
    at_weights = verified(case, MINOR, generic(case, 1, lower=3, weights="w"))
    assert at_weights.claims == ["rank U_1 = 3 at the weights w (U_1 is 3 x 4)"]


@pytest.mark.parametrize(
    ("path", "value", "attack"),
    [
        (("columns",), [0, 1, 2], "columns 1 and 2 are both e1"),
        (("columns",), [0, 1, 4], "a column beyond U"),
        (("rows",), [0, 1, 3], "a row beyond U"),
        (("prime",), 9, "a composite modulus"),
        (("divisor",), 2, "a divisor"),
        (("root",), 2, "a root without ln 2"),
        (("of", "node"), 2, "another node"),
        (("of", "node"), 0, "the input"),
        (("of", "node"), 3, "no node"),
        (("of", "weights"), "v", "no weights"),
    ],
)
def test_forged_generic_minor(path, value, attack):
    """Attacks each hypothesis of the minor rule for U."""
    case = instance(network([3], conv(2, kernel=[2]), dense(4)), given=IDENTITY_FILTERS)
    claim = generic(case, 1, lower=3)
    verified(case, MINOR, claim)
    rejected(case, changed(MINOR, *path, value), claim)


@pytest.mark.parametrize(
    ("key", "value", "attack"),
    [
        ("lower", 2, "a bound that its evidence does not give"),
        ("lower", 4, "a bound beyond U"),
        ("upper", 2, "an upper bound without evidence"),
        ("upper", 4, "an upper bound beyond U"),
        ("verdict", "refuted", "the opposite verdict"),
        ("verdict", "undecided", "no verdict"),
        ("node", 2, "a dense node"),
        ("node", 3, "no node"),
        ("node", 0, "the input"),
    ],
)
def test_forged_generic_claim(key, value, attack):
    case = instance(network([3], conv(2, kernel=[2]), dense(4)), given=IDENTITY_FILTERS)
    rejected(case, MINOR, {**generic(case, 1, lower=3), key: value})


def test_dense_nodes_have_no_generic_claims_but_ranks_at_weights():
    case = instance(network([2], dense(2)), given=rational(weight([[1, 2], [3, 4]])))
    judgment = minor(lifted(1), [0, 1], [0, 1])
    verified(case, judgment, generic(case, 1, lower=2, weights="w"))
    for statement in ("lemma-2.5", "assumption-2.4"):
        rejected(case, judgment, generic(case, 1, lower=2, statement=statement), "convolutional")
    pooled = instance(network([2], pool([1])), given=rational())
    rejected(pooled, minor(lifted(1), [0], [0]), generic(pooled, 1, lower=1), "affine")


def test_rank_at_given_weights():
    """U = diag of (1, 2), (1, 2): rank 2 at these filters, and generically."""
    net = network([2], conv(2, patches=[[0], [1]]))
    case = instance(net, given=rational(weight([[1, 2]], denominator=7)))
    both = [
        minor(lifted(1), [0, 1], [0, 2]),
        kernel(lifted(1), "right", (0, [[0, 2], [1, -1]]), (2, [[2, 2], [3, -1]])),
    ]
    verified(case, both, generic(case, 1, lower=2, weights="w", by=[0, 1]))
    for vectors in ([(0, [[0, 2], [1, 1]])], [(0, [[0, 2], [1, -1]]), (0, [[0, 2], [1, -1]])]):
        rejected(case, kernel(lifted(1), "right", *vectors), generic(case, 1, weights="w"))
    zero = instance(net, given=rational(weight([[0, 0]])))
    left = kernel(lifted(1), "left", (0, [[0, 1]]), (1, [[1, 1]]))
    verified(zero, left, generic(zero, 1, upper=0, weights="w"))
    rejected(case, left, generic(case, 1, upper=0, weights="w"), "product")
    # What holds at these weights only refutes nothing about all filters.
    rejected(zero, left, generic(zero, 1, upper=0))
    verified(zero, judged("cover", node=1, rows=[0, 1], columns=[]), generic(zero, 1, upper=2, weights="w"))


def test_generic_solutions():
    """With padding: patch entries that are padding do not stand in U."""
    net = network([2, 3], conv(3, kernel=[2], padding=[1]))  # 6 x 12
    case = instance(net, given=seed(7, 61))
    rows, columns = range(6), [0, 1, 3, 4, 6, 7]
    U = Reading(case).lifted(1)
    A = [[int(x * 2**61) % P31 for x in row] for row in block(U, rows, columns)]
    good = solved_mod_p(case, minor(lifted(1), rows, columns, prime=P31), A, P31, 7)
    claim = generic(case, 1, lower=6)
    assert verified(case, good, claim).error_bound == "2^-216"
    verified(case, good, claim, deterministic=True)
    rejected(case, changed(good, "solutions", 0, 0, (good["solutions"][0][0] + 1) % P31), claim, "A x = b")
    rejected(changed(case, "weights", "w", "seed", 8), good, claim, "A x = b")


SHAPES = [
    network([4], conv(2, kernel=[2])),
    network([2, 4], conv(3, kernel=[2], padding=[[1, 0]], stride=[2])),
    network([4, 3], conv(4, kernel=[2], groups=2, dilation=[2])),
    network([4, 3], conv(4, kernel=[2], groups=4, padding=[[0, 1]], bias="unit")),
    network([6], conv(2, patches=[[0, 1, -1], [2, -5, 3], [5, 1, 0], [4, -3, -2]], extents=[2, 2])),
    network([1, 2, 3], conv(2, kernel=[2, 2], bias="filter")),
    network([3], dense(5)),
]


@pytest.mark.parametrize("net", SHAPES)
@pytest.mark.parametrize("number", [0, 1])
def test_lifted_matrices_against_the_naive_reading(net, number):
    """Rank of U at drawn weights, from above and from below; every minor and vector is naive."""
    case = instance(net, given=seed(number, 5))
    U = [[int(x * 32) for x in row] for row in Reading(case).lifted(1)]
    _reduced, columns = row_reduce([[x % P31 for x in row] for row in U], P31)
    found = len(columns)
    _, rows = row_reduce([list(c) for c in zip(*[[row[j] for j in columns] for row in U], strict=True)], None)
    judgments, by = [minor(lifted(1), rows, columns, prime=P31)], [0]
    for side, matrix in (("left", U), ("right", [list(c) for c in zip(*U, strict=True)])):
        vectors = left_kernel(matrix)
        if vectors:
            by.append(len(judgments))
            judgments.append(kernel(lifted(1), side, *vectors))
            for s, (_, entries) in enumerate(vectors):
                if len(entries) > 1:
                    wrong = changed(judgments[-1], "vectors", s, "entries", 0, 1, 77777)
                    rejected(case, wrong, generic(case, 1, weights="w"), f"vectors[{s}]")
    assert found == len(rows)
    full = min(sides(net, 1))
    upper = found if len(by) > 1 else full
    verified(case, judgments, generic(case, 1, lower=found, upper=upper, weights="w", by=by))


# ---- Powers of ln 2. ----


def test_ln2_minor():
    """[[1, ln 2], [ln 2, (ln 2)^2]] is singular, [[1, ln 2], [ln 2, 1]] is not."""
    net = network([2], dense(2))
    for corner, check in (([0, 0, 1], rejected), ([1], verified)):
        case = instance(net, given=ln2(([[[1], [0, 1]], [[0, 1], corner]], None)))
        judgment = minor(lifted(1), [0, 1], [0, 1], root=3)
        check(case, judgment, generic(case, 1, lower=2, weights="w"))
        if check is verified:
            assert any(
                "ln 2" in x
                for x in verified(case, judgment, generic(case, 1, lower=2, weights="w")).assumptions
            )
            for root in (None, 0, 101):
                rejected(
                    case, changed(judgment, "root", root), generic(case, 1, lower=2, weights="w"), "root"
                )
            rejected(case, changed(judgment, "root", 1), generic(case, 1, lower=2, weights="w"), "vanishes")
        rejected(
            case, kernel(lifted(1), "left", (0, [[0, 1]])), generic(case, 1, upper=1, weights="w"), "rational"
        )


def test_ln2_denominators():
    """p must not divide a denominator; numbers without ln 2 are rational and have no root."""
    net = network([2], dense(2))
    case = instance(net, given=ln2(([[["1/5"], [0, "1/7"]], [[], [1]]], None)))
    claim = generic(case, 1, lower=2, weights="w")
    judgment = minor(lifted(1), [0, 1], [0, 1], root=3)
    verified(case, judgment, claim)
    for p in (5, 7):
        rejected(case, changed(judgment, "prime", p), claim, "denominator")
    plain = instance(net, given=ln2(([[["1/5"], ["1/7"]], [[], [1]]], None)))
    rejected(plain, judgment, claim, "root")
    verified(plain, changed(judgment, "root", None), claim)
    rejected(plain, {**judgment, "root": None, "prime": 7}, claim, "vanishes")


# ---- Bounds for every choice of filters. ----


def cover(rows, columns, node=1):
    return judged("cover", node=node, rows=rows, columns=columns)


def test_cover():
    """Neuron 2 lies in no patch, so two rows cover U."""
    case = instance(network([3], conv(3, patches=[[0, 1]])))
    claim = generic(case, 1, upper=2)
    assert "full rank for no filters" in verified(case, cover([0, 1], []), claim).claims[0]
    for rows, columns in (([0], [0]), ([0, 2], []), ([0, 0], []), ([0, 3], []), ([], [0, 3]), ([1, 0], [])):
        rejected(case, cover(rows, columns), claim)
    columns = instance(network([3], conv(1, patches=[[0, 1], [1, 2]])))
    verified(columns, cover([1, 2], [0]), generic(columns, 1, upper=2) | {"verdict": "undecided"})
    rejected(columns, cover([], [1]), generic(columns, 1, upper=1))
    dead = instance(network([3], conv(2, patches=[[0, -1]])))
    verified(dead, cover([0], []), generic(dead, 1, upper=1))


def polynomial_case():
    """Two positions with two filters, patches {0}, {1}: U = (w0, w1) twice, and (w1, -w0) is in the right kernel."""
    case = instance(network([1, 2], conv(2, patches=[[0], [1]])))  # U = diag blocks, 2 x 4
    vectors = [
        {"pivot": 0, "entries": [[0, [[1, [[1, 1]]]]], [1, [[-1, [[0, 1]]]]]]},
        {"pivot": 2, "entries": [[2, [[1, [[1, 1]]]]], [3, [[-1, [[0, 1]]]]]]},
    ]
    return case, judged("polynomial-kernel", node=1, side="right", vectors=vectors), generic(case, 1, upper=2)


def test_polynomial_kernel_right():
    assert "generic rank of U_1 <= 2" in verified(*polynomial_case()).claims[0]


@pytest.mark.parametrize(
    ("path", "value", "attack"),
    [
        ((0, "entries", 1, 1), [[1, [[0, 1]]]], "a wrong sign"),
        ((0, "entries", 1, 1), [[-1, [[0, 2]]]], "a wrong exponent"),
        ((0, "entries", 1, 1), [[0, [[0, 1]]]], "a zero coefficient"),
        ((0, "entries", 1, 1), [[-2, [[0, 1]]], [1, [[0, 1]]]], "a monomial twice"),
        ((0, "entries", 1, 1), [[-1, [[0, 1], [0, 1]]]], "a variable twice"),
        ((0, "entries", 1, 1), [[-1, [[2, 1]]]], "a variable that does not exist"),
        ((1, "pivot"), 0, "a pivot that is not an index"),
        ((1,), {"pivot": 0, "entries": [[0, [[2, [[1, 1]]]]], [1, [[-2, [[0, 1]]]]]]}, "a dependent vector"),
    ],
)
def test_forged_polynomial_kernel(path, value, attack):
    """Attacks the polynomial identity, the normal form of polynomials, and independence."""
    case, judgment, claim = polynomial_case()
    rejected(case, changed(judgment, "vectors", *path, value), claim)


def test_polynomials_that_are_empty_or_constant():
    case, judgment, claim = polynomial_case()
    for poly in ([], [[1, [[0, 0]]]], [[1, [[0, -1]]]], [["1/2", []]]):
        assert ask(case, changed(judgment, "vectors", 0, "entries", 1, 1, poly), claim).outcome == "MALFORMED"


def test_polynomial_kernel_left():
    """Patch {0,1} alone, one filter: U = (w0, w1)^T, and (w1, -w0) U = 0; neuron 2 gives the vector e2."""
    case = instance(network([3], conv(1, patches=[[0, 1]])))
    vectors = [
        {"pivot": 0, "entries": [[0, [[1, [[1, 1]]]]], [1, [[-1, [[0, 1]]]]]]},
        {"pivot": 2, "entries": [[2, [[1, []]]]]},
    ]
    judgment = judged("polynomial-kernel", node=1, side="left", vectors=vectors)
    claim = generic(case, 1, upper=1, statement="assumption-2.4")
    verified(case, judgment, claim)
    rejected(case, changed(judgment, "side", "right"), claim)
    rejected(case, changed(judgment, "vectors", 0, "entries", 0, 1, [[1, [[0, 1]]]]), claim, "vectors[0]")


def test_determinantal():
    """C = 1, T = 2, o = 3, kernel 2: 6 - (3 - 1) = 4 = n_0, and with T = 3: 9 - 2 = 7."""
    case = instance(network([4], conv(2, kernel=[2])))
    judgment = judged("determinantal", node=1)
    verified(case, judgment, generic(case, 1, upper=4))
    rejected(case, judgment, generic(case, 1, upper=3))
    tall = instance(
        network([2, 1, 5], conv(3, kernel=[1, 2]))
    )  # n_0 = 10, n_1 = 12, 12 - (1 - 0)(4 - 2) = 10
    verified(tall, judgment, generic(tall, 1, upper=10))


@pytest.mark.parametrize(
    "node",
    [
        conv(2, kernel=[2], stride=[2]),
        conv(2, kernel=[2], padding=[1]),
        conv(2, kernel=[2], padding=[[0, 1]]),
        conv(1, kernel=[2]),
        conv(2, patches=[[0, 1], [1, 2], [2, 3]]),
        dense(4),
    ],
)
def test_forged_determinantal(node):
    """Attacks stride 1, padding 0, T > C, and the need for a kernel."""
    case = instance(network([4], node))
    for bound in range(12):
        judgment, claim = judged("determinantal", node=1), generic(case, 1, upper=bound)
        rejected(case, judgment, claim, "needs")
    grouped = instance(network([2, 4], conv(4, kernel=[2], groups=2)))
    rejected(grouped, judged("determinantal", node=1), generic(grouped, 1, upper=8), "group")


@pytest.mark.parametrize(
    ("size", "node"),
    [
        ([5], conv(3, kernel=[2])),
        ([7], conv(2, kernel=[2], dilation=[2])),
        ([2, 6], conv(3, kernel=[2])),
        ([1, 3, 4], conv(3, kernel=[2, 2])),
        ([2, 3, 3], conv(4, kernel=[1, 2])),
        ([3, 2], conv(5, kernel=[1])),
    ],
)
def test_determinantal_bounds_are_true(size, node):
    """No smaller than the rank at drawn filters."""
    case = instance(network(size, node), given=seed(3, 40))
    U = [[int(x * 2**40) % P31 for x in row] for row in Reading(case).lifted(1)]
    found, full = len(row_reduce(U, P31)[1]), min(sides(case["network"], 1))
    judgment = judged("determinantal", node=1)
    outcomes = [ask(case, judgment, generic(case, 1, upper=b)).outcome for b in range(full + 1)]
    assert outcomes.count("VERIFIED") == 1
    assert outcomes.index("VERIFIED") >= found


def test_bounds_for_every_filter_need_no_data_but_affine_nodes():
    case = instance(network([4], pool([2]), dense(2)), inline([[1, 2, 3, 4]]))
    for judgment in (cover([0, 1, 2], []), judged("determinantal", node=1), polynomial_case()[1]):
        rejected(case, judgment, generic(case, 2, upper=1))
    for node in (0, 3, 10_000):
        rejected(case, cover([0], [], node), generic(case, 2, upper=1), "nodes")
