"""Activations in float64: inside their bounds against Arb, at extreme arguments too."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx, fmpq

from exactcnn.activations import LIBRARY, Activation
from exactcnn.activations.floats import enclosed, require_enclosed
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.errors import UndecidedError

NAMES = [name for name, entry in LIBRARY.items() if entry.floats is not None]
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


def sigma(name, alpha=Fraction(1)):
    return Activation(name, tuple((key, alpha) for key in LIBRARY[name].defaults))


def outside(activation, found, points):
    """Points whose ball (300 bits) is not inside the enclosure."""
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
@pytest.mark.parametrize("name", NAMES)
def test_against_arb(name, alpha):
    """At floats, and at the ends of intervals around them; the radii are small."""
    activation = sigma(name, alpha)
    exact = enclosed(activation, Enclosure(POINTS, np.zeros_like(POINTS)))
    assert outside(activation, exact, POINTS) == []
    usual = np.abs(POINTS) < 1e3
    scale = np.clip(np.abs(POINTS), 1, 1e3) * max(1, float(alpha), float(1 / alpha))
    assert (exact.rad <= 1e-12 * scale)[usual].all()
    assert np.isfinite(exact.rad[np.abs(POINTS) < 1e150]).all()
    wide = Enclosure(POINTS[usual], np.abs(RNG.standard_normal(usual.sum())))
    found = enclosed(activation, wide)
    for sign in (-0.999, 0.999):
        assert outside(activation, found, wide.mid + sign * wide.rad) == []


def test_what_is_not_finite():
    t = Enclosure(np.array([np.nan, 1.0, np.inf]), np.array([0.0, np.inf, np.inf]))
    for name in NAMES:
        assert np.isinf(enclosed(sigma(name), t).rad[:2]).all()


def test_what_float64_does_not_know():
    """Entries without a rule, and expressions, are refused before and in the arithmetic."""
    t = Enclosure(np.zeros(1), np.zeros(1))
    for unknown in (Activation("mish"), Activation("custom", (), "t/(1 + abs(t))")):
        with pytest.raises(UndecidedError, match="layer 3 has activation"):
            require_enclosed(unknown, "layer 3")
        with pytest.raises(UndecidedError, match="does not enclose"):
            enclosed(unknown, t)
    with pytest.raises(UndecidedError, match="alpha out of the range"):
        require_enclosed(sigma("elu", Fraction(2**101)), "layer 3")
