"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
