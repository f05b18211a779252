"""Floor 6: the activations of PyTorch and ONNX as FORMAT.md's ACTIVATION: by name where it has one, else as expressions in t.

Conventions.  Parameters are rationals, those that the program's floats are.  Every function here is continuous; jumps
(hardshrink, thresholds) are refused where they are read.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import MalformedError

__all__ = ["FORMULAS", "celu", "clip", "elu", "hard_sigmoid", "leaky_relu", "selu", "soft_shrink"]

# Activations without parameters that FORMAT.md has no name for.
FORMULAS = {
    name: {"name": "custom", "expression": text}
    for name, text in {
        "gelu_tanh": "t/2*(1 + tanh(sqrt(2/pi)*(t + 0.044715*t**3)))",
        "softsign": "t/(1 + abs(t))",
        "hard_swish": "t*Min(Max(t + 3, 0), 6)/6",
        "tanh_shrink": "t - tanh(t)",
        "log_sigmoid": "-log(1 + exp(-t))",
        "erf": "erf(t)",
        "exp": "exp(t)",
        "sin": "sin(t)",
        "cos": "cos(t)",
        "abs": "abs(t)",
    }.items()
}


def _custom(text: str) -> dict[str, str]:
    return {"name": "custom", "expression": text}


def _text(value: Fraction) -> str:
    return f"({rational_text(value)})" if value < 0 or value.denominator != 1 else rational_text(value)


def leaky_relu(slope: Fraction) -> Any:
    """t, slope t where t < 0."""
    if slope in (0, 1):
        return "identity" if slope else "relu"
    if 0 < slope < 1:
        return {"name": "leaky_relu", "slope": rational_text(slope)}
    return _custom(f"Max(t, 0) + {_text(slope)}*Min(t, 0)")


def elu(alpha: Fraction, scale: Fraction = Fraction(1)) -> Any:
    """scale t, scale alpha (e^t - 1) where t < 0."""
    if scale == 1 and alpha >= 0:
        return {"name": "elu", "alpha": rational_text(alpha)} if alpha else "relu"
    return _custom(f"{_text(scale)}*(Max(t, 0) + {_text(alpha)}*(exp(Min(t, 0)) - 1))")


def selu(alpha: Fraction, gamma: Fraction) -> Any:
    return elu(alpha, gamma)


def celu(alpha: Fraction, where: str) -> Any:
    """t, alpha (e^(t / alpha) - 1) where t < 0."""
    if alpha <= 0:
        raise MalformedError(f"{where}.alpha", "a positive number", alpha)
    return (
        elu(alpha)
        if alpha == 1
        else _custom(f"Max(t, 0) + {_text(alpha)}*(exp(Min(t, 0)/{_text(alpha)}) - 1)")
    )


def clip(low: Fraction | None, high: Fraction | None, where: str) -> Any:
    """The nearest number to t from low to high."""
    if low is not None and high is not None and low > high:
        raise MalformedError(where, "a lower end below the upper one", f"{low} and {high}")
    if low is None and high is None:
        return "identity"
    if low == 0 and high is None:
        return "relu"
    below = "t" if low is None else f"Max(t, {_text(low)})"
    return _custom(below if high is None else f"Min({below}, {_text(high)})")


def hard_sigmoid(alpha: Fraction, beta: Fraction) -> Any:
    return _custom(f"Min(Max({_text(alpha)}*t + {_text(beta)}, 0), 1)")


def soft_shrink(bound: Fraction, where: str) -> Any:
    if bound < 0:
        raise MalformedError(where, "a bound of at least 0", bound)
    return _custom(f"Max(t - {_text(bound)}, 0) + Min(t + {_text(bound)}, 0)")
