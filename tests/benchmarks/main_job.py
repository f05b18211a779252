"""Benchmark of the main job: rank F_1 = N on the embedded digits, and its parts.

    python -m tests.benchmarks.main_job [N ..]

Floor.  Eliminating an N x N matrix costs 2/3 N^3 operations; the features are 9 N n_1
multiply-adds and the checker's Fiat-Shamir test c N^2 products with c = 7 (p = 2^31 - 1).
At N = 1797, n_1 = 2304: 3.9e9, 3.7e7 and 2.3e7.  The rival in each row runs in the same
process on the same matrix; ratios above 1 mean exactcnn is faster.  NumPy's matrix_rank is
listed because people use it; it proves nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import exactcnn
from exactcnn.api import default_network
from exactcnn.checker import check_certificate
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.linalg import rank_mod_p
from exactcnn.linalg.modular_rank import nmod

PRIME = 2147483647


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def row(what: str, seconds: float, floor: float, rival: str = "", rival_seconds: float | None = None) -> None:
    speed = f"{floor / seconds / 1e9:8.3f} Gop/s"
    ratio = (
        ""
        if rival_seconds is None
        else f"{rival}: {rival_seconds:.2f} s, ratio {rival_seconds / seconds:.2f}"
    )
    print(f"  {what:<34}{seconds:8.2f} s {speed}   {ratio}", flush=True)


def main(sizes: list[int]) -> None:
    network = default_network()
    for N in sizes:
        print(f"N = {N}, n_1 = {network.widths[1]}")
        data = exactcnn.load_data("digits", samples=N)
        seconds, result = timed(lambda data=data: exactcnn.verify(network, data))
        assert result.verdict == "proved"
        row("verify rank (whole proof)", seconds, 2 / 3 * N**3)
        features = FeatureMatrix(result.instance, 1)
        seconds, (image, _) = timed(lambda features=features: features.residues(PRIME, 4))
        row("residue features", seconds, 9 * image.size)
        seconds, minor = timed(lambda image=image: rank_mod_p(image, PRIME))
        flint_seconds, flint_rank = timed(lambda image=image: nmod(image, PRIME).rank())
        assert flint_rank == minor.rank
        row("minor mod p (rows and columns)", seconds, 2 / 3 * N**3, "FLINT rank only", flint_seconds)
        floats = 1 / (1 + np.exp(-features.exact.numerators / features.exact.denominator))
        svd_seconds, float_rank = timed(lambda floats=floats: np.linalg.matrix_rank(floats))
        row("verify against NumPy", timed(lambda data=data: exactcnn.verify(network, data))[0], 2 / 3 * N**3,
            f"SVD matrix_rank says {float_rank}", svd_seconds)  # fmt: skip
        seconds, certificate = timed(result.certificate)
        row("certificate", seconds, 2 / 3 * N**3)
        seconds, verdict = timed(lambda certificate=certificate: check_certificate(certificate))
        assert verdict.outcome == "VERIFIED"
        row("independent check (pure Python)", seconds, 7 * N**2 + 9 * N**2)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [300, 600, 1200, 1797])
