"""No bad valleys: full rank almost everywhere of what a dense linear output reads; nothing is ever refuted."""

import pytest

import exactcnn
from exactcnn.features.instance import Instance
from tests.statements.instances import certified, conv, decided, network, outcome, random_rows, rng

DENSE = {"kind": "dense"}
OUTPUT = {**DENSE, "units": 2}


def wide(activation="sigmoid", units=6, *above):
    return network([4], {**DENSE, "units": units, "activation": activation}, *above, OUTPUT)


def instance(net, count=5, seed=0, d=4):
    return Instance(net, exactcnn.samples(random_rows(rng(seed), count, d, -999, 999)))


@pytest.mark.parametrize("activation", ["sigmoid", "softplus", "gelu", "gaussian"])
def test_a_wide_last_hidden_layer(activation):
    finding = decided("no-bad-valley", instance(wide(activation)))
    assert finding.verdict == "proved"
    assert "any real-valued convex loss" in finding.reason


def test_pooling_below_and_skips_to_the_output():
    pools = network([6], conv(3, "tanh", kernel=2), {"kind": "maxpool", "kernel": 2, "stride": 1},
                    {**DENSE, "units": 6, "activation": "sigmoid"}, OUTPUT)  # fmt: skip
    assert decided("no-bad-valley", instance(pools, d=6)).verdict == "proved"
    skip = network([4], {**DENSE, "units": 3, "activation": "sigmoid", "name": "a"}, {**DENSE, "units": 3, "activation": "tanh"},
                   {"kind": "concat", "axis": "units", "of": ["a", 2]}, OUTPUT)  # fmt: skip
    finding = decided("no-bad-valley", instance(skip))
    assert finding.verdict == "proved", finding
    assert finding.layer == 3
    assert all(layer.width < 5 for layer in skip.layers[:2])


@pytest.mark.parametrize(
    "net",
    [
        wide(units=4),  # too narrow: N = 5
        wide("relu"),  # dead on an open set
        wide("square"),
        network([4], OUTPUT),
        network(
            [4],
            {**DENSE, "units": 6, "activation": "sigmoid"},
            {**DENSE, "units": 2, "activation": "sigmoid"},
        ),
        network([4], {**DENSE, "units": 6, "activation": "sigmoid"}, conv(1, "identity", kernel=6)),
    ],
    ids=["narrow", "relu", "square", "no hidden layer", "no linear output", "convolutional output"],
)
def test_what_is_not_decided(net):
    finding = decided("no-bad-valley", instance(net, 20 if net.layers[0].activation.name == "square" else 5))
    assert finding.verdict == "undecided"
    assert finding.evidence is None


def test_equal_samples():
    net = wide()
    inst = Instance(net, exactcnn.samples([[1, 2, 3, 4]] * 2))
    assert decided("no-bad-valley", inst).verdict == "undecided"


def test_forged_claims():
    """About another node, refuted, of a bound for one set of weights only, with a ReLU below."""
    inst = instance(wide())
    (finding,) = exactcnn.statements.decide("no-bad-valley", inst)
    certificate = certified(inst, finding)
    for path, value in (
        (("claims", 0, "node"), 1),
        (("claims", 0, "node"), 3),
        (("claims", 0, "verdict"), "refuted"),
        (("instance", "network", "nodes", 1, "activation"), {"name": "relu"}),
        (("instance", "network", "nodes", 2, "of"), [1]),
    ):
        assert outcome(certificate, lambda c, path=path, value=value: put(c, path, value)) == "REJECTED", path


def put(certificate, path, value):
    for key in path[:-1]:
        certificate = certificate[key]
    certificate[path[-1]] = value
