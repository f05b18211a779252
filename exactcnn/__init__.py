"""exactcnn: exact-arithmetic verifier for the theory of wide convolutional networks.

The names below are loaded when first used; ``import exactcnn`` itself is light.

>>> import exactcnn
>>> net = exactcnn.Network.from_dict({"input": [4], "layers": [
...     {"kind": "conv", "filters": 3, "kernel": 2, "activation": "sigmoid"}]})
>>> x = exactcnn.samples([[1, 2, 0, 3], [0, 1, 1, 2], [5, 4, 4, 0]])
>>> result = exactcnn.verify(net, x, seed=7)
>>> result.verdict
'proved'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exactcnn.api import Result, certificate_outcome, samples, verify
    from exactcnn.data import load as load_data
    from exactcnn.errors import ExactCNNError, MalformedError, MisuseError, UndecidedError
    from exactcnn.features.instance import Instance
    from exactcnn.interop import Model, from_onnx, from_torch, output_difference, read_model, to_torch
    from exactcnn.linalg import rank, rank_mod_p
    from exactcnn.network.network import Network
    from exactcnn.network.spec import read_spec
    from exactcnn.network.weights import Weights
    from exactcnn.statements import Finding

__version__ = "0.1.0"

_HOME = {
    "ExactCNNError": "exactcnn.errors",
    "Finding": "exactcnn.statements",
    "Instance": "exactcnn.features.instance",
    "MalformedError": "exactcnn.errors",
    "MisuseError": "exactcnn.errors",
    "Model": "exactcnn.interop",
    "Network": "exactcnn.network.network",
    "Result": "exactcnn.api",
    "UndecidedError": "exactcnn.errors",
    "Weights": "exactcnn.network.weights",
    "certificate_outcome": "exactcnn.api",
    "from_onnx": "exactcnn.interop",
    "from_torch": "exactcnn.interop",
    "load_data": "exactcnn.data",
    "output_difference": "exactcnn.interop",
    "rank": "exactcnn.linalg",
    "rank_mod_p": "exactcnn.linalg",
    "read_model": "exactcnn.interop",
    "read_spec": "exactcnn.network.spec",
    "samples": "exactcnn.api",
    "to_torch": "exactcnn.interop",
    "verify": "exactcnn.api",
}

__all__ = [
    "ExactCNNError",
    "Finding",
    "Instance",
    "MalformedError",
    "MisuseError",
    "Model",
    "Network",
    "Result",
    "UndecidedError",
    "Weights",
    "certificate_outcome",
    "from_onnx",
    "from_torch",
    "load_data",
    "output_difference",
    "rank",
    "rank_mod_p",
    "read_model",
    "read_spec",
    "samples",
    "to_torch",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'exactcnn' has no attribute {name!r}")
    attribute = "load" if name == "load_data" else name
    value = getattr(import_module(_HOME[name]), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
