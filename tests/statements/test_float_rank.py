"""Rank by floats: only what the exact routes prove too, never a refutation; certificates repeat it by enclosures."""

from __future__ import annotations

import numpy as np
import pytest

import exactcnn
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import feature_balls
from exactcnn.statements import decide
from exactcnn.statements.float_rank import FloatRank, float_rank
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
    verdict,
)

KINDS = ["relu", "sigmoid", "tanh", "silu", "elu", "gaussian", "identity", "square", "softplus", "gelu", "arctan",
         "sigmoid2", {"name": "leaky_relu", "slope": "1/3"}]  # fmt: skip


@pytest.mark.parametrize("activation", KINDS, ids=str)
def test_agrees_with_the_exact_routes(activation):
    """Random small networks, full and deficient: floats prove nothing that exact arithmetic refutes."""
    r = rng(str(activation))
    proved = refuted = 0
    for trial in range(12):
        net = network([4], conv(r.randint(1, 3), activation, kernel=2, bias=r.choice(["filter", "none"])))
        rows = random_rows(r, r.randint(2, 6), 4, -2, 2)
        inst = instance(net, rows, seed=trial)
        exact = decide_rank(inst, Ask(1))
        fast = decide_rank(inst, Ask(1, fast=True))
        assert fast.verdict == exact.verdict
        by_floats = isinstance(fast.evidence.minor, FloatRank)
        assert not by_floats or exact.verdict == "proved"
        proved += by_floats
        refuted += exact.verdict == "refuted"
    assert refuted
    assert proved or activation in ("identity", "relu")


def planted(gap):
    """Identity features of five samples in R^5; the last sample is a combination of the others plus ``gap``."""
    r = rng(1)
    rows = random_rows(r, 4, 5, -3, 3)
    last = [str(rows[0][j] - 2 * rows[1][j] + rows[3][j]) for j in range(5)]
    last[2] = f"{int(last[2]) * 10**40 + round(gap * 10**40)}/{10**40}"
    net = network([5], conv(5, "identity", kernel=5, bias="none"))
    identity = [[int(i == j) for j in range(5)] for i in range(5)]
    return instance(net, [*rows, last], given(net, (identity, None)))


@pytest.mark.parametrize(
    "gap, by_floats", [(1, True), (1e-8, True), (1e-17, False), (1e-30, False), (0, False)]
)
def test_nearly_deficient(gap, by_floats):
    """Where float64 cannot tell, the exact route does, and says that floats were asked."""
    found = decide_rank(planted(gap), Ask(1, fast=True))
    assert found.verdict == ("proved" if gap else "refuted")
    assert isinstance(found.evidence.minor, FloatRank) == by_floats
    assert found.summary.get("kind") == ("float-bounds" if by_floats else None)
    assert (
        "Float64 does not tell sigma_min(F_1) from 0; the exact routes were asked." in found.reason
    ) != by_floats
    if by_floats:
        low, high = found.summary["sigma_min"]
        F = np.array([[float(t.mid()) for t in row] for row in feature_balls(planted(gap), 1, 100)])
        assert low <= np.linalg.svd(F, compute_uv=False)[-1] * (1 + 1e-6)
        assert high >= np.linalg.svd(F, compute_uv=False)[-1] * (1 - 1e-6)


def test_counting_comes_first():
    """Equal samples refute without any float."""
    net = network([2], conv(4, "sigmoid", kernel=1))
    found = decide_rank(instance(net, [[1, 2], [1, 2]]), Ask(1, fast=True))
    assert found.verdict == "refuted"
    assert "loat" not in found.reason


def test_some_columns_of_a_wide_layer():
    """2 N of 3,000 columns: a lower bound for all of them, and no upper one."""
    net = network([2, 10], conv(300, "tanh", kernel=1))
    inst = instance(net, random_rows(rng(3), 8, 20))
    found = float_rank(inst, 1)
    assert (found.columns, found.smallest[1], found.largest[1]) == (300, np.inf, np.inf)
    F = np.array([[float(t.mid()) for t in row] for row in feature_balls(inst, 1, 64)])
    values = np.linalg.svd(F, compute_uv=False)
    assert 0 < found.smallest[0] < values[-1]
    assert found.largest[0] < values[0]


def test_what_floats_do_not_do():
    custom = {"name": "custom", "expression": "t/(1 + abs(t))"}
    inst = instance(network([2], conv(3, custom, kernel=1)), [[1, 2], [3, 5]])
    with pytest.raises(UndecidedError, match="does not enclose"):
        float_rank(inst, 1)
    found = decide_rank(inst, Ask(1, fast=True))
    assert found.verdict == "proved"
    assert "does not enclose; the exact routes were asked" in found.reason
    with pytest.raises(UndecidedError, match="fewer columns"):
        float_rank(instance(network([2], conv(1, "relu", kernel=2)), [[1, 2], [3, 5]]), 1)


def by_floats():
    net = network([1, 4, 4], conv(8, "sigmoid", kernel=2), {"kind": "dense", "units": 2})
    inst = instance(net, random_rows(rng(5), 6, 16))
    (rank,) = decide("rank", inst, fast=True)
    (s_k,) = decide("s-k", inst, fast=True)
    (corollary,) = decide("corollary-3.6", inst, fast=True)
    (theorem,) = decide("theorem-3.4", inst, fast=True)
    (almost,) = decide("theorem-3.5", inst, fast=True)
    structure = decide("structure", inst, fast=True)
    return inst, rank, s_k, corollary, theorem, almost, structure


def test_reasons():
    """What rests on floats says so."""
    inst, rank, s_k, corollary, theorem, almost, structure = by_floats()
    assert all(f.verdict == "proved" for f in (rank, s_k, corollary, theorem, almost))
    for finding in (s_k, corollary):
        assert finding.reason.endswith(
            "(it rests on IEEE float64 arithmetic and a BLAS that multiplies classically)."
        )
        assert finding.summary["rank_by"] == "float-bounds"
    for finding in (theorem, almost, *structure, *decide("s-k", inst)):
        assert "float64" not in finding.reason


def test_certificate():
    """No float is in the certificate: an enclosed minor that is regular takes the place of the bounds."""
    inst, rank, s_k, corollary, theorem, almost, structure = by_floats()
    certificate = certified(inst, rank, s_k, corollary)
    (minor,) = (j for j in certificate["judgments"] if j["of"]["matrix"] == "features")
    assert (minor["kind"], minor["solutions"], len(minor["rows"])) == ("minor-enclosed", None, 6)
    assert minor["of"]["weights"] == "given"
    found = verdict(certificate)
    assert not any("float" in text.lower() for text in found.assumptions)
    assert found.error_bound is None
    certified(inst, rank, s_k, corollary, theorem, almost, *structure)
    for forgery in (
        lambda c: c["claims"][0].update(lower=5, verdict="undecided"),
        lambda c: c["claims"][0].update(weights=None),
        lambda c: judgment(c, "minor-enclosed").update(columns=[0, 1, 2, 3, 4, 72]),
        lambda c: judgment(c, "minor-enclosed")["of"].update(node=3),
        lambda c: c["instance"]["data"]["rows"].__setitem__(0, c["instance"]["data"]["rows"][5]),
    ):
        assert outcome(certificate, forgery) == "REJECTED"


@pytest.mark.parametrize("gap", [1, 1e-8])
def test_certificates_of_what_is_nearly_deficient(gap):
    """What floats tell from 0, enclosures do; the other way round a smaller gap is refused."""
    inst = planted(gap)
    found = decide_rank(inst, Ask(1, fast=True))
    assert isinstance(found.evidence.minor, FloatRank)
    certificate = certified(inst, found)
    data = certificate["instance"]["data"]
    assert judgment(certificate, "minor-enclosed")["rows"] == [0, 1, 2, 3, 4]

    def closed(c):
        """The last sample is the combination itself."""
        rows, D = data["rows"], int(data["denominator"])
        assert D > 1 or gap == 1
        first = [[int(v) for v in row] for row in rows]
        last = [str(first[0][j] - 2 * first[1][j] + first[3][j]) for j in range(5)]
        c["instance"]["data"]["rows"][4] = last

    assert outcome(certificate, closed) == "REJECTED"


def test_by_the_api():
    """``fast`` ends with the call."""
    data = exactcnn.samples([[1, 2, 0, 3], [0, 1, 1, 2]])
    net = network([4], conv(3, "sigmoid", kernel=2))
    (fast,) = exactcnn.verify(net, data, fast=True).findings
    (slow,) = exactcnn.verify(net, data).findings
    assert "sigma_min" in fast.summary
    assert "sigma_min" not in slow.summary
    assert "IEEE float64" in fast.reason


def test_gaps_below_the_noise_are_never_proved():
    """Feature rows that agree up to 2^-60, 2^-70 .. of their size: 60 instances, none proved by floats."""
    r = rng(9)
    net = network([6], conv(6, "sigmoid", kernel=6, bias="none"))
    for _ in range(60):
        rows = random_rows(r, 4, 6, -4, 4)
        j = r.randrange(6)
        twin = [str(v) for v in rows[0]]
        twin[j] = f"{rows[0][j] * 2**90 + 2 ** r.randint(0, 30)}/{2**90}"
        inst = instance(net, [*rows, twin])
        with pytest.raises(UndecidedError, match="does not tell"):
            float_rank(inst, 1)
