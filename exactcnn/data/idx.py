"""Floor 2: IDX files (MNIST's format), plain or gzip-compressed.

An IDX file is two zero bytes, the element type (0x08, unsigned byte, is the only one read),
the number of axes, each extent as 4 big-endian bytes, and the elements row-major.

Conventions.  The header decides how much is read: a short gzip file that would unpack to
gigabytes is stopped one byte after the size that it declares itself, and that size is
compared with ``LARGEST_FILE`` before anything is allocated.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from io import BytesIO
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from exactcnn.data.files import LARGEST_FILE, read_bytes
from exactcnn.data.samples import FileOrigin, Samples
from exactcnn.errors import MalformedError

__all__ = ["load_idx", "read_idx"]

_MOST_AXES = 32  # NumPy 1's limit


def read_idx(raw: bytes, field: str, largest: int = LARGEST_FILE) -> np.ndarray:
    """The uint8 array, of the declared shape, in the bytes of an IDX file, gzip-compressed or not.

    MalformedError for another format or element type, for empty arrays, for more than
    ``largest`` elements, and where the length is not the declared one, on either side.

    >>> read_idx(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9]), "data").tolist()
    [[7, 8, 9]]
    """
    if raw[:2] != b"\x1f\x8b":
        return _read(BytesIO(raw), field, largest)
    try:
        with gzip.GzipFile(fileobj=BytesIO(raw)) as stream:
            return _read(cast(BinaryIO, stream), field, largest)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedError(field, "a complete gzip file", error) from None


def _read(stream: BinaryIO, field: str, largest: int) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        found = f"{magic.hex(' ')} first" if magic else "an empty file"
        raise MalformedError(field, "an IDX file (two zero bytes first)", found)
    if magic[2] != 0x08:
        raise MalformedError(field, "IDX element type 0x08, unsigned bytes", f"type 0x{magic[2]:02x}")
    axes = magic[3]
    if not 1 <= axes <= _MOST_AXES:
        raise MalformedError(field, f"from 1 to {_MOST_AXES} axes", axes)
    extents = stream.read(4 * axes)
    if len(extents) < 4 * axes:
        found = f"{4 + len(extents)} bytes"
        raise MalformedError(field, f"a header of {4 + 4 * axes} bytes for {axes} axes", found)
    shape = struct.unpack(f">{axes}I", extents)
    size = prod(shape)
    if not 1 <= size <= largest:
        raise MalformedError(field, f"from 1 to {largest} values", f"shape {shape}")
    content = stream.read(size + 1)
    if len(content) != size:
        found = f"{len(content)} bytes" if len(content) < size else "bytes after them"
        raise MalformedError(field, f"{size} values, as shape {shape} says", found)
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def load_idx(path: Path, field: str = "data") -> Samples:
    """Samples (N, d) from an IDX file of N images with origin; labels (N,) from its sibling.

    The sibling, if there is one, has the same name with labels-idx1 for images-idx3.
    MalformedError as ``read_idx``, and for a file of one axis (labels are no samples).
    """
    raw = read_bytes(path, field)
    images = read_idx(raw, field)
    labels = None
    sibling = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if sibling != path and sibling.is_file():
        labels = read_idx(read_bytes(sibling, f"{field} labels"), f"{field} labels")
        if labels.shape != images.shape[:1]:
            raise MalformedError(f"{field} labels", f"{images.shape[0]} labels", f"shape {labels.shape}")
    origin = FileOrigin(str(path), "idx", hashlib.sha256(raw).hexdigest())
    return Samples.from_array(images, labels, field=field, source=path.name, origin=origin)
