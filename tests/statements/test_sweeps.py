"""Wide sweeps: every almost-everywhere claim that is proved agrees with random draws, k = 1 to 4.

A claim "rank F_k = N for almost every parameter" would be contradicted by a generic deficiency: draws
at random weights that all fall short.  The draws are ranked by routes of their own: exact minors at
given weights, balls, or a specialisation with another seed.
"""

import pytest

import exactcnn
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import verified_minor
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import feature_minor
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.statements.instances import certified, network, random_rows, rng

NAMES = ["sigmoid", "tanh", "softplus", "gelu", "silu", "gaussian", "arctan", "square", "identity", "relu"]
SEEDS = 12


def drawn(r, k):
    """A random chain of k layers on 3 to 6 inputs: widths around N, all bias modes, dense or convolutional."""
    d = r.randint(3, 6)
    layers = []
    length = d
    for _ in range(k):
        name = r.choice(NAMES if r.random() < 0.4 else NAMES[:3])
        if length >= 2 and r.random() < 0.5:
            kernel = r.randint(1, 2)
            layers.append({"kind": "conv", "filters": r.randint(1, 3), "kernel": kernel, "activation": name,
                           "bias": r.choice(["unit", "unit", "filter", "none"])})  # fmt: skip
            length = length - kernel + 1
        else:
            layers.append({"kind": "dense", "units": r.randint(2, 9), "activation": name})
            length = 1
    return network([d], *layers)


def rank_at(net, samples, k, seed):
    """A proved lower bound for rank F_k at seeded weights."""
    inst = Instance(net, samples, Weights.from_seed(net, seed, 12))
    try:
        return feature_minor(FeatureMatrix(inst, k)).rank
    except UndecidedError:
        found = verified_minor(inst, k)
        return 0 if found is None else found.rank


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_proved_claims_agree_with_draws(k, seed):
    r = rng(1000 * k + seed)
    for _ in range(4):
        net = drawn(r, k)
        rows = random_rows(r, r.randint(2, 7), net.widths[0], -3, 3)
        if r.random() < 0.2:
            rows[-1] = list(rows[0])
        samples = exactcnn.samples(rows)
        inst = Instance(net, samples, Weights.from_seed(net, seed, 12))
        (finding,) = decide("theorem-3.5", inst, k)
        best = max(rank_at(net, samples, k, 7000 + s) for s in range(2))
        if finding.verdict == "proved":
            # Almost every draw has rank N; a ball may fail to see it, a draw of 12 bits hardly falls on a null set.
            assert best == len(rows), (net.layers, rows)
        if finding.verdict == "refuted" and finding.summary["route"] != "dead-layer":
            assert best < len(rows)
        if finding.verdict != "undecided":
            certified(inst, finding)


IMPOSSIBLE = {
    "too narrow": (["sigmoid", "tanh", "softplus"], lambda rows: rows + [[9, 9, 9, 9], [8, 1, 5, 2]] * 4, 2),
    "duplicated": (["sigmoid", "gelu", "softplus"], lambda rows: [*rows, rows[1]], 12),
    "square": (["square"], lambda rows: rows, 30),
    "identity": (["identity"], lambda rows: rows, 30),
}


@pytest.mark.parametrize("why", IMPOSSIBLE)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_planted_impossible_cases_are_never_proved(why, k):
    """Narrow layers, equal images, polynomial activations: refuted or undecided at every depth."""
    names, plant, units = IMPOSSIBLE[why]
    for name in names:
        below = [{"kind": "dense", "units": 3, "activation": "identity" if why == "identity" else "square"}] if (
            why in ("square", "identity")
        ) else [{"kind": "dense", "units": 9, "activation": name}]  # fmt: skip
        net = network([4], *below * (k - 1), {"kind": "dense", "units": units, "activation": name})
        count = 20 if why == "square" and k == 1 else 6
        rows = plant(random_rows(rng(k), count, 4))
        if why == "square" and k > 1:
            rows = [
                [n, 0, 0, 0] for n in range(2 ** (k + 1) + 2)
            ]  # even polynomials of degree 2^k in one variable
        finding = decide("theorem-3.5", Instance(net, exactcnn.samples(rows), Weights.from_seed(net, 0)), k)[
            0
        ]
        assert finding.verdict != "proved"
        if why in ("too narrow", "duplicated"):
            assert finding.verdict == "refuted"


@pytest.mark.parametrize("filters", [1, 2, 3])
def test_shared_biases_on_constant_images_are_never_proved(filters):
    """However many patches there are, rank F_1 <= T_1 (theory 3.2)."""
    net = network(
        [6], {"kind": "conv", "filters": filters, "kernel": 2, "activation": "sigmoid", "bias": "filter"}
    )
    rows = [[n] * 6 for n in range(filters + 1)]
    assert decide("theorem-3.5", Instance(net, exactcnn.samples(rows)))[0].verdict == "refuted"
