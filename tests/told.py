"""Results of the library as the model writes its own: credits as units, times as milliseconds, notices as tuples."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any

from model_state import Outcome

from ducto_redis import CapNotice
from ducto_redis.work_models import HoldInfo


class Units:
    """Credits of results as the model's units, and back.

    Args:
        precision: The namespace's.
    """

    def __init__(self, precision: int) -> None:
        self.precision = precision
        self.one = 10**precision

    def credits_of(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self.precision)

    def units_of(self, amount: Decimal) -> int:
        units = amount.scaleb(self.precision)
        assert units == int(units), f"{amount} is no whole number of units"
        return int(units)

    def plain(self, value: Any) -> Any:
        """A value of a result, as the model writes it."""
        if isinstance(value, Decimal):
            return self.units_of(value)
        if isinstance(value, datetime):
            return round(value.timestamp() * 1000)
        if isinstance(value, HoldInfo):
            return (self.plain(value.expires_at), value.hold_id, self.units_of(value.amount), value.admitted,
                    value.model, value.billing_mode)  # fmt: skip
        if isinstance(value, CapNotice):
            return (value.scope, value.cap_type, value.action, *map(self.units_of, (value.limit, value.spent)),
                    self.units_of(value.held), value.first, value.over_cap, value.model, value.timezone,
                    value.week_start, value.anchor_day, value.shadow, value.would_refuse)  # fmt: skip
        if isinstance(value, tuple):
            told = [self.plain(each) for each in value]
            return tuple(sorted(told) if value and isinstance(value[0], HoldInfo) else told)
        return value

    def limits(self, notices: Any) -> tuple[Any, ...]:
        """Notices of limits, sorted as the model sorts them."""
        return tuple(sorted(self._limit(each) for each in notices))

    def _limit(self, notice: Any) -> tuple[Any, ...]:
        """A limit that counts amounts tells credits, others whole numbers; waiting is told of those that refuse."""
        counts = "" if notice.algorithm == "concurrency" else notice.counts
        figures = [
            self.units_of(Decimal(each)) if counts == "amount" else each
            for each in (notice.limit, notice.used, notice.remaining)
        ]
        wait = 0 if not notice.refused else -1 if notice.retry_after is None else in_ms(notice.retry_after)
        return (notice.scope, notice.algorithm, counts, *figures, notice.model or "", notice.operation_type or "",
                notice.period_ms or 0, notice.would_refuse, notice.shadow, notice.refused, wait)  # fmt: skip

    def _denied(self, notice: Any) -> tuple[Any, ...]:
        """What a listed shadow has counted, by its identity."""
        is_open = notice.algorithm == "concurrency"
        what = ("concurrency" if is_open else notice.counts, 0 if is_open else notice.period_ms)
        return (*what, notice.model or "", notice.operation_type or "", notice.shadow, notice.shadow_denied)

    def seen_in(self, result: Any, told: Outcome) -> Outcome:
        """What a result says of what the model tells."""
        seen = {}
        for key, expected in told.items():
            if key == "resets":
                seen[key] = tuple(
                    (
                        self.plain(cap.reset_at),
                        self.plain(cap.counted_since),
                        cap.thresholds,
                        cap.default,
                        cap.shadow_denied,
                        self.units_of(cap.shadow_denied_amount),
                    )
                    for cap in result.caps
                )
            elif key == "denied":
                seen[key] = tuple(sorted(self._denied(each) for each in result.limits))
            elif key == "limits":
                seen[key] = self.limits(getattr(result, "limits", ()))
            elif isinstance(expected, dict) and getattr(result, key) is not None:
                seen[key] = self.seen_in(getattr(result, key), expected)
            else:
                seen[key] = self.plain(getattr(result, key))
        return seen


def in_ms(seconds: float) -> int:
    """The whole milliseconds after which a time in seconds is over."""
    return ceil(float(seconds) * 1000 - 1e-6)
