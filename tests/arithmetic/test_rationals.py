"""Exact rational arrays: the canonical form, the ways in, and what must not get in."""

from __future__ import annotations

import time
from fractions import Fraction
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import parse_rational, rational_text
from exactcnn.errors import MalformedError, MisuseError

SMALL = st.integers(-(2**8), 2**8)
ANY = st.one_of(
    SMALL, st.integers(-(2**70), 2**70), st.sampled_from([2**62 - 1, 2**62, -(2**62), 2**63, -(2**63)])
)
FRACTIONS = st.builds(Fraction, ANY, st.integers(1, 2**40))
MATRICES = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: st.lists(
        st.lists(FRACTIONS, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    )
)


def assert_canonical(array: RationalArray) -> None:
    """The invariants that the class promises."""
    numbers = array.numerators.ravel().tolist()
    assert array.denominator >= 1
    assert gcd(array.denominator, *numbers) == 1
    assert not array.numerators.flags.writeable
    assert array.numerators.dtype.kind in "iuO"
    assert all(type(value) is int for value in numbers)
    wide = any(abs(value) >= 2**62 for value in numbers)
    assert (array.numerators.dtype == object) == wide


@given(MATRICES)
def test_fractions_survive_the_round_trip(rows):
    """Fractions and their texts give the same canonical array, and come back as they were."""
    array = RationalArray.from_fractions(rows)
    assert_canonical(array)
    assert array.shape == (len(rows), len(rows[0]))
    assert array.to_fractions() == rows
    again = RationalArray.from_fractions([[rational_text(value) for value in row] for row in rows])
    assert again == array
    assert hash(again) == hash(array)


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        (2, 3),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
def test_floats_are_the_dyadic_rationals_they_are(values):
    """Every finite float of 16, 32 and 64 bits is taken as exactly the rational it is."""
    array = RationalArray.from_floats(values)
    assert_canonical(array)
    # float.as_integer_ratio is CPython's own exact conversion, through another route.
    assert array.to_fractions() == [
        [Fraction(*float(value).as_integer_ratio()) for value in row] for row in values
    ]
    assert array.denominator & (array.denominator - 1) == 0


@pytest.mark.parametrize(
    "values",
    [
        [5e-324, 1.0],
        [1.7976931348623157e308, -5e-324],
        [2.0**-60, 1.0],
        [2.0**61, -(2.0**61)],
        [2.0**62],
        [0.0, -0.0],
        [0.1, 0.0],
    ],
)
def test_extreme_floats(values):
    """Subnormals, the largest floats and both ends of int64 are exact."""
    array = RationalArray.from_floats(np.array(values))
    assert_canonical(array)
    assert array.to_fractions() == [Fraction(value) for value in values]


@pytest.mark.parametrize("k", range(21))
def test_full_mantissas_shifted_across_the_end_of_int64(k):
    """A full mantissa over a growing denominator leaves int64 in time."""
    # 2^53 - 1 over 2^k needs 53 + k bits: from k = 9 on it must not stay an int64.
    values = [2.0**53 - 1, -(2.0**53 - 1), 2.0**-k]
    array = RationalArray.from_floats(np.array(values))
    assert_canonical(array)
    assert array.to_fractions() == [Fraction(value) for value in values]


INTEGER_DTYPES = [np.dtype(code) for code in "bBhHiIqQ"] + [np.dtype(">i2"), np.dtype(">u4")]


@given(st.data(), st.sampled_from(INTEGER_DTYPES), st.integers(1, 2**66))
def test_every_integer_dtype_over_every_denominator(data, dtype, denominator):
    """Integers of every dtype over any denominator are reduced exactly."""
    values = data.draw(hnp.arrays(dtype, (2, 2)))
    expected = [[Fraction(int(value), denominator) for value in row] for row in values]
    array = RationalArray.from_integers(values, denominator)
    assert_canonical(array)
    assert array.numerators.dtype.isnative
    assert array.to_fractions() == expected


@pytest.mark.parametrize("dtype", INTEGER_DTYPES, ids=str)
@pytest.mark.parametrize("denominator", [1, 255, 256, 300, 2**15, 2**31, 2**62, 2**63, 2**64, 10**30])
def test_zeros_and_extremes_over_denominators_that_do_not_fit_the_dtype(dtype, denominator):
    """Denominators beyond the numerators' dtype neither fail nor wrap."""
    # Dividing a uint8 array by 300 in its own dtype is an OverflowError, -128 by 128 wraps.
    for value in (0, np.iinfo(dtype).min, np.iinfo(dtype).max):
        array = RationalArray.from_integers(np.full((2, 3), value, dtype=dtype), denominator)
        assert_canonical(array)
        assert array.to_fractions() == [[Fraction(int(value), denominator)] * 3] * 2
    assert RationalArray.from_integers(np.zeros(3, dtype=dtype), denominator).denominator == 1


def test_equal_values_are_equal_in_every_representation():
    """Equality and hash depend on values and shape only."""
    one = RationalArray.from_integers(np.array([[2, 4]], dtype=np.uint8), 6)
    two = RationalArray.from_fractions([["1/3", Fraction(2, 3)]])
    assert one == two
    assert hash(one) == hash(two)
    assert one != RationalArray.from_fractions([["1/3", "1/3"]])
    assert one != RationalArray.from_fractions(["1/3", "2/3"])
    assert one != [[Fraction(1, 3), Fraction(2, 3)]]
    assert RationalArray.from_integers([[1, 2]]) != RationalArray.from_integers([[1, 2]], 5)


def test_a_common_factor_late_in_a_long_array_is_seen():
    """The common divisor is that of all entries, the last included."""
    # The search for the common divisor goes by chunks; the last entry decides here.
    numbers = np.full(200_001, 6, dtype=np.int32)
    assert RationalArray.from_integers(numbers, 6).denominator == 1
    numbers[-1] = 4
    assert RationalArray.from_integers(numbers, 6).denominator == 3
    numbers[-1] = 5
    assert RationalArray.from_integers(numbers, 6).denominator == 6


def test_pixels_keep_their_dtype_and_nobody_can_write():
    """Small dtypes stay small, and no one can change an array from outside."""
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    array = RationalArray.from_integers(pixels)
    pixels[0, 0] = 99
    assert array.numerators.dtype == np.uint8
    assert array.numerators[0, 0] == 0
    view = pixels[:]
    view.setflags(write=False)
    array = RationalArray.from_integers(view)
    pixels[0, 0] = 7
    assert array.numerators[0, 0] == 99, "a read-only view of a writeable array must be copied"
    with pytest.raises(ValueError, match="read-only"):
        array.numerators[0, 0] = 1
    with pytest.raises(AttributeError):
        array.denominator = 2  # type: ignore[misc]


def test_immutable_bytes_are_not_copied():
    """Memory that nobody can write to is shared, not copied."""
    pixels = np.frombuffer(bytes(range(6)), dtype=np.uint8)
    array = RationalArray.from_integers(pixels.reshape(2, 3))
    assert np.shares_memory(array.numerators, pixels)
    assert np.shares_memory(array[1:].reshape(3, 1).numerators, pixels)


def test_fifty_million_pixels_in_about_a_second():
    """Large pixel arrays cost neither time nor memory."""
    pixels = np.frombuffer(bytes(50_000_000), dtype=np.uint8).reshape(-1, 1000)
    begin = time.process_time()
    array = RationalArray.from_integers(pixels)
    taken = time.process_time() - begin
    assert array.numerators.nbytes == 50_000_000
    assert taken < 2


@given(MATRICES, FRACTIONS, st.integers(0, 3), st.integers(0, 5))
def test_slices_shapes_and_scales(rows, factor, begin, end):
    """Slices, reshapes and exact scalings do to the array what they do to the fractions."""
    array = RationalArray.from_fractions(rows)
    assert_canonical(array[begin:end])
    assert array[begin:end].to_fractions() == rows[begin:end]
    flat = array.reshape(-1)
    assert flat.to_fractions() == [value for row in rows for value in row]
    assert flat.ndim == 1
    scaled = array.scaled(factor)
    assert_canonical(scaled)
    assert scaled.to_fractions() == [[value * factor for value in row] for row in rows]
    assert array.max_abs_numerator() == max(abs(v) for row in array.numerators.tolist() for v in row)


@given(MATRICES, st.sampled_from([2, 3, 7, 2**31 - 1, 2**61 - 1, 9223372036854775783]))
def test_mod_is_the_ring_homomorphism(rows, p):
    """Residues are those of the fractions; a denominator that is no unit is refused."""
    array = RationalArray.from_fractions(rows)
    numbers = array.numerators_mod(p)
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [[int(v) % p for v in row] for row in array.numerators.tolist()]
    if gcd(array.denominator, p) != 1:
        with pytest.raises(MisuseError, match="invertible"):
            array.mod(p)
        return
    residues = array.mod(p)
    assert residues.dtype == np.int64
    # Fraction * denominator of the *reduced* entry: another route than the common denominator's.
    expected = [[v.numerator * pow(v.denominator, -1, p) % p for v in row] for row in rows]
    assert residues.tolist() == expected


@pytest.mark.parametrize("p", [1, 0, -7, 2**63, True, 7.0])
def test_mod_refuses_what_is_no_modulus(p):
    """A modulus is an integer from 2 to 2^63 - 1."""
    with pytest.raises(MisuseError, match="p: expected"):
        RationalArray.from_integers([[1, 2]]).mod(p)


def test_empty_arrays():
    """Arrays without entries have denominator 1 and keep their shape."""
    assert RationalArray.from_integers(np.zeros((0, 3), dtype=np.uint8), 300).denominator == 1
    assert RationalArray.from_fractions([]).shape == (0,)
    assert RationalArray.from_fractions([[], []]).shape == (2, 0)
    assert RationalArray.from_floats(np.zeros((2, 0))).max_abs_numerator() == 0


@pytest.mark.parametrize(
    "numbers",
    [
        [[1, 2], [3]],
        [[1], 2],
        [[True]],
        [[1.5]],
        [["1"]],
        [Fraction(1, 2)],
        np.array([True]),
        np.array([1.5]),
        np.array([1j]),
        np.array([Fraction(1, 2)], dtype=object),
        np.array([0.5], dtype=object),
        np.array([np.int64(3)], dtype=object),
        np.array(["1"]),
    ],
    ids=repr,
)
def test_from_integers_refuses_everything_else(numbers):
    """Only integers are integers: nothing is truncated on the way in."""
    # A Fraction in an object array must not be truncated on its way to int64.
    with pytest.raises(MisuseError, match="expected"):
        RationalArray.from_integers(numbers)


@pytest.mark.parametrize("denominator", [0, -1, True, 1.0, Fraction(2), "2"])
def test_denominators_must_be_positive_integers(denominator):
    """A denominator that is no positive integer is a misuse."""
    with pytest.raises(MisuseError, match="denominator: expected a positive integer"):
        RationalArray.from_integers([[1, 2]], denominator)


@pytest.mark.parametrize("factor", [0.5, True, "1/2", None])
def test_scaled_refuses_inexact_factors(factor):
    """Factors are exact or refused."""
    with pytest.raises(MisuseError, match="factor"):
        RationalArray.from_integers([[1, 2]]).scaled(factor)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_that_are_no_numbers_are_named_by_index(bad, dtype):
    """NaN and infinities are refused with the index where they stand."""
    values = np.ones((2, 3), dtype=dtype)
    values[1, 2] = bad
    with pytest.raises(MalformedError, match=r"^w\[1\]\[2\]: expected a finite number, found -?(nan|inf)$"):
        RationalArray.from_floats(values, "w")


@pytest.mark.parametrize("dtype", [bool, complex, object, "U3", "M8[s]", np.longdouble, "V4"])
def test_other_dtypes_are_refused(dtype):
    """Every dtype but integers and floats of up to 64 bits is refused by name."""
    array = np.zeros((2, 2), dtype=dtype)
    with pytest.raises(MisuseError, match="float"):
        RationalArray.from_floats(array)
    with pytest.raises(MalformedError, match=r"^w: expected integers or float16, .*, found dtype"):
        RationalArray.from_numpy(array, "w")


@pytest.mark.parametrize(
    "text, value",
    [
        ("3/7", Fraction(3, 7)),
        ("-1", Fraction(-1)),
        ("2/4", Fraction(1, 2)),
        ("+5", Fraction(5)),
        ("0.25", Fraction(1, 4)),
        ("-1.5", Fraction(-3, 2)),
        ("-0.5", Fraction(-1, 2)),
        (".5", Fraction(1, 2)),
        ("5.", Fraction(5)),
        ("0.1", Fraction(1, 10)),
        ("1e-3", Fraction(1, 1000)),
        ("-1.25E+2", Fraction(-125)),
        (7, Fraction(7)),
        (-(10**40), Fraction(-(10**40))),
        (Fraction(6, 4), Fraction(3, 2)),
    ],
)
def test_texts_that_are_rationals(text, value):
    """Integers, quotients and decimals mean what they say."""
    assert parse_rational(text, "w") == value


@given(st.builds(Fraction, st.integers(-(10**12), 10**12), st.integers(1, 10**12)), st.integers(0, 6000))
def test_texts_of_any_length_survive_the_round_trip(value, digits):
    """Numbers of thousands of digits are written and read exactly."""
    # CPython converts no text beyond 4,300 digits by default; ours may have 100,000.
    long = value * 10**digits + Fraction(1, 3)
    for number in (long, -long, 1 / long if long else long):
        assert parse_rational(rational_text(number), "w") == number
    assert rational_text(value) == str(value)


@given(st.integers(-(10**20), 10**20), st.integers(0, 30))
def test_decimals_are_exact(number, places):
    """A decimal text is the decimal fraction, sign included."""
    digits = str(abs(number)).zfill(places + 1)
    text = f"{'-' if number < 0 else ''}{digits[: len(digits) - places]}.{digits[len(digits) - places :]}"
    assert parse_rational(text, "w") == Fraction(number, 10**places)


def test_long_decimals_are_exact():
    """Decimals of thousands of places are exact."""
    assert parse_rational("0." + "3" * 9000, "w") == Fraction(10**9000 // 3, 10**9000)


BAD_NUMBERS = [
    0.5,
    float("nan"),
    True,
    None,
    b"1",
    [],
    1j,
    "",
    " 1",
    "1\n",
    "1/0",
    "0/0",
    "1/-2",
    "1/2/3",
    "1/2.5",
    "--1",
    "+-1",
    "1_000",
    "0x10",
    ".",
    "-.",
    "e5",
    "1e",
    "1e99999",
    "1e-99999",
    "1e1234567",
    "nan",
    "inf",
    "-Infinity",
    "x",
    "1,5",
    "１２",
    "٣",
    "9" * 100_001,
]


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: repr(value)[:12])
def test_what_is_no_rational_is_refused_in_one_sentence(value):
    """Whatever else is given, the complaint is one sentence with the field."""
    with pytest.raises(MalformedError) as caught:
        parse_rational(value, "weights.W[0][1]")
    assert caught.value.field == "weights.W[0][1]"
    assert str(caught.value).startswith("weights.W[0][1]: expected ")
    assert "\n" not in str(caught.value)


def test_a_json_float_is_told_to_quote():
    """A float gets the advice to quote it."""
    with pytest.raises(MalformedError, match="quoted rational"):
        parse_rational(0.1, "w")


@pytest.mark.parametrize("value", [0.5, True, "1/2"])
def test_rational_text_takes_exact_numbers_only(value):
    """Floats, booleans and texts have no canonical text."""
    with pytest.raises(MisuseError, match="value"):
        rational_text(value)


@pytest.mark.parametrize(
    "rows, field",
    [
        ([[1, 2], [3]], "x[1]"),
        ([[1, 2], 3], "x[1]"),
        ([[1, 2], "34"], "x[1]"),
        ([1, [2]], "x[1]"),
        ([[1, 2], [3, [4]]], "x[1][1]"),
        ([[], [1]], "x[1]"),
        ([[1, 2], [3, 0.5]], "x[1][1]"),
        ([[1, 2], [True, 4]], "x[1][0]"),
        ([["1", "a"]], "x[0][1]"),
        (np.array([1]), "x"),
    ],
    ids=repr,
)
def test_ragged_lists_and_bad_entries_are_named(rows, field):
    """Ragged lists and bad entries are refused with the place where they stand."""
    with pytest.raises(MalformedError) as caught:
        RationalArray.from_fractions(rows, "x")
    assert caught.value.field == field


def test_nesting_is_bounded():
    """A list nested without end is refused, not recursed into."""
    nested: object = 1
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(MalformedError, match="at most 32 nested lists"):
        RationalArray.from_fractions(nested, "x")


def test_a_common_denominator_out_of_proportion_is_refused():
    """A small input cannot demand gigabytes by its denominators."""
    # 3,000 texts of 1,000 digits: 3 MB that would ask for 3,000 numerators of 3 million digits.
    texts = [f"1/{10**1000 + i}" for i in range(3000)]
    begin = time.process_time()
    with pytest.raises(MalformedError, match="common denominator"):
        RationalArray.from_fractions(texts, "x")
    assert time.process_time() - begin < 5
