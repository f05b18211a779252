"""Samples: inline rationals, or bytes of a data file that lies beside the certificate (FORMAT.md, section 3)."""

import gzip
import hashlib
import io
import os
import re
import struct
import zipfile
import zlib
from math import prod
from typing import Any

from .core.grammar import (DENOMINATOR, HEX, LONG, MAX_FILE, MAX_UNITS, Fields, array, choice, integer, matching, pair,
                           positive, tagged)
from .core.instance import Data
from .core.network import Network
from .core.outcome import Malformed, Rejected, TooMuch, show

MAX_ARRAY = 2**28  # bytes of a data file after decompression
NPY_HEADER = re.compile(
    rb"\{'descr': '\|u1', 'fortran_order': False, 'shape': \(((?:\d{1,15}, ?)*\d{1,15},?)\), ?\}\s*")
SHAPE = pair(integer(1, MAX_UNITS), integer(1, MAX_UNITS))
DATA = tagged("kind", {
    "inline": {"shape": SHAPE, "denominator": DENOMINATOR, "rows": array(LONG, 1)},
    "file": {"name": matching(r"[^/\\\0]{1,255}"), "format": choice("idx", "npz"), "sha256": HEX, "shape": SHAPE,
             "start": integer(0, 2**31), "scale": positive()}})


def load_data(spec: Fields, network: Network, folder: str, given: str | None) -> Data:
    """The samples; a file is looked for by its base name in `folder`, or is the one `given`."""
    (count, width), path = spec["shape"], "instance.data"
    if width != network.grids[0].units:
        raise Malformed(f"{path}.shape: samples of {width} entries for {network.grids[0].units} input units")
    if spec["kind"] == "inline":
        if len(spec["rows"]) != count or any(len(row) != width for row in spec["rows"]):
            raise Malformed(f"{path}.rows: expected {count} rows of {width} entries")
        return Data([tuple(row) for row in spec["rows"]], 1, spec["denominator"])
    place = os.path.join(folder, spec["name"]) if given is None else given
    raw = read_file(place)
    if raw is None:
        raise Malformed(f"{path}: no data file at {show(place)}; name it with --data")
    if hashlib.sha256(raw).hexdigest() != spec["sha256"]:
        raise Rejected(f"{path}.sha256: the data file {show(place)} has another digest")
    try:
        dimensions, values = read_idx(raw) if spec["format"] == "idx" else read_npz(raw)
    except (OSError, EOFError, ValueError, RuntimeError, IndexError, zlib.error, zipfile.BadZipFile, struct.error,
            NotImplementedError, OverflowError) as e:
        raise Malformed(f"{path}: unreadable data file, {show(str(e))}") from None
    if prod(dimensions[1:]) != width or spec["start"] + count > dimensions[0]:
        raise Malformed(f"{path}: the file's array has shape {dimensions}, which does not hold these samples")
    places = range(spec["start"] * width, (spec["start"] + count) * width, width)
    return Data([values[at : at + width] for at in places], spec["scale"].numerator, spec["scale"].denominator)


def read_file(path: str) -> bytes | None:
    """The bytes of a regular file of bounded size; None where there is none."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as stream:
            raw = stream.read(MAX_FILE + 1)
    except (OSError, ValueError):  # ValueError: a path with a null character
        return None
    if len(raw) > MAX_FILE:
        raise TooMuch(f"{show(path)}: more than the {MAX_FILE} bytes that this checker reads")
    return raw


def read_idx(raw: bytes) -> tuple[list[int], bytes]:
    stream: Any = gzip.GzipFile(fileobj=io.BytesIO(raw)) if raw[:2] == b"\x1f\x8b" else io.BytesIO(raw)
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or magic[3] == 0:
        raise ValueError("not an IDX file of unsigned bytes")
    dimensions = list(struct.unpack(f">{magic[3]}I", stream.read(4 * magic[3])))
    return dimensions, read_array(stream, dimensions)


def read_npz(raw: bytes) -> tuple[list[int], bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        if archive.namelist().count("x.npy") != 1:
            raise ValueError("expected exactly one member x.npy")
        if archive.getinfo("x.npy").compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("expected a member that is stored or deflated")
        with archive.open("x.npy") as stream:
            magic = stream.read(8)
            if magic not in (b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00"):
                raise ValueError("not an npy file of version 1 or 2")
            size = int.from_bytes(stream.read(2 * magic[6]), "little")
            header = NPY_HEADER.fullmatch(stream.read(min(size, 2**16)))
            if header is None:
                raise ValueError("expected an array of dtype |u1 in C order")
            dimensions = [int(entry) for entry in header[1].split(b",") if entry.strip()]
            return dimensions, read_array(stream, dimensions)


def read_array(stream: Any, dimensions: list[int]) -> bytes:
    """The bytes of the array, which must end the stream; decompression stops after MAX_ARRAY of them."""
    size = prod(dimensions)
    values: bytes = stream.read(size + 1) if size <= MAX_ARRAY else b""
    if len(values) != size:
        raise ValueError(f"expected {show(size)} bytes of array, at most {MAX_ARRAY}, and nothing after them")
    return values
