"""Floor 4: what a statement's decision looks like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from exactcnn.errors import MisuseError
from exactcnn.network.weights import Weights
from exactcnn.notebook import badge

__all__ = ["PROVED", "REFUTED", "UNDECIDED", "Finding", "all_of", "worst_verdict"]

PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"


@dataclass(frozen=True, eq=False)
class Finding:
    """A decided (or undecided) statement about one instance.

    ``verdict`` is proved, refuted or undecided; ``reason`` one sentence; ``summary`` what
    the evidence says, ready for JSON; ``evidence`` the typed evidence a certificate is made
    from, None if the decision cannot be certified (the checker cannot repeat it); ``exhibited`` explicit
    parameters that it is about, worth keeping.
    """

    statement: str
    verdict: str
    reason: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    evidence: Any = None
    layer: int | None = None
    grounds: frozenset[str] = frozenset()
    exhibited: Weights | None = None

    @property
    def rests_on(self) -> frozenset[str]:
        """What has to be trusted beside the mathematics: of this finding and of those that it is made of."""
        own = self.grounds | getattr(self.evidence, "rests_on", frozenset())
        parts = getattr(self.evidence, "parts", ())
        return own.union(*(part.rests_on for part in parts if isinstance(part, Finding)))

    def __post_init__(self) -> None:
        if self.verdict not in (PROVED, REFUTED, UNDECIDED):
            raise MisuseError("verdict", "proved, refuted or undecided", self.verdict)

    def __str__(self) -> str:
        return f"{self.statement}: {self.verdict}. {self.reason}"

    def _repr_html_(self) -> str:
        return f"<b>{escape(self.statement)}</b> {badge(self.verdict)} {escape(self.reason)}"


def worst_verdict(findings: list[Finding]) -> str:
    """Refuted if anything is, else undecided if anything is, else proved."""
    verdicts = {finding.verdict for finding in findings}
    for verdict in (REFUTED, UNDECIDED):
        if verdict in verdicts:
            return verdict
    return PROVED


def all_of(values: Iterable[bool | None]) -> bool | None:
    """Kleene's conjunction: False if any is, else None (unknown) if any is, else True."""
    listed = list(values)
    if any(value is False for value in listed):
        return False
    return None if any(value is None for value in listed) else True
