"""The triangular limit witness: peeling, its meaning, its certificate and forgeries of it."""

import copy

import mpmath
import pytest
import sympy

import exactcnn
from exactcnn.features.instance import Instance
from exactcnn.features.peeling import directions, peel
from exactcnn.features.triangular import triangular_witness
from exactcnn.statements import almost_everywhere, decide
from tests.statements.instances import certified, conv, judgment, network, outcome, random_rows, rng


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
    assert judgment(certified(inst, finding), "order")["core"] is None


def certificate():
    net = network([1, 4, 4], conv(3, "gelu", kernel=2))
    inst = Instance(net, exactcnn.samples(random_rows(rng(3), 12, 16)))
    return certified(inst, *decide("theorem-3.5", inst))


def swap(values, a, b):
    values[a], values[b] = values[b], values[a]


def duplicate(rows, a, b):
    rows[a] = rows[b]


def sigma(instance, **activation):
    instance["network"]["nodes"][1]["activation"] = activation


def affine(instance, **fields):
    instance["network"]["nodes"][0].update(fields)


FORGERIES = {
    "two samples swapped in the order": lambda e, i: swap(e["order"], 0, 11),
    "the order reversed": lambda e, i: e["order"].reverse(),
    "a sample listed twice": lambda e, i: e["order"].__setitem__(0, e["order"][1]),
    "a sample out of range": lambda e, i: e["order"].__setitem__(0, 12),
    "a unit listed twice": lambda e, i: e["units"].__setitem__(0, e["units"][1]),
    "a unit out of range": lambda e, i: e["units"].__setitem__(0, 27),
    "other directions": lambda e, i: e.update(seed=77),
    "directions of fewer bits": lambda e, i: e.update(bits=1),
    "one direction for all filters": lambda e, i: e.update(shared=True),
    "a sample left out": lambda e, i: (e["order"].pop(), e["units"].pop()),
    "a unit left out": lambda e, i: e["units"].pop(),
    "a core of nothing": lambda e, i: e.update(core={"prime": 1009, "solutions": None}),
    "another node": lambda e, i: e.update(node=1),
    "a tie: a duplicated sample": lambda e, i: duplicate(i["data"]["rows"], e["order"][0], e["order"][-1]),
    "an activation outside 3.2": lambda e, i: sigma(i, name="tanh"),
    "an activation not analytic": lambda e, i: sigma(i, name="relu"),
    "an activation of which nothing is known": lambda e, i: sigma(i, name="custom", tree=["sigmoid", "t"]),
    "biases shared per filter": lambda e, i: affine(i, bias="filter"),
    "no biases": lambda e, i: affine(i, bias="none"),
    "other patches": lambda e, i: affine(i, dilation=[2, 2], padding=[[0, 1], [0, 1]]),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FORGERIES))
def test_forged_orders_are_rejected(name):
    """Each forgery breaks one hypothesis of the triangular rule."""
    found = outcome(certificate(), lambda c: FORGERIES[name](judgment(c, "order"), c["instance"]))
    assert found == "REJECTED"


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
    certificate = certified(inst, finding)
    assert judgment(certificate, "order")["shared"] is shared
    for value, expected in ((not shared, "REJECTED"), (int(shared) + 2, "MALFORMED"), (None, "MALFORMED")):
        assert (
            outcome(certificate, lambda c, value=value: judgment(c, "order").update(shared=value)) == expected
        )


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
    certificate = certified(inst, finding)
    original = judgment(certificate, "order")
    assert original["core"] == {"prime": original["core"]["prime"], "solutions": None}
    for attack, change in {
        "a threshold moved beyond all values": lambda e: e["thresholds"].__setitem__(0, 10**6),
        "a threshold below all values": lambda e: e["thresholds"].__setitem__(0, -(10**6)),
        "one threshold less": lambda e: e["thresholds"].pop(),
        "no core": lambda e: e.update(thresholds=[], core=None),
        "no minor": lambda e: e.update(core=None),
        "a core without thresholds": lambda e: e.update(thresholds=[]),
        "a minor mod 9": lambda e: e["core"].update(prime=9),
        "a minor mod 2": lambda e: e["core"].update(prime=2),
        "solutions of nothing": lambda e: e["core"].update(solutions=[[0] * m] * 200),
        "a core unit used twice": lambda e: e["units"].__setitem__(0, e["units"][-1]),
        "two samples of the core exchanged with peeled ones": lambda e: swap(e["order"], 0, -1),
        "all peeled samples exchanged": lambda e: e["order"].__setitem__(
            slice(m, None), e["order"][m:][::-1]
        ),
    }.items():
        other = copy.deepcopy(original)
        change(other)
        if other == original:
            continue
        found = outcome(certificate, lambda c, other=other: judgment(c, "order").update(other))
        malformed = attack == "a minor mod 2"
        # Sigmoid's step at a threshold below all values is the constant 1: it may still be independent.
        allowed = attack == "a threshold below all values"
        assert found == ("MALFORMED" if malformed else "REJECTED") or (allowed and found == "VERIFIED"), (
            attack
        )


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
