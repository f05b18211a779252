"""Floor 6: ``exactcnn check``, the independent checker on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from exactcnn.cli.options import AsJson, DataFile, MaxSeconds

__all__ = ["check"]


def check(
    files: Annotated[list[str], typer.Argument(help="Certificates to check.")],
    data: DataFile = None,
    max_seconds: MaxSeconds = None,
    max_memory: Annotated[
        int | None, typer.Option(min=64, help="Limit of memory for each file, in MiB. Default: 4096.")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option(help="Recompute determinants instead of trusting Fiat-Shamir evidence.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Re-verify certificates with the independent checker.

    exactcnn check digits.json

    exactcnn check mnist.json --data data/train-images-idx3-ubyte.gz --deterministic

    exactcnn check certificates/*.json --json

    The checker shares no code with the prover and needs only Python itself.

    The same without exactcnn's other parts: python -m exactcnn.checker FILE...

    Exit codes: 0 VERIFIED, 1 REJECTED, 2 MALFORMED or NOT CHECKED.
    """
    from exactcnn.checker.__main__ import main as checker_main

    arguments = [*(["--json"] if as_json else []), *(["--deterministic"] if deterministic else [])]
    arguments += [] if data is None else [f"--data={data}"]
    arguments += [] if max_seconds is None else [f"--max-seconds={max_seconds}"]
    arguments += [] if max_memory is None else [f"--max-memory={max_memory}"]
    raise typer.Exit(checker_main([*arguments, "--", *files]))
