"""Floor 1: what a built-in activation is: one record, all that the other rooms ask about it.

An activation is one module of ``builtin/``: its formula, its properties with their proofs, and a rule for each
arithmetic in which its values are known.  A rule that is None says that this arithmetic does not know the activation;
nothing else in the package decides that by a name.

The proofs of FORMAT.md, Lemma 17, stand, in short, beside each entry.  Limits of the continuous entries that need no
comment (of t, e^t, ln, arctan) are textbook limits; a proof is written where an estimate is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations.jets import Functions, Jet
from exactcnn.activations.properties import ActivationProperties, Growth, Limit
from exactcnn.errors import MisuseError

__all__ = [
    "COMPOSITION", "DOWN", "LEFT", "ONE", "UP", "ZERO", "Builtin", "Exponents", "Formal", "Parameters", "dipping", "growth",
    "piecewise", "smooth",
]  # fmt: skip

Parameters = Mapping[str, Fraction]
# sigma(n/D) = constant + coefficient * S_key, S the symbols of the formal field.
Formal = tuple[Fraction, int, Fraction]

ZERO, ONE, UP, DOWN = Limit.finite("0"), Limit.finite("1"), Limit.infinite(1), Limit.infinite(-1)
COMPOSITION = "Sums, products, quotients and compositions of functions analytic where they are evaluated"
LEFT = "rho_1 e^(rho_2 t) tends to 0 at -infinity, and sigma"


@dataclass(frozen=True, eq=False)
class Exponents:
    """Pre-activations n/D on their way to GF(``prime``), where u = e^(1/D) goes to ``root``.

    ``n`` is known mod prime - 1, which is enough for powers of u; ``exactly()`` gives n itself and n/D mod prime, where they are at hand.
    """

    n: np.ndarray
    prime: int
    root: int
    whole: Callable[[], tuple[np.ndarray, np.ndarray]] | None = None

    def exactly(self) -> tuple[np.ndarray, np.ndarray]:
        if self.whole is None:
            raise MisuseError("exponents", "the numerators themselves", "residues mod p - 1 only")
        return self.whole()


@dataclass(frozen=True)
class Builtin:
    """``kind``: rational (maps Q to Q), exponential (features in Q(e^(1/D))) or other.

    ``defaults``: the parameters with their default values, all positive and, if ``below_one``, below 1.  ``formula``: an
    expression in t and the parameters; ``by_formula``: values and derivatives are computed from it, as those of custom
    expressions are, and nowhere else.

    *Values.*  ``value``: at a rational t (rational kinds).  ``ball``: of a flint.arb t and the parameters as balls; if
    ``rising``, of exact t only, and the hull of both ends is taken.  ``floats``: (mid, rad) of sigma at float64 t, with the
    proof in the module; ``steepest``: a bound of |sigma'| on R.  ``jet``: with two derivatives, over any
    numbers (``jets``).  ``image``: in GF(p) (``exponents_only``: n mod p - 1 is
    enough).  ``formal``: in the formal field of exponentials.

    *Structure.*  ``slope``: sigma(t) = t for t >= 0 and slope * t below.  ``degree``: sigma(c t) = c^degree sigma(t),
    c > 0.  ``bound``: an integer M with |sigma| <= M on [-m, m].  ``reflected``: sigma(t) + sigma(-t), where it is constant.
    ``nested``: the nested specialisation knows it.  ``far``: what sigma(a (z - c)) tends to, up to scale, as a grows:
    a "step" or a "ramp" (the cores of triangular witnesses).  ``steepness``: of constructed weights.  ``steps``: two
    points g, in ``unit`` times ln 2 (None: in 1), and sigma there, with slopes that are not 0.  ``base``: a point
    where sigma and a slope that is not 0 are rational, and sigma there.
    """

    name: str
    kind: str
    formula: str
    properties: Callable[[Parameters], ActivationProperties]
    defaults: Mapping[str, Fraction] = field(default_factory=dict)
    below_one: bool = False
    by_formula: bool = False
    value: Callable[[Fraction, Parameters], Fraction] | None = None
    ball: Callable[[Any, Mapping[str, Any]], Any] | None = None
    rising: bool = False
    floats: Callable[[np.ndarray, Parameters], tuple[np.ndarray, np.ndarray]] | None = None
    steepest: Callable[[Parameters], float] = lambda _: 1.0
    jet: Callable[[Functions, Any, Parameters], Jet] | None = None
    image: Callable[[Exponents, Parameters], np.ndarray] | None = None
    exponents_only: bool = True
    formal: Callable[[int, int, Parameters], Formal] | None = None
    slope: Callable[[Parameters], Fraction] | None = None
    degree: int | None = None
    bound: Callable[[int, Parameters], int] | None = None
    reflected: Fraction | None = None
    nested: bool = False
    far: str | None = None
    steepness: int = 4
    steps: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    unit: Fraction | None = None
    base: tuple[Fraction, Fraction] | None = None

    def refusal(self, key: str, value: Fraction) -> str | None:
        """What parameter ``key`` should have been, or None if ``value`` is in range."""
        if value > 0 and not (self.below_one and value >= 1):
            return None
        return "a rational strictly between 0 and 1" if self.below_one else "a positive rational"


def growth(*constants: int | Fraction) -> Growth:
    r1, r2, r3, r4 = (Fraction(c) for c in constants)
    return r1, r2, r3, r4


def smooth(
    minus: Limit, plus: Limit, rho: Growth | None, *, increasing: bool, nowhere_zero: bool, **proofs: str
) -> ActivationProperties:
    """An analytic entry: differentiable and continuous for that reason."""
    common = {
        "constant": "sigma(0) differs from sigma(1).",
        "differentiable": "An analytic function is differentiable.",
        "continuous": "An analytic function is continuous.",
        "derivative_nowhere_zero": "The derivative just given is positive everywhere.",
    }
    return ActivationProperties(
        continuous=True,
        constant=False,
        real_analytic=True,
        strictly_monotone=increasing,
        differentiable=True,
        derivative_nowhere_zero=nowhere_zero,
        limit_minus=minus,
        limit_plus=plus,
        growth=rho,
        growth_refuted=rho is None,
        proofs=common | proofs,
    )


def dipping(rho: Growth, **proofs: str) -> ActivationProperties:
    """An analytic entry like silu: 0 at 0 and at -infinity, below 0 between, rising to +infinity."""
    common = {
        "strictly_monotone": "sigma(0) = 0, sigma < 0 on t < 0, and sigma tends to 0 at -infinity: it falls and rises "
        "again there.",
        "derivative_nowhere_zero": "Differentiable and not monotone: by Darboux the derivative takes the value 0 (at a "
        "point t < 0).",
    }  # fmt: skip
    return smooth(ZERO, UP, rho, increasing=False, nowhere_zero=False, **common | proofs)


def piecewise(
    minus: Limit, rho: Growth | None, *, increasing: bool, smooth: bool, **proofs: str
) -> ActivationProperties:
    """An entry glued at 0 from two analytic functions, t on the right."""
    common = {
        "continuous": "Both pieces are continuous and equal 0 at 0.",
        "constant": "sigma(1) = 1 and sigma(0) = 0.",
        "real_analytic": "It equals t for t >= 0 but not for t < 0, against the identity theorem.",
        "limit_plus": "sigma(t) = t for t >= 0.",
        "derivative_nowhere_zero": "It is not differentiable at 0.",
    }
    return ActivationProperties(
        continuous=True,
        constant=False,
        real_analytic=False,
        strictly_monotone=increasing,
        differentiable=smooth,
        derivative_nowhere_zero=smooth,
        limit_minus=minus,
        limit_plus=UP,
        growth=rho,
        growth_refuted=rho is None,
        proofs=common | proofs,
    )
