"""Floor 4: the statements by name: every module of this folder is imported, and its decorators fill ``STATEMENTS``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from exactcnn.errors import MisuseError
from exactcnn.statements.deciding import decide
from exactcnn.statements.statement import GROUPS, STATEMENTS, Ask, Statement

__all__ = ["GROUPS", "STATEMENTS", "Ask", "Statement", "decide", "statement_names"]

for _module in iter_modules([str(Path(__file__).parent)]):
    if _module.name != "registry":
        import_module(f"{__package__}.{_module.name}")
_places = {group: place for place, group in enumerate(GROUPS)}
_sorted = sorted(STATEMENTS.values(), key=lambda each: (_places[each.group], each.name))
STATEMENTS.clear()
STATEMENTS.update((each.name, each) for each in _sorted)


def statement_names(asked: Iterable[str]) -> list[str]:
    """Each once: names as they are, a group for its statements, 'all' for every one; MisuseError for what is none."""
    found: list[str] = []
    for name in asked:
        if name not in STATEMENTS and name not in GROUPS and name != "all":
            near = difflib.get_close_matches(name, [*STATEMENTS, *GROUPS, "all"], 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            expected = f"all, one of {', '.join(GROUPS)}, or one of {', '.join(STATEMENTS)}"
            raise MisuseError("statement", expected, repr(name) + hint)
        found += [each.name for each in STATEMENTS.values() if name in ("all", each.group, each.name)]
    return list(dict.fromkeys(found))
