"""Floor 6: PyTorch's arithmetic with constants, and its operations on shapes.

Conventions.  Handlers have the parameter names and defaults of PyTorch's functions; ``x`` is the Flow.
"""

from __future__ import annotations

from typing import Any

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.exact_arrays import affine_parts
from exactcnn.interop.flow import BATCH, reshape_flow
from exactcnn.interop.torch_activations import Activations
from exactcnn.interop.torch_values import unknown

__all__ = ["Shapes"]


class Shapes(Activations):
    """Handlers of arithmetic and shapes."""

    def flatten(self, where: str, x: Any, start_dim: int = 0, end_dim: int = -1) -> None:
        self.current(where, (x,))
        axes = len(self.chain.shape) + 1
        begin, end = (n + axes if n < 0 else n for n in (start_dim, end_dim))
        if begin == end and 0 <= begin < axes:
            return
        if (begin, end) != (1, axes - 1):
            raise MalformedError(
                where, "flattening of all axes but the batch, start_dim=1", f"axes {begin} to {end}"
            )
        self.chain.flatten(where)

    def reshape(self, where: str, x: Any, *shape: Any) -> None:
        self.current(where, (x,))
        entries = shape[0] if len(shape) == 1 and isinstance(shape[0], (list, tuple)) else shape
        reshape_flow(self.chain, where, list(entries))

    def unflatten(self, where: str, x: Any, dim: int, sizes: Any) -> None:
        self.current(where, (x,))
        if dim not in (1, -1) or len(self.chain.shape) != 1:
            raise MalformedError(where, "an unflattening of a flat tensor, dim=1", f"dim {dim}")
        reshape_flow(self.chain, where, [BATCH, *sizes])

    def size(self, where: str, x: Any, dim: int | None = None) -> Any:
        self.current(where, (x,))
        whole = (BATCH, *self.chain.shape)
        return whole if dim is None else whole[dim]

    def get_attribute(self, where: str, x: Any, name: str) -> Any:
        if name != "shape" or not isinstance(x, Flow):
            raise unknown(f"{where} (.{name})", name)
        return self.size(where, x)

    def keep(self, where: str, x: Any, *args: Any, **kwargs: Any) -> None:
        """Operations that change nothing in evaluation mode."""
        self.current(where, (x,))
        if kwargs.get("training", False) or (len(args) > 1 and args[1] is True):
            raise MalformedError(
                where, "dropout switched off (training=False, module.eval())", "dropout in training"
            )

    def item(self, where: str, x: Any, index: Any) -> Any:
        if not isinstance(x, tuple):
            raise MalformedError(where, "indexing of a shape only", "indexing of a tensor")
        return x[index]

    def arithmetic(self, kind: str, where: str, a: Any, b: Any, **kwargs: Any) -> Any:
        """x + c, x - c, c - x, x * c, x / c with constants and parameters; x * x is the square."""
        if isinstance(a, int) and isinstance(b, int) and not kwargs:
            return {"add": a + b, "sub": a - b, "mul": a * b}[kind]
        flows = [v for v in (a, b) if isinstance(v, Flow)]
        if kwargs or not flows:
            raise unknown(where, kind)
        if len(flows) == 2 and kind == "add":
            return self.chain.add(where, flows)
        if len(flows) == 2 and kind == "sub":
            return self.chain.subtract(where, *flows)
        if len(flows) == 2:
            if kind != "mul" or a is not b:
                raise MalformedError(
                    where, "x * x, or a sum or difference of tensors", f"{kind} of two tensors"
                )
            return self.activation(where, a, "square")
        self.current(where, flows)
        constant = self.constant(where, b if isinstance(a, Flow) else a)
        self.chain.affine(where, *affine_parts(kind, constant, isinstance(a, Flow), where))
        return None

    def negative(self, where: str, x: Any) -> None:
        self.current(where, (x,))
        self.chain.affine(where, RationalArray.from_integers([-1]), None)

    def permute(self, where: str, x: Any, *dims: Any) -> None:
        self.current(where, (x,))
        order = dims[0] if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims
        axes = len(self.chain.shape) + 1
        self.chain.transpose(where, [n % axes for n in order])

    def transpose(self, where: str, x: Any, dim0: int, dim1: int) -> None:
        self.current(where, (x,))
        order = list(range(len(self.chain.shape) + 1))
        order[dim0], order[dim1] = order[dim1], order[dim0]
        self.chain.transpose(where, order)

    def integers(self, where: str, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int) and b:
            return a // b
        raise unknown(where, "floordiv")

    def dropout(
        self, where: str, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> None:
        """PyTorch's functions default to training, whatever the module's mode."""
        self.keep(where, x, training=training)
