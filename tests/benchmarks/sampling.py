"""Benchmark of campaigns: exact ranks of random ReLU layers per second, beside SymPy's DomainMatrix.

    python -m tests.benchmarks.sampling [draws]

Floor.  At N = 16, n_1 = 32 a dense layer on 64 pixels costs 16 x 64 x 32 = 33,000 multiply-adds, the
elimination 16^2 x 32 / 2 = 4,100 products mod p, and 2,080 weights of 16 bits are 4 KB of SHAKE-256
(8 bytes each, 16 KB, for Gaussian ones): about 10 us of hashing at 400 MB/s and 10 us of arithmetic
at 4 Gop/s on one core.  A conv layer of the same size hashes and multiplies less.

The rival does the same job on the same weights in the same process: features and rank through
DomainMatrix over ZZ and QQ.  Every rank is asserted equal; ratios above 1 mean exactcnn is faster.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from sympy import QQ, ZZ
from sympy.polys.matrices import DomainMatrix

import exactcnn
from exactcnn.network.distributions import Distribution
from exactcnn.network.weights import Weights
from exactcnn.sampling.campaign import Campaign
from exactcnn.sampling.draws import rows_of

N = 16
RIVAL_DRAWS = 100
DENSE = {"kind": "dense", "units": 32, "activation": "relu"}
CONV = {"kind": "conv", "filters": 2, "kernel": 5, "activation": "relu"}


def rival_rank(campaign: Campaign, seed: int, patches: list[Any]) -> int:
    """The rank of the ReLU features of one draw, all exact, by SymPy."""
    (cell,) = campaign.cells
    weights = Weights.from_seed(cell.network, seed, cell.bits, cell.law)[1]
    layer = cell.network.layer(1)
    W = DomainMatrix.from_list(weights.W.numerators.tolist(), ZZ)
    unit = cell.law.denominator(cell.bits) // weights.W.denominator
    b = weights.b.numerators * (cell.law.denominator(cell.bits) // weights.b.denominator)
    rows: list[list[Any]] = [[] for _ in range(N)]
    for p, X in enumerate(patches):
        product = (X * W).to_list()
        for i, values in enumerate(product):
            for t, value in enumerate(values):
                total = value * unit + int(b[p * layer.filters + t])
                rows[i].append(QQ(max(total, 0)))
    return int(DomainMatrix(rows, (N, cell.width), QQ).rank())


def main(draws: int) -> None:
    data = exactcnn.load_data("digits", samples=N)
    for name, layer in (("dense 32", DENSE), ("conv 2 x 5 x 5", CONV)):
        net = exactcnn.Network.from_dict({"input": [1, 8, 8], "layers": [layer]})
        first = net.layer(1)
        flops = N * first.width * first.patch_size + N * N * first.width // 2
        print(
            f"{name}: N = {N}, n_1 = {first.width}, {first.parameter_count} weights, {flops} products a draw"
        )
        gathered = first.patches.gather(data.x.numerators.astype(np.int64))
        patches = [DomainMatrix.from_list(gathered[:, p].tolist(), ZZ) for p in range(first.patch_count)]
        for law, bits in (("uniform", 16), ("gaussian", 10)):
            assert Distribution.parse(law).check_bits(bits)
            ours = {}
            for sigma in (False, True):
                campaign = Campaign(net, data, draws=draws, distribution=law, bits=bits, N=N, sigma=sigma)
                rows_of(campaign.chunks[0], sigma)  # thresholds and plans are made once per process
                start = time.perf_counter()
                rows = [row for chunk in campaign.chunks for row in rows_of(chunk, sigma)]
                ours[sigma] = (time.perf_counter() - start) / draws
            start = time.perf_counter()
            ranks = [rival_rank(campaign, seed, patches) for seed in range(RIVAL_DRAWS)]
            rival = (time.perf_counter() - start) / RIVAL_DRAWS
            assert ranks == [row.rank for row in rows[:RIVAL_DRAWS]]
            full = sum(row.rank == N for row in rows)
            print(
                f"  {law:<9}{bits:>3} bits: {1 / ours[False]:8.0f} draws/s, with sigma_min "
                f"{1 / ours[True]:8.0f}; SymPy {1 / rival:6.1f} draws/s, ratio {rival / ours[False]:6.0f}; "
                f"{full}/{draws} of full rank",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4096)
