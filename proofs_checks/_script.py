"""What every script shares: answers compared with what is claimed, rows for people, certificates checked again.

A script is a module with a docstring (the claim) and a function ``checks(script)``.  Its first line is the
title.  Nothing is decided here: each row holds an answer that exactcnn has just computed and the answer
that the theory predicts.  A row whose two answers differ, a certificate that the separate checker (another
process, ``python -m exactcnn.checker``) does not accept, a decided answer without a certificate where none
was announced (``certified=False``), and an exception each make the script end with "NOT as expected".
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from exactcnn import Finding, Result, UndecidedError

__all__ = ["AS_EXPECTED", "NOT_AS_EXPECTED", "Options", "Record", "Script", "add_options", "main", "options_of",
           "run", "summary_table"]  # fmt: skip

AS_EXPECTED, NOT_AS_EXPECTED = "as expected", "NOT as expected"
_STYLE = {"proved": "green", "true": "green", "refuted": "red", "false": "red", "undecided": "yellow"}


@dataclass(frozen=True)
class Options:
    """``full``: also what takes minutes; ``certificates``: folder to keep them in (None: a temporary one);
    ``mnist``: MNIST's training images, ``train-images-idx3-ubyte`` or its ``.gz``, for ``full``."""

    full: bool = False
    certificates: Path | None = None
    mnist: Path | None = None


@dataclass
class Record:
    """What a script did, for the summary."""

    name: str
    title: str
    checks: int = 0
    counterexamples: int = 0
    certificates: int = 0
    accepted: int = 0
    seconds: float = 0.0
    skipped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        return NOT_AS_EXPECTED if self.faults or not self.checks + self.counterexamples else AS_EXPECTED


class Script:
    """Collects the rows of one script.  Use ``options.full`` and ``options.mnist`` for the larger checks."""

    def __init__(self, name: str, title: str, options: Options, folder: Path, console: Console) -> None:
        self.options, self.record = options, Record(name, title)
        self._folder, self._console = folder, console
        self._files: list[Path] = []

    def heading(self, text: str) -> None:
        """A line between groups of rows."""
        self._console.print(f"\n[bold]{escape(text)}[/]", highlight=False)

    def expect(
        self, claim: str, answer: Result | Finding, verdict: str = "proved", *, certified: bool = True
    ) -> None:
        """``answer`` must have ``verdict``; a Result is certified and its certificate checked.

        ``certified=False`` where exactcnn has no certificate for this kind of answer (the row says so).
        """
        self.record.checks += 1
        self._meet("check", claim, answer, verdict, certified)

    def counterexample(
        self,
        hypothesis: str,
        claim: str,
        answer: Result | Finding,
        verdict: str = "refuted",
        *,
        certified: bool = True,
    ) -> None:
        """Without ``hypothesis`` the statement fails: ``claim`` says how, ``answer`` shows it."""
        self.record.counterexamples += 1
        self._meet(f"without: {hypothesis}", claim, answer, verdict, certified)

    def fact(self, claim: str, holds: bool, shown: str = "", *, hypothesis: str | None = None) -> None:
        """``claim`` is a comparison of exact values that the script has just made; ``shown`` are the values.

        With ``hypothesis`` it is (part of) the counterexample to the statement without it.
        """
        if hypothesis is None:
            self.record.checks += 1
        else:
            self.record.counterexamples += 1
        kind = "check" if hypothesis is None else f"without: {hypothesis}"
        self._row(kind, claim, "true", "true" if holds else "false", shown, "")

    def skip(self, what: str, why: str) -> None:
        """Something that was not checked, which the summary repeats."""
        self.record.skipped.append(f"{what}: {why}")
        self._console.print(
            f"  [yellow]skipped, not checked[/]  {escape(what)}: {escape(why)}", highlight=False
        )

    def mnist(self, what: str) -> Path | None:
        """The MNIST file of ``--full --mnist FILE``; else None, and ``what`` is shown as not checked."""
        options = self.options
        if options.full and options.mnist is not None and options.mnist.is_file():
            return options.mnist
        if not options.full:
            why = "only with --full --mnist FILE"
        elif options.mnist is None:
            why = "no data; give --mnist FILE (train-images-idx3-ubyte or its .gz)"
        else:
            why = f"--mnist {options.mnist} is no file"
        self.skip(what, why)
        return None

    def certificate(self, result: Result) -> int:
        """Write the certificate of ``result``'s findings; the number of its claims, 0 if nothing can be certified."""
        try:
            made = result.certificate()
        except UndecidedError:
            return 0
        from exactcnn.certificates import write_certificate

        path = self._folder / f"{self.record.name}-{len(self._files) + 1:02d}.json"
        write_certificate(made, path)
        self._files.append(path)
        self.record.certificates += 1
        return len(made["claims"])

    def _meet(self, kind: str, claim: str, answer: Result | Finding, verdict: str, certified: bool) -> None:
        findings = answer.findings if isinstance(answer, Result) else (answer,)
        told = [f.reason for f in findings if f.verdict == answer.verdict]
        note = ""
        if answer.verdict != "undecided":
            claims = self.certificate(answer) if isinstance(answer, Result) else 0
            if claims == len(findings):
                note = f"certificate {len(self._files)}"
            elif certified:
                note = f"{claims} of {len(findings)} findings certified"
                self.record.faults.append(f"{claim}: {note}")
            else:
                note = (
                    "no certificate of this kind"
                    if not claims
                    else f"certificate {len(self._files)}, in part"
                )
        self._row(kind, claim, verdict, answer.verdict, " ".join(told), note)

    def _row(self, kind: str, claim: str, expected: str, found: str, shown: str, note: str) -> None:
        ok = expected == found
        if not ok:
            self.record.faults.append(f"{claim}: expected {expected}, found {found}")
        rows = Table.grid(padding=(0, 2))
        rows.add_column(width=9)
        rows.add_column()
        mark = "" if ok else f"  [bold red]expected {expected}[/]"
        rows.add_row(f"[{_STYLE[found]}]{found}[/]", f"[bold]{escape(claim)}[/]{mark}")
        if kind != "check":
            rows.add_row("", f"[magenta]{escape(kind)}[/]")
        for part in (shown, note):
            if part:
                rows.add_row("", f"[dim]{escape(part)}[/]")
        self._console.print(Padding(rows, (0, 0, 0, 2), expand=False), highlight=False)

    def check_certificates(self) -> None:
        """All certificates at once, by the checker in a process of its own."""
        if not self._files:
            return
        command = [sys.executable, "-m", "exactcnn.checker", "--json", *map(str, self._files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            verdicts = json.loads(done.stdout)["files"]
        except ValueError:
            self.record.faults.append(f"the checker did not answer: {done.stderr.strip()[-200:]}")
            return
        for path, verdict in zip(self._files, verdicts, strict=True):
            if verdict["outcome"] == "VERIFIED":
                self.record.accepted += 1
            else:
                self.record.faults.append(f"{path.name}: {verdict['outcome']}: {verdict['reason']}")


def run(
    checks: Callable[[Script], None],
    options: Options,
    *,
    name: str | None = None,
    doc: str | None = None,
    file: IO[str] | None = None,
) -> Record:
    """Run one script and print it; the record says whether everything was as expected.

    ``name`` and ``doc`` are by default those of the module ``checks`` stands in.
    """
    module = inspect.getmodule(checks)
    doc = inspect.cleandoc(doc or getattr(module, "__doc__", None) or "No claim is stated.")
    name = name or Path(inspect.getfile(checks)).stem
    title, _, claim = doc.partition("\n")
    console = Console(file=file)
    if not console.is_terminal:
        console = Console(file=file, width=120)
    console.rule(f"[bold]{escape(title)}[/]")
    console.print(escape(claim.strip()), highlight=False)
    console.print()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.certificates or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        script = Script(name, title, options, folder, console)
        try:
            checks(script)
        except Exception as error:
            if os.environ.get("EXACTCNN_DEBUG"):
                traceback.print_exc()
            script.record.faults.append(f"stopped by {type(error).__name__}: {error}")
        script.check_certificates()
    record = replace(script.record, seconds=time.perf_counter() - start)
    kept = f", kept in {options.certificates}" if options.certificates is not None else ""
    console.print(
        f"\n{record.checks} checks, {record.counterexamples} counterexamples, {record.accepted} of "
        f"{record.certificates} certificates accepted by the checker{kept}, {record.seconds:.1f} s",
        highlight=False,
    )
    for fault in record.faults:
        console.print(f"  [bold red]{escape(fault)}[/]", highlight=False)
    colour = "bold green" if record.verdict == AS_EXPECTED else "bold red"
    console.print(f"{escape(title.rstrip('.'))}: [{colour}]{record.verdict}[/]", highlight=False)
    return record


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--full", action="store_true", help="also the checks that take minutes")
    parser.add_argument(
        "--certificates", type=Path, metavar="DIR", help="keep the certificates in this folder"
    )
    parser.add_argument(
        "--mnist", type=Path, metavar="FILE", help="MNIST's train-images-idx3-ubyte (.gz), for --full"
    )


def options_of(parsed: argparse.Namespace) -> Options:
    return Options(parsed.full, parsed.certificates, parsed.mnist)


def main(checks: Callable[[Script], None], arguments: Sequence[str] | None = None) -> None:
    """The command line of one script: exit code 0 if all is as expected, else 1."""
    doc = inspect.getmodule(checks).__doc__ or ""
    parser = argparse.ArgumentParser(
        prog=f"python -m proofs_checks.{Path(inspect.getfile(checks)).stem}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    record = run(checks, options_of(parser.parse_args(arguments)))
    sys.exit(record.verdict != AS_EXPECTED)


def summary_table(records: Sequence[Record]) -> Table:
    """One row for each script."""
    table = Table(pad_edge=False)
    for column in ("statement", "checks", "counterexamples", "certificates accepted", "seconds", "verdict"):
        table.add_column(column, justify="left" if column in ("statement", "verdict") else "right")
    for record in records:
        colour = "green" if record.verdict == AS_EXPECTED else "bold red"
        table.add_row(
            escape(record.title.partition(":")[0].rstrip(".")),
            str(record.checks),
            str(record.counterexamples),
            f"{record.accepted} of {record.certificates}",
            f"{record.seconds:.1f}",
            f"[{colour}]{record.verdict}[/]",
        )
    return table
