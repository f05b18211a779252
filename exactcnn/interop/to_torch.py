"""Floor 6: a network with weights as a PyTorch module.

Conventions.  Inputs are tensors (N, *input shape), outputs have PyTorch's shapes and order.  Rationals are
rounded to the nearest number of the dtype; those that came from floats of that dtype or a shorter one are
not changed by it.  What PyTorch has no module for (a bias per unit, explicit patches, the square)
becomes one of the small modules in ``torch_modules``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError, MisuseError
from exactcnn.interop.extras import optional
from exactcnn.network.layers import Layer, Window
from exactcnn.network.network import Network
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["to_torch"]


def to_torch(network: Network, weights: Weights, *, dtype: str = "float64") -> Any:
    """A ``torch.nn.Sequential`` in evaluation mode that computes ``network`` in floats.

    ``dtype``: float64 or float32.  Raises MisuseError for weights of another network and other dtypes,
    MalformedError for activations that PyTorch cannot compute (custom expressions) and weights beyond the
    dtype's range, UndecidedError for weights with ln 2.
    """
    if dtype not in ("float32", "float64"):
        raise MisuseError("dtype", "float32 or float64", dtype)
    if len(weights.layers) != network.depth:
        raise MisuseError("weights", f"weights of {network.depth} layers", len(weights.layers))
    if not network.is_chain:
        raise MalformedError(
            "network",
            "a chain of layers (PyTorch's Sequential is one)",
            "a graph with branches or fixed maps",
        )
    torch = optional("torch", "torch")
    parts: list[Any] = []
    flat = len(network.input_shape) == 1
    for layer in network.layers:
        field = f"weights.{layer.field}"
        image = isinstance(layer.reads, Window)
        if image and flat:  # (d,) is one channel on one axis
            parts.append(torch.nn.Unflatten(1, (layer.below.channels, *layer.below.extents)))
        elif not image and not flat:
            parts.append(torch.nn.Flatten())
        parts += _layer(
            torch, layer, None if layer.weight_shape is None else weights[layer.index], dtype, field
        )
        flat = layer.kind == "dense"
    module = torch.nn.Sequential(*parts).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module


def _layer(torch: Any, layer: Layer, entry: LayerWeights | None, dtype: str, field: str) -> list[Any]:
    from exactcnn.interop.torch_modules import ChannelsFirst, Gathered, PoolPatches, Shifted

    nn, units = torch.nn, layer.below.units().reshape(-1)
    # PyTorch's flat order -> unit numbers, and back.
    place = np.empty(units.size, dtype=np.int64)
    place[units] = np.arange(units.size)
    if entry is None:
        if isinstance(layer.reads, Window):
            pool = getattr(nn, f"MaxPool{len(layer.reads.kernel)}d")
            w = layer.reads
            for k, p in zip(w.kernel, _even(w, layer.field), strict=True):
                if 2 * p > k:
                    raise MalformedError(
                        layer.field, "pool padding of at most half the kernel, as PyTorch asks", p
                    )
            return [pool(w.kernel, w.stride, _even(w, layer.field), w.dilation)]
        return [PoolPatches(place[layer.patches.indices])]
    W, T = _floats(entry.W, dtype, f"{field}.W"), layer.filters
    b = None if entry.b is None else _floats(entry.b, dtype, f"{field}.b")
    tensor_type = getattr(torch, dtype)
    shared = b is not None and layer.bias == "filter"
    parts: list[Any] = []
    if isinstance(layer.reads, Window):
        w = layer.reads
        conv = getattr(nn, f"Conv{len(w.kernel)}d")
        made = conv(
            layer.below.channels,
            T,
            w.kernel,
            w.stride,
            _even(w, layer.field),
            w.dilation,
            bias=shared,
            dtype=tensor_type,
        )
        matrix = W.T.reshape(T, layer.below.channels, *w.kernel)
    elif layer.kind == "dense":
        shared = b is not None
        made = nn.Linear(layer.below.size, T, bias=shared, dtype=tensor_type)
        matrix = W[units].T  # PyTorch's column j is unit units[j]
    else:
        parts.append(Gathered(place[layer.patches.indices]))
        made = nn.Linear(layer.patch_size, T, bias=shared, dtype=tensor_type)
        matrix = W.T
    with torch.no_grad():
        made.weight.copy_(torch.tensor(np.ascontiguousarray(matrix)))
        if shared:
            made.bias.copy_(torch.tensor(b))
    parts.append(made)
    if b is not None and not shared:
        window = isinstance(layer.reads, Window)
        grid = layer.above.units() if window else np.arange(layer.width).reshape(-1, T)
        parts.append(Shifted(b[grid]))
    assert layer.activation is not None
    parts += _activation(torch, layer.activation, layer.field)
    if not isinstance(layer.reads, Window) and layer.kind != "dense":
        parts.append(ChannelsFirst())
    return parts


def _even(window: Window, field: str) -> tuple[int, ...]:
    """The padding, if both sides have as much."""
    found = []
    for pad in window.padding:
        if not isinstance(pad, int):
            raise MalformedError(field, "the same padding on both sides, as PyTorch asks", pad)
        found.append(pad)
    return tuple(found)


def _activation(torch: Any, activation: Activation, field: str) -> list[Any]:
    from exactcnn.interop.torch_modules import FUNCTIONS, Function

    nn, values = torch.nn, {key: float(value) for key, value in activation.parameters}
    made: dict[str, Any] = {
        "identity": lambda: [],
        "relu": lambda: [nn.ReLU()],
        "leaky_relu": lambda: [nn.LeakyReLU(values["slope"])],
        "sigmoid": lambda: [nn.Sigmoid()],
        "tanh": lambda: [nn.Tanh()],
        "softplus": lambda: [nn.Softplus(values["alpha"])],
        "silu": lambda: [nn.SiLU()],
        "mish": lambda: [nn.Mish()],
        "gelu": lambda: [nn.GELU()],
        "elu": lambda: [nn.ELU(values["alpha"])],
    }
    if activation.name in FUNCTIONS:
        return [Function(activation.name)]
    if activation.name not in made:
        expected = f"one of {', '.join([*made, *FUNCTIONS])} (PyTorch has no module for custom expressions)"
        raise MalformedError(f"{field}.activation", expected, activation)
    layers: list[Any] = made[activation.name]()
    return layers


def _floats(array: RationalArray, dtype: str, field: str) -> np.ndarray:
    """The nearest float64 of each entry (Python's integer division rounds correctly), as ``dtype``."""
    try:
        flat = [int(v) / array.denominator for v in array.numerators.reshape(-1).tolist()]
    except OverflowError:
        raise MalformedError(field, f"numbers that {dtype} can hold", "a larger one") from None
    with np.errstate(over="ignore"):
        values = np.array(flat).reshape(array.shape).astype(dtype)
    if not np.isfinite(values).all():
        raise MalformedError(field, f"numbers that {dtype} can hold", "a larger one")
    return values
