"""remove_spend_cap.lua: takes one cap away, once; spend goes on being counted."""

from __future__ import annotations

import pytest
from lua_cases import HOSTILE, UNUSABLE
from lua_kit import DAILY, DENY, FRESH, MONTHLY, NOW, REPEATED, SECOND, WARN, CapRemoved
from lua_records import CAP_REMOVE, DONE, EXPIRE

from ducto_redis.codes import Code


@pytest.fixture
def capped(engine):
    engine.grant("seed", 100)
    engine.set_cap("d", 10, DAILY, DENY)
    engine.set_cap("m", 20, MONTHLY, WARN)
    return engine


def test_a_removal_is_one_entry_and_one_record(capped):
    """The cap of that period is gone, the other stays; entry and record say so."""
    assert capped.remove_cap("op", DAILY) == CapRemoved(Code.OK, NOW, FRESH, 1)
    entry = capped.entries()[-1]
    assert (entry.kind, entry.sequence, entry.at_ms, entry.amount, entry.balance_after) == (CAP_REMOVE, 4, NOW, 0, 100)
    assert (entry.path, entry.field, entry.detail) == ("", "cop", {"kind": DAILY})
    assert capped.caps() == ((MONTHLY, WARN, 20),)
    assert capped.records("c", "op") == (bytes([DONE]), None)


def test_the_last_cap_leaves_an_empty_field(capped):
    """An account whose caps are gone keeps an empty field: no further command that might fail by itself."""
    capped.remove_cap("a", MONTHLY)
    assert capped.caps() == ((DAILY, DENY, 10),)
    assert capped.remove_cap("b", DAILY).removed == 1
    assert capped.client.hget(capped.state_key, "c") == b""


def test_spend_goes_on_being_counted(capped):
    """A cap removed at noon and registered again at one knows what was spent in between."""
    capped.remove_cap("op")
    capped.reserve("h", 30)
    capped.settle("h", 30)
    capped.set_cap("again", 30)
    assert capped.reserve("i", 1).code == Code.CAP_REACHED


def test_only_the_accounts_own_cap_is_removed(engine):
    """Caps of the levels above and below stay and bind."""
    engine.grant("seed", 100, path="search/alice")
    for path in ("", "search", "search/alice"):
        engine.set_cap("c", 10, path=path)
    assert engine.remove_cap("op", path="search").removed == 1
    assert [len(engine.caps(path)) for path in ("", "search", "search/alice")] == [1, 0, 1]
    assert engine.entries()[-1].path == "search"
    assert engine.reserve("h", 11, "search/alice").code == Code.CAP_REACHED


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_root_is_refused(engine, case):
    """Another generation, no namespace, a newer layout: the code says which and nothing is written."""
    make, code = UNUSABLE[case]
    make(engine)
    with engine.unchanged():
        assert engine.remove_cap("op") == CapRemoved(code, NOW, FRESH, 0)


def test_what_is_not_there_is_not_removed(engine):
    """An unknown root or account, no cap of that period: removed 0, nothing written, nothing opened."""
    answer = CapRemoved(Code.OK, NOW, FRESH, 0)
    with engine.unchanged():
        assert engine.remove_cap("op") == engine.remove_cap("op", path="search") == answer
    engine.set_cap("c", 10, DAILY)
    with engine.unchanged():
        assert engine.remove_cap("op", MONTHLY) == engine.remove_cap("op", path="search") == answer


def test_what_is_no_kind_removes_nothing(capped):
    """Text, other numbers and counters that no cap looks at find no cap. (Kinds are read as Lua reads numbers.)"""
    five = {" 5", "5 ", "\t5", "5\n", "5\0", "+5", "5.0", "5.", "0" * 17 + "5"}
    with capped.unchanged():
        for text in (*(set(HOSTILE) - five), "0", "6", "-4", "4.5", "daily", "260"):
            assert capped.remove_cap("op", text) == CapRemoved(Code.OK, NOW, FRESH, 0), text


def test_a_repetition_changes_nothing(capped):
    """The same id removes once: a cap registered since stays, whatever kind is asked."""
    capped.remove_cap("op", DAILY)
    capped.set_cap("again", 30)
    capped.now += SECOND
    with capped.unchanged():
        assert capped.remove_cap("op", DAILY) == CapRemoved(Code.OK, capped.now, REPEATED, 1)
        assert capped.remove_cap("op", MONTHLY).repetition == REPEATED
    assert capped.remove_cap("other", DAILY)[2:] == (FRESH, 1)


def test_a_removal_of_nothing_is_not_remembered(engine):
    """An id that found no cap removes one that was registered since."""
    engine.grant("seed", 1)
    assert engine.remove_cap("op").removed == 0
    engine.set_cap("c", 10)
    assert engine.remove_cap("op")[2:] == (FRESH, 1)


def test_due_holds_are_freed_first(capped):
    """EXPIRE before CAP_REMOVE; a call that removes nothing and a repetition free as well."""
    for at in range(3):
        capped.reserve(f"h{at}", 3, ttl=1_000 * (at + 1))
    capped.now += 1_000
    capped.remove_cap("op")
    assert capped.kinds()[6:] == [EXPIRE, CAP_REMOVE]
    capped.now += 1_000
    assert capped.remove_cap("none").removed == 0
    assert capped.kinds()[8:] == [EXPIRE]
    capped.now += 1_000
    assert capped.remove_cap("op").repetition == REPEATED
    assert capped.kinds()[9:] == [EXPIRE]
