"""The triangular witness of FORMAT.md, section 6.7: integer comparisons only.

With NumPy at hand large instances take its exact float64 products (every partial sum is an integer below
2^53); without it, or for small ones, Python's integers do the same.
"""

import os
from collections.abc import Iterator
from operator import mul
from typing import Any

from .instance import Instance, Layer, odd_numerators
from .outcome import Rejected

LARGE = 10**8  # products above which NumPy is worth loading


def core_rows(instance: Instance, layer: Layer, evidence: dict[str, Any], path: str) -> Iterator[list[int]]:
    """The limits of the core: steps [z >= theta] for sigmoid, ramps max(z - theta, 0) for the others."""
    data, thresholds, T = instance.samples(), evidence["thresholds"], layer.filters
    m, size = len(thresholds), layer.patch_length * layer.filters
    flat = odd_numerators(f"exactcnn/peeling/1/{evidence['seed']}", evidence["bits"], size)
    patches, step = layer.patches(instance.budget), (layer.activation or {})["name"] == "sigmoid"
    instance.budget.spend(m * m * (2 * layer.patch_length + 5) + 20 * size, path)
    columns = []
    for unit, threshold in zip(evidence["units"][:m], thresholds, strict=True):
        p, t = divmod(unit, T)
        taps = flat[0 if evidence["shared"] else t :: T]
        columns.append(([(u, a) for u, a in zip(patches[p], taps, strict=True) if u >= 0], threshold))
    for i in evidence["order"][:m]:
        row = data.rows[i]
        values = [sum(a * row[u] for u, a in pairs) - threshold for pairs, threshold in columns]
        yield [int(v >= 0) if step else max(v, 0) % evidence["lower"]["prime"] for v in values]


def check_order(instance: Instance, layer: Layer, evidence: dict[str, Any], path: str) -> None:
    """For every place j of the order after the core and every earlier place i: z_i < z_j at the unit of j."""
    data, budget, T = instance.samples(), instance.budget, layer.filters
    order, units, count = evidence["order"], evidence["units"], len(data.rows)
    if sorted(order) != list(range(count)):
        raise Rejected(f"{path}.order: not an order of all {count} samples")
    if len(units) != count or len(set(units)) != count or max(units) >= layer.units:
        raise Rejected(f"{path}.units: expected {count} different units below {layer.units}")
    size = layer.patch_length * T
    budget.spend(20 * size + 10 * count, path)
    budget.hold(2 * size + layer.patch_count, path)
    flat = odd_numerators(f"exactcnn/peeling/1/{evidence['seed']}", evidence["bits"], size)
    filters, gathers = [flat[0 if evidence["shared"] else t :: T] for t in range(T)], layer.patches(budget)
    owned: dict[int, list[tuple[int, int]]] = {}  # position -> (place in the order, filter)
    for place, unit in list(enumerate(units))[len(evidence["thresholds"]) :]:
        owned.setdefault(unit // T, []).append((place, unit % T))
    work = sum((place + 1) * (2 * layer.patch_length + 3) for pairs in owned.values() for place, _ in pairs)
    largest = max(max(map(max, data.rows)), -min(map(min, data.rows)))
    bound = largest * max(map(abs, flat)) * layer.patch_length
    numpy = _numpy() if work > LARGE and bound < 2**53 else None
    budget.spend(work // 50 if numpy else work, path)
    rows: Any = [data.rows[i] for i in order]
    if numpy:
        raw = b"".join(map(bytes, rows)) if isinstance(rows[0], bytes) or _bytes(rows) else None
        flat_rows = numpy.frombuffer(raw, dtype=numpy.uint8) if raw is not None else numpy.array(rows)
        rows = flat_rows.reshape(count, -1).T.copy()
    for position, pairs in owned.items():
        gather = [u for u in gathers[position] if u >= 0]
        taps = [r for r, u in enumerate(gathers[position]) if u >= 0]
        if numpy:
            good, patch = True, rows[gather].astype(numpy.float64)
            for start in range(0, len(pairs), 32):  # a few lines of z at a time
                block = pairs[start : start + 32]
                weights = numpy.array([[filters[t][r] for r in taps] for _, t in block], dtype=numpy.float64)
                good = good and all(line[:place].max(initial=-numpy.inf) < line[place]
                                    for line, (place, _) in zip(weights @ patch, block, strict=True))
        else:
            patches = [[row[u] for u in gather] for row in rows[: max(place for place, _ in pairs) + 1]]
            good = True
            for place, t in pairs:
                weight = [filters[t][r] for r in taps]
                top = sum(map(mul, weight, patches[place]))
                good = good and all(sum(map(mul, weight, patch)) < top for patch in patches[:place])
        if not good:
            raise Rejected(f"{path}: a unit at position {position} does not single out its sample")


def _bytes(rows: Any) -> bool:
    return all(min(row) >= 0 and max(row) <= 255 for row in rows)


def _numpy() -> Any:
    # The products are many and small: threads inside them cost more than they bring.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import numpy
    except ImportError:
        return None
    return numpy
