"""Small instances shared by the statement and certificate tests, and what is done with their certificates."""

from __future__ import annotations

import copy
import random
from fractions import Fraction

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import json_integer
from exactcnn.certificates import make_certificate
from exactcnn.certificates.instance_json import digests
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide

AT_A_POINT = ("theorem-4.4", "theorem-4.5", "corollary-4.6", "extension-c", "zero-loss-exists")


def network(d, *layers):
    return exactcnn.Network.from_dict({"name": "test", "input": {"shape": d}, "layers": list(layers)})


def given(net, *entries):
    """Weights from (W, b) pairs of nested lists, or None."""
    return Weights.from_layers(
        net,
        [
            None
            if entry is None
            else LayerWeights(
                RationalArray.from_fractions(entry[0]),
                None if entry[1] is None else RationalArray.from_fractions(entry[1]),
            )
            for entry in entries
        ],
    )


def random_rows(rng, count, d, low=-9, high=9):
    return [[rng.randint(low, high) for _ in range(d)] for _ in range(count)]


def instance(net, rows, weights=None, seed=0, bits=8):
    return Instance(
        net, exactcnn.samples(rows), Weights.from_seed(net, seed, bits) if weights is None else weights
    )


def conv(filters, activation, **more):
    return {"kind": "conv", "filters": filters, "activation": activation, **more}


def rng(seed):
    return random.Random(seed)


def fractions(rows):
    return [[Fraction(v) for v in row] for row in rows]


# Certificates


def verdict(certificate):
    """The checker's, in this process."""
    return check_certificate(certificate, max_seconds=None)


def certified(inst, *findings):
    """The certificate of the findings: it is accepted, and holds the claim of each."""
    certificate = make_certificate(inst, list(findings))
    found = verdict(certificate)
    assert found.outcome == "VERIFIED", found
    assert len(found.claims) == len(certificate["claims"])
    for finding in findings:
        assert any(says(claim, finding) for claim in certificate["claims"]), finding
    return certificate


def says(claim, finding):
    """Does the claim say what the finding says?  Of one about a point: do its facts imply the verdict?"""
    if finding.statement not in AT_A_POINT:
        return (claim["statement"], claim["verdict"]) == (finding.statement, finding.verdict)
    if claim["statement"] != "point":
        return False
    zero = claim["loss"] == []
    if finding.statement == "zero-loss-exists":
        return finding.verdict == "proved" and zero
    if finding.statement == "theorem-4.4":
        holds = claim["flat"] is not None and claim["flat"] == zero
    else:
        holds = not claim["critical"] or zero
    return finding.verdict == ("proved" if holds else "refuted") and (holds or bool(claim["failing"]))


def decided(statement, inst, layer=None):
    """The finding; its certificate, where it has evidence, is accepted."""
    (finding,) = decide(statement, inst, layer)
    if finding.evidence is not None:
        certified(inst, finding)
    return finding


def sealed(certificate):
    """The digests made anew: what a forger does last."""
    certificate["digests"] = digests(certificate["instance"])
    return certificate


def forged(certificate, change):
    """The checker's verdict on a changed copy with honest digests."""
    other = copy.deepcopy(certificate)
    change(other)
    assert other != certificate
    return verdict(sealed(other))


def outcome(certificate, change):
    return forged(certificate, change).outcome


def judgment(certificate, kind, matrix=None):
    """The only judgment of a kind (about features, or about lifted matrices)."""
    (found,) = (certificate["judgments"][n] for n in numbers(certificate, kind, matrix))
    return found


def numbers(certificate, kind, matrix=None):
    """The numbers of the judgments of a kind."""
    return [
        n
        for n, each in enumerate(certificate["judgments"])
        if each["kind"] == kind and (matrix is None or each["of"]["matrix"] == matrix)
    ]


def without(certificate, kind, matrix=None, claim=0):
    """The claim does not name its judgments of a kind."""
    left_out = numbers(certificate, kind, matrix)
    by = certificate["claims"][claim]["by"]
    by[:] = [n for n in by if n not in left_out]


def added(certificate, judgment, claim=0):
    """One more judgment, which the claim names."""
    certificate["judgments"].append(judgment)
    certificate["claims"][claim]["by"].append(len(certificate["judgments"]) - 1)


def put(certificate, name, node, part, place, value):
    """An entry of W (row, column) or b of an affine node, as a polynomial in ln 2, in a set of weights."""
    weights = certificate["instance"]["weights"]
    weights[name] = in_ln2(weights[name])
    entry = weights[name]["nodes"][node][part]
    if part == "W":
        entry[place[0]][place[1]] = value
    else:
        entry[place] = value


def in_ln2(weights):
    """The same set of weights with entries in Q[ln 2]."""
    if weights["kind"] == "ln2":
        return weights
    nodes = []
    for entry in weights["nodes"]:
        if entry is None:
            nodes.append(None)
            continue
        W, b = entry["W"], entry["b"]
        rows = [[constant(v, W["denominator"]) for v in row] for row in W["rows"]]
        values = None if b is None else [constant(v, b["denominator"]) for v in b["values"]]
        nodes.append({"W": rows, "b": values})
    return {"kind": "ln2", "nodes": nodes}


def constant(numerator, denominator):
    """A rational as a polynomial in ln 2."""
    value = Fraction(int(numerator), int(denominator))
    if not value:
        return []
    return [json_integer(value.numerator) if value.denominator == 1 else str(value)]
