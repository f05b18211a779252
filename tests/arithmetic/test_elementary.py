"""softplus, sigmoid2, gelu and arctan in float64: inside their bounds against Arb, at extreme arguments too."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx, fmpq

from exactcnn.arithmetic.elementary import ELEMENTARY, elementary_feature
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.exponentials import EXPONENTIALS, exponential_feature
from exactcnn.network.activations import Activation

RNG = np.random.default_rng(8)
POINTS = np.concatenate(
    [
        RNG.standard_normal(300) * 10.0 ** RNG.integers(-8, 4, 300),
        RNG.uniform(-10, 10, 300),
        [
            0.0,
            5e-324,
            -5e-324,
            1e-300,
            1e300,
            -1e300,
            1.7e308,
            -1.7e308,
            700,
            -700,
            701,
            -701,
            1010,
            -1011,
            9.0,
            -9.0,
        ],
        np.nextafter([9.0, -9.0, 0.4142, 1.0, -1.0, 700.0], np.inf),
        np.nextafter([9.0, -9.0, 0.4142, 1.0, -1.0, 700.0], -np.inf),
    ]
)


def outside(name, found, points, alpha):
    """Points whose ball (300 bits) is not inside the enclosure."""
    record = {"name": name, "alpha": str(alpha)} if name in ("softplus", "elu") else name
    activation = Activation.from_json(record, "activation")
    bad = []
    with ctx.workprec(1500):
        for t, mid, rad in zip(points.tolist(), found.mid.tolist(), found.rad.tolist(), strict=True):
            if rad == np.inf:
                continue
            true = activation.ball(arb(fmpq(*t.as_integer_ratio())))
            if not abs(true - arb(mid)) <= arb(rad):
                bad.append(t)
    return bad


@pytest.mark.parametrize("alpha", [Fraction(1), Fraction(3, 7), Fraction(10**9), Fraction(1, 10**9)])
@pytest.mark.parametrize("name", ELEMENTARY + EXPONENTIALS)
def test_against_arb(name, alpha):
    """At floats, and at the ends of intervals around them; the radii are small."""
    function = elementary_feature if name in ELEMENTARY else exponential_feature
    exact = function(name, Enclosure(POINTS, np.zeros_like(POINTS)), alpha)
    assert outside(name, exact, POINTS, alpha) == []
    usual = np.abs(POINTS) < 1e3
    scale = np.clip(np.abs(POINTS), 1, 1e3) * max(1, float(alpha), float(1 / alpha))
    assert (exact.rad <= 1e-12 * scale)[usual].all()
    assert np.isfinite(exact.rad[np.abs(POINTS) < 1e150]).all()
    wide = Enclosure(POINTS[usual], np.abs(RNG.standard_normal(usual.sum())))
    found = function(name, wide, alpha)
    for sign in (-0.999, 0.999):
        assert outside(name, found, wide.mid + sign * wide.rad, alpha) == []


def test_what_is_not_finite():
    t = Enclosure(np.array([np.nan, 1.0, np.inf]), np.array([0.0, np.inf, np.inf]))
    for name in ELEMENTARY:
        assert np.isinf(elementary_feature(name, t).rad[:2]).all()
