"""Floor 2: samples from NPZ, CSV and JSON files.

Conventions.  ``x`` has a sample a row, ``y`` (optional) a target a sample.  NPZ members are
read here and not by ``numpy.load``: the declared sizes are compared with each other and with
``LARGEST_FILE`` before anything is allocated, and only plain integers and floats are read,
so neither a pickle nor an archive that unpacks to gigabytes gets a hearing.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from io import BytesIO, StringIO
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.data.files import LARGEST_FILE, load_json, read_bytes, within
from exactcnn.data.samples import FileOrigin, Samples
from exactcnn.errors import MalformedError

__all__ = ["load_csv", "load_json_samples", "load_npz", "read_npz"]

_TARGET_NAMES = ("y", "label", "target")
_NOT_FINITE = ("nan", "inf", "infinity")
_MOST_AXES = 32  # NumPy 1's limit


def read_npz(path: Path, field: str, largest: int = LARGEST_FILE) -> tuple[dict[str, np.ndarray], bytes]:
    """All arrays of an NPZ file, by name, and the file's bytes.

    MalformedError, naming the array, for anything but NAME.npy members of integers or floats
    whose sizes agree with each other and add up to at most ``largest`` bytes.
    """
    members, raw = _read_members(path, field, largest)
    return {name: array for name, (array, _) in members.items()}, raw


def _read_members(path: Path, field: str, largest: int) -> tuple[dict[str, tuple[np.ndarray, bool]], bytes]:
    """Of each member the array, and whether it is stored in Fortran order."""
    raw = read_bytes(path, field, largest)
    arrays: dict[str, tuple[np.ndarray, bool]] = {}
    try:
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            entries = archive.infolist()
            declared = sum(entry.file_size for entry in entries)
            if declared > largest:
                raise MalformedError(field, f"at most {largest} bytes when unpacked", declared)
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename:
                    raise MalformedError(field, "only arrays NAME.npy", ascii(name))
                if name in arrays:
                    raise MalformedError(field, "each array once", f"{name!a} twice")
                with archive.open(entry) as stream:
                    arrays[name] = _read_npy(stream, entry.file_size, within(field, name))
    except MalformedError:
        raise
    except Exception as error:  # NumPy and zipfile raise a dozen types for damaged archives
        raise MalformedError(field, "an NPZ file of plain arrays", error) from None
    return arrays, raw


def _read_npy(stream: IO[bytes], length: int, field: str) -> tuple[np.ndarray, bool]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise MalformedError(field, "npy version 1 or 2", version)
    if dtype.kind not in "iuf":
        raise MalformedError(field, "integers or float16, float32, float64 values", f"dtype {dtype}")
    if len(shape) > _MOST_AXES or any(extent < 0 for extent in shape):
        raise MalformedError(field, f"at most {_MOST_AXES} axes, none negative", f"shape {shape}")
    size, available = prod(shape) * dtype.itemsize, length - stream.tell()
    if size != available:
        expected = f"{size} bytes, as shape {shape} and dtype {dtype} say"
        raise MalformedError(field, expected, f"{available} bytes")
    content = stream.read(size)
    if len(content) != size:
        raise MalformedError(field, f"{size} bytes", f"{len(content)} bytes")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C"), fortran


def load_npz(path: Path, field: str = "data") -> Samples:
    """Arrays ``x`` (N, ..) and, if present, ``y`` (N,) or (N, m); other arrays are ignored.

    The origin is set for x of unsigned bytes in C order, which certificates can refer to.
    MalformedError as ``read_npz``, and for a missing x, NaN, infinities, shapes that do not fit.
    """
    arrays, raw = _read_members(path, field, LARGEST_FILE)
    if "x" not in arrays:
        raise MalformedError(f"{field}.x", "an array named x", f"arrays {sorted(arrays)!a}")
    (x, fortran), (y, _) = arrays["x"], arrays.get("y", (None, False))
    origin = None
    if x.dtype == np.uint8 and not fortran:
        origin = FileOrigin(str(path), "npz", hashlib.sha256(raw).hexdigest())
    return Samples.from_array(x, y, field=field, source=path.name, origin=origin)


def load_csv(path: Path, field: str = "data") -> Samples:
    """A sample a row, exact integers, decimals or rationals; an optional header row.

    The first row is a header if none of its cells looks like a number, or if one of them is
    y, label or target; that column then holds the targets.  (A header of numbers alone cannot
    be told from a sample.)  MalformedError for ragged rows (naming the line), cells that are
    no numbers (naming the cell), an empty table, two target columns.
    """
    rows: list[list[str]] = []
    try:
        text = StringIO(read_bytes(path, field).decode("utf-8-sig"), newline="")
        reader = csv.reader(text, strict=True, skipinitialspace=True)
        for cells in reader:
            if not cells:
                continue
            if rows and len(cells) != len(rows[0]):
                raise MalformedError(f"{field} line {reader.line_num}", f"{len(rows[0])} values", len(cells))
            rows.append([cell.strip() for cell in cells])
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedError(field, "a CSV file in UTF-8", error) from None
    targets: list[int] = []
    if rows:
        names = [cell.lower() for cell in rows[0]]
        targets = [column for column, name in enumerate(names) if name in _TARGET_NAMES]
        if targets or (any(names) and not any(map(_looks_like_a_number, names))):
            rows = rows[1:]
    if not rows:
        raise MalformedError(field, "at least one row of values", "none")
    if not targets:
        return Samples(RationalArray.from_fractions(rows, f"{field}.x"), source=path.name)
    if len(targets) > 1:
        raise MalformedError(field, f"one column of {', '.join(_TARGET_NAMES)}", f"{len(targets)} of them")
    column = targets[0]
    y = RationalArray.from_fractions([row[column] for row in rows], f"{field}.y")
    x = RationalArray.from_fractions([row[:column] + row[column + 1 :] for row in rows], f"{field}.x")
    return Samples(x, y, source=path.name)


def _looks_like_a_number(cell: str) -> bool:
    # What only looks like a number is to be refused as a value, not skipped as a name.
    return cell.lstrip("+-.")[:1].isdigit() or cell.lstrip("+-") in _NOT_FINITE


def load_json_samples(path: Path, field: str = "data") -> Samples:
    """``{"x": [[..], ..], "y": ..}`` with integers and quoted rationals; x may be nested deeper.

    x of shape (N, ..) is flattened row-major, y is (N,), (N, m) or null.  MalformedError for
    floats, other or repeated keys, ragged lists and shapes that do not fit.
    """
    content = load_json(read_bytes(path, field), field)
    if not isinstance(content, dict):
        raise MalformedError(field, 'an object {"x": .., "y": ..}', type(content).__name__)
    unknown = sorted(set(content) - {"x", "y"})
    if unknown:
        raise MalformedError(field, "only the keys x and y", f"key {unknown[0]!a}")
    if not isinstance(content.get("x"), list) or not content["x"]:
        raise MalformedError(f"{field}.x", "a non-empty list of samples", content.get("x", "nothing"))
    x = RationalArray.from_fractions(content["x"], f"{field}.x")
    if x.ndim < 2:
        raise MalformedError(f"{field}.x", "a list of values for each sample", "a number")
    if x.numerators.size == 0:
        raise MalformedError(f"{field}.x", "at least one value for each sample", "none")
    y = None
    if content.get("y") is not None:
        y = RationalArray.from_fractions(content["y"], f"{field}.y")
    return Samples(x.reshape(x.shape[0], -1), y, x.shape[1:], path.name)
