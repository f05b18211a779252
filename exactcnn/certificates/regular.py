"""Floor 5: evidence that a square part of F_k is regular over R, led by float64 (FORMAT.md 6, Lemma 6).

Columns by partial pivoting, one inverse in float64, a few steps of refinement with residuals in extended precision.
Nothing here is believed: the bound of what the checker will find is computed from float64 enclosures, with room to spare.
"""

from __future__ import annotations

from contextlib import suppress
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.texts import json_integer
from exactcnn.certificates.solutions import SECURITY_BITS, drawn_numerators
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import feature_balls, verified_minor
from exactcnn.features.enclosures import feature_enclosure
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import feature_minor
from exactcnn.features.witness_weights import witness_weights
from exactcnn.linalg.pivots import row_pivots

if TYPE_CHECKING:
    from exactcnn.certificates.judgments import Draft

__all__ = ["LARGEST_ENCLOSED", "Solver", "independent_columns", "regular_part", "seeded_witness"]

# Up to this order the checker eliminates the enclosed matrix itself; beyond, solutions are published.
LARGEST_ENCLOSED = 40
PLACES = 72  # at which the checker encloses what solutions are about
_LEAST_STRENGTH = 4  # bits that one solution adds
_MOST_BALLS, _BALL_BITS = 4_000_000, 128


def regular_part(draft: Draft, instance: Instance, k: int) -> int:
    """The judgment that N columns of F_k are independent at the weights of ``instance``.

    UndecidedError where float64 does not lead there: a deficient or ill-conditioned matrix, an unknown activation.
    """
    N, weights = instance.N, instance.need_weights()
    key = k, id(weights) if weights.origin is None else weights.origin
    if key not in draft.shared:
        draft.shared[key] = (
            weights,
            *independent_columns(instance, k),
        )  # the weights are kept, so that their id stays theirs
    _, columns, part = draft.shared[key]
    others = None if instance.weights is draft.instance.weights else weights
    judgment: dict[str, Any] = {
        "kind": "minor-enclosed", "of": draft.features(k, others), "rows": list(range(N)), "columns": columns,
        "precision": 4 * N + 128 if N <= LARGEST_ENCLOSED else PLACES, "solutions": None,
    }  # fmt: skip
    if N <= LARGEST_ENCLOSED:
        return draft.add(judgment)
    if isinstance(part, Enclosure):
        part = Solver(part.mid.astype(np.longdouble), part.rad)
        # Balls bring eleven bits more at most, at twenty times the cost.
        if _LEAST_STRENGTH - 11 <= part.strength < _LEAST_STRENGTH:
            part = Solver(*_finer(instance, k, columns))
        if part.strength < _LEAST_STRENGTH:
            raise UndecidedError("the features are too ill-conditioned for float64")
        draft.shared[key] = weights, columns, part
    solver: Solver = part
    return draft.add(judgment, lambda record: solver.solutions(record, judgment))


def independent_columns(
    instance: Instance, k: int, F: Enclosure | None = None
) -> tuple[list[int], Enclosure]:
    """N columns of F_k (its enclosure, if it is known) that float64 finds independent, and F_k there."""
    F, N = feature_enclosure(instance, k) if F is None else F, instance.N
    if not (np.isfinite(F.mid).all() and np.isfinite(F.rad).all()) or F.mid.shape[1] < N:
        raise UndecidedError(f"F_{k} has too few columns, or no bounds in float64")
    pivots = row_pivots(np.ascontiguousarray(F.mid.T))
    if len(pivots) < N:
        raise UndecidedError(f"F_{k} looks deficient")
    columns = sorted(pivots)
    return columns, Enclosure(
        np.ascontiguousarray(F.mid[:, columns]), np.ascontiguousarray(F.rad[:, columns])
    )


def _finer(instance: Instance, k: int, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The columns of F_k as extended floats with radii, by balls; UndecidedError where that takes too long."""
    if instance.N * (instance.N + sum(instance.network.widths[1:k])) > _MOST_BALLS:
        raise UndecidedError("the features are too ill-conditioned for float64, and too many for balls")
    balls = feature_balls(instance, k, _BALL_BITS, columns)
    mid, rad = np.empty((instance.N, instance.N), dtype=np.longdouble), np.empty((instance.N, instance.N))
    for i, row in enumerate(balls):
        for j, ball in enumerate(row):
            high = float(ball)
            mid[i, j] = np.longdouble(high) + np.longdouble(float(ball - high))
            rad[i, j] = 2.0**-62 * abs(high) + float(ball.rad())
    return mid, rad


def seeded_witness(draft: Draft, k: int) -> int:
    """The same at weights of our own choice: by one witness, for almost every parameter of an analytic network."""
    refusal = UndecidedError("no weights were tried")
    for weights in witness_weights(draft.instance, k):
        instance = Instance(draft.instance.network, draft.instance.samples, weights)
        with suppress(UndecidedError):  # exact fields first, which no condition number disturbs
            found = feature_minor(FeatureMatrix(instance, k), enough=instance.N)
            if found.rank == instance.N:
                return draft.lower(found, k, weights)
        try:
            if instance.N > LARGEST_ENCLOSED:
                return regular_part(draft, instance, k)
        except UndecidedError as error:
            refusal = error
        with suppress(UndecidedError):
            balls = verified_minor(instance, k)
            if balls is not None and balls.rank == instance.N:
                return draft.lower(balls, k, weights)
    raise refusal


class Solver:
    """Solutions of A x = b for right-hand sides not yet known; the number of bits is fixed beforehand, by a trial."""

    def __init__(self, mid: np.ndarray, rad: np.ndarray) -> None:
        self.long, self.rad, self.order = mid, rad, len(mid)
        self.size = np.abs(mid.astype(np.float64))
        try:
            self.inverse = np.linalg.inv(mid.astype(np.float64))
        except np.linalg.LinAlgError:
            raise UndecidedError("the features are singular to float64") from None
        if not np.isfinite(self.inverse).all():
            raise UndecidedError("the features are singular to float64")
        trial = np.random.default_rng(0).uniform(-1.0, 1.0, (self.order, 2))
        bound = self._bound(trial, self._solve(trial))
        if not np.isfinite(bound):
            raise UndecidedError("the features are singular to float64")
        self.bits = min(48, int(-log2(bound)) - 4)
        self.strength = self.bits - (self.order.bit_length() + 1) // 2 - 1

    def _solve(self, b: np.ndarray) -> np.ndarray:
        right = b.astype(np.longdouble)
        x: np.ndarray = (self.inverse @ b).astype(np.longdouble)
        for _ in range(4):
            x = x + (self.inverse @ (right - self.long @ x).astype(np.float64)).astype(np.longdouble)
        return x

    def _bound(self, b: np.ndarray, x: np.ndarray) -> float:
        """About ||b - A x||_2 for the worst column and the worst A in the enclosure."""
        rest = np.abs((b.astype(np.longdouble) - self.long @ x).astype(np.float64))
        slack = (self.rad + 2.0**-60 * self.size) @ np.abs(x.astype(np.float64))
        return float(np.sqrt(((rest + slack) ** 2).sum(axis=0)).max()) + 2.0**-52

    def solutions(
        self, record: dict[str, Any], judgment: dict[str, Any], bits: int | None = None
    ) -> dict[str, Any]:
        """``bits``: fewer than ``self.bits``, for a larger bound of the least singular value by more solutions."""
        bits = self.bits if bits is None else bits
        count = ceil(SECURITY_BITS / (self.strength - self.bits + bits))
        drawn = [drawn_numerators(record, judgment, bits, self.order, j) for j in range(count)]
        b = np.array(drawn, dtype=np.longdouble).T / np.longdouble(2) ** 64
        x = self._solve(b)
        if self._bound(b, x) > 2.0 ** -(bits + 2):
            raise UndecidedError("a solution is worse than the trial")
        scale = self.bits + 20
        whole = np.rint(x * np.longdouble(2) ** scale)
        return {
            "bits": bits,
            "scale": scale,
            "vectors": [[json_integer(int(v)) for v in column] for column in whole.T],
        }
