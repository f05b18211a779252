"""Floor 3: deep sigmoid, tanh and softplus features by nested specialisation (theory 2.4 to 2.6).

The claim is about almost every parameter.  Take W_l = s_l A_l, b_l = s_l beta_l with integers
A_l, beta_l and scales s_l > 0; up to s_l, a pre-activation of layer l is an integer (or half
integer) combination c of 1 and of the activations one layer below.

*Lemma.*  For all but countably many s, the numbers 1 and sigma(s c), over distinct |c| != 0,
are linearly independent over Q.  Proof.  As functions of s: sigma(s c) = 1/(1 + e^(-s c)) has
its poles at s = i pi (2m+1)/c, tanh(s c) at i pi (2m+1)/(2c); softplus has logarithmic branch
points there.  The singularity nearest to 0 of the largest |c| belongs to no other function, so
its coefficient vanishes; induct.  (For softplus |c| determines c here, because instances with
two opposite c, or with c = 0, are refused: ln(1+e^-t) = ln(1+e^t) - t.)  Hence each of the
countably many rational relations fails as an identity in s and holds for countably many s.

So below layer k the only relations are sigma(-c) = 1 - sigma(c), sigma(0) = 1/2 (tanh: odd),
and each symbol sigma(s c), up to those, may be sent to *any* residue.  At layer k, write c in a
Q-basis v_a of what lies below, halved; the e^(s v_a) are algebraically independent functions of
s (their monomials have distinct exponents), so send each to g^(e_a), any e_a.  A non-zero minor
of the image is a minor that does not vanish identically in s_k, hence a parameter with that rank;
the minor being analytic in the parameters, almost every parameter has it (Lemma A.2).
Softplus at layer k: logarithms of distinct 1 + e^(s c), |c| distinct, are algebraically independent
over the meromorphic functions (a relation's derivative leaves a residue; Ostrowski-Kolchin), so each entry
is sent to a free residue, equal entries to equal ones.

Formal combinations are compared by *keys*, their images under two linear maps to GF(M_1) x
GF(M_2) that send every symbol to a hash of its own key.  Unequal keys prove unequal
combinations; equal keys of unequal combinations only merge two free choices, which is allowed.
So no property of the hash matters for soundness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.activations.entry import Builtin, Exponents
from exactcnn.arithmetic import modular
from exactcnn.arithmetic.integers import narrow
from exactcnn.arithmetic.streams import symmetric_odd_numerators
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.network.layers import Layer

__all__ = ["KEY_MODULI", "NestedFeatures", "mix"]

KEY_MODULI = (2147483647, 2147483629)


def mix(keys: np.ndarray, salt: int) -> np.ndarray:
    """splitmix64's finaliser of key + salt * golden ratio, as uint64; any function would be sound."""
    z = keys + np.uint64((salt * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True, eq=False)
class NestedFeatures:
    """The image of F_k of ``network`` on ``samples`` under the specialisation of ``seed``.

    Integers A_l, beta_l are drawn from SHAKE-256, ``bits`` bits each.  Raises UndecidedError
    if a layer is not sigmoid, tanh or softplus, or a softplus layer meets opposite or zero keys.
    """

    instance: Instance
    k: int
    seed: int = 0
    bits: int = 10

    def __post_init__(self) -> None:
        for layer in self.instance.network.layers[: self.k]:
            if (
                layer.activation is None
                or layer.activation.builtin is None
                or not layer.activation.builtin.nested
            ):
                what = "max-pooling" if layer.activation is None else str(layer.activation)
                raise UndecidedError(
                    f"layer {layer.index} is {what}, which nested specialisation does not cover"
                )

    def _drawn(self, layer: Layer, part: str, count: int) -> np.ndarray:
        return symmetric_odd_numerators(
            f"exactcnn/nested/1/{self.seed}/{layer.index}/{part}", count, self.bits
        )

    def _combinations(self, layer: Layer, below: np.ndarray, modulus: int, one: int) -> np.ndarray:
        """c mod ``modulus`` for every unit, (N, n_l); ``one`` is the image of the constant 1."""
        assert layer.weight_shape is not None
        A = self._drawn(layer, "W", layer.patch_size * layer.filters).reshape(layer.weight_shape)
        gathered = layer.patches.gather(below)
        c = modular.matmul(gathered, modular.residues(A, modulus), modulus).reshape(-1, layer.width)
        if layer.bias != "none":
            beta = modular.residues(self._drawn(layer, "b", layer.bias_length), modulus) * one % modulus
            c = (c + (np.tile(beta, layer.patch_count) if layer.bias == "filter" else beta)) % modulus
        return c

    def image(self, prime: int, root: int) -> np.ndarray:
        """The image of F_k in GF(prime), (N, n_k), int64; prime = 3 mod 4, root a square."""
        network = self.instance.network
        order = (prime - 1) // 2
        x = narrow(self.instance.need_samples().x.numerators)
        keyed = [modular.residues(x, M) for M in KEY_MODULI]
        exponents = modular.residues(x, order)
        for layer in network.layers[: self.k]:
            assert layer.activation is not None
            assert layer.activation.builtin is not None
            c1, c2 = (
                self._combinations(layer, values, M, 1) for values, M in zip(keyed, KEY_MODULI, strict=True)
            )
            entry = layer.activation.builtin
            key, sign = self._canonical(c1, c2, entry, layer)
            if layer.index == self.k:
                if entry.image is None:
                    return (mix(key, 0) % np.uint64(prime)).astype(np.int64)
                m = self._combinations(layer, exponents, order, 1)
                return entry.image(Exponents(m, prime, root), {})
            keyed = [self._values(key, sign, entry, M, salt) for salt, M in enumerate(KEY_MODULI, start=1)]
            exponents = self._values(key, sign, entry, order, 3)
        raise AssertionError("unreachable: k is one of the layers")

    @staticmethod
    def _canonical(
        c1: np.ndarray, c2: np.ndarray, entry: Builtin, layer: Layer
    ) -> tuple[np.ndarray, np.ndarray]:
        """(key up to sign as uint64, sign in {-1, 0, 1}); softplus refuses opposites and zero."""
        M1, M2 = KEY_MODULI
        negative = (c1 > M1 // 2) | ((c1 == 0) & (c2 > M2 // 2))
        sign = np.where(negative, -1, 1)
        sign[(c1 == 0) & (c2 == 0)] = 0
        a, b = np.where(negative, (M1 - c1) % M1, c1), np.where(negative, (M2 - c2) % M2, c2)
        key = (a.astype(np.uint64) << np.uint64(32)) | b.astype(np.uint64)
        if entry.reflected is None:
            distinct, inverse = np.unique(key.ravel(), return_inverse=True)
            flags = np.zeros((distinct.size, 2), dtype=bool)
            flags[inverse.ravel(), (sign.ravel() < 0).astype(np.int64)] = True
            if (sign == 0).any() or flags.all(axis=1).any():
                raise UndecidedError(
                    f"{entry.name} layer {layer.index} meets opposite or zero pre-activations"
                )
        return key, sign

    @staticmethod
    def _values(key: np.ndarray, sign: np.ndarray, entry: Builtin, modulus: int, salt: int) -> np.ndarray:
        """The residues of the activations: a hash of the key, with sigma(c) + sigma(-c) as the entry says."""
        free = (mix(key, salt) % np.uint64(modulus)).astype(np.int64)
        if entry.reflected is None:
            return free
        if entry.reflected == 0:
            return sign * free % modulus
        half = pow(2, -1, modulus)
        opposite = (1 - free) % modulus
        return np.where(sign > 0, free, np.where(sign < 0, opposite, half))
