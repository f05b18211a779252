"""Floor 6: one way from what people have (model, data, weights, targets) to the instance that statements are about.

The command line, ``exactcnn.verify`` and ``exactcnn.testing`` all come through ``resolve``.  PyTorch is never imported:
whoever has a module or a tensor has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exactcnn.errors import MisuseError
from exactcnn.features.instance import Instance
from exactcnn.network.network import Network
from exactcnn.network.weights import DEFAULT_BITS, Weights

if TYPE_CHECKING:
    from exactcnn.data.samples import Samples
    from exactcnn.interop import Model

__all__ = [
    "array_of",
    "default_network",
    "exact_samples",
    "is_net",
    "model_of",
    "resolve",
    "samples_of",
    "weights_of",
]


def default_network() -> Network:
    """The embedded default: 64 sigmoid filters 3 x 3 on 8 x 8 digits, n_1 = 2304, then 10 classes."""
    conv = {"kind": "conv", "filters": 64, "kernel": 3, "activation": "sigmoid"}
    layers = [conv, {"kind": "dense", "units": 10}]
    return Network.from_dict({"name": "wide-digits", "input": {"shape": [1, 8, 8]}, "layers": layers})


def exact_samples(x: Any, y: Any = None) -> Samples:
    """Samples from an array (integers or floats, taken exactly) or nested lists of int,
    Fraction and rational texts; first axis samples, the rest flattened."""
    from exactcnn.arithmetic.rationals import RationalArray
    from exactcnn.data.samples import Samples

    if isinstance(x, Samples):
        return x
    if isinstance(x, np.ndarray):
        found = Samples.from_array(x, y if isinstance(y, np.ndarray) else None)
        if y is None or isinstance(y, np.ndarray):
            return found
        return replace(found, targets=RationalArray.from_fractions(y, "y"))
    exact = RationalArray.from_fractions(x, "x")
    if exact.ndim < 2:
        raise MisuseError("x", "a list of values for each sample", f"{exact.ndim} axes")
    targets = None if y is None else RationalArray.from_fractions(y, "y")
    return Samples(exact.reshape(exact.shape[0], -1), targets, exact.shape[1:])


def array_of(values: Any) -> Any:
    """A PyTorch tensor as the NumPy array of the same numbers; everything else as it is."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def samples_of(
    data: Any,
    targets: Any = None,
    *,
    samples: int | None = None,
    start: int = 0,
    scale: Fraction | int | str | None = None,
) -> Samples:
    """The samples: a file, 'digits' (or None), arrays, tensors, nested lists, (X, y), and perhaps only some of them."""
    from exactcnn.arithmetic.texts import parse_rational
    from exactcnn.data import load

    if data is None or isinstance(data, (str, Path)):
        if targets is not None:
            raise MisuseError("targets", "targets in the data file", "targets beside a file")
        return load("digits" if data is None else data, samples=samples, start=start, scale=scale)
    made = exact_samples(array_of(data), None if targets is None else array_of(targets))
    loaded = made.take(samples, start)
    return loaded if scale is None else loaded.scaled(parse_rational(scale, "scale"))


def is_net(value: Any) -> bool:
    from exactcnn.interop import Model

    return isinstance(value, (str, Path, dict, Network, Model)) or _is_module(value)


def _is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def model_of(
    net: Any,
    input_shape: Sequence[int] | None = None,
    samples: Samples | None = None,
    until: str | None = None,
) -> Model:
    """The exact network with its weights: from a spec or ONNX file, a dict, a Network, a PyTorch module, or the default."""
    from exactcnn.interop import Model, from_torch, read_model

    if until is not None and not isinstance(net, (str, Path)):
        raise MisuseError(
            "until", "an ONNX file to cut", type(net).__name__ if net is not None else "no file"
        )
    if net is None:
        return Model(default_network())
    if _is_module(net):
        shape = input_shape if input_shape is not None or samples is None else samples.sample_shape
        if shape is None:
            raise MisuseError("input_shape", "the shape of one sample, such as (1, 28, 28)", "none")
        return from_torch(net, shape)
    if isinstance(net, (str, Path)):
        return read_model(net, until=until)
    if isinstance(net, dict):
        net = Network.from_dict(net)
    if isinstance(net, Network):
        return Model(net)
    if isinstance(net, Model):
        return net
    expected = "the path of a spec or ONNX file, a Network, a Model or a PyTorch module"
    raise MisuseError("net", expected, type(net).__name__)


def weights_of(
    model: Model,
    weights: Weights | str | Path | None = None,
    *,
    seed: int = 0,
    bits: int = DEFAULT_BITS,
    distribution: str = "uniform",
) -> Weights:
    """Those given, or in the file; else the model's own, or drawn from the seed."""
    if isinstance(weights, (str, Path)):
        return Weights.from_file(model.network, weights)
    if weights is None:
        return model.weights or Weights.from_seed(model.network, seed, bits, distribution)
    if not isinstance(weights, Weights):
        raise MisuseError("weights", "Weights, the path of a weights file, or None", type(weights).__name__)
    return weights


def resolve(
    net: Any = None,
    data: Any = None,
    *,
    targets: Any = None,
    samples: int | None = None,
    start: int = 0,
    scale: Fraction | int | str | None = None,
    input_shape: Sequence[int] | None = None,
    weights: Weights | str | Path | None = None,
    layer: int | str | None = None,
    until: str | None = None,
    compare: bool = False,
    **drawn: Any,
) -> tuple[Instance, tuple[str, ...]]:
    """The instance, and notes, a sentence each, where it is not literally what was given.

    ``drawn``: seed, bits, distribution of weights that nothing gives.  ``layer`` must exist.
    ``until``: the node of an ONNX file that becomes the output.  ``compare``: a note says how far
    the model's own float outputs are from the exact network's.  MalformedError or MisuseError say what does not fit.
    """
    from exactcnn.interop.difference import difference_note, require_agreement

    if _is_module(net):
        loaded = samples_of(data, targets, samples=samples, start=start, scale=scale)
        model = model_of(net, input_shape, loaded)
    else:
        model = model_of(net, until=until)
        if layer is not None:
            model.network.layer(layer)
        loaded = samples_of(data, targets, samples=samples, start=start, scale=scale)
    Instance(model.network, loaded)  # do the samples fit at all
    model.check_samples(loaded)
    loaded, own = model.aligned(loaded), weights is None
    chosen = weights_of(model, weights, **drawn)
    notes = [*model.notes, *(model.weight_notes if own else ())]
    if own and model.weights is not None and compare:
        notes.append(difference_note(model, loaded))
    elif own and model.weights is not None:
        require_agreement(model, loaded)
    return Instance(model.network, loaded, chosen), tuple(notes)
