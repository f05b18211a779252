"""PyTorch modules, tensors and ONNX files as arguments of the assertions."""

from __future__ import annotations

import pytest

from exactcnn.errors import MalformedError, MisuseError
from exactcnn.testing import (
    assert_certificate_valid,
    assert_features_independent,
    assert_full_rank,
    assert_zero_loss,
)
from tests.interop.models import OnnxChain, f32

torch = pytest.importorskip("torch")


@pytest.fixture
def module():
    """3 filters of 2 x 2 on 3 x 3 images, then 2 outputs, with small integer weights."""
    made = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(12, 2)
    )
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randint(-3, 4, parameter.shape).float())
    return made.eval()


@pytest.fixture
def images():
    return torch.randint(0, 9, (4, 1, 3, 3), generator=torch.Generator().manual_seed(1)).float()


def test_the_shape_of_the_input_comes_from_the_data(module, images):
    """Images with their axes need no input_shape; flat ones do, and absent ones."""
    result = assert_features_independent(module, images, layer=1)
    assert result.instance.network.input_shape == (1, 3, 3)
    assert_features_independent(module, images.flatten(1), layer=1, input_shape=(1, 3, 3))
    with pytest.raises(MalformedError):  # as 9 numbers in a row they are no image for a Conv2d
        assert_features_independent(module, images.flatten(1), layer=1)
    with pytest.raises(MisuseError, match=r"input_shape: expected the shape of one sample"):
        assert_full_rank(module)
    assert len(assert_full_rank(module, input_shape=(1, 3, 3)).findings) == 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "uint8", "int64"])
def test_tensors_of_every_type_are_the_numbers_they_are(module, images, dtype):
    """Small integers are the same numbers in all of them."""
    expected = assert_features_independent(module, images, layer=1).instance.need_samples().x
    found = assert_features_independent(module, images.to(getattr(torch, dtype)), layer=1)
    assert found.instance.need_samples().x == expected


def test_repeated_images_fail_with_the_models_notes(images):
    """What was verified in place of a BatchNorm is said where the assertion fails."""
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 2),
        torch.nn.BatchNorm2d(3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 2),
    )
    twice = torch.cat([images, images[:1]])
    with pytest.raises(AssertionError, match=r"(?s)^rank: refuted\..*\nNote: .*"):
        assert_features_independent(module.eval(), twice, layer=1)


def test_targets_as_tensors(module, images):
    """The module's own outputs, which are exact for small integers, are targets of zero loss."""
    with torch.no_grad():
        outputs = module(images)
    assert_zero_loss(module, images, targets=outputs)
    with pytest.raises(AssertionError, match=r"^zero loss: refuted\. The loss .* is exactly 1/2"):
        assert_zero_loss(module, images, targets=outputs + torch.eye(4, 2) * torch.tensor([1.0, 0.0]))


def test_certificates_are_bound_to_the_module(module, images):
    """A certificate is that of this module, until a weight that it speaks of changes."""
    made = assert_features_independent(module, images, layer=1).certificate()
    assert_certificate_valid(made, statement="rank", net=module, input_shape=(1, 3, 3))
    with torch.no_grad():
        module[3].weight[0, 0] += 1  # rank F_1 does not speak of layer 2
    assert_certificate_valid(made, net=module, input_shape=(1, 3, 3))
    with torch.no_grad():
        module[0].weight[0, 0, 0, 0] += 1
    with pytest.raises(AssertionError, match="other weights"):
        assert_certificate_valid(made, net=module, input_shape=(1, 3, 3))


def test_onnx_files(tmp_path):
    """The path of an ONNX file, with its weights."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    chain = (
        OnnxChain((3,))
        .add("Gemm", f32(3, 6, seed=1), f32(6, seed=2))
        .add("Relu")
        .add("Gemm", f32(6, 2, seed=3))
    )
    path = chain.save(tmp_path / "model.onnx")
    x = [[1, 2, 0], [0, 1, 1], [5, 4, 4]]
    result = assert_features_independent(path, x, layer=1)
    assert result.instance.need_weights().origin is None
    assert_certificate_valid(result.certificate(), net=str(path))
    with pytest.raises(AssertionError, match="rank: refuted"):
        assert_features_independent(path, [*x, x[0]], layer=1)
