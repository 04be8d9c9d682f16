"""The stream of events as other services read it: order, going on, strange entries; on every face and engine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ducto_redis import InvalidArgumentError, SpendCap
from ducto_redis.events import CAP_THRESHOLD


def charged(api, *users):
    """Accounts that crossed 50 and 100 per cent, one after the other; and the events of their results."""
    store, told = api.store(), []
    for user in users:
        store.add_credits(user, 100)
        store.set_spend_cap(SpendCap(user_id=user, limit=10, thresholds=(50, 100)))
        for _ in range(2):
            api.clock.now_ms += 1_000
            told += [event for event in store.deduct(user, 5).events if event.type == CAP_THRESHOLD]
    return store, told


def test_it_tells_what_results_told(api):
    """Of several shards, with the same ids and data; those of an account in order (of shards to the server's ms)."""
    store, told = charged(api, "a", "b/c", "d e")
    page = store.read_events()
    assert len(told) == 6
    assert sorted(page.events, key=lambda event: event.timestamp) == told
    for user in ("a", "b/c", "d e"):
        assert [event.data["percent"] for event in page.events if event.user_id == user] == [50, 100]
    assert not page.more


def test_reading_goes_on_where_it_ended(api):
    """In pages of any size nothing is left out and nothing is told twice; then only what is new."""
    store, told = charged(api, "a", "b", "c")
    after, seen = {}, []
    while len(seen) < 6:
        page = store.read_events(after, limit=2)
        assert len(page.events) == 2
        after = page.after
        seen += page.events
    assert sorted(event.id for event in seen) == sorted(event.id for event in told)
    assert store.read_events(after).events == ()
    api.clock.now_ms += 86_400_000
    store.deduct("b", 6)
    [event] = store.read_events(after).events
    assert (event.user_id, event.data["percent"]) == ("b", 50)


def test_nothing_crossed_is_nothing_told(api):
    """Of a namespace without events."""
    page = api.store().read_events()
    assert (page.events, page.after, page.more) == ((), {}, False)


def test_a_strange_entry_is_told_as_such(api):
    """The reader goes on behind it."""
    store, told = charged(api, "a")
    key = store._space.keys.events_key(0)
    api.engine.xadd(key, {"type": "from tomorrow", "x": b"\xff"})
    api.engine.xadd(key, {"type": "cap_threshold", "percent": "1"})
    page = store.read_events()
    assert [event.type for event in page.events].count("unreadable") == 2
    assert {event.id for event in page.events} > {event.id for event in told}
    assert all(event.timestamp > datetime(2020, 1, 1, tzinfo=UTC) for event in page.events)


@pytest.mark.parametrize("limit", [0, -1, 10_001, True, 1.5])
def test_a_limit_has_bounds(api, limit):
    """As every number of a caller."""
    with pytest.raises(InvalidArgumentError, match="1 to 10000"):
        api.store().read_events(limit=limit)
