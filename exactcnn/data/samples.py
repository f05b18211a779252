"""Floor 2: samples with their targets, exactly.

Conventions.  One row is one sample, its values row-major in ``sample_shape`` (channels, then
extents).  Whoever changes ``x`` changes ``origin`` with it or drops it: a certificate that
points to a file must point to these very values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.data.files import named
from exactcnn.errors import MalformedError

__all__ = ["FileOrigin", "Samples"]


@dataclass(frozen=True)
class FileOrigin:
    """x is exactly ``scale`` times rows ``start``, ``start`` + 1, .. of the file's array.

    ``format`` is "idx" or "npz" (its member ``x.npy``), ``sha256`` the digest of the file's
    bytes as they lie on disk (FORMAT.md section 3).
    """

    path: str
    format: str
    sha256: str
    start: int = 0
    scale: Fraction = Fraction(1)


@dataclass(frozen=True, eq=False)
class Samples:
    """``x`` of shape (N, d), one row a sample, N, d >= 1; ``targets`` (N,) or (N, m) or None.

    ``sample_shape``, of product d, is the shape of one sample where the source knows it.
    ``source`` describes it for people.  ``origin`` is set where a certificate may refer to a
    file instead of embedding the data.  MalformedError where the shapes do not fit.
    """

    x: RationalArray
    targets: RationalArray | None = None
    sample_shape: tuple[int, ...] | None = None
    source: str = "data"
    origin: FileOrigin | None = None

    def __post_init__(self) -> None:
        x, y = self.x, self.targets
        if x.ndim != 2:
            raise MalformedError(f"{self.field}.x", "one row of values for each sample", f"shape {x.shape}")
        if 0 in x.shape:
            raise MalformedError(
                f"{self.field}.x", "at least one sample of at least one value", f"shape {x.shape}"
            )
        if self.sample_shape is not None and prod(self.sample_shape) != x.shape[1]:
            raise MalformedError(
                f"{self.field}.x", f"samples of shape {self.sample_shape}", f"{x.shape[1]} values"
            )
        if y is not None and (y.shape[:1] != x.shape[:1] or y.ndim > 2 or 0 in y.shape):
            expected = f"{x.shape[0]} targets, numbers or rows of numbers"
            raise MalformedError(f"{self.field}.y", expected, f"shape {y.shape}")

    @property
    def field(self) -> str:
        """What messages call these samples: data, and where they come from if that is known."""
        return "data" if self.source == "data" else named("data", self.source)

    @property
    def N(self) -> int:
        """The number of samples."""
        return self.x.shape[0]

    def take(self, count: int | None, start: int = 0) -> Samples:
        """``count`` samples from number ``start`` on (None: all the rest), targets and origin
        with them; MalformedError for a range that does not lie in 0..N-1."""
        if not _is_int(start) or not 0 <= start < self.N:
            raise MalformedError("start", f"a sample number from 0 to {self.N - 1}", repr(start))
        available = self.N - start
        wanted = available if count is None else count
        if not _is_int(wanted) or not 1 <= wanted <= available:
            expected = f"a number from 1 to {available}, as {self.source} has"
            raise MalformedError("samples", expected, repr(wanted))
        if wanted == self.N:
            return self
        rows = slice(start, start + wanted)
        origin = None if self.origin is None else replace(self.origin, start=self.origin.start + start)
        targets = None if self.targets is None else self.targets[rows]
        return Samples(self.x[rows], targets, self.sample_shape, self.source, origin)

    def scaled(self, factor: Fraction | int) -> Samples:
        """Every value times an exact positive rational; the targets stay."""
        if not (_is_int(factor) or isinstance(factor, Fraction)):
            raise MalformedError("scale", "an exact rational such as 1/255", repr(factor))
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
        """From ``array`` (N, ..) and ``targets`` (N,) or (N, m), of integers or floats.

        Floats are taken as the dyadic rationals they are.  The first axis is the samples, the
        rest is flattened row-major.  MalformedError for other dtypes, NaN, infinities and
        shapes that do not fit.
        """
        x = RationalArray.from_numpy(array, f"{field}.x")
        if array.ndim < 2:
            raise MalformedError(
                f"{field}.x", "an axis of samples and at least one of values", f"shape {array.shape}"
            )
        if array.size == 0:
            expected = "at least one sample of at least one value"
            raise MalformedError(f"{field}.x", expected, f"shape {array.shape}")
        y = None if targets is None else RationalArray.from_numpy(np.asarray(targets), f"{field}.y")
        return Samples(x.reshape(array.shape[0], -1), y, tuple(array.shape[1:]), source, origin)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
