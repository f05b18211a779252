"""Floor 6: PyTorch's activations, their parameters as it computes with them."""

from __future__ import annotations

from typing import Any

from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import MalformedError
from exactcnn.interop import formulas
from exactcnn.interop.chain import Flow
from exactcnn.interop.formulas import FORMULAS
from exactcnn.interop.torch_values import Values

__all__ = ["Activations"]


class Activations(Values):
    """Handlers of activations."""

    def activation(self, where: str, x: Any, record: Any) -> None:
        self.current(where, (x,))
        self.chain.activate(where, record)

    def leaky_relu(self, where: str, x: Any, negative_slope: float = 0.01, inplace: bool = False) -> None:
        slope = self.number(negative_slope, f"{where}.negative_slope")
        self.activation(where, x, formulas.leaky_relu(slope))

    def prelu(self, where: str, x: Any, weight: Any) -> None:
        """With one slope; or one for each channel, all the same."""
        slopes = set(self.array(weight, f"{where}.weight").reshape(-1).to_fractions())
        if len(slopes) != 1:
            raise MalformedError(where, "one slope for all channels", f"{len(slopes)} slopes")
        self.activation(where, x, formulas.leaky_relu(slopes.pop()))

    def clip(self, where: str, x: Any, min: Any = None, max: Any = None, inplace: bool = False) -> None:
        low, high = (None if value is None else self.number(value, where) for value in (min, max))
        self.activation(where, x, formulas.clip(low, high, where))

    def hardtanh(
        self, where: str, x: Any, min_val: Any = -1.0, max_val: Any = 1.0, inplace: bool = False
    ) -> None:
        self.clip(where, x, min_val, max_val)

    def selu(self, where: str, x: Any, inplace: bool = False) -> None:
        alpha, gamma = (self.number(v, where) for v in (1.6732632423543772, 1.0507009873554805))
        self.activation(where, x, formulas.selu(alpha, gamma))

    def celu(self, where: str, x: Any, alpha: float = 1.0, inplace: bool = False) -> None:
        self.activation(where, x, formulas.celu(self.number(alpha, f"{where}.alpha"), where))

    def softshrink(self, where: str, x: Any, lambd: float = 0.5) -> None:
        self.activation(where, x, formulas.soft_shrink(self.number(lambd, f"{where}.lambd"), where))

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
        self.activation(where, x, formulas.elu(self.number(alpha, f"{where}.alpha")))

    def gelu(self, where: str, x: Any, approximate: str = "none") -> None:
        self.activation(where, x, FORMULAS["gelu_tanh"] if approximate == "tanh" else "gelu")

    def power(self, where: str, x: Any, exponent: Any) -> None:
        if not isinstance(exponent, (int, float)) or exponent != 2 or not isinstance(x, Flow):
            found = f"exponent {exponent}" if isinstance(exponent, (int, float)) else "another power"
            raise MalformedError(where, "the square, x ** 2, or a whole power of a tensor", found)
        self.activation(where, x, "square")
