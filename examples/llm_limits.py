"""Limits of an LLM gateway: requests, tokens and open calls per user, dollars a day per user and a month per team.

Run it: ``python examples/llm_limits.py``, or with a URL such as ``redis://localhost:6379/0`` as its argument.
"""

import sys
import uuid

from ducto_redis import (
    ConcurrencyLimit,
    HoldResult,
    RateLimit,
    RedisStore,
    SpendCap,
    http_status,
    rate_limit_headers,
)


def tell(refused: HoldResult) -> None:
    """Prints what a service answers for a refusal."""
    headers = rate_limit_headers(refused)
    level = "user" if "/" in (refused.scope or "") else "team"
    wait = "with Retry-After" if "Retry-After" in headers else "never as it is"
    print(f" {http_status(refused)} {refused.reason}: {level}'s limit of {headers['X-RateLimit-Limit']}, {wait}")


def main(store: RedisStore) -> None:
    """Sets the limits, makes one call and meets each limit."""
    store.setup()
    print("✔ store ready.")

    # A user below a team: limits of both decide
    team = str(uuid.uuid4())
    alice = f"{team}/alice"
    store.add_credits(alice, 500)
    store.set_rate_limit(alice, RateLimit("60/minute"))
    store.set_rate_limit(alice, RateLimit("100k/minute", counts="tokens", algorithm="sliding"))
    store.set_concurrency_limit(alice, ConcurrencyLimit(4))
    store.set_spend_cap(SpendCap(user_id=alice, cap_type="daily", limit=5))
    store.set_spend_cap(SpendCap(user_id=team, cap_type="monthly", limit=200))

    # Before the call the worst case is set aside, after it what it was
    hold = store.reserve(alice, "0.09", "chat", model="gpt-4o", tokens=9_000)
    print(f" Admitted: {hold.allowed}, limits looked at: {len(hold.limits)}")
    done = store.settle(alice, hold, "0.04125", tokens=3_500)
    print(f" Charged: {done.amount}, balance after = {done.balance_after}")

    # Four calls at once, not five
    calls = [store.reserve(alice, "0.01", "chat") for _ in range(5)]
    tell(calls[-1])
    for call in calls[:-1]:
        store.release(alice, call)

    # More tokens than are left in this minute, and more than any minute has
    tell(store.reserve(alice, "0.90", "chat", tokens=99_000))
    tell(store.reserve(alice, "1.10", "chat", tokens=110_000))

    # A loop without end: 60 at once, then one each second
    while (call := store.reserve(alice, 0, "chat")).allowed:
        store.settle(alice, call, 0)
    tell(call)

    # Money: 5 dollars a day; an account of the team spends most of its month
    bob = f"{team}/bob"
    store.add_credits(bob, 500)
    store.set_spend_cap(SpendCap(user_id=bob, cap_type="daily", limit=5))
    tell(store.reserve(bob, "5.01", "chat"))
    nightly = f"{team}/nightly"
    store.add_credits(nightly, 500)
    store.deduct(nightly, 199)
    tell(store.reserve(bob, 2, "chat"))


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "memory://"
    with RedisStore.from_url(url, namespace="llm-limits", precision=6) as chosen:
        main(chosen)
