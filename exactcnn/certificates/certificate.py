"""Floor 5: the certificate of a list of findings about one instance."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from exactcnn.certificates.canonical import canonical_json
from exactcnn.certificates.claims import Pending, claim_of, needs_samples, weights_needed
from exactcnn.certificates.fiat_shamir import LARGEST_DIRECT_MINOR, solutions
from exactcnn.certificates.instance_json import digests, instance_to_json
from exactcnn.errors import MalformedError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.statements.finding import Finding

__all__ = ["make_certificate", "write_certificate"]


def make_certificate(instance: Instance, findings: list[Finding]) -> dict[str, Any]:
    """All findings the checker can repeat, as one certificate (a JSON-ready dict).

    Findings without certifiable evidence (a user-defined activation, an undecided bound) are
    left out.  Raises UndecidedError if nothing remains.
    """
    pairs = [(finding, claim_of(finding, instance)) for finding in findings]
    kept = [(finding, claim) for finding, claim in pairs if claim is not None]
    if not kept:
        raise UndecidedError("none of the findings has evidence that a checker can repeat")
    record = instance_to_json(
        instance,
        samples=any(needs_samples(finding.evidence) for finding, _ in kept),
        weights_upto=max(weights_needed(finding.evidence) for finding, _ in kept),
    )
    claims = [_completed(claim, record) for _, claim in kept]
    return {
        "format": "exactcnn-certificate",
        "version": 1,
        "instance": record,
        "digests": digests(record),
        "claims": claims,
    }


def _completed(pending: Pending, record: dict[str, Any]) -> dict[str, Any]:
    """The claim with solutions for its large minors, and with its parts."""
    claim = pending.claim
    lower = claim.get("evidence", {}).get("lower")
    if pending.residues is not None and len(lower["rows"]) > LARGEST_DIRECT_MINOR:
        lower["kind"] = "minor-fiat-shamir"
        lower["solutions"] = solutions(record, claim, lower["prime"], pending.residues())
    if pending.parts:
        if pending.weights is not None:
            record = {**record, "weights": claim["weights"]}
        claim["parts"] = [_completed(part, record) for part in pending.parts]
    return claim


def write_certificate(certificate: dict[str, Any], path: str | Path) -> None:
    """Write canonical JSON; the file appears whole or not at all.

    Raises MalformedError for a path that is no file name, or names something else than a file.
    """
    path = Path(path)
    if not path.name or (path.exists() and not path.is_file()):
        raise MalformedError(f"certificate {path}", "the name of a file", "something else")
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(canonical_json(certificate) + b"\n")
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise MalformedError(
            f"certificate {path}", "a file that can be written", error.strerror or error
        ) from None
