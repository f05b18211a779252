"""Floor 6: ONNX's activations, with their float32 attributes as stored."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import MalformedError
from exactcnn.interop.flow import FORMULAS
from exactcnn.interop.onnx_file import Attributes
from exactcnn.interop.onnx_values import Values

__all__ = ["Activations"]


class Activations(Values):
    """Handlers of activations."""

    def activation(self, where: str, value: Any, record: Any) -> None:
        self.flow(where, value)
        self.chain.activate(where, record)

    def leaky_relu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        slope = Fraction(a.number("alpha", 0.01))
        record: Any = {"name": "leaky_relu", "slope": rational_text(slope)} if slope else "relu"
        self.activation(where, inputs[0], record)

    def elu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        alpha = Fraction(a.number("alpha", 1.0))
        self.activation(where, inputs[0], {"name": "elu", "alpha": rational_text(alpha)})

    def gelu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        kind = a.text("approximate", "none")
        self.activation(where, inputs[0], FORMULAS["gelu_tanh"] if kind == "tanh" else "gelu")

    def swish(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        if a.number("alpha", 1.0) != 1:
            raise MalformedError(f"{where}.alpha", "1", a.number("alpha", 1.0))
        self.activation(where, inputs[0], "silu")

    def power(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        exponent = inputs[1]
        if not isinstance(exponent, np.ndarray) or exponent.size != 1 or exponent.reshape(-1)[0] != 2:
            raise MalformedError(where, "the square, exponent 2", "another exponent")
        self.activation(where, inputs[0], "square")
