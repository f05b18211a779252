"""Floor 4: one file per numbered statement: an instance in, findings out.

``STATEMENTS`` names them all; ``decide`` runs one by its name.
"""

from __future__ import annotations

from exactcnn.statements.finding import Finding, worst_verdict
from exactcnn.statements.registry import STATEMENTS, Statement, decide

__all__ = ["STATEMENTS", "Finding", "Statement", "decide", "worst_verdict"]
