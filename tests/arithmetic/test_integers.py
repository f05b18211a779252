"""Exact integer products and sums against Python integers, at the borders where a route ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactcnn.arithmetic.integers import add, exact_matmul, largest, narrow, scale

BORDERS = [0, 7, 8, 15, 16, 25, 26, 27, 31, 32, 52, 53, 61, 62, 63, 64, 70, 1100]
ENTRIES = st.one_of(
    st.integers(-3, 3),
    st.builds(
        lambda power, offset, sign: sign * (2**power + offset),
        st.sampled_from(BORDERS),
        st.integers(-2, 2),
        st.sampled_from([-1, 1]),
    ),
)


def as_array(rows, shape, data):
    """The numbers in one of the dtypes that hold them, chosen by Hypothesis."""
    flat = [value for row in rows for value in row]
    fitting: list[object] = [object]
    for dtype in (np.uint64, np.int64, np.int32, np.uint8, np.int8):
        if all(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max for value in flat):
            fitting.append(dtype)
    return np.array(flat, dtype=data.draw(st.sampled_from(fitting))).reshape(shape)


def draw_rows(data, m, n):
    """An m x n matrix whose entries all come from one scale, so that the bounds are met closely."""
    entries = data.draw(st.sampled_from([ENTRIES, st.sampled_from([0]), st.integers(-(2**26), 2**26)]))
    return data.draw(st.lists(st.lists(entries, min_size=n, max_size=n), min_size=m, max_size=m))


@given(st.data(), st.integers(0, 3), st.integers(0, 4), st.integers(0, 3))
def test_matmul_is_the_product_of_python_integers(data, m, n, k):
    """Every route gives the product that Python integers give, for every dtype and size."""
    rows, columns = draw_rows(data, m, n), draw_rows(data, n, k)
    found = exact_matmul(as_array(rows, (m, n), data), as_array(columns, (n, k), data))
    expected = [[sum(rows[i][r] * columns[r][j] for r in range(n)) for j in range(k)] for i in range(m)]
    assert found.tolist() == expected
    assert found.shape == (m, k)
    assert found.dtype in (np.int64, object)


@pytest.mark.parametrize(
    "row, column",
    [
        ([2**27, 1], [2**26, 1]),  # 2^53 + 1 is no float64
        ([2**26, 1], [2**26, 1]),  # bound 2^53: the first that float64 may not do
        ([2**26 - 1, 2**26 - 1], [2**26, -(2**26)]),
        ([94906265] * 2, [47453132] * 2),
        ([2**31, 2**31 - 1], [2**31, 2**31 - 1]),
        ([3037000499], [3037000499]),  # the largest square below 2^63
        ([3037000500], [3037000500]),  # the first above
        ([2**62], [2]),
        ([-(2**62)], [2]),  # -2^63 itself
        ([-(2**63)], [-1]),
        ([2**63 - 1], [1]),
        ([2**62, 2**62], [1, 1]),
        ([2**63 - 1] * 4, [2**63 - 1] * 4),
        ([10**400], [0]),
        ([0], [10**400]),
        ([10**400], [10**400]),
    ],
)
def test_matmul_at_the_borders(row, column):
    """One dot product on either side of 2^53, 2^63 and the largest float64."""
    found = exact_matmul(np.array([row]), np.array([[value] for value in column]))
    assert found.tolist() == [[sum(a * b for a, b in zip(row, column, strict=True))]]


def test_matmul_of_a_stack():
    """A may have leading axes, as the patches of many samples do."""
    A = np.arange(24).reshape(2, 3, 4) - 7
    B = np.array([[2**40, -1], [3, 2**60], [0, 5], [-(2**60), 1]])
    expected = (A.astype(object) @ B.astype(object)).tolist()
    assert exact_matmul(A, B).tolist() == expected


@given(st.data(), st.integers(0, 3), st.integers(0, 3), ENTRIES)
def test_scale_is_the_product_of_python_integers(data, m, n, factor):
    """numbers * factor never wraps and never rounds, whatever the dtype and the factor."""
    rows = draw_rows(data, m, n)
    given_array = as_array(rows, (m, n), data)
    found = scale(given_array, factor)
    assert [[int(v) for v in row] for row in found.tolist()] == [[v * factor for v in row] for row in rows]
    assert [[int(v) for v in row] for row in given_array.tolist()] == rows, "the input was changed"


@given(st.data(), st.integers(0, 3), st.integers(0, 3))
def test_add_is_the_sum_of_python_integers(data, m, n):
    """A + B never wraps and never rounds."""
    A, B = draw_rows(data, m, n), draw_rows(data, m, n)
    found = add(as_array(A, (m, n), data), as_array(B, (m, n), data))
    assert found.tolist() == [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(A, B, strict=True)]


@pytest.mark.parametrize(
    "a, b",
    [(2**63 - 2, 1), (2**63 - 1, 1), (-(2**63), -1), (2**63, 2**63 - 1), (2**64 - 1, 1), (-(2**63), 0)],
)
def test_add_at_the_borders_and_broadcast(a, b):
    """Sums on either side of 2^63, with the second summand broadcast."""
    A = np.array([[a], [0]], dtype=object)
    assert add(A, np.array([b])).tolist() == [[a + b], [b]]


@given(st.data(), st.integers(0, 3), st.integers(0, 3))
def test_largest_and_narrow(data, m, n):
    """largest is max |entry|; narrow keeps the values and leaves int64 only where it must."""
    rows = draw_rows(data, m, n)
    array = as_array(rows, (m, n), data)
    assert largest(array) == max((abs(value) for row in rows for value in row), default=0)
    assert narrow(array).tolist() == rows
    assert (narrow(array).dtype == np.int64) or largest(array) >= 2**63
