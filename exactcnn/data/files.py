"""Floor 2: reading files within bounds, with one sentence for whatever is wrong."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from exactcnn.errors import MalformedError

__all__ = ["gunzip", "load_json", "read_bytes"]

LARGEST_FILE = 4 * 1024**3


def read_bytes(path: Path, field: str, largest: int = LARGEST_FILE) -> bytes:
    """The bytes of a regular file of at most ``largest`` bytes."""
    try:
        if path.is_dir():
            raise MalformedError(field, "a file", "a directory")
        if not path.exists():
            raise MalformedError(field, "a file that exists", "no such file")
        if not path.is_file():
            raise MalformedError(field, "a regular file", "something else")
        size = path.stat().st_size
        if size > largest:
            raise MalformedError(field, f"at most {largest} bytes", f"{size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise MalformedError(field, "a readable file", error.strerror or error) from None


def gunzip(raw: bytes, field: str, largest: int = LARGEST_FILE) -> bytes:
    """Decompressed bytes if they are gzip, the bytes themselves if not; bounded."""
    if raw[:2] != b"\x1f\x8b":
        return raw
    from io import BytesIO

    try:
        with gzip.GzipFile(fileobj=BytesIO(raw)) as stream:
            content = stream.read(largest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedError(field, "a complete gzip file", error) from None
    if len(content) > largest:
        raise MalformedError(field, f"at most {largest} bytes when decompressed", "more")
    return content


def load_json(raw: bytes, field: str) -> Any:
    """JSON with duplicate keys, NaN and infinities refused; floats are kept to be refused by field."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise MalformedError(field, "each key once", f"key {twice!r} twice")
        return record

    def constant(text: str) -> Any:
        raise MalformedError(field, "finite numbers", text)

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=constant)
    except MalformedError:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedError(field, "valid JSON", error) from None
