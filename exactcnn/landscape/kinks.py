"""Floor 4a: is a point at kinks of ReLUs a local minimum?  An exact test on the finitely many smooth pieces.

Let G_j, j in K, be the pre-activations that are 0 at theta.  Each choice of signs s gives a smooth piece Phi_s (slopes
by s), and near theta every point lies on the piece that its own signs choose.  With independent normals n_j = grad G_j
all 2^|K| cones {s_j n_j . d > 0} are non-empty.  Write grad Phi_s = sum_j s_j lambda_j n_j + rest:
* a rest, or some lambda_j < 0: some d in the open cone has grad Phi_s . d < 0, and Phi descends along it;
* all lambda_j > 0 and no rest, on every piece: Phi_s grows to first order off the face {n_j . d = 0 for all j}; if its
  Hessian is positive definite on the face too, theta is a strict minimum of Phi_s on its cone (second-order sufficient
  conditions with strict complementarity); a negative direction in the face, along which no sign changes, descends.
  For this the G_j must be linear in the parameters: kinks of layer 1.
Symmetries are divided out first (``symmetries``): everything is in the free coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Kink, Surface, point_of
from exactcnn.landscape.domains import ExactDomain, ln_two
from exactcnn.landscape.inertia import exact_inertia
from exactcnn.landscape.krawczyk import PRECISION, candidate
from exactcnn.landscape.symmetries import Gauge, gauge_of

__all__ = ["KinkTest", "kink_test", "kinks_of"]

MOST_KINKS = 10


@dataclass(frozen=True)
class KinkTest:
    """``minimum``: a local minimum (up to the gauge's symmetries), or none.  ``signs``: the piece that decided."""

    minimum: bool
    pieces: int
    gauge: Gauge
    signs: tuple[int, ...] | None
    reason: str


def kinks_of(surface: Surface) -> list[Kink]:
    """All units at a kink, felt or not."""
    found = []
    for layer in surface.layers:
        first = surface.first[layer.index]
        if first is not None:
            found += [Kink(layer.index, int(i), int(h)) for (i, h), v in np.ndenumerate(first) if v is None]
    return found


def kink_test(instance: Instance) -> KinkTest:
    """UndecidedError where the test does not decide: more than 10 kinks, dependent normals, a lambda_j = 0, ties of
    pools, numbers outside Q, kinks above layer 1 that no descent refutes."""
    from flint import ctx

    domain = ExactDomain()
    point = point_of(instance, domain)
    here = Surface(instance, domain, point)
    kinks = kinks_of(here)
    if here.tied:
        raise UndecidedError("a pooling patch has a tie")
    if not 0 < len(kinks) <= MOST_KINKS:
        raise UndecidedError(f"{len(kinks)} units are at a kink, and this test is for 1 to {MOST_KINKS}")
    with ctx.workprec(PRECISION):
        gauge = gauge_of(candidate(instance, smooth_only=False))
    free, unclear = list(gauge.free), ""
    count = 0
    for signs in product((1, -1), repeat=len(kinks)):
        count += 1
        piece = Surface(instance, domain, point, sides=dict(zip(kinks, signs, strict=True)))
        normals = [_rational(piece.unit_gradient(kink)[free]) for kink in kinks]
        gradient = _rational(piece.flat_gradient()[free])
        multipliers = _multipliers(normals, gradient)
        if multipliers is None:
            return KinkTest(False, count, gauge, signs, "the gradient of a piece has a part along its face")
        scaled = [m * s for m, s in zip(multipliers, signs, strict=True)]
        if min(scaled) < 0:
            return KinkTest(False, count, gauge, signs, "a piece descends into its cone")
        if min(scaled) == 0:
            unclear = "a piece is flat to first order across a kink"
            continue
        if any(kink.layer > 1 for kink in kinks):
            unclear = "a kink above layer 1 is curved"
            continue
        face = list(_kernel(normals))
        H = piece.hessian()[np.ix_(free, free)]
        inertia = exact_inertia(_restricted(H, face))
        if inertia.negative:
            return KinkTest(False, count, gauge, signs, "a piece has negative curvature along its face")
        if inertia.zero:
            unclear = "the Hessian of a piece is degenerate on its face"
    if unclear:
        raise UndecidedError(unclear)
    return KinkTest(True, count, gauge, None, "every piece is strictly minimal on its cone")


def _rational(numbers: np.ndarray) -> list[Fraction]:
    found = []
    for value in numbers:
        if len(value.coefficients) > 1:
            raise UndecidedError("derivatives with ln 2 at a kink")
        found.append(value.coefficients[0] if value.coefficients else Fraction(0))
    return found


def _matrix(rows: list[list[Fraction]]) -> Any:
    from flint import fmpq, fmpq_mat

    return fmpq_mat([[fmpq(v.numerator, v.denominator) for v in row] for row in rows])


def _multipliers(normals: list[list[Fraction]], gradient: list[Fraction]) -> list[Fraction] | None:
    """mu with gradient = sum mu_j n_j; None if there is none.  UndecidedError for dependent normals."""
    N, g = _matrix(normals), _matrix([gradient]).transpose()
    if N.rref()[1] < len(normals):
        raise UndecidedError("the normals of the kinks are linearly dependent")
    mu = (N * N.transpose()).solve(N * g)
    if N.transpose() * mu != g:
        return None
    return [Fraction(int(v.p), int(v.q)) for v in mu.entries()]


def _kernel(normals: list[list[Fraction]]) -> Iterator[list[Fraction]]:
    """A basis of {d : n_j . d = 0}."""
    reduced, rank = _matrix(normals).rref()
    width = reduced.ncols()
    pivots = [next(j for j in range(width) if reduced[i, j] != 0) for i in range(rank)]
    for j in sorted(set(range(width)) - set(pivots)):
        vector = [Fraction(0)] * width
        vector[j] = Fraction(1)
        for i, pivot in enumerate(pivots):
            vector[pivot] = -Fraction(int(reduced[i, j].p), int(reduced[i, j].q))
        yield vector


def _restricted(H: np.ndarray, face: list[list[Fraction]]) -> np.ndarray:
    """Z^T H Z for the columns Z = face."""
    found = np.empty((len(face), len(face)), dtype=object)
    images = [
        [sum((H[i, j] * ln_two(z[j]) for j in range(len(z)) if z[j]), ln_two(0)) for i in range(len(z))]
        for z in face
    ]
    for a, z in enumerate(face):
        for b, image in enumerate(images):
            found[a, b] = sum((image[i] * ln_two(z[i]) for i in range(len(z)) if z[i]), ln_two(0))
    return found
