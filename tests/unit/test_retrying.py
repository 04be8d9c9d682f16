"""When calls are sent again: deadline, full jitter, what is told at the end, and replies to our own repetitions."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from ducto_redis import RetryPolicy
from ducto_redis.core.steps import Call
from ducto_redis.drivers.asyncio import AsyncDriver
from ducto_redis.drivers.replies import Waits, read_replies
from ducto_redis.drivers.retrying import Attempts, own_reply
from ducto_redis.drivers.sync import SyncDriver
from ducto_redis.errors import (
    AuthenticationFailed,
    ConfigError,
    InvalidArgumentError,
    OutcomeUnknown,
    ScriptFailed,
    StoreUnavailable,
)

CALL = Call("reserve", (), (), list, "u", "id-1")


class Clock:
    """Time that passes only while a driver waits; the waits are kept."""

    def __init__(self, chance: float = 0.5) -> None:
        self.now_s = 100.0
        self.waited: list[float] = []
        self.chance = chance

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now_s += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def waits(self, *, asynchronous: bool) -> Waits:
        return Waits(self.asleep if asynchronous else self.sleep, lambda: self.now_s, lambda: self.chance)


class Fake:
    """Stands in for a client: the driver's own step is replaced."""

    connection_pool = None


def play(errors, policy, clock, *, asynchronous):
    """Runs one call whose attempts fail as told, then succeed; answers the result and which attempts were resent."""
    resent = []

    def attempt(_step, *, resent: bool):
        seen.append(resent)
        if errors:
            raise errors.pop(0)
        return "done"

    seen = resent

    async def aattempt(step, *, resent: bool):
        return attempt(step, resent=resent)

    def flow():
        return (yield CALL)

    if asynchronous:
        driver = AsyncDriver(Fake(), waits=clock.waits(asynchronous=True))
        driver.policy, driver._step = policy, aattempt
        return asyncio.run(driver.run_flow(flow())), seen
    driver = SyncDriver(Fake(), waits=clock.waits(asynchronous=False))
    driver.policy, driver._step = policy, attempt
    return driver.run_flow(flow()), seen


both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@both
def test_passing_failures_are_waited_out(asynchronous):
    """Delays double up to the cap, each drawn from 0 to its limit; only after a lost reply a call counts as resent."""
    clock = Clock()
    errors = [StoreUnavailable("away")] * 3 + [OutcomeUnknown("lost")] + [StoreUnavailable("away")] * 2
    result, resent = play(errors, RetryPolicy(10, 0.1, 0.8), clock, asynchronous=asynchronous)
    assert result == "done"
    assert clock.waited == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.4, 0.4])
    assert resent == [False, False, False, False, True, True, True]


@both
def test_the_deadline_ends_it(asynchronous):
    """No attempt begins at or after the deadline; the last error is told."""
    clock = Clock(chance=0.999)
    with pytest.raises(StoreUnavailable, match="away"):
        play([StoreUnavailable("away")] * 1000, RetryPolicy(2.0, 0.1, 0.5), clock, asynchronous=asynchronous)
    assert sum(clock.waited) < 2.0
    assert len(clock.waited) in (5, 6)


@both
@pytest.mark.parametrize("last", [StoreUnavailable("away"), ScriptFailed("OOM"), AuthenticationFailed("no")])
def test_after_a_lost_reply_nothing_else_is_certain(asynchronous, last):
    """However the last attempt failed, the first may have been executed: OutcomeUnknown with account, id, operation."""
    errors = [OutcomeUnknown("lost"), *[last] * 1000]
    with pytest.raises(OutcomeUnknown) as raised:
        play(errors, RetryPolicy(1.0), Clock(), asynchronous=asynchronous)
    assert (raised.value.user_id, raised.value.op_id, raised.value.operation) == ("u", "id-1", "reserve")
    assert str(last) in str(raised.value)


@both
@pytest.mark.parametrize("error", [ScriptFailed("WRONGTYPE"), ConfigError("no"), ValueError("bug")])
def test_other_failures_are_raised_at_once(asynchronous, error):
    """What repeating cannot mend is not repeated."""
    clock = Clock()
    with pytest.raises(type(error)):
        play([error], RetryPolicy(), clock, asynchronous=asynchronous)
    assert clock.waited == []


@both
def test_no_deadline_means_one_attempt(asynchronous):
    """deadline_s=0 never repeats."""
    clock = Clock()
    with pytest.raises(OutcomeUnknown):
        play([OutcomeUnknown("lost")], RetryPolicy(deadline_s=0), clock, asynchronous=asynchronous)
    assert clock.waited == []


def test_jitter_is_full():
    """A delay is the drawn share of its limit, from nothing up; it never passes the cap however often it failed."""
    for chance in (0.0, 0.25, 0.999):
        attempts = Attempts(RetryPolicy(3600, 0.01, 0.5), CALL, 0)
        delays = [attempts.delay_s(StoreUnavailable("away"), 0, chance) for _ in range(100)]
        assert delays[:3] == pytest.approx([0.01 * chance, 0.02 * chance, 0.04 * chance])
        assert delays[-1] == pytest.approx(0.5 * chance)


@pytest.mark.parametrize("field", ["deadline_s", "base_s", "cap_s"])
@pytest.mark.parametrize("value", [-1, 3601, float("nan"), float("inf"), True, "1", None])
def test_odd_policies_are_refused(field, value):
    """Every number has a bound."""
    with pytest.raises(InvalidArgumentError, match=field):
        RetryPolicy(**{field: value})


def test_our_own_first_attempt_is_no_repetition():
    """A reply that says "repeated" to a call of ours that was sent before is the first answer; "reused" stays."""
    assert own_reply("reserve", [0, 1, 1, 5]) == [0, 1, 0, 5]
    assert own_reply("reserve", [0, 1, 2, 5]) == [0, 1, 2, 5]
    assert own_reply("release", [0, 1, 1, 5]) == [0, 1, 0, 5]
    assert own_reply("release", [0, 1, 3, 0]) == [0, 1, 3, 0]
    settled = [0, 1, 1, 5, 5, 5, 5, b"", b"", 0, 1, 5, 5, 5, 9, b""]
    assert own_reply("settle", settled)[2] == own_reply("settle", settled)[10] == 0
    assert own_reply("charge_many", [[0, 1, 1], [0, 1, 0]]) == [[0, 1, 0], [0, 1, 0]]
    assert own_reply("read_account", [0, 1, 1]) == [0, 1, 1]


def test_what_cannot_be_resolved_says_so():
    """resolve() without a store behind it is a clear error."""
    with pytest.raises(ConfigError, match="cannot be resolved"):
        OutcomeUnknown("lost").resolve()


def test_a_batch_that_was_executed_in_part_is_not_called_unavailable():
    """One call was refused for now: with another executed the batch is unknown, without one it was not executed."""
    batch, later = [CALL, CALL], ReadOnlyError("replica")
    with pytest.raises(OutcomeUnknown, match="1 of 2"):
        read_replies(batch, [[0, 1, 0], later], resent=False)
    with pytest.raises(StoreUnavailable):
        read_replies(batch, [later, later], resent=False)
    with pytest.raises(ScriptFailed):
        read_replies(batch, [[0, 1, 0], ResponseError("WRONGTYPE")], resent=False)
    assert read_replies(batch, [[0, 1, 1], [0, 1, 2]], resent=True) == [[0, 1, 0], [0, 1, 2]]


@both
def test_the_steps_of_an_operation_share_one_deadline(asynchronous):
    """Reading the configuration took most of the time: the call itself has only the rest."""
    clock, failures = Clock(chance=0.999), 5

    def flow():
        yield CALL
        return (yield CALL)

    def attempt(_step, *, resent):  # noqa: ARG001 - as the driver calls it
        nonlocal failures
        failures -= 1
        if failures:
            raise StoreUnavailable("away")
        return "done"

    async def aattempt(step, *, resent):
        return attempt(step, resent=resent)

    driver = AsyncDriver(Fake(), waits=clock.waits(asynchronous=True)) if asynchronous else None
    driver = driver or SyncDriver(Fake(), waits=clock.waits(asynchronous=False))
    driver.policy, driver._step = RetryPolicy(2.0, 0.1, 0.5), aattempt if asynchronous else attempt
    with pytest.raises(StoreUnavailable):
        asyncio.run(driver.run_flow(flow())) if asynchronous else driver.run_flow(flow())
    assert 1.0 < sum(clock.waited) < 2.0
