"""Credits and units: exact conversion at the boundary, rounding half up, once (SPEC 1).

Credits are what callers write and read (``Decimal``, int, str, float through ``str``); units are the integers inside
Redis, ``10 ** precision`` to a credit.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from numbers import Integral
from typing import Final, TypeAlias

from ducto_redis.errors import InvalidAmountError

#: What a caller may pass as an amount. Floats are read through ``str``.
Amount: TypeAlias = "Decimal | int | str | float"

MAX_UNITS: Final = 2**53 - 1
MAX_PRECISION: Final = 9
DEFAULT_PRECISION: Final = 4

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
# Wide enough for every text of at most 64 characters; ROUND_HALF_UP is the one rounding of the library.
_CONTEXT = Context(prec=400, rounding=ROUND_HALF_UP)
_MAX_TEXT: Final = 64
_POWERS: Final = tuple(10**precision for precision in range(MAX_PRECISION + 1))


def _decimal(amount: object) -> Decimal:
    if isinstance(amount, Decimal):
        if len(amount.as_tuple().digits) > _MAX_TEXT:
            msg = f"invalid_amount: a Decimal of more than {_MAX_TEXT} digits"
            raise InvalidAmountError(msg)
        return amount
    text = repr(amount) if isinstance(amount, float) else amount
    if isinstance(text, str) and len(text) <= _MAX_TEXT and _NUMBER.fullmatch(text):
        return Decimal(text)
    msg = f"invalid_amount: {amount!r:.80} is not a number of credits (Decimal, int, str or float)"
    raise InvalidAmountError(msg)


def _is_truth(amount: object) -> bool:
    return isinstance(amount, bool)


def to_units(amount: object, precision: int, *, lowest: int = 0, lift: bool = False) -> int:
    """Reads an amount of credits as units.

    Args:
        amount: Decimal, int, str of digits, or float (through ``str``); never bool.
        precision: Decimal places of the namespace, 0 to 9; further places are rounded half up.
        lowest: The least number of units allowed.
        lift: Whether a positive amount that would round to 0 becomes one unit (charges; never grants).

    Returns:
        The units, between ``lowest`` and ``2 ** 53 - 1``.

    Raises:
        InvalidAmountError: Not a number, not finite, or out of range.
    """
    if type(amount) is int:
        units: int = amount * _POWERS[precision]
    elif isinstance(amount, Integral) and not _is_truth(amount):
        units = int(amount) * _POWERS[precision]
    else:
        value = _decimal(amount)
        # The magnitude is bounded before any arithmetic: 1e999999999 must not be expanded.
        if not value.is_finite() or value.adjusted() > len(str(MAX_UNITS)):
            msg = f"invalid_amount: {amount!r:.80} is not finite or too large"
            raise InvalidAmountError(msg)
        try:
            units = int(value.scaleb(precision, _CONTEXT).to_integral_value(ROUND_HALF_UP, _CONTEXT))
        except ArithmeticError as cause:
            msg = f"invalid_amount: {amount!r:.80} cannot be counted in units"
            raise InvalidAmountError(msg) from cause
        if lift and units == 0 and value > 0:
            units = 1
        if units == 0 and value < 0 <= lowest:
            units = -1  # a negative amount stays refused where only positive ones make sense
    if not lowest <= units <= MAX_UNITS:
        least = to_credits(lowest, precision)
        msg = f"invalid_amount: {amount!r:.80} is not between {least} and {to_credits(MAX_UNITS, precision)} credits"
        raise InvalidAmountError(msg)
    return units


def to_credits(units: int, precision: int) -> Decimal:
    """Credits of a number of units, without trailing zeros: ``50000``, ``0.5`` (SPEC 1)."""
    whole, part = divmod(units, _POWERS[precision])
    if part == 0:
        return Decimal(whole)
    return Decimal(units).scaleb(-precision, _CONTEXT).normalize(_CONTEXT)
