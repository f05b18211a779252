"""Floor 2: samples and targets, exact: embedded digits, IDX, NPZ, CSV, JSON."""

from __future__ import annotations

from exactcnn.data.digits import load_digits
from exactcnn.data.load import load
from exactcnn.data.samples import FileOrigin, Samples

__all__ = ["FileOrigin", "Samples", "load", "load_digits"]
