"""Floor 6: the handful of functions for people who import exactcnn in their own tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

from exactcnn.certificates import make_certificate, write_certificate
from exactcnn.features.instance import Instance
from exactcnn.network.weights import DEFAULT_BITS, Weights
from exactcnn.resolve import default_network, resolve
from exactcnn.resolve import exact_samples as samples
from exactcnn.statements import Finding, decide, statement_names, worst_verdict

__all__ = ["Result", "certificate_outcome", "default_network", "samples", "verify"]


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
    network: Any = None,
    data: Any = None,
    *,
    targets: Any = None,
    samples: int | None = None,
    scale: Fraction | int | str | None = None,
    input_shape: Sequence[int] | None = None,
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

    ``network``: a Network, a Model (from_torch, from_onnx; its weights unless others are given), a PyTorch module, or
    the path of a spec or ONNX file.  ``data``: Samples, an array or tensor, nested lists, the path of a data file, or None
    (digits); ``targets``: y, where ``data`` does not hold it; ``samples``: the first so many; ``scale``: an exact rational
    that multiplies them; ``input_shape``: of one sample, for a module whose data are flat.  ``weights``: Weights,
    a file, or None for weights of ``bits`` bits drawn from ``seed`` by ``distribution`` ("uniform", "gaussian", "he",
    "sparse:1/4", "integer:3").  ``statements``: names, groups ("hypotheses", "expressivity", "landscape") or "all".
    ``layer``: k or a name, or None for each statement's own choice.  ``fast``: rank F_k = N at given weights may be
    proved by float64 with proved error bounds; where that does not decide, the exact routes follow.
    Raises MalformedError or MisuseError (both ValueError) for bad input.
    """
    instance, notes = resolve(
        network, data, targets=targets, weights=weights, layer=layer, samples=samples, scale=scale,
        input_shape=input_shape, seed=seed, bits=bits, distribution=distribution,
    )  # fmt: skip
    names = statement_names((statements,) if isinstance(statements, str) else statements)
    found = [finding for name in names for finding in decide(name, instance, layer, fast=fast)]
    return Result(instance, tuple(found), notes)


def certificate_outcome(certificate: dict[str, Any]) -> str:
    """``"VERIFIED"``, ``"REJECTED"``, ``"MALFORMED"`` or ``"NOT CHECKED"`` (too much work): what the independent
    checker says."""
    from exactcnn.checker import check_certificate

    return check_certificate(certificate).outcome
