"""lib/expire.lua: holds past their expiry are freed by any script on the root, once, at most 100 a call."""

from __future__ import annotations

import pytest
from lua_kit import ADMIT, DAY, NOW, SECOND, STRICT, holding
from lua_records import EXPIRE, EXPIRED, HoldRecord

from ducto_redis.codes import Code

CALLS = {
    "add_credits": lambda engine: engine.grant("x", 1),
    "add_credits refused": lambda engine: engine.grant("x", 2**53 - 1),
    "add_credits below": lambda engine: engine.grant("x", 1, path="other"),
    "add_credits again": lambda engine: engine.grant("seed", 100),
    "reserve": lambda engine: engine.reserve("x", 1),
    "reserve refused": lambda engine: engine.reserve("x", 10_000),
    "reserve unknown": lambda engine: engine.reserve("x", 1, "nobody"),
    "reserve again": lambda engine: engine.reserve("due", 30, ttl=1_000),
    "settle": lambda engine: engine.settle("open", 1),
    "settle due": lambda engine: engine.settle("due", 1),
    "settle unknown": lambda engine: engine.settle("nothing", 1),
    "settle again": lambda engine: engine.settle("settled", 2),
    "deduct_credits": lambda engine: engine.deduct("open", 1),
    "deduct_credits refused": lambda engine: engine.deduct("open", 10_000),
    "deduct_credits due": lambda engine: engine.deduct("due", 1),
    "deduct_credits again": lambda engine: engine.deduct("settled", 2),
    "deduct_credits refused again": lambda engine: engine.deduct("refused", 10_000),
    "release": lambda engine: engine.release("open"),
    "release unknown": lambda engine: engine.release("nothing"),
    "release again": lambda engine: engine.release("released"),
    "set_spend_cap": lambda engine: engine.set_cap("x", 9),
    "set_spend_cap again": lambda engine: engine.set_cap("cap", 900),
    "remove_spend_cap": lambda engine: engine.remove_cap("x"),
    "remove_spend_cap of none": lambda engine: engine.remove_cap("x", 5),
    "remove_spend_cap again": lambda engine: engine.remove_cap("gone"),
    "read_account": lambda engine: engine.read(),
    "read_account below": lambda engine: engine.read("nobody/at/all"),
}


@pytest.fixture
def ready(engine):
    engine.grant("seed", 100)
    engine.set_cap("other", 1_000, 5)
    engine.set_cap("cap", 900)
    engine.remove_cap("gone", 5)
    for hold in ("settled", "refused", "released", "open"):
        engine.reserve(hold, 5)
    engine.settle("settled", 2)
    engine.deduct("refused", 10_000)
    engine.release("released")
    engine.reserve("due", 30, ttl=1_000)
    return engine


@pytest.mark.parametrize("call", CALLS)
def test_every_script_frees_what_is_due(ready, call):
    """Whatever is asked of the root - done, refused or repeated - a hold that is due is freed in the same step, before
    anything else; not a millisecond earlier, and once."""
    known = len(ready.entries())
    ready.now += 999
    ready.read()
    assert len(ready.entries()) == known
    ready.now += 1
    CALLS[call](ready)
    entry = ready.entries()[known]
    assert (entry.kind, entry.at_ms, entry.amount, entry.field) == (EXPIRE, ready.now, 30, "hdue")
    assert ready.kinds().count(EXPIRE) == 1
    assert "hdue" not in ready.index()
    ready.now += SECOND
    ready.read()
    assert ready.kinds().count(EXPIRE) == 1


def test_an_expired_hold_keeps_its_record(ready):
    """The record says expired, with the hold's figures; its credits are free, its admitted part is room again."""
    expires_ms = ready.now + 1_000
    ready.now += 5 * SECOND
    ready.read()
    assert ready.hold("due") == HoldRecord(EXPIRED, ADMIT | STRICT, 30, expires_ms, 98, 35, 0, "label")
    node = ready.node()
    assert (node.balance, node.held, node.admitted, node.open_holds) == (98, 5, 5, 1)
    assert ready.reserve("all", 93).code == Code.OK


def test_holds_of_all_accounts_of_a_root_are_freed(engine):
    """Three levels, several accounts: each hold leaves the levels it counted at, whoever calls."""
    for path in ("search/alice", "search/bob", "chat"):
        engine.grant("seed", 100, path=path)
        engine.reserve("h", 10, path, ttl=1_000)
        engine.reserve("late", 1, path, ttl=2_000, flags=STRICT)
    engine.now += 1_000
    engine.read("chat")
    paths = ("", "search", "search/alice", "search/bob", "chat")
    assert [holding(engine.node(path)) for path in paths] == [
        (0, 0, 3), (0, 0, 2), (1, 0, 1), (1, 0, 1), (1, 0, 1),
    ]  # fmt: skip
    assert {(entry.path, entry.balance_after) for entry in engine.entries() if entry.kind == EXPIRE} == {
        ("search/alice", 100), ("search/bob", 100), ("chat", 100),
    }  # fmt: skip


def test_counters_of_accounts_met_on_the_way_are_rolled(engine):
    """A hold below is freed days later by a call on the root: that account's counters go to the present as well."""
    engine.grant("seed", 100, path="search")
    engine.reserve("spent", 7, "search")
    engine.settle("spent", 7, "search")
    engine.reserve("h", 10, "search", ttl=1_000)
    engine.now += 3 * DAY
    engine.read()
    node = engine.node("search")
    assert (node.spent_day, node.previous_day, node.day_back, node.spent_month, node.held) == (0, 7, 3, 7, 0)


def test_more_than_a_hundred_are_freed_over_several_calls(engine):
    """250 due at once: 100, 100 and 50, in the order of their expiry; a hold not yet due stays."""
    engine.grant("seed", 10_000)
    for at in range(250):
        engine.reserve(f"h{at:03}", 2, ttl=1_000 + at)
    engine.reserve("stays", 1)
    engine.now += 10 * SECOND
    for left, first in ((150, 1_100), (50, 1_200), (0, 600_000)):
        engine.read()
        node = engine.node()
        assert (node.held, node.admitted, node.open_holds) == (2 * left + 1, 2 * left + 1, left + 1)
        assert engine.root().next_expiry_ms == NOW + first
    freed = [entry.field for entry in engine.entries() if entry.kind == EXPIRE]
    assert freed == [f"hh{at:03}" for at in range(250)]
    with engine.unchanged():
        engine.read()


def test_a_hold_in_the_backlog_is_over_though_it_is_not_freed_yet(engine):
    """Due but behind 100 others: it cannot be charged, and a reserve sees its credits as held until it is freed."""
    engine.grant("seed", 101)
    for at in range(101):
        engine.reserve(f"h{at:03}", 1, ttl=1_000 + at)
    engine.now += 10 * SECOND
    assert engine.settle("h100", 1)[:6] == (Code.LEASE_EXPIRED, engine.now, 0, 101, 0, 1)
    assert engine.node().held == 1
    engine.now -= 1  # one more is due at a time, however the clock goes
    assert engine.deduct("h100", 1).code == Code.LEASE_EXPIRED
    assert (engine.node().held, engine.kinds().count(EXPIRE)) == (0, 101)


def test_a_hold_in_the_backlog_is_over_at_its_expiry(engine):
    """101 holds of one expiry: at that very millisecond the one that is left cannot be charged either."""
    engine.grant("seed", 101)
    for at in range(101):
        engine.reserve(f"h{at:03}", 1, ttl=1_000)
    engine.now += 1_000
    assert engine.settle("h100", 1)[:6] == (Code.LEASE_EXPIRED, engine.now, 0, 101, 0, 1)
    assert (engine.node().held, engine.kinds().count(EXPIRE)) == (1, 100)


def test_exactly_a_hundred_leave_no_backlog(engine):
    """The bound counts holds, not calls: 100 are freed by one."""
    engine.grant("seed", 100)
    for at in range(100):
        engine.reserve(f"h{at:03}", 1, ttl=1_000)
    engine.now += SECOND
    assert engine.reserve("all", 100).code == Code.OK
    assert engine.kinds().count(EXPIRE) == 100


@pytest.mark.parametrize("record", [None, b"\x02rest", b"\x03", b"\x05"])
def test_an_index_member_without_an_open_record_is_only_dropped(engine, record):
    """The totals are what the ledger says: a stray member moves no counter and writes no entry."""
    engine.grant("seed", 100)
    engine.reserve("h", 10, ttl=1_000)
    engine.client.zadd(engine.holds_key, {"hstray": NOW + 500})
    if record:
        engine.client.hset(engine.store_0, "hstray", record)
    engine.now += SECOND
    engine.read()
    assert (engine.index(), engine.node().held, engine.kinds().count(EXPIRE)) == ({}, 0, 1)


def test_the_bound_of_expiries_is_a_lower_one(engine):
    """It never lies behind the earliest open hold, so nothing that is due is overlooked; without holds it is 0."""
    engine.grant("seed", 100)
    bounds = []
    for hold, ttl in (("a", 60_000), ("b", 30_000), ("c", 90_000)):
        engine.reserve(hold, 1, ttl=ttl)
        bounds.append(engine.root().next_expiry_ms - NOW)
    assert bounds == [60_000, 30_000, 30_000]
    engine.settle("b", 1)
    assert 0 < engine.root().next_expiry_ms <= NOW + 60_000
    engine.now += 30_000
    engine.read()
    assert 0 < engine.root().next_expiry_ms <= NOW + 60_000
    engine.release("a")
    engine.now += 60_000
    engine.read()
    assert (engine.root().next_expiry_ms, engine.node().open_holds) == (0, 0)
    engine.reserve("d", 1)
    engine.settle("d", 1)
    assert engine.root().next_expiry_ms == 0  # ended before its time: nothing is left to wait for


def test_a_hundred_holds_of_a_hundred_deep_accounts_are_freed_at_once(engine):
    """Six levels each, none shared but the root: one call writes all their nodes."""
    for at in range(100):
        path = "/".join(f"{level}{at}" for level in "bcdef")
        engine.grant("g", 5, path=path)
        engine.reserve("h", 5, path, ttl=1_000)
    engine.now += DAY
    engine.read()
    assert (engine.node().open_holds, engine.node().admitted, engine.kinds().count(EXPIRE)) == (0, 0, 100)
    assert engine.reserve("again", 5, "b99/c99/d99/e99/f99").code == Code.OK
