"""Local minima and enclosures of critical points: decided, certified, compared with mpmath, and forged."""

import copy
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import exactcnn
from exactcnn.certificates import make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Surface, point_of
from exactcnn.landscape.domains import BallDomain
from exactcnn.landscape.krawczyk import PLACES
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.certificates.test_tampering import redigested
from tests.landscape.test_instances import bad_minimum, saddle, yun
from tests.statements.instances import conv, given, network, random_rows, rng

DENSE = {"kind": "dense"}
HALF = Fraction(1, 2)


def decided(statement, inst, layer=None):
    """The finding and its certificate, which is accepted."""
    (finding,) = decide(statement, inst, layer)
    if finding.evidence is None:
        return finding, None
    certificate = make_certificate(inst, [finding])
    verdict = check_certificate(certificate)
    assert verdict.outcome == "VERIFIED", verdict
    return finding, certificate


def rejected(certificate, change):
    """The forger's change to the only claim, honest digests, is not accepted."""
    forged = copy.deepcopy(certificate)
    change(forged["claims"][0])
    verdict = check_certificate(redigested(forged))
    return verdict.outcome in ("REJECTED", "MALFORMED")


def shifted(text, by):
    return str(Fraction(text) + by)


@pytest.mark.parametrize(
    "inst, verdict, kinds",
    [
        (bad_minimum(), "proved", {"scaling", "shift"}),
        (saddle(), "refuted", None),
        (yun("square", [[1, 1], [1, 1]], [Fraction(1, 6)] * 2), "proved", {"scaling", "twin"}),
        (yun("square", [[1, 1], [1, -1]], [1, -1]), "proved", None),
        (yun("sigmoid2", [[-1, -1], [-1, -1]], [HALF, HALF]), "proved", {"level", "twin"}),
        (yun("square", [[1, 1], [1, -1]], [1, 1]), "refuted", None),
    ],
    ids=["bad minimum", "saddle", "square 1/3", "square 0", "sigmoid2 1/3", "not critical"],
)
def test_published_instances(inst, verdict, kinds):
    finding, certificate = decided("local-minimum", inst)
    assert finding.verdict == verdict
    assert certificate is not None
    fields = finding.summary.get("symmetries")
    assert (None if fields is None else {field["kind"] for field in fields}) == kinds


def flipped(claim):
    claim["verdict"] = "refuted" if claim["verdict"] == "proved" else "proved"


MINIMUM_FORGERIES = {
    "the point is moved": lambda c: c["point"][1]["b"].__setitem__(0, [0, -63]),
    "the value": lambda c: c.update(value=["225199/1312201"]),
    "one symmetry fewer": lambda c: c["evidence"]["symmetries"].pop(),
    "a symmetry twice": lambda c: c["evidence"]["symmetries"].__setitem__(1, c["evidence"]["symmetries"][2]),
    "a free parameter fewer": lambda c: c["evidence"]["free"].pop(),
    "another set of free parameters": lambda c: c["evidence"]["free"].__setitem__(0, 1),
    "an idle parameter that is not": lambda c: c["evidence"]["symmetries"].__setitem__(
        0, {"kind": "idle", "parameter": 0}
    ),
    "a twin of itself": lambda c: c["evidence"]["symmetries"].__setitem__(
        0, {"kind": "twin", "layer": 2, "index": 0, "other": 0}
    ),
    "no transform": lambda c: c["evidence"].update(transform=[]),
    "a transform of zeros": lambda c: c["evidence"].update(
        transform=[[0] * len(row) for row in c["evidence"]["transform"]]
    ),
    "zero loss": lambda c: c.update(evidence={"kind": "zero-loss"}),
    "a direction": lambda c: c.update(
        verdict="refuted", evidence={"kind": "direction", "precision": 256, "vector": [1] + [0] * 17}
    ),
    "a partial derivative": lambda c: c.update(
        verdict="refuted", evidence={"kind": "partial", "layer": 1, "part": "W", "index": 0}
    ),
    "the same point as smaller": lambda c: c.update(smaller=c["point"]),
    "the opposite": flipped,
}


@pytest.mark.parametrize("what", MINIMUM_FORGERIES)
def test_forged_minima_are_rejected(what):
    _, certificate = decided("local-minimum", bad_minimum())
    assert rejected(certificate, MINIMUM_FORGERIES[what])


def test_forged_families_are_rejected():
    """Twins that differ and levels that are none, at a point where they would make up for lacking symmetries."""
    _, certificate = decided("local-minimum", yun("sigmoid2", [[-1, -1], [-1, -1]], [HALF, HALF]))
    fields = certificate["claims"][0]["evidence"]["symmetries"]
    level = next(n for n, field in enumerate(fields) if field["kind"] == "level")
    twin = next(n for n, field in enumerate(fields) if field["kind"] == "twin")

    def put(n, **new):
        return lambda c: c["evidence"]["symmetries"][n].update(new)

    assert rejected(certificate, put(level, vector=[1, 2]))
    assert rejected(certificate, put(level, vector=[1]))
    assert rejected(certificate, put(level, unit=2))
    assert rejected(certificate, put(twin, other=2))
    assert rejected(certificate, put(twin, layer=2))
    # Where the twins' weights differ: critical, zero loss apart, and the twin is refused.
    other = yun("square", [[1, 1], [1, -1]], [1, -1])
    _, certificate = decided("local-minimum", other)
    twins = [{"kind": "twin", "layer": 1, "index": 0, "other": 1}]
    evidence = {"kind": "definite", "precision": 256, "free": [0, 1, 2, 3, 4], "symmetries": twins, "transform": [
        [int(i == j) for j in range(5)] for i in range(5)]}  # fmt: skip
    assert rejected(certificate, lambda c: c.update(evidence=evidence))


def sigmoid_instance(seed, N=4, activation="sigmoid"):
    """Targets near the outputs of the given weights, so that a minimum is near."""
    r = rng(seed)
    net = network([3], conv(1, activation, kernel=2), {**DENSE, "units": 1})
    rows = random_rows(r, N, 3, -3, 3)
    weights = Weights.from_seed(net, seed, 6)
    outputs = Surface(*_at_zero(net, rows, weights)).F[-1][:, 0]
    targets = [[Fraction(round(64 * float(v.mid())) + r.randint(-6, 6), 64)] for v in outputs]
    return Instance(net, exactcnn.samples(rows, targets), weights)


def _at_zero(net, rows, weights):
    inst = Instance(net, exactcnn.samples(rows, [[0]] * len(rows)), weights)
    return inst, BallDomain(), point_of(inst, BallDomain())


def by_mpmath(inst, start):
    """A zero of the gradient near ``start``, by mpmath's own derivatives of a loss written out by hand."""
    x, y = inst.samples.x.to_fractions(), inst.samples.targets.to_fractions()
    sigma = {"sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)), "tanh": mpmath.tanh, "arctan": mpmath.atan,
             "gelu": lambda t: t * mpmath.ncdf(t), "silu": lambda t: t / (1 + mpmath.exp(-t)),
             "softplus": lambda t: mpmath.log(1 + mpmath.exp(t)), "gaussian": lambda t: mpmath.exp(-t * t),
             "sigmoid2": lambda t: 1 / (1 + mpmath.mpf(2) ** -t), "elu": lambda t: t if t > 0 else mpmath.expm1(t)}[
        inst.network.layers[0].activation.name]  # fmt: skip

    def loss(*v):
        total = mpmath.mpf(0)
        for row, (target,) in zip(x, y, strict=True):
            out = v[6]
            for p in range(2):
                g = v[2 + p] + sum(mpmath.mpf(row[p + r].numerator) * v[r] for r in range(2))
                out += v[4 + p] * sigma(g)
            total += (out - mpmath.mpf(target.numerator) / target.denominator) ** 2
        return total / 2

    def gradient(*v):
        return [mpmath.diff(loss, v, tuple(int(i == j) for j in range(7))) for i in range(7)]

    return mpmath.findroot(gradient, start, tol=1e-22, maxsteps=30), loss


def newton_start(inst):
    """Weights near a critical point: damped Newton on the float midpoints (decides nothing)."""
    surface = Surface(inst, BallDomain(), point_of(inst, BallDomain()))
    values = np.array([float(v.mid()) for v in np.concatenate([a.ravel() for e in surface.point for a in e])])
    for _ in range(60):
        g, H = derivatives(inst, values)
        w, Q = np.linalg.eigh(H)
        step = Q @ ((Q.T @ g) / np.maximum(np.abs(w), 1e-4))
        values -= step * min(1.0, 0.5 / max(np.abs(step).max(), 1e-300))
        if np.abs(g).max() < 1e-12:
            return values
    return None


def at(inst, values):
    W1, b1, W2, b2 = np.split(np.asarray(values, dtype=object), [2, 4, 6])
    exact = [[Fraction(float(v)) for v in part] for part in (W1, b1, W2, b2)]
    entries = ([[v] for v in exact[0]], exact[1]), ([[v] for v in exact[2]], exact[3])
    return Instance(inst.network, inst.samples, given(inst.network, *entries))


def derivatives(inst, values):
    here = at(inst, values)
    surface = Surface(here, BallDomain(), point_of(here, BallDomain()))
    H = [[float(v.mid()) for v in row] for row in surface.hessian()]
    return np.array([float(v.mid()) for v in surface.flat_gradient()]), np.array(H)


@pytest.mark.parametrize(
    "activation", ["sigmoid", "tanh", "arctan", "gelu", "silu", "softplus", "gaussian", "sigmoid2"]
)
def test_enclosures_hold_mpmaths_critical_points(activation):
    """Krawczyk's boxes contain the zero that mpmath finds, its loss and its number of negative eigenvalues."""
    found = 0
    with mpmath.workdps(30):
        for seed in range(12):
            inst = sigmoid_instance(seed, 9, activation)
            values = newton_start(inst)
            if values is None or np.abs(values).max() > 30:
                continue
            near = at(inst, values)
            finding, _ = decided("critical-point-nearby", near)
            if finding.verdict != "proved":
                continue
            box = finding.evidence
            root, loss = by_mpmath(inst, [mpmath.mpf(float(v)) for v in values])
            for c, x in zip(box.center, root, strict=True):
                assert abs(mpmath.mpf(c) / 2**PLACES - x) < mpmath.mpf(10) ** -18
            low, high = (mpmath.mpf(v.numerator) / v.denominator for v in box.loss)
            assert low - mpmath.mpf(10) ** -20 < loss(*root) < high + mpmath.mpf(10) ** -20
            eigenvalues = np.linalg.eigvalsh(derivatives(inst, values)[1])
            assert (eigenvalues < 0).sum() == box.inertia.negative
            assert box.inertia.positive + box.inertia.negative == 7
            found += 1
            if found == 2:
                return
    assert found


@pytest.fixture(scope="module")
def enclosed():
    """A strict minimum of an all-sigmoid network with rational data, and its certificate."""
    for seed in range(40):
        inst = sigmoid_instance(seed, 9)
        values = newton_start(inst)
        if values is None or np.abs(values).max() > 20:
            continue
        finding, certificate = decided("critical-point-nearby", at(inst, values))
        if finding.verdict == "proved":
            return finding, certificate
    raise AssertionError("no critical point found")


def moved(claim, by):
    claim["center"][0] = str(int(claim["center"][0]) + by)


NEARBY_FORGERIES = {
    "the centre is moved out of the box": lambda c: moved(c, 4 * int(c["radius"])),
    "a tiny box beside the point": lambda c: (moved(c, 1000), c.update(radius=1)),
    "the box is far too large": lambda c: c.update(radius=str(2**PLACES * 64)),
    "another inertia": lambda c: c.update(inertia=[c["inertia"][0] - 1, c["inertia"][1] + 1]),
    "a loss that is too small": lambda c: c.update(loss=[shifted(v, -Fraction(1, 10**6)) for v in c["loss"]]),
    "an empty loss": lambda c: c.update(loss=c["loss"][::-1]),
    "a parameter fixed without a symmetry": lambda c: c["free"].pop(),
    "a symmetry that is none": lambda c: c["symmetries"].append({"kind": "scaling", "layer": 1, "index": 0}),
    "no preconditioner": lambda c: c.update(preconditioner=[["0"] * 7] * 7),
    "no transform": lambda c: c.update(transform=[["0"] * 7] * 7),
    "other targets": lambda c: c["targets"][0].__setitem__(0, 17),
    "a twin": lambda c: (c["free"].pop(), c["symmetries"].append({"kind": "twin", "layer": 1, "index": 0, "other": 1})),
    "refuted": flipped,
}  # fmt: skip


@pytest.mark.parametrize("what", NEARBY_FORGERIES)
def test_forged_enclosures_are_rejected(what, enclosed):
    assert rejected(enclosed[1], NEARBY_FORGERIES[what])


def test_bad_minimum_enclosed_in_s_1():
    """The exact minimum of theory 3.4 by Krawczyk: eleven free parameters, in S_1, seven symmetries."""
    finding, certificate = decided("critical-point-nearby", bad_minimum())
    box = finding.evidence
    assert (box.kind, box.inertia.positive, box.wide_layer) == ("local minimum", 11, 1)
    assert box.loss[0] < Fraction(225199, 1312200) < box.loss[1]
    for part in range(2):
        for key in ("columns", "inverse", "rows"):
            assert rejected(
                certificate, lambda c, part=part, key=key: c["wide"]["parts"][part][key].reverse()
            )
    assert rejected(certificate, lambda c: c["wide"].update(layer=2))
    assert rejected(certificate, lambda c: c["wide"]["parts"].pop())


def test_undecided_where_nothing_is_near():
    """Far from any critical point, at a kink, on a plateau: undecided, never an enclosure."""
    steep = sigmoid_instance(3, 9)
    (finding,) = decide("critical-point-nearby", at(steep, [40.0, -30.0, 5.0, 0.1, 9.0, -2.0, 8.0]))
    assert finding.verdict == "undecided"
    net = network([1], {**DENSE, "units": 1, "activation": "relu"}, {**DENSE, "units": 1})
    kink = Instance(net, exactcnn.samples([[1], [2]], [[1], [0]]), given(net, ([[1]], [-1]), ([[1]], [0])))
    assert decide("critical-point-nearby", kink)[0].verdict == "undecided"
    # Four units for one sample: minima with zero loss form a family.
    wide = network([1], {**DENSE, "units": 4, "activation": "sigmoid"}, {**DENSE, "units": 1})
    flat = Instance(wide, exactcnn.samples([[1]], [[1]]), Weights.from_seed(wide, 1, 4))
    assert decide("critical-point-nearby", flat)[0].verdict == "undecided"


def test_dead_units_are_idle():
    """One ReLU unit off for all samples: its parameters are symmetries, the rest has a strict minimum."""
    net = network([1], {**DENSE, "units": 2, "activation": "relu"}, {**DENSE, "units": 1})
    samples = exactcnn.samples([[1], [2], [4]], [[1], [3], [4]])
    # Unit 0 is affine on the data: least squares 13/14 x + 1/2; unit 1 is off.
    weights = given(net, ([[Fraction(13, 14), -1]], [Fraction(1, 2), -1]), ([[1], [5]], [0]))
    finding, certificate = decided("local-minimum", Instance(net, samples, weights))
    assert finding.verdict == "proved"
    kinds = [field["kind"] for field in finding.summary["symmetries"]]
    assert "idle" in kinds
    assert len(kinds) == 5  # three of the unit that is off; scaling and shift of the other
    assert finding.summary["free"] == 2

    def awake(claim):
        index = next(n for n, f in enumerate(claim["evidence"]["symmetries"]) if f["kind"] == "idle")
        claim["evidence"]["symmetries"][index] = {"kind": "idle", "parameter": 0}

    assert rejected(certificate, awake)
