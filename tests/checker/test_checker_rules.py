"""Lower bounds of rank F: minors mod a prime, and solutions for right-hand sides drawn after the matrix."""

import pytest
from handmade import (
    P31,
    P61,
    RELU,
    SIGMOID,
    act,
    changed,
    conv,
    dense,
    features,
    inline,
    instance,
    line,
    minor,
    network,
    pool,
    rank,
    rational,
    seal,
    seed,
    weight,
)
from naive import Reading, block, largest_minor, mod, solved_mod_p
from verdicts import ask, rejected, settled, verified


def pair_case(activation=RELU, rows=((1, 0, 0), (0, 0, 1))):
    """Two patches {0,1}, {1,2} with weights 1, 1: pre-activations x0 + x1 and x1 + x2."""
    return instance(
        network([3], conv(1, patches=[[0, 1], [1, 2]]), act(activation)),
        inline(rows),
        rational(weight([[1], [1]])),
    )


BOTH = minor(features(2), [0, 1], [0, 1])


def test_rational_minor():
    case = pair_case()
    assert verified(case, BOTH, rank(case, 2, lower=2)).claims == [
        "rank F_1 = 2 over R for the 2 samples and the weights w "
        "(F_1 is 2 x 2, its rows are linearly independent)"
    ]


EXPONENTIAL = [
    SIGMOID,
    {"name": "tanh"},
    {"name": "silu"},
    {"name": "elu", "alpha": "1/2"},
    {"name": "gaussian"},
]


@pytest.mark.parametrize("activation", EXPONENTIAL)
def test_exponential_minor(activation):
    case = pair_case(activation)
    verdict = verified(case, changed(BOTH, "root", 2), rank(case, 2, lower=2))
    assert any("Lindemann" in assumption for assumption in verdict.assumptions)


@pytest.mark.parametrize(
    ("path", "value", "attack"),
    [
        (("rows",), [0, 0], "the same row twice"),
        (("rows",), [1, 0], "rows out of order"),
        (("rows",), [0, 2], "a row beyond the samples"),
        (("columns",), [1, 1], "the same column twice"),
        (("columns",), [0, 2], "a column beyond the width"),
        (("columns",), [0], "a minor that is not square"),
        (("prime",), 91, "a composite modulus"),
        (("prime",), 9, "a square"),
        (("prime",), 2047, "a strong pseudoprime to base 2"),
        (("prime",), "3215031751", "a strong pseudoprime to bases 2, 3, 5, 7"),
        (("prime",), "341550071728321", "a strong pseudoprime to bases 2 .. 17"),
        (("root",), None, "exponential features without a root"),
        (("root",), 101, "a root that is 0 mod p"),
        (("root",), 0, "a root 0"),
        (("root",), 100, "1 + g^n = 0: a pole"),
        (("root",), 1, "root 1 makes the minor vanish"),
        (("divisor",), 2, "a divisor that does not divide the denominator"),
        (("of", "node"), 1, "the pre-activations, which are rational"),
        (("of", "node"), 3, "no node"),
        (("of", "weights"), "v", "weights that are not there"),
        (("of", "matrix"), "lifted", "another matrix"),
        (("rows",), [], "no rows"),
    ],
)
def test_forged_minor(path, value, attack):
    """Attacks each hypothesis of the minor rule."""
    case, judgment = pair_case(SIGMOID), changed(BOTH, "root", 2)
    verified(case, judgment, rank(case, 2, lower=2))
    rejected(case, changed(judgment, *path, value), rank(case, 2, lower=2))


@pytest.mark.parametrize(
    ("key", "value", "attack"),
    [
        ("lower", 1, "a bound below what is shown"),
        ("lower", 3, "a bound above it"),
        ("upper", 1, "an upper bound without evidence"),
        ("upper", 3, "an upper bound above N"),
        ("verdict", "undecided", "a verdict at odds with the bounds"),
        ("verdict", "refuted", "the opposite verdict"),
        ("node", 1, "another node than the judgment's"),
        ("node", 0, "the input"),
        ("node", 3, "no node"),
        ("weights", None, "every choice of weights"),
        ("weights", "v", "weights that are not there"),
        ("weights", "other", "other weights than the judgment's"),
        ("by", [1], "no judgment"),
    ],
)
def test_forged_rank_claim(key, value, attack):
    case = pair_case()
    case["weights"]["other"] = rational(weight([[1], [1]]))
    claim = rank(case, 2, lower=2)
    verified(case, BOTH, claim)
    rejected(case, BOTH, {**claim, key: value})


def test_even_primes_are_not_in_the_grammar():
    case = pair_case()
    for p in (2, 1, 0, -3, str(2**63 + 29)):
        assert ask(case, changed(BOTH, "prime", p), rank(case, 2, lower=2)).outcome == "MALFORMED"


def test_vanishing_minor():
    """Attacks the determinant itself: two equal samples have no non-zero 2-minor."""
    case = pair_case(rows=((1, 0, 0), (1, 0, 0)))
    rejected(case, BOTH, rank(case, 2, lower=2), "vanishes")


def test_root_for_rational_features():
    """Attacks the rule that only exponential features have a root."""
    case = pair_case()
    rejected(case, changed(BOTH, "root", 2), rank(case, 2, lower=2), "root")


def test_p_must_not_divide_what_the_image_is_over():
    """Attacks the images of alpha and of n / D, which do not exist when p divides a denominator."""
    judgment = {**BOTH, "prime": 3, "root": 2}
    good, bad = (pair_case({"name": "elu", "alpha": alpha}) for alpha in ("1/2", "1/3"))
    verified(good, judgment, rank(good, 2, lower=2))
    rejected(bad, judgment, rank(bad, 2, lower=2), "denominator")
    case = pair_case(SIGMOID)
    case["data"]["denominator"] = 101
    rejected(case, {**BOTH, "root": 2}, rank(case, 2, lower=2), "denominator")


def halves(columns=2):
    """One sample 1, weights 1 and 1/2, written over 4."""
    return instance(
        network([1], conv(columns, patches=[[0]]), act("sigmoid")),
        inline([[1]]),
        rational(weight([[4, 2][:columns]], denominator=4)),
    )


def test_divisor():
    """It must divide the denominator and every numerator that is used; e^(divisor / denominator) goes to the root."""
    case = halves()
    for column, divisor in ((0, 1), (0, 2), (0, 4), (1, 1), (1, 2)):
        judgment = minor(features(2), [0], [column], root=2, divisor=divisor)
        verified(case, judgment, rank(case, 2, lower=1))
    rejected(case, minor(features(2), [0], [1], root=2, divisor=4), rank(case, 2, lower=1), "divisor")
    rejected(case, minor(features(2), [0], [0], root=2, divisor=3), rank(case, 2, lower=1), "divisor")
    rejected(case, minor(features(2), [0], [0], root=2, divisor=8), rank(case, 2, lower=1), "divisor")
    # 3 is a root of unity of order 4 mod 5 with 3^2 = -1: at divisor 2 the value is e^2 over a pole.
    pole = minor(features(2), [0], [0], prime=5, root=3, divisor=2)
    rejected(case, pole, rank(case, 2, lower=1), "vanishes")


def test_divisor_of_rational_features():
    """p divides the numerator 5 as it stands over 2, not after division."""
    case = instance(
        network([1], conv(1, patches=[[0]])), inline([[5]]), rational(weight([[3]], denominator=5))
    )
    rejected(case, minor(features(1), [0], [0], prime=5), rank(case, 1, lower=1), "vanishes")
    verified(case, minor(features(1), [0], [0], prime=5, divisor=5), rank(case, 1, lower=1))
    rejected(case, minor(features(1), [0], [0], prime=7, divisor=7), rank(case, 1, lower=1), "divisor")
    case["data"]["rows"] = [[1]]
    rejected(case, minor(features(1), [0], [0], prime=7, divisor=5), rank(case, 1, lower=1), "divisor")


def test_p_may_divide_the_common_denominator():
    case = instance(
        network([1], conv(1, patches=[[0]])), inline([[1]]), rational(weight([[1]], denominator=3))
    )
    verified(case, minor(features(1), [0], [0], prime=3), rank(case, 1, lower=1))


@pytest.mark.parametrize(
    "activation",
    [{"name": "softplus", "alpha": 1}, "arctan", "gelu", "sigmoid2", {"name": "custom", "tree": "t"}],
)
@pytest.mark.parametrize("root", [None, 2])
def test_no_images(activation, root):
    """Attacks the limits of images mod p: activations that have none, and nodes above an exponential one."""
    case = line([1], act(activation)["activation"])
    rejected(case, minor(features(2), [0], [0], root=root), rank(case, 2, lower=1))
    deep = instance(
        network([1], dense(1), act(SIGMOID), dense(1)), inline([[1]]), rational(weight([[1]]), weight([[1]]))
    )
    rejected(deep, minor(features(3), [0], [0], root=root), rank(deep, 3, lower=1))


def test_softsign_is_a_quotient():
    """t / (1 + |t|) mod p: 1/2, -1/2, 2/3 are V / D with poles where p divides 1 + |t|."""
    case = instance(network([2], act("softsign")), inline([[1, 0], [0, -2]]), rational())
    judgment = minor(features(1), [0, 1], [0, 1])
    verified(case, judgment, rank(case, 1, lower=2))
    rejected(case, changed(judgment, "prime", 3), rank(case, 1, lower=2), "denominator")
    rejected(case, changed(judgment, "root", 2), rank(case, 1, lower=2), "root")
    case["data"]["rows"] = [[1, 2], [-1, -2]]
    rejected(case, judgment, rank(case, 1, lower=2), "vanishes")


def test_missing_parts():
    """Attacks claims about weights or samples that are not there."""
    case = pair_case()
    rejected({**case, "data": None}, BOTH, rank(case, 2, lower=2), "data")
    rejected({**case, "weights": {}}, BOTH, rank(case, 2, lower=2), "weights")
    deep = instance(network([1], dense(1), dense(1)), inline([[1]]), rational(weight([[1]]), None))
    verified(deep, minor(features(1), [0], [0]), rank(deep, 1, lower=1))
    rejected(deep, minor(features(2), [0], [0]), rank(deep, 2, lower=1), "weights")


@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_maxpool_needs_no_weights(activation):
    case = instance(network([2], pool([2]), dense(1), act(activation)), inline([[3, 4]]), rational(None))
    verified(case, minor(features(1), [0], [0]), rank(case, 1, lower=1))
    rejected(case, minor(features(3), [0], [0]), rank(case, 3, lower=1), "weights")


# ---- Solutions, against the naive reading. ----


def deep_cases():
    rows = [[(7 * i * i + 3 * j * j + i * j) % 11 - 5 for j in range(32)] for i in range(6)]
    drawn = seed(str(2**64 - 1), 11)
    image = inline(rows, denominator=3)
    yield instance(
        network(
            [2, 4, 4],
            conv(3, kernel=[3, 2], padding=[1, 1], stride=[2, 1], bias="unit"),
            act({"name": "leaky_relu", "slope": "1/10"}),
            pool([2, 2], padding=[1, 0]),
            conv(4, kernel=[2, 2], dilation=[1, 2], bias="filter"),
            act("square"),
        ),
        image,
        drawn,
    )
    yield instance(
        network([32], conv(2, kernel=[5], stride=[3], padding=[2]), act("relu"), dense(7, "unit")),
        image,
        drawn,
    )
    yield instance(
        network(
            [2, 2, 2, 4],
            conv(2, kernel=[2, 2, 2], padding=[0, 1, 0], bias="filter"),
            act("relu"),
            pool([1, 2, 2]),
        ),
        image,
        {**drawn, "bits": 8},
    )


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("p", [P31, P61])
def test_solutions_rational(number, p):
    case = list(deep_cases())[number]
    node = len(case["network"]["nodes"])
    matrix = mod(Reading(case).numerators(node), p)
    rows, columns = largest_minor(matrix, p)
    judgment = minor(features(node), rows, columns, prime=p if p < 2**53 else str(p))
    claim = rank(case, node, lower=len(rows))
    verified(case, judgment, claim)
    judgment = solved_mod_p(case, judgment, block(matrix, rows, columns), p, 7 if p == P31 else 4)
    assert verified(case, judgment, claim).error_bound == ("2^-216" if p == P31 else "2^-243")
    assert verified(case, judgment, claim, deterministic=True).error_bound is None


def sigmoid_solutions():
    rows = [[(5 * i * i + 3 * j * j + i * j) % 11 - 5 for j in range(4)] for i in range(5)]
    case = instance(network([4], conv(3, kernel=[2], bias="unit"), act(SIGMOID)), inline(rows, 2), seed(5, 3))
    g, columns, divisor = 7, [0, 2, 3, 5, 8], 1
    exponents = Reading(case).numerators(1)
    powers = [[pow(g, n, P31) for n in row] for row in exponents]
    A = [[row[j] * pow(1 + row[j], -1, P31) % P31 for j in columns] for row in powers]
    judgment = minor(features(2), range(5), columns, prime=P31, root=g, divisor=divisor)
    return case, A, judgment, rank(case, 2, lower=5)


def test_solutions_sigmoid():
    case, A, judgment, claim = sigmoid_solutions()
    solved = solved_mod_p(case, judgment, A, P31, 7)
    verdict = verified(case, solved, claim)
    assert verdict.error_bound == "2^-216"
    assert any("random oracle" in x for x in verdict.assumptions)
    # The errors of several judgments add up, not those of several claims.
    assert verified(case, solved, [claim, claim]).error_bound == "2^-216"
    for copies, bound in ((2, "2^-215"), (3, "2^-214"), (4, "2^-214"), (5, "2^-213")):
        assert verified(case, [solved] * copies, claim).error_bound == bound


def test_forged_solutions():
    """Attacks the number of vectors, their entries, their size, and their binding to judgment and instance."""
    case, A, bare, claim = sigmoid_solutions()
    good = solved_mod_p(case, bare, A, P31, 7)
    x = good["solutions"]
    rejected(case, changed(good, "solutions", x[:6]), claim, "2^192")
    rejected(case, changed(good, "solutions", 3, 2, (x[3][2] + 1) % P31), claim, "A x = b")
    rejected(case, changed(good, "solutions", 3, 2, x[3][2] + P31), claim, "residues")
    rejected(case, changed(good, "solutions", 3, x[3][:4]), claim, "residues")
    rejected(case, changed(good, "solutions", 3, []), claim, "residues")
    rejected(case, changed(good, "solutions", [x[0]] * 7), claim, "A x = b")
    rejected(case, changed(good, "root", 8), claim, "A x = b")
    rejected(case, changed(good, "divisor", 2), claim)
    rejected(changed(case, "network", "name", "other"), good, claim, "A x = b")
    with_targets = {**case, "targets": {"denominator": 1, "rows": [[0] * 9] * 5}}
    rejected(with_targets, good, claim, "A x = b")
    more_weights = changed(case, "weights", "v", rational(None))
    rejected(more_weights, good, claim, "A x = b")
    for solutions in ([], [[-1] * 5] * 7, [0] * 7):
        assert ask(case, changed(good, "solutions", solutions), claim).outcome == "MALFORMED"


def test_deterministic_does_not_trust_solutions():
    """Attacks --deterministic with a singular matrix: once the solutions are looked at, once not."""
    case = pair_case(rows=((1, 0, 0), (1, 0, 0)))
    judgment = minor(features(2), [0, 1], [0, 1], prime=P31, solutions=[[0, 0]] * 7)
    rejected(case, judgment, rank(case, 2, lower=2), "vanishes", deterministic=True)
    rejected(case, judgment, rank(case, 2, lower=2), "A x = b")


def test_small_primes_need_many_vectors():
    """3^121 < 2^192 < 3^122."""
    case = pair_case()
    bare = changed(BOTH, "prime", 3)
    for vectors, check in ((122, verified), (121, rejected)):
        judgment = solved_mod_p(case, bare, [[1, 0], [0, 1]], 3, vectors)
        check(case, judgment, rank(case, 2, lower=2))


# ---- The instance is bound, and every claim counts. ----


def test_digests():
    """Attacks the binding of the instance."""
    case = {**pair_case(), "targets": {"denominator": 1, "rows": [[0, 0], [1, 1]]}}
    certificate = seal(case, [BOTH], [rank(case, 2, lower=2)])
    assert settled(certificate).outcome == "VERIFIED"
    for part in ("network", "data", "targets", "instance"):
        assert settled(changed(certificate, "digests", part, "0" * 64)).outcome == "REJECTED"
    for value in ({}, {"w": "0" * 64}, {"w": certificate["digests"]["weights"]["w"], "v": "0" * 64}):
        assert settled(changed(certificate, "digests", "weights", value)).outcome == "REJECTED"
    assert settled(changed(certificate, "digests", "data", None)).outcome == "REJECTED"
    assert settled(changed(certificate, "instance", "data", "rows", 0, 0, 2)).outcome == "REJECTED"


def test_all_claims_and_judgments_must_hold():
    """Attacks with a false claim after a true one, and with a false judgment that no claim names."""
    case = pair_case()
    good, wrong = rank(case, 2, lower=2), rank(case, 2, lower=1)
    verified(case, BOTH, [good, good])
    rejected(case, BOTH, [good, wrong])
    verified(case, [BOTH, minor(features(2), [0], [0])], good)
    rejected(case, [BOTH, minor(features(2), [0], [1])], good, "judgments[1]")


def test_the_best_of_several_judgments_counts():
    case = pair_case()
    one = minor(features(2), [0], [0])
    verified(case, [one, BOTH], rank(case, 2, lower=2, by=[0, 1]))
    rejected(case, [one, BOTH], rank(case, 2, lower=1, by=[0, 1]))
    verified(case, [one, BOTH], rank(case, 2, lower=1, by=[0]))


def test_seeds_of_weights_count_layers_not_nodes():
    """The key in the stream of a node is the number of affine and pooling nodes up to it."""
    case = instance(
        network(
            [4],
            {"kind": "scale", "factors": [1], "shifts": [0]},
            conv(3, kernel=[2]),
            act("relu"),
            pool([2]),
            dense(2),
        ),
        inline([[1, 2, 3, 4], [4, -1, 0, 1]]),
        seed(3, 9),
    )
    A = mod(Reading(case).numerators(5), P31)
    solved = solved_mod_p(case, minor(features(5), [0, 1], [0, 1], prime=P31), A, P31, 7)
    verified(case, solved, rank(case, 5, lower=2))
