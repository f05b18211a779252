"""Floor 6: PyTorch's activations, their parameters as it computes with them."""

from __future__ import annotations

from typing import Any

from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.flow import FORMULAS
from exactcnn.interop.torch_values import Values

__all__ = ["Activations"]


class Activations(Values):
    """Handlers of activations."""

    def activation(self, where: str, x: Any, record: Any) -> None:
        self.current(where, (x,))
        self.chain.activate(where, record)

    def leaky_relu(self, where: str, x: Any, negative_slope: float = 0.01, inplace: bool = False) -> None:
        slope = self.number(negative_slope, f"{where}.negative_slope")
        record: Any = {"name": "leaky_relu", "slope": rational_text(slope)} if slope else "relu"
        self.activation(where, x, record)

    def softplus(self, where: str, x: Any, beta: float = 1.0, threshold: float = 20.0) -> None:
        if threshold < 20:
            raise MalformedError(
                f"{where}.threshold", "at least 20 (below it PyTorch computes another function)", threshold
            )
        alpha = self.number(beta, f"{where}.beta")
        self.chain.note(
            f"{where}: softplus itself is verified; PyTorch computes t where {float(alpha):g} t > {threshold:g}."
        )
        self.activation(where, x, {"name": "softplus", "alpha": rational_text(alpha)})

    def elu(self, where: str, x: Any, alpha: float = 1.0, inplace: bool = False) -> None:
        value = self.number(alpha, f"{where}.alpha")
        self.activation(where, x, {"name": "elu", "alpha": rational_text(value)})

    def gelu(self, where: str, x: Any, approximate: str = "none") -> None:
        self.activation(where, x, FORMULAS["gelu_tanh"] if approximate == "tanh" else "gelu")

    def power(self, where: str, x: Any, exponent: Any) -> None:
        if not isinstance(exponent, (int, float)) or exponent != 2 or not isinstance(x, Flow):
            raise MalformedError(where, "the square, x ** 2", f"exponent {exponent}")
        self.activation(where, x, "square")
