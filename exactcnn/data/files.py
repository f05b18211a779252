"""Floor 2: reading files within bounds, with one sentence for whatever is wrong.

Conventions.  ``field`` names what is being read in the sentence ("data", "weights w.json").
Nothing is read before the file's size is known, nothing is unpacked beyond ``LARGEST_FILE``.
Names found inside files are hostile: ``within`` makes them safe to print on one line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exactcnn.errors import MalformedError

__all__ = ["LARGEST_FILE", "check_file", "load_json", "named", "read_bytes", "within"]

# On disk and, separately, unpacked: 20 times MNIST.
LARGEST_FILE = 1024**3
_LONGEST_NAME = 80


def check_file(path: Path, field: str, largest: int = LARGEST_FILE) -> None:
    """MalformedError unless ``path`` is a regular file of at most ``largest`` bytes."""
    try:
        if path.is_dir():
            raise MalformedError(field, "a file", "a directory")
        if not path.exists():
            raise MalformedError(field, "a file that exists", f"no file {str(path)!r}")
        if not path.is_file():
            raise MalformedError(field, "a regular file", "something else")
        size = path.stat().st_size
    except OSError as error:
        raise MalformedError(field, "a readable file", error.strerror or error) from None
    if size > largest:
        raise MalformedError(field, f"at most {largest} bytes", f"{size} bytes")


def read_bytes(path: Path, field: str, largest: int = LARGEST_FILE) -> bytes:
    """The bytes of a regular file of at most ``largest`` bytes; else MalformedError."""
    check_file(path, field, largest)
    try:
        with path.open("rb") as stream:
            raw = stream.read(largest + 1)
    except OSError as error:
        raise MalformedError(field, "a readable file", error.strerror or error) from None
    if len(raw) > largest:
        raise MalformedError(field, f"at most {largest} bytes", "a file that grows")
    return raw


def named(what: str, path: str | Path) -> str:
    """``what`` and the file it is read from, on one line whatever the name holds.

    >>> named("data", "train.csv"), named("data", "a" + chr(10) + "b.csv")
    ('data train.csv', "data 'a\\\\nb.csv'")
    """
    text = str(path)
    return f"{what} {text if text.isprintable() else ascii(text)}"


def within(field: str, name: str) -> str:
    """``field.name`` for a name that came out of a file: printable, bounded.

    >>> within("weights", "conv1.weight"), within("weights", "a" + chr(10) + "b")
    ('weights.conv1.weight', "weights.'a\\\\nb'")
    """
    short = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."
    return f"{field}.{short if short.isprintable() else ascii(short)}"


def load_json(raw: bytes, field: str) -> Any:
    """JSON with duplicate keys, NaN and infinities refused; floats are kept to be refused by field."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for name, value in pairs:
            if name in record:
                raise MalformedError(field, "each key once", f"key {name!a} twice")
            record[name] = value
        return record

    def constant(text: str) -> Any:
        raise MalformedError(field, "finite numbers", text)

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=constant)
    except MalformedError:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedError(field, "valid JSON", error) from None
