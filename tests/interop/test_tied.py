"""Parameters that several operations read: whichever way, nothing is said about almost all or some of them.

The models compute tanh(a(x) + a(-x)) = tanh(2 b): the features of all samples are equal, for every choice of a."""

from __future__ import annotations

import numpy as np
import pytest

import exactcnn
from tests.interop.models import OnnxChain, f32

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")
DATA = [[1, 2, 3, 4], [0, 1, 1, 2], [5, 0, 2, 1]]


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(6))

    def forward(self, x):
        return torch.tanh(F.linear(x, self.w, self.b) + F.linear(x * -1, self.w, self.b))


class Modules(nn.Module):
    """Two modules of one tensor."""

    def __init__(self):
        super().__init__()
        self.p, self.q = nn.Linear(4, 6), nn.Linear(4, 6)
        self.q.weight, self.q.bias = self.p.weight, self.p.bias

    def forward(self, x):
        return torch.tanh(self.p(x) + self.q(x * -1))


class Views(Modules):
    """Two modules of one storage, as flattened parameters have it."""

    def __init__(self):
        super().__init__()
        self.q.weight = nn.Parameter(self.p.weight.data.view(6, 4))


def undecided(model):
    assert model.network.tied is not None
    data = exactcnn.samples(DATA)
    assert (
        exactcnn.verify(model, data, statements="rank", layer=model.network.depth)
        .findings[0]
        .summary["lower"]
        <= 1
    )
    for statement in ("theorem-3.5", "lemma-2.5"):
        (finding,) = exactcnn.verify(model, data, statements=statement, layer=model.network.depth).findings
        assert finding.verdict == "undecided"
        assert "share the weights" in finding.reason


@pytest.mark.parametrize("kind", [Functional, Modules, Views])
def test_modules(kind):
    torch.manual_seed(0)
    undecided(exactcnn.from_torch(kind().eval(), (4,)))


@pytest.mark.parametrize("kind", ["the same", "transposed", "cast"])
def test_files(tmp_path, kind):
    """The same tensor, or two that are computed from it."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
    chain = OnnxChain((4,))
    names = [chain.constant(f32(4, 6))] * 2
    if kind == "transposed":
        names[1] = chain.constant(f32(4, 6).T.copy())
        names = [names[1], names[1]]
        chain.nodes.append(onnx.helper.make_node("Transpose", [names[0]], ["t"], perm=[1, 0]))
        first = onnx.helper.make_node("Gemm", ["x", names[0]], ["a"], transB=1)
        second = onnx.helper.make_node("MatMul", ["m", "t"], ["c"])
    else:
        if kind == "cast":
            chain.nodes += [onnx.helper.make_node("Cast", [names[0]], [n], to=1) for n in ("k", "l")]
            names = ["k", "l"]
        first = onnx.helper.make_node("MatMul", ["x", names[0]], ["a"])
        second = onnx.helper.make_node("MatMul", ["m", names[1]], ["c"])
    chain.nodes += [onnx.helper.make_node("Neg", ["x"], ["m"]), first, second]
    chain.nodes += [
        onnx.helper.make_node("Add", ["a", "c"], ["s"]),
        onnx.helper.make_node("Tanh", ["s"], ["y"]),
    ]
    chain.value = "y"
    undecided(exactcnn.from_onnx(chain.save(tmp_path / "m.onnx")))


def test_equal_numbers_are_not_shared(tmp_path):
    """Two tensors of the same numbers move on their own; a 2 that is read everywhere is no weight."""
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
    chain = OnnxChain((4,))
    two = chain.constant(np.float32(2))
    chain.add("MatMul", f32(4, 4)).add("Mul", two).add("Tanh").add("MatMul", f32(4, 4)).add("Mul", two)
    assert exactcnn.from_onnx(chain.save(tmp_path / "m.onnx")).network.tied is None
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)).eval()
    with torch.no_grad():
        module[2].weight.copy_(module[0].weight)
    assert exactcnn.from_torch(module, (4,)).network.tied is None
