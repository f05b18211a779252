"""Activations by every name, and as exporters and people write them out: the float program's values within its rounding."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.interop.difference import require_agreement
from exactcnn.interop.pointwise import Step, plan, record_of
from tests.interop.models import OnnxChain, f32

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32) * 3

MODULES = {
    "relu6": nn.ReLU6(), "hardtanh": nn.Hardtanh(-0.5, 2.0), "selu": nn.SELU(), "celu": nn.CELU(0.7), "celu one": nn.CELU(),
    "hardswish": nn.Hardswish(), "hardsigmoid": nn.Hardsigmoid(), "prelu": nn.PReLU(init=0.3), "prelu steep": nn.PReLU(init=1.5),
    "prelu negative": nn.PReLU(3, init=-0.25), "softshrink": nn.Softshrink(0.4), "tanhshrink": nn.Tanhshrink(),
    "logsigmoid": nn.LogSigmoid(), "leaky steep": nn.LeakyReLU(2.0), "elu negative": nn.ELU(-0.5), "elu": nn.ELU(0.3),
}  # fmt: skip
FUNCTIONS = {
    "relu6": F.relu6, "hardswish": F.hardswish, "clamp": lambda x: torch.clamp(x, -0.3, 0.9),
    "clamp method": lambda x: x.clamp(min=-0.3), "clip above": lambda x: torch.clip(x, max=0.9), "selu": torch.selu,
    "gelu": lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))),
    "gelu by tanh": lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3)))),
    "silu": lambda x: x * torch.sigmoid(x), "silu by method": lambda x: x.sigmoid() * x,
    "silu of another scale": lambda x: x * torch.sigmoid(1.702 * x), "softplus": lambda x: torch.log(1 + torch.exp(x)),
    "mish": lambda x: x * torch.tanh(torch.log(1 + x.exp())),
    "softsign": lambda x: x / (1 + torch.abs(x)), "gaussian": lambda x: torch.exp(-x * x), "sine": torch.sin,
    "snake": lambda x: x + torch.sin(x) ** 2, "hardswish written out": lambda x: x * F.relu(x + 3) / 6,
    "cubic": lambda x: x**3 - 2 * x, "largest": lambda x: torch.maximum(x, x * 0.1), "used twice": lambda x: torch.exp(x) + x,
    "negative": lambda x: F.relu(-x),
}  # fmt: skip


class Net(nn.Module):
    def __init__(self, function):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.function, self.last = nn.Linear(5, 3), function, nn.Linear(3, 2)

    def forward(self, x):
        return self.last(self.function(self.first(x)))


def read(function, dtype=torch.float32):
    model = exactcnn.from_torch(Net(function).eval().to(dtype), (5,))
    require_agreement(model, exactcnn.samples(X))
    assert exactcnn.output_difference(model, exactcnn.samples(X)).largest < (
        1e-5 if dtype == torch.float32 else 1e-12
    )
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODULES)
def test_modules(name, dtype):
    model = read(MODULES[name], dtype)
    assert model.network.depth == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_written_out(name, dtype):
    """One activation on the layer below, whatever it is made of."""
    model = read(FUNCTIONS[name], dtype)
    assert model.network.depth == 2
    assert model.network.is_chain


NAMES = {"silu": "silu", "silu by method": "silu", "softplus": "softplus", "mish": "mish"}


def test_functions_that_have_a_name_get_it():
    for name, expected in NAMES.items():
        assert read(FUNCTIONS[name]).network.layers[0].activation.name == expected
    root = str(Fraction(float(np.float32(math.sqrt(2.0)))))
    assert (
        root in read(FUNCTIONS["gelu"]).network.layers[0].activation.expression
    )  # the program's, not the true root


def test_two_exits_and_other_readers():
    """exp(x) read twice and x once more: three layers beside each other, nothing folded into what others read."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            self.a, self.b, self.c = nn.Linear(5, 4), nn.Linear(4, 4), nn.Linear(12, 2)

        def forward(self, x):
            y = self.a(x)
            e = torch.exp(y)
            return self.c(torch.cat([self.b(e), e * y, y], 1))

    model = exactcnn.from_torch(Branches().eval(), (5,))
    require_agreement(model, exactcnn.samples(X))
    assert exactcnn.output_difference(model, exactcnn.samples(X)).largest < 1e-4


REFUSED = {
    "threshold": nn.Threshold(0.1, 20), "hardshrink": nn.Hardshrink(), "many slopes": nn.PReLU(3),
    "of two layers": None, "empty clip": lambda x: torch.clamp(x, 1.0, -1.0), "root": lambda x: x**0.5,
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    function = REFUSED[name]
    if name == "many slopes":
        with torch.no_grad():
            function.weight.copy_(torch.tensor([0.1, 0.2, 0.3]))
    if name == "of two layers":
        other = nn.Linear(3, 3)
        function = lambda x: torch.exp(x) * other(x)  # noqa: E731
    with pytest.raises(exactcnn.MalformedError):
        exactcnn.from_torch(Net(function).eval(), (5,))


FILES = {
    "Clip": [(), {}], "Clip of constants": [(np.float32(-1), np.float32(0.5)), {}], "Clip above": [("", np.float32(0.5)), {}],
    "HardSigmoid": [(), {"alpha": 0.3}], "HardSwish": [(), {}], "Selu": [(), {"gamma": 2.0}], "Celu": [(), {"alpha": 0.5}],
    "PRelu": [(np.float32([0.25]),), {}], "Elu": [(), {"alpha": -0.5}], "LeakyRelu": [(), {"alpha": 3.0}],
    "ThresholdedRelu": [(), {"alpha": 0.0}], "Exp": [(), {}], "Erf": [(), {}], "Abs": [(), {}], "Sin": [(), {}], "Neg": [(), {}],
    "Max": [(np.float32(0.5),), {}], "Pow": [(np.float32(3),), {}],
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_operations_of_files(tmp_path, name):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'")
    constants, attributes = FILES[name]
    chain = (
        OnnxChain((5,), opset=15).add("MatMul", f32(5, 3) / 4).add(name.split()[0], *constants, **attributes)
    )
    model = exactcnn.from_onnx(chain.add("MatMul", f32(3, 2, seed=1)).save(tmp_path / "m.onnx"))
    require_agreement(model, exactcnn.samples(X))
    assert exactcnn.output_difference(model, exactcnn.samples(X)).largest < 1e-4


@pytest.mark.parametrize(
    "name", ["gelu", "gelu by tanh", "softplus", "softsign", "silu", "mish", "snake", "hardswish written out"]
)
def test_what_the_exporter_writes(tmp_path, name):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'")
    module = Net(FUNCTIONS[name]).eval()
    torch.onnx.export(module, (torch.zeros(2, 5),), str(tmp_path / "m.onnx"), dynamo=False, opset_version=17)
    model = exactcnn.from_onnx(tmp_path / "m.onnx")
    assert model.network.depth == 2
    require_agreement(model, exactcnn.samples(X))
    assert exactcnn.output_difference(model, exactcnn.samples(X)).largest < 1e-5


@pytest.mark.parametrize("name", ["GELU", "Softplus", "Softsign", "Hardswish", "ReLU6", "SELU", "Mish"])
def test_modules_that_the_exporter_takes_apart(tmp_path, name):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'")
    module = Net(getattr(nn, name)()).eval()
    torch.onnx.export(module, (torch.zeros(2, 5),), str(tmp_path / "m.onnx"), dynamo=False, opset_version=13)
    model = exactcnn.from_onnx(tmp_path / "m.onnx")
    require_agreement(model, exactcnn.samples(X))
    assert exactcnn.output_difference(model, exactcnn.samples(X)).largest < 1e-5


def test_the_nearest_tensor_is_the_base():
    """relu(x) is a layer of its own where an exponential of it is asked for, and a product of different tensors is none."""
    steps = [
        Step("r", "relu", ("x",)),
        Step("e", "exp", ("r",)),
        Step("p", "mul", ("e", "y")),
        Step("q", "mul", ("e", "r")),
    ]
    order = {name: n for n, name in enumerate(("x", "y", "r", "e", "p", "q"))}
    assert plan(steps, order) == {"e": ("r", "exp(t)"), "q": ("r", "(exp(t)*t)")}
    assert record_of("(t*(1/(1 + exp(-t))))") == "silu"


def test_expressions_are_bounded():
    """Squaring sums again and again would have texts of exponential length."""
    steps, last = [Step(0, "exp", ("x",))], 0
    for n in range(1, 60):
        steps += [Step(f"s{n}", "add", (last, last)), Step(n, "exp", (f"s{n}",))]
        last = n
    found = plan(steps, {step.output: n for n, step in enumerate(steps)} | {"x": -1})
    assert found
    assert all(len(text) <= 900 for _, text in found.values())
