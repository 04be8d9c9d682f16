"""The two stores of operation records: rotated every 24 hours, never under an open hold (lua/README.md)."""

from __future__ import annotations

import pytest
from lua_kit import ADMIT, DAY, DEEP, HOUR, NOW, REPEATED, SECOND, STRICT
from lua_records import EXPIRED, OPEN, SETTLED

from ducto_redis.codes import Code

WEEK = 7 * DAY


def stores_of(engine, letter, op_id):
    """The stores that hold an operation's record."""
    return [store for store, data in enumerate(engine.records(letter, op_id)) if data]


def test_a_record_lives_one_to_two_days(engine):
    """A write a day later turns the stores and goes to the new one; the old one is dropped by the next turn."""
    engine.grant("first", 1)
    engine.now += DAY - 1
    engine.grant("second", 1)
    assert (engine.root().rotation, stores_of(engine, "g", "second")) == (0, [0])
    engine.now += 1
    engine.grant("third", 1)
    assert (engine.root().rotation, engine.root().rotated_ms) == (3, NOW + DAY)
    assert [stores_of(engine, "g", op) for op in ("first", "second", "third")] == [[0], [0], [1]]
    engine.now += DAY - 1
    engine.grant("fourth", 1)
    assert stores_of(engine, "g", "fourth") == [1]
    assert engine.grant("second", 1, DEEP).repetition == REPEATED
    engine.now += 1
    engine.grant("fifth", 1)
    assert (engine.root().rotation, engine.root().rotated_ms) == (2, NOW + 2 * DAY)
    assert [stores_of(engine, "g", op) for op in ("first", "second", "third", "fifth")] == [[], [], [1], [0]]
    assert engine.client.hlen(engine.store_0) == 1


def test_memory_is_flat_however_many_days_pass(engine):
    """Thirty days of use leave two days of records and no other key."""
    engine.grant("seed", 1_000)
    for day in range(30):
        engine.now = NOW + day * DAY
        engine.reserve(f"h{day}", 5)
        engine.settle(f"h{day}", 5)
    assert engine.client.hlen(engine.store_0) + engine.client.hlen(engine.store_1) <= 3
    assert engine.client.hlen(engine.state_key) == 2
    assert engine.client.exists(*engine.keys) == 5  # the index is gone, no hold is open


def test_nothing_turns_without_a_write(engine):
    """Reading, and calls that decide nothing, leave the stores however old they are."""
    engine.grant("first", 1)
    engine.now += 10 * DAY
    with engine.unchanged():
        engine.read()
        assert engine.grant("first", 1, DEEP).repetition == REPEATED
        engine.settle("nothing", 1)
    engine.grant("second", 1)
    assert engine.grant("first", 1, DEEP).repetition == REPEATED  # the previous store, since this turn


def test_an_open_hold_of_a_week_survives_every_turn(engine):
    """With writes every six hours its record is there to the last millisecond, and settles."""
    engine.grant("seed", 1_000)
    engine.reserve("week", 40, ttl=WEEK)
    turns = set()
    for quarter in range(1, 28):
        engine.now = NOW + quarter * DAY // 4
        engine.grant(f"g{quarter}", 1)
        turns.add((engine.root().rotation, engine.root().rotated_ms))
        assert engine.hold("week").state == OPEN
        assert engine.release(f"none{quarter}").reason == 3
    assert turns == {(0, NOW), (3, NOW + DAY)}  # it waits with the hold in the store to be dropped
    engine.now = NOW + WEEK - 1
    assert engine.settle("week", 30)[:7] == (Code.OK, engine.now, 0, 997, 30, 30, 40)
    assert [engine.hold("week", store=store).state for store in (0, 1)] == [OPEN, SETTLED]
    assert engine.settle("week", 30).repetition == REPEATED  # the current store is asked first
    assert engine.reserve("week", 40, flags=ADMIT | STRICT | DEEP, ttl=WEEK).repetition == REPEATED
    assert engine.node().held == 0
    engine.now = NOW + WEEK
    engine.grant("turn", 1)
    assert (engine.root().rotation, stores_of(engine, "h", "week")) == (2, [1])
    assert engine.settle("week", 30).repetition == REPEATED


def test_a_hold_of_a_week_expires_across_turns(engine):
    """Nobody settles it: freed at its expiry out of the previous store, the record then stands in the current one."""
    engine.grant("seed", 1_000)
    engine.reserve("week", 40, ttl=WEEK)
    engine.now += 2 * DAY
    engine.grant("turn", 1)
    engine.now = NOW + WEEK
    engine.read()
    assert engine.hold("week", store=engine.root().rotation % 2).state == EXPIRED
    assert (engine.node().held, engine.index()) == (0, {})
    assert engine.settle("week", 1).code == Code.LEASE_EXPIRED
    assert engine.release("week").reason == 0


@pytest.mark.parametrize("step", [5 * HOUR, 11 * HOUR, DAY])
def test_a_week_of_overlapping_holds_loses_none(engine, step):
    """A new hold of a week at every step for three weeks, each settled a millisecond before it expires."""
    engine.grant("seed", 10_000)
    waiting = []
    for at in range(3 * WEEK // step):
        begin = NOW + at * step
        while waiting and waiting[0] <= begin:
            engine.now = waiting.pop(0)
            assert engine.settle(f"h{engine.now}", 1).code == Code.OK
        engine.now = begin
        assert engine.reserve(f"h{begin + WEEK - 1}", 1, ttl=WEEK).code == Code.OK
        waiting.append(begin + WEEK - 1)
    assert engine.root().rotated_ms > NOW
    for engine.now in waiting:
        assert engine.settle(f"h{engine.now}", 1).code == Code.OK
    assert engine.node().held == 0


def test_the_stores_wait_for_a_backlog_of_due_holds(engine):
    """More than 100 are due after a day: their records stay until the last one is freed."""
    engine.grant("seed", 1_000)
    for at in range(201):
        engine.reserve(f"h{at:03}", 1, ttl=1_000 + at)
    engine.now = NOW + DAY
    engine.grant("a", 1)
    engine.now = NOW + 2 * DAY
    engine.grant("b", 1)
    assert (engine.node().held, engine.root().rotation) == (1, 0)
    engine.grant("c", 1)
    assert (engine.node().held, engine.root().rotation) == (0, 3)
    assert engine.release("h000").reason == 0


def test_a_repetition_is_found_for_fifteen_minutes_after_a_turn(engine):
    """Ids of the library's own: a retry that comes up to 15 minutes later is known on either side of the turn."""
    engine.grant("first", 1)
    engine.now += DAY - 1
    engine.reserve("h", 0, ttl=DAY)
    engine.set_cap("c", 9)
    engine.grant("g", 1)
    engine.now += 1
    engine.grant("turn", 1)
    engine.now += 15 * 60 * SECOND - 1
    with engine.unchanged():
        assert engine.grant("g", 1).repetition == REPEATED
        assert engine.set_cap("c", 9).repetition == REPEATED
        assert engine.reserve("h", 0).repetition == REPEATED


@pytest.mark.parametrize(("back_ms", "turned"), [(HOUR, False), (DAY - 1, False), (DAY, True), (30 * DAY, True)])
def test_a_step_back_turns_the_stores_at_most(engine, back_ms, turned):
    """A clock that stepped back a day or more turns them once; what was recorded before is still known."""
    engine.now += 30 * DAY
    engine.grant("first", 1)
    engine.reserve("h", 1, ttl=WEEK)
    engine.now -= back_ms
    engine.grant("second", 1)
    assert (engine.root().rotation == 3) == turned
    assert engine.grant("first", 1).repetition == REPEATED
    assert engine.settle("h", 1).code == Code.OK
