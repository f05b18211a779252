"""Floor 3: exact forward passes, and forward passes mod m along a proved pattern.

A pass carries integer numerators (N, n) over one denominator per layer.  Passing through
relu, leaky relu and max-pooling needs only signs and comparisons; a ``Pattern`` records
them.  Where the numerators outgrow 64 bits the pattern is decided by float64 enclosures,
sample by sample, whatever they leave open is decided exactly, and the numerators are then
known modulo any m by a pass along the pattern (theory 2.9).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from exactcnn.arithmetic import enclosures, modular
from exactcnn.arithmetic.enclosures import Enclosure
from exactcnn.arithmetic.integers import add, combine, exact_matmul, narrow, scale
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.network.layers import Layer
from exactcnn.network.weights import LayerWeights
from exactcnn.progress import report

__all__ = ["LayerValues", "Pattern", "decide_pattern", "exact_values", "mixed_enclosure", "residue_values"]

_BLOCK_ENTRIES = 8_000_000


@dataclass(frozen=True, eq=False)
class LayerValues:
    """``numerators`` / ``denominator``, shape (N, n)."""

    numerators: np.ndarray
    denominator: int


@dataclass(frozen=True, eq=False)
class Pattern:
    """Which side of the kink each unit is on (pre-activation >= 0), and each pool's argmax.

    Keys are layer numbers; ``active[k]`` is a mask (N, n_k), ``argmax[k]`` places in the
    patch, (N, P).  Either choice is right at 0 and at ties: both sides agree there.
    """

    active: dict[int, np.ndarray] = field(default_factory=dict)
    argmax: dict[int, np.ndarray] = field(default_factory=dict)


def slope_below(layer: Layer) -> Fraction | None:
    """sigma(t) = slope * t for t < 0 and t for t >= 0; None if sigma is not of that kind."""
    return None if layer.activation is None else layer.activation.slope_below


def require_rational(layer: Layer) -> None:
    """UndecidedError unless the layer maps rationals to rationals."""
    if layer.activation is not None and layer.activation.kind != "rational":
        raise UndecidedError(
            f"layer {layer.index} has activation {layer.activation}, whose values are not rational, "
            "below the layer asked for"
        )


def _blocks(samples: int, layer: Layer) -> list[slice]:
    step = max(1, _BLOCK_ENTRIES // max(1, layer.patch_count * layer.patch_size))
    return [slice(start, min(start + step, samples)) for start in range(0, samples, step)]


def _affine_exact(layer: Layer, entry: LayerWeights, below: LayerValues) -> LayerValues:
    W, b = entry.W, entry.b
    product_denominator = below.denominator * W.denominator
    denominator = product_denominator if b is None else lcm(product_denominator, b.denominator)
    bias = None
    if b is not None:
        bias = scale(b.numerators, denominator // b.denominator)
        if layer.bias == "filter":
            bias = np.tile(bias, layer.patch_count)
    parts = []
    samples = below.numerators.shape[0]
    for block in _blocks(samples, layer):
        report(f"features of layer {layer.index}", block.start, samples)
        gathered = layer.patches.gather(below.numerators[block])
        product = exact_matmul(gathered, W.numerators).reshape(gathered.shape[0], layer.width)
        product = scale(product, denominator // product_denominator)
        parts.append(product if bias is None else add(product, bias))
    if any(part.dtype == object for part in parts):
        parts = [part.astype(object) for part in parts]
    return _reduced(np.concatenate(parts), denominator)


def _reduced(numerators: np.ndarray, denominator: int) -> LayerValues:
    """Divide numerators and denominator by their greatest common divisor."""
    if denominator == 1 or numerators.size == 0:
        return LayerValues(numerators, denominator)
    common = gcd(denominator, int(np.gcd.reduce(numerators.ravel())))
    if common > 1:
        exact = numerators.astype(object) if common >= 2**63 else numerators
        return LayerValues(narrow(exact // common), denominator // common)
    return LayerValues(narrow(numerators), denominator)


def _pool_gather(layer: Layer, numerators: np.ndarray) -> np.ndarray:
    """Patch values (N, P, l) with every padding place filled by the patch's first real neuron.

    The maximum is unchanged, and no stand-in for -infinity is needed.
    """
    patches = layer.patches
    real = patches.real
    first = patches.indices[np.arange(patches.count), real.argmax(axis=1)]
    gathered: np.ndarray = numerators[:, np.where(real, patches.indices, first[:, None])]
    return gathered


def _activate_exact(layer: Layer, G: LayerValues, pattern: Pattern | None) -> LayerValues:
    slope = slope_below(layer)
    if slope is None:
        assert layer.activation is not None
        if layer.activation.degree == 1:
            return G
        squared = G.numerators.astype(object) ** 2  # square
        return LayerValues(narrow(squared), G.denominator**2)
    active = G.numerators >= 0
    if pattern is not None:
        pattern.active[layer.index] = active
    positive = scale(G.numerators, slope.denominator)
    numerators = np.where(active, positive, scale(G.numerators, slope.numerator))
    return _reduced(numerators, G.denominator * slope.denominator)


def exact_values(
    instance: Instance, k: int, *, before_activation: bool, rows: np.ndarray | None = None
) -> tuple[LayerValues, Pattern]:
    """F_k (or G_k) exactly, with the pattern met on the way; ``rows`` selects samples."""
    x = instance.need_samples().x
    weights = instance.need_weights()
    selected = x.numerators if rows is None else x.numerators[rows]
    pattern = Pattern()

    def step(layer: Layer, sources: list[LayerValues]) -> LayerValues:
        values = sources[0]
        if layer.kind == "maxpool":
            gathered = _pool_gather(layer, values.numerators)
            pattern.argmax[layer.index] = gathered.argmax(axis=2)
            return LayerValues(gathered.max(axis=2), values.denominator)
        G = (
            _affine_exact(layer, weights[layer.index], values)
            if layer.affine
            else _mixed_exact(layer, sources)
        )
        if layer.activation is None or (layer.index == k and before_activation):
            return G
        require_rational(layer)
        return _activate_exact(layer, G, pattern)

    return instance.network.carry(k, LayerValues(narrow(selected), x.denominator), step), pattern


def _in_a_row(parts: list[np.ndarray]) -> np.ndarray:
    exact = any(part.dtype == object for part in parts)
    return np.concatenate([part.astype(object) if exact else part for part in parts], axis=1)


def _mixed_exact(layer: Layer, sources: list[LayerValues]) -> LayerValues:
    D, mixture = lcm(*(values.denominator for values in sources)), layer.mixture
    row = _in_a_row([scale(values.numerators, D // values.denominator) for values in sources])
    shifts = scale(mixture.shifts, D)
    return _reduced(combine(row, mixture.indices, mixture.coefficients, shifts), D * mixture.denominator)


def mixed_enclosure(layer: Layer, sources: list[Enclosure]) -> Enclosure:
    """A mixture's pre-activations."""
    row = Enclosure(*(np.concatenate([getattr(v, part) for v in sources], axis=1) for part in ("mid", "rad")))
    m = layer.mixture
    return enclosures.combination(row, m.indices, m.coefficients, m.shifts, m.denominator)


def _mixed_mod(layer: Layer, sources: list[LayerValues], modulus: int) -> LayerValues:
    D, mixture = lcm(*(values.denominator for values in sources)), layer.mixture
    row = np.concatenate([v.numerators * (D // v.denominator % modulus) % modulus for v in sources], axis=1)
    coefficients = modular.residues(mixture.coefficients, modulus)
    result = np.tile(modular.residues(scale(mixture.shifts, D), modulus), (row.shape[0], 1))
    for j in range(mixture.indices.shape[1]):
        result = (result + row[:, mixture.indices[:, j]] * coefficients[:, j]) % modulus
    return LayerValues(result, D * mixture.denominator)


def decide_pattern(instance: Instance, k: int) -> Pattern:
    """The pattern of layers 1..k for all samples: float64 enclosures first, the rest exactly.

    At layer k itself the sign is recorded only if its activation is piecewise linear.
    """
    x = instance.need_samples().x
    weights = instance.need_weights()
    open_samples = np.zeros(x.shape[0], dtype=bool)
    pattern = Pattern()

    def step(layer: Layer, sources: list[Enclosure]) -> Enclosure:
        nonlocal open_samples
        values = sources[0]
        if layer.kind == "maxpool":
            values, best, decided = _pool_enclosed(layer, values)
            open_samples |= ~decided
            pattern.argmax[layer.index] = best
            return values
        if layer.affine:
            G = _affine_enclosed(layer, *_enclosed_weights(layer, weights[layer.index]), values)
        else:
            G = mixed_enclosure(layer, sources)
        if layer.activation is None or (layer.index == k and layer.activation.kind != "rational"):
            return G
        slope = slope_below(layer)
        if slope is None:
            require_rational(layer)
            return G if layer.activation.degree == 1 else enclosures.square(G)
        active = G.positive()
        open_samples |= ~(active | G.negative()).all(axis=1)
        pattern.active[layer.index] = active
        below = enclosures.scaled(G, slope)
        return Enclosure(np.where(active, G.mid, below.mid), np.where(active, G.rad, below.rad))

    instance.network.carry(k, enclosures.enclose(x.numerators, x.denominator), step)
    rows = np.flatnonzero(open_samples)
    if rows.size:
        last = instance.network.layer(k)
        only_pre = last.activation is not None and last.activation.kind != "rational"
        _, exact = exact_values(instance, k, before_activation=only_pre, rows=rows)
        for mine, found in ((pattern.active, exact.active), (pattern.argmax, exact.argmax)):
            for index, decided in found.items():
                mine[index][rows] = decided
    return pattern


def _pool_enclosed(layer: Layer, values: Enclosure) -> tuple[Enclosure, np.ndarray, np.ndarray]:
    """The maxima, their places in the patches, and a mask of the samples where all these are certain."""
    mid, rad = _pool_gather(layer, values.mid), _pool_gather(layer, values.rad)
    best = (mid - rad).argmax(axis=2)[:, :, None]
    lower = np.take_along_axis(mid - rad, best, axis=2)
    # One ulp outwards, because mid - rad and mid + rad are rounded.
    beaten = np.nextafter(mid + rad, np.inf) < np.nextafter(lower, -np.inf)
    np.put_along_axis(beaten, best, True, axis=2)
    same = layer.patches.indices == np.take_along_axis(
        np.broadcast_to(layer.patches.indices, mid.shape), best, axis=2
    )
    # Exact zeros of relu tie exactly; either place is then an argmax.
    tied = (rad == 0) & (mid == np.take_along_axis(mid, best, axis=2))
    tied &= np.take_along_axis(rad, best, axis=2) == 0
    decided = (beaten | same | tied | ~layer.patches.real).all(axis=2) & np.isfinite(lower[:, :, 0])
    maxima = (np.take_along_axis(part, best, axis=2)[:, :, 0] for part in (mid, rad))
    return Enclosure(*maxima), best[:, :, 0], decided.all(axis=1)


def _enclosed_weights(layer: Layer, entry: LayerWeights) -> tuple[Enclosure, Enclosure]:
    W = enclosures.enclose(entry.W.numerators, entry.W.denominator)
    if entry.b is None:
        zero = np.zeros(layer.width)
        return W, Enclosure(zero, zero)
    b = enclosures.enclose(entry.b.numerators, entry.b.denominator)
    if layer.bias == "filter":
        b = Enclosure(np.tile(b.mid, layer.patch_count), np.tile(b.rad, layer.patch_count))
    return W, b


def _affine_enclosed(layer: Layer, W: Enclosure, b: Enclosure, below: Enclosure) -> Enclosure:
    mids, rads = [], []
    T = layer.filters
    bias = Enclosure(b.mid.reshape(-1, T), b.rad.reshape(-1, T))
    for block in _blocks(below.mid.shape[0], layer):
        patches = Enclosure(layer.patches.gather(below.mid[block]), layer.patches.gather(below.rad[block]))
        result = enclosures.affine(patches, W, bias)
        mids.append(result.mid.reshape(-1, layer.width))
        rads.append(result.rad.reshape(-1, layer.width))
    return Enclosure(np.concatenate(mids), np.concatenate(rads))


def residue_values(
    instance: Instance, k: int, modulus: int, pattern: Pattern, *, before_activation: bool
) -> LayerValues:
    """Numerators of F_k (or G_k) mod ``modulus`` < 2^31 along a proved pattern, int64.

    The denominator is exact: the numerators are those of F_k over that denominator, which
    need not be the least.
    """
    x = instance.need_samples().x
    weights = instance.need_weights()

    def step(layer: Layer, sources: list[LayerValues]) -> LayerValues:
        values, denominator = sources[0].numerators, sources[0].denominator
        if layer.kind == "maxpool":
            gathered = _pool_gather(layer, values)
            places = pattern.argmax[layer.index][:, :, None]
            return LayerValues(np.take_along_axis(gathered, places, axis=2)[:, :, 0], denominator)
        if layer.affine:
            G = _affine_mod(layer, weights[layer.index], sources[0], modulus)
        else:
            G = _mixed_mod(layer, sources, modulus)
        if layer.activation is None or (layer.index == k and before_activation):
            return G
        require_rational(layer)
        slope = slope_below(layer)
        if slope is not None:
            active = pattern.active[layer.index]
            factors = np.where(active, slope.denominator % modulus, slope.numerator % modulus)
            return LayerValues(G.numerators * factors % modulus, G.denominator * slope.denominator)
        if layer.activation.degree == 2:
            return LayerValues(G.numerators * G.numerators % modulus, G.denominator**2)
        return G

    first = LayerValues(modular.residues(x.numerators, modulus), x.denominator)
    return instance.network.carry(k, first, step)


def _affine_mod(layer: Layer, entry: LayerWeights, below: LayerValues, modulus: int) -> LayerValues:
    product_denominator = below.denominator * entry.W.denominator
    W = modular.residues(entry.W.numerators, modulus)
    parts = [
        modular.matmul(layer.patches.gather(below.numerators[block]), W, modulus).reshape(-1, layer.width)
        for block in _blocks(below.numerators.shape[0], layer)
    ]
    values = np.concatenate(parts)
    if entry.b is None:
        return LayerValues(values, product_denominator)
    denominator = lcm(product_denominator, entry.b.denominator)
    bias = modular.residues(entry.b.numerators, modulus)
    bias = bias * ((denominator // entry.b.denominator) % modulus) % modulus
    if layer.bias == "filter":
        bias = np.tile(bias, layer.patch_count)
    return LayerValues(
        (values * ((denominator // product_denominator) % modulus) + bias) % modulus, denominator
    )
