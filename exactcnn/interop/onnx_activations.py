"""Floor 6: ONNX's activations, with their float32 attributes as stored."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.errors import MalformedError
from exactcnn.interop import formulas
from exactcnn.interop.chain import Flow
from exactcnn.interop.formulas import FORMULAS
from exactcnn.interop.onnx_file import Attributes
from exactcnn.interop.onnx_values import Values

__all__ = ["Activations"]


class Activations(Values):
    """Handlers of activations."""

    def activation(self, where: str, value: Any, record: Any) -> None:
        self.flow(where, value)
        self.chain.activate(where, record)

    def leaky_relu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.activation(where, inputs[0], formulas.leaky_relu(Fraction(a.number("alpha", 0.01))))

    def prelu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        """With one slope; or one for each channel, all the same."""
        slopes = set(self.weights(where, inputs[1]).reshape(-1).to_fractions())
        if len(slopes) != 1:
            raise MalformedError(where, "one slope for all channels", f"{len(slopes)} slopes")
        self.activation(where, inputs[0], formulas.leaky_relu(slopes.pop()))

    def elu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.activation(where, inputs[0], formulas.elu(Fraction(a.number("alpha", 1.0))))

    def celu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.activation(where, inputs[0], formulas.celu(Fraction(a.number("alpha", 1.0)), where))

    def selu(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        alpha, gamma = (
            Fraction(a.number(name, default))
            for name, default in (("alpha", 1.6732632423543772), ("gamma", 1.0507009873554805))
        )
        self.activation(where, inputs[0], formulas.selu(alpha, gamma))

    def clip(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        """Its ends are attributes in old files; those of float32's largest number are none."""
        ends: list[Fraction | None] = []
        for value, name, none in (
            (inputs[1], "min", -float(np.finfo(np.float32).max)),
            (inputs[2], "max", float(np.finfo(np.float32).max)),
        ):
            if value is not None:
                array = np.asarray(value)
                if not isinstance(value, np.ndarray) or array.size != 1 or np.isnan(array).any():
                    raise MalformedError(f"{where}.{name}", "one constant number", "another value")
                number = float(array.reshape(-1)[0])
            else:
                number = a.number(name, none)
            ends.append(Fraction(number) if np.isfinite(number) and number != none else None)
        self.activation(where, inputs[0], formulas.clip(ends[0], ends[1], where))

    def hard_sigmoid(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        alpha, beta = Fraction(a.number("alpha", 0.2)), Fraction(a.number("beta", 0.5))
        self.activation(where, inputs[0], formulas.hard_sigmoid(alpha, beta))

    def thresholded(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        if a.number("alpha", 1.0) != 0:
            raise MalformedError(
                f"{where}.alpha", "0, where the function does not jump", a.number("alpha", 1.0)
            )
        self.activation(where, inputs[0], "relu")

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
        if isinstance(inputs[0], Flow) and exponent.ndim > inputs[0].units.ndim + 1:
            raise MalformedError(where, "an exponent of no more axes than the tensor", exponent.shape)
        self.activation(where, inputs[0], "square")
