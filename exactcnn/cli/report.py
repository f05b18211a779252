"""Floor 6: ``exactcnn report``, certificates as a page for people.

Exit codes: 0 all certificates verified, 1 one of them rejected, 2 malformed or not checked, or bad usage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from exactcnn.cli.files import require_writable
from exactcnn.cli.options import AsJson, DataFile, MaxSeconds
from exactcnn.cli.output import working

__all__ = ["report"]

_FORMATS = {"html": ".html", "markdown": ".md", "pdf": ".pdf"}


def report(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="CERTIFICATE", help="Certificates; also tables (.csv) of exactcnn sample."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write. Default: report.html, .md or .pdf."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="html, markdown or pdf. Default: by the name of the file to write."),
    ] = None,
    data: DataFile = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Ask the checker, or mark all as not checked.")
    ] = True,
    max_seconds: MaxSeconds = None,
    as_json: AsJson = False,
) -> None:
    """Make one self-contained page of certificates and the checker's verdicts.

    exactcnn report digits.json -o report.html

    exactcnn report certificates/*.json campaign.csv -o report.pdf

    Every certificate is checked anew; only VERIFIED counts as success.

    Exit codes: 0 all verified, 1 one rejected, 2 malformed, not checked, or bad input.
    """
    from exactcnn.errors import MalformedError
    from exactcnn.report import build_report, render_html, render_markdown, write_pdf

    if form is None:
        by_name = {suffix: name for name, suffix in _FORMATS.items()}
        form = "html" if output is None else by_name.get(output.suffix.lower(), "html")
    if form not in _FORMATS:
        raise MalformedError("format", "html, markdown or pdf", repr(form))
    output = Path(f"report{_FORMATS[form]}") if output is None else output
    require_writable(output, "output", *files, data)
    with working("checking"):
        made = build_report(files, data=data, check=check, max_seconds=max_seconds)
    try:
        if form == "pdf":
            write_pdf(made, output)
        else:
            output.write_text(
                render_html(made) if form == "html" else render_markdown(made), encoding="utf-8"
            )
    except OSError as error:
        raise MalformedError(
            f"output {output}", "a file that can be written", error.strerror or error
        ) from None
    outcomes = made.outcomes()
    if as_json:
        entries = [
            {"path": view.entry.path, "outcome": view.entry.outcome, "reason": view.entry.reason}
            for view in made.entries
        ]
        typer.echo(json.dumps({"report": str(output), "outcomes": outcomes, "certificates": entries}))
    else:
        typer.echo(f"{output}: {made.headline}")
    if outcomes.get("REJECTED"):
        raise typer.Exit(1)
    raise typer.Exit(0 if made.accepted == len(made.entries) else 2)
