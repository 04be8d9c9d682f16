"""Rate and concurrency limits as callers write them: ``RateLimit("100/second")``, ``ConcurrencyLimit(4)``."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from ducto_redis.decisions import Algorithm, Counts, Quantity
from ducto_redis.models import MAX_MODEL_BYTES, MAX_TYPE_BYTES
from ducto_redis.money import MAX_UNITS, Amount

MAX_PERIOD_MS: Final = 366 * 86_400_000
_MAX_TEXT: Final = 64
#: Names of each unit, the one for people first, and its milliseconds; the longest first.
_UNITS: Final[tuple[tuple[tuple[str, ...], int], ...]] = (
    (("week", "weeks", "w"), 604_800_000),
    (("day", "days", "d"), 86_400_000),
    (("hour", "hours", "h"), 3_600_000),
    (("minute", "minutes", "min", "m"), 60_000),
    (("second", "seconds", "sec", "s"), 1000),
)
_MS_OF: Final = {name: length for names, length in _UNITS for name in names}
_TIMES: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)([kmg]?)/(\d*)([a-z]+)", re.ASCII)
_ALLOWED: Final = (
    "a rate is '<number>/<period>', such as '100/second', '100k/minute' or '5/10s': a whole number (of credits also a"
    " decimal one; k, m, g: thousands, millions, billions) per s, sec, second, m, min, minute, h, hour, d, day, w, week"
)


class Rate(NamedTuple):
    """How much per how many milliseconds."""

    limit: Decimal
    period_ms: int


@lru_cache(maxsize=1024)
def parse_rate(rate: str) -> Rate:
    """Reads ``"100/second"``.

    Raises:
        ValueError: It is no rate; the message says what is.
    """
    found = _RATE.fullmatch(rate) if len(rate) <= _MAX_TEXT else None
    if found is None or found[4] not in _MS_OF:
        raise ValueError(f"{_ALLOWED}; not {rate!r:.80}")
    limit = Decimal(found[1]) * _TIMES[found[2]]
    period_ms = int(found[3] or 1) * _MS_OF[found[4]]
    if limit <= 0:
        raise ValueError(f"a rate allows more than 0 per period, not {rate!r:.80}")
    if not 1 <= period_ms <= MAX_PERIOD_MS:
        raise ValueError(f"a period lasts 1 ms to 366 days, not that of {rate!r:.80}")
    return Rate(limit, period_ms)


def period_text(period_ms: int) -> str:
    """A period for people: ``minute``, ``10 seconds``."""
    for names, length in _UNITS:
        if period_ms % length == 0:
            count = period_ms // length
            return names[0] if count == 1 else f"{count} {names[1]}"
    return f"{period_ms} ms"


def check_exact(algorithm: str, limit: int, burst: int, period_ms: int) -> None:
    """Checks that the state of a limit is counted exactly.

    Args:
        algorithm: Its algorithm.
        limit: Units per period.
        burst: Units at once; 0 when not given.
        period_ms: The period.

    Raises:
        ValueError: A product is beyond the exact range; the message says what to do.
    """
    if not 1 <= limit <= MAX_UNITS:
        raise ValueError(f"a limit is 1 to {MAX_UNITS} (units, when it counts credits), not {limit}")
    if algorithm != "fixed" and max(limit, burst) * period_ms > MAX_UNITS:
        raise ValueError(
            f"{max(limit, burst)} per {period_text(period_ms)} is too much for algorithm={algorithm!r}, which counts"
            f" units x milliseconds up to {MAX_UNITS}; use algorithm='fixed' or a shorter period"
        )


def _named(value: str | None, what: str, bytes_max: int) -> str | None:
    if value is not None:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            size = 0
        if not 1 <= size <= bytes_max:
            raise ValueError(f"{what} must be text of 1 to {bytes_max} bytes")
    return value


class _Scoped(BaseModel):
    """What both kinds of limit share: the admissions they look at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    operation_type: str | None = None
    shadow: bool = False

    @field_validator("model")
    @classmethod
    def _model(cls, model: str | None) -> str | None:
        return _named(model, "model", MAX_MODEL_BYTES)

    @field_validator("operation_type")
    @classmethod
    def _operation_type(cls, operation_type: str | None) -> str | None:
        return _named(operation_type, "operation_type", MAX_TYPE_BYTES)


def _quantity(value: object) -> Quantity | None:
    # Text and floats are read exactly, as amounts are; a truth value is no number.
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Decimal | float | str) and len(str(value)) <= _MAX_TEXT:
        try:
            number = Decimal(str(value))
        except ArithmeticError:
            number = Decimal("nan")
        if number.is_finite():
            return number
    raise ValueError(f"burst must be a number, not {value!r:.80}")


class RateLimit(_Scoped):
    """How much an account may take per period (``docs/limits.md``).

    Attributes:
        rate: ``"100/second"``, ``"100k/minute"``, ``"5/10s"``; the first argument.
        burst: With "gcra": what may be taken at once; the limit when None.
        counts: "requests" - each admission is one; "amount" - its credits; "tokens" - what ``tokens=`` says.
        algorithm: "gcra", "fixed" or "sliding".
        model: Looks only at admissions of this model, 1 to 128 bytes.
        operation_type: Looks only at admissions of this operation type, 1 to 64 bytes.
        shadow: It refuses nothing, takes nothing of what it would have refused, and counts these; it stands beside a
            limit that is the same but for this.
    """

    rate: str
    burst: Quantity | None = None
    counts: Counts = "requests"
    algorithm: Algorithm = "gcra"

    if TYPE_CHECKING:

        def __init__(
            self,
            rate: str,
            *,
            burst: Amount | None = None,
            counts: Counts = "requests",
            algorithm: Algorithm = "gcra",
            model: str | None = None,
            operation_type: str | None = None,
            shadow: bool = False,
        ) -> None: ...

    else:

        def __init__(self, rate: str, **options: Any) -> None:
            super().__init__(rate=rate, **options)

    @field_validator("rate", mode="before")
    @classmethod
    def _readable(cls, rate: object) -> object:
        if not isinstance(rate, str):
            raise ValueError(f"{_ALLOWED}; not {rate!r:.80}")  # noqa: TRY004 - pydantic turns ValueError into its own
        parse_rate(rate)
        return rate

    @field_validator("burst", mode="before")
    @classmethod
    def _number(cls, burst: object) -> Quantity | None:
        number = _quantity(burst)
        if number is not None and number <= 0:
            raise ValueError(f"burst must be more than 0, not {burst!r:.80}")
        return number

    @model_validator(mode="after")
    def _consistent(self) -> RateLimit:
        if self.burst is not None and self.algorithm != "gcra":
            raise ValueError(f"burst goes with algorithm='gcra' alone, not with {self.algorithm!r}")
        if self.counts == "amount":
            return self  # in units, which depend on the namespace: checked when it is packed
        limit, burst = parse_rate(self.rate).limit, self.burst or 0
        if "." in self.rate or not isinstance(burst, int):
            raise ValueError(f"{self.counts} are whole numbers; a decimal rate or burst needs counts='amount'")
        check_exact(self.algorithm, int(limit), burst, self.period_ms)
        return self

    @property
    def limit(self) -> Quantity:
        """How much a period allows; credits are ``Decimal``."""
        limit = parse_rate(self.rate).limit
        return limit if self.counts == "amount" else int(limit)

    @property
    def period_ms(self) -> int:
        """The period in milliseconds."""
        return parse_rate(self.rate).period_ms


class ConcurrencyLimit(_Scoped):
    """How many holds of an account may be open at once (``docs/limits.md``).

    Attributes:
        max_concurrent: 1 or more; the first argument.
        model: Counts only holds of this model, 1 to 128 bytes.
        operation_type: Counts only holds of this operation type, 1 to 64 bytes.
        shadow: It refuses nothing and counts what it would have refused.
    """

    max_concurrent: int

    if TYPE_CHECKING:

        def __init__(
            self,
            max_concurrent: int,
            *,
            model: str | None = None,
            operation_type: str | None = None,
            shadow: bool = False,
        ) -> None: ...

    else:

        def __init__(self, max_concurrent: int, **options: Any) -> None:
            super().__init__(max_concurrent=max_concurrent, **options)

    @field_validator("max_concurrent", mode="before")
    @classmethod
    def _whole(cls, number: object) -> object:
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_UNITS:
            raise ValueError(f"max_concurrent must be a whole number of 1 to {MAX_UNITS}, not {number!r:.80}")
        return number
