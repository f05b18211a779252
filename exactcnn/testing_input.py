"""Floor 6: what the arguments of ``exactcnn.testing`` mean: networks, data and weights in every form people have them.

Conventions.  PyTorch is never imported: whoever has a module or a tensor has imported it.  Imports are inside
the functions, since pytest loads ``exactcnn.testing`` wherever exactcnn is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from exactcnn.errors import MisuseError

if TYPE_CHECKING:
    from exactcnn.api import Result
    from exactcnn.data.samples import Samples
    from exactcnn.interop import Model

__all__ = ["Options", "is_net", "model_of", "rank_of", "samples_of", "seeding", "speaks_of"]


class Options(TypedDict, total=False):
    """Keyword arguments that say which instance is meant; all of them may be left out.

    ``targets``: y, numbers (N, n_L) or labels (N,), where ``data`` does not hold them.  ``weights``: Weights or a
    weights file in place of the model's own; without either they are drawn by ``seed``, ``bits``,
    ``distribution``.  ``samples``: the first so many.  ``scale``: an exact rational ("1/255") that multiplies the
    data.  ``input_shape``: of one sample, for a PyTorch module whose data are flat or absent.
    """

    targets: Any
    weights: Any
    seed: int
    bits: int
    distribution: str
    samples: int | None
    scale: Fraction | int | str
    input_shape: Sequence[int]


def seeding(options: Options) -> dict[str, Any]:
    given: dict[str, Any] = {**options}
    return {name: given[name] for name in ("seed", "bits", "distribution") if name in given}


def samples_of(data: Any, options: Options) -> Samples:
    from exactcnn.api import samples
    from exactcnn.arithmetic.texts import parse_rational
    from exactcnn.data import load

    targets = options.get("targets")
    if data is None or isinstance(data, (str, Path)):
        if targets is not None:
            raise MisuseError("targets", "targets in the data file", "targets beside a file")
        loaded = load("digits" if data is None else data)
    else:
        loaded = samples(array_of(data), None if targets is None else array_of(targets))
    loaded = loaded.take(options.get("samples"))
    return loaded.scaled(parse_rational(options["scale"], "scale")) if "scale" in options else loaded


def array_of(values: Any) -> Any:
    """A PyTorch tensor as the NumPy array of the same numbers; everything else as it is."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def is_net(value: Any) -> bool:
    from exactcnn.interop import Model
    from exactcnn.network.network import Network

    return isinstance(value, (str, Path, dict, Network, Model)) or is_module(value)


def is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")  # whoever has a module has imported torch
    return torch is not None and isinstance(value, torch.nn.Module)


def model_of(net: Any, input_shape: Sequence[int] | None, samples: Samples | None = None) -> Model:
    from exactcnn.interop import Model, from_torch, read_model
    from exactcnn.network.network import Network

    if is_module(net):
        shape = input_shape if input_shape is not None or samples is None else samples.sample_shape
        if shape is None:
            raise MisuseError("input_shape", "the shape of one sample, such as (1, 28, 28)", "none")
        return from_torch(net, shape)
    if isinstance(net, (str, Path)):
        return read_model(net)
    if isinstance(net, dict):
        net = Network.from_dict(net)
    if isinstance(net, Network):
        return Model(net)
    if isinstance(net, Model):
        return net
    expected = "the path of a spec or ONNX file, a Network, a Model or a PyTorch module"
    raise MisuseError("net", expected, type(net).__name__)


def rank_of(matrix: Any) -> Result:
    """rank of the matrix, as that of the features of a layer that passes every value on."""
    from exactcnn.api import verify
    from exactcnn.arithmetic.rationals import RationalArray
    from exactcnn.data.samples import Samples
    from exactcnn.linalg.rank import integer_matrix
    from exactcnn.network.network import Network
    from exactcnn.network.weights import LayerWeights, Weights

    A = integer_matrix(array_of(matrix))
    if 0 in A.shape:
        raise MisuseError("matrix", "at least one row and one column", f"shape {A.shape}")
    rows, columns = A.shape
    x = Samples(RationalArray.from_integers(A if rows <= columns else A.T), source="a matrix")
    layer = {"kind": "conv", "filters": 1, "kernel": 1, "activation": "identity", "bias": "none"}
    network = Network.from_dict({"name": "matrix", "input": [max(rows, columns)], "layers": [layer]})
    weights = Weights.from_layers(network, [LayerWeights(RationalArray.from_integers([[1]]), None)])
    return verify(network, x, weights=weights, statements="rank", layer=1)


def speaks_of(record: dict[str, Any], model: Model) -> bool:
    """The same network but for its name; where the model has weights, all weights in the certificate are its."""
    from exactcnn.certificates.instance_json import weights_json

    network, instance = model.network, record["instance"]
    if {**instance["network"], "name": ""} != {**network.to_nodes(), "name": ""}:
        return False
    if model.weights is None:
        return True
    known = weights_json(model.weights, network.layers, network.depth)
    about = {
        claim["weights"]
        for claim in record["claims"]
        if claim["statement"] in _AT_WEIGHTS and claim["weights"]
    }
    return all(_within(instance["weights"][name], known) for name in about)


# Claims about the weights that they name; others name witnesses, centres of boxes and points with a smaller loss.
_AT_WEIGHTS = (
    "rank", "lifted-rank", "s-k", "corollary-3.6", "loss", "critical-point", "local-minimum", "zero-loss-nearby", "point"
)  # fmt: skip


def _within(given: dict[str, Any], known: dict[str, Any]) -> bool:
    """The same weights, but for entries that the certificate leaves out."""
    if given["kind"] != known["kind"] or "nodes" not in given:
        return given == known
    pairs = zip(given["nodes"], known["nodes"], strict=True)
    return all(mine is None or mine == theirs for mine, theirs in pairs)
