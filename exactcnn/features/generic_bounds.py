"""Floor 3: upper bounds for the rank of U_k that hold for every W_k (theory 3.1).

*determinantal*: a stride-1, unpadded convolution with C channels and more than C filters.
Its columns are x^p f_t; the signed maximal minors D_t of C+1 filters satisfy sum D_t f_t = 0,
and every shift x^a D_t that still fits is a kernel vector.  For C = 1, T = 2 the formula is
the exact rank, 2 q_1 q_2 - prod max(0, q_i - l_i + 1).
*cover*: Konig: lines that cover all places where U is not identically zero.
*polynomial kernel*: height functions for patches of two neurons and one filter; cofactors
of small circuits otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from exactcnn.features.lifted import lifted_residues, seeded_filters
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.modular_rank import rank_mod_p, solve_mod_p
from exactcnn.linalg.polynomials import (
    Polynomial,
    PolynomialKernel,
    PolynomialVector,
    annihilates,
    null_vector,
)
from exactcnn.network.layers import Layer, Window
from exactcnn.network.lifting import LiftPattern, lift_pattern

__all__ = ["Cover", "Determinantal", "GenericBound", "generic_bounds"]

_LARGEST_COVER_EDGES = 400_000
_LARGEST_CIRCUIT = 9
_LARGEST_CIRCUIT_MATRIX = 4_000_000


@dataclass(frozen=True)
class Determinantal:
    """rank U <= n_k - shifts."""

    upper_bound: int
    shifts: int


@dataclass(frozen=True)
class Cover:
    """All places where U is not identically zero lie in these rows or columns."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def upper_bound(self) -> int:
        return len(self.rows) + len(self.columns)


GenericBound = Determinantal | Cover | PolynomialKernel


def generic_bounds(layer: Layer, minor: Minor | None) -> GenericBound | None:
    """The best upper bound found; it stops looking once it meets the minor's rank."""
    lower = 0 if minor is None else minor.rank
    best: GenericBound | None = None
    full = min(layer.below.size, layer.width)
    for bound in _bounds(layer, minor):
        if bound.upper_bound < (full if best is None else best.upper_bound):
            best = bound
        if best is not None and best.upper_bound == lower:
            break
    return best


def _bounds(layer: Layer, minor: Minor | None) -> Iterator[GenericBound]:
    determinantal = _determinantal(layer)
    if determinantal is not None:
        yield determinantal
    pattern = lift_pattern(layer)
    if pattern.rows.size * layer.filters <= _LARGEST_COVER_EDGES:
        yield _cover(pattern)
    if layer.patch_size == 2 and layer.filters == 1:
        yield _height_kernel(layer)
    if minor is not None and layer.below.size * layer.width <= _LARGEST_CIRCUIT_MATRIX:
        yield _circuit_kernel(layer, pattern, minor)


def _determinantal(layer: Layer) -> Determinantal | None:
    window = layer.reads
    if layer.kind != "conv" or not isinstance(window, Window):
        return None
    C = layer.below.channels
    if any(s != 1 for s in window.stride) or any(pad != 0 for pad in window.padding) or layer.filters <= C:
        return None
    shifts = prod(
        max(0, o - C * d * (k - 1))
        for o, k, d in zip(layer.above.extents, window.kernel, window.dilation, strict=True)
    )
    return Determinantal(layer.width - shifts, shifts)


def _cover(pattern: LiftPattern) -> Cover:
    """A minimum line cover from a maximum matching (networkx)."""
    import networkx
    from networkx.algorithms import bipartite

    graph: networkx.Graph[tuple[str, int]] = networkx.Graph()
    T = pattern.filters
    for row, position in zip(pattern.rows.tolist(), pattern.positions.tolist(), strict=True):
        graph.add_edges_from((("row", row), ("column", position * T + t)) for t in range(T))
    top = [node for node in graph if node[0] == "row"]
    matching = bipartite.hopcroft_karp_matching(graph, top)
    cover = bipartite.to_vertex_cover(graph, matching, top)
    return Cover(
        tuple(sorted(i for kind, i in cover if kind == "row")),
        tuple(sorted(i for kind, i in cover if kind == "column")),
    )


def _height_kernel(layer: Layer) -> PolynomialKernel:
    """Two taps a, b, one filter: z^T U = 0 says a z_i + b z_j = 0 for every patch (i, j).

    So z_j = -(a/b) z_i: along an edge the height rises by one.  A component without padded
    patches whose cycles all have height 0 (balanced) carries z_v = (-1)^h a^h b^(H-h).
    """
    edges: dict[int, list[tuple[int, int]]] = defaultdict(list)
    pinned = set()
    for patch in layer.patches.indices.tolist():
        real = [i for i in patch if i < layer.patches.neurons]
        if len(real) == 1:
            pinned.add(real[0])
        else:
            edges[patch[0]].append((patch[1], 1))
            edges[patch[1]].append((patch[0], -1))
    heights: dict[int, int] = {}
    vectors = []
    for start in range(layer.below.size):
        if start in heights:
            continue
        heights[start] = 0
        component, balanced = [start], True
        for node in component:  # grows while it is walked
            for neighbour, rise in edges[node]:
                expected = heights[node] + rise
                if neighbour not in heights:
                    heights[neighbour] = expected
                    component.append(neighbour)
                elif heights[neighbour] != expected:
                    balanced = False
        if not balanced or any(node in pinned for node in component):
            continue
        lowest = min(heights[node] for node in component)
        top = max(heights[node] for node in component) - lowest
        entries = []
        for node in sorted(component):
            h = heights[node] - lowest
            monomial = tuple((v, e) for v, e in ((0, h), (1, top - h)) if e)
            entries.append((node, {monomial: (-1) ** h}))
        vectors.append(PolynomialVector(start, tuple(entries)))
    return PolynomialKernel("left", layer.below.size, tuple(vectors))


def _circuit_kernel(layer: Layer, pattern: LiftPattern, minor: Minor) -> PolynomialKernel:
    """One cofactor vector for each row (or column) outside the minor, where it is small.

    The support of a free row's modular combination is (with high probability) a circuit of
    generic U; its kernel vector has s + 1 entries of degree at most s.  Candidates are
    multiplied out against all of U before they count.
    """
    T = pattern.filters
    p = minor.prime
    U, _ = lifted_residues(layer, seeded_filters(layer, 0, p))
    side = "left" if layer.below.size <= layer.width else "right"
    A = U if side == "left" else U.T
    found = rank_mod_p(A, p)
    size = A.shape[0]
    free = sorted(set(range(size)) - set(found.rows))
    lines: dict[int, list[tuple[int, Polynomial]]] = defaultdict(list)
    for row, position, tap in zip(
        pattern.rows.tolist(), pattern.positions.tolist(), pattern.taps.tolist(), strict=True
    ):
        for t in range(T):
            variable: Polynomial = {((tap * T + t, 1),): 1}
            column = position * T + t
            lines[row if side == "left" else column].append((column if side == "left" else row, variable))
    coefficients = solve_mod_p(
        np.ascontiguousarray(A[np.ix_(found.rows, found.columns)].T),
        np.ascontiguousarray(A[np.ix_(free, found.columns)].T),
        p,
    )
    vectors = []
    for number, index in enumerate(free):
        support = [found.rows[i] for i in np.flatnonzero(coefficients[:, number])]
        if len(support) > _LARGEST_CIRCUIT:
            continue
        chosen = [*support, index]
        places = rank_mod_p(np.ascontiguousarray(A[chosen]), p).columns
        if len(places) != len(support):
            continue
        table = {i: dict(lines[i]) for i in chosen}
        solution = null_vector([[table[i].get(j, {}) for i in chosen] for j in places], layer.patch_size * T)
        if solution is None:
            continue
        entries = tuple(sorted((i, q) for i, q in zip(chosen, solution, strict=True) if q))
        vector = PolynomialVector(index, entries)
        if any(i == index for i, _ in entries) and annihilates(vector, lines):
            vectors.append(vector)
    return PolynomialKernel(side, size, tuple(vectors))
