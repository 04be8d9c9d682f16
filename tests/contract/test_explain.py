"""``explain`` and ``dry_run``: the decision that the same call would get, with every limit, and nothing is taken."""

from __future__ import annotations

import redis

from ducto_redis import ConcurrencyLimit, RateLimit, SpendCap
from ducto_redis.drivers.embedded import connect


def limited(store):
    """A user below a team: a cap of each action, a rate and a concurrency limit."""
    store.add_credits("team/alice", 100)
    store.set_spend_cap(SpendCap(user_id="team", cap_type="monthly", limit=60))
    store.set_spend_cap(SpendCap(user_id="team/alice", cap_type="daily", limit=30, action="warn"))
    store.set_spend_cap(SpendCap(user_id="team/alice", cap_type="weekly", limit=500, model="m", action="notify"))
    store.set_rate_limit("team", RateLimit("100/minute", counts="tokens", algorithm="fixed"))
    store.set_concurrency_limit("team/alice", ConcurrencyLimit(2))


def dump(api):
    """Every key of the namespace, byte for byte."""
    client = redis.Redis.from_url(api.url) if api.real else connect(api.url)
    return {key: client.dump(key) for key in client.keys(f"{api.namespace}:*")}


def test_everything_is_told_and_nothing_taken(api):
    """Caps of every action and level, limits with what is left; refused or not, every key stays byte-equal."""
    store = api.store()
    limited(store)
    before = dump(api)
    told = store.explain("team/alice", 40, tokens=70, model="m")
    assert (told.error_code, told.allowed, told.balance, told.available) == (None, True, 100, 100)
    assert [(cap.scope, cap.cap_type, cap.action, cap.refused) for cap in told.caps] == [
        ("team", "monthly", "deny", False), ("team/alice", "daily", "warn", False),
        ("team/alice", "weekly", "notify", False),
    ]  # fmt: skip
    assert [(each.scope, each.counts, each.remaining, each.refused) for each in told.limits] == [
        ("team", "tokens", 100, False), ("team/alice", "requests", 2, False),
    ]  # fmt: skip
    assert told.events == ()
    assert store.explain("team/alice", 40, tokens=101).error_code == "rate_limited"
    assert store.reserve("team/alice", 40, dry_run=True).hold_id == ""
    assert store.deduct("team/alice", 40, dry_run=True).transaction_id == ""
    assert dump(api) == before


def test_it_says_what_the_call_then_says(api):
    """Of admissions in a row each is foretold: code, message, deciding scope, retry_after; every kind of refusal."""
    store = api.store()
    limited(store)
    calls = [
        {"amount": 1, "tokens": 101}, {"amount": 61}, {"amount": 20, "tokens": 60}, {"amount": 5, "tokens": 60},
        {"amount": 101}, {"amount": 20}, {"amount": 20}, {"amount": 200, "tokens": 90},
    ]  # fmt: skip
    seen = []
    for options in calls:
        foretold, dry = store.explain("team/alice", **options), store.reserve("team/alice", dry_run=True, **options)
        done = store.reserve("team/alice", **options)
        for told in (foretold, dry):
            assert (told.error_code, told.message) == (done.error_code, done.message)
        assert (dry.retry_after, dry.caps) == (done.retry_after, done.caps)
        if not done.allowed:
            assert (foretold.scope, foretold.retry_after) == (done.scope, done.retry_after)
        seen.append(done.error_code)
    assert seen == ["rate_limited", "cap_reached", None, "rate_limited", "cap_reached", None, "concurrency_limit",
                    "concurrency_limit"]  # fmt: skip


def test_a_dry_charge(api):
    """Says whether it would pass; the balance is the present one, and no event is sent."""
    store = api.store()
    limited(store)
    heard = []
    for kind in ("credits.deducted", "credits.deduct_failed", "credits.cap_reached"):
        store.emitter.on(kind, heard.append)
    dry = store.deduct("team/alice", 40, dry_run=True)
    assert (dry.error_code, dry.amount, dry.balance_after, dry.cap_warning, dry.events) == (None, 40, 100, None, ())
    assert store.deduct("team/alice", 61, dry_run=True).error_code == "cap_reached"
    assert heard == []
    assert store.deduct("team/alice", 40).cap_warning.cap_type == "daily"


def test_an_unknown_account_stays_unknown(api):
    """Explained as it would be answered; it is not opened."""
    store = api.store()
    before = dump(api)
    assert store.explain("nobody", 1).error_code == "insufficient_credits"
    assert store.explain("nobody", 1, billing_mode="postpaid").error_code == "account_unknown"
    assert store.explain("nobody", -1).error_code == "invalid_amount"
    assert dump(api) == before


def test_a_manager_explains_without_raising(api):
    """A refusal is what was asked for; ``dry_run`` raises like the call it stands for."""
    store = api.store()
    limited(store)
    manager = api.manager(store)
    assert manager.explain("team/alice", 61).error_code == "cap_reached"
