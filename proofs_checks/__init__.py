"""One short script for each numbered statement: ``python -m proofs_checks`` runs them all (README.md beside this)."""
