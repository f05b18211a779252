"""Benchmark of interpolating output weights: exact ones beside SymPy and python-flint, all digits certified.

    python -m tests.benchmarks.interpolation [exact | digits]

Exact part: ReLU features of N digit images (16 filters 3 x 3, n_1 = 576, 8-bit weights), ten one-hot
columns, F W = Y.  Floor at N = 160: Dixon lifting solves V_J X = Y mod a word prime once (N^3 / 3 =
1.4 M products) and then lifts about 2 N b / 31 = 200 digits, b = 20 bits an entry, each by two products
N x N x 10: 100 M word operations, 0.1 s; writing down N x 10 numbers of N b bits is nothing.  The
rivals solve the same N x N system of the same minor: SymPy's DomainMatrix over QQ (lu_solve), and
python-flint's fmpq_mat.solve with its default algorithm.  All solutions are asserted equal, and
F W = Y is multiplied out.  Ratios above 1: exactcnn is faster.  Where
python-flint is installed SymPy takes its numbers from it; SYMPY_GROUND_TYPES=python shows SymPy alone.
The rivals' times leave out the verification and the full n x m matrix, exactcnn's include both.

Digits part: 1,797 images, the embedded network (sigmoid, n_1 = 2304).  Floor: the certified solution
needs a singular value decomposition of 1797 x 2304, about 4 n N^2 + 8 N^3 = 76 GFLOP, and three
products of 15 GFLOP: 2 to 3 s at 40 GFLOP/s.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

import exactcnn
from exactcnn.api import default_network
from exactcnn.features.enclosures import feature_enclosure
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.landscape.float_features import certified_solution
from exactcnn.landscape.interpolation import least_norm_solution, sparse_solution, target_matrix
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.network.weights import Weights
from exactcnn.statements import decide

SIZES, LARGEST_SYMPY = (20, 40, 80, 160), 80
RELU = {
    "input": [1, 8, 8],
    "layers": [
        {"kind": "conv", "filters": 16, "kernel": 3, "activation": "relu"},
        {"kind": "dense", "units": 10},
    ],
}


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def by_sympy(block: np.ndarray, denominator: int, Y: np.ndarray) -> Any:
    A = DomainMatrix([[QQ(int(v), denominator) for v in row] for row in block], block.shape, QQ)
    B = DomainMatrix([[QQ(int(v)) for v in row] for row in Y], Y.shape, QQ)
    return A.lu_solve(B)


def by_flint(block: np.ndarray, denominator: int, Y: np.ndarray) -> Any:
    N, m = Y.shape
    A = fmpq_mat(N, N, [fmpq(int(v), denominator) for v in block.ravel()])
    return A.solve(fmpq_mat(N, m, [fmpq(int(v)) for v in Y.ravel()]))


def exact() -> None:
    net = exactcnn.Network.from_dict(RELU)
    for N in SIZES:
        data = exactcnn.load_data("digits", samples=N)
        F = FeatureMatrix(Instance(net, data, Weights.from_seed(net, 0, 8)), 1).exact
        Y = target_matrix(data, 10)
        columns, chosen = timed(lambda F=F: rank_mod_p(F.numerators).columns)
        assert len(columns) == N
        sparse, ours = timed(lambda F=F, Y=Y, c=columns: sparse_solution(F, Y, c))
        least, ours_least = timed(lambda F=F, Y=Y: least_norm_solution(F, Y))
        block = F.numerators[:, list(columns)]
        flint, rival = timed(lambda b=block, F=F, Y=Y: by_flint(b, F.denominator, Y.numerators))
        mine = sparse.W.to_fractions()
        for i, j in enumerate(columns):
            assert all(int(flint[i, c].p) * v.denominator == v.numerator * int(flint[i, c].q)
                       for c, v in enumerate(mine[j]))  # fmt: skip
        line = f"N = {N:>4}: minor {chosen:.3f} s, sparse {ours:.3f} s ({sparse.bits} bits), "
        line += f"least norm {ours_least:.3f} s ({least.bits} bits); "
        line += f"python-flint {rival:.3f} s (ratio {rival / ours:.2f})"
        if N <= LARGEST_SYMPY:
            other, slow = timed(lambda b=block, F=F, Y=Y: by_sympy(b, F.denominator, Y.numerators))
            found = other.to_list()
            assert all(
                QQ.numer(found[i][c]) * v.denominator == v.numerator * QQ.denom(found[i][c])
                for i, j in enumerate(columns)
                for c, v in enumerate(mine[j])
            )
            line += f"; SymPy {slow:.3f} s (ratio {slow / ours:.1f})"
        print(line)


def digits() -> None:
    net, data = default_network(), exactcnn.load_data("digits")
    instance = Instance(net, data, Weights.from_seed(net, 0))
    Y = target_matrix(data, 10)
    (finding,), seconds = timed(lambda: decide("corollary-3.6", instance))
    print(f"corollary-3.6, {data.N} images: {finding.verdict}, {seconds:.1f} s")
    F, enclosing = timed(lambda: feature_enclosure(instance, 1))
    found, solving = timed(lambda: certified_solution(F, Y))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"certified solution: features {enclosing:.1f} s, solution {solving:.1f} s, peak {peak:.2f} GB\n"
        f"  ||Y - F X|| <= {found.residual:.3g}, {found.sigma[0]:.6g} <= sigma_min(F) <= {found.sigma[1]:.6g}\n"
        f"  an exact interpolation lies within {found.distance:.3g} of X (||X|| = {np.linalg.norm(found.X):.4g})"
    )


if __name__ == "__main__":
    parts = sys.argv[1:] or ["exact", "digits"]
    if "exact" in parts:
        exact()
    if "digits" in parts:
        digits()
