"""A forged certificate that was once VERIFIED with two contradictory claims: rank F_2 = N and rank F_2 <= N - 1.

Layer 2 is exponential (gaussian), so its features are no rationals; the forged minor carries no substitution and
takes the squares of the exponents for the features.  Large enough for the NumPy route, it must fail on both.
"""

import pytest

from exactcnn.checker import check_certificate, wide
from tests.checker.handmade import conv, dense, inline, instance, minor, network, rank, seal, weight, weights


def forged(N, p=1000003):
    """x_0 - j through ReLU, then gaussians of sums of two neighbours: the last two samples give equal rows."""
    samples = [[i, 0] for i in range(1, N - 1)] + [[N - 1, 1], [N - 1, -1]]
    patches = [[j, N + 1] for j in range(N - 1)] + [[N - 1, N]]
    net = network(
        [2],
        dense(N + 2, {"name": "relu"}, "unit"),
        conv(1, patches=patches, activation={"name": "gaussian"}),
    )
    first = weight(
        [[1] * (N - 1) + [0] * 3, [0] * (N - 1) + [1, -1, 0]], [-j for j in range(N - 1)] + [0] * 3
    )
    case = instance(net, inline(samples), weights(first, weight([[1], [-1]])))
    lower = minor(list(range(N)), list(range(N)), p)
    claim = rank(N, N, lower=N, low=lower, layer=2)
    kernel = {"kind": "left-kernel", "denominator": 1}
    kernel["vectors"] = [{"pivot": N - 1, "entries": [[N - 2, 1], [N - 1, -1]]}]
    return case, claim, rank(N, N, upper=N - 1, up=kernel, layer=2)


@pytest.mark.parametrize("numpy", [True, False])
@pytest.mark.parametrize("kind", ["minor", "minor-fiat-shamir"])
def test_features_that_are_not_rational_need_a_substitution(numpy, kind, monkeypatch):
    monkeypatch.setattr(wide, "LARGE", 0)
    if not numpy:
        monkeypatch.setattr(wide, "_numpy", lambda: None)
    case, proved, refuted = forged(12)
    if kind == "minor-fiat-shamir":
        proved["evidence"]["lower"] |= {"kind": kind, "solutions": [[0] * 12] * 10}
    verdict = check_certificate(seal(case, proved, refuted))
    assert verdict.outcome == "REJECTED"
    assert "must be null exactly for rational features" in verdict.reason
    assert check_certificate(seal(case, refuted)).outcome == "VERIFIED"
