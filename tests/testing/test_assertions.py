"""The assertions hold where the statement is proved, and fail with its sentence where it is not."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import exactcnn
from exactcnn import checker, testing
from exactcnn.checker import check_certificate
from exactcnn.errors import MalformedError, MisuseError
from exactcnn.testing import (
    assert_certificate_valid,
    assert_critical_point,
    assert_features_independent,
    assert_full_rank,
    assert_proved,
    assert_zero_loss,
)

CONV = {"input": [4], "layers": [{"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"}]}
# A function without exact features: full rank by balls, a deficiency stays undecided.
AFFINE = {
    "input": [4],
    "layers": [
        {"kind": "conv", "filters": 9, "kernel": 2, "activation": {"name": "custom", "expression": "t + 1"}}
    ],
}
LINE = {"input": [1], "layers": [{"kind": "dense", "units": 1}]}
X = [[1, 2, 0, 3], [0, 1, 1, 2], [5, 4, 4, 0]]
# Least squares by hand: y = 2x + 1 through three points fits exactly; through (0, 0), (1, 3), (2, 3) it leaves
# residuals (1, -1, 1) .. and the best line is 3/2 x + 1/2.
POINTS, FIT, NO_FIT = [[0], [1], [2]], [[1], [3], [5]], [[0], [3], [3]]


def line(slope, offset):
    """The weights of y = slope x + offset."""
    from exactcnn.arithmetic.rationals import RationalArray
    from exactcnn.network.weights import LayerWeights, Weights

    W, b = RationalArray.from_fractions([[slope]], "W"), RationalArray.from_fractions([offset], "b")
    return Weights.from_layers(exactcnn.Network.from_dict(LINE), [LayerWeights(W, b)])


def test_independent_features():
    """Proved: the result comes back.  Refuted: the finding's own sentence."""
    result = assert_features_independent(CONV, X, layer=1)
    assert (result.verdict, result.findings[0].summary["lower"]) == ("proved", 3)
    with pytest.raises(AssertionError, match=r"^rank: refuted\. F_1 \(4 x 9\) has rank 3, less than N = 4"):
        assert_features_independent(CONV, [*X, X[0]], layer=1)


def test_undecided_is_no_success():
    """12 affine images of 4 numbers have rank 5 at most; no route decides it, and that fails too."""
    twelve = [[n, n * n, n % 3, n % 5] for n in range(12)]
    with pytest.raises(AssertionError, match=r"^rank: undecided\. the rank of F_1 \(12 x 27\) lies between"):
        assert_features_independent(AFFINE, twelve, layer=1)


@pytest.mark.parametrize("expected, options", [(3, {}), (2, {"samples": 2}), (3, {"scale": "1/255"})])
def test_which_samples(expected, options):
    """``samples`` and ``scale`` choose the instance."""
    smooth = {**CONV, "layers": [{**CONV["layers"][0], "activation": "sigmoid"}]}
    result = assert_features_independent(smooth, np.array(X, dtype=np.uint8), layer=1, **options)
    assert expected == result.instance.N
    factor = Fraction(options.get("scale", 1))
    first = result.instance.need_samples().x
    assert [Fraction(int(v), first.denominator) for v in first.numerators[0]] == [v * factor for v in X[0]]


def test_networks_come_in_every_form(tmp_path):
    """A spec's path, a dict, a Network and a Model are the same network."""
    network = exactcnn.Network.from_dict(CONV)
    (tmp_path / "net.json").write_text(json.dumps(CONV))
    (tmp_path / "d.csv").write_text("\n".join(",".join(map(str, row)) for row in X))
    model = exactcnn.read_model(tmp_path / "net.json")
    forms = [CONV, network, model, tmp_path / "net.json", str(tmp_path / "net.json")]
    results = [assert_features_independent(net, tmp_path / "d.csv", layer=1, seed=3) for net in forms]
    assert len({json.dumps(r.certificate()["claims"], sort_keys=True) for r in results}) == 1


@pytest.mark.parametrize(
    "matrix, rank",
    [
        ([[1, 2, 3], [2, 4, 7]], 2),
        ([[1, 2], [2, 4], [3, 7]], 2),
        ([[1, 2, 3], [2, 4, 6]], 1),
        ([[1, 2], [2, 4], [3, 6]], 1),
        ([[0, 0]], 0),
        ([[Fraction(1, 3)]], 1),
        ([[Fraction(1, 3), Fraction(1, 7)], [7, 3]], 1),
        (np.array([[2**62, 1], [1, 0], [0, 0]]), 2),
    ],
)
def test_matrices(matrix, rank):
    """Full rank is min(rows, columns), for either orientation."""
    shape = np.array(matrix, dtype=object).shape
    if rank == min(shape):
        assert_full_rank(matrix)
    else:
        with pytest.raises(AssertionError, match=rf"has rank {rank}, less than N = {min(shape)}"):
            assert_full_rank(matrix)


def test_weights_of_full_rank():
    """U_k at the given weights, of the layer asked for or of all; and for almost all weights."""
    dense = {
        "input": [2],
        "layers": [{"kind": "dense", "units": 3, "activation": "relu"}, {"kind": "dense", "units": 2}],
    }
    assert len(assert_full_rank(dense).findings) == 2
    assert len(assert_full_rank(dense, layer=2).findings) == 1
    with pytest.raises(AssertionError, match=r"^lifted-rank: refuted\. U_1 \(1 x 1\) has rank 0"):
        assert_full_rank(LINE, weights=line(0, 1))
    assert_full_rank({"input": [4], "layers": CONV["layers"]}, generic=True)
    # Stride 2 with a kernel of 1 never reads units 1 and 3: rank 2 at most, whatever the weights.
    skipping = {"input": [4], "layers": [{**CONV["layers"][0], "kernel": 1, "stride": 2}]}
    with pytest.raises(AssertionError, match=r"^lemma-2\.5: refuted\. "):
        assert_full_rank(skipping, generic=True)


def test_critical_points():
    """The best line is the only critical point of a least-squares problem, and a minimum."""
    best = line(Fraction(3, 2), Fraction(1, 2))
    assert_critical_point(LINE, POINTS, targets=NO_FIT, weights=best)
    assert_critical_point(LINE, POINTS, targets=NO_FIT, weights=best, local_minimum=True)
    with pytest.raises(AssertionError, match=r"critical-point: refuted\. The partial derivative by"):
        assert_critical_point(LINE, POINTS, targets=NO_FIT, weights=line(1, 1))


def test_critical_points_near_the_weights():
    """``within`` is a distance that is proved: neither too small a one nor NaN passes."""
    near = line(Fraction("1.5001"), Fraction("0.4999"))
    asked = {"targets": NO_FIT, "weights": near}
    assert_critical_point(LINE, POINTS, within=1e-3, local_minimum=True, **asked)
    for within in (1e-5, 0, -1, float("nan")):
        with pytest.raises(
            AssertionError, match=r"critical-point-nearby: undecided\. The critical point, at most"
        ):
            assert_critical_point(LINE, POINTS, within=within, **asked)
    with pytest.raises(AssertionError, match=r"critical-point: refuted"):
        assert_critical_point(LINE, POINTS, **asked)


def test_a_saddle_is_no_minimum():
    """y = b tanh(a x) near (0, 0), where the loss of y = x has a saddle: critical, but no minimum."""
    net = {"input": [1], "layers": [{"kind": "dense", "units": 1, "activation": "tanh", "bias": "none"},
                                    {"kind": "dense", "units": 1, "bias": "none"}]}  # fmt: skip
    from exactcnn.arithmetic.rationals import RationalArray
    from exactcnn.network.weights import LayerWeights, Weights

    tiny = LayerWeights(RationalArray.from_fractions([[Fraction(1, 1000)]], "W"), None)
    zero = LayerWeights(RationalArray.from_fractions([[0]], "W"), None)
    network = exactcnn.Network.from_dict(net)
    for entry, within in ((tiny, 0.01), (zero, None)):
        asked = {
            "targets": [[1], [2]],
            "weights": Weights.from_layers(network, [entry, entry]),
            "within": within,
        }
        assert_critical_point(net, [[1], [2]], **asked)
        with pytest.raises(AssertionError, match="local-minimum: refuted"):
            assert_critical_point(net, [[1], [2]], local_minimum=True, **asked)


def test_zero_loss():
    """Exactly zero, or weights of zero loss at a proved distance."""
    assert_zero_loss(LINE, POINTS, targets=FIT, weights=line(2, 1))
    with pytest.raises(AssertionError, match=r"^zero loss: refuted\. The loss .* is exactly 3/4"):
        assert_zero_loss(LINE, POINTS, targets=NO_FIT, weights=line(Fraction(3, 2), Fraction(1, 2)))
    with pytest.raises(AssertionError, match=r"^zero loss: refuted\. The loss"):
        assert_zero_loss(LINE, POINTS, targets=FIT, weights=line(2, Fraction(10**30 + 1, 10**30)))


def test_zero_loss_in_balls():
    """A softplus's loss is enclosed, not known: a ball away from 0 refutes, one that is only 0 proves."""
    net = {"input": [1], "layers": [{"kind": "dense", "units": 1, "activation": "softplus"},
                                    {"kind": "dense", "units": 1, "bias": "none"}]}  # fmt: skip
    with pytest.raises(AssertionError, match=r"^zero loss: refuted\. The loss .* lies in"):
        assert_zero_loss(net, [[1]], targets=[[5]], seed=1)
    from exactcnn.arithmetic.rationals import RationalArray
    from exactcnn.network.weights import LayerWeights, Weights

    one, zero = (RationalArray.from_fractions([[v]], "W") for v in (1, 0))
    bias = RationalArray.from_fractions([0], "b")
    weights = Weights.from_layers(
        exactcnn.Network.from_dict(net), [LayerWeights(one, bias), LayerWeights(zero, None)]
    )
    # 0 times whatever the softplus is: the enclosure is 0 itself.
    assert_zero_loss(net, [[1]], targets=[[0]], weights=weights)


def test_zero_loss_near_the_weights():
    """Two points, eight features: weights of zero loss lie near; equal points with different targets have none."""
    net = {
        "input": [1],
        "layers": [{"kind": "dense", "units": 8, "activation": "relu"}, {"kind": "dense", "units": 1}],
    }
    result = assert_zero_loss(net, [[1], [-2]], targets=[[1], [0]], within=1000)
    distance = result.findings[0].summary["distance"]
    assert 0 < distance <= 1000
    for within in (distance / 2, float("nan")):
        with pytest.raises(
            AssertionError, match=r"^zero-loss-nearby: undecided\. Weights of zero loss lie within"
        ):
            assert_zero_loss(net, [[1], [-2]], targets=[[1], [0]], within=within)
    with pytest.raises(AssertionError, match=r"^zero-loss-nearby: refuted\. Samples 0 and 1 are equal"):
        assert_zero_loss(net, [[1], [1]], targets=[[1], [0]], within=1000)


def test_certificates(tmp_path, monkeypatch):
    """Valid, tampered, missing; for another statement and about another network."""
    result = exactcnn.verify(exactcnn.Network.from_dict(CONV), X, layer=1)
    made, path = result.certificate(), tmp_path / "c.json"
    result.save_certificate(path)
    for certificate in (made, path, str(path)):
        assert assert_certificate_valid(certificate, statement="rank").outcome == "VERIFIED"
    assert_certificate_valid(path, deterministic=True, net={**CONV, "name": "renamed"})
    with pytest.raises(AssertionError, match="VERIFIED, but it does not say that loss is proved"):
        assert_certificate_valid(path, statement="loss")
    other = {**CONV, "layers": [{**CONV["layers"][0], "filters": 4}]}
    with pytest.raises(AssertionError, match="VERIFIED, but it speaks of another network"):
        assert_certificate_valid(path, net=other)
    forged = json.loads(json.dumps(made))
    forged["judgments"][0]["columns"] = [0, 1, 99]
    with pytest.raises(AssertionError, match="certificate: REJECTED"):
        assert_certificate_valid(forged)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(AssertionError, match="MALFORMED"):
        assert_certificate_valid(path)
    with pytest.raises(AssertionError, match="MALFORMED"):
        assert_certificate_valid(tmp_path / "missing.json")
    blanks = b" " * 2**24  # more than the limit wherever the heap begins
    path.write_bytes(json.dumps(made).encode() + blanks)
    assert_certificate_valid(path, max_seconds=600)
    monkeypatch.setattr(checker, "check_file", partial(checker.check_file, max_memory=2**20))
    with pytest.raises(AssertionError, match=r"NOT CHECKED.*memory"):
        assert_certificate_valid(path)


def test_seconds_reach_the_checker(monkeypatch):
    """The limit of processor time is the checker's own, and so is its default."""
    made, asked = exactcnn.verify(exactcnn.Network.from_dict(CONV), X, layer=1).certificate(), []
    real = checker.check_certificate
    monkeypatch.setattr(
        checker, "check_certificate", lambda *a, **more: asked.append(more) or real(*a, **more)
    )
    assert_certificate_valid(made, max_seconds=77)
    assert_certificate_valid(made)
    assert [more["max_seconds"] for more in asked] == [77, checker.limits.SECONDS]


def test_a_refuted_claim_is_not_what_was_asked_for():
    """A valid certificate that rank is refuted does not pass for a proof of rank."""
    made = exactcnn.verify(exactcnn.Network.from_dict(CONV), [*X, X[0]], layer=1).certificate()
    assert_certificate_valid(made)
    with pytest.raises(AssertionError, match=r"does not say that rank is proved \(nothing is\)"):
        assert_certificate_valid(made, statement="rank")


def test_weights_bind_a_certificate():
    """With a model that has weights the certificate must speak of these."""
    from exactcnn.interop import Model

    network = exactcnn.Network.from_dict(LINE)
    result = exactcnn.verify(network, [[1]], weights=line(2, 1), layer=1)
    made = result.certificate()
    assert_certificate_valid(made, net=Model(network, line(2, 1)))
    with pytest.raises(AssertionError, match="other weights"):
        assert_certificate_valid(made, net=Model(network, line(2, 2)))


def test_any_result():
    """``assert_proved`` takes what ``exactcnn.verify`` returned, and one finding that fails is enough."""
    network = exactcnn.Network.from_dict(CONV)
    assert_proved(exactcnn.verify(network, X, statements=["rank", "structure"], layer=1))
    with pytest.raises(AssertionError, match=r"^assumption-3\.1: refuted") as caught:
        assert_proved(exactcnn.verify(network, [*X, X[0]], statements=["structure", "assumption-3.1"]))
    assert "structure" not in str(caught.value)


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda: assert_full_rank([[0.5]]), MisuseError, "integers and Fractions"),
        (lambda: assert_full_rank([[1]], layer=1), MisuseError, "a matrix without options"),
        (lambda: assert_full_rank(np.zeros((0, 3), dtype=int)), MisuseError, "at least one row"),
        (lambda: assert_full_rank({"input": [4], "layers": [{"kind": "maxpool", "kernel": 2}]}), MisuseError, "none"),
        (lambda: assert_features_independent(3, X), MisuseError, "net: expected"),
        (lambda: assert_features_independent("missing.toml", X), MalformedError, "missing.toml"),
        (lambda: assert_features_independent(CONV, [[1, 2]]), MalformedError, "samples of 4 values"),
        (lambda: assert_features_independent(CONV, X, samples=4), MalformedError, "samples: expected"),
        (lambda: assert_features_independent(CONV, X, scale=0.5), MalformedError, "scale"),
        (lambda: assert_zero_loss(LINE, POINTS), MalformedError, "data.y"),
        (lambda: assert_zero_loss(LINE, "digits", targets=[1]), MisuseError, "targets"),
        (lambda: assert_certificate_valid(3), MisuseError, "certificate: expected"),
    ],
)  # fmt: skip
def test_bad_arguments_are_no_failed_statements(call, error, says):
    """They raise the package's own errors with one sentence."""
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)


def test_certificates_are_handed_over():
    """Whoever keeps them gets one for each finding, proved or refuted, that the checker accepts; None without."""
    kept = []
    with testing.keeping(lambda *what: kept.append(what)):
        assert_features_independent(CONV, X, layer=1)
        for call in (
            lambda: assert_features_independent(CONV, [*X, X[0]], layer=1),
            lambda: assert_features_independent(AFFINE, [[n] * 4 for n in range(6)], layer=1),
        ):
            with pytest.raises(AssertionError):
                call()
        assert_full_rank([[1, 2, 3], [0, 1, 0]])
        assert_certificate_valid(kept[0][2])
    assert_features_independent(CONV, X, layer=1)  # not within the block
    assert [entry[:2] for entry in kept] == [
        ("rank", "proved"),
        ("rank", "refuted"),
        ("rank", "undecided"),
        ("rank", "proved"),
        ("certificate", "verified"),
    ]
    for _, _, record in kept:
        assert record is None or check_certificate(record).outcome == "VERIFIED"
