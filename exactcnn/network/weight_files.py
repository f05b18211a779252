"""Floor 2: weight files as raw exact arrays; which layer they belong to is decided elsewhere.

JSON rationals ``{"layers": [{"W": [[..]], "b": [..]}, null, ..]}`` give a list; NPZ and
safetensors give named arrays, floats taken as the dyadic rationals they are.

Conventions.  No network knowledge: shapes are checked only for being shapes.  safetensors is
an optional package; BF16 and the 8-bit floats, which NumPy does not have, are refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import parse_rational, rational_text
from exactcnn.data.files import load_json, read_bytes, within
from exactcnn.data.tables import read_npz
from exactcnn.errors import MalformedError

__all__ = ["LayerArrays", "read_weight_file", "write_weight_file"]

_LN2 = re.compile(r"(?:(-?[0-9]+(?:/[0-9]+)?\+)|)(-?|-?[0-9]+(?:/[0-9]+)?\*)ln2", re.ASCII)
_MOST_AXES = 32  # NumPy 1's limit
_TENSOR_TYPES = {
    f"{letter}{8 * width}": np.dtype(f"<{kind}{width}")
    for letter, kind, widths in (("F", "f", (2, 4, 8)), ("I", "i", (1, 2, 4, 8)), ("U", "u", (1, 2, 4, 8)))
    for width in widths
}


@dataclass(frozen=True, eq=False)
class LayerArrays:
    """W (two axes) and b (one axis) or None; ``W_ln2``, ``b_ln2``: multiples of ln 2 to be added, or None."""

    W: RationalArray
    b: RationalArray | None
    W_ln2: RationalArray | None = None
    b_ln2: RationalArray | None = None


def read_weight_file(path: str | Path) -> list[LayerArrays | None] | dict[str, RationalArray]:
    """Arrays of a .json file (a list, an entry a layer), or of a .npz or .safetensors file (by name).

    MalformedError, naming file, array and index, for anything else: floats in JSON, NaN and
    infinities, other dtypes, ragged or empty W, unknown or repeated keys, damaged files.
    """
    path = Path(path)
    field = f"weights {path}" if str(path).isprintable() else f"weights {str(path)!a}"
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _from_json(load_json(read_bytes(path, field), field), field)
    if suffix == ".npz":
        arrays, _ = read_npz(path, field)
        return {name: RationalArray.from_numpy(array, within(field, name)) for name, array in arrays.items()}
    if suffix == ".safetensors":
        return _from_safetensors(path, field)
    raise MalformedError(field, "a file .json, .npz or .safetensors", repr(path.name))


def write_weight_file(layers: Sequence[LayerArrays | None], path: str | Path) -> None:
    """Write what ``read_weight_file`` reads from a .json file; None for pooling."""
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise MalformedError(f"weights {path}", "a file name ending in .json", repr(path.name))
    listed = [
        None
        if entry is None
        else {
            "W": _texts(entry.W, entry.W_ln2),
            "b": None if entry.b is None else _texts(entry.b, entry.b_ln2),
        }
        for entry in layers
    ]
    try:
        path.write_text(json.dumps({"layers": listed}) + "\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise MalformedError(f"weights {path}", "a file that can be written", reason) from None


def _texts(array: RationalArray, ln2: RationalArray | None) -> Any:
    def text(value: Any, log: Any) -> Any:
        if isinstance(value, list):
            logs = log if isinstance(log, list) else [0] * len(value)
            return [text(v, w) for v, w in zip(value, logs, strict=True)]
        return rational_text(Fraction(value)) + (f"+{rational_text(Fraction(log))}*ln2" if log else "")

    return text(array.to_fractions(), 0 if ln2 is None else ln2.to_fractions())


def _split_ln2(value: Any, field: str) -> tuple[Any, Fraction]:
    """A JSON number as (rational part, multiple of ln 2): "1/2", "-ln2", "3/7*ln2", "1+-2*ln2"."""
    if not isinstance(value, str) or "ln2" not in value:
        return value, Fraction(0)
    match = _LN2.fullmatch(value)
    if match is None:
        raise MalformedError(
            field, "a rational, a multiple of ln2 such as '3/7*ln2', or their sum", repr(value[:60])
        )
    rest, factor = match[1], match[2]
    factor = {"": "1", "-": "-1"}.get(factor, factor.removesuffix("*"))
    return (rest.removesuffix("+") if rest else 0), parse_rational(factor, field)


def _from_json(content: Any, field: str) -> list[LayerArrays | None]:
    if not isinstance(content, dict) or set(content) != {"layers"} or not isinstance(content["layers"], list):
        raise MalformedError(field, 'an object {"layers": [..]} and nothing else', _brief(content))
    entries: list[LayerArrays | None] = []
    for index, entry in enumerate(content["layers"]):
        where = f"{field}.layers[{index}]"
        if entry is None:
            entries.append(None)
            continue
        if not isinstance(entry, dict) or "W" not in entry or set(entry) - {"W", "b"}:
            raise MalformedError(where, 'null or an object with "W" and perhaps "b"', _brief(entry))
        W, W_ln2 = _array(entry["W"], 2, f"{where}.W", "a list of rows of numbers")
        b, b_ln2 = None, None
        if entry.get("b") is not None:
            b, b_ln2 = _array(entry["b"], 1, f"{where}.b", "a list of numbers")
        entries.append(LayerArrays(W, b, W_ln2, b_ln2))
    return entries


def _array(content: Any, ndim: int, field: str, expected: str) -> tuple[RationalArray, RationalArray | None]:
    """The rational parts, and the multiples of ln 2 if there are any."""
    if not isinstance(content, list):
        raise MalformedError(field, expected, _brief(content))

    def part(value: Any, which: int) -> Any:
        return [part(v, which) for v in value] if isinstance(value, list) else _split_ln2(value, field)[which]

    array = RationalArray.from_fractions(part(content, 0), field)
    if array.ndim != ndim or 0 in array.shape:
        raise MalformedError(field, f"{expected}, none empty", f"shape {array.shape}")
    logs = RationalArray.from_fractions(part(content, 1), field)
    return array, logs if logs.max_abs_numerator() else None


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with keys {sorted(value)!a}"
    return f"{type(value).__name__} {str(value)[:60]}"


def _from_safetensors(path: Path, field: str) -> dict[str, RationalArray]:
    try:
        library = import_module("safetensors")
    except ImportError:
        raise MalformedError(
            field, "the optional package safetensors (pip install 'exactcnn[safetensors]')", "not installed"
        ) from None
    raw = read_bytes(path, field)
    try:
        tensors = library.deserialize(raw)
    except (library.SafetensorError, ValueError) as error:
        raise MalformedError(field, "a safetensors file", error) from None
    arrays: dict[str, RationalArray] = {}
    for name, tensor in tensors:
        where = within(field, name)
        dtype = _TENSOR_TYPES.get(tensor["dtype"])
        if dtype is None:
            raise MalformedError(where, "integers or F16, F32, F64 values", f"dtype {tensor['dtype']}")
        if len(tensor["shape"]) > _MOST_AXES:
            raise MalformedError(where, f"at most {_MOST_AXES} axes", len(tensor["shape"]))
        values = np.frombuffer(bytes(tensor["data"]), dtype=dtype).reshape(tensor["shape"])
        arrays[name] = RationalArray.from_numpy(values, where)
    return arrays
