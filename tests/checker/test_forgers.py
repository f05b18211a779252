"""An adaptive forger: whatever a certificate says, its published solutions are made for it afterwards, with the right hash.

For every kind of judgment that solutions can show, the forger plants a deficiency (equal or opposite samples, dead units,
deficient weights), chooses rows, columns, prime (or composite), root, divisor, bits, scale and precision as he likes, and then
solves for the matrix that he *wishes* the checker used: exponents in place of features, features without their activation,
another denominator, another node, transposed, without biases, a perturbed matrix.  So all published equations hold, for the
wrong matrix.  What is VERIFIED all the same is decided afresh by `Truth`, exactly or at 200 digits.
"""

import copy
import random
from collections import Counter
from fractions import Fraction
from itertools import permutations
from math import gcd

import flint
import mpmath
import pytest
from handmade import (
    P31,
    P61,
    act,
    claim,
    conv,
    dense,
    enclosed,
    features,
    generic,
    inline,
    instance,
    kernel,
    lifted,
    ln2,
    minor,
    network,
    order,
    rank,
    rational,
    seal,
    weight,
)
from naive import Reading, block, challenges, drawn, real_challenges

from exactcnn.checker import check_certificate
from tests.certificates.test_tampering import At, assert_true

P63 = 2**63 - 25
PRIMES = [P61, P61, P63, P63, P31, 1000003, 65537, 251]
# Carmichael numbers, strong pseudoprimes to many bases, squares, products of two primes.
COMPOSITES = [
    561,
    3215031751,
    341550071728321,
    3825123056546413051,
    P31**2,
    251 * 241,
    2**61 + 1,
    65537 * 1000003,
    9,
]
EXPONENTIAL = ["sigmoid", "tanh", "silu", "elu", "gaussian"]
REAL = ["sigmoid", "sigmoid2", "tanh", "softplus", "silu", "gelu", "elu", "gaussian", "arctan", "custom"]


def text(value):
    """As the format writes integers."""
    return value if abs(value) < 2**53 else str(value)


def prime(r):
    return r.choice(COMPOSITES) if r.random() < 0.1 else r.choice(PRIMES)


def enough(p, r):
    """The least number of vectors; seldom one fewer or more."""
    count = next(c for c in range(1, 200) if p**c >= 2**192)
    return count + r.choice([0] * 18 + [-1, 1])


def solve_mod(A, rights, p):
    """Solutions mod p, which need not be a prime, or None."""
    rows, n = [[v % p for v in row] + [b[i] % p for b in rights] for i, row in enumerate(A)], len(A)
    for k in range(n):
        at = next((i for i in range(k, n) if gcd(rows[i][k], p) == 1), None)
        if at is None:
            return None
        rows[k], rows[at] = rows[at], rows[k]
        inverse = pow(rows[k][k], -1, p)
        rows[k] = [v * inverse % p for v in rows[k]]
        for i in range(n):
            if i != k and rows[i][k]:
                c = rows[i][k]
                rows[i] = [(v - c * u) % p for v, u in zip(rows[i], rows[k], strict=True)]
    return [[row[n + j] for row in rows] for j in range(len(rights))]


def publish(case, judgment, A, p, r):
    """The judgment with solutions for A, which is perturbed until it is regular mod p."""
    holder = judgment["core"] if judgment["kind"] == "order" else judgment
    count = enough(p, r)
    rights = challenges(case, judgment, len(A), count, p)
    for _ in range(8):
        solutions = solve_mod(A, rights, p)
        if solutions is not None:
            break
        A = [[v + r.randrange(p) if r.random() < 0.3 else v for v in row] for row in A]
    else:
        solutions = [[r.randrange(p) for _ in A] for _ in range(count)]
    holder["solutions"] = [list(map(text, x)) for x in solutions]
    return judgment


# ---- Instances with something wrong. ----


def activation(name, r):
    if name == "custom":
        trees = [
            ["/", 1, ["+", 1, ["**", "t", 2]]],
            ["atan", ["exp", "t"]],
            ["log", ["+", 1, ["exp", "t"]]],
            ["abs", "t"],
        ]
        return {"name": "custom", "tree": r.choice(trees)}
    parameters = {
        "elu": {"alpha": r.choice([1, "2/3"])},
        "softplus": {"alpha": r.choice([1, 2])},
        "leaky_relu": {"slope": "1/3"},
    }
    return {"name": name, **parameters.get(name, {})}


def samples(r, N, d):
    rows = [[r.randint(-4, 4) for _ in range(d)] for _ in range(N)]
    plant = r.random()
    i, j = r.sample(range(N), 2)
    if plant < 0.45:
        rows[j] = list(rows[i])
    elif plant < 0.6:
        rows[j] = [-v for v in rows[i]]
    elif plant < 0.65:
        rows[j] = [0] * d
    return rows


def affine(r, below, units, bias="unit"):
    """Weights of a node and what is wrong with them."""
    W = [[r.randint(-3, 3) for _ in range(units)] for _ in range(below)]
    b = [r.randint(-3, 3) for _ in range(units)] if bias != "none" else None
    plant, s, t = r.random(), r.randrange(units), r.randrange(units)
    if plant < 0.15:  # the same unit twice
        W = [[row[s if u == t else u] for u in range(units)] for row in W]
        b = b and [b[s if u == t else u] for u in range(units)]
    elif plant < 0.25:  # a unit that is dead, or constant
        W = [[0 if u == t else v for u, v in enumerate(row)] for row in W]
        b = b and [-5 if u == t else v for u, v in enumerate(b)]
    elif plant < 0.35:  # rank one
        W = [[row[0] * (u + 1) for u in range(units)] for row in W]
        b = b and [0] * units
    return weight(W, b, r.choice([1, 1, 2, 3]))


def tower(r, last):
    """An affine node, perhaps a second one above an activation; `last` on top (None: nothing)."""
    N, d, units = r.randint(2, 4), r.randint(1, 3), r.randint(2, 5)
    if last == "wide":
        units = N
    bias = r.choice(["unit", "unit", "none"])
    nodes, given = [dense(units, bias)], [affine(r, d, units, bias)]
    if r.random() < 0.3:
        more = r.randint(2, 5)
        nodes += [act(activation(r.choice(["relu", "square", "leaky_relu"]), r)), dense(more, bias)]
        given.append(affine(r, units, more, bias))
    if last is not None:
        nodes.append(act(activation(last, r)))
    data = inline(samples(r, N, d), r.choice([1, 1, 2, 6]))
    return instance(network([d], *nodes), data, rational(*given), z=rational(*copy.deepcopy(given)))


def about(r, case, node):
    """The node, and rows and columns of a square part, sometimes no such thing."""
    N, nodes = case["data"]["shape"][0], case["network"]["nodes"]
    while nodes[node - 1]["kind"] == "activation":
        node -= 1
    width = nodes[node - 1]["units"]
    n = min(N, width) if r.random() < 0.9 else r.randint(1, min(N, width))
    rows, columns = sorted(r.sample(range(N), n)), sorted(r.sample(range(width), n))
    if r.random() < 0.02:
        r.choice([rows, columns])[-1] = r.choice([0, 1, N, width])
    if r.random() < 0.02:
        r.shuffle(rows)
    return rows, columns


def claims_of(r, case, node, n, by=(0,)):
    """Claims that a minor of order n would establish."""
    N = case["data"]["shape"][0]
    found = [rank(case, node, lower=n, by=by)]
    if n == N and r.random() < 0.1:
        found.append(claim(r.choice(["theorem-3.5", "extension-a"]), "proved", by, node=node))
    if r.random() < 0.05:
        found[0] = {**found[0], "lower": n + 1}
    return found


# ---- Features mod p. ----


def image(name, n, D, g, p, alpha=1):
    """sigma(n / D) with e^(1/D) going to g, as the format defines it."""
    if name == "softsign":
        return n * pow(D + abs(n), -1, p)
    power = pow(g, n, p)
    alpha = alpha.numerator * pow(alpha.denominator, -1, p)
    return {
        "sigmoid": lambda: power * pow(1 + power, -1, p),
        "tanh": lambda: (power**2 - 1) * pow(power**2 + 1, -1, p),
        "silu": lambda: n * pow(D, -1, p) * power * pow(1 + power, -1, p),
        "elu": lambda: n * pow(D, -1, p) if n >= 0 else alpha * (power - 1),
        "gaussian": lambda: pow(g, -n * n, p),
    }[name]()


def wished(r, case, node, place, p, root, divisor):
    """(name, matrix): what the forger would like the features to be."""
    rows, columns = place
    nodes = case["network"]["nodes"]
    sigma = nodes[node - 1].get("activation", {"name": "identity"})
    plain = sigma["name"] in ("identity", "relu", "square", "leaky_relu")
    wish = r.choice(PLAIN_WISHES if plain else WISHES)
    base = node if plain and (wish != "no activation" or "activation" not in nodes[node - 1]) else node - 1
    reading = Reading(case)
    g = root if isinstance(root, int) and root % p else 3
    if wish == "without bias":
        bare = copy.deepcopy(case)
        for given in bare["weights"]["w"]["nodes"]:
            if given["b"]:
                given["b"]["values"] = [0] * len(given["b"]["values"])
        reading = Reading(bare)
    if wish == "other node":
        base = r.choice([n for n in range(base + 1) if n == 0 or nodes[n - 1]["kind"] != "activation"])
    D = reading.denominator(base)
    n = reading.numerators(base)
    if wish == "transposed":
        n = [list(column) for column in zip(*n, strict=True)]
    if wish == "other places":
        rows, columns = list(range(len(rows))), list(range(len(columns)))
    if wish == "all different":
        n = [[v + (i * i + 1) * (j + 1) for j, v in enumerate(row)] for i, row in enumerate(n)]
    if wish == "absolute":
        n = [[abs(v) for v in row] for row in n]
    n = [[n[i % len(n)][j % len(n[0])] for j in columns] for i in rows]
    D = {"another denominator": r.choice([1, 2 * D, 6]), "divided": max(1, D // divisor)}.get(
        wish, D // divisor or 1
    )
    if wish != "another denominator":
        n = [[v // divisor for v in row] for row in n]
    if wish == "exponents" or (plain and wish not in CHANGING):
        A = n
    elif wish == "no activation":
        A = [[v * pow(D, -1, p) for v in row] for row in n]
    elif wish == "powers":
        A = [[pow(g, v, p) for v in row] for row in n]
    elif wish == "noise":
        A = [[r.randrange(p) for _ in row] for row in n]
    else:
        known = sigma["name"] in (*EXPONENTIAL, "softsign") and wish != "another activation"
        name = sigma["name"] if known else r.choice([*EXPONENTIAL, "softsign"])
        g = pow(g, 2, p) if wish == "another root" else g
        A = [[image(name, v, D, g, p, Fraction(sigma.get("alpha", 1))) for v in row] for row in n]
    return wish, [[v % p for v in row] for row in A]


WISHES = ["the truth", "exponents", "no activation", "powers", "another denominator", "divided", "other node", "transposed",
          "without bias", "other places", "all different", "absolute", "another activation", "another root", "noise"]  # fmt: skip
CHANGING = {"powers", "another denominator", "another activation", "noise"}
PLAIN_WISHES = ["the truth", "no activation", "other node", "transposed", "without bias", "other places", "all different",
                "absolute", *sorted(CHANGING)]  # fmt: skip


def features_forgery(r, last):
    case = tower(r, last)
    node = len(case["network"]["nodes"])
    node = node if r.random() < 0.9 else r.randint(1, node)
    rows, columns = about(r, case, node)
    p, exponential = prime(r), last in EXPONENTIAL
    root = (
        None
        if r.random() < (0.1 if exponential else 0.95)
        else r.choice([1, 2, 3, 5, p - 1, *(r.randrange(1, p) for _ in range(6)), r.choice([p, 0])])
    )
    divisor = r.choice([1] * 12 + [2, 3, Reading(case).denominator(1)])
    judgment = minor(features(node), rows, columns, text(p), root if root is None else text(root), divisor)
    try:
        wish, A = wished(r, case, node, (rows, columns), p, root, divisor)
    except ValueError:  # no inverse mod a composite
        wish, A = "noise", [[r.randrange(p) for _ in columns] for _ in rows]
    judgment = publish(case, judgment, A, p, r)
    return wish, seal(case, [judgment], claims_of(r, case, node, len(rows)))


# ---- Lifted matrices mod p. ----


def lifted_forgery(r, in_ln2):
    """Convolutions by lists with deficient filters, dense layers, and a row below."""
    d, filters = r.randint(2, 4), r.randint(1, 3)
    patches = [sorted(r.sample(range(d), 2)) for _ in range(r.randint(1, 3))]
    net = network([d], conv(filters, patches=patches) if r.random() < 0.7 else dense(filters + 1))
    length = 2 if "patches" in net["nodes"][0] else d
    given = affine(r, length, net["nodes"][0].get("filters", filters + 1), "none")
    table = given["W"]["rows"]
    if in_ln2:
        table = [
            [[v, 1] if (i + j) % 2 else [v] if v else [] for j, v in enumerate(row)]
            for i, row in enumerate(table)
        ]
        if r.random() < 0.5:
            table[-1] = table[0]
        given = None
    weights = ln2((table, None)) if in_ln2 else rational(given)
    case, p = instance(net, None, weights), prime(r)
    g = r.choice([1, 2, 7, p - 1, r.randrange(p)])
    root = (g if in_ln2 else None) if r.random() < 0.95 else r.choice([None, 5])
    size = len(At(case, "w", in_ln2).lifted(1))
    width = len(At(case, "w", in_ln2).lifted(1)[0])
    of, height = lifted(1), size
    if r.random() < 0.2:
        row = [r.choice([0, 1, 2, "1/2"]) for _ in range(width)]
        of, height = {**of, "matrix": "lifted-and-row", "row": row}, size + 1
    n = min(height, width)
    rows, columns = sorted(r.sample(range(height), n)), sorted(r.sample(range(width), n))
    judgment = minor(
        of, rows, columns, text(p), None if root is None else text(root), r.choice([1] * 15 + [2])
    )
    wish = r.choice(
        ["the truth", "transposed", "other ln 2", "other places", "square of ln 2", "filters apart", "noise"]
    )
    g = {"other ln 2": g + 1, "square of ln 2": g * g}.get(wish, g)

    def residue(v):
        v = v if isinstance(v, list) else [v]
        return sum(c * pow(g, i, p) for i, c in enumerate(map(int, v))) % p

    W = [[residue(v) for v in row] for row in table]
    if wish == "filters apart":
        W = [[v + i * len(row) + j for j, v in enumerate(row)] for i, row in enumerate(W)]
    U = [[0] * width for _ in range(height)]
    T = len(W[0])
    for h in range(width):
        patch = patches[h // T] if "patches" in net["nodes"][0] else range(d)
        for k, u in enumerate(patch):
            U[u][h] = W[k][h % T]
    if height > size:
        row = [Fraction(v) for v in of["row"]]
        U[size] = [v.numerator * pow(v.denominator, -1, p) for v in row] if p % 2 else [1] * width
    if wish == "transposed":
        U = [[U[j % height][i % width] for j in range(width)] for i in range(height)]
    if wish == "other places":
        rows, columns = list(range(n)), list(range(n))
    A = block(U, rows, columns)
    if wish == "noise":
        A = [[r.randrange(p) for _ in row] for row in A]
    judgment = publish(case, judgment, A, p, r)
    claims = [generic(case, 1, min(n, size, width), weights="w")]
    if net["nodes"][0]["kind"] != "dense" and r.random() < 0.3:
        claims.append(generic(case, 1, n))
    return wish, seal(case, [judgment], claims)


# ---- Features over R. ----


def tuned(r, n):
    """bits, number of vectors, scale, precision."""
    bits = r.choice([8, 16, 24, 32, 40, 40, 50, 60])
    q = bits - (n.bit_length() + 1) // 2 - 1
    return (
        bits,
        -(-192 // q) + r.choice([0] * 15 + [-1]),
        bits + r.choice([4, 12, 20, 60]),
        r.choice([16, 24, 64, 96, 128, 256]),
    )


def real_forgery(r):
    case = tower(r, r.choice([*REAL, "wide", "softsign", "relu"]).replace("wide", "tanh"))
    node = len(case["network"]["nodes"])
    rows, columns = about(r, case, node)
    n, wish = len(rows), r.choice(["the truth", "rounded", "perturbed", "perturbed", "no activation", "transposed", "other places",
                                   "another activation", "noise"])  # fmt: skip
    bits, count, scale, w = tuned(r, n)
    judgment = enclosed(features(node), rows, columns, w)
    places = r.randint(8, 70)
    with mpmath.workprec(300):
        reading = At(case, "w", True)
        if wish == "another activation":
            other = copy.deepcopy(case)
            other["network"]["nodes"][node - 1]["activation"] = activation(r.choice(REAL), r)
            reading = At(other, "w", True)
        F = reading.values(node - 1 if wish == "no activation" else node)
        if wish == "transposed":
            F = [list(column) for column in zip(*F, strict=True)]
        where = (range(n), range(n)) if wish == "other places" else (rows, columns)
        A = [[F[i % len(F)][j % len(F[0])] for j in where[1]] for i in where[0]]
        A = [[Fraction(int(mpmath.floor(v * 2**200)), 2**200) for v in row] for row in A]
    if wish == "rounded":
        A = [[Fraction(round(v * 2**places), 2**places) for v in row] for row in A]
    if wish == "perturbed":
        A = [[v + Fraction(r.randint(-8, 8), 2**places) for v in row] for row in A]
    if wish == "noise":
        A = [[Fraction(r.randint(-99, 99), 50) for _ in row] for row in A]
    rights = real_challenges(case, judgment, bits, n, count)
    judgment["solutions"] = {"bits": bits, "scale": scale, "vectors": solve_real(A, rights, scale, places, r)}
    claims = claims_of(r, case, node, n)
    return wish, seal(case, [judgment], claims)


def solve_real(A, rights, scale, places, r):
    """Exactly where it is regular, else after a perturbation, or by least squares in floats."""
    n = len(A)
    for attempt in range(3):
        try:
            left = flint.fmpq_mat([[flint.fmpq(v.numerator, v.denominator) for v in row] for row in A])
            right = flint.fmpq_mat(
                [[flint.fmpq(b[i].numerator, b[i].denominator) for b in rights] for i in range(n)]
            )
            X = left.solve(right)
            values = [
                [Fraction(int(X[i, j].p), int(X[i, j].q)) for i in range(n)] for j in range(len(rights))
            ]
            return [[text(round(v * 2**scale)) for v in x] for x in values]
        except ZeroDivisionError:
            if r.random() < 0.3 or attempt:
                break
            A = [[v + Fraction(r.randint(-8, 8), 2**places) for v in row] for row in A]
    import numpy as np

    floats = np.array([[float(v) for v in row] for row in A])
    X, *_ = np.linalg.lstsq(floats, np.array([[float(b[i]) for b in rights] for i in range(n)]), rcond=None)
    return [[text(round(Fraction(float(v)) * 2**scale)) for v in x] for x in X.T]


# ---- Cores. ----


def core_forgery(r):
    sigma = r.choice(["sigmoid", "sigmoid2", "silu", "gelu", "softplus", "gaussian", "tanh", "relu"])
    N, d, T = r.randint(2, 4), r.randint(1, 3), r.randint(2, 4)
    rows = samples(r, N, d)
    if r.random() < 0.5:
        net = network(
            [d], dense(N + 1, r.choice(["unit"] * 8 + ["none", "filter"])), act(activation(sigma, r))
        )
        patches, T = [list(range(d))], N + 1
    else:
        patches = [sorted(r.sample(range(d), min(d, 2))) for _ in range(3)]
        net = network([d], conv(T, patches=patches, bias="unit"), act(activation(sigma, r)))
    case = instance(net, inline(rows, r.choice([1, 2])))
    seed, bits, shared, length = r.randint(0, 99), r.randint(1, 8), r.random() < 0.3, len(patches[0])
    units, m = r.sample(range(T * len(patches)), N), r.randint(1, N)
    wish = r.choice(
        [
            "the truth",
            "other filters",
            "shared or not",
            "step or ramp",
            "no threshold",
            "transposed",
            "scaled",
            "noise",
        ]
    )

    def values(seed=seed, shared=shared):
        W = drawn(seed, bits, None, None, length * T, "peeling")
        filters = [[int(W[k * T + t] * 2**bits) for k in range(length)] for t in range(T)]
        filters = [filters[0]] * T if shared else filters
        return [
            [sum(a * row[u] for a, u in zip(filters[h % T], patches[h // T], strict=True)) for h in units]
            for row in rows
        ]

    z = values()
    # The best order there is: places from the last, each sample alone at the top of its unit.
    ways = list(permutations(range(N)))
    r.shuffle(ways)
    best = max(ways[:12], key=lambda way: sum(z[i][j] < z[way[j]][j] for j in range(m, N) for i in way[:j]))
    thresholds = [z[best[j]][j] + r.choice([0, 0, 1, -1, -40]) for j in range(m)]
    p, step = prime(r), sigma in ("sigmoid", "sigmoid2")
    listed = order(
        2,
        best,
        units,
        seed=seed,
        bits=bits,
        shared=shared,
        thresholds=thresholds,
        core={"prime": p, "solutions": None},
    )
    z = values(seed + (wish == "other filters"), shared ^ (wish == "shared or not"))
    step ^= wish == "step or ramp"

    def entry(i, j):
        over = z[best[i]][j] - (0 if wish == "no threshold" else thresholds[j])
        return int(over >= 0) if step else over if wish == "no threshold" else max(over, 0)

    A = [[entry(i, j) * (3 if wish == "scaled" else 1) for j in range(m)] for i in range(m)]
    if wish == "transposed":
        A = [list(column) for column in zip(*A, strict=True)]
    if wish == "noise":
        A = [[r.randrange(p) for _ in row] for row in A]
    if p >= 2**53:
        listed["core"]["prime"] = p = r.choice([P31, 65537, 251])
    judgment = publish(case, listed, A, p, r)
    return wish, seal(case, [judgment], [claim(r.choice(["theorem-3.5", "extension-a"]), "proved", node=2)])


# ---- Luck. ----


def consistent(A, b, p):
    """A solution of A x = b mod p, if there is one."""
    rows, n, pivots = [[v % p for v in row] + [y % p] for row, y in zip(A, b, strict=True)], len(A[0]), []
    for j in range(n):
        at = next((i for i in range(len(pivots), len(rows)) if rows[i][j]), None)
        if at is None:
            continue
        k = len(pivots)
        rows[k], rows[at] = rows[at], rows[k]
        rows[k] = [v * pow(rows[k][j], -1, p) % p for v in rows[k]]
        for i in range(len(rows)):
            if i != k:
                c = rows[i][j]
                rows[i] = [(v - c * u) % p for v, u in zip(rows[i], rows[k], strict=True)]
        pivots.append(j)
    if any(row[n] for row in rows[len(pivots) :]):
        return None
    x = [0] * n
    for k, j in enumerate(pivots):
        x[j] = rows[k][n]
    return x


@pytest.mark.parametrize(("p", "count"), [(3, 1), (3, 3), (5, 2), (7, 2), (251, 1)])
def test_lucky_right_hand_sides_are_too_few(p, count):
    """Instances are renamed until all equations hold for the true, singular matrix."""
    rows = [[1, 2], [3, -1], [1, 2]]
    net = network([2], dense(3, "unit"), act("relu"))
    case = instance(net, inline(rows), rational(weight([[1, -1, 2], [1, 1, -1]], [0, 1, 3])))
    A = Reading(case).numerators(2)
    judgment = minor(features(2), range(3), range(3), p)
    for name in range(5000):
        case["network"]["name"] = f"try {name}"
        solutions = [consistent(A, b, p) for b in challenges(case, judgment, 3, count, p)]
        if None not in solutions:
            break
    else:
        pytest.fail("no luck")
    judgment["solutions"] = solutions
    verdict = check_certificate(seal(case, [judgment], [rank(case, 2, lower=3)]), max_seconds=None)
    assert verdict.outcome == "REJECTED", verdict
    assert "do not reach" in verdict.reason


@pytest.mark.parametrize(("bits", "count"), [(3, 3), (4, 2), (8, 1)])
def test_lucky_right_hand_sides_over_the_reals_are_too_few(bits, count):
    """Equal samples: the first and the last entry of b are nearly equal by chance."""
    net = network([1], dense(2, "unit"), act("gelu"))
    case = instance(net, inline([[1], [1]]), rational(weight([[1, 2]], [0, 1])))
    judgment = enclosed(features(2), [0, 1], [0, 1], 64)
    for name in range(5000):
        case["network"]["name"] = f"try {name}"
        rights = real_challenges(case, judgment, bits, 2, count)
        if all(abs(a - b) * 2 ** (bits + 1) < 1 for a, b in rights):
            break
    else:
        pytest.fail("no luck")
    with mpmath.workprec(100):
        first = At(case, "w", True).values(2)[0][0]
        vectors = [[text(int((a + b) / 2 * 2**80 / Fraction(str(first)))), 0] for a, b in rights]
    judgment["solutions"] = {"bits": bits, "scale": 80, "vectors": vectors}
    verdict = check_certificate(seal(case, [judgment], [rank(case, 2, lower=2)]), max_seconds=None)
    assert verdict.outcome == "REJECTED", verdict
    assert "do not reach" in verdict.reason


# ---- The attack that a checker of an earlier format fell for, in this one. ----


def contradiction(N, kind="features", p=1000003, root=None):
    """x_0 - j through ReLU, then gaussians of sums of two neighbours.  The last two samples have opposite x_1: their exponents
    differ, their features do not; the exponents' matrix is regular, and triangular enough to be solved for at any size."""
    rows = [[i, 0] for i in range(1, N - 1)] + [[N - 1, 1], [N - 1, -1]]
    patches = [[j, N + 1] for j in range(N - 1)] + [[N - 1, N]]
    net = network([2], dense(N + 2, "unit"), act("relu"), conv(1, patches=patches), act("gaussian"))
    first = weight(
        [[1] * (N - 1) + [0] * 3, [0] * (N - 1) + [1, -1, 0]], [-j for j in range(N - 1)] + [0] * 3
    )
    case = instance(net, inline(rows), rational(first, weight([[1], [-1]])))
    judgment = minor(features(4), range(N), range(N), p, root)
    count = next(c for c in range(1, 40) if p**c >= 2**192)

    def solve(b):  # G y = b, G the pre-activations
        t = (b[-2] - b[-1]) * pow(2, -1, p) % p
        d = [0, 0, *b[:-2], b[-2] - t]
        return [(d[i + 2] - 2 * d[i + 1] + d[i]) % p for i in range(N - 1)] + [t]

    judgment["solutions"] = list(map(solve, challenges(case, judgment, N, count, p)))
    equal = kernel(features(4), "left", (N - 1, [[N - 2, 1], [N - 1, -1]]))
    return case, judgment, equal


@pytest.mark.parametrize("N", [4, 7, 12, 3163])
def test_contradiction(N):
    for root in [None] if N > 12 else [None, 2, 3]:
        case, judgment, equal = contradiction(N, root=root)
        proved, refuted = rank(case, 4, lower=N), rank(case, 4, upper=N - 1)
        verdict = check_certificate(seal(case, [judgment], [proved]), max_seconds=None)
        assert verdict.outcome == "REJECTED", verdict
        assert ("root" if root is None else "A x = b") in verdict.reason
        both = seal(case, [judgment, equal], [proved, {**refuted, "by": [1]}])
        assert check_certificate(both, max_seconds=None).outcome == "REJECTED"
    # The equations do hold for the pre-activations; and the samples are equal.
    below = {**judgment, "of": features(3), "root": None}
    if N <= 12:
        rights = challenges(case, below, N, 10, judgment["prime"])
        A = Reading(case).values(3)
        below["solutions"] = solve_mod([list(map(int, row)) for row in A], rights, judgment["prime"])
        assert (
            check_certificate(seal(case, [below], [rank(case, 3, lower=N)]), max_seconds=None).outcome
            == "VERIFIED"
        )
    verdict = check_certificate(seal(case, [equal], [refuted]), max_seconds=None)
    assert verdict.outcome == "VERIFIED", verdict


# ---- The forgeries. ----


FAMILIES = {
    "rational features": (2200, lambda r: features_forgery(r, r.choice([None, None, "relu", "square"]))),
    "exponential features": (2600, lambda r: features_forgery(r, r.choice(EXPONENTIAL))),
    "softsign": (1000, lambda r: features_forgery(r, "softsign")),
    "features without an image": (
        300,
        lambda r: features_forgery(r, r.choice(["sigmoid2", "gelu", "arctan", "softplus", "custom"])),
    ),
    "lifted": (1100, lambda r: lifted_forgery(r, False)),
    "lifted with ln 2": (1100, lambda r: lifted_forgery(r, True)),
    "over the reals": (1400, real_forgery),
    "cores": (1300, core_forgery),
}


def forgeries(family, count=None, seed=0):
    number, forge = FAMILIES[family]
    r = random.Random(f"{family} {seed}")
    for _ in range(count or number):
        yield forge(r)


@pytest.fixture
def arrays():
    """NumPy's part of the checker, for matrices of any size."""
    module = pytest.importorskip("exactcnn.checker.arrays")
    with pytest.MonkeyPatch.context() as patch:
        yield lambda on: patch.setattr(module, "LARGE", 0 if on else 10**6)


def test_there_are_ten_thousand():
    assert sum(count for count, _ in FAMILIES.values()) >= 10_000


@pytest.mark.parametrize("family", FAMILIES)
def test_no_forgery_is_verified(family, arrays):
    """By plain Python and by NumPy, with the same answer."""
    outcomes, wishes, equations = Counter(), Counter(), 0
    for wish, forged in forgeries(family):
        verdict = check_certificate(forged, max_seconds=None)
        assert verdict.outcome in ("VERIFIED", "REJECTED"), (verdict, forged)
        outcomes[verdict.outcome] += 1
        equations += "A x = b" in verdict.reason
        if verdict.outcome == "VERIFIED":
            assert_true(forged, verdict)
            wishes[wish] += 1
        if verdict.outcome == "VERIFIED" or "A x = b" in verdict.reason:
            arrays(True)
            again = check_certificate(forged, max_seconds=None)
            arrays(False)
            assert again.outcome == verdict.outcome, (again, verdict)
    if family == "features without an image":
        assert outcomes["VERIFIED"] < outcomes["REJECTED"] / 50  # of the rational nodes below
        return
    assert wishes["the truth"] > 0  # solutions for the true matrix do pass, so others could
    assert equations > outcomes.total() / 4  # and most forgeries fail at their equations alone
