"""Floor 2: non-singularity of a ball matrix by an approximate inverse (theory 2.8).

If some matrix R has ||I - R A|| < 1 in an induced norm, then R A is non-singular (a Neumann
series inverts it) and so is A.  R is any matrix of rationals: here integers over 2^scale, as
few digits as the test needs, and the norm is the largest row sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

__all__ = ["VerifiedInverse", "verified_inverse"]


@dataclass(frozen=True, eq=False)
class VerifiedInverse:
    """R = ``inverse`` / 2^``scale``, a square table of integers, with ||I - R A||_inf < 1."""

    inverse: tuple[tuple[int, ...], ...]
    scale: int

    def row_sum(self) -> Fraction:
        """||R||_inf."""
        return Fraction(max(sum(map(abs, row)) for row in self.inverse), 1 << self.scale)

    def holds_for(self, A: Any) -> bool:
        """Is ||I - R A||_inf < 1/2 for every matrix in the square arb_mat A, at the current precision?

        1/2, not 1: who repeats the proof with slightly wider enclosures must succeed too.
        """
        from flint import arb, arb_mat, fmpz

        order = len(self.inverse)
        R = arb_mat([[fmpz(value) for value in row] for row in self.inverse]) * (arb(1) / (1 << self.scale))
        for i, row in enumerate((R * A).tolist()):
            total = arb(0)
            for j, entry in enumerate(row):
                total += abs(entry - 1) if i == j else abs(entry)
            if not total < arb(1) / 2:
                return False
        return bool(order == A.nrows() == A.ncols())


def verified_inverse(A: Any) -> VerifiedInverse | None:
    """A proof that every matrix in the square arb_mat A is non-singular, or None (which proves nothing).

    Works at the precision of ``flint.ctx``, which the caller sets.
    """
    from flint import arb, arb_mat

    order = A.nrows()
    unit = arb_mat([[int(i == j) for j in range(order)] for i in range(order)])
    try:
        X = A.mid().solve(unit, algorithm="approx")
    except ZeroDivisionError:
        return None
    size = max((abs(entry).upper() for entry in A.entries()), default=arb(0))
    if not size.is_finite() or not all(entry.is_finite() for entry in X.entries()):
        return None
    # Rounding R to 2^-scale changes a row sum of R A by at most order^2 * size / 2^(scale + 1).
    bound = size.upper().ceil().unique_fmpz()
    if bound is None:
        return None
    scale = (4 * order * order * int(bound)).bit_length()
    factor = arb(1 << scale)
    rounded = []
    for row in X.tolist():
        integers = [(entry.mid() * factor + arb("0.5")).floor().mid() for entry in row]
        whole = [entry.unique_fmpz() for entry in integers]
        if any(value is None for value in whole):
            return None
        rounded.append(tuple(int(value) for value in whole if value is not None))
    proof = VerifiedInverse(tuple(rounded), scale)
    return proof if proof.holds_for(A) else None
