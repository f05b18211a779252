"""Floor 6: a report as data: entries with their claims in words, pictures, and one overall verdict."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exactcnn.errors import MalformedError
from exactcnn.report.entries import Campaign, Entry, read_campaign, read_entry
from exactcnn.report.evidence import judgment_words
from exactcnn.report.layout import Layout, layout_of, short
from exactcnn.report.mathml import formula
from exactcnn.report.pictures import Picture, campaign_pictures, claim_pictures
from exactcnn.report.words import claim_rows, hypotheses, statement_words

__all__ = ["ClaimView", "EntryView", "Report", "build_report"]

_MARKS = {"VERIFIED": "✔", "REJECTED": "✖", "MALFORMED": "⚠", "NOT CHECKED": "○", "INTERNAL ERROR": "⚠"}
_CLASSES = {
    "VERIFIED": "good",
    "REJECTED": "bad",
    "MALFORMED": "bad",
    "NOT CHECKED": "open",
    "INTERNAL ERROR": "bad",
}
_MOST_ROWS = 200  # of the network, and of the judgments of one claim


@dataclass(frozen=True)
class ClaimView:
    """One claim.  ``badge`` and ``style``: how its verdict is shown, which depends on the checker's."""

    title: str
    statement: str
    plain: str
    mathematics: str
    verdict: str
    badge: str
    style: str
    verified: str | None
    rows: list[tuple[str, str]]
    parts: list[dict[str, Any]]
    pictures: list[Picture]


@dataclass(frozen=True)
class EntryView:
    """One certificate."""

    entry: Entry
    number: int
    mark: str
    style: str
    name: str
    unit: str
    layers: list[dict[str, Any]]
    samples: int | None
    facts: list[tuple[str, str]]
    claims: list[ClaimView]
    command: str


@dataclass(frozen=True)
class Report:
    """All of it; ``accepted`` counts the certificates that the checker verified."""

    entries: list[EntryView]
    campaigns: list[tuple[Campaign, list[Picture]]]
    title: str
    headline: str
    style: str
    version: str

    @property
    def accepted(self) -> int:
        return sum(view.entry.accepted for view in self.entries)

    def outcomes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for view in self.entries:
            found[view.entry.outcome] = found.get(view.entry.outcome, 0) + 1
        return found


def build_report(
    paths: list[Path], *, data: str | None = None, check: bool = True, max_seconds: int | None = None
) -> Report:
    """Read and check every file; .csv files are campaigns.  MalformedError for a file that is not there."""
    from exactcnn import __version__

    entries: list[EntryView] = []
    campaigns: list[tuple[Campaign, list[Picture]]] = []
    for path in paths:
        if path.suffix.lower() == ".csv":
            campaign = read_campaign(path)
            campaigns.append((campaign, campaign_pictures(campaign)))
        else:
            entry = read_entry(path, data, check=check, max_seconds=max_seconds)
            entries.append(_view(entry, len(entries) + 1))
    if not entries and not campaigns:
        raise MalformedError("certificates", "at least one file", "none")
    headline, style = _headline(entries)
    title = "Certificate report" if entries else "Campaign report"
    return Report(entries, campaigns, title, headline, style, __version__)


def _headline(entries: list[EntryView]) -> tuple[str, str]:
    total, accepted = len(entries), sum(view.entry.accepted for view in entries)
    if not total:
        return (
            "No certificates: exact ranks of random draws, an illustration and no proof about other weights.",
            "open",
        )
    if accepted == total:
        undecided = sum(claim.verdict == "undecided" for view in entries for claim in view.claims)
        word = "the certificate is" if total == 1 else f"all {total} certificates are"
        rest = f"; {undecided} of their claims say: undecided" if undecided else ""
        return f"{word[0].upper()}{word[1:]} VERIFIED by the checker{rest}.", "open" if undecided else "good"
    others = {name: 0 for name in _MARKS}
    for view in entries:
        others[view.entry.outcome] += 1
    listed = ", ".join(f"{count} {name}" for name, count in others.items() if count)
    bad = any(view.style == "bad" for view in entries)
    return f"NOT all verified: {listed}.", "bad" if bad else "open"


def _view(entry: Entry, number: int) -> EntryView:
    network = entry.instance.get("network")
    name = short(network["name"] or "unnamed network", 80) if network else "unreadable"
    layout = layout_of(network)
    samples = None
    facts = [("file", entry.path), ("size", f"{entry.size:,} bytes"), ("SHA-256 of the file", entry.sha256)]
    if entry.content is not None:
        samples = _samples(entry.instance["data"])
        facts += _parts(entry.content)
    drawn = set[str]()
    claims = [_claim(entry, claim, n, layout, samples, drawn) for n, claim in enumerate(entry.claims)]
    rows = layout.rows(samples)
    if len(rows) > _MOST_ROWS:
        facts.append((f"{layout.unit}s not shown", f"{len(rows) - _MOST_ROWS:,}"))
    command = shlex.join(
        ["exactcnn", "check", entry.path, *([] if entry.data is None else ["--data", entry.data])]
    )
    mark, style = _MARKS.get(entry.outcome, "⚠"), _CLASSES.get(entry.outcome, "bad")
    return EntryView(
        entry, number, mark, style, name, layout.unit, rows[:_MOST_ROWS], samples, facts, claims, command
    )


def _claim(
    entry: Entry, claim: dict[str, Any], n: int, layout: Layout, samples: int | None, drawn: set[str]
) -> ClaimView:
    """``drawn``: what has its picture already; a judgment or a point may belong to several claims."""
    title, plain, mathematics = statement_words(claim, layout, samples)
    verdict = claim.get("verdict")
    verdict = verdict if verdict in ("proved", "refuted", "undecided") else "no verdict"
    if not entry.accepted:
        badge, style = (
            f"○ claims “{verdict}”, not established",
            "open" if entry.outcome == "NOT CHECKED" else "bad",
        )
    else:
        badge, style = {
            "proved": ("✔ proved", "good"),
            "refuted": ("✘ refuted", "refuted"),
            "undecided": ("? undecided", "open"),
        }.get(verdict, ("? no verdict", "open"))
    judgments = entry.evidence(claim)
    rows = claim_rows(claim)
    rows += [
        (f"judgment {i}: {short(each['kind'])}", judgment_words(each, layout))
        for i, each in judgments[:_MOST_ROWS]
    ]
    if len(judgments) > _MOST_ROWS:
        rows.append(("judgments not shown", f"{len(judgments) - _MOST_ROWS:,}"))
    return ClaimView(
        short(title),
        short(claim["statement"]),
        plain,
        formula(mathematics) if mathematics else "",
        verdict,
        badge,
        style,
        entry.verified[n] if entry.accepted and n < len(entry.verified) else None,
        rows,
        hypotheses(claim),
        claim_pictures(entry, claim, drawn),
    )


def _samples(data: Any) -> int | None:
    """N, where the data say so."""
    shape = data.get("shape") if isinstance(data, dict) else None
    fine = isinstance(shape, list) and shape and type(shape[0]) is int and 0 < shape[0] < 2**31
    return shape[0] if fine and isinstance(shape, list) else None


def _parts(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Data, targets and every set of weights, each with its digest as the file states it."""
    instance = content["instance"]
    stated = content.get("digests")
    digests = stated if isinstance(stated, dict) else {}

    def told(what: str, digest: Any) -> str:
        return f"{what}; digest {short(digest, 64)}" if isinstance(digest, str) else what

    data, targets, weights = instance["data"], instance["targets"], instance["weights"]
    found = [("data", "none" if data is None else told(_data(data), digests.get("data")))]
    if targets is not None:
        found.append(("targets", told(_targets(targets), digests.get("targets"))))
    named = digests.get("weights")
    for name, each in list(weights.items())[:20]:
        digest = named.get(name) if isinstance(named, dict) else None
        found.append((f"weights “{short(name)}”", told(_weights(each), digest)))
    if not weights:
        found.append(("weights", "none"))
    found.append(("digest of the network", short(digests.get("network"), 80)))
    found.append(("digest of the instance", short(digests.get("instance"), 80)))
    return found


def _data(data: dict[str, Any]) -> str:
    shape = data.get("shape")
    size = " x ".join(short(v, 20) for v in shape[:2]) if isinstance(shape, list) else "?"
    where = f"file {short(data.get('name'), 80)}" if data["kind"] == "file" else "inside the certificate"
    return f"{size} numbers, {where}"


def _targets(targets: dict[str, Any]) -> str:
    rows = targets.get("rows")
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], list):
        return "inside the certificate"
    return f"{len(rows):,} x {len(rows[0]):,} numbers, inside the certificate"


def _weights(weights: dict[str, Any]) -> str:
    known = {
        "identity": "every filter a unit vector",
        "rational": "rational numbers, inside the certificate",
        "ln2": "polynomials in ln 2, inside the certificate",
    }
    if weights["kind"] == "seed":
        return f"drawn from seed {short(weights.get('seed'), 30)}, {short(weights.get('bits'), 10)} bits each"
    return known.get(weights["kind"], short(weights["kind"]))
