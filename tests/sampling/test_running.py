"""The table is the same bytes whoever computes it, and whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

import exactcnn
from exactcnn.errors import MalformedError
from exactcnn.progress import listening
from exactcnn.sampling import Campaign, run_campaign, runners
from exactcnn.sampling.cells import parse_sweep

ROOT = Path(exactcnn.__file__).resolve().parents[1]
SPEC = {
    "input": {"shape": [1, 8, 8]},
    "layers": [{"kind": "conv", "filters": 1, "kernel": 4, "stride": 2, "activation": "relu"}],
}


def campaign(draws=300, **more):
    """Two widths of a small ReLU layer on digits; the narrower one is often deficient."""
    network = exactcnn.Network.from_dict(SPEC)
    options = {"N": 6, "distribution": "gaussian", "bits": 4, "sweeps": [parse_sweep("width=1,3")]} | more
    return Campaign(network, exactcnn.load_data("digits"), draws=draws, **options)


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if "parts" in path.name or "partial" in path.name)


def test_the_same_bytes_from_all_runners(tmp_path):
    """In this process, two joblib processes and a Dask cluster of two: one table, one summary."""
    suffixes = [".csv", ".parquet"] if find_spec("pyarrow") else [".csv"]
    ways = {"serial": {}, "joblib": {"jobs": 2}}
    if find_spec("distributed"):
        ways["dask"] = {"jobs": 2, "dask": "local"}
    found = {}
    for name, how in ways.items():
        folder = tmp_path / name
        folder.mkdir()
        for suffix in suffixes if name != "dask" else suffixes[-1:]:
            summary = run_campaign(campaign(), folder / f"t{suffix}", **how)
            assert summary["table"]["sha256"] == sha(folder / f"t{suffix}")
            assert json.loads((folder / f"t{suffix}.summary.json").read_text()) == summary
            cells = [{**cell, "spec": None, "verify": None} for cell in summary["cells"]]
            same = found.setdefault(suffix, (summary["table"]["sha256"], cells))
            assert same == (summary["table"]["sha256"], cells)
        assert leftovers(folder) == []


def test_parquet_and_csv_say_the_same(tmp_path):
    """Both formats hold the same values, empty cells included."""
    parquet = pytest.importorskip("pyarrow.parquet")
    for sigma, sweeps in ((True, "activation=relu,sigmoid,softplus"), (False, "width=1,4")):
        made = campaign(30, sigma=sigma, sweeps=[parse_sweep(sweeps)])
        run_campaign(made, tmp_path / "t.csv")
        run_campaign(made, tmp_path / "t.parquet")
        header, *lines = (tmp_path / "t.csv").read_bytes().decode().split("\n")
        assert lines.pop() == ""
        table = parquet.read_table(tmp_path / "t.parquet")
        assert table.column_names == header.split(",")
        texts = {None: "", True: "true", False: "false"}
        for row, line in zip(table.to_pylist(), lines, strict=True):
            values = [texts[v] if v is None or isinstance(v, bool) else str(v) for v in row.values()]
            assert values == line.split(",")


def test_summary_counts(tmp_path):
    """Histogram, shares, dead units and seeds of the summary are those of the table."""
    made = campaign(200, sweeps=[parse_sweep("width=1")], data_options=("--data", "digits"))
    summary = run_campaign(made, tmp_path / "t.csv")
    (cell,) = summary["cells"]
    header, *lines = (tmp_path / "t.csv").read_text().splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert [int(row["seed"]) for row in rows] == list(range(200))
    deficient = [int(row["seed"]) for row in rows if row["full"] == "false"]
    assert 0 < len(deficient) < 200
    assert cell["deficient_seeds"] == deficient[:20]
    assert (cell["full_rank"], cell["deficient"], cell["undecided"]) == (
        200 - len(deficient),
        len(deficient),
        0,
    )
    for rank, count in cell["ranks"].items():
        assert count == sum(row["rank"] == rank for row in rows)
    assert sum(cell["ranks"].values()) == 200 == sum(cell["decided_by"].values())
    dead = sum(int(row["dead_units"]) for row in rows)
    numerator, denominator = map(int, cell["mean_dead_share"].split("/"))
    assert numerator * 200 * cell["n_k"] == dead * denominator
    low, high = map(float, cell["share_full_interval"])
    assert low < cell["full_rank"] / 200 < high
    least = min((row for row in rows if row["full"] == "true"), key=lambda row: float(row["sigma_min_low"]))
    assert cell["smallest_sigma_min"]["low"] == float(least["sigma_min_low"]) > 0
    assert {row["sigma_min_low"] for row in rows if row["full"] == "false"} == {"0.0"}


def interrupted_after(count):
    """A listener that interrupts when ``count`` draws are done."""

    def listen(what, done, total):
        if count <= done < total:
            raise KeyboardInterrupt

    return listening(listen)


@pytest.mark.parametrize("how", [{}, {"jobs": 2}])
def test_resuming(tmp_path, how):
    """An interrupted campaign keeps its finished chunks, and ends in the same bytes."""
    run_campaign(campaign(900), tmp_path / "whole.csv")
    output = tmp_path / "t.csv"
    with pytest.raises(KeyboardInterrupt), interrupted_after(256):
        run_campaign(campaign(900), output, **how)
    kept = sorted((tmp_path / "t.csv.parts").glob("chunk-*.json"))
    assert kept
    assert not output.exists()
    with pytest.raises(MalformedError, match="expected --resume, or no unfinished campaign in"):
        run_campaign(campaign(900), output)
    for other in (campaign(901), campaign(900, bits=5), campaign(900, sigma=False), campaign(900, N=5)):
        with pytest.raises(MalformedError, match="the journal of this very campaign, found that of another"):
            run_campaign(other, output, resume=True)
    intact = sum(len(json.loads(path.read_text())) for path in kept[1:])
    kept[0].write_text("[[0, 1")  # a damaged chunk is computed again
    seen = []
    with listening(lambda what, done, total: seen.append(done)):
        run_campaign(campaign(900), output, resume=True, **how)
    assert seen[0] == intact
    assert seen[-1] == 1800
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert leftovers(tmp_path) == []


COMMAND = ["--samples", "6", "--draws", "12000", "--distribution", "gaussian", "--bits", "4"]


def command_line(folder, *arguments, **more):
    call = [sys.executable, "-c", "from exactcnn.cli import main; main()", "sample", "s.json", *COMMAND]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*call, *arguments], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_interruption(tmp_path, number):
    """kill -INT and kill -TERM: exit code 130, one sentence, and --resume ends in the same bytes."""
    (tmp_path / "s.json").write_text(json.dumps(SPEC))
    process = command_line(tmp_path, "--json")
    parts = tmp_path / "campaign.csv.parts"
    deadline = time.monotonic() + 30
    while len(list(parts.glob("chunk-*.json"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "--resume" in json.loads(out)["error"]
    assert err.startswith("exactcnn: interrupted; finished draws are kept in campaign.csv.parts")
    assert 2 <= len(list(parts.glob("chunk-*.json"))) < 24
    process = command_line(tmp_path, "--json", "--resume")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["table"]["rows"] == 12000
    run_campaign(campaign(12000, sweeps=()), tmp_path / "whole.csv")
    assert (tmp_path / "campaign.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


class Killer(threading.Thread):
    """Kills one of the processes that ``find`` gives, once two chunks are finished."""

    def __init__(self, parts, find):
        super().__init__(daemon=True)
        self.parts, self.find, self.killed = parts, find, None

    def run(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if len(list(self.parts.glob("chunk-*.json"))) >= 2:
                pids = self.find()
                if pids:
                    os.kill(pids[0], signal.SIGKILL)
                    self.killed = pids[0]
                    return
            time.sleep(0.005)


def children():
    """Process numbers of this process's children that are joblib's workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                line = (entry / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue
            if parent == os.getpid() and b"popen_loky" in line:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="finds worker processes in /proc")
def test_a_killed_joblib_worker(tmp_path):
    """A worker of the pool is killed: the chunks it had are computed again."""
    made = campaign(8000)
    run_campaign(made, tmp_path / "whole.csv")
    killer = Killer(tmp_path / "t.csv.parts", children)
    killer.start()
    run_campaign(made, tmp_path / "t.csv", jobs=2)
    assert killer.killed is not None
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_killed_dask_worker(tmp_path):
    """One of two worker processes of a real cluster is killed in the middle: the same bytes."""
    distributed = pytest.importorskip("distributed")
    made = campaign(8000)
    run_campaign(made, tmp_path / "whole.csv")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=60
    )
    with cluster, distributed.Client(cluster) as client:
        pids = list(client.run(os.getpid).values())
        assert len(pids) == 2
        killer = Killer(tmp_path / "t.csv.parts", lambda: pids)
        killer.start()
        run_campaign(made, tmp_path / "t.csv", dask=cluster.scheduler_address)
        assert killer.killed is not None
        assert killer.killed not in client.run(os.getpid).values()
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_nobody_answers(tmp_path, monkeypatch):
    """A scheduler that is not there is one sentence, and nothing is lost."""
    pytest.importorskip("distributed")
    monkeypatch.setattr(runners, "_PATIENCE", 0.5)
    for address in ("tcp://127.0.0.1:1", "nowhere", "http://host"):
        with pytest.raises(MalformedError, match=r"^dask: expected"):
            run_campaign(campaign(5), tmp_path / "t.csv", dask=address)


class FakeFuture:
    """What a Dask future says about its end."""

    def __init__(self, status, outcome=None):
        self.status, self.outcome = status, outcome

    def exception(self):
        return self.outcome

    def result(self):
        return self.outcome


def test_what_a_cluster_answers():
    """Lost work is given out again; foreign versions and missing installations are one sentence."""
    distributed = pytest.importorskip("distributed")
    assert runners._result(FakeFuture("cancelled")) is None
    lost = distributed.KilledWorker("task", "worker", 3)
    assert runners._result(FakeFuture("error", lost)) is None
    assert runners._result(FakeFuture("finished", (exactcnn.__version__, []))) == []
    with pytest.raises(MalformedError, match=r"workers with exactcnn .* found version 0\.0"):
        runners._result(FakeFuture("finished", ("0.0", [])))
    with pytest.raises(MalformedError, match="installed, found No module"):
        runners._result(FakeFuture("error", ModuleNotFoundError("No module named 'exactcnn'")))
    with pytest.raises(ZeroDivisionError):
        runners._result(FakeFuture("error", ZeroDivisionError()))
