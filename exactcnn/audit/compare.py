"""Floor 5: computed against printed.  A difference without a recorded explanation fails the audit.

The table's numbers are lower bounds in thousands, cut to a few digits (3,211,264 -> 3000K, 1,182,816 ->
1180K).  A printed number agrees if the computed one, cut to as many digits, is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.audit.architecture import Architecture
from exactcnn.audit.graph import WEIGHTED
from exactcnn.audit.lifted import LiftedRank, lifted_rank
from exactcnn.audit.published import EXPLANATIONS, FIGURE_1, PARAMETERS, TABLE_1

__all__ = ["AS_PRINTED", "EXPLAINED", "NOT_PRINTED", "UNEXPLAINED", "Audit", "Comparison", "audit", "cut"]

AS_PRINTED, EXPLAINED, UNEXPLAINED = "as printed", "explained", "unexplained"
NOT_PRINTED = "no number"
# What the paper takes N to be in Table 1.
PAPERS_N = 1_200_000


def cut(number: int, digits: int) -> int:
    """``number`` with its first ``digits`` digits kept, the others 0.

    >>> cut(1_182_816, 3), cut(67_600, 1)
    (1180000, 60000)
    """
    unit: int = 10 ** max(0, len(str(number)) - digits)
    return number // unit * unit


@dataclass(frozen=True)
class Comparison:
    """``computed`` against ``printed``; ``digits`` None where it was printed exactly."""

    quantity: str
    printed: int
    computed: int
    digits: int | None
    source: str
    explanation: str | None

    @property
    def agrees(self) -> bool:
        return self.printed == (self.computed if self.digits is None else cut(self.computed, self.digits))

    @property
    def status(self) -> str:
        """A recorded explanation of a difference that is not there is itself a difference."""
        if self.agrees:
            return AS_PRINTED if self.explanation is None else UNEXPLAINED
        return UNEXPLAINED if self.explanation is None else EXPLAINED


@dataclass(frozen=True, eq=False)
class Audit:
    """One architecture: comparisons, and Assumption 2.4 for each of its layers with filters."""

    architecture: Architecture
    comparisons: tuple[Comparison, ...]
    lifted: dict[str, LiftedRank]

    @property
    def verdict(self) -> str:
        """The worst comparison; ``NOT_PRINTED`` if the paper says nothing and the definition is right."""
        statuses = {comparison.status for comparison in self.comparisons}
        for status in (UNEXPLAINED, EXPLAINED):
            if status in statuses:
                return status
        of_the_paper = any(comparison.quantity != "parameters" for comparison in self.comparisons)
        return AS_PRINTED if of_the_paper else NOT_PRINTED

    @property
    def reaches_n(self) -> bool:
        """Does some convolutional or dense hidden layer have n_k >= N?"""
        return self.architecture.first_wide is not None

    def layers(self, verdict: str, *, ordinary: bool = True) -> tuple[str, ...]:
        """Names of the layers with this verdict on Assumption 2.4.

        ``ordinary``: the convolutions of Definition 2.1, else grouped and transposed ones.
        """
        graph = self.architecture.graph
        return tuple(
            name
            for name, found in self.lifted.items()
            if found.verdict == verdict
            and graph[name].kind != "dense"
            and graph[name].in_definition == ordinary
        )


def audit(architecture: Architecture) -> Audit:
    """Everything computed about an architecture, next to what was printed."""
    lifted = {node.name: lifted_rank(node) for node in architecture.graph.nodes if node.kind in WEIGHTED}
    return Audit(architecture, tuple(_comparisons(architecture)), lifted)


def _comparisons(architecture: Architecture) -> list[Comparison]:
    name = architecture.name
    rows: list[tuple[str, int, int, int | None, str]] = []
    if name in TABLE_1:
        computed = (architecture.first.width, architecture.widest.width)
        for quantity, thousands, value in zip(("n_1", "max n_k"), TABLE_1[name], computed, strict=True):
            digits = len(str(thousands).rstrip("0"))
            rows.append((quantity, 1000 * thousands, value, digits, "the paper's Table 1"))
    if name == "figure-1":
        widths = (architecture.graph["input"].width, *(node.width for node in architecture.graph.nodes))
        # A layer too many or too few is a difference as well.
        rows.append(("layers", len(FIGURE_1) - 1, len(widths) - 1, None, "the paper's Figure 1"))
        for k, (printed, value) in enumerate(zip(FIGURE_1, widths, strict=False)):
            rows.append((f"n_{k}", printed, value, None, "the paper's Figure 1"))
    if name in PARAMETERS:
        total, source = PARAMETERS[name]
        rows.append(("parameters", total, architecture.parameters, None, source))
    return [
        Comparison(quantity, printed, value, digits, source, _explanation(name, quantity, value))
        for quantity, printed, value, digits, source in rows
    ]


def _explanation(name: str, quantity: str, computed: int) -> str | None:
    for entry in EXPLANATIONS:
        if (entry.architecture, entry.quantity, entry.computed) == (name, quantity, computed):
            return entry.text
    return None
