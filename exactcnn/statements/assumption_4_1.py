"""Floor 4: Assumption 4.1, clause by clause, for every candidate k.

No pooling; output fully connected and linear; some k with n_k >= N; hidden activations
satisfy 3.2; sigma_{k+1}..sigma_{L-1} strictly monotone and differentiable; n_{k+1} >= .. >= n_L.
(The paper's 4.4 to 4.6 need more than this: sigma' nowhere zero; see theory 3.6.)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from exactcnn.activations import Activation, decide_assumption_3_2
from exactcnn.features.instance import Instance
from exactcnn.network.network import Network
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding, all_of
from exactcnn.statements.statement import Ask, statement

__all__ = ["CLAUSES", "ClausesOfAssumption41", "decide_assumption_4_1"]

CLAUSES = {
    "no-pooling": "a layer is max-pooling",
    "output-dense": "the last layer is not fully connected and linear",
    "wide": "n_k < N",
    "hidden-3.2": "a hidden activation violates Assumption 3.2",
    "monotone": "an activation above layer k is not strictly monotone and differentiable",
    "pyramid": "the widths above layer k increase somewhere",
}


@dataclass(frozen=True)
class ClausesOfAssumption41:
    """For each k = 1..L-1 the failing clauses, in the order of CLAUSES."""

    samples: int
    failing: tuple[tuple[int, tuple[str, ...]], ...]

    @property
    def verdict(self) -> str:
        return PROVED if any(not clauses for _, clauses in self.failing) else REFUTED


@statement(
    "assumption-4.1",
    group="hypotheses",
    title="Assumption 4.1: a wide layer, then a pyramid",
    meaning="no pooling, linear output, a wide layer, monotone smooth activations above it, pyramid",
    words=(
        "Some hidden layer has at least as many units as there are samples; above it the network is "
        "smooth, without pooling, and does not widen; the output is linear."
    ),
    formula="n_k >= N , n_k+1 >= n_L",
    how="clause by clause",
    checked="recomputed",
    needs=("samples",),
    tied=True,
)
def decide_assumption_4_1(instance: Instance, ask: Ask) -> Finding:
    """All clauses for all k; proved if some k fails none."""
    network, N = instance.network, instance.N
    rows = []
    for k in range(1, network.depth):
        rows.append((k, _clauses(network, N, k)))
    undecided = any(value is None for _, clauses in rows for value in clauses.values())
    failing = tuple((k, tuple(name for name, v in clauses.items() if v is False)) for k, clauses in rows)
    evidence = None if undecided else ClausesOfAssumption41(N, failing)
    summary = {"layers": [{"layer": k, "clauses": dict(clauses)} for k, clauses in rows]}
    holding = [k for k, clauses in rows if all(v is True for v in clauses.values())]
    if holding:
        reason = (
            f"All clauses hold with k = {holding[0]} (n_k = {network.layer(holding[0]).width} >= N = {N})."
        )
        return Finding("assumption-4.1", PROVED, reason, summary, evidence, holding[0])
    if not rows:
        reason = "The network has no hidden layer."
        return Finding("assumption-4.1", REFUTED, reason, summary, evidence)
    k, fewest = min(failing, key=lambda row: (len(row[1]), row[0]))
    if all(clauses for _, clauses in failing):
        reason = f"It fails for every k; for k = {k}: {'; '.join(CLAUSES[name] for name in fewest)}."
        return Finding("assumption-4.1", REFUTED, reason, summary, evidence, k)
    return Finding(
        "assumption-4.1", UNDECIDED, "A property of a user-defined activation is undecided.", summary, None, k
    )


def _clauses(network: Network, N: int, k: int) -> dict[str, bool | None]:
    widths = network.widths[k + 1 :]
    hidden = [a for layer in network.layers[:-1] if (a := layer.activation) is not None]
    above = [a for layer in network.layers[k:-1] if (a := layer.activation) is not None]
    return {
        "no-pooling": all(layer.kind != "maxpool" for layer in network.layers),
        "output-dense": network.has_linear_output,
        "wide": network.layer(k).width >= N,
        "hidden-3.2": all_of([_satisfies_3_2(a) for a in hidden]),
        "monotone": all_of([_monotone(a) for a in above]),
        "pyramid": all(a >= b for a, b in pairwise(widths)),
    }


def _satisfies_3_2(activation: Activation) -> bool | None:
    return {PROVED: True, REFUTED: False}.get(decide_assumption_3_2(activation.properties).verdict)


def _monotone(activation: Activation) -> bool | None:
    return all_of([activation.properties.strictly_monotone, activation.properties.differentiable])
