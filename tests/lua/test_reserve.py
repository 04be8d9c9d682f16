"""reserve.lua: what a hold writes and answers, its bounds, and that it happens once. The gate: test_reserve_gate.py."""

from __future__ import annotations

import pytest
from lua_cases import NO_AMOUNTS, UNUSABLE
from lua_kit import ADMIT, DAY, DEEP, FRESH, MAX, NOW, REPEATED, REUSED, SECOND, STRICT, Held, holding
from lua_records import EXPIRE, GRANT, HAS_FLOOR, HOLD, IS_ADMITTED, IS_STRICT, OPEN, HoldRecord
from redis.exceptions import ResponseError

from ducto_redis.codes import Code

MAX_TTL = 7 * DAY


@pytest.fixture
def funded(engine):
    engine.grant("seed", 100)
    return engine


def test_a_hold_is_one_entry_one_record_one_expiry_and_counters(funded):
    """The reply tells balance and held after it; entry, record, index, root and node say the same."""
    reply = funded.reserve("h", 30, floor=5, ttl=60_000, label=b"\x05usage", metadata=b'{"m":1}')
    assert reply == Held(Code.OK, NOW, FRESH, 100, 30, 30, NOW + 60_000, b"")
    entry = funded.entries()[-1]
    assert (entry.kind, entry.sequence, entry.at_ms, entry.amount, entry.balance_after) == (HOLD, 2, NOW, 30, 100)
    assert (entry.root, entry.path, entry.field) == ("acme", "", "hh")
    assert entry.detail == {
        "expires_ms": NOW + 60_000, "flags": IS_ADMITTED | IS_STRICT | HAS_FLOOR, "floor": 5, "label": "\x05usage",
        "metadata": b'{"m":1}',
    }  # fmt: skip
    assert funded.hold("h") == HoldRecord(OPEN, 3 | HAS_FLOOR, 30, NOW + 60_000, 100, 30, floor=5, label="\x05usage")
    assert funded.index() == {"hh": NOW + 60_000}
    assert (funded.root().next_expiry_ms, funded.root().current_last_ms) == (NOW + 60_000, NOW + 60_000)
    node = funded.node()
    assert (node.balance, node.held, node.admitted, node.open_holds, node.spent_total) == (100, 30, 30, 1, 0)


@pytest.mark.parametrize("flags", range(8))
def test_the_flags_are_kept_in_the_hold(funded, flags):
    """Admitted and strict stand in record and entry, a strict one or not; looking back (4) is not kept."""
    funded.reserve("h", 30, flags=flags)
    assert funded.hold("h").flags == funded.entries()[-1].detail["flags"] == flags % 4
    node = funded.node()
    assert (node.held, node.admitted, node.open_holds) == (30, 30 * (flags % 2), 1)


def test_a_hold_counts_at_every_level_and_is_held_at_the_payer(engine):
    """Three levels: admitted and the number of holds roll up, held stays with the account that pays."""
    engine.grant("seed", 100, path="search/alice")
    engine.grant("seed", 50, path="search")
    assert engine.reserve("h", 30, "search/alice")[3:5] == (100, 30)
    assert engine.reserve("i", 20, "search")[3:5] == (50, 20)
    assert engine.reserve("j", 10, "search/alice", flags=STRICT)[3:5] == (100, 40)
    counted = {path: holding(engine.node(path)) for path in ("", "search", "search/alice")}
    assert counted == {"": (0, 50, 3), "search": (20, 50, 3), "search/alice": (40, 30, 2)}
    assert [entry.field for entry in engine.entries()[2:]] == ["hh/search/alice", "hi/search", "hj/search/alice"]
    assert [entry.reference for entry in engine.entries()[2:]] == ["hh", "hi", "hj"]
    assert set(engine.index()) == {"hh/search/alice", "hi/search", "hj/search/alice"}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_root_is_refused(engine, case):
    """Another generation, no namespace, a newer layout: the code says which and nothing is written."""
    make, code = UNUSABLE[case]
    make(engine)
    with engine.unchanged():
        assert engine.reserve("h", 10) == Held(code, NOW, FRESH, 0, 0, 10, 0, b"")
        assert engine.reserve("h", 10, "search", flags=ADMIT).code == code  # before account_unknown
        assert engine.reserve("h", -1).code == Code.INVALID_AMOUNT  # comes before it
        assert engine.reserve("h", 10, ttl=0).code == Code.INVALID_ARGUMENT  # and so does this


@pytest.mark.parametrize("argument", ["amount", "floor"])
def test_amounts_out_of_range_are_refused(engine, argument):
    """What an amount cannot be is refused for amount and floor, on a new root and on a known one."""
    for known in (False, True):
        if known:
            engine.grant("seed", 100)
        with engine.unchanged():
            for number in NO_AMOUNTS[2 if argument == "floor" else 0 :]:
                reply = engine.reserve("h", **{"amount": 5, argument: number})
                assert reply[:3] == (Code.INVALID_AMOUNT, NOW, FRESH), number
                assert reply.amount == (0 if argument == "amount" else 5)


def test_terms_that_are_cut_off_change_nothing(funded):
    """An argument that is not the packed one stops the script before it writes."""
    terms = (5).to_bytes(7, "little") + bytes(7) + (600_000).to_bytes(6, "little") + b"\x03\x05label"
    with funded.unchanged():
        for size in range(len(terms)):
            with pytest.raises(ResponseError):
                funded.run("reserve", "", "hh", terms[:size], b"")
    assert funded.run("reserve", "", "hh", terms, b"")[0] == Code.OK


def test_the_ends_of_the_ranges(engine):
    """Amounts from 0 to 2^53-1, floors from -(2^53-1): one beyond is refused, the last one is exact."""
    engine.grant("seed", MAX)
    with engine.unchanged():
        for amount in (-1, -MAX, MAX + 1):
            assert engine.reserve("h", amount).code == Code.INVALID_AMOUNT
    assert engine.reserve("none", 0)[:6] == (Code.OK, NOW, FRESH, MAX, 0, 0)
    assert engine.hold("none")[2:7] == (0, NOW + 600_000, MAX, 0, 0)
    assert engine.reserve("floor", 0, floor=MAX).code == Code.OK
    assert engine.reserve("lowest", 1, floor=-MAX)[3:5] == (MAX, 1)
    assert engine.hold("lowest").floor == -MAX
    assert engine.reserve("all", MAX - 1)[3:6] == (MAX, MAX, MAX - 1)
    assert engine.entries()[-1].amount == MAX - 1


def test_the_bounds_of_the_time_to_live(funded):
    """1 s to 7 days, to the millisecond; the expiry is now plus the TTL."""
    with funded.unchanged():
        for ttl in (0, 999, -1000, MAX_TTL + 1, 2**47 - 1):
            assert funded.reserve("h", 1, ttl=ttl) == Held(Code.INVALID_ARGUMENT, NOW, FRESH, 0, 0, 1, 0, b"")
        assert funded.reserve("h", -1, ttl=0).code == Code.INVALID_AMOUNT  # comes first
        assert funded.reserve("h", 1, floor=MAX + 1, ttl=0).code == Code.INVALID_AMOUNT
    assert funded.reserve("short", 1, ttl=1_000).expires_ms == NOW + 1_000
    assert funded.reserve("long", 1, ttl=MAX_TTL).expires_ms == NOW + MAX_TTL
    root = funded.root()
    assert (root.next_expiry_ms, root.current_last_ms) == (NOW + 1_000, NOW + MAX_TTL)


def test_a_repetition_answers_the_first_outcome(funded):
    """The same id holds once; balance, held and expiry are told as they were, whatever happened since."""
    first = funded.reserve("h", 30)
    funded.set_cap("c", 0)
    funded.reserve("other", 20, flags=0)
    funded.now += 5 * SECOND
    with funded.unchanged():
        assert funded.reserve("h", 30) == first._replace(repetition=REPEATED, now_ms=funded.now)
        for changed in ({"amount": 31}, {"amount": MAX}, {"label": b"other"}, {"label": b""}):
            reply = funded.reserve("h", **{"amount": 30, **changed})
            assert reply == first._replace(repetition=REUSED, now_ms=funded.now), changed
        assert funded.reserve("h", -1).code == Code.INVALID_AMOUNT  # comes before a repetition
        assert funded.reserve("h", 30, ttl=1).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("floor", [0, 5, -5])
def test_a_repetition_finds_label_and_notes_behind_the_floor(funded, floor):
    """A floor other than 0 stands between: the same label is the same request, another one is not, notes come back."""
    funded.set_cap("c", 10)
    first = funded.reserve("h", 30, floor=floor, flags=0)
    assert (len(first.notes), funded.hold("h").floor) == (25, floor)
    with funded.unchanged():
        assert funded.reserve("h", 30, floor=floor, flags=0) == first._replace(repetition=REPEATED)
        assert funded.reserve("h", 30, floor=floor, flags=0, label=b"x") == first._replace(repetition=REUSED)


@pytest.mark.parametrize("ending", ["settle", "deduct", "deduct refused", "release", "expiry"])
def test_a_hold_that_has_ended_is_not_made_again(funded, ending):
    """Sending a reserve again after its hold ended answers the first outcome and holds nothing."""
    first = funded.reserve("h", 30)
    end = {
        "settle": lambda: funded.settle("h", 10),
        "deduct": lambda: funded.deduct("h", 10),
        "deduct refused": lambda: funded.deduct("h", 101),
        "release": lambda: funded.release("h"),
        "expiry": lambda: None,
    }
    end[ending]()
    funded.now = first.expires_ms
    funded.read()
    with funded.unchanged():
        assert funded.reserve("h", 30) == first._replace(repetition=REPEATED, now_ms=funded.now)
        assert funded.reserve("h", 40) == first._replace(repetition=REUSED, now_ms=funded.now)
    assert funded.node().held == 0


def test_notes_of_a_hold_past_the_caps_are_repeated(funded):
    """A hold that is not admitted names the caps that would refuse; its repetition names them as they stood."""
    funded.set_cap("c", 10)
    first = funded.reserve("h", 30, flags=STRICT)
    assert len(first.notes) == 25
    funded.set_cap("d", 5)
    assert funded.reserve("h", 30, flags=STRICT) == first._replace(repetition=REPEATED)


def test_a_refusal_is_not_remembered(funded):
    """An id that was refused holds when it fits."""
    with funded.unchanged():
        assert funded.reserve("h", 101).code == Code.INSUFFICIENT_CREDITS
    assert funded.reserve("h", 100)[:3] == (Code.OK, NOW, FRESH)


def test_ids_are_scoped_by_account_and_operation(engine):
    """One id makes a grant, and a hold on each account of the root."""
    for path in ("", "a", "a/b"):
        engine.grant("op", 10, path=path)
        assert engine.reserve("op", 10, path).repetition == FRESH
    assert set(engine.index()) == {"hop", "hop/a", "hop/a/b"}


def test_an_own_id_is_looked_for_in_the_previous_store(funded):
    """Flag 4 finds a repetition after a rotation, however late within a day; without it for 15 minutes."""
    first = funded.reserve("h", 30)
    funded.now += DAY
    funded.grant("turn", 1)
    assert funded.root().rotation == 3
    funded.now += 15 * 60 * SECOND - 1
    assert funded.reserve("h", 30)[2:] == first._replace(repetition=REPEATED)[2:]
    funded.now += DAY // 2
    with funded.unchanged():
        assert funded.reserve("h", 30, flags=ADMIT | STRICT | DEEP)[2:] == first._replace(repetition=REPEATED)[2:]


def test_due_holds_are_freed_before_the_decision(funded):
    """Credits of a hold that has expired are there for the next one, and freed too when that one is refused."""
    funded.reserve("h", 100, ttl=1_000)
    funded.now += 999
    assert funded.reserve("i", 1).code == Code.INSUFFICIENT_CREDITS
    funded.now += 1
    assert funded.reserve("i", 100, ttl=1_000).code == Code.OK
    funded.now += 1_000
    assert funded.reserve("j", 101)[:6] == (Code.INSUFFICIENT_CREDITS, funded.now, FRESH, 100, 0, 101)
    assert funded.kinds() == [GRANT, HOLD, EXPIRE, HOLD, EXPIRE]


def test_a_repetition_at_the_moment_of_expiry(funded):
    """The first call after the expiry may be the reserve sent again: answered as at first, freed once."""
    first = funded.reserve("h", 60, ttl=1_000)
    funded.reserve("other", 30)
    funded.now += 1_000
    assert funded.reserve("h", 60, ttl=1_000)[2:] == first._replace(repetition=REPEATED)[2:]
    assert (funded.node().held, funded.kinds()[3:]) == (30, [EXPIRE])


def test_a_label_of_255_bytes_is_kept(funded):
    """The longest label comes back whole, with what stands behind it."""
    label = bytes(range(128)) + b"x" * 127
    funded.set_cap("c", 1)
    first = funded.reserve("h", 30, flags=0, label=label, metadata=b"m" * 2048)
    assert funded.hold("h").label == label.decode()
    assert funded.entries()[-1].detail["metadata"] == b"m" * 2048
    assert funded.reserve("h", 30, flags=0, label=label) == first._replace(repetition=REPEATED)
