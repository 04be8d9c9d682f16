"""Calendar periods and steps of the clock: spend rolls by UTC day and month; a step back forgets nothing (SPEC 6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from lua_kit import DAY, HOUR, MONTHLY, NOW, SECOND

from ducto_redis.codes import Code

EPOCH = date(1970, 1, 1)
MIDNIGHT = NOW + 12 * HOUR  # the end of the day the tests begin in


def at_ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)


def spend(engine, amount, path=""):
    """Charges an amount now."""
    hold = f"s{len(engine.entries())}"
    assert engine.reserve(hold, amount, path).code == Code.OK
    assert engine.settle(hold, amount, path).code == Code.OK


def spent(engine, path=""):
    """Spend of day, month and in total, as of now."""
    return engine.read(path).nodes[-1][3:6]


@pytest.fixture
def funded(engine):
    engine.grant("seed", 10_000)
    return engine


def test_the_month_of_every_day(engine):
    """Day and month numbers agree with the calendar, at the ends of months and of February, to 2149."""
    days = [date(year, month, 1) for year in (1970, 1999, 2000, 2024, 2026, 2100, 2149) for month in range(1, 7)]
    days += [date(2024, 2, 29), date(2024, 12, 31), date(2100, 2, 28), date(2026, 6, 30)]
    for day in {each + step for each in days for step in (timedelta(0), timedelta(-1))}:
        if day >= EPOCH:
            number = (day - EPOCH).days
            engine.now = number * DAY + 5
            path = f"d{number}"
            engine.grant("op", 1, path=path)
            node = engine.node(path)
            assert (node.day_id, node.month_id) == (number, (day.year - 1970) * 12 + day.month - 1), day


def test_a_day_ends_at_utc_midnight(funded):
    """Spend of the last millisecond counts in the day that ends; the next millisecond starts at 0."""
    funded.now = MIDNIGHT - 1
    spend(funded, 5)
    assert spent(funded) == (5, 5, 5)
    funded.now = MIDNIGHT
    assert spent(funded) == (0, 5, 5)
    spend(funded, 3)
    assert funded.node()[3:8] == (3, 8, 8, 5, 0)


def test_a_month_ends_at_utc_midnight(funded):
    """So does a month, into a leap day and over the end of a year."""
    for last, first in (((2028, 2, 29, 23), (2028, 3, 1)), ((2028, 12, 31, 23), (2029, 1, 1))):
        funded.now = at_ms(*last)
        spend(funded, 5)
        before = spent(funded)
        funded.now = at_ms(*first) - 1
        assert spent(funded) == before
        funded.now += 1
        assert spent(funded) == (0, 0, before[2])


def test_caps_open_with_their_period(funded):
    """A daily cap is open again at midnight, a monthly one is not."""
    funded.set_cap("d", 10)
    funded.set_cap("m", 15, MONTHLY)
    spend(funded, 10)
    assert funded.reserve("h", 1).code == Code.CAP_REACHED
    funded.now = MIDNIGHT
    assert funded.reserve("h", 6).code == Code.CAP_REACHED
    spend(funded, 5)
    funded.now = at_ms(2026, 7, 1)
    spend(funded, 10)


def test_what_is_admitted_stays_when_the_period_rolls(funded):
    """A hold across midnight counts against the new day, and is charged in the day in which it is settled."""
    funded.set_cap("d", 10)
    funded.now = MIDNIGHT - SECOND
    funded.reserve("h", 10)
    funded.now = MIDNIGHT
    assert funded.reserve("i", 1).code == Code.CAP_REACHED
    funded.settle("h", 4)
    assert spent(funded) == (4, 4, 4)


def test_an_hour_back_within_the_day_changes_nothing(funded):
    """Counters, caps and holds are as before; the hold lives the hour longer."""
    funded.set_cap("d", 10)
    funded.reserve("h", 4, ttl=1_000)
    spend(funded, 6)
    funded.now -= HOUR
    with funded.unchanged():
        assert spent(funded) == (6, 6, 6)
        assert funded.reserve("i", 1).code == Code.CAP_REACHED
    funded.now += HOUR + 999
    assert funded.settle("h", 4).code == Code.OK


@pytest.mark.parametrize("back_ms", [1, HOUR, DAY])
def test_a_step_back_over_midnight_forgets_nothing(funded, back_ms):
    """What the day that now lies ahead had spent counts in the present one, together with what that one had counted."""
    funded.set_cap("d", 20)
    spend(funded, 5)
    funded.now = MIDNIGHT
    spend(funded, 7)
    funded.now = MIDNIGHT - back_ms
    assert spent(funded) == (12, 12, 12)
    assert funded.reserve("h", 9).code == Code.CAP_REACHED
    spend(funded, 8)
    assert spent(funded) == (20, 20, 20)


def test_a_step_back_over_the_end_of_a_month_forgets_nothing(funded):
    """Both counters step back with it, each with what its period had counted."""
    funded.now = at_ms(2026, 6, 29)
    spend(funded, 100)
    funded.now = at_ms(2026, 6, 30)
    spend(funded, 10)
    funded.now = at_ms(2026, 7, 1)
    spend(funded, 1)
    assert spent(funded) == (1, 1, 111)
    funded.now -= HOUR
    assert spent(funded) == (11, 111, 111)
    spend(funded, 2)
    assert spent(funded) == (13, 113, 113)


def test_a_day_that_comes_again_goes_on_with_what_it_had_spent(funded):
    """A step back over midnight does not reopen the day that it leaves: it comes again with its own spend, no other."""
    funded.now = MIDNIGHT
    spend(funded, 7)
    funded.now -= HOUR
    spend(funded, 1)
    assert spent(funded) == (8, 8, 8)
    funded.now = MIDNIGHT
    assert spent(funded) == (7, 8, 8)
    spend(funded, 2)
    funded.now += DAY
    assert spent(funded) == (0, 10, 10)


@pytest.mark.parametrize("write", [True, False])
def test_a_wobble_at_midnight_spends_no_cap_twice(funded, write):
    """A clock that passes midnight, steps back ten milliseconds and passes it again admits no unit more."""
    funded.set_cap("d", 100)
    funded.now = MIDNIGHT + 5
    spend(funded, 100)
    for _ in range(3):
        funded.now -= 10
        assert funded.reserve("back", 1).code == Code.CAP_REACHED
        if write:
            funded.grant(f"w{len(funded.entries())}", 1)
        funded.now += 10
        assert funded.reserve("on", 1).code == Code.CAP_REACHED
    assert spent(funded)[0] == 100
    funded.now += DAY
    spend(funded, 100)


def test_a_wobble_at_the_end_of_a_month_spends_no_cap_twice(funded):
    """So at the end of a month, whose last day nobody used."""
    funded.set_cap("m", 100, MONTHLY)
    funded.now = at_ms(2026, 6, 28)
    spend(funded, 30)
    funded.now = at_ms(2026, 7, 1) + 5
    spend(funded, 100)
    funded.now -= 10
    funded.grant("w", 1)
    assert spent(funded) == (100, 130, 130)
    funded.now += 10
    assert spent(funded) == (100, 100, 130)
    assert funded.reserve("on", 1).code == Code.CAP_REACHED
    funded.now = at_ms(2026, 6, 28)
    assert spent(funded) == (130, 130, 130)


def test_more_wrong_days_than_are_kept_count_in_the_next_ones(funded):
    """Spend of more than eight days that lie ahead is merged towards the later ones, so it is never short."""
    for days in range(20, 0, -1):
        funded.now = NOW + days * DAY
        spend(funded, 1)
    funded.now = NOW
    assert spent(funded)[0] == 20
    funded.grant("w", 1)
    for days in range(1, 21):
        funded.now = NOW + days * DAY
        funded.grant(f"w{days}", 1)
        assert spent(funded)[0] == 21 - days if days > 13 else spent(funded)[0] >= 21 - days
    funded.now += DAY
    funded.grant("end", 1)
    assert spent(funded)[0] == 0
    assert funded.node().day_back == 1


def test_a_leap_forward_and_back_in_two_steps_forgets_nothing(funded):
    """The clock leaps ahead and is put right in two steps, with writes between: the spend of day and month counts."""
    spend(funded, 5)
    for at, days in enumerate((70, 40, 3, 1)):
        funded.now = NOW + days * DAY
        spend(funded, 10**at)
    funded.now = NOW
    funded.grant("put right", 1)
    assert spent(funded) == (1_116, 1_116, 1_116)
    assert funded.node()[3:6] == (1_116, 1_116, 1_116)


@pytest.mark.parametrize("days", [1, 2, 254])
def test_the_day_before_a_gap_is_gone_on_with(funded, days):
    """However many days of no use lie between, up to 254, a step back to the last one goes on with its count."""
    spend(funded, 5)
    funded.now += days * DAY
    spend(funded, 2)
    node = funded.node()
    assert (node.spent_day, node.previous_day, node.day_back) == (2, 5, days)
    funded.now -= days * DAY
    assert spent(funded)[0] == 7


def test_a_longer_gap_keeps_no_previous_count(funded):
    """255 days and more are not a step of the clock; the present day's count is right all the same."""
    spend(funded, 5)
    funded.now += 255 * DAY
    spend(funded, 2)
    assert (funded.node().spent_day, funded.node().day_back) == (2, 0)
    assert spent(funded) == (2, 2, 7)


def test_levels_roll_each_by_itself(engine):
    """An ancestor used every day and an account used once: each goes from where it stood."""
    engine.grant("a", 100)
    engine.grant("b", 100, path="search")
    spend(engine, 5, "search")
    engine.now = MIDNIGHT
    spend(engine, 2)
    assert engine.node("search").spent_day == 5  # as stored; not touched since
    assert [node.spent_day for node in engine.read("search").nodes] == [2, 0]
    spend(engine, 1, "search")
    assert [engine.node(path).spent_day for path in ("", "search")] == [3, 1]
    engine.now -= HOUR
    assert [node.spent_day for node in engine.read("search").nodes] == [8, 6]
