"""Floor 5: the cells of a campaign: one network, N, layer, law and bits each.

A sweep names one thing and the values it takes; cells are the product of all sweeps, the last
sweep fastest.  A cell's network ends at layer k: what lies above does not touch F_k, and seeded
weights of layer k do not depend on it.

``width`` is the number of filters (units) of layer k, ``depth`` the number of copies of layer k
stacked on one another (1 is the network as given; the rank asked for is the last copy's),
``layer`` is k itself, counted before copies are made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from exactcnn.data.samples import Samples
from exactcnn.errors import MalformedError
from exactcnn.network.distributions import Distribution
from exactcnn.network.layers import BIASES
from exactcnn.network.network import Network

__all__ = ["SWEEPS", "Cell", "Sweep", "build_cell", "combinations", "digest_of_samples", "parse_sweep"]

SWEEPS = ("width", "N", "depth", "layer", "activation", "bias", "bits", "distribution")
_NUMBERS = ("width", "N", "depth", "layer", "bits")
_MOST_CELLS = 10_000
_MOST_COPIES = 100
# What one draw may need at once: entries of F_k, and weights of a layer.
_LARGEST_MATRIX, _LARGEST_LAYER = 150_000_000, 50_000_000


@dataclass(frozen=True)
class Sweep:
    """``values``: integers for width, N, depth, layer and bits, texts for the others."""

    name: str
    values: tuple[int | str, ...]


@dataclass(frozen=True, eq=False)
class Cell:
    """F_k of the first N samples, weights drawn by ``law`` with ``bits`` bits.

    ``settings`` are the cell's columns in the table.
    """

    index: int
    network: Network
    samples: Samples
    k: int
    law: Distribution
    bits: int
    settings: Mapping[str, int | str | None]

    @property
    def N(self) -> int:
        return self.samples.N

    @property
    def width(self) -> int:
        """n_k."""
        return self.network.layer(self.k).width

    def record(self) -> dict[str, Any]:
        """What the cell's rows are a function of, ready for JSON; the data by digest."""
        return {
            "network": self.network.to_json(),
            "samples": self.samples_digest,
            "N": self.N,
            "layer": self.k,
            "distribution": self.law.text,
            "bits": self.bits,
        }

    @cached_property
    def samples_digest(self) -> str:
        return digest_of_samples(self.samples)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.record(), sort_keys=True).encode("ascii")).hexdigest()


def digest_of_samples(samples: Samples) -> str:
    """SHA-256 of shape, denominator and numerators of x, whatever dtype they are held in."""
    x = samples.x
    found = hashlib.sha256(f"{x.shape} {x.denominator:x} ".encode("ascii"))
    if x.numerators.dtype == object:
        found.update(" ".join(f"{value:x}" for value in x.numerators.ravel().tolist()).encode("ascii"))
    else:
        found.update(np.ascontiguousarray(x.numerators, dtype="<i8").tobytes())
    return found.hexdigest()


def parse_sweep(text: str) -> Sweep:
    """From "width=8,16,32"; MalformedError with one sentence for anything else.

    >>> parse_sweep("bits=1,2")
    Sweep(name='bits', values=(1, 2))
    """
    name, equals, listed = text.partition("=")
    if not equals or name not in SWEEPS:
        raise MalformedError("sweep", f"one of {', '.join(SWEEPS)}, then '=' and values", repr(text))
    field = f"sweep {name}"
    values: list[int | str] = []
    for part in listed.split(","):
        if name not in _NUMBERS:
            value: int | str = _word(name, part, field)
        elif part.isascii() and part.isdigit() and len(part) <= 18:
            value = int(part)
        else:
            raise MalformedError(field, "positive integers, separated by commas", repr(part))
        if value == 0:
            raise MalformedError(field, "positive integers, separated by commas", 0)
        if value in values:
            raise MalformedError(field, "each value once", f"{value} twice")
        values.append(value)
    return Sweep(name, tuple(values))


def _word(name: str, part: str, field: str) -> str:
    if name == "distribution":
        return Distribution.parse(part, field).text
    if name == "bias" and part not in BIASES:
        raise MalformedError(field, ", ".join(BIASES), repr(part))
    if name == "activation":
        from exactcnn.activations import Activation

        if part == "custom":
            raise MalformedError(field, "names of built-in activations", repr(part))
        Activation.from_json(part, field)
    return part


def combinations(sweeps: Sequence[Sweep]) -> list[dict[str, int | str]]:
    """All choices of one value from each sweep, the last sweep fastest."""
    names = [sweep.name for sweep in sweeps]
    for name in names:
        if names.count(name) > 1:
            raise MalformedError("sweep", "each name once", f"{name} twice")
    count = 1
    for sweep in sweeps:
        count *= len(sweep.values)
    if count > _MOST_CELLS:
        raise MalformedError("sweep", f"at most {_MOST_CELLS} cells", count)
    return [dict(zip(names, chosen, strict=True)) for chosen in product(*(sweep.values for sweep in sweeps))]


def build_cell(
    index: int,
    network: Network,
    samples: Samples,
    defaults: Mapping[str, Any],
    chosen: Mapping[str, int | str],
) -> Cell:
    """The cell in which ``chosen`` replaces what the network and ``defaults`` (N, layer, bits,
    distribution) say.  MalformedError, naming the choice, where the parts do not fit."""
    try:
        return _build(index, network, samples, {**defaults, **chosen}, chosen)
    except MalformedError as error:
        if not chosen:
            raise
        where = ", ".join(f"{name}={value}" for name, value in chosen.items())
        raise MalformedError(f"sweep {where}: {error.field}", error.expected, error.found) from None


def _build(
    index: int,
    network: Network,
    samples: Samples,
    wanted: Mapping[str, Any],
    chosen: Mapping[str, int | str],
) -> Cell:
    if not network.is_chain:
        raise MalformedError(
            "spec", "a chain of convolutional, dense and max-pooling layers, to sample", "a graph"
        )
    given = wanted["layer"]
    if not 1 <= given <= network.depth:
        raise MalformedError("layer", f"a layer number from 1 to {network.depth}", given)
    spec = network.to_json()
    layers = spec["layers"][:given]
    last = layers[-1]
    copies = wanted.get("depth", 1)
    if copies > _MOST_COPIES:
        raise MalformedError("depth", f"at most {_MOST_COPIES} copies of layer {given}", copies)
    changed = {name for name in ("width", "depth", "activation", "bias") if name in chosen}
    if last["kind"] == "maxpool" and changed:
        raise MalformedError(
            f"layers[{given - 1}]", f"a layer that has {min(changed)}", f"max-pooling layer {given}"
        )
    if "width" in chosen:
        last["units" if last["kind"] == "dense" else "filters"] = chosen["width"]
    for name in ("activation", "bias"):
        if name in chosen:
            last[name] = chosen[name]
    built = Network.from_dict({**spec, "layers": [*layers[:-1], *([last] * copies)]})
    k = given + copies - 1
    layer = built.layer(k)
    law, bits = Distribution.parse(wanted["distribution"]), wanted["bits"]
    if law.largest_bits < bits:
        raise MalformedError("bits", f"an integer from 1 to {law.largest_bits} for {law.text}", bits)
    pooling = layer.kind == "maxpool"
    taken = samples.take(wanted["N"])
    if taken.x.shape[1] != built.input_size:
        shape = " x ".join(map(str, built.input_shape))
        raise MalformedError(
            taken.field,
            f"samples of {built.input_size} values, the network's input {shape}",
            f"samples of {taken.x.shape[1]} values",
        )
    if taken.N * layer.width > _LARGEST_MATRIX:
        raise MalformedError("F_k", f"at most {_LARGEST_MATRIX} entries", f"{taken.N} x {layer.width}")
    for part in built.layers:
        if part.parameter_count > _LARGEST_LAYER:
            raise MalformedError(part.field, f"at most {_LARGEST_LAYER} weights", part.parameter_count)
    settings: dict[str, int | str | None] = {
        "width": None if pooling else layer.filters,
        "N": taken.N,
        "depth": copies,
        "layer": given,
        "activation": None if layer.activation is None else str(layer.activation),
        "bias": None if pooling else layer.bias,
        "bits": bits,
        "distribution": law.text,
    }
    return Cell(index, built, taken, k, law, bits, settings)
