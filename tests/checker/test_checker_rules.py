"""Hand-made certificates: every kind of claim and evidence accepted, and forgeries of each rejected."""

import gzip
import hashlib
import json
import struct
import zipfile

import pytest
from handmade import (
    IDENTITY,
    RELU,
    SIGMOID,
    changed,
    conv,
    dense,
    fiat_shamir,
    generic,
    inline,
    instance,
    line,
    minor,
    naive_features,
    network,
    pool,
    rank,
    residues,
    row_reduce,
    seal,
    weight,
    weights,
)

from exactcnn.checker import check_certificate, check_file

P31, P61 = 2**31 - 1, 2**61 - 1


def outcome(certificate, **options):
    verdict = check_certificate(certificate, **options)
    assert (verdict.claims == []) == (verdict.outcome != "VERIFIED")
    return verdict.outcome


def verified(case, claim, **options):
    verdict = check_certificate(seal(case, claim), **options)
    assert verdict.outcome == "VERIFIED", verdict.reason
    return verdict


def rejected(case, claim, about="", **options):
    verdict = check_certificate(seal(case, claim), **options)
    assert verdict.outcome == "REJECTED", (verdict.outcome, verdict.reason)
    assert about in verdict.reason, verdict.reason


# ---- Rank of F_k: minors. ----


def pair_case(activation=RELU, rows=((1, 0, 0), (0, 0, 1))):
    """Two patches {0,1}, {1,2} with weights 1, 1: pre-activations x0 + x1 and x1 + x2."""
    return instance(
        network([3], conv(1, patches=[[0, 1], [1, 2]], activation=activation)),
        inline([list(row) for row in rows]),
        weights(weight([[1], [1]])),
    )


def test_rational_minor():
    case, claim = pair_case(), rank(2, 2, lower=2, low=minor([0, 1], [0, 1]))
    assert verified(case, claim).claims == [
        "rank F_1 = 2 over R for the given 2 samples and weights "
        "(F_1 is 2 x 2, so its rows are linearly independent)"
    ]


@pytest.mark.parametrize(
    "activation",
    [
        SIGMOID,
        {"name": "tanh"},
        {"name": "silu"},
        {"name": "elu", "alpha": "1/2"},
        {"name": "gaussian"},
    ],
)
def test_exponential_minor(activation):
    low = minor([0, 1], [0, 1], substitution={"denominator": 1, "root": 2})
    verdict = verified(pair_case(activation), rank(2, 2, lower=2, low=low))
    assert any("Lindemann" in assumption for assumption in verdict.assumptions)


EXP_MINOR = minor([0, 1], [0, 1], substitution={"denominator": 1, "root": 2})


@pytest.mark.parametrize(
    ("path", "value", "attack"),
    [
        (("evidence", "lower", "rows"), [0, 0], "the same row twice"),
        (("evidence", "lower", "rows"), [1, 0], "rows out of order"),
        (("evidence", "lower", "rows"), [0, 2], "a row beyond the samples"),
        (("evidence", "lower", "columns"), [1, 1], "the same column twice"),
        (("evidence", "lower", "columns"), [0, 2], "a column beyond the width"),
        (("evidence", "lower", "columns"), [0], "a minor that is not square"),
        (("evidence", "lower", "prime"), 91, "a composite modulus"),
        (("evidence", "lower", "prime"), 2, "the even prime"),
        (("evidence", "lower", "prime"), 2047, "a strong pseudoprime to base 2"),
        (("evidence", "lower", "prime"), "3215031751", "a strong pseudoprime to bases 2, 3, 5, 7"),
        (("evidence", "lower", "substitution"), None, "exponential features without substitution"),
        (("evidence", "lower", "substitution"), {"denominator": 101, "root": 2}, "p divides the denominator"),
        (("evidence", "lower", "substitution"), {"denominator": 1, "root": 101}, "a root that is 0 mod p"),
        (("evidence", "lower", "substitution"), {"denominator": 1, "root": 100}, "1 + g^n = 0: a pole"),
        (
            ("evidence", "lower", "substitution"),
            {"denominator": 1, "root": 1},
            "root 1 makes the minor vanish",
        ),
        (("lower",), 1, "a bound that its evidence does not give"),
        (("upper",), 1, "an upper bound without evidence"),
        (("verdict",), "undecided", "a verdict at odds with the bounds"),
        (("samples",), 3, "another number of samples"),
        (("width",), 3, "another width"),
        (("layer",), 2, "a layer that does not exist"),
    ],
)
def test_forged_minor(path, value, attack):
    """Attacks each hypothesis of the minor rule and each number of the rank claim."""
    claim = rank(2, 2, lower=2, low=EXP_MINOR)
    verified(pair_case(SIGMOID), claim)
    rejected(pair_case(SIGMOID), changed(claim, *path, value))


def test_vanishing_minor():
    """Attacks the determinant itself: two equal samples have no non-zero 2-minor."""
    rejected(
        pair_case(rows=((1, 0, 0), (1, 0, 0))), rank(2, 2, lower=2, low=minor([0, 1], [0, 1])), "vanishes"
    )


def test_substitution_for_rational_features():
    """Attacks the rule that only exponential features have a substitution."""
    rejected(pair_case(), rank(2, 2, lower=2, low=EXP_MINOR), "substitution")


def test_alpha_denominator():
    """Attacks the image of alpha, which does not exist when p divides its denominator."""
    claim = rank(
        2, 2, lower=2, low=minor([0, 1], [0, 1], prime=3, substitution={"denominator": 1, "root": 2})
    )
    verified(pair_case({"name": "elu", "alpha": "1/2"}), claim)
    rejected(pair_case({"name": "elu", "alpha": "1/3"}), claim)


def test_denominator_must_clear():
    """Attacks the integrality of the exponents, also of an entry outside the minor."""
    case = instance(
        network([1], conv(2, patches=[[0]], activation=SIGMOID)),
        inline([[1]]),
        weights(weight([[2, 1]], denominator=2)),
    )
    low = minor([0], [0], substitution={"denominator": 2, "root": 2})
    verified(case, rank(1, 2, lower=1, low=low))
    rejected(
        case, rank(1, 2, lower=1, low=changed(low, "substitution", {"denominator": 1, "root": 2})), "clear"
    )


def test_p_may_divide_the_common_denominator():
    case = instance(
        network([1], conv(1, patches=[[0]])), inline([[1]]), weights(weight([[1]], denominator=3))
    )
    verified(case, rank(1, 1, lower=1, low=minor([0], [0], prime=3)))


def test_no_features():
    """Attacks the limits of exact features: softplus, custom, and layers above an exponential one."""
    low = minor([0], [0], substitution={"denominator": 1, "root": 2})
    for activation in (
        {"name": "softplus", "alpha": 1},
        {"name": "arctan"},
        {"name": "gelu"},
        {"name": "custom", "expression": "t"},
    ):
        case, claim = line([1], activation, lower=1, low=low)
        rejected(case, claim, "computable")
    deep = instance(
        network([1], dense(1, SIGMOID), dense(1)), inline([[1]]), weights(weight([[1]]), weight([[1]]))
    )
    rejected(deep, rank(1, 1, lower=1, low=minor([0], [0]), layer=2), "computable")


def test_missing_parts():
    """Attacks claims about weights or samples that are not there."""
    claim = rank(2, 2, lower=2, low=minor([0, 1], [0, 1]))
    for part in ("data", "weights"):
        rejected({**pair_case(), part: None}, claim, part)
    deep = instance(network([1], dense(1), dense(1)), inline([[1]]), weights(weight([[1]]), None))
    verified(deep, rank(1, 1, lower=1, low=minor([0], [0])))
    rejected(deep, rank(1, 1, lower=1, low=minor([0], [0]), layer=2), "weights")


# ---- Rank of F_k: Fiat-Shamir against a naive second implementation of the features. ----


def deep_cases():
    rows = [[(7 * i * i + 3 * j * j + i * j) % 11 - 5 for j in range(32)] for i in range(6)]
    seed = {"kind": "seed", "seed": str(2**64 - 1), "bits": 11}
    image = inline(rows, denominator=3)
    leaky = {"name": "leaky_relu", "slope": "1/10"}
    yield instance(
        network(
            [2, 4, 4],
            conv(3, kernel=[3, 2], padding=[1, 1], stride=[2, 1], activation=leaky, bias="unit"),
            pool([2, 2], padding=[1, 0]),
            conv(
                4,
                kernel=[2, 2],
                dilation=[1, 2],
                padding=[0, 0],
                bias="filter",
                activation={"name": "square"},
            ),
        ),
        image,
        seed,
    )
    yield instance(
        network([32], conv(2, kernel=[5], stride=[3], padding=[2]), dense(7, bias="unit")), image, seed
    )
    yield instance(
        network([2, 2, 2, 4], conv(2, kernel=[2, 2, 2], padding=[0, 1, 0], bias="filter"), pool([1, 2, 2])),
        image,
        {**seed, "bits": 8},
    )


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("p", [P31, P61])
def test_fiat_shamir_rational(number, p):
    case = list(deep_cases())[number]
    matrix = residues(naive_features(case), p)
    _, columns = row_reduce(matrix, p)
    transposed = [list(column) for column in zip(*[[row[j] for j in columns] for row in matrix], strict=True)]
    _, rows = row_reduce(transposed, p)
    a = [[matrix[i][j] for j in columns] for i in rows]
    low = minor(rows, columns, prime=p if p < 2**53 else str(p))
    claim = rank(6, len(matrix[0]), lower=len(rows), low=low, layer=len(case["network"]["layers"]))
    fiat_shamir(case, claim, a, p, 7 if p == P31 else 4)
    assert verified(case, claim).error_bound == ("2^-216" if p == P31 else "2^-243")
    assert verified(case, claim, deterministic=True).error_bound is None


def sigmoid_fiat_shamir():
    rows = [[(5 * i * i + 3 * j * j + i * j) % 11 - 5 for j in range(4)] for i in range(5)]
    case = instance(
        network([4], conv(3, kernel=[2], activation=SIGMOID, bias="unit")),
        inline(rows, 2),
        {"kind": "seed", "seed": 5, "bits": 3},
    )
    d, g, columns = 16, 7, [0, 2, 3, 5, 8]
    exponents = [[int(x * d) for x in row] for row in naive_features(case, last_is_preactivation=True)]
    powers = [[pow(g, n, P31) for n in row] for row in exponents]
    a = [[row[j] * pow(1 + row[j], -1, P31) % P31 for j in columns] for row in powers]
    low = minor([0, 1, 2, 3, 4], columns, prime=P31, substitution={"denominator": d, "root": g})
    return case, a, rank(5, 9, lower=5, low=low)


def test_fiat_shamir_sigmoid():
    case, a, claim = sigmoid_fiat_shamir()
    verdict = verified(case, fiat_shamir(case, claim, a, P31, 7))
    assert verdict.error_bound == "2^-216"
    assert any("random oracle" in x for x in verdict.assumptions)
    two = seal(case, claim, claim)
    assert check_certificate(two).error_bound == "2^-215"


def test_forged_fiat_shamir():
    """Attacks the number of vectors, their entries, their size, and their binding to claim and instance."""
    case, a, claim = sigmoid_fiat_shamir()
    good = fiat_shamir(case, claim, a, P31, 7)
    path = ("evidence", "lower", "solutions")
    x = good["evidence"]["lower"]["solutions"]
    rejected(case, changed(good, *path, x[:6]), "2^192")
    rejected(case, changed(good, *path, []), "2^192")
    rejected(case, changed(good, *path, 3, 2, (x[3][2] + 1) % P31), "A x = b")
    rejected(case, changed(good, *path, 3, 2, x[3][2] + P31), "residues")
    rejected(case, changed(good, *path, 3, x[3][:4]), "residues")
    rejected(case, changed(good, *path, [x[0]] * 7), "A x = b")
    rejected(case, changed(good, "evidence", "upper", {"kind": "width"}) | {"upper": 9}, "A x = b")
    rejected(changed(case, "network", "name", "other"), good, "A x = b")
    rejected(case, changed(good, "evidence", "lower", "substitution", "root", 8), "A x = b")


def test_deterministic_does_not_trust_solutions():
    """Attacks --deterministic with a singular matrix."""
    claim = rank(
        2,
        2,
        lower=2,
        low={**minor([0, 1], [0, 1], prime=P31), "kind": "minor-fiat-shamir", "solutions": [[0, 0]] * 7},
    )
    rejected(pair_case(rows=((1, 0, 0), (1, 0, 0))), claim, "vanishes", deterministic=True)


# ---- Rank of F_k: upper bounds. ----


def test_width():
    case, claim = line([1, 2, 3], SIGMOID, upper=1, up={"kind": "width"})
    verified(case, claim)
    rejected(case, changed(claim, "upper", 0) | {"verdict": "refuted"})


def test_distinct_samples_without_weights():
    case, claim = line(
        [1, 2, 1], {"name": "custom", "expression": "t"}, upper=2, up={"kind": "distinct-samples"}
    )
    case["weights"] = None
    assert "every choice of weights" in verified(case, claim).claims[0]
    rejected(case, claim | {"upper": 1})


def wide(data_rows):
    """Patches {0,1}, {1,2} with three filters, tanh."""
    return instance(
        network([3], conv(3, patches=[[0, 1], [1, 2]], activation={"name": "tanh"})), inline(data_rows)
    )


def test_restriction():
    """Patch 0 takes 2 values, so the rank is at most 3 + 2; B empty gives 6; B everything gives 3 samples."""
    case = wide([[0, 0, 0], [0, 0, 1], [1, 0, 0]])
    for positions, bound in (([0], 5), ([], 6), ([0, 1], 3)):
        up = {"kind": "restriction", "positions": positions}
        verified(case, rank(3, 6, upper=bound, up=up))
        rejected(case, rank(3, 6, upper=bound - 1, up=up))
    rejected(case, rank(3, 6, upper=5, up={"kind": "restriction", "positions": [2]}), "positions")
    rejected(case, rank(3, 6, upper=5, up={"kind": "restriction", "positions": [0, 0]}), "positions")


def test_distinct_patches():
    """Both patches take 2 <= 3 values: r2 = 1 + 1 + 1."""
    case, up = wide([[0, 0, 0], [0, 0, 1], [1, 0, 0]]), {"kind": "distinct-patches"}
    verified(case, rank(3, 6, upper=3, up=up))
    rejected(case, rank(3, 6, upper=2, up=up))
    many = wide([[i, 0, 0] for i in range(5)])  # patch 0: 5 > 3 values, patch 1: one
    assert "rank F_1 <= 4" in verified(many, rank(5, 6, upper=4, up=up)).claims[0]


def test_patch_rules_need_layer_one_not_pooling():
    """Attacks the restriction to layer 1 and to layers with filters."""
    deep = instance(network([1], dense(1, SIGMOID), dense(1)), inline([[1], [1]]))
    pooled = instance(network([2], pool([2])), inline([[1, 1], [1, 1]]))
    for up in ({"kind": "restriction", "positions": [0]}, {"kind": "distinct-patches"}):
        rejected(deep, rank(2, 1, upper=1, up=up, layer=2), "layer 1")
        rejected(pooled, rank(2, 1, upper=1, up=up), "layer 1")


def kernel(side, denominator, *vectors):
    return {
        "kind": f"{side}-kernel",
        "denominator": denominator,
        "vectors": [{"pivot": pivot, "entries": entries} for pivot, entries in vectors],
    }


@pytest.mark.parametrize(
    ("activation", "values", "vector", "wrong"),
    [
        (SIGMOID, [1, -1, 0], [1, 1, -2], [1, 1, -1]),
        ({"name": "tanh"}, [2, -2, 0], [1, 1, 5], [1, -1, 5]),
        ({"name": "silu"}, [1, -1, 2, -2], [2, -2, -1, 1], [1, -1, -1, 1]),
        ({"name": "elu", "alpha": "2/3"}, [1, 2, -1, -1], [2, -1, 1, -1], [2, -1, 1, 1]),
        ({"name": "gaussian"}, [3, -3], [1, -1], [1, 1]),
    ],
)
def test_exponential_left_kernel(activation, values, vector, wrong):
    """Formal relations between symbols; the wrong vector attacks each of them."""
    for v, check in ((vector, verified), (wrong, rejected)):
        up = kernel("left", 1, (0, [[i, c] for i, c in enumerate(v)]))
        check(*line(values, activation, upper=len(values) - 1, up=up))


def test_exponential_right_kernel():
    case = instance(
        network([1], conv(3, patches=[[0]], activation=SIGMOID)),
        inline([[1], [2]], denominator=5),
        weights(weight([[1, -1, 1]])),
    )
    verified(case, rank(2, 3, upper=2, up=kernel("right", 5, (0, [[0, 1], [2, -1]]))))
    rejected(
        case, rank(2, 3, upper=2, up=kernel("right", 5, (0, [[0, 1], [1, 1]]))), "kernel"
    )  # the constant 1
    rejected(case, rank(2, 3, upper=2, up=kernel("right", 1, (0, [[0, 1], [2, -1]]))), "clear")
    rejected(case, rank(2, 3, upper=2, up=kernel("right", None, (0, [[0, 1], [2, -1]]))), "null")


def test_rational_kernels():
    case, _ = line([1, 2, 3], RELU)
    vectors = (0, [[0, 3], [2, -1]]), (1, [[1, 3], [2, -2]])
    verified(case, rank(3, 1, upper=1, up=kernel("left", None, *vectors)))
    both = instance(network([1], conv(2, patches=[[0]])), inline([[1], [2]]), weights(weight([[1, 2]])))
    verified(both, rank(2, 2, upper=1, up=kernel("right", None, (0, [[0, 2], [1, -1]]))))
    rejected(both, rank(2, 2, upper=1, up=kernel("right", None, (0, [[0, 2], [1, 1]]))), "kernel")
    rejected(both, rank(2, 2, upper=1, up=kernel("right", 1, (0, [[0, 2], [1, -1]]))), "null")


@pytest.mark.parametrize(
    ("vectors", "attack"),
    [
        ([(0, [[0, 3], [2, -1]]), (0, [[0, 3], [2, -1]])], "the same vector twice"),
        ([(0, [[0, 3], [2, -1]]), (2, [[0, 3], [2, -1]])], "an entry at an earlier pivot"),
        ([(0, [[0, 3], [2, -1]]), (1, [[0, 3], [2, -1]])], "a pivot that is not an index"),
        ([(0, [[0, 3], [2, -1]]), (1, [[1, 0]])], "a zero entry makes a zero vector"),
        ([(0, [[0, 3], [2, -1]]), (1, [])], "an empty vector"),
        ([(0, [[0, 3], [2, -1]]), (2, [[2, -2], [1, 3]])], "indices out of order"),
        ([(0, [[0, 3], [2, -1]]), (3, [[1, 3], [2, -2], [3, 1]])], "an index beyond the samples"),
        ([(0, [[0, 3], [2, -1]]), (1, [[1, 3], [2, -1]])], "a vector outside the kernel"),
    ],
)
def test_forged_kernel(vectors, attack):
    """Attacks independence by pivots and membership in the kernel."""
    case, _ = line([1, 2, 3], RELU)
    rejected(case, rank(3, 1, upper=1, up=kernel("left", None, *vectors)), "vectors[1]")


# ---- Generic ranks. ----

SQUARE = network([3], conv(2, kernel=[2]))  # U is 3 x 4, patches {0,1}, {1,2}
IDENTITY_FILTERS = {"kind": "identity"}


@pytest.mark.parametrize("statement", ["assumption-2.4", "lemma-2.5"])
@pytest.mark.parametrize("filters", [IDENTITY_FILTERS, {"kind": "seed", "seed": 1}])
def test_generic_minor(statement, filters):
    """With identity filters the columns are e0, e1, e1, e2."""
    claim = generic(statement, 3, 4, lower=3, low=minor([0, 1, 2], [0, 1, 3], filters=filters))
    assert "holds" in verified(instance(SQUARE), claim).claims[0]


@pytest.mark.parametrize(
    ("path", "value", "attack"),
    [
        (("evidence", "lower", "columns"), [0, 1, 2], "columns 1 and 2 are both e1"),
        (("evidence", "lower", "columns"), [0, 1, 4], "a column beyond U"),
        (("evidence", "lower", "rows"), [0, 1, 3], "a row beyond U"),
        (("evidence", "lower", "prime"), 9, "a composite modulus"),
        (("rows",), 4, "another number of rows"),
        (("columns",), 3, "another number of columns"),
        (("lower",), 2, "a bound that its evidence does not give"),
        (("verdict",), "refuted", "the opposite verdict"),
        (("layer",), 2, "a dense layer"),
        (("layer",), 3, "no layer"),
    ],
)
def test_forged_generic_minor(path, value, attack):
    """Attacks each hypothesis of the minor rule for U_k."""
    case = instance(network([3], conv(2, kernel=[2]), dense(4)))
    claim = generic("lemma-2.5", 3, 4, lower=3, low=minor([0, 1, 2], [0, 1, 3], filters=IDENTITY_FILTERS))
    verified(case, claim)
    rejected(case, changed(claim, *path, value))


def test_generic_fiat_shamir():
    """With padding: patch entries that are padding do not stand in U."""
    case = instance(network([2, 3], conv(3, kernel=[2], padding=[1])))  # 6 x 12
    low = minor([0, 1, 2, 3, 4, 5], [0, 1, 3, 4, 6, 7], prime=P31, filters={"kind": "seed", "seed": 7})
    claim = generic("assumption-2.4", 6, 12, lower=6, low=low)
    stream = hashlib.shake_256(b"exactcnn/filters/1/7/1").digest(8 * 12)
    w = [int.from_bytes(stream[i : i + 8], "big") % P31 for i in range(0, 96, 8)]
    a = [[0] * 6 for _ in range(6)]
    for j, h in enumerate(low["columns"]):
        for c in range(2):
            for off in range(2):
                if 0 <= h // 3 - 1 + off < 3:
                    a[3 * c + h // 3 - 1 + off][j] = w[(2 * c + off) * 3 + h % 3]
    good = fiat_shamir(case, claim, a, P31, 7)
    verified(case, good)
    verified(case, good, deterministic=True)
    rejected(case, changed(good, "evidence", "lower", "solutions", 0, 0, 0), "A x = b")
    rejected(case, changed(good, "evidence", "lower", "filters", "seed", 8), "A x = b")


def test_cover():
    """Neuron 2 lies in no patch, so two rows cover U."""
    case = instance(network([3], conv(3, patches=[[0, 1]])))
    claim = generic("lemma-2.5", 3, 3, upper=2, up={"kind": "cover", "rows": [0, 1], "columns": []})
    assert "fails" in verified(case, claim).claims[0]
    for rows, columns in (([0], [0]), ([0, 2], []), ([0, 0], []), ([0, 3], [])):
        rejected(
            case, changed(claim, "evidence", "upper", {"kind": "cover", "rows": rows, "columns": columns})
        )
    columns = instance(network([3], conv(1, patches=[[0, 1], [1, 2]])))
    verified(
        columns,
        generic("lemma-2.5", 3, 2, upper=2, up={"kind": "cover", "rows": [1, 2], "columns": [0]})
        | {"upper": 3},
    )
    rejected(columns, generic("lemma-2.5", 3, 2, upper=1, up={"kind": "cover", "rows": [], "columns": [1]}))


def polynomial_case():
    """One position with two filters, patch {0}: U = (w0, w1), and (w1, -w0) is in the right kernel."""
    case = instance(network([1, 2], conv(2, patches=[[0], [1]])))  # U = diag blocks, 2 x 4
    vectors = [
        {"pivot": 0, "entries": [[0, [[1, [[1, 1]]]]], [1, [[-1, [[0, 1]]]]]]},
        {"pivot": 2, "entries": [[2, [[1, [[1, 1]]]]], [3, [[-1, [[0, 1]]]]]]},
    ]
    return case, generic(
        "lemma-2.5", 2, 4, upper=2, up={"kind": "polynomial-kernel", "side": "right", "vectors": vectors}
    )


def test_polynomial_kernel_right():
    case, claim = polynomial_case()
    assert "undecided" in verified(case, claim).claims[0]


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
    case, claim = polynomial_case()
    rejected(case, changed(claim, "evidence", "upper", "vectors", *path, value))


def test_polynomial_kernel_left():
    """Patch {0,1} alone, one filter: U = (w0, w1)^T, and (w1, -w0) U = 0; neuron 2 gives the vector e2."""
    case = instance(network([3], conv(1, patches=[[0, 1]])))
    vectors = [
        {"pivot": 0, "entries": [[0, [[1, [[1, 1]]]]], [1, [[-1, [[0, 1]]]]]]},
        {"pivot": 2, "entries": [[2, [[1, []]]]]},
    ]
    claim = generic(
        "assumption-2.4", 3, 1, upper=1, up={"kind": "polynomial-kernel", "side": "left", "vectors": vectors}
    )
    verified(case, claim)
    rejected(case, changed(claim, "evidence", "upper", "side", "right"))
    rejected(
        case,
        changed(claim, "evidence", "upper", "vectors", 0, "entries", 0, 1, [[1, [[0, 1]]]]),
        "vectors[0]",
    )


def test_determinantal():
    """C = 1, T = 2, o = 3, kernel 2: r2 = 6 - (3 - 1) = 4 = n_0, and with T = 3: 9 - 2 = 7."""
    case = instance(network([4], conv(2, kernel=[2])))
    claim = generic("lemma-2.5", 4, 6, upper=4, up={"kind": "determinantal"})
    verified(case, claim)
    rejected(case, claim | {"upper": 3, "verdict": "refuted"})
    tall = instance(
        network([2, 1, 5], conv(3, kernel=[1, 2]))
    )  # n_0 = 10, n_1 = 12, 12 - (1 - 0)(4 - 2) = 10
    verified(tall, generic("lemma-2.5", 10, 12, upper=10, up={"kind": "determinantal"}))


@pytest.mark.parametrize(
    "layer",
    [
        conv(2, kernel=[2], stride=[2]),
        conv(2, kernel=[2], padding=[1]),
        conv(1, kernel=[2]),
        conv(2, patches=[[0, 1], [1, 2], [2, 3]]),
    ],
)
def test_forged_determinantal(layer):
    """Attacks stride 1, padding 0, T > C, and the need for a kernel."""
    case = instance(network([4], layer))
    for bound in range(12):
        columns = {1: 3, 2: 6}[layer["filters"]] if layer.get("stride", [1]) == [1] else 4
        columns = 10 if layer.get("padding") == [1] else columns
        claim = generic("lemma-2.5", 4, columns, upper=bound, up={"kind": "determinantal"})
        rejected(case, claim, "needs")


# ---- Assumption 3.1. ----


def separation(kind="all-distinct", **more):
    return {
        "statement": "assumption-3.1",
        "verdict": "proved" if kind == "all-distinct" else "refuted",
        "evidence": {"kind": kind, **more},
    }


def test_all_distinct():
    case = wide([[0, 0, 0], [1, 2, 3]])  # equal patches inside one sample are allowed
    verified(case, separation())
    rejected(wide([[0, 1, 2], [1, 2, 3]]), separation(), "also occurs")  # (1,2) at positions 1 and 0
    padded = instance(network([2], conv(1, kernel=[2], padding=[1])), inline([[0, 5], [7, 0]]))
    rejected(padded, separation(), "also occurs")  # (pad, 0) in sample 0, (0, pad) in sample 1
    rejected(instance(SQUARE), separation(), "data")
    rejected(instance(network([2], pool([1])), inline([[0, 5], [7, 1]])), separation(), "max-pooling")


def test_collision():
    case = wide([[0, 1, 2], [1, 2, 3]])
    verified(case, separation("collision", samples=[0, 1], patches=[1, 0]))
    for samples, patches in (([0, 1], [0, 1]), ([0, 0], [1, 1]), ([0, 2], [1, 0]), ([0, 1], [2, 0])):
        rejected(case, separation("collision", samples=samples, patches=patches))
    rejected(case, separation("collision", samples=[0, 1], patches=[1, 0]) | {"verdict": "proved"}, "verdict")


# ---- Assumption 3.2. ----


def growth(activation, kind, **more):
    if not isinstance(activation, dict):
        activation = {"name": activation}
    return {
        "statement": "assumption-3.2",
        "verdict": "refuted" if kind == "table" else "proved",
        "activation": activation,
        "evidence": {"kind": kind, **more},
    }


GROWTH = [
    ("relu", ["1/9", 9, 1, "1/9"], [2]),
    ({"name": "softplus", "alpha": 2}, ["1/2", 2, 1, "1/2"], [0, 1, 2, 3]),
    ("silu", [1, "1/2", 1, "1/9"], [0, 1, 2]),
    ("gelu", [2, 1, 1, "1/9"], [0, 1, 2]),
]


@pytest.mark.parametrize(("activation", "rho", "binding"), GROWTH)
def test_growth(activation, rho, binding):
    """The constants of FORMAT.md are accepted, and worse ones, one at a time, are not."""
    case = instance(SQUARE)
    verified(case, growth(activation, "growth", rho=rho))
    for i in binding:
        worse = {0: "1/3", 1: 3, 2: "9/10", 3: "1/3"}[i]
        rejected(case, growth(activation, "growth", rho=[*rho[:i], worse, *rho[i + 1 :]]), "rho")


def test_limits_and_table():
    """Attacks both tables with every activation that is not in them, and custom in all."""
    case = instance(SQUARE)
    holds, fails = ("sigmoid", "gaussian", "sigmoid2"), ("identity", "square", "tanh", "arctan")
    for name in (*holds, *fails, "relu", "silu", "gelu"):
        (verified if name in holds else rejected)(case, growth(name, "limits"))
        (verified if name in fails else rejected)(case, growth(name, "table"))
    verified(case, growth({"name": "leaky_relu", "slope": "1/2"}, "table"))
    verified(case, growth({"name": "elu", "alpha": 1}, "table"))
    custom = {"name": "custom", "expression": "1/(1+exp(-t))"}
    for kind in ("limits", "table"):
        rejected(case, growth(custom, kind))
    rejected(case, growth(custom, "growth", rho=[9, 9, 9, 9]))
    rejected(case, growth("sigmoid", "limits") | {"verdict": "refuted"}, "verdict")


# ---- Structure. ----


def structure(layer=1, uncovered=(), equal=()):
    return {
        "statement": "structure",
        "verdict": "refuted" if uncovered or equal else "proved",
        "layer": layer,
        "evidence": {"uncovered": list(uncovered), "equal": [list(pair) for pair in equal]},
    }


def test_structure():
    case = instance(network([3], conv(1, patches=[[0, 1], [1, 0]]), dense(1)))
    verified(case, structure(uncovered=[2]))
    verified(case, structure(equal=[(0, 1)]))
    verified(case, structure(uncovered=[2], equal=[(0, 1)]))
    for claim in (
        structure(),
        structure(uncovered=[1]),
        structure(uncovered=[3]),
        structure(equal=[(0, 0)]),
        structure(equal=[(1, 0)]),
        structure(equal=[(0, 2)]),
        structure(layer=2),
        structure(layer=9),
        structure(uncovered=[2]) | {"verdict": "proved"},
    ):
        rejected(case, claim)
    verified(instance(network([1, 2, 2], conv(1, kernel=[1, 1], padding=[0, 0]))), structure())
    # Every patch holds the one real neuron; the padding neurons tell them apart.
    verified(instance(network([1], conv(1, kernel=[3], padding=[2], dilation=[1]))), structure())
    verified(instance(network([2, 4], pool([2], stride=[2]))), structure())
    rejected(instance(network([2, 5], pool([2], stride=[2]))), structure(), "no patch")
    same = instance(network([2], {"kind": "maxpool", "patches": [[0, 1], [1, 0]]}))
    rejected(same, structure(), "equal")
    verified(same, structure(equal=[(0, 1)]))


# ---- Assumption 4.1. ----


def architecture(samples, *failing):
    return {
        "statement": "assumption-4.1",
        "verdict": "refuted" if all(failing) else "proved",
        "samples": samples,
        "layers": [{"layer": k, "failing": list(clauses)} for k, clauses in enumerate(failing, 1)],
    }


DATA2 = inline([[1], [2]])


@pytest.mark.parametrize(
    ("layers", "failing"),
    [
        ([dense(2, RELU), dense(1)], [[]]),
        ([dense(1, RELU), dense(1)], [["wide"]]),
        ([dense(2, RELU), dense(1, RELU)], [["output-dense"]]),
        ([dense(2, {"name": "tanh"}), dense(1)], [["hidden-3.2"]]),
        ([dense(2, SIGMOID), dense(2, RELU), dense(3)], [["monotone", "pyramid"], []]),
        ([dense(2, RELU), dense(2, SIGMOID), dense(1)], [[], []]),
        ([dense(2, RELU), dense(2, {"name": "elu", "alpha": 1}), dense(1)], [["hidden-3.2"], ["hidden-3.2"]]),
        (
            [dense(2, RELU), dense(2, {"name": "elu", "alpha": 2}), dense(1)],
            [["hidden-3.2", "monotone"], ["hidden-3.2"]],
        ),
        ([dense(2, RELU), pool([1]), dense(1)], [["no-pooling"], ["no-pooling"]]),
        ([dense(2, RELU)], []),
    ],
)
def test_architecture(layers, failing):
    """The failing clauses must be exactly these: every other list is attacked by adding or removing one."""
    case, claim = instance(network([1], *layers), DATA2), architecture(2, *failing)
    verified(case, claim)
    rejected(case, claim | {"verdict": "refuted" if claim["verdict"] == "proved" else "proved"}, "verdict")
    rejected(case, claim | {"samples": 1}, "samples")
    for k, clauses in enumerate(failing):
        for clause in ("no-pooling", "output-dense", "wide", "hidden-3.2", "monotone", "pyramid"):
            other = [c for c in clauses if c != clause] if clause in clauses else [*clauses, clause]
            rejected(case, changed(claim, "layers", k, "failing", other), "layers")
        rejected(case, changed(claim, "layers", k, "layer", k + 2), "layers")
    rejected(case, {**claim, "layers": [*claim["layers"], {"layer": len(layers), "failing": []}]}, "layers")


def test_architecture_with_custom_activation():
    """Attacks the rule that nothing is known about a custom activation."""
    case = instance(network([1], dense(2, {"name": "custom", "expression": "t"}), dense(1)), DATA2)
    for failing in ([], ["hidden-3.2"]):
        rejected(case, architecture(2, failing), "custom")


# ---- Digests and data files. ----


def test_digests():
    """Attacks the binding of the instance."""
    certificate = seal(pair_case(), rank(2, 2, lower=2, low=minor([0, 1], [0, 1])))
    for part in ("network", "data", "weights", "instance"):
        assert outcome(changed(certificate, "digests", part, "0" * 64)) == "REJECTED"
    assert outcome(changed(certificate, "digests", "data", None)) == "REJECTED"
    assert outcome(changed(certificate, "instance", "data", "rows", 0, 0, 2)) == "REJECTED"


def test_all_claims_must_hold():
    """Attacks with a false claim after a true one."""
    good = rank(2, 2, lower=2, low=minor([0, 1], [0, 1]))
    assert outcome(seal(pair_case(), good, good)) == "VERIFIED"
    assert outcome(seal(pair_case(), good, good | {"lower": 1})) == "REJECTED"


def npz(path, header, values, member="x.npy", version=1):
    head = header.encode() + b"\n"
    size = len(head).to_bytes(2 * version, "little")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, b"\x93NUMPY" + bytes([version, 0]) + size + head + bytes(values))


HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 1, 2), }   "


def file_case(path, form, **more):
    with open(path, "rb") as stream:
        digest = hashlib.sha256(stream.read()).hexdigest()
    data = {
        "kind": "file",
        "path": "hint.bin",
        "format": form,
        "sha256": digest,
        "shape": [2, 2],
        "start": 1,
        "scale": "1/2",
        **more,
    }
    return instance(network([2], dense(1)), data)


def write_idx(path, values=(9, 9, 1, 2, 1, 2), dimensions=(3, 1, 2), magic=b"\0\0\x08"):
    path.write_bytes(
        magic + bytes([len(dimensions)]) + struct.pack(f">{len(dimensions)}I", *dimensions) + bytes(values)
    )


SAME = rank(2, 1, upper=1, up={"kind": "distinct-samples"})  # samples 1 and 2 are (1, 2)


def test_data_files(tmp_path):
    plain, zipped, archive = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    write_idx(plain)
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    for path, form in ((plain, "idx"), (zipped, "idx")):
        verified(file_case(path, form), SAME, data_path=str(path))
        rejected(file_case(path, form, start=0), SAME, data_path=str(path))
    for version in (1, 2):
        npz(archive, HEADER, [9, 9, 1, 2, 1, 2], version=version)
        verified(file_case(archive, "npz"), SAME, data_path=str(archive))
    rejected(file_case(plain, "idx", sha256="0" * 64), SAME, "digest", data_path=str(plain))


def test_data_file_beside_the_certificate(tmp_path):
    write_idx(tmp_path / "hint.bin")
    (tmp_path / "c.json").write_text(json.dumps(seal(file_case(tmp_path / "hint.bin", "idx"), SAME)))
    assert check_file(str(tmp_path / "c.json")).outcome == "VERIFIED"
    (tmp_path / "hint.bin").unlink()
    assert check_file(str(tmp_path / "c.json")).outcome == "MALFORMED"


def test_scale_enters_the_features(tmp_path):
    """A sample 1, 2 with scale 1/2 and weights 2, 0 gives the pre-activation 1: denominator 1 clears it."""
    write_idx(tmp_path / "a")
    case = file_case(tmp_path / "a", "idx")
    case["network"] = network([2], dense(1, SIGMOID))
    case["weights"] = weights(weight([[2], [0]]))
    case["data"]["shape"] = [1, 2]
    claim = rank(1, 1, lower=1, low=minor([0], [0], substitution={"denominator": 1, "root": 2}))
    verified(case, claim, data_path=str(tmp_path / "a"))
    case["data"]["scale"] = "1/3"
    rejected(case, claim, "clear", data_path=str(tmp_path / "a"))


@pytest.mark.parametrize("activation", [RELU, IDENTITY])
def test_maxpool_needs_no_weights(activation):
    case = instance(network([2], pool([2]), dense(1, activation)), inline([[3, 4]]))
    verified(case, rank(1, 1, lower=1, low=minor([0], [0])))
    rejected(case, rank(1, 1, lower=1, low=minor([0], [0]), layer=2), "weights")
