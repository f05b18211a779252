"""exactcnn sample: one JSON object, one sentence for bad input, rows that verify proves again."""

from __future__ import annotations

import json
import shlex
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from exactcnn.cli import main

SPEC = {
    "input": [1, 8, 8],
    "layers": [
        {"kind": "conv", "filters": 1, "kernel": 4, "stride": 2, "activation": "relu"},
        {"kind": "maxpool", "kernel": 2},
        {"kind": "dense", "units": 5, "activation": "sigmoid"},
    ],
}


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Call the command line in a folder with a spec and a small data file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXACTCNN_DEBUG", raising=False)
    Path("s.json").write_text(json.dumps(SPEC))
    Path("d.csv").write_text("\n".join(",".join(map(str, row)) for row in np.arange(640).reshape(10, 64) % 7))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["exactcnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return caught.value.code, out, err

    return call


@pytest.mark.parametrize("law", ["uniform", "gaussian", "he", "sparse:1/3", "integer:2"])
def test_rows_are_proved_again(run, law):
    """The summary's verify command gives the row's rank, with a certificate that check accepts."""
    code, out, err = run(
        "sample", "s.json", "--samples", 6, "--draws", 30, "--bits", 3, "--distribution", law, "--json",
        "--sweep", "activation=relu,sigmoid", "--sweep", "bias=unit,filter", "--start", 2, "--scale", "1/16",
    )  # fmt: skip
    assert (code, err) == (0, "")
    summary = json.loads(out)
    assert len(out.splitlines()) == 1
    header, *lines = Path("campaign.csv").read_text().splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert len(rows) == summary["table"]["rows"] == 120
    for cell in summary["cells"]:
        words = shlex.split(cell["verify"])
        seed = int(words[words.index("--seed") + 1])
        assert seed == (cell["deficient_seeds"] or [0])[0]
        for other in {seed, 1}:
            words[words.index("--seed") + 1] = str(other)
            (row,) = [r for r in rows if (int(r["cell"]), int(r["seed"])) == (cell["cell"], other)]
            code, out, err = run(*words[1:], "--json", "--no-hypotheses", "--certificate", "c.json")
            evidence = json.loads(out)["findings"][0]["evidence"]
            assert evidence["upper"] == int(row["rank"] or row["rank_upper"])
            assert evidence["lower"] == int(row["rank"] or row["rank_lower"])
            assert code == {"true": 0, "false": 1, "": 3}[row["full"]]
            assert run("check", "c.json")[0] == 0


def test_layers_depth_and_pooling(run):
    """Cells that end in other layers are proved again from their own spec files."""
    sweeps = ["--sweep", "layer=1,2,3", "--sweep", "N=2,4"]
    code, out, _ = run("sample", "s.json", "--data", "d.csv", "--draws", 3, *sweeps, "--json", "--no-sigma")
    assert code == 0
    cells = json.loads(out)["cells"]
    assert [(c["layer"], c["N"], c["n_k"]) for c in cells] == [
        (1, 2, 9),
        (1, 4, 9),
        (2, 2, 1),
        (2, 4, 1),
        (3, 2, 5),
        (3, 4, 5),
    ]
    assert [c["width"] for c in cells[:3]] == [1, 1, None]
    for cell in cells:
        code, out, _ = run(*shlex.split(cell["verify"])[1:], "--json", "--no-hypotheses")
        evidence = json.loads(out)["findings"][0]["evidence"]
        assert evidence["width"] == cell["n_k"]
        assert str(evidence["lower"]) in cell["ranks"]


def test_for_people(run):
    """Without --json a table, the digest of the file and a command that proves a row."""
    code, out, err = run(
        "sample", "s.json", "--samples", 4, "--draws", 20, "--sweep", "width=1,2", "-o", "t.csv"
    )
    assert (code, err) == (0, "")
    summary = json.loads(Path("t.csv.summary.json").read_text())
    assert summary["table"]["sha256"] in out
    assert summary["cells"][0]["verify"] in out
    assert "width" in out
    assert "Clopper-Pearson" in out


def test_without_a_spec(run):
    """The embedded network on the embedded digits."""
    code, out, _ = run("sample", "--draws", 2, "--samples", 4, "--json", "-o", "t.csv", "--jobs", 1)
    assert code == 0
    (cell,) = json.loads(out)["cells"]
    assert (cell["activation"], cell["n_k"], cell["ranks"]) == ("sigmoid", 2304, {"4": 2})


HUNDRED = ",".join(map(str, range(1, 101)))
BAD = [
    (["--draws", "0"], "draws: expected an integer from 1 to"),
    (["--seed", "-1"], "seed: expected an integer from 0 to"),
    (["--seed", str(2**64 - 1), "--draws", "2"], "draws: expected at most 1 seeds"),
    (["--bits", "0"], "bits: expected an integer from 1 to 64"),
    (["--bits", "13", "--distribution", "gaussian"], "bits: expected an integer from 1 to 12 for gaussian"),
    (["--distribution", "normal"], "distribution: expected uniform, gaussian"),
    (["--layer", "9"], "layer: expected a layer number from 1 to 3"),
    (["--layer", "0"], "layer: expected a layer number from 1 to 3"),
    (["--samples", "0"], "samples: expected a number from 1 to 1797"),
    (["--samples", "5000"], "samples: expected a number from 1 to 1797"),
    (["--start", "1797"], "start: expected a sample number"),
    (["--scale", "x"], "scale: expected"),
    (["--data", "missing.csv"], "data missing.csv: expected a file that exists"),
    (["--data", "narrow.csv"], "data narrow.csv: expected samples of 64 values"),
    (["--sweep", "width"], "sweep: expected one of width, N"),
    (["--sweep", "height=1"], "sweep: expected one of width, N"),
    (["--sweep", "width="], "sweep width: expected positive integers"),
    (["--sweep", "width=1,x"], "sweep width: expected positive integers"),
    (["--sweep", "width=0"], "sweep width: expected positive integers"),
    (["--sweep", "width=2,2"], "sweep width: expected each value once, found 2 twice"),
    (["--sweep", "width=1", "--sweep", "width=2"], "sweep: expected each name once, found width twice"),
    (["--sweep", "width=1", "--layer", "2"], "expected a layer that has width, found max-pooling layer 2"),
    (["--sweep", "width=9999999999"], "sweep width=9999999999: layers[0].filters: expected"),
    (["--sweep", "width=5000000"], "sweep width=5000000: F_k: expected at most 150000000 entries"),
    (["--sweep", "depth=9"], "sweep depth=9: layers[1].kernel: expected a window that fits"),
    (["--sweep", "depth=101"], "sweep depth=101: depth: expected at most 100 copies"),
    (["--sweep", "activation=rely"], "sweep activation: expected one of"),
    (["--sweep", "activation=custom"], "sweep activation: expected names of built-in"),
    (["--sweep", "bias=both"], "sweep bias: expected unit, filter, none"),
    (["--sweep", "distribution=normal"], "sweep distribution: expected uniform"),
    (["--sweep", "bits=10,13", "--distribution", "he"], "sweep bits=13: bits: expected"),
    (["--sweep", "bits=65"], "sweep bits=65: bits: expected an integer from 1 to 64"),
    (["--sweep", "N=1,1798"], "sweep N=1798: samples: expected"),
    (["--sweep", "N=" + HUNDRED, "--sweep", "bits=" + HUNDRED, "--sweep", "width=1,2"],
     "sweep: expected at most 10000 cells"),
    (["-o", "t.txt"], "output t.txt: expected a file name that ends in .csv or .parquet"),
    (["-o", "missing/t.csv"], "output missing/t.csv: expected a file in a folder that exists"),
    (["-o", "folder.csv"], "output folder.csv: expected a file"),
    (["--jobs", "0"], "jobs: expected a number of processes"),
    (["--jobs", "-2"], "jobs: expected a number of processes"),
    (["--dask", "nowhere"], "dask: expected local"),
]  # fmt: skip


@pytest.mark.parametrize("arguments, sentence", BAD, ids=lambda value: str(value)[:50])
def test_bad_calls(run, arguments, sentence):
    """Exit code 2 and one sentence; nothing is written."""
    Path("narrow.csv").write_text("1,2\n3,4")
    Path("folder.csv").mkdir()
    before = sorted(Path().iterdir())
    code, out, err = run("sample", "s.json", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("exactcnn: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert sorted(Path().iterdir()) == before
    code, out, err = run("sample", "s.json", *arguments, "--json")
    assert (code, err) == (2, f"exactcnn: {json.loads(out)['error']}\n")


@pytest.mark.parametrize(
    "arguments, module, extra",
    [(["-o", "t.parquet"], "pyarrow", "parquet"), (["--dask", "local"], "distributed", "dask")],
)
def test_missing_extras(run, monkeypatch, arguments, module, extra):
    """An optional package that is not installed is named with the way to install it."""

    def absent(name, *more):
        if name.startswith(module):
            raise ImportError(name)
        return import_module(name, *more)

    for room in ("tables", "runners"):
        monkeypatch.setattr(f"exactcnn.sampling.{room}.import_module", absent)
    code, _, err = run("sample", "s.json", *arguments)
    assert code == 2
    assert f"pip install 'exactcnn[{extra}]'" in err


def test_an_interruption_is_no_error(run, monkeypatch):
    """Ctrl-C: exit code 130, what is kept and how to go on; --json has it too."""

    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("exactcnn.sampling.run_campaign", interrupted)
    code, out, err = run("sample", "s.json", "--draws", 3, "--json")
    assert code == 130
    assert "exactcnn sample s.json --draws 3 --json --resume" in err
    assert err == f"exactcnn: {json.loads(out)['error']}\n"


def test_a_finished_table_is_not_lost(run):
    """A second campaign does not replace the first table unasked; an interrupted one still goes on."""
    assert run("sample", "s.json", "--draws", 3, "-o", "t.csv")[0] == 0
    before = Path("t.csv").read_bytes()
    for more in ([], ["--resume"]):
        code, out, err = run("sample", "s.json", "--draws", 4, "-o", "t.csv", *more)
        assert (code, out) == (2, "")
        assert err == (
            "exactcnn: output t.csv: expected a file that does not exist yet (-o names another, --force replaces "
            "it), found one that does\n"
        )
        assert Path("t.csv").read_bytes() == before
    Path("t.csv.parts").mkdir()  # what an interruption leaves at the very least
    code, _, err = run("sample", "s.json", "--draws", 4, "-o", "t.csv", "--resume")
    assert (code, "the journal of this very campaign" in err) == (2, True)
    Path("t.csv.parts").rmdir()
    assert run("sample", "s.json", "--draws", 4, "-o", "t.csv", "--force")[0] == 0
    assert len(Path("t.csv").read_text().splitlines()) == 5


def test_help(run):
    """--help explains the options."""
    code, out, _ = run("sample", "--help")
    assert code == 0
    for word in ("--sweep", "--resume", "--dask", "almost-everywhere"):
        assert word in out
