"""Floor 5: solutions of A x = b for right-hand sides drawn after A was fixed (FORMAT.md 6, Lemmas 4 and 6).

The b_j come from the digest of everything the judgment depends on.  Mod p the checker multiplies, O(c r^2) instead of
O(r^3); over R the x_j are vectors of fixed-point numbers, found from an inverse in float64 and refined with residuals
in exact integers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from exactcnn.arithmetic.streams import uniform_residues
from exactcnn.arithmetic.texts import json_integer
from exactcnn.certificates.canonical import canonical_json
from exactcnn.errors import UndecidedError
from exactcnn.linalg.modular_rank import solve_mod_p

if TYPE_CHECKING:
    from exactcnn.linalg.streamed_lu import StreamedLU

__all__ = [
    "LARGEST_DIRECT_MINOR",
    "SECURITY_BITS",
    "SOLUTION_BITS",
    "challenges",
    "drawn_numerators",
    "real_solutions",
    "residue_solutions",
]

# The checker eliminates minors up to this size itself, in seconds.
LARGEST_DIRECT_MINOR = 150
SOLUTION_BITS = 32  # r of Lemma 6
SECURITY_BITS = 192


def _message(instance: dict[str, Any], judgment: dict[str, Any], j: int) -> bytes:
    h = hashlib.sha256(canonical_json({"instance": instance, "judgment": judgment})).digest()
    return b"exactcnn/challenge/2/" + h + j.to_bytes(4, "big")


def _bare(judgment: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in judgment.items() if key != "solutions"}


def challenges(instance: dict[str, Any], judgment: dict[str, Any], prime: int, size: int) -> list[list[int]]:
    """b_0 .. b_{c-1}, uniform mod ``prime``."""
    count, power = 0, 1
    while power < 2**SECURITY_BITS:
        count, power = count + 1, power * prime
    return [uniform_residues(_message(instance, _bare(judgment), j), size, prime) for j in range(count)]


def residue_solutions(
    instance: dict[str, Any], judgment: dict[str, Any], prime: int, minor: np.ndarray | StreamedLU
) -> list[list[int]]:
    """x_j with M x_j = b_j mod ``prime``, for the residue matrix M (r x r), or its decomposition."""
    order = minor.shape[0] if isinstance(minor, np.ndarray) else minor.rank
    right = np.ascontiguousarray(np.array(challenges(instance, judgment, prime, order), dtype=np.int64).T)
    X = solve_mod_p(minor, right, prime) if isinstance(minor, np.ndarray) else minor.solve(right)
    found: list[list[int]] = X.T.tolist()
    return found


def drawn_numerators(
    instance: dict[str, Any], judgment: dict[str, Any], bits: int, order: int, j: int
) -> list[int]:
    """b_j over 2^64: odd integers in (-2^64, 2^64)."""
    raw = hashlib.shake_256(_message(instance, {**_bare(judgment), "bits": bits}, j)).digest(8 * order)
    return [2 * int.from_bytes(raw[i : i + 8], "big") + 1 - 2**64 for i in range(0, 8 * order, 8)]


def real_solutions(
    instance: dict[str, Any], judgment: dict[str, Any], middle: np.ndarray, places: int, bits: int
) -> dict[str, Any]:
    """Evidence that M is regular, M being within one unit of ``middle`` / 2^places (Python integers, r x r).

    UndecidedError where float64 cannot lead the way (a condition beyond 10^14 or so).
    """
    order = middle.shape[0]
    count = -(-SECURITY_BITS // (bits - (order.bit_length() + 1) // 2 - 1))
    floats = (middle / 2**places).astype(np.float64)
    try:
        inverse = np.linalg.inv(floats)
    except np.linalg.LinAlgError:
        raise UndecidedError("the features are singular to float64") from None
    if not np.isfinite(inverse).all():
        raise UndecidedError("the features are singular to float64")
    scale = bits + 24 + int(np.abs(floats).max() * order + 1).bit_length()
    vectors = []
    for j in range(count):
        b = np.array(drawn_numerators(instance, judgment, bits, order, j), dtype=object)
        b = (b << scale) >> 64 if scale < 64 else b << (scale - 64)  # over 2^scale
        x = np.zeros(order, dtype=object)
        for _ in range(12):
            rest = b - (middle.dot(x) >> places)
            size = max(map(abs, rest))
            if size < 2 ** (scale - bits - 4) // order:
                break
            shift = max(0, int(size).bit_length() - 60)
            step = inverse @ (rest >> shift).astype(np.float64)
            x = x + np.array([int(v) << shift for v in np.rint(step)], dtype=object)
        else:
            raise UndecidedError("refinement does not converge")
        vectors.append([json_integer(int(v)) for v in x])
    return {"bits": bits, "scale": scale, "vectors": vectors}
