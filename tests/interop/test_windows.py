"""Windows of every kind, padding that differs before and after, windows over the edge: as PyTorch and onnxruntime have them."""

from __future__ import annotations

import random

import numpy as np
import pytest

import exactcnn
from exactcnn.features.instance import Instance
from tests.interop.models import OnnxChain, exact_outputs, f32, integers_in
from tests.statements.instances import certified

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")


def integers(module, seed=0):
    rng = random.Random(seed)
    module = module.eval().double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(integers_in(rng, parameter.shape)))
    return module


def agree(module, shape, factor=1):
    """Exactly, on integers that the averages divide."""
    module, x = integers(module), factor * integers_in(random.Random(5), (3, *shape))
    model = exactcnn.from_torch(module, shape)
    with torch.no_grad():
        given = module(torch.tensor(x)).numpy().reshape(3, -1)
    assert np.array_equal(exact_outputs(model, x), given)
    assert exactcnn.Network.from_dict(model.network.to_json()) == model.network
    return model


class Pads(nn.Module):
    def __init__(self, pads):
        super().__init__()
        self.pads, self.conv = pads, nn.Conv2d(2, 3, (2, 3), padding=(0, 1), stride=(1, 2))

    def forward(self, x):
        return self.conv(F.pad(x, self.pads))


MODULES = {
    "zero pad": (lambda: nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(2, 3, 3, 2)), (2, 5, 6)),
    "constant pad": (lambda: nn.Sequential(nn.ConstantPad1d((0, 3), 0), nn.Conv1d(2, 3, 4)), (2, 5)),
    "functional pad": (lambda: Pads((0, 2, 1, 0)), (2, 5, 6)),
    "functional pad of one axis": (lambda: Pads((1, 0)), (2, 5, 6)),
    "same, even kernel": (lambda: nn.Conv2d(2, 3, (2, 4), padding="same", dilation=(1, 1)), (2, 5, 6)),
    "same, dilated": (lambda: nn.Conv1d(2, 3, 2, padding="same", dilation=3), (2, 7)),
    "max over the edge": (lambda: nn.MaxPool2d((3, 2), (2, 3), ceil_mode=True), (2, 6, 6)),
    "max over the edge, padded": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 6, 7)),
    "max over the edge, dropped": (lambda: nn.MaxPool1d(2, 3, 1, ceil_mode=True), (2, 5)),
    "max over the edge, dilated": (lambda: nn.MaxPool1d(2, 2, 0, 2, ceil_mode=True), (2, 8)),
    "average over the edge": (lambda: nn.AvgPool2d((2, 3), (2, 2), ceil_mode=True), (2, 5, 6)),
    "average over the edge, not counted": (
        lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 6, 6)
    ),
    "average that fits, counted": (lambda: nn.AvgPool1d(3, 2, 1, ceil_mode=True), (2, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_windows_of_modules(name):
    build, shape = MODULES[name]
    agree(build(), shape, factor=36)


@pytest.mark.parametrize("seed", range(30))
def test_random_windows_over_the_edge(seed):
    """PyTorch's rule for the last window, on windows and paddings of every kind."""
    rng = random.Random(seed)
    kernel = [rng.randint(1, 4) for _ in range(2)]
    stride, padding = [rng.randint(1, 4) for _ in range(2)], [rng.randint(0, k // 2) for k in kernel]
    shape = (2, rng.randint(5, 9), rng.randint(5, 9))
    agree(nn.MaxPool2d(kernel, stride, padding, ceil_mode=True), shape)
    agree(nn.AvgPool2d(kernel, stride, padding, ceil_mode=True, count_include_pad=False), shape, factor=144)


REFUSED = {
    "average over the edge, counted": (
        nn.AvgPool2d(3, 2, 1, ceil_mode=True), (1, 6, 6), "padding that is not counted",
    ),
    "ones": (nn.Sequential(nn.ConstantPad1d(1, 1.0), nn.Conv1d(1, 1, 2)), (1, 4), "a padding by zeros"),
    "reflected": (nn.Sequential(nn.ReflectionPad1d(1), nn.Conv1d(1, 1, 2)), (1, 4), "ReflectionPad1d"),
    "cropped": (nn.Sequential(nn.ZeroPad1d((-1, 0)), nn.Conv1d(1, 1, 2)), (1, 4), "at least 0"),
    "read by a pooling": (nn.Sequential(nn.ZeroPad1d(1), nn.MaxPool1d(2)), (1, 4), "one tensor"),
    "the output": (nn.Sequential(nn.Conv1d(1, 1, 2), nn.ZeroPad1d(1)), (1, 4), "one tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_windows(name):
    module, shape, words = REFUSED[name]
    with pytest.raises(exactcnn.MalformedError, match=words):
        exactcnn.from_torch(module.eval(), shape)


FILES = {
    "one-sided": (lambda: OnnxChain((2, 5, 6)).add("Conv", f32(3, 2, 2, 3), f32(3), pads=[0, 2, 1, 0]), (2, 5, 6)),
    "same, upper": (lambda: OnnxChain((1, 5, 7)).add("Conv", f32(2, 1, 2, 4), auto_pad="SAME_UPPER"), (1, 5, 7)),
    "same, lower": (
        lambda: OnnxChain((1, 5, 8)).add("Conv", f32(2, 1, 2, 3), auto_pad="SAME_LOWER", strides=[2, 2]), (1, 5, 8)
    ),
    "maximum, same": (
        lambda: OnnxChain((1, 5, 8)).add("MaxPool", kernel_shape=[2, 3], auto_pad="SAME_UPPER", strides=[2, 2]), (1, 5, 8)
    ),
    "maximum, one-sided": (
        lambda: OnnxChain((2, 5, 6)).add("MaxPool", kernel_shape=[3, 2], pads=[0, 1, 2, 0], strides=[1, 2]), (2, 5, 6)
    ),
    "maximum over the edge": (
        lambda: OnnxChain((2, 5, 6)).add("MaxPool", kernel_shape=[3, 2], pads=[0, 1, 1, 0], strides=[2, 2], ceil_mode=1),
        (2, 5, 6),
    ),
    "average, one-sided": (
        lambda: OnnxChain((2, 5, 6)).add("AveragePool", kernel_shape=[2, 2], pads=[0, 1, 1, 0], count_include_pad=1), (2, 5, 6)
    ),
    "average over the edge": (
        lambda: OnnxChain((2, 5, 5), opset=19).add("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), (2, 5, 5)
    ),
    "pad": (
        lambda: OnnxChain((2, 5, 6)).add("Pad", np.array([0, 0, 1, 0, 0, 0, 0, 2])).add("Conv", f32(3, 2, 2, 3), pads=[0, 1, 1, 0]),
        (2, 5, 6),
    ),
    "pad of nothing": (
        lambda: OnnxChain((2, 5, 6)).add("Pad", np.zeros(8, dtype=np.int64), np.float32(0)).add("Relu"), (2, 5, 6)
    ),
    "pad of named axes": (
        lambda: OnnxChain((2, 5, 6), opset=18).add("Pad", np.array([1, 2]), "", np.array([-1])).add("Conv", f32(1, 2, 2, 3)),
        (2, 5, 6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_windows_of_files(tmp_path, name):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'")
    build, shape = FILES[name]
    model = exactcnn.from_onnx(build().save(tmp_path / "m.onnx"))
    x = 12 * integers_in(random.Random(4), (4, *shape), -4, 4)
    assert np.array_equal(exact_outputs(model, x), model.run(x).reshape(4, -1))


def test_a_padding_of_nothing_is_still_another_name(tmp_path):
    """z is c by another name; relu(z) + z must read c before the ReLU."""
    chain = OnnxChain((2, 2)).add("Conv", -np.eye(2, dtype=np.float32)[:, :, None])
    chain.add("Pad", np.zeros(6, dtype=np.int64))
    z = chain.value
    chain.add("Relu").add("Add", z)
    x = integers_in(random.Random(4), (3, 2, 2))
    found = exact_outputs(exactcnn.from_onnx(chain.save(tmp_path / "m.onnx")), x)
    assert np.array_equal(found, (np.maximum(-x, 0) - x).reshape(3, -1))


@pytest.mark.parametrize("kind", ["conv", "maxpool", "avgpool"])
def test_certificates_of_one_sided_padding(kind):
    """The checker reads the same windows."""
    first = {"kind": kind, "kernel": [2, 3], "stride": [2, 1], "padding": [[1, 0], [0, 2]]}
    first |= {"filters": 3, "activation": "relu"} if kind == "conv" else {}
    net = exactcnn.Network.from_dict({"input": [1, 8, 8], "layers": [first, {"kind": "dense", "units": 3}]})
    assert net.layer(1).above.extents == (4, 8)
    inst = Instance(
        net, exactcnn.samples(integers_in(random.Random(1), (9, 64))), exactcnn.Weights.from_seed(net)
    )
    (finding,) = exactcnn.statements.decide("rank", inst, 1)
    assert finding.verdict == "proved"
    certified(inst, finding)
