"""Models cut at a node, softmax left out, nodes out of order: the network below is the same as without what lies above."""

from __future__ import annotations

import random

import numpy as np
import pytest

import exactcnn
from tests.interop.models import OnnxChain, exact_outputs, f32, integers_in

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")


def chain():
    return (
        OnnxChain((2, 4, 3))
        .add("Conv", f32(3, 2, 2, 2))
        .add("Relu")
        .add("Flatten")
        .add("Gemm", f32(18, 4), f32(4))
    )


@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
def test_a_softmax_at_the_end_is_left_out(tmp_path, kind):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'")
    model = exactcnn.from_onnx(chain().add(kind, axis=1).save(tmp_path / "m.onnx"))
    plain = exactcnn.from_onnx(chain().save(tmp_path / "plain.onnx"))
    assert model.network.to_json()["layers"] == plain.network.to_json()["layers"]
    assert model.weights_digest() == plain.weights_digest()
    assert "is left out" in model.notes[0]
    x = integers_in(random.Random(1), (3, 2, 4, 3))
    assert np.array_equal(model.run(x), plain.run(x))
    assert np.array_equal(exact_outputs(model, x), model.run(x))


def test_a_softmax_inside_is_not_left_out(tmp_path):
    with pytest.raises(exactcnn.MalformedError, match="operation Softmax"):
        exactcnn.from_onnx(chain().add("Softmax").add("Relu").save(tmp_path / "m.onnx"))
    with pytest.raises(exactcnn.MalformedError, match="Softmax"):
        exactcnn.from_torch(nn.Sequential(nn.Linear(3, 4), nn.Softmax(1), nn.ReLU()).eval(), (3,))


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(dim=1)])
def test_a_softmax_at_the_end_of_a_module_is_left_out(last):
    layers = [nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)]
    model = exactcnn.from_torch(nn.Sequential(*layers, last).eval(), (3,))
    assert model.weights_digest() == exactcnn.from_torch(nn.Sequential(*layers).eval(), (3,)).weights_digest()
    assert "3, a softmax, is left out" in model.notes[0]
    x = exactcnn.samples(np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32))
    assert exactcnn.output_difference(model, x).largest < 1e-6


def everything(tmp_path):
    """Two outputs, two inputs, and above the convolution what nobody can read."""
    made = chain()
    below = made.value
    made.add("Softmax").add("Erf").add("CumSum", np.array(1))
    above = made.value
    made.nodes.append(onnx.helper.make_node("Add", [above, "z"], ["both"], name="sum"))
    model = made.model([below, "both"])
    model.graph.input.append(onnx.helper.make_tensor_value_info("z", 1, ["n", 4]))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "m.onnx"


def test_a_cut_does_not_care_what_lies_above(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'")
    path = everything(tmp_path)
    with pytest.raises(
        exactcnn.MalformedError, match=r"one of them named \(until=NAME\), found 2 outputs: v4, both"
    ):
        exactcnn.from_onnx(path)
    with pytest.raises(exactcnn.MalformedError, match=r"depends on one input .* found 2 inputs, x, z"):
        exactcnn.from_onnx(path, until="both")
    with pytest.raises(
        exactcnn.MalformedError, match="until: expected the name of a node or value of .*conv1, relu2"
    ):
        exactcnn.from_onnx(path, until="conv9")
    x = integers_in(random.Random(1), (3, 2, 4, 3))
    for until, depth, width in (("conv1", 1, 18), ("v2", 1, 18), ("flatten3", 1, 18), ("v4", 2, 4)):
        model = exactcnn.from_onnx(path, until=until)
        assert (model.network.depth, model.network.widths[-1]) == (depth, width)
        assert np.array_equal(exact_outputs(model, x), model.run(x).reshape(3, -1))
    with pytest.raises(exactcnn.MalformedError, match="operation (CumSum|Erf|Softmax)"):
        exactcnn.from_onnx(path, until="cumsum7")
    assert exactcnn.read_model(path, until="conv1").network.depth == 1
    (tmp_path / "net.toml").write_text('input = [2]\nlayers = [{ kind = "dense", units = 2 }]')
    with pytest.raises(exactcnn.MalformedError, match="until: expected an ONNX file"):
        exactcnn.read_model(tmp_path / "net.toml", until="conv1")


@pytest.mark.parametrize("seed", range(5))
def test_nodes_out_of_order(tmp_path, seed):
    made = chain().add("Relu")
    model = made.model()
    nodes = list(model.graph.node)
    random.Random(seed).shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    found = exactcnn.from_onnx(tmp_path / "m.onnx")
    assert found.weights_digest() == exactcnn.from_onnx(made.save(tmp_path / "plain.onnx")).weights_digest()
    if found.run is not None:
        x = integers_in(random.Random(1), (3, 2, 4, 3))
        assert np.array_equal(exact_outputs(found, x), found.run(x))


def test_a_cycle_is_refused(tmp_path):
    made = chain()
    made.nodes[0].input[0] = made.value
    (tmp_path / "m.onnx").write_bytes(made.model().SerializeToString())
    with pytest.raises(exactcnn.MalformedError, match="a graph without cycles"):
        exactcnn.from_onnx(tmp_path / "m.onnx")


class Above(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.side, self.second = nn.Conv2d(1, 2, 2), nn.Conv2d(1, 2, 2), nn.Conv2d(2, 2, 2)

    def forward(self, x):
        side = torch.cumsum(self.side(x), 1)
        y = torch.relu(self.first(x))
        return F.softmax(torch.fft.rfft(self.second(y) * 2).real + side.mean(), 1)


def test_a_module_cut_at_a_name():
    module = Above().eval().double()
    rng = random.Random(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(integers_in(rng, parameter.shape)))
    x = integers_in(rng, (3, 1, 4, 3))
    with pytest.raises(exactcnn.MalformedError):
        exactcnn.from_torch(module, (1, 4, 3))
    with pytest.raises(
        exactcnn.MalformedError, match="until: expected a module or operation of the network: side, first"
    ):
        exactcnn.from_torch(module, (1, 4, 3), until="third")
    for until in ("first", "relu", "second", "mul"):
        model = exactcnn.from_torch(module, (1, 4, 3), until=until)
        assert np.array_equal(exact_outputs(model, x), model.run(x).reshape(3, -1))
        assert model.network.depth == (1 if until in ("first", "relu") else 2)


def test_an_operation_in_place_beside_the_cut_is_refused():
    class Beside(Above):
        def forward(self, x):
            y = self.first(x)
            torch.relu_(y)
            return self.second(y)

    with pytest.raises(exactcnn.MalformedError, match="whose results are used"):
        exactcnn.from_torch(Beside().eval(), (1, 4, 3), until="second")


def test_the_command_cuts(tmp_path, monkeypatch, capsys):
    """--until NAME, also called --output."""
    import sys

    from exactcnn.cli import main

    monkeypatch.chdir(tmp_path)
    everything(tmp_path)
    np.savez("x.npz", x=integers_in(random.Random(1), (3, 2, 4, 3)))
    for arguments, code in (
        (["m.onnx", "--until", "conv1"], 0), (["m.onnx", "--output", "v4"], 0), (["m.onnx"], 2), (["m.onnx", "--until", "z"], 2),
        (["--until", "conv1"], 2),
    ):  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["exactcnn", "verify", *arguments, "--data", "x.npz"])
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == code, capsys.readouterr()
