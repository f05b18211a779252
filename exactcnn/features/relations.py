"""Floor 3: kernel vectors of F_k, verified as exact relations.

In the exponential domain a relation sum c_i f_ij = 0 with integer c_i is verified formally:
every feature is a rational combination of 1 and one symbol (FORMAT.md 5.4), sigma(-t) =
1 - sigma(t) being the only identity used, and all coefficients must cancel.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from exactcnn.arithmetic.modular import residues
from exactcnn.errors import UndecidedError
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor
from exactcnn.linalg.evidence import Kernel, KernelVector
from exactcnn.linalg.kernels import modular_kernel_candidates, rational_kernel

__all__ = ["feature_kernel", "relation_holds"]

# Entries of exact F_k beyond this are not turned into Python integers for a kernel.
_LARGEST_KERNEL_MATRIX = 20_000_000


def relation_holds(features: FeatureMatrix, vector: KernelVector, side: str) -> bool:
    """Does the vector lie in the (left or right) kernel of an exponential F_k, formally?"""
    activation = features.instance.network.layer(features.k).activation
    assert activation is not None
    values = features.exact
    if activation.builtin is None or activation.builtin.formal is None:
        raise UndecidedError(f"activation {activation} has no formal features")
    formal, parameters = activation.builtin.formal, dict(activation.parameters)
    numerators = values.numerators if side == "left" else values.numerators.T
    support = [(c, numerators[index].tolist()) for index, c in vector.entries]
    for column in range(numerators.shape[1]):
        constant = Fraction(0)
        symbols: dict[int, Fraction] = defaultdict(Fraction)
        for c, row in support:
            fixed, key, coefficient = formal(row[column], values.denominator, parameters)
            constant += c * fixed
            symbols[key] += c * coefficient
        if constant or any(symbols.values()):
            return False
    return True


def feature_kernel(features: FeatureMatrix, found: FeatureMinor) -> Kernel | None:
    """Independent kernel vectors of F_k on the side that needs fewer, or None.

    Rational domain: all of them or None.  Exponential domain: those relations with rational
    coefficients that hold formally, which may be fewer than the true kernel has (its
    coefficients may be rational functions of u).
    """
    N, n = features.shape
    if N * n > _LARGEST_KERNEL_MATRIX:
        return None
    if features.domain == "rational":
        return rational_kernel(features.exact.numerators, found.minor, "left" if n >= N else "right")
    assert found.substitution is not None
    image, _ = features.residues(found.minor.prime, found.substitution.root)
    best: Kernel | None = None
    for side, size in sorted((("left", N), ("right", n)), key=lambda pair: pair[1]):
        candidates = modular_kernel_candidates(residues(image, found.minor.prime), found.minor, side)
        kept = tuple(vector for vector in candidates if relation_holds(features, vector, side))
        kernel = Kernel(side, size, kept)
        if kernel.upper_bound < min(N, n) and (best is None or kernel.upper_bound < best.upper_bound):
            best = kernel
        if best is not None and best.upper_bound == found.minor.rank:
            break
    return best
