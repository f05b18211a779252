"""Data files: where they are looked for, what they hold, and hostile ones."""

import gzip
import hashlib
import json
import os
import random
import struct
import zipfile

import pytest
from handmade import (
    act,
    changed,
    count,
    dense,
    features,
    instance,
    minor,
    network,
    rank,
    rational,
    seal,
    weight,
)
from verdicts import ask, rejected, verified

from exactcnn.checker import check_certificate, check_file

VALUES = (9, 9, 1, 2, 1, 2)
HEADER = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 1, 2), }   \n"


def idx(dimensions=(3, 1, 2), values=VALUES, magic=b"\0\0\x08"):
    return magic + bytes([len(dimensions)]) + struct.pack(f">{len(dimensions)}I", *dimensions) + bytes(values)


def npz(path, header=HEADER, values=VALUES, member="x.npy", version=1, form=zipfile.ZIP_DEFLATED):
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    with zipfile.ZipFile(path, "w", form) as archive:
        archive.writestr(member, b"\x93NUMPY" + bytes([version, 0]) + size + header + bytes(values))
    return path.read_bytes()


def file_case(raw, form, **more):
    data = {
        "kind": "file",
        "name": "hint.bin",
        "format": form,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "shape": [2, 2],
        "start": 1,
        "scale": "1/2",
        **more,
    }
    return instance(network([2], dense(2)), data)


def same(case):
    """Samples 1 and 2 are both (1, 2)."""
    return count(1, "samples"), rank(case, 1, upper=1, weights=None)


@pytest.mark.parametrize("form", ["idx", "gzipped", "npz 1", "npz 2", "npz stored"])
def test_data_files(form, tmp_path):
    path = tmp_path / "data"
    if form.startswith("npz"):
        stored = zipfile.ZIP_STORED if form == "npz stored" else zipfile.ZIP_DEFLATED
        raw = npz(path, version=2 if form == "npz 2" else 1, form=stored)
    else:
        raw = idx() if form == "idx" else gzip.compress(idx())
        path.write_bytes(raw)
    case = file_case(raw, "npz" if form.startswith("npz") else "idx")
    verified(case, *same(case), data_path=str(path))
    other = changed(case, "data", "start", 0)
    rejected(other, *same(other), data_path=str(path))
    wrong = changed(case, "data", "sha256", "0" * 64)
    rejected(wrong, *same(wrong), "digest", data_path=str(path))
    for key, value in (("start", 2), ("shape", [3, 2]), ("shape", [2, 1]), ("start", 2**31)):
        beyond = changed(case, "data", key, value)
        assert ask(beyond, *same(beyond), data_path=str(path)).outcome == "MALFORMED"


def test_data_file_beside_the_certificate(tmp_path):
    (tmp_path / "hint.bin").write_bytes(idx())
    case = file_case(idx(), "idx")
    judgment, claim = same(case)
    (tmp_path / "c.json").write_text(json.dumps(seal(case, [judgment], [claim])))
    verdict = check_file(str(tmp_path / "c.json"))
    assert verdict.outcome == "VERIFIED"
    assert verdict.instance["data"] == 'file "hint.bin"'
    (tmp_path / "hint.bin").rename(tmp_path / "moved")
    assert check_file(str(tmp_path / "c.json"), max_seconds=None).outcome == "MALFORMED"
    assert (
        check_file(str(tmp_path / "c.json"), str(tmp_path / "moved"), max_seconds=None).outcome == "VERIFIED"
    )
    (tmp_path / "moved").write_bytes(idx(values=(9, 9, 1, 2, 1, 3)))
    assert (
        check_file(str(tmp_path / "c.json"), str(tmp_path / "moved"), max_seconds=None).outcome == "REJECTED"
    )


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../hint.bin", "sub/hint.bin", "a\\b", "x\0", "", "x" * 256, None, 7, ["x"]]
)
def test_names_with_paths(name, tmp_path):
    """Attacks what else the checker might be made to read."""
    case = file_case(idx(), "idx", name=name)
    verdict = ask(case, *same(case))
    assert verdict.outcome == "MALFORMED"
    assert "instance.data.name" in verdict.reason


@pytest.mark.parametrize("name", ["..", ".", "none", "folder", "\ud800", "\x1b[2J", "pipe"])
def test_names_of_what_is_no_file(name, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    case = file_case(idx(), "idx", name=name)
    judgment, claim = same(case)
    (tmp_path / "c.json").write_text(json.dumps(seal(case, [judgment], [claim])))
    verdict = check_file(str(tmp_path / "c.json"), max_seconds=None)
    assert verdict.outcome == "MALFORMED"
    assert "no data file" in verdict.reason
    assert verdict.reason.isascii()
    assert verdict.reason.isprintable()
    for given in (str(tmp_path), "/dev/zero", "\0", "\ud800", ""):
        assert check_file(str(tmp_path / "c.json"), given, max_seconds=None).outcome == "MALFORMED"


def test_scale_enters_the_features(tmp_path):
    """A sample 1, 2 with scale 1/2 and weights 2, 0: the numerator 2 over 2."""
    path = tmp_path / "a"
    path.write_bytes(idx())
    case = file_case(idx(), "idx", shape=[1, 2])
    case["network"] = network([2], dense(1), act("sigmoid"))
    case["weights"] = {"w": rational(weight([[2], [0]]))}
    judgment = minor(features(2), [0], [0], root=2, divisor=2)
    verified(case, judgment, rank(case, 2, lower=1), data_path=str(path))
    thirds = changed(case, "data", "scale", "1/3")
    rejected(thirds, judgment, rank(thirds, 2, lower=1), "divisor", data_path=str(path))
    # p = 5 divides 2 + 3: with scale 3/2 the pre-activations are 3, whose numerator is a multiple of 3.
    case["network"] = network([2], dense(1))
    case["data"]["scale"] = "3/2"
    judgment = minor(features(1), [0], [0], prime=3)
    rejected(case, judgment, rank(case, 1, lower=1), "vanishes", data_path=str(path))
    for scale, check in (
        (f"{10**400}", verified),
        (f"1/{10**400}", verified),
        ("7/3", verified),
        ("101", rejected),
    ):
        large = changed(case, "data", "scale", scale)
        check(large, minor(features(1), [0], [0]), rank(large, 1, lower=1), data_path=str(path))
    for scale in (0, -1, "1e3", "0.5", f"{10**1000}", None):
        bad = changed(case, "data", "scale", scale)
        assert ask(bad, judgment, rank(bad, 1, lower=1), data_path=str(path)).outcome == "MALFORMED"


def hostile_files(tmp_path):
    two = HEADER.replace(b"(3, 1, 2)", b"(1, 2)")
    yield from (
        ("idx", raw)
        for raw in (
            b"",
            b"\0\0\x08",
            b"\0\0\x08\2\0\0",
            idx([1, 2], b"\1"),
            idx([1, 2], b"\1\2\3"),
            idx([], b""),
            idx([2**32 - 1] * 200, b""),
            idx([1, 2], b"\1\2", b"\0\0\x09"),
            idx([1, 3], b"\1\2\3"),
            idx([0, 2], b""),
            idx([1] * 255, b"\1"),
            gzip.compress(idx([1, 2], b"\1\2"))[:-9],
            b"\x1f\x8b rubbish",
            gzip.compress(idx([1, 2], bytes(10**7))),
            gzip.compress(idx([2**14, 2**14], b"")),
        )
    )
    z = tmp_path / "z"
    yield from (
        ("npz", raw)
        for raw in (
            b"",
            b"PK\3\4",
            npz(z, two, b"\1\2", "y.npy"),
            npz(z, two, b"\1"),
            npz(z, two, b"\1\2\3"),
            npz(z, two.replace(b"|u1", b"<i8"), bytes(16)),
            npz(z, two.replace(b"False", b"True"), b"\1\2"),
            npz(z, two.replace(b"(1, 2)", b"()"), b""),
            npz(z, two.replace(b"(1, 2)", b"(999999999999, 2)"), b""),
            npz(z, two.replace(b"(1, 2)", b"(" + b"1, " * 9000 + b")"), b"\1"),
            npz(z, two.replace(b"(1, 2)", b"(" + b"1" * 60000 + b", 2)"), b"\1"),
            npz(z, b"__import__('os')", b""),
            npz(z, two, b"\1\2")[:-30],
            npz(z, two, bytes(10**7)),
            npz(z, two, b"\1\2", form=zipfile.ZIP_BZIP2),
            npz(z, two, b"\1\2", form=zipfile.ZIP_LZMA),
        )
    )


def test_hostile_files(tmp_path):
    """Attacks the readers of data files: truncated, too long, wrong type, decompression bombs, endless shapes."""
    path = tmp_path / "data"
    for number, (form, raw) in enumerate(hostile_files(tmp_path)):
        path.write_bytes(raw)
        case = file_case(raw, form, start=0, shape=[1, 2])
        judgment, claim = same(case)
        verdict = check_certificate(seal(case, [judgment], [claim]), str(path), max_seconds=None)
        assert verdict.outcome == "MALFORMED", (number, form, verdict.reason)
        assert verdict.reason.isascii()


def test_messages_about_shapes_are_short(tmp_path):
    """A shape of 9000 ones is read, does not fit, and must not be printed whole."""
    raw = npz(tmp_path / "z", HEADER.replace(b"(3, 1, 2)", b"(" + b"1, " * 9000 + b")"), b"\1")
    case = file_case(raw, "npz", start=0, shape=[1, 2])
    judgment, claim = same(case)
    verdict = check_certificate(seal(case, [judgment], [claim]), str(tmp_path / "z"), max_seconds=None)
    assert verdict.outcome == "MALFORMED"
    assert len(verdict.reason) < 1000


def damaged(raw, draw):
    """A few bytes changed, a stretch removed, or doubled."""
    raw = bytearray(raw)
    kind = draw.randrange(3)
    if kind == 0:
        for _ in range(draw.randint(1, 4)):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
    else:
        start = draw.randrange(len(raw))
        end = start + draw.randrange(20)
        raw[start:end] = b"" if kind == 1 else raw[start:end] * 2
    return bytes(raw)


def test_damaged_files(tmp_path):
    """Attacks the libraries: headers of gzip, IDX, zip and npy with bytes changed; offsets and sizes among them."""
    draw, path = random.Random(7), tmp_path / "data"
    good = [
        ("idx", idx()),
        ("idx", gzip.compress(idx())),
        ("npz", npz(tmp_path / "z")),
        ("npz", npz(tmp_path / "z", form=0)),
    ]
    for _ in range(600):
        form, raw = draw.choice(good)
        raw = damaged(raw, draw)
        path.write_bytes(raw)
        case = file_case(raw, form)
        judgment, claim = same(case)
        verdict = check_certificate(seal(case, [judgment], [claim]), str(path), max_seconds=None)
        assert verdict.outcome in ("VERIFIED", "REJECTED", "MALFORMED"), (raw, verdict.reason)


def test_offsets_of_zip_files(tmp_path):
    """Attacks with a central directory that points before the file, beyond it, or at itself."""
    path = tmp_path / "z"
    raw = npz(path)
    end, directory = raw.rindex(b"PK\5\6"), raw.index(b"PK\1\2")
    for place, form in (
        (end + 12, "<I"),
        (end + 16, "<I"),
        (directory + 42, "<I"),
        (directory + 20, "<I"),
        (directory + 24, "<I"),
        (directory + 28, "<H"),
        (end + 10, "<H"),
    ):
        for value in (
            0,
            1,
            7,
            len(raw) - 1,
            len(raw),
            len(raw) + 1,
            2**15 - 1,
            2**16 - 1,
            2**31 - 1,
            2**31,
            2**32 - 1,
        ):
            if value < 2 ** (8 * struct.calcsize(form)):
                forged = raw[:place] + struct.pack(form, value) + raw[place + struct.calcsize(form) :]
                path.write_bytes(forged)
                case = file_case(forged, "npz")
                judgment, claim = same(case)
                verdict = check_certificate(seal(case, [judgment], [claim]), str(path), max_seconds=None)
                assert verdict.outcome in ("VERIFIED", "MALFORMED"), (place, value, verdict.reason)
