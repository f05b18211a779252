"""Upper bounds of rank F: counting, and kernels with relations between symbols."""

import pytest
from handmade import (
    RELU,
    SIGMOID,
    act,
    add,
    changed,
    conv,
    count,
    dense,
    features,
    inline,
    instance,
    kernel,
    line,
    minor,
    network,
    pool,
    rank,
    rational,
    seed,
    weight,
)
from naive import Reading, row_reduce
from verdicts import ask, rejected, verified

# ---- Counting. ----


def test_width():
    case = line([1, 2, 3], SIGMOID)
    for weights in ("w", None):
        claim = rank(case, 2, upper=1, weights=weights)
        verified(case, count(2, "width"), claim)
        rejected(case, count(2, "width"), {**claim, "upper": 0})
        rejected(case, count(1, "width"), claim | {"upper": 0})
    rejected(case, count(2, "width", []), rank(case, 2, upper=1), "positions")


def test_width_below_n_needs_no_judgment():
    """The claim is refuted by the width alone, whatever is named."""
    case = line([1, 2, 3], SIGMOID)
    verified(case, count(1, "samples"), rank(case, 2, upper=1))
    rejected(case, count(1, "samples"), rank(case, 2, upper=1) | {"verdict": "undecided"})


def test_samples_without_weights():
    case = instance(
        network([1], conv(3, patches=[[0]]), act({"name": "custom", "tree": "t"})), inline([[1], [2], [1]])
    )
    claim = rank(case, 2, upper=2, weights=None)
    assert "every choice of weights" in verified(case, count(2, "samples"), claim).claims[0]
    rejected(case, count(2, "samples"), claim | {"upper": 1})
    rejected(case, count(2, "samples"), rank(case, 2, upper=3, weights=None) | {"verdict": "undecided"})
    rejected(case, count(1, "samples"), claim)  # about another node
    rejected({**case, "data": None}, count(2, "samples"), claim, "data")


def wide(data_rows, bias="none", activation="tanh", filters=3):
    """Patches {0,1}, {1,2} with three filters, tanh."""
    return instance(
        network([3], conv(filters, patches=[[0, 1], [1, 2]], bias=bias), act(activation)), inline(data_rows)
    )


@pytest.mark.parametrize("node", [1, 2])
def test_restriction(node):
    """Patch 0 takes 2 values, so the rank is at most 3 + 2; B empty gives 6; B everything gives 3 samples."""
    case = wide([[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    for positions, bound in (([0], 5), ([], 6), ([0, 1], 3)):
        judgment = count(node, "restriction", positions)
        verified(case, judgment, rank(case, node, upper=bound, weights=None))
        rejected(case, judgment, rank(case, node, upper=bound - 1, weights=None))
    claim = rank(case, node, upper=5, weights=None)
    for positions in ([2], [0, 0], [1, 0]):
        rejected(case, count(node, "restriction", positions), claim, "positions")
    rejected(case, count(node, "restriction"), claim, "positions")


def test_patches():
    """Both patches take 2 <= 3 values: 1 + 1 + 1."""
    case = wide([[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]], bias="unit")
    verified(case, count(2, "patches"), rank(case, 2, upper=3, weights=None))
    rejected(case, count(2, "patches"), rank(case, 2, upper=2, weights=None))
    rejected(case, count(2, "patches", [0]), rank(case, 2, upper=3, weights=None), "positions")
    many = wide([[i, 0, 0] for i in range(5)])  # patch 0: 5 > 3 values, patch 1: one
    claim = rank(many, 2, upper=4, weights=None)
    assert "rank F_1 <= 4" in verified(many, count(2, "patches"), claim).claims[0]


@pytest.mark.parametrize("bias", ["none", "filter"])
def test_sequences(bias):
    """Samples with x_0 = x_1 = x_2 give both patches the same values: three columns at most."""
    case = wide([[i, i, i] for i in range(6)], bias=bias)
    verified(case, count(2, "sequences"), rank(case, 2, upper=3, weights=None))
    rejected(case, count(2, "sequences"), rank(case, 2, upper=2, weights=None))
    rejected(case, count(2, "sequences", []), rank(case, 2, upper=3, weights=None), "positions")
    own = wide([[i, i, i] for i in range(6)], bias="unit")
    rejected(own, count(2, "sequences"), rank(own, 2, upper=3, weights=None), "bias")


def test_sequences_tell_padding_and_groups_apart():
    """With groups the same values at two groups belong to different filters; padding counts as the value 0."""
    net = network([2, 1], conv(2, kernel=[1], groups=2), act("tanh"))
    case = instance(net, inline([[1, 1], [2, 2], [3, 3]]))
    verified(case, count(2, "sequences"), rank(case, 2, upper=2, weights=None))
    rejected(case, count(2, "sequences"), rank(case, 2, upper=1, weights=None))
    padded = instance(network([2], conv(1, kernel=[2], padding=[[1, 0]])), inline([[0, 0], [0, 1], [0, 2]]))
    # The patches (pad, x_0) and (x_0, x_1) differ at the second sample.
    verified(padded, count(1, "sequences"), rank(padded, 1, upper=2, weights=None))
    padded["data"] = inline([[0, 0], [0, 0], [0, 0]])
    verified(padded, count(1, "sequences"), rank(padded, 1, upper=1, weights=None))


@pytest.mark.parametrize("rule", ["restriction", "patches", "sequences"])
def test_patch_rules_need_an_affine_node_on_the_input(rule):
    """Attacks the restriction to the first layer and to layers with filters."""
    positions = [0] if rule == "restriction" else None
    two = inline([[1], [1]])
    deep = instance(network([1], dense(1), act("sigmoid"), dense(1), act("tanh")), two)
    pooled = instance(network([2], pool([2])), inline([[1, 1], [1, 1]]))
    bare = instance(network([1], act("tanh"), act("tanh")), two)
    summed = instance(network([1], dense(1), dense(1, of=[0]), add(1, 2), act("tanh")), two)
    for case, nodes in ((deep, (3, 4)), (pooled, (1,)), (bare, (1, 2)), (summed, (3, 4))):
        for node in nodes:
            claim = rank(case, node, upper=1, weights=None)
            rejected(case, count(node, rule, positions), claim, "input")
    for node in (1, 2):
        verified(deep, count(node, rule, positions), rank(deep, node, upper=1, weights=None))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", ["none", "filter", "unit"])
@pytest.mark.parametrize("number", range(3))
def test_counting_bounds_are_true_for_many_weights(groups, bias, number):
    """Every bound that the checker accepts is compared with ranks at drawn weights, features naive."""
    net = network([2, 3], conv(4, kernel=[2], padding=[[1, 0]], groups=groups, bias=bias), act("relu"))
    rows = [
        [[a, b, 0, b, a, 0] for a in range(4) for b in range(3)],
        [[a, a, a, a, a, a] for a in range(9)],
        [[a % 2, 1, b, 0, b, a] for a in range(4) for b in range(4)],
    ][number]
    case = instance(net, inline(rows))
    slots = 3 * groups
    rules = [
        ("width", None),
        ("samples", None),
        ("patches", None),
        *((("sequences", None),) * (bias != "unit")),
    ]
    rules += [("restriction", [p]) for p in range(slots)] + [("restriction", list(range(slots)))]
    ranks = []
    for number in range(4):
        drawn = {**case, "weights": {"w": seed(number, 6)}}
        ranks.append(len(row_reduce(Reading(drawn).values(2), None)[1]))
    for rule, positions in rules:
        judgment = count(2, rule, positions)
        accepted = [
            bound
            for bound in range(13)
            if ask(case, judgment, rank(case, 2, upper=bound, weights=None)).outcome == "VERIFIED"
        ]
        assert len(accepted) == 1
        assert accepted[0] >= max(ranks), (rule, positions)


# ---- Kernels. ----


@pytest.mark.parametrize(
    ("activation", "values", "vector", "wrong"),
    [
        ("sigmoid", [1, -1, 0], [1, 1, -2], [1, 1, -1]),
        ("sigmoid2", [1, -1, 0], [1, 1, -2], [1, 1, -1]),
        ("tanh", [2, -2, 0], [1, 1, 5], [1, -1, 5]),
        ("arctan", [2, -2, 0], [1, 1, 5], [1, -1, 5]),
        ("silu", [1, -1, 2, -2], [2, -2, -1, 1], [1, -1, -1, 1]),
        ("gelu", [1, -1, 2, -2], [2, -2, -1, 1], [1, -1, -1, 1]),
        ({"name": "softplus", "alpha": "2/3"}, [1, -1, 2, -2], [2, -2, -1, 1], [1, -1, -1, 1]),
        ({"name": "softplus", "alpha": 1}, [0, 0, 1, 1], [1, -1, 1, -1], [0, 1, 1, -1]),
        ({"name": "elu", "alpha": "2/3"}, [1, 2, -1, -1], [2, -1, 1, -1], [2, -1, 1, 1]),
        ("gaussian", [3, -3, 0], [1, -1, 0], [1, 1, 0]),
        ("softsign", [3, -3, 0], [1, 1, 2], [1, -1, 2]),
        ({"name": "custom", "tree": ["exp", "t"]}, [3, -3, 3], [1, 0, -1], [1, 1, -2]),
        ("relu", [3, -3, 1], [1, 4, -3], [1, 4, -2]),
        ("relu6", [7, 8, 3], [1, 1, -4], [1, 1, -3]),
        ({"name": "hardtanh", "low": "-1/2", "high": "1/3"}, [7, -8, 0], [3, 2, 9], [2, 3, 9]),
        ({"name": "prelu", "slope": "-1/5"}, [5, -5, 1], [1, 0, -5], [0, 1, 1]),
        ({"name": "leaky_relu", "slope": "1/5"}, [5, -5, 1], [1, 4, -1], [1, 5, 10]),
        ("square", [2, 3, 6], [9, 0, -1], [3, 0, -1]),
    ],
)
def test_left_kernel(activation, values, vector, wrong):
    """Formal relations between symbols; the wrong vector attacks each of them."""
    case = line(values, act(activation)["activation"])
    case["network"]["nodes"] += [{"kind": "concat", "of": [2] * len(values), "axis": "channels"}]
    for v, check in ((vector, verified), (wrong, rejected)):
        entries = [[i, c] for i, c in enumerate(v) if c]
        judgment = kernel(features(2), "left", (entries[0][0], entries))
        check(case, judgment, rank(case, 2, upper=1))
        if check is rejected or case["network"]["nodes"][1]["activation"]["name"] in ("relu", "square"):
            check(
                case, kernel(features(3), "left", (entries[0][0], entries)), rank(case, 3, upper=len(v) - 1)
            )


def test_kernels_of_exponential_layers_are_relations_not_numbers():
    """tanh(1/2) 2 = tanh(1) (1 + tanh(1/2)^2) is no relation that a kernel may use; nodes above cannot be read."""
    deep = instance(
        network([1], dense(1), act("sigmoid"), dense(1)), inline([[1], [1]]), rational(*[weight([[1]])] * 2)
    )
    vector = (0, [[0, 1], [1, -1]])
    verified(deep, kernel(features(2), "left", vector), rank(deep, 2, upper=1))
    rejected(deep, kernel(features(3), "left", vector), rank(deep, 3, upper=1), "rational")


def test_right_kernel():
    case = instance(
        network([1], conv(3, patches=[[0]]), act("sigmoid")),
        inline([[1], [2], [3]], denominator=5),
        rational(weight([[1, -1, 1]])),
    )
    good = kernel(features(2), "right", (0, [[0, 1], [2, -1]]))
    verified(case, good, rank(case, 2, upper=2))
    wrong = kernel(features(2), "right", (0, [[0, 1], [1, 1]]))  # the constant 1
    rejected(case, wrong, rank(case, 2, upper=2), "vectors[0]")
    rejected(case, {**good, "side": "left"}, rank(case, 2, upper=2))
    rejected(case, changed(good, "of", "node", 1), rank(case, 2, upper=2))


def test_rational_kernels():
    case = line([1, 2, 3], RELU)
    vectors = (0, [[0, 3], [2, -1]]), (1, [[1, 3], [2, -2]])
    verified(case, kernel(features(2), "left", *vectors), rank(case, 2, upper=1))
    both = instance(
        network([1], conv(2, patches=[[0]])), inline([[1], [2]]), rational(weight([[1, 2]], denominator=3))
    )
    verified(both, kernel(features(1), "right", (0, [[0, 2], [1, -1]])), rank(both, 1, upper=1))
    wrong = kernel(features(1), "right", (0, [[0, 2], [1, 1]]))
    rejected(both, wrong, rank(both, 1, upper=1), "vectors[0]")
    verified(
        both,
        [kernel(features(1), "right", (0, [[0, 2], [1, -1]])), minor(features(1), [1], [0])],
        rank(both, 1, lower=1, upper=1, by=[0, 1]),
    )


@pytest.mark.parametrize(
    ("vectors", "attack"),
    [
        ([(0, [[0, 3], [2, -1]]), (0, [[0, 3], [2, -1]])], "the same vector twice"),
        ([(0, [[0, 3], [2, -1]]), (2, [[0, 3], [2, -1]])], "an entry at an earlier pivot"),
        ([(0, [[0, 3], [2, -1]]), (1, [[0, 3], [2, -1]])], "a pivot that is not an index"),
        ([(0, [[0, 3], [2, -1]]), (1, [[1, 0]])], "a zero entry makes a zero vector"),
        ([(0, [[0, 3], [2, -1]]), (1, [])], "an empty vector"),
        ([(0, [[0, 3], [2, -1]]), (2, [[2, -2], [1, 3]])], "indices out of order"),
        ([(0, [[0, 3], [2, -1]]), (1, [[1, 3], [1, 3], [2, -2]])], "an index twice"),
        ([(0, [[0, 3], [2, -1]]), (3, [[1, 3], [2, -2], [3, 1]])], "an index beyond the samples"),
        ([(0, [[0, 3], [2, -1]]), (1, [[1, 3], [2, -1]])], "a vector outside the kernel"),
    ],
)
def test_forged_kernel(vectors, attack):
    """Attacks independence by pivots and membership in the kernel."""
    case = line([1, 2, 3], RELU)
    rejected(case, kernel(features(2), "left", *vectors), rank(case, 2, upper=1), "vectors[1]")


def test_kernels_are_about_given_weights():
    """Attacks with a kernel at one set of weights for a claim about another, or about all."""
    case = instance(
        network([1], dense(2)), inline([[1], [2]]), rational(weight([[1, 1]])), v=rational(weight([[1, 2]]))
    )
    judgment = kernel(features(1), "right", (0, [[0, 1], [1, -1]]))
    verified(case, judgment, rank(case, 1, upper=1))
    for weights in ("v", None):
        rejected(case, judgment, rank(case, 1, upper=1, weights=weights))
    rejected(case, changed(judgment, "of", "weights", "v"), rank(case, 1, upper=1, weights="v"), "product")
