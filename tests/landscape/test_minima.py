"""Local minima and enclosures of critical points: decided, certified, compared with mpmath, and forged."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

import exactcnn
from exactcnn.arithmetic.texts import json_integer
from exactcnn.certificates import make_certificate
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Surface, point_of
from exactcnn.landscape.domains import BallDomain
from exactcnn.landscape.krawczyk import PLACES
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.landscape.test_instances import bad_minimum, saddle, yun
from tests.statements.instances import (
    added,
    certified,
    conv,
    given,
    judgment,
    network,
    outcome,
    put,
    random_rows,
    rng,
    verdict,
    without,
)

DENSE = {"kind": "dense"}
HALF = Fraction(1, 2)


def decided(statement, inst, layer=None):
    """The finding and its certificate, which is accepted."""
    (finding,) = decide(statement, inst, layer)
    return finding, None if finding.evidence is None else certified(inst, finding)


def rejected(certificate, change):
    """A forger's change, honest digests, is not accepted."""
    return outcome(certificate, change) in ("REJECTED", "MALFORMED")


def shifted(text, by):
    return str(Fraction(text) + by)


@pytest.mark.parametrize(
    "inst, expected, kinds",
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
def test_published_instances(inst, expected, kinds):
    (finding,) = decide("local-minimum", inst)
    assert finding.verdict == expected
    fields = finding.summary.get("symmetries")
    assert (None if fields is None else {field["kind"] for field in fields}) == kinds
    if kinds and kinds & {"twin", "level"}:  # the format has no such symmetries
        with pytest.raises(UndecidedError):
            make_certificate(inst, [finding])
    else:
        certified(inst, finding)


def flipped(c):
    claim = c["claims"][0]
    claim["verdict"] = "refuted" if claim["verdict"] == "proved" else "proved"


def of(kind, key=None, change=None, /, **fields):
    """The judgment of a kind with other fields, or one of its fields changed."""

    def changed(c):
        found = judgment(c, kind)
        if key is not None:
            change(found[key])
        found.update(fields)

    return changed


def instead(c, verdict, new):
    """The claim rests on another judgment alone."""
    c["claims"][0].update(verdict=verdict, by=[])
    added(c, new)


def zeros(c, kind, key="transform"):
    found = judgment(c, kind)
    found[key] = [[0] * len(row) for row in found[key]]


def smaller_at_itself(c):
    (value,) = (n for n, each in enumerate(c["judgments"]) if each["kind"] == "loss-exact")
    c["claims"].append(
        {"statement": "smaller-loss", "verdict": "proved", "weights": "given", "than": "given", "by": [value]}
    )


MINIMUM_FORGERIES = {
    "the point is moved": lambda c: put(c, "given", 1, "b", 0, [0, -63]),
    "the value": of("loss-exact", value=["225199/1312201"]),
    "one symmetry fewer": of("definite", "symmetries", lambda v: v.pop()),
    "a symmetry twice": of("definite", "symmetries", lambda v: v.__setitem__(1, v[2])),
    "a free parameter fewer": of("definite", "free", lambda v: v.pop()),
    "another set of free parameters": of("definite", "free", lambda v: v.__setitem__(0, 1)),
    "a free parameter twice": of("definite", "free", lambda v: v.__setitem__(1, v[0])),
    "an idle parameter that is not": of(
        "definite", "symmetries", lambda v: v.__setitem__(0, {"kind": "idle", "parameter": 0})
    ),
    "a scaling of the sigmoid layer": of(
        "definite", "symmetries", lambda v: v.__setitem__(0, {"kind": "scaling", "node": 3, "index": 0})
    ),
    "a shift of the sigmoid layer": of(
        "definite", "symmetries", lambda v: v.__setitem__(1, {"kind": "shift", "node": 3, "index": 0})
    ),
    "a twin of itself": of(
        "definite", "symmetries", lambda v: v.__setitem__(0, {"kind": "twin", "node": 3, "index": 0, "other": 0})
    ),
    "no transform": of("definite", transform=[]),
    "a transform of zeros": lambda c: zeros(c, "definite"),
    "few places": of("definite", precision=16),
    "zero loss": lambda c: (without(c, "definite"), without(c, "gradient-exact"), c["claims"][0]["by"].append(2)),
    "no gradient": lambda c: without(c, "gradient-exact"),
    "no curvature": lambda c: without(c, "definite"),
    "a direction": lambda c: instead(
        c, "refuted", {"kind": "descent", "weights": "given", "precision": 256, "vector": [1] + [0] * 17}
    ),
    "a partial derivative": lambda c: instead(
        c, "refuted", {"kind": "gradient-exact", "weights": "given", "partial": 0}
    ),
    "a slope": lambda c: instead(
        c, "refuted", {"kind": "slope-enclosed", "weights": "given", "precision": 256, "partial": 0}
    ),
    "the same point as smaller": smaller_at_itself,
    "the opposite": flipped,
}  # fmt: skip


@pytest.mark.parametrize("what", MINIMUM_FORGERIES)
def test_forged_minima_are_rejected(what):
    inst = bad_minimum()
    certificate = certified(inst, *decide("local-minimum", inst), *decide("loss", inst))
    assert [each["kind"] for each in certificate["judgments"]] == ["gradient-exact", "definite", "loss-exact"]
    assert rejected(certificate, MINIMUM_FORGERIES[what])


def test_families_without_their_symmetries_are_rejected():
    """Twins and levels, which the format does not have: nothing else makes up for the directions they leave flat."""
    for weights in (
        ("sigmoid2", [[-1, -1], [-1, -1]], [HALF, HALF]),
        ("square", [[1, 1], [1, 1]], [Fraction(1, 6)] * 2),
    ):
        inst = yun(*weights)
        critical = certified(inst, *decide("critical-point", inst))
        scaling = [{"kind": "scaling", "node": 1, "index": t} for t in (0, 1)]
        idle = {"kind": "idle", "parameter": 5}

        def forge(free, symmetries, critical=critical):
            def change(c):
                c["claims"][0]["statement"] = "local-minimum"
                added(c, {
                    "kind": "definite", "weights": "given", "precision": 256, "free": free, "symmetries": symmetries,
                    "transform": [[int(i == j) for j in free] for i in free],
                })  # fmt: skip

            return rejected(critical, change)

        assert forge(list(range(6)), [])
        for count in range(1, 6):
            assert forge(list(range(count)), [idle] * (6 - count))
        assert forge([0, 1, 2, 3], scaling)
        assert forge([0, 2, 4, 5], scaling)
        assert forge([], [*scaling, *scaling, *scaling])
        assert forge([0, 1, 2, 3, 4], [{"kind": "twin", "node": 1, "index": 0, "other": 1}])
        assert forge([0, 1, 2, 3, 4], [{"kind": "level", "node": 1, "unit": 0, "vector": [1, -1]}])


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


def moved(c, by):
    """The centre's first coordinate moved by so many units of 2^-w."""
    w, W = judgment(c, "isolated")["precision"], c["instance"]["weights"]["center"]["nodes"][0]["W"]
    over = Fraction(2**w, int(W["denominator"]))
    assert over.denominator == 1
    rows = [[int(v) * over.numerator for v in row] for row in W["rows"]]
    rows[0][0] += by
    W.update(denominator=json_integer(2**w), rows=[[json_integer(v) for v in row] for row in rows])


def fixed(c, symmetry=None):
    """The last parameter is no longer free; without a symmetry, or with one that is none."""
    found = judgment(c, "isolated")
    found["free"].pop()
    H = np.linalg.inv(
        np.array([[int(v) / 2 ** found["scale"] for v in row] for row in found["preconditioner"]])
    )
    inverse, (_, Q) = np.linalg.inv(H[:-1, :-1]), np.linalg.eigh(H[:-1, :-1])
    found["preconditioner"] = [
        [json_integer(round(v * 2 ** found["scale"])) for v in row] for row in inverse.tolist()
    ]
    found["transform"] = [[round(v * 2**40) for v in row] for row in Q.tolist()]
    found["inertia"][0] -= 1
    if symmetry is not None:
        found["symmetries"].append(symmetry)


def isolated(key=None, change=None, /, **fields):
    return of("isolated", key, change, **fields)


def radius(c):
    return int(judgment(c, "isolated")["radius"])


NEARBY_FORGERIES = {
    "the centre is moved out of the box": lambda c: moved(c, 4 * radius(c)),
    "the centre is moved within the box, which it no longer fills": lambda c: moved(c, radius(c)),
    "a tiny box beside the point": lambda c: (moved(c, radius(c) >> 8), isolated(radius=1)(c)),
    "the box is far too large": lambda c: isolated(radius=str(64 << judgment(c, "isolated")["precision"]))(c),
    "another inertia": isolated("inertia", lambda v: v.__setitem__(slice(None), [v[0] - 1, v[1] + 1])),
    "a loss that is too small": isolated(
        "loss", lambda v: v.__setitem__(slice(None), [shifted(q, -Fraction(1, 10**6)) for q in v])
    ),
    "an empty loss": isolated("loss", lambda v: v.reverse()),
    "a parameter fixed without a symmetry": fixed,
    "a parameter fixed, and nothing else": isolated("free", lambda v: v.pop()),
    "a symmetry that is none": isolated("symmetries", lambda v: v.append({"kind": "scaling", "node": 1, "index": 0})),
    "a parameter fixed by a scaling": lambda c: fixed(c, {"kind": "scaling", "node": 1, "index": 0}),
    "a parameter fixed by a shift": lambda c: fixed(c, {"kind": "shift", "node": 1, "index": 0}),
    "a parameter fixed as idle": lambda c: fixed(c, {"kind": "idle", "parameter": 6}),
    "a parameter fixed by a twin": lambda c: fixed(c, {"kind": "twin", "node": 1, "index": 0, "other": 1}),
    "no preconditioner": lambda c: zeros(c, "isolated", "preconditioner"),
    "no transform": lambda c: zeros(c, "isolated"),
    "another scale": isolated(scale=0),
    "few places": isolated(precision=16),
    "a centre beyond the grid": isolated(precision=20),
    "other targets": lambda c: c["instance"]["targets"]["rows"][0].__setitem__(0, 17),
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
    (sentence,) = verdict(certificate).claims
    assert "in S at node 2 (rank F_1 = 6" in sentence

    def wide(change):
        return rejected(certificate, lambda c: change(judgment(c, "isolated")["wide"]))

    for part in range(2):
        for key in ("columns", "rows"):
            assert wide(lambda w, part=part, key=key: w["parts"][part][key].reverse())
            assert wide(
                lambda w, part=part, key=key: w["parts"][part][key].__setitem__(0, w["parts"][part][key][1])
            )
            assert wide(lambda w, part=part, key=key: w["parts"][part][key].__setitem__(-1, 99))
        assert wide(lambda w, part=part: [w["parts"][part][key].pop() for key in ("columns", "rows")])
    # F_2 is 6 x 2, of rank below 6.
    assert wide(lambda w: w.update(node=4))
    assert wide(lambda w: w.update(node=4, parts=[{"rows": list(range(6)), "columns": list(range(6))}]))
    assert wide(lambda w: w["parts"].pop())
    assert wide(lambda w: w["parts"].append(w["parts"][0]))
    # It need not be said that the point lies in S_1.
    assert outcome(certificate, lambda c: judgment(c, "isolated").update(wide=None)) == "VERIFIED"


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

    idle = next(
        n for n, f in enumerate(judgment(certificate, "definite")["symmetries"]) if f["kind"] == "idle"
    )
    for parameter in (0, 2, 4, 6, 99):
        assert rejected(
            certificate, of("definite", "symmetries", lambda v, j=parameter: v[idle].update(parameter=j))
        )
    # The unit that is off, turned on by its bias.
    assert rejected(certificate, lambda c: put(c, "given", 0, "b", 1, [3]))
