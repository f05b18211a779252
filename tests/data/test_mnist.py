"""The real MNIST files, and that what a certificate says about them is what the checker reads."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from exactcnn.checker.instance import load_data
from exactcnn.checker.outcome import Budget
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


def test_the_checker_reads_the_same_samples_from_the_origin(mnist):
    """The checker, by its own reader, sees the samples that the origin describes."""
    path = mnist / "t10k-images-idx3-ubyte.gz"
    samples = load(path, samples=5, start=9990, scale=Fraction(1, 255)).take(2, 3)
    origin = samples.origin
    spec = {
        "kind": "file",
        "path": origin.path,
        "format": origin.format,
        "sha256": origin.sha256,
        "shape": list(samples.x.shape),
        "start": origin.start,
        "scale": origin.scale,
    }
    read = load_data(spec, 784, [str(path)], Budget(10**10))
    seen = [[Fraction(value, read.denominator) for value in read.sample(i)] for i in range(2)]
    assert seen == samples.x.to_fractions()
    assert any(map(any, seen))
