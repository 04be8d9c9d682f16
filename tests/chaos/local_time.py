"""The calendar of a zone, asked of the C library every half hour: what ``periods.py`` is compared with.

Shares nothing with it: no rules of zoneinfo, no step from local time to UTC. The C library says the offset of a moment;
where it changes is found by walking through UTC, and the rest is counting in whole seconds.
"""

from __future__ import annotations

import os
import time
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path

STEP_S = 1_800
HOUR_S = 3_600
DAY_S = 86_400
EPOCH = date(1970, 1, 1).toordinal()


def second(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def file_of(name: str) -> Path:
    """The file that zoneinfo reads too, so that both know the same rules."""
    for folder in zoneinfo.TZPATH:
        if (found := Path(folder, name)).is_file():
            return found
    return Path(str(resources.files("tzdata").joinpath("zoneinfo", name)))


@contextmanager
def local(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = f":{file_of(name)}"
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def offset(at_s: int) -> int:
    return time.localtime(at_s).tm_gmtoff


def stretches(name: str, begin_s: int, end_s: int) -> list[tuple[int, int, int]]:
    """Stretches of one offset: from, to, seconds ahead of UTC."""
    found, since = [], begin_s
    with local(name):
        here = offset(begin_s)
        for at_s in range(begin_s + STEP_S, end_s + 1, STEP_S):
            if offset(at_s) == here:
                continue
            low, high = at_s - STEP_S, at_s
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == here else (low, middle)
            found.append((since, high, here))
            since, here = high, offset(high)
    return [*found, (since, end_s, here)]


class Calendar:
    """When days and clock hours of a zone begin.

    Attributes:
        day_starts: First second at which the zone shows a day - counted since 1970 - or a later one.
        hour_starts: When the clock's hour changes, or the clock is set.
        changes: When the clock is set.
    """

    def __init__(self, name: str, begin_s: int, end_s: int) -> None:
        found = stretches(name, begin_s, end_s)
        self.changes = [since for since, _, _ in found[1:]]
        self.day_starts: dict[int, int] = {}
        self.hour_starts: list[int] = []
        latest = (begin_s + found[0][2]) // DAY_S
        for since, until, ahead in found:
            for day in range(latest + 1, (until - 1 + ahead) // DAY_S + 1):
                self.day_starts[day] = max(since, day * DAY_S - ahead)
                latest = day
            on_the_hour = -(-(since + ahead) // HOUR_S) * HOUR_S - ahead
            cut = [] if since in (begin_s, on_the_hour) else [since]
            self.hour_starts += [*cut, *range(on_the_hour, until, HOUR_S)]

    def dated(self, day: int) -> Iterator[tuple[str, int, int]]:
        """The periods that begin with a day: kind, first second, first second after it."""
        starts, shown = self.day_starts, date.fromordinal(EPOCH + day)
        yield "daily", starts[day], starts[day + 1]
        if shown.isoweekday() == 1:
            yield "weekly", starts[day], starts[day + 7]
        if shown.day == 1:
            month = (shown.year + shown.month // 12, shown.month % 12 + 1)
            yield "monthly", starts[day], starts[date(*month, 1).toordinal() - EPOCH]
        if (shown.month, shown.day) == (1, 1):
            yield "yearly", starts[day], starts[date(shown.year + 1, 1, 1).toordinal() - EPOCH]


@lru_cache(maxsize=4)
def calendar(name: str, first_year: int, last_year: int) -> Calendar:
    """A zone's calendar for whole years, with what of their last periods lies beyond."""
    return Calendar(name, second(first_year - 1, 12, 20), second(last_year + 1, 1, 20))
