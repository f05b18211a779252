"""Floor 2: matrices -> evidence about their rank.

``rank`` decides (or bounds) the rank of a rational matrix over Q, ``rank_mod_p`` gives a
non-zero minor mod p; ``singular_value_enclosures`` proves full rank in float64.  All return
evidence, never a bare integer.
"""

from exactcnn.linalg.evidence import Kernel, KernelVector, Minor, RankEvidence
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.linalg.rank import rank
from exactcnn.linalg.singular_enclosures import SingularValues, singular_value_enclosures

__all__ = [
    "Kernel",
    "KernelVector",
    "Minor",
    "RankEvidence",
    "SingularValues",
    "rank",
    "rank_mod_p",
    "singular_value_enclosures",
]
