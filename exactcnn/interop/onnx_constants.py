"""Floor 6: nodes whose inputs are all constants, computed once, as the program does.

Only operations that move numbers about, and single operations of IEEE arithmetic, which round in one way: their
results are the numbers that the program computes with.  The onnx package's reference implementation is used.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from exactcnn.interop.onnx_file import OnnxFile

__all__ = ["fold"]

_FOLDED = frozenset(
    ("Identity", "Cast", "CastLike", "Reshape", "Unsqueeze", "Squeeze", "Transpose", "Slice", "Concat", "ConstantOfShape", "Expand",
     "Gather", "Flatten", "Shape", "Add", "Sub", "Mul", "Div", "Neg", "Sqrt")
)  # fmt: skip
_LARGEST = 50_000_000


def fold(file: OnnxFile, nodes: list[Any]) -> list[Any]:
    """The nodes, in order, less those that were computed; their results are tensors of the file from now on."""
    left = []
    for node in nodes:
        if node.op_type == "Constant":
            left.append(node)
            _constant(file, node)
            continue
        known = [not name or file.has_tensor(name) for name in node.input]
        like = node.op_type == "CastLike" and len(known) == 2 and known[0]
        simple = node.domain in ("", "ai.onnx") and node.op_type in _FOLDED and len(node.output) == 1
        if not simple or not node.input or not (all(known) or like):
            left.append(node)
            continue
        inputs = [file.tensor(name) if name and file.has_tensor(name) else None for name in node.input]
        if like and not known[1]:
            inputs[1] = np.zeros(1, dtype=file.dtype)
        value = _computed(file, node, inputs)
        if value is None:
            left.append(node)
        else:
            moved = (
                node.input[:1] if node.op_type not in ("Add", "Sub", "Mul", "Div", "Concat") else node.input
            )
            file.add_tensor(node.output[0], value, tuple(name for name in moved if name))
    return left


def _constant(file: OnnxFile, node: Any) -> None:
    """A constant by the name of its output, so that what reads it can be folded."""
    for attribute in node.attribute:
        if attribute.name == "value" and len(node.output) == 1:
            file.add_tensor(node.output[0], file.array(attribute.t, f"{file.field}: constant"))
        elif attribute.name in ("value_float", "value_floats"):
            numbers = attribute.f if attribute.name == "value_float" else list(attribute.floats)
            file.add_tensor(node.output[0], np.array(numbers, dtype=np.float32))
        elif attribute.name in ("value_int", "value_ints"):
            numbers = attribute.i if attribute.name == "value_int" else list(attribute.ints)
            file.add_tensor(node.output[0], np.array(numbers, dtype=np.int64))


def _computed(file: OnnxFile, node: Any, inputs: list[Any]) -> np.ndarray | None:
    """None where it cannot be computed, or would be out of proportion."""
    if node.op_type in ("ConstantOfShape", "Expand"):
        wanted = inputs[-1]
        if wanted.size > 16 or (wanted < 0).any() or prod(int(n) for n in wanted.reshape(-1)) > _LARGEST:
            return None
    if node.op_type in ("Add", "Sub", "Mul", "Div") and inputs[0].size * inputs[1].size > _LARGEST:
        return None
    if any(array is not None and array.dtype.kind not in "fiub" for array in inputs):
        return None
    try:
        from onnx.reference import ReferenceEvaluator

        versions = {entry.domain: entry.version for entry in file.model.opset_import}
        with np.errstate(all="ignore"):
            evaluator = ReferenceEvaluator(node, opsets=versions)
            (value,) = evaluator.run(
                None, {name: array for name, array in zip(node.input, inputs, strict=True) if name}
            )
    except (
        Exception
    ):  # what a strange node makes the reference implementation raise: the handlers have words for it
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in "fiub" and array.size <= _LARGEST else None
