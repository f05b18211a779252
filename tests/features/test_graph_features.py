"""Features of graphs: the exact pass, residues, enclosures and balls against a naive reading of the certificate's network."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.certificates.instance_json import denominator_of, samples_json, weights_json
from exactcnn.errors import MalformedError
from exactcnn.features.balls import feature_balls
from exactcnn.features.enclosures import feature_enclosure
from exactcnn.features.forward import decide_pattern, exact_values, residue_values
from exactcnn.features.instance import Instance
from exactcnn.network.network import Network
from exactcnn.network.weights import Weights
from tests.checker.naive import Reading
from tests.statements.instances import certified, random_rows

P = 2_147_483_629


def random_graph(rng, activations):
    """A spec over a small image in which layers read any earlier ones whose shapes allow it."""

    def act():
        return rng.choice(activations)

    layers = [
        {
            "kind": "conv",
            "filters": 2,
            "kernel": 2,
            "activation": act(),
            "bias": rng.choice(["unit", "filter", "none"]),
        }
    ]
    for n in range(2, rng.randint(5, 9)):
        states = states_of(layers)
        image = [k for k in range(1, n) if len(states[k].extents) == 2]
        flat = [k for k in range(1, n) if len(states[k].extents) == 1]
        k = rng.choice(image or [n - 1])
        alike = [j for j in range(1, n) if states[j] == states[k]]
        same = [j for j in image if states[j].extents == states[k].extents]
        C = states[k].channels
        options = [
            {"kind": "conv", "of": k, "filters": rng.randint(1, 3), "kernel": 2, "padding": 1, "activation": act(),
             "bias": rng.choice(["unit", "filter", "none"])},
            {"kind": "conv", "of": k, "filters": C, "kernel": 3, "padding": "same", "activation": act(), "bias": "filter"},
            {"kind": "maxpool", "of": k, "kernel": 2, "stride": 1},
            {"kind": "avgpool", "of": k, "kernel": 2, "stride": 1, "padding": 1, "count_padding": rng.random() < 0.5},
            {"kind": "avgpool", "of": 0, "kernel": 1, "activation": act()},
            {"kind": "add", "of": [k, rng.choice(alike), *alike[:1]], "activation": act()},
            {"kind": "concat", "of": [k, rng.choice(same)], "activation": act()},
            {"kind": "concat", "of": [k, 0, n - 1], "axis": "units"},
            {"kind": "scale", "of": k, "factors": [f"{rng.randint(-3, 3)}/{rng.randint(1, 5)}" for _ in range(C)],
             "shifts": [Fraction(rng.randint(-3, 3), 7) for _ in range(C)], "activation": act()},
            {"kind": "activation", "of": k, "activation": act()},
            {"kind": "dense", "of": rng.choice(flat or image), "units": rng.randint(2, 5), "activation": act()},
        ]  # fmt: skip
        layers.append(rng.choice([each for each in options if fits(layers, each)]))
    return Network.from_dict({"input": [1, 3, 4], "layers": layers})


def states_of(layers):
    network = Network.from_dict({"input": [1, 3, 4], "layers": layers})
    return [network.layers[0].below, *(layer.above for layer in network.layers)]


def fits(layers, layer):
    try:
        Network.from_dict({"input": [1, 3, 4], "layers": [*layers, layer]})
    except MalformedError:
        return False
    return True


def naive(instance, k):
    network = instance.network
    case = {
        "network": network.to_nodes(),
        "data": samples_json(instance.samples),
        "weights": {"w": weights_json(instance.weights, network.layers, network.depth)},
    }
    return Reading(case).values(network.node_of(k))


def case(seed, activations):
    rng = random.Random(seed)
    network = random_graph(rng, activations)
    samples = exactcnn.samples([[Fraction(v, 3) for v in row] for row in random_rows(rng, 4, 12)])
    return Instance(network, samples, Weights.from_seed(network, seed, 5))


@pytest.mark.parametrize("seed", range(60))
def test_rational_passes(seed):
    instance = case(seed, ["relu", "identity", "square", {"name": "leaky_relu", "slope": "1/3"}])
    for k in range(1, instance.network.depth + 1):
        expected = naive(instance, k)
        values, _ = exact_values(instance, k, before_activation=False)
        assert [[Fraction(int(v), values.denominator) for v in row] for row in values.numerators] == expected
        found = residue_values(instance, k, P, decide_pattern(instance, k), before_activation=False)
        inverse = pow(found.denominator, -1, P)
        assert [[int(v) * inverse % P for v in row] for row in found.numerators] == [
            [v.numerator * pow(v.denominator, -1, P) % P for v in row] for row in expected
        ]
        enclosure = feature_enclosure(instance, k)
        for i, row in enumerate(expected):
            for j, v in enumerate(row):
                assert abs(Fraction(float(enclosure.mid[i, j])) - v) <= Fraction(float(enclosure.rad[i, j]))
                assert enclosure.rad[i, j] < 1e-6
        assert all(denominator_of(instance, k) % v.denominator == 0 for row in expected for v in row)


@pytest.mark.parametrize("seed", range(20))
def test_enclosures_and_balls_agree(seed):
    """Of activations that are not rational, mixed with some that are."""
    instance = case(100 + seed, ["gelu", "tanh", "relu", "identity", "softplus"])
    for k in range(1, instance.network.depth + 1):
        units = range(0, instance.network.layer(k).width, 2)
        balls, enclosure = feature_balls(instance, k, 128, units), feature_enclosure(instance, k)
        for i, row in enumerate(balls):
            for u, ball in zip(units, row, strict=True):
                assert float(ball.rad()) < 1e-20
                assert (
                    abs(float(ball) - enclosure.mid[i, u])
                    <= enclosure.rad[i, u] + abs(enclosure.mid[i, u]) * 1e-15
                )


@pytest.mark.parametrize("seed", range(20))
def test_ranks_have_accepted_certificates(seed):
    """At every layer, whatever it is; the rank is that of the naive reading."""
    from sympy import Matrix, Rational

    instance = case(200 + seed, ["relu", "identity", "square"])
    for k in range(1, instance.network.depth + 1):
        (finding,) = exactcnn.statements.decide("rank", instance, k)
        rows = [[Rational(v.numerator, v.denominator) for v in row] for row in naive(instance, k)]
        rank = Matrix(rows).rank()
        assert finding.verdict == ("proved" if rank == instance.N else "refuted")
        assert finding.summary["lower"] == finding.summary["upper"] == rank
        certified(instance, finding)


def test_chains_read_as_before():
    network = Network.from_dict(
        {"input": [4], "layers": [{"kind": "dense", "of": 0, "units": 3, "activation": "relu"}]}
    )
    assert network.is_chain
    assert network.layers[0].of == ()
    assert "of" not in network.to_json()["layers"][0]


def test_statements_of_chains_say_so():
    instance = case(3, ["relu"])
    assert not instance.network.is_chain
    for statement in ("theorem-3.4", "lemma-4.2", "s-k", "extension-a", "assumption-4.1"):
        (finding,) = exactcnn.statements.decide(statement, instance)
        assert finding.verdict == "undecided"
        assert "is stated for chains" in finding.reason
    assert np.all([layer.key is None or layer.key <= layer.index for layer in instance.network.layers])


@pytest.mark.parametrize("seed", range(12))
def test_loss_and_gradient_have_accepted_certificates(seed):
    """Exactly, at random rational weights, on any graph."""
    instance = case(300 + seed, ["relu", "identity", "square"])
    rng, m = random.Random(seed), instance.network.widths[-1]
    samples = exactcnn.samples(
        instance.samples.x.to_fractions(), [[rng.randint(-3, 3) for _ in range(m)] for _ in range(4)]
    )
    instance = Instance(instance.network, samples, instance.weights)
    (loss,) = exactcnn.statements.decide("loss", instance)
    expected = sum((v - Fraction(y)) ** 2 for row, goal in zip(naive(instance, instance.network.depth),
                   samples.targets.to_fractions(), strict=True) for v, y in zip(row, goal, strict=True)) / 2  # fmt: skip
    assert [Fraction(c) for c in loss.summary["loss"]] == ([expected] if expected else [])
    certified(instance, loss)
    (critical,) = exactcnn.statements.decide("critical-point", instance)
    if critical.verdict != "undecided":
        certified(instance, critical)
