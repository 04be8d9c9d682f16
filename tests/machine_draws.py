"""What the steps of the machine draw: accounts, amounts at the edges of the present state, times and limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from calls import LIMITED, PERIODS
from comparison import ACCOUNTS
from hypothesis import strategies as st
from model_state import DAY_MS, HOUR_MS

RATED = ["rated-1", "rated+0", "rated+1"] if LIMITED else []
# Half of all calls go to a few accounts, so that they meet.
accounts = st.one_of(st.sampled_from(["acme/search/alice", "acme/search/bob", "u"]), st.sampled_from(ACCOUNTS))
# A number of units, or one that lies at an edge of the present state.
amounts = st.one_of(
    st.integers(0, 40),
    st.sampled_from([f"{what}{by:+d}" for what in ("room", "free", "limit", "hold") for by in (-1, 0, 1)]),
    st.sampled_from(["room+0", "hold+0", "hold+1", "max-1", "max+0", *RATED]),
)
# What something cost in the end; often more than was held.
costs = st.one_of(amounts, st.sampled_from(["capped+0", "capped+1", "model+1", "model+9", "paid+0", "paid+1"]))
modes = st.sampled_from(
    [("strict", 0), ("strict", 0), ("strict", 7), ("overdraft", 0), ("overdraft", -25), ("postpaid", 0)]
)
ttls = st.sampled_from([1_000, 600_000, DAY_MS, 3 * DAY_MS, 7 * DAY_MS])
picks = st.integers(0, 400)
forward_steps = st.one_of(
    st.sampled_from(["daily-1", "daily+0", "daily+0", "monthly-1", "monthly+0", "turn-1", "turn+0"]),
    st.integers(1, 20_000),
    st.sampled_from([1, 2, 14, 24, 25, 30, 180, 960]).map(lambda hours: hours * HOUR_MS),
)
backward_steps = st.one_of(
    st.integers(1, 5_000), st.integers(1, 22 * HOUR_MS), st.sampled_from(["daily", "daily", "monthly"])
)
#: Memberships of accounts below acme, some of them accounts that may not be there yet.
withins = st.sampled_from([
    (), (), (), ("acme/chat/{carol}",), ("acme/search/bob",), ("acme/search", "acme/chat/{carol}"), ("acme/chat",),
    ("acme/search/alice", "acme/search/bob", "acme/search/bob"),
])  # fmt: skip
models = st.sampled_from(["", "", "m", "m", "other"])
periods = st.sampled_from(["daily", "daily", "monthly", "daily", "monthly", "total", "hourly", "weekly", "yearly"])
zones = st.sampled_from(["UTC", "UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Asia/Kolkata"])
week_starts = st.sampled_from(["monday", "sunday", "sunday", "wednesday"])
anchors = st.sampled_from([1, 1, 15, 29, 31, 31])
# Quiet days, the eves of a new year and of a leap day, and of changes to and from summer time.
starts = st.sampled_from([
    datetime(*day, tzinfo=UTC) for day in (
        (2026, 6, 15, 12), (2026, 6, 15, 12), (2026, 10, 24, 12), (2026, 10, 31, 20), (2026, 12, 31, 12),
        (2027, 3, 13, 20), (2027, 3, 27, 12), (2028, 2, 28, 12), (2027, 4, 3, 20), (2027, 9, 4, 20),
    )
])  # fmt: skip
# What limits look at; as long as the library has none, nothing is drawn.
tokens = st.one_of(st.just(0), st.integers(1, 40)) if LIMITED else st.just(0)
#: Thresholds of a cap, in per cent.
percentages = st.sampled_from([(), (), (50,), (50, 80, 100), (1, 99)])
plans = st.sampled_from([None, None, "free", "pro"])
actions = st.sampled_from(["deny", "deny", "warn", "notify", "shadow", None])
used_tokens = st.one_of(st.none(), st.integers(0, 60)) if LIMITED else st.none()
operations = st.sampled_from(["usage", "usage", "chat"]) if LIMITED else st.just("usage")
precisions = st.sampled_from([3, 0, 0]) if LIMITED else st.just(3)
limited_accounts = st.one_of(st.sampled_from(["acme", "acme/search", "acme/search/alice", "u"]), accounts)
limits = st.tuples(
    limited_accounts,
    st.sampled_from(["gcra", "gcra", "fixed", "fixed", "sliding", "sliding", "concurrency"]),
    st.sampled_from(["requests", "amount", "amount", "tokens"]),
    st.integers(1, 60),
    st.sampled_from([*PERIODS, 60_000, 3_600_000]),
    st.one_of(st.none(), st.integers(1, 60)),
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["", "", "m"]),
            "operation": st.sampled_from(["", "", "chat"]),
            "shadow": st.sampled_from([False, False, False, True]),
        }
    ),
)
first_limits = st.lists(limits, max_size=8) if LIMITED else st.just([])
trickles = st.one_of(st.integers(1, 30), st.sampled_from([99, 100, 999, 1_000, 2_500, 20_000, "retry-1", "retry+0"]))


def default_limits(rates: tuple[int, int, int], one: int) -> list[tuple[Any, ...]]:
    """Limits that are defaults: one of requests, one of credits, one of open holds."""
    requests, amount, holds = rates
    return [
        ("gcra", "requests", requests, 10_000, None, False),
        ("gcra", "requests", 1 + requests // 2, 10_000, None, True),
        ("fixed", "amount", 10 * amount * one, 60_000, None, False),
        ("concurrency", "requests", holds, 60_000, None, False),
    ]


def has_holds(machine: Any) -> bool:
    return bool(machine.model.holds)


def can_repeat(machine: Any) -> bool:
    return bool(machine.repeatable)
