"""Floor 6: the command line.

Exit codes: 0 proved (certificate accepted), 1 refuted (rejected), 2 bad usage or malformed
input, 3 undecided.  Results go to stdout, progress and complaints to stderr; with ``--json``
stdout carries one JSON object and nothing else.  Heavy imports wait inside the commands.
"""

from __future__ import annotations

import json
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from exactcnn.cli_audit import audit
from exactcnn.cli_critical import critical
from exactcnn.cli_input import read_instance, require_writable, write_certificate_file
from exactcnn.cli_output import describe, finding_record, print_findings, resumable, working
from exactcnn.cli_report import report
from exactcnn.cli_sample import sample
from exactcnn.errors import ExactCNNError, UndecidedError

if TYPE_CHECKING:
    from exactcnn.features.instance import Instance
    from exactcnn.linalg.checkpoint import Checkpoint
    from exactcnn.statements import Finding

PROVED, REFUTED, BAD_INPUT, UNDECIDED, INTERNAL, BROKEN_PIPE = 0, 1, 2, 3, 70, 141
_EXIT = {"proved": PROVED, "refuted": REFUTED, "undecided": UNDECIDED}
# Statements whose explicit weights --save-weights keeps.
_EXHIBITING = ("theorem-3.4", "corollary-3.6", "zero-loss-exists")
# Statements shown next to the one asked for, as the theory's hypotheses.
_HYPOTHESES = ("structure", "assumption-2.4", "assumption-3.1", "assumption-3.2")
# Samples from which on an elimination takes minutes and keeps its parts.
_LONG = 16_000
# Patch entries above which comparing all patches (3.1) takes longer than a newcomer waits.
_CHEAP_PATCH_ENTRIES = 50_000_000

app = typer.Typer(
    name="exactcnn",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="""Decide the theory of wide convolutional networks on your own network and data, exactly.

[bold]verify[/bold] answers proved, refuted or undecided, and can write a certificate;
[bold]check[/bold] re-verifies certificates with a separate small program;
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


def _statement_help() -> str:
    return (
        "A statement to decide (repeatable), or 'all': rank, structure, assumption-2.4, lemma-2.5, "
        "assumption-3.1, assumption-3.2, lifted-rank, theorem-3.4, theorem-3.5, extension-a, extension-b, "
        "no-bad-valley, corollary-3.6, lemma-4.2, lemma-4.3, s-k, loss, critical-point, local-minimum, "
        "critical-point-nearby, theorem-4.4, theorem-4.5, corollary-4.6, extension-c, "
        "zero-loss-exists, zero-loss-nearby, assumption-4.1. Default: rank."
    )


@app.command()
def verify(
    spec: Annotated[
        Path | None,
        typer.Argument(
            help="Spec file, TOML or JSON, or a model with its weights, .onnx. Without it: the embedded "
            "digits network."
        ),
    ] = None,
    data: Annotated[
        str, typer.Option(help="'digits', or a file: .npz, .csv, .json, or IDX (MNIST; .gz allowed).")
    ] = "digits",
    samples: Annotated[int | None, typer.Option(help="Use this many samples. Default: all.")] = None,
    start: Annotated[int, typer.Option(help="First sample used, counted from 0.")] = 0,
    scale: Annotated[
        str | None, typer.Option(help="Multiply all data by this exact rational, e.g. 1/255.")
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer k, or its name in a graph. Default for rank: the first hidden layer with n_k >= N."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights file: .json (rationals), .npz or .safetensors (floats, exact). Default: the "
            "model's own, or seeded ones."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for weights, where no file or model gives them.")] = 0,
    bits: Annotated[int, typer.Option(help="Bits of each seeded weight.")] = 16,
    distribution: Annotated[
        str,
        typer.Option(help="Law of seeded weights: uniform, gaussian, he, sparse[:1/4] or integer[:3]."),
    ] = "uniform",
    statement: Annotated[list[str] | None, typer.Option(help=_statement_help())] = None,
    prime: Annotated[
        int | None, typer.Option(help="Prime for the minor of rank. Default: chosen by size.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Write the certificate of the statements asked for to this file.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Keep the finished parts of a long elimination in this folder (a byte for each entry of an N x N "
            "matrix). Default: CERTIFICATE.parts, for N from 16,000 on."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what an interrupted run kept.")
    ] = False,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Prove rank by float64 with proved error bounds where that does; its certificate needs no floats. Where it "
            "does not, the exact routes follow.",
        ),
    ] = False,
    save_weights: Annotated[
        Path | None,
        typer.Option(
            help="Write the weights that prove theorem-3.4 or zero-loss-exists, or that interpolate by "
            "corollary-3.6, to this .json file, for --weights."
        ),
    ] = None,
    hypotheses: Annotated[
        bool, typer.Option(help="Also show which hypotheses of the theory hold (never fatal).")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Decide statements about a network, data and weights, exactly.

    exactcnn verify net.toml --data train-images-idx3-ubyte.gz --samples 500

    exactcnn verify model.onnx --scale 1/16 --certificate model.json

    exactcnn verify net.toml --data d.csv --statement all --json

    Exit codes: 0 proved, 1 refuted, 2 bad input, 3 undecided.
    The statements asked for count; hypotheses that fail are only shown.
    """
    from exactcnn.errors import MalformedError
    from exactcnn.linalg.checkpoint import checkpointing
    from exactcnn.statements import worst_verdict
    from exactcnn.statements.float_rank import floats_first

    asked = _statements(statement)
    if certificate is not None:
        require_writable(certificate, "certificate", spec, data, weights)
    if save_weights is not None:
        _require_saveable(save_weights, asked, spec, data, weights)
        if certificate is not None and certificate.resolve() == save_weights.resolve():
            raise MalformedError("save-weights", "another file than the certificate", str(save_weights))
    instance, notes = read_instance(
        spec,
        data,
        weights,
        samples=samples,
        start=start,
        scale=scale,
        seed=seed,
        bits=bits,
        distribution=distribution,
        layer=layer,
    )
    network = instance.network
    if "all" in (statement or []):
        asked = [name for name in asked if _has_what_it_needs(name, instance)]
    if prime is not None:
        from exactcnn.arithmetic.primes import require_prime

        require_prime(prime)
    kept = _checkpoint(instance, checkpoint, certificate, resume)
    written = saved = None
    with resumable(
        lambda: f"finished parts are in {kept.directory}" if kept and kept.begun else None, as_json
    ):
        with checkpointing(kept), floats_first(fast):
            found = _decide(instance, asked, layer, prime)
        if certificate is not None:
            written = write_certificate_file(instance, found, certificate)
    if kept is not None:
        kept.remove()
    context: list[Finding] = []
    if hypotheses:
        first = network.layer(1)
        entries = instance.N * first.patch_count * first.patch_size
        names = [
            name
            for name in _HYPOTHESES
            if name not in asked and (name != "assumption-3.1" or entries <= _CHEAP_PATCH_ENTRIES)
        ]
        context = _decide(instance, names, None, None)
    if save_weights is not None:
        saved = _save_weights(instance, found, save_weights)
    verdict = worst_verdict(found)
    if as_json:
        record = {
            "instance": describe(instance) | ({"notes": notes} if notes else {}),
            "verdict": verdict,
            "findings": [finding_record(f, True) for f in found]
            + [finding_record(f, False) for f in context],
            "certificate": written,
            "weights": saved,
        }
        typer.echo(json.dumps(record, allow_nan=False))
    else:
        print_findings(instance, found, context, written, notes)
    raise typer.Exit(_EXIT[verdict])


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(help="Certificates to check.")],
    data: Annotated[
        str | None, typer.Option(help="Where the data file lies, if a certificate refers to one.")
    ] = None,
    max_seconds: Annotated[
        int | None, typer.Option(min=1, help="Limit of processor time for each file. Default: 900.")
    ] = None,
    max_memory: Annotated[
        int | None, typer.Option(min=64, help="Limit of memory for each file, in MiB. Default: 4096.")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option(help="Recompute determinants instead of trusting Fiat-Shamir evidence.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
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


app.command()(sample)
app.command()(critical)
app.command()(audit)
app.command()(report)


def _statements(asked: list[str] | None) -> list[str]:
    from exactcnn.errors import MalformedError
    from exactcnn.statements import STATEMENTS

    names = asked or ["rank"]
    if "all" in names:
        return list(STATEMENTS)
    for name in names:
        if name not in STATEMENTS:
            raise MalformedError("statement", f"all or one of {', '.join(STATEMENTS)}", repr(name))
    return list(dict.fromkeys(names))


def _has_what_it_needs(name: str, instance: Instance) -> bool:
    """'all' leaves out statements about the loss where the data have no targets that fit."""
    from exactcnn.errors import MalformedError
    from exactcnn.landscape.derivatives import targets_of
    from exactcnn.statements import STATEMENTS

    if not STATEMENTS[name].needs_targets:
        return True
    try:
        targets_of(instance)
    except MalformedError:
        return False
    return True


def _checkpoint(
    instance: Instance, directory: Path | None, certificate: Path | None, resume: bool
) -> Checkpoint | None:
    """Where a long elimination keeps its parts: where it was told to, or beside the certificate."""
    from exactcnn.certificates.instance_json import instance_digest
    from exactcnn.errors import MisuseError
    from exactcnn.linalg.checkpoint import Checkpoint

    if directory is not None:
        return Checkpoint(directory, instance_digest(instance), resume=resume)
    if certificate is not None and (resume or instance.N >= _LONG):
        parts = certificate.with_name(certificate.name + ".parts")
        return Checkpoint(parts, instance_digest(instance), resume=resume, rows=_LONG)
    if resume:
        raise MisuseError(
            "resume", "--checkpoint or --certificate, beside which the parts were kept", "neither"
        )
    return None


def _decide(instance: Instance, names: list[str], layer: str | None, prime: int | None) -> list[Finding]:
    from exactcnn.statements import decide
    from exactcnn.statements.rank import decide_rank

    findings: list[Finding] = []
    for name in names:
        with working(f"deciding {name}"):
            if name == "rank" and prime is not None:
                network = instance.network
                k = network.wide_layer(instance.N) if layer is None else network.layer(layer).index
                findings.append(decide_rank(instance, k, prime))
            else:
                findings += decide(name, instance, layer)
    return findings


def _require_saveable(path: Path, asked: list[str], *inputs: Path | str | None) -> None:
    from exactcnn.errors import MalformedError

    require_writable(path, "save-weights", *inputs)
    if not set(_EXHIBITING) & set(asked):
        expected = f"statement {' or '.join(_EXHIBITING)} among those asked for"
        raise MalformedError("save-weights", expected, ", ".join(asked))
    if path.suffix.lower() != ".json":
        raise MalformedError("save-weights", "a file name ending in .json", repr(path.name))


def _save_weights(instance: Instance, findings: list[Finding], path: Path) -> str | None:
    """Write the explicit parameters of one of ``_EXHIBITING`` if there are any."""
    from exactcnn.statements.composite import Composite
    from exactcnn.statements.corollary_3_6 import Interpolating
    from exactcnn.statements.zero_loss_exists import ZeroLoss

    for finding in findings:
        if isinstance(finding.evidence, ZeroLoss) and finding.evidence.line is not None:
            finding.evidence.line.weights.save(path)
            return str(path)
        if isinstance(finding.evidence, Interpolating) and finding.evidence.weights_found is not None:
            finding.evidence.weights_found.save(path)
            return str(path)
        explicit = isinstance(finding.evidence, Composite) and finding.evidence.parts[0].statement == "rank"
        if finding.statement == "theorem-3.4" and explicit:
            (finding.evidence.weights or instance.need_weights()).save(path)
            return str(path)
    names = " and ".join(n for n in _EXHIBITING if n in {f.statement for f in findings})
    typer.echo(f"no weights written: {names} exhibits none here", err=True)
    return None


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
