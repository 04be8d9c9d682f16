"""settle.lua: what is charged, what it writes and answers, how caps and floor clamp it, and that it happens once."""

from __future__ import annotations

import pytest
from lua_cases import NO_AMOUNTS, UNUSABLE
from lua_kit import ADMIT, DENY, FRESH, MAX, MONTHLY, NOW, REPEATED, REUSED, SECOND, STRICT, WARN, Ended, holding
from lua_records import EXPIRE, HAS_ASKED, SETTLE, SETTLED, HoldRecord, Note, notes_in

from ducto_redis.codes import Code
from ducto_redis.core.packed import NOTE_FIRST, NOTE_OVER

LEVELS = ("", "search", "search/alice")


@pytest.fixture
def held(engine):
    engine.grant("seed", 100)
    engine.reserve("h", 30, ttl=60_000)
    return engine


def test_a_settle_is_one_entry_one_record_and_spend(held):
    """The reply tells charge, asked, hold and balance; entry, record, index and counters say the same."""
    held.now += SECOND
    reply = held.settle("h", 20, metadata=b'{"m":1}')
    assert reply == Ended(Code.OK, held.now, FRESH, 80, 20, 20, 30, held.last_id(), b"")
    entry = held.entries()[-1]
    assert (entry.kind, entry.at_ms, entry.amount, entry.balance_after) == (SETTLE, held.now, 20, 80)
    assert (entry.path, entry.field) == ("", "hh")
    assert entry.detail == {"flags": 3, "asked": None, "metadata": b'{"m":1}'}  # asked is what was charged
    assert held.hold("h") == HoldRecord(
        SETTLED, 3, 30, NOW + 60_000, 100, 30, charged=20, balance_after=80, asked=20,
        transaction=reply.transaction.decode(),
    )  # fmt: skip
    node = held.node()
    assert (node.balance, node.held, node.admitted, node.open_holds) == (80, 0, 0, 0)
    assert (node.spent_day, node.spent_month, node.spent_total) == (20, 20, 20)
    assert held.index() == {}


def test_spend_rolls_up_three_levels_and_the_payer_pays(engine):
    """The account's balance falls; the spend of day, month and in total counts at each level."""
    engine.grant("seed", 100, path="search/alice")
    engine.grant("seed", 100, path="search")
    engine.reserve("h", 30, "search/alice")
    engine.reserve("i", 10, "search", flags=STRICT)
    engine.settle("h", 25, "search/alice")
    engine.settle("i", 10, "search")
    assert [engine.node(path).balance for path in LEVELS] == [0, 90, 75]
    assert [engine.node(path)[3:6] for path in LEVELS] == [(35, 35, 35), (35, 35, 35), (25, 25, 25)]
    assert [holding(engine.node(path)) for path in LEVELS] == [(0, 0, 0)] * 3
    assert [entry.path for entry in engine.entries()[-2:]] == ["search/alice", "search"]


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_root_is_refused(engine, case):
    """Another generation, no namespace, a newer layout: the code says which and nothing is written."""
    make, code = UNUSABLE[case]
    make(engine)
    with engine.unchanged():
        assert engine.settle("h", 5) == Ended(code, NOW, FRESH, 0, 0, 5, 0, b"", b"")
        assert engine.settle("h", -1).code == Code.INVALID_AMOUNT  # comes before it


def test_amounts_out_of_range_are_refused(held):
    """invalid_amount for whatever is no amount from 0; the hold stays open."""
    with held.unchanged():
        for number in NO_AMOUNTS:
            assert held.settle("h", number) == Ended(Code.INVALID_AMOUNT, NOW, FRESH, 0, 0, 0, 0, b"", b""), number
    held.settle("h", 5)
    with held.unchanged():
        assert held.settle("h", -1).code == Code.INVALID_AMOUNT  # comes before a repetition


def test_nothing_charged_ends_the_hold(held):
    """0 frees everything and is a settle of its own, with an entry."""
    assert held.settle("h", 0)[:7] == (Code.OK, NOW, FRESH, 100, 0, 0, 30)
    assert (held.node().held, held.node().spent_total, held.entries()[-1].kind) == (0, 0, SETTLE)
    assert held.settle("h", 0).repetition == REPEATED


def test_a_hold_that_is_not_there(engine):
    """lease_not_found on an unknown root, an unknown account, an unknown id, another account's id, a released hold."""
    answer = Ended(Code.LEASE_NOT_FOUND, NOW, FRESH, 0, 0, 5, 0, b"", b"")
    with engine.unchanged():
        assert engine.settle("h", 5) == answer
    engine.grant("h", 100)
    engine.grant("h", 7, path="search")
    engine.reserve("h", 10)
    engine.reserve("gone", 10)
    engine.release("gone")
    engine.reserve("refused", 10)
    engine.deduct("refused", 101)
    with engine.unchanged():
        assert engine.settle("h", 5, "nobody") == answer
        assert engine.settle("h", 5, "search") == answer._replace(balance=7)
        for other in ("i", "H", ""):
            assert engine.settle(other, 5) == answer._replace(balance=100)
        for other in ("gone", "refused"):
            assert engine.settle(other, 5)[:6] == answer._replace(balance=100)[:6]


@pytest.mark.parametrize("late_ms", [0, 1, 10 * 86_400_000])
def test_a_hold_that_has_expired(held, late_ms):
    """lease_expired from the expiry on, charged nothing; the first such call frees the hold, others do nothing."""
    held.now += 60_000 + late_ms
    answer = Ended(Code.LEASE_EXPIRED, held.now, FRESH, 100, 0, 20, 30, b"", b"")
    assert held.settle("h", 20) == answer
    assert held.kinds()[2:] == [EXPIRE]
    with held.unchanged():
        assert held.settle("h", 20) == answer


def test_the_millisecond_before_the_expiry_settles(held):
    """A hold lives until its expiry, not up to and with it."""
    held.now += 59_999
    assert held.settle("h", 20).code == Code.OK


def test_a_repetition_answers_the_first_outcome(held):
    """The second settle charges nothing and tells the first: another amount is flagged."""
    held.set_cap("c", 10, action=WARN)
    first = held.settle("h", 20)
    assert len(notes_in(first.notes)) == 1
    held.set_cap("d", 0)
    held.grant("more", 50)
    held.now += SECOND
    with held.unchanged():
        assert held.settle("h", 20, metadata=b"else") == first._replace(repetition=REPEATED, now_ms=held.now)
        assert held.settle("h", 21) == first._replace(repetition=REUSED, now_ms=held.now)
        assert held.deduct("h", 20) == first._replace(repetition=REPEATED, now_ms=held.now)


def test_a_clamped_settle_is_repeated_by_what_was_asked(held):
    """Asked 150 and charged 100: asking 150 again repeats it, asking for 100 is another request."""
    first = held.settle("h", 150)
    assert first[3:7] == (0, 100, 150, 30)
    assert held.hold("h")[1] == 3 | HAS_ASKED
    assert (held.hold("h").asked, held.hold("h").charged) == (150, 100)
    assert held.entries()[-1].detail["asked"] == 150
    with held.unchanged():
        assert held.settle("h", 150) == first._replace(repetition=REPEATED)
        assert held.settle("h", 100) == first._replace(repetition=REUSED)


@pytest.mark.parametrize("flags", [ADMIT, ADMIT | STRICT, STRICT, 0])
@pytest.mark.parametrize(("floor", "charged"), [(0, 70), (10, 60), (40, 30), (-40, 110), (-MAX, 5_000)])
def test_the_floor_clamps_what_is_charged(engine, flags, floor, charged):
    """At most the hold's own amount and the free credits above its floor, in every mode; the rest is shortfall."""
    engine.grant("seed", 100)
    engine.reserve("other", 30)
    engine.reserve("h", 30, floor=floor, flags=flags)
    reply = engine.settle("h", 5_000)
    assert reply[:7] == (Code.OK, NOW, FRESH, 100 - charged, charged, 5_000, 30)
    assert engine.node().held == 30


def test_a_strict_settle_never_passes_a_deny_cap(engine):
    """Own admitted part and the least room of the deny caps of every level; warn caps clamp nothing."""
    engine.grant("seed", 1_000, path="search/alice")
    engine.set_cap("a", 100, path="search/alice")
    engine.set_cap("b", 80, MONTHLY, path="search")
    engine.set_cap("c", 10, action=WARN)
    engine.reserve("other", 20, "search/alice")
    engine.reserve("h", 30, "search/alice")
    assert engine.settle("h", 500, "search/alice")[4:6] == (60, 500)
    assert engine.settle("other", 500, "search/alice")[4:6] == (20, 500)
    assert engine.node("search").spent_month == 80


def test_a_lowered_limit_leaves_the_admitted_part(engine):
    """A hold that was admitted settles up to its amount though the limit lies below by now; nothing beyond."""
    engine.grant("seed", 100)
    engine.reserve("h", 30)
    engine.reserve("i", 30, flags=STRICT)
    engine.set_cap("c", 10)
    reply = engine.settle("h", 40)
    assert reply[4:6] == (30, 40)
    assert notes_in(reply.notes) == (Note(1, 4, DENY, NOTE_FIRST | NOTE_OVER, 10, 30, 0),)
    assert engine.settle("i", 30)[3:7] == (70, 0, 30, 30)  # was not admitted: no part of its own


@pytest.mark.parametrize("flags", [ADMIT, 0])
def test_other_modes_pass_a_cap_and_report_it(engine, flags):
    """Overdraft and postpaid charge what the floor allows; the caps that spend lies above are noted, level by level."""
    engine.grant("seed", 100, path="search")
    engine.set_cap("root", 40)
    engine.set_cap("own", 30, path="search")
    engine.set_cap("month", 60, MONTHLY, path="search")
    engine.reserve("h", 30, "search", flags=flags)
    reply = engine.settle("h", 50, "search")
    over = NOTE_FIRST | NOTE_OVER
    assert reply[3:7] == (50, 50, 50, 30)
    assert notes_in(reply.notes) == (Note(1, 4, DENY, over, 40, 50, 0), Note(2, 4, DENY, over, 30, 50, 0))
    assert engine.hold("h", "search").notes == notes_in(reply.notes)


def test_a_crossing_is_first_once(engine):
    """The charge that passes a cap is flagged; at the limit nothing is noted, above it every charge is."""
    engine.grant("seed", 1_000)
    engine.set_cap("c", 50, action=WARN)
    notes = []
    for at, amount in enumerate((50, 0, 1, 10, 0)):
        engine.reserve(f"h{at}", amount)
        notes.append(notes_in(engine.settle(f"h{at}", amount).notes))
    first, after = Note(1, 4, WARN, NOTE_FIRST, 50, 51, 0), Note(1, 4, WARN, 0, 50, 61, 0)
    assert notes == [(), (), (first,), (after,), ()]


def test_spend_beyond_the_exact_range_is_refused(engine):
    """A total that would pass 2^53-1, or a balance below its negative: invalid_amount, and the hold stays open."""
    engine.grant("seed", 100, path="search")
    engine.reserve("h", 10, "search", floor=-MAX)
    for path, forged, asked in (("", {"spent_total": MAX - 4}, 5), ("search", {"balance": 4 - MAX}, 5)):
        before = engine.node(path)
        engine.forge_node(path, **forged)
        with engine.unchanged():
            reply = engine.settle("h", asked, "search")
            assert (reply.code, reply.charged, reply.asked, reply.transaction) == (Code.INVALID_AMOUNT, 0, asked, b"")
        engine.forge_node(path, **before._asdict())
    assert engine.settle("h", 5, "search").code == Code.OK


def test_accounts_of_any_size_settle_on_one_root(engine):
    """Balances are exact up to 2^53-1 each, so a root and an account below it may both stand there and be charged."""
    engine.grant("seed", MAX)
    engine.grant("seed", MAX, path="search")
    assert engine.reserve("h", 3, "search").code == Code.OK
    assert engine.settle("h", 1, "search")[3:5] == (MAX - 1, 1)


def test_due_holds_elsewhere_on_the_root_are_freed(held):
    """A settle frees expired holds of other accounts first: EXPIRE before SETTLE, their counters in the same step."""
    held.grant("seed", 50, path="search/alice")
    held.reserve("due", 20, "search/alice", ttl=1_000)
    held.now += 1_000
    assert held.settle("h", 30).code == Code.OK
    assert [(entry.kind, entry.path) for entry in held.entries()[-2:]] == [(EXPIRE, "search/alice"), (SETTLE, "")]
    assert (held.node("search/alice").held, held.node().open_holds) == (0, 0)
