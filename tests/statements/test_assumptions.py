"""Assumptions 3.1, 3.2, 4.1, the patch structure, and the counting bounds, against brute force."""

from itertools import product

import pytest

import exactcnn
from exactcnn.features.bounds import counting_bounds
from exactcnn.features.instance import Instance
from exactcnn.statements import STATEMENTS, decide, worst_verdict
from tests.statements.instances import certified, conv, given, instance, network, random_rows, rng


@pytest.mark.parametrize("seed", range(30))
def test_assumption_3_1_agrees_with_brute_force(seed):
    """All pairs of patches of different samples compared one by one; the certificate is accepted."""
    r = rng(seed)
    net = network([1, 3, 3], conv(2, "relu", kernel=2, padding=r.choice([0, 1])))
    rows = random_rows(r, 3, 9, 0, r.choice([1, 3, 1000]))
    inst = instance(net, rows)
    (finding,) = decide("assumption-3.1", inst)
    patches = net.layer(1).patches.indices.tolist()
    value = {
        (i, p): tuple(rows[i][u] if u < 9 else 0 for u in patch)
        for i in range(3)
        for p, patch in enumerate(patches)
    }
    collisions = [(a, b) for a, b in product(value, value) if a[0] != b[0] and value[a] == value[b]]
    assert finding.verdict == ("refuted" if collisions else "proved")
    if collisions:
        (i, j), (p, q) = finding.evidence.samples, finding.evidence.patches
        assert ((i, p), (j, q)) in collisions
        groups = finding.summary["largest_groups"]
        assert [g["samples"] for g in groups] == sorted((g["samples"] for g in groups), reverse=True)
        shared = {value[a] for a, _ in collisions}
        assert finding.summary["colliding_groups"] == len(shared)
        assert finding.summary["colliding_patches"] == sum(v in shared for v in value.values())
    certified(inst, finding)


def test_equal_patches_within_one_sample_do_not_collide():
    """3.1 compares different samples only: a constant image repeats its own patch."""
    net = network([1, 4, 4], conv(1, "relu", kernel=2))
    assert decide("assumption-3.1", instance(net, [[1] * 16, [2] * 16]))[0].verdict == "proved"
    assert decide("assumption-3.1", instance(net, [[1] * 16, [1] * 15 + [2]]))[0].verdict == "refuted"


def test_digits_violate_assumption_3_1():
    """The all-zero patch is everywhere in real digits; the finding counts its samples."""
    net = network([1, 8, 8], conv(4, "sigmoid", kernel=3))
    inst = Instance(net, exactcnn.load_data("digits"))
    (finding,) = decide("assumption-3.1", inst)
    assert finding.verdict == "refuted"
    assert finding.summary["patches"] == 1797 * 36


@pytest.mark.parametrize(
    ("activation", "verdict"),
    [
        ("relu", "proved"), ("sigmoid", "proved"), ("softplus", "proved"), ("silu", "proved"),
        ("gelu", "proved"), ("gaussian", "proved"), ({"name": "softplus", "alpha": "7/3"}, "proved"),
        ("tanh", "refuted"), ("elu", "refuted"), ("identity", "refuted"), ("leaky_relu", "refuted"),
        ("square", "refuted"), ("arctan", "refuted"),
    ],
    ids=str,
)  # fmt: skip
def test_assumption_3_2_with_certificate(activation, verdict):
    """Lemma 3.3's activations satisfy 3.2, the others fail it with a reason; the checker agrees."""
    net = network([3], conv(2, activation, kernel=2), {"kind": "dense", "units": 1})
    inst = Instance(net)
    findings = decide("assumption-3.2", inst)
    assert [finding.verdict for finding in findings] == [verdict]
    assert len(findings[0].reason) > 20
    certified(inst, *findings)


def test_custom_activation_is_never_certified():
    """What the checker cannot repeat stays out of certificates."""
    net = network([3], conv(2, {"name": "custom", "expression": "sin(t)"}, kernel=2))
    findings = decide("assumption-3.2", Instance(net))
    assert findings[0].verdict != "proved"
    with pytest.raises(exactcnn.UndecidedError):
        certified(Instance(net), *findings)


PYRAMID = [
    {"kind": "dense", "units": 6, "activation": "sigmoid"},
    {"kind": "dense", "units": 4, "activation": "softplus"},
    {"kind": "dense", "units": 2},
]
ROWS = [[1, 2], [3, 5], [8, 1], [0, 4]]


def failing(layers, rows=ROWS, shape=(2,)):
    inst = Instance(network(list(shape), *layers), exactcnn.samples(rows))
    (finding,) = decide("assumption-4.1", inst)
    if finding.evidence is not None:
        certified(inst, finding)
    return finding.verdict, {
        row["layer"]: [name for name, value in row["clauses"].items() if value is False]
        for row in finding.summary["layers"]
    }


def test_assumption_4_1_holds():
    """A smooth pyramid on few samples: k = 1 and k = 2 satisfy every clause."""
    assert failing(PYRAMID) == ("proved", {1: [], 2: []})


@pytest.mark.parametrize(
    ("position", "change", "clause"),
    [
        (1, {"kind": "dense", "units": 3, "activation": "relu"}, "monotone"),
        (1, {"kind": "dense", "units": 3, "activation": "tanh"}, "hidden-3.2"),
        (1, {"kind": "dense", "units": 1, "activation": "softplus"}, "pyramid"),
        (0, {"kind": "dense", "units": 3, "activation": "sigmoid"}, "wide"),
        (2, {"kind": "dense", "units": 2, "activation": "sigmoid"}, "output-dense"),
    ],
)
def test_assumption_4_1_clause_by_clause(position, change, clause):
    """Break one clause at a time; layer 1 then fails exactly that clause."""
    layers = [dict(layer) for layer in PYRAMID]
    layers[position] = change
    verdict, clauses = failing(layers)
    assert clauses[1] == [clause]
    if clause != "wide":
        assert verdict == "refuted" or clauses[2] == []


def test_pooling_violates_assumption_4_1():
    """Figure 1 of the paper has pooling, which 4.1 excludes (theory 3.6)."""
    layers = [
        conv(4, "sigmoid", kernel=2),
        {"kind": "maxpool", "kernel": 2},
        {"kind": "dense", "units": 1},
    ]
    verdict, clauses = failing(layers, [[1, 2, 3, 4, 5], [5, 4, 3, 2, 2]], (5,))
    assert verdict == "refuted"
    assert all("no-pooling" in names for names in clauses.values())


def test_published_bad_minimum_has_an_empty_s_1():
    """Yun, Sra, Jadbabaie (1802.03487), Theorem 2's setting: N = 3 > n_1 = 2, so rank F_1 = 3 is
    impossible, and clause `wide` is what fails."""
    for activation in ("square", "sigmoid"):
        layers = [
            {"kind": "dense", "units": 2, "activation": activation, "bias": "none"},
            {"kind": "dense", "units": 1, "bias": "none"},
        ]
        rows = [["1", "0"], ["0", "1"], ["1/2", "1/2"]]
        net = network([2], *layers)
        inst = instance(net, rows, given(net, ([[1, 1], [1, 1]], None), ([["1/6"], ["1/6"]], None)))
        (rank,) = decide("rank", inst, 1)
        assert rank.verdict == "refuted"
        # h = x^2: all pre-activations are 1. The columns are equal: rank 1, exactly.
        assert rank.summary["lower"] == rank.summary["upper"] == 1
        certified(inst, rank)
        (other,) = decide(
            "rank", instance(net, rows, given(net, ([[1, 1], [1, -1]], None), ([[1], [-1]], None))), 1
        )
        assert (other.verdict, other.summary["upper"]) == ("refuted", 2)
        (assumption,) = decide("assumption-4.1", inst)
        assert "wide" in assumption.evidence.failing[0][1]


def test_structure_names_the_offenders():
    """Neurons left out by a stride, and equal patches in another order, are named."""
    net = network([6], conv(1, "relu", kernel=2, stride=3))
    (finding,) = decide("structure", Instance(net))
    assert (finding.verdict, finding.summary["uncovered"]) == ("refuted", [2, 5])
    certified(Instance(net), finding)
    net = network([3], conv(1, "relu", patches=[[0, 1], [1, 2], [1, 0]]))
    (finding,) = decide("structure", Instance(net))
    assert (finding.verdict, finding.summary["equal"]) == ("refuted", [[0, 2]])
    certified(Instance(net), finding)
    net = network([4], conv(1, "relu", kernel=3, padding=1))
    assert decide("structure", Instance(net))[0].verdict == "proved"


@pytest.mark.parametrize("seed", range(25))
def test_counting_bounds_hold(seed):
    """Every counting bound is at least the exact rank, for random data with few values."""
    r = rng(seed)
    net = network([1, 4, 4], conv(r.randint(1, 4), "sigmoid", kernel=r.randint(1, 3)))
    rows = [[r.choice([0, 0, 0, 1]) for _ in range(16)] for _ in range(r.randint(2, 12))]
    inst = instance(net, rows, seed=seed)
    lower = decide("rank", inst, 1)[0].summary["lower"]
    bounds = counting_bounds(net, inst.samples, 1)
    assert all(bound.bound >= lower for bound in bounds)
    assert [b.bound for b in bounds] == sorted(b.bound for b in bounds)


def test_poor_positions_bound_is_the_formula():
    """Theory 2.2 on hand-countable data: 1 + sum (d_p - 1) + T #{rich}, and the joint bound."""
    net = network([1, 1, 4], conv(3, "sigmoid", kernel=[1, 1]))
    rows = [[0, 0, 0, i] for i in range(6)] + [[0, 0, 1, 7]]
    samples = exactcnn.samples(rows)
    bounds = {bound.kind: bound.bound for bound in counting_bounds(net, samples, 1)}
    # d = (1, 1, 2, 7), T = 3: 1 + 0 + 0 + 1 + 3 = 5; jointly the first three: 3 + 2 = 5.
    assert bounds["distinct-patches"] == 5
    assert bounds["restriction"] == 5
    assert bounds["width"] == 12
    assert bounds["distinct-samples"] == 7


def test_statement_names_and_verdicts():
    """The registry serves each name; unknown names are refused; verdicts combine to the worst."""
    net = network([4], conv(3, "sigmoid", kernel=2), {"kind": "dense", "units": 1})
    inst = instance(net, [[1, 2, 3, 4], [2, 2, 1, 0]])
    inst = type(inst)(net, exactcnn.samples([[1, 2, 3, 4], [2, 2, 1, 0]], [[1], [0]]), inst.weights)
    for name, statement in STATEMENTS.items():
        findings = decide(name, inst)
        assert findings
        assert {finding.statement for finding in findings} == {name}
        assert statement.meaning
        assert worst_verdict(findings) in ("proved", "refuted", "undecided")
    with pytest.raises(exactcnn.MisuseError, match="statement"):
        decide("theorem-9.9", inst)
    with pytest.raises(exactcnn.MisuseError, match="layer"):
        decide("rank", inst, 9)
