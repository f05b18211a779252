"""Floor 6: what several commands read from the command line: the instance, and files that can be written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from exactcnn.cli_output import working
from exactcnn.errors import UndecidedError

if TYPE_CHECKING:
    from exactcnn.features.instance import Instance
    from exactcnn.statements import Finding

__all__ = ["read_instance", "require_apart", "require_writable", "write_certificate_file"]


def read_instance(
    spec: Path | None,
    data: str,
    weights: Path | None,
    *,
    samples: int | None,
    start: int,
    scale: str | None,
    seed: int,
    bits: int,
    distribution: str,
    layer: int | str | None,
) -> tuple[Instance, list[str]]:
    """The instance the options describe, and notes on what is not literally what was given."""
    from exactcnn.api import default_network
    from exactcnn.arithmetic.texts import parse_rational
    from exactcnn.data import load
    from exactcnn.features.instance import Instance
    from exactcnn.interop import Model, read_model
    from exactcnn.interop.difference import difference_note
    from exactcnn.network.weights import Weights

    with working("reading"):
        model = Model(default_network()) if spec is None else read_model(spec)
        network = model.network
        if layer is not None:
            network.layer(layer)
        factor = None if scale is None else parse_rational(scale, "scale")
        loaded = load(data, samples=samples, start=start, scale=factor)
        Instance(network, loaded)
        model.check_samples(loaded)
        loaded = model.aligned(loaded)
        notes = list(model.notes)
        if weights is not None:
            chosen = Weights.from_file(network, weights)
        elif model.weights is not None:
            chosen = model.weights
            notes += [*model.weight_notes, difference_note(model, loaded)]
        else:
            chosen = Weights.from_seed(network, seed, bits, distribution)
        return Instance(network, loaded, chosen), notes


def require_writable(path: Path, what: str, *inputs: Path | str | None) -> None:
    """MalformedError, before the long work, for what the file must not or cannot replace: ``inputs`` neither."""
    from exactcnn.errors import MalformedError

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
    from exactcnn.errors import MalformedError

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
