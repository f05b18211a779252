"""The command line: exit codes, one JSON object, one sentence for whatever is wrong, never a traceback."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import exactcnn.resolve
from exactcnn.certificates import instance_json
from exactcnn.cli import main
from exactcnn.statements import STATEMENTS

NET = 'input = [4]\n[[layers]]\nkind = "conv"\nfilters = 3\nkernel = 2\nactivation = "%s"\n'
LINES = ["1,2,0,3", "0,1,1,2", "5,4,4,0"]


class Run:
    """What one call of the command line left behind."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        assert "Traceback" not in err

    @property
    def json(self):
        """The one JSON object on stdout; anything else there fails."""
        record = json.loads(self.out)
        assert isinstance(record, dict)
        assert len(self.out.splitlines()) == 1
        return record


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Call the command line in a folder with a few good files; relative paths are meant there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXACTCNN_DEBUG", raising=False)
    for name in ("sigmoid", "relu", "softplus"):
        Path(f"{name}.toml").write_text(NET % name)
    custom = '{name = "custom", expression = "t + 1"}'
    Path("affine.toml").write_text((NET % "x").replace('"x"', custom).replace("filters = 3", "filters = 9"))
    Path("dense.json").write_text('{"input": [4], "layers": [{"kind": "dense", "units": 5}]}')
    Path("pool.json").write_text('{"input": [4], "layers": [{"kind": "maxpool", "kernel": 2, "stride": 1}]}')
    Path("d.csv").write_text("\n".join(LINES))
    Path("twelve.csv").write_text("\n".join(f"{n},{n * n},{n % 3},{n % 5}" for n in range(12)))
    Path("twice.csv").write_text("\n".join([*LINES, LINES[0]]))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["exactcnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return Run(caught.value.code, out, err)

    return call


VERIFY = ["verify", "sigmoid.toml", "--data", "d.csv"]


@pytest.mark.parametrize(
    "spec, data, code, verdict",
    [
        ("sigmoid.toml", "d.csv", 0, "proved"),
        ("relu.toml", "d.csv", 0, "proved"),
        ("sigmoid.toml", "twice.csv", 1, "refuted"),
        ("softplus.toml", "d.csv", 0, "proved"),
        ("affine.toml", "twelve.csv", 3, "undecided"),
    ],
)
def test_exit_codes_are_the_verdicts(run, spec, data, code, verdict):
    """0 proved, 1 refuted, 3 undecided, for people and with --json alike."""
    found = run("verify", spec, "--data", data)
    assert (found.code, found.err) == (code, "")
    assert verdict in found.out
    found = run("verify", spec, "--data", data, "--json")
    assert (found.code, found.err) == (code, "")
    first = found.json["findings"][0]
    assert (first["statement"], first["verdict"], first["asked"]) == ("rank", verdict, True)


def test_json_tells_what_was_decided(run):
    """The object names the instance, each finding with its evidence, and the certificate."""
    found = run(*VERIFY, "--json", "--seed", 7, "--bits", 5, "--certificate", "c.json").json
    assert set(found) == {"instance", "verdict", "findings", "certificate", "weights"}
    assert found["instance"]["widths"] == [4, 9]
    assert found["instance"]["weights"] == {"seed": 7, "bits": 5}
    assert found["instance"]["samples"] == 3
    assert found["findings"][0]["evidence"]["lower"] == 3
    assert found["certificate"]["claims"] == 1
    assert [f["statement"] for f in found["findings"] if f["asked"]] == ["rank"]
    assert len(found["findings"]) > 1
    found = run(*VERIFY, "--json", "--no-hypotheses").json
    assert [f["statement"] for f in found["findings"]] == ["rank"]
    assert found["certificate"] is None


def test_statement_all(run):
    """--statement all asks for every statement (those about the loss need targets, and these data have
    none), and the certificate of all of them is accepted."""
    expected = {name for name, statement in STATEMENTS.items() if "targets" not in statement.needs}
    found = run(*VERIFY, "--statement", "all", "--certificate", "all.json", "--json")
    assert found.code == 1  # assumption 3.1 fails on these samples
    assert {f["statement"] for f in found.json["findings"]} == expected
    assert all(f["asked"] for f in found.json["findings"])
    # Statements about a dense linear output layer, which this network has not, stay without a claim.
    decided = [f for f in found.json["findings"] if f["verdict"] != "undecided"]
    assert found.json["certificate"]["claims"] == len(decided) >= 13
    assert run("check", "all.json").code == 0


def test_statements_can_be_repeated(run):
    """Each statement asked for is decided once, in the order given."""
    asked = ["--statement", "structure", "--statement", "rank", "--statement", "structure"]
    found = run(*VERIFY, *asked, "--no-hypotheses", "--json")
    assert [f["statement"] for f in found.json["findings"]] == ["structure", "rank"]


@pytest.mark.parametrize("spec", ["dense.json", "pool.json"])
@pytest.mark.parametrize("statement", [*STATEMENTS, "all"])
def test_networks_without_a_convolution(run, spec, statement):
    """Every statement has an answer for networks of one dense or one pooling layer."""
    found = run(
        "verify", spec, "--data", "d.csv", "--statement", statement, "--certificate", "c.json", "--json"
    )
    if found.code == 2 and statement in STATEMENTS and "targets" in STATEMENTS[statement].needs:
        assert "data d.csv.y: expected targets" in found.err
        return
    assert found.code in (0, 1, 3)
    if found.json["certificate"] is not None:
        assert run("check", "c.json").code == 0


def test_samples_start_and_scale(run):
    """The options choose the samples they say and scale them exactly."""
    found = run(*VERIFY, "--samples", 1, "--start", 2, "--scale", "1/7", "--certificate", "c.json", "--json")
    assert found.json["instance"]["samples"] == 1
    data = json.loads(Path("c.json").read_text())["instance"]["data"]
    assert [[Fraction(v, data["denominator"]) for v in row] for row in data["rows"]] == [
        [Fraction(5, 7), Fraction(4, 7), Fraction(4, 7), 0]
    ]


def test_weights_from_a_file(run):
    """The certificate holds the weights of the file, and they decide: zeros give rank 1."""
    np.savez("w.npz", W1=np.zeros((2, 3), dtype=np.float32), b1=np.full(9, 0.5))
    found = run(*VERIFY, "--weights", "w.npz", "--certificate", "c.json", "--json")
    assert found.code == 1
    assert found.json["instance"]["weights"] == "file"
    assert found.json["findings"][0]["evidence"]["upper"] == 1
    assert run("check", "c.json").code == 0


@pytest.mark.parametrize("prime", [7, 2147483647, 2147483587])
def test_a_prime_of_ones_own(run, prime):
    """The minor is taken modulo the prime asked for."""
    found = run(*VERIFY, "--prime", prime, "--json", "--certificate", "c.json")
    assert (found.code, found.json["findings"][0]["evidence"]["prime"]) == (0, prime)
    assert run("check", "c.json").code == 0


def test_check_accepts_and_rejects(run):
    """A written certificate is VERIFIED, a tampered one REJECTED, a damaged one MALFORMED."""
    assert run(*VERIFY, "--certificate", "c.json").code == 0
    found = run("check", "c.json")
    assert (found.code, "VERIFIED" in found.out, found.err) == (0, True, "")
    record = json.loads(Path("c.json").read_text())
    record["instance"]["weights"]["given"]["seed"] += 1
    Path("other-seed.json").write_text(json.dumps(record))
    record = json.loads(Path("c.json").read_text())
    record["judgments"][0]["rows"] = [0, 1, 1]
    Path("rows.json").write_text(json.dumps(record))
    Path("cut.json").write_bytes(Path("c.json").read_bytes()[:-20])
    found = run("check", "other-seed.json")
    assert (found.code, "REJECTED" in found.out) == (1, True)
    assert run("check", "rows.json").code == 1
    assert run("check", "cut.json").code == 2
    found = run("check", "--json", "c.json", "other-seed.json", "cut.json")
    assert found.code == 2, "the worst of several"
    assert [f["outcome"] for f in found.json["files"]] == ["VERIFIED", "REJECTED", "MALFORMED"]
    assert run("check", "--deterministic", "c.json").code == 0


def test_check_has_limits(run):
    """What needs more memory than allowed is not checked; the same certificate with the default limits is verified."""
    assert run(*VERIFY, "--certificate", "c.json").code == 0
    blanks = b" " * 2**25  # a certificate all the same
    Path("large.json").write_bytes(Path("c.json").read_bytes() + blanks)
    found = run("check", "--max-memory", 64, "large.json")
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith('"large.json": NOT CHECKED: ')
    assert "memory" in found.err
    found = run("check", "--max-memory", 64, "--json", "large.json", "no.json")
    assert [f["outcome"] for f in found.json["files"]] == ["NOT CHECKED", "MALFORMED"]
    found = run("check", "--max-seconds", 600, "--max-memory", 4000, "large.json")
    assert (found.code, "VERIFIED" in found.out) == (0, True)


@pytest.mark.parametrize("option, value, named", [
    ("--max-seconds", 17, {"max_seconds": 17, "max_memory": 4 * 2**30}),
    ("--max-memory", 100, {"max_seconds": 900, "max_memory": 100 * 2**20}),
])  # fmt: skip
def test_limits_reach_the_checker(run, monkeypatch, option, value, named):
    """Seconds of processor time and MiB, for each file."""
    from exactcnn.checker import __main__ as program
    from exactcnn.checker.core.outcome import VERIFIED, Verdict

    asked = []
    monkeypatch.setattr(program, "check_file", lambda *a, **more: asked.append(more) or Verdict(VERIFIED, ""))
    assert run("check", option, value, "c.json", "d.json").code == 0
    assert asked == [{"deterministic": False, **named}] * 2


def test_check_finds_the_data_file(run, monkeypatch):
    """A certificate that refers to an IDX file is checked against the file that --data names."""
    monkeypatch.setattr(instance_json, "_LARGEST_INLINE", 0)
    images = b"\0\0\x08\x03" + struct.pack(">3I", 3, 2, 2) + bytes(range(1, 13))
    Path("t-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    made = run(
        "verify", "sigmoid.toml", "--data", "t-images-idx3-ubyte.gz", "--certificate", "c.json", "--json"
    )
    assert json.loads(Path("c.json").read_text())["instance"]["data"]["kind"] == "file"
    assert (made.code, run("check", "c.json").code) == (0, 0)
    Path("t-images-idx3-ubyte.gz").rename("-moved")
    assert run("check", "c.json").code == 2
    assert run("check", "c.json", "--data=-moved").code == 0


def bad_files(folder):
    """The files that the bad calls below name."""
    (folder / "empty").touch()
    for suffix in ("toml", "json", "csv", "npz", "safetensors", "idx", "gz"):
        (folder / f"empty.{suffix}").touch()
        (folder / f"noise.{suffix}").write_bytes(b"\x1f\x8b\0PK\x93NUMPY\xff\xfe{[")
    (folder / "a folder").mkdir()
    specs = {
        "huge-kernel": {"kernel": 2**31},
        "zero-stride": {"stride": 0},
        "huge-padding": {"stride": 2**31, "padding": 2**31},
        "many-filters": {"filters": 2**31},
        "unknown-key": {"knernel": 2},
        "float-slope": {"activation": {"name": "leaky_relu", "slope": 0.1}},
    }
    layer = {"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"}
    for name, change in specs.items():
        (folder / f"{name}.json").write_text(json.dumps({"input": [4], "layers": [{**layer, **change}]}))
    (folder / "deep.json").write_text("[" * 10**5)
    (folder / "deep.toml").write_text("input" + ".a" * 2000 + " = 1\nlayers = []")
    (folder / "hexadecimal.toml").write_text("input = [0x" + "f" * 5000 + "]\nlayers = []")
    (folder / "surrogate.json").write_text('{"name": "\\ud800", "input": [4], "layers": []}')
    (folder / "wide.csv").write_text("1,2,3\n4,5,6")
    (folder / "words.csv").write_text("1,2,3,x")
    (folder / "floats.json").write_text('{"x": [[0.5, 1, 2, 3]]}')
    np.savez(folder / "nan.npz", x=np.full((2, 4), np.nan))
    np.savez(folder / "shape.npz", W1=np.ones((3, 2)), b1=np.ones(9))
    np.savez(folder / "objects.npz", x=np.array([[{}]], dtype=object))
    (folder / "w.json").write_text('{"layers": [{"W": [[1, 2, 3], [4, 5, 6]], "b": [1]}]}')
    (folder / "c.json").write_text('{"format": "exactcnn-certificate", "version": 2}')


S, D = "sigmoid.toml", ["--data", "d.csv"]
BAD = [
    # usage
    [],
    ["nope"],
    ["--nope"],
    ["verify", "--nope"],
    ["verify", "--samples"],
    ["verify", S, "more.toml"],
    ["check"],
    ["check", "c.json", "--max-seconds", "many"],
    ["check", "c.json", "--max-seconds", "0"],
    ["check", "c.json", "--max-memory", "63"],
    ["check", "c.json", "--max-work", "5"],
    ["verify", S, *D, "--samples", "abc"],
    ["verify", S, *D, "--samples", "1.5"],
    ["verify", S, *D, "--seed", "0x1"],
    ["verify", S, *D, "--layer", "one"],
    ["verify", S, *D, "--prime", ""],
    # options out of range
    ["verify", S, *D, "--samples", "0"],
    ["verify", S, *D, "--samples", "-1"],
    ["verify", S, *D, "--samples", "4"],
    ["verify", S, *D, "--samples", "9" * 4000],
    ["verify", S, *D, "--samples", "9" * 5000],
    ["verify", S, *D, "--start", "3"],
    ["verify", S, *D, "--start", "-1"],
    ["verify", S, *D, "--start", "1", "--samples", "3"],
    ["verify", S, *D, "--scale", "0"],
    ["verify", S, *D, "--scale", "-1/2"],
    ["verify", S, *D, "--scale", "1/0"],
    ["verify", S, *D, "--scale", "half"],
    ["verify", S, *D, "--scale", ""],
    ["verify", S, *D, "--scale", "nan"],
    ["verify", S, *D, "--scale", "1e999999"],
    ["verify", S, *D, "--scale", "-" + "9" * 5000],
    ["verify", S, *D, "--layer", "99"],
    ["verify", S, *D, "--layer", "0"],
    ["verify", S, *D, "--layer", "-1"],
    ["verify", S, *D, "--prime", "9"],
    ["verify", S, *D, "--prime", "2"],
    ["verify", S, *D, "--prime", "-7"],
    ["verify", S, *D, "--prime", "2305843009213693951"],
    ["verify", S, *D, "--seed", "-1"],
    ["verify", S, *D, "--seed", "18446744073709551616"],
    ["verify", S, *D, "--bits", "0"],
    ["verify", S, *D, "--bits", "65"],
    ["verify", S, *D, "--statement", "nope"],
    ["verify", S, *D, "--statement", ""],
    ["verify", S, *D, "--statement", "rank", "--statement", "Rank"],
    # specs
    *(
        ["verify", spec, *D]
        for spec in (
            "missing.toml",
            "",
            ".",
            "a folder",
            "n" * 5000,
            "d.csv/net.toml",
            "empty.toml",
            "empty.json",
            "noise.toml",
            "noise.json",
            "/dev/zero",
            "/proc/self/mem",
            "huge-kernel.json",
            "zero-stride.json",
            "huge-padding.json",
            "many-filters.json",
            "unknown-key.json",
            "float-slope.json",
            "deep.json",
            "deep.toml",
            "hexadecimal.toml",
            "surrogate.json",
            "d.csv",
        )
    ),
    # data
    *(
        ["verify", S, "--data", data]
        for data in (
            "missing.csv",
            "",
            ".",
            "a folder",
            "n" * 5000,
            "d.csv/x.npz",
            "digits",
            "Digits",
            "sigmoid.toml",
            "empty",
            "empty.csv",
            "empty.json",
            "empty.npz",
            "empty.gz",
            "empty.idx",
            "noise.csv",
            "noise.json",
            "noise.npz",
            "noise.gz",
            "noise.idx",
            "wide.csv",
            "words.csv",
            "floats.json",
            "nan.npz",
            "objects.npz",
            "shape.npz",
            "/dev/zero",
            "http://example.org/x.npz",
        )
    ),
    # weights
    *(
        ["verify", S, *D, "--weights", weights]
        for weights in (
            "missing.npz",
            "",
            "a folder",
            "empty.npz",
            "empty.json",
            "noise.npz",
            "noise.json",
            "noise.safetensors",
            "w.json",
            "shape.npz",
            "nan.npz",
            "objects.npz",
            "d.csv",
        )
    ),
    # certificates
    ["verify", S, *D, "--certificate", ""],
    ["verify", S, *D, "--certificate", "a folder"],
    ["verify", S, *D, "--certificate", "missing/c.json"],
    ["verify", S, *D, "--certificate", "d.csv/c.json"],
    ["verify", S, *D, "--certificate", "n" * 5000],
    ["check", "missing.json"],
    ["check", ""],
    ["check", "a folder"],
    ["check", "empty.json"],
    ["check", "noise.json"],
    ["check", "deep.json"],
    ["check", "c.json"],
    ["check", "c.json", "--data", "missing"],
    ["check", "c.json", "--data=-x", "--max-seconds=5"],
]


@pytest.mark.parametrize("arguments", BAD, ids=lambda arguments: " ".join(arguments)[:60] or "nothing")
def test_bad_calls(run, tmp_path, arguments):
    """Exit code 2, one sentence on stderr, and with --json one object with it on stdout."""
    bad_files(tmp_path)
    found = run(*arguments)
    assert found.code == 2, found.out + found.err
    if arguments:
        assert found.out == ""
        assert found.err.startswith("exactcnn: ") or (
            arguments[0] == "check" and ": MALFORMED: " in found.err
        )
        assert found.err.count("\n") == 1
        assert found.err.rstrip("\n").isprintable()
        assert len(found.err) < 6000
    if arguments[:1] in (["verify"], ["check"]):
        found = run(arguments[0], "--json", *arguments[1:])
        assert found.code == 2
        if "files" in found.json:
            assert [f["outcome"] for f in found.json["files"]] == ["MALFORMED"]
            assert found.err == f"{found.json['error']}\n"
        else:
            assert found.err == f"exactcnn: {found.json['error']}\n"


def test_an_unreadable_file(run, monkeypatch):
    """A file that the system refuses to open is one sentence with the system's reason."""
    real = Path.open

    def refuse(path, *arguments, **more):
        if path.name in ("d.csv", "sigmoid.toml"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)
    for arguments, field in (
        (["verify", "relu.toml", "--data", "d.csv"], "data d.csv"),
        (VERIFY, "spec sigmoid.toml"),
    ):
        found = run(*arguments)
        assert found.code == 2
        assert found.err == f"exactcnn: {field}: expected a readable file, found Permission denied\n"


@pytest.mark.parametrize(
    "arguments, replaced",
    [
        ([*VERIFY, "--certificate", "sigmoid.toml"], "sigmoid.toml"),
        ([*VERIFY, "--certificate", "./d.csv"], "d.csv"),
        ([*VERIFY, "--certificate", "link"], "d.csv"),
        (["verify", "dense.json", "--data", "d.csv", "--statement", "theorem-3.4", "--save-weights", "dense.json"],
         "dense.json"),
        (["critical", "dense.json", "--data", "d.csv", "--certificate", "d.csv"], "d.csv"),
        (["sample", "sigmoid.toml", "--data", "d.csv", "--draws", "1", "-o", "d.csv"], "d.csv"),
    ],
)  # fmt: skip
def test_what_is_read_is_not_replaced(run, arguments, replaced):
    """No output is written over the spec, the data or the weights, by whatever name they are called."""
    Path("link").symlink_to("d.csv")
    before = Path(replaced).read_bytes()
    found = run(*arguments)
    assert found.code == 2
    assert "expected another file than those to be read" in found.err
    assert Path(replaced).read_bytes() == before


def test_the_certificate_is_not_replaced_by_the_weights(run):
    """Two outputs of one call are two files."""
    asked = ["--statement", "theorem-3.4", "--certificate", "o.json", "--save-weights", "./o.json"]
    found = run(*VERIFY, *asked)
    assert (found.code, Path("o.json").exists()) == (2, False)
    assert "save-weights: expected another file than the certificate" in found.err


def test_json_names_what_has_no_certificate(run):
    """A decided statement without a claim is named, an undecided one is not."""
    Path("y.csv").write_text("a,b,c,d,y\n1,2,0,3,1\n0,1,1,2,5\n")
    Path("out.json").write_text(
        '{"input": [4], "layers": [{"kind": "dense", "units": 3, "activation": "softplus"},'
        ' {"kind": "dense", "units": 1}]}'
    )
    asked = ["--statement", "rank", "--statement", "lemma-4.3", "--certificate", "c.json"]
    found = run("verify", "out.json", "--data", "y.csv", *asked, "--json")
    assert (found.json["certificate"]["claims"], found.json["certificate"]["left_out"]) == (1, ["lemma-4.3"])
    assert found.json["verdict"] == "proved"
    assert "(1 claim; without lemma-4.3)" in run("verify", "out.json", "--data", "y.csv", *asked).out


def test_labels_that_do_not_fit_are_named(run):
    """A label outside 0..n_L - 1 is named, not only the shape of all of them."""
    Path("y.csv").write_text("a,b,c,d,y\n1,2,0,3,1\n0,1,1,2,5\n")
    found = run("verify", "dense.json", "--data", "y.csv", "--statement", "loss")
    assert found.code == 2
    assert "labels 0 to 4, found label 5" in found.err


@pytest.mark.parametrize(
    "options, says",
    [
        (["--box", "-1", "1"], "options: expected --box together with --enumerate"),
        (["--most-boxes", "5", "--complex"], "options: expected --most-boxes together with --enumerate"),
        (["--ridge", "x"], "options: expected --ridge together with --enumerate or --complex"),
        (["--search", "0"], "search: expected at least 1 starting point, found 0"),
    ],
)
def test_options_of_critical_that_would_be_ignored(run, options, says):
    """An option without the mode it belongs to is refused, not ignored."""
    found = run("critical", "dense.json", "--data", "d.csv", *options)
    assert (found.code, found.out) == (2, "")
    assert says in found.err


def test_version(run):
    """--version names the installed version and is no verdict."""
    found = run("--version")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith("exactcnn ")


@pytest.mark.parametrize("existing", [False, True])
def test_what_cannot_be_written_is_refused_before_the_work(run, monkeypatch, existing):
    """Without permission to write the certificate nothing is decided only to be lost."""
    if existing:
        Path("c.json").write_text("")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr(sys.modules["exactcnn.cli.verify"], "_decide", None)
    found = run(*VERIFY, "--certificate", "c.json")
    assert (found.code, found.out) == (2, "")
    assert found.err == (
        "exactcnn: certificate c.json: expected a file that can be written, found no permission to write it\n"
    )


def test_special_files_are_not_replaced(run, tmp_path):
    """A certificate is never moved over a pipe or a device; the special file stays what it was."""
    os.mkfifo(tmp_path / "pipe")
    found = run(*VERIFY, "--certificate", "pipe")
    assert found.code == 2
    assert "expected a regular file, found something else" in found.err
    assert (tmp_path / "pipe").is_fifo()


def test_names_that_are_no_text(run, tmp_path):
    """File names of arbitrary bytes can be read, printed and written to."""
    name = os.fsdecode(b"net-\xff\x1b.toml")
    (tmp_path / name).write_text(NET % "sigmoid")
    data = os.fsdecode(b"d-\xff.csv")
    (tmp_path / data).write_text("\n".join(LINES))
    for more in ([], ["--json"]):
        found = run("verify", name, "--data", data, "--certificate", os.fsdecode(b"c-\xff.json"), *more)
        assert found.code == 0, found.err
    assert run("check", os.fsdecode(b"c-\xff.json")).code == 0
    assert run("verify", os.fsdecode(b"missing-\xff.toml")).code == 2


@pytest.mark.parametrize(
    "error, code, says",
    [
        (MemoryError(), 3, "more memory"),
        (KeyboardInterrupt(), 130, ""),
        (RuntimeError("some\nbug"), 70, "internal error, please report it: RuntimeError: some bug"),
        (RecursionError("deep"), 70, "internal error"),
    ],
)
def test_what_should_not_happen_is_no_verdict(run, monkeypatch, error, code, says):
    """Too little memory is undecided; an interruption and a bug have codes of their own, no 0 or 1."""

    def fail():
        raise error

    monkeypatch.setattr(exactcnn.resolve, "default_network", fail)
    found = run("verify")
    assert found.code == code
    assert says in found.err
    assert found.out == ""
    if says:
        assert says in run("verify", "--json").json["error"]


def test_a_bug_can_be_looked_at(monkeypatch):
    """With EXACTCNN_DEBUG set the exception itself comes through."""
    monkeypatch.setenv("EXACTCNN_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["exactcnn", "verify"])
    monkeypatch.setattr(exactcnn.resolve, "default_network", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main()


def script(*arguments, **more):
    """The installed console script, or what it does where it is not installed."""
    installed = Path(sys.executable).with_name("exactcnn")
    call = (
        [str(installed)]
        if installed.is_file()
        else [sys.executable, "-c", "from exactcnn.cli import main; main()"]
    )
    return subprocess.run([*call, *arguments], capture_output=True, text=True, timeout=60, **more)


def test_the_console_script(tmp_path):
    """The embedded example from a fresh process: verify writes what check accepts."""
    certificate = str(tmp_path / "c.json")
    found = script("verify", "--samples", "12", "--certificate", certificate, "--json")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["findings"][0]["verdict"] == "proved"
    found = script("check", "--json", certificate)
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["files"][0]["outcome"] == "VERIFIED"
    found = script("verify", "--prime", "9", "--samples", "2", "--json")
    assert found.returncode == 2
    assert list(json.loads(found.stdout)) == ["error"]


def test_help():
    """--help explains the commands, the exit codes and a first example, and succeeds."""
    found = script("--help")
    assert (found.returncode, found.stderr) == (0, "")
    for word in ("verify", "check", "Exit codes", "digits.json"):
        assert word in found.stdout
    assert "--certificate" in script("verify", "--help", env={**os.environ, "COLUMNS": "120"}).stdout


@pytest.mark.parametrize("command", ["verify", "check", "explain", "sample", "critical", "audit"])
def test_every_command_has_examples(run, command):
    """At least two in its help, each with options that exist."""
    help_text = run(command, "--help").out
    examples = re.findall(rf"exactcnn {command} .*", help_text)
    assert len(examples) >= 2
    for example in examples:
        for option in re.findall(r" (--?[a-z-]+)", example):
            assert len(re.findall(rf"{option}\b", help_text)) > 1, option


def test_help_names_every_statement(run, monkeypatch):
    """The list in --help of verify is the list of statements, none missing and none made up."""
    monkeypatch.setenv("COLUMNS", "120")
    shown = " ".join(run("verify", "--help").out.replace("│", " ").split())
    listed = shown.split("what each means. ")[1].split(". Default: rank")[0]
    names = [name for group in listed.split("; ") for name in group.split(": ")[1].split(", ")]
    assert names == list(STATEMENTS)


def test_a_closed_pipe_is_no_refutation():
    """If nobody reads the answer the exit code is not 1, which would say refuted."""
    reader, writer = os.pipe()
    os.close(reader)
    installed = Path(sys.executable).with_name("exactcnn")
    call = (
        [str(installed)]
        if installed.is_file()
        else [sys.executable, "-c", "from exactcnn.cli import main; main()"]
    )
    done = subprocess.run(
        [*call, "verify", "--samples", "2", "--json"], stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert done.returncode == 141, done.stderr
    assert b"Traceback" not in done.stderr


def test_explicit_weights_are_saved_and_come_back(run):
    """theorem-3.4 exhibits weights; the file is what --weights reads."""
    found = run(
        "verify", "relu.toml", "--data", "d.csv", "--statement", "theorem-3.4", "--save-weights", "w.json"
    )
    assert (found.code, found.err) == (0, "")
    assert run("verify", "relu.toml", "--data", "d.csv", "--weights", "w.json").code == 0


def test_interpolating_weights_are_saved(run):
    """corollary-3.6 writes output weights down; with them the loss is exactly 0, which zero-loss-nearby sees."""
    layers = [
        {"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"},
        {"kind": "dense", "units": 2},
    ]
    Path("net.json").write_text(json.dumps({"input": [4], "layers": layers}))
    x = np.array([[1, 2, 0, 3], [0, 1, 1, 2], [5, 4, 4, 0]], dtype=np.uint8)
    np.savez("labelled.npz", x=x, y=np.array([0, 1, 1]))
    call = ["verify", "net.json", "--data", "labelled.npz", "--no-hypotheses"]
    found = run(*call, "--statement", "corollary-3.6", "--save-weights", "w.json", "--json")
    assert (found.code, found.err) == (0, "")
    assert found.json["findings"][0]["evidence"]["targets"] == "reached"
    after = run(*call, "--weights", "w.json", "--statement", "zero-loss-nearby", "--json")
    assert after.json["findings"][0]["evidence"]["loss"][1] < 1e-12
    bare = run(
        "verify", "net.json", "--data", "d.csv", "--statement", "corollary-3.6", "--save-weights", "w.json"
    )
    assert "no weights written: corollary-3.6" in bare.err


def test_zero_loss_weights_are_saved(run):
    """zero-loss-exists writes weights with multiples of ln 2; with them the loss is exactly 0, in S_1."""
    layers = [
        {"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"},
        {"kind": "dense", "units": 3, "activation": "sigmoid"},
        {"kind": "dense", "units": 2},
    ]
    Path("net.json").write_text(json.dumps({"input": [4], "layers": layers}))
    x = np.array([[1, 2, 0, 3], [0, 1, 1, 2], [5, 4, 4, 0]], dtype=np.uint8)
    np.savez("labelled.npz", x=x, y=np.array([0, 1, 1]))
    call = ["verify", "net.json", "--data", "labelled.npz", "--no-hypotheses", "--layer", "1"]
    found = run(
        *call, "--statement", "zero-loss-exists", "--save-weights", "w.json", "--certificate", "c.json"
    )
    assert (found.code, found.err) == (0, "")
    assert run("check", "c.json").code == 0
    after = run(*call, "--weights", "w.json", "--statement", "s-k", "--statement", "theorem-4.5", "--json")
    assert [entry["verdict"] for entry in after.json["findings"]] == ["proved", "proved"]
    assert after.json["findings"][1]["evidence"]["zero_loss"] is True


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--save-weights", "w.json"], "save-weights: expected statement corollary-3.6 or theorem-3.4"),
        (["--statement", "theorem-3.4", "--save-weights", "w.npz"], "a file name ending in .json"),
        (["--statement", "theorem-3.4", "--save-weights", "no/w.json"], "no such folder"),
    ],
)
def test_weights_that_cannot_be_saved(run, arguments, sentence):
    """Said before the work, in one sentence."""
    found = run(*VERIFY, *arguments)
    assert (found.code, found.out) == (2, "")
    assert sentence in found.err


def test_the_command_to_check_can_be_pasted(run, tmp_path):
    """However long the name and whatever is in it, the command stands on one line, quoted for a shell."""
    name = str(tmp_path / f"my certificate {'x' * 150}.json")
    found = run(*VERIFY, "--certificate", name)
    (line,) = (line for line in found.out.splitlines() if line.startswith("check it:"))
    command = shlex.split(line.removeprefix("check it:"))
    assert command == ["exactcnn", "check", name]
    assert run(*command[1:]).code == 0


def test_fast(run):
    """--fast: float bounds in the evidence, none of them in the certificate, and without it nothing of the kind."""
    found = run("verify", "softplus.toml", "--data", "d.csv", "--fast", "--json", "--certificate", "c.json")
    finding = found.json["findings"][0]
    assert found.code == 0
    assert finding["evidence"]["kind"] == "float-bounds"
    assert finding["evidence"]["sigma_min"][0] > 0
    assert found.json["certificate"]["claims"] == 1
    (judgment,) = json.loads(Path("c.json").read_text())["judgments"]
    assert judgment["kind"] == "minor-enclosed"
    assert run("check", "c.json").code == 0
    slow = run("verify", "softplus.toml", "--data", "d.csv", "--json").json["findings"][0]
    assert "kind" not in slow["evidence"]
