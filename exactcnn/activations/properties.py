"""Floor 1: the properties of an activation that the theory asks about, each with its proof.

Every property is True, False or None (undecided), and ``proofs`` holds the argument for each
decided one, in a sentence or two.  Nothing here computes: ``library`` and ``custom`` fill the
records, ``assumption`` reads them.

Conventions.  sigma maps R to R.  ``derivative_nowhere_zero`` means *differentiable on R, and
the derivative has no zero*, so it is False for a function with a kink.  A value is a text with
rationals and pi ("0", "-1", "pi/2"); a user-defined activation may need more ("log(2)").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from types import MappingProxyType

from exactcnn.arithmetic.texts import parse_rational
from exactcnn.errors import MisuseError

__all__ = ["ActivationProperties", "Growth", "Limit"]

Growth = tuple[Fraction, Fraction, Fraction, Fraction]

_RATIONAL = re.compile(r"-?[0-9]+(/[0-9]+)?", re.ASCII)
_MULTIPLE_OF_PI = re.compile(r"-?([1-9][0-9]*\*)?pi(/[1-9][0-9]*)?", re.ASCII)
_KINDS = ("finite", "infinite", "none", "unknown")


@dataclass(frozen=True)
class Limit:
    """A limit at -inf or +inf: ``kind`` finite, infinite, none (it does not exist) or unknown.

    ``value`` is the exact value of a finite limit, "oo" or "-oo" of an infinite one.  ``zero``
    says whether a finite limit is 0 (None: not known); it is read off a rational or a rational
    multiple of pi.

    >>> Limit.finite("pi/2")
    Limit(kind='finite', value='pi/2', zero=False)
    >>> str(Limit.infinite(-1))
    '-oo'
    """

    kind: str
    value: str = ""
    zero: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise MisuseError("kind", f"one of {', '.join(_KINDS)}", self.kind)

    @staticmethod
    def finite(value: str, zero: bool | None = None) -> Limit:
        """MisuseError if ``zero`` contradicts a rational or a multiple of pi."""
        known: bool | None = None
        if _RATIONAL.fullmatch(value):
            known = parse_rational(value, "value") == 0
        elif _MULTIPLE_OF_PI.fullmatch(value):
            known = False
        if known is not None and zero is not None and known != zero:
            raise MisuseError("zero", f"{known} for the limit {value}", zero)
        return Limit("finite", value, zero if known is None else known)

    @staticmethod
    def infinite(sign: int) -> Limit:
        """``sign`` is 1 or -1."""
        if sign not in (1, -1):
            raise MisuseError("sign", "1 or -1", sign)
        return Limit("infinite", "oo" if sign == 1 else "-oo")

    @staticmethod
    def none() -> Limit:
        """There is no limit, finite or infinite."""
        return Limit("none")

    @staticmethod
    def unknown() -> Limit:
        return Limit("unknown")

    @property
    def is_finite(self) -> bool | None:
        """True, False, or None if unknown."""
        return None if self.kind == "unknown" else self.kind == "finite"

    @property
    def is_zero(self) -> bool | None:
        """Is it a limit, and 0?  None if unknown."""
        return self.zero if self.is_finite else self.is_finite

    def __str__(self) -> str:
        return self.value if self.kind in ("finite", "infinite") else self.kind


# (premise, conclusion): a record with the premise True and the conclusion False contradicts itself.
_IMPLICATIONS = (
    ("real_analytic", "differentiable"),
    ("differentiable", "continuous"),
    ("derivative_nowhere_zero", "differentiable"),
    ("derivative_nowhere_zero", "strictly_monotone"),  # Darboux: the derivative has one sign
)


@dataclass(frozen=True)
class ActivationProperties:
    """What Assumptions 3.2 and 4.1 and Theorem 3.5 ask of sigma.

    ``growth`` are explicit positive rho_1..rho_4 with |sigma(t)| <= rho_1 e^(rho_2 t) for t < 0
    and |sigma(t)| <= rho_3 t + rho_4 for t >= 0; ``growth_refuted`` is True if no such constants
    exist, False if some do, None if that is not known.  ``proofs`` is keyed by field name.
    MisuseError if the record contradicts itself.
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
    growth_refuted: bool | None = None
    proofs: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "proofs", MappingProxyType(dict(self.proofs)))
        for premise, conclusion in _IMPLICATIONS:
            if getattr(self, premise) is True and getattr(self, conclusion) is False:
                raise MisuseError(conclusion, f"not False when {premise} is True", False)
        if self.constant is True and self.strictly_monotone is True:
            raise MisuseError("strictly_monotone", "not True for a constant", True)
        if self.growth is not None:
            if min(self.growth) <= 0:
                raise MisuseError("growth", "four positive rationals", self.growth)
            if self.growth_refuted is not False:
                raise MisuseError("growth_refuted", "False when growth is given", self.growth_refuted)
            if self.limit_minus.is_zero is False:  # e^(rho_2 t) tends to 0 at -infinity
                raise MisuseError("limit_minus", "0 when growth is given", self.limit_minus)
        elif self.growth_refuted is False:
            raise MisuseError("growth", "constants when growth_refuted is False", None)

    def __reduce__(self) -> tuple[type[ActivationProperties], tuple[object, ...]]:
        """A read-only view cannot be pickled, the mapping below it can."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return ActivationProperties, tuple((values | {"proofs": dict(self.proofs)}).values())
