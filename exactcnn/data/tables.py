"""Floor 2: samples from NPZ, CSV and JSON files."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.data.files import LARGEST_FILE, load_json, read_bytes
from exactcnn.data.samples import FileOrigin, Samples
from exactcnn.errors import MalformedError

__all__ = ["load_csv", "load_json_samples", "load_npz", "read_npz"]

_TARGET_NAMES = ("y", "label", "target")


def read_npz(path: Path, field: str) -> tuple[dict[str, np.ndarray], bytes]:
    """All arrays of an NPZ file and the file's bytes; pickles and bombs are refused."""
    raw = read_bytes(path, field)
    try:
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            declared = sum(entry.file_size for entry in archive.infolist())
            if declared > LARGEST_FILE:
                raise MalformedError(field, f"at most {LARGEST_FILE} bytes when unpacked", f"{declared}")
        with np.load(BytesIO(raw), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}, raw
    except MalformedError:
        raise
    except Exception as error:  # NumPy and zipfile raise a dozen types for damaged archives
        raise MalformedError(field, "an NPZ file of plain arrays", error) from None


def load_npz(path: Path, field: str = "data") -> Samples:
    """Arrays ``x`` (N, ..) and, if present, ``y`` (N, ..)."""
    arrays, raw = read_npz(path, field)
    if "x" not in arrays:
        raise MalformedError(f"{field}.x", "an array named x", f"arrays {', '.join(sorted(arrays)) or 'none'}")
    x = arrays["x"]
    origin = None
    if x.dtype == np.uint8 and x.flags.c_contiguous:
        origin = FileOrigin(str(path), "npz", hashlib.sha256(raw).hexdigest())
    return Samples.from_array(x, arrays.get("y"), field=field, source=path.name, origin=origin)


def load_csv(path: Path, field: str = "data") -> Samples:
    """A sample a row, exact integers, decimals or rationals; an optional header row.

    With a header, a column named y, label or target holds the targets.
    """
    try:
        text = read_bytes(path, field).decode("utf-8-sig")
        rows = [row for row in csv.reader(StringIO(text, newline="")) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedError(field, "a CSV file in UTF-8", error) from None
    if not rows:
        raise MalformedError(field, "at least one row", "none")
    header: list[str] | None = None
    if any(cell.strip() and not _numeric(cell.strip()) for cell in rows[0]):
        header, rows = [cell.strip().lower() for cell in rows[0]], rows[1:]
    width = len(header) if header is not None else len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width:
            raise MalformedError(f"{field} row {number}", f"{width} values", f"{len(row)} values")
    cells: Any = [[cell.strip() for cell in row] for row in rows]
    target = next((header.index(name) for name in _TARGET_NAMES if name in header), None) if header else None
    if target is None:
        return Samples(RationalArray.from_fractions(cells, f"{field}.x"), source=path.name)
    y = RationalArray.from_fractions([row[target] for row in cells], f"{field}.y")
    x = RationalArray.from_fractions([row[:target] + row[target + 1 :] for row in cells], f"{field}.x")
    return Samples(x, y, source=path.name)


def _numeric(cell: str) -> bool:
    return cell[0] in "+-.0123456789" or cell.lower() in ("nan", "inf", "infinity")


def load_json_samples(path: Path, field: str = "data") -> Samples:
    """``{"x": [[..], ..], "y": ..}`` with integers and quoted rationals; x may be nested deeper."""
    content = load_json(read_bytes(path, field), field)
    if not isinstance(content, dict):
        raise MalformedError(field, 'an object {"x": .., "y": ..}', type(content).__name__)
    unknown = sorted(set(content) - {"x", "y"})
    if unknown:
        raise MalformedError(field, "only the keys x and y", f"key {unknown[0]!r}")
    if "x" not in content:
        raise MalformedError(f"{field}.x", "a list of samples", "nothing")
    if not isinstance(content["x"], list) or not content["x"]:
        raise MalformedError(f"{field}.x", "a non-empty list of samples", content["x"])
    x = RationalArray.from_fractions(content["x"], f"{field}.x")
    if x.ndim < 2:
        raise MalformedError(f"{field}.x", "a list of values for each sample", "a number")
    if x.numerators.size == 0:
        raise MalformedError(f"{field}.x", "at least one value for each sample", "none")
    y = None
    if content.get("y") is not None:
        y = RationalArray.from_fractions(content["y"], f"{field}.y")
        if y.ndim == 0:
            raise MalformedError(f"{field}.y", "a list of targets", content["y"])
    return Samples(x.reshape(x.shape[0], -1), y, x.shape[1:], path.name)
