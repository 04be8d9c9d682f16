"""What lib/correct_rates and extensions make of an estimate: settled, released, extended, followed by a successor."""

from __future__ import annotations

from lua_kit import MAX, SECOND
from lua_limits import (
    AMOUNT,
    CONCURRENCY,
    CONCURRENT,
    FIXED,
    GCRA,
    MINUTE,
    OK,
    RATE_LIMITED,
    REQUESTS,
    SLIDING,
    TOKENS,
    number,
    told,
)

from ducto_redis.codes import Code


def test_tokens_are_corrected_at_settle(account):
    """100 tokens a minute, all estimated; 30 were used: 70 are there again. Without a word the estimate stands."""
    account.limit(FIXED, 100, MINUTE, counts=TOKENS)
    account.reserve(hold="a", tokens=100)
    assert account.charge(tokens=1) == RATE_LIMITED
    assert account.charge() == OK
    account.engine.settle("a", 1, options=bytes([4, 0]) + bytes(7 + 6 + 2) + number(30, 7))
    assert account.reserve(hold="b", tokens=71).code == RATE_LIMITED
    assert account.reserve(hold="b", tokens=70).code == OK
    account.engine.settle("b", 1)
    assert account.charge(tokens=1) == RATE_LIMITED


def test_amounts_are_corrected_by_what_was_asked(account):
    """An estimate of 10, 4 asked in the end, then 14 of 10: the limit knows what was used, beyond itself too."""
    account.limit(SLIDING, 20, MINUTE, counts=AMOUNT)
    account.reserve(10, hold="a")
    account.engine.settle("a", 4)
    assert account.reserve(16, hold="b").code == OK
    account.engine.settle("b", 26)
    seen = account.reserve(1)
    assert (seen.code, told(seen.notes)) == (RATE_LIMITED, [(1, 1, 1, 30)])


def test_a_release_gives_back_what_has_not_drained(account):
    """GCRA, 60 a minute: of 60 estimated 20 have drained in 20 s, 40 are given back - all is free, no more."""
    account.limit(GCRA, 60, MINUTE, counts=AMOUNT)
    account.reserve(60, hold="a")
    account.wait(20 * SECOND)
    assert account.reserve(20, hold="b").code == OK
    account.engine.release("a")
    assert account.reserve(41, hold="c").code == RATE_LIMITED
    assert account.reserve(40, hold="c").code == OK


def test_a_window_that_is_over_takes_nothing_back(account):
    """A hold of the minute before gives its estimate back to nobody; in the sliding one to that minute."""
    account.limit(FIXED, 10, MINUTE, counts=AMOUNT)
    account.limit(SLIDING, 20, MINUTE, counts=TOKENS)
    account.reserve(10, hold="a", tokens=20)
    account.wait(MINUTE)
    assert account.charge(6) == OK
    account.engine.release("a")
    assert account.charge(5) == RATE_LIMITED
    assert account.charge(4, tokens=20) == OK


def test_a_limit_set_after_the_admission_is_not_corrected(account):
    """It never counted the hold, so the hold's end gives it nothing - though another limit did count it."""
    account.limit(FIXED, 100, MINUTE, counts=REQUESTS)
    account.reserve(10, hold="a")
    account.limit(FIXED, 10, MINUTE, counts=AMOUNT)
    assert account.charge(10) == OK
    account.engine.release("a")
    assert account.charge(1) == RATE_LIMITED


def test_an_extension_and_a_successor_are_no_requests(account):
    """They take their amounts only; the successor takes its predecessor's place."""
    account.limit(FIXED, 1, MINUTE)
    account.limit(FIXED, 10, MINUTE, counts=AMOUNT)
    account.limit(CONCURRENT, 1, 0)
    account.reserve(4, hold="a")
    extend = ("extend", "", "ha", "ee", 3, 0, 0)
    assert account.engine.run(*extend)[0] == OK
    assert account.engine.run("extend", "", "ha", "ef", 4, 0, 0)[0] == RATE_LIMITED
    options = bytes([2, 0]) + number(5, 7) + number(600_000, 6) + (4).to_bytes(2, "little") + b"ha:1"
    reply = account.engine.run("settle", "", "ha", number(5, 7) + options, b"")
    assert (reply[0], reply[9]) == (OK, OK)
    assert account.reserve(0).code == CONCURRENCY


def test_an_extension_adds_to_the_estimate_of_tokens(account):
    """It is gated by what is left, sent again it takes nothing, and settling corrects the sum."""
    account.limit(FIXED, 20, MINUTE, counts=TOKENS)
    account.reserve(1, hold="a", tokens=5)
    extend = ("extend", "", "ha", "ee", 1, 0)
    assert account.engine.run(*extend, 10)[0] == OK
    assert account.engine.run(*extend, 10)[::2][:2] == [OK, 1]
    assert account.engine.run(*extend, 9)[2] == 2
    assert account.engine.run("extend", "", "ha", "ef", 1, 0, 6)[0] == RATE_LIMITED
    assert account.engine.entries()[-1].detail["tokens"] == 10
    assert account.charge(0, tokens=6) == RATE_LIMITED
    tokens = bytes([4, 0]) + number(0, 7) + number(600_000, 6) + bytes(2) + number(7, 7)
    assert account.engine.run("settle", "", "ha", number(2, 7) + tokens, b"")[0] == OK
    assert account.charge(0, tokens=13) == OK
    assert account.charge(0, tokens=1) == RATE_LIMITED


def test_an_estimate_stays_in_the_exact_range(account):
    """More than 2^53-1 tokens in all are refused, and the hold stays as it is."""
    account.limit(FIXED, MAX, MINUTE, counts=TOKENS)
    account.reserve(1, hold="a", tokens=5)
    with account.engine.unchanged():
        assert account.engine.run("extend", "", "ha", "ee", 0, 0, MAX - 4)[0] == Code.INVALID_ARGUMENT
        for strange in ("-1", "1.5", "nan", "", "x"):
            assert account.engine.run("extend", "", "ha", "ee", 0, 0, strange)[0] == Code.INVALID_ARGUMENT
    assert account.engine.run("extend", "", "ha", "ee", 0, 0, MAX - 5)[0] == OK


def test_a_hold_without_tokens_may_be_extended_by_some(account):
    """Its label gets them; the hold is still found by the same request, and its release gives them back."""
    account.limit(FIXED, 20, MINUTE, counts=TOKENS)
    account.reserve(1, hold="a")
    assert account.engine.run("extend", "", "ha", "ee", 0, 0, 20)[0] == OK
    assert account.charge(0, tokens=1) == RATE_LIMITED
    account.engine.release("a")
    assert account.charge(0, tokens=20) == OK
