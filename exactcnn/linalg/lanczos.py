"""Floor 2: guesses of extreme eigenvalues and their vectors, by Lanczos' method in float64; nothing here is proved."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np

__all__ = ["STEPS", "lanczos", "lowest"]

STEPS = 12


def lowest(L: np.ndarray) -> tuple[float, float, np.ndarray]:
    """(guess below, guess above, vector) for the least eigenvalue of L L^T, by Lanczos on its inverse."""
    from exactcnn.linalg.triangular_solves import backward, forward

    theta, rest, v = lanczos(lambda x: backward(L, forward(L, x)), L.shape[0], STEPS)
    if not theta > 0:
        return 0.0, 0.0, v
    # Once more: a little of a large eigenvalue's vector would spoil the quotient v^T L L^T v.
    return 1.0 / (theta + rest), 1.0 / theta, backward(L, forward(L, v))


def lanczos(apply: Callable[[np.ndarray], np.ndarray], N: int, steps: int) -> tuple[float, float, np.ndarray]:
    """(largest Ritz value, its residual, its vector) of a symmetric operator on R^N."""
    steps = min(steps, N)
    q = np.random.default_rng(0).standard_normal(N)
    Q = np.zeros((steps, N))
    H = np.zeros((steps, steps))
    rest = 0.0
    for i in range(steps):
        Q[i] = q / np.linalg.norm(q)
        q = apply(Q[i])
        H[i, : i + 1] = Q[: i + 1] @ q
        rest = float(np.linalg.norm(q))
        for _ in range(2):
            q = q - Q[: i + 1].T @ (Q[: i + 1] @ q)
        beta = float(np.linalg.norm(q))
        if not beta > 2.0**-40 * rest:
            steps = i + 1
            rest = 0.0
            break
        rest = beta
    if not np.isfinite(H).all():
        return inf, inf, np.zeros(N)
    try:
        values, vectors = np.linalg.eigh(H[:steps, :steps])
    except np.linalg.LinAlgError:
        return inf, inf, np.zeros(N)
    return float(values[-1]), abs(rest * float(vectors[-1, -1])), vectors[:, -1] @ Q[:steps]
