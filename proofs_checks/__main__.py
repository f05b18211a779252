"""Run all scripts, two at a time, and print a summary: ``python -m proofs_checks``.

Exit code 0 if every script ended as expected, else 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from rich.console import Console
from rich.markup import escape

from proofs_checks._run import names, run_one
from proofs_checks._script import AS_EXPECTED, NOT_AS_EXPECTED, add_options, options_of, summary_table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proofs_checks", description=__doc__)
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"of {', '.join(names())}; default: all")
    parser.add_argument("--jobs", type=int, default=2, help="scripts run at the same time (default 2)")
    parser.add_argument("--quiet", action="store_true", help="only the summary, and scripts not as expected")
    add_options(parser)
    parsed = parser.parse_args()
    unknown = sorted(set(parsed.scripts) - set(names()))
    if unknown:
        parser.error(f"scripts: expected some of {', '.join(names())}, found {', '.join(unknown)}")
    if parsed.jobs < 1:
        parser.error(f"jobs: expected a number of at least 1, found {parsed.jobs}")
    chosen = [name for name in names() if not parsed.scripts or name in parsed.scripts]
    console = Console() if sys.stdout.isatty() else Console(width=120)
    start = time.perf_counter()
    records = []
    with ProcessPoolExecutor(parsed.jobs, mp_context=get_context("spawn")) as pool:
        for record, text in pool.map(run_one, chosen, [options_of(parsed)] * len(chosen)):
            if not parsed.quiet or record.verdict != AS_EXPECTED:
                print(text, flush=True)
            records.append(record)
    console.print(summary_table(records))
    for record in records:
        for what in record.skipped:
            console.print(
                f"[yellow]not checked[/]  {record.name}: {escape(what)}", highlight=False, soft_wrap=True
            )
    good = all(record.verdict == AS_EXPECTED for record in records)
    accepted, written = sum(r.accepted for r in records), sum(r.certificates for r in records)
    console.print(
        f"{len(records)} script{'s' * (len(records) != 1)}, {accepted} of {written} certificates accepted, "
        f"{time.perf_counter() - start:.0f} s: [{'bold green' if good else 'bold red'}]"
        f"{AS_EXPECTED if good else NOT_AS_EXPECTED}[/]",
        highlight=False,
    )
    sys.exit(not good)


if __name__ == "__main__":
    main()
