"""Floor 2: an LU decomposition mod p of columns that arrive block by block (left-looking), kept in small integers.

P A Q = L U, where the columns of A that depend on earlier ones are left out.  A block that arrives is brought up to
date by all panels so far (U = L11^-1 B, B <- B - L21 U, reductions as in ``modular_lu``), then factored as a panel.
Nothing computed before is touched again but for swapped rows, hence

* memory is that of the factors, a byte an entry for p < 256: N = 60,000 takes 3.6 GB, not 14.4 GB in float32;
* columns without a pivot cost time but no memory, and need not exist before their turn;
* a panel on disk is final: ``Checkpoint`` writes one file for each, and the work survives a kill.

Floor: 2/3 N^3 operations, as for any elimination; reading the factors once for every block of 1,024 columns adds
N^3 / 2048 conversions from integers.
"""

from __future__ import annotations

from typing import Any, Protocol

import numba
import numpy as np

from exactcnn.linalg.float_modular import inverse_mod, reduce_in_place, subtract
from exactcnn.linalg.modular_lu import float_type
from exactcnn.linalg.modular_panel import Field, PanelFactors, Workers, panel_width, workers

__all__ = ["Panel", "Panels", "StreamedLU", "small_type", "update"]

_STRIP = 512


class Panel:
    """k columns of the decomposition.

    ``entries`` (m, k), integers: rows below ``first`` hold U, the next k rows L11 and U11 packed, the others L21;
    ``inverse`` (k, k): L11^-1, floats; ``columns``: their numbers; ``swaps``: as made when it was factored.
    """

    def __init__(
        self, first: int, entries: np.ndarray, inverse: np.ndarray, columns: list[int], swaps: list[int]
    ) -> None:
        self.first, self.entries, self.inverse = first, entries, inverse
        self.columns, self.swaps = columns, swaps

    @property
    def last(self) -> int:
        return self.first + len(self.columns)


class Panels(Protocol):
    """Where panels are kept beside memory; ``offered`` counts the columns offered so far."""

    def save(self, number: int, offered: int, panel: Panel) -> None: ...


def small_type(prime: int) -> Any:
    """The shortest integers that hold centred residues."""
    return next(t for t in (np.int8, np.int16, np.int32) if (prime - 1) // 2 <= np.iinfo(t).max)


def update(B: np.ndarray, panel: Panel, field: Field, threads: Workers) -> None:
    """Rows of U for the columns B, and B <- B - L21 U below them."""
    top = panel.inverse @ B[panel.first : panel.last]
    reduce_in_place(top, *field)
    B[panel.first : panel.last] = top
    below, L21 = B[panel.last :], panel.entries[panel.last :]

    def strip(start: int, end: int) -> None:
        subtract(below[start:end], L21[start:end].astype(B.dtype) @ top, *field)

    threads.each(strip, len(below), _STRIP)


class StreamedLU:
    """The decomposition of a matrix with m rows; ``offer`` columns, then ``solve``.

    >>> lu = StreamedLU(2, 251)
    >>> [lu.offer(np.array([[c], [2 * c + c // 3]], dtype=np.float32)) for c in (0, 1, 2, 3)]
    [0, 1, 0, 1]
    >>> lu.columns
    [1, 3]
    """

    def __init__(self, rows: int, prime: int, keep: Panels | None = None) -> None:
        dtype = float_type(prime)
        self.m, self.prime, self.keep = rows, prime, keep
        self.field = Field(prime, dtype)
        self.width = panel_width(prime, dtype)
        self.small = small_type(prime)
        self.order = np.arange(rows)
        self.panels: list[Panel] = []
        self.offered = 0

    @property
    def rank(self) -> int:
        return self.panels[-1].last if self.panels else 0

    @property
    def rows(self) -> list[int]:
        """Rows of a minor of order ``rank`` that does not vanish mod p, increasing."""
        return sorted(self.order[: self.rank].tolist())

    @property
    def columns(self) -> list[int]:
        """Its columns, increasing: the first independent ones of those offered."""
        return sorted(self._labels())

    def _labels(self) -> list[int]:
        return [c for panel in self.panels for c in panel.columns]

    def restore(self, panel: Panel, offered: int) -> None:
        """Take a panel that was saved, after those before it; its swaps are done to the earlier ones."""
        self._swap_earlier(panel)
        self.panels.append(panel)
        self.offered = offered

    def offer(self, B: np.ndarray, labels: np.ndarray | None = None, enough: int | None = None) -> int:
        """How many of these columns, centred residues (m, w), are independent of all before them and each other.

        At most ``width`` columns; B is overwritten.  ``labels``: their numbers, by default counted as offered.
        ``enough``: a rank beyond which no column is taken.
        """
        w, first = B.shape[1], self.rank
        most = (self.m if enough is None else min(enough, self.m)) - first
        if most <= 0 or w == 0:
            self.offered += w
            return 0
        with workers() as threads:
            B = np.take(B, self.order, axis=0) if self.panels else np.ascontiguousarray(B)
            for panel in self.panels:
                update(B, panel, self.field, threads)
            P = np.ascontiguousarray(B[first:].T)
            found = PanelFactors(P, self.field, threads)
        # The leading pivots of a panel are a panel, whatever rows were swapped for the others.
        pivots, k = found.pivots[:most], min(len(found.pivots), most)
        if k:
            entries = np.empty((self.m, k), dtype=self.small)
            entries[:first] = B[:first, pivots]
            entries[first:] = P[pivots].T
            numbers = np.arange(self.offered, self.offered + w) if labels is None else labels
            panel = Panel(first, entries, found.inverse[:k, :k].copy(), numbers[pivots].tolist(), found.swaps)
            self._swap_earlier(panel)
            self.panels.append(panel)
        self.offered += w
        if k and self.keep is not None:
            self.keep.save(len(self.panels) - 1, self.offered, self.panels[-1])
        return k

    def _swap_earlier(self, panel: Panel) -> None:
        for place, source in enumerate(panel.swaps):
            if source != place:
                pair, swapped = (
                    [panel.first + place, panel.first + source],
                    [panel.first + source, panel.first + place],
                )
                self.order[pair] = self.order[swapped]
                for earlier in self.panels:
                    earlier.entries[pair] = earlier.entries[swapped]

    def centred(self, values: np.ndarray) -> np.ndarray:
        """Integers (a, b) as centred residues in floats."""
        reduced = values % self.prime
        return np.ascontiguousarray(
            np.where(2 * reduced > self.prime, reduced - self.prime, reduced), dtype=self.field.dtype
        )

    def solve(self, right: np.ndarray) -> np.ndarray:
        """X (r, t), residues in [0, p), with M X = right mod p for the minor M on ``rows`` and ``columns``.

        ``right`` (r, t): integers, row i belonging to the i-th of ``rows``; row j of X to the j-th of ``columns``.
        """
        r = self.rank
        place = np.argsort(np.argsort(self.order[:r]))  # of each pivot row among the sorted rows
        y = self.centred(np.asarray(right, dtype=np.int64)[place])
        for panel in self.panels:  # L y = right
            own = panel.inverse @ y[panel.first : panel.last]
            reduce_in_place(own, *self.field)
            y[panel.first : panel.last] = own
            for start in range(panel.last, r, _STRIP):
                end = min(start + _STRIP, r)
                subtract(y[start:end], panel.entries[start:end].astype(y.dtype) @ own, *self.field)
        for panel in reversed(self.panels):  # U x = y
            own = y[panel.first : panel.last]
            _solve_upper(panel.entries[panel.first : panel.last].astype(y.dtype), own, self.field)
            for start in range(0, panel.first, _STRIP):
                end = min(start + _STRIP, panel.first)
                subtract(y[start:end], panel.entries[start:end].astype(y.dtype) @ own, *self.field)
        return y[np.argsort(self._labels())].astype(np.int64) % self.prime


def _solve_upper(U: np.ndarray, y: np.ndarray, field: Field) -> None:
    """y <- U^-1 y mod p by halves: nearly all of it is one product."""
    k = len(U)
    if k <= 32:
        _back_substitution(U, y, *field)
        return
    half = k // 2
    _solve_upper(U[half:, half:], y[half:], field)
    subtract(y[:half], U[:half, half:] @ y[half:], *field)
    _solve_upper(U[:half, :half], y[:half], field)


@numba.njit(cache=True, nogil=True)
def _back_substitution(U, y, p, inverse, h):  # type: ignore[no-untyped-def]
    """y <- U^-1 y mod p, the upper triangle of U (k, k), y (k, t), centred floats."""
    k, t = y.shape
    modulus = np.int64(p)
    for i in range(k - 1, -1, -1):
        unit = inverse_mod(np.int64(U[i, i]), modulus)
        for c in range(t):
            total = np.int64(y[i, c])
            for j in range(i + 1, k):
                total = (total - np.int64(U[i, j]) * np.int64(y[j, c])) % modulus
            value = total * unit % modulus
            y[i, c] = value - modulus if value > h else value
