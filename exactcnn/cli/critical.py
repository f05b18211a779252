"""Floor 6: ``exactcnn critical``, critical points of the loss on the command line."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Annotated, Any

import typer

from exactcnn.cli.files import require_writable, write_certificate_file
from exactcnn.cli.options import (
    EXIT,
    AsJson,
    Bits,
    CertificateFile,
    Data,
    Samples,
    Scale,
    Seed,
    Spec,
    Start,
    Until,
    WeightsFile,
)  # fmt: skip
from exactcnn.cli.output import describe, finding_record, print_findings, working

__all__ = ["critical"]


def critical(
    spec: Spec = None,
    until: Until = None,
    data: Data = "digits",
    samples: Samples = None,
    start: Start = 0,
    scale: Scale = None,
    weights: WeightsFile = None,
    seed: Seed = 0,
    bits: Bits = 16,
    layer: Annotated[
        str | None, typer.Option(help="Layer k of S_k, or its name. Default: the first with n_k >= N.")
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
    certificate: CertificateFile = None,
    as_json: AsJson = False,
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
    from exactcnn.arithmetic.texts import parse_rational
    from exactcnn.errors import MalformedError
    from exactcnn.resolve import resolve
    from exactcnn.statements.critical_points import all_in_box, at_weights, complex_count, local_minima

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
    asked_ridge = None if ridge == "generic" and complex_ else parse_rational(ridge or "0", "ridge")
    low, high = (parse_rational(text, "box") for text in box or ("-4", "4"))
    with working("reading"):
        instance, notes = resolve(
            spec, data, samples=samples, start=start, scale=scale, weights=weights, layer=layer, until=until, compare=True, seed=seed,
            bits=bits,
        )  # fmt: skip
    extra: dict[str, Any] = {}
    if search is not None:
        with working("searching"):
            given = weights is not None or plant
            instance, found, extra = local_minima(instance, search, layer, seed, plant=plant, given=given)
    elif enumerate_:
        most = 2_000_000 if most_boxes is None else most_boxes
        with working("enumerating"):
            found, extra = all_in_box(instance, low, high, asked_ridge or Fraction(0), most)
    elif complex_:
        with working("eliminating"):
            found, extra = complex_count(instance, asked_ridge, seed)
    else:
        with working("looking at the given weights"):
            found = at_weights(instance, layer, classify=classify)
    written = None if certificate is None else write_certificate_file(instance, found, certificate)
    verdict = found[0].verdict  # the first answers, those after it say more
    if as_json:
        record = {
            "instance": describe(instance) | ({"notes": list(notes)} if notes else {}),
            "verdict": verdict,
            "findings": [finding_record(f, True) for f in found],
            **extra,
            "certificate": written,
        }
        typer.echo(json.dumps(record, allow_nan=False))
    else:
        print_findings(instance, found, [], written, notes)
    raise typer.Exit(EXIT[verdict])
