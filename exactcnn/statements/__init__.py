"""Floor 4: one file per numbered statement: an instance and what is asked in, findings out.

``STATEMENTS`` names them all; ``decide`` runs one by its name.
"""

from __future__ import annotations

from exactcnn.statements.finding import Finding, worst_verdict
from exactcnn.statements.registry import GROUPS, STATEMENTS, Ask, Statement, decide, statement_names

__all__ = [
    "GROUPS",
    "STATEMENTS",
    "Ask",
    "Finding",
    "Statement",
    "decide",
    "statement_names",
    "worst_verdict",
]
