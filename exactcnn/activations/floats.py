"""Floor 1: float64 enclosures of activations: sigma of every number in an array of intervals, without libm.

Each module of ``builtin/`` bounds its error at a float; ``steepest`` leads from there to the true argument, within rad of
it.  ``_SLACK`` pays for the roundings of these bounds, ``_TINY`` for underflow.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from exactcnn.activations.activation import Activation
from exactcnn.arithmetic import enclosures
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.errors import UndecidedError

__all__ = ["enclosed", "require_enclosed"]

_TINY = 2.0**-990
_SLACK = 1.0 + 2.0**-40
# Some forty passes over an array: by parts that stay in cache.
_CACHED = 1 << 15


def require_enclosed(activation: Activation, where: str) -> None:
    """UndecidedError, naming ``where``, unless ``enclosed`` knows it."""
    entry = activation.builtin
    if entry is None or (entry.degree is None and entry.floats is None):
        raise UndecidedError(f"{where} has activation {activation}, which float64 does not enclose")
    alpha = dict(activation.parameters).get("alpha", Fraction(1))
    if not Fraction(1, 2**100) < alpha < 2**100:
        raise UndecidedError(f"{where} has an alpha out of the range of the float64 enclosures")


def enclosed(activation: Activation, t: Enclosure) -> Enclosure:
    """sigma of every number in t.

    >>> s = enclosed(Activation("sigmoid"), Enclosure(np.array([0.0]), np.array([0.0])))
    >>> bool(abs(s.mid[0] - 0.5) <= s.rad[0] < 1e-13)
    True
    """
    entry, slope = activation.builtin, activation.slope_below
    if slope is not None:
        return _rectified(t, slope)
    if activation.degree is not None:
        return enclosures.square(t) if activation.degree == 2 else t
    if entry is None or entry.floats is None:
        raise UndecidedError(f"float64 does not enclose {activation}")
    parameters = dict(activation.parameters)
    steepest = entry.steepest(parameters)
    t = Enclosure(np.ascontiguousarray(t.mid), np.ascontiguousarray(t.rad))
    result = Enclosure(np.empty(t.mid.shape), np.empty(t.mid.shape))
    flat = [array.reshape(-1) for array in (t.mid, t.rad, result.mid, result.rad)]
    for start in range(0, flat[0].size, _CACHED):
        at, within, found, error = (array[start : start + _CACHED] for array in flat)
        with np.errstate(all="ignore"):
            mid, rad = entry.floats(at, parameters)
            rad = (rad + steepest * within) * _SLACK + _TINY
        rad[~np.isfinite(mid) | ~np.isfinite(rad)] = np.inf
        found[...], error[...] = mid, rad
    return result


def _rectified(G: Enclosure, slope: Fraction) -> Enclosure:
    below = enclosures.scaled(G, slope)
    active = G.mid >= 0
    # Across the kink the chord has slope at most 1: the float on its own side, with the larger radius.
    crossing = ~(G.positive() | G.negative())
    rad = np.where(active, G.rad, below.rad)
    rad = np.where(crossing, np.maximum(G.rad, below.rad), rad)
    rad = np.where(crossing, (rad + G.rad) * (1 + 2.0**-50), rad)
    return Enclosure(np.where(active, G.mid, below.mid), rad)
