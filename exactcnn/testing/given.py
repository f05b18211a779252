"""Floor 6: what the arguments of ``exactcnn.testing`` mean: networks, data and weights in every form people have them.

Imports are inside the functions, since pytest loads ``exactcnn.testing`` wherever exactcnn is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypedDict

from exactcnn.errors import MisuseError

if TYPE_CHECKING:
    from exactcnn.api import Result
    from exactcnn.interop import Model

__all__ = ["Options", "rank_of", "speaks_of"]


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


def rank_of(matrix: Any) -> Result:
    """rank of the matrix, as that of the features of a layer that passes every value on."""
    from exactcnn.api import verify
    from exactcnn.arithmetic.rationals import RationalArray
    from exactcnn.data.samples import Samples
    from exactcnn.linalg.rank import integer_matrix
    from exactcnn.network.network import Network
    from exactcnn.network.weights import LayerWeights, Weights
    from exactcnn.resolve import array_of

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
