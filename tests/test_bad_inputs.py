"""Bad input of every kind to every command: one sentence on stderr, exit code 2, with --json one object.

The table is made from data: hostile values put into a good spec, good data, weights and certificates; good files cut
off at several places; options out of range.  What the other tables of bad calls have (tests/test_cli.py,
tests/sampling/test_command_line.py) is not repeated.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

import exactcnn
from exactcnn import cli

CONV = {"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"}
NET = {"name": "net", "input": [4], "layers": [CONV, {"kind": "dense", "units": 2}]}
TABLE = "a,b,c,d,y\n1,2,0,3,0\n0,1,1,2,1\n5,4,4,0,1\n"
# The first words of the fields in the catalogue, and how the command line complains by itself.
ERRORS = (Path(exactcnn.__file__).parent / "docs" / "errors.md").read_text().split("## The fields")[1]
FIELDS = {
    name.split()[0].split(".")[0].split("[")[0]
    for line in ERRORS.splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`([^`]+)`", line.split("|")[1])
}
USAGE = (
    "Invalid value for '--",
    "Missing argument '",
    "No such command '",
    "No such option: --",
    "Option '--",
)
DEEP, HUGE = "[" * 50_000, "9" * 6_000


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **{name: np.asarray(array) for name, array in arrays.items()})
    return stream.getvalue()


def layer(**change):
    """The good network with a changed first layer."""
    return json.dumps({**NET, "layers": [{**CONV, **change}, NET["layers"][1]]})


def certificate():
    net = exactcnn.Network.from_dict(NET)
    return exactcnn.verify(net, [[1, 2, 0, 3], [0, 1, 1, 2]], layer=1).certificate()


def changed(record, path, value):
    """A deep copy with one entry replaced; the value REMOVED removes it."""
    copy = json.loads(json.dumps(record))
    at = copy
    for step in path[:-1]:
        at = at[step]
    if value is REMOVED:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return json.dumps(copy)


REMOVED = object()
W = {"layers": [{"W": [[1, 2, 3], [4, 5, 6]], "b": [0] * 9}, {"W": [[1, 2]] * 9, "b": [0, 0]}]}
IDX = b"\0\0\x08\x03" + struct.pack(">3I", 3, 2, 2) + bytes(range(12))

# Bad specs: the text of a file .json (or .toml) that `verify`, `sample` and `critical` are given.
SPECS = {
    "not-json": "{",
    "deep": DEEP,
    "list": "[]",
    "number": "7",
    "null": "null",
    "duplicate-key": '{"input": [4], "input": [5], "layers": []}',
    "nan": layer(kernel=0).replace('"kernel": 0', '"kernel": NaN'),
    "infinity": layer(kernel=0).replace('"kernel": 0', '"kernel": Infinity'),
    "huge-integer": layer(kernel=0).replace('"kernel": 0', f'"kernel": {HUGE}'),
    "float-kernel": layer(kernel=2.0),
    "text-kernel": layer(kernel="2"),
    "bool-kernel": layer(kernel=True),
    "null-kernel": layer(kernel=None),
    "zero-kernel": layer(kernel=0),
    "negative-kernel": layer(kernel=-1),
    "kernel-beyond-input": layer(kernel=5),
    "kernel-of-two-axes": layer(kernel=[2, 2]),
    "empty-kernel": layer(kernel=[]),
    "zero-stride": layer(stride=0),
    "negative-stride": layer(stride=-1),
    "negative-padding": layer(padding=-1),
    "zero-dilation": layer(dilation=0),
    "dilation-beyond-input": layer(dilation=9),
    "zero-filters": layer(filters=0),
    "negative-filters": layer(filters=-3),
    "huge-filters": layer(filters=10**18),
    "patches-out-of-range": json.dumps(
        {**NET, "layers": [{"kind": "conv", "filters": 1, "patches": [[0, 4]]}]}
    ),
    "patches-negative": json.dumps({**NET, "layers": [{"kind": "conv", "filters": 1, "patches": [[0, -1]]}]}),
    "patches-repeated": json.dumps({**NET, "layers": [{"kind": "conv", "filters": 1, "patches": [[1, 1]]}]}),
    "patches-ragged": json.dumps(
        {**NET, "layers": [{"kind": "conv", "filters": 1, "patches": [[0], [1, 2]]}]}
    ),
    "patches-empty": json.dumps({**NET, "layers": [{"kind": "conv", "filters": 1, "patches": [[]]}]}),
    "patches-none": json.dumps({**NET, "layers": [{"kind": "conv", "filters": 1, "patches": []}]}),
    "patches-and-kernel": layer(patches=[[0, 1]]),
    "unknown-activation": layer(activation="rleu"),
    "activation-number": layer(activation=3),
    "activation-unknown-parameter": layer(activation={"name": "relu", "slope": "1/2"}),
    "activation-slope-1": layer(activation={"name": "leaky_relu", "slope": 1}),
    "activation-alpha-0": layer(activation={"name": "softplus", "alpha": 0}),
    "activation-alpha-infinite": layer(activation={"name": "softplus", "alpha": "1/0"}),
    "expression-hostile": layer(
        activation={"name": "custom", "expression": "__import__('os').system('true')"}
    ),
    "expression-tower": layer(activation={"name": "custom", "expression": "9**9**9**9**9*t"}),
    "expression-unfinished": layer(activation={"name": "custom", "expression": "t + (1"}),
    "expression-empty": layer(activation={"name": "custom", "expression": ""}),
    "expression-long": layer(activation={"name": "custom", "expression": "t" + "+t" * 5000}),
    "unknown-bias": layer(bias="both"),
    "unknown-kind": layer(kind="attention"),
    "no-kind": json.dumps({**NET, "layers": [{"units": 3}]}),
    "layer-text": json.dumps({**NET, "layers": ["conv"]}),
    "no-layers": json.dumps({"input": [4], "layers": []}),
    "layers-missing": json.dumps({"input": [4]}),
    "input-missing": json.dumps({"layers": NET["layers"]}),
    "input-empty": json.dumps({**NET, "input": []}),
    "input-zero": json.dumps({**NET, "input": [0]}),
    "input-negative": json.dumps({**NET, "input": [-4]}),
    "input-huge": json.dumps({**NET, "input": [10**9, 10**9]}),
    "input-five-axes": json.dumps({**NET, "input": [1, 2, 2, 2, 2]}),
    "units-missing": json.dumps({**NET, "layers": [{"kind": "dense"}]}),
    "name-number": json.dumps({**NET, "name": 3}),
}
TOML = {
    "toml-cut": 'input = [4]\n[[layers]\nkind = "conv"',
    "toml-float": "input = [4.5]\nlayers = []",
    "toml-nan": "input = [nan]\nlayers = []",
    "toml-date": "input = 1979-05-27\nlayers = []",
    "toml-twice": "input = [4]\ninput = [5]",
}
# Bad data and weights files: name with its suffix -> bytes or text.
DATA = {
    "empty.csv": "",
    "header-only.csv": "a,b,c,d,y\n",
    "narrow.csv": "a,b,y\n1,2,0\n3,4,1\n",
    "ragged.csv": "1,2,3,4\n1,2,3\n",
    "nan.csv": "1,2,3,nan\n1,2,3,4\n",
    "inf.csv": "1,2,3,4\n1,2,3,-inf\n",
    "overflow.csv": "1,2,3,1e999999\n",
    "hexadecimal.csv": "1,2,3,4\n1,2,3,0x10\n",
    "latin1.csv": b"a,b,c,\xe9\n1,2,3,4\n",
    "label.csv": TABLE.replace("0,1\n", "0,7\n"),
    "half.csv": TABLE.replace("0,1\n", "0,1/2\n"),
    "targets-twice.csv": "a,b,c,y,y\n1,2,3,4,5\n",
    "deep.json": '{"x": ' + DEEP,
    "floats.json": '{"x": [[1, 2, 0.5, 3]]}',
    "nan.json": '{"x": [[1, 2, NaN, 3]]}',
    "twice.json": '{"x": [[1, 2, 3, 4]], "x": [[1, 2, 3, 4]]}',
    "huge.json": '{"x": [[1, 2, 3, ' + HUGE + "]]}",
    "long-text.json": '{"x": [[1, 2, 3, "' + "9" * 200_000 + '"]]}',
    "denominator.json": '{"x": [[1, 2, 3, "1/0"]]}',
    "denominators.json": json.dumps({"x": [[f"1/{p}" for p in range(10**9, 10**9 + 4)] for _ in range(3)]})[
        :-1
    ],
    "unknown-key.json": '{"x": [[1, 2, 3, 4]], "z": 1}',
    "no-samples.json": '{"x": []}',
    "booleans.json": '{"x": [[true, 2, 3, 4]]}',
    "words.json": '{"x": "1234"}',
    "nan.npz": npz(x=np.array([[1.0, 2, 3, np.nan]])),
    "infinite.npz": npz(x=np.array([[1.0, 2, 3, -np.inf]])),
    "complex.npz": npz(x=np.ones((2, 4), dtype=complex)),
    "texts.npz": npz(x=np.array([["a"] * 4])),
    "no-x.npz": npz(z=np.ones((2, 4))),
    "scalar.npz": npz(x=3),
    "empty.npz": npz(x=np.ones((0, 4))),
    "no-values.npz": npz(x=np.ones((4, 0))),
    "targets.npz": npz(x=np.ones((2, 4)), y=[1, 0, 1]),
    "channels-last.npz": npz(x=np.ones((2, 2, 4))),
    "member.npz": npz(x=np.ones((2, 4))).replace(b"x.npy", b"x.txt"),
    "header.npz": npz(x=np.ones((2, 4))).replace(b"'shape': (2, 4)", b"'shape': (2,-4)"),
    "floats-idx": b"\0\0\x0d\x03" + IDX[4:],
    "no-axes-idx": b"\0\0\x08\0",
    "giant-idx": b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31),
    "trailing-idx": IDX + b"\0",
    "bad-crc-idx.gz": gzip.compress(IDX)[:-8] + bytes(8),
}
WEIGHTS = {
    "no-layers.json": "{}",
    "deep.json": DEEP,
    "one-layer.json": json.dumps({"layers": W["layers"][:1]}),
    "null-layer.json": json.dumps({"layers": [None, W["layers"][1]]}),
    "transposed.json": json.dumps(
        {"layers": [{**W["layers"][0], "W": [[1, 4], [2, 5], [3, 6]]}, W["layers"][1]]}
    ),
    "ragged.json": json.dumps({"layers": [{**W["layers"][0], "W": [[1, 2, 3], [4]]}, W["layers"][1]]}),
    "floats.json": json.dumps(
        {"layers": [{**W["layers"][0], "W": [[0.5, 2, 3], [4, 5, 6]]}, W["layers"][1]]}
    ),
    "no-bias.json": json.dumps({"layers": [{"W": W["layers"][0]["W"]}, W["layers"][1]]}),
    "short-bias.json": json.dumps({"layers": [{**W["layers"][0], "b": [1]}, W["layers"][1]]}),
    "unknown-key.json": json.dumps({"layers": [{**W["layers"][0], "c": [1]}, W["layers"][1]]}),
    "ln3.json": json.dumps(
        {"layers": [{**W["layers"][0], "W": [["1*ln3", 2, 3], [4, 5, 6]]}, W["layers"][1]]}
    ),
    "nan.npz": npz(W1=np.full((2, 3), np.nan), b1=np.zeros(9), W2=np.ones((9, 2)), b2=np.zeros(2)),
    "infinite.npz": npz(W1=np.full((2, 3), np.inf), b1=np.zeros(9), W2=np.ones((9, 2)), b2=np.zeros(2)),
    "missing.npz": npz(W1=np.ones((2, 3)), b1=np.zeros(9)),
    "more.npz": npz(
        W1=np.ones((2, 3)), b1=np.zeros(9), W2=np.ones((9, 2)), b2=np.zeros(2), W3=np.ones((2, 2))
    ),
    "shapes.npz": npz(W1=np.ones((3, 2)), b1=np.zeros(9), W2=np.ones((9, 2)), b2=np.zeros(2)),
    "length.safetensors": struct.pack("<Q", 2**60) + b"{}",
    "header.safetensors": struct.pack("<Q", 9) + b'{"W1": 3}',
    "deep.safetensors": struct.pack("<Q", len(DEEP)) + DEEP.encode(),
    "offsets.safetensors": (lambda head: struct.pack("<Q", len(head)) + head)(
        b'{"W1": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 99999]}}'
    ),
    "weights.txt": "1 2 3",
}
# Where a certificate is hurt, and what is put there.
CERTIFICATES = {
    "version": (["version"], 1),
    "version-text": (["version"], "one"),
    "format": (["format"], "other"),
    "unknown-key": (["extra"], 1),
    "no-claims": (["claims"], []),
    "no-digests": (["digests"], REMOVED),
    "digest": (["digests", "network"], "ab"),
    "statement": (["claims", 0, "statement"], "riemann-hypothesis"),
    "statement-list": (["claims", 0, "statement"], ["rank"]),
    "verdict": (["claims", 0, "verdict"], "true"),
    "node-10001": (["claims", 0, "node"], 10_001),
    "node-text": (["claims", 0, "node"], "1/2"),
    "node-float": (["claims", 0, "node"], 1.0),
    "weights-name": (["claims", 0, "weights"], "Given!"),
    "by-null": (["claims", 0, "by"], None),
    "by-nothing": (["claims", 0, "by"], []),
    "by-negative": (["claims", 0, "by"], [-1]),
    "no-judgments": (["judgments"], []),
    "prime-negative": (["judgments", 0, "prime"], -7),
    "prime-huge": (["judgments", 0, "prime"], str(2**70)),
    "rows-text": (["judgments", 0, "rows"], "01"),
    "rows-negative": (["judgments", 0, "rows"], [-1, 0]),
    "kind": (["judgments", 0, "kind"], "trust-me"),
    "matrix": (["judgments", 0, "of", "matrix"], "identity"),
    "fraction": (["instance", "data", "denominator"], "2/4"),
    "bool": (["instance", "data", "denominator"], True),
    "no-targets": (["instance", "targets"], REMOVED),
    "stride-0": (["instance", "network", "nodes", 0, "stride"], [0]),
    "padding": (["instance", "network", "nodes", 0, "padding"], [[-1, 0]]),
    "no-source": (["instance", "network", "nodes", 0, "of"], []),
    "node-kind": (["instance", "network", "nodes", 0, "kind"], "attention"),
    "activation": (["instance", "network", "nodes", 1, "activation", "name"], "rleu"),
    "weights-list": (["instance", "weights"], []),
    "bits": (["instance", "weights", "given", "bits"], 65),
    "seed": (["instance", "weights", "given", "seed"], "18446744073709551616"),
    "many-digits": (["claims", 0, "lower"], "9" * 100_001),
}
RAW = {
    "empty": b"",
    "list": b"[]",
    "deep": DEEP.encode(),
    "nan": b'{"format": NaN}',
    "huge": f'{{"version": {HUGE}}}'.encode(),
    "twice": b'{"format": "exactcnn-certificate", "format": "exactcnn-certificate"}',
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "not-utf-8": b'{"format": "\xff"}',
    "surrogates": b'{"format": "\\ud800"}',
}
OPTIONS = [
    *(["verify", "net.json", "--data", "d.csv", *more] for more in (
        ["--prime", "4"], ["--prime", "2147483646"], ["--prime", "1"], ["--prime", "1" + "0" * 5000],
        ["--prime", "3.5"], ["--layer", "3"], ["--layer", "0"], ["--seed", "1e3"], ["--seed", str(2**64)],
        ["--bits", "0"], ["--bits", "65"], ["--bits", ""], ["--distribution", "cauchy"],
        ["--distribution", "sparse:2"], ["--distribution", "integer:0"], ["--distribution", "sparse:x"],
        ["--statement", "theorem-9.9"], ["--statement", "RANK"], ["--samples", "4"], ["--start", "99"],
        ["--scale", "1/0"], ["--scale", "0"], ["--scale", "inf"], ["--scale", "1,5"],
        ["--certificate", "absent/c.json"], ["--certificate", "folder"], ["--certificate", "d.csv/c.json"],
        ["--certificate", "/proc/c.json"], ["--certificate", "/dev/null"], ["--certificate", "net.json"],
        ["--certificate", "n" * 300], ["--save-weights", "w.json"],
        ["--statement", "theorem-3.4", "--save-weights", "folder"],
        ["--statement", "theorem-3.4", "--save-weights", "w.npz"],
        ["--resume"], ["--checkpoint", "weights"], ["--checkpoint", "weights", "--resume"], ["--checkpoint", "d.csv"],
    )),
    *(["sample", "net.json", "--data", "d.csv", *more] for more in (
        ["--draws", "0"], ["--draws", "-5"], ["--draws", str(10**12)], ["--samples", "9"], ["--layer", "9"],
        ["--seed", "-1"], ["--bits", "0"], ["--sweep", "width"], ["--sweep", "width="], ["--sweep", "width=0"],
        ["--sweep", "width=-1,2"], ["--sweep", "width=1,,2"], ["--sweep", "width=1,1"], ["--sweep", "colour=red"],
        ["--sweep", "activation=rleu"], ["--sweep", "depth=0"], ["--sweep", "N=99"], ["--sweep", "bits=99"],
        ["--sweep", "width=" + HUGE], ["--sweep", "width=1", "--sweep", "width=2"], ["--distribution", "x"],
        ["-o", "t.xlsx"], ["-o", "t"], ["-o", "absent/t.csv"], ["-o", "folder.csv"], ["-o", "d.csv"],
        ["-o", "n" * 300 + ".csv"], ["-o", "finished.csv"], ["--jobs", "0"], ["--dask", ""],
    )),
    *(["critical", "net.json", "--data", "d.csv", *more] for more in (
        ["--enumerate", "--complex"], ["--enumerate", "--search", "3"], ["--search", "0"], ["--search", "-1"],
        ["--search", "x"], ["--plant"], ["--box", "0", "1"], ["--box", "0"], ["--most-boxes", "5"],
        ["--ridge", "1"], ["--layer", "9"], ["--weights", "absent.npz"], ["--samples", "0"], ["--bits", "99"],
        ["--certificate", "folder"], ["--certificate", "d.csv"], ["--classify", "--seed", "-1"],
    )),
    *(["critical", "tiny.json", "--data", "d.csv", *more] for more in (
        ["--enumerate", "--box", "1", "0"], ["--enumerate", "--box", "1", "1"], ["--enumerate", "--box", "a", "b"],
        ["--enumerate", "--box", "nan", "1"], ["--enumerate", "--box", "-1e400", "1e400"],
        ["--enumerate", "--ridge", "-1"], ["--enumerate", "--ridge", "x"], ["--enumerate", "--ridge", "1e400"],
        ["--enumerate", "--most-boxes", "0"], ["--enumerate", "--most-boxes", "-1"], ["--complex", "--ridge", "-1/0"],
        ["--complex", "--ridge", "generical"], ["--complex", "--seed", "-1"], ["--search", "1", "--seed", "-1"],
    )),
    ["critical", "net.json", "--data", "no-targets.csv"],
    ["critical", "tiny.json", "--data", "no-targets.csv", "--enumerate"],
    ["critical", "tiny.json", "--data", "no-targets.csv", "--complex"],
    ["critical", "tiny.json", "--data", "no-targets.csv", "--search", "2"],
    ["check", "large.json", "--max-memory", "64"],
    ["check", "good.json", "--max-memory", "1"],
    ["check", "good.json", "--max-memory", "-1"],
    ["check", "good.json", "--max-memory", "x"],
    ["check", "good.json", "--max-seconds", "0"],
    ["check", "good.json", "--max-seconds", "-1"],
    ["check", "good.json", "--max-seconds", "x"],
    ["check", "good.json", "--max-work", "1"],
    ["check", "good.json", "absent.json"],
    ["check", "file.json", "--data", "absent"],
    ["check", "file.json", "--data", "folder"],
    *(["audit", *more] for more in (
        ["lenet"], [""], ["VGG-D\x1b"], ["vgg-d", "vgg-z"], ["x" * 300], ["--nope"], ["--layers", "net.json"],
    )),
    ["check"],
    ["prove", "net.json"],
]  # fmt: skip


def write_all(folder):
    """Every file that the table names, and the good ones beside them."""
    record = certificate()
    for name, text in SPECS.items():
        (folder / f"spec-{name}.json").write_text(text)
    for name, text in TOML.items():
        (folder / f"spec-{name}.toml").write_text(text)
    for kind, files in (("data", DATA), ("weights", WEIGHTS)):
        (folder / kind).mkdir()
        for name, content in files.items():
            (folder / kind / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, (path, value) in CERTIFICATES.items():
        (folder / f"certificate-{name}.json").write_text(changed(record, path, value))
    for name, raw in RAW.items():
        (folder / f"raw-{name}.json").write_bytes(raw)
    filed = {
        "kind": "file",
        "name": "nowhere.npz",
        "format": "npz",
        "sha256": "0" * 64,
        "shape": [2, 4],
        "start": 0,
    }
    forged = json.loads(changed(record, ["instance", "data"], {**filed, "scale": 1}))
    from exactcnn.certificates.instance_json import digests

    (folder / "file.json").write_text(json.dumps({**forged, "digests": digests(forged["instance"])}))
    (folder / "good.json").write_text(json.dumps(record))
    (folder / "large.json").write_text(json.dumps(record) + " " * 2**25)
    (folder / "net.json").write_text(json.dumps(NET))
    (folder / "tiny.json").write_text(
        '{"input": [4], "layers": [{"kind": "dense", "units": 1, "bias": "none"}]}'
    )
    (folder / "net.toml").write_text('input = [4]\n[[layers]]\nkind = "dense"\nunits = 2\n')
    (folder / "d.csv").write_text(TABLE)
    (folder / "no-targets.csv").write_text("1,2,0,3\n0,1,1,2\n")
    (folder / "x.npz").write_bytes(npz(x=[[1, 2, 0, 3], [0, 1, 1, 2]], y=[0, 1]))
    (folder / "x-idx").write_bytes(IDX)
    (folder / "x-idx.gz").write_bytes(gzip.compress(IDX))
    (folder / "x.json").write_text('{"x": [[1, 2, 0, 3], [0, 1, 1, 2]]}')
    (folder / "w.json").write_text(json.dumps(W))
    (folder / "w.npz").write_bytes(
        npz(W1=np.ones((2, 3)), b1=np.zeros(9), W2=np.ones((9, 2)), b2=np.zeros(2))
    )
    (folder / "w.safetensors").write_bytes(safetensors())
    (folder / "finished.csv").write_text("cell,width\n")
    (folder / "folder").mkdir()
    (folder / "folder.csv").mkdir()
    (folder / "model.onnx").write_bytes(b"\x08\x08\x12\x00onnx\xff" * 9)
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "folder.onnx").mkdir()


def safetensors():
    """A good safetensors file, by its format: length, JSON header, bytes."""
    arrays = {"W1": np.ones((2, 3)), "b1": np.zeros(9), "W2": np.ones((9, 2)), "b2": np.zeros(2)}
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + b"".join(array.tobytes() for array in arrays.values())


# A good file of each kind -> the call that reads it; all but the last few bytes, half and one byte of it are bad.
CUT = {
    "net.json": ["verify", "FILE", "--data", "d.csv"],
    "net.toml": ["verify", "FILE", "--data", "d.csv"],
    "d.csv": None,  # a table cut off is a shorter table
    "x.json": ["verify", "net.json", "--data", "FILE"],
    "x.npz": ["verify", "net.json", "--data", "FILE"],
    "x-idx": ["sample", "net.json", "--data", "FILE", "--draws", "1"],
    "x-idx.gz": ["verify", "net.json", "--data", "FILE"],
    "w.json": ["verify", "net.json", "--data", "d.csv", "--weights", "FILE"],
    "w.npz": ["critical", "net.json", "--data", "d.csv", "--weights", "FILE"],
    "w.safetensors": ["verify", "net.json", "--data", "d.csv", "--weights", "FILE"],
    "good.json": ["check", "FILE"],
}


def calls():
    """(name, arguments): the whole table."""
    for name in (*(f"spec-{name}.json" for name in SPECS), *(f"spec-{name}.toml" for name in TOML)):
        for command in ("verify", "sample", "critical"):
            yield f"{command} {name}", [command, name, "--data", "d.csv"]
    for name in DATA:
        asked = ["--statement", "loss"] if name in ("label.csv", "half.csv") else []
        yield f"verify data {name}", ["verify", "net.json", "--data", f"data/{name}", *asked]
        if not asked:
            yield f"sample data {name}", ["sample", "net.json", "--data", f"data/{name}"]
        yield f"critical data {name}", ["critical", "net.json", "--data", f"data/{name}"]
    for command in ("verify", "sample", "critical"):
        for name in ("absent.toml", "absent.json", "folder", ".", "", "d.csv/net.toml", "n" * 300 + ".json"):
            yield f"{command} spec {name[:20]!r}", [command, name, "--data", "d.csv"]
        for name in ("absent.npz", "folder", "", "folder.csv", "net.toml", "d.csv/x.npz", "n" * 300 + ".npz"):
            yield f"{command} data {name[:20]!r}", [command, "net.json", "--data", name]
    for name in ("absent.json", "folder", "", "d.csv", "n" * 300 + ".npz"):
        yield f"verify weights {name[:20]!r}", ["verify", "net.json", "--data", "d.csv", "--weights", name]
    for name in ("absent.json", "folder", "", "d.csv", "net.toml", "x.npz", "/dev/null", "n" * 300 + ".json"):
        yield f"check {name[:20]!r}", ["check", name]
    for name in WEIGHTS:
        for command in ("verify", "critical"):
            yield (
                f"{command} weights {name}",
                [command, "net.json", "--data", "d.csv", "--weights", f"weights/{name}"],
            )
    for name in (*(f"certificate-{name}" for name in CERTIFICATES), *(f"raw-{name}" for name in RAW)):
        yield f"check {name}", ["check", f"{name}.json"]
    for name in ("model.onnx", "empty.onnx", "folder.onnx", "absent.onnx"):
        for command in ("verify", "sample", "critical"):
            yield f"{command} {name}", [command, name]
    for name, call in CUT.items():
        for where in ("one", "half", "end"):
            if call is not None:
                yield (
                    f"{call[0]} {name} cut: {where}",
                    [part.replace("FILE", f"{where}-{name}") for part in call],
                )
    for arguments in OPTIONS:
        yield " ".join(arguments)[:70], arguments


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("bad inputs")
    write_all(made)
    for name in CUT:
        raw = (made / name).read_bytes().rstrip()
        for where, end in (("one", 1), ("half", len(raw) // 2), ("end", len(raw) - 3)):
            (made / f"{where}-{name}").write_bytes(raw[:end])
    return made


COMMAND = typer.main.get_command(cli.app)  # made once: typer takes longer to make it than to run it


def call(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["exactcnn", *arguments])
    monkeypatch.setattr(cli, "app", COMMAND)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, err = capsys.readouterr()
    return caught.value.code, out, err


@pytest.mark.parametrize("arguments", [pytest.param(arguments, id=name) for name, arguments in calls()])
def test_one_sentence_and_exit_code_2(monkeypatch, capsys, folder, arguments):
    """Nothing on stdout but, with --json, one object whose error is that sentence; no file is written."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("EXACTCNN_DEBUG", raising=False)
    before = sorted(os.listdir(folder))
    code, out, err = call(monkeypatch, capsys, arguments)
    assert code == 2, (out, err)
    several = arguments[:2] == ["check", "good.json"] and "absent.json" in arguments
    assert ("VERIFIED" in out) == several  # the good one of two is said to be good
    assert out == "" or several
    assert err.endswith("\n")
    assert err.count("\n") == 1
    sentence = err.rstrip("\n")
    assert sentence.isprintable()
    assert "Traceback" not in sentence
    assert "internal error" not in sentence.lower()
    assert len(sentence) < 700
    if ": MALFORMED: " not in sentence and ": NOT CHECKED: " not in sentence:
        assert sentence.startswith("exactcnn: ")
        sentence = sentence.removeprefix("exactcnn: ")
        field = re.match(r"[A-Za-z_-]*", sentence)[0]
        assert field in FIELDS or sentence.startswith(USAGE), "a field that docs/errors.md does not have"
    code, out, again = call(monkeypatch, capsys, [arguments[0], "--json", *arguments[1:]])
    assert (code, again) == (2, err)
    (line,) = out.splitlines()
    assert json.loads(line)["error"] == sentence
    assert sorted(os.listdir(folder)) == before


def test_the_table_is_large_and_the_good_files_are_good(monkeypatch, capsys, folder):
    """The calls differ from calls that succeed in what is bad, and in nothing else."""
    assert len(list(calls())) >= 60
    assert {arguments[0] for _, arguments in calls()} >= {"verify", "check", "sample", "critical"}
    monkeypatch.chdir(folder)
    for arguments in (
        *([part.replace("FILE", name) for part in made] for name, made in CUT.items() if made is not None),
        ["verify", "net.json", "--data", "d.csv", "--statement", "loss"],
        ["critical", "net.json", "--data", "d.csv"],
        *(
            ["critical", "tiny.json", "--data", "d.csv", *more]
            for more in (["--enumerate", "--most-boxes", "50"], ["--complex"])
        ),
        ["check", "good.json"],
    ):
        if arguments[0] == "sample":
            arguments += ["-o", "good.csv"]
        assert call(monkeypatch, capsys, arguments)[0] in (0, 1, 3), arguments


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["net.json", "d.csv", "w.json", "good.json"])
def test_unreadable_files(monkeypatch, capsys, tmp_path, name):
    """A file without read permission, of each kind."""
    write_all(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path(name).chmod(0)
    arguments = (
        ["check", name]
        if name == "good.json"
        else ["verify", "net.json", "--data", "d.csv", "--weights", "w.json"]
    )
    code, out, err = call(monkeypatch, capsys, arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert name in err


def test_unwritable_folders(monkeypatch, capsys, folder):
    """Where the system refuses to write, nothing is computed only to be lost (root is refused nothing: simulated)."""
    monkeypatch.chdir(folder)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **more: mode != os.W_OK and real(path, mode, **more))
    for arguments in (
        ["verify", "net.json", "--data", "d.csv", "--certificate", "new.json"],
        ["critical", "net.json", "--data", "d.csv", "--certificate", "new.json"],
        ["sample", "net.json", "--data", "d.csv", "-o", "new.csv"],
    ):
        code, out, err = call(monkeypatch, capsys, arguments)
        assert (code, out) == (2, "")
        assert "no permission to write it" in err
