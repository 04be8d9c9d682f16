"""The stand-alone limiter without IO: names of keys, times to live, how long to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_rates import Bucket, Windows

from ducto_redis import InvalidArgumentError, LimitNotice, RateDecision, RateLimit
from ducto_redis.core.hitting import LONGEST_PAUSE_S, HitPlan, checked_timeout, pause_s
from ducto_redis.core.limit_items import ALGORITHMS, GCRA, read_limits

LIMITS = st.one_of(
    st.builds(RateLimit, st.just("7/minute"), burst=st.one_of(st.none(), st.integers(1, 100))),
    st.builds(
        RateLimit, st.sampled_from(["1/s", "7/minute", "9/10s"]), algorithm=st.sampled_from(["fixed", "sliding"])
    ),
)


def test_the_call():
    """One key, of digest and id; the limits as the script takes them. A digest that changes would lose all state."""
    plan = HitPlan("n", (RateLimit("5/minute"), RateLimit("2/s", algorithm="sliding")))
    call = plan.call("hit", "a/b", 2)
    assert (call.script, call.keys) == ("hit", (b"n:{13}:q:874b3e6c83109c0d:a%2Fb",))
    assert call.args == (plan.packed, 2, "hit", 120_000)
    assert [(item.limit, item.period_ms) for item in read_limits(plan.packed)] == [(5, 60_000), (2, 1_000)]
    assert (call.user_id, call.op_id) == ("a/b", None)


def full(item, at_ms):
    """The reference model's limit, used up at a moment."""
    terms = (ALGORITHMS[item.kind], "requests", item.limit, item.period_ms, item.burst or None)
    made = Bucket(*terms) if item.kind == GCRA else Windows(*terms)
    made.take(at_ms, item.capacity)
    return made


@given(st.lists(LIMITS, min_size=1, max_size=3), st.floats(0, 1))
def test_a_key_lives_until_nothing_counts(limits, part):
    """Full limits, a state as far ahead of the clock as a step back allows: after the time to live all is unused."""
    plan = HitPlan("n", tuple(limits))
    for item in read_limits(plan.packed):
        kept = full(item, 10**9 + int(item.period_ms * part))
        assert kept.used(10**9) == item.capacity
        assert kept.used(10**9 + plan.ttl_ms) == 0


def decision(retry_after, refused=True):
    notice = LimitNotice(scope="u", algorithm="gcra", counts="requests", limit=1, period_ms=1, used=1, remaining=0,
                         reset_after=1.0, retry_after=retry_after, refused=refused)  # fmt: skip
    return RateDecision(id="u", error_code="rate_limited" if refused else None, limits=(notice,))


@pytest.mark.parametrize(
    ("retry_after", "left_s", "pause"),
    [
        (2.5, float("inf"), 2.5), (2.5, 2.5, 2.5), (2.5, 1.0, 1.0), (2.5, 0.0015, 0.002), (2.5, 0.0009, None),
        (2.5, 0.0, None), (2.5, -1.0, None), (None, 10.0, None), (10.0**12, float("inf"), LONGEST_PAUSE_S),
        (0.001, 0.001, 0.001),
    ],
)  # fmt: skip
def test_pauses(retry_after, left_s, pause):
    """retry_after, no longer than what is left and an hour; none when it is over or never passes, never of nothing."""
    assert pause_s(decision(retry_after), left_s) == pause
    assert pause_s(decision(0.0, refused=False), left_s) is None


def test_timeouts():
    """None is for ever; anything but seconds of 0 or more is refused."""
    assert [checked_timeout(each) for each in (None, 0, 1.5, float("inf"))] == [float("inf"), 0, 1.5, float("inf")]
    for timeout in (-0.1, float("nan"), True, "1", [1]):
        with pytest.raises(InvalidArgumentError, match="timeout must be"):
            checked_timeout(timeout)
