"""Floor 4: the statements by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from exactcnn.errors import MisuseError
from exactcnn.features.instance import Instance
from exactcnn.network.network import Network
from exactcnn.statements.assumption_2_4 import decide_assumption_2_4, decide_lemma_2_5
from exactcnn.statements.assumption_3_1 import decide_assumption_3_1
from exactcnn.statements.assumption_3_2 import decide_assumption_3_2
from exactcnn.statements.assumption_4_1 import decide_assumption_4_1
from exactcnn.statements.corollary_3_6 import decide_corollary_3_6
from exactcnn.statements.corollary_4_6 import decide_corollary_4_6
from exactcnn.statements.critical_nearby import decide_critical_nearby
from exactcnn.statements.critical_point import decide_critical_point, decide_loss
from exactcnn.statements.extension_a import decide_extension_a
from exactcnn.statements.extension_b import decide_extension_b
from exactcnn.statements.extension_c import decide_extension_c
from exactcnn.statements.finding import UNDECIDED, Finding
from exactcnn.statements.float_rank import FLOATS, float_proofs
from exactcnn.statements.lemma_4_2 import decide_lemma_4_2
from exactcnn.statements.lemma_4_3 import decide_lemma_4_3
from exactcnn.statements.lifted_rank import decide_lifted_rank
from exactcnn.statements.local_minimum import decide_local_minimum
from exactcnn.statements.no_bad_valley import decide_no_bad_valley
from exactcnn.statements.rank import decide_rank
from exactcnn.statements.s_k import decide_s_k
from exactcnn.statements.structure import decide_structure
from exactcnn.statements.theorem_3_4 import decide_theorem_3_4
from exactcnn.statements.theorem_3_5 import decide_theorem_3_5
from exactcnn.statements.theorem_4_5 import decide_theorem_4_4, decide_theorem_4_5
from exactcnn.statements.zero_loss_exists import decide_zero_loss_exists
from exactcnn.statements.zero_loss_nearby import decide_zero_loss_nearby

__all__ = ["STATEMENTS", "Statement", "decide"]


@dataclass(frozen=True)
class Statement:
    """``decide(instance, layer)`` where layer None means the statement's own choice."""

    name: str
    meaning: str
    needs_samples: bool
    needs_weights: bool
    decide: Callable[[Instance, int | None], list[Finding]]
    needs_targets: bool = False


def _wide(instance: Instance, layer: int | None) -> int:
    return instance.network.wide_layer(instance.N) if layer is None else layer


STATEMENTS: dict[str, Statement] = {
    statement.name: statement
    for statement in (
        Statement(
            "rank",
            "F_k has rank N: the features of all samples are linearly independent over R",
            True,
            True,
            lambda instance, layer: [decide_rank(instance, _wide(instance, layer))],
        ),
        Statement(
            "structure",
            "patches cover all neurons and no two are the same set",
            False,
            False,
            decide_structure,
        ),
        Statement(
            "assumption-2.4",
            "some filters make the lifted matrix U_k full rank (convolutional layers)",
            False,
            False,
            decide_assumption_2_4,
        ),
        Statement(
            "lemma-2.5",
            "almost all filters make U_k full rank (convolutional layers)",
            False,
            False,
            decide_lemma_2_5,
        ),
        Statement(
            "assumption-3.1",
            "patches of different samples are different",
            True,
            False,
            lambda instance, layer: [decide_assumption_3_1(instance)],
        ),
        Statement(
            "assumption-3.2",
            "each hidden activation is continuous, not constant, and bounded as the paper asks",
            False,
            False,
            decide_assumption_3_2,
        ),
        Statement(
            "lifted-rank",
            "U_k has full rank at the given weights (convolutional and dense layers)",
            False,
            True,
            decide_lifted_rank,
        ),
        Statement(
            "theorem-3.4",
            "some parameters give rank F_k = N with every U_l, l <= k, of full rank",
            True,
            False,
            lambda instance, layer: [decide_theorem_3_4(instance, _wide(instance, layer))],
        ),
        Statement(
            "theorem-3.5",
            "rank F_k = N for almost every parameter of layers 1..k, on this data",
            True,
            False,
            lambda instance, layer: [decide_theorem_3_5(instance, _wide(instance, layer))],
        ),
        Statement(
            "extension-a",
            "Theorem 3.5 with max-pooling between the layers",
            True,
            False,
            lambda instance, layer: [decide_extension_a(instance, _wide(instance, layer))],
        ),
        Statement(
            "extension-b",
            "biases shared per filter: rank F_1 = min(N, n_1) for almost every data set and parameter",
            True,
            False,
            lambda instance, layer: [decide_extension_b(instance)],
        ),
        Statement(
            "corollary-3.6",
            "every target is reached by some weights of the dense linear output layer (k = L-1)",
            True,
            True,
            lambda instance, layer: [decide_corollary_3_6(instance, layer)],
        ),
        Statement(
            "lemma-4.2",
            "the complement of S_k (rank F_k = N, U_l of full rank for l >= k+2) has measure zero",
            True,
            False,
            lambda instance, layer: [decide_lemma_4_2(instance, _wide(instance, layer))],
        ),
        Statement(
            "s-k",
            "the given weights lie in S_k",
            True,
            True,
            lambda instance, layer: [decide_s_k(instance, _wide(instance, layer))],
        ),
        Statement(
            "loss",
            "the value of the loss 1/2 ||F_L - Y||^2 at the given weights",
            True,
            True,
            lambda instance, layer: [decide_loss(instance)],
            needs_targets=True,
        ),
        Statement(
            "critical-point",
            "every partial derivative of the loss by a true parameter is exactly 0",
            True,
            True,
            lambda instance, layer: [decide_critical_point(instance)],
            needs_targets=True,
        ),
        Statement(
            "local-minimum",
            "the given weights are a local minimum of the loss, up to the network's symmetries",
            True,
            True,
            lambda instance, layer: [decide_local_minimum(instance)],
            needs_targets=True,
        ),
        Statement(
            "critical-point-nearby",
            "a box around the given weights holds exactly one critical point, and of which kind",
            True,
            True,
            lambda instance, layer: [decide_critical_nearby(instance, layer)],
            needs_targets=True,
        ),
        Statement(
            "theorem-4.4",
            "at the given point of S_k: zero loss and zero gradient by U_{k+1} agree",
            True,
            True,
            lambda instance, layer: [decide_theorem_4_4(instance, _wide(instance, layer))],
            needs_targets=True,
        ),
        Statement(
            "theorem-4.5",
            "the given point of S_k, if critical, has zero loss",
            True,
            True,
            lambda instance, layer: [decide_theorem_4_5(instance, _wide(instance, layer))],
            needs_targets=True,
        ),
        Statement(
            "corollary-4.6",
            "fully connected network, different samples: every critical point in S_k has zero loss",
            True,
            False,
            lambda instance, layer: [decide_corollary_4_6(instance, _wide(instance, layer))],
        ),
        Statement(
            "extension-c",
            "Theorem 4.5 for class labels and k <= L-2: U_L injective on the complement of v (Y v = 1) is enough",
            True,
            True,
            lambda instance, layer: [decide_extension_c(instance, _wide(instance, layer))],
            needs_targets=True,
        ),
        Statement(
            "zero-loss-exists",
            "some weights of layers k+1..L give zero loss in S_k, with the given layers 1..k",
            True,
            True,
            lambda instance, layer: [decide_zero_loss_exists(instance, _wide(instance, layer))],
            needs_targets=True,
        ),
        Statement(
            "lemma-4.3",
            "the gradient by U_{k+1} lies between the products of extreme singular values, at the given weights",
            True,
            True,
            lambda instance, layer: [decide_lemma_4_3(instance, layer)],
        ),
        Statement(
            "zero-loss-nearby",
            "an exact minimum with zero loss lies at a proved distance, by output weights alone (k = L-1)",
            True,
            True,
            lambda instance, layer: [decide_zero_loss_nearby(instance, layer)],
        ),
        Statement(
            "no-bad-valley",
            "every component of a strict sublevel set of any convex loss comes as close to the least loss as the outputs can",
            True,
            False,
            lambda instance, layer: [decide_no_bad_valley(instance, layer)],
        ),
        Statement(
            "assumption-4.1",
            "no pooling, linear output, a wide layer, monotone smooth activations above it, pyramid",
            True,
            False,
            lambda instance, layer: [decide_assumption_4_1(instance)],
        ),
    )
}


# What speaks of one layer and what lies below it, on any graph; everything else is stated for chains.
ON_GRAPHS = {
    "rank", "theorem-3.5", "structure", "assumption-2.4", "lemma-2.5", "lifted-rank", "assumption-3.2", "loss", "critical-point",
    "no-bad-valley",
}  # fmt: skip


# What speaks of the given weights and of no others, so that it holds where layers share theirs.
AT_WEIGHTS = {
    "rank",
    "lifted-rank",
    "structure",
    "assumption-3.1",
    "assumption-3.2",
    "assumption-4.1",
    "loss",
    "s-k",
}


def _for_chains(statement: str, network: Network) -> Finding:
    odd = next(layer for layer in network.layers if layer.sources != (layer.index - 1,)
               or not (layer.affine or layer.kind == "maxpool"))  # fmt: skip
    reason = (
        f"{statement} is stated for chains of convolutional, dense and max-pooling layers; in this network layer "
        f"{odd.name} is {odd} and reads {', '.join(f'layer {n}' if n else 'the input' for n in odd.sources)}. On any "
        f"graph {', '.join(sorted(ON_GRAPHS))} are decided."
    )
    return Finding(statement, UNDECIDED, reason, {"layer": odd.index})


def decide(statement: str, instance: Instance, layer: int | str | None = None) -> list[Finding]:
    """The findings of one statement, about a layer by number or name; MisuseError names the statements that exist."""
    if statement not in STATEMENTS:
        raise MisuseError("statement", f"one of {', '.join(STATEMENTS)}", repr(statement))
    chosen = None if layer is None else instance.network.layer(layer).index
    before = float_proofs()
    if not instance.network.is_chain and statement not in ON_GRAPHS:
        return [_for_chains(statement, instance.network)]
    if instance.network.tied is not None and statement not in AT_WEIGHTS:
        reason = f"Layers share the weights of {instance.network.tied}, and {statement} speaks of parameters that move on their own."
        return [Finding(statement, UNDECIDED, reason, {"layer": chosen}, layer=chosen)]
    found = STATEMENTS[statement].decide(instance, chosen)
    if statement == "rank" or float_proofs() == before:
        return found
    note = f" That rank F_k = N is proved by float64 with proved bounds (it rests on {FLOATS})."
    return [
        replace(f, reason=f.reason + note, summary={**f.summary, "rank_by": "float-bounds"}) for f in found
    ]
