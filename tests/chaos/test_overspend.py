"""The first guarantee: no number of concurrent callers spends above a deny cap or a balance; a control does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import callers

from ducto_redis import RedisStore, SpendCap

ATTEMPTS = 33_600
CAP = 50_000


@pytest.mark.parametrize("limit", ["cap", "balance"])
@pytest.mark.parametrize("by", [callers.by_threads, callers.by_processes, callers.by_tasks], ids=lambda by: by.__name__)
def test_credits_spent_above_a_deny_cap_or_a_balance(server, namespace, by, limit, record_property):
    """64 threads, 8 processes or 500 tasks race on one account: exactly floor(cap / cost) are admitted, 0 overspent."""
    attempts = ATTEMPTS // 2
    with RedisStore.from_url(server.url, namespace=namespace, shards=1) as store:
        store.setup()
        store.add_credits("u", 10**9 if limit == "cap" else CAP)
        if limit == "cap":
            store.set_spend_cap(SpendCap(user_id="u", limit=CAP))
        admitted = by(server.url, namespace, attempts)
        spent = 10**9 * (limit == "cap") + CAP * (limit == "balance") - store.get_balance("u").balance
        figure = f"{by.__name__}, {limit}: {attempts} attempts, {admitted} admitted, {max(spent - CAP, 0)} above"
        record_property("figure", figure)
        assert admitted == CAP // callers.COST
        assert spent == admitted * callers.COST
        assert store.get_available("u").reserved == 0


def test_the_unprotected_control_overspends(server, namespace, record_property):
    """Check, then add, from 64 threads: the same cap is passed, so the race is real on this machine."""
    worst = max(callers.unprotected(server.url, f"{namespace}-{turn}", 5_000) for turn in range(3))
    record_property("figure", f"unprotected control, 64 threads: cap 5000, spent {worst}, {worst - 5_000} above")
    assert worst > 5_000
