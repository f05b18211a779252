"""Floor 6: what ONNX operations read: tensors of the network, exact constants, sizes; and who reads them.

Conventions.  A value is a Flow (a tensor of the network), an array (a constant), or a list of sizes in which
BATCH stands for the batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.exact_arrays import exact
from exactcnn.interop.flow import Padded
from exactcnn.interop.lowering import Lowering
from exactcnn.interop.onnx_file import OnnxFile

__all__ = ["Values", "sizes"]


class Values:
    """The values of the ``needed`` nodes of ``file``, up to the value ``output``, which are handed to ``chain``."""

    def __init__(self, file: OnnxFile, chain: Lowering, needed: list[Any], output: str) -> None:
        self.file, self.chain, self.output = file, chain, output
        self._consumers: dict[str, list[Any]] = {}
        for node in needed:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)

    def shared(self, name: str) -> bool:
        """Is a value read by several operations (or the output too), not counting its shape?"""
        readers = [user for user in self._consumers.get(name, []) if user.op_type != "Shape"]
        return len({id(user) for user in readers}) + int(name == self.output) > 1

    def flow(self, where: str, value: Any) -> None:
        if not isinstance(value, Flow):
            what = (
                "a padded one, which only a convolution reads" if isinstance(value, Padded) else "a constant"
            )
            raise MalformedError(where, "a tensor of the network as its input", what)
        self.chain.go(value)

    def weights(self, where: str, value: Any) -> RationalArray:
        """A constant, exactly."""
        if not isinstance(value, np.ndarray):
            raise MalformedError(
                where, "a constant tensor", "a computed one" if value is not None else "nothing"
            )
        return exact(value, where)

    def optional(self, where: str, value: Any) -> RationalArray | None:
        return None if value is None else self.weights(where, value)


def sizes(where: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size <= 64:
        return [int(n) for n in value.reshape(-1)]
    raise MalformedError(where, "a shape that is constant or taken from the tensor", "another")
