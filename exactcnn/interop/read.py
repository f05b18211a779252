"""Floor 6: one door for whatever describes a network on disk: a spec file or an ONNX file."""

from __future__ import annotations

from pathlib import Path

from exactcnn.errors import MalformedError
from exactcnn.interop.from_onnx import from_onnx
from exactcnn.interop.model import Model
from exactcnn.network.spec import read_spec

__all__ = ["read_model"]


def read_model(path: str | Path, *, until: str | None = None) -> Model:
    """A ``.onnx`` file with its weights (up to the node ``until``), or a spec file (TOML or JSON) without weights.

    Raises MalformedError with one sentence for anything wrong with the file or its contents.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        return from_onnx(path, until=until)
    if until is not None:
        raise MalformedError("until", "an ONNX file to cut (of a spec, ask for a layer)", path.name)
    return Model(read_spec(path), source=str(path))
