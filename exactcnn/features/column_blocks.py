"""Floor 3: F_k mod p by blocks of columns, as centred residues in floats, so that F_k itself is never held.

What is held is F_{k-1} (transposed, so that a patch is a few contiguous rows); a block of columns is a gather, one
product and one pass per position.  The product is exact: it is taken in float32 or float64 where its proved bound
(l max|x| max|w| < 2^24 or 2^53) fits, of the numbers themselves or of their residues.

*exponential* (sigmoid, tanh, gaussian): only the exponent mod p - 1 is needed, then a table of its p - 1 images.
*rational*: identity and square need residues, relu and leaky relu the sign of the exact number as well.
Everything else goes through the dense ``FeatureMatrix.residues``.
"""

from __future__ import annotations

from math import lcm
from typing import Any

import numba
import numpy as np

from exactcnn.arithmetic.integers import largest
from exactcnn.arithmetic.modular import residues
from exactcnn.errors import UndecidedError
from exactcnn.features.forward import LayerValues, decide_pattern, exact_values, residue_values, slope_below
from exactcnn.features.matrix import FeatureMatrix, Substitution
from exactcnn.linalg.modular_lu import centred_residues, float_type
from exactcnn.linalg.modular_panel import workers

__all__ = ["ColumnBlocks"]

_STRIP = 8192
# The table of images has p - 1 entries; beyond this it no longer stays in cache.
_LARGEST_TABLE = 1 << 16


class ColumnBlocks:
    """The image of F_k in GF(p), as ``FeatureMatrix.residues`` defines it, (N, n_k).

    Raises UndecidedError if the homomorphism is not defined.
    """

    def __init__(self, features: FeatureMatrix, prime: int, root: int) -> None:
        self.features, self.prime, self.root = features, prime, root
        self.dtype = float_type(prime)
        self.N, self.width = features.shape
        self.layer: Any = features.instance.network.layer(features.k)
        self.W: Any = None
        self.table: Any = None
        self.scale = self.scale_below = 1
        self.dense: np.ndarray | None = None
        self.substitution: Substitution | None = None
        if prime > _LARGEST_TABLE or not self.layer.affine or not self._prepare():
            dense, self.substitution = features.residues(prime, root)
            self.dense = centred_residues(dense, prime)

    def block(self, units: np.ndarray) -> np.ndarray:
        """The columns of these units, (N, len(units)), fresh and C-ordered."""
        if self.dense is not None:
            return np.ascontiguousarray(self.dense[:, units])
        out = np.empty((self.N, len(units)), dtype=self.dtype)
        T = self.layer.filters
        # Runs of units that are neighbouring filters at one position.
        breaks = (np.flatnonzero((np.diff(units) != 1) | (units[1:] % T == 0)) + 1).tolist()
        runs = list(zip([0, *breaks], [*breaks, len(units)], strict=True))
        with workers() as threads:

            def strip(start: int, end: int) -> None:
                for first, last in runs:
                    position, t = divmod(int(units[first]), T)
                    W = self.W[self.taps[position], t : t + last - first]
                    G = self.columns[self.gathers[position], start:end].T @ W
                    G += self.b[units[first] : units[first] + last - first]
                    self._image(G, out[start:end, first:last])

            threads.each(strip, self.N, _STRIP)
        return out

    def order(self, goal: int) -> np.ndarray:
        """All units, a few filters of every position first.

        Neighbouring filters at one position see the same few patches; with about as many units from every position
        as ``goal`` asks for, few columns are dependent on earlier ones.
        """
        T = self.layer.filters
        P = self.width // T
        group = min(T, max(1, -(-8 * goal // (7 * P))))
        units = np.arange(self.width).reshape(P, T)
        return np.concatenate([units[:, t : t + group].ravel() for t in range(0, T, group)])

    def _image(self, G: np.ndarray, out: np.ndarray) -> None:
        p = self.prime
        if self.table is not None:
            _look_up(G, self.modulus, self.table, out)
        elif self.layer.activation.degree == 2:
            _centred_squares(G, p, self.scale, out)
        else:
            _centred_pieces(G, p, self.scale, self.scale_below, out)

    def _prepare(self) -> bool:
        """The layer below, the weights and the bias as floats; False where only the dense route will do."""
        features, k, p = self.features, self.features.k, self.prime
        entry, exponential = self.layer.activation.builtin, features.domain == "exponential"
        if entry is None or (exponential and not entry.exponents_only):
            return False
        slope = slope_below(self.layer)
        self.modulus = p - 1 if exponential else p
        below = self._below(exact=slope is not None)
        entry = features.instance.need_weights()[k]
        product = below.denominator * entry.W.denominator
        denominator = product if entry.b is None else lcm(product, entry.b.denominator)
        self._affine(below.numerators, entry, denominator // product, denominator, exact=slope is not None)
        if self.W is None:
            return False
        if exponential:
            if denominator % p == 0 or self.root % p == 0:
                raise UndecidedError(f"{p} divides a denominator of F_{k}")
            every = np.arange(p - 1, dtype=np.int64)[:, None]
            images = features.images(every, denominator, p, self.root)
            self.table = centred_residues(images, p)[:, 0]
            self.substitution = Substitution(denominator, self.root)
            return True
        whole = (
            denominator**2
            if self.layer.activation.degree == 2
            else denominator * (slope.denominator if slope is not None else 1)
        )
        if whole % p == 0:
            raise UndecidedError(f"{p} divides a denominator of F_{k}")
        surplus = pow(whole // features.least_denominator(whole) % p, -1, p)
        self.scale = surplus * (slope.denominator if slope is not None else 1) % p
        self.scale_below = surplus * (slope.numerator if slope is not None else 1) % p
        return True

    def _below(self, exact: bool) -> LayerValues:
        features, (below,) = self.features, self.layer.sources
        if below == 0:
            x = features.instance.need_samples().x
            return LayerValues(x.numerators, x.denominator)
        if features.exact_is_affordable:
            return exact_values(features.instance, below, before_activation=False)[0]
        pattern = decide_pattern(features.instance, below)
        if exact:
            # Signs at layer k need exact numbers, which are too long here.
            return LayerValues(np.zeros((self.N, 0), dtype=object), 1)
        return residue_values(features.instance, below, self.modulus, pattern, before_activation=False)

    def _affine(self, x: np.ndarray, entry: Any, factor: int, denominator: int, exact: bool) -> None:
        """Sets columns (n_{k-1}, N), W (l, T) and b (n_k,), in a format that multiplies them exactly."""
        if x.shape[1] == 0 or (exact and (x.dtype == object or entry.W.numerators.dtype == object)):
            return
        W, b = entry.W.numerators.astype(object) * factor, np.zeros(self.layer.width, dtype=object)
        if entry.b is not None:
            b = entry.b.numerators.astype(object) * (denominator // entry.b.denominator)
            b = np.tile(b, self.layer.patch_count) if self.layer.bias == "filter" else b
        if not exact:
            x, W, b = (_centred_integers(v, self.modulus) for v in (x, W, b))
        bound = self.layer.patch_size * largest(x) * largest(W) + largest(b)
        if bound >= 2**53:
            return
        dtype = np.float32 if bound < 2**24 else np.float64
        self.columns = np.ascontiguousarray(x.T.astype(dtype))
        self.W, self.b = W.astype(dtype), b.astype(dtype)
        patches = self.layer.patches
        self.gathers = [row[real] for row, real in zip(patches.indices, patches.real, strict=True)]
        self.taps = [np.flatnonzero(real) for real in patches.real]


def _centred_integers(values: np.ndarray, modulus: int) -> np.ndarray:
    reduced = residues(values, modulus)
    return np.where(reduced > modulus // 2, reduced - modulus, reduced)


@numba.njit(cache=True, nogil=True)
def _look_up(G, modulus, table, out):  # type: ignore[no-untyped-def]
    """out <- table[G mod modulus], G integers in floats."""
    for i in range(G.shape[0]):
        for j in range(G.shape[1]):
            out[i, j] = table[np.int64(G[i, j]) % modulus]


@numba.njit(cache=True, nogil=True)
def _centred_pieces(G, p, above, below, out):  # type: ignore[no-untyped-def]
    """out <- above G (G >= 0) or below G, mod p, centred; G integers in floats, p < 2^16."""
    for i in range(G.shape[0]):
        for j in range(G.shape[1]):
            g = np.int64(G[i, j])
            r = (g % p) * (above if g >= 0 else below) % p
            out[i, j] = r - p if 2 * r > p else r


@numba.njit(cache=True, nogil=True)
def _centred_squares(G, p, scale, out):  # type: ignore[no-untyped-def]
    for i in range(G.shape[0]):
        for j in range(G.shape[1]):
            g = np.int64(G[i, j]) % p
            r = (g * g % p) * scale % p
            out[i, j] = r - p if 2 * r > p else r
