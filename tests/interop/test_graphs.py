"""Networks that are no chains: blocks of residual, inception, dense and averaged networks, as PyTorch and ONNX write them."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.data.digits import load_digits
from exactcnn.features.instance import Instance
from tests.interop.models import exact_outputs, integers_in
from tests.statements.instances import certified

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")


class ResNet(nn.Module):
    """Two basic blocks, the second with a projection, in-place ReLUs and a global average."""

    def __init__(self, channels=4, act=nn.ReLU):
        super().__init__()
        C = channels
        self.stem = nn.Conv2d(1, C, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(C)
        self.act = act()
        self.a1, self.b1 = nn.Conv2d(C, C, 3, padding=1, bias=False), nn.BatchNorm2d(C)
        self.a2, self.b2 = nn.Conv2d(C, C, 3, padding=1, bias=False), nn.BatchNorm2d(C)
        self.c1, self.d1 = nn.Conv2d(C, 2 * C, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * C)
        self.c2, self.d2 = nn.Conv2d(2 * C, 2 * C, 3, 1, 1, bias=False), nn.BatchNorm2d(2 * C)
        self.down = nn.Sequential(nn.Conv2d(C, 2 * C, 1, 2, bias=False), nn.BatchNorm2d(2 * C))
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(2 * C, 10)

    def forward(self, x):
        x = self.act(self.bn(self.stem(x)))
        out = self.act(self.b1(self.a1(x)))
        out = self.b2(self.a2(out))
        out += x
        x = self.act(out)
        out = self.d2(self.c2(self.act(self.d1(self.c1(x)))))
        x = self.act(out + self.down(x))
        return self.fc(torch.flatten(self.pool(x), 1))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.three = nn.Conv2d(1, 3, 1), nn.Conv2d(1, 2, 3, padding=1)
        self.reduce, self.five = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 3, 5, padding=2)
        self.pool, self.project = nn.MaxPool2d(3, 1, 1), nn.Conv2d(1, 2, 1)
        self.average = nn.AvgPool2d(3, 1, 1)

    def forward(self, x):
        parts = [
            F.relu(self.one(x)), F.relu(self.three(x)), F.relu(self.five(F.relu(self.reduce(x)))),
            F.relu(self.project(self.pool(x))), self.average(x), x,
        ]  # fmt: skip
        return torch.cat(parts, 1)


class DenseNet(nn.Module):
    """BatchNorm-ReLU-convolution on the concatenation of all that came before, then a transition."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4 + 2 * n) for n in range(4)])
        self.convs = nn.ModuleList([nn.Conv2d(4 + 2 * n, 2, 3, padding=1) for n in range(3)])
        self.transition = nn.Conv2d(10, 5, 1)

    def forward(self, x):
        found = [self.first(x)]
        for norm, conv in zip(self.norms, self.convs, strict=False):
            found.append(conv(F.relu(norm(torch.cat(found, 1)))))
        return F.avg_pool2d(self.transition(F.relu(self.norms[3](torch.cat(found, 1)))), 2).mean((2, 3))


class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )  # fmt: skip
        self.average = nn.AdaptiveAvgPool2d((2, 4))
        self.classifier = nn.Sequential(nn.Linear(32, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.average(self.features(x)), 1))


class Reads(nn.Module):
    """Sums and concatenations of flat tensors, a tensor read before and after its activation, the input itself."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 12), nn.Linear(12, 12), nn.Linear(88, 10)

    def forward(self, x):
        flat = x.flatten(1)
        g = self.a(flat)
        f = torch.relu(g)
        h = self.b(f) + g
        h = h + h * h
        return self.c(torch.cat([flat, f, h], 1))


MODELS = {"resnet": ResNet, "inception": Inception, "densenet": DenseNet, "vgg": VGG, "reads": Reads}


def built(name, seed=0):
    """Integer weights, and batch norms whose scale is rational, so that PyTorch's float64 is exact."""
    torch.manual_seed(seed)
    module = MODELS[name]().eval().double()
    rng = random.Random(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(integers_in(rng, parameter.shape, -2, 2)))
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eps = 0.0
                part.running_mean.copy_(torch.tensor(integers_in(rng, part.running_mean.shape)))
                part.running_var.fill_(4.0)
    return module


def outputs(module, x):
    with torch.no_grad():
        return module(torch.tensor(x)).numpy().reshape(len(x), -1)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_integer_networks_agree_exactly(name, seed):
    module, x = built(name, seed), integers_in(random.Random(-seed), (3, 1, 8, 8))
    model = exactcnn.from_torch(module, (1, 8, 8))
    assert not model.network.is_chain
    given = outputs(module, x)
    assert np.abs(given).max() < 2**53
    assert np.array_equal(exact_outputs(model, x), given)
    assert exactcnn.Network.from_dict(model.network.to_json()) == model.network


def exported(module, path):
    torch.onnx.export(module, (torch.zeros(2, 1, 8, 8, dtype=torch.float64),), str(path), dynamo=False, opset_version=17,
                      do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)  # fmt: skip
    return exactcnn.from_onnx(path)


@pytest.mark.parametrize("name", MODELS)
def test_the_same_network_from_onnx(name, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
    module, x = built(name), integers_in(random.Random(1), (3, 1, 8, 8))
    model = exported(module, tmp_path / "m.onnx")
    assert np.array_equal(exact_outputs(model, x), outputs(module, x))
    direct = exactcnn.from_torch(module, (1, 8, 8))
    kinds = [(layer.kind, layer.width, str(layer.activation)) for layer in direct.network.layers]
    assert [(layer.kind, layer.width, str(layer.activation)) for layer in model.network.layers] == kinds


def at_three_layers(network):
    """An early, a middle and the last one."""
    return sorted({1, (network.depth + 1) // 2, network.depth})


@pytest.mark.parametrize("name", ["resnet", "inception", "densenet", "vgg"])
def test_ranks_of_trained_looking_networks_on_digits(name):
    """Random float32 weights, as PyTorch draws them: the rank at three layers, decided both ways, with certificates."""
    torch.manual_seed(1)
    module = MODELS[name]().eval()
    model = exactcnn.from_torch(module, (1, 8, 8))
    samples = load_digits().take(40).scaled(Fraction(1, 16))
    inst = Instance(model.network, samples, model.weights)
    verdicts = set()
    for k in at_three_layers(model.network):
        (finding,) = exactcnn.statements.decide("rank", inst, k)
        assert finding.verdict in ("proved", "refuted"), finding
        certified(inst, finding)
        verdicts.add(finding.verdict)
    assert "refuted" in verdicts or name == "inception"


def test_a_smooth_residual_network_almost_everywhere():
    """gelu, all convolutional, one witness: rank N for almost every parameter of the graph; ReLU gives none."""
    for act, verdict in ((nn.GELU, "proved"), (nn.ReLU, "undecided")):
        torch.manual_seed(0)
        model = exactcnn.from_torch(ResNet(act=act).eval(), (1, 8, 8))
        inst = Instance(model.network, load_digits().take(24).scaled(Fraction(1, 16)), model.weights)
        block = next(layer.index for layer in model.network.layers if layer.kind == "add")
        (finding,) = exactcnn.statements.decide("theorem-3.5", inst, block)
        assert finding.verdict == verdict, finding
        if verdict == "proved":
            certified(inst, finding)


def test_layers_go_by_the_names_of_the_operations():
    model = exactcnn.from_torch(built("resnet"), (1, 8, 8))
    titles = [layer.title for layer in model.network.layers]
    assert {"stem", "a1", "down.0", "fc"} <= set(titles)
    assert len(set(titles)) == len(titles)
    assert "names" in model.network.to_nodes()


# What a reviewer found: tensors whose units are not in the layer's own order, aliases, traces of other programs.


class Flat(nn.Module):
    """Flattened images beside each other: the order of the tensor is not that of the layer's units."""

    def __init__(self, then):
        super().__init__()
        self.a, self.b, self.l, self.then = nn.Conv2d(1, 2, 2), nn.Conv2d(1, 2, 2), nn.Linear(16, 3), then

    def forward(self, x):
        return self.l(self.then(torch.cat([self.a(x).flatten(1), self.b(x).flatten(1)], 1)))


@pytest.mark.parametrize(
    "then",
    [
        lambda y: y * 2,
        lambda y: y + 1,
        lambda y: 1 - y,
        lambda y: torch.relu(y) * 3 + 1,
        lambda y: y + y * 2,
        lambda y: y,
    ],
)
def test_flat_concatenations_keep_their_order(then):
    module = Flat(then).eval().double()
    rng = random.Random(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(integers_in(rng, parameter.shape)))
    x = integers_in(rng, (3, 1, 3, 3))
    model = exactcnn.from_torch(module, (1, 3, 3))
    assert np.array_equal(exact_outputs(model, x), outputs(module, x))


DIFFERENCES = {
    "of two layers": lambda self, x: self.l((self.a(x) - self.b(x)).flatten(1)),
    "of a tensor with itself": lambda self, x: self.l((lambda y: y - y + y)(self.a(x)).flatten(1)),
    "of a tensor with its activation": lambda self, x: self.l((lambda y: y - F.relu(y))(self.a(x)).flatten(1)),
    "of an activation with its tensor": lambda self, x: self.l((lambda y: F.relu(y) - y)(self.a(x)).flatten(1)),
    "of flat tensors": lambda self, x: self.l(self.a(x).flatten(1) - self.b(x).flatten(1)),
    "with the input": lambda self, x: self.m(torch.cat([x - self.c(x), self.c(x) - x], 1).flatten(1)),
    "of poolings": lambda self, x: self.p((F.max_pool2d(self.a(x), 2) - F.max_pool2d(self.b(x), 2)).flatten(1)),
    "transposed": lambda self, x: self.l((self.a(x) - self.b(x)).permute(0, 2, 3, 1).flatten(1)),
    "transposed twice": lambda self, x: self.l(F.relu(self.a(x).transpose(1, -1)).transpose(3, 1).flatten(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences_and_transpositions(name):
    class Difference(Flat):
        def __init__(self):
            super().__init__(None)
            self.l, self.m, self.p, self.c = (
                nn.Linear(8, 3),
                nn.Linear(18, 3),
                nn.Linear(2, 3),
                nn.Conv2d(1, 1, 1),
            )

        def forward(self, x):
            return DIFFERENCES[name](self, x)

    module, rng = Difference().eval().double(), random.Random(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(integers_in(rng, parameter.shape)))
    x = integers_in(rng, (3, 1, 3, 3))
    model = exactcnn.from_torch(module, (1, 3, 3))
    assert np.array_equal(exact_outputs(model, x), outputs(module, x))


@pytest.mark.parametrize(
    "then",
    [
        lambda y: F.max_pool1d(y.view(-1, 1, 16), 2).flatten(1).repeat(1, 1),
        lambda y: F.avg_pool1d(y.view(-1, 1, 16), 1).flatten(1),
    ],
)
def test_windows_over_another_order_are_refused(then):
    with pytest.raises(exactcnn.MalformedError):
        exactcnn.from_torch(Flat(then).eval(), (1, 3, 3))


class Traced(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.a, self.seen = nn.Linear(4, 4), forward

    def forward(self, x, mask=None):
        return self.seen(self, x, mask)


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x, mask: self.a(x) if mask is None else torch.relu(self.a(x)),
        lambda self, x, mask: (
            self.a(x) if isinstance(x, torch.Tensor) and type(x) is torch.Tensor else torch.relu(x)
        ),
        lambda self, x, mask: self.a(x) + torch.randn(4),
        lambda self, x, mask: self.a(x) if hasattr(x, "node") else torch.relu(self.a(x)),
    ],
    ids=["default", "type", "random", "attribute"],
)
def test_a_trace_of_another_program_is_refused(forward):
    module = Traced(forward).eval()
    before = set(vars(module))
    with pytest.raises(exactcnn.MalformedError, match=r"trace|inputs"):
        exactcnn.from_torch(module, (4,))
    assert set(vars(module)) == before


def test_methods_set_on_instances_are_refused():
    module = nn.Sequential(nn.Conv2d(1, 1, 1)).eval()
    module[0]._conv_forward = lambda x, W, b: torch.relu(x)
    with pytest.raises(exactcnn.MalformedError, match="_conv_forward"):
        exactcnn.from_torch(module, (1, 2, 2))


def test_targets_are_in_the_order_of_the_models_outputs():
    """A model that ends in an image: its flat outputs as targets give loss 0."""
    module = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten()).eval().double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(integers_in(random.Random(3), parameter.shape)))
    x = integers_in(random.Random(4), (3, 1, 3, 3))
    model = exactcnn.from_torch(module, (1, 3, 3))
    assert model.output_order is not None
    data = exactcnn.samples(x, [[Fraction(float(v)) for v in row] for row in outputs(module, x)])
    assert exactcnn.verify(model, data, statements="loss").findings[0].summary["loss"] == []
    assert exactcnn.output_difference(model, data).largest == 0
    with pytest.raises(exactcnn.MalformedError, match="labels"):
        exactcnn.verify(model, exactcnn.samples(x, [0, 1, 2]), statements="loss")


def test_graphs_have_no_sequential_and_no_campaign():
    model = exactcnn.from_torch(built("vgg"), (1, 8, 8))
    with pytest.raises(exactcnn.MalformedError, match="a chain of layers"):
        exactcnn.to_torch(model.network, model.weights)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(4, 6), nn.Linear(6, 1)

    def forward(self, x):
        return self.out(torch.tanh(self.a(x) + self.a(x * -1)))


def test_shared_weights_do_not_move_on_their_own():
    """a(x) + a(-x) = 2 b for every choice of a, though for copies of a almost every choice has full rank."""
    model = exactcnn.from_torch(Tied().eval(), (4,))
    assert model.network.tied == "a"
    data = exactcnn.samples([[1, 2, 3, 4], [0, 1, 1, 2], [5, 0, 2, 1]])
    block = next(layer.index for layer in model.network.layers if layer.kind == "add")
    for statement in ("theorem-3.5", "lemma-2.5", "no-bad-valley"):
        (finding,) = exactcnn.verify(model, data, statements=statement, layer=block).findings
        assert finding.verdict == "undecided"
        assert "share the weights of a" in finding.reason
    assert exactcnn.verify(model, data, statements="rank", layer=block).findings[0].summary["lower"] <= 1
