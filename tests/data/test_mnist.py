"""The real MNIST files, and that what a certificate says about them is what the checker reads."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from exactcnn.certificates.instance_json import samples_json
from exactcnn.checker.core.network import NETWORK, Network
from exactcnn.checker.files import DATA, load_data
from exactcnn.data import load

pytestmark = pytest.mark.mnist


def test_train_set(mnist):
    """The training set has its published shape, labels, class counts and mean."""
    train = load(mnist / "train-images-idx3-ubyte.gz")
    assert train.x.shape == (60000, 784)
    assert train.sample_shape == (28, 28)
    assert train.x.numerators.dtype == np.uint8
    assert (train.x.denominator, train.x.max_abs_numerator()) == (1, 255)
    # Published facts: the first labels, the class counts, the mean pixel 0.1307 * 255.
    assert train.targets.numerators[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    counts = np.bincount(train.targets.numerators).tolist()
    assert counts == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert round(float(train.x.numerators.mean(dtype=np.float64)) / 255, 4) == 0.1307


def test_the_checker_reads_the_same_samples_from_the_origin(mnist, monkeypatch):
    """The checker, by its own reader, sees the samples that the origin describes."""
    path = mnist / "t10k-images-idx3-ubyte.gz"
    samples = load(path, samples=5, start=9990, scale=Fraction(1, 255)).take(2, 3)
    monkeypatch.setattr("exactcnn.certificates.instance_json._LARGEST_INLINE", 0)
    spec = DATA(samples_json(samples), "data")
    assert (spec["kind"], spec["name"], spec["start"]) == ("file", path.name, 9993)
    node = {"kind": "dense", "of": [0], "units": 1, "bias": "none"}
    network = Network(NETWORK({"name": "", "input": [1, 28, 28], "nodes": [node]}, "network"))
    for folder, given in ((str(mnist), None), ("nowhere", str(path))):
        read = load_data(spec, network, folder, given)
        seen = [[Fraction(value * read.factor, read.denominator) for value in row] for row in read.rows]
        assert seen == samples.x.to_fractions()
        assert any(map(any, seen))
