"""Floor 4: Extension A (theory 3.5): Theorem 3.5 with max-pooling between the layers.

Hypotheses, each decided: layers 1 and k convolutional or fully connected, a bias for each unit,
sigma_l analytic and not constant below k, sigma_k analytic with Assumption 3.2, n_k >= N, and patches
at equal positions of layer 1 that differ between samples (weaker than Assumption 3.1).  The proof
stands in ``features.general_position``.
"""

from __future__ import annotations

from exactcnn.activations import decide_assumption_3_2
from exactcnn.features.collisions import shared_position
from exactcnn.features.general_position import own_bias
from exactcnn.features.instance import Instance
from exactcnn.statements.almost_everywhere import decide_almost_everywhere
from exactcnn.statements.finding import PROVED, REFUTED, Finding, all_of
from exactcnn.statements.statement import Ask, statement
from exactcnn.statements.theorem_3_5 import decide_theorem_3_5

__all__ = ["decide_extension_a", "features_almost_everywhere"]


def features_almost_everywhere(instance: Instance, ask: Ask) -> Finding:
    """Theorem 3.5 for layer k, or Extension A where layers pool: the part of statements about almost every parameter."""
    network = instance.network
    pools = network.is_chain and any(layer.kind == "maxpool" for layer in network.upto(ask.k))
    return decide_extension_a(instance, ask) if pools else decide_theorem_3_5(instance, ask)


@statement(
    "extension-a",
    group="expressivity",
    title="Extension A: the same with max-pooling",
    meaning="Theorem 3.5 with max-pooling between the layers",
    words=(
        "For almost every choice of the parameters up to {at} the features of the {N} samples are "
        "linearly independent, with max-pooling between the layers."
    ),
    formula="rank F_k = N",
    how="hypotheses decided on this data, proof in FORMAT.md",
    checked="hypotheses decided again",
    needs=("samples",),
    wide=True,
)
def decide_extension_a(instance: Instance, ask: Ask) -> Finding:
    """Is rank F_k = N for almost every parameter of layers 1..k, pooling allowed between?"""
    k = ask.k
    layers = instance.network.layers[:k]
    first, last = layers[0], layers[-1]
    below = [layer.activation.properties for layer in layers[:-1] if layer.activation is not None]
    top = None if last.activation is None else last.activation.properties
    separate: bool | None = None
    if first.kind != "maxpool":
        separate = shared_position(first, instance.need_samples().x.numerators) is None
    hypotheses = {
        "ends-convolutional": first.kind != "maxpool" and last.kind != "maxpool",
        "bias-per-unit": own_bias(instance, k),
        "wide": last.width >= instance.N,
        "analytic": all_of([p.real_analytic for p in [*below, *([] if top is None else [top])]]),
        "not-constant": all_of([None if p.constant is None else not p.constant for p in below]),
        "assumption-3.2": False
        if top is None
        else {PROVED: True, REFUTED: False}.get(decide_assumption_3_2(top).verdict),
        "patches-differ": separate,
    }
    return decide_almost_everywhere("extension-a", instance, ask, hypotheses)
