"""Floor 6: a report as one HTML file, as Markdown, or as PDF through headless Chromium."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from exactcnn.errors import MalformedError
from exactcnn.report.build import Report

__all__ = ["browser", "render_html", "render_markdown", "write_pdf"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
]


@cache
def _environment(autoescape: bool) -> Any:
    """Made once: templates take longer to compile than to fill."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("exactcnn.report", "templates"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["md"] = _plain
    return found


def render_html(report: Report) -> str:
    """One self-contained page: no script, no font, no address is fetched."""
    text: str = _environment(True).get_template("report.html.j2").render(report=report)
    return text


def render_markdown(report: Report) -> str:
    """The same without pictures; text from certificates cannot become markup."""
    text: str = _environment(False).get_template("report.md.j2").render(report=report)
    return text


def _plain(value: object) -> str:
    """Text in which no character is Markdown or HTML."""
    printable = (c if c.isprintable() else " " for c in str(value))
    return "".join(f"&#{ord(c)};" if c in "\\`*{}[]<>#|!&~$" else c for c in printable)


def browser() -> str | None:
    """The path of a Chromium, if there is one."""
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def write_pdf(report: Report, path: Path) -> None:
    """Print the page with headless Chromium; MalformedError where there is none or it fails."""
    program = browser()
    if program is None:
        raise MalformedError(
            "format", "html or markdown, as pdf needs Chromium", "no chromium on this machine"
        )
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(render_html(report), encoding="utf-8")
        made = Path(folder) / "report.pdf"
        command = [
            program,
            *_QUIET,
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={made}",
            page.as_uri(),
        ]
        try:
            subprocess.run(command, capture_output=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MalformedError(
                "format", "a Chromium that prints", f"{program}: {type(error).__name__}"
            ) from None
        if not made.is_file():
            raise MalformedError("format", "a Chromium that prints", f"{program}, which made no file")
        shutil.copyfile(made, path)
