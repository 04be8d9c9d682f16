"""Periods of every IANA zone, 2020 to 2035, tile: compared with a calendar that shares no code with ``periods.py``.

``run(n, seed)`` checks the seed-th n of all of them, so that chunks of one size cover everything once and in the same
order: first the days of all zones with the weeks, months and years that begin on them (4.2 million periods), then
their hours (84 million). After the last it begins anew.
"""

from __future__ import annotations

import random
import zoneinfo
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import local_time
from local_time import DAY_S, HOUR_S

from ducto_redis.periods import CapType, period_bounds

FIRST, LAST = 2020, 2035
BEGIN_S, END_S = local_time.second(FIRST, 1, 1), local_time.second(LAST + 1, 1, 1)
DAYS, HOURS = (END_S - BEGIN_S) // DAY_S, (END_S - BEGIN_S) // HOUR_S
OF_NO_PLACE = {"Factory", "localtime", "posixrules"}
TOLD = 5


class Case(NamedTuple):
    """A period as the C library's calendar has it, in seconds."""

    zone: str
    kind: CapType
    start_s: int
    end_s: int


def every_zone() -> list[str]:
    return sorted(zoneinfo.available_timezones() - OF_NO_PLACE)


def on_day(zone: str, day: int, years: tuple[int, int] = (FIRST, LAST)) -> Iterator[Case]:
    """The periods that begin with a day; a day that a zone leaves out has none."""
    for kind, start_s, end_s in local_time.calendar(zone, *years).dated(day):
        if start_s < end_s:
            yield Case(zone, kind, start_s, end_s)


def in_hour(zone: str, from_s: int, to_s: int, years: tuple[int, int] = (FIRST, LAST)) -> Iterator[Case]:
    """The clock hours that begin within a stretch of UTC."""
    starts = local_time.calendar(zone, *years).hour_starts
    for at in range(bisect_left(starts, from_s), bisect_left(starts, to_s)):
        yield Case(zone, "hourly", starts[at], starts[at + 1])


def at_number(number: int, zones: list[str]) -> Iterator[Case]:
    """The cases with a number: those of one day, or of one UTC hour, of one zone."""
    number %= len(zones) * (DAYS + HOURS)
    if number < len(zones) * DAYS:
        yield from on_day(zones[number // DAYS], BEGIN_S // DAY_S + number % DAYS)
        return
    zone, hour = divmod(number - len(zones) * DAYS, HOURS)
    from_s = BEGIN_S + hour * HOUR_S
    yield from in_hour(zones[zone], from_s, from_s + HOUR_S)


def is_right(case: Case, rng: random.Random) -> bool:
    """Start, end and what lies between agree; the next period begins at the end; a day shows its date throughout."""
    start, end = case.start_s * 1000, case.end_s * 1000
    inside = (start, rng.randrange(start, end), end - 1)
    if any(period_bounds(case.kind, at, case.zone) != (start, end) for at in inside):
        return False
    if period_bounds(case.kind, end, case.zone)[0] != end:
        return False
    if case.kind != "daily":
        return True
    shown = zoneinfo.ZoneInfo(case.zone)
    dates = [datetime.fromtimestamp(at / 1000, shown).date() for at in (start - 1, *inside, end)]
    return dates[0] < dates[1] == dates[2] == dates[3] < dates[4]


def check(cases: Iterable[Case], seed: int) -> Counter[str]:
    """Compares periods one by one.

    Returns:
        ``n`` and ``bad``, and what the unprotected control gets wrong: ``not 24 h``, of ``days``.
    """
    seen: Counter[str] = Counter(n=0, bad=0)
    rng = random.Random(seed)
    for case in cases:
        seen["n"] += 1
        if case.kind == "daily":
            seen["days"] += 1
            seen["not 24 h"] += case.end_s - case.start_s != DAY_S
        if not is_right(case, rng):
            seen["bad"] += 1
            if seen["bad"] <= TOLD:
                print(f"{case}: {period_bounds(case.kind, case.start_s * 1000, case.zone)}")
    return seen


def run(n: int, seed: int, zones: list[str] | None = None) -> Counter[str]:
    """Checks the cases with n numbers in turn; a few more periods than n, for some begin together."""
    chosen = zones or every_zone()
    return check((case for at in range(seed * n, (seed + 1) * n) for case in at_number(at, chosen)), seed)
