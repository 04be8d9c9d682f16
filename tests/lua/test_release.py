"""release.lua: frees a hold, says what it found, is never an error, and runs when memory is full."""

from __future__ import annotations

import pytest
from lua_cases import UNUSABLE
from lua_kit import GENERATION, NOW, SECOND, STRICT, Released, holding
from lua_records import EXPIRE, GRANT, HOLD, RELEASE, RELEASED, HoldRecord
from redis.exceptions import OutOfMemoryError

from ducto_redis.codes import Code

FREED, ALREADY_RELEASED, ALREADY_SETTLED, NOT_FOUND = range(4)


@pytest.fixture
def held(engine):
    engine.grant("seed", 100)
    engine.reserve("h", 30, ttl=60_000)
    return engine


def test_a_release_is_one_entry_and_one_record(held):
    """The amount is free again; entry, record, index and counters say so; nothing was spent."""
    held.now += SECOND
    assert held.release("h") == Released(Code.OK, held.now, FREED, 30)
    entry = held.entries()[-1]
    assert (entry.kind, entry.at_ms, entry.amount, entry.balance_after) == (RELEASE, held.now, 30, 100)
    assert (entry.path, entry.field, entry.detail) == ("", "hh", {"code": Code.OK})
    assert held.hold("h") == HoldRecord(RELEASED, 3, 30, NOW + 60_000, 100, 30)
    node = held.node()
    assert (node.balance, node.held, node.admitted, node.open_holds, node.spent_total) == (100, 0, 0, 0, 0)
    assert held.index() == {}


def test_a_hold_is_freed_at_every_level(engine):
    """Three levels: each loses what it counted, and nothing of other holds."""
    engine.grant("seed", 100, path="search/alice")
    engine.reserve("h", 30, "search/alice")
    engine.reserve("i", 20, "search/alice", flags=STRICT)
    assert engine.release("h", "search/alice").amount == 30
    counted = [holding(engine.node(path)) for path in ("", "search", "search/alice")]
    assert counted == [(0, 0, 1), (0, 0, 1), (20, 0, 1)]
    assert engine.release("i", "search/alice").amount == 20
    assert [engine.node(path).open_holds for path in ("", "search", "search/alice")] == [0, 0, 0]


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_root_is_refused(engine, case):
    """Another generation, no namespace, a newer layout: the code says which and nothing is written."""
    make, code = UNUSABLE[case]
    make(engine)
    with engine.unchanged():
        assert engine.release("h") == Released(code, NOW, NOT_FOUND, 0)


def test_what_is_not_there_is_not_found(engine):
    """An unknown root, account, id, or another account's hold: reason 3, nothing written."""
    answer = Released(Code.OK, NOW, NOT_FOUND, 0)
    with engine.unchanged():
        assert engine.release("h") == engine.release("h", "search") == answer
    engine.grant("h", 100)
    engine.reserve("h", 10)
    with engine.unchanged():
        assert [engine.release("i"), engine.release("h", "search"), engine.release("")] == [answer] * 3


def test_what_has_ended_says_how(held):
    """Released, refused and settled holds answer their end; nothing moves a second time."""
    held.reserve("refused", 10)
    held.deduct("refused", 101)
    held.reserve("settled", 10)
    held.settle("settled", 4)
    held.release("h")
    with held.unchanged():
        assert held.release("h") == Released(Code.OK, NOW, ALREADY_RELEASED, 30)
        assert held.release("refused") == Released(Code.OK, NOW, ALREADY_RELEASED, 10)
        assert held.release("settled") == Released(Code.OK, NOW, ALREADY_SETTLED, 10)


@pytest.mark.parametrize("freed_before", [False, True])
def test_an_expired_hold_is_released_once_and_freed_once(held, freed_before):
    """Freed by expiry it left the totals; releasing it then is an entry of amount 0 - also when the release itself is
    the first call after the expiry, and whatever else is held."""
    held.reserve("other", 40)
    held.now += 60_000
    if freed_before:
        held.read()
    assert held.release("h") == Released(Code.OK, held.now, FREED, 30)
    assert [(entry.kind, entry.amount) for entry in held.entries()[3:]] == [(EXPIRE, 30), (RELEASE, 0)]
    assert held.hold("h").state == RELEASED
    assert (held.node().held, held.node().open_holds) == (40, 1)
    with held.unchanged():
        assert held.release("h") == Released(Code.OK, held.now, ALREADY_RELEASED, 30)
    assert held.settle("h", 5).code == Code.LEASE_NOT_FOUND


def test_an_expired_hold_in_a_backlog_is_released_with_its_amount(engine):
    """More than 100 holds are due: one that this call does not free is still counted, so its release frees it."""
    engine.grant("seed", 1_000)
    for at in range(103):
        engine.reserve(f"h{at:03}", 1, ttl=1_000 + at)
    engine.now += 10_000
    assert engine.release("h102") == Released(Code.OK, engine.now, FREED, 1)
    kinds = engine.kinds()
    assert (kinds.count(EXPIRE), kinds.count(RELEASE), engine.entries()[-1].amount) == (100, 1, 1)
    assert engine.release("h000").reason == FREED
    assert (engine.node().held, engine.entries()[-1].amount) == (0, 0)


def test_a_hold_of_nothing_is_released(engine):
    """A hold of amount 0 is a hold: it ends once."""
    engine.grant("seed", 1)
    engine.reserve("h", 0)
    assert (engine.release("h").reason, engine.release("h").reason) == (FREED, ALREADY_RELEASED)
    assert (engine.node().open_holds, engine.kinds()) == (0, [GRANT, HOLD, RELEASE])


def test_holds_end_when_memory_is_full(real):
    """settle and release run though the server is over its memory; what would take more is refused, unchanged."""
    real.grant("seed", 100)
    for hold in ("h", "i"):
        real.reserve(hold, 10)
    real.client.config_set("maxmemory", 1)
    try:
        with real.unchanged():
            for refused in (
                lambda: real.grant("op", 1), lambda: real.reserve("j", 1), lambda: real.deduct("h", 1),
                lambda: real.set_cap("c", 1), lambda: real.setup("create", GENERATION, 4, 1, "ready"),
            ):  # fmt: skip
                with pytest.raises(OutOfMemoryError):
                    refused()
        assert real.settle("h", 5)[:5] == (Code.OK, NOW, 0, 95, 5)
        assert real.release("i").reason == FREED
    finally:
        real.client.config_set("maxmemory", 0)
