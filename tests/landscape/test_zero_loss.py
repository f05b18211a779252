"""Exact zero-loss points in S_k by construction, lines of them, and certificates."""

from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.zero_loss import construct_zero_loss
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide
from tests.statements.instances import (
    certified,
    conv,
    decided,
    given,
    in_ln2,
    judgment,
    network,
    outcome,
    put,
    random_rows,
    rng,
    sealed,
    verdict,
    without,
)


def dense(units, activation=None, **more):
    return {"kind": "dense", "units": units, **({"activation": activation} if activation else {}), **more}


POOL = {"kind": "maxpool", "kernel": 2, "stride": 1}
# name: (k, layers, are the targets class labels, how many samples)
ARCHITECTURES = {
    "output above the wide layer": (1, [dense(6, "relu"), dense(2)], False, 4),
    "sigmoid": (1, [dense(6, "relu"), dense(4, "sigmoid"), dense(2)], True, 4),
    "sigmoid, many values": (1, [dense(6, "relu"), dense(8, "sigmoid"), dense(2)], False, 4),
    "tanh": (1, [dense(6, "square"), dense(4, "tanh"), dense(3)], True, 5),
    "deep sigmoid2": (1, [dense(6, "relu"), *[dense(n, "sigmoid2") for n in (5, 4, 3)], dense(2)], True, 4),
    "deep sigmoid and tanh": (
        1,
        [dense(6, "leaky_relu"), dense(5, "sigmoid"), dense(4, "tanh"), dense(3, "sigmoid"), dense(2)],
        True,
        4,
    ),
    "square and a written activation": (
        1,
        [
            dense(6, "relu"),
            dense(4, {"name": "custom", "expression": "(1 + t/sqrt(1 + t**2))/2"}),
            dense(3, "square"),
            dense(2),
        ],
        True,
        4,
    ),
    "leaky_relu and relu": (
        1,
        [dense(6, "relu"), dense(4, "leaky_relu"), dense(3, "relu"), dense(2)],
        False,
        4,
    ),
    "sigmoid below leaky_relu": (
        1,
        [dense(6, "relu"), dense(12, "sigmoid"), dense(3, "leaky_relu"), dense(2)],
        False,
        4,
    ),
    "convolutions and pooling below": (
        3,
        [conv(3, "relu", kernel=2), POOL, conv(4, "relu", kernel=1), dense(4, "sigmoid"), dense(2)],
        True,
        4,
    ),
    "no bias in layer k+1": (1, [dense(6, "relu"), dense(4, "sigmoid", bias="none"), dense(2)], True, 4),
}


def start(name):
    k, layers, labels, N = ARCHITECTURES[name]
    net = network([4], *layers)
    for seed in range(30):
        r = rng(seed)
        m = net.widths[-1]
        Y = [r.randrange(m) for _ in range(N)] if labels else random_rows(r, N, m, -3, 3)
        samples = exactcnn.samples(random_rows(r, N, 4, -4, 4), Y)
        inst = Instance(net, samples, Weights.from_seed(net, seed, 4))
        if decide("rank", inst, k)[0].verdict == "proved":
            return k, inst
    raise AssertionError("no instance of full rank")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_points_and_lines(name):
    k, inst = start(name)
    finding = decided("zero-loss-exists", inst, k)
    assert finding.verdict == "proved", finding.reason
    assert finding.evidence is not None
    line = finding.evidence.line
    assert finding.summary["line"]
    for t in (0, 1, -2, Fraction(3, 7), 10**6):
        point = Instance(inst.network, inst.samples, line.at(t))
        assert decide("loss", point)[0].summary["loss"] == []
        assert decide("s-k", point, k)[0].verdict == "proved"
        assert decide("critical-point", point)[0].verdict == "proved"
        assert decided("theorem-4.5", point, k).summary["zero_loss"] is True
        for layer in range(k):
            assert line.at(t).layers[layer] is inst.weights.layers[layer]
    assert len({str(line.at(t).layers[k].W.to_fractions()) for t in (0, 1, -2)}) == 3


@pytest.mark.parametrize("name", ["sigmoid", "deep sigmoid and tanh", "leaky_relu and relu"])
def test_against_floats(name):
    """NumPy's float64 forward pass at the constructed point comes close to the targets."""
    k, inst = start(name)
    weights = construct_zero_loss(inst, k).at(Fraction(1, 3))
    functions = {"sigmoid": lambda t: 1 / (1 + np.exp(-t)), "tanh": np.tanh, "relu": lambda t: np.maximum(t, 0),
                 "leaky_relu": lambda t: np.where(t > 0, t, t / 100), "identity": lambda t: t}  # fmt: skip

    def floats(rational, multiple):
        values = np.array(rational.to_fractions(), dtype=float)
        return (
            values
            if multiple is None
            else values + np.log(2) * np.array(multiple.to_fractions(), dtype=float)
        )

    F = np.array(inst.samples.x.to_fractions(), dtype=float)
    for layer, entry in zip(inst.network.layers, weights.layers, strict=True):
        F = functions[layer.activation.name](F @ floats(entry.W, entry.W_ln2) + floats(entry.b, entry.b_ln2))
    y = inst.samples.targets
    Y = (
        np.array(y.to_fractions(), dtype=float)
        if y.ndim == 2
        else np.eye(F.shape[1])[y.numerators.astype(int)]
    )
    assert np.abs(F - Y).max() < 1e-8


def test_labels_all_the_same_and_constant_columns():
    net = network([1], dense(3, "relu"), dense(2, "sigmoid"), dense(2))
    weights = given(
        net,
        ([[1, 1, -1]], [1, Fraction(-1, 2), Fraction(3, 2)]),
        ([[0, 0]] * 3, [0, 0]),
        ([[0, 0]] * 2, [0, 0]),
    )
    inst = Instance(net, exactcnn.samples([[0], [1], [2]], [0, 0, 0]), weights)
    assert decided("zero-loss-exists", inst, 1).verdict == "proved"


@pytest.mark.parametrize(
    "layers, Y, words",
    [
        ([dense(3, "relu"), dense(2, "gelu"), dense(2)], [0, 1, 1], "no rational values that are known"),
        (
            [dense(3, "relu"), dense(2, {"name": "custom", "expression": "exp(t)/3"}), dense(2)],
            [0, 1, 1],
            "no rational values that are known",
        ),
        ([dense(3, "relu"), dense(1, "sigmoid"), dense(2)], [0, 1, 1], "has 1 units, and this construction needs 2"),
        ([dense(3, "relu"), dense(2, "sigmoid"), dense(1)], [[0], [1], [7]], None),
        ([dense(3, "relu"), dense(2, "sigmoid"), dense(2, "relu")], [0, 1, 1], "the output layer is not linear"),
        ([dense(3, "relu"), dense(2, "sigmoid"), dense(2, bias="none")], [0, 1, 1], "layer 3 has no biases"),
        ([dense(3, "relu"), conv(1, "sigmoid", patches=[[0, 1], [1, 2]]), dense(2)], [0, 1, 1], "not fully connected"),
        ([dense(3, "sigmoid"), dense(2, "sigmoid"), dense(2)], [0, 1, 1], "F_1 is not rational"),
        ([dense(2, "relu"), dense(2, "sigmoid"), dense(2)], [0, 1, 1], "rank F_1 = N = 3 is not shown"),
    ],
)  # fmt: skip
def test_where_no_point_is_constructed(layers, Y, words):
    net = network([1], *layers)
    first = ([[1, 1, -1][: net.widths[1]]], [1, Fraction(-1, 2), Fraction(3, 2)][: net.widths[1]])
    seeded = Weights.from_seed(net, 0, 4)
    weights = Weights((given(network([1], layers[0]), first).layers[0], *seeded.layers[1:]))
    (finding,) = decide("zero-loss-exists", Instance(net, exactcnn.samples([[0], [1], [2]], Y), weights), 1)
    assert finding.verdict == ("proved" if words is None else "undecided")
    assert words is None or words in finding.reason


def test_equal_samples_with_different_targets_refute_it():
    net = network([1], dense(3, "relu"), dense(2))
    inst = Instance(net, exactcnn.samples([[1], [1]], [0, 1]), Weights.from_seed(net, 0, 4))
    (finding,) = decide("zero-loss-exists", inst, 1)
    assert finding.verdict == "refuted"
    same = Instance(net, exactcnn.samples([[1], [1]], [1, 1]), inst.weights)
    assert decide("zero-loss-exists", same, 1)[0].verdict == "undecided"


def test_without_a_bias_and_without_spare_units_there_is_no_line():
    net = network([1], dense(2, "relu"), dense(1, bias="none"))
    weights = given(net, ([[1, 1]], [1, Fraction(-1, 2)]), ([[0], [0]], None))
    inst = Instance(net, exactcnn.samples([[0], [1]], [[3], [5]]), weights)
    line = construct_zero_loss(inst, 1)
    assert line.at(0) is line.weights
    with pytest.raises(UndecidedError, match="no line"):
        line.at(1)
    assert decided("zero-loss-exists", inst, 1).verdict == "proved"


def forgeries():
    def claim(**fields):
        return lambda c: c["claims"][0].update(fields)

    def loss(c):
        judgment(c, "loss-exact")["value"] = [1]

    def everywhere(c):
        c["claims"][0]["weights"] = "given"
        for each in c["judgments"]:
            (each if "weights" in each else each["of"])["weights"] = "given"

    def renamed(c):
        """The weights of the instance under the name of the constructed ones."""
        weights = c["instance"]["weights"]
        weights["constructed"] = weights["given"]

    def zeros(c):
        weights = c["instance"]["weights"]
        weights["constructed"] = in_ln2(weights["constructed"])
        weights["constructed"]["nodes"][2]["W"] = [[[], []]] * 4

    yield "refuted", claim(verdict="refuted")
    yield "U left out", lambda c: without(c, "minor-mod-p", "lifted")
    yield "rank left out", lambda c: without(c, "minor-mod-p", "features")
    yield "gradient left out", lambda c: without(c, "gradient-exact")
    yield "another loss", loss
    yield "another loss, claimed too", lambda c: (loss(c), claim(loss=[1])(c))
    yield "not critical", claim(critical=False)
    yield "as Theorem 4.5", claim(statement="theorem-4.5")
    yield "another target", lambda c: c["instance"]["targets"]["rows"][0].__setitem__(0, 2)
    yield "the weights of the instance", claim(weights="given")
    yield "the weights of the instance everywhere", everywhere
    yield "the weights of the instance by another name", renamed
    yield "U_3 = 0 in the weights", zeros
    yield "another U_3 in the point", lambda c: put(c, "constructed", 2, "W", (3, 0), [5])
    yield "ln 2 in layer 1", lambda c: put(c, "constructed", 0, "b", 0, [0, 1])


@pytest.mark.parametrize("attack, change", list(forgeries()), ids=lambda v: v if isinstance(v, str) else "")
def test_forged_points_are_rejected(attack, change):
    k, inst = start("sigmoid")
    certificate = certified(inst, *decide("zero-loss-exists", inst, k))
    certificate["instance"]["weights"]["given"] = {
        "kind": "seed",
        "seed": inst.weights.origin.seed,
        "bits": 4,
    }
    assert verdict(sealed(certificate)).outcome == "VERIFIED"
    assert outcome(certificate, change) == ("MALFORMED" if attack == "as Theorem 4.5" else "REJECTED")


def test_a_critical_point_of_zero_loss_in_s_k_fits_with_class_labels():
    """[F_{L-1}, 1] has no full column rank there: Theorem 4.5's note must be silent, Extension C holds as well."""
    k, inst = start("sigmoid")
    point = Instance(inst.network, inst.samples, construct_zero_loss(inst, k).weights)
    finding = decided("theorem-4.5", point, k)
    assert finding.verdict == "proved"
    assert "extension-c" not in finding.reason
    assert decided("extension-c", point, k).verdict == "proved"


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "deep sigmoid2", "deep sigmoid and tanh"])
def test_theorems_4_4_and_4_5_around_a_zero_loss_point(name):
    """All hypotheses hold: moving the output layer, Phi and the gradient by U_{k+1} vanish together or not at all."""
    k, inst = start(name)
    line = construct_zero_loss(inst, k)
    r = rng(7)
    positive = 0
    for _ in range(25):
        layers = list(line.at(r.randint(-2, 2)).layers)
        top = layers[-1]
        W, b = top.W.to_fractions(), top.b.to_fractions()
        if r.random() < 0.8:
            W[r.randrange(len(W))][r.randrange(len(b))] += r.randint(-2, 2)
            b[r.randrange(len(b))] += r.randint(-1, 1)
        layers[-1] = LayerWeights(RationalArray.from_fractions(W), RationalArray.from_fractions(b))
        point = Instance(inst.network, inst.samples, Weights(tuple(layers)))
        if decide("s-k", point, k)[0].verdict != "proved":
            continue
        (four,), (five,) = decide("theorem-4.4", point, k), decide("theorem-4.5", point, k)
        assert (four.verdict, five.verdict) == ("proved", "proved")
        assert all(five.summary["hypotheses"].values())
        assert four.summary["zero_loss"] == four.summary["zero_gradient"] == five.summary["critical"]
        positive += not four.summary["zero_loss"]
    assert positive > 5
