"""Hypotheses about patches, activations, biases and widths, and the ranks that follow from them."""

from itertools import permutations

import pytest
from handmade import (
    IDENTITY,
    P31,
    RELU,
    SIGMOID,
    act,
    add,
    average,
    changed,
    claim,
    conv,
    dense,
    inline,
    instance,
    judged,
    network,
    order,
    pool,
    scale,
)
from naive import drawn, solved_mod_p
from verdicts import ask, rejected, verified

TOWER = ["exp", ["exp", ["exp", "t"]]]
SQUARE = network([3], conv(2, kernel=[2]))
TANH, SOFTPLUS = {"name": "tanh"}, {"name": "softplus", "alpha": 2}


def wide(rows):
    """Patches {0,1}, {1,2} with three filters, tanh."""
    return instance(network([3], conv(3, patches=[[0, 1], [1, 2]]), act(TANH)), inline(rows))


# ---- Assumption 3.1. ----


def differ(samples=None, patches=None):
    collision = None if samples is None else {"samples": samples, "patches": patches}
    verdict = "proved" if samples is None else "refuted"
    return judged("patches-differ", collision=collision), claim("assumption-3.1", verdict)


def test_all_distinct():
    verified(wide([[0, 0, 0], [1, 2, 3]]), *differ())  # equal patches inside one sample are allowed
    rejected(wide([[0, 1, 2], [1, 2, 3]]), *differ(), "also occurs")  # (1,2) at positions 1 and 0
    padded = instance(network([2], conv(1, kernel=[2], padding=[1])), inline([[0, 5], [7, 0]]))
    rejected(padded, *differ(), "also occurs")  # (pad, 0) in sample 0, (0, pad) in sample 1
    rejected(instance(SQUARE), *differ(), "data")
    rejected(instance(network([2], pool([1])), inline([[0, 5], [7, 1]])), *differ(), "affine")
    rejected(instance(network([2], act(RELU), dense(1)), inline([[0, 5], [7, 1]])), *differ(), "affine")
    grouped = instance(network([2, 1], conv(2, kernel=[1], groups=2)), inline([[1, 2], [3, 1]]))
    rejected(grouped, *differ(), "also occurs")


def test_collision():
    case = wide([[0, 1, 2], [1, 2, 3]])
    verified(case, *differ([0, 1], [1, 0]))
    for samples, patches in (
        ([0, 1], [0, 1]),
        ([0, 0], [1, 1]),
        ([0, 2], [1, 0]),
        ([0, 1], [2, 0]),
        ([1, 0], [1, 0]),
    ):
        rejected(case, *differ(samples, patches))
    judgment, found = differ([0, 1], [1, 0])
    for verdict in ("proved", "undecided"):
        rejected(case, judgment, found | {"verdict": verdict}, "refuted")
    rejected(case, [judgment, judgment], found | {"by": [0, 1]}, "exactly one")


# ---- Assumption 3.2. ----


def growth(activation, verdict):
    activation = act(activation)["activation"]
    return judged("growth", activation=activation), claim("assumption-3.2", verdict, activation=activation)


HOLDS = ["sigmoid", "gaussian", "sigmoid2", "relu", "silu", "gelu", "relu6", SOFTPLUS]
HOLDS += [{"name": "hardtanh", "low": 0, "high": 2}, {"name": "hardtanh", "low": "-1/2", "high": 0}]
FAILS = ["identity", "square", "tanh", "arctan", "softsign", {"name": "leaky_relu", "slope": "1/2"}]
FAILS += [
    {"name": "elu", "alpha": 1},
    {"name": "prelu", "slope": -1},
    {"name": "hardtanh", "low": -1, "high": 1},
]


@pytest.mark.parametrize("activation", [*HOLDS, *FAILS])
def test_growth(activation):
    """Attacks the table with the opposite verdict for every activation."""
    case, holds = instance(SQUARE), activation in HOLDS
    for verdict in ("proved", "refuted", "undecided"):
        check = verified if verdict == ("proved" if holds else "refuted") else rejected
        check(case, *growth(activation, verdict))


def test_growth_is_about_the_activation_claimed():
    judgment, found = growth(SOFTPLUS, "proved")
    for other in ({"name": "softplus", "alpha": 3}, RELU, IDENTITY):
        rejected(instance(SQUARE), judgment, found | {"activation": other})
    sigmoid = {"name": "custom", "tree": ["/", 1, ["+", 1, ["exp", ["*", -1, "t"]]]]}
    for verdict in ("proved", "refuted", "undecided"):
        rejected(instance(SQUARE), *growth(sigmoid, verdict), "custom")


# ---- Structure. ----


def structure(node=1, uncovered=(), equal=(), verdict=None):
    verdict = verdict or ("refuted" if uncovered or equal else "proved")
    listed = [list(pair) for pair in equal]
    judgment = judged("structure", node=node, uncovered=list(uncovered), equal=listed)
    return judgment, claim("structure", verdict, node=node)


def test_structure():
    case = instance(network([3], conv(1, patches=[[0, 1], [1, 0]]), dense(1)))
    verified(case, *structure(uncovered=[2]))
    verified(case, *structure(equal=[(0, 1)]))
    verified(case, *structure(uncovered=[2], equal=[(0, 1)]))
    for attack in (
        structure(),
        structure(uncovered=[1]),
        structure(uncovered=[3]),
        structure(equal=[(0, 0)]),
        structure(equal=[(1, 0)]),
        structure(equal=[(0, 2)]),
        structure(node=2),
        structure(node=9),
        structure(node=0),
        structure(uncovered=[2], verdict="proved"),
    ):
        rejected(case, *attack)
    verified(instance(network([1, 2, 2], conv(1, kernel=[1, 1], padding=[0, 0]))), *structure())
    # Every patch holds the one real neuron; the padding neurons tell them apart.
    verified(instance(network([1], conv(1, kernel=[3], padding=[2]))), *structure())
    lists = instance(network([1], conv(1, patches=[[0, -1], [0, -2], [-1, 0]])))
    rejected(lists, *structure(), "equal")
    verified(lists, *structure(equal=[(0, 2)]))
    verified(instance(network([2, 4], pool([2], stride=[2]))), *structure())
    rejected(instance(network([2, 5], pool([2], stride=[2]))), *structure(), "no patch")
    same = instance(network([2], {"kind": "maxpool-lists", "patches": [[0, 1], [1, 0]]}))
    rejected(same, *structure(), "equal")
    verified(same, *structure(equal=[(0, 1)]))


# ---- Assumption 4.1. ----


def architecture(*failing, verdict=None):
    verdict = verdict or ("refuted" if all(failing) else "proved")
    return judged("clauses"), claim("assumption-4.1", verdict, failing=[list(each) for each in failing])


DATA2 = inline([[1], [2]])
ELU1, ELU2 = {"name": "elu", "alpha": 1}, {"name": "elu", "alpha": 2}
RAMP, SOFTSIGN = {"name": "hardtanh", "low": 0, "high": 1}, {"name": "softsign"}


@pytest.mark.parametrize(
    ("nodes", "failing"),
    [
        ([dense(2), act(RELU), dense(1)], [[]]),
        ([dense(2), act(RELU), dense(1), act(IDENTITY)], [[]]),
        ([dense(1), act(RELU), dense(1)], [["wide"]]),
        ([dense(2), act(RELU), dense(1), act(RELU)], [["output-dense"]]),
        ([dense(2), act(RELU), conv(1, kernel=[2])], [["output-dense"]]),
        ([dense(2), act(TANH), dense(1)], [["hidden-3.2"]]),
        ([dense(2), dense(1)], [["hidden-3.2"]]),
        ([dense(2), act(SIGMOID), dense(2), act(RELU), dense(3)], [["monotone", "pyramid"], []]),
        ([dense(2), act(RELU), dense(2), act(SIGMOID), dense(1)], [[], []]),
        ([dense(2), act(RELU), dense(2), act(ELU1), dense(1)], [["hidden-3.2"]] * 2),
        ([dense(2), act(RELU), dense(2), act(ELU2), dense(1)], [["hidden-3.2", "monotone"], ["hidden-3.2"]]),
        ([dense(2), act(RELU), dense(2), act(SOFTSIGN), dense(1)], [["hidden-3.2"]] * 2),
        ([dense(2), act(RELU), dense(2), act(RAMP), dense(1)], [["monotone"], []]),
        ([dense(2), act(RELU), pool([1]), dense(1)], [["no-pooling"]] * 2),
        ([dense(2), act(RELU)], []),
    ],
)
def test_architecture(nodes, failing):
    """The failing clauses must be exactly these: every other list is attacked by adding or removing one."""
    case = instance(network([1], *nodes), DATA2)
    judgment, found = architecture(*failing)
    verified(case, judgment, found)
    rejected(case, judgment, found | {"verdict": "refuted" if found["verdict"] == "proved" else "proved"})
    for k, clauses in enumerate(failing):
        for clause in ("no-pooling", "output-dense", "wide", "hidden-3.2", "monotone", "pyramid"):
            other = [c for c in clauses if c != clause] if clause in clauses else [*clauses, clause]
            rejected(case, judgment, changed(found, "failing", k, other))
    rejected(case, judgment, found | {"failing": [*failing, []]})


@pytest.mark.parametrize(
    "nodes",
    [
        [act(RELU), dense(1)],
        [dense(2), act(RELU), act(RELU), dense(1)],
        [dense(2), average([1]), dense(1)],
        [dense(2), scale([1], [0]), dense(1)],
        [dense(2), act(RELU), dense(2, of=[1]), add(2, 3), dense(1)],
        [dense(2), act({"name": "custom", "tree": "t"}), dense(1)],
    ],
)
def test_architecture_is_for_chains_of_known_layers(nodes):
    """Attacks the reading of a graph as layers, and the rule that nothing is known about a custom activation."""
    case = instance(network([1], *nodes), DATA2)
    for failing in ([], ["hidden-3.2"]):
        rejected(case, *architecture(failing))


# ---- Ranks almost everywhere, from structure alone. ----


def almost(node, verdict="proved", statement="theorem-3.5"):
    return claim(statement, verdict, node=node)


POSITION_ROWS = [[1, 2, 3, 4, 5], [7, 8, 6, 9, 0], [2, 9, 1, 3, 7]]
POSITION = [
    conv(2, kernel=[2], bias="unit"),
    act(TANH),
    pool([2]),
    dense(3, "filter"),
    act(SIGMOID),
]


def test_general_position():
    case = instance(network([5], *POSITION), inline(POSITION_ROWS))
    judgment = judged("general-position", node=5)
    for statement in ("theorem-3.5", "extension-a"):
        assert "almost every" in verified(case, judgment, almost(5, statement=statement)).claims[0]
    assert any("Mityagin" in x for x in verified(case, judgment, almost(5)).assumptions)
    rejected(case, judgment, almost(4))
    rejected(case, judgment, almost(5, "refuted"))


def replaced(number, *nodes):
    return [*POSITION[:number], *nodes, *POSITION[number + 1 :]]


@pytest.mark.parametrize(
    ("nodes", "rows", "attack"),
    [
        (replaced(0, conv(2, kernel=[2], bias="filter")), POSITION_ROWS, "biases that are shared"),
        (replaced(0, conv(2, kernel=[2], bias="none")), POSITION_ROWS, "no biases"),
        (replaced(3, dense(3)), POSITION_ROWS, "no biases above"),
        (replaced(3, dense(2, "unit")), POSITION_ROWS, "fewer units than samples"),
        (replaced(1, act(RELU)), POSITION_ROWS, "an activation that is not analytic"),
        (replaced(1, act({"name": "custom", "tree": ["abs", "t"]})), POSITION_ROWS, "a tree not analytic"),
        (replaced(1, act({"name": "custom", "tree": 3})), POSITION_ROWS, "a constant tree"),
        (replaced(4, act(TANH)), POSITION_ROWS, "no Assumption 3.2 above"),
        (replaced(4, act(RELU)), POSITION_ROWS, "not analytic above"),
        (replaced(2, average([2])), POSITION_ROWS, "averages"),
        (replaced(2, pool([2]), act(TANH)), POSITION_ROWS, "an activation of a maximum"),
        (POSITION[:1] + POSITION[2:], POSITION_ROWS, None),
        (replaced(1, act(TANH), act("square")), POSITION_ROWS, None),
        (replaced(1, act({"name": "custom", "tree": ["**", "t", 3]})), POSITION_ROWS, None),
        (POSITION, [[1, 2, 3, 4, 5], [1, 2, 6, 9, 0], [2, 9, 1, 3, 7]], "two samples equal on a patch"),
        ([pool([2]), *POSITION[3:]], POSITION_ROWS, "pooling below"),
        ([act(TANH), *POSITION[3:]], POSITION_ROWS, "an activation below"),
    ],
)
def test_forged_general_position(nodes, rows, attack):
    """Attacks every hypothesis of the general proof; None: it holds."""
    case, node = instance(network([5], *nodes), inline(rows)), len(nodes)
    (rejected if attack else verified)(case, judged("general-position", node=node), almost(node))


def test_general_position_is_for_chains():
    nodes = [
        dense(3, "unit"),
        act(TANH),
        dense(3, "unit", of=[1]),
        act(SIGMOID),
        add(2, 4),
        dense(3, "unit"),
        act(SIGMOID),
    ]
    case = instance(network([5], *nodes), inline(POSITION_ROWS))
    rejected(case, judged("general-position", node=7), almost(7), "chains")
    rejected(case, judged("general-position", node=4), almost(4), "chains")


def test_dead_layers():
    """ReLU at node 2 is 0 on a box: rank F_1 = 0 and every rank above it at most 1 there."""
    nodes = [dense(4, "unit"), act(RELU), dense(4), act("square")]
    case = instance(network([2], *nodes), inline([[1, 2], [3, 4]]))
    for node in (2, 3, 4):
        judgment = judged("dead", node=node, dead=2)
        assert "positive measure" in verified(case, judgment, almost(node, "refuted")).claims[0]
        for verdict in ("proved", "undecided"):
            rejected(case, judgment, almost(node, verdict))
    rejected(case, judged("dead", node=1, dead=2), almost(1, "refuted"))
    one = {**case, "data": inline([[1, 2]])}
    verified(one, judged("dead", node=2, dead=2), almost(2, "refuted"))  # rank 0 < 1
    rejected(one, judged("dead", node=3, dead=2), almost(3, "refuted"))  # rank 1 is not < 1
    rejected(
        case, judged("dead", node=2, dead=2), claim("rank", "refuted", node=2, weights=None, lower=0, upper=1)
    )


@pytest.mark.parametrize(
    ("nodes", "dead", "attack"),
    [
        ([dense(2), act(RELU)], 2, "no biases"),
        ([dense(2, "unit"), act("relu6")], 2, "another activation"),
        ([dense(2, "unit"), act({"name": "leaky_relu", "slope": "1/2"})], 2, "another activation"),
        ([act(RELU)], 1, "no affine node below"),
        ([dense(2, "unit"), pool([1]), act(RELU)], 3, "pooling between"),
        ([scale([2], [0]), dense(2, "unit"), act(RELU)], 3, "a scale below"),
        ([dense(2), dense(2, "unit", of=[0]), act(RELU)], 3, "no chain"),
        ([dense(2, "unit"), act(RELU), dense(2)], 3, "no ReLU"),
        ([dense(2, "unit"), act(RELU), dense(2)], 9, "no node"),
        ([act({"name": "custom", "tree": TOWER}), dense(2, "unit"), act(RELU)], 3, "no bound"),
        ([average([1]), dense(2, "filter"), act(RELU)], 3, None),
        ([act({"name": "custom", "tree": ["atan", "t"]}), dense(2, "unit"), act(RELU)], 3, None),
        ([act({"name": "hardtanh", "low": -9, "high": 1}), dense(2, "unit"), act(RELU)], 3, None),
    ],
)
def test_forged_dead_layers(nodes, dead, attack):
    case = instance(network([2], *nodes), inline([[1, 2], [3, 4]]))
    top = len(nodes)
    (rejected if attack else verified)(case, judged("dead", node=top, dead=dead), almost(top, "refuted"))


def generic_data(node, samples, case):
    judgment = judged("generic-data", node=node, samples=samples)
    return case, judgment, claim("extension-b", "proved", node=node, samples=samples)


def test_generic_data():
    case = instance(network([3], conv(2, kernel=[2], bias="filter"), act(SOFTPLUS)))
    for samples, found in ((1, 1), (4, 4), (9, 4)):
        assert f"= {found} for almost every data set" in verified(*generic_data(2, samples, case)).claims[0]
    rejected(*generic_data(1, 2, case))
    case, judgment, found = generic_data(2, 4, case)
    rejected(case, judgment, found | {"samples": 3})
    rejected(case, judgment, found | {"verdict": "undecided"})
    for nodes, size in (
        ([conv(2, kernel=[2]), act(SOFTPLUS)], [3]),
        ([conv(2, kernel=[2], bias="filter"), act(TANH)], [3]),
        ([conv(2, kernel=[2], bias="filter"), act(RELU)], [3]),
        ([conv(2, kernel=[2], bias="filter", padding=[1]), act(SOFTPLUS)], [3]),
        ([conv(2, patches=[[0, 1], [1, 0]], bias="filter"), act(SOFTPLUS)], [3]),
        ([conv(2, kernel=[2], groups=2, bias="filter"), act(SOFTPLUS)], [2, 3]),
        ([pool([1]), act(SOFTPLUS)], [3]),
    ):
        rejected(*generic_data(2, 2, instance(network(size, *nodes))))
    deep = instance(network([3], dense(2, "unit"), act(SOFTPLUS), dense(2, "unit"), act(SOFTPLUS)))
    verified(*generic_data(2, 2, deep))
    rejected(*generic_data(4, 2, deep))


# ---- Triangular order. ----


def peeling(activation="sigmoid", bits=4, number=3, shared=False):
    """One position, four filters on three inputs: samples in the order of their values at the first unit."""
    case = instance(
        network([3], dense(4, "unit"), act(activation)), inline([[1, 0, 2], [3, 1, 0], [0, 5, 1]])
    )
    a = [x * 2**bits for x in drawn(number, bits, 0, "", 12, "peeling")]
    filters = [a[0 if shared else t :: 4] for t in range(4)]
    z = [
        [int(sum(v * x for v, x in zip(f, row, strict=True))) for f in filters]
        for row in case["data"]["rows"]
    ]
    return case, z, {"seed": number, "bits": bits, "shared": shared}


def test_order():
    for shared in (True, False):
        case, z, drawn_as = peeling(shared=shared)
        found = None
        for places in permutations(range(3)):
            for units in permutations(range(4), 3):
                right = all(
                    z[places[i]][units[j]] < z[places[j]][units[j]] for j in range(3) for i in range(j)
                )
                check = verified if right else rejected
                check(case, order(2, places, units, **drawn_as), almost(2))
                found = (places, units) if right else found
        assert found


@pytest.mark.parametrize(
    "activation", ["sigmoid", "sigmoid2", "gaussian", SOFTPLUS, "silu", "gelu", "relu", "tanh", "arctan"]
)
def test_order_needs_analytic_activations_with_assumption_3_2(activation):
    case, z, drawn_as = peeling(activation, shared=True)
    places = sorted(range(3), key=lambda i: z[i][0])
    check = rejected if activation in ("relu", "tanh", "arctan") else verified
    check(case, order(2, places, [0, 1, 2], **drawn_as), almost(2))


def test_forged_order():
    case, z, drawn_as = peeling(shared=True)
    good = order(2, sorted(range(3), key=lambda i: z[i][0]), [2, 0, 3], **drawn_as)
    verified(case, good, almost(2))
    tied = {**case, "data": inline([[1, 0, 2], [3, 1, 0], [3, 1, 0]])}
    rejected(tied, order(2, [0, 1, 2], [0, 1, 2], **drawn_as), almost(2))
    for path, value in (
        (("order",), good["order"][:2]),
        (("order",), [0, 0, 1]),
        (("order",), [0, 1, 3]),
        (("units",), [2, 0]),
        (("units",), [2, 2, 0]),
        (("units",), [2, 0, 4]),
        (("seed",), 5),
        (("node",), 1),
        (("node",), 0),
        (("core",), {"prime": 101, "solutions": None}),
        (("thresholds",), [0]),
    ):
        rejected(case, changed(good, *path, value), almost(2))
    for path, value in ((("bits",), 62), (("bits",), 0), (("seed",), str(2**64))):
        assert ask(case, changed(good, *path, value), almost(2)).outcome == "MALFORMED"
    for bias, kinds in (("none", rejected), ("filter", verified)):
        kinds({**case, "network": network([3], dense(4, bias), act("sigmoid"))}, good, almost(2))
    shared = {
        **case,
        "network": network([3], conv(4, patches=[[0, 1, 2], [1, 2, 0]], bias="filter"), act("sigmoid")),
    }
    rejected(shared, good, almost(2), "biases")


@pytest.mark.parametrize("activation", ["sigmoid", "sigmoid2", SOFTPLUS, "gelu", "gaussian"])
def test_order_with_a_core(activation):
    """The first m samples and units form a matrix of steps or ramps that is regular mod p."""
    case, z, drawn_as = peeling(activation, shared=True)
    places = sorted(range(3), key=lambda i: z[i][0])
    step = activation in ("sigmoid", "sigmoid2")
    # The core takes the first two samples in the wrong order: only its own matrix shows that it is regular.
    places[:2] = places[1::-1]
    low, high = z[places[1]][0], z[places[0]][0]
    thresholds = [high, low] if step else [low, low - 3]
    entries = [[z[places[i]][0] - thresholds[j] for j in range(2)] for i in range(2)]
    core = [[int(v >= 0) if step else max(v, 0) for v in row] for row in entries]
    assert core[0][0] * core[1][1] != core[0][1] * core[1][0]
    judgment = order(
        2, places, [0, 1, 2], thresholds=thresholds, core={"prime": P31, "solutions": None}, **drawn_as
    )
    if activation == "gaussian":
        rejected(case, judgment, almost(2), "limit")
        return
    verified(case, judgment, almost(2))
    solved = solved_mod_p(case, judgment, core, P31, 7)
    assert verified(case, solved, almost(2)).error_bound == "2^-216"
    verified(case, solved, almost(2), deterministic=True)
    rejected(
        case,
        changed(solved, "core", "solutions", 0, 0, (solved["core"]["solutions"][0][0] + 1) % P31),
        almost(2),
    )
    singular = [high, high] if step else [low, low]
    rejected(case, changed(judgment, "thresholds", singular), almost(2), "vanishes")
    rejected(case, changed(judgment, "core", None), almost(2))
    rejected(case, changed(judgment, "core", "prime", 9), almost(2), "prime")
    rejected(case, changed(judgment, "thresholds", [*thresholds, 0, 0]), almost(2))
