"""An exact minimum with zero loss nearby: distances against mpmath, both routes, forgeries."""

import copy
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import exactcnn
import exactcnn.landscape.nearby as nearby
from exactcnn.certificates import digest, make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.landscape.interpolation import target_matrix
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.features.test_balls import features_by_mpmath
from tests.statements.instances import conv, network, random_rows, rng


def output(units, bias="unit"):
    return {"kind": "dense", "units": units, "activation": "identity", "bias": bias}


def random_instance(seed, activations=("sigmoid", "softplus", "relu", "gelu"), bias="unit"):
    r = rng(seed)
    layers = [conv(r.randint(2, 4), r.choice(activations), kernel=2) for _ in range(r.randint(1, 2))]
    m = r.randint(1, 3)
    net, N = network([6], *layers, output(m, bias)), r.randint(2, 5)
    Y = [[Fraction(r.randint(-9, 9), r.randint(1, 3)) for _ in range(m)] for _ in range(N)]
    data = exactcnn.samples(random_rows(r, N, 6, -2, 2), Y)
    return Instance(net, data, Weights.from_seed(net, seed, 8))


def least_change(inst):
    """(||F^+ r||, Phi) at 60 digits, from the definition and mpmath alone."""
    k, net = inst.network.depth - 1, inst.network
    with mpmath.workdps(60):
        F = mpmath.matrix(features_by_mpmath(inst, k))
        entry, Y = inst.weights[k + 1], target_matrix(inst.samples, net.widths[-1])
        W = mpmath.matrix(entry.W.numerators.tolist()) / entry.W.denominator
        r = mpmath.matrix(Y.numerators.tolist()) / Y.denominator - F * W
        for c in range(r.cols if entry.b is not None else 0):
            for i in range(r.rows):
                r[i, c] -= mpmath.mpf(int(entry.b.numerators[c])) / entry.b.denominator
        loss = sum(v * v for v in r) / 2
        if min(mpmath.svd_r(F, compute_uv=False)) < mpmath.mpf(10) ** -30:
            return None, loss
        return mpmath.mnorm(F.T * mpmath.inverse(F * F.T) * r, "f"), loss


def exact(value):
    return mpmath.mpf(value.numerator) / value.denominator


@pytest.mark.parametrize("bias", ["unit", "none"])
@pytest.mark.parametrize("seed", range(25))
def test_distance_is_that_of_the_nearest_interpolation(seed, bias):
    """Never below ||F^+ r||, and above it by rounding only, since all columns are used; certificate accepted."""
    inst = random_instance(seed, bias=bias)
    (finding,) = decide("zero-loss-nearby", inst)
    change, loss = least_change(inst)
    if change is None:
        assert finding.verdict == "undecided"
        return
    assert finding.verdict == "proved"
    found = finding.evidence
    assert exact(found.loss[0]) <= loss <= exact(found.loss[1])
    assert change <= exact(found.distance) <= change * (1 + mpmath.mpf(10) ** -5) + mpmath.mpf(10) ** -12
    assert found.from_gradient >= float(loss) * (1 - 1e-12)
    verdict = check_certificate(make_certificate(inst, [finding]))
    assert verdict.outcome == "VERIFIED", verdict


@pytest.mark.parametrize("seed", range(10))
def test_float_route(seed, monkeypatch):
    """||r|| / sigma_min is above the true distance, the loss enclosed; the certificate holds the rank only."""
    inst = random_instance(seed, ("sigmoid", "relu", "elu", "square"))
    change, loss = least_change(inst)
    monkeypatch.setattr(nearby, "_MOST_SAMPLES", 0)
    (finding,) = decide("zero-loss-nearby", inst)
    if finding.verdict == "undecided":
        assert change is None
        return
    assert "float64" in finding.reason
    assert finding.summary["loss"][0] <= float(loss) * (1 + 1e-9)
    assert finding.summary["loss"][1] >= float(loss) * (1 - 1e-9)
    assert finding.summary["distance"] >= float(change) * (1 - 1e-9)
    if finding.evidence is not None:
        certificate = make_certificate(inst, [finding])
        assert certificate["claims"][0]["statement"] == "rank"
        assert check_certificate(certificate).outcome == "VERIFIED"


def test_trained_float32_weights(tmp_path):
    """Least squares in float32, saved as npz: the loss is tiny, the exact minimum closer than 1e-4."""
    net = network([1, 8, 8], conv(4, "sigmoid", kernel=3), output(10))
    data = exactcnn.load_data("digits", samples=40)
    first = Weights.from_seed(net, 0, 8)[1]
    W1 = (first.W.numerators / first.W.denominator / 8).astype(np.float32)
    b1 = (first.b.numerators / first.b.denominator).astype(np.float32)
    gathered = net.layer(1).patches.gather(data.x.numerators.astype(np.float64))
    F = 1 / (1 + np.exp(-((gathered @ W1).reshape(40, -1) + b1)))
    W2 = np.linalg.lstsq(F, np.eye(10)[data.targets.numerators] - 0.1, rcond=None)[0]
    np.savez(tmp_path / "w.npz", W1=W1, b1=b1, W2=W2.astype(np.float32), b2=np.full(10, 0.1, np.float32))
    inst = Instance(net, data, Weights.from_file(net, tmp_path / "w.npz"))
    (finding,) = decide("zero-loss-nearby", inst)
    assert finding.verdict == "proved"
    assert finding.summary["distance"] < 1e-4
    assert 0 < finding.summary["loss"][1] < 1e-8
    assert finding.summary["loss"][1] <= finding.summary["loss_bound_from_gradient"]
    assert check_certificate(make_certificate(inst, [finding])).outcome == "VERIFIED"


def test_already_at_the_minimum():
    """Interpolating weights of corollary 3.6 put back: loss 0 and a distance of rounding only."""
    net = network([4], conv(3, "relu", kernel=2), output(2))
    inst = Instance(
        net, exactcnn.samples(random_rows(rng(2), 5, 4), [0, 1, 1, 0, 1]), Weights.from_seed(net, 0, 8)
    )
    (corollary,) = decide("corollary-3.6", inst)
    (finding,) = decide("zero-loss-nearby", Instance(net, inst.samples, corollary.evidence.weights_found))
    assert finding.summary["loss"][1] < 1e-12
    assert finding.summary["distance"] < 1e-12


def test_clashing_targets_are_refuted():
    net = network([2], conv(3, "sigmoid", kernel=1), output(1))
    rows = [[1, 2], [0, 1], [1, 2]]
    weights = Weights.from_seed(net, 0, 8)
    (finding,) = decide("zero-loss-nearby", Instance(net, exactcnn.samples(rows, [1, 2, 3]), weights))
    assert (finding.verdict, finding.summary["samples"]) == ("refuted", [0, 2])
    (finding,) = decide("zero-loss-nearby", Instance(net, exactcnn.samples(rows, [1, 2, 1]), weights))
    assert finding.verdict == "undecided"


def planted():
    yield "too narrow", network([2], {"kind": "dense", "units": 2, "activation": "sigmoid"}, output(1)), None
    yield (
        "affine features of rank 3",
        network([2], {"kind": "dense", "units": 9, "activation": "identity"}, output(1)),
        None,
    )
    yield "no dense output", network([2], conv(9, "sigmoid", kernel=2)), None
    yield (
        "targets of another width",
        network([2], conv(9, "sigmoid", kernel=2), output(2)),
        [[1], [2], [3], [4], [5]],
    )


@pytest.mark.parametrize("why, net, y", list(planted()), ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("small", [True, False])
def test_never_proved(why, net, y, small, monkeypatch):
    if not small:
        monkeypatch.setattr(nearby, "_MOST_SAMPLES", 0)
    data = exactcnn.samples([[0, 1], [1, 0], [2, 5], [3, 3], [1, 7]], y or [1, 0, 0, 1, 0])
    (finding,) = decide("zero-loss-nearby", Instance(net, data, Weights.from_seed(net, 0, 8)))
    assert finding.verdict == "undecided"


def _base():
    inst = random_instance(3, ("sigmoid",))
    return make_certificate(inst, decide("zero-loss-nearby", inst))


def _instance_changed(certificate, change):
    change(certificate["instance"])
    for key in ("data", "weights", "network"):
        certificate["digests"][key] = digest(certificate["instance"][key])
    certificate["digests"]["instance"] = digest(certificate["instance"])


def smaller(text, factor=Fraction(999999, 1000000)):
    value = Fraction(text) * factor
    value = Fraction(int(value * 2**80), 2**80)
    return str(value)


def _forgeries():
    yield "a smaller distance", lambda c: c.update(distance=smaller(c["distance"])), "REJECTED"
    yield "a negative distance", lambda c: c.update(distance="-" + c["distance"]), "REJECTED"
    yield "distance 0", lambda c: c.update(distance=0), "REJECTED"
    yield "a smaller loss", lambda c: c["loss"].__setitem__(1, smaller(c["loss"][1])), "REJECTED"
    yield "a larger loss", lambda c: c["loss"].__setitem__(0, c["loss"][1]), "REJECTED"
    yield "other targets", lambda c: c["targets"]["rows"][0].__setitem__(0, 99), "REJECTED"
    yield "other scale of targets", lambda c: c["targets"].update(denominator=1), "REJECTED"
    yield "a target row less", lambda c: c["targets"]["rows"].pop(), "REJECTED"
    yield "a longer target row", lambda c: c["targets"]["rows"][0].append(1), "REJECTED"
    yield "an inverse of zeros", lambda c: _zero(c["evidence"]["inverse"]), "REJECTED"
    yield "the inverse turned over", lambda c: c["evidence"]["inverse"].reverse(), "REJECTED"
    yield "another scale", lambda c: c["evidence"].update(scale=c["evidence"]["scale"] + 1), "REJECTED"
    yield "a column twice", lambda c: c["evidence"]["columns"].__setitem__(1, 0), "REJECTED"
    yield "a column out of range", lambda c: c["evidence"]["columns"].__setitem__(-1, 999), "REJECTED"
    yield "a row of the inverse less", lambda c: c["evidence"]["inverse"].pop(), "REJECTED"
    yield "few places", lambda c: c["evidence"].update(precision=16), "REJECTED"
    yield "another layer", lambda c: c.update(layer=c["layer"] + 1), "REJECTED"
    yield "another number of samples", lambda c: c.update(samples=c["samples"] + 1), "REJECTED"
    yield "refuted", lambda c: c.update(verdict="refuted"), "MALFORMED"
    yield "an unknown key", lambda c: c.update(gradient=1), "MALFORMED"
    yield "no targets", lambda c: c.pop("targets"), "MALFORMED"
    yield "a float", lambda c: c.update(distance=0.5), "MALFORMED"
    yield "as a part", lambda c: c.update(statement="corollary-3.6"), "MALFORMED"


def _zero(rows):
    for row in rows:
        row[:] = [0] * len(row)


@pytest.mark.parametrize(
    "attack, change, outcome", list(_forgeries()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_forged(attack, change, outcome):
    certificate = _base()
    assert check_certificate(certificate).outcome == "VERIFIED"
    forged = copy.deepcopy(certificate)
    change(forged["claims"][0])
    assert check_certificate(forged).outcome == outcome


@pytest.mark.parametrize("part", ["weights", "data", "output", "activation"])
def test_another_instance(part):
    """The proof of one instance does not pass for another."""

    def change(record):
        if part == "data":
            record["data"]["rows"][0][0] = 77
        elif part == "weights":
            record["weights"]["seed"] = 12345
        elif part == "activation":
            record["network"]["layers"][0]["activation"] = {"name": "tanh"}
        else:
            record["network"]["layers"][-1]["activation"] = {"name": "tanh"}

    certificate = _base()
    _instance_changed(certificate, change)
    assert check_certificate(certificate).outcome == "REJECTED"


def test_equal_samples_cannot_be_forged():
    """Two equal samples, equal targets: no right inverse exists and none is accepted."""
    certificate = _base()
    _instance_changed(certificate, lambda r: r["data"]["rows"].__setitem__(1, r["data"]["rows"][0]))
    certificate["claims"][0]["distance"] = 10**9
    certificate["claims"][0]["loss"] = [0, 10**9]
    assert check_certificate(certificate).outcome == "REJECTED"
