"""Floor 3: the general proof's own hypotheses on this network and data (theory 2.7, 3.5).

Theorem.  Let layers 1 and k be convolutional or fully connected and every such layer among 1..k
have a bias for each unit; pooling may stand between them.  Let sigma_l (l < k) be real analytic and
not constant, sigma_k real analytic with Assumption 3.2, n_k >= N, and let the patches of different
samples at the *same* position of layer 1 differ.  Then rank F_k = N for almost every parameter.

Proof.  Invariant: f_l(x_i)_a != f_l(x_j)_b for all units a, b and all i != j, for almost every
parameter of layers 1..l.  A convolutional layer creates it: sigma_l(<w, u> + b_a) -
sigma_l(<w', v> + b_b) is analytic in this layer's parameters.  If a != b the two biases move
independently and sigma_l is not constant, so the difference is not identically zero.  If a = b,
then u != v (layer 1: by hypothesis; above: their real entries differ by the invariant, and every
patch has a real neuron), so <w, u> + b and <w, v> + b take every pair of values, and again sigma_l
is not constant.  Finitely many null sets.  Pooling keeps the invariant: a maximum is one of its
entries.  So for almost every lower parameter the patches of layer k at equal positions differ; a
direction w with <w, u_i> different for all samples at the positions used exists, and the triangular
limit (``peeling``) never stops before N units are used, so that the minor, analytic in (W_k, b_k),
is not identically zero.  Fubini joins the layers.

Biases for each unit are needed: without them constant images refute it (theory 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.activations import Activation, decide_assumption_3_2
from exactcnn.features.collisions import shared_position
from exactcnn.features.instance import Instance

__all__ = ["GeneralPosition", "general_position", "own_bias", "peelable"]


def peelable(activation: Activation) -> bool:
    """Analytic with Assumption 3.2, as the triangular limit needs (FORMAT.md, Lemma 14), and in the table: a proof about an
    expression may take seconds."""
    if activation.name == "custom" or activation.properties.real_analytic is not True:
        return False
    return decide_assumption_3_2(activation.properties).verdict == "proved"


@dataclass(frozen=True)
class GeneralPosition:
    """The hypotheses above hold for layer ``layer``; ``pooling``: some layer below it pools."""

    layer: int
    pooling: bool


def own_bias(instance: Instance, k: int) -> bool:
    """Has every unit of every convolutional or dense layer 1..k a bias of its own?"""
    return all(
        not layer.affine or layer.bias == "unit" or (layer.kind == "dense" and layer.bias == "filter")
        for layer in instance.network.upto(k)
    )


def general_position(instance: Instance, k: int) -> GeneralPosition | None:
    """The evidence if all hypotheses hold, None otherwise (which refutes nothing)."""
    layers = instance.network.layers[:k]
    first, last = layers[0], layers[-1]
    if first.kind == "maxpool" or last.activation is None or not own_bias(instance, k):
        return None
    if not peelable(last.activation) or last.width < instance.N:
        return None
    for layer in layers[:-1]:
        properties = None if layer.activation is None else layer.activation.properties
        if properties is not None and not (properties.real_analytic and properties.constant is False):
            return None
    if shared_position(first, instance.need_samples().x.numerators) is not None:
        return None
    return GeneralPosition(k, any(layer.kind == "maxpool" for layer in layers))
