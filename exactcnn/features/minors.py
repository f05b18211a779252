"""Floor 3: a non-zero minor of F_k, hence a lower bound for its rank."""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.arithmetic.primes import default_primes, odd_order_element, require_prime
from exactcnn.errors import UndecidedError
from exactcnn.features.matrix import FeatureMatrix, Substitution
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.modular_rank import rank_mod_p

__all__ = ["FeatureMinor", "feature_minor"]

_TRIES = 3


@dataclass(frozen=True)
class FeatureMinor:
    """``minor`` of the image of F_k under ``substitution`` (None: F_k is rational)."""

    minor: Minor
    substitution: Substitution | None

    @property
    def rank(self) -> int:
        return self.minor.rank

    @property
    def how(self) -> str:
        """Words for a reason: 'a minor of size 5 ..'."""
        return f"does not vanish mod {self.minor.prime}"


def feature_minor(
    features: FeatureMatrix, prime: int | None = None, *, enough: int | None = None
) -> FeatureMinor:
    """The largest minor found over a few primes; stops at ``enough`` or min(N, n_k).

    A small rank mod p proves nothing, so a failed prime is replaced and the best kept.
    Raises UndecidedError if the homomorphism is undefined for every prime tried.
    """
    primes = default_primes(_TRIES) if prime is None else [require_prime(prime)]
    goal = min(features.shape) if enough is None else min(enough, *features.shape)
    best: FeatureMinor | None = None
    refusal: UndecidedError | None = None
    for index, p in enumerate(primes):
        try:
            residues, substitution = features.residues(p, odd_order_element(p, index))
        except UndecidedError as error:
            refusal = error
            continue
        found = FeatureMinor(rank_mod_p(residues, p), substitution)
        if best is None or found.minor.rank > best.minor.rank:
            best = found
        if best.minor.rank >= goal:
            break
    if best is None:
        raise refusal or UndecidedError("no prime to try")
    return best
