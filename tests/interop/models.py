"""Models for the tests of interop: random chains of integers, and ONNX files written by hand."""

from __future__ import annotations

import random

import numpy as np

from exactcnn.api import samples
from exactcnn.features.forward import exact_values
from exactcnn.features.instance import Instance


def exact_outputs(model, x, k=None):
    """Exact F_k of rational layers as Fractions-free floats in PyTorch's order: (N, n_k); k None: the last."""
    instance = Instance(model.network, samples(x), model.weights)
    layer = model.network.layers[-1] if k is None else model.network.layer(k)
    values, _ = exact_values(instance, layer.index, before_activation=False)
    order = layer.above.units().reshape(-1)
    if k is None and model.output_order is not None:
        order = model.output_order
    return np.array([[int(row[u]) / values.denominator for u in order] for row in values.numerators])


def integers_in(rng, shape, low=-3, high=3):
    return np.array([rng.randint(low, high) for _ in range(int(np.prod(shape)))], dtype=float).reshape(shape)


def random_chain(torch, seed):
    """(module in float64 with small integer parameters, input shape): asymmetric everything."""
    rng = random.Random(seed)
    nn = torch.nn
    axes = rng.choice([1, 2, 2, 3])
    channels = rng.choice([1, 2, 3, 4])
    extents = rng.sample(range(5, 12), axes) if axes < 3 else rng.sample(range(4, 8), 3)
    shape = (channels, *extents)
    parts, x = [], torch.zeros(1, *shape, dtype=torch.float64)
    for _ in range(rng.randint(1, 3)):
        kernel = [rng.randint(1, 3) for _ in range(axes)]
        padding = [rng.randint(0, k // 2) for k in kernel]
        stride, dilation = ([rng.randint(1, 2) for _ in range(axes)] for _ in range(2))
        spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        room = [e + 2 * p - s for e, p, s in zip(x.shape[2:], padding, spans, strict=True)]
        only_padding = any(p and d > 1 for p, d in zip(padding, dilation, strict=True))
        if min(room) < 0 or only_padding:
            break
        if rng.random() < 0.3:
            part = getattr(nn, f"MaxPool{axes}d")(kernel, stride, padding, dilation)
        else:
            groups = rng.choice([g for g in (1, 1, 2, 3, 4) if x.shape[1] % g == 0])
            filters = groups * rng.randint(1, 3)
            part = getattr(nn, f"Conv{axes}d")(
                x.shape[1], filters, kernel, stride, padding, dilation, groups, bias=rng.random() < 0.7
            )
        parts.append(part)
        parts += rng.choice([[], [nn.ReLU()], [nn.ReLU(), nn.Dropout()], [nn.Identity()]])
        x = part.double()(x)
    if rng.random() < 0.8 or not parts:
        parts.append(nn.Flatten())
        size = int(np.prod(x.shape[1:]))
        units = rng.randint(2, 5)
        parts += [nn.Linear(size, units, bias=rng.random() < 0.7), nn.ReLU(), nn.Linear(units, 3)]
    module = nn.Sequential(*parts).double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(integers_in(rng, parameter.shape)))
    return module, shape


class OnnxChain:
    """Writes an ONNX file operation by operation with the onnx package alone."""

    def __init__(self, shape, opset=17, batch="n", dtype=None):
        import onnx

        self.onnx, self.opset = onnx, opset
        self.dtype = onnx.TensorProto.FLOAT if dtype is None else dtype
        self.nodes, self.tensors, self.count = [], [], 0
        self.axes = len(shape) + 1
        self.input = onnx.helper.make_tensor_value_info("x", self.dtype, [batch, *shape])
        self.value = "x"

    def add(self, kind, *constants, first=True, outputs=1, domain="", **attributes):
        names = [self.constant(c) for c in constants]
        inputs = [self.value, *names] if first else [*names, self.value]
        if kind in ("Flatten", "Gemm", "MatMul", "Reshape"):
            self.axes = 2
        self.count += 1
        made = [f"v{self.count}", *(f"v{self.count}_{i}" for i in range(1, outputs))]
        node = self.onnx.helper.make_node(
            kind, inputs, made, name=f"{kind.lower()}{self.count}", domain=domain, **attributes
        )
        self.nodes.append(node)
        self.value = made[0]
        return self

    def constant(self, array):
        if isinstance(array, str):
            return array
        name = f"c{len(self.tensors)}"
        self.tensors.append(self.onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def model(self, outputs=None):
        helper = self.onnx.helper
        open_shape = [f"d{i}" for i in range(self.axes)]
        named = [
            helper.make_tensor_value_info(name, self.dtype, open_shape) for name in outputs or [self.value]
        ]
        graph = helper.make_graph(self.nodes, "g", [self.input], named, self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def save(self, path, outputs=None):
        path.write_bytes(self.model(outputs).SerializeToString())
        return path


def f32(*shape, seed=0, low=-3, high=3):
    """Small integers as float32."""
    return integers_in(random.Random(seed), shape, low, high).astype(np.float32)
