"""Floor 5: Assumption 2.4 for one layer of an architecture, at its full size.

Is the generic rank of U (n_{k-1} x n_k, real neurons only) equal to min(n_{k-1}, n_k)?  The matrices
have up to 10^12 entries and are never built; the rules, tried in this order, are

    disjoint        windows that share no neuron: the exact rank (``one_tap``)
    unread          neurons in no patch are zero rows: an upper bound
    one-tap         filters with one tap: a lower bound, counted exactly (``one_tap``)
    determinantal   more filters than channels, stride 1, no padding: an upper bound (theory 3.1)
    box             full row rank on a small box carries over (``transfer``)
    generic-rank    small enough to be eliminated as it is (``features.generic_rank``)
    smaller-input   the generic rank of the same convolution on a smaller input: says nothing about
                    the full size, so the verdict stays undecided

Groups: Definition 2.1 has none.  U of a grouped convolution is block-diagonal with equal blocks, each
the U of an ordinary convolution, so its generic rank over the weights it has is their sum; it is that
number which is decided.  A transposed convolution has the transpose of a convolution's U.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

from exactcnn.audit.graph import WEIGHTED, Node
from exactcnn.audit.one_tap import disjoint_rank, one_tap_rank, read_places
from exactcnn.audit.transfer import SmallConvolution, row_rank_on_a_box, small_layer
from exactcnn.audit.windows import Window
from exactcnn.errors import MalformedError, MisuseError

if TYPE_CHECKING:
    from exactcnn.features.generic_rank import GenericRank

__all__ = ["LiftedRank", "lifted_rank"]

_LARGEST_SMALLER = 1_000_000


@dataclass(frozen=True)
class LiftedRank:
    """lower <= generic rank of U (rows x columns) <= upper, by ``rule``.

    ``unread``: neurons of the layer below that are in no patch (the paper's patches cover all).
    ``small``: the small convolution that ``box`` or ``smaller-input`` looked at.
    """

    rows: int
    columns: int
    lower: int
    upper: int
    rule: str
    reason: str
    groups: int = 1
    unread: int = 0
    small: SmallConvolution | None = None

    @property
    def full(self) -> int:
        """min(n_{k-1}, n_k)."""
        return min(self.rows, self.columns)

    @property
    def verdict(self) -> str:
        if self.lower == self.full:
            return "proved"
        return "refuted" if self.upper < self.full else "undecided"


def lifted_rank(node: Node) -> LiftedRank:
    """Assumption 2.4 for a layer with filters; MisuseError for any other.

    >>> from exactcnn.audit.graph import Graph
    >>> net = Graph((256, 56, 56))
    >>> lifted_rank(net[net.conv("projection", "input", 512, 1, stride=2)]).verdict
    'refuted'
    """
    if node.kind not in WEIGHTED:
        raise MisuseError("layer", "a layer with filters", f"{node.kind} {node.name}")
    below, above, reads = node.below[0], node.above, node.window
    if reads is None:
        full = min(below.width, above.width)
        return LiftedRank(below.width, above.width, full, full, "dense", "fully connected: U = W")
    if node.kind == "transposed":
        found = _convolution(above.channels, above.extents, below.channels, reads)
        reason = f"transpose of a convolution's U; {found.reason}"
        return LiftedRank(
            found.columns, found.rows, found.lower, found.upper, found.rule, reason, 1, 0, found.small
        )
    g = node.groups
    found = _convolution(below.channels // g, below.extents, above.channels // g, reads)
    return LiftedRank(
        g * found.rows,
        g * found.columns,
        g * found.lower,
        g * found.upper,
        found.rule,
        found.reason if g == 1 else f"{g} equal blocks, in each: {found.reason}",
        g,
        g * found.unread,
        found.small,
    )


@lru_cache(maxsize=512)
def _convolution(c: int, extents: tuple[int, ...], t: int, reads: Window) -> LiftedRank:
    outputs, read = prod(reads.extents(extents)), read_places(extents, reads)
    rows, columns, unread = c * prod(extents), t * outputs, c * (prod(extents) - read)
    full = min(rows, columns)

    def found(
        lower: int, upper: int, rule: str, why: str, small: SmallConvolution | None = None
    ) -> LiftedRank:
        return LiftedRank(rows, columns, lower, upper, rule, why, 1, unread, small)

    exact = disjoint_rank(extents, reads, c, t)
    if exact is not None:
        return found(
            exact, exact, "disjoint", f"windows share no neuron: rank {exact:,} of {full:,}, exactly"
        )
    upper, lower = min(full, c * read), one_tap_rank(extents, reads, c, t)
    if upper < full:
        why = f"{unread:,} neurons are in no patch: rank at most {upper:,} of {full:,}"
        return found(lower, upper, "unread", why)
    if lower == full:
        return found(lower, upper, "one-tap", "filters with one tap each reach it")
    bound = columns - _common_shifts(c, extents, t, reads)
    if bound < full:
        why = f"signed minors of {c + 1} filters, shifted, lie in its kernel: rank at most {bound:,} of {full:,}"
        return found(lower, bound, "determinantal", why)
    if rows <= columns:
        small = row_rank_on_a_box(extents, reads, c, t)
        if small is not None:
            return found(rows, upper, "box", f"full row rank carries over from {small}", small)
    extents, c, t = _affordable(extents, c, t, reads)
    rank = _eliminated(extents, c, t, reads)
    if rank is None:
        return found(lower, upper, "none", "no rule decides it")
    if (rank.rows, rank.columns) == (rows, columns):
        why = f"a minor of order {rank.lower:,} mod a prime, and at most {rank.upper:,} of {full:,}"
        return found(rank.lower, rank.upper, "generic-rank", why)
    small = SmallConvolution(c, extents, t, rank.rows, rank.columns, rank.lower)
    why = f"undecided at full size; {rank.verdict} for {small} with the same window"
    return found(lower, upper, "smaller-input", why, small)


def _common_shifts(c: int, extents: tuple[int, ...], t: int, reads: Window) -> int:
    """Independent kernel vectors for every W (theory 3.1; ``features.generic_bounds`` has the proof)."""
    if t <= c or any(s != 1 for s in reads.stride) or any(map(any, reads.padding)):
        return 0
    spans = zip(reads.extents(extents), reads.span, strict=True)
    return prod(max(0, o - c * (span - 1)) for o, span in spans)


def _affordable(extents: tuple[int, ...], c: int, t: int, reads: Window) -> tuple[tuple[int, ...], int, int]:
    """Extents, then channels and filters, halved until U can be eliminated."""
    while c * prod(extents) * t * prod(reads.extents(extents)) > _LARGEST_SMALLER:
        smaller = tuple(max(span, -(-e // 2)) for e, span in zip(extents, reads.span, strict=True))
        if smaller == extents:
            if c == t == 1:
                break
            c, t = -(-c // 2), -(-t // 2)
        extents = smaller
    return extents, c, t


def _eliminated(extents: tuple[int, ...], c: int, t: int, reads: Window) -> GenericRank | None:
    """None where the exact routes do not apply: other padding before than after, patches of padding only."""
    from exactcnn.features.generic_rank import generic_rank

    if any(before != after for before, after in reads.padding):
        return None
    try:
        return generic_rank(small_layer(extents, reads, c, t, padded=True))
    except MalformedError:
        return None
