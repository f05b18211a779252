"""Loss, gradient and Hessian against PyTorch's automatic differentiation in float64 (skipped without PyTorch)."""

from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Surface, flatten, point_of
from exactcnn.landscape.domains import BallDomain
from exactcnn.network.weights import Weights
from tests.statements.instances import conv, network, random_rows, rng

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'exactcnn[torch]'")
DENSE = {"kind": "dense"}
POOL = {"kind": "maxpool", "kernel": 2, "stride": 1}

FUNCTIONS = {
    "identity": lambda t: t,
    "square": lambda t: t * t,
    "relu": torch.relu,
    "leaky_relu": lambda t: torch.nn.functional.leaky_relu(t, 0.25),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": lambda t: torch.nn.functional.softplus(2 * t) / 2,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
    "elu": lambda t: torch.nn.functional.elu(t, 0.5),
    "gaussian": lambda t: torch.exp(-t * t),
    "arctan": torch.atan,
    "sigmoid2": lambda t: torch.sigmoid(t * float(np.log(2))),
}
PARAMETERS = {"leaky_relu": {"slope": "1/4"}, "softplus": {"alpha": "2"}, "elu": {"alpha": "1/2"}}


def activation(name):
    return {"name": name, **PARAMETERS[name]} if name in PARAMETERS else name


def by_torch(inst, flat):
    """Phi as a function of the flat parameters, from the patches: no formula of exactcnn's is used."""
    x = torch.tensor([[float(v) for v in row] for row in inst.samples.x.to_fractions()], dtype=torch.float64)
    y = torch.tensor(
        [[float(v) for v in row] for row in inst.samples.targets.to_fractions()], dtype=torch.float64
    )
    at, state = 0, x
    for layer in inst.network.layers:
        padded = torch.cat([state, torch.zeros(len(state), 1, dtype=torch.float64)], dim=1)
        index = torch.tensor(np.minimum(layer.patches.indices, layer.patches.neurons))
        patches = padded[:, index]  # (N, P, l)
        if layer.kind == "maxpool":
            state = patches.max(dim=2).values
            continue
        size, T = layer.patch_size * layer.filters, layer.filters
        W = flat[at : at + size].reshape(layer.patch_size, T)
        b = flat[at + size : at + size + layer.bias_length]
        at += size + layer.bias_length
        G = (patches @ W).reshape(len(x), -1)
        if layer.bias == "unit":
            G = G + b
        elif layer.bias == "filter":
            G = G + b.repeat(layer.patch_count)
        state = FUNCTIONS[layer.activation.name](G)
    return ((state - y) ** 2).sum() / 2


def architectures(a):
    hidden = {**DENSE, "units": 2, "activation": a, "bias": "none"}
    return {
        "dense": ([3], {**hidden, "units": 3, "bias": "unit"}, {**DENSE, "units": 2}),
        "convolutions": (
            [1, 4, 4],
            conv(2, a, kernel=2),
            conv(1, a, kernel=2, bias="filter"),
            {**DENSE, "units": 1},
        ),
        "pooling": ([5], conv(2, a, kernel=3, padding=1), POOL, {**DENSE, "units": 2, "bias": "none"}),
        "output activation": ([3], hidden, {**hidden, "units": 1}),
    }


def surface_of(net, seed):
    r = rng(seed)
    rows = random_rows(r, 3, net.input_size, -3, 3)
    targets = [[Fraction(r.randint(-9, 9), 4) for _ in range(net.widths[-1])] for _ in rows]
    inst = Instance(net, exactcnn.samples(rows, targets), Weights.from_seed(net, r.randint(0, 99), 7))
    return Surface(inst, BallDomain(), point_of(inst, BallDomain()))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("architecture", ["dense", "convolutions", "pooling", "output activation"])
def test_loss_gradient_and_hessian(name, architecture):
    net = network(*architectures(activation(name))[architecture])
    surface = next(
        s for s in (surface_of(net, f"{name} {architecture} {n}") for n in range(50)) if not s.kinks
    )
    inst = surface.instance
    flat = torch.tensor(
        [float(v.mid()) for v in flatten(surface.point)], dtype=torch.float64, requires_grad=True
    )
    loss = by_torch(inst, flat)
    gradient = torch.autograd.grad(loss, flat)[0].numpy()
    scale = 1 + abs(loss.item())
    assert abs(float(surface.loss.mid()) - loss.item()) < 1e-12 * scale
    mine = np.array([float(v.mid()) for v in surface.flat_gradient()])
    assert np.abs(mine - gradient).max() < 1e-11 * (1 + np.abs(gradient).max())
    if surface.smooth:
        hessian = torch.autograd.functional.hessian(lambda v: by_torch(inst, v), flat.detach()).numpy()
        balls = np.array([[float(v.mid()) for v in row] for row in surface.hessian()])
        assert np.abs(balls - hessian).max() < 1e-10 * (1 + np.abs(hessian).max())
