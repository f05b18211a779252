"""Loss, critical-point and local-minimum of trained networks: beyond Python objects, with one answer."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates import instance_json, make_certificate
from exactcnn.checker import check_certificate
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape import exact_loss as module
from exactcnn.landscape.exact_loss import exact_loss
from exactcnn.landscape.streamed import streamed
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import critical_point, decide
from exactcnn.statements.enclosed_gradient import nonzero_partial
from tests.landscape.test_streamed import RATIONAL, SMOOTH, random_instance
from tests.statements.instances import certified, conv, judgment, network, outcome

OUTPUT = {"kind": "dense", "units": 10, "activation": "identity"}


def digits_network(filters=20, activation="relu"):
    return network([1, 8, 8], conv(filters, activation, kernel=3, bias="filter"), OUTPUT)


@pytest.fixture(scope="module")
def trained():
    """conv-relu-pool-conv-relu-dense, 11,000 parameters, some steps of Adam on 1,000 digits, float32."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 40), nn.ReLU(), nn.Linear(40, 10),
    )  # fmt: skip
    data = exactcnn.load_data("digits", samples=1000, scale=Fraction(1, 16))
    x = torch.tensor((data.x.numerators / data.x.denominator).astype(np.float32)).reshape(-1, 1, 8, 8)
    y = nn.functional.one_hot(torch.tensor(data.targets.numerators.astype(np.int64)), 10).float()
    steps = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(12):
        steps.zero_grad()
        ((net(x) - y) ** 2).sum().backward()
        steps.step()
    model = exactcnn.from_torch(net, (1, 8, 8))
    double = net.double()
    double.zero_grad()
    loss = ((double(x.double()) - y.double()) ** 2).sum() / 2
    loss.backward()
    return (
        Instance(model.network, data, model.weights),
        loss.item(),
        [p.grad.numpy() for p in double.parameters()],
    )


def test_a_trained_network_against_torch(trained):
    inst, loss, gradients = trained
    assert inst.network.parameter_count > 11_000
    found = streamed(inst)
    assert not found.touched
    assert found.loss[1] - found.loss[0] < 1e-7
    assert float(found.loss[0]) <= loss * (1 + 1e-12)
    assert loss * (1 - 1e-12) <= float(found.loss[1])
    theirs = iter(gradients)
    for layer, mine in zip(inst.network.layers, found.gradient, strict=True):
        if mine is None:
            continue
        W, b = next(theirs), next(theirs)
        if layer.kind == "conv":
            W = W.reshape(W.shape[0], -1).T
        elif layer.below.channels > 1:  # torch numbers channels first, layers here positions
            W = (
                W.reshape(W.shape[0], layer.below.channels, -1)
                .transpose(2, 1, 0)
                .reshape(layer.below.size, -1)
            )
        else:
            W = W.T
        for x, exact in ((mine[0], W), (mine[1], b)):
            scale = 1e-11 * (1 + np.abs(exact).max())
            assert (np.abs(x.mid - exact) <= x.rad + scale).all()
            assert (x.rad <= 1e4 * scale).all()


def test_statements_about_a_trained_network(trained, monkeypatch):
    inst, value, _ = trained
    (loss,) = decide("loss", inst)
    (exact,) = map(Fraction, loss.summary["loss"])
    assert float(exact) == pytest.approx(value, rel=1e-12)
    monkeypatch.setattr(module, "_QUICK", 0.0)
    (loss,) = decide("loss", inst)
    low, high = loss.summary["loss"]
    assert (loss.verdict, Fraction(low) <= exact <= Fraction(high)) == ("proved", True)
    certified(inst, loss)
    (critical,), (minimum,) = decide("critical-point", inst), decide("local-minimum", inst)
    assert (critical.verdict, minimum.verdict) == ("refuted", "refuted")
    assert critical.summary["partial"] in minimum.reason
    assert "not certified" in critical.reason


def test_saved_weights_are_confirmed(monkeypatch):
    """Exact output weights, as --save-weights writes them: the loss is exactly 0, certified; hence critical, and a global minimum."""
    net, data = digits_network(), exactcnn.load_data("digits", samples=40)
    (found,) = decide("corollary-3.6", Instance(net, data, Weights.from_seed(net, 0, 8)))
    inst = Instance(net, data, found.exhibited)
    monkeypatch.setattr(critical_point, "_LARGEST", 0)
    (loss,) = decide("loss", inst)
    assert loss.summary == {"loss": [], "exact": True}
    certificate = certified(inst, loss)
    assert judgment(certificate, "loss-enclosed")["bounds"] == [0, 0] or judgment(
        certificate, "loss-enclosed"
    )["bounds"] == ["0", "0"]
    assert (
        outcome(certificate, lambda c: judgment(c, "loss-enclosed").update(bounds=["1/1000", "1"]))
        == "REJECTED"
    )
    assert [decide(name, inst)[0].verdict for name in ("critical-point", "local-minimum")] == [
        "proved",
        "proved",
    ]
    last = inst.weights[2]
    bent = LayerWeights(
        last.W, RationalArray.from_fractions([v + Fraction(1, 10**30) for v in last.b.to_fractions()])
    )
    near = Instance(net, data, Weights((inst.weights.layers[0], bent)))
    (loss,) = decide("loss", near)
    assert loss.summary["loss"] == [str(Fraction(40 * 10, 2 * 10**60))]
    assert "about 2e-58" in loss.reason
    assert decide("local-minimum", near)[0].verdict != "proved"


@pytest.mark.parametrize("seed", range(40))
def test_the_large_route_never_contradicts_the_exact_one(seed, monkeypatch):
    inst = random_instance(seed, RATIONAL if seed % 2 else SMOOTH)
    exact = {name: decide(name, inst)[0] for name in ("loss", "critical-point", "local-minimum")}
    monkeypatch.setattr(critical_point, "_LARGEST", 0)
    monkeypatch.setattr(critical_point, "_SMALL", 0)
    for name, known in exact.items():
        (large,) = decide(name, inst)
        assert {large.verdict, known.verdict} != {"proved", "refuted"}
        if name == "loss" and large.evidence is not None and inst.weights.layers[-1] is not None:
            certified(inst, large)
    assert decide("critical-point", inst)[0].verdict != "proved" or exact["loss"].summary["loss"] == []


def test_long_fractions_are_told_whole_or_by_their_length(monkeypatch):
    inst = random_instance(1, ("relu",))
    thirds = Weights(tuple(
        None if e is None else LayerWeights(RationalArray.from_fractions([[v / 3**150 for v in row] for row in e.W.to_fractions()]), e.b)
        for e in inst.weights.layers))  # fmt: skip
    (loss,) = decide("loss", replace(inst, weights=thirds))
    assert "digits, about" in loss.reason
    assert len(loss.reason) < 120
    assert len(loss.summary["loss"][0]) > 100
    monkeypatch.setattr(module, "_QUICK", 0.0)
    monkeypatch.setattr(module, "_WORTH", 0.0)
    assert exact_loss(inst) is None


def test_an_output_layer_at_zero_loss_is_undecided_by_floats():
    """The interpolating weights rounded to floats: a tiny loss, partial derivatives that floats do not tell from 0."""
    net = network([2], {"kind": "dense", "units": 1, "activation": "identity"})
    W, b = (
        RationalArray.from_fractions([[Fraction(1, 3)], [Fraction(1, 3)]]),
        RationalArray.from_fractions([0]),
    )
    inst = Instance(net, exactcnn.samples([[1, 2], [1, 2]], [[1], [1]]), Weights((LayerWeights(W, b),)))
    found = nonzero_partial(inst)
    assert found.where is None
    assert "enclosures around 0" in found.reason


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_an_enclosed_loss_of_samples_in_a_file(activation, monkeypatch):
    """The certificate names the file; where the checker's enclosure is not exact none is written that was not tried."""
    monkeypatch.setattr(instance_json, "_LARGEST_INLINE", 10)
    monkeypatch.setattr(module, "_QUICK", 0.0)
    monkeypatch.setattr(critical_point, "_LARGEST", 0)
    net = digits_network(4, activation)
    data = exactcnn.load_data(Path(exactcnn.__file__).parent / "data" / "digits.npz", samples=200)
    inst = Instance(net, data, Weights.from_seed(net, 0, 8))
    (loss,) = decide("loss", inst)
    assert loss.verdict == "proved"
    if activation == "sigmoid":
        with pytest.raises(UndecidedError):
            make_certificate(inst, [loss])
        return
    certificate = make_certificate(inst, [loss])
    assert certificate["instance"]["data"]["kind"] == "file"
    assert check_certificate(certificate, data.origin.path, max_seconds=None).outcome == "VERIFIED"
