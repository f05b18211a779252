"""Lemma 4.3 in float64: around what balls find, and beyond them."""

import numpy as np
import pytest

import exactcnn
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape import gradient_bounds as in_balls
from exactcnn.landscape import streamed_bounds as module
from exactcnn.landscape.gradient_bounds import gradient_bounds
from exactcnn.landscape.streamed_bounds import streamed_bounds
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.landscape.test_gradient_bounds import random_instance
from tests.statements.instances import conv, network

OUTPUT = {"kind": "dense", "units": 10, "activation": "identity"}


def touches(wide, ball):
    """Both contain the number: they meet; and floats are not sharper than 256 bits."""
    return wide.overlaps(ball) and float(wide.rad()) >= 0


@pytest.mark.parametrize("chunk", range(5))
def test_around_balls(chunk, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 1 if chunk % 2 else 10**6)
    proved = 0
    for seed in range(40 * chunk, 40 * chunk + 40):
        inst, k = random_instance(seed)
        fine, coarse = gradient_bounds(inst, k, 128), streamed_bounds(inst, k)
        assert coarse.factors.keys() == fine.factors.keys()
        for name, pair in fine.factors.items():
            assert all(map(touches, coarse.factors[name], pair)), (seed, name)
        for side in ("lower", "gradient", "upper"):
            wide, ball = getattr(coarse, side), getattr(fine, side)
            assert touches(wide, ball), (seed, side)
            assert float(wide.upper()) <= float(ball.upper()) * 1.01 + 1e-9, (seed, side)
        assert coarse.ordered is not False
        proved += coarse.ordered is True
    assert proved >= 30


def test_a_thousand_digits():
    """Beyond 300 samples: the statement is proved by float64, not undecided."""
    net = network(
        [1, 8, 8], conv(30, "sigmoid", kernel=3), {"kind": "dense", "units": 20, "activation": "tanh"}, OUTPUT
    )
    inst = Instance(net, exactcnn.load_data("digits", samples=1000), Weights.from_seed(net, 0, 8))
    (finding,) = decide("lemma-4.3", inst, 1)
    assert finding.verdict == "proved", finding.reason
    low, high = finding.summary["gradient"]
    assert 0 < low < high < low * 1.001
    assert finding.summary["lower"][1] < low
    assert high < finding.summary["upper"][0]


@pytest.mark.parametrize("above, sentence", [
    ([{"kind": "maxpool", "kernel": 2}], "max-pooling"),
    ([], None),
])  # fmt: skip
def test_what_has_no_bounds(above, sentence, monkeypatch):
    net = network(
        [4], conv(4, "sigmoid", kernel=1), *above, {"kind": "dense", "units": 1, "activation": "identity"}
    )
    inst = Instance(net, exactcnn.samples([[1, 2, 3, 4], [2, 2, 1, 0]], [1, 2]), Weights.from_seed(net, 0, 8))
    monkeypatch.setattr(in_balls, "_MOST_SAMPLES", 0)
    if sentence is not None:
        with pytest.raises(UndecidedError, match=sentence):
            streamed_bounds(inst, 1)
        return
    assert decide("lemma-4.3", inst, 1)[0].verdict == "proved"
    monkeypatch.setattr(module, "_MOST_WORK", 1)
    (finding,) = decide("lemma-4.3", inst, 1)
    assert finding.verdict == "undecided"
    assert "too much work" in finding.reason
    assert np.isfinite(finding.summary["layer"])
