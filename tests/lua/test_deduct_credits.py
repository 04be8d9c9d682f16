"""deduct_credits.lua: exactly the amount or a refusal that frees the hold, remembered like a charge."""

from __future__ import annotations

import pytest
from lua_cases import HOSTILE, UNUSABLE
from lua_kit import ADMIT, DENY, FRESH, MAX, MONTHLY, NOW, REPEATED, REUSED, SECOND, STRICT, WARN, Ended
from lua_records import (
    BY_DEDUCT,
    EXPIRE,
    GRANT,
    HOLD,
    RELEASE,
    RELEASED,
    SETTLE,
    SETTLED,
    WAS_REFUSED,
    HoldRecord,
    Note,
    notes_in,
)  # fmt: skip

from ducto_redis.codes import Code
from ducto_redis.core.packed import NOTE_FIRST, NOTE_REFUSED


@pytest.fixture
def held(engine):
    engine.grant("seed", 100)
    engine.reserve("h", 30, ttl=60_000)
    return engine


def test_a_deduction_is_one_entry_one_record_and_spend(held):
    """The reply tells charge, hold and balance; entry and record say that it was a deduction."""
    reply = held.deduct("h", 20, metadata=b'{"m":1}')
    assert reply == Ended(Code.OK, NOW, FRESH, 80, 20, 20, 30, held.last_id(), b"")
    entry = held.entries()[-1]
    assert (entry.kind, entry.amount, entry.balance_after, entry.field) == (SETTLE, 20, 80, "hh")
    assert entry.detail == {"flags": 3 | BY_DEDUCT, "asked": None, "metadata": b'{"m":1}'}
    assert held.hold("h") == HoldRecord(
        SETTLED, 3 | BY_DEDUCT, 30, NOW + 60_000, 100, 30, charged=20, balance_after=80, asked=20,
        transaction=reply.transaction.decode(),
    )  # fmt: skip
    node = held.node()
    assert (node.balance, node.held, node.admitted, node.open_holds, node.spent_day) == (80, 0, 0, 0, 20)
    assert held.index() == {}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_root_is_refused(engine, case):
    """Another generation, no namespace, a newer layout: the code says which and nothing is written."""
    make, code = UNUSABLE[case]
    make(engine)
    with engine.unchanged():
        assert engine.deduct("h", 5) == Ended(code, NOW, FRESH, 0, 0, 5, 0, b"", b"")
        assert engine.deduct("h", "nan").code == Code.INVALID_AMOUNT  # comes before it


def test_amounts_that_are_no_plain_integers_are_refused(held):
    """invalid_amount for whatever is no plain integer from 0: nothing is written, so the hold stays open."""
    with held.unchanged():
        for text in (*HOSTILE, -1, -MAX):
            assert held.deduct("h", text) == Ended(Code.INVALID_AMOUNT, NOW, FRESH, 0, 0, 0, 0, b"", b""), text
    assert held.deduct("h", "-0")[:6] == (Code.OK, NOW, FRESH, 100, 0, 0)


def test_a_hold_that_is_not_there(engine):
    """lease_not_found on an unknown root, account or id, and for a hold that was released by request."""
    answer = Ended(Code.LEASE_NOT_FOUND, NOW, FRESH, 0, 0, 5, 0, b"", b"")
    with engine.unchanged():
        assert engine.deduct("h", 5) == answer
    engine.grant("h", 100)
    engine.reserve("h", 10)
    engine.reserve("gone", 10)
    engine.release("gone")
    with engine.unchanged():
        assert engine.deduct("h", 5, "search") == answer
        assert engine.deduct("i", 5) == answer._replace(balance=100)
        assert engine.deduct("gone", 5)[:6] == answer._replace(balance=100)[:6]


@pytest.mark.parametrize("late_ms", [0, 1])
def test_a_hold_that_has_expired(held, late_ms):
    """lease_expired from the expiry on, charged nothing; freed by the first such call."""
    held.now += 60_000 + late_ms
    answer = Ended(Code.LEASE_EXPIRED, held.now, FRESH, 100, 0, 20, 30, b"", b"")
    assert held.deduct("h", 20) == answer
    assert held.kinds() == [GRANT, HOLD, EXPIRE]
    with held.unchanged():
        assert held.deduct("h", 20) == answer


@pytest.mark.parametrize("flags", [STRICT, ADMIT | STRICT, ADMIT, 0])
def test_a_deny_cap_refuses_in_every_mode_and_frees_the_hold(engine, flags):
    """cap_reached with a note; the balance is untouched, the hold is gone, a smaller retry with a new hold succeeds."""
    engine.grant("seed", 100)
    engine.reserve("h", 30, flags=flags)
    engine.set_cap("c", 35)
    reply = engine.deduct("h", 36)
    assert reply[:8] == (Code.CAP_REACHED, NOW, FRESH, 100, 0, 36, 30, b"")
    admitted = 30 if flags & ADMIT else 0
    assert notes_in(reply.notes) == (Note(1, 4, DENY, NOTE_REFUSED, 35, 0, admitted),)
    entry = engine.entries()[-1]
    assert (entry.kind, entry.amount, entry.balance_after, entry.detail) == (RELEASE, 30, 100, {"code": reply.code})
    assert engine.hold("h") == HoldRecord(
        RELEASED, flags | WAS_REFUSED, 30, NOW + 600_000, 100, 30, balance_after=100, asked=36, code=Code.CAP_REACHED,
        notes=notes_in(reply.notes),
    )  # fmt: skip
    assert (engine.node().held, engine.node().admitted, engine.index()) == (0, 0, {})
    with engine.unchanged():
        assert engine.deduct("h", 36) == reply._replace(repetition=REPEATED)
    engine.reserve("i", 35, flags=flags)
    assert engine.deduct("i", 35).code == Code.OK


def test_money_refuses_and_frees_the_hold(held):
    """insufficient_credits when own amount and free credits above the hold's floor do not cover it."""
    held.reserve("other", 40)
    held.reserve("i", 10, floor=15)
    reply = held.deduct("h", 51)
    assert reply == Ended(Code.INSUFFICIENT_CREDITS, NOW, FRESH, 100, 0, 51, 30, b"", b"")
    assert (held.node().held, held.entries()[-1].detail) == (50, {"code": Code.INSUFFICIENT_CREDITS})
    assert held.deduct("i", 46).code == Code.INSUFFICIENT_CREDITS
    held.reserve("j", 10, floor=15)
    assert held.deduct("j", 45)[3:6] == (55, 45, 45)


def test_more_than_the_hold_is_gated_less_frees_the_rest(held):
    """Exactly what free credits, own part and caps allow goes through; it never charges part."""
    held.set_cap("c", 60)
    held.reserve("other", 20)
    assert held.deduct("h", 40)[3:7] == (60, 40, 40, 30)
    assert held.deduct("other", 21).code == Code.CAP_REACHED
    assert (held.node().held, held.node().spent_day) == (0, 40)


def test_an_admitted_part_is_deductible_below_a_lowered_limit(engine):
    """A hold that was admitted may charge its amount though the limit lies below by now; one unit more may not."""
    engine.grant("seed", 100)
    for hold in ("h", "i"):
        engine.reserve(hold, 30)
    engine.set_cap("c", 10)
    reply = engine.deduct("h", 31)
    assert (reply.code, notes_in(reply.notes)[0][4:7]) == (Code.CAP_REACHED, (10, 0, 60))
    assert engine.deduct("i", 30).code == Code.OK


def test_only_the_caps_that_refuse_are_named(engine):
    """Above an own admitted part a cap refuses what it has no room for beyond that part; one that has is not named."""
    engine.grant("seed", 100)
    engine.reserve("h", 30)
    engine.set_cap("a", 35)
    engine.set_cap("b", 40, MONTHLY)
    assert [note.limit for note in notes_in(engine.deduct("h", 36).notes)] == [35]


def test_caps_of_three_levels_are_all_asked(engine):
    """The caps that refuse are named from the root down; at the limit of each the deduction goes through."""
    engine.grant("seed", 100, path="search/alice")
    for path, limit in (("", 50), ("search", 60), ("search/alice", 40)):
        engine.set_cap("c", limit, MONTHLY, path=path)
    engine.reserve("h", 30, "search/alice", flags=STRICT)
    refused = engine.deduct("h", 55, "search/alice")
    assert [(note.level, note.limit) for note in notes_in(refused.notes)] == [(1, 50), (3, 40)]
    engine.reserve("i", 30, "search/alice", flags=STRICT)
    assert engine.deduct("i", 40, "search/alice").code == Code.OK
    assert [engine.node(path).spent_month for path in ("", "search", "search/alice")] == [40, 40, 40]


def test_a_warn_cap_is_passed_and_noted(held):
    """The deduction goes through; the note tells that this charge was the first above it."""
    held.set_cap("c", 10, action=WARN)
    assert notes_in(held.deduct("h", 11).notes) == (Note(1, 4, WARN, NOTE_FIRST, 10, 11, 0),)


def test_caps_come_before_money(held):
    """When both refuse it is cap_reached (SPEC 2)."""
    held.set_cap("c", 5)
    assert held.deduct("h", 101).code == Code.CAP_REACHED


def test_a_repetition_answers_the_first_outcome(held):
    """Charged once; sent again - by settle too - it tells the first outcome, another amount flagged."""
    first = held.deduct("h", 20)
    held.set_cap("c", 0)
    held.now += SECOND
    with held.unchanged():
        assert held.deduct("h", 20, metadata=b"else") == first._replace(repetition=REPEATED, now_ms=held.now)
        assert held.deduct("h", 21) == first._replace(repetition=REUSED, now_ms=held.now)
        assert held.settle("h", 20) == first._replace(repetition=REPEATED, now_ms=held.now)
        assert held.deduct("h", "nan").code == Code.INVALID_AMOUNT  # comes before a repetition


def test_a_refusal_is_remembered(held):
    """The hold is gone, so the same request is refused alike although there would be room by now."""
    held.set_cap("c", 10)
    first = held.deduct("h", 50)
    held.remove_cap("r")
    held.grant("more", 100)
    with held.unchanged():
        assert held.deduct("h", 50) == first._replace(repetition=REPEATED)
        assert held.deduct("h", 1) == first._replace(repetition=REUSED)
        assert held.settle("h", 1).code == Code.LEASE_NOT_FOUND
        assert held.release("h").reason == 1


def test_totals_beyond_the_exact_range_refuse_and_free_the_hold(engine):
    """A total that would pass 2^53-1 is invalid_amount; like every refusal it frees the hold (SPEC 3)."""
    engine.grant("seed", 100)
    engine.reserve("h", 10)
    engine.forge_node(spent_total=MAX - 4)
    reply = engine.deduct("h", 5)
    assert reply[:7] == (Code.INVALID_AMOUNT, NOW, FRESH, 100, 0, 5, 10)
    assert (engine.entries()[-1].detail, engine.node().held) == ({"code": Code.INVALID_AMOUNT}, 0)
    assert engine.deduct("h", 5) == reply._replace(repetition=REPEATED)


def test_the_exact_range_comes_before_caps_and_money(engine):
    """invalid_* has precedence over cap_reached and insufficient_credits, as in reserve (SPEC 2)."""
    engine.grant("seed", 100)
    engine.set_cap("c", 20)
    engine.forge_node(spent_total=MAX - 4)
    for hold, asked in (("capped", 21), ("poor", 101)):
        engine.reserve(hold, 10)
        assert engine.deduct(hold, asked).code == Code.INVALID_AMOUNT, hold


def test_a_refusal_beyond_the_exact_range_keeps_the_memberships(engine):
    """As every refusal does: what the ledger says of the hold, its record says too."""
    engine.grant("a", 100)
    engine.grant("b", 100, path="x")
    engine.reserve("s", 1)
    engine.settle("s", 1)
    for hold, asked, code in (("h", MAX, Code.INVALID_AMOUNT), ("i", 101, Code.INSUFFICIENT_CREDITS)):
        engine.reserve(hold, 30, member="x")
        reply = engine.deduct(hold, asked)
        assert (reply.code, reply.notes) == (code, b"\xff\1\0x")
        assert engine.records("h", hold)[0].endswith(b"\xff\1\0x")
        again = engine.deduct(hold, asked)
        assert (again.code, again.notes.startswith(b"\xff\1\0x")) == (code, True)
