"""Extensions A and B and Lemma 4.2: proved where their hypotheses hold, never where one is dropped."""

import pytest

import exactcnn
from exactcnn.features.instance import Instance
from exactcnn.features.nested import NestedFeatures
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.statements import decide
from tests.statements.instances import (
    added,
    certified,
    conv,
    judgment,
    network,
    outcome,
    random_rows,
    rng,
    without,
)

DENSE = {"kind": "dense"}
POOL = {"kind": "maxpool", "kernel": 2, "stride": 1}


def decided(statement, inst, layer=None):
    (finding,) = decide(statement, inst, layer)
    if finding.verdict != "undecided":
        certified(inst, finding)
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
    certificate = certified(good, *decide("extension-a", good, 5))

    def change(c):
        c["instance"]["network"] = inst.network.to_nodes()
        c["instance"]["data"]["rows"] = inst.samples.x.numerators.tolist()

    assert outcome(certificate, change) == "REJECTED"


def _otherwise():
    def node(n, **fields):
        return lambda c: c["instance"]["network"]["nodes"][n - 1].update(fields)

    def chain(c):
        """The last affine node reads the pool before the last one, by patches that fit."""
        c["instance"]["network"]["nodes"][6]["of"] = [3]

    def claim(**fields):
        return lambda c: c["claims"][0].update(fields)

    yield "no biases in the first layer", node(1, bias="none")
    yield "shared biases in the middle", node(4, bias="filter")
    yield "no biases on top", node(7, bias="none")
    yield "one unit too few", node(7, units=8)
    yield (
        "average pooling",
        lambda c: c["instance"]["network"]["nodes"][2].update(kind="avgpool", count_padding=False),
    )
    yield "ReLU on top", node(8, activation={"name": "relu"})
    yield "ELU below", node(5, activation={"name": "elu", "alpha": 1})
    yield "a kink below", node(5, activation={"name": "custom", "tree": ["abs", "t"]})
    yield "an activation that may be constant", node(5, activation={"name": "custom", "tree": ["*", 0, "t"]})
    yield "not a chain", chain
    yield "the affine part of the layer", claim(node=7)
    yield "the judgment of a layer below", lambda c: judgment(c, "general-position").update(node=5)
    yield "a pooling layer", lambda c: (judgment(c, "general-position").update(node=6), claim(node=6)(c))
    yield "refuted", claim(verdict="refuted")
    yield "a sample more", lambda c: (c["instance"]["data"]["rows"].append([1] * 25),
                                      c["instance"]["data"]["shape"].__setitem__(0, 10))  # fmt: skip


@pytest.mark.parametrize("why, change", list(_otherwise()), ids=lambda v: v if isinstance(v, str) else "")
def test_general_position_is_not_transferable(why, change):
    good = Instance(pooled(), samples())
    certificate = certified(good, *decide("extension-a", good, 5))
    assert outcome(certificate, change) in ("REJECTED", "MALFORMED")


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
    certificate = certified(good, *decide("extension-b", good))

    def change(c):
        c["instance"]["network"] = inst.network.to_nodes()
        top = inst.network.node_of(1)
        c["claims"][0].update(node=top)
        judgment(c, "generic-data").update(node=top)

    assert outcome(certificate, change) == "REJECTED"


def test_extension_b_rank_and_verdict_are_bound():
    inst = Instance(network([4], conv(3, "sigmoid", kernel=2, bias="filter")), samples(3, 4))
    certificate = certified(inst, *decide("extension-b", inst))
    assert certificate["judgments"] == [{"kind": "generic-data", "node": 2, "samples": 3}]
    for change in (
        {"samples": 4},
        {"samples": 2},
        {"node": 1},
        {"verdict": "refuted"},
        {"verdict": "undecided"},
    ):
        assert outcome(certificate, lambda c, change=change: c["claims"][0].update(change)) == "REJECTED"
        if "verdict" not in change:
            assert (
                outcome(certificate, lambda c, change=change: judgment(c, "generic-data").update(change))
                == "REJECTED"
            )
    # It speaks of almost every data set of so many samples, and not of the data at hand.
    as_theorem = {"statement": "theorem-3.5"}

    def about_the_data(c):
        c["claims"][0].update(as_theorem)
        c["claims"][0].pop("samples")
        c["instance"]["data"] = {"kind": "inline", "shape": [3, 4], "denominator": 1, "rows": [[1] * 4] * 3}

    assert outcome(certificate, about_the_data) == "REJECTED"
    assert outcome(certificate, lambda c: c["claims"][0].update(rank=3)) == "MALFORMED"


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
    certificate = certified(inst, *decide("lemma-4.2", inst, 1))
    U_2, U_3 = ({"matrix": "lifted", "node": node, "weights": "filters-0"} for node in (3, 5))

    def fewer(c):
        for key in ("rows", "columns"):
            judgment(c, "minor-mod-p", "lifted")[key].pop()

    for change in (
        lambda c: without(c, "minor-mod-p", "features"),
        lambda c: without(c, "minor-mod-p", "lifted"),
        lambda c: c["claims"][0].update(verdict="refuted"),
        lambda c: c["claims"][0].update(verdict="undecided"),
        lambda c: c["claims"][0].update(node=4),
        lambda c: c["claims"][0].update(node=1),
        lambda c: judgment(c, "minor-mod-p", "lifted").update(of=U_2),
        lambda c: judgment(c, "minor-mod-p", "features")["of"].update(node=4),
        lambda c: judgment(c, "minor-mod-p", "features")["of"].update(node=1),
        fewer,
    ):
        assert outcome(certificate, change) == "REJECTED"
    # A judgment more, which is right but about a layer above, changes nothing.
    assert outcome(certificate, lambda c: added(c, {"kind": "dead", "node": 4, "dead": 4})) == "VERIFIED"
    assert judgment(certificate, "minor-mod-p", "lifted")["of"] == U_3


def _many(k):
    """160 samples: minors with solutions; witnesses for F_k and for a U above from the same seed."""
    below = [conv(4, "tanh", kernel=1)] * (k - 1)
    above = [conv(2, "relu", kernel=2)] * 2
    net = network([1, 8, 8], *below, conv(4, "tanh", kernel=2), *above, {**DENSE, "units": 2})
    return Instance(net, samples(160, 64))


@pytest.mark.parametrize("k", [1, 2])
def test_lemma_4_2_of_many_samples(k):
    assert decided("lemma-4.2", _many(k), k).verdict == "proved"
