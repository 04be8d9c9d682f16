"""Accounts of a namespace that Redis lost behind the last drain, restored from SQL and compared one by one."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sql import Database, run_on_each

from ducto_redis import ChargeItem, RedisStore, ReserveItem, SpendCap
from ducto_redis.durable import LedgerDrain, Restore, verify_sql

SHARDS = 8


def _parts(users: list[str]) -> Iterator[list[str]]:
    return (users[at : at + 100] for at in range(0, len(users), 100))


def _work(store: RedisStore, users: list[str], draw: random.Random) -> None:
    """Each account is granted and charged; some hold, some have a cap."""
    for user in users:
        store.add_credits(user, draw.randint(100, 10_000), type=draw.choice(("purchase", "seed")))
    for some in _parts(users):
        store.charge_many([ChargeItem(user_id=user, amount=draw.randint(0, 100)) for user in some])
    for user in draw.sample(users, len(users) // 10):
        store.set_spend_cap(SpendCap(user_id=user, limit=draw.randint(1_000, 9_000)))
    for some in _parts(draw.sample(users, len(users) // 3)):
        store.reserve_many([ReserveItem(user_id=user, amount=draw.randint(0, 50), ttl=86_400) for user in some])


def _told(store: RedisStore, users: list[str]) -> dict[str, object]:
    return {
        user: (store.get_available(user), store.get_balance(user).lifetime_purchased, store.list_holds(user).holds)
        for user in users
    }


def run(server: Any, namespace: str, n: int, seed: int, database: Database) -> Counter[str]:
    """n accounts: how many there were, holds among them, and how many differ after a wipe and a restore.

    ``differ without``: of a copy that was taken of each before it was charged, the unprotected control.
    """
    draw, users = random.Random(seed), [f"u{seed}.{at}" for at in range(n)]
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(RedisStore.from_url(server.url, namespace=namespace, shards=SHARDS))
        store.setup()
        for user in users:
            store.open_account(user)
        keys = {user: store._space.keys.account(user).keys[0] for user in users}
        copies = {user: server.client.dump(key) for user, key in keys.items()}
        _work(store, users, draw)
        before = _told(store, users)
        drain = stack.enter_context(contextlib.closing(LedgerDrain(store, database.url)))
        drain.drain()
        server.client.delete(*server.client.keys(f"{namespace}:*"))
        restore = stack.enter_context(contextlib.closing(Restore(store, database.url)))
        done, after = restore.run(), _told(store, users)
        seen = Counter(accounts=n, holds=done.holds)
        seen["differ"] = sum(after[user] != before[user] for user in users)
        seen["differ without"] = sum(server.client.dump(key) != copies[user] for user, key in keys.items())
        seen["differences"] = len(verify_sql(store, database.url).differences)
        server.client.delete(*server.client.keys(f"{namespace}:*"))
    return seen


def on_each(server: Any, namespace: str, n: int, seed: int) -> Counter[str]:
    """The same on every database, half of ``n`` each."""
    return run_on_each(lambda name, database: run(server, f"{namespace}.{name}", n // 2, seed, database))
