"""Theorem 3.4: explicit parameters where they exist, refutations that name what fails, forgeries."""

import pytest
import sympy

import exactcnn
from exactcnn.features.construction import construct_weights
from exactcnn.features.instance import Instance
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.features.test_exact_features import by_definition
from tests.statements.instances import (
    added,
    certified,
    conv,
    given,
    instance,
    judgment,
    network,
    numbers,
    outcome,
    random_rows,
    rng,
    without,
)

DENSE = {"kind": "dense"}


def decided(inst, layer=None):
    """The finding; unless undecided its certificate is accepted."""
    (finding,) = decide("theorem-3.4", inst, layer)
    if finding.verdict != "undecided":
        certified(inst, finding)
    return finding


def pooled(top="relu", bias="unit"):
    return network(
        [1, 6, 6],
        conv(3, "relu", kernel=2, bias=bias),
        {"kind": "maxpool", "kernel": 2, "stride": 1},
        conv(4, {"name": "leaky_relu", "slope": "1/5"}, kernel=2),
        conv(2, top, kernel=2),
    )


@pytest.mark.parametrize("top", ["relu", "leaky_relu", "sigmoid", "softplus", "gelu", "gaussian", "silu"])
def test_exactly_wide_networks_with_pooling(top):
    """n_k = N: random ReLU weights fail (dead units), the construction does not."""
    net = pooled(top)
    N = net.widths[4]
    inst = Instance(net, exactcnn.samples(random_rows(rng(3), N, 36, -9, 9)))
    finding = decided(inst, 4)
    assert finding.verdict == "proved"
    if top in ("relu", "softplus", "gelu"):
        assert "constructed" in finding.summary["route"]


def test_constructed_features_are_triangular_over_the_rationals():
    """By definition, in Fractions: some order of samples and units is triangular with ones on the diagonal."""
    net = network([4], conv(2, "relu", kernel=2), {**DENSE, "units": 6, "activation": "relu"})
    inst = Instance(net, exactcnn.samples(random_rows(rng(1), 6, 4)))
    weights = construct_weights(inst, 2)
    F = by_definition(Instance(net, inst.samples, weights), 2)
    assert sympy.Matrix(F).rank() == 6
    ones = [(i, j) for i in range(6) for j in range(6) if F[i][j] == 1]
    assert len(ones) >= 6


def test_saved_weights_come_back(tmp_path):
    """What is constructed can be written, read and verified: rank and every U_l."""
    net = pooled()
    inst = Instance(net, exactcnn.samples(random_rows(rng(3), net.widths[4], 36, -9, 9)))
    (finding,) = decide("theorem-3.4", inst, 4)
    path = tmp_path / "weights.json"
    finding.evidence.weights.save(path)
    again = Instance(net, inst.samples, Weights.from_file(net, path))
    assert decide("rank", again, 4)[0].verdict == "proved"
    assert all(f.verdict == "proved" for f in decide("lifted-rank", again))


def test_width_and_duplicates_refute():
    net = network([4], conv(1, "relu", kernel=2), {**DENSE, "units": 3, "activation": "relu"})
    rows = random_rows(rng(0), 4, 4)
    assert decided(instance(net, rows), 2).summary["route"] == "width"
    wide = network([4], {**DENSE, "units": 9, "activation": "sigmoid"})
    assert decided(instance(wide, [*rows, rows[0]]), 1).summary["route"] == "distinct-samples"


def test_the_layer_without_full_rank_is_named():
    """Two 3x3 filters on 5x5 images: U_1 has rank 17 of 18 at most, whatever the data (theory 3.1)."""
    net = network([1, 5, 5], conv(2, "sigmoid", kernel=3))
    finding = decided(instance(net, random_rows(rng(0), 6, 25)), 1)
    assert (finding.verdict, finding.summary["route"]) == ("refuted", "assumption-2.4")
    assert "U_1 (25 x 18)" in finding.reason


def _too_many():
    net = network(
        [3], {**DENSE, "units": 4, "activation": "sigmoid"}, {**DENSE, "units": 720, "activation": "sigmoid"}
    )
    inst = Instance(net, exactcnn.samples([[n, n * n, n % 7] for n in range(701)]))
    return inst, decide("theorem-3.4", inst, 2)[0]


def test_existence_without_explicit_parameters():
    """Too many samples for exact ranks of a deep sigmoid net: almost every parameter will do."""
    _, finding = _too_many()
    assert (finding.verdict, finding.summary["route"]) == ("proved", "almost every parameter")


def test_existence_without_explicit_parameters_is_certified():
    certified(*_too_many())


def test_polynomial_activation_is_never_proved():
    """Squares of two inputs span six dimensions: no parameters give rank 7."""
    net = network([2], {**DENSE, "units": 9, "activation": "square"})
    inst = instance(net, random_rows(rng(2), 7, 2))
    assert decided(inst, 1).verdict == "undecided"
    assert decided(instance(net, random_rows(rng(2), 6, 2)), 1).verdict == "proved"


def _base():
    net = network([4], conv(2, "relu", kernel=2), {**DENSE, "units": 6, "activation": "relu"})
    inst = Instance(net, exactcnn.samples(random_rows(rng(1), 6, 4)))
    return certified(inst, *decide("theorem-3.4", inst, 2))


def _lifted(node):
    """The change that leaves U of a node out."""

    def change(c):
        by = c["claims"][0]["by"]
        by[:] = [
            n
            for n in by
            if c["judgments"][n]["of"] != {"matrix": "lifted", "node": node, "weights": "constructed"}
        ]

    return change


def _forgeries():
    def claim(**fields):
        return lambda c: c["claims"][0].update(fields)

    def smaller(matrix):
        def change(c):
            for n in numbers(c, "minor-mod-p", matrix)[:1]:
                c["judgments"][n]["rows"].pop()
                c["judgments"][n]["columns"].pop()

        return change

    def zero(node):
        def change(c):
            rows = c["instance"]["weights"]["constructed"]["nodes"][node]["W"]["rows"]
            for row in rows:
                row[:] = [0] * len(row)

        return change

    def other(c):
        """U_2 is that of other weights."""
        c["instance"]["weights"]["seed-3"] = {"kind": "seed", "seed": 3, "bits": 61}
        c["judgments"][numbers(c, "minor-mod-p", "lifted")[1]]["of"]["weights"] = "seed-3"

    def seeded(c):
        other(c)
        judgment(c, "minor-mod-p", "features")["of"]["weights"] = "seed-3"

    yield "the weights are set to 0", zero(1)
    yield "W_1 is set to 0", zero(0)
    yield "the rank is missing", lambda c: without(c, "minor-mod-p", "features")
    yield "U_1 is missing", _lifted(1)
    yield "U_2 is missing", _lifted(3)
    yield "only U_2, twice", claim(by=[2, 2])
    yield "the rank of another layer", lambda c: judgment(c, "minor-mod-p", "features")["of"].update(node=2)
    yield (
        "the rank of the pre-activations",
        lambda c: judgment(c, "minor-mod-p", "features")["of"].update(node=3),
    )
    yield "undecided", claim(verdict="undecided")
    yield "refuted by what proves it", claim(verdict="refuted")
    yield "another layer", claim(node=2)
    yield "the affine part of the layer", claim(node=3)
    yield "the input", claim(node=0)
    yield "a sample less in the minor", smaller("features")
    yield "U_1 is of rank 3", smaller("lifted")
    yield "U_2 at other weights", other
    yield "rank and U_2 at other weights", seeded
    yield "the instance's weights instead", claim(weights="given")
    yield "no weights: almost every parameter", claim(weights=None)
    yield (
        "a sample twice",
        lambda c: c["instance"]["data"]["rows"].__setitem__(0, c["instance"]["data"]["rows"][1]),
    )


@pytest.mark.parametrize("attack, change", list(_forgeries()), ids=lambda v: v if isinstance(v, str) else "")
def test_forged_certificates_are_rejected(attack, change):
    assert outcome(_base(), change) == "REJECTED"


@pytest.mark.parametrize("statement", ["theorem-3.4", "lemma-4.2", "theorem-3.5", "rank"])
def test_no_claim_is_a_reason(statement):
    """Claims rest on judgments alone: a certificate cannot be its own reason."""
    certificate = _base()
    claim = certificate["claims"][0]
    assert outcome(certificate, lambda c: added(c, {**claim, "kind": statement})) == "MALFORMED"
    assert outcome(certificate, lambda c: c["claims"][0].update(by=[0, 1, 2, 3])) == "REJECTED"
    assert outcome(certificate, lambda c: c["claims"][0].update(by=[])) == "MALFORMED"
    assert outcome(certificate, lambda c: c["claims"][0].update(by=[-1])) == "MALFORMED"


def test_a_dead_box_does_not_refute_existence():
    """Theorem 3.5 fails for ReLU on a box; existence is another matter and the box must not pass for it."""
    net = network([2], {**DENSE, "units": 5, "activation": "relu"})
    inst = instance(net, [[1, 2], [3, 1], [2, 2]])
    certificate = certified(inst, *decide("theorem-3.5", inst))
    assert (certificate["claims"][0]["verdict"], certificate["judgments"][0]["kind"]) == ("refuted", "dead")
    as_existence = {"statement": "theorem-3.4", "weights": None}
    assert outcome(certificate, lambda c: c["claims"][0].update(as_existence)) == "REJECTED"
    assert outcome(certificate, lambda c: c["claims"][0].update(as_existence, verdict="proved")) == "REJECTED"
    rank = {"statement": "rank", "weights": None, "lower": 0, "upper": 1}
    assert outcome(certificate, lambda c: c["claims"][0].update(rank)) == "REJECTED"


def test_lifted_rank_deficient_at_given_weights():
    """Equal filters: U has half its rank, with kernel vectors, and a certificate; forged ones are rejected."""
    net = network([4], conv(2, "relu", kernel=2, bias="none"))
    inst = instance(net, [[1, 2, 3, 4]], given(net, ([[1, 1], [2, 2]], None)))
    (finding,) = decide("lifted-rank", inst)
    assert (finding.verdict, finding.summary["lower"], finding.summary["upper"]) == ("refuted", 3, 3)
    certificate = certified(inst, finding)

    def weight(c):
        c["instance"]["weights"]["given"]["nodes"][0]["W"]["rows"][0][0] = 5

    def seeded(kind):
        def change(c):
            c["instance"]["weights"]["seed-0"] = {"kind": "seed", "seed": 0, "bits": 61}
            judgment(c, kind)["of"]["weights"] = "seed-0"

        return change

    def generic(statement):
        def change(c):
            c["claims"][0]["statement"] = statement
            c["claims"][0].pop("weights")

        return change

    def larger(c):
        c["claims"][0].update(lower=4, upper=4, verdict="proved")

    def smaller(c):
        c["claims"][0].update(lower=2)

    def kernel(change):
        return lambda c: change(judgment(c, "kernel"))

    assert outcome(certificate, weight) == "REJECTED"
    assert outcome(certificate, seeded("minor-mod-p")) == "REJECTED"
    assert outcome(certificate, seeded("kernel")) == "REJECTED"
    assert outcome(certificate, generic("assumption-2.4")) == "REJECTED"
    assert outcome(certificate, generic("lemma-2.5")) == "REJECTED"
    assert outcome(certificate, larger) == "REJECTED"
    assert outcome(certificate, smaller) == "REJECTED"
    assert outcome(certificate, lambda c: without(c, "kernel")) == "REJECTED"
    assert outcome(certificate, lambda c: without(c, "minor-mod-p")) == "REJECTED"
    assert outcome(certificate, kernel(lambda j: j.update(side="right"))) == "REJECTED"
    assert (
        outcome(certificate, kernel(lambda j: j["vectors"][0]["entries"][0].__setitem__(1, 9))) == "REJECTED"
    )
    assert outcome(certificate, kernel(lambda j: j["vectors"].append(j["vectors"][0]))) == "REJECTED"
    assert outcome(certificate, kernel(lambda j: j["vectors"][0].update(pivot=9))) == "REJECTED"
    assert outcome(certificate, kernel(lambda j: j.update(vectors=[]))) in ("REJECTED", "MALFORMED")


@pytest.mark.parametrize("seed", range(30))
def test_lifted_rank_against_sympy(seed):
    """Random small integer filters, many of them deficient: the exact rank, both bounds."""
    r = rng(seed)
    net = network(
        [1, 3, 3], conv(r.randint(1, 4), "relu", kernel=2, padding=r.choice([0, 1])), {**DENSE, "units": 3}
    )
    inst = instance(net, [[0] * 9], given(
        net,
        *[([[r.choice([-1, 0, 0, 1]) for _ in range(layer.filters)] for _ in range(layer.patch_size)],
           [0] * layer.width) for layer in net.layers],
    ))  # fmt: skip
    for layer in (1, 2):
        (finding,) = decide("lifted-rank", inst, layer)
        entry, U = inst.weights[layer].W.numerators, sympy.zeros(net.widths[layer - 1], net.widths[layer])
        for p, patch in enumerate(net.layer(layer).patches.indices.tolist()):
            for place, unit in enumerate(patch):
                for t in range(net.layer(layer).filters):
                    if unit < net.widths[layer - 1]:
                        U[unit, p * net.layer(layer).filters + t] = int(entry[place, t])
        assert finding.summary["lower"] == finding.summary["upper"] == U.rank()
        certified(inst, finding)
