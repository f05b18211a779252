"""Floor 6: activations that exporters and people write as several elementwise operations, put together again.

GELU as x/2 * (1 + erf(x / sqrt 2)), softplus as log(1 + exp(x)), silu as x * sigmoid(x): each is one function of one
tensor.  ``plan`` finds, among elementwise steps with rational constants, the values that no layer of the network is
for (an exponential, a product of two tensors), and says of which earlier tensor they are what expression in t.
Constants are the rationals that the program's floats are: erf(t/1.4142135..) stays that, and is not called gelu.

Conventions.  A step's arguments are values (any hashable name) or Fractions.  A *base* of a value is a tensor it is a
function of, element by element; the value itself is one, as t.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from exactcnn.interop.formulas import FORMULAS

__all__ = ["SPECIAL", "TEMPLATES", "Step", "plan", "record_of"]

TEMPLATES = {
    "same": "{0}", "add": "({0} + {1})", "sub": "({0} - {1})", "mul": "({0}*{1})", "div": "({0}/{1})", "neg": "(-{0})",
    "square": "({0}**2)", "pow": "({0}**{1})", "exp": "exp({0})", "log": "log({0})", "abs": "abs({0})",
    "erf": "erf({0})", "sqrt": "sqrt({0})", "sin": "sin({0})", "cos": "cos({0})", "sinh": "sinh({0})", "cosh": "cosh({0})",
    "reciprocal": "(1/{0})", "tanh": "tanh({0})", "sigmoid": "(1/(1 + exp(-{0})))", "relu": "Max({0}, 0)",
    "softplus": "log(1 + exp({0}))", "arctan": "atan({0})", "max": "Max({0}, {1})", "min": "Min({0}, {1})",
    "at least": "Max({0}, {1})", "at most": "Min({0}, {1})", "clip": "Min(Max({0}, {1}), {2})",
    "hard_sigmoid": "Min(Max({1}*{0} + {2}, 0), 1)", "leaky_relu": "(Max({0}, 0) + {1}*Min({0}, 0))",
}  # fmt: skip
# What no layer is for.
SPECIAL = frozenset(
    {"pow", "exp", "log", "abs", "erf", "sqrt", "sin", "cos", "sinh", "cosh", "reciprocal", "max", "min"}
)
_LONGEST = 900
_MOST_BASES = 40

# Functions with a name of their own, as they come out of the templates.
_SIGMOID, _SOFTPLUS = "(1/(1 + exp(-t)))", "log(1 + exp(t))"
_NAMED: dict[str, Any] = {
    f"(t*{_SIGMOID})": "silu", f"({_SIGMOID}*t)": "silu", _SIGMOID: "sigmoid",
    "log(exp(t) + 1)": "softplus", "log((exp(t) + 1))": "softplus", "log((1 + exp(t)))": "softplus", _SOFTPLUS: "softplus",
    f"(t*tanh({_SOFTPLUS}))": "mish", f"(tanh({_SOFTPLUS})*t)": "mish", "(t*tanh(log((1 + exp(t)))))": "mish",
    "(t/(1 + abs(t)))": FORMULAS["softsign"], "(t/(abs(t) + 1))": FORMULAS["softsign"],
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """``output`` = ``op`` of ``args``; ``op`` is one of TEMPLATES."""

    output: Hashable
    op: str
    args: tuple[Any, ...]


def record_of(text: str) -> Any:
    """The activation that an expression is."""
    return _NAMED.get(text, {"name": "custom", "expression": text})


def plan(steps: Sequence[Step], order: Mapping[Hashable, int]) -> dict[Hashable, tuple[Hashable, str]]:
    """Of each value that needs it: (the latest tensor it is a function of, the expression in t).

    ``order``: the place of every value, arguments before results; ``steps`` in that order.
    """
    bases: dict[Hashable, dict[Hashable, str]] = {}
    found: dict[Hashable, tuple[Hashable, str]] = {}
    for step in steps:
        values = [arg for arg in step.args if not isinstance(arg, Fraction)]
        if not values:
            continue
        known = [bases.setdefault(value, {value: "t"}) for value in values]
        common = set(known[0]).intersection(*known[1:])
        two = len(set(values)) > 1
        special = step.op in SPECIAL or (two and step.op in ("mul", "div"))
        special = special or any(value in found for value in values)
        texts = {}
        for base in common:
            args = [_number(arg) if isinstance(arg, Fraction) else bases[arg][base] for arg in step.args]
            text = TEMPLATES[step.op].format(*args)
            if len(text) <= _LONGEST:
                texts[base] = text
        usable = [base for base in texts if base not in found]
        nearest = max(usable, key=lambda base: order.get(base, -1), default=None)
        kept = sorted(texts, key=lambda base: -order.get(base, -1))[:_MOST_BASES]
        bases[step.output] = {step.output: "t"} | {base: texts[base] for base in kept}
        if special and nearest is not None:
            found[step.output] = (nearest, texts[nearest])
    return found


def _number(value: Fraction) -> str:
    text = str(value)
    return text if value >= 0 and value.denominator == 1 else f"({text})"
