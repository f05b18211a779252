"""Floor 6: each operation of ONNX that has an exact meaning here, handed to the graph of layers.

Conventions.  A handler gets the node's attributes and its inputs, padded with None, and
returns its first output; None means the tensor where the chain stands now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exactcnn.errors import ExactCNNError, MalformedError
from exactcnn.interop.formulas import FORMULAS
from exactcnn.interop.onnx_file import printable
from exactcnn.interop.onnx_layers import Layers
from exactcnn.interop.onnx_pointwise import EXPRESSIONS, Expression
from exactcnn.interop.onnx_shapes import Shapes
from exactcnn.interop.pointwise import record_of

__all__ = ["OPERATIONS", "Operations", "label", "unknown"]

_MOST_INPUTS, _MOST_SOURCES = 6, 1000  # the latter of Concat and Sum
_ADVICE = {
    "Softmax": "cut the network below it with until: the features there are what the theory speaks of",
    "LogSoftmax": "cut the network below it with until: the features there are what the theory speaks of",
    "QuantizeLinear": "verify the model before quantisation",
    "DequantizeLinear": "verify the model before quantisation",
}


def label(node: Any) -> str:
    """The node's name, or its first output's, and its type."""
    name = node.name or (node.output[0] if node.output else "")
    return f"{printable(name)} ({printable(node.op_type)})" if name else printable(node.op_type)


def unknown(field: str, node: Any) -> MalformedError:
    name = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    advice = _ADVICE.get(
        node.op_type, "export the network without it, or write a spec file with what it computes"
    )
    known = ", ".join(sorted({*OPERATIONS, *EXPRESSIONS}))
    return MalformedError(
        f"{field}: operation {printable(name)}", f"one of {known}", f"{printable(name)} ({advice})"
    )


_ADVICE |= dict.fromkeys(
    ("Cast", "CastLike", "Expand", "Slice", "Squeeze", "Where", "ConstantOfShape"),
    "export the model with the exporter's optimisation on and in one float type, or fold constants first",
)


class Operations(Layers, Shapes):
    """Applies nodes to the chain."""

    def apply(self, node: Any, where: str, inputs: list[Any]) -> list[Any]:
        """The values of the node's outputs: the first, and nothing for the others."""
        most = _MOST_SOURCES if node.op_type in ("Concat", "Sum") else _MOST_INPUTS
        if len(inputs) > most:
            raise MalformedError(where, f"at most {most} inputs", len(inputs))
        if isinstance(node, Expression):
            self.activation(where, inputs[0], record_of(node.text))
            return [self.chain.flow(self.shared(node.output[0]))]
        attributes = self.file.attributes(node, where)
        padded = inputs + [None] * (_MOST_INPUTS - len(inputs))
        try:
            result = OPERATIONS[node.op_type](self, where, attributes, padded, node)
        except ExactCNNError:
            raise
        except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
            raise MalformedError(
                where, "arguments that exactcnn knows", str(error).partition("\n")[0]
            ) from None
        if result is None:
            result = self.chain.flow(bool(node.output) and self.shared(node.output[0]))
        return [result]


def _simple(name: str) -> Callable[..., Any]:
    record = FORMULAS.get(name, name)
    return lambda self, where, attributes, inputs, node: self.activation(where, inputs[0], record)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": Operations.arithmetic,
    "Atan": _simple("arctan"),
    "AveragePool": Operations.pool,
    "BatchNormalization": Operations.batch_norm,
    "Cast": Operations.cast,
    "Celu": Operations.celu,
    "Clip": Operations.clip,
    "Concat": Operations.concat,
    "Constant": Operations.constant,
    "Conv": Operations.conv,
    "Div": Operations.arithmetic,
    "Dropout": Operations.keep,
    "Elu": Operations.elu,
    "Flatten": Operations.flatten,
    "Gather": Operations.gather,
    "Gelu": Operations.gelu,
    "Gemm": Operations.gemm,
    "GlobalAveragePool": Operations.global_average,
    "HardSigmoid": Operations.hard_sigmoid,
    "HardSwish": _simple("hard_swish"),
    "Identity": Operations.keep,
    "LeakyRelu": Operations.leaky_relu,
    "MatMul": Operations.matmul,
    "MaxPool": Operations.pool,
    "Mish": _simple("mish"),
    "Mul": Operations.arithmetic,
    "Neg": Operations.negative,
    "PRelu": Operations.prelu,
    "Pad": Operations.pad,
    "Pow": Operations.power,
    "ReduceMean": Operations.mean,
    "Relu": _simple("relu"),
    "Reshape": Operations.reshape,
    "Selu": Operations.selu,
    "Squeeze": Operations.squeeze,
    "Shape": Operations.shape,
    "Sigmoid": _simple("sigmoid"),
    "Softplus": _simple("softplus"),
    "Softsign": _simple("softsign"),
    "Sub": Operations.arithmetic,
    "Sum": Operations.total,
    "Swish": Operations.swish,
    "Tanh": _simple("tanh"),
    "ThresholdedRelu": Operations.thresholded,
    "Transpose": Operations.transpose,
    "Unsqueeze": Operations.unsqueeze,
}
