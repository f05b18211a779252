"""Floor 6: files that commands write: refused before the long work where they cannot or must not be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from exactcnn.cli.output import working
from exactcnn.errors import MalformedError, UndecidedError

if TYPE_CHECKING:
    from exactcnn.features.instance import Instance
    from exactcnn.statements import Finding

__all__ = ["require_apart", "require_writable", "write_certificate_file"]


def require_writable(path: Path, what: str, *inputs: Path | str | None) -> None:
    """MalformedError, before the long work, for what the file must not or cannot replace: ``inputs`` neither."""
    field = f"{what} {path}"
    try:
        if path.is_dir():
            raise MalformedError(field, "a file", "a directory")
        if path.exists() and not path.is_file():
            raise MalformedError(field, "a regular file", "something else")
        if not path.parent.is_dir():
            raise MalformedError(field, "a file in a folder that exists", "no such folder")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise MalformedError(field, "a file that can be written", "no permission to write it")
    except OSError as error:
        raise MalformedError(field, "a file that can be written", error.strerror or error) from None
    require_apart(path, what, *inputs)


def require_apart(path: Path, what: str, *inputs: Path | str | None) -> None:
    """MalformedError if writing ``path`` would replace one of the files that are to be read."""
    for source in inputs:
        try:
            same = source is not None and path.samefile(source)
        except OSError:  # one of the two does not exist, or cannot be looked at: reading or writing says so
            continue
        if same:
            raise MalformedError(f"{what} {path}", "another file than those to be read", f"{str(source)!r}")


def write_certificate_file(instance: Instance, findings: list[Finding], path: Path) -> dict[str, Any] | None:
    """Path, digest, number of claims, decided statements without one; None (a word on stderr) if all are without."""
    import hashlib

    from exactcnn.certificates import certify, write_certificate

    try:
        with working("writing the certificate"):
            made, left_out = certify(instance, findings)
            write_certificate(made, path)
    except UndecidedError as error:
        typer.echo(f"no certificate written: {error}", err=True)
        return None
    return {
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "claims": len(made["claims"]),
        "left_out": list(dict.fromkeys(f.statement for f in left_out if f.verdict != "undecided")),
    }
