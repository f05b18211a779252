"""NumPy's part, optional: columns of large minors mod p, and their products with solutions (`core.matrices.Block`).

Numbers are below 2^63 in integers, and below 2^53 in floats like every partial sum of theirs, hence exact in whatever order
they are added up.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

from .core.numbers import Packing

LARGE = 10**6  # entries of a minor from which NumPy is worth loading
EXACT, LONGEST = 2**53, 2**20
NUMPY = "NumPy's products of integers in floats, exact below 2^53, and its element-wise operations"


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
