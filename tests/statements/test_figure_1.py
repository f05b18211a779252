"""The paper's Figure 1 on the real MNIST training set: Theorem 3.5's conclusion for n_1 = 67,600."""

import pytest

import exactcnn
from exactcnn.certificates import make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.statements import decide
from tests.statements.instances import certified, conv, judgment, network

pytestmark = pytest.mark.mnist


def figure_1():
    """Widths 784 -> 67600 -> 16900 -> 2880 -> 720 -> 100 -> 10."""
    return network(
        [1, 28, 28],
        conv(100, "sigmoid", kernel=3),
        {"kind": "maxpool", "kernel": 2},
        conv(20, "sigmoid", kernel=2),
        {"kind": "maxpool", "kernel": 2},
        {"kind": "dense", "units": 100, "activation": "sigmoid"},
        {"kind": "dense", "units": 10},
    )


def test_widths_of_figure_1():
    """The paper's widths, and its violation of Assumption 4.1: pooling above the wide layer."""
    assert figure_1().widths == (784, 67600, 16900, 2880, 720, 100, 10)


def test_theorem_3_5_on_all_60000_images(mnist):
    """Peeling reaches every sample; the certificate refers to the file and is accepted."""
    inst = Instance(figure_1(), exactcnn.load_data(mnist / "train-images-idx3-ubyte.gz"))
    (finding,) = decide("theorem-3.5", inst)
    assert finding.verdict == "proved"
    assert finding.layer == 1
    assert finding.summary["route"] == "triangular limit, by peeling"
    assert finding.summary["hypotheses"]["assumption-3.1"] is False
    certificate = make_certificate(inst, [finding])
    assert certificate["instance"]["data"]["kind"] == "file"
    data = str(mnist / certificate["instance"]["data"]["name"])
    assert check_certificate(certificate, data, max_seconds=None).outcome == "VERIFIED"
    order = judgment(certificate, "order")["order"]
    order[0], order[-1] = order[-1], order[0]
    assert check_certificate(certificate, data, max_seconds=None).outcome == "REJECTED"


def test_given_weights_on_mnist_subset(mnist):
    """Rank at given weights of a deep ReLU network on 300 images, beyond 64-bit integers."""
    net = network(
        [1, 28, 28],
        conv(4, "relu", kernel=3),
        {"kind": "maxpool", "kernel": 2},
        conv(6, "relu", kernel=3),
        conv(6, "relu", kernel=3),
        {"kind": "dense", "units": 10},
    )
    inst = Instance(
        net,
        exactcnn.load_data(mnist / "t10k-images-idx3-ubyte.gz", samples=120),
        exactcnn.Weights.from_seed(net, 1, 30),
    )
    (finding,) = decide("rank", inst, 4)
    assert finding.verdict == "proved"
    certified(inst, finding)
