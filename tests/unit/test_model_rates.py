"""The reference model of limits itself: beside other libraries, beside its own history, and rule by rule."""

from __future__ import annotations

import itertools
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_rates import WEEK_MS, Bucket, Windows
from model_work import Model
from peers import Answer, Plan, compare

NOON = 1_781_524_800_000  # a Monday
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.fixture
def model():
    made = Model(NOON)
    made.open_account("a/b")
    return made


_keys = itertools.count(1)


def charge(world, amount=1, account="a/b", **options):
    return world.charge(account, amount, f"k{next(_keys)}", mode="postpaid", **options)


def reserve(world, amount=1, account="a/b", ttl_ms=600_000, **options):
    key = f"k{next(_keys)}"
    made = world.reserve(account, key, amount=amount, ttl_ms=ttl_ms, mode="postpaid", floor=0, admit=True, **options)
    return made["hold_id"], made


def admitted(model, count, **options):
    """How many of some charges pass."""
    return sum(charge(model, **options)["error_code"] is None for _ in range(count))


def used(model, account="a/b"):
    return [each[4] for each in model.listed_limits(account)["limits"]]


@pytest.mark.parametrize("algorithm", ["gcra", "sliding"])
def test_the_model_decides_like_a_peer(algorithm, record_property):
    """Over 2,000 decisions of gcra as by throttled-py, of sliding as by ``limits``: the same, remaining too."""
    model, clock = Model(0), SimpleNamespace(now_ms=NOON)
    numbers = itertools.count(1)

    def opened(plan: Plan):
        account = f"peer{next(numbers)}"
        model.open_account(account)
        model.set_limit(account, plan.algorithm, plan.counts, plan.limit, plan.period, burst=plan.burst)

        def ask(cost: int) -> Answer:
            model.now = clock.now_ms
            amount, tokens = (cost, 0) if plan.counts == "amount" else (1, cost if plan.counts == "tokens" else 0)
            told = charge(model, amount, account, tokens=tokens)
            ((*_, remaining, _, _, _, _, _, refused, retry),) = told["limits"]
            assert refused == (told["error_code"] == "rate_limited")
            return Answer(not refused, remaining, retry if retry > 0 else None)

        return ask

    tally = compare(algorithm, 45, clock, opened)
    record_property("figure", f"model and peer, {algorithm}: {tally['decisions']} decisions, 0 differences")
    assert tally["decisions"] >= 2_000


asks = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 6)), max_size=60)


@given(asks, st.integers(1, 9), st.integers(1, 12))
def test_a_bucket_keeps_the_rate_over_every_span(steps, limit, burst):
    """Between any two admissions pass at most the burst and what drains in between."""
    bucket, now = Bucket("gcra", "requests", limit, SECOND, burst), NOON
    for wait, cost in steps:
        now += wait
        if bucket.fits(now, cost):
            bucket.take(now, cost)
        elif cost <= burst:
            later = now + bucket.retry_ms(now, cost)
            assert bucket.fits(later, cost)
            assert not bucket.fits(later - 1, cost)
    for first, last in itertools.combinations_with_replacement(range(len(bucket.log)), 2):
        span = bucket.log[last][0] - bucket.log[first][0]
        assert sum(cost for _, cost in bucket.log[first : last + 1]) <= burst + Fraction(limit * span, SECOND)


@given(asks, st.integers(1, 9), st.sampled_from(["fixed", "sliding"]))
def test_windows_keep_their_limit(steps, limit, algorithm):
    """No calendar second admits more than the limit; fixed refuses only what would."""
    windows, now = Windows(algorithm, "requests", limit, SECOND), NOON
    for wait, cost in steps:
        now += wait
        in_window = sum(each for at, each in windows.log if at // SECOND == now // SECOND)
        fits = windows.fits(now, cost)
        assert not (fits and in_window + cost > limit)
        assert algorithm == "sliding" or fits == (in_window + cost <= limit)
        if fits:
            windows.take(now, cost)


def test_sliding_weighs_the_window_before():
    """Of 10 used before, 7.5 count after a quarter of the next window, rounded down."""
    windows = Windows("sliding", "requests", 10, MINUTE)
    windows.take(NOON, 10)
    told = [windows.used(NOON + MINUTE + step) for step in (0, 1, 15_000, 54_000, 54_001, 60_000)]
    assert told == [10, 9, 7, 1, 0, 0]


def test_weeks_begin_on_monday():
    """Days at midnight, weeks on Monday, ten days counted from 1970."""
    sunday = NOON - 12 * HOUR - 1
    assert Windows("fixed", "requests", 1, DAY).aligned(NOON) == NOON - 12 * HOUR
    assert Windows("fixed", "requests", 1, WEEK_MS).aligned(NOON + 6 * DAY) == sunday + 1
    assert Windows("fixed", "requests", 1, WEEK_MS).aligned(sunday) == sunday + 1 - WEEK_MS
    assert Windows("fixed", "requests", 1, 10 * DAY).aligned(NOON) % (10 * DAY) == 0


@pytest.mark.parametrize("algorithm", ["gcra", "fixed", "sliding"])
def test_a_refusal_consumes_nothing_anywhere(model, algorithm):
    """Neither what refuses nor another limit of the path counts it; codes come by precedence, caps are told."""
    model.set_limit("a", "fixed", "requests", 5, HOUR)
    model.set_limit("a/b", algorithm, "requests", 2, HOUR)
    model.set_cap("a", "daily", "deny", 0)
    assert charge(model)["error_code"] == "cap_reached"
    assert used(model, "a") + used(model) == [0, 0]
    model.remove_cap("a", "daily")
    assert admitted(model, 4) == 2
    model.set_cap("a", "daily", "deny", 0)
    model.set_limit("a", "concurrency", "requests", 1, 0)
    told = reserve(model)[1]
    assert (told["error_code"], len(told["caps"]), len(told["limits"])) == ("rate_limited", 1, 3)
    assert charge(model, 0)["error_code"] == "rate_limited"
    assert sorted(used(model, "a")) == [0, 2]
    assert used(model) == [2]


def test_holds_in_parallel(model):
    """Direct charges and limits of other models do not count; a successor keeps the place, a late one has lost it."""
    model.set_limit("a", "concurrency", "", 1, 0, model="m")
    first, _ = reserve(model, model="m")
    assert reserve(model, model="m")[1]["error_code"] == "concurrency_limit"
    assert reserve(model, model="other")[1]["error_code"] is None
    assert charge(model, model="m")["error_code"] is None
    following = model.succeed("a/b", first, 1, next_amount=1, ttl_ms=1_000)["next_hold"]
    assert (following["error_code"], used(model, "a")) == (None, [1])
    model.move(1_000)
    assert used(model, "a") == [0]
    assert reserve(model, model="m")[1]["error_code"] is None
    late = model.succeed("a/b", following["hold_id"], 1, next_amount=1, late="bill")["next_hold"]
    assert late["error_code"] == "concurrency_limit"


@pytest.mark.parametrize(
    ("algorithm", "wait", "left"),
    [("gcra", 0, 2), ("gcra", 15_000, 2 - 15), ("gcra", 30_000, 0), ("fixed", 59_999, 2), ("fixed", 60_000, 0),
     ("sliding", 59_999, 2), ("sliding", 60_000, 2), ("sliding", 90_000, 1), ("sliding", 120_000, 0)],
)  # fmt: skip
def test_less_than_the_estimate_comes_back_as_far_as_it_counts(model, algorithm, wait, left):
    """20 of 60 a minute were held for what took 2: all but what has drained or lies in a window that is over."""
    model.set_limit("a/b", algorithm, "amount", 60, MINUTE)
    hold, _ = reserve(model, 20)
    model.move(wait)
    model.settle("a/b", hold, 2)
    assert used(model) == [max(0, left)]


def test_more_than_the_estimate_is_taken(model):
    """Whatever is left; later admissions wait. Without tokens= the estimate stands, a release is a use of nothing."""
    model.set_limit("a/b", "fixed", "tokens", 10, MINUTE)
    hold, _ = reserve(model, tokens=4)
    model.settle("a/b", hold, 1, tokens=25)
    assert used(model) == [25]
    assert charge(model, tokens=1)["error_code"] == "rate_limited"
    assert charge(model, tokens=0)["error_code"] is None
    model.move(MINUTE)
    hold, _ = reserve(model, tokens=4)
    model.settle("a/b", hold, 9)
    assert used(model) == [4]
    hold, _ = reserve(model, tokens=6)
    assert model.release("a/b", hold)["released"]
    assert used(model) == [4]
    hold, _ = reserve(model, tokens=6, ttl_ms=1_000)
    model.move(1_000)
    model.release("a/b", hold)
    assert used(model) == [10]


@pytest.mark.parametrize("algorithm", ["gcra", "fixed", "sliding"])
def test_a_wobble_admits_no_more(model, algorithm):
    """Back by up to a period and forward again: a used-up limit stays used up all the way."""
    model.set_limit("a/b", algorithm, "requests", 3, MINUTE)
    assert admitted(model, 5) == 3
    for step in (-1, -SECOND, -MINUTE + SECOND + 1, MINUTE):
        model.move(step)
        assert admitted(model, 2) == 0
    model.move(2 * MINUTE)
    assert admitted(model, 5) == 3


@pytest.mark.parametrize("algorithm", ["gcra", "fixed", "sliding"])
def test_nothing_freezes(model, algorithm):
    """Back by a year the limit begins unused."""
    model.set_limit("a/b", algorithm, "requests", 3, MINUTE)
    assert admitted(model, 5) == 3
    model.move(-365 * DAY)
    assert admitted(model, 5) == 3


def test_setting_again_keeps_what_was_used(model):
    """Under the same algorithm; under another one it begins unused. Removed and set again too."""
    model.set_limit("a/b", "fixed", "requests", 3, MINUTE)
    assert admitted(model, 2) == 2
    model.set_limit("a/b", "fixed", "requests", 5, MINUTE)
    assert used(model) == [2]
    model.set_limit("a/b", "gcra", "requests", 5, MINUTE)
    assert used(model) == [0]
    assert admitted(model, 2) == 2
    assert model.remove_limit("a/b", "gcra", "requests", MINUTE)["removed"]
    model.set_limit("a/b", "gcra", "requests", 5, MINUTE)
    assert used(model) == [0]
    for period in range(1, 40):
        last = model.set_limit("a/b", "fixed", "requests", 5, period * DAY)
    assert (last["error_code"], len(used(model))) == ("too_many_limits", 32)
