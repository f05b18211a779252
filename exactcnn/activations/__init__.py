"""Floor 1: activations with the properties the theory asks of them, and their proofs.

The way through the room: ``activation`` (the value a layer carries) -> ``builtin/`` (a module each, with all that
other rooms ask; ``entry`` says what that is) or ``custom`` (a user's expression) -> ``properties`` -> ``assumption``.
A custom expression is read by ``expressions``, bounded by ``ranges`` and ``decay``, and what structure leaves open is
put to SymPy in ``derivation``.  ``balls`` and ``floats`` enclose values, ``slopes`` derivatives.
"""

from exactcnn.activations.activation import Activation
from exactcnn.activations.assumption import Decision, decide_assumption_3_2
from exactcnn.activations.library import LIBRARY
from exactcnn.activations.properties import ActivationProperties, Growth, Limit

__all__ = [
    "LIBRARY",
    "Activation",
    "ActivationProperties",
    "Decision",
    "Growth",
    "Limit",
    "decide_assumption_3_2",
]
