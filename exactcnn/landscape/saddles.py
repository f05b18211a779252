"""Floor 4a: critical points of positive loss in S_k when layer k+1 is convolutional (theory 3.4).

L = k + 2, T filters over the P patches that layer k+1 reads, R = 1 ybar^T - Y (N x m).  Put W_{k+1} = 0,
b_{k+1} = beta, b_L = ybar - U_L^T sigma(beta).  Then F_L = 1 ybar^T; grad by b_L is the column sum of R, 0;
grad by U_L is sigma(beta) times that, 0; all layers below get nothing through W_{k+1} = 0, and so does
b_{k+1}, whose derivative is again a column sum.  There remains grad by filter t of layer k+1,

    sum_p sigma'(beta) sum_c (U_L)_{(p,t),c} V_{p,c},     V_{p,c} = sum_i R_ic f_k^p(x_i),

so that for each filter the block (U_L)_{(.,t),.} has to lie in the kernel of the l_k x P m matrix
[V_{p,c}].  A generic element of it is taken, and the point is returned if U_L has full rank m and Y is not
constant: it is critical for all true parameters, lies in S_k if rank F_k = N, and Phi = 1/2 ||1 ybar^T - Y||^2 > 0.

It is always a strict saddle when some V is not 0: the second derivative in the direction (dW_{k+1} = w in filter
t, dU_L = u in the rows (p, t)) is 2 sigma'(beta) sum_c u_c <V_{p,c}, w> + |..|^2 with the mixed term indefinite.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.streams import symmetric_odd_numerators
from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.features.forward import exact_values
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import targets_of
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["construct_saddle"]

_TRIES = 4


def construct_saddle(instance: Instance, k: int, seed: int = 0) -> Weights | None:
    """Weights of all layers at which the loss is critical and positive; layers 1..k as given.

    None if no solution with U_L of full rank was found, or Y is constant.  MisuseError unless L = k + 2,
    layer k+1 is convolutional with biases and layer L dense and linear with biases; UndecidedError unless
    F_k is rational at the given weights and sigma_{k+1} has rational derivatives at beta.
    """
    network = instance.network
    if network.depth != k + 2 or network.layer(k + 1).kind != "conv" or not network.has_linear_output:
        raise MisuseError("layer", "k = L - 2 with layer k + 1 convolutional and a linear dense output", k)
    middle, top = network.layer(k + 1), network.layer(k + 2)
    if middle.bias == "none" or top.bias == "none":
        raise MisuseError("bias", "biases in the last two layers", "none")
    assert middle.activation is not None
    entry = middle.activation.builtin
    if entry is None or entry.base is None:
        raise UndecidedError(f"{middle.activation} has no rational value and slope that are known here")
    beta, value = entry.base
    values, _ = exact_values(instance, k, before_activation=False)
    Y = targets_of(instance)
    N, m = Y.shape
    # N R = 1 (column sums of Y) - N Y, an integer matrix over Y's denominator; scaling changes no kernel.
    R = Y.numerators.sum(axis=0, dtype=object)[None, :] - N * Y.numerators.astype(object)
    if not R.any():
        return None
    patches = middle.patches.gather(values.numerators.astype(object))  # (N, P, l)
    P, size, T = middle.patch_count, middle.patch_size, middle.filters
    V = np.tensordot(patches, R, axes=([0], [0]))  # (P, l, m)
    kernel = _nullspace(V.transpose(1, 0, 2).reshape(size, P * m))
    if not kernel.shape[0]:
        return None
    for attempt in range(_TRIES):
        drawn = symmetric_odd_numerators(f"exactcnn/saddle/1/{seed + attempt}", T * kernel.shape[0], 3)
        blocks = (drawn.reshape(T, -1).astype(object) @ kernel).reshape(T, P, m)
        U = blocks.transpose(1, 0, 2).reshape(P * T, m)
        if _rank(U) == m:
            ybar = [Fraction(int(s), N * Y.denominator) for s in Y.numerators.sum(axis=0, dtype=object)]
            b = [ybar[c] - value * int(U[:, c].sum()) for c in range(m)]
            entries = list(instance.need_weights().layers)
            zero = RationalArray.from_integers(np.zeros((size, T), dtype=np.int64))
            flat = RationalArray.from_integers(np.full(middle.bias_length, beta, dtype=np.int64))
            entries[k] = LayerWeights(zero, flat)
            entries[k + 1] = LayerWeights(RationalArray.from_integers(U), RationalArray.from_fractions(b))
            return Weights(tuple(entries))
    return None


def _nullspace(A: np.ndarray) -> np.ndarray:
    """Integer vectors spanning the right kernel of an integer matrix, as rows."""
    from flint import fmpz_mat

    basis, nullity = fmpz_mat(A.shape[0], A.shape[1], [int(v) for v in A.ravel()]).nullspace()
    rows = [[int(basis[i, j]) for i in range(A.shape[1])] for j in range(int(nullity))]
    return np.array(rows, dtype=object).reshape(int(nullity), A.shape[1])


def _rank(A: np.ndarray) -> int:
    from flint import fmpz_mat

    return int(fmpz_mat(A.shape[0], A.shape[1], [int(v) for v in A.ravel()]).rank())
