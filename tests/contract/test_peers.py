"""Rate limits decide like other libraries' do, on the same random schedules; ``peers.py`` says where they agree.

Our gcra beside throttled-py's, our sliding window beside the sliding window counter of ``limits``: the same admissions,
the same remaining, and of gcra the same moment to try again. Peers count whole units, so a credit is one here.
"""

from __future__ import annotations

import itertools

import pytest
from peers import Answer, Plan, compare
from told import in_ms

import ducto_redis

#: Schedules by combination, of 40 decisions and more: one of face and engine sees most.
EXAMPLES = {"sync-real": 51, "async-real": 8, "sync-embedded": 5, "async-embedded": 5}


def opening(store):
    """Sets a plan's limit for a new account, and asks by direct charges that no money refuses."""
    numbers = itertools.count(1)

    def opened(plan: Plan):
        account = f"peer{next(numbers)}"
        store.open_account(account)
        options = {"burst": plan.burst, "counts": plan.counts, "algorithm": plan.algorithm}
        assert store.set_rate_limit(account, ducto_redis.RateLimit(plan.rate, **options)).error is None

        def ask(cost: int) -> Answer:
            amount, tokens = (cost, 0) if plan.counts == "amount" else (1, cost if plan.counts == "tokens" else 0)
            told = store.deduct(account, amount, billing_mode="postpaid", tokens=tokens)
            (notice,) = told.limits
            assert notice.refused == (told.error_code == "rate_limited")
            assert told.error_code in (None, "rate_limited")
            curable = notice.refused and notice.retry_after is not None
            return Answer(not notice.refused, int(notice.remaining), in_ms(notice.retry_after) if curable else None)

        return ask

    return opened


@pytest.mark.parametrize("algorithm", ["gcra", "sliding"])
def test_the_same_decisions_as_a_peer(api, algorithm, record_property):
    """Every decision of every schedule is the peer's; on the real server over 2,000 of each algorithm."""
    tally = compare(algorithm, EXAMPLES[api.name], api.clock, opening(api.store(precision=0)))
    peer = {"gcra": "throttled-py", "sliding": "limits"}[algorithm]
    figures = f"{tally['decisions']} decisions, {tally['refused']} refused, 0 differences"
    record_property("figure", f"{algorithm} and {peer}, {api.name}: {figures}")
    assert tally["decisions"] >= 40 * EXAMPLES[api.name]
