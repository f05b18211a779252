"""zero-loss-nearby on weights that someone trained: floats from a file, as they are."""

from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.features.instance import Instance
from exactcnn.network.spec import read_spec
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from proofs_checks.train_wide import SPEC, train_numpy, train_torch
from tests.statements.instances import certified


@pytest.mark.parametrize("trainer", ["torch", "numpy"])
@pytest.mark.parametrize("refit", [False, True])
def test_trained_on_digits(trainer, refit, tmp_path):
    """30 images: proved and checked; after a refit of the output layer the exact minimum is very near."""
    if trainer == "torch":
        pytest.importorskip("torch")
    arrays = (train_torch if trainer == "torch" else train_numpy)(30, 6, 30, refit)
    np.savez(tmp_path / "w.npz", **arrays)
    (tmp_path / "net.toml").write_text(SPEC.format(filters=6))
    net = read_spec(tmp_path / "net.toml")
    data = exactcnn.load_data("digits", samples=30, scale=Fraction(1, 16))
    inst = Instance(net, data, Weights.from_file(net, tmp_path / "w.npz"))
    (finding,) = decide("zero-loss-nearby", inst)
    assert finding.verdict == "proved"
    summary = finding.summary
    assert 0 < summary["loss"][0] <= summary["loss"][1] <= summary["loss_bound_from_gradient"]
    assert (summary["distance"] < 0.01) == refit
    (claim,) = certified(inst, finding)["claims"]
    assert Fraction(claim["distance"]) < Fraction(summary["distance"]) * Fraction(3, 2)
