"""Floor 6: ``exactcnn critical``, critical points of the loss on the command line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exactcnn.cli_input import read_instance, require_writable, write_certificate_file
from exactcnn.cli_output import describe, finding_record, print_findings, working

if TYPE_CHECKING:
    from exactcnn.features.instance import Instance
    from exactcnn.landscape.krawczyk import Enclosure
    from exactcnn.statements import Finding

__all__ = ["critical"]

_EXIT = {"proved": 0, "refuted": 1, "undecided": 3}


def critical(
    spec: Annotated[
        Path | None,
        typer.Argument(help="Spec file, TOML or JSON, or a model with its weights, .onnx. Default: digits."),
    ] = None,
    data: Annotated[
        str, typer.Option(help="Data with targets: 'digits', or a file: .npz, .csv, .json, or IDX.")
    ] = "digits",
    samples: Annotated[int | None, typer.Option(help="Use this many samples. Default: all.")] = None,
    start: Annotated[int, typer.Option(help="First sample used, counted from 0.")] = 0,
    scale: Annotated[str | None, typer.Option(help="Multiply all data by this exact rational.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The point: weights file, .json (rationals), .npz or .safetensors.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for weights, where no file or model gives them.")] = 0,
    bits: Annotated[int, typer.Option(help="Bits of each seeded weight.")] = 16,
    layer: Annotated[
        int | None, typer.Option(help="Layer k of S_k. Default: the first with n_k >= N.")
    ] = None,
    classify: Annotated[
        bool, typer.Option("--classify", help="Ask whether the point is a local minimum, not only critical.")
    ] = False,
    enumerate_: Annotated[
        bool, typer.Option("--enumerate", help="All critical points in a box (at most 8 parameters).")
    ] = False,
    box: Annotated[
        tuple[str, str] | None,
        typer.Option(help="LO HI, rational: every parameter between them (--enumerate). Default: -4 4."),
    ] = None,
    ridge: Annotated[
        str | None,
        typer.Option(
            help="Add RIDGE/2 |theta|^2 to the loss (--enumerate), or RIDGE_i/2 theta_i^2 with generic "
            "RIDGE_i for 'generic' (--complex). Default: 0."
        ),
    ] = None,
    most_boxes: Annotated[
        int | None, typer.Option(help="Boxes looked at before giving up (--enumerate). Default: 2000000.")
    ] = None,
    complex_: Annotated[
        bool, typer.Option("--complex", help="Count all complex critical points of a polynomial network.")
    ] = False,
    search: Annotated[
        int | None, typer.Option(help="Look for local minima from this many starting points, and prove them.")
    ] = None,
    plant: Annotated[
        bool,
        typer.Option(
            "--plant", help="With --search: replace the targets so that a minimum lies at the weights."
        ),
    ] = False,
    certificate: Annotated[Path | None, typer.Option(help="Write the certificate to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Find, enclose and classify critical points of the loss 1/2 ||F_L - Y||^2.

    exactcnn critical net.toml --data p.csv --weights trained.npz --classify

    exactcnn critical tiny.toml --data p.csv --enumerate --box -5 5 --ridge 1/10

    exactcnn critical net.toml --data p.csv --search 200 --certificate minima.json

    At given weights: is every partial derivative exactly 0, or does a box around
    them hold exactly one critical point? With --classify: is it a local minimum?
    --search asks for local minima that are not global.

    Exit codes: 0 proved (--enumerate: the list is complete), 1 refuted,
    2 bad input, 3 undecided.
    """
    from exactcnn.errors import MalformedError

    if sum((enumerate_, complex_, search is not None)) > 1:
        raise MalformedError("options", "at most one of --enumerate, --complex and --search", "several")
    if plant and search is None:
        raise MalformedError("options", "--plant together with --search", "--plant alone")
    if box is not None and not enumerate_:
        raise MalformedError("options", "--box together with --enumerate", "--box without it")
    if most_boxes is not None and not enumerate_:
        raise MalformedError("options", "--most-boxes together with --enumerate", "--most-boxes without it")
    if ridge is not None and not (enumerate_ or complex_):
        raise MalformedError(
            "options", "--ridge together with --enumerate or --complex", "--ridge without them"
        )
    if search is not None and search < 1:
        raise MalformedError("search", "at least 1 starting point", search)
    if certificate is not None:
        require_writable(certificate, "certificate", spec, data, weights)
    instance, notes = read_instance(
        spec,
        data,
        weights,
        samples=samples,
        start=start,
        scale=scale,
        seed=seed,
        bits=bits,
        distribution="uniform",
        layer=layer,
    )
    extra: dict[str, Any] = {}
    if search is not None:
        instance, found, extra = _search(
            instance, search, layer, seed, plant=plant, given=weights is not None or plant
        )
    elif enumerate_:
        found, extra = _enumerate(instance, box or ("-4", "4"), ridge or "0", most_boxes)
    elif complex_:
        found, extra = _complex(instance, ridge or "0", seed)
    else:
        found = _at_weights(instance, layer, classify=classify)
    written = None if certificate is None else write_certificate_file(instance, found, certificate)
    verdict = _verdict(found)
    if as_json:
        record = {
            "instance": describe(instance) | ({"notes": notes} if notes else {}),
            "verdict": verdict,
            "findings": [finding_record(f, True) for f in found],
            **extra,
            "certificate": written,
        }
        typer.echo(json.dumps(record, allow_nan=False))
    else:
        print_findings(instance, found, [], written, notes)
    raise typer.Exit(_EXIT[verdict])


def _verdict(found: list[Finding]) -> str:
    """The first finding answers the question; those after it say more."""
    return found[0].verdict


def _at_weights(instance: Instance, layer: int | None, *, classify: bool) -> list[Finding]:
    """The finding that answers first: exact where the weights allow, else by enclosure."""
    from exactcnn.landscape.derivatives import targets_of
    from exactcnn.statements import decide

    targets_of(instance)
    with working("looking at the given weights"):
        (exact,) = decide("critical-point", instance, None)
        if exact.verdict == "proved":
            minimum = decide("local-minimum", instance, None)
            return [*minimum, exact] if classify else [exact, *minimum]
        (nearby,) = decide("critical-point-nearby", instance, layer)
        if nearby.verdict != "proved" and exact.verdict == "refuted":  # the weights themselves are none
            return [*([_no_minimum(instance, exact)] if classify else []), exact, nearby]
    if not classify or nearby.verdict != "proved":
        return [nearby, exact]
    return [_as_minimum(nearby), nearby, exact]


def _no_minimum(instance: Instance, exact: Finding) -> Finding:
    """Where a partial derivative is not 0 there is no local minimum, even if only a ball says so."""
    from exactcnn.statements import Finding, decide

    (found,) = decide("local-minimum", instance, None)
    return found if found.verdict == "refuted" else Finding("local-minimum", "refuted", exact.reason)


def _as_minimum(nearby: Finding) -> Finding:
    from exactcnn.statements import Finding

    kind = str(nearby.summary["kind"])
    verdict = "proved" if kind.endswith("minimum") else "refuted"
    reason = f"The critical point near the given weights, not the weights themselves, is a {kind}."
    return Finding("local-minimum-nearby", verdict, reason, {"kind": kind})


def _enumerate(
    instance: Instance, box: tuple[str, str], ridge: str, most_boxes: int | None
) -> tuple[list[Finding], dict[str, Any]]:
    from exactcnn.arithmetic.texts import parse_rational
    from exactcnn.landscape.enumeration import enumerate_critical_points
    from exactcnn.statements import Finding

    low, high = (parse_rational(text, "box") for text in box)
    weight = parse_rational(ridge, "ridge")
    with working("enumerating"):
        most = 2_000_000 if most_boxes is None else most_boxes
        result = enumerate_critical_points(instance, low, high, ridge=weight, most_boxes=most)
    where = f"with all parameters in [{low}, {high}]" + (f", ridge {weight}" if weight else "")
    kinds: dict[str, int] = {}
    for point in result.points:
        kinds[point.kind] = kinds.get(point.kind, 0) + 1
    listed = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
    count = len(result.points)
    if result.complete:
        noun = "critical point" if count == 1 else "critical points"
        reason = f"Exactly {count} {noun} {where}" + (f" ({listed})." if listed else ".")
        verdict = "proved"
    else:
        reason = (
            f"At least {count} critical points {where}; {result.unresolved} boxes are left undecided (families of "
            "critical points are never resolved; a ridge isolates them)."
        )
        verdict = "undecided"
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
    from exactcnn.statements.critical_nearby import enclosing_floats

    try:
        return list(enclosing_floats(low, high))
    except OverflowError:
        return [None, None]


def _search(
    instance: Instance, seeds: int, layer: int | None, seed: int, *, plant: bool, given: bool
) -> tuple[Instance, list[Finding], dict[str, Any]]:
    from dataclasses import replace

    from exactcnn.errors import UndecidedError
    from exactcnn.landscape.derivatives import targets_of
    from exactcnn.landscape.search import planted, search_minima
    from exactcnn.statements import Finding
    from exactcnn.statements.critical_nearby import nearby_finding, wide_layer

    with working("searching"):
        if plant:
            made = planted(instance)
            if made is None:
                raise UndecidedError(
                    "no targets make these weights a minimum: too many parameters for the samples"
                )
            instance = made
        targets_of(instance)
        start = instance if given else replace(instance, weights=None)
        result = search_minima(start, seeds, wide_layer=wide_layer(instance, layer), first_seed=seed)
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
        first = Finding("bad-local-minima", "proved", reason, summary)
    else:
        reason = (
            f"None was proved, from {seeds} starting points ({len(result.minima)} local minima enclosed)."
        )
        first = Finding("bad-local-minima", "undecided", reason, summary)
    return instance, [first, *minima], {"points": [_point_record(point) for point in result.minima]}


def _complex(instance: Instance, ridge: str, seed: int) -> tuple[list[Finding], dict[str, Any]]:
    from exactcnn.arithmetic.texts import parse_rational
    from exactcnn.landscape.elimination import complex_critical_points
    from exactcnn.landscape.enumeration import parameter_count
    from exactcnn.statements import Finding

    if ridge == "generic":
        regulariser: Any = "generic"
    else:
        weight = parse_rational(ridge, "ridge")
        regulariser = [weight] * parameter_count(instance) if weight else None
    with working("eliminating"):
        result = complex_critical_points(instance, regulariser, seed=seed)
    extra = {"points": [_real_record(point, result.values) for point in result.points]}
    summary: dict[str, Any] = {
        "dimension": result.dimension, "isolated": result.isolated, "multiplicity": result.multiplicity,
        "real": result.real,
        "regulariser": None if result.regulariser is None else [str(v) for v in result.regulariser],
    }  # fmt: skip
    return [Finding("complex-critical-points", "proved", _in_words(result), summary)], extra


def _in_words(result: Any) -> str:
    def counted(number: int, noun: str) -> str:
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
