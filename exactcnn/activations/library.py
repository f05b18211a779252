"""Floor 1: the table of built-in activations: the ``ENTRY`` of every module of ``builtin/``, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from exactcnn.activations.entry import Builtin

__all__ = ["LIBRARY"]


def _entries() -> dict[str, Builtin]:
    folder = Path(__file__).with_name("builtin")
    modules = (import_module(f"{__package__}.builtin.{found.name}") for found in iter_modules([str(folder)]))
    return {module.ENTRY.name: module.ENTRY for module in modules}


LIBRARY: Mapping[str, Builtin] = _entries()
