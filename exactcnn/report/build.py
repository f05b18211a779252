"""Floor 6: a report as data: entries with their claims in words, pictures, and one overall verdict."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from math import log10, prod
from pathlib import Path
from typing import Any

from exactcnn.errors import MalformedError
from exactcnn.report.entries import Campaign, Entry, read_campaign, read_entry
from exactcnn.report.mathml import formula
from exactcnn.report.pictures import Picture, campaign_pictures, claim_pictures
from exactcnn.report.words import evidence_rows, hypotheses, statement_words

__all__ = ["ClaimView", "EntryView", "Report", "build_report"]

_MARKS = {"VERIFIED": "✔", "REJECTED": "✖", "MALFORMED": "⚠", "NOT CHECKED": "○", "INTERNAL ERROR": "⚠"}
_CLASSES = {
    "VERIFIED": "good",
    "REJECTED": "bad",
    "MALFORMED": "bad",
    "NOT CHECKED": "open",
    "INTERNAL ERROR": "bad",
}


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
    paths: list[Path], *, data: str | None = None, check: bool = True, max_work: int | None = None
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
            entry = read_entry(path, data, check=check, max_work=max_work)
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
    name = _cut(network["name"] or "unnamed network", 80) if network else "unreadable"
    samples = None
    facts = [("file", entry.path), ("size", f"{entry.size:,} bytes"), ("SHA-256 of the file", entry.sha256)]
    if entry.content is not None:
        data, weights = entry.instance["data"], entry.instance["weights"]
        if (
            data is not None
            and isinstance(data.get("shape"), list)
            and data["shape"]
            and isinstance(data["shape"][0], int)
        ):
            samples = data["shape"][0]
        facts.append(("data", "none" if data is None else _data(data)))
        facts.append(("weights", "none" if weights is None else _weights(weights)))
        digests = entry.content.get("digests")
        if isinstance(digests, dict):
            facts.append(("digest of the instance", _cut(str(digests.get("instance")), 80)))
    claims, drawn = [], set[str]()
    for n, claim in enumerate(entry.claims):
        point = repr(claim["point"]) if "point" in claim else ""
        claims.append(_claim(entry, claim, n, pictures=point not in drawn))
        drawn |= {point} - {""}
    layers = _layers(network, samples) if network else []
    command = shlex.join(["exactcnn", "check", entry.path])
    mark, style = _MARKS.get(entry.outcome, "⚠"), _CLASSES.get(entry.outcome, "bad")
    return EntryView(entry, number, mark, style, name, layers, samples, facts, claims, command)


def _claim(entry: Entry, claim: dict[str, Any], n: int, *, pictures: bool) -> ClaimView:
    title, plain, mathematics = statement_words(claim)
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
    verified = entry.verified[n] if entry.accepted and n < len(entry.verified) else None
    parts = [
        {
            "title": statement_words(part)[0] if "note" not in part else part["statement"],
            "verdict": _cut(str(part.get("verdict", "")), 20),
            "note": part.get("note") or "; ".join(f"{a}: {b}" for a, b in evidence_rows(part)[:4]),
        }
        for part in hypotheses(claim)
    ]
    shown = formula(mathematics) if mathematics else ""
    return ClaimView(
        title,
        _cut(claim["statement"], 60),
        plain,
        shown,
        verdict,
        badge,
        style,
        verified,
        evidence_rows(claim),
        parts,
        claim_pictures(entry, claim) if pictures else [],
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 2] + ".."


def _data(data: dict[str, Any]) -> str:
    shape = " x ".join(map(str, data["shape"])) if isinstance(data.get("shape"), list) else "?"
    where = f"file {_cut(str(data.get('path')), 80)}" if data["kind"] == "file" else "inside the certificate"
    return f"{shape} numbers, {where}"


def _weights(weights: dict[str, Any]) -> str:
    if weights["kind"] == "seed":
        return f"drawn from seed {_cut(str(weights.get('seed')), 30)}, {_cut(str(weights.get('bits')), 10)} bits each"
    return "inside the certificate"


def _layers(network: dict[str, Any], N: int | None) -> list[dict[str, Any]]:
    """Widths layer by layer, for bars on a logarithmic scale with a line at N."""
    from exactcnn.errors import ExactCNNError
    from exactcnn.network.network import Network

    try:
        net = Network.from_dict(
            {"name": "report", "input": {"shape": network["input"]}, "layers": network["layers"]}
        )
    except (ExactCNNError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return []
    widths = [prod(network["input"]), *(layer.width for layer in net.layers)]
    top = max([*widths, N or 1, 10])
    rows = []
    for k, width in enumerate(widths):
        what = "input " + " x ".join(map(str, network["input"])) if k == 0 else str(net.layers[k - 1])
        rows.append(
            {
                "k": k,
                "what": _cut(what, 120),
                "width": width,
                "percent": round(100 * log10(1 + width) / log10(1 + top), 1),
                "line": None if N is None else round(100 * log10(1 + N) / log10(1 + top), 1),
                "wide": N is not None and k > 0 and width >= N,
            }
        )
    return rows
