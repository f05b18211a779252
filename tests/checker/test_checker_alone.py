"""The folder of the checker, copied alone, works with nothing but the standard library."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from handmade import SIGMOID, changed, count, enclosed, features, line, rank, seal

import exactcnn.checker

FOLDER = Path(exactcnn.checker.__file__).parent
MOST_LINES = {"core": 2650, "": 4050}  # counted, rounded up to the next 50: growth is to be noticed


def run(tmp_path, *arguments):
    """-S: no site-packages, so neither exactcnn nor numpy can be imported."""
    return subprocess.run(
        [sys.executable, "-E", "-s", "-S", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def alone(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "checker", ignore=shutil.ignore_patterns("__pycache__"))
    case = line([1, 1], SIGMOID)
    good = seal(case, [count(2, "samples")], [rank(case, 2, upper=1)])
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "bad.json").write_text(json.dumps(changed(good, "claims", 0, "upper", 0)))
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


def test_limits_from_outside(alone):
    """Within ample limits the verdict is the same; where time ends it, a sentence and exit code 2."""
    result = run(alone, "-m", "checker", "--max-seconds", "60", "--max-memory", "1024", "good.json")
    assert result.returncode == 0
    case = line(list(range(2000)), SIGMOID)
    case["weights"]["w"]["nodes"][0]["W"]["rows"] = [[str(7**5000)]]
    slow = seal(case, [enclosed(features(2), [n], [0], 4096) for n in range(2000)], [rank(case, 2, lower=1)])
    (alone / "slow.json").write_text(json.dumps(slow))
    result = run(alone, "-m", "checker", "--max-seconds", "1", "slow.json", "good.json")
    assert result.returncode == 2
    assert "slow.json" in result.stderr
    assert "NOT CHECKED" in result.stderr
    assert "good.json" in result.stdout


def test_internal_errors_are_their_own_outcome(alone):
    """A fault planted into a rule must show as exit code 70 and never as VERIFIED."""
    rules = alone / "checker" / "core" / "bounds.py"
    text = rules.read_text()
    planted = text.replace(
        "def different(", "def different(*_):\n    raise KeyError('planted')\n\n\ndef other("
    )
    planted = planted.replace("bound = node.above.units if rule", "bound = different() if rule")
    assert planted.count("different()") == 1
    rules.write_text(planted)
    case = line([1, 1], SIGMOID)
    certificate = seal(case, [count(2, "width")], [rank(case, 2, upper=1)])
    (alone / "good.json").write_text(json.dumps(certificate))
    result = run(alone, "-m", "checker", "good.json", "broken.json")
    assert result.returncode == 70
    assert "INTERNAL ERROR" in result.stderr
    assert result.stdout == ""


def test_imports_and_size():
    """Only the standard library and relative imports, NumPy optional in `arrays` alone; no assert, which python -O would
    drop."""
    lines = dict.fromkeys(MOST_LINES, 0)
    for path in FOLDER.rglob("*.py"):
        tree = ast.parse(path.read_text())
        lines[""] += len(path.read_text().splitlines())
        lines["core"] += len(path.read_text().splitlines()) * (path.parent.name == "core")
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Assert)
            if isinstance(node, ast.Import):
                names = {name.name.split(".")[0] for name in node.names}
                optional = {"numpy"} if path == FOLDER / "arrays.py" else set()
                assert names - optional <= sys.stdlib_module_names
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert node.module.split(".")[0] in sys.stdlib_module_names
    for part, most in MOST_LINES.items():
        assert lines[part] <= most, (part, lines[part])


def test_core_does_not_need_the_landscape():
    for path in (FOLDER / "core").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path
                assert "arrays" not in (node.module or "")
