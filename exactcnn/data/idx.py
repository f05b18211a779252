"""Floor 2: IDX files (MNIST's format), plain or gzip-compressed."""

from __future__ import annotations

import hashlib
import struct
from math import prod
from pathlib import Path

import numpy as np

from exactcnn.data.files import gunzip, read_bytes
from exactcnn.data.samples import FileOrigin, Samples
from exactcnn.errors import MalformedError

__all__ = ["load_idx", "read_idx"]


def read_idx(content: bytes, field: str) -> np.ndarray:
    """The array of unsigned bytes in an IDX file; sizes are checked against the length."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise MalformedError(field, "an IDX file (two zero bytes first)", f"{content[:4].hex()} first")
    if content[2] != 0x08:
        raise MalformedError(field, "IDX element type 0x08, unsigned bytes", f"type 0x{content[2]:02x}")
    axes = content[3]
    header = 4 + 4 * axes
    if axes == 0 or len(content) < header:
        raise MalformedError(field, f"a header of {header} bytes for {axes} axes", f"{len(content)} bytes")
    shape = struct.unpack(f">{axes}I", content[4:header])
    if len(content) - header != prod(shape):
        raise MalformedError(
            field, f"{prod(shape)} values, as shape {shape} says", f"{len(content) - header} bytes"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def load_idx(path: Path, field: str = "data") -> Samples:
    """Images from an IDX file, labels from its sibling (..-images-idx3.. -> ..-labels-idx1..)."""
    raw = read_bytes(path, field)
    images = read_idx(gunzip(raw, field), field)
    labels = None
    sibling = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if sibling != path and sibling.is_file():
        labels = read_idx(gunzip(read_bytes(sibling, f"{field} labels"), f"{field} labels"), f"{field} labels")
        if labels.shape != images.shape[:1]:
            raise MalformedError(f"{field} labels", f"{images.shape[0]} labels", f"shape {labels.shape}")
    origin = FileOrigin(str(path), "idx", hashlib.sha256(raw).hexdigest())
    return Samples.from_array(images, labels, field=field, source=path.name, origin=origin)
