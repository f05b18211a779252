"""Floor 6: networks from elsewhere, and back: PyTorch modules and ONNX files.

The way through the room: ``from_torch`` and ``from_onnx`` walk what they are given, operation by
operation, and hand each to ``lowering``, the one list of layers both end in; ``model`` is what comes
out, with notes on everything that is not literally what was given.  Each front end is four modules: what is
read (``*_values``), ``*_layers``, ``*_activations``, ``*_shapes``, and ``*_operations`` that picks the handler.
``onnx_graph`` cuts a graph and puts it in order, ``pointwise`` puts elementwise operations together,
``torch_wrappers`` takes off what stands around a module.  ``rounding`` has the one place where a number is
rounded (the scale of a batch normalisation), ``difference`` compares the exact network with the float program it
came from, by the bounds of ``float_bound``, ``to_torch`` goes the other way.  torch, onnx and
onnxruntime are optional packages, imported when first needed.
"""

from exactcnn.interop.difference import Difference, output_difference
from exactcnn.interop.from_onnx import from_onnx
from exactcnn.interop.from_torch import from_torch
from exactcnn.interop.model import Model
from exactcnn.interop.read import read_model
from exactcnn.interop.to_torch import to_torch

__all__ = [
    "Difference",
    "Model",
    "from_onnx",
    "from_torch",
    "output_difference",
    "read_model",
    "to_torch",
]
