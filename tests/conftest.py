"""Fixtures shared by all tests."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from pathlib import Path

import pytest

# Files whose cases are many and alike, and one in how many of each test's cases is run without --thorough.
SAMPLED = {
    "certificates/test_tampering.py": 5,
    "certificates/test_regular.py": 4,
    "checker/test_checker_malformed.py": 3,
    "checker/test_forgers.py": 2,
    "checker/test_hostile.py": 3,
    "features/test_balls.py": 4,
    "landscape/test_derivatives.py": 3,
    "landscape/test_elimination.py": 2,
    "landscape/test_enumeration.py": 3,
    "landscape/test_instances.py": 3,
    "landscape/test_minima.py": 3,
    "linalg/test_modular_lu.py": 3,
    "network/test_custom_activations.py": 3,
    "oracles/test_rank_agreement.py": 2,
    "proofs_checks/test_scripts.py": 3,
    "properties/test_certificates.py": 2,
    "statements/test_assumption_2_4.py": 3,
    "statements/test_theorem_3_4.py": 2,
}


def pytest_addoption(parser):
    parser.addoption(
        "--thorough", action="store_true", help="run every case of the files that are sampled otherwise"
    )


def pytest_collection_modifyitems(config, items):
    """The same cases on every machine; one of each test at least."""
    if config.getoption("--thorough") or any("::" in argument for argument in config.args):
        return
    here, groups = Path(__file__).parent, defaultdict(list)
    for item in items:
        name = item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""
        if name in SAMPLED:
            groups[name, item.originalname].append(item)
    left = set()
    for (name, _), cases in groups.items():
        ranked = sorted(cases, key=lambda item: hashlib.sha256(item.name.encode()).digest())
        left.update(ranked[-(-len(cases) // SAMPLED[name]) :])
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def mnist() -> Path:
    """EXACTCNN_MNIST, or shared/data/mnist beside one of the folders above this file."""
    named = os.environ.get("EXACTCNN_MNIST")
    candidates = (
        [Path(named)] if named else [up / "shared/data/mnist" for up in Path(__file__).resolve().parents]
    )
    for folder in candidates:
        if (folder / "train-images-idx3-ubyte.gz").is_file():
            return folder
    pytest.skip("the MNIST files are absent: name their folder in EXACTCNN_MNIST")
