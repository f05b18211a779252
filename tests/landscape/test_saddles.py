"""Saddles of positive loss in S_k: fresh instances for several architectures, certificates accepted."""

import pytest

import exactcnn
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Surface, point_of
from exactcnn.landscape.domains import ExactDomain
from exactcnn.landscape.saddles import construct_saddle
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.statements.instances import certified, conv, network, random_rows, rng

DENSE = {"kind": "dense"}
POOL = {"kind": "maxpool", "kernel": 2, "stride": 1}
ARCHITECTURES = {
    "1-D, sigmoid": (1, network([8], conv(1, "relu", kernel=2), conv(2, "sigmoid", kernel=2), {**DENSE, "units": 2})),
    "2-D, tanh": (1, network([1, 5, 5], conv(1, "square", kernel=2), conv(2, "tanh", kernel=2), {**DENSE, "units": 2})),
    "padded, relu": (1, network([6], conv(2, "leaky_relu", kernel=3, padding=1), conv(1, "relu", kernel=1),
                                {**DENSE, "units": 2})),
    "shared biases": (1, network([8], conv(1, "relu", kernel=2), conv(2, "sigmoid2", kernel=2, bias="filter"),
                                 {**DENSE, "units": 1})),
    "deep, pooling below": (3, network([9], conv(2, "leaky_relu", kernel=2), POOL, conv(1, "leaky_relu", kernel=2),
                                       conv(2, "sigmoid", kernel=2), {**DENSE, "units": 2})),
    "strided, square": (1, network([12], conv(1, "relu", kernel=1), conv(2, "square", kernel=2, stride=2),
                                   {**DENSE, "units": 2})),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_fresh_saddles(name):
    k, net = ARCHITECTURES[name]
    made, strict = 0, False
    for seed in range(40):
        r = rng(seed)
        N, m = 3, net.widths[-1]
        labels = [[int(c == i % m) for c in range(m)] for i in range(N)] if m > 1 else [[i] for i in range(N)]
        samples = exactcnn.samples(random_rows(r, N, net.widths[0], -4, 4), labels)
        start = Instance(net, samples, Weights.from_seed(net, seed, 4))
        weights = construct_saddle(start, k, seed)
        if weights is None:
            continue
        inst = Instance(net, samples, weights)
        member = decide("s-k", inst, k)[0]
        if member.verdict != "proved":
            continue
        made += 1
        critical = decide("critical-point", inst)[0]
        assert critical.verdict == "proved"
        assert critical.summary["loss"] != []
        bad = decide("theorem-4.5", inst, k)[0]
        assert bad.verdict == "refuted"
        assert "dense-above" in bad.reason
        certificate = certified(inst, critical, member, bad)
        assert "dense-above" in certificate["claims"][-1]["failing"]
        surface = Surface(inst, ExactDomain(), point_of(inst, ExactDomain()))
        if not strict and surface.smooth:
            # Strict: a principal minor of order 2 of the Hessian is negative.
            H = surface.hessian()
            size = H.shape[0]
            minors = (H[i, i] * H[j, j] - H[i, j] * H[j, i] for i in range(size) for j in range(i))
            assert any(minor.sign() < 0 for minor in minors)
            strict = True
        if made >= 3 and strict:
            return
    raise AssertionError(f"only {made} saddles found")


def test_a_dense_layer_above_has_none():
    net = network(
        [4], conv(2, "relu", kernel=2), {**DENSE, "units": 3, "activation": "sigmoid"}, {**DENSE, "units": 2}
    )
    inst = Instance(net, exactcnn.samples([[1, 2, 3, 4]], [[1, 0]]), Weights.from_seed(net, 0, 4))
    with pytest.raises(exactcnn.MisuseError):
        construct_saddle(inst, 1)


def test_constant_targets_have_none():
    _, net = ARCHITECTURES["1-D, sigmoid"]
    inst = Instance(net, exactcnn.samples([[1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 0, 2, 0, 1, 0, 3]], [[1, 0], [1, 0]]),
                    Weights.from_seed(net, 0, 4))  # fmt: skip
    assert construct_saddle(inst, 1) is None
