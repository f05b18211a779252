"""Floor 5: Fiat-Shamir evidence that a large modular minor does not vanish (FORMAT.md 7).

For non-singular A the prover publishes x_j with A x_j = b_j, the b_j drawn from the digest
of everything the claim depends on.  The checker multiplies: O(r^2) instead of O(r^3).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from exactcnn.arithmetic.streams import uniform_residues
from exactcnn.certificates.canonical import canonical_json
from exactcnn.linalg.modular_rank import solve_mod_p

if TYPE_CHECKING:
    from exactcnn.linalg.streamed_lu import StreamedLU

__all__ = ["LARGEST_DIRECT_MINOR", "challenges", "solutions"]

# The checker eliminates minors up to this size itself, in seconds and without NumPy.
LARGEST_DIRECT_MINOR = 150
_SECURITY_BITS = 192


def challenges(instance: dict[str, Any], claim: dict[str, Any], prime: int, size: int) -> list[list[int]]:
    """b_0 .. b_{c-1}, uniform mod ``prime``; ``claim`` has no solutions yet."""
    h = hashlib.sha256(canonical_json({"instance": instance, "claim": claim})).digest()
    count, power = 0, 1
    while power < 2**_SECURITY_BITS:
        count, power = count + 1, power * prime
    return [
        uniform_residues(b"exactcnn/fiat-shamir/1/" + h + j.to_bytes(4, "big"), size, prime)
        for j in range(count)
    ]


def solutions(
    instance: dict[str, Any], claim: dict[str, Any], prime: int, minor: np.ndarray | StreamedLU
) -> list[list[int]]:
    """x_j with M x_j = b_j mod ``prime``, for the residue matrix M (r x r), or its decomposition."""
    order = minor.shape[0] if isinstance(minor, np.ndarray) else minor.rank
    right = np.ascontiguousarray(np.array(challenges(instance, claim, prime, order), dtype=np.int64).T)
    X = solve_mod_p(minor, right, prime) if isinstance(minor, np.ndarray) else minor.solve(right)
    found: list[list[int]] = X.T.tolist()
    return found
