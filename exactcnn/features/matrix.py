"""Floor 3: the feature matrix F_k of an instance, in the domain its activation allows.

*rational*: layers 1..k are rational; F_k = V / D, and the rank is that of V.
*exponential*: layers below k are rational and sigma_k is sigmoid, tanh, silu, elu or
gaussian; with pre-activations n / D the features lie in Q(u), u = e^(1/D) (gaussian
e^(1/D^2)), which is a field of rational functions because u is transcendental (Lindemann).
Sending u to a unit g of GF(p) at which no denominator vanishes is a ring homomorphism on
the ring the entries generate, so a minor that is non-zero there is non-zero in R.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm

import numpy as np

from exactcnn.activations.entry import Exponents
from exactcnn.arithmetic import modular
from exactcnn.arithmetic.integers import largest
from exactcnn.errors import MalformedError, UndecidedError
from exactcnn.features.forward import (
    LayerValues,
    Pattern,
    decide_pattern,
    exact_values,
    require_rational,
    residue_values,
)
from exactcnn.features.instance import Instance
from exactcnn.network.layers import Layer

__all__ = ["FeatureMatrix", "Substitution"]

# Entries of F_k held at once; 8 bytes each, a handful of copies.
_LARGEST_MATRIX = 150_000_000
# Entries of exact F_k looked at together for the least denominator.
_MOST_EXACT_ENTRIES = 8_000_000
# Up to this many multiplications Python integers are quick enough to be the whole route.
_SMALL_EXACT_WORK = 20_000_000


@dataclass(frozen=True)
class Substitution:
    """u = e^(1/denominator) -> root in GF(p)."""

    denominator: int
    root: int


def _after(layer: Layer, bits: int) -> int:
    """Bits of numerators, or of denominators, after the layer's activation."""
    if layer.activation is None or layer.activation.degree is None:
        return bits
    return layer.activation.degree * bits + (64 if layer.activation.slope_below else 0)


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """F_k of an instance; raises UndecidedError where neither domain fits."""

    instance: Instance
    k: int

    def __post_init__(self) -> None:
        layer = self.instance.network.layer(self.k)
        for below in self.instance.network.upto(self.k)[:-1]:
            require_rational(below)
        if layer.activation is not None and layer.activation.kind == "other":
            raise UndecidedError(
                f"layer {self.k} has activation {layer.activation}, for which no exact field is known "
                "at given weights"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(N, n_k)."""
        return self.instance.N, self.instance.network.layer(self.k).width

    def require_dense(self) -> None:
        """MalformedError if F_k has too many entries to be held; ``ColumnBlocks`` may still pass through it."""
        N, width = self.shape
        if N * width > _LARGEST_MATRIX:
            raise MalformedError("F_k", f"at most {_LARGEST_MATRIX} entries", f"{N} x {width}")

    @property
    def domain(self) -> str:
        """``"rational"`` or ``"exponential"``."""
        activation = self.instance.network.layer(self.k).activation
        return "rational" if activation is None or activation.kind == "rational" else "exponential"

    @cached_property
    def exact_is_affordable(self) -> bool:
        """Is the exact pass affordable: 64-bit numbers all the way, or few operations?"""
        network, x = self.instance.network, self.instance.need_samples().x
        weights = self.instance.need_weights()
        bits, work = largest(x.numerators).bit_length(), 0
        denominator_bits = x.denominator.bit_length()
        for layer in network.upto(self.k):  # what branches add is counted as if they stood in a row
            work += x.shape[0] * layer.width * layer.patch_size
            if not layer.affine:
                if layer.kind != "maxpool":
                    m = layer.mixture
                    gain = largest(m.coefficients).bit_length() + m.indices.shape[1].bit_length()
                    bits += gain + largest(m.shifts).bit_length()
                    denominator_bits += m.denominator.bit_length()
                bits, denominator_bits = (_after(layer, b) for b in (bits, denominator_bits))
                continue
            entry = weights[layer.index]
            bias_bits = 0 if entry.b is None else entry.b.denominator.bit_length()
            denominator_bits += entry.W.denominator.bit_length() + bias_bits
            bits += largest(entry.W.numerators).bit_length() + layer.patch_size.bit_length() + bias_bits
            if entry.b is not None:
                bits = max(bits, largest(entry.b.numerators).bit_length() + denominator_bits) + 1
            bits, denominator_bits = (_after(layer, b) for b in (bits, denominator_bits))
        return bits <= 62 or work <= _SMALL_EXACT_WORK

    @cached_property
    def exact(self) -> LayerValues:
        """Numerators of F_k (rational) or of the pre-activations G_k (exponential)."""
        self.require_dense()
        values, _ = exact_values(self.instance, self.k, before_activation=self.domain == "exponential")
        return values

    @cached_property
    def _pattern(self) -> Pattern:
        return decide_pattern(self.instance, self.k)

    def _numerators_mod(self, modulus: int) -> LayerValues:
        if self.exact_is_affordable:
            return LayerValues(modular.residues(self.exact.numerators, modulus), self.exact.denominator)
        return residue_values(
            self.instance,
            self.k,
            modulus,
            self._pattern,
            before_activation=self.domain == "exponential",
        )

    def least_denominator(self, known: int) -> int:
        """The least D > 0 with D F_k integral, a divisor of ``known``; some samples mostly suffice."""
        if known not in self._least:
            least, N, start, step = 1, self.instance.N, 0, 8
            while least < known and start < N:
                rows = np.arange(start, min(start + step, N))
                part, _ = exact_values(self.instance, self.k, before_activation=False, rows=rows)
                common = gcd(part.denominator, *(int(v) for v in np.unique(part.numerators)))
                least = lcm(least, part.denominator // common)
                start, step = start + step, min(2 * step, max(8, _MOST_EXACT_ENTRIES // self.shape[1]))
            self._least[known] = least
        return self._least[known]

    @cached_property
    def _least(self) -> dict[int, int]:
        return {}

    def residues(self, prime: int, root: int) -> tuple[np.ndarray, Substitution | None]:
        """The image of (a non-zero multiple of) F_k in GF(prime), shape (N, n_k), int64.

        ``root`` is where u goes in the exponential domain.  Raises UndecidedError if the
        homomorphism is not defined: a pole, or prime dividing a denominator.
        """
        self.require_dense()
        if self.domain == "rational":
            values = self._numerators_mod(prime)
            if values.denominator % prime == 0:
                raise UndecidedError(f"{prime} divides a denominator of F_{self.k}")
            # FORMAT.md (6a) divides by `divisor`; solutions depend on the scale.
            surplus = values.denominator // self.least_denominator(values.denominator) % prime
            if surplus != 1:
                return values.numerators * pow(surplus, -1, prime) % prime, None
            return values.numerators, None
        exponents = self._numerators_mod(prime - 1)
        D = exponents.denominator
        if D % prime == 0 or root % prime == 0:
            raise UndecidedError(f"{prime} divides a denominator of F_{self.k}")
        return self.images(exponents.numerators, D, prime, root), Substitution(D, root)

    def images(self, n: np.ndarray, D: int, prime: int, root: int) -> np.ndarray:
        """The table of FORMAT.md 5.2, entry by entry; n is known mod prime - 1."""
        activation = self.instance.network.layer(self.k).activation
        assert activation is not None
        assert activation.builtin is not None
        assert activation.builtin.image is not None

        def whole() -> tuple[np.ndarray, np.ndarray]:
            exact = self.exact
            inverse = pow(exact.denominator, -1, prime)
            return exact.numerators, modular.residues(exact.numerators, prime) * inverse % prime

        return activation.builtin.image(Exponents(n, prime, root, whole), dict(activation.parameters))
