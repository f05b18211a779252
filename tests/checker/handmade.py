"""Helpers of the checker's tests: sealing hand-made certificates, and a naive second reading of FORMAT.md.

Nothing here uses the checker's code.
"""

import copy
import hashlib
import itertools
import json
from fractions import Fraction
from math import floor, lcm

RELU, SIGMOID, IDENTITY = {"name": "relu"}, {"name": "sigmoid"}, {"name": "identity"}


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sha(value):
    return None if value is None else hashlib.sha256(canonical(value)).hexdigest()


def seal(instance, *claims):
    """A certificate with the right digests."""
    digests = {part: sha(instance[part]) for part in ("network", "data", "weights")}
    return {
        "format": "exactcnn-certificate",
        "version": 1,
        "instance": instance,
        "digests": {**digests, "instance": sha(instance)},
        "claims": list(claims),
    }


def instance(network, data=None, weights=None):
    return {"network": network, "data": data, "weights": weights}


def network(size, *layers):
    return {"name": "test", "input": size, "layers": list(layers)}


def conv(
    filters, patches=None, kernel=None, stride=None, padding=None, dilation=None, activation=RELU, bias="none"
):
    if patches is not None:
        return {
            "kind": "conv",
            "filters": filters,
            "patches": patches,
            "activation": activation,
            "bias": bias,
        }
    r = len(kernel)
    return {
        "kind": "conv",
        "filters": filters,
        "kernel": kernel,
        "stride": stride or [1] * r,
        "padding": padding or [0] * r,
        "dilation": dilation or [1] * r,
        "activation": activation,
        "bias": bias,
    }


def pool(kernel, stride=None, padding=None):
    r = len(kernel)
    return {
        "kind": "maxpool",
        "kernel": kernel,
        "stride": stride or [1] * r,
        "padding": padding or [0] * r,
        "dilation": [1] * r,
    }


def dense(units, activation=IDENTITY, bias="none"):
    return {"kind": "dense", "units": units, "activation": activation, "bias": bias}


def inline(rows, denominator=1):
    return {"kind": "inline", "shape": [len(rows), len(rows[0])], "denominator": denominator, "rows": rows}


def weight(rows, b=None, denominator=1):
    bias = None if b is None else {"denominator": denominator, "values": b}
    return {"W": {"denominator": denominator, "rows": rows}, "b": bias}


def weights(*layers):
    return {"kind": "inline", "layers": list(layers)}


def line(values, activation, **claim):
    """F_1 is the column sigma(t) for t in values: one input unit, one filter with weight 1."""
    one = instance(
        network([1], conv(1, patches=[[0]], activation=activation)),
        inline([[t] for t in values]),
        weights(weight([[1]])),
    )
    return one, rank(len(values), 1, **claim)


def rank(samples, width, lower=0, upper=None, low=None, up=None, layer=1):
    upper = samples if upper is None else upper
    verdict = "proved" if lower == samples else "refuted" if upper < samples else "undecided"
    return {
        "statement": "rank",
        "verdict": verdict,
        "layer": layer,
        "samples": samples,
        "width": width,
        "lower": lower,
        "upper": upper,
        "evidence": {"lower": low, "upper": up},
    }


def generic(statement, rows, columns, lower=0, upper=None, low=None, up=None, layer=1):
    full = min(rows, columns)
    upper = full if upper is None else upper
    verdict = "proved" if lower == full else "refuted" if upper < full else "undecided"
    return {
        "statement": statement,
        "verdict": verdict,
        "layer": layer,
        "rows": rows,
        "columns": columns,
        "lower": lower,
        "upper": upper,
        "evidence": {"lower": low, "upper": up},
    }


def minor(rows, columns, prime=101, **more):
    more = more or {"substitution": None}
    return {"kind": "minor", "prime": prime, "rows": rows, "columns": columns, **more}


def changed(value, *path):
    """A deep copy of a JSON value with the entry at path[:-1] replaced by path[-1]."""
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-2]:
        inner = inner[step]
    inner[path[-2]] = path[-1]
    return value


# ---- Naive features and Fiat-Shamir evidence. ----


def drawn(seed, bits, k, part, count):
    w = -(-bits // 8)
    stream = hashlib.shake_256(f"exactcnn/weights/1/{seed}/{k}/{part}".encode()).digest(count * w + 1)
    numbers = [int.from_bytes(stream[m * w : m * w + w], "big") & ((1 << bits) - 1) for m in range(count)]
    return [Fraction(2 * v + 1 - 2**bits, 2**bits) for v in numbers]


def naive_features(case, last_is_preactivation=False):
    """F_k of the last layer as Fractions, for kernels, by loops over coordinates; states are dictionaries."""
    net, data, w = case["network"], case["data"], case["weights"]
    shape = net["input"] if len(net["input"]) > 1 else [1, *net["input"]]
    matrix = []
    for row in data["rows"]:
        places = [(c, pos) for c in range(shape[0]) for pos in itertools.product(*map(range, shape[1:]))]
        state = {place: Fraction(x, data["denominator"]) for place, x in zip(places, row, strict=True)}
        channels, extents = shape[0], shape[1:]
        for k, layer in enumerate(net["layers"], 1):
            if layer["kind"] == "dense":
                patches = [
                    [(c, pos) for pos in itertools.product(*map(range, extents)) for c in range(channels)]
                    if k > 1
                    else places
                ]
                outputs, filters = [1], layer["units"]
            else:
                outputs = [
                    floor(Fraction(e + 2 * q - d * (n - 1) - 1, s)) + 1
                    for e, q, d, n, s in zip(
                        extents,
                        layer["padding"],
                        layer["dilation"],
                        layer["kernel"],
                        layer["stride"],
                        strict=True,
                    )
                ]
                filters, windows = layer.get("filters"), []
                for out in itertools.product(*map(range, outputs)):
                    windows.append(
                        [
                            tuple(
                                o * s - q + f * d
                                for o, s, q, f, d in zip(
                                    out,
                                    layer["stride"],
                                    layer["padding"],
                                    off,
                                    layer["dilation"],
                                    strict=True,
                                )
                            )
                            for off in itertools.product(*map(range, layer["kernel"]))
                        ]
                    )
                patches = [[(c, pos) for c in range(channels) for pos in window] for window in windows]
            positions = list(itertools.product(*map(range, outputs)))
            new = {}
            if layer["kind"] == "maxpool":
                for pos, window in zip(positions, windows, strict=True):
                    for c in range(channels):
                        new[c, pos] = max(state[c, q] for q in window if (c, q) in state)
                state, extents = new, outputs
                continue
            length, count = len(patches[0]), len(patches) * filters
            sizes = {"unit": count, "filter": filters, "none": 0}
            if w["kind"] == "seed":
                flat = drawn(w["seed"], w["bits"], k, "W", length * filters)
                b = drawn(w["seed"], w["bits"], k, "b", sizes[layer["bias"]])
            else:
                part = w["layers"][k - 1]
                flat = [Fraction(x, part["W"]["denominator"]) for r in part["W"]["rows"] for x in r]
                b = part["b"] and [Fraction(x, part["b"]["denominator"]) for x in part["b"]["values"]]
            for p, patch in enumerate(patches):
                for t in range(filters):
                    g = sum(flat[r * filters + t] * state.get(place, 0) for r, place in enumerate(patch))
                    g += b[p * filters + t if layer["bias"] == "unit" else t] if b else 0
                    last = k == len(net["layers"]) and last_is_preactivation
                    name = layer["activation"]["name"]
                    if not last and name == "leaky_relu" and g < 0:
                        g *= Fraction(layer["activation"]["slope"])
                    value = (
                        g
                        if last or name in ("identity", "leaky_relu")
                        else g * g
                        if name == "square"
                        else max(g, 0)
                    )
                    new[(t, positions[p]) if layer["kind"] == "conv" else (0, (t,))] = value
            channels, extents = (filters, outputs) if layer["kind"] == "conv" else (1, [filters])
            state = new
        order = itertools.product(itertools.product(*map(range, extents)), range(channels))
        matrix.append([state[c, pos] for pos, c in order])
    return matrix


def residues(matrix, p):
    """V mod p for F = V / D with the least D."""
    over = lcm(*(x.denominator for row in matrix for x in row))
    return [[int(x * over) % p for x in row] for row in matrix]


def row_reduce(rows, p):
    """Row-reduced copy and pivot columns, over GF(p)."""
    rows, pivots = [list(row) for row in rows], []
    for j in range(len(rows[0])):
        i = next((i for i in range(len(pivots), len(rows)) if rows[i][j]), None)
        if i is None:
            continue
        at = len(pivots)
        rows[at], rows[i] = rows[i], rows[at]
        inverse = pow(rows[at][j], -1, p)
        rows[at] = [x * inverse % p for x in rows[at]]
        for other in range(len(rows)):
            if other != at and rows[other][j]:
                c = rows[other][j]
                rows[other] = [(x - c * y) % p for x, y in zip(rows[other], rows[at], strict=True)]
        pivots.append(j)
    return rows, pivots


def challenges(case, claim, count, p):
    bare = copy.deepcopy(claim)
    bare["evidence"]["lower"].pop("solutions", None)
    h = hashlib.sha256(canonical({"instance": case, "claim": bare})).digest()
    order, result = len(bare["evidence"]["lower"]["rows"]), []
    for j in range(count):
        stream = hashlib.shake_256(b"exactcnn/fiat-shamir/1/" + h + j.to_bytes(4, "big")).digest(
            80 * order + 800
        )
        words = (int.from_bytes(stream[i : i + 8], "big") for i in range(0, len(stream), 8))
        result.append([v % p for v in words if v < 2**64 // p * p][:order])
    return result


def fiat_shamir(case, claim, a, p, count):
    """Put solutions of A x_j = b_j into the claim."""
    claim["evidence"]["lower"]["kind"] = "minor-fiat-shamir"
    b = challenges(case, claim, count, p)
    reduced, pivots = row_reduce([[*row, *(x[i] for x in b)] for i, row in enumerate(a)], p)
    if pivots != list(range(len(a))):
        raise ValueError("the matrix is singular")
    claim["evidence"]["lower"]["solutions"] = [[row[len(a) + j] for row in reduced] for j in range(count)]
    if p > 2**53:
        claim["evidence"]["lower"]["solutions"] = [
            [str(v) for v in x] for x in claim["evidence"]["lower"]["solutions"]
        ]
    return claim
