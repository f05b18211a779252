"""ONNX files read exactly: files written by hand, and PyTorch's exporters, against onnxruntime."""

from __future__ import annotations

import random
import shutil
from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from tests.interop.models import OnnxChain, exact_outputs, f32, integers_in, random_chain

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def runtime():
    return pytest.importorskip(
        "onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'"
    )


def conv_chain():
    """Groups, dilation, stride, padding on a rectangular image, pooling, flattening, two dense layers."""
    chain = OnnxChain((2, 7, 9))
    chain.add(
        "Conv", f32(4, 1, 3, 2), f32(4, seed=1), group=2, strides=[2, 1], pads=[1, 0, 1, 0], dilations=[1, 2]
    )
    chain.add("Relu").add("MaxPool", kernel_shape=[2, 3], strides=[1, 2], pads=[0, 1, 0, 1]).add("Flatten")
    chain.add("Gemm", f32(4 * 3 * 4, 5, seed=2), f32(5, seed=3)).add("Relu").add("MatMul", f32(5, 3, seed=4))
    return chain.add("Add", f32(3, seed=5))


HAND = {
    "convolution": (conv_chain, (2, 7, 9)),
    "one axis": (lambda: OnnxChain((3, 8)).add("Conv", f32(2, 3, 3), dilations=[2]).add("Relu"), (3, 8)),
    "three axes": (
        lambda: OnnxChain((1, 4, 5, 3)).add("Conv", f32(2, 1, 2, 1, 3), f32(2)).add("Relu"),
        (1, 4, 5, 3),
    ),
    "same": (lambda: OnnxChain((1, 5, 6)).add("Conv", f32(2, 1, 3, 5), auto_pad="SAME_UPPER"), (1, 5, 6)),
    "same, strided": (
        lambda: OnnxChain((1, 5, 7)).add("Conv", f32(2, 1, 3, 3), auto_pad="SAME_LOWER", strides=[2, 2]),
        (1, 5, 7),
    ),
    "valid": (lambda: OnnxChain((1, 5, 6)).add("Conv", f32(2, 1, 3, 4), auto_pad="VALID"), (1, 5, 6)),
    "gemm": (lambda: OnnxChain((4,)).add("Gemm", f32(3, 4), f32(1, 3), transB=1, alpha=0.5, beta=-2.0), (4,)),
    "gemm, one bias": (lambda: OnnxChain((4,)).add("Gemm", f32(4, 3), f32(1)), (4,)),
    "bias per unit": (
        lambda: OnnxChain((2, 4, 3)).add("Conv", f32(3, 2, 2, 2)).add("Add", f32(3, 3, 2, seed=8)),
        (2, 4, 3),
    ),
    "bias per filter": (
        lambda: OnnxChain((2, 4, 3)).add("Conv", f32(3, 2, 2, 2), f32(3)).add("Add", f32(1, 3, 1, 1, seed=8)),
        (2, 4, 3),
    ),
    "bias per filter, then per unit": (
        lambda: (
            OnnxChain((2, 4, 3))
            .add("Conv", f32(3, 2, 2, 2), f32(3))
            .add("Add", f32(3, 3, 2, seed=8))
            .add("Add", f32(3, 1, 1, seed=9))
        ),
        (2, 4, 3),
    ),
    "flat activations twice": (
        lambda: (
            OnnxChain((2, 4, 3))
            .add("Conv", f32(3, 2, 2, 2), f32(3))
            .add("Relu")
            .add("Flatten")
            .add("Relu")
            .add("Add", f32(18, seed=3))
            .add("Relu")
            .add("MatMul", f32(18, 4))
        ),
        (2, 4, 3),
    ),
    "scales": (
        lambda: (
            OnnxChain((2, 4, 3))
            .add("Conv", f32(3, 2, 2, 2), f32(3))
            .add("Mul", f32(3, 1, 1, seed=8))
            .add("Sub", f32(1, low=2), first=False)
        ),
        (2, 4, 3),
    ),
    "scaled bias per unit": (
        lambda: (
            OnnxChain((2, 4, 3))
            .add("Conv", f32(3, 2, 2, 2))
            .add("Add", f32(3, 3, 2, seed=8))
            .add("Mul", f32(3, 1, 1, seed=9))
        ),
        (2, 4, 3),
    ),
    "scaled input": (
        lambda: (
            OnnxChain((2, 4, 3))
            .add("Sub", f32(2, 1, 1))
            .add("Div", np.float32(4))
            .add("Conv", f32(3, 2, 2, 2))
        ),
        (2, 4, 3),
    ),
    "flat scales": (
        lambda: (
            OnnxChain((2, 3, 2))
            .add("Flatten")
            .add("Mul", f32(12))
            .add("Add", f32(12, seed=2))
            .add("Relu")
            .add("MatMul", f32(12, 4))
        ),
        (2, 3, 2),
    ),
    "flat scales of features": (
        lambda: (
            OnnxChain((2, 3, 2))
            .add("Conv", f32(3, 2, 2, 1))
            .add("Flatten")
            .add("Mul", f32(12))
            .add("Add", f32(12, seed=2))
            .add("Relu")
            .add("MatMul", f32(12, 4))
        ),
        (2, 3, 2),
    ),
    "square": (lambda: OnnxChain((4,)).add("MatMul", f32(4, 3)).add("Pow", np.float32(2)), (4,)),
    "twice relu": (
        lambda: (
            OnnxChain((2, 4))
            .add("Conv", f32(3, 2, 2))
            .add("Relu")
            .add("Relu")
            .add("Flatten")
            .add("MatMul", f32(9, 2))
        ),
        (2, 4),
    ),
    "pool, then relu": (
        lambda: OnnxChain((2, 6)).add("Conv", f32(3, 2, 2)).add("MaxPool", kernel_shape=[2]).add("Relu"),
        (2, 6),
    ),
    "pool, then square": (
        lambda: (
            OnnxChain((2, 6))
            .add("Conv", f32(3, 2, 2))
            .add("MaxPool", kernel_shape=[2])
            .add("Pow", np.float32(2))
        ),
        (2, 6),
    ),
    "reshape": (
        lambda: OnnxChain((2, 3, 2)).add("Reshape", np.array([0, -1])).add("MatMul", f32(12, 2)),
        (2, 3, 2),
    ),
    "reshape by size": (
        lambda: OnnxChain((2, 3, 2)).add("Reshape", np.array([-1, 12])).add("MatMul", f32(12, 2)),
        (2, 3, 2),
    ),
    "fixed batch": (
        lambda: OnnxChain((2, 3, 2), batch=1).add("Reshape", np.array([1, 12])).add("MatMul", f32(12, 2)),
        (2, 3, 2),
    ),
    "dropout": (
        lambda: OnnxChain((4,)).add("MatMul", f32(4, 3)).add("Dropout").add("Identity").add("Relu"),
        (4,),
    ),
}


@pytest.mark.parametrize("name", HAND)
def test_files_written_by_hand_agree_exactly_with_onnxruntime(runtime, tmp_path, name):
    """Small integers: float32 rounds nothing, so nothing may differ."""
    build, shape = HAND[name]
    model = exactcnn.from_onnx(build().save(tmp_path / "m.onnx"))
    x = integers_in(random.Random(4), (5, *shape), -4, 4)
    assert np.array_equal(exact_outputs(model, x), model.run(x).reshape(5, -1))


@pytest.mark.parametrize("seed", range(24))
def test_exported_integer_networks_agree_exactly(runtime, tmp_path, seed):
    """PyTorch's older exporter on random chains: the same network, weights and outputs as the module."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
    module, shape = random_chain(torch, seed)
    path = tmp_path / "m.onnx"
    torch.onnx.export(module, (torch.zeros(1, *shape, dtype=torch.float64),), str(path), dynamo=False,
                      input_names=["x"], dynamic_axes={"x": {0: "n"}})  # fmt: skip
    direct, model = exactcnn.from_torch(module, shape), exactcnn.from_onnx(path)
    assert model.weights_digest() == direct.weights_digest()
    assert model.network.to_json()["layers"] == direct.network.to_json()["layers"]
    x = integers_in(random.Random(-seed), (2, *shape))
    with torch.no_grad():
        assert np.array_equal(exact_outputs(model, x), module(torch.tensor(x)).numpy().reshape(2, -1))


def test_batch_normalisation_is_the_module_s(tmp_path):
    """Kept in the file, it has the same eps, the same rounded scales, the same digest."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.ReLU(), torch.nn.BatchNorm2d(3))
    module.train()
    module(torch.randn(5, 2, 4, 3))
    module.eval()
    path = tmp_path / "m.onnx"
    torch.onnx.export(module, (torch.zeros(2, 2, 4, 3),), str(path), dynamo=False)
    direct, model = exactcnn.from_torch(module, (2, 4, 3)), exactcnn.from_onnx(path)
    assert model.weights_digest() == direct.weights_digest()
    assert "3 of its 3 scales" in model.weight_notes[0]


@pytest.mark.parametrize("external", [False, True])
def test_the_newer_exporter(runtime, tmp_path, external):
    """torch.export-based files, their weights inside or in a file beside."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
    pytest.importorskip("onnxscript", reason="onnxscript, which the newer exporter needs, is not installed")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, (3, 2), padding=(1, 0)), torch.nn.GELU(), torch.nn.MaxPool2d((2, 1)),
        torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(30, 4), torch.nn.LeakyReLU(0.1), torch.nn.Linear(4, 2),
    ).eval()  # fmt: skip
    path = tmp_path / "m.onnx"
    torch.onnx.export(module, (torch.zeros(2, 2, 5, 6),), str(path), dynamo=True, external_data=external,
                      opset_version=20, verbose=False)  # fmt: skip
    assert (tmp_path / "m.onnx.data").exists() == external
    direct, model = exactcnn.from_torch(module, (2, 5, 6)), exactcnn.from_onnx(path)
    assert model.weights_digest() == direct.weights_digest()
    x = exactcnn.samples(np.random.default_rng(0).normal(size=(3, 2, 5, 6)).astype(np.float32))
    found = exactcnn.output_difference(model, x)
    assert 0 < found.largest < 1e-6
    assert "onnxruntime" in str(found)
    if external:
        shutil.move(tmp_path / "m.onnx.data", tmp_path / "elsewhere")
        with pytest.raises(exactcnn.MalformedError):
            exactcnn.from_onnx(path)


ACTIVATIONS = ["Relu", "LeakyRelu", "Sigmoid", "Tanh", "Softplus", "Elu", "Gelu", "Softsign", "Atan"]


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_agree_within_float_error(runtime, tmp_path, kind):
    """By ONNX's names and float32 attributes."""
    chain = OnnxChain((2, 4), opset=20).add("Conv", f32(3, 2, 2) / 4, f32(3)).add(kind)
    model = exactcnn.from_onnx(chain.save(tmp_path / "m.onnx"))
    x = exactcnn.samples(np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32))
    assert exactcnn.output_difference(model, x).largest < 2e-6


def test_x_times_sigmoid_is_silu(runtime, tmp_path):
    """Exporters write SiLU so; either order of the factors."""
    for order in ((0, 1), (1, 0)):
        chain = OnnxChain((2, 4)).add("Conv", f32(3, 2, 2) / 4, f32(3))
        before = chain.value
        chain.add("Sigmoid")
        pair = [before, chain.value]
        chain.nodes.append(onnx.helper.make_node("Mul", [pair[i] for i in order], ["y"]))
        chain.value = "y"
        model = exactcnn.from_onnx(chain.save(tmp_path / "m.onnx"))
        assert model.network.layers[0].activation.name == "silu"
        x = exactcnn.samples(np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32))
        assert exactcnn.output_difference(model, x).largest < 2e-6


@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "DOUBLE"])
def test_weights_are_exact_as_stored(tmp_path, kind):
    """Every stored number is that rational."""
    dtype = {"FLOAT": np.float32, "FLOAT16": np.float16, "DOUBLE": np.float64}[kind]
    W = np.random.default_rng(0).normal(size=(3, 2)).astype(dtype)
    chain = OnnxChain((3,), dtype=getattr(onnx.TensorProto, kind)).add("MatMul", W)
    found = exactcnn.from_onnx(chain.save(tmp_path / "m.onnx")).weights[1].W.to_fractions()
    assert found == [[Fraction(float(v)) for v in row] for row in W]


def test_open_sizes_can_be_given(tmp_path):
    """A file that fixes no height is read for the height asked for."""
    chain = OnnxChain((1, "height", 4)).add("Conv", f32(2, 1, 2, 2))
    path = chain.save(tmp_path / "m.onnx")
    with pytest.raises(exactcnn.MalformedError, match=r"fixed sizes .* found shape \(batch, 1, \?, 4\)"):
        exactcnn.from_onnx(path)
    assert exactcnn.from_onnx(path, (1, 6, 4)).network.widths == (24, 30)
    with pytest.raises(exactcnn.MalformedError, match="input_shape"):
        exactcnn.from_onnx(path, (1, 6, 5))


def test_what_the_output_does_not_need_is_left_out(tmp_path):
    """Dead branches of a file are no layers."""
    chain = OnnxChain((4,)).add("MatMul", f32(4, 3))
    kept = chain.value
    chain.add("Softmax")
    chain.value = kept
    model = exactcnn.from_onnx(chain.add("Relu").save(tmp_path / "m.onnx"))
    assert model.network.depth == 1


@pytest.mark.parametrize("alias", ["Identity", "Dropout"])
def test_an_alias_read_twice(tmp_path, alias):
    """c = -x; z is c by another name; relu(z) + z: the ReLU was folded into what z stands for."""
    chain = OnnxChain((2,)).add("MatMul", -np.eye(2, dtype=np.float32))
    chain.add(alias)
    z = chain.value
    chain.add("Relu")
    chain.add("Add", z)
    model = exactcnn.from_onnx(chain.save(tmp_path / "m.onnx"))
    x = np.array([[1.0, 0.0], [0.0, 1.0], [-2.0, 3.0]])
    assert np.array_equal(exact_outputs(model, x), np.maximum(-x, 0) - x)
