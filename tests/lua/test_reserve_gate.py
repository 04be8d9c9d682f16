"""reserve.lua, the gate: which amounts pass money and caps at every level, and which code comes first."""

from __future__ import annotations

import pytest
from lua_kit import ADMIT, DENY, FRESH, MAX, MONTHLY, NOTIFY, NOW, STRICT, WARN, Held
from lua_records import Note, notes_in

from ducto_redis.codes import Code
from ducto_redis.core.packed import NOTE_REFUSED

LEVELS = ("", "search", "search/alice")


def refusals(reply):
    return [(note.level, note.kind, note.limit) for note in notes_in(reply.notes)]


@pytest.mark.parametrize(
    ("floor", "flags", "free"),
    [(0, 3, 70), (20, 3, 50), (70, 3, 0), (90, 3, 0), (-50, 1, 120), (-MAX, 1, MAX)],
)
def test_the_floor_bounds_what_is_held(engine, floor, flags, free):
    """Free credits are balance - held - floor, never below 0; one unit more is insufficient_credits."""
    engine.grant("seed", 100)
    engine.reserve("first", 30)
    if free < MAX:
        with engine.unchanged():
            refused = engine.reserve("h", free + 1, floor=floor, flags=flags)
            assert refused == Held(Code.INSUFFICIENT_CREDITS, NOW, FRESH, 100, 30, free + 1, 0, b"")
    else:
        free -= 30  # the sum of what is held stays exact
    assert engine.reserve("h", free, floor=floor, flags=flags)[3:6] == (100, 30 + free, free)


def test_nothing_may_always_be_held(engine):
    """An amount of 0 passes every cap and floor: there is no credit that it takes."""
    engine.grant("seed", -5, 2)
    engine.set_cap("c", 0)
    assert engine.reserve("h", 0)[:5] == (Code.OK, NOW, FRESH, -5, 0)


@pytest.mark.parametrize("kind", [4, 5])
def test_a_deny_cap_is_reached_and_never_passed(engine, kind):
    """spent + admitted + amount may be the limit; one more is cap_reached, with a note of what stood against it."""
    engine.grant("seed", 1_000)
    engine.set_cap("c", 100, kind)
    engine.reserve("spent", 40)
    engine.settle("spent", 40)
    engine.reserve("open", 25)
    with engine.unchanged():
        reply = engine.reserve("h", 36)
    assert reply[:7] == (Code.CAP_REACHED, NOW, FRESH, 960, 25, 36, 0)
    assert notes_in(reply.notes) == (Note(1, kind, DENY, NOTE_REFUSED, 100, 40, 25),)
    assert engine.reserve("h", 35).code == Code.OK
    assert engine.reserve("i", 1).code == Code.CAP_REACHED


@pytest.mark.parametrize("action", [WARN, NOTIFY])
def test_other_caps_refuse_nothing(engine, action):
    """A warn or notify cap is not asked at admission."""
    engine.grant("seed", 1_000)
    engine.set_cap("c", 0, action=action)
    assert engine.reserve("h", 1_000)[:1] + engine.reserve("i", 0)[7:] == (Code.OK, b"")


def test_holds_that_are_not_admitted_take_no_room(engine):
    """They count against the balance alone; the caps that would refuse are named."""
    engine.grant("seed", 1_000)
    engine.set_cap("c", 100)
    first = engine.reserve("h", 150, flags=STRICT)
    assert (first.code, refusals(first)) == (Code.OK, [(1, 4, 100)])
    assert engine.hold("h").notes == notes_in(first.notes)
    within = engine.reserve("i", 100, flags=STRICT)
    assert (within.code, within.notes, within.held) == (Code.OK, b"", 250)
    assert engine.reserve("j", 100).code == Code.OK
    with engine.unchanged():
        refused = engine.reserve("k", 651, flags=STRICT)
    assert (refused.code, refusals(refused)) == (Code.INSUFFICIENT_CREDITS, [(1, 4, 100)])


def test_every_level_of_three_is_asked_and_every_cap_that_refuses_is_named(engine):
    """The least room of any level decides; notes come from the root down, in the order of registration."""
    engine.grant("seed", 1_000, path="search/alice")
    for path, daily, monthly in (("", 50, 60), ("search", 40, 70), ("search/alice", 45, 45)):
        engine.set_cap("d", daily, path=path)
        engine.set_cap("m", monthly, MONTHLY, path=path)
    with engine.unchanged():
        assert refusals(engine.reserve("h", 41, "search/alice")) == [(2, 4, 40)]
        assert refusals(engine.reserve("h", 55, "search/alice")) == [
            (1, 4, 50), (2, 4, 40), (3, 4, 45), (3, 5, 45),
        ]  # fmt: skip
    assert engine.reserve("h", 40, "search/alice").code == Code.OK
    engine.grant("seed", 1_000, path="search/bob")
    engine.grant("seed", 1_000, path="chat")
    with engine.unchanged():
        assert refusals(engine.reserve("i", 1, "search/bob")) == [(2, 4, 40)]
        assert refusals(engine.reserve("i", 11, "chat")) == [(1, 4, 50)]
    assert engine.reserve("i", 10, "chat").code == Code.OK


def test_money_of_an_ancestor_is_not_the_accounts(engine):
    """Each account pays for itself: credits above or below it do not count."""
    engine.grant("seed", 1_000)
    engine.grant("seed", 10, path="search/alice")
    with engine.unchanged():
        assert engine.reserve("h", 11, "search/alice").code == Code.INSUFFICIENT_CREDITS
        assert engine.reserve("h", 1, "search").code == Code.INSUFFICIENT_CREDITS


@pytest.mark.parametrize("flags", [0, ADMIT, STRICT, ADMIT | STRICT])
def test_an_unknown_account_is_refused_and_creates_nothing(engine, flags):
    """account_unknown, in strict insufficient_credits (SPEC 6): without a root, and on a root that has others."""
    code = Code.INSUFFICIENT_CREDITS if flags & STRICT else Code.ACCOUNT_UNKNOWN
    for known in (False, True):
        if known:
            engine.grant("seed", 100, path="search")
        with engine.unchanged():
            for path in ("nobody", "search/alice") if known else ("", "search"):
                assert engine.reserve("h", 0, path, flags=flags) == Held(code, NOW, FRESH, 0, 0, 0, 0, b"")


def test_ten_thousand_open_holds_are_the_most(engine):
    """The bound is on the root's holds, wherever below it they are."""
    engine.grant("seed", 100, path="search")
    engine.forge_node(open_holds=10_000)
    with engine.unchanged():
        assert engine.reserve("h", 1, "search")[:7] == (Code.TOO_MANY_HOLDS, NOW, FRESH, 100, 0, 1, 0)
    engine.forge_node(open_holds=9_999)
    assert engine.reserve("h", 1, "search").code == Code.OK
    assert engine.node().open_holds == 10_000
    assert engine.reserve("h", 1, "search").repetition == 1  # a repetition comes before the bound


def test_totals_beyond_the_exact_range_are_refused(engine):
    """Neither what is held nor what is admitted at any level passes 2^53-1."""
    engine.grant("seed", 100, path="search")
    engine.forge_node("search", held=MAX - 5)
    with engine.unchanged():
        assert engine.reserve("h", 6, "search", floor=-MAX).code == Code.INVALID_AMOUNT
    assert engine.reserve("h", 5, "search", floor=-MAX).held == MAX
    engine.forge_node("search", held=0)
    engine.forge_node("", admitted=MAX - 5)
    with engine.unchanged():
        assert engine.reserve("i", 6, "search", floor=-MAX).code == Code.INVALID_AMOUNT
    assert engine.reserve("i", 5, "search", floor=-MAX).code == Code.OK


def test_the_order_of_codes(engine):
    """Everything is wrong at once; each cause taken away shows the next code (SPEC 2)."""
    engine.grant("seed", 100)
    engine.set_cap("c", 0)
    engine.forge_node(held=MAX, open_holds=10_000)
    record = engine.client.hget(engine.state_key, "r")
    engine.client.hset(engine.state_key, "r", b"\x02" + record[1:])
    seen = [
        engine.reserve("h", -1, ttl=1).code,
        engine.reserve("h", 101, floor=1, ttl=1).code,
        engine.reserve("h", 101, floor=1).code,
    ]
    engine.client.hset(engine.state_key, "r", record)
    seen.append(engine.reserve("h", 101, floor=1).code)
    engine.forge_node(held=0)
    seen.append(engine.reserve("h", 101, floor=1).code)
    engine.forge_node(open_holds=0)
    seen.append(engine.reserve("h", 101, floor=1).code)
    engine.remove_cap("r")
    seen.append(engine.reserve("h", 101, floor=1).code)
    assert seen == [
        Code.INVALID_AMOUNT, Code.INVALID_ARGUMENT, Code.SCHEMA_NEWER, Code.INVALID_AMOUNT, Code.TOO_MANY_HOLDS,
        Code.CAP_REACHED, Code.INSUFFICIENT_CREDITS,
    ]  # fmt: skip
    assert engine.reserve("h", 100).code == Code.OK
