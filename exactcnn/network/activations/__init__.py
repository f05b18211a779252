"""Floor 2: activations with the properties the theory asks of them, and their proofs.

The way through the room: ``activation`` (the value a layer carries) -> ``library`` (built-in
table) or ``custom`` (a user's expression) -> ``properties`` -> ``assumption``.  A custom
expression is read by ``expressions``, bounded by ``ranges`` and ``decay``, and what structure
leaves open is put to SymPy in ``derivation``.  ``balls`` encloses values, ``slopes`` derivatives.
"""

from exactcnn.network.activations.activation import Activation
from exactcnn.network.activations.assumption import Decision, decide_assumption_3_2
from exactcnn.network.activations.library import LIBRARY
from exactcnn.network.activations.properties import ActivationProperties, Growth, Limit

__all__ = [
    "LIBRARY",
    "Activation",
    "ActivationProperties",
    "Decision",
    "Growth",
    "Limit",
    "decide_assumption_3_2",
]
