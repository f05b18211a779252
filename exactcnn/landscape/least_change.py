"""Floor 4a: a change D of the output weights that nearly interpolates, of nearly least norm, for thousands of samples.

D ~ F^+ r by float solves, r = Y - F W - 1 b^T; nothing of them is believed.  What is left over, r - F D, is enclosed; the
exact correction is D + F^+ (r - F D), so that an interpolating W lies within ||D|| + ||r - F D|| / sigma_min(F): the second term
is small, and the bound as sharp as the floats are (theory 2.14, last paragraph).  No inverse is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure, affine
from exactcnn.errors import UndecidedError
from exactcnn.landscape.float_features import norm_bounds
from exactcnn.linalg.triangular_solves import backward, forward
from exactcnn.progress import report

__all__ = ["PLACES", "Change", "least_change", "left_over", "on_grid"]

PLACES = 64  # D is a multiple of 2^-64
_ORTHOGONAL = (
    4000  # samples up to which an orthogonal factor is affordable; its digits are twice those of F F^T
)
_STEPS = 3


@dataclass(frozen=True, eq=False)
class Change:
    """``D`` (n x m), floats that are multiples of 2^-PLACES; ``rest`` bounds ||r - F D||_F."""

    D: np.ndarray
    rest: Fraction

    @property
    def size(self) -> Fraction:
        """An upper bound of ||D||_F."""
        return Fraction(norm_bounds(Enclosure(self.D, np.zeros_like(self.D)))[1])


def least_change(F: Enclosure, r: Enclosure) -> Change:
    """F (N x n) of rank N by the looks of it; UndecidedError where floats do not solve."""
    N = F.mid.shape[0]
    report("least change of the output weights", 0, _STEPS)
    try:
        if N <= _ORTHOGONAL:
            Q, R = np.linalg.qr(F.mid.T)
            L = np.ascontiguousarray(R.T)
        else:
            L = np.linalg.cholesky(F.mid @ F.mid.T)
            Q = F.mid.T  # F^T (L L^T)^-1
        D = np.zeros((F.mid.shape[1], r.mid.shape[1]))
        for step in range(_STEPS):
            report("least change of the output weights", step, _STEPS)
            found = _each(forward, L, r.mid - F.mid @ D)
            D = on_grid(D + Q @ (found if N <= _ORTHOGONAL else _each(backward, L, found)))
    except np.linalg.LinAlgError:
        raise UndecidedError("the float features are singular") from None
    return Change(D, left_over(F, r, D)[1])


def _each(solve: Callable[..., Any], L: np.ndarray, V: np.ndarray) -> np.ndarray:
    """A triangular solve for each column of V."""
    columns = [solve(L, np.ascontiguousarray(column)) for column in V.T]
    return np.stack(columns, axis=1)


def on_grid(D: np.ndarray) -> np.ndarray:
    """The nearest multiples of 2^-PLACES: exact floats, or UndecidedError."""
    with np.errstate(all="ignore"):
        made: np.ndarray = np.ldexp(np.rint(np.ldexp(D, PLACES)), -PLACES)
    if not np.isfinite(made).all():
        raise UndecidedError("the float features are singular")
    return made


def left_over(F: Enclosure, r: Enclosure, D: np.ndarray) -> tuple[np.ndarray, Fraction]:
    """(about r - F D, an upper bound of its Frobenius norm)."""
    rest = affine(F, Enclosure(-D, np.zeros_like(D)), r)
    high = norm_bounds(rest)[1]
    if not np.isfinite(high):
        raise UndecidedError("what the change leaves over has no bound in float64")
    return rest.mid, Fraction(high)
