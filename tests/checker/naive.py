"""A naive second reading of the format: shapes, features, lifted matrices, challenges; loops over coordinates.

Numbers are Fractions, or with `real` numbers of mpmath where an activation is not rational.
"""

import copy
import hashlib
import itertools
import json
from fractions import Fraction
from math import floor, lcm, prod

import mpmath


def positions(extents):
    return list(itertools.product(*map(range, extents)))


def shapes(net):
    """(channels, extents, numbered channel by channel) of the input and of every node."""
    size = net["input"]
    found = [(1, list(size), True) if len(size) == 1 else (size[0], list(size[1:]), True)]
    for node in net["nodes"]:
        channels, extents, major = found[node["of"][0]]
        kind = node["kind"]
        if kind == "dense":
            found.append((1, [node["units"]], False))
        elif kind == "conv-lists":
            found.append((node["filters"], node["extents"], False))
        elif kind.endswith("-lists"):
            found.append((1, [len(node["patches"])], False))
        elif "kernel" in node:
            outputs = [
                floor(Fraction(e + before + after - d * (k - 1) - 1, s)) + 1
                for e, (before, after), d, k, s in zip(
                    extents, node["padding"], node["dilation"], node["kernel"], node["stride"], strict=True
                )
            ]
            found.append((node["filters"] if kind == "conv" else channels, outputs, False))
        elif kind == "concat" and node["axis"] == "units":
            total = sum(found[s][0] * prod(found[s][1]) for s in node["of"])
            found.append((1, [total], False))
        elif kind == "concat":
            found.append((sum(found[s][0] for s in node["of"]), extents, False))
        else:
            found.append((channels, extents, major))
    return found


def places(shape):
    """The units in their order, as (channel, position)."""
    channels, extents, major = shape
    if major:
        return [(c, pos) for c in range(channels) for pos in positions(extents)]
    return [(c, pos) for pos in positions(extents) for c in range(channels)]


def windows(node, extents, outputs):
    """For every output position the places it sees, in the order of the kernel; some lie outside."""
    return [
        [
            tuple(
                o * s - before + f * d
                for o, s, (before, _), f, d in zip(
                    out, node["stride"], node["padding"], offset, node["dilation"], strict=True
                )
            )
            for offset in positions(node["kernel"])
        ]
        for out in positions(outputs)
    ]


def drawn(seed, bits, key, part, size, prefix="weights"):
    w = -(-bits // 8)
    message = f"exactcnn/{prefix}/1/{seed}" + (f"/{key}/{part}" if part else "")
    stream = hashlib.shake_256(message.encode()).digest(size * w + 1)
    numbers = [int.from_bytes(stream[m * w : m * w + w], "big") & ((1 << bits) - 1) for m in range(size)]
    return [Fraction(2 * v + 1 - 2**bits, 2**bits) for v in numbers]


class Reading:
    """Values of all nodes for one instance at one set of weights."""

    def __init__(self, case, weights="w", real=False):
        self.case, self.net, self.given, self.real = case, case["network"], case["weights"].get(weights), real
        self.shapes, self.known, self.read = shapes(self.net), {}, {}

    def number(self, value):
        value = Fraction(value)
        return mpmath.mpf(value.numerator) / value.denominator if self.real else value

    def samples(self):
        data = self.case["data"]
        return [
            [self.number(Fraction(x) / Fraction(data["denominator"])) for x in row] for row in data["rows"]
        ]

    def taps(self, number):
        """For every (position, group) of an affine node the units that its filters read; None: padding."""
        if number not in self.read:
            self.read[number] = self._taps(number)
        return self.read[number]

    def _taps(self, number):
        node = self.net["nodes"][number - 1]
        shape = self.shapes[node["of"][0]]
        if node["kind"] == "dense":
            return [list(range(shape[0] * prod(shape[1])))]
        if node["kind"] == "conv-lists":
            return [[u if u >= 0 else None for u in patch] for patch in node["patches"]]
        index = {place: u for u, place in enumerate(places(shape))}
        size = shape[0] // node["groups"]
        return [
            [index.get((c, pos)) for c in range(g * size, (g + 1) * size) for pos in window]
            for window in windows(node, shape[1], self.shapes[number][1])
            for g in range(node["groups"])
        ]

    def parameters(self, number):
        """W as a list of rows, b as a list (empty: none)."""
        node, kinds = self.net["nodes"][number - 1], ("conv", "conv-lists", "dense")
        filters = node.get("filters", node.get("units"))
        length = len(self.taps(number)[0])
        sizes = {"none": 0, "filter": filters, "unit": len(places(self.shapes[number]))}
        if self.given["kind"] == "seed":
            before = self.net["nodes"][: number - 1]
            key = 1 + sum(each["kind"] in kinds or "pool" in each["kind"] for each in before)
            flat = drawn(self.given["seed"], self.given["bits"], key, "W", length * filters)
            b = drawn(self.given["seed"], self.given["bits"], key, "b", sizes[node["bias"]])
        elif self.given["kind"] == "identity":
            flat = [Fraction(int(r == t)) for r in range(length) for t in range(filters)]
            b = [Fraction(0)] * sizes[node["bias"]]
        else:
            affine = [n for n, each in enumerate(self.net["nodes"], 1) if each["kind"] in kinds]
            entry = self.given["nodes"][affine.index(number)]
            W, bias = entry["W"], entry["b"] or {"denominator": 1, "values": []}
            flat = [Fraction(x) / Fraction(W["denominator"]) for row in W["rows"] for x in row]
            b = [Fraction(x) / Fraction(bias["denominator"]) for x in bias["values"]]
        return [flat[r : r + filters] for r in range(0, len(flat), filters)], b

    def values(self, number):
        """N rows of units."""
        if number not in self.known:
            self.known[number] = self.samples() if number == 0 else self._computed(number)
        return self.known[number]

    def _computed(self, number):
        node = self.net["nodes"][number - 1]
        sources = [self.values(s) for s in node["of"]]
        kind, shape = node["kind"], self.shapes[number]
        if kind in ("conv", "conv-lists", "dense"):
            return self._affine(number, sources[0])
        if kind == "activation":
            return [[self.activated(node["activation"], t) for t in row] for row in sources[0]]
        if kind == "add":
            return [[sum(each) for each in zip(*rows, strict=True)] for rows in zip(*sources, strict=True)]
        below = [
            [dict(zip(places(self.shapes[s]), row, strict=True)) for row in self.values(s)]
            for s in node["of"]
        ]
        if kind == "scale":
            pairs = list(
                zip(map(self.number, node["factors"]), map(self.number, node["shifts"]), strict=True)
            )
            return [
                [pairs[c][0] * state[c, pos] + pairs[c][1] for c, pos in places(shape)] for state in below[0]
            ]
        if kind == "concat" and node["axis"] == "units":
            return [list(itertools.chain(*rows)) for rows in zip(*sources, strict=True)]
        if kind == "concat":
            result = []
            for states in zip(*below, strict=True):
                joined, first = {}, 0
                for s, state in zip(node["of"], states, strict=True):
                    joined |= {(first + c, pos): x for (c, pos), x in state.items()}
                    first += self.shapes[s][0]
                result.append([joined[place] for place in places(shape)])
            return result
        return [
            self._pooled(node, shape, state, row) for state, row in zip(below[0], sources[0], strict=True)
        ]

    def _affine(self, number, rows):
        node, result = self.net["nodes"][number - 1], []
        W, b = self.parameters(number)
        filters, groups, taps = len(W[0]), node.get("groups", 1), self.taps(number)
        for row in rows:
            out = []
            for p in range(len(taps) // groups):
                for t in range(filters):
                    patch = taps[p * groups + t // (filters // groups)]
                    g = self.number(0)
                    for r, u in enumerate(patch):
                        g += self.number(W[r][t]) * (self.number(0) if u is None else row[u])
                    if b:
                        g += self.number(b[p * filters + t if node["bias"] == "unit" else t])
                    out.append(g)
            result.append(out)
        return result

    def _pooled(self, node, shape, state, row):
        found = []
        if "patches" in node:
            seen = [([row[u] for u in patch], len(patch)) for patch in node["patches"]]
        else:
            _, extents, _ = self.shapes[node["of"][0]]
            seen = [
                ([state[c, q] for q in window if (c, q) in state], len(window))
                for window in windows(node, extents, shape[1])
                for c in range(shape[0])
            ]
        for real, size in seen:
            if node["kind"].startswith("maxpool"):
                found.append(max(real))
            else:
                found.append(sum(real) / (size if node.get("count_padding") else len(real)))
        return found

    def activated(self, activation, t):
        name, q = (
            activation["name"],
            {k: self.number(v) for k, v in activation.items() if k not in ("name", "tree")},
        )
        zero = self.number(0)
        rational = {
            "identity": lambda: t,
            "relu": lambda: max(t, zero),
            "leaky_relu": lambda: t if t >= 0 else q["slope"] * t,
            "prelu": lambda: t if t >= 0 else q["slope"] * t,
            "relu6": lambda: min(max(t, zero), self.number(6)),
            "hardtanh": lambda: min(max(t, q["low"]), q["high"]),
            "square": lambda: t * t,
            "softsign": lambda: t / (1 + abs(t)),
        }
        if name in rational:
            return rational[name]()
        if not self.real:
            raise ValueError(f"{name} is not rational")
        m = mpmath
        return {
            "sigmoid": lambda: 1 / (1 + m.exp(-t)),
            "sigmoid2": lambda: 1 / (1 + m.power(2, -t)),
            "tanh": lambda: m.tanh(t),
            "softplus": lambda: m.log1p(m.exp(q["alpha"] * t)) / q["alpha"],
            "silu": lambda: t / (1 + m.exp(-t)),
            "gelu": lambda: t * m.ncdf(t),
            "elu": lambda: t if t >= 0 else q["alpha"] * m.expm1(t),
            "gaussian": lambda: m.exp(-t * t),
            "arctan": lambda: m.atan(t),
        }[name]()

    def denominator(self, number):
        """The denominator that the format gives to all units of a node."""
        if number == 0:
            return self.case["data"]["denominator"]
        node = self.net["nodes"][number - 1]
        below, kind = [self.denominator(s) for s in node["of"]], node["kind"]
        D = below[0]
        if kind in ("conv", "conv-lists", "dense"):
            if self.given["kind"] in ("seed", "identity"):
                over = 2 ** self.given.get("bits", 0)
                return lcm(over * D, over)
            affine = [n for n, each in enumerate(self.net["nodes"], 1) if each.get("bias")]
            entry = self.given["nodes"][affine.index(number)]
            return lcm(entry["W"]["denominator"] * D, (entry["b"] or {"denominator": 1})["denominator"])
        if kind == "activation":
            values = {k: Fraction(v) for k, v in node["activation"].items() if k not in ("name", "tree")}
            name = node["activation"]["name"]
            if name == "hardtanh":
                return (
                    D * values["low"].denominator * lcm(values["low"].denominator, values["high"].denominator)
                )
            if "slope" in values:
                return D * values["slope"].denominator
            return D * D if name == "square" else D
        if kind.startswith("maxpool"):
            return D
        q = 1
        if kind == "scale":
            q = lcm(*(Fraction(v).denominator for v in [*node["factors"], *node["shifts"]]))
        elif kind == "avgpool-lists":
            q = lcm(*map(len, node["patches"]))
        elif kind == "avgpool":
            _, extents, _ = self.shapes[node["of"][0]]
            inside = set(positions(extents))
            seen = windows(node, extents, self.shapes[number][1])
            q = lcm(*(len(w) if node["count_padding"] else sum(x in inside for x in w) for w in seen))
        return lcm(*below) * q

    def numerators(self, number, divisor=1):
        over = self.denominator(number)
        return [[int(x * over) // divisor for x in row] for row in self.values(number)]

    def lifted(self, number):
        """U as a list of rows."""
        node = self.net["nodes"][number - 1]
        W, _ = self.parameters(number)
        filters, groups, taps = len(W[0]), node.get("groups", 1), self.taps(number)
        U = [[Fraction(0)] * len(places(self.shapes[number])) for _ in places(self.shapes[node["of"][0]])]
        for p in range(len(taps) // groups):
            for t in range(filters):
                for r, u in enumerate(taps[p * groups + t // (filters // groups)]):
                    if u is not None:
                        U[u][p * filters + t] = W[r][t]
        return U


# ---- Linear algebra and challenges. ----


def mod(matrix, p):
    return [[x % p for x in row] for row in matrix]


def block(matrix, rows, columns):
    return [[matrix[i][j] for j in columns] for i in rows]


def row_reduce(rows, p):
    """Row-reduced copy and pivot columns, over GF(p), or over Q if p is None."""
    rows, pivots = [list(row) for row in rows], []
    for j in range(len(rows[0])):
        i = next((i for i in range(len(pivots), len(rows)) if rows[i][j]), None)
        if i is None:
            continue
        at = len(pivots)
        rows[at], rows[i] = rows[i], rows[at]
        inverse = pow(rows[at][j], -1, p) if p else 1 / Fraction(rows[at][j])
        rows[at] = [x * inverse % p if p else x * inverse for x in rows[at]]
        for other in range(len(rows)):
            if other != at and rows[other][j]:
                c = rows[other][j]
                line = zip(rows[other], rows[at], strict=True)
                rows[other] = [(x - c * y) % p if p else x - c * y for x, y in line]
        pivots.append(j)
    return rows, pivots


def largest_minor(matrix, p):
    """Rows and columns of a minor of full rank mod p."""
    _, columns = row_reduce(matrix, p)
    transposed = [list(column) for column in zip(*[[row[j] for j in columns] for row in matrix], strict=True)]
    _, rows = row_reduce(transposed, p)
    return rows, columns


def left_kernel(matrix):
    """Integer vectors v with v^T M = 0 as (pivot, entries), triangular at the pivots."""
    transposed = [list(column) for column in zip(*matrix, strict=True)]
    reduced, pivots = row_reduce(transposed, None)
    found = []
    for free in (j for j in range(len(matrix)) if j not in pivots):
        vector = {free: Fraction(1)}
        vector |= {j: -reduced[i][free] for i, j in enumerate(pivots) if reduced[i][free]}
        over = lcm(*(x.denominator for x in vector.values()))
        found.append((free, [[j, *_texts([int(x * over)])] for j, x in sorted(vector.items())]))
    return found


def _stream(case, judgment, j, words):
    value = {"instance": case, "judgment": judgment}
    digest = hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()
    stream = hashlib.shake_256(b"exactcnn/challenge/2/" + digest + j.to_bytes(4, "big")).digest(8 * words)
    return [int.from_bytes(stream[i : i + 8], "big") for i in range(0, 8 * words, 8)]


def challenges(case, judgment, size, vectors, p):
    """Right-hand sides mod p, drawn from everything but the solutions."""
    bare = {key: value for key, value in judgment.items() if key != "solutions"}
    if judgment["kind"] == "order":
        bare["core"] = {"prime": bare["core"]["prime"]}
    words = [_stream(case, bare, j, 10 * size + 100) for j in range(vectors)]
    return [[v % p for v in drawn_words if v < 2**64 // p * p][:size] for drawn_words in words]


def real_challenges(case, judgment, bits, size, vectors):
    """Right-hand sides over R, in (-1, 1)."""
    bare = {key: value for key, value in judgment.items() if key != "solutions"} | {"bits": bits}
    return [[Fraction(2 * v + 1, 2**64) - 1 for v in _stream(case, bare, j, size)] for j in range(vectors)]


def solved_mod_p(case, judgment, matrix, p, vectors):
    """A copy of the judgment with solutions of A x_j = b_j."""
    judgment = copy.deepcopy(judgment)
    b = challenges(case, judgment, len(matrix), vectors, p)
    reduced, pivots = row_reduce([[*row, *(x[i] for x in b)] for i, row in enumerate(matrix)], p)
    if pivots != list(range(len(matrix))):
        raise ValueError("the matrix is singular")
    solutions = [[row[len(matrix) + j] for row in reduced] for j in range(vectors)]
    holder = judgment["core"] if judgment["kind"] == "order" else judgment
    holder["solutions"] = [[str(v) for v in x] if p > 2**53 else x for x in solutions]
    return judgment


def solved_over_reals(case, judgment, matrix, bits=40, scale=80, vectors=6):
    """The same over R, for a matrix of mpmath numbers; solutions rounded to 2^-scale."""
    judgment = copy.deepcopy(judgment)
    right = real_challenges(case, judgment, bits, len(matrix), vectors)
    with mpmath.workprec(4 * scale):
        A = mpmath.matrix(matrix)
        found = []
        for b in right:
            x = mpmath.lu_solve(A, mpmath.matrix([mpmath.mpf(v.numerator) / v.denominator for v in b]))
            found.append([int(mpmath.nint(v * 2**scale)) for v in x])
    judgment["solutions"] = {"bits": bits, "scale": scale, "vectors": [_texts(x) for x in found]}
    return judgment


def _texts(values):
    return [v if abs(v) < 2**53 else str(v) for v in values]
