"""Floor 2: activations with the properties the theory asks of them, and their proofs."""

from exactcnn.network.activations.activation import Activation
from exactcnn.network.activations.assumption import Decision, decide_assumption_3_2
from exactcnn.network.activations.properties import ActivationProperties, Limit

__all__ = ["Activation", "ActivationProperties", "Decision", "Limit", "decide_assumption_3_2"]
