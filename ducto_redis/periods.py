"""The calendar periods of spend caps: names, numbers in the scripts, and boundaries in any IANA zone (SPEC 3).

Scripts decide which UTC period a moment lies in; for other zones, months and years of caps with a counter of their own
the client computes the boundaries here (``docs/clock.md``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

CapType = Literal["daily", "monthly", "total", "hourly", "weekly", "yearly"]

#: The end of a period that never ends, as the scripts write it (``lua/lib/timed.lua``).
FOREVER_MS: Final = 2**47 - 1
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Period:
    """A kind of calendar period: its name and its number; up to 6 it is the position of a counter in a packed node."""

    name: CapType
    kind: int


PERIODS: Final[tuple[Period, ...]] = (
    Period("daily", 4), Period("monthly", 5), Period("total", 6), Period("hourly", 7), Period("weekly", 8),
    Period("yearly", 9),
)  # fmt: skip
KIND_OF: Final[dict[str, int]] = {period.name: period.kind for period in PERIODS}
NAME_OF: Final[dict[int, CapType]] = {period.kind: period.name for period in PERIODS}


def moment(at_ms: int) -> datetime:
    """An aware UTC datetime of milliseconds since the epoch."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


@lru_cache(maxsize=1024)
def zone_of(timezone: str) -> tzinfo:
    """A zone by its IANA name; "" is UTC.

    Raises:
        ValueError: There is no such zone.
    """
    if timezone in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(timezone)
    except (KeyError, OSError, ValueError, TypeError) as cause:
        raise ValueError(f"{timezone!r:.80} is no IANA time zone, such as 'Europe/Berlin'") from cause


def _first_instant(day: date, zone: tzinfo) -> int:
    """The first millisecond at which a zone's calendar shows a date or a later one.

    Midnight may come twice (the first counts) or not at all (the day begins when the gap ends).
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    first = midnight.timestamp()
    if midnight.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != midnight.replace(tzinfo=None):
        # In a gap: it ends where the offset changes, between the two readings of the missing hour.
        low, high = round(midnight.replace(fold=1).timestamp()), round(first)
        low, high = min(low, high) - 1, max(low, high)
        while high - low > 1:
            middle = (low + high) // 2
            shown = datetime.fromtimestamp(middle, zone).date()
            low, high = (low, middle) if shown >= day else (middle, high)
        return high * 1000
    return round(first * 1000)


def _hour_bounds(at_ms: int, zone: tzinfo) -> tuple[int, int]:
    """The clock hour of a zone; where the offset changes within it, it is cut there."""

    def offset(ms: int) -> int:
        shown = datetime.fromtimestamp(ms / 1000, zone).utcoffset() or timedelta(0)
        return round(shown.total_seconds() * 1000)

    here = offset(at_ms)
    start = (at_ms + here) // _HOUR_MS * _HOUR_MS - here
    end = start + _HOUR_MS
    if offset(start) != here:
        start = _change(start, at_ms, offset)
    if offset(end - 1) != here:
        end = _change(at_ms, end - 1, offset)
    return start, end


def _change(low: int, high: int, offset: Callable[[int], int]) -> int:
    """The first millisecond with another offset than ``low``'s, at most ``high``."""
    before = offset(low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return high


def _next_date(name: CapType, day: date) -> tuple[date, date]:
    """The first date of the period that a date lies in, and of the next one."""
    if name == "daily":
        return day, day + timedelta(days=1)
    if name == "weekly":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    if name == "monthly":
        return day.replace(day=1), (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return date(day.year, 1, 1), date(day.year + 1, 1, 1)


def period_bounds(cap_type: CapType, at_ms: int, timezone: str) -> tuple[int, int]:
    """The calendar period of a zone that a moment lies in.

    Args:
        cap_type: The kind of period.
        at_ms: The moment.
        timezone: IANA name; "" and "UTC" are UTC.

    Returns:
        Start and end in milliseconds; the end belongs to the next period, so periods tile.

    Raises:
        ValueError: There is no such zone.
    """
    zone = zone_of(timezone)
    if cap_type == "total":
        return 0, FOREVER_MS
    if cap_type == "hourly":
        return _hour_bounds(at_ms, zone)
    first, following = _next_date(cap_type, datetime.fromtimestamp(at_ms / 1000, zone).date())
    start, end = _first_instant(first, zone), _first_instant(following, zone)
    while end <= at_ms:  # clocks were set back over midnight: the date that was shown already has begun and stays
        following = _next_date(cap_type, following)[1]
        start, end = end, _first_instant(following, zone)
    return start, end
