"""Floor 4a: how far a zero-loss point is, changing only the matrix of layer k+1 under more dense layers (theory 2.13).

k the wide layer, layers k+1..L dense, rank F_k = N.  U_{k+1} + F_k^+ Z gives the pre-activations G_{k+1} + Z for
every Z (N x n_{k+1}), so the samples fall apart: for each i a z_i with h(g_i + z_i) = y_i, h: R^{n_{k+1}} -> R^m being
what the layers above compute.  z = A t with A a right inverse of the Jacobian (from floats, any matrix will do): m
equations in m unknowns, solved by Newton's method and proved by Krawczyk's test (``krawczyk``; the ball g_i
contains the exact one, and for each g in it the test gives a solution in the box).  Then
||dU_{k+1}||_F <= ||Z||_F / sigma_min(F_k).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import feature_balls
from exactcnn.features.instance import Instance
from exactcnn.landscape.domains import BallDomain
from exactcnn.landscape.interpolation import target_matrix
from exactcnn.linalg.singular_values import float_enclosure, smallest_singular_values
from exactcnn.progress import report

__all__ = ["DeepNearby", "nearby_by_newton", "wide_layer_below"]

_PRECISION = 192
_MOST_ENTRIES = 300_000
_STEPS = 60
_RADII = range(20, 150, 10)


@dataclass(frozen=True, eq=False)
class DeepNearby:
    """Some U_{k+1} within ``distance`` (Frobenius) of the given one gives zero loss; ``loss`` encloses Phi."""

    layer: int
    samples: int
    loss: tuple[Fraction, Fraction]
    distance: Fraction
    sigma: tuple[float, float]
    shift: Fraction  # ||Z||_F, the change of the pre-activations


def wide_layer_below(instance: Instance) -> int | None:
    """The highest k < L - 1 with n_k >= N and only dense layers above."""
    layers = instance.network.layers
    for k in range(len(layers) - 2, 0, -1):
        if layers[k].kind != "dense":
            return None
        if layers[k - 1].width >= instance.N:
            return k
    return None


def nearby_by_newton(instance: Instance, k: int) -> DeepNearby:
    """UndecidedError where a sample's equations are not solved or sigma_min(F_k) > 0 is not proved."""
    from flint import arb, arb_mat, ctx, fmpq

    N, network = instance.N, instance.network
    if N * network.layer(k).width > _MOST_ENTRIES:
        raise UndecidedError(f"F_{k} is too large for balls")
    Y = target_matrix(instance.need_samples(), network.widths[-1])
    balls = feature_balls(instance, k, _PRECISION)
    F = float_enclosure(balls)
    low, high = smallest_singular_values(Enclosure(F.mid[None], F.rad[None]))
    if not low[0] > 0:
        raise UndecidedError(f"float64 does not prove sigma_min(F_{k}) > 0")
    with ctx.workprec(_PRECISION):
        upper = _Upper(instance, k)
        G = (arb_mat(balls) * upper.W[0]).tolist()
        square, half = arb(0), arb(0)
        for i, row in enumerate(G):
            report("samples", i, N)
            g = [v + b for v, b in zip(row, upper.b[0], strict=True)]
            y = [arb(fmpq(int(v), Y.denominator)) for v in Y.numerators[i]]
            value, _ = upper.at(g)
            half += sum(((a - b) ** 2 for a, b in zip(value, y, strict=True)), arb(0)) / 2
            square += _solved(upper, g, y, i)
        shift = square.upper().sqrt().upper()
        distance = (shift / arb(float(low[0]))).upper()
        loss = max(Fraction(0), _fraction(half.lower(), down=True)), _fraction(half.upper())
        return DeepNearby(k, N, loss, _fraction(distance), (float(low[0]), float(high[0])), _fraction(shift))


class _Upper:
    """h and its Jacobian: from the pre-activations of layer k+1 to the outputs."""

    def __init__(self, instance: Instance, k: int) -> None:
        from flint import arb, arb_mat, fmpq

        def ball(array: RationalArray, index: Any) -> Any:
            return arb(fmpq(int(array.numerators[index]), array.denominator))

        self.layers = instance.network.layers[k:]
        self.W, self.b = [], []
        for layer in self.layers:
            entry = instance.need_weights()[layer.index]
            rows, columns = entry.W.shape
            self.W.append(arb_mat([[ball(entry.W, (r, t)) for t in range(columns)] for r in range(rows)]))
            self.b.append(
                [arb(0)] * columns if entry.b is None else [ball(entry.b, t) for t in range(columns)]
            )

    def at(self, g: list[Any]) -> tuple[list[Any], Any]:
        """h(g) and the matrix dh/dg transposed, (n_{k+1}, m); UndecidedError at a kink."""
        from flint import arb_mat

        domain, total = BallDomain(), None
        for place, layer in enumerate(self.layers):
            assert layer.activation is not None
            if place:
                g = [
                    v + b
                    for v, b in zip((arb_mat([g]) * self.W[place]).entries(), self.b[place], strict=True)
                ]
                total = total * self.W[place]
            jets = [domain.jet(layer.activation, v) for v in g]
            if any(first is None for _, first, _ in jets):
                raise UndecidedError(f"a unit of layer {layer.index} may be at a kink")
            n = len(g)
            slopes = [first for _, first, _ in jets]
            if total is None:
                total = arb_mat([[slopes[a] if a == b else 0 for b in range(n)] for a in range(n)])
            else:
                total = arb_mat([[v * s for v, s in zip(row, slopes, strict=True)] for row in total.tolist()])
            g = [value for value, _, _ in jets]
        return g, total


def _solved(upper: _Upper, g: list[Any], y: list[Any], sample: int) -> Any:
    """An upper bound of |z|^2 for some z with h(g + z) = y."""
    from flint import arb, arb_mat

    middle = [v.mid() for v in g]
    _, J = upper.at(middle)
    slopes = np.array([[float(v.mid()) for v in row] for row in J.tolist()])
    if not np.isfinite(slopes).all():
        raise UndecidedError(f"the Jacobian at sample {sample} is not finite")
    A = arb_mat([[arb(float(v)) for v in row] for row in np.linalg.pinv(slopes.T)])  # (n, m)
    m = slopes.shape[1]
    t = arb_mat([[arb(0)] for _ in range(m)])
    unit = arb_mat([[int(a == b) for b in range(m)] for a in range(m)])
    failure = UndecidedError(f"the equations of sample {sample} are not solved near the given weights")
    for _ in range(_STEPS):
        value, J = upper.at([a + b for a, b in zip(middle, (A * t).entries(), strict=True)])
        system = (J.transpose() * A).mid()
        rest = arb_mat([[a - b.mid()] for a, b in zip(value, y, strict=True)]).mid()
        try:
            step = system.solve(rest, algorithm="approx")
        except ZeroDivisionError:
            raise failure from None
        size = max(float(abs(v).upper()) for v in step.entries())
        if not size < 1e9:
            raise failure
        factor = min(1.0, 4.0 / size) if size > 0 else 1.0  # short steps at first
        t = (t - step * arb(factor)).mid()
        if size < 2.0**-120:
            break
    else:
        raise failure
    value, _ = upper.at([a + b for a, b in zip(g, (A * t).entries(), strict=True)])
    try:
        R = system.solve(unit, algorithm="approx").mid()
    except ZeroDivisionError:
        raise failure from None
    newton = [abs(v) for v in (R * arb_mat([[a - b] for a, b in zip(value, y, strict=True)])).entries()]
    for bits in _RADII[::-1]:
        rho = arb(2) ** -bits
        box = arb_mat([[arb(v.mid(), rho)] for v in t.entries()])
        try:
            _, J = upper.at([a + b for a, b in zip(g, (A * box).entries(), strict=True)])
        except UndecidedError:
            continue
        defect = (unit - R * (J.transpose() * A)).tolist()
        sums = [sum((abs(v) for v in row), arb(0)) for row in defect]
        if all(step + rho * s < rho for step, s in zip(newton, sums, strict=True)):
            z = (A * box).entries()
            return sum((v.abs_upper() ** 2 for v in z), arb(0)).upper()
    raise failure


def _fraction(x: Any, *, down: bool = False) -> Fraction:
    """A rational of few digits beyond x."""
    from flint import arb

    scaled = x * arb(2) ** 100
    whole = (scaled.lower().floor() if down else scaled.upper().ceil()).unique_fmpz()
    if whole is None:
        raise UndecidedError("the bounds are not finite")
    return Fraction(int(whole) + (-1 if down else 1), 1 << 100)
