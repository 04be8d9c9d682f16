"""The stream of events as other services read it: order, going on, strange entries; on every face and engine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ducto_redis import InvalidArgumentError, SpendCap
from ducto_redis.events import CAP_THRESHOLD

#: An entry as scripts write it.
ENTRY = {
    "type": "cap_threshold", "entry": "1699999999999-0", "account": "acme/d%20e", "kind": "5", "percent": "80",
    "threshold": "80000", "limit": "100000", "spent": "80001", "at": "1699999999999",
}  # fmt: skip


def added(api, *entries):
    """A store whose shards' streams got entries by hand: shard, id and what differs from the example."""
    store = api.store()
    store.add_credits("somebody", 1)
    for shard, entry_id, other in entries:
        api.engine.xadd(store._space.keys.events_key(shard), ENTRY | other, id=entry_id)
    return store


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
    after, seen, more = {}, [], True
    while more:
        page = store.read_events(after, limit=2)
        assert 0 < len(page.events) <= 2 or not page.more
        after, more = page.after, page.more
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


def test_an_entry_is_read(api):
    """Every field, in credits and names."""
    [event] = added(api, (1, "7-1", {})).read_events().events
    assert (event.type, event.user_id) == (CAP_THRESHOLD, "acme/d e")
    assert event.id == "1-1699999999999-0:acme/d e:5:80"
    assert event.timestamp == datetime(2023, 11, 14, 22, 13, 19, 999_000, tzinfo=UTC)
    told = {name: str(value) for name, value in event.data.items()}
    assert told == {
        "threshold": "8", "limit": "10", "spent": "8.0001", "percent": "80", "cap_type": "monthly", "model": "None",
        "scope": "acme/d e", "transaction_id": "1-1699999999999-0",
    }  # fmt: skip


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_shards_are_merged_in_order_of_time(api, limit):
    """Of the server: ids are compared as numbers, not as text; in pages of any size."""
    ids = [(0, "9-0"), (1, "10-2"), (1, "10-10"), (0, "10-11"), (2, "200-0"), (0, "1000-0")]
    by_shard = sorted(enumerate(ids), key=lambda each: each[1][0])
    store = added(api, *[(shard, at, {"percent": str(number + 1)}) for number, (shard, at) in by_shard])
    after, seen, more = {}, [], True
    while more:
        page = store.read_events(after, limit)
        assert len(page.events) <= limit
        after, more = page.after, page.more
        seen += [event.data["percent"] for event in page.events]
    assert seen == [1, 2, 3, 4, 5, 6]
    assert after == {0: "1000-0", 1: "10-10", 2: "200-0"}


@pytest.mark.parametrize(
    "other",
    [{"type": "x"}, {"kind": "99"}, {"percent": "many"}, {"spent": "0.5"}, {"at": "9" * 30}, {"at": "9" * 5000}],
)
def test_what_cannot_be_read_stops_no_reader(api, other):
    """Wherever it stands, also behind the last year that there is: it is told with its fields, and what follows too."""
    store = added(api, (0, "5-0", other), (0, "6-0", {}), (1, "99999999999999999-0", other))
    page = store.read_events()
    assert [event.type for event in page.events] == ["unreadable", CAP_THRESHOLD, "unreadable"]
    assert page.events[0].data == ENTRY | other
    assert [page.events[0].id, page.events[2].id] == ["0-5-0", "1-99999999999999999-0"]
    assert page.events[2].timestamp.year == 9999
    assert store.read_events(page.after).events == ()


@pytest.mark.parametrize(
    "after",
    [{"0": "1-1"}, {-1: "1-1"}, {1_000_000: "1-1"}, {True: "1-1"}, {0: ""}, {0: "-"}, {0: "x"}, {0: b"1-1"}, {0: None}],
)
def test_going_on_from_nowhere_is_refused(api, after):
    """A cursor that went through JSON has texts for shards: read as none, everything would be told again."""
    with pytest.raises(InvalidArgumentError, match="after has"):
        added(api, (0, "1-1", {})).read_events(after)
