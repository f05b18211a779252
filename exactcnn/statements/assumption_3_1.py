"""Floor 4: Assumption 3.1: patches of different samples are different, x_i^p != x_j^q."""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.arithmetic.texts import rational_text
from exactcnn.features.collisions import CollisionGroup, find_collisions
from exactcnn.features.instance import Instance
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["PatchCollision", "decide_assumption_3_1"]


@dataclass(frozen=True)
class PatchCollision:
    """``samples`` (i, j) share the value of ``patches`` (p, q); None: nothing collides."""

    samples: tuple[int, int] | None
    patches: tuple[int, int] | None


@statement(
    "assumption-3.1",
    group="hypotheses",
    title="Assumption 3.1: all patches differ",
    meaning="patches of different samples are different",
    words="No patch of one sample equals a patch of another sample.",
    formula="x_i^p != x_j^q , i != j",
    how="exact comparison of all patches",
    checked="compared again",
    needs=("samples",),
    tied=True,
)
def decide_assumption_3_1(instance: Instance, ask: Ask) -> Finding:
    """All patches that layer 1 reads, over all samples, compared exactly by grouping."""
    network = instance.network
    if network.layer(1).kind == "maxpool":
        reason = "Layer 1 is max-pooling; the theorems ask for a convolutional or fully connected layer 1."
        return Finding("assumption-3.1", UNDECIDED, reason)
    found = find_collisions(network.layer(1), instance.need_samples())
    summary = {
        "patches": found.patches,
        "colliding_groups": found.total_groups,
        "colliding_patches": found.colliding_patches,
        "largest_groups": [_group(group) for group in found.groups],
    }
    if found.witness is None:
        reason = f"All {found.patches} patches of the {instance.N} samples differ between samples."
        return Finding("assumption-3.1", PROVED, reason, summary, PatchCollision(None, None))
    (i, p), (j, q) = found.witness
    reason = (
        f"Patch {p} of sample {i} equals patch {q} of sample {j}; {found.total_groups} patch values are "
        f"shared between samples, the commonest by {found.groups[0].samples} samples."
    )
    return Finding("assumption-3.1", REFUTED, reason, summary, PatchCollision((i, j), (p, q)))


def _group(group: CollisionGroup) -> dict[str, object]:
    return {
        "samples": group.samples,
        "occurrences": group.occurrences,
        "value_numerators": [rational_text(v) for v in group.value[:64]],
        "members": [{"sample": i, "patch": p} for i, p in group.members],
    }
