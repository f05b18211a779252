"""Programs that are not the network read from them are found out, and rounding is never taken for that."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import exactcnn
from exactcnn.cli import main
from exactcnn.interop.difference import difference_note, require_agreement
from exactcnn.network.weights import LayerWeights, Weights
from tests.interop.models import OnnxChain, f32

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore")


def normed(seed):
    """Normalisations of large means, whose folding cancels."""
    torch.manual_seed(seed)
    norm = nn.BatchNorm2d(4)
    norm.running_mean.normal_(0, 300)
    norm.running_var.uniform_(0.1, 9)
    first = nn.Conv2d(2, 4, 3, padding=1)
    with torch.no_grad():
        first.bias.copy_(norm.running_mean)
    return nn.Sequential(
        first, norm, nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 5)
    )


def smooth(seed):
    torch.manual_seed(seed)
    acts = [
        nn.GELU(),
        nn.SiLU(),
        nn.Softplus(),
        nn.ELU(),
        nn.Sigmoid(),
        nn.Mish(),
        nn.Softsign(),
        nn.LeakyReLU(),
    ]
    parts = [nn.Conv2d(2, 6, 3, padding=1), acts[seed % 8], nn.MaxPool2d(2), nn.AvgPool2d(2, 1), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(24, 20), acts[(seed + 3) % 8], nn.Linear(20, 4))


def deep(seed):
    torch.manual_seed(seed)
    parts = [nn.Flatten(), nn.Linear(72, 30)]
    for _ in range(8):
        parts += [nn.ReLU(), nn.Linear(30, 30)]
    return nn.Sequential(*parts)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("build", [normed, smooth, deep])
@pytest.mark.parametrize("seed", range(3))
def test_rounding_is_explained(build, seed, dtype):
    """Whatever the precision, and whatever the size of the inputs."""
    module = build(seed).eval().to(getattr(torch, dtype))
    model = exactcnn.from_torch(module, (2, 6, 6))
    x = np.random.default_rng(seed).normal(size=(4, 2, 6, 6)).astype(np.float32) * 10.0 ** (seed % 3 - 1)
    require_agreement(model, exactcnn.samples(x))


def changed(model, k):
    """The largest weight of layer k with the other sign."""
    entries = list(model.weights.layers)
    W = entries[k - 1].W.to_fractions()
    i, j = max(np.ndindex(len(W), len(W[0])), key=lambda place: abs(W[place[0]][place[1]]))
    W[i][j] *= -1
    entries[k - 1] = LayerWeights(type(entries[k - 1].W).from_fractions(W), entries[k - 1].b)
    return replace(model, weights=Weights.from_layers(model.network, entries))


@pytest.mark.parametrize("seed", range(5))
def test_another_weight_is_found(seed):
    """One sign among all weights is no rounding of float32."""
    model = exactcnn.from_torch(smooth(seed).eval(), (2, 6, 6))
    x = exactcnn.samples(np.random.default_rng(seed).normal(size=(4, 2, 6, 6)).astype(np.float32))
    for k in (1, 4, 5):
        with pytest.raises(exactcnn.MalformedError, match="nothing is verified"):
            require_agreement(changed(model, k), x)
        with pytest.raises(exactcnn.MalformedError, match="PyTorch"):
            exactcnn.verify(changed(model, k), x, statements="rank", layer=k)


@pytest.fixture
def file(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'")
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", x=np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))
    OnnxChain((4,)).add("Gemm", f32(4, 3), f32(3, low=1)).add("Relu").save(tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["exactcnn", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code, *capsys.readouterr()


def test_a_wrong_reading_stops_the_command(file, monkeypatch, capsys):
    """With a bug in the reader, nothing is verified: exit code 2 and one sentence."""
    from exactcnn.interop.onnx_operations import OPERATIONS

    right = OPERATIONS["Gemm"]
    code, out, _ = command(monkeypatch, capsys, "verify", "m.onnx", "--data", "x.npz", "--json")
    assert code in (0, 1)
    without = lambda self, where, a, inputs, node: right(self, where, a, [*inputs[:2], None], node)  # noqa: E731
    monkeypatch.setitem(OPERATIONS, "Gemm", without)
    code, out, err = command(
        monkeypatch, capsys, "verify", "m.onnx", "--data", "x.npz", "--json", "--certificate", "c.json"
    )
    assert code == 2
    assert err.startswith("exactcnn: m.onnx: expected a program that computes the network read from it")
    assert err.count("\n") == 1
    assert "onnxruntime" in json.loads(out)["error"]
    assert not (file.parent / "c.json").exists()


def test_a_program_that_fails_is_no_traceback(file):
    """Neither raw exceptions of the runtime nor a verdict from them."""
    model = exactcnn.from_onnx(file)
    x = exactcnn.samples(np.zeros((2, 4)))
    file.write_bytes(b"no model")
    with pytest.raises(exactcnn.UndecidedError, match="onnxruntime .* fails on these samples"):
        exactcnn.output_difference(model, x)
    assert "were not compared: onnxruntime" in difference_note(model, x)


def test_another_number_of_outputs_is_another_program(file):
    model = exactcnn.from_onnx(file)
    with pytest.raises(exactcnn.MalformedError, match="3 outputs"):
        require_agreement(
            replace(model, run=lambda x: np.zeros((len(x), 5))), exactcnn.samples(np.ones((2, 4)))
        )
