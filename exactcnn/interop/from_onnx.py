"""Floor 6: ONNX files -> Model.

Conventions.  The first axis of the input is the batch.  ``onnx_graph`` selects the nodes, ``onnx_operations`` knows
the operations; everything else is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.lowering import Lowering
from exactcnn.interop.model import Model
from exactcnn.interop.onnx_constants import fold
from exactcnn.interop.onnx_file import OnnxFile, printable
from exactcnn.interop.onnx_graph import runner, select
from exactcnn.interop.onnx_operations import OPERATIONS, Operations, label, unknown
from exactcnn.interop.onnx_pointwise import Expression, put_together, scalar_of

__all__ = ["from_onnx"]

_LONGEST_NAME = 200


def from_onnx(
    path: str | Path,
    input_shape: Sequence[int] | None = None,
    *,
    name: str | None = None,
    until: str | None = None,
) -> Model:
    """The exact network that an ONNX file describes, with its weights as stored (float16 to float64, bfloat16).

    ``input_shape``, of one sample without the batch axis, is needed only where the file leaves it open.
    The graph must be made of Conv, Gemm, MatMul, MaxPool, AveragePool, BatchNormalization, Add, Concat, Flatten,
    Dropout and known activations; float32 attributes (epsilon, alpha) are taken as stored.

    ``until``: the name of a node or a value at which the graph is cut; what lies above it may be anything.
    A softmax at the end is left out, with a note.

    Raises MalformedError (a ValueError) with one sentence for anything else, naming the operation.
    """
    path = Path(path)
    file = OnnxFile(path)
    part = select(file, until)
    file.start(part.input)
    needed = put_together(fold(file, part.nodes), part.output, partial(_scalar, file))
    for node in needed:
        if not isinstance(node, Expression) and (
            node.domain not in ("", "ai.onnx") or node.op_type not in OPERATIONS
        ):
            raise unknown(file.field, node)
    file.check(part.nodes)
    shape = _shape(file, part.input.name, input_shape)
    stem = path.stem if path.stem.isprintable() else "model"
    chain = Lowering(name or stem[:_LONGEST_NAME] or "model", shape)
    operations = Operations(file, chain, needed, part.output)
    for note in part.notes:
        chain.note(note)
    shared = _read_twice(file, needed)
    if shared is not None:
        chain.tied = printable(shared)
        chain.note(
            f"The weights {printable(shared)} are used more than once; statements about almost all or some are undecided."
        )
    env: dict[str, Any] = {part.input.name: chain.flow(operations.shared(part.input.name))}
    for node in needed:
        where = f"{file.field}: {label(node)}"
        inputs = [_value(file, env, wanted, where) for wanted in node.input]
        results = operations.apply(node, where, inputs)
        for output, result in zip(node.output, results, strict=False):
            if output:
                env[output] = result
    final = env.get(part.output)
    if not isinstance(final, Flow):
        raise MalformedError(
            file.field, "an output that depends on the input", f"output {printable(part.output)}"
        )
    chain.go(final)
    network, weights, notes, weight_notes = chain.finish()
    order = chain.output_order()
    run, engine = runner(file, part, shape)
    return Model(
        network,
        weights,
        notes,
        weight_notes,
        str(path),
        run,
        engine,
        order,
        chain.loads(),
        np.dtype(file.dtype).name,
    )


def _shape(file: OnnxFile, name: str, given: Sequence[int] | None) -> tuple[int, ...]:
    inner = file.input_shape[1:]
    where = f"{file.field}: input {printable(name)}"
    if given is not None:
        shape = tuple(given)
        if len(shape) != len(inner) or any(a not in (None, b) for a, b in zip(inner, shape, strict=True)):
            raise MalformedError("input_shape", f"{inner}, as the file says (None: open)", shape)
    elif None in inner:
        raise MalformedError(
            where,
            "fixed sizes behind the batch axis (export with fixed sizes, or give input_shape to from_onnx)",
            f"shape (batch, {', '.join('?' if n is None else str(n) for n in inner)})",
        )
    else:
        shape = tuple(n for n in inner if n is not None)
    if not 1 <= len(shape) <= 4 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in shape):
        raise MalformedError(where, "(batch, d) or (batch, channels, 1 to 3 extents)", shape)
    return shape


def _read_twice(file: OnnxFile, nodes: list[Any]) -> str | None:
    """A tensor of the file that weights or biases of two operations come from.

    Single numbers of arithmetic are none: exporters write 0.5 once and read it everywhere."""
    seen: set[str] = set()
    for node in nodes:
        if node.op_type not in (
            "Conv",
            "Gemm",
            "MatMul",
            "BatchNormalization",
            "Add",
            "Sub",
            "Mul",
            "Div",
            "PRelu",
        ):
            continue
        arithmetic = node.op_type in ("Add", "Sub", "Mul", "Div")
        for name in dict.fromkeys(node.input):
            if not name or not file.has_tensor(name) or (arithmetic and file.entries(name) == 1):
                continue
            roots = file.roots(name) or frozenset([name])
            found = next((root for root in roots if root in seen), None)
            if found is not None:
                return found
            seen |= roots
    return None


def _scalar(file: OnnxFile, name: str) -> Fraction | None:
    """The constant of a name, where it has one entry."""
    return scalar_of(file.tensor(name)) if file.has_tensor(name) and file.entries(name) == 1 else None


def _value(file: OnnxFile, env: dict[str, Any], name: str, where: str) -> Any:
    if not name:
        return None
    if name not in env:
        if not file.has_tensor(name):
            raise MalformedError(where, "inputs computed before it", f"no value {printable(name)!r}")
        env[name] = file.tensor(name)
    return env[name]
