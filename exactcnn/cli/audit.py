"""Floor 6: ``exactcnn audit``, the paper's Table 1 and Figure 1 computed again.

Exit codes: 0 every printed number agrees or its difference is explained, 1 a difference without an
explanation, 2 bad input, 3 (with --layers) Assumption 2.4 undecided for some layer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exactcnn.cli.options import AsJson
from exactcnn.cli.output import working

if TYPE_CHECKING:
    from rich.console import Console

    from exactcnn.audit import Audit

__all__ = ["audit"]

AS_EXPECTED, DIFFERENT, UNDECIDED = 0, 1, 3
_STYLE = {"as printed": "bold green", "explained": "bold yellow", "unexplained": "bold red"}
# Assumption 2.4 does not speak of grouped and transposed convolutions; the rank of their U is known.
_OTHERWISE = {"proved": "full rank", "refuted": "deficient", "undecided": "undecided"}
_RANK_STYLE = {"proved": "green", "refuted": "bold red", "undecided": "bold yellow"}


def audit(
    architectures: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARCHITECTURE", help="For example vgg-d, xception or figure-1. Default: all."),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Show every layer, with Assumption 2.4 for each.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the paper's Table 1 and Figure 1 with exact layer widths.

    exactcnn audit

    exactcnn audit xception --layers

    exactcnn audit resnet-50 convnext-t --json

    Widths n_k come from layer-by-layer definitions of the networks; N is the number of training images.

    Exit codes: 0 every printed number agrees or its difference is explained,
    1 a difference without explanation, 2 bad input,
    3 with --layers, Assumption 2.4 undecided for some layer.
    """
    from exactcnn.audit import ARCHITECTURES
    from exactcnn.audit import audit as audited
    from exactcnn.audit.notes import record

    names = _known(architectures or list(ARCHITECTURES), list(ARCHITECTURES))
    with working("auditing"):
        found = [audited(ARCHITECTURES[name]()) for name in names]
    failed = any(entry.verdict == "unexplained" for entry in found)
    open_layers = [
        name for entry in found for name, rank in entry.lifted.items() if rank.verdict == "undecided"
    ]
    if as_json:
        whole: dict[str, Any] = {
            "verdict": "difference unexplained" if failed else "as expected",
            "undecided_layers": len(open_layers),
            "architectures": [record(entry, layers=layers) for entry in found],
        }
        typer.echo(json.dumps(whole, allow_nan=False))
    else:
        _print(found, layers)
    if failed:
        raise typer.Exit(DIFFERENT)
    raise typer.Exit(UNDECIDED if layers and open_layers else AS_EXPECTED)


def _known(asked: list[str], known: list[str]) -> list[str]:
    from exactcnn.errors import MalformedError

    for name in asked:
        if name.lower() not in known:
            raise MalformedError("architecture", f"one of {', '.join(known)}", repr(name))
    return list(dict.fromkeys(name.lower() for name in asked))


def _print(found: list[Audit], layers: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    from exactcnn.audit.notes import notes

    console = Console()
    if not console.is_terminal:  # a pipe or a file has no 80 columns to keep to
        console = Console(width=120)
    if layers:
        for entry in found:
            _print_layers(console, entry)
    _print_table(console, found)
    data = {entry.architecture.dataset: None for entry in found}
    counts = ", ".join(f"N = {entry.samples:,} ({entry.name})" for entry in data)
    legend = (
        f"{counts}. paper: as printed there, lower bounds in thousands. 2.4: convolutions for which Assumption "
        "2.4 is proved; +: grouped or transposed ones, outside the paper's definition, whose U has full rank."
    )
    console.print(escape(legend), style="dim", highlight=False)
    for entry in found:
        for line in notes(entry):
            console.print(f"[bold]{escape(entry.architecture.title)}[/] {escape(line)}", highlight=False)


def _print_table(console: Console, found: list[Audit]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("architecture", no_wrap=True)
    for heading in ("n_1", "paper", "max n_k", "paper"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(">= N", no_wrap=True)
    table.add_column("2.4", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    roomy = console.width >= 100
    if roomy:
        table.add_column("widest layer", overflow="fold")
    for entry in found:
        architecture, style = entry.architecture, _STYLE.get(entry.verdict, "dim")
        table.add_row(
            escape(architecture.title),
            f"{architecture.first.width:,}",
            _printed(entry, "n_1"),
            f"{architecture.widest.width:,}",
            _printed(entry, "max n_k"),
            "yes" if entry.reaches_n else "no",
            _tally(entry),
            f"[{style}]{entry.verdict}[/]",
            *([escape(architecture.widest.name)] if roomy else []),
        )
    console.print()
    console.print(table)
    console.print()


def _printed(entry: Audit, quantity: str) -> str:
    for comparison in entry.comparisons:
        if comparison.quantity == quantity:
            return f"{comparison.printed / 1000:g}K"
    return ""


def _tally(entry: Audit) -> str:
    by_verdict = {verdict: entry.layers(verdict) for verdict in ("proved", "refuted", "undecided")}
    text = f"{len(by_verdict['proved'])}/{sum(map(len, by_verdict.values()))}"
    others = entry.layers("proved", ordinary=False)
    return f"{text} +{len(others)}" if others else text


def _print_layers(console: Console, entry: Audit) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    architecture = entry.architecture
    console.print(f"[bold]{escape(architecture.title)}[/], {escape(architecture.source)}", highlight=False)
    parameters = f"input {architecture.graph['input'].above}, {architecture.parameters:,} parameters"
    console.print(escape(parameters), highlight=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="fold")
    table.add_column("kind", overflow="fold")
    table.add_column("shape", no_wrap=True)
    table.add_column("n_k", justify="right", no_wrap=True)
    table.add_column("2.4", no_wrap=True)
    table.add_column("why")
    for node in architecture.graph.nodes:
        rank = entry.lifted.get(node.name)
        verdict = ""
        if rank is not None:
            word = rank.verdict if node.in_definition else _OTHERWISE[rank.verdict]
            verdict = f"[{_RANK_STYLE[rank.verdict]}]{word}[/]"
        wide = node.width >= architecture.dataset.samples and node.name not in architecture.outputs
        table.add_row(
            escape(node.name),
            escape(str(node)),
            str(node.above),
            f"[bold]{node.width:,}[/]" if wide else f"{node.width:,}",
            verdict,
            "" if rank is None else escape(rank.reason),
        )
    console.print(table)
