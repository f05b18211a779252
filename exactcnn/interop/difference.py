"""Floor 6: how far the float program is from the exact network it was read as, on some samples.

The exact network is what is verified; PyTorch and onnxruntime round.  The outputs of the exact
network are enclosed in balls and compared with the float outputs.  Nothing is decided by it; a
large difference says that the floats are far from the theorem, or that the reading is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.data.samples import Samples
from exactcnn.errors import ExactCNNError, MisuseError
from exactcnn.features.balls import feature_balls
from exactcnn.features.instance import Instance
from exactcnn.interop.model import Model

__all__ = ["Difference", "difference_note", "output_difference"]

_PRECISION = 128
_SAMPLES = 4
# Multiplications that a note may spend on the comparison: about 0.1 microseconds each, balls ten times that.
_AFFORDABLE = 40_000_000
_BALL = 10


@dataclass(frozen=True)
class Difference:
    """The largest |float output - exact output| over all outputs of ``samples`` samples, and the largest
    |exact output|, both rounded to float64; ``engine`` computed the floats."""

    samples: int
    largest: float
    magnitude: float
    engine: str

    def __str__(self) -> str:
        plural = "sample" if self.samples == 1 else f"{self.samples} samples"
        return (
            f"On the first {plural} the outputs of {self.engine} differ from the exact network's, up to "
            f"{self.magnitude:.3g} in size, by at most {self.largest:.3g}."
        )


def output_difference(model: Model, samples: Samples, most: int = _SAMPLES) -> Difference:
    """Compare ``model.run`` with the exact network on the first ``most`` samples.

    Raises MisuseError for a model that cannot be run (a spec file, or no onnxruntime) and UndecidedError
    where the exact outputs cannot be enclosed.
    """
    if model.run is None or model.weights is None:
        raise MisuseError("model", "one from PyTorch, or from ONNX with onnxruntime installed", model.source)
    samples = samples.take(min(most, samples.N))
    floats = np.array([[float(v) for v in row] for row in samples.x.to_fractions()])
    network, given = model.network, model.run(floats)
    order = np.arange(network.widths[-1]) if model.output_order is None else np.array(model.output_order)
    given = np.asarray(given, dtype=np.float64).reshape(samples.N, -1)
    if given.shape[1] != order.size:
        raise MisuseError("model.run", f"{order.size} outputs for each sample", given.shape[1])
    balls = feature_balls(Instance(network, samples, model.weights), network.depth, _PRECISION)
    exact = np.array([[float(row[u].mid()) for u in order] for row in balls])
    return Difference(samples.N, float(np.abs(given - exact).max()), float(np.abs(exact).max()), model.engine)


def difference_note(model: Model, samples: Samples) -> str:
    """The difference as a sentence, or why there is none; for people, never fatal."""
    if model.run is None:
        return "The float outputs were not compared with the exact network's: onnxruntime is not installed."
    work, price = 0, 1
    for layer in model.network.layers:
        work += price * layer.patch_count * layer.patch_size * layer.filters
        if layer.activation is not None and layer.activation.kind != "rational":
            price = _BALL
    if work > _AFFORDABLE:
        return f"The float outputs of {model.engine} were not compared: the network is large."
    try:
        return str(output_difference(model, samples, _SAMPLES if _SAMPLES * work < _AFFORDABLE // 4 else 1))
    except ExactCNNError as error:
        return f"The float outputs of {model.engine} were not compared: {error}"
    except Exception as error:  # whatever the float program raises on these inputs
        reason = str(error).partition("\n")[0][:200]
        return f"The float outputs of {model.engine} were not compared: it failed with {reason}"
