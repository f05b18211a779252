"""Floor 6: the exact network that a module, an ONNX file or a spec describes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates.canonical import digest
from exactcnn.certificates.instance_json import weights_json
from exactcnn.data.samples import Samples
from exactcnn.errors import MalformedError, MisuseError
from exactcnn.network.network import Network
from exactcnn.network.weights import Weights

__all__ = ["Model"]


@dataclass(frozen=True, eq=False)
class Model:
    """``network`` with ``weights`` (None where only a spec was given), which is what will be verified.

    ``notes`` say, a sentence each, where the network is not literally what was given (a grouped
    convolution, a layer that had to be inserted), ``weight_notes`` the same of the weights (a rounded
    scale).  ``run`` evaluates the float program, inputs (N, *input shape) to outputs (N, ..), or is None.
    ``output_order``: the unit of the last layer behind each output of the model, None where it is their order.
    ``loads``, ``dtype``: what bounds the rounding of ``run`` (``float_bound``).
    Unpacks as ``network, weights = model``.
    """

    network: Network
    weights: Weights | None = None
    notes: tuple[str, ...] = ()
    weight_notes: tuple[str, ...] = ()
    source: str = "spec"
    run: Callable[[np.ndarray], np.ndarray] | None = None
    engine: str = ""
    output_order: tuple[int, ...] | None = None
    loads: tuple[tuple[float, int], ...] = ()
    dtype: str = "float32"

    def __iter__(self) -> Iterator[Network | Weights | None]:
        return iter((self.network, self.weights))

    def weights_digest(self) -> str:
        """SHA-256 of the weights of all layers as certificates write them (FORMAT.md 1.1 and section 4).

        The same for the same numbers, whether they came from a module or from a file.
        """
        if self.weights is None:
            raise MisuseError("model", "a model with weights", self.source)
        return digest(weights_json(self.weights, self.network.layers, self.network.depth))

    def aligned(self, samples: Samples) -> Samples:
        """The samples with targets in the order of the network's last layer, not of the model's outputs."""
        y, order = samples.targets, self.output_order
        if order is None or y is None:
            return samples
        if y.ndim == 1 and len(order) > 1:
            raise MalformedError(
                f"{samples.field}.y",
                f"{len(order)} numbers for each sample, since the model's outputs are no classes",
                "labels",
            )
        if y.ndim != 2 or y.shape[1] != len(order):
            return samples  # for the statement to say what it expected
        moved = np.empty_like(y.numerators)
        moved[:, list(order)] = y.numerators
        return replace(samples, targets=RationalArray.from_integers(moved, y.denominator))

    def check_samples(self, samples: Samples) -> None:
        """MalformedError where the samples have as many values as the input, but another shape.

        Images with their channels last would otherwise be read in the wrong order without a word.
        Flat samples and flat inputs have no order of axes to confuse.
        """
        given = samples.sample_shape
        wanted = self.network.input_shape
        if given is None or samples.x.shape[1] != self.network.input_size:
            return
        axes, inner = ([n for n in shape if n > 1] for shape in (given, wanted))
        if axes != inner and len(axes) > 1 and len(inner) > 1:
            raise MalformedError(
                f"{samples.field}.x",
                f"samples of shape {tuple(wanted)}, the model's input, channels first (transpose the array)",
                f"samples of shape {tuple(given)}",
            )
