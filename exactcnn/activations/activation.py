"""Floor 1: an activation function, by name and parameters, or by a user's expression.

The value that a layer carries: frozen, hashable, written to FORMAT.md's ACTIVATION and read
back from it.  What is known about it stands in ``library`` (built-in) and ``custom``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from exactcnn.activations.balls import ball_of_expression, builtin_ball
from exactcnn.activations.entry import Builtin
from exactcnn.activations.exact import RationalJet, exact_jet
from exactcnn.activations.expressions import parse_expression
from exactcnn.activations.library import LIBRARY
from exactcnn.activations.properties import ActivationProperties
from exactcnn.arithmetic.texts import parse_rational, rational_text
from exactcnn.errors import MalformedError, MisuseError

__all__ = ["Activation"]


@dataclass(frozen=True)
class Activation:
    """``parameters`` are sorted (name, value) pairs; ``expression`` is set for ``custom`` only.

    ``from_json`` reads what users write; the constructor, for Python callers, raises
    MisuseError for a name, parameters or an expression outside FORMAT.md's table.

    >>> Activation.from_json({"name": "softplus", "alpha": "1/2"})
    Activation(name='softplus', parameters=(('alpha', Fraction(1, 2)),), expression=None)
    >>> Activation.from_json("leaky_relu").to_json()
    {'name': 'leaky_relu', 'slope': '1/100'}
    >>> str(Activation.from_json({"name": "custom", "expression": "t/(1 + abs(t))"}))
    'custom t/(1 + abs(t))'
    """

    name: str
    parameters: tuple[tuple[str, Fraction], ...] = ()
    expression: str | None = None

    def __post_init__(self) -> None:
        if self.name == "custom":
            if self.expression is None or self.parameters:
                raise MisuseError("activation", "custom with nothing but an expression", self.parameters)
            parse_expression(self.expression)
            return
        if self.name not in LIBRARY or self.expression is not None:
            raise MisuseError("activation", f"one of {', '.join(LIBRARY)}, or custom", self.name)
        entry = LIBRARY[self.name]
        if [key for key, _ in self.parameters] != sorted(entry.defaults):
            raise MisuseError("parameters", f"{sorted(entry.defaults)}, sorted", self.parameters)
        for key, value in self.parameters:
            wanted = entry.refusal(key, value)
            if wanted is not None:
                raise MisuseError(key, wanted, value)

    @staticmethod
    def from_json(record: object, field: str = "activation") -> Activation:
        """From a name, or a table with ``name`` and parameters; MalformedError otherwise.

        Parameters left out have their defaults: alpha 1 (softplus, elu), slope 1/100.
        """
        if isinstance(record, str):
            record = {"name": record}
        if not isinstance(record, Mapping):
            raise MalformedError(field, "a name or a table with a name", type(record).__name__)
        name = record.get("name")
        if name == "custom":
            return _custom(record, field)
        if not isinstance(name, str) or name not in LIBRARY:
            found = "no name" if name is None else repr(name)
            raise MalformedError(field, f"one of {', '.join(LIBRARY)}, custom", found)
        entry = LIBRARY[name]
        known = " and ".join(entry.defaults) or "no parameters"
        _refuse_unknown_keys(record, ("name", *entry.defaults), f"{name} with {known}", field)
        parameters = []
        for key, default in sorted(entry.defaults.items()):
            value = parse_rational(record.get(key, default), f"{field}.{key}")
            wanted = entry.refusal(key, value)
            if wanted is not None:
                raise MalformedError(f"{field}.{key}", wanted, rational_text(value))
            parameters.append((key, value))
        return Activation(name, tuple(parameters))

    def to_json(self) -> dict[str, str]:
        """As a spec file writes it."""
        if self.expression is not None:
            return {"name": "custom", "expression": self.expression}
        return {"name": self.name, **{key: rational_text(value) for key, value in self.parameters}}

    def to_certificate(self) -> dict[str, Any]:
        """FORMAT.md's ACTIVATION, in which a custom expression is a tree."""
        if self.expression is not None:
            return {"name": "custom", "tree": parse_expression(self.expression).to_tree()}
        return dict(self.to_json())

    @property
    def formula(self) -> str | None:
        """The expression in t that values and derivatives are computed from; None where there are routes of their own."""
        if self.expression is not None:
            return self.expression
        return LIBRARY[self.name].formula if LIBRARY[self.name].by_formula else None

    @property
    def kind(self) -> str:
        """``rational`` (maps Q to Q), ``exponential`` (features in Q(e^(1/D))) or ``other``."""
        return "other" if self.expression is not None else LIBRARY[self.name].kind

    @property
    def properties(self) -> ActivationProperties:
        """Looked up, or for a custom expression derived on first use, which may take seconds."""
        return _properties(self)

    def apply_fraction(self, t: Fraction) -> Fraction:
        """sigma(t), exactly; MisuseError unless the activation is rational."""
        entry = self.builtin
        if entry is None or entry.value is None:
            raise MisuseError("activation", "one that maps rationals to rationals", self)
        return entry.value(t, dict(self.parameters))

    @property
    def builtin(self) -> Builtin | None:
        """Its entry in the library, None for a custom expression."""
        return None if self.expression is not None else LIBRARY[self.name]

    @property
    def slope_below(self) -> Fraction | None:
        """sigma(t) = slope * t for t < 0 and t for t >= 0; None if sigma is not of that kind."""
        entry = self.builtin
        return None if entry is None or entry.slope is None else entry.slope(dict(self.parameters))

    @property
    def degree(self) -> int | None:
        """sigma(c t) = c^degree sigma(t) for c > 0; None if it is not of that kind."""
        return None if self.builtin is None else self.builtin.degree

    def rational_jet(self, t: Fraction) -> RationalJet:
        """(sigma, sigma', sigma'')(t) by the formula; UndecidedError where not known to be rational."""
        if self.formula is None:
            raise MisuseError("activation", "one given by a formula", self.name)
        return exact_jet(_parsed(self.formula), t)

    def ball(self, t: Any) -> Any:
        """A ball containing sigma(x) for every x in the flint.arb ball t, at precision flint.ctx.prec.

        UndecidedError for a custom expression that cannot be enclosed there, for example
        because it may be undefined at a point of t.
        """
        if self.formula is not None and (self.name == "custom" or t.is_finite()):
            return ball_of_expression(_parsed(self.formula), t)
        return builtin_ball(LIBRARY[self.name], dict(self.parameters), t)

    def __str__(self) -> str:
        if self.expression is not None:
            return f"custom {self.expression}"
        if not self.parameters:
            return self.name
        values = ", ".join(f"{key}={rational_text(value)}" for key, value in self.parameters)
        return f"{self.name}({values})"


_parsed = lru_cache(maxsize=256)(parse_expression)


@lru_cache(maxsize=256)
def _properties(activation: Activation) -> ActivationProperties:
    if activation.expression is not None:
        from exactcnn.activations.custom import custom_properties

        return custom_properties(activation.expression)
    return LIBRARY[activation.name].properties(dict(activation.parameters))


def _refuse_unknown_keys(
    record: Mapping[Any, Any], known: tuple[str, ...], expected: str, field: str
) -> None:
    unknown = sorted(repr(key) for key in record if key not in known)
    if unknown:
        raise MalformedError(field, expected, f"key {unknown[0]}")


def _custom(record: Mapping[str, Any], field: str) -> Activation:
    _refuse_unknown_keys(record, ("name", "expression"), "custom with expression", field)
    expression = record.get("expression")
    if not isinstance(expression, str):
        found = "nothing" if expression is None else type(expression).__name__
        raise MalformedError(f"{field}.expression", "a text such as 't/(1 + abs(t))'", found)
    parse_expression(expression, f"{field}.expression")
    return Activation("custom", (), expression)
