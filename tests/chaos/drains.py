"""Drainers that are killed: random load, SIGKILL at a random place of a drain; rows of SQL against the ledger."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sql import DATABASES, Database, run_on_each

from ducto_redis import RedisStore, SpendCap
from ducto_redis.durable import LedgerDrain

#: Shard, stream id and packed entry.
Row = tuple[int, str, bytes]
SHARDS, USERS, ROUND = 4, 20, 400
#: A drainer of its own that dies when it comes to a place for the k-th time; small parts, so that it comes to many.
KILLED = """
import itertools, os, sys
from ducto_redis import RedisStore
from ducto_redis.durable import LedgerDrain, drain as module
url, namespace, database, stop_at = sys.argv[1:]
module.PART = 50
store = RedisStore.from_url(url, namespace=namespace)
store.setup(create=False)
met = itertools.count(1)
drain = LedgerDrain(store, database)
drain.at_point = lambda _point: os.kill(os.getpid(), 9) if next(met) == int(stop_at) else None
drain.drain()
"""


def load(store: RedisStore, draw: random.Random) -> None:
    """Holds, charges, grants and caps on several roots."""
    for _ in range(ROUND):
        user = f"u{draw.randrange(USERS)}"
        store.add_credits(user, draw.randint(1, 9))
        hold = store.reserve(user, draw.randint(0, 5))
        if hold.allowed and draw.random() < 0.8:
            store.settle(user, hold, draw.randint(0, 6))
        if draw.random() < 0.05:
            store.set_spend_cap(SpendCap(user_id=user, limit=draw.randint(50, 5_000)))


def entries(server: Any, namespace: str) -> set[Row]:
    """What Redis holds."""
    return {
        (shard, entry_id.decode(), fields[b"e"])
        for shard in range(SHARDS)
        for entry_id, fields in server.client.xrange(f"{namespace}:{{{shard}}}:ledger")
    }


def drain(store: RedisStore, url: str) -> None:
    """Carries all away."""
    with contextlib.closing(LedgerDrain(store, url)) as drainer:
        drainer.drain()


def compared(rows: Sequence[Row], written: set[Row]) -> Counter[str]:
    """Rows of a database beside the entries that were written: entries, lost, doubled and other rows."""
    found = set(rows)
    return Counter(
        entries=len(written), lost=len(written - found), doubled=len(rows) - len(found), other=len(found - written)
    )


def run(server: Any, namespace: str, n: int, seed: int, database: Database) -> Counter[str]:
    """Until ``n`` entries were written and carried away: entries, lost, doubled or other rows, kills."""
    draw, seen, written = random.Random(seed), Counter(), set()
    with RedisStore.from_url(server.url, namespace=namespace, shards=SHARDS) as store:
        store.setup()
        while len(written) < n:
            load(store, draw)
            written |= entries(server, namespace)
            command = [sys.executable, "-c", KILLED, server.url, namespace, database.url, str(draw.randint(1, 40))]
            ended = subprocess.run(command, check=False, stderr=subprocess.PIPE)
            assert ended.returncode in (0, -9), ended.stderr
            seen["killed"] += ended.returncode == -9
            written |= entries(server, namespace)
        drain(store, database.url)
    return seen + compared(database.rows(), written)


def on_each(server: Any, namespace: str, n: int, seed: int) -> Counter[str]:
    """The same on every database, a part of ``n`` each."""
    return run_on_each(lambda name, database: run(server, f"{namespace}.{name}", n // len(DATABASES), seed, database))
