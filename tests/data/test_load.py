"""What the loaders return: exact values, shapes, targets, origins."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import rational_text
from exactcnn.data import FileOrigin, Samples, load, load_digits
from exactcnn.data.idx import read_idx
from exactcnn.errors import MalformedError

IN_A_FOLDER = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file, written here from the format's description, not by the package."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_digits_are_the_embedded_default():
    """The embedded digits have the known shape, digest and values."""
    digits = load()
    assert digits.x == load_digits().x
    assert digits.x.shape == (1797, 64)
    assert digits.sample_shape == (1, 8, 8)
    assert digits.x.denominator == 1
    assert digits.x.numerators.dtype == np.uint8
    assert digits.x.max_abs_numerator() == 16
    assert digits.targets is not None
    # Facts about the set that its description gives: 0..9 in order first, and the class counts.
    assert digits.targets.numerators[:10].tolist() == list(range(10))
    counts = np.bincount(digits.targets.numerators)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits.x.numerators[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]


def test_take_and_scale():
    """Ranges and scales choose and multiply exactly."""
    digits = load("digits")
    part = load("digits", samples=3, start=10, scale=Fraction(1, 16))
    assert part.N == 3
    assert part.x.to_fractions()[1] == [Fraction(int(v), 16) for v in digits.x.numerators[11]]
    assert part.targets == digits.targets[10:13]
    assert part.sample_shape == (1, 8, 8)
    assert load("digits", start=1790).N == 7
    assert load("digits", samples=2, scale=3).x == load("digits", samples=2).x.scaled(Fraction(3))


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=4, max_side=4)), st.booleans())
@IN_A_FOLDER
def test_idx_round_trip(tmp_path, array, compressed):
    """IDX files of any shape, plain or compressed, are read as they were written."""
    raw = idx_bytes(array)
    raw = gzip.compress(raw) if compressed else raw
    path = tmp_path / ("t-images-idx3-ubyte" + (".gz" if compressed else ""))
    path.unlink(missing_ok=True)
    path.write_bytes(raw)
    samples = load(path)
    assert samples.x.numerators.dtype == np.uint8
    assert samples.x.numerators.tolist() == array.reshape(array.shape[0], -1).tolist()
    assert samples.sample_shape == array.shape[1:]
    assert samples.targets is None
    assert samples.origin == FileOrigin(str(path), "idx", hashlib.sha256(raw).hexdigest(), 0, Fraction(1))


def test_idx_labels_come_from_the_sibling(tmp_path):
    """Labels are found in the file beside the images."""
    (tmp_path / "t-images-idx3-ubyte").write_bytes(idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 2, 2)))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(
        gzip.compress(idx_bytes(np.array([7, 8, 9], dtype=np.uint8)))
    )
    samples = load(tmp_path / "t-images-idx3-ubyte", start=1)
    assert samples.targets == RationalArray.from_integers([8, 9])


def test_the_origin_follows_slices_and_scales_and_is_true(tmp_path):
    """The origin still describes the values after slices and scales."""
    array = np.arange(40, dtype=np.uint8).reshape(10, 1, 2, 2)
    np.savez(tmp_path / "a.npz", x=array)
    samples = load(tmp_path / "a.npz", samples=8, start=1, scale=Fraction(2, 255))
    samples = samples.take(3, 4).scaled(Fraction(1, 3))
    origin = samples.origin
    assert origin is not None
    assert (origin.format, origin.start, origin.scale) == ("npz", 5, Fraction(2, 765))
    assert origin.sha256 == hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest()
    rows = array.reshape(10, 4)[origin.start : origin.start + samples.N]
    assert samples.x.to_fractions() == [[int(v) * origin.scale for v in row] for row in rows]


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "i8", "u8", ">i2", "f2", "f4", "f8", ">f8"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_of_every_plain_dtype(tmp_path, dtype, save):
    """NPZ arrays of every integer and float dtype are exact."""
    array = np.array([[0, 1, 2], [3, 4, 100]]).astype(dtype) / (8 if "f" in dtype else 1)
    array = array.astype(dtype)
    save(tmp_path / "a.npz", x=array, y=np.array([[1, 0], [0, 1]], dtype=np.int16))
    samples = load(tmp_path / "a.npz")
    assert samples.x.to_fractions() == [[Fraction(float(v)) for v in row] for row in array]
    assert samples.targets == RationalArray.from_integers([[1, 0], [0, 1]])
    assert samples.sample_shape == (3,)
    assert (samples.origin is not None) == (dtype == "u1"), "FORMAT.md refers to |u1 only"


def test_npz_in_fortran_order_is_read_right_and_has_no_origin(tmp_path):
    """Fortran order does not transpose, and no certificate refers to it."""
    array = np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    np.savez(tmp_path / "a.npz", x=array)
    samples = load(tmp_path / "a.npz")
    assert samples.x.numerators.tolist() == array.reshape(2, -1).tolist()
    assert samples.origin is None


def test_npz_beyond_62_bits(tmp_path):
    """The ends of int64 and uint64 are exact."""
    np.savez(tmp_path / "a.npz", x=np.array([[2**64 - 1, 1]], dtype=np.uint64), y=np.array([-(2**63)]))
    samples = load(tmp_path / "a.npz")
    assert samples.x.to_fractions() == [[2**64 - 1, 1]]
    assert samples.targets.to_fractions() == [-(2**63)]


FRACTIONS = st.fractions(max_denominator=10**9)
TABLES = st.integers(1, 3).flatmap(
    lambda d: st.lists(st.lists(FRACTIONS, min_size=d, max_size=d), min_size=1, max_size=4)
)


@given(TABLES, st.sampled_from(["none", "names", "target"]))
@IN_A_FOLDER
def test_csv_round_trip(tmp_path, rows, header):
    """Tables with and without header and target column are read exactly."""
    lines = [",".join(map(rational_text, row)) for row in rows]
    if header == "names":
        lines.insert(0, ",".join(f"pixel {j}" for j in range(len(rows[0]))))
    if header == "target":
        lines = [f"{i},{line}" for i, line in enumerate(lines)]
        lines.insert(0, "Label," + ",".join(f"{j}x1" for j in range(len(rows[0]))))
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n\n")
    samples = load(tmp_path / "a.csv")
    assert samples.x.to_fractions() == rows
    assert samples.sample_shape is None
    assert samples.origin is None
    if header == "target":
        assert samples.targets.to_fractions() == list(range(len(rows)))
    else:
        assert samples.targets is None


def test_csv_decimals_quotes_spaces_and_byte_order_mark(tmp_path):
    """What spreadsheets add to a CSV file does not change the values."""
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfa, y ,b\r\n "0.1",7 , -1.50\r\n1e-2,8,2/4\r\n')
    samples = load(tmp_path / "a.csv")
    assert samples.x.to_fractions() == [
        [Fraction(1, 10), Fraction(-3, 2)],
        [Fraction(1, 100), Fraction(1, 2)],
    ]
    assert samples.targets.to_fractions() == [7, 8]


def test_csv_whose_first_row_has_a_typo_is_not_taken_for_a_header(tmp_path):
    """A first row with one bad cell is an error, not a lost sample."""
    (tmp_path / "a.csv").write_text("1,2,x3\n4,5,6\n")
    with pytest.raises(MalformedError, match=r"a\.csv\.x\[0\]\[2\]: .* found 'x3'"):
        load(tmp_path / "a.csv")


@given(TABLES)
@IN_A_FOLDER
def test_json_round_trip(tmp_path, rows):
    """Rationals in JSON are read exactly."""
    content = {"x": [[rational_text(v) for v in row] for row in rows], "y": list(range(len(rows)))}
    (tmp_path / "a.json").write_text(json.dumps(content))
    samples = load(tmp_path / "a.json")
    assert samples.x.to_fractions() == rows
    assert samples.targets.to_fractions() == list(range(len(rows)))
    assert samples.sample_shape == (len(rows[0]),)


def test_json_images_are_flattened_channel_major(tmp_path):
    """Nested samples are flattened row-major and remember their shape."""
    (tmp_path / "a.json").write_text('{"y": null, "x": [[[[1, 2], [3, 4]], [[5, 6], ["7/2", "-0.5"]]]]}')
    samples = load(tmp_path / "a.json")
    assert samples.sample_shape == (2, 2, 2)
    assert samples.x.to_fractions() == [[1, 2, 3, 4, 5, 6, Fraction(7, 2), Fraction(-1, 2)]]
    assert samples.targets is None


def test_samples_check_their_shapes():
    """Samples, targets and sample shapes that do not fit together are refused."""
    x = RationalArray.from_integers([[1, 2, 3], [4, 5, 6]])
    assert Samples(x, RationalArray.from_integers([0, 1]), (1, 3)).N == 2
    for targets, shape in [([0], None), ([[[0]], [[1]]], None), ([[], []], None), ([0, 1], (2, 2))]:
        with pytest.raises(MalformedError, match=r"^data\.[xy]: expected "):
            Samples(x, RationalArray.from_integers(targets), shape)
    for bad in ([], [[]], [1, 2], [[[1]]]):
        with pytest.raises(MalformedError, match=r"^data\.x: expected "):
            Samples(RationalArray.from_integers(bad))


def test_a_small_gzip_file_that_unpacks_to_much_is_stopped_early():
    """Unpacking stops one byte after the declared size."""
    # 50 MB of zeros behind a header that declares 4 bytes: reading stops at the fifth.
    bomb = gzip.compress(idx_bytes(np.zeros((2, 2), dtype=np.uint8)) + bytes(50_000_000), compresslevel=1)
    with pytest.raises(MalformedError, match=r"4 values, as shape .* says, found bytes after them"):
        read_idx(bomb, "data")
    with pytest.raises(MalformedError, match="from 1 to 3 values"):
        read_idx(bomb, "data", largest=3)
