"""Floor 4: what is asked about critical points without a statement's name: at given weights, in a box, over C, by search.

Each returns findings, of which the first answers and the others say more, and the points found as records (intervals of
floats that enclose parameters and losses).  Lists by branch and bound or elimination are proved but have no certificate.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import targets_of
from exactcnn.landscape.elimination import CriticalPoints, complex_critical_points
from exactcnn.landscape.enumeration import enumerate_critical_points, parameter_count
from exactcnn.landscape.krawczyk import Enclosure
from exactcnn.landscape.search import planted, search_minima
from exactcnn.statements.critical_nearby import enclosing_floats, nearby_finding, wide_layer
from exactcnn.statements.deciding import decide
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding

__all__ = ["all_in_box", "at_weights", "complex_count", "local_minima"]

Records = dict[str, Any]


def at_weights(instance: Instance, layer: int | str | None, *, classify: bool) -> list[Finding]:
    """The finding that answers first: exact where the weights allow, else by enclosure."""
    targets_of(instance)
    (exact,) = decide("critical-point", instance)
    if exact.verdict == PROVED:
        minimum = decide("local-minimum", instance)
        return [*minimum, exact] if classify else [exact, *minimum]
    (nearby,) = decide("critical-point-nearby", instance, layer)
    if nearby.verdict != PROVED and exact.verdict == REFUTED:  # the weights themselves are none
        return [*([_no_minimum(instance, exact)] if classify else []), exact, nearby]
    if not classify or nearby.verdict != "proved":
        return [nearby, exact]
    return [_as_minimum(nearby), nearby, exact]


def _no_minimum(instance: Instance, exact: Finding) -> Finding:
    """Where a partial derivative is not 0 there is no local minimum, even if only a ball says so."""
    (found,) = decide("local-minimum", instance)
    return found if found.verdict == REFUTED else Finding("local-minimum", REFUTED, exact.reason)


def _as_minimum(nearby: Finding) -> Finding:
    kind = str(nearby.summary["kind"])
    verdict = PROVED if kind.endswith("minimum") else REFUTED
    reason = f"The critical point near the given weights, not the weights themselves, is a {kind}."
    return Finding("local-minimum-nearby", verdict, reason, {"kind": kind})


def all_in_box(
    instance: Instance, low: Fraction, high: Fraction, ridge: Fraction, most_boxes: int
) -> tuple[list[Finding], Records]:
    """All critical points with every parameter in [low, high]."""
    result = enumerate_critical_points(instance, low, high, ridge=ridge, most_boxes=most_boxes)
    where = f"with all parameters in [{low}, {high}]" + (f", ridge {ridge}" if ridge else "")
    kinds = Counter(point.kind for point in result.points)
    listed = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
    count = len(result.points)
    if result.complete:
        noun = "critical point" if count == 1 else "critical points"
        reason = f"Exactly {count} {noun} {where}" + (f" ({listed})." if listed else ".")
        verdict = PROVED
    else:
        reason = (
            f"At least {count} critical points {where}; {result.unresolved} boxes are left undecided (families of "
            "critical points are never resolved; a ridge isolates them)."
        )
        verdict = UNDECIDED
    records = [_point_record(point) for point in result.points]
    hull = None if result.hull is None else [[float(v) for v in row] for row in result.hull]
    summary = {
        "count": count,
        "complete": result.complete,
        "boxes": result.boxes,
        "unresolved": result.unresolved,
    }
    finding = Finding("all-critical-points", verdict, reason + " Branch and bound, not certified.", summary)
    return [finding], {"points": records, "unresolved_hull": hull}


def _point_record(point: Enclosure) -> dict[str, Any]:
    """Intervals around the parameters (those that a symmetry fixes: around their value) and the loss, outwards."""
    free = set(point.free)
    centers = (Fraction(c, 1 << point.places) for c in point.center)
    reaches = (point.inner if j in free else Fraction(0) for j in range(len(point.center)))
    return {
        "parameters": [_ends(c - reach, c + reach) for c, reach in zip(centers, reaches, strict=True)],
        "within": _ends(point.inner, point.inner)[1],
        "kind": point.kind,
        "positive": point.inertia.positive,
        "negative": point.inertia.negative,
        "loss": _ends(*point.loss),
    }


def _ends(low: Fraction, high: Fraction) -> list[float | None]:
    """Floats that enclose the interval, None for both beyond float64."""
    try:
        return list(enclosing_floats(low, high))
    except OverflowError:
        return [None, None]


def local_minima(
    instance: Instance, seeds: int, layer: int | str | None, seed: int, *, plant: bool, given: bool
) -> tuple[Instance, list[Finding], Records]:
    """Local minima from ``seeds`` starting points; ``plant``: of targets that make the weights one.  The instance it is."""
    if plant:
        made = planted(instance)
        if made is None:
            raise UndecidedError(
                "no targets make these weights a minimum: too many parameters for the samples"
            )
        instance = made
    targets_of(instance)
    start = instance if given else replace(instance, weights=None)
    k = None if layer is None else instance.network.layer(layer).index
    result = search_minima(start, seeds, wide_layer=wide_layer(instance, k), first_seed=seed)
    summary = {
        "minima": len(result.minima), "bad": len(result.bad), "starts": result.seeds, "settled": result.settled,
        "unproved": result.unproved,
    }  # fmt: skip
    minima = [nearby_finding(point, "where the search ended") for point in result.minima]
    if result.bad:
        inside = sum(point.wide_layer is not None for point in result.bad)
        reason = (
            f"{len(result.bad)} local minima with a point of smaller loss elsewhere, {inside} of them in S_k."
        )
        first = Finding("bad-local-minima", PROVED, reason, summary)
    else:
        reason = (
            f"None was proved, from {seeds} starting points ({len(result.minima)} local minima enclosed)."
        )
        first = Finding("bad-local-minima", UNDECIDED, reason, summary)
    return instance, [first, *minima], {"points": [_point_record(point) for point in result.minima]}


def complex_count(instance: Instance, ridge: Fraction | None, seed: int) -> tuple[list[Finding], Records]:
    """All complex critical points of a polynomial network; ``ridge`` None: with a generic regulariser."""
    regulariser: Any = "generic" if ridge is None else [ridge] * parameter_count(instance) if ridge else None
    result = complex_critical_points(instance, regulariser, seed=seed)
    extra = {"points": [_real_record(point, result.values) for point in result.points]}
    summary: dict[str, Any] = {
        "dimension": result.dimension, "isolated": result.isolated, "multiplicity": result.multiplicity,
        "real": result.real,
        "regulariser": None if result.regulariser is None else [str(v) for v in result.regulariser],
    }  # fmt: skip
    return [Finding("complex-critical-points", PROVED, _in_words(result), summary)], extra


def _in_words(result: CriticalPoints) -> str:
    def counted(number: int | None, noun: str) -> str:
        return f"{number} {noun}{'' if number == 1 else 's'}"

    if result.dimension < 0:
        return "The loss has no critical point in C^P."
    real = "" if result.real is None else f", {result.real} of them real"
    if result.dimension == 0:
        reason = f"Exactly {counted(result.isolated, 'complex critical point')}{real}"
        reason += f" ({result.multiplicity} with multiplicity)."
    else:
        reason = (
            f"The complex critical points form families of up to {counted(result.dimension, 'dimension')}"
        )
        alone = "how many isolated ones there are is not decided" if result.isolated is None else (
            f"{counted(result.isolated, 'isolated point')} beside them{real}")  # fmt: skip
        reason += f"; {alone}."
    if result.levels is not None:
        losses = [str(level.loss) for level in result.levels if level.loss is not None]
        losses += [
            f"degree {len(level.polynomial) - 1} over Q" for level in result.levels if level.loss is None
        ]
        shown = ", ".join(losses[:6]) + (", .." if len(losses) > 6 else "")
        reason += f" Critical values: {shown}."
    return reason + " Exact elimination, not certified."


def _real_record(point: Any, values: Any) -> dict[str, Any]:
    return {
        "parameters": [_ends(*interval) for interval in point.coordinates],
        "loss": _ends(*values[point.value].interval),
        "multiplicity": point.multiplicity,
        "kind": None if point.inertia is None else point.inertia.kind,
    }
