"""Floor 6: how far the float program may be from the exact network by rounding alone.

A middle and a radius for every unit: the program's value lies within the radius of the middle.  Conventions of the
proof.  u is the program's unit roundoff, e the float64's of this computation itself.
* A sum of l products in any order, with any fused operations between, is off by at most gamma_m (|W|' |x| + load),
  m = l + 4 steps + 8, gamma_m = m u / (1 - m u) (Higham, Accuracy and Stability, 3.1 and 3.5); ``load`` bounds all
  shifts that were folded into the layer, which the program adds one after the other, and ``steps`` counts them.
* Fast convolutions (Winograd, FFT) are off by a multiple of the same bound, but normwise: therefore a convolution
  takes 64 times the largest of the layer's bounds, at every unit.
* Functions of the program's libraries are taken to be right within 256 u (1 + |z| + |sigma(z)|), and softplus
  within e^-20, where PyTorch changes the formula.
* Results below the smallest normal number may become 0.
What the program is off at a layer's input is carried through |W| and through enclosures of sigma on balls.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.data.samples import Samples
from exactcnn.errors import UndecidedError
from exactcnn.network.layers import Layer
from exactcnn.network.network import Network
from exactcnn.network.weights import Weights

__all__ = ["UNITS", "float_enclosure", "multiplications"]

# Unit roundoff and smallest normal number.
UNITS = {
    "float16": (2.0**-11, 2.0**-14), "bfloat16": (2.0**-8, 2.0**-126), "float32": (2.0**-24, 2.0**-126),
    "float64": (2.0**-53, 2.0**-1022),
}  # fmt: skip
_OWN = 2.0**-53
_FAST = 64.0
_FUNCTION = 256.0
_SOFTPLUS = 2.1e-9
_MOST_BALLS = 400_000

Pair = tuple[np.ndarray, np.ndarray]


def multiplications(network: Network) -> int:
    """Of one sample."""
    return sum(layer.patch_count * layer.patch_size * layer.filters for layer in network.layers)


def float_enclosure(
    network: Network, weights: Weights, loads: tuple[tuple[float, int], ...], samples: Samples, dtype: str
) -> Pair:
    """(middle, radius) of the last layer's units, shapes (N, n_L): no program in ``dtype`` that computes this network
    and only rounds is further from the middle than the radius.

    ``loads``: of each layer, the sum of all shifts folded into it, and their number.  UndecidedError where an
    activation cannot be enclosed, or the enclosures are too many.
    """
    unit, tiny = UNITS[dtype]
    if samples.N * sum(network.widths) > _MOST_BALLS and any(
        layer.activation is not None and _slope(layer.activation) is None for layer in network.layers
    ):
        raise UndecidedError("too many values to enclose")
    x = np.array([[float(v) for v in row] for row in samples.x.to_fractions()])

    def step(layer: Layer, sources: list[Pair]) -> Pair:
        mid, rad = sources[0]
        load, steps = loads[layer.index - 1]
        if layer.affine:
            mid, rad = _affine(layer, weights, load, steps, mid, rad, unit, tiny)
        elif layer.kind == "maxpool":
            patches = layer.patches
            hidden = [patches.gather(v) for v in (mid, rad)]
            mid = np.where(patches.real, hidden[0], -np.inf).max(axis=2)
            rad = np.where(patches.real, hidden[1], 0.0).max(axis=2)
        elif layer.kind != "activation":
            mid, rad = _mixture(layer, sources, load, unit, tiny)
        if layer.activation is None or layer.activation.name == "identity":
            return mid, rad
        return _activated(layer.activation, mid, rad, unit, tiny)

    with np.errstate(over="ignore", invalid="ignore"):
        mid, rad = network.carry(network.depth, (x, 2 * (unit + _OWN) * np.abs(x) + tiny), step)
    rad = np.where(np.isfinite(mid) & np.isfinite(rad), rad, np.inf)
    return mid, rad


def _floats(array: RationalArray) -> np.ndarray:
    flat = [int(v) / array.denominator for v in array.numerators.reshape(-1).tolist()]
    return np.array(flat, dtype=np.float64).reshape(array.shape)


def _affine(
    layer: Layer, weights: Weights, load: float, steps: int, mid: np.ndarray, rad: np.ndarray, unit: float,
    tiny: float,
) -> Pair:  # fmt: skip
    entry = weights[layer.index]
    W, patches = _floats(entry.W), layer.patches
    b = np.zeros(layer.width) if entry.b is None else _floats(entry.b)
    if b.size != layer.width:
        b = np.tile(b, layer.patch_count)
    new_mid, new_rad, sizes = [], [], []
    for row, spread in zip(mid, rad, strict=True):
        inside, around = patches.gather(row[None])[0], patches.gather(spread[None])[0]
        new_mid.append((inside @ W).reshape(-1) + b)
        new_rad.append((around @ np.abs(W)).reshape(-1))
        sizes.append(((np.abs(inside) + around) @ np.abs(W)).reshape(-1) + load)
    terms = layer.patch_size + 4 * steps + 8
    gamma = terms * (unit + _OWN) / max(1 - terms * (unit + _OWN), 1e-6)
    rounding = gamma * np.array(sizes) + terms * tiny
    if layer.kind == "conv":
        rounding = _FAST * rounding.max(axis=1, keepdims=True)
    return np.array(new_mid), np.array(new_rad) * (1 + 2 * terms * _OWN) + rounding


def _mixture(layer: Layer, sources: list[Pair], load: float, unit: float, tiny: float) -> Pair:
    mixture = layer.mixture
    mid, rad = (np.concatenate([pair[n] for pair in sources], axis=1) for n in (0, 1))
    c = np.array(mixture.coefficients, dtype=np.float64) / float(mixture.denominator)
    shifts = np.array(mixture.shifts, dtype=np.float64) / float(mixture.denominator)
    terms = c.shape[1] + 12
    values = (mid[:, mixture.indices] * c).sum(axis=2) + shifts
    spread = (rad[:, mixture.indices] * np.abs(c)).sum(axis=2)
    sizes = ((np.abs(mid) + rad)[:, mixture.indices] * np.abs(c)).sum(axis=2) + np.abs(shifts) + load
    return values, spread * (1 + 2 * terms * _OWN) + terms * (2 * (unit + _OWN) * sizes + tiny)


def _slope(activation: Activation) -> float | None:
    """The largest slope, of the piecewise linear ones."""
    return {"relu": 1.0, "identity": 1.0, "leaky_relu": 1.0}.get(activation.name)


def _activated(activation: Activation, mid: np.ndarray, rad: np.ndarray, unit: float, tiny: float) -> Pair:
    if _slope(activation) is not None:
        slope = float(dict(activation.parameters).get("slope", 0))
        value = np.where(mid > 0, mid, mid if activation.name == "identity" else slope * mid)
        return value, rad + 4 * (unit + _OWN) * (np.abs(value) + rad) + tiny
    value, spread = np.empty_like(mid), np.empty_like(rad)
    for place in np.ndindex(*mid.shape):
        if not (np.isfinite(mid[place]) and np.isfinite(rad[place])):
            value[place], spread[place] = mid[place], np.inf
            continue
        found = activation.ball(_ball(float(mid[place]), float(rad[place])))
        value[place] = float(found.mid())
        spread[place] = float(found.rad()) if found.is_finite() else np.inf
    more = _FUNCTION * (unit + _OWN) * (1 + np.abs(mid) + rad + np.abs(value) + spread)
    return value, spread * (1 + 2.0**-20) + more + (_SOFTPLUS if activation.name == "softplus" else 0) + tiny


def _ball(mid: float, rad: float) -> Any:
    import flint

    return flint.arb(mid, rad)
