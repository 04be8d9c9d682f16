"""Amounts: exact, rounded half up once, refused when they are no finite number of credits in range."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ducto_redis.errors import InvalidAmountError
from ducto_redis.money import MAX_UNITS, to_credits, to_units


@pytest.mark.parametrize(
    ("amount", "precision", "units"),
    [
        (50_000, 4, 500_000_000), ("0.1", 4, 1_000), (0.1, 4, 1_000), (Decimal("0.00005"), 4, 1), ("0.000049", 4, 0),
        ("1e2", 0, 100), ("+1.5", 1, 15), (".5", 4, 5_000), ("5.", 0, 5), (MAX_UNITS, 0, MAX_UNITS), (0, 9, 0),
        (Decimal("-0"), 4, 0), (1e15, 0, 10**15), (2.5, 0, 3), ("9007199254740990.5", 0, MAX_UNITS),
    ],
)  # fmt: skip
def test_reading(amount, precision, units):
    """int, Decimal, text and float (through its text) become units, half up."""
    assert to_units(amount, precision) == units


@pytest.mark.parametrize(
    "amount", ["9007199254740991.5", 2**53, -1, "-0.0000001", "nan", True, "1_0", "\u0661", 1j, "1e9999"]
)
def test_refused(amount):
    """Beyond the range, negative, or no plain number."""
    with pytest.raises(InvalidAmountError):
        to_units(amount, 0)


def test_a_charge_is_lifted_to_one_unit_and_a_zero_is_not():
    """Half a ten-thousandth of a unit costs a unit; nothing costs nothing."""
    assert [to_units(amount, 4, lift=True) for amount in ("0.000000005", 0, "0.0", Decimal("1e-40"))] == [1, 0, 0, 1]


@given(st.integers(-MAX_UNITS, MAX_UNITS), st.integers(0, 9))
def test_units_survive_the_way_out_and_back(units, precision):
    """Credits of units are those units again, and print without an exponent or trailing zeros."""
    credits_ = to_credits(units, precision)
    text = str(credits_)
    assert to_units(credits_, precision, lowest=-MAX_UNITS) == units
    assert Fraction(credits_) == Fraction(units, 10**precision)
    assert "." not in text or not text.endswith("0")


@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, places=12), st.integers(0, 4))
def test_rounding_is_half_up_once(amount, precision):
    """The same as quantizing half up, for any number of places."""
    expected = amount.quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP).scaleb(precision)
    assert to_units(amount, precision) == int(expected)
