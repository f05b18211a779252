"""Floor 2: spec files (TOML, and the same as JSON) -> Network.

Every complaint is one sentence naming the field, what was expected and what was found.
Scalars are allowed where all axes agree; ``stride`` of a pooling defaults to its kernel, as
in PyTorch, and ``output`` (the positions left on each axis) gives both; ``activation`` may be left out in
the last dense layer (it is linear then) and in layers
without weights.  A layer reads the one before it, unless ``of`` names others by ``name`` or number (0 or
"input": the input); ``add`` and ``concat`` always have an ``of``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from exactcnn.activations import Activation
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.data.files import load_json, read_bytes
from exactcnn.errors import MalformedError, shown
from exactcnn.network.geometry import LARGEST_PATCH_TABLE, Padding, State, check_padding, explicit_patches
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
    "dense": {"kind", "units", "activation", "bias"},
    "maxpool": {"kind", "patches", "output"} | _WINDOW_KEYS,
    "avgpool": {"kind", "patches", "output", "activation", "count_padding"} | _WINDOW_KEYS,
    "add": {"kind", "activation"},
    "concat": {"kind", "axis", "activation"},
    "scale": {"kind", "factors", "shifts", "activation"},
    "activation": {"kind", "activation"},
}
_REQUIRED = {
    "conv": {"filters"}, "dense": {"units"}, "maxpool": set(), "avgpool": set(), "add": {"of"}, "concat": {"of"},
    "scale": {"factors"}, "activation": {"activation"},
}  # fmt: skip


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


def _padding(value: object, axes: int, field: str) -> Padding:
    """One number for each axis, or for all; a pair [before, after] where the sides differ."""
    if not isinstance(value, _LISTS) or not any(isinstance(entry, _LISTS) for entry in value):
        return _axes(value, axes, 0, field)
    if len(value) != axes:
        raise MalformedError(field, f"{axes} entries, one for each axis", f"{len(value)} entries")
    pairs = [_axes(entry, 2, 0, f"{field}[{i}]") for i, entry in enumerate(value)]
    return tuple(before if before == after else (before, after) for before, after in pairs)


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
        padding: Padding = tuple(span // 2 for span in spans)
    else:
        padding = _padding(record.get("padding", 0), axes, f"{field}.padding")
    return Window(kernel, stride, padding, dilation)


def _parts(record: Mapping[str, Any], below: State, field: str) -> Window:
    """``output = [2, 4]``: each axis cut into so many windows of one size, none shared (1: all of it)."""
    mixed = sorted(({"patches", "count_padding"} | _WINDOW_KEYS) & set(record))
    if mixed:
        raise MalformedError(field, "either an output size or a kernel", f"output and {', '.join(mixed)}")
    axes = len(below.extents)
    output = _axes(record["output"], axes, 1, f"{field}.output")
    if any(e % o for e, o in zip(below.extents, output, strict=True)):
        raise MalformedError(
            f"{field}.output", f"sizes that divide the extents {list(below.extents)}", list(output)
        )
    kernel = tuple(e // o for e, o in zip(below.extents, output, strict=True))
    return Window(kernel, kernel, (0,) * axes, (1,) * axes)


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


def _sources(record: Mapping[str, Any], known: Mapping[str, int], index: int, field: str) -> tuple[int, ...]:
    """The numbers of the layers read; () for the one before, unless the spec says it is that."""
    if "of" not in record:
        return ()
    listed = record["of"] if isinstance(record["of"], _LISTS) else [record["of"]]
    found = []
    for n, entry in enumerate(listed):
        if isinstance(entry, str) and entry in known:
            found.append(known[entry])
        elif isinstance(entry, bool) or not isinstance(entry, int) or not 0 <= entry < index:
            raise MalformedError(f"{field}.of[{n}]", f"the name of an earlier layer, or a number from 0 to {index - 1}",
                                 _kind_of(entry))  # fmt: skip
        else:
            found.append(entry)
    several = record.get("kind") in ("add", "concat")
    if (len(found) < 2) if several else (len(found) != 1):
        raise MalformedError(f"{field}.of", "two layers or more" if several else "one layer", f"{len(found)}")
    return () if found == [index - 1] else tuple(found)


def _fixed(
    record: Mapping[str, Any], channels: int, field: str
) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Factors and shifts of a scale, one for each channel."""
    parts = []
    for key in ("factors", "shifts"):
        values = record.get(key, [0] * channels)
        if not isinstance(values, _LISTS) or len(values) != channels:
            raise MalformedError(
                f"{field}.{key}", f"{channels} numbers, one for each channel", _kind_of(values)[:80]
            )
        exact = RationalArray.from_fractions(list(values), f"{field}.{key}")
        if exact.ndim != 1:
            raise MalformedError(
                f"{field}.{key}", f"{channels} numbers, one for each channel", f"{exact.ndim} axes"
            )
        parts.append(tuple(exact.to_fractions()))
    return parts[0], parts[1]


def _layer(
    record: object, index: int, states: Sequence[State], known: Mapping[str, int], key: int, last: bool
) -> Layer:
    field = f"layers[{index - 1}]"
    if not isinstance(record, Mapping):
        raise MalformedError(field, "a table", _kind_of(record))
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in _KEYS:
        raise MalformedError(
            f"{field}.kind", f"{', '.join(list(_KEYS)[:-1])} or {list(_KEYS)[-1]}", _kind_of(kind)
        )
    _keys(record, _KEYS[kind] | {"name", "of"}, _REQUIRED[kind] | {"kind"}, field)
    title = record.get("name")
    if title is not None and (
        not isinstance(title, str) or not 0 < len(title) <= 100 or not title.isprintable() or title in known
    ):
        raise MalformedError(
            f"{field}.name", "a printable text of 1 to 100 characters, unlike all others", _kind_of(title)
        )
    of = _sources(record, known, index, field)
    below, *beside = [states[source] for source in of or (index - 1,)]

    activation: Activation | None = None
    bias = "none"
    if "activation" in record:
        activation = Activation.from_json(record["activation"], field=f"{field}.activation")
    elif last and kind == "dense":
        activation = Activation.from_json("identity")
    elif kind in ("conv", "dense"):
        raise MalformedError(f"{field}.activation", "an activation", "nothing")
    if kind in ("conv", "dense"):
        bias = record.get("bias", "unit")
        if not isinstance(bias, str) or bias not in BIASES:
            raise MalformedError(f"{field}.bias", "unit, filter or none", _kind_of(bias))

    reads: Window | tuple[tuple[int, ...], ...] | None = None
    pooling = kind in ("maxpool", "avgpool")
    if kind == "conv" or pooling:
        if "output" in record:
            reads = _parts(record, below, field)
        elif "patches" in record:
            mixed = sorted((_WINDOW_KEYS | {"count_padding"}) & set(record))
            if mixed:
                raise MalformedError(field, "either patches or a kernel", f"patches and {', '.join(mixed)}")
            reads = _patch_lists(record["patches"], below, field)
        else:
            reads = _window(record, below, field, pooling)
    filters = 1
    if kind == "conv":
        filters = _integer(record["filters"], 1, f"{field}.filters")
    elif kind == "dense":
        filters = _integer(record["units"], 1, f"{field}.units")
    axis, counted = record.get("axis", "channels"), record.get("count_padding", True)
    if axis not in ("channels", "units"):
        raise MalformedError(f"{field}.axis", "channels or units", _kind_of(axis))
    if not isinstance(counted, bool):
        raise MalformedError(f"{field}.count_padding", "true or false", _kind_of(counted))
    if beside and axis == "channels":
        wanted = (below.extents, below.channel_major, below.channels if kind == "add" else 0)
        for n, state in enumerate(beside, 1):
            if (state.extents, state.channel_major, state.channels if kind == "add" else 0) != wanted:
                raise MalformedError(
                    f"{field}.of[{n}]",
                    f"the shape {below}, as of the first" if kind == "add" else f"{below.extents} positions, as of the first",
                    f"{state}" + (" (the input, which is numbered by channels; a 1x1 avgpool copies it)"
                                  if state.channel_major != below.channel_major else ""))  # fmt: skip
        if kind == "concat" and below.channel_major:
            raise MalformedError(
                f"{field}.of[0]",
                "no input, which is numbered by channels (a 1x1 avgpool copies it)",
                "the input",
            )
    layer = Layer(
        index, kind, below, reads, filters, activation, bias, of, tuple(beside), None if key == index else key, title,
        _fixed(record, below.channels, field) if kind == "scale" else None, counted, axis,
    )  # fmt: skip
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
    layers: list[Layer] = []
    states, known, key = [below], {"input": 0}, 1
    for index, entry in enumerate(listed, start=1):
        layer = _layer(entry, index, states, known, key, index == len(listed))
        layers.append(layer)
        states.append(layer.above)
        key += layer.affine or layer.pooling
        if layer.title is not None:
            known[layer.title] = index
    return Network(name, extents, tuple(layers))
