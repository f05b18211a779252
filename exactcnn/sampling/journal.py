"""Floor 5: the journal of a running campaign: every finished chunk, whole or not at all.

A folder ``<output>.parts`` beside the table holds ``campaign.json`` with the campaign's digest
and one ``chunk-<index>.json`` for each finished chunk.  A file appears by one renaming, so an
interruption at any moment leaves only whole chunks; what cannot be read is computed again.
Only the process that runs the campaign writes here, workers never do.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from exactcnn.errors import MalformedError
from exactcnn.sampling.campaign import Campaign, Chunk
from exactcnn.sampling.draws import Row, row_from_json

__all__ = ["Journal", "write_whole"]

_HEAD = "campaign.json"
_LARGEST_HEAD = 1 << 20


@dataclass(frozen=True)
class Journal:
    """``folder`` exists and belongs to this campaign."""

    folder: Path

    @staticmethod
    def open(campaign: Campaign, output: Path, resume: bool) -> Journal:
        """The campaign's journal beside ``output``: a new one, or with ``resume`` the one there.

        MalformedError for the journal of another campaign, and without ``resume`` for any with
        finished chunks: work is never thrown away unasked.
        """
        folder = output.with_name(output.name + ".parts")
        field = f"output {output}"
        try:
            if not resume and any(folder.glob("chunk-*.json")):
                expected = f"--resume, or no unfinished campaign in {folder.name}"
                raise MalformedError(field, expected, "one")
            if resume and folder.exists():
                if _digest_in(folder) != campaign.digest:
                    expected = f"in {folder.name} the journal of this very campaign"
                    raise MalformedError(field, expected, "that of another one")
            else:
                folder.mkdir(exist_ok=True)
                head = json.dumps({"digest": campaign.digest, "chunks": len(campaign.chunks)})
                write_whole(folder / _HEAD, head.encode("ascii"))
        except OSError as error:
            raise MalformedError(field, "a folder that can be written", error.strerror or error) from None
        return Journal(folder)

    def _path(self, chunk: Chunk) -> Path:
        return self.folder / f"chunk-{chunk.index:06d}.json"

    def write(self, chunk: Chunk, rows: list[Row]) -> None:
        """Keep the rows of a finished chunk."""
        write_whole(self._path(chunk), json.dumps(rows, allow_nan=False).encode("ascii"))

    def read(self, chunk: Chunk) -> list[Row] | None:
        """The rows of a chunk, None unless they are all here."""
        try:
            listed = json.loads(self._path(chunk).read_bytes())
            rows = [row_from_json(parts) for parts in listed]
        except (OSError, ValueError, TypeError):
            return None
        expected = list(range(chunk.first, chunk.first + chunk.count))
        return rows if [row.seed for row in rows] == expected else None

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _digest_in(folder: Path) -> object:
    head = folder / _HEAD
    try:
        if head.stat().st_size > _LARGEST_HEAD:
            return None
        record = json.loads(head.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record.get("digest") if isinstance(record, dict) else None


def write_whole(path: Path, content: bytes) -> None:
    """The file appears with this content, or stays as it was."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
