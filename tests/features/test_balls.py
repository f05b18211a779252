"""Ranks by ball arithmetic and verified inverses: true where claimed, silent on singular matrices."""

from fractions import Fraction

import mpmath
import pytest
from flint import arb_mat, ctx

import exactcnn
from exactcnn.certificates.instance_json import weights_json
from exactcnn.data.samples import Samples
from exactcnn.features.balls import feature_balls, verified_minor
from exactcnn.features.instance import Instance
from exactcnn.linalg.verified_inverse import VerifiedInverse, verified_inverse
from exactcnn.network.weights import Weights
from exactcnn.statements.rank import decide_rank
from exactcnn.statements.statement import Ask
from tests.statements.instances import (
    certified,
    conv,
    given,
    instance,
    judgment,
    network,
    outcome,
    random_rows,
    rng,
    sealed,
    verdict,
)

SHIFTED = {"name": "custom", "expression": "atan(t) + pi/2"}
OTHERS = ["softplus", "gelu", "arctan", {"name": "softplus", "alpha": "3/2"}, SHIFTED,
          {"name": "custom", "expression": "t*exp(-t**2) + tanh(t/3)"}]  # fmt: skip
ORACLE = {
    "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)),
    "softplus": lambda t: mpmath.log1p(mpmath.exp(t)),
    "gelu": lambda t: t * mpmath.ncdf(t),
    "relu": lambda t: max(t, mpmath.mpf(0)),
    "square": lambda t: t * t,
    "elu": lambda t: t if t > 0 else mpmath.expm1(t),
}


def features_by_mpmath(inst, k):
    """F_k at the current precision of mpmath, from the definition of the network alone."""
    net = inst.network
    rows = [
        [mpmath.mpf(int(v)) / inst.samples.x.denominator for v in row] for row in inst.samples.x.numerators
    ]
    for layer in net.layers[:k]:
        patches = layer.patches.indices.tolist()
        if layer.kind == "maxpool":
            rows = [[max(row[u] for u in patch if u < len(row)) for patch in patches] for row in rows]
            continue
        entry, sigma = inst.weights[layer.index], ORACLE[layer.activation.name]
        W = [[mpmath.mpf(int(v)) / entry.W.denominator for v in line] for line in entry.W.numerators]
        b = [mpmath.mpf(int(v)) / entry.b.denominator for v in entry.b.numerators]
        out = []
        for row in rows:
            padded = [*row, *[mpmath.mpf(0)] * (1 + max(map(max, patches)))]
            padded[len(row) :] = [mpmath.mpf(0)] * (len(padded) - len(row))
            units = []
            for p, patch in enumerate(patches):
                x = [padded[u] if u < len(row) else mpmath.mpf(0) for u in patch]
                for t in range(layer.filters):
                    g = sum(x[r] * W[r][t] for r in range(len(x)))
                    bias = b[t] if layer.bias == "filter" else b[p * layer.filters + t]
                    units.append(sigma(g + bias))
            out.append(units)
        rows = out
    return rows


@pytest.mark.parametrize("top", ["softplus", "gelu", "sigmoid", "elu"])
@pytest.mark.parametrize("below", ["relu", "sigmoid", "gelu", "square"])
def test_balls_contain_the_features(below, top):
    """Every ball contains the value of a 200-digit evaluation from the definition, pooling included."""
    net = network(
        [1, 4, 4],
        conv(2, below, kernel=2, padding=1, bias="filter"),
        {"kind": "maxpool", "kernel": 2, "padding": 1},
        conv(3, top, kernel=2),
    )
    inst = instance(net, random_rows(rng(1), 4, 16, -3, 3))
    units = [0, 5, 7, net.widths[3] - 1]
    balls = feature_balls(inst, 3, 90, units)
    with mpmath.workdps(200):
        exact = features_by_mpmath(inst, 3)
        for row, line in zip(balls, exact, strict=True):
            for ball, unit in zip(row, units, strict=True):
                with ctx.workprec(200):
                    ends = ball.lower(), ball.upper()
                low, high = (mpmath.mpf(str(end.str(80, radius=False))) for end in ends)
                slack = mpmath.mpf(10) ** -70  # digits of the printed ends
                assert low - slack <= line[unit] <= high + slack
                assert high - low < mpmath.mpf(10) ** -15


@pytest.mark.parametrize("activation", OTHERS, ids=str)
@pytest.mark.parametrize("depth", [1, 2])
def test_proved_and_checked(activation, depth):
    """Full rank at given weights, deep and custom too, with a certificate the checker accepts."""
    layers = [conv(4, activation, kernel=2), {"kind": "dense", "units": 9, "activation": activation}]
    inst = instance(network([5], *layers), random_rows(rng(depth), 7, 5, -2, 2))
    finding = decide_rank(inst, Ask(depth))
    assert finding.verdict == "proved"
    assert judgment(certified(inst, finding), "minor-enclosed")["solutions"] is None


def singular_cases():
    r = rng(5)
    rows = random_rows(r, 6, 3, -3, 3)
    affine = network(
        [3], {"kind": "dense", "units": 9, "activation": {"name": "custom", "expression": "2*t + 1"}}
    )
    yield "an affine activation: rank 4", instance(affine, rows), 4
    cubic = network(
        [1], {"kind": "dense", "units": 9, "activation": {"name": "custom", "expression": "t**3"}}
    )
    yield "cubics in one variable: rank 4", instance(cubic, [[n] for n in range(7)]), 4
    gelu = network([3], {"kind": "dense", "units": 9, "activation": "gelu"})
    equal = given(gelu, ([[1] * 9] * 3, [2] * 9))
    yield "all units equal: rank 1", instance(gelu, rows, equal), 1
    duplicated = network([3], conv(3, "arctan", kernel=2))
    yield "duplicated samples: rank 4", instance(duplicated, [*rows[:4], rows[1], rows[2]]), 4
    shared = network([4], conv(3, "gelu", kernel=2, bias="filter"))
    yield "constant images, shared biases: rank 3", instance(shared, [[n] * 4 for n in range(5)]), 3


@pytest.mark.parametrize(
    "why, inst, rank", list(singular_cases()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_deficient_matrices_are_never_proved(why, inst, rank):
    """The exact rank is found as a lower bound, nothing above it, and its certificate is accepted."""
    finding = decide_rank(inst, Ask(1))
    assert finding.verdict != "proved"
    assert finding.summary["lower"] == rank
    certificate = certified(inst, finding)
    assert certificate["claims"][0]["lower"] == rank
    assert outcome(certificate, lambda c: c["claims"][0].update(lower=rank + 1)) == "REJECTED"


def test_ill_conditioned_matrices_take_more_bits():
    """Nearly equal samples: float64 sees rank 1, a few hundred bits prove rank 4."""
    net = network([1], {"kind": "dense", "units": 8, "activation": "softplus"})
    rows = [[(1 << 40) + n] for n in range(4)]
    inst = instance(net, rows)
    inst = Instance(net, Samples(inst.samples.x.scaled(Fraction(1, 1 << 40)), None, (1,)), inst.weights)
    found = verified_minor(inst, 1)
    assert found is not None
    assert found.rank == 4
    assert found.precision > 150
    finding = decide_rank(inst, Ask(1))
    certificate = certified(inst, finding)
    assert outcome(certificate, lambda c: judgment(c, "minor-enclosed").update(precision=100)) == "REJECTED"


def test_beyond_its_size_the_route_declines():
    """701 samples: None, not an hour of work."""
    net = network([2], {"kind": "dense", "units": 701, "activation": "gelu"})
    inst = instance(net, [[n, n * n] for n in range(701)])
    assert verified_minor(inst, 1) is None


def test_verified_inverse_alone():
    """Non-singular yes; singular, and singular within the radius, never."""
    with ctx.workprec(100):
        assert verified_inverse(arb_mat([[1, 2], [3, 4]])) is not None
        assert verified_inverse(arb_mat([[1, 2], [2, 4]])) is None
        wide = arb_mat([["1 +/- 0.6", 0], [0, 1]])
        assert verified_inverse(wide) is None
        assert not VerifiedInverse(((1, 0), (0, 1)), 0).holds_for(arb_mat([[0, 0], [0, 1]]))


def _base():
    """Five rows, eliminated by the checker."""
    net = network([4], conv(3, "gelu", kernel=2))
    inst = instance(net, random_rows(rng(2), 5, 4, -2, 2))
    return inst, certified(inst, decide_rank(inst, Ask(1)))


def _solved():
    """More rows than the checker eliminates, with solutions."""
    net = network([6], conv(12, "gelu", kernel=2))
    inst = instance(net, random_rows(rng(2), 45, 6, -2, 2))
    return inst, certified(inst, decide_rank(inst, Ask(1)))


def _forgeries():
    def of(change):
        return lambda c: change(judgment(c, "minor-enclosed"))

    yield "a column twice", of(lambda j: j["columns"].__setitem__(1, j["columns"][0]))
    yield "a column out of range", of(lambda j: j["columns"].__setitem__(-1, 99))
    yield "a row twice", of(lambda j: j["rows"].__setitem__(1, 0))
    yield "columns turned over", of(lambda j: j["columns"].reverse())
    yield "one row less", of(lambda j: (j["rows"].pop(), j["columns"].pop()))
    yield "not square", of(lambda j: j["rows"].pop())
    yield "of the pre-activations", of(lambda j: j["of"].update(node=1))
    yield "of the data", of(lambda j: j["of"].update(node=0))
    yield "of the lifted matrix", of(lambda j: j["of"].update(matrix="lifted", node=1))
    yield "a rank more", lambda c: c["claims"][0].update(upper=6, lower=6)


@pytest.mark.parametrize("make", [_base, _solved])
@pytest.mark.parametrize("attack, change", list(_forgeries()), ids=lambda v: v if isinstance(v, str) else "")
def test_forged_minors_are_rejected(attack, change, make):
    _, certificate = make()
    assert outcome(certificate, change) == "REJECTED"


def _solutions():
    yield "a solution is 0", lambda s: s["vectors"].__setitem__(0, [0] * 45)
    yield "all solutions are 0", lambda s: s.update(vectors=[[0] * 45] * len(s["vectors"]))
    yield "two solutions exchanged", lambda s: s["vectors"].reverse()
    yield (
        "an entry moved by 1",
        lambda s: s["vectors"][0].__setitem__(0, str(int(s["vectors"][0][0]) + (1 << s["scale"]))),
    )
    yield "another scale", lambda s: s.update(scale=s["scale"] - 2)
    yield "a bit less", lambda s: s.update(bits=s["bits"] - 1)
    yield "more bits than they have", lambda s: s.update(bits=60)
    yield "few bits, which do not add up", lambda s: s.update(bits=5)
    yield "no bits", lambda s: s.update(bits=0)
    yield "one solution less", lambda s: s["vectors"].pop()
    yield "the last one twice", lambda s: s["vectors"].__setitem__(-1, s["vectors"][-2])
    yield "one entry less", lambda s: s["vectors"][0].pop()
    yield "one entry more", lambda s: s["vectors"][0].append(0)
    yield "none", lambda s: s.update(vectors=[])


@pytest.mark.parametrize("attack, change", list(_solutions()), ids=lambda v: v if isinstance(v, str) else "")
def test_forged_solutions_are_rejected(attack, change):
    _, certificate = _solved()
    found = outcome(certificate, lambda c: change(judgment(c, "minor-enclosed")["solutions"]))
    assert found == ("MALFORMED" if attack in ("none", "no bits") else "REJECTED")


def test_too_few_places_for_the_solutions():
    _, certificate = _solved()
    assert outcome(certificate, lambda c: judgment(c, "minor-enclosed").update(precision=16)) == "REJECTED"


@pytest.mark.parametrize("activation", ["gelu", "sigmoid", "softplus"])
def test_a_singular_matrix_has_no_evidence_to_forge(activation):
    """By elimination, by the identity, the pseudo-inverse's columns or anything else: equal samples are rejected."""
    net = network([2], {"kind": "dense", "units": 4, "activation": activation})
    good = instance(net, [[1, 2], [2, 1], [0, 3]])
    certificate = certified(good, decide_rank(good, Ask(1)))
    of = {"matrix": "features", "node": 2, "weights": "given"}
    for vectors in (
        None,
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 2,
        [[0] * 3] * 6,
        [[5, -3, 2], [-1, 4, 1], [7, 7, -9]] * 2,
    ):
        for precision in (64, 200, 4096):
            minor = {
                "kind": "minor-enclosed", "of": of, "rows": [0, 1, 2], "columns": [0, 1, 2], "precision": precision,
                "solutions": None if vectors is None else {"bits": 40, "scale": 0, "vectors": vectors},
            }  # fmt: skip

            def change(c, minor=minor):
                rows = c["instance"]["data"]["rows"]
                rows[2] = rows[0]
                c["judgments"] = [minor]

            assert outcome(certificate, change) == "REJECTED"


@pytest.mark.parametrize("make", [_base, _solved])
def test_weights_matter(make):
    """The certificate of one seed does not pass for another; what is 0 has no rank, and solutions are bound to the seed."""
    inst, certificate = make()
    (layer,) = inst.network.layers
    zero = given(inst.network, ([[0] * layer.filters] * layer.patch_size, [1] * layer.bias_length))

    def change(weights):
        return lambda c: c["instance"]["weights"].update(given=weights_json(weights, inst.network.layers, 1))

    assert outcome(certificate, change(zero)) == "REJECTED"
    if make is _solved:
        assert outcome(certificate, change(Weights.from_seed(inst.network, 1, 8))) == "REJECTED"


def test_precision_beyond_the_format_is_malformed_and_values_beyond_measure_are_not_verified():
    """8192 places once met a wrong erf; sixty squares of 3 would take more memory than there is."""
    _, certificate = _base()
    assert outcome(certificate, lambda c: judgment(c, "minor-enclosed").update(precision=8192)) == "MALFORMED"
    squares = network([1], *[{"kind": "dense", "units": 1, "activation": "square"}] * 60,
                      {"kind": "dense", "units": 1, "activation": "gelu"})  # fmt: skip
    ones = given(squares, *[([[3]], [3])] * 61)
    minor = {
        "kind": "minor-enclosed", "of": {"matrix": "features", "node": 122, "weights": "given"}, "rows": [0],
        "columns": [0], "precision": 64, "solutions": None,
    }  # fmt: skip
    claim = {
        "statement": "rank",
        "verdict": "proved",
        "node": 122,
        "weights": "given",
        "lower": 1,
        "upper": 1,
        "by": [0],
    }
    record = {
        "network": squares.to_nodes(), "weights": {"given": weights_json(ones, squares.layers, 61)}, "targets": None,
        "data": {"kind": "inline", "shape": [1, 1], "denominator": 1, "rows": [[3]]},
    }  # fmt: skip
    certificate = sealed({"format": "exactcnn-certificate", "version": 2, "instance": record, "digests": {},
                          "judgments": [minor], "claims": [claim]})  # fmt: skip
    assert verdict(certificate).outcome in ("REJECTED", "MALFORMED", "NOT CHECKED")


@pytest.mark.parametrize(
    "scale, third, pooled",
    [("2", 1, False), ("1/3", 1, False), ("2", 1, True), ("3", 3, False), ("3", 3, True)],
)
@pytest.mark.parametrize("biases", [(400, 900), (-25, 25)], ids=["affine", "bent"])
def test_solutions_speak_of_the_least_denominator(scale, third, pooled, biases):
    """More than 150 rational rows with common factors: prover and checker mean the same matrix."""
    layers = [{"kind": "dense", "units": 190, "activation": "relu"}]
    layers += [{"kind": "maxpool", "patches": [[h] for h in range(190)]}] if pooled else [
        {"kind": "dense", "units": 190, "activation": "relu"}
    ]  # fmt: skip
    net = network([30], *layers)
    r = rng(7)
    entries = [([[Fraction(r.randint(-3, 3), third if n.index == 1 else 1) for _ in range(n.filters)]
                 for _ in range(n.patch_size)],
                [Fraction(r.randint(*biases), 2 if pooled and third == 1 and h % 2 else 1) for h in range(n.width)])
               for n in net.layers if n.kind != "maxpool"]  # fmt: skip
    weights = given(net, entries[0], *([None] if pooled else [entries[1]]))
    samples = instance(net, random_rows(r, 155, 30, 0, 9)).samples.scaled(Fraction(scale))
    inst = Instance(net, samples, weights)
    finding = decide_rank(inst, Ask(2))
    certificate = certified(inst, finding)
    minor = judgment(certificate, "minor-mod-p")
    # Weights over 3, data that are multiples of 3, integer biases.
    assert minor["divisor"] == third
    if biases == (-25, 25):
        assert (len(minor["rows"]), len(minor["solutions"])) == (155, 7)
        for other in {1, 2, 3, 6} - {minor["divisor"]}:
            assert (
                outcome(certificate, lambda c, v=other: judgment(c, "minor-mod-p").update(divisor=v))
                == "REJECTED"
            )
        for n, place in ((0, 0), (6, 154)):
            entry = minor["solutions"][n][place]
            assert (
                outcome(
                    certificate,
                    lambda c: judgment(c, "minor-mod-p")["solutions"][n].__setitem__(place, entry ^ 1),
                )
                == "REJECTED"
            )


def test_many_well_conditioned_rows():
    """Rounding the inverse must not cost the proof: 200 rows of a deep layer, whose row sums add 200 roundings."""
    net = network([1, 8, 8], conv(16, "sigmoid", kernel=3), conv(32, "sigmoid", kernel=3))
    samples = exactcnn.load_data("digits").take(200).scaled(Fraction(1, 16))
    inst = Instance(net, samples, Weights.from_seed(net, 0, 10))
    found = verified_minor(inst, 2)
    assert found is not None
    assert found.rank == 200
    assert found.precision < 150
