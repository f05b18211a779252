"""Corollary 3.6: exact interpolation where it exists, refutations with reasons, forgeries."""

from fractions import Fraction
from itertools import chain

import pytest
import sympy

import exactcnn
from exactcnn.features.instance import Instance
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from exactcnn.statements.corollary_3_6 import interpolating_weights
from tests.features.test_exact_features import by_definition
from tests.statements import instances
from tests.statements.instances import (
    added,
    certified,
    conv,
    given,
    judgment,
    network,
    outcome,
    random_rows,
    rng,
)


def labelled(net, rows, y=None, weights=None, seed=0):
    return Instance(
        net, exactcnn.samples(rows, y), Weights.from_seed(net, seed, 8) if weights is None else weights
    )


def output(units, bias="unit"):
    return {"kind": "dense", "units": units, "activation": "identity", "bias": bias}


def decided(inst):
    """The finding; unless undecided, or by a column of ones, its certificate is accepted."""
    return instances.decided("corollary-3.6", inst)


def outputs(inst):
    """F_L from the definition alone, in Fractions."""
    return by_definition(inst, inst.network.depth)


@pytest.mark.parametrize("bias", ["unit", "none"])
@pytest.mark.parametrize("seed", range(25))
def test_weights_interpolate_by_definition(seed, bias):
    """The network with the weights found has the targets as outputs, in a forward pass of its own."""
    r = rng(seed)
    N, m = r.randint(1, 6), r.randint(1, 3)
    net = network(
        [1, 3, 3],
        conv(r.randint(2, 3), r.choice(["relu", "leaky_relu", "square"]), kernel=2),
        *[{"kind": "maxpool", "kernel": 2, "stride": 1}] * r.randint(0, 1),
        {"kind": "dense", "units": 9, "activation": "leaky_relu"},
        output(m, bias),
    )
    Y = [[Fraction(r.randint(-9, 9), r.randint(1, 4)) for _ in range(m)] for _ in range(N)]
    inst = labelled(net, random_rows(r, N, 9), Y, seed=seed)
    finding = decided(inst)
    rank = sympy.Matrix(by_definition(inst, net.depth - 1)).rank()
    if rank < N:
        assert finding.verdict == "refuted" or (bias == "unit" and rank == N - 1)
        return
    assert finding.verdict == "proved"
    assert outputs(Instance(net, inst.samples, finding.exhibited)) == Y


def test_least_norm_is_least():
    """F^T (F F^T)^-1 Y by SymPy; the sparse solution is longer by exactly the norm of the difference."""
    net = network([4], conv(3, "relu", kernel=2), output(2))
    r = rng(4)
    inst = labelled(net, random_rows(r, 4, 4), [[1, 2], [0, 1], [3, 1], [1, 1]], seed=1)
    least, sparse = interpolating_weights(inst, least_norm=True), interpolating_weights(inst)
    F, Y = sympy.Matrix(by_definition(inst, 1)), sympy.Matrix([[1, 2], [0, 1], [3, 1], [1, 1]])
    oracle = F.T * (F * F.T).inv() * Y
    assert [[Fraction(v.p, v.q) for v in oracle.row(i)] for i in range(F.shape[1])] == least.W.to_fractions()
    pairs = zip(chain(*sparse.W.to_fractions()), chain(*least.W.to_fractions()), strict=True)
    assert sparse.norm_squared() == least.norm_squared() + sum((a - b) ** 2 for a, b in pairs)


def test_labels_become_one_hot_columns():
    net = network([4], conv(3, "relu", kernel=2), output(3))
    inst = labelled(net, random_rows(rng(2), 5, 4), [2, 0, 1, 1, 0])
    finding = decided(inst)
    assert finding.summary["targets"] == "reached"
    one_hot = [[Fraction(int(c == label)) for c in range(3)] for label in [2, 0, 1, 1, 0]]
    assert outputs(Instance(net, inst.samples, finding.exhibited)) == one_hot


AFFINE = {"kind": "dense", "units": 2, "activation": "identity"}


def planted():
    """Features x (two columns) of three or more samples: what a bias changes."""
    unit = given_identity()
    yield "three points in the plane: only the bias makes rank 3", [[0, 1], [1, 0], [1, 1]], "unit", "proved"
    yield "the same without a bias", [[0, 1], [1, 0], [1, 1]], "none", "refuted"
    yield "three points on a line, kernel vector with sum 0", [[0, 1], [1, 1], [2, 1]], "unit", "refuted"
    yield "equal samples", [[0, 1], [0, 1]], "unit", "refuted"
    yield "four points: rank at most N - 2", [[0, 1], [1, 0], [1, 1], [5, 7]], "unit", "refuted"
    assert unit


def given_identity():
    return ([[1, 0], [0, 1]], [0, 0])


@pytest.mark.parametrize(
    "why, rows, bias, verdict", list(planted()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_planted(why, rows, bias, verdict):
    net = network([2], AFFINE, output(1, bias))
    entry = ([[1], [1]], [0] if bias == "unit" else None)
    inst = labelled(net, rows, [1, *[0] * (len(rows) - 1)], given(net, given_identity(), entry))
    finding = decided(inst)
    assert finding.verdict == verdict
    if verdict == "refuted":
        assert finding.summary["targets"] == "not reached"
        certificate = certified(inst, finding)
        assert outcome(certificate, lambda c: c["claims"][0].update(verdict="proved")) == "REJECTED"


def test_reached_although_not_every_target_is():
    net = network([2], AFFINE, output(1, "none"))
    inst = labelled(
        net, [[0, 1], [1, 0], [1, 1]], [1, 2, 3], given(net, given_identity(), ([[1], [1]], None))
    )
    finding = decided(inst)
    assert (finding.verdict, finding.summary["targets"]) == ("refuted", "reached")


@pytest.mark.parametrize(
    "layers",
    [
        [conv(3, "relu", kernel=2)],
        [conv(3, "relu", kernel=2), {"kind": "dense", "units": 2, "activation": "sigmoid"}],
        [output(2)],
    ],
    ids=["no dense output", "output not linear", "no hidden layer"],
)
def test_other_networks_are_undecided(layers):
    finding = decided(labelled(network([4], *layers), [[1, 2, 3, 4]]))
    assert finding.verdict == "undecided"


def test_sigmoid_features_have_the_corollary_without_weights():
    net = network([4], conv(3, "sigmoid", kernel=2), output(2))
    finding = decided(labelled(net, random_rows(rng(1), 5, 4), [0, 1, 1, 0, 1]))
    assert finding.verdict == "proved"
    assert finding.exhibited is None
    assert "not rational" in finding.summary["weights"]


def _forgeries():
    def claim(**fields):
        return lambda c: c["claims"][0].update(fields)

    def minor(**fields):
        return lambda c: judgment(c, "minor-mod-p").update(fields)

    def output_node(c, **fields):
        c["instance"]["network"]["nodes"][2].update(fields)

    def nonlinear(c):
        c["instance"]["network"]["nodes"].append(
            {"kind": "activation", "of": [3], "activation": {"name": "sigmoid"}}
        )

    def data(rows):
        return lambda c: c["instance"]["data"].update(shape=[len(rows), 4], rows=rows)

    rows = random_rows(rng(2), 5, 4)
    yield "another layer", claim(node=3), "REJECTED"
    yield "the affine part of the layer", claim(node=1), "REJECTED"
    yield "no judgment", claim(by=[]), "MALFORMED"
    yield "judgment of another layer", lambda c: judgment(c, "minor-mod-p")["of"].update(node=3), "REJECTED"
    yield (
        "judgment of the pre-activations",
        lambda c: judgment(c, "minor-mod-p")["of"].update(node=1),
        "REJECTED",
    )
    yield "refuted by what proves it", claim(verdict="refuted"), "REJECTED"
    yield "undecided", claim(verdict="undecided"), "REJECTED"
    yield "too few samples", minor(rows=[0, 1, 2, 3], columns=[1, 2, 3, 5]), "REJECTED"
    yield "more samples", data([*rows, [9, 9, 9, 9]]), "REJECTED"
    yield "a sample twice", data([*rows[:4], rows[0]]), "REJECTED"
    yield "a column twice", minor(columns=[0, 1, 2, 3, 3]), "REJECTED"
    yield "a row twice", minor(rows=[0, 1, 2, 3, 3]), "REJECTED"
    yield "an output that is not linear", nonlinear, "REJECTED"
    yield "other weights", claim(weights="seed-0"), "REJECTED"


@pytest.mark.parametrize(
    "attack, change, expected", list(_forgeries()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_forged(attack, change, expected):
    net = network([4], conv(3, "relu", kernel=2), output(2))
    inst = labelled(net, random_rows(rng(2), 5, 4))
    certificate = certified(inst, *decide("corollary-3.6", inst))
    assert outcome(certificate, change) == expected


def test_a_bias_asks_for_more_than_rank_below_n():
    """rank F = N - 1 refutes nothing if the output has a bias: the certificate of the network without is no use."""
    rows = [[0, 1], [1, 0], [1, 1]]
    for bias, expected in (("unit", "REJECTED"), ("none", "VERIFIED")):
        net = network([2], AFFINE, output(1, bias))
        entry = ([[1], [1]], [0] if bias == "unit" else None)
        inst = labelled(net, rows, None, given(net, given_identity(), entry))
        (rank,) = decide("rank", inst, 1)
        certificate = certified(inst, rank)
        claim = certificate["claims"][0]
        assert claim["verdict"] == "refuted"

        def forge(c):
            claim = c["claims"][0]
            claim["statement"] = "corollary-3.6"
            for key in ("lower", "upper"):
                claim.pop(key)

        assert outcome(certificate, forge) == expected

        def counted(c):
            """No other bound has a say about a column of ones."""
            forge(c)
            c["claims"][0]["by"] = []
            added(c, {"kind": "count", "node": claim["node"], "rule": "width", "positions": None})

        assert outcome(certificate, counted) == expected
