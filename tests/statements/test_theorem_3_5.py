"""Theorem 3.5's conclusion on instances: proved by witnesses, refuted by bounds and boxes."""

from fractions import Fraction

import pytest

import exactcnn
from exactcnn.features.dead_layer import find_dead_layer
from exactcnn.features.instance import Instance
from exactcnn.statements import decide
from tests.features.test_exact_features import by_definition
from tests.statements.instances import (
    added,
    certified,
    conv,
    forged,
    given,
    instance,
    judgment,
    network,
    outcome,
    random_rows,
    rng,
)


def decided(inst, layer=None):
    """The finding, its certificate accepted unless undecided."""
    (finding,) = decide("theorem-3.5", inst, layer)
    if finding.verdict != "undecided":
        certified(inst, finding)
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


@pytest.mark.parametrize("N, d, k", [(12, 5, 4), (30, 5, 2)])
def test_data_that_saturate_units(N, d, k):
    """Pixels up to 255 under weights near 1: most features of layer 1 are 0 or 1 up to e^-100."""
    below = [{**DENSE, "units": 5, "activation": "tanh"} for _ in range(k - 1)]
    net = network([d], *below, {**DENSE, "units": N + 2, "activation": "sigmoid"})
    rows = random_rows(rng(1), N, d, 0, 255)
    assert decided(Instance(net, exactcnn.samples(rows)), k).verdict == "proved"


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


def deep_certificate():
    """A deep network: the certificate has a minor at weights from a seed, enclosed."""
    net = network([3], conv(2, "sigmoid", kernel=2), {**DENSE, "units": 5, "activation": "softplus"})
    inst = Instance(net, exactcnn.samples([[1, 2, 3], [3, 1, 1], [0, 2, 5]]))
    return certified(inst, *decide("theorem-3.5", inst, 2))


def shallow_certificate():
    """One sigmoid layer: the same mod a prime, exactly."""
    net = network([3], conv(4, "sigmoid", kernel=2))
    inst = Instance(net, exactcnn.samples([[1, 2, 3], [3, 1, 1], [0, 2, 5]]))
    return certified(inst, *decide("theorem-3.5", inst))


def minor(kind, **fields):
    return lambda c: judgment(c, kind).update(fields)


def set_of_weights(c, **weights):
    c["instance"]["weights"].update(weights)


def zeros(c):
    """The witness's weights are all 0: equal rows."""
    W = {"denominator": 1, "rows": [[0, 0], [0, 0]]}, {"denominator": 1, "rows": [[0] * 5] * 4}
    b = {"denominator": 1, "values": [0] * 4}, {"denominator": 1, "values": [0] * 5}
    nodes = [{"W": W[i], "b": b[i]} for i in range(2)]
    set_of_weights(c, **{"seed-0": {"kind": "rational", "nodes": nodes}})


ENCLOSED = {
    "a repeated row": minor("minor-enclosed", rows=[0, 1, 1]),
    "a repeated column": minor("minor-enclosed", columns=[0, 1, 1]),
    "fewer rows than samples": minor("minor-enclosed", rows=[0, 1], columns=[0, 1]),
    "a column out of range": minor("minor-enclosed", columns=[0, 1, 5]),
    "too few places": minor("minor-enclosed", precision=15),
    "too many places": minor("minor-enclosed", precision=8192),
    "solutions of nothing": minor(
        "minor-enclosed", solutions={"bits": 40, "scale": 0, "vectors": [[0, 0, 0]] * 6}
    ),
    "no solutions at all": minor("minor-enclosed", solutions={"bits": 40, "scale": 0, "vectors": []}),
    "other weights": zeros,
    "weights that do not exist": lambda c: judgment(c, "minor-enclosed")["of"].update(weights="given"),
    "one filter": lambda c: set_of_weights(c, **{"seed-0": {"kind": "identity"}}),
    "the minor of the layer below": lambda c: judgment(c, "minor-enclosed")["of"].update(node=2),
    "the layer below in the claim": lambda c: c["claims"][0].update(node=2),
    "refuted": lambda c: c["claims"][0].update(verdict="refuted"),
    "undecided": lambda c: c["claims"][0].update(verdict="undecided"),
}


@pytest.mark.parametrize("name", list(ENCLOSED))
def test_forged_deep_witnesses_are_rejected(name):
    """Each forgery breaks what the minor rests on."""
    assert outcome(deep_certificate(), ENCLOSED[name]) in ("REJECTED", "MALFORMED")


MODULAR = {
    "a prime that is not prime": minor("minor-mod-p", prime=2147483641),
    "a Carmichael number": minor("minor-mod-p", prime=3215031751),
    "a prime that is too small": minor("minor-mod-p", prime=2),
    "a root that is 0": minor("minor-mod-p", root=0),
    "a root that is 0 mod p": minor("minor-mod-p", root=2147483647),
    "a root of unity: all units alike": minor("minor-mod-p", root=1),
    "a pole: 1 + g^n = 0": minor("minor-mod-p", root=2147483646),
    "no root": minor("minor-mod-p", root=None),
    "a divisor that does not divide": minor("minor-mod-p", divisor=3),
    "a divisor of the denominator alone": minor("minor-mod-p", divisor=2**16),
    "too large a divisor": minor("minor-mod-p", divisor=2**40),
    "a repeated row": minor("minor-mod-p", rows=[0, 1, 1]),
    "a repeated column": minor("minor-mod-p", columns=[0, 1, 1]),
    "fewer rows than samples": minor("minor-mod-p", rows=[0, 1], columns=[0, 1]),
    "a column out of range": minor("minor-mod-p", columns=[0, 1, 8]),
    "solutions of nothing": minor("minor-mod-p", solutions=[[0, 0, 0]] * 7),
    "too few solutions": minor("minor-mod-p", solutions=[[0, 0, 0]]),
    "of the pre-activations": lambda c: (judgment(c, "minor-mod-p")["of"].update(node=1),
                                         judgment(c, "minor-mod-p").update(root=None)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(MODULAR))
def test_forged_witnesses_mod_p_are_rejected(name):
    assert outcome(shallow_certificate(), MODULAR[name]) in ("REJECTED", "MALFORMED")


@pytest.mark.parametrize("make", [deep_certificate, shallow_certificate])
def test_witness_is_bound_to_its_data(make):
    """The same minor on duplicated samples is rejected: two rows are equal."""

    def duplicate(c):
        c["instance"]["data"]["rows"][2] = list(c["instance"]["data"]["rows"][0])

    assert outcome(make(), duplicate) == "REJECTED"


def test_witness_does_not_cover_other_activations():
    """A ReLU or pooling layer under a seeded or given witness is rejected: not analytic."""

    def relu(c):
        c["instance"]["network"]["nodes"][1]["activation"] = {"name": "relu"}

    def rational_relu(c):
        relu(c)
        judgment(c, "minor-mod-p").update(root=None)

    def pooled(c):
        """The same weights, a maximum of each unit alone above the activation."""
        nodes = c["instance"]["network"]["nodes"]
        count = {"minor-enclosed": 4, "minor-mod-p": 8}.get(c["judgments"][0]["kind"])
        nodes.insert(2, {"kind": "maxpool-lists", "of": [2], "patches": [[u] for u in range(count)]})
        for node in nodes[3:]:
            node["of"] = [node["of"][0] + 1]
        for each in (c["claims"][0], c["judgments"][0]["of"]):
            each["node"] += 1

    assert outcome(deep_certificate(), relu) == "REJECTED"
    assert outcome(shallow_certificate(), rational_relu) == "REJECTED"
    for change in (relu, pooled):
        verdict = forged(deep_certificate(), change)
        assert verdict.outcome == "REJECTED"
        assert verdict.reason.startswith(
            "claims[0]: claims proved"
        )  # the rank at these weights alone is right
    assert outcome(shallow_certificate(), pooled) == "REJECTED"
    net = network([4], conv(4, "silu", kernel=3))
    inst = instance(net, random_rows(rng(5), 4, 4))
    witness = certified(inst, *decide("theorem-3.5", inst))
    assert outcome(witness, relu) == "REJECTED"
    assert outcome(witness, rational_relu) == "REJECTED"


def test_opposite_pre_activations():
    """sigma(-s) = 1 - sigma(s), sigma(0) = 1/2: without biases the samples -x, 0, x are dependent; for softplus
    opposite samples alone are not, and what is enclosed shows it."""
    for activation, rows, expected in (
        ("sigmoid", [[-1], [0], [1]], "REJECTED"),
        ("tanh", [[-1], [5], [1]], "REJECTED"),
        ("softplus", [[1], [-1]], "VERIFIED"),
    ):
        net = network([1], {**DENSE, "units": 3, "activation": activation, "bias": "none"})
        start = [[n + 1] for n in range(len(rows))]
        inst = Instance(net, exactcnn.samples(start))
        certificate = certified(inst, *decide("theorem-3.5", inst))
        assert outcome(certificate, lambda c, rows=rows: c["instance"]["data"].update(rows=rows)) == expected


def test_forged_boxes_are_rejected():
    """Another layer that is not ReLU on biases, or lies above, is not dead."""
    net = network([2], *[{**DENSE, "units": 4, "activation": name} for name in ("square", "relu", "tanh")])
    inst = Instance(net, exactcnn.samples([[1, 2], [3, -4]]))
    certificate = certified(inst, *decide("theorem-3.5", inst, 3))
    for dead in (0, 1, 2, 3, 5, 6, 7):
        assert outcome(certificate, lambda c, dead=dead: judgment(c, "dead").update(dead=dead)) == "REJECTED"
    assert outcome(certificate, lambda c: judgment(c, "dead").update(node=2)) == "REJECTED"
    assert outcome(certificate, lambda c: c["claims"][0].update(verdict="proved")) == "REJECTED"
    assert outcome(certificate, lambda c: c["claims"][0].update(node=2)) == "REJECTED"

    def activation(name):
        return lambda c: c["instance"]["network"]["nodes"][3].update(activation=name)

    for other in ({"name": "leaky_relu", "slope": "1/100"}, {"name": "tanh"}, {"name": "relu6"}):
        assert outcome(certificate, activation(other)) == "REJECTED"
    assert (
        outcome(certificate, lambda c: c["instance"]["network"]["nodes"][2].update(bias="none")) == "REJECTED"
    )
    assert (
        outcome(certificate, lambda c: c["instance"]["network"]["nodes"][2].update(bias="filter"))
        == "VERIFIED"
    )
    # No rule bounds what a division lets through.
    custom = {"name": "custom", "tree": ["/", 1, "t"]}
    assert (
        outcome(certificate, lambda c: c["instance"]["network"]["nodes"][1].update(activation=custom))
        == "REJECTED"
    )


def test_box_of_one_sample_above_a_dead_layer_is_not_enough():
    """N = 1: rank 1 above a dead layer is full, so no refutation follows; nor can it be forged."""
    net = network([2], *[{**DENSE, "units": 4, "activation": name} for name in ("relu", "sigmoid")])
    inst = Instance(net, exactcnn.samples([[1, 2]]))
    assert decided(inst, 2).verdict == "undecided"
    two = Instance(net, exactcnn.samples([[1, 2], [2, 2]]))
    certificate = certified(two, *decide("theorem-3.5", two, 2))

    def one(c):
        c["instance"]["data"].update(shape=[1, 2], rows=[[1, 2]])

    assert outcome(certificate, one) == "REJECTED"


def test_refutation_by_counting_is_not_transferable():
    """A width bound under more units, and equal positions under biases per unit, are rejected."""
    net = network([3], conv(3, "sigmoid", kernel=2, bias="filter"))
    inst = Instance(net, exactcnn.samples([[c] * 3 for c in range(5)]))
    certificate = certified(inst, *decide("theorem-3.5", inst))

    def network_with(**fields):
        return lambda c: c["instance"]["network"]["nodes"][0].update(fields)

    assert outcome(certificate, network_with(bias="unit")) == "REJECTED"
    assert outcome(certificate, network_with(filters=5)) == "REJECTED"
    assert outcome(certificate, lambda c: judgment(c, "count").update(rule="width")) == "REJECTED"
    assert outcome(certificate, lambda c: judgment(c, "count").update(rule="samples")) == "REJECTED"
    assert (
        outcome(certificate, lambda c: c["instance"]["data"]["rows"].__setitem__(0, [1, 2, 5])) == "REJECTED"
    )

    narrow = network([3], conv(2, "sigmoid", kernel=2))
    inst = Instance(narrow, exactcnn.samples([[c, c * c, 1] for c in range(5)]))
    width = certified(inst, *decide("theorem-3.5", inst))
    assert judgment(width, "count")["rule"] == "width"
    assert outcome(width, network_with(filters=3)) == "REJECTED"
    assert outcome(
        width, lambda c: added(c, {"kind": "count", "node": 3, "rule": "width", "positions": None})
    ) == ("REJECTED")
