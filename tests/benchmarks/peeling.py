"""Benchmark of the triangular witness on MNIST: proving and checking Theorem 3.5's conclusion.

    python -m tests.benchmarks.peeling path/to/train-images-idx3-ubyte.gz [T ..]

Floor.  Every unit's z must be computed for the samples left: N n_1 / 2 dot products of length l = 9
on average, 3.6e10 operations at N = 60,000 and T = 100, and compared once, 2e9 comparisons: about 1 s
on two cores.  Units blocked by a tie remember it, so that they are computed again only when it is broken:
3.7e9 dot products in all, under twice the floor.
"""

from __future__ import annotations

import resource
import sys
import time

import exactcnn
from exactcnn.certificates import make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.features.peeling import peel
from exactcnn.statements import decide


def main(path: str, filters: list[int]) -> None:
    data = exactcnn.load_data(path)
    for T in filters:
        net = exactcnn.Network.from_dict(
            {
                "input": {"shape": [1, 28, 28]},
                "layers": [{"kind": "conv", "filters": T, "kernel": 3, "activation": "sigmoid"}],
            }
        )
        for N in (10_000, 20_000, 40_000, data.N):
            inst = Instance(net, data.take(min(N, data.N)))
            start = time.perf_counter()
            found = peel(inst)
            peeled = time.perf_counter()
            line = f"T = {T}, N = {inst.N}: peeling leaves {len(found.left)} in {peeled - start:.1f} s"
            if not found.left and inst.N > 3000:
                (finding,) = decide("theorem-3.5", inst)
                proved = time.perf_counter()
                verdict = check_certificate(make_certificate(inst, [finding]))
                line += f"; {finding.verdict} in {proved - peeled:.1f} s"
                line += f"; check: {verdict.outcome} in {time.perf_counter() - proved:.1f} s"
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            print(f"{line}; peak memory {memory:.2f} GB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], [int(T) for T in sys.argv[2:]] or [100, 112])
