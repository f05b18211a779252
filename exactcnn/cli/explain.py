"""Floor 6: ``exactcnn explain``, what statements mean and how they are decided."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exactcnn.cli.options import AsJson

if TYPE_CHECKING:
    from exactcnn.statements import Statement

__all__ = ["explain"]


def explain(
    statements: Annotated[
        list[str] | None,
        typer.Argument(metavar="STATEMENT", help="Statements, or groups of them. Default: a list of all."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, as in the documentation.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what statements mean, what they need, how they are decided and how that is checked.

    exactcnn explain

    exactcnn explain theorem-3.5 rank

    exactcnn explain hypotheses --json
    """
    from exactcnn.statements import GROUPS, STATEMENTS, statement_names

    chosen = [STATEMENTS[name] for name in statement_names(statements or ["all"])]
    if as_json:
        typer.echo(json.dumps({"statements": [_record(each) for each in chosen]}))
        return
    if markdown:
        typer.echo("\n".join(_markdown(chosen)))
        return
    if statements:
        typer.echo("\n\n".join(_text(each) for each in chosen))
        return
    for group, question in GROUPS.items():
        typer.echo(f"{group}: {question}")
        for each in chosen:
            if each.group == group:
                typer.echo(f"  {each.name:<22} {each.meaning}")
    typer.echo(
        "exactcnn explain STATEMENT says more; exactcnn verify --statement STATEMENT (or a group) decides."
    )


def _record(each: Statement) -> dict[str, Any]:
    return {
        "statement": each.name,
        "group": each.group,
        "title": each.title,
        "meaning": each.meaning,
        "formula": each.formula,
        "needs": list(each.needs),
        "graphs": each.graphs,
        "how": each.how,
        "checked": each.checked,
    }


def _text(each: Statement) -> str:
    lines = [f"{each.name}: {each.title}"]
    parts = {
        "proved means": each.meaning,
        "formula": each.formula,
        "needs": _needs(each),
        "decided by": each.how,
        "checked by": each.checked,
        "try": f"exactcnn verify --samples 5 --statement {each.name}",
    }
    for heading, text in parts.items():
        if text:
            plain = text.replace("*refuted*", "refuted")
            lead, indent = f"  {heading:<13}", " " * 15
            lines.append(
                textwrap.fill(
                    plain, 100, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False
                )
            )
    return "\n".join(lines)


def _markdown(chosen: list[Statement]) -> Iterator[str]:
    from exactcnn.statements import GROUPS

    for group, question in GROUPS.items():
        members = [each for each in chosen if each.group == group]
        if members:
            yield f"## {question} (`--statement {group}`)\n"
        for each in members:
            yield f"### {each.title}\n"
            yield f"`{each.name}`: {each.meaning}.\n"
            yield f"* decided by: {each.how}."
            yield f"* checked by: {each.checked}."
            yield f"* needs: {_needs(each)}.\n"


def _needs(each: Statement) -> str:
    return ", ".join(("a network", *each.needs)) + ("; any graph" if each.graphs else "; a chain of layers")
