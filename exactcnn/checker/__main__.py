"""Command line: python -m exactcnn.checker [--json] [--data PATH] [--deterministic] FILE...

Verdicts go to stdout; what is malformed or could not be checked is a complaint on stderr.
Exit code: 0 all verified, 1 rejected, 2 malformed or not checked, 70 internal error; with several files the worst.
"""

import argparse
import json
import sys
from dataclasses import asdict

from . import check_file, limits
from .core.outcome import EXIT_CODES, REJECTED, VERIFIED, Verdict


def report(file: str, verdict: Verdict) -> str:
    lines = [f"{json.dumps(file)}: {verdict.outcome}: {verdict.reason}"]
    lines += [f"  verified: {claim}" for claim in verdict.claims]
    lines += [f"  {key}: {value}" for key, value in verdict.instance.items()]
    lines += [f"  relies on: {assumption}" for assumption in verdict.assumptions]
    if verdict.error_bound:
        lines.append(f"  error probability: {verdict.error_bound} at most; a factor Q for Q hash queries of the file's author")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="checker", description="Check exactcnn certificates.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data", metavar="PATH", help="where the data file lies")
    parser.add_argument("--max-seconds", type=int, default=limits.SECONDS, metavar="N", help="limit of processor time")
    parser.add_argument("--max-memory", type=int, default=limits.MEMORY >> 20, metavar="MIB", help="limit of address space")
    parser.add_argument("--deterministic", action="store_true",
                        help="recompute determinants instead of trusting Fiat-Shamir evidence")
    options = parser.parse_args(arguments)
    verdicts = []
    for file in options.files:
        verdicts.append(check_file(file, options.data, deterministic=options.deterministic, max_seconds=options.max_seconds,
                                   max_memory=options.max_memory << 20))
        reached = verdicts[-1].outcome in (VERIFIED, REJECTED)
        if not reached or not options.json:
            print(report(file, verdicts[-1]), file=sys.stdout if reached else sys.stderr, flush=True)
    if options.json:
        pairs = list(zip(options.files, verdicts, strict=True))
        complaints = [report(*pair) for pair in pairs if pair[1].outcome not in (VERIFIED, REJECTED)]
        record = {"files": [{"file": file, **asdict(verdict)} for file, verdict in pairs]}
        print(json.dumps(record | ({"error": complaints[0]} if complaints else {})))
    return max(EXIT_CODES[verdict.outcome] for verdict in verdicts)


if __name__ == "__main__":
    sys.exit(main())
