"""Floor 4a: the parameters of a network as a point, and the targets that its loss compares with.

Parameters are ordered layer by layer, W row by row (tap, filter), then b.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError, shown
from exactcnn.features.instance import Instance
from exactcnn.landscape.domains import Domain

__all__ = ["Point", "flatten", "objects", "point_of", "targets_of", "unflatten"]

Point = tuple[tuple[np.ndarray, np.ndarray | None] | None, ...]


def objects(array: RationalArray, domain: Domain, ln2: RationalArray | None = None) -> np.ndarray:
    """The entries, plus those of ``ln2`` times ln 2, as numbers of the domain."""
    found = np.empty(array.shape, dtype=object)
    D = array.denominator
    for index in np.ndindex(array.shape):
        extra = Fraction(0) if ln2 is None else Fraction(int(ln2.numerators[index]), ln2.denominator)
        found[index] = domain.number(Fraction(int(array.numerators[index]), D), extra)
    return found


def point_of(instance: Instance, domain: Domain) -> Point:
    """The instance's weights as numbers of the domain, multiples of ln 2 included."""
    listed: list[tuple[np.ndarray, np.ndarray | None] | None] = []
    for entry in instance.need_weights().layers:
        if entry is None:
            listed.append(None)
            continue
        b = None if entry.b is None else objects(entry.b, domain, entry.b_ln2)
        listed.append((objects(entry.W, domain, entry.W_ln2), b))
    return tuple(listed)


def targets_of(instance: Instance) -> RationalArray:
    """Y as (N, n_L): rows of numbers as given, or one number each for n_L = 1; labels 0..n_L - 1 one-hot otherwise.

    MalformedError if there are no targets or they fit neither way.
    """
    samples, m = instance.need_samples(), instance.network.widths[-1]
    y, field = samples.targets, f"{samples.field}.y"
    if y is None:
        raise MalformedError(field, f"targets of {m} numbers for each sample", "no targets")
    if y.ndim == 2 and y.shape[1] == m:
        return y
    if m == 1 and y.ndim == 1:
        return y.reshape(-1, 1)
    labels = y.numerators.reshape(-1).tolist()
    if y.ndim == 1 and y.denominator == 1 and all(0 <= int(v) < m for v in labels):
        return RationalArray.from_integers(np.eye(m, dtype=np.int64)[np.array(labels, dtype=np.int64)])
    found = f"shape {y.shape}"
    if y.ndim == 1:
        strange = next(v for v in y.to_fractions() if v.denominator != 1 or not 0 <= v < m)
        found = f"label {shown(strange, str)}"
    raise MalformedError(field, f"{m} numbers for each sample, or labels 0 to {m - 1}", found)


def flatten(parameters: Sequence[tuple[np.ndarray, np.ndarray | None] | None]) -> np.ndarray:
    """W row by row, then b, layer by layer."""
    parts = [
        array.ravel() for entry in parameters if entry is not None for array in entry if array is not None
    ]
    return np.concatenate([*parts, np.zeros(0, dtype=object)])


def unflatten(like: Point, flat: np.ndarray) -> Point:
    """The inverse of ``flatten`` for the shapes of ``like``."""
    listed: list[tuple[np.ndarray, np.ndarray | None] | None] = []
    at = 0
    for entry in like:
        if entry is None:
            listed.append(None)
            continue
        W = flat[at : at + entry[0].size].reshape(entry[0].shape)
        at += entry[0].size
        b = None
        if entry[1] is not None:
            b = flat[at : at + entry[1].size]
            at += entry[1].size
        listed.append((W, b))
    return tuple(listed)
