"""set_spend_cap.lua: registers or replaces a cap, once, and leaves what was spent."""

from __future__ import annotations

import pytest
from lua_cases import HOSTILE, UNUSABLE
from lua_kit import (
    BALANCE,
    DAILY,
    DAY,
    DENY,
    FRESH,
    MAX,
    MONTHLY,
    NOTIFY,
    NOW,
    REPEATED,
    SECOND,
    THRESHOLD,
    WARN,
    CapSet,
)
from lua_records import CAP_SET, DONE, EXPIRE

from ducto_redis.codes import Code


def test_a_cap_is_one_entry_one_record_and_an_item(engine):
    """The account is opened when there is none; entry and record say what was registered."""
    assert engine.set_cap("op", 500, MONTHLY, WARN) == CapSet(Code.OK, NOW, FRESH)
    (entry,) = engine.entries()
    assert (entry.kind, entry.sequence, entry.at_ms, entry.amount, entry.balance_after) == (CAP_SET, 1, NOW, 500, 0)
    assert (entry.path, entry.field) == ("", "cop")
    assert entry.detail == {"kind": MONTHLY, "action": WARN, "limit": 500}
    assert engine.caps() == ((MONTHLY, WARN, 500),)
    assert engine.records("c", "op") == (bytes([DONE]), None)
    assert engine.node()[:6] == (0, 0, 0, 0, 0, 0)
    assert (engine.root().sequence, engine.root().rotated_ms) == (1, NOW)


def test_a_cap_below_opens_every_level(engine):
    """The account and its ancestors exist afterwards, the cap stands at its own level."""
    engine.set_cap("op", 500, path="search/alice")
    assert all(engine.node(path) for path in ("", "search", "search/alice"))
    assert [engine.caps(path) for path in ("", "search", "search/alice")] == [(), (), ((DAILY, DENY, 500),)]
    assert engine.entries()[0].field == "cop/search/alice"
    assert engine.grant("seed", 9, path="search/alice").balance == 9


def test_daily_and_monthly_stand_side_by_side_and_are_replaced(engine):
    """One cap per period: registering again changes action and limit at once and nothing else."""
    engine.set_cap("a", 100, DAILY, DENY)
    engine.set_cap("b", 200, MONTHLY, WARN)
    engine.set_cap("c", 50, DAILY, NOTIFY)
    assert set(engine.caps()) == {(DAILY, NOTIFY, 50), (MONTHLY, WARN, 200)}
    engine.set_cap("d", 60, MONTHLY, DENY)
    assert set(engine.caps()) == {(DAILY, NOTIFY, 50), (MONTHLY, DENY, 60)}
    assert [entry.amount for entry in engine.entries()] == [100, 200, 50, 60]


def test_the_spend_of_the_period_stays(engine):
    """A cap registered at noon knows the morning; one that replaces another, too."""
    engine.grant("seed", 100)
    engine.reserve("h", 30)
    engine.settle("h", 30)
    engine.set_cap("a", 31)
    assert (engine.reserve("i", 2).code, engine.reserve("i", 1).code) == (Code.CAP_REACHED, Code.OK)
    engine.set_cap("b", 33)
    assert (engine.reserve("j", 3).code, engine.reserve("j", 2).code) == (Code.CAP_REACHED, Code.OK)
    assert engine.node().spent_day == 30
    assert engine.entries()[-2].balance_after == 70


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_root_is_refused(engine, case):
    """Another generation, no namespace, a newer layout: the code says which and nothing is written."""
    make, code = UNUSABLE[case]
    make(engine)
    with engine.unchanged():
        assert engine.set_cap("op", 5) == CapSet(code, NOW, FRESH)
        assert engine.set_cap("op", "nan").code == Code.INVALID_AMOUNT  # comes before it
        assert engine.set_cap("op", 5, kind=3).code == Code.INVALID_ARGUMENT  # and so does this


@pytest.mark.parametrize("known", [False, True])
def test_limits_that_are_no_plain_integers_are_refused(engine, known):
    """invalid_amount for whatever is no plain integer from 0 to 2^53-1; the caps stay."""
    if known:
        engine.set_cap("first", 7)
    with engine.unchanged():
        for text in (*HOSTILE, -1, -MAX):
            assert engine.set_cap("op", text) == CapSet(Code.INVALID_AMOUNT, NOW, FRESH), text
        assert engine.set_cap("op", "nan", kind=10, action=9).code == Code.INVALID_AMOUNT  # comes first


@pytest.mark.parametrize(("limit", "stored"), [(0, 0), ("-0", 0), ("00", 0), (MAX, MAX)])
def test_the_ends_of_the_range(engine, limit, stored):
    """A limit of 0 - "-0" too - forbids everything, 2^53-1 nothing; both are stored exactly."""
    assert engine.set_cap("op", limit).code == Code.OK
    assert engine.caps() == ((DAILY, DENY, stored),)
    assert engine.entries()[0].amount == engine.entries()[0].detail["limit"] == stored


def test_unknown_kinds_and_actions_are_refused(engine):
    """Only the six periods and three actions; text is none of them."""
    with engine.unchanged():
        for text in ("", "0", "1", "3", "10", "4.5", "-4", "nan", "inf", "daily", "44"):
            assert engine.set_cap("op", 5, kind=text) == CapSet(Code.INVALID_ARGUMENT, NOW, FRESH), text
        for text in ("", "3", "-1", "0.5", "nan", "inf", "deny", "256"):
            assert engine.set_cap("op", 5, action=text) == CapSet(Code.INVALID_ARGUMENT, NOW, FRESH), text


def test_thresholds_and_low_balances_have_bounds(engine):
    """1 to 100 per cent, growing, at most 8, none of a shadow; a low balance takes no zone, model or per cent."""
    with engine.unchanged():
        for percents in (b"\0", bytes([101]), bytes([50, 50]), bytes([80, 50]), bytes(range(1, 10))):
            assert engine.set_cap("op", 5, percents=percents).code == Code.INVALID_ARGUMENT, percents
        assert engine.set_cap("op", 5, action=16, percents=b"\x32").code == Code.INVALID_ARGUMENT
        for other in ({"zone": "Europe/Berlin"}, {"model": "m"}, {"percents": b"\x32"}):
            assert engine.set_cap("op", 5, BALANCE, THRESHOLD, **other).code == Code.INVALID_ARGUMENT, other
        assert engine.set_cap("op", 5, DAILY, THRESHOLD).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("limit", [0, 1, 3, 99, 100, 101, 2**53 - 1, 2**53 - 100])
def test_a_threshold_is_exact(engine, limit):
    """The last spend below ceil(limit x per cent / 100), also where the product leaves the exact range."""
    percents = (1, 33, 50, 99, 100)
    engine.set_cap("op", limit, percents=bytes(percents))
    assert [cap.limit for cap in engine.caps()[1:]] == [-(-limit * percent // 100) - 1 for percent in percents]
    assert [cap.action for cap in engine.caps()[1:]] == [THRESHOLD + percent for percent in percents]


def test_thresholds_take_no_place_of_caps(engine):
    """A low balance and thresholds are not counted among the 32; the 33rd cap is refused with them there."""
    engine.set_cap("low", 5, BALANCE, THRESHOLD)
    for at, kind in enumerate((DAILY, MONTHLY, 6)):
        engine.set_cap(f"c{at}", 5, kind, percents=bytes([1, 2, 3]))
    start = (NOW // 3_600_000) * 3_600_000
    bounds = (start, start + 3_600_000, start, start + 3_600_000)
    for at in range(29):
        assert engine.set_cap(f"m{at}", 5, 7, model=f"m{at}", bounds=bounds).code == Code.OK
    assert engine.set_cap("more", 5, 7, model="more", bounds=bounds).code == Code.TOO_MANY_CAPS
    assert engine.set_cap("again", 6, MONTHLY, percents=bytes([4])).code == Code.OK
    assert engine.set_cap("low again", 6, BALANCE, THRESHOLD).code == Code.OK


@pytest.mark.parametrize(("kind", "action"), [("0x4", "0x0"), (" 4", "0 "), ("4e0", "-0"), ("4.0", "+0")])
def test_another_spelling_of_a_kind_is_stored_as_the_number(engine, kind, action):
    """Kind and action are compared as numbers; however they are spelled, what is stored is a daily deny cap."""
    if engine.set_cap("op", 5, kind=kind, action=action).code == Code.OK:
        assert engine.caps() == ((DAILY, DENY, 5),)


def test_a_repetition_changes_nothing(engine):
    """The same id registers once, whatever is asked the second time and whatever was changed in between."""
    engine.set_cap("op", 100)
    engine.set_cap("other", 50)
    engine.now += SECOND
    with engine.unchanged():
        assert engine.set_cap("op", 100) == CapSet(Code.OK, engine.now, REPEATED)
        assert engine.set_cap("op", 7, MONTHLY, WARN) == CapSet(Code.OK, engine.now, REPEATED)
        assert engine.set_cap("op", -1).code == Code.INVALID_AMOUNT  # comes before a repetition
    assert engine.set_cap("op", 1, path="search").repetition == FRESH  # ids are scoped by account


def test_a_repetition_just_after_the_rotation_is_found(engine):
    """Ids of the library's own are remembered for at least 15 minutes, across a rotation of the stores."""
    engine.set_cap("first", 1)
    engine.now += DAY - 1
    engine.set_cap("op", 100)
    engine.now += 1
    engine.grant("turn", 1)
    assert engine.root().rotation == 3
    engine.now += 15 * 60 * SECOND - 1
    with engine.unchanged():
        assert engine.set_cap("op", 5).repetition == REPEATED


def test_due_holds_are_freed_first(engine):
    """EXPIRE before CAP_SET; a repetition frees as well."""
    engine.grant("seed", 10)
    engine.reserve("h", 5, ttl=1_000)
    engine.reserve("i", 5, ttl=2_000)
    engine.now += 1_000
    engine.set_cap("op", 1)
    assert engine.kinds()[3:] == [EXPIRE, CAP_SET]
    engine.now += 1_000
    assert engine.set_cap("op", 1).repetition == REPEATED
    assert engine.kinds()[5:] == [EXPIRE]
