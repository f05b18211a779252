"""An exact minimum with zero loss nearby: distances against mpmath, both routes, forgeries."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

import exactcnn
import exactcnn.landscape.nearby as nearby
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.interpolation import target_matrix
from exactcnn.landscape.least_change import PLACES, left_over, on_grid
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.features.test_balls import features_by_mpmath
from tests.statements.instances import (
    certified,
    conv,
    forged,
    judgment,
    network,
    outcome,
    random_rows,
    rng,
    without,
)


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
    (claim,) = certified(inst, finding)["claims"]
    claimed = Fraction(claim["distance"])
    assert change <= exact(claimed) <= change * (1 + mpmath.mpf(10) ** -5) + mpmath.mpf(10) ** -11


@pytest.mark.parametrize("bias", ["unit", "none"])
@pytest.mark.parametrize("seed", range(20))
def test_float_route(seed, bias, monkeypatch):
    """The distance is above the least one, by what floats leave over; a certificate without an inverse is accepted."""
    inst = random_instance(seed, ("sigmoid", "relu", "elu", "square"), bias)
    change, loss = least_change(inst)
    monkeypatch.setattr(nearby, "_MOST_SAMPLES", 0)
    (finding,) = decide("zero-loss-nearby", inst)
    if finding.verdict == "undecided":
        assert change is None
        return
    assert "float64" in finding.reason
    found = finding.evidence
    assert exact(found.loss[0]) <= loss <= exact(found.loss[1])
    sigma = finding.summary["sigma_min"][0]
    slack = mpmath.mpf(10) ** -9 / min(1, sigma) ** 2
    assert change <= exact(found.distance) <= change * (1 + mpmath.mpf(10) ** -5) + slack
    certificate = certified(inst, finding)
    assert [part["kind"] for part in certificate["judgments"]] == [
        "minor-enclosed",
        "correction",
        "loss-enclosed",
    ]
    claimed = exact(Fraction(certificate["claims"][0]["distance"]))
    assert change <= claimed <= change * mpmath.mpf("1.01") + 10**6 * slack
    for kind in ("minor-enclosed", "correction"):
        assert outcome(certificate, lambda c, kind=kind: without(c, kind)) == "REJECTED"
    if change > 10**-3:
        assert (
            outcome(
                certificate,
                lambda c: c["claims"][0].update(
                    distance=smaller(c["claims"][0]["distance"], Fraction(98, 100))
                ),
            )
            == "REJECTED"
        )


def test_a_change_that_is_not_exact_on_its_grid_is_none():
    D = on_grid(np.array([[1 / 3, -(2.0**-70)], [2.0**60 + 1, 5.0]]))
    assert D[0, 1] == 0
    assert all(Fraction(v) * 2**PLACES == int(Fraction(v) * 2**PLACES) for v in D.ravel())
    with pytest.raises(UndecidedError):
        on_grid(np.array([[np.nan]]))


def test_what_a_change_leaves_over_is_enclosed():
    """For any D whatever: against Fractions, with radii of F and r used up to their ends."""
    generator = np.random.default_rng(0)
    for _ in range(30):
        N, n, m = generator.integers(1, 6, 3)
        F, r, D = (generator.standard_normal(shape) for shape in ((N, n), (N, m), (n, m)))
        wide = [Enclosure(part, np.abs(part) * generator.choice([0.0, 1e-9, 1e-2])) for part in (F, r)]
        true = [part.mid + part.rad * generator.choice([-0.9, 0.9], part.mid.shape) for part in wide]
        rows = [[Fraction(true[1][i, c]) - sum(Fraction(true[0][i, h]) * Fraction(D[h, c]) for h in range(n))
                 for c in range(m)] for i in range(N)]  # fmt: skip
        assert sum(v * v for row in rows for v in row) <= left_over(*wide, D)[1] ** 2


def test_few_solutions_where_features_are_rational(monkeypatch):
    """What is left over is then taken in integers, so that bits are cheap: at most 16 solutions, a distance as sharp as the floats'."""
    monkeypatch.setattr(nearby, "_MOST_SAMPLES", 0)
    net, data = (
        network([1, 8, 8], conv(4, "relu", kernel=3), output(10)),
        exactcnn.load_data("digits", samples=60),
    )
    inst = Instance(net, data, Weights.from_seed(net, 0, 8))
    (finding,) = decide("zero-loss-nearby", inst)
    certificate = certified(inst, finding)
    assert len(judgment(certificate, "minor-enclosed")["solutions"]["vectors"]) <= 16
    claimed = Fraction(certificate["claims"][0]["distance"])
    assert finding.evidence.distance <= claimed <= finding.evidence.distance * Fraction(101, 100)
    assert (
        outcome(
            certificate, lambda c: judgment(c, "correction")["change"]["rows"][0].__setitem__(0, str(2**70))
        )
        == "REJECTED"
    )
    assert (
        outcome(certificate, lambda c: judgment(c, "minor-enclosed")["solutions"].update(bits=30))
        == "REJECTED"
    )


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
    certified(inst, finding)


def test_already_at_the_minimum():
    """Interpolating weights of corollary 3.6 put back: loss 0 and a distance of rounding only."""
    net = network([4], conv(3, "relu", kernel=2), output(2))
    inst = Instance(
        net, exactcnn.samples(random_rows(rng(2), 5, 4), [0, 1, 1, 0, 1]), Weights.from_seed(net, 0, 8)
    )
    (corollary,) = decide("corollary-3.6", inst)
    (finding,) = decide("zero-loss-nearby", Instance(net, inst.samples, corollary.exhibited))
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
    return certified(inst, *decide("zero-loss-nearby", inst))


def smaller(text, factor=Fraction(999999, 1000000)):
    value = Fraction(text) * factor
    value = Fraction(int(value * 2**80), 2**80)
    return str(value)


def _forgeries():
    def claim(**fields):
        return lambda c: c["claims"][0].update(fields)

    def of(kind, change):
        return lambda c: change(judgment(c, kind))

    def solutions(change):
        return of("minor-enclosed", lambda j: change(j["solutions"]))

    def bounds(change):
        return of("loss-enclosed", lambda j: change(j["bounds"]))

    def table(change):
        return of("correction", lambda j: change(j["change"]))

    def targets(change):
        return lambda c: change(c["instance"]["targets"])

    def distance(factor):
        return lambda c: c["claims"][0].update(distance=smaller(c["claims"][0]["distance"], factor))

    # The least change of all is within 1/100000 of the distance.
    yield "a smaller distance", distance(Fraction(9999, 10000)), "REJECTED"
    yield "a distance that is far too small", distance(Fraction(1, 1000)), "REJECTED"
    yield (
        "a negative distance",
        lambda c: c["claims"][0].update(distance="-" + c["claims"][0]["distance"]),
        "REJECTED",
    )
    yield "distance 0", claim(distance=0), "REJECTED"
    yield "a smaller loss", bounds(lambda v: v.__setitem__(1, smaller(v[1]))), "REJECTED"
    yield "a larger loss", bounds(lambda v: v.__setitem__(0, v[1])), "REJECTED"
    yield "an empty loss", bounds(lambda v: v.reverse()), "REJECTED"
    yield "other targets", targets(lambda t: t["rows"][0].__setitem__(0, 99)), "REJECTED"
    yield "other scale of targets", targets(lambda t: t.update(denominator=1)), "REJECTED"
    yield "a target row less", targets(lambda t: t["rows"].pop()), "MALFORMED"
    yield "a longer target row", targets(lambda t: t["rows"][0].append(1)), "MALFORMED"
    yield "no targets", lambda c: c["instance"].update(targets=None), "REJECTED"
    yield (
        "no change of the weights",
        table(lambda m: m.update(rows=[[0] * len(row) for row in m["rows"]])),
        "REJECTED",
    )
    yield "another change", table(lambda m: m.update(denominator=1)), "REJECTED"
    yield "the change turned over", table(lambda m: m["rows"].reverse()), "REJECTED"
    yield "a row of the change less", table(lambda m: m["rows"].pop()), "REJECTED"
    yield "a longer row of the change", table(lambda m: m["rows"][0].append(0)), "REJECTED"
    yield (
        "solutions of zeros",
        solutions(lambda s: s.update(vectors=[[0] * len(x) for x in s["vectors"]])),
        "REJECTED",
    )
    yield "the solutions turned over", solutions(lambda s: s["vectors"].reverse()), "REJECTED"
    yield "another scale", solutions(lambda s: s.update(scale=s["scale"] + 1)), "REJECTED"
    yield "fewer bits: other right-hand sides", solutions(lambda s: s.update(bits=s["bits"] - 1)), "REJECTED"
    yield "a solution less", solutions(lambda s: s["vectors"].pop()), "REJECTED"
    yield "a shorter solution", solutions(lambda s: s["vectors"][0].pop()), "REJECTED"
    yield "no solutions, hence no sigma", of("minor-enclosed", lambda j: j.update(solutions=None)), "REJECTED"
    yield "a column twice", of("minor-enclosed", lambda j: j["columns"].__setitem__(1, 0)), "REJECTED"
    yield (
        "a column out of range",
        of("minor-enclosed", lambda j: j["columns"].__setitem__(-1, 999)),
        "REJECTED",
    )
    yield "few places for sigma", of("minor-enclosed", lambda j: j.update(precision=16)), "REJECTED"
    yield "few places for the change", of("correction", lambda j: j.update(precision=16)), "REJECTED"
    yield "few places for the loss", of("loss-enclosed", lambda j: j.update(precision=16)), "REJECTED"
    yield "another layer", lambda c: c["claims"][0].update(node=c["claims"][0]["node"] + 1), "REJECTED"
    yield (
        "the affine part of the layer",
        lambda c: c["claims"][0].update(node=c["claims"][0]["node"] - 1),
        "REJECTED",
    )
    yield "sigma left out", lambda c: without(c, "minor-enclosed"), "REJECTED"
    yield "the change left out", lambda c: without(c, "correction"), "REJECTED"
    yield "refuted", claim(verdict="refuted"), "REJECTED"
    yield "other weights", claim(weights="other"), "REJECTED"
    yield "an unknown key", claim(gradient=1), "MALFORMED"
    yield "a float", claim(distance=0.5), "MALFORMED"
    yield "as another statement", claim(statement="corollary-3.6"), "MALFORMED"


@pytest.mark.parametrize(
    "attack, change, expected", list(_forgeries()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_forged(attack, change, expected):
    assert outcome(_base(), change) == expected


@pytest.mark.parametrize("part", ["weights", "data", "output", "activation"])
def test_another_instance(part):
    """The proof of one instance does not pass for another."""

    def change(c):
        record = c["instance"]
        nodes = record["network"]["nodes"]
        if part == "data":
            record["data"]["rows"][0][0] = 77
        elif part == "weights":
            record["weights"]["given"]["seed"] = 12345
        elif part == "activation":
            nodes[1]["activation"] = {"name": "tanh"}
        else:
            nodes.append({"kind": "activation", "of": [len(nodes)], "activation": {"name": "tanh"}})

    assert outcome(_base(), change) == "REJECTED"


def test_a_change_belongs_to_its_targets():
    """Solutions made anew for other targets, the change and the distance of the first ones: the residual tells."""
    inst = random_instance(3, ("sigmoid",))
    Y = [[v + Fraction(1, 10) for v in row] for row in inst.samples.targets.to_fractions()]
    other = Instance(inst.network, exactcnn.samples(inst.samples.x.to_fractions(), Y), inst.weights)
    certificate = certified(other, *decide("zero-loss-nearby", other))
    first = _base()

    def change(c):
        judgment(c, "correction")["change"] = judgment(first, "correction")["change"]
        c["claims"][0]["distance"] = first["claims"][0]["distance"]

    found = forged(certificate, change)
    assert (found.outcome, found.reason.split(":")[0]) == ("REJECTED", "claims[0]")
    found = forged(
        certificate, lambda c: judgment(c, "loss-enclosed").update(judgment(first, "loss-enclosed"))
    )
    assert (found.outcome, found.reason.split(":")[0]) == ("REJECTED", "judgments[2].bounds")


def test_equal_samples_cannot_be_forged():
    """Two equal samples, equal targets: sigma_min is 0 and no bound of it is accepted."""

    def change(c):
        for part in ("data", "targets"):
            rows = c["instance"][part]["rows"]
            rows[1] = rows[0]
        c["claims"][0]["distance"] = 10**9
        judgment(c, "loss-enclosed")["bounds"] = [0, 10**9]

    assert outcome(_base(), change) == "REJECTED"
    for solutions in ([[0] * 5] * 7, [[10**9, -(10**9), 0, 0, 0]] * 7):
        assert outcome(_base(), lambda c, x=solutions: (
            change(c), judgment(c, "minor-enclosed")["solutions"].update(vectors=x))) == "REJECTED"  # fmt: skip
