"""Floor 6: the loss of a certificate's network in plain floating point, for curves in reports; never for a verdict."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import log, prod
from typing import Any

import numpy as np

__all__ = ["loss_function"]

_SIGMA: dict[str, Callable[..., np.ndarray]] = {
    "identity": lambda t: t,
    "relu": lambda t: np.maximum(t, 0.0),
    "square": lambda t: t * t,
    "sigmoid": lambda t: 1 / (1 + np.exp(-t)),
    "sigmoid2": lambda t: 1 / (1 + np.exp2(-t)),
    "tanh": np.tanh,
    "arctan": np.arctan,
    "gaussian": lambda t: np.exp(-t * t),
    "silu": lambda t: t / (1 + np.exp(-t)),
    "leaky_relu": lambda t, slope: np.where(t >= 0, t, slope * t),
    "softplus": lambda t, alpha: np.logaddexp(0, alpha * t) / alpha,
    "elu": lambda t, alpha: np.where(t >= 0, t, alpha * np.expm1(np.minimum(t, 0))),
}


def _number(poly: Any) -> float:
    """c_0 + c_1 ln 2 + .., rationals as FORMAT.md writes them."""
    if not isinstance(poly, list):
        return float(Fraction(str(poly)))
    return float(sum(float(Fraction(str(c))) * log(2) ** n for n, c in enumerate(poly)))


def loss_function(
    content: dict[str, Any], claim: dict[str, Any]
) -> tuple[Callable[[np.ndarray], float], np.ndarray]:
    """(Phi of all parameters in a row, the stated point); raises what odd content raises."""
    from exactcnn.network.network import Network

    record = content["instance"]["network"]
    network = Network.from_dict(
        {"name": "report", "input": {"shape": record["input"]}, "layers": record["layers"]}
    )
    data = content["instance"]["data"]
    x = np.array([[int(v) for v in row] for row in data["rows"]], dtype=float) / int(data["denominator"])
    y = np.array([[_number(v) for v in row] for row in claim["targets"]])
    shapes: list[tuple[int, ...]] = []
    flat: list[float] = []
    for entry in claim["point"]:
        for part in () if entry is None else ("W", "b"):
            value = entry[part]
            if value is not None:
                shape = (len(value), len(value[0])) if part == "W" else (len(value),)
                flat += (
                    [_number(v) for row in value for v in row] if part == "W" else [_number(v) for v in value]
                )
                shapes.append(shape)

    def loss(parameters: np.ndarray) -> float:
        state, place, number = x, 0, 0
        for layer in network.layers:
            patches = layer.patches
            padded = np.concatenate(
                [state, np.zeros((len(state), int(patches.indices.max()) + 1 - state.shape[1]))], axis=1
            )
            gathered = padded[:, patches.indices]
            if layer.kind == "maxpool":
                state = np.where(patches.real, gathered, -np.inf).max(axis=2)
                continue
            size = prod(shapes[number])
            W = parameters[place : place + size].reshape(shapes[number])
            place, number = place + size, number + 1
            state = (gathered @ W).reshape(len(x), -1)
            if layer.bias != "none":
                size = prod(shapes[number])
                b = parameters[place : place + size]
                place, number = place + size, number + 1
                state = state + (b if layer.bias == "unit" else np.tile(b, layer.patch_count))
            activation = layer.activation
            assert activation is not None
            state = _SIGMA[activation.name](state, *(float(value) for _, value in activation.parameters))
        return 0.5 * float(((state - y) ** 2).sum())

    return loss, np.array(flat)
