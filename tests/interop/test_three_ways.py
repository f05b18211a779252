"""The same network said three ways, as a spec file with a file of weights, as a module, as an ONNX file: one instance."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.arithmetic.texts import rational_text
from exactcnn.certificates.instance_json import weights_json
from exactcnn.data.digits import load_digits
from exactcnn.features.forward import exact_values
from exactcnn.features.instance import Instance
from exactcnn.network.weights import Weights
from tests.statements.instances import certified

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
pytestmark = pytest.mark.filterwarnings("ignore")

RESNET = """
input = [1, 8, 8]
layers = [
  { name = "stem", kind = "conv", filters = 4, kernel = 3, padding = 1, bias = "filter", activation = "relu" },
  { name = "a1", kind = "conv", filters = 4, kernel = 3, padding = 1, bias = "filter", activation = "relu" },
  { name = "a2", kind = "conv", filters = 4, kernel = 3, padding = 1, bias = "filter", activation = "identity" },
  { name = "first block", kind = "add", of = ["a2", "stem"], activation = "relu" },
  { name = "c1", kind = "conv", filters = 8, kernel = 3, stride = 2, padding = 1, bias = "filter", activation = "relu" },
  { name = "c2", kind = "conv", filters = 8, kernel = 3, padding = 1, bias = "filter", activation = "identity" },
  { name = "down", kind = "conv", of = "first block", filters = 8, kernel = 1, stride = 2, bias = "filter", activation = "identity" },
  { name = "second block", kind = "add", of = ["c2", "down"], activation = "relu" },
  { kind = "avgpool", output = 1 },
  { name = "fc", kind = "dense", units = 10 },
]
"""
INCEPTION = """
input = [1, 8, 8]
layers = [
  { name = "one", kind = "conv", filters = 3, kernel = 1, bias = "filter", activation = "relu" },
  { name = "three", kind = "conv", of = "input", filters = 2, kernel = 3, padding = 1, bias = "filter", activation = "relu" },
  { name = "reduce", kind = "conv", of = "input", filters = 2, kernel = 1, bias = "filter", activation = "relu" },
  { name = "five", kind = "conv", filters = 3, kernel = 5, padding = 2, bias = "filter", activation = "relu" },
  { kind = "maxpool", of = "input", kernel = 3, stride = 1, padding = 1 },
  { name = "project", kind = "conv", filters = 2, kernel = 1, bias = "filter", activation = "relu" },
  { name = "average", kind = "avgpool", of = "input", kernel = 3, stride = 1, padding = 1 },
  { name = "copy", kind = "avgpool", of = "input", kernel = 1 },
  { name = "out", kind = "concat", of = ["one", "three", "five", "project", "average", "copy"] },
]
"""
DENSENET = """
input = [1, 8, 8]
layers = [
  { name = "first", kind = "conv", filters = 4, kernel = 3, padding = 1, bias = "filter", activation = "identity" },
  { kind = "scale", activation = "relu", NORM0 },
  { name = "convs.0", kind = "conv", filters = 2, kernel = 3, padding = 1, bias = "filter", activation = "identity" },
  { kind = "concat", of = ["first", "convs.0"] },
  { kind = "scale", activation = "relu", NORM1 },
  { name = "convs.1", kind = "conv", filters = 2, kernel = 3, padding = 1, bias = "filter", activation = "identity" },
  { kind = "concat", of = ["first", "convs.0", "convs.1"] },
  { kind = "scale", activation = "relu", NORM2 },
  { name = "convs.2", kind = "conv", filters = 2, kernel = 3, padding = 1, bias = "filter", activation = "identity" },
  { kind = "concat", of = ["first", "convs.0", "convs.1", "convs.2"] },
  { kind = "scale", activation = "relu", NORM3 },
  { name = "transition", kind = "conv", filters = 5, kernel = 1, bias = "filter", activation = "identity" },
  { kind = "avgpool", kernel = 2 },
  { kind = "avgpool", output = 1 },
]
"""
VGG = """
input = [1, 8, 8]
layers = [
  { name = "features.0", kind = "conv", filters = 4, kernel = 3, padding = "same", bias = "filter", activation = "relu" },
  { name = "features.2", kind = "conv", filters = 4, kernel = 3, padding = "same", bias = "filter", activation = "relu" },
  { kind = "maxpool", kernel = 2 },
  { kind = "avgpool", output = [2, 4] },
  { name = "classifier.0", kind = "dense", units = 16, activation = "relu" },
  { name = "classifier.3", kind = "dense", units = 10 },
]
"""
SPECS = {"resnet": RESNET, "inception": INCEPTION, "densenet": DENSENET, "vgg": VGG}


def scales(text, module):
    """The batch normalisations of DenseNet as factors and shifts: gamma / sqrt(var + eps), by Python's own division of
    integers, which rounds to the nearest double; beta - mean * factor, exactly."""
    for n, norm in enumerate(getattr(module, "norms", ())):
        factors, shifts = [], []
        for gamma, beta, mean, var in zip(
            *(t.tolist() for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var)), strict=True
        ):
            square = Fraction(var) + Fraction(float(np.float32(norm.eps)))
            root = Fraction(np.sqrt(np.longdouble(square.numerator) / square.denominator).astype(float))
            for _ in range(6):  # Newton's steps, far beyond double
                root = (root + square / root).limit_denominator(2**300) / 2
            factor = Fraction(float(Fraction(gamma) / root))
            factors.append(rational_text(factor))
            shifts.append(rational_text(Fraction(beta) - Fraction(mean) * factor))
        quoted = (", ".join(f'"{v}"' for v in values) for values in (factors, shifts))
        text = text.replace(f"NORM{n}", "factors = [{}], shifts = [{}]".format(*quoted))
    return text


def three_ways(name, folder):
    """(network, weights) from a spec with a weight file, from the module, from ONNX."""
    from tests.interop.test_graphs import MODELS

    torch.manual_seed(1)
    module = MODELS[name]().eval()
    torch.onnx.export(module, (torch.zeros(2, 1, 8, 8),), str(folder / "m.onnx"), dynamo=False, opset_version=17,
                      do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)  # fmt: skip
    direct = exactcnn.from_torch(module, (1, 8, 8))
    file = exactcnn.from_onnx(folder / "m.onnx")
    (folder / "net.toml").write_text(scales(SPECS[name], module))
    network = exactcnn.read_model(folder / "net.toml").network
    if (
        name == "resnet"
    ):  # its normalisations are folded into the weights: they are saved as the module was read
        direct.weights.save(folder / "weights.json")
        weights = Weights.from_file(network, folder / "weights.json")
    else:  # as numpy.savez writes a state_dict, found by the layers' names
        stored = {k: v.numpy() for k, v in module.state_dict().items() if not k.startswith("norms")}
        np.savez(folder / "weights.npz", **stored)
        weights = Weights.from_file(network, folder / "weights.npz")
    return [(network, weights), (direct.network, direct.weights), (file.network, file.weights)]


def nameless(network):
    """The network's nodes as the certificate has them, without what they are called."""
    return {key: value for key, value in network.to_nodes().items() if key not in ("name", "names")}


def written(instance):
    """The weights as the certificate has them."""
    return weights_json(instance.weights, instance.network.layers, instance.network.depth)


@pytest.mark.parametrize("name", SPECS)
def test_one_network_from_spec_module_and_file(name, tmp_path):
    """Nodes, weights and features are the same to the last bit; the ranks of three nodes are certified from each."""
    ways = three_ways(name, tmp_path)
    samples = load_digits().take(24).scaled(Fraction(1, 16))
    instances = [Instance(network, samples, weights) for network, weights in ways]
    first = instances[0]
    last = exact_values(first, first.network.depth, before_activation=False)[0]
    for other in instances[1:]:
        assert nameless(other.network) == nameless(first.network)
        assert written(other) == written(first)
        again = exact_values(other, other.network.depth, before_activation=False)[0]
        assert again.denominator == last.denominator
        assert np.array_equal(again.numerators, last.numerators)
    depth = first.network.depth
    for k in sorted({1, (depth + 1) // 2, depth}):
        found = [exactcnn.statements.decide("rank", instance, k)[0] for instance in instances]
        assert {finding.verdict for finding in found} in ({"proved"}, {"refuted"})
        assert len({str(finding.summary) for finding in found}) == 1
        for instance, finding in zip(instances, found, strict=True):
            certified(instance, finding)
