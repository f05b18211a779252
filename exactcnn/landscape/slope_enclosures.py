"""Floor 4a: sigma' in float64 enclosures, without libm, for the activations that ``features.enclosures`` knows.

Error analysis (u = 2^-53; sigmoid, gaussian and e^-x as proved in ``activations.builtin``).

*Products of enclosures*: sigmoid' = s(t) s(-t); sigmoid2' = ln 2 s2(t) s2(-t); tanh' = 4 s(2t) s(-2t); softplus' =
s(alpha t); silu' = s(t) + t s(t) s(-t); gaussian' = -2 t e^(-t^2).
*At a float t, and a Lipschitz constant*: arctan' = 1 / (1 + t^2), three roundings, slope at most 3 sqrt(3) / 8 < 0.65;
gelu' = Phi(t) + t phi(t): Phi is off by less than 2^-45 (2^-62 for |t| > 9, where 0 or 1 is taken), phi(t) =
e^(-t^2/2) / sqrt(2 pi) by a relative error below 2^-46 and, for s = t^2/2 rounded, by s e^-s u < u; |t phi(t)| < 1/4, so that
all is off by less than 2^-43; its slope is phi(t) |2 - t^2| <= 2 phi(0) < 0.8.
*Pieces* (relu, leaky relu, elu): the slope of the side on which t certainly lies.  Where neither is certain the two
one-sided slopes and all between are enclosed, and the caller must know whether there is a kink; elu's left slope on
[-2 rad, 0] is at least alpha e^(-2 rad) >= alpha (1 - 2 rad).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from exactcnn.activations import Activation
from exactcnn.activations.floats import enclosed
from exactcnn.arithmetic.elementary import normal_tail
from exactcnn.arithmetic.enclosures import Enclosure, enclose, scaled
from exactcnn.arithmetic.exponentials import decaying
from exactcnn.errors import UndecidedError
from exactcnn.landscape.enclosed_products import plus, times

__all__ = ["PIECEWISE", "enclosed_slope", "has_kink", "sided_slope"]

PIECEWISE = ("relu", "leaky_relu", "elu")
_SIGMOID = Activation("sigmoid")
_ROOT = float.fromhex("0x1.9884533d43651p-2")  # 1 / sqrt(2 pi)
_LN_2 = float.fromhex("0x1.62e42fefa39efp-1")
_FAR = 9.0
_SLACK = 1.0 + 2.0**-40


def has_kink(activation: Activation) -> bool:
    """Are the one-sided slopes at 0 different?"""
    if activation.name == "elu":
        return dict(activation.parameters)["alpha"] != 1
    return activation.name in PIECEWISE


def enclosed_slope(activation: Activation, t: Enclosure) -> Enclosure:
    """sigma' of every number in t; UndecidedError for an activation not known here, or made of pieces.

    >>> s = enclosed_slope(Activation("sigmoid"), Enclosure(np.array([0.0]), np.array([0.0])))
    >>> bool(abs(s.mid[0] - 0.25) <= s.rad[0] < 1e-13)
    True
    """
    name, parameters = activation.name, dict(activation.parameters)
    with np.errstate(all="ignore"):
        if name == "identity":
            return Enclosure(np.ones_like(t.mid), np.zeros_like(t.mid))
        if name == "square":
            return Enclosure(2.0 * t.mid, 2.0 * t.rad)
        if name == "sigmoid":
            return _logistic(t)
        if name == "tanh":
            return _multiple(_logistic(Enclosure(2.0 * t.mid, 2.0 * t.rad)), 4.0, 0.0)
        if name == "sigmoid2":
            return _multiple(_logistic(t, Activation("sigmoid2")), _LN_2, 2.0**-53)
        if name == "softplus":
            return enclosed(_SIGMOID, scaled(t, parameters.get("alpha", Fraction(1))))
        if name == "silu":
            return plus(enclosed(_SIGMOID, t), times(t, _logistic(t)))
        if name == "gaussian":
            return times(Enclosure(-2.0 * t.mid, 2.0 * t.rad), enclosed(activation, t))
        if name == "arctan":
            mid = 1.0 / (1.0 + t.mid * t.mid)
            return _wide(mid, 2.0**-50 * mid + 0.65 * t.rad)
        if name == "gelu":
            return _gelu(t)
    raise UndecidedError(f"the slope of {activation} is not known in float64")


def sided_slope(
    activation: Activation, t: Enclosure, positive: np.ndarray, negative: np.ndarray
) -> Enclosure:
    """For PIECEWISE: the masks say where t is certainly above and below 0; elsewhere both slopes are enclosed."""
    with np.errstate(all="ignore"):
        return _sided(activation, t, positive, negative)


def _sided(activation: Activation, t: Enclosure, positive: np.ndarray, negative: np.ndarray) -> Enclosure:
    parameters = dict(activation.parameters)
    shape = t.mid.shape
    if activation.name == "elu":
        alpha = parameters["alpha"]
        a = enclose(np.array([alpha.numerator], dtype=object), alpha.denominator)
        least = np.minimum(t.mid, 0.0)
        grown = enclosed(activation, Enclosure(least, t.rad))
        below = plus(grown, Enclosure(np.broadcast_to(a.mid, shape), np.broadcast_to(a.rad, shape)))
        low = np.minimum(1.0, (a.mid - a.rad) * (1.0 - 2.0**-50)) * (1.0 - 2.0 * t.rad)
        high = np.maximum(1.0, a.mid + a.rad)
    else:
        slope = parameters.get("slope", Fraction(0))
        a = enclose(np.array([slope.numerator], dtype=object), slope.denominator)
        if slope == 0:
            a = Enclosure(np.zeros(1), np.zeros(1))
        below = Enclosure(np.broadcast_to(a.mid, shape), np.broadcast_to(a.rad, shape))
        low, high = np.broadcast_to(a.mid - a.rad, shape), np.ones(1)
    both = (low + high) / 2, (high - low) / 2 * _SLACK + 2.0**-50 * (np.abs(low) + high)
    mid = np.where(positive, 1.0, np.where(negative, below.mid, both[0]))
    rad = np.where(positive, 0.0, np.where(negative, below.rad, both[1]))
    bad = ~np.isfinite(mid) | ~np.isfinite(rad)
    return Enclosure(np.where(bad, 0.0, mid), np.where(bad, np.inf, rad))


def _logistic(t: Enclosure, sigma: Activation = _SIGMOID) -> Enclosure:
    """sigma(t) sigma(-t), each factor without cancellation."""
    return times(enclosed(sigma, t), enclosed(sigma, Enclosure(-t.mid, t.rad)))


def _multiple(x: Enclosure, factor: float, relative: float) -> Enclosure:
    """A number within ``relative`` of the float ``factor``, times x."""
    mid = x.mid * factor
    return _wide(mid, x.rad * factor + (relative + 2.0**-52) * (np.abs(mid) + x.rad * factor))


def _wide(mid: np.ndarray, rad: np.ndarray) -> Enclosure:
    rad = rad * _SLACK + 2.0**-990
    rad[~np.isfinite(mid) | ~np.isfinite(rad)] = np.inf
    return Enclosure(mid, rad)


def _gelu(t: Enclosure) -> Enclosure:
    a = np.abs(t.mid)
    tail = np.where(a > _FAR, 0.0, normal_tail(np.minimum(a, _FAR)))
    phi = _ROOT * decaying(0.5 * (t.mid * t.mid))
    mid = np.where(t.mid >= 0, 1.0 - tail, tail) + t.mid * phi
    return _wide(mid, 2.0**-43 + 0.8 * t.rad)
