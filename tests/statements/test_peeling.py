"""The triangular limit witness: peeling, its meaning, its certificate and forgeries of it."""

import copy

import mpmath
import pytest
import sympy

import exactcnn
from exactcnn.certificates import digest, make_certificate
from exactcnn.checker import check_certificate, triangular
from exactcnn.features.instance import Instance
from exactcnn.features.peeling import directions, peel
from exactcnn.features.triangular import triangular_witness
from exactcnn.statements import almost_everywhere, decide
from tests.statements.instances import conv, network, random_rows, rng


def z_of(inst, found, sample, unit):
    """<a_t, x_i^p> by definition, for unit h = p T + t."""
    layer = inst.network.layer(1)
    p, t = divmod(unit, layer.filters)
    A = directions(layer, found.seed, found.bits)
    row = inst.samples.x.numerators[sample].tolist()
    return sum(int(A[r, t]) * row[i] for r, i in enumerate(layer.patches.indices[p].tolist()) if i < len(row))


@pytest.mark.parametrize("seed", range(20))
def test_peeled_order_is_triangular(seed):
    """Whatever is peeled satisfies z_i < z_j at unit j for every i before j; units are distinct."""
    r = rng(seed)
    net = network([1, 4, 4], conv(r.randint(1, 4), "sigmoid", kernel=2, padding=r.choice([0, 1])))
    rows = random_rows(r, r.randint(1, 14), 16, 0, r.choice([1, 4, 255]))
    inst = Instance(net, exactcnn.samples(rows))
    found = peel(inst, seed)
    assert sorted([*found.order, *found.left]) == list(range(len(rows)))
    assert len(set(found.units)) == len(found.units)
    for j, (sample, unit) in enumerate(zip(found.order, found.units, strict=True)):
        top = z_of(inst, found, sample, unit)
        earlier = [*found.order[:j], *found.left]
        assert all(z_of(inst, found, i, unit) < top for i in earlier)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "silu", "gelu", "gaussian"])
def test_the_limit_is_what_the_proof_says(name):
    """At large alpha the matrix with pre-activations alpha (z_i - z_j) + 1 is numerically triangular."""
    net = network([5], conv(3, name, kernel=3))
    inst = Instance(net, exactcnn.samples(random_rows(rng(8), 6, 5)))
    found = peel(inst)
    assert not found.left
    activation = net.layer(1).activation
    import flint

    alpha, N = 40, inst.N
    for a, i in enumerate(found.order):
        for b, (j, unit) in enumerate(zip(found.order, found.units, strict=True)):
            t = alpha * (z_of(inst, found, i, unit) - z_of(inst, found, j, unit)) + 1
            value = abs(mpmath.mpf(float(activation.ball(flint.arb(t)).mid())))
            if a == b:
                assert value > 0.3
            elif a < b:
                assert value < 1e-6
    assert N == 6


@pytest.mark.parametrize("name", ["gelu", "silu", "softplus", "sigmoid", "gaussian"])
def test_theorem_3_5_by_peeling(name, monkeypatch):
    """The route proves the conclusion with a certificate, for every activation it covers."""
    monkeypatch.setattr(almost_everywhere, "_PEEL_FROM", 0)
    net = network([1, 4, 4], conv(3, name, kernel=2))
    inst = Instance(net, exactcnn.samples(random_rows(rng(3), 20, 16)))
    (finding,) = decide("theorem-3.5", inst)
    assert finding.verdict == "proved"
    assert finding.summary["route"] == "triangular limit, by peeling"
    assert check_certificate(make_certificate(inst, [finding])).outcome == "VERIFIED"


def certificate():
    net = network([1, 4, 4], conv(3, "gelu", kernel=2))
    inst = Instance(net, exactcnn.samples(random_rows(rng(3), 12, 16)))
    return make_certificate(inst, decide("theorem-3.5", inst))


def outcome(change):
    forged = copy.deepcopy(certificate())
    change(forged["claims"][0]["evidence"], forged["instance"])
    parts = {key: None if part is None else digest(part) for key, part in forged["instance"].items()}
    forged["digests"] = {**parts, "instance": digest(forged["instance"])}
    return check_certificate(forged).outcome


def swap(values, a, b):
    values[a], values[b] = values[b], values[a]


def duplicate(rows, a, b):
    rows[a] = rows[b]


FORGERIES = {
    "two samples swapped in the order": lambda e, i: swap(e["order"], 0, 11),
    "the order reversed": lambda e, i: e["order"].reverse(),
    "a sample listed twice": lambda e, i: e["order"].__setitem__(0, e["order"][1]),
    "a unit listed twice": lambda e, i: e["units"].__setitem__(0, e["units"][1]),
    "a unit out of range": lambda e, i: e["units"].__setitem__(0, 27),
    "other directions": lambda e, i: e.update(seed=77),
    "a sample left out": lambda e, i: (e["order"].pop(), e["units"].pop()),
    "a tie: a duplicated sample": lambda e, i: duplicate(i["data"]["rows"], e["order"][0], e["order"][-1]),
    "an activation outside 3.2": lambda e, i: i["network"]["layers"][0].update(activation={"name": "tanh"}),
    "an activation not analytic": lambda e, i: i["network"]["layers"][0].update(activation={"name": "relu"}),
    "biases shared per filter": lambda e, i: i["network"]["layers"][0].update(bias="filter"),
    "no biases": lambda e, i: i["network"]["layers"][0].update(bias="none"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FORGERIES))
def test_forged_orders_are_rejected(name):
    """Each forgery breaks one hypothesis of the triangular rule."""
    assert check_certificate(certificate()).outcome == "VERIFIED"
    assert outcome(FORGERIES[name]) == "REJECTED"


def test_numpy_path_of_the_checker_agrees(monkeypatch):
    """With the threshold at 0 the checker uses NumPy: it accepts and rejects the same files."""
    monkeypatch.setattr(triangular, "LARGE", 0)
    assert check_certificate(certificate()).outcome == "VERIFIED"
    for name in ("two samples swapped in the order", "other directions", "a tie: a duplicated sample"):
        assert outcome(FORGERIES[name]) == "REJECTED"


def test_what_cannot_be_peeled_is_left():
    """Duplicated samples never come off: the witness is incomplete, the theorem is refuted elsewhere."""
    net = network([3], conv(4, "gelu", kernel=2))
    inst = Instance(net, exactcnn.samples([[1, 2, 3], [1, 2, 3], [5, 1, 0]]))
    assert sorted(peel(inst).left) == [0, 1]
    assert decide("theorem-3.5", inst)[0].verdict == "refuted"


@pytest.mark.parametrize("shared", [False, True])
def test_one_direction_for_all_filters(monkeypatch, shared):
    """From _STREAM_FROM samples on all filters share a direction; the certificate says so and is bound to it."""
    monkeypatch.setattr(almost_everywhere, "_PEEL_FROM", 0)
    monkeypatch.setattr(almost_everywhere, "_STREAM_FROM", 0 if shared else 10**9)
    net = network([1, 5, 5], conv(3, "sigmoid", kernel=2))
    inst = Instance(net, exactcnn.samples(random_rows(rng(3), 30, 25, 0, 255)))
    (finding,) = decide("theorem-3.5", inst)
    certificate = make_certificate(inst, [finding])
    evidence = certificate["claims"][0]["evidence"]
    assert evidence["shared"] is shared
    assert check_certificate(certificate).outcome == "VERIFIED"
    evidence["shared"] = not shared
    assert check_certificate(certificate).outcome == "REJECTED"
    evidence["shared"] = 1
    assert check_certificate(certificate).outcome == "MALFORMED"


def _cored(activation="sigmoid", seeds=range(300)):
    """Small binary images whose peeling gets stuck, but which a core completes."""
    for seed in seeds:
        r = rng(seed)
        net = network([1, 4, 4], conv(5, activation, kernel=2))
        rows = [[r.choice([0, 0, 0, 1]) for _ in range(16)] for _ in range(r.randint(6, 30))]
        inst = Instance(net, exactcnn.samples(rows))
        peeled = peel(inst)
        found = triangular_witness(net.layer(1), inst.samples.x.numerators, peeled) if peeled.left else None
        if found is not None:
            return inst, peeled, found
    raise AssertionError("no such instance")


@pytest.mark.parametrize("activation", ["sigmoid", "softplus", "silu", "gelu"])
def test_a_core_completes_what_peeling_leaves(activation, monkeypatch):
    """Proved with a certificate; the limit determinant is non-zero by SymPy, from the definition."""
    monkeypatch.setattr(almost_everywhere, "_PEEL_FROM", 0)
    inst, peeled, found = _cored(activation)
    m = len(found.thresholds)
    assert 0 < len(peeled.left) <= m
    limit = []
    for sample in found.order[:m]:
        z = [
            z_of(inst, found, sample, unit) - theta
            for unit, theta in zip(found.units, found.thresholds, strict=False)
        ]
        limit.append([int(v >= 0) if activation == "sigmoid" else max(v, 0) for v in z])
    assert sympy.Matrix(limit).det() != 0
    (finding,) = decide("theorem-3.5", inst)
    assert "core" in finding.reason
    certificate = make_certificate(inst, [finding])
    assert check_certificate(certificate).outcome == "VERIFIED"
    evidence = certificate["claims"][0]["evidence"]
    for attack, change in {
        "a threshold moved beyond all values": lambda e: e["thresholds"].__setitem__(0, 10**6),
        "a threshold below all values": lambda e: e["thresholds"].__setitem__(0, -(10**6)),
        "one threshold less": lambda e: e["thresholds"].pop(),
        "no core": lambda e: e.update(thresholds=[], lower=None),
        "no minor": lambda e: e.update(lower=None),
        "a smaller minor": lambda e: (e["lower"]["rows"].pop(), e["lower"]["columns"].pop()),
        "a core unit used twice": lambda e: e["units"].__setitem__(0, e["units"][-1]),
        "all peeled samples exchanged": lambda e: e["order"].__setitem__(
            slice(m, None), e["order"][m:][::-1]
        ),
    }.items():
        forged = copy.deepcopy(certificate)
        change(forged["claims"][0]["evidence"])
        if forged["claims"][0]["evidence"] != evidence:
            outcome = check_certificate(forged).outcome
            # Sigmoid's step at a threshold below all values is the constant 1: it may still be independent.
            assert outcome == "REJECTED" or (attack == "a threshold below all values" and activation), attack


def test_a_core_does_not_save_duplicates():
    net = network([1, 4, 4], conv(3, "sigmoid", kernel=2))
    rows = random_rows(rng(0), 8, 16, 0, 1)
    inst = Instance(net, exactcnn.samples([*rows, rows[2]]))
    assert triangular_witness(net.layer(1), inst.samples.x.numerators, peel(inst)) is None


def test_large_integers_are_undecided_not_rounded():
    """Data beyond 2^53 would round in float64: the route declines."""
    net = network([2], {"kind": "dense", "units": 5, "activation": "gelu"})
    inst = Instance(net, exactcnn.samples([[2**60, 1], [2**60 + 1, 1]]))
    with pytest.raises(exactcnn.UndecidedError):
        peel(inst)
    finding = decide("theorem-3.5", inst)[0]
    assert finding.summary["route"] == "general position"
