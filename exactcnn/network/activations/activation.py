"""Floor 2: an activation function, by name and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from exactcnn.arithmetic.rationals import parse_rational, rational_text
from exactcnn.errors import MalformedError, MisuseError, UndecidedError
from exactcnn.network.activations.library import LIBRARY, ball_value
from exactcnn.network.activations.properties import ActivationProperties

__all__ = ["Activation"]


@dataclass(frozen=True)
class Activation:
    """``parameters`` are sorted (name, value) pairs; ``expression`` is set for ``custom`` only.

    >>> Activation.from_json({"name": "softplus", "alpha": "1/2"})
    Activation(name='softplus', parameters=(('alpha', Fraction(1, 2)),), expression=None)
    >>> str(Activation.from_json("relu"))
    'relu'
    """

    name: str
    parameters: tuple[tuple[str, Fraction], ...] = ()
    expression: str | None = None

    @staticmethod
    def from_json(record: object, field: str = "activation") -> Activation:
        """From a name, or a table with ``name`` and parameters; MalformedError otherwise."""
        if isinstance(record, str):
            record = {"name": record}
        if not isinstance(record, Mapping):
            raise MalformedError(field, "a name or a table with a name", type(record).__name__)
        name = record.get("name")
        if name == "custom":
            return _custom(record, field)
        if not isinstance(name, str) or name not in LIBRARY:
            raise MalformedError(field, f"one of {', '.join(LIBRARY)}, custom", repr(name))
        entry = LIBRARY[name]
        for key in record:
            if key != "name" and key not in entry.defaults:
                known = ", ".join(entry.defaults) or "no parameters"
                raise MalformedError(field, f"{name} with {known}", f"key {key!r}")
        parameters = []
        for key, default in sorted(entry.defaults.items()):
            value = parse_rational(record.get(key, default), f"{field}.{key}")
            if value <= 0 or (entry.below_one and value >= 1):
                bound = "a rational between 0 and 1, excluded" if entry.below_one else "a positive rational"
                raise MalformedError(f"{field}.{key}", bound, value)
            parameters.append((key, value))
        return Activation(name, tuple(parameters))

    def to_json(self) -> dict[str, Any]:
        """FORMAT.md's ACTIVATION."""
        if self.expression is not None:
            return {"name": "custom", "expression": self.expression}
        return {"name": self.name, **{key: rational_text(value) for key, value in self.parameters}}

    @property
    def kind(self) -> str:
        """``rational``, ``exponential`` or ``other``."""
        return "other" if self.name == "custom" else LIBRARY[self.name].kind

    @cached_property
    def properties(self) -> ActivationProperties:
        if self.expression is not None:
            from exactcnn.network.activations.custom import custom_properties

            return custom_properties(self.expression)
        return LIBRARY[self.name].properties(dict(self.parameters))

    def apply_fraction(self, t: Fraction) -> Fraction:
        """sigma(t), exactly; MisuseError unless the activation is rational."""
        if self.name == "relu":
            return max(t, Fraction(0))
        if self.name == "leaky_relu":
            return max(t, dict(self.parameters)["slope"] * t)
        if self.name == "identity":
            return t
        if self.name == "square":
            return t * t
        raise MisuseError("activation", "one that maps rationals to rationals", self)

    def ball(self, t: Any) -> Any:
        """sigma(t) for a flint.arb ball; UndecidedError for a custom expression."""
        if self.expression is not None:
            raise UndecidedError(f"no enclosure is known for the custom activation {self.expression}")
        return ball_value(self.name, dict(self.parameters), t)

    def __str__(self) -> str:
        if self.expression is not None:
            return f"custom {self.expression}"
        if not self.parameters:
            return self.name
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.parameters)})"


def _custom(record: Mapping[str, Any], field: str) -> Activation:
    from exactcnn.network.activations.custom import parse_expression

    expression = record.get("expression")
    unknown = sorted(str(key) for key in record if key not in ("name", "expression"))
    if unknown:
        raise MalformedError(field, "custom with an expression", f"key {unknown[0]!r}")
    if not isinstance(expression, str):
        raise MalformedError(f"{field}.expression", "a text such as 't/(1 + exp(-t))'", repr(expression))
    parse_expression(expression, f"{field}.expression")
    return Activation("custom", (), expression)
