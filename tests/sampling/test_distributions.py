"""Random weights: the same numbers everywhere, by the laws they claim, and certificates that carry them."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import exactcnn
from exactcnn.certificates.instance_json import weights_json
from exactcnn.errors import MalformedError, MisuseError
from exactcnn.network.distributions import Distribution, gaussian_thresholds
from exactcnn.network.weights import Weights

NET = exactcnn.Network.from_dict(
    {
        "input": [1, 4, 4],
        "layers": [
            {"kind": "conv", "filters": 2, "kernel": 3, "activation": "relu"},
            {"kind": "maxpool", "kernel": 2},
            {"kind": "dense", "units": 3},
        ],
    }
)
LAWS = ["uniform", "gaussian", "he", "sparse:1/4", "integer:3"]

# SHA-256 (first 32 digits) of 1000 numerators, little-endian int64, and the first four.
GOLDEN = [
    ("uniform", 16, "663374e1bf01c2b029067ca13e7bae39", [23339, 52897, 58679, 10463]),
    ("gaussian", 1, "b2d92860da8af785b430693cb22ab75a", [-1, -1, 2, -2]),
    ("gaussian", 10, "a914c6e252ee74484c7318b91696c5a3", [-378, -684, 821, -1193]),
    ("gaussian", 12, "ea5096156802237951b68bb3011a0923", [-1512, -2736, 3284, -4773]),
    ("he", 10, "c1a329b7bd5950453d1c13d87f0c164a", [-17578117, 4942880, 2873049, 44300562]),
    ("sparse:1/4", 7, "f1b5a38e58bb801ba0544e44c09273c3", [63, -85, -81, 0]),
    ("integer:3", 16, "67528cc54668f527ca354ab2d33234a9", [1, 2, 3, 2]),
    ("integer:1000", 16, "cbf4c8dbe6b93d68df22611fb2c95a97", [-947, 858, -5, 380]),
]


def drawn(text, bits, count, seeds=(5,), patch_size=9, layer=2):
    law = Distribution.parse(text)
    return law.draw([law.prefix(seed, layer) for seed in seeds], "W", count, bits, patch_size)


@pytest.mark.parametrize("text, bits, digest, first", GOLDEN)
def test_golden_bytes(text, bits, digest, first):
    """The numbers of a seed never change: campaigns and certificates of others rest on them."""
    values = drawn(text, bits, 1000)[0]
    assert values[:4].tolist() == first
    assert hashlib.sha256(values.astype("<i8").tobytes()).hexdigest()[:32] == digest


def test_gaussian_thresholds_against_mpmath():
    """Every threshold of 4 bits, and some of 12, is floor(2^64 Phi) by another library."""
    with mpmath.workdps(60):
        for bits, places in ((4, range(0, 298)), (12, range(0, 76186, 1777))):
            found = gaussian_thresholds(bits)
            V = len(found) // 2
            for place in places:
                x = (mpmath.mpf(place + 1 - V) - mpmath.mpf(1) / 2) / 2**bits
                expected = int(mpmath.floor(mpmath.erfc(-x / mpmath.sqrt(2)) / 2 * 2**64))
                assert int(found[place]) == expected, (bits, place)
    assert len(gaussian_thresholds(4)) == 298


def test_gaussian_words_are_inverted_by_definition():
    """Bucket table and bisection agree with counting thresholds at or below each word."""
    values = drawn("gaussian", 3, 300)[0]
    thresholds = [int(t) for t in gaussian_thresholds(3)]
    raw = hashlib.shake_256(b"exactcnn/weights/1/gaussian/5/2/W").digest(8 * 300)
    for i, value in enumerate(values.tolist()):
        word = int.from_bytes(raw[8 * i : 8 * i + 8], "big")
        assert value == sum(t <= word for t in thresholds) - len(thresholds) // 2


@pytest.mark.parametrize(
    "text, bits, mean, variance, fourth",
    [
        ("uniform", 16, 0, Fraction(1, 3), Fraction(1, 5)),
        ("gaussian", 10, 0, 1, 3),
        ("he", 10, 0, Fraction(2, 9), 3 * Fraction(4, 81)),
        ("sparse:1/4", 16, 0, Fraction(1, 12), Fraction(1, 20)),
        ("integer:3", 16, 0, 4, 28),
    ],
)
def test_moments(text, bits, mean, variance, fourth):
    """Mean, variance and fourth moment of 200,000 numbers are within six standard errors."""
    count = 200_000
    law = Distribution.parse(text)
    x = drawn(text, bits, count // 4, seeds=range(4)).ravel() / law.denominator(bits)
    for power, expected in ((1, mean), (2, variance), (4, fourth)):
        y = x**power
        assert abs(y.mean() - float(expected)) < 6 * y.std() / count**0.5 + 1e-4


def test_sparse_and_integer_shares():
    """A quarter is kept; integers take all values of [-m, m] alike."""
    kept = (drawn("sparse:1/8", 8, 80_000) != 0).mean()
    assert abs(kept - 1 / 8) < 0.008
    _, counts = np.unique(drawn("integer:2", 8, 50_000), return_counts=True)
    assert len(counts) == 5
    assert abs(counts / 10_000 - 1).max() < 0.06
    assert (drawn("sparse:1", 8, 5000) != 0).all()


@pytest.mark.parametrize("size", [1, 2, 9, 27, 1000])
def test_he_scale(size):
    """The scale is a rational within 2^-16 of sqrt(2 / l)."""
    law = Distribution.parse("he")
    words = np.frombuffer(hashlib.shake_256(b"exactcnn/weights/1/he/5/2/W").digest(400), dtype=">u8")
    plain = np.searchsorted(gaussian_thresholds(6), words.astype(np.uint64), side="right")
    plain = plain - len(gaussian_thresholds(6)) // 2
    scaled = drawn("he", 6, 50, patch_size=size)[0]
    place = int(np.flatnonzero(plain)[0])
    scale = Fraction(int(scaled[place]), law.denominator(6)) / Fraction(int(plain[place]), 2**6)
    assert scale**2 <= Fraction(2, size) < (scale + Fraction(1, 2**16)) ** 2


@pytest.mark.parametrize("text", LAWS)
def test_weights_of_a_network(text):
    """W and b of each layer from their own messages; the bound holds; batches are single draws."""
    weights = Weights.from_seed(NET, 7, 8, text)
    law = weights.origin.distribution
    assert law.text == text
    for k, (size, filters, length) in {1: (9, 2, 8), 3: (2, 3, 3)}.items():
        W = law.draw([law.prefix(7, k)], "W", size * filters, 8, size)
        both = law.draw([law.prefix(6, k), law.prefix(7, k)], "W", size * filters, 8, size)
        assert (both[1] == W[0]).all()
        assert np.abs(both).max() <= law.largest(8, size)
        b = law.draw([law.prefix(7, k)], "b", length, 8, size)
        assert weights[k].W.to_fractions() == [
            [Fraction(v, law.denominator(8)) for v in row] for row in W.reshape(size, filters).tolist()
        ]
        assert weights[k].b.to_fractions() == [Fraction(v, law.denominator(8)) for v in b[0].tolist()]


def test_uniform_is_what_it_was():
    """The default law draws FORMAT.md's weights, and only it is written as a seed."""
    for seed in (0, 2**64 - 1):
        assert weights_json(Weights.from_seed(NET, seed, 64), NET.layers, 3) == {
            "kind": "seed",
            "seed": seed if seed < 2**53 else str(seed),
            "bits": 64,
        }
    drawn = Weights.from_seed(NET, 3, 8, "gaussian")
    record = weights_json(drawn, NET.layers, 3)
    assert record["kind"] == "rational"
    assert weights_json(drawn, NET.layers, 1)["nodes"] == [record["nodes"][0], None]


@pytest.mark.parametrize("text", LAWS)
def test_certificates(text):
    """A certificate of random weights of any law is accepted by the checker."""
    data = exactcnn.samples([[(i * j * j + 3 * i + j) % 11 for j in range(16)] for i in range(5)])
    result = exactcnn.verify(NET, data, seed=2, bits=9, distribution=text, layer=1)
    certificate = result.certificate()
    kind = certificate["instance"]["weights"]["given"]["kind"]
    assert kind == ("seed" if text == "uniform" else "rational")
    assert "rank" in {claim["statement"] for claim in certificate["claims"]}
    assert exactcnn.certificate_outcome(certificate) == "VERIFIED"


@pytest.mark.parametrize(
    "text",
    ["", "normal", "Gaussian", "gaussian:1", "uniform:2", "sparse:0", "sparse:2", "sparse:-1/2", "sparse:x",
     "sparse:", "integer:0", "integer:1/2", "integer:-3", "integer:99999999999", "he:2", None, 3],
)  # fmt: skip
def test_unknown_laws(text):
    """What is no law is one sentence."""
    with pytest.raises(MalformedError, match=r"^distribution: expected"):
        Distribution.parse(text)


def test_bits_have_limits():
    """The Gaussian grid ends at 12 bits, where its thresholds still fit in a table."""
    for text, bits in (("gaussian", 13), ("he", 13), ("gaussian", 0), ("sparse", 62), ("uniform", 65)):
        with pytest.raises(MisuseError, match=r"^bits: expected an integer from 1 to"):
            Weights.from_seed(NET, 0, bits, text)
    with pytest.raises(MisuseError, match="distribution"):
        Distribution("sparse")
