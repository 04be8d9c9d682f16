"""Other libraries as oracles of rate limits: the same random schedule is asked of one of them and of ours.

Both count in a unit of time of their own here, so that their floating-point times are exact and any difference is one
of definition:
- gcra is throttled-py's, whose clock is patched to count milliseconds as its seconds. Its burst is our burst, its
  emission interval period / limit, which the limits drawn make a multiple of 1/16 ms. Both start with an empty bucket.
- sliding is ``limits``' sliding window counter: windows aligned to 1970, the window before weighted by the part of it
  that lies within the last period, rounded down - as ours; its expiry of the window before never comes before that
  weight is 0. Weeks are not drawn: ours begin on Monday, theirs on Thursday. Its clock is patched to count 2^-k of
  a period, and schedules move by whole ones: its divisions are exact.
No schedule goes back in time or corrects: neither library knows that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import limits.storage.memory
import throttled
import throttled.utils
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.strategies import SlidingWindowCounterRateLimiter
from throttled.rate_limiter import per_duration

#: Parts of a period that ``limits`` counts in: periods in ms, each a whole number of them.
PARTS = {1_000: 8, 8_000: 64, 60_000: 32, 3_600_000: 128, 86_400_000: 1_024}


class Plan(NamedTuple):
    """A limit and what is asked of it: (milliseconds to wait, cost)."""

    algorithm: str
    counts: str
    limit: int
    period: int
    burst: int | None
    steps: list[tuple[int, int]]

    @property
    def rate(self) -> str:
        return f"{self.limit}/{self.period // 1000}s"


class Answer(NamedTuple):
    """``retry_ms`` of a refusal that waiting can cure."""

    admitted: bool
    remaining: int
    retry_ms: int | None = None


@st.composite
def gcra_plans(draw: Any) -> Plan:
    period = draw(st.sampled_from([1_000, 10_000, 60_000, 3_600_000]))
    limit = draw(st.sampled_from([1, 2, 4, 5, 8, 10, 16, 20, 25, 40, 50, 100]))
    burst = draw(st.one_of(st.none(), st.integers(1, 2 * limit)))
    counts = draw(st.sampled_from(["requests", "tokens", "amount"]))
    interval = period // limit
    waits = st.one_of(st.sampled_from([0, 0, interval - 1, interval, interval + 1]), st.integers(0, 3 * interval))
    costs = st.just(1) if counts == "requests" else st.integers(1, 1 + (burst or limit))
    return Plan("gcra", counts, limit, period, burst, draw(st.lists(st.tuples(waits, costs), min_size=40, max_size=60)))


@st.composite
def sliding_plans(draw: Any) -> Plan:
    period = draw(st.sampled_from(list(PARTS)))
    limit = draw(st.integers(1, 40))
    counts = draw(st.sampled_from(["requests", "tokens", "amount"]))
    parts, part = PARTS[period], period // PARTS[period]
    waits = st.one_of(st.sampled_from([0, 0, 0, 1, parts - 1, parts, 2 * parts]), st.integers(0, 1 + parts // 3))
    costs = st.just(1) if counts == "requests" else st.integers(1, 1 + limit // 2)
    steps = draw(st.lists(st.tuples(waits.map(lambda wait: wait * part), costs), min_size=40, max_size=60))
    return Plan("sliding", counts, limit, period, None, steps)


PLANS = {"gcra": gcra_plans(), "sliding": sliding_plans()}


@contextmanager
def throttled_gcra(plan: Plan, clock: Any) -> Iterator[Callable[[int], Answer]]:
    """throttled-py's GCRA with a store in memory."""
    quota = per_duration(timedelta(seconds=plan.period), plan.limit, plan.burst)

    def now() -> float:
        return float(clock.now_ms)

    with mock.patch.object(throttled.utils, "now_mono_f", now):
        kept = throttled.MemoryStore()
        limiter = throttled.Throttled("k", using=throttled.RateLimiterType.GCRA.value, quota=quota, store=kept)

        def ask(cost: int) -> Answer:
            result = limiter.limit("k", cost)
            is_curable = result.limited and cost <= (plan.burst or plan.limit)
            retry = math.ceil(result.state.retry_after) if is_curable else None
            return Answer(not result.limited, result.state.remaining, retry)

        yield ask


@contextmanager
def limits_sliding(plan: Plan, clock: Any) -> Iterator[Callable[[int], Answer]]:
    """The sliding window counter of ``limits`` with a storage in memory, whose thread that clears up is not started."""
    parts = PARTS[plan.period]
    part = plan.period // parts
    time = SimpleNamespace(time=lambda: clock.now_ms // part)
    timer = SimpleNamespace(start=lambda: None, is_alive=lambda: True)
    threading = SimpleNamespace(RLock=limits.storage.memory.threading.RLock, Timer=lambda *_: timer)
    with mock.patch.multiple(limits.storage.memory, time=time, threading=threading):
        limiter = SlidingWindowCounterRateLimiter(limits.storage.memory.MemoryStorage())
        item = RateLimitItemPerSecond(plan.limit, parts)

        def ask(cost: int) -> Answer:
            admitted = limiter.hit(item, "k", cost=cost)
            return Answer(admitted, limiter.get_window_stats(item, "k").remaining)

        yield ask


PEERS = {"gcra": throttled_gcra, "sliding": limits_sliding}
Opened = Callable[[Plan], Callable[[int], Answer]]


def compare(algorithm: str, examples: int, clock: Any, opened: Opened) -> Counter[str]:
    """Asks both the same, schedule by schedule; what was met, by name.

    Args:
        algorithm: "gcra" or "sliding".
        examples: How many schedules, of 40 decisions or more each.
        clock: Has ``now_ms``, of both.
        opened: Sets the limit for a new account of ours, and gives what asks of it.
    """
    tally: Counter[str] = Counter()

    @settings(max_examples=examples, derandomize=True, database=None, deadline=None)
    @given(PLANS[algorithm])
    def same(plan: Plan) -> None:
        clock.now_ms += -clock.now_ms % plan.period
        with PEERS[algorithm](plan, clock) as peer:
            ours = opened(plan)
            for at, (wait, cost) in enumerate(plan.steps):
                clock.now_ms += wait
                theirs, answer = peer(cost), ours(cost)
                seen = answer if algorithm == "gcra" else answer._replace(retry_ms=None)
                assert seen == theirs, f"decision {at} of {plan}: ours {seen}, theirs {theirs}"
                tally["decisions"] += 1
                tally["admitted" if theirs.admitted else "refused"] += 1

    same()
    assert min(tally["admitted"], tally["refused"]) >= tally["decisions"] // 10, tally
    return tally
