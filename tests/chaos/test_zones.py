"""Calendar periods of zones tile, each day shows its date: compared with the C library's calendar, 2020 to 2035."""

from __future__ import annotations

import sys
from calendar import monthrange
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import local_time
import zones

from ducto_redis.periods import WEEK_STARTS, Calendar, period_bounds

# Midnight comes twice, or is missing; is missing, and a day ends by setting clocks back; half an hour forth and back.
THREE = ["Atlantic/Azores", "Africa/Cairo", "Australia/Lord_Howe"]
AROUND_S = 3 * local_time.HOUR_S


def at_ms(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)


def test_periods_tile(record_property):
    """Every day, week, month and year of three zones, and each hour about a change of the clock: 0 are wrong."""
    seen = zones.run(zones.DAYS * len(THREE), 0, THREE)
    hours = [
        case
        for zone in THREE
        for change in local_time.calendar(zone, zones.FIRST, zones.LAST).changes
        for case in zones.in_hour(zone, change - AROUND_S, change + AROUND_S)
    ]
    seen += zones.check(hours, 0)
    told = f"{seen['n']} periods of 3 zones, 2020-2035: {seen['bad']} gaps or overlaps"
    record_property("figure", f"{told}; unprotected control, days of 24 h: {seen['not 24 h']} of {seen['days']} wrong")
    assert seen["n"] == 3 * (5844 + 835 + 192 + 16) + len(hours)
    assert len(hours) > 500
    assert seen["bad"] == 0
    assert seen["not 24 h"] > 0


def test_weeks_and_months_tile_wherever_they_start(record_property):
    """Weeks from each of seven days and months from each of 31, of three zones, 2020 to 2035: 0 are wrong."""
    n = bad = unclamped = 0
    for zone in THREE:
        starts = local_time.calendar(zone, zones.FIRST, zones.LAST).day_starts
        days = [day for day in sorted(starts) if zones.BEGIN_S <= starts[day] < zones.END_S]
        shown = {day: date.fromordinal(local_time.EPOCH + day) for day in days}
        plans = [("weekly", Calendar(zone, week_start=name), lambda of, at=at: of.weekday() == at)
                 for at, name in enumerate(WEEK_STARTS)]  # fmt: skip
        plans += [("monthly", Calendar(zone, anchor_day=at), lambda of, at=at: of.day == min(at, last_of(of)))
                  for at in range(1, 32)]  # fmt: skip
        for kind, calendar, begins in plans:
            bounds = [starts[day] * 1000 for day in days if begins(shown[day])]
            for start, end in pairwise(bounds):
                n += 1
                seen = [period_bounds(kind, at, calendar.text) for at in (start, end - 1)]
                bad += seen != [(start, end)] * 2
            unclamped += sum(last_of(of) < calendar.anchor_day for of in shown.values() if of.day == 1)
    record_property("figure", f"{n} weeks and months from any day, 3 zones, 2020-2035: {bad} gaps or overlaps; "
                              f"unprotected control, months without their anchor day: {unclamped}")  # fmt: skip
    assert n > 3 * (7 * 833 + 31 * 190)
    assert bad == 0
    assert unclamped > 0


def last_of(day):
    return monthrange(day.year, day.month)[1]


def test_chunks_cover_everything_once():
    """Chunks follow each other without gap or repetition, days first, and after the last the first comes again."""
    numbers = zones.DAYS + zones.HOURS
    hours = zones.at_number(zones.DAYS, THREE[:1]), zones.at_number(numbers - 1, THREE[:1])
    first, last = (list(cases) for cases in hours)
    assert [case.kind for case in first + last] == ["hourly", "hourly"]
    assert first[0].start_s - zones.BEGIN_S == zones.END_S - local_time.HOUR_S - last[0].start_s == 0
    assert list(zones.at_number(numbers, THREE[:1])) == list(zones.at_number(0, THREE[:1]))
    assert [
        case.zone for at in range(3) for case in zones.at_number(at * zones.DAYS, THREE) if case.kind == "daily"
    ] == THREE
    assert len(zones.every_zone()) > 400


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly", "yearly"])
@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        # 00:01 became 23:01 of the day before, at the end of a week and inside a month.
        ("America/St_Johns", (2010, 11, 7, 2, 45)),
        ("America/St_Johns", (2010, 11, 7, 2, 30)),
        # 30 December 2011 was left out.
        ("Pacific/Apia", (2011, 12, 30, 9, 59)),
        ("Pacific/Apia", (2011, 12, 30, 10, 0)),
    ],
)
def test_a_moment_lies_in_its_period(zone, moment, kind):
    """Also where a zone shows a date twice or never: a cap that could find no period would refuse for ever."""
    now = at_ms(*moment)
    start, end = period_bounds(kind, now, zone)
    assert start <= now < end
    assert period_bounds(kind, start, zone) == period_bounds(kind, end - 1, zone) == (start, end)
    assert period_bounds(kind, end, zone)[0] == end


def test_a_date_that_was_shown_stays():
    """St John's, 7 November 2010: the day began at its first midnight, an hour before the second."""
    day = at_ms(2010, 11, 7, 2, 30), at_ms(2010, 11, 8, 3, 30)
    for now in (at_ms(2010, 11, 7, 2, 30), at_ms(2010, 11, 7, 2, 45), at_ms(2010, 11, 7, 3, 30)):
        assert period_bounds("daily", now, "America/St_Johns") == day
