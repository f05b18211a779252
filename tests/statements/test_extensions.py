"""Extensions A and B and Lemma 4.2: proved where their hypotheses hold, never where one is dropped."""

import copy

import pytest

import exactcnn
from exactcnn.certificates import digest, make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.features.nested import NestedFeatures
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.statements import decide
from tests.statements.instances import conv, network, random_rows, rng

DENSE = {"kind": "dense"}
POOL = {"kind": "maxpool", "kernel": 2, "stride": 1}


def decided(statement, inst, layer=None):
    (finding,) = decide(statement, inst, layer)
    if finding.verdict != "undecided":
        verdict = check_certificate(make_certificate(inst, [finding]))
        assert verdict.outcome == "VERIFIED", verdict
    return finding


def pooled(first="softplus", below="tanh", top="sigmoid", bias="unit"):
    return network(
        [1, 5, 5],
        conv(2, first, kernel=2, bias=bias),
        POOL,
        conv(2, below, kernel=2, padding=1),
        POOL,
        {**DENSE, "units": 9, "activation": top},
    )


def samples(N=9, d=25, seed=0):
    return exactcnn.samples(random_rows(rng(seed), N, d, -99, 99))


@pytest.mark.parametrize("top", ["sigmoid", "softplus", "silu", "gelu", "gaussian"])
def test_pooling_between_analytic_layers(top):
    finding = decided("extension-a", Instance(pooled(top=top), samples()), 5)
    assert (finding.verdict, finding.summary["route"]) == ("proved", "general position")
    assert "not an application" not in finding.reason


def _dropped():
    yield "shared biases", Instance(pooled(bias="filter"), samples())
    yield "ReLU below", Instance(pooled(first="leaky_relu"), samples())
    yield "tanh on top (no 3.2)", Instance(pooled(top="tanh"), samples())
    yield "square on top", Instance(pooled(top="square"), samples())
    rows = random_rows(rng(0), 9, 25, -99, 99)
    for p in (0, 1, 5, 6):
        rows[3][p] = rows[7][p]
    yield "two samples agree at one patch", Instance(pooled(), exactcnn.samples(rows))
    constant = {"name": "custom", "expression": "t - t + 2"}
    yield "a constant activation", Instance(pooled(below=constant), samples())


@pytest.mark.parametrize("why, inst", list(_dropped()), ids=lambda v: v if isinstance(v, str) else "")
def test_each_hypothesis_is_needed_by_the_proof(why, inst):
    """Nothing is claimed, and evidence forged from a good certificate is rejected."""
    assert decided("extension-a", inst, 5).verdict == "undecided"
    good = Instance(pooled(), samples())
    certificate = make_certificate(good, decide("extension-a", good, 5))
    certificate["instance"]["network"] = inst.network.to_json()
    certificate["instance"]["data"]["rows"] = inst.samples.x.numerators.tolist()
    for key in ("network", "data"):
        certificate["digests"][key] = digest(certificate["instance"][key])
    certificate["digests"]["instance"] = digest(certificate["instance"])
    assert check_certificate(certificate).outcome == "REJECTED"


def test_too_narrow_or_duplicated_is_refuted():
    assert decided("extension-a", Instance(pooled(), samples(10)), 5).verdict == "refuted"
    rows = random_rows(rng(1), 8, 25, -99, 99)
    twice = Instance(pooled(), exactcnn.samples([*rows, rows[0]]))
    assert decided("extension-a", twice, 5).verdict == "refuted"


def test_pooling_first_or_last_is_undecided():
    first = network([4], POOL, {**DENSE, "units": 5, "activation": "sigmoid"})
    assert decided("extension-a", Instance(first, samples(3, 4)), 2).verdict == "undecided"
    last = network([4], conv(3, "sigmoid", kernel=2), POOL)
    assert decided("extension-a", Instance(last, samples(3, 4)), 2).verdict == "undecided"


def test_a_custom_activation_below_is_checked_by_its_form():
    """Analytic by form and not constant: the checker repeats it; a quotient it does not."""
    net = pooled(below={"name": "custom", "expression": "t + exp(-t**2)/2"})
    assert decided("extension-a", Instance(net, samples()), 5).verdict == "proved"


@pytest.mark.parametrize("activation", ["sigmoid", "softplus"])
@pytest.mark.parametrize("N", [3, 8, 13])
@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_extension_b_agrees_with_random_data(activation, N, kernel):
    """rank F_1 = min(N, n_1) with shared biases: the specialised rank at random data says so too."""
    net = network([5], conv(3, activation, kernel=kernel, bias="filter"))
    inst = Instance(net, exactcnn.samples(random_rows(rng(N), N, 5, -999, 999)))
    finding = decided("extension-b", inst)
    assert finding.verdict == "proved"
    assert finding.summary["rank"] == min(N, net.widths[1])
    image = NestedFeatures(inst, 1, 0, 40).image(2147483647, 49)
    assert rank_mod_p(image, 2147483647).rank == min(N, net.widths[1])


@pytest.mark.parametrize(
    "layer",
    [
        conv(3, "relu", kernel=2, bias="filter"),
        conv(3, "tanh", kernel=2, bias="filter"),
        conv(3, "sigmoid", kernel=2, bias="none"),
        conv(3, "sigmoid", kernel=2, bias="filter", padding=1),
        conv(3, "sigmoid", patches=[[0, 1], [1, 0], [2, 3]], bias="filter"),
        POOL,
    ],
    ids=["relu", "tanh", "no bias", "padding", "equal patches", "pooling"],
)
def test_extension_b_claims_nothing_else(layer):
    inst = Instance(network([4], layer), samples(3, 4))
    assert decided("extension-b", inst).verdict == "undecided"
    good = Instance(network([4], conv(3, "sigmoid", kernel=2, bias="filter")), samples(3, 4))
    certificate = make_certificate(good, decide("extension-b", good))
    certificate["instance"]["network"] = inst.network.to_json()
    certificate["digests"]["network"] = digest(certificate["instance"]["network"])
    certificate["digests"]["instance"] = digest(certificate["instance"])
    certificate["claims"][0].update(width=inst.network.widths[1])
    assert check_certificate(certificate).outcome == "REJECTED"


def test_extension_b_rank_and_verdict_are_bound():
    inst = Instance(network([4], conv(3, "sigmoid", kernel=2, bias="filter")), samples(3, 4))
    certificate = make_certificate(inst, decide("extension-b", inst))
    for change in ({"rank": 4}, {"rank": 2}, {"samples": 4}, {"width": 8}, {"verdict": "refuted"}):
        forged = copy.deepcopy(certificate)
        forged["claims"][0].update(change)
        assert check_certificate(forged).outcome == "REJECTED"


# Lemma 4.2


def deep(*above, top="sigmoid"):
    return network([1, 4, 4], conv(3, top, kernel=2), *above, {**DENSE, "units": 2})


def test_lemma_4_2_is_composed():
    net = deep(conv(2, "relu", kernel=2), conv(4, "sigmoid", kernel=2))
    finding = decided("lemma-4.2", Instance(net, samples(7, 16)), 1)
    assert finding.verdict == "proved"
    assert [(p["statement"], p["layer"]) for p in finding.summary["parts"]] == [
        ("theorem-3.5", 1),
        ("lemma-2.5", 3),
    ]


def test_lemma_4_2_names_the_layer_whose_u_is_never_full():
    """Layer 3 has two channels and three filters 2x2 on 4x4: deficient for every filter (theory 3.1)."""
    net = network([1, 6, 6], conv(3, "sigmoid", kernel=2), conv(1, "sigmoid", kernel=2),
                  conv(2, "sigmoid", kernel=2), {**DENSE, "units": 2})  # fmt: skip
    finding = decided("lemma-4.2", Instance(net, samples(7, 36)), 1)
    assert finding.verdict == "refuted"
    assert "U_3" in finding.reason
    # The same layer directly above the wide one is not in S_k's list: no clause speaks of U_{k+1}.
    assert decided("lemma-4.2", Instance(net, samples(7, 36)), 2).verdict == "proved"


def test_lemma_4_2_with_pooling_below_uses_extension_a_and_above_is_undefined():
    net = network(
        [1, 5, 5], conv(2, "tanh", kernel=2), POOL, conv(3, "sigmoid", kernel=2), {**DENSE, "units": 2}
    )
    finding = decided("lemma-4.2", Instance(net, samples(9)), 3)
    assert finding.verdict == "proved"
    assert finding.summary["parts"][0]["statement"] == "extension-a"
    above = network(
        [1, 5, 5], conv(3, "sigmoid", kernel=2), conv(2, "relu", kernel=2), POOL, {**DENSE, "units": 2}
    )
    assert decided("lemma-4.2", Instance(above, samples(9)), 1).verdict == "undecided"


def test_lemma_4_2_fails_for_relu():
    finding = decided("lemma-4.2", Instance(deep(top="relu"), samples(7, 16)), 1)
    assert finding.verdict == "refuted"
    assert "positive measure" in finding.reason


def test_forged_lemma_4_2_is_rejected():
    net = deep(conv(2, "relu", kernel=2), conv(4, "sigmoid", kernel=2))
    inst = Instance(net, samples(7, 16))
    certificate = make_certificate(inst, decide("lemma-4.2", inst, 1))
    for change in (
        lambda c: c["parts"].pop(),
        lambda c: c["parts"].pop(0),
        lambda c: c.update(verdict="refuted"),
        lambda c: c.update(layer=2, width=net.widths[2]),
        lambda c: c["parts"][1].update(layer=2),
        lambda c: c["parts"][0].update(layer=2),
    ):
        forged = copy.deepcopy(certificate)
        change(forged["claims"][0])
        assert check_certificate(forged).outcome == "REJECTED"
