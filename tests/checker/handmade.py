"""Hand-made certificates: builders of networks, instances, judgments and claims, and their digests.

Nothing here or in `naive` uses the checker's code.
"""

import copy
import hashlib
import json

from naive import shapes

RELU, SIGMOID, IDENTITY = {"name": "relu"}, {"name": "sigmoid"}, {"name": "identity"}
P31, P61 = 2**31 - 1, 2**61 - 1


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sha(value):
    return None if value is None else hashlib.sha256(canonical(value)).hexdigest()


def changed(value, *path):
    """A deep copy of a JSON value with the entry at path[:-1] replaced by path[-1]."""
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-2]:
        inner = inner[step]
    inner[path[-2]] = path[-1]
    return value


def seal(case, judgments, claims):
    """A certificate with the right digests."""
    digests = {part: sha(case[part]) for part in ("network", "data", "targets")}
    digests["weights"] = {name: sha(each) for name, each in case["weights"].items()}
    return {
        "format": "exactcnn-certificate",
        "version": 2,
        "instance": case,
        "digests": {**digests, "instance": sha(case)},
        "judgments": judgments,
        "claims": claims,
    }


# ---- Networks: a node that is not told what it reads reads the one before it. ----


def network(size, *nodes):
    listed = [{"of": [number], **node} for number, node in enumerate(nodes)]
    return {"name": "test", "input": size, "nodes": listed}


def _window(kernel, stride, padding, dilation):
    r = len(kernel)
    pads = [q if isinstance(q, list) else [q, q] for q in padding or [0] * r]
    return {
        "kernel": kernel,
        "stride": stride or [1] * r,
        "padding": pads,
        "dilation": dilation or [1] * r,
    }


def conv(
    filters,
    patches=None,
    kernel=None,
    stride=None,
    padding=None,
    dilation=None,
    bias="none",
    groups=1,
    **more,
):
    """With a kernel or with lists; `padding`: numbers or pairs."""
    if patches is not None:
        extents = more.pop("extents", [len(patches)])
        return {
            "kind": "conv-lists",
            "filters": filters,
            "patches": patches,
            "extents": extents,
            "bias": bias,
            **more,
        }
    window = _window(kernel, stride, padding, dilation)
    return {"kind": "conv", "filters": filters, "groups": groups, **window, "bias": bias, **more}


def dense(units, bias="none", **more):
    return {"kind": "dense", "units": units, "bias": bias, **more}


def act(activation, **more):
    named = {"name": activation} if isinstance(activation, str) else activation
    return {"kind": "activation", "activation": named, **more}


def pool(kernel, stride=None, padding=None, dilation=None, **more):
    return {"kind": "maxpool", **_window(kernel, stride, padding, dilation), **more}


def average(kernel, stride=None, padding=None, count_padding=False, **more):
    return {
        "kind": "avgpool",
        **_window(kernel, stride, padding, None),
        "count_padding": count_padding,
        **more,
    }


def add(*of):
    return {"kind": "add", "of": list(of)}


def concat(axis, *of):
    return {"kind": "concat", "axis": axis, "of": list(of)}


def scale(factors, shifts, **more):
    return {"kind": "scale", "factors": factors, "shifts": shifts, **more}


# ---- Instances. ----


def inline(rows, denominator=1):
    rows = [list(row) for row in rows]
    return {"kind": "inline", "shape": [len(rows), len(rows[0])], "denominator": denominator, "rows": rows}


def weight(rows, b=None, denominator=1):
    bias = None if b is None else {"denominator": denominator, "values": b}
    return {"W": {"denominator": denominator, "rows": rows}, "b": bias}


def rational(*nodes):
    return {"kind": "rational", "nodes": list(nodes)}


def ln2(*nodes):
    """Pairs (W, b) of polynomials in ln 2."""
    return {
        "kind": "ln2",
        "nodes": [None if node is None else {"W": node[0], "b": node[1]} for node in nodes],
    }


def seed(number, bits):
    return {"kind": "seed", "seed": number, "bits": bits}


def targets(rows, denominator=1):
    return {"denominator": denominator, "rows": [list(row) for row in rows]}


def instance(net, data=None, given=None, goals=None, **weights):
    """`given`: the set of weights that goes by the name w."""
    if given is not None:
        weights["w"] = given
    return {"network": net, "data": data, "targets": goals, "weights": weights}


def line(values, activation):
    """F_2 is the column sigma(t) for t in values: one input unit, one filter with weight 1."""
    return instance(
        network([1], conv(1, patches=[[0]]), act(activation)),
        inline([[t] for t in values]),
        rational(weight([[1]])),
    )


# ---- Judgments. ----


def features(node, weights="w"):
    return {"matrix": "features", "node": node, "weights": weights}


def lifted(node, weights="w"):
    return {"matrix": "lifted", "node": node, "weights": weights}


def minor(of, rows, columns, prime=101, root=None, divisor=1, solutions=None):
    return {
        "kind": "minor-mod-p",
        "of": of,
        "rows": list(rows),
        "columns": list(columns),
        "prime": prime,
        "root": root,
        "divisor": divisor,
        "solutions": solutions,
    }


def enclosed(of, rows, columns, precision=64, solutions=None):
    return {
        "kind": "minor-enclosed",
        "of": of,
        "rows": list(rows),
        "columns": list(columns),
        "precision": precision,
        "solutions": solutions,
    }


def kernel(of, side, *vectors):
    """Vectors as (pivot, [[index, value], ..])."""
    listed = [{"pivot": pivot, "entries": entries} for pivot, entries in vectors]
    return {"kind": "kernel", "of": of, "side": side, "vectors": listed}


def count(node, rule, positions=None):
    return {"kind": "count", "node": node, "rule": rule, "positions": positions}


def order(node, order, units, seed=1, bits=8, shared=False, thresholds=(), core=None):
    return {
        "kind": "order",
        "node": node,
        "seed": seed,
        "bits": bits,
        "shared": shared,
        "order": list(order),
        "units": list(units),
        "thresholds": list(thresholds),
        "core": core,
    }


def judged(kind, **fields):
    return {"kind": kind, **fields}


# ---- Claims. ----


def claim(statement, verdict, by=(0,), **fields):
    return {"statement": statement, "verdict": verdict, **fields, "by": list(by)}


def verdict_of(lower, upper, full):
    return "proved" if lower == full else "refuted" if upper < full else "undecided"


def rank(case, node, lower=0, upper=None, weights="w", by=(0,)):
    """The rank of F; an upper bound left out is the smaller of N and the width."""
    samples = case["data"]["shape"][0]
    channels, extents, _ = shapes(case["network"])[node]
    width = channels
    for extent in extents:
        width *= extent
    upper = min(samples, width) if upper is None else upper
    verdict = verdict_of(lower, upper, samples)
    return claim("rank", verdict, by, node=node, weights=weights, lower=lower, upper=upper)


def sides(net, node):
    """The numbers of rows and columns of U at a node."""

    def units(number):
        channels, extents, _ = shapes(net)[number]
        for extent in extents:
            channels *= extent
        return channels

    return units(net["nodes"][node - 1]["of"][0]), units(node)


def generic(case, node, lower=0, upper=None, statement="lemma-2.5", weights=None, by=(0,)):
    """The rank of U: generic, or with `weights` at these."""
    full = min(sides(case["network"], node))
    upper = full if upper is None else upper
    verdict = verdict_of(lower, upper, full)
    named = {} if weights is None else {"weights": weights}
    statement = statement if weights is None else "lifted-rank"
    return claim(statement, verdict, by, node=node, lower=lower, upper=upper, **named)
