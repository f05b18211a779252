"""Floor 6: optional packages, imported when first needed, with one sentence where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from exactcnn.errors import MalformedError

__all__ = ["optional"]


def optional(name: str, extra: str) -> Any:
    """The module ``name``; MalformedError naming the extra of exactcnn that installs it."""
    try:
        return import_module(name)
    except ImportError as error:
        # An installed package that fails to load says so itself: the sentence must not hide it.
        found = "not installed" if isinstance(error, ModuleNotFoundError) else str(error).partition("\n")[0]
        raise MalformedError(
            name.partition(".")[0], f"an optional package: pip install 'exactcnn[{extra}]'", found
        ) from None
