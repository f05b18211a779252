"""Floor 5: shapes and sliding windows of published architectures, in exact integers.

``exactcnn.network`` describes what the verifier decides: a chain, symmetric padding.  The layer
tables of papers need more: padding that differs before and after, ceil mode, groups.  Here shapes
are only counted, nothing of the size of a layer is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from exactcnn.errors import MisuseError

__all__ = ["Shape", "Window", "same", "window"]


@dataclass(frozen=True)
class Shape:
    """``channels`` planes of shape ``extents``; the width n_k is their number of entries.

    >>> Shape(64, (224, 224)).width
    3211264
    """

    channels: int
    extents: tuple[int, ...]

    @property
    def width(self) -> int:
        return self.channels * prod(self.extents)

    def __str__(self) -> str:
        return " x ".join(map(str, (*self.extents, self.channels)))


@dataclass(frozen=True)
class Window:
    """A sliding window, one entry per axis; ``padding`` is a pair (before, after) per axis.

    ``ceil``: a last window that is only partly inside counts too (Caffe's pooling).
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    ceil: bool = False

    @property
    def span(self) -> tuple[int, ...]:
        """Places from the first to the last tap, both counted."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def extents(self, below: tuple[int, ...]) -> tuple[int, ...]:
        """Output extents over a layer of extents ``below``; MisuseError if the window does not fit.

        >>> window(3, stride=2, axes=2).extents((299, 299)), window(3, stride=2, ceil=True, axes=2).extents((112, 112))
        ((149, 149), (56, 56))
        """
        return tuple(self.extents_of(axis, e) for axis, e in enumerate(below))

    def extents_of(self, axis: int, below: int) -> int:
        """The same along one axis."""
        (before, after), span, s = self.padding[axis], self.span[axis], self.stride[axis]
        room = below + before + after - span
        if room < 0:
            raise MisuseError("kernel", f"a window that fits into {below + before + after}", span)
        out = (-(-room // s) if self.ceil else room // s) + 1
        # A last window that would start in the padding behind does not count.
        return out - 1 if self.ceil and (out - 1) * s >= below + before else out

    def __str__(self) -> str:
        text = "x".join(map(str, self.kernel))
        if any(s != 1 for s in self.stride):
            text += f"/{'x'.join(map(str, sorted(set(self.stride))))}"
        if any(d != 1 for d in self.dilation):
            text += f" dilation {max(self.dilation)}"
        return text


def window(
    kernel: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | tuple[tuple[int, int], ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil: bool = False,
    axes: int = 2,
) -> Window:
    """A window from numbers, or one number per axis; padding may be a pair per axis."""
    pairs = []
    for pad in _each(padding, axes, "padding"):
        pairs.append((pad, pad) if isinstance(pad, int) else pad)
    return Window(
        _positive(kernel, axes, "kernel"),
        _positive(stride, axes, "stride"),
        tuple(pairs),
        _positive(dilation, axes, "dilation"),
        ceil,
    )


def same(
    below: Shape,
    kernel: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    dilation: int | tuple[int, ...] = 1,
) -> Window:
    """The window whose output has ceil(e / s) places: TensorFlow's "same", the odd place after.

    >>> same(Shape(1, (224,)), 3, 2).padding, same(Shape(1, (147,)), 3, 2).padding
    (((0, 1),), ((1, 1),))
    """
    axes = len(below.extents)
    bare = window(kernel, stride, 0, dilation, axes=axes)
    pairs = []
    for e, span, s in zip(below.extents, bare.span, bare.stride, strict=True):
        total = max(0, (-(-e // s) - 1) * s + span - e)
        pairs.append((total // 2, total - total // 2))
    return Window(bare.kernel, bare.stride, tuple(pairs), bare.dilation)


def _each(value: Any, axes: int, field: str) -> tuple[Any, ...]:
    values = value if isinstance(value, tuple) else (value,) * axes
    if len(values) != axes:
        raise MisuseError(field, f"{axes} entries, one per axis", values)
    return values


def _positive(value: int | tuple[int, ...], axes: int, field: str) -> tuple[int, ...]:
    values = []
    for entry in _each(value, axes, field):
        if not isinstance(entry, int) or entry < 1:
            raise MisuseError(field, "positive integers", entry)
        values.append(entry)
    return tuple(values)
