"""Floor 0: small pieces of HTML for notebooks; everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["badge", "table"]

_LOOK = {
    "proved": ("✔", "#14663a", "#e3f3e8"),
    "refuted": ("✘", "#5b2a86", "#efe6f8"),
    "undecided": ("?", "#7a4d00", "#fdf0d5"),
}


def badge(verdict: str) -> str:
    """A verdict as word, sign and colour.

    >>> "undecided" in badge("undecided") and "✔" not in badge("undecided")
    True
    """
    sign, ink, paper = _LOOK.get(verdict, ("?", "#7a4d00", "#fdf0d5"))
    style = f"color:{ink};background:{paper};border-radius:1em;padding:.1em .6em;font-weight:600"
    return f'<span style="{style}">{sign} {escape(verdict)}</span>'


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of texts."""
    top = "".join(f'<th style="text-align:left">{escape(cell)}</th>' for cell in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{escape(str(cell))}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
