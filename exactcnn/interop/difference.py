"""Floor 6: is the float program, PyTorch's or onnxruntime's, the exact network it was read as?

The exact network is what is verified; the program rounds.  Its outputs on the first samples are compared with
enclosures of what rounding can do (``float_bound``): a program beyond them computes something else, so the model was
read wrongly, and nothing may be said about it.  How far the two are apart is told to people as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactcnn.data.samples import Samples
from exactcnn.errors import ExactCNNError, MalformedError, MisuseError, UndecidedError
from exactcnn.features.balls import feature_balls
from exactcnn.features.instance import Instance
from exactcnn.interop.float_bound import UNITS, float_enclosure, multiplications
from exactcnn.interop.model import Model

__all__ = ["Difference", "difference_note", "output_difference", "require_agreement"]

_PRECISION = 128
_SAMPLES = 4
# Multiplications that a note may spend on the comparison: about 0.1 microseconds each, balls ten times that.
_AFFORDABLE = 40_000_000
_BALL = 10
# Multiplications in float64 that the enclosures may take: a few seconds.
_COMPARABLE = 2_000_000_000


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
    where the program fails on them or the exact outputs cannot be enclosed.
    """
    samples = samples.take(min(most, samples.N))
    given = _given(model, samples)
    network, order = model.network, _order(model)
    if model.weights is None:
        raise MisuseError("model", "one with weights", model.source)
    balls = feature_balls(Instance(network, samples, model.weights), network.depth, _PRECISION)
    exact = np.array([[float(row[u].mid()) for u in order] for row in balls])
    return Difference(samples.N, float(np.abs(given - exact).max()), float(np.abs(exact).max()), model.engine)


def require_agreement(model: Model, samples: Samples) -> None:
    """MalformedError where the outputs of the float program differ from those of the network by more than rounding
    can explain: it was read wrongly.  Silent where the program cannot be run or its rounding not be bounded."""
    cost = multiplications(model.network)
    if model.run is None or model.weights is None or model.dtype not in UNITS or cost > _COMPARABLE:
        return
    samples = samples.take(min(_SAMPLES if _SAMPLES * cost <= _COMPARABLE else 1, samples.N))
    try:
        given = _given(model, samples)
        mid, rad = float_enclosure(model.network, model.weights, model.loads, samples, model.dtype)
    except (UndecidedError, OverflowError):  # the latter: numbers beyond float64
        return
    order = _order(model)
    mid, rad = mid[:, order], rad[:, order]
    known = np.isfinite(given) & np.isfinite(rad)  # what overflowed is no witness
    apart = np.where(known, np.abs(np.where(known, given, 0) - mid) - rad, 0)
    if (apart > 0).any():
        n, j = np.unravel_index(int(apart.argmax()), apart.shape)
        raise MalformedError(
            model.source,
            f"a program that computes the network read from it: {mid[n, j]:.6g} at output {j} of sample {n}, up to "
            f"{rad[n, j]:.2g} of rounding (nothing is verified; please report this model)",
            f"{given[n, j]:.6g} from {model.engine}",
        )


def _order(model: Model) -> np.ndarray:
    """The unit of the last layer behind each output."""
    return np.arange(model.network.widths[-1]) if model.output_order is None else np.array(model.output_order)


def _given(model: Model, samples: Samples) -> np.ndarray:
    """The program's outputs, (N, outputs)."""
    if model.run is None:
        raise MisuseError("model", "one from PyTorch, or from ONNX with onnxruntime installed", model.source)
    try:
        floats = np.array([[float(v) for v in row] for row in samples.x.to_fractions()])
        given = np.asarray(model.run(floats), dtype=np.float64).reshape(samples.N, -1)
    except ExactCNNError:
        raise
    except Exception as error:  # whatever the float program raises on these inputs
        reason = " ".join(str(error).partition("\n")[0].split())[:200] or type(error).__name__
        raise UndecidedError(f"{model.engine} fails on these samples with {reason}") from None
    if given.shape[1] != model.network.widths[-1]:
        raise MalformedError(
            model.source,
            f"a program with {model.network.widths[-1]} outputs, as the network read from it has",
            f"{given.shape[1]} from {model.engine}",
        )
    return given


def difference_note(model: Model, samples: Samples) -> str:
    """The difference as a sentence, or why there is none; MalformedError where ``require_agreement`` has one."""
    if model.run is None:
        return "The float outputs were not compared with the exact network's: onnxruntime is not installed."
    require_agreement(model, samples)
    work, price = 0, 1
    for layer in model.network.layers:
        work += price * layer.patch_count * layer.patch_size * layer.filters
        if layer.activation is not None and layer.activation.kind != "rational":
            price = _BALL
    if work > _AFFORDABLE:
        return f"The float outputs of {model.engine} were not compared: the network is large."
    try:
        return str(output_difference(model, samples, _SAMPLES if _SAMPLES * work < _AFFORDABLE // 4 else 1))
    except UndecidedError as error:
        return f"The float outputs of {model.engine} were not compared: {error}"
