"""Figure 1 of the paper at given weights: proving and checking rank F_1 = N on MNIST, and how both grow with N.

    python -m tests.benchmarks.given_weights path/to/train-images-idx3-ubyte.gz [N ..]

T_1 = 100 filters 3 x 3, n_1 = 67,600, sigmoid, weights of seed 0; by default N = 5,000, 10,000, 20,000 (60,000 takes a
quarter of an hour).  Floor of proving: 2/3 N^3 operations at the rate of float32 products, and about 1.1 N columns of
features; of checking: N^2 features and 2 * 25 N^2 operations; of memory: N^2 bytes.  Exponents between neighbours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from math import log
from pathlib import Path

SPEC = """
name = "figure 1"
input = [1, 28, 28]
layers = [{ kind = "conv", filters = 100, kernel = 3, activation = "sigmoid" }, { kind = "dense", units = 10 }]
"""


def measured(arguments: list[str]) -> tuple[float, float]:
    """Seconds and GB of one command, which must end with 0."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "exactcnn", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"exactcnn {' '.join(arguments)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1e6


def main(path: str, sizes: list[int]) -> None:
    print(
        f"{'N':>6} {'prove s':>8} {'GB':>6} {'check s':>8} {'GB':>6} {'MB':>5} {'GFLOP/s':>8}"
        "   exponents: prove, check, memory"
    )
    before: tuple[int, float, float, float] | None = None
    with tempfile.TemporaryDirectory() as folder:
        spec, made = Path(folder) / "figure1.toml", Path(folder) / "made.json"
        spec.write_text(SPEC)
        for N in sizes:
            command = [
                "verify",
                str(spec),
                "--data",
                path,
                "--samples",
                str(N),
                "--layer",
                "1",
                "--statement",
                "rank",
            ]
            prove, memory = measured([*command, "--certificate", str(made), "--no-hypotheses"])
            check, small = measured(["check", str(made)])
            size = made.stat().st_size / 1e6
            rate = 2 / 3 * N**3 / prove / 1e9
            line = f"{N:6} {prove:8.1f} {memory:6.2f} {check:8.1f} {small:6.2f} {size:5.1f} {rate:8.0f}"
            if before is not None:
                step = log(N / before[0])
                line += "   " + ", ".join(
                    f"{log(now / then) / step:.2f}"
                    for now, then in zip((prove, check, memory), before[1:], strict=True)
                )
            print(line, flush=True)
            before = N, prove, check, memory
            made.unlink()


if __name__ == "__main__":
    main(sys.argv[1], [int(N) for N in sys.argv[2:]] or [5_000, 10_000, 20_000])
