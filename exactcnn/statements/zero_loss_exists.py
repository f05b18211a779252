"""Floor 4: `zero-loss-exists`: a point of S_k with zero loss, exactly, by construction (Theorem 4.5, second part).

The weights of layers 1..k are the given ones, those above are constructed (``landscape.zero_loss``), and then decided
afresh: rank F_k = N, U_{k+2}..U_L of full rank, Phi = 0.  ``ZeroLoss.line`` is a whole line of such points.
Refuted: two equal samples have different targets, so the loss is positive everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import targets_of
from exactcnn.landscape.zero_loss import ZeroLossLine, construct_zero_loss
from exactcnn.statements.at_point import AtPoint, membership_parts
from exactcnn.statements.critical_point import decide_loss
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["ZeroLoss", "decide_zero_loss_exists"]


@dataclass(frozen=True, eq=False)
class ZeroLoss(AtPoint):
    """``line``: the points; ``weights`` are those the rank findings speak of (U_l without its factor ln 2)."""

    line: ZeroLossLine | None = None


@statement(
    "zero-loss-exists",
    group="landscape",
    title="Zero loss is attained",
    meaning="some weights of layers k+1..L give zero loss in S_k, with the given layers 1..k",
    how=(
        "constructed backwards from the targets (`--save-weights` keeps them): rational, or multiples of "
        "ln 2 under sigmoid and tanh"
    ),
    checked="ranks and loss are recomputed",
    exhibits=True,
    needs=("samples", "weights", "targets"),
    wide=True,
)
def decide_zero_loss_exists(instance: Instance, ask: Ask) -> Finding:
    """Is there a point of S_k with zero loss, with the given layers 1..k?"""
    k = ask.k
    name = "zero-loss-exists"
    summary: dict[str, object] = {"layer": k, "samples": instance.N}
    clash = _clash(instance)
    if clash is not None:
        i, j = clash
        reason = f"Samples {i} and {j} are equal and have different targets: the loss is positive everywhere."
        return Finding(name, REFUTED, reason, summary, None, k)
    try:
        line = construct_zero_loss(instance, k)
        point = Instance(instance.network, instance.samples, line.weights)
        parts, weights = membership_parts(point, ask)
    except UndecidedError as error:
        return Finding(name, UNDECIDED, f"No point was constructed: {error}.", summary, None, k)
    loss = decide_loss(point, Ask())
    if any(part.verdict != PROVED for part in parts) or loss.summary.get("loss") != []:
        reason = "The constructed point was not confirmed to lie in S_k with zero loss."
        return Finding(name, UNDECIDED, reason, summary, None, k)
    above = range(k + 1, instance.network.depth + 1)
    layers = f"layer {k + 1}" if len(above) == 1 else f"layers {k + 1}..{instance.network.depth}"
    summary |= {"layers": list(above), "line": line.step is not None}
    reason = f"Constructed weights of {layers} give zero loss exactly, in S_{k}"
    reason += "; so does a whole line of them in layer " + str(k + 1) if line.step is not None else ""
    evidence = ZeroLoss(
        k,
        instance.N,
        instance.network.layer(k).width,
        (*parts, loss),
        weights or line.weights,
        line=line,
    )
    return Finding(name, PROVED, reason + ".", summary, evidence, k, exhibited=line.weights)


def _clash(instance: Instance) -> tuple[int, int] | None:
    """Two equal samples with different targets."""
    x = instance.need_samples().x.numerators.tolist()
    y = targets_of(instance).numerators.tolist()
    seen: dict[tuple[int, ...], int] = {}
    for j, row in enumerate(x):
        i = seen.setdefault(tuple(row), j)
        if y[i] != y[j]:
            return i, j
    return None
