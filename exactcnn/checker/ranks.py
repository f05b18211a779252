"""The rule for rank F_k at given weights, and the bounds from both sides (FORMAT.md, 6.1)."""

from collections.abc import Callable, Iterator
from functools import cache

from .balls import check_inverse
from .evidence import (
    LINDEMANN,
    Context,
    Fields,
    bounds,
    equal,
    in_words,
    independent,
    indices,
    minor,
    require,
)
from .features import Features
from .instance import Data, Instance, Layer
from .wide import Products


def rank(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    instance, evidence = context.instance, claim["evidence"]
    layer, count = instance.layer(claim["layer"], path), len(instance.samples().rows)
    equal(claim, path, samples=count, width=layer.units)
    features = cache(lambda: Features(instance, layer))
    lower, upper, given, here = 0, count, evidence["lower"], path + ".evidence"
    if given is not None:
        lower = rank_lower(context, raw, given, layer, features, here + ".lower")
    if evidence["upper"] is not None:
        upper = rank_upper(instance, layer, evidence["upper"], features, here + ".upper")
    bounds(claim, lower, upper, count, path)
    best, n = min(upper, count, layer.units), layer.number
    weights = "every choice of weights" if instance.weights is None else "weights"
    note = f", so its rows are linearly {'in' if lower == count else ''}dependent"
    return (f"{in_words(f'rank F_{n}', lower, best)} over R for the given {count} samples and {weights} "
            f"(F_{n} is {count} x {layer.units}{note if lower == count or best < count else ''})")


def rank_lower(context: Context, raw: Fields, given: Fields, layer: Layer,
               features: Callable[[], Features], path: str) -> int:
    """The order of a minor of F_k, at the instance's weights, that is shown not to vanish."""
    size = len(context.instance.samples().rows), layer.units
    if given["kind"] == "verified-inverse":
        indices(given["rows"], size[0], path + ".rows")
        indices(given["columns"], size[1], path + ".columns")
        require(len(given["rows"]) == len(given["columns"]), path, "as many rows as columns are needed")
        check_inverse(context.instance, layer, given, path)
        return len(given["rows"])
    # Before any arithmetic, and the same whatever does it: plain Python and NumPy take what passes here.
    features().check_substitution(given["prime"], given["substitution"], path)

    def submatrix() -> Iterator[list[int]]:
        return features().residues(given["prime"], given, path)

    order = minor(context, raw, given, size, submatrix, path, lambda: Products(features(), given, path))
    context.assumptions |= {LINDEMANN} if given["substitution"] is not None else set()
    return order


def rank_upper(
    instance: Instance, layer: Layer, evidence: Fields, features: Callable[[], Features], path: str
) -> int:
    kind, data, budget, filters = evidence["kind"], instance.samples(), instance.budget, layer.filters
    if kind == "width":
        return layer.units
    if kind == "distinct-samples":
        budget.spend(len(data.rows) * len(data.rows[0]), path)
        return len(set(data.rows))
    if kind in ("left-kernel", "right-kernel"):
        left, vectors, d = kind == "left-kernel", evidence["vectors"], evidence["denominator"]
        size = len(data.rows) if left else layer.units
        independent(vectors, size, path)
        require((d is not None) == features().exponential, path, "denominator: null iff F_k is rational")
        features().check_kernel(vectors, d, left, path)
        return size - len(vectors)
    require(layer.number == 1 and layer.kind != "maxpool", path, "only for layer 1 if it is not maxpool")
    patches = layer.patches(budget)
    budget.spend(2 * len(data.rows) * layer.patch_count * layer.patch_length, path)
    if kind == "equal-positions":
        require(layer.spec["bias"] != "unit", path, "biases are per unit")
        gathers = [[max(u, -1) for u in patch] for patch in patches]
        padded = [[*row, 0] for row in data.rows]
        budget.hold(len(patches) * len(data.rows) * (layer.patch_length // 4 + 4), path)
        return filters * len({tuple([tuple([row[u] for u in g]) for row in padded]) for g in gathers})
    if kind == "restriction":
        chosen = evidence["positions"]
        indices(chosen, len(patches), path + ".positions")
        seen = {u for position in chosen for u in patches[position]}
        return filters * (len(patches) - len(chosen)) + (different(data, seen, instance) if chosen else 0)
    few = [d for patch in patches if (d := different(data, set(patch), instance)) <= filters]
    return filters * (len(patches) - len(few)) + sum(few) - len(few) + bool(few)


def different(data: Data, units: set[int], instance: Instance) -> int:
    """The number of different restrictions of the samples to these units, padding left out."""
    real = [u for u in units if u >= 0]
    return len({tuple([row[u] for u in real]) for row in data.rows})
