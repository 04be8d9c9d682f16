"""The calendar periods of spend caps: names, numbers in the scripts, and boundaries in any IANA zone (SPEC 3).

Scripts decide which UTC period a moment lies in; for other zones, months and years of caps with a counter of their own
the client computes the boundaries here (``docs/clock.md``). A calendar is a zone and the days on which weeks and months
start there; it is kept as one text, which scripts pass on unread.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal, NamedTuple, cast, get_args
from zoneinfo import ZoneInfo

CapType = Literal["daily", "monthly", "total", "hourly", "weekly", "yearly"]
WeekStart = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

#: The end of a period that never ends, as the scripts write it (``lua/lib/timed.lua``).
FOREVER_MS: Final = 2**47 - 1
_HOUR_MS: Final = 3_600_000
#: The days that weeks may start on, in the order of ``date.weekday``.
WEEK_STARTS: Final[tuple[WeekStart, ...]] = get_args(WeekStart)
LAST_ANCHOR: Final = 31
_MAX_TEXT_BYTES: Final = 255  # its length is one byte
_TEXT: Final = re.compile(r"([^;]+);(?:week=([a-z]+)|day=([1-9][0-9]?))")
_WHOSE: Final[dict[str, tuple[object, CapType]]] = {"week_start": ("monday", "weekly"), "anchor_day": (1, "monthly")}


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


class Calendar(NamedTuple):
    """Whose days count, and on which of them weeks and months start.

    Attributes:
        timezone: IANA name.
        week_start: The day that weeks start on.
        anchor_day: The day that months start on; in a shorter month its last day.
    """

    timezone: str = "UTC"
    week_start: WeekStart = "monday"
    anchor_day: int = 1

    @property
    def text(self) -> str:
        """Its one spelling in the data: "" for UTC, a zone, ``<zone>;week=sunday`` or ``<zone>;day=15``."""
        zone = self.timezone or "UTC"
        if self.week_start != "monday":
            text = f"{zone};week={self.week_start}"
        elif self.anchor_day != 1:
            text = f"{zone};day={self.anchor_day}"
        else:
            text = "" if zone == "UTC" else zone
        if len(text.encode()) > _MAX_TEXT_BYTES:
            raise ValueError(f"the time zone's name is too long: {text!r:.80}")
        return text


@lru_cache(maxsize=1024)
def calendar_of(text: str) -> Calendar:
    """Reads the text of a calendar; one in no known spelling is taken for a zone's name, and there is no such zone."""
    found = _TEXT.fullmatch(text)
    if found:
        zone, week_start, day = found.groups()
        read = Calendar(zone, cast("WeekStart", week_start or "monday"), int(day or 1))
        if read.week_start in WEEK_STARTS and read.anchor_day <= LAST_ANCHOR and read.text == text:
            return read
    return Calendar(text or "UTC")


def check_start(name: str, value: object, cap_type: str) -> None:
    """Refuses a ``week_start`` or ``anchor_day``, other than the default, of a period that has none.

    Raises:
        ValueError: It belongs to another kind of period.
    """
    default, whose = _WHOSE[name]
    if value != default and cap_type != whose:
        raise ValueError(f"{name} belongs to {whose} caps, not to {cap_type} ones")


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


def _month_start(month: int, anchor_day: int) -> date:
    """The first date of a month, counted from year 0: the anchor day, or the last day where the month is shorter."""
    year, month = month // 12, month % 12 + 1
    return date(year, month, min(anchor_day, monthrange(year, month)[1]))


def _next_date(name: CapType, day: date, calendar: Calendar) -> tuple[date, date]:
    """The first date of the period that a date lies in, and of the next one."""
    if name == "daily":
        return day, day + timedelta(days=1)
    if name == "weekly":
        first = day - timedelta(days=(day.weekday() - WEEK_STARTS.index(calendar.week_start)) % 7)
        return first, first + timedelta(days=7)
    if name == "monthly":
        month = day.year * 12 + day.month - 1
        if day < _month_start(month, calendar.anchor_day):
            month -= 1
        return _month_start(month, calendar.anchor_day), _month_start(month + 1, calendar.anchor_day)
    return date(day.year, 1, 1), date(day.year + 1, 1, 1)


def period_bounds(cap_type: CapType, at_ms: int, text: str) -> tuple[int, int]:
    """The period of a calendar that a moment lies in.

    Args:
        cap_type: The kind of period.
        at_ms: The moment.
        text: Of the calendar: a zone's IANA name ("" and "UTC" are UTC), or with its week start or anchor day.

    Returns:
        Start and end in milliseconds; the end belongs to the next period, so periods tile.

    Raises:
        ValueError: There is no such zone.
    """
    calendar = calendar_of(text)
    zone = zone_of(calendar.timezone)
    if cap_type == "total":
        return 0, FOREVER_MS
    if cap_type == "hourly":
        return _hour_bounds(at_ms, zone)
    first, following = _next_date(cap_type, datetime.fromtimestamp(at_ms / 1000, zone).date(), calendar)
    start, end = _first_instant(first, zone), _first_instant(following, zone)
    while end <= at_ms:  # clocks were set back over midnight: the date that was shown already has begun and stays
        following = _next_date(cap_type, following, calendar)[1]
        start, end = end, _first_instant(following, zone)
    return start, end
