"""Floor 2: evidence about ranks.

A ``Minor`` proves rank >= r: the submatrix on ``rows`` and ``columns`` has a determinant
that is not 0 mod ``prime``.  A ``Kernel`` proves rank <= size - s: s vectors in the left or
right kernel, independent because each has a pivot at which no later vector has an entry.
Both can be verified against a matrix by ``holds_for``, which multiplies everything out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exactcnn.arithmetic.modular import residues
from exactcnn.errors import MisuseError
from exactcnn.notebook import badge

__all__ = ["Kernel", "KernelVector", "Minor", "RankEvidence"]


@dataclass(frozen=True)
class Minor:
    """det of the submatrix is not 0 mod ``prime``; hence rank >= len(rows)."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    prime: int

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.columns):
            raise MisuseError("columns", f"{len(self.rows)} columns, one for each row", len(self.columns))

    @property
    def rank(self) -> int:
        return len(self.rows)

    def holds_for(self, matrix: np.ndarray) -> bool:
        """Is the minor of this integer matrix (m x n) non-zero mod ``prime``?"""
        from flint import nmod_mat

        if len(set(self.rows)) != self.rank or len(set(self.columns)) != self.rank:
            return False
        if self.rank == 0:
            return True
        block = residues(np.asarray(matrix)[np.ix_(self.rows, self.columns)], self.prime)
        return int(nmod_mat(self.rank, self.rank, block.ravel().tolist(), self.prime).det()) != 0


@dataclass(frozen=True)
class KernelVector:
    """A sparse integer vector: ``entries`` are (index, value), indices increasing."""

    pivot: int
    entries: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Kernel:
    """Independent vectors v with v^T A = 0 (``left``) or A v = 0 (``right``)."""

    side: str
    size: int
    vectors: tuple[KernelVector, ...]

    @property
    def upper_bound(self) -> int:
        """rank <= size - s, size = number of rows (left) or of columns (right)."""
        return self.size - len(self.vectors)

    def independent(self) -> bool:
        """Are the pivots distinct, and absent from every later vector?"""
        earlier: set[int] = set()
        for vector in self.vectors:
            support = {index for index, value in vector.entries if value != 0}
            if vector.pivot not in support or support & earlier:
                return False
            earlier.add(vector.pivot)
        return True

    def dense(self) -> np.ndarray:
        """The vectors as rows of a matrix of Python integers, shape (s, size)."""
        matrix = np.zeros((len(self.vectors), self.size), dtype=object)
        for i, vector in enumerate(self.vectors):
            for index, value in vector.entries:
                matrix[i, index] = value
        return matrix

    def holds_for(self, matrix: np.ndarray) -> bool:
        """Do all vectors lie in the kernel of this integer matrix, and are they independent?"""
        from flint import fmpz_mat

        A = np.asarray(matrix)
        if self.side == "right":
            A = A.T
        if A.shape[0] != self.size or not self.independent():
            return False
        if not self.vectors or A.shape[1] == 0:
            return True
        used = sorted({index for vector in self.vectors for index, _ in vector.entries})
        rows = A[used]
        V = fmpz_mat(len(self.vectors), len(used), self.dense()[:, used].ravel().tolist())
        product = V * fmpz_mat(len(used), A.shape[1], [int(v) for v in rows.ravel().tolist()])
        return bool(product == fmpz_mat(len(self.vectors), A.shape[1]))


@dataclass(frozen=True)
class RankEvidence:
    """lower <= rank <= upper for an m x n matrix, with the evidence for both.

    ``kernel`` None means that ``upper`` is min(m, n).
    """

    shape: tuple[int, int]
    minor: Minor
    kernel: Kernel | None

    @property
    def lower(self) -> int:
        return self.minor.rank

    @property
    def upper(self) -> int:
        least = min(self.shape)
        return least if self.kernel is None else min(least, self.kernel.upper_bound)

    @property
    def decided(self) -> bool:
        return self.lower == self.upper

    @property
    def rank(self) -> int | None:
        """The rank if it is decided, else None."""
        return self.lower if self.decided else None

    def _repr_html_(self) -> str:
        m, n = self.shape
        verdict = "proved" if self.decided else "undecided"
        value = f"rank {self.rank}" if self.decided else f"rank between {self.lower} and {self.upper}"
        how = f"a minor of order {self.lower} that is not 0 mod {self.minor.prime}"
        above = (
            "" if self.kernel is None else f"; {len(self.kernel.vectors)} {self.kernel.side} kernel vectors"
        )
        return f"{badge(verdict)} {m} x {n} matrix: {value} ({how}{above})"

    def holds_for(self, matrix: Sequence[Sequence[int]] | np.ndarray) -> bool:
        """Verify both bounds against an integer matrix."""
        A = np.asarray(matrix, dtype=object).reshape(self.shape)
        return self.minor.holds_for(A) and (self.kernel is None or self.kernel.holds_for(A))
