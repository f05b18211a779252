"""Floor 2: long eliminations that survive a kill: each finished panel is a file, and whoever resumes reads them.

A directory belongs to one piece of work, named by ``key`` (a digest of everything it depends on).  Files appear whole
or not at all, and are zip archives, so that a damaged one is noticed by its CRC; even then no wrong answer could come
of it, because the result of an elimination is confirmed by a product with the matrix itself.
"""

from __future__ import annotations

import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from exactcnn.errors import MalformedError, MisuseError
from exactcnn.linalg.streamed_lu import Panel, StreamedLU
from exactcnn.progress import report

__all__ = ["Checkpoint"]

_FIELD, _OWNER = "checkpoint", "owner.json"


class Checkpoint:
    """A directory of panels, made when the first elimination of at least ``rows`` rows begins.

    ``resume``: go on with what is there; else it must not exist, or be empty.
    Raises MisuseError if there is something and ``resume`` is not said, MalformedError if it belongs to other work.
    """

    def __init__(self, directory: str | Path, key: str, *, resume: bool = False, rows: int = 0) -> None:
        self.directory, self.key, self.rows = Path(directory), key, rows
        try:
            if not self.directory.exists() or not any(self.directory.iterdir()):
                return
            mine = self.begun and json.loads((self.directory / _OWNER).read_text()) == {"key": key}
        except (OSError, ValueError) as error:
            found = getattr(error, "strerror", None) or error
            raise MalformedError(_FIELD, "a folder that can be read", f"{directory}: {found}") from None
        if not resume:
            wanted = "--resume to go on with it, or a folder that is empty"
            raise MisuseError(_FIELD, wanted, f"{directory}, which is not empty")
        if not mine:
            raise MalformedError(
                _FIELD, "parts of this very network, data and weights", f"others in {directory}"
            )

    @property
    def begun(self) -> bool:
        """Is there anything to resume?"""
        return (self.directory / _OWNER).is_file()

    def restore(self, lu: StreamedLU, name: str) -> None:
        """All panels of the elimination ``name`` into ``lu``, which from now on saves its panels here."""
        if lu.m < self.rows:
            return
        number = 0
        while (path := self._path(name, number)).is_file():
            report("reading the checkpoint", number, number + 1)
            try:
                with np.load(path, allow_pickle=False) as stored:
                    first, offered = (int(v) for v in stored["places"])
                    columns, swaps = stored["columns"].tolist(), stored["swaps"].tolist()
                    panel = Panel(first, stored["entries"], stored["inverse"], columns, swaps)
                fits = panel.first == lu.rank and panel.entries.shape == (lu.m, len(columns))
                if not fits or panel.entries.dtype != lu.small or panel.inverse.dtype != lu.field.dtype:
                    raise ValueError("it does not fit the parts before it")
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise MalformedError(_FIELD, "parts as they were saved", f"{path}: {error}") from None
            lu.restore(panel, offered)
            number += 1
        lu.keep = _Panels(self, name)

    def _path(self, name: str, number: int) -> Path:
        return self.directory / f"{name}.{number:05d}.npz"

    def save(self, name: str, number: int, offered: int, panel: Panel) -> None:
        path = self._path(name, number)
        partial = path.with_suffix(".partial")
        try:
            if not self.begun:
                self.directory.mkdir(parents=True, exist_ok=True)
                (self.directory / _OWNER).write_text(json.dumps({"key": self.key}))
            with partial.open("wb") as stream:
                np.savez(
                    stream,
                    places=np.array([panel.first, offered]),
                    entries=panel.entries,
                    inverse=panel.inverse,
                    columns=np.array(panel.columns, dtype=np.int64),
                    swaps=np.array(panel.swaps, dtype=np.int64),
                )
            os.replace(partial, path)
        except OSError as error:
            found = f"{path}: {error.strerror}"
            raise MalformedError(_FIELD, "a folder that can be written", found) from None

    def remove(self) -> None:
        """The work is done: away with the panels, and with the folder if nothing else lies in it."""
        if self.begun:
            for path in [*self.directory.glob("rank-*.npz"), *self.directory.glob("rank-*.partial")]:
                path.unlink(missing_ok=True)
            (self.directory / _OWNER).unlink(missing_ok=True)
            with suppress(OSError):
                self.directory.rmdir()


class _Panels:
    def __init__(self, checkpoint: Checkpoint, name: str) -> None:
        self.checkpoint, self.name = checkpoint, name

    def save(self, number: int, offered: int, panel: Panel) -> None:
        self.checkpoint.save(self.name, number, offered, panel)
