"""The elimination on a real Dask cluster of two processes gives the panels of one machine, bit for bit."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from exactcnn.linalg.modular_lu import centred_residues
from exactcnn.linalg.streamed_lu import StreamedLU

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    )
    with cluster, distributed.Client(cluster) as connected:
        yield connected


def part(A, first, last):
    return A[:, first:last].copy()


@pytest.mark.parametrize(
    ("p", "m", "n", "rank"), [(251, 400, 700, 400), (251, 500, 600, 130), (8388587, 150, 90, 77)]
)
def test_same_panels(client, p, m, n, rank):
    from exactcnn.linalg.distributed_lu import eliminate_on

    r = np.random.default_rng(m)
    A = r.integers(0, 50, (m, rank)) @ r.integers(0, 50, (rank, n))
    residues, edges = centred_residues(A, p), [*range(0, n, 48), n]
    alone = StreamedLU(m, p)
    for first, last in pairwise(edges):
        alone.offer(residues[:, first:last].copy())
    blocks = [partial(part, residues, first, last) for first, last in pairwise(edges)]
    spread = eliminate_on(client, blocks, m, p)
    assert alone.rank == rank
    assert (spread.rank, spread.rows, spread.columns) == (alone.rank, alone.rows, alone.columns)
    for mine, other in zip(spread.panels, alone.panels, strict=True):
        assert (mine.entries == other.entries).all()
    right = r.integers(0, p, (spread.rank, 2))
    assert (spread.solve(right) == alone.solve(right)).all()


def test_blocks_too_wide(client):
    from exactcnn.linalg.distributed_lu import eliminate_on

    with pytest.raises(ValueError, match="1024 columns"):
        eliminate_on(client, [partial(np.zeros, (3, 1040), dtype=np.float32)], 3, 251)
