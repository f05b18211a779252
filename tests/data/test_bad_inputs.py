"""Hostile, damaged and mistaken data files: each one gives one clear sentence.

Every case is (file name, how to write it, what the sentence must say).
"""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exactcnn.data import load
from exactcnn.data.files import LARGEST_FILE
from exactcnn.errors import MalformedError

Writer = Callable[[Path], object]


def raw(content: bytes | str) -> Writer:
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


def idx(shape: tuple[int, ...], length: int, magic: bytes = b"\0\0\x08") -> bytes:
    return magic + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(length)


def npz(**arrays: object) -> Writer:
    return lambda path: np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})


def npy(shape: str, content: bytes, descr: str = "'|u1'", version: int = 1, order: str = "False") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + content


def archive(*members: tuple[str, bytes], patch: Callable[[bytes], bytes] = bytes) -> Writer:
    def write(path: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # duplicate names are one of the attacks
            for name, content in members:
                file.writestr(name, content)
        path.write_bytes(patch(buffer.getvalue()))

    return write


def declare(size: int) -> Callable[[bytes], bytes]:
    """Overwrite the uncompressed size in the central directory."""

    def patch(content: bytes) -> bytes:
        place = content.rindex(b"PK\x01\x02") + 24
        return content[:place] + struct.pack("<I", size) + content[place + 4 :]

    return patch


def encrypted(content: bytes) -> bytes:
    """Set the encryption bit, in the member's header and in the central directory."""
    for marker, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(marker) + offset
        content = content[:place] + bytes([content[place] | 1]) + content[place + 1 :]
    return content


def flip(marker: bytes) -> Callable[[bytes], bytes]:
    """Flip one bit of the first byte of ``marker``."""

    def patch(content: bytes) -> bytes:
        place = content.index(marker)
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return patch


def stored(member: str, content: bytes, marker: bytes) -> Writer:
    def write(path: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
            file.writestr(member, content)
        path.write_bytes(flip(marker)(buffer.getvalue()))

    return write


def with_labels(labels: bytes) -> Writer:
    def write(path: Path) -> None:
        path.write_bytes(idx((3, 2, 2), 12))
        path.with_name("t-labels-idx1-ubyte").write_bytes(labels)

    return write


GOOD_GZ = gzip.compress(idx((3, 2, 2), 12))
I = "t-images-idx3-ubyte"  # noqa: E741 (the commonest file name below)

CASES: list[tuple[str, str, Writer, str]] = [
    # the path itself
    ("missing", "a.npz", lambda path: None, "a file that exists"),
    ("missing without suffix", "nowhere", lambda path: None, "a file that exists"),
    ("directory", "a.npz", lambda path: path.mkdir(), "expected a file, found a directory"),
    ("below a file", "a.txt/b.npz", lambda path: path.parent.write_text(""), "a file that exists"),
    ("name too long", "a" * 5000, lambda path: None, "a readable file, found File name too long"),
    ("null character", "a\0.npz", lambda path: None, "a file that exists"),
    ("named pipe", "a.npz", lambda path: os.mkfifo(path), "a regular file"),
    ("dangling link", "a.npz", lambda path: path.symlink_to("nowhere"), "a file that exists"),
    ("unknown suffix", "a.png", raw("x"), r"found 'a\.png'"),
    ("no suffix", "data", raw("x"), "found 'data'"),
    (
        "absurd size",
        "a.npz",
        lambda path: (path.touch(), os.truncate(path, 2**40)),
        f"at most {LARGEST_FILE} bytes",
    ),
    # IDX
    ("idx empty", I, raw(b""), "an empty file"),
    ("idx three bytes", I, raw(b"\0\0\x08"), "00 00 08 first"),
    ("idx wrong magic", I, raw(idx((3, 2, 2), 12, b"\0\1\x08")), "two zero bytes first"),
    ("idx of floats", I, raw(idx((3, 2, 2), 48, b"\0\0\x0d")), "unsigned bytes, found type 0x0d"),
    ("idx without axes", I, raw(b"\0\0\x08\0x"), "from 1 to 32 axes, found 0"),
    ("idx with 100 axes", I, raw(idx((1,) * 100, 1)), "from 1 to 32 axes, found 100"),
    ("idx header cut", I, raw(idx((3, 2, 2), 0)[:-1]), "a header of 16 bytes for 3 axes, found 15 bytes"),
    ("idx truncated", I, raw(idx((3, 2, 2), 11)), "12 values, .* found 11 bytes"),
    ("idx trailing", I, raw(idx((3, 2, 2), 13)), "12 values, .* bytes after them"),
    ("idx absurd", I, raw(idx((2**32 - 1,) * 4, 12)), "from 1 to 1073741824 values"),
    ("idx no samples", I, raw(idx((0, 2, 2), 0)), "from 1 to .* values, found shape"),
    ("idx empty and absurd", I, raw(idx((0,) + (2**32 - 1,) * 3, 0)), "from 1 to .* values, found shape"),
    ("idx of labels", I, raw(idx((3,), 3)), "an axis of samples and at least one of values"),
    ("gz truncated", I + ".gz", raw(GOOD_GZ[:-9]), "a complete gzip file"),
    ("gz trailer cut", I + ".gz", raw(GOOD_GZ[:-4]), "a complete gzip file"),
    ("gz wrong crc", I + ".gz", raw(GOOD_GZ[:-8] + b"abcd" + GOOD_GZ[-4:]), "a complete gzip file"),
    ("gz damaged", I + ".gz", raw(GOOD_GZ[:12] + b"\xff\xff" + GOOD_GZ[14:]), "a complete gzip file"),
    ("gz header only", I + ".gz", raw(b"\x1f\x8b"), "a complete gzip file"),
    ("gz trailing garbage", I + ".gz", raw(GOOD_GZ + b"more"), "a complete gzip file"),
    ("gz of something else", "a.csv.gz", raw(gzip.compress(b"1,2\n")), "two zero bytes first"),
    ("gz name, no gz", "a.gz", raw("1,2\n3,4\n"), "two zero bytes first"),
    ("labels too few", I, with_labels(idx((2,), 2)), "data labels: expected 3 labels"),
    ("labels of two axes", I, with_labels(idx((3, 1), 3)), "data labels: expected 3 labels"),
    ("labels truncated", I, with_labels(idx((3,), 2)), "data labels: expected 3 values"),
    # NPZ
    ("npz empty file", "a.npz", raw(b""), "an NPZ file"),
    ("npz is text", "a.npz", raw("hello"), "an NPZ file"),
    ("npz is npy", "a.npz", raw(npy("(1, 2)", b"ab")), "an NPZ file"),
    ("npz without members", "a.npz", archive(), "an array named x"),
    ("npz without x", "a.npz", npz(images=[[1]]), r"an array named x, found arrays \['images'\]"),
    ("npz x of one axis", "a.npz", npz(x=[1, 2]), "an axis of samples"),
    ("npz x a number", "a.npz", npz(x=1), "an axis of samples"),
    ("npz x empty", "a.npz", npz(x=np.zeros((0, 3))), "at least one sample"),
    ("npz x without values", "a.npz", npz(x=np.zeros((3, 0), dtype=int)), "at least one sample"),
    ("npz nan", "a.npz", npz(x=[[0.0, np.nan]]), r"data\.x\[0\]\[1\]: expected a finite number, found nan"),
    (
        "npz inf",
        "a.npz",
        npz(x=np.full((1, 1, 2), -np.inf)),
        r"data\.x\[0\]\[0\]\[0\]: expected a finite number",
    ),
    ("npz target nan", "a.npz", npz(x=[[1]], y=[np.nan]), r"data\.y\[0\]: expected a finite number"),
    ("npz complex", "a.npz", npz(x=[[1j]]), r"data\.x: expected integers or .* found dtype complex128"),
    ("npz bool", "a.npz", npz(x=[[True]]), "found dtype bool"),
    ("npz text", "a.npz", npz(x=[["1"]]), "found dtype <U1"),
    ("npz dates", "a.npz", npz(x=np.zeros((1, 1), "M8[s]")), r"found dtype datetime64\[s\]"),
    ("npz objects", "a.npz", npz(x=np.array([[{}]], dtype=object)), "found dtype object"),
    ("npz other objects", "a.npz", npz(x=[[1]], z=np.array([None])), r"data\.z: .* found dtype object"),
    ("npz records", "a.npz", npz(x=np.zeros((1, 1), "i4,f4")), "found dtype"),
    (
        "npz long double",
        "a.npz",
        npz(x=np.zeros((1, 1), np.longdouble)),
        r"data\.x: expected integers or float16",
    ),
    ("npz targets too few", "a.npz", npz(x=[[1], [2]], y=[1]), r"^data a\.\w+\.y: expected 2 targets"),
    ("npz targets of three axes", "a.npz", npz(x=[[1]], y=[[[1]]]), r"^data a\.\w+\.y: expected 1 targets"),
    ("npz target a number", "a.npz", npz(x=[[1]], y=1), r"^data a\.\w+\.y: expected 1 targets"),
    ("npz member no npy", "a.npz", archive(("x.npy", b"hello")), "an NPZ file of plain arrays"),
    (
        "npz member no suffix",
        "a.npz",
        archive(("x", npy("(1, 2)", b"ab"))),
        r"only arrays NAME\.npy, found 'x'",
    ),
    (
        "npz x twice",
        "a.npz",
        archive(*[("x.npy", npy("(1, 2)", b"ab"))] * 2),
        "each array once, found 'x' twice",
    ),
    ("npz header absurd", "a.npz", archive(("x.npy", npy("(10**15, 9)", b"ab"))), "an NPZ file"),
    (
        "npz shape absurd",
        "a.npz",
        archive(("x.npy", npy("(1000000000000000, 9)", b"ab"))),
        "9000000000000000 bytes",
    ),
    ("npz shape negative", "a.npz", archive(("x.npy", npy("(-1, -2)", b"ab"))), "none negative"),
    ("npz shape of 40 axes", "a.npz", archive(("x.npy", npy(f"({'1,' * 40})", b"a"))), "at most 32 axes"),
    ("npz short", "a.npz", archive(("x.npy", npy("(1, 2)", b"a"))), "2 bytes, .* found 1 bytes"),
    ("npz long", "a.npz", archive(("x.npy", npy("(1, 2)", b"abc"))), "2 bytes, .* found 3 bytes"),
    ("npz version 3", "a.npz", archive(("x.npy", npy("(1, 2)", b"ab", version=3))), "npy version 1 or 2"),
    (
        "npz version 9",
        "a.npz",
        archive(("x.npy", npy("(1, 2)", b"ab", version=9))),
        "an NPZ file|npy version",
    ),
    ("npz bomb", "a.npz", archive(("x.npy", npy("(1, 2)", b"ab")), patch=declare(2**31)), "when unpacked"),
    (
        "npz many small bombs",
        "a.npz",
        archive(*[(f"{i}.npy", npy("(9,)", bytes(9))) for i in range(3)], patch=declare(2**30)),
        "when unpacked",
    ),
    ("npz lies about size", "a.npz", archive(("x.npy", npy("(1, 2)", b"ab")), patch=declare(100)), "Bad CRC"),
    (
        "npz truncated",
        "a.npz",
        archive(("x.npy", npy("(1, 2)", b"ab")), patch=lambda c: c[:-30]),
        "an NPZ file",
    ),
    ("npz damaged", "a.npz", stored("x.npy", npy("(1, 6)", b"marker"), b"marker"), "an NPZ file .* CRC"),
    (
        "npz encrypted",
        "a.npz",
        archive(("x.npy", npy("(1, 2)", b"ab")), patch=encrypted),
        "an NPZ file .* encrypted",
    ),
    (
        "npz hostile name",
        "a.npz",
        npz(**{"x\x1b[31m\n": np.array([True])}),
        r"data\.'x\\x1b\[31m\\n': expected",
    ),
    # CSV
    ("csv empty", "a.csv", raw(""), "at least one row"),
    ("csv blank lines", "a.csv", raw("\n\n\n"), "at least one row"),
    ("csv header only", "a.csv", raw("a,b\n"), "at least one row"),
    ("csv target only", "a.csv", raw("y\n1\n"), "at least one value"),
    ("csv two targets", "a.csv", raw("a,y,label\n1,2,3\n"), "one column of y, label, target, found 2"),
    ("csv ragged", "a.csv", raw("1,2\n\n3\n"), "data line 3: expected 2 values, found 1"),
    ("csv wider than its header", "a.csv", raw("a,b\n1,2,3\n"), "data line 2: expected 2 values, found 3"),
    ("csv word", "a.csv", raw("a,b\n1,two\n"), r"data\.x\[0\]\[1\]: .* found 'two'"),
    ("csv nan", "a.csv", raw("nan,nan\n1,2\n"), r"data\.x\[0\]\[0\]: .* found 'nan'"),
    ("csv inf", "a.csv", raw("-inf\n"), "found '-inf'"),
    ("csv empty cell", "a.csv", raw("1,\n"), r"data\.x\[0\]\[1\]: .* found ''"),
    ("csv zero denominator", "a.csv", raw("1,2/0\n"), "a denominator that is not 0"),
    ("csv semicolons", "a.csv", raw("1;2\n3;4\n"), "integer or a rational"),
    ("csv open quote", "a.csv", raw('1,"2\n'), "a CSV file in UTF-8"),
    ("csv not utf-8", "a.csv", raw(b"1,\xff\n"), "a CSV file in UTF-8"),
    ("csv null bytes", "a.csv", raw(b"1,\0\n"), "expected"),
    ("csv endless cell", "a.csv", raw("1" * 200_000), "a CSV file in UTF-8"),
    ("csv absurd number", "a.csv", raw("1" * 100_001), "at most 100000 characters"),
    ("csv absurd exponent", "a.csv", raw("1e999999\n"), "a decimal exponent of at most 20000"),
    # JSON
    ("json empty", "a.json", raw(""), "valid JSON"),
    ("json cut", "a.json", raw('{"x": [[1'), "valid JSON"),
    ("json not utf-8", "a.json", raw(b'{"x": "\xff"}'), "valid JSON"),
    ("json byte-order mark", "a.json", raw(b'\xef\xbb\xbf{"x": [[1]]}'), "valid JSON"),
    ("json trailing", "a.json", raw('{"x": [[1]]} 2'), "valid JSON"),
    ("json a list", "a.json", raw("[[1]]"), "found list"),
    ("json without x", "a.json", raw('{"y": [1]}'), r"data\.x: .* found nothing"),
    ("json unknown key", "a.json", raw('{"x": [[1]], "z": 1}'), "only the keys x and y, found key 'z'"),
    ("json key twice", "a.json", raw('{"x": [[1]], "x": [[2]]}'), "each key once, found key 'x' twice"),
    ("json hostile key", "a.json", raw('{"x": [[1]], "\\n\\u001b": 1}'), r"found key '\\n\\x1b'"),
    ("json surrogate key", "a.json", raw('{"x": [[1]], "\\ud800": 1}'), r"found key '\\ud800'"),
    (
        "json float",
        "a.json",
        raw('{"x": [[1, 0.5]]}'),
        r"data\.x\[0\]\[1\]: expected .* quoted .* found 0\.5",
    ),
    ("json exponent", "a.json", raw('{"x": [[1e400]]}'), r"data\.x\[0\]\[0\]: expected .* quoted"),
    ("json NaN", "a.json", raw('{"x": [[NaN]]}'), "finite numbers, found NaN"),
    ("json Infinity", "a.json", raw('{"x": [[-Infinity]]}'), "finite numbers, found -Infinity"),
    ("json bool", "a.json", raw('{"x": [[true]]}'), "found bool"),
    ("json null", "a.json", raw('{"x": [[null]]}'), "found NoneType"),
    ("json x null", "a.json", raw('{"x": null}'), "a non-empty list of samples, found None"),
    ("json x empty", "a.json", raw('{"x": []}'), "a non-empty list of samples"),
    ("json x flat", "a.json", raw('{"x": [1, 2]}'), "a list of values for each sample"),
    ("json samples empty", "a.json", raw('{"x": [[], []]}'), "at least one value for each sample"),
    ("json ragged", "a.json", raw('{"x": [[1, 2], [3]]}'), r"data\.x\[1\]: expected a list of 2 entries"),
    ("json deeper ragged", "a.json", raw('{"x": [[[1], [2]], [[1], 2]]}'), r"data\.x\[1\]\[1\]"),
    ("json nested 40 deep", "a.json", raw('{"x": ' + "[" * 40 + "]" * 40 + "}"), "at most 32 nested lists"),
    (
        "json nested endlessly",
        "a.json",
        raw('{"x": ' + "[" * 10**5 + "]" * 10**5 + "}"),
        "valid JSON|nested lists",
    ),
    ("json endless integer", "a.json", raw('{"x": [[' + "9" * 5000 + "]]}"), "valid JSON"),
    ("json endless text", "a.json", raw('{"x": [["' + "9" * 100_001 + '"]]}'), "at most 100000 characters"),
    (
        "json y too short",
        "a.json",
        raw('{"x": [[1], [2]], "y": [1]}'),
        r"^data a\.\w+\.y: expected 2 targets",
    ),
    ("json y a number", "a.json", raw('{"x": [[1]], "y": 1}'), r"^data a\.\w+\.y: expected 1 targets"),
    ("json y float", "a.json", raw('{"x": [[1]], "y": [1.0]}'), r"data\.y\[0\]: expected .* quoted"),
    ("json y too deep", "a.json", raw('{"x": [[1]], "y": [[[1]]]}'), r"^data a\.\w+\.y: expected 1 targets"),
]


def one_sentence(error: MalformedError) -> str:
    """The message, after checking that it is one printable line of the promised shape."""
    text = str(error)
    assert re.fullmatch(r"[^\n\r]+: expected [^\n\r]+, found [^\n\r]+", text), text
    assert len(text) < 450, "a sentence, not the file"
    assert error.field.isprintable()
    return text


@pytest.mark.parametrize("file, write, says", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_files_give_one_sentence(tmp_path, file, write, says):
    """Every bad file raises MalformedError with one sentence that says what is wrong."""
    path = tmp_path / file
    write(path)
    with pytest.raises(MalformedError) as caught:
        load(str(path), field="data")
    assert re.search(says, one_sentence(caught.value)), str(caught.value)


def test_the_writers_above_write_good_files_when_asked_to(tmp_path):
    """Otherwise the cases might fail for a reason that is not theirs."""
    raw(idx((3, 2, 2), 12))(tmp_path / I)
    raw(GOOD_GZ)(tmp_path / (I + ".gz"))
    archive(("x.npy", npy("(1, 2)", b"ab")))(tmp_path / "a.npz")
    archive(("x.npy", npy("(1, 2)", b"ab", version=2)))(tmp_path / "b.npz")
    assert load(tmp_path / I).x.shape == load(tmp_path / (I + ".gz")).x.shape == (3, 4)
    assert (
        load(tmp_path / "a.npz").x.to_fractions() == load(tmp_path / "b.npz").x.to_fractions() == [[97, 98]]
    )


@pytest.mark.parametrize(
    "options, field",
    [
        ({"start": -1}, "start"),
        ({"start": 1797}, "start"),
        ({"start": True}, "start"),
        ({"start": 1.0}, "start"),
        ({"samples": 0}, "samples"),
        ({"samples": -1}, "samples"),
        ({"samples": 1798}, "samples"),
        ({"samples": 2, "start": 1796}, "samples"),
        ({"samples": "3"}, "samples"),
        ({"samples": True}, "samples"),
        ({"scale": 0}, "scale"),
        ({"scale": -1}, "scale"),
        ({"scale": 1 / 255}, "scale"),
        ({"scale": "one"}, "scale"),
        ({"scale": True}, "scale"),
    ],
    ids=str,
)
def test_bad_options_give_one_sentence(options, field):
    """Every bad sample range or scale raises MalformedError with one sentence."""
    with pytest.raises(MalformedError) as caught:
        load("digits", **options)
    one_sentence(caught.value)
    assert caught.value.field == field


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    """A file that the system refuses to open is one sentence as well."""
    path = tmp_path / "a.npz"
    path.write_bytes(b"x")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(MalformedError, match=r"expected a readable file, found Permission denied$") as caught:
        load(path)
    assert caught.value.field == f"data {path}"


def test_the_field_is_the_callers(tmp_path):
    """The sentence names the field that the caller gave."""
    path = tmp_path / "a.json"
    path.write_text('{"x": [[0.5]]}')
    with pytest.raises(MalformedError, match=r"^train\.x\[0\]\[0\]: "):
        load(path, field="train")
