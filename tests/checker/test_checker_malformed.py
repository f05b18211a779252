"""Hostile and broken input: never a traceback, never VERIFIED unless the claim is still true."""

import contextlib
import copy
import gzip
import hashlib
import json
import math
import struct
import time
import zipfile

import pytest
from handmade import (
    RELU,
    SIGMOID,
    conv,
    dense,
    generic,
    inline,
    instance,
    minor,
    network,
    pool,
    rank,
    seal,
    weight,
    weights,
)

from exactcnn.checker import check_certificate, check_file

SEED = {"kind": "seed", "seed": 1, "bits": 8}


def good():
    """A certificate with many kinds of fields, small."""
    case = instance(
        network(
            [1, 3],
            conv(2, kernel=[2], activation={"name": "elu", "alpha": "1/2"}, bias="unit"),
            pool([1]),
            {**dense(2), "bias": "filter"},
        ),
        inline([[1, 0, 0], [0, 0, 1]], denominator=2),
        weights(weight([[1, 2], [3, 4]], [0, 1, 2, 3], denominator=2), None, None),
    )
    low = minor([0], [0], substitution={"denominator": 4, "root": 2})
    kernel = [{"pivot": 0, "entries": [[0, [[1, [[0, 1]]]]]]}]
    return seal(
        case,
        rank(2, 4, lower=1, upper=2, low=low, up={"kind": "restriction", "positions": [0, 1]}),
        rank(2, 4, lower=1, upper=2, low=low, up={"kind": "left-kernel", "denominator": 4, "vectors": []}),
        generic(
            "lemma-2.5",
            3,
            4,
            lower=1,
            upper=4,
            low=minor([0], [0], filters={"kind": "seed", "seed": 3}),
            up={"kind": "polynomial-kernel", "side": "right", "vectors": kernel[:0]},
        ),
        generic("assumption-2.4", 3, 4, upper=3, up={"kind": "cover", "rows": [0, 1, 2], "columns": []}),
        {
            "statement": "assumption-3.2",
            "verdict": "proved",
            "activation": RELU,
            "evidence": {"kind": "growth", "rho": [1, 1, 1, "1/2"]},
        },
        {
            "statement": "assumption-3.1",
            "verdict": "refuted",
            "evidence": {"kind": "collision", "samples": [0, 1], "patches": [1, 0]},
        },
        {
            "statement": "structure",
            "verdict": "proved",
            "layer": 1,
            "evidence": {"uncovered": [], "equal": []},
        },
        {
            "statement": "assumption-4.1",
            "verdict": "refuted",
            "samples": 2,
            "layers": [
                {"layer": 1, "failing": ["no-pooling", "hidden-3.2"]},
                {"layer": 2, "failing": ["no-pooling", "hidden-3.2"]},
            ],
        },
    )


def reseal(certificate):
    return seal(certificate["instance"], *certificate["claims"])


def bytes_outcome(tmp_path, raw, **options):
    path = tmp_path / "certificate.json"
    path.write_bytes(raw)
    verdict = check_file(str(path), **options)
    assert verdict.reason
    return verdict.outcome


def test_the_good_one():
    verdict = check_certificate(good())
    assert verdict.outcome == "VERIFIED", verdict.reason


TEXT = json.dumps(good())


@pytest.mark.parametrize("raw", [
    b"", b"{", b"null", b"[]", b"{}", b"\xff\xfe", b"\x00" * 100, b"0", b'"x"', b"NaN", b"1e400",
    TEXT[:-1].encode(), TEXT.encode() + b"x", b"\xef\xbb\xbf" + TEXT.encode(), TEXT.encode("utf-16"),
    TEXT.replace('"version": 1', '"version": 1.0').encode(),
    TEXT.replace('"version": 1', '"version": 1e0').encode(),
    TEXT.replace('"version": 1', '"version": true').encode(),
    TEXT.replace('"version": 1', '"version": NaN').encode(),
    TEXT.replace('"version": 1', '"version": -Infinity').encode(),
    TEXT.replace('"version": 1', '"version": 2').encode(),
    TEXT.replace('"version": 1', '"version": 1, "version": 1').encode(),
    TEXT.replace('"version": 1', '"version": 1, "extra": 1').encode(),
    TEXT.replace('"version": 1', '"version": ' + "9" * 10**6).encode(),
    TEXT.replace('"version": 1', '"version": "' + "1" * 100_001 + '"').encode(),
    TEXT.replace('"version": 1', '"version": "' + "1" * 99_999 + '"').encode(),
    TEXT.replace('"version": 1', '"version": -0').encode(),
    b"[" * 10**6, b'{"a":' * 10**5, b"[" * 50_000 + b"]" * 50_000,
    b'{"format": ' + b"[" * 900 + b"]" * 900 + b"}", b'"' + b"\\ud800" * 10 + b'"',
])  # fmt: skip
def test_broken_text(tmp_path, raw):
    """Attacks the reader of JSON with text that is not JSON, or not the JSON that the format admits."""
    assert bytes_outcome(tmp_path, raw) == "MALFORMED"


def test_no_file(tmp_path):
    assert check_file(str(tmp_path)).outcome == "MALFORMED"
    assert check_file(str(tmp_path / "nothing")).outcome == "MALFORMED"
    assert check_file("\0").outcome == "MALFORMED"
    assert check_certificate({1, 2}).outcome == "MALFORMED"
    assert check_certificate({"format": math.nan}).outcome == "MALFORMED"


@pytest.mark.parametrize(
    "text",
    [
        "2/4",
        "+1",
        "01",
        "1/1",
        "1/0",
        "1/-2",
        "1 ",
        " 1",
        "-0",
        "0/3",
        "1.0",
        "1e3",
        "",
        "-",
        "/",
        "1/",
        "0x1",
        "\u0661",
        "1_000",
        "1/2/3",
        "--1",
        "1\n",
    ],
)
def test_numbers_have_one_form(text):
    """Attacks the canonical form of string numbers."""
    certificate = good()
    certificate["claims"][4]["evidence"]["rho"][3] = text
    assert check_certificate(certificate).outcome == "MALFORMED"
    certificate = good()
    certificate["claims"][0]["samples"] = text
    assert check_certificate(certificate).outcome == "MALFORMED"


def test_string_integers_are_integers():
    certificate = good()
    certificate["claims"][0]["samples"] = "2"
    assert check_certificate(certificate).outcome == "VERIFIED"


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from places(entry, (*path, key))


def put(certificate, path, value):
    certificate = copy.deepcopy(certificate)
    inner = certificate
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return certificate


WRONG = [
    None,
    True,
    False,
    1.5,
    -1,
    0,
    10**15,
    2**60,
    "x",
    "9" * 5000,
    "-3/7",
    [],
    {},
    [[]],
    [None],
    {"kind": "width"},
    "relu",
    "\x1b[31m",
]


def test_wrong_values_everywhere():
    """Attacks every field with values of every type, digests corrected; survivors must be harmless."""
    certificate = good()
    survivors = set()
    for path in places(certificate):
        if not path:
            continue
        for value in WRONG:
            mutant = put(certificate, path, value)
            if path[0] in ("claims", "instance"):
                with contextlib.suppress(KeyError, TypeError):
                    mutant = reseal(mutant)
            verdict = check_certificate(mutant, max_work=10**7)
            assert verdict.outcome in ("VERIFIED", "REJECTED", "MALFORMED", "NOT CHECKED"), (
                path,
                value,
                verdict.reason,
            )
            assert len(verdict.reason) < 1000
            assert verdict.reason.isascii()
            assert verdict.reason.isprintable()
            if verdict.outcome == "VERIFIED":
                original = certificate
                for step in path:
                    original = original[step]
                if original != value or type(original) is not type(value):
                    survivors.add(path)
    # The network's name, layers, data and weights that leave the claims true, other growth constants, the
    # seed of filters, root and (clearing) denominator of exponential features may change; nothing else.
    allowed = {
        ("instance", "network", "name"),
        ("instance", "network", "layers"),
        ("instance", "weights", "layers"),
        ("instance", "data", "rows"),
        ("instance", "data", "denominator"),
        ("claims", 2, "evidence", "lower"),
        ("claims", 4, "evidence"),
        ("claims", 4, "activation"),
        ("claims", 3, "evidence", "upper"),
        ("claims", 2, "evidence", "upper"),
    }
    harmless = {
        path
        for path in survivors
        if any(path[: len(start)] == start for start in allowed)
        or path[-1] in ("root", "seed", "denominator", "upper")
    }
    assert survivors <= harmless, survivors - harmless


def test_missing_and_unknown_keys_everywhere():
    """Attacks every object by removing each key and adding one."""
    certificate = good()
    for path in places(certificate):
        inner = certificate
        for step in path:
            inner = inner[step]
        if not isinstance(inner, dict):
            continue
        for key in [*inner, "surplus"]:
            mutant = copy.deepcopy(certificate)
            target = mutant
            for step in path:
                target = target[step]
            target[key] = 0
            if key != "surplus":
                del target[key]
            if set(mutant) >= {"instance", "claims"} and set(mutant["instance"]) >= {
                "network",
                "data",
                "weights",
            }:
                mutant = (
                    {
                        **mutant,
                        "digests": {
                            **reseal(mutant)["digests"],
                            **(mutant.get("digests", {}) if path == ("digests",) else {}),
                        },
                    }
                    if path
                    else mutant
                )
                if path == ("digests",) and key != "surplus":
                    del mutant["digests"][key]
            assert check_certificate(mutant).outcome == "MALFORMED", (path, key)


BIG = 2**47


@pytest.mark.parametrize(
    "layer",
    [
        conv(1, kernel=[1], padding=[BIG]),
        conv(1, kernel=[BIG], padding=[BIG]),
        conv(1, kernel=[1], stride=[BIG]),
        conv(1, kernel=[2], dilation=[BIG], padding=[BIG]),
        conv(BIG, kernel=[1]),
        conv(BIG, kernel=[1], bias="unit"),
        conv(1, kernel=[5]),
        conv(1, kernel=[2], padding=[3]),
        conv(1, kernel=[1], padding=[1]),
        conv(1, kernel=[1, 1]),
        conv(1, patches=[[0, 0]]),
        conv(1, patches=[[4]]),
        conv(1, patches=[[0], [0, 1]]),
        {**conv(1, patches=[[0]]), "patches": []},
        {**conv(1, patches=[[0]]), "patches": [[]]},
        {**conv(1, patches=[[0]]), "kernel": [1]},
        {**dense(1), "patches": [[0]]},
        dense(BIG),
        pool([1], padding=[BIG]),
        {
            "kind": "conv",
            "activation": {"name": "leaky_relu", "slope": 1},
            **{k: v for k, v in conv(1, kernel=[1]).items() if k not in ("kind", "activation")},
        },
        conv(1, kernel=[1], activation={"name": "elu", "alpha": 0}),
        conv(1, kernel=[1], activation={"name": "relu", "alpha": 1}),
    ],
)
def test_absurd_layers(layer):
    """Attacks memory and time with sizes, and the rules for patches."""
    began = time.monotonic()
    case = instance(network([4], layer), inline([[1, 2, 3, 4]]), SEED)
    filters = layer.get("filters", layer.get("units", 1))
    shape = {
        "statement": "structure",
        "verdict": "proved",
        "layer": 1,
        "evidence": {"uncovered": [], "equal": []},
    }
    for claim in (
        rank(1, 4 * filters, lower=1, low=minor([0], [0])),
        *([] if filters == BIG else [shape]),
        generic("lemma-2.5", 4, 4 * filters, lower=1, low=minor([0], [0], filters=SEED_FILTERS)),
    ):
        assert check_certificate(seal(case, claim)).outcome in ("MALFORMED", "NOT CHECKED", "REJECTED")
    assert time.monotonic() - began < 3


SEED_FILTERS = {"kind": "seed", "seed": 1}


def test_absurd_inputs():
    """Attacks with astronomic extents, which only sizes may speak of."""
    case = instance(network([BIG, BIG, BIG], conv(1, kernel=[1, 1])))
    verdict = check_certificate(seal(case, generic("lemma-2.5", BIG, BIG, upper=BIG)))
    assert verdict.outcome == "NOT CHECKED"
    assert "--max-work" in verdict.reason


def test_squares_of_squares():
    """Attacks with sizes of numbers that double from layer to layer."""
    layers = [dense(1, {"name": "square"}) for _ in range(2000)]
    case = instance(network([1], *layers), inline([[3]]), SEED)
    verdict = check_certificate(seal(case, rank(1, 1, lower=1, low=minor([0], [0]), layer=2000)))
    assert verdict.outcome == "NOT CHECKED"
    assert "needs" in verdict.reason


def test_too_much_work():
    """Attacks time: a claim beyond the limit is refused at once and accepted with a higher one."""
    case = instance(
        network([50], dense(50, SIGMOID)), inline([[i * j for j in range(50)] for i in range(50)]), SEED
    )
    claim = rank(50, 50, upper=50, up={"kind": "right-kernel", "denominator": 256, "vectors": []})
    assert check_certificate(seal(case, claim), max_work=10**4).outcome == "NOT CHECKED"
    assert check_certificate(seal(case, claim), max_work=10**8).outcome == "VERIFIED"


def test_long_numbers_are_read_and_not_printed():
    """Attacks the conversion limits of Python with numbers of the longest admitted length."""
    long = "1" + "0" * 99_999
    case = instance(
        network([1], conv(1, patches=[[0]], activation=SIGMOID)), inline([[long]]), weights(weight([[1]]))
    )
    low = minor([0], [0], substitution={"denominator": 1, "root": 2})
    assert check_certificate(seal(case, rank(1, 1, lower=1, low=low))).outcome == "VERIFIED"
    assert check_certificate(seal(case, {**rank(1, 1, low=low), "samples": long})).outcome == "MALFORMED"
    claim = {
        "statement": "structure",
        "verdict": "refuted",
        "layer": 1,
        "evidence": {"uncovered": [long], "equal": []},
    }
    assert check_certificate(seal(case, claim)).outcome == "REJECTED"
    low = minor([0], [0], substitution={"denominator": long, "root": long})
    assert check_certificate(seal(case, rank(1, 1, lower=1, low=low))).outcome == "REJECTED"


def test_names_do_not_reach_the_terminal():
    """Attacks the reader of the report with control characters in the network's name."""
    certificate = good()
    certificate["instance"]["network"]["name"] = "\x1b[2J VERIFIED \ud800\n"
    verdict = check_certificate(reseal(certificate))
    assert verdict.outcome == "VERIFIED"
    assert verdict.instance["network"].isprintable()


def bad_files(tmp_path):
    def idx(dimensions, values, magic=b"\0\0\x08"):
        return magic + bytes([len(dimensions)]) + struct.pack(f">{len(dimensions)}I", *dimensions) + values

    def npz(header, values, member="x.npy", magic=b"\x93NUMPY\x01\0"):
        path = tmp_path / "z"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, magic + struct.pack("<H", len(header)) + header + values)
        return path.read_bytes()

    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }\n"
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
            gzip.compress(idx([1, 2], b"\1\2"))[:-9],
            b"\x1f\x8b rubbish",
            gzip.compress(idx([1, 2], bytes(10**7))),
        )
    )
    yield from (
        ("npz", raw)
        for raw in (
            b"",
            b"PK\3\4",
            npz(header, b"\1\2", "y.npy"),
            npz(header, b"\1"),
            npz(header, b"\1\2\3"),
            npz(header, b"\1\2", magic=b"\x93NUMPY\x03\0"),
            npz(header.replace(b"|u1", b"<i8"), bytes(16)),
            npz(header.replace(b"False", b"True"), b"\1\2"),
            npz(header.replace(b"(1, 2)", b"()"), b""),
            npz(header.replace(b"(1, 2)", b"(999999999999, 2)"), b""),
            npz(b"__import__('os')", b""),
            npz(header, b"\1\2")[:-30],
            npz(header, bytes(10**7)),
        )
    )


def test_bad_data_files(tmp_path):
    """Attacks the readers of data files: truncated, too long, wrong type, decompression bombs."""
    claim = rank(1, 1, upper=1, up={"kind": "distinct-samples"})
    for number, (form, raw) in enumerate(bad_files(tmp_path)):
        path = tmp_path / f"data{number}"
        path.write_bytes(raw)
        data = {
            "kind": "file",
            "path": str(path),
            "format": form,
            "sha256": hashlib.sha256(raw).hexdigest(),
            "shape": [1, 2],
            "start": 0,
            "scale": 1,
        }
        verdict = check_certificate(seal(instance(network([2], dense(1)), data), claim))
        assert verdict.outcome == "MALFORMED", (number, form, verdict.reason)
    for path in (str(tmp_path), "/dev/zero", "\0", "\ud800", "", str(tmp_path / "none")):
        data["path"] = path
        assert check_certificate(seal(instance(network([2], dense(1)), data), claim)).outcome == "MALFORMED"


def test_inline_shapes():
    """Attacks the shapes of inline data and weights."""
    case = good()["instance"]
    claim = good()["claims"][0]
    for path, value in (
        (("data", "shape"), [2, 2]),
        (("data", "shape"), [3, 3]),
        (("data", "shape"), [2]),
        (("data", "rows", 0), [1, 0]),
        (("data", "denominator"), 0),
        (("data", "rows"), []),
        (("weights", "layers"), []),
        (("weights", "layers", 1), weight([[1]])),
        (("weights", "layers", 0, "W", "rows"), [[1, 2]]),
        (("weights", "layers", 0, "W", "rows", 0), [1]),
        (("weights", "layers", 0, "b"), None),
        (("weights", "layers", 0, "b", "values"), [1]),
        (("weights",), {"kind": "seed", "seed": 1, "bits": 65}),
        (("weights",), {"kind": "seed", "seed": 1, "bits": 0}),
        (("weights",), {"kind": "seed", "seed": str(2**64), "bits": 8}),
    ):
        assert check_certificate(seal(put(case, path, value), claim)).outcome == "MALFORMED", path
