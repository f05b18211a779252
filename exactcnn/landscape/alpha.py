"""Floor 4a: Smale's alpha-test: a critical point near given weights, from derivatives at one point alone.

For F = Y g (g the gradient in the free coordinates, Y an approximate inverse of its derivative), in the maximum norm:
beta = ||DF(x)^-1 F(x)||, gamma = sup over k >= 2 of ||DF(x)^-1 D^k F(x) / k!||^(1/(k-1)).  If alpha = beta gamma <
(13 - 3 sqrt 17) / 4 then Newton's method converges from x to a zero of F within 2 beta (Smale; Wang and Han).
gamma by Cauchy: if |F| <= M on the polydisc of radius R around x, the homogeneous part of degree k is bounded by
M / R^k, and its multilinear form by k^k / k! times that, below (e / R)^k M.  With ||I - DF(x)|| <= kappa < 1 and
C = M / (1 - kappa): gamma <= max(C e^2 / R^2, e / R).

A second method beside ``krawczyk``: it needs analytic activations (complex balls) and proves existence, no uniqueness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Surface, flatten, unflatten
from exactcnn.landscape.domains import ComplexBallDomain
from exactcnn.landscape.krawczyk import PRECISION, Setting, candidate, preconditioner
from exactcnn.landscape.symmetries import Gauge, gauge_of

__all__ = ["AlphaTest", "alpha_test"]

_RADII = range(1, 40)


@dataclass(frozen=True, eq=False)
class AlphaTest:
    """Upper bounds; if ``passed`` there is a critical point within 2 ``beta`` of the weights (largest coordinate)."""

    alpha: Any
    beta: Any
    gauge: Gauge

    @property
    def passed(self) -> bool:
        from flint import arb

        return bool(self.alpha < (13 - 3 * arb(17).sqrt()) / 4)


def alpha_test(instance: Instance) -> AlphaTest:
    """At the given weights.  UndecidedError at kinks, for singular Hessians or activations that are not analytic."""
    from flint import arb, ctx

    with ctx.workprec(PRECISION):
        start = candidate(instance)
        gauge = gauge_of(start)
        setting = Setting(instance, start.point, gauge)
        H, g = setting.hessian(start), setting.gradient(start)
        Y, _, unit = preconditioner(H)
        defect = unit - Y * H
        kappa = max(
            (sum((abs(v) for v in row), arb(0)).upper() for row in defect.tolist()), key=float, default=arb(0)
        )
        if not kappa < 1:
            raise UndecidedError("the Hessian is too ill-conditioned for the alpha-test")
        first = max((abs(v).upper() for v in (Y * g).entries()), key=float, default=arb(0))
        beta = (first / (1 - kappa)).upper()
        best: Any = None
        values = flatten(start.point)
        for bits in _RADII:
            R = arb(2) ** -bits
            M = _bound(instance, setting, values, Y, R)
            if M is None:
                continue
            C, e = M / (1 - kappa), arb(1).exp()
            gamma = (C * (e / R) ** 2).max(e / R)
            alpha = (beta * gamma).upper()
            if best is None or alpha < best:
                best = alpha
            elif alpha > 16 * best:
                break
        if best is None:
            raise UndecidedError("no polydisc around the weights on which the gradient is analytic was found")
        # Beyond a unit of kinks nothing is claimed: the box of radius 2 beta must be smooth.
        if not setting.surface(
            setting.box(np.array([v.mid() for v in values], dtype=object), 2 * beta)
        ).smooth:
            raise UndecidedError("a unit may be at a kink within the radius of the alpha-test")
        return AlphaTest(best, beta, gauge)


def _bound(instance: Instance, setting: Setting, values: np.ndarray, Y: Any, R: Any) -> Any:
    """max |Y g| on the polydisc of radius R in the free coordinates, None where it is not analytic or finite."""
    from flint import acb, acb_mat, arb

    wide = np.array([acb(v) for v in values], dtype=object)
    for j in setting.gauge.free:
        wide[j] = acb(arb(values[j].mid(), R + values[j].rad()), arb(0, R))
    try:
        surface = Surface(instance, ComplexBallDomain(), unflatten(setting.like, wide))
    except UndecidedError:
        return None
    flat = surface.flat_gradient()
    product = acb_mat(Y) * acb_mat([[flat[j]] for j in setting.gauge.free])
    sizes = [abs(v).upper() for v in product.entries()]
    if not all(size.is_finite() for size in sizes):
        return None
    return max(sizes, key=float, default=arb(0))
