"""Floor 4: is some partial derivative of the loss certainly not 0?  In balls or float64, of whatever size.

One answer for `critical-point` and `local-minimum`: an enclosure without 0, of a partial derivative that exists because no
unit at a kink that the loss feels is moved by its parameter, refutes both.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, nextafter

import numpy as np

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.streamed import Streamed, streamed
from exactcnn.linalg.singular_values import rounded_outwards

__all__ = ["EnclosedPartial", "Partial", "enclosing", "nonzero_partial", "not_zero"]


@dataclass(frozen=True)
class Partial:
    """The partial derivative by entry ``index`` of W_layer (row by row) or b_layer."""

    layer: int
    part: str
    index: int

    def __str__(self) -> str:
        return f"{self.part}_{self.layer}[{self.index}]"


@dataclass(frozen=True)
class EnclosedPartial:
    """What float64 says of the gradient: ``where`` is not 0 and lies in ``bounds``; None: ``reason`` says why not.

    ``loss`` encloses Phi.
    """

    where: Partial | None
    bounds: tuple[float, float] | None
    reason: str
    loss: tuple[Fraction, Fraction]


def nonzero_partial(instance: Instance) -> EnclosedPartial:
    """The output layer's partial derivatives first, which need no way back; UndecidedError where float64 has no bounds."""
    found = streamed(instance, "output")
    best = _largest(found)
    if best is None:
        found = streamed(instance, "all")
        best = _largest(found)
    if best is not None:
        where, low, high = best
        return EnclosedPartial(where, (low, high), "", found.loss)
    if found.touched:
        reason = f"the loss may have no derivative: {found.kinks} possible kinks that it feels"
    else:
        reason = (
            "all partial derivatives lie in enclosures around 0; whether they are exactly 0 is not decided"
        )
    return EnclosedPartial(None, None, reason, found.loss)


def _largest(found: Streamed) -> tuple[Partial, float, float] | None:
    """The partial derivative that is furthest from 0 among those that exist and are not 0, and its bounds."""
    best, at = 0.0, None
    for layer in found.instance.network.layers:
        entry = found.gradient[layer.index - 1]
        if entry is None or layer.index in found.touched:
            continue
        for part, x in (("W", entry[0]), ("b", entry[1])):
            if x is None or not x.mid.size:
                continue
            # One ulp inwards: the difference is rounded.
            least = np.nextafter(np.abs(x.mid) - x.rad, -np.inf).ravel()
            place = int(least.argmax())
            if least[place] > best:
                mid, rad = float(x.mid.ravel()[place]), float(x.rad.ravel()[place])
                best, at = float(least[place]), (Partial(layer.index, part, place), mid, rad)
    if at is None:
        return None
    where, mid, rad = at
    size = rounded_outwards(best, float(np.nextafter(abs(mid) + rad, np.inf)))
    high = float("inf") if size[1] is None else size[1]
    return where, *((size[0], high) if mid > 0 else (-high, -size[0]))


def enclosing(ends: tuple[Fraction, Fraction]) -> tuple[float, float]:
    """Floats around an enclosure of something non-negative; UndecidedError beyond float64."""
    low, high = ends
    if high > 10**300:
        raise UndecidedError("the loss is beyond float64")
    below = float(low)
    return max(nextafter(below, -inf), 0.0) if below > low else below, _above(high)


def _above(value: Fraction) -> float:
    near = float(value)
    return near if near >= value else nextafter(near, inf)


def not_zero(found: EnclosedPartial) -> str:
    """In words."""
    low, high = found.bounds or (0.0, 0.0)
    return (
        f"The partial derivative by {found.where} is not 0: it lies in [{low:g}, {high:g}], by float64 with proved "
        "bounds."
    )
