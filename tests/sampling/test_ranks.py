"""Every row is right: ranks against SymPy on naively computed features, planted deficiencies included."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

import exactcnn
from exactcnn.errors import UndecidedError
from exactcnn.linalg.batched_rank import batched_ranks
from exactcnn.network.weights import Weights
from exactcnn.sampling import batches, draws
from exactcnn.sampling.campaign import Campaign, Chunk
from exactcnn.sampling.cells import parse_sweep
from exactcnn.sampling.draws import rows_of
from exactcnn.statements.rank import decide_rank
from exactcnn.statements.statement import Ask

RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 5, (12, 16))
CONSTANT = np.arange(1, 8)[:, None] * np.ones((1, 16), dtype=np.int64)


def network(*layers, shape=(1, 4, 4)):
    return exactcnn.Network.from_dict({"input": list(shape), "layers": list(layers)})


def dense(units, activation="relu", **more):
    return {"kind": "dense", "units": units, "activation": activation, **more}


def conv(filters, kernel=3, activation="relu", **more):
    return {"kind": "conv", "filters": filters, "kernel": kernel, "activation": activation, **more}


POOL = {"kind": "maxpool", "kernel": 2, "stride": 1, "padding": 1}
ACTIVATIONS = {
    "relu": lambda t: max(t, Fraction(0)),
    "leaky_relu": lambda t: t if t >= 0 else t / 100,
    "identity": lambda t: t,
    "square": lambda t: t * t,
}


def naive_features(net, x, weights, k):
    """F_k by loops over Fractions; x is a list of lists of int."""
    result = []
    for row in x:
        values = [Fraction(v) for v in row]
        for layer in net.layers[:k]:
            out = []
            for p, patch in enumerate(layer.patches.indices.tolist()):
                real = [values[i] for i in patch if i < len(values)]
                if layer.kind == "maxpool":
                    out.append(max(real))
                    continue
                padded = [values[i] if i < len(values) else Fraction(0) for i in patch]
                entry = weights[layer.index]
                W = entry.W.to_fractions()
                b = None if entry.b is None else entry.b.to_fractions()
                for t in range(layer.filters):
                    total = sum((v * W[i][t] for i, v in enumerate(padded)), Fraction(0))
                    if b is not None:
                        total += b[t] if layer.bias == "filter" else b[p * layer.filters + t]
                    out.append(ACTIVATIONS[layer.activation.name](total))
            values = out
        result.append(values)
    return result


def oracle_rank(F):
    return DomainMatrix(
        [[QQ(v.numerator, v.denominator) for v in row] for row in F], (len(F), len(F[0])), QQ
    ).rank()


CASES = {
    "dense": (network(dense(20)), 1, PIXELS),
    "narrow": (network(dense(7)), 1, PIXELS),
    "conv": (network(conv(3)), 1, PIXELS),
    "conv, biases per filter": (network(conv(3, bias="filter", padding=1)), 1, PIXELS),
    "no biases": (network(conv(2, kernel=2, bias="none")), 1, PIXELS),
    "deep": (network(conv(2), POOL, dense(9, "leaky_relu"), dense(14)), 4, PIXELS),
    "pooling on top": (network(conv(4), POOL), 2, PIXELS),
    "pooling first": (network(POOL, conv(2)), 2, PIXELS),
    "square": (network(conv(2, activation="square"), dense(15, "square")), 2, PIXELS),
    "linear, never full": (network(dense(30, "identity"), shape=(4,)), 1, PIXELS[:, :4]),
    "a sample twice": (network(dense(30)), 1, PIXELS[[0, 1, 2, 3, 4, 5, 0, 1]]),
    "constant images": (network(conv(2, bias="filter")), 1, CONSTANT),
}  # fmt: skip


@pytest.mark.parametrize("law, bits", [("uniform", 4), ("gaussian", 2), ("sparse:1/4", 1), ("integer:1", 1)])
@pytest.mark.parametrize("name", CASES)
def test_ranks_against_sympy(name, law, bits):
    """The rank, the dead units and the verdict of eight draws each, by batch and one by one."""
    net, k, x = CASES[name]
    campaign = Campaign(
        net, exactcnn.samples(x), layer=k, draws=4, seed=11, distribution=law, bits=bits, N=len(x), sigma=True
    )
    (cell,) = campaign.cells
    assert batches.plan(cell) is not None
    rows = rows_of(campaign.chunks[0], True)
    singles = [draws._single(draws._Held(cell), row.seed, True) for row in rows]
    for row, single in zip(rows, singles, strict=True):
        F = naive_features(net, x.tolist(), Weights.from_seed(net, row.seed, bits, law), k)
        rank = oracle_rank(F)
        assert (row.rank, single.rank) == (rank, rank)
        assert row.lower is row.upper is None
        relu = net.layer(k).activation is not None and net.layer(k).activation.name == "relu"
        dead = sum(all(F[i][j] == 0 for i in range(len(F))) for j in range(len(F[0])))
        assert row.dead_units == single.dead_units == (dead if relu else None)
        if rank < len(x):
            assert (row.sigma_low, row.sigma_high) == (0.0, 0.0)
        else:
            S = np.linalg.svd(np.array(F, dtype=float), compute_uv=False)[-1]
            assert row.sigma_low * (1 - 1e-9) - 1e-9 <= S <= row.sigma_high * (1 + 1e-9) + 1e-9


def rows_for(net, x, k=1, draws=20, sigma=False, **more):
    campaign = Campaign(net, exactcnn.samples(x), layer=k, draws=draws, N=len(x), sigma=sigma, **more)
    return rows_of(campaign.chunks[0], sigma)


def test_planted_deficiencies():
    """Linear features never have rank above d + 1; shared biases on constant images stop at T."""
    net, _, x = CASES["linear, never full"]
    assert {row.rank for row in rows_for(net, x)} == {5}
    assert {row.decided_by for row in rows_for(net, x)} == {"rational-rank"}
    constant = np.arange(1, 8)[:, None] * np.ones((1, 16), dtype=int)
    assert (
        max(row.rank for row in rows_for(network(conv(2, activation="sigmoid", bias="filter")), constant))
        == 2
    )
    assert max(row.rank for row in rows_for(network(conv(2, activation="sigmoid")), constant)) == 7
    narrow = rows_for(network(dense(5, "sigmoid")), PIXELS, sigma=True)
    assert {(row.rank, row.decided_by, row.sigma_low, row.sigma_high) for row in narrow} == {
        (5, "minor", 0, 0)
    }


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "gaussian", "silu", "elu"])
def test_exponential_features(activation):
    """Batches agree with the statement `rank` of the library, in full and deficient cases."""
    for x, bits in ((PIXELS[:6], 8), (PIXELS[[0, 1, 2, 0]], 8), (PIXELS[:6] // 4, 1)):
        net = network(conv(1, activation=activation, bias="filter"))
        for row in rows_for(net, x, draws=6, bits=bits, sigma=True):
            instance = exactcnn.Instance(net, exactcnn.samples(x), Weights.from_seed(net, row.seed, bits))
            evidence = decide_rank(instance, Ask(1)).evidence
            if evidence.lower == evidence.upper:
                assert row.rank == evidence.lower
            elif row.rank is None:
                assert (row.lower, row.upper) == (evidence.lower, evidence.upper)
                assert row.decided_by == "undecided"
            else:
                assert evidence.lower <= row.rank <= evidence.upper


def test_what_has_no_exact_field(monkeypatch):
    """Softplus is decided by balls, else by sigma_min, else not at all: never guessed."""
    net = network(conv(2, activation="softplus"))
    rows = rows_for(net, PIXELS[:4], draws=3, sigma=True)
    assert {(row.rank, row.decided_by, row.prime) for row in rows} == {(4, "verified-inverse", None)}
    assert all(row.sigma_low > 0 for row in rows)
    twice = rows_for(net, PIXELS[[0, 0, 1]], draws=2, sigma=True)
    assert {(row.rank, row.decided_by, row.sigma_high) for row in twice} == {(2, "verified-inverse", 0.0)}
    below = network(conv(2, activation="sigmoid"), dense(8, "relu"))
    (row,) = rows_for(below, PIXELS[:4], k=2, draws=1, sigma=True)
    weights = Weights.from_seed(below, 0)
    evidence = decide_rank(exactcnn.Instance(below, exactcnn.samples(PIXELS[:4]), weights), Ask(2)).evidence
    assert (row.rank or row.lower, row.rank or row.upper) == (evidence.lower, evidence.upper)
    assert row.dead_units is None

    def no_balls(*arguments):
        raise UndecidedError("no balls today")

    monkeypatch.setattr("exactcnn.statements.rank.verified_minor", no_balls)
    certified = rows_for(net, PIXELS[:4], draws=3, sigma=True)
    assert {(row.rank, row.decided_by, row.prime) for row in certified} == {(4, "sigma-min", None)}
    assert [row.sigma_low for row in certified] == [row.sigma_low for row in rows]
    plain = rows_for(net, PIXELS[:4], draws=3)
    assert {(row.rank, row.lower, row.upper, row.decided_by) for row in plain} == {(None, 0, 4, "undecided")}
    assert {row.sigma_low for row in plain} == {None}
    twice = rows_for(net, PIXELS[[0, 0, 1]], draws=2, sigma=True)
    assert {(row.rank, row.lower, row.upper, row.sigma_high) for row in twice} == {(None, 0, 2, 0.0)}


def test_numbers_beyond_64_bits():
    """Where no bound holds there is no plan, and the row is the same as in smaller numbers' route."""
    net = network(dense(20), dense(20), dense(14))
    campaign = Campaign(net, exactcnn.samples(PIXELS), layer=3, draws=3, bits=16, N=12)
    assert batches.plan(campaign.cells[0]) is None
    for row in rows_of(campaign.chunks[0], True):
        F = naive_features(net, PIXELS.tolist(), Weights.from_seed(net, row.seed, 16), 3)
        assert row.rank == oracle_rank(F)
    # int64 products (beyond 2^53, below 2^62) against float64 ones
    campaign = Campaign(net, exactcnn.samples(PIXELS), layer=2, draws=5, bits=22, N=12)
    made = batches.plan(campaign.cells[0])
    assert made.in_floats == (True, False)
    values = made.values(range(5))
    for seed in range(5):
        F = naive_features(net, PIXELS.tolist(), Weights.from_seed(net, seed, 22), 2)
        assert [[Fraction(int(v), made.denominator) for v in row] for row in values[seed]] == F


def test_scaled_and_large_data():
    """Rational data, and data beyond 64 bits, give the ranks of the generic route."""
    x = [[Fraction(int(v), 7) for v in row] for row in PIXELS[:6]]
    net = network(dense(7))
    for row in rows_for(net, x, draws=8, bits=2):
        instance = exactcnn.Instance(net, exactcnn.samples(x), Weights.from_seed(net, row.seed, 2))
        evidence = decide_rank(instance, Ask(1)).evidence
        assert (evidence.lower, evidence.upper) == (row.rank, row.rank)
    p = 2**31 - 1  # divides the denominator, which matters to no rank over Q
    tiny = [[Fraction(int(v), p) for v in row] for row in PIXELS[:6]]
    for units in (7, 5):
        net = network(dense(units))
        for bits in (2, 40):
            for row in rows_for(net, tiny, draws=3, bits=bits):
                weights = Weights.from_seed(net, row.seed, bits)
                assert row.rank == oracle_rank(naive_features(net, tiny, weights, 1))
    net = network(dense(7))
    huge = [[int(v) * 10**30 + 1 for v in row] for row in PIXELS[:6]]
    pooled = network(POOL)
    for row in rows_for(pooled, huge, draws=1):
        assert row.rank == oracle_rank(naive_features(pooled, huge, None, 1))
    for row in rows_for(net, huge, draws=3):
        weights = Weights.from_seed(net, row.seed)
        assert row.rank == oracle_rank(naive_features(net, huge, weights, 1))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 3), (16, 32), (12, 12), (130, 131)])
def test_batched_elimination(shape):
    """Ranks mod 2^31 - 1 of stacks with zero rows, repeated rows and entries near p, by SymPy's GF."""
    from sympy import GF

    p = 2**31 - 1
    stack = np.stack([
        RNG.integers(0, p, shape),
        RNG.integers(-2, 2, shape),
        np.zeros(shape, dtype=np.int64),
        np.full(shape, p - 1),
        RNG.integers(0, 2, shape) * (p - 1),
        RNG.integers(0, p, (shape[0], 1)) * RNG.integers(0, 2, (1, shape[1])) % p,
        np.tril(np.ones(shape, dtype=np.int64)) * RNG.integers(0, 2, (shape[0], 1)),
        RNG.integers(0, 2, (shape[0], 2)) @ RNG.integers(0, p, (2, shape[1])) % p,
    ])  # fmt: skip
    found = batched_ranks(stack)
    if shape[0] <= 16:
        field = GF(p, symmetric=False)
        expected = [
            DomainMatrix([[field(int(v)) for v in row] for row in matrix], shape, field).rank()
            for matrix in stack
        ]
    else:
        expected = [exactcnn.rank_mod_p(matrix, p).rank for matrix in stack]
    assert found.tolist() == expected


def test_sweeps_build_the_networks_they_say():
    """Each sweep changes what it names in layer k, and only that."""
    net = network(conv(2), conv(3, kernel=1), dense(4))
    sweeps = ("width=1,5", "depth=1,3", "activation=sigmoid", "bias=filter,none", "N=2,3")
    campaign = Campaign(net, exactcnn.samples(PIXELS), layer=2, sweeps=[parse_sweep(s) for s in sweeps])
    assert len(campaign.cells) == 16
    cell = campaign.cells[-1]
    assert dict(cell.settings) == {
        "width": 5, "N": 3, "depth": 3, "layer": 2, "activation": "sigmoid", "bias": "none",
        "bits": 16, "distribution": "uniform",
    }  # fmt: skip
    assert cell.network.describe() == (
        "input 1 x 4 x 4 -> [1] conv 2 filters 3x3, relu, bias per unit (n = 8) -> "
        "[2] conv 5 filters 1x1, sigmoid, no bias (n = 20) -> "
        "[3] conv 5 filters 1x1, sigmoid, no bias (n = 20) -> "
        "[4] conv 5 filters 1x1, sigmoid, no bias (n = 20)"
    )
    assert (cell.k, cell.N, cell.width) == (4, 3, 20)
    layers = Campaign(net, exactcnn.samples(PIXELS), sweeps=[parse_sweep("layer=1,2,3")]).cells
    assert [(c.k, c.network.depth, c.width) for c in layers] == [(1, 1, 8), (2, 2, 12), (3, 3, 4)]


def test_chunks_do_not_depend_on_workers():
    """Chunks cover all seeds of all cells once, in order; large matrices come in small chunks."""
    campaign = Campaign(
        network(dense(3)), exactcnn.samples(PIXELS), draws=600, seed=5, sweeps=[parse_sweep("bits=1,2")]
    )
    assert [(c.cell.index, c.first, c.count) for c in campaign.chunks] == [
        (0, 5, 512), (0, 517, 88), (1, 5, 512), (1, 517, 88),
    ]  # fmt: skip
    big = Campaign(network(dense(200_000)), exactcnn.samples(PIXELS), draws=3)
    assert [c.count for c in big.chunks] == [1, 1, 1]
    slow = Campaign(network(conv(1, activation="softplus")), exactcnn.samples(PIXELS), draws=64)
    assert [c.count for c in slow.chunks] == [32, 32]
    whole = rows_of(campaign.chunks[0], False)
    part = rows_of(Chunk(0, campaign.cells[0], 105, 10), False)
    assert whole[100:110] == part
