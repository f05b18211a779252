"""A small CNN trained on the embedded digits, verified from ONNX and from the module: one and the same."""

from __future__ import annotations

import json
import sys
from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.cli import main
from exactcnn.data import load_digits

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
pytestmark = pytest.mark.filterwarnings("ignore")
N = 80


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(module in float32, path of its ONNX file, images): trained on 400 digits for a few steps."""
    torch.manual_seed(0)
    digits = load_digits()
    x = torch.tensor(digits.x.numerators[:400].astype(np.float32)).reshape(-1, 1, 8, 8) / 16
    y = torch.tensor(digits.targets.numerators[:400].astype(np.int64))
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, (3, 2), padding=(1, 0)), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Dropout(0.1), torch.nn.Flatten(), torch.nn.Linear(8 * 4 * 3, 120), torch.nn.ReLU(),
        torch.nn.Linear(120, 10),
    )  # fmt: skip
    optimiser = torch.optim.Adam(module.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(x), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    module.eval()
    path = tmp_path_factory.mktemp("digits") / "digits.onnx"
    torch.onnx.export(module, (x[:2],), str(path), dynamo=False)
    return module, path


def test_the_same_digest_and_the_same_verdict(trained):
    """The weights of file and module are the same rationals; the features are independent in both."""
    module, path = trained
    direct, model = exactcnn.from_torch(module, (1, 8, 8)), exactcnn.from_onnx(path)
    assert direct.weights_digest() == model.weights_digest()
    data = load_digits().take(N).scaled(Fraction(1, 16))
    certificates = []
    for given in (direct, model, path):
        result = exactcnn.verify(given, data, statements=["rank", "structure"], layer=1)
        assert [f.verdict for f in result.findings] == ["proved", "proved"]
        certificates.append(result.certificate())
        assert exactcnn.certificate_outcome(certificates[-1]) == "VERIFIED"
    assert len({c["digests"]["weights"]["given"] for c in certificates}) == 1


def test_the_difference_is_float_error(trained):
    """PyTorch and onnxruntime are within float32 error of the network that is verified."""
    module, path = trained
    data = load_digits().take(6)
    for model in (exactcnn.from_torch(module, (1, 8, 8)), exactcnn.from_onnx(path)):
        if model.run is None:
            continue
        found = exactcnn.output_difference(model, data, 6)
        assert found.samples == 6
        assert 0 < found.largest < 1e-6 * max(1.0, found.magnitude) * 10


def test_on_the_command_line(trained, monkeypatch, capsys, tmp_path):
    """exactcnn verify digits.onnx --certificate, then exactcnn check; --weights replaces the file's weights."""
    module, path = trained
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["exactcnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, capsys.readouterr().out

    options = ("--samples", N, "--scale", "1/16", "--layer", 1, "--json")
    code, out = run("verify", path, *options, "--certificate", "c.json")
    record = json.loads(out)
    assert code == 0
    assert record["instance"]["weights"] == "file"
    assert any("outputs of onnxruntime" in note for note in record["instance"]["notes"])
    assert run("check", "c.json")[0] == 0
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    np.savez("w.npz", **weights)
    code, out = run("verify", path, *options, "--weights", "w.npz", "--certificate", "d.json")
    assert code == 0
    digests = [json.loads((tmp_path / name).read_text())["digests"] for name in ("c.json", "d.json")]
    assert digests[0] == digests[1]
    code, out = run("verify", path, "--samples", N, "--layer", 1)
    assert "note" in out
    code, out = run("sample", path, "--samples", 8, "--draws", 3, "--json")
    assert code == 0
