"""Floor 5: the certificate of a list of findings about one instance."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from exactcnn.certificates import points as points
from exactcnn.certificates.canonical import canonical_json
from exactcnn.certificates.claims import claims_of
from exactcnn.certificates.instance_json import in_a_file
from exactcnn.certificates.judgments import Draft
from exactcnn.checker import check_certificate
from exactcnn.errors import MalformedError, UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.statements.finding import Finding

__all__ = ["certifiable", "certify", "make_certificate", "write_certificate"]

# Beyond this many samples solutions are written with room to spare, and checking them is long work.
_LARGEST_TRIED = 400
_ENCLOSED = (
    "minor-enclosed",
    "definite",
    "descent",
    "isolated",
    "slope-enclosed",
    "loss-enclosed",
    "correction",
)


def make_certificate(instance: Instance, findings: list[Finding]) -> dict[str, Any]:
    """All findings the checker can repeat, as one certificate (a JSON-ready dict).

    Findings without certifiable evidence (a user-defined activation, an undecided bound) are
    left out.  Raises UndecidedError if nothing remains.
    """
    made, _ = certify(instance, findings)
    return made


def certify(instance: Instance, findings: list[Finding]) -> tuple[dict[str, Any], list[Finding]]:
    """The certificate, and the findings that are not in it."""
    draft = Draft(instance)
    claims, left_out = [], []
    for finding in findings:
        if certifiable(instance, finding, draft.shared):
            claims += claims_of(finding, draft)
        else:
            left_out.append(finding)
    if not claims:
        raise UndecidedError("none of the findings has evidence that a checker can repeat")
    return {"format": "exactcnn-certificate", "version": 2, **draft.complete(), "claims": claims}, left_out


def certifiable(instance: Instance, finding: Finding, shared: dict[Any, Any] | None = None) -> bool:
    """Can the checker repeat it?  Evidence in intervals, which the checker encloses in its own way, is put to it."""
    draft = Draft(instance)
    draft.shared = {} if shared is None else shared
    try:
        claims = claims_of(finding, draft)
        if not claims:
            return False
        enclosed = [judgment for judgment in draft.judgments if judgment["kind"] in _ENCLOSED]
        if not enclosed or max(len(judgment.get("rows", ())) for judgment in enclosed) > _LARGEST_TRIED:
            return True
        if draft.samples and in_a_file(instance.need_samples()):
            return True  # the checker here has no such file; whoever writes the claim leaves room
        made = {"format": "exactcnn-certificate", "version": 2, **draft.complete(), "claims": claims}
        return check_certificate(made, max_seconds=None).outcome == "VERIFIED"
    except UndecidedError:
        return False


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
