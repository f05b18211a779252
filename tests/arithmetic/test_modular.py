"""Modular kernels against Python integers, at the extreme residues and the largest modulus."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exactcnn.arithmetic import modular
from exactcnn.arithmetic.modular import inverse, matmul, powers, residues
from exactcnn.arithmetic.primes import default_primes, is_prime, odd_order_element, require_prime
from exactcnn.errors import MisuseError

P31 = 2**31 - 1
PRIMES = [2, 3, 5, 257, 65521, 65537, 131071, 2147483629, P31]
MODULI = [*PRIMES, 1, 4, 2**16, 2**16 + 1, 2**30, 2**31 - 2]


def near_the_ends(modulus):
    """Residues close to 0, to the modulus and to the limb borders."""
    marks = [0, 1, modulus - 1, modulus - 2, modulus // 2, 2**16 - 1, 2**16, 2**16 + 1]
    return st.one_of(st.sampled_from([m % modulus for m in marks]), st.integers(0, modulus - 1))


@given(st.data(), st.sampled_from(MODULI), st.integers(0, 4), st.integers(0, 5), st.integers(0, 4))
def test_matmul_is_the_product_of_python_integers(data, modulus, a, n, b):
    """A @ B mod m for residues at the extremes, every modulus below 2^31 and empty shapes."""
    entries = near_the_ends(modulus)
    A = data.draw(hnp.arrays(np.int64, (a, n), elements=entries))
    B = data.draw(hnp.arrays(np.int64, (n, b), elements=entries))
    expected = (A.astype(object) @ B.astype(object)) % modulus if n else np.zeros((a, b), dtype=object)
    found = matmul(A, B, modulus)
    assert found.dtype == np.int64
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("modulus", [2**16, 2**30, P31 - 1, P31])
@pytest.mark.parametrize("n", [1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 3])
def test_matmul_of_the_largest_residues_at_the_longest_inner_size(modulus, n):
    """n times (m - 1)^2 = n mod m, on either side of the size where the product is split."""
    A = np.full((1, n), modulus - 1, dtype=np.int64)
    assert matmul(A, A.T, modulus).tolist() == [[n % modulus]]


def test_matmul_split_into_many_pieces(monkeypatch):
    """The splitting of long products is right whatever the pieces are."""
    monkeypatch.setattr(modular, "_LONGEST_INNER", 2)
    rng = np.random.default_rng(0)
    A, B = rng.integers(0, P31, (3, 11)), rng.integers(0, P31, (11, 2))
    assert matmul(A, B, P31).tolist() == ((A.astype(object) @ B.astype(object)) % P31).tolist()


EXPONENTS = st.one_of(
    st.integers(-5, 5),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 65535, 65536, 65537, -65536, P31 - 1, P31, 1 - P31, 2**62, -(2**63), 2**63 - 1]),
)


@given(st.data(), st.sampled_from(PRIMES), st.booleans())
def test_powers_are_pythons(data, p, exact):
    """base^e mod p for positive, zero, negative and huge e, as int64 and as Python integers."""
    base = data.draw(st.integers(1, p - 1)) + data.draw(st.sampled_from([0, p, -p]))
    size = 10**30 if exact else 1
    exponents = [e * size for e in data.draw(st.lists(EXPONENTS, max_size=4))]
    found = powers(base, np.array(exponents, dtype=object if exact else np.int64), p)
    assert found.tolist() == [pow(base, e, p) for e in exponents]


def test_powers_of_unsigned_exponents():
    """Exponents from 2^63 on are not read as negative."""
    exponents = np.array([2**64 - 1, 2**63, 5], dtype=np.uint64)
    assert powers(3, exponents, P31).tolist() == [pow(3, int(e), P31) for e in exponents]


@pytest.mark.parametrize("base", [0, P31, -P31, 5 * P31])
def test_powers_of_no_unit_are_refused(base):
    """A base that is 0 mod p has no negative powers."""
    with pytest.raises(MisuseError, match="base: expected a unit"):
        powers(base, np.array([1]), P31)


@given(st.data(), st.sampled_from(PRIMES), st.integers(0, 5), st.integers(0, 3))
def test_inverse_is_pythons(data, p, m, n):
    """Entrywise inverses of residues at the extremes."""
    units = data.draw(hnp.arrays(np.int64, (m, n), elements=near_the_ends(p).map(lambda v: v or 1)))
    kept = units.copy()
    assert inverse(units, p).tolist() == [[pow(int(v), -1, p) for v in row] for row in units]
    assert (units == kept).all()


@pytest.mark.parametrize("place", [(0, 0), (1, 2), (2, 1)])
def test_a_zero_has_no_inverse(place):
    """One zero anywhere is refused; it would spoil its column silently."""
    units = np.full((3, 3), P31 - 1, dtype=np.int64)
    units[place] = 0
    with pytest.raises(MisuseError, match="a zero"):
        inverse(units, P31)


@pytest.mark.parametrize("dtype", [np.dtype(code) for code in "bBhHiIqQ"], ids=str)
@pytest.mark.parametrize("modulus", [2, 3, 255, P31, 2**31, 2**62, 2**63 - 1])
def test_residues_of_the_extremes_of_every_dtype(dtype, modulus):
    """The remainder is Python's, in [0, m), at both ends of every integer dtype."""
    ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1], dtype=dtype)
    found = residues(ends, modulus)
    assert found.dtype == np.int64
    assert found.tolist() == [int(value) % modulus for value in ends]


@given(st.lists(st.integers(-(10**40), 10**40), max_size=4), st.integers(1, 2**63 - 1))
def test_residues_of_python_integers(values, modulus):
    """Integers beyond 64 bits are reduced exactly."""
    found = residues(np.array(values, dtype=object), modulus)
    assert found.dtype == np.int64
    assert found.tolist() == [value % modulus for value in values]


def test_primes_against_trial_division():
    """is_prime agrees with trial division below 2,000, and on famous pseudoprimes."""
    for n in range(-3, 2000):
        assert is_prime(n) == (n >= 2 and all(n % d for d in range(2, int(n**0.5) + 1))), n
    for composite in (561, 3215031751, 2**31 + 1, 318665857834031151167461):
        assert not is_prime(composite)
    assert is_prime(2**61 - 1)


@pytest.mark.parametrize("number", [9, 1, 0, -7, 2, 4, 2**31 + 11, 2**61 - 1, 10**40, True, 7.0, "7", None])
def test_what_is_no_odd_prime_of_31_bits_is_refused(number):
    """Composite, even, too large and other things get one sentence."""
    with pytest.raises(MisuseError, match=r"^prime: expected an odd prime"):
        require_prime(number)


def test_default_primes_have_squares_of_odd_order():
    """The default primes are 3 mod 4, and the substituted element never has -1 among its powers."""
    primes = default_primes(5)
    assert len(set(primes)) == 5
    for p in primes:
        assert p % 4 == 3
        assert require_prime(p) == p
        for index in range(3):
            g = odd_order_element(p, index)
            assert pow(g, (p - 1) // 2, p) == 1  # (p - 1)/2 is odd
            assert g % p not in (0, 1)
