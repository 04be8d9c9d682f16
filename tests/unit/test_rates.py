"""Rates as callers write them: what is read, what is refused and why, and the bounds of exact counting."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ducto_redis import ConcurrencyLimit, RateLimit
from ducto_redis.rates import MAX_PERIOD_MS, period_text

MAX = 2**53 - 1


@pytest.mark.parametrize(
    ("rate", "limit", "period_ms"),
    [
        ("100/second", 100, 1000), ("1/s", 1, 1000), ("2/sec", 2, 1000), ("3/seconds", 3, 1000),
        ("100k/minute", 100_000, 60_000), ("7/m", 7, 60_000), ("7/min", 7, 60_000), ("7/minutes", 7, 60_000),
        ("5/10s", 5, 10_000), ("10/5min", 10, 300_000), ("2m/h", 2_000_000, 3_600_000), ("9/hours", 9, 3_600_000),
        ("1g/s", 10**9, 1000), ("4/d", 4, 86_400_000), ("4/2days", 4, 172_800_000), ("4/w", 4, 604_800_000),
        ("4/weeks", 4, 604_800_000), ("1/366d", 1, MAX_PERIOD_MS), ("010/02s", 10, 2000),
    ],
)  # fmt: skip
def test_a_rate_is_read(rate, limit, period_ms):
    """Number, multiplier, several units and each name of a unit."""
    read = RateLimit(rate)
    assert (read.limit, read.period_ms, type(read.limit)) == (limit, period_ms, int)


@pytest.mark.parametrize(
    ("rate", "why"),
    [
        (None, "a rate is"), (True, "a rate is"), (100, "a rate is"), (1.5, "a rate is"), (b"1/s", "a rate is"),
        ("", "a rate is"), ("100", "a rate is"), ("/s", "a rate is"), ("100/", "a rate is"), ("100/5", "a rate is"),
        ("-1/s", "a rate is"), ("+1/s", "a rate is"), ("nan/s", "a rate is"), ("inf/s", "a rate is"),
        ("1e3/s", "a rate is"), ("1/month", "a rate is"), ("1/ms", "a rate is"), ("1/Second", "a rate is"),
        ("1K/s", "a rate is"), ("1t/s", "a rate is"), ("1 / s", "a rate is"), ("1/s\n", "a rate is"),
        ("\u0661/s", "a rate is"), ("1/-1s", "a rate is"), ("1/1.5s", "a rate is"), ("1/s/s", "a rate is"),
        ("9" * 5000 + "/s", "a rate is"), ("0/s", "more than 0"), ("0k/s", "more than 0"), ("0.0/s", "more than 0"),
        ("1/0s", "1 ms to 366 days"), ("1/367d", "1 ms to 366 days"), ("1/53w", "1 ms to 366 days"),
        ("1.5/s", "whole numbers"), ("1.5k/s", "whole numbers"),
        (f"{MAX + 1}/s", f"1 to {MAX}"), ("1g/day", "algorithm='fixed'"),
    ],
)  # fmt: skip
def test_what_is_no_rate_is_refused(rate, why):
    """Everything else is a ValueError that says what is allowed."""
    with pytest.raises(ValueError, match=why):
        RateLimit(rate)


def test_what_a_rate_is_stands_in_the_message():
    """The message names examples and units, and shows at most 80 characters of what was given."""
    with pytest.raises(ValueError, match=r"5/10s.*sec, second.*not 'x") as raised:
        RateLimit("x" * 10_000)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    "options",
    [
        {"burst": 0}, {"burst": -1}, {"burst": True}, {"burst": float("nan")}, {"burst": "x"}, {"burst": 1.5},
        {"burst": Decimal(2)}, {"burst": [1]}, {"burst": MAX}, {"burst": 5, "algorithm": "fixed"},
        {"burst": 5, "algorithm": "sliding"}, {"counts": "bytes"}, {"algorithm": "leaky"}, {"model": ""},
        {"model": "m" * 129}, {"model": "\ud800"}, {"model": 5}, {"operation_type": ""}, {"operation_type": "t" * 65},
        {"window": 5},
    ],
    ids=str,
)  # fmt: skip
def test_other_options_are_bounded(options):
    """Burst, counts, algorithm and names outside their bounds, and unknown options."""
    with pytest.raises(ValueError, match="RateLimit"):
        RateLimit("10/s", **options)


def test_the_exact_range_is_used_up_to_its_end():
    """Limit x period up to 2^53-1 with gcra and sliding, any limit with fixed."""
    last = MAX // 1000
    for algorithm in ("gcra", "sliding"):
        assert RateLimit(f"{last}/s", algorithm=algorithm).limit == last
        with pytest.raises(ValueError, match="algorithm='fixed'"):
            RateLimit(f"{last + 1}/s", algorithm=algorithm)
    assert RateLimit("1/s", burst=last).burst == last
    with pytest.raises(ValueError, match="algorithm='fixed'"):
        RateLimit("1/s", burst=last + 1)
    assert RateLimit(f"{MAX}/366d", algorithm="fixed").limit == MAX


def test_credits_may_be_decimal():
    """A rate and a burst of amounts are read exactly, however they are written."""
    limit = RateLimit("2.5/minute", burst=0.1, counts="amount")
    assert (limit.limit, limit.burst) == (Decimal("2.5"), Decimal("0.1"))
    assert RateLimit("1.5k/h", burst="7.25", counts="amount").burst == Decimal("7.25")
    assert RateLimit("1.5k/h", counts="amount").limit == 1500


def test_a_limit_is_a_value():
    """Equal, hashable, unchangeable, and the same after a round trip through JSON."""
    limit = RateLimit("5/10s", burst=20, counts="tokens", model="m", operation_type="chat")
    assert RateLimit.model_validate_json(limit.model_dump_json()) == limit
    assert len({limit, RateLimit("5/10s", burst=20, counts="tokens", model="m", operation_type="chat")}) == 1
    with pytest.raises(ValueError, match="frozen"):
        limit.burst = 3
    assert ConcurrencyLimit.model_validate({"max_concurrent": 3}) == ConcurrencyLimit(3)


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "4", None, float("nan"), MAX + 1])
def test_concurrency_is_a_whole_number(number):
    """From 1 on; nothing that only looks like one."""
    assert ConcurrencyLimit(4, operation_type="chat").max_concurrent == 4
    with pytest.raises(ValueError, match="max_concurrent must be a whole number"):
        ConcurrencyLimit(number)


def test_periods_for_people():
    """The largest unit that divides it."""
    told = [period_text(ms) for ms in (1000, 10_000, 60_000, 90_000, 7_200_000, 604_800_000, 1_209_600_000, 1500)]
    assert told == ["second", "10 seconds", "minute", "90 seconds", "2 hours", "week", "2 weeks", "1500 ms"]
