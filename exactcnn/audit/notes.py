"""Floor 5: what a reader has to know about an audit beside its numbers, in sentences; and its record."""

from __future__ import annotations

from typing import Any

from exactcnn.audit.compare import EXPLAINED, PAPERS_N, UNEXPLAINED, Audit, Comparison, cut
from exactcnn.audit.graph import Node
from exactcnn.audit.lifted import LiftedRank

__all__ = ["layer_records", "notes", "record"]

_MOST_NAMES = 4


def notes(found: Audit) -> list[str]:
    """Differences first, then what counts as a layer, then Assumption 2.4."""
    architecture, N = found.architecture, found.architecture.dataset.samples
    lines = [_difference(entry) for entry in found.comparisons if entry.status in (EXPLAINED, UNEXPLAINED)]
    if architecture.remark is not None:
        lines.append(f"{architecture.remark}.")
    lines += _joins(found)
    weighted = architecture.widest_weighted
    if PAPERS_N <= weighted.width < N:
        lines.append(f"max n_k reaches the paper's rounded N ~ 1200K, but not N = {N:,}.")
    wide = architecture.first_wide
    if wide is not None and wide.name not in (architecture.first.name, architecture.widest.name):
        lines.append(f"The first layer with n_k >= N is {wide.name}, {wide.width:,}.")
    for name in architecture.outputs:
        if architecture.graph[name].width >= N:
            lines.append(f"The output layer {name}, {architecture.graph[name].width:,}, is not counted.")
    refuted = found.layers("refuted")
    if refuted:
        why = f"{refuted[0]}: {found.lifted[refuted[0]].reason}"
        lines.append(f"Assumption 2.4 fails for {_names(refuted)}: U never has full rank ({why}).")
    unread = tuple(name for name, rank in found.lifted.items() if rank.unread)
    if unread:
        text = f"Below {_names(unread)} some neurons are in no patch, which the paper's definition excludes."
        lines.append(text)
    for name in (*found.layers("undecided"), *found.layers("undecided", ordinary=False)):
        lines.append(f"Assumption 2.4 for {name}: {found.lifted[name].reason}.")
    return lines


def _joins(found: Audit) -> list[str]:
    """Do joins and pooling make a difference to n_1 or max n_k?"""
    architecture, lines = found.architecture, []
    for quantity, counted, alone in (
        ("n_1", architecture.first, architecture.first_weighted),
        ("max n_k", architecture.widest, architecture.widest_weighted),
    ):
        if counted.width == alone.width:
            continue
        text = f"{quantity} counts the {counted.kind} {counted.name}; {alone.name} alone has {alone.width:,}"
        for entry in found.comparisons:
            if entry.quantity == quantity and entry.digits is not None:
                printed = cut(alone.width, entry.digits)
                text += f" ({printed // 1000}K, not the {entry.printed // 1000}K printed)"
        lines.append(f"{text}.")
    return lines


def _difference(comparison: Comparison) -> str:
    printed = f"{comparison.printed // 1000}K" if comparison.digits is not None else f"{comparison.printed:,}"
    says = f"{comparison.quantity} is {comparison.computed:,}, printed {printed} ({comparison.source})"
    if comparison.agrees:
        return f"{says}: they agree, yet a difference is recorded as explained."
    if comparison.explanation is None:
        return f"{says}: no explanation is recorded."
    return f"{says}: {comparison.explanation}."


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def record(found: Audit, *, layers: bool) -> dict[str, Any]:
    """The audit of one architecture for --json."""
    architecture = found.architecture
    entry: dict[str, Any] = {
        "name": architecture.name,
        "title": architecture.title,
        "source": architecture.source,
        "input": str(architecture.graph["input"].above),
        "N": architecture.dataset.samples,
        "data": architecture.dataset.name,
        "verdict": found.verdict,
        "n_1": _width(architecture.first),
        "n_1_with_filters": _width(architecture.first_weighted),
        "max_n_k": _width(architecture.widest),
        "max_n_k_with_filters": _width(architecture.widest_weighted),
        "reaches_N": found.reaches_n,
        "first_reaching_N": None if architecture.first_wide is None else _width(architecture.first_wide),
        "parameters": architecture.parameters,
        "layers_outside_the_model": architecture.outside_the_model,
        "comparisons": [
            {
                "quantity": comparison.quantity,
                "printed": comparison.printed,
                "digits": comparison.digits,
                "computed": comparison.computed,
                "source": comparison.source,
                "status": comparison.status,
                "explanation": comparison.explanation,
            }
            for comparison in found.comparisons
        ],
        "assumption_2_4": {
            verdict: {
                "convolutions": list(found.layers(verdict)),
                "grouped_or_transposed": list(found.layers(verdict, ordinary=False)),
            }
            for verdict in ("proved", "refuted", "undecided")
        },
        "notes": notes(found),
    }
    if layers:
        entry["layers"] = layer_records(found)
    return entry


def layer_records(found: Audit) -> list[dict[str, Any]]:
    """Every layer, the output included, with its width and, where it has filters, the rank of U."""
    outputs = found.architecture.outputs
    return [
        {
            "name": node.name,
            "kind": str(node),
            "below": [str(shape) for shape in node.below],
            "shape": str(node.above),
            "n_k": node.width,
            "hidden": node.name not in outputs,
            "parameters": node.parameters,
            "in_definition": node.in_definition,
            "U": _rank(found.lifted.get(node.name)),
        }
        for node in found.architecture.graph.nodes
    ]


def _width(node: Node) -> dict[str, Any]:
    return {"layer": node.name, "kind": str(node), "shape": str(node.above), "n_k": node.width}


def _rank(found: LiftedRank | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "verdict": found.verdict,
        "rows": found.rows,
        "columns": found.columns,
        "lower": found.lower,
        "upper": found.upper,
        "rule": found.rule,
        "reason": found.reason,
        "groups": found.groups,
        "unread": found.unread,
        "small": None if found.small is None else str(found.small),
    }
