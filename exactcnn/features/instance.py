"""Floor 3: the instance: network, data and weights that fit together."""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.data.samples import Samples
from exactcnn.errors import MalformedError, MisuseError
from exactcnn.network.network import Network
from exactcnn.network.weights import Weights

__all__ = ["Instance"]


@dataclass(frozen=True, eq=False)
class Instance:
    """What a statement is about.  ``samples`` or ``weights`` may be absent where a statement
    does not speak of them."""

    network: Network
    samples: Samples | None = None
    weights: Weights | None = None

    def __post_init__(self) -> None:
        if self.samples is not None:
            d = self.samples.x.shape[1]
            if d != self.network.input_size:
                shape = " x ".join(map(str, self.network.input_shape))
                raise MalformedError(
                    self.samples.field,
                    f"samples of {self.network.input_size} values, the network's input {shape}",
                    f"samples of {d} values",
                )
        if self.weights is not None and len(self.weights.layers) != self.network.depth:
            raise MisuseError("weights", f"weights of {self.network.depth} layers", len(self.weights.layers))

    @property
    def N(self) -> int:
        """The number of samples."""
        return self.need_samples().x.shape[0]

    def need_samples(self) -> Samples:
        if self.samples is None:
            raise MisuseError("samples", "an instance with data", "none")
        return self.samples

    def need_weights(self) -> Weights:
        if self.weights is None:
            raise MisuseError("weights", "an instance with weights", "none")
        return self.weights
