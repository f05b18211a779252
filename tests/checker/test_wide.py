"""The NumPy route for large Fiat-Shamir minors computes what the route in Python integers computes."""

import copy
import json
import random

import numpy as np
import pytest

import exactcnn
from exactcnn.certificates import digest
from exactcnn.checker import check_certificate, wide
from exactcnn.checker import evidence as evidence_module
from exactcnn.features import minors

CONV = {"kind": "conv", "filters": 40, "kernel": 3, "activation": "relu"}
POOL = {"kind": "maxpool", "kernel": 2, "padding": 1}
CASES = {
    "sigmoid": [{**CONV, "activation": "sigmoid"}],
    "tanh, bias per filter": [{**CONV, "activation": "tanh", "bias": "filter"}],
    "gaussian, padded": [{**CONV, "activation": "gaussian", "padding": 1}],
    "relu": [CONV],
    "leaky relu": [{**CONV, "activation": {"name": "leaky_relu", "slope": "3/7"}}],
    "square": [{**CONV, "activation": "square"}],
    "pooled above relu": [CONV, POOL],
    "sigmoid above relu and pooling": [
        {**CONV, "filters": 6},
        POOL,
        {"kind": "dense", "units": 400, "activation": "sigmoid", "bias": "none"},
    ],
}


@pytest.fixture
def small_primes(monkeypatch):
    """The routes for large layers at sizes for tests."""
    monkeypatch.setattr(minors, "_LARGEST_HELD", 0)
    monkeypatch.setattr(minors, "_SMALL", 20)
    monkeypatch.setattr(wide, "LARGE", 0)


def certificate(layers, N=180, seed=0):
    r = random.Random(seed)
    net = exactcnn.Network.from_dict(
        {"name": "wide", "input": {"shape": [1, 6, 6]}, "layers": [*layers, {"kind": "dense", "units": 2}]}
    )
    rows = np.array([[r.randint(0, 255) for _ in range(36)] for _ in range(N)])
    return exactcnn.verify(net, rows, statements="rank", layer=len(layers), bits=8, seed=seed).certificate()


def sealed(certificate):
    certificate["digests"] = {
        key: None if certificate["instance"][key] is None else digest(certificate["instance"][key])
        for key in ("network", "data", "weights")
    } | {"instance": digest(certificate["instance"])}
    return certificate


@pytest.mark.parametrize("layers", CASES.values(), ids=CASES)
def test_both_routes_accept_and_reject_alike(layers, small_primes, monkeypatch):
    made = certificate(layers)
    lower = made["claims"][0]["evidence"]["lower"]
    assert lower["kind"] == "minor-fiat-shamir"
    assert lower["prime"] in (251, 263, 347)
    used = []
    monkeypatch.setattr(
        wide.Products, "batches", lambda self, v, old=wide.Products.batches: used.append(1) or old(self, v)
    )
    forged = copy.deepcopy(made)
    wrong = forged["claims"][0]["evidence"]["lower"]["solutions"]
    wrong[3][7] = (wrong[3][7] + 1) % lower["prime"]
    for numpy in (True, False):
        if not numpy:
            monkeypatch.setattr(wide, "_numpy", lambda: None)
        assert check_certificate(made).outcome == "VERIFIED"
        assert check_certificate(forged).outcome == "REJECTED"
        assert len(used) == 2  # and no more without NumPy


@pytest.mark.parametrize("layers", CASES.values(), ids=CASES)
def test_products_equal_the_rows_of_python(layers, small_primes, monkeypatch):
    """Every residue, not only their products: x_j runs through unit vectors."""
    made = certificate(layers, N=30)
    seen = {}
    original = evidence_module.minor

    def minor(context, raw, evidence, size, submatrix, path, wide=None):
        seen.update(rows=list(submatrix()), products=wide())
        return original(context, raw, evidence, size, submatrix, path, wide)

    monkeypatch.setattr("exactcnn.checker.ranks.minor", minor)
    assert check_certificate(made).outcome == "VERIFIED"
    order = len(seen["rows"])
    assert seen["products"].usable
    units = [[int(i == j) for i in range(order)] for j in range(order)]
    got = np.concatenate([part for _, part in seen["products"].batches(units)])
    assert got.tolist() == seen["rows"]


def test_deficient_minor_is_rejected(small_primes):
    """Two equal samples: the rank is claimed to be N with rows and solutions of another instance."""
    made = json.loads(json.dumps(certificate(CASES["sigmoid"])))
    made["instance"]["data"]["rows"][1] = made["instance"]["data"]["rows"][0]
    assert check_certificate(sealed(made)).outcome == "REJECTED"


def test_other_denominators_go_to_python(small_primes, monkeypatch):
    """A multiple of the least D is another homomorphism, for which the slower route speaks (and finds A x != b)."""
    made = certificate(CASES["sigmoid"])
    lower = made["claims"][0]["evidence"]["lower"]
    lower["substitution"]["denominator"] = 2 * lower["substitution"]["denominator"]
    seen = []
    monkeypatch.setattr(
        "exactcnn.checker.ranks.Products", lambda *a: seen.append(wide.Products(*a)) or seen[-1]
    )
    assert check_certificate(made).outcome == "REJECTED"
    assert not seen[0].usable
