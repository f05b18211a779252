"""Floor 6: an ONNX file as a checked graph: nodes, constants and the one input, or one sentence.

Conventions.  Constants are read when they are asked for, so a file that names a tensor it does not use
costs nothing.  External data are read with the onnx package's own reader, which refuses paths that
leave the model's folder.  Sizes are bounded before anything is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from exactcnn.data.files import LARGEST_FILE, check_file, read_bytes
from exactcnn.errors import MalformedError
from exactcnn.interop.extras import optional

__all__ = ["Attributes", "OnnxFile", "printable"]

_LARGEST_TENSOR = 50_000_000
_OLDEST_OPSET = 6
_MOST_NODES = 10_000


def printable(text: str) -> str:
    """A name out of a file: short, on one line."""
    short = text if len(text) <= 60 else text[:60] + "..."
    return short if short.isprintable() else ascii(short)


@dataclass(frozen=True)
class Attributes:
    """The attributes of one node by name, each with the type asked for, or MalformedError."""

    where: str
    values: dict[str, Any]

    def _get(self, name: str, default: Any, kind: type | tuple[type, ...], expected: str) -> Any:
        value = self.values.get(name, default)
        if value is not default and not isinstance(value, kind):
            raise MalformedError(f"{self.where}.{name}", expected, type(value).__name__)
        return value

    def integer(self, name: str, default: int) -> int:
        found: int = self._get(name, default, int, "an integer")
        return found

    def number(self, name: str, default: float) -> float:
        """float32, as ONNX stores it; so is the default."""
        value = self._get(name, default, float, "a float")
        return float(np.float32(value))

    def text(self, name: str, default: str) -> str:
        value = self._get(name, default, (bytes, str), "a text")
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def integers(self, name: str, default: tuple[int, ...] | None) -> tuple[int, ...] | None:
        value = self._get(name, default, (list, tuple), "a list of integers")
        if value is not None and any(not isinstance(n, int) for n in value):
            raise MalformedError(f"{self.where}.{name}", "a list of integers", value)
        return None if value is None else tuple(value)


class OnnxFile:
    """``nodes`` as they stand, ``inputs`` (entries) and ``outputs`` (names); after ``start``, the ``input_shape`` with None
    where it is not fixed."""

    def __init__(self, path: Path) -> None:
        self.onnx = optional("onnx", "onnx")
        self.path = path
        self.field = f"model {path}" if str(path).isprintable() else f"model {str(path)!a}"
        self.model = self._parsed()
        graph = self.model.graph
        self.nodes = list(graph.node)
        self._refuse_the_unusual()
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._computed: dict[str, np.ndarray] = {}
        self._roots: dict[str, frozenset[str]] = {}
        self.inputs = [value for value in graph.input if value.name not in self._tensors]
        self.outputs = [value.name for value in graph.output]
        self.input_shape: tuple[int | None, ...] = ()
        self.dtype: Any = np.float32

    def _parsed(self) -> Any:
        raw = read_bytes(self.path, self.field)
        try:
            model = self.onnx.load_model_from_string(raw)
        except Exception as error:  # protobuf's exceptions differ between its implementations
            raise MalformedError(self.field, "an ONNX file", str(error).partition("\n")[0]) from None
        if not model.HasField("graph") or not model.graph.output:
            raise MalformedError(self.field, "an ONNX file with a graph", "none")
        return model

    @property
    def opset(self) -> int:
        """The version of ONNX's own operations."""
        found: int = max(e.version for e in self.model.opset_import if e.domain in ("", "ai.onnx"))
        return found

    def _refuse_the_unusual(self) -> None:
        model = self.model
        names = [
            name
            for node in self.nodes
            for name in (node.name, node.op_type, node.domain, *node.input, *node.output)
        ]
        names += [entry.name for entry in (*model.graph.initializer, *model.graph.input, *model.graph.output)]
        names += [attribute.name for node in self.nodes for attribute in node.attribute]
        if any(not isinstance(name, str) for name in names):  # protobuf's answer to texts that are not UTF-8
            raise MalformedError(self.field, "names in UTF-8", "other bytes")
        if len(self.nodes) > _MOST_NODES:
            raise MalformedError(self.field, f"at most {_MOST_NODES} operations", len(self.nodes))
        if model.functions:
            expected = "a graph without local functions (inline them: onnx.inliner.inline_local_functions)"
            raise MalformedError(self.field, expected, f"function {printable(model.functions[0].name)}")
        if model.graph.sparse_initializer:
            raise MalformedError(self.field, "dense tensors", "a sparse initializer")
        versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        newest = int(self.onnx.defs.onnx_opset_version())
        if not versions or not _OLDEST_OPSET <= min(versions) <= max(versions) <= newest:
            expected = f"opset {_OLDEST_OPSET} to {newest}, as the installed onnx knows (export it again)"
            raise MalformedError(self.field, expected, ", ".join(map(str, versions)) or "none")

    def check(self, nodes: list[Any]) -> None:
        """The onnx package's own check, after unknown operations have been refused by name; ``nodes`` in order."""
        try:
            place = {id(node): n for n, node in enumerate(self.nodes)}
            order = [place[id(node)] for node in nodes]
            if order == sorted(order):
                self.onnx.checker.check_model(str(self.path))
            else:
                self.onnx.checker.check_model(self._with(nodes))
        except Exception as error:  # ValidationError, and what hostile files make it raise
            raise MalformedError(
                self.field, "a file that onnx.checker accepts", str(error).partition("\n")[0]
            ) from None

    def _with(self, nodes: list[Any]) -> Any:
        """The model with these nodes, in this order."""
        model = self.onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        return model

    def extract(self, nodes: list[Any], entry: Any, output: str) -> bytes:
        """A file of ``nodes`` only, from the input ``entry`` to the value ``output``, external data inside."""
        model = self._with(nodes)
        self.onnx.external_data_helper.load_external_data_for_model(model, str(self.path.parent))
        names = {entry.name, *(name for node in nodes for name in node.input)}
        for entries in (model.graph.input, model.graph.initializer):
            kept = [each for each in entries if each.name in names]
            del entries[:]
            entries.extend(kept)
        del model.graph.output[:], model.graph.value_info[:]
        model.graph.output.append(self.onnx.ValueInfoProto(name=output))
        result: bytes = model.SerializeToString()
        return result

    def start(self, entry: Any) -> None:
        """Take ``entry`` as the input."""
        self.input_shape, self.dtype = self._input_type(entry)

    def _input_type(self, value: Any) -> tuple[tuple[int | None, ...], Any]:
        tensor = value.type.tensor_type
        where = f"{self.field}: input {printable(value.name)}"
        names = {1: np.float32, 10: np.float16, 11: np.float64}
        if tensor.elem_type not in names:
            raise MalformedError(
                where, "float16, float32 or float64 (remove casts)", f"ONNX type {tensor.elem_type}"
            )
        if not tensor.HasField("shape") or len(tensor.shape.dim) < 2:
            raise MalformedError(where, "a shape with a batch axis first", f"{len(tensor.shape.dim)} axes")
        dims = tuple(
            d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim
        )
        return dims, names[tensor.elem_type]

    def attributes(self, node: Any, where: str) -> Attributes:
        try:
            values = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        except Exception as error:
            raise MalformedError(where, "readable attributes", str(error).partition("\n")[0]) from None
        values = {k: list(v) if not isinstance(v, (bytes, str)) and hasattr(v, "__len__") else v
                  for k, v in values.items()}  # fmt: skip
        return Attributes(where, values)

    def has_tensor(self, name: str) -> bool:
        return name in self._computed or name in self._tensors

    def add_tensor(self, name: str, value: np.ndarray, sources: tuple[str, ...] = ()) -> None:
        """A constant that was computed, of other constants."""
        self._computed[name] = value
        self._roots[name] = frozenset().union(*(self.roots(each) for each in sources)) or frozenset([name])

    def roots(self, name: str) -> frozenset[str]:
        """The tensors of the file that a constant was computed from, shapes and single numbers left out."""
        if name in self._roots:
            return self._roots[name]
        return frozenset([name]) if self.has_tensor(name) and self.entries(name) > 1 else frozenset()

    def entries(self, name: str) -> int:
        """How many the initializer ``name`` has."""
        return self._computed[name].size if name in self._computed else prod(self._tensors[name].dims)

    def tensor(self, name: str) -> np.ndarray:
        """The constant ``name``."""
        if name in self._computed:
            return self._computed[name]
        return self.array(self._tensors[name], f"{self.field}: tensor {printable(name)}")

    def array(self, tensor: Any, where: str) -> np.ndarray:
        """A TensorProto as an array; MalformedError for damaged, huge or non-numeric ones."""
        if any(d < 0 for d in tensor.dims) or prod(tensor.dims) > _LARGEST_TENSOR:
            raise MalformedError(where, f"at most {_LARGEST_TENSOR} entries", list(tensor.dims))
        try:
            if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
                self._load_external(tensor, where)
            array: np.ndarray = self.onnx.numpy_helper.to_array(tensor)
        except MalformedError:
            raise
        except Exception as error:  # what a damaged tensor makes NumPy, protobuf or onnx raise
            raise MalformedError(where, "a readable tensor", str(error).partition("\n")[0]) from None
        return array

    def _load_external(self, tensor: Any, where: str) -> None:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        file = self.path.parent / location
        if (
            not location
            or not location.isprintable()
            or Path(location).is_absolute()
            or ".." in Path(location).parts
        ):
            raise MalformedError(where, "external data in the model's folder", repr(location))
        check_file(file, f"{where}: external data {location}", LARGEST_FILE)
        if "length" not in entries:
            raise MalformedError(f"{where}: external data", "a stated length", "none")
        self.onnx.external_data_helper.load_external_data_for_tensor(tensor, str(self.path.parent))
