"""Floor 6: the command line, a module a command.

Exit codes: 0 proved (certificate accepted), 1 refuted (rejected), 2 bad usage or malformed
input, 3 undecided.  Results go to stdout, progress and complaints to stderr; with ``--json``
stdout carries one JSON object and nothing else.  Heavy imports wait inside the commands.
"""

from __future__ import annotations

import json
import os
import sys
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from exactcnn.cli.audit import audit
from exactcnn.cli.check import check
from exactcnn.cli.critical import critical
from exactcnn.cli.explain import explain
from exactcnn.cli.options import BAD_INPUT, UNDECIDED
from exactcnn.cli.report import report
from exactcnn.cli.sample import sample
from exactcnn.cli.verify import StatementHelp, verify
from exactcnn.errors import ExactCNNError, UndecidedError

__all__ = ["app", "main"]

INTERNAL, BROKEN_PIPE = 70, 141

app = typer.Typer(
    name="exactcnn",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="""Decide the theory of wide convolutional networks on your own network and data, exactly.

[bold]verify[/bold] answers proved, refuted or undecided, and can write a certificate;
[bold]check[/bold] re-verifies certificates with a separate small program;
[bold]explain[/bold] says what a statement means and how it is decided;
[bold]sample[/bold] draws random weights and reports the exact rank distribution;
[bold]critical[/bold] finds and classifies critical points of the loss;
[bold]report[/bold] makes a page of certificates for people;
[bold]audit[/bold] computes the paper's Table 1 and Figure 1 again.

First result within a minute, on 1,797 embedded digit images:

    exactcnn verify --certificate digits.json

    exactcnn check digits.json

Exit codes: 0 proved or accepted, 1 refuted or rejected, 2 bad input, 3 undecided.""",
)


def _show_version(asked: bool) -> None:
    if asked:
        from exactcnn import __version__

        typer.echo(f"exactcnn {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


app.command(cls=StatementHelp)(verify)
for _command in (check, explain, sample, critical, audit, report):
    app.command()(_command)


def main() -> None:
    """Run the command line; every foreseeable failure is one sentence and an exit code."""
    wants_json = "--json" in sys.argv[1:]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names of files need not be text in any encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
    except SystemExit as error:  # typer leaves with 1, our "refuted", when the reader of a pipe has gone
        sys.exit(BROKEN_PIPE if error.code == 1 else error.code)
    except ExactCNNError as error:
        _fail(str(error), UNDECIDED if isinstance(error, UndecidedError) else BAD_INPUT, wants_json)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130, wants_json)
    except MemoryError:
        _fail("this needs more memory than the machine has; take fewer samples", UNDECIDED, wants_json)
    except Exception as error:
        usage = getattr(error, "format_message", None)  # typer's own complaints have a sentence
        if usage is not None:
            _fail(usage() or "a command is missing", BAD_INPUT, wants_json)
        if os.environ.get("EXACTCNN_DEBUG"):
            raise
        _fail(
            f"internal error, please report it: {type(error).__name__}: {error} (EXACTCNN_DEBUG=1 for more)",
            INTERNAL,
            wants_json,
        )
    sys.exit(code or 0)


def _fail(sentence: str, code: int, wants_json: bool) -> NoReturn:
    sentence = " ".join(sentence.split())
    typer.echo(f"exactcnn: {sentence}", err=True)
    if wants_json:
        typer.echo(json.dumps({"error": sentence}))
    sys.exit(code)
