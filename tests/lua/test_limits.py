"""set_limit.lua, remove_limit.lua, and what lib/rates does where holds are admitted and charges made."""

from __future__ import annotations

import pytest
from lua_kit import SECOND
from lua_limits import (
    CONCURRENCY,
    CONCURRENT,
    FIXED,
    GCRA,
    MINUTE,
    OK,
    RATE_LIMITED,
    SLIDING,
    Account,
    limit_of,
    told,
)

from ducto_redis.codes import Code


def test_gcra_admits_its_burst_then_one_per_interval(account):
    """2 per second with a burst of 3: three at once, then one each 500 ms, to the millisecond."""
    assert account.limit(GCRA, 2, burst=3) == OK
    assert account.fits() == 3
    account.wait(499)
    assert account.fits() == 0
    account.wait(1)
    assert account.fits() == 1
    account.wait(10 * SECOND)
    assert account.fits() == 3


def test_gcra_of_thirds_is_exact(account):
    """3 per second: an interval of a third of a second loses nothing by rounding, over many seconds."""
    account.limit(GCRA, 3, burst=1)
    passed = 0
    for _ in range(3000):
        passed += account.charge() == OK
        account.wait(1)
    assert passed == 9


def test_fixed_windows_are_aligned(account):
    """2 per minute: two in the last moment of a minute, two more in the first of the next."""
    account.limit(FIXED, 2, MINUTE)
    account.wait(MINUTE - 1)
    assert account.fits() == 2
    account.wait(1)
    assert account.fits() == 2


def test_fixed_weeks_begin_on_monday(account):
    """NOW is a Monday noon: the week ends at its midnight in six and a half days."""
    account.limit(FIXED, 2, 7 * 86_400 * SECOND)
    assert account.fits() == 2
    account.wait(13 * 43_200 * SECOND - 1)
    assert account.fits() == 0
    account.wait(1)
    assert account.fits() == 2


def test_sliding_counts_the_part_of_the_window_before(account):
    """10 a minute, all used: after a window and a fifth, eight of them count; after two windows none."""
    account.limit(SLIDING, 10, MINUTE)
    assert account.fits() == 10
    account.wait(MINUTE)
    assert account.fits() == 0
    account.wait(12 * SECOND)
    assert account.fits() == 2
    account.wait(2 * MINUTE)
    assert account.fits() == 10


def test_concurrency_counts_open_holds(account):
    """Two at once: a settled, a released and an expired hold each give their place to another; a charge needs none."""
    account.limit(CONCURRENT, 2, 0)
    account.reserve(hold="a")
    account.reserve(hold="b")
    assert account.reserve(hold="c").code == CONCURRENCY
    assert account.charge() == OK
    account.engine.settle("a", 1)
    assert account.reserve(hold="c").code == OK
    account.engine.release("b")
    assert account.reserve(hold="d").code == OK
    assert account.reserve(hold="e").code == CONCURRENCY
    account.wait(600 * SECOND)
    assert account.reserve(hold="e").code == OK
    assert account.reserve(hold="f").code == OK
    assert account.reserve(hold="g").code == CONCURRENCY


def test_what_expires_gives_its_place_back_whatever_comes_first(account):
    """The first script after the expiry sets, removes or lists a limit: the place is free in what it leaves."""
    account.limit(CONCURRENT, 1, 0)
    for first in (
        lambda: account.limit(GCRA, 50),
        lambda: (account.remove(limit_of(CONCURRENT, 1, 0)), account.limit(CONCURRENT, 1, 0)),
        lambda: account.limit(CONCURRENT, 1, 0, operation="chat"),
        lambda: account.limit(CONCURRENT, 1, 0),
        lambda: account.remove(limit_of(GCRA, 50)),
        account.engine.read,
        lambda: account.charge(10**6),
    ):
        assert account.reserve().code == OK
        account.wait(600 * SECOND)
        first()
        assert account.reserve().code == OK
        account.wait(600 * SECOND)
        account.engine.read()


def test_a_concurrency_limit_counts_what_is_open_already(account):
    """Set while two of its type are open, it has two."""
    for hold, operation in (("a", "chat"), ("b", "chat"), ("c", "image")):
        account.reserve(hold=hold, operation=operation)
    account.limit(CONCURRENT, 2, 0, operation="chat")
    assert account.reserve(operation="chat").code == CONCURRENCY
    assert account.reserve(operation="image").code == OK


def test_refused_takes_nothing_anywhere(account):
    """The cap refuses: neither the rate nor the concurrency limit has taken anything; all keys are byte-equal."""
    account.limit(GCRA, 5)
    account.limit(CONCURRENT, 5, 0)
    account.engine.set_cap("cap", 0)
    account.reserve()
    before = {key: account.engine.client.dump(key) for key in account.engine.keys}
    seen = account.reserve()
    assert seen.code == Code.CAP_REACHED
    assert told(seen.notes[25:]) == [(1, 0, 1, 0), (1, 0, 1, 0)]
    assert {key: account.engine.client.dump(key) for key in account.engine.keys} == before


def test_every_limit_that_refuses_is_told_and_concurrency_comes_first(account):
    """Precedence: concurrency, rate, cap, credits; the notes name both limits, and the cap before them."""
    account.limit(GCRA, 1)
    account.limit(CONCURRENT, 1, 0)
    account.reserve()
    account.engine.set_cap("cap", 0)
    seen = account.reserve(20_000)
    assert seen.code == CONCURRENCY
    assert [each.refused for each in told(seen.notes[25:])] == [1, 1]
    account.engine.now += SECOND
    assert account.charge(20_000) == Code.CAP_REACHED


def test_limits_of_every_level_decide(engine):
    """The root's 3 a second bind two accounts below together; the first takes no more once its own 2 are gone."""
    first, second = Account(engine, "x/alice"), Account(engine, "x/bob")
    first.limit(GCRA, 3, path="")
    first.limit(GCRA, 2)
    assert first.fits() == 2
    assert second.fits() == 1


def test_scopes_look_at_their_own(account):
    """A limit of a model, and one of a model and a type, let others pass."""
    account.limit(GCRA, 1, model="m")
    account.limit(GCRA, 2, model="m", operation="chat")
    assert account.charge(model="m", operation="image") == OK
    assert account.charge(model="m", operation="image") == RATE_LIMITED
    assert account.charge(model="other") == OK
    account.remove(limit_of(GCRA, 1, model="m"))
    assert [account.charge(model="m") for _ in range(3)] == [OK, OK, RATE_LIMITED]


def test_setting_again_keeps_what_was_used(account):
    """Of the same algorithm; with another it begins unused. What is identified is counts, period and scope."""
    account.limit(FIXED, 2, MINUTE)
    account.charge()
    account.limit(FIXED, 3, MINUTE)
    assert account.fits() == 2
    account.limit(SLIDING, 3, MINUTE)
    assert account.fits() == 3
    assert account.remove(limit_of(FIXED, 1, SECOND))[3] == 0
    assert account.remove(limit_of(GCRA, 9, MINUTE))[3] == 1
    assert account.charge() == OK


def test_a_step_back_of_the_clock(account):
    """By up to a period the windows stay until the clock comes back; after more the limit begins unused."""
    for kind in (FIXED, SLIDING):
        account.limit(kind, 2, MINUTE)
        assert account.fits() == 2
        account.wait(-30 * SECOND)
        assert account.fits() == 0
        account.wait(30 * SECOND)
        assert account.fits() == 0
        account.wait(-3600 * SECOND)
        assert account.fits() == 2
        account.wait(3600 * SECOND)


def test_a_bucket_neither_freezes_nor_gives_away(account):
    """GCRA over a step back: within a period nothing drains until the clock has come back; after more it is empty."""
    account.limit(GCRA, 2, MINUTE)
    assert account.fits() == 2
    account.wait(-10 * SECOND)
    assert account.fits() == 0
    account.wait(10 * SECOND)
    assert account.fits() == 0
    account.wait(-MINUTE)
    assert account.fits() == 0
    account.wait(-1)
    assert account.fits() == 2


@pytest.mark.parametrize("packed", [
    limit_of(9), limit_of(14), limit_of(limit=0), limit_of(period=0), limit_of(CONCURRENT), limit_of(limit=2**53),
    limit_of(counts=3), limit_of(GCRA, 2**40, MINUTE), limit_of(GCRA, 2, MINUTE, burst=2**40),
    limit_of(SLIDING, 2**40, MINUTE),
])  # fmt: skip
def test_what_cannot_be_kept_exactly_is_refused(account, packed):
    """Kinds, numbers and products out of range are invalid_argument; nothing is written."""
    before = account.engine.client.dump(account.engine.state_key)
    assert account.set(packed) == Code.INVALID_ARGUMENT
    assert account.engine.client.dump(account.engine.state_key) == before


def test_there_are_at_most_32(account):
    """The 33rd limit is refused; replacing one of the 32 is not."""
    for at in range(32):
        assert account.limit(FIXED, 5, (at + 1) * SECOND) == OK
    assert account.limit(FIXED, 5, 40 * SECOND) == Code.TOO_MANY_LIMITS
    assert account.limit(FIXED, 6, 32 * SECOND) == OK
    assert account.charge() == OK


def test_setting_a_limit_twice_under_one_id_sets_it_once(account):
    """A repetition is told; the limit that was set in between stands."""
    assert account.engine.run("set_limit", "", "cx", limit_of(FIXED, 1, MINUTE))[::2] == [OK, 0]
    account.limit(FIXED, 3, MINUTE)
    assert account.engine.run("set_limit", "", "cx", limit_of(FIXED, 1, MINUTE))[::2] == [OK, 1]
    assert account.fits() == 3
