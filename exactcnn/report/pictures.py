"""Floor 6: pictures for reports, as data URIs (PNG) or inline SVG; every one has a caption that says what it is not.

All are drawn from the certificate's own instance.  Where that is absent, too large or odd, there is no picture.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from exactcnn.report.entries import Campaign, Entry
from exactcnn.report.float_loss import float_loss, instance_of

__all__ = ["Picture", "campaign_pictures", "claim_pictures"]

_LARGEST_IMAGE = 128
_MOST_PLACES = 100_000
_MOST_ENTRIES = 2_000_000
_MOST_PARAMETERS = 12
_ABOUT_THE_LOSS = (
    "loss", "critical-point", "local-minimum", "critical-point-nearby", "zero-loss-nearby", "point",
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """``source``: what an <img> takes, or inline SVG; ``text`` says the same in words (alt)."""

    caption: str
    text: str
    source: str
    inline: bool = False


def claim_pictures(entry: Entry, claim: dict[str, Any], drawn: set[str]) -> list[Picture]:
    """The pictures that a claim has; an instance that cannot be drawn has none.

    ``drawn``: what has its picture already; a judgment or a point may belong to several claims.
    """
    tasks: list[tuple[str, Callable[[], Picture | None]]] = []
    for n, judgment in entry.evidence(claim):
        if judgment["kind"] == "patches-differ":
            tasks.append((f"judgment {n}", partial(_collision, entry, judgment)))
        elif judgment["kind"] == "order":
            tasks.append((f"judgment {n}", partial(_peeling, entry, judgment)))
    if claim["statement"] in _ABOUT_THE_LOSS and isinstance(claim.get("weights"), str):
        tasks.append((f"weights {claim['weights']}", partial(_slices, entry, claim["weights"])))
    found: list[Picture] = []
    for key, draw in tasks:
        if key in drawn:
            continue
        try:
            picture = draw()
        except Exception:  # hostile or merely odd content; a report is not the place to fail over a picture
            continue
        if picture is not None:
            found.append(picture)
            drawn.add(key)
    return found


def _png(pixels: np.ndarray) -> str:
    """A data URI of an RGB image (height, width, 3), uint8."""
    height, width = pixels.shape[:2]
    raw = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def _collision(entry: Entry, judgment: dict[str, Any]) -> Picture | None:
    """Two samples side by side, the equal patches framed."""
    evidence, shape = judgment["collision"], entry.instance["network"]["input"]
    if evidence is None or len(shape) != 3 or max(shape[1:]) > _LARGEST_IMAGE:
        return None
    instance = instance_of(entry)
    first = instance.network.nodes[0]
    if first.length * prod(first.above.extents) > _MOST_ENTRIES:
        return None
    patches, rows = first.patches, instance.samples().rows
    channels, height, width = shape
    panels = []
    for i, p in zip(evidence["samples"], evidence["patches"], strict=True):
        values = np.array(list(rows[i]), dtype=np.float64).reshape(channels, height, width).mean(axis=0)
        span = values.max() - values.min()
        gray = 255 - (220 * (values - values.min()) / (span or 1)).astype(np.uint8)
        marked = {u % (height * width) for u in patches[p] if u >= 0}
        panels.append(_framed(gray, marked, max(4, 240 // max(height, width))))
    gap = np.full((panels[0].shape[0], 12, 3), 255, dtype=np.uint8)
    (i, j), (p, q) = evidence["samples"], evidence["patches"]
    return Picture(
        f"{_said(entry)}patch {p} of sample {i} (left) equals patch {q} of sample {j} (right), framed.",
        f"Samples {i} and {j} as images, with the equal patches {p} and {q} framed.",
        _png(np.concatenate([panels[0], gap, panels[1]], axis=1)),
    )


def _said(entry: Entry) -> str:
    """How a caption begins that repeats what a file says."""
    return "Verified: " if entry.accepted else "The file claims, and it is not established: "


def _framed(gray: np.ndarray, marked: set[int], scale: int) -> np.ndarray:
    height, width = gray.shape
    image = np.repeat(np.kron(gray, np.ones((scale, scale), dtype=np.uint8))[:, :, None], 3, axis=2)
    for unit in marked:
        y, x = divmod(unit, width)
        cell = image[y * scale : (y + 1) * scale, x * scale : (x + 1) * scale]
        cell[:] = (0.6 * cell + 0.4 * np.array([214, 69, 65])).astype(np.uint8)
        for dy, dx, edge in (
            (-1, 0, cell[:2]),
            (1, 0, cell[-2:]),
            (0, -1, cell[:, :2]),
            (0, 1, cell[:, -2:]),
        ):
            inside = 0 <= y + dy < height and 0 <= x + dx < width
            if not inside or (y + dy) * width + x + dx not in marked:
                edge[:] = (176, 30, 30)
    return image


def _svg(figure: Any) -> str:
    """Inline SVG that takes the page's text colour."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True)
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace("#000000", "currentColor")


def _axes(width: float, height: float, columns: int = 1) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10, "svg.hashsalt": "exactcnn"}
    )
    figure, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained", squeeze=False)
    for axis in axes[0]:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[0]


def _done(figure: Any) -> str:
    import matplotlib.pyplot as plt

    svg = _svg(figure)
    plt.close(figure)
    return svg


def _peeling(entry: Entry, judgment: dict[str, Any]) -> Picture | None:
    """Where in the order which position singles out a sample."""
    nodes, top = entry.instance["network"]["nodes"], judgment["node"]
    units, T = judgment["units"], nodes[nodes[top - 1]["of"][0] - 1].get("filters", 1)
    if not all(isinstance(u, int) for u in units) or len(units) > _MOST_PLACES:
        return None
    figure, (axis,) = _axes(7, 3)
    positions = np.array(units) // T
    axis.plot(
        np.arange(len(units)),
        positions,
        ".",
        markersize=2 if len(units) > 2000 else 4,
        color="#3b7dd8",
        rasterized=True,
    )
    axis.set_xlabel("place in the order of peeling")
    axis.set_ylabel("patch position")
    return Picture(
        f"{_said(entry)}the unit at this patch position has a larger value at this sample than at all before it.",
        f"{len(units)} samples in the order of peeling, against the patch position of the unit that singles each out.",
        _done(figure),
        True,
    )


def _slices(entry: Entry, name: str) -> Picture | None:
    """The loss along coordinate axes through the weights of that name, in floats."""
    found = float_loss(instance_of(entry), name)
    if found is None:
        return None
    loss, point = found
    chosen = np.linspace(0, point.size - 1, min(point.size, _MOST_PARAMETERS)).astype(int)
    steps = np.linspace(-1, 1, 81)
    figure, (axis,) = _axes(7, 3.2)
    for j in chosen:
        values = []
        for step in steps:
            moved = point.copy()
            moved[j] += step
            values.append(loss(moved))
        axis.plot(steps, values, lw=1, alpha=0.8)
    axis.axvline(0, color="#888888", lw=0.8, ls=":")
    axis.set_xlabel("change of one parameter")
    axis.set_ylabel("loss")
    return Picture(
        f"The loss along {len(chosen)} coordinate axes through the weights “{name}”. Drawn in floating point: an "
        "illustration, no proof.",
        f"Loss curves along {len(chosen)} coordinate axes through the weights “{name}”.",
        _done(figure),
        True,
    )


def campaign_pictures(campaign: Campaign) -> list[Picture]:
    """Share of full rank against the width, the distribution of ranks, sigma_min where it was enclosed."""
    rows = [
        row for row in campaign.rows if (row.get("rank") or "").isdigit() and (row.get("n_k") or "").isdigit()
    ]
    if not rows:
        return []
    kinds = sorted({(row["activation"], row["N"]) for row in rows})[:8]
    figure, (share, ranks) = _axes(8, 3.2, 2)
    for name, N in kinds:
        own = [row for row in rows if (row["activation"], row["N"]) == (name, N)]
        widths = sorted({int(row["n_k"]) for row in own})
        full = [np.mean([int(row["rank"]) == int(N) for row in own if int(row["n_k"]) == w]) for w in widths]
        share.plot(widths, full, "o-", label=f"{name}, N = {N}")
        deficits = np.array([int(N) - int(row["rank"]) for row in own])
        counts = np.bincount(deficits)
        ranks.plot(np.flatnonzero(counts), counts[counts > 0], "o", label=f"{name}, N = {N}")
    share.set_xlabel("width n_k")
    share.set_ylabel("share of draws of rank N")
    share.set_ylim(-0.03, 1.03)
    ranks.set_xlabel("N - rank")
    ranks.set_ylabel("draws")
    ranks.set_yscale("log")
    share.legend(fontsize=8)
    found = [
        Picture(
            "Every draw's rank is exact; the shares describe these draws and prove nothing about other weights.",
            f"Left: share of draws of full rank against the width; right: ranks short of N. {len(rows)} draws.",
            _done(figure),
            True,
        )
    ]
    return found + _singular_values(rows)


def _singular_values(rows: list[dict[str, str]]) -> list[Picture]:
    enclosed = []
    for row in rows:
        try:
            low, high = float(row.get("sigma_min_low") or "nan"), float(row.get("sigma_min_high") or "nan")
        except ValueError:
            continue
        if 0 < low <= high < float("inf"):
            enclosed.append((int(row["n_k"]), low, high, row["activation"]))
    if not enclosed:
        return []
    figure, (axis,) = _axes(7, 3)
    for name in sorted({each[3] for each in enclosed})[:8]:
        own = [each for each in enclosed if each[3] == name]
        axis.vlines(
            [n for n, *_ in own],
            [low for _, low, *_ in own],
            [high for _, _, high, _ in own],
            lw=2,
            alpha=0.6,
        )
        axis.plot([n for n, *_ in own], [low for _, low, *_ in own], "_", label=name)
    axis.set_yscale("log")
    axis.set_xlabel("width n_k")
    axis.set_ylabel("sigma_min")
    axis.legend(fontsize=8)
    return [
        Picture(
            "Enclosures of the smallest singular value, draw by draw.",
            f"Smallest singular values of {len(enclosed)} draws against the width.",
            _done(figure),
            True,
        )
    ]
