"""Weight files: exact arrays in, one sentence for everything else."""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import MalformedError
from exactcnn.network.weight_files import LayerArrays, read_weight_file

IN_A_FOLDER = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
FRACTIONS = st.fractions(max_denominator=10**12)
VECTORS = st.lists(FRACTIONS, min_size=1, max_size=4)
MATRICES = st.integers(1, 3).flatmap(
    lambda T: st.lists(st.lists(FRACTIONS, min_size=T, max_size=T), min_size=1, max_size=3)
)
FLOATS = st.sampled_from([np.float16, np.float32, np.float64]).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(max_side=3), elements={"allow_nan": False, "allow_infinity": False}
    )
)
INTEGERS = st.sampled_from("bBhHiIqQ").flatmap(lambda code: hnp.arrays(np.dtype(code), (2, 3)))


def safetensors(header: object, body: bytes = b"") -> bytes:
    """A safetensors file, written here from the format's description."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(dtype: str, shape: list[int], body: bytes, name: str = "conv.weight") -> bytes:
    return safetensors({name: {"dtype": dtype, "shape": shape, "data_offsets": [0, len(body)]}}, body)


def assert_exact(array: RationalArray, values: np.ndarray) -> None:
    assert array.shape == values.shape
    flat = array.reshape(-1).to_fractions()
    assert flat == [Fraction(value) for value in values.ravel().tolist()]


@given(st.lists(st.none() | st.tuples(MATRICES, st.none() | VECTORS), max_size=3), st.booleans())
@IN_A_FOLDER
def test_json_round_trip(tmp_path, layers, spell_null):
    """Rational weights in JSON are read exactly, null layers and biases included."""

    def write(layer):
        if layer is None:
            return None
        record = {"W": [[rational_text(v) for v in row] for row in layer[0]]}
        if layer[1] is not None:
            record["b"] = [int(v) if v.denominator == 1 else rational_text(v) for v in layer[1]]
        elif spell_null:
            record["b"] = None
        return record

    (tmp_path / "w.json").write_text(json.dumps({"layers": [write(layer) for layer in layers]}))
    read = read_weight_file(tmp_path / "w.json")
    assert isinstance(read, list)
    assert len(read) == len(layers)
    for entry, layer in zip(read, layers, strict=True):
        if layer is None:
            assert entry is None
            continue
        assert isinstance(entry, LayerArrays)
        assert entry.W.to_fractions() == layer[0]
        assert (None if entry.b is None else entry.b.to_fractions()) == layer[1]


def test_json_as_documented(tmp_path):
    """The documented example means what the documentation says."""
    path = tmp_path / "w.json"
    path.write_text(
        '{"layers": [{"W": [["-1","0"],["-1","-3/7"]], "b": ["-1", 2]}, null, {"W": [["0.5", 3]]}]}'
    )
    first, second, third = read_weight_file(str(path))
    assert first.W.to_fractions() == [[-1, 0], [-1, Fraction(-3, 7)]]
    assert first.b.to_fractions() == [-1, 2]
    assert second is None
    assert third.W.to_fractions() == [[Fraction(1, 2), 3]]
    assert third.b is None


@given(st.dictionaries(st.sampled_from(["W1", "b1", "conv.weight"]), FLOATS | INTEGERS, min_size=1))
@IN_A_FOLDER
def test_npz_round_trip(tmp_path, arrays):
    """NPZ arrays of any plain dtype and shape are exact."""
    np.savez(tmp_path / "w.npz", **arrays)
    read = read_weight_file(tmp_path / "w.npz")
    assert set(read) == set(arrays)
    for name, values in arrays.items():
        assert_exact(read[name], values)


@given(st.dictionaries(st.sampled_from(["a", "conv.weight", "conv.bias"]), FLOATS | INTEGERS, min_size=1))
@IN_A_FOLDER
def test_safetensors_round_trip(tmp_path, arrays):
    """safetensors arrays of any plain dtype and shape are exact."""
    save_file = pytest.importorskip("safetensors.numpy").save_file
    save_file(arrays, tmp_path / "w.safetensors", metadata={"format": "pt"})
    read = read_weight_file(tmp_path / "w.safetensors")
    assert set(read) == set(arrays)
    for name, values in arrays.items():
        assert_exact(read[name], values)


def test_fortran_order_does_not_transpose(tmp_path):
    """An array stored column by column keeps its entries' places."""
    values = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3) / 4)
    np.savez(tmp_path / "w.npz", W1=values)
    assert_exact(read_weight_file(tmp_path / "w.npz")["W1"], values)


def test_safetensors_missing_is_said_so(tmp_path, monkeypatch):
    """Without the optional package the sentence says what to install."""
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "w.safetensors").write_bytes(tensor("F32", [1], b"\0\0\0\0"))
    with pytest.raises(
        MalformedError, match=r"optional package safetensors .*exactcnn\[safetensors\].* not installed"
    ):
        read_weight_file(tmp_path / "w.safetensors")


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def data(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def npz(**arrays: object) -> Callable[[Path], object]:
    return lambda path: np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})


def layer(entry: str) -> Callable[[Path], object]:
    return text(f'{{"layers": [null, {entry}]}}')


W = r"layers\[1\]\.W"
NAN32 = struct.pack("<2f", 1.0, float("nan"))
CASES: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("missing", "w.json", lambda path: None, "a file that exists"),
    ("directory", "w.npz", lambda path: path.mkdir(), "found a directory"),
    ("suffix", "w.pt", data(b"PK"), r"\.json, \.npz or \.safetensors, found 'w\.pt'"),
    ("name with a line break", "w\n.json", text("[]"), "found list"),
    ("json empty", "w.json", text(""), "valid JSON"),
    ("json a list", "w.json", text("[]"), r"an object {\"layers\": \[\.\.\]} .* found list"),
    ("json no layers", "w.json", text("{}"), "found an object with keys"),
    (
        "json other key",
        "w.json",
        text('{"layers": [], "seed": 1}'),
        r"found an object with keys \['layers', 'seed'\]",
    ),
    ("json layers an object", "w.json", text('{"layers": {}}'), "nothing else"),
    ("json key twice", "w.json", text('{"layers": [], "layers": []}'), "'layers' twice"),
    ("json W twice", "w.json", layer('{"W": [[1]], "W": [[2]]}'), "'W' twice"),
    ("layer a number", "w.json", layer("7"), r"layers\[1\]: expected null or an object"),
    ("layer a list", "w.json", layer("[[1]]"), r"layers\[1\]: expected null or an object"),
    ("layer without W", "w.json", layer('{"b": [1]}'), r"layers\[1\]: .* keys \['b'\]"),
    ("layer with another key", "w.json", layer('{"W": [[1]], "c": 1}'), r"keys \['W', 'c'\]"),
    ("W null", "w.json", layer('{"W": null}'), f"{W}: expected a list of rows"),
    ("W a text", "w.json", layer('{"W": "1"}'), f"{W}: expected a list of rows"),
    ("W empty", "w.json", layer('{"W": []}'), f"{W}: expected a list of rows"),
    ("W of empty rows", "w.json", layer('{"W": [[], []]}'), f"{W}: expected a list of rows"),
    ("W flat", "w.json", layer('{"W": [1, 2]}'), f"{W}: expected a list of rows"),
    ("W deep", "w.json", layer('{"W": [[[1]]]}'), f"{W}: expected a list of rows"),
    ("W ragged", "w.json", layer('{"W": [[1, 2], [3]]}'), rf"{W}\[1\]: expected a list of 2 entries"),
    ("W float", "w.json", layer('{"W": [[1, 0.5]]}'), rf"{W}\[0\]\[1\]: expected .* quoted .* found 0\.5"),
    ("W bool", "w.json", layer('{"W": [[true]]}'), "found bool"),
    ("W null entry", "w.json", layer('{"W": [[null]]}'), "found NoneType"),
    ("W word", "w.json", layer('{"W": [["one"]]}'), "found 'one'"),
    ("W zero denominator", "w.json", layer('{"W": [["1/0"]]}'), "a denominator that is not 0"),
    ("W NaN", "w.json", layer('{"W": [[NaN]]}'), "finite numbers, found NaN"),
    ("W endless", "w.json", layer('{"W": [["%s"]]}' % ("1" * 100_001)), "at most 100000 characters"),
    ("b a number", "w.json", layer('{"W": [[1]], "b": 1}'), r"layers\[1\]\.b: expected a list of numbers"),
    ("b empty", "w.json", layer('{"W": [[1]], "b": []}'), r"layers\[1\]\.b: expected a list of numbers"),
    ("b of rows", "w.json", layer('{"W": [[1]], "b": [[1]]}'), r"layers\[1\]\.b: expected a list of numbers"),
    ("b float", "w.json", layer('{"W": [[1]], "b": [1.0]}'), r"layers\[1\]\.b\[0\]: expected .* quoted"),
    (
        "npz nan",
        "w.npz",
        npz(W1=[[0.0, np.nan]]),
        r"w\.npz\.W1\[0\]\[1\]: expected a finite number, found nan",
    ),
    (
        "npz inf",
        "w.npz",
        npz(b1=np.array([np.inf], np.float16)),
        r"\.b1\[0\]: expected a finite number, found inf",
    ),
    ("npz complex", "w.npz", npz(W1=[[1j]]), r"\.W1: expected integers or .* found dtype complex128"),
    ("npz bool", "w.npz", npz(W1=[[True]]), "found dtype bool"),
    ("npz objects", "w.npz", npz(W1=np.array([[Fraction(1, 2)]])), "found dtype object"),
    ("npz no zip", "w.npz", data(b"hello"), "an NPZ file of plain arrays"),
    ("st empty", "w.safetensors", data(b""), "a safetensors file"),
    ("st no header", "w.safetensors", data(b"\xff" * 8), "a safetensors file"),
    ("st header cut", "w.safetensors", data(struct.pack("<Q", 10**6) + b"{}"), "a safetensors file"),
    ("st header no json", "w.safetensors", data(safetensors(b"hello")), "a safetensors file"),
    ("st header no object", "w.safetensors", data(safetensors([])), "a safetensors file"),
    ("st truncated", "w.safetensors", data(tensor("F32", [2], NAN32)[:-1]), "a safetensors file"),
    ("st trailing", "w.safetensors", data(tensor("F32", [2], NAN32) + b"\0"), "a safetensors file"),
    ("st wrong shape", "w.safetensors", data(tensor("F32", [3], NAN32)), "a safetensors file"),
    ("st absurd shape", "w.safetensors", data(tensor("F32", [2**62, 2**62], NAN32)), "a safetensors file"),
    (
        "st nan",
        "w.safetensors",
        data(tensor("F32", [2], NAN32)),
        r"\.conv\.weight\[1\]: expected a finite number",
    ),
    (
        "st bf16",
        "w.safetensors",
        data(tensor("BF16", [2], NAN32[:4])),
        r"\.conv\.weight: .* found dtype BF16",
    ),
    ("st f8", "w.safetensors", data(tensor("F8_E4M3", [4], NAN32[:4])), "found dtype F8_E4M3"),
    ("st bool", "w.safetensors", data(tensor("BOOL", [4], bytes(4))), "found dtype BOOL"),
    ("st unknown dtype", "w.safetensors", data(tensor("F31", [4], bytes(4))), "a safetensors file"),
    (
        "st hostile name",
        "w.safetensors",
        data(tensor("BOOL", [1], b"\0", "a\n\x1b[31m")),
        r"'a\\n\\x1b\[31m': expected",
    ),
    ("st long name", "w.safetensors", data(tensor("BOOL", [1], b"\0", "a" * 10**4)), r"a\.\.\.: expected"),
]


@pytest.mark.parametrize("file, write, says", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_files_give_one_sentence(tmp_path, file, write, says):
    """Every bad weight file raises MalformedError with one sentence that says what is wrong."""
    if file.endswith(".safetensors"):
        pytest.importorskip("safetensors")
    path = tmp_path / file
    write(path)
    with pytest.raises(MalformedError) as caught:
        read_weight_file(path)
    message = str(caught.value)
    assert re.fullmatch(r"weights [^\n\r]+: expected [^\n\r]+, found [^\n\r]+", message), message
    assert caught.value.field.isprintable()
    assert len(message) < 600
    assert re.search(says, message), message


def test_the_safetensors_writer_above_writes_good_files(tmp_path):
    """Otherwise the cases might fail for a reason that is not theirs."""
    pytest.importorskip("safetensors")
    (tmp_path / "w.safetensors").write_bytes(tensor("F32", [1, 2], struct.pack("<2f", 1.0, -0.75)))
    read = read_weight_file(tmp_path / "w.safetensors")
    assert read == {"conv.weight": RationalArray.from_fractions([[1, Fraction(-3, 4)]])}
