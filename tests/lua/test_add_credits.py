"""add_credits.lua: what a grant writes and answers, what it refuses, and that it happens once."""

from __future__ import annotations

import pytest
from lua_cases import HOSTILE, UNUSABLE
from lua_kit import ADJUSTMENT, DAY, DEEP, FRESH, MAX, NOW, PURCHASE, REPEATED, REUSED, SECOND, Grant
from lua_records import DONE, EXPIRE, GRANT, HOLD, Cursor
from redis.exceptions import ResponseError

from ducto_redis.codes import Code

QUARTER = 15 * 60 * SECOND


def test_a_grant_is_one_entry_one_record_and_a_balance(engine):
    """The reply tells the balance after it and the entry's id; entry, record, root and node say the same."""
    detail = b'\x08purchase{"a":1}'
    reply = engine.grant("op", 250, PURCHASE, detail=detail)
    assert reply == Grant(Code.OK, NOW, FRESH, 250, 250, 250, engine.last_id())
    (entry,) = engine.entries()
    assert (entry.kind, entry.sequence, entry.at_ms, entry.amount, entry.balance_after) == (GRANT, 1, NOW, 250, 250)
    assert (entry.root, entry.path, entry.field) == ("acme", "", "gop")
    assert entry.detail == {"flags": PURCHASE, "type": "purchase", "metadata": b'{"a":1}'}
    root = engine.root()
    assert (root.layout, root.sequence, root.rotated_ms, root.rotation) == (1, 1, NOW, 0)
    assert (root.next_expiry_ms, root.current_last_ms, root.previous_last_ms) == (0, 0, 0)
    record = Cursor(engine.records("g", "op")[0])
    assert (record.byte(), record.number(), record.number(), record.number()) == (DONE, 250, 250, 250)
    assert record.rest() == bytes([len(reply.transaction)]) + reply.transaction
    assert engine.records("g", "op")[1] is None
    assert engine.lifetime() == 250


def test_the_flag_kept_in_the_ledger_is_not_the_one_for_looking_back(engine):
    """Flags 1 and 2 are what was granted and stand in the entry; 4 only tells where to look for a repetition."""
    engine.grant("a", 1, PURCHASE | DEEP)
    engine.grant("b", 1, ADJUSTMENT | DEEP)
    engine.grant("c", 1, DEEP)
    assert [entry.detail["flags"] for entry in engine.entries()] == [PURCHASE, ADJUSTMENT, 0]


def test_only_purchases_grow_lifetime_purchased(engine):
    """Seeds and adjustments do not; every reply tells the present figure, per account."""
    replies = [
        engine.grant("a", 10),
        engine.grant("b", 20, PURCHASE),
        engine.grant("c", -7, ADJUSTMENT),
        engine.grant("d", 5, PURCHASE),
        engine.grant("e", 3, PURCHASE, path="search"),
    ]
    assert [(reply.balance, reply.lifetime) for reply in replies] == [(10, 0), (30, 20), (23, 20), (28, 25), (3, 3)]
    assert (engine.lifetime(), engine.lifetime("search")) == (25, 3)


def test_an_account_is_opened_with_its_ancestors_and_pays_alone(engine):
    """A grant three levels down opens all three; only that account has the credits."""
    engine.grant("op", 40, path="search/alice")
    balances = {path: engine.node(path).balance for path in ("", "search", "search/alice")}
    assert balances == {"": 0, "search": 0, "search/alice": 40}
    assert engine.node("search/bob") is None
    (entry,) = engine.entries()
    assert (entry.path, entry.field, entry.balance_after) == ("search/alice", "gop/search/alice", 40)
    engine.grant("other", 5)
    assert [engine.node(path).balance for path in ("", "search", "search/alice")] == [5, 0, 40]


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_root_is_refused(engine, case):
    """Another generation, no namespace, a newer layout: the code says which and nothing is written."""
    make, code = UNUSABLE[case]
    make(engine)
    with engine.unchanged():
        assert engine.grant("op", 100) == Grant(code, NOW, FRESH, 0, 100, 0, b"")
        assert engine.grant("first", 100).code == code  # before a repetition is looked for
        assert engine.grant("op", 0).code == Code.INVALID_AMOUNT  # comes before it
        assert engine.grant("op", 100, path="search").code == code


@pytest.mark.parametrize("flags", [0, PURCHASE, ADJUSTMENT])
def test_amounts_that_are_no_plain_integers_are_refused(engine, flags):
    """What tonumber would take - hex, exponents, spaces, nan - is invalid_amount, on a new root and on a known one."""
    for known in (False, True):
        if known:
            engine.grant("first", 100)
        with engine.unchanged():
            for text in HOSTILE:
                assert engine.grant("op", text, flags)[:3] == (Code.INVALID_AMOUNT, NOW, FRESH), text


def test_only_an_adjustment_may_take_away_or_be_nothing(engine):
    """0 and less are refused for other grants; the smallest and the greatest amounts are exact."""
    with engine.unchanged():
        for flags in (0, PURCHASE, DEEP):
            for amount in (0, "-0", -1, -MAX):
                reply = engine.grant("op", amount, flags)
                assert reply == Grant(Code.INVALID_AMOUNT, NOW, FRESH, 0, int(amount), 0, b"")
    assert engine.grant("a", -MAX, ADJUSTMENT).balance == -MAX
    assert engine.grant("b", MAX, ADJUSTMENT).balance == 0
    assert engine.grant("c", MAX).balance == MAX
    assert [entry.balance_after for entry in engine.entries()] == [-MAX, 0, MAX]


def test_minus_zero_is_zero(engine):
    """ "-0" is a plain integer: an adjustment by nothing, stored and told as 0."""
    assert engine.grant("op", "-0", ADJUSTMENT)[3:6] == (0, 0, 0)
    assert engine.entries()[0].amount == 0
    assert engine.records("g", "op")[0][1:15] == bytes(14)
    assert engine.grant("op", "0", ADJUSTMENT).repetition == REPEATED


def test_leading_zeros_do_not_matter_within_seventeen_characters(engine):
    """ "00000000000000005" is 5; an eighteenth character is refused whatever it says (in the hostile list)."""
    assert engine.grant("op", "0" * 16 + "5").balance == 5


def test_a_balance_beyond_the_exact_range_is_refused(engine):
    """Neither the balance nor lifetime_purchased passes 2^53-1; the account stays as it was."""
    engine.grant("a", MAX - 10, PURCHASE)
    with engine.unchanged():
        assert engine.grant("b", 11) == Grant(Code.INVALID_AMOUNT, NOW, FRESH, MAX - 10, 11, 0, b"")
        assert engine.grant("b", MAX).code == Code.INVALID_AMOUNT
    engine.grant("c", -MAX + 10, ADJUSTMENT)
    with engine.unchanged():
        assert engine.grant("d", 11, PURCHASE).code == Code.INVALID_AMOUNT  # lifetime alone would pass
    assert engine.grant("d", 10, PURCHASE)[3:6] == (10, 10, MAX)
    assert engine.grant("e", -MAX, ADJUSTMENT).balance == 10 - MAX
    with engine.unchanged():
        assert engine.grant("f", -11, ADJUSTMENT).code == Code.INVALID_AMOUNT
    assert engine.grant("f", -10, ADJUSTMENT).balance == -MAX


def test_a_refused_first_grant_opens_nothing(engine):
    """An account whose first grant is refused does not exist afterwards, though its root does."""
    engine.grant("a", 1)
    engine.forge_node("search", balance=MAX)
    with engine.unchanged():
        assert engine.grant("b", 1, path="search").code == Code.INVALID_AMOUNT
        assert engine.grant("b", 0, path="search/new").code == Code.INVALID_AMOUNT


def test_a_repetition_answers_the_first_outcome(engine):
    """The same id grants once: same amount repeated, another one flagged, both told as the first was - even when a
    grant of that size would be refused by now."""
    first = engine.grant("op", 10, PURCHASE)
    engine.grant("more", MAX - 10)
    engine.now += 5 * SECOND
    with engine.unchanged():
        assert engine.grant("op", 10, PURCHASE) == first._replace(repetition=REPEATED, now_ms=engine.now)
        assert engine.grant("op", 11, PURCHASE) == first._replace(repetition=REUSED, now_ms=engine.now)
        assert engine.grant("op", 11, PURCHASE | DEEP).repetition == REUSED
        assert engine.grant("op", 0).code == Code.INVALID_AMOUNT  # comes before a repetition


def test_a_refusal_is_not_remembered(engine):
    """An id that was refused executes when it is sent with a good amount."""
    assert engine.grant("op", 0).code == Code.INVALID_AMOUNT
    assert engine.grant("op", 5)[:4] == (Code.OK, NOW, FRESH, 5)


def test_ids_are_scoped_by_account(engine):
    """The same id on another account of the root is another grant; so is an id that reads like a path."""
    for path in ("", "a", "a/b"):
        assert engine.grant("op", 1, path=path).repetition == FRESH
    assert engine.grant("op%2Fa", 1).repetition == FRESH
    assert [entry.field for entry in engine.entries()] == ["gop", "gop/a", "gop/a/b", "gop%2Fa"]


def test_a_repetition_is_found_in_the_previous_store(engine):
    """After the rotation everyone looks there for 15 minutes; who brings an own id (flag 4) as long as it is kept."""
    first = engine.grant("op", 10)
    engine.now += DAY
    rotated = engine.now
    engine.grant("turn", 1)
    assert (engine.root().rotation, engine.root().rotated_ms) == (3, rotated)
    assert engine.records("g", "op")[0]
    engine.now = rotated + QUARTER - 1
    assert engine.grant("op", 10) == first._replace(repetition=REPEATED, now_ms=engine.now)
    engine.now = rotated + DAY - 1
    assert engine.grant("op", 10, DEEP).repetition == REPEATED
    engine.now = rotated + DAY
    engine.grant("turn again", 1)
    assert engine.records("g", "op") == (None, None)
    assert engine.grant("op", 10, DEEP).repetition == FRESH


def test_due_holds_are_freed_first(engine):
    """A grant after a hold's expiry writes EXPIRE and GRANT, in this order; a repetition frees as well."""
    engine.grant("a", 100)
    engine.reserve("h", 30, ttl=1_000)
    engine.reserve("i", 20, ttl=2_000)
    engine.now += 1_000
    assert engine.grant("b", 5).balance == 105
    assert engine.kinds() == [GRANT, HOLD, HOLD, EXPIRE, GRANT]
    engine.now += 1_000
    assert engine.grant("b", 5).repetition == REPEATED
    assert engine.kinds()[5:] == [EXPIRE]
    assert engine.node().held == 0


def test_flags_that_are_no_number_stop_the_script(engine):
    """Flags come from the library alone; text in their place is an error before anything is written."""
    engine.grant("first", 1)
    with engine.unchanged():
        for flags in ("", "five", "1 2", "--1"):
            with pytest.raises(ResponseError):
                engine.grant("op", 5, flags)
