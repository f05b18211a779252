"""A test file for your own PyTorch model: copy it, put your model and your data in place of these.

Run it with `pytest sample_torch_model.py --exactcnn-certificates certificates`; then
`exactcnn check certificates/*.json` proves everything again, without PyTorch.
"""

from __future__ import annotations

import pytest

import exactcnn
from exactcnn.testing import (
    assert_certificate_valid,
    assert_features_independent,
    assert_full_rank,
    assert_zero_loss,
)

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def images():
    """40 digits, 8 x 8, as floats; exactcnn takes floats as the rationals they are."""
    digits = exactcnn.load_data("digits", samples=40)
    pixels = torch.tensor(digits.x.numerators.astype(float)).reshape(40, 1, 8, 8) / 16
    return pixels, torch.tensor(digits.targets.numerators.astype(int))


@pytest.fixture(scope="module")
def model(images):
    """A small CNN, trained for a few steps."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 10)
    ).double()
    pixels, labels = images
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(
            module(pixels), torch.nn.functional.one_hot(labels, 10).double()
        ).backward()
        optimiser.step()
    return module.eval()


def test_the_features_are_independent(model, images):
    """So the output layer can fit any labels of these images."""
    assert_features_independent(model, images[0], layer=1)


def test_no_layer_has_collapsed(model):
    """Every layer's weights, as one matrix, have full rank."""
    assert_full_rank(model, input_shape=(1, 8, 8))


def test_training_ends_near_an_exact_minimum(model, images):
    """Weights of zero loss exist, not far from the trained ones."""
    pixels, labels = images
    assert_zero_loss(model, pixels, targets=labels, within=10)


def test_repeated_images_are_noticed(model, images):
    """The assertion fails, with the reason, where the statement is false."""
    twice = torch.cat([images[0], images[0][:1]])
    with pytest.raises(AssertionError, match="only 40 of the 41 samples are different"):
        assert_features_independent(model, twice, layer=1)


def test_a_certificate_for_a_colleague(model, images, tmp_path):
    """What the checker accepts, and what it speaks of."""
    result = assert_features_independent(model, images[0], layer=1)
    result.save_certificate(tmp_path / "features.json")
    assert_certificate_valid(tmp_path / "features.json", statement="rank", net=model, input_shape=(1, 8, 8))
