"""Calendars: their text, what is refused, and periods compared with a plain walk over minutes and dates."""

from __future__ import annotations

import os
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from model_state import ONE_DAY, WEEK, begins, period_of

from ducto_redis import SpendCap
from ducto_redis.periods import Calendar, calendar_of, period_bounds, zone_of

EXAMPLES = int(os.environ.get("DUCTO_EXAMPLES", "400"))
ZONES = sorted(zoneinfo.available_timezones() - {"Factory", "localtime", "posixrules"})
ODD = ["UTC", "Europe/Berlin", "America/Santiago", "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Asia/Kolkata"]
BERLIN = "Europe/Berlin"


def at_ms(*moment, zone=UTC):
    return round(datetime(*moment, tzinfo=zone).timestamp() * 1000)


@lru_cache(maxsize=4096)
def first_moment(day: date, zone: str) -> int:
    """The first minute at which a zone shows a date or a later one."""
    here, at_s = ZoneInfo(zone), at_ms(day.year, day.month, day.day) // 1000 - 16 * 3600
    while datetime.fromtimestamp(at_s, here).date() < day:
        at_s += 60
    return at_s * 1000


def walked(kind: str, at: int, calendar: Calendar) -> tuple[int, int]:
    """The period of a moment: back from the date shown to one that begins it and has begun, forth to the next."""
    zone, *starts = calendar
    first = datetime.fromtimestamp(at // 1000, ZoneInfo(zone)).date() + ONE_DAY
    while not (begins(kind, first, *starts) and first_moment(first, zone) <= at):
        first -= ONE_DAY
    following = first + ONE_DAY
    while not begins(kind, following, *starts):
        following += ONE_DAY
    return first_moment(first, zone), first_moment(following, zone)


calendars = st.tuples(st.sampled_from(["weekly", "monthly"]), st.sampled_from(ZONES) | st.sampled_from(ODD),
                      st.sampled_from(WEEK), st.integers(1, 31) | st.integers(28, 31))  # fmt: skip


@settings(max_examples=EXAMPLES, derandomize="DUCTO_EXAMPLES" not in os.environ)
@given(calendars, st.integers(at_ms(2000, 1, 1), at_ms(2037, 1, 1)))
# Summer time begins and ends; a midnight is missing; a date is shown twice; 30 December is left out.
@example(("weekly", BERLIN, "sunday", 1), at_ms(2026, 3, 29, 0, 30))
@example(("monthly", BERLIN, "monday", 25), at_ms(2026, 10, 25, 0, 30))
@example(("weekly", "America/Santiago", "sunday", 1), at_ms(2026, 9, 6, 4, 0))
@example(("weekly", "America/St_Johns", "sunday", 1), at_ms(2010, 11, 7, 2, 45))
@example(("monthly", "America/St_Johns", "monday", 7), at_ms(2010, 11, 7, 2, 45))
@example(("weekly", "Pacific/Apia", "friday", 1), at_ms(2011, 12, 30, 10, 0))
@example(("monthly", "Pacific/Apia", "monday", 30), at_ms(2011, 12, 30, 10, 0))
@example(("monthly", "Pacific/Apia", "monday", 30), at_ms(2011, 12, 30, 9, 59))
def test_periods_are_those_of_a_plain_walk(drawn, at):
    """In any zone, from any day of the week or month: the moment lies in it, and periods tile."""
    kind, zone, week_start, anchor_day = drawn
    calendar = Calendar(zone, week_start) if kind == "weekly" else Calendar(zone, anchor_day=anchor_day)
    start, end = period_bounds(kind, at, calendar.text)
    assert start <= at < end
    assert (start, end) == walked(kind, at, calendar)
    assert period_bounds(kind, start, calendar.text) == period_bounds(kind, end - 1, calendar.text) == (start, end)
    assert period_bounds(kind, end, calendar.text)[0] == end
    assert period_bounds(kind, start - 1, calendar.text)[1] == start


@given(st.sampled_from(["hourly", "daily", "weekly", "monthly", "yearly"]), st.sampled_from(["UTC", BERLIN]),
       st.integers(at_ms(2000, 1, 1), at_ms(2037, 1, 1)))  # fmt: skip
def test_without_them_periods_are_what_they_were(kind, zone, at):
    """Weeks from Monday, months from the first; the defaults leave no trace in the text."""
    assert Calendar(zone, "monday", 1).text == ("" if zone == "UTC" else zone)
    assert period_bounds(kind, at, Calendar(zone).text) == period_of(kind, at, zone)


def test_an_anchor_is_clamped_to_the_end_of_the_month():
    """From the 31st: 31 January to 28 February (29 in a leap year) to 31 March to 30 April."""
    for year, last in ((2027, 28), (2028, 29)):
        days = [(year, 1, 31), (year, 2, last), (year, 3, 31), (year, 4, 30), (year, 5, 31)]
        for first, following in pairwise(days):
            assert period_bounds("monthly", at_ms(*first), "UTC;day=31") == (at_ms(*first), at_ms(*following))
    assert period_bounds("monthly", at_ms(2027, 1, 5), "UTC;day=30") == (at_ms(2026, 12, 30), at_ms(2027, 1, 30))


def test_a_week_may_have_a_day_of_23_hours():
    """Sunday 29 March 2026 in Berlin: the week from it is an hour short, the one before is not."""
    start, end = period_bounds("weekly", at_ms(2026, 4, 1), f"{BERLIN};week=sunday")
    assert (start, end) == (at_ms(2026, 3, 28, 23), at_ms(2026, 4, 4, 22))
    assert timedelta(milliseconds=end - start) == timedelta(days=7, hours=-1)


@given(st.sampled_from(ZONES), st.sampled_from(WEEK), st.integers(1, 31))
def test_a_text_is_read_as_it_was_written(zone, week_start, anchor_day):
    """One spelling for each calendar, short enough for its length byte."""
    for calendar in (Calendar(zone, week_start), Calendar(zone, anchor_day=anchor_day)):
        assert calendar_of(calendar.text) == calendar
        assert len(calendar.text.encode()) <= 255
    assert calendar_of("") == Calendar()


@pytest.mark.parametrize("text", [
    "UTC;week=monday", "UTC;day=1", "UTC;day=0", "UTC;day=32", "UTC;day=015", "UTC;day=", ";day=15", "UTC;week=Sunday",
    "UTC;week=noday", "UTC;day=15;week=sunday", "UTC; day=15", "UTC;day=15\n", "UTC;day=\u0661\u0665", "UTC;noon=12",
])  # fmt: skip
def test_any_other_text_is_a_zone_that_does_not_exist(text):
    """It is told as it stands and no period is computed: a cap of a later version refuses, it does not guess."""
    assert calendar_of(text) == Calendar(text)
    with pytest.raises(ValueError, match="time zone"):
        period_bounds("monthly", 0, text)


def test_clients_without_calendars_refuse_the_text():
    """All that they ask is ``zone_of(text)``; and it is no time zone for a caller either."""
    for text in (f"{BERLIN};week=sunday", "UTC;day=15"):
        with pytest.raises(ValueError, match="time zone"):
            zone_of(text)
        with pytest.raises(ValueError, match="time zone"):
            SpendCap(user_id="u", cap_type="monthly", timezone=text)
    with pytest.raises(ValueError, match="too long"):
        _ = Calendar("x" * 250, "sunday").text


@pytest.mark.parametrize("cap_type", ["hourly", "daily", "weekly", "monthly", "yearly", "total"])
def test_only_weeks_have_a_first_day_and_only_months_an_anchor(cap_type):
    """Anything else is refused by name; the defaults are not."""
    SpendCap(user_id="u", cap_type=cap_type, week_start="monday", anchor_day=1)
    for name, value, whose in (("week_start", "sunday", "weekly"), ("anchor_day", 31, "monthly")):
        if cap_type == whose:
            assert getattr(SpendCap(user_id="u", cap_type=cap_type, **{name: value}), name) == value
        else:
            with pytest.raises(ValueError, match=f"{name} belongs to {whose} caps, not to {cap_type} ones"):
                SpendCap(user_id="u", cap_type=cap_type, **{name: value})


@pytest.mark.parametrize(("cap_type", "wrong"), [
    ("weekly", {"week_start": "Sunday"}), ("weekly", {"week_start": ""}), ("weekly", {"week_start": 6}),
    ("monthly", {"anchor_day": 0}), ("monthly", {"anchor_day": 32}), ("monthly", {"anchor_day": -1}),
    ("monthly", {"anchor_day": 1.5}), ("monthly", {"anchor_day": "last"}),
])  # fmt: skip
def test_days_out_of_bounds_are_refused(cap_type, wrong):
    """Seven names in small letters; 1 to 31."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SpendCap(user_id="u", cap_type=cap_type, **wrong)
