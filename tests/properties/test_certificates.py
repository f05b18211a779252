"""Laws of certificates: what the prover writes is verified, and nothing that is verified contradicts anything else that is."""

import random
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import product

import pytest

import exactcnn
from exactcnn.certificates import certify
from exactcnn.checker import check_certificate
from exactcnn.errors import UndecidedError
from exactcnn.statements import STATEMENTS
from tests.certificates.test_tampering import (
    BASES,
    IDX,
    assert_true,
    by_hand,
    naive,
    resealed,
    tampered,
    verdict_of,
)
from tests.checker import test_forgers as forgers
from tests.statements.instances import given

# ---- No two verified claims contradict each other. ----


class Pool:
    """Bounds and verdicts of verified claims, by what they are about; the rank of F at w, of U for almost all filters, .."""

    def __init__(self):
        self.low, self.high, self.verdicts = defaultdict(dict), defaultdict(dict), defaultdict(set)
        self.verified = 0

    def add(self, certificate):
        verdict = verdict_of(certificate, DATA.get("file"))
        if verdict.outcome != "VERIFIED":
            assert verdict.outcome in ("REJECTED", "MALFORMED", "NOT CHECKED"), verdict
            return
        self.verified += 1
        about = by_hand.sha(certificate["instance"])
        for c in certificate["claims"]:
            keys = ("node", "weights", "activation", "samples", "than", "v")
            what = by_hand.sha([about, c["statement"], [c.get(key) for key in keys]])
            if c["verdict"] != "undecided":
                self.verdicts[what].add(c["verdict"])
            if "lower" in c:
                letter = "F" if c["statement"] == "rank" else "U"
                matrix = about, letter, int(c["node"]), c.get("weights")
                self.low[matrix][int(c["lower"])] = self.high[matrix][int(c["upper"])] = c
            if c["statement"] in ("loss", "point") and "loss" in c:
                self.verdicts[by_hand.sha([about, c["weights"]])].add(str(c["loss"]))

    def consistent(self):
        for matrix, high in self.high.items():
            about, letter, node, weights = matrix
            everywhere = (about, letter, node, None)  # for every parameter, or for almost every one
            for other in {matrix, everywhere} & set(self.low):
                if letter == "F" or other == matrix:
                    assert max(self.low[other]) <= min(high), (matrix, self.low[other], high)
            if everywhere in self.high:  # bounds that hold for every parameter hold at these
                assert max(self.low[matrix]) <= min(self.high[everywhere]), (
                    matrix,
                    self.low[matrix],
                    self.high[everywhere],
                )
        assert all(len(verdicts) == 1 for verdicts in self.verdicts.values())


DATA = {}


@pytest.fixture(autouse=True)
def _data_file(tmp_path):
    path = tmp_path / "x.idx"
    path.write_bytes(IDX)
    DATA["file"] = str(path)


def candidates(r, case):
    """Certificates about one instance, true and false."""
    N, nodes = case["data"]["shape"][0], case["network"]["nodes"]
    for node in range(1, len(nodes) + 1):
        for kind, p, root in product(["eliminated", "solved"], [251, forgers.P31], [None, 4]):
            rows, columns = forgers.about(r, case, node)
            n = r.randint(1, len(rows))
            judgment = by_hand.minor(by_hand.features(node), rows[:n], columns[:n], p, root)
            if kind == "solved":
                try:
                    _, A = forgers.wished(r, case, node, (rows[:n], columns[:n]), p, root, 1)
                except ValueError:
                    continue
                judgment = forgers.publish(case, judgment, A, p, r)
            yield by_hand.seal(case, [judgment], forgers.claims_of(r, case, node, n))
        rows, columns = forgers.about(r, case, node)
        w = r.choice([32, 128])
        yield by_hand.seal(
            case,
            [by_hand.enclosed(by_hand.features(node), rows, columns, w)],
            [by_hand.rank(case, node, lower=len(rows)), by_hand.claim("theorem-3.5", "proved", node=node)][
                : r.randint(1, 2)
            ],
        )
        for _ in range(4):
            i, j = sorted(r.sample(range(N), 2))
            vector = i, [[i, r.choice([1, 2])], [j, r.choice([-1, 1, -2])]]
            bound = by_hand.kernel(by_hand.features(node), "left", vector)
            yield by_hand.seal(
                case, [bound], [by_hand.rank(case, node, upper=width_bound(case, node, N - 1))]
            )
        counted = by_hand.count(node, "samples"), len({tuple(row) for row in case["data"]["rows"]})
        for judgment, bound in [counted, (by_hand.count(node, "patches"), r.randint(1, N))]:
            yield by_hand.seal(
                case,
                [judgment],
                [
                    by_hand.rank(
                        case, node, upper=width_bound(case, node, bound), weights=r.choice([None, "w"])
                    )
                ],
            )
        yield by_hand.seal(
            case, [by_hand.count(node, "samples")], [by_hand.claim("theorem-3.5", "refuted", node=node)]
        )
        yield by_hand.seal(
            case,
            [by_hand.judged("dead", node=node, dead=2)],
            [by_hand.claim("extension-a", "refuted", node=node)],
        )
        yield by_hand.seal(
            case,
            [by_hand.judged("general-position", node=node)],
            [by_hand.claim("extension-a", "proved", node=node)],
        )


def width_bound(case, node, bound):
    channels, extents, _ = naive.shapes(case["network"])[node]
    return min(bound, case["data"]["shape"][0], channels * extents[0])


@pytest.mark.parametrize(
    "last", [None, "relu", "sigmoid", "tanh", "gaussian", "silu", "elu", "softsign", "gelu", "softplus"]
)
def test_certificates_about_one_instance_agree(last):
    """Minors and kernels, recomputed and solved for, honest and forged."""
    r, pool = random.Random(str(last)), Pool()
    for _ in range(8):
        case = forgers.tower(r, last)
        for certificate in candidates(r, case):
            pool.add(certificate)
    assert pool.verified > 30
    assert len(pool.high) > 8
    pool.consistent()


@pytest.mark.parametrize("name", BASES)
def test_tampered_certificates_about_one_instance_agree(name):
    """Judgments and claims changed, the instance as it was."""
    pool = Pool()
    pool.add(BASES[name])
    changed = [forged for path, forged in tampered(BASES[name]) if path[0] in ("judgments", "claims")]
    for forged in changed[:: 1 + len(changed) // 150]:
        pool.add(resealed(forged))
    assert pool.verified
    pool.consistent()


# ---- What the prover writes is verified. ----

DENSE = {"kind": "dense"}
LIBRARY = ["identity", "relu", {"name": "leaky_relu", "slope": "1/3"}, "square", "sigmoid", "sigmoid2", "tanh",
           {"name": "softplus", "alpha": 2}, "silu", "gelu", {"name": "elu", "alpha": "1/2"}, "gaussian", "arctan"]  # fmt: skip
EXPRESSIONS = ["1/(1+t**2)", "log(1+exp(t))", "abs(t)", "sin(t)", "t/(1+abs(t))", "exp(-t**2) + t"]
SIGMAS = [*LIBRARY, *({"name": "custom", "expression": text} for text in EXPRESSIONS)]
POINTS = {"theorem-4.4", "theorem-4.5", "corollary-4.6", "extension-c", "zero-loss-exists"}
ROWS = [[1, 2, 0, 3], [0, -1, 2, 1], [2, 2, 1, -1]]


def shapes(sigma, r):
    """Layers of depths 1 to 3, with pooling, all kinds of biases, patches by kernels and by lists."""
    bias = r.choice(["unit", "filter", "none"])
    yield (
        "one layer",
        [{**DENSE, "units": r.randint(2, 4), "activation": sigma, "bias": r.choice(["unit", "none"])}],
    )
    yield (
        "convolution",
        [
            {"kind": "conv", "filters": 2, "kernel": 2, "activation": sigma, "bias": bias},
            {**DENSE, "units": 2},
        ],
    )
    yield "pooling", [{"kind": "conv", "filters": 2, "kernel": 2, "padding": 1, "activation": sigma},
                      {"kind": "maxpool", "kernel": 2, "stride": 1}, {**DENSE, "units": 1, "bias": r.choice(["unit", "none"])}]  # fmt: skip
    yield "three layers", [{**DENSE, "units": 4, "activation": sigma}, {**DENSE, "units": 2, "activation": sigma},
                           {**DENSE, "units": 1}]  # fmt: skip
    lists = {
        "kind": "conv",
        "filters": 1,
        "patches": [[0, 1], [2, 3], [1, 2]],
        "activation": sigma,
        "bias": bias,
    }
    yield (
        "lists",
        [lists, {"kind": "conv", "filters": 2, "kernel": 1, "activation": "relu"}, {**DENSE, "units": 1}],
    )


def zoo():
    r = random.Random(8)
    for number, sigma in enumerate(SIGMAS):
        name = sigma if isinstance(sigma, str) else sigma.get("expression", sigma["name"])
        for place, (shape, layers) in enumerate(shapes(sigma, r)):
            if (number + place) % 2:  # every other one
                continue
            plant = r.choice(["nothing", "nothing", "equal samples", "zero weights", "class labels"])
            yield pytest.param(layers, plant, r.randint(0, 99), id=f"{name}, {shape}, {plant}")


def weights_of(network, plant, seed):
    """None: drawn from the seed; or all 0 but for the biases."""
    if plant != "zero weights":
        return None
    entries = []
    for layer in network.layers:
        if layer.kind == "maxpool":
            entries.append(None)
            continue
        W = [[0] * layer.filters for _ in range(layer.patch_size)]
        b = [Fraction((seed + j) % 3, 2) for j in range(layer.bias_length)]
        entries.append((W, b if layer.bias_length else None))
    return given(network, *entries)


@pytest.mark.parametrize(("layers", "plant", "seed"), list(zoo()))
def test_every_certificate_that_the_prover_writes_is_verified(layers, plant, seed):
    network = exactcnn.Network.from_dict({"name": "zoo", "input": {"shape": [4]}, "layers": layers})
    width = network.widths[-1]
    rows = [ROWS[0], *ROWS[:-1]] if plant == "equal samples" else ROWS
    targets = [
        [int(i % width == j) if plant == "class labels" else (i * j + i) % 3 for j in range(width)]
        for i in range(3)
    ]
    data = exactcnn.samples(rows, targets)
    result = exactcnn.verify(
        network,
        data,
        weights=weights_of(network, plant, seed),
        seed=seed,
        bits=4,
        statements=list(STATEMENTS),
    )
    made, left = certify(result.instance, list(result.findings))
    verdict = check_certificate(made, max_seconds=None)
    assert verdict.outcome == "VERIFIED", verdict
    assert result.certificate() == made
    left = {id(finding) for finding in left}
    kept = [finding for finding in result.findings if id(finding) not in left]
    assert len(kept) + len(left) == len(result.findings)
    claimed = Counter(claim["statement"] for claim in made["claims"])
    names = {"point" if f.statement in POINTS else f.statement for f in kept}
    assert names | {"smaller-loss", "rank"} >= set(claimed)
    for finding in result.findings:
        try:
            alone, _ = certify(result.instance, [finding])
        except UndecidedError:
            assert id(finding) in left, finding
        else:
            assert id(finding) not in left, finding
            assert check_certificate(alone, max_seconds=None).outcome == "VERIFIED", finding
            # Where a distance rests on floats, the rank that it needs is certified under its own name.
            names = {"point"} if finding.statement in POINTS else {finding.statement}
            assert names & set(claimed) or (finding.statement == "zero-loss-nearby" and claimed["rank"]), (
                finding
            )
    if seed % 4 == 0:
        assert_true(made, verdict)
