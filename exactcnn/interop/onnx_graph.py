"""Floor 6: the part of an ONNX graph that is read: where it is cut, what it needs, in which order; and running it.

Conventions.  A part ends at one value, its ``output``, and starts at one input of the file.  Nodes are in the file's
order where that is topological (ONNX demands it), else in the first topological order.  A softmax at the end is
not part of it: the layers below are what the theory speaks of.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exactcnn.errors import MalformedError
from exactcnn.interop.onnx_file import OnnxFile, printable

__all__ = ["Part", "runner", "select"]

_SOFTMAX = ("Softmax", "LogSoftmax")


@dataclass
class Part:
    """``nodes`` in topological order; ``input`` is a graph input's entry, ``output`` the name of a value."""

    nodes: list[Any]
    input: Any
    output: str
    whole: bool
    notes: list[str] = field(default_factory=list)


def select(file: OnnxFile, until: str | None) -> Part:
    """The part below ``until``, a node or a value by name; None: below the only output, and its softmax.

    MalformedError where there is no such place, or not one input below it.
    """
    makers = {name: n for n, node in enumerate(file.nodes) for name in node.output if name}
    notes: list[str] = []
    if until is not None:
        output = _place(file, until, makers)
    else:
        if len(file.outputs) != 1:
            names = ", ".join(map(printable, file.outputs[:10]))
            raise MalformedError(
                file.field,
                "one output, or one of them named (until=NAME)",
                f"{len(file.outputs)} outputs: {names}",
            )
        output = file.outputs[0]
        while output in makers and file.nodes[makers[output]].op_type in _SOFTMAX:
            node = file.nodes[makers[output]]
            if node.domain not in ("", "ai.onnx") or not node.input or node.input[0] not in makers:
                break
            output = node.input[0]
            notes.append(
                f"The last operation, {printable(node.name or node.op_type)} ({node.op_type}), is left out: statements are "
                "about the layers below it, and the network's outputs are those before it."
            )
    nodes = _ordered(file, _needed(file, output, makers), makers)
    read = {name for node in nodes for name in node.input}
    inputs = [entry for entry in file.inputs if entry.name in read]
    if len(inputs) != 1:
        found = f"{len(inputs)} inputs" + "".join(f", {printable(entry.name)}" for entry in inputs[:10])
        raise MalformedError(file.field, "a graph that depends on one input (until=NAME cuts it)", found)
    whole = file.outputs == [output] and nodes == file.nodes and len(file.inputs) == 1
    return Part(nodes, inputs[0], output, whole, notes)


def _place(file: OnnxFile, until: str, makers: dict[str, int]) -> str:
    if until in makers:
        return until
    named = [node for node in file.nodes if node.name == until and node.output]
    if len(named) == 1:
        return str(named[0].output[0])
    some = ", ".join(printable(node.name or node.output[0]) for node in file.nodes[:200] if node.output)
    raise MalformedError(
        "until", f"the name of a node or value of {file.field}: {some[:400]}", printable(until)
    )


def _needed(file: OnnxFile, output: str, makers: dict[str, int]) -> set[int]:
    stack, found = [output], set()
    while stack:
        n = makers.get(stack.pop())
        if n is not None and n not in found:
            found.add(n)
            stack += file.nodes[n].input
    return found


def _ordered(file: OnnxFile, needed: set[int], makers: dict[str, int]) -> list[Any]:
    """In the file's order as far as possible."""
    waiting = {n: {makers[name] for name in file.nodes[n].input if name in makers} for n in needed}
    readers: dict[int, list[int]] = {}
    for n, sources in waiting.items():
        for source in sources:
            readers.setdefault(source, []).append(n)
    ready = [n for n, sources in waiting.items() if not sources]
    heapq.heapify(ready)
    order = []
    while ready:
        n = heapq.heappop(ready)
        order.append(file.nodes[n])
        for reader in readers.get(n, []):
            waiting[reader].discard(n)
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(needed):
        raise MalformedError(file.field, "a graph without cycles", "a cycle")
    return order


def runner(
    file: OnnxFile, part: Part, shape: tuple[int, ...]
) -> tuple[Callable[[np.ndarray], np.ndarray] | None, str]:
    """onnxruntime's evaluation of the part, if it is installed."""
    try:
        import onnxruntime
    except ImportError:
        return None, ""

    def run(x: np.ndarray) -> np.ndarray:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        source = str(file.path) if part.whole else file.extract(part.nodes, part.input, part.output)
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        rows = x.reshape(len(x), *shape).astype(file.dtype)
        batch = file.input_shape[0] or len(rows)
        parts = []
        for start in range(0, len(rows), batch):  # a fixed batch is filled with the last row
            rest = rows[start : start + batch]
            full = np.concatenate([rest, np.repeat(rest[-1:], batch - len(rest), axis=0)])
            parts.append(session.run(None, {part.input.name: full})[0][: len(rest)])
        return np.concatenate(parts).astype(np.float64)

    return run, f"onnxruntime {onnxruntime.__version__}"
