"""Eliminations in floats against FLINT: shapes, planted ranks, primes of both formats, residues at the extremes."""

from fractions import Fraction

import numpy as np
import pytest
from flint import nmod_mat

from exactcnn.errors import MalformedError, MisuseError
from exactcnn.linalg import rank_mod_p
from exactcnn.linalg.checkpoint import Checkpoint
from exactcnn.linalg.float_modular import LARGEST, inner_length, reduce_in_place, subtract
from exactcnn.linalg.modular_lu import centred_residues, float_type, pivots_mod_p
from exactcnn.linalg.modular_panel import Field, panel_width
from exactcnn.linalg.streamed_lu import StreamedLU

PRIMES = (17, 19, 101, 251, 509, 719, 727, 65521, 8388587, 16777213)


def flint(A, p):
    return nmod_mat(A.shape[0], A.shape[1], (A % p).ravel().tolist(), p)


def planted(r, m, n, rank, p, extreme):
    """Rank at most ``rank`` mod p; ``extreme``: residues (p - 1)/2 and -(p - 1)/2 only, where that leaves a choice."""
    if extreme and rank == min(m, n):
        return r.choice([(p - 1) // 2, (p + 1) // 2], size=(m, n))
    left, right = (r.integers(0, p, shape, dtype=np.int64) for shape in ((m, rank), (rank, n)))
    product = flint(left, p) * flint(right, p)
    return np.array([int(v) for v in product.entries()], dtype=np.int64).reshape(m, n)


@pytest.mark.parametrize("block", range(20))
def test_ranks_and_minors_against_flint(block):
    """2,000 shapes in all (100 a block), sizes 0 to 60 mostly, up to 400; every minor is multiplied out by FLINT."""
    r = np.random.default_rng(block)
    for trial in range(100):
        p = int(r.choice(PRIMES))
        largest = 400 if trial % 50 == 0 else 150 if trial % 10 == 0 else 60
        m, n = (int(v) for v in r.integers(0, largest + 1, 2))
        rank = int(r.integers(0, min(m, n) + 1)) if trial % 3 else min(m, n)
        A = planted(r, m, n, rank, p, trial % 2 == 0)
        truth = flint(A, p).rank() if A.size else 0
        residues = centred_residues(A, p)
        lu, start = StreamedLU(m, p), 0
        while start < n:
            width = int(r.integers(1, 1 + min(lu.width, n)))
            lu.offer(residues[:, start : start + width].copy())
            start += width
        rows, columns = pivots_mod_p(residues, p)
        assert len(rows) == len(columns) == lu.rank == truth
        assert lu.columns == columns
        for chosen in {(tuple(rows), tuple(columns)), (tuple(lu.rows), tuple(columns))}:
            if truth:
                assert int(flint(A[np.ix_(*chosen)], p).det()) != 0
        if truth:
            right = r.integers(0, p, (truth, 2))
            M, X = A[np.ix_(lu.rows, lu.columns)].astype(object), lu.solve(right).astype(object)
            assert ((M @ X - right) % p == 0).all()


@pytest.mark.parametrize("p", PRIMES)
def test_longest_products_at_the_extreme_residues(p):
    """One elimination step whose every product is h^2, at the widest panel: the sums reach the proved bound."""
    k, h = panel_width(p, float_type(p)), (p - 1) // 2
    L = np.full((48, k), h, dtype=float_type(p))
    U = np.full((k, 33), h, dtype=float_type(p))
    A = np.full((48, 33), -h, dtype=float_type(p))
    subtract(A, L @ U, *Field(p, float_type(p)))
    expected = (-h - k * h * h) % p
    assert set(A.ravel().tolist()) == {expected - p if expected > h else expected}


@pytest.mark.parametrize("p", PRIMES)
def test_reduction_of_the_largest_admitted_integers(p):
    """Every integer near the bounds and near multiples of p/2 is reduced to its centred residue."""
    dtype, h = float_type(p), (p - 1) // 2
    bound = inner_length(p, dtype) * h * h + h
    r = np.random.default_rng(p)
    multiples = r.integers(-bound // p + 2, bound // p - 1, 4000) * p
    near = [multiples + d for d in (-1, 0, 1, h, h + 1, -h, -h - 1)]
    values = np.concatenate([*near, np.arange(bound - 50, bound), np.arange(-bound, 50 - bound)])
    values = values[np.abs(values) <= bound]
    floats = values.astype(dtype)[None, :]
    assert (floats[0].astype(np.int64) == values).all()
    reduce_in_place(floats, *Field(p, dtype))
    got = floats[0].astype(np.int64)
    assert (np.abs(got) <= h).all()
    assert ((got - values) % p == 0).all()


def test_bounds_are_what_they_say():
    for p in PRIMES:
        h, dtype = (p - 1) // 2, float_type(p)
        limit = 2**24 if dtype == np.float32 else 2**53
        k = inner_length(p, dtype)
        assert k * h * h + h < limit - 2 * p <= (k + 1) * h * h + h
        assert k >= 16
    assert float_type(LARGEST[np.dtype(np.float64)] + 1) is None
    assert float_type(13) is None


@pytest.mark.parametrize("shape", [(300, 420), (420, 300), (257, 257), (1000, 210)])
def test_public_rank_of_large_matrices(shape):
    r = np.random.default_rng(1)
    A = r.integers(-(2**40), 2**40, shape)
    found = rank_mod_p(A)
    assert found.rank == min(shape)
    assert found.holds_for(A)
    assert rank_mod_p(A, 2147483647).rank == min(shape)


def test_public_rank_where_251_divides():
    """251 A has rank 0 mod 251; the retry mod another prime finds the rank, a planted deficiency stays."""
    r = np.random.default_rng(2)
    A = r.integers(0, 100, (260, 300))
    assert rank_mod_p(251 * A).rank == 260
    A[200:] = A[:60]
    found = rank_mod_p(A)
    assert found.rank == 200
    assert rank_mod_p(A.astype(object) * 10**30).rank == 200
    assert rank_mod_p(A.astype(np.uint8)).rank == 200


def test_saved_panels_go_on_where_they_stopped(tmp_path):
    """A kill after any panel loses nothing; another key, a damaged file and a full folder are refused."""
    r, p, m = np.random.default_rng(3), 251, 700
    A = planted(r, m, 900, 650, p, False)
    residues = centred_residues(A, p)

    class KilledError(Exception):
        pass

    def run(checkpoint, stop=None):
        lu = StreamedLU(m, p)
        lu.width = 100
        checkpoint.restore(lu, "rank-test")
        while lu.offered < 900:
            if stop is not None and lu.offered >= stop:
                raise KilledError
            lu.offer(residues[:, lu.offered : lu.offered + 100].copy())
        return lu

    whole = run(Checkpoint(tmp_path / "never", "k", rows=10**6))
    assert not (tmp_path / "never").exists()
    folder = tmp_path / "parts"
    for stop in (100, 400, 600):
        with pytest.raises(KilledError):
            run(Checkpoint(folder, "k", resume=folder.exists()), stop)
    with pytest.raises(MisuseError, match="--resume"):
        Checkpoint(folder, "k")
    with pytest.raises(MalformedError, match="this very network"):
        Checkpoint(folder, "other", resume=True)
    resumed = run(Checkpoint(folder, "k", resume=True))
    right = r.integers(0, p, (whole.rank, 3))
    assert (resumed.rank, resumed.rows, resumed.columns) == (650, whole.rows, whole.columns)
    assert (resumed.solve(right) == whole.solve(right)).all()
    saved = sorted(folder.glob("*.npz"))
    raw = bytearray(saved[2].read_bytes())
    raw[5000] ^= 1
    saved[2].write_bytes(raw)
    with pytest.raises(MalformedError, match=saved[2].name):
        run(Checkpoint(folder, "k", resume=True))
    Checkpoint(folder, "k", resume=True).remove()
    assert not folder.exists()
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "file").write_text("mine")
    with pytest.raises(MalformedError):
        Checkpoint(tmp_path / "stranger", "k", resume=True)


@pytest.mark.parametrize("bad", [Fraction(1, 2), 0.5, True, "1"])
def test_rank_mod_p_refuses_what_is_no_integer(bad):
    """[[1, 1/2], [2, 1]] has rank 1; truncated to integers it would have rank 2."""
    with pytest.raises(MisuseError, match="integers"):
        rank_mod_p(np.array([[1, bad], [2, 1]], dtype=object))
