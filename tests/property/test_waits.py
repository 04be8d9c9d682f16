"""Waits and remainders against the definitions, carried out millisecond by millisecond with fractions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st

from ducto_redis.core import rates
from ducto_redis.core.limit_items import CONCURRENCY, FIXED, GCRA, SLIDING, LimitItem
from ducto_redis.core.packed import Note

HORIZON = 2000


@dataclass
class Plain:
    """A limit as docs/limits.md defines it; ``step`` is one millisecond."""

    kind: int
    limit: int
    capacity: int
    period: int
    at: int
    used: Fraction
    previous: int
    now: int

    @classmethod
    def of(cls, item, now):
        used = Fraction(item.used, item.period_ms) if item.kind == GCRA else Fraction(item.used)
        capacity = item.burst or item.limit
        start = cls(
            item.kind, item.limit, capacity, item.period_ms, item.at_ms, used, item.previous, min(item.at_ms, now)
        )
        while start.now < now:
            start.step()
        return start

    def step(self):
        self.now += 1
        if self.kind == GCRA:
            if self.now > self.at:
                self.used = max(self.used - Fraction(self.limit, self.period), Fraction(0))
        elif self.now == self.at + self.period:
            self.at, self.used, self.previous = self.now, Fraction(0), int(self.used)

    def fits(self, cost):
        counted = self.used
        if self.kind == SLIDING:
            # Milliseconds of the window before that lie within the last period.
            last = range(self.now - self.period, self.now)
            overlap = sum(self.at - self.period <= ms < self.at for ms in last) if self.now >= self.at else self.period
            counted += floor(Fraction(self.previous * overlap, self.period))
        return counted + cost <= self.capacity

    def wait(self, cost):
        other = replace(self)
        for waited in range(HORIZON):
            if other.fits(cost):
                return waited
            other.step()
        return None


@st.composite
def situations(draw):
    """An item at the present, a moment in its time or before it, a cost, and whether it was taken."""
    kind = draw(st.sampled_from([GCRA, FIXED, SLIDING]))
    limit, period = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    burst = draw(st.sampled_from([0, 1, 3, 15])) if kind == GCRA else 0
    most = (burst or limit) * 2
    used = draw(st.integers(0, most * period if kind == GCRA else most))
    previous = draw(st.integers(0, most)) if kind == SLIDING else 0
    at = draw(st.integers(1000, 1100))
    # As scripts leave it: a bucket's moment is now, now lies in the window; or ahead, after a step of the clock.
    when = st.integers(-period, 0 if kind == GCRA else period - 1)
    now = at + draw(when)
    item = LimitItem(kind, 0, limit, period, at, used, previous, burst)
    return item, now, draw(st.integers(0, 16)), draw(st.booleans())


def after(item, now, cost, admitted):
    plain = Plain.of(item, now)
    plain.used += cost if admitted else 0
    return plain


@settings(max_examples=300, deadline=None)
@given(situations())
def test_retry_after_is_exact(situation):
    """Refused at every millisecond before, admitted at that one; None exactly when it never fits."""
    item, now, cost, admitted = situation
    told = rates.retry_after(item, now, cost, admitted)
    if cost == 0:
        assert told == 0  # never refused
    elif cost > item.capacity:
        assert told is None
        assert after(item, now, cost, admitted).wait(cost) is None
    else:
        assert round(told * 1000) == after(item, now, cost, admitted).wait(cost)
        assert told == round(told * 1000) / 1000


@settings(max_examples=300, deadline=None)
@given(situations())
def test_remaining_and_reset_after_are_exact(situation):
    """What remains fits and one more does not; at the reset, and not before, all of it fits."""
    item, now, cost, admitted = situation
    plain = after(item, now, cost, admitted)
    left = rates.remaining(item, now, cost, admitted)
    assert plain.fits(left) or left == 0
    assert not plain.fits(left + 1)
    assert left == max(item.capacity - rates.used(item, now, cost, admitted), 0)
    assert round(rates.reset_after(item, now, cost, admitted) * 1000) == plain.wait(item.capacity)


def test_large_figures_are_exact():
    """At the end of the exact range a float would err; one unit of 2^53-1 over a day."""
    most = (2**53 - 1) // 86_400_000
    item = LimitItem(GCRA, 1, most, 86_400_000, 1_000, most * 86_400_000 - 1)
    assert rates.remaining(item, 1_000, 1, False) == 0
    assert rates.retry_after(item, 1_000, 1, False) == 0.001 * -(-(86_400_000 - 1) // most)
    sliding = LimitItem(SLIDING, 1, most, 86_400_000, 0, 0, most)
    assert rates.used(sliding, 43_200_001, 1, False) == most * 43_199_999 // 86_400_000


def test_before_its_time_a_window_stays_as_it_is():
    """A step back by up to a period: the window before counts in full, not more, until the clock has come back."""
    item = LimitItem(SLIDING, 0, 10, 100, 10_000, 2, 6)
    for now in (9_900, 9_950, 10_000):
        assert rates.used(item, now, 1, False) == 8
        assert rates.retry_after(item, now, 3, False) == (10_001 - now) / 1000
    assert rates.used(item, 10_001, 1, False) == 7


def test_open_holds_are_asked_for_again_in_a_second():
    """Nobody knows when one ends; more than the limit never passes."""
    item = LimitItem(CONCURRENCY, 0, 4, 0, 0, 4)
    assert [rates.retry_after(item, 5, cost, False) for cost in (0, 1, 5)] == [0.0, 1.0, None]
    assert rates.retry_after(item._replace(used=3), 5, 1, False) == 0.0
    assert rates.retry_after(item._replace(used=3), 5, 1, True) == 1.0
    assert (rates.remaining(item, 5, 1, False), rates.reset_after(item, 5, 1, False)) == (0, None)
    assert rates.reset_after(item._replace(used=0), 5, 1, False) == 0.0


def test_a_cap_is_waited_for_until_its_period_ends():
    """The next boundary when the amount fits the next period; never for a total one or a larger amount."""
    day, noon = 86_400_000, 43_200_001
    daily = Note(1, 4, 0, 1, 100, 90, 20)
    assert rates.cap_retry_after(daily, noon, 100) == 43_199.999
    assert rates.cap_retry_after(daily, noon, 101) is None
    assert rates.cap_retry_after(daily._replace(kind=6), noon, 1) is None
    timed = daily._replace(end_ms=5 * day + 7)
    assert rates.cap_retry_after(timed, noon, 1) == (5 * day + 7 - noon) / 1000
    assert rates.cap_retry_after(timed._replace(end_ms=2**47 - 1), noon, 1) is None
    assert rates.cap_retry_after(timed, 6 * day, 1) == 0.0
