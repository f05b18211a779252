"""critical-point and local-minimum at one point: their verdicts never contradict each other, nor differ without a reason."""

import random

import pytest

import exactcnn
from exactcnn.features.instance import Instance
from exactcnn.statements import decide
from tests.statements.instances import certified, given, network

DENSE = {"kind": "dense"}


def verdicts(inst):
    (critical,), (minimum,) = decide("critical-point", inst), decide("local-minimum", inst)
    for finding in (critical, minimum):
        if finding.evidence is not None and finding.verdict != "undecided":
            certified(inst, finding)
    return critical.verdict, minimum.verdict


def test_a_partial_that_no_kink_touches_refutes_both():
    """Ten samples, a ReLU unit at 0 on one of them: the output weights do not move it."""
    net = network([1], {**DENSE, "units": 2, "activation": "relu"}, {**DENSE, "units": 1})
    inst = Instance(
        net,
        exactcnn.samples([[n] for n in range(10)], [[1]] * 10),
        given(net, ([[1, 1]], [-3, 1]), ([[1], [2]], [0])),
    )
    assert verdicts(inst) == ("refuted", "refuted")


@pytest.mark.parametrize("seed", range(25))
def test_verdicts_agree(seed):
    """Small integer weights make kinks and ties common."""
    rng = random.Random(seed)
    layers = [{**DENSE, "units": rng.randint(1, 3), "activation": "relu"}]
    if rng.random() < 0.5:
        layers.append({"kind": "maxpool", "kernel": layers[0]["units"]})
    net = network([2], *layers, {**DENSE, "units": 1})
    weights = given(net, *(None if layer.weight_shape is None else (
        [[rng.randint(-1, 1) for _ in range(layer.filters)] for _ in range(layer.patch_size)],
        [rng.randint(-1, 1) for _ in range(layer.bias_length)]) for layer in net.layers))  # fmt: skip
    data = exactcnn.samples(
        [[rng.randint(-1, 1) for _ in range(2)] for _ in range(4)], [[rng.randint(-1, 2)] for _ in range(4)]
    )
    critical, minimum = verdicts(Instance(net, data, weights))
    if critical == "refuted":
        assert minimum == "refuted"  # a partial derivative that exists and is not 0 refutes both
    if minimum == "proved":
        assert critical != "refuted"
