"""Floor 2: the elimination of ``streamed_lu`` as a task graph on Dask workers.

The columns lie in blocks of w (a byte an entry for p < 256), dealt out to the workers in turn.  When block i has been
brought up to date it is factored where it lies, and its panel goes to every worker that still holds later blocks:

    panel i  = factor(block i)                      depends on update(block i, panel i - 1)
    block j <- update(block j, panel i), j > i      depends on panel i; one after the other for each j

The scheduler finds the look-ahead by itself: block i + 1 is updated and factored while others are still behind.  The
kernels are those of one machine, panels come back as ``streamed_lu.Panel``, and so does ``solve``.

Model, N x N on q nodes of rate f (float32 products), network bandwidth b per node, w columns a block:

    operations          2/3 N^3 / (q f)
    panels sent         each node receives every panel: N^2 / 2 bytes in all, N^2 / (2 b) seconds, overlapping
    critical path       N/w panels, each w^2 N operations at the rate of one node's panel kernel f_p (some f/10) and
                        N w / b to send it: N^2 w / (2 f_p) + N^2 / (2 b)
    tasks               (N/w)^2 / 2, about 1 ms each for the scheduler
    memory              N^2 / q bytes, and one panel more

With f = 2.5e12 (32 cores), f_p = 2.5e11, b = 2.5e9 (25 Gbit/s), w = 1,024:

    N        q      operations   sending   critical path     tasks          GB a node
    10^5     16     17 s         2 s       20 s + 2 s        5 k, 5 s       0.6
    10^5     64     4 s          2 s       20 s + 2 s        5 k, 5 s       0.2
    10^6     64     4,200 s      200 s     2,050 s + 200 s   480 k, 480 s   16
    10^6     1,000  270 s        200 s     2,050 s + 200 s   480 k, 480 s   1

so that one-dimensional blocks serve some 16 nodes at 10^5 and some 128 at 10^6; beyond, panels have to be factored
by several nodes together (two-dimensional blocks), which is not built.  Measured on one machine of two cores: see
tests/benchmarks/distributed_lu.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from exactcnn.linalg.modular_lu import float_type
from exactcnn.linalg.modular_panel import Field, PanelFactors, panel_width, workers
from exactcnn.linalg.streamed_lu import Panel, StreamedLU, small_type, update
from exactcnn.progress import report

__all__ = ["eliminate_on"]

Block = Callable[[], np.ndarray]


def _make(block: Block, prime: int) -> np.ndarray:
    return block().astype(small_type(prime))


def _update(stored: np.ndarray, panel: Panel | None, prime: int) -> np.ndarray:
    """The block after one more panel; rows in the order that the panel's swaps leave."""
    if panel is None:
        return stored
    B = stored.astype(float_type(prime))
    for place, source in enumerate(panel.swaps):
        if source != place:
            pair = [panel.first + place, panel.first + source]
            B[pair] = B[pair[::-1]]
    with workers() as threads:
        update(B, panel, Field(prime, float_type(prime)), threads)
    return B.astype(stored.dtype)


def _factor(stored: np.ndarray, first: int, prime: int, number: int) -> Panel | None:
    """The panel of a block that all earlier panels have updated, at most m - first columns; None if it has no pivot."""
    field = Field(prime, float_type(prime))
    P = np.ascontiguousarray(stored[first:].T.astype(field.dtype))
    with workers() as threads:
        found = PanelFactors(P, field, threads)
    k = len(found.pivots)
    if not k:
        return None
    entries = np.empty((len(stored), k), dtype=stored.dtype)
    entries[:first] = stored[:first, found.pivots]
    entries[first:] = P[found.pivots].T
    return Panel(first, entries, found.inverse, [number + c for c in found.pivots], found.swaps)


def _last(panel: Panel | None, before: int) -> int:
    return before if panel is None else panel.last


def eliminate_on(client: Any, blocks: Sequence[Block], rows: int, prime: int) -> StreamedLU:
    """The decomposition of the columns that ``blocks`` make when called (on the workers), computed there.

    ``client``: a ``distributed.Client``.  Each block: centred residues (rows, w), w at most ``panel_width``; columns
    are numbered through.  Raises what a block raises.

    The same panels, bit for bit, as ``StreamedLU.offer`` block by block on one machine.
    """
    names = sorted(client.scheduler_info()["workers"])
    owner = [names[j % len(names)] for j in range(len(blocks))]
    held = [client.submit(_make, b, prime, workers=owner[j], pure=False) for j, b in enumerate(blocks)]
    widths = client.gather([client.submit(lambda B: B.shape[1], B, pure=False) for B in held])
    if max(widths, default=0) > panel_width(prime, float_type(prime)):
        raise ValueError(f"a block of more than {panel_width(prime, float_type(prime))} columns")
    numbers = np.cumsum([0, *widths]).tolist()
    lu, panels = StreamedLU(rows, prime), []
    first: Any = 0
    for i in range(len(blocks)):
        panel = client.submit(
            _factor, held[i], first, prime, numbers[i], workers=owner[i], priority=1, pure=False
        )
        first = client.submit(_last, panel, first, workers=owner[i], priority=1, pure=False)
        panels.append(panel)
        held[i] = None
        for j in range(i + 1, len(blocks)):
            # Earlier blocks first, so that the next panel is soon ready.
            held[j] = client.submit(
                _update, held[j], panel, prime, workers=owner[j], priority=-j / len(blocks), pure=False
            )
    for i, future in enumerate(panels):
        panel = future.result()
        if panel is not None:
            lu.restore(panel, numbers[i + 1])
        report("elimination", i + 1, len(panels))
    lu.offered = numbers[-1]
    return lu
