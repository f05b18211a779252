"""Theorem 3.5's conclusion on instances: proved by witnesses, refuted by bounds and boxes."""

import copy
from fractions import Fraction

import pytest

import exactcnn
from exactcnn.certificates import digest, make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.dead_layer import find_dead_layer
from exactcnn.features.instance import Instance
from exactcnn.statements import decide
from tests.features.test_exact_features import by_definition
from tests.statements.instances import conv, given, instance, network, random_rows, rng


def decided(inst, layer=None):
    """The finding, its certificate accepted unless undecided."""
    (finding,) = decide("theorem-3.5", inst, layer)
    if finding.verdict != "undecided":
        verdict = check_certificate(make_certificate(inst, [finding]))
        assert verdict.outcome == "VERIFIED", verdict
    return finding


DENSE = {"kind": "dense"}


@pytest.mark.parametrize(
    "activation", ["sigmoid", "tanh", "softplus", {"name": "softplus", "alpha": "1/3"}], ids=str
)
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_deep_networks_are_proved(activation, depth):
    """Sigmoid, tanh and softplus, k = 1 to 4, wide enough: one witness, almost every parameter."""
    layers = [conv(3, activation, kernel=2)]
    layers += [{**DENSE, "units": 8, "activation": activation} for _ in range(depth - 1)]
    net = network([4], *layers)
    finding = decided(Instance(net, exactcnn.samples(random_rows(rng(depth), 6, 4))), depth)
    assert finding.verdict == "proved"
    assert finding.summary["route"] == "nested specialisation"


def test_mixture_of_activations_is_proved():
    """Any mixture of the three, convolutional and dense layers, padding and shared biases."""
    net = network(
        [1, 4, 4],
        conv(3, "sigmoid", kernel=2),
        conv(4, "softplus", kernel=2, padding=1),
        conv(2, "tanh", kernel=3, bias="filter"),
        {**DENSE, "units": 20, "activation": "sigmoid"},
    )
    finding = decided(Instance(net, exactcnn.samples(random_rows(rng(0), 12, 16))), 4)
    assert finding.verdict == "proved"
    assert finding.summary["hypotheses"]["assumption-3.2"] is False
    assert "not an application" in finding.reason


@pytest.mark.parametrize("activation", ["silu", "gaussian", "square"])
def test_given_weights_are_a_witness_for_other_analytic_activations(activation):
    """Full rank at the seeded weights, analytic activation: almost every parameter."""
    net = network([4], conv(4, activation, kernel=3))
    finding = decided(instance(net, random_rows(rng(5), 4, 4)))
    assert finding.verdict == "proved"
    assert finding.summary["route"] == "the given weights"


def test_the_theorem_proper_names_no_failing_hypothesis():
    """With all hypotheses true the reason does not disclaim the theorem."""
    net = network([3], conv(4, "sigmoid", kernel=2))
    finding = decided(Instance(net, exactcnn.samples([[1, 2, 3], [4, 5, 6], [7, 8, 9]])))
    assert finding.verdict == "proved"
    assert all(finding.summary["hypotheses"].values())
    assert "not an application" not in finding.reason


@pytest.mark.parametrize(
    ("rows", "layer", "route"),
    [
        ([[1, 2, 3], [1, 2, 3]], conv(3, "sigmoid", kernel=2), "distinct-samples"),
        ([[i, i * i, 1] for i in range(9)], conv(4, "sigmoid", kernel=2), "width"),
        ([[c] * 3 for c in range(5)], conv(3, "sigmoid", kernel=2, bias="filter"), "equal-positions"),
        ([[c] * 3 for c in range(5)], conv(3, "sigmoid", kernel=2, bias="none"), "equal-positions"),
        ([[0, 0, c] for c in range(6)], conv(3, "tanh", kernel=1), "distinct-patches"),
    ],
)
def test_impossible_cases_are_refuted_for_every_parameter(rows, layer, route):
    """Duplicates, n_k < N, shared biases on constant images (theory 3.2), poor positions."""
    finding = decided(Instance(network([3], layer), exactcnn.samples(rows)))
    assert finding.verdict == "refuted"
    assert finding.summary["route"] == route


def test_constant_images_with_biases_per_unit_are_proved():
    """The same constant images with the paper's biases have full rank almost everywhere."""
    net = network([3], conv(3, "sigmoid", kernel=2, bias="unit"))
    assert decided(Instance(net, exactcnn.samples([[c] * 3 for c in range(5)]))).verdict == "proved"


def test_polynomial_activation_is_never_proved_beyond_its_monomials():
    """square with N above the monomial count: rank < N always; never proved."""
    net = network([1], {**DENSE, "units": 9, "activation": "square"})
    finding = decided(instance(net, [[0], [1], [2], [3]]))
    assert finding.verdict != "proved"


@pytest.mark.parametrize("below", [[], ["sigmoid"], ["softplus", "gelu"], ["square", "elu"], ["leaky_relu"]])
@pytest.mark.parametrize("above", [[], ["sigmoid"]])
def test_relu_is_refuted_by_a_box(below, above):
    """Theory 3.3: a ReLU layer is dead on a box; a corner of the box really has rank < N."""
    names = [*below, "relu", *above]
    net = network([2], *[{**DENSE, "units": 5, "activation": name} for name in names])
    rows = [["1/2", -3], [2, 2], [0, 7]]
    finding = decided(Instance(net, exactcnn.samples(rows)), len(names))
    assert finding.verdict == "refuted"
    assert finding.summary["route"] == "dead-layer"
    box = find_dead_layer(Instance(net, exactcnn.samples(rows)), len(names))
    assert box.layer == len(below) + 1
    if set(below) <= {"square", "leaky_relu"} and not above:
        entries = [([[1] * 5] * (2 if j == 0 else 5), [1] * 5) for j in range(len(below))]
        entries.append(([[1] * 5] * (5 if below else 2), [-box.bound] * 5))
        features = by_definition(instance(net, rows, given(net, *entries)), len(names))
        assert features == [[Fraction(0)] * 5] * 3


def test_relu_without_biases_is_undecided_and_pooling_leaves_the_general_proof():
    """No box is known without biases: undecided.  With pooling no witness counts, and the
    conclusion is not called Theorem 3.5."""
    net = network([2], {**DENSE, "units": 5, "activation": "relu", "bias": "none"})
    assert decided(instance(net, [[1, 2], [2, 1]])).verdict == "undecided"
    pooled = network([4], conv(5, "sigmoid", kernel=2), {"kind": "maxpool", "kernel": 2},
                     {**DENSE, "units": 5, "activation": "sigmoid"})  # fmt: skip
    finding = decided(instance(pooled, [[1, 2, 3, 4], [4, 3, 2, 1]]), 3)
    assert (finding.verdict, finding.summary["route"]) == ("proved", "general position")
    assert "not an application" in finding.reason
    assert decided(instance(pooled, [[1, 2, 3, 4], [4, 2, 3, 1]]), 3).verdict == "undecided"


def forge(certificate, change):
    forged = copy.deepcopy(certificate)
    change(forged)
    parts = {key: None if part is None else digest(part) for key, part in forged["instance"].items()}
    forged["digests"] = {**parts, "instance": digest(forged["instance"])}
    return check_certificate(forged)


def nested_certificate(bias="unit"):
    net = network(
        [3], conv(2, "sigmoid", kernel=2, bias=bias), {**DENSE, "units": 5, "activation": "softplus"}
    )
    inst = Instance(net, exactcnn.samples([[1, 2, 3], [3, 1, 1], [0, 2, 5]]))
    return make_certificate(inst, decide("theorem-3.5", inst, 2))


FORGERIES = {
    "a prime that is not prime": lambda e: e["lower"].update(prime=2147483641),
    "a prime that is 1 mod 4": lambda e: e["lower"].update(prime=2147483629),
    "a root that is not a square": lambda e: e["lower"].update(root=7),
    "a root that is 0": lambda e: e["lower"].update(root=2147483647),
    "a repeated row": lambda e: e["lower"].update(rows=[0, 1, 1]),
    "a repeated column": lambda e: e["lower"].update(columns=[0, 1, 1]),
    "fewer rows than samples": lambda e: e["lower"].update(rows=[0, 1], columns=[0, 1]),
    "a column out of range": lambda e: e["lower"].update(columns=[0, 1, 5]),
}


@pytest.mark.parametrize("name", list(FORGERIES))
def test_forged_nested_witnesses_are_rejected(name):
    """Each forgery breaks one hypothesis of the nested rule."""
    certificate = nested_certificate()
    assert check_certificate(certificate).outcome == "VERIFIED"
    verdict = forge(certificate, lambda c: FORGERIES[name](c["claims"][0]["evidence"]))
    assert verdict.outcome in ("REJECTED", "MALFORMED"), verdict


def test_nested_witness_is_bound_to_its_data():
    """The same minor on duplicated samples is rejected: the rows of the image are equal."""

    def duplicate(c):
        c["instance"]["data"]["rows"][2] = list(c["instance"]["data"]["rows"][0])

    assert forge(nested_certificate(), duplicate).outcome == "REJECTED"


def test_nested_witness_does_not_cover_other_activations():
    """A ReLU or pooling layer under a nested or given witness is rejected: not analytic."""

    def relu(c):
        c["instance"]["network"]["layers"][0]["activation"] = {"name": "relu"}

    assert forge(nested_certificate(), relu).outcome == "REJECTED"
    net = network([4], conv(4, "silu", kernel=3))
    inst = instance(net, random_rows(rng(5), 4, 4))
    witness = make_certificate(inst, decide("theorem-3.5", inst))
    assert check_certificate(witness).outcome == "VERIFIED"
    assert forge(witness, relu).outcome == "REJECTED"


def test_opposite_softplus_keys_are_rejected():
    """Opposite pre-activations of a softplus layer: ln(1+e^-t) = ln(1+e^t) - t is a relation, so
    the checker refuses the witness (the data x and -x without biases)."""
    net = network([1], {**DENSE, "units": 3, "activation": "softplus", "bias": "none"})
    inst = Instance(net, exactcnn.samples([[1], [2]]))
    certificate = make_certificate(inst, decide("theorem-3.5", inst))
    assert check_certificate(certificate).outcome == "VERIFIED"

    def opposite(c):
        c["instance"]["data"]["rows"] = [[1], [-1]]

    verdict = forge(certificate, opposite)
    assert verdict.outcome == "REJECTED"
    assert "opposite" in verdict.reason


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.update(bound=int(e["bound"]) - 1),
        lambda e: e.update(layer=1),
        lambda e: e.update(layer=3),
        lambda e: e.update(bound=1),
    ],
)
def test_forged_boxes_are_rejected(change):
    """A box widened over a sign change, or about another layer, is rejected."""
    net = network([2], *[{**DENSE, "units": 4, "activation": name} for name in ("square", "relu", "tanh")])
    inst = Instance(net, exactcnn.samples([[1, 2], [3, -4]]))
    certificate = make_certificate(inst, decide("theorem-3.5", inst, 3))
    assert check_certificate(certificate).outcome == "VERIFIED"
    assert forge(certificate, lambda c: change(c["claims"][0]["evidence"])).outcome == "REJECTED"


def test_box_of_one_sample_above_a_dead_layer_is_not_enough():
    """N = 1: rank 1 above a dead layer is full, so no refutation follows."""
    net = network([2], *[{**DENSE, "units": 4, "activation": name} for name in ("relu", "sigmoid")])
    inst = Instance(net, exactcnn.samples([[1, 2]]))
    assert decided(inst, 2).verdict == "undecided"


def test_refutation_by_counting_is_not_transferable():
    """A width bound under more units, and equal positions under biases per unit, are rejected."""
    net = network([3], conv(3, "sigmoid", kernel=2, bias="filter"))
    inst = Instance(net, exactcnn.samples([[c] * 3 for c in range(5)]))
    certificate = make_certificate(inst, decide("theorem-3.5", inst))

    def unit(c):
        c["instance"]["network"]["layers"][0]["bias"] = "unit"

    assert forge(certificate, unit).outcome == "REJECTED"
