"""Floor 6: ONNX's arithmetic with constants, and its operations on shapes.

Conventions.  A handler gets the node's name, its attributes and its inputs, padded with None, and returns its first
output; None means the tensor where the chain stands now.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.exact_arrays import affine_parts
from exactcnn.interop.flow import BATCH, Padded, reshape_flow
from exactcnn.interop.onnx_activations import Activations
from exactcnn.interop.onnx_file import Attributes
from exactcnn.interop.onnx_values import sizes

__all__ = ["Shapes"]


class Shapes(Activations):
    """Handlers of arithmetic and shapes."""

    def arithmetic(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        """x + c, x - c, c - x, x * c, x / c with constants; x * x."""
        kind, (first, second) = node.op_type.lower(), inputs[:2]
        if isinstance(first, Flow) and isinstance(second, Flow):
            if kind == "add":
                return self.chain.add(where, [first, second])
            if kind == "sub":
                return self.chain.subtract(where, first, second)
            if kind != "mul" or node.input[0] != node.input[1]:
                raise MalformedError(
                    where, "x * x, or a sum or difference of tensors", f"{kind} of two tensors"
                )
            return self.activation(where, first, "square")
        flow_first = isinstance(first, Flow)
        self.flow(where, first if flow_first else second)
        constant = self.weights(where, second if flow_first else first)
        if self.file.opset < 7:
            constant = self._old_broadcast(where, a, constant, flow_first)
        if not constant.ndim:
            constant = constant.reshape(1)
        self.chain.affine(where, *affine_parts(kind, constant, flow_first, where))
        return None

    def _old_broadcast(
        self, where: str, a: Attributes, constant: RationalArray, flow_first: bool
    ) -> RationalArray:
        """Before opset 7 the second operand is broadcast where that is asked for, aligned at ``axis`` or at the end."""
        axes = len(self.chain.shape) + 1
        if not a.integer("broadcast", 0) or not flow_first:
            if constant.ndim != axes and constant.numerators.size != 1:
                raise MalformedError(f"{where}.broadcast", "1, or a constant of as many axes", constant.shape)
            return constant
        axis = a.integer("axis", axes - constant.ndim)
        after = axes - axis - constant.ndim
        if axis < 0 or after < 0:
            raise MalformedError(f"{where}.axis", f"an axis from 0 to {axes - constant.ndim}", axis)
        return constant.reshape(*constant.shape, *(1,) * after)

    def negative(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        self.chain.affine(where, RationalArray.from_integers([-1]), None)

    def flatten(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        self.flow(where, inputs[0])
        axis, axes = a.integer("axis", 1), len(self.chain.shape) + 1
        if axis not in (1, 1 - axes):
            raise MalformedError(f"{where}.axis", "1, all axes but the batch", axis)
        self.chain.flatten(where)

    def reshape(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        entries = sizes(where, inputs[1])
        if isinstance(inputs[0], np.ndarray):
            return inputs[0].reshape([int(n) for n in entries])
        self.flow(where, inputs[0])
        whole = [BATCH, *self.chain.shape]
        if not a.integer("allowzero", 0):
            entries = [
                whole[i] if n == 0 and n is not BATCH and i < len(whole) else n for i, n in enumerate(entries)
            ]
        reshape_flow(self.chain, where, entries, self.file.input_shape[0])
        return None

    def shape(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        self.flow(where, inputs[0])
        end = a.integer("end", len(self.chain.shape) + 1)
        return [BATCH, *self.chain.shape][a.integer("start", 0) : end]

    def gather(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        if not isinstance(inputs[0], list) or a.integer("axis", 0):
            raise MalformedError(where, "indexing of a shape only", "indexing of a tensor")
        index = np.asarray(inputs[1])
        return [inputs[0][int(i)] for i in index.reshape(-1)]

    def concat(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        values = [value for value in inputs if value is not None]
        if any(isinstance(value, (Flow, Padded)) for value in values):
            if not all(isinstance(value, Flow) for value in values):
                raise MalformedError(where, "tensors of the network only", "a constant among them")
            return self.chain.concatenate(where, values, a.integer("axis", 1))
        return [n for value in inputs if value is not None for n in sizes(where, value)]

    def unsqueeze(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        if isinstance(inputs[0], list) and len(inputs[0]) == 1:
            return inputs[0]
        if isinstance(inputs[0], np.ndarray) and inputs[0].size == 1:
            return inputs[0].reshape(1)
        raise MalformedError(where, "unsqueezing of a size only (reshape the data instead)", "a tensor")

    def squeeze(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        """Away with extents of 1, where a flat tensor remains."""
        self.flow(where, inputs[0])
        axes, given = len(self.chain.shape) + 1, a.integers("axes", None)
        if inputs[1] is not None:
            given = tuple(int(n) for n in sizes(where, inputs[1]))
        whole = [BATCH, *self.chain.shape]
        gone = {n % axes for n in given} if given else {n for n in range(1, axes) if whole[n] == 1}
        if 0 in gone or any(whole[n] != 1 for n in gone) or (not given and self.file.input_shape[0] == 1):
            raise MalformedError(where, "a squeezing of named axes of length 1, not of the batch", given)
        reshape_flow(self.chain, where, [entry for n, entry in enumerate(whole) if n not in gone])

    def cast(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> None:
        """Between float types where nothing is rounded."""
        self.flow(where, inputs[0])
        kinds = {10: "float16", 1: "float32", 11: "float64"}
        wanted = kinds.get(a.integer("to", 0), f"ONNX type {a.integer('to', 0)}")
        if (
            node.op_type == "CastLike"
            or wanted not in kinds.values()
            or wanted < np.dtype(self.file.dtype).name
        ):
            raise MalformedError(
                where, f"a cast of {np.dtype(self.file.dtype).name} to a longer float", wanted
            )

    def transpose(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        perm = a.integers("perm", None)
        if isinstance(inputs[0], np.ndarray):
            return np.transpose(inputs[0], perm)
        self.flow(where, inputs[0])
        self.chain.transpose(where, perm or range(len(self.chain.shape), -1, -1))
        return None

    def constant(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        for attribute in node.attribute:
            if attribute.name == "value":
                return self.file.array(attribute.t, where)
            if attribute.name in ("value_float", "value_floats"):
                return np.array(a.values[attribute.name], dtype=np.float32)
            if attribute.name in ("value_int", "value_ints"):
                return np.array(a.values[attribute.name], dtype=np.int64)
        raise MalformedError(where, "a numeric constant", "another")

    def keep(self, where: str, a: Attributes, inputs: list[Any], node: Any) -> Any:
        """Identity, and dropout in evaluation mode."""
        if node.op_type == "Dropout":
            if self.file.opset < 7 and not a.integer("is_test", 0):
                raise MalformedError(f"{where}.is_test", "1, as files before opset 7 say it", 0)
            mode = inputs[2]
            if mode is not None and (not isinstance(mode, np.ndarray) or mode.any()):
                raise MalformedError(where, "evaluation mode (export with model.eval())", "training mode")
        if isinstance(inputs[0], np.ndarray):
            return inputs[0]
        self.flow(where, inputs[0])
        return None  # the same tensor, but with readers of its own
