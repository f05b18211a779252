"""Floor 2: samples with their targets, exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError

__all__ = ["FileOrigin", "Samples"]


@dataclass(frozen=True)
class FileOrigin:
    """x is exactly ``scale`` times rows ``start``, ``start`` + 1, .. of the file's array."""

    path: str
    format: str
    sha256: str
    start: int = 0
    scale: Fraction = Fraction(1)


@dataclass(frozen=True, eq=False)
class Samples:
    """``x`` of shape (N, d), one row a sample, N >= 1; ``targets`` (N,) or (N, m) or None.

    ``sample_shape`` is the shape of one sample where the source knows it.  ``origin`` is set
    where a certificate may refer to a file instead of embedding the data.
    """

    x: RationalArray
    targets: RationalArray | None = None
    sample_shape: tuple[int, ...] | None = None
    source: str = "data"
    origin: FileOrigin | None = None

    def __post_init__(self) -> None:
        if self.x.ndim != 2:
            raise MalformedError("data.x", "one row of values for each sample", f"shape {self.x.shape}")
        if 0 in self.x.shape:
            raise MalformedError("data.x", "at least one sample of at least one value", f"shape {self.x.shape}")
        if self.targets is not None and self.targets.shape[:1] != self.x.shape[:1]:
            raise MalformedError("data.y", f"{self.x.shape[0]} targets", self.targets.shape)

    @property
    def N(self) -> int:
        return self.x.shape[0]

    def take(self, count: int | None, start: int = 0) -> Samples:
        """``count`` samples from ``start`` on (None: all the rest)."""
        if not 0 <= start < self.N:
            raise MalformedError("start", f"a sample number from 0 to {self.N - 1}", start)
        available = self.N - start
        wanted = available if count is None else count
        if not 1 <= wanted <= available:
            raise MalformedError("samples", f"a number from 1 to {available}, as {self.source} has", wanted)
        if wanted == self.N:
            return self
        rows = slice(start, start + wanted)
        origin = None if self.origin is None else replace(self.origin, start=self.origin.start + start)
        targets = None if self.targets is None else self.targets[rows]
        return Samples(self.x[rows], targets, self.sample_shape, self.source, origin)

    def scaled(self, factor: Fraction) -> Samples:
        """Every pixel times an exact positive rational."""
        if factor <= 0:
            raise MalformedError("scale", "a positive rational", factor)
        if factor == 1:
            return self
        origin = None if self.origin is None else replace(self.origin, scale=self.origin.scale * factor)
        return replace(self, x=self.x.scaled(factor), origin=origin)

    @staticmethod
    def from_array(
        array: np.ndarray,
        targets: np.ndarray | None = None,
        *,
        field: str = "data",
        source: str = "data",
        origin: FileOrigin | None = None,
    ) -> Samples:
        """From arrays of integers or floats (taken as dyadic rationals), first axis samples."""
        x = RationalArray.from_numpy(array, f"{field}.x")
        if array.ndim < 2:
            raise MalformedError(f"{field}.x", "an axis of samples and at least one of values", f"shape {array.shape}")
        if array.size == 0:
            raise MalformedError(f"{field}.x", "at least one sample of at least one value", f"shape {array.shape}")
        y = None if targets is None else RationalArray.from_numpy(np.asarray(targets), f"{field}.y")
        return Samples(x.reshape(array.shape[0], -1), y, tuple(array.shape[1:]), source, origin)
