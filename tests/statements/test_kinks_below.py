"""Partial derivatives of layers below a kink that the loss feels are never what refutes, in balls or in floats."""

from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.features.instance import Instance
from exactcnn.landscape import nearby
from exactcnn.landscape.identical_units import Classes, ExactRows
from exactcnn.landscape.least_change import Change
from exactcnn.landscape.streamed import streamed
from exactcnn.statements import critical_point, decide
from tests.statements.instances import given, instance, network

RELU = {"kind": "dense", "units": 1, "activation": "relu"}


def test_in_balls():
    """relu is at its kink at the first sample: W_1's derivative does not exist, W_2's does."""
    net = network(
        [1], RELU, {"kind": "dense", "units": 1, "activation": "sigmoid"}, {"kind": "dense", "units": 1}
    )
    weights = given(net, ([[1]], [-1]), ([[1]], [0]), ([[1]], [0]))
    inst = Instance(net, exactcnn.samples([[1], [3]], [[5], [7]]), weights)
    assert critical_point.exact_surface(inst) is None
    for statement in ("critical-point", "local-minimum"):
        (found,) = decide(statement, inst)
        assert found.verdict == "refuted"
        assert "W_2[0]" in found.reason, found.reason


@pytest.mark.parametrize("alpha", [None, 3])
def test_in_floats(monkeypatch, alpha):
    """The output layer's derivative is 0, so that the way back is taken; the largest number there is W_1's, which is none."""
    first = RELU if alpha is None else {**RELU, "activation": {"name": "elu", "alpha": alpha}}
    net = network(
        [1], first, {"kind": "dense", "units": 1, "activation": "identity"},
        {"kind": "dense", "units": 1, "bias": "none"},
    )  # fmt: skip
    # F_1 = 0, 2; F_2 = -1, 1; residuals -1, -1: W_3's derivative is 1 - 1, W_2's -2; W_1's would be below -3.
    weights = given(net, ([[1]], [-1]), ([[1]], [-1]), ([[1]], None))
    inst = Instance(net, exactcnn.samples([[1], [3]], [[0], [2]]), weights)
    monkeypatch.setattr(critical_point, "_LARGEST", 0)
    monkeypatch.setattr(critical_point, "_SMALL", 0)
    for statement in ("critical-point", "local-minimum"):
        (found,) = decide(statement, inst)
        assert found.verdict == "refuted"
        assert "_2[0]" in found.reason, found.reason
        assert "_1[0]" not in found.reason


def test_a_tie_within_the_radii_is_a_tie(monkeypatch):
    """Two units that floats cannot tell apart: below their maximum nothing is claimed."""
    pair = {"kind": "dense", "units": 2, "activation": "identity", "bias": "none"}
    net = network([1], pair, {"kind": "maxpool", "kernel": 2}, {"kind": "dense", "units": 1, "bias": "none"})
    third, near = Fraction(1, 3), Fraction(float(np.nextafter(1 / 3, 1)))
    weights = given(net, ([[third, near]], None), None, ([[1]], None))
    inst = Instance(net, exactcnn.samples([[1]], [[5]]), weights)
    monkeypatch.setattr(critical_point, "_LARGEST", 0)
    monkeypatch.setattr(critical_point, "_SMALL", 0)
    assert 1 not in streamed(inst, "all").touched  # exact numbers tell them apart
    monkeypatch.setattr(ExactRows, "numerators", lambda *given, **more: None)
    assert 1 in streamed(inst, "all").touched


def test_classes_tell_branches_and_coefficients_apart():
    """Equal numbers prove equal functions: those of different sources, or with other coefficients, are different."""
    twice = {"kind": "dense", "units": 1, "activation": "identity", "bias": "none"}
    net = network(
        [1], {**twice, "of": 0}, {**twice, "of": 0}, {"kind": "concat", "axis": "units", "of": [1, 2]},
        {"kind": "scale", "factors": [1], "shifts": [0], "of": 3},
        {"kind": "dense", "units": 1},
    )  # fmt: skip
    inst = instance(net, [[2], [3]])
    for k in (3, 4):
        numbers = Classes(inst, slice(0, 2)).of(k)
        assert all(row[0] != row[1] for row in numbers.tolist())
    halves = network(
        [2, 2], {"kind": "scale", "factors": [1, 2], "shifts": [0, 0]}, {"kind": "dense", "units": 1}
    )
    numbers = Classes(instance(halves, [[7, 7, 7, 7]]), slice(0, 1)).of(1).tolist()[0]
    assert len(set(numbers)) == 2  # units of one channel are equal, of two they are not


def test_what_a_change_leaves_over_counts(monkeypatch):
    """Zero loss is as far as the change and what it leaves over together say."""
    net = network([3], {"kind": "dense", "units": 6, "activation": "gelu"}, {"kind": "dense", "units": 1})
    base = instance(net, [[1, 2, 0], [0, 1, 1], [5, 4, 4]])
    inst = Instance(net, exactcnn.samples([[1, 2, 0], [0, 1, 1], [5, 4, 4]], [[1], [0], [2]]), base.weights)
    plain = nearby.nearby_by_floats(inst)
    made = nearby.least_change
    rest = Fraction(1, 1000)

    def sloppy(F: Enclosure, r: Enclosure) -> Change:
        return Change(made(F, r).D, rest)

    monkeypatch.setattr(nearby, "least_change", sloppy)
    found = nearby.nearby_by_floats(inst)
    assert found.distance >= made_distance(found) + rest / Fraction(plain.sigma[1])


def made_distance(found) -> Fraction:
    """A lower bound of ||D||."""
    return Fraction(float(np.linalg.norm(found.change.D))) * (1 - Fraction(1, 2**40))
