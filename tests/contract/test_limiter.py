"""The stand-alone limiter: every algorithm, all or nothing, waiting, steps of the clock - on each face and engine."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from inspect import iscoroutine

import pytest
from peers import Answer, compare
from told import in_ms

from ducto_redis import RateLimit

FIXED, SLIDING = {"algorithm": "fixed"}, {"algorithm": "sliding"}
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
#: Schedules of peers, as in test_peers.py, fewer: the decisions are the same scripts'.
EXAMPLES = {"sync-real": 20, "async-real": 8, "sync-embedded": 4, "async-embedded": 4}


class Naps(list):
    """Sleeps of ``wait``: noted, and the clock is moved; ``during`` happens in the first one, once."""

    def __init__(self, api) -> None:
        self.api, self.during = api, lambda: None
        self.sleep = self._asynchronous if api.asynchronous else self._synchronous

    def _synchronous(self, seconds) -> object:
        act, self.during = self.during, lambda: None
        self.append(seconds)
        outcome = act()
        self.api.clock.advance(seconds=seconds)
        return outcome

    async def _asynchronous(self, seconds) -> None:
        outcome = self._synchronous(seconds)
        if iscoroutine(outcome):
            await outcome


@pytest.fixture
def make(api):
    """Makes limiters of each combination on one clock, engine and namespace."""
    return api.limiter


def hits(limiter, count, limited_id="u"):
    return [limiter.hit(limited_id).allowed for _ in range(count)]


def test_gcra(api, make):
    """A burst, then one every period / limit, to the millisecond; burst= is what passes at once."""
    limiter = make(RateLimit("10/minute"))
    assert hits(limiter, 10) == [True] * 10
    refused = limiter.hit("u")
    assert (refused.allowed, refused.reason, refused.remaining) == (False, "rate_limited", 0)
    assert (refused.retry_after, refused.reset_after, refused.scope) == (6.0, 60.0, "u")
    api.clock.advance(milliseconds=5_999)
    assert limiter.hit("u").retry_after == 0.001
    api.clock.advance(milliseconds=1)
    assert hits(limiter, 2) == [True, False]
    bursting = make(RateLimit("10/minute", burst=3))
    assert hits(bursting, 4) == [True, True, True, False]
    assert bursting.peek("u", 4).retry_after is None


def test_fixed(api, make):
    """A window from the full minute, at noon: full until its end, then as if unused."""
    limiter = make(RateLimit("10/minute", **FIXED))
    assert hits(limiter, 11) == [True] * 10 + [False]
    assert limiter.hit("u").retry_after == 60.0
    api.clock.advance(milliseconds=59_999)
    assert limiter.hit("u").retry_after == 0.001
    api.clock.advance(milliseconds=1)
    assert limiter.hit("u", 10).remaining == 0


def test_sliding(api, make):
    """The window before counts by the part of it that is left."""
    limiter = make(RateLimit("10/minute", **SLIDING))
    assert hits(limiter, 11) == [True] * 10 + [False]
    assert limiter.hit("u").retry_after == 60.001
    api.clock.advance(seconds=90)
    assert limiter.peek("u").remaining == 5
    assert hits(limiter, 6) == [True] * 5 + [False]


@pytest.mark.parametrize("algorithm", ["gcra", "sliding"])
def test_the_same_decisions_as_a_peer(api, make, algorithm, record_property):
    """Every decision of every schedule is that of throttled-py (gcra) or limits (sliding)."""
    numbers = itertools.count(1)

    def opened(plan):
        limiter = make(RateLimit(plan.rate, burst=plan.burst, algorithm=algorithm))
        # The engine's own clock must not take a key away while the fake one stands.
        (limiter.face if api.asynchronous else limiter)._plan.ttl_ms = 3_600_000
        limited_id = f"peer{next(numbers)}"

        def ask(cost):
            told = limiter.hit(limited_id, cost)
            (notice,) = told.limits
            assert (notice.refused, told.cost) == (not told.allowed, cost)
            curable = notice.refused and told.retry_after is not None
            return Answer(told.allowed, told.remaining, in_ms(told.retry_after) if curable else None)

        return ask

    tally = compare(algorithm, EXAMPLES[api.name], api.clock, opened)
    record_property("figure", f"limiter, {algorithm}, {api.name}: {tally['decisions']} decisions, 0 differences")


def test_several_limits_all_or_nothing(api, make):
    """What one limit refuses is taken from none: nothing is written; the one that refused decides."""
    limiter = make(RateLimit("5/minute"), RateLimit("3/hour", **FIXED), RateLimit("4/hour", **SLIDING))
    assert hits(limiter, 3) == [True] * 3
    before = api.dumped()
    refused = limiter.hit("u")
    assert [limit.refused for limit in refused.limits] == [False, True, False]
    assert [limit.remaining for limit in refused.limits] == [2, 0, 1]
    assert (refused.limit, refused.decider.algorithm, refused.retry_after) == (3, "fixed", 3600.0)
    assert limiter.hit("u", 6).retry_after is None  # two of them can never give that much
    assert api.dumped() == before
    assert len(before) == 1


def test_peek_takes_nothing(api, make):
    """Before the first hit and after it, allowed or not: what hit would say, and the engine's data stay as they are."""
    limiter = make(RateLimit("3/minute"), RateLimit("9/hour", **SLIDING))
    assert limiter.peek("u").allowed
    assert api.dumped() == {}
    limiter.hit("u", 2)
    before = api.dumped()
    told = limiter.peek("u")
    assert (told.allowed, told.remaining, told.retry_after, told.cost) == (True, 1, 0.0, 1)
    assert limiter.peek("u", 2).retry_after == 20.0
    assert api.dumped() == before
    assert hits(limiter, 2) == [True, False]


def test_reset_forgets_one_id(api, make):
    """The id begins unused, another one does not; resetting what is not there is no error."""
    limiter = make(RateLimit("2/hour"))
    assert [limiter.hit(each, 2).allowed for each in ("u", "v")] == [True, True]
    assert limiter.reset("u") is None
    assert len(api.dumped()) == 1
    assert limiter.reset("u") is None
    assert [limiter.hit(each).allowed for each in ("u", "v")] == [True, False]


def test_wait_sleeps_exactly_until_it_passes(api, make):
    """Not at all when it passes; else one sleep of retry_after, however many limits there are."""
    naps = Naps(api)
    limiter = make(RateLimit("2/minute"), RateLimit("3/hour", **FIXED), sleep=naps.sleep)
    assert [limiter.wait("u").allowed for _ in range(2)] == [True, True]
    assert naps == []
    assert limiter.wait("u").allowed
    assert naps == [30.0]
    assert limiter.wait("u", timeout=3_600).allowed
    assert naps == [30.0, 3_570.0]
    assert make(RateLimit("2/minute")).wait("u", 2).allowed  # another set of limits, and the helper's own sleep
    slow = make(RateLimit("1/day"), sleep=naps.sleep)
    assert [slow.wait("u").allowed for _ in range(2)] == [True, True]
    assert naps[2:] == [3_600.0] * 24  # an hour at most, for something else may have made room


def test_others_pass_while_one_waits(api, make):
    """Who waits asks again, and sleeps again when another took what came free."""
    naps, other = Naps(api), make(RateLimit("2/minute"))
    limiter = make(RateLimit("2/minute"), sleep=naps.sleep)
    limiter.hit("u", 2)
    at_once = other.face if api.asynchronous else other
    naps.during = lambda: at_once.hit("u")  # a coroutine runs when the clock has moved
    if not api.asynchronous:
        naps.during = lambda: [api.clock.advance(seconds=30), other.hit("u"), api.clock.advance(seconds=-30)]
    assert limiter.wait("u").allowed
    assert naps == [30.0, 30.0]


def test_wait_gives_up(api, make):
    """A timeout ends with a refusal, after exactly its time; 0 asks once; what never fits is answered at once."""
    naps = Naps(api)
    limiter = make(RateLimit("2/minute"), sleep=naps.sleep)
    assert limiter.wait("u", 2, timeout=0).allowed
    refused = limiter.wait("u", timeout=0)
    assert (refused.allowed, refused.retry_after, naps) == (False, 30.0, [])
    refused = limiter.wait("u", timeout=12.5)
    assert (refused.allowed, refused.retry_after, naps) == (False, 17.5, [12.5])
    refused = limiter.wait("u", 3)
    assert (refused.allowed, refused.retry_after, naps) == (False, None, [12.5])
    assert limiter.wait("u", timeout=17.5).allowed
    assert [round(each, 6) for each in naps] == [12.5, 17.5]
    assert not limiter.wait("u", timeout=0.0004).allowed  # less than the server's time tells apart
    assert not limiter.wait("u", timeout=1 / 3).allowed
    assert naps[2:] == [0.333]


def test_a_clock_that_steps_back(api, make):
    """By up to a period no more passes than the limit; after a larger step the limit begins unused."""
    for options in ({}, FIXED, SLIDING):
        limiter = make(RateLimit("3/hour", **options))
        api.clock.set(NOON)  # where windows begin too
        assert hits(limiter, 4) == [True] * 3 + [False]
        api.clock.advance(hours=-1)
        assert hits(limiter, 2) == [False, False]
        api.clock.advance(hours=1)
        assert hits(limiter, 1) == [False]
        api.clock.advance(hours=-1, milliseconds=-1)
        assert hits(limiter, 4) == [True] * 3 + [False]
