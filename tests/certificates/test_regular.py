"""Minors over R for certificates: float64 leads, the checker's enclosures decide."""

from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.certificates.judgments import Draft
from exactcnn.certificates.regular import LARGEST_ENCLOSED, regular_part, seeded_witness
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
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
    verdict,
)

DENSE = {"kind": "dense"}


def deep(activation, depth, N, seed=0):
    """Convolutions, the last one of more than 200 units, weights of 10 bits, data in [-2, 2]."""
    below = [conv(3, activation, kernel=3) for _ in range(depth - 1)]
    net = network([40], *below, conv(8 if N <= 60 else 6, activation, kernel=3))
    rows = [[Fraction(v, 16) for v in row] for row in random_rows(rng(seed), N, 40, -32, 32)]
    return Instance(net, exactcnn.samples(rows), Weights.from_seed(net, seed, 10))


def rank_claim(draft, k, N, name="given"):
    """A certificate of rank F_k = N by the judgments of a draft."""
    claim = {
        "statement": "rank", "verdict": "proved", "node": draft.instance.network.node_of(k), "weights": name,
        "lower": N, "upper": N, "by": [len(draft.judgments) - 1],
    }  # fmt: skip
    return {"format": "exactcnn-certificate", "version": 2, **draft.complete(), "claims": [claim]}


@pytest.mark.parametrize("activation", ["gelu", "softplus", "arctan"])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("N", [20, 60, 200])
def test_minors_are_verified(activation, depth, N):
    inst = deep(activation, depth, N)
    draft = Draft(inst)
    assert regular_part(draft, inst, depth) == 0
    certificate = rank_claim(draft, depth, N)
    found = verdict(certificate)
    assert found.outcome == "VERIFIED", found
    minor = judgment(certificate, "minor-enclosed")
    assert minor["rows"] == list(range(N))
    assert (minor["solutions"] is None) == (N <= LARGEST_ENCLOSED)
    if minor["solutions"]:
        assert int(found.error_bound.removeprefix("2^-")) >= 192
        assert len(minor["solutions"]["vectors"]) <= 32


@pytest.mark.parametrize("N", [20, 60])
def test_forged_minors_are_rejected(N):
    inst = deep("softplus", 2, N)
    draft = Draft(inst)
    regular_part(draft, inst, 2)
    certificate = rank_claim(draft, 2, N)

    def twice(c):
        rows = c["instance"]["data"]["rows"]
        rows[1] = rows[0]

    for change in (
        twice,
        lambda c: judgment(c, "minor-enclosed").update(columns=list(range(N - 1)) + [288]),
        lambda c: judgment(c, "minor-enclosed")["of"].update(node=5),
        lambda c: c["instance"]["weights"].update(given={"kind": "identity"}),
        lambda c: c["instance"]["network"]["nodes"][1].update(
            activation={"name": "custom", "tree": ["+", ["*", 0, "t"], 1]}
        ),
    ):
        assert outcome(certificate, change) == "REJECTED"


def never_verified(inst):
    """No judgment, or, where the checker eliminates itself, one that it rejects and that no certificate has."""
    draft = Draft(inst)
    try:
        regular_part(draft, inst, 1)
    except UndecidedError:
        return
    assert inst.N <= LARGEST_ENCLOSED
    assert verdict(rank_claim(draft, 1, inst.N)).outcome == "REJECTED"


@pytest.mark.parametrize("N", [20, 60])
@pytest.mark.parametrize("activation", ["gelu", "softplus", "arctan"])
def test_deficient_matrices_are_refused(activation, N):
    """A sample twice, opposite samples without biases (odd functions), equal filters, too few columns."""
    inst = deep(activation, 1, N)
    rows = inst.samples.x.to_fractions()
    twice = Instance(inst.network, exactcnn.samples([*rows[:-1], rows[0]]), inst.weights)
    net = network([40], conv(8, "arctan", kernel=3, bias="none"))
    odd = Instance(net, exactcnn.samples([*rows[:-1], [-v for v in rows[0]]]), Weights.from_seed(net, 0, 10))
    equal = network([3], {**DENSE, "units": N + 5, "activation": activation})
    same = given(equal, ([[1] * (N + 5), [2] * (N + 5), [3] * (N + 5)], [1] * (N + 5)))
    alike = Instance(equal, exactcnn.samples([row[:3] for row in rows]), same)
    narrow = network([40], {**DENSE, "units": N - 1, "activation": activation})
    few = Instance(narrow, exactcnn.samples(rows), Weights.from_seed(narrow, 0, 10))
    for bad in (twice, odd, alike, few):
        never_verified(bad)
        if N <= LARGEST_ENCLOSED:
            assert decide("rank", bad, 1, fast=True)[0].verdict != "proved"
    with pytest.raises(UndecidedError, match="too few columns"):
        regular_part(Draft(few), few, 1)
    for bad in (twice, odd):  # beyond what the checker eliminates float64 must see it
        if N > LARGEST_ENCLOSED:
            with pytest.raises(UndecidedError, match="deficient|singular|ill-conditioned"):
                regular_part(Draft(bad), bad, 1)
    assert decide("theorem-3.5", twice, 1)[0].verdict == "refuted"
    if N > LARGEST_ENCLOSED:
        with pytest.raises(UndecidedError):
            seeded_witness(Draft(twice), 1)


def nearly(N, gap, activation="softplus"):
    """Sample 1 is sample 0 but for ``gap`` in one coordinate."""
    inst = deep(activation, 1, N)
    rows = inst.samples.x.to_fractions()
    rows[1] = [*rows[0][:20], rows[0][20] + gap, *rows[0][21:]]
    return Instance(inst.network, exactcnn.samples(rows), inst.weights)


@pytest.mark.parametrize(
    "N, bits, expected",
    [(20, 20, "VERIFIED"), (20, 30, "VERIFIED"), (60, 10, "VERIFIED"), (60, 60, None), (60, 200, None)],
)
def test_ill_conditioned_matrices(N, bits, expected):
    """Verified while float64 leads there; refused, never forged, beyond."""
    inst = nearly(N, Fraction(1, 2**bits))
    draft = Draft(inst)
    if expected is None:
        with pytest.raises(UndecidedError):
            regular_part(draft, inst, 1)
        return
    regular_part(draft, inst, 1)
    assert verdict(rank_claim(draft, 1, N)).outcome == expected


@pytest.mark.parametrize("bits", [5, 10, 20, 30, 40, 45, 50, 55, 60])
def test_where_floats_end(bits):
    """Of 50 rows what is not refused is verified; of 12 columns may be chosen badly, but not up to 2^-50."""
    for N in (12, 50):
        inst = nearly(N, Fraction(1, 2**bits), "gelu")
        draft = Draft(inst)
        try:
            regular_part(draft, inst, 1)
            certificate = rank_claim(draft, 1, N)
        except UndecidedError:
            assert bits > 10
            continue
        assert verdict(certificate).outcome == "VERIFIED" or (N == 12 and bits > 50)
        (finding,) = decide("rank", inst, 1)
        assert finding.verdict == "proved"
        certified(inst, finding)  # balls choose their columns at any precision


def test_values_beyond_float64_are_refused():
    inst = deep("softplus", 1, 50)
    huge = Instance(inst.network, inst.samples.scaled(Fraction(10) ** 400), inst.weights)
    with pytest.raises(UndecidedError):
        regular_part(Draft(huge), huge, 1)
    custom = deep({"name": "custom", "expression": "t/(1 + abs(t))"}, 1, 20)
    with pytest.raises(UndecidedError):
        regular_part(Draft(custom), custom, 1)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("activation", ["gelu", "softplus", "arctan", "tanh"])
def test_one_witness_for_almost_every_parameter(activation, depth):
    """Weights from a seed, chosen without the instance's: the certificate of Theorem 3.5's conclusion."""
    inst = deep(activation, depth, 45)
    draft = Draft(Instance(inst.network, inst.samples))
    assert seeded_witness(draft, depth) == 0
    claim = {"statement": "theorem-3.5", "verdict": "proved", "node": 2 * depth, "by": [0]}
    certificate = {"format": "exactcnn-certificate", "version": 2, **draft.complete(), "claims": [claim]}
    found = verdict(certificate)
    assert found.outcome == "VERIFIED", found
    assert list(certificate["instance"]["weights"]) == ["seed-0"]
    assert any("Mityagin" in text for text in found.assumptions)

    def relu(c):
        c["instance"]["network"]["nodes"][1]["activation"] = {"name": "relu"}

    assert outcome(certificate, relu) == "REJECTED"


def test_exact_fields_come_first():
    """Where the features have images mod p no condition number matters: nearly equal samples."""
    net = network([4], conv(4, "sigmoid", kernel=2))
    rows = [[1, 2, 3, 4], [1, 2, 3, f"{4 * 2**60 + 1}/{2**60}"], [5, 1, 0, 2]]
    inst = Instance(net, exactcnn.samples(rows))
    (finding,) = decide("theorem-3.5", inst)
    assert judgment(certified(inst, finding), "minor-mod-p")["of"]["weights"] == "seed-0"


def test_columns_are_those_of_the_pivots():
    """Of a wide layer N columns are taken, and the judgment lists them in order."""
    inst = instance(network([6], conv(40, "gelu", kernel=2)), random_rows(rng(1), 30, 6, -2, 2), seed=3)
    draft = Draft(inst)
    regular_part(draft, inst, 1)
    columns = draft.judgments[0]["columns"]
    assert columns == sorted(set(columns))
    assert len(columns) == 30
    assert max(columns) < inst.network.widths[1] == 200
    assert np.diff(columns).min() >= 1


def test_solutions_without_a_finite_bound_are_undecided():
    """An inverse of 1e200 against radii of 1e150: log2 of infinity was an OverflowError."""
    import numpy as np

    from exactcnn.certificates.regular import Solver

    with pytest.raises(exactcnn.UndecidedError), np.errstate(all="ignore"):
        Solver(np.eye(2, dtype=np.longdouble) * np.longdouble(1e-200), np.full((2, 2), 1e150))
