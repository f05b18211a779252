"""Floor 6: what several commands share: exit codes, and the options that say which instance is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BAD_INPUT", "EXIT", "PROVED", "REFUTED", "UNDECIDED", "AsJson", "Bits", "CertificateFile", "Data", "DataFile",
    "MaxSeconds", "Samples", "Scale", "Seed", "Spec", "Start", "Until", "WeightsFile",
]  # fmt: skip

PROVED, REFUTED, BAD_INPUT, UNDECIDED = 0, 1, 2, 3
EXIT = {"proved": PROVED, "refuted": REFUTED, "undecided": UNDECIDED}

Spec = Annotated[
    Path | None,
    typer.Argument(
        help="Spec file, TOML or JSON, or a model with its weights, .onnx. Without it: the embedded digits network."
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", "--output", help="Cut an ONNX graph behind this node, value or output."),
]
Data = Annotated[
    str, typer.Option(help="'digits', or a file: .npz, .csv, .json, or IDX (MNIST; .gz allowed).")
]
Samples = Annotated[int | None, typer.Option(help="Use this many samples. Default: all.")]
Start = Annotated[int, typer.Option(help="First sample used, counted from 0.")]
Scale = Annotated[str | None, typer.Option(help="Multiply all data by this exact rational, e.g. 1/255.")]
WeightsFile = Annotated[
    Path | None,
    typer.Option(
        help="Weights file: .json (rationals), .npz or .safetensors (floats, exact). Default: the model's own, or "
        "seeded ones."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed for weights, where no file or model gives them.")]
Bits = Annotated[int, typer.Option(help="Bits of each seeded weight.")]
CertificateFile = Annotated[
    Path | None, typer.Option(help="Write the certificate of the statements asked for to this file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
DataFile = Annotated[
    str | None, typer.Option(help="Where the data file lies, if a certificate refers to one.")
]
MaxSeconds = Annotated[
    int | None, typer.Option(min=1, help="Limit of processor time for each certificate. Default: 900.")
]
