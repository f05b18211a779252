"""Floor 5: full row rank of U carries over from a small window of the layer to the layer itself.

Lemma.  Let a convolution read c channels through a window with stride s.  Take the convolution with
the same window, no padding, c' channels and t' filters on a box just large enough for m_i outputs on
axis i, where c' divides c, g = c / c', g t' <= t and m_i is at most the number of outputs of the layer
whose windows lie inside the real neurons.  If every neuron of the layer is in such a window and U of
the small convolution has full row rank for some W', then U of the layer has full row rank for some W.

Proof.  Let W be block-diagonal, W' for each of g groups of channels, further filters 0.  Let z^T U = 0
and let B be a box of the small size whose corner is the start of an inside window, inside the layer.
The outputs whose windows lie in B are columns of U; group by group they form U of the small
convolution.  So z restricted to B and to one group is in its left kernel: z = 0 on B.  Every inside
window lies in such a box and every neuron in an inside window, so z = 0.

The small rank is the rank of one integer matrix mod a prime: a non-zero minor, hence a proof.
For t >= c + 2 filters on two axes (t >= c + 1 on one) large enough boxes have it: the filters, seen as
polynomials, then have no common zero.  With t = c + 1 on two axes they have finitely many and the rank
is deficient (theory 3.1), so fewer filters are not tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from exactcnn.audit.one_tap import places
from exactcnn.audit.windows import Window

if TYPE_CHECKING:
    from exactcnn.network.layers import Layer

__all__ = ["SmallConvolution", "row_rank_on_a_box", "small_layer"]

_MOST_ROWS = 1000
_LARGEST_PATCH = 400


@dataclass(frozen=True)
class SmallConvolution:
    """A convolution whose U (rows x columns) has rank ``rank`` at one W mod a prime."""

    channels: int
    extents: tuple[int, ...]
    filters: int
    rows: int
    columns: int
    rank: int

    def __str__(self) -> str:
        size = " x ".join(map(str, self.extents))
        return f"{self.channels} -> {self.filters} channels on {size}"


def row_rank_on_a_box(
    extents: tuple[int, ...], reads: Window, channels: int, filters: int
) -> SmallConvolution | None:
    """A small convolution with full row rank from which the layer's follows, or None."""
    inside = []
    for axis, extent in enumerate(extents):
        coordinate, real = places(extent, reads, axis)
        whole = real.all(axis=1)
        if len(np.unique(coordinate[whole])) != extent:
            return None
        inside.append(int(np.count_nonzero(whole)))
    axes = sum(k > 1 for k in reads.kernel)
    for small in (n for n in range(1, channels + 1) if channels % n == 0):
        share = filters * small // channels
        if share < small + axes or small * prod(reads.kernel) > _LARGEST_PATCH:
            continue
        found = _smallest_box(reads, tuple(min(m, 40) for m in inside), small, share)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=256)
def _smallest_box(
    reads: Window, inside: tuple[int, ...], channels: int, filters: int
) -> SmallConvolution | None:
    for m in range(1, max(inside) + 1):
        outputs = tuple(min(m, most) for most in inside)
        extents = tuple(
            (o - 1) * s + span for o, s, span in zip(outputs, reads.stride, reads.span, strict=True)
        )
        rows, columns = channels * prod(extents), filters * prod(outputs)
        if rows > _MOST_ROWS:
            return None
        if columns < rows or columns > 4 * _MOST_ROWS:
            continue
        rank = _rank(small_layer(extents, reads, channels, filters, padded=False))
        if rank == rows:
            return SmallConvolution(channels, extents, filters, rows, columns, rank)
    return None


def small_layer(
    extents: tuple[int, ...], reads: Window, channels: int, filters: int, *, padded: bool
) -> Layer:
    """One convolution for the exact routes of ``exactcnn.features`` (symmetric padding only)."""
    from exactcnn.network.network import Network

    padding = [before for before, _ in reads.padding] if padded else 0
    conv = {
        "kind": "conv",
        "filters": filters,
        "kernel": list(reads.kernel),
        "stride": list(reads.stride),
        "dilation": list(reads.dilation),
        "padding": padding,
        "activation": "identity",
    }
    return Network.from_dict({"input": [channels, *extents], "layers": [conv]}).layer(1)


def _rank(layer: Layer) -> int:
    """The rank of U at seeded filters mod a prime: a lower bound for the generic rank."""
    from exactcnn.arithmetic.primes import LARGEST_PRIME
    from exactcnn.features.lifted import lifted_residues, seeded_filters
    from exactcnn.linalg.modular_rank import rank_mod_p

    U, _ = lifted_residues(layer, seeded_filters(layer, 0, LARGEST_PRIME))
    return rank_mod_p(U, LARGEST_PRIME).rank
