"""Week starts and anchor days, on every combination of face and engine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ducto_redis import SpendCap


@pytest.fixture
def at(api):
    """Moves the clock to a moment of UTC."""

    def move(*moment):
        api.clock.now_ms = round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)

    return move


def funded(api):
    store = api.store()
    store.add_credits("u", 1_000)
    return store


def listed(store):
    [cap] = store.list_spend_caps("u").caps
    return cap


def test_months_from_the_31st(api, at):
    """31 January to 28 February to 31 March: each day of it belongs to one period, `reset_at` says where it ends."""
    at(2027, 1, 31)
    store = funded(api)
    store.set_spend_cap(SpendCap(user_id="u", cap_type="monthly", limit=10, anchor_day=31))
    assert store.deduct("u", 10).error_code is None
    at(2027, 2, 27, 23, 59, 59)
    refused = store.deduct("u", 1)
    assert (refused.error_code, refused.caps[0].anchor_day, refused.caps[0].timezone) == ("cap_reached", 31, "UTC")
    assert refused.caps[0].reset_at == datetime(2027, 2, 28, tzinfo=UTC)
    assert refused.caps[0].retry_after == 1
    at(2027, 2, 28)
    assert store.deduct("u", 10).error_code is None
    assert (listed(store).spent, listed(store).reset_at) == (10, datetime(2027, 3, 31, tzinfo=UTC))
    at(2027, 3, 30, 23, 59, 59)
    assert store.deduct("u", 1).error_code == "cap_reached"
    at(2027, 3, 31)
    assert store.deduct("u", 10).error_code is None
    assert listed(store).reset_at == datetime(2027, 4, 30, tzinfo=UTC)


def test_weeks_from_sunday_in_a_zone(api, at):
    """New York's Sunday, 8 March 2026, on which clocks go forward: that week is an hour short."""
    at(2026, 3, 8, 4, 59, 59)
    store = funded(api)
    cap = SpendCap(user_id="u", cap_type="weekly", limit=10, week_start="sunday", timezone="America/New_York")
    store.set_spend_cap(cap)
    assert listed(store).reset_at == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert store.deduct("u", 10).error_code is None
    at(2026, 3, 8, 5)
    assert store.deduct("u", 10).error_code is None
    checked = store.check_spend_cap("u", amount=1)
    assert (checked.capped, checked.timezone, checked.week_start, checked.anchor_day) == (
        True, "America/New_York", "sunday", 1,
    )  # fmt: skip
    assert checked.reset_at == listed(store).reset_at == datetime(2026, 3, 15, 4, tzinfo=UTC)
    assert store.deduct("u", 1).caps[0].week_start == "sunday"


def test_registered_again_with_another_day(api, at):
    """The spend stays, the new day counts from the next boundary on, and the default is a day like another."""
    at(2026, 6, 20)
    store = funded(api)
    cap = {"user_id": "u", "cap_type": "monthly", "limit": 10}
    store.set_spend_cap(SpendCap(**cap, anchor_day=15))
    assert store.deduct("u", 9).error_code is None
    store.set_spend_cap(SpendCap(**cap, anchor_day=20))
    assert (listed(store).spent, listed(store).anchor_day) == (9, 20)
    assert listed(store).reset_at == datetime(2026, 7, 15, tzinfo=UTC)
    assert store.deduct("u", 2).error_code == "cap_reached"
    at(2026, 7, 15)
    assert store.deduct("u", 10).error_code is None
    assert listed(store).reset_at == datetime(2026, 7, 20, tzinfo=UTC)
    store.set_spend_cap(SpendCap(**cap))
    at(2026, 7, 20)
    assert store.deduct("u", 10).error_code is None
    assert (listed(store).anchor_day, listed(store).reset_at) == (1, datetime(2026, 8, 1, tzinfo=UTC))


def test_the_defaults_are_a_cap_without_them(api):
    """Said or left out, they are the same cap: on the counters that every account has, counted since ever."""
    store = funded(api)
    store.deduct("u", 5)
    store.set_spend_cap(SpendCap(user_id="u", cap_type="monthly", limit=10, week_start="monday", anchor_day=1))
    cap = listed(store)
    assert (cap.spent, cap.counted_since, cap.timezone, cap.week_start, cap.anchor_day) == (5, None, "UTC", "monday", 1)
