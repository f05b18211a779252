"""The scripts by name, and one of them run with its print caught (in a process of its own)."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path

from proofs_checks._script import Options, Record, run

__all__ = ["names", "run_one"]

# In the order of the paper, then of what goes beyond it.
_ORDER = ("assumption_2", "lemma_2", "lemma_3", "theorem_3", "corollary_3", "lemma_4", "theorem_4", "corollary_4",
          "table", "figure", "beyond")  # fmt: skip


def names() -> list[str]:
    """The scripts: every module of this folder with a function ``checks``."""
    found = []
    for path in Path(__file__).parent.glob("*.py"):
        place = next((n for n, start in enumerate(_ORDER) if path.stem.startswith(start)), None)
        if place is not None:
            found.append((place, path.stem))
    return [name for _, name in sorted(found)]


def run_one(name: str, options: Options) -> tuple[Record, str]:
    """The record of one script and what it printed."""
    text = io.StringIO()
    try:
        checks = import_module(f"proofs_checks.{name}").checks
    except Exception as error:  # a script that cannot even be read must spoil the summary, not end it
        fault = f"not loaded: {type(error).__name__}: {error}"
        return Record(name, name, faults=[fault]), f"{name}: {fault}"
    record = run(checks, options, name=name, file=text)
    return record, text.getvalue()
