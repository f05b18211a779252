"""Hostile, damaged and unsupported ONNX files on the command line: one sentence and exit code 2."""

from __future__ import annotations

import json
import random
import sys

import numpy as np
import pytest

import exactcnn
from exactcnn.cli import main
from exactcnn.errors import ExactCNNError
from tests.interop.models import OnnxChain, f32

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'exactcnn[onnx]'")
pytestmark = pytest.mark.filterwarnings("ignore")
BF = 16  # TensorProto.BFLOAT16


def chain(shape=(2, 4, 3)):
    return OnnxChain(shape)


def conv(W=None, *rest, **attributes):
    return chain().add("Conv", f32(3, 2, 2, 2) if W is None else W, *rest, **attributes)


def raw(change):
    """A good model with ``change`` done to its protobuf."""

    def build():
        model = conv().add("Relu").model()
        change(model)
        return model

    return build


def external(**entries):
    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)

    return raw(change)


def second_output(model):
    model.graph.output.append(onnx.helper.make_tensor_value_info("v1", 1, ["a", "b", "c", "d"]))


def function(model):
    model.functions.add(name="f", domain="here")


def branches():
    made = chain((4,)).add("MatMul", f32(4, 4))
    before = made.value
    made.add("MatMul", f32(4, 4))
    return made.add("Mul", before)


def with_value(value):
    W = f32(3, 2, 2, 2)
    W[1, 1, 0, 1] = value
    return conv(W)


MODELS = {
    "unknown operation": (
        lambda: conv().add("Softmax").add("Relu"),
        "operation Softmax: expected one of Abs.*cut the network below it",
    ),
    "global maximum": (lambda: conv().add("GlobalMaxPool"), "operation GlobalMaxPool"),
    "transposed convolution": (
        lambda: chain().add("ConvTranspose", f32(2, 3, 2, 2)),
        "operation ConvTranspose",
    ),
    "own domain": (lambda: conv().add("Relu", domain="my.domain"), "my.domain.Relu"),
    "cast": (lambda: conv().add("Cast", to=7), "longer float"),
    "product of branches": (branches, "x \\* x, or a sum or diff"),
    "not a number": (
        lambda: with_value(np.nan),
        r"weight\[1\]\[1\]\[0\]\[1\]: expected a finite number, found nan",
    ),
    "infinite": (lambda: with_value(np.inf), "a finite number, found inf"),
    "integer weights": (lambda: conv(f32(3, 2, 2, 2).astype(np.int64)), "."),
    "wrong channels": (lambda: conv(f32(3, 5, 2, 2)), "2 channels"),
    "wrong axes": (lambda: conv(f32(3, 2, 2)), "1 axes"),
    "wrong bias": (lambda: conv(None, f32(4)), r"bias: expected shape \(3,\)"),
    "bad groups": (lambda: conv(group=3), "equal groups"),
    "no groups": (lambda: conv(group=0), "equal groups"),
    "zero stride": (lambda: conv(strides=[0, 1]), "positive strides"),
    "huge stride": (lambda: conv(strides=[2**62, 1], dilations=[2**62, 1]), "fits into"),
    "short strides": (lambda: conv(strides=[1]), "for 2 axes"),
    "negative padding": (lambda: conv(pads=[-1, 0, 0, 0]), "at least 0"),
    "huge padding": (lambda: conv(pads=[2**40, 0, 2**40, 0]), "."),
    "only padding": (lambda: conv(pads=[5, 5, 5, 5]), "real neuron"),
    "huge kernel": (lambda: conv(f32(3, 2, 9, 2)), "fits into the padded extent"),
    "kernel_shape": (lambda: conv(kernel_shape=[3, 2]), "as its weights have"),
    "odd auto_pad": (lambda: conv(auto_pad="MAYBE"), "auto_pad"),
    "wrong attribute type": (lambda: conv(strides=2.5), "."),
    "dense on an image": (lambda: chain().add("MatMul", f32(3, 2)), "put Flatten before it"),
    "wrong matrix": (lambda: chain((4,)).add("MatMul", f32(5, 2)), r"shape \(out, 4\)"),
    "a bias for each sample": (
        lambda: chain((2,)).add("Gemm", np.eye(2, dtype=np.float32), np.array([[1], [0]], dtype=np.float32)),
        "a bias for each unit",
    ),
    "a bias for each sample and unit": (
        lambda: chain((2,)).add("Gemm", f32(2, 3), f32(2, 3)),
        "a bias for each unit",
    ),
    "transposed input": (lambda: chain((4,)).add("Gemm", f32(4, 2), transA=1), "transA"),
    "transposed tensor": (lambda: conv().add("Transpose"), "keeps the batch first"),
    "reshape to an image": (lambda: chain((12,)).add("Reshape", np.array([-1, 3, 4])), "a reshape to"),
    "reshape into the batch": (lambda: chain().add("Reshape", np.array([1, -1])), "keeps the batch"),
    "flatten the batch": (lambda: chain().add("Flatten", axis=0), "all axes but the batch"),
    "cube": (lambda: conv().add("Pow", np.float32(0.5)), "square"),
    "division by 0": (lambda: conv().add("Div", np.float32(0)), "other than 0"),
    "wide constant": (lambda: conv().add("Add", f32(2, 3, 3, 2)), "a constant that fits"),
    "scale per element": (lambda: conv().add("Mul", f32(3, 3, 2)), "one scale for each channel"),
    "pool without kernel": (lambda: chain().add("MaxPool"), "."),
    "negative variance": (
        lambda: chain().add("BatchNormalization", f32(2), f32(2), f32(2), np.float32([-1, -2])),
        "var \\+ eps > 0",
    ),
    "training norm": (
        lambda: chain().add("BatchNormalization", *[f32(2)] * 4, training_mode=1, outputs=3),
        "model.eval",
    ),
    "training dropout": (lambda: chain().add("Dropout", np.float32(0.5), np.array(True)), "model.eval"),
    "nothing": (lambda: chain().add("Identity"), "at least one layer"),
    "no batch": (lambda: raw(lambda m: m.graph.input[0].type.tensor_type.shape.ClearField("dim"))(), "."),
    "open height": (lambda: OnnxChain((1, "h", 3)).add("Conv", f32(1, 1, 2, 2)), "fixed sizes"),
    "integer input": (raw(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 7)), "float32"),
    "two outputs": (raw(second_output), "one output, or one of them named"),
    "functions": (raw(function), "local functions"),
    "old opset": (raw(lambda m: setattr(m.opset_import[0], "version", 5)), "opset 6 to"),
    "future opset": (raw(lambda m: setattr(m.opset_import[0], "version", 9999)), "opset 6 to"),
    "no opset": (raw(lambda m: m.ClearField("opset_import")), "opset 6 to"),
    "no graph": (raw(lambda m: m.ClearField("graph")), "with a graph"),
    "no nodes": (raw(lambda m: m.graph.ClearField("node")), "."),
    "dangling input": (raw(lambda m: m.graph.node[0].input.__setitem__(0, "nowhere")), "."),
    "cut tensor": (raw(lambda m: setattr(m.graph.initializer[0], "raw_data", b"abc")), "."),
    "huge dims": (raw(lambda m: m.graph.initializer[0].dims.__setitem__(0, 2**50)), "."),
    "negative dims": (raw(lambda m: m.graph.initializer[0].dims.__setitem__(0, -3)), "."),
    "float8 weights": (raw(lambda m: setattr(m.graph.initializer[0], "data_type", 17)), "."),
    "hostile name": (raw(lambda m: setattr(m.graph.node[1], "op_type", "Re\nlu\x1b[31m" + "x" * 999)), "."),
    "external file missing": (external(location="gone.bin", length="96"), "."),
    "external file above": (external(location="../secret", length="96"), "."),
    "external file absolute": (external(location="/etc/passwd", length="96"), "."),
    "external folder": (external(location=".", length="96"), "."),
    "external without length": (external(location="m.onnx"), "."),
    "external beyond the end": (external(location="m.onnx", offset="100000", length="96"), "."),
    "external strange offset": (external(location="m.onnx", offset="-5", length="96"), "."),
    "external too short": (external(location="m.onnx", length="4"), "."),
}


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty folder; the exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXACTCNN_DEBUG", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["exactcnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return call


def is_one_sentence(err):
    return (
        err.startswith("exactcnn: ") and err.count("\n") == 1 and "Traceback" not in err and "\x1b" not in err
    )


@pytest.mark.parametrize("name", MODELS)
def test_bad_models(run, tmp_path, name):
    """Exit code 2 and one sentence that says what was expected."""
    import re

    build, words = MODELS[name]
    made = build()
    model = made.model() if isinstance(made, OnnxChain) else made
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    code, out, err = run("verify", "m.onnx", "--json")
    assert code == 2, err
    assert is_one_sentence(err)
    assert re.search(words, err), err
    assert ": expected " in err
    assert "data" not in err.partition(":")[2].partition(":")[0]  # the model is refused, not the digits
    assert json.loads(out)["error"]


FILES = {
    "empty": b"",
    "text": b"hello, this is no model\n",
    "json": b'{"input": [4]}',
    "zeros": bytes(1000),
    "zip": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_models(run, tmp_path, name):
    """Whatever a file of that name may hold."""
    (tmp_path / "m.onnx").write_bytes(FILES[name])
    code, _, err = run("verify", "m.onnx")
    assert (code, is_one_sentence(err)) == (2, True)


def test_no_file_and_a_directory(run, tmp_path):
    """The path itself may be wrong."""
    (tmp_path / "d.onnx").mkdir()
    for path in ("absent.onnx", "d.onnx"):
        code, _, err = run("verify", path)
        assert (code, is_one_sentence(err)) == (2, True)


def test_data_of_another_shape(run, tmp_path):
    """Another number of values, or the same number in another order of axes."""
    conv().add("Relu").save(tmp_path / "m.onnx")
    code, _, err = run("verify", "m.onnx")
    assert (code, is_one_sentence(err)) == (2, True)
    np.savez(tmp_path / "last.npz", x=np.zeros((2, 4, 3, 2)))
    code, _, err = run("verify", "m.onnx", "--data", "last.npz")
    assert code == 2
    assert "channels first" in err


@pytest.mark.parametrize("part", range(4))
def test_damaged_files_never_cause_anything_else(tmp_path, part):
    """Cut anywhere, and bytes changed anywhere: a model, or one of our own errors."""
    whole = (
        conv(None, f32(3))
        .add("Relu")
        .add("Flatten")
        .add("Gemm", f32(18, 4), f32(4))
        .model()
        .SerializeToString()
    )
    rng = random.Random(part)
    path = tmp_path / "m.onnx"
    sentences = []
    for _ in range(150):
        data = bytearray(whole)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        else:
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(bytes(data))
        try:
            exactcnn.from_onnx(path)
        except ExactCNNError as error:
            sentences.append(str(error))
    assert len(sentences) > 20
    assert not any("\n" in sentence for sentence in sentences)


def test_a_missing_package_is_named(monkeypatch, run, tmp_path):
    """Without onnx, the sentence says what to install."""
    conv().save(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, _, err = run("verify", "m.onnx")
    assert code == 2
    assert "pip install 'exactcnn[onnx]'" in err
