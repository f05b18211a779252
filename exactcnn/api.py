"""Floor 6: the handful of functions for people who import exactcnn in their own tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates import make_certificate, write_certificate
from exactcnn.data.samples import Samples
from exactcnn.errors import MisuseError
from exactcnn.features.instance import Instance
from exactcnn.interop.model import Model
from exactcnn.network.network import Network
from exactcnn.network.weights import DEFAULT_BITS, Weights
from exactcnn.statements import STATEMENTS, Finding, decide, worst_verdict
from exactcnn.statements.float_rank import floats_first

__all__ = ["Result", "certificate_outcome", "default_network", "samples", "verify"]


def default_network() -> Network:
    """The embedded default: 64 sigmoid filters 3 x 3 on 8 x 8 digits, n_1 = 2304, then 10 classes."""
    return Network.from_dict(
        {
            "name": "wide-digits",
            "input": {"shape": [1, 8, 8]},
            "layers": [
                {"kind": "conv", "filters": 64, "kernel": 3, "activation": "sigmoid"},
                {"kind": "dense", "units": 10},
            ],
        }
    )


def samples(x: Any, y: Any = None) -> Samples:
    """Samples from an array (integers or floats, taken exactly) or nested lists of int,
    Fraction and rational texts; first axis samples, the rest flattened."""
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


@dataclass(frozen=True, eq=False)
class Result:
    """``findings`` about ``instance``; ``verdict`` is the worst of those asked for.

    ``notes``: where the network verified is not literally the model that was given, a sentence each.
    """

    instance: Instance
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        return worst_verdict(list(self.findings))

    def certificate(self) -> dict[str, Any]:
        """All findings that the checker can repeat, as one certificate."""
        return make_certificate(self.instance, list(self.findings))

    def save_certificate(self, path: str | Path) -> None:
        write_certificate(self.certificate(), path)

    def _repr_html_(self) -> str:
        parts = [f"<p>{finding._repr_html_()}</p>" for finding in self.findings]
        return (
            self.instance.network._repr_html_()
            + "".join(parts)
            + "".join(f"<p>{escape(n)}</p>" for n in self.notes)
        )

    def __str__(self) -> str:
        return "\n".join([*map(str, self.findings), *(f"Note: {note}" for note in self.notes)])


def verify(
    network: Network | Model | str | Path | None = None,
    data: Any = None,
    *,
    weights: Weights | str | Path | None = None,
    seed: int = 0,
    bits: int = DEFAULT_BITS,
    distribution: str = "uniform",
    statements: str | Sequence[str] = ("rank",),
    layer: int | str | None = None,
    fast: bool = False,
) -> Result:
    """Decide ``statements`` about a network, data and weights; with nothing given, the
    embedded network on the embedded digits.

    ``network``: a Network, a Model (from_torch, from_onnx; its weights unless others are given), or the
    path of a spec or ONNX file.  ``data``: Samples, an array, nested lists, the path of a data file, or None
    (digits).  ``weights``: Weights, a file, or None for weights of ``bits`` bits drawn from ``seed`` by
    ``distribution`` ("uniform", "gaussian", "he", "sparse:1/4", "integer:3").  ``layer``: k or a name, or None for each
    statement's own choice.  ``fast``: rank F_k = N at given weights may be proved by float64 with proved error
    bounds; where that does not decide, the exact routes follow.
    Raises MalformedError or MisuseError (both ValueError) for bad input.
    """
    from exactcnn.data import load, load_digits

    if isinstance(network, (str, Path)):
        from exactcnn.interop import read_model

        network = read_model(network)
    model = network if isinstance(network, Model) else Model(network or default_network())
    network = model.network
    if isinstance(data, (str, Path)):
        data = load(data)
    loaded = load_digits() if data is None else samples(data)
    model.check_samples(loaded)
    loaded = model.aligned(loaded)
    notes = model.notes + (model.weight_notes if weights is None else ())
    if isinstance(weights, (str, Path)):
        weights = Weights.from_file(network, weights)
    elif weights is None:
        weights = model.weights or Weights.from_seed(network, seed, bits, distribution)
    elif not isinstance(weights, Weights):
        raise MisuseError("weights", "Weights, the path of a weights file, or None", type(weights).__name__)
    if isinstance(statements, str):
        statements = (statements,)
    instance = Instance(network, loaded, weights)
    for name in statements:
        if name not in STATEMENTS:
            raise MisuseError("statement", f"one of {', '.join(STATEMENTS)}", repr(name))
    with floats_first(fast):
        found = [finding for name in statements for finding in decide(name, instance, layer)]
    return Result(instance, tuple(found), notes)


def certificate_outcome(certificate: dict[str, Any]) -> str:
    """``"VERIFIED"``, ``"REJECTED"``, ``"MALFORMED"`` or ``"NOT CHECKED"`` (too much work): what the independent
    checker says."""
    from exactcnn.checker import check_certificate

    return check_certificate(certificate).outcome
