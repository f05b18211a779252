"""The folder of the checker, copied alone, works with nothing but the standard library."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from handmade import SIGMOID, line, seal

import exactcnn.checker

FOLDER = Path(exactcnn.checker.__file__).parent


def run(tmp_path, *arguments):
    """-S: no site-packages, so neither exactcnn nor numpy can be imported."""
    return subprocess.run(
        [sys.executable, "-E", "-s", "-S", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def alone(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "checker", ignore=shutil.ignore_patterns("__pycache__"))
    good = seal(*line([1, 1], SIGMOID, upper=1, up={"kind": "distinct-samples"}))
    (tmp_path / "good.json").write_text(json.dumps(good))
    good["claims"][0].update(upper=0)
    (tmp_path / "bad.json").write_text(json.dumps(good))
    (tmp_path / "broken.json").write_text("{")
    return tmp_path


def test_alone(alone):
    assert run(alone, "-c", "import exactcnn").returncode == 1
    assert run(alone, "-c", "import numpy").returncode == 1
    result = run(alone, "-m", "checker", "good.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert "verified: rank F_1 <= 1 over R" in result.stdout


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["good.json"], 0),
        (["bad.json"], 1),
        (["broken.json"], 2),
        (["good.json", "bad.json"], 1),
        (["broken.json", "bad.json", "good.json"], 2),
        (["nothing.json"], 2),
    ],
)
def test_exit_codes(alone, files, code):
    result = run(alone, "-m", "checker", "--json", *files)
    assert result.returncode == code
    reports = json.loads(result.stdout)["files"]
    complaints = [
        f"{json.dumps(r['file'])}: MALFORMED: {r['reason']}" for r in reports if r["outcome"] == "MALFORMED"
    ]
    assert result.stderr.splitlines() == complaints
    assert json.loads(result.stdout).get("error") == (complaints[0] if complaints else None)
    assert [report["file"] for report in reports] == files
    for report in reports:
        assert report["reason"]
        assert bool(report["claims"]) == (report["outcome"] == "VERIFIED")


def test_internal_errors_are_their_own_outcome(alone):
    """A fault planted into a rule must show as exit code 70 and never as VERIFIED."""
    rules = alone / "checker" / "ranks.py"
    rules.write_text(rules.read_text() + "\n\ndef bounds(*_):\n    raise KeyError('planted')\n")
    result = run(alone, "-m", "checker", "good.json", "broken.json")
    assert result.returncode == 70
    assert "INTERNAL ERROR" in result.stderr
    assert result.stdout == ""


def test_imports_and_size():
    """Only the standard library and relative imports, NumPy optional in `triangular` alone; no
    assert, which python -O would drop."""
    lines = 0
    for path in FOLDER.glob("*.py"):
        tree = ast.parse(path.read_text())
        lines += len(path.read_text().splitlines())
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Assert)
            if isinstance(node, ast.Import):
                names = {name.name.split(".")[0] for name in node.names}
                optional = {"numpy"} if path.name == "triangular.py" else set()
                assert names - optional <= sys.stdlib_module_names
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert node.module.split(".")[0] in sys.stdlib_module_names
    assert lines < 3670
