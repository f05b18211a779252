"""The elimination on a local Dask cluster: one process, two processes, and no Dask at all.

    python -m tests.benchmarks.distributed_lu [N]

Each process has one thread.  Efficiency: (time on one process) / (2 x time on two); the overhead of Dask is the time
on one process beside ``StreamedLU`` with one thread.  Bytes moved between processes are counted from the panels: each
goes once to the process that did not make it.  Floor: 2/3 N^3 operations at the rate of the products of one core each.
"""

from __future__ import annotations

import sys
import time
from functools import partial

import numpy as np
from distributed import Client, LocalCluster
from threadpoolctl import threadpool_limits

from exactcnn.linalg.distributed_lu import eliminate_on
from exactcnn.linalg.streamed_lu import StreamedLU

PRIME, WIDTH = 251, 512


def block(rows: int, number: int) -> np.ndarray:
    residues = np.random.default_rng(number).integers(-125, 126, (rows, WIDTH), dtype=np.int8)
    return residues.astype(np.float32)


def main(N: int) -> None:
    blocks = [partial(block, N, number) for number in range(N // WIDTH)]
    times = {}
    for processes in (1, 2):
        cluster = LocalCluster(
            n_workers=processes,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
        )
        with cluster, Client(cluster) as client:
            eliminate_on(client, blocks[:4], N, PRIME)  # the kernels are compiled, or read from their cache
            start = time.perf_counter()
            lu = eliminate_on(client, blocks, N, PRIME)
            times[processes] = time.perf_counter() - start
    with threadpool_limits(1):
        alone, start = StreamedLU(N, PRIME), time.perf_counter()
        for make in blocks:
            alone.offer(make())
        times[0] = time.perf_counter() - start
    assert alone.columns == lu.columns
    moved = sum(panel.entries.nbytes + panel.inverse.nbytes for panel in lu.panels)
    print(f"N = {N}: one thread {times[0]:.1f} s; Dask, one process {times[1]:.1f} s, two {times[2]:.1f} s")
    print(
        f"efficiency {times[1] / (2 * times[2]):.0%}; rate {2 / 3 * N**3 / times[2] / 1e9:.0f} GFLOP/s",
        end="; ",
    )
    print(f"{moved / 2**20:.0f} MiB of panels between the processes")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8192)
