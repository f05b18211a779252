"""Floor 6: ``exactcnn verify``, statements about a network, data and weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from exactcnn.cli.files import require_writable, write_certificate_file
from exactcnn.cli.options import (
    EXIT,
    AsJson,
    Bits,
    CertificateFile,
    Data,
    Samples,
    Scale,
    Seed,
    Spec,
    Start,
    Until,
    WeightsFile,
)  # fmt: skip
from exactcnn.cli.output import describe, finding_record, print_findings, resumable, working

if TYPE_CHECKING:
    from exactcnn.features.instance import Instance
    from exactcnn.linalg.checkpoint import Checkpoint
    from exactcnn.statements import Finding

__all__ = ["StatementHelp", "verify"]

# Statements shown next to the one asked for, as the theory's hypotheses.
_HYPOTHESES = ("structure", "assumption-2.4", "assumption-3.1", "assumption-3.2")
# Samples from which on an elimination takes minutes and keeps its parts.
_LONG = 16_000
# Patch entries above which comparing all patches (3.1) takes longer than a newcomer waits.
_CHEAP_PATCH_ENTRIES = 50_000_000


class StatementHelp(TyperCommand):
    """The command with all statements named in its help; they are imported only then."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from exactcnn.statements import GROUPS, STATEMENTS

        for parameter in self.params:
            if parameter.name == "statement":
                names = "; ".join(
                    f"{group}: {', '.join(each.name for each in STATEMENTS.values() if each.group == group)}"
                    for group in GROUPS
                )
                parameter.help = (  # type: ignore[attr-defined]
                    f"A statement to decide (repeatable), a group of them, or 'all'; 'exactcnn explain' says what each "
                    f"means. {names}. Default: rank."
                )
        super().format_help(ctx, formatter)


def verify(
    spec: Spec = None,
    until: Until = None,
    data: Data = "digits",
    samples: Samples = None,
    start: Start = 0,
    scale: Scale = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer k, or its name in a graph. Default for rank: the first hidden layer with n_k >= N."
        ),
    ] = None,
    weights: WeightsFile = None,
    seed: Seed = 0,
    bits: Bits = 16,
    distribution: Annotated[
        str,
        typer.Option(help="Law of seeded weights: uniform, gaussian, he, sparse[:1/4] or integer[:3]."),
    ] = "uniform",
    statement: Annotated[
        list[str] | None, typer.Option(help="A statement to decide (repeatable), a group of them, or 'all'.")
    ] = None,
    prime: Annotated[
        int | None, typer.Option(help="Prime for the minor of rank. Default: chosen by size.")
    ] = None,
    certificate: CertificateFile = None,
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
    as_json: AsJson = False,
) -> None:
    """Decide statements about a network, data and weights, exactly.

    exactcnn verify net.toml --data train-images-idx3-ubyte.gz --samples 500

    exactcnn verify model.onnx --scale 1/16 --certificate model.json

    exactcnn verify net.toml --data d.csv --statement all --json

    Exit codes: 0 proved, 1 refuted, 2 bad input, 3 undecided.
    The statements asked for count; hypotheses that fail are only shown.
    """
    from exactcnn.errors import MalformedError
    from exactcnn.resolve import resolve
    from exactcnn.statements import statement_names, worst_verdict

    asked = statement_names(statement or ["rank"])
    if certificate is not None:
        require_writable(certificate, "certificate", spec, data, weights)
    if save_weights is not None:
        _require_saveable(save_weights, asked, spec, data, weights)
        if certificate is not None and certificate.resolve() == save_weights.resolve():
            raise MalformedError("save-weights", "another file than the certificate", str(save_weights))
    with working("reading"):
        instance, notes = resolve(
            spec, data, samples=samples, start=start, scale=scale, weights=weights, layer=layer, until=until, compare=True,
            seed=seed, bits=bits, distribution=distribution,
        )  # fmt: skip
    if set(statement or ()) - set(asked):  # of a group what the data have targets for
        asked = [name for name in asked if _has_what_it_needs(name, instance)]
    if prime is not None:
        from exactcnn.arithmetic.primes import require_prime

        require_prime(prime)
    kept = _checkpoint(instance, checkpoint, certificate, resume)
    written = saved = None
    with resumable(
        lambda: f"finished parts are in {kept.directory}" if kept and kept.begun else None, as_json
    ):
        found = _decide(instance, asked, layer, prime=prime, fast=fast, checkpoint=kept)
        if certificate is not None:
            written = write_certificate_file(instance, found, certificate)
    if kept is not None:
        kept.remove()
    context: list[Finding] = []
    if hypotheses:
        first = instance.network.layer(1)
        entries = instance.N * first.patch_count * first.patch_size
        names = [
            name
            for name in _HYPOTHESES
            if name not in asked and (name != "assumption-3.1" or entries <= _CHEAP_PATCH_ENTRIES)
        ]
        context = _decide(instance, names, None)
    if save_weights is not None:
        saved = _save_weights(found, save_weights)
    verdict = worst_verdict(found)
    if as_json:
        record = {
            "instance": describe(instance) | ({"notes": list(notes)} if notes else {}),
            "verdict": verdict,
            "findings": [finding_record(f, True) for f in found]
            + [finding_record(f, False) for f in context],
            "certificate": written,
            "weights": saved,
        }
        typer.echo(json.dumps(record, allow_nan=False))
    else:
        print_findings(instance, found, context, written, notes)
    raise typer.Exit(EXIT[verdict])


def _has_what_it_needs(name: str, instance: Instance) -> bool:
    """'all' leaves out statements about the loss where the data have no targets that fit."""
    from exactcnn.errors import MalformedError
    from exactcnn.landscape.derivatives import targets_of
    from exactcnn.statements import STATEMENTS

    if "targets" not in STATEMENTS[name].needs:
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


def _decide(instance: Instance, names: list[str], layer: str | None, **asked: Any) -> list[Finding]:
    from exactcnn.statements import decide

    findings: list[Finding] = []
    for name in names:
        with working(f"deciding {name}"):
            findings += decide(name, instance, layer, **asked)
    return findings


def _require_saveable(path: Path, asked: list[str], *inputs: Path | str | None) -> None:
    from exactcnn.errors import MalformedError
    from exactcnn.statements import STATEMENTS

    require_writable(path, "save-weights", *inputs)
    if not any(STATEMENTS[name].exhibits for name in asked):
        exhibiting = " or ".join(name for name, each in STATEMENTS.items() if each.exhibits)
        raise MalformedError(
            "save-weights", f"statement {exhibiting} among those asked for", ", ".join(asked)
        )
    if path.suffix.lower() != ".json":
        raise MalformedError("save-weights", "a file name ending in .json", repr(path.name))


def _save_weights(findings: list[Finding], path: Path) -> str | None:
    """Write the first explicit parameters that a finding exhibits."""
    from exactcnn.statements import STATEMENTS

    for finding in findings:
        if finding.exhibited is not None:
            finding.exhibited.save(path)
            return str(path)
    names = dict.fromkeys(f.statement for f in findings if STATEMENTS[f.statement].exhibits)
    typer.echo(f"no weights written: {' and '.join(names)} exhibits none here", err=True)
    return None
