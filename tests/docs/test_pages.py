"""README and the pages of docs/ run literally, in order: each page in a folder of its own, from the state that its blocks leave.

Run are the blocks marked toml (written to the file that their first line names), python and sh; ``console`` shows what takes
too long.  Installing is left out: the environment at hand is used.  A page that needs PyTorch, ONNX or MNIST is skipped without.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import exactcnn
from tests.test_import import ROOT

DOCS = Path(exactcnn.__file__).parent / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
INSTALLS = re.compile(
    r"python3 -m venv .*? && (\.venv/bin/pip|\.venv/bin/python -m pip) install .*? && |pip install .*"
)
LINK = re.compile(r"\]\(((?!https?:)[^)#]+)")
SUITE = "-m pytest -q -n auto"  # README's test command is this very run


def blocks(page):
    return re.findall(r"^```(toml|sh|python)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if blocks(p) and p.name not in ("README.md", "speed.md")],
    ids=lambda page: page.name,
)
def test_page_runs(page, tmp_path, request):
    run(page, tmp_path, request)


def test_readme_runs(tmp_path, request):
    run(ROOT / "README.md", tmp_path, request)


def test_the_page_on_speed(tmp_path, request):
    """On all of MNIST: some twenty seconds on an idle machine."""
    run(DOCS / "speed.md", tmp_path, request)


def run(page, tmp_path, request):
    texts = [text for _, text in blocks(page)]
    for package in ("torch", "onnxruntime"):
        needed = any(f"import {package}" in text or f"[onnx,{package}]" in text for text in texts)
        if needed and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if any("train-images" in text for text in texts):
        (tmp_path / "train-images-idx3-ubyte.gz").symlink_to(
            request.getfixturevalue("mnist") / "train-images-idx3-ubyte.gz"
        )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    for kind, text in blocks(page):
        first = text.splitlines()[0]
        named = re.fullmatch(r"# (\S+\.(?:toml|py))", first)
        if named:
            (tmp_path / named[1]).write_text(text)
            continue
        lines = [INSTALLS.sub("", line).replace(".venv/bin/", "") for line in text.splitlines()]
        code = "\n".join(line for line in lines if SUITE not in line)
        call = [sys.executable, "-c", code] if kind == "python" else ["bash", "-ec", code]
        done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=900)
        # 1 and 3 are answers: refuted, undecided.
        assert done.returncode in ((0,) if kind == "python" else (0, 1, 3)), (
            f"{code}\n{done.stdout}\n{done.stderr}"
        )
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_readme_is_a_front_door():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    for page in DOCS.glob("*.md"):
        assert f"exactcnn/docs/{page.name}" in readme, page.name
