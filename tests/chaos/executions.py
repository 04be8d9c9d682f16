"""How often an operation is executed when replies and requests are lost, repeated and late: counted in the ledger.

The client is a user's, with redis-py's own retries on. The control runs an unprotected script through the same faults
on redis-py's client as it comes.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from audit import entries_of
from proxy import Fault, Proxy, Random

from ducto_redis import AsyncRedisStore, RedisStore, RetryPolicy
from ducto_redis.core.entries import Kind
from ducto_redis.drivers.asyncio import AsyncDriver
from ducto_redis.drivers.replies import Waits
from ducto_redis.drivers.sync import SyncDriver

PATIENT = RetryPolicy(deadline_s=120)
ACCOUNTS = 10
#: Long enough for a healthy server, short because each late reply is waited for that long.
TIMEOUT_S = 0.05
_ENDS = (Kind.SETTLE, Kind.RELEASE, Kind.EXPIRE)


async def at_once(_seconds: float) -> None:
    """Waits for nothing."""


async def work(store: Any, n: int, seed: int) -> Counter[tuple[str, str]]:
    """Makes n operations, one after the other; gives what the ledger must hold, and counts what callers were told."""
    draw, expected, holds = random.Random(seed), Counter(), []

    async def made(kind: str, op_id: str, outcome: Any) -> Any:
        result = await outcome if asyncio.iscoroutine(outcome) else outcome
        assert result.error_code is None, result
        expected[kind, op_id] += 1
        expected["told", "repetitions"] += getattr(result, "idempotent", False)
        expected["told", "events"] += any(event.id for event in result.events)
        return result

    for at in range(n):
        user, key = f"u{at % ACCOUNTS}", f"{seed}-{at}"
        name = draw.choice(("reserve", "reserve", "settle", "deduct_credits", "release", "add_credits", "deduct"))
        if name in ("add_credits", "deduct"):
            await made(name, key, getattr(store, name)(user, 5, idempotency_key=key))
        elif name == "reserve" or not holds:
            await made("reserve", key, store.reserve(user, 5, idempotency_key=key))
            holds.append((user, key))
        else:
            user, key = holds.pop(draw.randrange(len(holds)))
            await made("end", key, getattr(store, name)(user, key, *([] if name == "release" else [3])))
    return expected


def in_ledger(client: Any, namespace: str) -> Counter[tuple[str, str]]:
    """How many entries the ledger holds of each operation."""
    found: Counter[tuple[str, str]] = Counter()
    names = {Kind.GRANT: "add_credits", Kind.HOLD: "reserve", **dict.fromkeys(_ENDS, "end")}
    for entry in entries_of(client, namespace):
        if entry.sequence:
            found[names.get(entry.kind, "deduct"), entry.reference[1:]] += 1
    return found


async def _through(proxy: Proxy, namespace: str, n: int, seed: int) -> Counter[tuple[str, str]]:
    client = redis.asyncio.Redis(unix_socket_path=proxy.path, socket_timeout=TIMEOUT_S)
    async with AsyncRedisStore(AsyncDriver(client, waits=Waits(at_once)), namespace=namespace, retry=PATIENT) as store:
        return await work(store, n, seed)


def run(server: Any, namespace: str, n: int, seed: int, *, asynchronous: bool) -> Counter[str]:
    """Runs n operations through a disturbing proxy.

    Returns:
        ``operations``, ``executions``, ``not once`` (operations without exactly one entry), ``told repeated`` (results
        that call our own attempt another's), ``without event``, ``faults`` and how often each was met.
    """
    with RedisStore.from_url(server.url, namespace=namespace, shards=4) as store:
        store.setup()
        for at in range(ACCOUNTS):
            store.add_credits(f"u{at}", 10**9, idempotency_key="open")
    with Proxy(Path(server.socket), Random(seed)) as proxy:
        if asynchronous:
            expected = asyncio.run(_through(proxy, namespace, n, seed))
        else:
            client = redis.Redis(unix_socket_path=proxy.path, socket_timeout=TIMEOUT_S)
            driver = SyncDriver(client, waits=Waits(lambda _: None))
            with RedisStore(driver, namespace=namespace, retry=PATIENT) as store:
                expected = asyncio.run(work(store, n, seed))
        proxy.deliver_late()
        met = proxy.met
    repeated, events = expected.pop(("told", "repetitions")), expected.pop(("told", "events"))
    found = in_ledger(server.client, namespace)
    assert found.pop(("add_credits", "open")) == ACCOUNTS
    return Counter({
        "operations": sum(expected.values()), "executions": sum(found.values()),
        "not once": sum(found[key] != 1 for key in expected) + len(found.keys() - expected.keys()),
        "told repeated": repeated, "without event": sum(expected.values()) - events,
        "faults": sum(met.values()) - met[Fault.NONE],
        **{fault.name.lower().replace("_", " "): met[fault] for fault in Fault if fault is not Fault.NONE},
    })  # fmt: skip


def unprotected(server: Any, key: str, n: int, seed: int) -> int:
    """The control: a script that only counts, on redis-py's client with its default retries. Gives its executions."""
    with Proxy(Path(server.socket), Random(seed, share=0.2, kinds=(Fault.REPLY_LOST,), slow=0)) as proxy:
        client = redis.Redis(unix_socket_path=proxy.path)
        count = client.register_script("return redis.call('INCR', KEYS[1])")
        for _ in range(n):
            count(keys=[key])
        client.close()
    return int(server.client.get(key))
