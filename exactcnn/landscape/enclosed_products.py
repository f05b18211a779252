"""Floor 4a: products, sums and scatterings of float64 enclosures, as passes forward and back need them.

Error analysis (u = 2^-53), as in ``arithmetic.enclosures``: a sum of l products, in any classical order, is off by at
most 2 (l + 1) u times the sum of the absolute values, and by 2^-1074 for each operation that underflows; a computed
radius, a sum of non-negative numbers of depth below l + 8, times 1 + 4 (l + 8) u is an upper bound of the exact one.
Both operands' radii multiply the same |W|, and so does the rounding: one product more gives the radius of all.

An *operand* comes with a number c such that its radii are at most c |mid|: floats that are exact have c = 0, correctly
rounded ones c = 2^-52.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError

__all__ = [
    "Operand",
    "Scattering",
    "enclosed_sum",
    "exact_zero",
    "operand",
    "plus",
    "product",
    "square_sum",
    "times",
    "transposed_product",
]

U = 2.0**-53
TINY = 2.0**-1060
_LEAST = 2.0**-1000


@dataclass(frozen=True, eq=False)
class Operand:
    """The exact numbers are within ``relative`` |mid| of ``mid``, entry by entry."""

    mid: np.ndarray
    relative: float

    @cached_property
    def size(self) -> np.ndarray:
        """|mid|."""
        size: np.ndarray = np.abs(self.mid)
        return size

    def enclosure(self) -> Enclosure:
        return Enclosure(self.mid, (self.relative * (1 + 4 * U)) * self.size)


def operand(array: RationalArray) -> Operand:
    """Rationals as correctly rounded floats; UndecidedError where one is beyond float64 or close to its end."""
    numerators, D = array.numerators, array.denominator
    power = D & (D - 1) == 0
    if numerators.dtype != object and D < 2**53:
        small = max(abs(int(numerators.max(initial=0))), abs(int(numerators.min(initial=0)))) < 2**53
        if small:  # both operands of the division are exact, and its result is not subnormal
            mid = numerators.astype(np.float64) / float(D)
            return Operand(mid, 0.0 if power else 2.0**-52)
    found, exact = np.empty(numerators.size), power
    for place, v in enumerate(numerators.ravel().tolist()):
        try:
            near = v / D
        except OverflowError:
            raise UndecidedError("a number is beyond float64") from None
        if v and not abs(near) > _LEAST:
            raise UndecidedError("a number is too small for float64")
        exact = exact and Fraction(near) * D == v
        found[place] = near
    return Operand(found.reshape(numerators.shape), 0.0 if exact else 2.0**-52)


def _finished(mid: np.ndarray, rad: np.ndarray, depth: int) -> Enclosure:
    rad = rad * (1.0 + 4.0 * (depth + 8) * U) + TINY * (depth + 8)
    bad = ~np.isfinite(mid) | ~np.isfinite(rad)
    if bad.any():
        rad[bad] = np.inf
        mid[bad] = 0.0
    return Enclosure(mid, rad)


def spread(x: Enclosure, relative: float, length: int) -> np.ndarray:
    """What of x multiplies |W| in the radius of x @ W, W an operand with ``relative`` and ``length`` rows."""
    found: np.ndarray = x.rad * (1.0 + relative) + (relative + 2.0 * (length + 1) * U) * np.abs(x.mid)
    return found


def product(x: np.ndarray, errors: np.ndarray, W: Operand, b: Operand | None = None) -> Enclosure:
    """x @ W + b (x, errors: (.., l), ``errors`` being the ``spread`` of the enclosure with midpoints x)."""
    length = x.shape[-1]
    mid, rad = x @ W.mid, errors @ W.size
    if b is not None:
        mid += b.mid
        rad += (b.relative + 2.0 * (length + 1) * U) * b.size
    return _finished(mid, rad, length)


def transposed_product(x: Enclosure, D: Enclosure) -> Enclosure:
    """x^T D, x (M, l), D (M, T): a sum over the M rows."""
    M = x.mid.shape[0]
    size = np.abs(D.mid)
    mid = x.mid.T @ D.mid
    rad = np.abs(x.mid).T @ (D.rad + (2.0 * (M + 1) * U) * size) + x.rad.T @ (size + D.rad)
    return _finished(mid, rad, M)


def enclosed_sum(D: Enclosure) -> Enclosure:
    """The sum over the first axis."""
    M = D.mid.shape[0]
    rad = D.rad.sum(axis=0) + (2.0 * (M + 1) * U) * np.abs(D.mid).sum(axis=0)
    return _finished(D.mid.sum(axis=0), rad, M)


def times(a: Enclosure, b: Enclosure) -> Enclosure:
    """Entry by entry; what is exactly 0 stays so."""
    mid = a.mid * b.mid
    rad = np.abs(a.mid) * b.rad + a.rad * (np.abs(b.mid) + b.rad) + (2 * U) * np.abs(mid)
    made = _finished(mid, rad, 8)
    nought = exact_zero(a) | exact_zero(b)
    made.rad[nought] = 0.0
    return made


def plus(a: Enclosure, b: Enclosure) -> Enclosure:
    """Entry by entry."""
    mid = a.mid + b.mid
    made = _finished(mid, a.rad + b.rad + (2 * U) * np.abs(mid), 8)
    made.rad[exact_zero(a) & exact_zero(b)] = 0.0
    return made


def exact_zero(x: Enclosure) -> np.ndarray:
    """Mask: exactly 0, without doubt."""
    mask: np.ndarray = (x.mid == 0) & (x.rad == 0)
    return mask


def square_sum(x: Enclosure) -> tuple[Fraction, Fraction]:
    """(low, high) for the sum of all squares, of every array in x; UndecidedError where there is no bound."""
    size = np.abs(x.mid)
    upper, lower = size + x.rad, np.maximum(size - x.rad, 0.0)
    # Each entry, its square and the sum round by at most (size + 4) u relatively; 2^-1000 pays for underflow.
    slack = (x.mid.size + 16) * 2.0**-51
    high = float((upper * upper).sum()) * (1.0 + slack) + 2.0**-900
    low = float((lower * lower).sum()) * (1.0 - slack) - 2.0**-900
    if not np.isfinite(high):
        raise UndecidedError("the bounds are beyond float64")
    return max(Fraction(low), Fraction(0)), Fraction(high)


class Scattering:
    """The adjoint of a gathering: unit u of the layer below gets the sum over all places that read it.

    ``indices``: which unit each place reads, those from ``units`` on being padding, which gets nothing.
    """

    def __init__(self, indices: np.ndarray, units: int) -> None:
        flat = indices.ravel()
        places = np.flatnonzero(flat < units)
        order = places[np.argsort(flat[places], kind="stable")]
        readers = flat[order]
        counts = np.bincount(readers, minlength=units)
        self.most = int(counts.max(initial=0))
        starts = np.cumsum(counts) - counts
        self.table = np.full((units, self.most), flat.size)  # the place of a 0 at the end
        self.table[readers, np.arange(order.size) - starts[readers]] = order

    def __call__(self, values: Enclosure) -> Enclosure:
        """(N, places) -> (N, units)."""
        N, units = values.mid.shape[0], self.table.shape[0]
        mid, size, rad = np.zeros((N, units)), np.zeros((N, units)), np.zeros((N, units))
        zero = np.zeros((N, 1))
        mids, rads = (np.concatenate([part, zero], axis=1) for part in (values.mid, values.rad))
        for j in range(self.most):
            part = mids[:, self.table[:, j]]
            mid += part
            size += np.abs(part)
            rad += rads[:, self.table[:, j]]
        nought = (size == 0) & (rad == 0)
        made = _finished(mid, rad + (2.0 * (self.most + 1) * U) * size, self.most)
        made.rad[nought] = 0.0
        return made
