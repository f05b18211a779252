"""Floor 6: ``exactcnn sample``, campaigns over random weights on the command line.

Exit codes: 0 the campaign ran to its end, 2 bad input, 130 interrupted (finished chunks are
kept).  Summary to stdout, progress to stderr; with ``--json`` one JSON object on stdout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from exactcnn.cli.files import require_apart
from exactcnn.cli.options import AsJson, Data, Scale, Start
from exactcnn.cli.output import resumable, working

__all__ = ["sample"]


def sample(
    spec: Annotated[
        Path | None,
        typer.Argument(
            help="Spec file, TOML or JSON, or a model, .onnx (its weights are not used). Without it: the "
            "embedded digits network."
        ),
    ] = None,
    data: Data = "digits",
    samples: Annotated[
        int | None, typer.Option(help="N, the samples used. Default: 16, or all where there are fewer.")
    ] = None,
    start: Start = 0,
    scale: Scale = None,
    layer: Annotated[int, typer.Option(help="Layer k, whose features F_k are looked at.")] = 1,
    draws: Annotated[int, typer.Option(help="Random weights in each cell.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the first draw; the others follow it.")] = 0,
    distribution: Annotated[
        str, typer.Option(help="Law of the weights: uniform, gaussian, he, sparse[:1/4] or integer[:3].")
    ] = "uniform",
    bits: Annotated[int, typer.Option(help="Bits of each weight.")] = 16,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            help="What to vary (repeatable), e.g. width=8,16,32: width (filters or units of layer k), N, "
            "depth (copies of layer k), layer, activation, bias, bits, distribution."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The table, one row per draw: .csv or .parquet.")
    ] = Path("campaign.csv"),
    sigma: Annotated[bool, typer.Option(help="Enclose sigma_min(F_k) of every draw, certified.")] = True,
    jobs: Annotated[int, typer.Option(help="Processes; -1 for all cores.")] = 1,
    dask: Annotated[
        str | None, typer.Option(help="Run on Dask: 'local', or a scheduler's address, tcp://host:port.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted campaign.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the finished table of an earlier campaign.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw random weights and report the exact rank distribution of F_k.

    exactcnn sample --sweep activation=relu --sweep width=1,2,4,8 --draws 200

    exactcnn sample net.toml --data d.csv --layer 2 --jobs -1 -o ranks.parquet

    exactcnn sample net.toml --data d.csv --draws 100000 --no-sigma --resume

    Every row is proved and can be proved again with exactcnn verify;
    together they illustrate almost-everywhere statements and prove none.

    Exit codes: 0 the campaign is complete, 2 bad input, 130 interrupted.
    """
    from exactcnn.resolve import model_of, samples_of
    from exactcnn.sampling import Campaign, run_campaign
    from exactcnn.sampling.cells import parse_sweep

    options = ["--data", data]
    options += ["--start", str(start)] if start else []
    options += [] if scale is None else ["--scale", scale]
    require_apart(output, "output", spec, data)
    _require_unused(output, resume=resume, force=force)
    with working("reading"):
        campaign = Campaign(
            model_of(spec).network,
            samples_of(data, start=start, scale=scale),
            layer=layer,
            draws=draws,
            seed=seed,
            distribution=distribution,
            bits=bits,
            N=samples,
            sweeps=tuple(parse_sweep(text) for text in sweep or ()),
            sigma=sigma,
            data_options=tuple(options),
        )
    with resumable(lambda: f"finished draws are kept in {output}.parts", as_json), working("sampling"):
        summary = run_campaign(campaign, output, jobs=jobs, dask=dask, resume=resume)
    if as_json:
        typer.echo(json.dumps(summary, allow_nan=False))
    else:
        _print(summary)


def _require_unused(output: Path, *, resume: bool, force: bool) -> None:
    """MalformedError where the table of an earlier campaign would be lost; a journal to resume was agreed to before."""
    from exactcnn.errors import MalformedError

    try:
        resumed = resume and output.with_name(output.name + ".parts").exists()
        there = output.is_file()
    except (OSError, ValueError):  # no name of a file: run_campaign says so
        return
    if there and not force and not resumed:
        expected = "a file that does not exist yet (-o names another, --force replaces it)"
        raise MalformedError(f"output {output}", expected, "one that does")


def _print(summary: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from exactcnn.sampling.cells import SWEEPS

    console = Console()
    if not console.is_terminal:  # a pipe or a file has no 80 columns to keep to
        console = Console(width=120)
    cells = summary["cells"]
    varied = [name for name in SWEEPS if len({cell[name] for cell in cells}) > 1]
    fixed = [
        f"{name} {cells[0][name]}" for name in SWEEPS if name not in varied and cells[0][name] is not None
    ]
    console.print(escape(f"{summary['campaign']['data']}; {', '.join(fixed)}"), highlight=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    names = [*varied, "n_k"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    dead_known = any(cell["mean_dead_share"] is not None for cell in cells)
    sigma_known = any(cell["smallest_sigma_min"] is not None for cell in cells)
    for heading, wanted in (
        ("rank N", True),
        ("share", True),
        ("dead", dead_known),
        ("sigma_min", sigma_known),
    ):
        if wanted:
            table.add_column(heading, no_wrap=True)
    table.add_column("other ranks", min_width=8)
    for cell in cells:
        ranks = [pair for pair in cell["ranks"].items() if pair[0] != str(cell["N"])]
        shown = ", ".join(f"{rank} ({count})" for rank, count in ranks[-2:][::-1])
        shown += ", .." if len(ranks) > 2 else ""
        if cell["undecided_ranks"]:
            shown = f"{shown}; undecided ({cell['undecided_ranks']})".removeprefix("; ")
        sigma, dead = cell["smallest_sigma_min"], cell["mean_dead_share"]
        table.add_row(
            *(escape(str(cell[name])) for name in names),
            f"{cell['full_rank']}/{cell['draws']}",
            _shortened(*cell["share_full_interval"]),
            *(["" if dead is None else _percent(dead)] if dead_known else []),
            *(["" if sigma is None else _floor(sigma["low"])] if sigma_known else []),
            shown,
        )
    console.print(table)
    legend = [f"share: Clopper-Pearson interval of level {_percent(cells[0]['interval_level'])}"]
    if dead_known:
        legend.append("dead: mean share of units of layer k that are 0 on all samples")
    if sigma_known:
        legend.append("sigma_min: certified, least bound over the draws of rank N")
    console.print(f"{'; '.join(legend)}.", style="dim")
    where = summary["table"]
    console.print(escape(f"{where['path']}: {where['rows']} rows"), highlight=False)
    console.print(f"sha256 {where['sha256']}", highlight=False, soft_wrap=True)
    example = next((cell for cell in cells if cell["deficient_seeds"]), cells[0])
    if example["verify"] is not None:
        console.print(escape(f"prove a row again: {example['verify']}"), highlight=False, soft_wrap=True)


def _shortened(low: str, high: str) -> str:
    """An interval of 6 decimals with 3, rounded outwards."""
    from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

    step = Decimal("0.001")
    ends = (Decimal(low).quantize(step, ROUND_FLOOR), Decimal(high).quantize(step, ROUND_CEILING))
    return "{}..{}".format(*ends)


def _floor(bound: float) -> str:
    """A lower bound with 3 digits, rounded down."""
    from decimal import ROUND_FLOOR, Context, Decimal

    return f"{Context(prec=3, rounding=ROUND_FLOOR).create_decimal(Decimal(bound)).normalize():g}"


def _percent(share: str) -> str:
    from fractions import Fraction

    return f"{float(Fraction(share)):.1%}"
