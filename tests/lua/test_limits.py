"""set_limit.lua, remove_limit.lua, and what lib/rates and lib/correct_rates do where holds are admitted and ended."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from lua_kit import ADMIT, DEEP, NOW, SECOND, STRICT, Engine, field_of

from ducto_redis.codes import Code

GCRA, FIXED, SLIDING, CONCURRENT = 10, 11, 12, 13
REQUESTS, AMOUNT, TOKENS = 0, 1, 2
MINUTE = 60 * SECOND
OK, RATE_LIMITED, CONCURRENCY = Code.OK, Code.RATE_LIMITED, Code.CONCURRENCY_LIMIT


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little", signed=True)


def label_of(operation: str = "chat", model: str = "", tokens: int = 0) -> bytes:
    texts = bytes([len(operation)]) + operation.encode() + bytes([len(model)]) + model.encode() + b"\0"
    return texts + (number(tokens, 7) if tokens else b"")


def limit_of(kind=GCRA, limit=2, period=SECOND, *, counts=REQUESTS, burst=0, operation="", model="") -> bytes:
    scope = bool(operation or model)
    head = bytes([kind, counts + 16 * scope + 32 * bool(burst)]) + number(limit, 7) + number(period, 5)
    texts = bytes([len(operation)]) + operation.encode() + bytes([len(model)]) + model.encode()
    return (
        head + bytes(5 + 6 + 7) + (bytes(7) if kind == SLIDING else b"") + (number(burst, 7) if burst else b"")
        + (texts if scope else b"")
    )  # fmt: skip


class Told(NamedTuple):
    level: int
    refused: int
    cost: int
    used: int


def told(notes: bytes) -> list[Told]:
    """What a reply says of limits, of those without burst and scope."""
    at, found = notes.index(b"\0") + 1, []
    while at < len(notes):
        level, refused = notes[at : at + 2]
        cost, item = int.from_bytes(notes[at + 2 : at + 9], "little"), notes[at + 9 :]
        found.append(Told(level, refused, cost, int.from_bytes(item[25:32], "little")))
        at += 9 + 32 + (7 if item[0] == SLIDING else 0)
    return found


class Account:
    """An account with credits, on an engine."""

    def __init__(self, engine: Engine, path: str = "") -> None:
        self.engine, self.path, self.count = engine, path, 0
        engine.grant("seed" + path, 10_000, path=path)

    def limit(self, *args, path=None, **options) -> int:
        return self.set(limit_of(*args, **options), path)

    def set(self, packed: bytes, path: str | None = None) -> int:
        self.count += 1
        path = self.path if path is None else path
        return self.engine.run("set_limit", path, field_of("c", f"l{self.count}{path}", path), packed)[0]

    def remove(self, packed: bytes) -> list:
        self.count += 1
        return self.engine.run("remove_limit", self.path, field_of("c", f"l{self.count}", self.path), packed)

    def reserve(self, amount=1, hold=None, **label):
        self.count += 1
        return self.engine.reserve(
            hold or f"h{self.count}", amount, self.path, label=label_of(**label), flags=ADMIT | STRICT | DEEP
        )

    def charge(self, amount=1, **label) -> int:
        self.count += 1
        packed = label_of(**label)
        terms = number(amount, 7) + number(0, 7) + bytes([STRICT, len(packed)]) + packed
        field = field_of("d", f"d{self.count}", self.path)
        return self.engine.run("deduct", self.path, field, terms, b"")[0]

    def wait(self, ms: int) -> None:
        self.engine.now += ms

    def fits(self, most: int = 99) -> int:
        """How many charges pass in a row."""
        return next(at for at in range(most) if self.charge() != OK)


@pytest.fixture
def account(engine) -> Account:
    engine.now = NOW  # a full hour
    return Account(engine)


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


def test_a_hold_without_tokens_may_be_extended_by_some(account):
    """Its label gets them; the hold is still found by the same request, and its release gives them back."""
    account.limit(FIXED, 20, MINUTE, counts=TOKENS)
    account.reserve(1, hold="a")
    assert account.engine.run("extend", "", "ha", "ee", 0, 0, 20)[0] == OK
    assert account.charge(0, tokens=1) == RATE_LIMITED
    account.engine.release("a")
    assert account.charge(0, tokens=20) == OK


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
