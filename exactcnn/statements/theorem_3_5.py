"""Floor 4: Theorem 3.5: its hypotheses, each with its own answer, and its conclusion on this data.

A witness with activations outside Assumption 3.2, or data violating 3.1, proves the conclusion
for this instance; it is not an application of Theorem 3.5, and the reason says so.
"""

from __future__ import annotations

from exactcnn.activations import decide_assumption_3_2
from exactcnn.features.collisions import distinct_patch_values
from exactcnn.features.general_position import own_bias
from exactcnn.features.instance import Instance
from exactcnn.statements.almost_everywhere import decide_almost_everywhere
from exactcnn.statements.assumption_3_1 import decide_assumption_3_1
from exactcnn.statements.finding import PROVED, REFUTED, Finding, all_of
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_theorem_3_5"]

# Comparing all patches (Assumption 3.1) beyond this many entries takes minutes.
_LARGEST_COMPARISON = 50_000_000


@statement(
    "theorem-3.5",
    group="expressivity",
    title="Theorem 3.5: independent features for almost all weights",
    meaning="rank F_k = N for almost every parameter of layers 1..k, on this data",
    words=(
        "For almost every choice of the parameters up to {at} the features of the {N} samples are "
        "linearly independent."
    ),
    formula="rank F_k = N",
    how=(
        "one witness, because the features are analytic: nested specialisation (sigmoid, tanh, softplus, "
        "any depth), the triangular limit by peeling (layer 1; 60,000 MNIST images in ten seconds), the "
        "given weights, or the general proof where its hypotheses hold on this data; *refuted*: rank < N "
        "for all parameters, or on a set of positive measure (ReLU): counting bounds, or a box on which a "
        "ReLU layer is dead"
    ),
    checked=(
        "a minor at explicit (for nested specialisation: seeded) weights is recomputed, integers are "
        "compared, or the hypotheses are decided again; refuted: counted again, interval bound"
    ),
    needs=("samples",),
    wide=True,
    graphs=True,
)
def decide_theorem_3_5(instance: Instance, ask: Ask) -> Finding:
    """Is rank F_k = N for almost every parameter of layers 1..k, on this data?"""
    k = ask.k
    return decide_almost_everywhere("theorem-3.5", instance, ask, _hypotheses(instance, k))


def _hypotheses(instance: Instance, k: int) -> dict[str, bool | None]:
    """Theorem 3.5's hypotheses: True, False, or None where undecided or too large to compare."""
    network = instance.network
    layers = network.upto(k)
    activations = [layer.activation for layer in layers if layer.activation is not None]
    first = network.layer(1)
    separate: bool | None = None
    if first.affine and network.is_chain:
        if instance.N * first.patch_count * first.patch_size <= _LARGEST_COMPARISON:
            separate = decide_assumption_3_1(instance, Ask()).verdict == PROVED
        elif distinct_patch_values(first, instance.need_samples().x.numerators, 0) < instance.N:
            separate = False  # two samples agree at patch 0
    satisfied = [
        {PROVED: True, REFUTED: False}.get(decide_assumption_3_2(a.properties).verdict) for a in activations
    ]
    return {
        "no-pooling": not any(layer.pooling for layer in layers),
        **({} if network.is_chain else {"chain": False}),
        "bias-per-unit": own_bias(instance, k),
        "wide": network.layer(k).width >= instance.N,
        "analytic": all_of([a.properties.real_analytic for a in activations]),
        "assumption-3.2": all_of(satisfied),
        "assumption-3.1": separate,
    }
