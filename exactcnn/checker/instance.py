"""The instance of a certificate rebuilt: the network's layers and patches, the samples, the weights.

Everything is by the definitions of FORMAT.md, sections 2 to 4.  A patch is a list of unit numbers of the
layer below; a padding neuron is a negative number in it, a different one for each place of the padded grid.
"""

import gzip
import hashlib
import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from .grammar import MAX_FILE
from .outcome import Budget, Malformed, Rejected, TooMuch, show

MAX_ARRAY = 2**28  # bytes of a data file after decompression
NPY_HEADER = re.compile(
    rb"\{'descr': '\|u1', 'fortran_order': False, 'shape': \(((?:\d{1,15}, ?)*\d{1,15},?)\), ?\}\s*")


@dataclass(frozen=True)
class Grid:
    """The state of a layer; its units are numbered channel by channel only in the input."""

    channels: int
    extents: list[int]
    channel_major: bool = False

    @property
    def units(self) -> int:
        return self.channels * prod(self.extents)


@dataclass(frozen=True)
class Layer:
    number: int
    spec: dict[str, Any]
    below: Grid
    above: Grid
    patch_count: int  # P
    patch_length: int  # l
    filters: int  # T, 1 for max-pooling

    @property
    def kind(self) -> str:
        return str(self.spec["kind"])

    @property
    def activation(self) -> dict[str, Any] | None:
        return self.spec.get("activation")

    @property
    def units(self) -> int:
        return self.patch_count * self.filters

    def patches(self, budget: Budget) -> list[list[int]]:
        entries, what = self.patch_count * self.patch_length, f"the patches of layer {self.number}"
        budget.spend(30 * entries, what)
        budget.hold(entries + 2 * self.patch_count, what)
        if self.kind == "dense":
            return [list(range(self.below.units))]
        return self.spec["patches"] if "patches" in self.spec else list(self._windows())

    def _windows(self) -> Iterator[list[int]]:
        grid, spec = self.below, self.spec
        shape = list(zip(grid.extents, spec["padding"], strict=True))
        padded_size = int(prod(e + 2 * q for e, q in shape))

        def unit(channel: int, place: Sequence[int]) -> int:
            """The neuron at a place of the padded grid."""
            position, outer, real = 0, 0, True
            for a, (e, q) in zip(place, shape, strict=True):
                position, outer = position * e + a - q, outer * (e + 2 * q) + a
                real = real and q <= a < q + e
            if not real:
                return -1 - (channel * padded_size + outer)
            if grid.channel_major:
                return channel * prod(grid.extents) + position
            return position * grid.channels + channel

        # For each axis and each output index, the coordinates of the window in the padded grid.
        steps = zip(output_extents(grid, spec), spec["kernel"], spec["stride"], spec["dilation"], strict=True)
        axes = [[range(o * s, o * s + (k - 1) * d + 1, d) for o in range(count)] for count, k, s, d in steps]
        for ranges in product(*axes):
            places = list(product(*ranges))
            channels = [[unit(c, place) for place in places] for c in range(grid.channels)]
            yield from [[u for c in channels for u in c]] if self.kind == "conv" else channels


def output_extents(below: Grid, spec: dict[str, Any]) -> list[int]:
    axes = zip(below.extents, spec["padding"], spec["dilation"], spec["kernel"], spec["stride"], strict=True)
    return [(e + 2 * q - d * (k - 1) - 1) // s + 1 for e, q, d, k, s in axes]


def build_layers(network: dict[str, Any], budget: Budget) -> list[Layer]:
    sizes, layers = network["input"], list[Layer]()
    grid = Grid(1, sizes, True) if len(sizes) == 1 else Grid(sizes[0], sizes[1:], True)
    for number, spec in enumerate(network["layers"], 1):
        path, lists = f"instance.network.layers[{number - 1}]", spec.get("patches")
        filters = spec.get("filters", spec.get("units", 1))
        if spec["kind"] == "dense":
            count, length, above = 1, grid.units, Grid(1, [filters])
        elif lists is not None:
            count, length, above = len(lists), len(lists[0]), Grid(filters, [len(lists)])
            for p, patch in enumerate(lists):
                if len(patch) != length or len(set(patch)) != length or max(patch) >= grid.units:
                    raise Malformed(f"{path}.patches[{p}]: not {length} units below {grid.units}")
        else:
            check_window(grid, spec, path, budget)
            outputs = output_extents(grid, spec)
            count, length, above = prod(outputs), prod(spec["kernel"]), Grid(filters, outputs)
            if spec["kind"] == "conv":
                length *= grid.channels
            else:
                count, above = count * grid.channels, Grid(grid.channels, outputs)
        layers.append(Layer(number, spec, grid, above, count, length, filters))
        grid = above
    return layers


def check_window(below: Grid, spec: dict[str, Any], path: str, budget: Budget) -> None:
    """Every window must fit, and see a real neuron: for that, a real coordinate on each axis."""
    if any(len(spec[key]) != len(below.extents) for key in ("kernel", "stride", "padding", "dilation")):
        raise Malformed(f"{path}: kernel, stride, padding and dilation need one entry for each axis")
    for axis, outputs in enumerate(output_extents(below, spec)):
        extent, kernel, stride, padding, dilation = below.extents[axis], *(
            spec[key][axis] for key in ("kernel", "stride", "padding", "dilation"))
        if outputs < 1:
            raise Malformed(f"{path}: the window does not fit into axis {axis} of extent {extent}")
        budget.spend(5 * outputs, path)
        for start in range(-padding, outputs * stride - padding, stride):
            first = max(0, -(start // dilation))  # the first offset that is past the padding on the left
            if first >= kernel or start + first * dilation >= extent:
                raise Malformed(f"{path}: a patch at {start} on axis {axis} is nothing but padding")


@dataclass(frozen=True)
class Data:
    """Sample i is rows[i] * factor / denominator."""

    rows: Sequence[Sequence[int]]  # tuples or bytes, so that they can be put into sets
    factor: int
    denominator: int

    def bits(self) -> int:
        return (max(max(max(row), -min(row)) for row in self.rows) * self.factor).bit_length()

    def sample(self, i: int) -> list[int]:
        return [value * self.factor for value in self.rows[i]]


def load_data(spec: dict[str, Any], units: int, candidates: list[str], budget: Budget) -> Data:
    """The samples; `candidates` are the paths at which a data file may lie."""
    (count, width), path = spec["shape"], "instance.data"
    if width != units:
        raise Malformed(f"{path}.shape: samples of {width} entries for {show(units)} input units")
    if spec["kind"] == "inline":
        if len(spec["rows"]) != count or any(len(row) != width for row in spec["rows"]):
            raise Malformed(f"{path}.rows: expected {count} rows of {width} entries")
        return Data([tuple(row) for row in spec["rows"]], 1, spec["denominator"])
    files = [raw for candidate in candidates if (raw := read_file(candidate)) is not None]
    if not files:
        raise Malformed(f"{path}: no data file at {show(candidates[0])}; name it with --data")
    raw = next((raw for raw in files if hashlib.sha256(raw).hexdigest() == spec["sha256"]), None)
    if raw is None:
        raise Rejected(f"{path}.sha256: the data file {show(candidates[0])} has another digest")
    try:
        dimensions, values = read_idx(raw) if spec["format"] == "idx" else read_npz(raw)
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile, struct.error) as e:
        raise Malformed(f"{path}: unreadable data file, {show(str(e))}") from None
    if prod(dimensions[1:]) != width or spec["start"] + count > dimensions[0]:
        raise Malformed(f"{path}: the file's array has shape {dimensions}, which does not hold these samples")
    budget.hold(count * (width + 60) // 40, path)  # as bytes
    places = range(spec["start"] * width, (spec["start"] + count) * width, width)
    rows = [values[place : place + width] for place in places]
    return Data(rows, spec["scale"].numerator, spec["scale"].denominator)


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


@dataclass(frozen=True)
class Instance:
    layers: list[Layer]
    data: Data | None
    weights: dict[str, Any] | None
    budget: Budget

    def layer(self, number: int, path: str) -> Layer:
        if number > len(self.layers):
            raise Rejected(f"{path}.layer: {show(number)} is not one of the layers 1 .. {len(self.layers)}")
        return self.layers[number - 1]

    def samples(self) -> Data:
        if self.data is None:
            raise Rejected("instance.data: this claim needs samples, but data is null")
        return self.data

    def parameters(self, layer: Layer) -> tuple[list[list[int]], int, list[int], int]:
        """The columns of W and their denominator, the bias of every unit and its denominator."""
        T, spec, what = layer.filters, self.weights, f"layer {layer.number}"
        size = layer.patch_length * T
        self.budget.spend(10 * (size + layer.units), f"the weights of {what}")
        self.budget.hold(size + layer.units, f"the weights of {what}")
        bias_size = bias_sizes(layer)
        if spec is not None and spec["kind"] == "seed":
            flat, bias = draw(spec, layer.number, "W", size), draw(spec, layer.number, "b", bias_size)
            over = bias_over = 2 ** spec["bits"]
        else:
            given = spec and spec["layers"][layer.number - 1]
            if given is None:
                raise Rejected(f"instance.weights: this claim needs the weights of {what}")
            b = given["b"] or {"denominator": 1, "values": []}
            flat, over = [w for row in given["W"]["rows"] for w in row], given["W"]["denominator"]
            bias, bias_over = b["values"], b["denominator"]
        every = bias * (layer.units // bias_size) if bias_size else [0] * layer.units
        return [flat[t::T] for t in range(T)], over, every, bias_over


def bias_sizes(layer: Layer) -> int:
    return {"unit": layer.units, "filter": layer.filters, "none": 0}[layer.spec["bias"]]


def draw(spec: dict[str, Any], number: int, part: str, count: int) -> list[int]:
    """Numerators over 2^bits of entries drawn from the byte stream of FORMAT.md, section 4."""
    return odd_numerators(f"exactcnn/weights/1/{spec['seed']}/{number}/{part}", spec["bits"], count)


def odd_numerators(message: str, bits: int, count: int) -> list[int]:
    w = (bits + 7) // 8
    stream = hashlib.shake_256(message.encode("ascii")).digest(count * w)
    values = (int.from_bytes(stream[at : at + w], "big") % 2**bits for at in range(0, count * w, w))
    return [2 * v + 1 - 2**bits for v in values]


def check_weights(spec: dict[str, Any], layers: list[Layer]) -> None:
    """The shapes of inline weights; an entry may be null where no claim needs it."""
    path, given = "instance.weights.layers", spec.get("layers", [None] * len(layers))
    if len(given) != len(layers):
        raise Malformed(f"{path}: {len(given)} entries for {len(layers)} layers")
    for layer, parts in zip(layers, given, strict=True):
        if parts is None:
            continue
        if layer.kind == "maxpool":
            raise Malformed(f"{path}[{layer.number - 1}]: weights for max-pooling")
        rows, b = parts["W"]["rows"], parts["b"]
        if len(rows) != layer.patch_length or any(len(row) != layer.filters for row in rows):
            raise Malformed(f"{path}[{layer.number - 1}].W: expected {layer.patch_length} x {layer.filters}")
        if (b is None) != (layer.spec["bias"] == "none") or (b and len(b["values"]) != bias_sizes(layer)):
            raise Malformed(f"{path}[{layer.number - 1}].b: expected {bias_sizes(layer)} values")
