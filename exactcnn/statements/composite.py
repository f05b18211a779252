"""Floor 4: statements that are conjunctions of other findings."""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.network.weights import Weights
from exactcnn.statements.finding import Finding

__all__ = ["Composite"]


@dataclass(frozen=True, eq=False)
class Composite:
    """The findings that together decide a statement about layer ``layer``.

    ``weights``: explicit parameters the parts speak of instead of the instance's own (Theorem 3.4).
    """

    layer: int
    samples: int
    width: int
    parts: tuple[Finding, ...]
    weights: Weights | None = None
