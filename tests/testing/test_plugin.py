"""The pytest plugin in runs of its own: pytester, with and without pytest-xdist."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import exactcnn
from exactcnn.checker import check_file
from exactcnn.pytest_plugin import safe_name

pytest_plugins = ["pytester"]

ROOT = Path(exactcnn.__file__).resolve().parents[1]
# An installed exactcnn brings its entry point; a bare checkout has to name the plugin.
INSTALLED = any(entry.value == "exactcnn.pytest_plugin" for entry in entry_points(group="pytest11"))
NAMED = [] if INSTALLED else ["-p", "exactcnn.pytest_plugin"]
TESTS = """
    import pytest
    from exactcnn.testing import assert_features_independent, assert_full_rank, assert_zero_loss

    NET = {"input": [4], "layers": [{"kind": "conv", "filters": 3, "kernel": 2, "activation": "relu"}]}
    X = [[1, 2, 0, 3], [0, 1, 1, 2], [5, 4, 4, 0]]

    @pytest.fixture
    def checked():
        assert_full_rank([[1, 2], [3, 4]])

    def test_proved(checked):
        assert_features_independent(NET, X, layer=1)

    @pytest.mark.parametrize("name", ["a/b", "a:b", "../..", "\\u00e9" * 90])
    def test_names(name):
        assert_full_rank([[1, 2, 3]])

    def test_refuted():
        assert_features_independent(NET, [*X, X[0]], layer=1)

    def test_undecided():
        custom = {"name": "custom", "expression": "t + 1"}
        net = {"input": [4], "layers": [{**NET["layers"][0], "filters": 9, "activation": custom}]}
        assert_features_independent(net, [[n, n * n, n % 3, n % 5] for n in range(12)], layer=1)

    def test_not_certified():
        net = {"input": [1], "layers": [{"kind": "dense", "units": 1, "activation": "softplus"}]}
        assert_zero_loss(net, [[1]], targets=[[5]])
"""


@pytest.fixture
def project(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(TESTS)
    return pytester


def run(pytester, *options):
    return pytester.runpytest_subprocess(*NAMED, "-p", "no:cacheprovider", *options)


def outcomes_of(folder):
    """statement, verdict and what the checker says of each file, by name."""
    return {path.name: check_file(str(path)).outcome for path in sorted(folder.iterdir())}


def test_failures_are_one_sentence(project):
    """No frame of exactcnn in the report, the finding's sentence, and "undecided" in words."""
    result = run(project)
    result.assert_outcomes(passed=5, failed=3)
    text = result.stdout.str()
    assert "E       AssertionError: rank: refuted. F_1 (4 x 9) has rank 3, less than N = 4" in text
    assert "E       AssertionError: rank: undecided. the rank of F_1 (12 x 27) lies between" in text
    assert "exactcnn/testing.py" not in text
    assert "certificates" not in text  # nobody asked for them


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_certificates_of_a_run(project, workers):
    """A file for each finding, accepted by the checker, and a line in the summary; the same under xdist."""
    if workers:
        pytest.importorskip("xdist")
    result = run(project, "--exactcnn-certificates", "kept/here", *workers)
    result.assert_outcomes(passed=5, failed=3)
    found = outcomes_of(project.path / "kept" / "here")
    assert set(found.values()) == {"VERIFIED"}
    verdicts = [name.rsplit("-", 1)[1] for name in found]
    counts = {verdict: verdicts.count(verdict) for verdict in verdicts}
    assert counts == {"proved.json": 6, "refuted.json": 1, "undecided.json": 1}
    assert sum("test_names" in name for name in found) == 4
    # The fixture's assertion and the test's own are two of one test.
    assert sum("test_proved" in name for name in found) == 2
    where = project.path / "kept" / "here"
    result.stdout.fnmatch_lines([f"exactcnn: 8 certificates in {where}; 1 finding without one*"])


def test_a_second_run_replaces_the_first(project):
    """The same tests have the same names."""
    run(project, "--exactcnn-certificates", "kept", "-k", "proved")
    before = {path.name: path.read_bytes() for path in (project.path / "kept").iterdir()}
    assert len(before) == 2
    run(project, "--exactcnn-certificates", "kept", "-k", "proved")
    assert {path.name: path.read_bytes() for path in (project.path / "kept").iterdir()} == before


def test_a_folder_that_cannot_be_one(project):
    """One sentence and pytest's code for bad usage, before any test."""
    (project.path / "file").write_text("")
    result = run(project, "--exactcnn-certificates", "file/kept")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--exactcnn-certificates file/kept: expected a folder" in result.stderr.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_names_are_safe_and_different():
    """Whatever a node id holds: a plain file name, and another one for another test."""
    ids = [
        "a.py::t[x/y]",
        "a.py::t[x:y]",
        "a.py::t[x-y]",
        "../../etc::t",
        "-rf",
        "",
        "\ud800",
        "\0\n",
        "x" * 5000,
    ]
    names = [safe_name(each) for each in ids]
    assert len(set(names)) == len(ids)
    for name in names:
        assert name == Path(name).name
        assert name.isascii()
        assert name.isprintable()
        assert len(name) < 150
        assert name[0] not in "-."


def test_the_plugin_costs_nothing():
    """pytest loads it in every project: neither NumPy nor anything heavier, and nothing of exactcnn but itself."""
    script = "import json, sys, pytest\nbefore = set(sys.modules)\nimport exactcnn.pytest_plugin\n"
    script += "print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert set(json.loads(done.stdout)) == {"exactcnn", "exactcnn.pytest_plugin"}


def test_the_entry_point():
    """pyproject.toml tells pytest where the plugin is."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("pyproject.toml is not beside an installed package")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"exactcnn": "exactcnn.pytest_plugin"}


def test_the_sample_for_a_model_of_ones_own(pytester, monkeypatch):
    """The sample file runs as it stands, and its certificates are accepted."""
    pytest.importorskip("torch")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.copy(Path(__file__).with_name("sample_torch_model.py"), pytester.path / "test_model.py")
    result = run(pytester, "--exactcnn-certificates", "kept")
    result.assert_outcomes(passed=5)
    found = outcomes_of(pytester.path / "kept")
    assert set(found.values()) == {"VERIFIED"}
    assert len(found) == 7
    assert os.listdir(pytester.path / "kept")
