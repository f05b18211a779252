"""Theorem 3.4: explicit parameters where they exist, refutations that name what fails, forgeries."""

import copy

import pytest
import sympy

import exactcnn
from exactcnn.certificates import digest, make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.construction import construct_weights
from exactcnn.features.instance import Instance
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.features.test_exact_features import by_definition
from tests.statements.instances import conv, given, instance, network, random_rows, rng

DENSE = {"kind": "dense"}


def decided(inst, layer=None):
    """The finding; unless undecided its certificate is accepted."""
    (finding,) = decide("theorem-3.4", inst, layer)
    if finding.verdict != "undecided":
        verdict = check_certificate(make_certificate(inst, [finding]))
        assert verdict.outcome == "VERIFIED", verdict
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


def test_existence_without_explicit_parameters():
    """Too many samples for exact ranks of a deep sigmoid net: almost every parameter will do."""
    net = network(
        [3], {**DENSE, "units": 4, "activation": "sigmoid"}, {**DENSE, "units": 720, "activation": "sigmoid"}
    )
    inst = Instance(net, exactcnn.samples([[n, n * n, n % 7] for n in range(701)]))
    finding = decided(inst, 2)
    assert (finding.verdict, finding.summary["route"]) == ("proved", "almost every parameter")


def test_polynomial_activation_is_never_proved():
    """Squares of two inputs span six dimensions: no parameters give rank 7."""
    net = network([2], {**DENSE, "units": 9, "activation": "square"})
    inst = instance(net, random_rows(rng(2), 7, 2))
    assert decided(inst, 1).verdict == "undecided"
    assert decided(instance(net, random_rows(rng(2), 6, 2)), 1).verdict == "proved"


def _base():
    net = network([4], conv(2, "relu", kernel=2), {**DENSE, "units": 6, "activation": "relu"})
    inst = Instance(net, exactcnn.samples(random_rows(rng(1), 6, 4)))
    return make_certificate(inst, decide("theorem-3.4", inst, 2))


def _forgeries():
    yield "the weights are set to 0", lambda c: _zero(c["weights"]["layers"][1]["W"]["rows"])
    yield "the rank part is missing", lambda c: c["parts"].pop(0)
    yield "U_1 is missing", lambda c: c["parts"].pop(1)
    yield "U_2 is missing", lambda c: c["parts"].pop()
    yield "only U_2, twice", lambda c: c.update(parts=[c["parts"][2]] * 3)
    yield "the rank of another layer", lambda c: c["parts"][0].update(layer=1)
    yield "a part is undecided", lambda c: c["parts"][1].update(verdict="undecided")
    yield "refuted by proved parts", lambda c: c.update(verdict="refuted")
    yield "another layer", lambda c: c.update(layer=1, width=6)
    yield "another width", lambda c: c.update(width=7)
    yield "another number of samples", lambda c: c.update(samples=7)
    yield "a part claims one more", lambda c: c["parts"][1].update(lower=5, upper=5)
    yield "the instance's weights instead", lambda c: c.update(weights=None)


def _zero(rows):
    for row in rows:
        row[:] = [0] * len(row)


@pytest.mark.parametrize("attack, change", list(_forgeries()), ids=lambda v: v if isinstance(v, str) else "")
def test_forged_certificates_are_rejected(attack, change):
    certificate = _base()
    assert check_certificate(certificate).outcome == "VERIFIED"
    forged = copy.deepcopy(certificate)
    change(forged["claims"][0])
    assert check_certificate(forged).outcome == "REJECTED"


@pytest.mark.parametrize("statement", ["theorem-3.4", "lemma-4.2", "theorem-3.5"])
def test_parts_cannot_be_composites(statement):
    """Composites do not nest: a certificate cannot be its own reason."""
    certificate = _base()
    part = copy.deepcopy(certificate["claims"][0])
    part["statement"] = statement
    certificate["claims"][0]["parts"].append(part)
    assert check_certificate(certificate).outcome == "MALFORMED"


def test_a_dead_box_does_not_refute_existence():
    """Theorem 3.5 fails for ReLU on a box; existence is another matter and the box must not pass for it."""
    net = network([2], {**DENSE, "units": 5, "activation": "relu"})
    inst = instance(net, [[1, 2], [3, 1], [2, 2]])
    certificate = make_certificate(inst, decide("theorem-3.5", inst))
    box = certificate["claims"][0]
    assert (box["verdict"], box["evidence"]["kind"]) == ("refuted", "dead-layer")
    forged = {key: box[key] for key in ("verdict", "layer", "samples", "width")}
    certificate["claims"] = [{**forged, "statement": "theorem-3.4", "weights": None, "parts": [box]}]
    assert check_certificate(certificate).outcome == "REJECTED"


def test_lifted_rank_deficient_at_given_weights():
    """Equal filters: U has half its rank, with kernel vectors, and a certificate; forged ones are rejected."""
    net = network([4], conv(2, "relu", kernel=2, bias="none"))
    inst = instance(net, [[1, 2, 3, 4]], given(net, ([[1, 1], [2, 2]], None)))
    (finding,) = decide("lifted-rank", inst)
    assert (finding.verdict, finding.summary["lower"], finding.summary["upper"]) == ("refuted", 3, 3)
    certificate = make_certificate(inst, [finding])
    assert check_certificate(certificate).outcome == "VERIFIED"
    forged = copy.deepcopy(certificate)
    forged["instance"]["weights"]["layers"][0]["W"]["rows"][0][0] = 5
    forged["digests"]["weights"] = digest(forged["instance"]["weights"])
    forged["digests"]["instance"] = digest(forged["instance"])
    assert check_certificate(forged).outcome == "REJECTED"
    with_filters = copy.deepcopy(certificate)
    with_filters["claims"][0]["evidence"]["lower"]["filters"] = {"kind": "seed", "seed": 0}
    assert check_certificate(with_filters).outcome == "REJECTED"
    generic = copy.deepcopy(certificate)
    generic["claims"][0].update(statement="assumption-2.4")
    assert check_certificate(generic).outcome in ("REJECTED", "MALFORMED")


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
        certificate = make_certificate(inst, [finding])
        assert check_certificate(certificate).outcome == "VERIFIED"
