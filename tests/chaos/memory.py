"""Memory stays flat however many periods end: accounts live through simulated days, the ledger drained each day.

``run(n, seed)`` makes at least n changes of a day on accounts with a daily and a monthly cap. Every day each account is
charged, holds or settles at random; some holds are left to expire. The clock is the injected one: nothing sleeps.
"""

from __future__ import annotations

import random
import statistics
from datetime import UTC, datetime
from typing import Any

from servers import RedisProcess

from ducto_redis import RedisStore, SpendCap
from ducto_redis.testing import FakeClock, redis_store

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
LAST_DAY = 60_000  # day numbers have two bytes
FLAT_PERCENT = 2.0  # accounts differ in what they hold at the moment they are weighed
WARM_UP = 5  # days until both stores of records are in use


def _live(store: RedisStore, name: str, rng: random.Random) -> int:
    """One account's day: a charge where there is one, a hold that is left open, or a hold and its settlement."""
    chance = rng.random()
    if chance < 0.5 and hasattr(store, "deduct"):
        result = store.deduct(name, 1)
        assert result.error_code is None, result
        return 1
    hold = store.reserve(name, 1)
    assert hold.error_code is None, hold
    if chance < 0.8:
        return 1
    result = store.settle(name, hold, "0.5")
    assert result.error_code is None, result
    return 2


def _open(store: RedisStore, count: int) -> list[str]:
    names = [f"user-{at:08d}" for at in range(count)]
    for name in names:
        store.add_credits(name, 1_000_000)
        store.set_spend_cap(SpendCap(user_id=name, cap_type="daily", limit=100))
        store.set_spend_cap(SpendCap(user_id=name, cap_type="monthly", limit=100_000))
    return names


def run(n: int, seed: int, *, drained: bool = True) -> dict[str, Any]:
    """Makes n changes of a period and weighs the server after every simulated day.

    Args:
        n: Changes of a day, over all accounts.
        seed: Of the order of days and of what accounts do.
        drained: Whether the ledger is emptied each day, as a drainer does; the control leaves it.

    Returns:
        The counts; mean bytes per account in the first and the last quarter of the days; ``flat``, whether they agree.
    """
    rng = random.Random(seed)
    accounts = min(1_000, max(100, n // 200))
    days = -(-n // accounts)
    clock = FakeClock(START)
    server = RedisProcess()
    months, calls, samples = 0, 0, []
    try:
        with redis_store(server.url, clock, namespace="flat", shards=1) as store:
            store.setup()
            _live(store, _open(store, 1)[0], rng)  # every script is loaded before the first reading
            empty = server.client.info("memory")["used_memory"]
            names = _open(store, accounts + 1)[1:]
            (ledger,) = server.client.scan_iter(match="flat:*ledger")
            for _ in range(days):
                before = clock.now
                clock.now_ms = (clock.now_ms // DAY_MS + rng.choice((1, 1, 1, 2, 5))) * DAY_MS + rng.randrange(DAY_MS)
                assert clock.now_ms // DAY_MS < LAST_DAY
                months += accounts * ((before.year, before.month) != (clock.now.year, clock.now.month))
                calls += sum(_live(store, name, rng) for name in names)
                if drained:
                    server.client.xtrim(ledger, maxlen=0, approximate=False)
                samples.append((server.client.info("memory")["used_memory"] - empty) / accounts)
    finally:
        server.stop()
    kept = samples[WARM_UP:]
    # Means: a store of records holds one record or two, depending on whether 24 hours had passed that day.
    quarter = max(1, len(kept) // 4)
    first, last = statistics.mean(kept[:quarter]), statistics.mean(kept[-quarter:])
    grown = 100 * (last - first) / first
    return {
        "n": days * accounts, "seed": seed, "accounts": accounts, "days": days, "month_changes": months, "calls": calls,
        "until": clock.now.date().isoformat(), "bytes_first": round(first), "bytes_last": round(last),
        "bytes_greatest": round(max(kept)), "grown_percent": round(grown, 2), "flat": grown <= FLAT_PERCENT,
    }  # fmt: skip
