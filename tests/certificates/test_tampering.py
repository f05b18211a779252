"""Mechanical tampering: whatever is changed, the checker never verifies what is false.

Every leaf of certificates with every kind of judgment and of claim is replaced, removed, swapped or extended, with the
digests left alone and with the digests recomputed as a forger would.  Where the checker still says VERIFIED, everything
that the certificate says is decided afresh by `Truth`: a naive reading of the format, exact ranks by FLINT, and numbers
of 200 digits where an activation is not rational.  It shares no code with the checker, nor with the prover.
"""

import ast
import copy
import hashlib
import io
import json
import random
import re
import sys
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from itertools import pairwise, product
from math import prod
from pathlib import Path

import flint
import mpmath
import numpy as np
import pytest

import exactcnn
from exactcnn.certificates import make_certificate
from exactcnn.checker import check_certificate
from exactcnn.checker.certificate import ROWS, RULES
from exactcnn.features.instance import Instance
from exactcnn.statements import decide
from tests.statements.instances import conv, given, instance, network, random_rows, rng

sys.path.insert(0, str(Path(__file__).parents[1] / "checker"))
import handmade as by_hand
import naive

OUTCOMES = {"VERIFIED", "REJECTED", "MALFORMED", "NOT CHECKED"}
DIGITS = 200
STILL = mpmath.mpf(10) ** -40  # below this a derivative of 200 digits is 0
RATIONAL = {"identity", "relu", "leaky_relu", "prelu", "relu6", "hardtanh", "square", "softsign"}
ANALYTIC = {
    "identity",
    "square",
    "sigmoid",
    "sigmoid2",
    "tanh",
    "softplus",
    "silu",
    "gelu",
    "gaussian",
    "arctan",
}
STEEP = {"identity", "sigmoid", "sigmoid2", "tanh", "softplus", "arctan", "softsign"}
ASSUMPTION_3_2 = {"sigmoid", "sigmoid2", "gaussian", "relu6", "relu", "softplus", "silu", "gelu"}
DENSE = {"kind": "dense"}


# ---- The truth. ----


def plain(value, key=""):
    """A JSON value with integers for their texts, which are allowed everywhere."""
    if isinstance(value, dict):
        return {k: plain(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    whole = isinstance(value, str) and key != "name" and len(value) < 4000 and value.lstrip("-").isdigit()
    return int(value) if whole else value


def inlined(case, file):
    """With the samples themselves where a file is named."""
    data = case["data"]
    if data is None or data["kind"] == "inline":
        return case
    (N, d), start = data["shape"], data["start"]
    raw = (
        np.load(io.BytesIO(file))["x"]
        if data["format"] == "npz"
        else np.frombuffer(file, np.uint8, offset=16)
    )
    scale = Fraction(data["scale"])
    rows = [[int(v) * scale.numerator for v in row] for row in raw.reshape(-1, d)[start : start + N]]
    return {
        **case,
        "data": {"kind": "inline", "shape": [N, d], "denominator": scale.denominator, "rows": rows},
    }


def tree_value(tree, t):
    """A user's activation in mpmath."""
    if tree in ("t", "pi"):
        return t if tree == "t" else mpmath.pi()
    if not isinstance(tree, list):
        return mpmath.mpf(Fraction(tree).numerator) / Fraction(tree).denominator
    op, *operands = tree
    if op == "**":
        return tree_value(operands[0], t) ** int(operands[1])
    values = [tree_value(each, t) for each in operands]
    return {
        "+": lambda a, b: a + b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b,
        "abs": abs,
        "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
        "softplus": lambda a: mpmath.log1p(mpmath.exp(a)),
        **{name: getattr(mpmath, name) for name in ("exp", "log", "atan", "erf", "sqrt", "sin", "cos")},
    }[op](*values)


class At(naive.Reading):
    """A reading at named weights, powers of ln 2 and written activations included, or at given parameters.

    `nudged`: (node, sample, unit, h) adds h to one unit of an affine node.
    """

    def __init__(self, case, point, real, nudged=None):
        named = isinstance(point, str)
        super().__init__(case, point if named else "", real)
        self.point, self.nudged = {} if named else point, nudged

    def number(self, value):
        return value if isinstance(value, mpmath.mpf) else super().number(value)

    def parameters(self, number):
        if number in self.point:
            return self.point[number]
        if self.given["kind"] != "ln2":
            W, b = super().parameters(number)
            biases = {"none": 0, "filter": len(W[0]), "unit": len(naive.places(self.shapes[number]))}
            assert len(b) == biases[self.net["nodes"][number - 1]["bias"]], (
                "weights of another shape than the network's"
            )
            return W, b
        affine = [n for n, each in enumerate(self.net["nodes"], 1) if each.get("bias")]
        entry = self.given["nodes"][affine.index(number)]

        def value(poly):
            if self.real:
                return sum(
                    (self.number(Fraction(c)) * mpmath.log(2) ** i for i, c in enumerate(poly)), mpmath.mpf(0)
                )
            return sum(map(Fraction, poly[:1]), Fraction(0))

        return [[value(v) for v in row] for row in entry["W"]], [value(v) for v in entry["b"] or []]

    def activated(self, activation, t):
        if activation["name"] == "custom":
            return tree_value(activation["tree"], t)
        return super().activated(activation, t)

    def _affine(self, number, rows):
        found = super()._affine(number, rows)
        if self.nudged and self.nudged[0] == number:
            _, i, h, step = self.nudged
            found[i][h] += step
        return found


def exact_rank(rows):
    if not rows or not rows[0]:
        return 0
    if any(isinstance(v, mpmath.mpf) for row in rows for v in row):
        return real_rank([[v if isinstance(v, mpmath.mpf) else real(v) for v in row] for row in rows])
    return flint.fmpq_mat(
        [[flint.fmpq(v.numerator, v.denominator) for v in map(Fraction, row)] for row in rows]
    ).rank()


def real_rank(rows):
    """With full pivoting; what falls below half the digits is 0, rows and columns being scaled to 1 first."""
    rank = 0
    for _ in range(2):
        sizes = [max(map(abs, row)) or 1 for row in rows]
        rows = [
            list(row)
            for row in zip(
                *([v / size for v in row] for row, size in zip(rows, sizes, strict=True)), strict=True
            )
        ]
    small = max((abs(v) for row in rows for v in row), default=0) * mpmath.mpf(10) ** -(mpmath.mp.dps // 2)
    while rows and rows[0]:
        size, i, j = max((abs(v), i, j) for i, row in enumerate(rows) for j, v in enumerate(row))
        if size <= small:
            break
        pivot = rows.pop(i)
        top = pivot.pop(j)
        for row in rows:
            c = row.pop(j) / top
            row[:] = [a - c * b for a, b in zip(row, pivot, strict=True)]
        rank += 1
    return rank


def spread(rows):
    """Between the largest and the smallest of real numbers other than 0 there are so many decimal places."""
    sizes = [v.man_exp[1] + v.bc for row in rows for v in row if isinstance(v, mpmath.mpf) and v]
    return (max(sizes) - min(sizes)) * 0.31 if sizes else 0


class Truth:
    """Decides about one instance."""

    def __init__(self, case, file=b""):
        self.case = inlined(plain(case), file)
        self.net, self.nodes, self.shapes = self.case["network"], self.case["network"]["nodes"], None
        self.shapes = naive.shapes(self.net)
        self.affine = [n for n, node in enumerate(self.nodes, 1) if node.get("bias")]
        self.N = self.case["data"]["shape"][0] if self.case["data"] else 0
        self.known = {}

    def size(self, number):
        channels, extents, _ = self.shapes[number]
        return channels * prod(extents)

    def upto(self, number):
        found = {number} - {0}
        for n in range(number, 0, -1):
            found |= set(self.nodes[n - 1]["of"]) - {0} if n in found else set()
        return sorted(found)

    def rational(self, number, point):
        if isinstance(point, str) and self.case["weights"][point]["kind"] == "ln2":
            return False
        if not isinstance(point, str) and any(
            isinstance(v, mpmath.mpf) for W, _ in point.values() for v in W[0]
        ):
            return False
        kinds = (self.nodes[n - 1] for n in self.upto(number))
        return all(node["kind"] != "activation" or node["activation"]["name"] in RATIONAL for node in kinds)

    def features(self, number, point):
        return At(self.case, point, not self.rational(number, point)).values(number)

    def lifted(self, number, point):
        real = isinstance(point, str) and self.case["weights"][point]["kind"] == "ln2"
        return At(self.case, point, real).lifted(number)

    def ranked(self, make, key, least=0):
        """The rank of a matrix that `make` computes; with more digits where it seems to be below `least` and numbers are
        of very different sizes."""
        for digits in (DIGITS, 2000, 20_000):
            if (key, digits) not in self.known:
                with mpmath.workdps(digits):
                    rows = make()
                    self.known[key, digits] = exact_rank(rows), spread(rows)
            rank, orders = self.known[key, digits]
            if rank >= least or not digits / 4 < orders < 20_000:
                break
        return rank

    def rank(self, number, point, least=0, rows=None, columns=None):
        def made():
            F = self.features(number, point)
            return F if rows is None else naive.block(F, rows, columns)

        return self.ranked(made, ("F", number, name_of(point), str((rows, columns))), least)

    def rank_with_ones(self, number, point, least=0):
        return self.ranked(lambda: [[*row, row[0] * 0 + 1] for row in self.features(number, point)],
                           ("F1", number, name_of(point)), least)  # fmt: skip

    def rank_lifted(self, number, point, least=0):
        return self.ranked(lambda: self.lifted(number, point), ("U", number, name_of(point)), least)

    def draw(self, seed, size=1, dark=None):
        """Random parameters of all nodes; the biases of the affine node `dark` far below 0."""
        r, point = random.Random(seed), {}
        reading = At(self.case, {}, False)

        def number():
            return Fraction(r.randint(-2000, 2000), 1009) * size

        for n in self.affine:
            node = self.nodes[n - 1]
            filters = node.get("filters", node.get("units"))
            biases = {"none": 0, "filter": filters, "unit": self.size(n)}[node["bias"]]
            W = [[number() for _ in range(filters)] for _ in reading.taps(n)[0]]
            point[n] = W, [number() - (10**9 if n == dark else 0) for _ in range(biases)]
        return point

    @cached_property
    def draws(self):
        return [self.draw(seed, size) for seed, size in enumerate([1, Fraction(1, 8)])]

    @cached_property
    def dark_draws(self):
        return [self.draw(9, 1, n) for n in self.affine]

    def generic_rank(self, number, least=0):
        return max(self.rank(number, point, least) for point in self.draws)

    def full_almost_everywhere(self, number):
        """Rank N wherever we look; also with biases far below 0 where something is not analytic."""
        sigmas = [
            self.nodes[n - 1].get("activation", {"name": "identity"})["name"] for n in self.upto(number)
        ]
        analytic = all(sigma in ANALYTIC or sigma == "custom" for sigma in sigmas)
        return all(
            self.rank(number, point, self.N) == self.N
            for point in self.draws + ([] if analytic else self.dark_draws)
        )

    def generic_lifted(self, number):
        return max(self.rank_lifted(number, point) for point in self.draws)

    def smaller(self, number):
        return min(self.size(number), self.size(self.nodes[number - 1]["of"][0]))

    @cached_property
    def layers(self):
        """(affine or pooling node, activation or None, last node of the layer)."""
        found = []
        for n, node in enumerate(self.nodes, 1):
            assert node["of"] == [n - 1]
            if node["kind"] == "activation":
                assert found[-1][2] == n - 1
                assert self.nodes[n - 2].get("bias")
                found[-1] = found[-1][0], node["activation"], n
            else:
                found.append((n, None, n))
        return found

    def above(self, number):
        return [layer for layer in self.layers if layer[0] > number]

    def in_s(self, number, point):
        beyond = [n for n, _, _ in self.above(number)[1:]]
        assert all(n in self.affine for n in beyond)
        return self.rank(number, point, self.N) == self.N and all(
            self.rank_lifted(n, point, self.smaller(n)) == self.smaller(n) for n in beyond
        )

    # The loss surface at 200 digits; parameters node by node, W by rows, then b.

    def vector(self, name):
        with mpmath.workdps(DIGITS):
            reading, found = At(self.case, name, True), []
            for n in self.affine:
                W, b = reading.parameters(n)
                found += [reading.number(v) for row in W for v in row] + [reading.number(v) for v in b]
            return found

    def at(self, vector):
        point, start = {}, 0
        reading = At(self.case, {}, False)
        for n in self.affine:
            node = self.nodes[n - 1]
            T = node.get("filters", node.get("units"))
            end = start + len(reading.taps(n)[0]) * T
            last = end + {"none": 0, "filter": T, "unit": self.size(n)}[node["bias"]]
            point[n] = [vector[j : j + T] for j in range(start, end, T)], vector[end:last]
            start = last
        assert start == len(vector), "other numbers of parameters than the network has"
        return point

    def loss(self, vector, nudged=None):
        with mpmath.workdps(DIGITS):
            rows = At(self.case, self.at(vector), True, nudged).values(len(self.nodes))
            goals, over = self.case["targets"]["rows"], self.case["targets"]["denominator"]
            return sum((f - mpmath.mpf(y) / over) ** 2 for row, goal in zip(rows, goals, strict=True)
                       for f, y in zip(row, goal, strict=True)) / 2  # fmt: skip

    def slope(self, vector, j):
        """The slopes to the left and to the right."""
        with mpmath.workdps(DIGITS):
            h, here = mpmath.mpf(10) ** -90, self.loss(vector)
            moved = [self.loss([v + (s if n == j else 0) for n, v in enumerate(vector)]) for s in (-h, h)]
            return (here - moved[0]) / h, (moved[1] - here) / h

    def gradient(self, vector):
        key = "gradient", str(vector)
        if key not in self.known:
            self.known[key] = [self.slope(vector, j) for j in range(len(vector))]
        return self.known[key]

    def hessian(self, vector, free):
        """Second differences; the loss is smooth here."""
        with mpmath.workdps(DIGITS):
            h = mpmath.mpf(10) ** -30

            def bend(*places):
                low, high = (
                    self.loss([v + s * (n in places) for n, v in enumerate(vector)]) for s in (-h, h)
                )
                return (low + high - 2 * self.loss(vector)) / h**2

            single = {i: bend(i) for i in free}
            return mpmath.matrix([[single[i] if i == j else (bend(i, j) - single[i] - single[j]) / 2 for j in free]
                                  for i in free])  # fmt: skip

    def inertia(self, vector, free):
        """Positive, negative and vanishing eigenvalues of the Hessian at the free parameters."""
        if not free:
            return 0, 0, 0
        key = "inertia", str(vector), str(free)
        if key not in self.known:
            with mpmath.workdps(60):
                values = mpmath.eigsy(self.hessian(vector, free), eigvals_only=True)
                small = mpmath.mpf(10) ** -20
                signs = [v > small or -(v < -small) for v in values]
            self.known[key] = signs.count(1), signs.count(-1), signs.count(0)
        return self.known[key]

    def critical(self, name, free, rho, w):
        """The one critical point within rho / 2^w of weights, by Newton's method in the free parameters."""
        key = "critical", name, str(free), rho, w
        if key not in self.known:
            with mpmath.workdps(DIGITS):
                center = self.vector(name)
                x = list(center)
                for _ in range(30):
                    g = mpmath.matrix([sum(self.slope(x, j)) / 2 for j in free])
                    if free and max(map(abs, g)) < STILL:
                        break
                    step = mpmath.lu_solve(self.hessian(x, free), -g) if free else []
                    for j, s in zip(free, step, strict=True):
                        x[j] += s
                assert all(
                    abs(a - b) <= mpmath.mpf(rho) / 2**w + STILL for a, b in zip(x, center, strict=True)
                )
                self.known[key] = x
                self.known["critical", "point", key] = self.at(x)
        return self.known[key]


def name_of(point):
    return point if isinstance(point, str) else f"drawn {id(point)}"


def ln2_value(poly):
    with mpmath.workdps(DIGITS):
        parts = [mpmath.mpf(Fraction(c).numerator) / Fraction(c).denominator for c in poly]
        return sum((c * mpmath.log(2) ** i for i, c in enumerate(parts)), mpmath.mpf(0))


def real(q):
    return mpmath.mpf(Fraction(q).numerator) / Fraction(q).denominator


def with_row(U, row):
    return [*U, [real(x) if isinstance(U[0][0], mpmath.mpf) else Fraction(x) for x in row]]


# Hypotheses of structure.


def no_collision(t):
    """Assumption 3.1 for the first affine node on the input."""
    first = next(n for n, node in enumerate(t.nodes, 1) if 0 in node["of"])
    patches = At(t.case, {}, False).taps(first)
    seen = {}
    for i, row in enumerate(t.case["data"]["rows"]):
        for patch in patches:
            value = tuple(0 if u is None else row[u] for u in patch)
            if seen.setdefault(value, i) != i:
                return False
    return True


def sound_structure(t, number):
    node, below = t.nodes[number - 1], t.size(t.nodes[number - 1]["of"][0])
    if "patches" in node:
        patches = [frozenset(patch) for patch in node["patches"]]
    else:
        shape = t.shapes[node["of"][0]]
        index = {place: u for u, place in enumerate(naive.places(shape))}
        groups = shape[0] if "pool" in node["kind"] else node["groups"]
        size = shape[0] // groups
        patches = [
            frozenset(
                index.get((c, pos), (c, pos)) for c in range(g * size, (g + 1) * size) for pos in window
            )
            for window in naive.windows(node, shape[1], t.shapes[number][1])
            for g in range(groups)
        ]
    return set(range(below)) <= frozenset().union(*patches) and len(set(patches)) == len(patches)


def satisfies_3_2(activation):
    ends = [Fraction(activation.get(key, 1)) for key in ("low", "high")]
    return activation["name"] in ASSUMPTION_3_2 or (activation["name"] == "hardtanh" and 0 in ends)


def steep(activation):
    elu = activation is not None and activation["name"] == "elu" and Fraction(activation["alpha"]) == 1
    return activation is None or activation["name"] in STEEP or elu


def failing_clauses(t):
    found, hidden = [], t.layers[:-1]
    affine = [sigma for n, sigma, _ in hidden if n in t.affine]
    last, top, _ = t.layers[-1]
    for k in range(1, len(hidden) + 1):
        above = [t.size(n) for _, _, n in t.layers[k:]]
        held = {
            "no-pooling": all(n in t.affine for n, _, _ in t.layers),
            "output-dense": t.nodes[last - 1]["kind"] == "dense" and top in (None, {"name": "identity"}),
            "wide": t.size(hidden[k - 1][2]) >= t.N,
            "hidden-3.2": all(sigma is not None and satisfies_3_2(sigma) for sigma in affine),
            "monotone": all(steep(sigma) for _, sigma, _ in hidden[k:]),
            "pyramid": all(a >= b for a, b in pairwise(above)),
        }
        found.append([clause for clause, holds in held.items() if not holds])
    return found


# Claims: each function asserts that one is true.


def bounded(c, found, full):
    low, high = int(c["lower"]), int(c["upper"])
    assert low <= min(found), (c, found)
    assert max(found) <= high, (c, found)
    assert c["verdict"] == ("proved" if low == full else "refuted" if high < full else "undecided"), c


def rank_claim(t, c):
    node, low = int(c["node"]), int(c["lower"])
    points = t.draws if c["weights"] is None else [c["weights"]]
    bounded(c, [t.rank(node, point, low) for point in points], t.N)


def lifted_claim(t, c):
    node = int(c["node"])
    bounded(c, [t.rank_lifted(node, c["weights"], int(c["lower"]))], t.smaller(node))


def generic_claim(t, c):
    node = int(c["node"])
    bounded(c, [t.generic_lifted(node)], t.smaller(node))


def almost_claim(t, c):
    node = int(c["node"])
    if c["verdict"] == "proved":
        assert t.full_almost_everywhere(node), c
    if c["verdict"] == "refuted":
        assert min(t.rank(node, point, t.N) for point in [*t.draws, *t.dark_draws]) < t.N, c


def existence_claim(t, c):
    node = int(c["node"])
    affine = [n for n in t.upto(node) if n in t.affine]
    shared = [n for n in affine if t.nodes[n - 1]["kind"] != "dense"]
    if c["verdict"] == "refuted":
        deficient = any(t.generic_lifted(n) < t.smaller(n) for n in shared)
        assert deficient or t.generic_rank(node, t.N) < t.N, c
        return
    assert c["verdict"] == "proved"
    if c["weights"] is None:
        assert t.full_almost_everywhere(node), c
        assert all(t.generic_lifted(n) == t.smaller(n) for n in affine), c
    else:
        assert t.rank(node, c["weights"], t.N) == t.N, c
        assert all(t.rank_lifted(n, c["weights"], t.smaller(n)) == t.smaller(n) for n in affine), c


def complement_claim(t, c):
    node = int(c["node"])
    above = [n for n, _, _ in t.above(node)[1:]]
    assert all(n in t.affine for n in above)
    full = all(t.generic_lifted(n) == t.smaller(n) for n in above)
    if c["verdict"] == "proved":
        assert full, c
        assert t.full_almost_everywhere(node), c
    else:
        assert c["verdict"] == "refuted"
        assert not full or min(t.rank(node, point, t.N) for point in [*t.draws, *t.dark_draws]) < t.N, c


def membership_claim(t, c):
    if c["verdict"] != "undecided":
        assert t.in_s(int(c["node"]), c["weights"]) == (c["verdict"] == "proved"), c


def interpolation_claim(t, c):
    node, top = int(c["node"]), t.nodes[-1]
    assert (top["kind"], top["of"]) == ("dense", [node])
    rank = t.rank if top["bias"] == "none" else t.rank_with_ones
    if c["verdict"] != "undecided":
        assert (rank(node, c["weights"], t.N) == t.N) == (c["verdict"] == "proved"), c


def valley_claim(t, c):
    node, top = int(c["node"]), t.nodes[-1]
    assert (top["kind"], top["of"], c["verdict"]) == ("dense", [node], "proved"), c
    assert t.full_almost_everywhere(node), c


def generic_data(t, node, count):
    """Rank min(N, n) at one random data set with random parameters."""
    width = t.size(node)
    count, r = min(count, width + 1), random.Random(5)
    rows = [[r.randint(-2000, 2000) for _ in range(t.size(0))] for _ in range(count)]
    data = {"kind": "inline", "shape": [count, t.size(0)], "denominator": 1009, "rows": rows}
    other = Truth({**t.case, "data": data})
    assert other.generic_rank(node, min(count, width)) == min(count, width)


def extension_b_claim(t, c):
    assert c["verdict"] == "proved"
    generic_data(t, int(c["node"]), int(c["samples"]))


def simple_claim(t, c):
    name = c["statement"]
    if name == "assumption-4.1":
        assert c["failing"] == failing_clauses(t), c
    holds = {
        "assumption-3.1": lambda: no_collision(t),
        "assumption-3.2": lambda: satisfies_3_2(c["activation"]),
        "structure": lambda: sound_structure(t, int(c["node"])),
        "assumption-4.1": lambda: [] in failing_clauses(t),
    }[name]()
    assert c["verdict"] == ("proved" if holds else "refuted"), c


def critical_claim(t, c):
    slopes = t.gradient(t.vector(c["weights"]))
    assert c["verdict"] == (
        "proved" if all(abs(s) < STILL for pair in slopes for s in pair) else "refuted"
    ), c


def minimum_claim(t, c):
    if c["verdict"] == "undecided":
        return
    vector = t.vector(c["weights"])
    good = t.loss(vector) < STILL
    if not good and all(abs(s) < STILL for pair in t.gradient(vector) for s in pair):
        good = t.inertia(vector, range(len(vector)))[1] == 0
    assert c["verdict"] == ("proved" if good else "refuted"), c


def smaller_claim(t, c, judgments, sentence):
    """The sentence says whether the critical point near the other weights is meant."""
    assert c["verdict"] in ("proved", "undecided")
    if c["verdict"] == "undecided":
        return
    near = [j for j in judgments if j["kind"] == "isolated" and j["weights"] == c["than"]]
    there = t.vector(c["than"])
    if "critical point near" in sentence.partition(":")[0]:
        there = t.critical(c["than"], near[0]["free"], int(near[0]["radius"]), int(near[0]["precision"]))
    assert t.loss(t.vector(c["weights"])) < t.loss(there), c


def zero_loss_claim(t, c):
    """The least change of the output weights that interpolates."""
    node, where, top = int(c["node"]), c["weights"], len(t.nodes)
    assert c["verdict"] == "proved"
    with mpmath.workdps(DIGITS):
        F = mpmath.matrix(At(t.case, where, True).values(node))
        G = At(t.case, where, True).values(top)
        goals, over = t.case["targets"]["rows"], t.case["targets"]["denominator"]
        rest = mpmath.matrix(
            [
                [mpmath.mpf(y) / over - g for g, y in zip(*pair, strict=True)]
                for pair in zip(G, goals, strict=True)
            ]
        )
        D = F.T * mpmath.lu_solve(F * F.T, rest) if rest.cols == 1 else F.T * (F * F.T) ** -1 * rest
        assert mpmath.norm(D) <= real(c["distance"]), c


def point_claim(t, c):
    node, where, N = int(c["node"]), c["weights"], t.N
    vector, above, step = t.vector(where), t.above(node), mpmath.mpf(10) ** -60
    (first, _, _), (top, last, _) = above[0], above[-1]
    v = None if c["v"] is None else [Fraction(x) for x in c["v"]]
    if v is None:
        assert t.in_s(node, where), c
    else:
        goals, over = t.case["targets"]["rows"], t.case["targets"]["denominator"]
        assert all(sum(a * b for a, b in zip(y, v, strict=True)) == over for y in goals), c
        assert t.rank(node, where, N) == N, c
        assert all(t.rank_lifted(n, where, t.smaller(n)) == t.smaller(n) for n, _, _ in above[1:-1]), c
        row = t.ranked(lambda: with_row(t.lifted(top, where), v), ("U+", top, where, str(v)), len(v))
        assert row == len(v), c
        assert (t.nodes[top - 1]["kind"], last, len(above) >= 2) == ("dense", None, True)
        assert t.nodes[top - 1]["bias"] != "none"
    with mpmath.workdps(DIGITS):
        loss = t.loss(vector)
        assert abs(loss - ln2_value(c["loss"])) < STILL, c
        assert c["critical"] == all(abs(s) < STILL for pair in t.gradient(vector) for s in pair), c
        flat = None
        if first in t.affine:
            flat = all(
                abs(t.loss(vector, (first, i, h, s)) - loss) < step * STILL
                for i, h in product(range(N), range(t.size(first)))
                for s in (-step, step)
            )
        assert c["flat"] == flat, c
    assert c["failing"] == failing_hypotheses(t, node, where), c
    assert c["verdict"] == "proved"


def failing_hypotheses(t, node, where):
    """Of Theorems 4.4 and 4.5, about the layers above a node."""
    above = t.above(node)
    (first, _, _), (top, last, _) = above[0], above[-1]
    sizes = [t.size(n) for _, _, n in above]
    with mpmath.workdps(DIGITS):
        slopes_vanish = any(
            sigma is not None and vanishing_slope(t, n, sigma, where) for n, sigma, _ in above[:-1]
        )
    failing = {
        "no-pooling-above": any(n not in t.affine for n, _, _ in above),
        "linear-output": t.nodes[top - 1]["kind"] != "dense" or last not in (None, {"name": "identity"}),
        "slopes-without-zeros": slopes_vanish,
        "pyramid": any(a < b for a, b in pairwise(sizes)),
        "dense-above": t.nodes[first - 1]["kind"] != "dense",
        "fully-connected": any(t.nodes[n - 1]["kind"] != "dense" for n, _, _ in t.layers),
    }
    return [name for name, fails in failing.items() if fails]


def vanishing_slope(t, affine, sigma, where):
    """An activation of the table that is not steep; a written one with a slope of 0, or a kink, at the point."""
    if sigma["name"] != "custom":
        return not steep(sigma)
    reading, h = At(t.case, where, True), mpmath.mpf(10) ** -60
    for x in {x for row in reading.values(affine) for x in row}:
        low, here, high = (tree_value(sigma["tree"], x + s) for s in (-h, 0, h))
        if abs(here - low) / h < STILL or abs(high - 2 * here + low) / h > STILL:
            return True
    return False


CLAIMS = {
    "rank": rank_claim,
    "lifted-rank": lifted_claim,
    **dict.fromkeys(["assumption-2.4", "lemma-2.5"], generic_claim),
    **dict.fromkeys(["assumption-3.1", "assumption-3.2", "structure", "assumption-4.1"], simple_claim),
    "extension-b": extension_b_claim,
    **dict.fromkeys(["theorem-3.5", "extension-a"], almost_claim),
    "theorem-3.4": existence_claim,
    "lemma-4.2": complement_claim,
    "s-k": membership_claim,
    "no-bad-valley": valley_claim,
    "corollary-3.6": interpolation_claim,
    "loss": lambda t, c: None,  # all is in the judgment
    "critical-point": critical_claim,
    "local-minimum": minimum_claim,
    "critical-point-nearby": lambda t, c: None,
    "smaller-loss": smaller_claim,
    "zero-loss-nearby": zero_loss_claim,
    "point": point_claim,
}


# Judgments: each function asserts that the fact is one.


def minor_fact(t, j):
    of, rows, columns = j["of"], list(map(int, j["rows"])), list(map(int, j["columns"]))
    node, where, n = int(of["node"]), of["weights"], len(rows)
    assert n == len(columns)
    if of["matrix"] == "features":
        assert t.rank(node, where, n, rows, columns) == n, j
        return

    def made():
        U = t.lifted(node, where)
        if of["matrix"] == "lifted-and-row":
            U = with_row(U, of["row"])
        return naive.block(U, rows, columns)

    assert t.ranked(made, ("part", node, where, str((rows, columns, of.get("row")))), n) == n, j


def kernel_fact(t, j):
    node, where, left = int(j["of"]["node"]), j["of"]["weights"], j["side"] == "left"
    with mpmath.workdps(DIGITS):
        M = t.features(node, where) if j["of"]["matrix"] == "features" else t.lifted(node, where)
        lines = list(zip(*M, strict=True)) if left else M
        size = max((abs(v) for row in M for v in row), default=0) + 1
        for vector in j["vectors"]:
            entries = [(int(i), int(v)) for i, v in vector["entries"]]
            products = [sum(v * line[i] for i, v in entries) for line in lines]
            total = size * sum(abs(v) for _, v in entries)
            real = any(isinstance(v, mpmath.mpf) for v in products)
            assert all(abs(v) <= total * mpmath.mpf(10) ** -150 if real else v == 0 for v in products), j
    triangular(j["vectors"])


def triangular(vectors):
    seen = set()
    for vector in vectors:
        support = [int(i) for i, _ in vector["entries"]]
        assert int(vector["pivot"]) in support
        assert not seen & set(support)
        seen.add(int(vector["pivot"]))


def polynomial_kernel_fact(t, j):
    node, bound = int(j["node"]), t.size(int(j["node"]))
    if j["side"] == "left":
        bound = t.size(t.nodes[node - 1]["of"][0])
    triangular(j["vectors"])
    for point in t.draws:
        assert t.rank_lifted(node, point) <= bound - len(j["vectors"]), j
        U, W = t.lifted(node, point), [v for row in point[node][0] for v in row]
        lines = list(zip(*U, strict=True)) if j["side"] == "left" else U
        for vector in j["vectors"]:
            values = [(int(i), sum(int(c) * prod(W[int(x)] ** int(e) for x, e in monomial) for c, monomial in poly))
                      for i, poly in vector["entries"]]  # fmt: skip
            assert all(sum(v * line[i] for i, v in values) == 0 for line in lines), j


def count_fact(t, j):
    node, rank = int(j["node"]), t.generic_rank(int(j["node"]))
    if j["rule"] == "width":
        assert rank <= t.size(node)
    if j["rule"] == "samples":
        assert rank <= len({tuple(row) for row in t.case["data"]["rows"]})


def cover_fact(t, j):
    assert t.generic_lifted(int(j["node"])) <= len(j["rows"]) + len(j["columns"]), j


def wide_fact(t, j):
    assert t.full_almost_everywhere(int(j["node"])), j


def dead_fact(t, j):
    bound = 0 if j["node"] == j["dead"] else 1
    assert min(t.rank(int(j["node"]), point, bound + 1) for point in t.dark_draws) <= bound, j


def differ_fact(t, j):
    assert no_collision(t) == (j["collision"] is None), j


def structure_fact(t, j):
    assert sound_structure(t, int(j["node"])) == (not j["uncovered"] and not j["equal"]), j


def loss_fact(t, j):
    with mpmath.workdps(DIGITS):
        value = t.loss(t.vector(j["weights"]))
        if j["kind"] == "loss-exact":
            assert abs(value - ln2_value(j["value"])) < STILL, j
        else:
            assert real(j["bounds"][0]) - STILL**2 <= value <= real(j["bounds"][1]) + STILL**2, j


def slope_fact(t, j):
    slopes = t.gradient(t.vector(j["weights"]))
    if j["partial"] is None:
        assert all(abs(s) < STILL for pair in slopes for s in pair), j
    else:
        left, right = slopes[int(j["partial"])]
        assert left * right > 0, j
        assert abs(left - right) < STILL * max(abs(left), 1), j


def definite_fact(t, j):
    assert t.inertia(t.vector(j["weights"]), list(map(int, j["free"]))) == (len(j["free"]), 0, 0), j


def descent_fact(t, j):
    with mpmath.workdps(DIGITS):
        vector, h = t.vector(j["weights"]), mpmath.mpf(10) ** -30 / (1 + max(map(abs, map(int, j["vector"]))))
        low, high = (
            t.loss([a + s * int(v) for a, v in zip(vector, j["vector"], strict=True)]) for s in (-h, h)
        )
        assert low + high < 2 * t.loss(vector), j


def isolated_fact(t, j):
    free = list(map(int, j["free"]))
    x = t.critical(j["weights"], free, int(j["radius"]), int(j["precision"]))
    low, high = map(real, j["loss"])
    assert low - STILL <= t.loss(x) <= high + STILL, j
    assert t.inertia(x, free) == (*map(int, j["inertia"]), 0), j
    if j["symmetries"] or len(free) == len(x):
        assert all(abs(s) < STILL for pair in t.gradient(x) for s in pair), j
    if j["wide"] is not None:
        point = t.known[
            "critical", "point", ("critical", j["weights"], str(free), int(j["radius"]), int(j["precision"]))
        ]
        assert t.in_s(int(j["wide"]["node"]), point), j


FACTS = {
    **dict.fromkeys(["minor-mod-p", "minor-enclosed"], minor_fact),
    "kernel": kernel_fact,
    "polynomial-kernel": polynomial_kernel_fact,
    "count": count_fact,
    "cover": cover_fact,
    **dict.fromkeys(["order", "general-position"], wide_fact),
    "dead": dead_fact,
    "generic-data": lambda t, j: generic_data(t, int(j["node"]), int(j["samples"])),
    "patches-differ": differ_fact,
    "structure": structure_fact,
    **dict.fromkeys(
        ["growth", "clauses", "determinantal", "correction"], lambda t, j: None
    ),  # all is in the claim
    **dict.fromkeys(["loss-exact", "loss-enclosed"], loss_fact),
    **dict.fromkeys(["gradient-exact", "slope-enclosed"], slope_fact),
    "definite": definite_fact,
    "descent": descent_fact,
    "isolated": isolated_fact,
}
# What no sentence may say of a claim that is undecided.
DECIDED = (
    "it is not true",
    "not in S",
    "are in S",
    "every target",
    "local minimum",
    "is smaller than",
    "the loss at",
)
TRUTHS = {}


def truth(certificate, file=b""):
    key = by_hand.sha([certificate["instance"], hashlib.sha256(file).hexdigest()])
    if key not in TRUTHS:
        if len(TRUTHS) > 200:
            TRUTHS.clear()
        TRUTHS[key] = Truth(certificate["instance"], file)
    return TRUTHS[key]


def assert_true(certificate, verdict, file=b""):
    """Everything that a verified certificate says."""
    t = truth(certificate, file)
    with mpmath.workdps(DIGITS):
        for judgment in certificate["judgments"]:
            once(t, judgment, lambda judgment=judgment: FACTS[judgment["kind"]](t, judgment))
        for claim, sentence in zip(certificate["claims"], verdict.claims, strict=True):
            named = [certificate["judgments"][int(i)] for i in claim["by"]]
            more = (named, sentence) if claim["statement"] == "smaller-loss" else ()
            once(t, [claim, more], lambda claim=claim, more=more: CLAIMS[claim["statement"]](t, claim, *more))
            if claim["verdict"] == "undecided":
                assert not any(words in sentence.partition(":")[0] for words in DECIDED), (claim, sentence)


def once(t, about, decision):
    key = "decided", by_hand.sha(about)
    if key not in t.known:
        decision()
        t.known[key] = True


# ---- Certificates to tamper with. ----


def certificate(inst, *statements, layer=None):
    return make_certificate(inst, [f for name in statements for f in decide(name, inst, layer)])


def resealed(certificate):
    """The same certificate with honest digests, as a forger would write them."""
    try:
        sealed = by_hand.seal(certificate["instance"], certificate["judgments"], certificate["claims"])
        return {**certificate, "digests": sealed["digests"]}
    except (TypeError, AttributeError, KeyError, ValueError):
        return certificate


redigested = resealed


class Bases(Mapping):
    """Made when they are asked for."""

    def __init__(self):
        self.makers, self.made = {}, {}

    def __call__(self, name):
        def register(maker):
            self.makers[name] = maker
            return maker

        return register

    def __getitem__(self, name):
        if name not in self.made:
            self.made[name] = json.loads(json.dumps(self.makers[name]()))
        return self.made[name]

    def __iter__(self):
        return iter(self.makers)

    def __len__(self):
        return len(self.makers)


BASES = Bases()
ROWS_4 = random_rows(rng(4), 4, 4, 0, 9)
ROWS_3 = random_rows(rng(9), 3, 4, 0, 9)


# Found and written by the prover.


@BASES("sigmoid full rank")
def _():
    net = network([4], conv(3, "sigmoid", kernel=2), {**DENSE, "units": 2})
    return certificate(instance(net, ROWS_4, bits=4), "rank", "assumption-3.1")


@BASES("sigmoid duplicates")
def _():
    net = network([4], conv(3, "sigmoid", kernel=2), {**DENSE, "units": 2})
    return certificate(instance(net, [*ROWS_4, ROWS_4[0]], bits=4), "rank")


@BASES("deep relu")
def _():
    r = rng(4)
    net = network([4], conv(3, "relu", kernel=2), {"kind": "maxpool", "kernel": 2, "stride": 1},
                  {**DENSE, "units": 5, "activation": {"name": "leaky_relu", "slope": "1/3"}})  # fmt: skip
    W = random_rows(r, 2, 3), [r.randint(0, 9) for _ in range(9)]
    dense = random_rows(r, 6, 5), [r.randint(-9, 9) for _ in range(5)]
    return certificate(instance(net, ROWS_4, given(net, W, None, dense)), "rank", "structure", layer=3)


@BASES("left kernel")
def _():
    net = network([1], {**DENSE, "units": 5, "activation": "square"})
    return certificate(instance(net, [[1], [2], [3], [5]], bits=3), "rank")


@BASES("width")
def _():
    net = network([2], {**DENSE, "units": 2, "activation": "tanh"})
    return certificate(instance(net, random_rows(rng(2), 3, 2), bits=3), "rank")


@BASES("polynomial kernel")
def _():
    net = network([4], conv(1, "relu", patches=[[0, 1], [2, 3], [0, 2], [1, 3]]))
    return certificate(Instance(net), "assumption-2.4", "structure")


PLANE = network([1, 5, 5], conv(2, "softplus", kernel=3), {**DENSE, "units": 2})


@BASES("determinantal")
def _():
    return certificate(Instance(PLANE), "assumption-2.4", "assumption-3.2")


@BASES("assumptions")
def _():
    images = Instance(PLANE, exactcnn.samples([[0] * 25, [1] * 24 + [0]]))
    return certificate(images, "assumption-3.1", "assumption-3.2", "assumption-4.1")


@BASES("cover")
def _():
    strided = network([5], conv(1, "elu", kernel=1, stride=2))
    return certificate(Instance(strided), "assumption-2.4", "structure", "assumption-3.2")


GELU = network([4], conv(2, "gelu", kernel=2))


@BASES("enclosed")
def _():
    return certificate(instance(GELU, ROWS_3, bits=3), "rank")


@BASES("enclosed on two layers")
def _():
    net = network([4], conv(1, "tanh", kernel=2), {**DENSE, "units": 3, "activation": "sigmoid"})
    return certificate(Instance(net, exactcnn.samples(ROWS_3)), "theorem-3.5", layer=2)


@BASES("triangular")
def _():
    return certificate(Instance(GELU, exactcnn.samples(ROWS_3)), "theorem-3.5")


RELU = network([4], conv(2, "relu", kernel=2), {**DENSE, "units": 3, "activation": "relu"})


@BASES("dead layer")
def _():
    return certificate(instance(RELU, ROWS_3, bits=3), "theorem-3.5", layer=2)


@BASES("theorem-3.4")
def _():
    return certificate(Instance(RELU, exactcnn.samples(ROWS_3)), "theorem-3.4", layer=2)


@BASES("lifted-rank")
def _():
    return certificate(instance(RELU, ROWS_3, bits=3), "lifted-rank", layer=1)


@BASES("general position")
def _():
    net = network([5], conv(2, "tanh", kernel=2), {"kind": "maxpool", "kernel": 2, "stride": 1},
                  {**DENSE, "units": 3, "activation": "sigmoid"})  # fmt: skip
    apart = exactcnn.samples([[1, 2, 3, 4, 5], [7, 8, 6, 9, 0], [2, 9, 1, 3, 7]])
    return certificate(Instance(net, apart), "extension-a", layer=3)


@BASES("extension-b")
def _():
    net = network([3], conv(2, "softplus", kernel=2, bias="filter"))
    return certificate(Instance(net, exactcnn.samples(random_rows(rng(3), 2, 3))), "extension-b")


@BASES("lemma-4.2")
def _():
    net = network([4], conv(2, "sigmoid", kernel=2), conv(1, "relu", kernel=1), conv(2, "relu", kernel=2))
    return certificate(Instance(net, exactcnn.samples(ROWS_3)), "lemma-4.2", layer=1)


@BASES("no bad valley")
def _():
    """The output reads a concatenation that is wide enough; no layer is."""
    net = network([3], {**DENSE, "units": 2, "activation": "sigmoid", "name": "a"}, {**DENSE, "units": 2, "activation": "tanh"},
                  {"kind": "concat", "axis": "units", "of": ["a", 2]}, {**DENSE, "units": 1})  # fmt: skip
    return certificate(
        Instance(net, exactcnn.samples([[1, 2, 0], [0, 1, 1], [2, 0, 1], [1, 1, 3]])), "no-bad-valley"
    )


POOLED = network([2], conv(1, "relu", kernel=1), {"kind": "maxpool", "kernel": 2}, {**DENSE, "units": 1})
TWO = exactcnn.samples([[1, 2], [3, -1]], [[1], [0]])


@BASES("partial derivative")
def _():
    moved = Instance(POOLED, TWO, given(POOLED, ([[1]], [0, 1]), None, ([[2]], [1])))
    return certificate(moved, "critical-point", "loss")


@BASES("critical point")
def _():
    flat = Instance(POOLED, TWO, given(POOLED, ([[1]], [0, 1]), None, ([[0]], [Fraction(1, 2)])))
    return certificate(flat, "critical-point")


@BASES("powers of ln 2")
def _():
    net = network([1], {**DENSE, "units": 1, "activation": "sigmoid2"}, {**DENSE, "units": 1})
    rows = exactcnn.samples([[1], [2]], [[Fraction(1, 3)], [1]])
    return certificate(Instance(net, rows, given(net, ([[1]], [0]), ([[1]], [0]))), "critical-point")


@BASES("s-k and corollary")
def _():
    net = network([2], {**DENSE, "units": 3, "activation": "relu"}, {**DENSE, "units": 1})
    weights = given(net, ([[1, 0, 1], [0, 1, 1]], [1, 1, 0]), ([[1], [2], [3]], [1]))
    return certificate(Instance(net, TWO, weights), "s-k", "corollary-3.6")


LINE = exactcnn.samples([[0], [1], [2]], [[0], [1], [1]])


def on_a_line(*more, units=1):
    net = network([1], {**DENSE, "units": units, "activation": "relu"}, {**DENSE, "units": 1})
    first = ([[1, 1][:units]], [1, -9][:units])
    return Instance(net, LINE, given(net, first, ([[Fraction(1, 2)], [1]][:units], [-Fraction(1, 3)])))


@BASES("local minimum")
def _():
    return certificate(on_a_line(units=2), "local-minimum", "critical-point")


@BASES("critical point nearby")
def _():
    return certificate(on_a_line(), "critical-point-nearby")


@BASES("strict saddle")
def _():
    net = network([1], {**DENSE, "units": 1, "activation": "sigmoid"}, {**DENSE, "units": 1})
    weights = given(net, ([[0]], [0]), ([[0]], [Fraction(1, 2)]))
    return certificate(Instance(net, exactcnn.samples([[0], [1]], [[0], [1]]), weights), "local-minimum")


@BASES("point, a flat slope")
def _():
    from tests.landscape.test_hypotheses import flat_slope

    return certificate(flat_slope(), "theorem-4.5", layer=1)


@BASES("point, a broken pyramid")
def _():
    from tests.landscape.test_hypotheses import broken_pyramid

    return certificate(broken_pyramid(), "theorem-4.4", layer=1)


@BASES("extension-c")
def _():
    from tests.landscape.test_class_labels import degenerate

    return certificate(degenerate(), "extension-c", layer=1)


@BASES("zero-loss-exists")
def _():
    net = network([1], {**DENSE, "units": 2, "activation": "relu"}, {**DENSE, "units": 2, "activation": "sigmoid"},
                  {**DENSE, "units": 2})  # fmt: skip
    zero = ([[0, 0], [0, 0]], [0, 0])
    wide = Instance(net, exactcnn.samples([[0], [1]], [0, 1]), given(net, ([[1, 1]], [1, 0]), zero, zero))
    return certificate(wide, "zero-loss-exists", layer=1)


# Written by hand: what the prover does not need at this size, or does not write at all.


def sealed(case, judgments, claims):
    return by_hand.seal(case, judgments, claims)


def sides(case, node, weights="w"):
    """Features of a rational node in integers, over their denominator."""
    return naive.Reading(case, weights).numerators(node)


GRAPH = by_hand.network(
    [1, 3],
    by_hand.conv(2, kernel=[2], padding=[[1, 0]], bias="filter"),
    by_hand.act("relu"),
    by_hand.conv(2, kernel=[1], groups=2),
    by_hand.add(2, 3),
    by_hand.scale(["1/2", -1], [0, "1/3"]),
    by_hand.average([2], [1], [[0, 1]], True),
    by_hand.concat("channels", 5, 6),
    by_hand.concat("units", 0, 7),
    {"kind": "avgpool-lists", "patches": [[0, 1, 2], [3, 4], [5, 9], [14, 8], [7, 10]]},
    {"kind": "maxpool-lists", "patches": [[0, 1], [2, 3], [4]]},
    by_hand.dense(4, "unit"),
    by_hand.act({"name": "hardtanh", "low": "-1/2", "high": 2}),
)


@BASES("a graph of all nodes")
def _():
    rows = [[1, 2, 0], [-3, 1, 2], [0, 4, -1]]
    case = by_hand.instance(GRAPH, by_hand.inline(rows, 2), by_hand.seed(11, 4))
    found = []
    for node in (8, 10):
        minor = naive.largest_minor(naive.mod(sides(case, node), 101), 101)
        found.append(
            (
                by_hand.minor(by_hand.features(node), *minor),
                by_hand.rank(case, node, len(minor[0]), by=[len(found)]),
            )
        )
    return sealed(case, *map(list, zip(*found, strict=True)))


P61 = by_hand.P61


def solved(case, judgment, matrix, p=P61, vectors=4):
    return naive.solved_mod_p(case, judgment, naive.mod(matrix, p), p, vectors)


@BASES("solutions, rational features")
def _():
    pool = {"kind": "maxpool-lists", "patches": [[0, 1], [1, 2], [3]]}
    net = by_hand.network([2], by_hand.dense(4, "unit"), by_hand.act("relu"), pool, by_hand.dense(3, "unit"))
    case = by_hand.instance(net, by_hand.inline([[1, 2], [0, -3], [4, 1]], 3), by_hand.seed(5, 4))
    rows, columns = naive.largest_minor(naive.mod(sides(case, 4), P61), P61)
    bare = by_hand.minor(by_hand.features(4), rows, columns, str(P61))
    judgment = solved(case, bare, naive.block(sides(case, 4), rows, columns))
    return sealed(case, [judgment], [by_hand.rank(case, 4, len(rows))])


@BASES("solutions, exponential features")
def _():
    net = by_hand.network([1], by_hand.dense(3, "unit"), by_hand.act("sigmoid"))
    weight = by_hand.weight([[1, 2, -1]], [0, 1, 3])
    case = by_hand.instance(net, by_hand.inline([[0], [1], [2]]), by_hand.rational(weight))
    p, g = P61, 3
    image = [[pow(g, n, p) * pow(1 + pow(g, n, p), -1, p) % p for n in row] for row in sides(case, 1)]
    judgment = solved(case, by_hand.minor(by_hand.features(2), [0, 1, 2], [0, 1, 2], str(p), g), image)
    return sealed(
        case, [judgment], [by_hand.rank(case, 2, 3), by_hand.claim("theorem-3.5", "proved", node=2)]
    )


@BASES("solutions, softsign")
def _():
    net = by_hand.network([1], by_hand.dense(3, "unit"), by_hand.act("softsign"))
    case = by_hand.instance(net, by_hand.inline([[0], [1], [5]], 2), by_hand.seed(1, 3))
    p, D = P61, naive.Reading(case).denominator(1)
    image = [[n * pow(D + abs(n), -1, p) % p for n in row] for row in sides(case, 1)]
    rows, columns = naive.largest_minor(image, p)
    judgment = solved(
        case, by_hand.minor(by_hand.features(2), rows, columns, str(p)), naive.block(image, rows, columns)
    )
    return sealed(case, [judgment], [by_hand.rank(case, 2, len(rows))])


@BASES("solutions, lifted, ln 2")
def _():
    net = by_hand.network([2], by_hand.conv(2, kernel=[1]))
    W = [[["1/2", 3], [1]]]
    case = by_hand.instance(net, None, by_hand.ln2((W, None)))
    p, g = P61, 7
    a, b = (pow(2, -1, p) + 3 * g) % p, 1
    U = [[a, b, 0, 0], [0, 0, a, b]]
    judgment = solved(
        case, by_hand.minor(by_hand.lifted(1), [0, 1], [1, 2], str(p), g), naive.block(U, [0, 1], [1, 2])
    )
    return sealed(case, [judgment], [by_hand.generic(case, 1, 2, weights="w"), by_hand.generic(case, 1, 2)])


@BASES("solutions over the reals")
def _():
    tree = ["/", "t", ["+", 1, ["abs", "t"]]]
    net = by_hand.network([2], by_hand.dense(3), by_hand.act({"name": "custom", "tree": ["atan", tree]}))
    case = by_hand.instance(net, by_hand.inline([[1, 2], [3, -1], [-2, 5]]), by_hand.seed(3, 4))
    bare = by_hand.enclosed(by_hand.features(2), [0, 1, 2], [0, 1, 2], 128)
    with mpmath.workdps(60):
        judgment = naive.solved_over_reals(case, bare, At(case, "w", True).values(2), 40, 80, 6)
    return sealed(case, [judgment], [by_hand.rank(case, 2, 3)])


CORE = by_hand.instance(
    by_hand.network([2], by_hand.dense(3, "unit"), by_hand.act("silu")),
    by_hand.inline([[1, 2], [2, 0], [-1, 1]]),
)


def core(case=CORE, solutions=True, prime=by_hand.P31, seed=1):
    """Two samples in a core, the third in order."""
    W = naive.drawn(f"{seed}", 4, None, None, 6, "peeling")
    filters = [[int(16 * W[3 * r + t]) for r in range(2)] for t in range(3)]
    z = [
        [sum(a * x for a, x in zip(filters[t], row, strict=True)) for t in range(3)]
        for row in case["data"]["rows"]
    ]
    last = max(range(3), key=lambda i: z[i][2])
    order = [*(i for i in range(3) if i != last), last]
    thresholds = [z[order[1]][0] - 1, min(z[order[0]][1], z[order[1]][1]) - 1]
    matrix = [[max(z[i][j] - thresholds[j], 0) for j in range(2)] for i in order[:2]]
    bare = by_hand.order(2, order, [0, 1, 2], seed=seed, bits=4, thresholds=thresholds,
                         core={"prime": prime, "solutions": None})  # fmt: skip
    return solved(case, bare, matrix, prime, 7) if solutions else bare


@BASES("core")
def _():
    return sealed(CORE, [core()], [by_hand.claim("extension-a", "proved", node=2)])


@BASES("core, eliminated")
def _():
    return sealed(CORE, [core(solutions=False, prime=101)], [by_hand.claim("theorem-3.5", "proved", node=2)])


@BASES("counting")
def _():
    net = by_hand.network([4], by_hand.conv(2, patches=[[0, 1], [2, 3], [1, 0]], bias="filter"), by_hand.act("silu"),
                          by_hand.dense(7))  # fmt: skip
    case = by_hand.instance(net, by_hand.inline([[0, 0, i, 2 * i] for i in range(6)]), {"kind": "identity"})
    judgments = [
        by_hand.count(2, "sequences"), by_hand.count(2, "restriction", [0, 2]), by_hand.count(1, "patches"),
        by_hand.count(3, "width"), by_hand.count(1, "samples"), by_hand.judged("cover", node=1, rows=[0, 1, 2, 3], columns=[]),
    ]  # fmt: skip
    bounds = {0: (2, 4), 1: (2, 3), 2: (1, 3), 3: (3, 6), 4: (1, 6)}
    claims = [by_hand.rank(case, node, 0, high, None, [n]) for n, (node, high) in bounds.items()]
    return sealed(case, judgments, [*claims, by_hand.generic(case, 1, 0, 4, by=[5])])


@BASES("kernel of symbols")
def _():
    net = by_hand.network([1], by_hand.dense(2, "unit"), by_hand.act("sigmoid"), by_hand.dense(1, "unit"))
    case = by_hand.instance(net, by_hand.inline([[1], [-1], [0]]),
                            by_hand.rational(by_hand.weight([[1, 2]], [0, 0]), by_hand.weight([[1], [1]], [0])),
                            z=by_hand.seed(1, 3))  # fmt: skip
    judgment = by_hand.kernel(by_hand.features(2), "left", [0, [[0, 1], [1, 1], [2, -2]]])
    below = by_hand.kernel(by_hand.features(1), "right", [0, [[0, 2], [1, -1]]])
    claims = [by_hand.rank(case, 2, 0, 2), by_hand.claim("corollary-3.6", "refuted", node=2, weights="w"),
              by_hand.claim("s-k", "refuted", node=2, weights="w"), by_hand.rank(case, 1, 0, 1, by=[1])]  # fmt: skip
    return sealed(case, [judgment, below], claims)


@BASES("kernel of odd symbols")
def _():
    """Opposite samples under an odd activation, after as many others that bring the rank down."""
    net = by_hand.network([1], by_hand.dense(3, "none"), by_hand.act("arctan"), by_hand.dense(1, "none"))
    rows = [[1], [2], [-1], [-2], [0]]
    case = by_hand.instance(net, by_hand.inline(rows, 2), by_hand.seed(7, 3), z=by_hand.seed(3, 3))
    left = [[2, [[0, 1], [2, 1]]], [3, [[1, 1], [3, 1]]], [4, [[4, 1]]]]
    judgment = by_hand.kernel(by_hand.features(2), "left", *left)
    claims = [by_hand.rank(case, 2, 0, 2), by_hand.claim("s-k", "refuted", node=2, weights="w")]
    return sealed(case, [judgment], claims)


@BASES("corollary by counting")
def _():
    """rank F <= 3 for any weights, N = 4; a column of ones, if there was a bias, would not be enough."""
    net = by_hand.network(
        [2], by_hand.conv(3, patches=[[0, 1], [0, 1]], bias="filter"), by_hand.act("silu"), by_hand.dense(1)
    )
    case = by_hand.instance(net, by_hand.inline([[i, i * i - 3] for i in range(4)]), by_hand.seed(1, 5))
    judgments = [by_hand.count(2, "sequences"), by_hand.count(2, "width")]
    return sealed(case, judgments, [by_hand.claim("corollary-3.6", "refuted", node=2, weights="w")])


TANH = by_hand.instance(
    by_hand.network([1], by_hand.dense(1, "unit"), by_hand.act("tanh"), by_hand.dense(1, "unit")),
    by_hand.inline([[0], [1]]),
    by_hand.rational(by_hand.weight([[1]], [0]), by_hand.weight([[2]], [1])),
    by_hand.targets([[0], [1]]),
    zero=by_hand.rational(by_hand.weight([[0]], [0]), by_hand.weight([[0]], ["1"], 2)),
)


@BASES("slopes and losses, enclosed")
def _():
    judgments = [
        by_hand.judged("slope-enclosed", weights="w", precision=64, partial=3),
        by_hand.judged("loss-enclosed", weights="w", precision=64, bounds=["8/5", "17/10"]),
        by_hand.judged("loss-exact", weights="zero", value=["1/4"]),
    ]
    claims = [
        by_hand.claim("critical-point", "refuted", [0], weights="w"),
        by_hand.claim("loss", "proved", [1], weights="w"),
        by_hand.claim("smaller-loss", "proved", [1, 2], weights="zero", than="w"),
        by_hand.claim("local-minimum", "refuted", [0, 1], weights="w"),
    ]
    return sealed(TANH, judgments, claims)


@BASES("least squares")
def _():
    """x -> w x + b through (0, 0), (1, 1), (2, 1): the one minimum, w = 1/2, b = 1/6, and the loss there."""
    case = by_hand.instance(
        by_hand.network([1], by_hand.dense(1, "unit")), by_hand.inline([[0], [1], [2]]),
        by_hand.rational(by_hand.weight([[3]], [1], 6)), by_hand.targets([[0], [1], [1]]),
        near=by_hand.rational(by_hand.weight([[2**15]], [10923], 2**16)),
    )  # fmt: skip
    case["weights"]["w"]["nodes"][0] = {
        "W": {"denominator": 2, "rows": [[1]]},
        "b": {"denominator": 6, "values": [1]},
    }
    judgments = [
        by_hand.judged("gradient-exact", weights="w", partial=None),
        by_hand.judged("definite", weights="w", precision=32, free=[0, 1], symmetries=[], transform=[[1, 0], [-1, 1]]),
        by_hand.judged("isolated", weights="near", precision=32, radius=2**20, free=[0, 1], symmetries=[], scale=20,
                       preconditioner=[[2**19, -(2**19)], [-(2**19), 5 * 2**20 // 6]], transform=[[1, 0], [-1, 1]],
                       inertia=[2, 0], loss=["1/13", "1/11"], wide=None),
        by_hand.judged("loss-exact", weights="near", value=[str(Fraction(1, 12) + Fraction(3, 2) * Fraction(1, 3 * 2**16) ** 2)]),
    ]  # fmt: skip
    claims = [
        by_hand.claim("local-minimum", "proved", [0, 1], weights="w"),
        by_hand.claim("critical-point-nearby", "proved", [2], weights="near"),
        by_hand.claim("loss", "proved", [3], weights="near"),
    ]
    return sealed(case, judgments, claims)


@BASES("isolated in S")
def _():
    """u v w = 1 for the three weights, up to two scalings; F_1 and U_3 are regular in the whole box."""
    net = by_hand.network([1], by_hand.dense(1), by_hand.dense(1), by_hand.act("identity"), by_hand.dense(1))

    def weights(*values):
        return by_hand.rational(*(by_hand.weight([[v]]) for v in values))

    case = by_hand.instance(
        net, by_hand.inline([[1]]), weights(1, 1, 1), by_hand.targets([[1]]), more=weights(1, 2, 1)
    )
    parts = [{"rows": [0], "columns": [0]}] * 2
    judgment = by_hand.judged(
        "isolated", weights="w", precision=24, radius=2**8, free=[2], symmetries=[
            {"kind": "scaling", "node": 1, "index": 0}, {"kind": "scaling", "node": 2, "index": 0}], scale=0,
        preconditioner=[[1]], transform=[[1]], inertia=[1, 0], loss=[-1, "1/4"], wide={"node": 1, "parts": parts})  # fmt: skip
    claims = [by_hand.claim("critical-point-nearby", "proved", [0], weights="w"),
              by_hand.claim("loss", "proved", [1], weights="more")]  # fmt: skip
    return sealed(case, [judgment, by_hand.judged("loss-exact", weights="more", value=["1/2"])], claims)


@BASES("zero loss nearby")
def _():
    net = by_hand.network([2], by_hand.dense(3, "unit"), by_hand.act("sigmoid"), by_hand.dense(1, "unit"))
    case = by_hand.instance(
        net, by_hand.inline([[1, 2], [3, -1]]), by_hand.seed(1, 6), by_hand.targets([[1], [0]])
    )
    bare = by_hand.enclosed(by_hand.features(2), [0, 1], [0, 1], 96)
    with mpmath.workdps(60):
        F = At(case, "w", True).values(2)
        G = At(case, "w", True).values(3)
        A = mpmath.matrix(naive.block(F, [0, 1], [0, 1]))
        D = mpmath.lu_solve(A, mpmath.matrix([1 - G[0][0], 0 - G[1][0]]))
        change = [[int(mpmath.nint(v * 2**90))] for v in D] + [[0]]
        judgment = naive.solved_over_reals(case, bare, A.tolist(), 40, 80, 6)
        distance = int(mpmath.norm(D) * 1000) + 1
    change = {"denominator": str(2**90), "rows": [[str(v) for v in row] for row in change]}
    judgments = [judgment, by_hand.judged("correction", weights="w", precision=96, change=change)]
    return sealed(case, judgments, [by_hand.claim("zero-loss-nearby", "proved", [0, 1], node=2, weights="w",
                                                  distance=str(Fraction(distance, 1000)))])  # fmt: skip


BYTES = bytes([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8])
IDX = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (4, 1, 3)) + BYTES


@BASES("a file of samples")
def _():
    net = by_hand.network([3], by_hand.dense(2, "unit"), by_hand.act("square"))
    data = {"kind": "file", "name": "x.idx", "format": "idx", "sha256": hashlib.sha256(IDX).hexdigest(), "shape": [2, 3],
            "start": 1, "scale": "2/3"}  # fmt: skip
    case = by_hand.instance(net, data, by_hand.seed(2, 5))
    rows, columns = [0, 1], [0, 1]
    return sealed(
        case, [by_hand.minor(by_hand.features(2), rows, columns, 1000003)], [by_hand.rank(case, 2, 2)]
    )


@pytest.fixture(scope="module")
def data_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.idx"
    path.write_bytes(IDX)
    return str(path)


def verdict_of(certificate, data_file=None):
    data = certificate["instance"].get("data") if isinstance(certificate.get("instance"), dict) else None
    named = isinstance(data, dict) and data.get("kind") == "file"
    return check_certificate(certificate, data_file if named else None, max_seconds=None)


# ---- Tampering. ----


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


def replaced(value, path, new):
    """A copy that shares all that does not lie on the path."""
    if not path:
        return new
    key, *rest = path
    inner = dict(value) if isinstance(value, dict) else list(value)
    inner[key] = replaced(value[key], rest, new)
    return inner


WORDS = {
    "kind": [*RULES, "conv", "conv-lists", "dense", "activation", "maxpool", "avgpool", "add", "concat", "scale", "inline", "file",
             "seed", "identity", "rational", "ln2", "scaling", "shift", "idle"],
    "statement": list(ROWS),
    "name": ["sigmoid", "tanh", "gaussian", "square", "relu", "elu", "custom", "x.idx"],
    "verdict": ["proved", "refuted", "undecided"],
    "side": ["left", "right"],
    "rule": ["width", "samples", "restriction", "patches", "sequences"],
    "matrix": ["features", "lifted", "lifted-and-row"],
    "bias": ["unit", "filter", "none"],
    "axis": ["channels", "units"],
    "format": ["idx", "npz", "exactcnn-certificate"],
}  # fmt: skip


def replacements(value, key=None):
    """Plausible and implausible substitutes for a JSON value."""
    if isinstance(value, bool):
        yield from (not value, 1, None)
    elif isinstance(value, int) and key == "entry":
        yield from (value + 1, -value, 0, 2**40, value / 2)
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
    elif isinstance(value, str) and key in WORDS:
        yield from WORDS[key]
    elif isinstance(value, str):
        yield from (value + "0", value[1:], "-" + value, "given", "w", "z", "1/2", "identity", 7, None)
    elif isinstance(value, list):
        yield from (
            [],
            value + value[:1],
            value[1:],
            value[:-1],
            value[::-1],
            value[1:] + value[:1],
            value[1:2] + value[1:],
            {},
            None,
        )
    elif isinstance(value, dict):
        yield from ({}, {**value, "extra": 1}, None, [])
        for name in value:
            yield {k: v for k, v in value.items() if k != name}
    else:
        yield from (0, 1, "", [], {}, [1], ["1/2"])


def tampered(base):
    """All leaves, but of published vectors only some."""
    paths = [path for path in leaves(base) if path and path[0] != "digests"]
    long = [path for path in paths if "vectors" in path[:-2] or "solutions" in path[:-1]]
    kept = set(long[:: 1 + len(long) // 40])
    for path in paths:
        if path in long and path not in kept:
            continue
        old, inside = get(base, path), isinstance(path[-1], int) and path[-2:-1] != ("of",)
        for new in replacements(old, "entry" if inside and path[0] == "instance" else path[-1]):
            if new != old or type(new) is not type(old):
                yield path, replaced(base, path, new)


@pytest.mark.parametrize("name", list(BASES))
def test_untouched_certificate_is_verified(name, data_file):
    """The base itself is accepted, so that rejections below mean something."""
    verdict = verdict_of(BASES[name], data_file)
    assert verdict.outcome == "VERIFIED", verdict
    assert_true(BASES[name], verdict, IDX)


def test_every_kind_is_met():
    """Of judgments, claims, nodes, rules of counting, data and weights."""
    judgments = [j for base in BASES.values() for j in base["judgments"]]
    instances = [base["instance"] for base in BASES.values()]
    assert {j["kind"] for j in judgments} == set(RULES) == set(FACTS)
    assert {c["statement"] for base in BASES.values() for c in base["claims"]} == set(ROWS) == set(CLAIMS)
    assert {j["rule"] for j in judgments if j["kind"] == "count"} == set(WORDS["rule"])
    assert {j["of"]["matrix"] for j in judgments if "of" in j} == set(WORDS["matrix"])
    kinds = {node["kind"] for case in instances for node in case["network"]["nodes"]}
    assert kinds == {"conv", "conv-lists", "dense", "activation", "maxpool", "maxpool-lists", "avgpool", "avgpool-lists", "add",
                     "concat", "scale"}  # fmt: skip
    assert {each["kind"] for case in instances for each in case["weights"].values()} == {
        "seed",
        "identity",
        "rational",
        "ln2",
    }
    assert {case["data"]["kind"] for case in instances if case["data"]} == {"inline", "file"}
    solved = [j for j in judgments if j.get("solutions") or (j.get("core") or {}).get("solutions")]
    assert {j["kind"] for j in solved} == {"minor-mod-p", "minor-enclosed", "order"}


SHOWN = re.compile(r"claims\[(\d+)\]: the judgments named show (\d+) \.\. (\d+)")
LEFT = re.compile(r"claims\[(\d+)\]: claims \w+, but (?:the judgments named leave it|it is) (\w+)$")
FIELD = re.compile(r"claims\[(\d+)\]: (critical|flat): claims .*, but it is (.*)$")


def repaired(certificate, reason):
    """With the claim that was rejected set to what the judgments are said to show; None where that is not said."""
    if found := SHOWN.match(reason):
        n, low, high = map(int, found.groups())
        return replaced(certificate, ("claims", n), {**certificate["claims"][n], "lower": low, "upper": high})
    if found := LEFT.match(reason):
        return replaced(certificate, ("claims", int(found[1]), "verdict"), found[2])
    if found := FIELD.match(reason):
        return replaced(certificate, ("claims", int(found[1]), found[2]), ast.literal_eval(found[3]))
    return None


def pressed(certificate, data_file=None):
    """The verdict, claims being repaired as long as the checker says how; and what it is about."""
    for _ in range(6):
        verdict = verdict_of(certificate, data_file)
        assert verdict.outcome in OUTCOMES, (verdict, certificate)
        better = repaired(certificate, verdict.reason) if verdict.outcome == "REJECTED" else None
        if better is None:
            break
        certificate = better
    if verdict.outcome == "VERIFIED":
        assert_true(certificate, verdict, IDX)
    return verdict.outcome


@pytest.mark.parametrize("name", list(BASES))
def test_changed_field_never_verifies_what_is_false(name, data_file):
    """Every field, every substitute, digests recomputed, claims adapted: VERIFIED only where all is true."""
    outcomes = [pressed(resealed(forged), data_file) for _, forged in tampered(BASES[name])]
    assert len(outcomes) > 150
    assert outcomes.count("VERIFIED") < len(outcomes) / 2


def any_claims(certificate):
    """Whatever might be claimed from the judgments of a certificate."""
    case = certificate["instance"]
    numbers, names = range(1, len(case["network"]["nodes"]) + 1), list(case["weights"])
    by = [list(range(len(certificate["judgments"])))]
    losses = {j["weights"]: j["value"] for j in certificate["judgments"] if j["kind"] == "loss-exact"}
    for statement, node, verdict in product(ROWS, numbers, ("proved", "refuted")):
        claim = {"statement": statement, "verdict": verdict, "node": node, "by": by[0]}
        if statement in ("rank", "lifted-rank", "assumption-2.4", "lemma-2.5"):
            if verdict == "refuted":
                continue
            claim |= {"lower": 0, "upper": 1}
        if statement in ("rank", "lifted-rank", "theorem-3.4", "s-k", "corollary-3.6", "point"):
            for name in [*names, None] if statement in ("rank", "theorem-3.4") else names:
                if statement != "point":
                    yield {**claim, "weights": name}
                elif name in losses and verdict == "proved" and truth(certificate, IDX).above(node):
                    failing = failing_hypotheses(truth(certificate, IDX), node, name)
                    fields = {
                        "v": None,
                        "critical": True,
                        "loss": losses[name],
                        "flat": True,
                        "failing": failing,
                    }
                    yield {**claim, "weights": name, **fields}
        elif statement in (
            "assumption-2.4",
            "lemma-2.5",
            "theorem-3.5",
            "extension-a",
            "lemma-4.2",
            "no-bad-valley",
        ):
            yield claim
    for statement, name, verdict in product(
        ("local-minimum", "critical-point", "loss"), names, ("proved", "refuted")
    ):
        for part in [*by, *([n] for n in by[0])]:
            yield {"statement": statement, "verdict": verdict, "weights": name, "by": part}
    for here, there in product(names, names):
        yield {"statement": "smaller-loss", "verdict": "proved", "weights": here, "than": there, "by": by[0]}


@pytest.mark.parametrize("name", list(BASES))
def test_no_false_claim_is_made_of_true_judgments(name, data_file):
    """Every statement about every node and set of weights is claimed from all judgments of a certificate."""
    base = BASES[name]
    for claim in any_claims(base):
        pressed({**base, "claims": [claim]}, data_file)


def test_a_strict_saddle_is_no_minimum():
    """(u w x - y)^2 / 2 at u = w = 0: the Hessian is regular there, with eigenvalues of both signs."""
    net = by_hand.network([1], by_hand.dense(1), by_hand.dense(1))
    zero = by_hand.rational(by_hand.weight([[0]]), by_hand.weight([[0]]))
    case = by_hand.instance(net, by_hand.inline([[1]]), zero, by_hand.targets([[1]]))
    for transform in (
        [[1, 1], [1, -1]],
        [[1, 0], [0, 1]],
        [[1, 0], [0, 0]],
        [[2, 2], [2, -2]],
        [[1, 1], [1, 1]],
    ):
        for free, symmetries in [
            ([0, 1], []),
            ([0], [{"kind": "idle", "parameter": 1}]),
            ([1], [{"kind": "scaling", "node": 1, "index": 0}]),
            ([], [{"kind": "idle", "parameter": 0}, {"kind": "idle", "parameter": 1}]),
        ]:
            part = [row[: len(free)] for row in transform[: len(free)]]
            shape = {"precision": 32, "free": free, "symmetries": symmetries, "transform": part}
            judgments = [
                by_hand.judged("gradient-exact", weights="w", partial=None),
                by_hand.judged("definite", weights="w", **shape),
            ]
            claim = by_hand.claim("local-minimum", "proved", [0, 1], weights="w")
            assert pressed(sealed(case, judgments, [claim])) == "REJECTED"
            isolated = {
                "radius": 4,
                "scale": 0,
                "preconditioner": [[0, -1], [-1, 0]],
                "loss": [0, 1],
                "wide": None,
            }
            for inertia in ([2, 0], [1, 1], [0, 2], [1, 0], [0, 1], [0, 0]):
                isolated["preconditioner"] = [row[: len(free)] for row in [[0, -1], [-1, 0]][: len(free)]]
                judgment = by_hand.judged("isolated", weights="w", inertia=inertia, **shape, **isolated)
                forged = sealed(
                    case, [judgment], [by_hand.claim("critical-point-nearby", "proved", weights="w")]
                )
                outcome = pressed(forged)
                assert outcome == "REJECTED" or inertia == [1, 1]


@pytest.mark.parametrize("name", list(BASES))
def test_changed_instance_without_new_digests_is_never_verified(name, data_file):
    """The digests bind: an instance changed under its old digests does not pass."""
    for path, forged in list(tampered(BASES[name]))[::3]:
        if path[0] == "instance":
            assert verdict_of(forged, data_file).outcome in ("REJECTED", "MALFORMED"), path


def test_random_double_changes(data_file):
    """Two random changes at once, a fixed seed, 1500 of them."""
    r = random.Random(11)
    names = list(BASES)
    for _ in range(1500):
        forged = BASES[r.choice(names)]
        for _ in range(2):
            path = r.choice([path for path in leaves(forged) if path and path[0] != "digests"])
            old = get(forged, path)
            forged = replaced(forged, path, r.choice(list(replacements(old, path[-1]))))
        forged = resealed(forged)
        pressed(forged, data_file)


def test_claims_are_bound_to_their_instance(data_file):
    """The judgments and claims of one certificate under the instance of another, and claims of one on the judgments of another."""
    for a in BASES.values():
        for b in BASES.values():
            if a is b:
                continue
            weights = {**a["instance"]["weights"], **b["instance"]["weights"]}
            moved = {**a, "judgments": b["judgments"], "claims": b["claims"]}
            renamed = resealed({**moved, "instance": {**a["instance"], "weights": weights}})
            for mixed in (moved, renamed, {**a, "claims": b["claims"]}):
                pressed(mixed, data_file)


def test_judgments_that_are_not_named_do_not_help(data_file):
    """`by` is cut down to every proper part, and reordered."""
    for base in BASES.values():
        for n, claim in enumerate(base["claims"]):
            for part in [claim["by"][:i] + claim["by"][i + 1 :] for i in range(len(claim["by"]))] + [
                claim["by"][::-1]
            ]:
                forged = replaced(base, ("claims", n, "by"), part)
                pressed(forged, data_file)


def test_symmetries_that_vanish_span_nothing():
    """u w x + b at u = w = 0: a saddle in u and w, a minimum in b; the scaling does not move the point."""
    net = by_hand.network([1], by_hand.dense(1), by_hand.dense(1, "unit"))
    zero = by_hand.rational(by_hand.weight([[0]]), by_hand.weight([[0]], [0]))
    case = by_hand.instance(net, by_hand.inline([[1], [-1]]), zero, by_hand.targets([[1], [-1]]))
    scaling = {"kind": "scaling", "node": 1, "index": 0}
    for symmetries in ([scaling, scaling], [scaling, {"kind": "idle", "parameter": 0}], [scaling], []):
        judgments = [
            by_hand.judged("gradient-exact", weights="w", partial=None),
            by_hand.judged(
                "definite", weights="w", precision=32, free=[2], symmetries=symmetries, transform=[[1]]
            ),
        ]
        claim = by_hand.claim("local-minimum", "proved", [0, 1], weights="w")
        assert pressed(sealed(case, judgments, [claim])) == "REJECTED"


@pytest.mark.parametrize("factor", [2, -1, Fraction(1, 2)])
def test_targets_and_v_have_to_fit(factor):
    """A multiple of v does for the rank, but y . v is not 1."""
    base = copy.deepcopy(BASES["extension-c"])
    v = [str(Fraction(x) * factor) for x in base["claims"][0]["v"]]
    v = [int(x) if "/" not in x else x for x in v]
    base["claims"][0]["v"] = v
    for judgment in base["judgments"]:
        if judgment.get("of", {}).get("matrix") == "lifted-and-row":
            judgment["of"]["row"] = v
    assert pressed(base) == "REJECTED"


UNDECIDED = ["theorem-3.5", "s-k", "corollary-3.6", "local-minimum", "smaller-loss"]


@pytest.mark.parametrize("statement", UNDECIDED)
def test_an_undecided_claim_says_nothing(statement):
    """The facts named are too weak, the verdict says so; no sentence may then decide what is false."""
    unit = by_hand.rational(by_hand.weight([[1, 0], [0, 1]], [0, 0]), by_hand.weight([[1], [1]], [0]))
    case = by_hand.instance(
        by_hand.network([2], by_hand.dense(2, "unit"), by_hand.act("relu"), by_hand.dense(1, "unit")),
        by_hand.inline([[1, 0], [0, 1]]), unit, by_hand.targets([[1], [1]]),
        more=by_hand.rational(by_hand.weight([[1, 0], [0, 1]], [0, 0]), by_hand.weight([[2], [2]], [0])),
    )  # fmt: skip
    weak = by_hand.minor(by_hand.features(2), [0], [0])
    losses = [
        by_hand.judged("loss-enclosed", weights=name, precision=32, bounds=[-1, 5]) for name in ("w", "more")
    ]
    about = {
        "theorem-3.5": {"node": 2},
        "local-minimum": {"weights": "w"},
        "smaller-loss": {"weights": "more", "than": "w"},
    }
    keys = about.get(statement, {"node": 2, "weights": "w"})
    by = [1, 2] if statement == "smaller-loss" else [1] if statement == "local-minimum" else [0]
    forged = sealed(case, [weak, *losses], [by_hand.claim(statement, "undecided", by, **keys)])
    verdict = verdict_of(forged)
    assert verdict.outcome in ("VERIFIED", "REJECTED")
    if verdict.outcome == "VERIFIED":
        assert_true(forged, verdict)


def test_smaller_than_the_critical_point_nearby_is_meant_where_it_is_said():
    """The loss at weights near a critical point is larger than the one at that point; only the latter is spoken of."""
    base = BASES["least squares"]
    case = {
        **base["instance"],
        "weights": {**base["instance"]["weights"], "far": by_hand.rational(by_hand.weight([[0]], [1]))},
    }
    case["weights"]["further"] = by_hand.rational(by_hand.weight([[0]], [2]))
    isolated = copy.deepcopy(base["judgments"][2])
    judgments = [isolated, *(by_hand.judged("loss-exact", weights=name, value=[value])
                             for name, value in [("w", "1/12"), ("near", base["judgments"][3]["value"][0])])]  # fmt: skip
    forged = sealed(
        case, judgments, [by_hand.claim("smaller-loss", "proved", [0, 1, 2], weights="w", than="near")]
    )
    verdict = verdict_of(forged)
    assert verdict.outcome in ("VERIFIED", "REJECTED")
    if verdict.outcome == "VERIFIED":
        assert_true(forged, verdict)


def test_a_loss_of_zero_is_smaller():
    case = {**TANH, "targets": by_hand.targets([[0], [0]])}
    case["weights"] = {
        **TANH["weights"],
        "none": by_hand.rational(by_hand.weight([[0]], [0]), by_hand.weight([[0]], [0])),
    }
    judgments = [
        by_hand.judged("loss-exact", weights="none", value=[]),
        by_hand.judged("loss-exact", weights="zero", value=["1/4"]),
    ]
    claim = by_hand.claim("smaller-loss", "proved", [0, 1], weights="none", than="zero")
    forged = sealed(case, judgments, [claim])
    verdict = verdict_of(forged)
    assert verdict.outcome == "VERIFIED", verdict
    assert_true(forged, verdict)


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
