"""Floor 6: what a report is made of: certificate files as they are, and what the checker says of each.

A certificate is untrusted text.  What is shown of its content is shown as a claim; only the checker's verdict decides
how it is marked, and nothing but VERIFIED ever counts as success.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exactcnn.errors import MalformedError

__all__ = ["Campaign", "Entry", "read_campaign", "read_entry"]

NOT_CHECKED = "NOT CHECKED"
_LARGEST_CAMPAIGN = 64 * 2**20
_COLUMNS = ("cell", "width", "N", "activation", "n_k", "rank", "seed")


@dataclass(frozen=True)
class Entry:
    """One certificate file.

    ``content`` is None where it cannot be read as JSON of the format; ``data``: where the data file was said to lie.
    """

    path: str
    data: str | None
    sha256: str
    size: int
    content: dict[str, Any] | None
    outcome: str
    reason: str
    verified: tuple[str, ...]
    relies_on: tuple[str, ...]
    error_bound: str | None

    @property
    def accepted(self) -> bool:
        return self.outcome == "VERIFIED"

    @property
    def claims(self) -> list[dict[str, Any]]:
        return [] if self.content is None else self.content["claims"]

    @property
    def instance(self) -> dict[str, Any]:
        return {} if self.content is None else self.content["instance"]

    def evidence(self, claim: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
        """The judgments that a claim is said to be made of, with their numbers."""
        judgments = [] if self.content is None else self.content["judgments"]
        named = claim.get("by")
        chosen = [n for n in named if type(n) is int] if isinstance(named, list) else []
        return [(n, judgments[n]) for n in dict.fromkeys(chosen) if 0 <= n < len(judgments)]


@dataclass(frozen=True)
class Campaign:
    """The rows of a table that ``exactcnn sample`` wrote."""

    path: str
    rows: tuple[dict[str, str], ...]


def read_entry(path: Path, data: str | None, *, check: bool, max_seconds: int | None) -> Entry:
    """The file and the checker's verdict on it; MalformedError only if there is no such file."""
    from exactcnn.checker import check_file
    from exactcnn.checker.limits import SECONDS

    raw = _bytes(path)
    content: dict[str, Any] | None = None
    reason = "the checker was not asked"
    outcome, bound = NOT_CHECKED, None
    verified: tuple[str, ...] = ()
    relies: tuple[str, ...] = ()
    try:
        content = _shaped(json.loads(raw))
    except (ValueError, RecursionError):
        reason = "it is no JSON text of a certificate"
        outcome = "MALFORMED"
    if check:
        verdict = check_file(str(path), data, max_seconds=SECONDS if max_seconds is None else max_seconds)
        outcome, reason, bound = verdict.outcome, verdict.reason, verdict.error_bound
        verified, relies = tuple(verdict.claims), tuple(verdict.assumptions)
    if (
        outcome == "VERIFIED" and content is None
    ):  # the checker read what this reader cannot: say nothing of it
        outcome, reason = NOT_CHECKED, "the report could not read what the checker accepted"
    return Entry(
        str(path),
        data,
        hashlib.sha256(raw).hexdigest(),
        len(raw),
        content,
        outcome,
        reason,
        verified,
        relies,
        bound,
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MalformedError(
            f"certificate {path}", "a file that can be read", error.strerror or error
        ) from None


def _shaped(value: Any) -> dict[str, Any]:
    """The few things that the report takes for granted of a certificate; ValueError where one is missing."""
    try:
        instance, judgments, claims = value["instance"], value["judgments"], value["claims"]
        network, weights, listed = instance["network"], instance["weights"], [*judgments, *claims]
        fine = (
            isinstance(network["name"], str)
            and isinstance(network["nodes"], list)
            and isinstance(judgments, list)
            and isinstance(claims, list)
            and bool(claims)
            and all(isinstance(each, dict) for each in (network, instance, *listed))
            and all(isinstance(judgment["kind"], str) for judgment in judgments)
            and all(isinstance(claim["statement"], str) for claim in claims)
            and all(isinstance(each["kind"], str) for each in weights.values())
            and (instance["data"] is None or isinstance(instance["data"]["kind"], str))
            and (instance["targets"] is None or isinstance(instance["targets"], dict))
        )
    except (KeyError, TypeError, IndexError, AttributeError):
        fine = False
    if not fine:
        raise ValueError("no certificate")
    found: dict[str, Any] = value
    return found


def read_campaign(path: Path) -> Campaign:
    """A table written by ``exactcnn sample -o``; MalformedError for anything else."""
    field = f"campaign {path}"
    raw = _bytes(path)
    if len(raw) > _LARGEST_CAMPAIGN:
        raise MalformedError(field, f"at most {_LARGEST_CAMPAIGN} bytes", len(raw))
    try:
        reader = csv.DictReader(raw.decode("utf-8").splitlines())
        rows = tuple(reader)
    except (UnicodeDecodeError, csv.Error):
        raise MalformedError(field, "a table of exactcnn sample", "something else") from None
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing or not rows:
        raise MalformedError(
            field, f"columns {', '.join(_COLUMNS)} and a row", f"no {missing[0] if missing else 'row'}"
        )
    return Campaign(str(path), rows)
