"""PyTorch modules read exactly: integer networks agree to the last bit, others within float error."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.features.balls import feature_balls
from exactcnn.features.instance import Instance
from tests.interop.models import exact_outputs, integers_in, random_chain

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")


def outputs(module, x):
    with torch.no_grad():
        return module(torch.tensor(x)).numpy().reshape(len(x), -1)


@pytest.mark.parametrize("seed", range(120))
def test_integer_networks_agree_exactly(seed):
    """Rectangular images, several channels, stride, padding, dilation, groups, pooling: no tolerance at all."""
    module, shape = random_chain(torch, seed)
    x = integers_in(random.Random(-seed), (3, *shape))
    model = exactcnn.from_torch(module, shape)
    assert np.array_equal(exact_outputs(model, x), outputs(module, x))


def test_every_hidden_layer_has_its_units_in_the_stated_place():
    """Unit h = p T + t of layer k is PyTorch's channel t at position p."""
    module, shape = (
        nn.Sequential(
            nn.Conv2d(2, 3, (2, 1), (1, 2)), nn.ReLU(), nn.Conv2d(3, 4, (1, 2), padding=(0, 1))
        ).double(),
        (2, 5, 7),
    )
    rng = random.Random(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(integers_in(rng, parameter.shape)))
    x = integers_in(rng, (2, *shape))
    model = exactcnn.from_torch(module, shape)
    for k, part in ((1, module[:2]), (2, module)):
        from exactcnn.features.forward import exact_values

        values, _ = exact_values(
            Instance(model.network, exactcnn.samples(x), model.weights), k, before_activation=False
        )
        given = part(torch.tensor(x)).detach().numpy()
        T = given.shape[1]
        for (i, t, a, b), value in np.ndenumerate(given):
            position = a * given.shape[3] + b
            assert int(values.numerators[i, position * T + t]) == value * values.denominator


class Functional(nn.Module):
    """Everything as functions, methods and shapes."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 2, 3, 2))
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(8, 5)
        self.shift = nn.Parameter(torch.randn(5))

    def forward(self, x):
        x = F.conv2d(x, self.w, stride=(2, 1), padding=(1, 0))
        x = F.max_pool2d(F.relu(self.norm(x)), (2, 2))
        x = F.dropout(x, 0.5, self.training)
        x = x.view(x.size(0), -1)
        x = self.head(x) * 0.5 - 1
        x = x + self.shift
        return x * torch.sigmoid(x)


def trained(module, shape):
    """With running statistics that are not 0 and 1."""
    module.train()
    torch.manual_seed(3)
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn(6, *shape).to(next(module.parameters()).dtype))
    return module.eval()


ACTIVATIONS = [
    nn.ReLU(), nn.LeakyReLU(0.2), nn.Sigmoid(), nn.Tanh(), nn.Softplus(0.5), nn.SiLU(), nn.GELU(),
    nn.GELU("tanh"), nn.ELU(0.7), nn.Softsign(),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_agree_within_float_error(activation):
    """Behind a convolution and behind a pooling, where those that are not monotone get a layer of their own."""
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(2, 2, 5, 4))
    for parts in ([nn.Conv2d(2, 3, 2), activation], [nn.Conv2d(2, 3, 2), nn.MaxPool2d(2), activation]):
        module = nn.Sequential(*parts, nn.Flatten(), nn.LazyLinear(2)).double()
        module(torch.zeros(1, 2, 5, 4, dtype=torch.float64))
        model = exactcnn.from_torch(module.eval(), (2, 5, 4))
        found = exactcnn.output_difference(model, exactcnn.samples(x))
        assert found.largest < 1e-7 if isinstance(activation, nn.Softplus) else found.largest < 1e-14


def test_functions_methods_and_shapes():
    """A forward of its own, with a view, arithmetic with constants and parameters, and x sigmoid(x)."""
    torch.manual_seed(1)
    module = trained(Functional().double(), (2, 7, 4))
    model = exactcnn.from_torch(module, (2, 7, 4))
    x = exactcnn.samples(np.random.default_rng(0).normal(size=(3, 2, 7, 4)))
    assert exactcnn.output_difference(model, x).largest < 1e-14
    assert [layer.kind for layer in model.network.layers] == ["conv", "maxpool", "dense"]
    assert model.network.layers[-1].activation.name == "silu"


NORMS = {
    "behind a convolution": (lambda: [nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU()], 1),
    "behind an activation": (lambda: [nn.Conv2d(2, 3, 2), nn.ReLU(), nn.BatchNorm2d(3)], 2),
    "before a padded convolution": (
        lambda: [nn.Conv2d(2, 3, 2), nn.ReLU(), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 3, padding=1)], 3,
    ),
    "behind a pooling": (lambda: [nn.Conv2d(2, 3, 2), nn.MaxPool2d((2, 1)), nn.BatchNorm2d(3), nn.ReLU()], 3),
    "on the input": (lambda: [nn.BatchNorm2d(2), nn.Conv2d(2, 3, 2), nn.ReLU()], 2),
    "without parameters": (lambda: [nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3, affine=False), nn.ReLU()], 1),
    "flat, behind a convolution": (
        lambda: [nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(3 * 4 * 3), nn.ReLU()], 2,
    ),
    "flat, behind a dense layer": (lambda: [nn.Flatten(), nn.Linear(40, 6), nn.BatchNorm1d(6), nn.ReLU()], 1),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
def test_batch_normalisation(name):
    """Folded where it can be, a layer of its own elsewhere; the same function up to the scale's rounding."""
    build, layers = NORMS[name]
    torch.manual_seed(2)
    module = trained(nn.Sequential(*build()).double(), (2, 5, 4))
    with torch.no_grad():
        for norm in (m for m in module if "BatchNorm" in type(m).__name__ and m.affine):
            norm.weight.uniform_(-1, 1)  # negative scales turn a maximum into a minimum
            norm.bias.uniform_(-1, 1)
    model = exactcnn.from_torch(module, (2, 5, 4))
    assert model.network.depth == layers
    assert any("scales" in note for note in model.weight_notes)
    x = exactcnn.samples(np.random.default_rng(0).normal(size=(3, 2, 5, 4)))
    assert exactcnn.output_difference(model, x).largest < 1e-14


def test_the_normalised_weights_are_the_stated_rationals():
    """W' = s W and b' = s (b - mean) + beta with s the nearest double: no other rounding."""
    module = trained(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), (3,))
    linear, norm = module
    model = exactcnn.from_torch(module, (3,))
    entry = model.weights[1]
    for t in range(2):
        eps = Fraction(float(np.float32(norm.eps)))
        gamma, beta, mean, var = (
            Fraction(v[t].item()) for v in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        )
        from decimal import Decimal, localcontext

        with localcontext() as context:
            context.prec = 60
            v = var + eps
            root = (Decimal(v.numerator) / v.denominator).sqrt()
            s = Fraction(float(Decimal(gamma.numerator) / gamma.denominator / root))
        for r in range(3):
            assert entry.W.to_fractions()[r][t] == s * Fraction(linear.weight[t, r].item())
        assert entry.b.to_fractions()[t] == s * (Fraction(linear.bias[t].item()) - mean) + beta


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_weights_are_exact_as_stored(dtype):
    """Every stored number is that rational, in every float type."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 2, bias=False).to(dtype)
    found = exactcnn.from_torch(nn.Sequential(layer), (3,)).weights[1].W.to_fractions()
    wanted = [[Fraction(layer.weight[t, r].item()) for t in range(2)] for r in range(3)]
    assert found == wanted


def test_a_slope_is_what_the_network_computes_with():
    """0.01 in a float32 module is the float32 next to it; in a float64 module the float64."""
    for dtype, slope in ((torch.float32, np.float32(0.01)), (torch.float64, 0.01)):
        module = nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(0.01)).to(dtype)
        activation = exactcnn.from_torch(module, (2,)).network.layers[0].activation
        assert dict(activation.parameters)["slope"] == Fraction(float(slope))


def test_monotone_activations_go_below_a_pooling():
    """Conv, pool, relu becomes conv with relu, pool: no extra layer, and the note says so."""
    module = nn.Sequential(nn.Conv2d(1, 2, 2), nn.MaxPool2d(2), nn.ReLU())
    model = exactcnn.from_torch(module, (1, 5, 5))
    assert [layer.kind for layer in model.network.layers] == ["conv", "maxpool"]
    assert model.network.layers[0].activation.name == "relu"
    assert "behind a max-pooling" in model.notes[0]


def test_groups_are_noted_and_are_zeros():
    """A depthwise convolution is a full one with zeros outside its groups."""
    model = exactcnn.from_torch(nn.Sequential(nn.Conv1d(3, 3, 2, groups=3)), (3, 6))
    W = np.array(model.weights[1].W.to_fractions(), dtype=object)  # rows: channel, offset
    for t in range(3):
        for c in range(3):
            assert all((W[2 * c + o, t] != 0) == (c == t) for o in range(2))
    assert "3 groups" in model.notes[0]


def test_verify_takes_a_model_and_says_its_notes():
    """The findings are about the exact network; a duplicated sample is refuted."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 4, 2, groups=2), nn.Sigmoid(), nn.Flatten(), nn.Linear(36, 3))
    model = exactcnn.from_torch(module, (2, 4, 4))
    x = np.random.default_rng(0).integers(0, 9, size=(6, 2, 4, 4))
    result = exactcnn.verify(model, x)
    assert result.verdict == "proved"
    assert exactcnn.certificate_outcome(result.certificate()) == "VERIFIED"
    assert "Note: 0 (Conv2d): its 2 groups" in str(result)
    x[5] = x[1]
    assert exactcnn.verify(model, x).verdict == "refuted"


def test_unpacking_and_running():
    """network, weights = model; run evaluates the float program."""
    module = nn.Sequential(nn.Linear(3, 2))
    network, weights = model = exactcnn.from_torch(module, [3])
    assert (network.widths, len(weights.layers)) == ((3, 2), 1)
    assert model.run(np.zeros((4, 3))).shape == (4, 2)


def augmented(x):
    """PyTorch computes 2 (relu(x) + 1), for t is y; torch.fx by itself records relu(x) + 1 + relu(x)."""
    t = y = torch.relu(x)
    t += 1
    return t + y


def scaled_in_place(x):
    t = torch.relu(x)
    y = t.flatten(1)
    y *= 2
    return t + y


class Unused(nn.Module):
    """relu works in place, though nobody uses what it returns."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        F.relu(x, inplace=True)
        return self.a(x)


class Deciding(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Other(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.a, self.run = nn.Linear(4, 4), run

    def forward(self, x):
        return self.run(self.a(x))


def with_nan():
    module = nn.Sequential(nn.Linear(4, 4))
    with torch.no_grad():
        module[0].weight[1, 2] = float("nan")
    return module


def with_hook():
    module = nn.Sequential(nn.Linear(4, 4))
    module[0].register_forward_hook(lambda *a: None)
    return module


def with_own_forward():
    module = nn.Sequential(nn.Linear(4, 4))
    module[0].forward = lambda x: x
    return module


C, L = nn.Conv2d, nn.Linear
IMAGE = (2, 5, 4)
REFUSED = {
    "softmax": (lambda: nn.Sequential(L(4, 4), nn.Softmax(1), nn.ReLU()), (4,), "Softmax.*cut the network below it"),
    "layer norm": (lambda: nn.Sequential(L(4, 4), nn.LayerNorm(4)), (4,), "LayerNorm"),
    "average with a divisor": (lambda: nn.Sequential(C(2, 3, 2), nn.AvgPool2d(2, divisor_override=3)), IMAGE, "divisor"),
    "uneven average": (lambda: nn.Sequential(C(2, 3, 2), nn.AdaptiveAvgPool2d(3)), IMAGE, "divide the extents"),
    "product with a mean": (lambda: Other(lambda x: x * x.flip(1)), (4,), "flip"),
    "in place on a branch": (lambda: Other(lambda x: x + F.relu(x, inplace=True)), (4,), "in place only"),
    "in place on a view": (lambda: Other(lambda x: x + F.relu_(x.view(-1, 4))), (4,), "in place only"),
    "augmented assignment on a branch": (lambda: Other(augmented), (4,), "in place only"),
    "augmented product on a branch": (lambda: Other(scaled_in_place), (4,), "in place only"),
    "adaptive": (lambda: nn.Sequential(C(2, 3, 2), nn.AdaptiveMaxPool2d(1)), IMAGE, "AdaptiveMaxPool2d"),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(2, 3, 2)), IMAGE, "ConvTranspose2d"),
    "lstm": (lambda: nn.LSTM(4, 4), (4,), "LSTM"),
    "reflect": (lambda: nn.Sequential(C(2, 3, 3, padding=1, padding_mode="reflect")), IMAGE, "padding_mode"),
    "training dropout": (lambda: nn.Sequential(L(4, 4), nn.Dropout()).train(), (4,), r"module.eval\(\)"),
    "training norm": (lambda: nn.Sequential(L(4, 4), nn.BatchNorm1d(4)).train(), (4,), r"module.eval\(\)"),
    "batch statistics": (
        lambda: nn.Sequential(L(4, 4), nn.BatchNorm1d(4, track_running_stats=False)), (4,), "statistics of each batch",
    ),
    "functional dropout": (lambda: Other(lambda x: F.dropout(x)), (4,), "training"),
    "unused": (Unused, (4,), "results are used"),
    "deciding": (Deciding, (4,), "torch.fx or torch.export can trace"),
    "nan": (with_nan, (4,), r"weight\[1\]\[2\]: expected a finite number, found nan"),
    "hook": (with_hook, (4,), "hook"),
    "own forward": (with_own_forward, (4,), "forward of its class"),
    "not flat": (lambda: nn.Sequential(L(4, 4)), IMAGE, "put Flatten before it"),
    "flattened": (lambda: nn.Sequential(nn.Flatten(), C(2, 3, 2)), IMAGE, "not flattened"),
    "channels": (lambda: nn.Sequential(C(3, 3, 2)), IMAGE, "2 channels"),
    "size": (lambda: nn.Sequential(L(5, 4)), (4,), r"shape \(out, 4\)"),
    "too large": (lambda: nn.Sequential(C(2, 3, 7)), IMAGE, "fits into the padded extent"),
    "only padding": (lambda: nn.Sequential(C(2, 3, 1, padding=1)), IMAGE, "a real neuron in every patch"),
    "indices": (lambda: nn.Sequential(nn.MaxPool2d(2, return_indices=True)), IMAGE, "return_indices"),
    "flatten batch": (lambda: nn.Sequential(nn.Flatten(0)), IMAGE, "start_dim=1"),
    "no layers": (lambda: nn.Sequential(nn.Flatten()), (4,), "at least one layer"),
    "root": (lambda: Other(lambda x: x**0.5), (4,), "square"),
    "two tensors": (lambda: Other(lambda x: (x, x)), (4,), "returns one tensor"),
    "cat": (lambda: Other(lambda x: torch.cat([x, x], 0)), (4,), "along axis 1"),
    "matrix factor": (lambda: Other(lambda x: x @ x.t()), (4,), "expected one of"),
    "transposed view": (lambda: Other(lambda x: x.view(-1, 2, 2)), (4,), "a reshape to"),
    "integers": (lambda: nn.Sequential(L(4, 4)).to(torch.complex64), (4,), "dtype torch.complex64"),
    "meta": (lambda: nn.Sequential(nn.Linear(4, 4, device="meta")), (4,), "with values"),
    "division by 0": (lambda: Other(lambda x: x / 0), (4,), "other than 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_refused_by_name(name):
    """One sentence: where, what was expected, what was found."""
    build, shape, words = REFUSED[name]
    module = build()
    if "training" not in name:
        module.eval()
    with pytest.raises(exactcnn.MalformedError, match=words) as caught:
        exactcnn.from_torch(module, shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(), 5, (0, 4), (1.5,), (True,), (1, 2, 3, 4, 5), "ab"])
def test_bad_shapes_are_misuse(shape):
    """The input shape is a Python argument."""
    with pytest.raises(exactcnn.MisuseError, match="input_shape"):
        exactcnn.from_torch(nn.Sequential(nn.Linear(4, 4)), shape)


def test_something_else_is_misuse():
    """Neither a function nor a state dictionary is a module."""
    with pytest.raises(exactcnn.MisuseError, match=r"torch.nn.Module"):
        exactcnn.from_torch({"weight": 1}, (4,))


def test_images_with_channels_last_are_refused():
    """The same number of values in another order of axes would be another question."""
    model = exactcnn.from_torch(nn.Sequential(nn.Conv2d(3, 2, 2)), (3, 5, 4))
    with pytest.raises(exactcnn.MalformedError, match="channels first"):
        exactcnn.verify(model, np.zeros((2, 5, 4, 3)))


def test_irrational_features_in_pytorchs_order():
    """Balls of a sigmoid network enclose what PyTorch computes in float64, unit by unit."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, (2, 3)), nn.Sigmoid(), nn.Conv2d(3, 2, (3, 1)), nn.Tanh()).double()
    model = exactcnn.from_torch(module, (2, 6, 5))
    x = np.random.default_rng(0).normal(size=(2, 2, 6, 5))
    balls = feature_balls(Instance(model.network, exactcnn.samples(x), model.weights), 2, 128)
    order = model.network.layers[-1].above.units().reshape(-1)
    found = np.array([[float(row[u].mid()) for u in order] for row in balls])
    assert np.abs(found - outputs(module, x)).max() < 1e-14


def test_reading_loads_no_torch_where_none_is_needed():
    """The room itself, and spec files, need neither torch nor onnx."""
    import subprocess
    import sys

    script = "import sys, exactcnn; exactcnn.read_model; print({'torch', 'onnx', 'onnxruntime'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
