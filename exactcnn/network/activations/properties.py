"""Floor 2: the properties of an activation that the theory asks about, each with its proof.

Every property is True, False or None (undecided).  ``proofs`` holds the argument in a
sentence or two; where SymPy can derive a property the tests let it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["ActivationProperties", "Growth", "Limit"]

Growth = tuple[Fraction, Fraction, Fraction, Fraction]


@dataclass(frozen=True)
class Limit:
    """A limit at -inf or +inf: ``kind`` finite (``value`` exact, as SymPy text), infinite, none
    (it does not exist) or unknown.  ``zero`` says of a finite limit whether it is 0."""

    kind: str
    value: str = ""
    zero: bool | None = None

    @staticmethod
    def finite(value: str, zero: bool) -> Limit:
        return Limit("finite", value, zero)

    @property
    def is_finite(self) -> bool | None:
        """True, False, or None if unknown."""
        return None if self.kind == "unknown" else self.kind == "finite"

    def __str__(self) -> str:
        return self.value if self.kind in ("finite", "infinite") else self.kind


INFINITE = Limit("infinite", "oo")
MINUS_INFINITE = Limit("infinite", "-oo")
NO_LIMIT = Limit("none")
UNKNOWN = Limit("unknown")


@dataclass(frozen=True, eq=False)
class ActivationProperties:
    """What Assumptions 3.2 and 4.1 ask of sigma.

    ``growth`` are explicit rho_1..rho_4 with |sigma(t)| <= rho_1 e^(rho_2 t) for t < 0 and
    |sigma(t)| <= rho_3 t + rho_4 for t >= 0; ``growth_impossible`` is True if no such
    constants exist, None if that is not known.
    """

    continuous: bool | None
    constant: bool | None
    real_analytic: bool | None
    strictly_monotone: bool | None
    differentiable: bool | None
    derivative_nowhere_zero: bool | None
    limit_minus: Limit
    limit_plus: Limit
    growth: Growth | None = None
    growth_impossible: bool | None = None
    proofs: Mapping[str, str] = field(default_factory=dict)
