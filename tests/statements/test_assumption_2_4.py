"""Assumption 2.4 and Lemma 2.5: generic ranks against theory 3.1, SymPy, and exhaustive counts."""

from itertools import combinations

import pytest
from sympy import Matrix, symbols

from exactcnn.features.generic_rank import generic_rank
from exactcnn.features.instance import Instance
from exactcnn.statements import decide
from tests.statements import instances
from tests.statements.instances import conv, network, rng


def certified(net, statement="assumption-2.4"):
    """The findings, each accepted by the checker unless undecided."""
    inst = Instance(net)
    findings = decide(statement, inst)
    certificate = instances.certified(inst, *findings)
    for finding, claim in zip(findings, certificate["claims"], strict=True):
        assert (claim["lower"], claim["upper"]) == (finding.summary["lower"], finding.summary["upper"])
    return findings


@pytest.mark.parametrize(
    ("shape", "layer", "verdict", "rank", "full"),
    [
        ([4], conv(1, "relu", patches=[[0, 1], [2, 3], [0, 2], [1, 3]]), "refuted", 3, 4),
        ([1, 28, 28], conv(2, "relu", kernel=3), "refuted", 776, 784),
        ([1, 28, 28], conv(2, "relu", kernel=5), "refuted", 752, 784),
        ([3, 14, 14], conv(4, "relu", kernel=3), "refuted", 540, 576),
        ([1, 5, 5], conv(2, "relu", kernel=3), "refuted", 17, 18),
        ([1, 28, 28], conv(3, "relu", kernel=3), "proved", 784, 784),
        ([1, 28, 28], conv(1, "relu", kernel=3), "proved", 676, 676),
        ([1, 28, 28], conv(9, "relu", kernel=3), "proved", 784, 784),
        ([1, 28, 28], conv(2, "relu", kernel=3, padding=1), "proved", 784, 784),
        ([3, 14, 14], conv(3, "relu", kernel=3, padding="same"), "proved", 588, 588),
        ([1, 30], conv(2, "relu", kernel=5), "proved", 30, 30),
        ([2, 6, 6], conv(3, "relu", kernel=2), "refuted", 66, 72),
        ([1, 9, 9], conv(2, "relu", kernel=2, dilation=2), "refuted", 73, 81),
        ([1, 4, 4, 4], conv(2, "relu", kernel=2), "refuted", 46, 54),
    ],
)
@pytest.mark.parametrize("statement", ["assumption-2.4", "lemma-2.5"])
def test_known_generic_ranks(shape, layer, verdict, rank, full, statement):
    """Theory 3.1's ranks, both bounds, with certificates; Lemma 2.5 stands and falls with 2.4."""
    (finding,) = certified(network(shape, layer), statement)
    assert (finding.verdict, finding.summary["lower"], finding.summary["upper"]) == (verdict, rank, rank)
    assert finding.summary["full"] == full


def structures(n, size):
    """All covering sets of pairwise different patches with ascending entries."""
    patches = list(combinations(range(n), size))
    for count in range(1, len(patches) + 1):
        for chosen in combinations(patches, count):
            if len(set().union(*chosen)) == n:
                yield [list(patch) for patch in chosen]


@pytest.mark.parametrize(
    ("n", "size", "deficient", "total"),
    [
        (4, 1, (0, 0), 1),
        (4, 2, (2, 0), 41),
        (4, 3, (0, 3), 11),
        (4, 4, (0, 0), 1),
        (5, 1, (0, 0), 1),
        (5, 2, (45, 0), 768),
        (5, 3, (82, 20), 958),
        (5, 4, (0, 7), 26),
        (5, 5, (0, 0), 1),
    ],
)
def test_exhaustive_counts(n, size, deficient, total):
    """Every structure on n <= 5 neurons is decided, and the counts are theory 3.1's."""
    for filters in (1, 2):
        verdicts = [
            generic_rank(network([n], conv(filters, "relu", patches=patches)).layer(1)).verdict
            for patches in structures(n, size)
        ]
        assert len(verdicts) == total
        assert "undecided" not in verdicts
        assert verdicts.count("refuted") == deficient[filters - 1]


@pytest.mark.parametrize("seed", range(40))
def test_generic_rank_agrees_with_sympy(seed):
    """Random patch structures: SymPy's rank over Q(w) lies where both certified bounds meet."""
    r = rng(seed)
    n, size, filters = r.randint(3, 6), r.randint(1, 3), r.randint(1, 2)
    available = list(combinations(range(n), size))
    patches = [list(p) for p in r.sample(available, min(len(available), r.randint(1, 5)))]
    for patch in patches:
        r.shuffle(patch)
    net = network([n], conv(filters, "relu", patches=patches))
    w = symbols(f"w:{size * filters}")
    U = Matrix.zeros(n, len(patches) * filters)
    for p, patch in enumerate(patches):
        for tap, neuron in enumerate(patch):
            for t in range(filters):
                U[neuron, p * filters + t] = w[tap * filters + t]
    (finding,) = certified(net)
    assert finding.summary["lower"] == finding.summary["upper"] == U.rank()


def test_two_patches_with_shared_taps():
    """Two patches sharing s aligned taps, n = l + s... deficient iff s < T < l (theory 3.1)."""
    for size in (2, 3, 4):
        for s in range(size):
            patches = [list(range(size)), [*range(s), *range(size, 2 * size - s)]]
            n = 2 * size - s
            for filters in range(1, size + 1):
                (finding,) = certified(network([n], conv(filters, "relu", patches=patches)))
                # Aligned taps that are shared give each filter the same value there.
                private = size - s
                expected = 2 * min(filters, private) + min(max(filters - private, 0), s)
                assert finding.summary["lower"] == finding.summary["upper"] == expected


def test_dense_layers_are_not_spoken_of():
    """A network without convolutional layers: the statement is vacuous and says so."""
    findings = decide("assumption-2.4", Instance(network([3], {"kind": "dense", "units": 2})))
    assert findings[0].verdict == "proved"
    assert "convolutional" in findings[0].reason
    assert findings[0].evidence is None


def test_large_patch_graph_with_two_taps():
    """A long path of two-tap patches, one filter: rank n minus the one balanced component."""
    n = 120
    path = [[i, i + 1] for i in range(n - 1)]
    (finding,) = certified(network([n], conv(1, "relu", patches=path)))
    assert (finding.verdict, finding.summary["lower"]) == ("proved", n - 1)
    square = [[2 * i, 2 * i + 1] for i in range(n // 2)] + [[2 * i, 2 * i + 2] for i in range(n // 2 - 1)]
    square += [[2 * i + 1, 2 * i + 3] for i in range(n // 2 - 1)]
    (finding,) = certified(network([n], conv(1, "relu", patches=square)))
    assert (finding.verdict, finding.summary["upper"]) == ("refuted", n - 1)
