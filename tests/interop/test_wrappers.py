"""Modules inside wrappers, with weights that are computed, and with code that torch.fx cannot trace."""

from __future__ import annotations

import numpy as np
import pytest

import exactcnn
from exactcnn.interop.difference import require_agreement

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.default_rng(0).normal(size=(4, 1, 6, 6)).astype(np.float32)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)).eval()


def agree(module):
    model = exactcnn.from_torch(module, (1, 6, 6))
    data = exactcnn.samples(X)
    require_agreement(model, data)
    assert exactcnn.output_difference(model, data).largest < 1e-5
    return model


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
def test_wrappers_are_taken_off(wrap):
    module = network()
    assert agree(wrap(module)).weights_digest() == agree(module).weights_digest()


def test_a_scripted_module_is_refused_with_the_reason():
    with pytest.raises(exactcnn.MalformedError, match="the module that was scripted"):
        exactcnn.from_torch(torch.jit.script(network()), (1, 6, 6))


NORMS = {
    "parametrised": lambda part: nn.utils.parametrizations.weight_norm(part),
    "orthogonal": lambda part: nn.utils.parametrizations.orthogonal(part),
    "spectral": lambda part: nn.utils.parametrizations.spectral_norm(part),
    "by a hook": lambda part: nn.utils.weight_norm(part),
    "spectral, by a hook": lambda part: nn.utils.spectral_norm(part),
    "pruned": lambda part: nn.utils.prune.random_unstructured(part, "weight", 0.5),
}


@pytest.mark.parametrize("name", NORMS)
def test_weights_that_are_computed(name):
    """They are those the program computes; the module itself stays as it was."""
    module = network()
    NORMS[name](module[0])
    NORMS[name](module[3])
    module.eval()
    keys, kinds = list(module.state_dict()), [type(part) for part in module]
    model = agree(module)
    assert "computes from what is stored" in model.weight_notes[0]
    assert (list(module.state_dict()), [type(part) for part in module]) == (keys, kinds)
    assert any(p._forward_pre_hooks or hasattr(p, "parametrizations") for p in module)


class Untraceable(nn.Module):
    """Loops and questions that depend on the tensor's shape."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.norm, self.linear = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Linear(27, 4)
        self.norm.running_mean.normal_()

    def forward(self, x):
        if x.dim() != 4 or x.shape[1] != 1:
            raise ValueError("images of one channel")
        for _ in range(x.shape[2] // 3):
            x = x * 2
        y = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        y = y + y * torch.sigmoid(y)
        return F.log_softmax(self.linear(torch.flatten(F.gelu(y), 1)), 1)


def test_torch_export_where_fx_fails():
    model = agree(Untraceable().eval())
    assert [layer.kind for layer in model.network.layers][-1] == "dense"
    assert any("a softmax, is left out" in note for note in model.notes)


def test_a_program_fixed_to_a_batch_is_refused():
    class Fixed(Untraceable):
        def forward(self, x):
            for _ in range(x.shape[2]):
                x = x * 2
            return self.linear(self.conv(x).reshape(3, -1)[:, :27])

    with pytest.raises(exactcnn.MalformedError):
        exactcnn.from_torch(Fixed().eval(), (1, 6, 6))
