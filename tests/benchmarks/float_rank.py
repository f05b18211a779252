"""Benchmark: certified sigma_min in float64 beside one LAPACK solve of the same size.

    python -m tests.benchmarks.float_rank [--large] [--cpu] [--json FILE] [N ..]

The unit is numpy.linalg.solve with one right-hand side (dgesv: an LU and two triangular solves, 2/3 N^3
operations), which proves nothing, on N columns of the same matrix in the same run, best of three on both sides.
Ratios are ours over that, so below 1 would mean quicker than the solve.

Floor.  Gram matrix N^2 n, two Cholesky factors N^3 / 3 each with their residuals: for n = N 5/3 N^3, 2.5 solves at
the solve's own speed; sigma_max one factor more, 3 solves.  The second route (ill-conditioned) multiplies by an
inverse factor, N^2 n, and does all of it once more: 14/3 N^3, 7 solves.

On a machine that others use take --cpu (processor seconds) with OPENBLAS_NUM_THREADS=1.

crlin (PyPI), where it is installed: crlin.solve(A, b) proves A non-singular by a verified inverse (square
matrices, no bound for sigma_min); crlin.spd(B), B = fl(M M^T), bounds the least eigenvalue of B, the rounding of B
not included.  NumPy's singular values are what people use; they prove nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from exactcnn.linalg.singular_enclosures import enclosed_singular_values

CLOCK = time.perf_counter
SIZES, LARGE = [1000, 2000, 4000], 10_000
_MOST_RIVALS = 2000  # the SVD and crlin's own factorisation take long


def best(work: Callable[[], Any], times: int) -> tuple[float, Any]:
    found, least = None, float("inf")
    for _ in range(times):
        start = CLOCK()
        found = work()
        least = min(least, CLOCK() - start)
    return least, found


def matrices(N: int, all_kinds: bool) -> dict[str, np.ndarray]:
    r = np.random.default_rng(N)
    made = {"square": r.standard_normal((N, N))}
    if all_kinds:
        made["twice as wide"] = r.standard_normal((N, 2 * N))
        pre_activations = r.standard_normal((N, 30)) @ r.standard_normal((30, N + N // 4))
        made["sigmoid features"] = 1 / (1 + np.exp(-pre_activations))
        Q = np.linalg.qr(made["square"])[0]
        made["condition 1e9"] = (Q * np.logspace(0, -9, N)) @ Q.T
    return made


def rivals(M: np.ndarray, enough: float, times: int) -> dict[str, float | str]:
    N = M.shape[0]
    found: dict[str, float | str] = {}
    if N <= _MOST_RIVALS:
        found["NumPy singular values"] = best(lambda: np.linalg.svd(M, compute_uv=False), 1)[0]
    if find_spec("crlin") is None:
        return found
    import crlin

    def crlin_solve() -> str:
        try:
            crlin.solve(M, np.ones(N))
        except crlin.NotVerified:
            return "not verified"
        return "proved"

    def crlin_spd() -> str:
        B = M @ M.T
        c = 0.5 * enough**2  # it is told half the least eigenvalue, which it would have to find
        try:
            crlin.spd(B, factor=(np.linalg.cholesky(B - c * np.eye(N)), c))
        except (crlin.NotVerified, np.linalg.LinAlgError):
            return "not verified"
        return "proved"

    if M.shape[1] == N:
        found["crlin.solve"], found["crlin.solve says"] = best(crlin_solve, times)
    found["crlin.spd"], found["crlin.spd says"] = best(crlin_spd, times)
    return found


def measure(name: str, M: np.ndarray, times: int) -> dict[str, Any]:
    N = M.shape[0]
    A, b = np.ascontiguousarray(M[:, :N]), np.ones(N)
    before = best(lambda: np.linalg.solve(A, b), times)[0]
    sigma_min, found = best(lambda: enclosed_singular_values(M, 0.0, largest=False), times)
    both, whole = best(lambda: enclosed_singular_values(M, 0.0), times)
    solve = min(before, best(lambda: np.linalg.solve(A, b), times)[0])
    assert whole.full_rank
    assert found.full_rank
    return {
        "matrix": name,
        "shape": list(M.shape),
        "route": whole.route,
        "sigma_min": list(whole.smallest),
        "sigma_max": list(whole.largest),
        "solve": solve,
        "sigma_min seconds": sigma_min,
        "both seconds": both,
        "ratio": sigma_min / solve,
        "ratio of both": both / solve,
        **rivals(M, whole.smallest[0], 1 if N > _MOST_RIVALS else times),
    }


def show(row: dict[str, Any]) -> None:
    size = " x ".join(map(str, row["shape"]))
    text = f"{row['matrix']:18}{size:>14}  solve {row['solve']:8.3f} s  sigma_min {row['ratio']:5.2f}  "
    text += f"both {row['ratio of both']:5.2f}  [{row['sigma_min'][0]:.4g}, {row['sigma_min'][1]:.4g}] {row['route']}"
    for rival in ("NumPy singular values", "crlin.solve", "crlin.spd"):
        if rival in row:
            text += f"; {rival} {row[rival] / row['solve']:.2f} {row.get(rival + ' says', '')}"
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--large", action="store_true", help=f"also N = {LARGE}: 6 GB, minutes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cpu", action="store_true", help="processor seconds instead of seconds")
    options = parser.parse_args()
    if options.cpu:
        global CLOCK
        CLOCK = time.process_time
    enclosed_singular_values(np.eye(200) + 1.0, 0.0)  # compile
    rows = []
    for N in options.sizes + ([LARGE] if options.large else []):
        for name, M in matrices(N, N < LARGE).items():
            rows.append(measure(name, M, 1 if N >= LARGE else 3))
            show(rows[-1])
    if options.json is not None:
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "numpy": np.__version__}
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
