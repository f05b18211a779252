"""Floor 2: spec files (TOML, and the same as JSON) -> Network.

Every complaint is one sentence naming the field, what was expected and what was found.
Scalars are allowed where all axes agree; ``stride`` of a pooling defaults to its kernel, as
in PyTorch; ``activation`` may be left out only in the last dense layer (it is linear then).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exactcnn.data.files import load_json, read_bytes
from exactcnn.errors import MalformedError, shown
from exactcnn.network.activations import Activation
from exactcnn.network.geometry import LARGEST_PATCH_TABLE, State, check_padding, explicit_patches
from exactcnn.network.layers import BIASES, Layer, Window
from exactcnn.network.network import Network, input_state

__all__ = ["network_from_dict", "read_spec"]

_LARGEST_SPEC_FILE = 64 * 1024 * 1024
_LARGEST_NUMBER = 2**31
_LONGEST_NAME = 200
_DEEPEST = 16
_MOST_BITS = 10_000
_LISTS = (list, tuple)
_WINDOW_KEYS = {"kernel", "stride", "padding", "dilation"}
_KEYS = {
    "conv": {"kind", "filters", "patches", "activation", "bias"} | _WINDOW_KEYS,
    "maxpool": {"kind", "patches"} | _WINDOW_KEYS,
    "dense": {"kind", "units", "activation", "bias"},
}


def read_spec(path: str | Path) -> Network:
    """The network described by a ``.toml`` or ``.json`` spec file.

    Raises MalformedError with one sentence for anything wrong with the file or its contents.
    """
    path = Path(path)
    field = f"spec {path}"
    raw = read_bytes(path, field, _LARGEST_SPEC_FILE)
    if path.suffix.lower() == ".json":
        content = load_json(raw, field)
    else:
        try:
            content = tomllib.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise MalformedError(field, "valid TOML", error) from None
    if isinstance(content, dict) and path.stem.isprintable():
        content.setdefault("name", path.stem[:_LONGEST_NAME])
    return network_from_dict(content)


def _refuse_monsters(spec: object) -> None:
    """No nesting and no integer of which Python cannot show the text, whoever wants to show it."""
    level = [spec]
    for _ in range(_DEEPEST):
        inner: list[object] = []
        for table in level:
            for entry in (
                table.values() if isinstance(table, dict) else table if isinstance(table, _LISTS) else ()
            ):
                if isinstance(entry, (dict, *_LISTS)):
                    inner.append(entry)
                elif isinstance(entry, int) and entry.bit_length() > _MOST_BITS:
                    raise MalformedError("spec", f"integers of at most {_MOST_BITS} bits", "a longer one")
        if not inner:
            return
        level = inner
    raise MalformedError("spec", f"at most {_DEEPEST} levels of nesting", "more")


def _keys(record: object, allowed: set[str], required: set[str], field: str) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise MalformedError(field, "a table", _kind_of(record))
    for key in record:
        if key not in allowed:
            raise MalformedError(field, f"only the keys {', '.join(sorted(allowed))}", f"key {shown(key)}")
    for key in sorted(required):
        if key not in record:
            raise MalformedError(f"{field}.{key}", "a value", "nothing")
    return record


def _kind_of(value: object) -> str:
    if isinstance(value, str):
        return repr(value)
    return f"{shown(value)} ({type(value).__name__})"


def _integer(value: object, least: int, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedError(field, f"an integer of at least {least}", _kind_of(value))
    if not least <= value <= _LARGEST_NUMBER:
        raise MalformedError(field, f"an integer from {least} to {_LARGEST_NUMBER}", value)
    return value


def _axes(value: object, axes: int, least: int, field: str) -> tuple[int, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != axes:
            raise MalformedError(field, f"{axes} entries, one for each axis", f"{len(value)} entries")
        return tuple(_integer(entry, least, f"{field}[{i}]") for i, entry in enumerate(value))
    return (_integer(value, least, field),) * axes


def _window(record: Mapping[str, Any], below: State, field: str, pooling: bool) -> Window:
    axes = len(below.extents)
    if "kernel" not in record:
        raise MalformedError(f"{field}.kernel", "a kernel size, or explicit patches", "neither")
    kernel = _axes(record["kernel"], axes, 1, f"{field}.kernel")
    dilation = _axes(record.get("dilation", 1), axes, 1, f"{field}.dilation")
    stride = _axes(record.get("stride", kernel if pooling else 1), axes, 1, f"{field}.stride")
    if record.get("padding") == "same":
        spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if any(s != 1 for s in stride) or any(span % 2 for span in spans):
            raise MalformedError(
                f"{field}.padding", "numbers, unless stride is 1 and the kernel's span odd", "'same'"
            )
        padding = tuple(span // 2 for span in spans)
    else:
        padding = _axes(record.get("padding", 0), axes, 0, f"{field}.padding")
    return Window(kernel, stride, padding, dilation)


def _patch_lists(value: object, below: State, field: str) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise MalformedError(f"{field}.patches", "a non-empty list of patches", _kind_of(value))
    lists = []
    for p, patch in enumerate(value):
        if not isinstance(patch, Sequence) or isinstance(patch, str) or not patch:
            raise MalformedError(f"{field}.patches[{p}]", "a non-empty list of neurons", _kind_of(patch))
        lists.append(tuple(_integer(neuron, 0, f"{field}.patches[{p}]") for neuron in patch))
    explicit_patches(tuple(lists), below, field)
    return tuple(lists)


def _layer(record: object, index: int, below: State, last: bool) -> Layer:
    field = f"layers[{index - 1}]"
    if not isinstance(record, Mapping):
        raise MalformedError(field, "a table", _kind_of(record))
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in _KEYS:
        raise MalformedError(f"{field}.kind", "conv, maxpool or dense", _kind_of(kind))
    required = {"conv": {"kind", "filters"}, "maxpool": {"kind"}, "dense": {"kind", "units"}}[kind]
    _keys(record, _KEYS[kind], required, field)

    activation: Activation | None = None
    bias = "none"
    if kind != "maxpool":
        if "activation" in record:
            activation = Activation.from_json(record["activation"], field=f"{field}.activation")
        elif last and kind == "dense":
            activation = Activation.from_json("identity")
        else:
            raise MalformedError(f"{field}.activation", "an activation", "nothing")
        bias = record.get("bias", "unit")
        if not isinstance(bias, str) or bias not in BIASES:
            raise MalformedError(f"{field}.bias", "unit, filter or none", _kind_of(bias))

    reads: Window | tuple[tuple[int, ...], ...] | None = None
    if kind != "dense":
        if "patches" in record:
            mixed = sorted(_WINDOW_KEYS & set(record))
            if mixed:
                raise MalformedError(field, "either patches or a kernel", f"patches and {', '.join(mixed)}")
            reads = _patch_lists(record["patches"], below, field)
        else:
            reads = _window(record, below, field, kind == "maxpool")
    filters = 1
    if kind == "conv":
        filters = _integer(record["filters"], 1, f"{field}.filters")
    elif kind == "dense":
        filters = _integer(record["units"], 1, f"{field}.units")
    layer = Layer(index, kind, below, reads, filters, activation, bias)
    entries = layer.patch_count * layer.patch_size  # resolves the geometry, so errors surface here
    for count, what in ((entries, "patch entries"), (layer.width, "units")):
        if count > LARGEST_PATCH_TABLE:
            raise MalformedError(field, f"at most {LARGEST_PATCH_TABLE} {what}", count)
    if isinstance(reads, Window):
        check_padding(below, reads.kernel, reads.stride, reads.padding, reads.dilation, field)
    return layer


def network_from_dict(spec: object) -> Network:
    """The network that a spec, as a dictionary, describes."""
    _refuse_monsters(spec)
    record = _keys(spec, {"name", "input", "layers"}, {"input", "layers"}, "spec")
    name = record.get("name", "network")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not name.isprintable():
        raise MalformedError(
            "name", f"a printable text of at most {_LONGEST_NAME} characters", _kind_of(name)
        )
    shape = record["input"]
    if isinstance(shape, Mapping):
        shape = _keys(shape, {"shape"}, {"shape"}, "input")["shape"]
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not shape:
        raise MalformedError("input.shape", "[d] or [channels, height, width]", _kind_of(shape))
    extents = tuple(_integer(extent, 1, f"input.shape[{i}]") for i, extent in enumerate(shape))
    below = input_state(extents)
    if below.size > LARGEST_PATCH_TABLE:
        raise MalformedError("input.shape", f"at most {LARGEST_PATCH_TABLE} pixels", below.size)
    listed = record["layers"]
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not 1 <= len(listed) <= 1000:
        raise MalformedError("layers", "a list of 1 to 1000 layers", _kind_of(listed)[:80])
    layers = []
    for index, entry in enumerate(listed, start=1):
        layer = _layer(entry, index, below, index == len(listed))
        layers.append(layer)
        below = layer.above
    return Network(name, extents, tuple(layers))
