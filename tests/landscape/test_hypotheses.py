"""Theorems 4.4 and 4.5 fail exactly where a hypothesis is dropped: one exact instance per hypothesis.

Each instance is a critical point of positive loss; restoring the hypothesis makes it vanish.
"""

import copy
from fractions import Fraction

import pytest

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates import make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide
from tests.landscape.test_instances import saddle
from tests.statements.instances import conv, given, network

DENSE = {"kind": "dense"}
FLAT = {"name": "custom", "expression": "(1 + t**3/sqrt(1 + t**6))/2"}
HALF = Fraction(1, 2)
WIDE = ([[1, 1]], [1, -HALF])  # x = 0, 1 under ReLU: F_1 = [[1, 0], [2, 1/2]], of rank 2
RELU = {**DENSE, "units": 2, "activation": "relu"}


def decided(statement, inst, layer=None):
    """The finding; its certificate, where it has one, is accepted."""
    (finding,) = decide(statement, inst, layer)
    if finding.evidence is not None:
        verdict = check_certificate(make_certificate(inst, [finding]))
        assert verdict.outcome == "VERIFIED", verdict
    return finding


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
    yield "turned over", lambda c: c.update(verdict="proved")
    yield "nothing missing", lambda c: c.update(missing=[])
    yield "another hypothesis", lambda c: c.update(missing=["pyramid"])
    yield "one hypothesis too many", lambda c: c["missing"].append("linear-output")
    yield "rank left out", lambda c: c["parts"].pop(0)
    yield "U_3 left out", lambda c: c["parts"].pop(1)
    yield "no gradient", lambda c: c["parts"].pop()
    yield "another width", lambda c: c.update(width=3)
    yield "another layer", lambda c: c.update(layer=2)
    yield "the last layer", lambda c: c.update(layer=3)
    yield (
        "under the name of 4.4's neighbour",
        lambda c: c.update(statement="corollary-4.6", missing=["fully-connected"]),
    )

    def other_point(c):
        c["parts"][-1]["point"][2]["W"] = [[[2], []], [[], [2]]]

    yield "another U_3 in the point", other_point

    def other_lower_layer(c):
        c["parts"][-1]["point"][0]["b"] = [[1], ["-1/3"]]

    yield "another layer 1 in the point", other_lower_layer


@pytest.mark.parametrize("attack, change", list(forgeries()), ids=lambda v: v if isinstance(v, str) else "")
def test_forged_refutations_are_rejected(attack, change):
    inst = flat_slope()
    certificate = make_certificate(inst, decide("theorem-4.5", inst, 1))
    assert check_certificate(certificate).outcome == "VERIFIED"
    forged = copy.deepcopy(certificate)
    change(forged["claims"][0])
    assert check_certificate(forged).outcome in ("REJECTED", "MALFORMED")


def test_a_custom_activation_is_not_missing_without_a_flat_point():
    """The same point with sigma_2 = t/sqrt(1 + t^2) moved off 0: no refutation can be forged from the proof."""
    inst = flat_slope({"name": "custom", "expression": "(1 + t/sqrt(1 + t**2))/2"})
    certificate = make_certificate(inst, decide("theorem-4.4", inst, 1))
    certificate["claims"][0].update(verdict="refuted", missing=["slopes-without-zeros"])
    assert check_certificate(certificate).outcome == "REJECTED"
    certificate["claims"][0].update(verdict="proved")
    assert check_certificate(certificate).outcome == "REJECTED"


def forged_from(inst, statement, /, **changes):
    """The outcome for the claim of ``statement`` at layer 1 with fields replaced."""
    certificate = make_certificate(inst, decide(statement, inst, 1))
    assert check_certificate(certificate).outcome == "VERIFIED"
    certificate["claims"][0].update(changes)
    return check_certificate(certificate).outcome


def test_hypotheses_of_other_statements_are_no_excuse():
    """Theorem 4.5 does not ask for a fully connected network, 4.4 not for a dense layer k+1."""
    assert forged_from(saddle(), "theorem-4.5", missing=["fully-connected"]) == "REJECTED"
    inst = broken_pyramid()
    assert forged_from(inst, "theorem-4.4", missing=["dense-above"]) == "REJECTED"


def test_there_is_no_theorem_4_4_at_a_pooling_layer():
    inst = pooling_above()
    assert forged_from(inst, "theorem-4.5", missing=["no-pooling-above"]) == "VERIFIED"
    assert (
        forged_from(inst, "theorem-4.5", statement="theorem-4.4", missing=["no-pooling-above"]) == "REJECTED"
    )


def test_that_no_zero_loss_point_exists_is_never_certified():
    """One point of positive loss refutes nothing."""
    inst = flat_slope()
    certificate = make_certificate(inst, decide("theorem-4.5", inst, 1))
    loss = make_certificate(inst, decide("loss", inst))["claims"][0]
    claim = certificate["claims"][0]
    claim.update(statement="zero-loss-exists", parts=[*claim["parts"][:-1], loss])
    assert check_certificate(certificate).outcome == "REJECTED"
    claim.update(verdict="proved", missing=[])
    assert check_certificate(certificate).outcome == "REJECTED"


def test_extension_c_needs_a_bias_at_the_output_and_a_layer_between():
    middle = {**DENSE, "units": 2, "activation": "sigmoid"}
    as_extension = {"statement": "extension-c", "v": [1, 1], "rows": [0, 1]}
    inst = on_two_points(middle, {**DENSE, "units": 2}, ZERO, ([[1, 0], [0, 1]], [0, 0]))
    assert forged_from(inst, "theorem-4.5", **as_extension) == "VERIFIED"
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
    certificate = make_certificate(inst, decide("critical-point", inst))
    assert check_certificate(certificate).outcome == "VERIFIED"
    certificate["claims"][0]["point"][1]["b"][0] = [0, 1]
    assert check_certificate(certificate).outcome == "REJECTED"
    moved = inst.weights.layers[1]
    b = RationalArray.from_fractions([1, 0])
    weights = Weights(
        (inst.weights.layers[0], LayerWeights(moved.W, moved.b, None, b), inst.weights.layers[2])
    )
    finding = decide("critical-point", Instance(inst.network, inst.samples, weights))[0]
    assert finding.verdict == "undecided"
