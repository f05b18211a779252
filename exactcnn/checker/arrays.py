"""NumPy's part, optional: columns of large minors mod p, and their products with solutions (`core.matrices.Block`); the
comparisons of `core.order`; the polynomials of `core.cells` at many points.

Integers are below 2^63.  In products, floats are integers below 2^53 like every partial sum of theirs, hence exact in
whatever order they are added up.  Polynomials are rounded, within the bounds that `Table` proves.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

from .core.cells import FINE, NEAR, Cells
from .core.network import Node
from .core.numbers import Packing

LARGE = 10**6  # entries of a minor from which NumPy is worth loading
EXACT, LONGEST = 2**53, 2**20
NUMPY = "NumPy's products of integers in floats, exact below 2^53, and its element-wise operations, rounded as IEEE 754 says"


def load() -> Any:
    """NumPy, or None; its products here are many and small, so that threads inside them cost more than they bring."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import numpy
    except ImportError:
        return None
    return numpy


class Block:
    """A batch of rows of the minor, as an array of columns."""

    def __init__(self, numpy: Any, columns: Any) -> None:
        self.numpy, self.columns, self.count = numpy, columns, columns.shape[1]

    def products(self, vectors: list[list[int]], p: int) -> Iterator[list[int]]:
        """A x mod p for each vector."""
        X = self.numpy.array(vectors, dtype=float)
        yield from (X @ self.columns % p).astype(self.numpy.int64).tolist()


def block(packing: Packing, columns: list[int], p: int, period: int, images: Callable[[list[int]], list[int]]) -> Block | None:
    """Columns of numerators, packed; their images mod p depend on them mod `period` alone.  None where plain Python must do it."""
    fits = packing.size in (4, 8) and 0 < period < LONGEST and len(columns) * p * p < EXACT
    if not fits or (np := load()) is None:
        return None
    raw = np.frombuffer(b"".join(map(packing.raw, columns)), dtype=f"<u{packing.size}").reshape(len(columns), -1)
    keys = ((raw % period + -packing.shift % period) % period).astype(np.intp)
    met, table = np.flatnonzero(np.bincount(keys.ravel(), minlength=period)), np.zeros(period)
    table[met] = images(met.tolist())
    return Block(np, table[keys])


def singles_out(node: Node, rows: list[Any], filters: list[list[int]], owned: list[tuple[int, list[tuple[int, int]]]],
                bound: int) -> bool | None:
    """The comparisons of `core.order`: for each slot the pairs (place j, filter) such that z_i < z_j for all rows i before j;
    `bound` is one of all |z|.  None where plain Python must do them."""
    work = len(rows) * sum(len(pairs) for _, pairs in owned)
    if work * node.length < 10 * LARGE or bound >= EXACT or (np := load()) is None:
        return None
    flat = np.frombuffer(b"".join(rows), dtype=np.uint8) if isinstance(rows[0], bytes) else np.array(rows)
    columns = flat.reshape(len(rows), -1).T.copy()
    for slot, pairs in owned:
        taps = [r for r, u in enumerate(node.patches[slot]) if u >= 0]
        patch = columns[[node.patches[slot][r] for r in taps]].astype(np.float64)
        for start in range(0, len(pairs), 32):  # a few lines of z at a time
            block = pairs[start : start + 32]
            weights = np.array([[filters[t][r] for r in taps] for _, t in block], dtype=np.float64)
            for z, (j, _) in zip(weights @ patch, block, strict=True):
                if not z[:j].max(initial=-np.inf) < z[j]:
                    return False
    return True


class Table:
    """The polynomials of `Cells` as arrays, a row for each.  With s = s1 2^-31 + s2 2^-64, |s1| <= 2^26, |s2| <= 2^32, and
    a_1 = b 2^-22 + r, |a_1| < 8, a value is a_0 + s1 b 2^-53 + (s1 2^-31 r + s2 2^-64 a_1) + s^2 (a_2 + a_3 s + ..).

    In units of 2^-62: a_0 is cut (error 1) to 2^40 high + low; the second part is an integer of at most 2^60; the third is below
    2^35, its roundings below 2^-14; of the last, at most 2^52 Z for Z = sum |a_k| 2^-5(k-2) < 2^8, each term meets at most
    3 d roundings (of a_k, of k factors s, of the operations), d the degree, so that they cost 3 d Z / 2.  The sum of the two
    is rounded (Z / 2), then to an integer (1/2): together below (2 d + 5) Z + 4, and all integers are below 2^62.
    """

    def __init__(self, numpy: Any, cells: Cells) -> None:
        self.np, self.cells, self.count = numpy, cells, 0
        self.places = numpy.full((2 * NEAR << FINE) + 1, -1)  # the row of cell m, at m + NEAR 2^FINE
        self.floats = numpy.zeros((64, len(cells.series.one) + 3))  # a_1/4, 2^31 r, a_2, a_3, ..
        self.whole = numpy.zeros((64, 5), dtype=numpy.int64)  # high, low, b; error, slope over 2^10

    def learn(self, m: int, times: int) -> None:
        """A row for the cell m, if it has a polynomial that obeys the bounds."""
        u, cell = self.cells.u, self.cells.cell(m, times)
        if cell is None:
            return
        (coefficients, off, slope), n = cell, self.count
        a = [*coefficients[::-1], 0, 0]
        Z = sum(abs(x) >> (FINE + 1) * k for k, x in enumerate(a[2:])) + len(a)
        if abs(a[1]) >= 8 << u or 2**8 << u <= Z or slope >> u + 50:
            return
        if n == len(self.floats):
            self.floats, self.whole = (self.np.concatenate([x, 0 * x]) for x in (self.floats, self.whole))
        b, cut = a[1] + (1 << u - 23) >> u - 22, a[0] >> u - 62
        error = ((2 * len(a) + 5) * Z >> u) + 5 + (off >> u - 62)
        self.whole[n] = cut >> 40, cut & (1 << 40) - 1, b, error, (slope >> u - 10) + 1
        floats = [a[1] / (4 << u), (a[1] - (b << u - 22)) / (1 << u - 31), *(x / (1 << u) for x in a[2:])]
        self.floats[n, : len(floats)] = floats
        self.places[m + (NEAR << FINE)], self.count = n, n + 1


def values(cells: Cells, packing: Packing, x: int, most: int, radius: int, D: int) -> Any:
    """`Cells.values` of packed numerators up to `most`, packed; None where plain Python must do it."""
    lift, blur, FLOOR = cells.w - 61, -(-(radius << 62) // D) + 1, NEAR << FINE
    fits = packing.count << 13 >= LARGE and 62 <= cells.w <= 128 and packing.size >= 16 and blur < 2**50
    if not fits or (np := load()) is None:
        return None
    if most < 2**62 and D in [1 << k for k in range(1, 63)]:  # the last eight bytes of a field are v mod 2^64
        k, raw = D.bit_length() - 1, np.frombuffer(packing.raw(x), dtype=np.uint8).reshape(-1, packing.size)
        numerators = raw[:, :8].copy().view("<i8")[:, 0]
        floor, fraction = numerators >> k, numerators.view("<u8") << np.uint64(64 - k)
    else:
        numerators = packing.unpack(x)
        if max(map(abs, numerators)) >= D << 62:
            return None
        raw = np.frombuffer(b"".join([((v << 64) // D).to_bytes(16, "little", signed=True) for v in numerators]), dtype="<u8")
        fraction, floor = raw[::2], raw[1::2].view("<i8")
    table = cells.table = cells.table or Table(np, cells)
    near = (fraction >> np.uint64(63 - FINE)) + np.uint64(1) >> np.uint64(1)
    at = (floor << FINE) + near.astype(np.int64) + FLOOR
    s = (fraction - (near << np.uint64(64 - FINE))).view(np.int64)  # mod 2^64; at most 2^59
    far = (floor < -NEAR) | (floor >= NEAR)  # for Python
    at[far] = 0
    for m, times in zip(*np.unique(at[(table.places[at] < 0) & ~far], return_counts=True), strict=True):
        table.learn(int(m) - FLOOR, int(times))
    row = np.where(far, -1, table.places[at])
    (high, low, b, error, slope), a = table.whole[row].T, table.floats[row].T
    s1, size = s + 2**32 >> 33, s * 2.0**-64
    z = np.zeros(len(s))
    for coefficient in a[:1:-1]:
        z = z * size + coefficient
    rest = s1 * a[1] + (s - (s1 << 33)) * a[0] + size * size * z * 2.0**62
    low = low + (s1 * b << 9) + np.rint(rest).astype(np.int64)
    known = row >= 0
    width = 0 if not known.any() else int(error[known].max()) + (int(slope[known].max()) * blur >> 10) + 1 << lift
    if not known.all():
        missing = np.flatnonzero(~known).tolist()
        found, radius = cells.values([int(numerators[i]) for i in missing], radius, D)
        width = max(width, radius + (1 << lift))
        high, low = high.copy(), low
        high[missing], low[missing] = [x >> lift + 40 for x in found], [x >> lift & (1 << 40) - 1 for x in found]
    fields = np.zeros((len(s), packing.size), dtype=np.uint8)
    fields[:, 5:13] = (high + (low >> 40) + 2**62).astype("<i8").view(np.uint8).reshape(-1, 8)
    fields[:, :5] = (low & (1 << 40) - 1).astype("<i8").view(np.uint8).reshape(-1, 8)[:, :5]
    return int.from_bytes(fields.tobytes(), "little") - (packing.ones << 102) << lift, width
