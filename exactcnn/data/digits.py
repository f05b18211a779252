"""Floor 2: the embedded default: 1,797 UCI handwritten digits of 8 x 8 pixels, 0..16."""

from __future__ import annotations

import hashlib
from importlib import resources
from io import BytesIO

import numpy as np

from exactcnn.data.samples import Samples

__all__ = ["load_digits"]


def load_digits() -> Samples:
    """x (1797, 64) with integer pixels 0..16, sample shape (1, 8, 8), labels 0..9.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, test set (CC BY 4.0).

    >>> digits = load_digits()
    >>> digits.x.shape, digits.sample_shape
    ((1797, 64), (1, 8, 8))
    """
    raw = resources.files("exactcnn.data").joinpath("digits.npz").read_bytes()
    with np.load(BytesIO(raw), allow_pickle=False) as archive:
        x, y = archive["x"], archive["y"]
    return Samples.from_array(x, y, source=f"digits (UCI, sha256 {hashlib.sha256(raw).hexdigest()[:12]})")
