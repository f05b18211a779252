"""Laws that hold whatever the instance: what must not change a rank, a bound or a digest."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates import canonical_json, digest
from exactcnn.linalg import rank
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide
from tests.statements.instances import certified, conv, instance, network, verdict

ACTIVATIONS = st.sampled_from(["relu", "sigmoid", "tanh", "leaky_relu", "gaussian", "elu", "silu", "square"])


@st.composite
def wide_instances(draw):
    net = network([5], conv(draw(st.integers(1, 3)), draw(ACTIVATIONS), kernel=draw(st.integers(1, 4))))
    rows = draw(st.lists(st.lists(st.integers(-4, 4), min_size=5, max_size=5), min_size=1, max_size=6))
    return instance(net, rows, seed=draw(st.integers(0, 50)), bits=draw(st.integers(1, 12)))


def bounds(inst):
    summary = decide("rank", inst, 1)[0].summary
    return summary["lower"], summary["upper"]


@settings(max_examples=150, deadline=None)
@given(wide_instances(), st.randoms(use_true_random=False))
def test_order_of_samples_does_not_matter(inst, random):
    """Permuting the samples permutes rows of F: the same bounds."""
    rows = inst.samples.x.to_fractions()
    random.shuffle(rows)
    shuffled = exactcnn.Instance(inst.network, exactcnn.samples(rows), inst.weights)
    assert bounds(shuffled) == bounds(inst)


@settings(max_examples=150, deadline=None)
@given(wide_instances())
def test_repeating_a_sample_does_not_raise_the_rank(inst):
    """A repeated sample is a repeated row: same rank, and never proved."""
    rows = inst.samples.x.to_fractions()
    longer = exactcnn.Instance(inst.network, exactcnn.samples([*rows, rows[0]]), inst.weights)
    finding = decide("rank", longer, 1)[0]
    assert finding.verdict == "refuted"
    assert finding.summary["lower"] == bounds(inst)[0]


@settings(max_examples=150, deadline=None)
@given(wide_instances(), st.randoms(use_true_random=False))
def test_order_of_filters_does_not_matter(inst, random):
    """Permuting filters with their biases permutes columns of F: the same bounds."""
    layer = inst.network.layer(1)
    entry = inst.weights[1]
    order = list(range(layer.filters))
    random.shuffle(order)
    W = entry.W.numerators[:, order]
    b = entry.b.numerators.reshape(-1, layer.filters)[:, order].reshape(-1)
    permuted = Weights(
        (
            LayerWeights(
                RationalArray.from_integers(W, entry.W.denominator),
                RationalArray.from_integers(b, entry.b.denominator),
            ),
        )
    )
    assert bounds(exactcnn.Instance(inst.network, inst.samples, permuted)) == bounds(inst)


@settings(max_examples=100, deadline=None)
@given(wide_instances())
def test_every_certificate_is_accepted_and_survives_json(inst):
    """What the prover claims, the checker verifies, before and after a JSON round trip."""
    findings = [
        f for name in ("rank", "assumption-3.1", "structure", "assumption-2.4") for f in decide(name, inst)
    ]
    certificate = certified(inst, *findings)
    assert [claim["verdict"] for claim in certificate["claims"]] == [f.verdict for f in findings]
    again = json.loads(canonical_json(certificate))
    assert digest(again) == digest(certificate)
    assert again == certificate
    assert verdict(again).outcome == "VERIFIED"


matrices = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.lists(st.integers(-5, 5), min_size=n, max_size=n), min_size=1, max_size=5)
)


@settings(max_examples=300, deadline=None)
@given(matrices, st.integers(1, 9), st.fractions(max_denominator=9))
def test_rank_laws(rows, scale, factor):
    """rank(A) = rank(A^T) = rank(c A) = rank([A; combination of rows of A])."""
    r = rank(rows).rank
    assert rank(np.array(rows).T).rank == r
    assert rank([[scale * v for v in row] for row in rows]).rank == r
    combination = [rows[0][j] * factor + rows[-1][j] for j in range(len(rows[0]))]
    assert rank([*rows, combination]).rank == r
