"""Geometry written again, naively, from FORMAT.md section 2.1: nothing here imports the package."""

from __future__ import annotations

from itertools import product
from math import prod

from hypothesis import strategies as st


def positions(extents):
    """All positions, row-major, last axis fastest."""
    return list(product(*(range(e) for e in extents)))


def unit(channels, extents, channel_major, c, pos):
    """The number of unit (c, pos)."""
    number = positions(extents).index(tuple(pos))
    return c * prod(extents) + number if channel_major else number * channels + c


def out_extents(extents, kernel, stride, padding, dilation):
    """o_i, or None where the window does not fit."""
    rooms = [
        e + 2 * p - d * (k - 1) - 1 for e, k, p, d in zip(extents, kernel, padding, dilation, strict=True)
    ]
    if any(room < 0 for room in rooms):
        return None
    return tuple(room // s + 1 for room, s in zip(rooms, stride, strict=True))


def windows(channels, extents, channel_major, kernel, stride, padding, dilation, pooling):
    """The patches: lists of unit numbers, a padding neuron as its place (c, coordinates); or None."""
    out = out_extents(extents, kernel, stride, padding, dilation)
    if out is None:
        return None
    found = []
    for o in positions(out):
        groups = [[c] for c in range(channels)] if pooling else [list(range(channels))]
        for group in groups:
            patch = []
            for c in group:
                for off in positions(kernel):
                    place = tuple(
                        a * s - p + b * d
                        for a, s, p, b, d in zip(o, stride, padding, off, dilation, strict=True)
                    )
                    inside = all(0 <= a < e for a, e in zip(place, extents, strict=True))
                    patch.append(unit(channels, extents, channel_major, c, place) if inside else (c, place))
            found.append(patch)
    return found


def has_padding_only(patches):
    """Does some patch hold no real neuron?"""
    return any(all(isinstance(entry, tuple) for entry in patch) for patch in patches)


@st.composite
def window_cases(draw, valid=True):
    """(channels, extents, window as a dictionary), the window fitting if ``valid``."""
    axes = draw(st.integers(1, 3))
    largest = {1: 9, 2: 5, 3: 3}[axes]

    def per_axis(low, high):
        return tuple(draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes)))

    channels, extents = draw(st.integers(1, 3)), per_axis(1, largest)
    window = {
        "kernel": per_axis(1, 3),
        "stride": per_axis(1, 3),
        "padding": per_axis(0, 3),
        "dilation": per_axis(1, 4),
    }
    if valid:
        window["padding"] = tuple(
            min(p, (k - 1) // 2) for p, k in zip(window["padding"], window["kernel"], strict=True)
        )
        window["dilation"] = tuple(
            1 if d * (k - 1) + 1 > e else d
            for d, k, e in zip(window["dilation"], window["kernel"], extents, strict=True)
        )
        window["kernel"] = tuple(min(k, e) for k, e in zip(window["kernel"], extents, strict=True))
        window["padding"] = tuple(
            min(p, (k - 1) // 2) for p, k in zip(window["padding"], window["kernel"], strict=True)
        )
    return channels, extents, window
