"""Floor 2: weight files as raw exact arrays; which layer they belong to is decided elsewhere.

JSON rationals ``{"layers": [{"W": [[..]], "b": [..]}, null, ..]}`` give a list; NPZ and
safetensors give named arrays, floats taken as the dyadic rationals they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.data.files import load_json, read_bytes
from exactcnn.data.tables import read_npz
from exactcnn.errors import MalformedError

__all__ = ["LayerArrays", "read_weight_file"]


@dataclass(frozen=True, eq=False)
class LayerArrays:
    """W (two axes) and b (one axis) or None."""

    W: RationalArray
    b: RationalArray | None


def read_weight_file(path: str | Path) -> list[LayerArrays | None] | dict[str, RationalArray]:
    """Arrays of a .json, .npz or .safetensors file; MalformedError for anything else."""
    path = Path(path)
    field = f"weights {path}"
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _from_json(load_json(read_bytes(path, field), field), field)
    if suffix == ".npz":
        return {name: RationalArray.from_numpy(array, f"{field}.{name}") for name, array in read_npz(path, field)[0].items()}
    if suffix == ".safetensors":
        return _from_safetensors(path, field)
    raise MalformedError(field, "a file .json, .npz or .safetensors", path.name)


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
        if not isinstance(entry["W"], list) or not entry["W"]:
            raise MalformedError(f"{where}.W", "a list of rows", _brief(entry["W"]))
        W = RationalArray.from_fractions(entry["W"], f"{where}.W")
        if W.ndim != 2:
            raise MalformedError(f"{where}.W", "a list of rows of numbers", f"{W.ndim} axes")
        b = None
        if entry.get("b") is not None:
            if not isinstance(entry["b"], list):
                raise MalformedError(f"{where}.b", "a list of numbers", _brief(entry["b"]))
            b = RationalArray.from_fractions(entry["b"], f"{where}.b")
            if b.ndim != 1:
                raise MalformedError(f"{where}.b", "a list of numbers", f"{b.ndim} axes")
        entries.append(LayerArrays(W, b))
    return entries


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with keys {', '.join(sorted(map(str, value))) or 'none'}"
    return f"{type(value).__name__} {str(value)[:60]}"


def _from_safetensors(path: Path, field: str) -> dict[str, RationalArray]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError:
        raise MalformedError(
            field, "the optional package safetensors (pip install 'exactcnn[safetensors]')", "not installed"
        ) from None
    raw = read_bytes(path, field)
    try:
        arrays = load(raw)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise MalformedError(field, "a safetensors file of float or integer arrays", error) from None
    return {name: RationalArray.from_numpy(array, f"{field}.{name}") for name, array in arrays.items()}
