"""Floor 6: reports for people, made only from certificate files, the checker's verdicts and campaign tables."""

from __future__ import annotations

from exactcnn.report.build import Report, build_report
from exactcnn.report.render import render_html, render_markdown, write_pdf

__all__ = ["Report", "build_report", "render_html", "render_markdown", "write_pdf"]
