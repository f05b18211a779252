"""Mechanical tampering: whatever is changed, the checker never verifies a false claim.

Every leaf of several certificates is replaced, removed, swapped or extended, with the
digests left alone and with the digests recomputed as a forger would.  Where the checker
still says VERIFIED the claim is decided afresh by the prover (which shares no code with the
checker) from the tampered instance, and must be true.
"""

import copy
import json
import random
from fractions import Fraction

import pytest

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates import digest, make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide
from tests.statements.instances import conv, given, instance, network, random_rows, rng

AT_POINT = {"theorem-4.4", "theorem-4.5", "corollary-4.6", "extension-c", "zero-loss-exists"}
OUTCOMES = {"VERIFIED", "REJECTED", "MALFORMED", "NOT CHECKED"}


def certificate(inst, *statements, layer=None):
    return make_certificate(inst, [f for name in statements for f in decide(name, inst, layer)])


def _bases():
    r = rng(4)
    rows = random_rows(r, 4, 4, 0, 9)
    net = network([4], conv(3, "sigmoid", kernel=2), {"kind": "dense", "units": 2})
    yield "sigmoid full rank", certificate(instance(net, rows, bits=4), "rank", "assumption-3.1")
    yield "sigmoid duplicates", certificate(instance(net, [*rows, rows[0]], bits=4), "rank")
    relu = network([4], conv(3, "relu", kernel=2), {"kind": "maxpool", "kernel": 2, "stride": 1},
                   {"kind": "dense", "units": 5, "activation": "leaky_relu"})  # fmt: skip
    W = random_rows(r, 2, 3), [r.randint(0, 9) for _ in range(9)]
    dense = random_rows(r, 6, 5), [r.randint(-9, 9) for _ in range(5)]
    deep = instance(relu, rows, given(relu, W, None, dense))
    yield "deep relu", certificate(deep, "rank", "structure", layer=3)
    square = network([1], {"kind": "dense", "units": 5, "activation": "square"})
    yield "left kernel", certificate(instance(square, [[1], [2], [3], [5]], bits=3), "rank")
    tall = network([2], {"kind": "dense", "units": 2, "activation": "tanh"})
    yield "width", certificate(instance(tall, random_rows(r, 3, 2), bits=3), "rank")
    patches = network([4], conv(1, "relu", patches=[[0, 1], [2, 3], [0, 2], [1, 3]]))
    yield "polynomial kernel", certificate(Instance(patches), "assumption-2.4", "structure")
    plane = network([1, 5, 5], conv(2, "softplus", kernel=3), {"kind": "dense", "units": 2})
    yield "determinantal", certificate(Instance(plane), "assumption-2.4", "assumption-3.2")
    images = Instance(plane, exactcnn.samples([[0] * 25, [1] * 24 + [0]]))
    yield "assumptions", certificate(images, "assumption-3.1", "assumption-3.2", "assumption-4.1")
    strided = network([5], conv(1, "elu", kernel=1, stride=2))
    yield "cover", certificate(Instance(strided), "assumption-2.4", "structure", "assumption-3.2")


def _almost_everywhere_bases():
    r = rng(9)
    rows = random_rows(r, 3, 4, 0, 9)
    dense = {"kind": "dense"}
    gelu = network([4], conv(2, "gelu", kernel=2))
    yield "verified inverse", certificate(instance(gelu, rows, bits=3), "rank")
    nested = network([4], conv(1, "tanh", kernel=2), {**dense, "units": 3, "activation": "sigmoid"})
    yield "nested", certificate(Instance(nested, exactcnn.samples(rows)), "theorem-3.5", layer=2)
    peeled = Instance(gelu, exactcnn.samples(rows))
    yield "triangular", certificate(peeled, "theorem-3.5")
    relu = network([4], conv(2, "relu", kernel=2), {**dense, "units": 3, "activation": "relu"})
    box = instance(relu, rows, bits=3)
    yield "dead layer", certificate(box, "theorem-3.5", layer=2)
    yield "theorem-3.4", certificate(Instance(relu, box.samples), "theorem-3.4", layer=2)
    yield "lifted-rank", certificate(box, "lifted-rank", layer=1)
    pools = network([5], conv(2, "tanh", kernel=2), {"kind": "maxpool", "kernel": 2, "stride": 1},
                    {**dense, "units": 3, "activation": "sigmoid"})  # fmt: skip
    apart = exactcnn.samples([[1, 2, 3, 4, 5], [7, 8, 6, 9, 0], [2, 9, 1, 3, 7]])
    yield "general position", certificate(Instance(pools, apart), "extension-a", layer=3)
    shared = network([3], conv(2, "softplus", kernel=2, bias="filter"))
    yield "extension-b", certificate(Instance(shared, exactcnn.samples(random_rows(r, 2, 3))), "extension-b")
    high = network([4], conv(2, "sigmoid", kernel=2), conv(1, "relu", kernel=1), conv(2, "relu", kernel=2))
    yield "lemma-4.2", certificate(Instance(high, exactcnn.samples(rows)), "lemma-4.2", layer=1)


def _landscape_bases():
    dense = {"kind": "dense"}
    net = network([2], conv(1, "relu", kernel=1), {"kind": "maxpool", "kernel": 2}, {**dense, "units": 1})
    samples = exactcnn.samples([[1, 2], [3, -1]], [[1], [0]])
    moved = Instance(net, samples, given(net, ([[1]], [0, 1]), None, ([[2]], [1])))
    yield "non-zero partial", certificate(moved, "critical-point", "loss")
    flat = Instance(net, samples, given(net, ([[1]], [0, 1]), None, ([[0]], [Fraction(1, 2)])))
    yield "critical point", certificate(flat, "critical-point")
    logs = network([1], {**dense, "units": 1, "activation": "sigmoid2"}, {**dense, "units": 1})
    rows = exactcnn.samples([[1], [2]], [[Fraction(1, 3)], [1]])
    yield (
        "powers of ln 2",
        certificate(Instance(logs, rows, given(logs, ([[1]], [0]), ([[1]], [0]))), "critical-point"),
    )
    wide = network([2], {**dense, "units": 3, "activation": "relu"}, {**dense, "units": 1})
    member = Instance(wide, samples, given(wide, ([[1, 0, 1], [0, 1, 1]], [1, 1, 0]), ([[1], [2], [3]], [1])))
    yield "s-k and corollary", certificate(member, "s-k", "corollary-3.6")
    smooth = network([2], {**dense, "units": 3, "activation": "sigmoid"}, {**dense, "units": 1})
    yield (
        "nearby",
        certificate(Instance(smooth, samples, Weights.from_seed(smooth, 0, 3)), "zero-loss-nearby"),
    )


def _point_bases():
    from tests.landscape.test_class_labels import degenerate
    from tests.landscape.test_hypotheses import broken_pyramid, flat_slope

    yield "theorem-4.5, flat slope", certificate(flat_slope(), "theorem-4.5", layer=1)
    yield "theorem-4.4, broken pyramid", certificate(broken_pyramid(), "theorem-4.4", layer=1)
    yield "extension-c", certificate(degenerate(), "extension-c", layer=1)
    yield "corollary-4.6", certificate(flat_slope("sigmoid"), "corollary-4.6", layer=1)
    net = network([1], {"kind": "dense", "units": 2, "activation": "relu"},
                  {"kind": "dense", "units": 2, "activation": "sigmoid"}, {"kind": "dense", "units": 2})  # fmt: skip
    zero = ([[0, 0], [0, 0]], [0, 0])
    wide = Instance(net, exactcnn.samples([[0], [1]], [0, 1]), given(net, ([[1, 1]], [1, 0]), zero, zero))
    yield "zero-loss-exists", certificate(wide, "zero-loss-exists", layer=1)


BASES = dict([*_point_bases(), *_bases(), *_almost_everywhere_bases(), *_landscape_bases()])


def leaves(value, path=()):
    """Paths of every value inside a JSON value, containers included."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list):
        for i in range(len(value)):
            yield from leaves(value[i], (*path, i))


def get(value, path):
    for key in path:
        value = value[key]
    return value


def replacements(value):
    """Plausible and implausible substitutes for a JSON value."""
    if isinstance(value, bool):
        yield from (not value, 1, None)
    elif isinstance(value, int):
        yield from (
            value + 1,
            value - 1,
            -value,
            0,
            2,
            value * 2 + 1,
            2**40,
            str(value),
            float(value),
            None,
            [value],
        )
    elif isinstance(value, str):
        yield from (
            value + "0",
            "",
            "rank",
            "proved",
            "refuted",
            "undecided",
            "1/2",
            "sigmoid",
            "identity",
            7,
            None,
        )
    elif isinstance(value, list):
        yield from ([], value + value[:1], value[1:], value[:-1], value[::-1], {}, None)
    elif isinstance(value, dict):
        yield from ({}, {**value, "extra": 1}, None, [])
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
    else:
        yield from (0, "", [], {}, {"kind": "width"}, {"kind": "distinct-samples"})


def tampered(base):
    for path in leaves(base):
        if not path or path[0] == "digests":
            continue
        for new in replacements(get(base, path)):
            if new == get(base, path) and type(new) is type(get(base, path)):
                continue
            forged = copy.deepcopy(base)
            get(forged, path[:-1])[path[-1]] = new
            yield path, forged


def redigested(forged):
    """The same certificate with honest digests, as a forger would write them."""
    try:
        parts = {key: None if value is None else digest(value) for key, value in forged["instance"].items()}
        forged["digests"] = {**parts, "instance": digest(forged["instance"])}
    except (TypeError, AttributeError, KeyError, ValueError):
        pass
    return forged


def plain_integers(value):
    """FORMAT.md allows texts for integers; spec files do not."""
    if isinstance(value, dict):
        return {k: v if k in ("name", "activation") else plain_integers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain_integers(v) for v in value]
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value


def rebuilt(record):
    """The instance that a certificate's JSON describes, through the prover's own readers."""
    net = exactcnn.Network.from_dict(plain_integers(record["network"]))
    data, weights = record["data"], record["weights"]
    samples = None
    if data is not None:
        rows = [[int(v) for v in row] for row in data["rows"]]
        samples = exactcnn.samples(rows).scaled(exactcnn_fraction(1, data["denominator"]))
    if weights is None:
        return Instance(net, samples, Weights.from_seed(net, 0, 4))
    if weights["kind"] == "seed":
        return Instance(net, samples, Weights.from_seed(net, int(weights["seed"]), int(weights["bits"])))
    entries = []
    for entry in weights["layers"]:
        if entry is None:
            entries.append(None)
            continue
        W = RationalArray.from_integers(
            [[int(v) for v in row] for row in entry["W"]["rows"]], int(entry["W"]["denominator"])
        )
        b = None
        if entry["b"] is not None:
            b = RationalArray.from_integers(
                [int(v) for v in entry["b"]["values"]], int(entry["b"]["denominator"])
            )
        entries.append(LayerWeights(W, b))
    return Instance(net, samples, Weights(tuple(entries)))


def exactcnn_fraction(numerator, denominator):
    from fractions import Fraction

    return Fraction(numerator, int(denominator))


def assert_true(certificate_):
    """Every claim of a verified certificate, decided afresh."""
    try:
        inst = rebuilt(certificate_["instance"])
    except exactcnn.MalformedError as error:
        # The prover's size limits are tighter than the format's (a stride of 2^40, say).
        if str(2**40) in str(error) or "200 characters" in str(error):
            return
        raise
    for claim in certificate_["claims"]:
        name = claim["statement"]
        if name in ("rank", "assumption-2.4", "lemma-2.5", "lifted-rank"):
            found = decide(name, inst, int(claim["layer"]))[0].summary
            lower, upper = found["lower"], found["upper"]
            assert int(claim["lower"]) <= upper, claim
            assert int(claim["upper"]) >= lower, claim
            full = found["samples"] if name == "rank" else found["full"]
            if claim["verdict"] == "proved":
                assert upper == full, claim
            if claim["verdict"] == "refuted":
                assert lower < full, claim
        elif name == "structure":
            assert decide(name, inst, int(claim["layer"]))[0].verdict == claim["verdict"], claim
        elif name == "assumption-3.2":
            from exactcnn.network.activations import Activation, decide_assumption_3_2

            activation = Activation.from_json(claim["activation"])
            assert decide_assumption_3_2(activation.properties).verdict == claim["verdict"], claim
        elif name in ("loss", "critical-point"):
            at_point = point_instance(inst, claim)
            loss = decide("loss", at_point)[0]
            assert [Fraction(c) for c in loss.summary["loss"]] == [Fraction(c) for c in claim["value"]], claim
            if name == "critical-point":
                assert decide(name, at_point)[0].verdict == claim["verdict"], claim
        elif name in AT_POINT:
            at = plain(point_instance(inst, claim["parts"][-1]))
            if name == "zero-loss-exists":
                assert claim["verdict"] == "proved"
                assert decide("loss", at)[0].summary["loss"] == []
                assert decide("s-k", at, int(claim["layer"]))[0].verdict == "proved"
                continue
            found = decide(name, at, int(claim["layer"]))[0]
            assert found.verdict == claim["verdict"], claim
            assert all(found.summary["hypotheses"][each] is False for each in claim["missing"]), claim
        elif name == "zero-loss-nearby":
            nearest = decide(name, with_targets(inst, claim["targets"]))[0]
            assert_enough(nearest.summary, claim)
        elif name == "extension-b":
            found = decide(name, rebuilt_with_samples(inst, int(claim["samples"])))[0]
            assert (found.verdict, found.summary["rank"]) == (claim["verdict"], int(claim["rank"])), claim
        elif "layer" in claim:
            assert decide(name, inst, int(claim["layer"]))[0].verdict == claim["verdict"], claim
        else:
            assert decide(name, inst)[0].verdict == claim["verdict"], claim


def with_targets(inst, targets):
    rows = [[Fraction(int(v), int(targets["denominator"])) for v in row] for row in targets["rows"]]
    return Instance(inst.network, exactcnn.samples(inst.samples.x.to_fractions(), rows), inst.weights)


def assert_enough(summary, claim):
    """What a claim of zero-loss-nearby says must not contradict a decision of our own."""
    low, high = (Fraction(str(v)) for v in summary["loss"])
    assert Fraction(claim["loss"][0]) <= high, claim
    assert Fraction(claim["loss"][1]) >= low, claim
    assert Fraction(claim["distance"]) >= 0, claim


def point_instance(inst, claim):
    """The instance of a claim that brings its own point and targets."""
    entries = []
    for entry in claim["point"]:
        if entry is None:
            entries.append(None)
            continue
        W = [[[Fraction(c) for c in v] + [Fraction(0)] * 2 for v in row] for row in entry["W"]]
        b = None if entry["b"] is None else [[Fraction(c) for c in v] + [Fraction(0)] * 2 for v in entry["b"]]
        assert all(len(v) <= 4 for row in W for v in row)

        def part(values, which):
            return RationalArray.from_fractions([v[which] for v in values])

        def matrix(which, W=W):
            return RationalArray.from_fractions([[v[which] for v in row] for row in W])

        entries.append(LayerWeights(matrix(0), None if b is None else part(b, 0), matrix(1),
                                    None if b is None else part(b, 1)))  # fmt: skip
    targets = [[Fraction(v) for v in row] for row in claim["targets"]]
    samples = exactcnn.samples(inst.samples.x.to_fractions(), targets)
    return Instance(inst.network, samples, Weights(tuple(entries)))


def plain(inst):
    """Without multiples of ln 2 that are 0."""

    def some(part):
        return part if part is not None and part.numerators.any() else None

    entries = [e and LayerWeights(e.W, e.b, some(e.W_ln2), some(e.b_ln2)) for e in inst.weights.layers]
    return Instance(inst.network, inst.samples, Weights(tuple(entries)))


def rebuilt_with_samples(inst, count):
    """extension-b speaks of any data set of this many samples."""
    d = inst.network.input_size
    return Instance(inst.network, exactcnn.samples([[0] * d] * min(count, 10**4)))


@pytest.mark.parametrize("name", list(BASES))
def test_untouched_certificate_is_verified(name):
    """The base itself is accepted, so that rejections below mean something."""
    verdict = check_certificate(BASES[name])
    assert verdict.outcome == "VERIFIED", verdict
    assert_true(BASES[name])


@pytest.mark.parametrize("name", list(BASES))
def test_changed_field_never_verifies_a_false_claim(name):
    """Every field, every substitute, digests recomputed: VERIFIED only for true claims."""
    count = verified = 0
    for path, forged in tampered(BASES[name]):
        forged = redigested(forged)
        verdict = check_certificate(forged)
        assert verdict.outcome in OUTCOMES, (path, verdict)
        count += 1
        if verdict.outcome == "VERIFIED":
            verified += 1
            assert_true(forged)
    assert count > 150
    assert verified < count / 2


@pytest.mark.parametrize("name", list(BASES))
def test_changed_instance_without_new_digests_is_never_verified(name):
    """The digests bind: an instance changed under its old digests does not pass."""
    for path, forged in tampered(BASES[name]):
        if path[0] == "instance":
            assert check_certificate(forged).outcome in ("REJECTED", "MALFORMED"), path


def test_random_double_changes():
    """Two random changes at once, a fixed seed, 600 of them."""
    r = random.Random(11)
    names = list(BASES)
    for _ in range(600):
        forged = copy.deepcopy(BASES[r.choice(names)])
        for _ in range(2):
            paths = [path for path in leaves(forged) if path and path[0] != "digests"]
            path = r.choice(paths)
            new = list(replacements(get(forged, path)))
            get(forged, path[:-1])[path[-1]] = r.choice(new)
        verdict = check_certificate(redigested(forged))
        assert verdict.outcome in OUTCOMES
        if verdict.outcome == "VERIFIED":
            assert_true(forged)


def test_claims_are_bound_to_their_instance():
    """The claims of one certificate under the instance of another do not pass."""
    names = list(BASES)
    for a in names:
        for b in names:
            if a == b:
                continue
            mixed = json.loads(json.dumps({**BASES[a], "claims": BASES[b]["claims"]}))
            verdict = check_certificate(mixed)
            if verdict.outcome == "VERIFIED":
                assert_true(mixed)


@pytest.mark.parametrize("name", ["", ".", "folder", "/dev/null", "missing/cert.json"])
def test_certificates_are_written_to_files_only(name, tmp_path, monkeypatch):
    """Devices and folders are never replaced; the complaint is one sentence."""
    from exactcnn.certificates import write_certificate

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(exactcnn.MalformedError, match="certificate"):
        write_certificate(BASES["cover"], name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder"]


def test_numbers_beyond_pythons_text_limit_are_written():
    """Data of 5,000 digits goes through the finding, the certificate and the checker."""
    net = network([2], {"kind": "dense", "units": 3, "activation": "relu"})
    inst = instance(net, [[10**5000, 1], [1, 10**5000]], bits=2)
    record = certificate(inst, "rank", "assumption-3.1")
    assert check_certificate(record).outcome == "VERIFIED"
