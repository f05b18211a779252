"""Floor 2: exact weights of a network: from a seed, from a file, or given as rationals.

Layouts.  The paper's: W of shape l x T, rows in patch order (channels outermost, then kernel
offsets), b per unit (n_k), per filter (T) or absent.  PyTorch's, recognised by the names
``<prefix>.weight`` and ``<prefix>.bias``: (T, C, *kernel) and (out, in); the columns of a
dense layer behind a convolution are permuted from (C, H, W) to the unit order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError, MisuseError, UndecidedError
from exactcnn.network.distributions import Distribution
from exactcnn.network.layers import Layer, Window
from exactcnn.network.network import Network

__all__ = ["DEFAULT_BITS", "LayerWeights", "Seed", "Weights"]

DEFAULT_BITS = 16
# Seeded and stored weights beyond this are refused before they are made.
_LARGEST_LAYER = 50_000_000


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """W (l x T) and b (n_k, T, or None) of one convolutional or dense layer.

    ``W_ln2`` and ``b_ln2``, if given, are multiples of ln 2 to be added (same shapes): points of the loss
    surface at which sigmoids have rational values.
    """

    W: RationalArray
    b: RationalArray | None
    W_ln2: RationalArray | None = None
    b_ln2: RationalArray | None = None

    @property
    def rational(self) -> bool:
        """Are there no multiples of ln 2 in it?"""
        return self.W_ln2 is None and self.b_ln2 is None


@dataclass(frozen=True)
class Seed:
    """Where seeded weights come from: SHAKE-256 of the seed, ``bits`` bits each, by ``distribution``."""

    seed: int
    bits: int
    distribution: Distribution = field(default_factory=Distribution)


@dataclass(frozen=True, eq=False)
class Weights:
    """One entry per layer, None for pooling.  ``origin`` is the seed, or None if given."""

    layers: tuple[LayerWeights | None, ...]
    origin: Seed | None = None

    def __getitem__(self, k: int) -> LayerWeights:
        """The weights of layer k (1..L)."""
        entry = self.layers[k - 1]
        if entry is None:
            raise MisuseError("layer", "a layer with weights", f"max-pooling layer {k}")
        if not entry.rational:
            raise UndecidedError(f"the weights of layer {k} contain ln 2, and this route needs rational ones")
        return entry

    @staticmethod
    def from_seed(
        network: Network,
        seed: int = 0,
        bits: int = DEFAULT_BITS,
        distribution: Distribution | str = "uniform",
    ) -> Weights:
        """Drawn from SHAKE-256, the same on every machine; see :mod:`exactcnn.network.distributions`.

        ``uniform``, odd multiples of 2^-bits in (-1, 1), is FORMAT.md's (section 4).
        """
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise MisuseError("seed", "an integer from 0 to 2^64 - 1", seed)
        law = Distribution.parse(distribution)
        bits = law.check_bits(bits)
        entries: list[LayerWeights | None] = []
        for layer in network.layers:
            shape = layer.weight_shape
            if shape is None:
                entries.append(None)
                continue
            if layer.parameter_count > _LARGEST_LAYER:
                raise MalformedError(
                    layer.field, f"at most {_LARGEST_LAYER} seeded weights", layer.parameter_count
                )
            prefixes, denominator = [law.prefix(seed, layer.key or layer.index)], law.denominator(bits)
            W = law.draw(prefixes, "W", shape[0] * shape[1], bits, shape[0]).reshape(shape)
            b = None
            if layer.bias != "none":
                drawn = law.draw(prefixes, "b", layer.bias_length, bits, shape[0])[0]
                b = RationalArray.from_integers(drawn, denominator)
            entries.append(LayerWeights(RationalArray.from_integers(W, denominator), b))
        return Weights(tuple(entries), Seed(seed, bits, law))

    @staticmethod
    def from_layers(
        network: Network,
        layers: Sequence[LayerWeights | None],
        *,
        field: str = "weights",
        names: Mapping[int, tuple[str, str]] | None = None,
    ) -> Weights:
        """Given weights, their shapes checked against ``network``.

        ``names``: what W and b of a layer are called where they come from, for messages.
        """
        if len(layers) != network.depth:
            raise MalformedError(
                f"{field}.layers", f"{network.depth} entries, one for each layer", len(layers)
            )
        for layer, entry in zip(network.layers, layers, strict=True):
            W, b = (names or {}).get(layer.index, (f"{layer.field}.W", f"{layer.field}.b"))
            _check(layer, entry, f"{field}.{layer.field}", f"{field}.{W}", f"{field}.{b}")
        return Weights(tuple(layers))

    @staticmethod
    def from_file(network: Network, path: str | Path) -> Weights:
        """Weights from a JSON, NPZ or safetensors file, exactly as stored.

        NPZ and safetensors hold ``W1``, ``b1``, .. in the paper's layout, or PyTorch's
        ``<prefix>.weight``, ``<prefix>.bias``: the prefixes are the layers' names, or in the order of the layers
        when sorted (numbers by value).  Refused where that order could be another.
        """
        from exactcnn.network.weight_files import read_weight_file

        content = read_weight_file(path)
        field = f"weights {path}"
        if isinstance(content, list):
            layers = [
                None if entry is None else LayerWeights(entry.W, entry.b, entry.W_ln2, entry.b_ln2)
                for entry in content
            ]
            return Weights.from_layers(network, layers, field=field)
        layers, names = _assign(network, content, field)
        return Weights.from_layers(network, layers, field=field, names=names)

    def save(self, path: str | Path) -> None:
        """Write a JSON file of exact rationals that ``from_file`` reads; MalformedError if it cannot be written."""
        from exactcnn.network.weight_files import LayerArrays, write_weight_file

        write_weight_file(
            [None if e is None else LayerArrays(e.W, e.b, e.W_ln2, e.b_ln2) for e in self.layers], path
        )


def _check(layer: Layer, entry: LayerWeights | None, field: str, W: str, b: str) -> None:
    """``field``, ``W``, ``b``: what the layer's entry and its arrays are called in messages."""
    shape = layer.weight_shape
    if shape is None:
        if entry is not None:
            raise MalformedError(field, "null, since pooling has no weights", "weights")
        return
    if entry is None:
        raise MalformedError(field, f"weights of shape {shape}", "null")
    if entry.W.shape != shape:
        raise MalformedError(W, f"shape {shape} (patch size x filters)", entry.W.shape)
    if layer.bias == "none":
        if entry.b is not None:
            raise MalformedError(b, "no bias, as the spec says", f"shape {entry.b.shape}")
    elif entry.b is None:
        raise MalformedError(b, f"{layer.bias_length} biases (per {layer.bias})", "nothing")
    elif entry.b.shape != (layer.bias_length,):
        raise MalformedError(b, f"shape {(layer.bias_length,)} (per {layer.bias})", entry.b.shape)


def _assign(
    network: Network, arrays: Mapping[str, RationalArray], field: str
) -> tuple[list[LayerWeights | None], dict[int, tuple[str, str]]]:
    """Name -> layer, for the paper's names or PyTorch's; also the names of each layer's W and b."""
    weighted = [layer for layer in network.layers if layer.weight_shape is not None]
    if not weighted:
        raise MalformedError(field, "no weight file, since no layer has weights", f"{len(arrays)} arrays")
    if f"W{weighted[0].index}" in arrays:
        names = {layer.index: (f"W{layer.index}", f"b{layer.index}") for layer in weighted}
        torch = False
    elif all(layer.title is not None and f"{layer.title}.weight" in arrays for layer in weighted):
        names = {layer.index: (f"{layer.title}.weight", f"{layer.title}.bias") for layer in weighted}
        torch = True
    else:
        prefixes = [name[: -len(".weight")] for name in arrays if name.endswith(".weight")]
        if len(prefixes) != len(weighted):
            raise MalformedError(
                field,
                f"arrays W{weighted[0].index}, .. or {len(weighted)} arrays '<prefix>.weight'",
                ", ".join(sorted(arrays)) or "no arrays",
            )
        prefixes.sort(key=_natural)
        names = {
            layer.index: (f"{prefix}.weight", f"{prefix}.bias")
            for layer, prefix in zip(weighted, prefixes, strict=True)
        }
        torch = True
        _require_clear_order(prefixes, arrays, field)
    known = {name for pair in names.values() for name in pair}
    for name in arrays:
        if name not in known:
            raise MalformedError(field, f"only the arrays {', '.join(sorted(known))}", f"array {name!r}")
    entries: list[LayerWeights | None] = []
    for layer in network.layers:
        if layer.weight_shape is None:
            entries.append(None)
            continue
        weight, bias = names[layer.index]
        if weight not in arrays:
            raise MalformedError(f"{field}.{weight}", f"an array for layer {layer.index}", "nothing")
        W, b = arrays[weight], arrays.get(bias)
        if torch:
            W = _from_torch(layer, W, f"{field}.{weight}")
        entries.append(LayerWeights(W, b))
    return entries, names


def _require_clear_order(prefixes: list[str], arrays: Mapping[str, RationalArray], field: str) -> None:
    """MalformedError where two layers' arrays could be exchanged and only the alphabet speaks against it.

    fc1 comes before fc2; nothing says that "decoder" comes before "encoder".  Different shapes decide by
    themselves: the wrong order is then refused.
    """
    shapes = [
        (arrays[f"{prefix}.weight"].shape, getattr(arrays.get(f"{prefix}.bias"), "shape", None))
        for prefix in prefixes
    ]
    for i, first in enumerate(prefixes):
        for j in range(i + 1, len(prefixes)):
            if shapes[i] != shapes[j]:
                continue
            pairs = zip(_natural(first), _natural(prefixes[j]), strict=False)
            different = next((pair for pair in pairs if pair[0] != pair[1]), None)
            if different is None or all(kind == 0 for kind, _ in different):
                continue  # one continues the other, or a number decides
            raise MalformedError(
                field,
                "names with numbers in the order of the layers (fc1.weight, fc2.weight, ..), or W1, b1, ..",
                f"{first!a} and {prefixes[j]!a} of the same shape",
            )


def _natural(name: str) -> list[tuple[int, int | str]]:
    """fc2 before fc10; numbers before words."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(0, int(part)) if i % 2 else (1, part) for i, part in enumerate(parts) if part]


def _from_torch(layer: Layer, W: RationalArray, field: str) -> RationalArray:
    assert layer.weight_shape is not None
    size, filters = layer.weight_shape
    shapes: list[tuple[int, ...]] = [(filters, size)]
    if isinstance(layer.reads, Window):
        shapes.append((filters, layer.below.channels, *layer.reads.kernel))
    if W.shape not in shapes:
        raise MalformedError(field, f"PyTorch's shape {shapes[-1]}", W.shape)
    flat = W.numerators.reshape(filters, size)
    if layer.kind == "dense" and layer.below.channels > 1:
        # PyTorch flattens (C, H, W); column number c * prod(e) + pos belongs to unit units[c, pos].
        columns = np.empty(size, dtype=np.int64)
        columns[layer.below.units().reshape(-1)] = np.arange(size)
        flat = flat[:, columns]
    return RationalArray.from_integers(np.ascontiguousarray(flat.T), W.denominator)
