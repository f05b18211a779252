"""Floor 3: F_k in float64 enclosures, and a float solution of F X = Y with a proved distance to an exact one.

For sizes where nothing exact or in balls is affordable (1,797 samples, 2,304 features).  All bounds are
those of ``arithmetic.enclosures``, ``arithmetic.exponentials`` and ``linalg.singular_values``; no
tolerance enters.

Activations: relu and leaky relu are 1-Lipschitz (on a ball that lies on one side the function is
linear), the maximum of a pool moves by at most the largest radius in it, rational and exponential
ones have their own enclosures.  Others are not known here: UndecidedError.

Certified solution.  Let rank F = N, X~ any floats, R = Y - F X~.  F^+ = F^T (F F^T)^{-1} has norm
1 / sigma_min(F), and X = X~ + F^+ R solves F X = Y, so ||X - X~||_F <= ||R||_F / sigma_min(F).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactcnn.arithmetic import enclosures
from exactcnn.arithmetic.enclosures import Enclosure, affine, enclose
from exactcnn.arithmetic.exponentials import EXPONENTIALS, exponential_feature
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.linalg.singular_values import smallest_singular_values
from exactcnn.network.layers import Layer
from exactcnn.network.weights import LayerWeights
from exactcnn.progress import report

__all__ = ["CertifiedSolution", "certified_solution", "feature_enclosure", "norm_bounds", "output_residual"]

_BLOCK_ENTRIES = 8_000_000
_MOST_ENTRIES = 100_000_000
_TINY = 2.0**-500


@dataclass(frozen=True, eq=False)
class CertifiedSolution:
    """X~ (n x m) with ||Y - F X~||_F <= ``residual``, ``sigma`` enclosing sigma_min(F).

    ``distance`` bounds ||X - X~||_F for some X with F X = Y exactly; None if sigma_min(F) > 0 is not
    proved, and then nothing is claimed.
    """

    X: np.ndarray
    residual: float
    sigma: tuple[float, float]

    @property
    def distance(self) -> float | None:
        low = self.sigma[0]
        if not low > 0 or not np.isfinite(self.residual):
            return None
        # One rounding of the quotient; 2^-1000 where it is subnormal.
        return float(self.residual / low * (1.0 + 2.0**-51) + 2.0**-1000)


def feature_enclosure(instance: Instance, k: int) -> Enclosure:
    """F_k (N, n_k) as floats with radii; UndecidedError for an activation not known here, or for the size."""
    network, x = instance.network, instance.need_samples().x
    if instance.N * max(network.widths[: k + 1]) > _MOST_ENTRIES:
        raise UndecidedError(f"F_{k} is too large for float64 enclosures")
    values = enclose(x.numerators, x.denominator)
    for layer in network.layers[:k]:
        if layer.kind == "maxpool":
            values = _pooled(layer, values)
            continue
        values = _activated(layer, _affine(layer, instance.need_weights()[layer.index], values))
    return values


def _affine(layer: Layer, entry: LayerWeights, below: Enclosure) -> Enclosure:
    W, T = enclose(entry.W.numerators, entry.W.denominator), layer.filters
    b = Enclosure(np.zeros((1, T)), np.zeros((1, T)))
    if entry.b is not None:
        found = enclose(entry.b.numerators, entry.b.denominator)
        b = Enclosure(found.mid.reshape(-1, T), found.rad.reshape(-1, T))
    samples = below.mid.shape[0]
    step = max(1, _BLOCK_ENTRIES // max(1, layer.patch_count * layer.patch_size))
    mids, rads = [], []
    for start in range(0, samples, step):
        report(f"enclosures of layer {layer.index}", start, samples)
        rows = slice(start, start + step)
        patches = Enclosure(layer.patches.gather(below.mid[rows]), layer.patches.gather(below.rad[rows]))
        G = affine(patches, W, b)
        mids.append(G.mid.reshape(-1, layer.width))
        rads.append(G.rad.reshape(-1, layer.width))
    return Enclosure(np.concatenate(mids), np.concatenate(rads))


def _activated(layer: Layer, G: Enclosure) -> Enclosure:
    activation = layer.activation
    assert activation is not None
    parameters = dict(activation.parameters)
    if activation.name == "identity":
        return G
    if activation.name == "square":
        return enclosures.square(G)
    if activation.name in ("relu", "leaky_relu"):
        below = enclosures.scaled(G, parameters.get("slope", Fraction(0)))
        active = G.mid >= 0
        # Across the kink the chord has slope at most 1: the float on its own side, with the larger radius.
        crossing = ~(G.positive() | G.negative())
        rad = np.where(active, G.rad, below.rad)
        rad = np.where(crossing, np.maximum(G.rad, below.rad), rad)
        rad = np.where(crossing, (rad + G.rad) * (1 + 2.0**-50), rad)
        return Enclosure(np.where(active, G.mid, below.mid), rad)
    if activation.name in EXPONENTIALS:
        return exponential_feature(activation.name, G, parameters.get("alpha", Fraction(1)))
    raise UndecidedError(f"layer {layer.index} has activation {activation}, which float64 does not enclose")


def _pooled(layer: Layer, below: Enclosure) -> Enclosure:
    """|max a - max b| <= max |a - b|; a padding place repeats the patch's first real neuron."""
    patches = layer.patches
    first = patches.indices[np.arange(patches.count), patches.real.argmax(axis=1)]
    places = np.where(patches.real, patches.indices, first[:, None])
    return Enclosure(below.mid[:, places].max(axis=2), below.rad[:, places].max(axis=2))


def norm_bounds(x: Enclosure) -> tuple[float, float]:
    """(low, high) for the Frobenius norm of every array in x.

    >>> low, high = norm_bounds(Enclosure(np.array([[3.0, 4.0]]), np.zeros((1, 2))))
    >>> bool(low <= 5 <= high < 5.0000001)
    True
    """
    with np.errstate(all="ignore"):
        magnitude = np.abs(x.mid)
        slack = (x.mid.size + 16) * 2.0**-51
        upper, lower = magnitude + x.rad, np.maximum(magnitude - x.rad, 0.0)
        high = float(np.sqrt((upper * upper).sum())) * (1.0 + slack) + _TINY
        low = float(np.sqrt((lower * lower).sum())) * (1.0 - slack) - _TINY
    if not np.isfinite(high):
        return 0.0, float("inf")
    return max(low, 0.0), high


def output_residual(
    F: Enclosure, X: Enclosure | np.ndarray, b: RationalArray | None, Y: RationalArray
) -> Enclosure:
    """Y - F X - 1 b^T, (N, m)."""
    weights = Enclosure(-X, np.zeros_like(X)) if isinstance(X, np.ndarray) else Enclosure(-X.mid, X.rad)
    target = enclose(Y.numerators, Y.denominator)
    if b is not None:
        shift = enclose(b.numerators, b.denominator)
        mid = target.mid - shift.mid
        rad = (target.rad + shift.rad + 2.0**-52 * np.abs(mid)) * (1.0 + 2.0**-50) + 2.0**-1060
        target = Enclosure(mid, rad)
    return affine(F, weights, target)


def certified_solution(F: Enclosure, Y: RationalArray) -> CertifiedSolution:
    """A float least-norm solution of F X = Y (N x n, N x m), and how far an exact solution is at most."""
    N, n = F.mid.shape
    if n < N or not np.isfinite(F.mid).all() or not np.isfinite(F.rad).all():
        raise UndecidedError(f"{n} columns for {N} samples, or features beyond float64")
    low, high = smallest_singular_values(Enclosure(F.mid[None], F.rad[None]))
    report("least-norm solution", 0, 1)
    y = Y.numerators.astype(np.float64) / float(Y.denominator)
    try:
        Q, R = np.linalg.qr(F.mid.T)
        X = Q @ np.linalg.solve(R.T, y)
        X = X + Q @ np.linalg.solve(R.T, y - F.mid @ X)  # one step of refinement
    except np.linalg.LinAlgError:
        raise UndecidedError("the float features are singular") from None
    residual = norm_bounds(output_residual(F, X, None, Y))[1]
    return CertifiedSolution(X, residual, (float(low[0]), float(high[0])))
