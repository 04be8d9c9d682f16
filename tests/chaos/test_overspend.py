"""The first guarantee: no number of concurrent callers spends above a deny cap or a balance; a control does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import callers

ATTEMPTS = 33_600


@pytest.mark.parametrize("limit", ["cap", "balance"])
@pytest.mark.parametrize("by", [callers.by_threads, callers.by_processes, callers.by_tasks], ids=lambda by: by.__name__)
def test_credits_spent_above_a_deny_cap_or_a_balance(server, namespace, by, limit, record_property):
    """64 threads, 8 processes or 500 tasks race on one account: exactly floor(cap / cost) are admitted, 0 overspent."""
    seen = callers.race(server.url, namespace, by, limit, ATTEMPTS // 2)
    figure = f"{seen['attempts']} attempts, {seen['admitted']} admitted, {seen['above']} above"
    record_property("figure", f"{by.__name__}, {limit}: {figure}")
    assert seen["admitted"] == callers.CAP // callers.COST
    assert seen["spent"] == seen["admitted"] * callers.COST
    assert seen["reserved"] == 0


def test_the_last_credit_goes_to_one(server, namespace, record_property):
    """32 threads ask for the last credit under a cap at the same moment, 50 times: one gets it, every time."""
    winners = callers.last_credit(server.url, namespace, rounds=50, callers=32)
    record_property("figure", f"the last credit of a cap, 32 threads, 50 times: {max(winners)} at most got it")
    assert winners == [1] * 50


def test_the_unprotected_control_overspends(server, namespace, record_property):
    """Check, then add, from 64 threads: the same cap is passed, so the race is real on this machine."""
    worst = max(callers.unprotected(server.url, f"{namespace}-{turn}", 5_000) for turn in range(3))
    record_property("figure", f"unprotected control, 64 threads: cap 5000, spent {worst}, {worst - 5_000} above")
    assert worst > 5_000
