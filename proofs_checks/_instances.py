"""Short ways to write networks, points and data in the scripts; nothing is decided here."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from exactcnn import Network, Weights

__all__ = ["conv", "dense", "network", "pool", "random_rows", "weights"]


def network(shape: int | Sequence[int], *layers: dict[str, Any]) -> Network:
    """A network over inputs of ``shape``, [channels, extents..] or a number d of neurons."""
    shape = [shape] if isinstance(shape, int) else list(shape)
    return Network.from_dict({"name": "proofs-checks", "input": shape, "layers": list(layers)})


def conv(filters: int, activation: Any, **more: Any) -> dict[str, Any]:
    """``kernel`` (with stride, padding, dilation) or ``patches``, and perhaps ``bias``, in ``more``."""
    return {"kind": "conv", "filters": filters, "activation": activation, **more}


def dense(units: int, activation: Any = "identity", **more: Any) -> dict[str, Any]:
    return {"kind": "dense", "units": units, "activation": activation, **more}


def pool(**more: Any) -> dict[str, Any]:
    return {"kind": "maxpool", **more}


def weights(net: Network, *layers: tuple[Any, Any] | None) -> Weights:
    """Given parameters: (W, b) for each layer, None for pooling; W has a row per tap and a column per filter.

    Entries are integers, Fractions or texts such as "3/7*ln2"; b is None where the layer has no biases.
    """
    entries = [
        None if layer is None else {"W": layer[0], **({} if layer[1] is None else {"b": layer[1]})}
        for layer in layers
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.json"
        path.write_text(json.dumps({"layers": entries}, default=str), encoding="ascii")
        return Weights.from_file(net, path)


def random_rows(
    seed: int, count: int, length: int, low: int = -9, high: int = 9
) -> list[list[int | Fraction]]:
    """``count`` rows of ``length`` random integers, the same on every machine."""
    r = random.Random(seed)
    return [[r.randint(low, high) for _ in range(length)] for _ in range(count)]
