"""What an import costs, and who may import whom."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import exactcnn

ROOT = Path(exactcnn.__file__).resolve().parents[1]
HEAVY = {
    "numpy",
    "flint",
    "sympy",
    "numba",
    "networkx",
    "typer",
    "rich",
    "mpmath",
    "safetensors",
    "hypothesis",
    "joblib",
    "threadpoolctl",
    "dask",
    "distributed",
    "pyarrow",
    "torch",
    "onnx",
    "onnxruntime",
}


def imported_by(code):
    """The top-level modules that a fresh interpreter has after running ``code``."""
    script = f"{code}\nimport json, sys; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_itself_is_light():
    """import exactcnn loads none of the libraries that it uses."""
    assert not HEAVY & imported_by("import exactcnn")


def test_the_command_line_starts_light():
    """The command line loads typer and rich; numbers wait until a command needs them."""
    assert not (HEAVY - {"typer", "rich"}) & imported_by("import exactcnn.cli")


def test_the_checker_needs_the_standard_library_only():
    """The independent checker imports nothing that is installed."""
    found = imported_by("import exactcnn.checker.__main__")
    assert found - {"exactcnn"} <= set(sys.stdlib_module_names) | imported_by("pass")
    assert not HEAVY & found


def test_names_are_loaded_when_first_used():
    """Every public name can be had from the package, unknown ones are AttributeErrors."""
    for name in exactcnn.__all__:
        assert getattr(exactcnn, name) is not None
        assert name in dir(exactcnn)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = exactcnn.nonsense


def test_rooms_import_only_from_floors_below():
    """The import contracts of pyproject.toml hold: layers, and the checker apart."""
    pytest.importorskip("importlinter")
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("the contracts are in pyproject.toml, which is not beside an installed package")
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
