"""Theorems 4.4 and 4.5 fail exactly where a hypothesis is dropped: one exact instance per hypothesis.

Each instance is a critical point of positive loss; restoring the hypothesis makes it vanish.
"""

from fractions import Fraction

import pytest

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates.instance_json import weights_json
from exactcnn.features.instance import Instance
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide
from tests.landscape.test_instances import saddle
from tests.statements.instances import (
    added,
    certified,
    conv,
    decided,
    given,
    judgment,
    network,
    outcome,
    put,
    without,
)

DENSE = {"kind": "dense"}
FLAT = {"name": "custom", "expression": "(1 + t**3/sqrt(1 + t**6))/2"}
HALF = Fraction(1, 2)
WIDE = ([[1, 1]], [1, -HALF])  # x = 0, 1 under ReLU: F_1 = [[1, 0], [2, 1/2]], of rank 2
RELU = {**DENSE, "units": 2, "activation": "relu"}


def on_two_points(middle, last, second, third, Y=((1, 0), (0, 1))):
    net = network([1], RELU, middle, last)
    weights = given(net, WIDE, second, third)
    return Instance(net, exactcnn.samples([[0], [1]], [list(row) for row in Y]), weights)


ZERO = ([[0, 0], [0, 0]], [0, 0])


def flat_slope(activation=FLAT):
    """Theory 3.6: sigma_2'(0) = 0 stops the gradient."""
    middle = {**DENSE, "units": 2, "activation": activation}
    return on_two_points(middle, {**DENSE, "units": 2}, ZERO, ([[1, 0], [0, 1]], [0, 0]))


def nonlinear_output(activation="square"):
    """sigma_L'(0) = 0 at the output."""
    middle = {**DENSE, "units": 2, "activation": "sigmoid"}
    last = {**DENSE, "units": 2, "activation": activation}
    return on_two_points(middle, last, ZERO, ([[1, 0], [0, 1]], [-HALF, -HALF]))


def broken_pyramid(units=1):
    """n_2 = 1 < n_3 = 2: U_3 = (1, 1) has full rank and kills the rows (1/2, -1/2) of the residual."""
    U = [[1, 1]] if units == 1 else [[1, 1], [0, 1]]
    b = [HALF - sum(row[c] for row in U) * HALF for c in range(2)]
    second = ([[0] * units] * 2, [0] * units)
    middle = {**DENSE, "units": units, "activation": "sigmoid"}
    return on_two_points(middle, {**DENSE, "units": 2}, second, (U, b))


def pooling_above():
    """Units (1, 2, 1/2, 1/2), (2, 1, 1/2, 1/2): both pools choose the same unit, of value 2 for both samples."""
    layers = (
        {**RELU, "units": 4},
        {"kind": "maxpool", "patches": [[0, 1, 2], [0, 1, 3]]},
        {**DENSE, "units": 1},
    )
    net = network([1], *layers)
    weights = given(net, ([[1, -1, 0, 0]], [1, 2, HALF, HALF]), None, ([[1], [-1]], [HALF]))
    return Instance(net, exactcnn.samples([[0], [1]], [[0], [1]]), weights)


CASES = {
    "slopes-without-zeros": flat_slope,
    "linear-output": nonlinear_output,
    "pyramid": broken_pyramid,
    "no-pooling-above": pooling_above,
    "dense-above": saddle,
}


@pytest.mark.parametrize("name", CASES)
def test_theorem_4_5_fails_where_a_hypothesis_is_dropped(name):
    inst = CASES[name]()
    assert decided("critical-point", inst).verdict == "proved"
    assert decided("loss", inst).summary["loss"] != []
    assert decided("s-k", inst, 1).verdict == "proved"
    finding = decided("theorem-4.5", inst, 1)
    assert finding.verdict == "refuted"
    assert finding.evidence is not None
    failing = {key for key, value in finding.summary["hypotheses"].items() if value is not True}
    assert name in failing
    # Pooling and convolution above take the place of a dense layer; nothing else fails beside the one dropped.
    assert failing <= {name, "dense-above"}
    assert "as it may: hypothes" in finding.reason
    assert name in finding.reason


@pytest.mark.parametrize("name", ["slopes-without-zeros", "linear-output", "pyramid"])
def test_theorem_4_4_fails_there_too(name):
    finding = decided("theorem-4.4", CASES[name](), 1)
    assert (finding.verdict, finding.summary["zero_gradient"], finding.summary["zero_loss"]) == (
        "refuted",
        True,
        False,
    )
    assert name in finding.reason


@pytest.mark.parametrize(
    "restored",
    [
        lambda: flat_slope("sigmoid"),
        lambda: flat_slope({"name": "custom", "expression": "(1 + t/sqrt(1 + t**2))/2"}),
        lambda: nonlinear_output("identity"),
        lambda: broken_pyramid(2),
    ],
    ids=["sigmoid", "custom without flat points", "linear output", "pyramid"],
)
def test_they_vanish_when_the_hypothesis_is_restored(restored):
    inst = restored()
    assert decided("s-k", inst, 1).verdict == "proved"
    for statement in ("theorem-4.4", "theorem-4.5"):
        finding = decided(statement, inst, 1)
        assert finding.verdict == "proved"
        assert all(finding.summary["hypotheses"].values())
    assert decided("critical-point", inst).verdict == "refuted"


def test_pooling_at_layer_k_plus_1_has_no_lifted_gradient():
    finding = decided("theorem-4.4", pooling_above(), 1)
    assert finding.verdict == "undecided"
    assert "max-pooling" in finding.reason


def test_pooling_higher_up_leaves_s_k_undefined():
    net = network([2], conv(2, "relu", kernel=1), conv(1, "sigmoid", kernel=1),
                  {"kind": "maxpool", "kernel": 2}, {**DENSE, "units": 1})  # fmt: skip
    inst = Instance(net, exactcnn.samples([[1, 2], [2, 5]], [[0], [1]]), given(
        net, ([[1, 1]], [1, 1, 1, 1]), ([[0], [0]], [0, 0]), None, ([[1]], [0])))  # fmt: skip
    for statement in ("theorem-4.4", "theorem-4.5"):
        finding = decided(statement, inst, 1)
        assert finding.verdict == "undecided"
        assert "max-pooling and has no U" in finding.reason


def test_rank_below_n_lets_bad_critical_points_exist():
    """Both samples look alike to F_1: critical, Phi > 0, outside S_1, and the theorem says that it is silent."""
    net = network([1], {**RELU, "units": 2}, {**DENSE, "units": 1})
    inst = Instance(
        net, exactcnn.samples([[0], [1]], [[0], [1]]), given(net, ([[0, 0]], [1, 1]), ([[0], [0]], [HALF]))
    )
    assert decided("critical-point", inst).verdict == "proved"
    assert decided("loss", inst).summary["loss"] == ["1/4"]
    finding = decided("theorem-4.5", inst, 1)
    assert finding.verdict == "undecided"
    assert "F_1" in finding.reason
    better = Instance(net, inst.samples, given(net, WIDE, ([[0], [2]], [0])))
    assert decided("theorem-4.5", better, 1).summary["zero_loss"] is True


def test_a_rank_deficient_u_lets_bad_critical_points_exist():
    middle = {**DENSE, "units": 2, "activation": "sigmoid"}
    inst = on_two_points(middle, {**DENSE, "units": 2}, ZERO, ([[0, 0], [0, 0]], [HALF, HALF]))
    assert decided("critical-point", inst).verdict == "proved"
    assert decided("theorem-4.5", inst, 1).verdict == "undecided"
    assert "U_3" in decided("theorem-4.5", inst, 1).reason


def forgeries():
    def claim(**fields):
        return lambda c: c["claims"][0].update(fields)

    yield "turned over", claim(verdict="refuted")
    yield "not critical", claim(critical=False)
    yield "no loss", claim(loss=[])
    yield "a gradient above", claim(flat=False)
    yield "nothing about the gradient above", claim(flat=None)
    yield "nothing fails", claim(failing=[])
    yield "another hypothesis", claim(failing=["pyramid"])
    yield "one hypothesis too many", claim(failing=["linear-output", "slopes-without-zeros"])
    yield "a hypothesis of 4.5's neighbour", claim(failing=["fully-connected"])
    yield "rank left out", lambda c: without(c, "minor-mod-p", "features")
    yield "U_3 left out", lambda c: without(c, "minor-mod-p", "lifted")
    yield "no gradient", lambda c: without(c, "gradient-exact")
    yield "no loss judged", lambda c: without(c, "loss-exact")
    yield "another layer", claim(node=4)
    yield "the last layer", claim(node=5)
    yield "in the middle of a layer", claim(node=1)
    yield "the input", claim(node=0)
    yield "as Extension C, without its judgment", claim(v=[1, 1])

    def another_set(*kinds):
        """The same weights under another name, of which the judgments of these kinds speak."""

        def change(c):
            weights = c["instance"]["weights"]
            weights["other"] = weights["given"]
            for each in c["judgments"]:
                if each["kind"] in kinds:
                    (each if "weights" in each else each["of"])["weights"] = "other"

        return change

    yield "the gradient of another set", another_set("gradient-exact")
    yield "the loss of another set", another_set("loss-exact")
    yield "the ranks of another set", another_set("minor-mod-p")
    yield "the claim about another set", lambda c: (another_set()(c), claim(weights="other")(c))

    yield (
        "another U_3",
        lambda c: (put(c, "given", 2, "W", (0, 0), [2]), put(c, "given", 2, "W", (1, 1), [2])),
    )
    yield "a U_3 that is singular", lambda c: put(c, "given", 2, "W", (0, 0), [])
    yield "another layer 1, where rank F_1 = 1", lambda c: put(c, "given", 0, "b", 1, [1])
    yield "other targets", lambda c: c["instance"]["targets"]["rows"].__setitem__(0, [2, 0])


@pytest.mark.parametrize("attack, change", list(forgeries()), ids=lambda v: v if isinstance(v, str) else "")
def test_forged_refutations_are_rejected(attack, change):
    inst = flat_slope()
    certificate = certified(inst, *decide("theorem-4.5", inst, 1))
    assert outcome(certificate, change) == "REJECTED"


def test_a_custom_activation_is_not_missing_without_a_flat_point():
    """The same point with sigma_2 = t/sqrt(1 + t^2) moved off 0: no refutation can be forged from the proof."""
    inst = flat_slope({"name": "custom", "expression": "(1 + t/sqrt(1 + t**2))/2"})
    certificate = certified(inst, *decide("theorem-4.4", inst, 1))
    assert certificate["claims"][0]["failing"] == []
    assert (
        outcome(certificate, lambda c: c["claims"][0].update(failing=["slopes-without-zeros"])) == "REJECTED"
    )
    for changes in ({"flat": True}, {"critical": True}, {"verdict": "refuted"}):
        assert outcome(certificate, lambda c, changes=changes: c["claims"][0].update(changes)) == "REJECTED"


def forged_from(inst, statement, /, *, row=None, **changes):
    """The outcome for the claim of ``statement`` at layer 1 with fields replaced; ``row``: [U_L; row] is judged as well."""
    certificate = certified(inst, *decide(statement, inst, 1))

    def change(c):
        c["claims"][0].update(changes)
        if row is not None:
            top = inst.network.affine_node_of(inst.network.depth)
            of = {"matrix": "lifted-and-row", "node": top, "weights": "given", "row": row}
            minor = judgment(c, "minor-mod-p", "features")
            added(c, {**minor, "of": of, "rows": [0, 1], "columns": [0, 1], "prime": 1009, "divisor": 1})

    return outcome(certificate, change)


def test_hypotheses_of_other_statements_are_no_excuse():
    """Theorem 4.5 does not ask for a fully connected network, 4.4 not for a dense layer k+1: a reader finds each by name."""
    inst = saddle()
    (claim,) = certified(inst, *decide("theorem-4.5", inst, 1))["claims"]
    assert claim["failing"] == ["dense-above", "fully-connected"]
    for failing in (["fully-connected"], ["dense-above"], ["fully-connected", "dense-above"]):
        assert forged_from(inst, "theorem-4.5", failing=failing) == "REJECTED"
    inst = broken_pyramid()
    (claim,) = certified(inst, *decide("theorem-4.4", inst, 1))["claims"]
    assert claim["failing"] == ["pyramid"]
    for failing in (["dense-above"], ["pyramid", "dense-above"]):
        assert forged_from(inst, "theorem-4.4", failing=failing) == "REJECTED"


def test_there_is_no_theorem_4_4_at_a_pooling_layer():
    inst = pooling_above()
    (claim,) = certified(inst, *decide("theorem-4.5", inst, 1))["claims"]
    assert (claim["flat"], claim["failing"][0]) == (None, "no-pooling-above")
    for flat in (True, False):
        assert forged_from(inst, "theorem-4.5", flat=flat) == "REJECTED"
    assert forged_from(inst, "theorem-4.5", failing=["no-pooling-above"]) == "REJECTED"  # a part of the list


def test_that_no_zero_loss_point_exists_is_never_certified():
    """One point of positive loss refutes nothing, and there is no claim that would."""
    inst = flat_slope()
    assert forged_from(inst, "theorem-4.5", verdict="refuted", loss=[1]) == "REJECTED"
    assert forged_from(inst, "theorem-4.5", loss=[]) == "REJECTED"
    assert forged_from(inst, "theorem-4.5", statement="zero-loss-exists") == "MALFORMED"
    assert forged_from(inst, "theorem-4.5", statement="zero-loss-exists", verdict="refuted") == "MALFORMED"


def test_extension_c_needs_a_bias_at_the_output_and_a_layer_between():
    middle = {**DENSE, "units": 2, "activation": "sigmoid"}
    as_extension = {"v": [1, 1], "row": [1, 1]}
    inst = on_two_points(middle, {**DENSE, "units": 2}, ZERO, ([[1, 0], [0, 1]], [0, 0]))
    assert forged_from(inst, "theorem-4.5", **as_extension) == "VERIFIED"
    assert forged_from(inst, "theorem-4.5", v=[1, 1]) == "REJECTED"
    assert forged_from(inst, "theorem-4.5", v=[1, 1], row=[1, 2]) == "REJECTED"
    bare = on_two_points(middle, {**DENSE, "units": 2, "bias": "none"}, ZERO, ([[1, 0], [0, 1]], None))
    assert decide("extension-c", bare, 1)[0].verdict == "undecided"
    assert forged_from(bare, "theorem-4.5", **as_extension) == "REJECTED"
    net = network([1], RELU, {**DENSE, "units": 2})
    shallow = Instance(
        net, exactcnn.samples([[0], [1]], [0, 1]), given(net, WIDE, ([[1, 0], [0, 1]], [0, 0]))
    )
    assert forged_from(shallow, "theorem-4.5", **as_extension) == "REJECTED"


def test_written_activations_are_exact_at_rational_points_only():
    """sigma_2(ln 2) is not sigma_2(0)."""
    inst = flat_slope()
    certificate = certified(inst, *decide("critical-point", inst))
    assert outcome(certificate, lambda c: put(c, "given", 1, "b", 0, [0, 1])) == "REJECTED"
    moved = inst.weights.layers[1]
    b = RationalArray.from_fractions([1, 0])
    weights = Weights(
        (inst.weights.layers[0], LayerWeights(moved.W, moved.b, None, b), inst.weights.layers[2])
    )
    finding = decide("critical-point", Instance(inst.network, inst.samples, weights))[0]
    assert finding.verdict == "undecided"
    record = weights_json(weights, inst.network.layers, 3)
    assert record["nodes"][1]["b"] == [[0, 1], []]
    assert outcome(certificate, lambda c: c["instance"]["weights"].update(given=record)) == "REJECTED"
