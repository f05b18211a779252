"""Floor 6: what the command line shows: a spinner, a table for people, records for --json."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from exactcnn.features.instance import Instance
    from exactcnn.network.weights import Seed
    from exactcnn.statements import Finding

__all__ = ["describe", "finding_record", "print_findings", "resumable", "working"]

INTERRUPTED = 130
_STYLE = {"proved": "bold green", "refuted": "bold red", "undecided": "bold yellow"}


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr, with a bar and an estimate where the work reports how far it is.

    Only if a person is watching.
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from exactcnn.progress import listening

    text = TextColumn("{task.description}")
    columns = (SpinnerColumn(), text, BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    # Long eliminations report every half minute or so: the speed is that of the last ten minutes.
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, speed_estimate_period=600) as progress:
        task = progress.add_task(what, total=None)

        def show(part: str, done: int, total: int) -> None:
            progress.update(task, description=f"{what}: {part}", completed=done, total=total)

        with listening(show):
            yield


@contextmanager
def resumable(kept: Callable[[], str | None], as_json: bool) -> Iterator[None]:
    """Ctrl-C, or a polite kill, ends the work with a sentence on what ``kept`` says is kept, and how to go on."""

    def as_interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, as_interrupt)
    try:
        yield
    except KeyboardInterrupt:
        sentence, what = "interrupted", kept()
        if what is not None:
            given = sys.argv[1:]
            again = shlex.join(["exactcnn", *given, *([] if "--resume" in given else ["--resume"])])
            sentence += f"; {what}, and the same command with --resume goes on: {again}"
        typer.echo(f"exactcnn: {sentence}", err=True)
        if as_json:
            typer.echo(json.dumps({"error": sentence}))
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def describe(instance: Instance) -> dict[str, Any]:
    samples, weights = instance.need_samples(), instance.need_weights()
    origin = weights.origin
    return {
        "network": instance.network.to_json(),
        "widths": list(instance.network.widths),
        "parameters": instance.network.parameter_count,
        "samples": instance.N,
        "data": samples.source,
        "weights": "file" if origin is None else _origin_record(origin),
    }


def _origin_record(origin: Seed) -> dict[str, Any]:
    record: dict[str, Any] = {"seed": origin.seed, "bits": origin.bits}
    if origin.distribution.name != "uniform":
        record["distribution"] = origin.distribution.text
    return record


def finding_record(finding: Finding, asked: bool) -> dict[str, Any]:
    return {
        "statement": finding.statement,
        "verdict": finding.verdict,
        "reason": finding.reason,
        "evidence": dict(finding.summary),
        "layer": finding.layer,
        "asked": asked,
    }


def print_findings(
    instance: Instance,
    found: list[Finding],
    context: list[Finding],
    written: dict[str, Any] | None,
    notes: Sequence[str] = (),
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:  # a pipe or a file has no 80 columns to keep to
        console = Console(width=120)
    console.print(
        escape(f"{instance.network.name}: {instance.network.describe()}"), highlight=False, soft_wrap=True
    )
    origin = instance.need_weights().origin
    samples = "1 sample" if instance.N == 1 else f"{instance.N} samples"
    weights = (
        "weights from file" if origin is None else f"weights from seed {origin.seed}, {origin.bits} bits"
    )
    if origin is not None and origin.distribution.name != "uniform":
        weights += f", {origin.distribution.text}"
    console.print(
        escape(f"{samples} of {instance.need_samples().source}; {weights}"), highlight=False, soft_wrap=True
    )
    table = Table(show_lines=False, pad_edge=False, expand=False)
    table.add_column("statement", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("reason")
    for finding in found:
        style = _STYLE[finding.verdict]
        table.add_row(finding.statement, f"[{style}]{finding.verdict}[/]", escape(finding.reason))
    if context:
        table.add_section()
        for finding in context:
            table.add_row(
                f"[dim]{finding.statement}[/]",
                f"[dim]{finding.verdict}[/]",
                f"[dim]{escape(finding.reason)}[/]",
            )
    console.print(table)
    if context:
        console.print("Below the line: hypotheses of the theory, shown for information.", style="dim")
    for note in notes:
        console.print(f"[bold]note[/] {escape(note)}", highlight=False, soft_wrap=True)
    if written is not None:
        claims = "1 claim" if written["claims"] == 1 else f"{written['claims']} claims"
        if written["left_out"]:
            claims += f"; without {', '.join(written['left_out'])}"
        command = shlex.join(["exactcnn", "check", written["path"]])
        console.print(escape(f"certificate: {written['path']} ({claims})"), highlight=False, soft_wrap=True)
        console.print(escape(f"check it:    {command}"), highlight=False, soft_wrap=True)
