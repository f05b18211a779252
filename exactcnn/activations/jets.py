"""Floor 1: (sigma, sigma', sigma'') of built-in activations, written once, over any numbers.

Each module of ``builtin/`` has a ``jet`` made of sums, products and the few functions below; a domain of numbers (exact
ones, balls, floats, boxes) says what these functions do.  Derivatives are None where sigma has none: at a kink.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from exactcnn.errors import UndecidedError

if TYPE_CHECKING:
    from exactcnn.activations.activation import Activation

__all__ = ["Functions", "Jet", "Unknown", "jet_of"]

Jet = tuple[Any, Any, Any]


class Functions(Protocol):
    """What jets are made of; UndecidedError where a domain has no value.  Numbers have +, - and *."""

    def number(self, rational: Fraction) -> Any: ...

    def ln2(self) -> Any: ...

    def logistic(self, t: Any) -> tuple[Any, Any, Any]:
        """s(t) = 1/(1 + e^-t), s(t) s(-t) and s(-t) - s(t)."""

    def normal(self, t: Any) -> tuple[Any, Any]:
        """Phi(t) and phi(t), of the normal distribution."""

    def bell(self, t: Any) -> Any:
        """e^(-t^2)."""

    def exp(self, t: Any) -> Any: ...

    def softplus(self, t: Any) -> Any:
        """ln(1 + e^t)."""

    def arctan(self, t: Any) -> tuple[Any, Any]:
        """arctan t and 1/(1 + t^2)."""

    def pieces(self, t: Any, above: Callable[[], Jet], below: Callable[[], Jet]) -> Jet:
        """``above`` for t > 0, ``below`` for t < 0; at 0 both values are 0, and there are no derivatives."""


class Unknown:
    """A domain's functions that it does not know: each raises UndecidedError; to be overridden.  ``title``: its numbers."""

    title: ClassVar[str] = "these numbers"

    def _unknown(self, *_: Any) -> Any:
        raise UndecidedError(f"{self.title} do not know its values and derivatives")

    logistic = normal = bell = exp = softplus = arctan = pieces = _unknown


def jet_of(activation: Activation, t: Any, functions: Functions) -> Jet:
    """(sigma, sigma', sigma'')(t); UndecidedError for what is given by a formula, or has no values there."""
    entry = activation.builtin
    if entry is None or entry.jet is None:
        raise UndecidedError(f"derivatives of {activation} are not known")
    try:
        return entry.jet(functions, t, dict(activation.parameters))
    except UndecidedError as error:
        raise UndecidedError(f"{activation}: {error}") from None
