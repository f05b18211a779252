"""Constants computed once, transpositions, squeezing, casts and the broadcasting of old files, against onnxruntime."""

from __future__ import annotations

import random

import numpy as np
import pytest

import exactcnn
from tests.interop.models import OnnxChain, exact_outputs, f32, integers_in

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
pytestmark = pytest.mark.filterwarnings("ignore")
IMAGE = (2, 4, 3)


def conv():
    return OnnxChain(IMAGE).add("Conv", f32(3, 2, 2, 2), f32(3))


def computed(chain, kind, *inputs, **attributes):
    """A node of constants only; the name of its value."""
    names = [chain.constant(each) for each in inputs]
    chain.nodes.append(onnx.helper.make_node(kind, names, [f"k{len(chain.nodes)}"], **attributes))
    return chain.nodes[-1].output[0]


def weights_in_pieces():
    """A matrix cast, transposed, sliced and scaled before it is used."""
    chain = OnnxChain((4,))
    W = computed(chain, "Cast", f32(3, 5).astype(np.float64), to=1)
    W = computed(chain, "Slice", W, np.array([1]), np.array([5]), np.array([1]))
    W = computed(chain, "Transpose", W, perm=[1, 0])
    W = computed(chain, "Mul", W, np.float32(2))
    b = computed(chain, "ConstantOfShape", np.array([3]), value=onnx.numpy_helper.from_array(np.float32([7])))
    return chain.add("Gemm", W, b)


def scalar_of_its_kind():
    """CastLike of a double, like the tensor."""
    chain = OnnxChain((4,)).add("MatMul", f32(4, 3))
    name = chain.constant(np.float64(3))
    chain.nodes.append(onnx.helper.make_node("CastLike", [name, chain.value], ["like"]))
    return chain.add("Add", "like").add("Relu")


def transposed_twice():
    chain = conv().add("Transpose", perm=[0, 2, 3, 1]).add("Relu").add("Mul", np.float32(2))
    return (
        chain.add("Transpose", perm=[0, 3, 1, 2])
        .add("MaxPool", kernel_shape=[2, 2])
        .add("Flatten")
        .add("MatMul", f32(6, 2))
    )


FILES = {
    "weights in pieces": (weights_in_pieces, (4,)),
    "a scalar of the tensor's type": (scalar_of_its_kind, (4,)),
    "transposed before flattening": (
        lambda: conv().add("Transpose", perm=[0, 2, 3, 1]).add("Flatten").add("MatMul", f32(18, 2)), IMAGE,
    ),
    "transposed and back": (transposed_twice, IMAGE),
    "squeezed": (
        lambda: conv().add("MaxPool", kernel_shape=[3, 2]).add("Squeeze", np.array([2, 3])).add("MatMul", f32(3, 2)), IMAGE,
    ),
    "cast": (lambda: OnnxChain((4,)).add("MatMul", f32(4, 3)).add("Cast", to=1).add("Relu"), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_agree_exactly(tmp_path, name):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'exactcnn[onnx]'")
    build, shape = FILES[name]
    model = exactcnn.from_onnx(build().save(tmp_path / "m.onnx"))
    x = integers_in(random.Random(4), (5, *shape), -4, 4)
    assert np.array_equal(exact_outputs(model, x), model.run(x).reshape(5, -1))


REFUSED = {
    "scales of a transposed tensor": (lambda: conv().add("Transpose", perm=[0, 2, 3, 1]).add("Mul", f32(3)), "channels first"),
    "shifts of a transposed tensor": (
        lambda: conv().add("Transpose", perm=[0, 2, 1, 3]).add("Add", f32(3, 1, 1)), "channels first",
    ),
    "a window on a transposed tensor": (
        lambda: conv().add("Transpose", perm=[0, 3, 2, 1]).add("MaxPool", kernel_shape=[2, 2]), "channels and 2 axes",
    ),
    "an exponent of more axes": (lambda: OnnxChain((4,)).add("Pow", np.full((1, 1, 1), 2, dtype=np.float32)), "no more axes"),
    "transposed batch": (lambda: OnnxChain((4,)).add("Transpose", perm=[1, 0]), "keeps the batch first"),
    "cast to integers": (lambda: OnnxChain((4,)).add("MatMul", f32(4, 3)).add("Cast", to=7), "longer float"),
    "cast to a shorter float": (lambda: OnnxChain((4,)).add("MatMul", f32(4, 3)).add("Cast", to=10), "longer float"),
    "squeezed extents": (lambda: conv().add("Squeeze", np.array([2])), "of length 1"),
    "a constant out of proportion": (
        lambda: (lambda c: c.add("Add", computed(c, "ConstantOfShape", np.array([10**6, 10**6]))))(OnnxChain((4,))),
        "ConstantOfShape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    build, words = REFUSED[name]
    with pytest.raises(exactcnn.MalformedError, match=words):
        exactcnn.from_onnx(build().save(tmp_path / "m.onnx"))


def old(chain, **attributes):
    chain.opset = 6
    return chain


def test_broadcasting_before_opset_7(tmp_path):
    """The second operand is aligned at ``axis``, by default at the end; what says nothing is not broadcast."""
    x = integers_in(random.Random(4), (5, *IMAGE), -4, 4)
    plain = exact_outputs(exactcnn.from_onnx(conv().save(tmp_path / "p.onnx")), x).reshape(5, 3, 3, 2)
    for constant, axis, aligned in (
        (f32(3), 1, f32(3)[:, None, None]),
        (f32(3, 3), 1, f32(3, 3)[:, :, None]),
        (f32(3, 2), None, f32(3, 2)),
        (f32(2), 3, f32(2)),
        (f32(1), None, f32(1)),
    ):
        attributes = {"broadcast": 1} | ({} if axis is None else {"axis": axis})
        model = exactcnn.from_onnx(old(conv().add("Add", constant, **attributes)).save(tmp_path / "m.onnx"))
        assert np.array_equal(exact_outputs(model, x), (plain + aligned).reshape(5, -1))
    with pytest.raises(exactcnn.MalformedError, match="broadcast"):
        exactcnn.from_onnx(old(conv().add("Add", f32(3, 1, 1))).save(tmp_path / "m.onnx"))
    with pytest.raises(exactcnn.MalformedError, match="axis"):
        exactcnn.from_onnx(old(conv().add("Add", f32(3), broadcast=1, axis=4)).save(tmp_path / "m.onnx"))


@pytest.mark.parametrize("kind", ["BatchNormalization", "Dropout"])
def test_modes_before_opset_7(tmp_path, kind):
    """Files had to say that they are not in training."""
    constants = [f32(3), f32(3), f32(3), np.float32([4, 4, 4])] if kind == "BatchNormalization" else []
    assert (
        exactcnn.from_onnx(
            old(conv().add(kind, *constants, is_test=1)).save(tmp_path / "m.onnx")
        ).network.depth
        == 1
    )
    with pytest.raises(exactcnn.MalformedError, match="is_test"):
        exactcnn.from_onnx(old(conv().add(kind, *constants)).save(tmp_path / "m.onnx"))
