"""The NumPy route for large minors computes what the route in Python integers computes, and judges alike."""

import gzip
import hashlib
import json
import random
import struct
from itertools import permutations

import numpy as np
import pytest
from graphs import GRAPHS, case_of
from handmade import (
    P31,
    act,
    changed,
    claim,
    conv,
    dense,
    features,
    inline,
    instance,
    minor,
    network,
    order,
    pool,
    rank,
    rational,
    seal,
    seed,
    weight,
)
from naive import Reading, block, drawn, largest_minor, mod, solved_mod_p
from verdicts import context

import exactcnn
from exactcnn.checker import arrays, check_certificate
from exactcnn.checker.core.matrices import Matrix

VECTORS = 25  # 251^25 > 2^192


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The routes for large minors at sizes for tests."""
    monkeypatch.setattr(arrays, "LARGE", 0)


def verdicts(certificate, monkeypatch, **options):
    """With NumPy and without; and whether NumPy was used."""
    with_numpy = check_certificate(certificate, max_seconds=None, **options)
    with monkeypatch.context() as patch:
        patch.setattr(arrays, "load", lambda: None)
        without = check_certificate(certificate, max_seconds=None, **options)
    assert not any("NumPy" in x for x in without.assumptions)
    assert with_numpy.outcome == without.outcome, (with_numpy.reason, without.reason)
    assert with_numpy.claims == without.claims
    return with_numpy.outcome, any("NumPy" in x for x in with_numpy.assumptions)


def image(activation, n, g, p):
    u = pow(g, n % (p - 1), p)
    return {
        "sigmoid": lambda: u * pow(1 + u, -1, p),
        "tanh": lambda: (u * u - 1) * pow(1 + u * u, -1, p),
        "gaussian": lambda: pow(g, -n * n % (p - 1), p),
    }[activation]() % p


EXPONENTIAL = {
    "sigmoid": [conv(3, kernel=[2]), act("sigmoid")],
    "tanh, bias per filter": [conv(3, kernel=[2], bias="filter"), act("tanh")],
    "gaussian, padded": [conv(2, kernel=[2], padding=[[1, 0]], bias="unit"), act("gaussian")],
    "sigmoid with groups": [conv(4, kernel=[1], groups=2), act("sigmoid")],
    "sigmoid above ReLU and pooling": [
        conv(3, kernel=[2], padding=[1]),
        act("relu"),
        pool([2]),
        dense(9, "unit"),
        act("sigmoid"),
    ],
}


def solved(case, node, p=251, root=None, rows=None, columns=None, A=None):
    A = mod(Reading(case).numerators(node), p) if A is None else A
    if rows is None:
        rows, columns = largest_minor(A, p)
    bare = minor(features(node), rows, columns, prime=p, root=root)
    return solved_mod_p(case, bare, block(A, rows, columns), p, VECTORS), rank(case, node, lower=len(rows))


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_exponential_features(name, monkeypatch):
    size = [2, 2] if "groups" in name else [4]
    nodes, p, g = EXPONENTIAL[name], 251, 6 * 6 * 36  # a square, of odd order 125
    rows = [[(5 * i * i + 3 * j + i * j) % 7 - 3 for j in range(4)] for i in range(7)]
    case = instance(network(size, *nodes), inline(rows, 2), seed(4, 4))
    node = len(nodes)
    sigma = nodes[-1]["activation"]["name"]
    A = [[image(sigma, n, g, p) for n in row] for row in Reading(case).numerators(node - 1)]
    good, found = solved(case, node, p, g % p, A=A)
    assert verdicts(seal(case, [good], [found]), monkeypatch) == ("VERIFIED", True)
    wrong = (good["solutions"][3][1] + 1) % p
    assert verdicts(seal(case, [changed(good, "solutions", 3, 1, wrong)], [found]), monkeypatch) == (
        "REJECTED",
        False,
    )
    assert verdicts(seal(case, [good], [found]), monkeypatch, deterministic=True) == ("VERIFIED", False)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("p", [251, 1009])
def test_rational_features_of_every_kind_of_node(name, p, monkeypatch):
    case = case_of(GRAPHS[name])
    case["weights"]["w"] = seed(11, 2)
    good, found = solved(case, len(case["network"]["nodes"]), p)
    outcome, used = verdicts(seal(case, [good], [found]), monkeypatch)
    assert outcome == "VERIFIED"
    assert used == (max(map(abs, (v for row in _all_values(case) for v in row))) < 2**61)
    wrong = (good["solutions"][24][0] + 1) % p
    assert (
        verdicts(seal(case, [changed(good, "solutions", 24, 0, wrong)], [found]), monkeypatch)[0]
        == "REJECTED"
    )


def _all_values(case):
    reading = Reading(case)
    return [row for node in range(len(case["network"]["nodes"]) + 1) for row in reading.numerators(node)]


@pytest.mark.parametrize("name", ["residual", "groups", "average, padding counted"])
def test_products_equal_those_of_python(name, monkeypatch):
    """Every residue, not only their products: x_j runs through unit vectors."""
    case = case_of(GRAPHS[name])
    case["weights"]["w"] = seed(11, 2)
    node, p = len(case["network"]["nodes"]), 251
    N, width = len(case["data"]["rows"]), len(Reading(case).values(node)[0])
    matrix = Matrix(context(case), features(node), "")
    matrix.check_root(p, None, 1)
    place = list(range(N)), list(range(width)), p, None
    units = [[int(i == j) for i in range(width)] for j in range(width)]
    plain = [[] for _ in units]
    for part in matrix.residues(*place):
        for line, found in zip(plain, part.products(units, p), strict=True):
            line += found
    fast = [[] for _ in units]
    for part in matrix.residues(*place, arrays):
        for line, found in zip(fast, part.products(units, p), strict=True):
            line += found
    assert fast == plain
    assert [list(row) for row in zip(*fast, strict=True)] == mod(Reading(case).numerators(node), p)


def test_numbers_that_are_too_large_go_to_python(monkeypatch):
    """Numerators beyond 64 bits and large primes are not for NumPy."""
    rows = [[1, 2], [3, 5]]
    plain = instance(network([2], dense(2)), inline(rows), rational(weight([[1, 0], [0, 1]])))
    good, found = solved(plain, 1)
    assert verdicts(seal(plain, [good], [found]), monkeypatch) == ("VERIFIED", True)
    for data, weights in (
        (inline([[str(2**64), 2], [3, 5]]), plain["weights"]["w"]),
        (inline(rows), rational(weight([[str(2**64), 0], [0, 1]]))),
    ):
        case = {**plain, "data": data, "weights": {"w": weights}}
        case["data"]["rows"] = [[int(v) for v in row] for row in case["data"]["rows"]]
        case["weights"]["w"]["nodes"][0]["W"]["rows"] = [
            [int(v) for v in row] for row in weights["nodes"][0]["W"]["rows"]
        ]
        A = mod(Reading(case).numerators(1), 251)
        for row in [*case["data"]["rows"], *case["weights"]["w"]["nodes"][0]["W"]["rows"]]:
            row[0] = str(row[0])
        good, found = solved(case, 1, A=A)
        assert verdicts(seal(case, [good], [found]), monkeypatch) == ("VERIFIED", False)
    good, found = solved(plain, 1, P31)
    assert verdicts(seal(plain, [good], [found]), monkeypatch) == ("VERIFIED", False)


def test_poles_that_no_entry_uses(monkeypatch):
    """2 has order 50 mod 251, so that 2^25 = -1; exponents 0 and 1 do not meet it."""
    case = instance(network([1], dense(1), act("sigmoid")), inline([[1]]), rational(weight([[1]])))
    p, g = 251, 2
    assert pow(g, 25, p) == p - 1
    good, found = solved(case, 2, p, g, [0], [0], [[image("sigmoid", 1, g, p)]])
    assert verdicts(seal(case, [good], [found]), monkeypatch)[0] == "VERIFIED"


def test_data_that_are_all_zero(monkeypatch):
    """Weights of any size multiply 0; nothing overflows."""
    big = str(10**400)
    for nodes, given in (
        ([dense(2)], rational(weight([[big, 1], [1, big]]))),
        ([act({"name": "prelu", "slope": f"1/{10**400 + 1}"})], rational()),
        ([{"kind": "scale", "factors": [big], "shifts": [0]}], rational()),
    ):
        case = instance(network([2], *nodes), inline([[0, 0], [0, 0]]), given)
        judgment = minor(features(1), [0, 1], [0, 1], prime=251, solutions=[[0, 0]] * VECTORS)
        assert verdicts(seal(case, [judgment], [rank(case, 1, lower=2)]), monkeypatch)[0] == "REJECTED"


def test_deficient_minors_are_rejected(monkeypatch):
    """Two equal samples: the rank is claimed to be N with solutions of another instance."""
    case = case_of(GRAPHS["groups"])
    case["weights"]["w"] = seed(11, 2)
    good, found = solved(case, 3)
    rows = good["rows"]
    case["data"]["rows"][rows[1]] = case["data"]["rows"][rows[0]]
    assert verdicts(seal(case, [good], [found]), monkeypatch) == ("REJECTED", False)


def test_bytes_of_a_file(tmp_path, monkeypatch):
    values = bytes((7 * n * n + n) % 251 for n in range(36))
    raw = gzip.compress(b"\0\0\x08\2" + struct.pack(">2I", 9, 4) + values)
    (tmp_path / "x.gz").write_bytes(raw)
    net = network([4], dense(5, "unit"), act("relu"))
    listed = instance(net, inline([values[4 * i : 4 * i + 4] for i in range(9)]), seed(2, 3))
    A = mod(Reading(listed).numerators(2), 251)
    data = {
        "kind": "file",
        "name": "x.gz",
        "format": "idx",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "shape": [9, 4],
        "start": 0,
        "scale": 1,
    }
    case = {**listed, "data": data}
    rows, columns = largest_minor(A, 251)
    judgment = minor(features(2), rows, columns, prime=251)
    judgment = solved_mod_p(case, judgment, block(A, rows, columns), 251, VECTORS)
    found = rank(case, 2, lower=len(rows))
    certificate = seal(case, [judgment], [found])
    assert verdicts(certificate, monkeypatch, data_path=str(tmp_path / "x.gz")) == ("VERIFIED", True)


LAYERS = {
    "sigmoid": [{"kind": "conv", "filters": 40, "kernel": 3, "activation": "sigmoid"}],
    "leaky ReLU": [
        {"kind": "conv", "filters": 40, "kernel": 3, "activation": {"name": "leaky_relu", "slope": "3/7"}}
    ],
    "gaussian above ReLU and pooling": [
        {"kind": "conv", "filters": 6, "kernel": 3, "activation": "relu"},
        {"kind": "maxpool", "kernel": 2, "padding": 1},
        {"kind": "dense", "units": 400, "activation": "gaussian", "bias": "none"},
    ],
}


@pytest.mark.parametrize("name", LAYERS)
def test_solutions_of_the_prover(name, monkeypatch):
    """Minors of order 180, beyond what the prover leaves to elimination; one entry changed, and two samples made equal."""
    draw = random.Random(0)
    shape = {
        "name": "wide",
        "input": {"shape": [1, 6, 6]},
        "layers": [*LAYERS[name], {"kind": "dense", "units": 2}],
    }
    rows = np.array([[draw.randint(0, 255) for _ in range(36)] for _ in range(180)])
    net = exactcnn.Network.from_dict(shape)
    made = exactcnn.verify(
        net, rows, statements="rank", layer=len(LAYERS[name]), bits=8, seed=0
    ).certificate()
    (judgment,) = made["judgments"]
    assert judgment["kind"] == "minor-mod-p"
    assert len(judgment["rows"]) == 180
    assert judgment["solutions"] is not None
    made = json.loads(json.dumps(made))
    assert verdicts(made, monkeypatch)[0] == "VERIFIED"
    wrong = (int(judgment["solutions"][3][7]) + 1) % int(judgment["prime"])
    assert verdicts(changed(made, "judgments", 0, "solutions", 3, 7, wrong), monkeypatch)[0] == "REJECTED"
    made["instance"]["data"]["rows"][1] = made["instance"]["data"]["rows"][0]
    assert verdicts(seal(made["instance"], made["judgments"], made["claims"]), monkeypatch)[0] == "REJECTED"


@pytest.mark.parametrize("shared", [True, False])
def test_triangular_order(shared, monkeypatch):
    """All orders of four samples at four units of two patches, compared with the naive inequality."""
    net = network([3], conv(2, patches=[[0, 1], [-1, 2]], bias="unit"), act("gelu"))
    case = instance(net, inline([[1, 0, 2], [3, 1, 0], [0, 5, 1], [2, -4, 7]]))
    a = [x * 2**5 for x in drawn(9, 5, 0, "", 4, "peeling")]
    filters = [a[0 if shared else t :: 2] for t in range(2)]
    patches, rows = [(0, 1), (None, 2)], case["data"]["rows"]
    z = [
        [
            sum(
                w * (0 if u is None else row[u]) for w, u in zip(filters[h % 2], patches[h // 2], strict=True)
            )
            for h in range(4)
        ]
        for row in rows
    ]
    seen = set()
    for places in permutations(range(4)):
        right = all(z[places[i]][j] < z[places[j]][j] for j in range(4) for i in range(j))
        judgment = order(2, places, range(4), 9, 5, shared)
        certificate = seal(case, [judgment], [claim("theorem-3.5", "proved", node=2)])
        seen.add(right)
        assert verdicts(certificate, monkeypatch)[0] == ("VERIFIED" if right else "REJECTED")
    assert seen <= {True, False}
    assert False in seen
